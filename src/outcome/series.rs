//! What `viewmart run` over many months gives.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::columns;
use crate::cli::Failure;
use crate::report::Report;
use crate::reprocess::{Action, Step, Why};
use crate::signals::metrics::{CommandMetrics, MonthMetrics};
use crate::units::{counted, grouped, hours, size};

/// [`Failure::kind`] of months that were told to end.
pub const INTERRUPTED: &str = "interrupted";

/// Many months, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// One each.
    pub turns: Vec<Turn>,
    /// What failed before the first month or after the last: the lake, the movement of later months, the dashboard.
    pub closing: Option<Failure>,
    /// Where they are to be seen.
    pub places: Option<Places>,
    /// How long all of it took.
    pub elapsed_s: f64,
}

/// Where many months are to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Address of the warehouse.
    pub warehouse: String,
    pub mart: String,
    /// The dashboard for the browser.
    pub page: PathBuf,
}

/// A month and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// What was to be done.
    pub step: Step,
    /// What was.
    pub fate: Fate,
    /// How long it took.
    pub elapsed_s: f64,
}

impl Turn {
    /// What is to be done.
    pub fn planned(step: Step) -> Turn {
        Turn { step, fate: Fate::Planned, elapsed_s: 0.0 }
    }
}

/// What became of a month.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Only shown.
    Planned,
    /// Made and published.
    Published(Box<Report>),
    /// Its mart was built.
    MartBuilt,
    /// Its files were written.
    FilesWritten(Box<Report>),
    /// Left as it was.
    Left,
    /// Another run made it before its turn, of the same files by the same rules.
    MadeMeanwhile,
    /// The command was told to end while it was made.
    Interrupted,
    /// It was not its turn any more.
    NotReached,
    Failed(Failure),
}

impl Fate {
    /// The word for it, for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Fate::Planned => "planned",
            Fate::Published(_) => "published",
            Fate::MartBuilt => "mart_built",
            Fate::FilesWritten(_) => "files_written",
            Fate::Left => "left",
            Fate::MadeMeanwhile => "made_meanwhile",
            Fate::Interrupted => INTERRUPTED,
            Fate::NotReached => "not_reached",
            // The words of `etl_run`.
            Fate::Failed(Failure { stage: "data", .. }) => "refused",
            Fate::Failed(_) => "failed",
        }
    }

    /// What was made, where it was.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Fate::Published(report) | Fate::FilesWritten(report) => Some(report),
            _ => None,
        }
    }

    /// Why it failed, where it did.
    pub fn failure(&self) -> Option<&Failure> {
        if let Fate::Failed(failure) = self { Some(failure) } else { None }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Fate::Published(_) => "published",
            Fate::MartBuilt => "mart built",
            Fate::FilesWritten(_) => "files written",
            Fate::Left => "left as it was",
            Fate::NotReached => "not reached",
            Fate::MadeMeanwhile => "by another run",
            Fate::Planned | Fate::Interrupted | Fate::Failed(_) => self.name(),
        })
    }
}

impl Series {
    /// That of the first failure, or of the signal that ended it.
    pub fn exit_code(&self) -> u8 {
        if let Some(interrupted) = self.closing.iter().find(|closing| closing.kind == INTERRUPTED) {
            return interrupted.exit;
        }
        let mut failures = self.turns.iter().filter_map(|turn| turn.fate.failure()).chain(&self.closing);
        failures.next().map_or(0, |failure| failure.exit)
    }

    /// The text of `report.json`, with a final line end.
    pub fn to_json(&self) -> String {
        // Writing to memory fails only for maps whose keys are not strings, and there are none here.
        let mut text = serde_json::to_string_pretty(&Wire(self)).unwrap_or_default();
        text.push('\n');
        text
    }

    /// For monitors.
    pub fn metrics(&self) -> CommandMetrics<'_> {
        let months = self.turns.iter().map(|turn| MonthMetrics {
            month: turn.step.month,
            status: turn.fate.name(),
            elapsed_s: turn.elapsed_s,
            report: turn.fate.report(),
        });
        CommandMetrics {
            exit: self.exit_code(),
            finished: Timestamp::now(),
            elapsed_s: self.elapsed_s,
            months: months.collect(),
        }
    }

    /// The plan, before anything of it is done.
    pub fn is_plan(&self) -> bool {
        self.turns.iter().all(|turn| turn.fate == Fate::Planned)
    }

    /// The plan as a table.
    fn write_plan(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["month", "files", "size", "why", "plan"].map(str::to_owned);
        let row = |Step { month, n_files, n_bytes, why, action }: &Step| {
            let action = if *why == Why::NoFiles { "-".to_owned() } else { action.to_string() };
            [month.to_string(), grouped(*n_files), size(*n_bytes), why.to_string(), action]
        };
        let rows: Vec<_> = [heads].into_iter().chain(self.turns.iter().map(|turn| row(&turn.step))).collect();
        columns::write(f, &rows, &[1, 2])?;
        let is_made = |turn: &&Turn| turn.step.action == Action::Make;
        let n_made = self.turns.iter().filter(is_made).count() as u64;
        let n_bytes = self.turns.iter().filter(is_made).map(|turn| turn.step.n_bytes).sum();
        writeln!(f, "{} of {} to make, {}", n_made, counted(self.turns.len() as u64, "month"), size(n_bytes))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_plan() {
            return self.write_plan(f);
        }
        let heads = ["month", "why", "what became of it", "records", "rejected", "customers", "watched", "seconds"];
        let row = |turn: &Turn| {
            let cell = |value: &dyn Fn(&Report) -> String| turn.fate.report().map_or_else(|| "-".to_owned(), value);
            [
                turn.step.month.to_string(),
                turn.step.why.to_string(),
                turn.fate.to_string(),
                cell(&|report| grouped(report.ledger.read)),
                cell(&|report| grouped(report.ledger.read.saturating_sub(report.ledger.kept))),
                cell(&|report| grouped(report.contracts)),
                cell(&|report| hours(report.ledger.n_seconds())),
                format!("{:.1}", turn.elapsed_s),
            ]
        };
        let rows: Vec<_> = [heads.map(str::to_owned)].into_iter().chain(self.turns.iter().map(row)).collect();
        columns::write(f, &rows, &[3, 4, 5, 6, 7])?;
        for (month, failure) in self.turns.iter().filter_map(|turn| Some((turn.step.month, turn.fate.failure()?))) {
            writeln!(f, "{month}: {}", failure.message)?;
        }
        writeln!(f, "{} in {:.1} s", counted(self.turns.len() as u64, "month"), self.elapsed_s)?;
        let Some(Places { warehouse, mart, page }) = &self.places else { return Ok(()) };
        writeln!(f, "warehouse  {warehouse}\nmart       {mart}\nopen       {}", page.display())
    }
}

struct Wire<'a>(&'a Series);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("months", &self.0.turns.iter().map(TurnWire).collect::<Vec<_>>())?;
        if let Some(failure) = &self.0.closing {
            map.serialize_entry("failure", &failure.to_value())?;
        }
        map.end()
    }
}

/// A month: what became of it, then the fields of its report or of its failure.
struct TurnWire<'a>(&'a Turn);

impl Serialize for TurnWire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Turn { step, fate, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", fate.name())?;
        map.serialize_entry("why", step.why.name())?;
        map.serialize_entry("plan", step.action.name())?;
        if let Some(report) = fate.report() {
            map.serialize_entry("exit", &0)?;
            report.serialize_fields(&mut map)?;
            return map.end();
        }
        map.serialize_entry("month", &step.month.to_string())?;
        map.serialize_entry("input", &serde_json::json!({"files": step.n_files, "bytes": step.n_bytes}))?;
        match fate.failure().map(Failure::to_value) {
            Some(serde_json::Value::Object(fields)) => {
                fields.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
            }
            _ => map.serialize_entry("exit", &0)?,
        }
        map.end()
    }
}
