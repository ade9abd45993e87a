//! Questions to a month of full size, 1.92 million customers, on all cores:
//! `cargo bench --bench audience`.
//!
//! Every question begins with a new index: what is measured is the first answer after opening, its bitmaps made. Before it
//! is timed, the number of customers found is held against a look at every row, which is timed too: the rival.

use std::path::PathBuf;
use std::sync::OnceLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use viewmart::audience::list::{self, Names, Order, Selection, Sheet};
use viewmart::audience::{Index, Question, evaluate, parse};
use viewmart::engine::columns::{COLUMNS, Column};
use viewmart::engine::month::MonthTable;
use viewmart::engine::partial::Row;
use viewmart::engine::rules::{Category, Rules};
use viewmart::month_file::{self, Merge};

#[path = "../tests/support/made.rs"]
mod made;
use made::Made;

fn main() {
    divan::main();
}

const N_CONTRACTS: u64 = 1_920_000;
const N_RECORDS_PER_CONTRACT: u64 = 6;

/// A month in which each customer has six records, spread over its days and categories.
fn make_month() -> MonthTable {
    let rules = Rules::preset("default").expect("a built-in preset");
    let contracts: Vec<String> = (0..N_CONTRACTS).map(|n| format!("HN{n:07}")).collect();
    let rows = contracts.iter().zip(0_u64..).map(|(contract, n)| {
        let (mut days, mut seconds) = (0, [0; Category::ALL.len()]);
        for record in 0..N_RECORDS_PER_CONTRACT {
            let random = (n * N_RECORDS_PER_CONTRACT + record).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            days |= 1 << ((random >> 20) % 30);
            seconds[(random >> 8) as usize % Category::ALL.len()] += ((random >> 40) % 20_000) as i64;
        }
        Row { contract, days, seconds }
    });
    Made::of("2022-04", &rules).table(rows)
}

/// The month, and its file in the folder for temporary files.
fn month() -> &'static (MonthTable, PathBuf) {
    static MONTH: OnceLock<(MonthTable, PathBuf)> = OnceLock::new();
    MONTH.get_or_init(|| {
        let table = make_month();
        let path = std::env::temp_dir().join("viewmart-bench-month-2022-04.parquet");
        let mut file = std::fs::File::create(&path).expect("a file");
        month_file::write(&table, &mut file).expect("the disk takes it");
        (table, path)
    })
}

/// The month file into columns, its rows held against its ledger.
#[divan::bench(sample_count = 10)]
fn open(bencher: Bencher) {
    let (table, path) = month();
    let read = || -> Vec<MonthTable> {
        let months = Merge::open_months(std::slice::from_ref(path)).expect("a month file");
        months.into_iter().map(|month| month.into_table().expect("a sound one")).collect()
    };
    assert_eq!(read()[0].n_rows(), table.n_rows());
    bencher.counter(ItemsCount::new(table.n_rows())).bench_local(read);
}

/// A question, and what it means for one row.
type Test = fn(&MonthTable, usize) -> bool;

const FIRST_HALF: u32 = (1 << 15) - 1;
/// Days 2, 3, 9, 10, 16, 17, 23, 24 and 30 of April 2022.
const WEEKEND: u32 = 1 << 1 | 1 << 2 | 1 << 8 | 1 << 9 | 1 << 15 | 1 << 16 | 1 << 22 | 1 << 23 | 1 << 29;

const QUESTIONS: [(&str, Test); 7] = [
    ("tv and not movie", |table, row| {
        seconds(table, row, Category::Tv) > 0 && seconds(table, row, Category::Movie) == 0
    }),
    ("sport and on weekend and not movie", |table, row| {
        let watched = |category| seconds(table, row, category) > 0;
        watched(Category::Sport) && table.days[row] & WEEKEND != 0 && !watched(Category::Movie)
    }),
    ("active(1..15) >= 5 and trend < 0.5", |table, row| {
        let first = (table.days[row] & FIRST_HALF).count_ones();
        let second = (table.days[row] & !FIRST_HALF).count_ones();
        first >= 5 && 2 * second < first
    }),
    ("last < 20", |table, row| table.days[row].leading_zeros() > 32 - 20),
    ("per_day > 24h", |table, row| table.total[row] > 86_400 * i64::from(table.days[row].count_ones())),
    ("taste = 'Movie_Tv' or gap >= 7", |table, row| {
        let active = table.days[row] >> table.days[row].trailing_zeros();
        let missing = !active & (u32::MAX >> active.leading_zeros());
        let runs_of = |n: u32| (0..n).fold(u32::MAX, |runs, shift| runs & missing >> shift);
        table.taste(row) == "Movie_Tv" || runs_of(7) != 0
    }),
    ("contract like 'HN00%' and total > 3h", |table, row| {
        table.contracts.get(row).starts_with("HN00") && table.total[row] > 3 * 3600
    }),
];

fn seconds(table: &MonthTable, row: usize, category: Category) -> i64 {
    table.seconds[category as usize][row]
}

fn count_rows(table: &MonthTable, holds: Test) -> u64 {
    (0..table.n_rows()).filter(|row| holds(table, *row)).count() as u64
}

fn texts() -> impl Iterator<Item = &'static str> {
    QUESTIONS.iter().map(|(text, _)| *text)
}

fn row_test(text: &str) -> Test {
    QUESTIONS.iter().find(|(other, _)| *other == text).expect("one of them").1
}

/// The first answer after opening.
#[divan::bench(args = texts(), sample_count = 20)]
fn question(bencher: Bencher, text: &str) {
    let (table, _) = month();
    let expr = parse(text).expect("it is sound");
    let ask = |index: Index<'_>| {
        let answer = evaluate(Question { text, expr: &expr }, &[index]).expect("nothing is missing");
        answer.len()
    };
    assert_eq!(ask(Index::new(table)), count_rows(table, row_test(text)), "{text}");
    bencher.with_inputs(|| Index::new(table)).bench_local_values(ask);
}

/// The same by one thread that looks at every row.
#[divan::bench(args = texts(), sample_count = 20)]
fn scan(bencher: Bencher, text: &str) {
    let (table, _) = month();
    let holds = row_test(text);
    bencher.bench_local(|| count_rows(table, holds));
}

const N_LISTED: u64 = 100_000;

/// A list of 100 000 contracts with two columns.
#[divan::bench(args = ["csv", "parquet"], sample_count = 10)]
fn write_list(bencher: Bencher, format: &str) {
    let (table, _) = month();
    let text = "tv or movie";
    let expr = parse(text).expect("it is sound");
    let answer = evaluate(Question { text, expr: &expr }, &[Index::new(table)]).expect("nothing is missing");
    let selection = Selection { order: Order::Contract, limit: Some(N_LISTED), sample: None, seed: 1 };
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| ["TotalDuration", "Taste"].contains(&column.name)).collect();
    let sheet = Sheet { base: table.month, columns: &columns, reasons: &[], names: Names::Contracts };
    let write = || {
        let members = list::select(&answer, &selection, Names::Contracts);
        assert_eq!(members.len() as u64, N_LISTED);
        let mut bytes = Vec::new();
        match format {
            "csv" => list::write_csv(&members, &sheet, &mut bytes).expect("memory takes it"),
            _ => list::write_parquet(&members, &sheet, &mut bytes).expect("memory takes it"),
        }
        bytes
    };
    bencher.counter(ItemsCount::new(N_LISTED)).bench_local(write);
}
