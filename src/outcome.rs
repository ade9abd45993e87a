//! What a command gives on stdout: a table for people, or JSON.

use std::fmt;
use std::path::PathBuf;

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::audience::outcome::AudienceOutcome;
use crate::bench::Measured;
use crate::diff::Difference;
use crate::doctor::Diagnosis;
use crate::engine::calendar::{Day, Month};
use crate::generate::GenerateSummary;
use crate::lake::task::{self, Task};
use crate::lake::{Listing, PruneSummary, PullSummary, Skipped};
use crate::report::{Report, skipped_wire};
use crate::units::{counted, date_runs, dates, size};

mod columns;
mod months;
mod series;

pub use months::{Dropped, MonthList};
pub use series::{Fate, INTERRUPTED, Places, Series, Turn};

/// The result of a command that succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Of `run` and `transform`.
    Report(Box<Report>),
    /// Of `run` over many months.
    Series(Box<Series>),
    Extracted(Extracted),
    Generated(GenerateSummary),
    /// Of `merge`.
    Merged(Merged),
    Loaded(Loaded),
    Mart(MartBuilt),
    Dashboard(Dashboard),
    /// Of `drop`.
    Dropped(Dropped),
    Months(MonthList),
    /// Of `diff`.
    Difference(Box<Difference>),
    Audience(AudienceOutcome),
    /// Of `plan`.
    Tasks(Vec<Task>),
    /// Of `scan`.
    Scanned(Scanned),
    /// Of `scan` where stdout has its rows, and nothing else is to be there.
    Streamed,
    Bench(Measured),
    /// Of `doctor`.
    Diagnosis(Diagnosis),
}

/// A part of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Which task of the plan.
    pub id: u64,
    /// Bytes in which its records begin, as stored.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// Customers; of a stream that came in pieces some of them several times.
    pub contracts: u64,
    /// The month file, or that of stdout.
    pub file: PathBuf,
}

impl fmt::Display for Scanned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, contracts) = (counted(self.records, "record"), counted(self.contracts, "contract"));
        let file = self.file.display();
        write!(f, "task {}: {records} of {}, {contracts}, in {file}", self.id, size(self.bytes))
    }
}

/// The month as it lies on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    pub month: Month,
    /// Its data files.
    pub files: u64,
    /// Their size as stored.
    pub bytes: u64,
    /// What was left out.
    pub skipped: Skipped,
    /// Days of the month, up to today, without a file.
    pub missing_days: Vec<Day>,
    /// Files that came over the network.
    pub pulled_files: u64,
    /// Their bytes, less what earlier pulls had brought.
    pub pulled_bytes: u64,
    /// What was removed from the cache.
    pub pruned: PruneSummary,
}

impl Extracted {
    /// From the listing of a lake and what became of it.
    pub fn of(listing: &Listing, today: Date, pull: &PullSummary, pruned: PruneSummary) -> Extracted {
        Extracted {
            month: listing.month,
            files: listing.files.len() as u64,
            bytes: listing.files.iter().map(|file| file.n_bytes).sum(),
            skipped: listing.skipped,
            missing_days: listing.missing_days(today),
            pulled_files: pull.pulled_files,
            pulled_bytes: pull.pulled_bytes,
            pruned,
        }
    }
}

/// A month file of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    pub month: Month,
    /// Files that were merged.
    pub parts: u64,
    /// Rows of the new file.
    pub rows: u64,
    /// The new file.
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub month: Month,
    /// Rows of `customer_behavior`.
    pub rows: u64,
    /// Address of the warehouse.
    pub warehouse: String,
}

/// A month in a mart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MartBuilt {
    pub month: Month,
    /// Address of the warehouse.
    pub warehouse: String,
}

/// A month's dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboard {
    pub month: Month,
    /// The files written.
    pub files: Vec<PathBuf>,
}

impl Outcome {
    /// The exit code: 0 unless the doctor found that a run would fail, one of many months failed, or months that were
    /// compared differ.
    pub fn exit_code(&self) -> u8 {
        match self {
            Outcome::Diagnosis(diagnosis) => diagnosis.exit_code(),
            Outcome::Series(series) => series.exit_code(),
            Outcome::Difference(difference) if !difference.is_equal() => 7,
            _ => 0,
        }
    }

    /// Whether it is what was asked for rather than a word about it, so that it is printed however quiet the program is.
    pub fn is_data(&self) -> bool {
        matches!(self, Outcome::Tasks(_))
    }

    /// One JSON value and a line end; of a plan one for each task.
    pub fn to_json(&self) -> String {
        let value: Value = match self {
            Outcome::Report(report) => return report.to_json(),
            Outcome::Series(series) => return series.to_json(),
            Outcome::Audience(audience) => audience.to_json(),
            Outcome::Tasks(tasks) => return task::write_plan(tasks),
            Outcome::Scanned(s) => json!({
                "id": s.id, "bytes": s.bytes, "records": s.records, "contracts": s.contracts,
                "file": s.file.display().to_string(),
            }),
            Outcome::Streamed => return String::new(),
            Outcome::Bench(measured) => measured.to_json(),
            Outcome::Diagnosis(diagnosis) => diagnosis.to_json(),
            Outcome::Dropped(dropped) => dropped.to_json(),
            Outcome::Months(months) => months.to_json(),
            Outcome::Difference(difference) => difference.to_json(),
            Outcome::Extracted(e) => json!({
                "month": e.month.to_string(), "files": e.files, "bytes": e.bytes,
                "skipped_files": e.skipped.total(), "skipped": skipped_wire(e.skipped), "missing_days": dates(e.month, &e.missing_days),
                "pulled_files": e.pulled_files, "pulled_bytes": e.pulled_bytes,
                "pruned_files": e.pruned.files, "pruned_bytes": e.pruned.bytes,
            }),
            Outcome::Generated(g) => json!({
                "files": g.files.len(), "records": g.n_records, "bytes": g.n_bytes, "stored_bytes": g.n_stored_bytes,
                "elapsed_s": g.elapsed_s,
            }),
            Outcome::Merged(m) => json!({
                "month": m.month.to_string(), "parts": m.parts, "rows": m.rows, "file": m.path.display().to_string(),
            }),
            Outcome::Loaded(l) => json!({"month": l.month.to_string(), "rows": l.rows, "warehouse": l.warehouse}),
            Outcome::Mart(m) => json!({"month": m.month.to_string(), "warehouse": m.warehouse}),
            Outcome::Dashboard(d) => {
                let files: Vec<String> = d.files.iter().map(|path| path.display().to_string()).collect();
                json!({"month": d.month.to_string(), "files": files})
            }
        };
        format!("{value}\n")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Report(report) => report.fmt(f),
            Outcome::Series(series) => series.fmt(f),
            Outcome::Audience(audience) => audience.fmt(f),
            Outcome::Tasks(tasks) => f.write_str(&task::write_plan(tasks)),
            Outcome::Scanned(scanned) => writeln!(f, "{scanned}"),
            Outcome::Streamed => Ok(()),
            Outcome::Bench(measured) => measured.fmt(f),
            Outcome::Diagnosis(diagnosis) => diagnosis.fmt(f),
            Outcome::Dropped(dropped) => dropped.fmt(f),
            Outcome::Months(months) => months.fmt(f),
            Outcome::Difference(difference) => difference.fmt(f),
            Outcome::Extracted(e) => {
                writeln!(f, "month {}: {}, {}", e.month, counted(e.files, "file"), size(e.bytes))?;
                if e.skipped.total() > 0 {
                    writeln!(f, "skipped {}", e.skipped)?;
                }
                if e.pulled_files > 0 {
                    writeln!(f, "pulled {}, {}", counted(e.pulled_files, "file"), size(e.pulled_bytes))?;
                }
                if e.pruned != PruneSummary::default() {
                    writeln!(f, "removed {}, {}", counted(e.pruned.files, "file"), size(e.pruned.bytes))?;
                }
                match e.missing_days.as_slice() {
                    [] => Ok(()),
                    days => writeln!(f, "missing days: {}", date_runs(e.month, days)),
                }
            }
            Outcome::Generated(g) => writeln!(
                f,
                "{}, {}, {} as stored, in {:.2} s",
                counted(g.files.len() as u64, "file"),
                counted(g.n_records, "record"),
                size(g.n_stored_bytes),
                g.elapsed_s
            ),
            Outcome::Merged(m) => writeln!(
                f,
                "month {}: {} of {} in {}",
                m.month,
                counted(m.rows, "row"),
                counted(m.parts, "part"),
                m.path.display()
            ),
            Outcome::Loaded(l) => writeln!(f, "month {}: {} in {}", l.month, counted(l.rows, "row"), l.warehouse),
            Outcome::Mart(m) => writeln!(f, "month {}: mart rebuilt from {}", m.month, m.warehouse),
            Outcome::Dashboard(d) => {
                d.files.iter().try_for_each(|path| writeln!(f, "month {}: {}", d.month, path.display()))
            }
        }
    }
}
