//! The gate before anything is published: the ledger balances, no limit is passed, and what was kept is worth a month.
//!
//! It reads counts that the scan has made anyway, by file, day and month. Data is looked at again only where something is
//! refused or warned of, to show an example and say what it is.

mod evidence;
mod refusal;
mod same;
mod warnings;

pub use evidence::{Evidence, Example};
pub use refusal::{Breach, BreachKind, Cause, Refusal};
pub use same::{equal_files, equal_ledgers};
pub use warnings::{Warning, missing_days, null_contracts, standing_out, warn_of_null_contracts, warnings};

use std::collections::BTreeSet;

use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{DayLedger, Fact, FileLedger, InputFile, Ledger, LedgerDetail, Reason, RecordCounts};
use crate::engine::month::{MonthTable, sum};
use crate::engine::rules::Category;
use crate::engine::scan::record::MAX_LINE_BYTES;
use crate::units::{counted, dates, grouped, most_frequent, size};

/// Fewest rejected records for which a day or a file is refused by itself.
const MIN_REJECTED: u64 = 3;

/// Fewest bytes of malformed records for which a file is refused by itself.
const MIN_MALFORMED_BYTES: u64 = 64 << 10;

/// The same for the longest of them, where that is as long as [`MANY_RECORDS`] others.
const MIN_LONG_RECORD_BYTES: u64 = 4 << 10;

/// As many records as no malformed one is by chance.
const MANY_RECORDS: u64 = 8;

/// What lets a month through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Largest fraction of records that may be rejected: of the month, and of each larger day and file. With 1 everything
    /// passes that was read, whatever the other limits are, and an empty month too.
    pub max_reject_ratio: f64,
    /// Largest fraction of records whose app is in no category.
    pub max_unmapped_ratio: f64,
    /// What a warning is.
    pub warnings: WarningPolicy,
}

/// What a warning is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WarningPolicy {
    /// A word about a month that is published.
    #[default]
    Publish,
    /// Enough to refuse it.
    Refuse,
}

impl Limits {
    /// Whether everything passes that was read.
    pub fn let_all_pass(&self) -> bool {
        self.max_reject_ratio >= 1.0
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_reject_ratio: 0.05, max_unmapped_ratio: 1.0, warnings: WarningPolicy::default() }
    }
}

/// Lets a month through that passes no limit, and of which nothing is warned where that is enough to refuse it.
///
/// # Errors
/// A [`Refusal`], with examples out of `evidence`.
pub fn check_limits(
    month: Month,
    detail: &LedgerDetail,
    limits: &Limits,
    warnings: &[&str],
    evidence: &Evidence<'_>,
) -> Result<(), Box<Refusal>> {
    if limits.let_all_pass() {
        return Ok(());
    }
    let judge = Judge { month, detail, ledger: detail.total(), limits, evidence };
    let mut breaches = judge.breaches();
    breaches.extend(denied(limits.warnings, warnings));
    if breaches.is_empty() {
        return Ok(());
    }
    let examples = evidence.examples(&judge.scope(&breaches));
    Err(Box::new(Refusal { breaches, examples, sees_records: evidence.sees_records() }))
}

/// Refuses what more is warned of than the limits have seen, where that is enough: a lake of which no record was read yet,
/// or a month that has passed.
///
/// # Errors
/// A [`Refusal`] without examples.
pub fn check_warnings(policy: WarningPolicy, warnings: &[&str]) -> Result<(), Box<Refusal>> {
    match denied(policy, warnings) {
        None => Ok(()),
        Some(breach) => Err(Box::new(Refusal { breaches: vec![breach], examples: Vec::new(), sees_records: false })),
    }
}

/// Warnings that are as good as errors.
fn denied(policy: WarningPolicy, warnings: &[&str]) -> Option<Breach> {
    if policy == WarningPolicy::Publish || warnings.is_empty() {
        return None;
    }
    let texts = warnings.iter().map(|warning| (*warning).to_owned());
    let text = format!("warnings are denied: {}", named(texts));
    Some(Breach { kind: BreachKind::Warned, text, files: Vec::new() })
}

/// What becomes of days over the limit that have few records.
#[derive(Clone, Copy, PartialEq)]
enum SmallDays {
    /// They pass, with a warning.
    Passed,
    /// They are named, as the month is refused.
    Named,
}

/// Whether a day has too few records for the limit to hold by itself.
fn is_small_day(detail: &LedgerDetail, day: Day, of: &DayLedger, evidence: &Evidence<'_>) -> bool {
    is_small(&of.counts, evidence.min_records(detail.files.iter().filter(|file| file.file.day == day)))
}

/// Whether records are too few, or too few of them rejected, for the limit to hold by itself.
fn is_small(counts: &RecordCounts, min_records: u64) -> bool {
    counts.read < min_records || counts.n_bad() < MIN_REJECTED
}

/// What is held against what.
struct Judge<'a> {
    month: Month,
    detail: &'a LedgerDetail,
    /// Of the whole month.
    ledger: Ledger,
    limits: &'a Limits,
    evidence: &'a Evidence<'a>,
}

impl Judge<'_> {
    fn breaches(&self) -> Vec<Breach> {
        let mut breaches: Vec<Breach> =
            self.open_quotes().into_iter().chain(self.swallowed_rows()).chain(self.other_headers()).collect();
        let of_month = self.month_over();
        // Nothing is said of a small day by itself; where it is a part of what is refused it is named.
        let small_days = if of_month.is_some() { SmallDays::Named } else { SmallDays::Passed };
        breaches.extend(of_month.or_else(|| self.nothing_kept()));
        // What is wrong with each day need not be said of all.
        if self.ledger.kept > 0 {
            breaches.extend(
                self.malformed_files()
                    .into_iter()
                    .chain(self.archives())
                    .chain(self.empty_days())
                    .chain(self.over(small_days)),
            );
        }
        breaches.extend(self.long_records());
        breaches.extend(self.unmapped());
        breaches
    }

    fn files(&self) -> &[FileLedger] {
        &self.detail.files
    }

    fn open_quotes(&self) -> Option<Breach> {
        let what = "a quote is opened that is never closed, so all after it is one record";
        self.places(BreachKind::OpenQuote, what, InputFile::open_quote)
    }

    fn swallowed_rows(&self) -> Option<Breach> {
        let what = "a quote is opened whose field holds whole rows, so they are one record";
        self.places(BreachKind::OpenQuote, what, InputFile::swallowed_rows)
    }

    fn other_headers(&self) -> Option<Breach> {
        let what = "another header stands among the rows, and those after it have their columns in other places";
        self.places(BreachKind::OtherHeader, what, |file| file.place_of(Fact::OtherHeader))
    }

    /// The files that have such a place, with it.
    fn places(&self, kind: BreachKind, what: &str, place: impl Fn(&InputFile) -> Option<u64>) -> Option<Breach> {
        let found = self.files().iter().filter_map(|file| Some((file, place(&file.file)?)));
        let (files, places): (Vec<&FileLedger>, Vec<u64>) = found.unzip();
        let texts = files.iter().zip(places).map(|(file, offset)| self.evidence.place(&file.file, offset));
        Breach::of(kind, &files, |_| format!("{what}: {}", named(texts)))
    }

    /// Files of which a few malformed records take too much: each may be many that lost their line ends.
    fn long_records(&self) -> Option<Breach> {
        let limit = self.limits.max_reject_ratio;
        let is_over = |file: &&FileLedger| {
            let bytes = &file.counts.bytes;
            let is_much = bytes.malformed >= MIN_MALFORMED_BYTES || has_long_record(file);
            // Of the longest no more was seen than a part: it may be all of the file.
            let is_endless = bytes.longest_malformed >= MAX_LINE_BYTES as u64;
            let is_over = is_endless || bytes.malformed as f64 > n_content_bytes(file) as f64 * limit;
            is_much && is_over && !self.is_no_data(file)
        };
        let files: Vec<&FileLedger> = self.files().iter().filter(is_over).collect();
        Breach::of(BreachKind::Rejected, &files, |files| {
            let text = |file: &&FileLedger| {
                let (name, bytes) = (self.evidence.name(&file.file), &file.counts.bytes);
                let more = if bytes.longest_malformed >= MAX_LINE_BYTES as u64 { " or more" } else { "" };
                format!("{name} ({}{more} of {})", size(bytes.malformed), size(n_content_bytes(file)))
            };
            let limit = format!("malformed records take more than {:.2} % of the bytes", limit * 100.0);
            format!("{limit} of {}", named(files.iter().map(text)))
        })
    }

    fn nothing_kept(&self) -> Option<Breach> {
        let ledger = &self.ledger;
        if ledger.kept > 0 {
            return None;
        }
        let all: Vec<&FileLedger> = self.files().iter().collect();
        let files = counted(self.files().len() as u64, "file");
        let text = match ledger.read {
            0 => format!("no record is in the {files} of {}", self.month),
            n => format!(
                "no record of {} was kept: {} of {} records were rejected: {}{}; in {}",
                self.month,
                grouped(ledger.n_rejected()),
                grouped(n),
                reasons(|reason| ledger.n_rejected_for(reason), |_| true),
                self.apps(),
                self.names(&all),
            ),
        };
        let kind = BreachKind::NothingKept(Cause::of(|reason| ledger.n_rejected_for(reason)));
        Some(Breach { kind, text, files: uris(&all) })
    }

    fn month_over(&self) -> Option<Breach> {
        let (ledger, limit) = (&self.ledger, self.limits.max_reject_ratio);
        if ledger.reject_ratio() <= limit {
            return None;
        }
        let bad: u64 = Reason::ALL.iter().filter(|r| r.counts_against_limit()).map(|r| ledger.n_rejected_for(*r)).sum();
        let files: Vec<&FileLedger> = self.files().iter().filter(|file| file.counts.n_bad() > 0).collect();
        let none_kept = match ledger.kept {
            0 => format!("; no record of {} was kept; in {}", self.month, self.names(&files)),
            _ => String::new(),
        };
        let text = format!(
            "{} of {} records were rejected ({:.2} %), the limit is {:.2} %: {}{none_kept}",
            grouped(bad),
            grouped(ledger.read),
            ledger.reject_ratio() * 100.0,
            limit * 100.0,
            reasons(|reason| ledger.n_rejected_for(reason), Reason::counts_against_limit),
        );
        Some(Breach { kind: BreachKind::Rejected, text, files: uris(&files) })
    }

    /// Files that hold no record at all but something else.
    fn malformed_files(&self) -> Option<Breach> {
        let files: Vec<&FileLedger> = self.files().iter().filter(|file| self.is_no_data(file)).collect();
        Breach::of(BreachKind::Malformed, &files, |files| {
            let name = |file: &&FileLedger| {
                format!("{} ({})", self.evidence.name(&file.file), counted(file.counts.read, "record"))
            };
            format!("every record is malformed in {}", named(files.iter().map(name)))
        })
    }

    /// Files that are no text, though some of their lines are records.
    fn archives(&self) -> Option<Breach> {
        let kind = |file: &FileLedger| file.file.no_text().filter(|_| !self.is_no_data(file)).map(str::to_owned);
        let found = self.files().iter().filter_map(|file| Some((file, kind(file)?)));
        let (files, kinds): (Vec<&FileLedger>, Vec<String>) = found.unzip();
        let texts = files.iter().zip(kinds).map(|(file, kind)| format!("{} ({kind})", self.evidence.name(&file.file)));
        Breach::of(BreachKind::Malformed, &files, |_| format!("what should be text is none: {}", named(texts)))
    }

    /// Days that have records and keep none, unless their files have been named already.
    fn empty_days(&self) -> Option<Breach> {
        let days = self.detail.by_day();
        let days: Vec<_> = days.iter().filter(|(_, day)| day.counts.read > 0 && day.counts.kept == 0).collect();
        let is_empty =
            |file: &&FileLedger| days.iter().any(|(day, _)| **day == file.file.day) && !self.is_no_data(file);
        let files: Vec<&FileLedger> =
            self.files().iter().filter(is_empty).filter(|file| file.counts.read > 0).collect();
        let named_days: BTreeSet<_> = files.iter().map(|file| file.file.day).collect();
        let cause = Cause::of(|reason| files.iter().map(|file| file.counts.n_rejected_for(reason)).sum());
        Breach::of(BreachKind::NothingKept(cause), &files, |_| {
            let text = |(day, of_day): &(_, &DayLedger)| self.day_text(*day, &of_day.counts, |_| true);
            let days = days.iter().filter(|(day, _)| named_days.contains(day)).map(|(day, of)| (**day, *of));
            let apps = if cause == Cause::Unmapped { self.apps() } else { String::new() };
            format!("no record was kept of {}{apps}", named(days.map(|day| text(&day))))
        })
    }

    /// Days over the limit, and larger files over it.
    fn over(&self, small_days: SmallDays) -> Vec<Breach> {
        let is_over = |counts: &RecordCounts| counts.reject_ratio() > self.limits.max_reject_ratio;
        let by_day = self.detail.by_day();
        let is_named = |day: Day, of: &DayLedger| {
            of.counts.kept > 0 && (small_days == SmallDays::Named || !is_small_day(self.detail, day, of, self.evidence))
        };
        let days: Vec<_> = by_day.iter().filter(|(day, of)| is_over(&of.counts) && is_named(**day, of)).collect();
        let of_days: Vec<&FileLedger> =
            self.files().iter().filter(|file| days.iter().any(|(day, _)| **day == file.file.day)).collect();
        let is_large = |file: &FileLedger| !is_small(&file.counts, self.evidence.min_records([file].into_iter()));
        let files: Vec<&FileLedger> = self
            .files()
            .iter()
            .filter(|file| is_over(&file.counts) && is_large(file) && !self.is_no_data(file))
            .collect();
        let limit = format!("more than {:.2} % of the records were rejected", self.limits.max_reject_ratio * 100.0);
        let days = Breach::of(BreachKind::Rejected, &of_days, |_| {
            let text = days.iter().map(|(day, of)| self.day_text(**day, &of.counts, Reason::counts_against_limit));
            format!("{limit} of {}", named(text))
        });
        let files = Breach::of(BreachKind::Rejected, &files, |files| {
            let text = |file: &&FileLedger| {
                format!("{} ({})", self.evidence.name(&file.file), share(&file.counts, Reason::counts_against_limit))
            };
            format!("{limit} in {}", named(files.iter().map(text)))
        });
        days.into_iter().chain(files).collect()
    }

    fn unmapped(&self) -> Option<Breach> {
        let ledger = &self.ledger;
        let n_unmapped = ledger.n_rejected_for(Reason::UnmappedApp);
        let ratio = if ledger.read == 0 { 0.0 } else { n_unmapped as f64 / ledger.read as f64 };
        if ratio <= self.limits.max_unmapped_ratio {
            return None;
        }
        let files: Vec<&FileLedger> =
            self.files().iter().filter(|file| file.counts.n_rejected_for(Reason::UnmappedApp) > 0).collect();
        let text = format!(
            "the app of {} of {} records is in no category ({:.2} %), the limit is {:.2} %{}",
            grouped(n_unmapped),
            grouped(ledger.read),
            ratio * 100.0,
            self.limits.max_unmapped_ratio * 100.0,
            self.apps(),
        );
        Some(Breach { kind: BreachKind::Unmapped, text, files: uris(&files) })
    }

    /// The most frequent apps without a category, for a message.
    fn apps(&self) -> String {
        match self.ledger.unmapped_app.is_empty() {
            true => String::new(),
            false => {
                let apps = most_frequent(&self.ledger.unmapped_app, &self.evidence.similar_apps);
                format!("; apps in no category: {apps}")
            }
        }
    }

    /// Whether the file has bytes, and none of them are a record.
    fn is_no_data(&self, file: &FileLedger) -> bool {
        let FileLedger { file, counts } = file;
        let n_malformed = counts.n_rejected_for(Reason::Malformed);
        // Where the fields stand at the top each object is a record, one without a contract.
        let is_without_contract = || n_malformed + counts.n_rejected_for(Reason::NoContract) == counts.read;
        counts.read > 0 && (n_malformed == counts.read || (file.starts_as_no_data() && is_without_contract()))
    }

    fn names(&self, files: &[&FileLedger]) -> String {
        named(files.iter().map(|file| self.evidence.name(&file.file).to_owned()))
    }

    fn day_text(&self, day: Day, counts: &RecordCounts, which: fn(Reason) -> bool) -> String {
        format!("{} ({})", dates(self.month, &[day]).concat(), share(counts, which))
    }

    /// The files that breaches are about.
    fn scope<'a>(&'a self, breaches: &[Breach]) -> Vec<&'a FileLedger> {
        let uris: BTreeSet<&str> = breaches.iter().flat_map(|breach| &breach.files).map(String::as_str).collect();
        self.files().iter().filter(|file| uris.contains(file.file.uri.as_str())).collect()
    }
}

/// Whether a malformed record is as long as many others: it may be as many that lost their line ends.
fn has_long_record(file: &FileLedger) -> bool {
    let counts = &file.counts;
    let (longest, malformed) = (counts.bytes.longest_malformed, counts.bytes.malformed);
    let n_others = counts.read - counts.rejected[Reason::Malformed as usize].min(counts.read);
    let of_others = n_content_bytes(file).saturating_sub(malformed);
    longest >= MIN_LONG_RECORD_BYTES && longest.saturating_mul(n_others) >= of_others.saturating_mul(MANY_RECORDS)
}

/// The bytes of a file, decompressed where that is known.
fn n_content_bytes(file: &FileLedger) -> u64 {
    match file.counts.bytes.content {
        0 => file.file.n_bytes_read(),
        n_bytes => n_bytes,
    }
}

fn uris(files: &[&FileLedger]) -> Vec<String> {
    files.iter().map(|file| file.file.uri.clone()).collect()
}

/// `reason count, …` of the reasons that are asked for and have a record.
fn reasons(n_rejected: impl Fn(Reason) -> u64, which: fn(Reason) -> bool) -> String {
    let counts = Reason::ALL.into_iter().filter(|reason| which(*reason)).map(|reason| (reason, n_rejected(reason)));
    let texts: Vec<String> = counts
        .filter(|(_, records)| *records > 0)
        .map(|(reason, records)| format!("{reason} {}", grouped(records)))
        .collect();
    texts.join(", ")
}

/// `58 of 1,000 records: malformed 50, no_app 8`.
fn share(counts: &RecordCounts, which: fn(Reason) -> bool) -> String {
    let n: u64 = Reason::ALL.into_iter().filter(|reason| which(*reason)).map(|r| counts.n_rejected_for(r)).sum();
    format!(
        "{} of {}: {}",
        grouped(n),
        counted(counts.read, "record"),
        reasons(|reason| counts.n_rejected_for(reason), which)
    )
}

/// The first ten, and how many more.
fn named(names: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<String> = names.into_iter().collect();
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}

/// A ledger that does not balance, which is a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger does not balance: {what}; nothing was published")]
pub struct Imbalance {
    /// The two sides that differ.
    pub what: String,
}

/// Every record is accounted for, and the table holds exactly the seconds of the kept ones.
///
/// # Errors
/// [`Imbalance`].
pub fn check_balance(table: &MonthTable) -> Result<(), Imbalance> {
    let Ledger { read, kept, .. } = table.ledger;
    let unequal = |what: String| Err(Imbalance { what });
    if !table.ledger.balances() {
        return unequal(format!("{read} read, but {kept} kept and {} rejected", table.ledger.n_rejected()));
    }
    for category in Category::ALL {
        let in_ledger = table.ledger.seconds[category as usize];
        let in_table = sum(&table.seconds[category as usize]);
        if in_ledger != in_table {
            let name = category.name();
            return unequal(format!("{in_ledger} seconds of {name} were kept, but the table has {in_table}"));
        }
    }
    let in_table = sum(&table.total);
    if table.ledger.n_seconds() != in_table {
        return unequal(format!("{} seconds were kept, but the table has {in_table}", table.ledger.n_seconds()));
    }
    let by_day: u64 = table.activity.iter().map(|day| day.records).sum();
    if kept != by_day {
        return unequal(format!("{kept} records were kept, but the days have {by_day}"));
    }
    Ok(())
}
