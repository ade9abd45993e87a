//! Files on their way: made beside the file they become, locked while somebody writes them, so that what a killed run
//! left behind is told from what another run is writing.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::fs::flush::Flusher;
use crate::fs::lock::{TryLock, try_lock};

/// Their names begin with this.
pub(super) const PART_PREFIX: &str = ".viewmart-part-";

/// The mode of new files, before the mask of the process.
pub const NEW_FILE_MODE: u32 = 0o666;

/// Bytes after which those of a file are sent to the disk, while more are written.
const FLUSH_BYTES: usize = 4 << 20;

/// Tries to make a part that nobody takes for a leftover meanwhile.
const MAX_TRIES: usize = 100;

/// A file that is sent to the disk piece by piece.
#[derive(Debug)]
pub struct PartFile {
    pub(super) file: NamedTempFile,
    flusher: Flusher,
}

impl PartFile {
    /// Makes one in `folder`, with the mode that new files have.
    pub(super) fn create(folder: &Path) -> io::Result<PartFile> {
        Ok(PartFile { file: new_part(folder, NEW_FILE_MODE)?, flusher: Flusher::new(FLUSH_BYTES) })
    }
}

/// Makes a part in `folder` and locks it; the mask of the process takes from `mode` what new files may not have.
///
/// # Errors
/// What the operating system says.
pub fn new_part(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    for _ in 0..MAX_TRIES {
        let mut builder = tempfile::Builder::new();
        let file = builder.prefix(PART_PREFIX).permissions(fs::Permissions::from_mode(mode)).tempfile_in(folder)?;
        // Somebody who cleans up may have been here between the two.
        if try_lock(file.as_file())? != TryLock::Busy && file.as_file().metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(io::Error::other("other processes remove the file as soon as it is made"))
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n_bytes = self.file.write(bytes)?;
        self.flusher.wrote(n_bytes, || self.file.reopen())?;
        Ok(n_bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for PartFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Removes the parts in `folder` that nobody writes any more. Where the file system has no locks they stay.
///
/// # Errors
/// What the operating system says, save of files that are gone or belong to somebody else.
pub fn remove_dead_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_part = entry.file_name().as_encoded_bytes().starts_with(PART_PREFIX.as_bytes());
        if !is_part || !entry.file_type()?.is_file() {
            continue;
        }
        // Open to the end of the removal: nobody takes the lock of a file that is about to go.
        let opened = File::options().read(true).write(true).open(entry.path());
        let removed = opened.and_then(|file| match try_lock(&file)? {
            TryLock::Locked => fs::remove_file(entry.path()),
            TryLock::Busy | TryLock::Unknown => Ok(()),
        });
        match removed {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(())
}
