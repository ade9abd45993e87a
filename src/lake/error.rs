//! What can go wrong between the lake and the scan.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use crate::error::Advice;

/// A lake that could not be listed, or a file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// A path, file or server failed.
    #[error("{uri}: {what}")]
    At {
        /// Path or URI.
        uri: String,
        /// What failed and why.
        what: String,
        /// What the user can do about it.
        advice: Option<String>,
    },
}

impl LakeError {
    /// `what` failed at `uri`.
    pub fn at(uri: impl Into<String>, what: impl Into<String>) -> LakeError {
        LakeError::At { uri: uri.into(), what: what.into(), advice: None }
    }

    /// The operating system refused `doing` at `uri`.
    pub fn io(uri: impl Into<String>, doing: impl Display, source: &std::io::Error) -> LakeError {
        use std::io::ErrorKind;
        let error = LakeError::at(uri, format!("{doing} failed: {source}"));
        match source.kind() {
            ErrorKind::PermissionDenied => error.advise("give this user the right, or run as a user who has it"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error.advise("make room on this disk, then run again"),
            ErrorKind::FileTooLarge => error.advise("take a disk that holds such files, and see `ulimit -f`"),
            ErrorKind::NotFound => error.advise("check the path; another program may have removed it"),
            _ => error,
        }
    }

    /// As [`LakeError::io`], for a path of this machine.
    pub(crate) fn io_at(path: &Path, doing: impl Display, source: &std::io::Error) -> LakeError {
        LakeError::io(path.display().to_string(), doing, source)
    }

    /// The same error with something that the user can do about it.
    pub fn advise(mut self, text: impl Into<String>) -> LakeError {
        let LakeError::At { advice, .. } = &mut self;
        *advice = Some(text.into());
        self
    }
}

impl Advice for LakeError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        match self {
            LakeError::At { advice, .. } => advice.as_deref().map(Cow::Borrowed),
        }
    }
}
