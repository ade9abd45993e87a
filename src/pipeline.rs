//! The order of the stages, which nothing else knows. Reads like a table of contents.
//!
//! Nothing that a reader could see changes before the data has passed the reject limit and the ledger: then the
//! warehouse publishes the month, then the mart, then the files are renamed.

use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use crate::bench;
use crate::calendar::Month;
use crate::config::{
    EnginePlan, LakePlan, LoadPlan, MartPlan, Messages, MissingDays, Plan, Ratio, RunPlan, Talk, Task, TransformPlan,
    WarehousePlan,
};
use crate::dashboard;
use crate::doctor;
use crate::error::{DataError, Error};
use crate::lake::{self, LakeError, ListOptions, Listing};
use crate::ledger::{Ledger, Reason};
use crate::mart;
use crate::month::MonthTable;
use crate::outcome::{Dashboard, Extracted, Loaded, MartBuilt, Outcome};
use crate::output::{self, OutFolder, StagedFile};
use crate::progress::{Progress, Unit};
use crate::rejects;
use crate::report::{self, InputReport, Report, StageClock};
use crate::rules::Category;
use crate::transform::{self, TransformOptions, Transformed};
use crate::warehouse::{RunClock, Warehouse, WarehouseError, month_file};

/// Rejected records of the published month.
const REJECTS: &str = "rejects.ndjson";
/// Rejected records of a month that was refused because of them.
const REFUSED_REJECTS: &str = "rejects-refused.ndjson";
/// The throughput report.
const REPORT: &str = "report.json";
/// The dashboard for the browser.
const DASHBOARD: &str = "dashboard.html";

/// Carries out a plan.
///
/// # Errors
/// The first thing that failed; what a reader could see is then as it was before.
pub fn carry_out(plan: &Plan) -> Result<Outcome, Error> {
    let talk = plan.talk;
    match &plan.task {
        Task::Run(plan) => run(plan, talk),
        Task::Extract(plan) => extract(plan),
        Task::Transform(plan) => transform(plan, talk),
        Task::Load(plan) => load(plan, talk),
        Task::Mart(plan) => mart(plan),
        Task::Dashboard(plan) => dashboard(plan, talk),
        Task::Doctor(plan) => Ok(Outcome::Diagnosis(doctor::examine(plan))),
        Task::Bench(plan) => Ok(Outcome::Bench(bench::measure(plan, &listed(&plan.lake)?)?)),
    }
}

fn run(plan: &RunPlan, talk: Talk) -> Result<Outcome, Error> {
    let start = Start::now();
    let listing = listed(&plan.lake)?;
    let out = OutFolder::open(&plan.out)?;
    let mut warehouse = opened(&plan.warehouse)?;
    let mut made = made(&listing, &plan.engine, talk)?;
    accepted(&made, plan.engine.max_reject_ratio, &out)?;

    let rejects = staged_rejects(&made, &out)?;
    let rows = made.table.n_rows() as u64;
    let clock = StageClock::start("load");
    load_month(&mut *warehouse, &made.table, start.clock, talk)?;
    made.stages.push(clock.stop(0, rows));
    let clock = StageClock::start("mart");
    mart::build(&mut *warehouse, listing.month)?;
    made.stages.push(clock.stop(0, rows));
    let clock = StageClock::start("dashboard");
    let mut files = staged_dashboard(&mut *warehouse, listing.month, &out)?;
    made.stages.push(clock.stop(0, 0));

    let report = reported(&listing, &plan.engine, made, &start);
    files.push(rejects);
    files.extend(staged_reports(&report, &out, plan.report.as_deref())?);
    published(files, &out, talk)?;
    Ok(Outcome::Report(report))
}

fn extract(plan: &LakePlan) -> Result<Outcome, Error> {
    let listing = listed(plan)?;
    Ok(Outcome::Extracted(Extracted::of(&listing)))
}

fn transform(plan: &TransformPlan, talk: Talk) -> Result<Outcome, Error> {
    let start = Start::now();
    let listing = listed(&plan.lake)?;
    let out = OutFolder::open(&plan.out)?;
    let mut made = made(&listing, &plan.engine, talk)?;
    accepted(&made, plan.engine.max_reject_ratio, &out)?;

    let clock = StageClock::start("write");
    let month_file = staged_month_file(&made.table, &out)?;
    let n_bytes = month_file.path().metadata().map_or(0, |m| m.len());
    made.stages.push(clock.stop(n_bytes, made.table.n_rows() as u64));
    let mut files = vec![month_file, staged_rejects(&made, &out)?];

    let report = reported(&listing, &plan.engine, made, &start);
    files.extend(staged_reports(&report, &out, plan.report.as_deref())?);
    published(files, &out, talk)?;
    Ok(Outcome::Report(report))
}

fn load(plan: &LoadPlan, talk: Talk) -> Result<Outcome, Error> {
    let start = Start::now();
    let table = month_file::read(&plan.month_file)?;
    balanced(&table)?;
    let mut warehouse = opened(&plan.warehouse)?;
    load_month(&mut *warehouse, &table, start.clock, talk)?;
    Ok(Outcome::Loaded(Loaded { month: table.month, rows: table.n_rows() as u64, warehouse: warehouse.address() }))
}

fn mart(plan: &MartPlan) -> Result<Outcome, Error> {
    let mut warehouse = opened(&plan.warehouse)?;
    let month = the_month(plan.month, &mut *warehouse)?;
    mart::build(&mut *warehouse, month)?;
    Ok(Outcome::Mart(MartBuilt { month, warehouse: warehouse.address() }))
}

fn dashboard(plan: &MartPlan, talk: Talk) -> Result<Outcome, Error> {
    let out = OutFolder::open(&plan.out)?;
    let mut warehouse = opened(&plan.warehouse)?;
    let month = the_month(plan.month, &mut *warehouse)?;
    let files = staged_dashboard(&mut *warehouse, month, &out)?;
    let files = published(files, &out, talk)?;
    Ok(Outcome::Dashboard(Dashboard { month, files }))
}

/// When a run began.
struct Start {
    instant: Instant,
    clock: RunClock,
}

impl Start {
    fn now() -> Start {
        Start { instant: Instant::now(), clock: RunClock { started: Timestamp::now() } }
    }
}

/// The files of the month.
fn listed(plan: &LakePlan) -> Result<Listing, Error> {
    let listing = lake::list(&plan.inputs, &ListOptions { month: plan.month, format: plan.format })?;
    if plan.missing_days == MissingDays::Refuse && !listing.missing_days.is_empty() {
        let days: Vec<String> =
            listing.missing_days.iter().map(|day| format!("{}-{:02}", listing.month, day.number())).collect();
        return Err(Error::Lake(LakeError::At {
            uri: plan.inputs.join(", "),
            what: format!("no file for {}", days.join(", ")),
            advice: Some("bring these days into the lake, or run without --require-all-days".into()),
        }));
    }
    Ok(listing)
}

/// The month's table, from the bytes of its files.
fn made(listing: &Listing, plan: &EnginePlan, talk: Talk) -> Result<Transformed, Error> {
    let n_bytes = listing.files.iter().map(|file| file.n_bytes).sum();
    let options = TransformOptions {
        month: listing.month,
        etl_date: plan.etl_date,
        rules: plan.rules.clone(),
        threads: plan.threads.get(),
        max_rejects_kept: plan.max_rejects_kept,
    };
    let progress = Progress::start(talk.progress(), "scan", n_bytes, Unit::Bytes);
    let transformed = transform::transform(listing.files.iter().cloned().map(Ok), &options, &progress);
    progress.finish();
    transformed
}

/// The gate before anything is published: the ledger balances and not too much was rejected. The rejected records of
/// a refused month are written down, beside those of the last good one.
fn accepted(made: &Transformed, max_reject_ratio: Ratio, out: &OutFolder) -> Result<(), Error> {
    balanced(&made.table)?;
    let ledger = &made.table.ledger;
    if ledger.reject_ratio() <= max_reject_ratio.get() {
        return Ok(());
    }
    let mut file = out.stage(REFUSED_REJECTS)?;
    file.write_with(|w| rejects::write(&made.rejects, w))?;
    output::publish(vec![file])?;
    let counted: Vec<Reason> = Reason::ALL.into_iter().filter(|r| r.counts_against_limit()).collect();
    let counts: Vec<String> = counted
        .iter()
        .filter(|reason| ledger.n_rejected_for(**reason) > 0)
        .map(|reason| format!("{reason} {}", ledger.n_rejected_for(*reason)))
        .collect();
    Err(Error::Data(DataError::RejectLimit {
        rejected: counted.iter().map(|reason| ledger.n_rejected_for(*reason)).sum(),
        read: ledger.read,
        percent: ledger.reject_ratio() * 100.0,
        limit_percent: max_reject_ratio.get() * 100.0,
        counts: counts.join(", "),
    }))
}

/// Every record is accounted for, and the table holds exactly the seconds of the kept ones.
fn balanced(table: &MonthTable) -> Result<(), DataError> {
    let Ledger { read, kept, .. } = table.ledger;
    let unequal = |what: String| Err(DataError::Ledger { what });
    if !table.ledger.balances() {
        return unequal(format!("{read} read, but {kept} kept and {} rejected", table.ledger.n_rejected()));
    }
    for category in Category::ALL {
        let in_ledger = table.ledger.seconds[category as usize];
        let in_table: i128 = table.seconds[category as usize].iter().map(|s| i128::from(*s)).sum();
        if in_ledger != in_table {
            let name = category.name();
            return unequal(format!("{in_ledger} seconds of {name} were kept, but the table has {in_table}"));
        }
    }
    let in_table: i128 = table.total.iter().map(|s| i128::from(*s)).sum();
    if table.ledger.n_seconds() != in_table {
        return unequal(format!("{} seconds were kept, but the table has {in_table}", table.ledger.n_seconds()));
    }
    let by_day: u64 = table.days.iter().map(|day| day.records).sum();
    if kept != by_day {
        return unequal(format!("{kept} records were kept, but the days have {by_day}"));
    }
    Ok(())
}

/// The warehouse, reachable and with all its tables.
fn opened(plan: &WarehousePlan) -> Result<Box<dyn Warehouse>, WarehouseError> {
    let mut warehouse = crate::warehouse::open(&plan.url, plan.mart_db.as_deref())?;
    warehouse.prepare()?;
    Ok(warehouse)
}

fn load_month(warehouse: &mut dyn Warehouse, table: &MonthTable, clock: RunClock, talk: Talk) -> Result<(), Error> {
    let progress = Progress::start(talk.progress(), "load", table.n_rows() as u64, Unit::Rows);
    let loaded = warehouse.load(table, clock, &progress);
    progress.finish();
    Ok(loaded?)
}

/// The month asked for, or the only one in the mart.
fn the_month(asked: Option<Month>, warehouse: &mut dyn Warehouse) -> Result<Month, Error> {
    if let Some(month) = asked {
        return Ok(month);
    }
    let months = warehouse.months()?;
    match months.as_slice() {
        [only] => Ok(*only),
        [] => Err(usage(format!("{} has no month", warehouse.address()), "load one first with `viewmart run LAKE`")),
        several => {
            let names: Vec<String> = several.iter().map(Month::to_string).collect();
            Err(usage(
                format!("{} has several months: {}", warehouse.address(), names.join(", ")),
                "name one with --month",
            ))
        }
    }
}

fn usage(what: String, advice: &str) -> Error {
    Error::Usage { what, advice: Some(advice.into()) }
}

fn staged_month_file(table: &MonthTable, out: &OutFolder) -> Result<StagedFile, Error> {
    let mut file = out.stage(&format!("month-{}.parquet", table.month))?;
    file.write_with(|w| month_file::write(table, w))?;
    Ok(file)
}

fn staged_rejects(made: &Transformed, out: &OutFolder) -> Result<StagedFile, Error> {
    let mut file = out.stage(REJECTS)?;
    file.write_with(|w| rejects::write(&made.rejects, w))?;
    Ok(file)
}

fn staged_dashboard(warehouse: &mut dyn Warehouse, month: Month, out: &OutFolder) -> Result<Vec<StagedFile>, Error> {
    let model = dashboard::model::read(warehouse, month)?;
    let mut html = out.stage(DASHBOARD)?;
    html.write_with(|w| w.write_all(dashboard::html::render(&model).as_bytes()))?;
    Ok(vec![html])
}

fn staged_reports(report: &Report, out: &OutFolder, elsewhere: Option<&Path>) -> Result<Vec<StagedFile>, Error> {
    let text = report.to_json();
    let mut files = vec![out.stage(REPORT)?];
    if let Some(path) = elsewhere {
        files.push(StagedFile::create(path)?);
    }
    for file in &mut files {
        file.write_with(|w| w.write_all(text.as_bytes()))?;
    }
    Ok(files)
}

/// All files at once, and a word about each.
fn published(files: Vec<StagedFile>, out: &OutFolder, talk: Talk) -> Result<Vec<std::path::PathBuf>, Error> {
    let paths = output::publish(files)?;
    out.remove(REFUSED_REJECTS)?;
    if talk.messages == Messages::Shown {
        for path in &paths {
            crate::progress::say(format_args!("wrote {}", path.display()));
        }
    }
    Ok(paths)
}

fn reported(listing: &Listing, plan: &EnginePlan, made: Transformed, start: &Start) -> Report {
    let Transformed { table, stages, backend, .. } = made;
    Report {
        month: listing.month,
        etl_date: plan.etl_date,
        rules_name: plan.rules.name.clone(),
        rules_sha256: plan.rules.sha256.clone(),
        input: InputReport {
            files: listing.files.len() as u64,
            bytes: listing.files.iter().map(|file| file.n_bytes).sum(),
            days: u64::from(listing.month.n_days()) - listing.missing_days.len() as u64,
            missing_days: listing.missing_days.clone(),
            skipped_files: listing.n_skipped,
        },
        contracts: table.n_rows() as u64,
        ledger: table.ledger,
        stages,
        wall_s: start.instant.elapsed().as_secs_f64(),
        peak_rss_bytes: report::peak_rss_bytes().unwrap_or(0),
        threads: plan.threads.get(),
        backend,
    }
}
