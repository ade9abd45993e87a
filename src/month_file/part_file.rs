//! The file of a part, which is open no longer than it has to be where there are many.
//!
//! A merge reads all its parts at once. Few are kept open. Of many each is opened anew for every
//! page that is read of it: the number of parts is not bound by that of descriptors, and a file that
//! was replaced between two pages is noticed by what the system says of it.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

/// Parts that are kept open at most: fewer than the descriptors of the most careful system.
const MAX_KEPT_OPEN: usize = 64;

/// Whether a file stays open between two reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    Open,
    Closed,
}

impl Between {
    /// For one of `n_parts`.
    pub fn of(n_parts: usize) -> Between {
        if n_parts <= MAX_KEPT_OPEN { Between::Open } else { Between::Closed }
    }
}

/// What tells a file from another one at its path, and from what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    n_bytes: u64,
    /// When it was changed, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            n_bytes: metadata.len(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// A file that can be read at any place.
#[derive(Debug)]
pub(super) struct PartFile {
    path: PathBuf,
    stamp: Stamp,
    kept: Option<Arc<File>>,
}

impl PartFile {
    pub fn open(path: &Path, between: Between) -> io::Result<PartFile> {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let kept = (between == Between::Open).then(|| Arc::new(file));
        Ok(PartFile { path: path.to_owned(), stamp, kept })
    }

    fn file(&self) -> io::Result<Arc<File>> {
        if let Some(kept) = &self.kept {
            return Ok(Arc::clone(kept));
        }
        let file = File::open(&self.path)?;
        if Stamp::of(&file.metadata()?) != self.stamp {
            return Err(io::Error::other("it was replaced or changed while it was read"));
        }
        Ok(Arc::new(file))
    }

    /// The file, to be read from byte `start` on.
    fn file_at(&self, start: u64) -> io::Result<FileAt> {
        Ok(FileAt { file: self.file()?, at: start })
    }
}

/// A file from some byte on. Each has a place of its own, so that several threads can read one file.
#[derive(Debug)]
pub(super) struct FileAt {
    file: Arc<File>,
    at: u64,
}

impl io::Read for FileAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.file.read_at(buffer, self.at)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
}

/// A file that is read from its begin on.
#[derive(Debug)]
pub(super) struct PartStream {
    file: PartFile,
    at: u64,
}

impl PartStream {
    pub fn new(file: PartFile) -> PartStream {
        PartStream { file, at: 0 }
    }
}

impl io::Read for PartStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.file.file_at(self.at)?.read(buffer)?;
        self.at += n_read as u64;
        Ok(n_read)
    }
}

impl Length for PartFile {
    fn len(&self) -> u64 {
        self.stamp.n_bytes
    }
}

impl ChunkReader for PartFile {
    type T = BufReader<FileAt>;

    fn get_read(&self, start: u64) -> Result<BufReader<FileAt>, ParquetError> {
        Ok(BufReader::new(self.file_at(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // What a damaged file says of its length is no reason to reserve as much.
        let mut bytes = Vec::with_capacity(length.min(usize::try_from(self.stamp.n_bytes).unwrap_or(usize::MAX)));
        self.file_at(start)?.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() != length {
            return Err(ParquetError::EOF(format!("{} bytes are missing", length - bytes.len())));
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_at_any_place_and_not_after_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        for between in [Between::Open, Between::Closed] {
            std::fs::write(&path, "0123456789").unwrap();
            let part = PartFile::open(&path, between).unwrap();
            let check = |start: u64, length: usize, expected: Option<&str>| {
                let found = part.get_bytes(start, length).ok();
                assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{between:?}, {length} from {start}");
            };
            assert_eq!(part.len(), 10);
            check(3, 4, Some("3456"));
            check(0, 2, Some("01"));
            check(8, 3, None);
            let mut rest = String::new();
            part.get_read(7).unwrap().read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "789", "{between:?}");
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "abcdefghijk").unwrap();
            // What is open stays what it was.
            check(3, 4, (between == Between::Open).then_some("3456"));
        }
    }
}
