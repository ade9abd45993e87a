//! What one scanning thread gathers.

use std::collections::BTreeMap;

use ahash::AHashMap;

use super::context::{Context, HashKey};
use super::devices::{DeviceSink, FoundPairs};
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

/// One scanning thread's part of the month: partitions of kept records, and the ledger by file and
/// by app.
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
    /// Pairs of contract and device, where devices are counted.
    pub(super) pairs: FoundPairs,
}

/// Records of one app.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AppCounts {
    pub n_records: u64,
    pub seconds: i128,
}

/// Apps whose records are counted split by split: more than rules usually have.
const N_SPLIT_APPS: usize = 64;

/// Number and seconds of the records of one app in one split, in one word, as they change with
/// every record: seconds in the lower 40 bits, the number above them. Before either reaches its
/// highest bit both move to [`AppCounts`].
#[derive(Clone, Copy, Debug, Default)]
struct SplitCounts(u64);

impl SplitCounts {
    const COUNT_SHIFT: u32 = 40;
    const SECONDS_MASK: u64 = (1 << Self::COUNT_SHIFT) - 1;
    /// The highest bit of either. Neither is stepped over: a record adds 1, and fewer seconds than
    /// 2 to the power of 32.
    const FULL_MASK: u64 = 1 << 63 | 1 << (Self::COUNT_SHIFT - 1);

    /// Adds a record; whether there is room for another one, or the counts are to be taken first.
    #[inline(always)]
    fn add(&mut self, seconds: u32) -> bool {
        self.0 += 1 << Self::COUNT_SHIFT | u64::from(seconds);
        self.0 & Self::FULL_MASK == 0
    }

    /// Empties the counts.
    fn take(&mut self) -> AppCounts {
        let SplitCounts(counts) = std::mem::take(self);
        AppCounts { n_records: counts >> Self::COUNT_SHIFT, seconds: i128::from(counts & Self::SECONDS_MASK) }
    }
}

impl AppCounts {
    pub fn add(&mut self, other: &AppCounts) {
        self.n_records += other.n_records;
        self.seconds += other.seconds;
    }
}

impl Collector {
    /// A sink for the records of one split of a file of `day`, whose rejects are added to
    /// `rejects`. All sinks of a month are given the same `context`.
    pub fn split<'a>(
        &'a mut self,
        file: FileId,
        day: Day,
        context: &'a Context,
        rejects: &'a mut RejectBatch,
    ) -> SplitSink<'a> {
        self.split_with_devices(file, day, context, rejects).sink
    }

    /// As [`Collector::split`], of records whose devices are counted.
    pub fn split_with_devices<'a>(
        &'a mut self,
        file: FileId,
        day: Day,
        context: &'a Context,
        rejects: &'a mut RejectBatch,
    ) -> DeviceSink<'a> {
        let n_apps = context.categories.len();
        self.apps.resize(n_apps, AppCounts::default());
        let Collector { partitions, wide_seconds, files, apps, unmapped, pairs } = self;
        let sink = SplitSink {
            partitions,
            key: context.key,
            of_day: KeptRecord::new(0, 0, day.index() as u8, 0),
            of_split: [SplitCounts::default(); N_SPLIT_APPS],
            counts: files.entry(file).or_default(),
            apps,
            wide_seconds,
            unmapped,
            context,
            rejects,
        };
        DeviceSink { sink, found: pairs, contract_id: 0 }
    }

    /// Counts the bytes of a compressed file that was decompressed.
    pub fn add_content(&mut self, file: FileId, n_bytes: u64) {
        self.files.entry(file).or_default().bytes.content += n_bytes;
    }

    /// Kept records that wait to be aggregated.
    pub fn n_waiting(&self) -> usize {
        self.partitions.n_records()
    }
}

/// Takes the records of one split; its sums reach the [`Collector`] when it is dropped.
///
/// What every record needs stands here itself, not beyond another pointer.
#[derive(Debug)]
pub struct SplitSink<'a> {
    partitions: &'a mut Partitions,
    key: HashKey,
    /// A record of the day of the split, all but the day still to be filled in.
    of_day: KeptRecord,
    /// By [`App::index`] of the first apps. All others are added up where they end.
    of_split: [SplitCounts; N_SPLIT_APPS],
    /// Of the file of the split.
    counts: &'a mut RecordCounts,
    apps: &'a mut [AppCounts],
    wide_seconds: &'a mut AHashMap<u64, [i128; 5]>,
    unmapped: &'a mut BTreeMap<String, AppCounts>,
    context: &'a Context,
    rejects: &'a mut RejectBatch,
}

impl<'a> SplitSink<'a> {
    /// What all sinks of the month share.
    pub(super) fn context(&self) -> &'a Context {
        self.context
    }

    /// Adds a record of a contract by its number.
    pub(super) fn keep(&mut self, contract_id: u64, app: App, seconds: i64) {
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
    fn push(&mut self, contract_id: u64, app: App, seconds: u32) {
        let has_room = self.of_split.get_mut(usize::from(app.index)).is_some_and(|counts| counts.add(seconds));
        if !has_room {
            self.settle(app, seconds);
        }
        let record = self.of_day.with(contract_id, app.category as u8, seconds);
        // Last, so that what the processor holds for the next line need not outlive it.
        self.partitions.push(self.key.partition(contract_id), record);
    }

    /// Moves the counts of an app to where they have room. Those of an app without counts by split
    /// are the record itself.
    #[cold]
    #[inline(never)]
    fn settle(&mut self, App { index, category }: App, seconds: u32) {
        let index = usize::from(index);
        let of_record = AppCounts { n_records: 1, seconds: seconds.into() };
        let counts = self.of_split.get_mut(index).map_or(of_record, SplitCounts::take);
        // There is a place for every app of the rules.
        if let Some(app) = self.apps.get_mut(index) {
            app.add(&counts);
        }
        self.counts.read += counts.n_records;
        self.counts.kept += counts.n_records;
        self.counts.seconds[category as usize] += counts.seconds;
    }

    /// Adds seconds that 32 bits cannot hold; their record was counted with 0.
    #[cold]
    fn push_wide(&mut self, contract_id: u64, app: App, seconds: i128) {
        let category = app.category as usize;
        self.wide_seconds.entry(contract_id).or_default()[category] += seconds;
        self.counts.seconds[category] += seconds;
        if let Some(counts) = self.apps.get_mut(usize::from(app.index)) {
            counts.seconds += seconds;
        }
    }
}

impl Sink for SplitSink<'_> {
    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        self.keep(self.context.interner.contract_id(contract), app, seconds);
    }

    #[inline(always)]
    fn kept_packed(&mut self, contract: PackedContract, app: App, seconds: u32) {
        self.push(contract.bits(), app, seconds);
    }

    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        if reason == Reason::Malformed {
            self.counts.bytes.add_malformed(raw);
        }
        self.counts.rejected[reason as usize] += 1;
        self.counts.read += 1;
        self.rejects.push(offset, reason, raw);
    }

    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.rejected(offset, Reason::UnmappedApp, raw);
        if !self.unmapped.contains_key(app) {
            self.unmapped.insert(app.to_owned(), AppCounts::default());
        }
        if let Some(counts) = self.unmapped.get_mut(app) {
            counts.n_records += 1;
            counts.seconds += i128::from(seconds);
        }
    }
}

impl Drop for SplitSink<'_> {
    fn drop(&mut self) {
        // Another thread may aggregate what this one has written.
        nontemporal::fence();
        for (category, index) in self.context.categories.iter().take(N_SPLIT_APPS).zip(0..) {
            self.settle(App { index, category: *category }, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::{Category, Rules};
    use crate::engine::scan::reject::RejectLimit;
    use proptest::prelude::*;

    /// Adds each number of seconds so many times, settles whenever it must, and compares with sums
    /// of 128 bits.
    fn check(runs: &[(u32, u32)]) {
        let (mut counts, mut settled, mut expected) = Default::default();
        for (seconds, n_records) in runs {
            for _ in 0..*n_records {
                if !SplitCounts::add(&mut counts, *seconds) {
                    AppCounts::add(&mut settled, &counts.take());
                }
            }
            let more =
                AppCounts { n_records: (*n_records).into(), seconds: i128::from(*seconds) * i128::from(*n_records) };
            AppCounts::add(&mut expected, &more);
        }
        settled.add(&counts.take());
        assert_eq!((settled.n_records, settled.seconds), (expected.n_records, expected.seconds));
    }

    #[test]
    fn counts_of_a_split_of_any_size_are_exact() {
        // Seconds fill their bits after 128 records of the longest, the number its own after 2 to
        // the power of 23.
        let n_many = if cfg!(miri) { 300 } else { (1 << 24) + 3 };
        check(&[(0, n_many)]);
        check(&[(u32::MAX, 127), (u32::MAX, 1), (u32::MAX, 1), (0, 1), (u32::MAX, 1000)]);
        check(&[(86_400, n_many)]);
    }

    #[test]
    fn apps_past_those_of_a_split_are_counted_too() {
        let mut rules = Rules::preset("seed").unwrap().record;
        rules.apps = (0..N_SPLIT_APPS + 6).map(|i| (format!("APP{i:02}"), Category::Sport)).collect();
        let (context, mut collector) = (Context::new(&rules), Collector::default());
        let mut rejects = RejectBatch::new(RejectLimit::new(0));
        for _ in 0..2 {
            let mut sink = collector.split(FileId(0), Day::new(1).unwrap(), &context, &mut rejects);
            for (_, app) in rules.apps() {
                sink.kept("A", app, i64::from(app.index));
                sink.kept("A", app, -1);
            }
        }
        for ((_, app), counts) in rules.apps().zip(&collector.apps) {
            assert_eq!((counts.n_records, counts.seconds), (4, 2 * (i128::from(app.index) - 1)), "{app:?}");
        }
        let counts = &collector.files[&FileId(0)];
        let n_records = 4 * rules.apps.len() as u64;
        assert_eq!((counts.read, counts.kept, counts.n_rejected()), (n_records, n_records, 0));
        let seconds: i128 = collector.apps.iter().map(|app| app.seconds).sum();
        assert_eq!(counts.seconds, [0, seconds, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_wide_sums(
            runs in proptest::collection::vec((prop_oneof![0..=u32::MAX, Just(u32::MAX), 0..100_u32], 0..300_u32), 0..8),
        ) {
            check(&runs);
        }
    }
}
