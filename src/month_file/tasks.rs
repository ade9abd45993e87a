//! The task list of `viewmart plan`, and whether parts are exactly what it asks for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::MonthFileError;
use crate::engine::ledger::{FileLedger, InputFile, LedgerDetail};

/// Tasks that together are a lake.
#[derive(Clone, Debug)]
pub struct TaskList {
    path: PathBuf,
    /// By file; of each the ranges in order.
    files: BTreeMap<String, PlannedFile>,
}

/// What the tasks read of one file.
#[derive(Clone, Debug)]
struct PlannedFile {
    n_bytes: u64,
    tag: String,
    ranges: Vec<PlannedRange>,
}

#[derive(Clone, Debug)]
struct PlannedRange {
    task: u64,
    bytes: Range<u64>,
}

/// One line of the list. What says how a range is read (day, format) is left to whoever scans it.
#[derive(Deserialize)]
struct TaskLine {
    id: u64,
    ranges: Vec<RangeLine>,
}

#[derive(Deserialize)]
struct RangeLine {
    uri: String,
    start: u64,
    length: u64,
    file_bytes: u64,
    tag: String,
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
    /// Reads a list: a JSON object a line and task.
    ///
    /// # Errors
    /// [`MonthFileError::TaskList`].
    pub fn read(path: &Path) -> Result<TaskList, MonthFileError> {
        let text = fs::read_to_string(path).map_err(|error| MonthFileError::TaskList {
            plan: path.to_owned(),
            why: match error.kind() {
                io::ErrorKind::NotFound => "no such file".to_owned(),
                _ => error.to_string(),
            },
        })?;
        TaskList::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<TaskList, MonthFileError> {
        let flaw = |why: String| MonthFileError::TaskList { plan: path.to_owned(), why };
        let mut files: BTreeMap<String, PlannedFile> = BTreeMap::new();
        for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
            let task: TaskLine =
                serde_json::from_str(line).map_err(|error| flaw(format!("line {number}: no task: {error}")))?;
            for range in task.ranges {
                let RangeLine { uri, start, length, file_bytes: n_bytes, tag } = range;
                let end = start.checked_add(length).filter(|end| *end <= n_bytes);
                let end = end.ok_or_else(|| flaw(format!("line {number}: {uri} has no such bytes")))?;
                let file = files.entry(uri.clone());
                let file = file.or_insert_with(|| PlannedFile { n_bytes, tag: tag.clone(), ranges: Vec::new() });
                if (file.n_bytes, &file.tag) != (n_bytes, &tag) {
                    return Err(flaw(format!("line {number}: {uri} has another size or tag than before")));
                }
                file.ranges.push(PlannedRange { task: task.id, bytes: start..end });
            }
        }
        for (uri, file) in &mut files {
            file.ranges.sort_by_key(|range| (range.bytes.start, range.bytes.end));
            for pair in file.ranges.windows(2) {
                if pair[1].bytes.start < pair[0].bytes.end {
                    return Err(flaw(format!("tasks {} and {} share bytes of {uri}", pair[0].task, pair[1].task)));
                }
            }
        }
        Ok(TaskList { path: path.to_owned(), files })
    }

    /// Whether `ledger` holds exactly the tasks; with [`GapPolicy::Accept`] some may be missing.
    ///
    /// # Errors
    /// [`MonthFileError::NotAsPlanned`].
    pub(super) fn check(&self, ledger: &LedgerDetail, gaps: GapPolicy) -> Result<(), MonthFileError> {
        let mut differences = Vec::new();
        let mut read: BTreeMap<&str, &InputFile> = BTreeMap::new();
        for FileLedger { file, .. } in &ledger.files {
            read.insert(&file.uri, file);
            match self.files.get(&file.uri) {
                None => differences.push(format!("{} is in no task", file.uri)),
                Some(planned) => differences.extend(planned.compare(file)),
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
    fn compare(&self, file: &InputFile) -> Option<String> {
        let InputFile { uri, n_bytes, tag, ranges, .. } = file;
        if (self.n_bytes, &self.tag) != (*n_bytes, tag) {
            return Some(format!(
                "{uri} has {} bytes tagged `{}` in the plan, {n_bytes} tagged `{tag}` in the parts",
                self.n_bytes, self.tag
            ));
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

    const PLAN: &str = "\
{\"id\":0,\"ranges\":[{\"uri\":\"file:///a\",\"start\":0,\"length\":60,\"file_bytes\":100,\"tag\":\"7\",\"day\":\"2022-04-01\"}]}

{\"id\":1,\"ranges\":[{\"uri\":\"file:///a\",\"start\":60,\"length\":40,\"file_bytes\":100,\"tag\":\"7\"},
";

    fn list(lines: &[&str]) -> Result<TaskList, String> {
        TaskList::parse(Path::new("plan.jsonl"), &lines.join("\n")).map_err(|error| error.to_string())
    }

    fn line(id: u64, ranges: &[(&str, u64, u64, u64)]) -> String {
        let range = |(uri, start, length, n_bytes): &(&str, u64, u64, u64)| {
            serde_json::json!({"uri": uri, "start": start, "length": length, "file_bytes": n_bytes, "tag": "7",
                "day": "2022-04-01", "format": "ndjson"})
        };
        serde_json::json!({"id": id, "ranges": ranges.iter().map(range).collect::<Vec<_>>()}).to_string()
    }

    fn file(uri: &str, n_bytes: u64, tag: &str, ranges: &[Range<u64>]) -> FileLedger {
        let file = InputFile::whole(uri.to_owned(), Day::new(1).unwrap(), n_bytes, tag.to_owned());
        FileLedger { file: InputFile { ranges: ranges.to_vec(), ..file }, counts: RecordCounts::default() }
    }

    #[test]
    fn lists_that_contradict_themselves_are_refused() {
        let check = |lines: &[&str], message: &str| {
            assert_eq!(list(lines).map(drop).unwrap_err(), format!("plan.jsonl: {message}"));
        };
        let broken = list(&PLAN.lines().collect::<Vec<_>>()).map(drop).unwrap_err();
        assert!(broken.starts_with("plan.jsonl: line 3: no task: EOF"), "{broken}");
        check(&[&line(0, &[("a", 0, 101, 100)])], "line 1: a has no such bytes");
        check(&[&line(0, &[("a", u64::MAX, 2, 100)])], "line 1: a has no such bytes");
        let (first, other) = (line(0, &[("a", 0, 60, 100)]), line(1, &[("a", 60, 40, 101)]));
        check(&[&first, &other], "line 2: a has another size or tag than before");
        check(&[&line(3, &[("a", 50, 50, 100)]), "", &first], "tasks 0 and 3 share bytes of a");
    }

    #[test]
    fn parts_are_exactly_the_tasks() {
        let lines = [
            line(0, &[("a", 0, 60, 100)]),
            line(1, &[("a", 60, 40, 100), ("b", 0, 10, 10)]),
            line(2, &[("empty", 0, 0, 0)]),
        ];
        let list = list(&lines.each_ref().map(String::as_str)).unwrap();
        let check = |files: &[FileLedger], gaps: GapPolicy, expected: &[&str]| {
            let ledger = LedgerDetail { files: files.to_vec(), ..LedgerDetail::default() };
            let found = match list.check(&ledger, gaps) {
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
        let list = list(&[&line(0, &[("a", 0, 60, 100)])]).unwrap();
        let ledger = LedgerDetail { files: vec![file("a", 100, "7", &[10..70])], ..LedgerDetail::default() };
        let error = list.check(&ledger, GapPolicy::Accept).unwrap_err().to_string();
        assert_eq!(error, "plan.jsonl: the parts are not its tasks: not all bytes 10 to 70 of a are in a task");
    }
}
