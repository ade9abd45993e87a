//! From settings as given to a plan that can be carried out: flags and variables beat `viewmart.toml` beat defaults.

use std::fmt;
use std::marker::PhantomData;
use std::num::{NonZeroU8, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::ZonedDateTime;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use crate::cli::{
    BenchFlags, Cli, Command, CompressionName, EngineFlags, FormatName, GenerateFlags, LakeFlags, LookFlags, OutFlags,
    ReportFlags, SourceFlags, TalkFlags, WarehouseFlags,
};
use crate::console::ProgressChoice;
use crate::dashboard::mask::{self, Masker};
use crate::engine::calendar::Month;
use crate::engine::rules::Rules;
use crate::error::Error;
use crate::generate::{Dirt, GenerateOptions};
use crate::lake::source::hdfs::DatanodeAddress;
use crate::lake::{Caching, Compression, HdfsOptions, LakeOptions, ListOptions, Verify};
use crate::warehouse::mysql::{MysqlOptions, OptionFile};
use crate::warehouse::{OpenOptions, WarehouseUrl};

/// Settings file that is read when none is named.
const SETTINGS_FILE: &str = "viewmart.toml";

/// A valid command with everything it needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do.
    pub task: Task,
    /// How to talk meanwhile.
    pub talk: Talk,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Task {
    /// `viewmart run`.
    Run(Box<RunPlan>),
    /// `viewmart extract`.
    Extract(Box<ExtractPlan>),
    /// `viewmart transform`.
    Transform(Box<TransformPlan>),
    /// `viewmart load`.
    Load(LoadPlan),
    /// `viewmart mart`.
    Mart(MartPlan),
    /// `viewmart dashboard`.
    Dashboard(Box<DashboardPlan>),
    /// `viewmart generate`.
    Generate(GenerateOptions),
    /// `viewmart bench`.
    Bench(Box<BenchPlan>),
    /// `viewmart doctor`.
    Doctor(Box<DoctorPlan>),
}

/// How to talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// The form of results on stdout.
    pub results: ResultForm,
    /// Messages on stderr.
    pub messages: Messages,
}

impl Talk {
    /// Whether bars may be drawn.
    pub fn progress(self) -> ProgressChoice {
        match self.messages {
            Messages::Shown => ProgressChoice::OnTerminal,
            Messages::Quiet => ProgressChoice::Hidden,
        }
    }
}

/// The form of results on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultForm {
    /// For people.
    Table,
    /// For machines.
    Json,
}

/// Whether messages other than errors are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// They are.
    Shown,
    /// They are not.
    Quiet,
}

/// Which data.
#[derive(Clone, Debug)]
pub struct LakePlan {
    /// Folders, files, globs and URIs.
    pub inputs: Vec<String>,
    /// How to read them.
    pub options: LakeOptions,
    /// What a day without a file is.
    pub missing_days: MissingDays,
}

/// `viewmart extract`.
#[derive(Clone, Debug)]
pub struct ExtractPlan {
    /// Which data.
    pub lake: LakePlan,
    /// What becomes of the rest of the cache.
    pub rest: RestOfCache,
}

/// What becomes of cached files that are not of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestOfCache {
    /// They stay.
    Keep,
    /// They go.
    Prune,
}

/// What a day without a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingDays {
    /// Worth a line in the report.
    Report,
    /// An error.
    Refuse,
}

/// How the month is made.
#[derive(Clone, Debug)]
pub struct EnginePlan {
    /// The rules.
    pub rules: Rules,
    /// The column `Date`.
    pub etl_date: Date,
    /// Threads that scan.
    pub threads: Threads,
    /// Largest fraction of rejected records that is published.
    pub max_reject_ratio: Ratio,
    /// Rejected records that are written down.
    pub max_rejects_kept: usize,
}

/// Where the tables go.
#[derive(Clone, Debug)]
pub struct WarehousePlan {
    /// The warehouse.
    pub url: WarehouseUrl,
    /// How to open it.
    pub options: OpenOptions,
}

/// How the dashboards look.
#[derive(Clone, Debug)]
pub struct LookPlan {
    /// Gives the pseudonyms that are shown in place of contracts, where any are.
    pub mask: Option<Masker>,
    /// Tableau's `hyperd`, where there is one.
    pub hyperd: Option<PathBuf>,
}

/// `viewmart run`.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// Which data.
    pub lake: LakePlan,
    /// How the month is made.
    pub engine: EnginePlan,
    /// Where the tables go.
    pub warehouse: WarehousePlan,
    /// How the dashboards look.
    pub look: LookPlan,
    /// Where the files go.
    pub out: PathBuf,
    /// Where else the report goes.
    pub report: Option<PathBuf>,
}

/// `viewmart transform`.
#[derive(Clone, Debug)]
pub struct TransformPlan {
    /// Which data.
    pub lake: LakePlan,
    /// How the month is made.
    pub engine: EnginePlan,
    /// Where the files go.
    pub out: PathBuf,
    /// Where else the report goes.
    pub report: Option<PathBuf>,
}

/// `viewmart load`.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The month file.
    pub month_file: PathBuf,
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
    /// How it looks.
    pub look: LookPlan,
    /// Where the files go.
    pub out: PathBuf,
}

/// `viewmart bench`.
#[derive(Clone, Debug)]
pub struct BenchPlan {
    /// Which data.
    pub lake: LakePlan,
    /// The rules.
    pub rules: Rules,
    /// Largest number of threads.
    pub threads: Threads,
    /// Timed runs of each measurement.
    pub n_runs: u32,
}

/// `viewmart doctor`.
#[derive(Clone, Debug)]
pub struct DoctorPlan {
    /// Which data, where any is named.
    pub lake: Option<LakePlan>,
    /// Where the tables go.
    pub warehouse: WarehousePlan,
    /// Where the files go.
    pub out: PathBuf,
}

impl Plan {
    /// Resolves what was typed against the settings file and the defaults.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the setting and its place; [`Error::Warehouse`] never: a bad address is usage too.
    pub fn resolve(cli: Cli) -> Result<Plan, Error> {
        let settings = Settings::read(cli.talk.config.as_deref())?;
        let talk = talk(&cli.talk, &settings);
        let task = match cli.command {
            Command::Run(flags) => {
                let out = out(flags.out, &settings);
                Task::Run(Box::new(RunPlan {
                    lake: lake(flags.lake, &settings),
                    engine: engine(flags.engine, &settings)?,
                    warehouse: warehouse(flags.warehouse, &settings, &out)?,
                    look: look(flags.look, &settings)?,
                    report: report(flags.report, &settings),
                    out,
                }))
            }
            Command::Extract(flags) => Task::Extract(Box::new(ExtractPlan {
                lake: lake(flags.lake, &settings),
                rest: if flags.prune { RestOfCache::Prune } else { RestOfCache::Keep },
            })),
            Command::Generate(flags) => Task::Generate(generate(flags)?),
            Command::Transform(flags) => Task::Transform(Box::new(TransformPlan {
                lake: lake(flags.lake, &settings),
                engine: engine(flags.engine, &settings)?,
                out: out(flags.out, &settings),
                report: report(flags.report, &settings),
            })),
            Command::Load(flags) => {
                let out = out(flags.out, &settings);
                let warehouse = warehouse(flags.warehouse, &settings, &out)?;
                Task::Load(LoadPlan { month_file: flags.month_file, warehouse })
            }
            Command::Mart(flags) => {
                let out = out(flags.out, &settings);
                let warehouse = warehouse(flags.warehouse, &settings, &out)?;
                Task::Mart(MartPlan { month: flags.month.month.or(settings.month), warehouse })
            }
            Command::Dashboard(flags) => {
                let out = out(flags.out, &settings);
                Task::Dashboard(Box::new(DashboardPlan {
                    month: flags.month.month.or(settings.month),
                    warehouse: warehouse(flags.warehouse, &settings, &out)?,
                    look: look(flags.look, &settings)?,
                    out,
                }))
            }
            Command::Bench(flags) => Task::Bench(Box::new(bench(flags, &settings)?)),
            Command::Doctor(flags) => {
                let out = out(flags.out, &settings);
                Task::Doctor(Box::new(DoctorPlan {
                    lake: Some(flags.inputs).filter(|i| !i.is_empty()).map(|i| source(i, flags.source, &settings)),
                    warehouse: warehouse(flags.warehouse, &settings, &out)?,
                    out,
                }))
            }
        };
        Ok(Plan { task, talk })
    }
}

fn talk(flags: &TalkFlags, settings: &Settings) -> Talk {
    Talk {
        results: if flags.json.or(settings.json).unwrap_or(false) { ResultForm::Json } else { ResultForm::Table },
        messages: if flags.quiet.or(settings.quiet).unwrap_or(false) { Messages::Quiet } else { Messages::Shown },
    }
}

fn lake(flags: LakeFlags, settings: &Settings) -> LakePlan {
    source(flags.inputs, flags.source, settings)
}

fn source(inputs: Vec<String>, flags: SourceFlags, settings: &Settings) -> LakePlan {
    let require_all_days = flags.require_all_days.or(settings.require_all_days).unwrap_or(false);
    let defaults = LakeOptions::default();
    let options = LakeOptions {
        list: ListOptions {
            month: flags.month.month.or(settings.month),
            format: flags.format.or(settings.format).map(FormatName::format),
        },
        cache: flags.cache.or_else(|| settings.cache.clone()).unwrap_or(defaults.cache),
        caching: match (flags.refresh, flags.offline) {
            (true, _) => Caching::Refresh,
            (false, true) => Caching::Offline,
            (false, false) => Caching::Use,
        },
        verify: if flags.verify { Verify::Yes } else { Verify::No },
        n_jobs: flags.jobs.or(settings.jobs).map_or(defaults.n_jobs, usize::from),
        hdfs: HdfsOptions {
            conf_dir: flags.hadoop_conf.or_else(|| settings.hadoop_conf.clone()),
            overrides: flags.hdfs_opt,
            user: flags.hdfs_user.or_else(|| settings.hdfs_user.clone()),
            datanodes: match flags.datanode_hostname {
                true => DatanodeAddress::Hostname,
                false => DatanodeAddress::AsConfigured,
            },
            keytab: flags.keytab.or_else(|| settings.keytab.clone()),
            principal: flags.principal.or_else(|| settings.principal.clone()),
        },
    };
    LakePlan { inputs, options, missing_days: if require_all_days { MissingDays::Refuse } else { MissingDays::Report } }
}

/// The folder that `variable` names, or `name` in the home folder.
fn folder_of(variable: &str, name: &str) -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder(variable).or_else(|| folder("HOME").map(|home| home.join(name)))
}

fn engine(flags: EngineFlags, settings: &Settings) -> Result<EnginePlan, Error> {
    Ok(EnginePlan {
        rules: rules(flags.rules.as_ref().or(settings.rules.as_ref()))?,
        etl_date: flags.etl_date.or(settings.etl_date).unwrap_or_else(|| ZonedDateTime::now().date()),
        threads: threads(flags.threads, settings),
        max_reject_ratio: flags.max_reject_ratio.or(settings.max_reject_ratio).unwrap_or(Ratio::DEFAULT_LIMIT),
        max_rejects_kept: flags.max_rejects_kept.or(settings.max_rejects_kept).unwrap_or(1_000_000),
    })
}

fn threads(flag: Option<Threads>, settings: &Settings) -> Threads {
    flag.or(settings.threads).unwrap_or_else(Threads::all)
}

/// A preset's name or a file; a preset wins over a file of the same name, which can be written `./default`.
fn rules(name: Option<&String>) -> Result<Rules, Error> {
    let name = name.map_or("default", String::as_str);
    if let Some(rules) = Rules::preset(name) {
        return Ok(rules);
    }
    let text = std::fs::read_to_string(name).map_err(|e| Error::Usage {
        what: format!("the rules `{name}` cannot be read: {e}"),
        advice: Some("name a TOML file, or one of the built-in rules `default` and `seed`".into()),
    })?;
    Rules::parse(&text).map_err(|e| Error::Usage {
        what: format!("{name}: {e}"),
        advice: Some("correct that line; the README shows the built-in rules to start from".into()),
    })
}

fn warehouse(flags: WarehouseFlags, settings: &Settings, out: &Path) -> Result<WarehousePlan, Error> {
    use crate::error::Advice as _;
    let url = match flags.warehouse.as_ref().or(settings.warehouse.as_ref()) {
        None => WarehouseUrl::embedded(out),
        Some(text) => WarehouseUrl::parse(text)
            .map_err(|e| Error::Usage { what: e.to_string(), advice: e.advice().map(std::borrow::Cow::into_owned) })?,
    };
    let defaults = MysqlOptions::from_env();
    let mysql = MysqlOptions {
        option_file: flags
            .defaults_file
            .or_else(|| settings.defaults_file.clone())
            .map_or(defaults.option_file, OptionFile::At),
        load_connections: flags.load_connections.or(settings.load_connections).unwrap_or(defaults.load_connections),
        ..defaults
    };
    let mart_db = flags.mart_db.or_else(|| settings.mart_db.clone());
    Ok(WarehousePlan { url, options: OpenOptions { mart_db, mysql } })
}

fn out(flags: OutFlags, settings: &Settings) -> PathBuf {
    flags.out.or_else(|| settings.out.clone()).unwrap_or_else(|| PathBuf::from("viewmart-out"))
}

fn report(flags: ReportFlags, settings: &Settings) -> Option<PathBuf> {
    flags.report.or_else(|| settings.report.clone())
}

fn look(flags: LookFlags, settings: &Settings) -> Result<LookPlan, Error> {
    let mask = if flags.mask_contracts.or(settings.mask_contracts).unwrap_or(false) {
        let key = std::env::var(mask::KEY_VARIABLE).ok();
        let key_file = flags.mask_key_file.or_else(|| settings.mask_key_file.clone()).unwrap_or_else(default_key_file);
        Some(Masker::from_settings(key.as_deref(), &key_file)?)
    } else {
        None
    };
    // `HYPERD_PATH` is where Tableau's own tools look.
    let installed = || std::env::var_os("HYPERD_PATH").filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(LookPlan { mask, hyperd: flags.hyperd.or_else(|| settings.hyperd.clone()).or_else(installed) })
}

/// `$XDG_CONFIG_HOME/viewmart/mask-key`, `~/.config/viewmart/mask-key`, or a file here where there is no home.
fn default_key_file() -> PathBuf {
    match folder_of("XDG_CONFIG_HOME", ".config") {
        Some(folder) => folder.join("viewmart").join("mask-key"),
        None => PathBuf::from("viewmart-mask-key"),
    }
}

fn generate(flags: GenerateFlags) -> Result<GenerateOptions, Error> {
    // There is no month only when the default one is none.
    let defaults = GenerateOptions::new(flags.out).ok_or_else(|| Error::Usage {
        what: "no month to generate".to_owned(),
        advice: Some("name one with --month".to_owned()),
    })?;
    Ok(GenerateOptions {
        month: flags.month.unwrap_or(defaults.month),
        n_contracts: flags.contracts.unwrap_or(defaults.n_contracts),
        n_days: flags.days,
        seed: flags.seed,
        format: flags.format.format(),
        compression: match flags.compression {
            CompressionName::None => Compression::None,
            CompressionName::Gz => Compression::Gzip,
            CompressionName::Zst => Compression::Zstd,
        },
        dirt: if flags.clean { Dirt::Clean } else { Dirt::Real },
        n_threads: flags.threads.map_or(defaults.n_threads, Threads::get),
        ..defaults
    })
}

fn bench(flags: BenchFlags, settings: &Settings) -> Result<BenchPlan, Error> {
    Ok(BenchPlan {
        rules: rules(flags.rules.as_ref().or(settings.rules.as_ref()))?,
        threads: threads(flags.threads, settings),
        n_runs: flags.runs,
        lake: lake(flags.lake, settings),
    })
}

/// `viewmart.toml`: the names of the flags, with `_` for `-`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    #[serde(deserialize_with = "as_on_command_line")]
    month: Option<Month>,
    rules: Option<String>,
    #[serde(deserialize_with = "as_on_command_line")]
    etl_date: Option<Date>,
    #[serde(deserialize_with = "as_on_command_line")]
    threads: Option<Threads>,
    cache: Option<PathBuf>,
    jobs: Option<u8>,
    hadoop_conf: Option<PathBuf>,
    hdfs_user: Option<String>,
    keytab: Option<PathBuf>,
    principal: Option<String>,
    out: Option<PathBuf>,
    warehouse: Option<String>,
    mart_db: Option<String>,
    defaults_file: Option<PathBuf>,
    load_connections: Option<NonZeroU8>,
    mask_contracts: Option<bool>,
    mask_key_file: Option<PathBuf>,
    hyperd: Option<PathBuf>,
    format: Option<FormatName>,
    #[serde(deserialize_with = "as_on_command_line")]
    max_reject_ratio: Option<Ratio>,
    max_rejects_kept: Option<usize>,
    require_all_days: Option<bool>,
    report: Option<PathBuf>,
    quiet: Option<bool>,
    json: Option<bool>,
}

impl Settings {
    /// The named file, or `viewmart.toml` in the current folder where there is one.
    fn read(named: Option<&Path>) -> Result<Settings, Error> {
        let path = named.unwrap_or(Path::new(SETTINGS_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => return Ok(Settings::default()),
            Err(e) => {
                return Err(Error::Usage {
                    what: format!("the settings file {} cannot be read: {e}", path.display()),
                    advice: Some("name another file with --config".into()),
                });
            }
        };
        Settings::parse(&text).map_err(|(line, what)| Error::Usage {
            what: format!("{}: line {line}: {what}", path.display()),
            advice: Some(
                "the settings are the long flags, with `_` for `-`, for example max_reject_ratio = 0.1".into(),
            ),
        })
    }

    /// The settings, or the 1-based line and what is wrong with it.
    fn parse(text: &str) -> Result<Settings, (usize, String)> {
        toml::from_str(text).map_err(|e| {
            let offset = e.span().map_or(0, |span| span.start).min(text.len());
            let line = text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1;
            (line, e.message().to_owned())
        })
    }
}

/// Reads text, numbers and TOML's own dates the way the command line reads them.
fn as_on_command_line<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display>,
{
    struct Scalar<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Scalar<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text or a number")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
            self.visit_str(&number.to_string())
        }
    }

    deserializer.deserialize_any(Scalar(PhantomData)).map(Some)
}

/// A number of threads, 1..=1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// More would only cost memory.
    const MAX: usize = 1024;

    /// One for each processor that this process may use.
    pub fn all() -> Threads {
        let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Threads(NonZeroUsize::new(n_processors.min(Threads::MAX)).unwrap_or(NonZeroUsize::MIN))
    }

    /// The number.
    pub fn get(self) -> usize {
        self.0.get()
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Threads, String> {
        let number: Option<NonZeroUsize> = text.parse().ok();
        number
            .filter(|n| n.get() <= Threads::MAX)
            .map(Threads)
            .ok_or_else(|| format!("not a number from 1 to {}", Threads::MAX))
    }
}

/// A fraction, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// The default of `--max-reject-ratio`.
    const DEFAULT_LIMIT: Ratio = Ratio(0.05);

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Ratio, &'static str> {
        text.parse().ok().filter(|n| (0.0..=1.0).contains(n)).map(Ratio).ok_or("not a fraction from 0 to 1")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn settings(text: &str) -> Settings {
        Settings::parse(text).unwrap()
    }

    fn engine_flags(arguments: &[&str]) -> EngineFlags {
        let words = ["viewmart", "run", "lake"].iter().chain(arguments);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(flags) => flags.engine,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn flags_beat_the_file_and_the_file_beats_defaults() {
        let check = |arguments: &[&str], file: &str, expected: (usize, f64, &str)| {
            let plan = engine(engine_flags(arguments), &settings(file)).unwrap();
            assert_eq!((plan.threads.get(), plan.max_reject_ratio.get(), plan.rules.name.as_str()), expected);
        };
        let n_processors = Threads::all().get();
        check(&[], "", (n_processors, 0.05, "default"));
        check(&[], "threads = 7\nmax_reject_ratio = 0\nrules = 'seed'", (7, 0.0, "seed"));
        check(&["--threads", "3"], "threads = 7", (3, 0.05, "default"));
        check(
            &["--max-reject-ratio=1", "--rules=default"],
            "rules = 'seed'\nmax_reject_ratio = 0.5",
            (n_processors, 1.0, "default"),
        );
    }

    #[test]
    fn settings_files_read_dates_as_text() {
        let parsed = settings("month = '2022-04'\netl_date = '2022-05-01'\nquiet = true\nformat = 'csv'");
        assert_eq!(parsed.month.map(|m| m.to_string()).as_deref(), Some("2022-04"));
        assert_eq!(parsed.etl_date, Some(jiff::civil::date(2022, 5, 1)));
        assert_eq!((parsed.quiet, parsed.format), (Some(true), Some(FormatName::Csv)));
    }

    #[test]
    fn wrong_settings_name_their_line() {
        let check = |text: &str, expected_line: usize, part: &str| {
            let (line, what) = Settings::parse(text).unwrap_err();
            assert_eq!(line, expected_line, "{text}: {what}");
            assert!(what.contains(part), "{text}: {what}");
        };
        check("threads = 1\nthread = 2\n", 2, "unknown field");
        check("\n\nthreads = 0", 3, "from 1 to 1024");
        check("threads = 2.5", 1, "from 1 to 1024");
        check("max_reject_ratio = 1.5", 1, "from 0 to 1");
        check("max_reject_ratio = nan", 1, "from 0 to 1");
        check("quiet = false\nmonth = '2022-13'", 2, "YYYY-MM");
        check("format = 'parquet'", 1, "unknown variant");
        check("month = [", 1, "");
        check("max_rejects_kept = -1", 1, "");
    }

    #[test]
    fn a_switch_can_be_turned_off_again() {
        let check = |argument: &str, file: &str, expected: Messages| {
            let words: Vec<&str> = ["viewmart", "mart", argument].into_iter().filter(|word| !word.is_empty()).collect();
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(talk(&cli.talk, &settings(file)).messages, expected, "{argument} {file}");
        };
        check("", "", Messages::Shown);
        check("--quiet", "", Messages::Quiet);
        check("", "quiet = true", Messages::Quiet);
        check("--quiet=false", "quiet = true", Messages::Shown);
    }
}
