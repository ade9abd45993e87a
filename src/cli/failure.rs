//! How a failed command is told: to people on stderr, to machines as one JSON object on stdout.

use std::fmt;

use clap::error::ErrorKind;
use serde_json::{Value, json};

use super::plan::ResultForm;
use crate::advice::Advice as _;
use crate::console::escaped;
use crate::error::Error;
use crate::redact::redact;

/// Why a command failed, in the same shape whatever failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The part of a run: `usage`, `lake`, `data`, `warehouse`, `output`, `machine` or `bug`.
    pub stage: &'static str,
    /// A finer word for machines, for example `reject_limit`.
    pub kind: &'static str,
    /// What failed, where and why.
    pub message: String,
    /// What to do next.
    pub next: Option<String>,
    /// The exit code.
    pub exit: u8,
}

impl Failure {
    /// Of a panic, which has printed its place.
    pub fn panic() -> Failure {
        Failure {
            stage: "bug",
            kind: "panic",
            message: "this is a bug worth reporting, with the lines above".to_owned(),
            next: None,
            exit: 1,
        }
    }

    /// Of words that are no command. Help and version are no failures.
    pub fn of_arguments(error: &clap::Error) -> Option<Failure> {
        if !error.use_stderr() {
            return None;
        }
        let text = error.render().to_string();
        let text = redact_words(&text);
        // The first paragraph; the others are hints and usage.
        let first = text.split("\n\n").next().unwrap_or_default();
        let message = first.strip_prefix("error: ").unwrap_or(first).trim().to_owned();
        let next = Some("`viewmart --help` lists the commands, `viewmart COMMAND --help` their flags".to_owned());
        let message = match error.kind() {
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                "no command was given".to_owned()
            }
            _ => message,
        };
        Some(Failure { stage: "usage", kind: "arguments", message, next, exit: 2 })
    }

    /// One JSON object and a line end.
    pub fn to_json(&self) -> String {
        format!("{}\n", self.to_value())
    }

    /// The JSON object.
    pub fn to_value(&self) -> Value {
        let Failure { stage, kind, message, next, exit } = self;
        json!({"stage": stage, "kind": kind, "message": message, "next": next, "exit": exit})
    }
}

/// The parser's own words, where they repeat what nobody should see: without passwords, and with what would steer a terminal
/// as escapes.
pub fn made_safe(error: &clap::Error) -> Option<String> {
    let text = error.render().to_string();
    let safe = escaped(&redact_words(&text)).into_owned();
    (safe != text).then_some(safe)
}

/// The text with the passwords of addresses in it blotted out.
fn redact_words(text: &str) -> String {
    let redact_word = |word: &str| {
        if word.contains(':') && word.contains('@') || word.contains("jdbc:") { redact(word) } else { word.to_owned() }
    };
    text.split_inclusive(char::is_whitespace)
        .map(|word| {
            let end = word.trim_end_matches(|c: char| c.is_whitespace() || c == '\'').len();
            format!("{}{}", redact_word(&word[..end]), &word[end..])
        })
        .collect()
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Failure {
        Failure {
            stage: error.stage(),
            kind: error.kind(),
            message: error.to_string(),
            next: error.advice().map(std::borrow::Cow::into_owned),
            exit: error.exit_code(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "viewmart: {}", escaped(&self.message))?;
        match &self.next {
            Some(next) => writeln!(f, "  next: {}", escaped(next)),
            None => Ok(()),
        }
    }
}

/// Settings that cannot be resolved, and the form in which that is to be told.
#[derive(Debug)]
pub struct Refused {
    /// What is wrong.
    pub error: Error,
    /// As far as it was known by then.
    pub results: ResultForm,
}
