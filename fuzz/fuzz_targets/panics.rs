//! libfuzzer-sys ends the process at every panic, also at one that the program catches. Here only those count that
//! leave it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, Once, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs `check`; a panic that comes out of it ends the process with its message.
pub fn guard(check: impl FnOnce()) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            *last = info.to_string();
        }))
    });
    if panic::catch_unwind(AssertUnwindSafe(check)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
}
