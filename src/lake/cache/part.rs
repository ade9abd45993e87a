//! A file on its way into the cache.
//!
//! What a kill leaves at each step, and what the next run, perhaps of another user, makes of it:
//! - some bytes and a checkpoint: it goes on after those that the checkpoint vouches for;
//! - all bytes, not yet renamed: the same, with nothing left to pull;
//! - a file in its place without its line in the manifest: it is pulled again, over the one that is there.
//!
//! A partial file is never read-only, or whoever comes next could not write it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Cache;
use super::manifest::ManifestLine;
use crate::fs::flush::Flusher;
use crate::lake::source::local;
use crate::lake::{DataFile, LakeError};

/// Bytes read at once to check what is there.
const READ_BYTES: usize = 1 << 20;
/// Bytes after which a checkpoint is written: what a killed run loses at most.
const CHECKPOINT_BYTES: u64 = 8 << 20;
/// Bytes after which those of a partial file are sent to the disk, while more arrive.
const FLUSH_BYTES: usize = 16 << 20;

/// What is known of a partial file: its first `offset` bytes have the checksum `crc32c`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Checkpoint {
    uri: String,
    size: u64,
    mtime_ms: i64,
    offset: u64,
    crc32c: u32,
}

/// A file on its way into the cache.
pub(crate) struct PartialFile<'a> {
    cache: &'a Cache,
    listed: &'a DataFile,
    file: File,
    flusher: Flusher,
    n_written: u64,
    n_checkpointed: u64,
    crc32c: u32,
}

impl<'a> PartialFile<'a> {
    /// Goes on where an earlier attempt at the same version of `listed` stopped, as far as its bytes are sound; else
    /// starts over.
    pub fn resume(cache: &'a Cache, listed: &'a DataFile) -> Result<PartialFile<'a>, LakeError> {
        let path = cache.part_path(&listed.uri);
        let failed = |error| cache.failed(&path, "opening a partial file", &error);
        let mut file = open_own(&path).map_err(failed)?;
        let checkpoint: Option<Checkpoint> =
            fs::read(cache.checkpoint_path(&listed.uri)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let is_of_this_version = |checkpoint: &Checkpoint| {
            checkpoint.uri == listed.uri
                && (checkpoint.size, checkpoint.mtime_ms) == (listed.n_bytes, listed.modified_ms)
                && checkpoint.offset <= checkpoint.size
        };
        let mut sound = (0, 0);
        if let Some(checkpoint) = checkpoint.filter(is_of_this_version)
            && checksum(&mut file, checkpoint.offset).map_err(failed)? == (checkpoint.crc32c, checkpoint.offset)
        {
            sound = (checkpoint.offset, checkpoint.crc32c);
        }
        let (n_written, crc32c) = sound;
        file.set_len(n_written).and_then(|()| file.seek(SeekFrom::Start(n_written))).map_err(failed)?;
        let flusher = Flusher::new(FLUSH_BYTES);
        Ok(PartialFile { cache, listed, file, flusher, n_written, n_checkpointed: n_written, crc32c })
    }

    /// Removes what is there of `listed`.
    pub fn discard(cache: &Cache, listed: &DataFile) {
        let _ = fs::remove_file(cache.part_path(&listed.uri));
        let _ = fs::remove_file(cache.checkpoint_path(&listed.uri));
    }

    /// Bytes that have arrived.
    pub fn n_bytes(&self) -> u64 {
        self.n_written
    }

    /// Adds the next bytes, in one write: see [`crate::lake::read::mapped::LARGE_PAGE_BYTES`].
    pub fn write(&mut self, batch: &[Bytes]) -> Result<(), LakeError> {
        let mut slices: Vec<IoSlice<'_>> = batch.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0); // Past those that are empty.
        while !left.is_empty() {
            match self.file.write_vectored(left) {
                Ok(0) => return Err(self.failed(&ErrorKind::WriteZero.into())),
                Ok(n) => IoSlice::advance_slices(&mut left, n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error)),
            }
        }
        let n_before = self.n_written;
        for bytes in batch {
            self.crc32c = crc32c::crc32c_append(self.crc32c, bytes);
            self.n_written += bytes.len() as u64;
        }
        if self.n_written - self.n_checkpointed >= CHECKPOINT_BYTES {
            self.checkpoint()?;
        }
        let open = || File::open(self.cache.part_path(&self.listed.uri));
        let flushed = self.flusher.wrote((self.n_written - n_before) as usize, open);
        flushed.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> LakeError {
        self.cache.failed(&self.cache.part_path(&self.listed.uri), "writing to the cache", error)
    }

    /// Writes down how far the file is, so that a later attempt can go on from here.
    pub fn checkpoint(&mut self) -> Result<(), LakeError> {
        let checkpoint = Checkpoint {
            uri: self.listed.uri.clone(),
            size: self.listed.n_bytes,
            mtime_ms: self.listed.modified_ms,
            offset: self.n_written,
            crc32c: self.crc32c,
        };
        let path = self.cache.checkpoint_path(&self.listed.uri);
        // Not synced: after a power cut the checksum tells whether the bytes are what the checkpoint says.
        let temporary = path.with_extension("json-new");
        let json = serde_json::to_vec(&checkpoint).unwrap_or_default();
        // One that another user left could not be written, but it can be removed.
        let _ = fs::remove_file(&temporary);
        fs::write(&temporary, json)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| self.cache.failed(&path, "writing to the cache", &error))?;
        self.n_checkpointed = self.n_written;
        Ok(())
    }

    /// Puts the complete file into its place and into the manifest. Returns the time that the file has there, in
    /// milliseconds since 1970: not every file system keeps the one that the lake says.
    pub fn finish(self) -> Result<i64, LakeError> {
        let (cache, listed) = (self.cache, self.listed);
        let failed = |error| cache.failed(&listed.path, "putting it into the cache", &error);
        let folder = listed.path.parent().unwrap_or(&cache.folder);
        let modified = match u64::try_from(listed.modified_ms) {
            Ok(after) => UNIX_EPOCH.checked_add(Duration::from_millis(after)),
            Err(_) => UNIX_EPOCH.checked_sub(Duration::from_millis(listed.modified_ms.unsigned_abs())),
        };
        // Where it cannot be set, the time that the file has anyway does as well.
        let _ = self.file.set_modified(modified.unwrap_or_else(SystemTime::now));
        self.file.sync_all().map_err(failed)?;
        cache.clear_way(&listed.path)?;
        fs::create_dir_all(folder).map_err(failed)?;
        fs::rename(cache.part_path(&listed.uri), &listed.path).map_err(failed)?;
        // Only a fence against accidents, which not every file system has.
        let _ = self.file.set_permissions(fs::Permissions::from_mode(0o444));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        let local_mtime_ms = local::modified_ms(&fs::symlink_metadata(&listed.path).map_err(failed)?);
        let path = listed.path.strip_prefix(&cache.folder).unwrap_or(&listed.path);
        cache.manifest().add(ManifestLine {
            uri: listed.uri.clone(),
            size: self.n_written,
            mtime_ms: listed.modified_ms,
            local_mtime_ms: (local_mtime_ms != listed.modified_ms).then_some(local_mtime_ms),
            crc32c: self.crc32c,
            path: path.to_string_lossy().into_owned(),
            engine: crate::ENGINE.to_owned(),
        })?;
        let _ = fs::remove_file(cache.checkpoint_path(&listed.uri));
        Ok(local_mtime_ms)
    }
}

/// Opens the partial file at `path`, or makes it. One that is read-only, or belongs to somebody else who alone may set
/// its time and mode, is made anew.
fn open_own(path: &Path) -> io::Result<File> {
    let open = || File::options().create(true).truncate(false).read(true).write(true).open(path);
    let user = rustix::process::geteuid();
    match open() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        Ok(file) if !user.is_root() && file.metadata()?.uid() != user.as_raw() => {}
        result => return result,
    }
    fs::remove_file(path)?;
    open()
}

/// CRC-32C of the first `n_most` bytes of `file`, and how many there were.
pub(super) fn checksum(file: &mut File, n_most: u64) -> io::Result<(u32, u64)> {
    file.seek(SeekFrom::Start(0))?;
    let mut limited = file.take(n_most);
    let mut buffer = vec![0; READ_BYTES];
    let (mut crc32c, mut n_bytes) = (0, 0);
    loop {
        match limited.read(&mut buffer) {
            Ok(0) => return Ok((crc32c, n_bytes)),
            Ok(n) => {
                crc32c = crc32c::crc32c_append(crc32c, buffer.get(..n).unwrap_or_default());
                n_bytes += n as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
