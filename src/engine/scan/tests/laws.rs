//! Laws: the two readers of JSON agree on everything, and how a file is split changes nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, QuoteTransition, scan_csv};
use super::super::exact::{parse_line, parse_source};
use super::super::lines::scan_lines_exact;
use super::super::record::Reading;
use super::super::shape::MAX_MATCH_BYTES;
use super::super::tape::ExactReader;
use super::{READINGS, RecordingSink, filter, for_each_csv_split, n_cases, scanner};
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;

/// The texts of JSON values, valid and otherwise, and what stands between them.
fn json_value() -> impl Strategy<Value = String> {
    let word = select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "86400",
        "-5",
        "1.5",
        "1e3",
        "12.0",
        "2.54e2",
        "9007199254740993.0",
        "\"12\"",
        "\"-1.0\"",
        "\"\\u0031\"",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        "01",
        "1.",
        "-",
        "nul",
        "",
        "\"\"",
        "\"C\"",
        "\"SPORT\"",
        "\"a\\u0062\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\udc00x\"",
        "\"\\x\"",
        "\"é😀\"",
        "\"a\tb\"",
        "\"\\\\\"",
        "\"{\"",
        "1\u{0}",
        "[]",
        "{}",
    ])
    .prop_map(str::to_owned);
    let text = "[ -~éü😀]{0,12}".prop_map(|text| format!("{text:?}"));
    let leaf = prop_oneof![8 => word, 1 => text, 1 => any::<i64>().prop_map(|n| n.to_string()), 1 => any::<f64>().prop_map(|n| n.to_string())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            members(inner).prop_map(|text| format!("{{{text}}}")),
        ]
    })
}

fn space() -> impl Strategy<Value = &'static str> {
    select(vec!["", "", "", "", "", "", " ", "  ", "\t", "\r", " \r\t ", "\u{c}", "\0"])
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec![
        "Contract",
        "Contract",
        "AppName",
        "AppName",
        "Appname",
        "TotalDuration",
        "TotalDuration",
        "Mac",
        "_source",
        "_id",
        "",
        "\\u0043ontract",
        "\\u005fsource",
        "App\\u004eame",
        "Total\\u0044uration",
        "Contract\\ud800",
        "Contract ",
        "contract",
        "\\/",
    ])
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let member = (space(), key(), space(), space(), value, space())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}\"{key}\"{b}:{c}{value}{d}"));
    vec(member, 0..6).prop_map(|members| members.join(","))
}

/// Every way to read a record.
fn readings() -> impl Strategy<Value = Reading> {
    let devices = select(vec![Devices::Ignored, Devices::Counted]);
    (select(READINGS.to_vec()), select(vec![Ids::Any, Ids::Unique]), devices)
        .prop_map(|(reading, ids, devices)| Reading { ids, devices, ..reading })
}

/// A line that is a record more often than not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let source = prop_oneof![
        9 => members(json_value()).prop_map(|text| format!("{{{text}}}")),
        1 => json_value(),
    ];
    let before = prop_oneof![3 => Just(String::new()), 1 => members(json_value()).prop_map(|text| text + ",")];
    let after = prop_oneof![3 => Just(String::new()), 1 => members(json_value()).prop_map(|text| format!(",{text}"))];
    let nested = (space(), before, source, after, space()).prop_map(|(a, before, source, after, b)| {
        format!("{a}{{{before}\"_source\":{source}{after}}}{b}").into_bytes()
    });
    let flat = members(json_value()).prop_map(|text| format!("{{{text}}}").into_bytes());
    let text = prop_oneof![3 => nested, 1 => flat];
    // A few bytes of it changed, taken out or put in.
    let change =
        (any::<prop::sample::Index>(), 0..3u8, prop_oneof![any::<u8>(), select(b"\"\\{}[],:0e-u\0 ".to_vec())]);
    let changes = prop_oneof![2 => Just(Vec::new()), 1 => vec(change, 1..4)];
    (text, changes).prop_map(|(mut text, changes)| {
        for (place, kind, byte) in changes {
            let at = place.index(text.len() + 1);
            match kind {
                0 => text.insert(at, byte),
                1 if at < text.len() => text[at] = byte,
                2 if at < text.len() => {
                    text.remove(at);
                }
                _ => {}
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(n_cases(20_000))]

    #[test]
    fn simd_and_exact_agree(line in line(), reading in readings()) {
        let mut reader = ExactReader::new();
        prop_assert_eq!(reader.read(&line, reading), parse_line(&line, reading));
        prop_assert_eq!(reader.read_source(&line, reading), parse_source(&line, reading));
    }

    #[test]
    fn simd_and_exact_agree_on_noise(line in vec(prop_oneof![3 => select(b"\"\\{}[],:0123e+-.u \t\r\0truefalsnNI".to_vec()), 1 => any::<u8>()], 0..80), reading in readings()) {
        let mut reader = ExactReader::new();
        prop_assert_eq!(reader.read(&line, reading), parse_line(&line, reading));
        let wrapped = [&br#"{"_source":{"Contract":"#[..], &line, b"}}"].concat();
        prop_assert_eq!(reader.read(&wrapped, reading), parse_line(&wrapped, reading));
    }
}

/// Splits of `n_bytes` each over `from..len`, the last one shorter.
fn splits(from: usize, len: usize, n_bytes: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (from..len).step_by(n_bytes).map(move |start| start..len.min(start + n_bytes))
}

fn ndjson_by(text: &[u8], n_bytes: usize) -> RecordingSink {
    let (filter, mut reader, mut told) = (filter(), ExactReader::new(), RecordingSink::default());
    for owned in splits(0, text.len(), n_bytes) {
        // A split sees the byte before it and what is after it, no more.
        let from = owned.start.saturating_sub(1);
        let in_window = owned.start - from..owned.end - from;
        scan_lines_exact(&text[from..], in_window, from as u64, filter, &mut reader, &mut told);
    }
    told
}

fn csv_by(file: &[u8], n_bytes: usize) -> RecordingSink {
    let mut told = RecordingSink::default();
    for_each_csv_split(file, n_bytes, |split, reader| {
        scan_csv(split, scanner(), reader, &mut told);
    });
    told
}

/// Reads a file window by window, each from where the records of the one before end: `n_early`
/// bytes before it, as a mapped file is read, or none, as pieces of a stream are, where a record
/// begins with the window.
fn csv_by_windows(file: &[u8], n_bytes: usize, n_early: usize) -> RecordingSink {
    let (layout, header_bytes) = CsvLayout::from_header(file).expect("a header");
    let (scanner, mut reader, mut told) = (scanner(), CsvReader::new(layout), RecordingSink::default());
    let (mut at, mut n_window) = (header_bytes, n_bytes);
    while at < file.len() {
        let (from, to) = (at - n_early, file.len().min(at + n_window));
        let split = Chunk {
            window: &file[from..to],
            end: if to == file.len() { ChunkEnd::Final } else { ChunkEnd::Truncated },
            owned: n_early..to - from,
            base: from as u64,
            quotes: QuoteState::FieldStart,
        };
        let next = from + scan_csv(&split, scanner, &mut reader, &mut told);
        n_window = if next > at { n_bytes } else { n_window * 2 };
        at = next;
    }
    told
}

fn ndjson_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(vec![
        r#"{"_source":{"Contract":"C","AppName":"SPORT","TotalDuration":1}}"#,
        r#"{"_source":{"Contract":"é😀","AppName":"X"}}"#,
        r#"{"_source":{"#,
        "x",
        "\u{feff}",
        " ",
        "\r",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\n\n",
        "\t\n",
    ]);
    vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

fn csv_file() -> impl Strategy<Value = Vec<u8>> {
    let header = select(vec![
        "Contract,TotalDuration,AppName\n",
        "\u{feff}AppName;x;Contract;TotalDuration\r\n",
        "Contract\tTotalDuration\tAppName\n",
        "_source\n",
        "\"a\nb\",_source,c\n",
    ]);
    let piece = select(vec![
        "C,1,SPORT\n",
        "C,2,VOD\r\n",
        "C\t3\tSPORT\n",
        "SPORT;;C;4\n",
        "\"C\",1,\"SPORT\"\n",
        "C",
        "1",
        "SPORT",
        "é",
        "\"",
        "\"",
        "\"\"",
        "\"\n\"",
        ",",
        ";",
        "\t",
        "\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\"{\"\"Contract\"\":\"\"C\"\"}\"",
        "{}",
        "\u{feff}",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ]);
    (header, vec(piece, 0..20)).prop_map(|(header, pieces)| (header.to_owned() + &pieces.concat()).into_bytes())
}

proptest! {
    #![proptest_config(n_cases(400))]

    #[test]
    fn no_split_of_ndjson_changes_anything(text in ndjson_file()) {
        let whole = ndjson_by(&text, text.len() + 1);
        for n_bytes in 1..=text.len() {
            prop_assert_eq!(&ndjson_by(&text, n_bytes), &whole, "splits of {} bytes", n_bytes);
        }
    }

    #[test]
    fn no_split_of_csv_changes_anything(file in csv_file()) {
        let whole = csv_by(&file, file.len() + 1);
        for n_bytes in 1..=file.len() {
            prop_assert_eq!(&csv_by(&file, n_bytes), &whole, "splits of {} bytes", n_bytes);
            prop_assert_eq!(&csv_by_windows(&file, n_bytes, 0), &whole, "pieces of {} bytes", n_bytes);
            prop_assert_eq!(&csv_by_windows(&file, n_bytes, 1), &whole, "windows of {} bytes", n_bytes);
        }
    }

    #[test]
    fn quote_maps_compose(file in csv_file(), delimiter in select(b",;\t".to_vec())) {
        let whole = QuoteTransition::of(&file, delimiter);
        prop_assert_eq!(whole.then(QuoteTransition::IDENTITY), whole);
        prop_assert_eq!(QuoteTransition::IDENTITY.then(whole), whole);
        // By the byte, no two of which are ever seen together.
        let by_byte = file.iter().fold(QuoteTransition::IDENTITY, |map, byte| map.then(QuoteTransition::of(&[*byte], delimiter)));
        prop_assert_eq!(by_byte, whole);
        for start in [QuoteState::FieldStart, QuoteState::Unquoted, QuoteState::Quoted, QuoteState::QuoteInQuoted] {
            prop_assert_eq!(start.after(&file, delimiter), whole.apply(start));
        }
    }
}

proptest! {
    #![proptest_config(n_cases(60))]

    /// Inputs so long that the fast way reads most of their records: it needs [`MAX_MATCH_BYTES`]
    /// bytes after a line.
    #[test]
    fn no_window_of_a_long_csv_file_changes_anything(
        mut file in csv_file(),
        n_repeats in 20_usize..60,
        n_bytes in select(vec![MAX_MATCH_BYTES / 2, MAX_MATCH_BYTES + 100, 2 * MAX_MATCH_BYTES, 4 * MAX_MATCH_BYTES + 7]),
    ) {
        let header_bytes = CsvLayout::from_header(&file).map_or(0, |(_, n_bytes)| n_bytes);
        let usual = match file.get(header_bytes.saturating_sub(1)) {
            Some(b'\n') if file.contains(&b';') => &b"SPORT;;C7;4\r\n"[..],
            _ => b"C7,5,SPORT\n",
        };
        let records = file.split_off(header_bytes);
        for _ in 0..n_repeats {
            file.extend(usual.repeat(40));
            file.extend(&records);
        }
        let whole = csv_by(&file, file.len() + 1);
        prop_assert_eq!(&csv_by(&file, n_bytes), &whole, "splits of {} bytes", n_bytes);
        prop_assert_eq!(&csv_by_windows(&file, n_bytes, 0), &whole, "pieces of {} bytes", n_bytes);
        prop_assert_eq!(&csv_by_windows(&file, n_bytes, 1), &whole, "windows of {} bytes", n_bytes);
    }
}
