//! Output files: written aside, forced to disk, renamed at the end. A reader finds the old file or the new one, whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;
use crate::fs::flush::Flusher;
use crate::fs::lock::{TryLock, try_lock};

/// Files being written begin with this.
const PART_PREFIX: &str = ".viewmart-part-";

/// What a killed run left behind begins so, and is removed by the next.
const LEFTOVER_PREFIXES: [&str; 2] = [PART_PREFIX, ".viewmart-tableau-"];

/// Held by the run that writes into the folder, and the sign by which a lake around it knows the folder.
pub const LOCK_NAME: &str = ".viewmart-lock";

/// The output folder, for this run alone.
#[derive(Debug)]
pub struct OutFolder {
    path: PathBuf,
    /// Locked until the folder is dropped, or the process ends in any way.
    _lock: File,
}

impl OutFolder {
    /// Makes the folder when missing, locks it and removes what a killed run left in it.
    ///
    /// # Errors
    /// [`Error::Output`]; also when another run holds the folder.
    pub fn open(path: &Path) -> Result<OutFolder, Error> {
        let error = |doing| move |source| Error::Output { path: path.to_owned(), doing, source };
        fs::create_dir_all(path).map_err(error("making the output folder"))?;
        let lock_path = path.join(LOCK_NAME);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(error("locking the output folder"))?;
        if try_lock(&lock).map_err(error("locking the output folder"))? == TryLock::Busy {
            let source =
                io::Error::other("another viewmart is writing to this folder; wait for it or choose another --out");
            return Err(error("locking the output folder")(source));
        }
        remove_leftovers(path).map_err(error("removing what an earlier run left behind"))?;
        Ok(OutFolder { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file of this name.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn stage(&self, name: &str) -> Result<StagedFile, Error> {
        StagedFile::create(&self.path.join(name))
    }

    /// Removes a file that an earlier run wrote and this one did not; it need not be there.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Output { path, doing: "removing an outdated file", source })
            }
            _ => Ok(()),
        }
    }
}

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !LEFTOVER_PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            continue;
        }
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// A file that nobody sees until it is published. Dropped before that, it is gone.
#[derive(Debug)]
pub struct StagedFile {
    writer: BufWriter<PartFile>,
    target: PathBuf,
}

/// Bytes after which those of a file are sent to the disk, while more are written.
const FLUSH_BYTES: usize = 4 << 20;

/// A file that is sent to the disk piece by piece.
#[derive(Debug)]
pub struct PartFile {
    file: NamedTempFile,
    flusher: Flusher,
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

impl StagedFile {
    /// Begins the file `target`, whose folder is made when missing.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn create(target: &Path) -> Result<StagedFile, Error> {
        let error = |source| Error::Output { path: target.to_owned(), doing: "creating the file", source };
        if target.is_dir() {
            return Err(error(io::ErrorKind::IsADirectory.into()));
        }
        // The file must lie in the folder of its target: a rename across file systems is not atomic.
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(error)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PART_PREFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(error)?;
        let part = PartFile { file, flusher: Flusher::new(FLUSH_BYTES) };
        Ok(StagedFile { writer: BufWriter::with_capacity(1 << 20, part), target: target.to_owned() })
    }

    /// Where the file will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where the file is now, for writers that want a path.
    pub fn path(&self) -> &Path {
        self.writer.get_ref().file.path()
    }

    /// Writes with `fill`.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn write_with<T>(&mut self, fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<T>) -> Result<T, Error> {
        fill(&mut self.writer).map_err(|source| self.failed("writing the file", source))
    }

    /// Writes with `fill`, which may seek and has an error of its own.
    ///
    /// # Errors
    /// What `fill` says.
    pub fn fill<T, E>(&mut self, fill: impl FnOnce(&mut BufWriter<PartFile>) -> Result<T, E>) -> Result<T, E> {
        fill(&mut self.writer)
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Output { path: self.target.clone(), doing, source }
    }

    /// Forces the bytes to disk; only the rename is left.
    fn finish(mut self) -> Result<(NamedTempFile, PathBuf), Error> {
        self.writer.flush().map_err(|e| self.failed("writing the file", e))?;
        self.writer.get_ref().file.as_file().sync_all().map_err(|e| self.failed("writing the file to disk", e))?;
        let StagedFile { writer, target } = self;
        match writer.into_inner() {
            Ok(part) => Ok((part.file, target)),
            Err(e) => Err(Error::Output { path: target, doing: "writing the file", source: e.into_error() }),
        }
    }
}

/// Publishes files: first all of them are forced to disk, then all are renamed, so that a full disk changes nothing.
/// Returns where they are.
///
/// # Errors
/// [`Error::Output`].
pub fn publish(files: Vec<StagedFile>) -> Result<Vec<PathBuf>, Error> {
    let finished = files.into_iter().map(StagedFile::finish).collect::<Result<Vec<_>, Error>>()?;
    let mut targets = Vec::new();
    for (file, target) in finished {
        let error = |doing, source| Error::Output { path: target.clone(), doing, source };
        file.persist(&target).map_err(|e| error("renaming the finished file", e.error))?;
        targets.push(target);
    }
    let mut folders: Vec<&Path> = targets.iter().filter_map(|target| target.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder).and_then(|f| f.sync_all()).map_err(|source| Error::Output {
            path: folder.to_owned(),
            doing: "writing the folder to disk",
            source,
        })?;
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn staged(folder: &OutFolder, name: &str, text: &str) -> StagedFile {
        let mut file = folder.stage(name).unwrap();
        file.write_with(|w| w.write_all(text.as_bytes())).unwrap();
        file
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::open(folder.path()).unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        let files = vec![staged(&out, "a", "new"), staged(&out, "b", "b")];
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "old");
        assert!(!folder.path().join("b").exists());
        publish(files).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("a")).unwrap(), "new");
        assert_eq!(fs::read_to_string(folder.path().join("b")).unwrap(), "b");
    }

    #[test]
    fn a_file_never_published_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::open(folder.path()).unwrap();
        drop(staged(&out, "a", "new"));
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [LOCK_NAME]);
    }

    #[test]
    fn leftovers_of_a_killed_run_go_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{PART_PREFIX}x")), "half").unwrap();
        fs::write(folder.path().join(".mine"), "kept").unwrap();
        OutFolder::open(folder.path()).unwrap();
        assert!(!folder.path().join(format!("{PART_PREFIX}x")).exists());
        assert!(folder.path().join(".mine").exists());
    }

    #[test]
    fn one_run_at_a_time_writes_to_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = OutFolder::open(folder.path()).unwrap();
        let error = OutFolder::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("another viewmart"), "{error}");
        drop(first);
        OutFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_in_the_way_of_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("report.json")).unwrap();
        let error = OutFolder::open(folder.path()).unwrap().stage("report.json").unwrap_err().to_string();
        assert!(error.contains("report.json"), "{error}");
    }
}
