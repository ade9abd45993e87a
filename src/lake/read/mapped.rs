//! Files as memory: the only place where the program maps files.
//!
//! A scan maps a window, reads it once and drops it. A mapped page counts as memory of the process for as long as it is
//! mapped, so the windows, not the file, decide how much that is: a file larger than memory is read like a small one.

#![allow(unsafe_code)]

use std::fs::File;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memmap2::{Advice, Mmap, MmapOptions};

use crate::lake::source::local;
use crate::lake::{DataFile, LakeError, LakeErrorKind};

use super::sigbus;

/// A large page, in bytes: what the processor maps with one entry. A file that was written in whole ones, each with one
/// write at a multiple of this size, lies in the page cache in such pages and is mapped with a fraction of the work, where the
/// file system does that (ext4 since Linux 6.16, xfs, btrfs).
pub const LARGE_PAGE_BYTES: usize = 2 << 20;

/// An uncompressed data file, open for windows. Cheap to share between threads.
#[derive(Debug)]
pub struct MappedFile {
    file: File,
    listed: DataFile,
    /// Whether bytes of it could not be had when they were read, and were zeros instead.
    is_lost: Arc<AtomicBool>,
}

impl MappedFile {
    /// Opens `file`, which must still be as it was listed.
    pub fn open(file: &DataFile) -> Result<MappedFile, LakeError> {
        let opened = File::open(&file.path).map_err(|error| LakeError::io(&file.uri, "opening it", &error))?;
        check_as_listed(&opened, file)?;
        Ok(MappedFile { file: opened, listed: file.clone(), is_lost: Arc::default() })
    }

    /// Size in bytes, as listed.
    pub fn n_bytes(&self) -> u64 {
        self.listed.n_bytes
    }

    /// Bytes `offset..offset + n_bytes` of the file, of which any part beyond its end is cut off. Any offset will do:
    /// the mapping itself begins at the page that holds it.
    pub fn window(&self, offset: u64, n_bytes: usize) -> Result<Window, LakeError> {
        let n_bytes = usize::try_from(self.listed.n_bytes.saturating_sub(offset)).unwrap_or(usize::MAX).min(n_bytes);
        if n_bytes == 0 {
            return Ok(Window::default());
        }
        // A file that became shorter has no pages to show after its new end. Between here and the last look at the
        // window that may still happen: `sigbus` sees to it that it is an error and not the end of the process.
        self.check_unchanged()?;
        // SAFETY: the map is private and read-only, and lies inside the file as of the check above. Its bytes are
        // stable as long as nobody writes to the file. Files of the cache are written once, renamed into place and
        // read-only from then on. Files of a local lake belong to the user; `check_unchanged`, called here and by the
        // scan when it is done with the file, turns a write in between into an error before anything is published.
        let map = unsafe { MmapOptions::new().offset(offset).len(n_bytes).map(&self.file) }
            .map_err(|error| LakeError::io(&self.listed.uri, "mapping it into memory", &error))?;
        // Only a hint: the kernel reads ahead further, and drops pages that were read first.
        let _ = map.advise(Advice::Sequential);
        Ok(Window { _watch: Some(sigbus::watch(&map, &self.is_lost)), map: Some(map) })
    }

    /// Fails if the file is no longer as it was listed, or could not be read. Call it when the last window has been read.
    pub fn check_unchanged(&self) -> Result<(), LakeError> {
        check_as_listed(&self.file, &self.listed)?;
        match self.is_lost.load(Ordering::SeqCst) {
            false => Ok(()),
            true => Err(LakeError::new(
                LakeErrorKind::Changed,
                &self.listed.uri,
                "bytes of it could not be read: it was cut short for a while, or its disk failed",
            )
            .advise("run again when nothing writes to the lake any more, and see whether the disk is sound")),
        }
    }
}

/// Fails if `file` has another size or time than was `listed`.
pub(super) fn check_as_listed(file: &File, listed: &DataFile) -> Result<(), LakeError> {
    let metadata = file.metadata().map_err(|error| LakeError::io(&listed.uri, "reading its size", &error))?;
    let (n_bytes, modified_ms) = (metadata.len(), local::modified_ms(&metadata));
    if (n_bytes, modified_ms) == (listed.n_bytes, listed.local_modified_ms) {
        return Ok(());
    }
    let change = match n_bytes == listed.n_bytes {
        true => {
            let after_ms = modified_ms.saturating_sub(listed.local_modified_ms);
            format!("its time is {after_ms} ms after the one it had when it was listed")
        }
        false => format!("it had {} bytes and has {n_bytes} now", listed.n_bytes),
    };
    let error = LakeError::new(LakeErrorKind::Changed, &listed.uri, format!("changed while it was read: {change}"));
    Err(match listed.uri.contains("://") {
        false => error,
        // The lake has nothing to do with it.
        true => error.advise(format!("see what writes to its copy {}, then run again", listed.path.display())),
    })
}

/// A piece of a file in memory, unmapped when dropped.
#[derive(Debug, Default)]
pub struct Window {
    /// Ends before the map does: fields are dropped in order.
    _watch: Option<sigbus::Watch>,
    map: Option<Mmap>,
}

impl Deref for Window {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{ListOptions, list};

    fn lake(content: &[u8]) -> (tempfile::TempDir, DataFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("20220401.json");
        std::fs::write(&path, content).unwrap();
        let listing = list(&[path.display().to_string()], &ListOptions::default()).unwrap();
        (folder, listing.files[0].clone())
    }

    #[test]
    fn windows_are_the_bytes_of_the_file() {
        let content: Vec<u8> = (0..20_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        let (_folder, file) = lake(&content);
        let mapped = MappedFile::open(&file).unwrap();
        let check = |offset: usize, n_bytes: usize| {
            let window = mapped.window(offset as u64, n_bytes).unwrap();
            let end = content.len().min(offset.saturating_add(n_bytes));
            assert_eq!(&*window, content.get(offset..end).unwrap_or_default(), "{offset} {n_bytes}");
        };
        for offset in [0, 1, 4095, 4096, 4097, 12_345, 79_999, 80_000, 80_001, usize::MAX] {
            for n_bytes in [0, 1, 4096, 5000, 80_000, usize::MAX] {
                check(offset, n_bytes);
            }
        }
    }

    #[test]
    fn an_empty_file_has_an_empty_window() {
        let (_folder, file) = lake(b"");
        let mapped = MappedFile::open(&file).unwrap();
        assert_eq!(mapped.window(0, 1 << 20).unwrap().len(), 0);
        mapped.check_unchanged().unwrap();
    }

    #[test]
    fn a_file_that_changes_is_an_error() {
        let check = |change: &dyn Fn(&DataFile), expected: &str| {
            let (_folder, file) = lake(b"0123456789");
            let mapped = MappedFile::open(&file).unwrap();
            change(&file);
            for result in [mapped.check_unchanged(), mapped.window(0, 1).map(drop), MappedFile::open(&file).map(drop)] {
                let message = result.unwrap_err().to_string();
                assert!(
                    message.starts_with(&format!("{}: changed while it was read: {expected}", file.uri)),
                    "{message}"
                );
            }
        };
        check(&|file| std::fs::write(&file.path, b"01234").unwrap(), "it had 10 bytes and has 5 now");
        check(&|file| std::fs::write(&file.path, b"0123456789a").unwrap(), "it had 10 bytes and has 11 now");
        let later = |file: &DataFile| {
            let file = File::options().write(true).open(&file.path).unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified + std::time::Duration::from_millis(5)).unwrap();
        };
        check(&later, "its time is 5 ms after");
    }

    /// File systems with whole seconds, or that refuse to have a time set.
    #[test]
    fn a_copy_may_have_another_time_than_the_lake_but_not_change_it() {
        let (_folder, mut file) = lake(b"0123456789");
        let opened = File::options().write(true).open(&file.path).unwrap();
        let set = |ms: u64| opened.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(ms)).unwrap();
        set(1_650_000_001_000);
        (file.modified_ms, file.local_modified_ms) = (1_650_000_001_123, 1_650_000_001_000);
        let mapped = MappedFile::open(&file).unwrap();
        mapped.check_unchanged().unwrap();
        super::super::compressed::open(&file).unwrap();
        // The time of the lake is not the one that it had here.
        set(1_650_000_001_123);
        let error = mapped.check_unchanged().unwrap_err();
        assert_eq!(error.kind(), LakeErrorKind::Changed);
        assert!(super::super::compressed::open(&file).is_err());
    }

    #[test]
    fn pages_that_are_gone_are_zeros_and_an_error() {
        let content = vec![b'x'; 20 * 65_536];
        let (_folder, file) = lake(&content);
        let mapped = MappedFile::open(&file).unwrap();
        let other = MappedFile::open(&file).unwrap();
        let (window, tail) = (mapped.window(5, usize::MAX).unwrap(), mapped.window(15 * 65_536, 10).unwrap());
        let cut = File::options().write(true).open(&file.path).unwrap();
        cut.set_len(3 * 65_536).unwrap();
        // Several threads meet the gap at once.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let n_left = window.iter().take_while(|byte| **byte == b'x').count();
                    assert_eq!((n_left, window.len()), (3 * 65_536 - 5, content.len() - 5));
                    assert!(window[n_left..].iter().all(|byte| *byte == 0));
                    assert_eq!(*tail, [0; 10]);
                });
            }
        });
        let report = |file: &MappedFile| file.check_unchanged().map_err(|error| error.to_string());
        assert!(report(&mapped).unwrap_err().ends_with("it had 1310720 bytes and has 196608 now"));
        // Whoever puts back what was there does not make good what was read; who did not read it has lost nothing.
        cut.set_len(content.len() as u64).unwrap();
        let listed = std::time::UNIX_EPOCH + std::time::Duration::from_millis(file.modified_ms as u64);
        cut.set_modified(listed).unwrap();
        assert!(report(&mapped).unwrap_err().contains("bytes of it could not be read"));
        assert_eq!(report(&other), Ok(()));
    }
}
