//! The warehouse on MySQL 8 and 9 and on MariaDB 10.6 and newer.
//!
//! `customer_behavior` and `customer_devices` are partitioned by month. Rows stream from the columns through
//! `LOAD DATA LOCAL INFILE` into a staging table, over several connections in key order, are counted and added up there,
//! and come before the readers by `EXCHANGE PARTITION`; [`publish`] has the order of the steps and what a crash leaves at each. Where the server
//! refuses `LOAD DATA LOCAL` the rows go in by `INSERT`.
//!
//! # What the account needs
//!
//! On the database of the warehouse and on that of the mart, and nothing else (`FILE` least of all):
//!
//! ```sql
//! CREATE USER 'etl'@'%' IDENTIFIED BY '…';
//! GRANT SELECT, INSERT, DELETE, CREATE, DROP, ALTER, CREATE VIEW ON `tv`.* TO 'etl'@'%';
//! GRANT SELECT, INSERT, DELETE, CREATE, DROP, ALTER, CREATE VIEW ON `tv\_mart`.* TO 'etl'@'%';
//! ```
//!
//! With these the account may create both databases itself. Readers need `SELECT` alone.

use std::fmt;
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::consts::ColumnType;
use mysql::prelude::Queryable as _;

use super::meaning::LOCAL_INFILE_ADVICE;
use super::schema::version::{Schema, Standing};
use super::schema::{self, Database, Dialect};
use super::{
    Beside, Fault, MartSchema, MartScript, Missing, Rivals, RunRecord, ServerAddress, Value, Warehouse, WarehouseError,
    WarehouseStanding, checks,
};
use crate::console::{Progress, Waiting};
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;

mod connect;
mod doctor;
mod drop;
mod encode;
mod endpoint;
mod fault;
mod load;
mod lock;
mod mart;
mod names;
mod partition;
mod prepare;
mod publish;
mod rows;
mod session;
mod settings;
mod staging;
mod url;
mod wait;

pub use connect::MysqlOptions;
pub use doctor::examine;
pub use endpoint::PRIVILEGES;
pub use url::{FileOptions, MysqlUrl, OptionFile, Secret, TlsMode, UrlSettings};

use connect::Connector;
use fault::{Chance, StepFailure};
use session::Session;
use settings::{LocalInfile, Server};

/// A MySQL or MariaDB server that holds warehouse and mart, connected.
pub struct MysqlWarehouse {
    connector: Connector,
    options: MysqlOptions,
    /// `None` after a failure: the next step connects anew.
    connected: Option<(Conn, Server)>,
    warnings: Vec<String>,
    dialect: Dialect,
    /// Contracts that part the customers of the month loaded last evenly.
    bounds: Option<(Month, Vec<String>)>,
}

impl fmt::Debug for MysqlWarehouse {
    /// The address alone: the client's connection would show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MysqlWarehouse").field("address", &self.connector.endpoint.address).finish_non_exhaustive()
    }
}

impl MysqlWarehouse {
    /// Connects to the server of `url`; neither database has to be there. That of the mart is `mart_db`, or has the name
    /// of the warehouse's and `_mart`.
    ///
    /// # Errors
    /// [`WarehouseError::Database`] when there is no connection, [`WarehouseError::Address`] or
    /// [`WarehouseError::OptionFile`] when it is not clear where to.
    pub fn open(
        url: &MysqlUrl,
        mart_db: Option<&str>,
        options: MysqlOptions,
    ) -> Result<MysqlWarehouse, WarehouseError> {
        let connector = Connector::new(url, mart_db, &options)?;
        let Session { conn, server, .. } = Session::open(&connector).map_err(|failure| failure.error)?;
        let dialect = Dialect::Mysql { collation: server.collation };
        let connected = Some((conn, server));
        Ok(MysqlWarehouse { connector, options, connected, warnings: Vec::new(), dialect, bounds: None })
    }

    /// Runs `step` on a connection under the lock that keeps a second viewmart out, again on a new connection when the
    /// old one broke or a deadlock was resolved at our cost, until `retry_for` is over.
    fn locked<T>(
        &mut self,
        mut step: impl FnMut(&mut Session<'_>) -> Result<T, StepFailure>,
    ) -> Result<T, WarehouseError> {
        self.with_retry(|session| lock::locked(session, &mut step))
    }

    fn with_retry<T>(
        &mut self,
        mut step: impl FnMut(&mut Session<'_>) -> Result<T, StepFailure>,
    ) -> Result<T, WarehouseError> {
        let mut wait: Option<Waiting> = None;
        let mut pause = Duration::from_millis(200);
        loop {
            let session = match self.connected.take() {
                Some((conn, server)) => Ok(Session { connector: &self.connector, conn, server }),
                None => Session::open(&self.connector),
            };
            let failure = match session {
                Ok(mut session) => match step(&mut session) {
                    Ok(value) => {
                        self.connected = Some((session.conn, session.server));
                        return Ok(value);
                    }
                    // The connection goes too: a half-read answer or an open transaction ends with it.
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            // Steps that wait for locks themselves give up with a failure that lasts; the others only read.
            let longest = match failure.chance {
                Chance::Passing => self.options.retry_for,
                Chance::Waiting => self.options.lock_timeout,
                Chance::Lasting => return Err(failure.error),
            };
            let wait = wait.get_or_insert_with(|| Waiting::new(longest));
            if wait.ends_within(pause) {
                return Err(failure.error);
            }
            wait.tell(|| format!("{}; trying again", failure.error));
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(4));
        }
    }
}

impl Warehouse for MysqlWarehouse {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn address(&self) -> String {
        self.connector.endpoint.address.clone()
    }

    fn prepare(&mut self, mart: &MartSchema, missing: Missing) -> Result<(), WarehouseError> {
        let mut local_infile = LocalInfile::Allowed;
        self.locked(|session| {
            local_infile = session.server.local_infile;
            prepare::prepare(session, mart, missing)
        })?;
        if local_infile == LocalInfile::Refused {
            self.warnings.push(format!(
                "{}: the server refuses LOAD DATA LOCAL (local_infile is off), rows go in by INSERT, several times \
                 slower; {LOCAL_INFILE_ADVICE}",
                self.connector.endpoint.address
            ));
        }
        Ok(())
    }

    fn standing(&mut self, mart: &MartSchema) -> Result<WarehouseStanding, WarehouseError> {
        self.with_retry(|session| Ok(prepare::look(session, mart)?.standing()))
    }

    fn recorded_runs(&mut self) -> Result<Vec<Vec<Value>>, WarehouseError> {
        self.with_retry(|session| match prepare::read_found(session, Database::Warehouse)?.select_runs() {
            Some(sql) => session.values("reading the runs", &session.fill(&sql)),
            None => Ok(Vec::new()),
        })
    }

    fn publish(
        &mut self,
        table: &MonthTable,
        run: &RunRecord,
        rivals: Rivals,
        beside: &Beside,
        progress: &Progress,
    ) -> Result<(), WarehouseError> {
        checks::refuse_overflow(&self.connector.endpoint.address, table)?;
        let n_connections = usize::from(self.options.load_connections.get());
        let load = publish::Load { table, record: run, rivals, beside, n_connections };
        self.locked(|session| publish::load(session, &load, progress))?;
        let bounds = publish::bounds(table, n_connections).into_iter().map(str::to_owned).collect();
        self.bounds = Some((table.month, bounds));
        Ok(())
    }

    fn record_run(&mut self, run: &RunRecord) -> Result<(), WarehouseError> {
        self.with_retry(|session| {
            let found = prepare::read_found(session, Database::Warehouse)?;
            if Schema::of_warehouse().standing(&found) != Ok(Standing::Current) {
                return Ok(());
            }
            session.patiently(|session| {
                session.transaction(publish::RECORDING, |session| publish::record_run(session, run))
            })
        })
    }

    fn publish_mart(&mut self, month: Month, script: &MartScript) -> Result<(), WarehouseError> {
        let n_connections = usize::from(self.options.load_connections.get());
        let bounds = self.bounds.take().filter(|(loaded, _)| *loaded == month).map(|(_, bounds)| bounds);
        let parts = mart::Parts { bounds, n_connections };
        self.locked(|session| mart::publish(session, month, script, &parts))
    }

    fn drop_month(&mut self, month: Month, mart: &MartSchema) -> Result<(), WarehouseError> {
        self.locked(|session| drop::drop_month(session, month, mart))
    }

    fn snapshot(&mut self, month: Month, queries: &[&str]) -> Result<Vec<Vec<Vec<Value>>>, WarehouseError> {
        const DOING: &str = "reading";
        self.with_retry(|session| {
            if let [sql] = queries {
                return Ok(vec![session.values(DOING, &session.fill_month(sql, month))?]);
            }
            session.run(DOING, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
            session.run(DOING, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
            let rows: Result<Vec<_>, StepFailure> =
                queries.iter().map(|sql| session.values(DOING, &session.fill_month(sql, month))).collect();
            let ended = session.run(DOING, "COMMIT");
            let rows = rows.map_err(|failure| match failure.code {
                // A month was exchanged while it was read: the same works now.
                Some(1412) => StepFailure { chance: Chance::Passing, ..failure },
                _ => failure,
            })?;
            ended?;
            Ok(rows)
        })
    }

    fn months(&mut self) -> Result<Vec<Month>, WarehouseError> {
        const DOING: &str = "listing the months";
        self.with_retry(|session| {
            let table = session.qualified(&schema::MART_RUN);
            let sql = format!("SELECT DATE_FORMAT(Month, '%Y-%m') FROM {table} ORDER BY Month");
            let months: Vec<String> = match session.query(DOING, &sql) {
                // No such database, no such table: no mart was made yet.
                Err(StepFailure { code: Some(1049 | 1146), .. }) => Vec::new(),
                months => months?,
            };
            let parse =
                |text: &String| text.parse().map_err(|e: crate::engine::calendar::ParseMonthError| e.to_string());
            let months: Result<Vec<Month>, String> = months.iter().map(parse).collect();
            months.map_err(|what| session.refused(DOING, Fault::Answer { what }))
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

    fn server(&self) -> Option<ServerAddress> {
        Some(self.connector.server_address())
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

fn query(conn: &mut Conn, sql: &str) -> Result<Vec<Vec<Value>>, mysql::Error> {
    conn.query_iter(sql)?.map(|row| row.map(values_of)).collect()
}

fn values_of(row: mysql::Row) -> Vec<Value> {
    let columns = row.columns();
    let values = row.unwrap_raw().into_iter().zip(columns.iter());
    values.map(|(value, column)| value_of(value, column.column_type(), column.decimals())).collect()
}

/// A value of the text protocol, in which everything but NULL is text.
fn value_of(value: Option<mysql::Value>, kind: ColumnType, n_decimals: u8) -> Value {
    let text = match value {
        Some(mysql::Value::Bytes(bytes)) => {
            String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
        }
        None | Some(mysql::Value::NULL) => return Value::Null,
        Some(mysql::Value::Int(number)) => return Value::Integer(number),
        Some(mysql::Value::Double(number)) => return Value::Real(number),
        Some(mysql::Value::Float(number)) => return Value::Real(number.into()),
        Some(other) => other.as_sql(true).trim_matches('\'').to_owned(),
    };
    use ColumnType as T;
    let number = match kind {
        T::MYSQL_TYPE_TINY
        | T::MYSQL_TYPE_SHORT
        | T::MYSQL_TYPE_INT24
        | T::MYSQL_TYPE_LONG
        | T::MYSQL_TYPE_LONGLONG => text.parse().ok().map(Value::Integer),
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL if n_decimals == 0 => text.parse().ok().map(Value::Integer),
        T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL | T::MYSQL_TYPE_FLOAT | T::MYSQL_TYPE_DOUBLE => {
            text.parse().ok().map(Value::Real)
        }
        _ => None,
    };
    // A number that fits neither stays as the server wrote it.
    number.unwrap_or(Value::Text(text))
}
