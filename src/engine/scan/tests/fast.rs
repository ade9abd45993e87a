//! The fast way accepts nothing that the exact way would not accept with the same values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Call, RecordingSink, USUAL, filter, for_each_csv_split, n_cases};
use crate::engine::devices::Devices;
use crate::engine::rules::{RecordRules, Rules};
use crate::engine::scan::csv::{self, CsvLayout, scan_csv, scan_csv_exact};
use crate::engine::scan::fast::{Backend, Scanner};
use crate::engine::scan::json::{LineReader, scan_lines, tokens};
use crate::engine::scan::lines::scan_lines_exact;
use crate::engine::scan::record::RecordFilter;
use crate::engine::scan::shape::{MAX_MATCH_BYTES, Shape};
use crate::engine::scan::tape::ExactReader;

/// An interpreter takes a second for a line.
const MAX_LINES: usize = if cfg!(miri) { 6 } else { 40 };
const MIN_SPLIT_BYTES: usize = if cfg!(miri) { 400 } else { 1 };

/// What all backends report of `text`, which must be what the exact way reports.
pub(super) fn check(text: &[u8], filter: &RecordFilter, n_split_bytes: usize) -> Vec<Call> {
    let mut exact = RecordingSink::default();
    scan_lines_exact(text, 0..text.len(), 0, filter, &mut ExactReader::new(), &mut exact);
    // Near the end of its window the fast way leaves all lines to the exact way: it needs something
    // after them.
    let line_feed: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
    let padded = [text, line_feed, &b" ".repeat(MAX_MATCH_BYTES)].concat();
    for backend in Backend::available() {
        let scanner = Scanner::new(filter.clone(), backend);
        // Splits after the first begin with the shapes of the one before.
        let (mut fast, mut reader) = (RecordingSink::default(), LineReader::default());
        for start in (0..text.len()).step_by(n_split_bytes) {
            let from = start.saturating_sub(1);
            let owned = start - from..(start + n_split_bytes).min(text.len()) - from;
            scan_lines(&padded[from..], owned, from as u64, &scanner, &mut reader, &mut fast);
        }
        assert_eq!(fast, exact, "{backend:?}, splits of {n_split_bytes}, {:?}", String::from_utf8_lossy(text));
    }
    exact.calls
}

/// What all backends report of the CSV file `file`, which must be what the exact way reports.
pub(super) fn check_csv(file: &[u8], filter: &RecordFilter, n_split_bytes: usize) -> Vec<Call> {
    // Near the end of its window the fast way leaves all records to the exact way: it needs
    // something after them. One long record is the least work for an interpreter.
    let padded = [file, b"\n", b"x".repeat(MAX_MATCH_BYTES).as_slice()].concat();
    let mut exact = RecordingSink::default();
    for_each_csv_split(&padded, padded.len(), |split, reader| {
        scan_csv_exact(split, filter, reader, &mut exact);
    });
    for backend in Backend::available() {
        let scanner = Scanner::new(filter.clone(), backend);
        let mut fast = RecordingSink::default();
        for_each_csv_split(&padded, n_split_bytes, |split, reader| {
            scan_csv(split, &scanner, reader, &mut fast);
        });
        assert_eq!(fast, exact, "{backend:?}, splits of {n_split_bytes}, {:?}", String::from_utf8_lossy(file));
    }
    exact.calls
}

/// One record of a CSV file, `style` 0..4, and the header of files of that style.
pub(super) fn write_record(
    style: usize,
    contract: &str,
    app: &str,
    seconds: &str,
    other: &str,
) -> (&'static str, String) {
    // Of the same length in most files, and now and then not what it seems.
    let mac = match other.as_bytes().first() {
        Some(b'A'..=b'C') => "0C,0".to_owned(),
        Some(b'D'..=b'F') => "\"C0\"".to_owned(),
        _ => format!("{:04X}", other.bytes().map(u32::from).sum::<u32>()),
    };
    match style {
        0 => ("Contract,Mac,TotalDuration,AppName\n", format!("{contract},{mac},{seconds},{app}\n")),
        1 => ("AppName;x;Contract;TotalDuration\r\n", format!("{app};{other};{contract};{seconds}\r\n")),
        2 => ("TotalDuration\tContract\tx\tAppName\n", format!("{seconds}\t{contract}\t{other}\t{app}\n")),
        _ => ("Mac,Contract,TotalDuration,AppName\n", format!("{mac},\"{contract}\",\"{seconds}\",\"{app}\"\n")),
    }
}

/// A device as a line of JSON has it: of the same length in most lines, and now and then not what it seems.
fn device(other: &str) -> String {
    match other.as_bytes().first() {
        Some(b'A' | b'B') => "null".to_owned(),
        Some(b'C' | b'D') => "\"\"".to_owned(),
        Some(b'E') => "\"0C\\u0041\"".to_owned(),
        Some(b'F') => "\"\\ud800\"".to_owned(),
        Some(b'G') => "\"a longer one\"".to_owned(),
        Some(b'H') => "\"0C\",\"Mac\":7".to_owned(),
        Some(b'I') => "7".to_owned(),
        _ => format!("\"{:04X}\"", other.bytes().map(u32::from).sum::<u32>()),
    }
}

/// One line of a file whose lines have this shape, `style` 0..4.
fn write_line(style: usize, contract: &str, app: &str, seconds: &str, other: &str) -> String {
    let device = device(other);
    match style {
        0 => format!(
            "{{\"_index\":\"history\",\"_type\":\"{}\",\"_id\":\"{other}\",\"_score\":0,\"_source\":{{\"Contract\":\"{contract}\",\"Mac\":{device},\"TotalDuration\":{seconds},\"AppName\":\"{app}\"}}}}\n",
            app.to_lowercase()
        ),
        1 => format!(
            "{{\"_index\":\"history\",\"_id\":\"{other}\",\"_source\":{{\"AppName\":\"{app}\",\"TotalDuration\":{seconds},\"Contract\":\"{contract}\",\"Mac\":{device}}}}}\r\n"
        ),
        2 => format!(
            "{{\"_source\": {{\"Contract\": \"{contract}\", \"Appname\": \"{app}\", \"TotalDuration\": {seconds} }}, \"n\": [1, 22, \"{other}\"]}}\n"
        ),
        _ => format!(
            "{{\"_source\":{{\"Contract\":\"{contract}\",\"x\":{{\"Contract\":\"{other}\"}},\"TotalDuration\":{seconds},\"AppName\":\"{app}\"}},\"long\":\"{}\"}}\n",
            other.repeat(9)
        ),
    }
}

pub(super) fn contract() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Z]{3}[0-9]{6}",
        2 => "[ -_&&[^\"\\\\]]{0,12}",
        1 => "[a-z ]{1,9}",
        1 => "[ -~éü]{0,12}".prop_map(|text| text.replace(['"', '\\'], "'")),
    ]
}

fn seconds() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..86_400_u32).prop_map(|n| n.to_string()),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => (0..200_000_000_u32).prop_map(|n| n.to_string()),
        1 => select(vec!["00", "01", "-0", "0.0", "1e3", "null", "12 ", " 7", "\"5\"", "", "86400", "86401", "9999999", "99999999"])
            .prop_map(str::to_owned),
    ]
}

pub(super) fn app() -> impl Strategy<Value = &'static str> {
    select(vec![
        "CHANNEL",
        "CHANNEL",
        "CHANNEL",
        "VOD",
        "KPLUS",
        "KPlus",
        "FIMS_RES",
        "APP",
        "",
        "CHANNELS",
        "A_NAME_LONGER_THAN_16",
    ])
}

fn counting_devices() -> RecordFilter {
    filter().clone().with_devices(Devices::Counted)
}

/// Bytes put in, changed or taken out, each place by chance.
pub(super) fn damages() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec((any::<Index>(), 0..3_u8, prop_oneof![any::<u8>(), select(b"\"\\{}[],;\t:0e-u\0\n\r ".to_vec())]), 0..4)
}

pub(super) fn damage(mut text: Vec<u8>, damages: Vec<(Index, u8, u8)>) -> Vec<u8> {
    for (place, kind, byte) in damages {
        if text.is_empty() {
            break;
        }
        let at = place.index(text.len());
        match kind {
            0 => text.insert(at, byte),
            1 => text[at] = byte,
            _ => {
                text.remove(at);
            }
        }
    }
    text
}

/// Whether a line has the first shape, contract, app, seconds, other text.
fn lines() -> impl Strategy<Value = Vec<(bool, String, &'static str, String, String)>> {
    let other = prop_oneof![3 => "[A-Za-z0-9_-]{20}", 1 => "[ -!#-\\[\\]-~]{0,70}"];
    vec((any::<bool>(), contract(), app(), seconds(), other), 1..MAX_LINES)
}

/// A file: lines of one or two shapes, some of them damaged.
fn file() -> impl Strategy<Value = Vec<u8>> {
    (0..4_usize, 0..4_usize, lines(), damages()).prop_map(|(main, second, lines, damages)| {
        let lines = lines.iter().map(|(is_main, contract, app, seconds, other)| {
            write_line(if *is_main { main } else { second }, contract, app, seconds, other)
        });
        damage(lines.collect::<String>().into_bytes(), damages)
    })
}

/// A CSV file: a header that is sound, and records as above.
fn csv_file() -> impl Strategy<Value = Vec<u8>> {
    (0..4_usize, 0..4_usize, lines(), damages()).prop_map(|(main, second, lines, damages)| {
        let records = lines.iter().map(|(is_main, contract, app, seconds, other)| {
            write_record(if *is_main { main } else { second }, contract, app, seconds, other).1
        });
        let header = write_record(main, "", "", "", "").0.as_bytes();
        [header, &damage(records.collect::<String>().into_bytes(), damages)].concat()
    })
}

proptest! {
    #![proptest_config(n_cases(3_000))]

    #[test]
    fn fast_and_exact_agree(text in file(), n_split_bytes in prop_oneof![Just(usize::MAX / 2), MIN_SPLIT_BYTES..2_000]) {
        check(&text, filter(), n_split_bytes);
        check(&text, &counting_devices(), n_split_bytes);
    }

    #[test]
    fn fast_and_exact_agree_on_csv(
        file in csv_file(),
        n_split_bytes in prop_oneof![Just(usize::MAX / 2), MIN_SPLIT_BYTES..2_000],
    ) {
        check_csv(&file, filter(), n_split_bytes);
        check_csv(&file, &counting_devices(), n_split_bytes);
    }

    #[test]
    fn fast_and_exact_agree_under_other_rules(text in file()) {
        let rules = "name = 'r'\n[record]\nmin_seconds = 100\nmax_seconds = 5000\nexclude_contracts = ['AAA000000', '0']\n\
            [category]\nRelax = []\nMovie = ['VOD']\nChild = ['A_NAME_LONGER_THAN_16']\nSport = ['KPLUS']\nTv = ['CHANNEL']\n";
        check(&text, &RecordFilter::new(&Rules::parse(rules).unwrap().record), usize::MAX / 2);
    }
}

#[test]
fn bounds_of_durations_are_those_of_the_rules() {
    let durations = [0, 4, 5, 6, 86_400, 86_401, 9_999_999, 10_000_000];
    let text: String = durations
        .iter()
        .flat_map(|seconds| {
            (0..4).map(move |i| write_line(1, &format!("ABC{i:06}"), "VOD", &seconds.to_string(), "id"))
        })
        .collect();
    // Each takes the interpreter a minute.
    let n_bounds = if cfg!(miri) { 1 } else { 9 };
    for (min_seconds, max_seconds) in [
        (5, 5),
        (i64::MIN, i64::MAX),
        (i64::MIN, -1),
        (-10, 0),
        (0, 86_400),
        (6, 9_999_999),
        (9_999_999, 10_000_000),
        (10_000_000, i64::MAX),
        (10_000_001, i64::MAX),
    ]
    .into_iter()
    .take(n_bounds)
    {
        let filter =
            RecordFilter::new(&RecordRules { min_seconds, max_seconds, ..Rules::preset("default").unwrap().record });
        let calls = check(text.as_bytes(), &filter, usize::MAX / 2);
        let n_kept = calls.iter().filter(|call| matches!(call, Call::Kept(..))).count();
        let n_expected = durations.iter().filter(|seconds| (min_seconds..=max_seconds).contains(seconds)).count() * 4;
        assert_eq!(n_kept, n_expected, "{min_seconds}..={max_seconds}");
    }
}

#[test]
fn an_app_that_is_a_word_for_nothing_is_one_in_quotes_only() {
    let rules = "extends = \"default\"\n[category]\nTv = [\"CHANNEL\", \"None\", \"NULL\", \"\\\\N\", \"nan\"]\n";
    let filter = RecordFilter::new(&Rules::parse(rules).unwrap().record);
    let n_kept = |calls: Vec<Call>| calls.iter().filter(|call| matches!(call, Call::Kept(..))).count();
    for word in ["None", "NULL", "nan", "CHANNEL"] {
        let is_app = word == "CHANNEL";
        for (field, is_kept) in [(word.to_owned(), is_app), (format!("\"{word}\""), true)] {
            let rows = format!("C1,60,{field}\nC2,70,{field}\n").repeat(20);
            let file = format!("Contract,TotalDuration,AppName\n{rows}");
            let calls = check_csv(file.as_bytes(), &filter, usize::MAX / 2);
            assert_eq!(n_kept(calls), if is_kept { 40 } else { 0 }, "{field}");
        }
        let line = write_line(0, "ABC000001", word, "5", "id");
        assert_eq!(n_kept(check(line.repeat(40).as_bytes(), &filter, usize::MAX / 2)), 40, "{line}");
    }
}

#[test]
fn lines_of_one_shape_are_all_matched() {
    // Not only the same result: the shape is found, and found to be the same for all lines.
    for style in 0..4 {
        let lines: Vec<String> = (0..20)
            .map(|i| write_line(style, &format!("ABC{i:06}"), "CHANNEL", &(i * 37).to_string(), &format!("id{i}")))
            .collect();
        let shapes =
            Shape::learn(lines.iter().filter_map(|line| Some((line.as_bytes(), tokens(line.as_bytes(), USUAL)?))), 4);
        assert_eq!(shapes.len(), 1, "{:?}", lines[0]);
    }
}

#[test]
fn records_of_one_shape_are_all_matched() {
    for style in 0..4 {
        let records = (0..20).map(|i| write_record(style, &format!("ABC{i:06}"), "VOD", &(i * 37).to_string(), "x y"));
        let (headers, records): (Vec<_>, Vec<_>) = records.unzip();
        let (layout, _) = CsvLayout::from_header(headers[0].as_bytes()).unwrap();
        let tokens = |record: &String| csv::tokens(record.as_bytes(), layout, USUAL);
        let samples = records.iter().filter_map(|record| Some((record.as_bytes(), tokens(record)?)));
        let shapes = Shape::learn(samples, 4);
        assert_eq!(shapes.len(), 1, "{:?}", records[0]);
        let good = &records[1];
        for bad in [
            good.trim_end().to_owned(),
            good.replace("VOD", "V\\D"),
            good.replace("VOD", "V\"D"),
            good.replace("VOD", "VÖD"),
            good.replace("37", "037"),
            good.replace("37", "-37"),
            good.replace("37", "12345678"),
            good.replace("37", ""),
            good.replace("VOD", "V,D;V\tD"),
            good.replace("ABC", "\"ABC"),
        ] {
            assert_eq!(tokens(&bad), None, "{bad:?}");
        }
    }
}

#[test]
fn what_cannot_be_learned() {
    let check = |line: &str| assert_eq!(tokens(line.as_bytes(), USUAL), None, "{line}");
    let good = write_line(0, "ABC000001", "VOD", "5", "id");
    assert!(tokens(good.as_bytes(), USUAL).is_some());
    check(good.trim_end());
    check(&good.replace("VOD", "V\\u004fD"));
    check(&good.replace("VOD", "VÖD"));
    check(&good.replace("\"Mac\":\"00CD\"", "\"Contract\":\"B\""));
    check(&good.replace("\"Mac\":\"00CD\"", "\"Appname\":\"B\""));
    check(&good.replace("\"Mac\":\"00CD\"", "\"\\u0041ppName\":\"B\""));
    check(&good.replace("\"_score\":0", "\"_source\":{}"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":-5"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":5.0"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":null"));
    check(&good.replace("\"AppName\"", "\"Name\""));
    check(&good.replace("}}\n", "}\n"));
    check(&good.replace("\"_source\"", "\"source\""));
}

#[test]
fn devices_are_told_of_the_records_that_are_kept() {
    let lines = |values: &[&str]| -> String {
        let line = |value: &&str| {
            format!("{{\"_source\":{{\"Contract\":\"C\",{value}\"TotalDuration\":5,\"AppName\":\"VOD\"}}}}\n")
        };
        values.iter().map(line).collect()
    };
    let told = |calls: Vec<Call>| -> Vec<String> {
        calls.into_iter().filter_map(|call| if let Call::Device(device) = call { Some(device) } else { None }).collect()
    };
    let check = |filter: &RecordFilter, values: &[&str], expected: &[&str]| {
        // Often enough that the shape is learned, and then one by one.
        for n_repeats in if cfg!(miri) { 1..2 } else { 1..40 } {
            let text = lines(&values.repeat(n_repeats));
            assert_eq!(told(check(text.as_bytes(), filter, usize::MAX / 2)), expected.repeat(n_repeats), "{values:?}");
        }
    };
    let counting = counting_devices();
    check(filter(), &["\"Mac\":\"0C\","], &[]);
    check(&counting, &["\"Mac\":\"0C\",", "\"Mac\":\"0D\",", ""], &["0C", "0D"]);
    check(&counting, &["\"Mac\":\"\",", "\"Mac\":null,", "\"Mac\":5,", "\"Mac\":[\"0C\"],", "\"mac\":\"0C\","], &[]);
    check(&counting, &["\"Mac\":\"0C\",\"Mac\":\"0D\",", "\"Mac\":\"0C\",\"Mac\":null,"], &["0D"]);
    check(&counting, &["\"\\u004dac\":\"\\u0041é\",", "\"x\":{\"Mac\":\"0C\"},"], &["Aé"]);
    // It cannot be decoded, and the record counts all the same.
    check(&counting, &["\"Mac\":\"\\ud800\","], &[]);
    check(&counting, &["\"Mac\":\" \",\"Appname\":\"\",", "\"Mac\":\" \","], &[" ", " "]);

    let check = |header: &str, records: &str, expected: &[&str]| {
        for n_repeats in if cfg!(miri) { 1..2 } else { 1..40 } {
            let file = format!("{header}\n{}", records.repeat(n_repeats));
            assert_eq!(
                told(check_csv(file.as_bytes(), &counting, usize::MAX / 2)),
                expected.repeat(n_repeats),
                "{file}"
            );
        }
    };
    let named = "Contract,Mac,TotalDuration,AppName";
    check(named, "C,0C,5,VOD\nC,\"0D\",5,VOD\nC,,5,VOD\n", &["0C", "0D"]);
    check(named, "C,NULL,5,VOD\nC,\"NULL\",5,VOD\nC,\\N,5,VOD\nC,NOLL,5,VOD\n", &["NULL", "NOLL"]);
    check(named, "C,\"0\"\"C\",5,VOD\nC,0C,5,NONE\n,0C,5,VOD\n", &["0\"C"]);
    check("contract;x.MAC;totalduration;appname", "C;0C;5;VOD\n", &["0C"]);
    check("Contract,AppName,TotalDuration", "C,VOD,5\n", &[]);
    check(
        "_source",
        "\"{\"\"Contract\"\":\"\"C\"\",\"\"Mac\"\":\"\"0C\"\",\"\"TotalDuration\"\":5,\"\"AppName\"\":\"\"VOD\"\"}\"\n",
        &["0C"],
    );
}
