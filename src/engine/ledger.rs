//! The ledger: every record read is kept or rejected for exactly one reason, and the sums say so.

use std::collections::BTreeMap;
use std::fmt;

use crate::engine::rules::Category;

/// Why a record was rejected. The order is the order in which the reasons are tried: the first that holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Not valid JSON, not UTF-8, `_source` missing, a line over 64 MiB, a wrong number of CSV fields.
    Malformed,
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
    pub const ALL: [Reason; 9] = [
        Reason::Malformed,
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

    /// Whether records with this reason count against `--max-reject-ratio`: apps nobody mapped and contracts
    /// somebody excluded say nothing about the quality of the data.
    pub fn counts_against_limit(self) -> bool {
        !matches!(self, Reason::UnmappedApp | Reason::Excluded)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Counts of records and seconds of one run. `read == kept + rejected()` always holds when it is complete.
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
    /// Seconds of the kept records, indexed by [`Category`] as `usize`. Wide, so that no sum here can overflow.
    pub seconds: [i128; Category::ALL.len()],
}

impl Ledger {
    /// Records rejected for any reason.
    pub fn n_rejected(&self) -> u64 {
        self.rejected.iter().sum()
    }

    /// Records rejected for `reason`.
    pub fn n_rejected_for(&self, reason: Reason) -> u64 {
        self.rejected[reason as usize]
    }

    /// Seconds of all kept records.
    pub fn n_seconds(&self) -> i128 {
        self.seconds.iter().sum()
    }

    /// Rejected records that count against the limit, as a fraction of the records read; 0 when nothing was read.
    pub fn reject_ratio(&self) -> f64 {
        let bad: u64 = Reason::ALL.iter().filter(|r| r.counts_against_limit()).map(|r| self.n_rejected_for(*r)).sum();
        if self.read == 0 { 0.0 } else { bad as f64 / self.read as f64 }
    }

    /// Whether every record read is accounted for.
    pub fn balances(&self) -> bool {
        self.read == self.kept + self.n_rejected()
            && self.n_rejected_for(Reason::UnmappedApp) == self.unmapped_app.values().sum::<u64>()
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
