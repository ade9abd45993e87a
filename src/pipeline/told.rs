//! Runs as schedulers and monitors are told of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;

use super::attempt::{Attempt, Epilogue};
use super::supply::Supply;
use crate::artifacts;
use crate::cli::plan::{ConsolePlan, RunPlan, SignalPlan};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::fs::error::OutputError;
use crate::interrupt;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::signals::lineage::{Dataset, Lineage};
use crate::signals::metrics::{self, CommandMetrics, MonthMetrics};
use crate::warehouse::{RunStatus, WarehouseUrl};

/// `viewmart run` of one month.
pub(super) fn run(plan: &RunPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let metrics = Arc::new(Mutex::new(begin(&plan.signals)?));
    let month = plan.lake.options.list.month;
    // Written once: by the end of the run, or by the last word of one that is told to end.
    let write = move |exit: u8, status, month: Option<Month>, report: Option<&Report>| {
        let file = metrics.lock().unwrap_or_else(PoisonError::into_inner).take();
        let elapsed_s = begun.elapsed().as_secs_f64();
        let of_month = |month| MonthMetrics { month, status, elapsed_s, report };
        let months = month.map(of_month).into_iter().collect();
        let command = CommandMetrics { exit, finished: Timestamp::now(), elapsed_s, months };
        file.map_or(Ok(()), |file| write_metrics(file, &command))
    };
    let at_interruption = write.clone();
    let epilogue: Epilogue = Arc::new(move |signal| {
        let _ = at_interruption(interrupt::exit_code(signal), RunStatus::Interrupted.name(), month, None);
    });
    // Until the month is known nobody else has a last word.
    let last_word = Arc::clone(&epilogue);
    interrupt::set_last_word(Some(Box::new(move |signal| {
        interrupt::tell(signal, &format!("interrupted by {signal}; nothing was published"), "run again");
        last_word(signal);
    })));
    let prepare = |attempt: Attempt| attempt.telling(lineage(plan, month), Some(epilogue));
    let done = super::run(plan, Supply::alone(), talk, prepare);
    let (exit, status) = match &done {
        Ok(_) => (0, RunStatus::Published),
        // What it would replace may be the very file that is in its way.
        Err(Error::Output(OutputError::Clash { .. })) => return done.map(Outcome::Report),
        Err(error @ Error::Data(_)) => (error.exit_code(), RunStatus::Refused),
        Err(error) => (error.exit_code(), RunStatus::Failed),
    };
    let report = done.as_deref().ok();
    let written = write(exit, status.name(), report.map(|report| report.month).or(month), report);
    // The first failure is the one that is told.
    if done.is_ok() {
        written?;
    }
    done.map(Outcome::Report)
}

/// Begins the files for schedulers and monitors, so that one that cannot be written is known before anything is made.
pub(super) fn begin(plan: &SignalPlan) -> Result<Option<StagedFile>, Error> {
    plan.lineage.as_deref().map(Lineage::check).transpose()?;
    Ok(plan.metrics.as_deref().map(StagedFile::create).transpose()?)
}

/// Refuses files for schedulers and monitors that are one file, or one that the command reads or works in: `inputs`, or
/// an output of it. Events are written long before outputs are begun, so this is asked before the first.
pub(super) fn refuse_clashes(
    plan: &RunPlan,
    inputs: impl IntoIterator<Item = (PathBuf, &'static str)>,
) -> Result<(), Error> {
    let SignalPlan { metrics, lineage } = &plan.signals;
    let files: Vec<&Path> = [metrics, lineage].into_iter().flatten().map(PathBuf::as_path).collect();
    let report = plan.report.iter().map(|path| (path.clone(), "the file of --report"));
    Ok(artifacts::refuse_name_clashes(&files, &plan.out, inputs.into_iter().chain(report))?)
}

/// Writes the metrics, which whoever collects them sees whole.
pub(super) fn write_metrics(mut file: StagedFile, command: &CommandMetrics<'_>) -> Result<(), Error> {
    let text = metrics::text(command);
    file.write_with(|w| w.write_all(text.as_bytes()))?;
    atomic::publish(vec![file])?;
    Ok(())
}

/// The events of a run, where any are wanted.
pub(super) fn lineage(plan: &RunPlan, month: Option<Month>) -> Option<Lineage> {
    let path = plan.signals.lineage.as_deref()?;
    Some(Lineage::new(path, output_of(&plan.warehouse.url), month))
}

/// The table of customers.
fn output_of(url: &WarehouseUrl) -> Dataset {
    const TABLE: &str = "customer_behavior";
    match url {
        WarehouseUrl::Sqlite(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| Path::new("/").join(path));
            Dataset { namespace: "file".to_owned(), name: format!("{}/{TABLE}", path.display()) }
        }
        WarehouseUrl::Mysql(url) => Dataset {
            namespace: format!("mysql://{}:{}", url.host.as_deref().unwrap_or("localhost"), url.port.unwrap_or(3306)),
            name: format!("{}.{TABLE}", url.database),
        },
    }
}
