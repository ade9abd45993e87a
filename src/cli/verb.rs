//! Which command was typed, and the settings that its arguments give.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap_complete::Shell;

use super::args::{DiffArgs, PartsArgs};
use super::flags::{Combine as _, RulesFlags, Settings};
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
        let PartsArgs { parts, plan, flags, month, days, rules, etl_date, limits } = self;
        let settings = Settings { parts: flags, month, days, rules, etl_date, limits, ..Settings::default() };
        (Parts { inputs: parts, tasks: plan }, settings)
    }
}

impl Command {
    /// The command, and the settings that its flags give.
    pub(super) fn split(self) -> (Verb, Settings) {
        let none = Settings::default();
        match self {
            Command::Run(args) => {
                let settings = Settings {
                    source: args.source,
                    warehouse: args.warehouse,
                    audiences: args.audiences,
                    mask: args.mask,
                    render: args.render,
                    out: args.out,
                    report: args.report,
                    series: args.series,
                    signals: args.signals,
                    ..args.lake.settings().over(args.engine.settings())
                };
                (Verb::Execute(Job::Run), settings)
            }
            Command::Extract(args) => {
                let settings = Settings { source: args.source, prune: args.prune, ..args.lake.settings() };
                (Verb::Execute(Job::Extract), settings)
            }
            Command::Transform(args) => {
                let settings = Settings {
                    source: args.source,
                    out: args.out,
                    report: args.report,
                    ..args.lake.settings().over(args.engine.settings())
                };
                (Verb::Execute(Job::Transform), settings)
            }
            Command::Merge(args) => {
                let (parts, settings) = args.parts.split();
                (Verb::Execute(Job::Merge(parts)), Settings { devices: args.devices, out: args.out, ..settings })
            }
            Command::Load(args) => {
                let (parts, settings) = args.parts.split();
                let settings =
                    Settings { audiences: args.audiences, warehouse: args.warehouse, out: args.out, ..settings };
                (Verb::Execute(Job::Load(parts)), settings)
            }
            Command::Mart(args) => (
                Verb::Execute(Job::Mart),
                Settings { month: args.month, warehouse: args.warehouse, out: args.out, ..none },
            ),
            Command::Dashboard(args) => {
                let settings = Settings {
                    month: args.month,
                    warehouse: args.warehouse,
                    mask: args.mask,
                    render: args.render,
                    out: args.out,
                    ..none
                };
                (Verb::Execute(Job::Dashboard), settings)
            }
            Command::Drop(args) => {
                (Verb::Execute(Job::Drop(args.month)), Settings { warehouse: args.warehouse, out: args.out, ..none })
            }
            Command::Months(args) => {
                (Verb::Execute(Job::Months), Settings { warehouse: args.warehouse, out: args.out, ..none })
            }
            Command::Schema(args) => (Verb::Schema(args.format), none),
            Command::Diff(DiffArgs { a, b, top, list, warehouse }) => {
                (Verb::Execute(Job::Diff { sides: [a, b], top, list }), Settings { warehouse, ..none })
            }
            Command::Audience(args) => {
                let audience::AudienceArgs { ask, audiences, seed, mask } = *args;
                (Verb::Execute(Job::Audience(ask)), Settings { audiences, seed, mask, ..none })
            }
            Command::Plan(args) => {
                let size = task_size(args.split, args.tasks);
                (Verb::Execute(Job::Plan(size)), args.lake.settings())
            }
            Command::Scan(args) => {
                let settings = Settings {
                    scan: args.scan,
                    rules: args.rules,
                    etl_date: args.etl_date,
                    threads: args.threads,
                    hdfs: args.hdfs,
                    ..none
                };
                (Verb::Execute(Job::Scan { task: args.task, out: args.out }), settings)
            }
            Command::Generate(args) => {
                let settings = Settings {
                    month: args.month,
                    generate: args.generate,
                    seed: args.seed,
                    format: args.format,
                    threads: args.threads,
                    ..none
                };
                (Verb::Execute(Job::Generate(args.folder)), settings)
            }
            Command::Bench(args) => {
                let settings = Settings {
                    bench: args.bench,
                    source: args.source,
                    rules: args.rules,
                    threads: args.threads,
                    ..args.lake.settings()
                };
                (Verb::Execute(Job::Bench), settings)
            }
            Command::Doctor(args) => {
                let settings = Settings {
                    source: args.source,
                    rules: args.rules,
                    limits: args.limits,
                    warehouse: args.warehouse,
                    out: args.out,
                    ..args.lake.settings()
                };
                (Verb::Execute(Job::Doctor), settings)
            }
            Command::Rules(args) => (
                Verb::Rules,
                Settings { rules: RulesFlags { rules: args.name, exclude_contract: args.exclude_contract }, ..none },
            ),
            Command::Config => (Verb::Config, none),
            Command::Completions(args) => (Verb::Completions(args.shell, args.folder), none),
        }
    }
}
