//! Accounts, rights, TLS, and servers that are not what they should be.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use mysql::prelude::Queryable as _;
use viewmart::advice::Advice as _;
use viewmart::console::Progress;
use viewmart::engine::calendar::Month;
use viewmart::mart;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlUrl, MysqlWarehouse, OptionFile, Secret};
use viewmart::warehouse::{
    Dialect, Fill, MartScript, Meaning, Missing, Reads, Value, Warehouse as _, WarehouseError, schema,
};

use super::fixture::{
    SHARED, Server, assert_message, assert_rows, clock, flavours, load_and_build, meaning_of, n_staging_tables, odd,
    options, refused, shared,
};
use super::made::{hostile_month, random_month};
use super::proxy::{Proxy, rogue_server};

#[test]
fn a_wrong_password_is_refused_and_shown_nowhere() {
    for server in flavours() {
        let mut root = server.root();
        root.query_drop("DROP USER IF EXISTS locked").unwrap();
        root.query_drop("CREATE USER locked IDENTIFIED BY 'the right one'").unwrap();
        let url = MysqlUrl::parse(&format!("mysql://locked@127.0.0.1:{}/tv", server.port)).unwrap();
        let wrong = MysqlOptions { password: Some(Secret::new("a wrong one")), ..options() };
        assert!(!format!("{wrong:?}").contains("wrong one"));
        let error = refused(&url, wrong);
        assert_eq!(meaning_of(&error), &Meaning::Login { user: "locked".to_owned() });
        assert!(!format!("{error:?} {error} {:?}", error.advice()).contains("wrong one"));

        // The option file gives the right one.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.cnf");
        fs::write(&file, "[client]\npassword=\"the right one\"\nuser=nobody\n").unwrap();
        let options = MysqlOptions { option_file: OptionFile::At(file), ..options() };
        let warehouse = MysqlWarehouse::open(&url, None, options).unwrap();
        assert!(!format!("{warehouse:?}").contains("right one"));
    }
    let error = MysqlUrl::parse("mysql://u:a wrong one@h/tv").unwrap_err();
    assert!(!error.to_string().contains("wrong one"), "{error}");
    let error = refused(
        &SHARED[0].url("tv"),
        MysqlOptions { option_file: OptionFile::At("/nowhere/my.cnf".into()), ..options() },
    );
    assert!(
        matches!(&error, WarehouseError::OptionFile { path, .. } if path == Path::new("/nowhere/my.cnf")),
        "{error}"
    );
}

#[test]
fn the_documented_rights_suffice_and_less_is_explained() {
    for server in flavours() {
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
        let mut warehouse = MysqlWarehouse::open(&url, None, options).unwrap();
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
    for server in flavours() {
        drop(server.fresh("foreign_table"));
        let mut root = server.root();
        root.query_drop("DROP TABLE foreign_table.customer_behavior").unwrap();
        for (kind, definition) in [("table", "(Contract TEXT)"), ("view", "AS SELECT 1 AS Contract")] {
            root.query_drop(format!("CREATE {kind} foreign_table.customer_behavior {definition}")).unwrap();
            let error = refused(&server.url("foreign_table"), options());
            let advice = error.advice().unwrap();
            let renaming = advice.split(['(', ')']).nth(1).unwrap();
            assert_message(&error, &format!("the {kind} customer_behavior in `foreign_table`"), "RENAME TABLE");
            // What it says helps.
            root.query_drop(renaming).unwrap();
            let mut warehouse = MysqlWarehouse::open(&server.url("foreign_table"), None, options()).unwrap();
            mart::prepare(&mut warehouse, Missing::Create).unwrap();
            root.query_drop("DROP TABLE foreign_table.customer_behavior").unwrap();
            root.query_drop(format!("DROP {kind} foreign_table.customer_behavior_old")).unwrap();
        }
    }
}

#[test]
fn servers_that_are_not_there_are_named() {
    let free_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = |port: u16| MysqlUrl::parse(&format!("mysql://u@127.0.0.1:{port}/tv")).unwrap();
    let port = free_port();
    let error = refused(&url(port), options());
    assert_eq!(meaning_of(&error), &Meaning::NotListening);
    assert_message(&error, &format!("127.0.0.1:{port}/tv: "), "");

    // A listener that says nothing, and one that speaks another language.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = MysqlOptions { connect_timeout: Duration::from_secs(1), ..options() };
    let began = Instant::now();
    let error = refused(&url(silent.local_addr().unwrap().port()), options.clone());
    assert_eq!(meaning_of(&error), &Meaning::NoConnection);
    assert!(began.elapsed() < Duration::from_secs(20));
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = web.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = web.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    assert_message(&refused(&url(port), options.clone()), "connecting failed", "");
    let url = MysqlUrl::parse("mysql://u@no-such-host.invalid/tv").unwrap();
    let error = refused(&url, options.clone());
    assert_eq!(meaning_of(&error), &Meaning::Unreachable);
    assert_message(&error, "no-such-host.invalid:3306", "");
    let url = MysqlUrl::parse("mysql:///tv?socket=/nowhere/mysqld.sock").unwrap();
    let error = refused(&url, options);
    assert_eq!(meaning_of(&error), &Meaning::NoSocket);
    assert_message(&error, "/nowhere/mysqld.sock", "");
}

#[test]
fn sockets_work() {
    for server in flavours() {
        drop(server.fresh("by_socket"));
        let socket = format!("/tmp/viewmart-{}-{}.sock", server.script, server.port);
        let url = MysqlUrl::parse(&format!("mysql://root@localhost/by_socket?socket={socket}")).unwrap();
        let mut warehouse = MysqlWarehouse::open(&url, None, options()).unwrap();
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
        MysqlWarehouse::open(&MysqlUrl::parse(&url).unwrap(), None, options())
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
    assert_eq!(meaning_of(&error), &Meaning::TlsFailed);
    let error = open(&mysql, &format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")).unwrap_err();
    assert_eq!(meaning_of(&error), &Meaning::TlsFailed);
    let error = open(&mysql, "ssl-mode=VERIFY_CA&ssl-ca=/nowhere.pem").unwrap_err();
    assert_eq!(meaning_of(&error), &Meaning::TlsFiles);
    // This MariaDB has no certificate.
    assert!(open(&mariadb, "").is_ok());
    assert_eq!(meaning_of(&open(&mariadb, "ssl-mode=REQUIRED").unwrap_err()), &Meaning::NoTls);
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
        let mut warehouse = MysqlWarehouse::open(&url(""), None, options()).unwrap();
        let error = warehouse.load(&random_month("2022-04", 10, 1), clock(), &Progress::hidden()).unwrap_err();
        assert_eq!(meaning_of(&error), &Meaning::ReadOnlyServer);
        root.query_drop("SET GLOBAL read_only = 0").unwrap();
        root.query_drop("SET GLOBAL require_secure_transport = 1").unwrap();
        let error = MysqlWarehouse::open(&url("ssl-mode=DISABLED"), None, options()).unwrap_err();
        // MariaDB only says "access denied".
        let login = Meaning::Login { user: "etl".to_owned() };
        let expected = if server.script == "mysql" { Meaning::TlsRequired } else { login };
        assert_eq!(meaning_of(&error), &expected);
        assert_message(&error, "", "ssl-mode=REQUIRED");
    }
}

#[test]
fn a_rogue_server_gets_no_file() {
    let (port, sent) = rogue_server("/etc/passwd");
    let url = MysqlUrl::parse(&format!("mysql://u@127.0.0.1:{port}/tv")).unwrap();
    let error = refused(&url, options());
    assert_eq!(meaning_of(&error), &Meaning::ForeignFile);
    assert_message(&error, "`/etc/passwd`", "");
    let sent = sent.recv_timeout(Duration::from_secs(10)).unwrap();
    let passwd = fs::read("/etc/passwd").unwrap();
    assert!(sent.len() < 20 && !sent.windows(8).any(|part| passwd.windows(8).any(|other| part == other)), "{sent:?}");
}

#[test]
fn a_load_gives_out_nothing_but_its_own_rows() {
    for server in flavours() {
        drop(server.fresh("asked"));
        // The answer to LOAD DATA names the file that the client offered; this one names another.
        let proxy = Proxy::start(server, |bytes| {
            let (offered, wanted) = (b"\xfbviewmart-rows-", b"\xfb/etc/passwd###");
            if let Some(at) = bytes.windows(offered.len()).position(|part| part == offered) {
                bytes[at..at + wanted.len()].copy_from_slice(wanted);
            }
        });
        let error = load_and_build(&proxy.url("asked"), &random_month("2022-04", 10, 1), 0).unwrap_err();
        assert_eq!(meaning_of(&error), &Meaning::ForeignFile);
        assert_message(&error, "`/etc/passwd###", "");
        assert_eq!(n_staging_tables(&server, "asked"), 0);
    }
}
