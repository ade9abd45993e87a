//! The month's columns: what transform makes, the month file holds and a warehouse loads.
//!
//! [`super::columns`] says under which names and types the outside sees them.

use jiff::civil::Date;
use rayon::prelude::*;

use super::aggregate::huge_pages::HugePageVec;
use super::devices::{DeviceRows, Devices};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{Ledger, LedgerDetail};
use crate::engine::rules::{Category, LabelRules, NO_LABEL, Rules, RulesStamp, Taste};

/// One row per customer in contract order (bytes), as columns of equal length.
///
/// Taste and most-watched labels are codes; [`MonthTable::taste`] and [`MonthTable::most_watch`]
/// give the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthTable {
    /// The month.
    pub month: Month,
    /// Day the run was made, the column `Date`.
    pub etl_date: Date,
    /// The customers, strictly ascending by bytes.
    pub contracts: Contracts,
    /// Days with a kept record: bit `d - 1` is set when the customer was active on day `d`. By row,
    /// never 0.
    pub days: HugePageVec<u32>,
    /// Seconds of kept records, indexed by [`Category`] as `usize`, then by row.
    pub seconds: [HugePageVec<i64>; 5],
    /// Sum of the five, by row.
    pub total: HugePageVec<i64>,
    /// Category with the most seconds as `Category as u8`, or [`MonthTable::NOTHING_WATCHED`], by
    /// row.
    pub most_watch: Vec<u8>,
    /// Taste by row.
    pub taste: Vec<Taste>,
    /// Number of bits of `days`, 1..=31, by row.
    pub activeness: Vec<u8>,
    /// The label of each taste, indexed by its bits.
    pub taste_labels: [String; 32],
    /// The devices of each customer, where they were counted.
    pub devices: Option<DeviceRows>,
    /// Days that have at least one file, ascending.
    pub activity: Vec<DayActivity>,
    /// What became of every record.
    pub ledger: Ledger,
    /// The same by file and by app.
    pub detail: LedgerDetail,
    /// Where all this comes from.
    pub provenance: Provenance,
}

impl MonthTable {
    /// The code in [`MonthTable::most_watch`] of a customer whose seconds are all 0.
    pub const NOTHING_WATCHED: u8 = Category::ALL.len() as u8;

    /// The labels of `MostWatch`, indexed by the codes in [`MonthTable::most_watch`].
    pub const MOST_WATCH_LABELS: [&str; Category::ALL.len() + 1] = {
        let mut labels = [NO_LABEL; Category::ALL.len() + 1];
        let mut place = 0;
        while place < Category::ALL.len() {
            labels[place] = Category::ALL[place].name();
            place += 1;
        }
        labels
    };

    /// Number of customers.
    pub fn n_rows(&self) -> usize {
        self.contracts.len()
    }

    /// Whether the devices of the customers were counted.
    pub fn counts_devices(&self) -> Devices {
        if self.devices.is_some() { Devices::Counted } else { Devices::Ignored }
    }

    /// The column `MostWatch` of a row.
    pub fn most_watch(&self, row: usize) -> &'static str {
        MonthTable::MOST_WATCH_LABELS.get(usize::from(self.most_watch[row])).copied().unwrap_or(NO_LABEL)
    }

    /// The column `Taste` of a row.
    pub fn taste(&self, row: usize) -> &str {
        &self.taste_labels[usize::from(self.taste[row].0 & 31)]
    }
}

/// Strings one after the other: row `i` is `text[ends[i - 1]..ends[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contracts {
    text: String,
    ends: Vec<usize>,
}

impl Contracts {
    /// No row.
    pub const EMPTY: Contracts = Contracts { text: String::new(), ends: Vec::new() };

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Adds a row.
    pub fn push(&mut self, contract: &str) {
        self.text.push_str(contract);
        self.ends.push(self.text.len());
    }

    /// The contracts of all rows one after the other, with the place after the last byte of each.
    pub(in crate::engine) fn new(text: String, ends: Vec<usize>) -> Contracts {
        debug_assert_eq!(ends.last().copied().unwrap_or_default(), text.len());
        Contracts { text, ends }
    }

    /// The rows of `parts` one after the other.
    pub fn concat<'a>(parts: impl Iterator<Item = &'a Contracts> + Clone) -> Contracts {
        let mut contracts = Contracts {
            text: String::with_capacity(parts.clone().map(|part| part.text.len()).sum()),
            ends: Vec::with_capacity(parts.clone().map(Contracts::len).sum()),
        };
        for part in parts {
            let start = contracts.text.len();
            contracts.text.push_str(&part.text);
            contracts.ends.extend(part.ends.iter().map(|end| start + end));
        }
        contracts
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The contract of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start..self.ends[row]]
    }

    /// The first row for which `is_before` does not hold; those for which it does must stand in front.
    pub fn first_row(&self, is_before: impl Fn(&str) -> bool) -> usize {
        let (mut first, mut end) = (0, self.len());
        while first < end {
            let middle = first.midpoint(end);
            if is_before(self.get(middle)) {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        first
    }

    /// The row of `contract`, where the rows are in contract order.
    pub fn find(&self, contract: &str) -> Option<usize> {
        let row = self.first_row(|other| other < contract);
        (row < self.len() && self.get(row) == contract).then_some(row)
    }

    /// All contracts in row order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// The sum of a column of seconds, which may need more than 64 bits.
pub fn sum(seconds: &[i64]) -> i128 {
    seconds.par_chunks(1 << 16).map(|seconds| seconds.iter().map(|s| i128::from(*s)).sum::<i128>()).sum()
}

/// What happened on one day: a row of `daily_activity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayActivity {
    /// The day.
    pub day: Day,
    /// Customers with at least one kept record.
    pub active_users: u64,
    /// Kept records.
    pub records: u64,
    /// Seconds of kept records, indexed by [`Category`] as `usize`.
    pub seconds: [i64; 5],
}

/// What a month says besides its records.
#[derive(Clone, Debug)]
pub struct MonthMeta<'a> {
    /// The month.
    pub month: Month,
    /// Day the run was made, the column `Date`.
    pub etl_date: Date,
    /// What labels its customers.
    pub labels: &'a LabelRules,
    /// Where its records come from.
    pub provenance: Provenance,
}

/// Where a month table comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Name and version of the engine, [`crate::ENGINE`].
    pub engine: String,
    /// Its rules, as [`Rules::to_toml`] writes them.
    pub rules: RulesStamp,
    /// Number of data files of the month.
    pub input_files: u64,
    /// Their size as stored.
    pub input_bytes: u64,
}

impl Provenance {
    /// What this engine makes under `rules`, of no file yet.
    pub fn of(rules: &Rules) -> Self {
        Self { engine: crate::ENGINE.to_owned(), rules: rules.stamp(), ..Self::default() }
    }
}
