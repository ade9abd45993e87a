//! Every table of the mart from months made by hand, in SQLite.

use super::*;
use crate::console::Progress;
use crate::engine::ledger::Reason;
use crate::engine::month::MonthTable;
use crate::engine::rules::{Category, Rules};
use crate::made::{Customer, month_table, with_device_counts, with_devices};
use crate::warehouse::{Beside, Meaning, Rivals, RunAudience, RunAudiencePair, RunClock, RunRecord, SqliteWarehouse};

const MYSQL: Dialect = Dialect::Mysql { collation: "utf8mb4_0900_bin" };

fn loaded(folder: &std::path::Path, tables: &[MonthTable]) -> SqliteWarehouse {
    let mut warehouse = SqliteWarehouse::open(&folder.join("warehouse.db"), None).unwrap();
    prepare(&mut warehouse, Missing::Create).unwrap();
    let clock = RunClock { started: "2022-05-01T00:00:00Z".parse().unwrap() };
    for table in tables {
        warehouse.load(table, clock, &Progress::hidden()).unwrap();
        build(&mut warehouse, table.month).unwrap();
    }
    warehouse
}

/// The rows of one month in key order, as text, columns separated by `|`, the month left out.
fn rows(warehouse: &mut SqliteWarehouse, month: &str, table: &Table) -> Vec<String> {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name).filter(|name| *name != "Month").collect();
    let (columns, name, key) = (columns.join(", "), table.qualified(), table.key.join(", "));
    let sql = format!("SELECT {columns} FROM {name} WHERE Month = {{month}} ORDER BY {key}");
    let text = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Real(real) => format!("{real:?}"),
        Value::Text(text) => text.clone(),
    };
    let rows = warehouse.query(month.parse().unwrap(), &sql).unwrap();
    rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
}

// Seconds are Movie, Sport, Child, Relax, Tv.
const APRIL: &[Customer<'_>] =
    &[("A", [10, 0, 0, 0, 10], 2), ("B", [0, 0, 0, 0, 0], 1), ("C", [0, 5, 5, 0, 10], 2), ("D", [30, 0, 0, 0, 0], 30)];

#[test]
fn every_table_holds_what_it_should() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, APRIL)]);
    let mut check = |table: &Table, expected: &[&str]| {
        assert_eq!(rows(&mut warehouse, "2022-04", table), expected, "{}", table.name);
    };
    check(&tables::SUMMARY_CUSTOMER, &["4|40|5|5|0|20|70"]);
    let share = |n: f64, of: f64| format!("{:?}", n / of);
    check(
        &tables::CATEGORY_AUDIENCE,
        &[
            &format!("Child|1|0.25|5|{}|5.0|0", share(5.0, 70.0)),
            &format!("Movie|2|0.5|40|{}|20.0|2", share(40.0, 70.0)),
            "Relax|0|0.0|0|0.0|0.0|0",
            &format!("Sport|1|0.25|5|{}|5.0|0", share(5.0, 70.0)),
            &format!("Tv|2|0.5|20|{}|10.0|1", share(20.0, 70.0)),
        ],
    );
    check(&tables::ACTIVENESS_DISTRIBUTION, &["1|1|0.25", "2|2|0.5", "30|1|0.25"]);
    check(&tables::TASTE_DISTRIBUTION, &["Child_Sport_Tv|1|0.25", "Movie|1|0.25", "Movie_Tv|1|0.25", "No|1|0.25"]);
    check(
        &tables::CUSTOMER_SEGMENTS,
        &["No|No|1|0|1|0", "Movie_Tv|Movie|2|17|1|20", "Child_Sport_Tv|Tv|2|22|1|20", "Movie|Movie|30|1|1|30"],
    );
    check(&tables::TOP_CUSTOMERS, &["1|D|30|Movie|30", "2|A|20|Movie_Tv|2", "3|C|20|Child_Sport_Tv|2", "4|B|0|No|1"]);
    check(
        &tables::CATEGORY_OVERLAP,
        &[
            "Child|Child|1|1.0",
            "Child|Movie|0|0.0",
            "Child|Relax|0|0.0",
            "Child|Sport|1|1.0",
            "Child|Tv|1|1.0",
            "Movie|Child|0|0.0",
            "Movie|Movie|2|1.0",
            "Movie|Relax|0|0.0",
            "Movie|Sport|0|0.0",
            "Movie|Tv|1|0.5",
            "Relax|Child|0|0.0",
            "Relax|Movie|0|0.0",
            "Relax|Relax|0|0.0",
            "Relax|Sport|0|0.0",
            "Relax|Tv|0|0.0",
            "Sport|Child|1|1.0",
            "Sport|Movie|0|0.0",
            "Sport|Relax|0|0.0",
            "Sport|Sport|1|1.0",
            "Sport|Tv|1|1.0",
            "Tv|Child|1|0.5",
            "Tv|Movie|1|0.5",
            "Tv|Relax|0|0.0",
            "Tv|Sport|1|0.5",
            "Tv|Tv|2|1.0",
        ],
    );
    check(&tables::DEVICE_DISTRIBUTION, &[]);
    check(&tables::WATCH_TIME_SUMMARY, &[&format!("4|70|20|30|30|1|30|{}", share(30.0, 70.0))]);
    let between: Vec<String> = (3..30).map(|day| format!("2022-04-{day:02}|1|1|0|0|0|0|0|0")).collect();
    let mut days = vec!["2022-04-01|4|4|0|0|0|0|0|0", "2022-04-02|3|6|10|5|5|0|20|40"];
    days.extend(between.iter().map(String::as_str));
    days.push("2022-04-30|1|1|30|0|0|0|0|30");
    check(&tables::DAILY_AUDIENCE, &days);
    check(
        &tables::DATA_QUALITY,
        &[
            "bad_duration||0",
            "duplicate_id||0",
            "excluded||0",
            "kept||38",
            "long_contract||0",
            "malformed||1",
            "negative_duration||0",
            "no_app||0",
            "no_contract||0",
            "over_day||0",
            "unmapped_app|X|2",
        ],
    );
    let seed = "SELECT `Total User`, Total_MovieDuration, Total_SportDuration, Total_ChilDuration, \
                Total_RelaxDuration, Total_TvDuration, TotalDuraion FROM {mart}.summary_customer_seed";
    let expected = [4, 40, 5, 5, 0, 20, 70].map(Value::Integer);
    assert_eq!(warehouse.query("2022-04".parse().unwrap(), seed).unwrap(), [expected]);
}

#[test]
fn audiences_are_those_of_the_run_that_stands() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let table = month_table("2022-04", &rules, APRIL);
    let mut warehouse = loaded(folder.path(), std::slice::from_ref(&table));
    let check = |warehouse: &mut SqliteWarehouse, sizes: &[&str], overlaps: &[&str]| {
        assert_eq!(rows(warehouse, "2022-04", &tables::AUDIENCE_SIZE), sizes);
        assert_eq!(rows(warehouse, "2022-04", &tables::AUDIENCE_OVERLAP), overlaps);
    };
    check(&mut warehouse, &[], &[]);
    let mut record = RunRecord::of_table(&table, "2022-05-01T00:00:00Z".parse().unwrap());
    for (name, users, seconds) in [("kids", 3, 60), ("gone", 0, 0)] {
        let (description, expression) = (String::new(), String::new());
        let others_median_seconds = 0;
        record.audiences.push(RunAudience {
            name: name.into(),
            description,
            expression,
            users,
            seconds,
            others_median_seconds,
        });
    }
    for (audience, other, users) in [("kids", "kids", 3), ("kids", "gone", 0), ("gone", "gone", 0)] {
        record.audience_pairs.push(RunAudiencePair { audience: audience.into(), other: other.into(), users });
    }
    warehouse.publish(&table, &record, Rivals::Replaced, &Beside::nothing(), &Progress::hidden()).unwrap();
    build(&mut warehouse, table.month).unwrap();
    check(
        &mut warehouse,
        &["gone|0|0|0.0", "kids|3|60|0.75"],
        &["gone|gone|0|0.0", "kids|gone|0|0.0", "kids|kids|3|1.0"],
    );
}

#[test]
fn watch_time_is_exact() {
    // Every band's first and last second, ties, one customer, nobody.
    let rules = Rules::preset("default").unwrap();
    let edges = [1, 59, 60, 119, 299, 3599, 3600, 86_399, 86_400, 115_199, 3_686_399, 3_686_400, 9_000_000_000];
    let mut seconds: Vec<i64> = edges.iter().flat_map(|edge| [*edge, edge + 1, 86_400]).collect();
    seconds.extend([0; 30]);
    for n_customers in [0, 1, 2, 9, 10, 11, seconds.len()] {
        let contracts: Vec<String> = (0..n_customers).map(|n| format!("{n:03}")).collect();
        let customers: Vec<Customer<'_>> =
            contracts.iter().zip(&seconds).map(|(contract, tv)| (contract.as_str(), [0, 0, 0, 0, *tv], 1)).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &customers)]);

        let mut sorted: Vec<i64> = seconds[..n_customers].to_vec();
        sorted.sort_unstable();
        let at = |percent: usize| {
            if n_customers == 0 { 0 } else { sorted[(n_customers * percent).div_ceil(100).max(1) - 1] }
        };
        let n_tenth = n_customers.div_ceil(10);
        let tenth: i64 = sorted[n_customers - n_tenth..].iter().sum();
        let all: i64 = sorted.iter().sum();
        let share = if all == 0 { 0.0 } else { tenth as f64 / all as f64 };
        let expected = format!("{n_customers}|{all}|{}|{}|{}|{n_tenth}|{tenth}|{share:?}", at(50), at(90), at(99));
        assert_eq!(rows(&mut warehouse, "2022-04", &tables::WATCH_TIME_SUMMARY), [expected]);

        let bands = "SELECT FromSeconds, ToSeconds, Users, Seconds FROM {mart}.watch_time_distribution \
                     WHERE Month = {month} ORDER BY Band";
        let bands = warehouse.query("2022-04".parse().unwrap(), bands).unwrap();
        assert_eq!(bands.len(), 33);
        let mut next = -i64::MAX;
        for band in bands {
            let [Value::Integer(from), Value::Integer(to), users, seconds] = &band[..] else { panic!("{band:?}") };
            assert_eq!(*from, next, "bands lie side by side");
            next = *to;
            let inside = || sorted.iter().filter(|seconds| (*from..*to).contains(*seconds));
            assert_eq!(*users, Value::Integer(inside().count() as i64), "{from}");
            assert_eq!(*seconds, Value::Integer(inside().sum()), "{from}");
        }
        assert_eq!(next, i64::MAX);
    }
}

#[test]
fn shares_are_binary_fractions_whatever_the_size() {
    // 1 / 3 as decimal with a few digits would differ from server to server.
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let customers = [("A", [1, 0, 0, 0, 0], 1), ("B", [0, 0, 0, 0, 1], 1), ("C", [0, 0, 0, 0, 1], 2)];
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &customers)]);
    let third = format!("{:?}", 1.0 / 3.0);
    let two_thirds = format!("{:?}", 2.0 / 3.0);
    assert_eq!(
        rows(&mut warehouse, "2022-04", &tables::ACTIVENESS_DISTRIBUTION),
        [format!("1|2|{two_thirds}"), format!("2|1|{third}")]
    );
    assert_eq!(
        rows(&mut warehouse, "2022-04", &tables::CATEGORY_AUDIENCE)[1],
        format!("Movie|1|{third}|1|{third}|1.0|1")
    );
}

#[test]
fn negative_seconds_are_sums_but_no_audience() {
    let rules = Rules::preset("seed").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let customers = [("A", [-5, 0, 0, 0, 0], 1), ("B", [0, 0, 0, 0, 20], 1)];
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &customers)]);
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::SUMMARY_CUSTOMER), ["2|-5|0|0|0|20|15"]);
    let audience = rows(&mut warehouse, "2022-04", &tables::CATEGORY_AUDIENCE);
    assert_eq!(audience[1], format!("Movie|0|0.0|-5|{:?}|0.0|0", -5.0 / 15.0));
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::TASTE_DISTRIBUTION), ["Movie|1|0.5", "Tv|1|0.5"]);
}

#[test]
fn a_month_is_replaced_and_the_others_stay() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let may = month_table("2022-05", &rules, &APRIL[..2]);
    let april = month_table("2022-04", &rules, APRIL);
    let mut warehouse = loaded(folder.path(), &[may, april].map(with_devices));
    let all = |warehouse: &mut SqliteWarehouse, month: &str| -> Vec<Vec<String>> {
        // Audiences are measured by a run, movement needs the month before.
        let is_other = |table: &&Table| table.name.starts_with("audience_") || table.name.ends_with("_movement");
        tables().filter(|table| !is_other(table)).map(|table| rows(warehouse, month, table)).collect()
    };
    let (april, may) = (all(&mut warehouse, "2022-04"), all(&mut warehouse, "2022-05"));
    assert!(april.iter().chain(&may).all(|rows| !rows.is_empty()));
    // Again: the same. With another customer: another April, the same May.
    build(&mut warehouse, "2022-04".parse().unwrap()).unwrap();
    assert_eq!(all(&mut warehouse, "2022-04"), april);
    drop(warehouse);
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &APRIL[1..])]);
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::SUMMARY_CUSTOMER), ["3|30|5|5|0|10|50"]);
    assert_eq!(all(&mut warehouse, "2022-05"), may);
    assert_eq!(warehouse.months().unwrap(), ["2022-04".parse().unwrap(), "2022-05".parse().unwrap()]);
    // Nobody left: zeros, not NULL, and no division by zero.
    drop(warehouse);
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &[])]);
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::SUMMARY_CUSTOMER), ["0|0|0|0|0|0|0"]);
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::CATEGORY_AUDIENCE)[0], "Child|0|0.0|0|0.0|0.0|0");
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::TOP_CUSTOMERS), [""; 0]);
}

#[test]
fn devices_are_counted_in_bands_and_are_those_of_the_customers() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let counts = [0, 1, 2, 3, 4, 4, 5, 9, 10, 99, 100, 5_000];
    let contracts: Vec<String> = (0..counts.len()).map(|n| format!("{n:02}")).collect();
    let customers: Vec<Customer<'_>> =
        contracts.iter().map(|contract| (contract.as_str(), [1, 0, 0, 0, 0], 1)).collect();
    let table = with_device_counts(month_table("2022-04", &rules, &customers), counts.to_vec());
    let mut warehouse = loaded(folder.path(), &[table]);
    let share = |n: f64| format!("{:?}", n / 12.0);
    let band = |name: &str, n: u32, devices: u32| format!("{name}|{n}|{}|{devices}", share(n.into()));
    let expected = [
        band("0", 1, 0),
        band("1", 1, 1),
        band("10-99", 2, 109),
        band("100+", 2, 5_100),
        band("2", 1, 2),
        band("3", 1, 3),
        band("4", 2, 8),
        band("5-9", 2, 14),
    ];
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::DEVICE_DISTRIBUTION), expected);
    // Devices of another run.
    drop(warehouse);
    let database = rusqlite::Connection::open(folder.path().join("warehouse.db")).unwrap();
    database.execute("DELETE FROM customer_devices WHERE Contract = '03'", []).unwrap();
    let mut warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    let error = build(&mut warehouse, "2022-04".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("the customers are 12 in customer_behavior, but 11 in customer_devices"), "{error}");
}

#[test]
fn the_top_is_a_hundred_in_a_fixed_order() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let contracts: Vec<String> = (0..150).map(|n| format!("{n:03}")).collect();
    // Everybody has as much as nine others.
    let customers: Vec<Customer<'_>> =
        contracts.iter().enumerate().map(|(n, contract)| (contract.as_str(), [n as i64 / 10, 0, 0, 0, 0], 1)).collect();
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &customers)]);
    let mut sorted = customers.clone();
    sorted.sort_by_key(|customer| (-customer.1[0], customer.0));
    let expected: Vec<String> = sorted[..100]
        .iter()
        .zip(1..)
        .map(|(customer, place)| format!("{place}|{}|{}|Movie|1", customer.0, customer.1[0]))
        .collect();
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::TOP_CUSTOMERS), expected);
}

#[test]
fn the_top_without_shared_accounts_is_found_behind_them() {
    const DAY: i64 = 86_400;
    let rules = Rules::preset("default").unwrap();
    let expected = |customers: &[Customer<'_>]| -> Vec<String> {
        let is_unshared = |customer: &&Customer<'_>| customer.1[0] <= DAY * i64::from(customer.2);
        let mut sorted: Vec<&Customer<'_>> = customers.iter().filter(is_unshared).collect();
        sorted.sort_by_key(|customer| (-customer.1[0], customer.0));
        let row = |(customer, place): (&&Customer<'_>, i32)| {
            let taste = if customer.1[0] > 0 { "Movie" } else { "No" };
            format!("{place}|{}|{}|{taste}|{}", customer.0, customer.1[0], customer.2)
        };
        sorted.iter().take(10).zip(1..).map(row).collect()
    };
    let contracts: Vec<String> = (0..400).map(|n| format!("{n:03}")).collect();
    // So many shared ones in front of others with so many different numbers of active days.
    for (n_shared, n_others, n_days) in [(150, 200, 30), (150, 200, 1), (150, 3, 3), (150, 0, 1), (0, 40, 12)] {
        let shared = (0..n_shared).map(|n| (1 + n % 30, DAY * (1 + n % 30) + 1 + n));
        let others = (0..n_others).map(|n| (1 + n % n_days, DAY * (1 + n % n_days) - n / n_days * 7));
        let customers: Vec<Customer<'_>> = contracts
            .iter()
            .zip(shared.chain(others))
            .map(|(contract, (days, seconds))| (contract.as_str(), [seconds, 0, 0, 0, 0], days as u8))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, &customers)]);
        let found = rows(&mut warehouse, "2022-04", &tables::TOP_CUSTOMERS_UNSHARED);
        assert_eq!(found, expected(&customers), "{n_shared} {n_others} {n_days}");
    }
}

#[test]
fn a_month_that_was_never_loaded_has_no_mart() {
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = loaded(folder.path(), &[]);
    let error = build(&mut warehouse, "2022-04".parse().unwrap()).unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::NoMonth { wanted: Wanted::Mart, .. })), "{error}");
    assert_eq!(warehouse.months().unwrap(), []);
}

#[test]
fn a_month_whose_parts_do_not_add_up_in_64_bits_is_refused_by_the_load() {
    // The month's sum fits, that of the two who are alike does not.
    let rules = Rules::preset("seed").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let large = 6_000_000_000_000_000_000;
    let customers = ["A", "B", "C"].map(|contract| (contract, [0, 0, 0, 0, 1], 1));
    let mut warehouse = loaded(folder.path(), &[]);
    let mut table = month_table("2022-04", &rules, &customers);
    table.seconds[Category::Tv as usize] = [large, -large, large].into_iter().collect();
    let clock = RunClock { started: "2022-05-01T00:00:00Z".parse().unwrap() };
    let error = warehouse.load(&table, clock, &Progress::hidden()).unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Overflow { .. })), "{error}");
    assert_eq!(warehouse.months().unwrap(), []);
}

#[test]
fn a_failed_statement_leaves_the_mart_as_it_was() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = loaded(folder.path(), &[month_table("2022-04", &rules, APRIL)]);
    let mut script = script(Dialect::Sqlite);
    script.fills.last_mut().unwrap().select = "SELECT * FROM {mart}.missing".to_owned();
    let error = warehouse.publish_mart("2022-04".parse().unwrap(), &script).unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Said { meaning: Meaning::NoTables, .. })), "{error}");
    assert_eq!(rows(&mut warehouse, "2022-04", &tables::SUMMARY_CUSTOMER), ["4|40|5|5|0|20|70"]);
}

#[test]
fn statements_know_every_reason_and_every_table() {
    for dialect in [Dialect::Sqlite, MYSQL] {
        let script = script(dialect);
        let statements: Vec<String> = script.deletes().chain(script.inserts()).collect();
        for name in tables().map(Table::qualified) {
            let has = |start: String| statements.iter().any(|statement| statement.starts_with(&start));
            assert!(has(format!("DELETE FROM {name} WHERE Month = {{month}}")), "{name}");
            assert!(has(format!("INSERT INTO {name} (Month, ")), "{name}");
        }
        let quality = statements.iter().find(|statement| statement.contains("'kept'")).unwrap();
        assert!(Reason::ALL.iter().all(|reason| quality.contains(&format!("'{reason}'"))), "{quality}");
    }
    let mysql = script(MYSQL);
    let all = mysql.passes.iter().map(|pass| pass.sql.clone()).chain(mysql.inserts());
    assert!(all.into_iter().all(|statement| !statement.contains("ON CONFLICT") && !statement.contains("{cell}")));
}
