//! A lake in tasks, for schedulers that scan it on many machines: `viewmart plan` writes them, `viewmart scan` does one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Compression, DataFile, Format, LakeError, LakeErrorKind, Listing, names};
use crate::engine::calendar::{Day, Month};

/// Least size of a task and of a range: a smaller one costs more to start than to scan.
pub const MIN_TASK_BYTES: u64 = 1 << 10;

/// A cut is moved to the border of a file that is nearer than this part of a task.
const SNAP_DIVISOR: u64 = 16;

/// Some bytes of a lake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its place in the plan, from 0.
    pub id: u64,
    /// Its bytes, at most one range of each file.
    pub ranges: Vec<TaskRange>,
    /// What was odd about the lake when it was cut, by kind: the first task has it, for whoever publishes the whole.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warnings: BTreeMap<String, Vec<String>>,
}

/// Some bytes of a file: those of the records that begin in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRange {
    /// The file, by its one name.
    pub uri: String,
    /// The name of the file in the lake, where that is not the last one of `uri`, as a link's is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first byte.
    pub start: u64,
    /// How many bytes; compressed and CSV files are taken whole.
    pub length: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// When it was changed last, in milliseconds since 1970.
    pub tag: String,
    /// The day of its records.
    #[serde(with = "as_text")]
    pub day: Date,
    /// `ndjson` or `csv`, with `.gz` or `.zst` after it where it is compressed.
    pub format: String,
}

impl TaskRange {
    /// The whole of `file`, of `month`.
    fn whole(file: &DataFile, month: Month) -> TaskRange {
        let first = month.first_day();
        let day = i8::try_from(file.day.number()).ok().and_then(|day| Date::new(first.year(), first.month(), day).ok());
        let uri = file.canonical_uri();
        let name = Some(file.name()).filter(|name| names::last(&uri) != *name).map(str::to_owned);
        TaskRange {
            uri,
            name,
            start: 0,
            length: file.n_bytes,
            file_bytes: file.n_bytes,
            tag: file.modified_ms.to_string(),
            // A listing holds no day that its month has not.
            day: day.unwrap_or(first),
            format: format_name(file.format, file.compression),
        }
    }

    /// Whether it is all of its file.
    pub fn is_whole(&self) -> bool {
        self.start == 0 && self.length == self.file_bytes
    }

    /// The day of the month.
    pub fn day_of_month(&self) -> Day {
        Day::of(self.day)
    }

    /// How the records are written, and how the file is compressed.
    pub fn format(&self) -> Option<(Format, Compression)> {
        let (name, compression) = self.format.split_once('.').unwrap_or((&self.format, ""));
        let format = match name {
            "ndjson" => Format::Ndjson,
            "csv" => Format::Csv,
            _ => return None,
        };
        let compression = match compression {
            "" => Compression::None,
            "gz" => Compression::Gzip,
            "zst" => Compression::Zstd,
            _ => return None,
        };
        Some((format, compression))
    }
}

fn format_name(format: Format, compression: Compression) -> String {
    let name = format.name();
    let compression = match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
    };
    format!("{name}{compression}")
}

/// Days as `YYYY-MM-DD`.
mod as_text {
    use super::{Date, Deserialize as _};
    use serde::de::Error as _;

    pub fn serialize<S: serde::Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(day)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom(format!("`{}` is no day", text.escape_debug())))
    }
}

/// How many tasks there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskSize {
    /// As many as it takes for about so many bytes each.
    Bytes(u64),
    /// So many, where the lake has as much to do.
    Tasks(u64),
}

/// Cuts the files of `listing`, compressed as it says, into tasks of about the same size, in order: plain NDJSON anywhere, other files only
/// between each other.
pub fn plan(listing: &Listing, size: TaskSize) -> Vec<Task> {
    let total: u64 = listing.files.iter().map(|file| file.n_bytes).sum();
    let n_tasks = match size {
        TaskSize::Bytes(n_bytes) => total.div_ceil(n_bytes.max(MIN_TASK_BYTES)),
        TaskSize::Tasks(n_tasks) => n_tasks.min(total / MIN_TASK_BYTES),
    };
    let task_bytes = total.div_ceil(n_tasks.max(1)).max(MIN_TASK_BYTES);
    let mut tasks: Vec<Task> = Vec::new();
    let mut last_slot = None;
    let mut add = |slot: u64, range: TaskRange| {
        let slot = slot.min(n_tasks.max(1) - 1);
        if last_slot != Some(slot) {
            tasks.push(Task { id: tasks.len() as u64, ranges: Vec::new(), warnings: BTreeMap::new() });
            last_slot = Some(slot);
        }
        if let Some(task) = tasks.last_mut() {
            task.ranges.push(range);
        }
    };
    // As if the files were one: task k has the bytes from k times the size of a task on.
    let mut position = 0;
    for file in &listing.files {
        let whole = TaskRange::whole(file, listing.month);
        let is_splittable = file.format == Format::Ndjson && file.compression == Compression::None;
        let cuts = if is_splittable { cuts(position, file.n_bytes, task_bytes) } else { Vec::new() };
        if cuts.is_empty() {
            add((position + file.n_bytes / 2) / task_bytes, whole);
        } else {
            let starts = [0].iter().chain(&cuts);
            for (start, end) in starts.zip(cuts.iter().chain([&file.n_bytes])) {
                let middle = position + start + (end - start) / 2;
                add(middle / task_bytes, TaskRange { start: *start, length: end - start, ..whole.clone() });
            }
        }
        position += file.n_bytes;
    }
    tasks
}

/// Where to cut a file of `n_bytes` that begins at `position` of all bytes.
fn cuts(position: u64, n_bytes: u64, task_bytes: u64) -> Vec<u64> {
    let snap = (task_bytes / SNAP_DIVISOR).max(MIN_TASK_BYTES);
    let first = (position / task_bytes + 1) * task_bytes - position;
    let borders = (first..n_bytes).step_by(usize::try_from(task_bytes).unwrap_or(usize::MAX));
    borders.filter(|cut| *cut >= snap && n_bytes - cut >= snap).collect()
}

/// Reads the task `text`, or the line of a plan that holds it.
///
/// # Errors
/// A text that is no task: where it goes wrong, and why.
pub fn read_task(text: &str) -> Result<Task, LakeError> {
    parse(text).map_err(|what| LakeError::new(LakeErrorKind::Input, "task", what))
}

fn parse(text: &str) -> Result<Task, String> {
    let task: Task = serde_json::from_str(text).map_err(|error| format!("is no task: {error}"))?;
    let mut known = BTreeSet::new();
    for range in &task.ranges {
        let is_within = range.start.checked_add(range.length).is_some_and(|end| end <= range.file_bytes);
        let is_splittable = range.format() == Some((Format::Ndjson, Compression::None));
        let flaw = match range.format() {
            None => {
                format!("the format `{}` is none of ndjson and csv, plain, .gz or .zst", range.format.escape_debug())
            }
            _ if !is_within => "its range ends past the end of its file".to_owned(),
            _ if !is_splittable && !range.is_whole() => "compressed and CSV files are read whole".to_owned(),
            _ if range.tag.parse::<i64>().is_err() => format!("its tag `{}` is no time", range.tag.escape_debug()),
            _ if !known.insert(&range.uri) => "it has two ranges in one task".to_owned(),
            _ => continue,
        };
        return Err(format!("{}: {flaw}", range.uri));
    }
    let months: BTreeSet<Month> = task.ranges.iter().map(|range| Month::of(range.day)).collect();
    match months.len() {
        1 => Ok(task),
        0 => Err("has no range".to_owned()),
        _ => Err("has files of several months".to_owned()),
    }
}

/// The month of a task that was read.
pub fn month_of(task: &Task) -> Option<Month> {
    task.ranges.first().map(|range| Month::of(range.day))
}

/// Reads a plan, a task a line.
///
/// # Errors
/// The first line that is no task, and why.
pub fn read_plan(text: &str) -> Result<Vec<Task>, String> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines.map(|(line, number)| parse(line).map_err(|what| format!("line {number}: {what}"))).collect()
}

/// A plan as it is read by [`read_plan`].
pub fn write_plan(tasks: &[Task]) -> String {
    // Numbers and texts always have a form in JSON.
    let line = |task: &Task| serde_json::to_string(task).map(|line| line + "\n").unwrap_or_default();
    tasks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(files: &[(&str, u64)]) -> Listing {
        let file = |(place, (name, n_bytes)): (usize, &(&str, u64))| DataFile {
            uri: format!("hdfs://nn:8020/{name}"),
            path: name.into(),
            day: Day::new(place as u8 + 1).unwrap(),
            n_bytes: *n_bytes,
            modified_ms: 7,
            local_modified_ms: 7,
            format: if name.contains("csv") { Format::Csv } else { Format::Ndjson },
            compression: if name.ends_with(".gz") { Compression::Gzip } else { Compression::None },
        };
        Listing {
            month: Month::new(2022, 4).unwrap(),
            files: files.iter().enumerate().map(file).collect(),
            skipped: crate::lake::Skipped::default(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn tasks_are_about_the_same_size_and_hold_every_byte_once() {
        const MB: u64 = 1 << 20;
        let check = |files: &[(&str, u64)], size: TaskSize, expected: &[&[(&str, u64, u64)]]| {
            let tasks = plan(&listing(files), size);
            let found: Vec<Vec<(&str, u64, u64)>> = tasks
                .iter()
                .map(|task| {
                    task.ranges.iter().map(|r| (r.uri.trim_start_matches("hdfs://nn:8020/"), r.start, r.length))
                })
                .map(Iterator::collect)
                .collect();
            assert_eq!(found, expected, "{files:?} {size:?}");
            assert!(tasks.iter().zip(0..).all(|(task, id)| task.id == id));
        };
        check(&[("a", 4 * MB)], TaskSize::Tasks(1), &[&[("a", 0, 4 * MB)]]);
        check(&[("a", 4 * MB)], TaskSize::Tasks(2), &[&[("a", 0, 2 * MB)], &[("a", 2 * MB, 2 * MB)]]);
        check(&[("a", 4 * MB)], TaskSize::Bytes(2 * MB), &[&[("a", 0, 2 * MB)], &[("a", 2 * MB, 2 * MB)]]);
        check(
            &[("a", 3 * MB), ("b", MB), ("c", 4 * MB)],
            TaskSize::Tasks(4),
            &[&[("a", 0, 2 * MB)], &[("a", 2 * MB, MB), ("b", 0, MB)], &[("c", 0, 2 * MB)], &[("c", 2 * MB, 2 * MB)]],
        );
        // Whole files go where their middle is, and a cut near a border is moved there.
        check(&[("a.gz", 3 * MB), ("b.csv", MB)], TaskSize::Tasks(4), &[&[("a.gz", 0, 3 * MB)], &[("b.csv", 0, MB)]]);
        check(
            &[("a", 2 * MB + 5), ("b", 2 * MB - 5)],
            TaskSize::Tasks(2),
            &[&[("a", 0, 2 * MB + 5)], &[("b", 0, 2 * MB - 5)]],
        );
        // Files without a byte are files of the lake too.
        check(&[("a", 0), ("b", 2000), ("c", 0)], TaskSize::Tasks(100), &[&[("a", 0, 0), ("b", 0, 2000), ("c", 0, 0)]]);
        check(&[("a", 0)], TaskSize::Tasks(3), &[&[("a", 0, 0)]]);
        check(
            &[("a", 4096)],
            TaskSize::Bytes(1),
            &[&[("a", 0, 1024)], &[("a", 1024, 1024)], &[("a", 2048, 1024)], &[("a", 3072, 1024)]],
        );
    }

    #[test]
    fn a_task_is_read_as_it_was_written() {
        let tasks = plan(&listing(&[("a", 9000), ("b.csv.gz", 10)]), TaskSize::Tasks(3));
        let lines: Vec<String> = tasks.iter().map(|task| serde_json::to_string(task).unwrap()).collect();
        assert_eq!(
            lines[0],
            "{\"id\":0,\"ranges\":[{\"uri\":\"hdfs://nn:8020/a\",\"start\":0,\"length\":3004,\"file_bytes\":9000,\
             \"tag\":\"7\",\"day\":\"2022-04-01\",\"format\":\"ndjson\"}]}"
        );
        assert_eq!(read_plan(&lines.join("\n\n")).unwrap(), tasks);
        let wrong = read_plan(&format!("{}\n\n{{}}", lines[0])).unwrap_err();
        assert!(wrong.starts_with("line 3: is no task: missing field `id`"), "{wrong}");
        let check = |from: &str, to: &str, expected: &str| {
            let error = read_task(&lines[0].replace(from, to)).unwrap_err();
            assert_eq!(error.kind(), LakeErrorKind::Input);
            assert!(error.to_string().contains(expected), "{error}");
        };
        check("{\"id\"", "[", "is no task");
        check("\"length\":3004", "\"length\":9001", "ends past the end of its file");
        check("\"ndjson\"", "\"csv\"", "read whole");
        check("\"ndjson\"", "\"xml\"", "none of ndjson and csv");
        check("\"7\"", "\"x\"", "is no time");
        assert!(read_task("{\"id\":0,\"ranges\":[]}").unwrap_err().to_string().contains("has no range"));
    }
}
