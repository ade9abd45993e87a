//! What one scanning thread gathers.

use std::collections::BTreeMap;

use ahash::AHashMap;

use super::intern::Interner;
use super::partition::{KeptRecord, Partitions};
use super::profile;
use super::stream;
use crate::engine::calendar::Day;
use crate::engine::ledger::{Ledger, Reason};
use crate::engine::rules::Category;
use crate::engine::scan::contract::PackedContract;
use crate::engine::scan::reject::Reject;
use crate::engine::scan::sink::Sink;

/// One scanning thread's part of the month: partitions of kept records, sums by day, the rest of the ledger, rejects.
#[derive(Debug, Default)]
pub struct Collector {
    pub(super) partitions: Partitions,
    pub(super) by_day: [DaySums; 31],
    /// Seconds that 32 bits cannot hold, by contract number and category.
    pub(super) large: AHashMap<u64, [i128; 5]>,
    rejected: [u64; Reason::ALL.len()],
    unmapped_app: BTreeMap<String, u64>,
}

/// Kept records of one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySums {
    /// How many there are.
    pub n_records: u64,
    /// Their seconds by `Category as usize`.
    pub seconds: [i128; 5],
}

impl Collector {
    /// A sink for the records of one split of one day, whose rejects are added to `rejects`.
    pub fn split<'a>(&'a mut self, day: Day, interner: &'a Interner, rejects: &'a mut Vec<Reject>) -> SplitSink<'a> {
        SplitSink { collector: self, interner, rejects, day, n_records: 0, seconds: [0; 5] }
    }

    /// Kept records that wait to be aggregated.
    pub fn n_waiting(&self) -> usize {
        self.partitions.n_records()
    }

    /// This thread's part of the ledger.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger {
            rejected: self.rejected,
            unmapped_app: self.unmapped_app.clone(),
            kept: self.by_day.iter().map(|day| day.n_records).sum(),
            ..Ledger::default()
        };
        ledger.read = ledger.kept + ledger.n_rejected();
        for day in &self.by_day {
            for (sum, seconds) in ledger.seconds.iter_mut().zip(day.seconds) {
                *sum += seconds;
            }
        }
        ledger
    }
}

/// Takes the records of one split; its sums reach the [`Collector`] when it is dropped.
#[derive(Debug)]
pub struct SplitSink<'a> {
    collector: &'a mut Collector,
    interner: &'a Interner,
    rejects: &'a mut Vec<Reject>,
    day: Day,
    n_records: u64,
    // 64 bits hold the sums of a split of any size: 32 bits a record.
    seconds: [u64; 5],
}

impl SplitSink<'_> {
    #[inline(always)]
    fn push(&mut self, contract_id: u64, category: Category, seconds: u32) {
        let record = KeptRecord::new(contract_id, category as u8, self.day.index() as u8, seconds);
        self.collector.partitions.push(profile::partition(profile::hash(contract_id)), record);
        self.n_records += 1;
        self.seconds[category as usize] += u64::from(seconds);
    }
}

impl Sink for SplitSink<'_> {
    fn kept(&mut self, contract: &str, category: Category, seconds: i64) {
        let contract_id = self.interner.contract_id(contract);
        match u32::try_from(seconds) {
            Ok(seconds) => self.push(contract_id, category, seconds),
            Err(_) => {
                // Negative or over 136 years: the record counts with 0 seconds, and the seconds go their own way.
                self.push(contract_id, category, 0);
                let seconds = i128::from(seconds);
                self.collector.large.entry(contract_id).or_default()[category as usize] += seconds;
                self.collector.by_day[self.day.index()].seconds[category as usize] += seconds;
            }
        }
    }

    #[inline(always)]
    fn kept_packed(&mut self, contract: PackedContract, category: Category, seconds: u32) {
        self.push(contract.bits(), category, seconds);
    }

    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.collector.rejected[reason as usize] += 1;
        self.rejects.push(Reject::new(offset, reason, raw));
    }

    fn unmapped(&mut self, offset: u64, app: &str, raw: &[u8]) {
        self.rejected(offset, Reason::UnmappedApp, raw);
        match self.collector.unmapped_app.get_mut(app) {
            Some(n_records) => *n_records += 1,
            None => {
                self.collector.unmapped_app.insert(app.to_owned(), 1);
            }
        }
    }
}

impl Drop for SplitSink<'_> {
    fn drop(&mut self) {
        // Another thread may aggregate what this one has written.
        stream::fence();
        let day = &mut self.collector.by_day[self.day.index()];
        day.n_records += self.n_records;
        for (sum, seconds) in day.seconds.iter_mut().zip(self.seconds) {
            *sum += i128::from(seconds);
        }
    }
}
