//! Progress and messages on a terminal: the only module besides `main` that writes to stderr while stages run.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
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
        let progress = Progress::start_unseen(choice, stage, total, unit);
        progress.show();
        progress
    }

    /// As [`Progress::start`]; the bar is not drawn before [`Progress::show`].
    fn start_unseen(choice: ProgressChoice, stage: &'static str, total: u64, unit: Unit) -> Progress {
        if choice == ProgressChoice::Hidden || !std::io::stderr().is_terminal() {
            return Progress::hidden();
        }
        let template = match unit {
            Unit::Bytes => {
                "{msg:<10} {bar:32} {decimal_bytes:>10} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"
            }
            Unit::Rows => "{msg:<10} {bar:32} {human_pos:>10} of {human_len}, {per_sec}, {eta} left",
        };
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        // The templates are constants; were one wrong, the plain bar would do.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(stage);
        Progress { bar: Some(bar) }
    }

    fn show(&self) {
        if let Some(bar) = &self.bar {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
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

    fn is_over(&self) -> bool {
        self.bar.as_ref().is_none_or(ProgressBar::is_finished)
    }

    /// Removes the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Where the bars of some work are drawn.
#[derive(Clone, Debug)]
pub enum Bars {
    /// On the terminal, at once.
    Drawn(ProgressChoice),
    /// Behind the bars of other work, until it is their turn.
    Behind(Curtain),
}

impl Bars {
    /// Begins to watch a stage of `total` units.
    pub fn start(&self, stage: &'static str, total: u64, unit: Unit) -> Progress {
        match self {
            Bars::Drawn(choice) => Progress::start(*choice, stage, total, unit),
            Bars::Behind(curtain) => curtain.start(stage, total, unit),
        }
    }
}

/// Hides the bars of work that nobody waits for yet.
#[derive(Clone, Debug)]
pub struct Curtain {
    choice: ProgressChoice,
    /// None once the curtain is up.
    hidden: Arc<Mutex<Option<Vec<Progress>>>>,
}

impl Curtain {
    /// Behind it are bars that are drawn as `choice` says once it is up.
    pub fn new(choice: ProgressChoice) -> Curtain {
        Curtain { choice, hidden: Arc::new(Mutex::new(Some(Vec::new()))) }
    }

    fn start(&self, stage: &'static str, total: u64, unit: Unit) -> Progress {
        let progress = Progress::start_unseen(self.choice, stage, total, unit);
        match &mut *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(hidden) => hidden.push(progress.clone()),
            None => progress.show(),
        }
        progress
    }

    /// Draws what is left of the bars behind it, and all that follow.
    pub fn lift(&self) {
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner).take();
        hidden.into_iter().flatten().filter(|progress| !progress.is_over()).for_each(|progress| progress.show());
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

/// JSON as a terminal may see it, with the same values: what [`escaped`] is for stands as an escape of JSON.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        // All of them are in the first plane, and within texts.
        if is_unsafe(c) { safe.push_str(&format!("\\u{:04x}", u32::from(c))) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

fn is_unsafe(c: char) -> bool {
    let turns_direction = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() && c != '\n' && c != '\t' || turns_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A wait for somebody else: how long it may be, and whether it has been told.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    since: Instant,
    longest: Duration,
    told: Option<Instant>,
}

impl Waiting {
    /// Waits below this are nobody's concern.
    pub const TELL_AFTER: Duration = Duration::from_secs(2);

    /// Time until a wait is told again.
    const TELL_AGAIN: Duration = Duration::from_secs(60);

    /// It begins, and is given up after `longest`.
    pub fn new(longest: Duration) -> Waiting {
        Waiting { since: Instant::now(), longest, told: None }
    }

    /// How long it has taken.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Whether it has taken as long as it may.
    pub fn is_over(&self) -> bool {
        self.elapsed() >= self.longest
    }

    /// Whether it is over by then.
    pub fn ends_within(&self, time: Duration) -> bool {
        self.elapsed() + time > self.longest
    }

    /// Says on stderr who is waited for, when it is time to. To be called while the wait lasts.
    pub fn tell(&mut self, who: impl FnOnce() -> String) {
        let is_due = match self.told {
            None => self.elapsed() >= Waiting::TELL_AFTER,
            Some(told) => told.elapsed() >= Waiting::TELL_AGAIN,
        };
        if is_due {
            self.told = Some(Instant::now());
            let (who, waited_s, longest_s) = (who(), self.elapsed().as_secs(), self.longest.as_secs());
            say(format_args!("waiting: {who} ({waited_s} s so far, {longest_s} s at most)"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_wait_is_not_told() {
        let mut waiting = Waiting::new(Duration::ZERO);
        waiting.tell(|| unreachable!("told at once"));
        assert!(waiting.is_over());
        assert!(!Waiting::new(Duration::from_secs(3600)).is_over());
    }

    #[test]
    fn nothing_from_outside_steers_a_terminal() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("two\nlines\tand é 日", "two\nlines\tand é 日");
        check("a\u{1b}[2Jb", "a\\u{1b}[2Jb");
        check("\r\u{7}\u{7f}", "\\r\\u{7}\\u{7f}");
        check("c1 \u{9b}31m", "c1 \\u{9b}31m");
        check("exe\u{202e}fdp", "exe\\u{202e}fdp");
        check("\u{2028}", "\\u{2028}");
        let json = serde_json::json!({"a\u{1b}\u{9b}31m": "\u{202e}é\n"});
        let printed = format!("{json:#}\n");
        assert_eq!(escaped_json(&printed), "{\n  \"a\\u001b\\u009b31m\": \"\\u202eé\\n\"\n}\n");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped_json(&printed)).unwrap(), json);
    }
}
