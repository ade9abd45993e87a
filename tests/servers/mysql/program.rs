//! The program itself on MySQL and MariaDB: killed at any point, and refused by a server.

use std::fs;
use std::net::Shutdown;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable as _;
use viewmart::engine::month::MonthTable;
use viewmart::month_file;
use viewmart::warehouse::mysql::PRIVILEGES;

use super::fixture::{Server, assert_finished, assert_one_of, flavours, odd, shared};
use super::made::{random_month, with_unmapped};
use super::proxy::{POINTS, Proxy, rogue_server};
use crate::support::{Finished, Workplace};

pub(super) const PASSWORD: &str = "the right w0rd";

/// `viewmart load` of this month, with a password in the environment, to be started.
pub(super) fn load_command(work: &Workplace, table: &MonthTable, url: &str, password: &str) -> Command {
    let mut file = fs::File::create(work.path("month.parquet")).unwrap();
    month_file::write(table, &mut file).unwrap();
    let mut command = work.command(["load", "month.parquet", "--warehouse", url]);
    command.env("HOME", work.path("")).env("VIEWMART_MYSQL_PASSWORD", password);
    command
}

/// The same, to its end.
pub(super) fn load(work: &Workplace, table: &MonthTable, url: &str, password: &str) -> Finished {
    Finished::of(load_command(work, table, url, password).output().unwrap())
}

/// The load fails with exit code 5 and these words, and the password stands in nothing that it says or writes.
#[track_caller]
pub(super) fn assert_refused(table: &MonthTable, url: &str, password: &str, words: &[&str]) {
    let work = Workplace::new();
    let finished = load(&work, table, url, password);
    finished.failed(5, words);
    assert!(finished.stderr.contains("mysql://"), "{}", finished.stderr);
    if !password.is_empty() {
        assert!(!finished.stderr.contains(password), "{}", finished.stderr);
        assert_not_in_files(&work.path(""), password);
    }
}

fn assert_not_in_files(folder: &Path, password: &str) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_not_in_files(&path, password);
        } else {
            let content = fs::read(&path).unwrap();
            assert!(!content.windows(password.len()).any(|part| part == password.as_bytes()), "{}", path.display());
        }
    }
}

/// An account with [`PASSWORD`] and no rights, and no database of this name. Gives the address.
pub(super) fn account(server: &Server, database: &str) -> String {
    let mut root = server.root();
    for sql in [
        format!("DROP DATABASE IF EXISTS {database}"),
        format!("DROP DATABASE IF EXISTS {database}_mart"),
        format!("DROP USER IF EXISTS {database}"),
        format!("CREATE USER {database} IDENTIFIED BY '{PASSWORD}'"),
    ] {
        root.query_drop(sql).unwrap();
    }
    format!("mysql://{database}@127.0.0.1:{}/{database}", server.port)
}

pub(super) fn grant(server: &Server, database: &str, privileges: &str) {
    for name in [database.to_owned(), format!("{database}_mart")] {
        server.root().query_drop(format!("CREATE DATABASE IF NOT EXISTS {name}")).unwrap();
        server.root().query_drop(format!("GRANT {privileges} ON {name}.* TO {database}")).unwrap();
    }
}

#[test]
fn what_a_server_refuses_exits_5_and_shows_no_password() {
    let (good, other) = (random_month("2022-04", 100, 1), random_month("2022-04", 90, 2));
    for server in flavours() {
        let url = account(&server, "refusing");
        assert_refused(&other, &url, "a wr0ng one", &["Access denied", "VIEWMART_MYSQL_PASSWORD"]);
        let advice = "CREATE DATABASE IF NOT EXISTS `refusing`";
        assert_refused(&other, &url, PASSWORD, &["database `refusing` does not exist", advice]);
        grant(&server, "refusing", "SELECT");
        assert_refused(&other, &url, PASSWORD, &["denied", "GRANT SELECT, INSERT"]);
        grant(&server, "refusing", PRIVILEGES);
        load(&Workplace::new(), &good, &url, PASSWORD).ok();
        let (settings, words) = match server.script {
            // This MariaDB has no certificate, that of this MySQL is its own.
            "mariadb" => ("ssl-mode=REQUIRED", ["does not offer TLS", "ssl-mode=PREFERRED"]),
            _ => ("ssl-mode=VERIFY_CA", ["TLS failed", "ssl-ca"]),
        };
        assert_refused(&other, &format!("{url}?{settings}"), PASSWORD, &words);
        assert_customers(&server, "refusing", &good);
    }
    let (port, sent) = rogue_server("/etc/passwd");
    let url = format!("mysql://u@127.0.0.1:{port}/tv");
    assert_refused(&other, &url, PASSWORD, &["asked for the file `/etc/passwd`", "do not use this server"]);
    let sent = sent.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(sent.len() < 20, "{sent:?}");
}

#[test]
fn what_a_guarded_server_refuses_exits_5_and_shows_no_password() {
    let good = random_month("2022-04", 100, 1);
    // Longer than the smallest packet.
    let other = with_unmapped(random_month("2022-04", 90, 2), &"😀".repeat(500));
    let (_guard, servers) = odd();
    for server in servers {
        let url = account(&server, "guarding");
        grant(&server, "guarding", PRIVILEGES);
        load(&Workplace::new(), &good, &url, PASSWORD).ok();
        let secure = if server.script == "mysql" { "insecure transport" } else { "denied" };
        let plain = format!("{url}?ssl-mode=DISABLED");
        for (setting, normal, url, words) in [
            ("read_only = 1", "read_only = 0", &url, ["read-only", "load into the primary server"]),
            (
                "max_allowed_packet = 1024",
                "max_allowed_packet = 67108864",
                &url,
                ["max_allowed_packet", "SET GLOBAL max_allowed_packet"],
            ),
            ("require_secure_transport = 1", "require_secure_transport = 0", &plain, [secure, "ssl-mode=REQUIRED"]),
        ] {
            let mut root = server.root();
            root.query_drop(format!("SET GLOBAL {setting}")).unwrap();
            assert_refused(&other, url, PASSWORD, &words);
            root.query_drop(format!("SET GLOBAL {normal}")).unwrap();
            assert_customers(&server, "guarding", &good);
        }
        load(&Workplace::new(), &other, &url, PASSWORD).ok();
        assert_customers(&server, "guarding", &other);
    }
}

/// The customers and days of this month stand.
#[track_caller]
pub(super) fn assert_customers(server: &Server, database: &str, table: &MonthTable) {
    let expected = (table.n_rows() as u64, table.total.iter().sum::<i64>());
    for (name, count) in [("customer_behavior", "COUNT(*)"), ("daily_activity", "MAX(ActiveUsers)")] {
        let sql = format!("SELECT {count}, CAST(SUM(TotalDuration) AS SIGNED) FROM {database}.{name}");
        let found: (u64, i64) = server.root().query_first(sql).unwrap().unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

/// The child when it has been killed or has come to its end.
fn wait(child: &Mutex<Option<Child>>) -> ExitStatus {
    loop {
        let ended = child.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
        match ended {
            Some(status) => return status,
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// On two servers: to a server it is a run that vanishes, which is tried on all.
#[test]
fn a_killed_program_keeps_the_last_good_month_and_the_next_run_finishes() {
    const ETL_DATE: [&str; 2] = ["--etl-date", "2022-05-01"];
    let work = Workplace::new();
    let lakes = ["first", "second"];
    // One day, so that its users are the customers of the month.
    let months = lakes.map(|lake| {
        let seed = lake.len().to_string();
        work.run(["generate", lake, "--contracts", "40000", "--days", "1", "--seed", &seed, "--clean"]).ok();
        let out = format!("{lake}-out");
        work.run(["transform", lake, "--out", &out, ETL_DATE[0], ETL_DATE[1]]).ok();
        month_file::read(&work.path(format!("{out}/month-2022-04.parquet"))).unwrap()
    });
    assert_ne!(months[0].total, months[1].total);
    let run = |lake: &str, url: &str| {
        let mut command = work.command(["run", lake, "--warehouse", url, "--out", "out", ETL_DATE[0], ETL_DATE[1]]);
        command.env("HOME", work.path(""));
        command
    };
    for server in shared() {
        drop(server.fresh("killed_program"));
        let url = format!("mysql://root@127.0.0.1:{}/killed_program", server.port);
        Finished::of(run(lakes[0], &url).output().unwrap()).ok();
        let proxy = Proxy::start(server, |_| {});
        let by_proxy = format!("mysql://root@127.0.0.1:{}/killed_program?ssl-mode=DISABLED", proxy.port);
        for (i, (words, moment)) in POINTS.into_iter().enumerate() {
            let (old, new) = (i % 2, (i + 1) % 2);
            let child: Arc<Mutex<Option<Child>>> = Arc::default();
            let (streams, condemned) = (proxy.streams.clone(), child.clone());
            proxy.set(words, moment, move || {
                // The statement may come before the child is in its place.
                while condemned.lock().unwrap().as_mut().is_none_or(|child| child.kill().is_err()) {
                    thread::sleep(Duration::from_millis(1));
                }
                // What the proxy holds dies with the program: the server must not hear it.
                for stream in streams.lock().unwrap().drain(..) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            });
            let mut command = run(lakes[new], &by_proxy);
            let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            *child.lock().unwrap() = Some(spawned);
            let status = wait(&child);
            assert_eq!(status.signal(), Some(9), "{words:?}: {status}");
            assert_one_of(&server, "killed_program", [&months[old], &months[new]]);
            Finished::of(run(lakes[new], &url).output().unwrap()).ok();
            assert_finished(&server, "killed_program", &months[new]);
        }
    }
}
