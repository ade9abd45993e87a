//! Many months in one run: which are made and why, what stands when one fails or all are killed, what others are told.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Finished, Workplace, record};

const WAREHOUSE: &str = "sqlite:shared/warehouse.db";
/// Other labels than those of the default rules.
const OTHER_RULES: &str = "extends = \"default\"\nname = \"other\"\n[labels]\ntaste = \"nonzero\"\n[category]\n\
    Movie = [\"VOD\", \"X\"]\n";

/// Writes months of two days; which customers a month has depends on its place.
fn write_months(work: &Workplace, months: &[&str], n_customers: usize) {
    for (place, month) in months.iter().enumerate() {
        for day in 1..=2 {
            let customers = (0..n_customers).filter(|n| n % (place + 2) != 0);
            let records = customers.map(|n| {
                let app = ["VOD", "CHANNEL", "X"][(n + place + day) % 3];
                record(&format!("{n:05}"), app, 60 * (1 + (n * (place + 1)) % 50) as i64)
            });
            let name = format!("lake/{}{day:02}.json", month.replace('-', ""));
            work.write(&name, records.collect::<String>());
        }
    }
}

/// The words of a run over several months.
fn words<'a>(months: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["run", "lake", "--month", months, "--warehouse", WAREHOUSE, "--etl-date", "2023-01-01"];
    words.into_iter().chain(["--max-unmapped-ratio", "1"]).chain(more.iter().copied()).collect()
}

fn run(work: &Workplace, months: &str, more: &[&str]) -> Finished {
    work.run(words(months, more))
}

/// Month, why and fate of each month of a report.
fn fates(report: &Value) -> Vec<String> {
    let text = |month: &Value, key: &str| month[key].as_str().unwrap().to_owned();
    let fate = |month: &Value| ["month", "why", "status"].map(|key| text(month, key)).join(" ");
    report["months"].as_array().unwrap().iter().map(fate).collect()
}

fn fates_of(work: &Workplace, months: &str, more: &[&str]) -> Vec<String> {
    let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
    fates(&serde_json::from_str(&run(work, months, &more).stdout).unwrap())
}

fn sql(work: &Workplace, file: &str, sql: &str) {
    Connection::open(work.path("shared").join(file)).unwrap().execute_batch(sql).unwrap();
}

/// What readers see of customers and movement, runs aside.
fn visible(work: &Workplace, folder: &str) -> Vec<Vec<Vec<String>>> {
    let of = |file: &str, table: &str, columns: &str| {
        work.rows(&format!("{folder}/{file}"), &format!("SELECT {columns} FROM {table} ORDER BY {columns}"))
    };
    vec![
        of("warehouse.db", "customer_behavior", "Month, Contract, TotalDuration, MostWatch, Taste, Activeness"),
        of("mart.db", "summary_customer", "Month, TotalUser, TotalDuration"),
        of("mart.db", "customer_movement", "Month, Kind, Users, Seconds, SecondsBefore"),
        of("mart.db", "taste_movement", "Month, TasteBefore, Taste, Users"),
        of("mart.db", "activeness_movement", "Month, BandBefore, Band, Users"),
    ]
}

#[test]
fn months_are_made_where_they_changed() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02", "2022-04"], 30);
    work.write("other.toml", OTHER_RULES);
    let check = |months: &str, more: &[&str], expected: &[&str]| {
        assert_eq!(fates_of(&work, months, more), expected, "{months} {more:?}");
    };
    let all_new = ["2022-01 new planned", "2022-02 new planned", "2022-04 new planned"];
    check("all", &["--dry-run"], &all_new);
    assert!(!work.path("shared").exists() && !work.path("viewmart-out").exists(), "a dry run leaves nothing");
    check("2022-02..2022-03", &[], &["2022-02 new published", "2022-03 no_files left"]);
    check("all", &[], &["2022-01 new published", "2022-02 up_to_date left", "2022-04 new published"]);
    let left = ["2022-01 up_to_date left", "2022-02 up_to_date left", "2022-04 up_to_date left"];
    check("all", &[], &left);
    check("all", &["--max-rejects-kept", "5", "--threads", "1"], &left);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run"), [["3"]]);

    // Files: later ones, and another format.
    write_months(&work, &["2022-01"], 31);
    check("2022-01..2022-02", &[], &["2022-01 files_changed published", "2022-02 up_to_date left"]);
    check("2022-02", &["--format", "csv", "--dry-run"], &["2022-02 format_changed planned"]);
    // What is missing is made alone.
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-02-01'");
    let file = work.read("viewmart-out/month-2022-04.parquet");
    std::fs::remove_file(work.path("viewmart-out/month-2022-04.parquet")).unwrap();
    let mended =
        ["2022-01 up_to_date left", "2022-02 mart_missing mart_built", "2022-04 outputs_missing files_written"];
    check("all", &[], &mended);
    assert!(work.read("viewmart-out/month-2022-04.parquet") == file);
    check("all", &[], &left);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run"), [["4"]]);

    // Devices are a part of the rules.
    let counted = ["2022-01 rules_changed planned", "2022-02 rules_changed planned", "2022-04 rules_changed planned"];
    check("all", &["--devices", "--dry-run"], &counted);

    // Rules: all months, from the last one.
    let other = ["--rules", "other.toml"];
    check(
        "all",
        &[&other[..], &["--reprocess", "missing"]].concat(),
        &["2022-01 rules_changed left", "2022-02 rules_changed left", "2022-04 rules_changed left"],
    );
    check(
        "all",
        &[&other[..], &["--backwards"]].concat(),
        &["2022-04 rules_changed published", "2022-02 rules_changed published", "2022-01 rules_changed published"],
    );
    let page = work.read_text("viewmart-out/dashboard.html");
    assert!(page.contains("2022-01") && page.contains("2022-04"));
    let undisturbed = [&other[..], &["--warehouse", "sqlite:alone/warehouse.db", "--out", "alone-out"]].concat();
    let words = ["run", "lake", "--etl-date", "2023-01-01", "--month", "all"];
    work.run(words.iter().chain(&undisturbed)).ok();
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    check(
        "all",
        &["--reprocess", "all", "--rules", "other.toml", "--dry-run"],
        &["2022-01 up_to_date planned", "2022-02 up_to_date planned", "2022-04 up_to_date planned"],
    );
}

#[test]
fn the_plan_comes_first_and_a_table_last() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    let done = run(&work, "2022-01..2022-03", &["--report", "all.json"]).ok();
    let lines: Vec<&str> = done.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(lines[0], "month    files     size  why                   plan");
    assert!(
        lines[1].starts_with("2022-01      2  ") && lines[1].ends_with("  new                   make"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[3], "2022-03      0      0 B  no files in the lake  -");
    assert!(lines[4].starts_with("2 of 3 months to make, "), "{}", lines[4]);
    assert!(lines[5].starts_with("2022-01  published       ") && lines[5].contains("(1 of 3, about "), "{}", lines[5]);
    assert!(lines[7].starts_with("2022-03  left as it was  ") && lines[7].ends_with("(3 of 3)"), "{}", lines[7]);
    assert!(done.stdout.starts_with("month    why                   what became of it  records"), "{}", done.stdout);
    assert!(done.stdout.lines().last().unwrap().starts_with("3 months in "), "{}", done.stdout);
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!(report, work.read_json("all.json"));
    assert_eq!(fates(&report), ["2022-01 new published", "2022-02 new published", "2022-03 no_files left"]);
    assert_eq!(report["months"][0]["run"], "1");
    assert_eq!(report["months"][1]["records"], work.read_json("viewmart-out/month-2022-02.report.json")["records"]);
    // Nothing is made: nothing is warned of.
    let quiet = run(&work, "all", &["--quiet"]).ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn a_month_that_fails_leaves_the_others() {
    let months = ["2022-01", "2022-02", "2022-03"];
    let check = |more: &[&str], expected: &[&str]| {
        let work = Workplace::new();
        write_months(&work, &months, 30);
        work.write("lake/20220201.json", "no record\n".repeat(2000));
        let found = run(&work, "all", more);
        assert_eq!(found.code, Some(4), "{}", found.stderr);
        assert!(found.stderr.contains("viewmart: 2022-02: "), "{}", found.stderr);
        assert_eq!(fates(&work.read_json("viewmart-out/report.json")), expected);
        work
    };
    let work = check(&[], &["2022-01 new published", "2022-02 new refused", "2022-03 new published"]);
    let failure = &work.read_json("viewmart-out/report.json")["months"][1];
    assert_eq!(
        (&failure["exit"], &failure["stage"], &failure["input"]["files"]),
        (&4.into(), &"data".into(), &2.into())
    );
    write_months(&work, &months[..2], 30);
    sql(&work, "warehouse.db", "DELETE FROM etl_run WHERE Month = '2022-02-01' AND Status = 'published'");
    assert_eq!(
        fates_of(&work, "all", &["--reprocess", "failed"])[1..],
        ["2022-02 new published", "2022-03 up_to_date left"]
    );
    check(&["--stop-on-failure"], &["2022-01 new published", "2022-02 new refused", "2022-03 new not_reached"]);
    check(
        &["--stop-on-failure", "--backwards"],
        &["2022-03 new published", "2022-02 new refused", "2022-01 new not_reached"],
    );
}

/// The names of a month's stages in the order in which they ended.
fn stages(work: &Workplace, month: &str) -> Vec<String> {
    let report = work.read_json(&format!("viewmart-out/month-{month}.report.json"));
    report["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_month_is_read_while_the_one_before_it_is_loaded() {
    let months = ["2022-01", "2022-02", "2022-04"];
    let work = Workplace::new();
    write_months(&work, &months, 30);
    run(&work, "all", &["--lineage", "events.ndjson"]).ok();
    let behind = ["load", "mart", "write", "workbook", "dashboard"];
    assert_eq!(stages(&work, months[0]), [&["scan", "aggregate", "columns"][..], &behind].concat());
    for pair in months.windows(2) {
        assert_eq!(stages(&work, pair[1]), [&["scan", "aggregate", "columns", "wait"][..], &behind].concat());
        let moment = |month: &str, key: &str| {
            let report = work.read_json(&format!("viewmart-out/month-{month}.report.json"));
            report[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
        };
        assert!(moment(pair[1], "started") < moment(pair[0], "finished"));
    }
    // What others see of it is in order all the same.
    assert_eq!(kinds(&work), ["START", "COMPLETE", "START", "COMPLETE", "START", "COMPLETE"]);
    let runs = "SELECT Id, Month FROM etl_run ORDER BY Id";
    assert_eq!(work.rows("shared/warehouse.db", runs), [["1", "2022-01-01"], ["2", "2022-02-01"], ["3", "2022-04-01"]]);
}

#[test]
fn what_fails_ahead_fails_in_its_turn() {
    let check = |more: &[&str], expected: &[&str], runs: &[[&str; 2]]| {
        let work = Workplace::new();
        write_months(&work, &["2022-01", "2022-02", "2022-03"], 30);
        // Not read to its end: the month fails while it is read, not when it is judged.
        work.write("lake/20220203.json.gz", [0x1f, 0x8b, 8, 0, 0]);
        let more = [more, &["--lineage", "events.ndjson"]].concat();
        assert_eq!(run(&work, "all", &more).code, Some(3));
        assert_eq!(fates(&work.read_json("viewmart-out/report.json")), expected, "{more:?}");
        assert_eq!(work.rows("shared/warehouse.db", "SELECT Month, Status FROM etl_run ORDER BY Id"), runs, "{more:?}");
        assert_eq!(work.read_json("viewmart-out/report-refused.json")["month"], "2022-02");
        assert!(!work.path("viewmart-out/month-2022-02.parquet").exists());
        kinds(&work)
    };
    let (good, bad, last) = (["2022-01-01", "published"], ["2022-02-01", "failed"], ["2022-03-01", "published"]);
    let told =
        check(&[], &["2022-01 new published", "2022-02 new failed", "2022-03 new published"], &[good, bad, last]);
    assert_eq!(told, ["START", "COMPLETE", "START", "FAIL", "START", "COMPLETE"]);
    let told = check(
        &["--stop-on-failure"],
        &["2022-01 new published", "2022-02 new failed", "2022-03 new not_reached"],
        &[good, bad],
    );
    assert_eq!(told, ["START", "COMPLETE", "START", "FAIL"]);
}

#[test]
fn several_months_belong_to_run_alone() {
    let work = Workplace::new();
    write_months(&work, &["2022-01"], 3);
    let check = |words: &[&str], code: i32, said: &[&str]| work.run(words).failed(code, said);
    check(&["transform", "lake", "--month", "all"], 2, &["several months", "only `viewmart run` takes several"]);
    check(&["drop", "--month", "2022-01..2022-02"], 2, &["several months"]);
    check(&["run", "lake", "--month", "2022-02..2022-01"], 2, &["the last month is before the first"]);
    check(&["run", "lake", "--month", "2023-01..2023-02"], 3, &["has no file of 2023-01; it has 2022-01 (2 files)"]);
    write_months(&work, &["2022-01", "2022-02"], 3);
    check(&["run", "lake", "--dry-run"], 3, &["holds several months"]);
}

fn spawn(work: &Workplace, words: &[&str]) -> Child {
    work.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn killed_at_random_and_resumed_no_month_is_lost_or_made_twice() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03", "2022-05"];
    write_months(&work, &months, 400);
    work.write("other.toml", OTHER_RULES);
    run(&work, "all", &[]).ok();
    let started = Instant::now();
    let alone = ["--rules", "other.toml", "--warehouse", "sqlite:alone/warehouse.db", "--out", "alone-out"];
    run(&work, "all", &["--dry-run"]).ok();
    work.run(["run", "lake", "--etl-date", "2023-01-01", "--month", "all"].iter().chain(&alone)).ok();
    let whole_run = started.elapsed();
    let before = work
        .rows("shared/warehouse.db", "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1");
    let after =
        work.rows("alone/warehouse.db", "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1");
    const N_KILLS: u32 = 20;
    let words = words("all", &["--rules", "other.toml"]);
    for kill in 0..N_KILLS {
        let mut child = spawn(&work, &words);
        // Points that are spread over a run and follow no order.
        std::thread::sleep(whole_run.mul_f64(f64::from(kill * 7 % N_KILLS) / f64::from(2 * N_KILLS)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = work.rows(
            "shared/warehouse.db",
            "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1",
        );
        for (place, month) in found.iter().enumerate() {
            assert!(*month == before[place] || *month == after[place], "kill {kill} left a part of {month:?}");
        }
        assert_eq!(found.len(), months.len());
    }
    run(&work, "all", &["--rules", "other.toml"]).ok();
    let made = "SELECT Month, COUNT(*) FROM etl_run WHERE Status = 'published' AND RulesName = 'other' GROUP BY 1";
    let once = months.map(|month| [format!("{month}-01"), "1".to_owned()]);
    assert_eq!(work.rows("shared/warehouse.db", made), once);
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    for month in months {
        let files = ["parquet", "report.json"].map(|ending| format!("month-{month}.{ending}"));
        assert!(work.read(&format!("viewmart-out/{}", files[0])) == work.read(&format!("alone-out/{}", files[0])));
        assert_eq!(work.read_json(&format!("viewmart-out/{}", files[1]))["rules"]["name"], "other");
    }
}

#[test]
fn two_runs_at_once_are_safe() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03", "2022-04"];
    write_months(&work, &months, 100);
    let children = [["--out", "one"], ["--out", "two"]].map(|out| {
        let order = if out[1] == "two" { &["--backwards"][..] } else { &[] };
        spawn(&work, &words("all", &[&out[..], order].concat()))
    });
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    run(&work, "all", &["--out", "one"]).ok();
    work.run(["run", "lake", "--etl-date", "2023-01-01", "--month", "all", "--out", "alone"]).ok();
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
}

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02", "2022-03"], 20_000);
    let child = spawn(&work, &words("all", &["--lineage", "events.ndjson"]));
    let lake = work.path("events.ndjson");
    let begun = Instant::now();
    let n_events = || std::fs::read_to_string(&lake).unwrap_or_default().lines().count();
    // In the middle of the second month.
    while n_events() < 3 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("interrupted by SIGINT; "), "{said}");
    assert!(said.contains("next: the same command goes on: 1 of 3 months are done and stay"), "{said}");
    assert_eq!(kinds(&work), ["START", "COMPLETE", "START", "ABORT"]);
    let made = fates_of(&work, "all", &[]);
    assert_eq!((made[0].as_str(), made[2].as_str()), ("2022-01 up_to_date left", "2022-03 new published"));
}

fn events(work: &Workplace) -> Vec<Value> {
    work.read_text("events.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(work: &Workplace) -> Vec<String> {
    events(work).iter().map(|event| event["eventType"].as_str().unwrap().to_owned()).collect()
}

/// What OpenLineage 2-0-2 requires of a run event: path of an object, its required fields.
const REQUIRED: [(&str, &[&str]); 8] = [
    ("", &["eventTime", "producer", "schemaURL", "run", "job"]),
    ("/run", &["runId"]),
    ("/job", &["namespace", "name"]),
    ("/inputs/*", &["namespace", "name"]),
    ("/outputs/*", &["namespace", "name"]),
    ("/run/facets/nominalTime", &["_producer", "_schemaURL", "nominalStartTime"]),
    ("/run/facets/errorMessage", &["_producer", "_schemaURL", "message", "programmingLanguage"]),
    ("/outputs/*/outputFacets/outputStatistics", &["_producer", "_schemaURL"]),
];

/// Whether an event has what is required, as texts of the right form.
fn check_schema(event: &Value) {
    for (path, fields) in REQUIRED {
        let objects: Vec<&Value> = match path.split_once("/*") {
            None => event.pointer(path).into_iter().collect(),
            Some((list, rest)) => {
                let items = event.pointer(list).and_then(Value::as_array).unwrap();
                items.iter().filter_map(|item| item.pointer(rest)).collect()
            }
        };
        for (object, field) in objects.iter().flat_map(|object| fields.iter().map(move |field| (object, field))) {
            assert!(object.get(field).is_some_and(|value| value.is_string() || value.is_object()), "{path} {field}");
        }
    }
    let text = |path: &str| event.pointer(path).unwrap().as_str().unwrap();
    assert!(["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"].contains(&text("/eventType")));
    assert!(text("/eventTime").parse::<jiff::Timestamp>().is_ok());
    assert_eq!(text("/schemaURL"), "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
    let parts: Vec<usize> = text("/run/runId").split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
}

#[test]
fn schedulers_are_told_what_happened() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    work.write("lake/20220201.json", "no record\n".repeat(2000));
    let signals = ["--lineage", "events.ndjson", "--metrics", "viewmart.prom"];
    assert_eq!(run(&work, "all", &signals).code, Some(4));
    assert_eq!(kinds(&work), ["START", "COMPLETE", "START", "FAIL"]);
    let told = events(&work);
    told.iter().for_each(check_schema);
    let folder = std::fs::canonicalize(work.path("lake")).unwrap();
    assert_eq!(told[0]["inputs"], serde_json::json!([{"namespace": "file", "name": folder.to_str().unwrap()}]));
    assert_eq!(told[0]["run"]["runId"], told[1]["run"]["runId"]);
    assert_ne!(told[0]["run"]["runId"], told[2]["run"]["runId"]);
    assert_eq!(told[1]["run"]["facets"]["nominalTime"]["nominalStartTime"], "2022-01-01T00:00:00Z");
    assert!(told[3]["run"]["facets"]["errorMessage"]["message"].as_str().unwrap().contains("rejected"));
    let metrics = work.read_text("viewmart.prom");
    for line in [
        "viewmart_exit_code 4",
        "viewmart_month_status{month=\"2022-01\",status=\"published\"} 1",
        "viewmart_month_status{month=\"2022-02\",status=\"refused\"} 1",
        "viewmart_month_customers{month=\"2022-01\"} 15",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in:\n{metrics}");
    }
    // One month alone: the same files.
    run(&work, "2022-01", &signals).ok();
    assert_eq!(kinds(&work)[4..], ["START", "COMPLETE"]);
    assert!(work.read_text("viewmart.prom").starts_with("# HELP viewmart_exit_code"));
    assert!(work.read_text("viewmart.prom").contains("viewmart_exit_code 0\n"));
    run(&work, "2022-01", &["--metrics", "lake"]).failed(6, &["lake"]);
    run(&work, "2022-01", &["--lineage", "lake"]).failed(6, &["lake"]);
}

#[test]
fn one_month_and_forty_are_drawn() {
    let work = Workplace::new();
    let months: Vec<String> = (0..40).map(|n| format!("{}-{:02}", 2020 + n / 12, n % 12 + 1)).collect();
    let months: Vec<&str> = months.iter().map(String::as_str).collect();
    write_months(&work, &months, 5);
    run(&work, "2020-01..2020-01", &[]).ok();
    let page = |work: &Workplace| work.read_text("viewmart-out/dashboard.html");
    assert!(page(&work).contains("2020-01") && !page(&work).contains("2020-02"));
    let made = fates_of(&work, "all", &[]);
    assert_eq!((made.len(), made[0].as_str()), (40, "2020-01 up_to_date left"));
    assert!(made[1..].iter().all(|line| line.ends_with("new published")), "{made:?}");
    let page = page(&work);
    assert!(page.len() <= 1_000_000, "{}", page.len());
    // The newest 36 are on it, as many of them open as fit.
    let names = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"];
    let names: Vec<String> = (4..40)
        .filter_map(|n| Some(format!("{} {}", names.get(n % 12)?, 2020 + n / 12)))
        .filter(|name| !page.contains(name))
        .collect();
    assert_eq!(names, [""; 0]);
    assert!(page.contains("2023-04"));
    assert_eq!(work.rows("shared/mart.db", "SELECT COUNT(DISTINCT Month) FROM customer_movement"), [["39"]]);
}
