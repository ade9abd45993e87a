//! Publishing a month in the warehouse: one transaction of one file.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Transaction, TransactionBehavior};

use super::connect::{Files, READING};
use super::load::{insert_customers, insert_days, insert_devices, insert_run};
use super::prepare::look;
use crate::console::Progress;
use crate::engine::month::MonthTable;
use crate::warehouse::schema::version::{Schema, Standing};
use crate::warehouse::{Beside, Fault, Missing, Rivals, RunRecord, WarehouseError, checks, schema};

/// See [`crate::warehouse::Warehouse::publish`].
pub(super) fn publish(
    files: &Files,
    table: &MonthTable,
    run: &RunRecord,
    rivals: Rivals,
    beside: &Beside,
    progress: &Progress,
) -> Result<(), WarehouseError> {
    checks::refuse_overflow(&files.address(), table)?;
    let mut connection = files.open_warehouse(Missing::Refuse)?;
    // Immediate: a second load of the same file waits here, before it has done any work.
    files.in_transaction(&mut connection, TransactionBehavior::Immediate, |transaction| {
        let month = table.month.first_day().to_string();
        let failed = |doing| move |error| files.failed(doing, error);
        if let Some(sql) = rivals.select(run) {
            let sql = READING.fill_month(&sql, table.month);
            let rival = transaction.query_row(&sql, [], |row| row.get(0)).optional();
            if let Some(run) = rival.map_err(failed("looking for other runs"))? {
                return Err(files.refused("publishing", Fault::MadeMeanwhile { run }));
            }
        }
        for name in schema::MONTH_TABLES.map(|table| table.name) {
            transaction
                .execute(&format!("DELETE FROM main.{name} WHERE Month = ?1"), [&month])
                .map_err(failed("removing the month as it was"))?;
        }
        insert_customers(transaction, table, progress).map_err(failed("loading rows"))?;
        insert_devices(transaction, table).map_err(failed("loading the devices"))?;
        insert_days(transaction, table).map_err(failed("loading the days"))?;
        insert_run(transaction, run, Timestamp::now()).map_err(failed("recording the run"))?;
        check(files, transaction, table)?;
        beside.wait(&files.address())
    })
}

/// See [`crate::warehouse::Warehouse::record_run`].
pub(super) fn record_run(files: &Files, run: &RunRecord) -> Result<(), WarehouseError> {
    let standing = look(files, &files.warehouse, &Schema::of_warehouse());
    if !matches!(standing, Ok(Standing::Current)) {
        return Ok(());
    }
    let mut connection = files.open_warehouse(Missing::Refuse)?;
    files.in_transaction(&mut connection, TransactionBehavior::Immediate, |transaction| {
        insert_run(transaction, run, Timestamp::now()).map_err(|error| files.failed("recording the run", error))
    })
}

/// Compares counts and sums of the rows just inserted with the ledger, inside the database.
fn check(files: &Files, transaction: &Transaction<'_>, table: &MonthTable) -> Result<(), WarehouseError> {
    let month = table.month.first_day().to_string();
    for (home, sums) in [
        (schema::CUSTOMER_BEHAVIOR, checks::customer_sums(table)),
        (schema::CUSTOMER_DEVICES, checks::device_sums(table)),
        (schema::DAILY_ACTIVITY, checks::day_sums(table)),
    ] {
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
