//! The fast way through NDJSON and CSV reports what the exact way reports, on every backend, for
//! files near the usual one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::engine::devices::Devices;
use viewmart::engine::rules::Rules;
use viewmart::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, scan_csv, scan_csv_exact};
use viewmart::engine::scan::fast::{Backend, Scanner};
use viewmart::engine::scan::json::{LineReader, scan_lines};
use viewmart::engine::scan::lines::scan_lines_exact;
use viewmart::engine::scan::record::RecordFilter;
use viewmart::engine::scan::shape::MAX_MATCH_BYTES;
use viewmart::engine::scan::tape::ExactReader;

mod recording_sink;
use recording_sink::RecordingSink;

static SCANNERS: LazyLock<Vec<Scanner>> = LazyLock::new(|| {
    let filter = RecordFilter::new(&Rules::preset("default").expect("a built-in preset").record);
    let filter = filter.with_devices(Devices::Counted);
    Backend::available().map(|backend| Scanner::new(filter.clone(), backend)).collect()
});

const N_LINES: usize = 12;

/// A file of the two usual orders of keys.
fn usual(has_mac: bool) -> Vec<u8> {
    let mac = if has_mac { r#""Mac":"0C96E62FC55C","# } else { "" };
    let lines = (0..N_LINES).map(|i| match i % 4 {
        3 => format!(
            r#"{{"_index":"history","_id":"AX_momhia1FFivsGrn{i:02}","_source":{{"AppName":"VOD",{mac}"TotalDuration":{},"Contract":"HNH{:06}"}}}}"#,
            i * 7919,
            i * 34_567
        ),
        _ => format!(
            r#"{{"_index":"history","_type":"channel","_id":"AX_momhia1FFivsGrn{i:02}","_score":0,"_source":{{"Contract":"HNH{:06}",{mac}"TotalDuration":{},"AppName":"CHANNEL"}}}}"#,
            i * 34_567,
            i * 7919
        ),
    });
    lines.flat_map(|line| (line + "\n").into_bytes()).collect()
}

const HEADERS: [&str; 2] = ["Mac,Contract,TotalDuration,AppName\n", "AppName;Mac;Contract;TotalDuration\r\n"];

/// Records of the file with this header.
fn usual_records(header: usize) -> Vec<u8> {
    let records = (0..N_LINES).map(|i| {
        let (contract, seconds) = (i * 34_567, i * 7919);
        match header {
            0 if i % 4 == 3 => format!("0C96E62FC55C,HNH{contract:06},{seconds},VOD\n"),
            0 => format!("0C96E62F{contract:04X},\"HNH{contract:06}\",\"{seconds}\",\"CHANNEL\"\n"),
            _ => format!("CHANNEL;0C96E62F{contract:04X};HNH{contract:06};{seconds}\r\n"),
        }
    });
    records.flat_map(String::into_bytes).collect()
}

/// The text that the input describes: itself, or the usual one with some bytes changed, or with
/// some put in.
fn text(how: u8, rest: &[u8], mut text: Vec<u8>) -> Option<Vec<u8>> {
    match how & 3 {
        0 => return Some(rest.to_vec()),
        1 | 2 => {
            for edit in rest.chunks_exact(3) {
                let at = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % text.len();
                text[at] = edit[2];
            }
        }
        _ => {
            let [low, high, inserted @ ..] = rest else { return None };
            let at = usize::from(u16::from_le_bytes([*low, *high])) % text.len();
            text.splice(at..at, inserted.iter().copied());
        }
    }
    Some(text)
}

/// Near the end of its window the fast way leaves all lines to the exact way: it needs something
/// after them.
fn padded(mut text: Vec<u8>, padding: &[u8]) -> Vec<u8> {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(padding.repeat(MAX_MATCH_BYTES));
    text
}

fn check_ndjson(text: Vec<u8>) {
    let window = padded(text, b" ");
    let owned = 0..window.len() - MAX_MATCH_BYTES;
    let mut exact = RecordingSink::default();
    scan_lines_exact(&window, owned.clone(), 0, SCANNERS[0].filter(), &mut ExactReader::new(), &mut exact);
    for scanner in SCANNERS.iter() {
        let (mut fast, mut reader) = (RecordingSink::default(), LineReader::default());
        scan_lines(&window, owned.clone(), 0, scanner, &mut reader, &mut fast);
        assert_eq!(fast, exact, "{:?}", String::from_utf8_lossy(&window[owned.clone()]));
    }
}

fn check_csv(header: &str, records: Vec<u8>) {
    let window = padded([header.as_bytes(), &records].concat(), b"\n");
    let (layout, header_bytes) = CsvLayout::from_header(&window).expect("a header with the columns");
    let split = Chunk {
        window: &window,
        end: ChunkEnd::Final,
        owned: header_bytes..window.len(),
        base: 0,
        quotes: QuoteState::FieldStart,
    };
    let (mut reader, mut exact) = (CsvReader::new(layout), RecordingSink::default());
    scan_csv_exact(&split, SCANNERS[0].filter(), &mut reader, &mut exact);
    for scanner in SCANNERS.iter() {
        let mut fast = RecordingSink::default();
        scan_csv(&split, scanner, &mut reader, &mut fast);
        assert_eq!(fast, exact, "{:?}", String::from_utf8_lossy(&window));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [how, rest @ ..] = bytes else { return };
    let variant = usize::from(how >> 2 & 1);
    if how & 8 == 0 {
        if let Some(text) = text(*how, rest, usual(variant == 0)) {
            check_ndjson(text);
        }
    } else if let Some(text) = text(*how, rest, usual_records(variant)) {
        check_csv(HEADERS[variant], text);
    }
});
