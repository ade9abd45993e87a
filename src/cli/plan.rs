//! What is to be done, with everything that it needs: bounded values and choices, no flags and no texts to be parsed.

use std::fmt;
use std::path::PathBuf;

use jiff::civil::Date;

use super::values::Threads;
use crate::audience::NamedAudience;
use crate::console::{Bars, ProgressChoice};
use crate::diff::DiffSide;
use crate::engine::calendar::Month;
use crate::engine::columns::Column;
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::Rules;
use crate::gate::Limits;
use crate::generate::GenerateOptions;
use crate::lake::{Duplicates, LakeOptions};
use crate::month_file::{GapPolicy, MergeOptions};
use crate::warehouse::{OpenOptions, WarehouseUrl};

mod audience;
mod part;
mod series;

pub use audience::{AskedExpr, AudiencePlan, CustomersPlan, Inquiry, ListTarget};
pub use part::{Parent, ParentDeath, ScanOutput, ScanPlan, SplitPlan, TaskSource};
pub use series::{FailurePolicy, MonthOrder, MonthsAsked, SeriesMode, SeriesPlan};

/// A valid command.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The command with its settings.
    pub task: Task,
    /// What is printed meanwhile and at the end.
    pub console: ConsolePlan,
}

/// A command with its settings.
#[derive(Clone, Debug)]
pub enum Task {
    /// `viewmart run`.
    Run(Box<RunPlan>),
    /// `viewmart run` of several months.
    Series(Box<SeriesPlan>),
    /// `viewmart extract`.
    Extract(Box<ExtractPlan>),
    /// `viewmart transform`.
    Transform(Box<TransformPlan>),
    /// `viewmart merge`.
    Merge(Box<MergePlan>),
    /// `viewmart load`.
    Load(Box<LoadPlan>),
    /// `viewmart mart`.
    Mart(MartPlan),
    /// `viewmart dashboard`.
    Dashboard(Box<DashboardPlan>),
    /// `viewmart drop`.
    Drop(DropPlan),
    /// `viewmart months`.
    Months(WarehousePlan),
    /// `viewmart diff`.
    Diff(Box<DiffPlan>),
    /// `viewmart audience`.
    Audience(Box<AudiencePlan>),
    /// `viewmart plan`.
    Plan(Box<SplitPlan>),
    /// `viewmart scan`.
    Scan(Box<ScanPlan>),
    /// `viewmart generate`.
    Generate(GenerateOptions),
    /// `viewmart bench`.
    Bench(Box<BenchPlan>),
    /// `viewmart doctor`.
    Doctor(Box<DoctorPlan>),
}

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsolePlan {
    /// The form of results on stdout.
    pub results: ResultForm,
    /// Notes and progress on stderr.
    pub messages: Messages,
}

impl ConsolePlan {
    /// Whether bars may be drawn.
    pub fn progress(self) -> ProgressChoice {
        match self.messages {
            Messages::Shown | Messages::Brief => ProgressChoice::OnTerminal,
            Messages::Quiet => ProgressChoice::Hidden,
        }
    }

    /// Bars of work that is waited for.
    pub fn bars(self) -> Bars {
        Bars::Drawn(self.progress())
    }
}

/// The form of results on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultForm {
    /// A table, for people.
    Table,
    /// JSON, for machines. An error has the same form.
    Json,
}

/// Whether notes, progress and the table of results are shown; warnings and errors always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Everything.
    Shown,
    /// Progress, warnings and errors: what one of many months says.
    Brief,
    /// Only warnings and errors.
    Quiet,
}

/// The data of a command.
#[derive(Clone, Debug)]
pub struct LakePlan {
    /// Folders, files, globs and URIs.
    pub inputs: Vec<String>,
    /// How to read them.
    pub options: LakeOptions,
    /// What a day without a file is.
    pub missing_days: MissingDays,
}

/// What a day without a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDays {
    /// Worth a line in the report.
    Report,
    /// An error.
    Refuse,
}

/// What becomes of cached files that are not of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrunePolicy {
    /// They stay.
    Keep,
    /// They are removed.
    Prune,
}

/// How the month is made.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// What decides a record and labels a customer.
    pub rules: Rules,
    /// The column `Date`.
    pub etl_date: Date,
    /// Threads that scan.
    pub threads: Threads,
    /// What is published.
    pub limits: Limits,
    /// What becomes of records of one day that have the same `_id`.
    pub ids: Ids,
    /// Whether the devices of the customers are counted.
    pub devices: Devices,
    /// Rejected records that are written down.
    pub max_rejects_kept: usize,
    /// The files that rules and settings come from.
    pub sources: Vec<PathBuf>,
}

/// Where the tables are.
#[derive(Clone, Debug)]
pub struct WarehousePlan {
    /// Address of the warehouse.
    pub url: WarehouseUrl,
    pub options: OpenOptions,
}

/// How the dashboards are rendered.
#[derive(Clone, Debug)]
pub struct RenderPlan {
    /// Where the key of the pseudonyms is that are shown in place of contracts, where any are.
    pub mask: Option<MaskKey>,
    /// Tableau's `hyperd`, where there is one.
    pub hyperd: Option<PathBuf>,
}

/// The columns of a list after the contract.
#[derive(Clone, Debug)]
pub enum ListColumns {
    /// All that the month has.
    All,
    /// These.
    Named(Vec<&'static Column>),
}

/// Where the key of the pseudonyms is. It never shows the key.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskKey {
    /// What the variable `VIEWMART_MASK_KEY` holds, which beats the file.
    pub variable: Option<String>,
    /// The file with the key, to be made where it is missing.
    pub file: PathBuf,
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variable {
            Some(_) => f.write_str("MaskKey(of the variable, not shown)"),
            None => write!(f, "MaskKey({})", self.file.display()),
        }
    }
}

/// `viewmart run`.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The data.
    pub lake: LakePlan,
    /// How the month is made.
    pub engine: EnginePlan,
    /// Where the tables go.
    pub warehouse: WarehousePlan,
    /// The audiences that are measured.
    pub audiences: Vec<NamedAudience>,
    /// How the dashboards are rendered.
    pub render: RenderPlan,
    /// Folder of the output files.
    pub out: PathBuf,
    /// A second file for the report.
    pub report: Option<PathBuf>,
    /// What tells schedulers and monitors what happened.
    pub signals: SignalPlan,
}

/// Files for schedulers and monitors.
#[derive(Clone, Debug, Default)]
pub struct SignalPlan {
    /// Metrics for Prometheus.
    pub metrics: Option<PathBuf>,
    /// Events of OpenLineage, to which those of this run are added.
    pub lineage: Option<PathBuf>,
}

/// `viewmart extract`.
#[derive(Clone, Debug)]
pub struct ExtractPlan {
    /// The data.
    pub lake: LakePlan,
    /// What becomes of the rest of the cache.
    pub prune: PrunePolicy,
}

/// `viewmart transform`.
#[derive(Clone, Debug)]
pub struct TransformPlan {
    /// The data.
    pub lake: LakePlan,
    /// How the month is made.
    pub engine: EnginePlan,
    /// Folder of the output files.
    pub out: PathBuf,
    /// A second file for the report.
    pub report: Option<PathBuf>,
}

/// Month files that together are a month, or a part of one.
#[derive(Clone, Debug)]
pub struct PartsPlan {
    /// Files, and folders of them.
    pub inputs: Vec<PathBuf>,
    /// What the files do not say.
    pub options: MergeOptions,
    /// The task list that they must make up, where there is one.
    pub tasks: Option<PathBuf>,
    /// What becomes of parts that are not all of what they should be.
    pub gaps: GapPolicy,
    /// What a day without a file is.
    pub missing_days: MissingDays,
    /// What files are that look like the same data twice.
    pub duplicates: Duplicates,
    /// What is published of the whole.
    pub limits: Limits,
}

/// `viewmart merge`.
#[derive(Clone, Debug)]
pub struct MergePlan {
    /// What is merged.
    pub parts: PartsPlan,
    /// Whether the devices of the customers are kept.
    pub devices: Devices,
    /// Folder of the output file.
    pub out: PathBuf,
}

/// `viewmart load`.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// What is loaded.
    pub parts: PartsPlan,
    /// The audiences that are measured.
    pub audiences: Vec<NamedAudience>,
    /// Where the tables go.
    pub warehouse: WarehousePlan,
}

/// `viewmart mart`.
#[derive(Clone, Debug)]
pub struct MartPlan {
    /// The month, or the only one there is.
    pub month: Option<Month>,
    /// Where the tables are.
    pub warehouse: WarehousePlan,
}

/// `viewmart dashboard`.
#[derive(Clone, Debug)]
pub struct DashboardPlan {
    /// The month, or the only one there is.
    pub month: Option<Month>,
    /// Where the tables are.
    pub warehouse: WarehousePlan,
    /// How the dashboards are rendered.
    pub render: RenderPlan,
    /// Folder of the output files.
    pub out: PathBuf,
}

/// `viewmart drop`.
#[derive(Clone, Debug)]
pub struct DropPlan {
    /// The month that goes.
    pub month: Month,
    /// Where the tables are.
    pub warehouse: WarehousePlan,
    /// The folder whose files may still show it.
    pub out: PathBuf,
}

/// `viewmart diff`.
#[derive(Clone, Debug)]
pub struct DiffPlan {
    /// What is compared.
    pub sides: [DiffSide; 2],
    /// How many of the largest changes are told.
    pub n_top: usize,
    /// The file for a list of all that differs, where one is wanted.
    pub list: Option<PathBuf>,
}

/// `viewmart bench`.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// The data.
    pub lake: LakePlan,
    /// What decides a record.
    pub rules: Rules,
    /// Largest number of threads that is measured.
    pub threads: Threads,
    /// Timed runs of each measurement.
    pub n_runs: u32,
}

/// `viewmart doctor`.
#[derive(Clone, Debug)]
pub struct DoctorPlan {
    /// The data, where any is named.
    pub lake: Option<LakePlan>,
    /// What decides a record.
    pub rules: Rules,
    /// What lets a month through.
    pub limits: Limits,
    /// Where the tables would go.
    pub warehouse: WarehousePlan,
    /// Folder of the output files.
    pub out: PathBuf,
}
