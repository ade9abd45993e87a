//! Audiences with a name: the built-in ones and those of a TOML file.
//!
//! ```toml
//! [silent]
//! expression = "last < 20"
//! description = "No record from the 20th on"
//! reason = "Fell silent"
//! ```
//!
//! An expression may use the names before it, those of the built-in audiences among them.

use std::path::Path;

use serde::Deserialize;

use super::error::ExprError;
use super::expr::Expr;
use super::lexer::{Kind, Token, tokens};
use super::parse::{WORDS, parse_in};

/// The audiences that come with the program.
pub const BUILTIN_TOML: &str = include_str!("builtin.toml");

/// Longest name, in bytes: it is a key in the mart.
pub const MAX_NAME_BYTES: usize = 50;

/// An expression with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAudience {
    /// Lower-case letters, digits and `_`, no digit first.
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
    #[error(
        "`{0}` is no name of an audience: lower-case letters, digits and `_`, no digit first, {MAX_NAME_BYTES} at most"
    )]
    Name(String),
    /// A name that means something else.
    #[error("`{0}` is a word of the expressions: give the audience another name")]
    Word(String),
    /// An entry that is not in the form of an audience.
    #[error("[{name}] {error}")]
    Entry {
        /// The audience.
        name: String,
        /// What is wrong with it.
        error: toml::de::Error,
    },
    /// A name that the file gives a meaning further down.
    #[error("[{name}] `{used}` is further down in the file: an expression may use the names above it; move it up")]
    Below {
        /// The audience.
        name: String,
        /// The name below.
        used: String,
    },
    /// An expression with a mistake.
    #[error("[{name}] {error}")]
    Expr {
        name: String,
        /// The mistake.
        error: ExprError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "`expression`, in a table of its name")]
struct AudienceEntry {
    expression: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    reason: String,
}

/// The audiences that `text`, of a file in `folder`, names, in its order, after those of `known`; one of the same name takes
/// the place of that. Lists that they name are looked for in that folder.
///
/// # Errors
/// [`NamedError`], the first one.
pub fn read(text: &str, folder: &Path, known: Vec<NamedAudience>) -> Result<Vec<NamedAudience>, NamedError> {
    let entries: toml::Table = toml::from_str(text)?;
    let mut below: Vec<String> = entries.keys().rev().cloned().collect();
    entries.into_iter().try_fold(known, |mut known, (name, entry)| {
        check_name(&name)?;
        below.pop();
        let entry: Result<AudienceEntry, _> = entry.try_into();
        let AudienceEntry { expression, description, reason } =
            entry.map_err(|error| NamedError::Entry { name: name.clone(), error })?;
        // Also where a built-in audience has that name: it would be meant here and not there.
        if let Some(used) = words_of(&expression).find(|word| below.contains(word)) {
            return Err(NamedError::Below { name, used });
        }
        let expr = match parse_in(&expression, &known, folder) {
            Ok(expr) => expr,
            Err(error) => return Err(NamedError::Expr { name, error }),
        };
        let named = NamedAudience { name, text: expression, expr, description, reason };
        match known.iter_mut().find(|other| other.name == named.name) {
            Some(other) => *other = named,
            None => known.push(named),
        }
        Ok(known)
    })
}

/// The words of an expression; none of one that cannot be read.
fn words_of(expression: &str) -> impl Iterator<Item = String> {
    let word = |token: Token| match token.kind {
        Kind::Word(word) => Some(word),
        _ => None,
    };
    tokens(expression).unwrap_or_default().into_iter().filter_map(word)
}

fn check_name(name: &str) -> Result<(), NamedError> {
    let is_key = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    let starts_well = name.bytes().next().is_some_and(|first| !first.is_ascii_digit());
    if !starts_well || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_key) {
        return Err(NamedError::Name(name.to_owned()));
    }
    if WORDS.contains(&name) {
        return Err(NamedError::Word(name.to_owned()));
    }
    Ok(())
}

/// The audiences that come with the program.
///
/// # Errors
/// Never, as a test shows.
pub fn builtin() -> Result<Vec<NamedAudience>, NamedError> {
    read(BUILTIN_TOML, Path::new(""), Vec::new())
}

/// Whether an audience of which no more is known than this is the one that comes with the program: one of a file may
/// have its name, and even its description.
pub fn is_builtin(name: &str, expression: &str) -> bool {
    let Ok(expr) = parse_in(expression, &[], Path::new("")) else { return false };
    let is_it = |audience: &NamedAudience| audience.name == name && audience.expr == expr;
    builtin().is_ok_and(|all| all.iter().any(is_it))
}

#[cfg(test)]
mod tests {
    use super::super::expr::OnDays;
    use super::super::parse::parse_with;
    use super::*;

    fn read(text: &str, known: Vec<NamedAudience>) -> Result<Vec<NamedAudience>, NamedError> {
        super::read(text, Path::new("/srv"), known)
    }

    #[test]
    fn the_built_in_audiences_are_there() {
        let names: Vec<String> = builtin().expect("they are sound").into_iter().map(|audience| audience.name).collect();
        assert_eq!(names, ["at_risk", "heavy", "light", "kids", "movie_upsell", "shared", "one_day"]);
        assert!(is_builtin("shared", "per_day > 24h") && is_builtin("shared", "(per_day>1d)"));
        assert!(!is_builtin("heavy", "per_day > 24h") && !is_builtin("shared", "per_day > 12h"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let cases = [
            ("[Silent]\nexpression = 'tv'", "`Silent` is no name of an audience"),
            ("[7days]\nexpression = 'tv'", "`7days` is no name of an audience"),
            ("[tv]\nexpression = 'movie'", "`tv` is a word of the expressions"),
            ("[a]\nexpression = 'c'\n[b]\nexpression = 'tv'", "[a] `c` is not known"),
            ("[a]\nexpression = 'b'\n[b]\nexpression = 'tv'", "[a] `b` is further down in the file"),
            ("[a]\nexpression = 'b'\n[b]\nexpression = 'a'", "[a] `b` is further down in the file"),
            ("[a]\nexpression = 'kids or heavy'\n[heavy]\nexpression = 'tv'", "[a] `heavy` is further down"),
            ("[silent]\nexpression = 'tvv'", "[silent] `tvv` is not known; did you mean `tv`?"),
            ("[silent]\nwhere = 'tv'", "[silent] unknown field `where`"),
            ("[silent]", "[silent] missing field `expression`"),
            ("silent = 3", "[silent] invalid type: integer `3`, expected `expression`, in a table of its name"),
            ("[silent", "TOML parse error"),
        ];
        for (text, expected) in cases {
            let error = read(text, Vec::new()).expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(read("", Vec::new()).expect("no audience is none"), []);
    }

    #[test]
    fn a_file_builds_on_the_built_in_audiences_and_may_replace_them() {
        let text = "[light]\nexpression = 'total < 1h'\n[quiet_kids]\nexpression = 'kids and light'";
        let names = read(text, builtin().expect("they are sound")).expect("it is sound");
        let of = |name: &str| &names.iter().find(|named| named.name == name).expect(name).expr;
        assert_eq!(names.len(), 8);
        assert_eq!(*of("quiet_kids"), parse_with("child >= 5h and total < 1h", &[]).expect("it is sound"));
        let dated = read("[opening]\nexpression = 'on 2022-04-01'", Vec::new()).expect("it is sound");
        let expr = parse_with("tv and opening", &dated).expect("it is sound");
        let Expr::And(_, opening) = expr else { panic!("{expr:?}") };
        assert_eq!(*opening, Expr::On(vec![OnDays::Date(jiff::civil::date(2022, 4, 1), 7..14)]));
    }

    #[test]
    fn lists_lie_beside_the_file_that_names_them() {
        let text = "[a]\nexpression = \"in('a.csv')\"\n[b]\nexpression = \"a or in('/b.csv')\"";
        let names = read(text, Vec::new()).expect("it is sound");
        let mut files = Vec::new();
        names[1].expr.find_files(&mut files);
        assert_eq!(files, [Path::new("/srv/a.csv"), Path::new("/b.csv")]);
    }

    #[test]
    fn names_of_names_stay_within_the_limits() {
        let doubled = (1..20).map(|n| format!("[a{n}]\nexpression = 'a{} or a{0}'\n", n - 1));
        let text = format!("[a0]\nexpression = 'tv'\n{}", doubled.collect::<String>());
        assert!(read(&text, Vec::new()).expect_err("too long").to_string().contains("[a10] the expression has more"));
        let chained = (1..200).map(|n| format!("[a{n}]\nexpression = 'tv or a{}'\n", n - 1));
        let text = format!("[a0]\nexpression = 'tv'\n{}", chained.collect::<String>());
        assert!(read(&text, Vec::new()).expect_err("too deep").to_string().contains("[a102] this is nested more"));
        let deeper = (1..9).map(|n| format!("[a{n}]\nexpression = '{}a{}'\n", "not ".repeat(30), n - 1));
        let text = format!("[a0]\nexpression = 'tv'\n{}", deeper.collect::<String>());
        assert!(read(&text, Vec::new()).expect_err("too deep").to_string().contains("[a4] this is nested more"));
    }
}
