//! The command line: what was typed, on top of variables `VIEWMART_*`, on top of the settings file, made into a
//! [`Plan`]. Resolving reads settings and rules and changes nothing.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

mod audience;
mod failure;
mod flags;
mod listing;
mod places;
pub mod plan;
mod resolve;
mod rules;
mod schema;
mod series;
mod shell;
#[cfg(test)]
mod tests;
mod values;

pub use failure::{Failure, Refused, without_password};
pub use places::Variables;
pub use plan::Plan;
pub use resolve::{Request, Resolved, json_is_asked, resolve};
pub use shell::write_files as write_completions;
pub use values::{Jobs, Ratio, Threads};

use schema::SchemaFormat;
use values::{ByteSize, MonthChoice};

use flags::{
    AudienceFlags, BenchFlags, ConsoleFlags, DayFlags, EtlDateFlags, FormatFlags, GenerateFlags, HdfsFlags, IdFlags,
    LakeFlags, LimitFlags, MaskFlags, MonthFlags, NamingFlags, OutFlags, PartFlags, PruneFlags, RejectFlags,
    RenderFlags, ReportFlags, RulesFlags, ScanFlags, SeedFlags, SeriesFlags, SignalFlags, SourceFlags, ThreadFlags,
    WarehouseFlags,
};

/// Turns a month of TV viewing logs into a reconciled customer table, a data mart and a dashboard.
#[derive(Debug, Parser)]
#[command(name = "viewmart", version, max_term_width = 120, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    console: ConsoleFlags,
    /// Settings file [default: viewmart.toml where there is one]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    config: Option<PathBuf>,
}

const AFTER_HELP: &str = "\
Flags beat VIEWMART_* variables (VIEWMART_OUT for --out) beat viewmart.toml (out = \"…\") beat defaults.
Exit codes: 0 done; 2 usage or configuration; 3 lake; 4 data; 5 warehouse or mart; 6 output files; 7 `diff` found differences; 1 anything else.";

/// The commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Extract, transform, load, mart and dashboard in one go, of one month or of many
    #[command(mut_arg("month", |arg| arg.help(RUN_MONTH).value_name("YYYY-MM|A..B|all|last|this")), after_help = "\
Examples:
  viewmart run data/2022-04
  viewmart run hdfs:///logs --month 2022-01..2022-12 --rules new-rules.toml --dry-run
  viewmart run hdfs://namenode:8020/logs --month last --warehouse mysql://etl@db.example/tv")]
    Run(RunArgs),
    /// Bring the month's files from the lake into the local cache
    #[command(after_help = "\
Examples:
  viewmart extract hdfs:///logs --month 2022-04
  viewmart extract hdfs:///logs --month last --prune")]
    Extract(ExtractArgs),
    /// Make the month file, the report and the rejected records from a lake
    #[command(after_help = "\
Examples:
  viewmart transform data/2022-04 --out april
  viewmart transform 'logs/202204*.csv.gz' --rules rules.toml")]
    Transform(TransformArgs),
    /// Make one month file of those of its parts
    #[command(mut_arg("rules", |arg| arg.help(PART_RULES)), mut_arg("etl_date", |arg| arg.help(PART_DATE)), after_help = "\
Examples:
  viewmart merge april/part-*.parquet --out april
  viewmart merge parts --plan tasks.jsonl --out april
  viewmart merge month-2022-04.parquet --rules other-labels.toml --out relabelled")]
    Merge(MergeArgs),
    /// Load month files into the warehouse, merged and published at once
    #[command(mut_arg("rules", |arg| arg.help(PART_RULES)), mut_arg("etl_date", |arg| arg.help(PART_DATE)), after_help = "\
Examples:
  viewmart load viewmart-out/month-2022-04.parquet
  viewmart load april/month-2022-04.parquet --warehouse mysql://etl@db.example/tv
  viewmart load parts --plan tasks.jsonl")]
    Load(LoadArgs),
    /// Rebuild the data mart of a month inside the warehouse
    #[command(after_help = "\
Examples:
  viewmart mart --month 2022-04
  viewmart mart --warehouse mysql://etl@db.example/tv --month last")]
    Mart(MartArgs),
    /// Draw the dashboard of a month from the mart
    #[command(after_help = "\
Examples:
  viewmart dashboard
  viewmart dashboard --month 2022-04 --mask-contracts --out for-partners")]
    Dashboard(DashboardArgs),
    /// Remove a month from warehouse and mart, at once
    #[command(after_help = "\
Examples:
  viewmart drop --month 2022-04
  viewmart drop --month 2022-04 --warehouse mysql://etl@db.example/tv")]
    Drop(DropArgs),
    /// List the months of the warehouse, with the run that stands and the last one
    #[command(after_help = "\
Examples:
  viewmart months
  viewmart months --warehouse mysql://etl@db.example/tv --json")]
    Months(MonthsArgs),
    /// Show the data dictionary of warehouse and mart, with units
    #[command(after_help = "\
Examples:
  viewmart schema
  viewmart schema --format dbt > models/viewmart.yml")]
    Schema(SchemaArgs),
    /// Show what differs between two months; exit 7 where anything does
    #[command(after_help = "\
Examples:
  viewmart diff old/month-2022-04.parquet viewmart-out/month-2022-04.parquet
  viewmart diff viewmart-out/month-2022-04.parquet 'mysql://etl@db.example/tv#2022-04' --out changes.csv
  viewmart diff '#2022-03' '#2022-04' --top 20             # two months of --warehouse")]
    Diff(DiffArgs),
    /// Count and list the customers for whom an expression holds
    #[command(after_help = audience::EXAMPLES, after_long_help = audience::LONG_HELP)]
    Audience(Box<audience::AudienceArgs>),
    /// Cut a lake into tasks for many machines, a line of JSON each
    #[command(after_help = "\
Examples:
  viewmart plan hdfs:///logs --month 2022-04 --split 256MiB > plan.jsonl
  viewmart plan data/2022-04 --tasks 12")]
    Plan(PlanArgs),
    /// Scan one task of a plan into its month file, reading files where they lie
    #[command(after_help = "\
Examples:
  viewmart scan --task \"$(sed -n 1p plan.jsonl)\" --out parts/0.parquet
  sed -n 2p plan.jsonl | viewmart scan --task - --out parts/1.parquet")]
    Scan(ScanArgs),
    /// Write a synthetic month like a real one, dirt included
    #[command(after_help = "\
Examples:
  viewmart generate synthetic --contracts 1000 --days 3
  viewmart generate synthetic --month 2024-02 --format csv --compression gz --clean")]
    Generate(GenerateArgs),
    /// Measure the engine against this machine's own limit, by thread count
    #[command(after_help = "\
Example:
  viewmart bench data/2022-04 --threads 8 --runs 7")]
    Bench(BenchArgs),
    /// Look whether this machine can reach the lake and the warehouse, and may load
    #[command(after_help = "\
Examples:
  viewmart doctor hdfs:///logs --month last
  viewmart doctor --warehouse mysql://etl@db.example/tv")]
    Doctor(DoctorArgs),
    /// Show the rules as TOML, with their hashes
    #[command(after_help = "\
Examples:
  viewmart rules
  viewmart rules seed > my-rules.toml
  viewmart rules my-rules.toml --json")]
    Rules(RulesArgs),
    /// Show every setting with its value and where it comes from
    #[command(after_help = "\
Examples:
  viewmart config
  viewmart config --config /etc/viewmart.toml --json")]
    Config,
    /// Write the completions of a shell, and man pages
    #[command(after_help = "\
Examples:
  viewmart completions bash > ~/.local/share/bash-completion/completions/viewmart
  viewmart completions fish share            # share/viewmart.fish and share/viewmart*.1")]
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
struct RulesArgs {
    /// Name of built-in rules (default, seed) or a rules file [default: those of variables and settings file]
    #[arg(value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    name: Option<String>,

    /// A contract to exclude besides; may be given more than once
    #[arg(long, value_name = "CONTRACT")]
    exclude_contract: Vec<String>,
}

#[derive(Debug, Args)]
struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: clap_complete::Shell,
    /// Folder for the completions and a man page for each command; without it the completions go to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    series: SeriesFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    etl_date: EtlDateFlags,
    #[command(flatten)]
    threads: ThreadFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    rejects: RejectFlags,
    #[command(flatten)]
    ids: IdFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    audiences: AudienceFlags,
    #[command(flatten)]
    mask: MaskFlags,
    #[command(flatten)]
    render: RenderFlags,
    #[command(flatten)]
    out: OutFlags,
    #[command(flatten)]
    report: ReportFlags,
    #[command(flatten)]
    signals: SignalFlags,
}

#[derive(Debug, Args)]
struct ExtractArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    prune: PruneFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
}

#[derive(Debug, Args)]
struct TransformArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    etl_date: EtlDateFlags,
    #[command(flatten)]
    threads: ThreadFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    rejects: RejectFlags,
    #[command(flatten)]
    ids: IdFlags,
    #[command(flatten)]
    out: OutFlags,
    #[command(flatten)]
    report: ReportFlags,
}

/// Help of --month where it may be several.
const RUN_MONTH: &str = "The month; `last` and `this` are the calendar months before and of --etl-date; \
    2022-01..2022-12 and `all` are several, each made by itself where it changed [default: the only one there is]";

/// Help of flags that have other defaults where parts are merged.
const PART_RULES: &str = "Rules that label the customers; their record half must be that of the parts, which decided the \
    records [default: those of the parts]";
const PART_DATE: &str = "The column Date of every row [default: the latest of the parts]";

/// Month files, and what they must be.
#[derive(Debug, Args)]
struct PartsArgs {
    /// Month files, and folders of them
    #[arg(value_name = "FILE|FOLDER", value_hint = ValueHint::AnyPath, required = true)]
    parts: Vec<PathBuf>,
    /// Task list of `viewmart plan` that the parts must make up
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Parts")]
    plan: Option<PathBuf>,
    #[command(flatten)]
    flags: PartFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    etl_date: EtlDateFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

#[derive(Debug, Args)]
struct MergeArgs {
    #[command(flatten)]
    parts: PartsArgs,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct LoadArgs {
    #[command(flatten)]
    parts: PartsArgs,
    #[command(flatten)]
    audiences: AudienceFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct MartArgs {
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct DashboardArgs {
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    mask: MaskFlags,
    #[command(flatten)]
    render: RenderFlags,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct DropArgs {
    /// The month that goes, typed here: neither a variable nor the settings file names it
    #[arg(short, long, value_name = "YYYY-MM|last|this", required = true)]
    month: MonthChoice,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct MonthsArgs {
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    out: OutFlags,
}

#[derive(Debug, Args)]
struct SchemaArgs {
    /// Markdown for people, or sources.yml for dbt
    #[arg(id = "schema_format", long = "format", value_name = "FORMAT", default_value = "markdown")]
    format: SchemaFormat,
}

#[derive(Debug, Args)]
struct DiffArgs {
    /// Month file, a folder of parts, WAREHOUSE_URL#YYYY-MM, or #YYYY-MM for a month of --warehouse
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    a: String,
    /// What it is compared with
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    b: String,
    /// Customers with the largest changes to show [default: 10]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Write all customers that differ to this file, as CSV
    #[arg(long = "out", value_name = "FILE", value_hint = ValueHint::FilePath)]
    list: Option<PathBuf>,
    #[command(flatten)]
    warehouse: WarehouseFlags,
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    lake: LakeFlags,
    /// About so many bytes a task, for example 256MiB
    #[arg(long, value_name = "SIZE", conflicts_with = "tasks")]
    split: Option<ByteSize>,
    /// So many tasks [default: three for each processor of this machine]
    #[arg(long, value_name = "N")]
    tasks: Option<NonZeroU32>,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
}

#[derive(Debug, Args)]
struct ScanArgs {
    /// The task, a line of `viewmart plan`; `-` reads it from stdin
    #[arg(long, value_name = "JSON|-")]
    task: String,
    /// The month file of the task
    #[arg(id = "scan_out", short, long = "out", value_name = "FILE.parquet", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    #[command(flatten)]
    scan: ScanFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    etl_date: EtlDateFlags,
    #[command(flatten)]
    threads: ThreadFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    /// Folder for the data files, made when missing
    #[arg(value_name = "OUT", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    generate: GenerateFlags,
    #[command(flatten)]
    seed: SeedFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    threads: ThreadFlags,
}

#[derive(Debug, Args)]
struct BenchArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    bench: BenchFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    threads: ThreadFlags,
}

#[derive(Debug, Args)]
struct DoctorArgs {
    #[command(flatten)]
    lake: LakeFlags,
    #[command(flatten)]
    month: MonthFlags,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    naming: NamingFlags,
    #[command(flatten)]
    days: DayFlags,
    #[command(flatten)]
    source: SourceFlags,
    #[command(flatten)]
    hdfs: HdfsFlags,
    #[command(flatten)]
    rules: RulesFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    warehouse: WarehouseFlags,
    #[command(flatten)]
    out: OutFlags,
}
