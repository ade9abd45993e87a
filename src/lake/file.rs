//! A data file of the month: where it is, what it holds and how that is written.

use std::path::PathBuf;

use super::names;
use crate::engine::calendar::Day;
use crate::engine::ledger::InputFile;

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header row.
    Csv,
}

impl Format {
    pub const ALL: [Format; 2] = [Format::Ndjson, Format::Csv];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }
}

/// How the bytes of a file are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all: such files are memory-mapped.
    None,
    /// Gzip, one or more members.
    Gzip,
    /// Zstandard, one or more frames.
    Zstd,
}

/// One data file of the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is in the lake, as messages and `rejects.ndjson` name it. Files are ordered by it.
    pub uri: String,
    /// Where its bytes are on this machine.
    pub path: PathBuf,
    /// The day of all its records.
    pub day: Day,
    /// Size as stored, in bytes. A file that turns out shorter, longer or changed while it is read is an error.
    pub n_bytes: u64,
    /// When it was last changed in the lake, in milliseconds since 1970.
    pub modified_ms: i64,
    /// The time of the file at `path`, in milliseconds since 1970: that of a copy in the cache may be another one, as not
    /// every file system keeps the time that it is given.
    pub local_modified_ms: i64,
    /// How its records are written.
    pub format: Format,
    /// How its bytes are compressed.
    pub compression: Compression,
}

impl DataFile {
    /// What the ledger says of it once it is read whole, under the name `uri`.
    pub fn input_file(&self, uri: String) -> InputFile {
        self.input_file_of_name(uri, self.name())
    }

    /// As [`DataFile::input_file`] of a file that has this name in the lake.
    pub(crate) fn input_file_of_name(&self, uri: String, name: &str) -> InputFile {
        let mut input = InputFile::whole(uri, self.day, self.n_bytes, self.modified_ms.to_string());
        if names::format_of(name) != Some(self.format) {
            input.note_format(self.format.name());
        }
        input
    }

    /// The last name of where it is.
    pub(crate) fn name(&self) -> &str {
        names::last(&self.uri)
    }

    /// The one name of the file, however the lake was spelled: `hdfs://nameservice/path` for a remote one, else
    /// `file://` and its real path. Bytes of a path that are not UTF-8 stand as `%XX`.
    pub fn canonical_uri(&self) -> String {
        // A path of this machine never holds `//`.
        if self.uri.contains("://") {
            return self.uri.clone();
        }
        // A file that is gone is told when it is opened.
        let real = std::fs::canonicalize(&self.path).or_else(|_| std::path::absolute(&self.path));
        let real = real.unwrap_or_else(|_| self.path.clone());
        let mut uri = "file://".to_owned();
        for chunk in real.as_os_str().as_encoded_bytes().utf8_chunks() {
            uri.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| uri.push_str(&format!("%{byte:02X}")));
        }
        uri
    }
}
