//! The files that a command leaves in the output folder: their names, and their staging before any work is done.
//!
//! All of them are begun before the warehouse is touched, so that a file that cannot be written is known by then; they
//! get their names together at the end.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;
use crate::engine::scan::reject::Rejects;
use crate::error::Error;
use crate::fs::atomic::{self, LOCK_NAME, OutFolder, StagedFile};
use crate::fs::error::{Clash, OutputError};
use crate::fs::target;
use crate::month_file::{Merge, MergeWriteError};
use crate::report::{Refusal, Report};
use crate::{month_file, rejects};

/// Rejected records of the published month.
const REJECTS: &str = "rejects.ndjson";
/// Rejected records of a month that was refused because of them.
const REFUSED_REJECTS: &str = "rejects-refused.ndjson";
/// What became of a run that did not publish.
const REFUSED_REPORT: &str = "report-refused.json";
/// The devices of the customers, kept by month.
const DEVICES: &str = month_file::DEVICES_ENDING;
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

/// What is written of a month besides its dashboards. Report and rejects have two names, that of the newest and one of
/// the month, under which they stay when another month is made.
#[derive(Debug)]
pub struct MonthFiles {
    pub month: MonthFile,
    rejects: StagedFile,
    /// In the output folder, and where the user wants it too.
    reports: Vec<StagedFile>,
}

/// The month file, and the file of its devices where they are counted.
#[derive(Debug)]
pub struct MonthFile {
    file: StagedFile,
    devices: Option<StagedFile>,
}

/// The name of a file that is kept by month; `name` is that of the newest one.
fn name_of_month(month: Month, name: &str) -> String {
    format!("month-{month}.{name}")
}

/// Whether files of that name are kept by month.
fn is_kept_by_month(name: &str) -> bool {
    let of_month = name.strip_prefix("month-").and_then(|rest| rest.split_once('.'));
    of_month.is_some_and(|(month, _)| month.parse::<Month>().is_ok())
}

/// Begins the newest file of that name, which is kept by month too.
fn stage_by_month(out: &OutFolder, month: Month, name: &str) -> Result<StagedFile, OutputError> {
    out.stage(name)?.also_as(&out.path().join(name_of_month(month, name)))
}

impl MonthFiles {
    /// Begins the files of `month`, whose devices are counted or not, in `out`, and the report at `report` too.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn stage(
        out: &OutFolder,
        month: Month,
        devices: Devices,
        report: Option<&Path>,
    ) -> Result<MonthFiles, OutputError> {
        let month_file = MonthFile::stage(out, month, devices)?;
        let rejects = stage_by_month(out, month, REJECTS)?;
        let mut reports = vec![stage_by_month(out, month, REPORT)?];
        reports.extend(report.map(StagedFile::create).transpose()?);
        check_no_longer_refused(out, month)?;
        Ok(MonthFiles { month: month_file, rejects, reports })
    }

    pub fn files(&self) -> impl Iterator<Item = &StagedFile> {
        self.month.files().chain([&self.rejects]).chain(&self.reports)
    }

    /// All names that they will have.
    pub fn names(&self) -> impl Iterator<Item = PathBuf> {
        self.files().flat_map(StagedFile::names).map(Path::to_owned)
    }

    /// Writes the rejected records.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write_rejects(&mut self, rejects: &Rejects) -> Result<(), OutputError> {
        self.rejects.write_with(|w| rejects::write(rejects.iter(), w))
    }

    /// Writes the report.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write_report(&mut self, report: &Report) -> Result<(), OutputError> {
        let text = report.to_json();
        self.reports.iter_mut().try_for_each(|file| file.write_with(|w| w.write_all(text.as_bytes())))
    }

    pub fn into_files(self) -> Vec<StagedFile> {
        self.month.into_files().chain([self.rejects]).chain(self.reports).collect()
    }
}

impl MonthFile {
    /// Begins it alone.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn stage(out: &OutFolder, month: Month, devices: Devices) -> Result<MonthFile, OutputError> {
        let file = out.stage(&name_of_month(month, "parquet"))?;
        let name = name_of_month(month, DEVICES);
        let devices = match devices {
            Devices::Counted => Some(out.stage(&name)?),
            Devices::Ignored => {
                out.check_removable(&name)?;
                None
            }
        };
        Ok(MonthFile { file, devices })
    }

    /// Where the month file will be.
    pub fn target(&self) -> &Path {
        self.file.target()
    }

    /// Both files.
    pub fn files(&self) -> impl Iterator<Item = &StagedFile> {
        [&self.file].into_iter().chain(&self.devices)
    }

    /// Both files, the devices first: a month file is never seen without its own for longer than one with those of before.
    pub fn into_files(self) -> impl Iterator<Item = StagedFile> {
        self.devices.into_iter().chain([self.file])
    }

    /// Writes a month; returns the size of the month file in bytes.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write(&mut self, table: &MonthTable) -> Result<u64, OutputError> {
        let seal = match &mut self.devices {
            Some(devices) => devices.write_with(|w| month_file::write_devices(table, w))?,
            None => None,
        };
        self.file.write_with(|w| month_file::write_sealed(table, seal.as_ref(), w))?;
        Ok(self.file.path().metadata().map_or(0, |m| m.len()))
    }

    /// Writes the month of merged parts, whose rows `each` sees, some at a time; returns their number.
    ///
    /// # Errors
    /// [`Error::Data`] of the parts, [`Error::Output`].
    pub fn write_merged(&mut self, merge: Merge, each: &mut dyn FnMut(&MonthTable)) -> Result<u64, Error> {
        let path = self.file.target().to_owned();
        let written = match &mut self.devices {
            None => self.file.fill(|w| merge.write_with_devices(w, &mut io::sink(), each)),
            Some(devices) => self.file.fill(|w| devices.fill(|devices| merge.write_with_devices(w, devices, each))),
        };
        written.map_err(|error| match error {
            MergeWriteError::Parts(error) => error.into(),
            MergeWriteError::Output(source) => OutputError::io(path, "writing the file", source).into(),
        })
    }
}

/// Removes the devices that an earlier run of `month` counted, where this one has not.
///
/// # Errors
/// [`OutputError::Io`].
pub fn remove_old_devices(out: &OutFolder, month: Month, devices: Devices) -> Result<(), OutputError> {
    match devices {
        Devices::Ignored => out.remove(&name_of_month(month, DEVICES)),
        Devices::Counted => Ok(()),
    }
}

#[derive(Debug)]
pub struct DashboardFiles {
    /// The page for the browser.
    pub page: StagedFile,
    /// The workbook with its rows.
    pub package: StagedFile,
    /// The workbook on a server, and its connection alone.
    pub live: Option<LiveFiles>,
}

/// What leads to a warehouse on a server.
#[derive(Debug)]
pub struct LiveFiles {
    pub workbook: StagedFile,
    /// The connection alone.
    pub source: StagedFile,
}

/// Whether there are workbooks on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveChoice {
    /// There are.
    Write,
    /// The warehouse is a file: what an earlier run left stays.
    Skip,
    /// Contracts have pseudonyms here: those of an earlier run would still lead to the contracts, and are removed.
    Remove,
}

impl DashboardFiles {
    /// Begins the files in `out`.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn stage(out: &OutFolder, live: LiveChoice) -> Result<DashboardFiles, OutputError> {
        let live = match live {
            LiveChoice::Write => {
                Some(LiveFiles { workbook: out.stage(LIVE_WORKBOOK)?, source: out.stage(LIVE_SOURCE)? })
            }
            LiveChoice::Skip => None,
            LiveChoice::Remove => {
                [LIVE_WORKBOOK, LIVE_SOURCE].iter().try_for_each(|name| out.check_removable(name))?;
                None
            }
        };
        Ok(DashboardFiles { page: out.stage(DASHBOARD)?, package: out.stage(WORKBOOK)?, live })
    }

    pub fn files(&self) -> impl Iterator<Item = &StagedFile> {
        let live = self.live.iter().flat_map(|live| [&live.workbook, &live.source]);
        [&self.page, &self.package].into_iter().chain(live)
    }

    /// All names that they will have.
    pub fn names(&self) -> impl Iterator<Item = PathBuf> {
        self.files().flat_map(StagedFile::names).map(Path::to_owned)
    }

    /// All of them, and `files` between them, in the order in which they get their names: the page is the last, so that
    /// one that shows a run stands beside the files of that run.
    pub fn around(self, files: Vec<StagedFile>) -> Vec<StagedFile> {
        let live = self.live.into_iter().flat_map(|live| [live.workbook, live.source]);
        [self.package].into_iter().chain(live).chain(files).chain([self.page]).collect()
    }
}

/// Whether `out` has all dashboards, and no other: those for which `is_page` and `is_workbook` hold.
pub fn are_dashboards(
    out: &Path,
    live: LiveChoice,
    is_page: impl FnOnce(&Path) -> bool,
    is_workbook: impl FnOnce(&Path) -> bool,
) -> bool {
    let is_there = |name: &str| out.join(name).is_file();
    let is_live = match live {
        LiveChoice::Write => [LIVE_WORKBOOK, LIVE_SOURCE].into_iter().all(is_there),
        LiveChoice::Skip => true,
        LiveChoice::Remove => ![LIVE_WORKBOOK, LIVE_SOURCE].into_iter().any(is_there),
    };
    is_live && is_workbook(&out.join(WORKBOOK)) && is_page(&out.join(DASHBOARD))
}

/// Refuses outputs of which two are one file, or one is a file that the command reads or works in: `others`, each with a
/// word for it, and those that the output folder has, where there is one.
///
/// # Errors
/// [`OutputError::Clash`].
pub fn refuse_clashes<'a>(
    files: impl IntoIterator<Item = &'a StagedFile>,
    out: Option<&OutFolder>,
    others: impl IntoIterator<Item = (PathBuf, &'static str)>,
) -> Result<(), OutputError> {
    // Devices and pipes take what several outputs say.
    let names = files.into_iter().filter(|file| file.is_file()).flat_map(StagedFile::names);
    refuse_taken(names, others.into_iter().chain(out.into_iter().flat_map(|out| kept_in(out.path()))))
}

/// The same of files of which only the names are known, and which are none of those that a month leaves in `out`.
///
/// # Errors
/// [`OutputError::Clash`].
pub fn refuse_name_clashes(
    names: &[&Path],
    out: &Path,
    others: impl IntoIterator<Item = (PathBuf, &'static str)>,
) -> Result<(), OutputError> {
    const NEWEST: [&str; 8] =
        [REJECTS, REFUSED_REJECTS, REFUSED_REPORT, REPORT, DASHBOARD, WORKBOOK, LIVE_WORKBOOK, LIVE_SOURCE];
    const OUTPUT: &str = "an output of a run";
    let files: Vec<&Path> = names.iter().copied().filter(|name| target::is_file(name)).collect();
    let folder = target::place(&out.join(REPORT)).and_then(|report| Some(report.parent()?.to_owned()));
    for name in &files {
        let place = target::place(name);
        let is_of_month =
            place.as_deref().and_then(Path::file_name).is_some_and(|name| is_kept_by_month(&name.to_string_lossy()));
        if is_of_month && folder.as_deref() == place.as_deref().and_then(Path::parent) && folder.is_some() {
            let clash = Clash::Input { what: OUTPUT, path: (*name).to_owned() };
            return Err(OutputError::Clash { path: (*name).to_owned(), clash });
        }
    }
    let newest = NEWEST.map(|name| (out.join(name), OUTPUT));
    refuse_taken(files, others.into_iter().chain(kept_in(out)).chain(newest))
}

/// What is in an output folder besides outputs.
fn kept_in(out: &Path) -> [(PathBuf, &'static str); 3] {
    [
        // Where the warehouse is unless it is named.
        ("warehouse.db", "a file of the warehouse"),
        ("mart.db", "a file of the warehouse"),
        (LOCK_NAME, "the lock of the output folder"),
    ]
    .map(|(name, what)| (out.join(name), what))
}

fn refuse_taken<'a>(
    names: impl IntoIterator<Item = &'a Path>,
    others: impl IntoIterator<Item = (PathBuf, &'static str)>,
) -> Result<(), OutputError> {
    let of_other = |(path, what): (PathBuf, _)| Some((target::place(&path)?, Clash::Input { what, path }));
    let mut taken: HashMap<PathBuf, Clash> = others.into_iter().filter_map(of_other).collect();
    for name in names {
        let Some(place) = target::place(name) else { continue };
        if let Some(clash) = taken.insert(place, Clash::Output { path: name.to_owned() }) {
            return Err(OutputError::Clash { path: name.to_owned(), clash });
        }
    }
    Ok(())
}

/// Publishes all files at once; returns where they are.
///
/// # Errors
/// [`OutputError::Io`].
pub fn publish(files: Vec<StagedFile>, out: &OutFolder, live: LiveChoice) -> Result<Vec<PathBuf>, OutputError> {
    let paths = atomic::publish(files)?;
    if live == LiveChoice::Remove {
        [LIVE_WORKBOOK, LIVE_SOURCE].iter().try_for_each(|name| out.remove(name))?;
    }
    Ok(paths)
}

/// Writes down the rejected records of a month that was refused, beside those of the last good one.
///
/// # Errors
/// [`OutputError::Io`].
pub fn write_refused_rejects(rejects: &Rejects, month: Month, out: &OutFolder) -> Result<(), OutputError> {
    let mut file = stage_by_month(out, month, REFUSED_REJECTS)?;
    file.write_with(|w| rejects::write(rejects.iter(), w))?;
    atomic::publish(vec![file]).map(drop)
}

/// The files in `out` that show `month`: those that bear its name, and the newest of each other kind where they are of
/// that month. `packaged` is the month of the workbook with its rows, where that is known.
pub fn find_files_of_month(out: &Path, month: Month, packaged: Option<Month>) -> Vec<PathBuf> {
    let prefix = format!("month-{month}.");
    let mut files: Vec<PathBuf> = fs::read_dir(out).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)));
    files.sort();
    let text = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_default();
    let tells_of = |name: &str| {
        let report: serde_json::Value = serde_json::from_str(&text(name)).unwrap_or_default();
        // One of many months, or of one.
        let months = report["months"].as_array().map_or(std::slice::from_ref(&report), Vec::as_slice);
        months.iter().any(|report| report["month"] == month.to_string())
    };
    let is_kept = |name: &str| is_same_text(&out.join(name), &out.join(name_of_month(month, name)));
    // The page shows several months, and names the days of each; a live workbook has the month that it opens with.
    let names_it = |name: &str| text(name).contains(&month.to_string());
    let newest = [
        (REPORT, tells_of(REPORT)),
        (REJECTS, is_kept(REJECTS)),
        (REFUSED_REPORT, tells_of(REFUSED_REPORT)),
        (REFUSED_REJECTS, is_kept(REFUSED_REJECTS)),
        (WORKBOOK, packaged.map_or_else(|| tells_of(REPORT), |packaged| packaged == month)),
        (LIVE_WORKBOOK, names_it(LIVE_WORKBOOK)),
        (DASHBOARD, names_it(DASHBOARD)),
    ];
    files.extend(newest.into_iter().filter(|(_, is_so)| *is_so).map(|(name, _)| out.join(name)));
    files.retain(|path| path.exists());
    files
}

/// Whether both files are there and are the same, or copies where there are no hard links.
fn is_same_text(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(of_one), Ok(of_other)) = (fs::metadata(one), fs::metadata(other)) else { return false };
    let is_linked = (of_one.dev(), of_one.ino()) == (of_other.dev(), of_other.ino());
    let is_equal = || fs::read(one).ok() == fs::read(other).ok();
    is_linked || of_one.len() == of_other.len() && of_one.len() > 0 && is_equal()
}

/// The workbook with its rows in `out`.
pub fn workbook_in(out: &Path) -> PathBuf {
    out.join(WORKBOOK)
}

/// The run that the files of `month`, whose devices are counted or not, in `out` are of, where all of them are there.
pub fn run_of_files(out: &Path, month: Month, devices: Devices) -> Option<i64> {
    let name = |name: &str| out.join(name_of_month(month, name));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(name(REPORT)).ok()?).ok()?;
    let devices = (devices == Devices::Counted).then_some(DEVICES);
    let is_there = ["parquet", REJECTS].into_iter().chain(devices).all(|ending| name(ending).is_file());
    report["run"].as_str().filter(|_| is_there)?.parse().ok()
}

/// Begins the report of many months.
///
/// # Errors
/// [`OutputError::Io`].
pub fn stage_report_of_months(out: &OutFolder) -> Result<StagedFile, OutputError> {
    out.stage(REPORT)
}

/// The dashboard for the browser in `out`.
pub fn page_in(out: &Path) -> PathBuf {
    out.join(DASHBOARD)
}

/// Writes down what became of a run that did not publish, beside the report of the last good one; whoever calls this has
/// the lock of the folder `out`.
///
/// # Errors
/// [`OutputError::Io`].
pub fn write_refused_report(refusal: &Refusal, out: &Path) -> Result<(), OutputError> {
    let of_month = out.join(name_of_month(refusal.month, REFUSED_REPORT));
    let mut file = StagedFile::create(&out.join(REFUSED_REPORT))?.also_as(&of_month)?;
    file.write_with(|w| w.write_all(refusal.to_json().as_bytes()))?;
    atomic::publish(vec![file]).map(drop)
}

/// What is there of a run of `month` that was refused, and whether it is the newest of such runs.
fn refused_names(out: &OutFolder, month: Month) -> Vec<String> {
    let mut names: Vec<String> = [REFUSED_REJECTS, REFUSED_REPORT].map(|name| name_of_month(month, name)).to_vec();
    let newest = fs::read(out.path().join(REFUSED_REPORT)).ok();
    let newest: Option<serde_json::Value> = newest.and_then(|text| serde_json::from_slice(&text).ok());
    if newest.is_some_and(|report| report["month"] == month.to_string()) {
        names.extend([REFUSED_REJECTS, REFUSED_REPORT].map(str::to_owned));
    }
    names
}

fn check_no_longer_refused(out: &OutFolder, month: Month) -> Result<(), OutputError> {
    refused_names(out, month).iter().try_for_each(|name| out.check_removable(name))
}

/// Removes what an earlier run of `month` left that was refused: the month is published now. That of other months stays.
///
/// # Errors
/// [`OutputError::Io`].
pub fn remove_refused(out: &OutFolder, month: Month) -> Result<(), OutputError> {
    refused_names(out, month).iter().try_for_each(|name| out.remove(name))
}
