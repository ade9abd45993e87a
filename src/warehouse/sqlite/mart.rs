//! The mart: several connections go through parts of the customers at once, one does everything else.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};

use super::{Missing, NAMES, SqliteWarehouse};
use crate::engine::calendar::Month;
use crate::warehouse::rows::contract_ranges;
use crate::warehouse::schema::{Flavour, PartOfMonth};
use crate::warehouse::{MartScript, WarehouseError};

const DOING: &str = "building the mart";

/// Most connections that read at once.
const MAX_CONNECTIONS: usize = 4;

/// Customers that are worth a connection.
const CUSTOMERS_PER_CONNECTION: i64 = 50_000;

/// How often the customers are gone through when other runs replace them meanwhile.
const N_TRIES: usize = 3;

/// What the passes over a part of the customers gave.
struct Counted {
    /// The run whose rows they saw.
    run: i64,
    /// The rows of each pass.
    rows: Vec<Vec<Vec<SqlValue>>>,
}

/// See [`crate::warehouse::Warehouse::publish_mart`].
pub(super) fn publish(
    warehouse: &mut SqliteWarehouse,
    month: Month,
    script: &MartScript,
) -> Result<(), WarehouseError> {
    for _ in 0..N_TRIES {
        let parts = count(warehouse, month, script, n_parts)?;
        // The readers hold no lock any more: one that waits for a writer which waits for the others would wait forever.
        let is_published =
            warehouse.in_transaction(Missing::Refuse, TransactionBehavior::Deferred, |warehouse, transaction| {
                fill(transaction, month, script, &parts).map_err(|error| warehouse.failed(DOING, error))
            })?;
        if is_published {
            return Ok(());
        }
    }
    let why = "other runs replaced the month again and again while it was read".to_owned();
    Err(warehouse.refused(DOING, why, Some("run again when they have ended")))
}

/// Fills the work tables and the mart, unless another run has replaced the month that was counted.
fn fill(connection: &Connection, month: Month, script: &MartScript, parts: &[Counted]) -> rusqlite::Result<bool> {
    let run = last_run(connection, month)?;
    if parts.iter().any(|part| part.run != run) {
        return Ok(false);
    }
    for table in &script.work_tables {
        connection.execute_batch(&NAMES.fill(&table.create(Flavour::Sqlite)))?;
    }
    for (place, pass) in script.passes.iter().enumerate() {
        let (name, columns) = (NAMES.fill(&pass.table.qualified()), pass.table.column_list());
        let values = vec!["?"; pass.table.columns.len()].join(", ");
        let mut insert = connection.prepare(&format!("INSERT INTO {name} ({columns}) VALUES ({values})"))?;
        for row in parts.iter().filter_map(|part| part.rows.get(place)).flatten() {
            insert.execute(params_from_iter(row))?;
        }
    }
    for statement in &script.statements {
        connection.execute_batch(&NAMES.fill_month(statement, month))?;
    }
    for table in &script.work_tables {
        connection.execute_batch(&format!("DROP TABLE {}", NAMES.fill(&table.qualified())))?;
    }
    Ok(true)
}

/// In how many parts so many customers are gone through: one for each connection that they are worth.
fn n_parts(n_customers: i64) -> i64 {
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_CONNECTIONS);
    i64::try_from(n_threads).unwrap_or(1).min(n_customers / CUSTOMERS_PER_CONNECTION)
}

/// Makes the passes over all parts of the customers at once.
fn count(
    warehouse: &mut SqliteWarehouse,
    month: Month,
    script: &MartScript,
    n_parts: fn(i64) -> i64,
) -> Result<Vec<Counted>, WarehouseError> {
    let ranges = warehouse.with_connection(Missing::Refuse, |warehouse, connection| {
        ranges(connection, month, n_parts).map_err(|error| warehouse.failed(DOING, error))
    })?;
    let (path, lock_wait) = (warehouse.path.as_path(), warehouse.lock_wait);
    let counted: Vec<rusqlite::Result<Counted>> = thread::scope(|scope| {
        let reading: Vec<_> = ranges
            .iter()
            .enumerate()
            .map(|(number, range)| {
                let part = PartOfMonth { number, range };
                scope.spawn(move || count_part(path, lock_wait, month, script, part))
            })
            .collect();
        reading
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    counted.into_iter().collect::<rusqlite::Result<_>>().map_err(|error| warehouse.failed(DOING, error))
}

fn count_part(
    path: &Path,
    lock_wait: Duration,
    month: Month,
    script: &MartScript,
    part: PartOfMonth<'_>,
) -> rusqlite::Result<Counted> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(lock_wait)?;
    connection.execute_batch("PRAGMA temp_store = MEMORY; BEGIN")?;
    let mut counted = Counted { run: last_run(&connection, month)?, rows: Vec::new() };
    for pass in &script.passes {
        connection.execute_batch(&NAMES.fill_part(&pass.sql, month, part))?;
        // The first column is the part.
        let columns: Vec<&str> = pass.table.columns.iter().skip(1).map(|column| column.name).collect();
        let sql = format!("SELECT {}, {} FROM temp.{}", part.number, columns.join(", "), pass.table.name);
        let mut select = connection.prepare(&sql)?;
        let n_columns = pass.table.columns.len();
        let rows = select.query_map([], |row| (0..n_columns).map(|place| row.get(place)).collect())?;
        counted.rows.push(rows.collect::<rusqlite::Result<_>>()?);
    }
    Ok(counted)
}

/// The run whose rows stand.
fn last_run(connection: &Connection, month: Month) -> rusqlite::Result<i64> {
    let sql = NAMES.fill_month("SELECT COALESCE(MAX(Id), 0) FROM {warehouse}.etl_run WHERE Month = {month}", month);
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Conditions that put every customer into one of several parts of about the same size.
fn ranges(connection: &Connection, month: Month, n_parts: fn(i64) -> i64) -> rusqlite::Result<Vec<String>> {
    let customers = NAMES.fill_month("FROM {warehouse}.customer_behavior WHERE Month = {month}", month);
    let n_customers: i64 = connection.query_row(&format!("SELECT COUNT(*) {customers}"), [], |row| row.get(0))?;
    let n_parts = n_parts(n_customers);
    let mut bounds = Vec::new();
    for part in 1..n_parts {
        // In hexadecimal, because a text may hold any character.
        let sql = format!("SELECT HEX(Contract) {customers} ORDER BY Contract LIMIT 1 OFFSET ?1");
        let bound: String = connection.query_row(&sql, [n_customers * part / n_parts], |row| row.get(0))?;
        bounds.push(format!("CAST(X'{bound}' AS TEXT)"));
    }
    Ok(contract_ranges(&bounds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Progress;
    use crate::engine::rules::Rules;
    use crate::mart;
    use crate::warehouse::fixture::{Customer, month_table};
    use crate::warehouse::{Dialect, RunClock, Value, Warehouse as _};

    const CONTRACTS: [&str; 12] = ["\0", "\0\0", " ", "'", "A", "A ", "a", "{month}", "\\", "É", "é", "😀"];

    fn loaded(folder: &Path) -> SqliteWarehouse {
        let mut warehouse = SqliteWarehouse::open(&folder.join("warehouse.db"), None).unwrap();
        warehouse.prepare().unwrap();
        load(&mut warehouse);
        warehouse
    }

    fn load(warehouse: &mut SqliteWarehouse) {
        let customers: Vec<Customer<'_>> = CONTRACTS
            .iter()
            .zip(0..)
            .map(|(contract, n)| (*contract, [n % 3 * 5000, 0, n % 2, 0, n * n * 1000], 1 + (n % 4) as u8))
            .collect();
        let table = month_table("2022-04", &Rules::preset("default").unwrap(), &customers);
        let clock = RunClock { started: "2022-05-01T00:00:00Z".parse().unwrap() };
        warehouse.load(&table, clock, &Progress::hidden()).unwrap();
    }

    #[test]
    fn the_number_of_parts_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path());
        let (month, script) = ("2022-04".parse().unwrap(), mart::script(Dialect::Sqlite));
        let mut built = |n_parts: fn(i64) -> i64| -> Vec<Vec<Vec<Value>>> {
            let parts = count(&mut warehouse, month, &script, n_parts).unwrap();
            assert_eq!(parts.len() as i64, n_parts(CONTRACTS.len() as i64).max(1));
            let all = warehouse.in_transaction(Missing::Refuse, TransactionBehavior::Deferred, |_, transaction| {
                Ok(fill(transaction, month, &script, &parts).unwrap())
            });
            assert!(all.unwrap());
            let rows = |table: &crate::warehouse::schema::Table| {
                let sql = format!("SELECT * FROM {} ORDER BY {}", table.qualified(), table.key.join(", "));
                warehouse.query(month, &sql).unwrap()
            };
            mart::tables().map(rows).collect()
        };
        let expected = built(|_| 0);
        assert!(expected.iter().all(|rows| !rows.is_empty()));
        for n_parts in [(|_| 2) as fn(i64) -> i64, |_| 5, |n_customers| n_customers] {
            assert_eq!(built(n_parts), expected);
        }
    }

    #[test]
    fn a_month_that_another_run_replaces_is_counted_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path());
        let (month, script) = ("2022-04".parse().unwrap(), mart::script(Dialect::Sqlite));
        let parts = count(&mut warehouse, month, &script, |_| 2).unwrap();
        load(&mut warehouse);
        let is_published = warehouse
            .in_transaction(Missing::Refuse, TransactionBehavior::Deferred, |_, transaction| {
                Ok(fill(transaction, month, &script, &parts).unwrap())
            })
            .unwrap();
        assert!(!is_published);
        assert_eq!(warehouse.months().unwrap(), []);
        publish(&mut warehouse, month, &script).unwrap();
        assert_eq!(warehouse.months().unwrap(), [month]);
    }
}
