//! Whatever a settings file, an option file of MySQL's clients or a Hadoop configuration holds, it is read or refused
//! with a reason.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use clap::Parser as _;
use jiff::civil::Date;
use libfuzzer_sys::fuzz_target;
use viewmart::cli::{self, Cli, Variables};
use viewmart::lake::source::hdfs::conf::HadoopConf;
use viewmart::warehouse::mysql::OptionFile;

mod folder;
use folder::Folder;

static FOLDER: LazyLock<Folder> = LazyLock::new(|| Folder::new("configuration"));

/// A message, and no more than a screen of it beyond what it quotes.
fn assert_told(error: &impl ToString, text: &[u8]) {
    let error = error.to_string();
    assert!(!error.is_empty() && error.len() < 10_000 + 8 * text.len(), "{error}");
}

fn check_settings(text: &[u8]) {
    fs::write(FOLDER.path("viewmart.toml"), text).expect(folder::IS_THERE);
    let file = FOLDER.path("viewmart.toml");
    let words = ["viewmart".into(), "config".into(), "--config".into(), file.into_os_string()];
    let cli = Cli::try_parse_from(words).expect("a command");
    if let Err(refused) = cli::resolve(cli, &Variables::default(), Date::constant(2022, 5, 1)) {
        assert_told(&refused.error, text);
    }
}

fn check_option_file(text: &[u8]) {
    fs::write(FOLDER.path("my.cnf"), text).expect(folder::IS_THERE);
    if let Err(error) = OptionFile::At(FOLDER.path("my.cnf")).read() {
        assert_told(&error, text);
    }
}

fn check_hadoop(text: &[u8]) {
    fs::write(FOLDER.path("core-site.xml"), text).expect(folder::IS_THERE);
    match HadoopConf::load(Some(&FOLDER.path(""))) {
        Ok(conf) => conf.iter().for_each(|(key, value)| assert_eq!(conf.get(key).as_ref(), Some(&value))),
        Err(error) => assert_told(&error, text),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, text @ ..] = bytes else { return };
    // Some files of a machine have no end.
    if text.windows(4).any(|window| window == b"/dev" || window == b"/pro") {
        return;
    }
    match kind {
        b's' => check_settings(text),
        b'o' => check_option_file(text),
        _ => check_hadoop(text),
    }
});
