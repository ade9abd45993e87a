//! The command line, as typed: flags and `VIEWMART_*` variables, nothing resolved yet. [`crate::config`] makes a plan of it.

use std::num::NonZeroU8;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;

use crate::config::{Ratio, Threads};
use crate::engine::calendar::Month;
use crate::lake::Format;

/// Turns a month of TV viewing logs into a reconciled customer table, a data mart and a dashboard.
#[derive(Debug, Parser)]
#[command(name = "viewmart", version, max_term_width = 120, propagate_version = true, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk.
    #[command(flatten)]
    pub talk: TalkFlags,
}

const AFTER_HELP: &str = "\
Flags beat VIEWMART_* variables (VIEWMART_OUT for --out) beat viewmart.toml (out = \"…\") beat defaults.
Exit codes: 0 done; 2 usage or configuration; 3 lake; 4 data; 5 warehouse or mart; 6 output files; 1 anything else.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Extract, transform, load, mart and dashboard in one go
    Run(RunFlags),
    /// Bring the month's files from the lake into the local cache
    Extract(ExtractFlags),
    /// Make the month file, the report and the rejected records from a lake
    Transform(TransformFlags),
    /// Load a month file into the warehouse, published at once
    Load(LoadFlags),
    /// Rebuild the data mart of a month inside the warehouse
    Mart(MartFlags),
    /// Draw the dashboard of a month from the mart
    Dashboard(DashboardFlags),
    /// Write a synthetic month like a real one, dirt included
    Generate(GenerateFlags),
    /// Measure the engine against this machine's own limit, by thread count
    Bench(BenchFlags),
    /// Look whether this machine can reach the lake and the warehouse, and may load
    Doctor(DoctorFlags),
}

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunFlags {
    #[command(flatten)]
    pub(crate) lake: LakeFlags,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) look: LookFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
    #[command(flatten)]
    pub(crate) report: ReportFlags,
}

/// Flags of `extract`.
#[derive(Debug, Args)]
pub struct ExtractFlags {
    #[command(flatten)]
    pub(crate) lake: LakeFlags,
    /// Then remove from the cache what is not of this month, unfinished pulls included
    #[arg(long)]
    pub(crate) prune: bool,
}

/// Flags of `transform`.
#[derive(Debug, Args)]
pub struct TransformFlags {
    #[command(flatten)]
    pub(crate) lake: LakeFlags,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
    #[command(flatten)]
    pub(crate) report: ReportFlags,
}

/// Flags of `load`.
#[derive(Debug, Args)]
pub struct LoadFlags {
    /// Month file that `viewmart transform` wrote
    #[arg(value_name = "MONTH.parquet")]
    pub(crate) month_file: PathBuf,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
}

/// Flags of `mart`.
#[derive(Debug, Args)]
pub struct MartFlags {
    #[command(flatten)]
    pub(crate) month: MonthFlags,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
}

/// Flags of `dashboard`.
#[derive(Debug, Args)]
pub struct DashboardFlags {
    #[command(flatten)]
    pub(crate) month: MonthFlags,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) look: LookFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
}

/// Flags of `generate`.
#[derive(Debug, Args)]
pub struct GenerateFlags {
    /// Folder for the data files, made when missing
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The month [default: 2022-04]
    #[arg(long, value_name = "YYYY-MM")]
    pub(crate) month: Option<Month>,
    /// Customers [default: those of a real month]
    #[arg(long, value_name = "N")]
    pub(crate) contracts: Option<u64>,
    /// Only the first days of the month [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<u8>,
    /// The same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Format of the data files
    #[arg(long, default_value = "ndjson")]
    pub(crate) format: FormatName,
    /// How the data files are packed
    #[arg(long, default_value = "none")]
    pub(crate) compression: CompressionName,
    /// No record that would be rejected
    #[arg(long)]
    pub(crate) clean: bool,
    /// Threads that write [default: all processors]
    #[arg(long, env = "VIEWMART_THREADS", value_name = "N", hide_env_values = true)]
    pub(crate) threads: Option<Threads>,
}

/// Flags of `bench`.
#[derive(Debug, Args)]
pub struct BenchFlags {
    #[command(flatten)]
    pub(crate) lake: LakeFlags,
    /// Name of built-in rules (default, seed) or a rules file
    #[arg(long, env = "VIEWMART_RULES", value_name = "NAME|FILE", hide_env_values = true)]
    pub(crate) rules: Option<String>,
    /// Largest number of threads to measure [default: all processors]
    #[arg(long, env = "VIEWMART_THREADS", value_name = "N", hide_env_values = true)]
    pub(crate) threads: Option<Threads>,
    /// Timed runs of each measurement; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
}

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorFlags {
    /// Folders, files, globs or URIs with the daily logs
    #[arg(value_name = "LAKE")]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
}

/// Which data.
#[derive(Debug, Args)]
pub(crate) struct LakeFlags {
    /// Folders, files, globs or URIs with the daily logs
    #[arg(required = true, value_name = "LAKE")]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) source: SourceFlags,
}

/// How to read a lake.
#[derive(Debug, Args)]
pub(crate) struct SourceFlags {
    #[command(flatten)]
    pub(crate) month: MonthFlags,
    /// Format of the data files [default: by file name ending]
    #[arg(long, env = "VIEWMART_FORMAT", hide_env_values = true)]
    pub(crate) format: Option<FormatName>,
    /// Stop when a day of the month has no file
    #[arg(long, env = "VIEWMART_REQUIRE_ALL_DAYS", value_name = "true|false", hide_env_values = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) require_all_days: Option<bool>,
    /// Folder for files pulled from a remote lake [default: ~/.cache/viewmart]
    #[arg(long, env = "VIEWMART_CACHE", value_name = "DIR", hide_env_values = true)]
    pub(crate) cache: Option<PathBuf>,
    /// Pull files again that the cache holds
    #[arg(long, conflicts_with = "offline")]
    pub(crate) refresh: bool,
    /// Ask no server: the lake is what the cache holds of it
    #[arg(long)]
    pub(crate) offline: bool,
    /// Compare cached files with their checksums before use
    #[arg(long)]
    pub(crate) verify: bool,
    /// Files pulled at once [default: 4]
    #[arg(long, env = "VIEWMART_JOBS", value_name = "1..16", hide_env_values = true, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) jobs: Option<u8>,
    /// Folder with core-site.xml and hdfs-site.xml [default: HADOOP_CONF_DIR, else HADOOP_HOME/etc/hadoop]
    #[arg(long, env = "VIEWMART_HADOOP_CONF", value_name = "DIR", hide_env_values = true)]
    pub(crate) hadoop_conf: Option<PathBuf>,
    /// A setting of the Hadoop configuration; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) hdfs_opt: Vec<(String, String)>,
    /// User for clusters without Kerberos [default: HADOOP_USER_NAME, else who runs this]
    #[arg(long, env = "VIEWMART_HDFS_USER", value_name = "NAME", hide_env_values = true)]
    pub(crate) hdfs_user: Option<String>,
    /// Kerberos keytab to log in with [default: the ticket cache]
    #[arg(long, env = "VIEWMART_KEYTAB", value_name = "FILE", requires = "principal", hide_env_values = true)]
    pub(crate) keytab: Option<PathBuf>,
    /// Kerberos principal of the keytab
    #[arg(long, env = "VIEWMART_PRINCIPAL", value_name = "NAME", hide_env_values = true)]
    pub(crate) principal: Option<String>,
    /// Reach DataNodes by host name: for clusters behind a VPN, NAT or containers
    #[arg(long)]
    pub(crate) datanode_hostname: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not KEY=VALUE"),
    }
}

/// Which month.
#[derive(Debug, Args)]
pub(crate) struct MonthFlags {
    /// The month [default: the only one there is]
    #[arg(long, env = "VIEWMART_MONTH", value_name = "YYYY-MM", hide_env_values = true)]
    pub(crate) month: Option<Month>,
}

/// How the month is made.
#[derive(Debug, Args)]
pub(crate) struct EngineFlags {
    /// Name of built-in rules (default, seed) or a rules file
    #[arg(long, env = "VIEWMART_RULES", value_name = "NAME|FILE", hide_env_values = true)]
    pub(crate) rules: Option<String>,
    /// The column Date of every row [default: today]
    #[arg(long, env = "VIEWMART_ETL_DATE", value_name = "YYYY-MM-DD", hide_env_values = true)]
    pub(crate) etl_date: Option<Date>,
    /// Threads that scan [default: all processors]
    #[arg(long, env = "VIEWMART_THREADS", value_name = "N", hide_env_values = true)]
    pub(crate) threads: Option<Threads>,
    /// Stop when more than this fraction of the records is rejected [default: 0.05]
    #[arg(long, env = "VIEWMART_MAX_REJECT_RATIO", value_name = "0..1", hide_env_values = true)]
    pub(crate) max_reject_ratio: Option<Ratio>,
    /// Rejected records to write to rejects.ndjson; the counts are always whole [default: 1000000]
    #[arg(long, env = "VIEWMART_MAX_REJECTS_KEPT", value_name = "N", hide_env_values = true)]
    pub(crate) max_rejects_kept: Option<usize>,
}

/// Where the tables go.
#[derive(Debug, Args)]
pub(crate) struct WarehouseFlags {
    /// sqlite:PATH or mysql://user@host:port/database [default: sqlite:OUT/warehouse.db]
    #[arg(long, env = "VIEWMART_WAREHOUSE", value_name = "URL", hide_env_values = true)]
    pub(crate) warehouse: Option<String>,
    /// Database of the mart [default: DATABASE_mart, or mart.db beside an SQLite warehouse]
    #[arg(long, env = "VIEWMART_MART_DB", value_name = "NAME", hide_env_values = true)]
    pub(crate) mart_db: Option<String>,
    /// Option file of the MySQL clients, for account, password and TLS [default: ~/.my.cnf]
    #[arg(long, env = "VIEWMART_DEFAULTS_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) defaults_file: Option<PathBuf>,
    /// Connections that load a MySQL warehouse at once [default: 2]
    #[arg(long, env = "VIEWMART_LOAD_CONNECTIONS", value_name = "N", hide_env_values = true)]
    pub(crate) load_connections: Option<NonZeroU8>,
}

/// How the dashboards look.
#[derive(Debug, Args)]
pub(crate) struct LookFlags {
    /// Show pseudonyms (keyed hashes) in place of contracts in the dashboards
    #[arg(long, env = "VIEWMART_MASK_CONTRACTS", value_name = "true|false", hide_env_values = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) mask_contracts: Option<bool>,
    /// Key of the pseudonyms, made when missing; VIEWMART_MASK_KEY may hold the key itself [default: ~/.config/viewmart/mask-key]
    #[arg(long, env = "VIEWMART_MASK_KEY_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) mask_key_file: Option<PathBuf>,
    /// Tableau's hyperd, to package the rows as an extract; without it they are CSV
    #[arg(long, env = "VIEWMART_HYPERD", value_name = "FILE", hide_env_values = true)]
    pub(crate) hyperd: Option<PathBuf>,
}

/// Where the files go.
#[derive(Debug, Args)]
pub(crate) struct OutFlags {
    /// Folder for everything that is written [default: viewmart-out]
    #[arg(long, env = "VIEWMART_OUT", value_name = "DIR", hide_env_values = true)]
    pub(crate) out: Option<PathBuf>,
}

/// Where else the report goes.
#[derive(Debug, Args)]
pub(crate) struct ReportFlags {
    /// Write the report to this file too
    #[arg(long, env = "VIEWMART_REPORT", value_name = "FILE", hide_env_values = true)]
    pub(crate) report: Option<PathBuf>,
}

/// How to talk.
#[derive(Debug, Args)]
pub struct TalkFlags {
    /// Say nothing on stderr but errors
    #[arg(long, global = true, env = "VIEWMART_QUIET", value_name = "true|false", hide_env_values = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) quiet: Option<bool>,
    /// Results on stdout as JSON
    #[arg(long, global = true, env = "VIEWMART_JSON", value_name = "true|false", hide_env_values = true,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) json: Option<bool>,
    /// Settings file [default: viewmart.toml where there is one]
    #[arg(long, global = true, env = "VIEWMART_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FormatName {
    /// One JSON object a line
    Ndjson,
    /// RFC 4180 with a header row
    Csv,
}

impl FormatName {
    /// What it names.
    pub(crate) fn format(self) -> Format {
        match self {
            FormatName::Ndjson => Format::Ndjson,
            FormatName::Csv => Format::Csv,
        }
    }
}

/// `--compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionName {
    /// Not packed
    None,
    /// Gzip
    Gz,
    /// Zstandard
    Zst,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }
}
