//! A warehouse that version 0.1.0 made is brought up to date by the next run.

use mysql::prelude::Queryable as _;
use viewmart::check::Verdict;
use viewmart::mart;
use viewmart::warehouse::mysql::{MysqlWarehouse, examine};
use viewmart::warehouse::{Missing, Value, Warehouse as _};

use super::fixture::{Server, assert_rows, load_and_build, options, shared};
use super::made::random_month;

const FIRST_RELEASE: &str = include_str!("../../data/first-release/mysql.sql");

fn write_first_release(server: &Server, database: &str) {
    let collation = if server.script == "mysql" { "utf8mb4_0900_bin" } else { "utf8mb4_nopad_bin" };
    let mart_db = format!("{database}_mart");
    let mut root = server.root();
    for name in [database, &mart_db] {
        root.query_drop(format!("DROP DATABASE IF EXISTS {name}")).unwrap();
        root.query_drop(format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {collation}")).unwrap();
    }
    for statement in FIRST_RELEASE.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
        let sql = statement.replace("{warehouse}", database).replace("{mart}", &mart_db);
        root.query_drop(sql.replace("{collation}", collation)).unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
}

/// On two servers: the first release could not make its tables in a format of rows without long keys.
#[test]
fn a_warehouse_of_the_first_release_is_brought_up_to_date() {
    for server in shared() {
        write_first_release(&server, "upgraded");
        let url = server.url("upgraded");
        let checks = examine(&url, None, &options(), &mart::schema());
        assert!(checks.iter().all(|check| check.verdict == Verdict::Good), "{checks:?}");
        let tables = checks.iter().find(|check| check.what == "tables").unwrap();
        assert!(tables.found.ends_with("a run brings it up to date"), "{tables:?}");

        let may = random_month("2022-05", 100, 1);
        load_and_build(&url, &may, 1).unwrap();
        let mut warehouse = MysqlWarehouse::open(&url, None, options()).unwrap();
        assert_rows(&mut warehouse, &may);
        let mut ask = |sql: &str| warehouse.query(may.month, sql).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let runs = "SELECT Id, Month, RecordsKept, Status, RulesText FROM {warehouse}.etl_run_published WHERE Id = 1";
        let run = [Value::Integer(1), text("2022-04-01"), Value::Integer(8), text("published"), text("")];
        assert_eq!(ask(runs), [run]);
        let apps = "SELECT App, Category, Records, Seconds FROM {warehouse}.etl_run_app WHERE Run = 1";
        assert_eq!(ask(apps), [[text("XYZ"), text(""), Value::Integer(2), Value::Integer(0)]]);
        let marts = "SELECT Month, Run FROM {mart}.mart_run ORDER BY Month";
        let (april, second) = (text("2022-04-01"), text("2022-05-01"));
        let expected = [[april.clone(), Value::Integer(0)], [second.clone(), Value::Integer(2)]];
        assert_eq!(ask(marts), expected);

        // The old month can be built, and replaced: its partition is the first release's.
        mart::build(&mut warehouse, "2022-04".parse().unwrap()).unwrap();
        let expected = [[april, Value::Integer(1)], [second, Value::Integer(2)]];
        assert_eq!(warehouse.query(may.month, marts).unwrap(), expected);
        let other = random_month("2022-04", 50, 2);
        load_and_build(&url, &other, 1).unwrap();
        assert_rows(&mut warehouse, &other);
        assert_rows(&mut warehouse, &may);
        // Nothing is left to do.
        mart::prepare(&mut warehouse, Missing::Refuse).unwrap();
        let checks = examine(&url, None, &options(), &mart::schema());
        assert!(checks.iter().any(|check| check.found.ends_with("ready")), "{checks:?}");
    }
}
