//! Audiences with a name: the built-in ones and those of a TOML file.
//!
//! ```toml
//! [silent]
//! expression = "last < 20"
//! description = "No record from the 20th on"
//! reason = "Fell silent"
//! ```

use serde::Deserialize;

use super::error::ExprError;
use super::expr::Expr;
use super::parse::parse;

/// The audiences that come with the program.
pub const BUILTIN_TOML: &str = include_str!("builtin.toml");

/// Longest name, in bytes: it is a key in the mart.
pub const MAX_NAME_BYTES: usize = 50;

/// An expression with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAudience {
    /// Lower-case letters, digits and `_`.
    pub name: String,
    /// The expression as it was written.
    pub text: String,
    /// What it says.
    pub expr: Expr,
    /// What it is, for people.
    pub description: String,
    /// Why a customer is in it, as a list may tell.
    pub reason: String,
}

/// Why a file of audiences cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum NamedError {
    /// It is not TOML, or not in this form.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A name that cannot be a key.
    #[error("`{0}` is no name of an audience: lower-case letters, digits and `_`, {MAX_NAME_BYTES} at most")]
    Name(String),
    /// An expression with a mistake.
    #[error("[{name}] {error}")]
    Expr {
        /// The audience.
        name: String,
        /// The mistake.
        error: ExprError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    expression: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    reason: String,
}

/// The audiences that `text` names, in its order.
///
/// # Errors
/// [`NamedError`], the first one.
pub fn read(text: &str) -> Result<Vec<NamedAudience>, NamedError> {
    let entries: toml::Table = toml::from_str(text)?;
    entries
        .into_iter()
        .map(|(name, entry)| {
            let is_key = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
            if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_key) {
                return Err(NamedError::Name(name));
            }
            let Entry { expression, description, reason } = entry.try_into()?;
            match parse(&expression) {
                Ok(expr) => Ok(NamedAudience { name, text: expression, expr, description, reason }),
                Err(error) => Err(NamedError::Expr { name, error }),
            }
        })
        .collect()
}

/// The audiences that come with the program.
///
/// # Errors
/// Never, as a test shows.
pub fn builtin() -> Result<Vec<NamedAudience>, NamedError> {
    read(BUILTIN_TOML)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_audiences_are_there() {
        let names: Vec<String> = builtin().expect("they are sound").into_iter().map(|audience| audience.name).collect();
        assert_eq!(names, ["at_risk", "heavy", "light", "kids", "movie_upsell", "shared", "one_day"]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let cases = [
            ("[Silent]\nexpression = 'tv'", "`Silent` is no name of an audience"),
            ("[silent]\nexpression = 'tvv'", "[silent] `tvv` is not known; did you mean `tv`?"),
            ("[silent]\nwhere = 'tv'", "unknown field `where`"),
            ("[silent]", "missing field `expression`"),
            ("silent = 3", "invalid type"),
            ("[silent", "TOML parse error"),
        ];
        for (text, expected) in cases {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(read("").expect("no audience is none"), []);
    }
}
