//! The one error of the program: which stage failed decides the exit code, the room it comes from gives the words.

use std::borrow::Cow;

use crate::advice::{Advice, BOUND_SECONDS};
use crate::fs::error::OutputError;
use crate::gate::{Imbalance, Refusal};
use crate::lake::LakeError;
use crate::month_file::MonthFileError;
use crate::threads::ThreadsError;
use crate::warehouse::{Fault, WarehouseError};

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
    /// An output could not be written. Exit code 6.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The machine gave no threads. Exit code 1.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
}

/// Data that cannot be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Limits are passed.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// The ledger does not balance.
    #[error(transparent)]
    Ledger(#[from] Imbalance),
    /// A CSV header that does not say where the columns are.
    #[error("{file}: line 1: the header {what}")]
    Header {
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
            DataError::Ledger(_) => "this is a bug worth reporting",
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
            Error::Output(_) => "output",
            Error::Threads(_) => "machine",
        }
    }

    /// What kind of failure it is, in a word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Usage { .. } => "usage",
            Error::Lake(_) => "lake",
            Error::Data(DataError::Refused(refusal)) => refusal.kind(),
            Error::Data(DataError::Ledger(_)) => "ledger",
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
            Error::Output(error) => error.kind(),
            Error::Threads(_) => "threads",
        }
    }

    /// The exit code of the program for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage { .. } => 2,
            Error::Lake(_) => 3,
            Error::Data(_) => 4,
            Error::Warehouse(_) => 5,
            Error::Output(_) => 6,
            Error::Threads(_) => 1,
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
            Error::Output(error) => error.advice(),
            Error::Threads(error) => error.advice(),
        }
    }
}

impl From<Box<Refusal>> for Error {
    fn from(refusal: Box<Refusal>) -> Error {
        Error::Data(refusal.into())
    }
}

impl From<Imbalance> for Error {
    fn from(imbalance: Imbalance) -> Error {
        Error::Data(imbalance.into())
    }
}

impl From<MonthFileError> for Error {
    fn from(error: MonthFileError) -> Error {
        use MonthFileError::{Empty, Missing, Months, NoDevices, OtherMonth, OtherRecords, TaskList};
        match error {
            Missing { .. }
            | Empty { .. }
            | Months { .. }
            | OtherMonth { .. }
            | OtherRecords { .. }
            | NoDevices { .. }
            | TaskList { .. } => Error::Usage { what: error.to_string(), advice: error.advice().map(Cow::into_owned) },
            error => Error::Data(DataError::MonthFile(Box::new(error))),
        }
    }
}
