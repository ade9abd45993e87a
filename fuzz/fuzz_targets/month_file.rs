//! Whatever the bytes of a month file are, it is read as a month whose ledger closes, or refused with a reason.
#![no_main]

use std::fs;
use std::ops::Range;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::engine::month::MonthTable;
use viewmart::engine::partial::Row;
use viewmart::engine::rules::Rules;
use viewmart::error::Error;
use viewmart::month_file::{self, Merge, MergeOptions};

mod folder;
#[path = "../../tests/support/made.rs"]
mod made;
mod panics;
use folder::Folder;
use made::Made;

/// Both parts of a month, each of half the bytes of its file, as the program writes them.
static PARTS: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [written(&part(&["A", "B", "Đà"], 0..50)), written(&part(&["B", "CONTRACT"], 50..100))]);

/// The month of these customers: each has a record of Tv on the first day.
fn part(contracts: &[&str], bytes_read: Range<u64>) -> MonthTable {
    let rules = Rules::preset("seed").expect("a built-in preset");
    let made = Made { bytes_read, ..Made::of("2022-04", &rules) };
    made.table(contracts.iter().map(|contract| Row { contract, days: 1, seconds: [0, 0, 0, 0, 60] }))
}

fn written(table: &MonthTable) -> Vec<u8> {
    let mut bytes = Vec::new();
    month_file::write(table, &mut bytes).expect("memory takes all");
    bytes
}

/// Sets bytes, each at a place counted from the front or, where most of what can go wrong stands, from the end.
fn changed(sound: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        let n_bytes = bytes.len();
        let at = if at & 1 == 0 { at / 2 % n_bytes } else { n_bytes - 1 - at / 2 % n_bytes };
        bytes[at] = edit[2];
    }
    bytes
}

/// Takes up to 255 bytes out at a place and puts others in.
fn spliced(sound: &[u8], rest: &[u8]) -> Option<Vec<u8>> {
    let [low, high, n_taken, put_in @ ..] = rest else { return None };
    let mut bytes = sound.to_vec();
    let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
    let end = bytes.len().min(at + usize::from(*n_taken));
    bytes.splice(at..end, put_in.iter().copied());
    Some(bytes)
}

/// Reads the file both ways: whole, and as one of the parts of a merge.
fn check(folder: &Folder, bytes: &[u8]) {
    fs::write(folder.path("month.parquet"), bytes).expect(folder::IS_THERE);
    let month = folder.path("month.parquet");
    match month_file::read(&month) {
        Ok(table) => {
            let total: i128 = table.total.iter().map(|seconds| i128::from(*seconds)).sum();
            assert_eq!(table.ledger.n_seconds(), total);
            assert_eq!(table.ledger.read, table.ledger.kept + table.ledger.n_rejected());
        }
        Err(error) => assert_told(&Error::from(error)),
    }
    let merged = Merge::open(&[month, folder.path("sound.parquet")], &MergeOptions::default());
    match merged.map(|merge| merge.write(&mut Vec::new())) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => assert!(!error.to_string().is_empty()),
        Err(error) => assert_told(&Error::from(error)),
    }
}

fn assert_told(error: &Error) {
    let text = error.to_string();
    assert!(text.contains("month.parquet"), "{text}");
}

static FOLDER: LazyLock<Folder> = LazyLock::new(|| {
    let folder = Folder::new("month_file");
    fs::write(folder.path("sound.parquet"), &PARTS[1]).expect(folder::IS_THERE);
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let [how, rest @ ..] = bytes else { return };
    let bytes = match how & 3 {
        0 => Some(rest.to_vec()),
        1 => spliced(&PARTS[0], rest),
        _ => Some(changed(&PARTS[0], rest)),
    };
    if let Some(bytes) = bytes {
        // The reader takes panics of the Parquet library for damage.
        panics::guard(|| check(&FOLDER, &bytes));
    }
});
