//! Lakes of many files, and files that cannot be read: what the stage from files to columns does with them.

use std::process::Command;

use crate::support::{Finished, Workplace, gzip, record, zstd};

#[test]
fn an_error_with_many_files_to_come_ends_the_run() {
    let work = Workplace::new();
    for file in 0..200 {
        let header = if file == 0 { "Kontrakt" } else { "Contract" };
        work.write(
            &format!("lake/2022-04-01/{file:03}.csv"),
            format!("{header},AppName,TotalDuration\nA{file},VOD,1\n"),
        );
    }
    for threads in ["1", "2", "8"] {
        let found = Finished::in_time(work.command(["transform", "lake", "--threads", threads]));
        found.failed(4, &["000.csv", "Contract", "Kontrakt"]);
    }
}

#[test]
fn a_lake_of_many_files_needs_few_descriptors_and_little_memory() {
    let work = Workplace::new();
    for file in 0..1500 {
        let line = record(&format!("A{file}"), "VOD", 1);
        let csv = format!("Contract,AppName,TotalDuration\nA{file},VOD,1\n");
        let name = |ending: &str| format!("lake/2022-04-01/{file:04}.{ending}");
        match file % 4 {
            0 => work.write(&name("json"), line),
            1 => work.write(&name("json.gz"), gzip(line.as_bytes())),
            2 => work.write(&name("csv"), csv),
            _ => work.write(&name("csv.zst"), zstd(csv.as_bytes())),
        };
    }
    let plain = work.command(["transform", "lake", "--threads", "8"]);
    let mut limited = Command::new("sh");
    limited.current_dir(plain.get_current_dir().unwrap());
    limited.args(["-c", "ulimit -n 256 && exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    Finished::in_time(limited).ok();
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!((report["records"]["kept"].as_u64(), report["contracts"].as_u64()), (Some(1500), Some(1500)));
    let peak_mib = report["peak_rss_bytes"].as_u64().unwrap() >> 20;
    assert!(peak_mib < 250, "{peak_mib} MiB");
}

#[test]
fn rejects_of_two_files_with_one_readable_name_are_all_written() {
    use std::os::unix::ffi::OsStrExt;
    let work = Workplace::new();
    work.write("lake/20220401.json", record("A", "VOD", 1));
    for name in [b"lake/20220402-\xff.json", b"lake/20220402-\xfe.json"] {
        let path = work.path(std::ffi::OsStr::from_bytes(name));
        std::fs::write(path, "no record\n").unwrap();
    }
    work.run(["transform", "lake", "--max-reject-ratio", "1"]).ok();
    assert_eq!(work.read_text("viewmart-out/rejects.ndjson").lines().count(), 2);
}
