//! The dashboards of a month, and the load beside which they are drawn.

use std::borrow::Cow;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::attempt::{Attempt, LaterMonths};
use super::steps::{load_month, note, usage};
use crate::artifacts::{self, DashboardFiles, LiveChoice, LiveFiles, MonthFile};
use crate::cli::plan::{ConsolePlan, MaskKey, RenderPlan};
use crate::console;
use crate::dashboard::html::{self, RenderOptions};
use crate::dashboard::mask::Masker;
use crate::dashboard::model::{DashboardModel, MonthModel};
use crate::dashboard::tableau::{self, Connection, Contracts, RowFormat, RowSource, Subject, TableRows};
use crate::engine::calendar::Month;
use crate::engine::hex::hex;
use crate::engine::month::MonthTable;
use crate::engine::rules::RulesStamp;
use crate::error::Error;
use crate::fs::atomic::StagedFile;
use crate::mart;
use crate::timing::{StageClock, StageTiming};
use crate::warehouse::{Beside, Ending, Fault, ServerAddress, Warehouse, WarehouseError};

/// What it takes to render the dashboards.
pub(super) struct Rendering {
    mask: Option<Masker>,
    hyperd: Option<PathBuf>,
    /// What is said meanwhile.
    pub talk: ConsolePlan,
}

impl Rendering {
    /// Reads the key of the pseudonyms, or makes it.
    pub fn prepare(plan: &RenderPlan, talk: ConsolePlan) -> Result<Rendering, Error> {
        let masker = |key: &MaskKey| Masker::from_settings(key.variable.as_deref(), &key.file);
        Ok(Rendering { mask: plan.mask.as_ref().map(masker).transpose()?, hyperd: plan.hyperd.clone(), talk })
    }

    /// Whether there are workbooks on a server. With pseudonyms there are none: they would show its contracts.
    pub fn live_choice(&self, warehouse: &dyn Warehouse) -> LiveChoice {
        match (&self.mask, warehouse.server()) {
            (Some(_), _) => LiveChoice::Remove,
            (None, Some(_)) => LiveChoice::Write,
            (None, None) => LiveChoice::Skip,
        }
    }
}

/// The files that show a month.
pub(super) struct Showing<'a> {
    pub month_file: &'a mut MonthFile,
    pub pages: &'a mut DashboardFiles,
}

/// The month of the model that its page shows first.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub model: &'a DashboardModel,
    pub month: Month,
}

/// A month that was published and drawn.
pub(super) struct Drawn {
    /// The run that is drawn.
    pub run: i64,
    pub stages: [StageTiming; 5],
}

/// The month in warehouse and mart, and the files that show it. Month file and packaged workbook hold the rows of `table`
/// and nothing that the warehouse makes of them, so they are written meanwhile.
pub(super) fn load_and_draw(
    warehouse: &mut dyn Warehouse,
    table: &MonthTable,
    look: &Rendering,
    files: Showing<'_>,
    attempt: &mut Attempt,
) -> Result<Drawn, Error> {
    let n_rows = table.n_rows() as u64;
    let server = warehouse.server();
    let subject = subject_of_table(table, look);
    let Showing { month_file, pages: DashboardFiles { page, package, live } } = files;
    let beside = Beside::begin();
    let mut write_rows = |ending: Ending<'_>| {
        // The processor time is in that of the stages beside these.
        let stage = |name, wall_s, bytes| StageTiming { name, wall_s, cpu_s: 0.0, bytes, records: n_rows };
        let begun = Instant::now();
        let n_bytes = month_file.write(table)?;
        let write = stage("write", begun.elapsed().as_secs_f64(), n_bytes);
        let begun = Instant::now();
        let note = write_package(package, &subject, &mut TableRows(table), look)?;
        ending.done();
        Ok::<_, Error>((note, [write, stage("workbook", begun.elapsed().as_secs_f64(), 0)]))
    };
    let mut build = || {
        let stage = StageClock::start("load");
        load_month(warehouse, table, attempt, &beside, look.talk)?;
        let load = stage.stop(0, n_rows);
        let stage = StageClock::start("mart");
        mart::build(warehouse, table.month)?;
        if attempt.later_months() == LaterMonths::Remake {
            mart::movement::remake_stale(warehouse)?;
        }
        let mart = stage.stop(0, n_rows);
        let stage = StageClock::start("dashboard");
        let model = read_standing_month(warehouse, table.month)?;
        warn_of_stale_months(&model, table.month);
        let run = find_month(&model, table.month, warehouse)?.mart_run;
        write_page(page, Shown { model: &model, month: table.month }, look)?;
        Ok::<_, Error>((run, [load, mart, stage.stop(0, 0)]))
    };
    let (written, built) = thread::scope(|scope| {
        let written = scope.spawn(|| write_rows(beside.ending()));
        let built = build();
        (written.join().unwrap_or_else(|panic| resume_unwind(panic)), built)
    });
    // Of two errors that of the warehouse is told, whichever was first; but not that it published
    // nothing because of the other.
    let (said, [write, workbook], (run, [load, mart, dashboard])) = match (written, built) {
        (Ok((said, stages)), built) => (said, stages, built?),
        (Err(error), Err(Error::Warehouse(withheld))) if matches!(withheld.fault(), Some(Fault::Withheld)) => {
            return Err(error);
        }
        (Err(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
    };
    note(said, look.talk);
    write_live(live.as_mut(), &subject, server)?;
    Ok(Drawn { run, stages: [load, mart, write, workbook, dashboard] })
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
    Ok(model)
}

/// The month asked for, or the only one in the mart. Of months that are loaded and have no mart the newest is told.
pub(super) fn choose_month(
    model: &DashboardModel,
    asked: Option<Month>,
    warehouse: &mut dyn Warehouse,
) -> Result<Month, Error> {
    // Where there is no warehouse the mart has no month either.
    let loaded = mart::published_months(warehouse).unwrap_or_default();
    let address = warehouse.address();
    let no_mart = |month: Month| {
        let next = format!("make it with `viewmart mart --month {month}`");
        (format!("{month} is loaded, its mart is missing"), next)
    };
    let without_mart = loaded.iter().rev().find(|month| !model.known.contains(month)).copied().map(no_mart);
    let names: Vec<String> = model.known.iter().map(Month::to_string).collect();
    match (asked, model.known.as_slice()) {
        (Some(month), known) if known.contains(&month) => Ok(month),
        (Some(month), _) if loaded.contains(&month) => {
            let (what, next) = no_mart(month);
            Err(usage(what, &next))
        }
        (_, []) => match without_mart {
            Some((what, next)) => Err(usage(what, &next)),
            None => Err(usage(format!("{address} has no month"), "load one first with `viewmart run LAKE`")),
        },
        (None, [only]) => {
            if let Some((what, next)) = without_mart {
                console::say(format_args!("warning: {what}; {next}"));
            }
            Ok(*only)
        }
        (None, _) => {
            let missing = without_mart.map(|(what, _)| format!("; {what}")).unwrap_or_default();
            let what = format!("{address} has several months: {}{missing}", names.join(", "));
            Err(usage(what, "name one with --month"))
        }
        (Some(month), _) => {
            let what = format!("{address} has no month {month}; it has {}", names.join(", "));
            Err(usage(what, "load it first with `viewmart run LAKE`, then rebuild its mart"))
        }
    }
}

/// The month that is to be drawn, or why it is not in the model: its mart is of another run than the one that stands.
pub(super) fn find_month<'a>(
    model: &'a DashboardModel,
    month: Month,
    warehouse: &mut dyn Warehouse,
) -> Result<&'a MonthModel, WarehouseError> {
    if let Some(drawn) = model.months.iter().find(|candidate| candidate.month == month) {
        return Ok(drawn);
    }
    mart::run_of(warehouse, month)?;
    Err(WarehouseError::step(warehouse.address(), "reading the mart", Fault::Replaced { month }))
}

/// Says which other months the page lacks, and why.
pub(super) fn warn_of_stale_months(model: &DashboardModel, drawn: Month) {
    for month in model.stale.iter().filter(|month| **month != drawn) {
        console::say(format_args!(
            "warning: the dashboard leaves out {month}, whose mart was not made from the run that stands; rebuild it \
             with `viewmart mart --month {month}`"
        ));
    }
    let is_stale = |month: &&MonthModel| !month.movement.kinds.is_empty() && !month.movement.is_current;
    if let Some(MonthModel { month, .. }) = model.months.iter().find(is_stale) {
        console::say(format_args!(
            "warning: months were made again since {month} was compared with the month before; the dashboard leaves that \
             out; `viewmart mart --month {month}` compares all months anew"
        ));
    }
}

/// The page for the browser.
pub(super) fn write_page(page: &mut StagedFile, shown: Shown<'_>, look: &Rendering) -> Result<(), Error> {
    Ok(page.write_with(|w| w.write_all(page_of(shown, look).as_bytes()))?)
}

fn page_of(shown: Shown<'_>, look: &Rendering) -> String {
    html::render(shown.model, &RenderOptions { mask: look.mask.clone(), first_shown: Some(shown.month) })
}

/// The workbook with its rows; returns what the user should know about it.
pub(super) fn write_package(
    package: &mut StagedFile,
    subject: &Subject,
    rows: &mut dyn RowSource,
    look: &Rendering,
) -> Result<Option<String>, Error> {
    let pseudonym = look.mask.as_ref().map(pseudonyms);
    let contracts = match &pseudonym {
        Some(pseudonym) => Contracts::Masked(pseudonym),
        None => Contracts::Plain,
    };
    let path = package.target().to_owned();
    let format = match &look.hyperd {
        Some(hyperd) => {
            let scratch = path.parent().unwrap_or(Path::new(".")).to_owned();
            RowFormat::Hyper { hyperd: hyperd.clone(), scratch }
        }
        None => RowFormat::Csv,
    };
    let packaged = package.fill(|file| tableau::package(file, subject, rows, contracts, &format));
    Ok(packaged.map_err(|error| error.at(&path))?.note)
}

/// The workbooks on a MySQL warehouse, where they are wanted.
pub(super) fn write_live(
    files: Option<&mut LiveFiles>,
    subject: &Subject,
    server: Option<ServerAddress>,
) -> Result<(), Error> {
    let (Some(LiveFiles { workbook, source }), Some(server)) = (files, server) else { return Ok(()) };
    let connection = Connection::Mysql(server);
    workbook.write_with(|w| w.write_all(tableau::workbook(subject, &connection).as_bytes()))?;
    Ok(source.write_with(|w| w.write_all(tableau::datasource(&connection).as_bytes()))?)
}

fn pseudonyms(mask: &Masker) -> impl Fn(&str) -> Cow<'_, str> {
    |contract| Cow::Owned(mask.mask(contract))
}

/// Where the rows of the month come from, in one line that is the same for the same rows.
fn provenance(engine: &str, rules: &RulesStamp, input_files: impl std::fmt::Display) -> String {
    format!("{engine}, rules {} {}, {input_files} files", rules.name, rules.short_hash())
}

/// What a workbook is about, of which no more has to be known to tell whether it has to be made again: the same rows give
/// the same mark, and so does another warehouse.
fn subject(month: Month, provenance: String, n_customers: i128, n_seconds: i128, look: &Rendering) -> Subject {
    let pseudonyms = look.mask.as_ref().map(|mask| mask.mask("")).unwrap_or_default();
    let rows = format!("{month} {provenance} {n_customers} {n_seconds} {pseudonyms}");
    let mark = format!("{month} {}", hex(&Sha256::digest(rows)));
    Subject { month, provenance, mark }
}

fn subject_of_table(table: &MonthTable, look: &Rendering) -> Subject {
    let of = &table.provenance;
    let provenance = provenance(&of.engine, &of.rules, of.input_files);
    subject(table.month, provenance, table.n_rows() as i128, table.ledger.n_seconds(), look)
}

/// What a workbook of a month is about.
pub(super) fn subject_of_model(month: &MonthModel, look: &Rendering) -> Subject {
    let of = &month.provenance;
    let provenance = provenance(&of.engine, &of.rules, of.input_files);
    subject(month.month, provenance, month.summary.users.into(), month.summary.total_seconds.into(), look)
}

/// The month whose rows the workbook at `path` holds; none where an older version made it.
pub(super) fn month_of_workbook(path: &Path) -> Option<Month> {
    tableau::read_mark(path)?.get(..7)?.parse().ok()
}

/// Whether the dashboards in `out` are those that would be drawn now. The page is drawn to be compared; it got
/// its name last, so that whatever stands beside it had got its own by then.
pub(super) fn is_drawn(out: &Path, shown: Shown<'_>, look: &Rendering, live: LiveChoice) -> bool {
    let is_page = |page: &Path| fs::read(page).is_ok_and(|bytes| bytes == page_of(shown, look).as_bytes());
    let month = shown.model.months.iter().find(|candidate| candidate.month == shown.month);
    let mark = month.map(|month| subject_of_model(month, look).mark);
    let is_workbook = |path: &Path| mark.is_some() && tableau::read_mark(path) == mark;
    artifacts::are_dashboards(out, live, is_page, is_workbook)
}
