//! The same data twice, once the records are counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::warnings::Warning;
use super::{Evidence, named};
use crate::engine::calendar::Day;
use crate::engine::ledger::{FileLedger, LedgerDetail, Reason};
use crate::engine::rules::Category;
use crate::lake::{self, DataFile, LakeError};

/// Fewest records of two equal files that are the same data twice.
const MIN_EQUAL_RECORDS: u64 = 3;

/// Kept records from which on files of a day are not equal in counts and seconds by chance, however many there are.
const MANY_EQUAL_RECORDS: u64 = 20;

/// A word for machines.
const SAME_DATA: &str = "same_data";

/// Refuses files of a day that hold the same data, which is seen by `why`; gives a warning for each pair of files of a few
/// records, which may be equal by chance. Files without a record say nothing. `n_records` are by canonical URI.
///
/// # Errors
/// [`LakeError`], which names the first two.
pub fn equal_files(
    pairs: &[[&DataFile; 2]],
    why: &str,
    n_records: &BTreeMap<String, u64>,
) -> Result<Vec<Warning>, LakeError> {
    let mut warnings = Vec::new();
    for [one, other] in pairs {
        match n_records.get(&one.canonical_uri()) {
            None | Some(0) => {}
            Some(n) if *n < MIN_EQUAL_RECORDS => {
                let text = format!("{} holds the same as {}", other.uri, one.uri);
                warnings.push(Warning { kind: SAME_DATA, text });
            }
            Some(_) => return Err(lake::twice(one, other, why)),
        }
    }
    Ok(warnings)
}

/// What files of one day have in common that seem to hold the same records, however they are written and compressed.
type Counts = (Day, u64, u64, [u64; Reason::ALL.len()], [i128; Category::ALL.len()]);

/// A warning for files of which an earlier one of the day has as many records, as many of them kept and rejected for each
/// reason, and the same seconds: their bytes differ, and yet the data is hardly another.
pub fn equal_ledgers(detail: &LedgerDetail, evidence: &Evidence<'_>) -> Option<Warning> {
    let mut first: BTreeMap<Counts, &FileLedger> = BTreeMap::new();
    let mut pairs = Vec::new();
    let mut n_files: BTreeMap<Day, u64> = BTreeMap::new();
    detail.files.iter().for_each(|of| *n_files.entry(of.file.day).or_default() += 1);
    for of in &detail.files {
        let counts = &of.counts;
        // The more files, the more of them are alike by chance.
        let n_of_day = n_files.get(&of.file.day).copied().unwrap_or_default();
        let min_records = n_of_day.clamp(MIN_EQUAL_RECORDS, MANY_EQUAL_RECORDS);
        // Where nothing is watched nothing differs.
        if counts.kept < min_records || counts.seconds.iter().all(|seconds| *seconds == 0) {
            continue;
        }
        match first.entry((of.file.day, counts.read, counts.kept, counts.rejected, counts.seconds)) {
            Entry::Vacant(place) => drop(place.insert(of)),
            Entry::Occupied(one) => {
                pairs.push(format!("{} and {}", evidence.name(&one.get().file), evidence.name(&of.file)));
            }
        }
    }
    let text = || {
        format!(
            "as many records and seconds, as if they were the same data twice, have {}",
            named(pairs.iter().cloned())
        )
    };
    (!pairs.is_empty()).then(|| Warning { kind: SAME_DATA, text: text() })
}
