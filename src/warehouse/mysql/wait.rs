//! Waiting for what others hold. The server waits a second at most, and the waiting is repeated here: what waits in the
//! server goes on after this program is gone. Who is waited for is told.

use std::fmt;
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::Connector;
use super::fault::StepFailure;
use super::names::literal;
use super::session::Session;
use super::settings::Server;
use crate::console::Waiting;
use crate::warehouse::{Fault, WarehouseError};

/// Time between two tries, in which those that queue behind us have their turn.
const PAUSE: Duration = Duration::from_millis(200);

impl<'a> Session<'a> {
    /// Runs a step of one statement, or of one transaction that it begins anew, until no lock of another is in its way, or
    /// the time for that is over.
    pub fn patiently<T>(
        &mut self,
        mut step: impl FnMut(&mut Session<'a>) -> Result<T, StepFailure>,
    ) -> Result<T, StepFailure> {
        let connector = self.connector;
        let mut wait = Waiting::new(connector.lock_timeout);
        loop {
            match step(self) {
                Err(failure) if failure.is_waiting() => {
                    if wait.is_over() {
                        return Err(given_up(failure, &who_holds(connector), connector.lock_timeout));
                    }
                    wait.tell(|| held_up(&failure.error, &who_holds(connector)));
                    thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    /// Runs a statement without rows that is a transaction by itself, as soon as no lock of another is in its way.
    pub fn run_patiently(&mut self, doing: &'static str, sql: &str) -> Result<(), StepFailure> {
        self.patiently(|session| session.run(doing, sql))
    }
}

fn held_up(error: &WarehouseError, holders: &Holders) -> String {
    let (at, doing) = match error {
        WarehouseError::Database { at, doing, .. } => (at.as_str(), *doing),
        _ => ("", ""),
    };
    format!("{at}: {doing}: another session holds what is needed: {holders}")
}

fn given_up(failure: StepFailure, holders: &Holders, waited: Duration) -> StepFailure {
    let error = match failure.error {
        WarehouseError::Database { at, doing, fault } => {
            let fault = Fault::Held {
                words: fault.to_string(),
                waited_s: waited.as_secs(),
                holders: holders.to_string(),
                connection: holders.found.first().map(|holder| holder.id),
            };
            WarehouseError::step(at, doing, fault)
        }
        other => other,
    };
    StepFailure::from(error)
}

/// A connection of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub id: u64,
    pub user: String,
    pub host: String,
    /// Since when it does what it does, in seconds.
    pub time_s: i64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { id, user, host, time_s } = self;
        write!(f, "connection {id} of {}@{} ({time_s} s)", user.escape_debug(), host.escape_debug())
    }
}

/// Who may hold a lock on our tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holders {
    found: Vec<Holder>,
    /// The server named them itself; else they only work with these databases.
    are_certain: bool,
}

/// Names of this many are listed.
const MAX_LISTED: usize = 3;

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.found.is_empty() {
            return f.write_str("this account may not see which one");
        }
        if !self.are_certain {
            f.write_str("probably ")?;
        }
        let listed: Vec<String> = self.found.iter().take(MAX_LISTED).map(Holder::to_string).collect();
        f.write_str(&listed.join(", "))?;
        match self.found.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            n_more => write!(f, " and {n_more} more"),
        }
    }
}

/// Looks for those who hold locks on tables of ours, on a connection of its own.
fn who_holds(connector: &Connector) -> Holders {
    let Ok(Session { mut conn, server, .. }) = Session::open(connector) else { return Holders::default() };
    let databases = format!("{}, {}", literal(&connector.database), literal(&connector.mart_db));
    for (are_certain, sql) in questions(&server, &databases) {
        // Most accounts may not ask everything.
        let rows: Vec<(u64, String, Option<String>, Option<i64>)> = conn.query(sql).unwrap_or_default();
        let found: Vec<Holder> = rows
            .into_iter()
            .filter(|(id, ..)| !connector.is_own(*id))
            .map(|(id, user, host, time_s)| Holder {
                id,
                user,
                host: host.unwrap_or_default(),
                time_s: time_s.unwrap_or_default(),
            })
            .collect();
        if !found.is_empty() {
            return Holders { found, are_certain };
        }
    }
    Holders::default()
}

/// What is asked, in order, and whether the answer is certain.
fn questions(server: &Server, databases: &str) -> [(bool, String); 3] {
    let of_locks = if server.is_mysql() {
        format!(
            "SELECT DISTINCT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_TIME \
             FROM performance_schema.metadata_locks AS l \
             JOIN performance_schema.threads AS t ON t.THREAD_ID = l.OWNER_THREAD_ID \
             WHERE l.OBJECT_TYPE = 'TABLE' AND l.LOCK_STATUS = 'GRANTED' AND l.OBJECT_SCHEMA IN ({databases}) \
             AND t.PROCESSLIST_ID IS NOT NULL ORDER BY t.PROCESSLIST_TIME DESC"
        )
    } else {
        format!(
            "SELECT DISTINCT p.ID, p.USER, p.HOST, p.TIME FROM information_schema.METADATA_LOCK_INFO AS l \
             JOIN information_schema.PROCESSLIST AS p ON p.ID = l.THREAD_ID \
             WHERE l.TABLE_SCHEMA IN ({databases}) ORDER BY p.TIME DESC"
        )
    };
    let of_transactions = "SELECT p.ID, p.USER, p.HOST, p.TIME FROM information_schema.INNODB_TRX AS x \
                           JOIN information_schema.PROCESSLIST AS p ON p.ID = x.trx_mysql_thread_id \
                           ORDER BY p.TIME DESC";
    let of_processes = format!(
        "SELECT ID, USER, HOST, TIME FROM information_schema.PROCESSLIST \
         WHERE DB IN ({databases}) AND ID <> CONNECTION_ID() ORDER BY TIME DESC"
    );
    [(true, of_locks), (false, of_transactions.to_owned()), (false, of_processes)]
}

/// Who a connection is, as far as the account may see.
pub(super) fn holder(conn: &mut Conn, id: u64) -> Option<Holder> {
    let sql = format!("SELECT USER, HOST, TIME FROM information_schema.PROCESSLIST WHERE ID = {id}");
    let row: Option<(String, Option<String>, Option<i64>)> = conn.query_first(sql).ok()?;
    let (user, host, time_s) = row?;
    Some(Holder { id, user, host: host.unwrap_or_default(), time_s: time_s.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_listed_as_far_as_they_are_known() {
        let holder = |id: u64| Holder { id, user: "bi".to_owned(), host: "10.0.0.3:51234".to_owned(), time_s: 40 };
        let check = |ids: &[u64], are_certain: bool, expected: &str| {
            let holders = Holders { found: ids.iter().map(|id| holder(*id)).collect(), are_certain };
            assert_eq!(holders.to_string(), expected);
        };
        check(&[], false, "this account may not see which one");
        check(&[7], true, "connection 7 of bi@10.0.0.3:51234 (40 s)");
        let three = "connection 1 of bi@10.0.0.3:51234 (40 s), connection 2 of bi@10.0.0.3:51234 (40 s), \
                     connection 3 of bi@10.0.0.3:51234 (40 s)";
        check(&[1, 2, 3, 4, 5], false, &format!("probably {three} and 2 more"));
    }
}
