//! Pages that are gone: a mapped file became shorter while it was read, or its disk failed.
//!
//! The kernel says so with the signal SIGBUS, which ends a process without a word. The handler here puts zeros where the
//! pages were and notes it: the scan comes to the end of its window as ever, and `check_unchanged` says what happened.
//! Signals for any other address go to whoever was there before.
//!
//! A handler may interrupt anything, so it takes no lock and allocates nothing: it walks a list of slots that only grows,
//! and calls `mmap`, which is no more than a system call. A slot describes a window from after it was mapped until before
//! it is unmapped; the thread that meets the signal reads through such a window, which therefore stays as it is.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Once, OnceLock};

/// The addresses of one window.
#[derive(Debug)]
struct Slot {
    is_taken: AtomicBool,
    /// Zero while it describes no window.
    start: AtomicUsize,
    end: AtomicUsize,
    /// What to set when pages are gone.
    is_lost: AtomicPtr<AtomicBool>,
    next: Option<&'static Slot>,
}

/// The slot that was made last. Slots are never freed: there are as many as there were windows at once.
static FIRST: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// Who handled the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// The size of a page, in bytes.
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);

/// Watches a window as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    slot: &'static Slot,
    /// Keeps alive what the slot points to.
    _is_lost: Arc<AtomicBool>,
}

/// Notes in `is_lost` when pages of `window` turn out to be gone.
pub(super) fn watch(window: &[u8], is_lost: &Arc<AtomicBool>) -> Watch {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    let slot = slots().find(|slot| !slot.is_taken.swap(true, Ordering::AcqRel)).unwrap_or_else(add_slot);
    let range = window.as_ptr_range();
    slot.end.store(range.end as usize, Ordering::SeqCst);
    slot.is_lost.store(Arc::as_ptr(is_lost).cast_mut(), Ordering::SeqCst);
    slot.start.store(range.start as usize, Ordering::SeqCst);
    Watch { slot, _is_lost: Arc::clone(is_lost) }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.slot.start.store(0, Ordering::SeqCst);
        self.slot.is_taken.store(false, Ordering::Release);
    }
}

fn slots() -> impl Iterator<Item = &'static Slot> {
    // SAFETY: the pointer is null or that of a slot that was leaked.
    let first = unsafe { FIRST.load(Ordering::Acquire).as_ref() };
    std::iter::successors(first, |slot| slot.next)
}

fn add_slot() -> &'static Slot {
    let slot = Box::into_raw(Box::new(Slot {
        is_taken: AtomicBool::new(true),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_lost: AtomicPtr::new(ptr::null_mut()),
        next: None,
    }));
    let mut first = FIRST.load(Ordering::Acquire);
    loop {
        // SAFETY: nobody else knows the new slot yet, and `first` is as in `slots`.
        unsafe { (*slot).next = first.as_ref() };
        match FIRST.compare_exchange(first, slot, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: it is never freed, and from now on only shared.
            Ok(_) => return unsafe { &*slot },
            Err(now) => first = now,
        }
    }
}

fn install() {
    // SAFETY: `sysconf` only tells; `sigaction` gets a whole action, whose flags fit the kind of handler, and a place for
    // the one before. An action of zeros is one without handler, flags and mask.
    unsafe {
        if let Ok(n_page @ 1..) = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)) {
            PAGE_BYTES.store(n_page, Ordering::SeqCst);
        }
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut before) == 0 {
            let _ = BEFORE.set(before);
            let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_signal;
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            // Without it all is as it would be without this module.
            let _ = libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut());
        }
    }
}

extern "C" fn on_signal(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a whole `siginfo_t`, which for this signal has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    if put_zeros(address) {
        return;
    }
    // Not ours. The instruction runs again, and the signal comes to whoever was there before.
    if let Some(before) = BEFORE.get() {
        // SAFETY: the kernel gave this action to us.
        let _ = unsafe { libc::sigaction(libc::SIGBUS, ptr::from_ref(before), ptr::null_mut()) };
    }
}

/// Replaces what is left of the window from the page of `address` on. False if no window is there.
fn put_zeros(address: usize) -> bool {
    let is_at = |slot: &&Slot| {
        let start = slot.start.load(Ordering::SeqCst);
        let end = slot.end.load(Ordering::SeqCst);
        // A slot that another thread changes meanwhile is not the one of this address.
        start != 0 && (start..end).contains(&address) && slot.start.load(Ordering::SeqCst) == start
    };
    let Some(slot) = slots().find(is_at) else { return false };
    // SAFETY: the window of this slot is being read by this thread, so its watch, which owns the flag, is alive.
    if let Some(is_lost) = unsafe { slot.is_lost.load(Ordering::SeqCst).as_ref() } {
        is_lost.store(true, Ordering::SeqCst);
    }
    let page = address - address % PAGE_BYTES.load(Ordering::SeqCst);
    let n_bytes = slot.end.load(Ordering::SeqCst) - page;
    let (read, kind) = (libc::PROT_READ, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED);
    // SAFETY: from this page to the end of the window lies nothing but the window, which is only read and is unmapped
    // with all that is in its range.
    let zeros = unsafe { libc::mmap(page as *mut c_void, n_bytes, read, kind, -1, 0) };
    zeros != libc::MAP_FAILED
}
