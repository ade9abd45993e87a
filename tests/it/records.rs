//! Records that other programs wrote otherwise, or wrote twice: what a refused run says to do about them makes it pass.

use std::fs;

use crate::support::Workplace;

/// What every command here is told, so that bytes can be compared.
const DATE: [&str; 2] = ["--etl-date", "2022-05-01"];
const MONTH: &str = "month-2022-04.parquet";

#[test]
fn what_a_refusal_says_of_types_and_places_makes_the_lake_pass() {
    let nested = |object: &str| format!("{{\"_source\":{object}}}\n");
    let object = |contract: &str, seconds: &str| {
        format!("{{\"Contract\":{contract},\"TotalDuration\":{seconds},\"AppName\":\"VOD\"}}")
    };
    // The records of the day, where they go, what the refusal says and the rules that take them.
    let check = |name: &str, text: String, words: &[&str], rule: &str| {
        let work = Workplace::new();
        work.write(&format!("lake/{name}"), text);
        let refused = work.run(["transform", "lake", "--quiet"]);
        refused.failed(4, &["next: "]);
        refused.failed(4, words);
        assert!(refused.stderr.contains(rule), "{}", refused.stderr);
        work.write("rules.toml", format!("extends = \"default\"\n[record]\n{rule}\n"));
        work.run(["run", "lake", "--rules", "rules.toml", "--quiet"]).ok();
        let rows = work.rows("viewmart-out/warehouse.db", "SELECT Contract, TotalDuration FROM customer_behavior");
        assert_eq!(rows, [["123", "508"]], "{name} {rule}");
        let rules = work.run(["rules", "rules.toml"]).ok().stdout;
        assert!(rules.contains(&format!("{rule}\n")), "{rules}");
    };
    let lenient = "types = \"lenient\"";
    let json = "20220401.json";
    check(json, nested(&object("\"123\"", "254.0")).repeat(2), &["bad_duration", "fraction or an exponent"], lenient);
    check(json, nested(&object("\"123\"", "2.54e2")).repeat(2), &["bad_duration", "fraction or an exponent"], lenient);
    check(
        json,
        nested(&object("\"123\"", "\"254\"")).repeat(2),
        &["bad_duration", "TotalDuration that is text"],
        lenient,
    );
    check(json, nested(&object("123", "254")).repeat(2), &["no_contract", "Contract that is a number"], lenient);
    let score = nested(&object("\"123\"", "254")).replace("{\"_source\"", "{\"_score\":NaN,\"_source\"");
    check(json, score.repeat(2), &["malformed", "NaN or Infinity"], lenient);
    let csv = format!("Contract,TotalDuration,AppName\n{}", "123,254.0,VOD\n".repeat(2));
    check("20220401.csv", csv, &["bad_duration", "fraction or an exponent"], lenient);
    let flat = format!("{}\n", object("\"123\"", "254"));
    check(json, flat.repeat(2), &["malformed", "without `_source`"], "source = \"flat\"");
}

/// A record with an id.
fn record(id: &str, contract: &str) -> String {
    format!(
        "{{\"_id\":\"{id}\",\"_source\":{{\"Contract\":\"{contract}\",\"TotalDuration\":5,\"AppName\":\"VOD\"}}}}\n"
    )
}

fn transform(work: &Workplace, inputs: &[&str], more: &[&str], out: &str) {
    work.run(["transform", "--quiet", "--out", out].iter().chain(inputs).chain(more).chain(&DATE)).ok();
}

#[test]
fn with_unique_ids_the_first_record_of_an_id_counts() {
    let work = Workplace::new();
    work.write("lake/north/20220401.json", [record("1", "A"), record("2", "B"), record("2", "X")].concat());
    work.write("lake/south/20220401.json", [record("1", "X"), record("3", "A")].concat());
    work.write("lake/south/20220402.json", record("1", "A"));
    work.run(["run", "lake", "--unique-ids", "--quiet"]).ok();
    let rows =
        work.rows("viewmart-out/warehouse.db", "SELECT Contract, TotalDuration FROM customer_behavior ORDER BY 1");
    assert_eq!(rows, [["A", "15"], ["B", "5"]]);
    let run = "SELECT RecordsRead, RecordsKept, Rejected_duplicate_id FROM etl_run";
    assert_eq!(work.rows("viewmart-out/warehouse.db", run), [["6", "4", "2"]]);
    let day = "SELECT Day, Reason, Records, Files FROM etl_run_day WHERE Reason = 'duplicate_id'";
    assert_eq!(work.rows("viewmart-out/warehouse.db", day), [["2022-04-01", "duplicate_id", "2", "2"]]);
    let quality = "SELECT Records FROM data_quality WHERE Reason = 'duplicate_id'";
    assert_eq!(work.rows("viewmart-out/mart.db", quality), [["2"]]);
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!(report["records"]["rejected"]["duplicate_id"], 2);
    let rejects = work.read_text("viewmart-out/rejects.ndjson");
    let told: Vec<(u64, String)> = rejects
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| (line["offset"].as_u64().unwrap(), line["reason"].as_str().unwrap().to_owned()))
        .collect();
    let offset = 2 * record("1", "A").len() as u64;
    assert_eq!(told, [(offset, "duplicate_id".to_owned()), (0, "duplicate_id".to_owned())]);
    // Off unless it is asked for.
    work.run(["run", "lake", "--quiet"]).ok();
    assert_eq!(work.rows("viewmart-out/warehouse.db", &format!("{run} ORDER BY Id DESC LIMIT 1")), [["6", "6", "0"]]);
}

#[test]
fn parts_with_unique_ids_have_whole_days() {
    let work = Workplace::new();
    work.write("lake/20220401-a.json", [record("1", "A"), record("1", "A")].concat());
    work.write("lake/20220401-b.json", [record("1", "A"), record("2", "B")].concat());
    work.write("lake/20220402.json", [record("1", "A"), record("1", "C")].concat());
    let (first, a, b) = ("lake/20220401-?.json", "lake/20220401-a.json", "lake/20220401-b.json");
    let unique = ["--unique-ids"];
    transform(&work, &["lake"], &unique, "whole");
    transform(&work, &[first], &unique, "first");
    transform(&work, &["lake/20220402.json"], &unique, "second");
    transform(&work, &[a], &unique, "a");
    transform(&work, &[b], &unique, "b");
    transform(&work, &[b], &[], "b-any");
    transform(&work, &["lake/20220402.json"], &[], "second-any");
    let file = |folder: &str| format!("{folder}/{MONTH}");
    let merge = |parts: &[&str], out: &str| {
        let parts: Vec<String> = parts.iter().map(|part| file(part)).collect();
        work.run(["merge"].into_iter().chain(parts.iter().map(String::as_str)).chain(["--out", out, "--quiet"]))
    };
    merge(&["second", "first"], "merged").ok();
    assert!(work.read(&file("merged")) == work.read(&file("whole")));
    // Days with and without may stand side by side; one day may not be made of two parts.
    merge(&["first", "second-any"], "mixed").ok();
    merge(&["a", "second"], "a-second").ok();
    for parts in [["a", "b"], ["a", "b-any"], ["b-any", "a"], ["a-second", "b"], ["b-any", "a-second"]] {
        merge(&parts, "out").failed(4, &["_id", &file(parts[0]), &file(parts[1]), "next:"]);
        assert!(!work.path("out").exists(), "{parts:?}");
    }
    merge(&["a", "b"], "out").failed(4, &["day 1", "--unique-ids"]);
    let loaded = work.run(["load", &file("a"), &file("b"), "--out", "out"]);
    loaded.failed(4, &["day 1", "--unique-ids"]);
    // A part of the tasks of a plan never has unique ids.
    let plan = work.run(["plan", "lake"]).ok().stdout;
    work.run(["plan", "lake", "--unique-ids"]).failed(2, &["--unique-ids"]);
    work.run(["scan", "--task", plan.lines().next().unwrap(), "--out", "t.parquet", "--unique-ids"])
        .failed(2, &["--unique-ids"]);
    fs::write(work.path("viewmart.toml"), "unique_ids = true\n").unwrap();
    for command in [&["plan", "lake"][..], &["scan", "--task", plan.lines().next().unwrap(), "--out", "t.parquet"]] {
        work.run(command).failed(2, &["unique_ids", "next:", "viewmart transform --unique-ids"]);
    }
    assert!(!work.path("t.parquet").exists());
}
