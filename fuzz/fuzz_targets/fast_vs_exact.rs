//! The fast way through NDJSON tells what the exact way tells, on every backend, for files near the usual one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::rules::Rules;
use viewmart::scan::json::{Backend, JsonScanner};
use viewmart::scan::lines::scan_lines_exact;
use viewmart::scan::record::Judge;
use viewmart::scan::shape::REACH;
use viewmart::scan::simd::ExactReader;

mod told;
use told::Told;

static SCANNERS: LazyLock<Vec<JsonScanner>> = LazyLock::new(|| {
    let judge = Judge::new(&Rules::preset("default").expect("a built-in preset"));
    Backend::available().map(|backend| JsonScanner::new(judge.clone(), backend)).collect()
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

/// The file that the input describes: itself, or the usual one with some bytes changed, or with some put in.
fn file(bytes: &[u8]) -> Option<Vec<u8>> {
    let [how, rest @ ..] = bytes else { return None };
    let mut text = usual(how & 4 == 0);
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

fuzz_target!(|bytes: &[u8]| {
    let Some(mut text) = file(bytes) else { return };
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let mut exact = Told::default();
    scan_lines_exact(&text, 0..text.len(), 0, SCANNERS[0].judge(), &mut ExactReader::new(), &mut exact);
    // Near the end of its window the fast way leaves all lines to the exact way: it needs something behind them.
    let window = [&text[..], &b" ".repeat(REACH)].concat();
    for scanner in SCANNERS.iter() {
        let mut fast = Told::default();
        scanner.scan(&window, 0..text.len(), 0, &mut ExactReader::new(), &mut fast);
        assert_eq!(fast, exact, "{:?}", String::from_utf8_lossy(&text));
    }
});
