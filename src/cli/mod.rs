//! The command line: what was typed, on top of variables `VIEWMART_*`, on top of the settings file, made into a
//! [`Plan`]. Resolving reads settings and rules and changes nothing.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};

mod args;
mod audience;
mod failure;
mod flags;
mod lake;
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
mod verb;

pub use failure::{Failure, Refused, made_safe};
pub use places::Variables;
pub use plan::Plan;
pub use resolve::{Request, Resolved, json_is_asked, resolve};
pub use shell::write_files as write_completions;
pub use values::{Jobs, Ratio, Threads};

use args::{
    BenchArgs, CompletionsArgs, DashboardArgs, DiffArgs, DoctorArgs, DropArgs, ExtractArgs, GenerateArgs, LoadArgs,
    MartArgs, MergeArgs, MonthsArgs, PlanArgs, RulesArgs, RunArgs, ScanArgs, SchemaArgs, TransformArgs,
};
use flags::ConsoleFlags;

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

/// Help of --month where it may be several.
const RUN_MONTH: &str = "The month; `last` and `this` are the calendar months before and of --etl-date; \
    2022-01..2022-12 and `all` are several, each made by itself where it changed [default: the only one there is]";

/// Help of flags that have other defaults where parts are merged.
const PART_RULES: &str = "Rules that label the customers; their record half must be that of the parts, which decided the \
    records [default: those of the parts]";
const PART_DATE: &str = "The column Date of every row [default: the latest of the parts]";

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
    /// Pull the month's files from the lake into the local cache
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
    /// Merge the month files of parts into one
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
    /// Remove a month from warehouse and mart in one step
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
    /// Compare two months; exit 7 if they differ
    #[command(after_help = "\
Examples:
  viewmart diff old/month-2022-04.parquet viewmart-out/month-2022-04.parquet
  viewmart diff viewmart-out/month-2022-04.parquet 'mysql://etl@db.example/tv#2022-04' --out changes.csv
  viewmart diff '#2022-03' '#2022-04' --top 20             # two months of --warehouse")]
    Diff(DiffArgs),
    /// Count and list the customers that match an expression
    #[command(after_help = audience::EXAMPLES, after_long_help = audience::LONG_HELP)]
    Audience(Box<audience::AudienceArgs>),
    /// Split a lake into tasks for many machines, one line of JSON each
    #[command(after_help = "\
Examples:
  viewmart plan hdfs:///logs --month 2022-04 --split 256MiB > plan.jsonl
  viewmart plan data/2022-04 --tasks 12")]
    Plan(PlanArgs),
    /// Scan one task of a plan into its month file or a stream, reading files where they lie
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
    /// Check that this machine can reach the lake and the warehouse, and may load
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
