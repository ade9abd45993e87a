//! What a file or a record is that was not taken for records, why, and what to do about it.
//!
//! Two tables of recognisers: over the first bytes of a file, and over the raw text of a rejected record. They run only
//! where something is refused or warned of, so a good month pays nothing. The first row that matches wins, so rows
//! stand from the specific to the general.

use serde_json::Value;

use crate::engine::ledger::Reason;

/// How many bytes of the start of a file are looked at.
pub const HEAD_BYTES: usize = 64 << 10;

/// What something is, why it is not read, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What it is, to be read after "this is ".
    pub what: &'static str,
    /// What to do next, with a command where there is one; `FILE` stands for the file.
    pub next: &'static str,
}

const JSON_ARRAY: Diagnosis = Diagnosis {
    what: "a JSON array; wanted is one object a line",
    next: "write one record a line: jq -c '.[]' FILE > FILE.new && mv FILE.new FILE",
};
const SEARCH_RESPONSE: Diagnosis = Diagnosis {
    what: "a saved search response; its records are in hits.hits",
    next: "write one record a line: jq -c '.hits.hits[]' FILE > FILE.new && mv FILE.new FILE",
};
const PRETTY_JSON: Diagnosis = Diagnosis {
    what: "JSON spread over several lines; wanted is one object a line",
    next: "write one record a line: jq -c . FILE > FILE.new && mv FILE.new FILE",
};
const BULK: Diagnosis = Diagnosis {
    what: "an Elasticsearch bulk file: action lines stand between the documents, which have no `_source`",
    next: "drop the action lines and wrap the documents: jq -c 'select(has(\"index\") or has(\"create\") | not) | {_source: .}' FILE > FILE.new && mv FILE.new FILE",
};
const FLAT: Diagnosis = Diagnosis {
    what: "a record without `_source`: its fields stand at the top",
    next: "wrap the records: jq -c '{_source: .}' FILE > FILE.new && mv FILE.new FILE",
};
const LFS_POINTER: Diagnosis =
    Diagnosis { what: "a Git LFS pointer; the data itself was not fetched", next: "fetch the data: git lfs pull" };
const WEB_PAGE: Diagnosis = Diagnosis {
    what: "a web page, such as a login or error page that a download saved",
    next: "fetch the file again and check that the download is signed in",
};
const XML: Diagnosis = Diagnosis {
    what: "XML, such as the error answer of an object store",
    next: "fetch the file again and read what the XML says",
};
const UTF16: Diagnosis = Diagnosis {
    what: "UTF-16 text; wanted is UTF-8",
    next: "convert it: iconv -f UTF-16 -t UTF-8 FILE > FILE.new && mv FILE.new FILE",
};
const LONE_CR: Diagnosis = Diagnosis {
    what: "text whose lines end in lone CR, so that the whole file is one line",
    next: "convert the line ends: tr '\\r' '\\n' < FILE > FILE.new && mv FILE.new FILE",
};
const PYTHON_DICT: Diagnosis = Diagnosis {
    what: "Python's print of a dict, which is not JSON",
    next: "write JSON: python3 -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(l))) for l in sys.stdin]' < FILE > FILE.new && mv FILE.new FILE",
};
const BACKSLASH_QUOTES: Diagnosis = Diagnosis {
    what: "CSV with quotes escaped by a backslash; RFC 4180 doubles them",
    next: "write the files again with doubled quotes, in Spark .option(\"escape\", \"\\\"\")",
};
const TWO_OBJECTS: Diagnosis = Diagnosis {
    what: "several objects on one line: the line ends between them are lost",
    next: "write one record a line: jq -c . FILE > FILE.new && mv FILE.new FILE",
};
const NOT_A_NUMBER: Diagnosis = Diagnosis {
    what: "a record with NaN or Infinity, which JSON does not have",
    next: "write null in their place, in Python json.dumps(…, allow_nan=False) shows where they come from",
};
const CUT_OFF: Diagnosis = Diagnosis {
    what: "the start of a record that is cut off",
    next: "check that the file is complete and that no other program writes to it",
};
const NUMBER_AS_TEXT: Diagnosis = Diagnosis {
    what: "a TotalDuration that is text; wanted is an integer",
    next: "write it as a number: jq -c '._source.TotalDuration |= tonumber' FILE > FILE.new && mv FILE.new FILE",
};
const THOUSANDS: Diagnosis = Diagnosis {
    what: "a TotalDuration with thousands separators",
    next: "export the raw number, in Kibana by the field's format `Number` with pattern 0",
};
const FRACTION: Diagnosis = Diagnosis {
    what: "a TotalDuration written with a fraction or an exponent; wanted is an integer",
    next: "write it as an integer: jq -c '._source.TotalDuration |= floor' FILE > FILE.new && mv FILE.new FILE",
};
const NUMERIC_CONTRACT: Diagnosis = Diagnosis {
    what: "a Contract that is a number; wanted is text",
    next: "write it as text: jq -c '._source.Contract |= tostring' FILE > FILE.new && mv FILE.new FILE",
};
const ZEROS: Diagnosis = Diagnosis {
    what: "NUL bytes, as a file has that was made in full length and never written",
    next: "fetch the file again",
};
const COMPRESSED: Diagnosis = Diagnosis {
    what: "compressed or binary data (gzip, Zstandard, bzip2, xz, zip, Parquet or ORC)",
    next: "name gzip and Zstandard files .gz and .zst; unpack or convert the others",
};

const NDJSON_AS_CSV: Diagnosis =
    Diagnosis { what: "NDJSON under a name of CSV", next: "rename it to .ndjson, or give --format ndjson" };

impl Diagnosis {
    /// What to do next with the file of this name.
    pub fn next_for(&self, file: &str) -> String {
        let name = match file.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-=+:".contains(&b)) {
            true => file.to_owned(),
            false => format!("'{}'", file.replace('\'', "'\\''")),
        };
        self.next.replace("FILE", &name)
    }
}

/// Whether something is of a kind, and the kind.
type Recogniser = (fn(&[u8]) -> bool, Diagnosis);

/// What the file that starts with `head` is, where it is none that we read.
pub fn of_head(head: &[u8]) -> Option<Diagnosis> {
    const HEADS: [Recogniser; 12] = [
        (is_compressed, COMPRESSED),
        (is_utf16, UTF16),
        (|head| !head.is_empty() && head.iter().all(|b| *b == 0), ZEROS),
        (|head| head.starts_with(b"version https://git-lfs"), LFS_POINTER),
        (is_web_page, WEB_PAGE),
        (|head| head.starts_with(b"<?xml"), XML),
        (has_lone_cr, LONE_CR),
        (is_bulk, BULK),
        (is_search_response, SEARCH_RESPONSE),
        (|head| text(head).starts_with('['), JSON_ARRAY),
        (|head| text(head).starts_with("{'") || text(head).starts_with("{\"_source\": {'"), PYTHON_DICT),
        (is_pretty_json, PRETTY_JSON),
    ];
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    HEADS.iter().find(|(matches, _)| matches(head)).map(|(_, diagnosis)| *diagnosis)
}

/// What the file that starts with `head` is, where it has a name of CSV and no header.
pub fn of_csv_head(head: &[u8]) -> Option<Diagnosis> {
    of_head(head).or_else(|| text(head).starts_with('{').then_some(NDJSON_AS_CSV))
}

/// What a record is that was rejected for `reason`, from its raw text, which may be cut.
pub fn of_record(reason: Reason, raw: &[u8]) -> Option<Diagnosis> {
    match reason {
        Reason::Malformed => of_malformed(raw),
        Reason::NoContract => field(raw, "Contract")?.is_number().then_some(NUMERIC_CONTRACT),
        Reason::BadDuration => of_duration(raw),
        _ => None,
    }
}

fn of_malformed(raw: &[u8]) -> Option<Diagnosis> {
    if let Some(diagnosis) = of_head(raw) {
        return Some(diagnosis);
    }
    let text = text(raw);
    if let Ok(Value::Object(object)) = serde_json::from_str(&text) {
        let has = |keys: [&str; 3]| keys.iter().any(|key| object.contains_key(*key));
        return (has(["Contract", "TotalDuration", "AppName"]) && !object.contains_key("_source")).then_some(FLAT);
    }
    let json = text.starts_with('{');
    let rows: [(bool, Diagnosis); 5] = [
        (json && (text.contains("}{") || text.contains("} {")), TWO_OBJECTS),
        (json && ["NaN", "Infinity"].iter().any(|word| after_colon(&text, word)), NOT_A_NUMBER),
        (text.contains("\": '") || text.contains("{'"), PYTHON_DICT),
        (!json && text.contains("\\\""), BACKSLASH_QUOTES),
        (json && !text.trim_end().ends_with('}'), CUT_OFF),
    ];
    rows.iter().find(|(matches, _)| *matches).map(|(_, diagnosis)| *diagnosis)
}

fn of_duration(raw: &[u8]) -> Option<Diagnosis> {
    let text_of = |value: &str| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let separated = value.split([',', '.', ' ', '\u{a0}', '\u{202f}', '\'']).collect::<Vec<_>>();
        if separated.len() > 1
            && separated[1..].iter().all(|part| part.chars().count() == 3 && digits(part))
            && digits(separated[0])
        {
            Some(THOUSANDS)
        } else if digits(value.trim()) {
            Some(NUMBER_AS_TEXT)
        } else {
            None
        }
    };
    match field(raw, "TotalDuration") {
        Some(Value::String(value)) => text_of(&value).or(value.parse::<f64>().is_ok().then_some(NUMBER_AS_TEXT)),
        Some(Value::Number(number)) => number.is_f64().then_some(FRACTION),
        Some(_) => None,
        // A CSV record: the field is not known by name here, so only what stands in quotes with separators is sure.
        None => text(raw)
            .split('"')
            .skip(1)
            .step_by(2)
            .find_map(|quoted| (text_of(quoted) == Some(THOUSANDS)).then_some(THOUSANDS)),
    }
}

/// A field of `_source`, or of the object itself where there is none.
fn field(raw: &[u8], name: &str) -> Option<Value> {
    let object: Value = serde_json::from_slice(raw).ok()?;
    let source = object.get("_source").unwrap_or(&object);
    source.get(name).cloned()
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes.trim_ascii_start())
}

fn is_compressed(head: &[u8]) -> bool {
    let magics: [&[u8]; 8] =
        [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04", b"PAR1", b"ORC", b"Obj\x01"];
    magics.iter().any(|magic| head.starts_with(magic))
}

fn is_utf16(head: &[u8]) -> bool {
    // Without a byte order mark: text of ASCII has a NUL in every second place.
    let half_nul = |first: usize| head.len() >= 8 && head[first..].iter().step_by(2).take(64).all(|b| *b == 0);
    let some_text = head.iter().take(64).any(u8::is_ascii_graphic);
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || (some_text && (half_nul(0) || half_nul(1)))
}

fn is_web_page(head: &[u8]) -> bool {
    let start: String = text(head).chars().take(15).collect::<String>().to_ascii_lowercase();
    start.starts_with("<!doctype html")
        || start.starts_with("<html")
        || start.starts_with("<head")
        || start.starts_with("<script")
}

fn has_lone_cr(head: &[u8]) -> bool {
    head.contains(&b'\r') && !head.contains(&b'\n')
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|b| *b == b'\n').next().unwrap_or_default()
}

fn is_bulk(head: &[u8]) -> bool {
    matches!(
        serde_json::from_slice(first_line(head)),
        Ok(Value::Object(object)) if object.len() == 1
            && ["index", "create", "update", "delete"].iter().any(|action| object.get(*action).is_some_and(Value::is_object))
    )
}

fn is_search_response(head: &[u8]) -> bool {
    let text = text(head);
    let start: String = text.chars().filter(|c| !c.is_whitespace()).take(400).collect();
    (start.starts_with("{\"took\":") || start.starts_with("{\"_scroll_id\":") || start.starts_with("{\"hits\":"))
        && start.contains("\"hits\":")
}

fn is_pretty_json(head: &[u8]) -> bool {
    let line = first_line(head).trim_ascii();
    head.contains(&b'\n') && (line == b"{" || line == b"[")
}

/// Whether `word` stands where a value does.
fn after_colon(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| text[..at].trim_end().trim_end_matches('-').trim_end().ends_with([':', '[', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Option<Diagnosis>); 36] = [
            (b"", None),
            (b"{\"_source\":{\"Contract\":\"A\"}}\n", None),
            (b"Contract,TotalDuration,AppName\nA,1,VOD\n", None),
            (b"[{\"_source\":{}}]\n", Some(JSON_ARRAY)),
            (b"[\n{\"_source\":{}},\n", Some(JSON_ARRAY)),
            (b"\xef\xbb\xbf [ {}", Some(JSON_ARRAY)),
            (b"[]", Some(JSON_ARRAY)),
            (b"{\"took\":3,\"timed_out\":false,\"hits\":{\"total\":1,\"hits\":[", Some(SEARCH_RESPONSE)),
            (b"{\n  \"took\" : 3,\n  \"hits\" : {\n", Some(SEARCH_RESPONSE)),
            (b"{\"_scroll_id\":\"x\",\"took\":1,\"hits\":{}}", Some(SEARCH_RESPONSE)),
            (b"{\"hits\":{\"hits\":[]}}", Some(SEARCH_RESPONSE)),
            (b"{\n  \"_source\": {\n", Some(PRETTY_JSON)),
            (b"{\r\n\t\"_id\": 1", Some(PRETTY_JSON)),
            (b"{\"index\":{\"_id\":\"1\"}}\n{\"Contract\":\"A\"}\n", Some(BULK)),
            (b"{\"create\":{}}\n{}\n", Some(BULK)),
            (b"{ \"delete\" : { \"_id\" : 1 } }\r\n", Some(BULK)),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Some(LFS_POINTER)),
            (b"version https://git-lfs.github.com/spec/v1\r\n", Some(LFS_POINTER)),
            (b"<!DOCTYPE html><html>", Some(WEB_PAGE)),
            (b"\n  <HTML lang=en>", Some(WEB_PAGE)),
            (b"<!doctype HTML PUBLIC", Some(WEB_PAGE)),
            (b"<?xml version=\"1.0\"?><Error>", Some(XML)),
            (b"\xff\xfe{\0\"\0", Some(UTF16)),
            (b"\xfe\xff\0{\0\"", Some(UTF16)),
            (b"{\0\"\0_\0s\0o\0", Some(UTF16)),
            (b"\0{\0\"\0_\0s\0o", Some(UTF16)),
            (b"a,b\r1,2\r3,4\r", Some(LONE_CR)),
            (b"{\"_source\":{}}\r{\"_source\":{}}\r", Some(LONE_CR)),
            (b"{'_index': 'history', '_source': {'Contract'", Some(PYTHON_DICT)),
            (b"{\"_source\": {'Contract': 'A'}}", Some(PYTHON_DICT)),
            (b"\0\0\0\0\0\0\0\0\0\0", Some(ZEROS)),
            (b"\0", Some(ZEROS)),
            (b"\x1f\x8b\x08", Some(COMPRESSED)),
            (b"PAR1\x15", Some(COMPRESSED)),
            (b"PK\x03\x04", Some(COMPRESSED)),
            (b"BZh91AY", Some(COMPRESSED)),
        ];
        for (head, expected) in cases {
            assert_eq!(of_head(head), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_record_is_known_by_its_text_and_reason() {
        let cases: [(Reason, &str, Option<Diagnosis>); 27] = [
            (Reason::Malformed, r#"{"Contract":"A","TotalDuration":1,"AppName":"VOD"}"#, Some(FLAT)),
            (Reason::Malformed, r#"{"_id":1,"AppName":"VOD"}"#, Some(FLAT)),
            (Reason::Malformed, r#"{"x":1}"#, None),
            (Reason::Malformed, r#"{"_source":{"a":1}}{"_source":{"a":1}}"#, Some(TWO_OBJECTS)),
            (Reason::Malformed, r#"{"_source":{}} {"_source":{}}"#, Some(TWO_OBJECTS)),
            (Reason::Malformed, r#"{"_score":NaN,"_source":{}}"#, Some(NOT_A_NUMBER)),
            (Reason::Malformed, r#"{"_score": -Infinity,"_source":{}}"#, Some(NOT_A_NUMBER)),
            (Reason::Malformed, r#"{"a":[1,NaN],"_source":{}}"#, Some(NOT_A_NUMBER)),
            (Reason::Malformed, r#"{"_source":{"Contract":"NaN"}"#, None),
            (Reason::Malformed, r#"{'_source': {'Contract': 'A'}}"#, Some(PYTHON_DICT)),
            (Reason::Malformed, r#"0,history,"{'Contract': 'A'}""#, Some(PYTHON_DICT)),
            (Reason::Malformed, r#"history,1,"{\"Contract\":\"A\"}""#, Some(BACKSLASH_QUOTES)),
            (Reason::Malformed, r#"{"_source":{"Contract":"A","#, Some(CUT_OFF)),
            (Reason::Malformed, r#"[{"_source":{}}]"#, Some(JSON_ARRAY)),
            (Reason::Malformed, "garbage", None),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":"12"}}"#, Some(NUMBER_AS_TEXT)),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":" 12 "}}"#, Some(NUMBER_AS_TEXT)),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":"1,234"}}"#, Some(THOUSANDS)),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":"1.234.567"}}"#, Some(THOUSANDS)),
            (Reason::BadDuration, r#"a,"3,810",VOD"#, Some(THOUSANDS)),
            (Reason::BadDuration, r#"a,"38,10",VOD"#, None),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":254.0}}"#, Some(FRACTION)),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":2.54e2}}"#, Some(FRACTION)),
            (Reason::BadDuration, r#"{"_source":{"TotalDuration":null}}"#, None),
            (Reason::NoContract, r#"{"_source":{"Contract":1000000001}}"#, Some(NUMERIC_CONTRACT)),
            (Reason::NoContract, r#"{"_source":{"Contract":""}}"#, None),
            (Reason::NoApp, r#"{"_source":{}}"#, None),
        ];
        for (reason, raw, expected) in cases {
            assert_eq!(of_record(reason, raw.as_bytes()), expected, "{reason} {raw}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        proptest::proptest!(|(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80))| {
            let _ = of_head(&bytes);
            for reason in Reason::ALL {
                let _ = of_record(reason, &bytes);
            }
        });
    }
}
