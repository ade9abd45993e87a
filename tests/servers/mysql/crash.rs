//! Whatever dies at whatever moment, a month is seen whole.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use mysql::prelude::Queryable as _;
use viewmart::console::Progress;
use viewmart::engine::month::MonthTable;
use viewmart::mart;
use viewmart::mart::months::TableState;
use viewmart::warehouse::mysql::MysqlWarehouse;
use viewmart::warehouse::{Meaning, Warehouse as _};

use super::fixture::{
    Server, assert_finished, assert_one_of, clock, flavours, load_and_build, meaning_of, odd, options, shared,
};
use super::made::random_month;
use super::proxy::{Moment, POINTS, Proxy};
use crate::support::made::with_devices;

/// On two servers: a reader is an account with settings of its own.
#[test]
fn readers_see_whole_months_only() {
    /// What each of them gives is one of the states, in one statement: customers, days and mart.
    const LOOKS: [&str; 3] = [
        "SELECT COUNT(*), CAST(SUM(TotalDuration) AS SIGNED) FROM polled.customer_behavior WHERE Month = '2022-04-01'",
        "SELECT CAST(MAX(ActiveUsers) AS UNSIGNED), CAST(SUM(TotalDuration) AS SIGNED) FROM polled.daily_activity \
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

/// On two servers: what a crash takes back does not depend on what sessions are given.
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
    // Where everything is set against us, around what is published alone.
    let publishing = &POINTS[5..9];
    for (server, points) in flavours().zip([&POINTS[..], &POINTS, publishing, publishing]) {
        let months = [random_month("2022-04", 20_000, 3), random_month("2022-04", 21_000, 4)].map(with_devices);
        drop(server.fresh("vanished"));
        load_and_build(&server.url("vanished"), &months[0], 1).unwrap();
        let proxy = Proxy::start(server, |_| {});
        for (i, (words, moment)) in points.iter().copied().enumerate() {
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
fn a_month_that_a_vanished_run_tore_is_known_until_it_is_made_again() {
    for server in shared() {
        drop(server.fresh("torn"));
        let [old, new] = [1, 2].map(|seed| random_month("2022-04", 2000, seed));
        load_and_build(&server.url("torn"), &old, 1).unwrap();
        let tables = || {
            let mut warehouse = MysqlWarehouse::open(&server.url("torn"), None, options()).unwrap();
            let lines = mart::months::list(&mut warehouse).unwrap();
            (lines[0].tables, lines[0].standing.as_ref().map(|run| run.id), lines[0].last_run)
        };
        assert_eq!(tables(), (TableState::Whole, Some(1), 1));
        let proxy = Proxy::start(server, |_| {});
        let streams = proxy.streams.clone();
        // The new customers are there, and the run that stands is the old one.
        proxy.set("customer_behavior EXCHANGE PARTITION p202204", Moment::After, move || {
            for stream in streams.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        load_and_build(&proxy.url("torn"), &new, 0).unwrap_err();
        assert!(proxy.is_sprung());
        assert_eq!(tables(), (TableState::Torn, Some(1), 2));
        load_and_build(&server.url("torn"), &new, 1).unwrap();
        assert_eq!(tables(), (TableState::Whole, Some(3), 3));
        assert_finished(&server, "torn", &new);
    }
}

#[test]
fn a_run_survives_a_restart_of_the_server() {
    let (_guard, servers) = odd();
    for server in servers {
        drop(server.fresh("restarted"));
        let table = random_month("2022-04", 5000, 1);
        let proxy = Proxy::start(server, |_| {});
        for words in ["INSERT INTO `restarted`.`viewmart_staging", "EXCHANGE PARTITION p202204", "data_quality (Month"]
        {
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
            globals: &[],
        },
        Server {
            script: "mysql",
            folder: "target/test-mysql-full",
            port: 23139,
            options: &["--local-infile=1", "--skip-log-bin", "--innodb-redo-log-capacity=8M"],
            globals: &[],
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
        assert_eq!(meaning_of(&error), &Meaning::ServerFull);
        let url = format!("mysql://root@127.0.0.1:{}/full", server.port);
        super::program::assert_refused(&random_month("2022-04", 200_000, 1), &url, "", &["full", "free disk space"]);
        assert_finished(&server, "full", &small);
        let _ = fs::remove_file(ballast);
        load_and_build(&server.url("full"), &random_month("2022-04", 1000, 2), 1).unwrap();
        server.kill();
    }
}
