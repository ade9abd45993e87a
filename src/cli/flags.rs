//! The settings, in groups. A group is one struct for its flags, its variables and its keys in the settings file: a
//! variable `VIEWMART_MAX_JOBS` and a key `max_jobs` are read as the flag `--max-jobs=VALUE` would be.
//!
//! Nothing has a default here, so that groups from several places can be put on top of each other.

use std::num::NonZeroU8;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::civil::Date;

use crate::lake::DayPattern;

use super::values::{
    CompressionName, FormatName, Jobs, MonthChoice, ParentChoice, Ratio, ReprocessName, Threads, key_and_value, switch,
};

/// Puts what one place says on top of what a weaker place says.
pub(crate) trait Combine {
    /// `self`, and what `weaker` says where `self` says nothing.
    #[must_use]
    fn over(self, weaker: Self) -> Self;
}

impl<T> Combine for Option<T> {
    fn over(self, weaker: Option<T>) -> Option<T> {
        self.or(weaker)
    }
}

/// Lists are taken whole from the strongest place that has one.
impl Combine for Vec<String> {
    fn over(self, weaker: Vec<String>) -> Vec<String> {
        if self.is_empty() { weaker } else { self }
    }
}

/// Pairs of key and value add up; of one key the last counts, which is that of the strongest place.
impl Combine for Vec<(String, String)> {
    fn over(self, mut weaker: Vec<(String, String)>) -> Vec<(String, String)> {
        weaker.extend(self);
        weaker
    }
}

/// Groups are combined field by field.
macro_rules! combine {
    ($($group:ident { $($field:ident),* })*) => {
        $(impl Combine for $group {
            fn over(self, weaker: $group) -> $group {
                $group { $($field: self.$field.over(weaker.$field)),* }
            }
        })*
    };
}

combine! {
    Settings {
        lake, month, format, naming, duplicates, days, source, hdfs, parts, rules, etl_date, threads, limits, rejects, ids, devices, warehouse,
        audiences, mask, render, out, report, prune, generate, seed, bench, console, scan, series, signals
    }
    LakeFlags { lake }
    MonthFlags { month }
    FormatFlags { format }
    DayFlags { require_all_days }
    NamingFlags { day_pattern }
    DuplicateFlags { allow_duplicates }
    SourceFlags { cache, refresh, offline, verify, jobs }
    HdfsFlags { hadoop_conf, hdfs_opt, hdfs_user, keytab, principal, datanode_hostname }
    PartFlags { allow_partial }
    RulesFlags { rules, exclude_contract }
    EtlDateFlags { etl_date }
    ThreadFlags { threads }
    LimitFlags { max_reject_ratio, max_unmapped_ratio, deny_warnings }
    RejectFlags { max_rejects_kept }
    IdFlags { unique_ids }
    DeviceFlags { devices }
    WarehouseFlags { warehouse, mart_db, defaults_file, load_connections }
    AudienceFlags { audiences }
    MaskFlags { mask_contracts, mask_key_file }
    RenderFlags { hyperd }
    OutFlags { out }
    ReportFlags { report }
    PruneFlags { prune }
    GenerateFlags { contracts, days, compression, clean }
    SeedFlags { seed }
    BenchFlags { runs }
    ConsoleFlags { quiet, json }
    ScanFlags { max_contracts, die_with_parent }
    SeriesFlags { reprocess, dry_run, backwards, stop_on_failure }
    SignalFlags { metrics, lineage }
}

/// All settings that there are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) lake: LakeFlags,
    #[command(flatten)]
    pub(crate) month: MonthFlags,
    #[command(flatten)]
    pub(crate) format: FormatFlags,
    #[command(flatten)]
    pub(crate) naming: NamingFlags,
    #[command(flatten)]
    pub(crate) duplicates: DuplicateFlags,
    #[command(flatten)]
    pub(crate) days: DayFlags,
    #[command(flatten)]
    pub(crate) source: SourceFlags,
    #[command(flatten)]
    pub(crate) hdfs: HdfsFlags,
    #[command(flatten)]
    pub(crate) parts: PartFlags,
    #[command(flatten)]
    pub(crate) rules: RulesFlags,
    #[command(flatten)]
    pub(crate) etl_date: EtlDateFlags,
    #[command(flatten)]
    pub(crate) threads: ThreadFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) rejects: RejectFlags,
    #[command(flatten)]
    pub(crate) ids: IdFlags,
    #[command(flatten)]
    pub(crate) devices: DeviceFlags,
    #[command(flatten)]
    pub(crate) warehouse: WarehouseFlags,
    #[command(flatten)]
    pub(crate) audiences: AudienceFlags,
    #[command(flatten)]
    pub(crate) mask: MaskFlags,
    #[command(flatten)]
    pub(crate) render: RenderFlags,
    #[command(flatten)]
    pub(crate) out: OutFlags,
    #[command(flatten)]
    pub(crate) report: ReportFlags,
    #[command(flatten)]
    pub(crate) prune: PruneFlags,
    #[command(flatten)]
    pub(crate) generate: GenerateFlags,
    #[command(flatten)]
    pub(crate) seed: SeedFlags,
    #[command(flatten)]
    pub(crate) bench: BenchFlags,
    #[command(flatten)]
    pub(crate) console: ConsoleFlags,
    #[command(flatten)]
    pub(crate) scan: ScanFlags,
    #[command(flatten)]
    pub(crate) series: SeriesFlags,
    #[command(flatten)]
    pub(crate) signals: SignalFlags,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LakeFlags {
    /// Folders, files, globs or URIs with the daily logs [default: `lake` in the settings file]
    #[arg(value_name = "LAKE", value_hint = ValueHint::AnyPath)]
    pub(crate) lake: Vec<String>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct MonthFlags {
    /// The month; `last` and `this` are the calendar months before and of --etl-date [default: the only one there is; `generate`: 2022-04]
    #[arg(short, long, value_name = "YYYY-MM|last|this")]
    pub(crate) month: Option<MonthChoice>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct FormatFlags {
    /// Format of the data files [default: by the ending of a name; `generate`: ndjson]
    #[arg(long)]
    pub(crate) format: Option<FormatName>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct DayFlags {
    /// Stop when a day of the month has no file
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) require_all_days: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct NamingFlags {
    /// Where file names say the day, with {YYYY} {MM} {DD} {M} {D} {YYYYMMDD} and *, for example '{DD}-{MM}-{YYYY}.json'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) day_pattern: Option<DayPattern>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct DuplicateFlags {
    /// Count files that look like the same data twice
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) allow_duplicates: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct SourceFlags {
    /// Folder for files pulled from a remote lake [default: ~/.cache/viewmart]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<PathBuf>,
    /// Pull files again that the cache holds
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) refresh: Option<bool>,
    /// Ask no server: the lake is what the cache holds of it
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) offline: Option<bool>,
    /// Compare cached files with their checksums before use
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) verify: Option<bool>,
    /// Files to pull at once [default: 4]
    #[arg(long, value_name = "1..16")]
    pub(crate) jobs: Option<Jobs>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "HDFS")]
pub(crate) struct HdfsFlags {
    /// Folder with core-site.xml and hdfs-site.xml [default: HADOOP_CONF_DIR, else HADOOP_HOME/etc/hadoop]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) hadoop_conf: Option<PathBuf>,
    /// A setting of the Hadoop configuration; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) hdfs_opt: Vec<(String, String)>,
    /// User for clusters without Kerberos [default: HADOOP_USER_NAME, else who runs this]
    #[arg(long, value_name = "NAME")]
    pub(crate) hdfs_user: Option<String>,
    /// Kerberos keytab to log in with; needs --principal [default: the ticket cache]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) keytab: Option<PathBuf>,
    /// Kerberos principal of the keytab
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
    /// Reach DataNodes by host name: for clusters behind a VPN, NAT or containers
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) datanode_hostname: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Parts")]
pub(crate) struct PartFlags {
    /// Accept parts that do not cover their data files, or miss tasks of --plan
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) allow_partial: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct RulesFlags {
    /// Name of built-in rules (default, seed) or a rules file [default: default]
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    pub(crate) rules: Option<String>,

    /// A contract whose records are rejected as `excluded`, besides those of the rules; may be repeated
    #[arg(long, value_name = "CONTRACT")]
    pub(crate) exclude_contract: Vec<String>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct EtlDateFlags {
    /// The column Date of every row [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) etl_date: Option<Date>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct ThreadFlags {
    /// Worker threads [default: all processors]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<Threads>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct LimitFlags {
    /// Stop when more than this fraction of the records of the month, a day or a file is rejected; 1 lets all pass [default: 0.05]
    #[arg(long, value_name = "0..1")]
    pub(crate) max_reject_ratio: Option<Ratio>,
    /// Stop when the app of more than this fraction of the records is in no category [default: 1]
    #[arg(long, value_name = "0..1")]
    pub(crate) max_unmapped_ratio: Option<Ratio>,
    /// Treat warnings as errors: publish nothing
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) deny_warnings: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct RejectFlags {
    /// Rejected records to write to rejects.ndjson; all are counted [default: 1000000]
    #[arg(long, value_name = "N")]
    pub(crate) max_rejects_kept: Option<usize>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct IdFlags {
    /// Reject a record whose `_id` an earlier one of the same day had; slower, and each thread holds the ids of a day in memory
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) unique_ids: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transform")]
pub(crate) struct DeviceFlags {
    /// Count the distinct `Mac` of each contract, into the month file and month-YYYY-MM.devices beside it; memory: about 50
    /// bytes for each pair of both, and 0.3 GB
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) devices: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Warehouse")]
pub(crate) struct WarehouseFlags {
    /// sqlite:PATH or mysql://user@host:port/database [default: sqlite:OUT/warehouse.db]
    #[arg(long, value_name = "URL")]
    pub(crate) warehouse: Option<String>,
    /// Database of the mart [default: DATABASE_mart, or mart.db beside an SQLite warehouse]
    #[arg(long, value_name = "NAME")]
    pub(crate) mart_db: Option<String>,
    /// Option file of the MySQL clients, for account, password and TLS [default: ~/.my.cnf]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) defaults_file: Option<PathBuf>,
    /// Parallel connections that load a MySQL warehouse [default: 2]
    #[arg(long, value_name = "N")]
    pub(crate) load_connections: Option<NonZeroU8>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Audiences")]
pub(crate) struct AudienceFlags {
    /// Audiences with a name, besides the built-in ones: a table `[name]` each, with expression, description and reason
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub(crate) audiences: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pseudonyms")]
pub(crate) struct MaskFlags {
    /// Show pseudonyms (keyed hashes) in place of contracts in dashboards and lists
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) mask_contracts: Option<bool>,
    /// Key of the pseudonyms, made when missing; VIEWMART_MASK_KEY may hold the key itself [default: ~/.config/viewmart/mask-key]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mask_key_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Dashboard")]
pub(crate) struct RenderFlags {
    /// Tableau's hyperd, to package the rows as an extract; without it they are CSV [default: HYPERD_PATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::ExecutablePath)]
    pub(crate) hyperd: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutFlags {
    /// Folder for everything that is written [default: viewmart-out]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ReportFlags {
    /// Write the report to this file too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Lake")]
pub(crate) struct PruneFlags {
    /// Then remove from the cache what is not of this month, unfinished pulls included
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) prune: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GenerateFlags {
    /// Customers [default: those of a real month]
    #[arg(long, value_name = "N")]
    pub(crate) contracts: Option<u64>,
    /// Only the first days of the month [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) days: Option<u8>,
    /// How the data files are compressed [default: none]
    #[arg(long)]
    pub(crate) compression: Option<CompressionName>,
    /// Generate no records that would be rejected
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) clean: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SeedFlags {
    /// The same seed gives the same data, samples and groups [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ScanFlags {
    /// Most customers of a task held in memory: a file with more is refused, a stream continues in several pieces [default: no
    /// limit]
    #[arg(long, value_name = "N")]
    pub(crate) max_contracts: Option<u64>,
    /// Exit when the parent process exits; with its process id, also when it has exited already
    #[arg(long, value_name = "yes|no|PID", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    pub(crate) die_with_parent: Option<ParentChoice>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Many months")]
pub(crate) struct SeriesFlags {
    /// Which months are made: those that changed, that are missing, whose last run failed, or all [default: one month always, several where they changed]
    #[arg(long)]
    pub(crate) reprocess: Option<ReprocessName>,
    /// Only show which months would be made, and why
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) dry_run: Option<bool>,
    /// Begin with the last month
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) backwards: Option<bool>,
    /// Leave the other months when one fails
    #[arg(long, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) stop_on_failure: Option<bool>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct SignalFlags {
    /// Write what became of each month to this file, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE.prom", value_hint = ValueHint::FilePath)]
    pub(crate) metrics: Option<PathBuf>,
    /// Append OpenLineage events to this file, one a line: START and COMPLETE, FAIL or ABORT of each month
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) lineage: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct BenchFlags {
    /// Timed runs of each measurement; the median counts [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: Option<u32>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ConsoleFlags {
    /// No progress, no notes, no result table: only warnings and errors, and what --json asks for
    #[arg(short, long, global = true, value_name = "yes|no", value_parser = switch, num_args = 0..=1,
          require_equals = true, default_missing_value = "yes")]
    pub(crate) quiet: Option<bool>,
    /// Results, and errors, on stdout as JSON
    #[arg(long, global = true, value_name = "yes|no", value_parser = switch, num_args = 0..=1, require_equals = true,
          default_missing_value = "yes")]
    pub(crate) json: Option<bool>,
}
