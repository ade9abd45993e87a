//! The lock by name that keeps a second viewmart out of a warehouse. It ends with its connection, however that ends.

use mysql::prelude::Queryable as _;
use sha2::{Digest as _, Sha256};

use super::fault::StepFailure;
use super::names::literal;
use super::session::Session;
use super::settings::SERVER_WAIT_S;
use super::wait;
use crate::console::Waiting;
use crate::engine::hex::hex;
use crate::warehouse::Fault;

const DOING: &str = "waiting for another viewmart";

/// Runs `step` under the lock.
pub(super) fn locked<'a, T>(
    session: &mut Session<'a>,
    step: impl FnOnce(&mut Session<'a>) -> Result<T, StepFailure>,
) -> Result<T, StepFailure> {
    let name = take(session)?;
    let result = step(session);
    release(session, &name);
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
pub(super) fn try_locked<'a, T>(
    session: &mut Session<'a>,
    step: impl FnOnce(&mut Session<'a>) -> Result<T, StepFailure>,
) -> Result<Turn<T>, StepFailure> {
    let name = name_of(session)?;
    if let Some(id) = try_once(session, &name)? {
        return Ok(Turn::Of(who(session, id)));
    }
    let result = step(session);
    release(session, &name);
    result.map(Turn::Ours)
}

/// Takes the lock of this warehouse and gives its name.
fn take(session: &mut Session<'_>) -> Result<String, StepFailure> {
    let name = name_of(session)?;
    let longest = session.connector.turn_timeout;
    let mut wait = Waiting::new(longest);
    while let Some(id) = try_once(session, &name)? {
        if wait.is_over() {
            let fault = Fault::NoTurn { holder: who(session, id), connection: id, waited_s: longest.as_secs() };
            return Err(session.refused(DOING, fault));
        }
        let address = session.address();
        wait.tell(|| format!("{address}: another viewmart works on this warehouse: {}", who(session, id)));
    }
    Ok(name)
}

fn release(session: &mut Session<'_>, name: &str) {
    // Without a connection the lock is gone by itself.
    let _ = session.conn.query_drop(format!("DO RELEASE_LOCK({})", literal(name)));
}

/// Waits a second for the lock. Gives the connection that has it instead, or 0 when that is not known.
fn try_once(session: &mut Session<'_>, name: &str) -> Result<Option<u64>, StepFailure> {
    let sql = format!("SELECT GET_LOCK({0}, {SERVER_WAIT_S}), IS_USED_LOCK({0})", literal(name));
    let row: Option<(Option<u8>, Option<u64>)> = session.query_first(DOING, &sql)?;
    Ok(match row {
        Some((Some(1), _)) => None,
        row => Some(row.and_then(|(_, id)| id).unwrap_or_default()),
    })
}

fn who(session: &mut Session<'_>, id: u64) -> String {
    wait::holder(&mut session.conn, id).map_or_else(|| format!("connection {id}"), |holder| holder.to_string())
}

/// Names of locks are shared by the whole server and have at most 64 characters.
fn name_of(session: &mut Session<'_>) -> Result<String, StepFailure> {
    let mut database = session.connector.database.clone();
    if session.server.folds_names {
        // Two spellings are one database.
        let lower: Option<String> = session.query_first(DOING, &format!("SELECT LOWER({})", literal(&database)))?;
        database = lower.unwrap_or(database);
    }
    let hash = hex(&Sha256::digest(database));
    Ok(format!("viewmart {hash:.50}"))
}
