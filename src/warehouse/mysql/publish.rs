//! One month from the columns to the readers: staged, checked, exchanged.
//!
//! The order, and what a crash leaves at each point:
//!
//! 1. A lock by name keeps a second viewmart out. It ends with the connection, whatever becomes of the program.
//! 2. Staging tables of dead runs are dropped. Only viewmart makes tables of that name, and only under the lock.
//! 3. A staging table of this run is made like `customer_behavior`, and exchanged for its empty partition once: what
//!    somebody changed in the table since stops a run here. Then the rows go in, over several connections. A crash leaves
//!    a staging table: see 2. Another one is made like `customer_devices` where devices were counted; where they were
//!    not but an earlier run counted them, it stays empty.
//! 4. The database counts and adds up the staging tables for connections that did not load them; the result must equal
//!    the columns and their ledger.
//!    Then what goes on beside, the files of the month, must have come to a good end.
//! 5. Each table gets an empty partition for the month, if it has none: readers see no difference.
//! 6. The run is recorded as one that was interrupted while it published, which a crash from here on leaves: whoever asks
//!    later whether the month has to be made again learns that it may be torn.
//!    A transaction on a second connection replaces `daily_activity` of the month and adds the run to `etl_run`, all but
//!    its `COMMIT`. It has few rows, however large the month: servers log it whole. What a server can refuse it refuses
//!    here, and a crash takes it back.
//! 7. `EXCHANGE PARTITION` swaps the staged rows for those of the month, the devices first. It is atomic for readers and
//!    for crashes, by table. It locks no table of the transaction, which waits on its own connection: a change of a table
//!    commits what its connection has open. It waits for readers a second at a time, so that it does not happen long
//!    after this program is gone. If it fails, the devices are exchanged back and the transaction is taken back.
//! 8. `COMMIT` on the second connection, the very next thing that the server hears. If it refuses, the partitions are
//!    exchanged back. A crash between 7 and 8, a round trip for each table, leaves the new customers, or their devices
//!    alone, beside the old days: each table is whole, and the next run makes them agree. What 6 recorded is then gone.
//! 9. The staging tables, which now hold the old rows, are dropped, each by itself.

use std::ops::Range;

use jiff::Timestamp;
use mysql::prelude::Queryable as _;

use super::encode;
use super::fault::StepFailure;
use super::load::{self, Counted, StagedRows};
use super::names::literal;
use super::partition::{self, PARTITIONED};
use super::session::{Session, in_parallel};
use super::settings;
use super::staging::{self, Staging, and_tidied, drop_leftovers};
use crate::console::Progress;
use crate::engine::columns::{COLUMNS, DEVICE_COLUMNS};
use crate::engine::devices::Devices;
use crate::engine::month::{DayActivity, MonthTable};
use crate::warehouse::rows::contract_ranges;
use crate::warehouse::schema;
use crate::warehouse::{Beside, Fault, Rivals, RunRecord, RunStatus, TORN_EXIT_CODE, Value, checks};

/// The step that replaces the days of the month and adds the run, for messages.
pub(super) const RECORDING: &str = "recording the run";

const LOOKING: &str = "looking for the partition of the month";

/// A month on its way.
pub(super) struct Load<'a> {
    pub table: &'a MonthTable,
    pub record: &'a RunRecord,
    /// Runs of the month that are not replaced.
    pub rivals: Rivals,
    /// What must have been done before readers see the month.
    pub beside: &'a Beside,
    /// Connections that take its rows.
    pub n_connections: usize,
}

/// Stages, checks and publishes a month. The caller holds the lock.
pub(super) fn load(session: &mut Session<'_>, load: &Load<'_>, progress: &Progress) -> Result<(), StepFailure> {
    drop_leftovers(session)?;
    refuse_rivals(session, load)?;
    let [devices, customers] = PARTITIONED.map(|of| Staging::new(session, of, load.table.month));
    let (devices, customers) = (devices?, customers?);
    let counted = Counted::new(progress);
    let published = stage_customers(session, &customers, load, &counted)
        .and_then(|()| stage_devices(session, &devices, load))
        .and_then(|devices| {
            load.beside.wait(session.address())?;
            let stagings: Vec<&Staging> = devices.into_iter().chain([&customers]).collect();
            publish(session, &stagings, load)
        });
    // Each by itself: one that a reader holds keeps no other.
    let dropped = [&devices, &customers].map(|staging| staging.drop(session));
    if published.is_err() {
        // A repetition loads all rows again.
        counted.take_back();
    }
    dropped.into_iter().fold(published, and_tidied)
}

/// Refuses a month that another run has made just so. The caller holds the lock: none does so any more.
fn refuse_rivals(session: &mut Session<'_>, load: &Load<'_>) -> Result<(), StepFailure> {
    let doing = "looking for other runs";
    let Some(sql) = load.rivals.select(load.record) else { return Ok(()) };
    match session.query_first(doing, &session.fill_month(&sql, load.table.month))? {
        Some(run) => Err(session.refused(doing, Fault::MadeMeanwhile { run })),
        None => Ok(()),
    }
}

fn stage_customers(
    session: &mut Session<'_>,
    staging: &Staging,
    load: &Load<'_>,
    counted: &Counted<'_>,
) -> Result<(), StepFailure> {
    staging.create(session)?;
    let source = StagedRows { table: load.table, columns: COLUMNS, staging: &staging.name };
    stage(session, &source, &checks::customer_sums(load.table), load.n_connections, counted)
}

/// Stages the devices, or none where they were not counted but an earlier run of the month did; gives `staging` where
/// it is to be exchanged.
fn stage_devices<'a>(
    session: &mut Session<'_>,
    staging: &'a Staging,
    load: &Load<'_>,
) -> Result<Option<&'a Staging>, StepFailure> {
    let table = load.table;
    match table.counts_devices() {
        Devices::Counted => {
            staging.create(session)?;
            let source = StagedRows { table, columns: DEVICE_COLUMNS, staging: &staging.name };
            // They are no rows of their own to those who wait.
            let progress = Progress::hidden();
            stage(session, &source, &checks::device_sums(table), load.n_connections, &Counted::new(&progress))?;
        }
        Devices::Ignored if partition::exists(session, LOOKING, staging.table, table.month)? => {
            staging.create(session)?;
        }
        Devices::Ignored => return Ok(None),
    }
    Ok(Some(staging))
}

/// The first contract of each range of rows but the first.
pub(super) fn bounds(table: &MonthTable, n: usize) -> Vec<&str> {
    ranges(table.n_rows(), n).iter().skip(1).map(|rows| table.contracts.get(rows.start)).collect()
}

/// The rows of each connection: disjoint, in key order, of nearly equal number; fewer than `n` where rows are few.
fn ranges(n_rows: usize, n: usize) -> Vec<Range<usize>> {
    let n = n.clamp(1, n_rows.max(1));
    (0..n).map(|i| n_rows * i / n..n_rows * (i + 1) / n).collect()
}

/// Loads all rows, then adds them up in the database, over `n_connections` at once in both; they must come to `sums`.
fn stage(
    session: &mut Session<'_>,
    source: &StagedRows<'_>,
    sums: &[checks::Sum],
    n_connections: usize,
    counted: &Counted<'_>,
) -> Result<(), StepFailure> {
    let StagedRows { table, columns, staging } = *source;
    session.run_patiently("creating the staging table", &encode::set_constants(staging, table, columns))?;
    let ranges = ranges(table.n_rows(), n_connections);
    let n_ranges = ranges.len();
    in_parallel(&mut session.others(n_ranges)?, ranges, |session, rows| {
        load::transactions(&session.server, table, rows).into_iter().try_for_each(|rows| {
            session.patiently(|session| load::load_range(session, source, rows.clone(), counted))?;
            refuse_warnings(session)
        })
    })?;

    // Those that loaded would see their own rows even if these were never committed: others look. They do so in parts of
    // the key's whole range, so that rows nobody sent would be counted too.
    let mut others = session.others(n_ranges)?;
    let bounds: Vec<String> = bounds(table, n_connections).into_iter().map(literal).collect();
    let (select, month) = (checks::select(sums), table.month.first_day());
    let parts = in_parallel(&mut others, contract_ranges(&bounds), |session, range| {
        query_sums(session, &format!("{select} FROM {staging} WHERE Month = '{month}' AND {range}"), sums.len())
    })?;
    let mut all = vec![0; sums.len()];
    for part in parts {
        for (sum, part) in all.iter_mut().zip(part) {
            *sum += part;
        }
    }
    Ok(checks::compare(session.address(), sums, &all)?)
}

/// `LOAD DATA LOCAL` makes warnings of values it had to change: rows must arrive unchanged.
fn refuse_warnings(session: &mut Session<'_>) -> Result<(), StepFailure> {
    let n_warnings = session.conn.warnings();
    if n_warnings == 0 {
        return Ok(());
    }
    let doing = "staging rows";
    let first: Option<(String, u16, String)> = session.query_first(doing, "SHOW WARNINGS")?;
    let first = first.map(|(_, code, text)| (session.connector.endpoint.blot(&text), code));
    Err(session.refused(doing, Fault::ChangedRows { n_warnings, first }))
}

fn query_sums(session: &mut Session<'_>, sql: &str, n_sums: usize) -> Result<Vec<i128>, StepFailure> {
    let doing = "checking the staged rows";
    let row: Option<mysql::Row> = session.query_first(doing, sql)?;
    let sum = |place: usize| {
        // Sums are DECIMAL, which the client gives as text.
        let text: Option<String> = row.as_ref().and_then(|row| row.get_opt(place)).and_then(Result::ok);
        let sum = text.and_then(|text| text.parse().ok());
        sum.ok_or_else(|| session.refused(doing, Fault::Answer { what: "a sum came back as no number".to_owned() }))
    };
    (0..n_sums).map(sum).collect()
}

fn publish(session: &mut Session<'_>, stagings: &[&Staging], load: &Load<'_>) -> Result<(), StepFailure> {
    let Load { table, record, .. } = *load;
    for staging in stagings {
        partition::add(session, staging.table, table.month)?;
    }
    // Before the rows of the month change, so that only its COMMIT has to follow them.
    let mut recorder = session.another()?;
    let announced = announced(record);
    recorder.patiently(|recorder| record_run(recorder, &announced))?;
    let prepared = recorder.patiently(|recorder| {
        recorder.open_transaction(RECORDING, |recorder| {
            replace_days(recorder, table)?;
            record_run(recorder, record)
        })
    });
    let publication = match prepared {
        Ok(()) => exchange_and_commit(session, &mut recorder, stagings, ["publishing the month", RECORDING]),
        Err(failure) => Publication::Undone(failure),
    };
    if let Publication::Undone(_) = &publication {
        forget_announced(&mut recorder, record);
    }
    publication.into_result()
}

/// What came of a publication.
pub(super) enum Publication {
    Done,
    /// The month is as it was.
    Undone(StepFailure),
    /// Nobody knows whether the month is as it was: the next run or drop makes the tables agree.
    Unknown(StepFailure),
}

impl Publication {
    pub fn into_result(self) -> Result<(), StepFailure> {
        match self {
            Publication::Done => Ok(()),
            Publication::Undone(failure) | Publication::Unknown(failure) => Err(failure),
        }
    }
}

/// Exchanges the month for what is staged, then commits what `recorder` has open; `doing` says what each of the two does.
pub(super) fn exchange_and_commit(
    session: &mut Session<'_>,
    recorder: &mut Session<'_>,
    stagings: &[&Staging],
    [exchanging, committing]: [&'static str; 2],
) -> Publication {
    // Nothing of ours is in the way of a COMMIT, which cannot be tried twice.
    let exchanged = recorder
        .run(committing, &settings::wait_in_server(recorder.connector.lock_timeout))
        .and_then(|()| staging::exchange_all(session, stagings, exchanging));
    if let Err(failure) = recorder.rolled_back(exchanged) {
        return Publication::Undone(failure);
    }
    let Err(error) = recorder.conn.query_drop("COMMIT") else { return Publication::Done };
    let failure = recorder.failed(committing, &error);
    match error {
        mysql::Error::MySqlError(_) => match staging::revert_exchange(session, stagings) {
            Ok(()) => Publication::Undone(failure),
            Err(failure) => Publication::Unknown(failure),
        },
        // A connection that broke says neither yes nor no.
        _ => Publication::Unknown(failure),
    }
}

/// `daily_activity` of the month, in the transaction that is open.
fn replace_days(session: &mut Session<'_>, table: &MonthTable) -> Result<(), StepFailure> {
    // Names are filled in before any value is: an app may be called `{mart}`.
    let name = session.qualified(&schema::DAILY_ACTIVITY);
    let month = table.month.first_day();
    session.run(RECORDING, &format!("DELETE FROM {name} WHERE Month = '{month}'"))?;
    let days: Vec<String> = table.activity.iter().filter_map(|day| day_values(table, day)).collect();
    if days.is_empty() {
        return Ok(());
    }
    let columns = schema::DAILY_ACTIVITY.column_list();
    session.run(RECORDING, &format!("INSERT INTO {name} ({columns}) VALUES {}", days.join(", ")))
}

/// The month is as it was. Where that cannot be recorded it is taken for torn, and made again.
fn forget_announced(recorder: &mut Session<'_>, record: &RunRecord) {
    let _ = forget_run(recorder, record).iter().try_for_each(|sql| recorder.run(RECORDING, sql));
}

/// The run as it is recorded before it publishes, in case that it never says how it ended.
fn announced(record: &RunRecord) -> RunRecord {
    RunRecord {
        status: RunStatus::Interrupted,
        // Whoever is told to end, or fails, has one.
        exit_code: TORN_EXIT_CODE,
        message: "it ended while it published: the tables of the month may be of two runs".to_owned(),
        days: Vec::new(),
        apps: Vec::new(),
        warnings: Vec::new(),
        audiences: Vec::new(),
        audience_pairs: Vec::new(),
        ..record.clone()
    }
}

/// That the run is the same: one whose commit was not answered, or which was announced.
fn same_run(record: &RunRecord) -> String {
    format!("Month = '{}' AND Started = '{}'", record.month.first_day(), schema::utc_text(record.started))
}

/// The statements that take away what was recorded of a run.
fn forget_run(session: &Session<'_>, record: &RunRecord) -> Vec<String> {
    let (run_table, same_run) = (session.qualified(&schema::ETL_RUN), same_run(record));
    let details = record.details().map(|(table, _)| {
        format!("DELETE FROM {} WHERE Run IN (SELECT Id FROM {run_table} WHERE {same_run})", session.qualified(table))
    });
    details.into_iter().chain([format!("DELETE FROM {run_table} WHERE {same_run}")]).collect()
}

/// Adds a run and what belongs to it, in the transaction that is open. It stands once, under the number with which it was
/// announced.
pub(super) fn record_run(session: &mut Session<'_>, record: &RunRecord) -> Result<(), StepFailure> {
    let run_table = session.qualified(&schema::ETL_RUN);
    let announced = format!("Status = '{}' AND ExitCode = {TORN_EXIT_CODE}", RunStatus::Interrupted.name());
    let select = format!("SELECT MAX(Id) FROM {run_table} WHERE {} AND {announced}", same_run(record));
    let known: Option<Option<u64>> = session.query_first(RECORDING, &select)?;
    let known = known.flatten();
    let mut statements = forget_run(session, record);
    // Without `Id` the server gives it.
    let id = known.map(|id| ("Id".to_owned(), id.to_string()));
    let columns = schema::ETL_RUN.columns.iter().skip(1).map(|column| column.name.to_owned());
    let row = record.row(Timestamp::now());
    let (columns, values): (Vec<String>, Vec<String>) =
        id.into_iter().chain(columns.zip(row.iter().map(value_literal))).unzip();
    statements.push(format!("INSERT INTO {run_table} ({}) VALUES ({})", columns.join(", "), values.join(", ")));
    // LAST_INSERT_ID() stays that of the run: these tables give no numbers. Texts are long, packets may be small.
    let number = known.map_or_else(|| "LAST_INSERT_ID()".to_owned(), |id| id.to_string());
    let max_bytes = session.server.max_packet_bytes.min(1 << 20) / 2;
    for (table, rows) in record.details() {
        let insert = format!("INSERT INTO {} ({}) VALUES ", session.qualified(table), table.column_list());
        let mut rows = rows.into_iter().map(|row| {
            let values: Vec<String> = row.iter().map(value_literal).collect();
            format!("({number}, {})", values.join(", "))
        });
        while let Some(row) = rows.next() {
            let mut sql = format!("{insert}{row}");
            while (sql.len() as u64) < max_bytes {
                let Some(row) = rows.next() else { break };
                sql += &format!(", {row}");
            }
            statements.push(sql);
        }
    }
    statements.iter().try_for_each(|sql| session.run(RECORDING, sql))
}

fn value_literal(value: &Value) -> String {
    match value {
        Value::Text(text) => literal(text),
        other => other.to_string(),
    }
}

fn day_values(table: &MonthTable, day: &DayActivity) -> Option<String> {
    let date = table.month.date(day.day)?;
    let seconds: Vec<String> = day.seconds.iter().map(i64::to_string).collect();
    let total: i128 = day.seconds.iter().map(|s| i128::from(*s)).sum();
    let (month, users, records) = (table.month.first_day(), day.active_users, day.records);
    Some(format!("('{month}', '{date}', {users}, {records}, {}, {total})", seconds.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_all_rows_once() {
        for n_rows in [0, 1, 2, 3, 10, 101] {
            for n in [1, 2, 3, 8] {
                let ranges = ranges(n_rows, n);
                assert_eq!(ranges.first().map(|r| r.start), Some(0), "{n_rows} {n}");
                assert_eq!(ranges.last().map(|r| r.end), Some(n_rows), "{n_rows} {n}");
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{n_rows} {n}");
                assert!(ranges.len() == 1 || ranges.iter().all(|r| !r.is_empty()), "{n_rows} {n}");
            }
        }
    }
}
