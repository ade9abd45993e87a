//! A run from its beginning to whatever end, and what is written down of one that did not publish.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::advice::Advice as _;
use crate::audience::NamedAudience;
use crate::cli::plan::{EnginePlan, LakePlan, WarehousePlan};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{DayLedger, FileLedger, Ledger};
use crate::engine::month::{MonthTable, Provenance};
use crate::engine::rules::RulesStamp;
use crate::error::Error;
use crate::fs::atomic::OutFolder;
use crate::fs::error::OutputError;
use crate::gate::{self, Limits};
use crate::interrupt::LastWord;
use crate::lake::{DataFile, Listing};
use crate::month_file::{Merge, MergeOptions};
use crate::report::Refusal;
use crate::signals::lineage::{Ending, Lineage};
use crate::warehouse::mysql::MysqlOptions;
use crate::warehouse::{
    OpenOptions, Rivals, RunRecord, RunStatus, RunWarning, SqliteWarehouse, Warehouse as _, WarehouseError,
    WarehouseUrl,
};
use crate::{artifacts, console, interrupt};

/// Longest wait for others where only a failure is to be recorded.
const RECORD_WAIT: Duration = Duration::from_secs(5);

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing that a reader could see has changed.
    Making,
    /// The warehouse publishes the month.
    Publishing,
    /// The month stands in the warehouse; mart and files follow.
    Published,
}

/// Where a run that does not publish is written down.
#[derive(Clone)]
pub(super) struct Book {
    out: Option<PathBuf>,
    warehouse: Option<WarehousePlan>,
}

impl Book {
    pub fn new(out: Option<&Path>, warehouse: Option<&WarehousePlan>) -> Book {
        Book { out: out.map(Path::to_owned), warehouse: warehouse.cloned() }
    }
}

/// Who makes the movement of the months after the one that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaterMonths {
    /// The run itself.
    Remake,
    /// Whoever makes many months, once at the end.
    Leave,
}

/// What else is done when the program is told to end; the argument is the name of the signal.
pub(super) type Epilogue = Arc<dyn Fn(&'static str) + Send + Sync>;

/// What the months that one command makes have in common.
#[derive(Clone)]
pub(super) struct Company {
    /// The output folder, which all of them hold.
    pub out: OutFolder,
    /// How to go on after an interruption.
    pub going_on: Arc<dyn Fn() -> String + Send + Sync>,
    /// What else is done then.
    pub epilogue: Epilogue,
    /// The run of the month that stood when the months were planned.
    pub planned_over: i64,
}

impl Company {
    /// What is said and done when the program is told to end while no month is being made.
    pub fn last_word(&self) -> LastWord {
        let Company { going_on, epilogue, .. } = self.clone();
        Box::new(move |signal| {
            let stands = "every month stands whole, as it was or as it is";
            interrupt::tell(signal, &format!("interrupted by {signal}; {stands}"), &going_on());
            epilogue(signal);
        })
    }
}

/// A run, and as much of it as is known.
pub(super) struct Attempt {
    begun: Instant,
    started: Timestamp,
    book: Book,
    /// What was told on stderr and belongs to the month.
    pub warnings: Vec<RunWarning>,
    /// The audiences that are measured in a month that is published.
    audiences: Vec<NamedAudience>,
    /// The months that are made with it.
    company: Option<Company>,
    /// What else is done when it is interrupted.
    epilogue: Option<Epilogue>,
    /// What is told of it to others.
    lineage: Option<Lineage>,
    /// Rows of its table, once there is one.
    n_rows: Option<u64>,
    /// Known once the month is.
    record: Option<RunRecord>,
    etl_date: Option<Date>,
    /// The rules as reports show them.
    rules_shown: String,
    /// The records by day, once they are read.
    days: BTreeMap<Day, DayLedger>,
    /// The files that are refused or warned of, and those of days that are.
    files: Vec<FileLedger>,
    /// Whether the records were read to their end.
    is_read: bool,
    step: Step,
}

impl Attempt {
    pub fn begin(book: Book) -> Attempt {
        Attempt {
            begun: Instant::now(),
            started: Timestamp::now(),
            book,
            warnings: Vec::new(),
            audiences: Vec::new(),
            company: None,
            epilogue: None,
            lineage: None,
            n_rows: None,
            record: None,
            etl_date: None,
            rules_shown: String::new(),
            days: BTreeMap::new(),
            files: Vec::new(),
            is_read: false,
            step: Step::Making,
        }
    }

    /// A run that measures audiences.
    pub fn measuring(self, audiences: &[NamedAudience]) -> Attempt {
        Attempt { audiences: audiences.to_vec(), ..self }
    }

    /// The files that are warned of, and those of days that are.
    pub fn files(&self) -> &[FileLedger] {
        &self.files
    }

    /// A run that is one of many months.
    pub fn among_others(self, company: Company) -> Attempt {
        Attempt { epilogue: Some(Arc::clone(&company.epilogue)), company: Some(company), ..self }
    }

    /// A run whose begin and end are told, and its interruption by `epilogue` too.
    pub fn telling(self, lineage: Option<Lineage>, epilogue: Option<Epilogue>) -> Attempt {
        Attempt { lineage, epilogue, ..self }
    }

    /// The output folder, which all months of a command hold together.
    pub fn open_out(&self, path: &Path) -> Result<OutFolder, OutputError> {
        self.company.as_ref().map_or_else(|| OutFolder::open(path), |company| Ok(company.out.clone()))
    }

    /// Who makes the movement of later months.
    pub fn later_months(&self) -> LaterMonths {
        if self.company.is_some() { LaterMonths::Leave } else { LaterMonths::Remake }
    }

    /// Which runs of the month that stand are not replaced.
    pub fn rivals(&self) -> Rivals {
        self.company.as_ref().map_or(Rivals::Replaced, |company| Rivals::Respected { after: company.planned_over })
    }

    /// It began before its turn, when its files began to be read.
    pub fn begin_before(&mut self, begun: Instant, started: Timestamp) {
        (self.begun, self.started) = (begun, started);
    }

    pub fn started(&self) -> Timestamp {
        self.started
    }

    pub fn elapsed_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The month is known, and the files it will be made of.
    pub fn take_listing(&mut self, listing: &Listing, plan: &EnginePlan) {
        if let Some(lineage) = &mut self.lineage {
            let inputs = listing.files.iter().map(|file| (file.canonical_uri(), file.n_bytes));
            lineage.start(listing.month, inputs.collect());
        }
        self.take_planned(listing.month, &listing.files, plan);
    }

    /// A month that was asked for is known before the lake is.
    pub fn take_asked(&mut self, lake: &LakePlan, plan: &EnginePlan) {
        if let Some(month) = lake.options.list.month {
            self.take_planned(month, &[], plan);
        }
    }

    /// The same of parts.
    pub fn take_asked_parts(&mut self, options: &MergeOptions) {
        if let Some(month) = options.month {
            let engine = || Provenance { engine: crate::ENGINE.to_owned(), ..Provenance::default() };
            self.take_month(month, options.rules.as_ref().map_or_else(engine, Provenance::of));
        }
    }

    /// The parts of the month are open, and none of their rows is read.
    pub fn take_parts(&mut self, merge: &Merge) {
        self.take_month(merge.month(), merge.provenance());
    }

    fn take_planned(&mut self, month: Month, files: &[DataFile], plan: &EnginePlan) {
        self.etl_date = Some(plan.etl_date);
        self.rules_shown = plan.rules.to_toml_without_contracts();
        let provenance = Provenance {
            input_files: files.len() as u64,
            input_bytes: files.iter().map(|file| file.n_bytes).sum(),
            ..Provenance::of(&plan.rules)
        };
        self.take_month(month, provenance);
    }

    fn take_month(&mut self, month: Month, provenance: Provenance) {
        self.record = Some(RunRecord {
            month,
            started: self.started,
            status: RunStatus::Failed,
            exit_code: 0,
            message: String::new(),
            provenance,
            inputs_sha256: String::new(),
            ledger: Ledger::default(),
            days: Vec::new(),
            apps: Vec::new(),
            warnings: Vec::new(),
            audiences: Vec::new(),
            audience_pairs: Vec::new(),
        });
        self.enter(Step::Making);
    }

    /// All records were read.
    pub fn take_table(&mut self, table: &MonthTable, limits: &Limits) {
        self.days = table.detail.by_day();
        self.files = gate::standing_out(&table.detail, limits).into_iter().cloned().collect();
        let mut record = RunRecord::of_table(table, self.started);
        super::audience::measure(&self.audiences, table, &mut record, &mut self.warnings);
        self.record = Some(record);
        self.is_read = true;
        self.n_rows = Some(table.n_rows() as u64);
        self.enter(Step::Making);
    }

    /// What the warehouse is to say of the run that publishes `table`, which was taken before.
    pub fn complete_record(&mut self, table: &MonthTable) -> &RunRecord {
        let known = self.record.take().filter(|_| self.is_read);
        let record = self.record.insert(known.unwrap_or_else(|| RunRecord::of_table(table, self.started)));
        record.warnings.clone_from(&self.warnings);
        record
    }

    /// The warehouse is about to publish the month.
    pub fn set_publishing(&mut self) {
        self.enter(Step::Publishing);
    }

    /// The month stands in the warehouse, whatever happens after it.
    pub fn set_published(&mut self) {
        self.enter(Step::Published);
    }

    /// The end of the run. One that failed is written down in `etl_run`, where the warehouse is there, and in the output
    /// folder; that this is not possible changes nothing about how it ended.
    pub fn end<T>(self, done: Result<T, Error>) -> Result<T, Error> {
        interrupt::set_last_word(self.company.as_ref().map(Company::last_word));
        if let Some(lineage) = &self.lineage {
            match &done {
                Ok(_) => lineage.end(Ending::Complete { n_rows: self.n_rows }),
                // The file of the events may be the very one that is in the way.
                Err(Error::Output(OutputError::Clash { .. })) if !lineage.is_started() => {}
                Err(error) => lineage.end(Ending::Fail { message: error.to_string() }),
            }
        }
        if let Err(error) = &done
            && !error.is_made_meanwhile()
            && let Some(failure) = self.failure_of(error)
        {
            let mut troubles = Vec::new();
            if let Some(out) = &self.book.out {
                let written =
                    self.open_out(out).and_then(|out| artifacts::write_refused_report(&failure.refusal, out.path()));
                troubles.extend(written.err().map(|trouble| trouble.to_string()));
            }
            troubles.extend(failure.record_run(&self.book, self.step).err().map(|trouble| trouble.to_string()));
            // The failure itself says most of what could be said here.
            if !matches!(error, Error::Warehouse(_) | Error::Output(_)) {
                for trouble in troubles {
                    console::say(format_args!("warning: this run could not be recorded: {trouble}"));
                }
            }
        }
        done
    }

    /// Goes on to `step`, with what is to be said if the run is interrupted in it.
    fn enter(&mut self, step: Step) {
        self.step = step;
        let (book, lineage) = (self.book.clone(), self.lineage.clone());
        let (company, epilogue) = (self.company.clone(), self.epilogue.clone());
        let Some(failure) = self.failure(RunStatus::Interrupted, 1, String::new()) else { return };
        interrupt::set_last_word(Some(Box::new(move |signal| {
            if let Some(lineage) = lineage {
                lineage.end(Ending::Abort { message: format!("interrupted by {signal}") });
            }
            let going_on = company.map(|company| (company.going_on)());
            // First what waits for nobody: recording the run may.
            if let Some(epilogue) = epilogue {
                epilogue(signal);
            }
            failure.tell_interrupted(&book, step, going_on, signal);
        })));
    }

    fn failure_of(&self, error: &Error) -> Option<FailedRun> {
        let status = match error {
            Error::Data(_) => RunStatus::Refused,
            _ => RunStatus::Failed,
        };
        let mut failure = self.failure(status, error.exit_code(), error.to_string())?;
        failure.refusal.stage = error.stage();
        failure.refusal.kind = error.kind();
        failure.refusal.next = error.advice().map(std::borrow::Cow::into_owned);
        Some(failure)
    }

    /// The run as one that did not publish, once its month is known.
    fn failure(&self, status: RunStatus, exit_code: u8, message: String) -> Option<FailedRun> {
        let known = self.record.as_ref()?;
        let refusal = Refusal {
            month: known.month,
            etl_date: self.etl_date,
            rules: RulesStamp { text: self.rules_shown.clone(), ..known.provenance.rules.clone() },
            status: status.name(),
            stage: "run",
            kind: status.name(),
            message: message.clone(),
            next: None,
            exit: exit_code,
            ledger: self.is_read.then(|| known.ledger.clone()),
            days: self.days.clone(),
            files: self.files.clone(),
            warnings: self.warnings.iter().map(|warning| warning.text.clone()).collect(),
            started: self.started,
            finished: Timestamp::now(),
        };
        let record = RunRecord {
            status,
            exit_code,
            message,
            warnings: self.warnings.clone(),
            // Only a month that stands has audiences.
            audiences: Vec::new(),
            audience_pairs: Vec::new(),
            ..known.clone()
        };
        Some(FailedRun { record, refusal })
    }
}

/// A run that did not publish, as it is written down.
struct FailedRun {
    record: RunRecord,
    refusal: Refusal,
}

impl FailedRun {
    /// Records the run in the warehouse, unless that publishes it, or has.
    fn record_run(&self, book: &Book, step: Step) -> Result<(), WarehouseError> {
        match &book.warehouse {
            Some(plan) if step == Step::Making => record_run(plan, &self.record),
            _ => Ok(()),
        }
    }

    /// Says what stands when the run ends here, and writes it down.
    fn tell_interrupted(mut self, book: &Book, step: Step, going_on: Option<String>, signal: &'static str) {
        let month = self.record.month;
        let (stands, next) = match step {
            Step::Making => ("nothing was published".to_owned(), "run again".to_owned()),
            Step::Publishing => (
                format!("{month} stands whole, as it was or as it is"),
                "`viewmart months` says which run stands; run again".to_owned(),
            ),
            Step::Published => (
                format!("{month} stands in the warehouse as it is; its mart and files may be those of before"),
                "run again".to_owned(),
            ),
        };
        let next = going_on.unwrap_or(next);
        let message = format!("interrupted by {signal}; {stands}");
        interrupt::tell(signal, &message, &next);
        self.record.exit_code = interrupt::exit_code(signal);
        self.record.message.clone_from(&message);
        (self.refusal.message, self.refusal.next) = (message, Some(next));
        (self.refusal.exit, self.refusal.finished) = (self.record.exit_code, Timestamp::now());
        if let Some(out) = &book.out
            && out.exists()
        {
            let _ = artifacts::write_refused_report(&self.refusal, out);
        }
        let _ = self.record_run(book, step);
    }
}

/// Records a run that did not publish, on a connection of its own: that of the run may be what failed.
fn record_run(plan: &WarehousePlan, record: &RunRecord) -> Result<(), WarehouseError> {
    match &plan.url {
        WarehouseUrl::Sqlite(path) => {
            let warehouse = SqliteWarehouse::open(path, plan.options.mart_db.as_deref())?;
            warehouse.with_lock_wait(RECORD_WAIT).record_run(record)
        }
        WarehouseUrl::Mysql(_) => {
            let mysql = MysqlOptions {
                retry_for: Duration::ZERO,
                lock_timeout: RECORD_WAIT,
                turn_timeout: RECORD_WAIT,
                ..plan.options.mysql.clone()
            };
            let options = OpenOptions { mysql, ..plan.options.clone() };
            crate::warehouse::open(&plan.url, &options)?.record_run(record)
        }
    }
}
