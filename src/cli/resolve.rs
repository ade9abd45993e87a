//! From settings to a plan: places combined, defaults filled in, contradictions refused.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap_complete::Shell;
use etcetera::BaseStrategy as _;
use jiff::civil::Date;

use super::flags::{
    Combine as _, ConsoleFlags, GenerateFlags, LimitFlags, MaskFlags, RulesFlags, Settings, WarehouseFlags,
};
use super::places::{Grammar, Place, SETTINGS_FILE, SettingEntry, Variables};
use super::plan::{
    BenchPlan, ConsolePlan, DashboardPlan, DiffPlan, DoctorPlan, DropPlan, EnginePlan, ExtractPlan, LoadPlan, MartPlan,
    MaskKey, MergePlan, Messages, ParentDeath, PartsPlan, Plan, PrunePolicy, RenderPlan, ResultForm, ScanOutput,
    ScanPlan, SplitPlan, Task, TaskSource, TransformPlan, WarehousePlan,
};
use super::values::{CompressionName, FormatName, Ratio, Threads, switch};
use super::verb::{Job, Parts, Verb};
use super::{Cli, Refused, listing};
use crate::advice::Advice as _;
use crate::dashboard::mask;
use crate::diff::{DiffSide, WarehouseMonth};
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::engine::rules::Rules;
use crate::error::Error;
use crate::gate::{Limits, WarningPolicy};
use crate::generate::{Dirt, GenerateOptions};
use crate::month_file::{GapPolicy, MergeOptions, PartDevices};
use crate::redact::redact;
use crate::warehouse::mysql::{MysqlOptions, OptionFile, Secret};
use crate::warehouse::{OpenOptions, WarehouseUrl};

/// What is asked of the program.
#[derive(Debug)]
pub enum Request {
    /// A command to be carried out.
    Execute(Box<Plan>),
    /// A text to be printed, which is all that was asked for.
    Print(String),
    /// Completions and man pages, written into a folder.
    WriteCompletions(Shell, PathBuf),
}

/// A request, and what the user should know about the settings.
#[derive(Debug)]
pub struct Resolved {
    /// What is to be done.
    pub request: Request,
    /// One line each.
    pub warnings: Vec<String>,
}

/// Resolves what was typed against variables, settings file and defaults. `today` is the default of the ETL date.
///
/// # Errors
/// [`Error::Usage`] that names the setting and its place.
pub fn resolve(cli: Cli, variables: &Variables, today: Date) -> Result<Resolved, Refused> {
    let mut settings = Settings { console: cli.console.clone(), ..Settings::default() };
    let file = cli.config.clone();
    resolve_onto(&mut settings, cli, variables, today).map_err(|error| {
        let json = settings.console.json.or_else(|| json_of_places(file, variables));
        Refused { error, results: console(&ConsoleFlags { json, ..settings.console }).results }
    })
}

/// The same; `settings` grows with every place that was read.
fn resolve_onto(settings: &mut Settings, cli: Cli, variables: &Variables, today: Date) -> Result<Resolved, Error> {
    let (verb, typed) = cli.command.split();
    *settings = Settings { console: cli.console, ..typed };
    // They are asked for by the start of a shell: no settings may get in the way.
    if let Verb::Completions(shell, folder) = verb {
        return Ok(Resolved { request: completions(shell, folder), warnings: Vec::new() });
    }
    let typed = console_entries(&settings.console);
    let grammar = Grammar::new();
    let (of_variables, warnings) = grammar.variables(variables);
    *settings = settings.clone().over(grammar.parse(&of_variables)?);
    let file = cli.config.or_else(|| variables.get("VIEWMART_CONFIG").map(PathBuf::from));
    let of_file = grammar.read_file(file.as_deref())?;
    *settings = settings.clone().over(grammar.parse(&of_file)?);
    let console = console(&settings.console);
    let settings_file = file.or_else(|| Some(PathBuf::from(SETTINGS_FILE)).filter(|path| path.exists()));
    let resolver = Resolver { settings: settings.clone(), variables, today, settings_file };
    let request = match verb {
        Verb::Rules => Request::Print(super::rules::show(&resolver.rules()?, console.results)),
        Verb::Config => {
            Request::Print(listing::show(&grammar, &[&typed, &of_variables, &of_file], variables, console.results))
        }
        Verb::Schema(format) => Request::Print(super::schema::show(format)),
        Verb::Execute(job) => Request::Execute(Box::new(Plan { task: resolver.task(job)?, console })),
        Verb::Completions(shell, folder) => completions(shell, folder),
    };
    Ok(Resolved { request, warnings })
}

/// What was typed of the settings that every command takes.
fn console_entries(flags: &ConsoleFlags) -> Vec<SettingEntry> {
    let entry = |(key, value): (&str, Option<bool>)| {
        let value = if value? { "yes" } else { "no" };
        Some(SettingEntry { key: key.to_owned(), values: vec![value.into()], place: Place::Flag })
    };
    [("quiet", flags.quiet), ("json", flags.json)].into_iter().filter_map(entry).collect()
}

fn completions(shell: Shell, folder: Option<PathBuf>) -> Request {
    match folder {
        Some(folder) => Request::WriteCompletions(shell, folder),
        None => Request::Print(super::shell::completions(shell)),
    }
}

/// Whether words that are no command ask for JSON, so that the error is told as such.
pub fn json_is_asked(words: impl IntoIterator<Item = OsString>, variables: &Variables) -> bool {
    let words: Vec<OsString> = words.into_iter().take_while(|word| word != "--").collect();
    let mut typed = words.iter().filter_map(|word| {
        let text = word.to_str()?.strip_prefix("--json")?;
        if text.is_empty() { Some(true) } else { switch(text.strip_prefix('=')?).ok() }
    });
    let file = || {
        let place = words.iter().rposition(|word| word.to_string_lossy().starts_with("--config"))?;
        match words[place].to_str()?.strip_prefix("--config=") {
            Some(path) => Some(PathBuf::from(path)),
            None => words.get(place + 1).map(PathBuf::from),
        }
    };
    typed.next_back().or_else(|| json_of_places(file(), variables)).unwrap_or(false)
}

/// What variables and settings file say of `json`, as far as they can be read: what else is wrong with them is told in that
/// form too.
fn json_of_places(file: Option<PathBuf>, variables: &Variables) -> Option<bool> {
    let variable = variables.get("VIEWMART_JSON").and_then(|value| switch(value.to_str()?).ok());
    let of_file = || {
        let file = file.or_else(|| variables.get("VIEWMART_CONFIG").map(PathBuf::from));
        let text = std::fs::read_to_string(file.unwrap_or_else(|| PathBuf::from(SETTINGS_FILE))).ok()?;
        match toml::from_str::<toml::Table>(&text).ok()?.remove("json")? {
            toml::Value::String(text) => switch(&text).ok(),
            toml::Value::Boolean(value) => Some(value),
            toml::Value::Integer(value) => switch(&value.to_string()).ok(),
            _ => None,
        }
    };
    variable.or_else(of_file)
}

fn console(flags: &ConsoleFlags) -> ConsolePlan {
    ConsolePlan {
        results: if flags.json.unwrap_or(false) { ResultForm::Json } else { ResultForm::Table },
        messages: if flags.quiet.unwrap_or(false) { Messages::Quiet } else { Messages::Shown },
    }
}

/// All settings of all places, one on top of the other.
pub(super) struct Resolver<'a> {
    pub(super) settings: Settings,
    variables: &'a Variables,
    today: Date,
    /// Where settings come from.
    settings_file: Option<PathBuf>,
}

impl Resolver<'_> {
    fn task(&self, job: Job) -> Result<Task, Error> {
        Ok(match job {
            Job::Run => self.run()?,
            Job::Extract => Task::Extract(Box::new(ExtractPlan {
                lake: self.lake()?,
                prune: if self.settings.prune.prune == Some(true) { PrunePolicy::Prune } else { PrunePolicy::Keep },
            })),
            Job::Transform => Task::Transform(Box::new(TransformPlan {
                lake: self.lake()?,
                engine: self.engine()?,
                out: self.out()?,
                report: self.settings.report.report.clone(),
            })),
            Job::Merge(parts) => Task::Merge(Box::new(self.merge(parts)?)),
            Job::Load(parts) => {
                let (parts, audiences) = (self.parts(parts)?, self.named_audiences()?);
                Task::Load(Box::new(LoadPlan { parts, audiences, warehouse: self.warehouse()? }))
            }
            Job::Mart => Task::Mart(MartPlan { month: self.month()?, warehouse: self.warehouse()? }),
            Job::Dashboard => Task::Dashboard(Box::new(DashboardPlan {
                month: self.month()?,
                warehouse: self.warehouse()?,
                render: self.render()?,
                out: self.out()?,
            })),
            Job::Drop(month) => {
                Task::Drop(DropPlan { month: self.chosen(month)?, warehouse: self.warehouse()?, out: self.out()? })
            }
            Job::Months => Task::Months(self.warehouse()?),
            Job::Diff { sides: [a, b], top, list } => Task::Diff(Box::new(DiffPlan {
                sides: [self.diff_side(a)?, self.diff_side(b)?],
                n_top: top.unwrap_or(10),
                list,
            })),
            Job::Audience(ask) => Task::Audience(Box::new(self.audience(ask)?)),
            Job::Plan(size) => {
                self.refuse_in_parts()?;
                Task::Plan(Box::new(SplitPlan { lake: self.lake()?, size, warnings: self.limits().warnings }))
            }
            Job::Scan { task, out } => {
                self.refuse_in_parts()?;
                Task::Scan(Box::new(self.scan(task, out)?))
            }
            Job::Generate(folder) => Task::Generate(self.generate(folder)?),
            Job::Bench => Task::Bench(Box::new(BenchPlan {
                lake: self.lake()?,
                rules: self.rules()?,
                threads: self.threads(),
                n_runs: self.settings.bench.runs.unwrap_or(5),
            })),
            Job::Doctor => Task::Doctor(Box::new(DoctorPlan {
                lake: if self.settings.lake.lake.is_empty() { None } else { Some(self.lake()?) },
                rules: self.rules()?,
                limits: self.limits(),
                warehouse: self.warehouse()?,
                out: self.out()?,
            })),
        })
    }

    fn merge(&self, parts: Parts) -> Result<MergePlan, Error> {
        let (mut parts, devices) = (self.parts(parts)?, self.devices());
        parts.options.devices = match devices {
            Devices::Counted => PartDevices::Named,
            Devices::Ignored => PartDevices::LeftOut,
        };
        Ok(MergePlan { parts, devices, out: self.out()? })
    }

    /// Refuses what a part of a month cannot tell.
    fn refuse_in_parts(&self) -> Result<(), Error> {
        if self.settings.ids.unique_ids == Some(true) {
            return Err(usage(
                "`unique_ids` does not work on a month in parts: a part does not know which record of a day came first",
                "run `viewmart transform --unique-ids` on whole days, or turn it off in the settings file and VIEWMART_UNIQUE_IDS",
            ));
        }
        match self.devices() {
            Devices::Ignored => Ok(()),
            Devices::Counted => Err(usage(
                "`devices` does not work with the tasks of a plan: a task produces one file, and devices need a second",
                "run `viewmart transform --devices` on parts of the lake and `viewmart merge --devices` on what it \
                 writes, or turn it off in the settings file and VIEWMART_DEVICES",
            )),
        }
    }

    fn parts(&self, Parts { inputs, tasks }: Parts) -> Result<PartsPlan, Error> {
        let RulesFlags { rules, exclude_contract } = &self.settings.rules;
        let is_of_parts = rules.is_none() && exclude_contract.is_empty();
        Ok(PartsPlan {
            inputs,
            options: MergeOptions {
                month: self.month()?,
                rules: (!is_of_parts).then(|| self.rules()).transpose()?,
                etl_date: self.settings.etl_date.etl_date,
                devices: PartDevices::default(),
            },
            tasks,
            gaps: if self.settings.parts.allow_partial == Some(true) { GapPolicy::Accept } else { GapPolicy::Refuse },
            missing_days: self.missing_days(),
            duplicates: self.duplicates(),
            limits: self.limits(),
        })
    }

    fn limits(&self) -> Limits {
        let LimitFlags { max_reject_ratio, max_unmapped_ratio, deny_warnings } = self.settings.limits;
        let defaults = Limits::default();
        Limits {
            max_reject_ratio: max_reject_ratio.map_or(defaults.max_reject_ratio, Ratio::get),
            max_unmapped_ratio: max_unmapped_ratio.map_or(defaults.max_unmapped_ratio, Ratio::get),
            warnings: if deny_warnings == Some(true) { WarningPolicy::Refuse } else { WarningPolicy::Publish },
        }
    }

    pub(super) fn etl_date(&self) -> Date {
        self.settings.etl_date.etl_date.unwrap_or(self.today)
    }

    fn threads(&self) -> Threads {
        self.settings.threads.threads.unwrap_or_else(Threads::all)
    }

    fn scan(&self, task: String, out: PathBuf) -> Result<ScanPlan, Error> {
        Ok(ScanPlan {
            task: if task == "-" { TaskSource::Stdin } else { TaskSource::Text(task) },
            rules: self.rules()?,
            etl_date: self.etl_date(),
            // Schedulers count one processor a task.
            threads: self.settings.threads.threads.unwrap_or(Threads::one()),
            max_contracts: self.settings.scan.max_contracts,
            parent: self.settings.scan.die_with_parent.map_or(ParentDeath::Ignore, |choice| choice.0),
            hdfs: self.hdfs()?,
            out: self.scan_output(out)?,
        })
    }

    fn scan_output(&self, out: PathBuf) -> Result<ScanOutput, Error> {
        match out.to_str().and_then(|text| text.strip_prefix("arrow:")) {
            None => Ok(ScanOutput::File(out)),
            Some("-") if self.settings.console.json == Some(true) => Err(usage(
                "a stream and results as JSON cannot both go to stdout",
                "leave out --json and VIEWMART_JSON: the last row of the stream tells what the scan counted",
            )),
            Some("-") => Ok(ScanOutput::Stream),
            Some(place) => Err(usage(
                format!("a stream goes to stdout, not to `{place}`"),
                "write --out arrow:- and redirect stdout; a file of that name is ./arrow:…",
            )),
        }
    }

    pub(super) fn engine(&self) -> Result<EnginePlan, Error> {
        Ok(EnginePlan {
            rules: self.rules()?,
            etl_date: self.etl_date(),
            threads: self.threads(),
            sources: self.sources(),
            limits: self.limits(),
            ids: if self.settings.ids.unique_ids == Some(true) { Ids::Unique } else { Ids::Any },
            devices: self.devices(),
            max_rejects_kept: self.settings.rejects.max_rejects_kept.unwrap_or(1_000_000),
        })
    }

    fn devices(&self) -> Devices {
        if self.settings.devices.devices == Some(true) { Devices::Counted } else { Devices::Ignored }
    }

    /// Files that say what to do, which no output may replace.
    fn sources(&self) -> Vec<PathBuf> {
        let settings = &self.settings;
        let named = [
            self.settings_file.as_ref(),
            settings.audiences.audiences.as_ref(),
            settings.mask.mask_key_file.as_ref(),
            settings.warehouse.defaults_file.as_ref(),
            settings.hdfs.keytab.as_ref(),
        ];
        named.into_iter().flatten().cloned().chain(self.rules_file()).collect()
    }

    /// The file that the rules come from, where it is no preset.
    fn rules_file(&self) -> Option<PathBuf> {
        self.settings.rules.rules.as_ref().filter(|name| Rules::preset(name).is_none()).map(PathBuf::from)
    }

    fn rules(&self) -> Result<Rules, Error> {
        let RulesFlags { rules, exclude_contract } = &self.settings.rules;
        let rules = super::rules::read(rules.as_deref().unwrap_or("default"))?;
        Ok(if exclude_contract.is_empty() { rules } else { rules.excluding(exclude_contract.iter().cloned()) })
    }

    pub(super) fn warehouse(&self) -> Result<WarehousePlan, Error> {
        self.warehouse_at(self.settings.warehouse.warehouse.clone())
    }

    /// The warehouse at `address`; without one that in the output folder.
    fn warehouse_at(&self, address: Option<String>) -> Result<WarehousePlan, Error> {
        let WarehouseFlags { mart_db, defaults_file, load_connections, .. } = self.settings.warehouse.clone();
        let url = match address {
            None => WarehouseUrl::embedded(&self.out()?),
            Some(text) => WarehouseUrl::parse(&text).map_err(|e| Error::Usage {
                what: e.to_string(),
                advice: e.advice().map(std::borrow::Cow::into_owned),
            })?,
        };
        let defaults = MysqlOptions::default();
        let mysql = MysqlOptions {
            password: self.variables.secret(MysqlOptions::PASSWORD_VARIABLE)?.map(Secret::new),
            option_file: defaults_file.map_or(defaults.option_file, OptionFile::At),
            load_connections: load_connections.unwrap_or(defaults.load_connections),
            ..defaults
        };
        Ok(WarehousePlan { url, options: OpenOptions { mart_db, mysql } })
    }

    /// A month file or folder, or a month in a warehouse.
    fn diff_side(&self, text: String) -> Result<DiffSide, Error> {
        let is_address = |text: &str| ["sqlite:", "mysql:"].iter().any(|scheme| text.starts_with(scheme));
        let of_warehouse = text.rsplit_once('#').and_then(|(address, month)| Some((address, month.parse().ok()?)));
        match of_warehouse.filter(|(address, _)| address.is_empty() || is_address(address)) {
            Some((address, month)) => {
                let typed = (!address.is_empty()).then(|| address.to_owned());
                let address = typed.or_else(|| self.settings.warehouse.warehouse.clone());
                let WarehousePlan { url, options } = self.warehouse_at(address.clone())?;
                let address = address.unwrap_or_default();
                Ok(DiffSide::Warehouse(Box::new(WarehouseMonth { address, url, options, month })))
            }
            None if is_address(&text) => Err(usage(
                format!("{} names no month", redact(&text)),
                "write the month of a warehouse after its address: URL#YYYY-MM",
            )),
            // A month file has no scheme: whoever is told that it is missing must not read a password.
            None if text.contains("://") || text.starts_with("jdbc:") => Err(usage(
                format!("{} is neither a month file nor a warehouse", redact(&text)),
                "write a path, or sqlite:PATH#YYYY-MM or mysql://user@host/database#YYYY-MM",
            )),
            None => Ok(DiffSide::Files(vec![PathBuf::from(text)])),
        }
    }

    pub(super) fn render(&self) -> Result<RenderPlan, Error> {
        // `HYPERD_PATH` is where Tableau's own tools look.
        let hyperd = self.settings.render.hyperd.clone();
        let hyperd = hyperd.or_else(|| self.variables.get("HYPERD_PATH").map(PathBuf::from));
        Ok(RenderPlan { mask: self.mask()?, hyperd })
    }

    pub(super) fn mask(&self) -> Result<Option<MaskKey>, Error> {
        let MaskFlags { mask_contracts, mask_key_file } = self.settings.mask.clone();
        match mask_contracts {
            Some(true) => Ok(Some(MaskKey {
                variable: self.variables.secret(mask::KEY_VARIABLE)?,
                file: mask_key_file.unwrap_or_else(default_key_file),
            })),
            _ => Ok(None),
        }
    }

    /// The output folder. Its name goes into the address of the warehouse and into the report, which are text.
    pub(super) fn out(&self) -> Result<PathBuf, Error> {
        let out = self.settings.out.out.as_deref().unwrap_or(Path::new("viewmart-out"));
        match out.to_str() {
            Some(_) => Ok(out.to_owned()),
            None => Err(usage(
                format!("the name of the output folder, {out:?}, is not UTF-8"),
                "name another folder with --out",
            )),
        }
    }

    fn generate(&self, folder: PathBuf) -> Result<GenerateOptions, Error> {
        let GenerateFlags { contracts, days, compression, clean } = &self.settings.generate;
        // There is no month only when the default one is none.
        let defaults =
            GenerateOptions::new(folder).ok_or_else(|| usage("no month to generate", "name one with --month"))?;
        Ok(GenerateOptions {
            month: self.month()?.unwrap_or(defaults.month),
            n_contracts: contracts.unwrap_or(defaults.n_contracts),
            n_days: days.or(defaults.n_days),
            seed: self.settings.seed.seed.unwrap_or(defaults.seed),
            format: self.settings.format.format.map_or(defaults.format, FormatName::format),
            compression: compression.map_or(defaults.compression, CompressionName::compression),
            dirt: if *clean == Some(true) { Dirt::Clean } else { defaults.dirt },
            n_threads: self.settings.threads.threads.map_or(defaults.n_threads, Threads::get),
            ..defaults
        })
    }
}

pub(super) fn usage(what: impl Into<String>, advice: &str) -> Error {
    Error::Usage { what: what.into(), advice: Some(advice.to_owned()) }
}

/// `$XDG_CONFIG_HOME/viewmart/mask-key`, `~/.config/viewmart/mask-key`, or a file here where there is no home.
fn default_key_file() -> PathBuf {
    match etcetera::base_strategy::Xdg::new() {
        Ok(folders) => folders.config_dir().join("viewmart").join("mask-key"),
        Err(_) => PathBuf::from("viewmart-mask-key"),
    }
}
