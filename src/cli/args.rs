//! The arguments of every command. What several commands take stands in a group, which gives its settings itself.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::flags::{
    AudienceFlags, BenchFlags, Combine as _, DayFlags, DeviceFlags, DuplicateFlags, EtlDateFlags, FormatFlags,
    GenerateFlags, HdfsFlags, IdFlags, LakeFlags, LimitFlags, MaskFlags, MonthFlags, NamingFlags, OutFlags, PartFlags,
    PruneFlags, RejectFlags, RenderFlags, ReportFlags, RulesFlags, ScanFlags, SeedFlags, SeriesFlags, Settings,
    SignalFlags, SourceFlags, ThreadFlags, WarehouseFlags,
};
use super::schema::SchemaFormat;
use super::values::{ByteSize, MonthChoice, switch};

/// The data: where it lies, and which of it is meant.
#[derive(Debug, Args)]
pub(super) struct LakeArgs {
    #[command(flatten)]
    pub(super) lake: LakeFlags,
    #[command(flatten)]
    pub(super) month: MonthFlags,
    #[command(flatten)]
    pub(super) format: FormatFlags,
    #[command(flatten)]
    pub(super) naming: NamingFlags,
    #[command(flatten)]
    pub(super) duplicates: DuplicateFlags,
    #[command(flatten)]
    pub(super) days: DayFlags,
    #[command(flatten)]
    pub(super) hdfs: HdfsFlags,
}

/// How a month is made of its records.
#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) etl_date: EtlDateFlags,
    #[command(flatten)]
    pub(super) threads: ThreadFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) rejects: RejectFlags,
    #[command(flatten)]
    pub(super) ids: IdFlags,
    #[command(flatten)]
    pub(super) devices: DeviceFlags,
}

impl LakeArgs {
    pub(super) fn settings(self) -> Settings {
        let LakeArgs { lake, month, format, naming, duplicates, days, hdfs } = self;
        Settings { lake, month, format, naming, duplicates, days, hdfs, ..Settings::default() }
    }
}

impl EngineArgs {
    pub(super) fn settings(self) -> Settings {
        let EngineArgs { rules, etl_date, threads, limits, rejects, ids, devices } = self;
        Settings { rules, etl_date, threads, limits, rejects, ids, devices, ..Settings::default() }
    }
}

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// Name of built-in rules (default, seed) or a rules file [default: those of variables and settings file]
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub(super) name: Option<String>,

    /// Another contract to exclude; may be repeated
    #[arg(long, value_name = "CONTRACT")]
    pub(super) exclude_contract: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
    /// Folder for the completions and a man page for each command; without it the completions go to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) series: SeriesFlags,
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) source: SourceFlags,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) audiences: AudienceFlags,
    #[command(flatten)]
    pub(super) mask: MaskFlags,
    #[command(flatten)]
    pub(super) render: RenderFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
    #[command(flatten)]
    pub(super) report: ReportFlags,
    #[command(flatten)]
    pub(super) signals: SignalFlags,
}

impl RunArgs {
    pub(super) fn settings(self) -> Settings {
        let RunArgs { lake, engine, source, warehouse, audiences, mask, render, out, report, series, signals } = self;
        Settings {
            source,
            warehouse,
            audiences,
            mask,
            render,
            out,
            report,
            series,
            signals,
            ..lake.settings().over(engine.settings())
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ExtractArgs {
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) source: SourceFlags,
    #[command(flatten)]
    pub(super) prune: PruneFlags,
    #[command(flatten)]
    pub(super) etl_date: EtlDateFlags,
}

impl ExtractArgs {
    pub(super) fn settings(self) -> Settings {
        let ExtractArgs { lake, source, prune, etl_date } = self;
        Settings { source, prune, etl_date, ..lake.settings() }
    }
}

#[derive(Debug, Args)]
pub(super) struct TransformArgs {
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) source: SourceFlags,
    #[command(flatten)]
    pub(super) engine: EngineArgs,
    #[command(flatten)]
    pub(super) out: OutFlags,
    #[command(flatten)]
    pub(super) report: ReportFlags,
}

impl TransformArgs {
    pub(super) fn settings(self) -> Settings {
        let TransformArgs { lake, engine, source, out, report } = self;
        Settings { source, out, report, ..lake.settings().over(engine.settings()) }
    }
}

/// Month files, and what they must be.
#[derive(Debug, Args)]
pub(super) struct PartsArgs {
    /// Month files, and folders of them
    #[arg(value_name = "FILE|FOLDER", value_hint = ValueHint::AnyPath, required = true)]
    pub(super) parts: Vec<PathBuf>,
    /// Task list of `viewmart plan` that the parts must cover
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Parts")]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) flags: PartFlags,
    #[command(flatten)]
    pub(super) month: MonthFlags,
    #[command(flatten)]
    pub(super) days: DayFlags,
    #[command(flatten)]
    pub(super) duplicates: DuplicateFlags,
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) etl_date: EtlDateFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    #[command(flatten)]
    pub(super) parts: PartsArgs,
    #[command(flatten)]
    pub(super) devices: DeviceFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    pub(super) parts: PartsArgs,
    #[command(flatten)]
    pub(super) audiences: AudienceFlags,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

#[derive(Debug, Args)]
pub(super) struct MartArgs {
    #[command(flatten)]
    pub(super) month: MonthFlags,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

impl MartArgs {
    pub(super) fn settings(self) -> Settings {
        let MartArgs { month, warehouse, out } = self;
        Settings { month, warehouse, out, ..Settings::default() }
    }
}

#[derive(Debug, Args)]
pub(super) struct DashboardArgs {
    #[command(flatten)]
    pub(super) month: MonthFlags,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) mask: MaskFlags,
    #[command(flatten)]
    pub(super) render: RenderFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

impl DashboardArgs {
    pub(super) fn settings(self) -> Settings {
        let DashboardArgs { month, warehouse, mask, render, out } = self;
        Settings { month, warehouse, mask, render, out, ..Settings::default() }
    }
}

#[derive(Debug, Args)]
pub(super) struct DropArgs {
    /// The month to remove, given here and nowhere else: no variable or settings file names it
    #[arg(short, long, value_name = "YYYY-MM|last|this", required = true)]
    pub(super) month: MonthChoice,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

#[derive(Debug, Args)]
pub(super) struct MonthsArgs {
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

impl MonthsArgs {
    pub(super) fn settings(self) -> Settings {
        let MonthsArgs { warehouse, out } = self;
        Settings { warehouse, out, ..Settings::default() }
    }
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Markdown for people, or sources.yml for dbt
    #[arg(id = "schema_format", long = "format", value_name = "FORMAT", default_value = "markdown")]
    pub(super) format: SchemaFormat,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Month file, a folder of parts, WAREHOUSE_URL#YYYY-MM, or #YYYY-MM for a month of --warehouse
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    pub(super) a: String,
    /// The month to compare it with, in the same forms
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    pub(super) b: String,
    /// Customers with the largest changes to show [default: 10]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,
    /// Write all customers that differ to this file, as CSV
    #[arg(long = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) list: Option<PathBuf>,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Approximate bytes per task, for example 256MiB or 256MB
    #[arg(long, value_name = "SIZE", conflicts_with = "tasks")]
    pub(super) split: Option<ByteSize>,
    /// Number of tasks [default: three per processor of this machine]
    #[arg(long, value_name = "N")]
    pub(super) tasks: Option<NonZeroU32>,
    /// Treat warnings as errors: write no plan
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(super) deny_warnings: Option<bool>,
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) etl_date: EtlDateFlags,
}

#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// The task, a line of `viewmart plan`; `-` reads it from stdin
    #[arg(long, value_name = "JSON|-")]
    pub(super) task: String,
    /// The month file of the task; `arrow:-` writes its rows to stdout as an Arrow IPC stream
    #[arg(id = "scan_out", short, long = "out", value_name = "FILE.parquet|arrow:-", value_hint = ValueHint::FilePath)]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) scan: ScanFlags,
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) etl_date: EtlDateFlags,
    #[command(flatten)]
    pub(super) threads: ThreadFlags,
    #[command(flatten)]
    pub(super) hdfs: HdfsFlags,
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// Folder for the data files, made when missing
    #[arg(value_name = "OUT", value_hint = ValueHint::DirPath)]
    pub(super) folder: PathBuf,
    #[command(flatten)]
    pub(super) month: MonthFlags,
    #[command(flatten)]
    pub(super) generate: GenerateFlags,
    #[command(flatten)]
    pub(super) seed: SeedFlags,
    #[command(flatten)]
    pub(super) format: FormatFlags,
    #[command(flatten)]
    pub(super) threads: ThreadFlags,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) source: SourceFlags,
    #[command(flatten)]
    pub(super) bench: BenchFlags,
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) threads: ThreadFlags,
}

impl BenchArgs {
    pub(super) fn settings(self) -> Settings {
        let BenchArgs { lake, bench, source, rules, threads } = self;
        Settings { bench, source, rules, threads, ..lake.settings() }
    }
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) lake: LakeArgs,
    #[command(flatten)]
    pub(super) source: SourceFlags,
    #[command(flatten)]
    pub(super) rules: RulesFlags,
    #[command(flatten)]
    pub(super) limits: LimitFlags,
    #[command(flatten)]
    pub(super) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(super) out: OutFlags,
}

impl DoctorArgs {
    pub(super) fn settings(self) -> Settings {
        let DoctorArgs { lake, source, rules, limits, warehouse, out } = self;
        Settings { source, rules, limits, warehouse, out, ..lake.settings() }
    }
}
