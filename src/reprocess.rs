//! Which months of a lake have to be made, and why: the files as they lie against the runs that stand.
//!
//! What stands is read from `etl_run` of the warehouse and nowhere else, so that two machines come to the same answer.

use std::fmt;

use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, InputFile};
use crate::lake::{DataFile, Format, Listing};
use crate::mart::months::{MartState, MonthLine, StandingRun, TableState};
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
    All,
}

/// How a month of the lake stands in the warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The warehouse does not have it.
    New,
    /// It was removed from the warehouse.
    Dropped,
    /// A run ended while it published: its tables may be of two runs.
    Torn,
    /// Its run is of an older version, which did not record what it was made from.
    InputsUnknown,
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
    pub month: Month,
    /// Its files, or [`Why::NoFiles`] or [`Why::Unlisted`].
    pub listing: Result<&'a Listing, Why>,
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
    /// The run that stood when the months were planned (0 for none), where it is asked again since.
    pub planned_over: Option<i64>,
}

impl Reprocess {
    /// What is to be done about a month.
    pub fn decide(self, subject: &Subject<'_>) -> Step {
        let reasons = subject.reasons();
        let first = reasons.first().copied().unwrap_or(Why::UpToDate);
        let acts =
            reasons.iter().map(|why| (*why, self.act(*why, subject))).find(|(_, action)| *action != Action::Leave);
        let (why, action) = acts.unwrap_or((first, Action::Leave));
        let files = subject.listing.map_or(&[][..], |listing| &listing.files);
        let n_bytes = files.iter().map(|file| file.n_bytes).sum();
        Step { month: subject.month, n_files: files.len() as u64, n_bytes, why, action }
    }

    /// What follows from one of the reasons.
    fn act(self, why: Why, subject: &Subject<'_>) -> Action {
        let stands = subject.line.is_some_and(|line| line.standing.is_some());
        match (self, why) {
            // Without files it stays as it is, but for its mart.
            (Reprocess::Failed, _) if subject.listing.err() == Some(Why::NoFiles) => Action::Leave,
            (_, Why::MartMissing) if subject.listing.err() == Some(Why::NoFiles) => Action::BuildMart,
            _ if subject.listing.err() == Some(Why::NoFiles) => Action::Leave,
            // What another machine made meanwhile is made.
            (Reprocess::All, _) if !subject.is_made_since_planned() => Action::Make,
            (Reprocess::Failed, _) if subject.has_failed() => Action::Make,
            (Reprocess::Failed, _) => Action::Leave,
            (_, Why::New | Why::Dropped | Why::Torn) => Action::Make,
            (_, Why::MartMissing) => Action::BuildMart,
            (_, Why::OutputsMissing) => Action::WriteFiles,
            (Reprocess::Missing, Why::Unlisted) if stands => Action::Leave,
            // To make a month that cannot be listed fails with the reason.
            (Reprocess::Missing, Why::Unlisted) => Action::Make,
            (Reprocess::Missing, _) | (_, Why::UpToDate) => Action::Leave,
            (Reprocess::Changed | Reprocess::All, _) => Action::Make,
        }
    }
}

impl Subject<'_> {
    /// How it stands, what matters most first: one reason does not hide the others.
    fn reasons(&self) -> Vec<Why> {
        let Some((line, run)) = self.line.and_then(|line| Some((line, line.standing.as_ref()?))) else {
            let is_dropped = self.line.is_some_and(|line| line.last_status == RunStatus::Dropped.name());
            let absent = if is_dropped { Why::Dropped } else { Why::New };
            return vec![self.listing.map_or_else(|why| why, |_| absent)];
        };
        let changed = match self.listing {
            Ok(listing) => self.what_changed(listing, run),
            Err(why) => Some(why),
        };
        let torn = (line.tables == TableState::Torn).then_some(Why::Torn);
        let mut reasons: Vec<Why> = torn.into_iter().chain(changed).collect();
        if line.mart != MartState::Current {
            reasons.push(Why::MartMissing);
        }
        // Files can be written only of what the run was made from.
        if changed.is_none() && self.outputs_of != Some(run.id) {
            reasons.push(Why::OutputsMissing);
        }
        if reasons.is_empty() {
            reasons.push(Why::UpToDate);
        }
        reasons
    }

    /// What is not as it was when the run that stands was made.
    fn what_changed(&self, listing: &Listing, run: &StandingRun) -> Option<Why> {
        let inputs = Inputs::of(listing, self.ids, self.devices);
        if run.inputs_sha256 == inputs.fingerprint() {
            return (run.rules_sha256 != self.rules_sha256).then_some(Why::RulesChanged);
        }
        if run.inputs_sha256.is_empty() {
            return Some(Why::InputsUnknown);
        }
        let readings = [Ids::Any, Ids::Unique].map(|ids| [Devices::Ignored, Devices::Counted].map(|d| (ids, d)));
        let of_same_files = |(ids, devices)| Inputs::of(listing, ids, devices).fingerprint();
        if readings.into_iter().flatten().any(|reading| run.inputs_sha256 == of_same_files(reading)) {
            return Some(Why::RulesChanged);
        }
        Some(if inputs.is_read_otherwise(&run.inputs_sha256) { Why::FormatChanged } else { Why::FilesChanged })
    }

    /// Whether its last run did not publish.
    fn has_failed(&self) -> bool {
        let is_failure = |status: &str| {
            [RunStatus::Refused, RunStatus::Failed, RunStatus::Interrupted].iter().any(|failed| failed.name() == status)
        };
        self.line.is_some_and(|line| is_failure(&line.last_status))
    }

    /// Whether a run of just these files and rules published it since the months were planned.
    fn is_made_since_planned(&self) -> bool {
        let (Some(before), Ok(listing)) = (self.planned_over, self.listing) else { return false };
        let standing = self.line.and_then(|line| line.standing.as_ref());
        standing.is_some_and(|run| run.id > before && self.what_changed(listing, run).is_none())
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
            Why::Torn => "torn",
            Why::InputsUnknown => "inputs_unknown",
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
            Why::Torn => "half published",
            Why::InputsUnknown => "inputs not recorded",
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
        Listing { month, files: vec![file], skipped: crate::lake::Skipped::default(), warnings: Vec::new() }
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
        let (standing, last_status, tables) = (Some(standing), last_status.into(), TableState::Whole);
        MonthLine { month, standing, last_run: 8, last_status, tables, mart, movement: mart }
    }

    #[test]
    fn a_month_is_judged_by_the_run_that_stands() {
        use Action::{BuildMart, Leave, Make, WriteFiles};
        let stands = line(Format::Ndjson, "published", MartState::Current);
        let gone = |status: &str| MonthLine { standing: None, last_status: status.into(), ..stands.clone() };
        let (as_json, same) = (listing(Format::Ndjson, 5), Some(7));
        // Changed, missing, failed, all; the reason is that of `changed`.
        let decided = |listing: Result<&Listing, Why>, rules, line: Option<MonthLine>, outputs_of, planned_over| {
            let (ids, devices, month) = (Ids::Any, Devices::Ignored, "2022-04".parse().unwrap());
            let line = line.as_ref();
            let subject = Subject { month, listing, rules_sha256: rules, ids, devices, line, outputs_of, planned_over };
            [Reprocess::Changed, Reprocess::Missing, Reprocess::Failed, Reprocess::All]
                .map(|policy| policy.decide(&subject))
        };
        let check = |listing: &Listing, rules, line, outputs_of, why, actions: [Action; 4]| {
            let steps = decided(Ok(listing), rules, line, outputs_of, None);
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
        check(&as_json, "r", Some(stands.clone()), None, Why::OutputsMissing, [WriteFiles, WriteFiles, Leave, Make]);
        let mut old = stands.clone();
        old.standing.as_mut().unwrap().inputs_sha256.clear();
        check(&as_json, "r", Some(old), same, Why::InputsUnknown, [Make, Leave, Leave, Make]);

        let torn = MonthLine { tables: TableState::Torn, last_status: "interrupted".into(), ..stands.clone() };
        check(&as_json, "r", Some(torn), same, Why::Torn, [Make; 4]);

        // A reason hides no other: the mart is missing whatever else changed.
        let stale = line(Format::Ndjson, "published", MartState::Missing);
        let steps = decided(Ok(&as_json), "s", Some(stale.clone()), None, None);
        assert_eq!(
            [0, 1].map(|n: usize| (steps[n].why, steps[n].action)),
            [(Why::RulesChanged, Make), (Why::MartMissing, BuildMart)]
        );
        // A month whose files cannot be listed, or are not there.
        let actions = |why, line: Option<MonthLine>| decided(Err(why), "r", line, same, None).map(|step| step.action);
        assert_eq!(actions(Why::Unlisted, None), [Make, Make, Leave, Make]);
        assert_eq!(actions(Why::Unlisted, Some(stands.clone())), [Make, Leave, Leave, Make]);
        assert_eq!(actions(Why::Unlisted, Some(stale.clone())), [Make, BuildMart, Leave, Make]);
        assert_eq!(actions(Why::Unlisted, Some(gone("failed"))), [Make; 4]);
        assert_eq!(actions(Why::NoFiles, Some(stands.clone())), [Leave; 4]);
        assert_eq!(actions(Why::NoFiles, None), [Leave; 4]);
        assert_eq!(actions(Why::NoFiles, Some(stale.clone())), [BuildMart, BuildMart, Leave, BuildMart]);
        // Another machine made it since it was planned.
        let since = |before, rules| decided(Ok(&as_json), rules, Some(stands.clone()), same, Some(before))[3].action;
        assert_eq!([since(7, "r"), since(6, "r"), since(6, "s")], [Make, Leave, Make]);
    }
}
