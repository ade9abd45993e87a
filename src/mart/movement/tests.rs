//! Movement as the warehouse counts it, against a count over the customers in memory.

use std::collections::BTreeMap;

use super::*;
use crate::console::Progress;
use crate::engine::rules::Rules;
use crate::made::{Customer, month_table};
use crate::mart;
use crate::warehouse::{Missing, RunClock, SqliteWarehouse, Value};

/// A customer's seconds and active days.
type Watched = ([i64; 5], u8);
type Months = BTreeMap<Month, BTreeMap<String, Watched>>;
/// Rows as text, columns separated by `|`.
type Rows = Vec<String>;

/// Numbers that look random and are the same every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn random_customers(numbers: &mut Numbers) -> BTreeMap<String, Watched> {
    let mut customers = BTreeMap::new();
    for n in 0..40 {
        if numbers.below(2) == 0 {
            let seconds = std::array::from_fn(|_| numbers.below(3) as i64 * 100);
            customers.insert(format!("C{n:02}"), (seconds, 1 + numbers.below(28) as u8));
        }
    }
    customers
}

fn band(days: u8) -> &'static str {
    match days {
        0..=7 => "1-7",
        8..=14 => "8-14",
        15..=21 => "15-21",
        _ => "22-31",
    }
}

fn taste(rules: &Rules, seconds: &[i64; 5]) -> String {
    let [bits]: [u8; 1] = bytemuck::cast([rules.labels.taste(seconds)]);
    rules.labels.taste_labels()[usize::from(bits)].clone()
}

/// What the three tables should hold of `month`.
fn count(months: &Months, month: Month, rules: &Rules) -> [Rows; 3] {
    let (Some(present), Some(past)) = (months.get(&month), months.get(&month.previous().unwrap())) else {
        return Default::default();
    };
    let total = |watched: &Watched| watched.0.iter().sum::<i64>();
    let mut kinds = BTreeMap::from(["new", "retained", "returned", "lapsed"].map(|kind| (kind, (0, 0, 0))));
    let (mut tastes, mut bands) = (BTreeMap::new(), BTreeMap::new());
    for (contract, watched) in present {
        let was_earlier = || months.range(..month).any(|(_, customers)| customers.contains_key(contract));
        let kind = match past.get(contract) {
            Some(before) => {
                *tastes.entry((taste(rules, &before.0), taste(rules, &watched.0))).or_insert(0) += 1;
                *bands.entry((band(before.1), band(watched.1))).or_insert(0) += 1;
                kinds.get_mut("retained").unwrap().2 += total(before);
                "retained"
            }
            None if was_earlier() => "returned",
            None => "new",
        };
        let sums = kinds.get_mut(kind).unwrap();
        (sums.0, sums.1) = (sums.0 + 1, sums.1 + total(watched));
    }
    for (_, before) in past.iter().filter(|(contract, _)| !present.contains_key(*contract)) {
        let sums = kinds.get_mut("lapsed").unwrap();
        (sums.0, sums.2) = (sums.0 + 1, sums.2 + total(before));
    }
    let kinds = kinds.into_iter().map(|(kind, (users, seconds, before))| format!("{kind}|{users}|{seconds}|{before}"));
    let pairs = tastes.into_iter().map(|((before, now), users): (_, i64)| format!("{before}|{now}|{users}"));
    let bands = bands.into_iter().map(|((before, now), users): (_, i64)| format!("{before}|{now}|{users}"));
    [kinds.collect(), pairs.collect(), bands.collect()]
}

fn rows(warehouse: &mut SqliteWarehouse, month: Month) -> [Rows; 3] {
    PARTS.map(|part| {
        let columns: Vec<&str> = part.table.columns.iter().skip(1).map(|column| column.name).collect();
        let key = &part.table.key[1..];
        let sql = format!(
            "SELECT {} FROM {} WHERE Month = {{month}} ORDER BY {}",
            columns.join(", "),
            part.table.qualified(),
            key.join(", ")
        );
        let found = warehouse.query(month, &sql).unwrap();
        found.iter().map(|row| row.iter().map(Value::to_string).collect::<Vec<_>>().join("|")).collect()
    })
}

fn assert_counted(warehouse: &mut SqliteWarehouse, months: &Months, rules: &Rules, what: &str) {
    for month in warehouse.months().unwrap() {
        assert_eq!(rows(warehouse, month), count(months, month, rules), "{what}: {month}");
    }
    assert_eq!(warehouse.months().unwrap(), months.keys().copied().collect::<Vec<_>>(), "{what}");
}

fn publish(warehouse: &mut SqliteWarehouse, month: Month, customers: &BTreeMap<String, Watched>, rules: &Rules) {
    let customers: Vec<Customer<'_>> =
        customers.iter().map(|(contract, (seconds, days))| (contract.as_str(), *seconds, *days)).collect();
    let table = month_table(&month.to_string(), rules, &customers);
    let clock = RunClock { started: jiff::Timestamp::UNIX_EPOCH };
    warehouse.load(&table, clock, &Progress::hidden()).unwrap();
    mart::build(warehouse, month).unwrap();
    remake_stale(warehouse).unwrap();
}

#[test]
fn movement_is_that_of_an_independent_count_whatever_comes_and_goes() {
    let rules = Rules::preset("default").unwrap();
    for seed in 1..=4 {
        let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
        mart::prepare(&mut warehouse, Missing::Create).unwrap();
        let all = ["2021-11", "2021-12", "2022-01", "2022-02", "2022-03", "2022-05", "2022-06"];
        let mut left: Vec<Month> = all.iter().map(|month| month.parse().unwrap()).collect();
        let mut months = Months::new();
        while !left.is_empty() {
            let month = left.remove(numbers.below(left.len() as u64) as usize);
            let customers = random_customers(&mut numbers);
            publish(&mut warehouse, month, &customers, &rules);
            months.insert(month, customers);
            assert_counted(&mut warehouse, &months, &rules, "loaded");
        }
        let gone: Month = all[numbers.below(all.len() as u64) as usize].parse().unwrap();
        mart::months::drop(&mut warehouse, gone).unwrap();
        remake_stale(&mut warehouse).unwrap();
        months.remove(&gone);
        assert_counted(&mut warehouse, &months, &rules, "dropped");
        let again = random_customers(&mut numbers);
        publish(&mut warehouse, gone, &again, &rules);
        months.insert(gone, again);
        assert_counted(&mut warehouse, &months, &rules, "loaded again");
    }
}

#[test]
fn bands_end_where_they_should() {
    let rules = Rules::preset("default").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
    mart::prepare(&mut warehouse, Missing::Create).unwrap();
    let days = [1, 7, 8, 14, 15, 21, 22, 31];
    let customers = |turn: usize| -> BTreeMap<String, Watched> {
        days.iter().enumerate().map(|(n, _)| (format!("{n}"), ([0, 0, 0, 0, 1], days[(n + turn) % 8]))).collect()
    };
    for (month, turn) in [("2022-07", 0), ("2022-08", 1)] {
        publish(&mut warehouse, month.parse().unwrap(), &customers(turn), &rules);
    }
    let [kinds, tastes, bands] = rows(&mut warehouse, "2022-08".parse().unwrap());
    assert_eq!(kinds, ["lapsed|0|0|0", "new|0|0|0", "retained|8|8|8", "returned|0|0|0"]);
    assert_eq!(tastes, ["Tv|Tv|8"]);
    let step = |from: &str, to: &str| [format!("{from}|{from}|1"), format!("{from}|{to}|1")];
    let mut expected =
        [step("1-7", "8-14"), step("8-14", "15-21"), step("15-21", "22-31"), step("22-31", "1-7")].concat();
    expected.sort();
    let mut found = bands.clone();
    found.sort();
    assert_eq!(found, expected);
    // Nothing is known of the month before the first.
    assert_eq!(rows(&mut warehouse, "2022-07".parse().unwrap()), [const { Rows::new() }; 3]);
}
