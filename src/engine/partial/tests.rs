//! The engine from kept records to labelled rows, against maps that add up the plain way; and the
//! laws of merging.

#![allow(clippy::single_range_in_vec_init, reason = "one range of bytes is what a file read whole has")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::engine::aggregate::build::MonthBuilder;
use crate::engine::aggregate::collect::{Collector, FileId};
use crate::engine::calendar::Month;
use crate::engine::ledger::{InputFile, LedgerConflict, Reason};
use crate::engine::month::Provenance;
use crate::engine::rules::Rules;
use crate::engine::scan::reject::{RejectBatch, RejectLimit};
use crate::engine::scan::sink::Sink;

/// What the scan makes of one record.
#[derive(Clone, Debug)]
struct Record {
    /// Its file, of which there is one a day: place of the day.
    day: Day,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Contract, app and seconds.
    Kept(String, &'static str, i64),
    Unmapped(&'static str, i64),
    Rejected(Reason),
}

fn month() -> Month {
    "2022-04".parse().unwrap()
}

fn rules() -> Rules {
    Rules::preset("seed").unwrap()
}

fn file(day: Day) -> InputFile {
    InputFile::whole(format!("202204{:02}.json", day.number()), day, 100, "7".to_owned())
}

fn meta(rules: &Rules) -> MonthMeta<'_> {
    let provenance = Provenance { input_files: 1, input_bytes: 2, ..Provenance::of(rules) };
    MonthMeta { month: month(), etl_date: month().first_day(), labels: &rules.labels, provenance }
}

/// The partial of `records`, gathered by `n_threads` in epochs of `epoch_records`. Each of `files`
/// is in its ledger.
fn scan(
    records: &[Record],
    files: Vec<InputFile>,
    n_threads: usize,
    epoch_records: usize,
) -> Result<Partial, Overflow> {
    let rules = rules();
    let mut builder = MonthBuilder::new(&rules.record);
    let mut collectors: Vec<Collector> = (0..n_threads).map(|_| Collector::default()).collect();
    for (i, record) in records.iter().enumerate() {
        let mut rejects = RejectBatch::new(RejectLimit::new(0));
        let id = files.iter().position(|file| file.day == record.day).unwrap();
        let collector = &mut collectors[i * 7 % n_threads];
        let mut sink = collector.split(FileId(id as u32), record.day, builder.context(), &mut rejects);
        match &record.what {
            What::Kept(contract, app, seconds) => {
                let (_, app) = rules.record.apps().find(|(name, _)| name == app).unwrap();
                sink.kept(contract, app, *seconds);
            }
            What::Unmapped(app, seconds) => sink.unmapped(0, app, *seconds, b""),
            What::Rejected(reason) => sink.rejected(0, *reason, b""),
        }
        drop(sink);
        if (i + 1).is_multiple_of(epoch_records) {
            builder.aggregate(&mut collectors.iter_mut().collect::<Vec<_>>());
        }
    }
    builder.into_partial(collectors, files)
}

/// The partial of `records`, whose files are those of their days.
fn partial_of(records: &[Record]) -> Partial {
    let days: BTreeSet<Day> = records.iter().map(|record| record.day).collect();
    scan(records, days.into_iter().map(file).collect(), 1, 100).unwrap()
}

/// The month of kept records given by contract, category, seconds and day.
pub(in crate::engine) fn month_of(records: &[(&str, Category, i64, u8)], rules: &Rules) -> MonthTable {
    let records: Vec<Record> =
        records.iter().map(|(contract, category, seconds, day)| kept(contract, *category, *seconds, *day)).collect();
    partial_of(&records).finish(meta(rules)).unwrap()
}

fn kept(contract: &str, category: Category, seconds: i64, day: u8) -> Record {
    let app = match category {
        Category::Movie => "VOD",
        Category::Sport => "SPORT",
        Category::Child => "CHILD",
        Category::Relax => "RELAX",
        Category::Tv => "CHANNEL",
    };
    Record { day: Day::new(day).unwrap(), what: What::Kept(contract.to_owned(), app, seconds) }
}

/// Records whose sums fit, however they are cut.
fn records(n_max: usize) -> impl Strategy<Value = Vec<Record>> {
    let contract = prop_oneof![
        4 => "[AB]{1,2}[0-9]{0,2}",
        1 => select(vec!["0", "A1", "a1", "A1 ", "\u{c9}", "E\u{301}", "A\0", "LONGER THAN TEN", "\t-"])
            .prop_map(str::to_owned),
    ];
    let seconds = prop_oneof![
        6 => 0..86_400_i64,
        1 => any::<i32>().prop_map(i64::from),
        1 => (i64::MIN / 999)..(i64::MAX / 999),
    ];
    let app = select(vec!["VOD", "FIMS", "SPORT", "CHILD", "RELAX", "CHANNEL", "KPLUS"]);
    let what = prop_oneof![
        8 => (contract, app, seconds.clone()).prop_map(|(contract, app, seconds)| What::Kept(contract, app, seconds)),
        1 => (select(vec!["NEW", "\u{c9}"]), seconds).prop_map(|(app, seconds)| What::Unmapped(app, seconds)),
        1 => select(vec![Reason::Malformed, Reason::NoApp, Reason::Excluded]).prop_map(What::Rejected),
    ];
    let record = (1..=30_u8, what).prop_map(|(day, what)| Record { day: Day::new(day).unwrap(), what });
    proptest::collection::vec(record, 0..n_max)
}

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 100 })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_columns_are_those_of_the_obvious_map(
        records in records(200),
        n_threads in 1_usize..4,
        epoch_records in 1_usize..90,
    ) {
        let rules = rules();
        let mut expected: BTreeMap<&str, ([i64; 5], BTreeSet<Day>)> = BTreeMap::new();
        let mut apps: BTreeMap<&str, (u64, i128)> = BTreeMap::new();
        for record in &records {
            if let What::Kept(_, app, seconds) | What::Unmapped(app, seconds) = &record.what {
                let sums = apps.entry(app).or_default();
                *sums = (sums.0 + 1, sums.1 + i128::from(*seconds));
            }
            if let What::Kept(contract, app, amount) = &record.what {
                let (seconds, days) = expected.entry(contract).or_default();
                seconds[rules.record.apps[*app] as usize] += amount;
                days.insert(record.day);
            }
        }
        let files = || month().days().map(file).collect::<Vec<_>>();
        let partial = scan(&records, files(), n_threads, epoch_records).unwrap();
        prop_assert_eq!(partial.validate(month()), Ok(()));
        let table = partial.clone().finish(meta(&rules)).unwrap();
        prop_assert_eq!(table.contracts.iter().collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
        for (row, (seconds, days)) in expected.values().enumerate() {
            prop_assert_eq!(table.days[row], days.iter().fold(0, |mask, day| mask | 1 << day.index()));
            prop_assert_eq!(&std::array::from_fn(|category| table.seconds[category][row]), seconds);
            prop_assert_eq!(table.total[row], seconds.iter().sum::<i64>());
            prop_assert_eq!(usize::from(table.activeness[row]), days.len());
            prop_assert_eq!(table.taste[row], rules.labels.taste(seconds));
            prop_assert_eq!(table.most_watch(row), rules.labels.most_watched(seconds).map_or("No", Category::name));
        }
        let found: BTreeMap<&str, (u64, i128)> =
            table.detail.apps.iter().map(|(app, sums)| (app.as_str(), (sums.records, sums.seconds))).collect();
        prop_assert_eq!(found, apps);
        prop_assert_eq!(table.ledger.read, records.len() as u64);
        prop_assert!(table.ledger.balances());
        prop_assert_eq!(table.ledger.n_seconds(), table.total.iter().map(|s| i128::from(*s)).sum::<i128>());
        for day in &table.activity {
            let of_day: Vec<(&str, i64)> = records
                .iter()
                .filter(|record| record.day == day.day)
                .filter_map(|record| match &record.what {
                    What::Kept(contract, _, seconds) => Some((contract.as_str(), *seconds)),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(day.records, of_day.len() as u64);
            let users: BTreeSet<&str> = of_day.iter().map(|(contract, _)| *contract).collect();
            prop_assert_eq!(day.active_users, users.len() as u64);
            prop_assert_eq!(day.seconds.iter().sum::<i64>(), of_day.iter().map(|(_, seconds)| seconds).sum::<i64>());
        }
        let backwards: Vec<Record> = records.iter().rev().cloned().collect();
        let files: Vec<InputFile> = files().into_iter().rev().collect();
        prop_assert_eq!(scan(&backwards, files, 3 - n_threads / 2, 17).unwrap(), partial);
    }

    #[test]
    fn merging_has_no_order_and_the_empty_partial_changes_nothing(
        [a, b, c] in [records(40), records(40), records(40)],
    ) {
        // Parts of a month share no file: each has days of its own.
        let part = |records: Vec<Record>, turn: u8| {
            let of_part = |record: Record| Record { day: Day::new(record.day.number() / 3 * 3 + turn).unwrap(), ..record };
            partial_of(&records.into_iter().filter(|r| r.day.number() < 28).map(of_part).collect::<Vec<_>>())
        };
        let (a, b, c) = (part(a, 1), part(b, 2), part(c, 3));
        let merged = |a: &Partial, b: &Partial| a.clone().merge(b.clone()).unwrap();
        let whole = merged(&merged(&a, &b), &c);
        prop_assert_eq!(whole.validate(month()), Ok(()));
        prop_assert_eq!(&merged(&a, &merged(&b, &c)), &whole);
        prop_assert_eq!(&merged(&c, &merged(&b, &a)), &whole);
        prop_assert_eq!(&merge_all(vec![b.clone(), c, a.clone()]).unwrap(), &whole);
        prop_assert_eq!(&merged(&whole, &Partial::default()), &whole);
        prop_assert_eq!(&merged(&Partial::default(), &whole), &whole);
        prop_assert_eq!(&merge_all(vec![whole.clone()]).unwrap(), &whole);
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
    }

    #[test]
    fn any_cut_of_a_lake_finishes_as_the_whole(records in records(120), cuts in proptest::collection::vec(any::<Index>(), 0..6)) {
        let rules = rules();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(records.len() + 1)).collect();
        cuts.sort_unstable();
        // Each part reads its own bytes of every file.
        let bounds: Vec<usize> = [0].into_iter().chain(cuts).chain([records.len()]).collect();
        let n_parts = bounds.len() as u64 - 1;
        let parts: Vec<Partial> = bounds
            .windows(2)
            .zip(0_u64..)
            .map(|(bounds, part)| {
                let of_part = |day| {
                    let file = file(day);
                    InputFile { ranges: vec![100 * part / n_parts..100 * (part + 1) / n_parts], ..file }
                };
                scan(&records[bounds[0]..bounds[1]], month().days().map(of_part).collect(), 2, 9).unwrap()
            })
            .collect();
        for part in &parts {
            prop_assert_eq!(part.validate(month()), Ok(()));
        }
        let merged = merge_all(parts).unwrap();
        prop_assert_eq!(merged.validate(month()), Ok(()));
        let whole = scan(&records, month().days().map(file).collect(), 1, 1000).unwrap();
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(merged.finish(meta(&rules)), whole.finish(meta(&rules)));
    }
}

#[test]
fn a_sum_past_64_bits_is_an_error() {
    let rules = rules();
    let day = |day: u8| SumOf::Day(Day::new(day).unwrap());
    let contract = |contract: &str| SumOf::Contract(contract.to_owned());
    // Contract, category, seconds, day.
    let check = |seconds: &[(&str, Category, i64, u8)], expected: Result<i64, SumOf>| {
        let records: Vec<Record> = seconds.iter().map(|(a, b, c, d)| kept(a, *b, *c, *d)).collect();
        let days: BTreeSet<Day> = records.iter().map(|record| record.day).collect();
        let partial = scan(&records, days.into_iter().map(file).collect(), 2, 100);
        let found = partial.and_then(|partial| partial.finish(meta(&rules)));
        assert_eq!(found.map(|table| table.total[0]).map_err(|overflow| overflow.of), expected, "{seconds:?}");
    };
    use Category::{Movie, Tv};
    check(&[("A", Tv, i64::MAX, 3)], Ok(i64::MAX));
    check(&[("A", Tv, i64::MAX, 3), ("A", Tv, 1, 3)], Err(contract("A")));
    check(&[("A", Tv, i64::MAX, 3), ("A", Movie, 1, 3)], Err(contract("A")));
    check(&[("A", Tv, i64::MAX, 3), ("A", Tv, 1, 3), ("A", Tv, -1, 3)], Ok(i64::MAX));
    check(&[("A", Tv, i64::MAX, 3), ("A", Movie, i64::MAX, 3), ("A", Category::Child, -i64::MAX, 3)], Ok(i64::MAX));
    check(&[("A", Tv, i64::MIN, 3), ("A", Tv, -1, 3)], Err(contract("A")));
    check(&[("A", Tv, i64::MAX, 3), ("B", Tv, 1, 3)], Err(day(3)));
    // Each day fits, the month does not: tables of the mart would not hold it.
    check(&[("A", Tv, i64::MAX, 3), ("B", Tv, 1, 4)], Err(SumOf::Category(Tv)));
    check(&[("A", Tv, i64::MAX, 3), ("B", Movie, 1, 4)], Err(SumOf::Month));
    // The month fits, but not those of its customers that have watched anything.
    check(&[("A", Tv, i64::MAX, 3), ("B", Tv, 1, 4), ("C", Tv, -5, 5)], Err(SumOf::Category(Tv)));
}

#[test]
fn an_overflow_says_whose_seconds_they_are() {
    let check = |of: SumOf, expected: &str| {
        assert_eq!(Overflow { of }.to_string(), format!("the seconds of {expected} do not fit in 64 bits"));
    };
    check(SumOf::Contract("A\t".to_owned()), "contract `A\\t`");
    check(SumOf::Day(Day::new(3).unwrap()), "day 3");
    check(SumOf::Category(Category::Tv), "category Tv in the whole month");
    check(SumOf::Month, "the whole month");
}

#[test]
fn parts_that_contradict_each_other_are_not_merged() {
    let part = |change: &dyn Fn(&mut Partial)| {
        let mut partial = partial_of(&[kept("A", Category::Tv, 5, 3)]);
        change(&mut partial);
        partial
    };
    let whole = part(&|_| ());
    let check = |other: Partial, expected: Result<Vec<std::ops::Range<u64>>, &str>| {
        let found = whole.clone().merge(other).map_err(|error| error.to_string());
        assert_eq!(found.map(|merged| merged.ledger.files[0].file.ranges.clone()), expected.map_err(str::to_owned));
    };
    let cut = part(&|part| part.ledger.files[0].file.ranges = vec![40..100]);
    check(whole.clone(), Err("20220403.json: its bytes 0 to 100 are counted twice"));
    check(cut.clone(), Err("20220403.json: its bytes 40 to 100 are counted twice"));
    check(
        part(&|part| part.ledger.files[0].file.tag = "8".to_owned()),
        Err(
            "20220403.json: one part read a file of 100 bytes of day 3, tagged 7, another a file of 100 bytes of day 3, tagged 8",
        ),
    );
    check(
        part(&|part| {
            part.ledger.files.clear();
            part.ledger.apps.get_mut("CHANNEL").unwrap().category = Some(Category::Movie);
        }),
        Err("app `CHANNEL` is in different categories: the parts were made with different rules"),
    );
    let first = part(&|part| part.ledger.files[0].file.ranges = vec![0..40]);
    let merged = first.merge(cut).unwrap();
    assert_eq!(merged.ledger.files[0].file.ranges, [0..100]);
    assert!(matches!(
        whole.clone().merge(whole.clone()),
        Err(MergeError::Conflict(LedgerConflict::Overlap { bytes, .. })) if bytes == (0..100)
    ));
    let full = part(&|part| {
        part.seconds[Category::Tv as usize] = vec![i64::MAX].into();
        part.ledger = LedgerDetail::default();
    });
    assert_eq!(full.merge(whole.clone()), Err(MergeError::Overflow(Overflow { of: SumOf::Contract("A".to_owned()) })));
}

#[test]
fn what_cannot_be_true_of_a_partial_is_found() {
    let good =
        partial_of(&[kept("A", Category::Tv, 5, 3), kept("B", Category::Tv, 1, 3), kept("B", Category::Movie, 2, 4)]);
    assert_eq!(good.validate(month()), Ok(()));
    let check = |change: &dyn Fn(&mut Partial), expected: &str| {
        let mut partial = good.clone();
        change(&mut partial);
        assert_eq!(partial.validate(month()).map_err(|flaw| flaw.to_string()), Err(expected.to_owned()));
    };
    check(&|p| p.days = vec![4].into(), "its columns have different numbers of rows");
    check(
        &|p| p.contracts = contracts(&["B", "A"]),
        "row 1 is not after the one before: contracts must ascend byte by byte",
    );
    check(
        &|p| p.contracts = contracts(&["A", "A"]),
        "row 1 is not after the one before: contracts must ascend byte by byte",
    );
    check(&|p| p.contracts = contracts(&[" ", "A"]), "the contract of row 0 is blank or longer than 100 characters");
    check(&|p| p.days[1] = 0, "the days of row 1 are 0b0: not one or more days of the month");
    check(
        &|p| p.days[0] = 1 << 30,
        "the days of row 0 are 0b1000000000000000000000000000000: not one or more days of the month",
    );
    check(&|p| p.days[0] = 0b1100, "2 customers are active on day 4, which has 1 kept records");
    check(&|p| p.days[1] = 0b0100, "0 customers are active on day 4, which has 1 kept records");
    check(&|p| p.seconds[4][0] = 6, "the seconds of Tv are 7 in its rows, 6 by file and 6 by app");
    check(
        &|p| p.ledger.apps.get_mut("VOD").unwrap().seconds = 3,
        "the seconds of Movie are 2 in its rows, 2 by file and 3 by app",
    );
    check(
        &|p| p.ledger.apps.get_mut("VOD").unwrap().records = 2,
        "3 records are kept and 0 unmapped by file, 4 and 0 by app",
    );
    check(&|p| p.ledger.files[0].counts.read += 1, "20220403.json: 3 records read, 2 kept, 0 rejected");
    check(&|p| p.ledger.files.reverse(), "20220403.json: out of order, or read where it has no bytes");
    check(
        &|p| p.ledger.files[0].file.ranges = vec![0..101],
        "20220403.json: out of order, or read where it has no bytes",
    );
}

fn contracts(names: &[&str]) -> Contracts {
    let mut contracts = Contracts::default();
    names.iter().for_each(|name| contracts.push(name));
    contracts
}
