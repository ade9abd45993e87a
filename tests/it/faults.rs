//! The operating system refuses one call of a run, or the run is killed before it: whichever it is, every output shows
//! the month as it was or as it is, the message is one to act on, and the next run ends well.
//!
//! All calls of a run that touch lake, outputs or temporary files are numbered and each is made to fail in turn. Of
//! these thousands of points the tests take some at even distances; `FAULTS_ALL=1` takes all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;

use sha2::{Digest as _, Sha256};

use crate::support::{Finished, Workplace, record};
use crate::tiny;

const OUT: &str = "viewmart-out";
const WAREHOUSE: &str = "viewmart-out/warehouse.db";
const MART: &str = "viewmart-out/mart.db";

/// Two threads, as most machines have more than one; one day, so that the outputs of two runs are the same.
const FLAGS: [&str; 7] = ["--quiet", "--threads", "2", "--max-reject-ratio", "1", "--etl-date", "2022-05-01"];

/// Those of a command that is given the month file.
const WHOLE: [&str; 3] = ["--quiet", "--max-reject-ratio", "1"];

/// A command that is made to fail, in a folder with a published month; `LAKE` and `NEXT` are a lake with other records
/// of that month and its month file.
struct Subject {
    /// What is done before it, all of it to the end.
    before: &'static [&'static [&'static str]],
    command: &'static [&'static str],
    flags: &'static [&'static str],
    /// Exit codes of the command where it comes after itself.
    again: &'static [i32],
}

const RUN: Subject =
    Subject { before: &[], command: &["run", "LAKE", "--month", "2022-04"], flags: &FLAGS, again: &[0] };

/// With devices, which have a file of their own and a table.
const COUNTING: Subject =
    Subject { before: &[], command: &["run", "LAKE", "--month", "2022-04", "--devices"], flags: &FLAGS, again: &[0] };

/// All others that publish something.
const OTHERS: [Subject; 7] = [
    Subject { before: &[], command: &["transform", "LAKE", "--month", "2022-04"], flags: &FLAGS, again: &[0] },
    Subject { before: &[], command: &["merge", "NEXT", "--out", OUT], flags: &WHOLE, again: &[0] },
    Subject { before: &[], command: &["load", "NEXT"], flags: &WHOLE, again: &[0] },
    Subject { before: &[LOAD], command: &["mart", "--month", "2022-04"], flags: &["--quiet"], again: &[0] },
    Subject { before: &[LOAD, MART_OF_IT], command: &["dashboard"], flags: &["--quiet"], again: &[0] },
    Subject {
        before: &[],
        command: &["audience", "NEXT", "total >= 0", "--out", "viewmart-out/list.csv"],
        flags: &["--quiet"],
        again: &[0],
    },
    // There is nothing to drop any more.
    Subject { before: &[], command: &["drop", "--month", "2022-04"], flags: &["--quiet"], again: &[0, 5] },
];

const LOAD: &[&str] = &["load", "NEXT", "--quiet", "--max-reject-ratio", "1"];
const MART_OF_IT: &[&str] = &["mart", "--month", "2022-04", "--quiet"];

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It fails.
    Error,
    /// From it on all that needs room on the disk fails.
    Full,
    /// A write takes half of what it is given.
    Short,
    /// The program is killed before it.
    Kill,
}

const FAULTS: [Fault; 4] = [Fault::Error, Fault::Full, Fault::Short, Fault::Kill];

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Fault::None => "none",
            Fault::Error => "error",
            Fault::Full => "full",
            Fault::Short => "short",
            Fault::Kill => "kill",
        }
    }
}

/// A call of the program on something in its folder.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    path: PathBuf,
    /// Of two names.
    to: PathBuf,
}

/// The program that runs others and lets their calls fail.
fn injector() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/faults.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}", std::process::id()));
        let built = Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(&source).status();
        assert!(built.expect("a C compiler").success(), "{} does not compile", source.display());
        program
    })
}

/// Runs a command with this fault; also returns the calls that it made.
fn run_with(work: &Workplace, plain: &Command, fault: Fault, at: usize) -> (Finished, Vec<Call>) {
    let log = work.path("").with_extension("calls");
    let mut command = Command::new(injector());
    command.arg(fault.name()).arg(at.to_string()).arg(std::env::temp_dir()).arg(&log);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(work.path(""));
    for (name, _) in plain.get_envs() {
        command.env_remove(name);
    }
    let finished = Finished::in_time(command);
    let calls = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    let call = |line: &str| {
        let mut fields = line.split('\t').skip(1);
        let mut next = || fields.next().unwrap().to_owned();
        Call { name: next(), path: next().into(), to: next().into() }
    };
    (finished, calls.lines().map(call).collect())
}

/// The outputs of a run that show a month, each as it can be compared between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown(BTreeMap<String, String>);

impl Shown {
    fn of(work: &Workplace) -> Shown {
        let mut shown = BTreeMap::from([
            (
                "warehouse".to_owned(),
                rows(work, WAREHOUSE, "name IN ('customer_behavior', 'customer_devices', 'daily_activity')"),
            ),
            // The numbers of runs differ.
            ("mart".to_owned(), rows(work, MART, "type = 'table' AND name NOT IN ('mart_run', 'movement_run')")),
        ]);
        for name in names(work) {
            let bytes = work.read(&format!("{OUT}/{name}"));
            if name.ends_with("report.json") {
                let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                shown.insert(name, format!("{} {} {}", report["records"], report["seconds"], report["contracts"]));
            } else if !name.ends_with(".db") && !is_trace(&name) {
                shown.insert(name, format!("{:?}", Sha256::digest(&bytes)));
            }
        }
        Shown(shown)
    }

    /// The first output that is as in neither of them.
    fn stranger(&self, old: &Shown, new: &Shown) -> Option<&str> {
        let shown = |of: &Shown, name: &str, value: &str| of.0.get(name).is_some_and(|known| known == value);
        let is_known = |(name, value): &(&String, &String)| shown(old, name, value) || shown(new, name, value);
        self.0.iter().find(|output| !is_known(output)).map(|(name, _)| name.as_str())
    }
}

/// All rows of some tables of a database, opened by a reader that comes by.
fn rows(work: &Workplace, database: &str, which: &str) -> String {
    let tables = work.rows(database, &format!("SELECT name FROM sqlite_schema WHERE {which} ORDER BY name"));
    let rows = |table: &Vec<String>| {
        let mut rows = work.rows(database, &format!("SELECT * FROM {}", table[0]));
        rows.sort();
        rows
    };
    format!("{:?}", tables.iter().map(rows).collect::<Vec<_>>())
}

/// What is left of a run that did not publish, for whoever looks after it.
fn is_trace(name: &str) -> bool {
    name.contains("-refused.")
}

/// Names in the output folder, but for the files of a database that somebody has open.
fn names(work: &Workplace) -> BTreeSet<String> {
    let names = fs::read_dir(work.path(OUT)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with("-journal") && !name.starts_with('.')).collect()
}

/// A folder with a month that was published, and what a command makes of it.
struct Stage {
    work: Workplace,
    subject: &'static Subject,
    old: Shown,
    new: Shown,
    names: BTreeSet<String>,
    calls: Vec<Call>,
}

impl Stage {
    fn set(subject: &'static Subject) -> Stage {
        let work = Workplace::new();
        tiny::write_lake(&work);
        let lake = work.path("lake").display().to_string();
        work.run(["run", &lake, "--month", "2022-04"].into_iter().chain(FLAGS)).ok();
        work.write("lake/20220401.json", [record("A1", "CHANNEL", 100), record("C3", "SPORT", 7)].concat());
        work.write("lake/20220405.json", [record("A1", "VOD", 9), record("D4", "KPLUS", 7)].concat());
        work.run(["transform", &lake, "--month", "2022-04", "--out", "next"].into_iter().chain(FLAGS)).ok();
        for before in subject.before {
            Finished::in_time(command(&work, &work, before)).ok();
        }
        let old = Shown::of(&work);
        let once = copy_of(&work);
        let (finished, calls) = run_with(&once, &command_of(&work, &once, subject), Fault::None, 0);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let new = Shown::of(&once);
        assert_ne!(old, new, "{:?} changes nothing", subject.command);
        Stage { names: names(&once), work, subject, old, new, calls }
    }

    /// Points of a fault at even distances, each in a copy of the folder.
    fn walk(&self, fault: Fault, n_points: usize) {
        let n_points = match std::env::var_os("FAULTS_ALL") {
            Some(_) => self.calls.len(),
            None => n_points.min(self.calls.len()),
        };
        // The calls of several threads come in any order, so that a point is not quite the same each time.
        let points: Vec<usize> = (0..n_points).map(|n| 1 + n * self.calls.len() / n_points).collect();
        let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(at) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                        faults.lock().unwrap().extend(self.look_at(fault, *at).err());
                    }
                });
            }
        });
        let faults = faults.into_inner().unwrap();
        let command = self.subject.command;
        assert!(faults.is_empty(), "{command:?}: {} of {n_points} points:\n{}", faults.len(), faults.join("\n\n"));
        println!("{command:?}: {n_points} points of {fault:?}");
    }

    /// The exit codes of a command that cannot go on after this call.
    fn exit_codes_of(&self, work: &Workplace, call: &Call) -> &'static [i32] {
        let is_in = |name: &str| call.path.to_string_lossy().starts_with(&*work.path(name).to_string_lossy());
        match () {
            () if call.path.starts_with(self.work.path("lake")) => &[3],
            () if call.path.starts_with(self.work.path("next")) => &[4],
            () if is_in(WAREHOUSE) || is_in(MART) => &[5],
            () if is_in("viewmart.toml") => &[2],
            // The warehouse makes its folder, too.
            () if call.path == work.path(OUT) => &[5, 6],
            () => &[6],
        }
    }

    /// What is wrong with this point, in words.
    fn look_at(&self, fault: Fault, at: usize) -> Result<(), String> {
        let work = copy_of(&self.work);
        let (finished, calls) = run_with(&work, &command_of(&self.work, &work, self.subject), fault, at);
        let call = calls.get(at - 1);
        let wrong = |what: String| Err(format!("{fault:?} at {at}, {call:?}: {what}\n{finished:?}"));
        let shown = Shown::of(&work);
        if let Some(output) = shown.stranger(&self.old, &self.new) {
            return wrong(format!("{output} is neither of the old month nor of the new"));
        }
        match finished.code {
            Some(0) if shown != self.new => return wrong("done, and yet it does not show the new month".into()),
            Some(137) if fault == Fault::Kill => {}
            Some(0) => {}
            code => {
                let expected = match (fault, call) {
                    (_, None) => &[][..],
                    // The first that needs room ends it, which may come later.
                    (Fault::Full, _) => &[5, 6],
                    (_, Some(call)) => self.exit_codes_of(&work, call),
                };
                if !code.is_some_and(|code| expected.contains(&code)) {
                    return wrong(format!("it ends with {code:?}, not with {expected:?}"));
                }
                let is_told = finished.stderr.lines().any(|line| line.starts_with("viewmart: "));
                if !is_told || !finished.stderr.contains("\n  next: ") {
                    return wrong("the message is not whole".into());
                }
            }
        }
        let again = Finished::in_time(command_of(&self.work, &work, self.subject));
        if !again.code.is_some_and(|code| self.subject.again.contains(&code)) {
            return wrong(format!("the next run fails: {again:?}"));
        }
        let shown = Shown::of(&work);
        if let Some(output) = shown.stranger(&self.new, &self.new) {
            return wrong(format!("after the next run {output} is not of the new month"));
        }
        match names(&work).symmetric_difference(&self.names).next() {
            Some(name) => wrong(format!("after the next run there is, or is not, {name}")),
            None => Ok(()),
        }
    }
}

/// A command in a folder, about the lake and the month file of another, whose places are in the outputs.
fn command(given: &Workplace, work: &Workplace, words: &[&str]) -> Command {
    let word = |word: &&str| match *word {
        "LAKE" => given.path("lake"),
        "NEXT" => given.path("next/month-2022-04.parquet"),
        word => word.into(),
    };
    work.command(words.iter().map(word))
}

fn command_of(given: &Workplace, work: &Workplace, subject: &Subject) -> Command {
    command(given, work, &[subject.command, subject.flags].concat())
}

/// A folder with the same outputs.
fn copy_of(work: &Workplace) -> Workplace {
    let copy = Workplace::new();
    let copied = Command::new("cp").arg("-a").args([work.path(OUT), copy.path("")]).status();
    assert!(copied.unwrap().success());
    copy
}

#[test]
fn whichever_call_of_a_run_fails_every_output_shows_the_old_month_or_the_new() {
    let stage = Stage::set(&RUN);
    for fault in FAULTS {
        stage.walk(fault, 12);
    }
}

#[test]
fn whichever_call_of_a_command_fails_every_output_shows_the_old_month_or_the_new() {
    for subject in OTHERS.iter().chain([&COUNTING]) {
        let stage = Stage::set(subject);
        for fault in FAULTS {
            stage.walk(fault, 3);
        }
    }
}

/// What a power cut would lose: a name that leads to bytes which are not on the disk, or a name that is not.
#[test]
fn a_file_is_on_the_disk_before_it_has_its_name_and_the_name_soon_after() {
    /// The calls that give a file a name.
    const NAMING: [&str; 2] = ["rename", "link"];
    let stage = Stage::set(&RUN);
    let position = |range: &[Call], names: &[&str], path: &Path| {
        range.iter().rposition(|call| names.contains(&call.name.as_str()) && call.path == path)
    };
    let mut n_renames = 0;
    for (at, call) in stage.calls.iter().enumerate() {
        if !NAMING.contains(&&*call.name) {
            continue;
        }
        n_renames += 1;
        let before = &stage.calls[..at];
        let written = position(before, &["write", "copy", "truncate"], &call.path);
        let synced = position(before, &["sync"], &call.path);
        // A second name of a file that had its own.
        let is_named = before.iter().any(|earlier| NAMING.contains(&&*earlier.name) && earlier.to == call.path);
        assert!(synced > written || is_named, "{call:?} of a file that is not on the disk");
        let folder = call.to.parent().unwrap();
        let after = &stage.calls[at..];
        assert!(position(after, &["sync"], folder).is_some(), "{call:?} is not on the disk at the end");
    }
    assert_eq!(n_renames, 9, "renames and links of a run");
}
