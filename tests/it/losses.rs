//! Losses that a count of records hides: rows within a field, a record as long as many, the same data in another compression.

use std::fs;

use serde_json::json;

use crate::real_months::Expected::{Month, Refused, Warned};
use crate::real_months::{
    ODD, WHOLE, all, changed, check, check_with, csv, csv_name, in_order, json_name, lines, month, ndjson, odd,
    odd_csv, row,
};
use crate::support::{Workplace, gzip, zstd};

/// CSV of 100 rows in which two quotes are stray, of the third row and of the row `last`.
fn stray_pair(day: u32, last: usize) -> String {
    let csv = csv(day);
    let (header, rows) = csv.split_once('\n').unwrap();
    let mut rows: Vec<String> = rows.repeat(10).lines().map(str::to_owned).collect();
    rows[2] = rows[2].replacen(',', ",\"", 1);
    let mut fields: Vec<String> = rows[last].split(',').map(str::to_owned).collect();
    fields[1].push('"');
    rows[last] = fields.join(",");
    format!("{header}\n{}\n", rows.join("\n"))
}

#[test]
fn rows_between_two_stray_quotes_are_no_field() {
    let words = [
        "a quote is opened whose field holds whole rows, so they are one record: lake/20220415.csv, line 4, byte 111",
        "nothing was published",
        "next: close or remove that quote in the file; ",
    ];
    check("far apart", |work| odd_csv(work, stray_pair(ODD, 89)), &Refused(4, &words));
    check("near", |work| odd_csv(work, stray_pair(ODD, 4)), &Refused(4, &words));
    check("side by side", |work| odd_csv(work, stray_pair(ODD, 3)), &Refused(4, &words));
    let passes = Warned([303, 303, 51_625, 10], &["lake/20220415.csv: a quoted field in it holds whole rows"]);
    let flags = ["--max-reject-ratio", "1"];
    check_with("let pass", |work| odd_csv(work, stray_pair(ODD, 89)), "lake", &flags, &passes);
    let compressed = |work: &Workplace| {
        month(work, csv_name, csv);
        fs::remove_file(work.path("lake/20220415.csv")).unwrap();
        work.write("lake/20220415.csv.zst", zstd(stray_pair(ODD, 89).as_bytes()));
    };
    check("compressed", compressed, &Refused(4, &["lake/20220415.csv.zst, line 4, byte 111"]));
    let with_titles = |day: u32| {
        let titled = |(n, row): (usize, &str)| match n {
            0 => format!("Title,{row}\n"),
            _ => format!("\"Love, hate,\nand, 3, wars,\r\n{n}, 4, 5, 6\",{row}\n"),
        };
        csv(day).lines().enumerate().map(titled).collect::<String>()
    };
    check("titles of several lines", |work| month(work, csv_name, with_titles), &WHOLE);
}

#[test]
fn a_month_file_knows_of_rows_within_a_field() {
    let work = Workplace::new();
    odd_csv(&work, stray_pair(ODD, 89));
    let date = ["--etl-date", "2022-05-01", "--quiet"];
    work.run([&["transform", "lake", "--max-reject-ratio", "1"], &date[..]].concat()).ok();
    let loaded = work.run(["load", "viewmart-out/month-2022-04.parquet", "--warehouse", "sqlite:w.db"]);
    loaded.failed(4, &["a quote is opened whose field holds whole rows", "lake/20220415.csv, byte 111"]);
    let merged = work.run(["merge", "viewmart-out/month-2022-04.parquet", "--out", "merged"]);
    merged.failed(4, &["a quote is opened whose field holds whole rows"]);
}

#[test]
fn a_header_among_the_rows_is_told() {
    let (header, rows) = ("Contract,Mac,TotalDuration,AppName\n", lines(ODD, |day, n| row(day, n).join(",")));
    let again = format!("{header}{rows}{}{header}", rows.repeat(49));
    let words = ["warning: lake/20220415.csv: its header stands among the rows too"];
    check("the same", |work| odd_csv(work, &again), &Warned([791, 790, 134_450, 10], &words));
    let turned = |n: u32| {
        let [contract, mac, seconds, app] = row(ODD, n);
        [mac, contract, seconds, app].join(",")
    };
    let other =
        format!("{header}{}Mac,Contract,TotalDuration,AppName\n{}", rows.repeat(50), lines(ODD, |_, n| turned(n)));
    let words = [
        "another header stands among the rows, and those after it have their columns in other places: \
         lake/20220415.csv, line 502, byte ",
        "next: cut the file in front of that header into two; ",
    ];
    check("another", |work| odd_csv(work, &other), &Refused(4, &words));
}

/// A day whose first ten lines are as they should be, and all others, which take so many bytes, are one.
fn joined(day: u32, n_bytes: usize) -> String {
    let one = ndjson(day).replace('\n', "");
    format!("{}{}\n", ndjson(day), one.repeat(n_bytes / one.len() + 1))
}

#[test]
fn a_malformed_record_that_is_as_long_as_many_is_told() {
    let words = [
        "malformed records take more than 5.00 % of the bytes of lake/20220415.json (101.",
        "malformed, for example lake/20220415.json, line 11, byte ",
        "several objects on one line",
    ];
    check("without line ends", |work| odd(work, joined(ODD, 100_000)), &Refused(4, &words));
    let words = ["malformed records take more than 5.00 % of the bytes of lake/20220415.json (6.45 kB of 8.07 kB)"];
    check("some without line ends", |work| odd(work, joined(ODD, 5_000)), &Refused(4, &words));
    let compressed = |work: &Workplace| {
        month(work, |day| json_name(day) + ".gz", |day| gzip(ndjson(day).as_bytes()));
        // Compressed it is as small as any.
        work.write("lake/20220415.json.gz", gzip(joined(ODD, 100_000).as_bytes()));
    };
    check("compressed", compressed, &Refused(4, &["of the bytes of lake/20220415.json.gz (101.", " kB of 103."]));
    // None of them is long, and together they are most of the file.
    let pieces = |work: &Workplace| {
        let hundred = ndjson(ODD).replace('\n', "").repeat(10) + "\n";
        odd(work, (ndjson(ODD).repeat(3) + &hundred).repeat(40));
    };
    let words = [
        "malformed records take more than 5.00 % of the bytes of lake/20220415.json (",
        "malformed, for example lake/20220415.json, line 31, byte ",
        "several objects on one line",
    ];
    check("in pieces", pieces, &Refused(4, &words));
    let much = |day: u32| ndjson(day).repeat(if day == ODD { 1000 } else { 800 });
    let among_many = |work: &Workplace| {
        all(work, much);
        work.write("lake/20220415.json", much(ODD) + &joined(ODD, 65_600));
    };
    check("a small part of a file", among_many, &Warned([242_011, 242_010, 41_261_700, 10], &[]));
    let passes =
        Warned([301, 300, 51_150, 10], &["a malformed record is as long as many records in lake/20220415.json (1."]);
    let flags = ["--max-reject-ratio", "1"];
    check_with("let pass", |work| odd(work, joined(ODD, 1_100_000)), "lake", &flags, &passes);
    // Many short ones are counted as records.
    let short = |work: &Workplace| odd(work, ndjson(ODD).repeat(200) + &"x\n".repeat(100));
    check("short", short, &Month([2390, 2290, 389_450, 10]));
}

#[test]
fn a_day_in_doubt_is_asked_for() {
    let timed = |work: &Workplace| month(work, |day| format!("{day:02}-04-2022-12-30-00.json"), ndjson);
    let words = ["lake/01-04-2022-12-30-00.json: its name says two days, 2022-12-30 and 2022-04-01", "--day-pattern"];
    check("the day first, with a time", timed, &Refused(3, &words));
    check_with("with a pattern", timed, "lake", &["--day-pattern", "{DD}-{MM}-{YYYY}-*"], &WHOLE);
    let of_runs = |work: &Workplace| {
        let name = |day: u32| format!("dt=2022-04-{day:02}/run_202204{:02}T0100/part-0.json", day % 30 + 1);
        month(work, name, ndjson);
    };
    let words = ["its folders `run_20220402T0100` and `dt=2022-04-01` say two days, 2022-04-02 and 2022-04-01"];
    check("a folder a run", of_runs, &Refused(3, &words));
    check_with("with a pattern", of_runs, "lake", &["--day-pattern", "dt={YYYY}-{MM}-{DD}/*/*"], &WHOLE);
    let months = |work: &Workplace| {
        month(work, |day| format!("2022/04/{day:02}.json"), ndjson);
        work.write("lake/2022/03/05.json", ndjson(5));
    };
    let flags = ["--day-pattern", "{DD}.json", "--month", "2022-04"];
    let words =
        ["lake/2022/03/05.json: by --day-pattern `{DD}.json` its day is 2022-04-05, its folder `03` is of 2022-03"];
    check_with("a pattern without a month", months, "lake", &flags, &Refused(3, &words));
    check_with("the folder of the month", months, "lake/2022/04", &flags, &WHOLE);
    let linked = |work: &Workplace| {
        month(work, |day| format!("day=2022-04-{day:02}/part-0.json"), ndjson);
        std::os::unix::fs::symlink("day=2022-04-30", work.path("lake/current")).unwrap();
    };
    check("a link to the last day", linked, &WHOLE);
}

/// A tar archive of one file.
fn tar(name: &str, content: &str) -> Vec<u8> {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    let padding = content.len().next_multiple_of(512) - content.len() + 1024;
    [&header[..], content.as_bytes(), &vec![0; padding]].concat()
}

#[test]
fn an_archive_is_no_data_though_its_lines_are_records() {
    let archive = tar("20220415.json", &ndjson(ODD).repeat(50));
    let words = [
        "what should be text is none: lake/20220415.json (a tar archive)",
        "next: extract it: tar -xf lake/20220415.json",
    ];
    check("tar", |work| odd(work, &archive), &Refused(4, &words));
    let passes = Warned([791, 789, 134_325, 10], &["warning: lake/20220415.json: no text, but a tar archive"]);
    check_with("let pass", |work| odd(work, &archive), "lake", &["--max-reject-ratio", "1"], &passes);
    // Who loads parts sees no bytes.
    let work = Workplace::new();
    odd(&work, &archive);
    work.run(["transform", "lake", "--max-reject-ratio", "1", "--quiet"]).ok();
    let part = "viewmart-out/month-2022-04.parquet";
    for command in [&["merge", part, "--out", "merged"][..], &["load", part, "--warehouse", "sqlite:w.db"]] {
        work.run(command).failed(4, &["what should be text is none: file://", "lake/20220415.json (a tar archive)"]);
    }
    let compressed = |work: &Workplace| {
        month(work, |day| json_name(day) + ".gz", |day| gzip(ndjson(day).as_bytes()));
        work.write("lake/20220415.json.gz", gzip(&archive));
    };
    check(
        "tar in gzip",
        compressed,
        &Refused(4, &["what should be text is none: lake/20220415.json.gz (a tar archive)"]),
    );
    let stored = [&b"PK\x03\x04\x14\0\0\0\0\0"[..], ndjson(ODD).repeat(50).as_bytes()].concat();
    check("zip", |work| odd(work, &stored), &Refused(4, &["lake/20220415.json (a zip archive"]));
}

#[test]
fn a_file_that_is_packed_in_another_way_is_no_damaged_one() {
    let check_start = |name: &str, start: &[u8], words: &str| {
        let write = |work: &Workplace| {
            month(
                work,
                |day| format!("202204{day:02}.{name}"),
                |day| match name {
                    "csv.zst" => zstd(csv(day).as_bytes()),
                    _ => gzip(ndjson(day).as_bytes()),
                },
            );
            work.write(&format!("lake/20220415.{name}"), [start, &[7; 900]].concat());
        };
        check(words, write, &Refused(3, &[&format!("lake/20220415.{name}: {words}"), "next: "]));
    };
    check_start("json.gz", b"PK\x03\x04\x14\0\0\0", "it is a zip archive, not gzip");
    check_start("json.gz", b"\xfd7zXZ\0\0\x04", "it is xz, not gzip");
    check_start("csv.zst", b"BZh91AY&SY", "it is bzip2, not Zstandard");
    check_start("csv.zst", b"PAR1\x15\x04", "it is a Parquet file, not Zstandard");
    check_start("json.gz", b"\xff\xfe{\0\"\0_\0", "it is UTF-16 text, not gzip");
    check_start("json.gz", b"\x1f\x9d\x90\x01", "it is compress data (.Z), not gzip");
    check_start("json.gz", b"\x01\x02\x03", "the gzip stream is damaged");
}

#[test]
fn what_is_no_data_is_told_where_fields_stand_at_the_top_too() {
    let flat = |day: u32| {
        let source =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["_source"].to_string() + "\n";
        ndjson(day).lines().map(source).collect::<String>()
    };
    let write = |work: &Workplace| {
        all(work, flat);
        work.write("flat.toml", "extends = \"default\"\n[record]\nsource = \"flat\"\n");
    };
    let error = "{\"message\":\"Forbidden\"}\n";
    let words = [
        "every record is malformed in lake/x/20220415.json (1 record)",
        "lake/x/20220415.json, line 1, byte 0: `{\"message\":\"Forbidden\"}`: this is the error answer of a server",
        "next: read what it says, then fetch the file again",
    ];
    let beside = |work: &Workplace| {
        write(work);
        work.write("lake/x/20220415.json", error);
    };
    let rules = ["--rules", "flat.toml"];
    check_with("an error", beside, "lake", &rules, &Refused(4, &words));
    let work = Workplace::new();
    beside(&work);
    work.run([&["transform", "lake", "--max-reject-ratio", "1", "--quiet"], &rules[..]].concat()).ok();
    let loaded = work.run(["load", "viewmart-out/month-2022-04.parquet", "--warehouse", "sqlite:w.db"]);
    loaded.failed(4, &["every record is malformed in file://", "lake/x/20220415.json (1 record)"]);
    let floats = |work: &Workplace| {
        write(work);
        work.write("lake/20220415.json", flat(ODD).replace("\"TotalDuration\":", "\"TotalDuration\":0.5,\"x\":"));
    };
    let words = ["no record was kept of 2022-04-15", "jq -c '.TotalDuration |= floor' lake/20220415.json"];
    check_with("floats", floats, "lake", &rules, &Refused(4, &words));
    let without = |work: &Workplace| {
        write(work);
        work.write("lake/x/20220415.json", "{\"AppName\":\"VOD\",\"TotalDuration\":5}\n");
    };
    let words = [
        "2022-04-15 has 1 of 11 records: no_contract 1 rejected; no_contract, for example lake/x/20220415.json, line 1",
    ];
    check_with("a record of nobody", without, "lake", &rules, &Warned([301, 300, 51_150, 10], &words));
}

#[test]
fn zeros_in_place_of_records_are_told() {
    let words = ["warning: NUL bytes stand where records were not written in lake/20220415.json (512 B of them)"];
    let zeros = "\0".repeat(512);
    check("a tail", |work| odd(work, ndjson(ODD) + &zeros), &Warned([301, 300, 51_150, 10], &words));
    let cut = |work: &Workplace| {
        let lines = ndjson(ODD);
        odd(work, lines[..lines.len() - 20].to_owned() + &zeros);
    };
    check("a tail within a record", cut, &Warned([300, 299, 50_935, 10], &words));
    let csv = |work: &Workplace| odd_csv(work, csv(ODD) + &zeros);
    let within = |work: &Workplace| odd(work, ndjson(ODD).replacen("\"_source\"", &format!("{zeros}\"_source\""), 1));
    check("in the middle", within, &Warned([300, 299, 51_025, 10], &words));
    check("CSV", csv, &Warned([301, 300, 51_150, 10], &["lake/20220415.csv (512 B of them)"]));
}

#[test]
fn a_part_of_which_nothing_is_kept_is_told() {
    let floats = |n: u32| changed(5, n, "TotalDuration", json!(f64::from(n) + 0.5)) + "\n";
    let words = ["warning: no record is kept of lake/x/20220405.json (10 of 10 records: bad_duration 10)"];
    let write = |work: &Workplace| {
        all(work, |day| ndjson(day).repeat(40));
        work.write("lake/x/20220405.json", (1..=10).map(floats).collect::<String>());
    };
    check("ten records", write, &Warned([12_010, 12_000, 2_046_000, 10], &words));
    let write = |work: &Workplace| {
        all(work, |day| ndjson(day).repeat(40));
        work.write("lake/x/20220405.json", (1..=9).map(floats).collect::<String>());
    };
    check("a few records", write, &Month([12_009, 12_000, 2_046_000, 10]));
}

#[test]
fn a_customer_who_is_a_word_for_nothing_is_told() {
    let words = ["warning: a customer is named `(null)`, `NA`, as a missing contract is written; --exclude-contract"];
    let named = |day: u32| ndjson(day).replace("TSTX00003", "(null)").replace("TSTX00004", "NA");
    check("two of them", |work| all(work, named), &Warned([300, 300, 51_150, 10], &words));
    let work = Workplace::new();
    all(&work, named);
    work.run(["transform", "lake", "--quiet"]).ok();
    let done = work.run(["load", "viewmart-out/month-2022-04.parquet", "--warehouse", "sqlite:w.db"]).ok();
    in_order("load", &done.stderr, &words);
    let merge = ["merge", "viewmart-out/month-2022-04.parquet", "--out", "merged"];
    in_order("merge", &work.run(merge).ok().stderr, &words);
    let denied = [&merge[..3], &["other", "--deny-warnings"]].concat();
    work.run(denied).failed(4, &["warnings are denied: a customer is named `(null)`, `NA`"]);
    assert!(!work.path("other/month-2022-04.parquet").exists());
}

#[test]
fn a_csv_file_of_nothing_is_empty() {
    let bom = "\u{feff}";
    for (name, content) in [("line.csv", "\n"), ("mark.csv", bom), ("lines.csv", "\u{feff}\r\n\n\r\n")] {
        let write = |work: &Workplace| {
            month(work, csv_name, csv);
            work.write("lake/day=2022-04-05/part-0.csv", csv(5).replace("TSTX", "TSTY"));
            work.write(&format!("lake/day=2022-04-05/{name}"), content);
            work.write(&format!("lake/day=2022-04-05/{name}.gz"), gzip(content.as_bytes()));
        };
        check_with(name, write, "lake", &["--allow-duplicates"], &Month([310, 310, 52_750, 20]));
    }
    let words = ["warning: lake/20220415.csv has no record"];
    check("alone", |work| odd_csv(work, "\n"), &Warned([290, 290, 49_450, 10], &words));
}

/// Ten records of a day, of which the last ones name no customer.
fn without_contract(day: u32, n_bad: u32) -> String {
    lines(day, |day, n| match n > 10 - n_bad {
        true => changed(day, n, "Contract", json!(null)),
        false => crate::real_months::hit(day, n).to_string(),
    })
}

#[test]
fn a_month_over_its_limit_names_its_days_and_files() {
    let write =
        |work: &Workplace| all(work, |day| without_contract(day, if day == 3 { 4 } else { u32::from(day < 25) }));
    let words = [
        "27 of 300 records were rejected (9.00 %), the limit is 5.00 %: no_contract 27",
        "more than 5.00 % of the records were rejected of 2022-04-01 (1 of 10 records: no_contract 1), 2022-04-02 (",
        "2022-04-10 (1 of 10 records: no_contract 1) and 14 more",
        // Of the file with the most of them.
        "no_contract, for example lake/20220403.json, line 7, byte ",
    ];
    check("days", write, &Refused(4, &words));
    let write = |work: &Workplace| {
        all(work, |day| without_contract(day, u32::from(day < 15)));
        work.write("lake/20220420.json", "<html>\n".repeat(100));
        work.write("lake/20220421.json", without_contract(21, 10));
    };
    let words = [
        "124 of 390 records were rejected (31.79 %)",
        "every record is malformed in lake/20220420.json (100 records)",
        "no record was kept of 2022-04-21 (10 of 10 records: no_contract 10)",
        "more than 5.00 % of the records were rejected of 2022-04-01",
        "malformed, for example lake/20220420.json, line 1, byte 0: `<html>`: this is a web page",
        "no_contract, for example lake/20220421.json, line 1, byte 0",
    ];
    check("files", write, &Refused(4, &words));
    let words = [
        "300 of 300 records",
        "no record of 2022-04 was kept; in lake/20220401.json, lake/20220402.json, ",
        "and 20 more",
    ];
    check("nothing kept", |work| all(work, |day| without_contract(day, 10)), &Refused(4, &words));
}

#[test]
fn an_example_is_shown_past_the_rejects_that_are_kept() {
    let array = format!("[{}]\n", ndjson(ODD).trim_end().replace('\n', ","));
    let write = |work: &Workplace| {
        all(work, |day| without_contract(day, u32::from(day == 1)));
        work.write("lake/20220415.json", &array);
    };
    let words = ["malformed, for example lake/20220415.json, line 1, byte 0: `[{\"_id\"", "this is a JSON array"];
    for n_kept in ["1", "0"] {
        check_with(n_kept, write, "lake", &["--max-rejects-kept", n_kept], &Refused(4, &words));
    }
}

#[test]
fn the_same_data_in_another_form_is_told() {
    let doubled = [310, 310, 52_750, 10];
    let cases: [(&str, Vec<u8>); 4] = [
        ("backup/20220405.json.gz", gzip(ndjson(5).as_bytes())),
        ("old/20220405.csv", csv(5).into()),
        ("x/20220405.json", ndjson(5).replace('\n', "\r\n").into()),
        ("20220405_2.json", ndjson(5).lines().rev().map(|line| line.to_owned() + "\n").collect::<String>().into()),
    ];
    for (name, content) in cases {
        let write = |work: &Workplace| {
            all(work, ndjson);
            work.write(&format!("lake/{name}"), &content);
        };
        let words =
            ["warning: as many records and seconds, as if they were the same data twice, have lake/", "20220405.json"];
        check(name, write, &Warned(doubled, &words));
        check_with(name, write, "lake", &["--deny-warnings"], &Refused(4, &["warnings are denied: as many records"]));
        check_with(name, write, "lake", &["--allow-duplicates"], &Month(doubled));
    }
    // Many small files are alike by chance.
    let many = |work: &Workplace| {
        all(work, ndjson);
        for n in 0..20 {
            work.write(&format!("lake/day=2022-04-05/part-{n}.json"), ndjson(5).replace("TSTX", &format!("T{n}X")));
        }
    };
    check("many files", many, &Month([500, 500, 83_150, 210]));
    // Who merges parts sees no files.
    let work = Workplace::new();
    work.write("a/20220405.json", ndjson(5));
    work.write("b/20220405.csv", csv(5));
    for part in ["a", "b"] {
        work.run(["transform", part, "--out", &format!("parts/{part}"), "--quiet"]).ok();
    }
    for command in [&["merge", "parts", "--out", "merged"][..], &["load", "parts", "--warehouse", "sqlite:w.db"]] {
        let done = work.run(command).ok();
        in_order(
            command[0],
            &done.stderr,
            &["warning: as many records and seconds", "a/20220405.json and ", "b/20220405.csv"],
        );
        let allowed = work.run([command, &["--allow-duplicates", "--deny-warnings", "--quiet"]].concat()).ok();
        assert_eq!(allowed.stderr, "", "{}", command[0]);
    }
}
