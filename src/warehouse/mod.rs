//! Where a month is loaded to and where its mart lives: SQLite or MySQL behind one trait.
//!
//! A load stages the rows, checks counts and sums inside the database and publishes them in one atomic step. The mart
//! is SQL that runs inside the warehouse; [`crate::mart`] owns its text, this module only runs it.

use jiff::Timestamp;

use crate::console::Progress;
use crate::engine::calendar::Month;
use crate::engine::month::MonthTable;

mod checks;
pub mod error;
#[cfg(test)]
pub(crate) mod fixture;
pub mod mysql;
mod open;
pub mod rows;
pub mod schema;
pub mod sqlite;
pub mod url;

pub use error::WarehouseError;
pub use open::{OpenOptions, examine, open};
pub use rows::{CustomerRow, RowSink};
pub use sqlite::SqliteWarehouse;
pub use url::WarehouseUrl;

/// The clock times of a run, for `etl_run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunClock {
    /// When the run began. Its end is the moment of publishing and set by the warehouse.
    pub started: Timestamp,
}

/// A value that a query gave. Dates are text, `YYYY-MM-DD`.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Any integer type, and MySQL's DECIMAL where it is a whole number (sums).
    Integer(i64),
    /// Floating point.
    Real(f64),
    /// Text or date.
    Text(String),
}

/// Which SQL a statement is written for, where the dialects differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// MySQL 8 and 9, MariaDB 10.6 and newer.
    Mysql,
}

/// What rebuilds the mart of a month.
#[derive(Clone, Debug)]
pub struct MartScript {
    /// The tables that are there while the mart is built, empty at first.
    pub work_tables: Vec<&'static schema::Table>,
    /// The passes over the customers.
    pub passes: Vec<CustomerPass>,
    /// The tables to fill behind these, in order; all of them or none.
    pub fills: Vec<Fill>,
}

/// A table of the mart or on the way to it, and what fills it.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The table. Of one in the mart the rows of the month are replaced.
    pub table: &'static schema::Table,
    /// What the SELECT reads besides tables on the way.
    pub reads: Reads,
    /// The SELECT that gives the columns of the table in their order.
    pub select: String,
}

/// The database that a SELECT reads, besides tables on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The warehouse, and no table of the mart.
    Warehouse,
    /// The mart, and no table of the warehouse.
    Mart,
}

impl MartScript {
    /// The statements that remove the month from the mart.
    pub fn deletes(&self) -> impl Iterator<Item = String> {
        let mart = self.fills.iter().map(|fill| fill.table).filter(|table| table.home == schema::Home::Mart);
        mart.map(|table| format!("DELETE FROM {} WHERE Month = {{month}}", table.qualified()))
    }

    /// The statements that fill the tables behind the passes, in order.
    pub fn inserts(&self) -> impl Iterator<Item = String> {
        self.fills.iter().map(|fill| fill.table.insert(&fill.select))
    }
}

/// A pass over the customers of a month that may be made for parts of them at once, each row of its result by itself.
/// Its statements may use `{part}` for the number of the part and `{range}` for the condition that a customer is in it.
#[derive(Clone, Debug)]
pub struct CustomerPass {
    /// The work table that takes the result.
    pub table: &'static schema::Table,
    /// For MySQL the SELECT that gives its columns. For SQLite the statements that make a table of that name, without the
    /// part, in `temp`.
    pub sql: String,
}

/// A database server or file that holds the tables of the warehouse and the mart.
pub trait Warehouse {
    /// The dialect of [`Warehouse::publish_mart`] and [`Warehouse::query`].
    fn dialect(&self) -> Dialect;

    /// The address without any password, for messages and provenance.
    fn address(&self) -> String;

    /// Creates what is missing (databases, tables, views) and removes what a killed run left behind.
    fn prepare(&mut self) -> Result<(), WarehouseError>;

    /// Loads one month into `customer_behavior`, `daily_activity` and `etl_run`, replacing that month: staged, checked
    /// against the ledger inside the database, then visible at once and whole.
    fn load(&mut self, table: &MonthTable, clock: RunClock, progress: &Progress) -> Result<(), WarehouseError>;

    /// Rebuilds the mart of one month, so that readers see all of it or nothing. The statements may use the names
    /// `{warehouse}` and `{mart}` for the two databases, `{work}` before the name of a table of the script, and `{month}`
    /// for the quoted first day.
    fn publish_mart(&mut self, month: Month, script: &MartScript) -> Result<(), WarehouseError>;

    /// All rows of a query; the placeholders are those of [`Warehouse::publish_mart`].
    fn query(&mut self, month: Month, sql: &str) -> Result<Vec<Vec<Value>>, WarehouseError>;

    /// The months in the mart, ascending.
    fn months(&mut self) -> Result<Vec<Month>, WarehouseError>;

    /// The rows of a month in contract order (bytes), until the sink breaks off. They come from one statement: a month
    /// that another run publishes meanwhile is seen as it was or as it is, never mixed.
    fn for_each_row(&mut self, month: Month, each: &mut RowSink<'_>) -> Result<(), WarehouseError>;

    /// What the user should know although nothing failed, once; to be asked after [`Warehouse::prepare`].
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}
