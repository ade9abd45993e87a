//! `--devices`: the distinct `Mac` of each contract, against a plain count over the records.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use viewmart::month_file;

use crate::support::{Finished, Workplace, gzip, record};

const MONTH: &str = "month-2022-04.parquet";
const DEVICES: &str = "month-2022-04.devices";
const DATE: [&str; 2] = ["--etl-date", "2022-05-01"];

/// The devices of each contract.
type Pairs = BTreeMap<String, BTreeSet<String>>;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % end
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What a lake of five days must give: devices, the kept records that name one, and all that are kept.
#[derive(Default)]
struct Expected {
    pairs: Pairs,
    n_naming: u64,
    n_kept: u64,
}

/// Boxes with the usual address, and some with another one; the last is none.
fn device(numbers: &mut Numbers) -> String {
    match numbers.below(12) {
        0 => numbers.one_of(&["0c96e62fc55c", "0C96E62FC55C/40", "é", " ", "NULL", "a,\"b", "0C96E62F"]).to_owned(),
        1 => String::new(),
        _ => format!("0C96E62F{:04X}", numbers.below(300)),
    }
}

/// Files of NDJSON and CSV, plain and compressed, with records that are rejected among them.
fn write_lake(work: &Workplace, seed: u64) -> Expected {
    let (mut numbers, mut expected) = (Numbers(seed), Expected::default());
    for day in 1..=5 {
        let is_csv = day % 2 == 0;
        let mut text = if is_csv { "Mac,Contract,AppName,TotalDuration\n".to_owned() } else { String::new() };
        for _ in 0..400 {
            let contract = match numbers.below(20) {
                0 => format!("a long contract {}", numbers.below(20)),
                1 => String::new(),
                _ => format!("HN{:04}", numbers.below(150)),
            };
            let device = device(&mut numbers);
            let app = numbers.one_of(&["CHANNEL", "CHANNEL", "VOD", "NO SUCH APP"]);
            let seconds = if numbers.below(30) == 0 { -1 } else { numbers.below(80_000) as i64 };
            let field = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            text += &match is_csv {
                true => format!("{},{contract},{app},{seconds}\n", field(&device)),
                false => {
                    let source = serde_json::json!({
                        "Contract": contract, "Mac": device, "TotalDuration": seconds, "AppName": app
                    });
                    serde_json::json!({"_index": "history", "_source": source}).to_string() + "\n"
                }
            };
            if contract.is_empty() || app == "NO SUCH APP" || seconds < 0 {
                continue;
            }
            expected.n_kept += 1;
            let devices = expected.pairs.entry(contract).or_default();
            if !device.is_empty() {
                expected.n_naming += 1;
                devices.insert(device);
            }
        }
        let name = format!("lake/2022040{day}.{}", if is_csv { "csv" } else { "json" });
        match day {
            3 | 4 => work.write(&(name + ".gz"), gzip(text.as_bytes())),
            _ => work.write(&name, text),
        };
    }
    expected
}

fn run(work: &Workplace, arguments: &[&str], more: &[&str]) -> Finished {
    work.run(arguments.iter().chain(more).chain(&DATE))
}

fn transform(work: &Workplace, inputs: &[&str], out: &str, flags: &[&str]) {
    let more = [&["--out", out, "--max-reject-ratio", "1"], flags].concat();
    run(work, &[&["transform"], inputs].concat(), &more).ok();
}

/// The pairs in a file of devices, and whether all stands in order.
fn read_pairs(bytes: &[u8]) -> Pairs {
    let head = b"viewmart devices 1 2022-04\n";
    let mut pairs = Pairs::new();
    let mut reader = Reader(bytes.strip_prefix(head).unwrap());
    let mut order = Vec::new();
    while !reader.0.is_empty() {
        let contract = reader.text();
        let devices: Vec<String> = (0..reader.number()).map(|_| reader.text()).collect();
        assert!(devices.is_sorted_by(|a, b| a < b), "{devices:?}");
        order.push(contract.clone());
        pairs.insert(contract, devices.into_iter().collect());
    }
    assert!(order.is_sorted_by(|a, b| a < b), "{order:?}");
    pairs
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn number(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.0[0];
            self.0 = &self.0[1..];
            value |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn text(&mut self) -> String {
        let n_bytes = self.number();
        let (text, rest) = self.0.split_at(n_bytes);
        self.0 = rest;
        String::from_utf8(text.to_vec()).unwrap()
    }
}

#[test]
fn devices_are_those_of_a_plain_count_however_the_lake_is_cut() {
    for seed in 1..=3 {
        let work = Workplace::new();
        let expected = write_lake(&work, seed);
        transform(&work, &["lake"], "whole", &["--devices", "--threads", "1"]);
        let found = read_pairs(&work.read(&format!("whole/{DEVICES}")));
        let named: Pairs =
            expected.pairs.iter().filter(|(_, d)| !d.is_empty()).map(|(c, d)| (c.clone(), d.clone())).collect();
        assert_eq!(found, named, "seed {seed}");

        let mut table = month_file::read(&work.path(format!("whole/{MONTH}"))).unwrap();
        let devices = table.devices.take().unwrap();
        let counts: Vec<u32> = expected.pairs.values().map(|devices| devices.len() as u32).collect();
        assert!(table.contracts.iter().eq(expected.pairs.keys()), "seed {seed}");
        assert_eq!((devices.counts, devices.n_records), (counts, expected.n_naming), "seed {seed}");
        // Nothing else depends on the flag.
        transform(&work, &["lake"], "without", &[]);
        assert!(month_file::read(&work.path(format!("without/{MONTH}"))).unwrap() == table, "seed {seed}");
        assert!(!work.path(format!("without/{DEVICES}")).exists());

        let mut holders: BTreeMap<&String, u64> = BTreeMap::new();
        expected.pairs.values().flatten().for_each(|device| *holders.entry(device).or_default() += 1);
        let told = &work.read_json("whole/report.json")["devices"];
        let n_pairs: u64 = holders.values().sum();
        let n_moved = holders.values().filter(|n| **n > 1).count();
        let numbers = serde_json::json!({
            "devices": holders.len(), "moved": n_moved, "pairs": n_pairs, "records": expected.n_naming
        });
        assert_eq!(*told, numbers, "seed {seed}");

        let bytes = |out: &str| [MONTH, DEVICES].map(|name| work.read(&format!("{out}/{name}")));
        let whole = bytes("whole");
        transform(&work, &["lake"], "threads", &["--devices", "--threads", "3"]);
        assert!(bytes("threads") == whole, "seed {seed}");
        transform(&work, &["lake"], "unique", &["--devices", "--unique-ids"]);
        assert_eq!(work.read(&format!("unique/{DEVICES}")), whole[1], "seed {seed}");
        let day = |name: &str| {
            fs::read_dir(work.path("lake"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
                .unwrap()
        };
        let cuts: [&[&[u8]]; 3] = [&[&[1], &[2], &[3], &[4], &[5]], &[&[5, 2], &[1, 4, 3]], &[&[3], &[1, 2, 4, 5]]];
        for (number, cut) in cuts.into_iter().enumerate() {
            for (place, days) in cut.iter().enumerate() {
                let files: Vec<String> =
                    days.iter().map(|n| day(&format!("2022040{n}")).display().to_string()).collect();
                let files: Vec<&str> = files.iter().map(String::as_str).collect();
                transform(&work, &files, &format!("cut-{number}/{place}"), &["--devices"]);
            }
            let merged = format!("merged-{number}");
            run(
                &work,
                &["merge", &format!("cut-{number}"), "--devices"],
                &["--out", &merged, "--max-reject-ratio", "1"],
            )
            .ok();
            assert!(bytes(&merged) == whole, "seed {seed}, cut {number}");
            // A merge of one part, and of what was merged.
            run(&work, &["merge", &merged, "--devices"], &["--out", "again", "--max-reject-ratio", "1"]).ok();
            assert!(bytes("again") == whole, "seed {seed}, cut {number}");
        }
    }
}

/// A box of A is seen under B, C has none, D has three.
fn small_lake(work: &Workplace) {
    let of = |contract: &str, device: &str| record(contract, "VOD", 60).replace("0C96E62FC55C", device);
    work.write("lake/20220401.json", [of("A", "1"), of("B", "1"), of("C", ""), of("D", "2")].concat());
    work.write("lake/20220402.json", [of("A", "1"), of("D", "3"), of("D", "4"), of("D", "3")].concat());
}

#[test]
fn devices_reach_warehouse_mart_lists_and_questions_and_go_with_their_month() {
    let work = Workplace::new();
    small_lake(&work);
    let run_with = |flags: &[&str]| run(&work, &["run", "lake", "--out", "out"], flags).ok();
    let table = || work.rows("out/warehouse.db", "SELECT Contract, Devices FROM customer_devices ORDER BY 1").concat();
    let bands = || {
        let sql = "SELECT Band, Users, UserShare, Devices FROM device_distribution ORDER BY 1";
        work.rows("out/mart.db", sql).iter().map(|row| row.join(" ")).collect::<Vec<_>>()
    };
    let shown = run_with(&["--devices"]).stdout;
    assert!(shown.contains("devices    4, 1 of them of more than one contract; 1 record without\n"), "{shown}");
    assert_eq!(table(), ["A", "1", "B", "1", "C", "0", "D", "3"]);
    assert_eq!(bands(), ["0 1 0.25 0", "1 2 0.5 2", "3 1 0.25 3"]);

    let month = format!("out/{MONTH}");
    let ask = |arguments: &[&str]| work.run([&["audience", &month], arguments].concat());
    assert_eq!(ask(&["devices >= 3 or devices = 0", "--count"]).ok().stdout, "2\n");
    assert_eq!(
        ask(&["devices != 1", "--columns", "devices"]).ok().stdout,
        "Contract  Devices\nC               0\nD               3\n"
    );
    let header = ask(&["devices > 0", "--columns", "all", "--limit", "1"]).ok().stdout;
    assert!(header.lines().next().unwrap().ends_with("Devices"), "{header}");

    // A load brings them too, of one part and of several.
    transform(&work, &["lake/20220401.json"], "parts/1", &["--devices"]);
    transform(&work, &["lake/20220402.json"], "parts/2", &["--devices"]);
    for parts in [month.as_str(), "parts"] {
        let to = ["--warehouse", "sqlite:loaded.db"];
        run(&work, &["load", parts], &to).ok();
        let rows = work.rows("loaded.db", "SELECT SUM(Devices), COUNT(*) FROM customer_devices");
        assert_eq!(rows, [["5", "4"]], "{parts}");
    }
    assert_eq!(work.run(["diff", "parts", &month]).code, Some(0));
    let differs = work.run(["diff", "parts/1", &month, "--json"]).stdout;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&differs).unwrap()["changed_by_column"]["Devices"], 1);
    check_diff(&work, &month);

    // Up to date with the flag, as long as both files are there, to be made again without it, and then nothing is left.
    let planned = |flags: &[&str]| run_with(&[&["--month", "all", "--dry-run"], flags].concat()).stdout;
    assert!(planned(&["--devices"]).contains("up to date"), "{}", planned(&["--devices"]));
    let pairs = work.read(&format!("out/{DEVICES}"));
    fs::remove_file(work.path(format!("out/{DEVICES}"))).unwrap();
    run_with(&["--month", "all", "--devices"]);
    assert!(work.read(&format!("out/{DEVICES}")) == pairs);
    assert_eq!(work.rows("out/warehouse.db", "SELECT COUNT(*) FROM etl_run"), [["1"]]);
    assert!(planned(&[]).contains("rules changed"), "{}", planned(&[]));
    run_with(&[]);
    assert!(table().is_empty() && bands().is_empty());
    assert!(!work.path(format!("out/{DEVICES}")).exists());
    ask(&["devices >= 3"]).failed(2, &["the devices of 2022-04 were not counted", "--devices"]);
    ask(&["tv or movie", "--columns", "Devices"]).failed(2, &["the devices of 2022-04 were not counted"]);

    run_with(&["--devices"]);
    work.run(["drop", "--month", "2022-04", "--out", "out"]).ok();
    assert!(table().is_empty() && bands().is_empty());
}

/// Devices are compared wherever both sides count them, and else it is said that they are not.
fn check_diff(work: &Workplace, month: &str) {
    let one_less = work.path("less.db");
    fs::copy(work.path("out/warehouse.db"), &one_less).unwrap();
    let less = rusqlite::Connection::open(one_less).unwrap();
    less.execute("UPDATE customer_devices SET Devices = 2 WHERE Contract = 'D'", []).unwrap();
    drop(less);
    transform(work, &["lake"], "bare", &[]);
    let bare = format!("bare/{MONTH}");
    let [whole, less] = ["sqlite:out/warehouse.db#2022-04", "sqlite:less.db#2022-04"];
    let check = |a: &str, b: &str, code: i32, devices: &str, changed: Option<u64>, line: &str| {
        let found = work.run(["diff", a, b, "--json"]);
        assert_eq!(found.code, Some(code), "{a} {b}: {found:?}");
        let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
        let n_changed = found["changed_by_column"]["Devices"].as_u64();
        assert_eq!((found["devices"].as_str(), n_changed), (Some(devices), changed), "{a} {b}");
        let shown = work.run(["diff", a, b]).stdout;
        assert!(shown.contains(line), "{shown}");
    };
    check(whole, month, 0, "compared", Some(0), "they are equal");
    check(whole, less, 7, "compared", Some(1), "1 in Devices");
    check(month, less, 7, "compared", Some(1), "1 in Devices");
    check(month, &bare, 0, "only_in_a", None, "devices are not compared: A alone counts them");
    check(&bare, whole, 0, "only_in_b", None, "devices are not compared: B alone counts them");
    check(&bare, &bare, 0, "not_counted", None, "they are equal");
}

#[test]
fn an_audience_that_asks_for_devices_which_were_not_counted_is_a_warning() {
    let work = Workplace::new();
    small_lake(&work);
    work.write("mine.toml", "[boxes]\nexpression = 'tv or devices >= 3'\n");
    let run_with = |flags: &[&str]| run(&work, &["run", "lake", "--out", "out", "--audiences", "mine.toml"], flags);
    let warning = "audience boxes is left out: the devices of 2022-04 were not counted";
    run_with(&["--deny-warnings"]).failed(4, &[warning]);
    let finished = run_with(&[]).ok();
    assert_eq!(finished.stderr.matches(warning).count(), 1, "{}", finished.stderr);
    assert_eq!(work.read_json("out/report.json")["warnings"], serde_json::json!([warning]));
    let kept = "SELECT Kind, Text FROM etl_run_warning JOIN etl_run_published ON Run = Id";
    assert_eq!(work.rows("out/warehouse.db", kept), [["audience", warning]]);
    run_with(&["--deny-warnings", "--devices"]).ok();
    let sizes = work.rows("out/mart.db", "SELECT Users FROM audience_size WHERE Audience = 'boxes'");
    assert_eq!(sizes, [["1"]]);
    let load = ["load", "out", "--warehouse", "sqlite:w.db", "--audiences", "mine.toml", "--deny-warnings"];
    work.run(load).ok();
    transform(&work, &["lake"], "bare", &[]);
    work.run(["load", "bare"].iter().chain(&load[2..])).failed(4, &[warning]);
}

#[test]
fn of_records_with_one_id_the_first_names_the_device() {
    let work = Workplace::new();
    let of = |id: &str, device: &str| {
        record("A", "VOD", 60).replace("0C96E62FC55C", device).replace("AX_momhia1FFivsGrn9o", id)
    };
    work.write("lake/20220401.json", [of("1", "X"), of("1", "Y"), of("2", "Z")].concat());
    for (flags, expected) in [(&["--devices"][..], "3"), (&["--devices", "--unique-ids"], "2")] {
        run(&work, &["run", "lake", "--out", "out"], &[flags, &["--max-reject-ratio", "1"]].concat()).ok();
        assert_eq!(work.rows("out/warehouse.db", "SELECT Devices FROM customer_devices"), [[expected]]);
    }
}

#[test]
fn what_does_not_belong_to_devices_is_refused() {
    let work = Workplace::new();
    small_lake(&work);
    for (day, with) in [("1", true), ("1", false), ("2", true), ("2", false)] {
        let out = format!("{day}-{}", if with { "with" } else { "without" });
        transform(&work, &[&format!("lake/2022040{day}.json")], &out, if with { &["--devices"] } else { &[] });
    }
    let merge = |parts: &[&str], flags: &[&str]| {
        run(&work, &[&["merge"], parts].concat(), &[&["--out", "out"], flags].concat())
    };
    let refused = |parts: &[&str], flags: &[&str], code: i32, words: &[&str]| {
        let finished = merge(parts, flags);
        finished.failed(code, words);
        finished.failed(code, &["next:"]);
        assert!([MONTH, DEVICES].iter().all(|name| !work.path(format!("out/{name}")).exists()));
    };
    for flags in [&[][..], &["--devices"]] {
        refused(&["1-with", "2-without"], flags, 4, &["1-with", "2-without", "the devices of the first were counted"]);
    }
    refused(&["1-without", "2-without"], &["--devices"], 2, &["its devices were not counted"]);

    // The file beside: of another month file, cut short, changed, with more after, no such file, gone.
    let path = work.path(format!("1-with/{DEVICES}"));
    let good = fs::read(&path).unwrap();
    let other = work.read(&format!("2-with/{DEVICES}"));
    let at = good.windows(2).position(|pair| pair == [1, b'2']).unwrap() + 1;
    let mut changed = good.clone();
    changed[at] = b'9';
    let cases: [(&[u8], &str); 7] = [
        (&other, "other devices than the month file beside it counts"),
        (&good[..good.len() - 1], "it ends too soon"),
        (&good[..30], "it ends too soon"),
        (&changed, "does not belong to the month file"),
        (&[&good[..], &[1, b'Z', 1, 1, b'1']].concat(), "does not belong to the month file"),
        (b"", "it ends too soon"),
        (b"viewmart devices 1 2022-05\n", "does not begin as the file of devices of that month"),
    ];
    for (content, word) in cases {
        fs::write(&path, content).unwrap();
        refused(&["1-with", "2-with"], &["--devices"], 4, &["1-with/month-2022-04.devices", word, "--devices"]);
    }
    fs::remove_file(&path).unwrap();
    refused(&["1-with", "2-with"], &["--devices"], 4, &["month-2022-04.devices, which is not there"]);
    // One part by itself needs no names, and a merge that leaves them out neither.
    run(&work, &["load", "1-with"], &["--warehouse", "sqlite:w.db"]).ok();
    let said = merge(&["1-with", "2-with"], &[]).ok().stderr;
    assert!(said.contains("the devices that the parts count are left out; --devices keeps them"), "{said}");
    assert!(!work.path(format!("out/{DEVICES}")).exists());
    merge(&["1-without", "2-without"], &[]).ok();

    let plan = work.run(["plan", "lake", "--quiet"]).ok().stdout;
    work.run(["plan", "lake", "--devices"]).failed(2, &["--devices"]);
    fs::write(work.path("viewmart.toml"), "devices = true\n").unwrap();
    for command in [&["plan", "lake"][..], &["scan", "--task", plan.lines().next().unwrap(), "--out", "t.parquet"]] {
        work.run(command).failed(2, &["`devices` does not work with the tasks of a plan", "viewmart merge --devices"]);
    }
}
