//! Lakes of many files, and files that cannot be read: what the stage from files to columns does with them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Finished, Workplace};

/// Long enough for the slowest machine, short enough to tell waiting for ever from working.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs `command` to its end, or kills it when it takes longer than [`LIMIT`].
#[track_caller]
fn finish_in_time(mut command: Command) -> Finished {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("hangs: {:?}", Finished::of(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Finished::of(child.wait_with_output().unwrap())
}

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
        let found = finish_in_time(work.command(["transform", "lake", "--threads", threads]));
        found.failed(4, &["000.csv", "Contract", "Kontrakt"]);
    }
}
