//! What `viewmart doctor` asks of an embedded warehouse before any work is done. Changes nothing.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::connect::Files;
use super::prepare::{look, refuse_other_mart};
use crate::warehouse::schema::version::{Schema, Standing};
use crate::warehouse::{Fault, MartSchema, Meaning, WarehouseError};

/// What is found at both files, where a run could use them.
///
/// # Errors
/// What would stop a run.
pub(super) fn examine(files: &Files, mart: &MartSchema) -> Result<String, WarehouseError> {
    // Another run that is at work is no fault.
    let files = &Files { lock_wait: Duration::ZERO, ..files.clone() };
    let of_both = [(&files.warehouse, Schema::of_warehouse()), (&files.mart, Schema::of_mart(mart))];
    let mut standings = Vec::new();
    for (path, schema) in &of_both {
        try_folder(files, path)?;
        if !path.exists() {
            standings.push(Standing::Empty);
            continue;
        }
        match try_lock(files, path)? {
            Lock::Free => standings.push(look(files, path, schema)?),
            Lock::Held => return Ok(format!("{}, in use by another process", files.address())),
        }
    }
    refuse_other_mart(files)?;
    let [warehouse, mart] = standings.as_slice() else { return Ok(files.address()) };
    let word = match (warehouse, mart) {
        (Standing::Empty, _) => "a run makes it",
        (_, Standing::Empty) => "a run makes its mart",
        (Standing::Older, _) | (_, Standing::Older) => "a run brings it up to date",
        (Standing::Current, Standing::Current) => "ready",
    };
    Ok(format!("{}, {word}", files.address()))
}

/// Whether files can be made beside `path`, or in the folder that a run would make its folder in.
fn try_folder(files: &Files, path: &Path) -> Result<(), WarehouseError> {
    let existing = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    tempfile::tempfile_in(existing).map(drop).map_err(|error| {
        let words = format!("{}: {error}", existing.display());
        files.refused("making a file beside it", Fault::Said { words, meaning: Meaning::of_folder(&error) })
    })
}

enum Lock {
    Free,
    Held,
}

/// Whether the file at `path` can be written: the lock for it is taken and given back.
fn try_lock(files: &Files, path: &Path) -> Result<Lock, WarehouseError> {
    let tried = files.try_write_lock(path);
    match tried.as_ref().map_err(rusqlite::Error::sqlite_error_code) {
        Ok(()) => Ok(Lock::Free),
        Err(Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => Ok(Lock::Held),
        Err(_) => tried.map(|()| Lock::Free).map_err(|error| files.failed("opening the database", error)),
    }
}
