//! `viewmart config`: every setting, its value and where it comes from. No secrets.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::places::{Grammar, SettingEntry, Variables};
use super::plan::ResultForm;
use crate::console::escaped_json;
use crate::dashboard::mask;
use crate::redact::redact;
use crate::warehouse::mysql::MysqlOptions;

/// One setting.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    key: String,
    value: String,
    source: String,
}

/// All settings. `places` are what each place says, the strongest first.
pub(super) fn show(grammar: &Grammar, places: &[&[SettingEntry]], variables: &Variables, form: ResultForm) -> String {
    let lines = lines(grammar, places, variables);
    match form {
        ResultForm::Json => {
            let lines: Vec<Value> =
                lines.iter().map(|l| json!({"key": l.key, "value": l.value, "source": l.source})).collect();
            format!("{}\n", escaped_json(&Value::Array(lines).to_string()))
        }
        ResultForm::Table => {
            let width = |of: fn(&Line) -> &str| lines.iter().map(|l| of(l).chars().count()).max().unwrap_or(0).min(48);
            let (keys, values) = (width(|l| &l.key), width(|l| &l.value));
            let mut text = String::new();
            for Line { key, value, source } in &lines {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{key:<keys$}  {value:<values$}  {source}");
            }
            text
        }
    }
}

fn lines(grammar: &Grammar, places: &[&[SettingEntry]], variables: &Variables) -> Vec<Line> {
    let mut lines = Vec::new();
    for key in grammar.keys() {
        let mut found = places.iter().flat_map(|entries| entries.iter()).filter(|entry| entry.key == key).peekable();
        if found.peek().is_none() {
            let value = grammar.default_of(key).unwrap_or_else(|| "-".to_owned());
            lines.push(Line { key: key.to_owned(), value, source: "default".to_owned() });
        }
        // Hadoop settings add up; of others the strongest place counts.
        let n_counted = if key == "hdfs_opt" { usize::MAX } else { 1 };
        for SettingEntry { values, place, .. } in found.take(n_counted) {
            let values: Vec<String> = values.iter().map(|value| redact(&value.to_string_lossy())).collect();
            lines.push(Line { key: key.to_owned(), value: values.join(" "), source: place.to_string() });
        }
    }
    for name in [MysqlOptions::PASSWORD_VARIABLE, mask::KEY_VARIABLE] {
        let value = if variables.get(name).is_some() { "set, not shown" } else { "not set" };
        lines.push(Line { key: name.to_owned(), value: value.to_owned(), source: "variable".to_owned() });
    }
    lines
}
