//! A month in parts, for schedulers of other machines: its tasks, and the month file of one.

use std::io::Read as _;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::steps;
use crate::cli::plan::{ParentDeath, ScanPlan, SplitPlan, TaskSource};
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::lake::{Lake, LakeError, Opener, task};
use crate::outcome::{Outcome, Scanned};
use crate::transform::{self, TransformOptions};
use crate::{artifacts, console, month_file};

/// The tasks of a lake. Nothing is pulled, and no cache is made.
pub(super) fn split(plan: &SplitPlan) -> Result<Outcome, Error> {
    let lake = Lake::browse(&plan.lake.inputs, &plan.lake.options)?;
    let listing = lake.list()?;
    for warning in lake.warnings() {
        console::say(format_args!("warning: {warning}"));
    }
    steps::refuse_missing_days(&plan.lake, listing.month, &listing.missing_days)?;
    Ok(Outcome::Tasks(task::plan(&listing, plan.size)))
}

/// The month file of a task. Nothing else is written, and nothing is judged.
pub(super) fn scan(plan: &ScanPlan) -> Result<Outcome, Error> {
    if plan.parent == ParentDeath::Follow {
        follow_parent()?;
    }
    let no_task = |error: LakeError| steps::usage(error.to_string(), "hand over one whole line of `viewmart plan`");
    let task = task::read_task(&read(&plan.task)?).map_err(no_task)?;
    let Some(month) = task::month_of(&task) else { return Err(steps::usage("the task has no range".into(), "")) };
    let mut opener = Opener::new(&plan.hdfs);
    let ranges = task.ranges.iter().map(|range| opener.locate(range)).collect::<Result<Vec<_>, _>>()?;
    let mut file = StagedFile::create(&plan.out)?;
    artifacts::refuse_clashes([&file], None, ranges.iter().map(|range| (range.file.path.clone(), "a data file")))?;
    let options = TransformOptions {
        month,
        etl_date: plan.etl_date,
        rules: plan.rules.clone(),
        n_threads: plan.threads.get(),
        ids: Ids::Any,
        devices: Devices::Ignored,
        max_rejects_kept: 0,
    };
    let table = transform::scan_ranges(ranges, &options, plan.max_contracts)?.table;
    month_file::check_apps(&table.detail)?;
    // The threads that encode are those that scanned, and no more.
    transform::pool(plan.threads.get())?.install(|| file.write_with(|w| month_file::write(&table, w)))?;
    atomic::publish(vec![file])?;
    Ok(Outcome::Scanned(Scanned {
        id: task.id,
        bytes: task.ranges.iter().map(|range| range.length).sum(),
        records: table.ledger.read,
        contracts: table.n_rows() as u64,
        file: plan.out.clone(),
    }))
}

fn read(source: &TaskSource) -> Result<String, Error> {
    match source {
        TaskSource::Text(text) => Ok(text.clone()),
        TaskSource::Stdin => {
            let mut text = String::new();
            let failed = |error| {
                steps::usage(format!("the task cannot be read from stdin: {error}"), "pipe one line of `viewmart plan`")
            };
            std::io::stdin().read_to_string(&mut text).map_err(failed)?;
            Ok(text)
        }
    }
}

/// Lets the kernel end this process with the one that started it: an executor that is killed cannot.
fn follow_parent() -> Result<(), Error> {
    let parent = getppid();
    let failed = |error| steps::usage(format!("--die-with-parent failed: {error}"), "run without it");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    match getppid() == parent {
        true => Ok(()),
        false => Err(steps::usage("the process that started this one has ended".into(), "start it again")),
    }
}
