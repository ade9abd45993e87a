//! What `viewmart doctor` says of a lake without a run.

use std::fs;

use crate::real_months::{
    ODD, all, csv, csv_name, hit, in_order, json_name, lines, month, ndjson, odd, odd_csv, stray_quote,
};
use crate::support::{Workplace, gzip};

/// What the doctor of the lake must end with, and words of its report in order.
#[track_caller]
fn check(what: &str, write: impl FnOnce(&Workplace), flags: &[&str], code: i32, words: &[&str]) {
    let work = Workplace::new();
    write(&work);
    let finished = work.run([&["doctor", "lake"], flags].concat());
    assert_eq!(finished.code, Some(code), "{what}: {}{}", finished.stdout, finished.stderr);
    in_order(what, &finished.stdout, words);
    if words.is_empty() {
        let odd: Vec<&str> = finished.stdout.lines().filter(|line| !line.starts_with("good")).collect();
        assert!(odd.is_empty(), "{what}: {odd:#?}");
    }
    assert!(!work.path("viewmart-out").exists(), "{what}");
}

const ZEROS: &str = "NUL bytes stand where records were not written";

/// A day of so many records, longer than what is read of its ends.
fn long(day: u32) -> String {
    ndjson(day).repeat(200)
}

#[test]
fn good_lakes_are_good() {
    check("NDJSON", |work| all(work, ndjson), &[], 0, &[]);
    check("CSV", |work| month(work, csv_name, csv), &[], 0, &[]);
    check("gzip", |work| month(work, |day| json_name(day) + ".gz", |day| gzip(ndjson(day).as_bytes())), &[], 0, &[]);
    check("long files", |work| all(work, long), &[], 0, &[]);
    let long_csv = |day: u32| {
        let csv = csv(day);
        let (header, rows) = csv.split_once('\n').unwrap();
        format!("{header}\n{}", rows.repeat(600))
    };
    check("long CSV", |work| month(work, csv_name, long_csv), &[], 0, &[]);
}

#[test]
fn a_lake_that_a_run_would_refuse_is_told() {
    let array = format!("[{}]\n", ndjson(ODD).trim_end().replace('\n', ","));
    let words = [
        "failed   records",
        "every record is malformed in lake/20220415.json (1 record)",
        "this is a JSON array",
        "next: write one record a line: jq -c '.[]' lake/20220415.json",
    ];
    check("an array", |work| odd(work, &array), &[], 4, &words);
    let words = ["failed   records", "every record is malformed in lake/20220415.json", "this is a JSON array"];
    check("a long array", |work| odd(work, array.replace('\n', "").repeat(100)), &[], 4, &words);
    let page = "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n";
    check("a web page", |work| odd(work, page), &[], 4, &["lake/20220415.json", "a web page"]);
    let words = ["a quote is opened that is never closed", "lake/20220415.csv, line 3, byte 80"];
    check("a quote", |work| odd_csv(work, stray_quote(ODD, 1, 1)), &[], 4, &words);
    let words =
        ["failed   reading", "lake/20220415.csv: line 1: the header has no column", "NDJSON under a name of CSV"];
    check("a header", |work| odd_csv(work, ndjson(ODD)), &[], 4, &words);
    let truncated = |work: &Workplace| {
        all(work, ndjson);
        fs::remove_file(work.path("lake/20220415.json")).unwrap();
        let compressed = gzip(ndjson(ODD).as_bytes());
        work.write("lake/20220415.json.gz", &compressed[..compressed.len() / 2]);
    };
    let words = ["failed   reading", "lake/20220415.json.gz: the gzip stream ends too early"];
    check("a truncated file", truncated, &[], 3, &words);
    let lower = |day: u32| ndjson(day).replace("\"AppName\":\"", "\"AppName\":\"x");
    let words = ["no record of 2022-04 was kept: 300 of 300 records were rejected: unmapped_app 300"];
    check("unknown apps", |work| all(work, lower), &[], 4, &words);
    check(
        "let pass",
        |work| all(work, lower),
        &["--max-reject-ratio", "1"],
        0,
        &["warning  records", "the app of 300"],
    );
    let other_case = |day: u32| ndjson(day).replace("\"AppName\":\"KPLUS\"", "\"AppName\":\"Kplus\"");
    let words = ["warning  records", "(the rules have \"KPLUS\")"];
    check("another case", |work| all(work, other_case), &[], 0, &words);
    let twice = |work: &Workplace| {
        all(work, long);
        work.write("lake/backup/20220405.json", long(5));
    };
    let words = ["failed   files", "looks like the same data as lake/20220405.json", "next: remove one"];
    check("the same twice", twice, &[], 3, &words);
    check("the same twice, allowed", twice, &["--allow-duplicates"], 0, &[]);
    let numbers = |day: u32| ndjson(day).replace("\"Contract\":\"TSTX", "\"contract\":\"TSTX");
    check("other keys", |work| all(work, numbers), &[], 4, &["no_contract 300", "keys are spelled otherwise"]);
}

#[test]
fn what_is_odd_about_a_lake_is_told() {
    check(
        "an empty file",
        |work| odd(work, ""),
        &[],
        0,
        &["warning  records", "has no record", "warning  days", "2022-04-15"],
    );
    check("gzip", |work| odd(work, gzip(ndjson(ODD).as_bytes())), &[], 0, &["it is gzip, which its name does not say"]);
    let cut = || ndjson(ODD).trim_end().trim_end_matches('}').to_owned();
    let words = ["warning  records", "lake/20220415.json ends within a record: the rest of the file may be missing"];
    check("a record cut off", |work| odd(work, cut()), &[], 0, &words);
    let cut_long = |work: &Workplace| {
        all(work, long);
        work.write("lake/20220415.json", long(ODD).trim_end().trim_end_matches('}'));
    };
    check("a long file cut off", cut_long, &[], 0, &words);
    let zeros = |work: &Workplace| {
        all(work, long);
        work.write("lake/20220415.json", [long(ODD).into_bytes(), vec![0; 4096]].concat());
    };
    check("zeros", zeros, &[], 0, &[ZEROS, "in lake/20220415.json (4.10 kB of them)"]);
    let zeros = |work: &Workplace| {
        all(work, long);
        work.write("lake/20220415.json", [long(ODD).into_bytes(), vec![0; 1 << 17]].concat());
    };
    check(
        "many zeros",
        zeros,
        &[],
        0,
        &["warning  ends", "NUL bytes stand where records were not written in lake/20220415.json"],
    );
    let zeros = |work: &Workplace| odd(work, ndjson(ODD) + &"\0".repeat(64));
    check("few zeros", zeros, &[], 0, &[ZEROS, "in lake/20220415.json (64 B of them)"]);
    let null = |work: &Workplace| all(work, |day| ndjson(day).replace("TSTX00003", "(null)"));
    check("a word for nothing", null, &[], 0, &["warning  records", "a customer is named `(null)`"]);
    let in_gzip = |work: &Workplace| {
        all(work, ndjson);
        work.write("lake/x/20220405.json.gz", gzip(ndjson(5).as_bytes()));
    };
    let words = ["warning  files", "as many records and seconds, as if they were the same data twice"];
    check("the same, compressed", in_gzip, &[], 0, &words);
    // A tenth of a long file is rejected: a run refuses it, of however few records the ends show that.
    let tenth = |work: &Workplace| {
        all(work, long);
        work.write("lake/20220415.json", long(ODD).replace("TSTX00003", ""));
    };
    check(
        "too many rejected",
        tenth,
        &[],
        4,
        &["failed   records", "more than 5.00 % of the records were rejected of 2022-04-15"],
    );
    let half = |work: &Workplace| {
        all(work, long);
        work.write("lake/20220415.json", lines(ODD, |day, n| hit(day, n).to_string()).repeat(80));
    };
    check("half a day", half, &[], 0, &["warning  days", "2022-04-15 has", "the median day"]);
    check("denied", half, &["--deny-warnings"], 4, &["failed   days", "2022-04-15 has"]);
    let pass = ["--deny-warnings", "--max-reject-ratio", "1"];
    check("let pass", half, &pass, 0, &["warning  days", "2022-04-15 has"]);
    let twin = |work: &Workplace| {
        all(work, ndjson);
        let record = hit(ODD, 1).to_string() + "\n";
        for name in ["a", "b"] {
            work.write(&format!("lake/{name}/20220415.json"), &record);
        }
    };
    check("few records twice", twin, &[], 0, &["warning  files", "holds the same as"]);
    check("denied too", twin, &["--deny-warnings"], 4, &["failed   files", "holds the same as"]);
    let left_out = |work: &Workplace| {
        all(work, ndjson);
        work.write("lake/20220405.json.part", ndjson(5));
    };
    check("left out", left_out, &[], 0, &["warning  lake", "lake/20220405.json.part was left out"]);
    let missing = |work: &Workplace| {
        all(work, ndjson);
        fs::remove_file(work.path("lake/20220410.json")).unwrap();
    };
    check("a missing day", missing, &[], 0, &["warning  days", "no record of 2022-04-10", "--require-all-days"]);
    check("not allowed", missing, &["--require-all-days"], 3, &["failed   days", "no record of 2022-04-10"]);
}
