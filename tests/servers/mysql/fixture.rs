//! Servers, and what a test looks at in them.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};
use sha2::{Digest as _, Sha256};
use viewmart::advice::Advice as _;
use viewmart::console::Progress;
use viewmart::engine::calendar::Month;
use viewmart::engine::month::MonthTable;
use viewmart::engine::rules::Category;
use viewmart::mart;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlUrl, MysqlWarehouse, OptionFile};
use viewmart::warehouse::{Fault, Meaning, Missing, RunClock, Value, Warehouse, WarehouseError, schema};

/// A server started by a script of the repository.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub script: &'static str,
    pub folder: &'static str,
    pub port: u16,
    pub options: &'static [&'static str],
    /// What an administrator has set since.
    pub globals: &'static [&'static str],
}

/// For tests that only work in a database of their own.
pub const SHARED: [Server; 2] = [
    Server {
        script: "mariadb",
        folder: "target/test-mariadb",
        port: 23116,
        options: &["--local-infile=1"],
        globals: &[],
    },
    Server { script: "mysql", folder: "target/test-mysql", port: 23119, options: &["--local-infile=1"], globals: &[] },
];

/// Where every setting that may bend a statement does so.
pub const HOSTILE: [Server; 2] = [
    Server {
        script: "mariadb",
        folder: "target/test-mariadb-hostile",
        port: 23146,
        options: &[
            "--local-infile=1",
            "--lower-case-table-names=1",
            "--log-bin",
            "--server-id=1",
            "--binlog-format=ROW",
            "--max-binlog-cache-size=1048576",
        ],
        globals: &[
            "autocommit = 0",
            "sql_select_limit = 2",
            "sql_safe_updates = 1",
            "completion_type = CHAIN",
            "max_join_size = 1",
            "sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",
            "time_zone = '+11:00'",
            "innodb_default_row_format = compact",
            "tx_isolation = 'SERIALIZABLE'",
            "div_precision_increment = 0",
            "max_sort_length = 64",
            "alter_algorithm = 'INSTANT'",
            "max_statement_time = 0.5",
        ],
    },
    Server {
        script: "mysql",
        folder: "target/test-mysql-hostile",
        port: 23149,
        options: &["--local-infile=1", "--lower-case-table-names=1", "--max-binlog-cache-size=1048576"],
        globals: &[
            "autocommit = 0",
            // Not even the driver's own question has an answer.
            "sql_select_limit = 0",
            "sql_safe_updates = 1",
            "completion_type = 'RELEASE'",
            "max_join_size = 1",
            "sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",
            "time_zone = '+11:00'",
            "innodb_default_row_format = compact",
            "transaction_isolation = 'SERIALIZABLE'",
            "transaction_read_only = 1",
            "div_precision_increment = 0",
            "max_sort_length = 8",
            "max_execution_time = 100",
        ],
    },
];

/// For tests that change the settings of the whole server, or kill it.
pub const ODD: [Server; 2] = [
    Server {
        script: "mariadb",
        folder: "target/test-mariadb-odd",
        port: 23126,
        options: &["--local-infile=0"],
        globals: &[],
    },
    Server {
        script: "mysql",
        folder: "target/test-mysql-odd",
        port: 23129,
        options: &["--local-infile=0"],
        globals: &[],
    },
];

impl Server {
    pub fn script(&self, arguments: &[&str]) -> bool {
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

    pub fn up(&self) {
        let arguments: Vec<&str> = ["up"].iter().chain(self.options).copied().collect();
        assert!(self.script(&arguments), "{self:?} does not start");
        let mut root = self.root();
        self.globals.iter().for_each(|global| root.query_drop(format!("SET GLOBAL {global}")).unwrap());
    }

    pub fn kill(&self) {
        assert!(self.script(&["down", "-f"]), "{self:?}");
    }

    /// Starts it again, with one more option.
    pub fn restart_with(&self, option: &str) {
        if self.script(&["status"]) {
            assert!(self.script(&["down"]), "{self:?}");
        }
        let arguments: Vec<&str> = ["up"].iter().chain(self.options).copied().chain([option]).collect();
        assert!(self.script(&arguments), "{self:?} does not start");
    }

    /// A connection as root.
    pub fn root(&self) -> Conn {
        let opts = OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port)
            .user(Some("root"))
            .prefer_socket(false)
            .max_allowed_packet(Some(16 << 20));
        let mut root = Conn::new(opts).unwrap();
        for setting in [
            "autocommit = 1",
            "sql_select_limit = 18446744073709551615",
            "max_join_size = 18446744073709551615",
            "sql_safe_updates = 0",
            "completion_type = 0",
            "sql_mode = 'STRICT_ALL_TABLES'",
            match self.script {
                "mysql" => "max_execution_time = 0",
                _ => "max_statement_time = 0, alter_algorithm = 'DEFAULT'",
            },
        ] {
            root.query_drop(format!("SET SESSION {setting}")).unwrap();
        }
        root.query_drop("SET SESSION TRANSACTION READ WRITE").unwrap();
        root
    }

    pub fn url(&self, database: &str) -> MysqlUrl {
        MysqlUrl::parse(&format!("mysql://root@127.0.0.1:{}/{database}", self.port)).unwrap()
    }

    /// A warehouse in a database that is not there yet.
    pub fn fresh(&self, database: &str) -> MysqlWarehouse {
        let mut root = self.root();
        root.query_drop(format!("DROP DATABASE IF EXISTS {database}")).unwrap();
        root.query_drop(format!("DROP DATABASE IF EXISTS {database}_mart")).unwrap();
        let mut warehouse = MysqlWarehouse::open(&self.url(database), None, options()).unwrap();
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        warehouse
    }
}

pub fn shared() -> [Server; 2] {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| SHARED.iter().for_each(Server::up));
    SHARED
}

/// The shared servers, and those where everything is set against us.
pub fn flavours() -> impl Iterator<Item = Server> {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| HOSTILE.iter().for_each(Server::up));
    shared().into_iter().chain(HOSTILE)
}

/// Both odd servers, for one test at a time, with their settings as started.
pub fn odd() -> (MutexGuard<'static, ()>, [Server; 2]) {
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

pub fn options() -> MysqlOptions {
    MysqlOptions { option_file: OptionFile::Ignored, ..MysqlOptions::default() }
}

pub fn clock() -> RunClock {
    RunClock { started: "2022-05-01T01:02:03.004Z".parse().unwrap() }
}

/// Compares every column of every row, and their order, with the columns the rows came from.
#[track_caller]
pub fn assert_rows(warehouse: &mut MysqlWarehouse, table: &MonthTable) {
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

/// Takes the lock of a warehouse as a run does, for as long as the connection lives.
pub fn take_lock(root: &mut Conn, database: &str) {
    let hash: String = Sha256::digest(database).iter().map(|byte| format!("{byte:02x}")).collect();
    let taken: Option<u8> = root.query_first(format!("SELECT GET_LOCK('viewmart {hash:.50}', 1)")).unwrap();
    assert_eq!(taken, Some(1));
}

/// Tables of the warehouse that a broken-off run left.
pub fn n_staging_tables(server: &Server, database: &str) -> u64 {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' AND TABLE_NAME LIKE 'viewmart%'"
    );
    server.root().query_first(sql).unwrap().unwrap()
}

/// What the words of the server or the client were taken to mean.
#[track_caller]
pub fn meaning_of(error: &WarehouseError) -> &Meaning {
    assert_message(error, "", "");
    match error.fault() {
        Some(Fault::Said { meaning, .. }) => meaning,
        _ => panic!("nobody said {error}"),
    }
}

/// Both are one line, with these words in them: names of objects and statements that help.
#[track_caller]
pub fn assert_message(error: &WarehouseError, why: &str, advice: &str) {
    let (text, found) = (error.to_string(), error.advice().unwrap_or_default().into_owned());
    assert!(text.contains(why), "{text}: {found}");
    assert!(found.contains(advice), "{text}: {found}");
    assert!(!text.contains('\n') && !found.contains('\n'), "{text}: {found}");
}

pub fn refused(url: &MysqlUrl, options: MysqlOptions) -> WarehouseError {
    let options = MysqlOptions { retry_for: Duration::from_millis(100), ..options };
    match MysqlWarehouse::open(url, None, options).map(|mut warehouse| mart::prepare(&mut warehouse, Missing::Create)) {
        Err(error) | Ok(Err(error)) => error,
        Ok(Ok(())) => panic!("{url:?} was not refused"),
    }
}

/// Loads a month and its mart, with as many seconds of patience for broken connections.
pub fn load_and_build(url: &MysqlUrl, table: &MonthTable, patience_s: u64) -> Result<(), WarehouseError> {
    let options = MysqlOptions { retry_for: Duration::from_secs(patience_s), ..options() };
    let mut warehouse = MysqlWarehouse::open(url, None, options)?;
    mart::prepare(&mut warehouse, Missing::Create)?;
    let clock = RunClock { started: jiff::Timestamp::now() };
    warehouse.load(table, clock, &Progress::hidden())?;
    mart::build(&mut warehouse, table.month)
}

/// Whether the readers of warehouse and mart see one of these months, each whole.
#[track_caller]
pub fn assert_one_of(server: &Server, database: &str, months: [&MonthTable; 2]) {
    let mut root = server.root();
    let mut ask = |sql: String| -> (u64, i64) { root.query_first(sql).unwrap().unwrap() };
    let states = months.map(|table| (table.n_rows() as u64, table.total.iter().sum::<i64>()));
    let customers = ask(format!(
        "SELECT COUNT(*), CAST(SUM(TotalDuration) AS SIGNED) FROM {database}.customer_behavior WHERE Month = '2022-04-01'"
    ));
    let days = ask(format!(
        "SELECT MAX(ActiveUsers), CAST(SUM(TotalDuration) AS SIGNED) FROM {database}.daily_activity WHERE Month = '2022-04-01'"
    ));
    let summary = ask(format!(
        "SELECT TotalUser, TotalDuration FROM {database}_mart.summary_customer WHERE Month = '2022-04-01'"
    ));
    for state in [customers, days, summary] {
        assert!(states.contains(&state), "{customers:?} {days:?} {summary:?}: {states:?}");
    }
    // Rows and devices; none where they were not counted.
    let of_devices = months.map(|table| match &table.devices {
        Some(devices) => (devices.counts.len() as u64, devices.counts.iter().map(|n| i64::from(*n)).sum()),
        None => (0, 0),
    });
    let devices = ask(format!(
        "SELECT COUNT(*), CAST(COALESCE(SUM(Devices), 0) AS SIGNED) FROM {database}.customer_devices \
         WHERE Month = '2022-04-01'"
    ));
    assert!(of_devices.contains(&devices), "{devices:?}: {of_devices:?}");
}

/// The finished state: every table of this month, and nothing left over.
#[track_caller]
pub fn assert_finished(server: &Server, database: &str, table: &MonthTable) {
    let mut warehouse = MysqlWarehouse::open(&server.url(database), None, options()).unwrap();
    assert_rows(&mut warehouse, table);
    assert_one_of(server, database, [table, table]);
    assert_eq!(n_staging_tables(server, database), 0);
}

/// Every row of every table of warehouse and mart, clock times and numbers of runs aside.
pub fn everything(warehouse: &mut dyn Warehouse, month: Month) -> Vec<(String, Vec<Vec<Value>>)> {
    let mut all = Vec::new();
    for table in schema::WAREHOUSE_TABLES.iter().chain(mart::schema().tables) {
        let columns: Vec<&str> = table.columns.iter().map(|c| c.name).filter(|name| *name != "Finished").collect();
        if ["warehouse_id", "movement_run"].contains(&table.name) {
            continue;
        }
        let (key, name) = (table.key.join(", "), table.qualified());
        let filter = if columns.contains(&"Month") { "WHERE Month = {month}" } else { "" };
        let sql = format!("SELECT {} FROM {name} {filter} ORDER BY {key}", columns.join(", "));
        all.push((name, warehouse.query(month, &sql).unwrap()));
    }
    for view in schema::WAREHOUSE_VIEWS.iter().chain(mart::schema().views) {
        let names = view.columns.iter().map(|(_, name)| *name).filter(|name| *name != "Finished");
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        let filter = if names.iter().any(|name| name == "`Month`") { "WHERE Month = {month}" } else { "" };
        let (database, columns) = (view.database.placeholder(), names.join(", "));
        let sql = format!("SELECT {columns} FROM {database}.{} {filter} ORDER BY 1", view.name);
        all.push((view.name.to_owned(), warehouse.query(month, &sql).unwrap()));
    }
    all
}
