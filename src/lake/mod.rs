//! The lake: which data files a month has and how their bytes reach this machine.
//!
//! A lake lists [`DataFile`]s; files that are not local are pulled into the cache first. Everything after this module
//! reads local files only.

use std::path::PathBuf;

use crate::calendar::{Day, Month};

pub mod error;
pub mod input;
mod local;
pub mod mapped;
mod names;
pub mod packed;
mod select;

pub use error::LakeError;
pub use input::Input;
pub use select::ListOptions;

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header row.
    Csv,
}

/// How the bytes of a file are packed.
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
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: i64,
    /// How its records are written.
    pub format: Format,
    /// How its bytes are packed.
    pub compression: Compression,
}

/// The data files of one month and what was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The month.
    pub month: Month,
    /// Its files, ordered by `uri`.
    pub files: Vec<DataFile>,
    /// Names left out: hidden, temporary, of other months.
    pub n_skipped: u64,
    /// Days of the month without a file, ascending.
    pub missing_days: Vec<Day>,
}

/// Lists the month of a lake on this machine: folders (with all below them), files and globs. A file that several of
/// `inputs` name counts once.
pub fn list(inputs: &[String], options: &ListOptions) -> Result<Listing, LakeError> {
    let mut walk = local::Walk::default();
    for input in inputs {
        match Input::parse(input)? {
            Input::Local(path) => walk.add(&path)?,
            Input::Hdfs(uri) => return Err(LakeError::at(uri.to_string(), "is not on this machine")),
        }
    }
    let (found, n_left_out) = walk.finish();
    select::select(&inputs.join(", "), found, n_left_out, options)
}
