//! Parts of a month become the month: with `viewmart merge`, and on the way into a warehouse.

use std::fs;
use std::process::Command;

use crate::support::{Finished, Workplace, record};

/// What every command here is told, so that bytes can be compared.
const DATE: [&str; 2] = ["--etl-date", "2022-05-01"];

/// A generated lake of four days, dirt included, and the month file of all of it.
fn lake_of_four_days(work: &Workplace) {
    work.run(["generate", "lake", "--contracts", "300", "--days", "4"]).ok();
    transform(work, &["lake"], "whole");
}

/// Makes a month file of these data files.
fn transform(work: &Workplace, inputs: &[&str], out: &str) {
    let more = ["--out", out, "--max-reject-ratio", "1"];
    work.run(["transform"].iter().chain(inputs).chain(&more).chain(&DATE)).ok();
}

/// The default rules with a change.
fn write_rules(work: &Workplace, name: &str, from: &str, to: &str) {
    let text = work.run(["rules", "default"]).ok().stdout;
    assert!(text.contains(from), "{text}");
    work.write(name, text.replace(from, to));
}

fn merge(work: &Workplace, arguments: &[&str]) -> Finished {
    work.run(["merge"].iter().chain(arguments))
}

const MONTH: &str = "month-2022-04.parquet";

#[test]
fn more_parts_than_descriptors_are_merged() {
    const N_PARTS: usize = 70;
    let work = Workplace::new();
    for n in 0..N_PARTS {
        let name = format!("lake/202204{:02}-{n}.json", n % 30 + 1);
        work.write(&name, record(&format!("A{n}"), "VOD", 5));
        transform(&work, &[&name], &format!("parts/{n}"));
    }
    transform(&work, &["lake"], "whole");
    let plain = work.command(["merge", "parts", "--out", "merged"].iter().chain(&DATE));
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    limited.current_dir(plain.get_current_dir().unwrap());
    Finished::of(limited.output().unwrap()).ok();
    assert_eq!(work.read(&format!("merged/{MONTH}")), work.read(&format!("whole/{MONTH}")));
}

#[test]
fn any_cut_of_a_lake_by_files_merges_to_the_bytes_of_the_whole() {
    let work = Workplace::new();
    lake_of_four_days(&work);
    let days = ["lake/20220401.json", "lake/20220402.json", "lake/20220403.json", "lake/20220404.json"];
    let cuts: [&[&[usize]]; 4] =
        [&[&[0], &[1], &[2], &[3]], &[&[3, 0], &[1, 2]], &[&[2], &[0, 1, 3]], &[&[0, 1, 2, 3]]];
    let whole = work.read(&format!("whole/{MONTH}"));
    for (number, cut) in cuts.into_iter().enumerate() {
        let part = |place: usize| format!("cut-{number}/part-{place}");
        for (place, of_part) in cut.iter().enumerate() {
            let inputs: Vec<&str> = of_part.iter().map(|day| days[*day]).collect();
            transform(&work, &inputs, &part(place));
        }
        // A folder, and its files one by one in turn.
        merge(&work, &[&format!("cut-{number}"), "--out", "merged"]).ok();
        assert!(work.read(&format!("merged/{MONTH}")) == whole, "cut {cut:?}");
        let files: Vec<String> = (0..cut.len()).rev().map(|place| format!("{}/{MONTH}", part(place))).collect();
        let files: Vec<&str> = files.iter().map(String::as_str).chain(["--out", "merged-files"]).collect();
        merge(&work, &files).ok();
        assert!(work.read(&format!("merged-files/{MONTH}")) == whole, "cut {cut:?}");
    }
    // Merging what was merged changes nothing.
    merge(&work, &["merged", "--out", "merged-again"]).ok();
    assert!(work.read(&format!("merged-again/{MONTH}")) == whole);
}

#[test]
fn merge_says_what_it_made() {
    let work = Workplace::new();
    work.write("lake/20220401.json", [record("A", "VOD", 5), record("B", "CHANNEL", 7)].concat());
    work.write("lake/20220402.json", record("A", "VOD", 5));
    transform(&work, &["lake/20220401.json"], "parts/a");
    transform(&work, &["lake/20220402.json"], "parts/b");
    let finished = merge(&work, &["parts", "--out", "out"]).ok();
    assert_eq!(finished.stdout, format!("month 2022-04: 2 rows of 2 parts in out/{MONTH}\n"));
    assert_eq!(finished.stderr, "");
    let finished = merge(&work, &["parts", "--out", "out", "--json"]).ok();
    let expected = serde_json::json!({"month": "2022-04", "parts": 2, "rows": 2, "file": format!("out/{MONTH}")});
    assert_eq!(serde_json::from_str::<serde_json::Value>(&finished.stdout).unwrap(), expected);
    assert_eq!(merge(&work, &["parts", "--out", "out", "--quiet"]).ok().stdout, "");
}

#[test]
fn parts_that_do_not_belong_together_are_refused_by_name() {
    let work = Workplace::new();
    let day = |n_seconds| record("A", "VOD", n_seconds);
    work.write("lake/20220401.json", day(5));
    work.write("lake/20220402.json", day(6));
    work.write("may/20220501.json", day(7));
    write_rules(&work, "bounds.toml", "max_seconds = 86400", "max_seconds = 100");
    write_rules(&work, "labels.toml", "positive", "nonzero");
    transform(&work, &["lake"], "both");
    transform(&work, &["lake/20220401.json"], "first");
    transform(&work, &["lake/20220402.json"], "second");
    transform(&work, &["may"], "may-out");
    for rules in ["bounds", "labels"] {
        let file = format!("{rules}.toml");
        transform(&work, &["lake/20220402.json", "--rules", &file], &format!("second-{rules}"));
    }
    // The same file, grown in between.
    work.write("lake/20220402.json", day(6).repeat(2));
    transform(&work, &["lake/20220401.json", "lake/20220402.json"], "grown");
    let file = |folder: &str| format!("{folder}/{MONTH}");
    let check = |one: &str, other: &str, code: i32, words: &[&str]| {
        let finished = merge(&work, &[one, other, "--out", "out"]);
        finished.failed(code, &[one, other, "next:"]);
        finished.failed(code, words);
        assert!(!work.path("out").exists());
    };
    check(&file("both"), &file("first"), 4, &["lake/20220401.json", "counted twice", "leave one of the two out"]);
    check(
        &file("second"),
        &file("grown"),
        4,
        &["lake/20220402.json", "bytes of day 2, tagged", "make both parts again"],
    );
    check(&file("first"), &file("second-bounds"), 4, &["decided by different rules"]);
    check(&file("first"), &file("second-labels"), 4, &["labelled by different rules", "--rules"]);
    let may = "may-out/month-2022-05.parquet";
    check(&file("first"), may, 2, &["2022-04", "2022-05", "--month"]);
    merge(&work, &[&file("first"), may, "--month", "2022-04", "--out", "out"]).failed(2, &[may, "2022-05"]);
    // In a folder those of other months are left out.
    fs::create_dir(work.path("months")).unwrap();
    fs::copy(work.path(file("first")), work.path("months/a.parquet")).unwrap();
    fs::copy(work.path(may), work.path("months/b.parquet")).unwrap();
    merge(&work, &["months", "--out", "out"]).failed(2, &["a.parquet", "b.parquet", "--month"]);
    merge(&work, &["months", "--month", "2022-04", "--out", "out"]).ok();
    assert!(work.read(&file("out")) == work.read(&file("first")));
}

#[test]
fn labels_and_date_can_be_made_anew_and_nothing_else() {
    let work = Workplace::new();
    lake_of_four_days(&work);
    write_rules(&work, "labels.toml", "positive", "nonzero");
    let other = ["lake", "--rules", "labels.toml", "--out", "other", "--max-reject-ratio", "1"];
    work.run(["transform"].iter().chain(&other).chain(&["--etl-date", "2022-06-07"])).ok();
    let anew = ["whole", "--rules", "labels.toml", "--etl-date", "2022-06-07", "--out", "anew"];
    merge(&work, &anew).ok();
    assert!(work.read(&format!("anew/{MONTH}")) == work.read(&format!("other/{MONTH}")));
    write_rules(&work, "bounds.toml", "max_seconds = 86400", "max_seconds = 100");
    merge(&work, &["whole", "--rules", "bounds.toml", "--out", "out"])
        .failed(2, &["whole/month-2022-04.parquet", "other rules", "viewmart transform"]);
}

#[test]
fn the_limits_are_those_of_the_whole() {
    let work = Workplace::new();
    work.write("lake/20220401.json", record("A", "VOD", 5).repeat(30));
    work.write("lake/20220402.json", [record("A", "VOD", 5), record("", "VOD", 5), record("", "VOD", 5)].concat());
    transform(&work, &["lake/20220401.json"], "parts/a");
    transform(&work, &["lake/20220402.json"], "parts/b");
    for command in ["merge", "load"] {
        let refused = work.run([command, "parts", "--out", "out", "--max-reject-ratio", "0.01"]);
        refused.failed(4, &["2 of 33", "no_contract 2", "next:"]);
        work.run([command, "parts", "--out", "out", "--require-all-days"]).failed(3, &["2022-04-03", "2022-04-30"]);
        assert!(!work.path("out").exists(), "{command}");
    }
    merge(&work, &["parts", "--out", "out", "--max-reject-ratio", "0.07"]).ok();
}

/// A task list in which each of these ranges (data file, start, length) is a task.
fn plan(work: &Workplace, ranges: &[(&str, u64, u64)]) -> String {
    let task = |(id, (name, start, length)): (usize, &(&str, u64, u64))| {
        let day = name.rsplit('/').next().unwrap();
        let day = format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..8]);
        let path = fs::canonicalize(work.path(name)).unwrap();
        let metadata = path.metadata().unwrap();
        let modified = metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        let range = serde_json::json!({
            "uri": format!("file://{}", path.display()), "start": start, "length": length, "file_bytes": metadata.len(),
            "tag": modified.as_millis().to_string(), "day": day, "format": "ndjson",
        });
        format!("{}\n", serde_json::json!({"id": id, "ranges": [range]}))
    };
    ranges.iter().enumerate().map(task).collect()
}

#[test]
fn parts_are_held_against_a_task_list() {
    let work = Workplace::new();
    let n_bytes = work.write("lake/20220401.json", record("A", "VOD", 5)).metadata().unwrap().len();
    work.write("lake/20220402.json", record("A", "VOD", 5));
    transform(&work, &["lake/20220401.json"], "parts/a");
    let (first, second) = (("lake/20220401.json", 0, n_bytes), ("lake/20220402.json", 0, n_bytes));
    work.write("both.jsonl", plan(&work, &[first, second]));
    work.write("second.jsonl", plan(&work, &[second]));
    work.write("broken.jsonl", "{\"id\":0}\n");
    work.write("other-day.jsonl", plan(&work, &[first, second]).replace("2022-04-01", "2022-04-04"));
    work.write("other-month.jsonl", plan(&work, &[first, second]).replace("2022-04-0", "2022-05-0"));
    for command in ["merge", "load"] {
        let run =
            |plan: &str, more: &[&str]| work.run([command, "parts", "--out", "out", "--plan", plan].iter().chain(more));
        run("both.jsonl", &[]).failed(4, &["both.jsonl", "task 1 is missing", "20220402.json", "next:"]);
        run("second.jsonl", &["--allow-partial"]).failed(4, &["20220401.json is in no task"]);
        run("other-day.jsonl", &[])
            .failed(4, &["20220401.json is of 2022-04-04 in the plan, of 2022-04-01 in the parts"]);
        run("other-month.jsonl", &[]).failed(4, &["is of 2022-05-01 in the plan, of 2022-04-01 in the parts"]);
        run("broken.jsonl", &[]).failed(2, &["broken.jsonl: line 1: is no task", "viewmart plan"]);
        run("missing.jsonl", &[]).failed(2, &["missing.jsonl", "no such file"]);
        run("both.jsonl", &["--allow-partial"]).ok();
    }
    transform(&work, &["lake/20220402.json"], "parts/b");
    merge(&work, &["parts", "--out", "out", "--plan", "both.jsonl"]).ok();
    work.run(["load", "parts", "--out", "out", "--plan", "both.jsonl"]).ok();
    assert_eq!(
        work.rows("out/warehouse.db", "SELECT Contract, MovieDuration, Activeness FROM customer_behavior"),
        [["A", "10", "2"]]
    );
}

#[test]
fn load_takes_files_and_folders() {
    let work = Workplace::new();
    lake_of_four_days(&work);
    transform(&work, &["lake/20220401.json", "lake/20220404.json"], "parts/a");
    transform(&work, &["lake/20220402.json", "lake/20220403.json"], "parts/b");
    let all = ["--max-reject-ratio", "1"];
    work.run(["load", "parts", "--out", "from-folder"].iter().chain(&all)).ok();
    let files = ["parts/b/month-2022-04.parquet", "parts/a/month-2022-04.parquet"];
    work.run(["load", "--out", "from-files"].iter().chain(&files).chain(&all)).ok();
    work.run(["load", "whole", "--out", "from-whole"].iter().chain(&all)).ok();
    let rows = |out: &str| {
        ["customer_behavior", "daily_activity"]
            .map(|table| work.rows(&format!("{out}/warehouse.db"), &format!("SELECT * FROM {table} ORDER BY 1, 2")))
    };
    assert!(!rows("from-whole")[0].is_empty());
    assert!(rows("from-folder") == rows("from-whole"));
    assert!(rows("from-files") == rows("from-whole"));
}

#[test]
fn what_is_no_month_file_is_refused_with_what_to_do() {
    let work = Workplace::new();
    fs::create_dir(work.path("empty")).unwrap();
    work.write("text.parquet", "Month,Contract\n");
    for command in ["merge", "load"] {
        let check =
            |input: &str, code: i32, words: &[&str]| work.run([command, input, "--out", "out"]).failed(code, words);
        check("missing", 2, &["missing", "no such file or folder", "next:"]);
        check("empty", 2, &["empty", "no month file", "viewmart transform"]);
        check("text.parquet", 4, &["text.parquet", "not Parquet", "viewmart transform"]);
        work.run([command, "--out", "out"]).failed(2, &["<FILE|FOLDER>"]);
    }
    assert!(!work.path("out").exists());
}
