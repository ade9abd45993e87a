//! What others are told of runs: monitors by metrics, schedulers by events, people by the last word.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::series::{fates, fates_of, run, spawn, sql, words, write_months};
use crate::support::Workplace;

pub(crate) fn events(work: &Workplace) -> Vec<Value> {
    work.read_text("events.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn kinds(work: &Workplace) -> Vec<String> {
    events(work).iter().map(|event| event["eventType"].as_str().unwrap().to_owned()).collect()
}

/// A schema as OpenLineage publishes it, by the name of its file.
fn schema(name: &str) -> Value {
    let text = match name {
        "OpenLineage" => include_str!("../data/openlineage/OpenLineage.json"),
        "ErrorMessageRunFacet" => include_str!("../data/openlineage/ErrorMessageRunFacet.json"),
        "InputStatisticsInputDatasetFacet" => include_str!("../data/openlineage/InputStatisticsInputDatasetFacet.json"),
        "NominalTimeRunFacet" => include_str!("../data/openlineage/NominalTimeRunFacet.json"),
        "OutputStatisticsOutputDatasetFacet" => {
            include_str!("../data/openlineage/OutputStatisticsOutputDatasetFacet.json")
        }
        other => panic!("no schema {other}"),
    };
    serde_json::from_str(text).unwrap()
}

/// Checks `value` by the schema that `address` names, as much of JSON Schema as those of OpenLineage use.
fn check_by(address: &str, within: &Value, value: &Value) {
    let (file, pointer) = address.split_once('#').unwrap();
    let other = (!file.is_empty()).then(|| {
        let found = schema(file.rsplit('/').next().unwrap().trim_end_matches(".json"));
        assert_eq!(found["$id"], file, "the schema has another version");
        found
    });
    let root = other.as_ref().unwrap_or(within);
    check_value(root.pointer(pointer).unwrap(), root, value);
}

fn check_value(rule: &Value, root: &Value, value: &Value) {
    for (key, of) in rule.as_object().unwrap() {
        let is_valid = match (key.as_str(), of.as_str().unwrap_or_default()) {
            ("$ref", address) => {
                check_by(address, root, value);
                true
            }
            ("allOf", _) => {
                of.as_array().unwrap().iter().for_each(|rule| check_value(rule, root, value));
                true
            }
            // Those of OpenLineage have one rule only.
            ("anyOf", _) if of.as_array().unwrap().len() == 1 => {
                check_value(&of[0], root, value);
                true
            }
            ("properties", _) => {
                let known = of.as_object().unwrap().iter().filter_map(|(name, rule)| Some((rule, value.get(name)?)));
                known.for_each(|(rule, value)| check_value(rule, root, value));
                true
            }
            ("additionalProperties", _) if of.is_object() => {
                value.as_object().unwrap().values().for_each(|value| check_value(of, root, value));
                true
            }
            ("items", _) => {
                value.as_array().unwrap().iter().for_each(|value| check_value(of, root, value));
                true
            }
            ("required", _) => of.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            ("enum", _) => of.as_array().unwrap().contains(value),
            ("type", "object") => value.is_object(),
            ("type", "array") => value.is_array(),
            ("type", "string") => value.is_string(),
            ("type", "integer") => value.is_u64() || value.is_i64(),
            ("format", "date-time") => value.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(),
            ("format", "uri") => value.as_str().unwrap().split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty()),
            ("format", "uuid") => value.as_str().unwrap().split('-').map(str::len).eq([8, 4, 4, 4, 12]),
            ("description" | "example", _) | ("additionalProperties", _) => true,
            (other, _) => panic!("no rule {other} in this test"),
        };
        assert!(is_valid, "{key} {of}: {value}");
    }
}

/// Checks an event, and each of its facets, by the schema that it names.
fn check_schema(event: &Value) {
    check_by(event["schemaURL"].as_str().unwrap(), &Value::Null, event);
    let lists = [("inputs", "inputFacets"), ("outputs", "outputFacets")];
    let of_lists = lists
        .into_iter()
        .flat_map(|(list, facets)| event[list].as_array().unwrap().iter().filter_map(move |item| item.get(facets)));
    for facet in of_lists.chain([&event["run"]["facets"]]).flat_map(|facets| facets.as_object().unwrap().values()) {
        check_by(facet["_schemaURL"].as_str().unwrap(), &Value::Null, facet);
    }
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
    let input = &told[0]["inputs"][0];
    assert_eq!((&input["namespace"], &input["name"]), (&"file".into(), &folder.to_str().unwrap().into()));
    let n_bytes: u64 = (1..=2).map(|day| work.read(&format!("lake/202201{day:02}.json")).len() as u64).sum();
    let statistics = &input["inputFacets"]["inputStatistics"];
    assert_eq!((&statistics["size"], &statistics["fileCount"]), (&n_bytes.into(), &2.into()));
    // Rows of the table, not records.
    assert_eq!(told[1]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 15);
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
    let told = events(&work);
    told[4..].iter().for_each(check_schema);
    assert_eq!(told[5]["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"], 15);
    assert_eq!(told[5]["run"]["facets"]["nominalTime"]["nominalEndTime"], "2022-02-01T00:00:00Z");
    assert!(work.read_text("viewmart.prom").starts_with("# HELP viewmart_exit_code"));
    assert!(work.read_text("viewmart.prom").contains("viewmart_exit_code 0\n"));
    run(&work, "2022-01", &["--metrics", "lake"]).failed(6, &["lake"]);
    run(&work, "2022-01", &["--lineage", "lake"]).failed(6, &["lake"]);
}

#[test]
fn an_interrupted_run_says_how_to_go_on() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02", "2022-03"], 20_000);
    let child = spawn(&work, &words("all", &["--lineage", "events.ndjson", "--metrics", "viewmart.prom"]));
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
    events(&work).iter().for_each(check_schema);
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!(fates(&report), ["2022-01 new published", "2022-02 new interrupted", "2022-03 new planned"]);
    assert_eq!((&report["failure"]["kind"], &report["failure"]["exit"]), (&"interrupted".into(), &130.into()));
    assert!(work.read_text("viewmart.prom").contains("viewmart_exit_code 130\n"));
    let made = fates_of(&work, "all", &[]);
    assert_eq!((made[0].as_str(), made[2].as_str()), ("2022-01 up_to_date left", "2022-03 new published"));
}

#[test]
fn every_action_has_a_begin_and_an_end() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    let events_of = |more: &[&str]| {
        let before = events(&work).len();
        run(&work, "all", &[more, &["--lineage", "events.ndjson"]].concat());
        let told = events(&work);
        told.iter().for_each(check_schema);
        kinds(&work)[before..].to_vec()
    };
    work.write("events.ndjson", "");
    assert_eq!(events_of(&[]), ["START", "COMPLETE", "START", "COMPLETE"]);
    assert_eq!(events_of(&[]), [""; 0]);
    // A mart, and files: no rows are written to the table.
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-01-01'");
    std::fs::remove_file(work.path("viewmart-out/month-2022-02.parquet")).unwrap();
    assert_eq!(events_of(&[]), ["START", "COMPLETE", "START", "COMPLETE"]);
    assert!(events(&work)[4..].iter().all(|event| event["outputs"][0].get("outputFacets").is_none()));
    // A month that fails before its run.
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-01-01'");
    sql(
        &work,
        "warehouse.db",
        "UPDATE daily_activity SET MovieDuration = MovieDuration + 1 WHERE Month = '2022-01-01'",
    );
    assert_eq!(events_of(&[]), ["START", "FAIL"]);
}

#[test]
fn what_fails_before_the_first_month_is_told() {
    let work = Workplace::new();
    write_months(&work, &["2022-01"], 30);
    let signals = ["--metrics", "viewmart.prom", "--report", "all.json"];
    run(&work, "all", &signals).ok();
    assert!(work.read_text("viewmart.prom").contains("viewmart_exit_code 0\n"));
    let check = |code: i32, stage: &str| {
        assert_eq!(run(&work, "all", &signals).code, Some(code));
        assert!(work.read_text("viewmart.prom").contains(&format!("viewmart_exit_code {code}\n")));
        let report = work.read_json("viewmart-out/report.json");
        assert_eq!((&report["failure"]["stage"], &report["months"]), (&stage.into(), &serde_json::json!([])));
        assert_eq!(report, work.read_json("all.json"));
    };
    std::fs::rename(work.path("shared"), work.path("aside")).unwrap();
    work.write("shared/warehouse.db", "no database at all, but a text of some length");
    check(5, "warehouse");
    std::fs::rename(work.path("lake"), work.path("gone")).unwrap();
    check(3, "lake");
}

/// Tells a command to end while it waits for the warehouse; returns what it said.
fn interrupt_waiting(work: &Workplace, months: &str) -> String {
    let other = Connection::open(work.path("shared/warehouse.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let stderr = std::fs::File::create(work.path("stderr")).unwrap();
    let mut command = work.command(words(months, &["--metrics", "viewmart.prom"]));
    let mut child = command.stderr(stderr).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !work.read_text("stderr").contains("waiting: ") {
        assert!(child.try_wait().unwrap().is_none(), "{}", work.read_text("stderr"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
    work.read_text("stderr")
}

#[test]
fn an_interruption_is_told_whenever_it_comes() {
    let work = Workplace::new();
    write_months(&work, &["2022-01"], 30);
    run(&work, "all", &[]).ok();
    let has = |line: &str| work.read_text("viewmart.prom").lines().any(|found| found == line);
    // Before the first of many months.
    let said = interrupt_waiting(&work, "all");
    let word = "interrupted by SIGTERM; every month stands whole, as it was or as it is\n  next: run again";
    assert!(said.contains(word), "{said}");
    assert!(has("viewmart_exit_code 143") && !work.read_text("viewmart.prom").contains("month="));
    assert_eq!(work.read_json("viewmart-out/report.json")["failure"]["exit"], 143);
    // One month alone.
    run(&work, "2022-01", &["--metrics", "viewmart.prom"]).ok();
    assert!(has("viewmart_exit_code 0"));
    let said = interrupt_waiting(&work, "2022-01");
    assert!(said.contains("interrupted by SIGTERM; nothing was published"), "{said}");
    assert!(has("viewmart_exit_code 143") && has("viewmart_month_status{month=\"2022-01\",status=\"interrupted\"} 1"));
}

#[test]
fn signals_take_no_other_file() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    work.write("rules.toml", "extends = \"default\"\nname = \"mine\"\n");
    run(&work, "all", &[]).ok();
    let check = |months: &str, more: &[&str], path: &str| {
        let before = work.read(path);
        run(&work, months, &[&["--rules", "rules.toml"], more].concat()).failed(6, &[path.rsplit('/').next().unwrap()]);
        // A run that fails is recorded in the warehouse.
        let is_whole = || work.rows(path, "PRAGMA integrity_check") == [["ok"]];
        assert!(work.read(path) == before || path.ends_with(".db") && is_whole(), "{months} {more:?}");
    };
    let outputs = ["month-2022-01.parquet", "report.json", "dashboard.html"].map(|name| format!("viewmart-out/{name}"));
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).chain(["rules.toml", "shared/warehouse.db"]).collect();
    // The files of other months are none of a month that is made alone.
    for (months, data) in
        [("all", ["lake/20220101.json", "lake/20220201.json"]), ("2022-01", ["lake/20220101.json"; 2])]
    {
        for path in data.iter().chain(&outputs) {
            check(months, &["--metrics", path], path);
            check(months, &["--lineage", path], path);
        }
        let same = run(&work, months, &["--report", "same", "--metrics", "./same"]);
        same.failed(6, &["same"]);
        assert!(!work.path("same").exists());
    }
}
