//! Progress and messages on a terminal: the only module besides `main` that writes to stderr while stages run.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

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

    /// Says that `n` units that were done have to be done again.
    pub fn take_back(&self, n: u64) {
        if let Some(bar) = &self.bar {
            bar.dec(n);
        }
    }

    /// A watcher that counts and shows nothing.
    #[cfg(test)]
    pub(crate) fn unseen(total: u64) -> Progress {
        Progress { bar: Some(ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden())) }
    }

    /// How many units are done.
    #[cfg(test)]
    pub(crate) fn position(&self) -> Option<u64> {
        self.bar.as_ref().map(ProgressBar::position)
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
    let _ = writeln!(std::io::stderr(), "{}", escaped(&message.to_string()));
}

/// The text as a terminal may see it. Names of files, apps and columns come from outside: what could move the cursor,
/// colour the screen or turn the direction of writing stands as an escape. Line ends and tabs are ours.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    let turns_direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() && c != '\n' && c != '\t' || turns_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Tells whom a run waits for, once, when the wait is long enough to be noticed.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    since: Instant,
    is_told: bool,
}

impl Waiting {
    /// A wait that is longer than this is told.
    pub const SILENT: Duration = Duration::from_secs(2);

    /// The wait begins.
    pub fn begin() -> Waiting {
        Waiting { since: Instant::now(), is_told: false }
    }

    /// How long it has taken.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// To be called while it lasts; `whom` is read after "waiting for ".
    pub fn tell(&mut self, whom: impl FnOnce() -> String) {
        if !self.is_told && self.elapsed() >= Waiting::SILENT {
            self.is_told = true;
            say(format_args!("waiting for {}", whom()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("two\nlines\tand é 日", "two\nlines\tand é 日");
        check("a\u{1b}[2Jb", "a\\u{1b}[2Jb");
        check("\r\u{7}\u{7f}", "\\r\\u{7}\\u{7f}");
        check("c1 \u{9b}31m", "c1 \\u{9b}31m");
        check("exe\u{202e}fdp", "exe\\u{202e}fdp");
        check("\u{2028}", "\\u{2028}");
    }
}
