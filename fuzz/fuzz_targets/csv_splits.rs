//! How a CSV file is split changes nothing, for any bytes after a header.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::engine::rules::Rules;
use viewmart::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, QuoteTransition, scan_csv};
use viewmart::engine::scan::fast::{Backend, Scanner};
use viewmart::engine::scan::record::RecordFilter;
use viewmart::engine::scan::shape::MAX_MATCH_BYTES;

mod recording_sink;
use recording_sink::RecordingSink;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    Scanner::new(RecordFilter::new(&Rules::preset("default").expect("a built-in preset").record), Backend::detect())
});

const HEADERS: [&str; 4] = [
    "Contract,TotalDuration,AppName\n",
    "\u{feff}AppName;x;Contract;TotalDuration\r\n",
    "\"Contract\"\tTotalDuration\tAppname\n",
    "_id,_source\n",
];

fn scan(file: &[u8], n_bytes: usize) -> RecordingSink {
    let (layout, header_bytes) = CsvLayout::from_header(file).expect("a header with the columns");
    let (mut reader, mut recording_sink, mut state) =
        (CsvReader::new(layout), RecordingSink::default(), QuoteState::FieldStart);
    for start in (header_bytes..file.len()).step_by(n_bytes) {
        let end = file.len().min(start + n_bytes);
        let from = start - usize::from(start > header_bytes);
        let split = Chunk {
            window: &file[from..],
            end: ChunkEnd::Final,
            owned: start - from..end - from,
            base: from as u64,
            quotes: state,
        };
        scan_csv(&split, &SCANNER, &mut reader, &mut recording_sink);
        state = QuoteTransition::of(&file[start..end], layout.delimiter).apply(state);
    }
    recording_sink
}

/// The same window by window, each from where the records of the one before end.
fn scan_windows(file: &[u8], n_bytes: usize) -> RecordingSink {
    let (layout, header_bytes) = CsvLayout::from_header(file).expect("a header with the columns");
    let (mut reader, mut recording_sink) = (CsvReader::new(layout), RecordingSink::default());
    let (mut at, mut n_window) = (header_bytes, n_bytes);
    while at < file.len() {
        let (from, to) = (at - 1, file.len().min(at + n_window));
        let end = if to == file.len() { ChunkEnd::Final } else { ChunkEnd::Truncated };
        let (owned, start) = (1..to - from, QuoteState::FieldStart);
        let split = Chunk { window: &file[from..to], end, owned, base: from as u64, quotes: start };
        let next = from + scan_csv(&split, &SCANNER, &mut reader, &mut recording_sink);
        n_window = if next > at { n_bytes } else { n_window * 2 };
        at = next;
    }
    recording_sink
}

fuzz_target!(|bytes: &[u8]| {
    let [header, n_bytes, records @ ..] = bytes else { return };
    let n_bytes = usize::from(*n_bytes).max(1);
    let header = HEADERS[usize::from(*header) % HEADERS.len()];
    let file = [header.as_bytes(), records].concat();
    let whole = scan(&file, file.len());
    assert_eq!(scan(&file, n_bytes), whole);
    assert_eq!(scan_windows(&file, n_bytes), whole);
    if records.len() < 200 {
        assert_eq!(scan(&file, 1), whole);
    }
    // The same records again and again, until the fast way has enough after a line to read it.
    if !records.is_empty() {
        let n_repeats = (4 * MAX_MATCH_BYTES).div_ceil(records.len());
        let file = [header.as_bytes(), &records.repeat(n_repeats)].concat();
        let whole = scan(&file, file.len());
        assert_eq!(scan(&file, MAX_MATCH_BYTES + n_bytes), whole);
        assert_eq!(scan_windows(&file, MAX_MATCH_BYTES + n_bytes), whole);
    }
});
