//! Any cut of a lake merges to the bytes of the whole, in memory that does not grow with its rows.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf as _, Bytes, buf::Reader};
use parquet::errors::Result as ParquetResult;
use parquet::file::reader::{ChunkReader, Length};

use super::*;
use crate::engine::partial::MergedRows;

/// Files of the lake, one a day.
const N_FILES: usize = 3;
/// Each has so many pieces of ten bytes.
const N_PIECES: usize = 6;

/// A record: its file, the piece of the file that it begins in, contract, category and seconds. One without a contract is
/// rejected.
#[derive(Clone, Debug)]
struct Record(usize, usize, Option<&'static str>, Category, i64);

/// What a scan of these pieces of the lake makes; `holds` says which those are.
fn scan(records: &[Record], holds: impl Fn(usize, usize) -> bool) -> MonthTable {
    let rules = rules();
    let mut ledger = LedgerDetail::default();
    let mut rows: BTreeMap<&str, (u32, [i64; 5])> = BTreeMap::new();
    for number in 0..N_FILES {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for piece in (0..N_PIECES).filter(|piece| holds(number, *piece)) {
            let bytes = 10 * piece as u64..10 * (piece + 1) as u64;
            match ranges.last_mut() {
                Some(last) if last.end == bytes.start => last.end = bytes.end,
                _ => ranges.push(bytes),
            }
        }
        if ranges.is_empty() {
            continue;
        }
        let mut counts = RecordCounts::default();
        for Record(file, piece, contract, category, seconds) in records {
            if *file != number || !holds(*file, *piece) {
                continue;
            }
            counts.read += 1;
            let Some(contract) = contract else {
                counts.rejected[Reason::NoContract as usize] += 1;
                continue;
            };
            counts.kept += 1;
            counts.seconds[*category as usize] += i128::from(*seconds);
            let app = rules.record.apps.iter().find(|(_, of)| *of == category).unwrap().0;
            let sums = ledger.apps.entry(app.clone());
            let sums = sums.or_insert(AppSums { category: Some(*category), records: 0, seconds: 0 });
            (sums.records, sums.seconds) = (sums.records + 1, sums.seconds + i128::from(*seconds));
            let row = rows.entry(contract).or_default();
            row.0 |= 1 << number;
            row.1[*category as usize] += seconds;
        }
        let day = Day::new(number as u8 + 1).unwrap();
        let file = InputFile::whole(format!("file:///lake/{number}.json"), day, 10 * N_PIECES as u64, "7".to_owned());
        ledger.files.push(FileLedger { file: InputFile { ranges, ..file }, counts });
    }
    let rows = rows.iter().map(|(contract, (days, seconds))| Row { contract, days: *days, seconds: *seconds });
    let provenance = Provenance {
        input_files: ledger.files.len() as u64,
        input_bytes: 10 * (N_FILES * N_PIECES) as u64,
        ..Provenance::of(&rules)
    };
    let meta = MonthMeta { month: month(), etl_date: "2022-05-01".parse().unwrap(), labels: &rules.labels, provenance };
    Partial::from_rows(rows, ledger).finish(meta).unwrap()
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let contract = proptest::option::weighted(0.9, proptest::sample::select(vec!["0", "A", "A ", "B1", "a", "É"]));
    let record = (0..N_FILES, 0..N_PIECES, contract, proptest::sample::select(Category::ALL.to_vec()), 0..100_000_i64);
    let record = record.prop_map(|(file, piece, contract, category, s)| Record(file, piece, contract, category, s));
    proptest::collection::vec(record, 0..60)
}

/// The bytes of these parts merged.
fn merged(parts: &[Vec<u8>], group_rows: usize) -> Vec<u8> {
    let names: Vec<String> = (0..parts.len()).map(|number| format!("parts/{number}.parquet")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(parts.iter().map(Vec::as_slice)).collect();
    let work = folder(&files);
    let merge = Merge::open(&[work.path().join("parts")], &MergeOptions::default()).unwrap();
    let mut bytes = Vec::new();
    merge.write_in_groups(&mut bytes, &mut std::io::sink(), group_rows, &mut |_| ()).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// By files and by byte ranges; merged at once, and merged from two merges.
    #[test]
    fn any_cut_of_a_lake_merges_to_the_bytes_of_the_whole(
        records in records(),
        owners in proptest::collection::vec(0_usize..4, N_FILES * N_PIECES),
        group_rows in 1_usize..5,
    ) {
        let part = |owner: usize| {
            let table = scan(&records, |file, piece| owners[file * N_PIECES + piece] == owner);
            written(&table, group_rows)
        };
        let parts: Vec<Vec<u8>> = (0..4).map(part).collect();
        let whole = written(&scan(&records, |_, _| true), group_rows);
        prop_assert_eq!(&merged(&parts, group_rows), &whole);
        let halves = [merged(&parts[2..], group_rows), merged(&parts[..2], group_rows)];
        prop_assert_eq!(&merged(&halves, group_rows), &whole);
    }
}

#[test]
fn bytes_that_two_parts_hold_are_named() {
    let part = |pieces: Range<usize>| written(&scan(&[], |file, piece| file == 1 && pieces.contains(&piece)), 1);
    let work = folder(&[("a.parquet", &part(0..3)), ("b.parquet", &part(4..6)), ("c.parquet", &part(2..4))]);
    let paths = ["a", "b", "c"].map(|name| work.path().join(format!("{name}.parquet")));
    let error = Merge::open(&paths, &MergeOptions::default()).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} and {} cannot be merged: file:///lake/1.json: its bytes 20 to 30 are counted twice",
            paths[0].display(),
            paths[2].display()
        )
    );
    let merge = Merge::open(&paths[..2], &MergeOptions::default()).unwrap();
    assert_eq!(merge.incomplete(), ["file:///lake/1.json lacks bytes 30 to 40"]);
    let refused = merge.check_whole(None, GapPolicy::Refuse).unwrap_err();
    assert!(matches!(refused, MonthFileError::Incomplete { n_files: 1, .. }), "{refused}");
    merge.check_whole(None, GapPolicy::Accept).unwrap();
}

/// A file in memory that counts what is taken of it.
#[derive(Clone)]
struct CountingReader {
    bytes: Bytes,
    n_bytes: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl CountingReader {
    fn new(bytes: Vec<u8>) -> CountingReader {
        CountingReader { bytes: bytes.into(), n_bytes: Arc::default(), largest: Arc::default() }
    }
}

impl Length for CountingReader {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl ChunkReader for CountingReader {
    type T = CountingRead;

    fn get_read(&self, start: u64) -> ParquetResult<CountingRead> {
        Ok(CountingRead(self.bytes.slice(start as usize..).reader(), Arc::clone(&self.n_bytes)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        self.n_bytes.fetch_add(length, Ordering::Relaxed);
        self.largest.fetch_max(length, Ordering::Relaxed);
        Ok(self.bytes.slice(start as usize..start as usize + length))
    }
}

struct CountingRead(Reader<Bytes>, Arc<AtomicUsize>);

impl Read for CountingRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = self.0.read(buffer)?;
        self.1.fetch_add(n_bytes, Ordering::Relaxed);
        Ok(n_bytes)
    }
}

#[test]
fn rows_are_read_page_by_page_and_once() {
    // Two row groups, each of several pages, in which no column is small.
    let names: Vec<String> =
        (0..120_000_u64).map(|n| format!("{n:06}{:08x}", n.wrapping_mul(0x9e37_79b9) as u32)).collect();
    let seconds = |n: i64| std::array::from_fn(|category| n.wrapping_mul(2_654_435_761 + category as i64) % 1_000_003);
    let customers: Vec<Customer<'_>> =
        names.iter().zip(1..).map(|(name, n)| (name.as_str(), 1 + n as u32 % 1_000_000, seconds(n))).collect();
    let bytes = written(&month_of(&customers), 60_000);
    let n_bytes = bytes.len();
    let readers = [CountingReader::new(bytes.clone()), CountingReader::new(bytes)];
    let open = |reader: &CountingReader| FileRows::new(PathBuf::from("x"), reader.clone(), Checksum::Skip).unwrap();
    let mut rows = MergedRows::new(readers.iter().map(open).collect());
    let mut n_rows = 0;
    while rows.advance().unwrap() {
        n_rows += 1;
    }
    assert_eq!(n_rows, 120_000);
    for reader in readers {
        let (n_taken, largest) = (reader.n_bytes.load(Ordering::Relaxed), reader.largest.load(Ordering::Relaxed));
        // The footer is read ahead; beside it the largest piece is a page, of 16 384 values.
        assert!(largest <= 16 * 16_384, "{largest} of {n_bytes} at once");
        assert!(n_taken < 2 * n_bytes, "{n_taken} of {n_bytes}");
    }
}

/// Remembers how many bytes each write had.
struct CountingSink(Vec<usize>);

impl Write for CountingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_merged_file_is_written_a_row_group_at_a_time() {
    let writes = |n_customers: usize| {
        let names: Vec<String> = (0..n_customers).map(|n| format!("{n:06}")).collect();
        let customers: Vec<Customer<'_>> = names.iter().map(|name| (name.as_str(), 1, [1, 2, 3, 4, 5])).collect();
        let work = folder(&[("a.parquet", &written(&month_of(&customers), 500))]);
        let merge = Merge::open(&[work.path().join("a.parquet")], &MergeOptions::default()).unwrap();
        let mut sink = CountingSink(Vec::new());
        assert_eq!(
            merge.write_in_groups(&mut sink, &mut std::io::sink(), 1_000, &mut |_| ()).unwrap(),
            n_customers as u64
        );
        // The last one is the footer, which grows with the row groups.
        sink.0.pop();
        (sink.0.len(), sink.0.into_iter().max().unwrap_or_default())
    };
    let ((few, small), (many, large)) = (writes(5_000), writes(40_000));
    // The end of a row group may wait for the next one.
    assert!(few >= 3 && many >= 6 * few, "{many} writes after {few}");
    assert!(large < 2 * small, "{large} bytes after {small}");
}
