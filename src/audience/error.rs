//! What is wrong with an expression, and where.

use std::fmt;
use std::ops::Range;

/// A mistake in the text of an expression. Printed, it shows the line with a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// The whole expression.
    pub text: String,
    /// The bytes of it that are wrong; empty at its end.
    pub place: Range<usize>,
    /// What is wrong with them.
    pub message: String,
}

impl ExprError {
    pub(super) fn new(text: &str, place: Range<usize>, message: impl Into<String>) -> ExprError {
        ExprError { text: text.to_owned(), place, message: message.into() }
    }
}

/// Characters of the expression that are shown on either side of the place.
const CONTEXT_CHARS: usize = 60;

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before: Vec<char> = self.text[..self.place.start].chars().rev().take(CONTEXT_CHARS).collect();
        let before: String = before.into_iter().rev().collect();
        let at = &self.text[self.place.clone()];
        let after: String = self.text[self.place.end..].chars().take(CONTEXT_CHARS).collect();
        // One column a character, also where it is a tab or a line end.
        let line = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {}{}{}", line(&before), line(at), line(&after))?;
        write!(f, "  {}{}", " ".repeat(before.chars().count()), "^".repeat(at.chars().count().clamp(1, CONTEXT_CHARS)))
    }
}

impl std::error::Error for ExprError {}
