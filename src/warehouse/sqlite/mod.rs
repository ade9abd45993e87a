//! The embedded warehouse: two SQLite files side by side, `warehouse.db` and `mart.db`.
//!
//! A publish is one transaction of one file. SQLite keeps the old pages in a rollback journal until the transaction is
//! committed, so a reader sees the month as it was or as it is, and what a killed run left behind is undone by whoever
//! opens the file next. The load commits `warehouse.db`, then the mart commits `mart.db`: between the two the mart still
//! shows the month as it was, whole, and `viewmart mart` or another run brings it up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, Transaction, TransactionBehavior};

use super::schema::{self, Flavour, Names, Table};
use super::{Dialect, MartScript, RunClock, Value, Warehouse, WarehouseError};
use crate::console::Progress;
use crate::engine::aggregate::{DayActivity, MonthTable};
use crate::engine::calendar::Month;
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;

mod mart;
mod rows;

/// The mart's file where none is named, beside the warehouse.
pub const MART_FILE: &str = "mart.db";

/// The databases as they are called inside a connection.
const NAMES: Names<'static> = Names { warehouse: "main", mart: "mart", work: "temp." };

/// How long to wait for another process that holds a lock.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// Rows of one INSERT: more save the cost of starting a statement, a quarter of the load with 32 and no more with 64.
const ROWS_PER_INSERT: usize = 32;

/// Columns of `customer_behavior` that differ from row to row: all but `Month` and `Date`.
const VARYING_COLUMNS: usize = schema::CUSTOMER_BEHAVIOR.columns.len() - 2;

/// Rows between two reports of progress.
const ROWS_PER_REPORT: usize = 16_384;

/// Set on every connection, before the first table is made.
///
/// - Changed pages stay in memory until the commit, up to 1 GiB of them (about ten million customers): writing them
///   earlier would lock readers out for the length of the load instead of that of the commit.
/// - The rollback journal is what makes a publish atomic; a file without it, or with a write-ahead log beside it,
///   cannot be copied or opened from read-only media as it stands.
/// - Sorting in memory: a month's sort takes less than the columns that were just loaded.
const SETTINGS: &str = "
    PRAGMA main.page_size = 16384;
    PRAGMA mart.page_size = 16384;
    PRAGMA main.journal_mode = DELETE;
    PRAGMA mart.journal_mode = DELETE;
    PRAGMA main.cache_size = -1048576;
    PRAGMA mart.cache_size = -65536;
    PRAGMA temp_store = MEMORY;
    PRAGMA threads = 4;
";

/// A warehouse in two files.
#[derive(Debug)]
pub struct SqliteWarehouse {
    path: PathBuf,
    mart: PathBuf,
    lock_wait: Duration,
    /// Opened on first use.
    connection: Option<Connection>,
}

/// What to do about a database file that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Create,
    Refuse,
}

impl SqliteWarehouse {
    /// The warehouse in the file `path` and its mart beside it: in `mart.db`, or in the file that `mart` names (`.db`
    /// is added where it has no ending). Touches no file.
    ///
    /// # Errors
    /// The path names no file, is not UTF-8, or is that of the mart too.
    pub fn open(path: &Path, mart: Option<&str>) -> Result<SqliteWarehouse, WarehouseError> {
        let refuse = |why: String| WarehouseError::Address { url: format!("sqlite:{}", path.display()), why };
        if path.file_name().is_none() {
            return Err(refuse("it names no file".to_owned()));
        }
        // Absolute, so that SQLite cannot take a name for one of its own (`:memory:`, `file:…`).
        let absolute = std::path::absolute(path).map_err(|error| refuse(error.to_string()))?;
        let mut mart = absolute.with_file_name(mart.unwrap_or(MART_FILE));
        if mart.extension().is_none() {
            mart.set_extension("db");
        }
        if mart == absolute {
            return Err(refuse("warehouse and mart must be two files".to_owned()));
        }
        if absolute.to_str().is_none() || mart.to_str().is_none() {
            return Err(refuse("the path is not UTF-8".to_owned()));
        }
        Ok(SqliteWarehouse { path: absolute, mart, lock_wait: LOCK_WAIT, connection: None })
    }

    /// Waits so long for other processes that hold a lock, instead of 30 seconds.
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> SqliteWarehouse {
        self.lock_wait = lock_wait;
        self
    }

    /// The file of the warehouse.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the mart.
    pub fn mart_path(&self) -> &Path {
        &self.mart
    }

    /// Runs `work` on the connection, which is taken out meanwhile, so that `work` may use the warehouse too.
    fn with_connection<T>(
        &mut self,
        missing: Missing,
        work: impl FnOnce(&SqliteWarehouse, &mut Connection) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.new_connection(missing)?,
        };
        let done = work(self, &mut connection);
        self.connection = Some(connection);
        done
    }

    /// Runs `work` in one transaction; an error undoes all of it.
    fn in_transaction<T>(
        &mut self,
        missing: Missing,
        behavior: TransactionBehavior,
        work: impl FnOnce(&SqliteWarehouse, &Transaction<'_>) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        self.with_connection(missing, |warehouse, connection| {
            let transaction = connection
                .transaction_with_behavior(behavior)
                .map_err(|error| warehouse.failed("locking the database", error))?;
            let done = work(warehouse, &transaction)?;
            transaction.commit().map_err(|error| warehouse.failed("publishing", error))?;
            Ok(done)
        })
    }

    fn all_rows(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, WarehouseError> {
        self.with_connection(Missing::Refuse, |warehouse, connection| {
            all_rows(connection, sql).map_err(|error| warehouse.failed("reading", error))
        })
    }

    fn new_connection(&self, missing: Missing) -> Result<Connection, WarehouseError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if missing == Missing::Create {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder).map_err(|error| {
                    let advice = "give the folder write permission or name another one with --warehouse";
                    self.refused("making its folder", error.to_string(), Some(advice))
                })?;
            }
        } else {
            for file in [&self.path, &self.mart] {
                if !file.exists() {
                    let why = format!("there is no file {}", file.display());
                    return Err(self.refused("opening the database", why, Some(NO_MONTH)));
                }
            }
        }
        let failed = |error| self.failed("opening the database", error);
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(self.lock_wait).map_err(failed)?;
        // Reads the file's header, so that what is wrong with it is not said of the mart.
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
        connection
            .execute("ATTACH DATABASE ?1 AS mart", [self.mart.to_str()])
            .map_err(|error| self.failed("opening the mart's file beside it", error))?;
        connection.execute_batch(SETTINGS).map_err(failed)?;
        Ok(connection)
    }

    fn refused(&self, doing: &'static str, why: String, advice: Option<&str>) -> WarehouseError {
        WarehouseError::Database { at: self.address(), doing, why, advice: advice.map(str::to_owned) }
    }

    fn failed(&self, doing: &'static str, error: rusqlite::Error) -> WarehouseError {
        let advice = advice_on(&error);
        let why = match error {
            // Without the statement, which may be long.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        };
        self.refused(doing, why, advice)
    }

    fn differs(&self, what: String, expected: impl ToString, found: impl ToString) -> WarehouseError {
        WarehouseError::Check { at: self.address(), what, expected: expected.to_string(), found: found.to_string() }
    }

    /// Compares counts and sums of the rows just inserted with the ledger, inside the database.
    fn check(&self, transaction: &Transaction<'_>, table: &MonthTable) -> Result<(), WarehouseError> {
        let sums = Category::ALL.map(|category| format!("SUM({}Duration)", category.name())).join(", ");
        for (name, count) in [("customer_behavior", "COUNT(*)"), ("daily_activity", "SUM(Records)")] {
            let sql = format!("SELECT {count}, {sums}, SUM(TotalDuration) FROM main.{name} WHERE Month = ?1");
            let found: [i64; 7] = transaction
                .query_row(&sql, [table.month.first_day().to_string()], |row| {
                    let mut found = [0; 7];
                    for (place, value) in found.iter_mut().enumerate() {
                        // The sum of no rows is NULL.
                        *value = row.get::<_, Option<i64>>(place)?.unwrap_or(0);
                    }
                    Ok(found)
                })
                .map_err(|error| self.failed("checking the sums", error))?;
            let (what, expected) = match name {
                "customer_behavior" => ("number of rows", table.n_rows() as i128),
                _ => ("number of records", i128::from(table.ledger.kept)),
            };
            let sums = Category::ALL
                .iter()
                .map(|category| (category.name(), table.ledger.seconds[*category as usize]))
                .chain([("Total", table.ledger.n_seconds())]);
            if i128::from(found[0]) != expected {
                return Err(self.differs(format!("the {what} of {name}"), expected, found[0]));
            }
            for ((category, expected), found) in sums.zip(&found[1..]) {
                if i128::from(*found) != expected {
                    return Err(self.differs(format!("the sum of {category}Duration of {name}"), expected, found));
                }
            }
        }
        Ok(())
    }
}

impl Warehouse for SqliteWarehouse {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn address(&self) -> String {
        format!("sqlite:{}", self.path.display())
    }

    fn prepare(&mut self) -> Result<(), WarehouseError> {
        // Deferred: where everything is there nothing is written, and nobody is locked out.
        self.in_transaction(Missing::Create, TransactionBehavior::Deferred, |warehouse, transaction| {
            let tables = schema::WAREHOUSE_TABLES.iter().chain(crate::mart::tables());
            let statements = tables
                .map(|table| table.create(Flavour::Sqlite))
                .chain(schema::VIEWS.iter().map(|view| view.create(Flavour::Sqlite)));
            for statement in statements {
                transaction
                    .execute_batch(&NAMES.fill(&statement))
                    .map_err(|error| warehouse.failed("making its tables", error))?;
            }
            Ok(())
        })
    }

    fn load(&mut self, table: &MonthTable, clock: RunClock, progress: &Progress) -> Result<(), WarehouseError> {
        for (category, seconds) in Category::ALL.iter().zip(table.ledger.seconds) {
            if i64::try_from(seconds).is_err() {
                let why = format!("the seconds of {} do not fit in 64 bits: {seconds}", category.name());
                return Err(self.refused("adding up", why, Some(BOUND_SECONDS)));
            }
        }
        for activity in &table.activity {
            if day_total(activity).is_none() {
                let day = table.month.date(activity.day).map_or_else(String::new, |date| date.to_string());
                let why = format!("the seconds of {day} do not fit in 64 bits");
                return Err(self.refused("adding up", why, Some(BOUND_SECONDS)));
            }
        }
        // Immediate: a second load of the same file waits here, before it has done any work.
        self.in_transaction(Missing::Refuse, TransactionBehavior::Immediate, |warehouse, transaction| {
            let month = table.month.first_day().to_string();
            let failed = |doing| move |error| warehouse.failed(doing, error);
            for name in ["customer_behavior", "daily_activity"] {
                transaction
                    .execute(&format!("DELETE FROM main.{name} WHERE Month = ?1"), [&month])
                    .map_err(failed("removing the month as it was"))?;
            }
            insert_customers(transaction, table, progress).map_err(failed("loading rows"))?;
            insert_days(transaction, table).map_err(failed("loading the days"))?;
            insert_run(transaction, table, clock).map_err(failed("recording the run"))?;
            warehouse.check(transaction, table)
        })
    }

    fn publish_mart(&mut self, month: Month, script: &MartScript) -> Result<(), WarehouseError> {
        mart::publish(self, month, script)
    }

    fn query(&mut self, month: Month, sql: &str) -> Result<Vec<Vec<Value>>, WarehouseError> {
        self.all_rows(&NAMES.fill_month(sql, month))
    }

    fn months(&mut self) -> Result<Vec<Month>, WarehouseError> {
        let rows = self.all_rows("SELECT Month FROM mart.summary_customer ORDER BY Month")?;
        rows.into_iter()
            .flatten()
            .map(|value| match &value {
                Value::Text(day) => day.get(..7).and_then(|month| month.parse().ok()).ok_or(value),
                _ => Err(value),
            })
            .collect::<Result<_, Value>>()
            .map_err(|value| self.refused("reading the months", format!("{value:?} is not a month"), None))
    }

    fn for_each_row(&mut self, month: Month, each: &mut super::RowSink<'_>) -> Result<(), WarehouseError> {
        rows::for_each_row(self, month, each)
    }
}

fn prepare_insert<'c>(transaction: &'c Transaction<'_>, table: &Table) -> rusqlite::Result<Statement<'c>> {
    let placeholders = vec!["?"; table.columns.len()].join(", ");
    let (name, columns) = (NAMES.fill(&table.qualified()), table.column_list());
    transaction.prepare(&format!("INSERT INTO {name} ({columns}) VALUES ({placeholders})"))
}

/// Inserts the customers, in key order, so that every row goes to the end of the table.
fn insert_customers(transaction: &Transaction<'_>, table: &MonthTable, progress: &Progress) -> rusqlite::Result<()> {
    let (month, date) = (table.month.first_day().to_string(), table.etl_date.to_string());
    let n_whole = table.n_rows() / ROWS_PER_INSERT * ROWS_PER_INSERT;
    // Whole groups first, what is left one by one.
    for (rows, n_rows) in [(0..n_whole, ROWS_PER_INSERT), (n_whole..table.n_rows(), 1)] {
        let mut insert = prepare_insert_customers(transaction, n_rows)?;
        // What is bound stays bound: the two dates are the same in every row.
        insert.raw_bind_parameter(1, &month)?;
        insert.raw_bind_parameter(2, &date)?;
        let mut unreported = 0;
        for first in rows.step_by(n_rows) {
            for place in 0..n_rows {
                bind_customer(&mut insert, 3 + place * VARYING_COLUMNS, table, first + place)?;
            }
            insert.raw_execute()?;
            unreported += n_rows;
            if unreported >= ROWS_PER_REPORT {
                progress.advance(unreported as u64);
                unreported = 0;
            }
        }
        progress.advance(unreported as u64);
    }
    Ok(())
}

/// An INSERT of `n_rows` customers. Parameter 1 is the month, 2 the date of the run; each row takes
/// [`VARYING_COLUMNS`] more, as [`bind_customer`] binds them.
fn prepare_insert_customers<'c>(transaction: &'c Transaction<'_>, n_rows: usize) -> rusqlite::Result<Statement<'c>> {
    let row = |place: usize| {
        let varying: Vec<String> =
            (0..VARYING_COLUMNS).map(|column| format!("?{}", 3 + place * VARYING_COLUMNS + column)).collect();
        format!("(?1, {}, ?2)", varying.join(", "))
    };
    let rows: Vec<String> = (0..n_rows).map(row).collect();
    let customers = schema::CUSTOMER_BEHAVIOR;
    let (name, columns) = (NAMES.fill(&customers.qualified()), customers.column_list());
    transaction.prepare(&format!("INSERT INTO {name} ({columns}) VALUES {}", rows.join(", ")))
}

/// Binds what differs from row to row: the columns `Contract` to `Activeness` of `customer_behavior`.
fn bind_customer(insert: &mut Statement<'_>, first: usize, table: &MonthTable, row: usize) -> rusqlite::Result<()> {
    insert.raw_bind_parameter(first, table.contracts.get(row))?;
    for (place, seconds) in table.seconds.iter().enumerate() {
        insert.raw_bind_parameter(first + 1 + place, seconds[row])?;
    }
    insert.raw_bind_parameter(first + 6, table.total[row])?;
    insert.raw_bind_parameter(first + 7, table.most_watch(row))?;
    insert.raw_bind_parameter(first + 8, table.taste(row))?;
    insert.raw_bind_parameter(first + 9, table.activeness[row])
}

fn insert_days(transaction: &Transaction<'_>, table: &MonthTable) -> rusqlite::Result<()> {
    let mut insert = prepare_insert(transaction, &schema::DAILY_ACTIVITY)?;
    for activity in &table.activity {
        let [movie, sport, child, relax, tv] = activity.seconds;
        insert.execute((
            table.month.first_day().to_string(),
            table.month.date(activity.day).map(|date| date.to_string()),
            count(activity.active_users),
            count(activity.records),
            movie,
            sport,
            child,
            relax,
            tv,
            // Never NULL: `load` has looked.
            day_total(activity),
        ))?;
    }
    Ok(())
}

/// Seconds of a day in all categories, or `None` where they do not fit.
fn day_total(activity: &DayActivity) -> Option<i64> {
    let total: i128 = activity.seconds.iter().map(|seconds| i128::from(*seconds)).sum();
    i64::try_from(total).ok()
}

fn insert_run(transaction: &Transaction<'_>, table: &MonthTable, clock: RunClock) -> rusqlite::Result<()> {
    let (ledger, provenance) = (&table.ledger, &table.provenance);
    let mut insert = prepare_insert(transaction, &schema::ETL_RUN)?;
    let texts = [
        table.month.first_day().to_string(),
        schema::utc_text(clock.started),
        schema::utc_text(Timestamp::now()),
        provenance.rules_name.clone(),
        provenance.rules_sha256.clone(),
        provenance.engine.clone(),
    ];
    let counts = [provenance.input_files, provenance.input_bytes, ledger.read, ledger.kept];
    let counts = counts.into_iter().chain(Reason::ALL.map(|reason| ledger.n_rejected_for(reason)));
    // `Id`, which the database gives, stays unbound.
    for (place, text) in texts.iter().enumerate() {
        insert.raw_bind_parameter(2 + place, text)?;
    }
    for (place, n) in counts.enumerate() {
        insert.raw_bind_parameter(2 + texts.len() + place, count(n))?;
    }
    insert.raw_execute()?;
    let run = transaction.last_insert_rowid();
    let mut insert = prepare_insert(transaction, &schema::ETL_RUN_UNMAPPED_APP)?;
    for (app, records) in schema::unmapped_apps(ledger) {
        insert.execute((run, app, count(records)))?;
    }
    Ok(())
}

/// No count of records or bytes on this earth reaches 2^63.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn all_rows(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<Vec<Value>>> {
    let mut statement = connection.prepare(sql)?;
    let n_columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..n_columns).map(|place| row.get_ref(place).map(value)).collect::<Result<_, _>>()?;
        found.push(values);
    }
    Ok(found)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(integer) => Value::Integer(integer),
        ValueRef::Real(real) => Value::Real(real),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
    }
}

const NO_MONTH: &str = "load a month first, with `viewmart run` or `viewmart load`";
const BOUND_SECONDS: &str = "bound the seconds of a record with `max_seconds` in the rules";

fn advice_on(error: &rusqlite::Error) -> Option<&'static str> {
    let text = error.to_string();
    if text.contains("no such table") {
        return Some(NO_MONTH);
    }
    // What SUM and what a STRICT table say of a sum past 64 bits.
    if text.contains("integer overflow") || text.contains("cannot store REAL value") {
        return Some(BOUND_SECONDS);
    }
    match error.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Some("another process is using the file; wait until it is done or close it, then run again")
        }
        ErrorCode::DiskFull => Some("make room on the disk and run again; what was published before still stands"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            Some("give the file and its folder write permission, or name another one with --warehouse")
        }
        ErrorCode::NotADatabase => Some("this file is not a SQLite database; name another one with --warehouse"),
        ErrorCode::DatabaseCorrupt => {
            Some("the file is damaged: put back a copy, or move it away and load its months again")
        }
        ErrorCode::SystemIoFailure => Some("check the disk and run again; what was published before still stands"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::fixture::{Customer, HOSTILE_CONTRACTS, month_table};
    use super::*;
    use crate::engine::rules::Rules;
    use crate::error::Advice;

    const APRIL: &[Customer<'_>] =
        &[("HN1", [10, 0, 0, 0, 5], 2), ("HN2", [0, 0, 0, 0, 0], 1), ("HN3", [0, 7, 7, 0, 0], 30)];

    fn rules() -> Rules {
        Rules::preset("default").unwrap()
    }

    fn clock() -> RunClock {
        RunClock { started: "2022-05-01T01:02:03.004Z".parse().unwrap() }
    }

    fn warehouse(folder: &Path) -> SqliteWarehouse {
        let warehouse = SqliteWarehouse::open(&folder.join("deep/warehouse.db"), None).unwrap();
        let mut warehouse = warehouse.with_lock_wait(Duration::from_millis(50));
        warehouse.prepare().unwrap();
        warehouse
    }

    fn load(warehouse: &mut SqliteWarehouse, table: &MonthTable) -> Result<(), WarehouseError> {
        warehouse.load(table, clock(), &Progress::hidden())
    }

    /// Rows as text, columns separated by `|`.
    fn rows(warehouse: &mut SqliteWarehouse, sql: &str) -> Vec<String> {
        let month = "2022-04".parse().unwrap();
        let text = |value: &Value| match value {
            Value::Null => "NULL".to_owned(),
            Value::Integer(integer) => integer.to_string(),
            Value::Real(real) => format!("{real:?}"),
            Value::Text(text) => text.clone(),
        };
        let rows = warehouse.query(month, sql).unwrap();
        rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }

    const ALL: &str = "SELECT * FROM {warehouse}.customer_behavior";

    #[test]
    fn every_table_and_view_holds_what_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
        let expected = [
            "2022-04-01|HN1|10|0|0|0|5|15|Movie|Movie_Tv|2|2022-05-01",
            "2022-04-01|HN2|0|0|0|0|0|0|No|No|1|2022-05-01",
            "2022-04-01|HN3|0|7|7|0|0|14|Child|Child_Sport|30|2022-05-01",
        ];
        assert_eq!(rows(&mut warehouse, ALL), expected);
        assert_eq!(
            rows(&mut warehouse, "SELECT * FROM {warehouse}.daily_activity"),
            ["2022-04-01|2022-04-01|3|3|10|0|0|0|0|10", "2022-04-01|2022-04-02|3|3|0|7|7|0|5|19"]
        );
        let run = rows(&mut warehouse, "SELECT * FROM {warehouse}.etl_run").remove(0);
        let run: Vec<&str> = run.split('|').collect();
        assert_eq!(run[..3], ["1", "2022-04-01", "2022-05-01 01:02:03.004"]);
        assert!(run[3] > run[2], "{run:?}");
        assert_eq!(run[4..11], ["default", &rules().sha256, "viewmart test", "2", "1000", "9", "6"]);
        assert_eq!(run[11..], ["1", "0", "0", "0", "0", "0", "0", "2", "0"]);
        assert_eq!(rows(&mut warehouse, "SELECT * FROM {warehouse}.etl_run_unmapped_app"), ["1|X|2"]);
        let seed = "SELECT Contract, MovieDuration, SportDuration, ChilDuration, RelaxDuration, TvDuration, \
                    TotalDuration, MostWatch, Tase, Activeness, Date FROM {warehouse}.customer_behavior_seed";
        let expected = expected.map(|row| row.replacen("2022-04-01|", "", 1));
        assert_eq!(rows(&mut warehouse, seed), expected);
    }

    #[test]
    fn either_file_can_be_opened_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
        crate::mart::build(&mut warehouse, "2022-04".parse().unwrap()).unwrap();
        for (path, view, expected) in
            [(warehouse.path(), "customer_behavior_seed", 3), (warehouse.mart_path(), "summary_customer_seed", 1)]
        {
            let alone = Connection::open(path).unwrap();
            let sql = format!("SELECT COUNT(*) FROM {view}");
            assert_eq!(alone.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), expected, "{view}");
        }
    }

    #[test]
    fn a_rerun_replaces_its_month_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        let (april, may) = (month_table("2022-04", &rules(), APRIL), month_table("2022-05", &rules(), &APRIL[..2]));
        for table in [&may, &april, &april] {
            load(&mut warehouse, table).unwrap();
        }
        let once = rows(&mut warehouse, ALL);
        assert_eq!(once.len(), 5);
        load(&mut warehouse, &month_table("2022-04", &rules(), &[("Z", [1, 2, 3, 4, 5], 9)])).unwrap();
        assert_eq!(
            rows(&mut warehouse, ALL)[0],
            "2022-04-01|Z|1|2|3|4|5|15|Tv|Relax_Movie_Child_Sport_Tv|9|2022-05-01"
        );
        assert_eq!(rows(&mut warehouse, ALL)[1..], once[3..]);
        let runs = "SELECT Id, Month, RecordsKept FROM {warehouse}.etl_run";
        let expected = ["1|2022-05-01|4", "2|2022-04-01|6", "3|2022-04-01|6", "4|2022-04-01|2"];
        assert_eq!(rows(&mut warehouse, runs), expected);
        // A month without customers is a month too.
        load(&mut warehouse, &month_table("2022-04", &rules(), &[])).unwrap();
        assert_eq!(rows(&mut warehouse, ALL), once[3..]);
    }

    #[test]
    fn contracts_stay_apart_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        let long = "é".repeat(100);
        let mut contracts: Vec<&str> = HOSTILE_CONTRACTS.iter().copied().chain([long.as_str()]).collect();
        let customers: Vec<Customer<'_>> =
            contracts.iter().enumerate().map(|(n, contract)| (*contract, [n as i64, 0, 0, 0, 0], 1)).collect();
        load(&mut warehouse, &month_table("2022-04", &rules(), &customers)).unwrap();
        contracts.sort_unstable();
        assert_eq!(rows(&mut warehouse, "SELECT Contract FROM {warehouse}.customer_behavior"), contracts);
        let connection = Connection::open(warehouse.path()).unwrap();
        for (contract, seconds, _) in customers {
            let sql = "SELECT SUM(MovieDuration), COUNT(*) FROM customer_behavior WHERE Contract = ?1";
            let found = connection.query_row(sql, [contract], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(found, (seconds[0], 1), "{contract:?}");
        }
    }

    #[test]
    fn more_rows_than_one_insert_takes() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        for n_rows in [ROWS_PER_INSERT - 1, ROWS_PER_INSERT, ROWS_PER_INSERT + 1, 5 * ROWS_PER_INSERT + 3] {
            let contracts: Vec<String> = (0..n_rows).map(|n| format!("{n:05}")).collect();
            let customers: Vec<Customer<'_>> =
                contracts.iter().map(|contract| (contract.as_str(), [1, 2, 3, 4, 5], 1)).collect();
            load(&mut warehouse, &month_table("2022-04", &rules(), &customers)).unwrap();
            assert_eq!(rows(&mut warehouse, "SELECT Contract FROM {warehouse}.customer_behavior"), contracts);
        }
    }

    #[test]
    fn readers_see_the_old_month_until_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
        let (before, path) = (rows(&mut warehouse, ALL), warehouse.path().to_owned());
        // More than fits into SQLite's default cache of 2 MiB, which would be written to the file before the commit.
        let contracts: Vec<String> = (0..40_000).map(|n| format!("{n:0100}")).collect();
        let customers: Vec<Customer<'_>> =
            contracts.iter().map(|contract| (contract.as_str(), [1, 2, 3, 4, 5], 1)).collect();
        let table = month_table("2022-04", &rules(), &customers);
        let given_up = warehouse.in_transaction(Missing::Refuse, TransactionBehavior::Immediate, |_, transaction| {
            transaction.execute("DELETE FROM main.customer_behavior", []).unwrap();
            insert_customers(transaction, &table, &Progress::hidden()).unwrap();
            let mut reader = SqliteWarehouse::open(&path, None).unwrap().with_lock_wait(Duration::ZERO);
            assert_eq!(rows(&mut reader, ALL), before);
            Err::<(), _>(WarehouseError::Address { url: String::new(), why: "given up".to_owned() })
        });
        assert!(given_up.is_err());
        assert_eq!(rows(&mut warehouse, ALL), before);
    }

    #[test]
    fn rows_that_contradict_the_ledger_are_not_published() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = warehouse(folder.path());
        let good = month_table("2022-04", &rules(), APRIL);
        load(&mut warehouse, &good).unwrap();
        let before = rows(&mut warehouse, ALL);
        let mut check = |change: fn(&mut MonthTable), message: &str| {
            let mut table = good.clone();
            change(&mut table);
            let error = load(&mut warehouse, &table).unwrap_err().to_string();
            assert!(error.ends_with(message), "{error}");
            assert_eq!(rows(&mut warehouse, ALL), before, "{error}");
        };
        check(
            |table| table.seconds[1][0] += 1,
            "the sum of SportDuration of customer_behavior is 8 in the database, but 7 in the ledger; nothing was published",
        );
        check(
            |table| table.total[0] -= 1,
            "the sum of TotalDuration of customer_behavior is 28 in the database, but 29 in the ledger; nothing was published",
        );
        check(
            |table| table.activity[0].records += 1,
            "the number of records of daily_activity is 7 in the database, but 6 in the ledger; nothing was published",
        );
        check(
            |table| table.ledger.seconds[0] = 1 << 64,
            "the seconds of Movie do not fit in 64 bits: 18446744073709551616",
        );
        check(
            |table| {
                table.activity[0].seconds = [i64::MAX; 5];
            },
            "the seconds of 2022-04-01 do not fit in 64 bits",
        );
        assert_eq!(rows(&mut warehouse, "SELECT COUNT(*) FROM {warehouse}.etl_run"), ["1"]);
    }

    #[test]
    fn failures_say_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let check = |error: WarehouseError, message: &str, advice: &str| {
            assert!(error.to_string().contains(message), "{error}");
            assert!(error.advice().unwrap().contains(advice), "{:?}", error.advice());
        };
        // Another process holds the file.
        let mut warehouse = warehouse(folder.path());
        let other = Connection::open(warehouse.path()).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let error = load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap_err();
        check(error, "warehouse.db: locking the database failed: database is locked", "another process");
        other.execute_batch("ROLLBACK").unwrap();
        // A reader that does not end: the rows are there, but cannot be published.
        other.execute_batch("BEGIN; SELECT COUNT(*) FROM customer_behavior").unwrap();
        let error = load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap_err();
        check(error, "publishing failed: database is locked", "another process");
        other.execute_batch("ROLLBACK").unwrap();
        load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
        // Nothing there, and nothing made by looking.
        let nowhere = folder.path().join("nowhere.db");
        let error = SqliteWarehouse::open(&nowhere, None).unwrap().months().unwrap_err();
        check(error, "nowhere.db: opening the database failed: there is no file", "viewmart load");
        assert!(!nowhere.exists());
        // Not a database.
        let text = folder.path().join("text.db");
        std::fs::write(&text, "not a database, but long enough to be one".repeat(100)).unwrap();
        let error = SqliteWarehouse::open(&text, None).unwrap().prepare().unwrap_err();
        check(error, "text.db: opening the database failed: file is not a database", "not a SQLite database");
        // A folder.
        let error = SqliteWarehouse::open(&folder.path().join("deep"), None).unwrap().prepare().unwrap_err();
        check(error, "opening the database failed: unable to open", "write permission");
    }

    #[test]
    fn paths_name_two_files() {
        let check = |path: &str, mart: Option<&str>, expected: Option<&str>| {
            let opened = SqliteWarehouse::open(Path::new(path), mart);
            let found = opened.as_ref().ok().map(|warehouse| warehouse.mart_path().to_str().unwrap());
            assert_eq!(found, expected, "{path} {mart:?}");
        };
        check("/a/warehouse.db", None, Some("/a/mart.db"));
        check("/a/warehouse.db", Some("april"), Some("/a/april.db"));
        check("/a/warehouse.db", Some("/b/x.sqlite"), Some("/b/x.sqlite"));
        check("/a/mart.db", None, None);
        check("/a/w.db", Some("w"), None);
        check("/", None, None);
        check("", None, None);
    }

    /// The child loads April and its other version in turn, the parent kills it at some moment and looks.
    #[test]
    fn a_killed_load_leaves_one_whole_month() {
        const FOLDER: &str = "VIEWMART_TEST_KILLED_LOAD";
        let contracts: Vec<String> = (0..3_000).map(|n| format!("{n:060}")).collect();
        let version = |seconds: i64, n_rows: usize| {
            let customers: Vec<Customer<'_>> =
                contracts[..n_rows].iter().map(|contract| (contract.as_str(), [0, 0, 0, 0, seconds], 1)).collect();
            month_table("2022-04", &rules(), &customers)
        };
        let versions = [version(1, 3_000), version(2, 2_000)];
        if let Some(folder) = std::env::var_os(FOLDER) {
            let mut warehouse = warehouse(Path::new(&folder));
            for table in versions.iter().cycle() {
                load(&mut warehouse, table).unwrap();
                crate::mart::build(&mut warehouse, table.month).unwrap();
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let mut first = warehouse(folder.path());
        load(&mut first, &versions[0]).unwrap();
        crate::mart::build(&mut first, versions[0].month).unwrap();
        drop(first);
        for round in 0..12_u64 {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "warehouse::sqlite::tests::a_killed_load_leaves_one_whole_month", "--nocapture"])
                .env(FOLDER, folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(40 + 13 * round));
            assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
            child.kill().unwrap();
            child.wait().unwrap();
            let mut reader = warehouse(folder.path());
            let customers = "SELECT COUNT(*), MIN(TvDuration), MAX(TvDuration) FROM {warehouse}.customer_behavior";
            let customers = rows(&mut reader, customers).remove(0);
            assert!(["3000|1|1", "2000|2|2"].contains(&customers.as_str()), "{customers}");
            let totals = "SELECT TotalUser, TotalDuration FROM {mart}.summary_customer";
            let totals = rows(&mut reader, totals).remove(0);
            assert!(["3000|3000", "2000|4000"].contains(&totals.as_str()), "{totals}");
        }
    }
}
