//! Making the two files and bringing them up to date.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::connect::{BUILDING, Files, READING, leave_wal};
use crate::warehouse::schema::version::{Found, SCHEMA_VERSION, Schema, Standing};
use crate::warehouse::schema::{Dialect, Names};
use crate::warehouse::{Fault, MartSchema, Missing, WarehouseError, WarehouseStanding};

const DOING: &str = "looking at the tables";

/// See [`crate::warehouse::Warehouse::prepare`].
pub(super) fn prepare(files: &Files, mart: &MartSchema, missing: Missing) -> Result<(), WarehouseError> {
    leave_wal(&files.warehouse);
    leave_wal(&files.mart);
    let (warehouse_schema, mart_schema) = (Schema::of_warehouse(), Schema::of_mart(mart));
    // Both are looked at before either is touched.
    let standing = look(files, &files.warehouse, &warehouse_schema)?;
    look(files, &files.mart, &mart_schema)?;
    if standing == Standing::Empty && missing == Missing::Refuse {
        let file = Some(files.warehouse.clone());
        return Err(files.refused("opening the database", Fault::NoWarehouse { file }));
    }
    let id = match refuse_other_mart(files)? {
        Some(id) => id,
        None => crate::warehouse::new_id(&files.address())?,
    };
    let create = Missing::Create;
    let mut connection = files.open_warehouse(create)?;
    let id = bring_up_to_date(files, &mut connection, &warehouse_schema, &READING, &id)?;
    let mut mart = files.open_mart(create)?;
    bring_up_to_date(files, &mut mart, &mart_schema, &BUILDING, &id)?;
    remove_leftovers(files, &mut connection)
}

/// See [`crate::warehouse::Warehouse::standing`].
pub(super) fn standing(files: &Files, mart: &MartSchema) -> Result<WarehouseStanding, WarehouseError> {
    let warehouse = look(files, &files.warehouse, &Schema::of_warehouse())?;
    let mart = look(files, &files.mart, &Schema::of_mart(mart))?;
    Ok(WarehouseStanding::of(&warehouse, &mart))
}

/// The number of the warehouse, where it has one. Refuses a mart of another warehouse.
pub(super) fn refuse_other_mart(files: &Files) -> Result<Option<String>, WarehouseError> {
    // In this order: a run that makes both makes the warehouse first.
    let of_mart = read_id(files, &files.mart)?;
    let id = read_id(files, &files.warehouse)?;
    match &of_mart {
        Some(other) if id.as_ref() != Some(other) => {
            let (mart, this) = (files.mart.display().to_string(), id.unwrap_or_else(|| "new".to_owned()));
            Err(files.refused("opening the mart", Fault::OtherMart { mart, other: other.clone(), this, removal: None }))
        }
        _ => Ok(id),
    }
}

/// Whether a file can be used, without touching it.
pub(super) fn look(files: &Files, path: &Path, schema: &Schema<'_>) -> Result<Standing, WarehouseError> {
    if !path.exists() {
        return Ok(Standing::Empty);
    }
    let connection = files.open_file(path, Missing::Refuse)?;
    let found = read_found(&connection).map_err(|error| files.failed(DOING, error))?;
    schema.standing(&found).map_err(|misfit| {
        let name = path.display().to_string();
        files.refused(DOING, Fault::Misfit { name, dialect: Dialect::Sqlite, misfit })
    })
}

/// What a file holds.
pub(super) fn read_found(connection: &Connection) -> rusqlite::Result<Found> {
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))?;
    let mut found = Found { version: u32::try_from(version).unwrap_or(u32::MAX), ..Found::default() };
    let sql = "SELECT object.name, info.name, object.type = 'view' FROM sqlite_schema AS object \
               JOIN pragma_table_xinfo(object.name) AS info \
               WHERE object.type IN ('table', 'view') ORDER BY object.name, info.cid";
    let mut columns = connection.prepare(sql)?;
    let mut rows = columns.query([])?;
    while let Some(row) = rows.next()? {
        let object: String = row.get(0)?;
        if row.get(2)? {
            found.views.insert(object.clone());
        }
        found.columns.entry(object).or_default().push(row.get(1)?);
    }
    Ok(found)
}

/// The number of the warehouse that a file is, or is the mart of, where it has one.
fn read_id(files: &Files, path: &Path) -> Result<Option<String>, WarehouseError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = files.open_file(path, Missing::Refuse)?;
    match connection.query_row("SELECT Id FROM warehouse_id", [], |row| row.get(0)).optional() {
        Err(rusqlite::Error::SqlInputError { .. } | rusqlite::Error::SqliteFailure(..)) => Ok(None),
        found => found.map_err(|error| files.failed(DOING, error)),
    }
}

/// Makes what is missing in one file, all of it or nothing. Where nothing is, nothing is locked. Gives the number that
/// stands there: another run may have made the file meanwhile, with a number other than `id`.
fn bring_up_to_date(
    files: &Files,
    connection: &mut Connection,
    schema: &Schema<'_>,
    names: &Names<'_>,
    id: &str,
) -> Result<String, WarehouseError> {
    let failed = |error| files.failed("making its tables", error);
    let standing_id = |connection: &Connection| {
        connection.query_row("SELECT Id FROM warehouse_id", [], |row| row.get(0)).map_err(failed)
    };
    let is_current = |connection: &Connection| -> Result<bool, WarehouseError> {
        let found = read_found(connection).map_err(failed)?;
        Ok(schema.standing(&found) == Ok(Standing::Current))
    };
    if is_current(connection)? {
        return standing_id(connection);
    }
    files.in_transaction(connection, TransactionBehavior::Immediate, |transaction| {
        // Under the lock: another run may have done it meanwhile.
        let found = read_found(transaction).map_err(failed)?;
        for sql in schema.upgrade(&found, Dialect::Sqlite) {
            transaction.execute_batch(&names.fill(&sql)).map_err(failed)?;
        }
        let sql = "INSERT INTO warehouse_id (Id) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM warehouse_id)";
        transaction.execute(sql, [id]).map_err(failed)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}")).map_err(failed)?;
        standing_id(transaction)
    })
}

/// Removes the files by which versions up to 0.1 tied the commits of both files together, where a killed one left them.
/// Both files were opened before, so what such a commit had begun is undone; and under the lock nobody is in one.
fn remove_leftovers(files: &Files, connection: &mut Connection) -> Result<(), WarehouseError> {
    if leftovers(&files.warehouse).is_empty() {
        return Ok(());
    }
    files.in_transaction(connection, TransactionBehavior::Immediate, |_| {
        // What cannot be removed is in nobody's way.
        leftovers(&files.warehouse).iter().for_each(|path| drop(fs::remove_file(path)));
        Ok(())
    })
}

/// The files that SQLite calls super-journals: the name of the database, `-mj` and nine hexadecimal digits.
fn leftovers(database: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name().and_then(OsStr::to_str)) else {
        return Vec::new();
    };
    let is_leftover = |path: &Path| {
        let of_database = path.file_name().and_then(OsStr::to_str).and_then(|found| found.strip_prefix(name));
        of_database
            .and_then(|rest| rest.strip_prefix("-mj"))
            .is_some_and(|digits| digits.len() == 9 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_leftover(path)).collect()
}
