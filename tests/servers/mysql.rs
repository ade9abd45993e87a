//! The warehouse on MySQL and on MariaDB. The servers stay up after the tests; `scripts/mysql down` and
//! `scripts/mariadb down` with the folders below end them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use jiff::civil::date;
use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};
use viewmart::calendar::{Day, Month};
use viewmart::error::Advice as _;
use viewmart::ledger::{Ledger, Reason};
use viewmart::month::columns::Contracts;
use viewmart::month::{DayActivity, MonthTable, Provenance};
use viewmart::progress::Progress;
use viewmart::rules::{Category, Rules};
use viewmart::warehouse::mysql::{MysqlOptions, MysqlUrl, MysqlWarehouse, OptionFile, Secret};
use viewmart::warehouse::{RunClock, Value, Warehouse, WarehouseError};

/// A server started by a script of the repository.
#[derive(Clone, Copy, Debug)]
struct Server {
    script: &'static str,
    folder: &'static str,
    port: u16,
    options: &'static [&'static str],
}

/// For tests that only work in a database of their own.
const SHARED: [Server; 2] = [
    Server { script: "mariadb", folder: "target/test-mariadb", port: 33116, options: &["--local-infile=1"] },
    Server { script: "mysql", folder: "target/test-mysql", port: 33119, options: &["--local-infile=1"] },
];

/// For tests that change the settings of the whole server, or kill it.
const ODD: [Server; 2] = [
    Server { script: "mariadb", folder: "target/test-mariadb-odd", port: 33126, options: &["--local-infile=0"] },
    Server { script: "mysql", folder: "target/test-mysql-odd", port: 33129, options: &["--local-infile=0"] },
];

impl Server {
    fn script(&self, arguments: &[&str]) -> bool {
        let name = self.script.to_uppercase();
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(self.script))
            .args(arguments)
            .env(format!("VIEWMART_{name}_DIR"), self.folder)
            .env(format!("VIEWMART_{name}_PORT"), self.port.to_string())
            .status()
            .unwrap()
            .success()
    }

    fn up(&self) {
        let arguments: Vec<&str> = ["up"].iter().chain(self.options).copied().collect();
        assert!(self.script(&arguments), "{self:?} does not start");
    }

    fn kill(&self) {
        assert!(self.script(&["down", "-f"]), "{self:?}");
    }

    /// A connection as root.
    fn root(&self) -> Conn {
        let opts = OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false);
        Conn::new(opts).unwrap()
    }

    fn url(&self, database: &str) -> MysqlUrl {
        MysqlUrl::parse(&format!("mysql://root@127.0.0.1:{}/{database}", self.port)).unwrap()
    }

    /// A warehouse in a database that is not there yet.
    fn fresh(&self, database: &str) -> MysqlWarehouse {
        let mut root = self.root();
        root.query_drop(format!("DROP DATABASE IF EXISTS {database}")).unwrap();
        root.query_drop(format!("DROP DATABASE IF EXISTS {database}_mart")).unwrap();
        let mut warehouse = MysqlWarehouse::open(&self.url(database), options()).unwrap();
        warehouse.prepare().unwrap();
        warehouse
    }
}

fn shared() -> [Server; 2] {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| SHARED.iter().for_each(Server::up));
    SHARED
}

/// Both odd servers, for one test at a time, with their settings as started.
fn odd() -> (MutexGuard<'static, ()>, [Server; 2]) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    for server in ODD {
        // A test that failed may have left other settings.
        if server.script(&["status"]) {
            server.kill();
        }
        server.up();
    }
    (guard, ODD)
}

fn options() -> MysqlOptions {
    MysqlOptions { option_file: OptionFile::Ignored, ..MysqlOptions::default() }
}

fn clock() -> RunClock {
    RunClock { started: "2022-05-01T01:02:03.004Z".parse().unwrap() }
}

/// A month of customers with these seconds; everything that follows from them is made to agree.
fn month_table(month: &str, rows: BTreeMap<String, ([i64; 5], u8)>) -> MonthTable {
    let month: Month = month.parse().unwrap();
    let rules = Rules::preset("default").unwrap();
    let mut table = MonthTable {
        month,
        etl_date: date(2022, 5, 1),
        contracts: Contracts::default(),
        seconds: Default::default(),
        total: Vec::new(),
        most_watch: Vec::new(),
        taste: Vec::new(),
        activeness: Vec::new(),
        taste_labels: rules.taste_labels(),
        days: Vec::new(),
        ledger: Ledger::default(),
        provenance: Provenance {
            engine: viewmart::ENGINE.to_owned(),
            rules_name: "it's \\ a \"name\"".to_owned(),
            rules_sha256: rules.sha256.clone(),
            input_files: 2,
            input_bytes: 1 << 40,
        },
    };
    for (contract, (seconds, activeness)) in rows {
        table.contracts.push(&contract);
        for (column, seconds) in table.seconds.iter_mut().zip(seconds) {
            column.push(seconds);
        }
        for (sum, seconds) in table.ledger.seconds.iter_mut().zip(seconds) {
            *sum += i128::from(seconds);
        }
        table.total.push(seconds.iter().sum());
        table.most_watch.push(rules.most_watched(&seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8));
        table.taste.push(rules.taste(&seconds));
        table.activeness.push(activeness);
    }
    table.ledger.kept = table.n_rows() as u64;
    table.ledger.rejected[Reason::Malformed as usize] = 3;
    table.ledger.rejected[Reason::UnmappedApp as usize] = 7;
    table.ledger.unmapped_app = BTreeMap::from([("{mart}".to_owned(), 3), ("O'N\\E".to_owned(), 4)]);
    table.ledger.read = table.ledger.kept + 10;
    let seconds = table.ledger.seconds.map(|s| i64::try_from(s).unwrap_or(0));
    let active_users = table.n_rows() as u64;
    table.days = vec![DayActivity { day: Day::new(3).unwrap(), active_users, records: table.ledger.kept, seconds }];
    table
}

/// A month of `n` customers, fixed by `seed`.
fn random_month(month: &str, n: usize, seed: u64) -> MonthTable {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let rows = (0..n).map(|i| {
        let contract = format!("{}{:07}{i}", ["HNH", "SGH", "dnf", "É"][next(4) as usize], next(10_000_000));
        let seconds = [0; 5].map(|_: i64| if next(3) == 0 { next(1 << 40) as i64 } else { 0 });
        (contract, (seconds, 1 + next(30) as u8))
    });
    month_table(month, rows.collect())
}

/// Contracts that are different in bytes and alike to many a collation or parser.
fn hostile_month(month: &str) -> MonthTable {
    let long = "😀".repeat(100);
    let contracts = [
        "A1",
        "a1",
        "A1 ",
        " A1",
        "A1\u{0}",
        "\u{0}",
        "É",
        "E\u{301}",
        "é",
        "\\N",
        "\\",
        "\\\\",
        "N",
        "a\tb",
        "a\nb",
        "a\r\nb",
        "a\\tb",
        "'",
        "\"",
        "`",
        "''; DROP TABLE customer_behavior; --",
        "%",
        "_",
        "😀",
        "\u{10FFFF}",
        "\u{FFFF}",
        "\u{FEFF}A1",
        "ß",
        "ss",
        "SS",
        "NULL",
        "0",
        "00",
        "-1",
        "1e3",
        "null",
        "a\u{1a}b",
        "a\u{8}b",
        ",",
        "\t",
        "\n",
        "a\u{a0}",
        "ﬁ",
        "fi",
        "{mart}",
        "{",
        long.as_str(),
    ];
    let extremes = [i64::MAX, 0, 0, 0, 0];
    let rows = contracts.iter().enumerate().map(|(i, contract)| {
        let seconds = if i == 0 { extremes } else { [i as i64, 0, 86_400 * i as i64, 0, i64::from(i % 2 == 0)] };
        ((*contract).to_owned(), (seconds, 1 + (i % 31) as u8))
    });
    month_table(month, rows.collect())
}

/// Compares every column of every row, and their order, with the columns the rows came from.
#[track_caller]
fn assert_rows(warehouse: &mut MysqlWarehouse, table: &MonthTable) {
    let sql = "SELECT * FROM {warehouse}.customer_behavior WHERE Month = {month} ORDER BY Month, Contract";
    let found = warehouse.query(table.month, sql).unwrap();
    assert_eq!(found.len(), table.n_rows());
    for (row, found) in found.into_iter().enumerate() {
        let text = |text: &str| Value::Text(text.to_owned());
        let mut expected = vec![text(&table.month.first_day().to_string()), text(table.contracts.get(row))];
        expected.extend(Category::ALL.map(|c| Value::Integer(table.seconds[c as usize][row])));
        expected.push(Value::Integer(table.total[row]));
        expected.extend([text(table.most_watch(row)), text(table.taste(row))]);
        expected.push(Value::Integer(table.activeness[row].into()));
        expected.push(text(&table.etl_date.to_string()));
        assert_eq!(found, expected);
    }
}

/// Tables of the warehouse that a broken-off run left.
fn n_staging_tables(server: &Server, database: &str) -> u64 {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_NAME LIKE 'viewmart%'"
    );
    server.root().query_first(sql).unwrap().unwrap()
}

#[test]
fn hostile_contracts_arrive_unchanged() {
    for server in shared() {
        for n_connections in [1, 2, 3, 7] {
            let mut warehouse = server.fresh("hostile");
            let table = hostile_month("2022-04");
            let mut warehouse_of_n = {
                let options = MysqlOptions { load_connections: n_connections.try_into().unwrap(), ..options() };
                MysqlWarehouse::open(&server.url("hostile"), options).unwrap()
            };
            warehouse_of_n.load(&table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, &table);
            assert_eq!(n_staging_tables(&server, "hostile"), 0);
            assert_eq!(warehouse.take_warnings(), Vec::<String>::new());
        }
    }
}

#[test]
fn days_and_runs_are_recorded() {
    for server in shared() {
        let mut warehouse = server.fresh("recorded");
        let table = hostile_month("2022-04");
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        let mut ask = |sql: &str| warehouse.query(table.month, sql).unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let n = Value::Integer(table.n_rows() as i64);
        let days = ask("SELECT Month, Day, ActiveUsers, Records FROM {warehouse}.daily_activity");
        assert_eq!(days, [vec![text("2022-04-01"), text("2022-04-03"), n.clone(), n.clone()]]);
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
            text(viewmart::ENGINE),
            Value::Integer(2),
            Value::Integer(1 << 40),
            Value::Integer(table.n_rows() as i64 + 10),
            n,
            Value::Integer(3),
            Value::Integer(0),
            Value::Integer(7),
        ];
        assert_eq!(runs, [run]);
        let apps = ask("SELECT Run, App, Records FROM {warehouse}.etl_run_unmapped_app ORDER BY App");
        let app = |app: &str, records: i64| vec![Value::Integer(1), text(app), Value::Integer(records)];
        assert_eq!(apps, [app("O'N\\E", 4), app("{mart}", 3)]);
    }
}

#[test]
fn a_rerun_replaces_its_month_and_no_other() {
    for server in shared() {
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
