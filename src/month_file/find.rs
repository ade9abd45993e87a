//! The month files that arguments name, and of which months they say they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader};

use super::metadata::{Entries, LIST_KEY};
use super::part_file::Between;
use super::part_rows::PartRows;
use super::summed::is_summed;
use super::{FileFlaw, MonthFileError};
use crate::engine::calendar::Month;

/// How a file was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Named,
    InFolder,
}

/// The month files at `inputs` by the month that each says it is of, of which no more is read. Lists of customers in
/// folders are passed over.
///
/// # Errors
/// As [`find_files`], and a file that is no month file.
pub fn find_months(inputs: &[PathBuf]) -> Result<BTreeMap<Month, Vec<PathBuf>>, MonthFileError> {
    let mut by_month: BTreeMap<Month, Vec<PathBuf>> = BTreeMap::new();
    for (path, origin) in find(inputs)? {
        let month = match told_month(&path) {
            Some(month) => Ok(month),
            // What is wrong with it is found out by whoever reads it.
            None => PartRows::open(&path, Between::Closed).map(|part| part.header().month),
        };
        match month {
            Err(MonthFileError::Unusable { flaw: FileFlaw::List, .. }) if origin == Origin::InFolder => {}
            month => by_month.entry(month?).or_default().push(path),
        }
    }
    match by_month.is_empty() {
        true => Err(MonthFileError::Empty { folder: inputs.first().cloned().unwrap_or_default() }),
        false => Ok(by_month),
    }
}

/// The month that a file says it is of; none of what is no month file.
fn told_month(path: &Path) -> Option<Month> {
    Entries::of(metadata(path)?.file_metadata()).told_month()
}

/// Whether a file is a list of customers that `viewmart audience` wrote.
pub fn is_list(path: &Path) -> bool {
    metadata(path).is_some_and(|metadata| is_marked_as_list(metadata.file_metadata().key_value_metadata()))
}

/// What a file says of itself; none of what is not Parquet or cannot be read.
fn metadata(path: &Path) -> Option<ParquetMetaData> {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(path).ok()?).ok()
}

/// Whether metadata are those of a list.
pub(super) fn is_marked_as_list(entries: Option<&Vec<KeyValue>>) -> bool {
    entries.into_iter().flatten().any(|entry| entry.key == LIST_KEY)
}

/// The month files at `inputs`, files and folders of them.
///
/// # Errors
/// An argument that names nothing, a folder without a month file or one that cannot be read.
pub fn find_files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, MonthFileError> {
    Ok(find(inputs)?.into_iter().map(|(path, _)| path).collect())
}

/// The month files at `inputs`, by their real paths.
pub(super) fn find(inputs: &[PathBuf]) -> Result<Vec<(PathBuf, Origin)>, MonthFileError> {
    let mut found: BTreeMap<PathBuf, (PathBuf, Origin)> = BTreeMap::new();
    for input in inputs {
        let metadata = match fs::metadata(input) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(MonthFileError::Missing { path: input.clone() });
            }
            Err(source) => return Err(MonthFileError::Read { file: input.clone(), source }),
        };
        if !metadata.is_dir() {
            found.insert(real(input)?, (input.clone(), Origin::Named));
            continue;
        }
        let mut files = Vec::new();
        walk(input, &mut BTreeSet::new(), &mut files)?;
        if files.is_empty() {
            return Err(MonthFileError::Empty { folder: input.clone() });
        }
        for file in files {
            found.entry(real(&file)?).or_insert((file, Origin::InFolder));
        }
    }
    Ok(found.into_values().collect())
}

/// All month files below `folder`. `open` are the real paths of the folders it lies in: a link back to one leads nowhere
/// new.
fn walk(folder: &Path, open: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<(), MonthFileError> {
    let real = real(folder)?;
    if !open.insert(real.clone()) {
        return Ok(());
    }
    if is_summed(folder) {
        files.push(folder.to_owned());
        open.remove(&real);
        return Ok(());
    }
    let failed = |source| MonthFileError::Read { file: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.starts_with(b"_") || name.starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            walk(&path, open, files)?;
        } else if name.ends_with(b".parquet") {
            files.push(path);
        }
    }
    open.remove(&real);
    Ok(())
}

fn real(path: &Path) -> Result<PathBuf, MonthFileError> {
    fs::canonicalize(path).map_err(|source| MonthFileError::Read { file: path.to_owned(), source })
}
