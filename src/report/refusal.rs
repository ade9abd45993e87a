//! `report-refused.json`: what became of a run that did not publish, so that nobody takes the last good one for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::json::{RecordsWire, clock_time, days_wire, files_wire, millis, rules_wire};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{DayLedger, FileLedger, Ledger};
use crate::engine::rules::RulesStamp;

/// A run that did not publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub month: Month,
    /// The column `Date`, where it is known.
    pub etl_date: Option<Date>,
    /// The rules, without the contracts that they exclude.
    pub rules: RulesStamp,
    /// How it ended, as in `etl_run`.
    pub status: &'static str,
    /// The part of a run that failed.
    pub stage: &'static str,
    /// What kind of failure it is.
    pub kind: &'static str,
    /// What failed, where and why.
    pub message: String,
    /// What to do next.
    pub next: Option<String>,
    /// The exit code.
    pub exit: u8,
    /// What became of the records, where they were read.
    pub ledger: Option<Ledger>,
    /// The same by day, where they were read.
    pub days: BTreeMap<Day, DayLedger>,
    /// The files that are refused or warned of, and those of days that are.
    pub files: Vec<FileLedger>,
    /// What was not as it should be, one line each.
    pub warnings: Vec<String>,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
}

impl Refusal {
    /// The text of `report-refused.json`, with a final line end.
    pub fn to_json(&self) -> String {
        // Writing to memory fails only for maps whose keys are not strings, and there are none here.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("engine", crate::ENGINE)?;
        map.serialize_entry("month", &self.month.to_string())?;
        map.serialize_entry("etl_date", &self.etl_date.map(|date| date.to_string()))?;
        map.serialize_entry("rules", &rules_wire(&self.rules))?;
        map.serialize_entry("status", self.status)?;
        map.serialize_entry("stage", self.stage)?;
        map.serialize_entry("kind", self.kind)?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("next", &self.next)?;
        map.serialize_entry("exit", &self.exit)?;
        map.serialize_entry("records", &self.ledger.as_ref().map(|ledger| RecordsWire::of(ledger, None)))?;
        map.serialize_entry("days", &days_wire(self.month, &self.days))?;
        map.serialize_entry("files", &files_wire(self.month, &self.files))?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.serialize_entry("started", &clock_time(self.started))?;
        map.serialize_entry("finished", &clock_time(self.finished))?;
        let wall_s = self.finished.duration_since(self.started).as_secs_f64();
        map.serialize_entry("wall_s", &millis(wall_s))?;
        map.end()
    }
}
