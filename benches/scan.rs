//! Bytes per second of the readers of records, on one core: `cargo bench --no-default-features
//! --bench scan`.
//!
//! Every case checks what it counts before it is timed: a wrong fast answer fails.

use divan::Bencher;
use divan::counter::BytesCount;
use viewmart::engine::ledger::Reason;
use viewmart::engine::rules::{App, Category, Rules};
use viewmart::engine::scan::contract::PackedContract;
use viewmart::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, QuoteTransition, scan_csv};
use viewmart::engine::scan::exact::parse_line;
use viewmart::engine::scan::fast::{Backend, Scanner};
use viewmart::engine::scan::json::{LineReader, scan_lines};
use viewmart::engine::scan::lines::{Lines, scan_lines_exact};
use viewmart::engine::scan::record::{Reading, RecordFilter};
use viewmart::engine::scan::sink::{Sink, route};
use viewmart::engine::scan::tape::ExactReader;

fn main() {
    divan::main();
}

const N_RECORDS: u64 = 20_000;

/// Sums instead of a month: what is timed is the reading.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    n_kept: u64,
    n_others: u64,
    seconds: i64,
    contract_bytes: usize,
}

impl Sink for Sums {
    fn kept(&mut self, contract: &str, _: App, seconds: i64) {
        self.n_kept += 1;
        self.seconds += seconds;
        self.contract_bytes += contract.len();
    }
    fn kept_packed(&mut self, contract: PackedContract, _: App, seconds: u32) {
        self.n_kept += 1;
        self.seconds += i64::from(seconds);
        // Their number is the low four bits.
        self.contract_bytes += (contract.bits() & 15) as usize;
    }
    fn rejected(&mut self, _: u64, _: Reason, _: &[u8]) {
        self.n_others += 1;
    }
    fn unmapped(&mut self, _: u64, _: &str, _: i64, _: &[u8]) {
        self.n_others += 1;
    }
}

/// One record of a month as it mostly is.
struct Record {
    contract: String,
    mac: String,
    seconds: i64,
    app: &'static str,
}

fn records() -> impl Iterator<Item = Record> {
    (0..N_RECORDS).map(|i| {
        let random = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let app = match random % 100 {
            0..90 => "CHANNEL",
            90..95 => "VOD",
            95..98 => "CHILD",
            98 => "KPLUS",
            _ => "RELAX",
        };
        Record {
            contract: format!("HNH{:06}", (random >> 20) % 1_000_000),
            mac: format!("{:012X}", random >> 16),
            seconds: (random >> 40).cast_signed() % 86_401,
            app,
        }
    })
}

fn expected() -> Sums {
    let mut sums = Sums::default();
    for record in records() {
        sums.kept(&record.contract, App { index: 0, category: Category::Tv }, record.seconds);
    }
    sums
}

/// The shapes of an NDJSON line.
const LINES: [&str; 4] = ["usual", "shuffled", "spaced", "escaped"];

fn ndjson(shape: &str) -> Vec<u8> {
    let lines = records().map(|Record { contract, mac, seconds, app }| match shape {
        "usual" => format!(
            r#"{{"_index":"history","_type":"channel","_id":"AX_momhia1FFivsGrn9o","_score":0,"_source":{{"Contract":"{contract}","Mac":"{mac}","TotalDuration":{seconds},"AppName":"{app}"}}}}"#
        ),
        "shuffled" => format!(
            r#"{{"_source":{{"AppName":"{app}","Mac":"{mac}","Contract":"{contract}","TotalDuration":{seconds}}},"_score":0,"_id":"AX_momhia1FFivsGrn9o","_type":"channel","_index":"history"}}"#
        ),
        "spaced" => format!(
            r#"{{ "_index": "history", "_type": "channel", "_id": "AX_momhia1FFivsGrn9o", "_score": 0, "_source": {{ "Contract": "{contract}", "Mac": "{mac}", "TotalDuration": {seconds}, "AppName": "{app}" }} }}"#
        ),
        _ => format!(
            r#"{{"_index":"history","_type":"channel","_id":"AX_mom\/hia1FFivsGrn9o","_score":0,"_source":{{"Contract":"\u0048{}","Mac":"{mac}","TotalDuration":{seconds},"AppName":"{app}"}}}}"#,
            &contract[1..]
        ),
    });
    lines.flat_map(|line| (line + "\n").into_bytes()).collect()
}

fn filter() -> RecordFilter {
    RecordFilter::new(&Rules::preset("default").expect("a built-in preset").record)
}

fn bench(bencher: Bencher, n_bytes: usize, mut scan: impl FnMut(&mut Sums)) {
    let mut sums = Sums::default();
    scan(&mut sums);
    assert_eq!(sums, expected());
    bencher.counter(BytesCount::new(n_bytes)).bench_local(|| {
        let mut sums = Sums::default();
        scan(&mut sums);
        sums
    });
}

#[divan::bench(args = LINES)]
fn ndjson_plain_parser(bencher: Bencher, shape: &str) {
    let (text, filter) = (ndjson(shape), filter());
    bench(bencher, text.len(), |sums| {
        for (at, line) in Lines::new(&text, 0..text.len()) {
            route(parse_line(line, Reading::default()), &filter, at as u64, line, sums);
        }
    });
}

#[divan::bench(args = LINES)]
fn ndjson_exact_reader(bencher: Bencher, shape: &str) {
    let (text, filter, mut reader) = (ndjson(shape), filter(), ExactReader::new());
    bench(bencher, text.len(), |sums| scan_lines_exact(&text, 0..text.len(), 0, &filter, &mut reader, sums));
}

#[divan::bench(args = LINES)]
fn ndjson_scanner(bencher: Bencher, shape: &str) {
    scanner(bencher, shape, Backend::detect());
}

#[divan::bench(args = Backend::available())]
fn ndjson_scanner_usual(bencher: Bencher, backend: &Backend) {
    scanner(bencher, "usual", *backend);
}

fn scanner(bencher: Bencher, shape: &str, backend: Backend) {
    let (text, mut reader) = (ndjson(shape), LineReader::default());
    let scanner = Scanner::new(filter(), backend);
    bench(bencher, text.len(), |sums| scan_lines(&text, 0..text.len(), 0, &scanner, &mut reader, sums));
}

/// The shapes of a CSV file.
const FILES: [&str; 4] = ["columns_8", "columns_3", "quoted", "source"];

fn csv(shape: &str) -> Vec<u8> {
    let header = match shape {
        "columns_3" => "Contract,TotalDuration,AppName\n",
        "source" => "_id,_source\n",
        _ => "_index,_type,_id,_score,_source.Contract,_source.Mac,_source.TotalDuration,_source.AppName\n",
    };
    let records = records().map(|Record { contract, mac, seconds, app }| match shape {
        "columns_8" => format!("history,channel,AX_momhia1FFivsGrn9o,0,{contract},{mac},{seconds},{app}"),
        "columns_3" => format!("{contract},{seconds},{app}"),
        "quoted" => format!(
            r#""history","channel","AX_momhia1FFivsGrn9o","0","{contract}","{mac}","{seconds}","{app}""#
        ),
        _ => format!(
            r#"AX_momhia1FFivsGrn9o,"{{""Contract"":""{contract}"",""Mac"":""{mac}"",""TotalDuration"":{seconds},""AppName"":""{app}""}}""#
        ),
    });
    header.bytes().chain(records.flat_map(|record| (record + "\n").into_bytes())).collect()
}

#[divan::bench(args = FILES)]
fn csv_records(bencher: Bencher, shape: &str) {
    let (file, scanner) = (csv(shape), Scanner::new(filter(), Backend::detect()));
    let (layout, header_bytes) = CsvLayout::from_header(&file).expect("a header");
    let split = Chunk {
        window: &file,
        end: ChunkEnd::Final,
        owned: header_bytes..file.len(),
        base: 0,
        quotes: QuoteState::FieldStart,
    };
    let mut reader = CsvReader::new(layout);
    bench(bencher, file.len(), |sums| {
        scan_csv(&split, &scanner, &mut reader, sums);
    });
}

#[divan::bench(args = FILES)]
fn csv_quote_states(bencher: Bencher, shape: &str) {
    let file = csv(shape);
    assert_eq!(QuoteTransition::of(&file, b',').apply(QuoteState::FieldStart), QuoteState::FieldStart);
    bencher.counter(BytesCount::new(file.len())).bench_local(|| QuoteTransition::of(&file, b','));
}
