//! Records as other rules read them: lenient types, and fields at the top.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::exact::{Malformed, parse_line};
use super::super::record::{Fields, Reading, RecordFilter};
use super::super::tape::ExactReader;
use super::fast::{app, check as check_fast, check_csv, contract, damage, damages, write_record};
use super::{Call, FLAT, LENIENT, LENIENT_FLAT, READINGS, USUAL, fields, kept, n_cases, rejected};
use crate::engine::ledger::Reason;
use crate::engine::rules::{Category, Rules};
use crate::engine::scan::json::tokens;
use crate::engine::scan::shape::Shape;

fn filter(reading: Reading) -> RecordFilter {
    let mut rules = Rules::preset("default").expect("a built-in preset").record;
    (rules.types, rules.source) = (reading.types, reading.source);
    RecordFilter::new(&rules)
}

/// What both readers find in a line.
fn check(line: &str, reading: Reading, expected: &Result<Fields<'_>, Malformed>) {
    assert_eq!(&parse_line(line.as_bytes(), reading), expected, "exact, {reading:?}: {line}");
    assert_eq!(&ExactReader::new().read(line.as_bytes(), reading), expected, "simd, {reading:?}: {line}");
}

#[test]
fn lenient_types_take_integers_in_any_writing() {
    let check =
        |contract: &str, seconds: &str, strict: (Option<&str>, Option<i64>), lenient: (Option<&str>, Option<i64>)| {
            let object = format!(r#"{{"Contract":{contract},"TotalDuration":{seconds},"AppName":"VOD"}}"#);
            let of = |(contract, seconds)| Ok(fields(contract, Some("VOD"), seconds));
            check(&format!(r#"{{"_source":{object}}}"#), USUAL, &of(strict));
            check(&format!(r#"{{"_source":{object}}}"#), LENIENT, &of(lenient));
            check(&object, FLAT, &of(strict));
            check(&object, LENIENT_FLAT, &of(lenient));
        };
    let seconds = |text: &str, strict: Option<i64>, lenient: Option<i64>| {
        check("\"C\"", text, (Some("C"), strict), (Some("C"), lenient));
    };
    seconds("254", Some(254), Some(254));
    for writing in ["254.0", "2.54e2", "2540E-1", "\"254\"", "\"2\\u00354\""] {
        seconds(writing, None, Some(254));
    }
    seconds("-1.0", None, Some(-1));
    seconds("9007199254740993.0", None, Some(9_007_199_254_740_993));
    seconds("\"-9223372036854775808\"", None, Some(i64::MIN));
    for other in [
        "254.5",
        "1e19",
        "1e400",
        "\"254.0\"",
        "\"1.000\"",
        "\"2e2\"",
        "\"\"",
        "\" 254\"",
        "\"1,254\"",
        "\"x\"",
        "\"\\ud800\"",
        "null",
        "true",
        "[254]",
        "{}",
    ] {
        seconds(other, None, None);
    }
    let contract = |text: &str, lenient: Option<&str>| check(text, "1", (None, Some(1)), (lenient, Some(1)));
    contract("123", Some("123"));
    contract("-7", Some("-7"));
    contract("0", Some("0"));
    contract("123456789012345678901234567890", Some("123456789012345678901234567890"));
    for other in ["123.0", "1e3", "null", "false", "[1]", "{}"] {
        contract(other, None);
    }
    check("\"00123\"", "1", (Some("00123"), Some(1)), (Some("00123"), Some(1)));
}

#[test]
fn words_that_are_no_numbers_are_none_of_the_fields() {
    let good = Ok(fields(Some("C"), Some("VOD"), Some(5)));
    let object = r#""Contract":"C","TotalDuration":5,"AppName":"VOD""#;
    for word in ["NaN", "Infinity", "-Infinity", "[NaN,-Infinity]", r#"{"a":Infinity}"#] {
        for line in [
            format!(r#"{{"_score":{word},"_source":{{{object}}}}}"#),
            format!(r#"{{"_source":{{"Mac":{word},{object}}}}}"#),
            format!(r#"{{"_source":{{{object},"x":[1,{word}]}},"y": {word} }}"#),
        ] {
            check(&line, USUAL, &Err(Malformed));
            check(&line, LENIENT, &good);
        }
        check(&format!(r#"{{"x":{word},{object}}}"#), FLAT, &Err(Malformed));
        check(&format!(r#"{{"x":{word},{object}}}"#), LENIENT_FLAT, &good);
        for field in ["Contract", "TotalDuration", "AppName"] {
            check(&format!(r#"{{"_source":{{"{field}":{word},{object}}}}}"#), LENIENT, &Err(Malformed));
        }
        // An object may hold such words, whatever it is in.
        let of_source = if word.starts_with('{') { Ok(Fields::default()) } else { Err(Malformed) };
        check(&format!(r#"{{"_source":{word}}}"#), LENIENT, &of_source);
    }
    for word in ["nan", "NAN", "Nan", "-NaN", "+Infinity", "Inf", "NaNs", "Infinityx", "--Infinity", "01", "1.", "'a'"]
    {
        check(&format!(r#"{{"_score":{word},"_source":{{{object}}}}}"#), LENIENT, &Err(Malformed));
    }
}

#[test]
fn flat_records_have_their_fields_at_the_top() {
    let all = Ok(fields(Some("C"), Some("VOD"), Some(5)));
    let none = Ok(Fields::default());
    let object = r#"{"x":{"Contract":"no"},"Contract":"C","TotalDuration":5,"Appname":"VOD"}"#;
    check(object, FLAT, &all);
    check(object, USUAL, &Err(Malformed));
    check(&format!(r#"{{"_source":{object}}}"#), FLAT, &none);
    check(&format!(r#"{{"_source":{object}}}"#), USUAL, &all);
    check(r#"{"_source":3,"Contract":"C","TotalDuration":5,"AppName":"VOD"}"#, FLAT, &all);
    check(r#"{"Contract":"B","Contract":"C","TotalDuration":5,"AppName":"VOD"}"#, FLAT, &all);
    check("{}", FLAT, &none);
    for malformed in ["[]", "3", "", "{", r#"{"Contract":"\ud800"}"#, r#"{"Contract":"C"}{}"#] {
        check(malformed, FLAT, &Err(Malformed));
    }
}

#[test]
fn csv_follows_the_same_rule() {
    let check = |header: &str, records: &str, reading: Reading, expected: &[Call]| {
        let calls = check_csv(format!("{header}\n{records}\n").as_bytes(), &filter(reading), usize::MAX / 2);
        // The last record is what the file is padded with.
        assert_eq!(calls[..calls.len() - 1], *expected, "{reading:?}: {records}");
    };
    let named = "Contract,TotalDuration,AppName";
    for seconds in ["254.0", "2.54e2", "\"254.0\"", "2540e-1"] {
        let record = format!("C,{seconds},VOD");
        check(named, &record, USUAL, &[rejected(31, Reason::BadDuration, &record)]);
        check(named, &record, LENIENT, &[kept("C", Category::Movie, 254)]);
        check(named, &record, LENIENT_FLAT, &[kept("C", Category::Movie, 254)]);
    }
    for seconds in ["254.5", "NaN", " 254", "1e19", ""] {
        let record = format!("C,{seconds},VOD");
        check(named, &record, LENIENT, &[rejected(31, Reason::BadDuration, &record)]);
    }
    let record = r#"7,"{""Contract"":12,""x"":NaN,""TotalDuration"":""254"",""AppName"":""VOD""}""#;
    check("_id,_source", record, USUAL, &[rejected(12, Reason::Malformed, record)]);
    for reading in [LENIENT, LENIENT_FLAT] {
        check("_id,_source", record, reading, &[kept("12", Category::Movie, 254)]);
    }
}

/// Durations as other programs write them, most of them as this one wants them.
fn seconds() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..86_400_u32).prop_map(|n| n.to_string()),
        2 => (0..90_000_u32).prop_map(|n| format!("{n}.0")),
        1 => (0..90_000_u32).prop_map(|n| format!("\"{n}\"")),
        1 => select(vec!["2.54e2", "1e3", "-0.0", "1.5", "NaN", "null", "\"1.0\"", "99999999", "-5", "\"x\""]).prop_map(str::to_owned),
    ]
}

/// One line of a file whose lines have this shape, `style` 0..5.
fn write_line(style: usize, contract: &str, app: &str, seconds: &str, other: &str) -> String {
    let contract = match other.as_bytes().first() {
        Some(b'7') => "123456".to_owned(),
        _ => format!("\"{contract}\""),
    };
    match style {
        0 => format!(
            "{{\"_id\":\"{other}\",\"_score\":NaN,\"_source\":{{\"Contract\":{contract},\"TotalDuration\":{seconds},\"AppName\":\"{app}\"}}}}\n"
        ),
        1 => {
            format!("{{\"Contract\":{contract},\"Mac\":\"0C00\",\"TotalDuration\":{seconds},\"AppName\":\"{app}\"}}\n")
        }
        2 => format!(
            "{{\"AppName\": \"{app}\", \"x\": {{\"Contract\": \"{other}\"}}, \"TotalDuration\": {seconds}, \"Contract\": {contract}, \"_source\": 1}}\r\n"
        ),
        3 => format!(
            "{{\"n\":[-Infinity,22],\"TotalDuration\":{seconds},\"Appname\":\"{app}\",\"Contract\":{contract},\"_id\":\"{other}\"}}\n"
        ),
        _ => format!(
            "{{\"_source\":{{\"Contract\":{contract},\"AppName\":\"{app}\",\"TotalDuration\":{seconds}}},\"_id\":\"{other}\"}}\n"
        ),
    }
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let line = (any::<bool>(), contract(), app(), seconds(), "[A-Za-z0-9_-]{20}");
    let n_lines = if cfg!(miri) { 6 } else { 40 };
    (0..5_usize, 0..5_usize, vec(line, 1..n_lines), damages()).prop_map(|(main, second, lines, damages)| {
        let lines = lines.iter().map(|(is_main, contract, app, seconds, other)| {
            write_line(if *is_main { main } else { second }, contract, app, seconds, other)
        });
        damage(lines.collect::<String>().into_bytes(), damages)
    })
}

fn csv_file() -> impl Strategy<Value = Vec<u8>> {
    let record = (contract(), app(), seconds(), "[A-Za-z0-9_-]{20}");
    (0..4_usize, vec(record, 1..40), damages()).prop_map(|(style, records, damages)| {
        let written = records.iter().map(|(contract, app, seconds, other)| {
            // In the last style seconds are in quotes already.
            let seconds = if style == 3 { seconds.trim_matches('"') } else { seconds };
            write_record(style, contract, app, seconds, other).1
        });
        let header = write_record(style, "", "", "", "").0.as_bytes();
        [header, &damage(written.collect::<String>().into_bytes(), damages)].concat()
    })
}

proptest! {
    #![proptest_config(n_cases(3_000))]

    #[test]
    fn fast_and_exact_agree_however_records_are_read(
        text in file(),
        reading in select(READINGS.to_vec()),
        n_split_bytes in prop_oneof![Just(usize::MAX / 2), 400..2_000_usize],
    ) {
        check_fast(&text, &filter(reading), n_split_bytes);
    }

    #[test]
    fn fast_and_exact_agree_on_lenient_csv(file in csv_file()) {
        check_csv(&file, &filter(LENIENT), usize::MAX / 2);
    }
}

#[test]
fn lines_that_other_rules_read_have_shapes_too() {
    let check = |style: usize, reading: Reading, is_shape: bool| {
        let lines: Vec<String> = (0..20)
            .map(|i| write_line(style, &format!("ABC{i:06}"), "CHANNEL", &(i * 37).to_string(), &format!("id{i:04}")))
            .collect();
        let samples = lines.iter().filter_map(|line| Some((line.as_bytes(), tokens(line.as_bytes(), reading)?)));
        assert_eq!(Shape::learn(samples, 4).len(), usize::from(is_shape), "{reading:?}: {}", lines[0]);
    };
    for (style, readings) in [
        (0, &[LENIENT][..]),
        (1, &[FLAT, LENIENT_FLAT]),
        (2, &[FLAT, LENIENT_FLAT]),
        (3, &[LENIENT_FLAT]),
        (4, &[USUAL, LENIENT]),
    ] {
        READINGS.into_iter().for_each(|reading| check(style, reading, readings.contains(&reading)));
    }
    // What only lenient types take is never part of a shape.
    let good = write_line(1, "ABC000001", "VOD", "5", "id");
    for other in ["5.0", "5e0", "\"5\""] {
        let line = good.replace("\"TotalDuration\":5", &format!("\"TotalDuration\":{other}"));
        assert_eq!(tokens(line.as_bytes(), LENIENT_FLAT), None, "{line}");
    }
    let line = good.replace("\"ABC000001\"", "1234");
    assert_eq!(tokens(line.as_bytes(), LENIENT_FLAT), None, "{line}");
}
