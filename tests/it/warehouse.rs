//! Several runs and readers on one embedded warehouse, and what others left in it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::support::{Finished, Workplace, record};

/// A month in the folder `month`, with customers of its own.
fn write_month(work: &Workplace, month: &str, n_customers: usize) {
    let digits = month.replace('-', "");
    for day in 1..=3 {
        let records: Vec<String> =
            (0..n_customers).map(|n| record(&format!("{digits}{n:05}"), "VOD", (n + day) as i64)).collect();
        work.write(&format!("{month}/{digits}{day:02}.json"), records.concat());
    }
}

/// Runs a month into the warehouse that all share.
fn run(work: &Workplace, month: &str) -> Command {
    run_into(work, month, &format!("out-{month}"))
}

/// The same, with another folder for the files.
fn run_into(work: &Workplace, month: &str, out: &str) -> Command {
    let warehouse = ["--warehouse", "sqlite:shared/warehouse.db", "--etl-date", "2022-07-01"];
    let mut command = work.command(["run", month, "--month", month, "--out", out].iter().chain(&warehouse));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

const MARTS: &str = "SELECT Month, TotalUser FROM summary_customer ORDER BY Month";

#[test]
fn runs_of_two_months_at_once_both_succeed() {
    let work = Workplace::new();
    let months = ["2022-04", "2022-05"];
    months.iter().for_each(|month| write_month(&work, month, 2_000));
    for round in 0..6 {
        if round % 2 == 0 {
            let _ = std::fs::remove_dir_all(work.path("shared"));
        }
        let running: Vec<Child> = months.iter().map(|month| run(&work, month).spawn().unwrap()).collect();
        for child in running {
            Finished::of_child(child).ok();
        }
        let expected = months.map(|month| vec![format!("{month}-01"), "2000".to_owned()]);
        assert_eq!(work.rows("shared/mart.db", MARTS), expected, "round {round}");
        let customers = "SELECT Month, COUNT(*) FROM customer_behavior GROUP BY Month ORDER BY Month";
        assert_eq!(work.rows("shared/warehouse.db", customers), expected, "round {round}");
    }
}

#[test]
fn runs_of_one_month_at_once_both_succeed() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 500);
    for _ in 0..4 {
        let running: Vec<Child> =
            (0..2).map(|n| run_into(&work, "2022-04", &format!("out-{n}")).spawn().unwrap()).collect();
        for child in running {
            Finished::of_child(child).ok();
        }
        assert_eq!(work.rows("shared/mart.db", MARTS), [["2022-04-01", "500"]]);
    }
}

#[test]
fn a_reader_of_the_mart_never_stops_a_load() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    work.run(["transform", "2022-04", "--out", "steps"]).ok();
    let reader = Connection::open(work.path("shared/mart.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    reader.query_row("SELECT COUNT(*) FROM summary_customer", [], |_| Ok(())).unwrap();
    let load = ["load", "steps/month-2022-04.parquet", "--warehouse", "sqlite:shared/warehouse.db"];
    let mut load = work.command(load);
    load.stdout(Stdio::piped()).stderr(Stdio::piped());
    Finished::in_time(load).ok();
    drop(reader);
}

#[test]
fn months_are_compared_beside_a_load() {
    let work = Workplace::new();
    for month in ["2022-04", "2022-05"] {
        write_month(&work, month, 20_000);
        Finished::in_time(run(&work, month)).ok();
    }
    let load = ["load", "out-2022-04/month-2022-04.parquet", "--out", "loaded"];
    let diff = ["diff", "#2022-04", "#2022-05"];
    for pause_ms in [0, 20, 60, 120] {
        let start = |arguments: &[&str]| {
            let mut command = work.command(arguments.iter().chain(&WAREHOUSE));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let loading = start(&load);
        thread::sleep(Duration::from_millis(pause_ms));
        let comparing = start(&diff);
        assert_eq!(Finished::of_child(comparing).code, Some(7), "after {pause_ms} ms");
        Finished::of_child(loading).ok();
    }
}

/// The warehouse as a run leaves it that is killed while it writes: both files changed, and beside them what undoes that.
fn kill_within_a_write(work: &Workplace) {
    for file in ["warehouse.db", "mart.db"] {
        let (path, copy) = (work.path("shared").join(file), work.path("shared").join(format!("copy-{file}")));
        let journal = |path: &std::path::Path| format!("{}-journal", path.display());
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE; CREATE TABLE half_done (Id TEXT)").unwrap();
        // Written before the commit, with the old pages safe in the journal.
        connection.cache_flush().unwrap();
        std::fs::copy(&path, &copy).unwrap();
        std::fs::copy(journal(&path), journal(&copy)).unwrap();
        drop(connection);
        for (from, to) in [(journal(&copy), journal(&path)), (copy.display().to_string(), path.display().to_string())] {
            std::fs::rename(from, to).unwrap();
        }
    }
}

#[test]
fn what_a_killed_run_had_begun_is_undone_by_whoever_comes_next() {
    let commands: [&[&str]; 6] = [
        &["months"],
        &["dashboard", "--month", "2022-04", "--out", "drawn"],
        &["diff", "#2022-04", "#2022-04"],
        &["mart", "--month", "2022-04"],
        &["load", "out-2022-04/month-2022-04.parquet", "--out", "loaded"],
        &["doctor"],
    ];
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    for command in commands {
        kill_within_a_write(&work);
        work.run(command.iter().chain(&WAREHOUSE)).ok();
        for file in ["warehouse.db", "mart.db"] {
            assert!(!work.path(format!("shared/{file}-journal")).exists(), "{command:?}");
            let half_done = "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'half_done'";
            assert_eq!(work.rows(&format!("shared/{file}"), half_done), [["0"]], "{command:?}");
        }
        Finished::in_time(run(&work, "2022-04")).ok();
    }

    // Whoever may not write is told who has to come first.
    kill_within_a_write(&work);
    let set_modes = |folder: u32, file: u32| {
        let set = |path: std::path::PathBuf, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        ["warehouse.db", "mart.db"].iter().for_each(|name| set(work.path("shared").join(name), file));
        set(work.path("shared"), folder);
    };
    for command in &commands[..4] {
        let denied = work.command_as_ordinary_user(command.iter().chain(&WAREHOUSE));
        set_modes(0o555, 0o444);
        let found = Finished::of({ denied }.output().unwrap());
        let journal = work.path("shared/warehouse.db-journal");
        let left = format!("{} is what a run left that was killed", journal.display());
        let next =
            format!("run `viewmart months --warehouse sqlite:{}` once", work.path("shared/warehouse.db").display());
        found.failed(5, &["opening the database failed", &left, &next]);
        set_modes(0o755, 0o644);
    }
    work.run_as_ordinary_user(["months"].iter().chain(&WAREHOUSE)).ok();
    let reading = work.command_as_ordinary_user(commands[1].iter().chain(&WAREHOUSE));
    set_modes(0o555, 0o444);
    Finished::of({ reading }.output().unwrap()).ok();
    set_modes(0o755, 0o644);
}

#[test]
fn a_run_that_waits_says_so_and_goes_on() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    for file in ["warehouse.db", "mart.db"] {
        let other = Connection::open(work.path("shared").join(file)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let running = run(&work, "2022-04").spawn().unwrap();
        thread::sleep(Duration::from_secs(4));
        other.execute_batch("ROLLBACK").unwrap();
        let finished = Finished::of_child(running).ok();
        assert!(finished.stderr.contains(&format!("shared/{file}")), "{}", finished.stderr);
        assert!(finished.stderr.contains("waiting: "), "{}", finished.stderr);
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    let leftovers = ["warehouse.db-mj0A1B2C9D3", "warehouse.db-mj000000900"];
    let others = ["warehouse.db-mjx", "warehouse.db-mj0A1B2C9D3.txt", "other.db-mj0A1B2C9D3"];
    for name in leftovers.iter().chain(&others) {
        work.write(&format!("shared/{name}"), "");
    }
    Finished::in_time(run(&work, "2022-04")).ok();
    assert!(leftovers.iter().all(|name| !work.path("shared").join(name).exists()));
    assert!(others.iter().all(|name| work.path("shared").join(name).exists()));
}

#[test]
fn a_write_ahead_log_is_turned_off_or_lived_with() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    let open = |file: &str| {
        let connection = Connection::open(work.path("shared").join(file)).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        // In use.
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(())).unwrap();
        connection
    };
    let mode = |file: &str| work.rows(&format!("shared/{file}"), "PRAGMA journal_mode").remove(0).remove(0);
    let others = ["warehouse.db", "mart.db"].map(open);
    let dashboard = ["dashboard", "--month", "2022-04", "--warehouse", "sqlite:shared/warehouse.db"];
    work.run(dashboard).ok();
    Finished::in_time(run(&work, "2022-04")).ok();
    assert_eq!((mode("warehouse.db"), mode("mart.db")), ("wal".to_owned(), "wal".to_owned()));
    drop(others);
    Finished::in_time(run(&work, "2022-04")).ok();
    assert_eq!((mode("warehouse.db"), mode("mart.db")), ("delete".to_owned(), "delete".to_owned()));
}

/// The warehouse and mart that version 0.1.0 made of April, in the folder `shared`.
fn write_first_release(work: &Workplace) {
    for (file, compressed) in [
        ("warehouse.db", &include_bytes!("../data/first-release/warehouse.db.gz")[..]),
        ("mart.db", &include_bytes!("../data/first-release/mart.db.gz")[..]),
    ] {
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(compressed).read_to_end(&mut content).unwrap();
        work.write(&format!("shared/{file}"), content);
    }
}

const WAREHOUSE: [&str; 2] = ["--warehouse", "sqlite:shared/warehouse.db"];

#[test]
fn a_warehouse_of_the_first_release_is_brought_up_to_date() {
    let work = Workplace::new();
    write_first_release(&work);
    write_month(&work, "2022-05", 10);
    // Whoever only reads changes nothing, and says what to do.
    let reading = work.run(["dashboard", "--month", "2022-04"].iter().chain(&WAREHOUSE));
    reading.failed(5, &["older viewmart", "viewmart mart --month"]);
    Finished::in_time(run(&work, "2022-05")).ok();
    let version = |file: &str| work.rows(&format!("shared/{file}"), "PRAGMA user_version").remove(0).remove(0);
    assert_eq!((version("warehouse.db"), version("mart.db")), ("2".to_owned(), "2".to_owned()));
    let runs = "SELECT Id, Month, RecordsKept, Status, RulesText FROM etl_run_published ORDER BY Id";
    assert_eq!(work.rows("shared/warehouse.db", runs)[0], ["1", "2022-04-01", "8", "published", ""]);
    let apps = "SELECT Run, App, Category, Records, Seconds FROM etl_run_app WHERE Run = 1";
    assert_eq!(work.rows("shared/warehouse.db", apps), [["1", "XYZ", "", "2", "0"]]);
    let marts = "SELECT Month, Run FROM mart_run ORDER BY Month";
    assert_eq!(work.rows("shared/mart.db", marts), [["2022-04-01", "0"], ["2022-05-01", "2"]]);
    let ids =
        ["warehouse.db", "mart.db"].map(|file| work.rows(&format!("shared/{file}"), "SELECT Id FROM warehouse_id"));
    assert_eq!(ids[0], ids[1]);
    assert_eq!(work.rows("shared/mart.db", MARTS), [["2022-04-01", "5"], ["2022-05-01", "10"]]);
    work.run(["mart", "--month", "2022-04"].iter().chain(&WAREHOUSE)).ok();
    assert_eq!(work.rows("shared/mart.db", marts), [["2022-04-01", "1"], ["2022-05-01", "2"]]);
    let apps = "SELECT App, Category, Records, Seconds FROM app_audience WHERE Month = '2022-05-01'";
    assert_eq!(work.rows("shared/mart.db", apps), [["VOD", "Movie", "30", "195"]]);
    let days = "SELECT Day, Reason, Records FROM daily_quality WHERE Month = '2022-05-01' ORDER BY Day";
    let expected = ["2022-05-01", "2022-05-02", "2022-05-03"].map(|day| [day, "kept", "10"]);
    assert_eq!(work.rows("shared/mart.db", days), expected);
}

#[test]
fn a_mart_of_the_first_release_passes_for_the_run_of_then_only() {
    let work = Workplace::new();
    write_first_release(&work);
    let dashboard = || work.run(["dashboard", "--month", "2022-04"].iter().chain(&WAREHOUSE));
    let load = |month: &str| {
        write_month(&work, month, 10);
        work.run(["transform", month, "--out", month]).ok();
        work.run(["load", month].iter().chain(&WAREHOUSE)).ok();
    };
    load("2022-05");
    dashboard().ok();
    load("2022-04");
    dashboard().failed(5, &["2022-04", "viewmart mart --month 2022-04"]);
    work.run(["mart", "--month", "2022-04"].iter().chain(&WAREHOUSE)).ok();
    dashboard().ok();
}

#[test]
fn what_is_not_ours_or_newer_is_refused_before_the_work() {
    let check = |file: &str, sql: &str, words: &[&str]| {
        let work = Workplace::new();
        write_first_release(&work);
        write_month(&work, "2022-05", 10);
        Connection::open(work.path("shared").join(file)).unwrap().execute_batch(sql).unwrap();
        let before = ["warehouse.db", "mart.db"].map(|file| work.read(&format!("shared/{file}")));
        let found = Finished::in_time(run(&work, "2022-05"));
        found.failed(5, words);
        assert_eq!(["warehouse.db", "mart.db"].map(|file| work.read(&format!("shared/{file}"))), before, "{sql}");
    };
    let foreign = "CREATE TABLE etl_run_app (Id TEXT)";
    check("warehouse.db", foreign, &["table etl_run_app", "did not make it", "ALTER TABLE etl_run_app RENAME TO"]);
    check("mart.db", "CREATE TABLE app_audience (Id TEXT)", &["table app_audience", "did not make it"]);
    let view = "CREATE VIEW app_audience AS SELECT 1 AS Id";
    check("mart.db", view, &["view app_audience", "did not make it", "DROP VIEW app_audience"]);
    check("warehouse.db", "ALTER TABLE etl_run ADD COLUMN Mine TEXT", &["table etl_run", "did not make it"]);
    check("warehouse.db", "PRAGMA user_version = 3", &["newer viewmart", "version 3"]);
    check("mart.db", "PRAGMA user_version = 3", &["mart.db", "newer viewmart"]);
}

#[test]
fn a_file_of_another_program_is_refused() {
    let work = Workplace::new();
    write_month(&work, "2022-05", 10);
    std::fs::create_dir_all(work.path("shared")).unwrap();
    let other = Connection::open(work.path("shared/warehouse.db")).unwrap();
    other.execute_batch("CREATE TABLE bookmark (Id TEXT); PRAGMA user_version = 60").unwrap();
    let found = Finished::in_time(run(&work, "2022-05"));
    found.failed(5, &["belongs to another program", "another database"]);
}

#[test]
fn two_warehouses_never_share_a_mart() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    let other = ["run", "2022-04", "--month", "2022-04", "--warehouse", "sqlite:shared/other.db", "--out", "other"];
    work.run(other).failed(5, &["mart.db is the mart of another warehouse", "--mart-db"]);
    assert!(!work.path("shared/other.db").exists());
    work.run(other.iter().chain(&["--mart-db", "other_mart"])).ok();
}

#[test]
fn a_mart_is_never_built_of_two_runs() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    let warehouse = Connection::open(work.path("shared/warehouse.db")).unwrap();
    for sql in [
        "UPDATE customer_behavior SET MovieDuration = MovieDuration + 1, TotalDuration = TotalDuration + 1",
        "UPDATE etl_run SET RecordsKept = RecordsKept + 1",
        // What adds nothing to the seconds.
        "INSERT INTO customer_behavior SELECT Month, 'one more', 0, 0, 0, 0, 0, 0, 'No', 'No', 1, Date \
         FROM customer_behavior LIMIT 1",
        "UPDATE customer_behavior SET MostWatch = 'Tv' WHERE Contract = '20220400003'",
        "UPDATE customer_behavior SET MostWatch = 'No' WHERE Contract = '20220400003'",
        "UPDATE customer_behavior SET Taste = 'Movie_Tv' WHERE Contract = '20220400000'",
        "UPDATE customer_behavior SET Taste = 'No' WHERE Contract = '20220400009'",
    ] {
        let before = work.read("shared/mart.db");
        warehouse.execute_batch(&format!("SAVEPOINT before; {sql}; RELEASE before")).unwrap();
        let found = work.run(["mart", "--month", "2022-04"].iter().chain(&WAREHOUSE));
        found.failed(5, &["do not belong together", "load the month again"]);
        assert_eq!(work.read("shared/mart.db"), before);
        Finished::in_time(run(&work, "2022-04")).ok();
    }
}

#[test]
fn a_mart_of_another_run_is_not_drawn() {
    let work = Workplace::new();
    write_month(&work, "2022-04", 10);
    Finished::in_time(run(&work, "2022-04")).ok();
    work.run(["transform", "2022-04", "--out", "steps"]).ok();
    work.run(["load", "steps/month-2022-04.parquet"].iter().chain(&WAREHOUSE)).ok();
    let dashboard = ["dashboard", "--out", "drawn"];
    let found = work.run(dashboard.iter().chain(&WAREHOUSE));
    found.failed(5, &["built from run 1, but run 2 stands", "viewmart mart --month 2022-04"]);
    // The only month is taken.
    work.run(["mart"].iter().chain(&WAREHOUSE)).ok();
    work.run(dashboard.iter().chain(&WAREHOUSE)).ok();
}

#[test]
fn a_mart_takes_the_only_month_and_makes_no_warehouse() {
    let work = Workplace::new();
    let mistyped = ["mart", "--warehouse", "sqlite:shared/warehuose.db"];
    work.run(mistyped).failed(5, &["there is no warehouse at", "viewmart run"]);
    assert!(!work.path("shared").exists());
    for month in ["2022-04", "2022-05"] {
        write_month(&work, month, 10);
        Finished::in_time(run(&work, month)).ok();
    }
    let found = work.run(["mart"].iter().chain(&WAREHOUSE));
    found.failed(2, &["several months: 2022-04, 2022-05", "--month"]);
}

#[test]
fn the_doctor_says_of_an_embedded_warehouse_what_a_run_would() {
    let check = |change: &dyn Fn(&Workplace), code: i32, word: &str| {
        let work = Workplace::new();
        write_month(&work, "2022-04", 10);
        Finished::in_time(run(&work, "2022-04")).ok();
        change(&work);
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(work.path("shared")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names();
        let found = work.run(["doctor"].iter().chain(&WAREHOUSE));
        assert_eq!(found.code, Some(code), "{}", found.stdout);
        assert!(found.stdout.contains(word), "`{word}` is missing in:\n{}", found.stdout);
        assert_eq!(names(), before);
        assert_eq!(Finished::in_time(run(&work, "2022-04")).code, Some(code));
    };
    let sql = |work: &Workplace, file: &str, sql: &str| {
        Connection::open(work.path("shared").join(file)).unwrap().execute_batch(sql).unwrap();
    };
    check(&|_| {}, 0, "ready");
    check(&|work| std::fs::remove_file(work.path("shared/mart.db")).unwrap(), 0, "a run makes its mart");
    check(&write_first_release, 0, "a run brings it up to date");
    check(&|work| sql(work, "mart.db", "PRAGMA user_version = 9"), 5, "newer viewmart");
    check(&|work| sql(work, "warehouse.db", "ALTER TABLE etl_run ADD Mine TEXT"), 5, "did not make it");
    check(&|work| std::fs::remove_file(work.path("shared/warehouse.db")).unwrap(), 5, "another warehouse");
    let blocked = |work: &Workplace| {
        std::fs::remove_file(work.path("shared/warehouse.db")).unwrap();
        std::fs::create_dir(work.path("shared/warehouse.db")).unwrap();
    };
    check(&blocked, 5, "unable to open");
}
