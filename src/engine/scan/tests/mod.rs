//! Tables and laws that hold for every reader of records.

mod csv;
mod fast;
mod json;
mod laws;
mod reading;

use std::borrow::Cow;
use std::sync::LazyLock;

use super::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, QuoteTransition};
use super::fast::{Backend, Scanner};
use super::record::{Fields, Reading, RecordFilter};
use super::sink::Sink;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, Reason};
use crate::engine::rules::{App, Category, FieldPlace, FieldTypes, Rules};

/// How records are read unless rules say otherwise.
const USUAL: Reading =
    Reading { types: FieldTypes::Strict, source: FieldPlace::Source, ids: Ids::Any, devices: Devices::Ignored };
const LENIENT: Reading = Reading { types: FieldTypes::Lenient, ..USUAL };
const FLAT: Reading = Reading { source: FieldPlace::Flat, ..USUAL };
const LENIENT_FLAT: Reading = Reading { types: FieldTypes::Lenient, ..FLAT };
const READINGS: [Reading; 4] = [USUAL, LENIENT, FLAT, LENIENT_FLAT];

/// Every call of a sink, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct RecordingSink {
    calls: Vec<Call>,
    /// Of the records kept.
    app_indexes: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Kept(String, Category, i64),
    /// Of the record kept last.
    Device(String),
    Rejected(u64, Reason, Vec<u8>),
    Unmapped(u64, String, i64, Vec<u8>),
}

impl Sink for RecordingSink {
    const TAKES_DEVICES: bool = true;

    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        self.calls.push(Call::Kept(contract.to_owned(), app.category, seconds));
        self.app_indexes.push(app.index);
    }
    fn device(&mut self, device: &str) {
        if !device.is_empty() {
            self.calls.push(Call::Device(device.to_owned()));
        }
    }
    fn rejected(&mut self, offset: u64, reason: Reason, raw: &[u8]) {
        self.calls.push(Call::Rejected(offset, reason, raw.to_vec()));
    }
    fn unmapped(&mut self, offset: u64, app: &str, seconds: i64, raw: &[u8]) {
        self.calls.push(Call::Unmapped(offset, app.to_owned(), seconds, raw.to_vec()));
    }
}

fn kept(contract: &str, category: Category, seconds: i64) -> Call {
    Call::Kept(contract.to_owned(), category, seconds)
}

fn rejected(offset: u64, reason: Reason, raw: &str) -> Call {
    Call::Rejected(offset, reason, raw.as_bytes().to_vec())
}

fn unmapped(offset: u64, app: &str, seconds: i64, raw: &str) -> Call {
    Call::Unmapped(offset, app.to_owned(), seconds, raw.as_bytes().to_vec())
}

fn filter() -> &'static RecordFilter {
    static FILTER: LazyLock<RecordFilter> =
        LazyLock::new(|| RecordFilter::new(&Rules::preset("default").expect("a built-in preset").record));
    &FILTER
}

fn scanner() -> &'static Scanner {
    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(filter().clone(), Backend::detect()));
    &SCANNER
}

/// Hands a reader and the splits of a CSV file, `n_bytes` each and in order, to `scan`.
fn for_each_csv_split(file: &[u8], n_bytes: usize, mut scan: impl FnMut(&Chunk<'_>, &mut CsvReader)) {
    let Ok((layout, header_bytes)) = CsvLayout::from_header(file) else {
        panic!("no header in {:?}", String::from_utf8_lossy(file));
    };
    let (mut reader, mut state) = (CsvReader::new(layout), QuoteState::FieldStart);
    for start in (header_bytes..file.len()).step_by(n_bytes) {
        let (from, end) = (start - usize::from(start > header_bytes), file.len().min(start.saturating_add(n_bytes)));
        let (window, owned) = (&file[from..], start - from..end - from);
        scan(&Chunk { window, end: ChunkEnd::Final, owned, base: from as u64, quotes: state }, &mut reader);
        state = QuoteTransition::of(&file[start..end], layout.delimiter).apply(state);
    }
}

fn fields<'a>(contract: Option<&'a str>, app: Option<&'a str>, seconds: Option<i64>) -> Fields<'a> {
    Fields { contract: contract.map(Cow::Borrowed), app: app.map(Cow::Borrowed), seconds, ..Fields::default() }
}

/// Number of cases of a property: few where an interpreter runs them.
fn n_cases(n: u32) -> proptest::test_runner::Config {
    let cases = if cfg!(miri) { n.div_ceil(1_500) } else { n };
    proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}
