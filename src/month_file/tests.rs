//! Month files that come back, that contradict themselves, and that are damaged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::read::{Checksum, FileRows};
use super::write::{ROW_GROUP_ROWS, write_in_groups};
use super::*;
use crate::engine::calendar::{Day, Month};
use crate::engine::columns::{COLUMNS, with_one_more};
use crate::engine::ledger::{AppSums, FileLedger, InputFile, LedgerDetail, Reason, RecordCounts};
use crate::engine::month::{Contracts, MonthMeta, Provenance};
use crate::engine::partial::{Partial, Row, RowStream};
use crate::engine::rules::{Category, Rules};
use crate::made::{HOSTILE_CONTRACTS, Made};

mod merge;
mod summed;

/// Contract, days and seconds in column order.
pub(crate) type Customer<'a> = (&'a str, u32, [i64; 5]);

fn month() -> Month {
    "2022-04".parse().unwrap()
}

fn rules() -> Rules {
    Rules::preset("seed").unwrap()
}

pub(crate) fn month_of(customers: &[Customer<'_>]) -> MonthTable {
    let rules = rules();
    let made = Made { unmapped: &[("\u{fffd}\"X", 2, -7)], ..Made::of("2022-04", &rules) };
    made.table(customers.iter().map(|(contract, days, seconds)| Row { contract, days: *days, seconds: *seconds }))
}

fn written(table: &MonthTable, group_rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_in_groups(table, COLUMNS, None, &mut bytes, group_rows).unwrap();
    bytes
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn read_back(bytes: &[u8]) -> MonthTable {
    read(&folder(&[("month.parquet", bytes)]).path().join("month.parquet")).unwrap()
}

/// Why these bytes are refused.
fn flaw_of(bytes: &[u8]) -> FileFlaw {
    match rows_of(bytes, Checksum::Verify) {
        Err(MonthFileError::Unusable { flaw, .. }) => flaw,
        other => panic!("{other:?}"),
    }
}

/// Reads all rows one after the other, and as a whole, which comes to the same; gives their number.
fn rows_of(bytes: &[u8], checksum: Checksum) -> Result<usize, MonthFileError> {
    let open = || FileRows::new(PathBuf::from("month.parquet"), bytes::Bytes::copy_from_slice(bytes), checksum);
    let stream = || {
        let (mut rows, mut partial) = (open()?, Partial::default());
        while rows.advance()? {
            partial = Partial::concat(vec![partial, Partial::from_rows([rows.row()], LedgerDetail::default())]);
        }
        Ok(partial)
    };
    let found: Result<Partial, MonthFileError> = stream();
    match (found, open().and_then(FileRows::into_partial)) {
        (Ok(found), whole) => {
            assert_eq!(whole.unwrap(), found);
            Ok(found.n_rows())
        }
        (Err(error), whole) => {
            assert_eq!(whole.unwrap_err().to_string(), error.to_string());
            Err(error)
        }
    }
}

#[test]
fn hostile_contracts_come_back() {
    let mut contracts = HOSTILE_CONTRACTS.to_vec();
    contracts.sort_unstable();
    let customers: Vec<Customer<'_>> =
        contracts.iter().zip(1..).map(|(contract, n)| (*contract, 1 << (n % 30), [n, -n, 0, 7, n * n])).collect();
    let table = month_of(&customers);
    for group_rows in [1, 7, ROW_GROUP_ROWS] {
        assert_eq!(read_back(&written(&table, group_rows)), table);
    }
}

#[test]
fn pages_and_row_groups_are_read_as_one() {
    let mut names: Vec<String> = (0..40_000).map(|i| format!("{:0width$}", i, width = 5 + i % 3 * 4)).collect();
    names.sort_unstable();
    // Of every width up to 62 bits, above and below 0 in turn, so that the sums fit.
    let seconds = |i: usize| if i.is_multiple_of(2) { 1 << (i / 2 % 62) } else { -(1 << (i / 2 % 62)) };
    let customers: Vec<Customer<'_>> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            (
                name.as_str(),
                1 + (i as u32).wrapping_mul(2_654_435_761) % ((1 << 30) - 1),
                [i as i64, 0, 0, -1, i as i64 / 2 % 50 * seconds(i % 40)],
            )
        })
        .collect();
    let table = month_of(&customers);
    for group_rows in [1_000, 16_384, 16_385, ROW_GROUP_ROWS] {
        assert!(read_back(&written(&table, group_rows)) == table, "{group_rows}");
    }
}

#[test]
fn a_month_without_customers_comes_back() {
    let table = month_of(&[]);
    assert_eq!(read_back(&written(&table, 1)), table);
}

#[test]
fn the_bytes_do_not_depend_on_the_number_of_threads() {
    let contracts: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
    let customers: Vec<Customer<'_>> = contracts.iter().map(|contract| (contract.as_str(), 5, [1; 5])).collect();
    let table = month_of(&customers);
    let with_threads = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| written(&table, 64))
    };
    assert_eq!(with_threads(3), with_threads(1));
}

#[test]
fn what_contradicts_the_metadata_is_refused() {
    let good = month_of(&[("A", 0b11, [1, 2, 3, 4, 5]), ("B", 0b10, [1, 0, 0, 0, 0])]);
    let check = |change: &dyn Fn(&mut MonthTable), message: &str| {
        let mut table = good.clone();
        change(&mut table);
        assert_eq!(flaw_of(&written(&table, 1)).to_string(), message);
    };
    let renamed = |names: [&str; 2]| {
        let mut contracts = Contracts::default();
        names.iter().for_each(|name| contracts.push(name));
        contracts
    };
    check(
        &|t| (t.seconds[1][0], t.total[0]) = (3, 16),
        "the seconds of Sport are 3 in its rows, 2 by file and 2 by app",
    );
    check(
        &|t| t.contracts = renamed(["B", "A"]),
        "row 1 is not after the one before: contracts must ascend byte by byte",
    );
    let long = "x".repeat(5_000);
    check(&|t| t.contracts = renamed(["A", &long]), "the contract of row 1 is blank or longer than 100 characters");
    check(&|t| (t.days[1], t.activeness[1]) = (0, 0), "the days of row 1 are 0b0: not one or more days of the month");
    check(
        &|t| t.days[1] = 1 << 30,
        "the days of row 1 are 0b1000000000000000000000000000000: not one or more days of the month",
    );
    check(&|t| t.days[1] = 1 << 29, "1 customers are active on day 30, which has 0 kept records");
    check(&|t| t.activity[0].records = 7, "`viewmart.days` in its metadata is not what rows and files say");
    check(&|t| t.detail.files[0].counts.read += 1, "file:///lake/20220401.json: 5 records read, 1 kept, 3 rejected");
    check(&|t| t.detail.files[0].file.ranges.clear(), "file:///lake/20220401.json: 4 records read, 1 kept, 3 rejected");
    check(
        &|t| (t.detail.files[0].counts.read, t.detail.files[1].counts.read) = (u64::MAX, u64::MAX),
        "`viewmart.inputs` in its metadata cannot be right: counts more than there can be",
    );
    check(
        &|t| t.detail.files[0].counts.seconds[0] = i128::MAX,
        "`viewmart.inputs` in its metadata cannot be right: seconds that are no number, or too many",
    );
}

/// Labels follow from seconds, days and rules: what the file says of them is not believed.
#[test]
fn what_does_not_follow_from_the_row_is_refused() {
    let good = month_of(&[("A", 0b11, [1, 2, 3, 4, 5]), ("B", 0b10, [1, 0, 0, 0, 0])]);
    let check = |change: &dyn Fn(&mut MonthTable), message: &str| {
        let mut table = good.clone();
        change(&mut table);
        for group_rows in [1, 2] {
            assert_eq!(flaw_of(&written(&table, group_rows)).to_string(), message);
        }
    };
    check(&|t| t.most_watch[0] = 3, "MostWatch of row 0 is `Relax`, it must be `Tv`");
    check(&|t| t.most_watch[1] = MonthTable::NOTHING_WATCHED, "MostWatch of row 1 is `No`, it must be `Movie`");
    check(&|t| t.taste[1] = crate::engine::rules::Taste(9), "Taste of row 1 is `Relax_Sport`, it must be `Movie`");
    check(
        &|t| t.taste_labels[31] = "x".repeat(5_000),
        &format!("Taste of row 0 is `{}…`, it must be `Relax_Movie_Child_Sport_Tv`", "x".repeat(60)),
    );
    check(&|t| t.activeness[0] = 30, "Activeness of row 0 is 30, it must be 2");
    check(&|t| t.total[1] = 99, "TotalDuration of row 1 is 99, it must be 1");
}

#[test]
fn what_is_no_month_file_is_refused() {
    let good = written(&month_of(&[("A", 1, [1, 2, 3, 4, 5])]), 1);
    for bytes in [&b""[..], b"Month,Contract\n2022-04-01,A\n", &good[..good.len() - 1]] {
        assert!(matches!(flaw_of(bytes), FileFlaw::NotParquet(_)), "{:?}", flaw_of(bytes));
    }
    assert!(rows_of(&good[4..], Checksum::Verify).is_err());
    let mut more = Vec::new();
    write_in_groups(&month_of(&[]), &with_one_more(), None, &mut more, 1).unwrap();
    let FileFlaw::Columns { found, expected } = flaw_of(&more) else { panic!() };
    assert_eq!(found, format!("{expected}, SecondTotal INT64 REQUIRED"));
}

#[test]
fn a_file_of_another_format_says_what_to_do() {
    use crate::advice::Advice as _;
    let good = written(&month_of(&[("A", 1, [1, 2, 3, 4, 5])]), 1);
    let key = b"viewmart.format";
    let at = good.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    let mut old = good.clone();
    let digit = old[at..].iter().position(|byte| *byte == b'2').unwrap();
    old[at + digit] = b'1';
    let work = folder(&[("month.parquet", &old)]);
    let error = read(&work.path().join("month.parquet")).unwrap_err();
    assert!(error.to_string().ends_with("it is a month file of format 1, this program reads format 2"), "{error}");
    assert_eq!(error.advice().unwrap(), "make it again from the lake with `viewmart transform`");
}

#[test]
fn a_column_more_is_in_the_file() {
    let table = month_of(&[("A", 1, [1, 2, 3, 4, 5])]);
    let mut bytes = Vec::new();
    write_in_groups(&table, &with_one_more(), None, &mut bytes, 1).unwrap();
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new();
    let metadata = metadata.parse_and_finish(&bytes::Bytes::from(bytes)).unwrap();
    let chunk = metadata.row_group(0).columns().last().unwrap();
    assert_eq!(chunk.column_descr().name(), "SecondTotal");
    assert_eq!(chunk.statistics().unwrap().max_bytes_opt().unwrap(), 15_i64.to_le_bytes());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let path = Path::new("/nowhere/month.parquet");
    let error = read(path).unwrap_err();
    assert!(matches!(&error, MonthFileError::Missing { path: missing } if missing == path), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_month_comes_back(
        customers in proptest::collection::btree_map(
            "[^\\s]{1,12}",
            (1_u32..1 << 30, proptest::array::uniform5(-1_000_000_000_000_i64..1_000_000_000_000)),
            0..60,
        ),
        group_rows in 1_usize..70,
    ) {
        let customers: Vec<Customer<'_>> =
            customers.iter().map(|(contract, (days, seconds))| (contract.as_str(), *days, *seconds)).collect();
        let table = month_of(&customers);
        prop_assert_eq!(read_back(&written(&table, group_rows)), table);
    }

    /// Damage is found or harmless.
    #[test]
    fn a_damaged_file_is_refused_or_read_as_it_was(place in 0.0..1.0_f64, bit in 0_u8..8) {
        let table = month_of(&[("A", 3, [1, 2, 3, 4, 5]), ("B", 1, [1, 0, 0, 0, 0])]);
        let mut bytes = written(&table, 1);
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] ^= 1 << bit;
        let work = folder(&[("month.parquet", &bytes)]);
        if let Ok(read) = read(&work.path().join("month.parquet")) {
            prop_assert_eq!(read, table);
        }
    }

    /// Past the checksum, where damage was made on purpose, it is never the end of the program.
    #[test]
    fn a_file_that_was_made_up_is_read_or_refused(
        changes in proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 1..8),
        cut in proptest::option::of(0.0..1.0_f64),
    ) {
        let mut bytes = written(&month_of(&[("A", 3, [1, 2, 3, 4, 5]), ("B", 1, [1, 0, 0, 0, 0])]), 1);
        for (place, byte) in changes {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            let at = (cut * bytes.len() as f64) as usize;
            bytes.drain(at..at + 1);
        }
        let _ = rows_of(&bytes, Checksum::Skip);
    }
}
