//! No text makes the parser or the evaluation of an expression panic or hang, and what is wrong with it can be shown.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::audience::{Index, Question, evaluate, named, parse_with};
use viewmart::engine::devices::DeviceRows;
use viewmart::engine::ledger::LedgerDetail;
use viewmart::engine::month::{MonthMeta, MonthTable, Provenance};
use viewmart::engine::partial::{Partial, Row};
use viewmart::engine::rules::Rules;

static MONTH: LazyLock<MonthTable> = LazyLock::new(|| {
    let rules = Rules::preset("default").expect("a built-in preset");
    let provenance = Provenance::of(&rules);
    let contracts: Vec<String> = (0..200).map(|n| format!("HN{n:03}")).collect();
    let rows = contracts.iter().zip(0_u32..).map(|(contract, n)| Row {
        contract,
        days: n.wrapping_mul(0x9e37_79b9) >> 2 | 1,
        seconds: std::array::from_fn(|category| i64::from(n * 977 % 5 * n) * category as i64),
    });
    let meta = MonthMeta {
        month: "2022-04".parse().expect("a month"),
        etl_date: "2022-05-01".parse().expect("a day"),
        labels: &rules.labels,
        provenance,
    };
    let mut table = Partial::from_rows(rows, LedgerDetail::default()).finish(meta).expect("sums fit");
    let counts = (0..table.n_rows() as u32).map(|row| row % 7).collect();
    table.devices = Some(DeviceRows { counts, ..DeviceRows::default() });
    table
});

fuzz_target!(|text: &str| {
    let names = named::builtin().expect("they are sound");
    match parse_with(text, &names) {
        Err(error) => assert!(error.to_string().contains('^')),
        // A list may be any file of this machine.
        Ok(expr) if format!("{expr:?}").contains("Listed(") => {}
        Ok(expr) => match evaluate(Question { text, expr: &expr }, &[Index::new(&MONTH)]) {
            Ok(answer) => assert!(answer.customers().count() as u64 == answer.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        },
    }
});
