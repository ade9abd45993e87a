//! A run from its beginning to whatever end, and what is written down of one that did not publish.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::artifacts;
use crate::audience::NamedAudience;
use crate::cli::plan::{EnginePlan, WarehousePlan};
use crate::console;
use crate::engine::ledger::Ledger;
use crate::engine::month::{MonthTable, Provenance};
use crate::error::{Advice as _, Error};
use crate::fs::atomic::OutFolder;
use crate::lake::Listing;
use crate::report::Refusal;
use crate::warehouse::mysql::MysqlOptions;
use crate::warehouse::{
    OpenOptions, RunRecord, RunStatus, RunWarning, SqliteWarehouse, Warehouse as _, WarehouseError, WarehouseUrl,
};

/// Longest wait for others where only a failure is to be recorded.
const RECORD_WAIT: Duration = Duration::from_secs(5);

/// A run, and as much of it as is known.
pub(super) struct Attempt {
    begun: Instant,
    started: Timestamp,
    /// What was told on stderr and belongs to the month.
    pub warnings: Vec<RunWarning>,
    /// The audiences that are measured in a month that is published.
    audiences: Vec<NamedAudience>,
    /// Known once the month is.
    record: Option<RunRecord>,
    etl_date: Option<Date>,
    /// Whether the records were read to their end.
    is_read: bool,
    has_published: bool,
}

impl Attempt {
    pub fn begin() -> Attempt {
        Attempt {
            begun: Instant::now(),
            started: Timestamp::now(),
            warnings: Vec::new(),
            audiences: Vec::new(),
            record: None,
            etl_date: None,
            is_read: false,
            has_published: false,
        }
    }

    /// A run that measures audiences.
    pub fn measuring(self, audiences: &[NamedAudience]) -> Attempt {
        Attempt { audiences: audiences.to_vec(), ..self }
    }

    pub fn started(&self) -> Timestamp {
        self.started
    }

    pub fn elapsed_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// The month is known, and the files it will be made of.
    pub fn take_listing(&mut self, listing: &Listing, plan: &EnginePlan) {
        let rules_text = plan.rules.to_toml();
        self.etl_date = Some(plan.etl_date);
        self.record = Some(RunRecord {
            month: listing.month,
            started: self.started,
            status: RunStatus::Failed,
            exit_code: 0,
            message: String::new(),
            provenance: Provenance {
                engine: crate::ENGINE.to_owned(),
                rules_name: plan.rules.name.clone(),
                rules_sha256: plan.rules.sha256.clone(),
                rules_text: rules_text.clone(),
                input_files: listing.files.len() as u64,
                input_bytes: listing.files.iter().map(|file| file.n_bytes).sum(),
            },
            rules_text,
            inputs_sha256: String::new(),
            ledger: Ledger::default(),
            days: Vec::new(),
            apps: Vec::new(),
            warnings: Vec::new(),
            audiences: Vec::new(),
            audience_pairs: Vec::new(),
        });
    }

    /// All records were read.
    pub fn take_table(&mut self, table: &MonthTable) {
        self.record = Some(RunRecord::of_table(table, self.started));
        self.is_read = true;
    }

    /// What the warehouse is to say of the run that publishes `table`.
    pub fn record_of(&self, table: &MonthTable) -> RunRecord {
        let mut record = RunRecord { warnings: self.warnings.clone(), ..RunRecord::of_table(table, self.started) };
        super::audience::measure(&self.audiences, table, &mut record);
        record
    }

    /// The month stands in the warehouse, whatever happens behind it.
    pub fn set_published(&mut self) {
        self.has_published = true;
    }

    /// The end of the run. One that failed is written down in `etl_run`, where the warehouse is there, and in the output
    /// folder; that this is not possible changes nothing about how it ended.
    pub fn end<T>(
        self,
        done: Result<T, Error>,
        out: Option<&Path>,
        warehouse: Option<&WarehousePlan>,
    ) -> Result<T, Error> {
        if let Err(error) = &done {
            let status = match error {
                Error::Data(_) => RunStatus::Refused,
                _ => RunStatus::Failed,
            };
            self.write_down(status, error, out, warehouse);
        }
        done
    }

    fn write_down(mut self, status: RunStatus, error: &Error, out: Option<&Path>, warehouse: Option<&WarehousePlan>) {
        let Some(record) = self.record.take() else { return };
        let record = RunRecord {
            status,
            exit_code: error.exit_code(),
            message: error.to_string(),
            warnings: std::mem::take(&mut self.warnings),
            ..record
        };
        let mut troubles = Vec::new();
        if let Some(out) = out {
            let refusal = self.refusal(&record, error);
            let written = OutFolder::open(out).and_then(|out| artifacts::write_refused_report(&refusal, &out));
            troubles.extend(written.err().map(|trouble| trouble.to_string()));
        }
        if let (Some(plan), false) = (warehouse, self.has_published) {
            troubles.extend(record_run(plan, &record).err().map(|trouble| trouble.to_string()));
        }
        // The failure itself says most of what could be said here.
        if !matches!(error, Error::Warehouse(_) | Error::Busy { .. } | Error::Output { .. }) {
            for trouble in troubles {
                console::say(format_args!("warning: this run could not be recorded: {trouble}"));
            }
        }
    }

    fn refusal(&self, record: &RunRecord, error: &Error) -> Refusal {
        Refusal {
            month: record.month,
            etl_date: self.etl_date,
            rules_name: record.provenance.rules_name.clone(),
            rules_sha256: record.provenance.rules_sha256.clone(),
            status: record.status.name(),
            stage: error.stage(),
            kind: error.kind(),
            message: record.message.clone(),
            next: error.advice().map(std::borrow::Cow::into_owned),
            exit: record.exit_code,
            ledger: self.is_read.then(|| record.ledger.clone()),
            warnings: record.warnings.iter().map(|warning| warning.text.clone()).collect(),
            started: self.started,
            finished: Timestamp::now(),
        }
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
            let mysql =
                MysqlOptions { retry_for: Duration::ZERO, lock_timeout: RECORD_WAIT, ..plan.options.mysql.clone() };
            let options = OpenOptions { mysql, ..plan.options.clone() };
            crate::warehouse::open(&plan.url, &options)?.record_run(record)
        }
    }
}
