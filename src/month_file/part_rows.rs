//! What parts of a month come as.

use std::collections::BTreeMap;
use std::path::Path;

use super::MonthFileError;
use super::metadata::Header;
use super::part_file::{Between, PartFile};
use super::read::FileRows;
use super::summed::SummedFolder;
use crate::engine::devices::RowDevices;
use crate::engine::partial::{Row, RowStream};

/// The rows of a part, and what it says of itself.
pub(super) enum PartRows {
    /// A month file.
    File(Box<FileRows<PartFile>>),
    /// A folder of rows that another engine added up.
    Folder(Box<SummedFolder>),
}

impl PartRows {
    /// The part at `path`; a file stays open or not `between` two reads.
    pub fn open(path: &Path, between: Between) -> Result<PartRows, MonthFileError> {
        match path.is_dir() {
            true => SummedFolder::open(path, between).map(Box::new).map(PartRows::Folder),
            false => FileRows::open(path, between).map(Box::new).map(PartRows::File),
        }
    }

    /// How many files the part at `path` keeps open, where they stay open between two reads.
    pub fn n_files(path: &Path) -> usize {
        if path.is_dir() { SummedFolder::n_files(path) } else { 1 }
    }

    /// What was odd about its lake when it was cut into tasks, where the part knows.
    pub fn warnings(&self) -> Option<&BTreeMap<String, Vec<String>>> {
        match self {
            PartRows::File(_) => None,
            PartRows::Folder(folder) => Some(&folder.warnings),
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            PartRows::File(file) => file.path(),
            PartRows::Folder(folder) => folder.path(),
        }
    }

    /// Reads the names of the devices too, where they were counted. Called before the first row is reached.
    pub fn read_names(&mut self, between: Between) -> Result<(), MonthFileError> {
        match self {
            PartRows::File(file) => file.read_names(between),
            // Streams have none.
            PartRows::Folder(_) => Ok(()),
        }
    }

    pub fn header(&self) -> &Header {
        match self {
            PartRows::File(file) => &file.header,
            PartRows::Folder(folder) => &folder.header,
        }
    }
}

impl RowStream for PartRows {
    type Error = MonthFileError;

    fn advance(&mut self) -> Result<bool, MonthFileError> {
        match self {
            PartRows::File(file) => file.advance(),
            PartRows::Folder(folder) => folder.advance(),
        }
    }

    fn row(&self) -> Row<'_> {
        match self {
            PartRows::File(file) => file.row(),
            PartRows::Folder(folder) => folder.row(),
        }
    }

    fn devices(&self) -> RowDevices<'_> {
        match self {
            PartRows::File(file) => file.devices(),
            PartRows::Folder(folder) => folder.devices(),
        }
    }
}
