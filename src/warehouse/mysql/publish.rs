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
use std::sync::mpsc;
use std::thread;

use jiff::Timestamp;
use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, literal, quoted};
use super::encode;
use super::failure::{Chance, Failure};
use super::partition::{self, PARTITIONED};
use super::session::{self, Server};
use super::staging::{self, STAGING_PREFIX, Staging};
use super::stream::{self, Counted};
use super::wait::patiently;
use crate::console::Progress;
use crate::engine::columns::{COLUMNS, Column, DEVICE_COLUMNS};
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
pub(super) fn load(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    load: &Load<'_>,
    progress: &Progress,
) -> Result<(), Failure> {
    let Load { table, beside, .. } = *load;
    drop_leftovers(connector, conn)?;
    refuse_rivals(connector, conn, load)?;
    let [devices, customers] = PARTITIONED.map(|of| Staging::new(connector, of, table.month));
    let counted = Counted::new(progress);
    let published = stage_customers(connector, conn, server, &customers, load, &counted)
        .and_then(|()| stage_devices(connector, conn, server, &devices, load))
        .and_then(|devices| {
            beside.wait(&connector.place.address)?;
            let stagings: Vec<&Staging> = devices.into_iter().chain([&customers]).collect();
            publish(connector, conn, server, &stagings, load)
        });
    // Each by itself: one that a reader holds keeps no other.
    let dropped = [&devices, &customers].map(|staging| staging.drop(connector, conn));
    if published.is_err() {
        // A repetition loads all rows again.
        counted.take_back();
    }
    dropped.into_iter().fold(published, tidied)
}

/// Refuses a month that another run has made just so. The caller holds the lock: none does so any more.
fn refuse_rivals(connector: &Connector, conn: &mut Conn, load: &Load<'_>) -> Result<(), Failure> {
    let doing = "looking for other runs";
    let Some(sql) = load.rivals.select(load.record) else { return Ok(()) };
    let sql = connector.names().fill_month(&sql, load.table.month);
    match conn.query_first(sql).map_err(|e| Failure::new(&connector.place, doing, &e))? {
        Some(run) => Err(Failure::plain(&connector.place, doing, Fault::MadeMeanwhile { run })),
        None => Ok(()),
    }
}

fn stage_customers(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    staging: &Staging,
    load: &Load<'_>,
    counted: &Counted<'_>,
) -> Result<(), Failure> {
    staging.create(connector, conn, server)?;
    let staged = Staged { staging: &staging.name, columns: COLUMNS, sums: checks::customer_sums(load.table) };
    stage(connector, conn, server, &staged, load.table, counted, load.n_connections)
}

/// Stages the devices, or none where they were not counted but an earlier run of the month did; gives `staging` where
/// it is to be exchanged.
fn stage_devices<'a>(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    staging: &'a Staging,
    load: &Load<'_>,
) -> Result<Option<&'a Staging>, Failure> {
    let table = load.table;
    match table.counts_devices() {
        Devices::Counted => {
            staging.create(connector, conn, server)?;
            let staged = Staged { staging: &staging.name, columns: DEVICE_COLUMNS, sums: checks::device_sums(table) };
            // They are no rows of their own to those who wait.
            let progress = Progress::hidden();
            stage(connector, conn, server, &staged, table, &Counted::new(&progress), load.n_connections)?;
        }
        Devices::Ignored if partition::exists(connector, conn, LOOKING, staging.table, table.month)? => {
            staging.create(connector, conn, server)?;
        }
        Devices::Ignored => return Ok(None),
    }
    Ok(Some(staging))
}

/// The result of a step whose tables have been `dropped`. Whatever a broken connection or a reader leaves of them is dropped
/// by the next run; the result of this one does not depend on it.
pub(super) fn tidied(result: Result<(), Failure>, dropped: Result<(), Failure>) -> Result<(), Failure> {
    result.and(match dropped {
        Err(failure) if failure.chance == Chance::Lasting => Err(failure),
        _ => Ok(()),
    })
}

/// Runs a statement without rows.
pub(super) fn run(connector: &Connector, conn: &mut Conn, doing: &'static str, sql: &str) -> Result<(), Failure> {
    conn.query_drop(sql).map_err(|e| Failure::new(&connector.place, doing, &e))
}

/// Runs a statement without rows that is a transaction by itself, as soon as no lock of another is in its way.
pub(super) fn run_patiently(
    connector: &Connector,
    conn: &mut Conn,
    doing: &'static str,
    sql: &str,
) -> Result<(), Failure> {
    patiently(connector, || run(connector, conn, doing, sql))
}

/// The result of a transaction, which is over also when it failed.
pub(super) fn rolled_back<T>(conn: &mut Conn, result: Result<T, Failure>) -> Result<T, Failure> {
    if result.is_err() {
        let _ = conn.query_drop("ROLLBACK");
    }
    result
}

/// Drops the staging tables, and the views that tried the account's rights, of runs that did not come to their end. The
/// caller holds the lock.
pub(super) fn drop_leftovers(connector: &Connector, conn: &mut Conn) -> Result<(), Failure> {
    let doing = "removing what a broken-off run left";
    for (database, quoted_database) in
        [(&connector.database, &connector.place.names.warehouse), (&connector.mart_db, &connector.place.names.mart)]
    {
        let sql = format!(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} \
             AND LEFT(TABLE_NAME, {}) = '{STAGING_PREFIX}'",
            literal(database),
            STAGING_PREFIX.len(),
        );
        let found: Vec<(String, String)> = conn.query(sql).map_err(|e| Failure::new(&connector.place, doing, &e))?;
        for (name, table_type) in found {
            let kind = if table_type == "VIEW" { "VIEW" } else { "TABLE" };
            let sql = format!("DROP {kind} IF EXISTS {quoted_database}.{}", quoted(&name));
            run_patiently(connector, conn, doing, &sql)?;
        }
    }
    Ok(())
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

/// A staging table, quoted and with its database: the columns of a month that it takes, and what they must add up to.
struct Staged<'a> {
    staging: &'a str,
    columns: &'a [Column],
    sums: Vec<checks::Sum>,
}

/// Loads all rows, then adds them up in the database, over `n_connections` at once in both.
fn stage(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    staged: &Staged<'_>,
    table: &MonthTable,
    counted: &Counted<'_>,
    n_connections: usize,
) -> Result<(), Failure> {
    let Staged { staging, columns, sums } = staged;
    let defaults = encode::set_constants(staging, table, columns);
    run_patiently(connector, conn, "creating the staging table", &defaults)?;
    let ranges = ranges(table.n_rows(), n_connections);
    let n_ranges = ranges.len();
    at_once(&mut connections(connector, n_ranges)?, ranges, |conn, rows| {
        stream::transactions(server, table, rows).into_iter().try_for_each(|rows| {
            patiently(connector, || {
                let loaded = stream::load_range(conn, server, staging, columns, table, rows.clone(), counted);
                loaded.map_err(|e| Failure::new(&connector.place, "staging rows", &e))
            })?;
            refuse_warnings(connector, conn)
        })
    })?;

    // Those that loaded would see their own rows even if these were never committed: others look. They do so in parts of
    // the key's whole range, so that rows nobody sent would be counted too.
    let mut conns = connections(connector, n_ranges)?;
    let bounds: Vec<String> = bounds(table, n_connections).into_iter().map(literal).collect();
    let (select, month) = (checks::select(sums), table.month.first_day());
    let parts = at_once(&mut conns, contract_ranges(&bounds), |conn, range| {
        query_sums(connector, conn, &format!("{select} FROM {staging} WHERE Month = '{month}' AND {range}"), sums.len())
    })?;
    let mut all = vec![0; sums.len()];
    for part in parts {
        for (sum, part) in all.iter_mut().zip(part) {
            *sum += part;
        }
    }
    Ok(checks::compare(&connector.place.address, sums, &all)?)
}

/// So many new connections.
pub(super) fn connections(connector: &Connector, n: usize) -> Result<Vec<Conn>, Failure> {
    (0..n).map(|_| Ok(connector.connect()?.0)).collect()
}

/// Runs `job` with each of `inputs` on a connection of its own, all at once; waits for all of them. Of several failures
/// it gives one that lasts: the others may only follow from it.
pub(super) fn at_once<I: Send, T: Send>(
    conns: &mut [Conn],
    inputs: impl IntoIterator<Item = I>,
    job: impl Fn(&mut Conn, I) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for (conn, input) in conns.iter_mut().zip(inputs) {
            let (sender, job) = (sender.clone(), &job);
            scope.spawn(move || {
                // The receiver lives until every sender is gone.
                let _ = sender.send(job(conn, input));
            });
        }
    });
    drop(sender);
    let mut results = Ok(Vec::new());
    for result in receiver {
        match (result, &mut results) {
            (Err(failure), _) if !failure.is_passing() => return Err(failure),
            (Err(failure), _) => results = Err(failure),
            (Ok(result), Ok(results)) => results.push(result),
            (Ok(_), Err(_)) => {}
        }
    }
    results
}

/// `LOAD DATA LOCAL` makes warnings of values it had to change: rows must arrive unchanged.
fn refuse_warnings(connector: &Connector, conn: &mut Conn) -> Result<(), Failure> {
    let n_warnings = conn.warnings();
    if n_warnings == 0 {
        return Ok(());
    }
    let doing = "staging rows";
    let first: Option<(String, u16, String)> =
        conn.query_first("SHOW WARNINGS").map_err(|e| Failure::new(&connector.place, doing, &e))?;
    let first = first.map(|(_, code, text)| (connector.place.blot(&text), code));
    Err(Failure::plain(&connector.place, doing, Fault::ChangedRows { n_warnings, first }))
}

fn query_sums(connector: &Connector, conn: &mut Conn, sql: &str, n_sums: usize) -> Result<Vec<i128>, Failure> {
    let doing = "checking the staged rows";
    let row: Option<mysql::Row> = conn.query_first(sql).map_err(|e| Failure::new(&connector.place, doing, &e))?;
    let sum = |place: usize| {
        // Sums are DECIMAL, which the client gives as text.
        let text: Option<String> = row.as_ref().and_then(|row| row.get_opt(place)).and_then(Result::ok);
        let sum = text.and_then(|text| text.parse().ok());
        sum.ok_or_else(|| {
            let what = "a sum came back as no number".to_owned();
            Failure::plain(&connector.place, doing, Fault::Answer { what })
        })
    };
    (0..n_sums).map(sum).collect()
}

fn publish(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    stagings: &[&Staging],
    load: &Load<'_>,
) -> Result<(), Failure> {
    let Load { table, record, .. } = *load;
    for staging in stagings {
        partition::add(connector, conn, staging.table, table.month)?;
    }
    // Before the rows of the month change, so that only its COMMIT has to follow them.
    let mut recorder = connector.connect()?.0;
    let announced = announced(record);
    patiently(connector, || record_run(connector, &mut recorder, server, &announced))?;
    let prepared = patiently(connector, || {
        let recorded = replace_days(connector, &mut recorder, table)
            .and_then(|()| record_run(connector, &mut recorder, server, record));
        rolled_back(&mut recorder, recorded)
    });
    let exchanged = prepared
        .and_then(|()| session::wait_in_server(&connector.place, &mut recorder, RECORDING, connector.lock_timeout))
        .and_then(|()| staging::exchange_all(connector, conn, server, stagings, "publishing the month"));
    if let Err(failure) = rolled_back(&mut recorder, exchanged) {
        forget_announced(connector, &mut recorder, record);
        return Err(failure);
    }
    let committed = recorder.query_drop("COMMIT");
    // A connection that broke says neither yes nor no: the next run makes the tables agree.
    if matches!(committed, Err(mysql::Error::MySqlError(_))) {
        staging::take_back(connector, conn, server, stagings)?;
        forget_announced(connector, &mut recorder, record);
    }
    committed.map_err(|e| Failure::new(&connector.place, RECORDING, &e))
}

/// `daily_activity` of the month, in a transaction that is left open.
fn replace_days(connector: &Connector, conn: &mut Conn, table: &MonthTable) -> Result<(), Failure> {
    // Names are filled in before any value is: an app may be called `{mart}`.
    let name = connector.names().fill(&schema::DAILY_ACTIVITY.qualified());
    let month = table.month.first_day();
    run(connector, conn, RECORDING, "START TRANSACTION")?;
    run(connector, conn, RECORDING, &format!("DELETE FROM {name} WHERE Month = '{month}'"))?;
    let days: Vec<String> = table.activity.iter().filter_map(|day| day_values(table, day)).collect();
    if days.is_empty() {
        return Ok(());
    }
    let columns = schema::DAILY_ACTIVITY.column_list();
    run(connector, conn, RECORDING, &format!("INSERT INTO {name} ({columns}) VALUES {}", days.join(", ")))
}

/// The month is as it was. Where that cannot be recorded it is taken for torn, and made again.
fn forget_announced(connector: &Connector, recorder: &mut Conn, record: &RunRecord) {
    let _ = forget_run(connector, record).iter().try_for_each(|sql| recorder.query_drop(sql));
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
fn forget_run(connector: &Connector, record: &RunRecord) -> Vec<String> {
    let qualified = |table: &schema::Table| connector.names().fill(&table.qualified());
    let (run_table, same_run) = (qualified(&schema::ETL_RUN), same_run(record));
    let details = record.details().map(|(table, _)| {
        format!("DELETE FROM {} WHERE Run IN (SELECT Id FROM {run_table} WHERE {same_run})", qualified(table))
    });
    details.into_iter().chain([format!("DELETE FROM {run_table} WHERE {same_run}")]).collect()
}

/// Adds a run and what belongs to it, in the transaction that is open. It stands once, under the number with which it was
/// announced.
pub(super) fn record_run(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    record: &RunRecord,
) -> Result<(), Failure> {
    let qualified = |table: &schema::Table| connector.names().fill(&table.qualified());
    let run_table = qualified(&schema::ETL_RUN);
    let announced = format!("Status = '{}' AND ExitCode = {TORN_EXIT_CODE}", RunStatus::Interrupted.name());
    let select = format!("SELECT MAX(Id) FROM {run_table} WHERE {} AND {announced}", same_run(record));
    let known: Option<Option<u64>> =
        conn.query_first(select).map_err(|e| Failure::new(&connector.place, RECORDING, &e))?;
    let known = known.flatten();
    let mut statements = forget_run(connector, record);
    // Without `Id` the server gives it.
    let id = known.map(|id| ("Id".to_owned(), id.to_string()));
    let columns = schema::ETL_RUN.columns.iter().skip(1).map(|column| column.name.to_owned());
    let row = record.row(Timestamp::now());
    let (columns, values): (Vec<String>, Vec<String>) =
        id.into_iter().chain(columns.zip(row.iter().map(value_literal))).unzip();
    statements.push(format!("INSERT INTO {run_table} ({}) VALUES ({})", columns.join(", "), values.join(", ")));
    // LAST_INSERT_ID() stays that of the run: these tables give no numbers. Texts are long, packets may be small.
    let number = known.map_or_else(|| "LAST_INSERT_ID()".to_owned(), |id| id.to_string());
    let max_bytes = server.max_packet_bytes.min(1 << 20) / 2;
    for (table, rows) in record.details() {
        let insert = format!("INSERT INTO {} ({}) VALUES ", qualified(table), table.column_list());
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
    statements.iter().try_for_each(|sql| run(connector, conn, RECORDING, sql))
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
