//! The fast way accepts nothing that the exact way would not accept with the same values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Call, Told, judge, n_cases};
use crate::rules::Rules;
use crate::scan::json::{Backend, JsonScanner};
use crate::scan::lines::scan_lines_exact;
use crate::scan::record::Judge;
use crate::scan::shape::{REACH, Shape};
use crate::scan::simd::ExactReader;

/// An interpreter takes a second for a line.
const MAX_LINES: usize = if cfg!(miri) { 6 } else { 40 };
const MIN_SPLIT_BYTES: usize = if cfg!(miri) { 400 } else { 1 };

/// What all backends tell of `text`, which must be what the exact way tells.
fn check(text: &[u8], judge: &Judge, n_split_bytes: usize) -> Vec<Call> {
    let mut exact = Told::default();
    scan_lines_exact(text, 0..text.len(), 0, judge, &mut ExactReader::new(), &mut exact);
    // Near the end of its window the fast way leaves all lines to the exact way: it needs something behind them.
    let line_feed: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
    let padded = [text, line_feed, &b" ".repeat(REACH)].concat();
    for backend in Backend::available() {
        let scanner = JsonScanner::new(judge.clone(), backend);
        let mut fast = Told::default();
        for start in (0..text.len()).step_by(n_split_bytes) {
            let from = start.saturating_sub(1);
            let owned = start - from..(start + n_split_bytes).min(text.len()) - from;
            scanner.scan(&padded[from..], owned, from as u64, &mut ExactReader::new(), &mut fast);
        }
        assert_eq!(fast, exact, "{backend:?}, splits of {n_split_bytes}, {:?}", String::from_utf8_lossy(text));
    }
    exact.0
}

/// One line of a file whose lines have this shape, `style` 0..4.
fn write_line(style: usize, contract: &str, app: &str, seconds: &str, other: &str) -> String {
    match style {
        0 => format!(
            "{{\"_index\":\"history\",\"_type\":\"{}\",\"_id\":\"{other}\",\"_score\":0,\"_source\":{{\"Contract\":\"{contract}\",\"Mac\":\"0C00\",\"TotalDuration\":{seconds},\"AppName\":\"{app}\"}}}}\n",
            app.to_lowercase()
        ),
        1 => format!(
            "{{\"_index\":\"history\",\"_id\":\"{other}\",\"_source\":{{\"AppName\":\"{app}\",\"TotalDuration\":{seconds},\"Contract\":\"{contract}\"}}}}\r\n"
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

fn contract() -> impl Strategy<Value = String> {
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

fn app() -> impl Strategy<Value = &'static str> {
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

/// A file: lines of one or two shapes, some of them damaged.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let other = prop_oneof![3 => "[A-Za-z0-9_-]{20}", 1 => "[ -!#-\\[\\]-~]{0,70}"];
    let line = (any::<bool>(), contract(), app(), seconds(), other);
    let damage = (any::<Index>(), 0..3_u8, prop_oneof![any::<u8>(), select(b"\"\\{}[],:0e-u\0\n\r ".to_vec())]);
    (0..4_usize, 0..4_usize, vec(line, 1..MAX_LINES), vec(damage, 0..4)).prop_map(|(main, second, lines, damages)| {
        let lines = lines.iter().map(|(is_main, contract, app, seconds, other)| {
            write_line(if *is_main { main } else { second }, contract, app, seconds, other)
        });
        let mut text = lines.collect::<String>().into_bytes();
        for (place, kind, byte) in damages {
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
    })
}

proptest! {
    #![proptest_config(n_cases(3_000))]

    #[test]
    fn fast_and_exact_agree(text in file(), n_split_bytes in prop_oneof![Just(usize::MAX / 2), MIN_SPLIT_BYTES..2_000]) {
        check(&text, judge(), n_split_bytes);
    }

    #[test]
    fn fast_and_exact_agree_under_other_rules(text in file()) {
        let rules = "name = 'r'\n[record]\nmin_seconds = 100\nmax_seconds = 5000\nexclude_contracts = ['AAA000000', '0']\n\
            [category]\nRelax = []\nMovie = ['VOD']\nChild = ['A_NAME_LONGER_THAN_16']\nSport = ['KPLUS']\nTv = ['CHANNEL']\n";
        check(&text, &Judge::new(&Rules::parse(rules).unwrap()), usize::MAX / 2);
    }
}

#[test]
fn lines_of_one_shape_are_all_matched() {
    // Not only the same result: the shape is found, and found to be the same for all lines.
    for style in 0..4 {
        let lines: Vec<String> = (0..20)
            .map(|i| write_line(style, &format!("ABC{i:06}"), "CHANNEL", &(i * 37).to_string(), &format!("id{i}")))
            .collect();
        let shapes = Shape::learn(lines.iter().map(String::as_bytes), 4);
        assert_eq!(shapes.len(), 1, "{:?}", lines[0]);
    }
}

#[test]
fn what_cannot_be_learned() {
    let check = |line: &str| assert_eq!(Shape::learn([line.as_bytes()], 1), [], "{line}");
    let good = write_line(0, "ABC000001", "VOD", "5", "id");
    assert_eq!(Shape::learn([good.as_bytes()], 1).len(), 1);
    check(good.trim_end());
    check(&good.replace("VOD", "V\\u004fD"));
    check(&good.replace("VOD", "VÖD"));
    check(&good.replace("\"Mac\":\"0C00\"", "\"Contract\":\"B\""));
    check(&good.replace("\"Mac\":\"0C00\"", "\"Appname\":\"B\""));
    check(&good.replace("\"Mac\":\"0C00\"", "\"\\u0041ppName\":\"B\""));
    check(&good.replace("\"_score\":0", "\"_source\":{}"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":-5"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":5.0"));
    check(&good.replace("\"TotalDuration\":5", "\"TotalDuration\":null"));
    check(&good.replace("\"AppName\"", "\"Name\""));
    check(&good.replace("}}\n", "}\n"));
    check(&good.replace("\"_source\"", "\"source\""));
}
