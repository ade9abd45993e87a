//! What one scanning thread gathers.

use std::collections::BTreeMap;

use ahash::AHashMap;

use super::context::Context;
use super::nontemporal;
use super::partition::{KeptRecord, Partitions};
use crate::engine::calendar::Day;
use crate::engine::ledger::{Reason, RecordCounts};
use crate::engine::rules::App;
use crate::engine::scan::contract::PackedContract;
use crate::engine::scan::reject::RejectBatch;
use crate::engine::scan::sink::Sink;

/// A data file, by its place among those of the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// One scanning thread's part of the month: partitions of kept records, and the ledger by file and by app.
#[derive(Debug, Default)]
pub struct Collector {
    pub(super) partitions: Partitions,
    /// Seconds that 32 bits cannot hold, by contract number and category.
    pub(super) wide_seconds: AHashMap<u64, [i128; 5]>,
    pub(super) files: AHashMap<FileId, RecordCounts>,
    /// Kept records by [`App::index`].
    pub(super) apps: Vec<AppCounts>,
    /// Records of apps without a category.
    pub(super) unmapped: BTreeMap<String, AppCounts>,
    /// Kept records of the split at hand by [`App::index`]; zero between splits.
    of_split: Vec<SplitCounts>,
}

/// Records of one app.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AppCounts {
    pub n_records: u64,
    pub seconds: i128,
}

/// Records of one app in one split.
#[derive(Clone, Copy, Debug, Default)]
struct SplitCounts {
    n_records: u64,
    // 64 bits hold the sums of a split of any size: 32 bits a record.
    seconds: u64,
}

impl AppCounts {
    pub fn add(&mut self, other: &AppCounts) {
        self.n_records += other.n_records;
        self.seconds += other.seconds;
    }
}

impl Collector {
    /// A sink for the records of one split of a file of `day`, whose rejects are added to `rejects`. All sinks of a month
    /// are given the same `context`.
    pub fn split<'a>(
        &'a mut self,
        file: FileId,
        day: Day,
        context: &'a Context,
        rejects: &'a mut RejectBatch,
    ) -> SplitSink<'a> {
        let n_apps = context.categories.len();
        self.of_split.resize(n_apps, SplitCounts::default());
        self.apps.resize(n_apps, AppCounts::default());
        SplitSink { collector: self, context, rejects, file, day, rejected: [0; Reason::ALL.len()] }
    }

    /// Kept records that wait to be aggregated.
    pub fn n_waiting(&self) -> usize {
        self.partitions.n_records()
    }
}

/// Takes the records of one split; its sums reach the [`Collector`] when it is dropped.
#[derive(Debug)]
pub struct SplitSink<'a> {
    collector: &'a mut Collector,
    context: &'a Context,
    rejects: &'a mut RejectBatch,
    file: FileId,
    day: Day,
    rejected: [u64; Reason::ALL.len()],
}

impl SplitSink<'_> {
    #[inline(always)]
    fn push(&mut self, contract_id: u64, app: App, seconds: u32) {
        let record = KeptRecord::new(contract_id, app.category as u8, self.day.index() as u8, seconds);
        self.collector.partitions.push(self.context.key.partition(contract_id), record);
        // There is a place for every app of the rules.
        if let Some(counts) = self.collector.of_split.get_mut(usize::from(app.index)) {
            counts.n_records += 1;
            counts.seconds += u64::from(seconds);
        }
    }

    /// Adds seconds that 32 bits cannot hold; their record was counted with 0.
    #[cold]
    fn push_wide(&mut self, contract_id: u64, app: App, seconds: i128) {
        let category = app.category as usize;
        self.collector.wide_seconds.entry(contract_id).or_default()[category] += seconds;
        self.collector.files.entry(self.file).or_default().seconds[category] += seconds;
        if let Some(counts) = self.collector.apps.get_mut(usize::from(app.index)) {
            counts.seconds += seconds;
        }
    }
}

impl Sink for SplitSink<'_> {
    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        let contract_id = self.context.interner.contract_id(contract);
        match u32::try_from(seconds) {
            Ok(seconds) => self.push(contract_id, app, seconds),
            Err(_) => {
                // Negative or over 136 years.
                self.push(contract_id, app, 0);
                self.push_wide(contract_id, app, seconds.into());
            }
        }
    }

    #[inline(always)]
    fn kept_packed(&mut self, contract: PackedContract, app: App, seconds: u32) {
        self.push(contract.bits(), app, seconds);
    }

    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.rejected[reason as usize] += 1;
        self.rejects.push(offset, reason, raw);
    }

    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.rejected(offset, Reason::UnmappedApp, raw);
        if !self.collector.unmapped.contains_key(app) {
            self.collector.unmapped.insert(app.to_owned(), AppCounts::default());
        }
        if let Some(counts) = self.collector.unmapped.get_mut(app) {
            counts.n_records += 1;
            counts.seconds += i128::from(seconds);
        }
    }
}

impl Drop for SplitSink<'_> {
    fn drop(&mut self) {
        // Another thread may aggregate what this one has written.
        nontemporal::fence();
        let Collector { files, apps, of_split, .. } = &mut *self.collector;
        let file = files.entry(self.file).or_default();
        for (reason, n_rejected) in file.rejected.iter_mut().zip(self.rejected) {
            *reason += n_rejected;
            file.read += n_rejected;
        }
        for ((split, app), category) in of_split.iter_mut().zip(apps).zip(&self.context.categories) {
            let SplitCounts { n_records, seconds } = std::mem::take(split);
            app.n_records += n_records;
            app.seconds += i128::from(seconds);
            file.read += n_records;
            file.kept += n_records;
            file.seconds[*category as usize] += i128::from(seconds);
        }
    }
}
