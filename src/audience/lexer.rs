//! Text to tokens.

use std::ops::Range;

use super::error::ExprError;

/// A token and the bytes of the expression that it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Letters, digits and `_`, in lower case.
    Word(String),
    /// What begins with a digit: a number, a duration, a date or a month; the parser knows which is wanted.
    Number(String),
    /// Text in single quotes, without them.
    Text(String),
    /// `(` `)` `,` `:` `..` `<` `<=` `=` `!=` `>=` `>`.
    Sign(&'static str),
    /// After the last token.
    End,
}

/// Longest first, so that `<=` is not `<`.
const SIGNS: [(&str, &str); 13] = [
    ("..", ".."),
    ("<=", "<="),
    (">=", ">="),
    ("!=", "!="),
    ("<>", "!="),
    ("==", "="),
    ("<", "<"),
    (">", ">"),
    ("=", "="),
    ("(", "("),
    (")", ")"),
    (",", ","),
    (":", ":"),
];

/// The tokens of `text`, with [`Kind::End`] after them.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ExprError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (kind, n_bytes) = token(text, at, first)?;
        tokens.push(Token { kind, place: at..at + n_bytes });
        at += n_bytes;
    }
    tokens.push(Token { kind: Kind::End, place: at..at });
    Ok(tokens)
}

fn token(text: &str, at: usize, first: char) -> Result<(Kind, usize), ExprError> {
    let rest = &text[at..];
    let prefix = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    if first.is_ascii_digit() {
        let n_bytes = number_bytes(rest);
        return Ok((Kind::Number(rest[..n_bytes].to_ascii_lowercase()), n_bytes));
    }
    if first.is_alphabetic() || first == '_' {
        let n_bytes = prefix(|c| c.is_alphanumeric() || c == '_');
        return Ok((Kind::Word(rest[..n_bytes].to_lowercase()), n_bytes));
    }
    if first == '\'' {
        return quoted(rest).ok_or_else(|| ExprError::new(text, at..at + 1, "this quote is not closed"));
    }
    if first == '"' {
        return Err(ExprError::new(text, at..at + 1, "text stands in single quotes: 'Movie_Tv'"));
    }
    match SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        Some((sign, meaning)) => Ok((Kind::Sign(meaning), sign.len())),
        None => {
            let shown = first.escape_debug();
            Err(ExprError::new(text, at..at + first.len_utf8(), format!("`{shown}` has no meaning here")))
        }
    }
}

/// Digits, then what makes them a date (`-04-10`), a fraction (`.5`, but not `..`) or a duration (`h30m`).
fn number_bytes(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let alphanumeric = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut at = 0;
    while alphanumeric(at) || (matches!(bytes.get(at), Some(b'-' | b'.')) && digit(at + 1)) {
        at += 1;
    }
    at
}

/// Text in quotes; a quote within it is doubled.
fn quoted(rest: &str) -> Option<(Kind, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != '\'' {
            text.push(c);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            text.push('\'');
        } else {
            return Some((Kind::Text(text), at + 1));
        }
    }
    None
}
