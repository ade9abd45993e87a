//! Removing a month: one transaction of each file, the warehouse first.
//!
//! Between the two the mart still shows the month, whole, as one whose run no longer stands; where a drop was killed
//! there, the next one removes the rest.

use rusqlite::TransactionBehavior;

use super::connect::{BUILDING, Files, READING};
use super::mart::last_run;
use crate::engine::calendar::Month;
use crate::warehouse::run::mark_dropped;
use crate::warehouse::schema::{self, MART_RUN};
use crate::warehouse::{MartSchema, Missing, WarehouseError};

const DOING: &str = "removing the month";

/// See [`crate::warehouse::Warehouse::drop_month`].
pub(super) fn drop_month(files: &Files, month: Month, mart: &MartSchema) -> Result<(), WarehouseError> {
    let failed = |error| files.failed(DOING, error);
    let mut connection = files.open_warehouse(Missing::Refuse)?;
    files.in_transaction(&mut connection, TransactionBehavior::Immediate, |transaction| {
        let deletes = schema::MONTH_TABLES.map(|table| table.delete_month());
        for sql in deletes.iter().chain([&mark_dropped()]) {
            transaction.execute_batch(&READING.fill_month(sql, month)).map_err(failed)?;
        }
        Ok(())
    })?;
    let mut of_mart = files.open_mart(Missing::Refuse)?;
    files.in_transaction(&mut of_mart, TransactionBehavior::Immediate, |transaction| {
        // Under the lock: whoever has published the month since makes its mart anew, or has made it already.
        if last_run(&connection, &READING, month).map_err(failed)? != 0 {
            return Ok(());
        }
        for table in mart.tables.iter().copied().chain([&MART_RUN]) {
            transaction.execute_batch(&BUILDING.fill_month(&table.delete_month(), month)).map_err(failed)?;
        }
        Ok(())
    })
}
