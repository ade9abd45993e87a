//! Events of OpenLineage, version 2-0-2, appended to a file: one at the begin of a month, one at its end.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::console;
use crate::engine::calendar::Month;
use crate::fs::error::OutputError;

const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const PRODUCER: &str = concat!("urn:viewmart:", env!("CARGO_PKG_VERSION"));
const NAMESPACE: &str = "viewmart";

/// A set of data as others name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dataset {
    /// Where it is: a scheme with a server, or `file`.
    pub namespace: String,
    /// Which it is there.
    pub name: String,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It published.
    Complete {
        /// Rows that were written to the output, where any were.
        n_rows: Option<u64>,
    },
    Fail {
        /// Why.
        message: String,
    },
    /// It was told to end.
    Abort {
        /// By what.
        message: String,
    },
}

/// The events of one month.
#[derive(Clone, Debug)]
pub struct Lineage {
    path: PathBuf,
    run_id: String,
    output: Dataset,
    /// Known from the begin, or once the lake is listed.
    month: Option<Month>,
    /// Folders with what is read of each.
    inputs: BTreeMap<Dataset, FolderSize>,
    is_started: bool,
}

/// What is read of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FolderSize {
    n_files: u64,
    n_bytes: u64,
}

impl Lineage {
    /// Whether events can be appended to the file, which is made when missing.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn check(path: &Path) -> Result<(), OutputError> {
        append(path, "").map_err(|source| OutputError::io(path, "opening it", source))
    }

    /// The events of a run that writes to `output`.
    pub fn new(path: &Path, output: Dataset, month: Option<Month>) -> Lineage {
        let path = path.to_owned();
        Lineage { path, run_id: new_id(), output, month, inputs: BTreeMap::new(), is_started: false }
    }

    /// The run begins; the inputs are URIs of files with their sizes.
    pub fn start(&mut self, month: Month, inputs: Vec<(String, u64)>) {
        self.month = Some(month);
        for (uri, n_bytes) in inputs {
            let size = self.inputs.entry(folder_of(&uri)).or_default();
            size.n_files += 1;
            size.n_bytes = size.n_bytes.saturating_add(n_bytes);
        }
        self.write("START", json!({}), None);
        self.is_started = true;
    }

    /// Whether its begin was told.
    pub fn is_started(&self) -> bool {
        self.is_started
    }

    /// The run ends.
    pub fn end(&self, ending: Ending) {
        if !self.is_started {
            self.write("START", json!({}), None);
        }
        match ending {
            Ending::Complete { n_rows } => self.write("COMPLETE", json!({}), n_rows),
            Ending::Fail { message } => self.write("FAIL", error_facet(&message), None),
            Ending::Abort { message } => self.write("ABORT", error_facet(&message), None),
        }
    }

    /// A file that cannot be written meanwhile is told, and changes nothing about the run.
    fn write(&self, kind: &str, facets: Value, n_rows: Option<u64>) {
        let Some(month) = self.month else { return };
        let event = self.event(kind, month, facets, n_rows);
        if let Err(error) = append(&self.path, &format!("{event}\n")) {
            console::say(format_args!("warning: {}: writing an event failed: {error}", self.path.display()));
        }
    }

    fn event(&self, kind: &str, month: Month, mut facets: Value, n_rows: Option<u64>) -> Value {
        let mut nominal = facet("NominalTimeRunFacet", "1-0-1");
        nominal["nominalStartTime"] = format!("{}T00:00:00Z", month.first_day()).into();
        if let Some(next) = month.next() {
            nominal["nominalEndTime"] = format!("{}T00:00:00Z", next.first_day()).into();
        }
        facets["nominalTime"] = nominal;
        let dataset = |of: &Dataset| json!({"namespace": of.namespace, "name": of.name});
        let input = |(of, size): (&Dataset, &FolderSize)| {
            let mut statistics = facet("InputStatisticsInputDatasetFacet", "1-0-0");
            (statistics["size"], statistics["fileCount"]) = (size.n_bytes.into(), size.n_files.into());
            let mut input = dataset(of);
            input["inputFacets"] = json!({"inputStatistics": statistics});
            input
        };
        let mut output = dataset(&self.output);
        if let Some(n_rows) = n_rows {
            let mut statistics = facet("OutputStatisticsOutputDatasetFacet", "1-0-2");
            statistics["rowCount"] = n_rows.into();
            output["outputFacets"] = json!({"outputStatistics": statistics});
        }
        json!({
            "eventType": kind,
            "eventTime": format!("{:.3}", Timestamp::now()),
            "run": {"runId": self.run_id, "facets": facets},
            "job": {"namespace": NAMESPACE, "name": "run"},
            "inputs": self.inputs.iter().map(input).collect::<Vec<_>>(),
            "outputs": [output],
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
        })
    }
}

/// A facet with what each must have.
fn facet(name: &str, version: &str) -> Value {
    let schema = format!("https://openlineage.io/spec/facets/{version}/{name}.json#/$defs/{name}");
    json!({"_producer": PRODUCER, "_schemaURL": schema})
}

fn error_facet(message: &str) -> Value {
    let mut facet = facet("ErrorMessageRunFacet", "1-0-1");
    facet["message"] = message.into();
    facet["programmingLanguage"] = "Rust".into();
    json!({"errorMessage": facet})
}

/// The folder of a file: `file` and its path, or the file system and the path in it.
fn folder_of(uri: &str) -> Dataset {
    let folder = uri.rsplit_once('/').map_or(uri, |(folder, _)| folder);
    if let Some(path) = folder.strip_prefix("file://") {
        return Dataset { namespace: "file".to_owned(), name: if path.is_empty() { "/" } else { path }.to_owned() };
    }
    let start = folder.find("://").map_or(0, |at| at + "://".len());
    let path = folder.get(start..).and_then(|rest| rest.find('/')).map_or(folder.len(), |at| start + at);
    let (namespace, name) = folder.split_at(path);
    Dataset { namespace: namespace.to_owned(), name: if name.is_empty() { "/" } else { name }.to_owned() }
}

/// One call to the system for a line, so that those of two runs do not mix.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(line.as_bytes())
}

/// A random UUID, version 4.
fn new_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        bytes = Timestamp::now().as_nanosecond().to_be_bytes();
    }
    let number = u128::from_be_bytes(bytes) & !(0xf000 << 64 | 0b11 << 62) | 0x4000 << 64 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_others_name_them() {
        let check = |uri: &str, namespace: &str, name: &str| {
            assert_eq!(folder_of(uri), Dataset { namespace: namespace.into(), name: name.into() }, "{uri}");
        };
        check("file:///lake/a/20220401.json", "file", "/lake/a");
        check("file:///20220401.json", "file", "/");
        check("hdfs://nn:8020/logs/20220401.json", "hdfs://nn:8020", "/logs");
        check("hdfs://nn:8020/20220401.json", "hdfs://nn:8020", "/");
    }

    #[test]
    fn runs_have_names_of_their_own() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
