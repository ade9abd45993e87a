//! Rows, days and runs arrive as they are, on every server.

use std::ops::ControlFlow;

use mysql::prelude::Queryable as _;
use viewmart::console::Progress;
use viewmart::engine::columns::{COLUMNS, Cell, Values};
use viewmart::engine::devices::Devices;
use viewmart::engine::month::{Contracts, DayActivity, MonthTable};
use viewmart::engine::rules::Category;
use viewmart::mart;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlWarehouse};
use viewmart::warehouse::rows::columns_of_row;
use viewmart::warehouse::{CustomerRow, Meaning, Missing, RunClock, SqliteWarehouse, Value, Warehouse, WarehouseError};

use super::fixture::{
    assert_message, assert_rows, clock, everything, flavours, meaning_of, n_staging_tables, odd, options,
};
use super::made::{hostile_month, random_month, with_unmapped};
use crate::support::made::with_devices;

#[test]
fn hostile_contracts_arrive_unchanged() {
    for server in flavours() {
        for n_connections in [1, 2, 3, 7] {
            let mut warehouse = server.fresh("hostile");
            let table = hostile_month("2022-04");
            let mut warehouse_of_n = {
                let options = MysqlOptions { load_connections: n_connections.try_into().unwrap(), ..options() };
                MysqlWarehouse::open(&server.url("hostile"), None, options).unwrap()
            };
            warehouse_of_n.load(&table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, &table);
            assert_eq!(n_staging_tables(&server, "hostile"), 0);
            assert_eq!(warehouse.take_warnings(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_month_streams_as_it_was_loaded() {
    for server in flavours() {
        let mut warehouse = server.fresh("streamed");
        let table = hostile_month("2022-04");
        let other = random_month("2022-05", 10, 1);
        for table in [&table, &other] {
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
        }
        let values: Vec<Values<'_>> = columns_of_row(COLUMNS).map(|column| column.values(&table)).collect();
        let mut row = 0;
        let mut each = |found: CustomerRow<'_>| {
            assert_eq!(found.contract, table.contracts.get(row), "{server:?}");
            let expected: Vec<Cell<'_>> = values.iter().map(|values| values.cell(row)).collect();
            assert_eq!(found.cells, expected, "{server:?}");
            row += 1;
            ControlFlow::Continue(())
        };
        warehouse.for_each_row(table.month, &mut each).unwrap();
        assert_eq!(row, table.n_rows(), "{server:?}");

        let mut n_rows = 0;
        let mut first = |_: CustomerRow<'_>| {
            n_rows += 1;
            ControlFlow::Break(())
        };
        warehouse.for_each_row(table.month, &mut first).unwrap();
        assert_eq!(n_rows, 1);
        assert_eq!(warehouse.months().unwrap(), [], "the connection still answers");
    }
}

#[test]
fn days_and_runs_are_recorded() {
    for server in flavours() {
        let mut warehouse = server.fresh("recorded");
        let table = hostile_month("2022-04");
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        let mut ask = |sql: &str| warehouse.query(table.month, sql).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let days = ask("SELECT Month, Day, Records FROM {warehouse}.daily_activity WHERE Records > 0");
        let day = |day: &DayActivity| {
            let date = format!("2022-04-{:02}", day.day.number());
            vec![text("2022-04-01"), text(&date), Value::Integer(day.records as i64)]
        };
        assert_eq!(days, table.activity.iter().map(day).collect::<Vec<_>>());
        let runs = ask(
            "SELECT Id, Month, Started, Finished > Started, RulesName, Engine, InputFiles, InputBytes, RecordsRead, \
             RecordsKept, Rejected_malformed, Rejected_no_app, Rejected_unmapped_app FROM {warehouse}.etl_run",
        );
        let run = [
            Value::Integer(1),
            text("2022-04-01"),
            text("2022-05-01 01:02:03.004"),
            Value::Integer(1),
            text("it's \\ a \"name\""),
            text("viewmart test"),
            Value::Integer(30),
            Value::Integer(30 << 40),
            Value::Integer(table.ledger.kept as i64 + 10),
            Value::Integer(table.ledger.kept as i64),
            Value::Integer(3),
            Value::Integer(0),
            Value::Integer(7),
        ];
        assert_eq!(runs, [run]);
        let apps = ask("SELECT Run, App, Records FROM {warehouse}.etl_run_app WHERE Category = '' ORDER BY App");
        let app = |app: &str, records: i64| vec![Value::Integer(1), text(app), Value::Integer(records)];
        assert_eq!(apps, [app("O'N\\E", 4), app("{mart}", 3)]);
    }
}

#[test]
fn a_rerun_replaces_its_month_and_no_other() {
    for server in flavours() {
        let mut warehouse = server.fresh("rerun");
        let [march, april, other_april, none] = [
            random_month("2022-03", 500, 1),
            random_month("2022-04", 3000, 2),
            random_month("2022-04", 2000, 3),
            random_month("2022-04", 0, 4),
        ];
        for table in [&april, &march, &other_april] {
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, table);
        }
        assert_rows(&mut warehouse, &march);
        warehouse.load(&none, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &none);
        assert_rows(&mut warehouse, &march);
        assert_eq!(n_staging_tables(&server, "rerun"), 0);
    }
}

#[test]
fn a_random_month_is_the_same_on_every_server_and_any_number_of_connections() {
    let table = random_month("2022-04", 20_000, 7);
    let sql = "SELECT COUNT(*), SUM(TotalDuration), SUM(Activeness), MIN(Contract), MAX(Contract) \
               FROM {warehouse}.customer_behavior WHERE Month = {month}";
    let mut answers = Vec::new();
    for server in flavours() {
        for n_connections in [1, 4] {
            let mut warehouse = server.fresh("random");
            let options = MysqlOptions { load_connections: n_connections.try_into().unwrap(), ..options() };
            let mut warehouse_of_n = MysqlWarehouse::open(&server.url("random"), None, options).unwrap();
            warehouse_of_n.load(&table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, &table);
            answers.push(warehouse.query(table.month, sql).unwrap());
        }
    }
    let total: i64 = table.total.iter().sum();
    assert_eq!(answers[0][0][..2], [Value::Integer(20_000), Value::Integer(total)]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn without_local_infile_rows_go_in_by_insert() {
    let (_guard, servers) = odd();
    for server in servers {
        let table = hostile_month("2022-04");
        let mut warehouse = server.fresh("inserted");
        let warnings = warehouse.take_warnings();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("local_infile") && warnings[0].contains("SET PERSIST"), "{warnings:?}");
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &table);

        // Packets are cut to what the server takes. New connections have the new size.
        server.root().query_drop("SET GLOBAL max_allowed_packet = 16384").unwrap();
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), None, options()).unwrap();
        let table = random_month("2022-04", 5000, 5);
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &table);

        // A name that does not fit: the run is not recorded, and the month taken back.
        server.root().query_drop("SET GLOBAL max_allowed_packet = 1024").unwrap();
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), None, options()).unwrap();
        let mut other = with_unmapped(random_month("2022-04", 50, 6), &"😀".repeat(500));
        other.activity.clear();
        let error = warehouse.load(&other, clock(), &Progress::hidden()).unwrap_err();
        assert_eq!(meaning_of(&error), &Meaning::PacketTooLarge);
        server.root().query_drop("SET GLOBAL max_allowed_packet = 67108864").unwrap();
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), None, options()).unwrap();
        assert_rows(&mut warehouse, &table);
        let n_days = warehouse.query(table.month, "SELECT COUNT(*) FROM {warehouse}.daily_activity").unwrap();
        assert_eq!(n_days, [[Value::Integer(table.activity.len() as i64)]]);
        warehouse.load(&other, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &other);
    }
}

#[test]
fn warehouse_and_mart_are_the_same_on_every_server() {
    for table in [hostile_month("2022-04"), random_month("2022-04", 5000, 9), random_month("2022-04", 0, 9)] {
        let folder = tempfile::tempdir().unwrap();
        let mut sqlite = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
        let fill = |warehouse: &mut dyn Warehouse| {
            mart::prepare(warehouse, Missing::Create).unwrap();
            // The second time replaces the first.
            for started in ["2022-05-01T01:02:03Z", "2022-05-01T04:05:06.789Z"] {
                let clock = RunClock { started: started.parse().unwrap() };
                warehouse.load(&table, clock, &Progress::hidden()).unwrap();
                mart::build(warehouse, table.month).unwrap();
            }
            assert_eq!(warehouse.months().unwrap(), [table.month]);
            everything(warehouse, table.month)
        };
        let expected = fill(&mut sqlite);
        for server in flavours() {
            let found = fill(&mut server.fresh("compared"));
            for (expected, found) in expected.iter().zip(found) {
                assert_eq!(found, *expected, "{server:?}");
            }
        }
    }
}

#[test]
fn a_sum_past_64_bits_is_an_error() {
    for server in flavours() {
        let mut warehouse = server.fresh("overflow");
        let mut table = random_month("2022-04", 2, 1);
        table.seconds[Category::Movie as usize] = [i64::MAX / 2 + 1; 2].into_iter().collect();
        let error = warehouse.load(&table, clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, "the seconds of MovieDuration do not fit in 64 bits", "max_seconds");
    }
}

#[test]
fn a_ledger_that_disagrees_with_the_rows_publishes_nothing() {
    for server in flavours() {
        let mut warehouse = server.fresh("disagreeing");
        let good = random_month("2022-04", 100, 1);
        warehouse.load(&good, clock(), &Progress::hidden()).unwrap();
        let mut bad = random_month("2022-04", 100, 2);
        bad.ledger.seconds[Category::Tv as usize] += 1;
        let error = warehouse.load(&bad, clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, "the sum of TvDuration of customer_behavior is", "run again");
        // Two rows with one key: the database keeps one of them.
        let mut bad = random_month("2022-04", 2, 2);
        bad.contracts = Contracts::default();
        ["A", "A"].iter().for_each(|contract| bad.contracts.push(contract));
        let error = warehouse.load(&bad, clock(), &Progress::hidden()).unwrap_err();
        assert!(matches!(error, WarehouseError::Check { .. } | WarehouseError::Database { .. }), "{error}");
        assert_rows(&mut warehouse, &good);
        assert_eq!(n_staging_tables(&server, "disagreeing"), 0);
    }
}

#[test]
fn devices_come_and_go_with_their_month() {
    for server in flavours() {
        let mut warehouse = server.fresh("devices");
        let table = with_devices(hostile_month("2022-04"));
        let counts = table.devices.as_ref().map(|devices| devices.counts.clone()).unwrap();
        let sums = format!("{}, {}", counts.len(), counts.iter().sum::<u32>());
        let check = |warehouse: &mut MysqlWarehouse, table: &MonthTable, expected: &str| {
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
            mart::build(warehouse, table.month).unwrap();
            let mut ask = |sql: &str| -> String {
                let rows = warehouse.query(table.month, sql).unwrap();
                rows.concat().iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
            };
            let of = |database: &str, name: &str, count: &str| {
                format!("SELECT {count}, COALESCE(SUM(Devices), 0) FROM {{{database}}}.{name} WHERE Month = {{month}}")
            };
            assert_eq!(ask(&of("warehouse", "customer_devices", "COUNT(*)")), expected, "{server:?}");
            assert_eq!(ask(&of("mart", "device_distribution", "COALESCE(SUM(Users), 0)")), expected, "{server:?}");
        };
        check(&mut warehouse, &table, &sums);
        let rows = warehouse.query(table.month, "SELECT Contract, Devices FROM {warehouse}.customer_devices").unwrap();
        let mut expected: Vec<Vec<Value>> = (table.contracts.iter().zip(&counts))
            .map(|(contract, count)| vec![Value::Text(contract.to_owned()), Value::Integer((*count).into())])
            .collect();
        let mut rows = rows;
        let by_contract = |row: &Vec<Value>| row[0].to_string();
        rows.sort_by_key(by_contract);
        expected.sort_by_key(by_contract);
        assert_eq!(rows, expected, "{server:?}");
        let mut streamed = Vec::new();
        let mut each = |row: CustomerRow<'_>| {
            streamed.push((row.contract.to_owned(), row.cells.last().copied() == Some(Cell::Integer(0))));
            ControlFlow::Continue(())
        };
        warehouse.for_each_row_with(table.month, Devices::Counted, &mut each).unwrap();
        let has_none = counts.iter().map(|count| *count == 0);
        assert_eq!(streamed, table.contracts.iter().map(str::to_owned).zip(has_none).collect::<Vec<_>>());
        assert_eq!(warehouse.counts_devices(table.month).unwrap(), Devices::Counted);
        // Again, without them, with them again, and gone with the month.
        check(&mut warehouse, &table, &sums);
        let without = MonthTable { devices: None, ..table.clone() };
        check(&mut warehouse, &without, "0, 0");
        assert_eq!(warehouse.counts_devices(table.month).unwrap(), Devices::Ignored);
        check(&mut warehouse, &table, &sums);
        mart::months::drop(&mut warehouse, table.month).unwrap();
        let left = warehouse.query(table.month, "SELECT COUNT(*) FROM {warehouse}.customer_devices").unwrap();
        assert_eq!(left, [[Value::Integer(0)]], "{server:?}");
        assert_eq!(n_staging_tables(&server, "devices"), 0);
        // More of them than the last servers log in one transaction.
        let table = with_devices(random_month("2022-04", 40_000, 1));
        check(&mut warehouse, &table, "40000, 80000");
    }
}
