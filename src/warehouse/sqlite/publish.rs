//! Making the tables, and publishing a month in the warehouse: one transaction of one file.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::connect::{Access, BUILDING, Files, Missing, READING, leave_wal};
use super::load::{insert_customers, insert_days, insert_run};
use crate::console::Progress;
use crate::engine::month::MonthTable;
use crate::warehouse::schema::{self, Flavour, Home, Names};
use crate::warehouse::{RunClock, WarehouseError, checks};

/// See [`crate::warehouse::Warehouse::prepare`].
pub(super) fn prepare(files: &Files) -> Result<(), WarehouseError> {
    leave_wal(&files.warehouse);
    leave_wal(&files.mart);
    let create = Access::Write(Missing::Create);
    let mut connection = files.open_warehouse(create)?;
    let mut mart = files.open_mart(create)?;
    make_tables(files, &mut connection, Home::Warehouse, &READING)?;
    make_tables(files, &mut mart, Home::Mart, &BUILDING)?;
    remove_leftovers(files, &mut connection)
}

/// Makes the tables and views of one file that are not there yet. Where all are there nothing is locked.
fn make_tables(
    files: &Files,
    connection: &mut Connection,
    home: Home,
    names: &Names<'_>,
) -> Result<(), WarehouseError> {
    let failed = |error| files.failed("making its tables", error);
    let tables = schema::WAREHOUSE_TABLES.iter().chain(crate::mart::tables()).filter(|table| table.home == home);
    let views = schema::VIEWS.iter().filter(|view| view.home == home);
    let wanted: Vec<(&str, String)> = tables
        .map(|table| (table.name, table.create(Flavour::Sqlite)))
        .chain(views.map(|view| (view.name, view.create(Flavour::Sqlite))))
        .collect();
    let is_there = |name: &str| -> rusqlite::Result<bool> {
        let sql = "SELECT COUNT(*) FROM sqlite_schema WHERE name = ?1";
        connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).map(|n| n > 0)
    };
    let mut statements = Vec::new();
    for (name, statement) in wanted {
        if !is_there(name).map_err(failed)? {
            statements.push(names.fill(&statement));
        }
    }
    if statements.is_empty() {
        return Ok(());
    }
    files.in_transaction(connection, TransactionBehavior::Immediate, |transaction| {
        statements.iter().try_for_each(|sql| transaction.execute_batch(sql)).map_err(failed)
    })
}

/// Removes the files by which versions up to 0.1 tied the commits of both files together, where a killed one left them.
/// Both files were opened before, so what such a commit had begun is undone; and under the lock nobody is in one.
fn remove_leftovers(files: &Files, connection: &mut Connection) -> Result<(), WarehouseError> {
    if leftovers(&files.warehouse).is_empty() {
        return Ok(());
    }
    files.in_transaction(connection, TransactionBehavior::Immediate, |_| {
        // What cannot be removed is in nobody's way.
        leftovers(&files.warehouse).iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(())
    })
}

/// The files that SQLite calls super-journals: the name of the database, `-mj` and nine hexadecimal digits.
fn leftovers(database: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name().and_then(OsStr::to_str)) else {
        return Vec::new();
    };
    let is_leftover = |path: &Path| {
        let of_database = path.file_name().and_then(OsStr::to_str).and_then(|found| found.strip_prefix(name));
        of_database
            .and_then(|rest| rest.strip_prefix("-mj"))
            .is_some_and(|digits| digits.len() == 9 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_leftover(path)).collect()
}

/// See [`crate::warehouse::Warehouse::load`].
pub(super) fn load(
    files: &Files,
    table: &MonthTable,
    clock: RunClock,
    progress: &Progress,
) -> Result<(), WarehouseError> {
    checks::refuse_overflow(&files.address(), table)?;
    let mut connection = files.open_warehouse(Access::Write(Missing::Refuse))?;
    // Immediate: a second load of the same file waits here, before it has done any work.
    files.in_transaction(&mut connection, TransactionBehavior::Immediate, |transaction| {
        let month = table.month.first_day().to_string();
        let failed = |doing| move |error| files.failed(doing, error);
        for name in [schema::CUSTOMER_BEHAVIOR.name, schema::DAILY_ACTIVITY.name] {
            transaction
                .execute(&format!("DELETE FROM main.{name} WHERE Month = ?1"), [&month])
                .map_err(failed("removing the month as it was"))?;
        }
        insert_customers(transaction, table, progress).map_err(failed("loading rows"))?;
        insert_days(transaction, table).map_err(failed("loading the days"))?;
        insert_run(transaction, table, clock).map_err(failed("recording the run"))?;
        check(files, transaction, table)
    })
}

/// Compares counts and sums of the rows just inserted with the ledger, inside the database.
fn check(files: &Files, transaction: &Transaction<'_>, table: &MonthTable) -> Result<(), WarehouseError> {
    let month = table.month.first_day().to_string();
    for (home, sums) in
        [(schema::CUSTOMER_BEHAVIOR, checks::customer_sums(table)), (schema::DAILY_ACTIVITY, checks::day_sums(table))]
    {
        let sql = format!("{} FROM main.{} WHERE Month = ?1", checks::select(&sums), home.name);
        let found: Vec<i128> = transaction
            .query_row(&sql, [&month], |row| {
                (0..sums.len()).map(|place| row.get::<_, i64>(place).map(i128::from)).collect()
            })
            .map_err(|error| files.failed("checking the sums", error))?;
        checks::compare(&files.address(), &sums, &found)?;
    }
    Ok(())
}
