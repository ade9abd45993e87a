//! A data file as the ledger knows it: which of its bytes were read, and what is odd about it.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::engine::calendar::Day;

/// What is odd about a file at a place in it, of which the first is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A quote is open at its end, which takes all after it into one record.
    OpenQuote,
    /// A quoted field holds rows; the quote that opens it.
    SwallowedRows,
    /// The header stands among the rows once more.
    SameHeader,
    /// A header with the columns in other places stands among the rows.
    OtherHeader,
}

impl Fact {
    const ALL: [Fact; 4] = [Fact::OpenQuote, Fact::SwallowedRows, Fact::SameHeader, Fact::OtherHeader];

    /// As it is written, before the byte.
    fn text(self) -> &'static str {
        match self {
            Fact::OpenQuote => "a quote that is never closed, opened at byte ",
            Fact::SwallowedRows => "rows within one field, behind the quote at byte ",
            Fact::SameHeader => "the header once more, at byte ",
            Fact::OtherHeader => "a header with the columns in other places, at byte ",
        }
    }
}

/// The fact that a file was read in another format than its name says, before that format.
const READ_AS: &str = "read as ";

/// The fact that a file is no text, before what it is.
const NO_TEXT: &str = "no text, but ";

/// The fact that the first record of a file is none, before what starts so.
const STARTS_AS: &str = "starts as ";

/// What becomes of records of one day that have the same `_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// Each counts: nobody looks at ids.
    #[default]
    Any,
    /// The first counts, the others are rejected as [`Reason::DuplicateId`](super::Reason::DuplicateId).
    Unique,
}

/// A data file, or the part of one that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// Where it is in the lake.
    pub uri: String,
    /// The day of all its records.
    pub day: Day,
    /// Size as stored, in bytes.
    pub n_bytes: u64,
    /// What distinguishes it from another file of the same place and size: mostly the time of its
    /// last change. Empty when nothing is known.
    pub tag: String,
    /// Which of its stored bytes were read: ascending, apart from each other. A compressed file is
    /// read whole.
    pub ranges: Vec<Range<u64>>,
    /// What is odd about it, each in a few words, such as compression that belies its ending.
    pub facts: BTreeSet<String>,
    /// What became of records with an `_id` that was there before on that day. Where each counts
    /// once, all files of the day were read together.
    pub ids: Ids,
}

impl InputFile {
    /// What files are ordered by: their place first.
    pub fn order(&self) -> impl Ord + '_ {
        let start = self.ranges.first().map(|range| range.start);
        (self.uri.as_str(), self.day, self.n_bytes, self.tag.as_str(), start)
    }

    /// A file that is read whole.
    pub fn whole(uri: String, day: Day, n_bytes: u64, tag: String) -> InputFile {
        let ranges = (n_bytes > 0).then_some(0..n_bytes).into_iter().collect();
        InputFile { uri, day, n_bytes, tag, ranges, facts: BTreeSet::new(), ids: Ids::default() }
    }

    /// Whether all of its bytes were read.
    pub fn is_whole(&self) -> bool {
        match self.ranges.as_slice() {
            [] => self.n_bytes == 0,
            [range] => *range == (0..self.n_bytes),
            _ => false,
        }
    }

    /// Notes something odd at a place, counted decompressed; the first place is remembered.
    pub fn note_first(&mut self, fact: Fact, offset: u64) {
        let first = self.place_of(fact).map_or(offset, |first| first.min(offset));
        self.facts.retain(|known| !known.starts_with(fact.text()));
        self.facts.insert(format!("{}{first}", fact.text()));
    }

    /// Notes that it was read as another format than its name says.
    pub fn note_format(&mut self, format: &str) {
        self.facts.insert(format!("{READ_AS}{format}"));
    }

    /// The format that it was read as, where that is not the one of its name.
    pub fn other_format(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| fact.strip_prefix(READ_AS))
    }

    /// Notes that it starts as something that is no text.
    pub fn note_no_text(&mut self, what: &str) {
        self.facts.insert(format!("{NO_TEXT}{what}"));
    }

    /// What it is, where that is no text.
    pub fn no_text(&self) -> Option<&str> {
        self.facts.iter().find_map(|fact| fact.strip_prefix(NO_TEXT))
    }

    /// Notes that it starts as something that is no data.
    pub fn note_start(&mut self, what: &str) {
        self.facts.insert(format!("{STARTS_AS}{what}"));
    }

    /// Whether it starts as something that is no data.
    pub fn starts_as_no_data(&self) -> bool {
        self.facts.iter().any(|fact| fact.starts_with(STARTS_AS))
    }

    /// What is odd about it that nobody asked for and that has no place.
    pub fn oddities(&self) -> impl Iterator<Item = &str> {
        let has_place = |fact: &str| Fact::ALL.iter().any(|known| fact.starts_with(known.text()));
        let is_asked = |fact: &str| [READ_AS, STARTS_AS].iter().any(|start| fact.starts_with(start));
        self.facts.iter().map(String::as_str).filter(move |fact| !is_asked(fact) && !has_place(fact))
    }

    /// The first place where this is odd, decompressed.
    pub fn place_of(&self, fact: Fact) -> Option<u64> {
        self.facts.iter().find_map(|known| known.strip_prefix(fact.text())?.parse().ok())
    }

    /// Where the quote stands, decompressed, that is still open at its end.
    pub fn open_quote(&self) -> Option<u64> {
        self.place_of(Fact::OpenQuote)
    }

    /// Where the quote stands, decompressed, that opens the first field with rows of the file in it, other than the one that
    /// is open at its end.
    pub fn swallowed_rows(&self) -> Option<u64> {
        self.place_of(Fact::SwallowedRows).filter(|place| self.open_quote() != Some(*place))
    }

    /// How many of its bytes were read.
    pub fn n_bytes_read(&self) -> u64 {
        self.ranges.iter().map(|range| range.end.saturating_sub(range.start)).fold(0, u64::saturating_add)
    }
}
