//! What SQLite's errors mean, and what to do about them.

use rusqlite::ErrorCode;

use super::connect::Files;
use crate::warehouse::{Fault, Meaning, WarehouseError};

impl Files {
    pub(super) fn refused(&self, doing: &'static str, fault: Fault) -> WarehouseError {
        WarehouseError::step(self.address(), doing, fault)
    }

    pub(super) fn failed(&self, doing: &'static str, error: rusqlite::Error) -> WarehouseError {
        let meaning = meaning_of(&error);
        let words = match error {
            // Without the statement, which may be long.
            rusqlite::Error::SqlInputError { msg, .. } => msg,
            other => other.to_string(),
        };
        self.refused(doing, Fault::Said { words, meaning })
    }
}

fn meaning_of(error: &rusqlite::Error) -> Meaning {
    let text = error.to_string();
    if text.contains("no such table") {
        return Meaning::NoTables;
    }
    // What SUM and what a STRICT table say of a sum past 64 bits.
    if text.contains("integer overflow") || text.contains("cannot store REAL value") {
        return Meaning::Overflow;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Meaning::FileBusy,
        Some(ErrorCode::DiskFull) => Meaning::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => Meaning::FileDenied,
        Some(ErrorCode::NotADatabase) => Meaning::NotSqlite,
        Some(ErrorCode::DatabaseCorrupt) => Meaning::Damaged,
        Some(ErrorCode::SystemIoFailure) => Meaning::DiskFailed,
        _ => Meaning::Unknown,
    }
}
