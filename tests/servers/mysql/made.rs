//! Months that are made by hand or by chance.

use std::collections::BTreeMap;

use jiff::civil::date;
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::devices::DeviceRows;
use viewmart::engine::ledger::{Ledger, LedgerDetail, Reason};
use viewmart::engine::month::{Contracts, DayActivity, MonthTable, Provenance};
use viewmart::engine::rules::{Category, Rules, RulesStamp};

/// A month of customers with these seconds; everything that follows from them is made to agree.
pub fn month_table(month: &str, rows: BTreeMap<String, ([i64; 5], u8)>) -> MonthTable {
    let month: Month = month.parse().unwrap();
    let rules = Rules::preset("default").unwrap();
    let mut table = MonthTable {
        month,
        etl_date: date(2022, 5, 1),
        contracts: Contracts::default(),
        seconds: Category::ALL.map(|category| rows.values().map(|(seconds, _)| seconds[category as usize]).collect()),
        total: rows.values().map(|(seconds, _)| seconds.iter().sum()).collect(),
        most_watch: Vec::new(),
        taste: Vec::new(),
        days: rows.values().map(|(_, activeness)| (1 << activeness) - 1).collect(),
        activeness: Vec::new(),
        taste_labels: rules.labels.taste_labels(),
        devices: None,
        activity: Vec::new(),
        ledger: Ledger::default(),
        detail: LedgerDetail::default(),
        provenance: Provenance {
            rules: RulesStamp { name: "it's \\ a \"name\"".to_owned(), ..rules.stamp() },
            input_files: 2,
            input_bytes: 1 << 40,
            ..Provenance::of(&rules)
        },
    };
    for (contract, (seconds, activeness)) in rows {
        table.contracts.push(&contract);
        for (sum, seconds) in table.ledger.seconds.iter_mut().zip(seconds) {
            *sum += i128::from(seconds);
        }
        table.most_watch.push(rules.labels.most_watched(&seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8));
        table.taste.push(rules.labels.taste(&seconds));
        table.activeness.push(activeness);
    }
    table.ledger.kept = table.n_rows() as u64;
    table.ledger.rejected[Reason::Malformed as usize] = 3;
    table.ledger.rejected[Reason::UnmappedApp as usize] = 7;
    table.ledger.unmapped_app = BTreeMap::from([("{mart}".to_owned(), 3), ("O'N\\E".to_owned(), 4)]);
    table.ledger.read = table.ledger.kept + 10;
    let seconds = table.ledger.seconds.map(|s| i64::try_from(s).unwrap_or(0));
    let day = |number: u8| {
        let active_users = table.activeness.iter().filter(|days| **days >= number).count() as u64;
        // All records are of the third day.
        let (records, seconds) = if number == 3 { (table.ledger.kept, seconds) } else { (0, [0; 5]) };
        DayActivity { day: Day::new(number).unwrap(), active_users, records, seconds }
    };
    table.activity = (1..=table.activeness.iter().copied().max().unwrap_or(0).max(3)).map(day).collect();
    table
}

/// A month of `n` customers, fixed by `seed`.
pub fn random_month(month: &str, n: usize, seed: u64) -> MonthTable {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let rows = (0..n).map(|i| {
        let contract = format!("{}{:07}{i}", ["HNH", "SGH", "dnf", "É"][next(4) as usize], next(10_000_000));
        let seconds = [0; 5].map(|_: i64| if next(3) == 0 { next(1 << 40) as i64 } else { 0 });
        (contract, (seconds, 1 + next(30) as u8))
    });
    month_table(month, rows.collect())
}

/// The same month with devices.
pub fn with_devices(mut table: MonthTable) -> MonthTable {
    let counts = (0..table.n_rows() as u32).map(|row| row * 7 % 5).collect();
    table.devices = Some(DeviceRows { counts, ..DeviceRows::default() });
    table
}

/// Contracts that are different in bytes and alike to many a collation or parser.
pub fn hostile_month(month: &str) -> MonthTable {
    let long = "😀".repeat(100);
    let contracts = [
        "A1",
        "a1",
        "A1 ",
        " A1",
        "A1\u{0}",
        "\u{0}",
        "É",
        "E\u{301}",
        "é",
        "\\N",
        "\\",
        "\\\\",
        "N",
        "a\tb",
        "a\nb",
        "a\r\nb",
        "a\\tb",
        "'",
        "\"",
        "`",
        "''; DROP TABLE customer_behavior; --",
        "%",
        "_",
        "😀",
        "\u{10FFFF}",
        "\u{FFFF}",
        "\u{FEFF}A1",
        "ß",
        "ss",
        "SS",
        "NULL",
        "0",
        "00",
        "-1",
        "1e3",
        "null",
        "a\u{1a}b",
        "a\u{8}b",
        ",",
        "\t",
        "\n",
        "a\u{a0}",
        "ﬁ",
        "fi",
        "{mart}",
        "{",
        long.as_str(),
    ];
    let extremes = [i64::MAX / 2, 0, 0, 0, 0];
    let rows = contracts.iter().enumerate().map(|(i, contract)| {
        let seconds = if i == 0 { extremes } else { [i as i64, 0, 86_400 * i as i64, 0, i64::from(i % 2 == 0)] };
        ((*contract).to_owned(), (seconds, 1 + (i % 30) as u8))
    });
    month_table(month, rows.collect())
}
