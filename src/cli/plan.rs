//! What is to be done, with everything that it needs: bounded values and choices, no flags and no texts to be parsed.

use std::fmt;
use std::path::PathBuf;

use jiff::civil::Date;

use super::values::Threads;
use crate::audience::breakdown::Dimension;
use crate::audience::list::{ListFormat, Selection};
use crate::audience::outcome::CountForm;
use crate::audience::{Expr, NamedAudience};
use crate::console::{Bars, ProgressChoice};
use crate::diff::DiffSide;
use crate::engine::calendar::Month;
use crate::engine::columns::Column;
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::Rules;
use crate::gate::Limits;
use crate::generate::GenerateOptions;
use crate::lake::task::TaskSize;
use crate::lake::{HdfsOptions, LakeOptions};
use crate::month_file::{GapPolicy, MergeOptions};
use crate::reprocess::Reprocess;
use crate::warehouse::{OpenOptions, WarehouseUrl};

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
    /// How to open it.
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

/// The columns of a list behind the contract.
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

/// `viewmart run` of several months.
#[derive(Clone, Debug)]
pub struct SeriesPlan {
    /// How each of them is made; the files for schedulers, and the second one for the report, are those of all together.
    pub run: RunPlan,
    /// Which they are.
    pub months: MonthsAsked,
    /// Which of them are made.
    pub reprocess: Reprocess,
    /// In which order.
    pub order: MonthOrder,
    /// What follows a month that fails.
    pub failures: FailurePolicy,
    /// Whether any is made.
    pub mode: SeriesMode,
}

/// Months of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthsAsked {
    /// The only one there is.
    Only,
    /// This one.
    One(Month),
    /// From the first to the second.
    Between(Month, Month),
    /// All of them.
    All,
}

/// The order of months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthOrder {
    /// The first month first.
    Forwards,
    /// The last month first.
    Backwards,
}

/// What follows a month that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The other months.
    GoOn,
    /// The end.
    Stop,
}

/// Whether months are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesMode {
    /// They are.
    Make,
    /// Only what would be made is shown.
    Show,
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

/// `viewmart audience`.
#[derive(Clone, Debug)]
pub struct AudiencePlan {
    /// Month files, and folders of them.
    pub months: Vec<PathBuf>,
    /// What is asked of them.
    pub inquiry: Inquiry,
}

/// What is asked about audiences.
#[derive(Clone, Debug)]
pub enum Inquiry {
    /// Who the customers are for whom an expression holds.
    Customers(Box<CustomersPlan>),
    /// How large these audiences are.
    Named(Vec<NamedAudience>),
    /// How these overlap.
    Overlap(Vec<AskedExpr>),
    /// How many customers come again, by their first month.
    Retention,
}

/// The question of one expression.
#[derive(Clone, Debug)]
pub struct CustomersPlan {
    /// The expression.
    pub expression: AskedExpr,
    /// What its customers are counted by.
    pub by: Option<Dimension>,
    /// Which of them, in what order.
    pub selection: Selection,
    /// The shares of the groups that they are cut into; none where they are not.
    pub split: Vec<u32>,
    /// Columns of a list, behind the contract.
    pub columns: ListColumns,
    /// The audiences whose reasons stand behind them, where they are asked for.
    pub reasons: Vec<NamedAudience>,
    /// Where a list goes; none: no list is asked for.
    pub list: Option<ListTarget>,
    /// Where the key of the pseudonyms is that are shown in place of contracts, where any are.
    pub mask: Option<MaskKey>,
    /// The form of a count.
    pub form: CountForm,
}

/// An expression, and the text that it was parsed from.
#[derive(Clone, Debug)]
pub struct AskedExpr {
    /// The text.
    pub text: String,
    /// The expression.
    pub expr: Expr,
}

/// Where a list goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListTarget {
    /// To stdout, as a table or as JSON.
    Stdout,
    /// Into a file.
    File(PathBuf, ListFormat),
}

/// `viewmart plan`.
#[derive(Clone, Debug)]
pub struct SplitPlan {
    /// The data.
    pub lake: LakePlan,
    /// How it is cut.
    pub size: TaskSize,
}

/// `viewmart scan`.
#[derive(Clone, Debug)]
pub struct ScanPlan {
    /// What is scanned.
    pub task: TaskSource,
    /// What decides a record and labels a customer.
    pub rules: Rules,
    /// The column `Date`.
    pub etl_date: Date,
    /// Threads that scan.
    pub threads: Threads,
    /// Most customers in memory.
    pub max_contracts: Option<u64>,
    /// What happens when the process ends that started this one.
    pub parent: ParentDeath,
    /// How to reach HDFS.
    pub hdfs: HdfsOptions,
    /// Where the rows of the task go.
    pub out: ScanOutput,
}

/// Where the rows of a task go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScanOutput {
    /// Into a month file.
    File(PathBuf),
    /// To stdout, as an Arrow IPC stream.
    Stream,
}

/// Where a task is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskSource {
    /// This is it.
    Text(String),
    /// It is what stdin has.
    Stdin,
}

/// What happens when the process ends that started this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentDeath {
    /// Nothing.
    Ignore,
    /// This one is killed too.
    Follow(Parent),
}

/// The process that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Whichever is the parent when this one comes to it: not the one that started it, where that has ended already.
    Current,
    /// The one of this number.
    Process(u32),
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
