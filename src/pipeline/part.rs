//! A month in parts, for schedulers of other machines: its tasks, and the month file of one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::steps;
use crate::cli::plan::{ConsolePlan, Parent, ParentDeath, ScanOutput, ScanPlan, SplitPlan, TaskSource};
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::Rules;
use crate::error::Error;
use crate::fs::atomic::{self, StagedFile};
use crate::fs::error::OutputError;
use crate::lake::task::Task;
use crate::lake::{DataFile, Duplicates, Lake, LakeError, Listing, Opener, RangeFile, task};
use crate::month_file::{MergeWriteError, RowWriter, StreamOf};
use crate::outcome::{Outcome, Scanned};
use crate::threads;
use crate::transform::{self, Room, TransformOptions};
use crate::warehouse::RunWarning;
use crate::{artifacts, gate, month_file};

/// Bytes of a stream that are written at once.
const STREAM_BYTES: usize = 1 << 20;

/// The tasks of a lake. Nothing is pulled, and no cache is made.
pub(super) fn split(plan: &SplitPlan) -> Result<Outcome, Error> {
    let lake = Lake::browse(&plan.lake.inputs, &plan.lake.options)?;
    let listing = lake.list()?;
    let mut warnings = Vec::new();
    steps::tell_of_lake(lake.warnings(), &mut warnings);
    steps::refuse_missing_days(&plan.lake, &listing)?;
    if plan.lake.options.list.duplicates == Duplicates::Refuse {
        refuse_equal_files(&lake, &listing, &mut warnings)?;
    }
    let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.as_str()).collect();
    gate::check_warnings(plan.warnings, &texts)?;
    // What the first bytes say beats the name, wherever the file lies.
    let files = listing.files.iter().map(|file| lake.as_stored(file)).collect::<Result<_, _>>()?;
    let mut tasks = task::plan(&Listing { files, ..listing }, plan.size);
    if let Some(first) = tasks.first_mut() {
        for RunWarning { kind, text } in warnings {
            first.warnings.entry(kind).or_default().push(text);
        }
    }
    Ok(Outcome::Tasks(tasks))
}

/// Refuses the same data twice as a run does: whoever merges the parts sees no bytes any more.
fn refuse_equal_files(lake: &Lake, listing: &Listing, warnings: &mut Vec<RunWarning>) -> Result<(), Error> {
    let (pairs, why) = lake.equal_files(listing)?;
    for pair in pairs {
        let n_records = BTreeMap::from([(pair[0].canonical_uri(), n_records(lake, pair[0], listing.month)?)]);
        steps::tell(gate::equal_files(&[pair], why, &n_records)?, warnings);
    }
    Ok(())
}

/// The records that both ends of a file show; 1 where they show none, but are not all of it.
fn n_records(lake: &Lake, file: &DataFile, month: Month) -> Result<u64, Error> {
    let ends = lake.ends(file)?;
    let n_hidden = u64::from(!ends.is_whole);
    // Any rules do: each record is read, kept or not.
    let Some(rules) = Rules::preset("default") else { return Ok(n_hidden) };
    let options = TransformOptions {
        month,
        etl_date: month.first_day(),
        rules,
        n_threads: 1,
        ids: Ids::Any,
        devices: Devices::Ignored,
        max_rejects_kept: 0,
    };
    Ok(transform::scan_ends(&[ends], &options)?.table.ledger.read.max(n_hidden))
}

/// The rows of a task, as a month file or a stream. Nothing else is written, and nothing is judged.
pub(super) fn scan(plan: &ScanPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    if let ParentDeath::Follow(parent) = plan.parent {
        follow_parent(parent)?;
    }
    let no_task = |error: LakeError| steps::usage(error.to_string(), "hand over one whole line of `viewmart plan`");
    let task = task::read_task(&read(&plan.task)?).map_err(no_task)?;
    let Some(month) = task::month_of(&task) else { return Err(steps::usage("the task has no range".into(), "")) };
    let mut opener = Opener::new(&plan.hdfs);
    let ranges = task.ranges.iter().map(|range| opener.locate(range)).collect::<Result<Vec<_>, _>>()?;
    let options = TransformOptions {
        month,
        etl_date: plan.etl_date,
        rules: plan.rules.clone(),
        n_threads: plan.threads.get(),
        ids: Ids::Any,
        devices: Devices::Ignored,
        max_rejects_kept: 0,
    };
    match &plan.out {
        ScanOutput::File(path) => Ok(Outcome::Scanned(scan_to_file(path, plan, &task, ranges, &options)?)),
        ScanOutput::Stream => {
            let scanned = stream(plan, &task, ranges, &options)?;
            steps::say(talk, format_args!("{scanned}"));
            Ok(Outcome::Streamed)
        }
    }
}

fn scan_to_file(
    path: &Path,
    plan: &ScanPlan,
    task: &Task,
    ranges: Vec<RangeFile>,
    options: &TransformOptions,
) -> Result<Scanned, Error> {
    let mut file = StagedFile::create(path)?;
    artifacts::refuse_clashes([&file], None, ranges.iter().map(|range| (range.file.path.clone(), "a data file")))?;
    let room = plan.max_contracts.map_or(Room::Unbounded, Room::Refuse);
    let table = transform::scan_ranges(ranges, options, room)?.table;
    month_file::check_apps(&table.detail)?;
    // The threads that encode are those that scanned, and no more.
    threads::start(plan.threads.get(), "write")?.install(|| file.write_with(|w| month_file::write(&table, w)))?;
    atomic::publish(vec![file])?;
    Ok(scanned(task, table.ledger.read, table.n_rows() as u64, path))
}

/// The rows go out as memory gets short, those that are left in the end.
fn stream(plan: &ScanPlan, task: &Task, ranges: Vec<RangeFile>, options: &TransformOptions) -> Result<Scanned, Error> {
    let path = Path::new("/dev/stdout");
    let failed = |source| Error::from(OutputError::io(path, "writing the stream", source));
    if std::io::stdout().is_terminal() {
        let advice = "pipe it to whatever reads Arrow, or name a file for Parquet";
        return Err(steps::usage("a stream of Arrow is nothing for a terminal".into(), advice));
    }
    // By itself: the stdout of the library looks for ends of lines.
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
    let output = BufWriter::with_capacity(STREAM_BYTES, File::from(stdout));
    let mut writer = RowWriter::new(output).map_err(failed)?;
    let ledger =
        transform::stream_ranges(ranges, options, plan.max_contracts, &mut |rows| writer.write(&rows).map_err(failed))?;
    let of = StreamOf { task: task.id, month: options.month, etl_date: plan.etl_date, rules: &plan.rules };
    let n_rows = writer.finish(of, &ledger).map_err(|error| match error {
        MergeWriteError::Parts(error) => error.into(),
        MergeWriteError::Output(source) => failed(source),
    })?;
    Ok(scanned(task, ledger.total().read, n_rows, path))
}

fn scanned(task: &Task, records: u64, contracts: u64, file: &Path) -> Scanned {
    let bytes = task.ranges.iter().map(|range| range.length).sum();
    Scanned { id: task.id, bytes, records, contracts, file: file.to_owned() }
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
fn follow_parent(parent: Parent) -> Result<(), Error> {
    let expected = match parent {
        Parent::Current => getppid(),
        Parent::Process(process) => i32::try_from(process).ok().and_then(Pid::from_raw),
    };
    let failed = |error| steps::usage(format!("--die-with-parent failed: {error}"), "run without it");
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    // It may have ended before this one could ask to be told.
    match (getppid() == expected, parent) {
        (true, _) => Ok(()),
        (false, Parent::Current) => {
            Err(steps::usage("the process that started this one has ended".into(), "start it again"))
        }
        (false, Parent::Process(process)) => Err(steps::usage(
            format!("process {process} is not the parent of this one, or has ended"),
            "start it again; a shell in between has to start it with `exec`",
        )),
    }
}
