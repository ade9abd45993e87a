//! Months on MySQL and MariaDB: listed, removed, described.

use mysql::prelude::Queryable as _;
use viewmart::console::Progress;
use viewmart::engine::calendar::Month;
use viewmart::mart::{self, months};
use viewmart::warehouse::{Missing, SqliteWarehouse, Value, Warehouse};

use super::fixture::{clock, everything, n_staging_tables, shared};
use super::made::random_month;

fn load_two_months(warehouse: &mut dyn Warehouse) -> [Month; 2] {
    [("2022-04", 300), ("2022-05", 200)].map(|(month, n_customers)| {
        let table = random_month(month, n_customers, 7);
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        mart::build(warehouse, table.month).unwrap();
        table.month
    })
}

/// Rows of a month in the tables that have months, `etl_run` aside.
fn n_rows(warehouse: &mut dyn Warehouse, month: Month) -> usize {
    let of_months = everything(warehouse, month).into_iter().filter(|(name, _)| {
        !["etl_run", "schema_version"].iter().any(|other| name.contains(other)) && !name.contains("_seed")
    });
    of_months.map(|(_, rows)| rows.len()).sum()
}

#[test]
fn a_month_goes_from_warehouse_and_mart_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut sqlite = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    mart::prepare(&mut sqlite, Missing::Create).unwrap();
    let [april, may] = load_two_months(&mut sqlite);
    let before = months::list(&mut sqlite).unwrap();
    months::drop(&mut sqlite, april).unwrap();
    for server in shared() {
        let mut warehouse = server.fresh("dropped");
        load_two_months(&mut warehouse);
        assert_eq!(months::list(&mut warehouse).unwrap(), before, "{server:?}");
        let of_may = everything(&mut warehouse, may);
        months::drop(&mut warehouse, april).unwrap();
        assert_eq!(n_rows(&mut warehouse, april), 0, "{server:?}");
        assert_eq!(months::list(&mut warehouse).unwrap(), months::list(&mut sqlite).unwrap(), "{server:?}");
        assert_eq!(everything(&mut warehouse, may), of_may, "{server:?}");
        assert_eq!(n_staging_tables(&server, "dropped"), 0);
        let status = "SELECT Status FROM {warehouse}.etl_run ORDER BY Id";
        let expected = ["dropped", "published"].map(|status| vec![Value::Text(status.to_owned())]);
        assert_eq!(warehouse.query(april, status).unwrap(), expected);

        let error = months::drop(&mut warehouse, april).unwrap_err().to_string();
        assert!(error.ends_with("does not hold the month 2022-04"), "{error}");
        // The other is gone the same way, and both can come again.
        months::drop(&mut warehouse, may).unwrap();
        load_two_months(&mut warehouse);
        assert_eq!(everything(&mut warehouse, may).len(), of_may.len());
        assert!(n_rows(&mut warehouse, april) > 300);
    }
}

#[test]
fn every_table_and_column_has_a_comment() {
    for server in shared() {
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
