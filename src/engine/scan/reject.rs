//! Records that do not count, as `rejects.ndjson` shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::ledger::Reason;

/// Longest raw text that is kept of a rejected record, in bytes: a broken file can be one line of many megabytes.
pub const MAX_RAW_BYTES: usize = 64 << 10;

/// A rejected record of some file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Offset of its first byte in the (decompressed) file.
    pub offset: u64,
    /// Why it was rejected.
    pub reason: Reason,
    /// Its line without the line end, its first [`MAX_RAW_BYTES`] at most.
    pub raw: Box<[u8]>,
}

impl Reject {
    /// Keeps what is to be shown of `raw`.
    pub fn new(offset: u64, reason: Reason, raw: &[u8]) -> Reject {
        Reject { offset, reason, raw: raw[..raw.len().min(MAX_RAW_BYTES)].into() }
    }
}

/// The first rejects of a month in order of file and offset, whatever the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Rejects {
    n_kept_max: usize,
    n_kept: usize,
    // By file and offset of the first reject of the batch.
    batches: BTreeMap<(Arc<str>, u64), Vec<Reject>>,
}

impl Rejects {
    /// Keeps `n_kept_max` rejects at most.
    pub fn new(n_kept_max: usize) -> Rejects {
        Rejects { n_kept_max, ..Rejects::default() }
    }

    /// Adds the rejects of one split of `file`, in the order of their offsets.
    pub fn add(&mut self, file: &Arc<str>, rejects: Vec<Reject>) {
        let Some(first) = rejects.first() else { return };
        self.n_kept += rejects.len();
        self.batches.insert((Arc::clone(file), first.offset), rejects);
        // Only what is surely behind the limit goes: whole batches from the end.
        while let Some(last) = self.batches.last_entry() {
            if self.n_kept - last.get().len() < self.n_kept_max {
                break;
            }
            self.n_kept -= last.remove().len();
        }
    }

    /// File and reject in order, at most as many as are to be kept.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Reject)> {
        let all = self.batches.iter().flat_map(|((file, _), rejects)| rejects.iter().map(|reject| (&**file, reject)));
        all.take(self.n_kept_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_in_any_order_of_adding() {
        let files: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        let batch = |from: u64, n: u64| (from..from + n).map(|at| Reject::new(at, Reason::NoApp, b"x")).collect();
        let mut batches = vec![(0, 0, 3), (0, 10, 2), (1, 5, 4), (2, 0, 1), (2, 7, 0)];
        for limit in 0..12 {
            let mut expected = None;
            for turn in 0..batches.len() {
                batches.rotate_left(turn);
                let mut rejects = Rejects::new(limit);
                for (file, from, n) in &batches {
                    rejects.add(&files[*file], batch(*from, *n));
                }
                let found: Vec<(String, u64)> = rejects.iter().map(|(f, r)| (f.to_owned(), r.offset)).collect();
                assert_eq!(found.len(), limit.min(10));
                assert!(found.is_sorted());
                assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "limit {limit}");
            }
        }
    }
}
