//! What the program says and how it exits: settings, messages, exit codes.

use std::fs;

use crate::support::{Workplace, gzip, record};
use crate::tiny;

/// A lake of one good day.
fn one_day(work: &Workplace) {
    work.write("lake/20220401.json", [record("A", "VOD", 5), record("B", "CHANNEL", 7)].concat());
}

#[test]
fn wrong_usage_exits_2_and_says_what_to_write() {
    let work = Workplace::new();
    one_day(&work);
    work.write("rules/empty.toml", "");
    work.write(
        "rules/twice.toml",
        "name = 'x'\n[record]\nmin_seconds = 0\nmax_seconds = 1\nexclude_contracts = []\n[labels]\ntaste = 'positive'\n\
         [category]\nRelax = ['A']\nMovie = ['A']\nChild = []\nSport = []\nTv = []\n",
    );
    work.write("rules/unknown.toml", "name = 'x'\ncolour = 'red'\n");
    work.write("settings/unknown.toml", "threads = 1\n\nthread = 2\n");
    work.write("settings/value.toml", "month = '2022-13'\n");
    let check = |arguments: &[&str], words: &[&str]| work.run(arguments).failed(2, words);
    check(&[], &["Usage: viewmart"]);
    check(&["run"], &["LAKE"]);
    check(&["walk", "lake"], &["walk"]);
    check(&["run", "lake", "--colour"], &["--colour"]);
    check(&["run", "lake", "--month", "April"], &["April", "YYYY-MM"]);
    check(&["run", "lake", "--etl-date", "2022-02-30"], &["2022-02-30"]);
    check(&["run", "lake", "--threads", "0"], &["from 1 to 1024"]);
    check(&["run", "lake", "--max-reject-ratio", "2"], &["from 0 to 1"]);
    check(&["run", "lake", "--format", "parquet"], &["ndjson", "csv"]);
    check(&["run", "lake", "--jobs", "0"], &["from 1 to 16"]);
    check(&["run", "lake", "--refresh", "--offline"], &["contradict", "next:"]);
    check(&["run", "lake", "--keytab", "x"], &["--principal"]);
    check(&["run", "lake", "--rules", "missing.toml"], &["missing.toml", "next:"]);
    check(&["run", "lake", "--rules", "rules/empty.toml"], &["rules/empty.toml: line 1", "empty"]);
    check(&["run", "lake", "--rules", "rules/twice.toml"], &["rules/twice.toml: line 10", "`A`", "Relax"]);
    check(&["run", "lake", "--rules", "rules/unknown.toml"], &["rules/unknown.toml: line 2", "colour"]);
    check(&["run", "lake", "--warehouse", "warehouse.db"], &["`warehouse.db`", "sqlite:PATH"]);
    check(&["run", "lake", "--warehouse", "mysql://u:secret@h/db"], &["mysql://u:***@h/db", "VIEWMART_MYSQL_PASSWORD"]);
    check(&["run", "lake", "--config", "missing.toml"], &["missing.toml"]);
    check(&["run", "lake", "--config", "settings/unknown.toml"], &["settings/unknown.toml: line 3", "thread"]);
    check(&["run", "lake", "--config", "settings/value.toml"], &["settings/value.toml: line 1", "2022-13"]);
    assert!(!work.path("viewmart-out").exists(), "wrong usage must not write anything");
}

#[test]
fn a_password_in_an_address_is_shown_nowhere() {
    let work = Workplace::new();
    one_day(&work);
    let finished = work.run(["run", "lake", "--warehouse", "mysql://u:secret@127.0.0.1:1/db"]);
    assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    for arguments in [
        ["mysql://u:secret@h/db", "run", "lake"],
        ["run", "lake", "--month=mysql://u:secret@h/db"],
        ["run", "lake", "--warehouse-url=mysql://u:secret@h/db"],
        ["run", "lake", "--mysql://u:secret@h/db"],
        ["generate", "x", "mysql://u:secret@h/db"],
        ["completions", "jdbc:mysql://h/db?password=secret", "x"],
    ] {
        check_hidden(&work, &arguments, 2);
    }
    for lake in [
        "mysql://u:secret@h/db",
        "jdbc:mysql://u:secret@h/db",
        "jdbc:mysql://h/db?user=u&password=secret",
        "s3://key:secret@bucket/lake",
        "hdfs://u:secret@nn/lake",
        "viewfs://u:secret@cluster/lake",
        "file://u:secret@elsewhere/lake",
    ] {
        for command in ["run", "extract", "transform", "plan", "bench", "doctor"] {
            check_hidden(&work, &[command, lake], 3);
        }
    }
}

/// Both forms of an error end with `code` and never show `secret`.
#[track_caller]
fn check_hidden(work: &Workplace, arguments: &[&str], code: i32) {
    for json in [None, Some("--json")] {
        let finished = work.run(arguments.iter().copied().chain(json));
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        let text = finished.stdout + &finished.stderr;
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn a_lake_that_cannot_be_read_exits_3_and_nothing_is_published() {
    let work = Workplace::new();
    one_day(&work);
    let compressed = gzip(record("A", "VOD", 5).repeat(50).as_bytes());
    work.write("truncated/20220401.json.gz", &compressed[..compressed.len() - 9]);
    let mut damaged = compressed.clone();
    *damaged.iter_mut().rev().nth(6).unwrap() ^= 0xff;
    work.write("damaged/20220401.json.gz", damaged);
    work.write("not-gzip/20220401.json.gz", [1; 40]);
    work.write("no-day/log.json", record("A", "VOD", 5));
    work.write("odd/20220401.parquet", "PAR1");
    work.write("months/20220401.json", record("A", "VOD", 5));
    work.write("months/20220501.json", record("A", "VOD", 5));
    work.write("hidden/_20220401.json", record("A", "VOD", 5));
    fs::create_dir(work.path("empty")).unwrap();
    let check = |arguments: &[&str], words: &[&str]| {
        work.run(["run", "--out", "out"].iter().chain(arguments)).failed(3, words);
        for name in
            ["warehouse.db", "mart.db", "report.json", "rejects.ndjson", "dashboard.html", "month-2022-04.parquet"]
        {
            let path = work.path("out").join(name);
            // A warehouse that was prepared has no month.
            if name == "warehouse.db" && path.exists() {
                assert_eq!(work.rows("out/warehouse.db", "SELECT count(*) FROM customer_behavior"), [["0"]]);
            } else if name != "mart.db" {
                assert!(!path.exists(), "{} after {arguments:?}", path.display());
            }
        }
    };
    check(&["missing"], &["missing", "no such file"]);
    check(&["empty"], &["empty", "no data file"]);
    check(&["hidden"], &["hidden", "no data file"]);
    check(&["nothing*.json"], &["nothing*.json"]);
    check(&["no-day"], &["no-day/log.json", "YYYYMMDD"]);
    check(&["odd"], &["odd/20220401.parquet", ".ndjson"]);
    check(&["months"], &["2022-04", "2022-05", "--month"]);
    check(&["lake", "--month", "2022-06"], &["2022-06"]);
    check(&["lake", "--require-all-days"], &["2022-04-02", "2022-04-30", "--require-all-days"]);
    check(&["truncated"], &["truncated/20220401.json.gz"]);
    check(&["damaged"], &["damaged/20220401.json.gz"]);
    check(&["not-gzip"], &["not-gzip/20220401.json.gz"]);
}

#[test]
fn data_that_cannot_be_published_exits_4() {
    let work = Workplace::new();
    one_day(&work);
    work.run(["run", "lake"]).ok();
    let good = work.read("viewmart-out/report.json");
    work.write(
        "bad/20220401.json",
        [record("A", "VOD", 5), "{\n".into(), record("", "VOD", 1), record("B", "NEW", 1)].concat(),
    );
    work.write("header/20220401.csv", "Contract,Duration,AppName\nA,5,VOD\n");
    work.write("sums/20220401.json", record("A", "VOD", i64::MAX).repeat(2));

    let refused = work.run(["run", "bad"]);
    refused.failed(
        4,
        &[
            "2 of 4",
            "50.00 %",
            "5.00 %",
            "malformed 1",
            "no_contract 1",
            "--max-reject-ratio",
            "rejects-refused.ndjson",
        ],
    );
    assert!(!refused.stderr.contains("unmapped_app"), "{}", refused.stderr);
    assert_eq!(work.read_text("viewmart-out/rejects-refused.ndjson").lines().count(), 3);
    assert_eq!(work.read("viewmart-out/report.json"), good, "the last good month stays");
    work.run(["run", "bad", "--max-reject-ratio", "0.5"]).ok();
    assert!(!work.path("viewmart-out/rejects-refused.ndjson").exists());

    work.run(["run", "header"]).failed(4, &["header/20220401.csv", "line 1", "TotalDuration", "Duration"]);
    work.run(["run", "sums", "--rules", "seed"]).failed(4, &["64 bits"]);
    work.write("month.parquet", "not a month");
    work.run(["load", "month.parquet"]).failed(4, &["month.parquet"]);
    let rows = work.rows("viewmart-out/warehouse.db", "SELECT Contract FROM customer_behavior");
    assert_eq!(rows, [["A"]], "a refused month changes nothing");
}

#[test]
fn a_warehouse_that_fails_exits_5() {
    let work = Workplace::new();
    one_day(&work);
    work.write(
        "not-a-database.db",
        "These are no tables, and long enough to be looked at as a database file.".repeat(20),
    );
    work.run(["run", "lake", "--warehouse", "sqlite:not-a-database.db"]).failed(5, &["not-a-database.db"]);
    fs::create_dir(work.path("folder.db")).unwrap();
    work.run(["run", "lake", "--warehouse", "sqlite:folder.db"]).failed(5, &["folder.db"]);
}

#[test]
fn output_that_cannot_be_written_exits_6() {
    let work = Workplace::new();
    one_day(&work);
    work.write("file", "in the way");
    work.run(["run", "lake", "--out", "file"]).failed(6, &["file", "next:"]);
    fs::create_dir_all(work.path("taken/report.json")).unwrap();
    work.run(["transform", "lake", "--out", "taken"]).failed(6, &["taken/report.json"]);
    assert!(!work.path("taken/month-2022-04.parquet").exists());
    work.run(["load", "missing.parquet"]).failed(2, &["missing.parquet", "no such file", "next:"]);
}

#[test]
fn stdout_carries_results_only_and_quiet_says_nothing() {
    let work = Workplace::new();
    tiny::write_lake(&work);
    let arguments = tiny::arguments("run");
    let more =
        |words: &[&str]| arguments.iter().cloned().chain(words.iter().map(|w| (*w).to_owned())).collect::<Vec<_>>();
    let table = work.run(more(&[])).ok();
    assert!(table.stdout.contains("22 read = 13 kept + 9 rejected"), "{}", table.stdout);
    assert!(!table.stderr.contains("viewmart-out"), "the report names the files: {}", table.stderr);
    assert!(
        !table.stderr.contains('\u{1b}') && !table.stderr.contains('\r'),
        "no bars without a terminal: {:?}",
        table.stderr
    );
    let json = work.run(more(&["--json", "--quiet", "--report", "copy/report.json"])).ok();
    assert_eq!(json.stderr, "warning: the app of 1 record (4.55 %) is in no category: \"XYZ\" 1\n");
    assert_eq!(json.stdout, work.read_text("viewmart-out/report.json"));
    assert_eq!(json.stdout, work.read_text("copy/report.json"));
    for command in
        [vec!["extract", "lake", "--month", "2022-04"], vec!["mart", "--month", "2022-04"], vec!["dashboard"]]
    {
        let finished = work.run(command.iter().copied().chain(["--json"])).ok();
        let value: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(value["month"], "2022-04", "{command:?}");
    }
}

#[test]
fn flags_beat_variables_beat_the_settings_file() {
    let work = Workplace::new();
    one_day(&work);
    let etl_date = |arguments: &[&str], variable: Option<&str>| {
        let mut command = work.command(["transform", "lake", "--json"].iter().chain(arguments));
        command.envs(variable.map(|value| ("VIEWMART_ETL_DATE", value)));
        let finished = crate::support::Finished::of(command.output().unwrap()).ok();
        let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        report["etl_date"].as_str().unwrap().to_owned()
    };
    work.write("viewmart.toml", "etl_date = '2022-05-03'\n");
    assert_eq!(etl_date(&[], None), "2022-05-03");
    assert_eq!(etl_date(&[], Some("2022-05-02")), "2022-05-02");
    assert_eq!(etl_date(&["--etl-date", "2022-05-01"], Some("2022-05-02")), "2022-05-01");
}

#[test]
fn help_and_version_exit_0() {
    let work = Workplace::new();
    let check = |arguments: &[&str], words: &[&str]| {
        let finished = work.run(arguments).ok();
        assert_eq!(finished.stderr, "");
        for word in words {
            assert!(finished.stdout.contains(word), "{word}: {}", finished.stdout);
        }
    };
    check(&["--version"], &[env!("CARGO_PKG_VERSION")]);
    check(&["--help"], &["run", "extract", "transform", "merge", "load", "mart", "dashboard", "bench", "Exit codes"]);
    check(
        &["run", "--help"],
        &["--month", "--rules", "--etl-date", "--threads", "--warehouse", "--max-reject-ratio", "--json"],
    );
}

#[test]
fn bench_counts_before_it_measures() {
    let work = Workplace::new();
    one_day(&work);
    let finished = work.run(["bench", "lake", "--threads", "2", "--runs", "1", "--json"]).ok();
    let value: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&value["records"], &value["line_ends"]), (&2.into(), &2.into()));
    let threads: Vec<u64> =
        value["threads"].as_array().unwrap().iter().map(|row| row["threads"].as_u64().unwrap()).collect();
    assert_eq!(threads, [1, 2]);
    // A run with as many threads compares with it, one of another number does not.
    let report = |threads: &str| work.run(["transform", "lake", "--threads", threads]).ok().stdout;
    assert!(report("2").contains("\nfloor "), "{}", report("2"));
    assert!(!report("3").contains("\nfloor "), "{}", report("3"));
    // Files that have to be decompressed first have another floor.
    work.write("compressed/20220401.json.gz", work.read("lake/20220401.json"));
    let compressed = work.run(["transform", "compressed", "--threads", "2", "--out", "compressed-out"]).ok().stdout;
    assert!(!compressed.contains("\nfloor "), "{compressed}");
}

#[test]
fn the_doctor_looks_and_changes_nothing() {
    let work = Workplace::new();
    one_day(&work);
    work.write(
        "not-a-database.db",
        "These are no tables, and long enough to be looked at as a database file.".repeat(20),
    );
    let healthy = work.run(["doctor", "lake", "--json"]).ok();
    let value: serde_json::Value = serde_json::from_str(&healthy.stdout).unwrap();
    assert_eq!(value["healthy"], true);
    assert!(!work.path("viewmart-out").exists());
    let check = |arguments: &[&str], code: i32, word: &str| {
        let finished = work.run(["doctor"].iter().chain(arguments));
        assert_eq!(finished.code, Some(code), "{}{}", finished.stdout, finished.stderr);
        assert!(finished.stdout.contains(word) && finished.stdout.contains("failed"), "{}", finished.stdout);
    };
    check(&["missing"], 3, "missing");
    check(&["lake", "--warehouse", "sqlite:not-a-database.db"], 5, "not-a-database.db");
    check(&["lake", "--warehouse", "mysql://u@127.0.0.1:1/db"], 5, "127.0.0.1");
    check(&["lake", "--out", "not-a-database.db/out"], 6, "not-a-database.db");
}

#[test]
fn with_json_an_error_is_one_object_on_stdout() {
    let work = Workplace::new();
    one_day(&work);
    work.write("bad/20220401.json", "{\n");
    work.write("file", "in the way");
    work.write("json.toml", "json = true\nthreads = 0\n");
    let check = |arguments: &[&str], exit: i32, stage: &str, kind: &str, part: &str| {
        let finished = work.run(arguments);
        assert_eq!(finished.code, Some(exit), "{arguments:?}: {}{}", finished.stdout, finished.stderr);
        assert_eq!(finished.stdout.lines().count(), 1, "{arguments:?}: {}", finished.stdout);
        let value: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["exit", "kind", "message", "next", "stage"], "{arguments:?}");
        assert_eq!((&value["stage"], &value["kind"], &value["exit"]), (&stage.into(), &kind.into(), &exit.into()));
        let message = value["message"].as_str().unwrap();
        assert!(message.contains(part), "{arguments:?}: {message}");
        assert!(finished.stderr.contains(message.lines().next().unwrap()), "{arguments:?}: {}", finished.stderr);
    };
    check(&["--json"], 2, "usage", "arguments", "no command was given");
    check(&["walk", "--json"], 2, "usage", "arguments", "unrecognized subcommand 'walk'");
    check(&["run", "lake", "--json", "--threads=0"], 2, "usage", "arguments", "from 1 to 1024");
    check(&["run", "lake", "--config", "json.toml"], 2, "usage", "usage", "json.toml: line 2");
    check(&["run", "lake", "--config", "json.toml", "--treads", "3"], 2, "usage", "arguments", "--treads");
    check(&["run", "lake", "--config=json.toml", "--treads", "3"], 2, "usage", "arguments", "--treads");
    check(&["run", "--json"], 2, "usage", "usage", "no LAKE");
    check(&["run", "lake", "--json", "--config", "none.toml"], 2, "usage", "usage", "none.toml");
    check(&["run", "missing", "--json"], 3, "lake", "lake", "missing");
    check(&["run", "bad", "--json", "--quiet"], 4, "data", "reject_limit", "1 of 1");
    check(&["run", "lake", "--json", "--warehouse=sqlite:file/x.db"], 5, "warehouse", "database", "file/x.db");
    check(&["run", "lake", "--json", "--out", "file"], 6, "output", "output", "file");
    let without = work.run(["run", "missing"]);
    assert_eq!((without.code, without.stdout.as_str()), (Some(3), ""));
    let turned_off = work.run(["walk", "--json", "--json=no"]);
    assert_eq!((turned_off.code, turned_off.stdout.as_str()), (Some(2), ""));
    let turned_off = work.run(["run", "lake", "--config", "json.toml", "--json=no"]);
    assert_eq!((turned_off.code, turned_off.stdout.as_str()), (Some(2), ""));
    work.write("viewmart.toml", "json = 'yes'\nthreads = 0\n");
    check(&["run", "lake"], 2, "usage", "usage", "viewmart.toml: line 2");
    check(&["walk"], 2, "usage", "arguments", "unrecognized subcommand 'walk'");
}

#[test]
fn quiet_leaves_warnings_errors_and_json() {
    let work = Workplace::new();
    one_day(&work);
    let run = |arguments: &[&str]| {
        let mut command = work.command(["transform", "lake"].iter().chain(arguments));
        command.env("VIEWMART_TREADS", "1");
        crate::support::Finished::of(command.output().unwrap()).ok()
    };
    let warning = "warning: unknown variable VIEWMART_TREADS is ignored; did you mean VIEWMART_THREADS?\n";
    let loud = run(&[]);
    assert_eq!(loud.stderr, warning);
    assert!(loud.stdout.contains("read"), "{}", loud.stdout);
    let quiet = run(&["-q"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", warning));
    let json = run(&["--quiet", "--json"]);
    assert_eq!(json.stderr, warning);
    assert_eq!(json.stdout, work.read_text("viewmart-out/report.json"));
}

#[test]
fn rules_are_shown_as_a_file_that_can_be_used() {
    let work = Workplace::new();
    one_day(&work);
    let shown = work.run(["rules", "seed"]).ok().stdout;
    assert!(shown.starts_with("# sha256 ") && shown.contains("taste = \"nonzero\""), "{shown}");
    work.write("mine.toml", &shown);
    assert_eq!(work.run(["rules", "mine.toml"]).ok().stdout, shown);
    let value: serde_json::Value = serde_json::from_str(&work.run(["rules", "--json"]).ok().stdout).unwrap();
    let report: serde_json::Value =
        serde_json::from_str(&work.run(["transform", "lake", "--json"]).ok().stdout).unwrap();
    assert_eq!((&value["name"], &value["sha256"]), (&"default".into(), &report["rules"]["sha256"]));
    work.write("viewmart.toml", "rules = 'mine.toml'\n");
    assert_eq!(work.run(["rules"]).ok().stdout, shown);
    work.run(["rules", "missing.toml"]).failed(2, &["missing.toml", "next:"]);
}

#[test]
fn config_lists_every_setting_with_its_place_and_no_secret() {
    let work = Workplace::new();
    work.write("conf/v.toml", "out = 'x'\njobs = 3\nlake = ['a', '/b']\nwarehouse = 'mysql://u:hunter2@h/db'\n");
    let mut command = work.command(["config", "--config", "conf/v.toml", "--json"]);
    command.envs([("VIEWMART_JOBS", "5"), ("VIEWMART_MYSQL_PASSWORD", "hunter2"), ("VIEWMART_MASK_KEY", "")]);
    let finished = crate::support::Finished::of(command.output().unwrap()).ok();
    assert!(!finished.stdout.contains("hunter2"), "{}", finished.stdout);
    let value: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let check = |key: &str, expected: &str, source: &str| {
        let line = value.as_array().unwrap().iter().find(|line| line["key"] == key).unwrap_or_else(|| panic!("{key}"));
        assert_eq!((&line["value"], &line["source"]), (&expected.into(), &source.into()), "{key}");
    };
    check("jobs", "5", "VIEWMART_JOBS");
    check("out", "conf/x", "conf/v.toml: line 1");
    check("lake", "conf/a /b", "conf/v.toml: line 3");
    check("warehouse", "mysql://u:***@h/db", "conf/v.toml: line 4");
    check("max_reject_ratio", "0.05", "default");
    check("quiet", "no", "default");
    check("json", "yes", "flag");
    check("VIEWMART_MYSQL_PASSWORD", "set, not shown", "variable");
    check("VIEWMART_MASK_KEY", "not set", "variable");
    let table = work.run(["config"]).ok().stdout;
    assert!(table.lines().any(|line| line.starts_with("threads ") && line.ends_with("default")), "{table}");
}

#[test]
fn completions_and_man_pages_are_made_from_the_grammar() {
    let work = Workplace::new();
    // Settings that are wrong are no business of a shell that starts.
    work.write("viewmart.toml", "threads = 0\n");
    assert!(work.run(["completions", "bash"]).ok().stdout.contains("--max-reject-ratio"));
    let made = work.run(["completions", "fish", "share"]).ok();
    assert!(made.stdout.starts_with("share/viewmart.fish\n"), "{}", made.stdout);
    assert!(work.read_text("share/viewmart-run.1").contains("max\\-reject\\-ratio"));
    work.run(["completions", "csh"]).failed(2, &["csh", "bash"]);
}

#[test]
fn an_output_folder_whose_name_is_no_text_is_refused_before_anything_is_made() {
    use std::os::unix::ffi::OsStrExt as _;
    let work = Workplace::new();
    one_day(&work);
    let name = std::ffi::OsStr::from_bytes(b"out\xff");
    let arguments = ["run".as_ref(), "lake".as_ref(), "--out".as_ref(), name];
    work.run(arguments).failed(2, &["not UTF-8", "--out"]);
    assert!(!work.path(name).exists());
}
