//! Months that are made by chance, and one that is hard to carry.

use viewmart::engine::ledger::Reason;
use viewmart::engine::month::MonthTable;
use viewmart::engine::rules::Rules;

use crate::support::made::{Customer, HOSTILE_CONTRACTS, Made, month_table, row};

/// A month of these customers: contract, seconds in column order, active days from the first one on.
pub fn month_of(month: &str, customers: impl IntoIterator<Item = (String, [i64; 5], u8)>) -> MonthTable {
    let customers: Vec<_> = customers.into_iter().collect();
    let customers: Vec<Customer<'_>> = customers.iter().map(|of| (of.0.as_str(), of.1, of.2)).collect();
    month_table(month, &Rules::preset("default").unwrap(), &customers)
}

/// A month of `n` customers, fixed by `seed`.
pub fn random_month(month: &str, n: usize, seed: u64) -> MonthTable {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let customers = (0..n).map(|i| {
        let contract = format!("{}{:07}{i}", ["HNH", "SGH", "dnf", "É"][next(4) as usize], next(10_000_000));
        let seconds = [0; 5].map(|_: i64| if next(3) == 0 { next(1 << 40) as i64 } else { 0 });
        (contract, seconds, 1 + next(30) as u8)
    });
    month_of(month, customers)
}

/// The same month, its app without a category of this name.
pub fn with_unmapped(mut table: MonthTable, name: &str) -> MonthTable {
    let sums = table.detail.apps.remove("X").unwrap();
    table.detail.apps.insert(name.to_owned(), sums);
    table.ledger = table.detail.total();
    table
}

/// Contracts that are different in bytes and alike to many a collation or parser, apps and rules with names that are not
/// words, and files of a terabyte.
pub fn hostile_month(month: &str) -> MonthTable {
    let long = "😀".repeat(100);
    let contracts = HOSTILE_CONTRACTS.iter().copied().chain([long.as_str()]);
    let customers: Vec<Customer<'_>> = contracts
        .enumerate()
        .map(|(i, contract)| match i {
            0 => (contract, [i64::MAX / 2, 0, 0, 0, 0], 1),
            _ => (contract, [i as i64, 0, 86_400 * i as i64, 0, i64::from(i % 2 == 0)], 1 + (i % 30) as u8),
        })
        .collect();
    let rules = Rules::preset("default").unwrap();
    let made = Made {
        rejected: &[(Reason::Malformed, 3)],
        unmapped: &[("{mart}", 3, 0), ("O'N\\E", 4, 0)],
        file_bytes: 1 << 40,
        bytes_read: 0..1 << 40,
        ..Made::of(month, &rules)
    };
    let mut table = made.table(customers.iter().map(row));
    table.provenance.rules.name = "it's \\ a \"name\"".to_owned();
    table
}
