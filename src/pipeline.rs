//! The order of the stages, which nothing else knows. Reads like a table of contents.
//!
//! Nothing that a reader could see changes before the data has passed the reject limit and the ledger: then the
//! warehouse publishes the month, then the mart, then the files are renamed.

use std::borrow::Cow;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use jiff::Timestamp;

use crate::bench;
use crate::cli::Ratio;
use crate::cli::plan::{
    ConsolePlan, DashboardPlan, EnginePlan, ExtractPlan, LakePlan, LoadPlan, MartPlan, MaskKey, Messages, MissingDays,
    Plan, PrunePolicy, RenderPlan, RunPlan, Task, TransformPlan, WarehousePlan,
};
use crate::console::{self, Progress, Unit};
use crate::dashboard::html::{self, RenderOptions};
use crate::dashboard::mask::Masker;
use crate::dashboard::model::{DashboardModel, MonthModel};
use crate::dashboard::tableau::{self, Connection, Contracts, RowFormat, RowSource, Subject, TableRows, WarehouseRows};
use crate::doctor;
use crate::engine::aggregate::columns::sum;
use crate::engine::aggregate::{MonthTable, Provenance};
use crate::engine::calendar::Month;
use crate::engine::ledger::{Ledger, Reason};
use crate::engine::rules::Category;
use crate::error::{DataError, Error};
use crate::fs::atomic::{self, OutFolder, StagedFile};
use crate::generate::{self, GenerateOptions};
use crate::lake::{DataFile, Lake, LakeError, Listing, PruneSummary};
use crate::mart;
use crate::month_file;
use crate::outcome::{Dashboard, Extracted, Loaded, MartBuilt, Outcome};
use crate::rejects;
use crate::report::{self, InputReport, Report, StageClock, StageTiming};
use crate::transform::{self, TransformOptions, Transformed};
use crate::warehouse::{Missing, RunClock, ServerAddress, Warehouse, WarehouseError};

/// Rejected records of the published month.
const REJECTS: &str = "rejects.ndjson";
/// Rejected records of a month that was refused because of them.
const REFUSED_REJECTS: &str = "rejects-refused.ndjson";
/// The throughput report.
const REPORT: &str = "report.json";
/// The dashboard for the browser.
const DASHBOARD: &str = "dashboard.html";
/// The dashboard for Tableau, its rows packaged with it.
const WORKBOOK: &str = "viewmart.twbx";
/// The dashboard for Tableau, connected to a MySQL warehouse.
const LIVE_WORKBOOK: &str = "viewmart.twb";
/// The connection alone.
const LIVE_SOURCE: &str = "viewmart.tds";

/// Carries out a plan.
///
/// # Errors
/// The first thing that failed; what a reader could see is then as it was before.
pub fn carry_out(plan: &Plan) -> Result<Outcome, Error> {
    let talk = plan.console;
    match &plan.task {
        Task::Run(plan) => run(plan, talk),
        Task::Extract(plan) => extract(plan, talk),
        Task::Transform(plan) => transform(plan, talk),
        Task::Load(plan) => load(plan, talk),
        Task::Mart(plan) => mart(plan),
        Task::Dashboard(plan) => dashboard(plan, talk),
        Task::Doctor(plan) => Ok(Outcome::Diagnosis(doctor::examine(plan))),
        Task::Generate(options) => generated(options, talk),
        Task::Bench(plan) => {
            let (listing, files) = pulled(&plan.lake, talk)?;
            Ok(Outcome::Bench(bench::measure(plan, listing.month, &files)?))
        }
    }
}

fn run(plan: &RunPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let start = Start::now();
    let look = Rendering::prepare(&plan.render)?;
    let (lake, listing) = listed(&plan.lake)?;
    let out = OutFolder::open(&plan.out)?;
    let mut warehouse = opened(&plan.warehouse, Missing::Create)?;
    let mut made = made(&lake, &listing, &plan.engine, talk)?;
    accepted(&made, plan.engine.max_reject_ratio, &out)?;

    let rejects = staged_rejects(&made, &out)?;
    let (mut files, stages) = loaded_and_drawn(&mut *warehouse, &made.table, &look, &out, start.clock, talk)?;
    made.stages.extend(stages);

    let report = reported(&listing, &plan.engine, made, &start);
    files.push(rejects);
    files.extend(staged_reports(&report, &out, plan.report.as_deref())?);
    published(files, &out, talk)?;
    remove_unmasked(&look, &out)?;
    Ok(Outcome::Report(Box::new(report)))
}

fn extract(plan: &ExtractPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let (lake, listing) = listed(&plan.lake)?;
    let mut arrivals = lake.arrivals(&listing, pull_progress(&lake, &listing, talk))?;
    for file in &mut arrivals {
        file?;
    }
    let pruned = match plan.prune {
        PrunePolicy::Keep => PruneSummary::default(),
        PrunePolicy::Prune => lake.prune(&listing)?,
    };
    Ok(Outcome::Extracted(Extracted::of(&listing, &arrivals.summary(), pruned)))
}

fn generated(options: &GenerateOptions, talk: ConsolePlan) -> Result<Outcome, Error> {
    let progress = Progress::start(talk.progress(), "generate", options.expected_bytes(), Unit::Bytes);
    let summary = generate::generate(options, &progress);
    progress.finish();
    Ok(Outcome::Generated(summary?))
}

fn transform(plan: &TransformPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let start = Start::now();
    let (lake, listing) = listed(&plan.lake)?;
    let out = OutFolder::open(&plan.out)?;
    let mut made = made(&lake, &listing, &plan.engine, talk)?;
    accepted(&made, plan.engine.max_reject_ratio, &out)?;

    let clock = StageClock::start("write");
    let month_file = staged_month_file(&made.table, &out)?;
    let n_bytes = month_file.path().metadata().map_or(0, |m| m.len());
    made.stages.push(clock.stop(n_bytes, made.table.n_rows() as u64));
    let mut files = vec![month_file, staged_rejects(&made, &out)?];

    let report = reported(&listing, &plan.engine, made, &start);
    files.extend(staged_reports(&report, &out, plan.report.as_deref())?);
    published(files, &out, talk)?;
    Ok(Outcome::Report(Box::new(report)))
}

fn load(plan: &LoadPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let start = Start::now();
    let table = month_file::read(&plan.month_file)?;
    balanced(&table)?;
    let mut warehouse = opened(&plan.warehouse, Missing::Create)?;
    load_month(&mut *warehouse, &table, start.clock, talk)?;
    Ok(Outcome::Loaded(Loaded { month: table.month, rows: table.n_rows() as u64, warehouse: warehouse.address() }))
}

fn mart(plan: &MartPlan) -> Result<Outcome, Error> {
    let mut warehouse = opened(&plan.warehouse, Missing::Refuse)?;
    let months = mart::published_months(&mut *warehouse)?;
    let month = match (plan.month, months.as_slice()) {
        (Some(month), _) => month,
        (None, [month]) => *month,
        (None, []) => {
            let what = format!("{} has no month", warehouse.address());
            return Err(usage(what, "load one first with `viewmart run LAKE`"));
        }
        (None, months) => {
            let names: Vec<String> = months.iter().map(Month::to_string).collect();
            let what = format!("{} has several months: {}", warehouse.address(), names.join(", "));
            return Err(usage(what, "`mart` needs --month YYYY-MM"));
        }
    };
    mart::build(&mut *warehouse, month)?;
    Ok(Outcome::Mart(MartBuilt { month, warehouse: warehouse.address() }))
}

fn dashboard(plan: &DashboardPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let look = Rendering::prepare(&plan.render)?;
    let mut warehouse = crate::warehouse::open(&plan.warehouse.url, &plan.warehouse.options)?;
    let model = DashboardModel::read(&mut *warehouse, plan.month)?;
    let month = month_in(&model, plan.month, &warehouse.address())?;
    let (expected, run) = drawn(&model, month, &mut *warehouse).map(|model| (model.summary, model.mart_run))?;
    warn_of_stale_months(&model, month);
    let out = OutFolder::open(&plan.out)?;
    let subject = Subject { month, provenance: of_model(&model, month) };
    let server = warehouse.server();
    let mut rows = WarehouseRows { warehouse: &mut *warehouse, month, expected };
    let (package, note) = staged_package(&subject, &mut rows, &look, &out)?;
    // Another run that was published after the model was read is noticed.
    mart::refuse_replaced(&mut *warehouse, month, run)?;
    noted(note, talk);
    let mut files = vec![staged_page(&model, month, &look, &out)?, package];
    files.extend(staged_live(&subject, &look, server, &out)?);
    let files = published(files, &out, talk)?;
    remove_unmasked(&look, &out)?;
    Ok(Outcome::Dashboard(Dashboard { month, files }))
}

/// What it takes to render the dashboards.
struct Rendering {
    mask: Option<Masker>,
    hyperd: Option<PathBuf>,
}

impl Rendering {
    /// Reads the key of the pseudonyms, or makes it.
    fn prepare(plan: &RenderPlan) -> Result<Rendering, Error> {
        let masker = |key: &MaskKey| Masker::from_settings(key.variable.as_deref(), &key.file);
        Ok(Rendering { mask: plan.mask.as_ref().map(masker).transpose()?, hyperd: plan.hyperd.clone() })
    }
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

/// The lake and the files of the month in it.
fn listed(plan: &LakePlan) -> Result<(Lake, Listing), Error> {
    let lake = Lake::open(&plan.inputs, &plan.options)?;
    let listing = lake.list()?;
    for warning in lake.warnings() {
        console::say(format_args!("warning: {warning}"));
    }
    if plan.missing_days == MissingDays::Refuse && !listing.missing_days.is_empty() {
        let days: Vec<String> = report::dates(listing.month, &listing.missing_days);
        return Err(Error::Lake(
            LakeError::at(plan.inputs.join(", "), format!("no file for {}", days.join(", ")))
                .advise("bring these days into the lake, or run without --require-all-days"),
        ));
    }
    Ok((lake, listing))
}

/// All files of the month, on this machine.
fn pulled(plan: &LakePlan, talk: ConsolePlan) -> Result<(Listing, Vec<DataFile>), Error> {
    let (lake, listing) = listed(plan)?;
    let files = lake.arrivals(&listing, pull_progress(&lake, &listing, talk))?.collect::<Result<_, _>>()?;
    Ok((listing, files))
}

/// The bar of a pull; a lake on this machine has nothing to pull.
fn pull_progress(lake: &Lake, listing: &Listing, talk: ConsolePlan) -> Progress {
    if lake.is_remote() {
        Progress::start(talk.progress(), "pull", n_bytes(listing), Unit::Bytes)
    } else {
        Progress::hidden()
    }
}

fn n_bytes(listing: &Listing) -> u64 {
    listing.files.iter().map(|file| file.n_bytes).sum()
}

/// The month's table, from the bytes of its files. A file that has arrived is scanned while others are pulled.
fn made(lake: &Lake, listing: &Listing, plan: &EnginePlan, talk: ConsolePlan) -> Result<Transformed, Error> {
    let options = TransformOptions {
        month: listing.month,
        etl_date: plan.etl_date,
        rules: plan.rules.clone(),
        n_threads: plan.threads.get(),
        n_rejects_max: plan.max_rejects_kept,
    };
    // One bar at a time: that of the pull, which the scan only follows.
    let progress = match lake.is_remote() {
        true => Progress::hidden(),
        false => Progress::start(talk.progress(), "scan", n_bytes(listing), Unit::Bytes),
    };
    let begun = Instant::now();
    let mut arrivals = lake.arrivals(listing, pull_progress(lake, listing, talk))?;
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
    Ok(transformed)
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
    file.write_with(|w| rejects::write(made.rejects.iter(), w))?;
    atomic::publish(vec![file])?;
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
        let in_table = sum(&table.seconds[category as usize]);
        if in_ledger != in_table {
            let name = category.name();
            return unequal(format!("{in_ledger} seconds of {name} were kept, but the table has {in_table}"));
        }
    }
    let in_table = sum(&table.total);
    if table.ledger.n_seconds() != in_table {
        return unequal(format!("{} seconds were kept, but the table has {in_table}", table.ledger.n_seconds()));
    }
    let by_day: u64 = table.activity.iter().map(|day| day.records).sum();
    if kept != by_day {
        return unequal(format!("{kept} records were kept, but the days have {by_day}"));
    }
    Ok(())
}

/// The warehouse, reachable and with all its tables.
fn opened(plan: &WarehousePlan, missing: Missing) -> Result<Box<dyn Warehouse>, WarehouseError> {
    let mut warehouse = crate::warehouse::open(&plan.url, &plan.options)?;
    mart::prepare(&mut *warehouse, missing)?;
    for warning in warehouse.take_warnings() {
        console::say(format_args!("warning: {warning}"));
    }
    Ok(warehouse)
}

fn load_month(
    warehouse: &mut dyn Warehouse,
    table: &MonthTable,
    clock: RunClock,
    talk: ConsolePlan,
) -> Result<(), Error> {
    let progress = Progress::start(talk.progress(), "load", table.n_rows() as u64, Unit::Rows);
    let loaded = warehouse.load(table, clock, &progress);
    progress.finish();
    Ok(loaded?)
}

/// The month asked for, or the only one in the mart.
fn month_in(model: &DashboardModel, asked: Option<Month>, address: &str) -> Result<Month, Error> {
    let names: Vec<String> = model.known.iter().map(Month::to_string).collect();
    let month = match (asked, model.known.as_slice()) {
        (_, []) => return Err(usage(format!("{address} has no month"), "load one first with `viewmart run LAKE`")),
        (None, [only]) => *only,
        (None, _) => {
            let what = format!("{address} has several months: {}", names.join(", "));
            return Err(usage(what, "name one with --month"));
        }
        (Some(month), known) if known.contains(&month) => month,
        (Some(month), _) => {
            let what = format!("{address} has no month {month}; it has {}", names.join(", "));
            return Err(usage(what, "load it first with `viewmart run LAKE`, then rebuild its mart"));
        }
    };
    Ok(month)
}

/// The month that is to be drawn, or why it is not in the model: its mart is of another run than the one that stands.
fn drawn<'a>(
    model: &'a DashboardModel,
    month: Month,
    warehouse: &mut dyn Warehouse,
) -> Result<&'a MonthModel, WarehouseError> {
    if let Some(drawn) = model.months.iter().find(|candidate| candidate.month == month) {
        return Ok(drawn);
    }
    mart::run_of(warehouse, month)?;
    Err(WarehouseError::Database {
        at: warehouse.address(),
        doing: "reading the mart",
        why: format!("another run published {month} meanwhile"),
        advice: Some(format!("draw it again with `viewmart dashboard --month {month}`")),
    })
}

/// Says which other months the page lacks, and why.
fn warn_of_stale_months(model: &DashboardModel, drawn: Month) {
    for month in model.stale.iter().filter(|month| **month != drawn) {
        console::say(format_args!(
            "warning: the dashboard leaves out {month}, whose mart was not made from the run that stands; rebuild it \
             with `viewmart mart --month {month}`"
        ));
    }
}

/// A message that is no error.
fn say(talk: ConsolePlan, message: std::fmt::Arguments<'_>) {
    if talk.messages == Messages::Shown {
        console::say(message);
    }
}

fn noted(note: Option<String>, talk: ConsolePlan) {
    if let Some(note) = note {
        say(talk, format_args!("{note}"));
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
    file.write_with(|w| rejects::write(made.rejects.iter(), w))?;
    Ok(file)
}

/// The month in warehouse and mart, and the files that show it. The packaged workbook holds the rows of `table` and
/// nothing that the warehouse makes of them, so it is written meanwhile.
fn loaded_and_drawn(
    warehouse: &mut dyn Warehouse,
    table: &MonthTable,
    look: &Rendering,
    out: &OutFolder,
    clock: RunClock,
    talk: ConsolePlan,
) -> Result<(Vec<StagedFile>, Vec<StageTiming>), Error> {
    let n_rows = table.n_rows() as u64;
    let server = warehouse.server();
    let subject = Subject { month: table.month, provenance: of_table(&table.provenance) };
    let package = || {
        let begun = Instant::now();
        let package = staged_package(&subject, &mut TableRows(table), look, out)?;
        // Its processor time is in that of the stages beside it.
        let wall_s = begun.elapsed().as_secs_f64();
        Ok::<_, Error>((package, StageTiming { name: "workbook", wall_s, cpu_s: 0.0, bytes: 0, records: n_rows }))
    };
    let mut build = || {
        let stage = StageClock::start("load");
        load_month(warehouse, table, clock, talk)?;
        let load = stage.stop(0, n_rows);
        let stage = StageClock::start("mart");
        mart::build(warehouse, table.month)?;
        let mart = stage.stop(0, n_rows);
        let stage = StageClock::start("dashboard");
        let model = read_standing_month(warehouse, table.month)?;
        warn_of_stale_months(&model, table.month);
        let page = staged_page(&model, table.month, look, out)?;
        Ok::<_, Error>((page, [load, mart, stage.stop(0, 0)]))
    };
    let (package, built) = thread::scope(|scope| {
        let package = scope.spawn(package);
        let built = build();
        (package.join().unwrap_or_else(|panic| resume_unwind(panic)), built)
    });
    // Of two errors that of the warehouse is told, whichever was first.
    let (page, [load, mart, dashboard]) = built?;
    let ((package, note), workbook) = package?;
    noted(note, talk);
    let mut files = vec![page, package];
    files.extend(staged_live(&subject, look, server, out)?);
    Ok((files, vec![load, mart, workbook, dashboard]))
}

/// The model with `month` as it stands. Another run of the month that is published between a mart and the reading of it
/// makes that mart one of the past: then it is built anew from the run that stands now.
fn read_standing_month(warehouse: &mut dyn Warehouse, month: Month) -> Result<DashboardModel, Error> {
    /// More runs of one month at once are more likely a mistake of a scheduler.
    const MAX_REBUILDS: u32 = 10;
    let mut model = DashboardModel::read(warehouse, Some(month))?;
    for _ in 0..MAX_REBUILDS {
        if model.months.iter().any(|read| read.month == month) {
            break;
        }
        mart::build(warehouse, month)?;
        model = DashboardModel::read(warehouse, Some(month))?;
    }
    drawn(&model, month, warehouse)?;
    Ok(model)
}

/// The page for the browser.
fn staged_page(model: &DashboardModel, month: Month, look: &Rendering, out: &OutFolder) -> Result<StagedFile, Error> {
    let options = RenderOptions { mask: look.mask.clone(), first_shown: Some(month) };
    let mut page = out.stage(DASHBOARD)?;
    page.write_with(|w| w.write_all(html::render(model, &options).as_bytes()))?;
    Ok(page)
}

/// The workbook with its rows, and what the user should know about it.
fn staged_package(
    subject: &Subject,
    rows: &mut dyn RowSource,
    look: &Rendering,
    out: &OutFolder,
) -> Result<(StagedFile, Option<String>), Error> {
    let pseudonym = look.mask.as_ref().map(pseudonyms);
    let contracts = match &pseudonym {
        Some(pseudonym) => Contracts::Masked(pseudonym),
        None => Contracts::Plain,
    };
    let format = match &look.hyperd {
        Some(hyperd) => RowFormat::Hyper { hyperd: hyperd.clone(), scratch: out.path().to_owned() },
        None => RowFormat::Csv,
    };
    let mut packaged = out.stage(WORKBOOK)?;
    let path = packaged.target().to_owned();
    let package = packaged.fill(|file| tableau::package(file, subject, rows, contracts, &format));
    let note = package.map_err(|error| error.at(&path))?.note;
    Ok((packaged, note))
}

/// The workbooks on a MySQL warehouse. With pseudonyms there are none: they would show its contracts.
fn staged_live(
    subject: &Subject,
    look: &Rendering,
    server: Option<ServerAddress>,
    out: &OutFolder,
) -> Result<Vec<StagedFile>, Error> {
    let (Some(server), None) = (server, &look.mask) else { return Ok(Vec::new()) };
    let connection = Connection::Mysql(server);
    let staged = |(name, text): (&str, String)| {
        let mut file = out.stage(name)?;
        file.write_with(|w| w.write_all(text.as_bytes()))?;
        Ok(file)
    };
    [(LIVE_WORKBOOK, tableau::workbook(subject, &connection)), (LIVE_SOURCE, tableau::datasource(&connection))]
        .into_iter()
        .map(staged)
        .collect()
}

/// Removes the live workbooks of an earlier run without pseudonyms: beside the masked ones they would still lead to the
/// contracts.
fn remove_unmasked(look: &Rendering, out: &OutFolder) -> Result<(), Error> {
    let names: &[&str] = if look.mask.is_some() { &[LIVE_WORKBOOK, LIVE_SOURCE] } else { &[] };
    names.iter().try_for_each(|name| out.remove(name))
}

fn pseudonyms(mask: &Masker) -> impl Fn(&str) -> Cow<'_, str> {
    |contract| Cow::Owned(mask.mask(contract))
}

/// Where the rows of the month come from, in one line that is the same for the same rows.
fn provenance(engine: &str, rules_name: &str, rules_sha256: &str, input_files: impl std::fmt::Display) -> String {
    let hash = rules_sha256.get(..8).unwrap_or(rules_sha256);
    format!("{engine}, rules {rules_name} {hash}, {input_files} files")
}

fn of_table(of: &Provenance) -> String {
    provenance(&of.engine, &of.rules_name, &of.rules_sha256, of.input_files)
}

fn of_model(model: &DashboardModel, month: Month) -> String {
    model.months.iter().find(|candidate| candidate.month == month).map_or_else(String::new, |month| {
        let of = &month.provenance;
        provenance(&of.engine, &of.rules_name, &of.rules_sha256, of.input_files)
    })
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
fn published(files: Vec<StagedFile>, out: &OutFolder, talk: ConsolePlan) -> Result<Vec<PathBuf>, Error> {
    let paths = atomic::publish(files)?;
    out.remove(REFUSED_REJECTS)?;
    for path in &paths {
        say(talk, format_args!("wrote {}", path.display()));
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
            // As they were read: a file that changed while it was pulled came as it was then.
            files: table.provenance.input_files,
            bytes: table.provenance.input_bytes,
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
