//! Settings from every place to a plan.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use clap::{CommandFactory as _, Parser as _};
use jiff::civil::{Date, date};

use super::plan::{Messages, Plan, Task, TransformPlan};
use super::*;
use crate::lake::source::hdfs::DatanodeAddress;
use crate::lake::{Caching, Verify};

/// The plan of a command line, of variables and of the text of a settings file.
fn plan_of(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Result<Plan, String> {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, file).unwrap();
    let words = ["viewmart"].iter().chain(arguments).map(OsString::from);
    let words = words.chain(["--config".into(), path.into_os_string()]);
    let variables = Variables::from_iter(variables.iter().copied());
    let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
    match resolve(cli, &variables, date(2022, 5, 3)).map_err(|refused| refused.error.to_string())?.request {
        Request::Execute(plan) => Ok(*plan),
        other => panic!("{other:?}"),
    }
}

fn transform(arguments: &[&str], variables: &[(&str, &str)], file: &str) -> Result<TransformPlan, String> {
    let arguments: Vec<&str> = ["transform", "lake"].iter().chain(arguments).copied().collect();
    match plan_of(&arguments, variables, file)?.task {
        Task::Transform(plan) => Ok(*plan),
        other => panic!("{other:?}"),
    }
}

#[test]
fn flags_beat_variables_beat_the_file_beats_defaults() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], file: &str, expected: (usize, f64, &str)| {
        let plan = transform(arguments, variables, file).unwrap().engine;
        assert_eq!((plan.threads.get(), plan.limits.max_reject_ratio, plan.rules.name.as_str()), expected);
    };
    let n_processors = Threads::all().get();
    check(&[], &[], "", (n_processors, 0.05, "default"));
    check(&[], &[], "threads = 7\nmax_reject_ratio = 0\nrules = 'seed'", (7, 0.0, "seed"));
    check(&[], &[("VIEWMART_THREADS", "5")], "threads = 7", (5, 0.05, "default"));
    check(&["--threads", "3"], &[("VIEWMART_THREADS", "5")], "threads = 7", (3, 0.05, "default"));
    check(&[], &[("VIEWMART_THREADS", "")], "threads = 7", (7, 0.05, "default"));
    check(
        &["--max-reject-ratio=1", "--rules=default"],
        &[],
        "rules = 'seed'\nmax_reject_ratio = 0.5",
        (n_processors, 1.0, "default"),
    );
}

#[test]
fn contracts_are_excluded_by_flag_variable_and_file() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], file: &str, expected: &[&str]| {
        let rules = transform(arguments, variables, file).unwrap().engine.rules;
        assert_eq!(rules.record.exclude_contracts, expected);
        let base = crate::engine::rules::Rules::preset("default").unwrap();
        assert_eq!(rules.sha256 == base.sha256, expected.is_empty());
    };
    check(&[], &[], "", &[]);
    check(&["--exclude-contract=0", "--exclude-contract", "HN 1"], &[], "exclude_contract = ['9']", &["0", "HN 1"]);
    check(&[], &[("VIEWMART_EXCLUDE_CONTRACT", "0")], "exclude_contract = ['9']", &["0"]);
    check(&[], &[], "exclude_contract = ['9', '0']", &["0", "9"]);
}

#[test]
fn the_same_values_are_refused_wherever_they_stand() {
    let check = |key: &str, value: &str, part: &str| {
        let flag = format!("--{}={value}", key.replace('_', "-"));
        let variable = format!("VIEWMART_{}", key.to_ascii_uppercase());
        let file = format!("{key} = '{value}'");
        for (place, found) in [
            ("flag", transform(&[&flag], &[], "")),
            ("variable", transform(&[], &[(&variable, value)], "")),
            ("file", transform(&[], &[], &file)),
        ] {
            let error = found.map(drop).unwrap_err();
            assert!(error.contains(part), "{place}: {error}");
            if place == "variable" {
                assert!(error.starts_with(&variable), "{error}");
            }
        }
    };
    check("threads", "0", "not a number from 1 to 1024");
    check("jobs", "0", "not a number from 1 to 16");
    check("jobs", "17", "not a number from 1 to 16");
    check("max_reject_ratio", "2", "not a fraction from 0 to 1");
    check("month", "April", "YYYY-MM");
    check("etl_date", "2022-02-30", "2022-02-30");
    check("format", "parquet", "ndjson");
    check("verify", "often", "not one of true, false, yes, no, 1, 0");
    check("hdfs_opt", "key", "not KEY=VALUE");
    check("max_rejects_kept", "many", "many");
}

#[test]
fn months_and_dates_as_toml_writes_them() {
    let check = |file: &str, month: &str, etl_date: Date| {
        let plan = transform(&[], &[], file).unwrap();
        assert_eq!(plan.lake.options.list.month.unwrap().to_string(), month, "{file}");
        assert_eq!(plan.engine.etl_date, etl_date, "{file}");
    };
    check("month = '2022-04'\netl_date = '2022-05-01'", "2022-04", date(2022, 5, 1));
    check("month = 2022-04-01\netl_date = 2022-05-01", "2022-04", date(2022, 5, 1));
    check("month = 'last'", "2022-04", date(2022, 5, 3));
    check("month = 'this'\netl_date = 2022-01-31", "2022-01", date(2022, 1, 31));
    check("month = 'last'\netl_date = 2022-01-31", "2021-12", date(2022, 1, 31));
}

#[test]
fn a_switch_can_be_turned_on_and_off_in_every_place() {
    let check = |argument: &str, variable: &str, file: &str, expected: Messages| {
        let arguments: Vec<&str> = ["mart", argument].into_iter().filter(|word| !word.is_empty()).collect();
        let plan = plan_of(&arguments, &[("VIEWMART_QUIET", variable)], file).unwrap();
        assert_eq!(plan.console.messages, expected, "{argument} {variable} {file}");
    };
    check("", "", "", Messages::Shown);
    check("--quiet", "", "", Messages::Quiet);
    check("-q", "", "", Messages::Quiet);
    check("", "1", "", Messages::Quiet);
    check("", "YES", "", Messages::Quiet);
    check("", "TRUE", "", Messages::Quiet);
    check("", "0", "quiet = true", Messages::Shown);
    check("", "", "quiet = true", Messages::Quiet);
    check("", "", "quiet = 1", Messages::Quiet);
    check("--quiet=no", "1", "quiet = 'yes'", Messages::Shown);
}

#[test]
fn settings_of_a_remote_lake_add_up_and_contradictions_are_refused() {
    let options = |arguments: &[&str], variables: &[(&str, &str)], file: &str| {
        transform(arguments, variables, file).map(|plan| plan.lake.options)
    };
    let hdfs = options(&["--keytab", "k"], &[], "principal = 'etl@REALM'").unwrap().hdfs;
    assert_eq!((hdfs.keytab, hdfs.principal.as_deref()), (Some("k".into()), Some("etl@REALM")));
    assert!(options(&["--keytab", "k"], &[], "").unwrap_err().contains("needs a principal"));

    let file = "hdfs_opt = { 'a.b' = 1, c = 'x,y' }\ndatanode_hostname = true";
    let hdfs = options(&["--hdfs-opt", "c=3"], &[("VIEWMART_HDFS_OPT", "c=2 d=4")], file).unwrap().hdfs;
    let pairs: Vec<String> = hdfs.overrides.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(pairs, ["a.b=1", "c=x,y", "c=2", "d=4", "c=3"]);
    assert_eq!(hdfs.datanodes, DatanodeAddress::Hostname);

    assert_eq!(options(&[], &[("VIEWMART_OFFLINE", "1")], "").unwrap().caching, Caching::Offline);
    assert_eq!(options(&[], &[], "refresh = true").unwrap().caching, Caching::Refresh);
    assert_eq!(options(&["--refresh"], &[], "offline = false").unwrap().caching, Caching::Refresh);
    assert!(options(&["--refresh"], &[], "offline = true").unwrap_err().contains("contradict"));
    assert_eq!(options(&[], &[], "verify = 'yes'").unwrap().verify, Verify::Yes);
}

#[test]
fn the_lake_may_stand_in_the_settings_file() {
    let inputs = |arguments: &[&str], file: &str| match plan_of(arguments, &[], file)?.task {
        Task::Extract(plan) => Ok::<_, String>(plan.lake.inputs),
        Task::Doctor(plan) => Ok(plan.lake.map_or_else(Vec::new, |lake| lake.inputs)),
        other => panic!("{other:?}"),
    };
    let check = |arguments: &[&str], file: &str, expected: &[&str]| {
        assert_eq!(inputs(arguments, file).unwrap(), expected, "{arguments:?} {file}");
    };
    check(&["extract", "a", "b"], "lake = '/c'", &["a", "b"]);
    check(&["extract"], "lake = ['/a', 'hdfs:///b']", &["/a", "hdfs:///b"]);
    check(&["doctor"], "lake = '/a'", &["/a"]);
    check(&["doctor"], "", &[]);
    assert!(inputs(&["extract"], "").unwrap_err().contains("no LAKE"));
}

#[test]
fn generate_takes_every_place() {
    let check = |arguments: &[&str], variables: &[(&str, &str)], file: &str, expected: (&str, u64, usize)| {
        let arguments: Vec<&str> = ["generate", "out"].iter().chain(arguments).copied().collect();
        let Task::Generate(options) = plan_of(&arguments, variables, file).unwrap().task else { panic!() };
        let found = (options.month.to_string(), options.seed, options.n_threads);
        assert_eq!((found.0.as_str(), found.1, found.2), expected, "{arguments:?} {file}");
    };
    let n = std::thread::available_parallelism().unwrap().get();
    check(&[], &[], "", ("2022-04", 1, n));
    check(&[], &[("VIEWMART_MONTH", "2023-01")], "threads = 3\nseed = 9", ("2023-01", 9, 3));
    check(&["--seed=2", "-m", "2024-02"], &[("VIEWMART_MONTH", "2023-01")], "seed = 9", ("2024-02", 2, n));
}

#[test]
fn an_empty_password_is_none() {
    let has_password = |value: &str| {
        let plan = plan_of(&["mart"], &[("VIEWMART_MYSQL_PASSWORD", value)], "").unwrap();
        let Task::Mart(plan) = plan.task else { panic!() };
        plan.warehouse.options.mysql.password.is_some()
    };
    assert!(!has_password(""));
    assert!(has_password("x"));
}

#[test]
fn an_output_folder_that_is_no_text_is_refused() {
    let name = OsStr::from_bytes(b"a\xff").to_owned();
    for command in ["run", "transform", "mart", "dashboard", "doctor"] {
        let words = ["viewmart".into(), command.into(), "-o".into(), name.clone()];
        let lake = matches!(command, "run" | "transform").then(|| OsString::from("lake"));
        let cli = Cli::try_parse_from(words.into_iter().chain(lake)).unwrap();
        let error = resolve(cli, &Variables::default(), date(2022, 5, 3)).unwrap_err().error;
        assert!(error.to_string().contains("not UTF-8"), "{command}: {error}");
    }
}

#[test]
fn the_key_of_pseudonyms_is_not_shown_and_not_made() {
    let plan = plan_of(&["dashboard", "--mask-contracts"], &[("VIEWMART_MASK_KEY", "hunter2")], "").unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
    let file = "mask_contracts = true\nmask_key_file = 'key'";
    let Task::Dashboard(plan) = plan_of(&["dashboard"], &[], file).unwrap().task else { panic!() };
    let key = plan.render.mask.unwrap();
    assert!(key.variable.is_none() && key.file.ends_with("key") && !key.file.exists());
}

#[test]
fn the_grammar_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_a_variable_and_a_key_or_a_reason() {
    let grammar = places::Grammar::new();
    let keys: BTreeSet<&str> = grammar.keys().collect();
    let mut command = Cli::command();
    command.build();
    let mut used = BTreeSet::new();
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        for argument in subcommand.get_arguments() {
            let name = argument.get_id().as_str();
            used.insert(name.to_owned());
            let is_setting = keys.contains(name) || places::lacks(name, places::Missing::Key);
            let is_exempt = argument.is_positional() || matches!(name, "help" | "version");
            assert!(is_setting || is_exempt, "{} --{name} has no key", subcommand.get_name());
        }
    }
    for key in keys {
        assert!(used.contains(key), "no command takes {key}");
    }
    for (name, _, reason) in places::EXCEPTIONS {
        assert!(used.contains(name) && !reason.is_empty(), "{name} is no flag");
    }
}

/// The settings file of the README, its settings no longer commented out.
fn settings_of_the_readme() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, block) = readme.split_once("```toml settings\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let lines = block.lines().map(|line| if is_setting(line) { &line[1..] } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_readme_has_the_whole_settings_file() {
    let text = settings_of_the_readme();
    let grammar = places::Grammar::new();
    let table: toml::Table = text.parse().unwrap();
    let keys: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(keys, grammar.keys().collect());
    for (key, value) in &table {
        let value = match value {
            toml::Value::Boolean(false) => "no".to_owned(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            _ => continue,
        };
        // Some numbers are examples: what they stand for without them is no number.
        if let Some(default) =
            grammar.default_of(key).filter(|default| default == "no" || default.parse::<f64>().is_ok())
        {
            assert_eq!(value, default, "{key}");
        }
    }
    assert_eq!(plan_of(&["transform"], &[], &text).map(drop), Ok(()));
    assert_eq!(plan_of(&["generate", "lake"], &[], &text.replace("month = \"last\"", "")).map(drop), Ok(()));
}
