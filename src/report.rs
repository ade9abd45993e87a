//! What a run did and how fast: `report.json`, and the same as a table.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use serde::ser::{Serialize, Serializer};

use crate::engine::calendar::{self, Day, Month};
use crate::engine::ledger::{Ledger, Reason};
use crate::engine::rules::Category;

/// What one stage took and what went through it.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTiming {
    /// The stage, for example `scan`.
    pub name: &'static str,
    /// Elapsed time.
    pub wall_s: f64,
    /// Processor time of all threads of this process, so up to `threads` times the elapsed time; 0 for a stage that runs
    /// beside others (pull, workbook), as it is in theirs.
    pub cpu_s: f64,
    /// Bytes that went in (as stored, for files) or, for a stage that only writes, came out.
    pub bytes: u64,
    /// Records, or rows after the scan, that went in.
    pub records: u64,
}

impl StageTiming {
    /// Bytes per second of elapsed time, 0 when no time has passed.
    pub fn bytes_per_s(&self) -> u64 {
        rate(self.bytes, self.wall_s)
    }

    /// Records per second of elapsed time, 0 when no time has passed.
    pub fn records_per_s(&self) -> u64 {
        rate(self.records, self.wall_s)
    }
}

fn rate(amount: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (amount as f64 / seconds).round() as u64 } else { 0 }
}

/// Takes the time of one stage.
#[derive(Debug)]
pub struct StageClock {
    name: &'static str,
    wall: Instant,
    cpu: Duration,
}

impl StageClock {
    /// The stage begins now.
    pub fn start(name: &'static str) -> StageClock {
        StageClock { name, wall: Instant::now(), cpu: process_cpu_time() }
    }

    /// The stage ends now, after `bytes` and `records` went through it.
    pub fn stop(self, bytes: u64, records: u64) -> StageTiming {
        StageTiming {
            name: self.name,
            wall_s: self.wall.elapsed().as_secs_f64(),
            cpu_s: process_cpu_time().saturating_sub(self.cpu).as_secs_f64(),
            bytes,
            records,
        }
    }
}

/// Processor time, user and system, that all threads of this process have used since it began.
pub fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory this process ever had resident, mapped files included, in bytes (`VmHWM` of proc(5)).
/// `None` where the system does not tell.
pub fn peak_rss_bytes() -> Option<u64> {
    peak_rss_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_rss_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let n_kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    n_kib.checked_mul(1024)
}

/// The lake as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputReport {
    /// Data files of the month.
    pub files: u64,
    /// Their size as stored.
    pub bytes: u64,
    /// Days that have at least one file.
    pub days: u64,
    /// Days of the month that have none, ascending.
    pub missing_days: Vec<Day>,
    /// Names that were left out: hidden, temporary, of other months.
    pub skipped_files: u64,
}

/// The throughput report of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The month.
    pub month: Month,
    /// The column `Date`.
    pub etl_date: Date,
    /// Name of the rules.
    pub rules_name: String,
    /// Hash of the rules, 64 hex digits.
    pub rules_sha256: String,
    /// What was read.
    pub input: InputReport,
    /// What became of every record.
    pub ledger: Ledger,
    /// Customers, that is rows of `customer_behavior`.
    pub contracts: u64,
    /// The stages in the order in which they ended.
    pub stages: Vec<StageTiming>,
    /// Elapsed time of the whole run.
    pub wall_s: f64,
    /// See [`peak_rss_bytes`]; 0 where the system does not tell.
    pub peak_rss_bytes: u64,
    /// Threads that scanned.
    pub threads: usize,
    /// The vector instructions that scanned, for example `avx512`.
    pub backend: &'static str,
}

impl Report {
    /// The text of `report.json`, with a final line end.
    pub fn to_json(&self) -> String {
        // Writing to memory fails only for maps whose keys are not strings, and there are none here.
        let mut text = serde_json::to_string_pretty(&Wire(self)).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// `report.json` field by field: core types stay free of a wire format.
struct Wire<'a>(&'a Report);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let report = self.0;
        let ledger = &report.ledger;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("engine", crate::ENGINE)?;
        map.serialize_entry("month", &report.month.to_string())?;
        map.serialize_entry("etl_date", &report.etl_date.to_string())?;
        map.serialize_entry("rules", &Ordered(vec![("name", &report.rules_name), ("sha256", &report.rules_sha256)]))?;
        map.serialize_entry(
            "input",
            &serde_json::json!({
                "files": report.input.files,
                "bytes": report.input.bytes,
                "days": report.input.days,
                "missing_days": dates(report.month, &report.input.missing_days),
                "skipped_files": report.input.skipped_files,
            }),
        )?;
        let rejected = Ordered(Reason::ALL.map(|reason| (reason.name(), ledger.n_rejected_for(reason))).to_vec());
        map.serialize_entry(
            "records",
            &RecordsWire { read: ledger.read, kept: ledger.kept, rejected, unmapped_app: &ledger.unmapped_app },
        )?;
        let by_category = Ordered(Category::ALL.map(|c| (c.name(), ledger.seconds[c as usize])).to_vec());
        map.serialize_entry("seconds", &SecondsWire { kept: ledger.n_seconds(), by_category })?;
        map.serialize_entry("contracts", &report.contracts)?;
        map.serialize_entry("stages", &report.stages.iter().map(StageWire::of).collect::<Vec<_>>())?;
        map.serialize_entry("wall_s", &millis(report.wall_s))?;
        map.serialize_entry("peak_rss_bytes", &report.peak_rss_bytes)?;
        map.serialize_entry("threads", &report.threads)?;
        map.serialize_entry("backend", report.backend)?;
        map.end()
    }
}

/// An object whose keys keep their order.
struct Ordered<V>(Vec<(&'static str, V)>);

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[derive(serde::Serialize)]
struct RecordsWire<'a> {
    read: u64,
    kept: u64,
    rejected: Ordered<u64>,
    unmapped_app: &'a std::collections::BTreeMap<String, u64>,
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
fn millis(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

/// `YYYY-MM-DD` of each day.
pub fn dates(month: Month, days: &[Day]) -> Vec<String> {
    days.iter().map(|day| format!("{month}-{:02}", day.number())).collect()
}

/// The same for people, days that follow each other as one.
pub fn date_runs(month: Month, days: &[Day]) -> String {
    let runs = calendar::runs(days).map(|(first, last)| match first == last {
        true => format!("{month}-{:02}", first.number()),
        false => format!("{month}-{:02} to {month}-{:02}", first.number(), last.number()),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// A number of things, `1 file` or `30 files`.
pub fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// The table for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = &self.ledger;
        writeln!(
            f,
            "{}  month {}  rules {} {}",
            crate::ENGINE,
            self.month,
            self.rules_name,
            short(&self.rules_sha256)
        )?;
        let missing = match self.input.missing_days.as_slice() {
            [] => "none".to_owned(),
            days => date_runs(self.month, days),
        };
        writeln!(
            f,
            "input      {}, {}, {} (missing: {missing}), {} left out",
            counted(self.input.files, "file"),
            size(self.input.bytes),
            counted(self.input.days, "day"),
            counted(self.input.skipped_files, "name"),
        )?;
        writeln!(
            f,
            "records    {} read = {} kept + {} rejected",
            grouped(ledger.read),
            grouped(ledger.kept),
            grouped(ledger.n_rejected())
        )?;
        for reason in Reason::ALL.into_iter().filter(|reason| ledger.n_rejected_for(*reason) > 0) {
            write!(f, "           {:>15} {}", grouped(ledger.n_rejected_for(reason)), reason)?;
            if reason == Reason::UnmappedApp {
                write!(f, " ({})", most_frequent(&ledger.unmapped_app))?;
            }
            writeln!(f)?;
        }
        writeln!(f, "seconds    {} kept", grouped_wide(ledger.n_seconds()))?;
        for category in Category::ALL {
            let seconds = ledger.seconds[category as usize];
            writeln!(f, "           {:>15} {}", grouped_wide(seconds), category.name())?;
        }
        writeln!(f, "contracts  {}", grouped(self.contracts))?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<11}{:>9}{:>9}{:>12}{:>16}{:>14}{:>16}",
            "stage", "wall s", "cpu s", "data", "records", "data/s", "records/s"
        )?;
        for stage in &self.stages {
            let data = if stage.bytes == 0 { "-".to_owned() } else { size(stage.bytes) };
            let data_rate = if stage.bytes == 0 { "-".to_owned() } else { format!("{}/s", size(stage.bytes_per_s())) };
            let (records, records_rate) = match stage.records {
                0 => ("-".to_owned(), "-".to_owned()),
                n_records => (grouped(n_records), grouped(stage.records_per_s())),
            };
            writeln!(
                f,
                "{:<11}{:>9.3}{:>9.3}{data:>12}{records:>16}{data_rate:>14}{records_rate:>16}",
                stage.name, stage.wall_s, stage.cpu_s
            )?;
        }
        writeln!(
            f,
            "{:<11}{:>9.3}           peak memory {}, {} threads, {}",
            "total",
            self.wall_s,
            size(self.peak_rss_bytes),
            self.threads,
            self.backend
        )
    }
}

/// The first eight digits of a hash.
fn short(sha256: &str) -> &str {
    sha256.get(..8).unwrap_or(sha256)
}

/// The most frequent apps and how many more there are. App names are outside data: control characters are escaped.
pub fn most_frequent(apps: &std::collections::BTreeMap<String, u64>) -> String {
    const SHOWN: usize = 5;
    let mut by_count: Vec<(&String, &u64)> = apps.iter().collect();
    by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut text = String::new();
    for (place, (app, records)) in by_count.iter().take(SHOWN).enumerate() {
        let name: String = app.chars().take(40).flat_map(char::escape_debug).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{name} {}", if place == 0 { "" } else { ", " }, grouped(**records));
    }
    if by_count.len() > SHOWN {
        let _ = write!(text, " and {} more", by_count.len() - SHOWN);
    }
    text
}

/// `1234567` as `1 234 567`.
pub fn grouped(number: u64) -> String {
    grouped_wide(i128::from(number))
}

/// The same for numbers that may be negative or wide.
pub fn grouped_wide(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest decimal unit that leaves at least one digit before the point, for example `8.31 GB`.
pub fn size(n_bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.into_iter().find(|(_, unit)| n_bytes >= *unit) {
        Some((name, unit)) => format!("{:.2} {name}", n_bytes as f64 / unit as f64),
        None => format!("{n_bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        let mut ledger = Ledger { read: 10, kept: 6, ..Ledger::default() };
        ledger.rejected[Reason::Malformed as usize] = 1;
        ledger.rejected[Reason::UnmappedApp as usize] = 3;
        ledger.unmapped_app.insert("A\u{1b}[2J".into(), 3);
        ledger.seconds = [1, 2, 3, 4, 12_345_678_901_234_567_890];
        Report {
            month: "2022-04".parse().unwrap(),
            etl_date: "2022-05-01".parse().unwrap(),
            rules_name: "default".into(),
            rules_sha256: "0123456789abcdef".repeat(4),
            input: InputReport {
                files: 2,
                bytes: 1500,
                days: 28,
                missing_days: vec![Day::new(3).unwrap(), Day::new(30).unwrap()],
                skipped_files: 1,
            },
            ledger,
            contracts: 1_234_567,
            stages: vec![StageTiming { name: "scan", wall_s: 0.5, cpu_s: 0.75, bytes: 1500, records: 10 }],
            wall_s: 0.625,
            peak_rss_bytes: 2048,
            threads: 2,
            backend: "scalar",
        }
    }

    #[test]
    fn json_is_the_documented_one() {
        let expected = serde_json::json!({
            "engine": crate::ENGINE,
            "month": "2022-04",
            "etl_date": "2022-05-01",
            "rules": {"name": "default", "sha256": "0123456789abcdef".repeat(4)},
            "input": {"files": 2, "bytes": 1500, "days": 28, "missing_days": ["2022-04-03", "2022-04-30"], "skipped_files": 1},
            "records": {
                "read": 10, "kept": 6,
                "rejected": {
                    "malformed": 1, "no_contract": 0, "long_contract": 0, "no_app": 0, "bad_duration": 0,
                    "negative_duration": 0, "over_day": 0, "unmapped_app": 3, "excluded": 0
                },
                "unmapped_app": {"A\u{1b}[2J": 3}
            },
            "seconds": {
                "kept": 12_345_678_901_234_567_900_u64,
                "by_category": {"Movie": 1, "Sport": 2, "Child": 3, "Relax": 4, "Tv": 12_345_678_901_234_567_890_u64}
            },
            "contracts": 1_234_567,
            "stages": [{"name": "scan", "wall_s": 0.5, "cpu_s": 0.75, "bytes": 1500, "records": 10, "bytes_per_s": 3000, "records_per_s": 20}],
            "wall_s": 0.625,
            "peak_rss_bytes": 2048,
            "threads": 2,
            "backend": "scalar"
        });
        let text = sample().to_json();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
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
            "stages",
            "backend",
        ];
        assert!(keys.windows(2).all(|pair| place(&format!("\"{}\"", pair[0])) < place(&format!("\"{}\"", pair[1]))));
    }

    #[test]
    fn table_shows_every_count_and_no_control_character() {
        let text = sample().to_string();
        for part in [
            "10 read = 6 kept + 4 rejected",
            "28 days (missing: 2022-04-03, 2022-04-30), 1 name left out",
            "1 234 567",
            "malformed",
            "1.50 kB",
            "scan",
            "scalar",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        let check = |number: i128, expected: &str| assert_eq!(grouped_wide(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1 000");
        check(-1_234_567, "-1 234 567");
        let check = |n_bytes: u64, expected: &str| assert_eq!(size(n_bytes), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.00 kB");
        check(8_310_000_000, "8.31 GB");
    }

    #[test]
    fn peak_memory_is_read_from_the_status_file() {
        let check = |status: &str, expected: Option<u64>| assert_eq!(peak_rss_in(status), expected, "{status:?}");
        check("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n", Some(12 * 1024));
        check("VmHWM:\t99999999999999999999 kB\n", None);
        check("VmHWM:\tmany kB\n", None);
        check("", None);
        assert!(peak_rss_bytes().is_some_and(|n| n > 0));
    }

    #[test]
    fn a_stage_without_time_has_no_rate() {
        let stage = StageTiming { name: "scan", wall_s: 0.0, cpu_s: 0.0, bytes: 5, records: 5 };
        assert_eq!((stage.bytes_per_s(), stage.records_per_s()), (0, 0));
    }
}
