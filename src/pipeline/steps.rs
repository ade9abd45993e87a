//! The steps that commands share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::attempt::Attempt;
use crate::artifacts;
use crate::bench::Measured;
use crate::cli::plan::{ConsolePlan, EnginePlan, LakePlan, Messages, MissingDays, PartsPlan, WarehousePlan};
use crate::console::{self, Bars, Progress, Unit};
use crate::diff::DiffSide;
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::LedgerDetail;
use crate::engine::month::MonthTable;
use crate::engine::rules::RulesStamp;
use crate::error::Error;
use crate::fs::atomic::OutFolder;
use crate::gate::{Evidence, Limits, WarningPolicy};
use crate::lake::{
    self, Compression, DataFile, Duplicates, EQUAL_BYTES, Lake, LakeError, LakeErrorKind, Listing, task,
};
use crate::month_file::{self, Merge, MonthFileError, TaskBytes, TaskList};
use crate::report::{InputReport, Published, Report};
use crate::timing::{StageClock, StageTiming, peak_rss_bytes, today};
use crate::transform::{self, TransformOptions, Transformed};
use crate::units::date_runs;
use crate::warehouse::{
    Beside, Missing, OpenOptions, RunWarning, SqliteWarehouse, Warehouse, WarehouseError, WarehouseUrl,
};
use crate::{floor, gate, mart};

/// What a day lacks that has a file or not.
const NO_RECORD: &str = "no record of";

/// The lake and the files of the month in it. What looked odd there is told, and added to `warnings`.
pub(super) fn list(plan: &LakePlan, warnings: &mut Vec<RunWarning>) -> Result<(Lake, Listing), Error> {
    let (lake, listing) = list_silently(plan)?;
    tell_of_lake(lake.warnings(), warnings);
    Ok((lake, listing))
}

/// The lake and the files of the month in it.
pub(super) fn list_silently(plan: &LakePlan) -> Result<(Lake, Listing), LakeError> {
    let lake = Lake::open(&plan.inputs, &plan.options)?;
    let listing = lake.list()?;
    Ok((lake, listing))
}

/// Tells what looked odd while a lake was listed, and adds it to `warnings`.
pub(super) fn tell_of_lake(texts: Vec<String>, warnings: &mut Vec<RunWarning>) {
    for text in texts {
        console::say(format_args!("warning: {text}"));
        warnings.push(RunWarning { kind: "lake".to_owned(), text });
    }
}

/// Refuses a month of which days have no file, where all are wanted.
pub(super) fn refuse_missing_days(plan: &LakePlan, listing: &Listing) -> Result<(), LakeError> {
    let missing = listing.missing_days(today());
    check_days(plan.missing_days, &plan.inputs.join(", "), "no file for", listing.month, &missing)
}

/// Whether all days are there, where they have to be; `lack` says what those are without that are missing.
fn check_days(policy: MissingDays, place: &str, lack: &str, month: Month, missing: &[Day]) -> Result<(), LakeError> {
    if policy == MissingDays::Report || missing.is_empty() {
        return Ok(());
    }
    let days = date_runs(month, missing);
    Err(LakeError::new(LakeErrorKind::MissingDays, place, format!("{lack} {days}"))
        .advise("bring these days into the lake, or run without --require-all-days"))
}

/// The files that a command reads or works in, each with a word for it: no output may take their place.
pub(super) fn inputs(
    listing: Option<&Listing>,
    engine: Option<&EnginePlan>,
    warehouse: Option<&WarehousePlan>,
) -> Vec<(PathBuf, &'static str)> {
    let mut inputs: Vec<(PathBuf, &'static str)> = Vec::new();
    let files = listing.into_iter().flat_map(|listing| &listing.files);
    inputs.extend(files.map(|file| (file.path.clone(), "a data file")));
    let sources = engine.into_iter().flat_map(|engine| &engine.sources);
    inputs.extend(sources.map(|path| (path.clone(), "a file of rules or settings")));
    inputs.extend(warehouse.into_iter().flat_map(|plan| database_files(&plan.url, &plan.options)));
    inputs
}

/// Warehouse and mart, where they are files.
fn databases(url: &WarehouseUrl, options: &OpenOptions) -> Option<[PathBuf; 2]> {
    // A path that cannot be one is told by whoever opens it.
    let warehouse = SqliteWarehouse::open(url.file()?, options.mart_db.as_deref()).ok()?;
    Some([warehouse.path().to_owned(), warehouse.mart_path().to_owned()])
}

/// These files, and what SQLite puts beside them while it works on them.
fn database_files(url: &WarehouseUrl, options: &OpenOptions) -> Vec<(PathBuf, &'static str)> {
    let with_endings = |path: PathBuf| {
        ["", "-journal", "-wal", "-shm"].map(|ending| {
            let mut path = path.clone().into_os_string();
            path.push(ending);
            (path.into(), "a file of the warehouse")
        })
    };
    databases(url, options).into_iter().flatten().flat_map(with_endings).collect()
}

/// The month files at `paths`, as inputs of [`artifacts::refuse_clashes`].
pub(super) fn inputs_of_months(paths: &[PathBuf]) -> Result<Vec<(PathBuf, &'static str)>, Error> {
    let of_month = |path: PathBuf| {
        let devices = (month_file::devices_beside(&path), "the devices of a month file that is read");
        [(path, "a month file that is read"), devices]
    };
    Ok(month_file::find_files(paths)?.into_iter().flat_map(of_month).collect())
}

/// What a merge reads.
pub(super) fn inputs_of_parts(plan: &PartsPlan) -> Result<Vec<(PathBuf, &'static str)>, Error> {
    let mut inputs = inputs_of_months(&plan.inputs)?;
    inputs.extend(plan.tasks.iter().map(|path| (path.clone(), "the task list")));
    Ok(inputs)
}

/// What one side of a comparison reads.
pub(super) fn inputs_of_side(side: &DiffSide) -> Result<Vec<(PathBuf, &'static str)>, Error> {
    match side {
        DiffSide::Files(paths) => inputs_of_months(paths),
        DiffSide::Warehouse(of) => Ok(database_files(&of.url, &of.options)),
    }
}

/// All files of the month, on this machine.
pub(super) fn pull(plan: &LakePlan, talk: ConsolePlan) -> Result<(Listing, Vec<DataFile>), Error> {
    let (lake, listing) = list(plan, &mut Vec::new())?;
    refuse_missing_days(plan, &listing)?;
    let files = lake.arrivals(&listing, watch_pull(&lake, &listing, &talk.bars()))?.collect::<Result<_, _>>()?;
    Ok((listing, files))
}

/// The bar of a pull; a lake on this machine has nothing to pull.
pub(super) fn watch_pull(lake: &Lake, listing: &Listing, bars: &Bars) -> Progress {
    if lake.is_remote() { bars.start("pull", n_bytes(listing), Unit::Bytes) } else { Progress::hidden() }
}

fn n_bytes(listing: &Listing) -> u64 {
    listing.files.iter().map(|file| file.n_bytes).sum()
}

/// The month's table, from the bytes of its files. A file that has arrived is scanned while others are pulled.
pub(super) fn make_month(lake: &Lake, listing: &Listing, plan: &EnginePlan, bars: &Bars) -> Result<Transformed, Error> {
    let options = TransformOptions {
        month: listing.month,
        etl_date: plan.etl_date,
        rules: plan.rules.clone(),
        n_threads: plan.threads.get(),
        ids: plan.ids,
        devices: plan.devices,
        max_rejects_kept: plan.max_rejects_kept,
    };
    // One bar at a time: that of the pull, which the scan only follows.
    let progress = match lake.is_remote() {
        true => Progress::hidden(),
        false => bars.start("scan", n_bytes(listing), Unit::Bytes),
    };
    let begun = Instant::now();
    let mut arrivals = lake.arrivals(listing, watch_pull(lake, listing, bars))?;
    let transformed = transform::transform(&mut arrivals, &options, &progress);
    progress.finish();
    let mut transformed = transformed?;
    if lake.is_remote() {
        let pull = arrivals.summary();
        let busy_s: f64 = transformed.stages.iter().map(|stage| stage.wall_s).sum();
        let overlap_s = (pull.wall_s + busy_s - begun.elapsed().as_secs_f64()).max(0.0);
        let of_pull = |name, wall_s, bytes| StageTiming { name, wall_s, cpu_s: 0.0, bytes, records: 0 };
        transformed.stages.insert(0, of_pull("pull", pull.wall_s, pull.pulled_bytes));
        transformed.stages.insert(1, of_pull("overlap", overlap_s, 0));
    }
    transformed.files = arrivals.into_files();
    Ok(transformed)
}

/// Refuses parts of a month that are not all that they should be. What was odd about their lake is told, and added to
/// `warnings`.
pub(super) fn check_parts(merge: &Merge, plan: &PartsPlan, warnings: &mut Vec<RunWarning>) -> Result<(), Error> {
    let tasks = plan.tasks.as_deref().map(read_tasks).transpose()?;
    merge.check_whole(tasks.as_ref(), plan.gaps)?;
    let of_plan = tasks.iter().map(TaskList::warnings);
    let told: BTreeSet<(&String, &String)> = of_plan
        .chain(merge.warnings())
        .flat_map(|by_kind| by_kind.iter().flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, text))))
        .collect();
    for (kind, text) in told {
        console::say(format_args!("warning: {text}"));
        warnings.push(RunWarning { kind: kind.clone(), text: text.clone() });
    }
    let missing = gate::missing_days(merge.month(), merge.ledger(), today());
    let place = plan.inputs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(check_days(plan.missing_days, &place, NO_RECORD, merge.month(), &missing)?)
}

/// The tasks of a plan, as what parts are held against.
fn read_tasks(path: &Path) -> Result<TaskList, MonthFileError> {
    let flaw = |why: String| MonthFileError::TaskList { plan: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let is_missing = error.kind() == std::io::ErrorKind::NotFound;
        flaw(if is_missing { "no such file".to_owned() } else { error.to_string() })
    })?;
    let mut tasks = task::read_plan(&text).map_err(flaw)?;
    let mut warnings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (kind, texts) in tasks.iter_mut().flat_map(|task| std::mem::take(&mut task.warnings)) {
        warnings.entry(kind).or_default().extend(texts);
    }
    let bytes = tasks.into_iter().flat_map(|task| {
        task.ranges.into_iter().map(move |range| TaskBytes {
            task: task.id,
            bytes: range.start..range.start + range.length,
            uri: range.uri,
            file_bytes: range.file_bytes,
            tag: range.tag,
            day: range.day,
        })
    });
    Ok(TaskList::new(path, bytes)?.with_warnings(warnings))
}

/// Lets the month through the gate, or writes down what was rejected of it. What is odd about it is told, and added to
/// `warnings`.
pub(super) fn accept(
    made: &Transformed,
    lake: &LakePlan,
    plan: &EnginePlan,
    out: &OutFolder,
    warnings: &mut Vec<RunWarning>,
) -> Result<(), Error> {
    let (month, detail) = (made.table.month, &made.table.detail);
    gate::check_balance(&made.table)?;
    let missing = gate::missing_days(month, detail, today());
    check_days(lake.missing_days, &lake.inputs.join(", "), NO_RECORD, month, &missing)?;
    let similar_apps = plan.rules.record.similar_apps(made.table.ledger.unmapped_app.keys());
    let evidence =
        Evidence::of_scan(&made.files, &made.rejects, plan.rules.record.source).with_similar_apps(similar_apps);
    if lake.options.list.duplicates == Duplicates::Refuse {
        let pairs = lake::equal_files(&made.files)?;
        tell(gate::equal_files(&pairs, EQUAL_BYTES, &detail.n_records())?, warnings);
        tell(gate::equal_ledgers(detail, &evidence), warnings);
    }
    tell(gate::warn_of_null_contracts(&gate::null_contracts(&made.table.contracts)), warnings);
    let accepted = judge(month, detail, &plan.limits, &evidence, warnings);
    // Why the month was refused matters more than that the disk is full, too.
    if accepted.is_err()
        && let Err(error) = artifacts::write_refused_rejects(&made.rejects, month, out)
    {
        console::say(format_args!("warning: the rejects could not be written: {error}"));
    }
    accepted
}

/// Lets the month of parts, whose records are not at hand, through the gate. What is odd about it is told, and added to
/// `warnings`.
pub(super) fn accept_parts(
    month: Month,
    detail: &LedgerDetail,
    plan: &PartsPlan,
    evidence: &Evidence<'_>,
    warnings: &mut Vec<RunWarning>,
) -> Result<(), Error> {
    if plan.duplicates == Duplicates::Refuse {
        tell(gate::equal_ledgers(detail, evidence), warnings);
    }
    judge(month, detail, &plan.limits, evidence, warnings)
}

/// Lets a month through the gate that has passed but for customers of these names, which are words for nothing.
pub(super) fn accept_words(words: &[&str], limits: &Limits) -> Result<(), Error> {
    let mut warnings = Vec::new();
    tell(gate::warn_of_null_contracts(words), &mut warnings);
    let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.as_str()).collect();
    let policy = if limits.let_all_pass() { WarningPolicy::Publish } else { limits.warnings };
    Ok(gate::check_warnings(policy, &texts)?)
}

/// Lets a month through the gate by its ledger. What is odd about it is told, and added to `warnings`.
fn judge(
    month: Month,
    detail: &LedgerDetail,
    limits: &Limits,
    evidence: &Evidence<'_>,
    warnings: &mut Vec<RunWarning>,
) -> Result<(), Error> {
    tell(gate::warnings(month, detail, limits, evidence), warnings);
    let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.as_str()).collect();
    Ok(gate::check_limits(month, detail, limits, &texts, evidence)?)
}

pub(super) fn tell(found: impl IntoIterator<Item = gate::Warning>, warnings: &mut Vec<RunWarning>) {
    for gate::Warning { kind, text } in found {
        console::say(format_args!("warning: {text}"));
        warnings.push(RunWarning { kind: kind.to_owned(), text });
    }
}

/// The warehouse, reachable and with all its tables.
pub(super) fn open_warehouse(plan: &WarehousePlan, missing: Missing) -> Result<Box<dyn Warehouse>, WarehouseError> {
    let mut warehouse = crate::warehouse::open(&plan.url, &plan.options)?;
    mart::prepare(&mut *warehouse, missing)?;
    // They are no warnings of the month: what is recorded and reported of it is the same for every warehouse, and
    // denied is only what is odd about the data.
    for warning in warehouse.take_warnings() {
        console::say(format_args!("warning: {warning}"));
    }
    Ok(warehouse)
}

/// The month in the warehouse, published.
pub(super) fn load_month(
    warehouse: &mut dyn Warehouse,
    table: &MonthTable,
    attempt: &mut Attempt,
    beside: &Beside,
    talk: ConsolePlan,
) -> Result<(), Error> {
    attempt.set_publishing();
    let progress = Progress::start(talk.progress(), "load", table.n_rows() as u64, Unit::Rows);
    let rivals = attempt.rivals();
    let loaded = warehouse.publish(table, attempt.complete_record(table), rivals, beside, &progress);
    progress.finish();
    loaded?;
    attempt.set_published();
    Ok(())
}

/// The month asked for, or the only one in the warehouse.
pub(super) fn choose_published_month(warehouse: &mut dyn Warehouse, asked: Option<Month>) -> Result<Month, Error> {
    let months = mart::published_months(warehouse)?;
    match (asked, months.as_slice()) {
        (Some(month), _) => Ok(month),
        (None, [month]) => Ok(*month),
        (None, []) => {
            let what = format!("{} has no month", warehouse.address());
            Err(usage(what, "load one first with `viewmart run LAKE`"))
        }
        (None, months) => {
            let names: Vec<String> = months.iter().map(Month::to_string).collect();
            let what = format!("{} has several months: {}", warehouse.address(), names.join(", "));
            Err(usage(what, "`mart` needs --month YYYY-MM"))
        }
    }
}

/// Keeps the machine's limit for the reports of runs. That of compressed files is another one.
pub(super) fn keep_floor(measured: &Measured, files: &[DataFile], cache: &Path) {
    if is_plain(files)
        && let Err(error) = floor::keep(measured.bytes, measured.floors(), cache)
    {
        console::say(format_args!("warning: reports cannot compare with this: {error}"));
    }
}

fn is_plain(files: &[DataFile]) -> bool {
    files.iter().all(|file| file.compression == Compression::None)
}

/// What a run of these files says of itself, but for where it was published and which files it left.
pub(super) fn report(
    listing: &Listing,
    lake: &LakePlan,
    plan: &EnginePlan,
    made: Transformed,
    attempt: &Attempt,
) -> Report {
    let Transformed { table, mut stages, backend, .. } = made;
    let devices = table.devices.as_ref().map(|devices| {
        let stage = StageClock::start("devices");
        let summary = devices.summary();
        stages.push(stage.stop(0, summary.pairs));
        summary
    });
    Report {
        month: listing.month,
        etl_date: plan.etl_date,
        rules: RulesStamp { text: plan.rules.to_toml_without_contracts(), ..plan.rules.stamp() },
        input: InputReport {
            // As they were read: a file that changed while it was pulled came as it was then.
            files: table.provenance.input_files,
            bytes: table.provenance.input_bytes,
            days: table.detail.by_day().values().filter(|day| day.counts.read > 0).count() as u64,
            missing_days: gate::missing_days(listing.month, &table.detail, today()),
            skipped: listing.skipped,
        },
        contracts: table.n_rows() as u64,
        devices,
        similar_apps: plan.rules.record.similar_apps(table.ledger.unmapped_app.keys()),
        files: attempt.files().to_vec(),
        days: table.detail.by_day(),
        apps: table.detail.apps,
        ledger: table.ledger,
        warnings: attempt.warnings.iter().map(|warning| warning.text.clone()).collect(),
        started: attempt.started(),
        finished: Timestamp::now(),
        published: None,
        outputs: Vec::new(),
        stages,
        wall_s: attempt.elapsed_s(),
        peak_rss_bytes: peak_rss_bytes().unwrap_or(0),
        floor: is_plain(&listing.files).then(|| floor::find(&lake.options.cache, plan.threads.get())).flatten(),
        threads: plan.threads.get(),
        backend,
    }
}

/// Where a month was published.
pub(super) fn published(plan: &WarehousePlan, warehouse: &dyn Warehouse, run: i64, page: &Path) -> Published {
    let mart = match (databases(&plan.url, &plan.options), warehouse.server()) {
        (Some([_, mart]), _) => mart.display().to_string(),
        (None, Some(server)) => plan.options.mart_db.clone().unwrap_or_else(|| format!("{}_mart", server.database)),
        (None, None) => String::new(),
    };
    Published { run, warehouse: warehouse.address(), mart, page: page.to_owned() }
}

/// A message that is no error.
pub(super) fn say(talk: ConsolePlan, message: fmt::Arguments<'_>) {
    if talk.messages == Messages::Shown {
        console::say(message);
    }
}

/// What the user should know, where there is anything.
pub(super) fn note(note: Option<String>, talk: ConsolePlan) {
    if let Some(note) = note {
        say(talk, format_args!("{note}"));
    }
}

pub(super) fn usage(what: String, advice: &str) -> Error {
    Error::Usage { what, advice: Some(advice.into()) }
}
