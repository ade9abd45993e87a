//! What is odd about a month that is let through all the same. A good month gives no warning.

use std::collections::BTreeMap;

use super::{Evidence, Limits, MIN_RECORDS, MIN_REJECTED, named, share};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{DayLedger, FileLedger, LedgerDetail, Reason, RecordCounts};
use crate::engine::odd::{MIN_MEDIAN_RECORDS, MedianDay, REJECTING_DAY};
use crate::units::{counted, dates, grouped, most_frequent};

/// Share of records with an app in no category that is worth a word.
const UNMAPPED_SHARE: f64 = 0.01;

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
    let is_small = |of: &DayLedger| of.counts.read < MIN_RECORDS || of.counts.n_bad() < MIN_REJECTED;
    let over = days.iter().filter(|(_, of)| {
        // A day that keeps nothing is refused.
        of.counts.kept > 0 && of.counts.reject_ratio() > limits.max_reject_ratio && is_small(of)
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
        match file.open_quote() {
            Some(_) => by_fact.entry("a quote in it is never closed").or_default().push(name()),
            None => file.oddities().for_each(|fact| by_fact.entry(fact).or_default().push(name())),
        }
    }
    let warning =
        |(fact, names): (&str, Vec<String>)| Warning { kind: "file", text: format!("{}: {fact}", named(names)) };
    by_fact.into_iter().map(warning).collect()
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
