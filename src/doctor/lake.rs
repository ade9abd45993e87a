//! What a run would say of a lake, from the names of its files and their first and last bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{Area, Check, Verdict};
use crate::cli::plan::{DoctorPlan, LakePlan, MissingDays};
use crate::diagnosis::{self, Diagnosis};
use crate::engine::calendar::Day;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, LedgerDetail};
use crate::engine::odd::MedianDay;
use crate::engine::rules::RecordRules;
use crate::engine::scan::reject::{RejectLimit, Rejects};
use crate::error::{DataError, Error};
use crate::gate::{self, Evidence, Limits, Refusal, WarningPolicy};
use crate::lake::ends::{END_BYTES, Ends};
use crate::lake::{Compression, DataFile, Duplicates, EQUAL_ENDS, Format, Lake, Listing};
use crate::timing::today;
use crate::transform::{self, TransformOptions};
use crate::units::{counted, date_runs, dates, grouped, size};

/// Files whose ends are in memory at once.
const BATCH_FILES: usize = 256;

/// Rejected records that are kept: examples are shown of two.
const MAX_REJECTS: usize = 100_000;

/// Most files that are told of one by one.
const SHOWN_FILES: usize = 10;

/// Median of the bytes of a day from which on days are held against it.
const MIN_MEDIAN_BYTES: u64 = 2 * END_BYTES as u64;

/// Zeros at the end of a file that are not there by chance.
const MIN_ZEROS: usize = 16;

/// Looks at the lake of the plan.
pub(super) fn examine(plan: &DoctorPlan, of_lake: &LakePlan) -> Vec<Check> {
    let listed = Lake::inspect(&of_lake.inputs, &of_lake.options).and_then(|lake| Ok((lake.list()?, lake)));
    let (listing, lake) = match listed {
        Ok(listed) => listed,
        Err(error) => return vec![Check::bad(Area::Lake, "lake", Verdict::Failed, &error)],
    };
    let n_bytes = listing.files.iter().map(|file| file.n_bytes).sum();
    let n_files = counted(listing.files.len() as u64, "file");
    let found = format!("month {}: {n_files}, {}", listing.month, size(n_bytes));
    let mut checks = vec![Check::good(Area::Lake, "lake", found)];
    let verdict = verdict_of_warnings(&plan.limits);
    checks.extend(lake.warnings().into_iter().map(|text| warned("lake", verdict, text)));
    let look = Look::at(&lake, &listing, plan);
    checks.extend(look.readings());
    checks.extend(look.contents(&listing, &plan.limits));
    checks.extend(look.missing_days(&listing, of_lake.missing_days));
    if of_lake.options.list.duplicates == Duplicates::Refuse {
        checks.extend(look.equal_files(&listing, &plan.limits));
    }
    checks
}

/// What a warning is under these limits.
fn verdict_of_warnings(limits: &Limits) -> Verdict {
    match limits.warnings {
        WarningPolicy::Refuse if !limits.let_all_pass() => Verdict::Failed,
        WarningPolicy::Publish | WarningPolicy::Refuse => Verdict::Warning,
    }
}

fn warned(what: &str, verdict: Verdict, found: String) -> Check {
    let area = if what == "lake" { Area::Lake } else { Area::Data };
    Check { area, what: what.into(), verdict, found, advice: None }
}

/// All that was seen of the files of a month.
struct Look<'a> {
    rules: &'a RecordRules,
    detail: LedgerDetail,
    rejects: Rejects,
    /// What files are that are something else, by name.
    known: BTreeMap<String, Diagnosis>,
    /// The files that could be read, compressed as they say themselves.
    files: Vec<DataFile>,
    /// Size and both ends of each file, as one number; files are named by their place in the listing.
    prints: Vec<(usize, [u8; 32])>,
    /// Files with zeros at their end that no record shows.
    with_zeros: Vec<String>,
    failed: Vec<Error>,
    failed_days: BTreeSet<Day>,
    /// The canonical names of files that were not read whole.
    sampled: BTreeSet<String>,
    /// Words for nothing that are contracts.
    null_contracts: BTreeSet<&'static str>,
}

impl<'a> Look<'a> {
    fn at(lake: &Lake, listing: &Listing, plan: &'a DoctorPlan) -> Look<'a> {
        let options = TransformOptions {
            month: listing.month,
            etl_date: today(),
            rules: plan.rules.clone(),
            n_threads: 1,
            ids: Ids::Any,
            devices: Devices::Ignored,
            max_rejects_kept: MAX_REJECTS,
        };
        let mut look = Look {
            rules: &plan.rules.record,
            detail: LedgerDetail::default(),
            rejects: Rejects::new(RejectLimit::new(MAX_REJECTS)),
            known: BTreeMap::new(),
            files: Vec::new(),
            prints: Vec::new(),
            with_zeros: Vec::new(),
            failed: Vec::new(),
            failed_days: BTreeSet::new(),
            sampled: BTreeSet::new(),
            null_contracts: BTreeSet::new(),
        };
        for (batch, files) in listing.files.chunks(BATCH_FILES).enumerate() {
            let mut ends = Vec::new();
            for (place, file) in files.iter().enumerate() {
                match lake.ends(file) {
                    Ok(of_file) => {
                        look.note(batch * BATCH_FILES + place, &of_file);
                        ends.push(of_file);
                    }
                    Err(error) => look.fail(file.day, error.into()),
                }
            }
            look.scan(ends, &options);
        }
        look
    }

    fn fail(&mut self, day: Day, error: Error) {
        self.failed_days.insert(day);
        self.failed.push(error);
    }

    fn note(&mut self, place: usize, ends: &Ends) {
        if !ends.is_whole {
            self.sampled.insert(ends.file.canonical_uri());
        }
        self.files.push(ends.file.clone());
        if let Some(diagnosis) = diagnosis::of_head(&ends.head) {
            self.known.insert(ends.file.uri.clone(), diagnosis);
        }
        self.prints.push((place, ends.print()));
        if has_hidden_zeros(ends) {
            self.with_zeros.push(ends.file.uri.clone());
        }
    }

    /// Counts the records in the ends of files; one whose header is wrong is told and passed over.
    fn scan(&mut self, mut ends: Vec<Ends>, options: &TransformOptions) {
        loop {
            match transform::scan_ends(&ends, options) {
                Ok(made) => {
                    self.rejects.absorb(made.rejects);
                    self.null_contracts.extend(gate::null_contracts(&made.table.contracts));
                    if let Err(conflict) = self.detail.merge(made.table.detail) {
                        self.failed.push(gate::Imbalance { what: conflict.to_string() }.into());
                    }
                    return;
                }
                Err(error) => {
                    let of_header = match &error {
                        Error::Data(DataError::Header { file, .. }) => {
                            ends.iter().position(|ends| ends.file.uri == *file)
                        }
                        _ => None,
                    };
                    let Some(place) = of_header else { return self.failed.push(error) };
                    self.fail(ends[place].file.day, error);
                    ends.remove(place);
                }
            }
        }
    }

    /// Whether all files were read whole.
    fn is_whole(&self) -> bool {
        self.sampled.is_empty()
    }

    /// How the files could be read.
    fn readings(&self) -> Vec<Check> {
        if self.failed.is_empty() {
            let what = if self.is_whole() { "every byte" } else { "the first and last 64 KiB of each file" };
            return vec![Check::good(Area::Lake, "reading", what)];
        }
        let check = |error: &Error| {
            let area = if matches!(error, Error::Data(_)) { Area::Data } else { Area::Lake };
            Check::bad(area, "reading", Verdict::Failed, error)
        };
        let mut checks: Vec<Check> = self.failed.iter().take(SHOWN_FILES).map(check).collect();
        if let Some(n_more @ 1..) = self.failed.len().checked_sub(SHOWN_FILES) {
            let found = format!("and {} more", counted(n_more as u64, "file"));
            checks.push(warned("reading", Verdict::Failed, found));
        }
        checks
    }

    /// What the gate of a run would say of the records that were seen.
    fn contents(&self, listing: &Listing, limits: &Limits) -> Vec<Check> {
        let (month, detail) = (listing.month, &self.detail);
        let total = detail.total();
        let evidence = Evidence::of_scan(&self.files, &self.rejects, self.rules.source)
            .knowing(&self.known)
            .of_samples(self.sampled.clone())
            .with_similar_apps(self.rules.similar_apps(total.unmapped_app.keys()));
        let mut checks = Vec::new();
        let lenient = Limits { warnings: WarningPolicy::Publish, ..*limits };
        let is_nothing = total.read == 0 && !self.failed.is_empty();
        match gate::check_limits(month, detail, &lenient, &[], &evidence) {
            Err(refusal) if !is_nothing => checks.push(refused(*refusal)),
            _ => {
                let seen = format!("{} of {} seen are kept", grouped(total.kept), counted(total.read, "record"));
                checks.push(Check::good(Area::Data, "records", seen));
            }
        }
        let verdict = verdict_of_warnings(limits);
        let is_sure = |warning: &gate::Warning| self.is_whole() || warning.kind != "odd_day";
        let null_words: Vec<&str> = self.null_contracts.iter().copied().collect();
        let warnings = gate::warnings(month, detail, limits, &evidence).into_iter().filter(is_sure);
        let warnings = warnings.chain(gate::warn_of_null_contracts(&null_words));
        checks.extend(warnings.map(|warning| warned("records", verdict, warning.text)));
        if !self.is_whole() {
            checks.extend(odd_days_by_size(listing).map(|text| warned("days", verdict, text)));
        }
        if !self.with_zeros.is_empty() {
            let names = self.with_zeros.iter().take(SHOWN_FILES).cloned().collect::<Vec<_>>().join(", ");
            let more = match self.with_zeros.len().saturating_sub(SHOWN_FILES) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let found = format!("NUL bytes stand where records were not written in {names}{more}");
            let advice = Some("fetch it again where it is not as it was written".to_owned());
            checks.push(Check { advice, ..warned("ends", verdict, found) });
        }
        checks
    }

    /// Days without a record.
    fn missing_days(&self, listing: &Listing, policy: MissingDays) -> Option<Check> {
        let mut days = gate::missing_days(listing.month, &self.detail, today());
        days.retain(|day| !self.failed_days.contains(day));
        if days.is_empty() {
            return None;
        }
        let (verdict, advice) = match policy {
            MissingDays::Report => {
                (Verdict::Warning, "these days will be missing in the month; --require-all-days makes that an error")
            }
            MissingDays::Refuse => {
                (Verdict::Failed, "bring these days into the lake, or run without --require-all-days")
            }
        };
        let found = format!("no record of {}", date_runs(listing.month, &days));
        Some(Check { area: Area::Lake, what: "days".into(), verdict, found, advice: Some(advice.into()) })
    }

    /// Files of a day that are the same, as far as they were seen.
    fn equal_files(&self, listing: &Listing, limits: &Limits) -> Vec<Check> {
        let n_records = self.detail.n_records();
        let mut first: BTreeMap<(Day, u64, [u8; 32]), &DataFile> = BTreeMap::new();
        let mut checks = Vec::new();
        let files = self.prints.iter().filter_map(|(place, print)| Some((listing.files.get(*place)?, print)));
        for (file, print) in files.filter(|(file, _)| file.n_bytes > 0) {
            let key = (file.day, file.n_bytes, *print);
            let Some(one) = first.get(&key) else {
                first.insert(key, file);
                continue;
            };
            match gate::equal_files(&[[one, file]], EQUAL_ENDS, &n_records) {
                Ok(warnings) => {
                    let check = |warning: gate::Warning| warned("files", verdict_of_warnings(limits), warning.text);
                    checks.extend(warnings.into_iter().map(check));
                }
                Err(error) => checks.push(Check::bad(Area::Lake, "files", Verdict::Failed, &error)),
            }
        }
        checks.truncate(SHOWN_FILES);
        // Counts of a part of a file say little.
        let evidence = Evidence::of_scan(&self.files, &self.rejects, self.rules.source);
        let equal = if self.is_whole() { gate::equal_ledgers(&self.detail, &evidence) } else { None };
        checks.extend(equal.map(|warning| warned("files", verdict_of_warnings(limits), warning.text)));
        checks
    }
}

/// A limit that is passed.
fn refused(refusal: Refusal) -> Check {
    // A run would write the rejects down; the doctor writes nothing.
    let refusal = Refusal { sees_records: false, ..refusal };
    let texts = refusal.breaches.iter().map(|breach| breach.text.clone());
    let found = texts.chain(refusal.examples.iter().map(ToString::to_string)).collect::<Vec<_>>().join("; ");
    let advice = Some(refusal.advice());
    Check { area: Area::Data, what: "records".into(), verdict: Verdict::Failed, found, advice }
}

/// Whether a plain file ends in zeros that are in none of the records seen: in those they are counted as in a run.
fn has_hidden_zeros(ends: &Ends) -> bool {
    let n_zeros = ends.tail.iter().rev().take_while(|byte| **byte == 0).count();
    let is_read = ends.tail.contains(&b'\n') && (ends.file.format == Format::Ndjson || !ends.tail.contains(&b'"'));
    ends.file.compression == Compression::None && !ends.is_whole && !is_read && n_zeros >= MIN_ZEROS
}

/// Days whose files have far fewer or far more bytes than those of others, where all are written and compressed alike.
fn odd_days_by_size(listing: &Listing) -> impl Iterator<Item = String> {
    let kinds: BTreeSet<_> = listing.files.iter().map(|file| (file.format as u8, file.compression as u8)).collect();
    let mut by_day: BTreeMap<Day, u64> = BTreeMap::new();
    listing.files.iter().for_each(|file| *by_day.entry(file.day).or_default() += file.n_bytes);
    let median = MedianDay::of(by_day.values().copied(), MIN_MEDIAN_BYTES);
    let is_odd = move |n_bytes: u64| kinds.len() == 1 && median.odd(n_bytes).is_some();
    let month = listing.month;
    by_day.into_iter().filter(move |(_, n_bytes)| is_odd(*n_bytes)).map(move |(day, n_bytes)| {
        format!("{} has {}, the median day {}", dates(month, &[day]).concat(), size(n_bytes), size(median.amount))
    })
}
