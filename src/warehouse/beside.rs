//! Work beside a publication, without which the month must not become visible.
//!
//! The files of a month are written while a database takes its rows. A disk that takes no more of
//! them must be known before readers see the month, not after: whoever publishes waits here last.

use std::sync::{Condvar, Mutex, PoisonError};

use super::{Fault, WarehouseError};

/// How work beside a publication ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The month may be published.
    Done,
    /// It must not be; why is known to whoever did the work.
    Failed,
}

/// Work that goes on beside a publication, until its outcome is known.
#[derive(Debug)]
pub struct Beside {
    outcome: Mutex<Option<Outcome>>,
    known: Condvar,
}

/// Ends the work for whoever does it: as failed, unless it came to say otherwise.
#[derive(Debug)]
pub struct Ending<'a>(&'a Beside);

impl Beside {
    /// Nothing goes on beside.
    pub fn nothing() -> Beside {
        Beside { outcome: Mutex::new(Some(Outcome::Done)), known: Condvar::new() }
    }

    /// Something does, and will say how it ended.
    pub fn begin() -> Beside {
        Beside { outcome: Mutex::new(None), known: Condvar::new() }
    }

    /// For whoever does the work. Also a panic there ends it.
    pub fn ending(&self) -> Ending<'_> {
        Ending(self)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`Fault::Withheld`] when the work failed; the warehouse is `at`.
    pub(crate) fn wait(&self, at: &str) -> Result<(), WarehouseError> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match *outcome {
                Some(Outcome::Done) => return Ok(()),
                Some(Outcome::Failed) => return Err(WarehouseError::step(at, "publishing the month", Fault::Withheld)),
                None => outcome = self.known.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn end(&self, with: Outcome) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(with);
        self.known.notify_all();
    }
}

impl Ending<'_> {
    /// The work is done.
    pub fn done(self) {
        self.0.end(Outcome::Done);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(Outcome::Failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_publishes_waits_for_the_work_and_learns_of_its_end() {
        type Work = fn(Ending<'_>);
        let cases: [(&str, Work, bool); 3] = [
            ("done", |ending| ending.done(), true),
            ("failed", |ending| drop(ending), false),
            ("panicked", |_ending| panic!("the test wants it"), false),
        ];
        for (name, work, is_done) in cases {
            let beside = Beside::begin();
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| beside.wait("sqlite:there"));
                let worked = scope.spawn(|| work(beside.ending())).join();
                assert_eq!(worked.is_err(), name == "panicked");
                let waited = waiting.join().unwrap();
                assert_eq!(waited.is_ok(), is_done, "{name}");
                if let Err(error) = waited {
                    assert!(matches!(error.fault(), Some(Fault::Withheld)), "{error}");
                }
            });
        }
        assert!(Beside::nothing().wait("sqlite:there").is_ok());
    }
}
