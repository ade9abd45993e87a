//! From what the threads gathered to the rows of a [`Partial`].

use rayon::prelude::*;

use super::collect::{AppCounts, Collector, FileId};
use super::context::Context;
use super::devices::PairTables;
use super::huge_pages::HugePageVec;
use super::intern::Texts;
use super::partition::N_PARTITIONS;
use super::profile::{Profile, ProfileTable};
use crate::engine::devices::Devices;
use crate::engine::ledger::{AppSums, FileLedger, InputFile, LedgerDetail, RecordCounts};
use crate::engine::month::Contracts;
use crate::engine::partial::{Overflow, Partial, SumOf, narrow};
use crate::engine::rules::RecordRules;

/// Rows that one task turns into columns.
const ROWS_PER_TASK: usize = 1 << 13;

/// The customers of a month while its files are scanned.
#[derive(Debug)]
pub struct MonthBuilder {
    context: Context,
    /// Names of the apps by [`crate::engine::rules::App::index`].
    apps: Vec<String>,
    /// Made when there is something to add: a new table has memory of its own already.
    tables: Vec<ProfileTable>,
    /// Where devices are counted.
    pairs: Option<PairTables>,
}

impl MonthBuilder {
    /// A month without records, for records that `rules` decide.
    pub fn new(rules: &RecordRules) -> MonthBuilder {
        let context = Context::new(rules);
        MonthBuilder {
            apps: rules.apps().map(|(name, _)| name.to_owned()).collect(),
            tables: Vec::new(),
            context,
            pairs: None,
        }
    }

    /// The same month, whose devices are counted, or not.
    #[must_use]
    pub fn with_devices(self, devices: Devices) -> MonthBuilder {
        let pairs = (devices == Devices::Counted).then(PairTables::default);
        MonthBuilder { pairs, ..self }
    }

    /// Customers so far.
    pub fn n_contracts(&self) -> u64 {
        self.tables.iter().map(|table| table.n_profiles() as u64).sum()
    }

    /// What all threads share.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Adds the kept records that wait in `collectors` to their customers and empties them: the end
    /// of an epoch.
    pub fn aggregate(&mut self, collectors: &mut [&mut Collector]) {
        let parts: Vec<&Collector> =
            collectors.iter().map(|collector| &**collector).filter(|collector| collector.n_waiting() > 0).collect();
        if parts.is_empty() {
            return;
        }
        if self.tables.is_empty() {
            let key = self.context.key;
            self.tables = (0..N_PARTITIONS).map(|_| ProfileTable::new(key)).collect();
        }
        self.tables.par_iter_mut().enumerate().for_each(|(partition, table)| {
            table.prefetch();
            for collector in &parts {
                for records in collector.partitions.pieces(partition) {
                    table.add(records);
                }
            }
        });
        for collector in collectors.iter_mut() {
            collector.partitions.clear();
        }
        if let Some(pairs) = &mut self.pairs {
            pairs.add(&mut collectors.iter_mut().map(|collector| &mut collector.pairs).collect::<Vec<_>>());
        }
    }

    /// The customers so far, and none are left. The ledgers stay with the `collectors`.
    ///
    /// # Errors
    /// [`Overflow`] when the seconds of a contract do not fit; of several contracts the first one
    /// in order is named.
    pub fn take_rows(&mut self, collectors: &mut [&mut Collector]) -> Result<Partial, Overflow> {
        self.aggregate(collectors);
        let mut wide_seconds: ahash::AHashMap<u64, [i128; 5]> = ahash::AHashMap::new();
        let found: Vec<_> = collectors.iter_mut().map(|collector| std::mem::take(&mut collector.pairs)).collect();
        for collector in collectors {
            for (contract_id, seconds) in std::mem::take(&mut collector.wide_seconds) {
                add(wide_seconds.entry(contract_id).or_default(), &seconds);
            }
        }
        // The numbers of contracts and devices begin anew with the tables.
        let texts = std::mem::take(&mut self.context.interner).into_texts();
        let device_texts = std::mem::take(&mut self.context.devices).into_texts();
        let tables = std::mem::take(&mut self.tables);
        let rows = sort_rows(&tables, &texts);
        let devices = self.pairs.as_mut().map(std::mem::take).map(|pairs| {
            let contract_ids = rows.iter().map(|row| row.contract_id);
            pairs.into_rows(contract_ids, &texts, &device_texts, &found)
        });
        let mut columns = Columns::new(rows.len());
        let contracts = columns.fill(&rows, &tables, &texts, &wide_seconds)?;
        let ledger = LedgerDetail::default();
        Ok(Partial { contracts, days: columns.days, seconds: columns.seconds, devices, ledger })
    }

    /// All that was gathered and not taken; the files by their [`FileId`], with those that have no
    /// record.
    ///
    /// # Errors
    /// As [`MonthBuilder::take_rows`].
    pub fn into_partial(mut self, mut collectors: Vec<Collector>, files: Vec<InputFile>) -> Result<Partial, Overflow> {
        self.aggregate(&mut collectors.iter_mut().collect::<Vec<_>>());
        // Rows and columns take the place of what waited: fresh memory costs more than filling it.
        collectors.iter_mut().for_each(|collector| collector.partitions.free());
        let rows = self.take_rows(&mut collectors.iter_mut().collect::<Vec<_>>())?;
        let mut ledger = Gathered::default();
        collectors.into_iter().for_each(|collector| ledger.add(collector));
        Ok(Partial { ledger: ledger.into_detail(files, self.apps, &self.context), ..rows })
    }
}

/// The ledgers of all threads.
#[derive(Default)]
struct Gathered {
    files: ahash::AHashMap<FileId, RecordCounts>,
    apps: Vec<AppCounts>,
    unmapped: std::collections::BTreeMap<String, AppCounts>,
}

impl Gathered {
    fn add(&mut self, collector: Collector) {
        for (file, counts) in collector.files {
            self.files.entry(file).or_default().add(&counts);
        }
        self.apps.resize(self.apps.len().max(collector.apps.len()), AppCounts::default());
        for (mine, theirs) in self.apps.iter_mut().zip(&collector.apps) {
            mine.add(theirs);
        }
        for (app, counts) in collector.unmapped {
            self.unmapped.entry(app).or_default().add(&counts);
        }
    }

    fn into_detail(mut self, files: Vec<InputFile>, apps: Vec<String>, context: &Context) -> LedgerDetail {
        let files = files
            .into_iter()
            .zip(0..)
            .map(|(file, id)| FileLedger { file, counts: self.files.remove(&FileId(id)).unwrap_or_default() });
        let mut files: Vec<FileLedger> = files.collect();
        files.sort_by(|a, b| a.file.order().cmp(&b.file.order()));
        let categories = context.categories.iter().map(|category| Some(*category));
        let mapped = apps.into_iter().zip(self.apps).zip(categories);
        let unmapped = self.unmapped.into_iter().map(|app| (app, None));
        let apps = mapped.chain(unmapped).filter(|((_, counts), _)| counts.n_records > 0).map(
            |((app, AppCounts { n_records, seconds }), category)| {
                (app, AppSums { category, records: n_records, seconds })
            },
        );
        LedgerDetail { files, apps: apps.collect() }
    }
}

/// A customer on the way to its row.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct SortRow {
    contract_id: u64,
    partition: u32,
    // Place among the profiles of its table.
    place: u32,
}

/// All customers in contract order.
fn sort_rows(tables: &[ProfileTable], texts: &Texts) -> HugePageVec<SortRow> {
    let mut rows: HugePageVec<SortRow> = HugePageVec::zeroed(tables.iter().map(ProfileTable::n_profiles).sum());
    let mut rest = &mut *rows;
    let parts: Vec<&mut [SortRow]> =
        tables.iter().map(|table| rest.split_off_mut(..table.n_profiles()).unwrap_or_default()).collect();
    parts.into_par_iter().zip(tables).enumerate().for_each(|(partition, (part, table))| {
        for (row, (place, contract_id)) in part.iter_mut().zip(table.places()) {
            *row = SortRow { contract_id, partition: partition as u32, place: place as u32 };
        }
    });
    if texts.is_empty() {
        // The numbers of packed contracts are in contract order.
        rows.par_sort_unstable_by_key(|row| row.contract_id);
    } else {
        rows.par_sort_unstable_by(|a, b| texts.order(a.contract_id, b.contract_id));
    }
    rows
}

/// The columns with a fixed width.
struct Columns {
    seconds: [HugePageVec<i64>; 5],
    days: HugePageVec<u32>,
}

impl Columns {
    fn new(n_rows: usize) -> Columns {
        Columns { seconds: std::array::from_fn(|_| HugePageVec::zeroed(n_rows)), days: HugePageVec::zeroed(n_rows) }
    }

    fn fill(
        &mut self,
        rows: &[SortRow],
        tables: &[ProfileTable],
        texts: &Texts,
        wide_seconds: &ahash::AHashMap<u64, [i128; 5]>,
    ) -> Result<Contracts, Overflow> {
        let n_text_bytes = |rows: &[SortRow]| rows.iter().map(|row| texts.get(row.contract_id).n_bytes()).sum();
        let n_text_bytes: Vec<usize> = rows.par_chunks(ROWS_PER_TASK).map(n_text_bytes).collect();
        let mut text = vec![0; n_text_bytes.iter().sum()];
        let mut ends = vec![0; rows.len()];
        let text_parts = split_text(&mut text, &n_text_bytes);

        let [s0, s1, s2, s3, s4] = &mut self.seconds;
        let tasks = (
            rows.par_chunks(ROWS_PER_TASK).zip(text_parts),
            ends.par_chunks_mut(ROWS_PER_TASK),
            s0.par_chunks_mut(ROWS_PER_TASK),
            s1.par_chunks_mut(ROWS_PER_TASK),
            s2.par_chunks_mut(ROWS_PER_TASK),
            s3.par_chunks_mut(ROWS_PER_TASK),
            s4.par_chunks_mut(ROWS_PER_TASK),
            self.days.par_chunks_mut(ROWS_PER_TASK),
        );
        let overflows: Vec<Option<Overflow>> = tasks
            .into_par_iter()
            .map(|((rows, (first, text)), ends, s0, s1, s2, s3, s4, days)| {
                // The profiles of neighbouring rows lie anywhere: fetched in a loop of its own,
                // with nothing between one fetch and the next, many are under way at once.
                let profiles: Vec<Profile> =
                    rows.iter().map(|row| *tables[row.partition as usize].at(row.place as usize)).collect();
                let mut end = 0;
                for (i, (row, profile)) in rows.iter().zip(&profiles).enumerate() {
                    let contract = texts.get(row.contract_id);
                    let start = end;
                    end += contract.n_bytes();
                    contract.write(&mut text[start..end]);
                    ends[i] = first + end;
                    let table = &tables[row.partition as usize];
                    let wide = wide_seconds.get(&row.contract_id);
                    let Some(seconds) = whole_seconds(table.seconds(row.contract_id, profile), wide) else {
                        let contract = String::from_utf8_lossy(&text[start..end]).into_owned();
                        return Some(Overflow { of: SumOf::Contract(contract) });
                    };
                    [s0[i], s1[i], s2[i], s3[i], s4[i]] = seconds;
                    days[i] = profile.days;
                }
                None
            })
            .collect();
        // In row order, so that the first contract that overflows is the one named.
        if let Some(overflow) = overflows.into_iter().flatten().next() {
            return Err(overflow);
        }
        // It was put together from strings.
        Ok(Contracts::new(String::from_utf8(text).unwrap_or_default(), ends))
    }
}

/// Parts of `text` of these lengths, each with its place in it.
fn split_text<'a>(text: &'a mut [u8], n_part_bytes: &[usize]) -> Vec<(usize, &'a mut [u8])> {
    let (mut rest, mut next) = (text, 0);
    let part = |n_bytes: &usize| {
        let part = rest.split_off_mut(..*n_bytes).unwrap_or_default();
        next += n_bytes;
        (next - n_bytes, part)
    };
    n_part_bytes.iter().map(part).collect()
}

fn whole_seconds(small: [u64; 5], wide: Option<&[i128; 5]>) -> Option<[i64; 5]> {
    let mut seconds = small.map(i128::from);
    if let Some(wide) = wide {
        add(&mut seconds, wide);
    }
    narrow(&seconds)
}

fn add(sums: &mut [i128; 5], more: &[i128; 5]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}
