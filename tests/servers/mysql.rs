//! The warehouse on MySQL and on MariaDB. The servers stay up after the tests; `scripts/mysql down` and
//! `scripts/mariadb down` with the folders below end them.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use jiff::civil::date;
use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};
use sha2::{Digest as _, Sha256};
use viewmart::console::Progress;
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::ledger::{Ledger, LedgerDetail, Reason};
use viewmart::engine::month::{Contracts, DayActivity, MonthTable, Provenance};
use viewmart::engine::rules::{Category, Rules};
use viewmart::error::Advice as _;
use viewmart::mart;
use viewmart::warehouse::mysql::{
    MysqlOptions, MysqlUrl, MysqlWarehouse, OptionFile, Outcome, Secret, warehouse_checks,
};
use viewmart::warehouse::schema;
use viewmart::warehouse::{
    CustomerRow, Dialect, Fill, MartScript, Missing, Reads, RunClock, SqliteWarehouse, Value, Warehouse, WarehouseError,
};

mod months;
mod program;

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
    Server { script: "mariadb", folder: "target/test-mariadb", port: 23116, options: &["--local-infile=1"] },
    Server { script: "mysql", folder: "target/test-mysql", port: 23119, options: &["--local-infile=1"] },
];

/// For tests that change the settings of the whole server, or kill it.
const ODD: [Server; 2] = [
    Server { script: "mariadb", folder: "target/test-mariadb-odd", port: 23126, options: &["--local-infile=0"] },
    Server { script: "mysql", folder: "target/test-mysql-odd", port: 23129, options: &["--local-infile=0"] },
];

impl Server {
    fn script(&self, arguments: &[&str]) -> bool {
        let name = self.script.to_uppercase();
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(self.script))
            .args(arguments)
            .env(format!("VIEWMART_{name}_DIR"), self.folder)
            .env(format!("VIEWMART_{name}_PORT"), self.port.to_string())
            .output()
            .unwrap()
            .status
            .success()
    }

    fn up(&self) {
        let arguments: Vec<&str> = ["up"].iter().chain(self.options).copied().collect();
        assert!(self.script(&arguments), "{self:?} does not start");
    }

    fn kill(&self) {
        assert!(self.script(&["down", "-f"]), "{self:?}");
    }

    /// Starts it again, with one more option.
    fn restart_with(&self, option: &str) {
        if self.script(&["status"]) {
            assert!(self.script(&["down"]), "{self:?}");
        }
        let arguments: Vec<&str> = ["up"].iter().chain(self.options).copied().chain([option]).collect();
        assert!(self.script(&arguments), "{self:?} does not start");
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
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
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
        seconds: Category::ALL.map(|category| rows.values().map(|(seconds, _)| seconds[category as usize]).collect()),
        total: rows.values().map(|(seconds, _)| seconds.iter().sum()).collect(),
        most_watch: Vec::new(),
        taste: Vec::new(),
        days: rows.values().map(|(_, activeness)| (1 << activeness) - 1).collect(),
        activeness: Vec::new(),
        taste_labels: rules.labels.taste_labels(),
        activity: Vec::new(),
        ledger: Ledger::default(),
        detail: LedgerDetail::default(),
        provenance: Provenance {
            engine: viewmart::ENGINE.to_owned(),
            rules_name: "it's \\ a \"name\"".to_owned(),
            rules_sha256: rules.sha256.clone(),
            rules_text: rules.to_toml(),
            input_files: 2,
            input_bytes: 1 << 40,
        },
    };
    for (contract, (seconds, activeness)) in rows {
        table.contracts.push(&contract);
        for (sum, seconds) in table.ledger.seconds.iter_mut().zip(seconds) {
            *sum += i128::from(seconds);
        }
        table.most_watch.push(rules.labels.most_watched(&seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8));
        table.taste.push(rules.labels.taste(&seconds));
        table.activeness.push(activeness);
    }
    table.ledger.kept = table.n_rows() as u64;
    table.ledger.rejected[Reason::Malformed as usize] = 3;
    table.ledger.rejected[Reason::UnmappedApp as usize] = 7;
    table.ledger.unmapped_app = BTreeMap::from([("{mart}".to_owned(), 3), ("O'N\\E".to_owned(), 4)]);
    table.ledger.read = table.ledger.kept + 10;
    let seconds = table.ledger.seconds.map(|s| i64::try_from(s).unwrap_or(0));
    let active_users = table.n_rows() as u64;
    table.activity = vec![DayActivity { day: Day::new(3).unwrap(), active_users, records: table.ledger.kept, seconds }];
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
    let extremes = [i64::MAX / 2, 0, 0, 0, 0];
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
fn a_month_streams_as_it_was_loaded() {
    for server in shared() {
        let mut warehouse = server.fresh("streamed");
        let table = hostile_month("2022-04");
        let other = random_month("2022-05", 10, 1);
        for table in [&table, &other] {
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
        }
        let mut row = 0;
        let mut each = |found: CustomerRow<'_>| {
            assert_eq!(found.contract, table.contracts.get(row), "{server:?}");
            let seconds: [i64; 5] = std::array::from_fn(|category| table.seconds[category][row]);
            assert_eq!(
                (found.seconds, found.total, found.activeness),
                (seconds, table.total[row], table.activeness[row])
            );
            assert_eq!((found.most_watch, found.taste), (table.most_watch(row), table.taste(row)));
            assert_eq!(found.etl_date, table.etl_date);
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
        let apps = ask("SELECT Run, App, Records FROM {warehouse}.etl_run_app WHERE Category = '' ORDER BY App");
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

#[test]
fn a_random_month_is_the_same_on_every_server_and_any_number_of_connections() {
    let table = random_month("2022-04", 20_000, 7);
    let sql = "SELECT COUNT(*), SUM(TotalDuration), SUM(Activeness), MIN(Contract), MAX(Contract) \
               FROM {warehouse}.customer_behavior WHERE Month = {month}";
    let mut answers = Vec::new();
    for server in shared() {
        for n_connections in [1, 4] {
            let mut warehouse = server.fresh("random");
            let options = MysqlOptions { load_connections: n_connections.try_into().unwrap(), ..options() };
            let mut warehouse_of_n = MysqlWarehouse::open(&server.url("random"), options).unwrap();
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
fn readers_see_whole_months_only() {
    /// What each of them gives is one of the states, in one statement: customers, days and mart.
    const LOOKS: [&str; 3] = [
        "SELECT COUNT(*), CAST(SUM(TotalDuration) AS SIGNED) FROM polled.customer_behavior WHERE Month = '2022-04-01'",
        "SELECT CAST(SUM(ActiveUsers) AS UNSIGNED), CAST(SUM(TotalDuration) AS SIGNED) FROM polled.daily_activity \
         WHERE Month = '2022-04-01'",
        "SELECT CAST(SUM(active.Users) AS UNSIGNED), MAX(summary.TotalDuration) \
         FROM polled_mart.summary_customer AS summary \
         JOIN polled_mart.activeness_distribution AS active ON active.Month = summary.Month \
         WHERE summary.Month = '2022-04-01' AND summary.TotalUser = \
         (SELECT SUM(Users) FROM polled_mart.watch_time_distribution WHERE Month = '2022-04-01')",
    ];
    for server in shared() {
        let mut warehouse = server.fresh("polled");
        let months = [random_month("2022-04", 2000, 1), random_month("2022-04", 3000, 2)];
        let states: Vec<(u64, i64)> =
            months.iter().map(|table| (table.n_rows() as u64, table.total.iter().sum())).collect();
        let mut run = |table: &MonthTable| {
            warehouse.load(table, clock(), &Progress::hidden()).unwrap();
            mart::build(&mut warehouse, table.month).unwrap();
        };
        run(&months[0]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let polls = LOOKS.map(|look| {
                let (states, done) = (&states, &done);
                scope.spawn(move || {
                    let mut root = server.root();
                    let mut seen = BTreeMap::new();
                    while !done.load(Ordering::Relaxed) {
                        // A sum of nothing is NULL.
                        let (users, seconds): (Option<u64>, Option<i64>) = root.query_first(look).unwrap().unwrap();
                        let state = (users.unwrap_or(0), seconds.unwrap_or(0));
                        assert!(
                            states.contains(&state),
                            "a reader saw {state:?}, but the months are {states:?}: {look}"
                        );
                        *seen.entry(state).or_insert(0) += 1;
                    }
                    seen
                })
            });
            for i in 1..=20 {
                run(&months[i % 2]);
            }
            done.store(true, Ordering::Relaxed);
            for poll in polls {
                let seen = poll.join().unwrap();
                assert_eq!(seen.len(), 2, "{seen:?}");
            }
        });
    }
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
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), options()).unwrap();
        let table = random_month("2022-04", 5000, 5);
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &table);

        // A name that does not fit: the run is not recorded, and the month taken back.
        server.root().query_drop("SET GLOBAL max_allowed_packet = 1024").unwrap();
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), options()).unwrap();
        let mut other = random_month("2022-04", 50, 6);
        other.ledger.unmapped_app = BTreeMap::from([("😀".repeat(500), 7)]);
        other.activity.clear();
        let error = warehouse.load(&other, clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, "recording the run failed", "SET GLOBAL max_allowed_packet");
        server.root().query_drop("SET GLOBAL max_allowed_packet = 67108864").unwrap();
        let mut warehouse = MysqlWarehouse::open(&server.url("inserted"), options()).unwrap();
        assert_rows(&mut warehouse, &table);
        let n_days = warehouse.query(table.month, "SELECT COUNT(*) FROM {warehouse}.daily_activity").unwrap();
        assert_eq!(n_days, [[Value::Integer(1)]]);
        warehouse.load(&other, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &other);
    }
}

#[track_caller]
fn assert_message(error: &WarehouseError, why: &str, advice: &str) {
    let (text, found) = (error.to_string(), error.advice().unwrap_or_default().into_owned());
    assert!(text.contains(why), "{text}: {found}");
    assert!(found.contains(advice), "{text}: {found}");
    assert!(!text.contains('\n') && !found.contains('\n'), "{text}: {found}");
}

fn refused(url: &MysqlUrl, options: MysqlOptions) -> WarehouseError {
    let options = MysqlOptions { retry_for: Duration::from_millis(100), ..options };
    match MysqlWarehouse::open(url, options).map(|mut warehouse| mart::prepare(&mut warehouse, Missing::Create)) {
        Err(error) | Ok(Err(error)) => error,
        Ok(Ok(())) => panic!("{url:?} was not refused"),
    }
}

#[test]
fn a_wrong_password_is_refused_and_shown_nowhere() {
    for server in shared() {
        let mut root = server.root();
        root.query_drop("DROP USER IF EXISTS locked").unwrap();
        root.query_drop("CREATE USER locked IDENTIFIED BY 'the right one'").unwrap();
        let url = MysqlUrl::parse(&format!("mysql://locked@127.0.0.1:{}/tv", server.port)).unwrap();
        let wrong = MysqlOptions { password: Some(Secret::new("a wrong one")), ..options() };
        assert!(!format!("{wrong:?}").contains("wrong one"));
        let error = refused(&url, wrong);
        assert_message(&error, "Access denied", "VIEWMART_MYSQL_PASSWORD");
        assert!(!format!("{error:?} {error} {:?}", error.advice()).contains("wrong one"));

        // The option file gives the right one.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.cnf");
        fs::write(&file, "[client]\npassword=\"the right one\"\nuser=nobody\n").unwrap();
        let options = MysqlOptions { option_file: OptionFile::At(file), ..options() };
        let warehouse = MysqlWarehouse::open(&url, options).unwrap();
        assert!(!format!("{warehouse:?}").contains("right one"));
    }
    let error = MysqlUrl::parse("mysql://u:a wrong one@h/tv").unwrap_err();
    assert!(!error.to_string().contains("wrong one"), "{error}");
    let error = refused(
        &SHARED[0].url("tv"),
        MysqlOptions { option_file: OptionFile::At("/nowhere/my.cnf".into()), ..options() },
    );
    assert_message(&error, "/nowhere/my.cnf: it cannot be read", "--defaults-file");
}

#[test]
fn the_documented_rights_suffice_and_less_is_explained() {
    for server in shared() {
        let mut root = server.root();
        for sql in [
            "DROP DATABASE IF EXISTS limited",
            "DROP DATABASE IF EXISTS limited_mart",
            "DROP USER IF EXISTS etl",
            "CREATE USER etl IDENTIFIED BY 'pass word'",
        ] {
            root.query_drop(sql).unwrap();
        }
        let url = MysqlUrl::parse(&format!("mysql://etl@127.0.0.1:{}/limited", server.port)).unwrap();
        let options = MysqlOptions { password: Some(Secret::new("pass word")), ..options() };

        let error = refused(&url, options.clone());
        assert_message(&error, "`limited` does not exist", "CREATE DATABASE IF NOT EXISTS `limited` CHARACTER SET");
        root.query_drop("CREATE DATABASE limited").unwrap();
        root.query_drop("GRANT SELECT ON limited.* TO etl").unwrap();
        let error = refused(&url, options.clone());
        assert_message(&error, "`limited_mart` does not exist", "GRANT SELECT, INSERT");
        root.query_drop("CREATE DATABASE limited_mart").unwrap();
        let error = refused(&url, options.clone());
        assert_message(&error, "denied", "GRANT SELECT, INSERT");
        root.query_drop("DROP DATABASE limited").unwrap();
        root.query_drop("DROP DATABASE limited_mart").unwrap();
        root.query_drop("REVOKE ALL, GRANT OPTION FROM etl").unwrap();

        for database in ["limited", "limited_mart"] {
            let privileges = viewmart::warehouse::mysql::PRIVILEGES;
            root.query_drop(format!("GRANT {privileges} ON {database}.* TO etl")).unwrap();
        }
        let mut warehouse = MysqlWarehouse::open(&url, options).unwrap();
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        for table in [hostile_month("2022-04"), random_month("2022-04", 100, 1), random_month("2022-05", 100, 1)] {
            warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
            assert_rows(&mut warehouse, &table);
        }
        let april: Month = "2022-04".parse().unwrap();
        let script = |select: &str| {
            let select = select.to_owned();
            let fill = Fill { table: &schema::MART_RUN, reads: Reads::Mart, select };
            MartScript { fills: vec![fill], ..mart::script(Dialect::Mysql { collation: "utf8mb4_bin" }) }
        };
        warehouse.publish_mart(april, &script("VALUES ({month}, 1)")).unwrap();
        assert_eq!(warehouse.months().unwrap(), [april]);
        let error = warehouse.publish_mart(april, &script("SELECT * FROM {mart}.nothing")).unwrap_err();
        assert_message(&error, "filling the mart failed", "");
        assert_eq!(warehouse.months().unwrap(), [april]);
    }
}

#[test]
fn a_table_of_somebody_else_is_left_alone() {
    for server in shared() {
        drop(server.fresh("foreign_table"));
        let mut root = server.root();
        root.query_drop("DROP TABLE foreign_table.customer_behavior").unwrap();
        root.query_drop("CREATE TABLE foreign_table.customer_behavior (Contract TEXT)").unwrap();
        let error = refused(&server.url("foreign_table"), options());
        assert_message(&error, "table customer_behavior in `foreign_table` has other columns", "RENAME TO");
    }
}

#[test]
fn servers_that_are_not_there_are_named() {
    let free_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = |port: u16| MysqlUrl::parse(&format!("mysql://u@127.0.0.1:{port}/tv")).unwrap();
    let port = free_port();
    assert_message(
        &refused(&url(port), options()),
        &format!("127.0.0.1:{port}/tv: connecting failed"),
        "start the server",
    );

    // A listener that says nothing, and one that speaks another language.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = MysqlOptions { connect_timeout: Duration::from_secs(1), ..options() };
    let began = Instant::now();
    let error = refused(&url(silent.local_addr().unwrap().port()), options.clone());
    assert_message(&error, "no answer within 1 s", "firewall");
    assert!(began.elapsed() < Duration::from_secs(20));
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    assert_message(&refused(&url(port), options.clone()), "connecting failed", "");
    let url = MysqlUrl::parse("mysql://u@no-such-host.invalid/tv").unwrap();
    assert_message(&refused(&url, options.clone()), "no-such-host.invalid:3306", "correct host and port");
    let url = MysqlUrl::parse("mysql:///tv?socket=/nowhere/mysqld.sock").unwrap();
    assert_message(&refused(&url, options), "/nowhere/mysqld.sock", "path of the socket");
}

#[test]
fn sockets_work() {
    for server in shared() {
        drop(server.fresh("by_socket"));
        let socket = format!("/tmp/viewmart-{}-{}.sock", server.script, server.port);
        let url = MysqlUrl::parse(&format!("mysql://root@localhost/by_socket?socket={socket}")).unwrap();
        let mut warehouse = MysqlWarehouse::open(&url, options()).unwrap();
        let table = random_month("2022-04", 10, 1);
        warehouse.load(&table, clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &table);
    }
}

#[test]
fn tls_is_used_and_checked_as_asked() {
    let [mariadb, mysql] = shared();
    let open = |server: &Server, settings: &str| {
        let url = format!("mysql://root@127.0.0.1:{}/mysql?{settings}", server.port);
        MysqlWarehouse::open(&MysqlUrl::parse(&url).unwrap(), options())
    };
    let month = "2022-04".parse().unwrap();
    let encrypted = |warehouse: &mut MysqlWarehouse| {
        let sql =
            "SELECT VARIABLE_VALUE <> '' FROM performance_schema.session_status WHERE VARIABLE_NAME = 'Ssl_cipher'";
        warehouse.query(month, sql).unwrap() == [[Value::Integer(1)]]
    };
    let ca = PathBuf::from(mysql.folder).join("data/ca.pem").display().to_string();
    assert!(encrypted(&mut open(&mysql, "").unwrap()));
    assert!(encrypted(&mut open(&mysql, "ssl-mode=REQUIRED").unwrap()));
    assert!(encrypted(&mut open(&mysql, &format!("ssl-mode=VERIFY_CA&ssl-ca={ca}")).unwrap()));
    assert!(!encrypted(&mut open(&mysql, "ssl-mode=DISABLED").unwrap()));
    let error = open(&mysql, "ssl-mode=VERIFY_CA").unwrap_err();
    assert_message(&error, "TLS failed: invalid peer certificate", "ssl-ca");
    let error = open(&mysql, &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")).unwrap_err();
    assert_message(&error, "TLS failed: invalid peer certificate", "ssl-ca");
    let error = open(&mysql, "ssl-mode=VERIFY_CA&ssl-ca=/nowhere.pem").unwrap_err();
    assert_message(&error, "No such file", "ssl-ca");
    // This MariaDB has no certificate.
    assert!(open(&mariadb, "").is_ok());
    assert_message(&open(&mariadb, "ssl-mode=REQUIRED").unwrap_err(), "does not offer TLS", "ssl-mode=PREFERRED");
}

#[test]
fn read_only_and_tls_only_servers_say_so() {
    let (_guard, servers) = odd();
    for server in servers {
        drop(server.fresh("guarded"));
        let mut root = server.root();
        root.query_drop("DROP USER IF EXISTS etl").unwrap();
        root.query_drop("CREATE USER etl").unwrap();
        root.query_drop("GRANT ALL ON guarded.* TO etl").unwrap();
        root.query_drop("GRANT ALL ON guarded_mart.* TO etl").unwrap();
        root.query_drop("SET GLOBAL read_only = 1").unwrap();
        let url = |settings: &str| {
            MysqlUrl::parse(&format!("mysql://etl@127.0.0.1:{}/guarded?{settings}", server.port)).unwrap()
        };
        let mut warehouse = MysqlWarehouse::open(&url(""), options()).unwrap();
        let error = warehouse.load(&random_month("2022-04", 10, 1), clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, "read-only", "primary server");
        root.query_drop("SET GLOBAL read_only = 0").unwrap();
        root.query_drop("SET GLOBAL require_secure_transport = 1").unwrap();
        let error = MysqlWarehouse::open(&url("ssl-mode=DISABLED"), options()).unwrap_err();
        // MariaDB only says "access denied".
        let why = if server.script == "mysql" { "insecure transport" } else { "denied" };
        assert_message(&error, why, "ssl-mode=REQUIRED");
    }
}

/// Every row of every table of warehouse and mart, clock times and numbers of runs aside.
fn everything(warehouse: &mut dyn Warehouse, month: Month) -> Vec<(String, Vec<Vec<Value>>)> {
    let mut all = Vec::new();
    for table in schema::WAREHOUSE_TABLES.iter().chain(mart::schema().tables) {
        let columns: Vec<&str> = table.columns.iter().map(|c| c.name).filter(|name| *name != "Finished").collect();
        if table.name == "warehouse_id" {
            continue;
        }
        let (key, name) = (table.key.join(", "), table.qualified());
        let filter = if columns.contains(&"Month") { "WHERE Month = {month}" } else { "" };
        let sql = format!("SELECT {} FROM {name} {filter} ORDER BY {key}", columns.join(", "));
        all.push((name, warehouse.query(month, &sql).unwrap()));
    }
    for view in schema::WAREHOUSE_VIEWS.iter().chain(mart::schema().views) {
        let names: Vec<String> = view.columns.iter().map(|(_, name)| format!("`{name}`")).collect();
        let sql = format!("SELECT {} FROM {}.{} ORDER BY 1", names.join(", "), view.database.placeholder(), view.name);
        all.push((view.name.to_owned(), warehouse.query(month, &sql).unwrap()));
    }
    all
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
        for server in shared() {
            let found = fill(&mut server.fresh("compared"));
            for (expected, found) in expected.iter().zip(found) {
                assert_eq!(found, *expected, "{server:?}");
            }
        }
    }
}

#[test]
fn a_sum_past_64_bits_is_an_error() {
    for server in shared() {
        let mut warehouse = server.fresh("overflow");
        let rows = ["A", "B"].map(|contract| (contract.to_owned(), ([i64::MAX / 2 + 1, 0, 0, 0, 0], 1)));
        let mut table = month_table("2022-04", BTreeMap::from(rows));
        table.activity.clear();
        let error = warehouse.load(&table, clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, "the seconds of MovieDuration do not fit in 64 bits", "max_seconds");
    }
}

#[test]
fn a_ledger_that_disagrees_with_the_rows_publishes_nothing() {
    for server in shared() {
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

/// A server that speaks just enough to log a client in, and then answers each statement with the wish for a file.
/// Gives its port and what the client sent after the first wish.
fn rogue_server(wish: &'static str) -> (u16, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let packet = |number: u8, payload: &[u8]| {
                let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
                bytes[3] = number;
                bytes.extend_from_slice(payload);
                bytes
            };
            let read_packet = |stream: &mut std::net::TcpStream| {
                let mut head = [0; 4];
                stream.read_exact(&mut head).ok()?;
                let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
                stream.read_exact(&mut payload).ok()?;
                Some((head[3], payload))
            };
            // Protocol 10, capabilities without TLS, mysql_native_password.
            let capabilities: u32 = 0x0008_a28f & !0x0800;
            let [c0, c1, c2, c3] = capabilities.to_le_bytes();
            let mut greeting = vec![10];
            greeting.extend_from_slice(b"9.9.9-rogue\0\x01\0\0\0");
            greeting.extend_from_slice(b"abcdefgh\0");
            greeting.extend_from_slice(&[c0, c1, 45, 2, 0, c2, c3, 21]);
            greeting.extend_from_slice(&[0; 10]);
            greeting.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
            stream.write_all(&packet(0, &greeting)).unwrap();
            let Some(_) = read_packet(&mut stream) else { continue };
            stream.write_all(&packet(2, &[0, 0, 0, 2, 0, 0, 0])).unwrap();
            let Some(_statement) = read_packet(&mut stream) else { continue };
            let mut asked = vec![0xfb];
            asked.extend_from_slice(wish.as_bytes());
            stream.write_all(&packet(1, &asked)).unwrap();
            let mut sent = Vec::new();
            while let Some((_, payload)) = read_packet(&mut stream) {
                sent.extend_from_slice(&payload);
            }
            let _ = sender.send(sent);
        }
    });
    (port, receiver)
}

#[test]
fn a_rogue_server_gets_no_file() {
    let (port, sent) = rogue_server("/etc/passwd");
    let url = MysqlUrl::parse(&format!("mysql://u@127.0.0.1:{port}/tv")).unwrap();
    let error = refused(&url, options());
    assert_message(&error, "asked for the file `/etc/passwd`, which was not offered", "do not use this server");
    let sent = sent.recv_timeout(Duration::from_secs(10)).unwrap();
    let passwd = fs::read("/etc/passwd").unwrap();
    assert!(sent.len() < 20 && !sent.windows(8).any(|part| passwd.windows(8).any(|other| part == other)), "{sent:?}");
}

/// What a [`Proxy`] does when a statement with certain words passes.
struct Trap {
    words: &'static str,
    moment: Moment,
    act: Box<dyn FnOnce() + Send>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The server has not seen the statement.
    Before,
    /// The server has it, and has had a moment to work on it.
    After,
}

/// Stands between client and server and sees what the client says, in plain text.
struct Proxy {
    port: u16,
    trap: Arc<Mutex<Option<Trap>>>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// `answer` may change what the server says.
    fn start(server: Server, answer: fn(&mut [u8])) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Proxy { port, trap: Arc::default(), streams: Arc::default() };
        let (trap, streams) = (proxy.trap.clone(), proxy.streams.clone());
        thread::spawn(move || {
            for client in listener.incoming() {
                // A server that was killed refuses: so does the proxy.
                let (Ok(client), Ok(upstream)) = (client, TcpStream::connect(("127.0.0.1", server.port))) else {
                    continue;
                };
                streams.lock().unwrap().extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                let (client_end, upstream_end) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                thread::spawn(move || pump(upstream, client, |bytes, _| answer(bytes)));
                let trap = trap.clone();
                thread::spawn(move || {
                    pump(client_end, upstream_end, |bytes, moment| {
                        let mut trap = trap.lock().unwrap();
                        let sprung = trap.as_ref().is_some_and(|trap| {
                            trap.moment == moment && bytes.windows(trap.words.len()).any(|w| w == trap.words.as_bytes())
                        });
                        if sprung && let Some(trap) = trap.take() {
                            if moment == Moment::After {
                                thread::sleep(Duration::from_millis(30));
                            }
                            (trap.act)();
                        }
                    });
                });
            }
        });
        proxy
    }

    fn set(&self, words: &'static str, moment: Moment, act: impl FnOnce() + Send + 'static) {
        *self.trap.lock().unwrap() = Some(Trap { words, moment, act: Box::new(act) });
    }

    fn is_sprung(&self) -> bool {
        self.trap.lock().unwrap().is_none()
    }

    fn url(&self, database: &str) -> MysqlUrl {
        MysqlUrl::parse(&format!("mysql://root@127.0.0.1:{}/{database}?ssl-mode=DISABLED", self.port)).unwrap()
    }
}

/// Copies until either end closes, then closes both.
fn pump(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&mut [u8], Moment)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        look(&mut buffer[..n], Moment::Before);
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
        look(&mut buffer[..n], Moment::After);
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Points of a run at which something dies: the words of the statement, and whether the server has seen it.
const POINTS: [(&str, Moment); 10] = [
    ("SET NAMES", Moment::Before),
    ("LOAD DATA", Moment::After),
    ("SUM(TotalDuration)", Moment::Before),
    ("etl_run (Month", Moment::After),
    ("EXCHANGE PARTITION", Moment::Before),
    ("EXCHANGE PARTITION", Moment::After),
    // The customers are new, the days are not.
    ("COMMIT", Moment::Before),
    ("DROP TABLE IF EXISTS", Moment::Before),
    ("customer_cell (Part", Moment::After),
    ("top_customers (Month", Moment::After),
];

/// Loads a month and its mart, with as many seconds of patience for broken connections.
fn load_and_build(url: &MysqlUrl, table: &MonthTable, patience_s: u64) -> Result<(), WarehouseError> {
    let options = MysqlOptions { retry_for: Duration::from_secs(patience_s), ..options() };
    let mut warehouse = MysqlWarehouse::open(url, options)?;
    mart::prepare(&mut warehouse, Missing::Create)?;
    let clock = RunClock { started: jiff::Timestamp::now() };
    warehouse.load(table, clock, &Progress::hidden())?;
    mart::build(&mut warehouse, table.month)
}

/// Whether the readers of warehouse and mart see one of these months, each whole.
#[track_caller]
fn assert_one_of(server: &Server, database: &str, months: [&MonthTable; 2]) {
    let mut root = server.root();
    let mut ask = |sql: String| -> (u64, i64) { root.query_first(sql).unwrap().unwrap() };
    let states = months.map(|table| (table.n_rows() as u64, table.total.iter().sum::<i64>()));
    let customers = ask(format!(
        "SELECT COUNT(*), CAST(SUM(TotalDuration) AS SIGNED) FROM {database}.customer_behavior WHERE Month = '2022-04-01'"
    ));
    let days = ask(format!(
        "SELECT SUM(ActiveUsers), CAST(SUM(TotalDuration) AS SIGNED) FROM {database}.daily_activity WHERE Month = '2022-04-01'"
    ));
    let summary = ask(format!(
        "SELECT TotalUser, TotalDuration FROM {database}_mart.summary_customer WHERE Month = '2022-04-01'"
    ));
    for state in [customers, days, summary] {
        assert!(states.contains(&state), "{customers:?} {days:?} {summary:?}: {states:?}");
    }
}

/// The finished state: every table of this month, and nothing left over.
#[track_caller]
fn assert_finished(server: &Server, database: &str, table: &MonthTable) {
    let mut warehouse = MysqlWarehouse::open(&server.url(database), options()).unwrap();
    assert_rows(&mut warehouse, table);
    assert_one_of(server, database, [table, table]);
    assert_eq!(n_staging_tables(server, database), 0);
}

#[test]
fn a_killed_server_keeps_the_last_good_month_and_the_next_run_finishes() {
    let (_guard, servers) = odd();
    for server in servers {
        let months = [random_month("2022-04", 20_000, 1), random_month("2022-04", 21_000, 2)];
        server.restart_with("--local-infile=1");
        drop(server.fresh("killed"));
        load_and_build(&server.url("killed"), &months[0], 1).unwrap();
        let proxy = Proxy::start(server, |_| {});
        for (i, (words, moment)) in POINTS.into_iter().enumerate() {
            let (old, new) = (&months[i % 2], &months[(i + 1) % 2]);
            proxy.set(words, moment, move || server.kill());
            let result = load_and_build(&proxy.url("killed"), new, 0);
            assert!(proxy.is_sprung(), "nothing said {words:?}");
            server.restart_with("--local-infile=1");
            // The staging table is dropped when everything is published: its failure is not one of the run.
            if let Err(error) = result {
                assert!(error.to_string().contains("127.0.0.1"), "{error}");
            }
            assert_one_of(&server, "killed", [old, new]);
            load_and_build(&server.url("killed"), new, 1).unwrap();
            assert_finished(&server, "killed", new);
        }
    }
}

#[test]
fn a_run_that_vanishes_keeps_the_last_good_month_and_the_next_run_finishes() {
    for server in shared() {
        let months = [random_month("2022-04", 20_000, 3), random_month("2022-04", 21_000, 4)];
        drop(server.fresh("vanished"));
        load_and_build(&server.url("vanished"), &months[0], 1).unwrap();
        let proxy = Proxy::start(server, |_| {});
        for (i, (words, moment)) in POINTS.into_iter().enumerate() {
            let (old, new) = (&months[i % 2], &months[(i + 1) % 2]);
            // To the server a killed program is one whose connections close, all at once.
            let streams = proxy.streams.clone();
            proxy.set(words, moment, move || {
                for stream in streams.lock().unwrap().drain(..) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            });
            let _ = load_and_build(&proxy.url("vanished"), new, 0);
            assert!(proxy.is_sprung(), "nothing said {words:?}");
            assert_one_of(&server, "vanished", [old, new]);
            load_and_build(&server.url("vanished"), new, 1).unwrap();
            assert_finished(&server, "vanished", new);
        }
    }
}

#[test]
fn a_run_survives_a_restart_of_the_server() {
    let (_guard, servers) = odd();
    for server in servers {
        drop(server.fresh("restarted"));
        let table = random_month("2022-04", 5000, 1);
        let proxy = Proxy::start(server, |_| {});
        for words in ["INSERT INTO `restarted`.`viewmart_staging", "EXCHANGE PARTITION", "data_quality (Month"] {
            proxy.set(words, Moment::After, move || {
                server.kill();
                thread::spawn(move || server.up());
            });
            load_and_build(&proxy.url("restarted"), &table, 60).unwrap();
            assert!(proxy.is_sprung(), "nothing said {words:?}");
            assert_finished(&server, "restarted", &table);
            let mut root = server.root();
            let n_runs: u64 = root.query_first("SELECT COUNT(*) FROM restarted.etl_run").unwrap().unwrap();
            let n_started: u64 =
                root.query_first("SELECT COUNT(DISTINCT Started) FROM restarted.etl_run").unwrap().unwrap();
            assert_eq!(n_runs, n_started);
        }
    }
}

#[test]
fn a_load_gives_out_nothing_but_its_own_rows() {
    for server in shared() {
        drop(server.fresh("asked"));
        // The answer to LOAD DATA names the file that the client offered; this one names another.
        let proxy = Proxy::start(server, |bytes| {
            let (offered, wanted) = (b"\xfbviewmart-rows-", b"\xfb/etc/passwd###");
            if let Some(at) = bytes.windows(offered.len()).position(|part| part == offered) {
                bytes[at..at + wanted.len()].copy_from_slice(wanted);
            }
        });
        let error = load_and_build(&proxy.url("asked"), &random_month("2022-04", 10, 1), 0).unwrap_err();
        assert_message(&error, "asked for the file `/etc/passwd###", "do not use this server");
        assert_eq!(n_staging_tables(&server, "asked"), 0);
    }
}

#[test]
fn two_runs_at_once_wait_for_each_other() {
    for server in shared() {
        drop(server.fresh("contended"));
        let months = [random_month("2022-04", 3000, 1), random_month("2022-04", 4000, 2)];
        thread::scope(|scope| {
            for table in &months {
                scope.spawn(|| (0..3).for_each(|_| load_and_build(&server.url("contended"), table, 1).unwrap()));
            }
        });
        assert_one_of(&server, "contended", [&months[0], &months[1]]);
        // One that never ends is named.
        let mut root = server.root();
        let database = Sha256::digest("contended").iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let lock = format!("viewmart {database:.50}");
        let taken: u8 = root.query_first(format!("SELECT GET_LOCK('{lock}', 1)")).unwrap().unwrap();
        assert_eq!(taken, 1);
        let options = MysqlOptions { lock_timeout: Duration::from_secs(1), ..options() };
        let mut waiting = MysqlWarehouse::open(&server.url("contended"), options).unwrap();
        let error = waiting.load(&months[0], clock(), &Progress::hidden()).unwrap_err();
        assert_message(&error, &format!("connection {} has been loading", root.connection_id()), "KILL");
    }
}

#[test]
fn a_full_disk_publishes_nothing() {
    // In MariaDB a tablespace of 24 MiB for everything stands for a disk. MySQL keeps partitions out of such a
    // tablespace, so its folder is a disk of its own; its binary log would wait for room and say nothing.
    const FULL: [Server; 2] = [
        Server {
            script: "mariadb",
            folder: "target/test-mariadb-full",
            port: 23136,
            options: &[
                "--local-infile=1",
                "--innodb-file-per-table=0",
                "--innodb-data-file-path=ibdata1:12M:autoextend:max:24M",
            ],
        },
        Server {
            script: "mysql",
            folder: "target/test-mysql-full",
            port: 23139,
            options: &["--local-infile=1", "--skip-log-bin", "--innodb-redo-log-capacity=8M"],
        },
    ];
    struct Disk(&'static str);
    impl Drop for Disk {
        fn drop(&mut self) {
            // Lazily, for a server of a failed test may still use it.
            let _ = Command::new("umount").args(["-l", self.0]).status();
        }
    }
    fs::create_dir_all(FULL[1].folder).unwrap();
    assert!(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=600m", "none", FULL[1].folder])
            .status()
            .unwrap()
            .success()
    );
    let _disk = Disk(FULL[1].folder);
    for server in FULL {
        if server.script == "mariadb" {
            assert!(server.script(&["wipe"]));
        }
        server.up();
        let small = random_month("2022-04", 1000, 1);
        drop(server.fresh("full"));
        load_and_build(&server.url("full"), &small, 1).unwrap();
        let ballast = Path::new(server.folder).join("ballast");
        if server.script == "mysql" {
            let mut file = fs::File::create(&ballast).unwrap();
            while file.write_all(&[1; 1 << 20]).is_ok() {}
            // Room for the small tables, not for the month.
            let n_bytes = file.metadata().unwrap().len();
            file.set_len(n_bytes - (8 << 20)).unwrap();
        }
        let error = load_and_build(&server.url("full"), &random_month("2022-04", 200_000, 1), 1).unwrap_err();
        assert_message(&error, "full", "make room");
        let url = format!("mysql://root@127.0.0.1:{}/full", server.port);
        program::assert_refused(&random_month("2022-04", 200_000, 1), &url, "", &["full", "make room"]);
        assert_finished(&server, "full", &small);
        let _ = fs::remove_file(ballast);
        load_and_build(&server.url("full"), &random_month("2022-04", 1000, 2), 1).unwrap();
        server.kill();
    }
}

#[test]
fn the_doctor_sees_what_is_wrong() {
    let check = |url: &MysqlUrl, options: &MysqlOptions, expected: &[(&str, Outcome)]| {
        let findings = warehouse_checks(url, options);
        for (what, outcome) in expected {
            let found = findings.iter().find(|finding| finding.what == *what);
            assert_eq!(found.map(|finding| finding.outcome), Some(*outcome), "{what}: {findings:?}");
            assert_eq!(found.unwrap().advice.is_some(), *outcome != Outcome::Good, "{what}: {findings:?}");
        }
        let n_wrong = findings.iter().filter(|finding| finding.outcome != Outcome::Good).count();
        assert_eq!(n_wrong, expected.iter().filter(|(_, outcome)| *outcome != Outcome::Good).count(), "{findings:?}");
    };
    use Outcome::{Failed, Good, Warning};
    for server in shared() {
        drop(server.fresh("examined"));
        let all = ["connection", "version", "local_infile", "packet size", "character set", "write access", "rights"];
        check(&server.url("examined"), &options(), &all.map(|what| (what, Good)));
        check(&server.url("not_there"), &options(), &[("rights", Warning), ("rights, mart", Warning)]);
        assert_eq!(n_staging_tables(&server, "examined"), 0);

        let mut root = server.root();
        root.query_drop("DROP USER IF EXISTS reader").unwrap();
        root.query_drop("CREATE USER reader").unwrap();
        root.query_drop("GRANT SELECT, CREATE, DROP ON examined.* TO reader").unwrap();
        root.query_drop("GRANT ALL ON examined_mart.* TO reader").unwrap();
        let url = MysqlUrl::parse(&format!("mysql://reader@127.0.0.1:{}/examined", server.port)).unwrap();
        check(&url, &options(), &[("rights", Failed), ("rights, mart", Good)]);
        assert_eq!(n_staging_tables(&server, "examined"), 0);
        let wrong = MysqlOptions { password: Some(Secret::new("wrong password")), ..options() };
        check(&url, &wrong, &[("connection", Failed)]);
    }
    let (_guard, servers) = odd();
    for server in servers {
        server.root().query_drop("SET GLOBAL max_allowed_packet = 16384").unwrap();
        server.root().query_drop("SET GLOBAL read_only = 1").unwrap();
        drop(server.fresh("examined"));
        let expected =
            [("local_infile", Warning), ("packet size", Warning), ("write access", Warning), ("rights", Good)];
        check(&server.url("examined"), &options(), &expected);
        server.root().query_drop("SET GLOBAL read_only = 0").unwrap();
        server.kill();
    }
}
