//! No text makes the parser or the evaluation of an expression panic or hang, and what is wrong with it can be shown.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use viewmart::audience::{Expr, Index, Question, evaluate, named, parse_with};
use viewmart::engine::month::MonthTable;
use viewmart::engine::partial::Row;
use viewmart::engine::rules::Rules;

#[path = "../../tests/support/made.rs"]
mod made;
use made::{Made, with_devices};

/// Two months that share half of their customers.
static MONTHS: LazyLock<[MonthTable; 2]> = LazyLock::new(|| [month("2022-03", 100), month("2022-04", 0)]);

fn month(name: &str, first_contract: u32) -> MonthTable {
    let rules = Rules::preset("default").expect("a built-in preset");
    let contracts: Vec<String> = (first_contract..first_contract + 200).map(|n| format!("HN{n:03}")).collect();
    let rows = contracts.iter().zip(0_u32..).map(|(contract, n)| Row {
        contract,
        days: n.wrapping_mul(0x9e37_79b9) >> 2 | 1,
        seconds: std::array::from_fn(|category| i64::from(n * 977 % 5 * n) * category as i64),
    });
    with_devices(Made::of(name, &rules).table(rows))
}

fn reads_a_file(expr: &Expr) -> bool {
    let mut files: Vec<&Path> = Vec::new();
    expr.find_files(&mut files);
    !files.is_empty()
}

fuzz_target!(|text: &str| {
    let names = named::builtin().expect("they are sound");
    match parse_with(text, &names) {
        Err(error) => assert!(error.to_string().contains('^')),
        // A list may be any file of this machine.
        Ok(expr) if reads_a_file(&expr) => {}
        Ok(expr) => match evaluate(Question { text, expr: &expr }, &MONTHS.each_ref().map(Index::new)) {
            Ok(answer) => assert!(answer.customers().count() as u64 == answer.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        },
    }
});
