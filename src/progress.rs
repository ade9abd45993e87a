//! Progress on a terminal: the only module besides `main` that writes to stderr while stages run.

/// Watches one stage; cheap to call from many threads.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bar: Option<indicatif::ProgressBar>,
}

impl Progress {
    /// A watcher that shows nothing.
    pub fn hidden() -> Progress {
        Progress { bar: None }
    }

    /// Says that `n` more units (bytes or rows) are done.
    pub fn advance(&self, n: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(n);
        }
    }
}
