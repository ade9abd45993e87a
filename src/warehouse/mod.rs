//! Where a month is loaded to and where its mart lives: SQLite or MySQL behind one trait.
//!
//! A load stages the rows, checks counts and sums inside the database and publishes them in one atomic step. The mart
//! is SQL that runs inside the warehouse; [`crate::mart`] owns its text, this module only runs it.

use std::fmt;

use jiff::Timestamp;

use crate::console::Progress;
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;

mod beside;
mod checks;
pub mod error;
mod fault;
mod meaning;
pub mod mysql;
mod open;
pub mod rows;
mod run;
pub mod schema;
pub mod sqlite;
pub mod url;

pub use beside::{Beside, Ending};
pub use error::WarehouseError;
pub use fault::{Fault, Wanted};
pub use meaning::Meaning;
pub use open::{OpenOptions, examine, open};
pub use rows::{CustomerRow, RowSink};
use run::TORN_EXIT_CODE;
pub use run::{RunApp, RunAudience, RunAudiencePair, RunDay, RunRecord, RunStatus, RunWarning, fingerprint};
pub use schema::Dialect;
pub use schema::version::Misfit;
pub use sqlite::SqliteWarehouse;
pub use url::WarehouseUrl;

/// The clock times of a run.
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

/// A database on a server, as other programs are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Name or address of its machine.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// Database of the warehouse.
    pub database: String,
    /// The account.
    pub user: String,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Integer(integer) => integer.fmt(f),
            Value::Real(real) => write!(f, "{real:?}"),
            Value::Text(text) => f.write_str(text),
        }
    }
}

/// What becomes of runs of a month that stand when it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rivals {
    /// They are replaced.
    Replaced,
    /// One that is newer than this run and was made of the same inputs by the same rules stays: [`Fault::MadeMeanwhile`].
    Respected {
        /// The run that stood when the work began, 0 for none.
        after: i64,
    },
}

impl Rivals {
    /// The query for the run that stays, where there are any: its number, none where the month is free.
    fn select(self, run: &RunRecord) -> Option<String> {
        let Rivals::Respected { after } = self else { return None };
        let (inputs, rules) = (&run.inputs_sha256, &run.provenance.rules.sha256);
        let started = schema::utc_text(run.started);
        // Both are digits of hexadecimal numbers. A run whose commit was not answered is no rival to itself.
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_plain(inputs) && is_plain(rules)).then(|| {
            format!(
                "SELECT Id FROM {{warehouse}}.etl_run_published WHERE Month = {{month}} AND Id > {after} \
                 AND InputsSha256 = '{inputs}' AND RulesSha256 = '{rules}' AND Started <> '{started}'"
            )
        })
    }
}

/// What to do about a warehouse that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Make it.
    Create,
    /// Refuse: nothing can be done with an empty one.
    Refuse,
}

/// How far the databases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarehouseStanding {
    /// There is no warehouse.
    Absent,
    /// There is one, and it or the mart has to be brought up to date first.
    Outdated,
    /// Both are as they should be.
    Current,
}

/// What a mart consists of.
#[derive(Clone, Debug)]
pub struct MartSchema {
    /// Its tables, those on the way to them aside.
    pub tables: Vec<&'static schema::Table>,
    pub views: Vec<&'static schema::View>,
    /// The table that has a row for each month.
    pub totals: &'static schema::Table,
}

impl MartSchema {
    /// What the warehouse itself keeps in a mart: where its months come from.
    pub fn records(&self) -> [schema::Table; 2] {
        [schema::MART_RUN, schema::MART_WAREHOUSE_ID]
    }
}

/// What rebuilds the mart of a month.
#[derive(Clone, Debug)]
pub struct MartScript {
    /// The tables that are there while the mart is built, empty at first.
    pub work_tables: Vec<&'static schema::Table>,
    /// The passes over the customers.
    pub passes: Vec<CustomerPass>,
    /// A SELECT on the warehouse and the work tables of the passes, for what the tables of a month must have in common:
    /// what it is, one table, the value there, another table, the value there.
    pub check: String,
    /// The tables to fill after these, in order; all of them or none.
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
        let mart = self.fills.iter().map(|fill| fill.table).filter(|table| table.database == schema::Database::Mart);
        mart.map(schema::Table::delete_month)
    }

    /// The statements that fill the tables after the passes, in order.
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
pub trait Warehouse: Send {
    /// The dialect of [`Warehouse::publish_mart`] and [`Warehouse::query`].
    fn dialect(&self) -> Dialect;

    /// The address without any password, for messages and provenance.
    fn address(&self) -> String;

    /// Makes what is missing (databases, tables, views; a mart always, a warehouse as `missing` says), brings what an
    /// older version made up to date, and removes what a killed run left behind. Databases of a newer version and tables
    /// that this program did not make are refused before anything is touched.
    fn prepare(&mut self, mart: &MartSchema, missing: Missing) -> Result<(), WarehouseError>;

    /// Whether there is a warehouse, and whether both databases are as this version makes them; changes nothing.
    fn standing(&mut self, mart: &MartSchema) -> Result<WarehouseStanding, WarehouseError>;

    /// The runs of a warehouse of whatever version, in their order, from `etl_run` alone: Month, Id, Status, RulesName,
    /// RulesSha256, InputsSha256. What an older version did not record is empty, and its runs have published.
    fn recorded_runs(&mut self) -> Result<Vec<Vec<Value>>, WarehouseError>;

    /// Publishes one month in `customer_behavior` and `daily_activity`, replacing that month, and records its run: staged,
    /// checked against the ledger inside the database, then visible at once and whole.
    /// Before that it waits for what goes on `beside`, and publishes nothing when that failed. Whether it has `rivals` is
    /// asked where no other run can publish any more.
    fn publish(
        &mut self,
        table: &MonthTable,
        run: &RunRecord,
        rivals: Rivals,
        beside: &Beside,
        progress: &Progress,
    ) -> Result<(), WarehouseError>;

    /// [`Warehouse::publish`] of a run of which no more is known than `table` tells.
    fn load(&mut self, table: &MonthTable, clock: RunClock, progress: &Progress) -> Result<(), WarehouseError> {
        self.publish(table, &RunRecord::of_table(table, clock.started), Rivals::Replaced, &Beside::nothing(), progress)
    }

    /// Records a run that did not publish, where the warehouse is there and of this version; else does nothing.
    fn record_run(&mut self, run: &RunRecord) -> Result<(), WarehouseError>;

    /// Rebuilds the mart of one month, so that readers see all of it or nothing. The statements may use the names
    /// `{warehouse}` and `{mart}` for the two databases, `{work}` before the name of a table of the script, and `{month}`
    /// for the quoted first day. Refuses a month whose tables contradict each other.
    fn publish_mart(&mut self, month: Month, script: &MartScript) -> Result<(), WarehouseError>;

    /// Removes a month from warehouse and mart; the runs that published it become [`RunStatus::Dropped`]. Readers see
    /// it whole until it is gone. Where nothing of it is left, nothing is done.
    fn drop_month(&mut self, month: Month, mart: &MartSchema) -> Result<(), WarehouseError>;

    /// All rows of a query; the placeholders are those of [`Warehouse::publish_mart`].
    fn query(&mut self, month: Month, sql: &str) -> Result<Vec<Vec<Value>>, WarehouseError> {
        Ok(self.snapshot(month, &[sql])?.pop().unwrap_or_default())
    }

    /// The rows of several queries, all of which see the warehouse and the mart as they were at one moment.
    fn snapshot(&mut self, month: Month, queries: &[&str]) -> Result<Vec<Vec<Vec<Value>>>, WarehouseError>;

    /// The months in the mart, ascending.
    fn months(&mut self) -> Result<Vec<Month>, WarehouseError>;

    /// The rows of a month in contract order (bytes), until the sink breaks off. They come from one statement: a month
    /// that another run publishes meanwhile is seen as it was or as it is, never mixed.
    fn for_each_row(&mut self, month: Month, each: &mut RowSink<'_>) -> Result<(), WarehouseError> {
        self.for_each_row_with(month, Devices::Ignored, each)
    }

    /// [`Warehouse::for_each_row`], with the devices of each customer where those of the month were counted.
    fn for_each_row_with(
        &mut self,
        month: Month,
        devices: Devices,
        each: &mut RowSink<'_>,
    ) -> Result<(), WarehouseError>;

    /// Whether the devices of a month were counted.
    fn counts_devices(&mut self, month: Month) -> Result<Devices, WarehouseError> {
        let rows = self.query(month, rows::COUNT_DEVICE_ROWS)?;
        let has_rows = matches!(rows.first().and_then(|row| row.first()), Some(Value::Integer(1..)));
        Ok(if has_rows { Devices::Counted } else { Devices::Ignored })
    }

    /// Where the server is and who logs in, once address and option file are put together; none for a file.
    fn server(&self) -> Option<ServerAddress> {
        None
    }

    /// What the user should know although nothing failed, once; to be asked after [`Warehouse::prepare`].
    fn take_warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// A number for a new warehouse, 32 hexadecimal digits.
fn new_id(at: &str) -> Result<String, WarehouseError> {
    Ok(format!("{:032x}", u128::from_be_bytes(draw_random(at)?)))
}

/// Bytes that nobody can guess, for the warehouse `at`.
fn draw_random<const N: usize>(at: &str) -> Result<[u8; N], WarehouseError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| WarehouseError::step(at, "drawing a random number", Fault::said(error, Meaning::Unknown)))?;
    Ok(bytes)
}
