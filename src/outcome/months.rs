//! What `viewmart months` and `viewmart drop` give.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::columns;
use crate::engine::calendar::Month;
use crate::mart::months::{MartState, MonthLine, StandingRun};
use crate::units::{bare_hours, grouped};

/// The months of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthList {
    /// Address of the warehouse.
    pub warehouse: String,
    /// One each, ascending.
    pub months: Vec<MonthLine>,
}

/// A month that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub month: Month,
    /// Address of the warehouse.
    pub warehouse: String,
    /// Files of the output folder that still show it.
    pub files: Vec<PathBuf>,
}

impl MonthList {
    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        let line = |line: &MonthLine| {
            let run = line.standing.as_ref();
            json!({
                "month": line.month.to_string(),
                "run": run.map(|run| run.id),
                "rules": run.map(|run| &run.rules),
                "customers": run.map(|run| run.customers),
                "seconds": run.map(|run| run.seconds),
                "warnings": run.map(|run| run.warnings),
                "last_run": line.last_run,
                "last_status": line.last_status,
                "mart": line.mart.name(),
                "movement": line.movement.name(),
            })
        };
        json!({"warehouse": self.warehouse, "months": self.months.iter().map(line).collect::<Vec<_>>()})
    }
}

impl fmt::Display for MonthList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months.is_empty() {
            return writeln!(f, "no month in {}", self.warehouse);
        }
        let heads = ["month", "run", "rules", "customers", "hours", "warnings", "last run", "mart"].map(str::to_owned);
        let lines = self.months.iter().map(|line| {
            let cell =
                |value: &dyn Fn(&StandingRun) -> String| line.standing.as_ref().map_or_else(|| "-".to_owned(), value);
            [
                line.month.to_string(),
                cell(&|run| run.id.to_string()),
                cell(&|run| run.rules.clone()),
                cell(&|run| grouped(run.customers.unsigned_abs())),
                cell(&|run| bare_hours(run.seconds.into())),
                cell(&|run| grouped(run.warnings.unsigned_abs())),
                format!("{} {}", line.last_run, line.last_status),
                mart_words(line).to_owned(),
            ]
        });
        let rows: Vec<[String; 8]> = std::iter::once(heads).chain(lines).collect();
        columns::write(f, &rows, &[1, 3, 4, 5])
    }
}

/// What the mart shows of a month. One that is current may compare it with months that are no longer so.
fn mart_words(line: &MonthLine) -> &'static str {
    match (line.mart, line.movement) {
        (MartState::Current, MartState::Stale | MartState::Missing) => "movement stale",
        (mart, _) => mart.name(),
    }
}

impl Dropped {
    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        let files: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        json!({"month": self.month.to_string(), "warehouse": self.warehouse, "files": files})
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "month {}: removed from {}", self.month, self.warehouse)?;
        self.files.iter().try_for_each(|path| writeln!(f, "still shows it: {}", path.display()))
    }
}
