//! The embedded warehouse: two SQLite files side by side, `warehouse.db` and `mart.db`.
//!
//! A publish is one transaction of one file. SQLite keeps the old pages in a rollback journal until the transaction is
//! committed, so a reader sees the month as it was or as it is, and what a killed run left behind is undone by whoever
//! opens the file next. The load commits `warehouse.db`, then the mart commits `mart.db`: between the two the mart still
//! shows the month as it was, whole, and `viewmart mart` or another run brings it up to date.
//!
//! # Who locks what
//!
//! Several runs may work on the two files at once, with any readers beside them. Nobody waits for a lock on one file
//! while others wait for his lock on the other:
//!
//! - A load opens `warehouse.db` alone. A reader of `mart.db` never stops it.
//! - The mart is made in two steps. All that it takes from `warehouse.db` is read first, into tables in memory, in one
//!   transaction that ends there; then `mart.db` is locked alone. Only the question whether the run that was read still
//!   stands goes to `warehouse.db` once more, by a statement that keeps no lock.
//! - Readers lock nobody out but the commit of a writer, which waits until they have ended.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::{
    Beside, Dialect, Fault, MartSchema, MartScript, Missing, Rivals, RunRecord, Value, Warehouse, WarehouseError,
    WarehouseStanding,
};
use crate::console::Progress;
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;

mod connect;
mod doctor;
mod drop;
mod fault;
mod load;
mod mart;
mod prepare;
mod publish;
mod rows;
#[cfg(test)]
mod tests;

use connect::{Files, LOCK_WAIT, READING};

/// The mart's file where none is named, beside the warehouse.
pub const MART_FILE: &str = "mart.db";

/// A warehouse in two files.
#[derive(Debug)]
pub struct SqliteWarehouse {
    files: Files,
    /// Reads both files; opened on first use.
    reader: Option<Connection>,
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
        let files = Files { warehouse: absolute, mart, lock_wait: LOCK_WAIT };
        Ok(SqliteWarehouse { files, reader: None })
    }

    /// Waits up to `lock_wait` for other processes that hold a lock, instead of ten minutes.
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> SqliteWarehouse {
        self.files.lock_wait = lock_wait;
        self
    }

    /// Whether a run could use both files, and what is there. Changes nothing.
    ///
    /// # Errors
    /// What would stop a run.
    pub fn examine(&self, mart: &MartSchema) -> Result<String, WarehouseError> {
        doctor::examine(&self.files, mart)
    }

    /// The file of the warehouse.
    pub fn path(&self) -> &Path {
        &self.files.warehouse
    }

    /// The file of the mart.
    pub fn mart_path(&self) -> &Path {
        &self.files.mart
    }
}

impl Warehouse for SqliteWarehouse {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn address(&self) -> String {
        self.files.address()
    }

    fn prepare(&mut self, mart: &MartSchema, missing: Missing) -> Result<(), WarehouseError> {
        // The tables that it knows may change.
        self.reader = None;
        prepare::prepare(&self.files, mart, missing)
    }

    fn standing(&mut self, mart: &MartSchema) -> Result<WarehouseStanding, WarehouseError> {
        prepare::standing(&self.files, mart)
    }

    fn recorded_runs(&mut self) -> Result<Vec<Vec<Value>>, WarehouseError> {
        let connection = self.files.open_warehouse(Missing::Refuse)?;
        let failed = |error| self.files.failed("reading the runs", error);
        let found = prepare::read_found(&connection).map_err(failed)?;
        match found.select_runs() {
            Some(sql) => all_rows(&connection, &READING.fill(&sql)).map_err(failed),
            None => Ok(Vec::new()),
        }
    }

    fn publish(
        &mut self,
        table: &MonthTable,
        run: &RunRecord,
        rivals: Rivals,
        beside: &Beside,
        progress: &Progress,
    ) -> Result<(), WarehouseError> {
        publish::publish(&self.files, table, run, rivals, beside, progress)
    }

    fn record_run(&mut self, run: &RunRecord) -> Result<(), WarehouseError> {
        publish::record_run(&self.files, run)
    }

    fn publish_mart(&mut self, month: Month, script: &MartScript) -> Result<(), WarehouseError> {
        mart::publish(&self.files, month, script)
    }

    fn drop_month(&mut self, month: Month, mart: &MartSchema) -> Result<(), WarehouseError> {
        drop::drop_month(&self.files, month, mart)
    }

    fn snapshot(&mut self, month: Month, queries: &[&str]) -> Result<Vec<Vec<Vec<Value>>>, WarehouseError> {
        self.with_reader(|files, connection| {
            let mut read = || -> rusqlite::Result<Vec<Vec<Vec<Value>>>> {
                let transaction = connection.transaction()?;
                // The mart first: what it was made from cannot be older than the warehouse that is read after it.
                transaction.query_row("SELECT COUNT(*) FROM mart.sqlite_schema", [], |_| Ok(()))?;
                queries.iter().map(|sql| all_rows(&transaction, &READING.fill_month(sql, month))).collect()
            };
            read().map_err(|error| files.failed("reading", error))
        })
    }

    fn months(&mut self) -> Result<Vec<Month>, WarehouseError> {
        let sql = "SELECT Month FROM mart.mart_run ORDER BY Month";
        let rows = self.with_reader(|files, connection| {
            all_rows(connection, sql).map_err(|error| files.failed("reading the months", error))
        })?;
        rows.into_iter()
            .flatten()
            .map(|value| match &value {
                Value::Text(day) => day.get(..7).and_then(|month| month.parse().ok()).ok_or(value),
                _ => Err(value),
            })
            .collect::<Result<_, Value>>()
            .map_err(|value| {
                let what = format!("{value:?} is not a month");
                self.files.refused("reading the months", Fault::Answer { what })
            })
    }

    fn for_each_row_with(
        &mut self,
        month: Month,
        devices: Devices,
        each: &mut super::RowSink<'_>,
    ) -> Result<(), WarehouseError> {
        rows::for_each_row(self, month, devices, each)
    }
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
