//! What a file or a record is that was not taken for records, why, and what to do about it.
//!
//! Two tables of recognisers: over the first bytes of a file, and over the raw text of a rejected record. They run only
//! where something is refused or warned of, so a good month pays nothing. The first row that matches wins, so rows
//! stand from the specific to the general.

use crate::engine::ledger::Reason;
use crate::engine::rules::FieldPlace;
use crate::lake::Compression;

mod head;
mod kinds;
mod record;

pub use kinds::LONE_CR;
use kinds::{
    COMMENT_IN_FRONT, CUT_OFF, DRAWN_TABLE, FRACTION, FRACTION_IN_CSV, HIVE_TEXT, NDJSON_AS_CSV, NO_TEXT, NOT_A_NUMBER,
    NUMBER_AS_TEXT, NUMERIC_CONTRACT, OTHER_DELIMITER, OTHER_ROW, READ_LENIENTLY, SECOND_HEADER, SINGLE_QUOTES,
};

/// How many bytes of the start of a file are looked at.
pub const HEAD_BYTES: usize = 64 << 10;

/// What something is, why it is not read, and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// What it is, to be read after "this is ".
    pub what: &'static str,
    /// What to do next, with a command where there is one; `FILE` stands for the file as a word of its own, which no
    /// quotes surround.
    pub next: &'static str,
}

impl Diagnosis {
    /// Whether it is the start of something.
    pub fn is_cut_off(&self) -> bool {
        *self == CUT_OFF
    }

    /// Whether it is a header among rows.
    pub fn is_header(&self) -> bool {
        *self == SECOND_HEADER
    }

    /// Whether it is no text at all: what reads as records within it is there by chance.
    pub fn is_no_text(&self) -> bool {
        NO_TEXT.contains(self)
    }

    /// The same of what lenient types take as it is.
    const fn read_leniently(self) -> Diagnosis {
        Diagnosis { what: self.what, next: READ_LENIENTLY }
    }

    /// The same as [`Diagnosis::next_for`] where the fields are read from `source`.
    pub fn next_with_fields(&self, uri: &str, compression: Compression, source: FieldPlace) -> String {
        let next = self.next_for(uri, compression);
        match source {
            FieldPlace::Source => next,
            FieldPlace::Flat => WRAPPED_SOURCE.iter().fold(next, |next, (from, to)| next.replace(from, to)),
        }
    }

    /// What to do next with the file of this name in the lake, whose bytes are compressed so.
    pub fn next_for(&self, uri: &str, compression: Compression) -> String {
        if !self.next.contains("FILE") {
            return self.next.to_owned();
        }
        // The tools of these commands read files of this machine, and decompress nothing.
        let uri = uri.strip_prefix("file://").unwrap_or(uri);
        let (get, file, put) = match uri.rsplit_once('/') {
            Some((folder, name)) if folder.contains("://") => {
                let get = format!("get it (hdfs dfs -get {}), then ", quoted(uri));
                (get, name, "; then put it back in its place")
            }
            _ => (String::new(), uri, ""),
        };
        let (decompress, file) = decompressed(file, compression);
        format!("{get}{decompress}{}{put}", self.next.replace("FILE", &quoted(file)))
    }
}

/// What advice says of `_source`, and what it says where the fields stand at the top.
const WRAPPED_SOURCE: [(&str, &str); 4] =
    [(" and wrap the documents", ""), (" | {_source: .}'", "'"), ("._source.", "."), ("._source |=", ". |=")];

/// What decompresses a file, to be read before what is done to it then, and its name then.
fn decompressed(file: &str, compression: Compression) -> (String, &str) {
    let (ending, tool, remove) = match compression {
        Compression::None => return (String::new(), file),
        Compression::Gzip => (".gz", "gzip", ""),
        Compression::Zstd => (".zst", "zstd", " --rm"),
    };
    let stem = file.len().checked_sub(ending.len()).and_then(|at| file.split_at_checked(at));
    let stem = stem.filter(|(_, last)| last.eq_ignore_ascii_case(ending)).map(|(stem, _)| stem);
    let word = quoted(file);
    match stem {
        Some(stem) => (format!("decompress it ({tool} -d{remove} {word}), then "), stem),
        // The tools take no file of another ending, but what they read.
        None => (format!("decompress it ({tool} -dc < {word} > {word}.new && mv {word}.new {word}), then "), file),
    }
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    match name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-=+:".contains(&b)) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', "'\\''")),
    }
}

/// Whether something is of a kind, and the kind.
type Recogniser = (fn(&[u8]) -> bool, Diagnosis);

/// What the file that starts with `head` is, where it is none that we read.
pub fn of_head(head: &[u8]) -> Option<Diagnosis> {
    let head = head.get(..HEAD_BYTES).unwrap_or(head);
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head::HEADS.iter().find(|(matches, _)| matches(head)).map(|(_, diagnosis)| *diagnosis)
}

/// What the file that starts with `head` is, where it has a name of CSV and no header.
pub fn of_csv_head(head: &[u8]) -> Option<Diagnosis> {
    let line = head.split(|b| *b == b'\n').next().unwrap_or_default();
    of_head(head).or_else(|| {
        let line_text = text(line);
        let fields = || line_text.trim_end().split([',', ';', '\t', '|']);
        let rows: [(bool, Diagnosis); 6] = [
            (text(head).starts_with('{'), NDJSON_AS_CSV),
            (line.contains(&1), HIVE_TEXT),
            (line_text.starts_with('#'), COMMENT_IN_FRONT),
            (record::is_rule(line_text.trim_end()), DRAWN_TABLE),
            (fields().count() > 1 && fields().all(record::is_in_single_quotes), SINGLE_QUOTES),
            (record::is_header(&line_text) && fields().count() == 1, OTHER_DELIMITER),
        ];
        rows.iter().find(|(matches, _)| *matches).map(|(_, diagnosis)| *diagnosis)
    })
}

/// What a record is that was rejected for `reason`, from its raw text, which may be cut.
pub fn of_record(reason: Reason, raw: &[u8]) -> Option<Diagnosis> {
    let found = match reason {
        Reason::Malformed => record::of_malformed(raw),
        Reason::NoContract => match record::field(raw, "Contract") {
            Some(value) => value.is_number().then_some(NUMERIC_CONTRACT),
            None => record::without(raw, "Contract"),
        },
        Reason::NoApp => record::without(raw, "AppName"),
        Reason::BadDuration => record::of_duration(raw),
        Reason::OverDay => record::of_long_duration(raw),
        _ => None,
    }?;
    let may_be_lenient = [NOT_A_NUMBER, NUMBER_AS_TEXT, FRACTION, FRACTION_IN_CSV, NUMERIC_CONTRACT].contains(&found);
    Some(if may_be_lenient && record::is_read_leniently(reason, raw) { found.read_leniently() } else { found })
}

/// What a row of CSV is that could not be read, where its text says no more.
pub fn of_row() -> Diagnosis {
    OTHER_ROW
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes.trim_ascii_start())
}

/// Whether `word` stands where a value does.
fn after_colon(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| text[..at].trim_end().trim_end_matches('-').trim_end().ends_with([':', '[', ',']))
}

/// Text in base64 that holds an object.
fn is_base64(bytes: &[u8]) -> bool {
    let start = bytes.get(..64).unwrap_or(bytes);
    start.len() >= 16
        && (start.starts_with(b"eyJ") || start.starts_with(b"ewo"))
        && start.iter().all(|b| b.is_ascii_alphanumeric() || b"+/=\r\n".contains(b))
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
