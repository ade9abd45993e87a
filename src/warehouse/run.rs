//! What is written down of a run, whether it published or not: `etl_run` and the tables around it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::Value;
use super::schema::{
    ETL_RUN, ETL_RUN_APP, ETL_RUN_AUDIENCE, ETL_RUN_AUDIENCE_PAIR, ETL_RUN_DAY, ETL_RUN_WARNING, Table, cut_app,
    utc_text,
};
use crate::engine::calendar::{Day, Month};
use crate::engine::devices::Devices;
use crate::engine::hex::hex;
use crate::engine::ledger::{AppSums, Ids, InputFile, Ledger, Reason};
use crate::engine::month::{MonthTable, Provenance};
use crate::engine::rules::Category;

/// Most characters of what is said of an audience: more than people read, and what any server takes in one text.
const MAX_AUDIENCE_CHARS: usize = 10_000;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// Its month stands, or stood until another run published it.
    Published,
    /// The data was not let through: limits, ledger.
    Refused,
    /// Something broke.
    Failed,
    /// It was told to end.
    Interrupted,
    /// Its month was published and removed later.
    Dropped,
}

impl RunStatus {
    /// The word in the column `Status`.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Published => "published",
            RunStatus::Refused => "refused",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
            RunStatus::Dropped => "dropped",
        }
    }
}

/// Exit code, in `etl_run`, of a run that was interrupted while it published and never said how it ended: what it left
/// may be the tables of two runs. Every other one that did not publish has one that is not 0.
pub(super) const TORN_EXIT_CODE: u8 = 0;

/// The statement after which no run of the month stands.
pub(super) fn mark_dropped() -> String {
    let (dropped, published) = (RunStatus::Dropped.name(), RunStatus::Published.name());
    let table = ETL_RUN.qualified();
    format!("UPDATE {table} SET Status = '{dropped}' WHERE Month = {{month}} AND Status = '{published}'")
}

/// A run: a row of `etl_run` and what belongs to it. What is not known stays empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    pub month: Month,
    /// When it began. Its end is the moment of recording and set by the warehouse.
    pub started: Timestamp,
    /// How it ended.
    pub status: RunStatus,
    /// Exit code of the program; 0 for a run that published, even where the mart or a file failed after it.
    pub exit_code: u8,
    /// What failed.
    pub message: String,
    /// Rules, engine and inputs.
    pub provenance: Provenance,
    /// What tells these inputs from others, 64 hexadecimal digits.
    pub inputs_sha256: String,
    /// What became of the records, as far as they were read.
    pub ledger: Ledger,
    /// The same by day.
    pub days: Vec<RunDay>,
    /// Records and seconds by app.
    pub apps: Vec<RunApp>,
    /// Warnings, in order.
    pub warnings: Vec<RunWarning>,
    /// The audiences with a name, in order.
    pub audiences: Vec<RunAudience>,
    /// How they overlap.
    pub audience_pairs: Vec<RunAudiencePair>,
}

/// The size of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAudience {
    pub name: String,
    pub description: String,
    pub expression: String,
    /// Customers.
    pub users: u64,
    pub seconds: i64,
    /// Half of the customers who are not in it have at most so many seconds.
    pub others_median_seconds: i64,
}

/// Customers who are in two audiences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAudiencePair {
    /// Name of the audience.
    pub audience: String,
    /// Name of the other, or the same.
    pub other: String,
    /// Customers in both.
    pub users: u64,
}

/// What became of some records of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDay {
    pub day: Day,
    /// Why they were rejected, or none when they were kept.
    pub reason: Option<Reason>,
    /// How many.
    pub records: u64,
    /// Files of the day that hold such a record.
    pub files: u64,
}

/// Records of an app that were kept, or rejected because it is in no category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunApp {
    pub app: String,
    pub category: Option<Category>,
    /// How many.
    pub records: u64,
    pub seconds: i128,
}

/// Something that was not as it should be, although nothing failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunWarning {
    /// A word for the kind of warning, for example `missing_day`.
    pub kind: String,
    /// The warning as it was shown.
    pub text: String,
}

impl RunRecord {
    /// A run that published `table`.
    pub fn of_table(table: &MonthTable, started: Timestamp) -> RunRecord {
        RunRecord {
            month: table.month,
            started,
            status: RunStatus::Published,
            exit_code: 0,
            message: String::new(),
            provenance: table.provenance.clone(),
            inputs_sha256: fingerprint(table.detail.files.iter().map(|file| &file.file), table.counts_devices()),
            ledger: table.ledger.clone(),
            days: days_of(table),
            apps: apps_of(table),
            warnings: Vec::new(),
            audiences: Vec::new(),
            audience_pairs: Vec::new(),
        }
    }

    /// The row of `etl_run` in the order of its columns, without `Id`, which the database gives.
    pub(super) fn row(&self, finished: Timestamp) -> Vec<Value> {
        ETL_RUN.columns.iter().skip(1).map(|column| self.value(column.name, finished)).collect()
    }

    /// The value of a column of `etl_run`; NULL, which the database refuses, where there is no such column.
    fn value(&self, column: &str, finished: Timestamp) -> Value {
        let text = |text: &str| Value::Text(text.to_owned());
        let (ledger, provenance) = (&self.ledger, &self.provenance);
        match column {
            "Month" => Value::Text(self.month.first_day().to_string()),
            "Started" => Value::Text(utc_text(self.started)),
            "Finished" => Value::Text(utc_text(finished)),
            "RulesName" => text(&provenance.rules.name),
            "RulesSha256" => text(&provenance.rules.sha256),
            "RulesText" => text(&provenance.rules.text),
            "Engine" => text(&provenance.engine),
            "InputFiles" => count(provenance.input_files),
            "InputBytes" => count(provenance.input_bytes),
            "InputsSha256" => text(&self.inputs_sha256),
            "RecordsRead" => count(ledger.read),
            "RecordsKept" => count(ledger.kept),
            "Status" => text(self.status.name()),
            "ExitCode" => Value::Integer(self.exit_code.into()),
            "Message" => text(&self.message),
            _ => {
                let reason = column.strip_prefix("Rejected_");
                let reason = reason.and_then(|name| Reason::ALL.into_iter().find(|reason| reason.name() == name));
                reason.map_or(Value::Null, |reason| count(ledger.n_rejected_for(reason)))
            }
        }
    }

    /// The rows that belong to the run, by table, in the order of the tables' columns but the first, which is the run.
    pub(super) fn details(&self) -> [(&'static Table, Vec<Vec<Value>>); 5] {
        let days = self.days.iter().filter_map(|day| {
            Some(vec![
                Value::Text(self.month.date(day.day)?.to_string()),
                Value::Text(day.reason.map_or("kept", Reason::name).to_owned()),
                count(day.records),
                count(day.files),
            ])
        });
        let warnings = self.warnings.iter().zip(1..).map(|(warning, place)| {
            vec![Value::Integer(place), Value::Text(cut(&warning.kind, 50)), Value::Text(warning.text.clone())]
        });
        let text = |text: &str| Value::Text(text.to_owned());
        let audiences = self.audiences.iter().zip(1..).map(|(audience, place)| {
            let RunAudience { name, description, expression, users, seconds, others_median_seconds } = audience;
            let numbers = [count(*users), Value::Integer(*seconds), Value::Integer(*others_median_seconds)];
            let texts = [description, expression].map(|words| Value::Text(cut(words, MAX_AUDIENCE_CHARS)));
            [Value::Integer(place), text(name)].into_iter().chain(texts).chain(numbers).collect()
        });
        let pairs = self
            .audience_pairs
            .iter()
            .map(|RunAudiencePair { audience, other, users }| vec![text(audience), text(other), count(*users)]);
        [
            (&ETL_RUN_DAY, days.collect()),
            (&ETL_RUN_APP, self.app_rows()),
            (&ETL_RUN_WARNING, warnings.collect()),
            (&ETL_RUN_AUDIENCE, audiences.collect()),
            (&ETL_RUN_AUDIENCE_PAIR, pairs.collect()),
        ]
    }

    /// Names that are equal once they are cut are counted together.
    fn app_rows(&self) -> Vec<Vec<Value>> {
        let mut apps: Vec<(String, &str, u64, i128)> = self
            .apps
            .iter()
            .map(|app| (cut_app(&app.app), app.category.map_or("", Category::name), app.records, app.seconds))
            .collect();
        apps.sort_unstable();
        apps.dedup_by(|next, first| {
            let is_same = (&next.0, next.1) == (&first.0, first.1);
            if is_same {
                first.2 = first.2.saturating_add(next.2);
                first.3 = first.3.saturating_add(next.3);
            }
            is_same
        });
        let row = |(app, category, records, seconds): (String, &str, u64, i128)| {
            // What does not fit is refused before a month is published; other runs are recorded as far as it goes.
            let seconds = seconds.clamp(i64::MIN.into(), i64::MAX.into());
            let seconds = Value::Integer(i64::try_from(seconds).unwrap_or_default());
            vec![Value::Text(app), Value::Text(category.to_owned()), count(records), seconds]
        };
        apps.into_iter().map(row).collect()
    }
}

/// What became of the records of each day.
fn days_of(table: &MonthTable) -> Vec<RunDay> {
    let mut days: BTreeMap<(Day, Option<Reason>), RunDay> = BTreeMap::new();
    for file in &table.detail.files {
        let rejected = Reason::ALL.map(|reason| (Some(reason), file.counts.n_rejected_for(reason)));
        let counts = [(None, file.counts.kept)].into_iter().chain(rejected);
        for (reason, records) in counts.filter(|(reason, records)| *records > 0 || reason.is_none()) {
            let day = file.file.day;
            let sum = days.entry((day, reason)).or_insert(RunDay { day, reason, records: 0, files: 0 });
            sum.records = sum.records.saturating_add(records);
            sum.files += u64::from(records > 0);
        }
    }
    days.into_values().collect()
}

/// Records and seconds of each app.
fn apps_of(table: &MonthTable) -> Vec<RunApp> {
    let app = |(app, sums): (&String, &AppSums)| RunApp {
        app: app.clone(),
        category: sums.category,
        records: sums.records,
        seconds: sums.seconds,
    };
    table.detail.apps.iter().map(app).collect()
}

/// What tells these inputs, in the order of the ledger, from others: a hash of place, size, tag, day, bytes read and, where
/// it is not that of the name, format of every file, and whether its ids count once; and whether devices are counted. Empty
/// when no file is known.
pub fn fingerprint<'f>(files: impl IntoIterator<Item = &'f InputFile>, devices: Devices) -> String {
    let mut hash = Sha256::new();
    let mut is_known = false;
    for file in files {
        is_known = true;
        let ranges: Vec<String> = file.ranges.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
        // The lengths keep one text from running into the next.
        let texts = [file.uri.as_str(), &file.tag, &ranges.join(",")];
        let texts = texts.into_iter().chain(file.other_format());
        texts.for_each(|text| hash.update(format!("{}:{text}", text.len())));
        hash.update(format!("{} {};", file.n_bytes, file.day.number()));
        if file.ids == Ids::Unique {
            hash.update("unique ids;");
        }
    }
    if devices == Devices::Counted {
        hash.update("devices;");
    }
    if is_known { hex(&hash.finalize()) } else { String::new() }
}

/// No count of records or bytes on this earth reaches 2^63.
pub(super) fn count(n: u64) -> Value {
    Value::Integer(i64::try_from(n).unwrap_or(i64::MAX))
}

fn cut(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ledger::{FileLedger, RecordCounts};
    use crate::engine::rules::Rules;
    use crate::made::month_table;

    fn record() -> RunRecord {
        let table = month_table("2022-04", &Rules::preset("default").unwrap(), &[("A", [1, 0, 0, 0, 2], 2)]);
        RunRecord::of_table(&table, "2022-05-01T01:02:03.004Z".parse().unwrap())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_row_has_a_value_for_every_column() {
        let record = RunRecord { status: RunStatus::Refused, exit_code: 4, message: "too many".into(), ..record() };
        let row = record.row("2022-05-01T01:02:04Z".parse().unwrap());
        let columns: Vec<&str> = ETL_RUN.columns.iter().skip(1).map(|column| column.name).collect();
        assert!(!row.contains(&Value::Null), "{columns:?}: {row:?}");
        for reason in Reason::ALL {
            assert!(columns.contains(&format!("Rejected_{reason}").as_str()), "{reason}");
        }
        let value = |name: &str| &row[columns.iter().position(|column| *column == name).unwrap()];
        assert_eq!(value("Month"), &text("2022-04-01"));
        assert_eq!(value("Started"), &text("2022-05-01 01:02:03.004"));
        assert_eq!(value("Finished"), &text("2022-05-01 01:02:04.000"));
        assert_eq!(value("RecordsKept"), &Value::Integer(3));
        assert_eq!(value("Rejected_unmapped_app"), &Value::Integer(2));
        assert_eq!(value("Rejected_excluded"), &Value::Integer(0));
        assert_eq!(value("Status"), &text("refused"));
        assert_eq!(value("ExitCode"), &Value::Integer(4));
        assert_eq!(value("Message"), &text("too many"));
        assert_eq!(value("InputsSha256"), &text(&record.inputs_sha256));
    }

    #[test]
    fn days_apps_and_inputs_come_from_the_ledger() {
        let mut table = month_table("2022-04", &Rules::preset("default").unwrap(), &[("A", [1, 0, 0, 0, 2], 2)]);
        let file = |uri: &str, kept: u64, malformed: u64| {
            let mut counts = RecordCounts { kept, ..RecordCounts::default() };
            counts.rejected[Reason::Malformed as usize] = malformed;
            FileLedger { file: InputFile::whole(uri.into(), Day::new(3).unwrap(), 9, "t".into()), counts }
        };
        table.detail.files = vec![file("file:///a", 2, 0), file("file:///b", 3, 1), file("file:///c", 0, 2)];
        let sums = AppSums { category: Some(Category::Tv), records: 5, seconds: 7 };
        table.detail.apps = BTreeMap::from([("KPLUS".into(), sums)]);
        let of = |table: &MonthTable| RunRecord::of_table(table, Timestamp::UNIX_EPOCH);
        let record = of(&table);
        let day = Day::new(3).unwrap();
        let kept = RunDay { day, reason: None, records: 5, files: 2 };
        let malformed = RunDay { day, reason: Some(Reason::Malformed), records: 3, files: 2 };
        assert_eq!(record.days, [kept, malformed]);
        let app = RunApp { app: "KPLUS".into(), category: Some(Category::Tv), records: 5, seconds: 7 };
        assert_eq!(record.apps, [app]);
        assert_eq!(record.inputs_sha256.len(), 64);
        assert_eq!(of(&table).inputs_sha256, record.inputs_sha256);
        table.detail.files[1].file.tag.push('u');
        assert_ne!(of(&table).inputs_sha256, record.inputs_sha256);
    }

    #[test]
    fn details_are_rows_of_their_tables() {
        let mut record = record();
        record.days.clear();
        record.apps.retain(|app| app.category.is_none());
        record.days.push(RunDay { day: Day::new(3).unwrap(), reason: None, records: 5, files: 2 });
        record.days.push(RunDay { day: Day::new(3).unwrap(), reason: Some(Reason::NoApp), records: 1, files: 1 });
        record.warnings.push(RunWarning { kind: "compression".into(), text: "gzip under .json".into() });
        let long = |end: &str| "é".repeat(500) + end;
        for (app, category, records) in [
            (long("x"), None, 2),
            (long("y"), None, 4),
            (long(""), None, 1),
            ("VOD".to_owned(), Some(Category::Movie), 8),
        ] {
            record.apps.push(RunApp { app, category, records, seconds: i128::MAX });
        }
        let (name, other) = ("kids".to_owned(), "one_day".to_owned());
        record.audiences.push(RunAudience {
            name: name.clone(),
            description: "Children".into(),
            expression: "é".repeat(MAX_AUDIENCE_CHARS + 1),
            users: 3,
            seconds: 9,
            others_median_seconds: 4,
        });
        record.audience_pairs.push(RunAudiencePair { audience: name, other, users: 1 });
        let [days, apps, warnings, audiences, pairs] = record.details();
        for (table, rows) in [&days, &apps, &warnings, &audiences, &pairs] {
            assert!(rows.iter().all(|row| row.len() + 1 == table.columns.len()), "{}", table.name);
        }
        let row = |values: [Value; 4]| values.to_vec();
        assert_eq!(
            days.1,
            [
                row([text("2022-04-03"), text("kept"), Value::Integer(5), Value::Integer(2)]),
                row([text("2022-04-03"), text("no_app"), Value::Integer(1), Value::Integer(1)]),
            ]
        );
        let most = Value::Integer(i64::MAX);
        assert_eq!(
            apps.1,
            [
                row([text("VOD"), text("Movie"), Value::Integer(8), most.clone()]),
                row([text("X"), text(""), Value::Integer(2), Value::Integer(0)]),
                row([text(&long("")), text(""), Value::Integer(1), most.clone()]),
                row([text(&("é".repeat(499) + "…")), text(""), Value::Integer(6), most]),
            ]
        );
        assert_eq!(warnings.1, [[Value::Integer(1), text("compression"), text("gzip under .json")]]);
        let numbers = [3, 9, 4].map(Value::Integer);
        let cut = text(&"é".repeat(MAX_AUDIENCE_CHARS));
        let of_kids: Vec<Value> =
            [Value::Integer(1), text("kids"), text("Children"), cut].into_iter().chain(numbers).collect();
        assert_eq!(audiences.1, [of_kids]);
        assert_eq!(pairs.1, [[text("kids"), text("one_day"), Value::Integer(1)]]);
    }
}
