//! The files of the output folder: staged before anything is published, never in the place of something else, and a
//! trace of the runs that did not publish.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::support::{Finished, Workplace, record};

const WAREHOUSE: &str = "viewmart-out/warehouse.db";

/// A lake of one good day.
fn write_lake(work: &Workplace, lake: &str, month: &str) {
    let day = format!("{}01", month.replace('-', ""));
    work.write(&format!("{lake}/{day}.json"), [record("A", "VOD", 3600), record("B", "KPLUS", 1800)].concat());
}

/// A lake of which half the records are no records.
fn write_bad_lake(work: &Workplace, lake: &str, month: &str) {
    let day = format!("{}01", month.replace('-', ""));
    let records: String = (0..20).map(|n| format!("{}no record {n}\n", record("A", "VOD", 5))).collect();
    work.write(&format!("{lake}/{day}.json"), records);
}

/// The runs in the warehouse: month, status, exit code.
fn runs(work: &Workplace) -> Vec<Vec<String>> {
    work.rows(WAREHOUSE, "SELECT Month, Status, ExitCode FROM etl_run ORDER BY Id")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_output_that_cannot_be_written_stops_the_run_before_it_publishes() {
    let check = |in_the_way: &str, report: Option<&str>| {
        let work = Workplace::new();
        write_lake(&work, "lake", "2022-04");
        work.write("a-file", "");
        if !in_the_way.is_empty() {
            fs::create_dir_all(work.path("viewmart-out").join(in_the_way)).unwrap();
        }
        let report = report.map(|path| ["--report", path]).into_iter().flatten();
        work.run(["run", "lake"].into_iter().chain(report)).failed(6, &["next: "]);
        let published = "SELECT COUNT(*) FROM etl_run WHERE Status = 'published'";
        assert_eq!(work.rows(WAREHOUSE, published), [["0"]], "{in_the_way} was noticed too late");
        assert!(!work.path("viewmart-out/rejects.ndjson").is_file() || in_the_way == "rejects.ndjson");
    };
    for name in [
        "report.json",
        "rejects.ndjson",
        "dashboard.html",
        "viewmart.twbx",
        "month-2022-04.report.json",
        "month-2022-04.rejects.ndjson",
    ] {
        check(name, None);
    }
    check("", Some("a-file/report.json"));
    check("", Some("viewmart-out"));
}

#[test]
fn a_disk_that_takes_no_more_of_the_month_file_stops_the_run_before_it_publishes() {
    let work = Workplace::new();
    work.run(["generate", "lake", "--contracts", "20000", "--days", "2"]).ok();
    fs::create_dir(work.path("out")).unwrap();
    let published = "SELECT COUNT(*) FROM etl_run WHERE Status = 'published'";
    // The month file and the workbook take some 600 KB, all other files of the run less than 64 KB.
    for (disk, is_large_enough) in [("128k", false), ("8m", true)] {
        let plain = work.command(["run", "lake", "--out", "out", "--warehouse", "sqlite:w.db"]);
        let script = format!("mount -t tmpfs -o size={disk} full out && exec \"$0\" \"$@\"");
        let mut boxed = Command::new("unshare");
        boxed.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(plain.get_program()).args(plain.get_args());
        boxed.current_dir(plain.get_current_dir().unwrap());
        let finished = Finished::of(boxed.output().unwrap());
        if is_large_enough {
            finished.ok();
        } else {
            finished.failed(6, &["No space left on device", "next: "]);
        }
        assert_eq!(work.rows("w.db", published), [[u8::from(is_large_enough).to_string()]], "{disk}");
    }
}

#[test]
fn no_command_writes_over_what_it_reads() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    let month = "april/month-2022-04.parquet";
    work.run(["run", "lake", "--out", "april"]).ok();
    work.write("list.csv", "A\n");
    symlink(month, work.path("link.csv")).unwrap();
    let before = work.read(month);
    let check = |arguments: &[&str], file: &str, what: &str| {
        let was = fs::read(work.path(file)).unwrap();
        work.run(arguments).failed(6, &[file, what, "give that output another place"]);
        assert!(fs::read(work.path(file)).unwrap() == was, "{file}");
    };
    check(&["merge", "april", "--out", "april"], month, "this is a month file that is read");
    check(&["merge", month, "--out", "april"], month, "this is a month file that is read");
    check(&["diff", "april", month, "--out", month], month, "this is a month file that is read");
    check(&["diff", "april", month, "--out", "link.csv"], "link.csv", "this is a month file that is read");
    let of_warehouse = ["diff", month, "sqlite:april/warehouse.db#2022-04", "--out", "april/mart.db"];
    check(&of_warehouse, "april/mart.db", "this is a file of the warehouse");
    let list = ["audience", month, "movie or in('list.csv')", "--out", "list.csv"];
    check(&list, "list.csv", "this is a list that is read");
    let task = work.run(["plan", "lake"]).ok().stdout;
    check(
        &["scan", "--task", task.trim_end(), "--out", "lake/20220401.json"],
        "lake/20220401.json",
        "this is a data file",
    );
    assert!(work.read(month) == before);
    work.run(["merge", "april", "--out", "merged"]).ok();
}

#[test]
fn an_output_never_takes_the_place_of_something_else() {
    let check = |report: &str, word: &str| {
        let work = Workplace::new();
        write_lake(&work, "lake", "2022-04");
        let rules = work.run(["rules"]).ok().stdout;
        work.write("rules.toml", rules);
        work.write("viewmart.toml", "rules = \"rules.toml\"\n");
        work.run(["run", "lake"]).ok();
        symlink("viewmart-out/warehouse.db", work.path("link")).unwrap();
        let before = work.read(WAREHOUSE).len();
        work.run(["run", "lake", "--report", report]).failed(6, &[word, "--report"]);
        if !report.ends_with("-journal") {
            work.run(["transform", "lake", "--report", report]).failed(6, &[word, "--report"]);
        }
        assert_eq!(work.read(WAREHOUSE)[..16], *b"SQLite format 3\0", "{report}");
        assert!(work.read(WAREHOUSE).len() >= before);
        assert_eq!(work.run(["run", "lake"]).code, Some(0), "{report}");
    };
    check("viewmart-out/warehouse.db", "warehouse");
    check("link", "warehouse");
    check("viewmart-out/mart.db", "warehouse");
    check("viewmart-out/warehouse.db-journal", "warehouse");
    check("lake/20220401.json", "data file");
    check("viewmart.toml", "settings");
    check("rules.toml", "rules");
    check("viewmart-out/report.json", "another output");
    check("viewmart-out/../viewmart-out/rejects.ndjson", "another output");
    check("viewmart-out/.viewmart-lock", "lock");
}

#[test]
fn a_report_goes_through_links_and_devices() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    work.write("real/report.json", "old");
    symlink("real/report.json", work.path("link.json")).unwrap();
    work.run(["transform", "lake", "--report", "link.json"]).ok();
    assert!(work.path("link.json").is_symlink());
    assert_eq!(work.read("real/report.json"), work.read("viewmart-out/report.json"));
    assert_eq!(names(&work.path("real")), ["report.json"]);
    symlink("/dev/null", work.path("null")).unwrap();
    work.run(["transform", "lake", "--report", "null"]).ok();
    assert!(work.path("null").is_symlink());
    let found = work.run(["transform", "lake", "--quiet", "--report", "/dev/stdout"]).ok();
    assert_eq!(found.stdout.as_bytes(), work.read("viewmart-out/report.json"));
    work.run(["transform", "lake", "--report", "/dev/full"]).failed(6, &["/dev/full", "free disk space"]);
}

#[test]
fn files_keep_the_mode_that_somebody_gave_them() {
    let work = Workplace::new();
    write_lake(&work, "april", "2022-04");
    write_lake(&work, "may", "2022-05");
    work.run(["run", "april"]).ok();
    let outputs = ["report.json", "rejects.ndjson", "dashboard.html", "viewmart.twbx"];
    let path = |name: &str| work.path("viewmart-out").join(name);
    for name in outputs {
        fs::set_permissions(path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    work.run(["run", "may"]).ok();
    for name in outputs.into_iter().chain(["month-2022-05.report.json", "month-2022-05.rejects.ndjson"]) {
        assert_eq!(fs::metadata(path(name)).unwrap().mode() & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn report_and_rejects_stay_by_month() {
    let work = Workplace::new();
    for month in ["2022-04", "2022-05"] {
        write_lake(&work, month, month);
        work.run(["run", month]).ok();
    }
    for (name, month) in
        [("report.json", "2022-05"), ("month-2022-04.report.json", "2022-04"), ("month-2022-05.report.json", "2022-05")]
    {
        assert_eq!(work.read_json(&format!("viewmart-out/{name}"))["month"], month, "{name}");
    }
    let inode = |name: &str| fs::metadata(work.path("viewmart-out").join(name)).unwrap().ino();
    assert_eq!(inode("report.json"), inode("month-2022-05.report.json"));
    assert_eq!(inode("rejects.ndjson"), inode("month-2022-05.rejects.ndjson"));
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!(report["run"], "2");
    let warehouse = report["warehouse"].as_str().unwrap();
    assert!(warehouse.starts_with("sqlite:/") && warehouse.ends_with("viewmart-out/warehouse.db"), "{warehouse}");
    for output in report["outputs"].as_array().unwrap() {
        assert!(work.path(output.as_str().unwrap()).is_file(), "{output}");
    }
    assert!(report["outputs"].as_array().unwrap().contains(&json!("viewmart-out/dashboard.html")));
    let (started, finished) = (report["started"].as_str().unwrap(), report["finished"].as_str().unwrap());
    assert!(started <= finished && started.ends_with('Z') && started.len() == "2022-05-01T01:02:03.004Z".len());
    // A transform publishes nowhere.
    work.run(["transform", "2022-04"]).ok();
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!((&report["run"], &report["warehouse"]), (&json!(null), &json!(null)));
}

#[test]
fn a_refused_run_leaves_a_trace_until_its_month_is_good() {
    let work = Workplace::new();
    write_lake(&work, "april", "2022-04");
    write_lake(&work, "may", "2022-05");
    write_bad_lake(&work, "bad-april", "2022-04");
    work.run(["run", "april"]).ok();
    let good = work.read("viewmart-out/report.json");
    work.run(["run", "bad-april"]).failed(4, &["rejects-refused.ndjson"]);
    assert_eq!(work.read("viewmart-out/report.json"), good);
    let expected = [["2022-04-01", "published", "0"], ["2022-04-01", "refused", "4"]];
    assert_eq!(runs(&work), expected);
    let message = work.rows(WAREHOUSE, "SELECT Message FROM etl_run WHERE Id = 2").remove(0).remove(0);
    assert!(message.contains("were rejected"), "{message}");
    let traces = ["report-refused.json", "rejects-refused.ndjson"];
    let refused = work.read_json("viewmart-out/report-refused.json");
    for (key, value) in [
        ("month", json!("2022-04")),
        ("status", json!("refused")),
        ("stage", json!("data")),
        ("kind", json!("reject_limit")),
        ("exit", json!(4)),
        ("message", json!(message)),
    ] {
        assert_eq!(refused[key], value, "{key}");
    }
    assert_eq!(refused["records"]["read"], 40);
    let are_there = || traces.map(|name| work.path("viewmart-out").join(name).is_file());
    // Neither a picture of the good month nor another month makes it good.
    work.run(["dashboard", "--month", "2022-04"]).ok();
    work.run(["run", "may"]).ok();
    work.run(["transform", "may"]).ok();
    assert_eq!(are_there(), [true, true]);
    work.run(["run", "april"]).ok();
    assert_eq!(are_there(), [false, false]);
    assert!(!names(&work.path("viewmart-out")).iter().any(|name| name.contains("refused")));
}

#[test]
fn a_run_that_fails_is_recorded_and_makes_no_warehouse() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    let missing = ["run", "lake", "--require-all-days"];
    work.run(missing).failed(3, &["no file for 2022-04-02 to 2022-04-30"]);
    assert!(!work.path(WAREHOUSE).exists());
    assert_eq!(work.read_json("viewmart-out/report-refused.json")["status"], "failed");
    work.run(["run", "lake"]).ok();
    work.run(missing).failed(3, &["no file for 2022-04-02"]);
    assert_eq!(runs(&work), [["2022-04-01", "published", "0"], ["2022-04-01", "failed", "3"]]);
    // The month that stands is still that of the good run.
    assert_eq!(work.rows(WAREHOUSE, "SELECT Id FROM etl_run_published"), [["1"]]);
    work.run(["dashboard"]).ok();
}

#[test]
fn a_load_that_fails_is_recorded() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    work.run(["transform", "lake", "--out", "steps"]).ok();
    let file = "steps/month-2022-04.parquet";
    let mut damaged = work.read(file);
    damaged[4..40].fill(0xff);
    work.write("damaged/month-2022-04.parquet", damaged);
    work.run(["load", file, "--require-all-days"]).failed(3, &["no record of 2022-04-02 to 2022-04-30"]);
    assert!(!work.path(WAREHOUSE).exists());
    work.run(["load", file]).ok();
    let mut expected = vec![["2022-04-01", "published", "0"]];
    let mut check = |args: &[&str], status: &'static str, exit: &'static str| {
        work.run(["load"].iter().chain(args)).failed(exit.parse().unwrap(), &["next:"]);
        expected.push(["2022-04-01", status, exit]);
        assert_eq!(runs(&work), expected, "{args:?}");
    };
    check(&[file, "--require-all-days"], "failed", "3");
    // The month is known before a file is.
    check(&["damaged", "--month", "2022-04"], "refused", "4");
    check(&["nowhere", "--month", "2022-04"], "failed", "2");
    assert_eq!(work.rows(WAREHOUSE, "SELECT Id FROM etl_run_published"), [["1"]]);
    let rules = "SELECT DISTINCT RulesName FROM etl_run WHERE Id < 3";
    assert_eq!(work.rows(WAREHOUSE, rules), [["default"]]);
}

#[test]
fn a_month_that_the_lake_lacks_is_recorded() {
    let check = |lake: &str, word: &str| {
        let work = Workplace::new();
        write_lake(&work, "lake", "2022-04");
        let may = ["run", lake, "--month", "2022-05"];
        work.run(may).failed(3, &[word]);
        assert!(!work.path(WAREHOUSE).exists(), "{lake}");
        work.run(["run", "lake"]).ok();
        work.run(may).failed(3, &[word]);
        assert_eq!(runs(&work), [["2022-04-01", "published", "0"], ["2022-05-01", "failed", "3"]], "{lake}");
        let refused = work.read_json("viewmart-out/report-refused.json");
        assert_eq!(
            (&refused["month"], &refused["stage"], &refused["exit"]),
            (&json!("2022-05"), &json!("lake"), &json!(3)),
            "{lake}"
        );
        work.run(["transform", lake, "--month", "2022-05", "--out", "files"]).failed(3, &[word]);
        assert!(work.path("files/month-2022-05.report-refused.json").exists(), "{lake}");
    };
    check("lake", "has no file of 2022-05");
    check("nowhere", "nowhere");
}

#[test]
fn the_rules_are_shown_without_the_contracts_they_exclude() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    work.run(["run", "lake", "--exclude-contract", "SECRET-1", "--exclude-contract", "SECRET-2"]).ok();
    let report = work.read_text("viewmart-out/report.json");
    let text = work.read_json("viewmart-out/report.json")["rules"]["text"].as_str().unwrap().to_owned();
    let page = work.read_text("viewmart-out/dashboard.html");
    // printf 'SECRET-1\nSECRET-2\n' | sha256sum
    let line =
        "# exclude_contracts: 2, not shown, sha256 eeeefe2ae08713d47039438c8d62fcf622d40c17972747b1bf38f0280c3b0592";
    assert!(text.contains("Child = [\"CHILD\"]\n") && text.contains(line), "{text}");
    assert!(page.contains(line) && page.contains("Child = [&quot;CHILD&quot;]\nSport = ["));
    assert!(!report.contains("SECRET") && !page.contains("SECRET"));
    let kept = work.rows(WAREHOUSE, "SELECT RulesText FROM etl_run").concat().concat();
    assert!(kept.contains("exclude_contracts = [\"SECRET-1\", \"SECRET-2\"]"), "{kept}");
}

/// Starts a run that waits for somebody, interrupts it when `is_reached` holds, and returns its stderr; its stdout is in a file.
fn interrupt(work: &Workplace, arguments: &[&str], is_reached: impl Fn() -> bool) -> String {
    let stderr = fs::File::create(work.path("stderr")).unwrap();
    let stdout = fs::File::create(work.path("stdout")).unwrap();
    let mut run = work.command(arguments).stderr(stderr).stdout(stdout).spawn().unwrap();
    while !is_reached() {
        assert!(run.try_wait().unwrap().is_none(), "ended too early: {}", work.read_text("stderr"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = i32::try_from(run.id()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().signal(), Some(2));
    work.read_text("stderr")
}

#[test]
fn an_interrupted_run_says_what_stands_and_is_recorded() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    work.run(["run", "lake"]).ok();
    let refused = || work.read_json("viewmart-out/report-refused.json");
    let is_waiting = || work.read_text("stderr").contains("waiting: ");

    // Before anything is published: somebody else makes a mart.
    fs::rename(work.path("viewmart-out/mart.db"), work.path("mart.db")).unwrap();
    let mart = rusqlite::Connection::open(work.path("viewmart-out/mart.db")).unwrap();
    mart.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE mine (Id TEXT)").unwrap();
    let said = interrupt(&work, &["run", "lake"], is_waiting);
    assert!(said.contains("interrupted by SIGINT; nothing was published"), "{said}");
    interrupt(&work, &["run", "lake", "--json"], is_waiting);
    let object: serde_json::Value = serde_json::from_str(&work.read_text("stdout")).unwrap();
    assert_eq!((&object["kind"], &object["exit"]), (&json!("interrupted"), &json!(130)));
    assert!(
        object["message"].as_str().unwrap().contains("nothing was published") && object["next"].is_string(),
        "{object}"
    );
    // A command that writes nothing down says at least that much.
    interrupt(&work, &["mart", "--json"], is_waiting);
    let object: serde_json::Value = serde_json::from_str(&work.read_text("stdout")).unwrap();
    assert_eq!((&object["kind"], &object["message"]), (&json!("interrupted"), &json!("interrupted by SIGINT")));
    drop(mart);
    fs::rename(work.path("mart.db"), work.path("viewmart-out/mart.db")).unwrap();
    assert_eq!(runs(&work)[1..], [["2022-04-01", "interrupted", "130"], ["2022-04-01", "interrupted", "130"]]);
    assert_eq!((&refused()["status"], &refused()["exit"]), (&json!("interrupted"), &json!(130)));

    // While it is published: the warehouse alone knows.
    let warehouse = rusqlite::Connection::open(work.path(WAREHOUSE)).unwrap();
    warehouse.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = interrupt(&work, &["run", "lake"], is_waiting);
    assert!(said.contains("stands whole, as it was or as it is"), "{said}");
    drop(warehouse);
    assert_eq!(runs(&work).len(), 3);

    work.run(["run", "lake"]).ok();
    assert!(!work.path("viewmart-out/report-refused.json").exists());
}

#[test]
fn names_from_outside_do_not_steer_the_terminal() {
    let work = Workplace::new();
    let name = "a\u{1b}[31m\r20220401.json";
    fs::create_dir(work.path("lake")).unwrap();
    fs::write(work.path("lake").join(name), "Contract\n").unwrap();
    fs::rename(work.path("lake").join(name), work.path("lake").join(format!("{name}.csv"))).unwrap();
    let is_safe = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
    for command in ["run", "doctor", "transform", "extract", "bench"] {
        let found = work.run([command, "lake"]);
        assert!(is_safe(&found.stderr), "{command}: {:?}", found.stderr);
        assert!(is_safe(&found.stdout), "{command}: {:?}", found.stdout);
    }
    assert!(work.run(["transform", "lake"]).stderr.contains("\\u{1b}[31m\\r"));

    // What is data, or a text for machines, holds the same in a safe form.
    let odd = "a\u{1b}[31m\u{9b}2J\u{202e}b";
    let is_safe = |text: &str| is_safe(text) && !text.contains('\u{202e}');
    fs::create_dir(work.path(odd)).unwrap();
    fs::write(work.path(odd).join("20220401.json"), record("A", "VOD", 1)).unwrap();
    let rules = "extends = \"default\"\n[record]\nexclude_contracts = [\"a\\u001B[31m\\u009B2J\u{202e}b\"]\n";
    work.write("odd.toml", rules);
    let rules = |text: &str| {
        toml::from_str::<toml::Table>(text).unwrap()["record"]["exclude_contracts"][0].as_str().unwrap().to_owned()
    };
    for arguments in [
        &["plan", odd][..],
        &["run", odd, "--out", odd, "--json"],
        &["months", "--out", odd, "--json"],
        &["doctor", odd, "--json"],
        &["config", "--out", odd],
        &["config", "--out", odd, "--json"],
        &["rules", "odd.toml"],
        &["rules", "odd.toml", "--json"],
        &["completions", "bash", odd],
        &["run", "lake", "--quiet", odd, "--month", odd],
        &["run", "lake", odd, "--month", odd, "--json"],
        &[odd],
    ] {
        let found = work.run(arguments);
        assert!(is_safe(&found.stderr), "{arguments:?}: {:?}", found.stderr);
        assert!(is_safe(&found.stdout), "{arguments:?}: {:?}", found.stdout);
        if arguments.contains(&"--json") {
            let values = serde_json::Deserializer::from_str(&found.stdout).into_iter::<serde_json::Value>();
            assert!(values.map(Result::unwrap).count() > 0, "{arguments:?}");
        }
    }
    let shown = work.run(["rules", "odd.toml"]).ok().stdout;
    assert_eq!(rules(&shown), rules(&work.read_text("odd.toml")));
}

#[test]
fn a_name_that_is_no_text_is_refused_before_anything_is_made() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    let before = names(&work.path("."));
    let out = std::ffi::OsStr::from_bytes(b"out\xff");
    let arguments = ["run", "lake", "--out"].map(std::ffi::OsStr::new).into_iter().chain([out]);
    work.run(arguments).failed(2, &["not UTF-8"]);
    assert_eq!(names(&work.path(".")), before);
}

#[test]
fn pseudonyms_leave_no_workbook_that_leads_to_the_contracts() {
    let work = Workplace::new();
    write_lake(&work, "lake", "2022-04");
    work.run(["run", "lake"]).ok();
    for name in ["viewmart.twb", "viewmart.tds"] {
        work.write(&format!("viewmart-out/{name}"), "of a run without pseudonyms");
    }
    let masked = ["--mask-contracts", "--mask-key-file", "key"];
    work.run(["dashboard"].iter().chain(&masked)).ok();
    assert!(!names(&work.path("viewmart-out")).iter().any(|name| name.ends_with(".twb") || name.ends_with(".tds")));
    // One that cannot be removed is noticed before anything is drawn.
    fs::create_dir(work.path("viewmart-out/viewmart.twb")).unwrap();
    let page = work.read("viewmart-out/dashboard.html");
    work.run(["run", "lake"].iter().chain(&masked)).failed(6, &["viewmart.twb", "a folder has the name of the file"]);
    assert_eq!(work.read("viewmart-out/dashboard.html"), page);
    assert_eq!(runs(&work), [["2022-04-01", "published", "0"], ["2022-04-01", "failed", "6"]]);
}

#[test]
fn advice_fits_what_went_wrong() {
    let work = Workplace::new();
    let check = |arguments: &[&str], code: i32, next: &str| {
        let found = work.run(arguments);
        found.failed(code, &[next]);
        assert!(!found.stderr.contains("free disk space"), "{}", found.stderr);
    };
    write_lake(&work, "lake", "2022-04");
    check(&["load", "missing.parquet"], 2, "check the path");
    work.write("file", "");
    check(&["transform", "lake", "--out", "file/out"], 6, "a file has the name of a folder");
}
