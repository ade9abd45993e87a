//! From what a walk found to the files of one month. The same for every kind of lake.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Compression, DataFile, Format, LakeError, Listing, names};
use crate::engine::calendar::{Day, Month};
use crate::units::counted;

/// What to take from a lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The month. `None`: the only month found.
    pub month: Option<Month>,
    /// How the records of all files are written. `None`: as the ending of each file says.
    pub format: Option<Format>,
}

/// A file that a walk found, not yet judged by its name.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As in [`DataFile::uri`].
    pub uri: String,
    /// As in [`DataFile::path`].
    pub path: PathBuf,
    /// The path, separated by `/`, whose names tell the day.
    pub named_by: String,
    /// As in [`DataFile::n_bytes`].
    pub n_bytes: u64,
    /// As in [`DataFile::modified_ms`].
    pub modified_ms: i64,
}

/// The files of the month among `found`. `n_left_out` names were left out before; `inputs` is for messages.
pub(crate) fn select(
    inputs: &str,
    mut found: Vec<Found>,
    n_left_out: u64,
    options: &ListOptions,
) -> Result<Listing, LakeError> {
    found.sort_by(|a, b| a.uri.cmp(&b.uri).then_with(|| a.path.cmp(&b.path)));
    if found.is_empty() {
        let left_out = match n_left_out {
            0 => String::new(),
            n => format!(", only {n} hidden or temporary names (`_…`, `.…`, .crc, .tmp, .inprogress, ._COPYING_)"),
        };
        return Err(LakeError::at(inputs, format!("holds no data file{left_out}"))
            .advise("data files end in .json, .jsonl, .ndjson or .csv, with .gz or .zst behind it or not"));
    }
    let mut by_month: BTreeMap<Month, Vec<DataFile>> = BTreeMap::new();
    for file in found {
        let format = options.format.or_else(|| names::format_of(&file.named_by)).ok_or_else(|| {
            LakeError::at(
                &file.uri,
                "its ending is not one of a data file (.json, .jsonl, .ndjson, .csv, each also with .gz or .zst)",
            )
            .advise("move it out of the lake, begin its name with `_`, or give --format")
        })?;
        let date = names::day_of(&file.named_by).ok_or_else(|| {
            LakeError::at(&file.uri, "neither its name nor a folder above it has a day (YYYYMMDD or YYYY-MM-DD)")
                .advise("put the day into the name, move the file into a folder such as day=2022-04-01, or begin its name with `_` to leave it out")
        })?;
        let compression: Compression = names::compression_of(&file.named_by);
        let Found { uri, path, n_bytes, modified_ms, .. } = file;
        let file = DataFile {
            uri,
            path,
            day: Day::of(date),
            n_bytes,
            modified_ms,
            local_modified_ms: modified_ms,
            format,
            compression,
        };
        by_month.entry(Month::of(date)).or_default().push(file);
    }
    let months = || {
        let month =
            |(month, files): (&Month, &Vec<DataFile>)| format!("{month} ({})", counted(files.len() as u64, "file"));
        by_month.iter().map(month).collect::<Vec<_>>().join(", ")
    };
    let month = match (options.month, by_month.keys().next()) {
        (Some(month), _) if by_month.contains_key(&month) => month,
        (Some(month), _) => {
            return Err(LakeError::at(inputs, format!("has no file of {month}; it has {}", months()))
                .advise("choose one of these with --month"));
        }
        (None, Some(month)) if by_month.len() == 1 => *month,
        (None, _) => {
            return Err(LakeError::at(inputs, format!("holds several months: {}", months()))
                .advise("choose one with --month YYYY-MM"));
        }
    };
    let files = by_month.remove(&month).unwrap_or_default();
    let n_other_months: usize = by_month.values().map(Vec::len).sum();
    let missing_days = month.days().filter(|day| files.iter().all(|file| file.day != *day)).collect();
    Ok(Listing { month, files, n_skipped: n_left_out + n_other_months as u64, missing_days })
}
