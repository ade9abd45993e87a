//! What is shown of data that is refused or warned of: an example with its place, and what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};

use crate::diagnosis::{self, Diagnosis, HEAD_BYTES};
use crate::engine::ledger::{Fact, FileLedger, InputFile, Reason};
use crate::engine::rules::FieldPlace;
use crate::engine::scan::lines::without_return;
use crate::engine::scan::reject::{MAX_RAW_BYTES, Reject, Rejects};
use crate::lake::read::{compressed, magic};
use crate::lake::{Compression, DataFile, Format};
use crate::units::in_one_line;

/// Smallest day or file that the limit holds for by itself, in records: of fewer a handful says little.
const MIN_RECORDS: u64 = 1000;

/// The same where a part of its files was read, and the other records are as these.
const MIN_SAMPLED_RECORDS: u64 = 100;

/// Characters shown of a record.
const EXCERPT_CHARS: usize = 120;

/// Reasons for which an example is shown: the most frequent.
const N_EXAMPLES: usize = 2;

/// The files and rejects of a month, as far as they are at hand.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    rejects: Option<&'a Rejects>,
    /// By canonical name.
    files: BTreeMap<String, &'a DataFile>,
    /// What files are by their first bytes, by the user's name for them, where that was looked at before.
    known: Option<&'a BTreeMap<String, Diagnosis>>,
    /// See [`crate::engine::rules::RecordRules::similar_apps`].
    pub(super) similar_apps: BTreeMap<String, String>,
    /// Where records have their fields.
    source: FieldPlace,
    /// The canonical names of files that were read in part.
    sampled: BTreeSet<String>,
}

/// A rejected record, or the start of a file that holds none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Why it was rejected.
    pub reason: Reason,
    /// The file, as the user named it.
    pub file: String,
    /// How its bytes are compressed, whatever its name says.
    pub compression: Compression,
    /// Its line, counted from 1, where the file could be read again.
    pub line: Option<u64>,
    /// Where it should have its fields.
    pub source: FieldPlace,
    /// Its first byte, decompressed.
    pub offset: u64,
    /// The start of its text.
    pub excerpt: String,
    /// What it is, where that is known.
    pub diagnosis: Option<Diagnosis>,
}

impl<'a> Evidence<'a> {
    /// That of a scan of `files`, whose records have their fields in `source`.
    pub fn of_scan(files: &'a [DataFile], rejects: &'a Rejects, source: FieldPlace) -> Evidence<'a> {
        let files = files.iter().map(|file| (file.canonical_uri(), file)).collect();
        Evidence { rejects: Some(rejects), files, source, ..Evidence::default() }
    }

    /// The same, where it is known already which files are something else.
    pub fn knowing(self, known: &'a BTreeMap<String, Diagnosis>) -> Evidence<'a> {
        Evidence { known: Some(known), ..self }
    }

    /// The same, where it is known which apps of no category are like those of the rules.
    pub fn with_similar_apps(self, similar_apps: BTreeMap<String, String>) -> Evidence<'a> {
        Evidence { similar_apps, ..self }
    }

    /// The same, where these files were read in part.
    pub fn of_samples(self, sampled: BTreeSet<String>) -> Evidence<'a> {
        Evidence { sampled, ..self }
    }

    /// Fewest records of these files for which the limit holds by itself.
    pub(super) fn min_records<'f>(&self, mut files: impl Iterator<Item = &'f FileLedger>) -> u64 {
        if files.any(|of| self.sampled.contains(&of.file.uri)) { MIN_SAMPLED_RECORDS } else { MIN_RECORDS }
    }

    /// Whether records are at hand.
    pub fn sees_records(&self) -> bool {
        self.rejects.is_some()
    }

    /// The file as the user named it.
    pub(super) fn name<'f>(&'f self, file: &'f InputFile) -> &'f str {
        self.files.get(&file.uri).map_or(file.uri.as_str(), |file| file.uri.as_str())
    }

    /// What a file is that is something else.
    fn diagnosis_of(&self, file: &DataFile) -> Option<Diagnosis> {
        match self.known {
            Some(known) => known.get(&file.uri).copied(),
            None => diagnosis::of_head(&head(file)?),
        }
    }

    /// `FILE, line 3, byte 51`; the line where the file can be read.
    pub(super) fn place(&self, file: &InputFile, offset: u64) -> String {
        let line = self.files.get(&file.uri).and_then(|file| line_of(file, offset));
        place(self.name(file), line, offset)
    }

    /// The names of those of `files` whose last record is cut off: it is malformed, and ends where the file does. Compressed
    /// files do not tell; a stream that is cut off is an error.
    pub(super) fn cut_off(&self, files: &[&FileLedger]) -> Vec<String> {
        let Some(rejects) = self.rejects else { return Vec::new() };
        let mut last: BTreeMap<&str, Option<Reject<'_>>> = files
            .iter()
            .filter_map(|file| self.files.get(&file.file.uri))
            .map(|file| (file.uri.as_str(), None))
            .collect();
        if last.is_empty() {
            return Vec::new();
        }
        for (name, reject) in rejects.last_of_batches() {
            if let Some(place) = last.get_mut(name) {
                *place = Some(reject);
            }
        }
        let is_cut = |file: &DataFile, reject: &Reject<'_>| {
            let is_short = || reject.raw.starts_with(b"{") && !reject.raw.trim_ascii_end().ends_with(b"}");
            let is_part = file.format == Format::Csv || is_short();
            let is_last = reject.offset.saturating_add(reject.raw.len() as u64) == file.n_bytes;
            reject.reason == Reason::Malformed
                && is_last
                && is_part
                && diagnosis::of_record(reject.reason, reject.raw).is_none_or(|of| of.is_cut_off())
        };
        let cut = self.files.values().filter(|file| {
            last.get(file.uri.as_str()).and_then(Option::as_ref).is_some_and(|reject| is_cut(file, reject))
        });
        cut.map(|file| file.uri.clone()).collect()
    }

    /// A reject for each of the most frequent reasons in `files`: the first of the file with the most of them.
    pub(super) fn examples(&self, files: &[&FileLedger]) -> Vec<Example> {
        let Some(rejects) = self.rejects else { return Vec::new() };
        let mut counts: Vec<(u64, Reason)> = Reason::ALL
            .into_iter()
            .map(|reason| (files.iter().map(|file| file.counts.n_rejected_for(reason)).sum(), reason))
            .filter(|(records, reason)| *records > 0 && *reason != Reason::Excluded)
            .collect();
        // What counts against the limit first, then by frequency.
        counts.sort_by_key(|(records, reason)| (!reason.counts_against_limit(), std::cmp::Reverse(*records), *reason));
        counts.truncate(N_EXAMPLES);
        let example = |(_, reason): (u64, Reason)| {
            let at_hand = files.iter().filter_map(|of| Some((*self.files.get(&of.file.uri)?, *of)));
            // Of several with as many the first.
            let (file, of) = at_hand.rev().max_by_key(|(_, of)| of.counts.n_rejected_for(reason))?;
            let offset = rejects.first_offset(&file.uri, reason)?;
            Some(match rejects.find(&file.uri, offset, reason) {
                Some(reject) => self.example(file, &of.file, &reject),
                None => self.example(file, &of.file, &Reject { offset, reason, raw: &line_at(file, offset)? }),
            })
        };
        counts.into_iter().filter_map(example).collect()
    }

    fn example(&self, file: &DataFile, of: &InputFile, reject: &Reject<'_>) -> Example {
        let file = &magic::as_stored(file.clone()).0;
        let of_file = || match (reject.reason, self.source) {
            (Reason::Malformed, _) | (Reason::NoContract, FieldPlace::Flat) => self.diagnosis_of(file),
            _ => None,
        };
        // After an open quote nothing is a row: closing it is all there is to do.
        let is_row = file.format == Format::Csv && reject.reason == Reason::Malformed && of.open_quote().is_none();
        // To drop a header is no advice where the rows after it are as that says.
        let has_other_header = of.place_of(Fact::OtherHeader).is_some();
        let of_text = || {
            let found = diagnosis::of_record(reject.reason, reject.raw);
            found.filter(|found| !(has_other_header && found.is_header()))
        };
        let of_row = || is_row.then(diagnosis::of_row);
        Example {
            reason: reject.reason,
            file: file.uri.clone(),
            compression: file.compression,
            source: self.source,
            line: line_of(file, reject.offset),
            offset: reject.offset,
            excerpt: excerpt(reject.raw),
            diagnosis: of_file().or_else(of_text).or_else(of_row),
        }
    }
}

impl Example {
    /// What to do about it.
    pub fn next(&self) -> Option<String> {
        self.diagnosis.map(|diagnosis| diagnosis.next_with_fields(&self.file, self.compression, self.source))
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Example { reason, file, line, offset, excerpt, diagnosis, .. } = self;
        write!(f, "{reason}, for example {}: `{excerpt}`", place(file, *line, *offset))?;
        diagnosis.map_or(Ok(()), |diagnosis| write!(f, ": this is {}", diagnosis.what))
    }
}

fn place(file: &str, line: Option<u64>, offset: u64) -> String {
    match line {
        Some(line) => format!("{file}, line {line}, byte {offset}"),
        None => format!("{file}, byte {offset}"),
    }
}

/// The first characters, without any that a terminal would obey; as few as fit with their escapes.
fn excerpt(raw: &[u8]) -> String {
    // No character has more than four bytes.
    let text = String::from_utf8_lossy(raw.get(..4 * EXCERPT_CHARS + 4).unwrap_or(raw));
    let (mut shown, mut n_chars) = (String::new(), 0);
    for char in text.chars() {
        let escaped = in_one_line(char.encode_utf8(&mut [0; 4]));
        n_chars += escaped.chars().count();
        if n_chars > EXCERPT_CHARS {
            return shown + "…";
        }
        shown += &escaped;
    }
    if raw.len() > 4 * EXCERPT_CHARS + 4 { shown + "…" } else { shown }
}

/// The file from its start, decompressed; none where it can no longer be read.
fn open(file: &DataFile) -> Option<compressed::CompressedFile> {
    compressed::open(&magic::as_stored(file.clone()).0).ok()
}

/// The first bytes of the file, decompressed; none where it can no longer be read.
fn head(file: &DataFile) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    open(file)?.take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// What the file holds from `offset` on to the end of the line; none where it can no longer be read.
fn line_at(file: &DataFile, offset: u64) -> Option<Vec<u8>> {
    let mut opened = open(file)?;
    std::io::copy(&mut opened.by_ref().take(offset), &mut std::io::sink()).ok()?;
    let mut line = Vec::new();
    BufReader::new(opened.take(MAX_RAW_BYTES as u64)).read_until(b'\n', &mut line).ok()?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Some(without_return(line).to_vec())
}

/// The number of the line in which a byte lies; none where the file can no longer be read.
fn line_of(file: &DataFile, offset: u64) -> Option<u64> {
    let mut before = BufReader::with_capacity(1 << 20, open(file)?.take(offset));
    let mut line = 1;
    loop {
        let n_bytes = match before.fill_buf().ok()? {
            [] => return Some(line),
            bytes => {
                line += memchr::memchr_iter(b'\n', bytes).count() as u64;
                bytes.len()
            }
        };
        before.consume(n_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_harmless() {
        let check = |raw: &[u8], expected: &str| assert_eq!(excerpt(raw), expected);
        check(b"plain", "plain");
        check(b"", "");
        check("é\u{1b}[2J\t".as_bytes(), "é\\u{1b}[2J\\t");
        check(b"\xff", "\u{fffd}");
        check("é".repeat(120).as_bytes(), &"é".repeat(120));
        check("é".repeat(121).as_bytes(), &format!("{}…", "é".repeat(120)));
        check(&b"x".repeat(9000), &format!("{}…", "x".repeat(120)));
        check(&[0; 9000], &format!("{}…", "\\u{0}".repeat(24)));
    }
}
