//! Why a month file cannot be used, or several cannot be merged.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use crate::advice::{Access, Advice, BOUND_SECONDS, IoKind};
use crate::engine::calendar::Month;
use crate::engine::ledger::LedgerConflict;
use crate::engine::partial::{Flaw, Overflow};

/// Names that a message lists before it only counts the others.
const N_LISTED: usize = 10;

/// Why month files cannot be read or merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonthFileError {
    /// An argument that names nothing.
    #[error("{path}: no such file or folder", path = path.display())]
    Missing {
        /// The argument.
        path: PathBuf,
    },
    /// A folder without a month file.
    #[error("{folder}: holds no month file (*.parquet)", folder = folder.display())]
    Empty { folder: PathBuf },
    /// Month files of several months, none of which was asked for.
    #[error("the month files are of several months: {}", list(.months))]
    Months {
        /// The months, with a file of each.
        months: Vec<String>,
    },
    /// A month file of another month than the one asked for.
    #[error("{file}: is of {found}, not of {asked}", file = file.display())]
    OtherMonth {
        file: PathBuf,
        found: Month,
        /// The month asked for.
        asked: Month,
    },
    /// Rules that label customers anew, but would have kept other records.
    #[error("{file}: its records were decided by other rules than those of `{rules}`", file = file.display())]
    OtherRecords {
        file: PathBuf,
        /// Name of the rules asked for.
        rules: String,
    },
    /// A file that cannot be read to its end.
    #[error("{file}: reading the month file failed: {source}", file = file.display())]
    Read {
        file: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file that this program did not write, or that is damaged.
    #[error("{file}: {flaw}", file = file.display())]
    Unusable {
        file: PathBuf,
        /// What is wrong with it.
        flaw: FileFlaw,
    },
    /// A month file whose devices were counted, without the file that names them.
    #[error("{file}: its devices cannot be united without {beside}, which is not there",
            file = file.display(), beside = beside.display())]
    NoDeviceFile {
        file: PathBuf,
        /// The file that is missing.
        beside: PathBuf,
    },
    /// A file of devices that is damaged, or of another month file than the one beside it.
    #[error("{file}: it cannot be used: {why}", file = file.display())]
    DeviceFile {
        file: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A month file whose devices were not counted, where they are asked for.
    #[error("{file}: its devices were not counted", file = file.display())]
    NoDevices { file: PathBuf },
    /// Two files that do not belong together.
    #[error("{one} and {other} cannot be merged: {mismatch}", one = one.display(), other = other.display())]
    Apart {
        /// One file.
        one: PathBuf,
        other: PathBuf,
        /// Why.
        mismatch: Box<Mismatch>,
    },
    /// A sum that does not fit.
    #[error("{0}; nothing was published")]
    Overflow(#[from] Overflow),
    /// More names of apps than a file can hold.
    #[error("the records name {n_apps} apps, a month file holds at most {max}", max = super::MAX_APPS)]
    TooManyApps {
        /// How many.
        n_apps: usize,
    },
    /// Parts that are not all of the files they name.
    #[error("{n_files} of the data files are incomplete: {}", list(.missing))]
    Incomplete {
        /// How many.
        n_files: usize,
        /// Each with the bytes that are missing.
        missing: Vec<String>,
    },
    /// A task list that cannot be read as one.
    #[error("{plan}: {why}", plan = plan.display())]
    TaskList {
        plan: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Parts that are not the tasks of a list.
    #[error("{plan}: the parts are not its tasks: {}", list(.differences), plan = plan.display())]
    NotAsPlanned {
        /// The task list.
        plan: PathBuf,
        /// What is missing, too much or other than planned.
        differences: Vec<String>,
    },
}

/// Why two files cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// The devices of one were counted, those of the other not.
    #[error("the devices of the first were counted, those of the second were not")]
    Devices,
    /// They hold the same bytes, or different versions, of a data file.
    #[error(transparent)]
    Ledger(#[from] LedgerConflict),
    /// Their records were decided by different rules.
    #[error("their records were decided by different rules, `{one}` and `{other}`")]
    RecordRules {
        /// Name of the rules of one.
        one: String,
        /// Name of the rules of the other.
        other: String,
    },
    /// Their customers were labelled by different rules.
    #[error("their customers were labelled by different rules, `{one}` and `{other}`")]
    LabelRules {
        /// Name of the rules of one.
        one: String,
        /// Name of the rules of the other.
        other: String,
    },
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFlaw {
    /// Not Parquet at all.
    #[error("it is not Parquet: {0}")]
    NotParquet(String),
    /// Parquet of something else.
    #[error("it has the columns {found}, expected {expected}")]
    Columns {
        /// Its columns.
        found: String,
        /// Those of a month file.
        expected: String,
    },
    /// Customers of an audience.
    #[error("it is a list of customers that `viewmart audience` wrote, no month file")]
    List,
    /// Rows that Spark wrote, in a folder that lacks what the tasks counted.
    #[error("Spark wrote it, and beside it is no _viewmart.json: nobody has held its rows against the tasks")]
    Unaccepted,
    /// Written by another version of this program.
    #[error("it is a month file of format {found}, this program reads format {}", super::FORMAT)]
    Format {
        /// Its format.
        found: String,
    },
    /// Other bytes than were written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Metadata that lacks something or says something impossible.
    #[error("`viewmart.{key}` in its metadata {why}")]
    Metadata {
        key: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Columns and metadata that cannot both be true.
    #[error(transparent)]
    Content(#[from] Flaw),
    /// A value that does not follow from the others of its row and the rules.
    #[error("{column} of row {row} is {found}, it must be {expected}")]
    Cell {
        /// The row, from 0.
        row: usize,
        column: &'static str,
        /// The value.
        found: String,
        /// What it must be.
        expected: String,
    },
}

impl Advice for MonthFileError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        use FileFlaw::Format;
        Some(Cow::Borrowed(match self {
            MonthFileError::Missing { .. } => "check the path; a relative one starts at the current folder",
            MonthFileError::Empty { .. } => "make month files with `viewmart transform`",
            MonthFileError::Months { .. } => "choose one with --month YYYY-MM",
            MonthFileError::OtherMonth { .. } => "leave the file out, or choose its month with --month",
            MonthFileError::OtherRecords { .. } => {
                "only labels can be made anew from a month file; run `viewmart transform` with these rules"
            }
            MonthFileError::Read { source, .. } => IoKind::of(source).advice(Access::Read),
            MonthFileError::Unusable { flaw: FileFlaw::Unaccepted, .. } => {
                "run viewmart_spark.py again: it writes that file when every task is counted once"
            }
            MonthFileError::Unusable { flaw: FileFlaw::List, .. } => "name the month file that it was made from",
            MonthFileError::Unusable { flaw: Format { .. }, .. } | MonthFileError::Unusable { .. } => {
                "make it again from the lake with `viewmart transform`"
            }
            MonthFileError::NoDeviceFile { .. } => {
                "put it beside the month file again, or make both again with `viewmart transform --devices`"
            }
            MonthFileError::DeviceFile { .. } => "make it and its month file again with `viewmart transform --devices`",
            MonthFileError::NoDevices { .. } => "leave --devices out, or make the parts again with it",
            MonthFileError::Apart { mismatch, .. } => match &**mismatch {
                Mismatch::Ledger(LedgerConflict::Overlap { .. }) => "leave one of the two out",
                Mismatch::Ledger(LedgerConflict::FileChanged { .. }) => {
                    "the file changed in between; make both parts again from the lake as it is now"
                }
                Mismatch::Ledger(LedgerConflict::UniqueIds { .. }) => {
                    "make one part of all files of the day: give them together to `viewmart transform --unique-ids`"
                }
                Mismatch::Ledger(LedgerConflict::AppMoved { .. }) | Mismatch::RecordRules { .. } => {
                    "make both parts again with the same rules"
                }
                Mismatch::Devices => "make both parts again, both with --devices or both without",
                Mismatch::LabelRules { .. } => "name the rules that label the customers with --rules",
            },
            MonthFileError::Overflow(_) => BOUND_SECONDS,
            MonthFileError::TooManyApps { .. } => "AppName seems to hold something else than names of apps",
            MonthFileError::Incomplete { .. } => {
                "give the parts that are missing too, or take what is there with --allow-partial"
            }
            MonthFileError::TaskList { .. } => "make the list again with `viewmart plan`",
            MonthFileError::NotAsPlanned { .. } => {
                "run the tasks that are missing and leave other parts out; if the lake has changed, plan it again"
            }
        }))
    }
}

/// The first few, and how many more.
fn list(names: &[String]) -> String {
    let listed = names.iter().take(N_LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(N_LISTED) {
        0 => listed,
        n_more => format!("{listed} and {n_more} more"),
    }
}
