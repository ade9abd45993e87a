//! The ledger: every record read is kept or rejected for exactly one reason, and the sums say so.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::Range;

mod input_file;

pub use input_file::{Fact, Ids, InputFile};

pub use crate::engine::byte_counts::ByteCounts;
use crate::engine::calendar::Day;
use crate::engine::rules::Category;

/// Why a record was rejected. The order is the order in which the reasons are tried: the first that
/// holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not valid JSON, not UTF-8, `_source` missing, a line over 64 MiB, a wrong number of CSV
    /// fields.
    Malformed,
    /// Its `_id` was there before on that day; only where [`Ids::Unique`] are asked for.
    DuplicateId,
    /// Contract absent, null, not a string, empty or only white space.
    NoContract,
    /// Contract over 100 characters.
    LongContract,
    /// `AppName` absent, null, not a string or empty.
    NoApp,
    /// `TotalDuration` absent, null, not an integer or outside 64 bits.
    BadDuration,
    /// Below the rule `min_seconds`.
    NegativeDuration,
    /// Above the rule `max_seconds`.
    OverDay,
    /// `AppName` in no category; counted per name.
    UnmappedApp,
    /// A record that would have been kept, of a contract that the rules exclude.
    Excluded,
}

impl Reason {
    /// All reasons, in the order in which they are tried.
    pub const ALL: [Reason; 10] = [
        Reason::Malformed,
        Reason::DuplicateId,
        Reason::NoContract,
        Reason::LongContract,
        Reason::NoApp,
        Reason::BadDuration,
        Reason::NegativeDuration,
        Reason::OverDay,
        Reason::UnmappedApp,
        Reason::Excluded,
    ];

    /// The name as it stands in reports, `rejects.ndjson` and the mart.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "malformed",
            Reason::DuplicateId => "duplicate_id",
            Reason::NoContract => "no_contract",
            Reason::LongContract => "long_contract",
            Reason::NoApp => "no_app",
            Reason::BadDuration => "bad_duration",
            Reason::NegativeDuration => "negative_duration",
            Reason::OverDay => "over_day",
            Reason::UnmappedApp => "unmapped_app",
            Reason::Excluded => "excluded",
        }
    }

    /// Whether records with this reason count against `--max-reject-ratio`: apps nobody mapped,
    /// contracts somebody excluded and records that came again say nothing about the quality of the
    /// data.
    pub fn counts_against_limit(self) -> bool {
        !matches!(self, Reason::UnmappedApp | Reason::Excluded | Reason::DuplicateId)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts of records and seconds of one run. `read == kept + rejected()` always holds when it is
/// complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Records read, blank lines and CSV headers aside.
    pub read: u64,
    /// Records kept.
    pub kept: u64,
    /// Records rejected, indexed by [`Reason`] as `usize`.
    pub rejected: [u64; Reason::ALL.len()],
    /// Records rejected as [`Reason::UnmappedApp`], per `AppName`.
    pub unmapped_app: BTreeMap<String, u64>,
    /// Seconds of the kept records, indexed by [`Category`] as `usize`. Wide, so that no sum here
    /// can overflow.
    pub seconds: [i128; Category::ALL.len()],
}

impl Ledger {
    /// Records rejected for any reason.
    pub fn n_rejected(&self) -> u64 {
        self.rejected.iter().fold(0, |sum, records| sum.saturating_add(*records))
    }

    /// Records rejected for `reason`.
    pub fn n_rejected_for(&self, reason: Reason) -> u64 {
        self.rejected[reason as usize]
    }

    /// Seconds of all kept records.
    pub fn n_seconds(&self) -> i128 {
        self.seconds.iter().fold(0, |sum, seconds| sum.saturating_add(*seconds))
    }

    /// Rejected records that count against the limit, as a fraction of the records read; 0 when
    /// nothing was read.
    pub fn reject_ratio(&self) -> f64 {
        let bad: u64 = Reason::ALL.iter().filter(|r| r.counts_against_limit()).map(|r| self.n_rejected_for(*r)).sum();
        if self.read == 0 { 0.0 } else { bad as f64 / self.read as f64 }
    }

    /// Whether every record read is accounted for.
    pub fn balances(&self) -> bool {
        let unmapped = self.unmapped_app.values().fold(0, |sum: u64, records| sum.saturating_add(*records));
        self.kept.checked_add(self.n_rejected()) == Some(self.read)
            && self.n_rejected_for(Reason::UnmappedApp) == unmapped
    }

    /// Adds the counts of `other`, a disjoint part of the same run.
    pub fn merge(&mut self, other: &Ledger) {
        self.read += other.read;
        self.kept += other.kept;
        for (mine, theirs) in self.rejected.iter_mut().zip(&other.rejected) {
            *mine += theirs;
        }
        for (app, records) in &other.unmapped_app {
            match self.unmapped_app.get_mut(app) {
                Some(mine) => *mine += records,
                None => {
                    self.unmapped_app.insert(app.clone(), *records);
                }
            }
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            *mine += theirs;
        }
    }
}

/// Counts of records, and seconds of the kept ones: of a file, a day or a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts {
    /// Records read, blank lines and CSV headers aside.
    pub read: u64,
    /// Records kept.
    pub kept: u64,
    /// Records rejected, indexed by [`Reason`] as `usize`.
    pub rejected: [u64; Reason::ALL.len()],
    /// Seconds of the kept records, indexed by [`Category`] as `usize`. Wide, so that no sum here
    /// can overflow.
    pub seconds: [i128; Category::ALL.len()],
    /// Bytes that are no records, which a number of records hides.
    pub bytes: ByteCounts,
}

impl RecordCounts {
    /// Records rejected for any reason.
    pub fn n_rejected(&self) -> u64 {
        self.rejected.iter().fold(0, |sum, records| sum.saturating_add(*records))
    }

    /// Records rejected for `reason`.
    pub fn n_rejected_for(&self, reason: Reason) -> u64 {
        self.rejected[reason as usize]
    }

    /// Rejected records that count against the limit.
    pub fn n_bad(&self) -> u64 {
        Reason::ALL.iter().filter(|r| r.counts_against_limit()).map(|r| self.n_rejected_for(*r)).sum()
    }

    /// Rejected records that count against the limit, as a fraction of the records read; 0 when
    /// nothing was read.
    pub fn reject_ratio(&self) -> f64 {
        if self.read == 0 { 0.0 } else { self.n_bad() as f64 / self.read as f64 }
    }

    /// Whether every record read is accounted for.
    pub fn balances(&self) -> bool {
        self.kept.checked_add(self.n_rejected()) == Some(self.read)
    }

    /// Adds `other`, the counts of other records. Counts that a file made up do not wrap but stay
    /// at the limit, where they no longer balance.
    pub fn add(&mut self, other: &RecordCounts) {
        self.read = self.read.saturating_add(other.read);
        self.kept = self.kept.saturating_add(other.kept);
        for (mine, theirs) in self.rejected.iter_mut().zip(&other.rejected) {
            *mine = mine.saturating_add(*theirs);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            *mine = mine.saturating_add(*theirs);
        }
        self.bytes.add(&other.bytes);
    }
}

/// What became of the records of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLedger {
    /// The file.
    pub file: InputFile,
    /// Its records.
    pub counts: RecordCounts,
}

/// Records of one app that were kept, or that were rejected as [`Reason::UnmappedApp`], and their
/// seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppSums {
    /// The category of the app; none when it is in no category.
    pub category: Option<Category>,
    /// How many records.
    pub records: u64,
    /// Their seconds. Wide, so that no sum here can overflow.
    pub seconds: i128,
}

/// What became of the records of one day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayLedger {
    /// Its files.
    pub n_files: u64,
    /// Its records.
    pub counts: RecordCounts,
}

/// The ledger by file and by app, with all names: that of each day and of the month are added up
/// from it. Outputs may cut long lists, this never does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerDetail {
    /// By file, ordered by place.
    pub files: Vec<FileLedger>,
    /// By name of the app.
    pub apps: BTreeMap<String, AppSums>,
}

/// Two ledgers that cannot be of parts of the same month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerConflict {
    /// The same bytes of a file are in both.
    #[error("{uri}: its bytes {} to {} are counted twice", .bytes.start, .bytes.end)]
    Overlap {
        /// The file.
        uri: String,
        /// Bytes that are in both.
        bytes: Range<u64>,
    },
    /// A file was changed between the two.
    #[error("{uri}: one part read a file of {one}, another a file of {other}")]
    FileChanged {
        /// The file.
        uri: String,
        /// Size, tag and day in one.
        one: String,
        /// Size, tag and day in the other.
        other: String,
    },
    /// Two parts hold files of one day, of which one was made with unique ids: the same record may be in both.
    #[error(
        "both hold records of day {}, and of {uri} records with the same `_id` count once: nobody knows which of them \
         the other part has too", .day.number()
    )]
    UniqueIds {
        /// The day.
        day: Day,
        /// A file of the day whose records have unique ids.
        uri: String,
    },
    /// An app is in different categories: the rules differ.
    #[error("app `{}` is in different categories: the parts were made with different rules", .app.escape_debug())]
    AppMoved {
        /// The app.
        app: String,
    },
}

impl LedgerDetail {
    /// The ledger of the whole.
    pub fn total(&self) -> Ledger {
        let mut counts = RecordCounts::default();
        self.files.iter().for_each(|file| counts.add(&file.counts));
        let unmapped = self.apps.iter().filter(|(_, sums)| sums.category.is_none());
        Ledger {
            read: counts.read,
            kept: counts.kept,
            rejected: counts.rejected,
            unmapped_app: unmapped.map(|(app, sums)| (app.clone(), sums.records)).collect(),
            seconds: counts.seconds,
        }
    }

    /// By day, for the days that have a file.
    pub fn by_day(&self) -> BTreeMap<Day, DayLedger> {
        let mut days: BTreeMap<Day, DayLedger> = BTreeMap::new();
        for FileLedger { file, counts } in &self.files {
            let day = days.entry(file.day).or_default();
            day.n_files += 1;
            day.counts.add(counts);
        }
        days
    }

    /// The records read of each file, by its place.
    pub fn n_records(&self) -> BTreeMap<String, u64> {
        self.files.iter().map(|file| (file.file.uri.clone(), file.counts.read)).collect()
    }

    /// Adds that of another part of the same month.
    ///
    /// # Errors
    /// [`LedgerConflict`] when they cannot be two parts of one month; `self` is then of no use.
    pub fn merge(&mut self, other: LedgerDetail) -> Result<(), LedgerConflict> {
        let torn_day = self.torn_day(&other).or_else(|| other.torn_day(self));
        for (app, theirs) in other.apps {
            match self.apps.entry(app) {
                Entry::Vacant(place) => {
                    place.insert(theirs);
                }
                Entry::Occupied(mut mine) if mine.get().category == theirs.category => {
                    let mine = mine.get_mut();
                    mine.records = mine.records.saturating_add(theirs.records);
                    mine.seconds = mine.seconds.saturating_add(theirs.seconds);
                }
                Entry::Occupied(mine) => return Err(LedgerConflict::AppMoved { app: mine.key().clone() }),
            }
        }
        let mut files: Vec<FileLedger> = Vec::with_capacity(self.files.len() + other.files.len());
        let mut all: Vec<FileLedger> = std::mem::take(&mut self.files);
        all.extend(other.files);
        all.sort_by(|a, b| a.file.order().cmp(&b.file.order()));
        for next in all {
            match files.last_mut().filter(|last| last.file.uri == next.file.uri) {
                Some(last) => last.merge(next)?,
                None => files.push(next),
            }
        }
        self.files = files;
        torn_day.map_or(Ok(()), Err)
    }

    /// The first of these files of unique ids of whose day `other` has a file too.
    fn torn_day(&self, other: &LedgerDetail) -> Option<LedgerConflict> {
        let mut unique = self.files.iter().map(|file| &file.file).filter(|file| file.ids == Ids::Unique);
        let torn = unique.find(|file| other.files.iter().any(|theirs| theirs.file.day == file.day))?;
        Some(LedgerConflict::UniqueIds { day: torn.day, uri: torn.uri.clone() })
    }
}

impl FileLedger {
    /// Adds that of other bytes of the same file.
    fn merge(&mut self, other: FileLedger) -> Result<(), LedgerConflict> {
        let facts = |file: &InputFile| match file.tag.as_str() {
            "" => format!("{} bytes of day {}", file.n_bytes, file.day.number()),
            tag => format!("{} bytes of day {}, tagged {tag}", file.n_bytes, file.day.number()),
        };
        let (one, theirs) = (facts(&self.file), facts(&other.file));
        if one != theirs {
            return Err(LedgerConflict::FileChanged { uri: other.file.uri, one, other: theirs });
        }
        let mut ranges = std::mem::take(&mut self.file.ranges);
        ranges.extend(other.file.ranges);
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        for range in ranges {
            match self.file.ranges.last_mut() {
                Some(last) if range.start < last.end => {
                    let bytes = range.start..range.end.min(last.end);
                    return Err(LedgerConflict::Overlap { uri: other.file.uri, bytes });
                }
                Some(last) if range.start == last.end => last.end = range.end,
                _ => self.file.ranges.push(range),
            }
        }
        self.file.facts.extend(other.file.facts);
        self.counts.add(&other.counts);
        Ok(())
    }
}
