//! The task list of `viewmart plan`, and whether parts are exactly what it asks for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::MonthFileError;
use crate::engine::calendar::Month;
use crate::engine::ledger::{FileLedger, InputFile, LedgerDetail};

/// Tasks that together are a lake.
#[derive(Clone, Debug)]
pub struct TaskList {
    path: PathBuf,
    /// By file; of each the ranges in order.
    files: BTreeMap<String, PlannedFile>,
    warnings: BTreeMap<String, Vec<String>>,
}

/// What the tasks read of one file.
#[derive(Clone, Debug)]
struct PlannedFile {
    n_bytes: u64,
    tag: String,
    day: Date,
    ranges: Vec<PlannedRange>,
}

#[derive(Clone, Debug)]
struct PlannedRange {
    task: u64,
    bytes: Range<u64>,
}

/// Some bytes of a file, and the task that reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskBytes {
    pub task: u64,
    /// The file, by its one name.
    pub uri: String,
    pub bytes: Range<u64>,
    /// Size of the file.
    pub file_bytes: u64,
    /// Which version of the file it is.
    pub tag: String,
    /// The day of its records.
    pub day: Date,
}

/// What becomes of parts that are not all of what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapPolicy {
    /// They are refused.
    Refuse,
    /// They are taken as they are.
    Accept,
}

impl TaskList {
    /// The list in the file `path`, with these bytes to read.
    ///
    /// # Errors
    /// [`MonthFileError::TaskList`], where they contradict each other.
    pub fn new(path: &Path, bytes: impl IntoIterator<Item = TaskBytes>) -> Result<TaskList, MonthFileError> {
        let flaw = |why: String| MonthFileError::TaskList { plan: path.to_owned(), why };
        let mut files: BTreeMap<String, PlannedFile> = BTreeMap::new();
        for TaskBytes { task, uri, bytes, file_bytes: n_bytes, tag, day } in bytes {
            let file = files.entry(uri.clone());
            let file = file.or_insert_with(|| PlannedFile { n_bytes, tag: tag.clone(), day, ranges: Vec::new() });
            if (file.n_bytes, &file.tag, file.day) != (n_bytes, &tag, day) {
                return Err(flaw(format!("task {task}: {uri} has another size, tag or day than before")));
            }
            file.ranges.push(PlannedRange { task, bytes });
        }
        for (uri, file) in &mut files {
            file.ranges.sort_by_key(|range| (range.bytes.start, range.bytes.end));
            for pair in file.ranges.windows(2) {
                if pair[1].bytes.start < pair[0].bytes.end {
                    return Err(flaw(format!("tasks {} and {} share bytes of {uri}", pair[0].task, pair[1].task)));
                }
            }
        }
        Ok(TaskList { path: path.to_owned(), files, warnings: BTreeMap::new() })
    }

    /// With what was odd about the lake when it was cut, by kind.
    #[must_use]
    pub fn with_warnings(self, warnings: BTreeMap<String, Vec<String>>) -> TaskList {
        TaskList { warnings, ..self }
    }

    /// What was odd about the lake when it was cut, by kind.
    pub fn warnings(&self) -> &BTreeMap<String, Vec<String>> {
        &self.warnings
    }

    /// Whether `ledger`, of `month`, holds exactly the tasks; with [`GapPolicy::Accept`] some may be missing.
    ///
    /// # Errors
    /// [`MonthFileError::NotAsPlanned`].
    pub(super) fn check(&self, month: Month, ledger: &LedgerDetail, gaps: GapPolicy) -> Result<(), MonthFileError> {
        let mut differences = Vec::new();
        let mut read: BTreeMap<&str, &InputFile> = BTreeMap::new();
        for FileLedger { file, .. } in &ledger.files {
            read.insert(&file.uri, file);
            match self.files.get(&file.uri) {
                None => differences.push(format!("{} is in no task", file.uri)),
                Some(planned) => differences.extend(planned.compare(month, file)),
            }
        }
        if gaps == GapPolicy::Refuse {
            let mut missing: BTreeMap<u64, &str> = BTreeMap::new();
            for (uri, planned) in &self.files {
                let covers = |range: &PlannedRange| read.get(uri.as_str()).is_some_and(|file| range.is_in(file));
                for range in planned.ranges.iter().filter(|range| !covers(range)) {
                    missing.entry(range.task).or_insert(uri);
                }
            }
            differences.extend(missing.into_iter().map(|(task, uri)| format!("task {task} is missing ({uri})")));
        }
        match differences.is_empty() {
            true => Ok(()),
            false => Err(MonthFileError::NotAsPlanned { plan: self.path.clone(), differences }),
        }
    }
}

impl PlannedFile {
    /// How the file that was read differs from the plan's, bytes that are missing aside.
    fn compare(&self, month: Month, file: &InputFile) -> Option<String> {
        let InputFile { uri, day, n_bytes, tag, ranges, .. } = file;
        if (self.n_bytes, &self.tag) != (*n_bytes, tag) {
            return Some(format!(
                "{uri} has {} bytes tagged `{}` in the plan, {n_bytes} tagged `{tag}` in the parts",
                self.n_bytes, self.tag
            ));
        }
        // The rules of day and month may have changed between a plan and the next one of the same files.
        if month.date(*day) != Some(self.day) {
            let read = month.date(*day).map(|read| read.to_string()).unwrap_or_default();
            return Some(format!("{uri} is of {} in the plan, of {read} in the parts", self.day));
        }
        let is_planned = |bytes: &Range<u64>| {
            let mut reached = bytes.start;
            for range in self.ranges.iter().filter(|range| range.bytes.end > bytes.start) {
                if range.bytes.start <= reached {
                    reached = reached.max(range.bytes.end);
                }
            }
            reached >= bytes.end
        };
        let beyond = ranges.iter().find(|bytes| !is_planned(bytes))?;
        Some(format!("not all bytes {} to {} of {uri} are in a task", beyond.start, beyond.end))
    }
}

impl PlannedRange {
    /// Whether all of it was read.
    fn is_in(&self, file: &InputFile) -> bool {
        self.bytes.is_empty()
            || file.ranges.iter().any(|read| read.start <= self.bytes.start && self.bytes.end <= read.end)
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range of bytes is what a file read whole has")]
mod tests {
    use super::*;
    use crate::engine::calendar::Day;
    use crate::engine::ledger::RecordCounts;

    /// Tasks as their ranges: file, first byte, length, size of the file.
    type Tasks<'a> = &'a [&'a [(&'a str, u64, u64, u64)]];

    fn month() -> Month {
        Month::new(2022, 4).unwrap()
    }

    fn list(tasks: Tasks<'_>) -> Result<TaskList, String> {
        let bytes = tasks.iter().zip(0..).flat_map(|(ranges, task)| {
            ranges.iter().map(move |(uri, start, length, file_bytes)| TaskBytes {
                task,
                uri: (*uri).to_owned(),
                bytes: *start..start + length,
                file_bytes: *file_bytes,
                tag: "7".to_owned(),
                day: month().first_day(),
            })
        });
        TaskList::new(Path::new("plan.jsonl"), bytes).map_err(|error| error.to_string())
    }

    fn file(uri: &str, n_bytes: u64, tag: &str, ranges: &[Range<u64>]) -> FileLedger {
        let file = InputFile::whole(uri.to_owned(), Day::new(1).unwrap(), n_bytes, tag.to_owned());
        FileLedger { file: InputFile { ranges: ranges.to_vec(), ..file }, counts: RecordCounts::default() }
    }

    #[test]
    fn lists_that_contradict_themselves_are_refused() {
        let check = |tasks: Tasks<'_>, message: &str| {
            assert_eq!(list(tasks).map(drop).unwrap_err(), format!("plan.jsonl: {message}"));
        };
        let first = [("a", 0, 60, 100)];
        check(&[&first, &[("a", 60, 40, 101)]], "task 1: a has another size, tag or day than before");
        check(&[&[("a", 50, 50, 100)], &[], &first], "tasks 2 and 0 share bytes of a");
    }

    #[test]
    fn parts_are_exactly_the_tasks() {
        let list =
            list(&[&[("a", 0, 60, 100)], &[("a", 60, 40, 100), ("b", 0, 10, 10)], &[("empty", 0, 0, 0)]]).unwrap();
        let check = |files: &[FileLedger], gaps: GapPolicy, expected: &[&str]| {
            let ledger = LedgerDetail { files: files.to_vec(), ..LedgerDetail::default() };
            let found = match list.check(month(), &ledger, gaps) {
                Ok(()) => Vec::new(),
                Err(MonthFileError::NotAsPlanned { differences, .. }) => differences,
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, expected);
        };
        let (b, empty) = (|| file("b", 10, "7", &[0..10]), file("empty", 0, "7", &[]));
        let all = [file("a", 100, "7", &[0..100]), b(), empty.clone()];
        check(&all, GapPolicy::Refuse, &[]);
        check(&all[..2], GapPolicy::Refuse, &["task 2 is missing (empty)"]);
        check(&all[..2], GapPolicy::Accept, &[]);
        let without_the_middle = [file("a", 100, "7", &[0..50, 60..100]), b(), empty.clone()];
        check(&without_the_middle, GapPolicy::Refuse, &["task 0 is missing (a)"]);
        let other_size = [file("a", 101, "7", &[0..100]), b(), empty.clone()];
        let differs = "a has 100 bytes tagged `7` in the plan, 101 tagged `7` in the parts";
        check(&other_size, GapPolicy::Accept, &[differs]);
        let one_more = [all[0].clone(), b(), file("c", 5, "7", &[0..5]), empty];
        check(&one_more, GapPolicy::Accept, &["c is in no task"]);
        check(&[], GapPolicy::Refuse, &["task 0 is missing (a)", "task 1 is missing (a)", "task 2 is missing (empty)"]);
    }

    #[test]
    fn bytes_that_no_task_names_are_found() {
        let list = list(&[&[("a", 0, 60, 100)]]).unwrap();
        let ledger = LedgerDetail { files: vec![file("a", 100, "7", &[10..70])], ..LedgerDetail::default() };
        let error = list.check(month(), &ledger, GapPolicy::Accept).unwrap_err().to_string();
        assert_eq!(error, "plan.jsonl: the parts are not its tasks: not all bytes 10 to 70 of a are in a task");
    }
}
