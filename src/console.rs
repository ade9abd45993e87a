//! Progress on a terminal: the only module besides `main` that writes to stderr while stages run.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether stages may draw bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressChoice {
    /// When stderr is a terminal.
    OnTerminal,
    /// Never.
    Hidden,
}

/// What a stage counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of data files.
    Bytes,
    /// Rows of the month.
    Rows,
}

/// Watches one stage; cheap to call from many threads. The bar goes away with its last copy.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// A watcher that shows nothing.
    pub fn hidden() -> Progress {
        Progress { bar: None }
    }

    /// Begins to watch a stage of `total` units.
    pub fn start(choice: ProgressChoice, stage: &'static str, total: u64, unit: Unit) -> Progress {
        if choice == ProgressChoice::Hidden || !std::io::stderr().is_terminal() {
            return Progress::hidden();
        }
        let template = match unit {
            Unit::Bytes => "{msg:<10} {bar:32} {bytes:>10} of {total_bytes}, {bytes_per_sec}, {eta} left",
            Unit::Rows => "{msg:<10} {bar:32} {human_pos:>10} of {human_len}, {per_sec}, {eta} left",
        };
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
        // The templates are constants; were one wrong, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(stage);
        Progress { bar: Some(bar) }
    }

    /// Says that `n` more units (bytes or rows) are done.
    pub fn advance(&self, n: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(n);
        }
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A message for the person at the terminal. A stderr that is gone is no reason to fail.
pub fn say(message: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
