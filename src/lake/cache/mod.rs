//! The cache: a folder of this machine that holds the files of remote lakes as they were when they arrived.
//!
//! ```text
//! CACHE/CACHEDIR.TAG             what this folder is, for backups and for lakes around it
//! CACHE/manifest.jsonl           what is complete, see `manifest`
//! CACHE/lock                     held by the run that uses the cache
//! CACHE/partial/KEY.part         a file on its way, and KEY.json: how much of it is sound
//! CACHE/hdfs/nn:9000/user/…      complete files: written once, synced, renamed into place, read-only, never written again
//! ```

mod manifest;
mod part;
mod paths;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::input::HdfsUri;
use super::source::local;
use super::{DataFile, LakeError, LakeErrorKind};
use crate::advice::{Access, IoKind};
use crate::fs::lock::{TryLock, try_lock};
use manifest::{Manifest, ManifestLine};
pub(crate) use part::PartialFile;

/// Space left free on the disk, in bytes.
const SPARE_BYTES: u64 = 64 << 20;
/// The sign of a cache: programs that make backups know it too.
const TAG_NAME: &str = "CACHEDIR.TAG";
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This is the cache of viewmart: files of a remote lake, which it can pull again.\n";

/// Whether `folder` is a cache of this program. That of its first release has no tag.
pub(crate) fn is_cache(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).exists();
    has("manifest.jsonl") && has("lock") && has("partial")
        || fs::read(folder.join(TAG_NAME)).is_ok_and(|text| text == TAG.as_bytes())
}

/// An open cache, locked against other runs until dropped.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    manifest: Mutex<Manifest>,
    /// `None` in a cache that is only looked at.
    lock: Option<(File, TryLock)>,
}

impl Cache {
    /// Opens the cache in `folder`, which is made if it does not exist.
    pub fn open(folder: &Path) -> Result<Cache, LakeError> {
        let partial = folder.join("partial");
        fs::create_dir_all(&partial).map_err(|error| failed_at(&partial, "making the cache folder", &error))?;
        let lock = lock(folder)?;
        let tag = folder.join(TAG_NAME);
        if !tag.exists() {
            fs::write(&tag, TAG).map_err(|error| failed_at(&tag, "making the cache folder", &error))?;
        }
        let manifest = Mutex::new(Manifest::open(folder.join("manifest.jsonl"))?);
        Ok(Cache { folder: folder.to_owned(), manifest, lock: Some(lock) })
    }

    /// Looks at the cache in `folder` without a lock, and changes nothing; one that is not there is empty.
    pub fn open_read_only(folder: &Path) -> Result<Cache, LakeError> {
        let manifest = Mutex::new(Manifest::read(folder.join("manifest.jsonl"))?);
        Ok(Cache { folder: folder.to_owned(), manifest, lock: None })
    }

    /// Fails if this user could not open the cache in `folder` and put files there. Changes nothing.
    pub fn check_access(folder: &Path) -> Result<(), LakeError> {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let existing = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        if !existing.is_dir() {
            return Err(failed_at(existing, "making the cache folder", &ErrorKind::NotADirectory.into()));
        }
        let needed = ["", "partial", "hdfs"]
            .map(|name| if existing == absolute { existing.join(name) } else { existing.to_owned() });
        for path in needed.iter().filter(|path| path.exists()) {
            use rustix::fs::Access;
            rustix::fs::access(path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
                .map_err(|error| failed_at(path, "writing to the cache", &error.into()))?;
        }
        Manifest::read(folder.join("manifest.jsonl")).map(drop)
    }

    /// What whoever uses the cache should know.
    pub fn warning(&self) -> Option<String> {
        self.lock.as_ref().and_then(|(_, outcome)| outcome.warning(&self.folder))
    }

    fn manifest(&self) -> MutexGuard<'_, Manifest> {
        // A manifest is whole at every moment, whatever another thread died of.
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the file at `uri` is, or will be, in the cache.
    pub fn path_of(&self, uri: &HdfsUri) -> PathBuf {
        self.folder.join(paths::relative_path(uri))
    }

    /// Whether the cache holds `file` as it was listed.
    pub fn contains(&self, file: &DataFile) -> bool {
        self.find(file).is_some()
    }

    /// `file` as the cache holds it, ready to be read, if it does so as it was listed.
    pub fn find(&self, file: &DataFile) -> Option<DataFile> {
        let line = self.valid_entry(file)?;
        Some(DataFile { local_modified_ms: line.local_mtime_ms(), ..file.clone() })
    }

    /// Whether the bytes of `file` in the cache are still those that arrived.
    pub fn verify(&self, file: &DataFile) -> Result<bool, LakeError> {
        let Some(line) = self.valid_entry(file) else { return Ok(false) };
        let failed = |error| self.failed(&file.path, "verifying it", &error);
        let (crc32c, n_bytes) =
            part::checksum(&mut File::open(&file.path).map_err(failed)?, u64::MAX).map_err(failed)?;
        Ok((crc32c, n_bytes) == (line.crc32c, line.size))
    }

    fn valid_entry(&self, file: &DataFile) -> Option<ManifestLine> {
        let line = self.manifest().get(&file.uri)?.clone();
        let metadata = fs::symlink_metadata(&file.path).ok()?;
        let is_same = metadata.is_file()
            && (line.size, line.mtime_ms) == (file.n_bytes, file.modified_ms)
            && (metadata.len(), local::modified_ms(&metadata)) == (line.size, line.local_mtime_ms())
            && self.folder.join(&line.path) == file.path;
        is_same.then_some(line)
    }

    /// All files that the cache holds.
    pub fn lines(&self) -> Vec<ManifestLine> {
        self.manifest().iter().cloned().collect()
    }

    /// Fails if the disk has no room for what is missing of `files`.
    pub fn check_space(&self, files: &[DataFile]) -> Result<(), LakeError> {
        let here = |file: &DataFile| fs::metadata(self.part_path(&file.uri)).map_or(0, |part| part.len());
        let needed: u64 = files.iter().map(|file| file.n_bytes.saturating_sub(here(file))).sum();
        let disk = rustix::fs::statvfs(&self.folder)
            .map_err(|error| self.failed(&self.folder, "asking for the free space of the disk", &error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed == 0 || needed.saturating_add(SPARE_BYTES) <= free {
            return Ok(());
        }
        Err(LakeError::new(
            LakeErrorKind::NoSpace,
            self.folder.display().to_string(),
            format!("{} files need {needed} bytes and {SPARE_BYTES} to spare, the disk has {free} bytes free", files.len()),
        )
        .advise("free disk space, remove what no lake needs any more with `viewmart extract --prune`, or give a folder on another disk with --cache"))
    }

    /// Forgets and removes all files whose URI is not among `keep`; returns their number and bytes.
    pub fn prune(&self, keep: &BTreeSet<&str>) -> Result<(u64, u64), LakeError> {
        let gone: Vec<ManifestLine> =
            self.lines().into_iter().filter(|line| !keep.contains(line.uri.as_str())).collect();
        // Forgotten first: a file without a line is only space, a line without a file would be a lie.
        self.manifest().retain(|line| keep.contains(line.uri.as_str()))?;
        let mut removed = (0, 0);
        for line in gone {
            // A damaged manifest must not lead out of the folder.
            if !Path::new(&line.path).components().all(|part| matches!(part, Component::Normal(_))) {
                continue;
            }
            let path = self.folder.join(&line.path);
            self.remove(&path, &mut removed)?;
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.folder) {
                if fs::remove_dir(folder).is_err() {
                    break; // Not empty.
                }
            }
        }
        let partial = self.folder.join("partial");
        let kept: Vec<PathBuf> = keep.iter().flat_map(|uri| [self.part_path(uri), self.checkpoint_path(uri)]).collect();
        let failed = |error| self.failed(&partial, "listing this folder", &error);
        for entry in fs::read_dir(&partial).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if !kept.contains(&path) {
                self.remove(&path, &mut removed)?;
            }
        }
        Ok(removed)
    }

    /// Removes the file at `path`, and adds it and its bytes to `removed`. One that is gone already, or whose place the
    /// lake has given to a folder, is no failure.
    fn remove(&self, path: &Path, removed: &mut (u64, u64)) -> Result<(), LakeError> {
        let gone = |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        let n_bytes = match fs::symlink_metadata(path) {
            Err(error) if gone(&error) => return Ok(()),
            Ok(metadata) if metadata.is_dir() => return Ok(()),
            Err(error) => return Err(self.failed(path, "removing it from the cache", &error)),
            Ok(metadata) => metadata.len(),
        };
        fs::remove_file(path).map_err(|error| self.failed(path, "removing it from the cache", &error))?;
        *removed = (removed.0 + 1, removed.1 + n_bytes);
        Ok(())
    }

    /// Removes what the cache holds where `path` or one of its folders must be: in the lake a file has become a folder
    /// of its name, or a folder a file.
    fn clear_way(&self, path: &Path) -> Result<(), LakeError> {
        let failed = |at: &Path, error| self.failed(at, "removing what the lake has replaced", &error);
        let Ok(relative) = path.strip_prefix(&self.folder) else { return Ok(()) };
        // One at a time: two files of a new folder meet the same old file.
        let mut manifest = self.manifest();
        let mut at = self.folder.clone();
        for name in relative.components() {
            at.push(name);
            let Ok(metadata) = fs::metadata(&at) else { return Ok(()) };
            let is_in_the_way = metadata.is_dir() == (at == path);
            if is_in_the_way {
                manifest.retain(|line| !self.folder.join(&line.path).starts_with(&at))?;
                let removed = if metadata.is_dir() { fs::remove_dir_all(&at) } else { fs::remove_file(&at) };
                return removed.map_err(|error| failed(&at, error));
            }
        }
        Ok(())
    }

    fn part_path(&self, uri: &str) -> PathBuf {
        self.folder.join("partial").join(format!("{}.part", paths::key(uri)))
    }

    fn checkpoint_path(&self, uri: &str) -> PathBuf {
        self.folder.join("partial").join(format!("{}.json", paths::key(uri)))
    }

    fn failed(&self, path: &Path, doing: &str, error: &io::Error) -> LakeError {
        failed_at(path, doing, error)
    }
}

/// As [`LakeError::io_at`]; where this user may not, with the one who may.
fn failed_at(path: &Path, doing: &str, source: &io::Error) -> LakeError {
    let error = LakeError::io_at(path, doing, source);
    if error.kind() != LakeErrorKind::Denied {
        return error.advise(IoKind::of(source).advice(Access::Write));
    }
    let owner = path.ancestors().find_map(|path| fs::symlink_metadata(path).ok()).map(|metadata| metadata.uid());
    let user = rustix::process::geteuid().as_raw();
    match owner {
        Some(owner) if owner != user => error.advise(format!(
            "it belongs to user {owner} and this is user {user}: run as that user, or give a folder of your own with --cache"
        )),
        _ => error.advise("make it writable, or give another folder with --cache"),
    }
}

/// Takes the lock of the cache in `folder`, and writes down who has it.
fn lock(folder: &Path) -> Result<(File, TryLock), LakeError> {
    let path = folder.join("lock");
    let failed = |error| failed_at(&path, "locking the cache", &error);
    let open = || File::options().create(true).truncate(false).read(true).write(true).open(&path);
    let mut lock = match open() {
        // Made by another user, who alone may write to it; it can be locked all the same.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(&path).map_err(failed)?,
        result => result.map_err(failed)?,
    };
    let outcome = try_lock(&lock).map_err(failed)?;
    if outcome == TryLock::Busy {
        let mut holder = String::new();
        let _ = lock.read_to_string(&mut holder);
        let holder = match holder.trim() {
            "" => "another process".to_owned(),
            process => format!("process {process}"),
        };
        let what = format!("this cache is not waited for, as a pull may take hours: it is in use by {holder}");
        return Err(LakeError::new(LakeErrorKind::CacheBusy, folder.display().to_string(), what));
    }
    // Only for that message.
    let _ = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    Ok((lock, outcome))
}
