//! The month files that arguments name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MonthFileError;
use super::summed::is_summed;

/// How a file was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Named,
    InFolder,
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
