//! The month made the plain way: whole files, one thread, the exact parser, an ordered map. What the engine must equal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use viewmart::lake::{DataFile, Format, Listing, packed};
use viewmart::ledger::{Ledger, Reason};
use viewmart::month::columns::Contracts;
use viewmart::month::{DayActivity, MonthTable, Provenance};
use viewmart::rules::{Category, Rules};
use viewmart::scan::csv::{CsvLayout, CsvReader, CsvSplit, QuoteState, scan_csv};
use viewmart::scan::lines::scan_lines_exact;
use viewmart::scan::record::Judge;
use viewmart::scan::simd::ExactReader;
use viewmart::scan::sink::Sink;

/// The table of a month.
pub fn month(listing: &Listing, rules: &Rules, etl_date: Date) -> MonthTable {
    let judge = Judge::new(rules);
    let mut all = Customers::default();
    for file in &listing.files {
        all.day = usize::from(file.day.number());
        all.days[all.day].1 = true;
        read(file, &judge, &mut all);
    }
    let mut table = MonthTable {
        month: listing.month,
        etl_date,
        contracts: Contracts::default(),
        seconds: Default::default(),
        total: Vec::new(),
        most_watch: Vec::new(),
        taste: Vec::new(),
        activeness: Vec::new(),
        taste_labels: rules.taste_labels(),
        days: Vec::new(),
        ledger: all.ledger,
        provenance: Provenance {
            engine: viewmart::ENGINE.into(),
            rules_name: rules.name.clone(),
            rules_sha256: rules.sha256.clone(),
            input_files: listing.files.len() as u64,
            input_bytes: listing.files.iter().map(|file| file.n_bytes).sum(),
        },
    };
    for (contract, (seconds, days)) in &all.customers {
        table.contracts.push(contract);
        for category in Category::ALL {
            table.seconds[category as usize].push(seconds[category as usize]);
        }
        table.total.push(seconds.iter().sum());
        table.most_watch.push(rules.most_watched(seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8));
        table.taste.push(rules.taste(seconds));
        table.activeness.push(u8::try_from(days.len()).unwrap());
    }
    for day in listing.month.days() {
        let (activity, has_file) = &all.days[usize::from(day.number())];
        if *has_file {
            let (users, records, seconds) = activity;
            table.days.push(DayActivity {
                day,
                active_users: users.len() as u64,
                records: *records,
                seconds: *seconds,
            });
        }
    }
    table
}

fn read(file: &DataFile, judge: &Judge, sink: &mut Customers) {
    let mut bytes = vec![0; 1 << 16];
    let mut packed = packed::open(file).unwrap();
    let mut n_read = 0;
    loop {
        let n = packed.fill(&mut bytes[n_read..]).unwrap();
        n_read += n;
        if n_read < bytes.len() {
            break;
        }
        bytes.resize(bytes.len() * 2, 0);
    }
    let window = &bytes[..n_read];
    match file.format {
        Format::Ndjson => scan_lines_exact(window, 0..window.len(), 0, judge, &mut ExactReader::new(), sink),
        Format::Csv => {
            let (layout, start) = CsvLayout::from_header(window).unwrap();
            let split = CsvSplit { window, owned: start..window.len(), base: 0, start: QuoteState::FieldStart };
            scan_csv(&split, judge, &mut CsvReader::new(layout), sink);
        }
    }
}

type Activity = (BTreeSet<String>, u64, [i64; 5]);

/// Everything in ordered maps.
#[derive(Default)]
struct Customers {
    day: usize,
    customers: BTreeMap<String, ([i64; 5], BTreeSet<usize>)>,
    days: [(Activity, bool); 32],
    ledger: Ledger,
}

impl Sink for Customers {
    fn kept(&mut self, contract: &str, category: Category, seconds: i64) {
        let customer = self.customers.entry(contract.to_owned()).or_default();
        customer.0[category as usize] += seconds;
        customer.1.insert(self.day);
        let (users, records, by_category) = &mut self.days[self.day].0;
        users.insert(contract.to_owned());
        *records += 1;
        by_category[category as usize] += seconds;
        self.ledger.read += 1;
        self.ledger.kept += 1;
        self.ledger.seconds[category as usize] += i128::from(seconds);
    }

    fn rejected(&mut self, _offset: u64, reason: Reason, _raw: &[u8]) {
        self.ledger.read += 1;
        self.ledger.rejected[reason as usize] += 1;
    }

    fn unmapped(&mut self, _offset: u64, app: &str, _raw: &[u8]) {
        self.ledger.read += 1;
        self.ledger.rejected[Reason::UnmappedApp as usize] += 1;
        *self.ledger.unmapped_app.entry(app.to_owned()).or_default() += 1;
    }
}
