//! The one error of the program: which stage failed decides the exit code, the room it comes from gives the words.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::gate::Refusal;
use crate::lake::LakeError;
use crate::month_file::MonthFileError;
use crate::warehouse::{Fault, WarehouseError};

/// What to do about seconds that add up to more than 64 bits hold.
pub(crate) const BOUND_SECONDS: &str = "bound the seconds of a record with `max_seconds` in the rules";

/// An error that can say what to do next.
pub trait Advice: std::error::Error {
    /// One sentence for the user, without a final period, or `None` where there is nothing to add.
    fn advice(&self) -> Option<Cow<'_, str>>;
}

/// Why a run ended without its result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Wrong flags, variables, configuration file or rules. Exit code 2.
    #[error("{what}")]
    Usage {
        /// What is wrong and where.
        what: String,
        /// What to do next.
        advice: Option<String>,
    },
    /// The lake could not be listed or read to its end. Exit code 3.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// The data was refused as a whole: reject limit, ledger, a header without the columns. Exit code 4.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The warehouse or the mart failed. Exit code 5.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// Another run holds the output folder. Exit code 6.
    #[error(
        "{folder}: another viewmart is writing to this folder; it is not waited for, as this one would only replace what that \
         one wrote",
        folder = folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// Two outputs of one command, or an output and what it reads, are the same file. Exit code 6.
    #[error("{path}: {clash}", path = path.display())]
    Clash {
        /// The output.
        path: PathBuf,
        /// What else it is.
        clash: Clash,
    },
    /// An output file could not be written or read back. Exit code 6.
    #[error("{path}: {doing} failed: {source}", path = path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What was being done, for example "writing the report".
        doing: &'static str,
        /// The cause.
        source: std::io::Error,
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
    Output {
        /// Its path.
        path: PathBuf,
    },
}

/// Data that cannot be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Limits are passed.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The ledger does not balance.
    #[error("the ledger does not balance: {what}; nothing was published")]
    Ledger {
        /// The two sides that differ.
        what: String,
    },
    /// A CSV header that does not say where the columns are.
    #[error("{file}: line 1: the header {what}")]
    Header {
        /// The file.
        file: String,
        /// What is wrong with it, and what the file is where that is known.
        what: String,
        /// What to do about that.
        next: Option<Box<str>>,
    },
    /// A sum of seconds leaves 64 bits.
    #[error("the seconds of {what} do not fit in 64 bits; nothing was published")]
    Overflow {
        /// Whose seconds.
        what: String,
    },
    /// More customers than a scan may hold in memory.
    #[error("the task has more than {limit} contracts, which --max-contracts allows")]
    TooManyContracts {
        /// How many it may have.
        limit: u64,
    },
    /// A month file that viewmart did not write, or whose content contradicts its metadata.
    #[error(transparent)]
    MonthFile(Box<MonthFileError>),
}

impl Advice for DataError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(match self {
            DataError::Refused(refusal) => return Some(Cow::Owned(refusal.advice())),
            DataError::Ledger { .. } => "this is a bug worth reporting",
            DataError::Header { next: Some(next), .. } => return Some(Cow::Borrowed(next)),
            DataError::Header { .. } => {
                "the header needs Contract, TotalDuration and AppName, or one column _source with the JSON object"
            }
            DataError::Overflow { .. } => BOUND_SECONDS,
            DataError::TooManyContracts { .. } => {
                "make smaller tasks with --split of `viewmart plan`, or raise --max-contracts"
            }
            DataError::MonthFile(error) => return error.advice(),
        }))
    }
}

impl Error {
    /// Whether nothing was published because another run made the month meanwhile.
    pub fn is_made_meanwhile(&self) -> bool {
        matches!(self, Error::Warehouse(error) if matches!(error.fault(), Some(Fault::MadeMeanwhile { .. })))
    }

    /// The part of a run that failed, in a word for machines.
    pub fn stage(&self) -> &'static str {
        match self {
            Error::Usage { .. } => "usage",
            Error::Lake(_) => "lake",
            Error::Data(_) => "data",
            Error::Warehouse(_) => "warehouse",
            Error::Busy { .. } | Error::Clash { .. } | Error::Output { .. } => "output",
        }
    }

    /// What kind of failure it is, in a word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Usage { .. } => "usage",
            Error::Lake(_) => "lake",
            Error::Data(DataError::Refused(refusal)) => refusal.kind(),
            Error::Data(DataError::Ledger { .. }) => "ledger",
            Error::Data(DataError::Header { .. }) => "header",
            Error::Data(DataError::Overflow { .. }) => "overflow",
            Error::Data(DataError::TooManyContracts { .. }) => "too_many_contracts",
            Error::Data(DataError::MonthFile { .. }) => "month_file",
            Error::Warehouse(WarehouseError::Database { .. }) => "database",
            Error::Warehouse(WarehouseError::Check { .. }) => "check",
            Error::Warehouse(WarehouseError::Mixed { .. }) => "mixed",
            Error::Warehouse(WarehouseError::Stale { .. }) => "stale",
            Error::Warehouse(WarehouseError::Address { .. }) => "address",
            Error::Warehouse(WarehouseError::OptionFile { .. }) => "option_file",
            Error::Busy { .. } => "busy",
            Error::Clash { .. } => "clash",
            Error::Output { .. } => "output",
        }
    }

    /// The exit code of the program for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage { .. } => 2,
            Error::Lake(_) => 3,
            Error::Data(_) => 4,
            Error::Warehouse(_) => 5,
            Error::Busy { .. } | Error::Clash { .. } | Error::Output { .. } => 6,
        }
    }
}

impl Advice for Error {
    fn advice(&self) -> Option<Cow<'_, str>> {
        match self {
            Error::Usage { advice, .. } => advice.as_deref().map(Cow::Borrowed),
            Error::Lake(error) => error.advice(),
            Error::Data(error) => error.advice(),
            Error::Warehouse(error) => error.advice(),
            Error::Busy { .. } => Some("wait for that run to end, or name another folder with --out".into()),
            Error::Clash { .. } => Some("give that output another place with --out or --report".into()),
            Error::Output { source, .. } => Some(advice_on(source).into()),
        }
    }
}

/// What to do about an error of the operating system with an output file.
fn advice_on(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room there or name a place with more, then run again"
        }
        ErrorKind::PermissionDenied => "give this user write permission there, or name another place",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only; name another place",
        ErrorKind::IsADirectory => "a folder has the name of the file: move it away, or name another place",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file has the name of a folder: move it away, or name another place"
        }
        ErrorKind::NotFound => "check the spelling of the path, and that it was not removed meanwhile",
        ErrorKind::BrokenPipe => "whoever reads it ended too early; run again when it reads to the end",
        ErrorKind::InvalidFilename => "name a place with a shorter path",
        _ => "look after the disk or server that holds it, then run again",
    }
}
