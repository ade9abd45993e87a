//! Records and rows per second from kept records to the month file, on all cores:
//! `cargo bench --bench month`.
//!
//! Every case checks what it counts before it is timed.

use divan::Bencher;
use divan::counter::ItemsCount;
use jiff::civil::date;
use viewmart::engine::aggregate::build::MonthBuilder;
use viewmart::engine::aggregate::collect::{Collector, FileId};
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::ledger::{InputFile, Reason};
use viewmart::engine::month::{MonthMeta, MonthTable, Provenance};
use viewmart::engine::rules::{App, Rules};
use viewmart::engine::scan::contract::PackedContract;
use viewmart::engine::scan::reject::{RejectBatch, RejectLimit};
use viewmart::engine::scan::sink::Sink;
use viewmart::month_file;

fn main() {
    divan::main();
}

const N_CONTRACTS: u64 = 40_000;
const N_RECORDS: u64 = 1_000_000;

/// Kept records as the scan hands them over: (contract, app, seconds).
fn records() -> Vec<(PackedContract, App, u32)> {
    let rules = rules();
    let apps: Vec<App> = rules.record.apps().map(|(_, app)| app).collect();
    (0..N_RECORDS)
        .map(|i| {
            let random = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let contract = format!("HNH{:06}", (random >> 20) % N_CONTRACTS);
            let packed = PackedContract::new(contract.as_bytes()).expect("nine characters pack");
            (packed, apps[(random % 5) as usize], ((random >> 40) % 86_401) as u32)
        })
        .collect()
}

fn collect(collector: &mut Collector, builder: &MonthBuilder, records: &[(PackedContract, App, u32)]) {
    let mut rejects = RejectBatch::new(RejectLimit::new(0));
    let day = Day::new(1).expect("a day");
    let mut sink = collector.split(FileId(0), day, builder.context(), &mut rejects);
    for (contract, app, seconds) in records {
        sink.kept_packed(*contract, *app, *seconds);
    }
}

/// A month whose records have been aggregated, and what is left in the collector.
fn aggregate(records: &[(PackedContract, App, u32)]) -> (MonthBuilder, Collector) {
    let (mut builder, mut collector) = (MonthBuilder::new(&rules().record), Collector::default());
    collect(&mut collector, &builder, records);
    builder.aggregate(&mut [&mut collector]);
    (builder, collector)
}

fn finish((builder, collector): (MonthBuilder, Collector), rules: &Rules) -> MonthTable {
    let provenance = Provenance { input_files: 1, input_bytes: 0, ..Provenance::of(rules) };
    let month = Month::new(2022, 4).expect("a month");
    let file = InputFile::whole("file".to_owned(), Day::new(1).expect("a day"), 0, String::new());
    let meta = MonthMeta { month, etl_date: date(2022, 5, 1), labels: &rules.labels, provenance };
    builder.into_partial(vec![collector], vec![file]).and_then(|partial| partial.finish(meta)).expect("sums fit")
}

/// The month of [`records`], held against sums made the plain way.
fn check_month(rules: &Rules) -> MonthTable {
    let records = records();
    let table = finish(aggregate(&records), rules);
    let seconds: i64 = records.iter().map(|(_, _, seconds)| i64::from(*seconds)).sum();
    assert_eq!(table.ledger.kept, N_RECORDS);
    assert_eq!(table.ledger.n_rejected_for(Reason::Malformed), 0);
    assert_eq!(table.n_rows() as u64, N_CONTRACTS);
    assert_eq!(table.total.iter().sum::<i64>(), seconds);
    table
}

fn rules() -> Rules {
    Rules::preset("default").expect("a built-in preset")
}

/// Records into partitions, one thread.
#[divan::bench]
fn collect_records(bencher: Bencher) {
    let (records, builder) = (records(), MonthBuilder::new(&rules().record));
    check_month(&rules());
    bencher.counter(ItemsCount::new(N_RECORDS)).with_inputs(Collector::default).bench_local_values(|mut collector| {
        collect(&mut collector, &builder, &records);
        collector
    });
}

/// Waiting records into the tables of customers.
#[divan::bench]
fn aggregate_records(bencher: Bencher) {
    let records = records();
    check_month(&rules());
    bencher
        .counter(ItemsCount::new(N_RECORDS))
        .with_inputs(|| {
            let (builder, mut collector) = (MonthBuilder::new(&rules().record), Collector::default());
            collect(&mut collector, &builder, &records);
            (builder, collector)
        })
        .bench_local_values(|(mut builder, mut collector)| {
            builder.aggregate(&mut [&mut collector]);
            (builder, collector)
        });
}

/// Tables of customers into sorted columns.
#[divan::bench]
fn rows_to_columns(bencher: Bencher) {
    let (records, rules) = (records(), rules());
    check_month(&rules);
    bencher
        .counter(ItemsCount::new(N_CONTRACTS))
        .with_inputs(|| aggregate(&records))
        .bench_local_values(|builder| finish(builder, &rules));
}

/// Columns into the bytes of a month file.
#[divan::bench]
fn columns_to_month_file(bencher: Bencher) {
    let table = check_month(&rules());
    let mut file = Vec::new();
    month_file::write(&table, &mut file).expect("memory takes all");
    bencher.counter(ItemsCount::new(N_CONTRACTS)).bench_local(|| {
        let mut file = Vec::with_capacity(file.len());
        month_file::write(&table, &mut file).expect("memory takes all");
        file
    });
}
