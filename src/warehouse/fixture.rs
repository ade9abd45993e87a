//! Months made by hand, for tests.

use std::collections::BTreeMap;

use crate::engine::calendar::Day;
use crate::engine::devices::DeviceRows;
use crate::engine::ledger::{Ledger, LedgerDetail, Reason};
use crate::engine::month::{Contracts, DayActivity, MonthTable, Provenance};
use crate::engine::rules::Rules;

/// A customer: contract, seconds in column order (Movie, Sport, Child, Relax, Tv), active days.
pub type Customer<'a> = (&'a str, [i64; 5], u8);

/// The table of `month` with these customers in any order, each active from the first day on. All they watched is in the
/// records of the first two days, one a customer and day; three records were rejected, two of them for the app `X`.
pub fn month_table(month: &str, rules: &Rules, customers: &[Customer<'_>]) -> MonthTable {
    let month = month.parse().unwrap();
    let mut customers = customers.to_vec();
    customers.sort_unstable_by_key(|customer| customer.0.as_bytes());
    let mut contracts = Contracts::default();
    customers.iter().for_each(|customer| contracts.push(customer.0));
    let column = |place: usize| -> Vec<i64> { customers.iter().map(|customer| customer.1[place]).collect() };
    let seconds: [Vec<i64>; 5] = std::array::from_fn(column);
    let sums: [i64; 5] = std::array::from_fn(|place| seconds[place].iter().sum());
    let n_users = customers.len() as u64;
    let n_days = customers.iter().map(|customer| customer.2).max().unwrap_or(0).max(2);
    let day = |number: u8| DayActivity {
        day: Day::new(number).unwrap(),
        active_users: customers.iter().filter(|customer| customer.2 >= number).count() as u64,
        records: if number <= 2 { n_users } else { 0 },
        // The first day has the first category alone.
        seconds: match number {
            1 => [sums[0], 0, 0, 0, 0],
            2 => [0, sums[1], sums[2], sums[3], sums[4]],
            _ => [0; 5],
        },
    };
    let mut rejected = [0; Reason::ALL.len()];
    rejected[Reason::Malformed as usize] = 1;
    rejected[Reason::UnmappedApp as usize] = 2;
    MonthTable {
        month,
        etl_date: "2022-05-01".parse().unwrap(),
        total: customers.iter().map(|customer| customer.1.iter().sum()).collect(),
        most_watch: customers
            .iter()
            .map(|customer| rules.labels.most_watched(&customer.1).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8))
            .collect(),
        taste: customers.iter().map(|customer| rules.labels.taste(&customer.1)).collect(),
        days: customers.iter().map(|customer| (1 << customer.2) - 1).collect(),
        activeness: customers.iter().map(|customer| customer.2).collect(),
        taste_labels: rules.labels.taste_labels(),
        devices: None,
        activity: (1..=n_days).map(day).collect(),
        ledger: Ledger {
            read: 2 * n_users + 3,
            kept: 2 * n_users,
            rejected,
            unmapped_app: BTreeMap::from([("X".to_owned(), 2)]),
            seconds: sums.map(i128::from),
        },
        provenance: Provenance {
            engine: "viewmart test".to_owned(),
            input_files: 2,
            input_bytes: 1_000,
            ..Provenance::of(rules)
        },
        detail: LedgerDetail::default(),
        contracts,
        seconds: seconds.map(Into::into),
    }
}

/// Contracts that are easily confused or broken on the way.
pub const HOSTILE_CONTRACTS: &[&str] = &[
    "A1",
    "a1",
    "A1 ",
    "A1  ",
    " A1",
    "A1\0",
    "A1\0B",
    "\0",
    "É",
    "E\u{301}",
    "é",
    "ß",
    "SS",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\N",
    "\\'",
    "NULL",
    "tab\there",
    "line\nbreak",
    "line\r\nbreak",
    "😀",
    "👨‍👩‍👧",
    "%",
    "_",
    "0",
    "00",
    "1e3",
    "2022-04-01",
    "; DROP TABLE customer_behavior --",
    "{month}",
    "ı",
    "I",
    "\u{feff}A1",
    "\u{10ffff}",
];

/// The same month, whose devices were counted: as many for each customer as active days.
pub fn with_devices(table: MonthTable) -> MonthTable {
    let counts = table.activeness.iter().map(|days| u32::from(*days)).collect();
    MonthTable { devices: Some(DeviceRows { counts, ..DeviceRows::default() }), ..table }
}
