//! What can go wrong in a warehouse.

use std::borrow::Cow;
use std::path::PathBuf;

use super::Fault;
use crate::advice::Advice;
use crate::engine::calendar::Month;

/// A failed warehouse or mart stage. Nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WarehouseError {
    /// A step that was not done.
    #[error("{at}: {doing} failed: {fault}")]
    Database {
        /// Address of the warehouse, without a password.
        at: String,
        /// What was being done, for example "staging rows".
        doing: &'static str,
        /// Why it was not.
        fault: Box<Fault>,
    },
    /// Sums or counts in the database differ from the ledger.
    #[error("{at}: {what} is {found} in the database, but {expected} in the ledger; nothing was published")]
    Check {
        /// Address of the warehouse, without a password.
        at: String,
        /// What was compared.
        what: String,
        /// The value in the ledger.
        expected: i128,
        /// The value in the database.
        found: i128,
    },
    /// The tables of a month contradict each other.
    #[error("{at}: the tables of {month} do not belong together: {what}; the mart was not built")]
    Mixed {
        /// Address of the warehouse, without a password.
        at: String,
        month: Month,
        /// Two values that should be one.
        what: String,
    },
    /// The mart of a month was not built from the run that stands.
    #[error(
        "{at}: the mart of {month} was built from run {mart_run}, but run {run} stands: their numbers would be mixed"
    )]
    Stale {
        /// Address of the warehouse, without a password.
        at: String,
        month: Month,
        /// The run that the mart was built from.
        mart_run: i64,
        /// The run that stands; 0 when there is none.
        run: i64,
    },
    /// The address is not one that viewmart knows.
    #[error("`{url}` is not a warehouse: {why}")]
    Address {
        /// The address as given, with any password blotted out.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// An option file of the MySQL clients cannot be used.
    #[error("{path}: {why}", path = path.display())]
    OptionFile {
        path: PathBuf,
        /// What is wrong with it, and on which line. Never a value.
        why: String,
    },
}

impl WarehouseError {
    /// The step `doing` was not done in the warehouse `at`.
    pub(crate) fn step(at: impl Into<String>, doing: &'static str, fault: Fault) -> WarehouseError {
        WarehouseError::Database { at: at.into(), doing, fault: Box::new(fault) }
    }

    /// Why a step was not done, where it is that which failed.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            WarehouseError::Database { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

impl Advice for WarehouseError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        match self {
            WarehouseError::Database { fault, .. } => fault.advice(),
            WarehouseError::Check { .. } => Some("run again; if it repeats, this is a bug worth reporting".into()),
            WarehouseError::Mixed { .. } => Some(
                "a run was ended while it published, or somebody changed the tables: load the month again with \
                 `viewmart run` or `viewmart load`"
                    .into(),
            ),
            WarehouseError::Stale { month, .. } => {
                Some(format!("build it with `viewmart mart --month {month}`, or wait for the run that is at it").into())
            }
            WarehouseError::OptionFile { .. } => Some("correct the file, or name another with --defaults-file".into()),
            WarehouseError::Address { .. } => Some("write `sqlite:PATH` or `mysql://user@host:port/database`".into()),
        }
    }
}
