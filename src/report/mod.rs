//! What a run did and how fast: `report.json`, and the same as a table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::engine::calendar::{Day, Month};
use crate::engine::devices::DeviceSummary;
use crate::engine::ledger::{AppSums, DayLedger, FileLedger, Ledger};
use crate::engine::rules::RulesStamp;
use crate::floor::Floor;
use crate::lake::Skipped;
use crate::timing::StageTiming;

mod json;
mod refusal;
mod table;

pub use json::skipped_wire;
pub use refusal::Refusal;

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
    /// What was left out.
    pub skipped: Skipped,
}

/// A month in a warehouse, with its mart and dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Number of the run, column `Id` of `etl_run`.
    pub run: i64,
    /// Address of the warehouse, without any password.
    pub warehouse: String,
    /// Where the mart is.
    pub mart: String,
    /// The page for the browser.
    pub page: PathBuf,
}

/// The throughput report of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub month: Month,
    /// The column `Date`.
    pub etl_date: Date,
    /// The rules, without the contracts that they exclude.
    pub rules: RulesStamp,
    /// What was read.
    pub input: InputReport,
    /// What became of every record.
    pub ledger: Ledger,
    /// The same by day, for the days that have a file.
    pub days: BTreeMap<Day, DayLedger>,
    /// Kept records, and those of apps in no category, by app.
    pub apps: BTreeMap<String, AppSums>,
    /// Apps in no category that differ from one in case or blanks only, each with that.
    pub similar_apps: BTreeMap<String, String>,
    /// The files that are warned of, and those of days that are.
    pub files: Vec<FileLedger>,
    /// Customers, that is rows of `customer_behavior`.
    pub contracts: u64,
    /// Their devices, where they were counted.
    pub devices: Option<DeviceSummary>,
    /// What was not as it should be, although nothing failed, one line each.
    pub warnings: Vec<String>,
    /// When the run began.
    pub started: Timestamp,
    /// When all was made that the report tells of.
    pub finished: Timestamp,
    /// Where the month was published, where it was.
    pub published: Option<Published>,
    /// The files written, the report itself among them.
    pub outputs: Vec<PathBuf>,
    /// The stages in the order in which they ended.
    pub stages: Vec<StageTiming>,
    /// Elapsed time of the whole run.
    pub wall_s: f64,
    /// See [`crate::timing::peak_rss_bytes`]; 0 where the system does not tell.
    pub peak_rss_bytes: u64,
    /// How fast this machine looks at every byte once, where `viewmart bench` has measured that with as many threads.
    pub floor: Option<Floor>,
    /// Threads that scanned.
    pub threads: usize,
    /// The vector instructions that scanned, for example `avx512`.
    pub backend: &'static str,
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::engine::ledger::{InputFile, Reason, RecordCounts};
    use crate::engine::rules::Category;

    /// A report with something in every field.
    pub fn sample() -> Report {
        let mut ledger = Ledger { read: 10, kept: 6, ..Ledger::default() };
        ledger.rejected[Reason::Malformed as usize] = 1;
        ledger.rejected[Reason::UnmappedApp as usize] = 3;
        ledger.unmapped_app.insert("A\u{1b}[2J".into(), 3);
        ledger.seconds = [1, 2, 3, 4, 12_345_678_901_234_567_890];
        let counts = RecordCounts {
            read: 10,
            kept: 6,
            rejected: ledger.rejected,
            seconds: [1, 2, 3, 4, 5],
            ..RecordCounts::default()
        };
        let day = DayLedger { n_files: 2, counts };
        Report {
            month: "2022-04".parse().unwrap(),
            etl_date: "2022-05-01".parse().unwrap(),
            rules: RulesStamp {
                name: "default".into(),
                sha256: "0123456789abcdef".repeat(4),
                text: "name = \"default\"\n".into(),
            },
            input: InputReport {
                files: 2,
                bytes: 1500,
                days: 28,
                missing_days: vec![Day::new(3).unwrap(), Day::new(30).unwrap()],
                skipped: Skipped { other_months: 30, hidden: 1, no_data: 2 },
            },
            files: vec![FileLedger {
                file: InputFile::whole("file:///lake/20220401.json".into(), Day::new(1).unwrap(), 9, "1".into()),
                counts: day.counts.clone(),
            }],
            days: BTreeMap::from([(Day::new(1).unwrap(), day)]),
            apps: BTreeMap::from([
                ("A\u{1b}[2J".into(), AppSums { category: None, records: 3, seconds: 9 }),
                ("VOD".into(), AppSums { category: Some(Category::Movie), records: 6, seconds: 1 }),
            ]),
            similar_apps: BTreeMap::from([("A\u{1b}[2J".into(), "A".into())]),
            ledger,
            contracts: 1_234_567,
            devices: None,
            warnings: vec!["3 records of an app in no category".into()],
            started: "2022-05-01T01:02:03.004Z".parse().unwrap(),
            finished: "2022-05-01T01:02:03.629Z".parse().unwrap(),
            published: Some(Published {
                run: 7,
                warehouse: "sqlite:out/warehouse.db".into(),
                mart: "out/mart.db".into(),
                page: "out/dashboard.html".into(),
            }),
            outputs: vec!["out/dashboard.html".into(), "out/report.json".into()],
            stages: vec![StageTiming { name: "scan", wall_s: 0.5, cpu_s: 0.75, bytes: 1500, records: 10 }],
            wall_s: 0.625,
            peak_rss_bytes: 2048,
            floor: None,
            threads: 2,
            backend: "scalar",
        }
    }
}
