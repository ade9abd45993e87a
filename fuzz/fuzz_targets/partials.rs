//! Parts of a month merge by the laws, and what is wrong with a part is found, whatever is in it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::ledger::{AppSums, FileLedger, InputFile, LedgerDetail, Reason, RecordCounts};
use viewmart::engine::month::{MonthMeta, Provenance};
use viewmart::engine::partial::{Partial, Row, merge_all};
use viewmart::engine::rules::{Category, Rules};

/// Size of each file: few bytes, so that damaged ranges meet sound ones.
const FILE_BYTES: u64 = 64;

const DAYS: [u8; 4] = [1, 2, 15, 30];

const REASONS: [Reason; 3] = [Reason::Malformed, Reason::NoApp, Reason::Excluded];

/// What the scan makes of one record.
enum Outcome {
    Kept { contract: String, category: Category, seconds: i64 },
    Unmapped { seconds: i64 },
    Rejected(Reason),
}

struct Record {
    day: Day,
    outcome: Outcome,
}

fn month() -> Month {
    Month::new(2022, 4).expect("a month")
}

fn day(number: u8) -> Day {
    Day::new(number).expect("a day")
}

fn record(input: &mut Unstructured<'_>) -> Result<Record> {
    let contract = match input.int_in_range(0..=4)? {
        0 => input.arbitrary::<&str>()?.chars().take(3).collect(),
        1 => format!("CONTRACT-OF-MANY-BYTES-{}", input.int_in_range(0..=2)?),
        _ => format!("A{}", input.int_in_range(0..=9)?),
    };
    // Most sums fit in 64 bits, some do not.
    let seconds = match input.int_in_range(0..=7)? {
        0 => input.arbitrary()?,
        1 => i64::from(input.arbitrary::<i32>()?),
        _ => input.int_in_range(0..=86_400)?,
    };
    let outcome = match input.int_in_range(0..=7)? {
        0 => Outcome::Rejected(*input.choose(&REASONS)?),
        1 => Outcome::Unmapped { seconds },
        _ if contract.trim().is_empty() => Outcome::Rejected(Reason::NoContract),
        _ => Outcome::Kept { contract, category: *input.choose(&Category::ALL)?, seconds },
    };
    Ok(Record { day: day(*input.choose(&DAYS)?), outcome })
}

/// The partial of `records`, added up the plain way: they come from part `part` of `n_parts` of the
/// files, one for each day. None when a sum does not fit.
fn partial(records: &[Record], part: u64, n_parts: u64) -> Option<Partial> {
    let mut rows: BTreeMap<&str, (u32, [i64; 5])> = BTreeMap::new();
    let mut days: BTreeMap<Day, RecordCounts> = DAYS.map(|number| (day(number), RecordCounts::default())).into();
    let mut apps: BTreeMap<String, AppSums> = BTreeMap::new();
    for Record { day, outcome } in records {
        let counts = days.get_mut(day)?;
        counts.read += 1;
        let (app, category, seconds) = match outcome {
            Outcome::Kept { contract, category, seconds } => {
                let (days, sums) = rows.entry(contract).or_default();
                *days |= day.mask();
                sums[*category as usize] = sums[*category as usize].checked_add(*seconds)?;
                counts.kept += 1;
                counts.seconds[*category as usize] += i128::from(*seconds);
                (category.name(), Some(*category), *seconds)
            }
            Outcome::Unmapped { seconds } => {
                counts.rejected[Reason::UnmappedApp as usize] += 1;
                ("APP", None, *seconds)
            }
            Outcome::Rejected(reason) => {
                counts.rejected[*reason as usize] += 1;
                continue;
            }
        };
        let sums = apps.entry(app.to_owned()).or_insert(AppSums { category, records: 0, seconds: 0 });
        sums.records += 1;
        sums.seconds += i128::from(seconds);
    }
    let file = |(day, counts): (Day, RecordCounts)| {
        let file = InputFile::whole(format!("202204{:02}.json", day.number()), day, FILE_BYTES, "7".to_owned());
        let range = FILE_BYTES * part / n_parts..FILE_BYTES * (part + 1) / n_parts;
        FileLedger { file: InputFile { ranges: Vec::from([range]), ..file }, counts }
    };
    let ledger = LedgerDetail { files: days.into_iter().map(file).collect(), apps };
    let rows = rows.into_iter().map(|(contract, (days, seconds))| Row { contract, days, seconds });
    Some(Partial::from_rows(rows, ledger))
}

/// Changes something, mostly so that it cannot be true any more.
fn damage(part: &mut Partial, input: &mut Unstructured<'_>) -> Result<()> {
    let row = input.choose_index(part.n_rows().max(1))?;
    let file = input.choose_index(part.ledger.files.len().max(1))?;
    let file = part.ledger.files.get_mut(file);
    match (input.int_in_range(0..=9)?, file) {
        (0, _) => {
            part.days.iter_mut().skip(row).take(1).try_for_each(|days| input.arbitrary().map(|new| *days = new))?
        }
        (1, _) => {
            let column = &mut part.seconds[input.choose_index(5)?];
            column.iter_mut().skip(row).take(1).try_for_each(|sum| input.arbitrary().map(|new| *sum = new))?;
        }
        (2, _) => part.contracts.push(input.arbitrary()?),
        (3, Some(file)) => file.file.ranges.push(input.arbitrary()?..input.arbitrary()?),
        (4, Some(file)) => file.file.ranges.clear(),
        (5, Some(file)) => file.file.tag = input.arbitrary::<&str>()?.to_owned(),
        (6, Some(file)) => file.counts.kept = input.arbitrary()?,
        (7, Some(file)) => file.counts.rejected[input.choose_index(Reason::ALL.len())?] = input.arbitrary()?,
        (8, Some(file)) => file.counts.seconds[input.choose_index(5)?] = input.arbitrary()?,
        _ => {
            let sums = AppSums { category: None, records: input.arbitrary()?, seconds: input.arbitrary()? };
            part.ledger.apps.insert(input.choose(&["APP", "Tv", "NEW"])?.to_string(), sums);
        }
    }
    Ok(())
}

/// Sound parts that share no byte.
fn check_laws(parts: &[Partial]) {
    let merged = |parts: &[&Partial]| merge_all(parts.iter().map(|part| Partial::clone(part)).collect()).ok();
    for part in parts {
        assert_eq!(part.validate(month()), Ok(()));
        assert_eq!(merged(&[part, &Partial::default()]).as_ref(), Some(part));
        // The same bytes twice.
        assert_eq!(merged(&[part, part]), None);
    }
    let [a, b, c] = parts else { return };
    assert_eq!(merged(&[a, b]), merged(&[b, a]));
    let whole = merged(&[a, b, c]);
    let left = merged(&[a, b]).and_then(|ab| merged(&[&ab, c]));
    let right = merged(&[b, c]).and_then(|bc| merged(&[a, &bc]));
    // A sum may leave 64 bits on one way and not on another.
    let all: Vec<Partial> = [whole, left, right].into_iter().flatten().collect();
    for whole in &all {
        assert_eq!(whole, &all[0]);
        assert_eq!(whole.validate(month()), Ok(()));
    }
}

/// The columns of a month are made, or a sum does not fit.
fn check_finish(part: Partial) {
    let rules = Rules::preset("seed").expect("a built-in preset");
    let provenance = Provenance::of(&rules);
    let meta = MonthMeta { month: month(), etl_date: month().first_day(), labels: &rules.labels, provenance };
    if let Ok(table) = part.finish(meta) {
        let total: i128 = table.total.iter().map(|seconds| i128::from(*seconds)).sum();
        assert_eq!(table.ledger.n_seconds(), total);
    }
}

fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let n_records = input.int_in_range(0..=40)?;
    let records: Vec<Record> = (0..n_records).map(|_| record(input)).collect::<Result<_>>()?;
    let cuts = [input.choose_index(records.len() + 1)?, input.choose_index(records.len() + 1)?];
    let (first, last) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
    let cut = [&records[..first], &records[first..last], &records[last..]];
    let parts: Option<Vec<Partial>> = cut.iter().zip(0..).map(|(records, part)| partial(records, part, 3)).collect();
    let Some(mut parts) = parts else { return Ok(()) };
    check_laws(&parts);
    if let (Ok(merged), Some(whole)) = (merge_all(parts.clone()), partial(&records, 0, 1)) {
        assert_eq!(merged, whole);
        check_finish(whole);
    }
    for _ in 0..input.int_in_range(1..=3)? {
        damage(&mut parts[input.choose_index(3)?], input)?;
    }
    let are_sound = parts.iter().all(|part| part.validate(month()).is_ok());
    if parts.iter().all(|part| part.days.len() == part.n_rows())
        && let Ok(merged) = merge_all(parts)
        && are_sound
    {
        assert_eq!(merged.validate(month()), Ok(()));
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    // Too few bytes for all that was asked of them are no case.
    let _ = check(&mut Unstructured::new(bytes));
});
