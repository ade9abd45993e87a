//! Months as they come in reality: every one is right, or refused with the old month still standing, or warned of.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Workplace, zstd};

const APPS: [&str; 10] = ["CHANNEL", "VOD", "CHILD", "SPORT", "RELAX", "KPLUS", "FIMS", "CHANNEL", "VOD", "CHANNEL"];

/// The day that is odd where one of thirty is: 10 records of 1700 seconds.
const ODD: u32 = 15;

/// A month that stood before: one customer.
const STANDING: &str = r#"{"_source":{"Contract":"OLD","TotalDuration":1,"AppName":"VOD"}}"#;

// The month that is meant: 30 days, 10 customers, 10 records a day, 51 150 seconds.

fn source(day: u32, n: u32) -> Value {
    json!({
        "Contract": format!("TSTX{n:05}"), "Mac": format!("02AABBCC{n:04X}"),
        "TotalDuration": 100 + 10 * n + day, "AppName": APPS[n as usize - 1],
    })
}

fn hit(day: u32, n: u32) -> Value {
    let source = source(day, n);
    let kind = source["AppName"].as_str().unwrap().to_lowercase();
    json!({"_index": "history", "_type": kind, "_id": format!("AX{day:02}{n:03}test"), "_score": 0, "_source": source})
}

/// Ten lines of a day.
fn lines(day: u32, line: impl Fn(u32, u32) -> String) -> String {
    (1..=10).map(|n| line(day, n) + "\n").collect()
}

fn ndjson(day: u32) -> String {
    lines(day, |day, n| hit(day, n).to_string())
}

fn row(day: u32, n: u32) -> [String; 4] {
    let source = source(day, n);
    ["Contract", "Mac", "TotalDuration", "AppName"].map(|name| match &source[name] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    })
}

fn csv(day: u32) -> String {
    format!("Contract,Mac,TotalDuration,AppName\n{}", lines(day, |day, n| row(day, n).join(",")))
}

/// Writes a file for every day into the folder `lake`.
fn month<B: AsRef<[u8]>>(work: &Workplace, name: impl Fn(u32) -> String, content: impl Fn(u32) -> B) {
    (1..=30).for_each(|day| drop(work.write(&format!("lake/{}", name(day)), content(day))));
}

fn json_name(day: u32) -> String {
    format!("202204{day:02}.json")
}

fn csv_name(day: u32) -> String {
    format!("202204{day:02}.csv")
}

/// A month of NDJSON, every day as `content` says.
fn all<B: AsRef<[u8]>>(work: &Workplace, content: impl Fn(u32) -> B) {
    month(work, json_name, content);
}

/// A good month of NDJSON but for one day.
fn odd(work: &Workplace, content: impl AsRef<[u8]>) {
    month(work, json_name, ndjson);
    work.write(&format!("lake/{}", json_name(ODD)), content);
}

/// The same in CSV.
fn odd_csv(work: &Workplace, content: impl AsRef<[u8]>) {
    month(work, csv_name, csv);
    work.write(&format!("lake/{}", csv_name(ODD)), content);
}

/// A record with some of its source changed.
fn changed(day: u32, n: u32, field: &str, value: Value) -> String {
    let mut hit = hit(day, n);
    hit["_source"][field] = value;
    hit.to_string()
}

fn as_float(day: u32) -> String {
    lines(day, |day, n| changed(day, n, "TotalDuration", json!(f64::from(100 + 10 * n + day))))
}

/// CSV in which the `place`-th of some records opens a quote.
fn stray_quote(day: u32, n_times: usize, place: usize) -> String {
    let csv = csv(day);
    let (header, rows) = csv.split_once('\n').unwrap();
    let mut rows: Vec<String> = rows.repeat(n_times).lines().map(str::to_owned).collect();
    rows[place] = rows[place].replacen(',', ",\"", 1);
    format!("{header}\n{}\n", rows.join("\n"))
}

/// One Zstandard frame of one raw block, with the window of `zstd --long=N`.
fn zstd_of_window(content: &[u8], window_log: u8) -> Vec<u8> {
    let block = u32::try_from(content.len()).unwrap() << 3 | 1;
    [&b"\x28\xb5\x2f\xfd\0"[..], &[(window_log - 10) << 3], &block.to_le_bytes()[..3], content].concat()
}

/// What a run of the lake must give.
enum Expected<'a> {
    /// Records read, kept, seconds, customers; and no warning.
    Month([u64; 4]),
    /// Exit code and words, in order; the old month stands.
    Refused(i32, &'a [&'a str]),
}

use Expected::{Month, Refused};

const WHOLE: Expected<'static> = Month([300, 300, 51_150, 10]);

/// An output folder in which a month stands.
fn standing() -> &'static Path {
    static STANDING_OUT: OnceLock<TempDir> = OnceLock::new();
    let folder = STANDING_OUT.get_or_init(|| {
        let work = Workplace::new();
        work.write("20220401.json", STANDING);
        let folder = TempDir::new().unwrap();
        let out = folder.path().to_str().unwrap();
        work.run(["run", "20220401.json", "--quiet", "--etl-date", "2022-05-01", "--out", out]).ok();
        folder
    });
    folder.path()
}

fn customers(work: &Workplace) -> Vec<Vec<String>> {
    work.rows("out/warehouse.db", "SELECT Contract, TotalDuration, Activeness FROM customer_behavior ORDER BY 1")
}

#[track_caller]
fn check_with(what: &str, write: impl FnOnce(&Workplace), input: &str, flags: &[&str], expected: &Expected<'_>) {
    let work = Workplace::new();
    fs::create_dir(work.path("out")).unwrap();
    for entry in fs::read_dir(standing()).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), work.path("out").join(entry.file_name())).unwrap();
    }
    write(&work);
    let report_before = work.read("out/report.json");
    let run = ["run", input, "--out", "out", "--etl-date", "2022-05-01", "--quiet"];
    let finished = work.run([&run, flags].concat());
    match expected {
        Month(numbers) => {
            assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{what}");
            let report = work.read_json("out/report.json");
            let found = [
                &report["records"]["read"],
                &report["records"]["kept"],
                &report["seconds"]["kept"],
                &report["contracts"],
            ];
            assert_eq!(found.map(Value::as_u64), numbers.map(Some), "{what}");
            assert_eq!(customers(&work).len() as u64, numbers[3], "{what}");
        }
        Refused(code, words) => {
            assert_eq!(finished.code, Some(*code), "{what}: {}", finished.stderr);
            let mut rest = finished.stderr.as_str();
            for word in *words {
                let at =
                    rest.find(word).unwrap_or_else(|| panic!("{what}: `{word}` is missing in\n{}", finished.stderr));
                rest = &rest[at + word.len()..];
            }
            assert_eq!(customers(&work), [["OLD", "1", "1"]], "{what}");
            assert!(work.read("out/report.json") == report_before, "{what}");
        }
    }
}

#[track_caller]
fn check(what: &str, write: impl FnOnce(&Workplace), expected: &Expected<'_>) {
    check_with(what, write, "lake", &[], expected);
}

#[test]
fn good_months_are_good() {
    check("NDJSON", |work| all(work, ndjson), &WHOLE);
    check("CSV", |work| month(work, csv_name, csv), &WHOLE);
    let with_window = |log| move |day: u32| zstd_of_window(ndjson(day).as_bytes(), log);
    let zst = |day: u32| format!("202204{day:02}.json.zst");
    check("a Zstandard window of 128 MiB", |work| month(work, zst, with_window(27)), &WHOLE);
    let words = &["20220401.json.zst", "Zstandard window is over 128 MiB", "next: "];
    check("a Zstandard window of 2 GiB", |work| month(work, zst, with_window(31)), &Refused(3, words));
    check("plain Zstandard", |work| month(work, zst, |day| zstd(ndjson(day).as_bytes())), &WHOLE);
}

#[test]
fn a_month_of_which_nothing_is_kept_is_refused() {
    let lower = |day: u32| lines(day, |day, n| changed(day, n, "AppName", json!(APPS[n as usize - 1].to_lowercase())));
    let words = &[
        "no record of 2022-04 was kept: 300 of 300 records were rejected: unmapped_app 300",
        "apps in no category: channel 90, vod 60",
        "unmapped_app, for example lake/20220401.json, line 1, byte 0: `{",
    ];
    check("apps in lower case", |work| all(work, lower), &Refused(4, words));
    check("empty files", |work| all(work, |_| ""), &Refused(4, &["no record is in the 30 files of 2022-04"]));
    let flags = ["--max-reject-ratio", "1"];
    check_with("let pass", |work| all(work, lower), "lake", &flags, &Month([300, 0, 0, 0]));
}

#[test]
fn a_file_that_is_no_data_is_refused_and_told_what_it_is() {
    let file = "every record is malformed in lake/20220415.json";
    let array = |day: u32| Value::Array((1..=10).map(|n| hit(day, n)).collect()).to_string() + "\n";
    let words = [file, "(1 record)", "line 1, byte 0: `[{", "this is a JSON array", "jq -c '.[]' lake/20220415.json"];
    check("an array on one line", |work| odd(work, array(ODD)), &Refused(4, &words));
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 282000000\n";
    check("LFS", |work| odd(work, pointer), &Refused(4, &[file, "(3 records)", "a Git LFS pointer", "git lfs pull"]));
    let utf16: Vec<u8> =
        "\u{feff}".encode_utf16().chain(ndjson(ODD).encode_utf16()).flat_map(u16::to_le_bytes).collect();
    check("UTF-16", |work| odd(work, utf16), &Refused(4, &[file, "UTF-16 text", "iconv -f UTF-16"]));
    let joined = ndjson(ODD).replace("}\n{", "}{");
    check("no line feeds", |work| odd(work, joined), &Refused(4, &[file, "several objects on one line", "jq -c ."]));
    let page = "<!DOCTYPE html>\n<html><body>Sign in</body></html>\n";
    check("a web page", |work| odd(work, page), &Refused(4, &[file, "a web page"]));
}

#[test]
fn records_of_another_form_are_refused_and_told_what_they_are() {
    let day = "no record was kept of 2022-04-15 (10 of 10 records: ";
    let month = "300 of 300 records were rejected (100.00 %), the limit is 5.00 %: ";
    let words = [month, "bad_duration 300; no record of 2022-04 was kept", "a TotalDuration written with a fraction"];
    check("floats", |work| all(work, as_float), &Refused(4, &words));
    let words = [day, "bad_duration 10)", "lake/20220415.json, line 1, byte 0", "fraction or an exponent", "next: "];
    check("floats on one day", |work| odd(work, as_float(ODD)), &Refused(4, &words));
    let flat = |day: u32| lines(day, |day, n| source(day, n).to_string());
    check("flat", |work| all(work, flat), &Refused(4, &[month, "malformed 300", "a record without `_source`"]));
    let numbers = |day: u32| lines(day, |day, n| changed(day, n, "Contract", json!(1_000_000_000 + n)));
    check(
        "numbers",
        |work| all(work, numbers),
        &Refused(4, &[month, "no_contract 300", "a Contract that is a number"]),
    );
    let nan = |day: u32| ndjson(day).replace("\"_score\":0", "\"_score\":NaN");
    check("NaN", |work| all(work, nan), &Refused(4, &[month, "malformed 300", "a record with NaN"]));
    let action = |day: u32, n: u32| json!({"index": {"_index": "history", "_id": format!("AX{day}{n}")}});
    let bulk = |day: u32| lines(day, |day, n| format!("{}\n{}", action(day, n), source(day, n)));
    let words = ["600 of 600 records", "malformed 600", "an Elasticsearch bulk file", "next: "];
    check("bulk", |work| all(work, bulk), &Refused(4, &words));
    let escaped = |day: u32| {
        let row = |day, n| format!("history,0,\"{}\"", source(day, n).to_string().replace('"', "\\\""));
        format!("_index,_score,_source\n{}", lines(day, row))
    };
    let words = [month, "malformed 300", "CSV with quotes escaped by a backslash"];
    check("backslashes", |work| crate::real_months::month(work, csv_name, escaped), &Refused(4, &words));
}

#[test]
fn a_quote_that_is_never_closed_is_refused_with_its_place() {
    let words =
        ["a quote is opened that is never closed", "lake/20220415.csv, line 3, byte 80", "nothing was published"];
    check("on one day", |work| odd_csv(work, stray_quote(ODD, 1, 1)), &Refused(4, &words));
    let words = ["lake/20220401.csv, line 51, byte ", "lake/20220402.csv", " and 20 more"];
    check("on every day", |work| month(work, csv_name, |day| stray_quote(day, 10, 49)), &Refused(4, &words));
    let flags = ["--max-reject-ratio", "1"];
    let passes = Month([292, 291, 49_575, 10]);
    check_with("let pass", |work| odd_csv(work, stray_quote(ODD, 1, 1)), "lake", &flags, &passes);
    let packed = |work: &Workplace| {
        month(work, csv_name, csv);
        fs::remove_file(work.path("lake/20220415.csv")).unwrap();
        work.write("lake/20220415.csv.zst", zstd(stray_quote(ODD, 1, 1).as_bytes()));
    };
    check("packed", packed, &Refused(4, &["lake/20220415.csv.zst, line 3, byte 80"]));
}

#[test]
fn larger_days_and_files_have_a_limit_of_their_own() {
    // A day of 1000 records of which `n_bad` are.
    let bad = |n_bad: usize| {
        let good = ndjson(ODD).repeat(100);
        let lines = good.lines().enumerate().map(|(i, line)| if i < n_bad { "bad" } else { line });
        lines.map(|line| line.to_owned() + "\n").collect::<String>()
    };
    let big = |work: &Workplace| month(work, json_name, |day| ndjson(day).repeat(100));
    let with_bad = |n_bad: usize| {
        move |work: &Workplace| {
            big(work);
            work.write("lake/20220415.json", bad(n_bad));
        }
    };
    check("at the limit", with_bad(50), &Month([30_000, 29_950, 5_106_500, 10]));
    let words = [
        "more than 5.00 % of the records were rejected of 2022-04-15 (51 of 1 000 records: malformed 51)",
        "in lake/20220415.json (51 of 1 000 records: malformed 51)",
        "malformed, for example lake/20220415.json, line 1, byte 0: `bad`",
        "next: read rejects-refused.ndjson in the output folder; raise --max-reject-ratio",
    ];
    check("over it", with_bad(51), &Refused(4, &words));
    let flags = ["--max-reject-ratio", "0.051"];
    check_with("raised", with_bad(51), "lake", &flags, &Month([30_000, 29_949, 5_106_375, 10]));
    // The day is good, one of its files is not.
    let two_files = |work: &Workplace| {
        big(work);
        work.write("lake/20220415-1.json", bad(60));
        work.write("lake/20220415-2.json", ndjson(ODD).repeat(300));
        fs::remove_file(work.path("lake/20220415.json")).unwrap();
    };
    let words = ["more than 5.00 % of the records were rejected in lake/20220415-1.json (60 of 1 000 records"];
    check("a file", two_files, &Refused(4, &words));
}

#[test]
fn apps_without_a_category_have_a_limit_where_one_is_set() {
    let some = |day: u32| {
        lines(day, |day, n| if n == 1 { changed(day, n, "AppName", json!("NEW")) } else { hit(day, n).to_string() })
    };
    let flags = ["--max-unmapped-ratio", "0.09"];
    let words = [
        "the app of 30 of 300 records is in no category (10.00 %), the limit is 9.00 %",
        "NEW 30",
        "next: put these apps",
    ];
    check_with("over it", |work| all(work, some), "lake", &flags, &Refused(4, &words));
}
