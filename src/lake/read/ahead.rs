//! Reading ahead: what a scan will map is asked for while it scans what came before.
//!
//! The faults of a map ask the disk for little at once and wait for it, so a scan of files that are not in the page cache
//! would leave the disk idle most of the time. Here a few threads go ahead of the scan, in its order, and ask for pieces
//! that are missing, as far as the disk takes them and no further than [`AHEAD_BYTES`] before the scan. For files that
//! are there it takes one look at a byte of each piece.
//!
//! These are hints: whatever fails here, the scan itself will meet it.

use std::fs::File;
use std::io::IoSliceMut;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::lake::DataFile;

/// How far ahead of the scan at most, in bytes: many requests of a fast disk, and few seconds of a slow one. Pages that
/// are asked for must still be there when the scan comes to them.
const AHEAD_BYTES: u64 = 256 << 20;

/// What is asked for at once, in bytes: what the kernel makes one request of.
const PIECE_BYTES: u64 = 2 << 20;

/// Threads that ask. Asking takes pages and fills the queue of the disk, which may be full.
const N_READERS: usize = 2;

/// How long readers wait for the scan, which in that time does not come near the end of [`AHEAD_BYTES`]. Each time they
/// wake they take a processor from it.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How far a scan has come.
#[derive(Debug, Default)]
pub struct ScanPosition {
    n_bytes: AtomicU64,
    is_over: AtomicBool,
}

impl ScanPosition {
    /// Notes that so many bytes more were scanned.
    pub fn advance(&self, n_bytes: u64) {
        self.n_bytes.fetch_add(n_bytes, Ordering::Relaxed);
    }

    /// Waits until the scan has come to `n_bytes`; false when it is over.
    fn wait_for(&self, n_bytes: u64) -> bool {
        while !self.is_over.load(Ordering::Relaxed) {
            if self.n_bytes.load(Ordering::Relaxed) >= n_bytes {
                return true;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        false
    }
}

/// Ends the readers, also when the scan panics.
struct End<'a>(&'a ScanPosition);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// Does `scan`, which notes in `position` how far it has come in `files`, and reads ahead of it meanwhile.
pub fn beside<T>(files: Vec<DataFile>, position: &ScanPosition, scan: impl FnOnce() -> T) -> T {
    let ask = |piece: &Piece| {
        if piece.is_missing() {
            piece.ask();
        }
    };
    go_ahead(files, position, ask, scan)
}

/// As [`beside`], with `visit` for each piece that comes near and that the scan has not come to.
fn go_ahead<T>(
    files: Vec<DataFile>,
    position: &ScanPosition,
    visit: impl Fn(&Piece) + Sync,
    scan: impl FnOnce() -> T,
) -> T {
    let pieces = Mutex::new(Pieces { files: files.into_iter(), opened: None, start: 0 });
    let read = || {
        let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some(piece) = next()
            && position.wait_for(piece.start.saturating_sub(AHEAD_BYTES))
        {
            if piece.start + piece.n_bytes > position.n_bytes.load(Ordering::Relaxed) {
                visit(&piece);
            }
        }
    };
    std::thread::scope(|scope| {
        let _end = End(position);
        for _ in 0..N_READERS {
            // Without a reader the scan reads by itself.
            let _ = std::thread::Builder::new().name("ahead".into()).spawn_scoped(scope, read);
        }
        scan()
    })
}

/// The pieces of files, in order.
struct Pieces {
    files: std::vec::IntoIter<DataFile>,
    opened: Option<(Arc<File>, u64, u64)>,
    /// Bytes of all files before the next piece.
    start: u64,
}

struct Piece {
    file: Arc<File>,
    offset: u64,
    n_bytes: u64,
    /// Its place in all files.
    start: u64,
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some((file, offset, n_left)) = &mut self.opened
                && *n_left > 0
            {
                let n_bytes = PIECE_BYTES.min(*n_left);
                let piece = Piece { file: Arc::clone(file), offset: *offset, n_bytes, start: self.start };
                (*offset, *n_left, self.start) = (*offset + n_bytes, *n_left - n_bytes, self.start + n_bytes);
                return Some(piece);
            }
            let next = self.files.next()?;
            match File::open(&next.path) {
                Ok(file) => self.opened = Some((Arc::new(file), 0, next.n_bytes)),
                Err(_) => self.start += next.n_bytes,
            }
        }
    }
}

impl Piece {
    /// Asks the disk for it, and does not wait until it is there.
    fn ask(&self) {
        let _ = fadvise(&*self.file, self.offset, NonZeroU64::new(self.n_bytes), Advice::WillNeed);
    }

    /// Whether its last byte would have to be read from the disk, or the file system does not say.
    fn is_missing(&self) -> bool {
        let mut byte = [0];
        let last = self.offset + self.n_bytes - 1;
        loop {
            return match preadv2(&*self.file, &mut [IoSliceMut::new(&mut byte)], last, ReadWriteFlags::NOWAIT) {
                Ok(_) => false,
                Err(Errno::INTR) => continue,
                Err(_) => true,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{ListOptions, list};

    /// Files of these sizes.
    fn files(folder: &tempfile::TempDir, sizes: &[u64]) -> Vec<DataFile> {
        for (size, day) in sizes.iter().zip(1..) {
            let file = File::create(folder.path().join(format!("202204{day:02}.json"))).unwrap();
            file.set_len(*size).unwrap();
        }
        list(&[folder.path().display().to_string()], &ListOptions::default()).unwrap().files
    }

    #[test]
    fn pieces_are_the_files_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let check = |sizes: &[u64], gone: Option<usize>, expected: &[(u64, u64, u64)]| {
            let files = files(&folder, sizes);
            if let Some(gone) = gone {
                std::fs::remove_file(&files[gone].path).unwrap();
            }
            let pieces = Pieces { files: files.into_iter(), opened: None, start: 0 };
            let found: Vec<_> = pieces.map(|piece| (piece.start, piece.offset, piece.n_bytes)).collect();
            assert_eq!(found, expected, "{sizes:?}");
        };
        let piece = PIECE_BYTES;
        check(&[0, 5], None, &[(0, 0, 5)]);
        check(&[piece, 0, piece + 1], None, &[(0, 0, piece), (piece, 0, piece), (2 * piece, piece, 1)]);
        check(&[7, 9, 5], Some(1), &[(0, 0, 7), (16, 0, 5)]);
    }

    #[test]
    fn readers_stay_near_the_scan_and_end_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let n_near = AHEAD_BYTES / PIECE_BYTES + 1;
        let files = files(&folder, &[AHEAD_BYTES + 10 * PIECE_BYTES, AHEAD_BYTES]);
        let (position, n_visited) = (ScanPosition::default(), AtomicU64::new(0));
        let visit = |piece: &Piece| {
            assert!(piece.start <= AHEAD_BYTES + position.n_bytes.load(Ordering::Relaxed), "{}", piece.start);
            n_visited.fetch_add(1, Ordering::Relaxed);
        };
        let wait = |expected| {
            while n_visited.load(Ordering::Relaxed) < expected {
                std::thread::yield_now();
            }
        };
        let scan = || {
            wait(n_near);
            position.advance(20 * PIECE_BYTES);
            wait(n_near + 20);
            "scanned"
        };
        assert_eq!(go_ahead(files.clone(), &position, visit, scan), "scanned");
        assert_eq!(n_visited.load(Ordering::Relaxed), n_near + 20);
        let scan = || go_ahead(files, &ScanPosition::default(), |_| (), || panic!("a scan that fails"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).unwrap_err();
    }

    #[test]
    fn what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(&folder, &[10]);
        let mut pieces = Pieces { files: files.clone().into_iter(), opened: None, start: 0 };
        let piece = pieces.next().unwrap();
        File::options().write(true).open(&files[0].path).unwrap().set_len(0).unwrap();
        piece.ask();
        std::fs::remove_file(&files[0].path).unwrap();
        assert_eq!(beside(files, &ScanPosition::default(), || 7), 7);
    }
}
