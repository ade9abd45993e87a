//! What can go wrong between the lake and the scan.

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;

use crate::advice::{Access, Advice, IoKind};

/// A lake that could not be listed, or a file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[error("{uri}: {what}")]
pub struct LakeError {
    kind: LakeErrorKind,
    /// Path or URI.
    uri: String,
    /// What failed and why.
    what: String,
    /// What the user can do about it, where that is more than [`LakeErrorKind::advice`] knows.
    advice: Option<String>,
}

/// What kind of failure it is: decides what the user is advised to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LakeErrorKind {
    /// An argument or the Hadoop configuration cannot be understood.
    Input,
    /// Nothing is there.
    NotFound,
    /// There is data, but not of the month that was asked for, or of several.
    Month,
    /// Days of the month have no file, and all were asked for.
    MissingDays,
    /// A name does not say which day, or how the file is written.
    Name,
    /// The same data is there twice.
    Twice,
    /// Something of a kind that cannot be read: a socket, an encryption zone, another file system.
    Unsupported,
    /// It is being written to.
    Changed,
    /// The bytes are not those that were written.
    Damaged,
    /// A server does not answer, or cannot deliver.
    Unreachable,
    /// This user may not.
    Denied,
    /// Another process holds the cache.
    CacheBusy,
    /// The cache does not hold it, and no server may be asked.
    NotCached,
    /// The disk is full, or does not take a file so large.
    NoSpace,
    /// Any other failure of the operating system.
    Io,
    /// A bug of this program or of its libraries.
    Internal,
}

impl LakeErrorKind {
    /// What to do where nothing better is known.
    fn advice(self) -> Option<&'static str> {
        Some(match self {
            LakeErrorKind::NotFound => "check the path; a relative one starts at the current folder",
            LakeErrorKind::Month => "choose one with --month YYYY-MM",
            LakeErrorKind::Changed => "run again when nothing writes to the lake any more",
            LakeErrorKind::Damaged => "get this file again from where it was made; nothing was published",
            LakeErrorKind::Unreachable => "check that the server runs and that host and port are right, then run again",
            LakeErrorKind::Denied => "grant this user read permission, or run as a user who has it",
            LakeErrorKind::CacheBusy => "wait for it to end, or give another folder with --cache",
            LakeErrorKind::NotCached => "run again without --offline to pull it",
            LakeErrorKind::NoSpace => "free disk space, then run again",
            LakeErrorKind::Io => {
                "see whether the disk or server that holds it is sound, then run again; nothing was published"
            }
            LakeErrorKind::Internal => "run again, and report this if it comes again",
            LakeErrorKind::Input
            | LakeErrorKind::MissingDays
            | LakeErrorKind::Name
            | LakeErrorKind::Twice
            | LakeErrorKind::Unsupported => return None,
        })
    }
}

impl LakeError {
    /// `what` failed at `uri`.
    pub fn new(kind: LakeErrorKind, uri: impl Into<String>, what: impl Into<String>) -> LakeError {
        LakeError { kind, uri: uri.into(), what: what.into(), advice: None }
    }

    /// The operating system refused `doing` at `uri`.
    pub fn io(uri: impl Into<String>, doing: impl Display, source: &std::io::Error) -> LakeError {
        let io_kind = IoKind::of(source);
        let kind = match io_kind {
            IoKind::Denied | IoKind::ReadOnly => LakeErrorKind::Denied,
            IoKind::NoSpace | IoKind::TooLarge => LakeErrorKind::NoSpace,
            IoKind::Gone => LakeErrorKind::NotFound,
            _ => LakeErrorKind::Io,
        };
        LakeError::new(kind, uri, format!("{doing} failed: {source}")).advise(io_kind.advice(Access::Read))
    }

    /// As [`LakeError::io`], for a path of this machine.
    pub(crate) fn io_at(path: &Path, doing: impl Display, source: &std::io::Error) -> LakeError {
        LakeError::io(path.display().to_string(), doing, source)
    }

    /// The same error with something better to do about it than its kind knows.
    #[must_use]
    pub fn advise(mut self, text: impl Into<String>) -> LakeError {
        self.advice = Some(text.into());
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> LakeErrorKind {
        self.kind
    }
}

impl Advice for LakeError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        self.advice.as_deref().or(self.kind.advice()).map(Cow::Borrowed)
    }
}
