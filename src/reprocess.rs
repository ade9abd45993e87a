//! Which months of a lake have to be made, and why: the files as they lie against the runs that stand.
//!
//! What stands is read from `etl_run` of the warehouse and nowhere else, so that two machines come to the same answer.

use std::fmt;

use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, InputFile};
use crate::lake::{DataFile, Format, Listing};
use crate::mart::months::{MartState, MonthLine};
use crate::warehouse::{RunStatus, fingerprint};

/// Which months are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reprocess {
    /// Those that are new or changed; of others what is missing.
    Changed,
    /// What is missing: months, marts, output files.
    Missing,
    /// Those whose last run did not publish.
    Failed,
    /// All.
    All,
}

/// How a month of the lake stands in the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The warehouse does not have it.
    New,
    /// It was removed from the warehouse.
    Dropped,
    /// Its files are not those that the run was made from.
    FilesChanged,
    /// Its files are the same, and are read in another format.
    FormatChanged,
    /// Its rules, or whether records with the same id count once or devices are counted, are not those of the run.
    RulesChanged,
    /// The mart was not made from the run.
    MartMissing,
    /// The output folder does not have the files of the run.
    OutputsMissing,
    /// Nothing changed.
    UpToDate,
    /// The lake has no file of it.
    NoFiles,
    /// Its files cannot be listed.
    Unlisted,
}

/// What is done about a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is made from its files.
    Make,
    /// Its mart is made from the run that stands.
    BuildMart,
    /// Its files are written, and nothing is published.
    WriteFiles,
    /// Nothing.
    Leave,
}

/// A line of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The month.
    pub month: Month,
    /// Its data files.
    pub n_files: u64,
    /// Their size as stored.
    pub n_bytes: u64,
    /// How it stands.
    pub why: Why,
    /// What is done about it.
    pub action: Action,
}

/// A month and what is known of it.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its files.
    pub listing: &'a Listing,
    /// Hash of the rules in force.
    pub rules_sha256: &'a str,
    /// What becomes of records with the same id.
    pub ids: Ids,
    /// Whether devices are counted.
    pub devices: Devices,
    /// What the warehouse says of it, where any run of it is recorded.
    pub line: Option<&'a MonthLine>,
    /// The run that the files of the output folder are of, where they are there.
    pub outputs_of: Option<i64>,
}

impl Reprocess {
    /// What is to be done about a month.
    pub fn decide(self, subject: &Subject<'_>) -> Step {
        let why = subject.why();
        let has_failed = subject.line.is_some_and(|line| {
            [RunStatus::Refused, RunStatus::Failed, RunStatus::Interrupted].iter().any(|s| s.name() == line.last_status)
        });
        let action = match (self, why) {
            (Reprocess::All, _) => Action::Make,
            (Reprocess::Failed, _) if has_failed => Action::Make,
            (Reprocess::Failed, _) => Action::Leave,
            (Reprocess::Missing | Reprocess::Changed, Why::New | Why::Dropped) => Action::Make,
            (Reprocess::Changed, Why::FilesChanged | Why::FormatChanged | Why::RulesChanged) => Action::Make,
            (_, Why::MartMissing) => Action::BuildMart,
            (_, Why::OutputsMissing) => Action::WriteFiles,
            _ => Action::Leave,
        };
        let files = &subject.listing.files;
        Step {
            month: subject.listing.month,
            n_files: files.len() as u64,
            n_bytes: files.iter().map(|file| file.n_bytes).sum(),
            why,
            action,
        }
    }
}

impl Subject<'_> {
    fn why(&self) -> Why {
        let Some(line) = self.line else { return Why::New };
        let Some(run) = &line.standing else {
            return if line.last_status == RunStatus::Dropped.name() { Why::Dropped } else { Why::New };
        };
        let inputs = Inputs::of(self.listing, self.ids, self.devices);
        if run.inputs_sha256 != inputs.fingerprint() {
            let readings = [Ids::Any, Ids::Unique].map(|ids| [Devices::Ignored, Devices::Counted].map(|d| (ids, d)));
            let of_same_files = |(ids, devices)| Inputs::of(self.listing, ids, devices).fingerprint();
            if readings.into_iter().flatten().any(|reading| run.inputs_sha256 == of_same_files(reading)) {
                return Why::RulesChanged;
            }
            return match inputs.is_read_otherwise(&run.inputs_sha256) {
                true => Why::FormatChanged,
                false => Why::FilesChanged,
            };
        }
        if run.rules_sha256 != self.rules_sha256 {
            Why::RulesChanged
        } else if line.mart != MartState::Current {
            Why::MartMissing
        } else if self.outputs_of != Some(run.id) {
            Why::OutputsMissing
        } else {
            Why::UpToDate
        }
    }
}

/// The files of a month with their canonical names, in the order of the ledger.
struct Inputs<'a> {
    files: Vec<(&'a DataFile, InputFile)>,
    devices: Devices,
}

impl<'a> Inputs<'a> {
    fn of(listing: &'a Listing, ids: Ids, devices: Devices) -> Inputs<'a> {
        let input = |file: &'a DataFile| (file, InputFile { ids, ..file.input_file(file.canonical_uri()) });
        let mut files: Vec<_> = listing.files.iter().map(input).collect();
        files.sort_by(|(_, a), (_, b)| a.order().cmp(&b.order()));
        Inputs { files, devices }
    }

    fn fingerprint(&self) -> String {
        fingerprint(self.files.iter().map(|(_, input)| input), self.devices)
    }

    /// Whether the run with this fingerprint read the same files in another format.
    fn is_read_otherwise(&self, sha256: &str) -> bool {
        let by_name = |(_, input): &(&DataFile, InputFile)| InputFile { facts: Default::default(), ..input.clone() };
        let all_as = |format: Format| {
            let as_format = |(file, input): &(&DataFile, InputFile)| {
                let otherwise = DataFile { format, ..(*file).clone() }.input_file(input.uri.clone());
                InputFile { ids: input.ids, ..otherwise }
            };
            self.files.iter().map(as_format).collect::<Vec<InputFile>>()
        };
        let mut readings = Format::ALL.map(all_as).into_iter().chain([self.files.iter().map(by_name).collect()]);
        readings.any(|inputs| fingerprint(&inputs, self.devices) == sha256)
    }
}

impl Why {
    /// The word for it, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Why::New => "new",
            Why::Dropped => "dropped",
            Why::FilesChanged => "files_changed",
            Why::FormatChanged => "format_changed",
            Why::RulesChanged => "rules_changed",
            Why::MartMissing => "mart_missing",
            Why::OutputsMissing => "outputs_missing",
            Why::UpToDate => "up_to_date",
            Why::NoFiles => "no_files",
            Why::Unlisted => "unlisted",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::New => "new",
            Why::Dropped => "removed before",
            Why::FilesChanged => "files changed",
            Why::FormatChanged => "format changed",
            Why::RulesChanged => "rules changed",
            Why::MartMissing => "mart missing",
            Why::OutputsMissing => "output files missing",
            Why::UpToDate => "up to date",
            Why::NoFiles => "no files in the lake",
            Why::Unlisted => "files cannot be listed",
        })
    }
}

impl Action {
    /// The word for it, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Action::Make => "make",
            Action::BuildMart => "build_mart",
            Action::WriteFiles => "write_files",
            Action::Leave => "leave",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Make => "make",
            Action::BuildMart => "build the mart",
            Action::WriteFiles => "write the files",
            Action::Leave => "leave",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::calendar::Day;
    use crate::lake::Compression;
    use crate::mart::months::StandingRun;

    fn listing(format: Format, modified_ms: i64) -> Listing {
        let file = DataFile {
            uri: "hdfs://n/20220401.json".into(),
            path: "20220401.json".into(),
            day: Day::new(1).unwrap(),
            n_bytes: 9,
            modified_ms,
            local_modified_ms: modified_ms,
            format,
            compression: Compression::None,
        };
        let month = "2022-04".parse().unwrap();
        Listing { month, files: vec![file], n_skipped: 0, warnings: Vec::new() }
    }

    /// A run of rules `r`, of a file of time 5 in `format`.
    fn line(format: Format, last_status: &str, mart: MartState) -> MonthLine {
        let standing = StandingRun {
            id: 7,
            rules: "mine".into(),
            customers: 1,
            seconds: 1,
            warnings: 0,
            rules_sha256: "r".into(),
            inputs_sha256: Inputs::of(&listing(format, 5), Ids::Any, Devices::Ignored).fingerprint(),
        };
        let month = "2022-04".parse().unwrap();
        MonthLine { month, standing: Some(standing), last_run: 8, last_status: last_status.into(), mart }
    }

    #[test]
    fn a_month_is_judged_by_the_run_that_stands() {
        use Action::{BuildMart, Leave, Make, WriteFiles};
        let stands = line(Format::Ndjson, "published", MartState::Current);
        let gone = |status: &str| MonthLine { standing: None, last_status: status.into(), ..stands.clone() };
        let (as_json, same) = (listing(Format::Ndjson, 5), Some(7));
        // Changed, missing, failed, all.
        let check = |listing: &Listing, rules, line: Option<MonthLine>, outputs_of, why, actions: [Action; 4]| {
            let (ids, devices) = (Ids::Any, Devices::Ignored);
            let subject = Subject { listing, rules_sha256: rules, ids, devices, line: line.as_ref(), outputs_of };
            let policies = [Reprocess::Changed, Reprocess::Missing, Reprocess::Failed, Reprocess::All];
            let steps = policies.map(|policy| policy.decide(&subject));
            assert_eq!((steps[0].why, steps.map(|step| step.action)), (why, actions), "{why}");
        };
        check(&as_json, "r", None, None, Why::New, [Make, Make, Leave, Make]);
        check(&as_json, "r", Some(gone("refused")), None, Why::New, [Make, Make, Make, Make]);
        check(&as_json, "r", Some(gone("dropped")), None, Why::Dropped, [Make, Make, Leave, Make]);
        check(&as_json, "r", Some(stands.clone()), same, Why::UpToDate, [Leave, Leave, Leave, Make]);
        check(&as_json, "s", Some(stands.clone()), same, Why::RulesChanged, [Make, Leave, Leave, Make]);
        let later = listing(Format::Ndjson, 6);
        check(&later, "r", Some(stands.clone()), same, Why::FilesChanged, [Make, Leave, Leave, Make]);
        let as_csv = listing(Format::Csv, 5);
        check(&as_csv, "r", Some(stands.clone()), same, Why::FormatChanged, [Make, Leave, Leave, Make]);
        let of_csv = line(Format::Csv, "failed", MartState::Current);
        check(&as_json, "r", Some(of_csv.clone()), same, Why::FormatChanged, [Make, Leave, Make, Make]);
        check(&as_csv, "r", Some(of_csv), same, Why::UpToDate, [Leave, Leave, Make, Make]);
        let stale = line(Format::Ndjson, "published", MartState::Stale);
        check(&as_json, "r", Some(stale), same, Why::MartMissing, [BuildMart, BuildMart, Leave, Make]);
        check(&as_json, "r", Some(stands.clone()), Some(6), Why::OutputsMissing, [WriteFiles, WriteFiles, Leave, Make]);
        check(&as_json, "r", Some(stands), None, Why::OutputsMissing, [WriteFiles, WriteFiles, Leave, Make]);
    }
}
