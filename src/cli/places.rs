//! Where settings come from besides the command line: variables `VIEWMART_*` and the settings file. Both are handed to
//! the parser of the flags, so that a value is refused or taken wherever it stands.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Args as _, Command, FromArgMatches as _, ValueHint};
use toml::de::{DeTable, DeValue};

use super::flags::{Combine as _, Settings};
use crate::engine::rules::Rules;
use crate::error::Error;
use crate::suggest::nearest;
use crate::warehouse::WarehouseUrl;

/// Settings file that is read when none is named.
pub(super) const SETTINGS_FILE: &str = "viewmart.toml";

/// What all variables begin with.
const PREFIX: &str = "VIEWMART_";

const ASKED_ANEW: &str = "it belongs to one question about an audience";

/// Flags without a key or a variable, and why.
pub(super) const EXCEPTIONS: [(&str, Missing, &str); 18] = [
    ("config", Missing::Key, "a settings file does not name another"),
    ("schema_format", Missing::Key, "`format` is that of the data files"),
    ("plan", Missing::Key, "a task list belongs to one set of parts"),
    ("top", Missing::Key, "it belongs to one comparison"),
    ("list", Missing::Key, "it belongs to one comparison"),
    ("by", Missing::Key, ASKED_ANEW),
    ("columns", Missing::Key, ASKED_ANEW),
    ("count", Missing::Key, ASKED_ANEW),
    ("limit", Missing::Key, ASKED_ANEW),
    ("order", Missing::Key, ASKED_ANEW),
    ("overlap", Missing::Key, ASKED_ANEW),
    ("retention", Missing::Key, ASKED_ANEW),
    ("sample", Missing::Key, ASKED_ANEW),
    ("split", Missing::Key, ASKED_ANEW),
    ("tasks", Missing::Key, "it belongs to one plan"),
    ("task", Missing::Key, "it is another one for each scan"),
    ("scan_out", Missing::Key, "`out` is a folder"),
    ("lake", Missing::Variable, "no separator stands in no path"),
];

/// Which place a setting cannot stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Key,
    Variable,
}

/// Variables that are no flags: secrets, which have none, and what the tests and their servers read.
const OTHER_VARIABLES: [&str; 13] = [
    "MYSQL_PASSWORD",
    "MASK_KEY",
    "CONFIG",
    "MYSQL_DIR",
    "MYSQL_PORT",
    "MYSQL_ROOT",
    "MARIADB_DIR",
    "MARIADB_PORT",
    "HDFS_DIR",
    "HDFS_PORT",
    "HDFS_ROOT",
    "PAGES",
    "TEST",
];

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// Those of this process.
    pub fn of_process() -> Variables {
        std::env::vars_os().collect()
    }

    /// The value of a variable; one that is empty counts as not set.
    pub(super) fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A secret, which has to be text.
    pub(super) fn secret(&self, name: &str) -> Result<Option<String>, Error> {
        self.get(name)
            .map(|value| {
                value.to_str().map(str::to_owned).ok_or_else(|| Error::Usage {
                    what: format!("{name} is not UTF-8"),
                    advice: Some("set it to text".to_owned()),
                })
            })
            .transpose()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Variables {
        Variables(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The command line.
    Flag,
    /// The variable of this name.
    Variable(String),
    /// A line of a settings file, 1-based.
    Line(PathBuf, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Flag => f.write_str("flag"),
            Place::Variable(name) => f.write_str(name),
            Place::Line(path, line) => write!(f, "{}: line {line}", path.display()),
        }
    }
}

/// A setting as it was found, one value or a list.
#[derive(Clone, Debug)]
pub(super) struct SettingEntry {
    pub key: String,
    pub values: Vec<OsString>,
    pub place: Place,
}

/// The parser of all settings, whichever commands take them.
pub(super) struct Grammar(Command);

impl Grammar {
    pub(super) fn new() -> Grammar {
        let command = Command::new("settings").no_binary_name(true).disable_help_flag(true);
        Grammar(Settings::augment_args(command))
    }

    /// The settings, with `_` for `-`.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.get_arguments().map(|argument| argument.get_id().as_str())
    }

    fn argument(&self, key: &str) -> Option<&clap::Arg> {
        self.0.get_arguments().find(|argument| argument.get_id() == key)
    }

    /// The default of a setting, as its help gives it.
    pub(super) fn default_of(&self, key: &str) -> Option<String> {
        let argument = self.argument(key)?;
        if argument.is_require_equals_set() {
            return Some("no".to_owned());
        }
        let help = argument.get_help()?.to_string();
        let (_, default) = help.rsplit_once("[default: ")?;
        Some(default.trim_end().trim_end_matches(']').to_owned())
    }

    /// What the entries of one place say.
    pub(super) fn parse(&self, entries: &[SettingEntry]) -> Result<Settings, Error> {
        entries.iter().try_fold(Settings::default(), |settings, entry| Ok(self.parse_entry(entry)?.over(settings)))
    }

    fn parse_entry(&self, entry: &SettingEntry) -> Result<Settings, Error> {
        let is_positional = self.argument(&entry.key).is_some_and(clap::Arg::is_positional);
        let words: Vec<OsString> = if is_positional {
            std::iter::once("--".into()).chain(entry.values.iter().cloned()).collect()
        } else {
            let flag = format!("--{}=", entry.key.replace('_', "-"));
            let word = |value: &OsString| {
                let mut word = OsString::from(&flag);
                word.push(value);
                word
            };
            entry.values.iter().map(word).collect()
        };
        let parsed =
            self.0.clone().try_get_matches_from(words).and_then(|matches| Settings::from_arg_matches(&matches));
        parsed.map_err(|error| Error::Usage {
            what: format!("{}: {}: {}", entry.place, entry.key, reason(&error)),
            advice: Some(match entry.place {
                Place::Flag => "`viewmart COMMAND --help` tells what it takes".to_owned(),
                Place::Variable(_) => "set the variable to a value that the flag takes, or unset it".to_owned(),
                Place::Line(..) => "correct that line".to_owned(),
            }),
        })
    }

    /// The entries of the variables, and warnings about those that nothing reads.
    pub(super) fn variables(&self, variables: &Variables) -> (Vec<SettingEntry>, Vec<String>) {
        let known: Vec<String> =
            self.keys().filter(|key| !lacks(key, Missing::Variable)).map(str::to_ascii_uppercase).collect();
        let mut entries = Vec::new();
        let mut warnings = Vec::new();
        for (name, value) in &variables.0 {
            let Some(tail) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            if known.iter().any(|known| known == tail) {
                let key = tail.to_ascii_lowercase();
                let values = if key == "hdfs_opt" { split_words(value) } else { vec![value.clone()] };
                let place = Place::Variable(format!("{PREFIX}{tail}"));
                if !value.is_empty() {
                    entries.push(SettingEntry { key, values, place });
                }
            } else if !OTHER_VARIABLES.contains(&tail) && !tail.starts_with("TEST_") {
                let names: Vec<&str> = known.iter().map(String::as_str).chain(OTHER_VARIABLES).collect();
                let hint = match nearest(tail, &names) {
                    Some(near) => format!("; did you mean {PREFIX}{near}?"),
                    None => String::new(),
                };
                warnings.push(format!("unknown variable {PREFIX}{tail} is ignored{hint}"));
            }
        }
        (entries, warnings)
    }

    /// The entries of a settings file. Relative paths in it start at `folder`.
    fn entries(&self, text: &str, path: &Path) -> Result<Vec<SettingEntry>, Error> {
        let line_of = |offset: usize| {
            let before = text.as_bytes().iter().take(offset.min(text.len()));
            before.filter(|byte| **byte == b'\n').count() + 1
        };
        let refuse = |offset: usize, what: String, advice: String| Error::Usage {
            what: format!("{}: line {}: {what}", path.display(), line_of(offset)),
            advice: Some(advice),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            refuse(start, error.message().to_owned(), "correct that line".to_owned())
        })?;
        let keys: Vec<&str> = self.keys().collect();
        let mut entries = Vec::new();
        for (key, value) in table.get_ref() {
            let (start, key) = (key.span().start, key.get_ref().as_ref());
            if !keys.contains(&key) {
                let advice = match nearest(&key.replace('-', "_"), &keys) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        "the settings are the long flags, with `_` for `-`: `viewmart config` lists them".to_owned()
                    }
                };
                return Err(refuse(start, format!("`{key}` is no setting"), advice));
            }
            let mut values = texts(value.get_ref()).map_err(|what| {
                refuse(value.span().start, format!("{key}: {what}"), "write one value, or a list of texts".to_owned())
            })?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                for value in &mut values {
                    *value = self.start_at(folder, key, value);
                }
            }
            let values = values.into_iter().map(OsString::from).collect();
            entries.push(SettingEntry {
                key: key.to_owned(),
                values,
                place: Place::Line(path.to_owned(), line_of(start)),
            });
        }
        Ok(entries)
    }

    /// The value, its path starting at `folder` if it is a relative one.
    fn start_at(&self, folder: &Path, key: &str, value: &str) -> String {
        // Without losing anything: the folder is that of a file whose text is UTF-8, its name need not be.
        let join = |path: &str| folder.join(path).to_str().map_or_else(|| path.to_owned(), str::to_owned);
        match key {
            "lake" if value.contains("://") => value.to_owned(),
            "rules" if Rules::preset(value).is_some() => value.to_owned(),
            "warehouse" => WarehouseUrl::with_path_joined(value, join),
            _ => match self.argument(key).map(clap::Arg::get_value_hint) {
                Some(ValueHint::AnyPath | ValueHint::DirPath | ValueHint::FilePath | ValueHint::ExecutablePath) => {
                    join(value)
                }
                _ => value.to_owned(),
            },
        }
    }

    /// The entries of the named settings file, or of `viewmart.toml` in the current folder where there is one.
    pub(super) fn read_file(&self, named: Option<&Path>) -> Result<Vec<SettingEntry>, Error> {
        let path = named.unwrap_or(Path::new(SETTINGS_FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => self.entries(&text, path),
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(Error::Usage {
                what: format!("the settings file {} cannot be read: {e}", path.display()),
                advice: Some("name another file with --config".to_owned()),
            }),
        }
    }
}

/// Whether a setting cannot stand in a place.
pub(super) fn lacks(key: &str, missing: Missing) -> bool {
    EXCEPTIONS.iter().any(|(name, place, _)| *name == key && *place == missing)
}

/// The words of a value, parted by white space.
fn split_words(value: &OsStr) -> Vec<OsString> {
    match value.to_str() {
        Some(text) => text.split_whitespace().map(OsString::from).collect(),
        None => vec![value.to_owned()],
    }
}

/// A TOML value as the command line would spell it; lists and tables give a text for each item.
fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| text_of(item.get_ref())).collect(),
        DeValue::Table(pairs) => {
            pairs.iter().map(|(key, value)| Ok(format!("{}={}", key.get_ref(), text_of(value.get_ref())?))).collect()
        }
        value => Ok(vec![text_of(value)?]),
    }
}

fn text_of(value: &DeValue<'_>) -> Result<String, String> {
    Ok(match value {
        DeValue::String(text) => text.to_string(),
        // Their digits as written, `_` aside, but for other bases.
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_err(|error| error.to_string())?.to_string()
        }
        DeValue::Float(number) => number.as_str().replace('_', ""),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => return Err("a list or table inside a list or table".to_owned()),
    })
}

/// What is wrong with a value, from the parser's own error.
fn reason(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let value = text(ContextKind::InvalidValue);
    match (std::error::Error::source(error), error.kind()) {
        (Some(source), _) => format!("`{value}`: {source}"),
        (None, clap::error::ErrorKind::InvalidValue) => {
            format!("`{value}` is none of {}", text(ContextKind::ValidValue))
        }
        (None, clap::error::ErrorKind::ArgumentConflict) => "more than one value".to_owned(),
        (None, clap::error::ErrorKind::InvalidUtf8) => "not UTF-8".to_owned(),
        (None, kind) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str, path: &str) -> Result<Vec<SettingEntry>, Error> {
        Grammar::new().entries(text, Path::new(path))
    }

    #[test]
    fn wrong_settings_name_their_line() {
        let check = |text: &str, line: usize, part: &str| {
            let grammar = Grammar::new();
            let error = grammar.entries(text, Path::new("viewmart.toml")).and_then(|e| grammar.parse(&e)).unwrap_err();
            let what = error.to_string();
            assert!(what.starts_with(&format!("viewmart.toml: line {line}: ")), "{text}: {what}");
            assert!(what.contains(part), "{text}: {what}");
        };
        check("threads = 1\nthread = 2\n", 2, "`thread` is no setting");
        check("\n\nthreads = 0", 3, "threads: `0`: not a number from 1 to 1024");
        check("threads = 2.5", 1, "from 1 to 1024");
        check("threads = [1, 2]", 1, "threads: more than one value");
        check("threads = [[1]]", 1, "inside a list");
        check("jobs = 0", 1, "jobs: `0`: not a number from 1 to 16");
        check("max_reject_ratio = 1.5", 1, "from 0 to 1");
        check("max_reject_ratio = nan", 1, "from 0 to 1");
        check("quiet = false\nmonth = '2022-13'", 2, "YYYY-MM");
        check("month = 2022-04-02", 1, "YYYY-MM");
        check("etl_date = 2022-05-01T00:00:00Z", 1, "etl_date");
        check("quiet = 'often'", 1, "true, false, yes, no, 1, 0");
        check("format = 'parquet'", 1, "`parquet` is none of ndjson, csv");
        check("load_connections = 0", 1, "load_connections: `0`");
        check("month = [", 1, "");
        check("max_rejects_kept = -1", 1, "max_rejects_kept: `-1`");
        check("runs = 0", 1, "runs: ");
        check("hdfs_opt = 'key'", 1, "not KEY=VALUE");
        check("config = 'other.toml'", 1, "`config` is no setting");
    }

    #[test]
    fn an_unknown_setting_is_told_its_neighbour() {
        use crate::advice::Advice as _;
        let advice = |text: &str| entries(text, "viewmart.toml").unwrap_err().advice().unwrap().into_owned();
        assert_eq!(advice("max-reject-ratio = 1"), "did you mean `max_reject_ratio`?");
        assert_eq!(advice("wharehouse = 'x'"), "did you mean `warehouse`?");
        assert_eq!(
            advice("colour = 'red'"),
            "the settings are the long flags, with `_` for `-`: `viewmart config` lists them"
        );
    }

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let check = |path: &str, text: &str, expected: &[&str]| {
            let found: Vec<OsString> =
                entries(text, path).unwrap().into_iter().flat_map(|entry| entry.values).collect();
            assert_eq!(found, expected, "{path}: {text}");
        };
        check("viewmart.toml", "out = 'x'", &["x"]);
        check("/etc/vm/viewmart.toml", "out = 'x'", &["/etc/vm/x"]);
        check("/etc/vm/viewmart.toml", "out = '/x'", &["/x"]);
        check("conf/a.toml", "lake = ['logs', '/logs', 'hdfs:///logs']", &["conf/logs", "/logs", "hdfs:///logs"]);
        check("conf/a.toml", "lake = 'logs/*.json'", &["conf/logs/*.json"]);
        check("conf/a.toml", "rules = 'seed'", &["seed"]);
        check("conf/a.toml", "rules = 'r.toml'", &["conf/r.toml"]);
        check("conf/a.toml", "warehouse = 'sqlite:w.db'", &["sqlite:conf/w.db"]);
        check("conf/a.toml", "warehouse = 'sqlite:///w.db'", &["sqlite:///w.db"]);
        check("conf/a.toml", "warehouse = 'sqlite:/w.db'", &["sqlite:/w.db"]);
        check("conf/a.toml", "warehouse = 'mysql://u@h/db'", &["mysql://u@h/db"]);
        check("conf/a.toml", "cache = 'c'\nreport = 'r'\nkeytab = 'k'", &["conf/c", "conf/r", "conf/k"]);
        check("conf/a.toml", "hadoop_conf = 'h'\nhyperd = 'y'\nmask_key_file = 'm'", &["conf/h", "conf/y", "conf/m"]);
        check("conf/a.toml", "mart_db = 'tv_mart'\nprincipal = 'etl'", &["tv_mart", "etl"]);
    }

    #[test]
    fn variables_that_nothing_reads_are_told() {
        let check = |name: &str, expected: &[&str]| {
            let (_, warnings) = Grammar::new().variables(&Variables::from_iter([(name, "1")]));
            assert_eq!(warnings, expected, "{name}");
        };
        check("VIEWMART_TREADS", &["unknown variable VIEWMART_TREADS is ignored; did you mean VIEWMART_THREADS?"]);
        check(
            "VIEWMART_MYSQL_PASWORD",
            &["unknown variable VIEWMART_MYSQL_PASWORD is ignored; did you mean VIEWMART_MYSQL_PASSWORD?"],
        );
        check("VIEWMART_COLOUR", &["unknown variable VIEWMART_COLOUR is ignored"]);
        check("VIEWMART_LAKE", &["unknown variable VIEWMART_LAKE is ignored"]);
        for name in ["VIEWMART_THREADS", "VIEWMART_MYSQL_PASSWORD", "VIEWMART_MASK_KEY", "VIEWMART_CONFIG"] {
            check(name, &[]);
        }
        for name in ["VIEWMART_MYSQL_DIR", "VIEWMART_MARIADB_PORT", "VIEWMART_HDFS_DIR", "VIEWMART_TEST_X", "HOME"] {
            check(name, &[]);
        }
    }
}
