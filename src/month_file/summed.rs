//! A folder of Parquet whose rows another engine added up from the streams of many scans: what `viewmart_spark.py` leaves.
//!
//! The rows are in its files, each in contract order, no contract in two of them. What every task counted is in
//! `_viewmart.json`, with the list of the tasks; its name is given last, so that a folder without it is one whose rows
//! nobody has accepted. Here all of that is held against each other once more, as nothing of it was written by this
//! program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::metadata::{Entries, Header};
use super::part_file::Between;
use super::read::{ReadFailure, damaged};
use super::summed_file::SummedFile;
use super::{FileFlaw, GapPolicy, MonthFileError, TaskBytes, TaskList};
use crate::engine::ledger::LedgerDetail;
use crate::engine::partial::{MergedRows, Row, RowCheck, RowStream};

/// What the folder says of itself.
pub(super) const MANIFEST: &str = "_viewmart.json";

/// An open folder: its rows are held against what it says of itself when the last one was read.
pub(super) struct SummedFolder {
    path: PathBuf,
    pub header: Header,
    /// What was odd about the lake when it was cut into the tasks, by kind.
    pub warnings: BTreeMap<String, Vec<String>>,
    rows: MergedRows<SummedFile>,
    n_tasks: usize,
    check: RowCheck,
}

#[derive(Deserialize)]
struct Manifest {
    rules: String,
    rows: u64,
    tasks: Vec<PlannedTask>,
    /// Of each task the metadata of its stream, but for the rules, which are the same for all.
    counters: Vec<BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
struct PlannedTask {
    id: u64,
    ranges: Vec<PlannedBytes>,
    #[serde(default)]
    warnings: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct PlannedBytes {
    uri: String,
    start: u64,
    length: u64,
    file_bytes: u64,
    tag: String,
    day: String,
}

/// Whether the folder at `path` is one of these.
pub(super) fn is_summed(path: &Path) -> bool {
    path.join(MANIFEST).is_file()
}

impl SummedFolder {
    /// The folder at `path`; its files stay open or not `between` two reads.
    pub fn open(path: &Path, between: Between) -> Result<SummedFolder, MonthFileError> {
        let manifest_path = path.join(MANIFEST);
        let read = |source| MonthFileError::Read { file: manifest_path.clone(), source };
        let unusable = |flaw| MonthFileError::Unusable { file: manifest_path.clone(), flaw };
        let text = fs::read_to_string(&manifest_path).map_err(read)?;
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| unusable(FileFlaw::Damaged(error.to_string())))?;
        let header = manifest.header().map_err(unusable)?;
        manifest.tasks(&manifest_path)?.check(header.month, &header.ledger, GapPolicy::Refuse)?;
        let files = parquet_files(path).map_err(|source| MonthFileError::Read { file: path.to_owned(), source })?;
        let files = files.iter().map(|file| SummedFile::open(file, between)).collect::<Result<_, _>>()?;
        Ok(SummedFolder {
            path: path.to_owned(),
            check: RowCheck::new(header.month),
            header,
            warnings: manifest.warnings(),
            rows: MergedRows::new(files),
            n_tasks: manifest.tasks.len(),
        })
    }

    /// How many files with rows it has; none where it cannot be read, which whoever opens it tells.
    pub fn n_files(path: &Path) -> usize {
        parquet_files(path).map_or(0, |files| files.len())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds all rows against what the folder says of itself.
    fn finish(&self) -> Result<(), ReadFailure> {
        let sum = |count: fn(&SummedFile) -> usize| self.rows.streams().iter().map(count).sum::<usize>();
        let (n_read, n_counters, n_rows) = (sum(SummedFile::n_rows), sum(SummedFile::n_counters), self.check.n_rows());
        if n_read != n_rows {
            return Err(damaged(format!("{} contracts stand in several rows", n_read - n_rows)));
        }
        if n_counters != self.n_tasks {
            return Err(damaged(format!("it has the counters of {n_counters} tasks and the rows of {}", self.n_tasks)));
        }
        if n_rows as u64 != self.header.n_rows {
            let why = format!("says {}, but there are {n_rows}", self.header.n_rows);
            return Err(FileFlaw::Metadata { key: "rows", why }.into());
        }
        Ok(self.check.finish(&self.header.ledger).map_err(FileFlaw::from)?)
    }
}

impl RowStream for SummedFolder {
    type Error = MonthFileError;

    fn advance(&mut self) -> Result<bool, MonthFileError> {
        if !self.rows.advance()? {
            return self.finish().map(|()| false).map_err(|failure| failure.at(&self.path));
        }
        let checked = self.check.check(self.rows.row());
        checked.map(|()| true).map_err(|flaw| ReadFailure::from(FileFlaw::from(flaw)).at(&self.path))
    }

    fn row(&self) -> Row<'_> {
        self.rows.row()
    }
}

impl Manifest {
    /// What the counters of all tasks say together.
    fn header(&self) -> Result<Header, FileFlaw> {
        let mut all: Option<Header> = None;
        let mut ledger = LedgerDetail::default();
        let mut counted = BTreeSet::new();
        for counters in &self.counters {
            let task = counters.get("task").and_then(Value::as_u64);
            let task = task.ok_or_else(|| FileFlaw::Damaged("counters of no task".to_owned()))?;
            if !counted.insert(task) {
                return Err(FileFlaw::Damaged(format!("task {task} is counted twice")));
            }
            let of_task = self.header_of(counters)?;
            ledger.merge(of_task.ledger.clone()).map_err(|conflict| {
                FileFlaw::Damaged(format!("the counters of task {task} contradict others: {conflict}"))
            })?;
            all = Some(match all {
                None => of_task,
                Some(all) if all.month == of_task.month => Header {
                    etl_date: all.etl_date.max(of_task.etl_date),
                    engine: if all.engine == of_task.engine { all.engine } else { crate::ENGINE.to_owned() },
                    ..all
                },
                Some(all) => {
                    let (one, other) = (all.month, of_task.month);
                    return Err(FileFlaw::Damaged(format!("its tasks are of {one} and of {other}")));
                }
            });
        }
        match self.tasks.iter().find(|task| !counted.remove(&task.id)).map(|task| task.id) {
            Some(task) => return Err(FileFlaw::Damaged(format!("task {task} is not counted"))),
            None if !counted.is_empty() => {
                return Err(FileFlaw::Damaged("tasks are counted that it has not".to_owned()));
            }
            None => {}
        }
        let all = all.ok_or_else(|| FileFlaw::Damaged("it has no task".to_owned()))?;
        Ok(Header { n_rows: self.rows, ledger, days: Vec::new(), ..all })
    }

    fn header_of(&self, counters: &BTreeMap<String, Value>) -> Result<Header, FileFlaw> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let texts: BTreeMap<&str, String> = counters.iter().map(|(key, value)| (key.as_str(), text(value))).collect();
        let texts = texts.iter().map(|(key, text)| (*key, text.as_str())).chain([("rules", self.rules.as_str())]);
        let entries = Entries::of_texts(texts);
        entries.check_format()?;
        entries.header()
    }

    fn tasks(&self, path: &Path) -> Result<TaskList, MonthFileError> {
        let read = |task: &PlannedTask, range: &PlannedBytes| {
            let day = range.day.parse().map_err(|_| {
                let flaw = FileFlaw::Damaged(format!("task {}: `{}` is no day", task.id, range.day.escape_debug()));
                MonthFileError::Unusable { file: path.to_owned(), flaw }
            })?;
            Ok(TaskBytes {
                task: task.id,
                uri: range.uri.clone(),
                bytes: range.start..range.start.saturating_add(range.length),
                file_bytes: range.file_bytes,
                tag: range.tag.clone(),
                day,
            })
        };
        let ranges = self.tasks.iter().flat_map(|task| task.ranges.iter().map(move |range| (task, range)));
        let bytes: Vec<TaskBytes> =
            ranges.map(|(task, range)| read(task, range)).collect::<Result<_, MonthFileError>>()?;
        TaskList::new(path, bytes)
    }

    fn warnings(&self) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (kind, texts) in self.tasks.iter().flat_map(|task| &task.warnings) {
            all.entry(kind.clone()).or_default().extend_from_slice(texts);
        }
        all
    }
}

/// Files with rows; engines keep others under names that begin with `_` or `.`.
fn parquet_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.ends_with(b".parquet") && !name.starts_with(b"_") && !name.starts_with(b".") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
