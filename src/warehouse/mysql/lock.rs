//! The lock by name that keeps a second viewmart out of a warehouse. It ends with its connection, however that ends.

use mysql::Conn;
use mysql::prelude::Queryable as _;
use sha2::{Digest as _, Sha256};

use super::connect::{Connector, literal};
use super::failure::Failure;
use super::session::Server;
use super::wait::{self, SERVER_WAIT_S};
use crate::console::Waiting;
use crate::engine::hex::hex;
use crate::warehouse::Fault;

const DOING: &str = "waiting for another viewmart";

/// Runs `step` under the lock.
pub(super) fn locked<T>(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    step: impl FnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let name = take(connector, conn, server)?;
    let result = step(conn);
    release(conn, &name);
    result
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn<T> {
    Ours(T),
    /// Who has it, for messages.
    Of(String),
}

/// Runs `step` under the lock if nobody else has it.
pub(super) fn try_locked<T>(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    step: impl FnOnce(&mut Conn) -> Result<T, Failure>,
) -> Result<Turn<T>, Failure> {
    let name = name_of(connector, conn, server)?;
    if let Some(id) = try_once(connector, conn, &name)? {
        return Ok(Turn::Of(who(conn, id)));
    }
    let result = step(conn);
    release(conn, &name);
    result.map(Turn::Ours)
}

/// Takes the lock of this warehouse and gives its name.
fn take(connector: &Connector, conn: &mut Conn, server: &Server) -> Result<String, Failure> {
    let name = name_of(connector, conn, server)?;
    let mut wait = Waiting::new(connector.turn_timeout);
    while let Some(id) = try_once(connector, conn, &name)? {
        if wait.is_over() {
            let waited_s = connector.turn_timeout.as_secs();
            let fault = Fault::NoTurn { holder: who(conn, id), connection: id, waited_s };
            return Err(Failure::plain(&connector.place, DOING, fault));
        }
        let address = &connector.place.address;
        wait.tell(|| format!("{address}: another viewmart works on this warehouse: {}", who(conn, id)));
    }
    Ok(name)
}

fn release(conn: &mut Conn, name: &str) {
    // Without a connection the lock is gone by itself.
    let _ = conn.query_drop(format!("DO RELEASE_LOCK({})", literal(name)));
}

/// Waits a second for the lock. Gives the connection that has it instead, or 0 when that is not known.
fn try_once(connector: &Connector, conn: &mut Conn, name: &str) -> Result<Option<u64>, Failure> {
    let sql = format!("SELECT GET_LOCK({0}, {SERVER_WAIT_S}), IS_USED_LOCK({0})", literal(name));
    let row: Option<(Option<u8>, Option<u64>)> =
        conn.query_first(sql).map_err(|e| Failure::new(&connector.place, DOING, &e))?;
    Ok(match row {
        Some((Some(1), _)) => None,
        row => Some(row.and_then(|(_, id)| id).unwrap_or_default()),
    })
}

fn who(conn: &mut Conn, id: u64) -> String {
    wait::holder(conn, id).map_or_else(|| format!("connection {id}"), |holder| holder.to_string())
}

/// Names of locks are shared by the whole server and have at most 64 characters.
fn name_of(connector: &Connector, conn: &mut Conn, server: &Server) -> Result<String, Failure> {
    let mut database = connector.database.clone();
    if server.folds_names {
        // Two spellings are one database.
        let sql = format!("SELECT LOWER({})", literal(&database));
        let lower: Option<String> = conn.query_first(sql).map_err(|e| Failure::new(&connector.place, DOING, &e))?;
        database = lower.unwrap_or(database);
    }
    let hash = hex(&Sha256::digest(database));
    Ok(format!("viewmart {hash:.50}"))
}
