//! What is odd about a month that is let through all the same. A good month gives no warning.

use std::collections::BTreeMap;

use super::{Evidence, Limits, is_small_day, named, share};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{DayLedger, Fact, FileLedger, LedgerDetail, Reason, RecordCounts};
use crate::engine::month::Contracts;
use crate::engine::odd::{MIN_MEDIAN_RECORDS, MedianDay, REJECTING_DAY};
use crate::units::{counted, dates, grouped, most_frequent, size};

/// Share of records with an app in no category that is worth a word.
const UNMAPPED_SHARE: f64 = 0.01;

/// Fewest records of a file that are all rejected by no chance.
const MIN_UNKEPT_RECORDS: u64 = 10;

/// Length of a malformed record that is worth a word.
const LONG_RECORD_BYTES: u64 = 1 << 20;

/// Something that is not as it should be, although nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A word for machines.
    pub kind: &'static str,
    /// One line.
    pub text: String,
}

/// The warnings that follow from the counts of a month, with examples out of `evidence`.
pub fn warnings(month: Month, detail: &LedgerDetail, limits: &Limits, evidence: &Evidence<'_>) -> Vec<Warning> {
    let days = detail.by_day();
    let mut warnings = rejecting_days(month, detail, &days, limits, evidence);
    warnings.extend(odd_days(month, &days));
    warnings.extend(unmapped_apps(detail, evidence));
    warnings.extend(facts(&detail.files, evidence));
    warnings.extend(unkept_files(detail, &days, limits, evidence));
    warnings.extend(long_records(&detail.files, evidence));
    warnings.extend(zeros(&detail.files, evidence));
    warnings.extend(empty_files(&detail.files, evidence));
    warnings.extend(cut_off_files(&detail.files, evidence));
    warnings
}

/// Days of which too much was rejected, but too few to refuse the month.
fn rejecting_days(
    month: Month,
    detail: &LedgerDetail,
    days: &BTreeMap<Day, DayLedger>,
    limits: &Limits,
    evidence: &Evidence<'_>,
) -> Vec<Warning> {
    let over = days.iter().filter(|(day, of)| {
        // A day that keeps nothing is refused.
        of.counts.kept > 0
            && of.counts.reject_ratio() > limits.max_reject_ratio
            && is_small_day(detail, **day, of, evidence)
    });
    let warning = |(day, of): (&Day, &DayLedger)| {
        let files: Vec<&FileLedger> =
            detail.files.iter().filter(|file| file.file.day == *day && file.counts.n_bad() > 0).collect();
        let example = evidence.examples(&files).into_iter().next();
        let example = example.map_or_else(String::new, |example| format!("; {example}"));
        let date = dates(month, &[*day]).concat();
        let text = format!("{date} has {} rejected{example}", share(&of.counts, Reason::counts_against_limit));
        Warning { kind: REJECTING_DAY, text }
    };
    over.map(warning).collect()
}

fn median_day(days: &BTreeMap<Day, DayLedger>) -> MedianDay {
    MedianDay::of(days.values().map(|day| day.counts.read), MIN_MEDIAN_RECORDS)
}

/// Days with far less or far more records than the others.
fn odd_days(month: Month, days: &BTreeMap<Day, DayLedger>) -> Vec<Warning> {
    let median = median_day(days);
    let odd = days.iter().filter(|(_, of)| median.odd(of.counts.read).is_some());
    let text = |(day, of): (&Day, &DayLedger)| {
        let date = dates(month, &[*day]).concat();
        format!("{date} has {}, the median day {}", counted(of.counts.read, "record"), grouped(median.amount))
    };
    odd.map(|day| Warning { kind: "odd_day", text: text(day) }).collect()
}

fn unmapped_apps(detail: &LedgerDetail, evidence: &Evidence<'_>) -> Option<Warning> {
    let ledger = detail.total();
    let n_unmapped = ledger.n_rejected_for(Reason::UnmappedApp);
    let is_much = ledger.read > 0 && n_unmapped as f64 > ledger.read as f64 * UNMAPPED_SHARE;
    is_much.then(|| {
        let percent = n_unmapped as f64 / ledger.read as f64 * 100.0;
        let apps = most_frequent(&ledger.unmapped_app, &evidence.similar_apps);
        let records = counted(n_unmapped, "record");
        Warning {
            kind: "unmapped_app",
            text: format!("the app of {records} ({percent:.2} %) is in no category: {apps}"),
        }
    })
}

/// What was noted of files while they were read.
fn facts(files: &[FileLedger], evidence: &Evidence<'_>) -> Vec<Warning> {
    let mut by_fact: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for FileLedger { file, .. } in files {
        let name = || evidence.name(file).to_owned();
        let places = [
            file.open_quote().map(|_| "a quote in it is never closed"),
            file.swallowed_rows().map(|_| "a quoted field in it holds whole rows"),
            file.place_of(Fact::SameHeader).map(|_| "its header stands among the rows too"),
            file.place_of(Fact::OtherHeader).map(|_| "a header with other places of the columns stands among the rows"),
        ];
        for fact in places.into_iter().flatten().chain(file.oddities()) {
            by_fact.entry(fact).or_default().push(name());
        }
    }
    let warning =
        |(fact, names): (&str, Vec<String>)| Warning { kind: "file", text: format!("{}: {fact}", named(names)) };
    by_fact.into_iter().map(warning).collect()
}

/// Files of some records of which none is kept, on days that keep others. Those that are nothing but malformed are refused,
/// where anything is.
fn unkept_files(
    detail: &LedgerDetail,
    days: &BTreeMap<Day, DayLedger>,
    limits: &Limits,
    evidence: &Evidence<'_>,
) -> Option<Warning> {
    let is_unkept = |FileLedger { file, counts }: &&FileLedger| {
        counts.kept == 0
            && counts.read >= MIN_UNKEPT_RECORDS
            && counts.n_rejected_for(Reason::Excluded) == 0
            && (limits.let_all_pass() || counts.n_rejected_for(Reason::Malformed) < counts.read)
            && days.get(&file.day).is_some_and(|of| of.counts.kept > 0)
    };
    let text = |of: &FileLedger| format!("{} ({})", evidence.name(&of.file), share(&of.counts, |_| true));
    let names: Vec<String> = detail.files.iter().filter(is_unkept).map(text).collect();
    let text = || format!("no record is kept of {}", named(names.iter().cloned()));
    (!names.is_empty()).then(|| Warning { kind: "unkept_file", text: text() })
}

/// Contracts that mean that there is none, in data that says so by a word.
const NULL_WORDS: [&str; 15] = [
    "#N/A",
    "(null)",
    "<null>",
    "N/A",
    "NA",
    "NONE",
    "NULL",
    "NaN",
    "None",
    "Null",
    "\\N",
    "n/a",
    "nan",
    "null",
    "undefined",
];

/// Customers who are none, but a word for a value that is missing; they are in no file of the sample.
pub fn null_contracts(contracts: &Contracts) -> Vec<&'static str> {
    NULL_WORDS.into_iter().filter(|word| contracts.find(word).is_some()).collect()
}

/// The warning for customers of such names.
pub fn warn_of_null_contracts(words: &[&str]) -> Option<Warning> {
    let list = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let text = || {
        format!(
            "a customer is named {list}, as a missing contract is written; --exclude-contract leaves such records out"
        )
    };
    (!words.is_empty()).then(|| Warning { kind: "null_contract", text: text() })
}

/// Files with a malformed record that is far longer than any record: many lost their line ends there, or it is something
/// else.
fn long_records(files: &[FileLedger], evidence: &Evidence<'_>) -> Option<Warning> {
    let is_long = |file: &&FileLedger| file.counts.bytes.longest_malformed > LONG_RECORD_BYTES;
    let text =
        |file: &FileLedger| format!("{} ({})", evidence.name(&file.file), size(file.counts.bytes.longest_malformed));
    let names: Vec<String> = files.iter().filter(is_long).map(text).collect();
    let text = || format!("a malformed record is as long as many records in {}", named(names.iter().cloned()));
    (!names.is_empty()).then(|| Warning { kind: "long_record", text: text() })
}

/// Files with NUL bytes in place of records, as those have that were made in full length and not written to their end.
fn zeros(files: &[FileLedger], evidence: &Evidence<'_>) -> Option<Warning> {
    let has_zeros = |file: &&FileLedger| file.counts.bytes.nul > 0;
    let text = |file: &FileLedger| format!("{} ({} of them)", evidence.name(&file.file), size(file.counts.bytes.nul));
    let names: Vec<String> = files.iter().filter(has_zeros).map(text).collect();
    let text = || format!("NUL bytes stand where records were not written in {}", named(names.iter().cloned()));
    (!names.is_empty()).then(|| Warning { kind: "nul_bytes", text: text() })
}

/// Files without a record where no other file of their folder and day has one.
fn empty_files(files: &[FileLedger], evidence: &Evidence<'_>) -> Option<Warning> {
    let place =
        |file: &FileLedger| (file.file.uri.rsplit_once('/').map(|(folder, _)| folder.to_owned()), file.file.day);
    let mut n_records: BTreeMap<_, u64> = BTreeMap::new();
    files.iter().for_each(|file| *n_records.entry(place(file)).or_default() += file.counts.read);
    let is_alone = |file: &&FileLedger| n_records.get(&place(file)).is_none_or(|n| *n == 0);
    let names: Vec<String> = files.iter().filter(is_alone).map(|file| evidence.name(&file.file).to_owned()).collect();
    let what = if names.len() == 1 { "has no record" } else { "have no record" };
    (!names.is_empty()).then(|| Warning { kind: "empty_file", text: format!("{} {what}", named(names)) })
}

/// Files whose last record is cut off, as those are that somebody still writes or that came in part.
fn cut_off_files(files: &[FileLedger], evidence: &Evidence<'_>) -> Option<Warning> {
    let is_malformed = |file: &&FileLedger| file.counts.n_rejected_for(Reason::Malformed) > 0;
    let malformed: Vec<&FileLedger> = files.iter().filter(is_malformed).collect();
    let names = evidence.cut_off(&malformed);
    let what = if names.len() == 1 { "ends within a record" } else { "end within a record" };
    let text = || format!("{} {what}: the rest of the file may be missing", named(names.iter().cloned()));
    (!names.is_empty()).then(|| Warning { kind: "cut_off", text: text() })
}

/// Files that are refused or warned of, and those of days that are.
pub fn standing_out<'a>(detail: &'a LedgerDetail, limits: &Limits) -> Vec<&'a FileLedger> {
    let days = detail.by_day();
    let median = median_day(&days);
    let is_over = |counts: &RecordCounts| counts.n_bad() > 0 && counts.reject_ratio() > limits.max_reject_ratio;
    let is_odd = |read: u64| median.odd(read).is_some();
    let is_told_day =
        |of: &DayLedger| of.counts.read > 0 && (of.counts.kept == 0 || is_over(&of.counts) || is_odd(of.counts.read));
    let is_told = |FileLedger { file, counts }: &&FileLedger| {
        !file.facts.is_empty() || counts.kept == 0 || is_over(counts) || days.get(&file.day).is_some_and(is_told_day)
    };
    detail.files.iter().filter(is_told).collect()
}

/// Days of the month, up to `today`, of which there is no record, ascending.
pub fn missing_days(month: Month, detail: &LedgerDetail, today: jiff::civil::Date) -> Vec<Day> {
    let days = detail.by_day();
    let has_records = |day: &Day| days.get(day).is_some_and(|of| of.counts.read > 0);
    month.days_until(today).filter(|day| !has_records(day)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nothing_are_found_among_contracts() {
        let check = |names: &[&str], expected: &[&str]| {
            let mut contracts = Contracts::EMPTY;
            names.iter().for_each(|name| contracts.push(name));
            assert_eq!(null_contracts(&contracts), expected, "{names:?}");
        };
        check(&[], &[]);
        check(&["0", "A1", "HN1", "NAM", "Nul", "null1"], &[]);
        check(&["(null)", "A1", "NA", "None", "\\N", "undefined"], &["(null)", "NA", "None", "\\N", "undefined"]);
        check(&NULL_WORDS, &NULL_WORDS);
        assert!(NULL_WORDS.is_sorted());
    }
}
