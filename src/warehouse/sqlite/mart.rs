//! The mart: several connections go through parts of the customers at once, one does everything else.

use std::thread;

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, TransactionBehavior, params_from_iter};

use super::all_rows;
use super::connect::{BUILDING, Files, READING};
use crate::engine::calendar::Month;
use crate::warehouse::rows::contract_ranges;
use crate::warehouse::schema::{Database, Dialect, Names, PartOfMonth, Table};
use crate::warehouse::{Fault, Fill, MartScript, Missing, Reads, WarehouseError, checks};

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
pub(super) fn publish(files: &Files, month: Month, script: &MartScript) -> Result<(), WarehouseError> {
    for _ in 0..N_TRIES {
        if try_publish(files, month, script, n_parts)? {
            return Ok(());
        }
    }
    Err(files.refused(DOING, Fault::ReplacedAgain))
}

/// Whether the month was published, and not replaced by another run while it was read.
fn try_publish(
    files: &Files,
    month: Month,
    script: &MartScript,
    n_parts: fn(i64) -> i64,
) -> Result<bool, WarehouseError> {
    let parts = count(files, month, script, n_parts)?;
    match read(files, month, script, &parts)? {
        Some(gathered) => write(files, month, script, gathered),
        None => Ok(false),
    }
}

/// All that the mart takes from the warehouse.
struct Gathered {
    /// Of the mart alone, with the tables in its memory.
    connection: Connection,
    /// The run that was read.
    run: i64,
}

/// Reads what the mart takes from the warehouse besides the customers that were counted, unless another run has replaced
/// them. Keeps no lock.
fn read(
    files: &Files,
    month: Month,
    script: &MartScript,
    parts: &[Counted],
) -> Result<Option<Gathered>, WarehouseError> {
    let failed = |error| files.failed(DOING, error);
    let mut connection = files.new_builder()?;
    let reading = connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(failed)?;
    let run = last_run(&reading, &BUILDING, month).map_err(failed)?;
    if parts.iter().any(|part| part.run != run) {
        return Ok(None);
    }
    // Writes in memory alone.
    gather(&reading, month, script, parts).map_err(failed)?;
    let facts = all_rows(&reading, &BUILDING.fill_month(&script.check, month)).map_err(failed)?;
    checks::refuse_mixed_month(&files.address(), month, &facts)?;
    reading.commit().map_err(failed)?;
    connection.execute(&format!("DETACH DATABASE {}", BUILDING.warehouse), []).map_err(failed)?;
    Ok(Some(Gathered { connection, run }))
}

/// Replaces the month in the mart, unless another run has replaced it in the warehouse.
fn write(files: &Files, month: Month, script: &MartScript, mut gathered: Gathered) -> Result<bool, WarehouseError> {
    let failed = |error| files.failed(DOING, error);
    files.in_transaction(&mut gathered.connection, TransactionBehavior::Immediate, |transaction| {
        // Under the lock: whoever replaces the month from now on makes the mart anew after us.
        let reader = files.open_warehouse(Missing::Refuse)?;
        if last_run(&reader, &READING, month).map_err(failed)? != gathered.run {
            return Ok(false);
        }
        drop(reader);
        fill(transaction, month, script).map_err(failed)?;
        Ok(true)
    })
}

/// The copy of a table of the mart that is filled from the warehouse before the mart is locked.
fn gathered(table: &Table) -> Table {
    Table { database: Database::Work, ..*table }
}

/// Whether a table is filled before the mart is locked.
fn is_gathered(fill: &Fill) -> bool {
    fill.table.database == Database::Work || fill.reads == Reads::Warehouse
}

/// Fills the tables on the way, and copies of those of the mart that are read from the warehouse.
fn gather(connection: &Connection, month: Month, script: &MartScript, parts: &[Counted]) -> rusqlite::Result<()> {
    let copies = script.fills.iter().filter(|fill| is_gathered(fill) && fill.table.database == Database::Mart);
    let copies: Vec<Table> = copies.map(|fill| gathered(fill.table)).collect();
    for table in script.work_tables.iter().copied().chain(&copies) {
        connection.execute_batch(&BUILDING.fill(&table.create(Dialect::Sqlite)))?;
    }
    for (place, pass) in script.passes.iter().enumerate() {
        let values = format!("VALUES ({})", vec!["?"; pass.table.columns.len()].join(", "));
        let mut insert = connection.prepare(&BUILDING.fill(&pass.table.insert(&values)))?;
        for row in parts.iter().filter_map(|part| part.rows.get(place)).flatten() {
            insert.execute(params_from_iter(row))?;
        }
    }
    for fill in script.fills.iter().filter(|fill| is_gathered(fill)) {
        let insert = gathered(fill.table).insert(&fill.select);
        connection.execute_batch(&BUILDING.fill_month(&insert, month))?;
    }
    Ok(())
}

/// Replaces the month in the mart.
fn fill(connection: &Connection, month: Month, script: &MartScript) -> rusqlite::Result<()> {
    for delete in script.deletes() {
        connection.execute_batch(&BUILDING.fill_month(&delete, month))?;
    }
    for fill in script.fills.iter().filter(|fill| fill.table.database == Database::Mart) {
        let insert = match is_gathered(fill) {
            true => fill.table.insert(&format!("SELECT * FROM {}", gathered(fill.table).qualified())),
            false => fill.table.insert(&fill.select),
        };
        connection.execute_batch(&BUILDING.fill_month(&insert, month))?;
    }
    Ok(())
}

/// In how many parts so many customers are gone through: one for each connection that they are worth.
fn n_parts(n_customers: i64) -> i64 {
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_CONNECTIONS);
    i64::try_from(n_threads).unwrap_or(1).min(n_customers / CUSTOMERS_PER_CONNECTION)
}

/// Makes the passes over all parts of the customers at once.
fn count(
    files: &Files,
    month: Month,
    script: &MartScript,
    n_parts: fn(i64) -> i64,
) -> Result<Vec<Counted>, WarehouseError> {
    let connection = files.open_warehouse(Missing::Refuse)?;
    let ranges = ranges(&connection, month, n_parts).map_err(|error| files.failed(DOING, error))?;
    let counted: Vec<Result<Counted, WarehouseError>> = thread::scope(|scope| {
        let reading: Vec<_> = ranges
            .iter()
            .enumerate()
            .map(|(number, range)| {
                let part = PartOfMonth { number, range };
                scope.spawn(move || {
                    let connection = files.open_warehouse(Missing::Refuse)?;
                    count_part(&connection, month, script, part).map_err(|error| files.failed(DOING, error))
                })
            })
            .collect();
        reading
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    counted.into_iter().collect()
}

fn count_part(
    connection: &Connection,
    month: Month,
    script: &MartScript,
    part: PartOfMonth<'_>,
) -> rusqlite::Result<Counted> {
    connection.execute_batch("BEGIN")?;
    let mut counted = Counted { run: last_run(connection, &READING, month)?, rows: Vec::new() };
    for pass in &script.passes {
        connection.execute_batch(&READING.fill_part(&pass.sql, month, part))?;
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
pub(super) fn last_run(connection: &Connection, names: &Names<'_>, month: Month) -> rusqlite::Result<i64> {
    let sql =
        names.fill_month("SELECT COALESCE(MAX(Id), 0) FROM {warehouse}.etl_run_published WHERE Month = {month}", month);
    connection.query_row(&sql, [], |row| row.get(0))
}

/// Conditions that put every customer into one of several parts of about the same size.
fn ranges(connection: &Connection, month: Month, n_parts: fn(i64) -> i64) -> rusqlite::Result<Vec<String>> {
    let customers = READING.fill_month("FROM {warehouse}.customer_behavior WHERE Month = {month}", month);
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
    use std::path::Path;

    use rusqlite::types::FromSql as _;

    use super::*;
    use crate::console::Progress;
    use crate::engine::rules::Rules;
    use crate::made::{Customer, month_table, with_devices};
    use crate::mart;
    use crate::warehouse::{Dialect, RunClock, SqliteWarehouse, Value, Warehouse as _};

    const CONTRACTS: [&str; 12] = ["\0", "\0\0", " A", "'", "A", "A ", "a", "{month}", "\\", "É", "é", "😀"];

    fn loaded(folder: &Path) -> SqliteWarehouse {
        let mut warehouse = SqliteWarehouse::open(&folder.join("warehouse.db"), None).unwrap();
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        load(&mut warehouse);
        warehouse
    }

    fn load(warehouse: &mut SqliteWarehouse) {
        let customers: Vec<Customer<'_>> = CONTRACTS
            .iter()
            .zip(0..)
            .map(|(contract, n)| (*contract, [n % 3 * 5000, 0, n % 2, 0, n * n * 1000], 1 + (n % 4) as u8))
            .collect();
        let table = with_devices(month_table("2022-04", &Rules::preset("default").unwrap(), &customers));
        let clock = RunClock { started: "2022-05-01T00:00:00Z".parse().unwrap() };
        warehouse.load(&table, clock, &Progress::hidden()).unwrap();
    }

    #[test]
    fn the_number_of_parts_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path());
        let (month, script) = ("2022-04".parse().unwrap(), mart::script(Dialect::Sqlite));
        let mut built = |n_parts: fn(i64) -> i64| -> Vec<Vec<Vec<Value>>> {
            let parts = count(&warehouse.files, month, &script, n_parts).unwrap();
            assert_eq!(parts.len() as i64, n_parts(CONTRACTS.len() as i64).max(1));
            assert!(try_publish(&warehouse.files, month, &script, n_parts).unwrap());
            let rows = |table: &crate::warehouse::schema::Table| {
                let sql = format!("SELECT * FROM {} ORDER BY {}", table.qualified(), table.key.join(", "));
                warehouse.query(month, &sql).unwrap()
            };
            mart::schema().tables.into_iter().map(rows).collect()
        };
        let expected = built(|_| 0);
        let names = mart::schema().tables.into_iter().map(|table| table.name);
        let empty: Vec<&str> = names.zip(&expected).filter(|(_, rows)| rows.is_empty()).map(|(name, _)| name).collect();
        // Audiences are measured by a run, movement needs the month before.
        let others =
            ["audience_size", "audience_overlap", "customer_movement", "taste_movement", "activeness_movement"];
        assert_eq!(empty, others);
        for n_parts in [(|_| 2) as fn(i64) -> i64, |_| 5, |n_customers| n_customers] {
            assert_eq!(built(n_parts), expected);
        }
    }

    #[test]
    fn customers_are_counted_after_what_a_killed_run_had_begun_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = loaded(folder.path());
        let (month, script) = ("2022-04".parse().unwrap(), mart::script(Dialect::Sqlite));
        let journal = |path: &Path| path.with_extension("db-journal");
        let killed = SqliteWarehouse::open(&folder.path().join("killed.db"), None).unwrap();
        let connection = Connection::open(warehouse.path()).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM customer_behavior").unwrap();
        // Written before the commit, with the old pages safe in the journal.
        connection.cache_flush().unwrap();
        std::fs::copy(warehouse.path(), killed.path()).unwrap();
        std::fs::copy(journal(warehouse.path()), journal(killed.path())).unwrap();
        let parts = count(&killed.files, month, &script, |_| 2).unwrap();
        let n_users =
            |part: &Counted| part.rows[0].iter().map(|row| i64::column_result((&row[3]).into()).unwrap()).sum::<i64>();
        assert_eq!(parts.iter().map(n_users).sum::<i64>(), CONTRACTS.len() as i64);
    }

    #[test]
    fn a_month_that_another_run_replaces_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path());
        let (month, script) = ("2022-04".parse().unwrap(), mart::script(Dialect::Sqlite));
        let parts = count(&warehouse.files, month, &script, |_| 2).unwrap();
        load(&mut warehouse);
        assert!(read(&warehouse.files, month, &script, &parts).unwrap().is_none());

        let parts = count(&warehouse.files, month, &script, |_| 2).unwrap();
        let gathered = read(&warehouse.files, month, &script, &parts).unwrap().unwrap();
        load(&mut warehouse);
        assert!(!write(&warehouse.files, month, &script, gathered).unwrap());
        assert_eq!(warehouse.months().unwrap(), []);

        publish(&warehouse.files, month, &script).unwrap();
        assert_eq!(warehouse.months().unwrap(), [month]);
    }
}
