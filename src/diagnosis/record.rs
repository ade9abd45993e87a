//! What a rejected record is, by its text.

use serde_json::{Map, Value};

use super::kinds::*;
use super::{Diagnosis, after_colon, of_head, text};
use crate::engine::ledger::Reason;
use crate::engine::rules::{FieldPlace, FieldTypes};
use crate::engine::scan::exact::parse_line;
use crate::engine::scan::integer::integer;
use crate::engine::scan::record::Reading;

/// Seconds of the year 2001: what is larger counts from 1970 in seconds, milliseconds or finer.
const YEAR_2001_S: i64 = 1_000_000_000;

pub(super) fn of_malformed(raw: &[u8]) -> Option<Diagnosis> {
    if raw.starts_with(b"\xef\xbb\xbf") {
        return Some(INNER_MARK);
    }
    match of_head(raw) {
        // One within a record ends no line.
        Some(LONE_CR) if !has_rows_after_returns(raw) => {}
        Some(diagnosis) => return Some(diagnosis),
        None => {}
    }
    let is_text = match std::str::from_utf8(raw) {
        Ok(_) => true,
        // The text may be cut within a character.
        Err(error) => error.error_len().is_none(),
    };
    if !is_text {
        return Some(NOT_UTF8);
    }
    let text = text(raw);
    if let Ok(Value::Object(object)) = serde_json::from_str(&text) {
        return of_object(&object);
    }
    of_text(&text)
}

/// Whether records follow each other after carriage returns.
fn has_rows_after_returns(raw: &[u8]) -> bool {
    match raw.trim_ascii_start().starts_with(b"{") {
        true => raw.windows(2).any(|pair| pair == b"\r{"),
        false => raw.trim_ascii_end().iter().filter(|byte| **byte == b'\r').count() > 1,
    }
}

/// An object that is no record.
fn of_object(object: &Map<String, Value>) -> Option<Diagnosis> {
    let is_record = |value: &Value| value.as_object().is_some_and(has_fields);
    match object.get("_source") {
        Some(Value::String(text)) if text.trim_start().starts_with('{') => return Some(SOURCE_IS_TEXT),
        Some(Value::Array(objects)) if objects.first().is_some_and(Value::is_object) => return Some(SOURCE_IS_ARRAY),
        Some(_) => return None,
        None => {}
    }
    let is_text_of_object =
        |value: &Value| value.as_str().is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok());
    match object {
        _ if has_fields(object) => Some(FLAT),
        _ if object.get("fields").is_some_and(is_record) => Some(FIELDS),
        _ if object.values().any(is_record) => Some(NESTED),
        _ if object.values().any(|value| value.get("_source").is_some()) => Some(ENVELOPE),
        _ if object.values().any(is_text_of_object) => Some(TEXT_IN_OBJECT),
        _ => None,
    }
}

fn has_fields(object: &Map<String, Value>) -> bool {
    ["Contract", "TotalDuration", "AppName"].iter().any(|key| object.contains_key(*key))
}

/// A text that is no JSON.
fn of_text(text: &str) -> Option<Diagnosis> {
    let json = text.starts_with('{');
    let end = text.trim_end();
    let is_in_front = || text.find("{\"").is_some_and(|at| at > 0 && !text[..at].contains([',', '"', ';', '\t', '|']));
    let behind = if json { behind_object(text) } else { None };
    let rows: [(bool, Diagnosis); 20] = [
        (text.starts_with("<<<<<<< ") || text.starts_with(">>>>>>> ") || end == "=======", CONFLICT),
        (behind == Some(","), COMMA_BEHIND),
        (text.contains("}\u{2028}{"), LINE_SEPARATOR),
        (behind.is_some_and(|rest| rest.trim_start_matches([',', ' ']).starts_with('{')), TWO_OBJECTS),
        (behind == Some("}"), EXTRA_BRACE),
        (behind.is_some(), TEXT_BEHIND),
        (json && ["NaN", "Infinity"].iter().any(|word| after_colon(text, word)), NOT_A_NUMBER),
        (!json && text.contains("{'"), PYTHON_DICT_IN_CSV),
        (text.contains("\": '") || text.contains("{'"), PYTHON_DICT),
        (json && text[1..].trim_start().starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'), BARE_KEYS),
        (!json && text.contains("\\\""), BACKSLASH_QUOTES),
        (text.contains('\u{1}'), HIVE_TEXT),
        (is_rule(end), DRAWN_TABLE),
        (is_header(text), CSV_AS_NDJSON),
        (!json && is_in_front(), TEXT_IN_FRONT),
        (json && !end.ends_with('}'), CUT_OFF),
        (json && has_other_escape(end), OTHER_ESCAPE),
        (json && has_control_character(end), CONTROL_CHARACTER),
        (json && [",}", ",]"].iter().any(|comma| outside_texts(end).contains(comma)), TRAILING_COMMA),
        (json && has_leading_zero(&outside_texts(end)), LEADING_ZERO),
    ];
    rows.iter().find(|(matches, _)| *matches).map(|(_, diagnosis)| *diagnosis)
}

/// The parts of JSON in turn outside and within its texts, without the quotes around them.
fn parts(json: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_escaped, mut is_within) = (Vec::new(), 0, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => {
                parts.push(&json[start..at]);
                (start, is_within) = (at + 1, !is_within);
            }
            _ => is_escaped = is_within && byte == b'\\' && !is_escaped,
        }
    }
    parts.push(&json[start..]);
    parts
}

/// JSON without what is within its texts, and without white space.
fn outside_texts(json: &str) -> String {
    let parts = parts(json);
    let outside = parts.iter().step_by(2).map(|part| part.split_whitespace().collect::<String>());
    outside.collect::<Vec<_>>().join("\"")
}

fn texts(json: &str) -> impl Iterator<Item = &str> {
    parts(json).into_iter().skip(1).step_by(2)
}

fn has_control_character(json: &str) -> bool {
    texts(json).any(|text| text.bytes().any(|byte| byte < b' '))
}

fn has_other_escape(json: &str) -> bool {
    texts(json).any(|text| {
        let mut chars = text.chars();
        std::iter::from_fn(|| chars.find(|c| *c == '\\').and_then(|_| chars.next())).any(|c| !"\"\\/bfnrtu".contains(c))
    })
}

/// Whether a value begins with a zero and another digit.
fn has_leading_zero(outside: &str) -> bool {
    outside.split([':', ',', '[', ']', '}']).any(|value| {
        let digits = value.strip_prefix('-').unwrap_or(value);
        digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit())
    })
}

/// What stands after a whole object on its line; none where there is nothing, or no whole object.
fn behind_object(text: &str) -> Option<&str> {
    let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    objects.next()?.ok()?;
    let rest = text.get(objects.byte_offset()..)?;
    let rest = rest.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{2028}');
    (!rest.is_empty()).then_some(rest)
}

/// The header of a CSV file.
pub(super) fn is_header(text: &str) -> bool {
    !text.contains('{') && ["Contract", "TotalDuration", "AppName"].iter().all(|name| text.contains(name))
}

/// A line that divides the header of a drawn table from its rows.
pub(super) fn is_rule(line: &str) -> bool {
    line.contains("---") && line.bytes().all(|byte| b"-=+| ".contains(&byte))
}

/// A record without the field `name`.
pub(super) fn without(raw: &[u8], name: &str) -> Option<Diagnosis> {
    let object: Value = serde_json::from_slice(raw).ok()?;
    let source = object.get("_source").unwrap_or(&object).as_object()?;
    let is_like = |key: &String| {
        let plain =
            |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        plain(key) == plain(name)
    };
    (!source.contains_key(name) && (source.keys().any(is_like) || !has_fields(source))).then_some(OTHER_KEYS)
}

pub(super) fn of_duration(raw: &[u8]) -> Option<Diagnosis> {
    match field(raw, "TotalDuration") {
        Some(Value::String(value)) => of_number_text(&value).or(value.parse::<f64>().is_ok().then_some(NUMBER_AS_TEXT)),
        Some(Value::Number(number)) => number.is_f64().then_some(FRACTION),
        Some(Value::Object(number)) => number.keys().any(|key| key.starts_with("$number")).then_some(EXTENDED_NUMBER),
        Some(_) => None,
        None if serde_json::from_slice::<Value>(raw).is_ok() => without(raw, "TotalDuration"),
        None => of_csv_duration(&text(raw)),
    }
}

/// A text in place of a number.
fn of_number_text(value: &str) -> Option<Diagnosis> {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let groups = |value: &str, separator: char| {
        let parts: Vec<&str> = value.split(separator).collect();
        let (first, others) = parts.split_first()?;
        let is_grouped = digits(first) && first.len() <= 3 && others.iter().all(|part| part.len() == 3 && digits(part));
        (!others.is_empty() && is_grouped).then_some(THOUSANDS)
    };
    let value = value.trim();
    let is_clock = || {
        let parts: Vec<&str> = value.split(':').collect();
        matches!(parts.len(), 2 | 3) && parts.iter().all(|part| digits(part) && part.len() <= 2)
    };
    if let Some(thousands) = [',', '.', ' ', '\u{a0}', '\u{202f}', '\''].iter().find_map(|mark| groups(value, *mark)) {
        Some(thousands)
    } else if digits(value.strip_prefix(['-', '+']).unwrap_or(value)) {
        Some(NUMBER_AS_TEXT)
    } else {
        is_clock().then_some(CLOCK)
    }
}

/// A record of CSV: the field is not known by name here, so only what no other field looks like is sure.
fn of_csv_duration(text: &str) -> Option<Diagnosis> {
    if is_header(text) {
        return Some(SECOND_HEADER);
    }
    // A comma may be a mark within a number where something else divides the fields.
    let bounds: &[char] = if text.contains([';', '\t', '|']) { &[';', '\t', '|'] } else { &[','] };
    let fields = || text.split(bounds).map(str::trim);
    if fields().all(is_in_single_quotes) {
        return Some(SINGLE_QUOTES);
    }
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .filter_map(of_number_text)
        .find(|kind| *kind == THOUSANDS)
        .or_else(|| fields().filter_map(of_number_text).find(|kind| matches!(*kind, THOUSANDS | CLOCK)))
        .or_else(|| fields().any(is_fraction).then_some(FRACTION_IN_CSV))
        .or_else(|| text.contains(" | ").then_some(DRAWN_TABLE))
}

/// A field of CSV in quotes that belong to it.
pub(super) fn is_in_single_quotes(field: &str) -> bool {
    field.len() >= 2 && field.starts_with('\'') && field.ends_with('\'')
}

/// A number with a fraction that is none of thousands, or with an exponent.
fn is_fraction(field: &str) -> bool {
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = match field.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent.trim_start_matches(['+', '-']))),
        None => (field, None),
    };
    let has_fraction = number
        .split_once(['.', ','])
        .is_some_and(|(whole, part)| digits(whole) && digits(part) && (part.len() != 3 || exponent.is_some()));
    match exponent {
        Some(exponent) => digits(exponent) && (has_fraction || digits(number)),
        None => has_fraction,
    }
}

/// Whether lenient types take a record that was rejected for `reason`.
pub(super) fn is_read_leniently(reason: Reason, raw: &[u8]) -> bool {
    let read = |source| parse_line(raw, Reading { types: FieldTypes::Lenient, source, ..Reading::default() });
    let fields = read(FieldPlace::Source).or_else(|_| read(FieldPlace::Flat));
    match (fields, reason) {
        (Ok(_), Reason::Malformed) => read(FieldPlace::Source).is_ok(),
        (Ok(fields), Reason::NoContract) => fields.contract.is_some(),
        (Ok(fields), Reason::BadDuration) => fields.seconds.is_some(),
        (Err(_), Reason::BadDuration) => has_lenient_field(raw),
        _ => false,
    }
}

/// Whether a record of CSV has a field that is an integer only leniently.
fn has_lenient_field(raw: &[u8]) -> bool {
    let is_lenient = |field: &[u8]| {
        let field = field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field);
        integer(field, FieldTypes::Strict).is_none() && integer(field, FieldTypes::Lenient).is_some()
    };
    !raw.starts_with(b"{") && raw.split(|byte| b",;\t|".contains(byte)).any(|field| is_lenient(field.trim_ascii_end()))
}

/// A duration over the bound of a day.
pub(super) fn of_long_duration(raw: &[u8]) -> Option<Diagnosis> {
    let of_csv =
        || text(raw).split([',', ';', '\t', '|']).filter_map(|field| field.trim_matches('"').parse().ok()).max();
    let (seconds, milliseconds): (i64, Diagnosis) = match field(raw, "TotalDuration") {
        Some(value) => (value.as_i64()?, MILLISECONDS),
        None => (of_csv()?, MILLISECONDS_IN_CSV),
    };
    match seconds {
        YEAR_2001_S.. => Some(POINT_IN_TIME),
        100_000.. if seconds % 1000 == 0 => Some(milliseconds),
        _ => None,
    }
}

/// A field of `_source`, or of the object itself where there is none.
pub(super) fn field(raw: &[u8], name: &str) -> Option<Value> {
    let object: Value = serde_json::from_slice(raw).ok()?;
    let source = object.get("_source").unwrap_or(&object);
    source.get(name).cloned()
}
