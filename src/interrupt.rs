//! What is done when somebody ends a run: a last word, then the end that the signal means.
//!
//! The handler only writes the signal's number to a pipe; a thread that waits there does the rest. Whoever goes on to a
//! new step while that thread is at work waits for ever, so that nothing is published that was told to be given up.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;
use std::{ptr, thread};

use libc::c_int;
use serde_json::json;

use crate::console;

/// Longest time for the last word.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said and done when the run is interrupted in its present step; the argument is the name of the signal.
pub type LastWord = Box<dyn FnOnce(&'static str) + Send>;

static LAST_WORD: Mutex<Option<LastWord>> = Mutex::new(None);
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Where the last word is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// On stderr.
    Stderr,
    /// There, and as one JSON object on stdout, as errors are.
    Json,
}

static TELLING: OnceLock<Telling> = OnceLock::new();

/// A command begins. Until a step of it has a last word of its own, and after the last of them, it has a plain one.
pub fn begin(telling: Telling) {
    let _ = TELLING.set(telling);
    listen();
}

/// A new step of the run begins, with this for its last word; none of its own any more at the end of the run.
pub fn set_last_word(word: Option<LastWord>) {
    listen();
    *LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner) = word;
}

fn listen() {
    static INSTALLED: Once = Once::new();
    // Without a handler all is as it would be without this module.
    INSTALLED.call_once(|| drop(install()));
}

/// Tells that the signal ends the program, what stands now and what to do next.
pub fn tell(signal: &str, message: &str, next: &str) {
    console::say(format_args!("viewmart: {message}\n  next: {next}"));
    if TELLING.get() == Some(&Telling::Json) {
        let exit = exit_code(signal);
        let object = json!({"stage": "run", "kind": "interrupted", "message": message, "next": next, "exit": exit});
        // Whoever reads stdout may be gone, by the same signal more often than not.
        let _ = io::stdout().write_all(console::escaped_json(&format!("{object}\n")).as_bytes());
    }
}

/// The exit code that a shell shows of a program that the signal of this name has ended.
pub fn exit_code(signal: &str) -> u8 {
    if signal == "SIGINT" { 130 } else { 143 }
}

fn install() -> std::io::Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let (reader, writer): (File, OwnedFd) = (OwnedFd::from(reader).into(), writer.into());
    PIPE.store(writer.as_raw_fd(), Ordering::SeqCst);
    // Open as long as the process: the handler writes to it at any time.
    std::mem::forget(writer);
    thread::Builder::new().name("interrupt".into()).spawn(move || wait(reader))?;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: `sigaction` gets a whole action and a place for one; one of zeros is without handler, flags and mask.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            // What a shell or `nohup` told this process to ignore stays ignored.
            if libc::sigaction(signal, ptr::null(), &raw mut before) == 0 && before.sa_sigaction == libc::SIG_DFL {
                let handler: extern "C" fn(c_int) = on_signal;
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_RESTART;
                let _ = libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    }
    Ok(())
}

extern "C" fn on_signal(signal: c_int) {
    let number = [u8::try_from(signal).unwrap_or_default()];
    // SAFETY: `write` may be called in a handler, and reads the one byte.
    let _ = unsafe { libc::write(PIPE.load(Ordering::SeqCst), number.as_ptr().cast(), 1) };
}

/// Waits for signals: the first has the last word said, a second one ends the process at once.
fn wait(mut reader: File) {
    let mut number = [0];
    let mut is_first = true;
    while matches!(reader.read(&mut number), Ok(1)) {
        let signal = c_int::from(number[0]);
        if !is_first {
            end_by(signal);
        }
        is_first = false;
        thread::spawn(move || {
            thread::spawn(move || {
                thread::sleep(PATIENCE);
                end_by(signal);
            });
            // Held to the end: no step begins any more.
            let mut word = LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner);
            let name = if signal == libc::SIGINT { "SIGINT" } else { "SIGTERM" };
            match word.take() {
                Some(word) => word(name),
                None if TELLING.get().is_some() => {
                    tell(name, &format!("interrupted by {name}"), "run the command again");
                }
                None => {}
            }
            end_by(signal);
        });
    }
}

/// Ends the process as the signal would have done without a handler, which tells a shell what happened.
fn end_by(signal: c_int) {
    // SAFETY: neither call reads memory of ours.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
