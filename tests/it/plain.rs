//! The month made the plain way: whole files, one thread, the exact parser, an ordered map. What the engine must equal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use viewmart::engine::aggregate::huge_pages::HugePageVec;
use viewmart::engine::ledger::{Ledger, LedgerDetail, Reason};
use viewmart::engine::month::{Contracts, DayActivity, MonthTable, Provenance};
use viewmart::engine::rules::{App, Category, Rules};
use viewmart::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, CsvReader, QuoteState, scan_csv_exact};
use viewmart::engine::scan::lines::scan_lines_exact;
use viewmart::engine::scan::record::RecordFilter;
use viewmart::engine::scan::sink::Sink;
use viewmart::engine::scan::tape::ExactReader;
use viewmart::lake::read::compressed;
use viewmart::lake::{DataFile, Format, Lake, LakeOptions, Listing};
use viewmart::month_file;

use crate::support::Workplace;

/// The table of a month.
fn month(listing: &Listing, rules: &Rules, etl_date: Date) -> MonthTable {
    let filter = RecordFilter::new(&rules.record);
    let mut all = Customers::default();
    for file in &listing.files {
        all.day = usize::from(file.day.number());
        all.days[all.day].1 = true;
        read(file, &filter, &mut all);
    }
    let mut table = MonthTable {
        month: listing.month,
        etl_date,
        contracts: Contracts::default(),
        seconds: Default::default(),
        total: HugePageVec::default(),
        most_watch: Vec::new(),
        taste: Vec::new(),
        activeness: Vec::new(),
        taste_labels: rules.labels.taste_labels(),
        days: HugePageVec::default(),
        devices: None,
        activity: Vec::new(),
        ledger: all.ledger,
        detail: LedgerDetail::default(),
        provenance: Provenance {
            input_files: listing.files.len() as u64,
            input_bytes: listing.files.iter().map(|file| file.n_bytes).sum(),
            ..Provenance::of(rules)
        },
    };
    let customers = all.customers.values();
    table.seconds = Category::ALL.map(|c| customers.clone().map(|(seconds, _)| seconds[c as usize]).collect());
    table.total = customers.clone().map(|(seconds, _)| seconds.iter().sum()).collect();
    for (contract, (seconds, days)) in &all.customers {
        table.contracts.push(contract);
        table.most_watch.push(rules.labels.most_watched(seconds).map_or(MonthTable::NOTHING_WATCHED, |c| c as u8));
        table.taste.push(rules.labels.taste(seconds));
        table.activeness.push(u8::try_from(days.len()).unwrap());
    }
    let mask = |(_, days): &([i64; 5], BTreeSet<usize>)| days.iter().fold(0, |mask, day| mask | 1 << (day - 1));
    table.days = all.customers.values().map(mask).collect();
    for day in listing.month.days() {
        let (activity, has_file) = &all.days[usize::from(day.number())];
        if *has_file {
            let (users, records, seconds) = activity;
            table.activity.push(DayActivity {
                day,
                active_users: users.len() as u64,
                records: *records,
                seconds: *seconds,
            });
        }
    }
    table
}

fn read(file: &DataFile, filter: &RecordFilter, sink: &mut Customers) {
    let mut bytes = vec![0; 1 << 16];
    let mut content = compressed::open(file).unwrap();
    let mut n_read = 0;
    loop {
        let n = content.fill(&mut bytes[n_read..]).unwrap();
        n_read += n;
        if n_read < bytes.len() {
            break;
        }
        bytes.resize(bytes.len() * 2, 0);
    }
    let window = &bytes[..n_read];
    match file.format {
        Format::Ndjson => scan_lines_exact(window, 0..window.len(), 0, filter, &mut ExactReader::new(), sink),
        Format::Csv => {
            let (layout, start) = CsvLayout::from_header(window).unwrap();
            let split = Chunk {
                window,
                end: ChunkEnd::Final,
                owned: start..window.len(),
                base: 0,
                quotes: QuoteState::FieldStart,
            };
            scan_csv_exact(&split, filter, &mut CsvReader::new(layout), sink);
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
    fn kept(&mut self, contract: &str, app: App, seconds: i64) {
        let category = app.category;
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

    fn unmapped(&mut self, _offset: u64, app: &str, _seconds: i64, _raw: &[u8]) {
        self.ledger.read += 1;
        self.ledger.rejected[Reason::UnmappedApp as usize] += 1;
        *self.ledger.unmapped_app.entry(app.to_owned()).or_default() += 1;
    }
}

/// Generated months in every format, with all their dirt, and by both presets of the rules.
#[test]
fn the_engine_makes_the_month_of_the_plain_way() {
    let cases = [
        ("--format=ndjson --compression=none --seed=1", "default"),
        ("--format=ndjson --compression=gz --seed=2", "default"),
        ("--format=ndjson --compression=none --seed=3", "seed"),
        ("--format=csv --compression=none --seed=4", "default"),
        ("--format=csv --compression=zst --seed=5", "seed"),
    ];
    for (how, rules_name) in cases {
        let work = Workplace::new();
        let generate = ["generate", "lake", "--contracts", "400", "--days", "4"];
        work.run(generate.into_iter().chain(how.split(' '))).ok();
        let arguments =
            ["transform", "lake", "--etl-date", "2022-05-01", "--max-reject-ratio", "1", "--rules", rules_name];
        work.run(arguments).ok();

        let mut made = month_file::read(&work.path("viewmart-out/month-2022-04.parquet")).unwrap();
        assert_eq!(made.detail.total(), made.ledger, "{how}");
        made.detail = LedgerDetail::default();
        let inputs = [work.path("lake").display().to_string()];
        let listing = Lake::open(&inputs, &LakeOptions::default()).unwrap().list().unwrap();
        let expected = month(&listing, &Rules::preset(rules_name).unwrap(), "2022-05-01".parse().unwrap());
        assert!(expected.ledger.kept > 1000, "{how}: {:?}", expected.ledger);
        assert_eq!(made.ledger, expected.ledger, "{how}");
        assert_eq!(made.days, expected.days, "{how}");
        assert_eq!(made.activity, expected.activity, "{how}");
        assert!(made == expected, "{how}: the tables differ");
    }
}
