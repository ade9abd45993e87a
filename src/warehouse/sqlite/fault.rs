//! What SQLite's errors mean, and what to do about them.

use rusqlite::ErrorCode;

use super::connect::Files;
use crate::warehouse::WarehouseError;

pub(super) const NO_MONTH: &str = "load a month first, with `viewmart run` or `viewmart load`";
pub(super) const BOUND_SECONDS: &str = "bound the seconds of a record with `max_seconds` in the rules";

impl Files {
    pub(super) fn refused(&self, doing: &'static str, why: String, advice: Option<&str>) -> WarehouseError {
        WarehouseError::Database { at: self.address(), doing, why, advice: advice.map(str::to_owned) }
    }

    pub(super) fn failed(&self, doing: &'static str, error: rusqlite::Error) -> WarehouseError {
        let advice = advice_on(&error);
        let why = match error {
            // Without the statement, which may be long.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        };
        self.refused(doing, why, advice)
    }
}

fn advice_on(error: &rusqlite::Error) -> Option<&'static str> {
    let text = error.to_string();
    if text.contains("no such table") {
        return Some(NO_MONTH);
    }
    // What SUM and what a STRICT table say of a sum past 64 bits.
    if text.contains("integer overflow") || text.contains("cannot store REAL value") {
        return Some(BOUND_SECONDS);
    }
    match error.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            Some("another process is using the file; wait until it is done or close it, then run again")
        }
        ErrorCode::DiskFull => Some("make room on the disk and run again; what was published before still stands"),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            Some("give the file and its folder write permission, or name another one with --warehouse")
        }
        ErrorCode::NotADatabase => Some("this file is not a SQLite database; name another one with --warehouse"),
        ErrorCode::DatabaseCorrupt => {
            Some("the file is damaged: put back a copy, or move it away and load its months again")
        }
        ErrorCode::SystemIoFailure => Some("check the disk and run again; what was published before still stands"),
        _ => None,
    }
}
