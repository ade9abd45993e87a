//! Months made of customers, with a ledger that agrees with them. Unit tests, tests of the program, benches and fuzz
//! targets include this file.

#![allow(dead_code, reason = "nobody who includes it needs all of it")]

use std::collections::BTreeMap;
use std::ops::Range;

use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::devices::DeviceRows;
use viewmart::engine::ledger::{AppSums, FileLedger, InputFile, LedgerDetail, Reason, RecordCounts};
use viewmart::engine::month::{MonthMeta, MonthTable, Provenance};
use viewmart::engine::partial::{Partial, Row};
use viewmart::engine::rules::{Category, Rules};

/// A customer: contract, seconds in column order (Movie, Sport, Child, Relax, Tv), active days from the first one on.
pub type Customer<'a> = (&'a str, [i64; 5], u8);

/// The row of a customer.
pub fn row<'a>((contract, seconds, n_days): &Customer<'a>) -> Row<'a> {
    Row { contract, days: (1 << n_days) - 1, seconds: *seconds }
}

/// The table of `month` with these customers in any order, and three rejected records, two of them of the app `X`.
pub fn month_table(month: &str, rules: &Rules, customers: &[Customer<'_>]) -> MonthTable {
    Made::of(month, rules).table(customers.iter().map(row))
}

/// What a month is made of besides its customers.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    pub month: Month,
    pub rules: &'a Rules,
    /// Rejected records of the first day, but for those of apps without a category.
    pub rejected: &'a [(Reason, u64)],
    /// Apps without a category, and their records and seconds on the first day.
    pub unmapped: &'a [(&'a str, u64, i128)],
    /// Size of each file, of which every day with a record has one.
    pub file_bytes: u64,
    /// Which bytes of each file were read.
    pub bytes_read: Range<u64>,
}

impl<'a> Made<'a> {
    /// A month of files that were read whole.
    pub fn of(month: &str, rules: &'a Rules) -> Made<'a> {
        Made {
            month: month.parse().expect("a month"),
            rules,
            rejected: &[(Reason::Malformed, 1)],
            unmapped: &[("X", 2, 0)],
            file_bytes: 100,
            bytes_read: 0..100,
        }
    }

    /// The month of customers in any order. Each has one record of Tv with no seconds on every active day but the last, and
    /// on that one a record in each category that was watched, or in Tv where none was.
    pub fn table<'r>(&self, customers: impl IntoIterator<Item = Row<'r>>) -> MonthTable {
        let partial = self.partial(customers);
        let provenance = Provenance {
            engine: "viewmart test".to_owned(),
            input_files: partial.ledger.files.len() as u64,
            input_bytes: partial.ledger.files.iter().map(|file| file.file.n_bytes_read()).sum(),
            ..Provenance::of(self.rules)
        };
        let etl_date = "2022-05-01".parse().expect("a day");
        let meta = MonthMeta { month: self.month, etl_date, labels: &self.rules.labels, provenance };
        partial.finish(meta).expect("sums fit")
    }

    fn partial<'r>(&self, customers: impl IntoIterator<Item = Row<'r>>) -> Partial {
        let mut rows: Vec<Row<'_>> = customers.into_iter().collect();
        rows.sort_unstable_by_key(|row| row.contract);
        let partial = Partial::from_rows(rows.iter().copied(), self.ledger(&rows));
        partial.validate(self.month).expect("customers of the month");
        partial
    }

    fn ledger(&self, rows: &[Row<'_>]) -> LedgerDetail {
        let mut days: [RecordCounts; 31] = Default::default();
        let mut categories = [(0, 0); Category::ALL.len()];
        for row in rows {
            let mut keep = |day: usize, category: Category, seconds: i64| {
                days[day].kept += 1;
                days[day].seconds[category as usize] += i128::from(seconds);
                let (records, sum) = &mut categories[category as usize];
                (*records, *sum) = (*records + 1, *sum + i128::from(seconds));
            };
            let last = (u32::BITS - 1 - row.days.leading_zeros()) as usize;
            (0..last).filter(|day| row.days >> day & 1 == 1).for_each(|day| keep(day, Category::Tv, 0));
            let is_watched = |category: &Category| row.seconds[*category as usize] != 0;
            let watched: Vec<Category> = Category::ALL.into_iter().filter(is_watched).collect();
            let of_last = if watched.is_empty() { &[Category::Tv][..] } else { &watched };
            of_last.iter().for_each(|category| keep(last, *category, row.seconds[*category as usize]));
        }
        for (reason, records) in self.rejected {
            days[0].rejected[*reason as usize] += records;
        }
        days[0].rejected[Reason::UnmappedApp as usize] += self.unmapped.iter().map(|app| app.1).sum::<u64>();
        let mut files = Vec::new();
        for (day, mut counts) in (1..=31).filter_map(Day::new).zip(days) {
            counts.read = counts.kept + counts.n_rejected();
            if counts.read > 0 {
                files.push(FileLedger { file: self.file(day), counts });
            }
        }
        LedgerDetail { files, apps: self.apps(categories) }
    }

    fn file(&self, day: Day) -> InputFile {
        let uri = format!("file:///lake/{}{:02}.json", self.month.to_string().replace('-', ""), day.number());
        let file = InputFile::whole(uri, day, self.file_bytes, "7".to_owned());
        InputFile { ranges: vec![self.bytes_read.clone()], ..file }
    }

    /// Records and seconds of a category are those of its first app.
    fn apps(&self, categories: [(u64, i128); Category::ALL.len()]) -> BTreeMap<String, AppSums> {
        let of_category = |category: Category| {
            let mut apps = self.rules.record.apps.iter().filter(|(_, of)| **of == category);
            let name = apps.next().map_or(category.name(), |(name, _)| name);
            let (records, seconds) = categories[category as usize];
            (name.to_owned(), AppSums { category: Some(category), records, seconds })
        };
        let mapped = Category::ALL.into_iter().map(of_category).filter(|(_, sums)| sums.records > 0);
        let unmapped = self.unmapped.iter().map(|(name, records, seconds)| {
            ((*name).to_owned(), AppSums { category: None, records: *records, seconds: *seconds })
        });
        mapped.chain(unmapped).collect()
    }
}

/// The same month, whose devices were counted: none to four for each customer.
pub fn with_devices(table: MonthTable) -> MonthTable {
    let counts = (0..table.n_rows() as u32).map(|row| row * 7 % 5).collect();
    with_device_counts(table, counts)
}

/// The same with these numbers of devices, by row.
pub fn with_device_counts(table: MonthTable, counts: Vec<u32>) -> MonthTable {
    let n_records = counts.iter().map(|count| u64::from(*count)).sum();
    MonthTable { devices: Some(DeviceRows { counts, n_records, ..DeviceRows::default() }), ..table }
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
    "ss",
    "SS",
    "ﬁ",
    "fi",
    "ı",
    "I",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\\\",
    "\\N",
    "N",
    "\\'",
    "NULL",
    "null",
    "tab\there",
    "tab\\there",
    "line\nbreak",
    "line\r\nbreak",
    "a\u{1a}b",
    "a\u{8}b",
    "a\u{a0}",
    ",",
    "😀",
    "👨‍👩‍👧",
    "%",
    "_",
    "0",
    "00",
    "-1",
    "1e3",
    "2022-04-01",
    "; DROP TABLE customer_behavior --",
    "''; DROP TABLE customer_behavior; --",
    "{month}",
    "{mart}",
    "{",
    "\u{feff}A1",
    "\u{ffff}",
    "\u{10ffff}",
];
