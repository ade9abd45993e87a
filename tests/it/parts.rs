//! A month in parts: whatever the plan, the scans of its tasks merge into the bytes that `transform` writes.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_ipc::reader::StreamReader;
use serde_json::Value;
use viewmart::lake::task::{Task, read_plan};
use viewmart::month_file::{Merge, MergeOptions};

use crate::support::{HANGS_AFTER, Workplace, gzip, record, zstd};

const ETL_DATE: [&str; 2] = ["--etl-date", "2022-05-01"];

/// A month with everything that may lie at the border of a task.
fn dirty_lake(work: &Workplace) {
    let apps = ["CHANNEL", "VOD", "CHILD", "RELAX", "NO SUCH APP"];
    let line = |n: usize| record(&format!("C{:03}", n * 7 % 90), apps[n % 5], (n * 13 % 4000) as i64);
    let lines = |range: std::ops::Range<usize>| range.map(line).collect::<String>();
    let broken = "{\"_source\": no JSON\n\n  \n".to_owned() + &"x".repeat(3000) + "\n";
    work.write("lake/20220401.json", lines(0..60) + &broken + &lines(60..90));
    work.write("lake/20220402.json", lines(90..140).replace('\n', "\r\n") + line(5).trim_end());
    work.write("lake/20220403.json", format!("\u{feff}{}", lines(140..170)));
    work.write("lake/20220404.json", "");
    work.write("lake/20220405/a.json.gz", gzip(lines(170..260).as_bytes()));
    work.write("lake/20220405/b.json.zst", zstd(lines(260..300).as_bytes()));
    let csv = |n: usize| format!("\"note {n}\nwith, a line\",C{:03},{},VOD\n", n % 50, n % 900);
    let csv = |range: std::ops::Range<usize>| {
        "Title,Contract,TotalDuration,AppName\n".to_owned() + &range.map(csv).collect::<String>()
    };
    work.write("lake/20220406.csv", csv(0..100));
    work.write("lake/20220407.csv.gz", gzip(csv(100..150).as_bytes()));
    work.write("lake/20220408.json", lines(300..600));
    work.write("lake/20220409.json", gzip(lines(600..640).as_bytes()));
    work.write("lake/20220410.json.gz", lines(640..680));
    // Files under other names than they have in the lake, and one that is no text.
    for (name, blob, content) in [
        ("20220421.json.gz", "ab12", gzip(lines(680..700).as_bytes())),
        ("20220424.csv", "cd34.json", csv(150..160).into()),
        ("20220422.json", "ef56", lines(700..720).into()),
    ] {
        work.write(&format!("blobs/{blob}"), content);
        symlink(work.path("blobs").join(blob), work.path("lake").join(name)).unwrap();
    }
    work.write("lake/20220423.json", [&b"PK\x03\x04\x14\0\0\0"[..], lines(720..760).as_bytes()].concat());
}

fn plan(work: &Workplace, flags: &[&str]) -> Vec<Task> {
    read_plan(&work.run([&["plan", "lake", "--quiet"], flags].concat()).ok().stdout).unwrap()
}

/// The scan of a task, to be run.
fn scan(work: &Workplace, task: &Task, out: &str) -> Command {
    let text = serde_json::to_string(task).unwrap();
    work.command([&["scan", "--task", &text, "--out", out], &ETL_DATE[..]].concat())
}

#[test]
fn the_scans_of_any_plan_merge_into_the_whole() {
    let work = Workplace::new();
    dirty_lake(&work);
    work.run([&["transform", "lake", "--max-reject-ratio", "1"], &ETL_DATE[..]].concat()).ok();
    let whole = work.read("viewmart-out/month-2022-04.parquet");
    let check = |name: &str, flags: &[&str], n_tasks: std::ops::RangeInclusive<usize>| {
        let tasks = plan(&work, flags);
        assert!(n_tasks.contains(&tasks.len()), "{flags:?}: {} tasks", tasks.len());
        let mut parts: Vec<PathBuf> = Vec::new();
        for task in &tasks {
            let out = format!("{name}/{}.parquet", task.id);
            let output = scan(&work, task, &out).output().unwrap();
            assert!(output.status.success(), "{task:?}: {}", String::from_utf8_lossy(&output.stderr));
            parts.push(work.path(out));
        }
        parts.reverse();
        let mut merged = Vec::new();
        Merge::open(&parts, &MergeOptions::default()).unwrap().write(&mut merged).unwrap();
        assert!(merged == whole, "{flags:?}");
    };
    check("one", &["--tasks", "1"], 1..=1);
    check("seven", &["--tasks", "7"], 4..=7);
    check("default", &[], 1..=1000);
    check("small", &["--split", "16KiB"], 4..=20);
    check("least", &["--split", "1K", "--month", "2022-04"], 50..=300);
}

/// Rows added up by contract: days, and seconds in column order.
type Sums = BTreeMap<String, (i32, [i64; 5])>;

/// Adds the rows of a stream to `sums`; gives their number and the last row's counters.
fn add_stream(bytes: &[u8], sums: &mut Sums) -> (u64, Value) {
    let mut n_rows = 0;
    let mut counters = Vec::new();
    for batch in StreamReader::try_new(bytes, None).unwrap() {
        let batch = batch.unwrap();
        assert!(counters.is_empty(), "rows after the counters");
        if let Some(text) = batch["Counters"].as_string::<i32>().iter().flatten().next() {
            assert_eq!((batch.num_rows(), batch["Contract"].null_count()), (1, 1));
            counters.push(serde_json::from_str(text).unwrap());
            continue;
        }
        n_rows += batch.num_rows() as u64;
        let names = ["MovieDuration", "SportDuration", "ChildDuration", "RelaxDuration", "TvDuration"];
        let seconds = names.map(|name| batch[name].as_primitive::<Int64Type>());
        for row in 0..batch.num_rows() {
            let (days, sum) = sums.entry(batch["Contract"].as_string::<i32>().value(row).to_owned()).or_default();
            *days |= batch["Days"].as_primitive::<Int32Type>().value(row);
            sum.iter_mut().zip(seconds).for_each(|(sum, column)| *sum += column.value(row));
        }
    }
    (n_rows, counters.pop().expect("counters"))
}

/// What the rows of a month file are.
fn rows_of(work: &Workplace, file: &str) -> Sums {
    let table = viewmart::month_file::read(&work.path(file)).unwrap();
    let row = |row: usize| (table.days[row].cast_signed(), table.seconds.each_ref().map(|column| column[row]));
    table.contracts.iter().enumerate().map(|(place, contract)| (contract.to_owned(), row(place))).collect()
}

#[test]
fn the_streams_of_any_plan_add_up_to_the_whole() {
    let work = Workplace::new();
    dirty_lake(&work);
    // So many that they come in pieces.
    let many = (0..5_000).map(|n| record(&format!("D{n:05}"), "VOD", 3)).collect::<String>();
    work.write("lake/20220411.json", &many);
    work.write("lake/20220412.json", many + &record("D", "VOD", 3));
    work.run([&["transform", "lake", "--max-reject-ratio", "1"], &ETL_DATE[..]].concat()).ok();
    let whole = rows_of(&work, "viewmart-out/month-2022-04.parquet");
    let report = work.read_json("viewmart-out/report.json");
    let check = |split: &[&str], flags: &[&str], is_in_pieces: bool| {
        let (mut sums, mut n_rows, mut n_read) = (Sums::new(), 0, 0);
        for task in plan(&work, split) {
            let text = serde_json::to_string(&task).unwrap();
            let words = [&["scan", "--quiet", "--out", "arrow:-", "--task", &text], &ETL_DATE[..], flags].concat();
            let output = work.command(words).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
            let (n_of_task, counters) = add_stream(&output.stdout, &mut sums);
            assert_eq!((&counters["task"], &counters["rows"]), (&task.id.into(), &n_of_task.into()));
            n_rows += n_of_task;
            n_read += counters["ledger"]["read"].as_u64().unwrap();
        }
        assert!(sums == whole, "{split:?}");
        assert_eq!(report["records"]["read"], n_read);
        let n_tasks_alone = split == ["--tasks", "1"];
        assert_eq!(n_tasks_alone && n_rows > whole.len() as u64, is_in_pieces, "{n_rows} rows");
    };
    check(&["--tasks", "1"], &[], false);
    check(&["--tasks", "1"], &["--max-contracts", "100"], true);
    check(&["--tasks", "1"], &["--max-contracts", "1000000"], false);
    check(&["--split", "150KiB"], &["--max-contracts", "5000"], false);
}

#[test]
fn a_stream_that_cannot_be_written_fails() {
    let work = Workplace::new();
    work.write("lake/20220401.json", record("C1", "VOD", 5));
    let task = plan(&work, &[]).remove(0);
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let check = |stdout: Stdio, words: [&str; 2]| {
        let output = scan(&work, &task, "arrow:-").stdout(stdout).stderr(Stdio::piped()).output().unwrap();
        crate::support::Finished::of(output).failed(6, &["/dev/stdout: writing the stream failed", words[0], words[1]]);
    };
    check(full(), ["No space left", "free disk space"]);
    check(closed(), ["Broken pipe", "ended too early"]);
    let text = serde_json::to_string(&task).unwrap();
    let refused = |out: &str, more: &str, word: &str| {
        work.run(["scan", "--task", &text, "--out", out, more]).failed(2, &[word, "next:"]);
    };
    refused("arrow:rows.arrow", "--quiet", "goes to stdout, not to `rows.arrow`");
    refused("arrow:-", "--die-with-parent=4194304", "process 4194304 is not the parent of this one, or has ended");
    let json = work.run(["scan", "--task", &text, "--out", "arrow:-", "--json"]);
    assert_eq!(json.code, Some(2));
    assert!(json.stdout.contains("cannot both go to stdout"), "{}", json.stdout);
    let told = scan(&work, &task, "arrow:-").output().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.starts_with("task 0: 1 record of ") && told.ends_with(", 1 contract, in /dev/stdout\n"), "{told}");
}

#[test]
fn a_plan_that_cannot_be_written_fails() {
    let work = Workplace::new();
    work.write("lake/20220401.json", record("C1", "VOD", 5));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for flags in [&["--quiet"][..], &["--json"]] {
        let mut command = work.command([&["plan", "lake"], flags].concat());
        let output = command.stdout(Stdio::from(writer.try_clone().unwrap())).stderr(Stdio::piped()).output().unwrap();
        crate::support::Finished::of(output).failed(6, &["/dev/stdout: writing the results failed: Broken pipe"]);
    }
}

#[test]
fn last_is_the_month_before_the_etl_date() {
    let work = Workplace::new();
    work.write("lake/20220301.json", record("C1", "VOD", 5));
    work.write("lake/20220401.json", record("C1", "VOD", 5));
    let check = |date: &str, expected: &str| {
        let asked = ["--month", "last", "--etl-date", date];
        let days: Vec<String> =
            plan(&work, &asked).iter().flat_map(|task| &task.ranges).map(|range| range.day.to_string()).collect();
        assert_eq!(days, [format!("{expected}-01")], "{date}");
        let extracted = work.run([&["extract", "lake", "--json"], &asked[..]].concat()).ok().stdout;
        assert_eq!(serde_json::from_str::<Value>(&extracted).unwrap()["month"], expected, "{date}");
    };
    check("2022-04-03", "2022-03");
    check("2022-05-01", "2022-04");
}

#[test]
fn what_a_plan_warns_of_reaches_whoever_publishes() {
    let work = Workplace::new();
    work.write("lake/a/20220401.json", record("C1", "VOD", 5));
    work.write("lake/b/20220401.json", record("C1", "VOD", 5));
    work.write("lake/20220402.json", record("C2", "VOD", 5).repeat(40));
    work.write("lake/20220405.json.tmp", record("C2", "VOD", 5));
    let words = ["lake/b/20220401.json holds the same as", "20220405.json.tmp"];
    work.run(["plan", "lake", "--deny-warnings"]).failed(4, &["warnings are denied", words[0], words[1]]);
    let tasks = plan(&work, &["--split", "1K"]);
    assert!(tasks.len() > 1 && tasks[1..].iter().all(|task| task.warnings.is_empty()), "{tasks:?}");
    work.write("plan.jsonl", viewmart::lake::task::write_plan(&tasks));
    for task in &tasks {
        assert!(scan(&work, task, &format!("parts/{}.parquet", task.id)).output().unwrap().status.success());
    }
    for command in ["merge", "load"] {
        let run = |flags: &[&str]| {
            work.run([&[command, "parts", "--out", "out", "--plan", "plan.jsonl", "--quiet"], flags].concat())
        };
        run(&["--deny-warnings"]).failed(4, &["warnings are denied", words[0], words[1]]);
        assert!(!work.path("out/month-2022-04.parquet").exists() || command == "load");
        let told = run(&[]).ok().stderr;
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
    let recorded = work.rows(
        "out/warehouse.db",
        "SELECT DISTINCT kind FROM etl_run_warning WHERE text LIKE '%the same as%' OR text LIKE '%.tmp%' ORDER BY 1",
    );
    let kinds: Vec<&str> = tasks[0].warnings.keys().map(String::as_str).collect();
    assert_eq!(recorded.concat(), kinds);
}

#[test]
fn a_scan_refuses_what_is_not_as_it_was_planned() {
    let work = Workplace::new();
    work.write("lake/20220401.json", record("C1", "VOD", 5) + &record("C2", "VOD", 5));
    let task = plan(&work, &[]).remove(0);
    let fails = |task: &Task, code: i32, words: &[&str]| {
        let output = scan(&work, task, "part.parquet").output().unwrap();
        crate::support::Finished::of(output).failed(code, words);
        let left: Vec<_> = std::fs::read_dir(work.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["lake"]);
    };
    let changed = |change: &dyn Fn(&mut Task)| {
        let mut task = task.clone();
        change(&mut task);
        task
    };
    let again = "make the plan again";
    fails(&changed(&|task| task.ranges[0].tag = "7".into()), 3, &["20220401.json", "its time is", again]);
    fails(&changed(&|task| task.ranges[0].file_bytes += 1), 3, &["20220401.json", "bytes and has", again]);
    fails(&changed(&|task| task.ranges[0].uri += "x"), 3, &["20220401.jsonx", "opening it failed"]);
    fails(&changed(&|task| task.ranges.clear()), 2, &["has no range"]);
    let text = serde_json::to_string(&task).unwrap();
    let limited = ["scan", "--task", &text, "--out", "part.parquet", "--max-contracts", "1"];
    work.run(limited).failed(4, &["more than 1 contracts", "--split"]);
    work.run(["scan", "--task", "no JSON", "--out", "part.parquet"]).failed(2, &["is no task"]);
    assert!(!work.path("part.parquet").exists());
}

#[test]
fn a_scan_ends_with_the_process_that_started_it() {
    let work = Workplace::new();
    let scan = work.command(["scan", "--task", "-", "--die-with-parent", "--out", "part.parquet"]);
    // The shell has a child that waits for its task.
    let script = "mkfifo task; sleep 60 > task & \"$0\" \"$@\" < task & echo $! > child; wait";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(scan.get_program()).args(scan.get_args()).current_dir(work.path(""));
    let mut shell = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + HANGS_AFTER;
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        while !holds() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let child = || std::fs::read_to_string(work.path("child")).unwrap_or_default().trim().to_owned();
    wait_until("the shell has a child", &|| !child().is_empty());
    let status = |field: &str| {
        let text = std::fs::read_to_string(format!("/proc/{}/status", child())).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(field).map(|value| value.trim().to_owned()))
    };
    // What it waits for is its task, which it reads once it follows its parent.
    wait_until("the scan waits", &|| {
        let program = std::fs::read_link(format!("/proc/{}/exe", child())).unwrap_or_default();
        program.ends_with("viewmart") && status("State:").is_some_and(|state| state.starts_with('S'))
    });
    shell.kill().unwrap();
    shell.wait().unwrap();
    wait_until("the scan has ended", &|| status("State:").is_none_or(|state| state.starts_with('Z')));
}

#[test]
fn a_plan_has_the_files_that_a_run_has() {
    let work = Workplace::new();
    for day in ["01", "02"] {
        work.write(&format!("lake/{day}-04-2022.json"), record("A", "VOD", 60));
    }
    let pattern = ["--day-pattern", "{DD}-{MM}-{YYYY}.json"];
    let days = |tasks: &[Task]| -> usize { tasks.iter().map(|task| task.ranges.len()).sum() };
    assert_eq!(days(&plan(&work, &pattern)), 2);
    let check = |flags: &[&str], code: i32, word: &str| {
        let refused = work.run([&["plan", "lake"], flags].concat());
        assert_eq!(refused.code, Some(code), "{flags:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(word), "{flags:?}: {}", refused.stderr);
    };
    check(&[], 3, "neither its name nor a folder below the input has a day");
    check(&["--day-pattern", pattern[1], "--require-all-days"], 3, "no file for 2022-04-03");
    work.write("lake/02-04-2022 (1).json", record("A", "VOD", 60));
    let copies = ["--day-pattern", "{DD}-{MM}-{YYYY}*.json"];
    check(&copies, 3, "looks like the same data as");
    assert_eq!(days(&plan(&work, &[&copies[..], &["--allow-duplicates"]].concat())), 3);
}

#[test]
fn a_plan_refuses_the_same_data_twice_as_a_run_does() {
    let check = |what: &str, content: String, expected: Result<&str, &str>| {
        let work = Workplace::new();
        for folder in ["a", "b"] {
            work.write(&format!("lake/{folder}/20220401.json"), &content);
        }
        let planned = work.run(["plan", "lake"]);
        match expected {
            Ok(warning) => assert_eq!(planned.ok().stderr, warning, "{what}"),
            Err(words) => planned.failed(3, &[words, "next: remove one of them", "--allow-duplicates"]),
        }
        assert_eq!(work.run(["plan", "lake", "--allow-duplicates"]).ok().stderr, "", "{what}");
    };
    let lines = |n: usize| record("A", "VOD", 60).repeat(n);
    let warning = "warning: lake/b/20220401.json holds the same as lake/a/20220401.json\n";
    let twice = "lake/b/20220401.json: looks like the same data as lake/a/20220401.json: their bytes are the same";
    check("three records", lines(3), Err(twice));
    check("a long file", lines(5000), Err(twice));
    check("two records", lines(2), Ok(warning));
    check("blank lines", "\n".repeat(9), Ok(""));
    check("a line longer than what is looked at", format!("{}{}", " ".repeat(1 << 18), lines(1)), Ok(warning));
}

#[test]
fn days_to_come_are_not_missing() {
    let work = Workplace::new();
    let today = viewmart::timing::today();
    // Midnight may come while this runs.
    let days = 1..=(today.day() + 1).min(today.days_in_month());
    for day in days {
        let date = jiff::civil::Date::new(today.year(), today.month(), day).unwrap();
        work.write(&format!("lake/{date}.json"), record("A", "VOD", 60));
    }
    for command in ["plan", "extract", "run"] {
        work.run([command, "lake", "--require-all-days", "--quiet"]).ok();
    }
}
