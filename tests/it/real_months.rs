//! Months as they come in reality: every one is right, or refused with the old month still standing, or warned of.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Workplace, gzip, zstd};

const APPS: [&str; 10] = ["CHANNEL", "VOD", "CHILD", "SPORT", "RELAX", "KPLUS", "FIMS", "CHANNEL", "VOD", "CHANNEL"];

/// The day that is odd where one of thirty is: 10 records of 1700 seconds.
pub const ODD: u32 = 15;

/// A month that stood before: one customer.
const STANDING: &str = r#"{"_source":{"Contract":"OLD","TotalDuration":1,"AppName":"VOD"}}"#;

// The month that is meant: 30 days, 10 customers, 10 records a day, 51 150 seconds.

fn source(day: u32, n: u32) -> Value {
    json!({
        "Contract": format!("TSTX{n:05}"), "Mac": format!("02AABBCC{n:04X}"),
        "TotalDuration": 100 + 10 * n + day, "AppName": APPS[n as usize - 1],
    })
}

pub fn hit(day: u32, n: u32) -> Value {
    let source = source(day, n);
    let kind = source["AppName"].as_str().unwrap().to_lowercase();
    json!({"_index": "history", "_type": kind, "_id": format!("AX{day:02}{n:03}test"), "_score": 0, "_source": source})
}

/// Ten lines of a day.
pub fn lines(day: u32, line: impl Fn(u32, u32) -> String) -> String {
    (1..=10).map(|n| line(day, n) + "\n").collect()
}

pub fn ndjson(day: u32) -> String {
    lines(day, |day, n| hit(day, n).to_string())
}

pub fn row(day: u32, n: u32) -> [String; 4] {
    let source = source(day, n);
    ["Contract", "Mac", "TotalDuration", "AppName"].map(|name| match &source[name] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    })
}

pub fn csv(day: u32) -> String {
    format!("Contract,Mac,TotalDuration,AppName\n{}", lines(day, |day, n| row(day, n).join(",")))
}

/// Writes a file for every day into the folder `lake`.
pub fn month<B: AsRef<[u8]>>(work: &Workplace, name: impl Fn(u32) -> String, content: impl Fn(u32) -> B) {
    (1..=30).for_each(|day| drop(work.write(&format!("lake/{}", name(day)), content(day))));
}

pub fn json_name(day: u32) -> String {
    format!("202204{day:02}.json")
}

pub fn csv_name(day: u32) -> String {
    format!("202204{day:02}.csv")
}

/// A month of NDJSON, every day as `content` says.
pub fn all<B: AsRef<[u8]>>(work: &Workplace, content: impl Fn(u32) -> B) {
    month(work, json_name, content);
}

/// A good month of NDJSON but for one day.
pub fn odd(work: &Workplace, content: impl AsRef<[u8]>) {
    month(work, json_name, ndjson);
    work.write(&format!("lake/{}", json_name(ODD)), content);
}

/// The same in CSV.
pub fn odd_csv(work: &Workplace, content: impl AsRef<[u8]>) {
    month(work, csv_name, csv);
    work.write(&format!("lake/{}", csv_name(ODD)), content);
}

/// A record with some of its source changed.
pub fn changed(day: u32, n: u32, field: &str, value: Value) -> String {
    let mut hit = hit(day, n);
    hit["_source"][field] = value;
    hit.to_string()
}

fn as_float(day: u32) -> String {
    lines(day, |day, n| changed(day, n, "TotalDuration", json!(f64::from(100 + 10 * n + day))))
}

/// CSV in which the `place`-th of some records opens a quote.
pub fn stray_quote(day: u32, n_times: usize, place: usize) -> String {
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
pub enum Expected<'a> {
    /// Records read, kept, seconds, customers; and no warning.
    Month([u64; 4]),
    /// The same, with words on stderr in order.
    Warned([u64; 4], &'a [&'a str]),
    /// Exit code and words, in order; the old month stands.
    Refused(i32, &'a [&'a str]),
}

use Expected::{Month, Refused, Warned};

pub const WHOLE: Expected<'static> = Month([300, 300, 51_150, 10]);

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

fn customers(work: &Workplace, month: &str) -> Vec<Vec<String>> {
    let sql = format!("SELECT Contract, TotalDuration FROM customer_behavior WHERE Month = '{month}-01' ORDER BY 1");
    work.rows("out/warehouse.db", &sql)
}

#[track_caller]
pub fn in_order(what: &str, text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("{what}: `{word}` is missing in\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

#[track_caller]
pub fn check_with(what: &str, write: impl FnOnce(&Workplace), input: &str, flags: &[&str], expected: &Expected<'_>) {
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
        Month(_) => assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{what}"),
        Warned(_, words) => {
            assert_eq!(finished.code, Some(0), "{what}: {}", finished.stderr);
            in_order(what, &finished.stderr, words);
        }
        Refused(code, words) => {
            assert_eq!(finished.code, Some(*code), "{what}: {}", finished.stderr);
            in_order(what, &finished.stderr, words);
        }
    }
    match expected {
        Month(numbers) | Warned(numbers, _) => {
            let report = work.read_json("out/report.json");
            let found = [
                &report["records"]["read"],
                &report["records"]["kept"],
                &report["seconds"]["kept"],
                &report["contracts"],
            ];
            assert_eq!(found.map(Value::as_u64), numbers.map(Some), "{what}");
            let month = report["month"].as_str().unwrap();
            assert_eq!(customers(&work, month).len() as u64, numbers[3], "{what}");
        }
        Refused(..) => {
            assert_eq!(customers(&work, "2022-04"), [["OLD", "1"]], "{what}");
            assert!(work.read("out/report.json") == report_before, "{what}");
        }
    }
}

#[track_caller]
pub fn check(what: &str, write: impl FnOnce(&Workplace), expected: &Expected<'_>) {
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
        "apps in no category: \"channel\" 90 (the rules have \"CHANNEL\"), \"vod\" 60",
        "unmapped_app, for example lake/20220401.json, line 1, byte 0: `{",
        "next: put these apps into categories of the rules (--rules RULES.toml)\n",
    ];
    check("apps in lower case", |work| all(work, lower), &Refused(4, words));
    let words = ["no record is in the 30 files of 2022-04", "next: fetch the files again, they hold nothing\n"];
    check("empty files", |work| all(work, |_| ""), &Refused(4, &words));
    let flags = ["--max-reject-ratio", "1"];
    check_with(
        "let pass",
        |work| all(work, lower),
        "lake",
        &flags,
        &Warned([300, 0, 0, 0], &["the app of 300 records (100.00 %)"]),
    );
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
    let container =
        |day: u32| lines(day, |day, n| json!({"log": hit(day, n).to_string(), "stream": "out"}).to_string());
    check(
        "logs",
        |work| all(work, container),
        &Refused(4, &[month, "a record in a text of another object", "fromjson"]),
    );
    let queue = |day: u32| lines(day, |day, n| json!({"schema": null, "payload": hit(day, n)}).to_string());
    check(
        "a queue",
        |work| all(work, queue),
        &Refused(4, &[month, "a record within another object", "has(\"_source\")"]),
    );
    let decimal = |day: u32| {
        let row = |day, n| {
            row(day, n).join(";").replace(&format!(";{};", 100 + 10 * n + day), &format!(";{},0;", 100 + 10 * n + day))
        };
        format!("Contract;Mac;TotalDuration;AppName\n{}", lines(day, row))
    };
    let words = [month, "bad_duration 300", "a TotalDuration written with a fraction"];
    check("decimal commas", |work| crate::real_months::month(work, csv_name, decimal), &Refused(4, &words));
    let escaped = |day: u32| {
        let row = |day, n| format!("history,0,\"{}\"", source(day, n).to_string().replace('"', "\\\""));
        format!("_index,_score,_source\n{}", lines(day, row))
    };
    let words = [month, "malformed 300", "CSV with quotes escaped by a backslash"];
    check("backslashes", |work| crate::real_months::month(work, csv_name, escaped), &Refused(4, &words));
}

#[test]
fn a_quote_that_is_never_closed_is_refused_with_its_place() {
    let words = [
        "a quote is opened that is never closed",
        "lake/20220415.csv, line 3, byte 80",
        "nothing was published",
        "next: close or remove that quote in the file; read rejects-refused.ndjson",
    ];
    check("on one day", |work| odd_csv(work, stray_quote(ODD, 1, 1)), &Refused(4, &words));
    let words = ["lake/20220401.csv, line 51, byte ", "lake/20220402.csv", " and 20 more"];
    check("on every day", |work| month(work, csv_name, |day| stray_quote(day, 10, 49)), &Refused(4, &words));
    let flags = ["--max-reject-ratio", "1"];
    let passes = Warned([292, 291, 49_575, 10], &["lake/20220415.csv: a quote in it is never closed"]);
    check_with("let pass", |work| odd_csv(work, stray_quote(ODD, 1, 1)), "lake", &flags, &passes);
    let compressed = |work: &Workplace| {
        month(work, csv_name, csv);
        fs::remove_file(work.path("lake/20220415.csv")).unwrap();
        work.write("lake/20220415.csv.zst", zstd(stray_quote(ODD, 1, 1).as_bytes()));
    };
    check("compressed", compressed, &Refused(4, &["lake/20220415.csv.zst, line 3, byte 80"]));
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
        "more than 5.00 % of the records were rejected of 2022-04-15 (51 of 1,000 records: malformed 51)",
        "in lake/20220415.json (51 of 1,000 records: malformed 51)",
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
    let words = ["more than 5.00 % of the records were rejected in lake/20220415-1.json (60 of 1,000 records"];
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
        "\"NEW\" 30",
        "next: put these apps",
    ];
    check_with("over it", |work| all(work, some), "lake", &flags, &Refused(4, &words));
    let flags = ["--max-unmapped-ratio", "0.09", "--max-reject-ratio", "1"];
    let passes = Warned([300, 270, 47_385, 9], &["the app of 30 records (10.00 %) is in no category"]);
    check_with("let pass", |work| all(work, some), "lake", &flags, &passes);
}

#[test]
fn the_same_data_twice_is_refused_with_both_names() {
    let doubled = Month([310, 310, 52_750, 10]);
    let cases: [(&str, Vec<u8>, &[&str]); 5] = [
        (
            "20220405 (1).json",
            ndjson(5).into(),
            &["lake/20220405.json: looks like the same data as lake/20220405 (1).json"],
        ),
        (
            "20220405.json.gz",
            gzip(ndjson(5).as_bytes()),
            &["lake/20220405.json.gz: looks like the same data as lake/20220405.json"],
        ),
        ("20220405.csv", csv(5).into(), &["lake/20220405.json: looks like the same data as lake/20220405.csv"]),
        (
            "20220405 - Copy.json",
            ndjson(5).into(),
            &["lake/20220405.json: looks like the same data as lake/20220405 - Copy.json"],
        ),
        (
            "backup/20220405.json",
            ndjson(5).into(),
            &["lake/backup/20220405.json: looks like the same data as lake/20220405.json: their bytes are the same"],
        ),
    ];
    for (name, content, words) in cases {
        let write = |work: &Workplace| {
            all(work, ndjson);
            work.write(&format!("lake/{name}"), &content);
        };
        check(name, write, &Refused(3, &[words, &["next: remove one", "--allow-duplicates"][..]].concat()));
        check_with(name, write, "lake", &["--allow-duplicates"], &doubled);
    }
}

#[test]
fn good_months_give_no_warning() {
    let check = |lake: &str, generate: &[&str]| {
        let work = Workplace::new();
        if !generate.is_empty() {
            work.run([&["generate", lake, "--days", "30", "--quiet"], generate].concat()).ok();
        }
        let done = work.run(["run", lake, "--quiet"]).ok();
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""), "{lake} {generate:?}");
        assert_eq!(work.read_json("viewmart-out/report.json")["warnings"], json!([]), "{lake} {generate:?}");
    };
    check(concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample"), &[]);
    check("few", &["--contracts", "40"]);
    check("more", &["--contracts", "2000", "--format", "csv"]);
    check("a hundredth of a whole one", &["--contracts", "19200"]);
}

#[test]
fn the_day_of_a_file_is_found_or_asked_for() {
    use crate::real_months::month;
    let by_keys = |day: u32| format!("year=2022/month=04/day={day:02}/part-00000.json");
    check("keys", |work| month(work, by_keys, ndjson), &WHOLE);
    let within = |day: u32| format!("export_2024-01-15/log_content/{}", by_keys(day));
    let write = |work: &Workplace| month(work, within, ndjson);
    check_with("an export below", write, "lake/export_2024-01-15/log_content", &[], &WHOLE);
    check_with("an export", write, "lake", &[], &WHOLE);
    let writer = |odd: &'static str| {
        move |day: u32| {
            let task = if day == 7 { odd.to_owned() } else { format!("7{day:02}1434918291284621") };
            let uuid = "8d2f0c1a-77aa-4c3e-9b1d-0a1b2c3d4e5f";
            format!("day=2022-04-{day:02}/part-00000-tid-{task}-{uuid}-{day}-1-c000.json")
        }
    };
    check("a task number", |work| month(work, writer("2019121234567890123"), ndjson), &WHOLE);
    let offset = |day: u32| {
        let offset = if day == 7 { "2022051299".to_owned() } else { format!("00{day:02}000000") };
        format!("day=2022-04-{day:02}/history+3+{offset}.json")
    };
    check("an offset", |work| month(work, offset, ndjson), &WHOLE);
    check("dots", |work| month(work, |day| format!("history-2022.04.{day:02}.json"), ndjson), &WHOLE);
    check("underscores", |work| month(work, |day| format!("2022_04_{day:02}.json"), ndjson), &WHOLE);
    let exported = |day: u32| {
        let exported = if day < 30 { format!("202204{:02}", day + 1) } else { "20220501".to_owned() };
        format!("exported_{exported}_log_content_202204{day:02}.json")
    };
    let write = |work: &Workplace| month(work, exported, ndjson);
    let words = [
        "lake/exported_20220402_log_content_20220401.json: its name says two days, 2022-04-02 and 2022-04-01",
        "next: ",
        "--day-pattern",
    ];
    check("two days", write, &Refused(3, &words));
    check_with("with a pattern", write, "lake", &["--day-pattern", "exported_*_content_{YYYYMMDD}.json"], &WHOLE);
    let words = [
        "lake/exported_20220402_log_content_20220401.json: by --day-pattern `exported_*{YYYYMMDD}*` its name says two days, \
         2022-04-02 and 2022-04-01",
        "next: ",
    ];
    check_with("with one for both", write, "lake", &["--day-pattern", "exported_*{YYYYMMDD}*"], &Refused(3, &words));
    let words = ["no name of a file fits --day-pattern `{DD}.json`"];
    let flags = ["--day-pattern", "{DD}.json", "--month", "2022-04"];
    check_with("with a wrong one", write, "lake", &flags, &Refused(3, &words));
    let local = |day: u32| format!("{day:02}-04-2022.json");
    let write = |work: &Workplace| month(work, local, ndjson);
    let words = [
        "lake/01-04-2022.json: neither its name nor a folder below the input has a day",
        "lake/02-04-2022.json",
        "lake/10-04-2022.json and 20 more",
        "--day-pattern, for example '{DD}-{MM}-{YYYY}.json'",
    ];
    check("day first", write, &Refused(3, &words));
    check_with("day first", write, "lake", &["--day-pattern", "{DD}-{MM}-{YYYY}.json"], &WHOLE);
    check_with("no month", write, "lake", &["--day-pattern", "{DD}-*.json"], &Refused(2, &["says no month"]));
    check_with("of the month", write, "lake", &["--day-pattern", "{DD}-*.json", "--month", "2022-04"], &WHOLE);
}

#[test]
fn what_else_lies_in_a_lake_is_left_out() {
    let write = |work: &Workplace| {
        all(work, ndjson);
        for name in ["desktop.ini", "Thumbs.db", "README.md", "20220401.json.md5", "SHA256SUMS", "_SUCCESS"] {
            work.write(&format!("lake/{name}"), "x\n");
        }
    };
    check("odds and ends", write, &WHOLE);
    let hive = |work: &Workplace| month(work, |day| format!("dt=2022-04-{day:02}/000000_0"), ndjson);
    let words = ["holds no data file", "lake/dt=2022-04-01/000000_0 to lake/dt=2022-04-30/000000_0", "with --format"];
    check("Hive", hive, &Refused(3, &words));
    check_with("Hive, told", hive, "lake", &["--format", "ndjson"], &WHOLE);
    let unread = |work: &Workplace| {
        all(work, ndjson);
        work.write("lake/20220431.json", "");
        work.write("lake/20220405.parquet", "PAR1");
    };
    check("a day that there is not", unread, &Refused(3, &["lake/20220431.json: neither its name"]));
    let unread = |work: &Workplace| {
        all(work, ndjson);
        work.write("lake/20220405.parquet", "PAR1");
        work.write("lake/20220505.parquet", "PAR1");
    };
    let words = ["lake/20220405.parquet: its ending is not one of a data file"];
    check_with("Parquet", unread, "lake", &["--month", "2022-04"], &Refused(3, &words));
}

#[test]
fn unusual_months_are_good() {
    use crate::real_months::month;
    let one_by_one = |work: &Workplace, name: &dyn Fn(u32, u32) -> String| {
        for (day, n) in (1..=30).flat_map(|day| (1..=10).map(move |n| (day, n))) {
            work.write(&format!("lake/{}", name(day, n)), hit(day, n).to_string());
        }
    };
    check("an hour a file", |work| one_by_one(work, &|day, n| format!("202204{day:02}{n:02}.json")), &WHOLE);
    check("a record a file", |work| one_by_one(work, &|day, n| format!("2022-04-{day:02}/part-{n:05}.json")), &WHOLE);
    let folders = |work: &Workplace| {
        month(work, |day| format!("day=2022-04-{day:02}/part-00000.csv"), csv);
        // As Spark writes them.
        month(work, |day| format!("day=2022-04-{day:02}/part-00001.csv"), |_| "");
        month(work, |day| format!("day=2022-04-{day:02}/_SUCCESS"), |_| "");
    };
    check("folders with empty parts", folders, &WHOLE);
    let february = |work: &Workplace| {
        (1..=28).for_each(|day| drop(work.write(&format!("lake/202202{day:02}.json"), ndjson(day))));
    };
    check("February", february, &Month([280, 280, 47_460, 10]));
    let provinces = |work: &Workplace| {
        let part = |day: u32, first: usize| {
            ndjson(day).lines().skip(first).take(5).map(|l| l.to_owned() + "\n").collect::<String>()
        };
        month(work, |day| format!("north/202204{day:02}.json"), |day| part(day, 0));
        month(work, |day| format!("south/202204{day:02}.json"), |day| part(day, 5));
    };
    check("a folder a province", provinces, &WHOLE);
    let one = |day: u32| hit(day, 1).to_string();
    check("one customer", |work| all(work, one), &Month([30, 30, 3765, 1]));
    let late = |work: &Workplace| {
        (10..=30).for_each(|day| drop(work.write(&format!("lake/202204{day:02}.json"), ndjson(day))));
    };
    check("a month that begins on day 10", late, &Month([210, 210, 36_750, 10]));
    let of_month = |work: &Workplace| month(work, |day| format!("year=2022/month=04/day={day:02}/part-0.json"), ndjson);
    check_with("the folder of a month", of_month, "lake/year=2022/month=04", &[], &WHOLE);
    let mixed = |work: &Workplace| {
        for day in 1..=30 {
            let (ending, content) = match day % 4 {
                0 => ("json", ndjson(day).into_bytes()),
                1 => ("json.gz", gzip(ndjson(day).as_bytes())),
                2 => ("csv", csv(day).into_bytes()),
                _ => ("csv.zst", zstd(csv(day).as_bytes())),
            };
            work.write(&format!("lake/202204{day:02}.{ending}"), content);
        }
    };
    check("mixed formats", mixed, &WHOLE);
    let name =
        |name: &'static str| move |day: u32| name.replace("DD", &format!("{day:02}")).replace("{d}", &day.to_string());
    for names in [
        "202204DD.JSON",
        "202204DDT000000Z.json",
        "year=2022/month=4/day={d}/part-00000.json",
        "dt=2022-04-DD/hour=00/part-0.json",
        "ts=2022-04-DD 00%3A00%3A00/part-0.json",
        "202204DD.json/part-00000-8d2f0c1a-77aa-4c3e-9b1d-0a1b2c3d4e5f-c000.json",
    ] {
        check(names, |work| month(work, name(names), ndjson), &WHOLE);
    }
    let with_index = |day: u32| {
        format!(
            ",Contract,Mac,TotalDuration,AppName\n{}",
            lines(day, |day, n| format!("{n},{}", row(day, n).join(",")))
        )
    };
    check("an index of pandas", |work| month(work, csv_name, with_index), &WHOLE);
    let with_end = |day: u32| csv(day).replace('\n', ",\n");
    check("a delimiter after every row", |work| month(work, csv_name, with_end), &WHOLE);
}

#[test]
fn odd_months_are_published_with_a_warning() {
    let array = format!("[\n{}\n]\n", ndjson(ODD).trim_end().replace('\n', ",\n"));
    let words = [
        "warning: 2022-04-15 has 11 of 12 records: malformed 11 rejected",
        "lake/20220415.json, line 1, byte 0: `[`: this is a JSON array",
    ];
    check("an array by lines", |work| odd(work, array), &Warned([302, 291, 49_665, 10], &words));
    let thousands = |day: u32| {
        if day % 10 != 1 {
            return csv(day);
        }
        let row = |day: u32, n: u32| {
            let [contract, mac, _, app] = row(day, n);
            let seconds = 100 + 10 * n + day + if n > 7 { 3600 } else { 0 };
            let text =
                if n > 7 { format!("\"{},{:03}\"", seconds / 1000, seconds % 1000) } else { seconds.to_string() };
            [contract, mac, text, app].join(",")
        };
        format!("Contract,Mac,TotalDuration,AppName\n{}", lines(day, row))
    };
    let words =
        ["2022-04-01 has 3 of 10 records: bad_duration 3 rejected", "thousands separators", "2022-04-11", "2022-04-21"];
    check("thousands", |work| month(work, csv_name, thousands), &Warned([300, 291, 49_341, 10], &words));
    let words = ["warning: lake/20220415.json has no record"];
    check("an empty file", |work| odd(work, ""), &Warned([290, 290, 49_450, 10], &words));
    let words = ["lake: no record of 2022-04-15", "next: bring these days into the lake"];
    let flags = ["--require-all-days"];
    check_with("all days wanted", |work| odd(work, ""), "lake", &flags, &Refused(3, &words));
    let words = ["warning: lake/20220415.json: it is gzip, which its name does not say"];
    check("gzip", |work| odd(work, gzip(ndjson(ODD).as_bytes())), &Warned([300, 300, 51_150, 10], &words));
    let compressed = |work: &Workplace, name: &str, content: &[u8]| {
        month(work, |day| format!("202204{day:02}.json.gz"), |day| gzip(ndjson(day).as_bytes()));
        work.write(&format!("lake/{name}"), content);
    };
    let words = ["warning: lake/20220415.json.gz: it is not compressed, though its name says gzip"];
    let plain = |work: &Workplace| compressed(work, "20220415.json.gz", ndjson(ODD).as_bytes());
    check("plain text", plain, &Warned([300, 300, 51_150, 10], &words));
    let padded = [gzip(ndjson(ODD).as_bytes()), vec![0; 512]].concat();
    check("padding", |work| compressed(work, "20220415.json.gz", &padded), &WHOLE);
    let words = ["lake/20220415.json.gz: the gzip stream ends too early: the file is empty"];
    check("0 bytes", |work| compressed(work, "20220415.json.gz", b""), &Refused(3, &words));
    let unmapped = |day: u32| {
        let app = |n| if day < 6 && n == 1 { "NEW" } else { APPS[n as usize - 1] };
        lines(day, |day, n| changed(day, n, "AppName", json!(app(n))))
    };
    let words = ["warning: the app of 5 records (1.67 %) is in no category: \"NEW\" 5"];
    check("a new app", |work| all(work, unmapped), &Warned([300, 295, 50_585, 10], &words));
    let misspelt = |day: u32| {
        let app = |n| if day < 6 && n == 1 { " kPlus" } else { APPS[n as usize - 1] };
        lines(day, |day, n| changed(day, n, "AppName", json!(app(n))))
    };
    let words = ["warning: the app of 5 records (1.67 %) is in no category: \" kPlus\" 5 (the rules have \"KPLUS\")"];
    check("an app in another case", |work| all(work, misspelt), &Warned([300, 295, 50_585, 10], &words));
    let left_out = |work: &Workplace| {
        all(work, ndjson);
        for name in
            ["20220404.json.bak", "20220405.json.part", "20220531.json.bak", "20220406.json.sha256", "20220407.csv.md5"]
        {
            work.write(&format!("lake/{name}"), ndjson(5));
        }
        work.write("lake/day=2022-04-08/000000_0", ndjson(8));
    };
    let words = [
        "warning: lake/20220404.json.bak was left out: it is by its name a copy",
        "lake/20220405.json.part was left out",
        "lake/20220407.csv.md5 was left out: it is a checksum without its file",
        "lake/day=2022-04-08/000000_0 was left out: it is without an ending",
    ];
    check("left out", left_out, &Warned([300, 300, 51_150, 10], &words));
    let in_folders = |work: &Workplace| {
        month(work, |day| format!("day=2022-04-{day:02}/part-00000.json"), ndjson);
        for name in ["part-00001.json.filepart", "part-00000.json.crc", "part-00002.csv.gz.md5", ".part-00000.json.crc"]
        {
            work.write(&format!("lake/day=2022-04-05/{name}"), ndjson(5));
        }
    };
    let words = [
        "warning: lake/day=2022-04-05/part-00001.json.filepart was left out: it is by its name a copy or not finished",
        "warning: lake/day=2022-04-05/part-00002.csv.gz.md5 was left out: it is a checksum without its file",
    ];
    check("left out in the folder of a day", in_folders, &Warned([300, 300, 51_150, 10], &words));
    let of_pattern = |work: &Workplace| {
        month(work, |day| format!("{day:02}.json"), ndjson);
        work.write("lake/05.json.bak", ndjson(5));
    };
    let words = ["warning: lake/05.json.bak was left out: it is by its name a copy"];
    let flags = ["--month", "2022-04", "--day-pattern", "{DD}.json"];
    check_with("left out by a pattern", of_pattern, "lake", &flags, &Warned([300, 300, 51_150, 10], &words));
    let two_records = |work: &Workplace| {
        all(work, ndjson);
        let two: String = ndjson(5).lines().take(2).map(|line| line.to_owned() + "\n").collect();
        work.write("lake/a/20220405.json", &two);
        work.write("lake/b/20220405.json", &two);
    };
    let words = ["warning: lake/b/20220405.json holds the same as lake/a/20220405.json"];
    check("two records twice", two_records, &Warned([304, 304, 51_630, 10], &words));
}

#[test]
fn a_day_that_stands_out_is_told_and_may_be_refused() {
    let times = |n_odd: usize| {
        move |work: &Workplace| all(work, move |day| ndjson(day).repeat(if day == ODD { n_odd } else { 10 }))
    };
    let words = ["warning: 2022-04-15 has 210 records, the median day 100"];
    check("a holiday", times(21), &Warned([3110, 3110, 530_200, 10], &words));
    check("not yet", times(20), &Month([3100, 3100, 511_500 + 10 * 1700, 10]));
    check("half a day", times(5), &Month([2950, 2950, 511_500 - 5 * 1700, 10]));
    let words = ["warning: 2022-04-15 has 40 records, the median day 100"];
    check("less", times(4), &Warned([2940, 2940, 511_500 - 6 * 1700, 10], &words));
    let words = ["warnings are denied: 2022-04-15 has 40 records"];
    check_with("denied", times(4), "lake", &["--deny-warnings"], &Refused(4, &words));
    let passes = Warned([2940, 2940, 511_500 - 6 * 1700, 10], &["warning: 2022-04-15 has 40 records"]);
    check_with("let pass", times(4), "lake", &["--deny-warnings", "--max-reject-ratio", "1"], &passes);
    check_with("nothing to deny", times(5), "lake", &["--deny-warnings"], &Month([2950, 2950, 511_500 - 5 * 1700, 10]));
}

#[test]
fn headers_are_found_or_told() {
    let with = |header: &'static str, delimiter: &'static str| {
        move |work: &Workplace| {
            month(work, csv_name, |day| format!("{header}\n{}", lines(day, |day, n| row(day, n).join(delimiter))));
        }
    };
    check("lower case", with("contract,mac,totalduration,appname", ","), &WHOLE);
    check("blanks", with("Contract, Mac, TotalDuration, AppName", ","), &WHOLE);
    check("a table's name", with("t.contract,t.mac,t.totalduration,t.appname", ","), &WHOLE);
    check("Excel", with("sep=;\nContract;Mac;TotalDuration;AppName", ";"), &WHOLE);
    check("bars", with("Contract|Mac|TotalDuration|AppName", "|"), &WHOLE);
    check("semicolons", with("Contract;Mac;TotalDuration;AppName", ";"), &WHOLE);
    check("tabs", with("Contract\tMac\tTotalDuration\tAppName", "\t"), &WHOLE);
    let none = |work: &Workplace| month(work, csv_name, |day| lines(day, |day, n| row(day, n).join(",")));
    let words = [
        "lake/20220401.csv: line 1: the header has no column Contract, TotalDuration, AppName; it has TSTX00001, 02AABBCC0001",
        "next: the header needs Contract, TotalDuration and AppName",
    ];
    check("none", none, &Refused(4, &words));
    let words =
        ["lake/20220415.csv: line 1: the header has no column AppName", "lone CR", "next: convert the line ends: tr"];
    check("lone CR", |work| odd_csv(work, csv(ODD).replace('\n', "\r")), &Refused(4, &words));
    let beside = |work: &Workplace| {
        let note = |(n, row): (usize, &str)| format!("{row},{}\r", if n == 0 { "Note" } else { "x" });
        month(work, csv_name, csv);
        work.write("lake/x/20220415.csv", csv(ODD).lines().enumerate().map(note).collect::<String>());
    };
    let words = [
        "lake/x/20220415.csv: line 1: the header holds a carriage return with no line feed after it",
        "lone CR",
        "next: convert the line ends: tr",
    ];
    check("lone CR after another column", beside, &Refused(4, &words));
    let hourly = |work: &Workplace| month(work, |day| format!("2022-04-{day:02}-2030.json"), ndjson);
    check("an hour after the day", hourly, &WHOLE);
    let comment = |work: &Workplace| month(work, csv_name, |day| format!("# exported\n{}", csv(day)));
    let words = ["it has # exported", "a comment in front of its header", "next: drop the comments: sed '/^#/d'"];
    check("a comment", comment, &Refused(4, &words));
    let words = ["it has Contract Mac TotalDuration AppName", "whose delimiter is none of"];
    check("blanks between", with("Contract Mac TotalDuration AppName", " "), &Refused(4, &words));
    let words = ["it has 'h.contract', 'h.mac'", "CSV with single quotes"];
    check("single quotes", with("'h.contract'\t'h.mac'\t'h.totalduration'\t'h.appname'", "\t"), &Refused(4, &words));
    let words = ["lake/20220415.csv: line 1", "this is NDJSON under a name of CSV", "next: rename it"];
    check("NDJSON", |work| odd_csv(work, ndjson(ODD)), &Refused(4, &words));
    let null = |day: u32| {
        let row = |day: u32, n: u32| {
            let [contract, mac, seconds, app] = row(day, n);
            [if day == 3 { "\\N".to_owned() } else { contract }, mac, seconds, app].join(",")
        };
        format!("Contract,Mac,TotalDuration,AppName\n{}", lines(day, row))
    };
    let words = ["no record was kept of 2022-04-03 (10 of 10 records: no_contract 10)"];
    check("\\N", |work| month(work, csv_name, null), &Refused(4, &words));
}
