//! The machine's own limit as `viewmart bench` measured it last, kept in the folder of the cache for the reports of runs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::fs::atomic::{self, StagedFile};
use crate::fs::error::OutputError;

const NAME: &str = "floor.json";

/// How fast so many threads look at every byte once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Bytes of the lake that was measured.
    pub measured_bytes: u64,
    /// Bytes per second.
    pub bytes_per_s: u64,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    engine: String,
    bytes: u64,
    /// By number of threads.
    bytes_per_s: BTreeMap<usize, u64>,
}

/// Keeps in `cache`, which is made where it is missing, how fast a lake of `n_bytes` was looked at by each number of threads.
///
/// # Errors
/// [`OutputError`].
pub fn keep(n_bytes: u64, bytes_per_s: BTreeMap<usize, u64>, cache: &Path) -> Result<(), OutputError> {
    let failed = |source: io::Error| OutputError::Io { path: cache.to_owned(), doing: "making the folder", source };
    fs::create_dir_all(cache).map_err(failed)?;
    let kept = Kept { engine: crate::ENGINE.to_owned(), bytes: n_bytes, bytes_per_s };
    let mut file = StagedFile::create(&cache.join(NAME))?;
    file.write_with(|w| serde_json::to_writer(w, &kept).map_err(io::Error::from))?;
    atomic::publish(vec![file]).map(drop)
}

/// What is kept in `cache` for so many threads, where anything is.
pub fn find(cache: &Path, n_threads: usize) -> Option<Floor> {
    let kept: Kept = serde_json::from_slice(&fs::read(cache.join(NAME)).ok()?).ok()?;
    let bytes_per_s = kept.bytes_per_s.get(&n_threads).copied().filter(|speed| *speed > 0)?;
    Some(Floor { measured_bytes: kept.bytes, bytes_per_s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_found_for_the_threads_that_it_was_measured_with() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("new/cache");
        assert_eq!(find(&cache, 1), None);
        keep(1000, BTreeMap::from([(1, 2000), (2, 4000), (4, 0)]), &cache).unwrap();
        let floor = |bytes_per_s| Some(Floor { measured_bytes: 1000, bytes_per_s });
        assert_eq!([1, 2, 3, 4].map(|n| find(&cache, n)), [floor(2000), floor(4000), None, None]);
        fs::write(cache.join(NAME), "{").unwrap();
        assert_eq!(find(&cache, 1), None);
    }
}
