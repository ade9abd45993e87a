//! What SQLite's errors mean, and what to do about them.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rustix::fs::{Access, access};

use super::connect::{Files, OPENING};
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

    /// The file at `path` cannot be opened, or what was begun in it cannot be undone.
    pub(super) fn failed_to_open(&self, path: &Path, error: rusqlite::Error) -> WarehouseError {
        let doing = if path == self.mart { "opening the mart's file beside it" } else { OPENING };
        match unfinished(path, &error) {
            Some(journal) => {
                let (words, address) = (error.to_string(), self.address());
                self.refused(doing, Fault::Said { words, meaning: Meaning::Unfinished { journal, address } })
            }
            None => self.failed(doing, error),
        }
    }
}

/// The file beside the database at `path` that keeps this user, who may not write, from reading what he may read. He is asked
/// for and the file not opened: closing it would give back all locks that this process has on it.
fn unfinished(path: &Path, error: &rusqlite::Error) -> Option<PathBuf> {
    use ErrorCode::{CannotOpen, PermissionDenied, ReadOnly, SystemIoFailure};
    let is_denied = matches!(error.sqlite_error_code()?, CannotOpen | PermissionDenied | ReadOnly | SystemIoFailure);
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    let may_read = || access(path, Access::READ_OK).is_ok();
    let may_write = || [path, path.parent().unwrap_or(path)].iter().all(|at| access(*at, Access::WRITE_OK).is_ok());
    let journal = || ["-journal", "-wal"].map(beside).into_iter().find(|journal| journal.exists());
    if is_denied && may_read() && !may_write() { journal() } else { None }
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
