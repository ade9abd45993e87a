//! Waiting for other runs and for readers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable as _;
use mysql::{Conn, params};
use viewmart::console::Progress;
use viewmart::engine::month::MonthTable;
use viewmart::warehouse::mysql::{MysqlOptions, MysqlWarehouse, PRIVILEGES};
use viewmart::warehouse::{Fault, Warehouse as _};

use super::fixture::{
    Server, assert_message, assert_one_of, assert_rows, clock, flavours, load_and_build, n_staging_tables, options,
    take_lock,
};
use super::made::random_month;
use super::program::{PASSWORD, account, assert_customers, grant, load, load_command};
use crate::support::Workplace;
use crate::support::made::with_devices;

#[test]
fn two_runs_at_once_wait_for_each_other() {
    for server in flavours() {
        drop(server.fresh("contended"));
        let months = [random_month("2022-04", 3000, 1), random_month("2022-04", 4000, 2)];
        thread::scope(|scope| {
            for table in &months {
                scope.spawn(|| (0..3).for_each(|_| load_and_build(&server.url("contended"), table, 1).unwrap()));
            }
        });
        assert_one_of(&server, "contended", [&months[0], &months[1]]);
    }
}

#[test]
fn a_run_that_never_ends_is_named() {
    // The last servers know one database under several spellings.
    for (server, spelling) in flavours().zip(["endless", "endless", "Endless", "ENDLESS"]) {
        drop(server.fresh("endless"));
        let mut root = server.root();
        take_lock(&mut root, "endless");
        let options = MysqlOptions { turn_timeout: Duration::from_secs(1), ..options() };
        let mut waiting = MysqlWarehouse::open(&server.url(spelling), None, options).unwrap();
        let error = waiting.load(&random_month("2022-04", 10, 1), clock(), &Progress::hidden()).unwrap_err();
        let id = u64::from(root.connection_id());
        let is_it = |fault| matches!(fault, &Fault::NoTurn { connection, waited_s: 1, .. } if connection == id);
        assert!(error.fault().is_some_and(is_it), "{error:?}");
        assert_message(&error, &format!("connection {id} of root@"), &format!("KILL {id}"));
    }
}

/// A transaction that has read customers and stays open.
fn reader(server: &Server, database: &str) -> Conn {
    let mut reader = server.root();
    reader.query_drop("START TRANSACTION").unwrap();
    reader.query_drop(format!("SELECT COUNT(*) FROM {database}.customer_behavior")).unwrap();
    reader
}

#[test]
fn a_reader_that_stays_is_named_and_the_month_stands() {
    for server in flavours() {
        let mut warehouse = server.fresh("stayed");
        let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2)].map(with_devices);
        load_and_build(&server.url("stayed"), &months[0], 1).unwrap();
        let mut reader = reader(&server, "stayed");
        let impatient = MysqlOptions { lock_timeout: Duration::from_secs(1), ..options() };
        let mut impatient = MysqlWarehouse::open(&server.url("stayed"), None, impatient).unwrap();
        let error = impatient.load(&months[1], clock(), &Progress::hidden()).unwrap_err();
        let id = reader.connection_id();
        let is_it = |fault| matches!(fault, &Fault::Held { connection: Some(found), waited_s: 1, .. } if found == u64::from(id));
        assert!(error.fault().is_some_and(is_it), "{error:?}");
        assert_message(&error, &format!("connection {id} of root@"), &format!("KILL {id},"));
        assert_rows(&mut warehouse, &months[0]);
        assert_one_of(&server, "stayed", [&months[0], &months[0]]);
        assert_eq!(n_staging_tables(&server, "stayed"), 0);
        reader.query_drop("COMMIT").unwrap();
        warehouse.load(&months[1], clock(), &Progress::hidden()).unwrap();
        assert_rows(&mut warehouse, &months[1]);
        assert_eq!(n_staging_tables(&server, "stayed"), 0);
    }
}

/// `viewmart load` of `table` that has begun to wait for `reader` and said so, as an account of its own.
fn waiting_load(work: &Workplace, table: &MonthTable, url: &str, reader: &Conn) -> Child {
    let mut command = load_command(work, table, url, PASSWORD);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("waiting: "));
    let told = told.expect("nothing was said of waiting");
    assert!(told.contains("another session holds what is needed"), "{told}");
    assert!(told.contains(&format!("connection {} of root@", reader.connection_id())), "{told}");
    // Whatever comes now has somebody to read it.
    thread::spawn(move || lines.for_each(drop));
    child
}

#[test]
fn a_program_waits_for_a_reader_and_says_so() {
    for server in flavours() {
        let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2)];
        let url = account(&server, "waiting");
        grant(&server, "waiting", PRIVILEGES);
        grant_sight(&server, "waiting");
        load(&Workplace::new(), &months[0], &url, PASSWORD).ok();
        let mut reader = reader(&server, "waiting");
        let work = Workplace::new();
        let mut child = waiting_load(&work, &months[1], &url, &reader);
        assert_customers(&server, "waiting", &months[0]);
        reader.query_drop("COMMIT").unwrap();
        assert!(child.wait().unwrap().success());
        assert_customers(&server, "waiting", &months[1]);
    }
}

#[test]
fn a_program_that_is_gone_changes_nothing_when_the_reader_ends() {
    for server in flavours() {
        let months = [random_month("2022-04", 300, 1), random_month("2022-04", 200, 2)];
        let url = account(&server, "gone");
        grant(&server, "gone", PRIVILEGES);
        grant_sight(&server, "gone");
        load(&Workplace::new(), &months[0], &url, PASSWORD).ok();
        let mut reader = reader(&server, "gone");
        let work = Workplace::new();
        let mut child = waiting_load(&work, &months[1], &url, &reader);
        child.kill().unwrap();
        child.wait().unwrap();
        let mut root = server.root();
        let sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = :user";
        let mut tries = 0;
        while root.exec_first::<u64, _, _>(sql, params! { "user" => "gone" }).unwrap() != Some(0) {
            tries += 1;
            assert!(tries < 300, "the server goes on for a program that is gone");
            thread::sleep(Duration::from_millis(100));
        }
        reader.query_drop("COMMIT").unwrap();
        assert_customers(&server, "gone", &months[0]);
        load(&Workplace::new(), &months[1], &url, PASSWORD).ok();
        assert_customers(&server, "gone", &months[1]);
        assert_eq!(n_staging_tables(&server, "gone"), 0);
    }
}

/// The right to see who else is there.
fn grant_sight(server: &Server, user: &str) {
    server.root().query_drop(format!("GRANT PROCESS ON *.* TO {user}")).unwrap();
}
