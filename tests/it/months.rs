//! Months of a warehouse: listed, removed, described.

use rusqlite::Connection;

use crate::support::{Finished, Workplace, record};

const WAREHOUSE: [&str; 2] = ["--warehouse", "sqlite:shared/warehouse.db"];

/// Runs months of three days with so many customers into one warehouse and one output folder.
fn run_months(work: &Workplace, months: &[(&str, usize)]) {
    for (month, n_customers) in months {
        let digits = month.replace('-', "");
        for day in 1..=3 {
            let records: Vec<String> = (0..*n_customers).map(|n| record(&format!("{n:05}"), "VOD", 7200)).collect();
            work.write(&format!("{month}/{digits}{day:02}.json"), records.concat());
        }
        command(work, &["run", month, "--month", month, "--out", "out", "--devices"]).ok();
    }
}

fn command(work: &Workplace, words: &[&str]) -> Finished {
    work.run(words.iter().chain(&WAREHOUSE))
}

/// Runs SQL on a file of the shared warehouse.
fn sql(work: &Workplace, file: &str, sql: &str) {
    Connection::open(work.path("shared").join(file)).unwrap().execute_batch(sql).unwrap();
}

/// Rows of a month in every table of a file that holds months.
fn n_rows(work: &Workplace, file: &str, month: &str) -> Vec<(String, u64)> {
    let file = format!("shared/{file}");
    let tables = "SELECT object.name FROM sqlite_schema AS object JOIN pragma_table_info(object.name) AS info \
                  WHERE object.type = 'table' AND info.name = 'Month' AND object.name <> 'etl_run' ORDER BY 1";
    let count = |table: String| {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE Month = '{month}-01'");
        let rows = work.rows(&file, &sql);
        (table, rows[0][0].parse().unwrap())
    };
    work.rows(&file, tables).into_iter().flatten().map(count).collect()
}

/// Whether a table has rows; a month with none before it has no movement.
fn is_filled((table, n_rows): &(String, u64)) -> bool {
    table.ends_with("_movement") == (*n_rows == 0)
}

#[test]
fn a_month_goes_from_warehouse_and_mart() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 10), ("2022-05", 20)]);
    work.write("out/month-2022-04.parquet", "");
    work.write("out/month-2022-05.parquet", "");
    let may = ["warehouse.db", "mart.db"].map(|file| n_rows(&work, file, "2022-05"));
    let april = n_rows(&work, "mart.db", "2022-04");
    assert!(april.iter().all(is_filled), "{april:?}");

    let dropped = command(&work, &["drop", "--month", "2022-04", "--out", "out"]).ok();
    assert!(dropped.stdout.starts_with("month 2022-04: removed from sqlite:"), "{}", dropped.stdout);
    let named: Vec<&str> =
        dropped.stdout.lines().filter_map(|line| line.strip_prefix("still shows it: out/")).collect();
    let of_april =
        ["devices", "parquet", "rejects.ndjson", "report.json"].map(|ending| format!("month-2022-04.{ending}"));
    assert_eq!(named[..4], of_april);
    assert_eq!(named[4..], ["dashboard.html"]);
    for file in ["warehouse.db", "mart.db"] {
        assert!(n_rows(&work, file, "2022-04").iter().all(|(_, n)| *n == 0), "{file}");
    }
    // The month after has none before it any more, and so no movement.
    let without_movement = may.map(|tables| {
        tables.into_iter().map(|(table, n)| if table.ends_with("_movement") { (table, 0) } else { (table, n) })
    });
    for (file, expected) in ["warehouse.db", "mart.db"].into_iter().zip(without_movement) {
        assert_eq!(n_rows(&work, file, "2022-05"), expected.collect::<Vec<_>>(), "{file}");
    }
    let statuses = "SELECT Month, Status FROM etl_run ORDER BY Id";
    assert_eq!(work.rows("shared/warehouse.db", statuses), [["2022-04-01", "dropped"], ["2022-05-01", "published"]]);

    let again = command(&work, &["drop", "--month", "2022-04"]);
    again.failed(5, &["does not hold the month 2022-04", "viewmart months"]);
    command(&work, &["mart", "--month", "2022-04"]).failed(5, &["does not hold the month 2022-04"]);
    run_months(&work, &[("2022-04", 5)]);
    assert_eq!(n_rows(&work, "mart.db", "2022-04").len(), april.len());
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run_published"), [["2"]]);
}

#[test]
fn the_newest_files_are_named_where_they_show_the_month() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 3)]);
    let dropped = command(&work, &["drop", "--month", "2022-04", "--out", "out", "--json"]).ok();
    let dropped: serde_json::Value = serde_json::from_str(&dropped.stdout).unwrap();
    assert_eq!(dropped["month"], "2022-04");
    let names: Vec<&str> = dropped["files"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(["out/report.json", "out/viewmart.twbx", "out/dashboard.html"].iter().all(|name| names.contains(name)));
}

#[test]
fn all_files_behind_many_months_are_named() {
    let work = Workplace::new();
    for (month, n_customers) in [("2022-04", 3), ("2022-05", 4)] {
        for day in 1..=2 {
            let records: Vec<String> = (0..n_customers).map(|n| record(&n.to_string(), "VOD", 60)).collect();
            let rejected = record("1", &format!("APP-{month}"), 1);
            work.write(&format!("lake/{}{day:02}.json", month.replace('-', "")), records.concat() + &rejected);
        }
    }
    let run = ["run", "lake", "--month", "all", "--out", "out"];
    command(&work, &run).ok();
    // Of April a run is refused since.
    work.write("lake/20220401.json", "no record\n".repeat(2000));
    assert_eq!(command(&work, &run).code, Some(4));
    let named = |month: &str| {
        let dropped = command(&work, &["drop", "--month", month, "--out", "out", "--json"]).ok();
        let dropped: serde_json::Value = serde_json::from_str(&dropped.stdout).unwrap();
        let names = dropped["files"].as_array().unwrap().iter();
        let newest = names.map(|name| name.as_str().unwrap().to_owned()).filter(|name| !name.contains("month-"));
        newest.map(|name| name.trim_start_matches("out/").to_owned()).collect::<Vec<String>>()
    };
    let refused = ["report.json", "report-refused.json", "rejects-refused.ndjson", "dashboard.html"];
    assert_eq!(named("2022-04"), refused);
    assert_eq!(named("2022-05"), ["report.json", "rejects.ndjson", "viewmart.twbx", "dashboard.html"]);
}

#[test]
fn a_month_without_a_mart_is_told_where_it_is_to_be_drawn() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 3), ("2022-05", 4)]);
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-05-01'");
    let next = ["2022-05 is loaded, its mart is missing", "make it with `viewmart mart --month 2022-05`"];
    command(&work, &["dashboard", "--month", "2022-05"]).failed(2, &next);
    let drawn = command(&work, &["dashboard"]).ok();
    assert!(next.iter().all(|words| drawn.stderr.contains(words)), "{}", drawn.stderr);
    sql(&work, "mart.db", "DELETE FROM mart_run");
    command(&work, &["dashboard"]).failed(2, &next);
    command(&work, &["mart", "--month", "2022-04"]).ok();
    command(&work, &["dashboard", "--month", "2022-03"]).failed(2, &["has no month 2022-03; it has 2022-04"]);
}

#[test]
fn a_drop_names_its_month_on_the_command_line() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 3)]);
    let mut drop = work.command(["drop"].iter().chain(&WAREHOUSE));
    let found = Finished::of(drop.env("VIEWMART_MONTH", "2022-04").output().unwrap());
    found.failed(2, &["--month"]);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run_published"), [["1"]]);
}

#[test]
fn a_drop_that_was_killed_between_the_files_is_finished_by_the_next() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 10), ("2022-05", 20)]);
    sql(
        &work,
        "warehouse.db",
        "DELETE FROM customer_behavior WHERE Month = '2022-04-01'; DELETE FROM daily_activity WHERE Month = '2022-04-01';
         UPDATE etl_run SET Status = 'dropped' WHERE Month = '2022-04-01'",
    );
    let listed = command(&work, &["months"]).ok().stdout;
    assert!(listed.lines().any(|line| line.starts_with("2022-04") && line.contains("1 dropped    stale")), "{listed}");
    command(&work, &["drop", "--month", "2022-04"]).ok();
    assert!(n_rows(&work, "mart.db", "2022-04").iter().all(|(_, n)| *n == 0));
    assert!(n_rows(&work, "mart.db", "2022-05").iter().all(is_filled));
}

#[test]
fn months_are_listed_with_the_run_that_stands_and_the_last_one() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 1000), ("2022-05", 20), ("2022-06", 1)]);
    sql(
        &work,
        "warehouse.db",
        "UPDATE etl_run SET Status = 'dropped' WHERE Id = 3; INSERT INTO etl_run_warning VALUES (1, 1, 'k', 't');
         CREATE TEMP TABLE again AS SELECT * FROM etl_run WHERE Id = 2;
         UPDATE again SET Id = 4, Status = 'refused'; INSERT INTO etl_run SELECT * FROM again;",
    );
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-05-01'");
    let expected = "\
month    run  rules    customers  hours  warnings  last run     mart
2022-04    1  default      1,000  6,000         1  1 published  current
2022-05    2  default         20  120.0         0  4 refused    missing
2022-06    -  -                -      -         -  3 dropped    stale
";
    assert_eq!(command(&work, &["months"]).ok().stdout, expected);
    let listed: serde_json::Value = serde_json::from_str(&command(&work, &["months", "--json"]).ok().stdout).unwrap();
    assert_eq!(
        listed["months"][0],
        serde_json::json!({"month": "2022-04", "run": 1, "rules": "default", "customers": 1000, "seconds": 21_600_000,
            "warnings": 1, "last_run": 1, "last_status": "published", "mart": "current",
            "movement": "current"})
    );
    assert_eq!(listed["months"][2]["run"], serde_json::Value::Null);
    let absent = work.run(["months", "--warehouse", "sqlite:absent/warehouse.db"]);
    absent.failed(5, &["there is no file", "viewmart run"]);
}

#[test]
fn a_month_whose_customers_are_gone_has_no_mart() {
    let work = Workplace::new();
    run_months(&work, &[("2022-04", 3)]);
    // No seconds, so that no sum tells.
    for (table, labels) in [("customer_behavior", ", MostWatch = 'No', Taste = 'No'"), ("daily_activity", "")] {
        sql(&work, "warehouse.db", &format!("UPDATE {table} SET MovieDuration = 0, TotalDuration = 0{labels}"));
    }
    command(&work, &["mart", "--month", "2022-04"]).ok();
    sql(&work, "warehouse.db", "DELETE FROM customer_behavior");
    let found = command(&work, &["mart", "--month", "2022-04"]);
    found.failed(
        5,
        &["the customers are missing in customer_behavior, but there in the run in etl_run", "load the month"],
    );
}

#[test]
fn the_views_of_the_original_show_the_newest_month() {
    let work = Workplace::new();
    run_months(&work, &[("2022-05", 20), ("2022-04", 10)]);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM customer_behavior_seed"), [["20"]]);
    let users = "SELECT \"Total User\" FROM summary_customer_seed";
    assert_eq!(work.rows("shared/mart.db", users), [["20"]]);
    command(&work, &["drop", "--month", "2022-05"]).ok();
    assert_eq!(work.rows("shared/mart.db", users), [["10"]]);
}

#[test]
fn the_dictionary_is_printed_without_a_warehouse() {
    let work = Workplace::new();
    let markdown = work.run(["schema"]).ok().stdout;
    assert!(markdown.starts_with("# Data dictionary\n"), "{markdown}");
    assert!(markdown.contains("### customer_behavior\n"), "{markdown}");
    let dbt = work.run(["schema", "--format", "dbt"]).ok().stdout;
    assert!(dbt.starts_with("version: 2\n\nsources:\n  - name: viewmart\n"), "{dbt}");
    work.run(["schema", "--format", "csv"]).failed(2, &["markdown, dbt"]);
}
