//! Why an output could not be written.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use crate::advice::{Access, Advice, IoKind};

/// Why an output could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Another run holds the output folder.
    #[error(
        "{folder}: another viewmart is writing to this folder; it is not waited for, as this one would only replace what that \
         one wrote",
        folder = folder.display()
    )]
    Busy { folder: PathBuf },
    /// Two outputs of one command, or an output and what it reads, are the same file.
    #[error("{path}: {clash}", path = path.display())]
    Clash {
        /// The output.
        path: PathBuf,
        /// What else it is.
        clash: Clash,
    },
    /// The operating system refused it.
    #[error("{path}: {doing} failed: {source}", path = path.display())]
    Io {
        path: PathBuf,
        /// What was being done, for example "writing the report".
        doing: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
}

/// What a file is that cannot be an output too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// Something that the command reads or works in.
    #[error("this is {what}, {path}", path = path.display())]
    Input {
        /// What it is, in a word.
        what: &'static str,
        /// Its path as it was given.
        path: PathBuf,
    },
    /// Another of its outputs.
    #[error("another output has that file too, {path}", path = path.display())]
    Output { path: PathBuf },
}

impl OutputError {
    /// The operating system refused `doing` at `path`.
    pub fn io(path: impl AsRef<Path>, doing: &'static str, source: io::Error) -> OutputError {
        OutputError::Io { path: path.as_ref().to_owned(), doing, source }
    }

    /// Its kind, in a word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            OutputError::Busy { .. } => "busy",
            OutputError::Clash { .. } => "clash",
            OutputError::Io { .. } => "output",
        }
    }
}

impl Advice for OutputError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(match self {
            OutputError::Busy { .. } => "wait for that run to end, or name another folder with --out",
            OutputError::Clash { .. } => "give that output another place with --out or --report",
            OutputError::Io { source, .. } => IoKind::of(source).advice(Access::Write),
        }))
    }
}
