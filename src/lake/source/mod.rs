//! What the cache needs from a remote file system, and the errors it tells apart.
//!
//! Retry, resume, verification and progress sit above this and are the same for every source; the tests of the cache
//! use one in memory that fails on demand.

use bytes::Bytes;

pub mod hdfs;
pub mod local;

use crate::lake::{DataFile, LakeError, LakeErrorKind};

/// One name of a remote file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The absolute path.
    pub path: String,
    /// Whether it is a folder or a file.
    pub kind: EntryKind,
    /// Size in bytes.
    pub n_bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Whether it looks as if its writer had not closed it yet, so that more may be to come.
    pub looks_open: bool,
}

impl Entry {
    /// The file at `path` as it was listed.
    pub fn of_file(file: &DataFile, path: &str) -> Entry {
        Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            n_bytes: file.n_bytes,
            modified_ms: file.modified_ms,
            looks_open: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    File,
}

/// A remote file system. Calls block, and end within a time of their own.
pub(crate) trait Source: Send + Sync {
    /// What `path` is.
    fn stat(&self, path: &str) -> Result<Entry, SourceError>;

    /// The names in the folder `path`, in any order.
    fn list(&self, path: &str) -> Result<Vec<Entry>, SourceError>;

    /// What matches `pattern`, in any order; none is no error.
    fn glob(&self, pattern: &str) -> Result<Vec<Entry>, SourceError>;

    /// The bytes of the file `entry` from `offset` to its end.
    fn open(&self, entry: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError>;
}

/// The bytes of a file, in order.
pub(crate) trait Chunks: Send {
    /// The next bytes, `None` at the end. Nothing can be read after an error.
    fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError>;
}

/// Why a source failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct SourceError {
    pub kind: SourceFault,
    /// One readable line.
    pub what: String,
    pub advice: Option<String>,
}

/// What to do about a failure of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceFault {
    /// Try again: the next attempt may work.
    Transient,
    /// The file is not as it was listed.
    Changed,
    /// Nothing is there.
    Missing,
    /// This user may not, or has not proved who it is.
    Denied,
    /// What was asked for, or the configuration, fits no server.
    Misconfigured,
    /// It is stored in a way that cannot be read.
    Unsupported,
    /// Trying again will not help, for any other reason.
    Permanent,
}

impl SourceFault {
    fn kind(self) -> LakeErrorKind {
        match self {
            SourceFault::Transient => LakeErrorKind::Unreachable,
            SourceFault::Changed => LakeErrorKind::Changed,
            SourceFault::Missing => LakeErrorKind::NotFound,
            SourceFault::Denied => LakeErrorKind::Denied,
            SourceFault::Misconfigured => LakeErrorKind::Input,
            SourceFault::Unsupported => LakeErrorKind::Unsupported,
            SourceFault::Permanent => LakeErrorKind::Io,
        }
    }
}

impl SourceError {
    pub fn new(kind: SourceFault, what: impl Into<String>) -> SourceError {
        SourceError { kind, what: what.into(), advice: None }
    }

    pub fn advise(mut self, advice: impl Into<String>) -> SourceError {
        self.advice = Some(advice.into());
        self
    }

    /// This failure, at `uri`.
    pub fn at(self, uri: &str) -> LakeError {
        let error = LakeError::new(self.kind.kind(), uri, self.what);
        match self.advice {
            Some(advice) => error.advise(advice),
            None => error,
        }
    }
}
