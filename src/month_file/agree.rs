//! What parts must agree on to be of one month: devices, rules and ledger.

use std::path::{Path, PathBuf};

use super::merge::{MergeOptions, PartDevices};
use super::metadata::check_sums;
use super::part_file::Between;
use super::part_rows::PartRows;
use super::write::check_apps;
use super::{FileFlaw, Mismatch, MonthFileError};
use crate::engine::devices::DeviceRows;
use crate::engine::ledger::{FileLedger, LedgerConflict, LedgerDetail};
use crate::engine::rules::Rules;

/// Whether the devices of `parts` were counted, and in how many records. Their names are read where they are needed: to
/// be written, or to unite those of several parts.
pub(super) fn devices(parts: &mut [PartRows], wanted: PartDevices) -> Result<Option<DeviceRows>, MonthFileError> {
    let (counted, others): (Vec<&PartRows>, Vec<_>) = parts.iter().partition(|part| part.header().devices.is_some());
    match (counted.first(), others.first()) {
        (Some(one), Some(other)) => {
            let (one, other) = (one.path().to_owned(), other.path().to_owned());
            return Err(MonthFileError::Apart { one, other, mismatch: Box::new(Mismatch::Devices) });
        }
        (None, Some(other)) if wanted == PartDevices::Named => {
            return Err(MonthFileError::NoDevices { file: other.path().to_owned() });
        }
        (None, _) => return Ok(None),
        (Some(_), None) => {}
    }
    let records = parts.iter().filter_map(|part| part.header().devices.as_ref()).map(|seal| seal.records);
    let n_records = records.fold(0, u64::saturating_add);
    let needs_names = match wanted {
        PartDevices::Named => true,
        PartDevices::Counted => parts.len() > 1,
        PartDevices::LeftOut => false,
    };
    if needs_names {
        let between = Between::of(2 * parts.len());
        parts.iter_mut().try_for_each(|part| part.read_names(between))?;
    }
    Ok(Some(DeviceRows { n_records, ..DeviceRows::default() }))
}

/// The rules that label the customers.
pub(super) fn rules(parts: &[PartRows], options: &MergeOptions) -> Result<Rules, MonthFileError> {
    let Some((first, others)) = parts.split_first() else {
        return Err(MonthFileError::Empty { folder: PathBuf::new() });
    };
    let apart = |other: &PartRows, mismatch| {
        let (one, other) = (first.path().to_owned(), other.path().to_owned());
        Err(MonthFileError::Apart { one, other, mismatch: Box::new(mismatch) })
    };
    let names = |other: &PartRows| (first.header().rules.name.clone(), other.header().rules.name.clone());
    for part in others {
        let (one, other) = names(part);
        if part.header().rules.record.sha256 != first.header().rules.record.sha256 {
            return apart(part, Mismatch::RecordRules { one, other });
        }
        if options.rules.is_none() && part.header().rules.sha256 != first.header().rules.sha256 {
            return apart(part, Mismatch::LabelRules { one, other });
        }
    }
    match &options.rules {
        None => Ok(first.header().rules.clone()),
        Some(rules) if rules.record.sha256 == first.header().rules.record.sha256 => Ok(rules.clone()),
        Some(rules) => Err(MonthFileError::OtherRecords { file: first.path().to_owned(), rules: rules.name.clone() }),
    }
}

/// The ledger of all parts.
pub(super) fn ledger(parts: &[PartRows]) -> Result<LedgerDetail, MonthFileError> {
    let mut all = LedgerDetail::default();
    for (place, part) in parts.iter().enumerate() {
        let apart = |conflict: LedgerConflict| MonthFileError::Apart {
            one: other_side(&conflict, &parts[..place]).unwrap_or(part.path()).to_owned(),
            other: part.path().to_owned(),
            mismatch: Box::new(conflict.into()),
        };
        all.merge(part.header().ledger.clone()).map_err(apart)?;
        let unusable = |flaw: FileFlaw| MonthFileError::Unusable { file: part.path().to_owned(), flaw };
        check_sums(&all).map_err(unusable)?;
    }
    check_apps(&all)?;
    Ok(all)
}

/// The first of `parts` that holds what a later one conflicts with.
fn other_side<'a>(conflict: &LedgerConflict, parts: &'a [PartRows]) -> Option<&'a Path> {
    let holds = |part: &&PartRows| match conflict {
        LedgerConflict::Overlap { uri, bytes } => {
            part.header().ledger.files.iter().any(|FileLedger { file, .. }| {
                file.uri == *uri && file.ranges.iter().any(|range| range.start < bytes.end && bytes.start < range.end)
            })
        }
        LedgerConflict::UniqueIds { day, .. } => part.header().ledger.files.iter().any(|other| other.file.day == *day),
        LedgerConflict::FileChanged { uri, .. } => {
            part.header().ledger.files.iter().any(|ledger| ledger.file.uri == *uri)
        }
        LedgerConflict::AppMoved { app } => part.header().ledger.apps.contains_key(app),
    };
    parts.iter().find(holds).map(PartRows::path)
}
