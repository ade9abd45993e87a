//! Made months, against the numbers that they are made by.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;

use super::calibration::App;
use super::line::{Contract, Record};
use super::*;
use crate::advice::Advice;

fn options(out: &Path, n_contracts: u64) -> GenerateOptions {
    GenerateOptions { n_contracts, n_threads: 2, ..GenerateOptions::new(out).unwrap() }
}

fn make(options: &GenerateOptions) -> GenerateSummary {
    generate(options, &Progress::hidden()).unwrap()
}

/// Decompressed content of every file by name without compression.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let compressed = fs::read(&path).unwrap();
        let mut bytes = Vec::new();
        let name = if let Some(name) = name.strip_suffix(".gz") {
            flate2::read::MultiGzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
            name.to_owned()
        } else if let Some(name) = name.strip_suffix(".zst") {
            bytes = zstd::decode_all(compressed.as_slice()).unwrap();
            name.to_owned()
        } else {
            bytes = compressed;
            name
        };
        contents.insert(name, bytes);
    }
    contents
}

/// All records of a month by day, without files.
fn records(options: &GenerateOptions) -> Vec<Vec<Record>> {
    let population = Population::new(options.seed, options.n_contracts, options.month.n_days());
    let mut month = Vec::new();
    for day in options.month.days() {
        let mut records = Vec::new();
        let plan = DayPlan::new(options, &population, day);
        plan.for_each(|record| {
            records.push(*record);
            Ok::<(), ()>(())
        })
        .unwrap();
        month.push(records);
    }
    month
}

fn code(record: &Record) -> Option<String> {
    match record.contract {
        Contract::Code(code) => Some(String::from_utf8(code.as_bytes().to_vec()).unwrap()),
        _ => None,
    }
}

#[test]
fn the_sample_is_what_this_code_makes() {
    let folder = tempfile::tempdir().unwrap();
    let summary = make(&GenerateOptions { compression: Compression::Gzip, ..options(folder.path(), 3_000) });
    let committed = contents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample"));
    assert!(contents(folder.path()) == committed, "data/sample differs: make it again as data/README.md says");
    assert_eq!((summary.files.len(), summary.n_records), (30, 75_357));
    assert_eq!(committed.values().map(|bytes| bytes.len() as u64).sum::<u64>(), summary.n_bytes);
    assert!(summary.n_stored_bytes < 3_000_000);
}

#[test]
fn bytes_depend_on_the_seed_alone() {
    let reference = tempfile::tempdir().unwrap();
    make(&GenerateOptions { n_threads: 1, ..options(reference.path(), 500) });
    let reference = contents(reference.path());
    let check = |change: &dyn Fn(&mut GenerateOptions), same: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), 500);
        change(&mut options);
        make(&options);
        for (name, bytes) in contents(folder.path()) {
            assert_eq!(reference[&name] == bytes, same, "{name} {options:?}");
        }
    };
    check(&|o| o.n_threads = 8, true);
    check(&|o| o.n_days = Some(3), true);
    check(&|o| o.compression = Compression::Gzip, true);
    check(&|o| o.compression = Compression::Zstd, true);
    check(&|o| o.seed = 2, false);
    check(&|o| o.n_contracts = 501, false);
}

#[test]
fn csv_and_json_say_the_same() {
    let (json, csv) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make(&options(json.path(), 200));
    make(&GenerateOptions { format: Format::Csv, ..options(csv.path(), 200) });
    let csv = contents(csv.path());
    for (name, bytes) in contents(json.path()) {
        let table = String::from_utf8(csv[&name.replace(".json", ".csv")].clone()).unwrap();
        let mut lines = table.lines();
        let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
        assert_eq!(columns.len(), 8);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count() + 1, table.lines().count(), "{name}");
        for (object, line) in text.lines().zip(lines) {
            let object: serde_json::Value = serde_json::from_str(object).unwrap();
            let fields: HashMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
            for (column, field) in &fields {
                let value = match column.strip_prefix("_source.") {
                    Some(key) => &object["_source"][key],
                    None => &object[*column],
                };
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(*field, value.replace("null", ""), "{name} {line}");
            }
            assert_eq!(fields["_type"], fields["_source.AppName"].to_lowercase());
        }
    }
}

#[test]
fn ids_never_repeat_and_both_key_orders_occur() {
    let folder = tempfile::tempdir().unwrap();
    let summary = make(&options(folder.path(), 300));
    let (mut ids, mut orders) = (HashSet::new(), Vec::new());
    for (_, bytes) in contents(folder.path()) {
        let text = String::from_utf8(bytes).unwrap();
        let mut of_day = BTreeSet::new();
        for line in text.lines() {
            let id = line.split(r#""_id":""#).nth(1).unwrap().split('"').next().unwrap();
            assert_eq!(id.len(), 20);
            ids.insert(id.to_owned());
            of_day.insert(line.find("TotalDuration") < line.find("AppName"));
        }
        assert_eq!(of_day.len(), 1, "an order is constant within a day");
        orders.extend(of_day);
    }
    assert_eq!(ids.len() as u64, summary.n_records);
    assert_eq!(orders.iter().filter(|duration_first| **duration_first).count(), 16);
}

#[test]
fn faults_are_those_of_a_real_month() {
    let folder = Path::new("unused");
    let month = records(&options(folder, 3_000));
    let all = || month.iter().flatten();
    assert_eq!(all().count(), 75_357);
    let count = |what: &dyn Fn(&Record) -> bool| all().filter(|record| what(record)).count();
    assert_eq!(count(&|r| code(r).is_none()), 6);
    assert_eq!(count(&|r| r.contract == Contract::Empty), 2);
    assert_eq!(count(&|r| r.contract == Contract::Null), 2);
    assert_eq!(count(&|r| r.app == App::Unknown && code(r).is_some()), 3);
    assert_eq!(count(&|r| r.app == App::Unknown), 4);
    assert_eq!(count(&|r| r.app == App::Bhd), 1);
    assert_eq!(all().map(|r| r.seconds).min(), Some(-889_575_165));
    assert_eq!(count(&|r| r.seconds < -3_600), 4);
    assert_eq!(count(&|r| r.seconds > 86_400), 0);
    assert!(count(&|r| r.seconds < 0) > 4);

    let clean = records(&GenerateOptions { dirt: Dirt::Clean, ..options(folder, 3_000) });
    let faulty = |r: &Record| {
        code(r).is_none() || r.app == App::Unknown || !(0..=86_400).contains(&r.seconds) || !r.mac.suffix.is_empty()
    };
    assert_eq!(clean.iter().flatten().filter(|record| faulty(record)).count(), 0);
}

#[test]
fn shares_are_those_of_a_real_month() {
    let month = records(&options(Path::new("unused"), 20_000));
    let n_records = month.iter().map(Vec::len).sum::<usize>() as f64;
    let all = || month.iter().flatten();
    let near = |what: &str, drawn: f64, real: f64, tolerance: f64| {
        assert!((drawn - real).abs() <= tolerance, "{what}: {drawn}, should be {real} within {tolerance}");
    };
    let share = |what: &dyn Fn(&Record) -> bool| all().filter(|record| what(record)).count() as f64 / n_records;
    near("records per contract and day", n_records / 20_000.0 / 30.0, 0.841, 0.01);
    for (app, real) in [
        (App::Channel, 0.9028),
        (App::Vod, 0.0517),
        (App::Child, 0.0208),
        (App::Kplus, 0.0176),
        (App::Relax, 0.0044),
        (App::Sport, 0.0020),
        (App::Fims, 0.0007),
    ] {
        near(app.name(), share(&|r| r.app == app), real, real * 0.05 + 0.0008);
    }
    near("a whole day", share(&|r| r.seconds == 86_400), 0.025, 0.003);
    near("zero or less", share(&|r| r.seconds <= 0), 0.0015, 0.0003);

    let quantile = |app: Option<App>, at: f64| {
        let mut seconds: Vec<i64> = all().filter(|r| app.is_none_or(|app| r.app == app)).map(|r| r.seconds).collect();
        let place = (seconds.len() as f64 * at) as usize;
        *seconds.select_nth_unstable(place).1 as f64
    };
    for (app, at, real) in [
        (None, 0.25, 1_028.0),
        (None, 0.50, 6_702.0),
        (None, 0.75, 18_322.0),
        (None, 0.95, 76_609.0),
        (Some(App::Channel), 0.50, 7_233.0),
        (Some(App::Channel), 0.95, 74_075.0),
        (Some(App::Vod), 0.50, 4_263.0),
        (Some(App::Vod), 0.95, 23_766.0),
    ] {
        near(&format!("{app:?} quantile {at}"), quantile(app, at), real, real * 0.12);
    }

    let mut contracts: HashMap<String, u32> = HashMap::new();
    let mut device_days = HashSet::new();
    let (mut unassigned, mut unassigned_macs, mut sum) = (0, HashSet::new(), 0);
    for (day, records) in month.iter().enumerate() {
        for record in records {
            let Some(code) = code(record) else { continue };
            if code == "0" {
                unassigned_macs.insert(record.mac.as_bytes().to_vec());
                unassigned += record.seconds;
            }
            sum += record.seconds.max(0);
            device_days.insert((code.clone(), record.mac.as_bytes().to_vec(), day));
            *contracts.entry(code).or_default() |= 1 << day;
        }
    }
    for (days, real) in [(1..=6, 0.1618), (7..=13, 0.1071), (14..=20, 0.1126), (21..=30, 0.6185)] {
        let n = contracts.values().filter(|active| days.contains(&active.count_ones())).count();
        near(&format!("{days:?} active days"), n as f64 / contracts.len() as f64, real, 0.01);
    }
    near("records per device and day", n_records / device_days.len() as f64, 1.11, 0.01);
    near("seconds under contract 0", unassigned as f64 / sum as f64, 0.02, 0.002);
    near("devices under contract 0", unassigned_macs.len() as f64 / 20_000.0, 0.186, 0.03);
}

#[test]
fn files_begin_with_a_run_of_one_app() {
    for day in records(&options(Path::new("unused"), 3_000)) {
        let head = &day[..60];
        assert!(head.iter().all(|record| record.app == App::Channel));
        assert!(head.is_sorted_by_key(|record| record.seconds));
    }
}

#[test]
fn wrong_numbers_and_folders_are_refused() {
    let check = |change: &dyn Fn(&mut GenerateOptions), what: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), 10);
        change(&mut options);
        let error = generate(&options, &Progress::hidden()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.advice().is_some(), "{error}");
        assert!(fs::read_dir(folder.path()).unwrap().flatten().all(|e| e.path().is_file()), "{error}");
    };
    check(&|o| o.n_contracts = 0, "0 contracts: a month has 1 to 100000000");
    check(&|o| o.n_contracts = MAX_CONTRACTS + 1, "100000001 contracts");
    check(&|o| o.month = Month::new(1899, 12).unwrap(), "no lake has a month 1899-12: the years are 1900 to 2199");
    check(&|o| o.month = Month::new(2200, 1).unwrap(), "2200-01");
    check(&|o| o.n_days = Some(0), "0 days: 2022-04 has 1 to 30");
    check(&|o| o.n_days = Some(31), "31 days: 2022-04 has 1 to 30");
    check(&|o| fs::write(o.out.join("20220401.csv"), "").unwrap(), "already holds the data file 20220401.csv");
    check(&|o| fs::write(o.out.join("20220501.json.gz"), "").unwrap(), "already holds the data file");
    check(
        &|o| {
            fs::write(o.out.join("file"), "").unwrap();
            o.out.push("file");
        },
        "creating the folder failed",
    );
}

#[test]
fn a_folder_is_made_anew_in_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("20220401.json"), "old").unwrap();
    fs::set_permissions(folder.path().join("20220401.json"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(folder.path().join("notes.txt"), "kept").unwrap();
    fs::write(folder.path().join(".viewmart-part-dead"), "half a day of a run that was killed").unwrap();
    make(&GenerateOptions { n_days: Some(2), ..options(folder.path(), 10) });
    let made = contents(folder.path());
    assert_eq!(made.keys().map(String::as_str).collect::<Vec<_>>(), ["20220401.json", "20220402.json", "notes.txt"]);
    assert!(made["20220401.json"].starts_with(b"{\"_index\""));
    let mode = fs::metadata(folder.path().join("20220401.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    make(&GenerateOptions { n_contracts: 1, n_days: Some(2), ..options(folder.path(), 1) });
}
