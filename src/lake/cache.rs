//! The cache: a folder of this machine that holds the files of remote lakes as they were when they arrived.
//!
//! ```text
//! CACHE/manifest.jsonl           what is complete, see `manifest`
//! CACHE/lock                     held by the run that uses the cache
//! CACHE/partial/KEY.part         a file on its way, and KEY.json: how much of it is sound
//! CACHE/hdfs/nn:9000/user/…      complete files: written once, synced, renamed into place, read-only, never written again
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::input::HdfsUri;
use super::manifest::{Manifest, ManifestLine};
use super::source::local;
use super::{DataFile, LakeError};
use crate::fs::flush::Flusher;

/// Bytes read at once.
const N_READ: usize = 1 << 20;
/// Bytes after which the state of a partial file is noted: what a killed run loses at most.
const N_NOTE: u64 = 8 << 20;
/// Bytes after which those of a partial file are sent to the disk, while more arrive.
const N_FLUSH: usize = 16 << 20;
/// Space left free on the disk.
const N_SPARE: u64 = 64 << 20;
/// Longest file name of common file systems, in bytes.
const N_NAME: usize = 255;

/// An open cache, locked against other runs until dropped.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    manifest: Mutex<Manifest>,
    _lock: File,
}

impl Cache {
    /// Opens the cache in `folder`, which is made if it does not exist.
    pub fn open(folder: &Path) -> Result<Cache, LakeError> {
        let partial = folder.join("partial");
        fs::create_dir_all(&partial).map_err(|error| LakeError::io_at(&partial, "making the cache folder", &error))?;
        let file = folder.join("lock");
        let io = |error| LakeError::io_at(&file, "locking the cache", &error);
        let mut lock = File::options().create(true).truncate(false).read(true).write(true).open(&file).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() {
                    "another process".to_owned()
                } else {
                    format!("process {}", holder.trim())
                };
                return Err(LakeError::at(folder.display().to_string(), format!("this cache is in use by {holder}"))
                    .advise("wait for it to end, or give another folder with --cache"));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(io)?;
        let manifest = Mutex::new(Manifest::open(folder.join("manifest.jsonl"))?);
        Ok(Cache { folder: folder.to_owned(), manifest, _lock: lock })
    }

    fn manifest(&self) -> MutexGuard<'_, Manifest> {
        // A manifest is whole at every moment, whatever another thread died of.
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the file at `uri` is, or will be, in the cache.
    pub fn path_of(&self, uri: &HdfsUri) -> PathBuf {
        self.folder.join(relative_path(uri))
    }

    /// Whether the cache holds `file` as it was listed.
    pub fn holds(&self, file: &DataFile) -> bool {
        self.sound_line(file).is_some()
    }

    /// Whether the bytes of `file` in the cache are still those that arrived.
    pub fn verify(&self, file: &DataFile) -> Result<bool, LakeError> {
        let Some(line) = self.sound_line(file) else { return Ok(false) };
        let io = |error| LakeError::io_at(&file.path, "verifying it", &error);
        let (crc32c, n_bytes) = checksum(&mut File::open(&file.path).map_err(io)?, u64::MAX).map_err(io)?;
        Ok((crc32c, n_bytes) == (line.crc32c, line.size))
    }

    fn sound_line(&self, file: &DataFile) -> Option<ManifestLine> {
        let line = self.manifest().get(&file.uri)?.clone();
        let metadata = fs::symlink_metadata(&file.path).ok()?;
        let is_same = metadata.is_file()
            && (line.size, line.mtime_ms) == (file.n_bytes, file.modified_ms)
            && (metadata.len(), local::modified_ms(&metadata)) == (line.size, line.mtime_ms)
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
            .map_err(|error| LakeError::io_at(&self.folder, "asking for the free space of the disk", &error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if needed == 0 || needed.saturating_add(N_SPARE) <= free {
            return Ok(());
        }
        Err(LakeError::at(
            self.folder.display().to_string(),
            format!("{} files need {needed} bytes and {N_SPARE} to spare, the disk has {free} bytes free", files.len()),
        )
        .advise("make room, remove what no lake needs any more with `viewmart extract --prune`, or give a folder on another disk with --cache"))
    }

    /// Forgets and removes all files whose URI is not among `keep`; returns their number and bytes.
    pub fn prune(&self, keep: &std::collections::BTreeSet<&str>) -> Result<(u64, u64), LakeError> {
        let gone: Vec<ManifestLine> =
            self.lines().into_iter().filter(|line| !keep.contains(line.uri.as_str())).collect();
        // Forgotten first: a file without a line is only space, a line without a file would be a lie.
        self.manifest().retain(|line| keep.contains(line.uri.as_str()))?;
        let mut removed = (0, 0);
        let mut remove = |path: &Path| match fs::metadata(path).map(|metadata| metadata.len()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(LakeError::io_at(path, "removing it from the cache", &error)),
            Ok(n_bytes) => {
                fs::remove_file(path).map_err(|error| LakeError::io_at(path, "removing it from the cache", &error))?;
                removed = (removed.0 + 1, removed.1 + n_bytes);
                Ok(())
            }
        };
        for line in gone {
            let path = self.folder.join(&line.path);
            // A damaged manifest must not lead out of the folder.
            if !Path::new(&line.path).components().all(|part| matches!(part, std::path::Component::Normal(_))) {
                continue;
            }
            remove(&path)?;
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.folder) {
                if fs::remove_dir(folder).is_err() {
                    break; // Not empty.
                }
            }
        }
        let partial = self.folder.join("partial");
        let kept: Vec<PathBuf> = keep.iter().flat_map(|uri| [self.part_path(uri), self.note_path(uri)]).collect();
        let entries =
            fs::read_dir(&partial).map_err(|error| LakeError::io_at(&partial, "listing this folder", &error))?;
        for entry in entries {
            let path = entry.map_err(|error| LakeError::io_at(&partial, "listing this folder", &error))?.path();
            if !kept.contains(&path) {
                remove(&path)?;
            }
        }
        Ok(removed)
    }

    fn part_path(&self, uri: &str) -> PathBuf {
        self.folder.join("partial").join(format!("{}.part", key(uri)))
    }

    fn note_path(&self, uri: &str) -> PathBuf {
        self.folder.join("partial").join(format!("{}.json", key(uri)))
    }
}

/// What is known of a partial file: its first `offset` bytes have the checksum `crc32c`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    uri: String,
    size: u64,
    mtime_ms: i64,
    offset: u64,
    crc32c: u32,
}

/// A file on its way into the cache.
pub(crate) struct Part<'a> {
    cache: &'a Cache,
    listed: &'a DataFile,
    file: File,
    flusher: Flusher,
    n_written: u64,
    n_noted: u64,
    crc32c: u32,
}

impl<'a> Part<'a> {
    /// Goes on where an earlier attempt at the same version of `listed` stopped, as far as its bytes are sound; else
    /// starts over.
    pub fn resume(cache: &'a Cache, listed: &'a DataFile) -> Result<Part<'a>, LakeError> {
        let path = cache.part_path(&listed.uri);
        let io = |error| LakeError::io_at(&path, "opening a partial file", &error);
        let mut file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
        let note: Option<Note> =
            fs::read(cache.note_path(&listed.uri)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let same = |note: &Note| {
            note.uri == listed.uri
                && (note.size, note.mtime_ms) == (listed.n_bytes, listed.modified_ms)
                && note.offset <= note.size
        };
        let mut sound = (0, 0);
        if let Some(note) = note.filter(same)
            && checksum(&mut file, note.offset).map_err(io)? == (note.crc32c, note.offset)
        {
            sound = (note.offset, note.crc32c);
        }
        let (n_written, crc32c) = sound;
        file.set_len(n_written).and_then(|()| file.seek(SeekFrom::Start(n_written))).map_err(io)?;
        let flusher = Flusher::new(N_FLUSH);
        Ok(Part { cache, listed, file, flusher, n_written, n_noted: n_written, crc32c })
    }

    /// Removes what is there of `listed`.
    pub fn discard(cache: &Cache, listed: &DataFile) {
        let _ = fs::remove_file(cache.part_path(&listed.uri));
        let _ = fs::remove_file(cache.note_path(&listed.uri));
    }

    /// Bytes that have arrived.
    pub fn n_bytes(&self) -> u64 {
        self.n_written
    }

    /// Adds the next bytes, in one write: see [`super::read::mapped::LARGE_PAGE_BYTES`].
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
        if self.n_written - self.n_noted >= N_NOTE {
            self.note()?;
        }
        let open = || File::open(self.cache.part_path(&self.listed.uri));
        let flushed = self.flusher.wrote((self.n_written - n_before) as usize, open);
        flushed.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> LakeError {
        LakeError::io_at(&self.cache.part_path(&self.listed.uri), "writing to the cache", error)
    }

    /// Notes how far the file is, so that a later attempt can go on from here.
    pub fn note(&mut self) -> Result<(), LakeError> {
        let note = Note {
            uri: self.listed.uri.clone(),
            size: self.listed.n_bytes,
            mtime_ms: self.listed.modified_ms,
            offset: self.n_written,
            crc32c: self.crc32c,
        };
        let path = self.cache.note_path(&self.listed.uri);
        // Not synced: after a power cut the checksum tells whether the bytes are what the note says.
        let temporary = path.with_extension("json-new");
        let json = serde_json::to_vec(&note).unwrap_or_default();
        fs::write(&temporary, json)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| LakeError::io_at(&path, "writing to the cache", &error))?;
        self.n_noted = self.n_written;
        Ok(())
    }

    /// Puts the complete file into its place and into the manifest.
    pub fn finish(self) -> Result<(), LakeError> {
        let (cache, listed) = (self.cache, self.listed);
        let part = cache.part_path(&listed.uri);
        let io = |error| LakeError::io_at(&listed.path, "putting it into the cache", &error);
        let folder = listed.path.parent().unwrap_or(&cache.folder);
        let modified = match u64::try_from(listed.modified_ms) {
            Ok(after) => UNIX_EPOCH.checked_add(Duration::from_millis(after)),
            Err(_) => UNIX_EPOCH.checked_sub(Duration::from_millis(listed.modified_ms.unsigned_abs())),
        };
        fs::create_dir_all(folder).map_err(io)?;
        self.file.set_permissions(fs::Permissions::from_mode(0o444)).map_err(io)?;
        self.file.set_modified(modified.unwrap_or_else(SystemTime::now)).map_err(io)?;
        self.file.sync_all().map_err(io)?;
        fs::rename(&part, &listed.path).map_err(io)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        let path = listed.path.strip_prefix(&cache.folder).unwrap_or(&listed.path);
        cache.manifest().add(ManifestLine {
            uri: listed.uri.clone(),
            size: self.n_written,
            mtime_ms: listed.modified_ms,
            crc32c: self.crc32c,
            path: path.to_string_lossy().into_owned(),
            engine: crate::ENGINE.to_owned(),
        })?;
        let _ = fs::remove_file(cache.note_path(&listed.uri));
        Ok(())
    }
}

/// CRC-32C of the first `n_most` bytes of `file`, and how many there were.
fn checksum(file: &mut File, n_most: u64) -> std::io::Result<(u32, u64)> {
    file.seek(SeekFrom::Start(0))?;
    let mut limited = file.take(n_most);
    let mut buffer = vec![0; N_READ];
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

/// Name of the partial file of `uri`.
fn key(uri: &str) -> String {
    Sha256::digest(uri.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Path of `uri` within the cache: the same names, with everything escaped that could lead elsewhere or that no file
/// system takes. Different URIs have different paths.
fn relative_path(uri: &HdfsUri) -> PathBuf {
    let names = uri.path.split('/').filter(|name| !name.is_empty());
    [uri.scheme.as_str(), &uri.authority].into_iter().chain(names).map(safe_name).collect()
}

fn safe_name(name: &str) -> String {
    let mut safe = String::new();
    for (at, character) in name.char_indices() {
        let is_special =
            character.is_control() || matches!(character, '%' | '/' | '\\') || (at == 0 && character == '.');
        if is_special {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                safe.push_str(&format!("%{byte:02X}"));
            }
        } else {
            safe.push(character);
        }
    }
    if safe.len() > N_NAME {
        // `%-` is no escape, so that no other name looks like this.
        let digest = format!("%-{}", key(name));
        let mut end = N_NAME - digest.len();
        while !safe.is_char_boundary(end) {
            end -= 1;
        }
        safe.truncate(end);
        safe.push_str(&digest);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::calendar::Day;
    use crate::lake::{Compression, Format};

    fn listed(cache: &Cache, name: &str, n_bytes: u64) -> DataFile {
        let uri = HdfsUri { scheme: "hdfs".into(), authority: "nn".into(), path: format!("/{name}") };
        DataFile {
            uri: uri.to_string(),
            path: cache.path_of(&uri),
            day: Day::new(1).unwrap(),
            n_bytes,
            modified_ms: 1_650_000_000_123,
            format: Format::Ndjson,
            compression: Compression::None,
        }
    }

    #[test]
    fn what_arrives_is_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let content: Vec<u8> =
            (0..2 * N_FLUSH as u32 + 5).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let check = |n_batch: usize, n_piece: usize| {
            let file = listed(&cache, &format!("{n_batch}-{n_piece}.json"), content.len() as u64);
            let mut part = Part::resume(&cache, &file).unwrap();
            for batch in content.chunks(n_batch) {
                let pieces = batch.chunks(n_piece).map(Bytes::copy_from_slice);
                let batch: Vec<Bytes> = [Bytes::new()].into_iter().chain(pieces).chain([Bytes::new()]).collect();
                part.write(&batch).unwrap();
            }
            part.write(&[]).unwrap();
            assert_eq!(part.n_bytes(), file.n_bytes);
            part.finish().unwrap();
            assert!(fs::read(&file.path).unwrap() == content, "batches of {n_batch} in pieces of {n_piece}");
            assert!(cache.verify(&file).unwrap());
        };
        check(1 << 20, 1 << 16);
        // More pieces than one call of the system takes.
        check(3 << 20, 1000);
        check(content.len(), content.len());
    }

    #[test]
    fn a_disk_without_room_is_seen_before_the_first_byte() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let check = |sizes: &[u64], expected: Option<&str>| {
            let files: Vec<DataFile> = sizes.iter().map(|n_bytes| listed(&cache, "x.json", *n_bytes)).collect();
            let error = cache.check_space(&files).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expected.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().contains(expected.unwrap_or_default()), "{sizes:?}");
        };
        check(&[], None);
        check(&[0, 1, 1000], None);
        let too_much = 1 << 60;
        check(&[1, too_much], Some("2 files need 1152921504606846977 bytes and 67108864 to spare, the disk has "));
        // What is there of a file needs no more room.
        let part = File::create(cache.part_path(&listed(&cache, "x.json", 1).uri)).unwrap();
        part.set_len(1 << 40).unwrap();
        check(&[1 << 40], None);
    }

    #[test]
    fn names_stay_inside_of_the_cache() {
        let check = |name: &str, expected: &str| assert_eq!(safe_name(name), expected, "{name}");
        check("20220401.json", "20220401.json");
        check("nn:9000", "nn:9000");
        check("a b#c?d{e}*é", "a b#c?d{e}*é");
        check("..", "%2E.");
        check(".hidden", "%2Ehidden");
        check("a%2Fb\\c\n\u{85}", "a%252Fb%5Cc%0A%C2%85");
        let long = safe_name(&"é".repeat(200));
        assert!(long.len() <= N_NAME && long.contains("%-"), "{long}");
        assert_ne!(long, safe_name(&"é".repeat(201)));
        let uri = HdfsUri { scheme: "hdfs".into(), authority: "..".into(), path: "//a//../b".into() };
        assert_eq!(relative_path(&uri), Path::new("hdfs/%2E./a/%2E./b"));
    }

    #[test]
    fn one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let error = Cache::open(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("this cache is in use by process {}", std::process::id())), "{error}");
        drop(cache);
        Cache::open(folder.path()).unwrap();
    }
}
