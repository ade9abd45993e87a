//! A connection to the server with the settings of a session of ours, and what is known of both ends.

use std::sync::mpsc;
use std::thread;

use mysql::Conn;
use mysql::prelude::{FromRow, Queryable as _};

use super::connect::Connector;
use super::fault::StepFailure;
use super::settings::{self, Server};
use crate::engine::calendar::Month;
use crate::warehouse::schema::Table;
use crate::warehouse::{Fault, Value};

/// A connection, with who opened it and what answers.
pub(super) struct Session<'a> {
    pub connector: &'a Connector,
    pub conn: Conn,
    pub server: Server,
}

impl<'a> Session<'a> {
    /// Connects.
    pub fn open(connector: &'a Connector) -> Result<Session<'a>, StepFailure> {
        let mut conn = connector.connect()?;
        let server = settings::begin(&connector.endpoint, &mut conn)?;
        connector.found(&server);
        Ok(Session { connector, conn, server })
    }

    /// Another connection to the same server.
    pub fn another(&self) -> Result<Session<'a>, StepFailure> {
        Session::open(self.connector)
    }

    /// Several more.
    pub fn others(&self, n: usize) -> Result<Vec<Session<'a>>, StepFailure> {
        (0..n).map(|_| self.another()).collect()
    }

    /// The address of the server, for messages.
    pub fn address(&self) -> &'a str {
        &self.connector.endpoint.address
    }

    /// A table of ours, quoted and with its database.
    pub fn qualified(&self, table: &Table) -> String {
        self.fill(&table.qualified())
    }

    /// `sql` with the names of the databases.
    pub fn fill(&self, sql: &str) -> String {
        self.connector.names().fill(sql)
    }

    /// `sql` with the names of the databases and the month.
    pub fn fill_month(&self, sql: &str, month: Month) -> String {
        self.connector.names().fill_month(sql, month)
    }

    /// The failure of a step in the words of the client or the server.
    pub fn failed(&self, doing: &'static str, error: &mysql::Error) -> StepFailure {
        StepFailure::new(&self.connector.endpoint, doing, error)
    }

    /// The failure of a step because of what was found in the database, or not.
    pub fn refused(&self, doing: &'static str, fault: Fault) -> StepFailure {
        StepFailure::plain(&self.connector.endpoint, doing, fault)
    }

    /// Runs a statement without rows.
    pub fn run(&mut self, doing: &'static str, sql: &str) -> Result<(), StepFailure> {
        self.conn.query_drop(sql).map_err(|error| self.failed(doing, &error))
    }

    pub fn query_first<T: FromRow>(&mut self, doing: &'static str, sql: &str) -> Result<Option<T>, StepFailure> {
        self.conn.query_first(sql).map_err(|error| self.failed(doing, &error))
    }

    pub fn query<T: FromRow>(&mut self, doing: &'static str, sql: &str) -> Result<Vec<T>, StepFailure> {
        self.conn.query(sql).map_err(|error| self.failed(doing, &error))
    }

    /// All rows of a query, whatever they hold.
    pub fn values(&mut self, doing: &'static str, sql: &str) -> Result<Vec<Vec<Value>>, StepFailure> {
        super::query(&mut self.conn, sql).map_err(|error| self.failed(doing, &error))
    }

    /// Runs `step` in a transaction, which is over also where it fails.
    pub fn transaction(
        &mut self,
        doing: &'static str,
        step: impl FnOnce(&mut Session<'a>) -> Result<(), StepFailure>,
    ) -> Result<(), StepFailure> {
        self.open_transaction(doing, |session| {
            step(session)?;
            session.run(doing, "COMMIT")
        })
    }

    /// Runs `step` in a transaction that is left open; where it fails, the transaction is over.
    pub fn open_transaction(
        &mut self,
        doing: &'static str,
        step: impl FnOnce(&mut Session<'a>) -> Result<(), StepFailure>,
    ) -> Result<(), StepFailure> {
        let result = self.run(doing, "START TRANSACTION").and_then(|()| step(self));
        self.rolled_back(result)
    }

    /// The result of what an open transaction waited for, which is over where that failed.
    pub fn rolled_back<T>(&mut self, result: Result<T, StepFailure>) -> Result<T, StepFailure> {
        if result.is_err() {
            let _ = self.conn.query_drop("ROLLBACK");
        }
        result
    }
}

/// Runs `job` with each of `inputs` on a connection of its own, all at once; waits for all of them. Of several failures
/// it gives one that lasts: the others may only follow from it.
pub(super) fn in_parallel<'a, I: Send, T: Send>(
    sessions: &mut [Session<'a>],
    inputs: impl IntoIterator<Item = I>,
    job: impl Fn(&mut Session<'a>, I) -> Result<T, StepFailure> + Sync,
) -> Result<Vec<T>, StepFailure> {
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for (session, input) in sessions.iter_mut().zip(inputs) {
            let (sender, job) = (sender.clone(), &job);
            scope.spawn(move || {
                // The receiver lives until every sender is gone.
                let _ = sender.send(job(session, input));
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
