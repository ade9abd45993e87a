use std::ops::ControlFlow;
use std::process::{Command, Stdio};

use rusqlite::TransactionBehavior;

use super::connect::READING;
use super::load::{ROWS_PER_INSERT, insert_columns, insert_customers};
use super::rows::stream;
use super::*;
use crate::engine::columns::with_one_more;
use crate::engine::devices::Devices;
use crate::engine::rules::Rules;
use crate::made::{Customer, HOSTILE_CONTRACTS, month_table};
use crate::warehouse::{CustomerRow, Meaning, RunClock, schema};

const APRIL: &[Customer<'_>] =
    &[("HN1", [10, 0, 0, 0, 5], 2), ("HN2", [0, 0, 0, 0, 0], 1), ("HN3", [0, 7, 7, 0, 0], 30)];

fn rules() -> Rules {
    Rules::preset("default").unwrap()
}

fn clock() -> RunClock {
    RunClock { started: "2022-05-01T01:02:03.004Z".parse().unwrap() }
}

fn warehouse(folder: &Path) -> SqliteWarehouse {
    let warehouse = SqliteWarehouse::open(&folder.join("deep/warehouse.db"), None).unwrap();
    let mut warehouse = warehouse.with_lock_wait(Duration::from_millis(50));
    crate::mart::prepare(&mut warehouse, Missing::Create).unwrap();
    warehouse
}

fn load(warehouse: &mut SqliteWarehouse, table: &MonthTable) -> Result<(), WarehouseError> {
    warehouse.load(table, clock(), &Progress::hidden())
}

/// Rows as text, columns separated by `|`.
fn rows(warehouse: &mut SqliteWarehouse, sql: &str) -> Vec<String> {
    let month = "2022-04".parse().unwrap();
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.clone(),
    };
    let rows = warehouse.query(month, sql).unwrap();
    rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

const ALL: &str = "SELECT * FROM {warehouse}.customer_behavior";

#[test]
fn every_table_and_view_holds_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
    let expected = [
        "2022-04-01|HN1|10|0|0|0|5|15|Movie|Movie_Tv|2|2022-05-01",
        "2022-04-01|HN2|0|0|0|0|0|0|No|No|1|2022-05-01",
        "2022-04-01|HN3|0|7|7|0|0|14|Child|Child_Sport|30|2022-05-01",
    ];
    assert_eq!(rows(&mut warehouse, ALL), expected);
    let days = rows(&mut warehouse, "SELECT * FROM {warehouse}.daily_activity");
    assert_eq!(days[..2], ["2022-04-01|2022-04-01|3|3|0|0|0|0|0|0", "2022-04-01|2022-04-02|2|3|10|0|0|0|5|15"]);
    assert_eq!((days.len(), days[29].as_str()), (30, "2022-04-01|2022-04-30|1|2|0|7|7|0|0|14"));
    let run = rows(&mut warehouse, "SELECT * FROM {warehouse}.etl_run").remove(0);
    let run: Vec<&str> = run.split('|').collect();
    assert_eq!(run[..3], ["1", "2022-04-01", "2022-05-01 01:02:03.004"]);
    assert!(run[3] > run[2], "{run:?}");
    assert_eq!(run[4..11], ["default", &rules().sha256, "viewmart test", "30", "3000", "38", "35"]);
    assert_eq!(run[11..20], ["1", "0", "0", "0", "0", "0", "0", "2", "0"]);
    assert_eq!(run[20..24], ["published", "0", "", &rules().to_toml()]);
    assert_eq!((run[24].len(), run[25]), (64, "0"));
    let apps = ["1|BHD|Movie|1|10", "1|CHANNEL|Tv|32|5", "1|CHILD|Child|1|7", "1|SPORT|Sport|1|7", "1|X||2|0"];
    assert_eq!(rows(&mut warehouse, "SELECT * FROM {warehouse}.etl_run_app"), apps);
    let seed = "SELECT Contract, MovieDuration, SportDuration, ChilDuration, RelaxDuration, TvDuration, \
                TotalDuration, MostWatch, Tase, Activeness, Date FROM {warehouse}.customer_behavior_seed";
    let expected = expected.map(|row| row.replacen("2022-04-01|", "", 1));
    assert_eq!(rows(&mut warehouse, seed), expected);
}

#[test]
fn either_file_can_be_opened_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
    crate::mart::build(&mut warehouse, "2022-04".parse().unwrap()).unwrap();
    for (path, view, expected) in
        [(warehouse.path(), "customer_behavior_seed", 3), (warehouse.mart_path(), "summary_customer_seed", 1)]
    {
        let alone = Connection::open(path).unwrap();
        let sql = format!("SELECT COUNT(*) FROM {view}");
        assert_eq!(alone.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap(), expected, "{view}");
    }
}

#[test]
fn a_rerun_replaces_its_month_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    let (april, may) = (month_table("2022-04", &rules(), APRIL), month_table("2022-05", &rules(), &APRIL[..2]));
    for table in [&may, &april, &april] {
        load(&mut warehouse, table).unwrap();
    }
    let once = rows(&mut warehouse, ALL);
    assert_eq!(once.len(), 5);
    load(&mut warehouse, &month_table("2022-04", &rules(), &[("Z", [1, 2, 3, 4, 5], 9)])).unwrap();
    assert_eq!(rows(&mut warehouse, ALL)[0], "2022-04-01|Z|1|2|3|4|5|15|Tv|Relax_Movie_Child_Sport_Tv|9|2022-05-01");
    assert_eq!(rows(&mut warehouse, ALL)[1..], once[3..]);
    let runs = "SELECT Id, Month, RecordsKept FROM {warehouse}.etl_run";
    let expected = ["1|2022-05-01|4", "2|2022-04-01|35", "3|2022-04-01|35", "4|2022-04-01|13"];
    assert_eq!(rows(&mut warehouse, runs), expected);
    // A month without customers is a month too.
    load(&mut warehouse, &month_table("2022-04", &rules(), &[])).unwrap();
    assert_eq!(rows(&mut warehouse, ALL), once[3..]);
}

#[test]
fn contracts_stay_apart_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    let long = "é".repeat(100);
    let mut contracts: Vec<&str> = HOSTILE_CONTRACTS.iter().copied().chain([long.as_str()]).collect();
    let customers: Vec<Customer<'_>> =
        contracts.iter().enumerate().map(|(n, contract)| (*contract, [n as i64, 0, 0, 0, 0], 1)).collect();
    load(&mut warehouse, &month_table("2022-04", &rules(), &customers)).unwrap();
    contracts.sort_unstable();
    assert_eq!(rows(&mut warehouse, "SELECT Contract FROM {warehouse}.customer_behavior"), contracts);
    let connection = Connection::open(warehouse.path()).unwrap();
    for (contract, seconds, _) in customers {
        let sql = "SELECT SUM(MovieDuration), COUNT(*) FROM customer_behavior WHERE Contract = ?1";
        let found = connection.query_row(sql, [contract], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(found, (seconds[0], 1), "{contract:?}");
    }
}

#[test]
fn more_rows_than_one_insert_takes() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    for n_rows in [ROWS_PER_INSERT - 1, ROWS_PER_INSERT, ROWS_PER_INSERT + 1, 5 * ROWS_PER_INSERT + 3] {
        let contracts: Vec<String> = (0..n_rows).map(|n| format!("{n:05}")).collect();
        let customers: Vec<Customer<'_>> =
            contracts.iter().map(|contract| (contract.as_str(), [1, 2, 3, 4, 5], 1)).collect();
        load(&mut warehouse, &month_table("2022-04", &rules(), &customers)).unwrap();
        assert_eq!(rows(&mut warehouse, "SELECT Contract FROM {warehouse}.customer_behavior"), contracts);
    }
}

#[test]
fn readers_see_the_old_month_until_the_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
    let (before, path) = (rows(&mut warehouse, ALL), warehouse.path().to_owned());
    // More than fits into SQLite's default cache of 2 MiB, which would be written to the file before the commit.
    let contracts: Vec<String> = (0..40_000).map(|n| format!("{n:0100}")).collect();
    let customers: Vec<Customer<'_>> =
        contracts.iter().map(|contract| (contract.as_str(), [1, 2, 3, 4, 5], 1)).collect();
    let table = month_table("2022-04", &rules(), &customers);
    let mut connection = warehouse.files.open_warehouse(Missing::Refuse).unwrap();
    let given_up = warehouse.files.in_transaction(&mut connection, TransactionBehavior::Immediate, |transaction| {
        transaction.execute("DELETE FROM main.customer_behavior", []).unwrap();
        insert_customers(transaction, &table, &Progress::hidden()).unwrap();
        let mut reader = SqliteWarehouse::open(&path, None).unwrap().with_lock_wait(Duration::ZERO);
        assert_eq!(rows(&mut reader, ALL), before);
        Err::<(), _>(WarehouseError::Address { url: String::new(), why: "given up".to_owned() })
    });
    assert!(given_up.is_err());
    assert_eq!(rows(&mut warehouse, ALL), before);
}

#[test]
fn rows_that_contradict_the_ledger_are_not_published() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = warehouse(folder.path());
    let good = month_table("2022-04", &rules(), APRIL);
    load(&mut warehouse, &good).unwrap();
    let before = rows(&mut warehouse, ALL);
    let mut check = |change: fn(&mut MonthTable), message: &str| {
        let mut table = good.clone();
        change(&mut table);
        let error = load(&mut warehouse, &table).unwrap_err().to_string();
        assert!(error.ends_with(message), "{error}");
        assert_eq!(rows(&mut warehouse, ALL), before, "{error}");
    };
    check(
        |table| table.seconds[1][0] += 1,
        "the sum of SportDuration of customer_behavior is 8 in the database, but 7 in the ledger; nothing was published",
    );
    check(
        |table| table.total[0] -= 1,
        "the sum of TotalDuration of customer_behavior is 28 in the database, but 29 in the ledger; nothing was published",
    );
    check(
        |table| table.activity[0].records += 1,
        "the number of records of daily_activity is 36 in the database, but 35 in the ledger; nothing was published",
    );
    check(
        |table| table.ledger.seconds[0] = 1 << 64,
        "the seconds of MovieDuration do not fit in 64 bits: 18446744073709551616, signs aside",
    );
    check(
        |table| {
            table.activity[0].seconds = [i64::MAX; 5];
        },
        "the seconds of 2022-04-01 do not fit in 64 bits: 46116860184273879035, signs aside",
    );
    assert_eq!(rows(&mut warehouse, "SELECT COUNT(*) FROM {warehouse}.etl_run"), ["1"]);
}

#[test]
fn a_column_more_is_loaded_and_read() {
    let (columns, customers) = (with_one_more(), schema::customers_with_one_more());
    let folder = tempfile::tempdir().unwrap();
    let warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    let mut connection = Connection::open(warehouse.path()).unwrap();
    connection.execute_batch(&READING.fill(&customers.create(Dialect::Sqlite))).unwrap();
    let table = month_table("2022-04", &rules(), APRIL);
    let transaction = connection.transaction().unwrap();
    insert_columns(&transaction, &schema::CUSTOMER_BEHAVIOR, &table, &columns, &Progress::hidden()).unwrap();
    transaction.commit().unwrap();
    let mut last = Vec::new();
    let mut each = |row: CustomerRow<'_>| {
        last.push(format!("{:?}", row.cells.last().unwrap()));
        ControlFlow::Continue(())
    };
    stream(&warehouse.files, &connection, &columns, table.month, Devices::Ignored, &mut each).unwrap();
    assert_eq!(last, ["Integer(15)", "Integer(0)", "Integer(14)"]);
}

#[test]
fn failures_are_known_by_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let check = |error: WarehouseError, expected_doing: &str, expected: &Fault| {
        let WarehouseError::Database { doing, fault, .. } = &error else { panic!("{error}") };
        assert_eq!((*doing, &**fault), (expected_doing, expected), "{error}");
    };
    // Another process holds the file.
    let mut warehouse = warehouse(folder.path());
    let other = Connection::open(warehouse.path()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap_err();
    let locked = Fault::said("database is locked", Meaning::FileBusy);
    check(error, "opening the database", &locked);
    other.execute_batch("ROLLBACK").unwrap();
    // A reader that does not end: the rows are there, but cannot be published.
    other.execute_batch("BEGIN; SELECT COUNT(*) FROM customer_behavior").unwrap();
    let error = load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap_err();
    check(error, "publishing", &locked);
    other.execute_batch("ROLLBACK").unwrap();
    load(&mut warehouse, &month_table("2022-04", &rules(), APRIL)).unwrap();
    // Nothing there, and nothing made by looking.
    let nowhere = folder.path().join("nowhere.db");
    let error = SqliteWarehouse::open(&nowhere, None).unwrap().months().unwrap_err();
    assert!(!nowhere.exists());
    check(error, "opening the database", &Fault::NoFile { path: nowhere });
    // Not a database.
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database, but long enough to be one".repeat(100)).unwrap();
    let error = crate::mart::prepare(&mut SqliteWarehouse::open(&text, None).unwrap(), Missing::Create).unwrap_err();
    check(error, "opening the database", &Fault::said("file is not a database", Meaning::NotSqlite));
    // A folder.
    let error =
        crate::mart::prepare(&mut SqliteWarehouse::open(&folder.path().join("deep"), None).unwrap(), Missing::Create)
            .unwrap_err();
    let denied = matches!(error.fault(), Some(Fault::Said { meaning: Meaning::FileDenied, .. }));
    assert!(denied, "{error}");
}

#[test]
fn paths_name_two_files() {
    let check = |path: &str, mart: Option<&str>, expected: Option<&str>| {
        let opened = SqliteWarehouse::open(Path::new(path), mart);
        let found = opened.as_ref().ok().map(|warehouse| warehouse.mart_path().to_str().unwrap());
        assert_eq!(found, expected, "{path} {mart:?}");
    };
    check("/a/warehouse.db", None, Some("/a/mart.db"));
    check("/a/warehouse.db", Some("april"), Some("/a/april.db"));
    check("/a/warehouse.db", Some("/b/x.sqlite"), Some("/b/x.sqlite"));
    check("/a/mart.db", None, None);
    check("/a/w.db", Some("w"), None);
    check("/", None, None);
    check("", None, None);
}

/// The child loads April and its other version in turn, the parent kills it at some moment and looks.
#[test]
fn a_killed_load_leaves_one_whole_month() {
    const FOLDER: &str = "VIEWMART_TEST_KILLED_LOAD";
    let contracts: Vec<String> = (0..3_000).map(|n| format!("{n:060}")).collect();
    let version = |seconds: i64, n_rows: usize| {
        let customers: Vec<Customer<'_>> =
            contracts[..n_rows].iter().map(|contract| (contract.as_str(), [0, 0, 0, 0, seconds], 1)).collect();
        month_table("2022-04", &rules(), &customers)
    };
    let versions = [version(1, 3_000), version(2, 2_000)];
    if let Some(folder) = std::env::var_os(FOLDER) {
        let mut warehouse = warehouse(Path::new(&folder));
        for table in versions.iter().cycle() {
            load(&mut warehouse, table).unwrap();
            crate::mart::build(&mut warehouse, table.month).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut first = warehouse(folder.path());
    load(&mut first, &versions[0]).unwrap();
    crate::mart::build(&mut first, versions[0].month).unwrap();
    drop(first);
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "warehouse::sqlite::tests::a_killed_load_leaves_one_whole_month", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + 13 * round));
        assert_eq!(child.try_wait().unwrap(), None, "the child ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        let mut reader = warehouse(folder.path());
        let customers = "SELECT COUNT(*), MIN(TvDuration), MAX(TvDuration) FROM {warehouse}.customer_behavior";
        let customers = rows(&mut reader, customers).remove(0);
        assert!(["3000|1|1", "2000|2|2"].contains(&customers.as_str()), "{customers}");
        let totals = "SELECT TotalUser, TotalDuration FROM {mart}.summary_customer";
        let totals = rows(&mut reader, totals).remove(0);
        assert!(["3000|3000", "2000|4000"].contains(&totals.as_str()), "{totals}");
    }
}
