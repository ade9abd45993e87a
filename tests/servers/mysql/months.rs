//! Months on MySQL and MariaDB: listed, removed, described.

use mysql::prelude::Queryable as _;
use viewmart::console::Progress;
use viewmart::engine::calendar::Month;
use viewmart::engine::month::MonthTable;
use viewmart::mart::{self, months};
use viewmart::warehouse::{Missing, SqliteWarehouse, Value, Warehouse};

use super::fixture::{clock, everything, flavours, n_staging_tables};
use super::made::{month_of, random_month};

fn load_two_months(warehouse: &mut dyn Warehouse) -> [Month; 2] {
    [("2022-04", 300), ("2022-05", 200)].map(|(month, n_customers)| {
        let table = random_month(month, n_customers, 7);
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        mart::build(warehouse, table.month).unwrap();
        table.month
    })
}

/// The tables that have months, with the rows of one; those of runs and the views show others too.
fn tables_of(warehouse: &mut dyn Warehouse, month: Month) -> Vec<(String, Vec<Vec<Value>>)> {
    let mut tables = everything(warehouse, month);
    tables.retain(|(name, _)| !name.contains("etl_run") && !name.contains("_seed"));
    tables
}

fn n_rows(warehouse: &mut dyn Warehouse, month: Month) -> usize {
    tables_of(warehouse, month).iter().map(|(_, rows)| rows.len()).sum()
}

#[test]
fn a_month_goes_from_warehouse_and_mart_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut sqlite = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    mart::prepare(&mut sqlite, Missing::Create).unwrap();
    let [april, may] = load_two_months(&mut sqlite);
    let before = months::list(&mut sqlite).unwrap();
    months::drop(&mut sqlite, april).unwrap();
    for server in flavours() {
        let mut warehouse = server.fresh("dropped");
        load_two_months(&mut warehouse);
        assert_eq!(months::list(&mut warehouse).unwrap(), before, "{server:?}");
        let of_may = tables_of(&mut warehouse, may);
        months::drop(&mut warehouse, april).unwrap();
        assert_eq!(n_rows(&mut warehouse, april), 0, "{server:?}");
        assert_eq!(months::list(&mut warehouse).unwrap(), months::list(&mut sqlite).unwrap(), "{server:?}");
        assert!(tables_of(&mut warehouse, may) == of_may, "{server:?}");
        assert_eq!(n_staging_tables(&server, "dropped"), 0);
        let status = "SELECT Status FROM {warehouse}.etl_run ORDER BY Id";
        let expected = ["dropped", "published"].map(|status| vec![Value::Text(status.to_owned())]);
        assert_eq!(warehouse.query(april, status).unwrap(), expected);

        let error = months::drop(&mut warehouse, april).unwrap_err().to_string();
        assert!(error.ends_with("does not hold the month 2022-04"), "{error}");
        // The other is gone the same way, and both can come again.
        months::drop(&mut warehouse, may).unwrap();
        load_two_months(&mut warehouse);
        assert!(tables_of(&mut warehouse, may) == of_may, "{server:?}");
        assert!(n_rows(&mut warehouse, april) > 300, "{server:?}");
    }
}

/// A month of those customers of a hundred whose number is divided by one of `divisors`.
fn divided(month: &str, divisors: &[u64]) -> MonthTable {
    let customer = |n: &u64| divisors.iter().any(|divisor| n.is_multiple_of(*divisor));
    let customers = (0..100).filter(customer).map(|n| {
        let seconds = std::array::from_fn(|category| ((n + divisors[0]) % (category as u64 + 2)) as i64 * 60);
        (format!("C{n:02}"), seconds, (n * divisors[0] % 28 + 1) as u8)
    });
    month_of(month, customers)
}

#[test]
fn movement_is_the_same_on_every_server() {
    let months = [
        divided("2022-01", &[7]),
        divided("2022-02", &[2, 5]),
        divided("2022-03", &[3]),
        divided("2022-04", &[2, 3, 7]),
    ];
    let fill = |warehouse: &mut dyn Warehouse| {
        mart::prepare(warehouse, Missing::Create).unwrap();
        // The second one comes last, and changes those after it.
        for place in [0, 2, 3, 1] {
            let table = &months[place];
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
            mart::build(warehouse, table.month).unwrap();
            mart::movement::remake_stale(warehouse).unwrap();
        }
        let mut of_movement = |month: Month| {
            let mut tables = tables_of(warehouse, month);
            tables.retain(|(name, _)| name.contains("_movement"));
            tables
        };
        months.each_ref().map(|table| of_movement(table.month))
    };
    let folder = tempfile::tempdir().unwrap();
    let mut sqlite = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    let expected = fill(&mut sqlite);
    let n_kinds = |tables: &[(String, Vec<Vec<Value>>)]| tables[0].1.len();
    assert_eq!(expected.each_ref().map(|tables| n_kinds(tables)), [0, 4, 4, 4]);
    for server in flavours() {
        assert_eq!(fill(&mut server.fresh("moved")), expected, "{server:?}");
    }
}

#[test]
fn every_table_and_column_has_a_comment() {
    for server in flavours() {
        let mut warehouse = server.fresh("described");
        let mut root = server.root();
        let mut silent = || -> Vec<String> {
            let sql = "SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS NATURAL JOIN \
                       (SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_COMMENT FROM information_schema.TABLES \
                        WHERE TABLE_TYPE = 'BASE TABLE') AS base \
                       WHERE TABLE_SCHEMA IN ('described', 'described_mart') AND TABLE_NAME <> 'schema_version' \
                       AND (COLUMN_COMMENT = '' OR TABLE_COMMENT = '') ORDER BY 1";
            root.query(sql).unwrap()
        };
        assert_eq!(silent(), [""; 0], "{server:?}");
        // As an older version made it.
        let mut other = server.root();
        for sql in [
            "ALTER TABLE described.customer_behavior COMMENT = ''",
            "ALTER TABLE described_mart.summary_customer COMMENT = ''",
            "DELETE FROM described.schema_version",
            "DELETE FROM described_mart.schema_version",
        ] {
            other.query_drop(sql).unwrap();
        }
        assert!(!silent().is_empty());
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        assert_eq!(silent(), [""; 0], "{server:?}");
    }
}
