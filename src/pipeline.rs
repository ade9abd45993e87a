//! The order of the steps, which nothing else knows. Reads like a table of contents.
//!
//! Nothing that a reader could see changes before the data has passed the gate and every output file is begun: then the
//! warehouse publishes the month, then the mart, then the files get their names.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::artifacts::{self, DashboardFiles, LiveChoice, MonthFile, MonthFiles};
use crate::cli::plan::{
    ConsolePlan, DashboardPlan, DiffPlan, DropPlan, ExtractPlan, LoadPlan, MartPlan, MergePlan, Plan, PrunePolicy,
    RunPlan, Task, TransformPlan, WarehousePlan,
};
use crate::console::{Progress, Unit};
use crate::dashboard::model::DashboardModel;
use crate::dashboard::tableau::WarehouseRows;
use crate::error::Error;
use crate::fs::atomic::{self, OutFolder, StagedFile};
use crate::gate::Evidence;
use crate::generate::{self, GenerateOptions};
use crate::lake::PruneSummary;
use crate::month_file::Merge;
use crate::outcome::{Dashboard, Dropped, Extracted, Loaded, MartBuilt, Merged, MonthList, Outcome};
use crate::report::{Published, Report};
use crate::timing::{StageClock, today};
use crate::warehouse::{Beside, Missing, Warehouse};
use crate::{bench, diff, doctor, gate, mart};

mod attempt;
mod audience;
mod draw;
mod part;
mod series;
mod steps;
mod supply;
mod told;

use attempt::{Attempt, Book};
use draw::{Rendering, Showing, Shown};
use supply::Supply;

/// Carries out a plan.
///
/// # Errors
/// The first thing that failed; what a reader could see is then as it was before.
pub fn carry_out(plan: &Plan) -> Result<Outcome, Error> {
    let talk = plan.console;
    match &plan.task {
        Task::Run(plan) => told::run(plan, talk),
        Task::Series(plan) => series::run(plan, talk),
        Task::Extract(plan) => extract(plan, talk),
        Task::Transform(plan) => transform(plan, talk),
        Task::Merge(plan) => merge(plan, talk),
        Task::Load(plan) => load(plan, talk),
        Task::Mart(plan) => build_mart(plan),
        Task::Dashboard(plan) => draw_dashboard(plan, talk),
        Task::Drop(plan) => drop_month(plan),
        Task::Months(plan) => list_months(plan),
        Task::Audience(plan) => Ok(Outcome::Audience(audience::answer(plan)?)),
        Task::Doctor(plan) => Ok(Outcome::Diagnosis(doctor::examine(plan))),
        Task::Diff(plan) => compare_months(plan, talk),
        Task::Plan(plan) => part::split(plan),
        Task::Scan(plan) => part::scan(plan, talk),
        Task::Generate(options) => generate(options, talk),
        Task::Bench(plan) => {
            let (listing, files) = steps::pull(&plan.lake, talk)?;
            let measured = bench::measure(plan, listing.month, &files)?;
            steps::keep_floor(&measured, &files, &plan.lake.options.cache);
            Ok(Outcome::Bench(measured))
        }
    }
}

/// One month of a lake, whose files `supply` reads; `prepare` gives its attempt what it needs besides.
fn run(
    plan: &RunPlan,
    supply: Supply<'_>,
    talk: ConsolePlan,
    prepare: impl FnOnce(Attempt) -> Attempt,
) -> Result<Box<Report>, Error> {
    let attempt = Attempt::begin(Book::new(Some(&plan.out), Some(&plan.warehouse))).measuring(&plan.audiences);
    let mut attempt = prepare(attempt);
    let done = run_to_end(plan, supply, talk, &mut attempt);
    attempt.end(done)
}

fn run_to_end(
    plan: &RunPlan,
    mut supply: Supply<'_>,
    talk: ConsolePlan,
    attempt: &mut Attempt,
) -> Result<Box<Report>, Error> {
    attempt.take_asked(&plan.lake, &plan.engine);
    let look = Rendering::prepare(&plan.render, talk)?;
    let listing = supply.list(&plan.lake, attempt)?;
    let inputs = || steps::inputs(Some(&listing), Some(&plan.engine), Some(&plan.warehouse));
    told::refuse_clashes(plan, inputs())?;
    attempt.take_listing(&listing, &plan.engine);
    steps::refuse_missing_days(&plan.lake, &listing)?;
    let out = attempt.open_out(&plan.out)?;
    let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Create)?;
    let live = look.live_choice(&*warehouse);
    let mut files = MonthFiles::stage(&out, listing.month, plan.engine.devices, plan.report.as_deref())?;
    let mut pages = DashboardFiles::stage(&out, live)?;
    artifacts::refuse_clashes(files.files().chain(pages.files()), Some(&out), inputs())?;

    let mut made = supply.make(&listing, &plan.engine, talk)?;
    attempt.take_table(&made.table, &plan.engine.limits);
    steps::accept(&made, &plan.lake, &plan.engine, &out, &mut attempt.warnings)?;
    files.write_rejects(&made.rejects)?;
    supply.begin_next();
    let showing = Showing { month_file: &mut files.month, pages: &mut pages };
    let drawn = draw::load_and_draw(&mut *warehouse, &made.table, &look, showing, attempt)?;
    made.stages.extend(drawn.stages);

    let mut report = steps::report(&listing, &plan.lake, &plan.engine, made, attempt);
    report.outputs = files.names().chain(pages.names()).collect();
    report.published = Some(steps::published(&plan.warehouse, &*warehouse, drawn.run, pages.page.target()));
    files.write_report(&report)?;
    artifacts::publish(pages.around(files.into_files()), &out, live)?;
    artifacts::remove_old_devices(&out, listing.month, plan.engine.devices)?;
    artifacts::remove_refused(&out, listing.month)?;
    Ok(Box::new(report))
}

fn extract(plan: &ExtractPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let (lake, listing) = steps::list(&plan.lake, &mut Vec::new())?;
    steps::refuse_missing_days(&plan.lake, &listing)?;
    let mut arrivals = lake.arrivals(&listing, steps::watch_pull(&lake, &listing, &talk.bars()))?;
    for file in &mut arrivals {
        file?;
    }
    let pruned = match plan.prune {
        PrunePolicy::Keep => PruneSummary::default(),
        PrunePolicy::Prune => lake.prune(&listing)?,
    };
    Ok(Outcome::Extracted(Extracted::of(&listing, today(), &arrivals.summary(), pruned)))
}

fn transform(plan: &TransformPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    Ok(Outcome::Report(write_files(plan, None, talk, |attempt| attempt)?))
}

/// The files of a month, which may be those of a run that stands; `prepare` gives its attempt what it needs besides.
fn write_files(
    plan: &TransformPlan,
    of: Option<Published>,
    talk: ConsolePlan,
    prepare: impl FnOnce(Attempt) -> Attempt,
) -> Result<Box<Report>, Error> {
    let mut attempt = prepare(Attempt::begin(Book::new(Some(&plan.out), None)));
    let done = transform_to_end(plan, of, talk, &mut attempt);
    attempt.end(done)
}

fn transform_to_end(
    plan: &TransformPlan,
    of: Option<Published>,
    talk: ConsolePlan,
    attempt: &mut Attempt,
) -> Result<Box<Report>, Error> {
    attempt.take_asked(&plan.lake, &plan.engine);
    let (lake, listing) = steps::list(&plan.lake, &mut attempt.warnings)?;
    attempt.take_listing(&listing, &plan.engine);
    steps::refuse_missing_days(&plan.lake, &listing)?;
    let out = attempt.open_out(&plan.out)?;
    let mut files = MonthFiles::stage(&out, listing.month, plan.engine.devices, plan.report.as_deref())?;
    artifacts::refuse_clashes(files.files(), Some(&out), steps::inputs(Some(&listing), Some(&plan.engine), None))?;

    let mut made = steps::make_month(&lake, &listing, &plan.engine, &talk.bars())?;
    attempt.take_table(&made.table, &plan.engine.limits);
    steps::accept(&made, &plan.lake, &plan.engine, &out, &mut attempt.warnings)?;
    let clock = StageClock::start("write");
    let n_bytes = files.month.write(&made.table)?;
    made.stages.push(clock.stop(n_bytes, made.table.n_rows() as u64));
    files.write_rejects(&made.rejects)?;

    let mut report = steps::report(&listing, &plan.lake, &plan.engine, made, attempt);
    report.outputs = files.names().collect();
    report.published = of;
    files.write_report(&report)?;
    artifacts::publish(files.into_files(), &out, LiveChoice::Skip)?;
    artifacts::remove_old_devices(&out, listing.month, plan.engine.devices)?;
    artifacts::remove_refused(&out, listing.month)?;
    Ok(Box::new(report))
}

fn merge(plan: &MergePlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let merge = Merge::open(&plan.parts.inputs, &plan.parts.options)?;
    let mut warnings = Vec::new();
    steps::check_parts(&merge, &plan.parts, &mut warnings)?;
    let (month, n_parts, ledger) = (merge.month(), merge.n_parts(), merge.ledger());
    let evidence = Evidence::default().with_similar_apps(merge.similar_apps());
    steps::accept_parts(month, ledger, &plan.parts, &evidence, &mut warnings)?;
    let out = OutFolder::open(&plan.out)?;
    let mut file = MonthFile::stage(&out, month, plan.devices)?;
    artifacts::refuse_clashes(file.files(), Some(&out), steps::inputs_of_parts(&plan.parts)?)?;
    if merge.leaves_devices_out() {
        steps::say(talk, format_args!("the devices that the parts count are left out; --devices keeps them"));
    }
    let mut null_words = BTreeSet::new();
    let n_rows = file.write_merged(merge, &mut |rows| null_words.extend(gate::null_contracts(&rows.contracts)))?;
    steps::accept_words(&null_words.into_iter().collect::<Vec<_>>(), &plan.parts.limits)?;
    let path = file.target().to_owned();
    atomic::publish(file.into_files().collect())?;
    artifacts::remove_old_devices(&out, month, plan.devices)?;
    Ok(Outcome::Merged(Merged { month, parts: n_parts as u64, rows: n_rows, path }))
}

fn load(plan: &LoadPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let mut attempt = Attempt::begin(Book::new(None, Some(&plan.warehouse))).measuring(&plan.audiences);
    let done = load_to_end(plan, talk, &mut attempt);
    attempt.end(done)
}

fn load_to_end(plan: &LoadPlan, talk: ConsolePlan, attempt: &mut Attempt) -> Result<Outcome, Error> {
    attempt.take_asked_parts(&plan.parts.options);
    let merge = Merge::open(&plan.parts.inputs, &plan.parts.options)?;
    attempt.take_parts(&merge);
    steps::check_parts(&merge, &plan.parts, &mut attempt.warnings)?;
    let evidence = Evidence::default().with_similar_apps(merge.similar_apps());
    let table = &merge.into_table()?;
    attempt.take_table(table, &plan.parts.limits);
    gate::check_balance(table)?;
    steps::tell(gate::warn_of_null_contracts(&gate::null_contracts(&table.contracts)), &mut attempt.warnings);
    steps::accept_parts(table.month, &table.detail, &plan.parts, &evidence, &mut attempt.warnings)?;
    let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Create)?;
    steps::load_month(&mut *warehouse, table, attempt, &Beside::nothing(), talk)?;
    mart::movement::remake_stale(&mut *warehouse)?;
    Ok(Outcome::Loaded(Loaded { month: table.month, rows: table.n_rows() as u64, warehouse: warehouse.address() }))
}

fn compare_months(plan: &DiffPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let [a, b] = &plan.sides;
    let mut list = plan.list.as_deref().map(StagedFile::create).transpose()?;
    artifacts::refuse_clashes(&list, None, [steps::inputs_of_side(a)?, steps::inputs_of_side(b)?].concat())?;
    let difference = diff::compare(a, b, plan.n_top, list.as_mut())?;
    for path in atomic::publish(list.into_iter().collect())? {
        steps::say(talk, format_args!("wrote {}", path.display()));
    }
    Ok(Outcome::Difference(Box::new(difference)))
}

fn build_mart(plan: &MartPlan) -> Result<Outcome, Error> {
    let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Refuse)?;
    let month = steps::choose_published_month(&mut *warehouse, plan.month)?;
    mart::build(&mut *warehouse, month)?;
    mart::movement::remake_stale(&mut *warehouse)?;
    Ok(Outcome::Mart(MartBuilt { month, warehouse: warehouse.address() }))
}

fn draw_dashboard(plan: &DashboardPlan, talk: ConsolePlan) -> Result<Outcome, Error> {
    let look = Rendering::prepare(&plan.render, talk)?;
    let mut warehouse = crate::warehouse::open(&plan.warehouse.url, &plan.warehouse.options)?;
    let model = DashboardModel::read(&mut *warehouse, plan.month)?;
    let month = draw::choose_month(&model, plan.month, &mut *warehouse)?;
    // A month without a mart is told before the output folder is made.
    draw::find_month(&model, month, &mut *warehouse)?;
    let out = OutFolder::open(&plan.out)?;
    let shown = Shown { model: &model, month };
    let files = draw_model(shown, &mut *warehouse, &plan.warehouse, &look, &out)?;
    Ok(Outcome::Dashboard(Dashboard { month, files }))
}

/// The dashboards of a month as the model has it, and the rows as the warehouse has them.
fn draw_model(
    shown: Shown<'_>,
    warehouse: &mut dyn Warehouse,
    at: &WarehousePlan,
    look: &Rendering,
    out: &OutFolder,
) -> Result<Vec<PathBuf>, Error> {
    let Shown { model, month } = shown;
    let of = draw::find_month(model, month, warehouse)?;
    draw::warn_of_stale_months(model, month);
    let (subject, server, live) = (draw::subject_of_model(of, look), warehouse.server(), look.live_choice(warehouse));
    let mut pages = DashboardFiles::stage(out, live)?;
    artifacts::refuse_clashes(pages.files(), Some(out), steps::inputs(None, None, Some(at)))?;
    let mut rows = WarehouseRows { warehouse: &mut *warehouse, month, expected: of.summary };
    let note = draw::write_package(&mut pages.package, &subject, &mut rows, look)?;
    // Another run that was published after the model was read is noticed.
    mart::refuse_replaced(warehouse, month, of.mart_run)?;
    steps::note(note, look.talk);
    draw::write_page(&mut pages.page, shown, look)?;
    draw::write_live(pages.live.as_mut(), &subject, server)?;
    Ok(artifacts::publish(pages.around(Vec::new()), out, live)?)
}

fn drop_month(plan: &DropPlan) -> Result<Outcome, Error> {
    let mut warehouse = steps::open_warehouse(&plan.warehouse, Missing::Refuse)?;
    mart::months::drop(&mut *warehouse, plan.month)?;
    mart::movement::remake_stale(&mut *warehouse)?;
    let packaged = draw::month_of_workbook(&artifacts::workbook_in(&plan.out));
    let files = artifacts::find_files_of_month(&plan.out, plan.month, packaged);
    Ok(Outcome::Dropped(Dropped { month: plan.month, warehouse: warehouse.address(), files }))
}

fn list_months(plan: &WarehousePlan) -> Result<Outcome, Error> {
    let mut warehouse = crate::warehouse::open(&plan.url, &plan.options)?;
    let months = mart::months::list(&mut *warehouse)?;
    Ok(Outcome::Months(MonthList { warehouse: warehouse.address(), months }))
}

fn generate(options: &GenerateOptions, talk: ConsolePlan) -> Result<Outcome, Error> {
    let progress = Progress::start(talk.progress(), "generate", options.expected_bytes(), Unit::Bytes);
    let summary = generate::generate(options, &progress);
    progress.finish();
    Ok(Outcome::Generated(summary?))
}
