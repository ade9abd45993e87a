//! What may not be read, leads nowhere or has a name that is no text: told, never skipped silently.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::real_months::{all, in_order, json_name, ndjson};
use crate::support::ordinary::as_ordinary_user;
use crate::support::{Finished, Workplace};

/// What a run must end with, and words of its messages in order; without a word no message at all.
#[track_caller]
fn check(what: &str, write: impl FnOnce(&Workplace), code: i32, words: &[&str]) {
    check_with(what, write, &[], code, words);
}

#[track_caller]
fn check_with(what: &str, write: impl FnOnce(&Workplace), flags: &[&str], code: i32, words: &[&str]) {
    let work = Workplace::new();
    all(&work, ndjson);
    let run = ["run", "lake", "--quiet", "--etl-date", "2022-05-01"];
    let command = work.command_as_ordinary_user([&run, flags].concat());
    write(&work);
    let finished = Finished::of({ command }.output().unwrap());
    assert_eq!(finished.code, Some(code), "{what}: {}", finished.stderr);
    match words {
        [] => assert_eq!(finished.stderr, "", "{what}"),
        words => in_order(what, &finished.stderr, words),
    }
    if code == 0 {
        let report = work.read_json("viewmart-out/report.json");
        assert_eq!(report["records"]["kept"], 300, "{what}");
        assert_ne!(report["input"]["skipped_files"], 0, "{what}");
    }
    // So that it can be removed.
    for name in ["lake/lost+found", "lake/day=2022-04-05", "lake/05"] {
        if work.path(name).exists() {
            fs::set_permissions(work.path(name), Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn closed_folder(work: &Workplace, name: &str) {
    fs::create_dir(work.path(name)).unwrap();
    fs::set_permissions(work.path(name), Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn what_may_not_be_read_is_told() {
    let words = ["warning: lake/lost+found was left out: this user may not list this folder"];
    check("a folder without a day", |work| closed_folder(work, "lake/lost+found"), 0, &words);
    let words = ["lake/day=2022-04-05: listing this folder failed: Permission denied", "next: grant this user"];
    check("a folder of a day", |work| closed_folder(work, "lake/day=2022-04-05"), 3, &words);
    let flags = ["--month", "2022-04", "--day-pattern", "{DD}/*"];
    let of_pattern = |work: &Workplace| {
        (1..=30).for_each(|day| fs::remove_file(work.path("lake").join(json_name(day))).unwrap());
        (1..=30)
            .filter(|day| *day != 5)
            .for_each(|day| drop(work.write(&format!("lake/{day:02}/x.json"), ndjson(day))));
        closed_folder(work, "lake/05");
    };
    let words = ["lake/05: listing this folder failed: Permission denied"];
    check_with("a folder of a day by its pattern", of_pattern, &flags, 3, &words);
    let flags = ["--month", "2022-04", "--day-pattern", "{DD}/*.json"];
    check_with("a pattern with an ending", of_pattern, &flags, 3, &words);
    let file = |work: &Workplace| {
        fs::set_permissions(work.path("lake").join(json_name(5)), Permissions::from_mode(0o000)).unwrap();
    };
    check("a file", file, 3, &["lake/20220405.json: opening it failed: Permission denied", "next: grant this user"]);
    let other = |work: &Workplace| {
        work.write("lake/README.md", "x");
        fs::set_permissions(work.path("lake/README.md"), Permissions::from_mode(0o000)).unwrap();
    };
    check("a file that is no data", other, 0, &[]);
}

/// The data of a command, not one of its outputs.
#[test]
fn a_month_file_that_may_not_be_read_is_told() {
    let work = Workplace::new();
    all(&work, ndjson);
    work.run(["transform", "lake", "--quiet", "--out", "made"]).ok();
    fs::rename(work.path("made/month-2022-04.parquet"), work.path("m.parquet")).unwrap();
    fs::set_permissions(work.path("m.parquet"), Permissions::from_mode(0o000)).unwrap();
    let commands =
        [vec!["load", "m.parquet"], vec!["merge", "m.parquet", "--out", "merged"], vec!["audience", "m.parquet", "tv"]];
    for words in commands {
        let finished = Finished::of(work.command_as_ordinary_user(&words).output().unwrap());
        assert_eq!(finished.code, Some(4), "{words:?}: {}", finished.stderr);
        let expected = ["m.parquet: reading the month file failed: Permission denied", "next: grant this user read"];
        in_order(words[0], &finished.stderr, &expected);
    }
}

/// Neither what was typed nor what was read is at fault.
#[test]
fn threads_that_this_user_may_not_start_are_told() {
    let work = Workplace::new();
    all(&work, ndjson);
    let plain = work.command_as_ordinary_user(["transform", "lake", "--quiet", "--threads", "1000"]);
    let mut limited = Command::new("prlimit");
    limited.arg("--nproc=500").arg(plain.get_program()).args(plain.get_args()).current_dir(work.path(""));
    let finished = Finished::of(as_ordinary_user(&mut limited).output().unwrap());
    finished.failed(1, &["cannot start 1000 threads", "next: lower --threads, or raise the limit"]);
}

#[test]
fn links_that_lead_nowhere_are_told() {
    let link = |to: &'static str, name: &'static str| {
        move |work: &Workplace| symlink(to, work.path("lake").join(name)).unwrap()
    };
    let words = ["lake/20220405-2.json: is a link to a file that does not exist", "next: repair or remove the link"];
    check("to a file of a day", link("gone.json", "20220405-2.json"), 3, &words);
    let words = ["warning: lake/latest was left out: it is a link to a file that does not exist"];
    check("to something else", link("gone", "latest"), 0, &words);
    let words = ["lake/20220405-2.json: is a link that leads back to itself", "next: repair or remove the link"];
    check("to itself", link("20220405-2.json", "20220405-2.json"), 3, &words);
    let words = ["warning: lake/self was left out: it is a link that leads back to itself"];
    check("to itself, without a day", link("self", "self"), 0, &words);
}

#[test]
fn names_that_are_no_text_are_told_as_far_as_they_are() {
    let name = |name: &'static [u8]| {
        move |work: &Workplace| fs::write(work.path("lake").join(OsStr::from_bytes(name)), ndjson(5)).unwrap()
    };
    let words = ["lake/\u{fffd}x.json: neither its name nor a folder below the input has a day"];
    check("without a day", name(b"\xffx.json"), 3, &words);
    let words =
        ["lake/20220405\u{fffd}.json: looks like the same data as lake/20220405.json: their bytes are the same"];
    check("with a day", name(b"20220405\xff.json"), 3, &words);
}
