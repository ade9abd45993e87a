//! Connections to the two files, and how long they wait for other processes.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::SqliteWarehouse;
use crate::console::Waiting;
use crate::warehouse::schema::version::{Misfit, SCHEMA_VERSION};
use crate::warehouse::schema::{Dialect, Names};
use crate::warehouse::{Fault, Meaning, Missing, WarehouseError};

/// How long to wait for another process that holds a lock: it may be loading a month of its own.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(600);

/// The step that opens a file, for messages.
pub(super) const OPENING: &str = "opening the database";

/// Longest pause between two tries for a lock.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The databases as they are called in a connection that reads both files, and in one to the warehouse alone.
pub(super) const READING: Names<'static> = Names { warehouse: "main", mart: "mart", work: "temp." };

/// The databases as they are called in a connection of [`Files::new_builder`], and in one to the mart alone.
pub(super) const BUILDING: Names<'static> = Names { warehouse: "warehouse", mart: "main", work: "temp." };

/// Set on every connection.
///
/// - The page size counts before the first table is made.
/// - Changed pages stay in memory until the commit, up to 1 GiB of them (about ten million customers): writing them
///   earlier would lock readers out for the length of the load instead of that of the commit.
/// - Sorting in memory: a month's sort takes less than the columns that were just loaded.
const SETTINGS: &str = "
    PRAGMA page_size = 16384;
    PRAGMA cache_size = -1048576;
    PRAGMA temp_store = MEMORY;
    PRAGMA threads = 4;
";

/// The two files, and how to open them.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub warehouse: PathBuf,
    pub mart: PathBuf,
    /// Longest wait for a lock.
    pub lock_wait: Duration,
}

impl SqliteWarehouse {
    /// Runs `work` on the connection that reads both files, which is taken out meanwhile, so that `work` may use the
    /// warehouse too. It never writes: a lock for writing would be taken on both files.
    pub(super) fn with_reader<T>(
        &mut self,
        work: impl FnOnce(&Files, &mut Connection) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let mut connection = match self.reader.take() {
            Some(connection) => connection,
            None => self.files.new_reader()?,
        };
        let done = work(&self.files, &mut connection);
        self.reader = Some(connection);
        done
    }
}

impl Files {
    /// The address without any password, which such an address never has.
    pub(super) fn address(&self) -> String {
        format!("sqlite:{}", self.warehouse.display())
    }

    /// A connection to the warehouse alone. Whatever it locks, the mart stays free.
    pub(super) fn open_warehouse(&self, missing: Missing) -> Result<Connection, WarehouseError> {
        self.open_file(&self.warehouse, missing)
    }

    /// A connection to the mart alone.
    pub(super) fn open_mart(&self, missing: Missing) -> Result<Connection, WarehouseError> {
        self.open_file(&self.mart, missing)
    }

    /// A connection to the mart that reads the warehouse beside it as [`BUILDING`] says.
    pub(super) fn new_builder(&self) -> Result<Connection, WarehouseError> {
        self.refuse_missing(&self.warehouse)?;
        let connection = self.open_mart(Missing::Refuse)?;
        self.attach(&connection, &self.warehouse, BUILDING.warehouse)?;
        Ok(connection)
    }

    /// A connection that reads both files, called as [`READING`] says.
    fn new_reader(&self) -> Result<Connection, WarehouseError> {
        self.refuse_missing(&self.warehouse)?;
        self.refuse_missing(&self.mart)?;
        let connection = self.open_warehouse(Missing::Refuse)?;
        self.attach(&connection, &self.mart, READING.mart)?;
        for (name, path) in [(READING.warehouse, &self.warehouse), (READING.mart, &self.mart)] {
            self.refuse_other_version(&connection, name, path)?;
        }
        let never_writes = connection.execute_batch("PRAGMA query_only = TRUE");
        never_writes.map_err(|error| self.failed(OPENING, error))?;
        Ok(connection)
    }

    /// Whoever reads needs the tables of this version; `name` is what the connection calls the file at `path`.
    fn refuse_other_version(&self, connection: &Connection, name: &str, path: &Path) -> Result<(), WarehouseError> {
        let sql = format!("PRAGMA {name}.user_version");
        let version: u32 =
            connection.query_row(&sql, [], |row| row.get(0)).map_err(|error| self.failed_to_open(path, error))?;
        let misfit = match version.cmp(&SCHEMA_VERSION) {
            Ordering::Equal => return Ok(()),
            Ordering::Less => Misfit::Older,
            Ordering::Greater => Misfit::Newer(version),
        };
        Err(self.refused(OPENING, Fault::Misfit { name: path.display().to_string(), dialect: Dialect::Sqlite, misfit }))
    }

    fn attach(&self, connection: &Connection, path: &Path, name: &str) -> Result<(), WarehouseError> {
        connection
            .execute(&format!("ATTACH DATABASE ?1 AS {name}"), [path.to_str()])
            .map(drop)
            .map_err(|error| self.failed("opening the file beside it", error))
    }

    fn refuse_missing(&self, path: &Path) -> Result<(), WarehouseError> {
        if path.exists() {
            return Ok(());
        }
        Err(self.refused(OPENING, Fault::NoFile { path: path.to_owned() }))
    }

    /// Takes the lock for writing on the file at `path` and gives it back, without waiting.
    pub(super) fn try_write_lock(&self, path: &Path) -> rusqlite::Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
    }

    /// A connection to one of the files.
    ///
    /// Never asked for as read-only, not even for reading alone: what a killed run left behind has to be undone before
    /// anything can be read. A file that this user may only read is opened so all the same.
    pub(super) fn open_file(&self, path: &Path, missing: Missing) -> Result<Connection, WarehouseError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match missing {
            Missing::Refuse => self.refuse_missing(path)?,
            Missing::Create => {
                flags |= OpenFlags::SQLITE_OPEN_CREATE;
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder).map_err(|error| {
                        let meaning = Meaning::of_folder(&error);
                        self.refused("making its folder", Fault::said(error, meaning))
                    })?;
                }
            }
        }
        let failed = |error| self.failed_to_open(path, error);
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        wait_for_locks(&mut connection, path, self.lock_wait).map_err(failed)?;
        connection.execute_batch(SETTINGS).map_err(failed)?;
        // Reads the file's header and undoes what a killed run left behind.
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
        Ok(connection)
    }

    /// Runs `work` in one transaction of `connection`; an error undoes all of it.
    pub(super) fn in_transaction<T>(
        &self,
        connection: &mut Connection,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        let transaction = connection
            .transaction_with_behavior(behavior)
            .map_err(|error| self.failed("locking the database", error))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(|error| self.failed("publishing", error))?;
        Ok(done)
    }
}

/// Lets `connection` wait up to `limit` for each lock on the file at `path`, and say so when that takes long.
fn wait_for_locks(connection: &mut Connection, path: &Path, limit: Duration) -> rusqlite::Result<()> {
    let path = path.to_owned();
    let mut waiting = Waiting::new(limit);
    connection.busy_handler(Some(move |n_tries: i32| {
        if n_tries == 0 {
            waiting = Waiting::new(limit);
        }
        let waited = waiting.elapsed();
        if waited >= limit {
            return false;
        }
        waiting.tell(|| format!("another process uses {}", path.display()));
        let pause = Duration::from_millis(1 << n_tries.clamp(0, 10));
        thread::sleep(pause.min(MAX_PAUSE).min(limit.saturating_sub(waited)));
        true
    }))
}

/// Turns the write-ahead log of a file off where somebody turned it on and nobody is using it: a file with such a log
/// beside it cannot be copied, or opened from read-only media, as it stands. While others use it the log stays, and
/// everything works with it too.
pub(super) fn leave_wal(path: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let leave = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        if mode.eq_ignore_ascii_case("wal") {
            connection.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
        }
        Ok(())
    };
    // Whatever else is wrong with the file is told by whoever opens it next.
    let _ = leave();
}
