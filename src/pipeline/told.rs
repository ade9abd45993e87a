//! Runs as schedulers and monitors are told of them.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use super::supply::Supply;
use crate::cli::plan::{ConsolePlan, RunPlan, SignalPlan};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::outcome::Outcome;
use crate::signals::lineage::{Dataset, Lineage};
use crate::signals::metrics::{self, CommandMetrics, MonthMetrics};
use crate::warehouse::WarehouseUrl;

/// `viewmart run` of one month.
pub(super) fn run(plan: &RunPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let metrics_file = begin(&plan.signals)?;
    let month = plan.lake.options.list.month;
    let done = super::run(plan, Supply::alone(), talk, |attempt| attempt.telling(lineage(plan, month)));
    if let Some(file) = metrics_file {
        let (report, exit) = (done.as_deref().ok(), done.as_ref().err().map_or(0, Error::exit_code));
        let status = match &done {
            Ok(_) => "published",
            Err(Error::Data(_)) => "refused",
            Err(_) => "failed",
        };
        let elapsed_s = begun.elapsed().as_secs_f64();
        let month = report.map(|report| report.month).or(month);
        let of_month = |month| MonthMetrics { month, status, elapsed_s, report };
        let months = month.map(of_month).into_iter().collect();
        let written = write_metrics(file, &CommandMetrics { exit, finished: Timestamp::now(), elapsed_s, months });
        // The first failure is the one that is told.
        if done.is_ok() {
            written?;
        }
    }
    done.map(Outcome::Report)
}

/// Begins the files for schedulers and monitors, so that one that cannot be written is known before anything is made.
pub(super) fn begin(plan: &SignalPlan) -> Result<Option<StagedFile>, Error> {
    plan.lineage.as_deref().map(Lineage::check).transpose()?;
    plan.metrics.as_deref().map(StagedFile::create).transpose()
}

/// Writes the metrics, which whoever collects them sees whole.
pub(super) fn write_metrics(mut file: StagedFile, command: &CommandMetrics<'_>) -> Result<(), Error> {
    let text = metrics::text(command);
    file.write_with(|w| w.write_all(text.as_bytes()))?;
    atomic::publish(vec![file]).map(drop)
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
