//! The month file: a month, or a part of one, as Parquet. It is closed under merging, so it makes no difference where and
//! in how many pieces a lake was read.
//!
//! The columns are those of `customer_behavior` and the days of each customer, rows in key order, and any Parquet reader
//! can use them. What else is known stands in the key-value metadata ([`metadata`]): rules, ledger, sums by day, and what
//! was read of which file. Nothing there is a judgement of a month, which a part could not make: no warning, no median,
//! no missing day.
//!
//! ```text
//! MonthTable -> write -> file -> rows -> merge -> file
//!                                             \-> MonthTable
//! ```
//!
//! Where devices were counted a file has one column more, and another file lies beside it ([`devices`]).
//!
//! Reading takes contracts, days and seconds and makes the other columns anew, so that a file never says more than it can
//! prove: the rows are held against the ledger, and the labels in the file against those that follow from its rules. A
//! file that was tampered with and given a checksum that fits is refused all the same.

mod agree;
mod chunk;
mod devices;
mod encode;
mod error;
mod find;
mod group;
mod merge;
mod metadata;
mod part_file;
mod part_rows;
mod read;
mod stream;
mod summed;
mod summed_file;
mod tasks;
mod write;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;

use jiff::civil::Date;

use crate::engine::columns::{Column, ColumnType, Output, held_by};
use crate::engine::month::MonthTable;

pub use devices::{DEVICES_ENDING, Seal, devices_beside, write_devices};
pub use error::{FileFlaw, Mismatch, MonthFileError};
pub use find::{find_files, find_months, is_list};
pub use merge::{Merge, MergeOptions, MergeWriteError, PartDevices};
pub use metadata::LIST_KEY;
pub use stream::{RowWriter, StreamOf};
pub use tasks::{GapPolicy, TaskBytes, TaskList};
pub use write::{check_apps, write, write_sealed};

/// Version of what stands in the metadata.
const FORMAT: &str = "2";

/// Most names of apps that a file holds: they all stand in its metadata.
const MAX_APPS: usize = 1_000_000;

/// Reads a month file, whatever part of a month it holds.
///
/// # Errors
/// Where the file cannot be read or is not a month file, or its columns contradict its metadata.
pub fn read(path: &Path) -> Result<MonthTable, MonthFileError> {
    Merge::open(&[path.to_owned()], &MergeOptions::default())?.into_table()
}

/// The Parquet schema of a file with these columns.
fn schema(columns: &[Column]) -> String {
    let field = |column: &Column| {
        let (name, kind) = (column.name, column.column_type);
        match kind {
            ColumnType::Date => format!("required int32 {name} (DATE);"),
            ColumnType::Text { .. } => format!("required binary {name} (STRING);"),
            ColumnType::BigInt => format!("required int64 {name};"),
            ColumnType::Int => format!("required int32 {name};"),
        }
    };
    format!("message month {{ {} }}", held_by(columns, Output::MonthFile).map(field).collect::<Vec<_>>().join(" "))
}

/// As Parquet's DATE counts days.
pub(crate) fn days_since_epoch(date: Date) -> i32 {
    // Dates of years 0 to 9999 fit many times over.
    (date - Date::constant(1970, 1, 1)).get_days()
}
