//! The workbooks under Tableau's own tools: schema, Document API, Hyper API. `tests/tableau/check.py` asks them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use viewmart::dashboard::tableau::{
    Connection, Contracts, RowFormat, Subject, TableRows, datasource, package, workbook,
};
use viewmart::engine::calendar::Month;
use viewmart::engine::month::MonthTable;
use viewmart::engine::rules::Rules;
use viewmart::warehouse::ServerAddress;

use crate::support::made::{Customer, month_table};

/// Contracts that text formats trip over, in byte order.
const HOSTILE: [&str; 14] =
    ["\u{0}", " A1", "\"", "=1+1", "A1", "A1 ", "\\N", "a,b", "a1", "a\tb", "a\r\nb", "e\u{301}", "é", "\u{1f600}"];

fn month() -> Month {
    "2022-04".parse().expect("a month")
}

/// One row per hostile contract, with seconds up to the limit of 64 bits.
fn table() -> MonthTable {
    let seconds = |row: usize| [if row == 0 { i64::MAX / 2 } else { 60 * row as i64 }, 0, row as i64, 0, 86_400];
    let customers: Vec<Customer<'_>> =
        HOSTILE.into_iter().enumerate().map(|(row, contract)| (contract, seconds(row), row as u8 + 1)).collect();
    month_table("2022-04", &Rules::preset("default").expect("the built-in rules"), &customers)
}

/// What the checker must find in every archive: rows, sums and the contracts themselves.
fn expected(table: &MonthTable) -> Value {
    let names = ["MovieDuration", "SportDuration", "ChildDuration", "RelaxDuration", "TvDuration"];
    let sum = |column: &[i64]| column.iter().map(|seconds| i128::from(*seconds)).sum::<i128>().to_string();
    let mut sums = json!({
        "TotalDuration": sum(&table.total),
        "Activeness": table.activeness.iter().map(|days| u64::from(*days)).sum::<u64>().to_string(),
    });
    for (name, column) in names.iter().zip(&table.seconds) {
        sums[name] = sum(column).into();
    }
    json!({
        "rows": table.n_rows(),
        "sums": sums,
        "contracts": HOSTILE,
        "month": "2022-04-01",
        "date": "2022-05-01",
        "mysql": {"dbclass": "mysql", "server": "db.example", "port": "3306", "dbname": "lake", "username": "analyst"},
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tableau").join(name)
}

/// Runs the checker and returns what it printed; its tools are installed under the build folder on first use.
fn check(arguments: &[&Path]) -> String {
    let output = Command::new("python3")
        .arg(script("check.py"))
        .arg("--tools")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("tableau-tools"))
        .args(arguments)
        .output()
        .expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    printed
}

#[test]
fn tableaus_own_tools_accept_the_workbooks() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tableau");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let table = table();
    let subject = Subject { month: month(), provenance: "viewmart, rules default".into(), mark: String::new() };
    let live = Connection::Mysql(ServerAddress {
        host: "db.example".into(),
        port: 3306,
        database: "lake".into(),
        user: "analyst".into(),
    });
    fs::write(folder.join("viewmart.twb"), workbook(&subject, &live)).expect("a workbook");
    fs::write(folder.join("viewmart.tds"), datasource(&live)).expect("a data source");
    fs::write(folder.join("expected.json"), expected(&table).to_string()).expect("the expectations");

    let hyperd = PathBuf::from(check(&[Path::new("--hyperd")]).trim());
    let formats = [("csv.twbx", RowFormat::Csv), ("hyper.twbx", RowFormat::Hyper { hyperd, scratch: folder.clone() })];
    for (name, format) in formats {
        let file = File::create(folder.join(name)).expect("an archive");
        let packaged =
            package(file, &subject, &mut TableRows(&table), Contracts::Plain, &format).expect("a packaged workbook");
        assert_eq!((packaged.n_rows, packaged.note), (HOSTILE.len() as u64, None), "{name}");
    }
    let printed = check(&[&folder]);
    for line in ["viewmart.twb: ok", "viewmart.tds: ok", "csv.twbx: ok", "hyper.twbx: ok"] {
        assert!(printed.contains(line), "{printed}");
    }
}
