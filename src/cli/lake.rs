//! The data that a command line names: which files, of which month, and how they are reached.

use super::flags::{HdfsFlags, SourceFlags};
use super::plan::{LakePlan, MissingDays};
use super::resolve::{Resolver, usage};
use super::values::{FormatName, Jobs, MonthChoice};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::lake::source::hdfs::DatanodeAddress;
use crate::lake::{Caching, DayPattern, Duplicates, HdfsOptions, LakeOptions, ListOptions, Verify};

impl Resolver<'_> {
    pub(super) fn lake(&self) -> Result<LakePlan, Error> {
        self.lake_of(self.month()?)
    }

    pub(super) fn lake_of(&self, month: Option<Month>) -> Result<LakePlan, Error> {
        let inputs = self.settings.lake.lake.clone();
        if inputs.is_empty() {
            return Err(usage(
                "no LAKE is named",
                "name its folder, file, glob or URI on the command line, or as `lake` in the settings file",
            ));
        }
        let day_pattern = self.settings.naming.day_pattern.clone();
        let SourceFlags { cache, refresh, offline, verify, jobs } = &self.settings.source;
        let defaults = LakeOptions::default();
        let options = LakeOptions {
            list: ListOptions {
                month,
                format: self.settings.format.format.map(FormatName::format),
                day_pattern: day_pattern.map(|pattern| day_pattern_in(pattern, month)).transpose()?,
                duplicates: self.duplicates(),
            },
            cache: cache.clone().unwrap_or(defaults.cache),
            caching: match (refresh.unwrap_or(false), offline.unwrap_or(false)) {
                (true, true) => {
                    return Err(usage(
                        "`refresh` and `offline` contradict each other",
                        "choose one; `--refresh=no` or `--offline=no` turns off what a variable or the settings file says",
                    ));
                }
                (true, false) => Caching::Refresh,
                (false, true) => Caching::Offline,
                (false, false) => Caching::Use,
            },
            verify: if *verify == Some(true) { Verify::Yes } else { Verify::No },
            n_jobs: jobs.map_or(defaults.n_jobs, Jobs::get),
            hdfs: self.hdfs()?,
        };
        Ok(LakePlan { inputs, options, missing_days: self.missing_days() })
    }

    pub(super) fn duplicates(&self) -> Duplicates {
        if self.settings.duplicates.allow_duplicates == Some(true) { Duplicates::Allow } else { Duplicates::Refuse }
    }

    pub(super) fn month(&self) -> Result<Option<Month>, Error> {
        self.settings.month.month.map(|choice| self.chosen(choice)).transpose()
    }

    pub(super) fn chosen(&self, choice: MonthChoice) -> Result<Month, Error> {
        if matches!(choice, MonthChoice::Between(..) | MonthChoice::All) {
            return Err(usage("--month is several months", "name one, YYYY-MM; only `viewmart run` takes several"));
        }
        let month = choice.resolve(self.etl_date());
        month.ok_or_else(|| usage("there is no month before that of --etl-date", "name one with --month"))
    }

    pub(super) fn missing_days(&self) -> MissingDays {
        if self.settings.days.require_all_days == Some(true) { MissingDays::Refuse } else { MissingDays::Report }
    }

    pub(super) fn hdfs(&self) -> Result<HdfsOptions, Error> {
        let HdfsFlags { hadoop_conf, hdfs_opt, hdfs_user, keytab, principal, datanode_hostname } =
            self.settings.hdfs.clone();
        if keytab.is_some() && principal.is_none() {
            return Err(usage("a `keytab` needs a principal", "name the account in it with --principal"));
        }
        Ok(HdfsOptions {
            conf_dir: hadoop_conf,
            overrides: hdfs_opt,
            user: hdfs_user,
            datanodes: match datanode_hostname {
                Some(true) => DatanodeAddress::Hostname,
                _ => DatanodeAddress::AsConfigured,
            },
            keytab,
            principal,
        })
    }
}

/// The pattern, which takes the month from --month where it does not say it.
fn day_pattern_in(pattern: DayPattern, month: Option<Month>) -> Result<DayPattern, Error> {
    let text = pattern.to_string();
    pattern.in_month(month).ok_or_else(|| {
        usage(format!("the `day_pattern` `{text}` says no month"), "name the month with --month YYYY-MM")
    })
}
