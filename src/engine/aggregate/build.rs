//! From what the threads gathered to the month's columns.

use jiff::civil::Date;
use rayon::prelude::*;

use super::collect::{Collector, DaySums};
use super::days;
use super::intern::{Interned, Interner, Texts};
use super::memory::Slab;
use super::partition::N_PARTITIONS;
use super::profile::{Profile, ProfileTable};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::Ledger;
use crate::engine::month::{Contracts, DayActivity, MonthTable, Provenance};
use crate::engine::rules::{Rules, Taste};

/// Rows that one task turns into columns.
const ROWS_PER_TASK: usize = 1 << 13;

/// The customers of a month while its files are scanned.
#[derive(Debug)]
pub struct MonthBuilder {
    interner: Interner,
    tables: Vec<ProfileTable>,
}

/// What the columns say besides the customers.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// The month.
    pub month: Month,
    /// Day the run was made.
    pub etl_date: Date,
    /// The rules of the scan.
    pub rules: &'a Rules,
    /// Days that have a file.
    pub days: Vec<Day>,
    /// Where the records come from.
    pub provenance: Provenance,
}

/// Seconds that do not fit in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seconds of {of} do not fit in 64 bits")]
pub struct Overflow {
    /// Whose seconds: a contract or a day.
    pub of: String,
}

impl Default for MonthBuilder {
    fn default() -> Self {
        MonthBuilder {
            interner: Interner::default(),
            tables: (0..N_PARTITIONS).map(|_| ProfileTable::default()).collect(),
        }
    }
}

impl MonthBuilder {
    /// Where contracts get their numbers; shared by all threads.
    pub fn interner(&self) -> &Interner {
        &self.interner
    }

    /// Adds the kept records that wait in `collectors` to their customers and empties them: the end of an epoch.
    pub fn aggregate(&mut self, collectors: &mut [&mut Collector]) {
        let parts: Vec<&Collector> =
            collectors.iter().map(|collector| &**collector).filter(|collector| collector.n_waiting() > 0).collect();
        if parts.is_empty() {
            return;
        }
        self.tables.par_iter_mut().enumerate().for_each(|(partition, table)| {
            table.fetch();
            for collector in &parts {
                for records in collector.partitions.pieces(partition) {
                    table.add(records);
                }
            }
        });
        for collector in collectors {
            collector.partitions.clear();
        }
    }

    /// The month's columns, rows in contract order.
    ///
    /// # Errors
    /// [`Overflow`] when a sum does not fit; of several contracts the first one in order is named.
    pub fn finish(mut self, mut collectors: Vec<Collector>, about: About<'_>) -> Result<MonthTable, Overflow> {
        self.aggregate(&mut collectors.iter_mut().collect::<Vec<_>>());
        let mut ledger = Ledger::default();
        let mut by_day = [DaySums::default(); 31];
        let mut large: ahash::AHashMap<u64, [i128; 5]> = ahash::AHashMap::new();
        for collector in collectors {
            ledger.merge(&collector.ledger());
            for (mine, theirs) in by_day.iter_mut().zip(collector.by_day) {
                mine.n_records += theirs.n_records;
                add(&mut mine.seconds, &theirs.seconds);
            }
            for (contract_id, seconds) in collector.large {
                add(large.entry(contract_id).or_default(), &seconds);
            }
        }

        let texts = self.interner.into_texts();
        let rows = sorted(&self.tables, &texts);
        let mut columns = Columns::new(rows.len());
        let contracts = columns.fill(&rows, &self.tables, &texts, &large, about.rules)?;
        drop((rows, self.tables));

        let active_users = days::active_users(&columns.days);
        let activity = about.days.iter().map(|day| {
            let sums = &by_day[day.index()];
            let seconds = narrow(&sums.seconds).and_then(|seconds| {
                // The total is a column of its own.
                seconds.iter().try_fold(0_i64, |sum, s| sum.checked_add(*s)).map(|_| seconds)
            });
            Ok(DayActivity {
                day: *day,
                active_users: active_users[day.index()],
                records: sums.n_records,
                seconds: seconds.ok_or_else(|| Overflow { of: format!("day {}", day.number()) })?,
            })
        });
        Ok(MonthTable {
            month: about.month,
            etl_date: about.etl_date,
            contracts,
            activity: activity.collect::<Result<_, Overflow>>()?,
            days: columns.days,
            seconds: columns.seconds,
            total: columns.total,
            most_watch: columns.most_watch,
            taste: columns.taste,
            activeness: columns.activeness,
            taste_labels: about.rules.taste_labels(),
            ledger,
            provenance: about.provenance,
        })
    }
}

/// A customer on the way to its row.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Row {
    contract_id: u64,
    partition: u32,
    // Place among the profiles of its table.
    place: u32,
}

/// All customers in contract order.
fn sorted(tables: &[ProfileTable], texts: &Texts) -> Slab<Row> {
    let mut rows: Slab<Row> = Slab::zeroed(tables.iter().map(ProfileTable::n_profiles).sum());
    let mut rest = &mut *rows;
    let parts: Vec<&mut [Row]> =
        tables.iter().map(|table| rest.split_off_mut(..table.n_profiles()).unwrap_or_default()).collect();
    parts.into_par_iter().zip(tables).enumerate().for_each(|(partition, (part, table))| {
        for (row, (place, contract_id)) in part.iter_mut().zip(table.places()) {
            *row = Row { contract_id, partition: partition as u32, place: place as u32 };
        }
    });
    if texts.is_empty() {
        // The numbers of packed contracts are in contract order.
        rows.par_sort_unstable_by_key(|row| row.contract_id);
    } else {
        rows.par_sort_unstable_by(|a, b| match (texts.get(a.contract_id), texts.get(b.contract_id)) {
            (Interned::Packed(a), Interned::Packed(b)) => a.cmp(&b),
            (Interned::Text(a), Interned::Text(b)) => a.cmp(b),
            (Interned::Packed(a), Interned::Text(b)) => a.with_str(|a| a.cmp(b)),
            (Interned::Text(a), Interned::Packed(b)) => b.with_str(|b| a.cmp(b)),
        });
    }
    rows
}

/// The columns with a fixed width.
struct Columns {
    seconds: [Slab<i64>; 5],
    total: Slab<i64>,
    most_watch: Vec<u8>,
    taste: Vec<Taste>,
    activeness: Vec<u8>,
    days: Slab<u32>,
}

impl Columns {
    fn new(n_rows: usize) -> Columns {
        Columns {
            seconds: std::array::from_fn(|_| Slab::zeroed(n_rows)),
            total: Slab::zeroed(n_rows),
            most_watch: vec![0; n_rows],
            taste: vec![Taste(0); n_rows],
            activeness: vec![0; n_rows],
            days: Slab::zeroed(n_rows),
        }
    }

    fn fill(
        &mut self,
        rows: &[Row],
        tables: &[ProfileTable],
        texts: &Texts,
        large: &ahash::AHashMap<u64, [i128; 5]>,
        rules: &Rules,
    ) -> Result<Contracts, Overflow> {
        let n_text_bytes = |rows: &[Row]| rows.iter().map(|row| texts.get(row.contract_id).n_bytes()).sum();
        let n_text_bytes: Vec<usize> = rows.par_chunks(ROWS_PER_TASK).map(n_text_bytes).collect();
        let mut text = vec![0; n_text_bytes.iter().sum()];
        let mut ends = vec![0; rows.len()];
        let mut rest = &mut text[..];
        let mut first = 0;
        let text_parts: Vec<(usize, &mut [u8])> = n_text_bytes
            .iter()
            .map(|n_bytes| {
                let part = rest.split_off_mut(..*n_bytes).unwrap_or_default();
                first += n_bytes;
                (first - n_bytes, part)
            })
            .collect();

        let [s0, s1, s2, s3, s4] = &mut self.seconds;
        let tasks = (
            rows.par_chunks(ROWS_PER_TASK).zip(text_parts),
            ends.par_chunks_mut(ROWS_PER_TASK),
            s0.par_chunks_mut(ROWS_PER_TASK),
            s1.par_chunks_mut(ROWS_PER_TASK),
            s2.par_chunks_mut(ROWS_PER_TASK),
            s3.par_chunks_mut(ROWS_PER_TASK),
            s4.par_chunks_mut(ROWS_PER_TASK),
            self.total.par_chunks_mut(ROWS_PER_TASK),
            self.most_watch.par_chunks_mut(ROWS_PER_TASK),
            self.taste.par_chunks_mut(ROWS_PER_TASK),
            self.activeness.par_chunks_mut(ROWS_PER_TASK),
            self.days.par_chunks_mut(ROWS_PER_TASK),
        );
        let overflows: Vec<Option<Overflow>> = tasks
            .into_par_iter()
            .map(|((rows, (first, text)), ends, s0, s1, s2, s3, s4, total, most_watch, taste, activeness, days)| {
                // The profiles of neighbouring rows lie anywhere: fetched in a loop of its own, with nothing between
                // one fetch and the next, many are under way at once.
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
                    let seconds = whole_seconds(table.seconds(row.contract_id, profile), large.get(&row.contract_id));
                    let sum = seconds.and_then(|s| s.iter().try_fold(0_i64, |sum, s| sum.checked_add(*s)));
                    let (Some(seconds), Some(sum)) = (seconds, sum) else {
                        let contract = String::from_utf8_lossy(&text[start..end]);
                        return Some(Overflow { of: format!("contract `{}`", contract.escape_debug()) });
                    };
                    [s0[i], s1[i], s2[i], s3[i], s4[i]] = seconds;
                    total[i] = sum;
                    most_watch[i] = rules.most_watched(&seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8);
                    taste[i] = rules.taste(&seconds);
                    activeness[i] = profile.days.count_ones() as u8;
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

fn whole_seconds(small: [u64; 5], large: Option<&[i128; 5]>) -> Option<[i64; 5]> {
    let mut seconds = small.map(i128::from);
    if let Some(large) = large {
        add(&mut seconds, large);
    }
    narrow(&seconds)
}

fn narrow(seconds: &[i128; 5]) -> Option<[i64; 5]> {
    let mut narrow = [0; 5];
    for (narrow, wide) in narrow.iter_mut().zip(seconds) {
        *narrow = i64::try_from(*wide).ok()?;
    }
    Some(narrow)
}

fn add(sums: &mut [i128; 5], more: &[i128; 5]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The month of records given by contract, category, seconds and day, for tests.
#[cfg(test)]
pub(in crate::engine) fn month_of(
    records: &[(&str, crate::engine::rules::Category, i64, u8)],
    rules: &Rules,
) -> MonthTable {
    use crate::engine::scan::sink::Sink;

    let (builder, mut collector) = (MonthBuilder::default(), Collector::default());
    for (contract, category, seconds, day) in records {
        let mut rejects = Vec::new();
        let mut sink = collector.split(Day::new(*day).unwrap(), builder.interner(), &mut rejects);
        sink.kept(contract, *category, *seconds);
    }
    let provenance = Provenance {
        engine: crate::ENGINE.to_owned(),
        rules_name: rules.name.clone(),
        rules_sha256: rules.sha256.clone(),
        input_files: 1,
        input_bytes: 2,
    };
    let month: Month = "2022-04".parse().unwrap();
    let about = About { month, etl_date: month.first_day(), rules, days: month.days().collect(), provenance };
    builder.finish(vec![collector], about).unwrap()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::engine::rules::Category;
    use crate::engine::scan::sink::Sink;

    #[derive(Clone, Debug)]
    struct Kept {
        contract: String,
        category: Category,
        seconds: i64,
        day: Day,
    }

    fn kept() -> impl Strategy<Value = Kept> {
        let contract = prop_oneof![
            4 => "[AB]{1,2}[0-9]{0,2}",
            1 => prop::sample::select(vec!["0", "A1", "a1", "A1 ", "\u{c9}", "E\u{301}", "A\0", "LONGER THAN TEN", "\t"])
                .prop_map(str::to_owned),
        ];
        let seconds = prop_oneof![6 => 0..86_400_i64, 1 => any::<i32>().prop_map(i64::from), 1 => (i64::MIN / 999)..(i64::MAX / 999)];
        (contract, prop::sample::select(Category::ALL.to_vec()), seconds, 1..=30_u8).prop_map(
            |(contract, category, seconds, day)| Kept { contract, category, seconds, day: Day::new(day).unwrap() },
        )
    }

    fn build(records: &[Kept], n_threads: usize, epoch_records: usize, rules: &Rules) -> Result<MonthTable, Overflow> {
        let mut builder = MonthBuilder::default();
        let mut collectors: Vec<Collector> = (0..n_threads).map(|_| Collector::default()).collect();
        for (i, record) in records.iter().enumerate() {
            let mut rejects = Vec::new();
            let mut sink = collectors[i * 7 % n_threads].split(record.day, builder.interner(), &mut rejects);
            sink.kept(&record.contract, record.category, record.seconds);
            drop(sink);
            if (i + 1).is_multiple_of(epoch_records) {
                builder.aggregate(&mut collectors.iter_mut().collect::<Vec<_>>());
            }
        }
        let provenance = Provenance {
            engine: crate::ENGINE.to_owned(),
            rules_name: rules.name.clone(),
            rules_sha256: rules.sha256.clone(),
            input_files: 1,
            input_bytes: 2,
        };
        let month: Month = "2022-04".parse().unwrap();
        let days = month.days().collect();
        builder.finish(collectors, About { month, etl_date: month.first_day(), rules, days, provenance })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 100 }))]

        #[test]
        fn the_columns_are_those_of_the_obvious_map(
            records in proptest::collection::vec(kept(), 0..200),
            n_threads in 1_usize..4,
            epoch_records in 1_usize..90,
        ) {
            let rules = Rules::preset("seed").unwrap();
            let mut expected: BTreeMap<&str, ([i64; 5], BTreeSet<Day>)> = BTreeMap::new();
            for record in &records {
                let (seconds, days) = expected.entry(&record.contract).or_default();
                seconds[record.category as usize] += record.seconds;
                days.insert(record.day);
            }
            let table = build(&records, n_threads, epoch_records, &rules).unwrap();
            prop_assert_eq!(table.contracts.iter().collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
            for (row, (seconds, days)) in expected.values().enumerate() {
                prop_assert_eq!(table.days[row], days.iter().fold(0, |mask, day| mask | 1 << day.index()));
                prop_assert_eq!(&std::array::from_fn(|category| table.seconds[category][row]), seconds);
                prop_assert_eq!(table.total[row], seconds.iter().sum::<i64>());
                prop_assert_eq!(usize::from(table.activeness[row]), days.len());
                prop_assert_eq!(table.taste[row], rules.taste(seconds));
                prop_assert_eq!(table.most_watch(row), rules.most_watched(seconds).map_or("No", Category::name));
            }
            prop_assert_eq!(table.ledger.kept, records.len() as u64);
            prop_assert!(table.ledger.balances());
            prop_assert_eq!(table.ledger.n_seconds(), table.total.iter().map(|s| i128::from(*s)).sum::<i128>());
            for day in &table.activity {
                let of_day = || records.iter().filter(|record| record.day == day.day);
                prop_assert_eq!(day.records, of_day().count() as u64);
                let users: BTreeSet<&str> = of_day().map(|record| record.contract.as_str()).collect();
                prop_assert_eq!(day.active_users, users.len() as u64);
                prop_assert_eq!(day.seconds.iter().sum::<i64>(), of_day().map(|record| record.seconds).sum::<i64>());
            }
            let other_way = build(&records.iter().rev().cloned().collect::<Vec<_>>(), 3 - n_threads / 2, 17, &rules);
            prop_assert_eq!(other_way.unwrap(), table);
        }
    }

    #[test]
    fn a_sum_past_64_bits_is_an_error() {
        let rules = Rules::preset("seed").unwrap();
        let check = |seconds: &[(&str, Category, i64)], expected: Result<i64, &str>| {
            let records: Vec<Kept> = seconds
                .iter()
                .map(|(contract, category, seconds)| Kept {
                    contract: (*contract).to_owned(),
                    category: *category,
                    seconds: *seconds,
                    day: Day::new(3).unwrap(),
                })
                .collect();
            let found = build(&records, 2, 100, &rules).map(|table| table.total[0]).map_err(|overflow| overflow.of);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check(&[("A", Category::Tv, i64::MAX)], Ok(i64::MAX));
        check(&[("A", Category::Tv, i64::MAX), ("A", Category::Tv, 1)], Err("contract `A`"));
        check(&[("A", Category::Tv, i64::MAX), ("A", Category::Movie, 1)], Err("contract `A`"));
        check(&[("A", Category::Tv, i64::MAX), ("A", Category::Tv, 1), ("A", Category::Tv, -1)], Ok(i64::MAX));
        check(&[("A", Category::Tv, i64::MIN), ("A", Category::Tv, -1)], Err("contract `A`"));
        check(&[("A", Category::Tv, i64::MAX), ("B", Category::Tv, 1)], Err("day 3"));
    }
}
