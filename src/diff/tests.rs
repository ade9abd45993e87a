//! Against maps that compare the plain way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::side::{Batch, Compared};
use super::*;
use crate::console::Progress;
use crate::engine::columns::{COLUMNS, Output, held_by, with_one_more};
use crate::engine::month::MonthTable;
use crate::engine::rules::Rules;
use crate::fs::atomic::{self, StagedFile};
use crate::made::{Customer, month_table};
use crate::month_file;
use crate::warehouse::{Missing, OpenOptions, RunClock, SqliteWarehouse, Warehouse as _, WarehouseUrl};

/// Contract, seconds and active days.
type Customers = BTreeMap<String, ([i64; 5], u8)>;

fn table(customers: &Customers) -> MonthTable {
    let customers: Vec<Customer<'_>> =
        customers.iter().map(|(contract, (seconds, days))| (contract.as_str(), *seconds, *days)).collect();
    month_table("2022-04", &Rules::preset("seed").unwrap(), &customers)
}

/// The difference of two months, and the list of what differs.
fn difference(a: &Customers, b: &Customers, n_top: usize) -> (Difference, String) {
    let work = tempfile::tempdir().unwrap();
    let sides = [("a.parquet", a), ("b.parquet", b)].map(|(name, customers)| {
        let path = work.path().join(name);
        month_file::write(&table(customers), &mut std::fs::File::create(&path).unwrap()).unwrap();
        DiffSide::Files(vec![path])
    });
    let path = work.path().join("list.csv");
    let mut list = StagedFile::create(&path).unwrap();
    let difference = compare(&sides[0], &sides[1], n_top, Some(&mut list)).unwrap();
    atomic::publish(vec![list]).unwrap();
    (difference, std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_columns_are_all_but_key_and_date_and_one_more_is_compared() {
    let names = |columns: &[&Column]| columns.iter().map(|column| column.name).collect::<Vec<_>>();
    let mut expected: Vec<&str> = held_by(COLUMNS, Output::MonthFile)
        .map(|column| column.name)
        .filter(|name| !["Month", "Contract", "Date"].contains(name))
        .collect();
    assert_eq!(names(compared(DevicesCompared::OnlyInA)), expected);
    assert_eq!(names(compared(DevicesCompared::Compared)), [&expected[..], &["Devices"]].concat());
    expected.push("SecondTotal");
    let columns = with_one_more();
    let compared = compared_of(&columns);
    assert_eq!(names(&compared), expected);
    let table = table(&Customers::from([("A".to_owned(), ([5, 0, 0, 0, 1], 1))]));
    let batch = Batch::of_table(&table, &compared);
    assert_eq!(batch.row(0).last(), Some(Compared::Number(6)));
}

#[test]
fn a_list_has_both_values_of_every_column() {
    let a = Customers::from([("A".to_owned(), ([5, 0, 0, 0, 0], 1)), ("B,\"".to_owned(), ([0, 0, 0, 0, 9], 2))]);
    let b = Customers::from([("A".to_owned(), ([5, 0, 0, 0, 7], 2)), ("C".to_owned(), ([0, 1, 0, 0, 0], 1))]);
    let (difference, list) = difference(&a, &b, 10);
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("Contract,Change,MovieDuration_A,MovieDuration_B,"), "{list}");
    assert_eq!(lines[1], "A,changed,5,5,0,0,0,0,0,0,0,7,5,12,Movie,Tv,Movie,Movie_Tv,1,2,1,3");
    assert_eq!(lines[2], "\"B,\"\"\",only_in_a,0,,0,,0,,0,,9,,9,,Tv,,Tv,,2,,3,");
    assert_eq!(lines[3], "C,only_in_b,,0,,1,,0,,0,,0,,1,,Sport,,Sport,,1,,1");
    assert_eq!(lines.len(), 4);
    let contracts: Vec<&str> = difference.largest.iter().map(|change| change.contract.as_str()).collect();
    assert_eq!(contracts, ["B,\"", "A", "C"]);
    assert_eq!(difference.most_watch_moves, BTreeMap::from([(("Movie".to_owned(), "Tv".to_owned()), 1)]));
    assert_eq!(difference.taste_moves, BTreeMap::from([(("Movie".to_owned(), "Movie_Tv".to_owned()), 1)]));
    assert_eq!(difference.changed_by_column, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_side_that_cannot_be_read_is_the_error() {
    let side = |name: &str| DiffSide::Files(vec![PathBuf::from(name)]);
    let error = compare(&side("/nowhere/a.parquet"), &side("/nowhere/b.parquet"), 1, None).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/a.parquet: no such file or folder");
}

/// One side's rows keep a lock that a writer may wait for, who may hold what the other side would still have to ask for.
#[test]
fn rows_of_a_side_that_is_open_wait_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("warehouse.db");
    let mut warehouse = SqliteWarehouse::open(&path, None).unwrap();
    crate::mart::prepare(&mut warehouse, Missing::Create).unwrap();
    let (rules, clock) = (Rules::preset("default").unwrap(), RunClock { started: jiff::Timestamp::UNIX_EPOCH });
    let sides = ["2022-04", "2022-05"].map(|month| {
        let table = month_table(month, &rules, &[("A", [1, 0, 0, 0, 0], 1), ("B", [0, 0, 0, 0, 1], 1)]);
        warehouse.load(&table, clock, &Progress::hidden()).unwrap();
        let (url, address) = (WarehouseUrl::Sqlite(path.clone()), String::new());
        let of = WarehouseMonth { address, url, options: OpenOptions::default(), month: table.month };
        DiffSide::Warehouse(Box::new(of)).open().unwrap().0
    });
    let writer = rusqlite::Connection::open(warehouse.mart_path()).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for side in sides {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut n_rows = 0;
            // Devices, the last of them, were not counted.
            let (_devices, columns) = COMPARED.split_last().unwrap();
            let read = side.for_each_batch(columns, &mut |batch| {
                n_rows += batch.contracts.len();
                ControlFlow::Continue(())
            });
            let _ = sender.send(read.map(|()| n_rows));
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap().unwrap(), 2);
    }
}

fn customers() -> impl Strategy<Value = Customers> {
    proptest::collection::btree_map("[AB][0-3]{0,2}", (proptest::array::uniform5(0..3_i64), 1..4_u8), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_difference_is_that_of_two_maps(a in customers(), b in customers(), n_top in 0_usize..5) {
        let (found, list) = difference(&a, &b, n_top);
        let in_both: Vec<&String> = a.keys().filter(|contract| b.contains_key(*contract)).collect();
        let changed = in_both.iter().filter(|contract| a[**contract] != b[**contract]).count();
        prop_assert_eq!(found.in_both, in_both.len() as u64);
        prop_assert_eq!(found.changed, changed as u64);
        prop_assert_eq!(found.only_in_a, (a.len() - in_both.len()) as u64);
        prop_assert_eq!(found.only_in_b, (b.len() - in_both.len()) as u64);
        prop_assert_eq!(found.is_equal(), a == b);
        prop_assert_eq!(list.lines().count() as u64, 1 + found.changed + found.only_in_a + found.only_in_b);
        for (side, customers) in [(&found.a, &a), (&found.b, &b)] {
            prop_assert_eq!(side.customers, customers.len() as u64);
            let sum = |category: usize| customers.values().map(|(seconds, _)| i128::from(seconds[category])).sum();
            prop_assert_eq!(side.seconds, std::array::from_fn(sum));
        }
        let mut expected: Vec<(u64, &String)> = Vec::new();
        for contract in a.keys().chain(b.keys().filter(|contract| !a.contains_key(*contract))) {
            let of = |side: &Customers| side.get(contract).map_or([0; 5], |(seconds, _)| *seconds);
            let moved = of(&a).iter().zip(of(&b)).map(|(a, b)| a.abs_diff(b)).sum();
            if moved > 0 {
                expected.push((moved, contract));
            }
        }
        expected.sort_by_key(|(moved, contract)| (std::cmp::Reverse(*moved), (*contract).clone()));
        expected.truncate(n_top);
        let largest: Vec<(u64, &String)> =
            found.largest.iter().map(|change| (change.moved as u64, &change.contract)).collect();
        prop_assert_eq!(largest, expected);
    }
}
