//! Which command was typed, and the settings that its arguments give.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap_complete::Shell;

use super::args::{DiffArgs, DropArgs, GenerateArgs, LoadArgs, MergeArgs, PartsArgs, PlanArgs, ScanArgs};
use super::audience::AudienceArgs;
use super::flags::{LimitFlags, RulesFlags, Settings};
use super::schema::SchemaFormat;
use super::values::{ByteSize, MonthChoice, Threads};
use super::{Command, audience};
use crate::lake::task::TaskSize;

/// Tasks of a plan for each processor of this machine: enough that none waits long for the last one.
const TASKS_PER_PROCESSOR: u64 = 3;

fn task_size(split: Option<ByteSize>, tasks: Option<NonZeroU32>) -> TaskSize {
    match (split, tasks) {
        (Some(size), _) => TaskSize::Bytes(size.get()),
        (None, Some(n_tasks)) => TaskSize::Tasks(u64::from(n_tasks.get())),
        (None, None) => TaskSize::Tasks(TASKS_PER_PROCESSOR * Threads::all().get() as u64),
    }
}

/// Which command it is, with the arguments that are no settings.
pub(super) enum Verb {
    Execute(Job),
    Rules,
    Config,
    Schema(SchemaFormat),
    Completions(Shell, Option<PathBuf>),
}

/// Which command the pipeline is to carry out.
pub(super) enum Job {
    Run,
    Extract,
    Transform,
    Merge(Parts),
    Load(Parts),
    Mart,
    Dashboard,
    Drop(MonthChoice),
    Months,
    Diff { sides: [String; 2], top: Option<usize>, list: Option<PathBuf> },
    Audience(audience::Ask),
    Plan(TaskSize),
    Scan { task: String, out: PathBuf },
    Generate(PathBuf),
    Bench,
    Doctor,
}

/// Month files as they were typed.
pub(super) struct Parts {
    pub(super) inputs: Vec<PathBuf>,
    pub(super) tasks: Option<PathBuf>,
}

impl PartsArgs {
    /// The files, and the settings that their flags give.
    fn split(self) -> (Parts, Settings) {
        let PartsArgs { parts, plan, flags, month, days, duplicates, rules, etl_date, limits } = self;
        let settings =
            Settings { parts: flags, month, days, duplicates, rules, etl_date, limits, ..Settings::default() };
        (Parts { inputs: parts, tasks: plan }, settings)
    }
}

impl MergeArgs {
    fn split(self) -> (Job, Settings) {
        let (parts, settings) = self.parts.split();
        (Job::Merge(parts), Settings { devices: self.devices, out: self.out, ..settings })
    }
}

impl LoadArgs {
    fn split(self) -> (Job, Settings) {
        let LoadArgs { parts, audiences, warehouse, out } = self;
        let (parts, settings) = parts.split();
        (Job::Load(parts), Settings { audiences, warehouse, out, ..settings })
    }
}

impl DropArgs {
    fn split(self) -> (Job, Settings) {
        let DropArgs { month, warehouse, out } = self;
        (Job::Drop(month), Settings { warehouse, out, ..Settings::default() })
    }
}

impl DiffArgs {
    fn split(self) -> (Job, Settings) {
        let DiffArgs { a, b, top, list, warehouse } = self;
        (Job::Diff { sides: [a, b], top, list }, Settings { warehouse, ..Settings::default() })
    }
}

impl AudienceArgs {
    fn split(self) -> (Job, Settings) {
        let AudienceArgs { ask, audiences, seed, mask } = self;
        (Job::Audience(ask), Settings { audiences, seed, mask, ..Settings::default() })
    }
}

impl PlanArgs {
    fn split(self) -> (Job, Settings) {
        let PlanArgs { split, tasks, deny_warnings, lake, etl_date } = self;
        let limits = LimitFlags { deny_warnings, ..LimitFlags::default() };
        (Job::Plan(task_size(split, tasks)), Settings { limits, etl_date, ..lake.settings() })
    }
}

impl ScanArgs {
    fn split(self) -> (Job, Settings) {
        let ScanArgs { task, out, scan, rules, etl_date, threads, hdfs } = self;
        (Job::Scan { task, out }, Settings { scan, rules, etl_date, threads, hdfs, ..Settings::default() })
    }
}

impl GenerateArgs {
    fn split(self) -> (Job, Settings) {
        let GenerateArgs { folder, month, generate, seed, format, threads } = self;
        (Job::Generate(folder), Settings { month, generate, seed, format, threads, ..Settings::default() })
    }
}

impl Command {
    /// The command, and the settings that its flags give.
    pub(super) fn split(self) -> (Verb, Settings) {
        let none = Settings::default();
        let (job, settings) = match self {
            Command::Schema(args) => return (Verb::Schema(args.format), none),
            Command::Config => return (Verb::Config, none),
            Command::Completions(args) => return (Verb::Completions(args.shell, args.folder), none),
            Command::Rules(args) => {
                let rules = RulesFlags { rules: args.name, exclude_contract: args.exclude_contract };
                return (Verb::Rules, Settings { rules, ..none });
            }
            Command::Run(args) => (Job::Run, args.settings()),
            Command::Extract(args) => (Job::Extract, args.settings()),
            Command::Transform(args) => (Job::Transform, args.settings()),
            Command::Merge(args) => args.split(),
            Command::Load(args) => args.split(),
            Command::Mart(args) => (Job::Mart, args.settings()),
            Command::Dashboard(args) => (Job::Dashboard, args.settings()),
            Command::Drop(args) => args.split(),
            Command::Months(args) => (Job::Months, args.settings()),
            Command::Diff(args) => args.split(),
            Command::Audience(args) => args.split(),
            Command::Plan(args) => args.split(),
            Command::Scan(args) => args.split(),
            Command::Generate(args) => args.split(),
            Command::Bench(args) => (Job::Bench, args.settings()),
            Command::Doctor(args) => (Job::Doctor, args.settings()),
        };
        (Verb::Execute(job), settings)
    }
}
