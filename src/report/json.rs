//! `report.json` field by field: core types stay free of a wire format.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Report;
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{AppSums, DayLedger, FileLedger, Ledger, Reason, RecordCounts};
use crate::engine::rules::{Category, RulesStamp};
use crate::lake::Skipped;
use crate::timing::StageTiming;
use crate::units::dates;

impl Report {
    /// The text of `report.json`, with a final line end.
    pub fn to_json(&self) -> String {
        // Writing to memory fails only for maps whose keys are not strings, and there are none here.
        let mut text = serde_json::to_string_pretty(&Wire(self)).unwrap_or_default();
        text.push('\n');
        text
    }
}

struct Wire<'a>(&'a Report);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.serialize_fields(&mut map)?;
        map.end()
    }
}

impl Report {
    /// The fields of the report, in order, into an object that may have others.
    pub fn serialize_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let report = self;
        let ledger = &report.ledger;
        map.serialize_entry("engine", crate::ENGINE)?;
        map.serialize_entry("month", &report.month.to_string())?;
        map.serialize_entry("etl_date", &report.etl_date.to_string())?;
        map.serialize_entry("rules", &rules_wire(&report.rules))?;
        map.serialize_entry(
            "input",
            &serde_json::json!({
                "files": report.input.files,
                "bytes": report.input.bytes,
                "days": report.input.days,
                "missing_days": dates(report.month, &report.input.missing_days),
                "skipped_files": report.input.skipped.total(),
                "skipped": skipped_wire(report.input.skipped),
            }),
        )?;
        map.serialize_entry(
            "records",
            &RecordsWire::of(ledger, Some(&report.similar_apps).filter(|similar| !similar.is_empty())),
        )?;
        map.serialize_entry("apps", &apps_wire(&report.apps))?;
        let by_category = Ordered(Category::ALL.map(|c| (c.name(), ledger.seconds[c as usize])).to_vec());
        map.serialize_entry("seconds", &SecondsWire { kept: ledger.n_seconds(), by_category })?;
        map.serialize_entry("contracts", &report.contracts)?;
        if let Some(devices) = &report.devices {
            map.serialize_entry("devices", devices)?;
        }
        map.serialize_entry("days", &days_wire(report.month, &report.days))?;
        map.serialize_entry("files", &files_wire(report.month, &report.files))?;
        map.serialize_entry("warnings", &report.warnings)?;
        map.serialize_entry("started", &clock_time(report.started))?;
        map.serialize_entry("finished", &clock_time(report.finished))?;
        map.serialize_entry("run", &report.published.as_ref().map(|published| published.run.to_string()))?;
        map.serialize_entry("warehouse", &report.published.as_ref().map(|published| &published.warehouse))?;
        let outputs: Vec<String> = report.outputs.iter().map(|path| path.display().to_string()).collect();
        map.serialize_entry("outputs", &outputs)?;
        map.serialize_entry("stages", &report.stages.iter().map(StageWire::of).collect::<Vec<_>>())?;
        map.serialize_entry("wall_s", &millis(report.wall_s))?;
        map.serialize_entry("peak_rss_bytes", &report.peak_rss_bytes)?;
        map.serialize_entry("threads", &report.threads)?;
        map.serialize_entry("backend", report.backend)
    }
}

/// What was left out, by why.
pub fn skipped_wire(skipped: Skipped) -> serde_json::Value {
    let Skipped { other_months, hidden, no_data } = skipped;
    serde_json::json!({"other_months": other_months, "hidden": hidden, "no_data": no_data})
}

/// An object whose keys keep their order.
pub(super) struct Ordered<V>(pub(super) Vec<(&'static str, V)>);

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

pub(super) fn rules_wire(rules: &RulesStamp) -> Ordered<&str> {
    Ordered(vec![("name", &rules.name), ("sha256", &rules.sha256), ("text", &rules.text)])
}

#[derive(serde::Serialize)]
pub(super) struct RecordsWire<'a> {
    read: u64,
    kept: u64,
    rejected: Ordered<u64>,
    unmapped_app: &'a BTreeMap<String, u64>,
    /// Of those: the app of a category that each differs from in case or blanks only.
    #[serde(skip_serializing_if = "Option::is_none")]
    similar_app: Option<&'a BTreeMap<String, String>>,
}

impl RecordsWire<'_> {
    pub(super) fn of<'a>(ledger: &'a Ledger, similar_app: Option<&'a BTreeMap<String, String>>) -> RecordsWire<'a> {
        let rejected = Ordered(Reason::ALL.map(|reason| (reason.name(), ledger.n_rejected_for(reason))).to_vec());
        RecordsWire { read: ledger.read, kept: ledger.kept, rejected, unmapped_app: &ledger.unmapped_app, similar_app }
    }
}

/// Most apps in no category that are told with their seconds: the most frequent, as the mart has them.
const MAX_UNMAPPED_APPS: usize = 1000;

/// What an app was watched.
#[derive(serde::Serialize)]
struct AppWire {
    category: Option<&'static str>,
    records: u64,
    seconds: i128,
}

fn apps_wire(apps: &BTreeMap<String, AppSums>) -> BTreeMap<&str, AppWire> {
    let (mapped, mut unmapped): (Vec<_>, Vec<_>) = apps.iter().partition(|(_, sums)| sums.category.is_some());
    unmapped.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.records));
    unmapped.truncate(MAX_UNMAPPED_APPS);
    let wire = |sums: &AppSums| AppWire {
        category: sums.category.map(Category::name),
        records: sums.records,
        seconds: sums.seconds,
    };
    mapped.into_iter().chain(unmapped).map(|(app, sums)| (app.as_str(), wire(sums))).collect()
}

/// A moment in UTC, to the millisecond.
pub(super) fn clock_time(moment: Timestamp) -> String {
    format!("{moment:.3}")
}

/// A day; reasons without a record are left out.
#[derive(serde::Serialize)]
pub(super) struct DayWire {
    day: String,
    files: u64,
    read: u64,
    kept: u64,
    rejected: Ordered<u64>,
    seconds: i128,
}

pub(super) fn days_wire(month: Month, days: &BTreeMap<Day, DayLedger>) -> Vec<DayWire> {
    days.iter().map(|(day, of)| DayWire::of(month, *day, of)).collect()
}

impl DayWire {
    fn of(month: Month, day: Day, DayLedger { n_files, counts }: &DayLedger) -> DayWire {
        DayWire {
            day: dates(month, &[day]).concat(),
            files: *n_files,
            read: counts.read,
            kept: counts.kept,
            rejected: rejected(counts),
            seconds: counts.seconds.iter().fold(0, |sum, seconds| sum.saturating_add(*seconds)),
        }
    }
}

/// Most files that a report tells of: a lake may have hundreds of thousands.
const MAX_FILES: usize = 1000;

/// A file that is refused or warned of, or is of such a day; reasons without a record are left out.
#[derive(serde::Serialize)]
pub(super) struct FileWire<'a> {
    file: &'a str,
    day: String,
    bytes: u64,
    read: u64,
    kept: u64,
    rejected: Ordered<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    facts: &'a BTreeSet<String>,
}

pub(super) fn files_wire(month: Month, files: &[FileLedger]) -> Vec<FileWire<'_>> {
    fn wire(month: Month, FileLedger { file, counts }: &FileLedger) -> FileWire<'_> {
        FileWire {
            file: &file.uri,
            day: dates(month, &[file.day]).concat(),
            bytes: file.n_bytes,
            read: counts.read,
            kept: counts.kept,
            rejected: rejected(counts),
            facts: &file.facts,
        }
    }
    files.iter().take(MAX_FILES).map(|file| wire(month, file)).collect()
}

/// The reasons that have a record.
fn rejected(counts: &RecordCounts) -> Ordered<u64> {
    let all = Reason::ALL.into_iter().map(|reason| (reason.name(), counts.n_rejected_for(reason)));
    Ordered(all.filter(|(_, records)| *records > 0).collect())
}

#[derive(serde::Serialize)]
struct SecondsWire {
    kept: i128,
    by_category: Ordered<i128>,
}

#[derive(serde::Serialize)]
struct StageWire {
    name: &'static str,
    wall_s: f64,
    cpu_s: f64,
    bytes: u64,
    records: u64,
    bytes_per_s: u64,
    records_per_s: u64,
}

impl StageWire {
    fn of(stage: &StageTiming) -> StageWire {
        StageWire {
            name: stage.name,
            wall_s: millis(stage.wall_s),
            cpu_s: millis(stage.cpu_s),
            bytes: stage.bytes,
            records: stage.records,
            bytes_per_s: stage.bytes_per_s(),
            records_per_s: stage.records_per_s(),
        }
    }
}

/// Rounded to a tenth of a millisecond: more digits would only look exact.
pub(super) fn millis(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use crate::engine::devices::DeviceSummary;
    use crate::report::fixture::sample;

    #[test]
    fn json_is_the_documented_one() {
        let expected = serde_json::json!({
            "engine": crate::ENGINE,
            "month": "2022-04",
            "etl_date": "2022-05-01",
            "rules": {"name": "default", "sha256": "0123456789abcdef".repeat(4), "text": "name = \"default\"\n"},
            "input": {"files": 2, "bytes": 1500, "days": 28, "missing_days": ["2022-04-03", "2022-04-30"], "skipped_files": 33,
                "skipped": {"other_months": 30, "hidden": 1, "no_data": 2}},
            "records": {
                "read": 10, "kept": 6,
                "rejected": {
                    "malformed": 1, "duplicate_id": 0, "no_contract": 0, "long_contract": 0, "no_app": 0, "bad_duration": 0,
                    "negative_duration": 0, "over_day": 0, "unmapped_app": 3, "excluded": 0
                },
                "unmapped_app": {"A\u{1b}[2J": 3},
                "similar_app": {"A\u{1b}[2J": "A"}
            },
            "apps": {
                "A\u{1b}[2J": {"category": null, "records": 3, "seconds": 9},
                "VOD": {"category": "Movie", "records": 6, "seconds": 1}
            },
            "seconds": {
                "kept": 12_345_678_901_234_567_900_u64,
                "by_category": {"Movie": 1, "Sport": 2, "Child": 3, "Relax": 4, "Tv": 12_345_678_901_234_567_890_u64}
            },
            "contracts": 1_234_567,
            "days": [{
                "day": "2022-04-01", "files": 2, "read": 10, "kept": 6,
                "rejected": {"malformed": 1, "unmapped_app": 3}, "seconds": 15
            }],
            "files": [{
                "file": "file:///lake/20220401.json", "day": "2022-04-01", "bytes": 9, "read": 10, "kept": 6,
                "rejected": {"malformed": 1, "unmapped_app": 3}
            }],
            "warnings": ["3 records of an app in no category"],
            "started": "2022-05-01T01:02:03.004Z",
            "finished": "2022-05-01T01:02:03.629Z",
            "run": "7",
            "warehouse": "sqlite:out/warehouse.db",
            "outputs": ["out/dashboard.html", "out/report.json"],
            "stages": [{"name": "scan", "wall_s": 0.5, "cpu_s": 0.75, "bytes": 1500, "records": 10, "bytes_per_s": 3000, "records_per_s": 20}],
            "wall_s": 0.625,
            "peak_rss_bytes": 2048,
            "threads": 2,
            "backend": "scalar"
        });
        let text = sample().to_json();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
        let mut with_devices = sample();
        with_devices.devices = Some(DeviceSummary { devices: 5, moved: 2, pairs: 8, records: 9 });
        let value: serde_json::Value = serde_json::from_str(&with_devices.to_json()).unwrap();
        assert_eq!(value["devices"], serde_json::json!({"devices": 5, "moved": 2, "pairs": 8, "records": 9}));
        let place = |key: &str| text.find(key).unwrap_or_else(|| panic!("no {key}"));
        let keys = [
            "engine",
            "month",
            "etl_date",
            "rules",
            "input",
            "records",
            "malformed",
            "excluded",
            "seconds",
            "contracts",
            "warnings",
            "started",
            "finished",
            "run",
            "warehouse",
            "outputs",
            "stages",
            "backend",
        ];
        assert!(keys.windows(2).all(|pair| place(&format!("\"{}\"", pair[0])) < place(&format!("\"{}\"", pair[1]))));
    }
}
