//! The original dashboard as a Tableau workbook: packaged with its rows (`.twbx`), or live on MySQL (`.twb`, `.tds`).
//!
//! Everything is made from one list of typed fields ([`field`]). The file format is that of Tableau Desktop 2024.2 and
//! newer: base version 18.1 and a list of the features used. Names of what a schema cannot check (pills, filters,
//! zones, windows) are derived from one description of the sheets and checked against each other by the tests.

mod csv;
mod datasource;
mod field;
mod hyper;
mod ident;
mod outlet;
mod package;
mod sheet;
mod workbook;
mod xml;

pub use csv::{Contracts, RowSource, TableRows, WarehouseRows};
pub use datasource::{CSV_MEMBER, Connection, HYPER_MEMBER, datasource};
pub use package::{PackageError, Packaged, RowFormat, WORKBOOK_MEMBER, package, read_mark};
pub use workbook::{Subject, workbook};

#[cfg(test)]
mod lint;
#[cfg(test)]
mod tests;
