//! One month, laid out in every way a lake may be: always the same rows.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::{Finished, Workplace, gzip, record, zstd};

const APPS: [&str; 4] = ["CHANNEL", "VOD", "CHILD", "RELAX"];

/// Two days in three parts, and their content as NDJSON.
fn parts() -> [(&'static str, String); 3] {
    let part = |seed: usize| {
        (0..50)
            .map(|n| record(&format!("C{:03}", (n * 7 + seed) % 40), APPS[(n + seed) % 4], (n * 13 + seed) as i64))
            .collect()
    };
    [("2022-04-01", part(1)), ("2022-04-01", part(2)), ("2022-04-02", part(3))]
}

/// The rows that the binary makes of `inputs`, and the month file, which also says of which bytes they were made.
fn month(work: &Workplace, inputs: &[&str]) -> (Vec<Vec<String>>, Vec<u8>) {
    let of = |command| [&[command], inputs, &["--etl-date", "2022-05-01", "--quiet"]].concat();
    work.run(of("transform")).ok();
    work.run(of("run")).ok();
    let mut rows = work.rows("viewmart-out/warehouse.db", "SELECT * FROM customer_behavior");
    rows.extend(work.rows("viewmart-out/warehouse.db", "SELECT * FROM daily_activity"));
    (rows, work.read("viewmart-out/month-2022-04.parquet"))
}

#[test]
fn the_layout_of_a_lake_changes_nothing() {
    let work = Workplace::new();
    for (n, (day, content)) in parts().iter().enumerate() {
        let compact = day.replace('-', "");
        let (first, second) = content.split_at(content.find('\n').unwrap() + 1);
        work.write(format!("plain/{compact}-{n}.json").as_str(), content);
        work.write(format!("folders/day={day}/hour={n}/part.ndjson").as_str(), content);
        work.write(
            format!("compressed/log_{day}_{n}.json.gz").as_str(),
            [gzip(first.as_bytes()), gzip(second.as_bytes())].concat(),
        );
        work.write(
            format!("frames/log_{day}_{n}.jsonl.zst").as_str(),
            [zstd(first.as_bytes()), zstd(second.as_bytes())].concat(),
        );
        work.write(
            format!("mixed/{compact}_{n}.json{}", ["", ".gz", ".zst"][n]).as_str(),
            match n {
                0 => content.clone().into_bytes(),
                1 => gzip(content.as_bytes()),
                _ => zstd(content.as_bytes()),
            },
        );
    }
    for name in ["plain/_SUCCESS", "plain/.x.json", "plain/20220401.json.crc", "folders/_temporary/x", "folders/a.tmp"]
    {
        work.write(name, "not data");
    }
    symlink("..", work.path("folders/day=2022-04-01/up")).unwrap();
    let (rows, file) = month(&work, &["plain"]);
    assert_eq!(rows.len(), 40 + 2);
    let check = |inputs: &[&str]| assert!(month(&work, inputs) == (rows.clone(), file.clone()), "{inputs:?}");
    let check_rows = |inputs: &[&str]| assert_eq!(month(&work, inputs).0, rows, "{inputs:?}");
    check_rows(&["folders"]);
    check_rows(&["compressed"]);
    check_rows(&["frames"]);
    check_rows(&["mixed"]);
    check(&["plain/2022*.json"]);
    check(&["plain", "plain/20220401-0.json", "./plain/../plain"]);
    check(&["plain/20220402-2.json", "plain/20220401-?.json"]);
    check(&[&format!("file://{}", work.path("plain").display())]);
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_stops_the_run() {
    let content = record("C1", "CHANNEL", 1).repeat(500);
    let (gz, zst) = (gzip(content.as_bytes()), zstd(content.as_bytes()));
    let mut flipped = gz.clone();
    let last = flipped.len() - 6; // In the checksum.
    flipped[last] ^= 1;
    let check = |name: &str, bytes: &[u8], words: &[&str]| {
        let work = Workplace::new();
        work.write(&format!("lake/{name}"), bytes);
        work.run(["run", "lake"]).failed(3, words);
        assert!(!work.path("viewmart-out/report.json").exists(), "{name}");
        assert_eq!(work.rows("viewmart-out/warehouse.db", "SELECT count(*) FROM customer_behavior"), [["0"]], "{name}");
    };
    check("20220401.json.gz", &gz[..gz.len() - 1], &["lake/20220401.json.gz", "ends too early"]);
    check("20220401.json.gz", &gz[..gz.len() / 2], &["lake/20220401.json.gz", "ends too early"]);
    check("20220401.json.gz", &flipped, &["lake/20220401.json.gz", "is damaged"]);
    check("20220401.json.gz", &[&gz[..], b"more"].concat(), &["lake/20220401.json.gz"]);
    check("20220401.json.zst", &zst[..zst.len() - 1], &["lake/20220401.json.zst", "ends too early"]);
    check("20220401.json.gz", &[1; 40], &["lake/20220401.json.gz", "is damaged"]);
    check("20220401.json.gz", &gzip(&gz), &["lake/20220401.json.gz", "compressed twice"]);
    check("20220401.json.gz", b"", &["lake/20220401.json.gz", "the file is empty"]);
}

#[test]
fn an_ordinary_user_may_run_it_all() {
    let work = Workplace::new();
    work.write("lake/20220401.json", record("C1", "CHANNEL", 1));
    work.run_as_ordinary_user(["run", "lake"]).ok();
    work.run_as_ordinary_user(["run", "lake"]).ok();
    // What that user may not read is an error that says so, and how to go on.
    let path = work.path("lake/20220401.json");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    work.run_as_ordinary_user(["run", "lake"]).failed(3, &["lake/20220401.json", "denied", "next: "]);
}

#[test]
fn the_doctor_makes_no_cache_for_a_remote_lake() {
    let work = Workplace::new();
    let check = |cache: &str, word: &str| {
        let found = work.run(["doctor", "hdfs://127.0.0.1:1/log", "--cache", cache]);
        assert_eq!(found.code, Some(3), "{}{}", found.stdout, found.stderr);
        assert!(found.stdout.contains(word), "{}", found.stdout);
    };
    check("cache", "127.0.0.1:1");
    assert!(!work.path("cache").exists());
    work.write("file", "");
    check("file/cache", "making the cache folder");
}

#[test]
fn a_lake_may_hold_the_output_and_be_it() {
    let work = Workplace::new();
    for out in ["lake/deep/out", "lake"] {
        work.write("lake/20220401.json", record("C1", "CHANNEL", 5) + &record("C2", "NO SUCH APP", 5) + "no JSON\n");
        let arguments =
            ["run", "lake", "--out", out, "--etl-date", "2022-05-01", "--max-reject-ratio", "0.9", "--quiet"];
        let mut rejects = Vec::new();
        for _ in 0..2 {
            work.run(arguments).ok();
            rejects.push(work.read(&format!("{out}/rejects.ndjson")));
        }
        assert!(!rejects[0].is_empty() && rejects[0] == rejects[1], "{out}");
    }
}

/// `command` with so many descriptors.
fn with_descriptors(command: &Command, n: u32) -> Command {
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {n}; exec \"$0\" \"$@\"")]).arg(command.get_program());
    limited.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

#[test]
fn an_error_ends_a_run_of_many_files_at_once() {
    let work = Workplace::new();
    for n in 0..200 {
        let header = if n == 0 { "Kontrakt" } else { "Contract" };
        let name = format!("lake/202204{:02}/part-{n:03}.csv", n * 30 / 200 + 1);
        work.write(&name, format!("{header},AppName,TotalDuration\nC{n},VOD,{n}\n"));
    }
    let finished = Finished::in_time(work.command(["transform", "lake", "--threads", "2"]));
    finished.failed(4, &["lake/20220401/part-000.csv", "no column Contract"]);
}

#[test]
fn a_lake_of_more_files_than_descriptors_is_read_and_its_first_error_told() {
    let work = Workplace::new();
    let name = |n: usize| format!("lake/202204{:02}/part-{n:04}.json", n / 50 + 1);
    for n in 0..1500 {
        let content = record(&format!("C{n}"), "VOD", n as i64);
        match n % 3 {
            0 => work.write(&format!("{}.gz", name(n)), gzip(content.as_bytes())),
            _ => work.write(&name(n), content),
        };
    }
    let command = work.command(["transform", "lake", "--threads", "2", "--json"]);
    let finished = Finished::in_time(with_descriptors(&command, 256)).ok();
    let report: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["input"]["files"], &report["records"]["kept"]), (&1500.into(), &1500.into()));
    for n in [3, 900] {
        work.write(&format!("{}.gz", name(n)), b"\x1f\x8bno gzip");
    }
    let command = work.command(["transform", "lake", "--threads", "2"]);
    Finished::in_time(with_descriptors(&command, 256)).failed(3, &["lake/20220401/part-0003.json.gz", "gzip stream"]);
}
