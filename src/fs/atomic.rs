//! Output files: written aside, forced to disk, renamed at the end. A reader finds the old file or the new one, whole.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Seek as _, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::console;
use crate::fs::error::OutputError;
use crate::fs::lock::{TryLock, try_lock};
use crate::fs::part::{PART_PREFIX, PartFile, remove_dead_parts};
use crate::fs::target::{self, Target, folder_of};

/// Folders with which a killed run drew a workbook begin so, and are removed by the next.
const SCRATCH_PREFIX: &str = ".viewmart-tableau-";

/// Held by the run that writes into the folder, and the sign by which a lake around it knows the folder.
pub const LOCK_NAME: &str = ".viewmart-lock";

/// The output folder, for this run alone. Copies share its lock: whoever makes many months holds it from the first to the
/// last.
#[derive(Clone, Debug)]
pub struct OutFolder {
    path: PathBuf,
    /// Locked until the last copy is dropped, or the process ends in any way.
    _lock: Arc<File>,
}

impl OutFolder {
    /// Makes the folder when missing, locks it and removes what a killed run left in it.
    ///
    /// # Errors
    /// [`OutputError::Io`]; [`OutputError::Busy`] when another run holds the folder.
    pub fn open(path: &Path) -> Result<OutFolder, OutputError> {
        let error = |doing| move |source| OutputError::io(path, doing, source);
        fs::create_dir_all(path).map_err(error("making the output folder"))?;
        let lock_path = path.join(LOCK_NAME);
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(error("locking the output folder"))?;
        let outcome = try_lock(&lock).map_err(error("locking the output folder"))?;
        if outcome == TryLock::Busy {
            return Err(OutputError::Busy { folder: path.to_owned() });
        }
        if let Some(warning) = outcome.warning(path) {
            console::say(format_args!("warning: {warning}"));
        }
        remove_leftovers(path).map_err(error("removing what an earlier run left behind"))?;
        Ok(OutFolder { path: path.to_owned(), _lock: Arc::new(lock) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a file of this name.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn stage(&self, name: &str) -> Result<StagedFile, OutputError> {
        StagedFile::create(&self.path.join(name))
    }

    /// Removes a file that an earlier run wrote and this one did not; it need not be there.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn remove(&self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(OutputError::io(path, "removing an outdated file", source))
            }
            _ => Ok(()),
        }
    }

    /// Whether [`OutFolder::remove`] can remove it: a folder of that name would stay.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn check_removable(&self, name: &str) -> Result<(), OutputError> {
        let path = self.path.join(name);
        if path.is_dir() && !path.is_symlink() {
            let source = io::ErrorKind::IsADirectory.into();
            return Err(OutputError::io(path, "removing an outdated file", source));
        }
        Ok(())
    }
}

fn remove_leftovers(folder: &Path) -> io::Result<()> {
    remove_dead_parts(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Only who has the lock of the folder makes them.
        if entry.file_name().as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// A file that nobody sees until it is published. Dropped before that, it is gone.
#[derive(Debug)]
pub struct StagedFile {
    writer: BufWriter<PartFile>,
    /// As the user knows it.
    name: PathBuf,
    target: Target,
    /// More names that it gets.
    copies: Vec<PathBuf>,
    /// Those of the file that it replaces.
    permissions: Option<Permissions>,
}

impl StagedFile {
    /// Begins the file `name`, whose folder is made when missing, and removes what killed runs left in it.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn create(name: &Path) -> Result<StagedFile, OutputError> {
        StagedFile::create_in(name).map_err(|source| OutputError::io(name, "creating the file", source))
    }

    fn create_in(name: &Path) -> io::Result<StagedFile> {
        let target = Target::of(name)?;
        // The file must lie in the folder of its target: a rename across file systems is not atomic.
        let folder = match &target {
            Target::File(path) => folder_of(path).to_owned(),
            Target::Stream(path) => {
                check_writable(path)?;
                std::env::temp_dir()
            }
            Target::Stdout => std::env::temp_dir(),
        };
        fs::create_dir_all(&folder)?;
        // Leftovers do no harm where they cannot be removed.
        let _ = remove_dead_parts(&folder);
        let part = PartFile::create(&folder)?;
        let writer = BufWriter::with_capacity(1 << 20, part);
        let permissions = target.as_file().and_then(target::permissions);
        let file = StagedFile { writer, name: name.to_owned(), target, copies: Vec::new(), permissions };
        file.protect()?;
        Ok(file)
    }

    /// The same file under another name too, in the same file where the file system can do that. A file in place of
    /// either keeps its permissions.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn also_as(mut self, name: &Path) -> Result<StagedFile, OutputError> {
        let failed = |source| OutputError::io(name, "creating the file", source);
        let target = Target::of(name).map_err(failed)?;
        self.permissions = self.permissions.or_else(|| target.as_file().and_then(target::permissions));
        self.protect().map_err(failed)?;
        self.copies.push(name.to_owned());
        Ok(self)
    }

    /// Keeps from others what they may not read later, and from nobody what he has to write now.
    fn protect(&self) -> io::Result<()> {
        let Some(permissions) = &self.permissions else { return Ok(()) };
        let file = self.writer.get_ref().file.as_file();
        file.set_permissions(Permissions::from_mode(permissions.mode() & 0o7777 | 0o600))
    }

    /// Where the file will be, as the user knows it.
    pub fn target(&self) -> &Path {
        &self.name
    }

    /// All names that it gets.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        [&self.name].into_iter().chain(&self.copies).map(PathBuf::as_path)
    }

    /// Whether it takes the place of a file, and is not written through to a device or pipe.
    pub fn is_file(&self) -> bool {
        self.target.as_file().is_some()
    }

    /// Where the file is now, for writers that want a path.
    pub fn path(&self) -> &Path {
        self.writer.get_ref().file.path()
    }

    /// Writes with `fill`.
    ///
    /// # Errors
    /// [`OutputError::Io`].
    pub fn write_with<T>(
        &mut self,
        fill: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<T>,
    ) -> Result<T, OutputError> {
        fill(&mut self.writer).map_err(|source| OutputError::io(&self.name, "writing the file", source))
    }

    /// Writes with `fill`, which may seek and has an error of its own.
    ///
    /// # Errors
    /// What `fill` says.
    pub fn fill<T, E>(&mut self, fill: impl FnOnce(&mut BufWriter<PartFile>) -> Result<T, E>) -> Result<T, E> {
        fill(&mut self.writer)
    }

    /// Forces the bytes to disk; only the rename is left.
    fn finish(mut self) -> Result<Finished, OutputError> {
        let StagedFile { writer, name, target, copies, permissions } = {
            self.writer.flush().map_err(|e| OutputError::io(&self.name, "writing the file", e))?;
            self
        };
        let part = writer.into_inner().map_err(|e| OutputError::io(&name, "writing the file", e.into_error()))?;
        let file = part.file.as_file();
        let ready = match &permissions {
            Some(permissions) => file.set_permissions(permissions.clone()),
            None => Ok(()),
        };
        ready.and_then(|()| file.sync_all()).map_err(|e| OutputError::io(&name, "writing the file to disk", e))?;
        Ok(Finished { part, name, target, copies })
    }
}

/// Whether this user may write to a device or pipe. It is not opened, as that could wait for a reader.
fn check_writable(path: &Path) -> io::Result<()> {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
}

/// A file whose bytes are on the disk.
struct Finished {
    part: PartFile,
    name: PathBuf,
    target: Target,
    copies: Vec<PathBuf>,
}

impl Finished {
    /// Gives it its names; returns all of them, and the folders that changed.
    fn publish(self, folders: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>, OutputError> {
        let Finished { part, name, target, copies } = self;
        let mut file = part.file;
        let renaming = |source| OutputError::io(&name, "renaming the finished file", source);
        match &target {
            Target::Stream(path) => {
                let mut stream = target::open_stream(path).map_err(renaming)?;
                copy(file.as_file_mut(), &mut stream).map_err(|e| OutputError::io(&name, "writing to it", e))?;
            }
            Target::Stdout => {
                let mut stdout = io::stdout();
                copy(file.as_file_mut(), &mut stdout).map_err(|e| OutputError::io(&name, "writing to it", e))?;
            }
            Target::File(path) => {
                // Open to the end: its lock keeps others from taking its second name for a leftover.
                let _open = match file.persist(path) {
                    Ok(open) => open,
                    // A file that is mounted by itself can be written, but not replaced.
                    Err(error) if error.error.kind() == io::ErrorKind::ResourceBusy => {
                        file = error.file;
                        let mut mounted = File::options().write(true).truncate(true).open(path).map_err(renaming)?;
                        copy(file.as_file_mut(), &mut mounted).map_err(renaming)?;
                        mounted
                    }
                    Err(error) => return Err(renaming(error.error)),
                };
                folders.push(folder_of(path).to_owned());
                for copy in &copies {
                    give_name(path, copy, folders)
                        .map_err(|source| OutputError::io(copy, "giving the file its name", source))?;
                }
            }
        }
        Ok([name].into_iter().chain(copies).collect())
    }
}

fn copy(from: &mut File, to: &mut impl Write) -> io::Result<()> {
    from.rewind()?;
    io::copy(from, to)?;
    to.flush()
}

/// Gives the file at `path` the name `copy` too: a hard link, or a file with the same bytes.
fn give_name(path: &Path, copy: &Path, folders: &mut Vec<PathBuf>) -> io::Result<()> {
    let Target::File(end) = Target::of(copy)? else {
        return fs::copy(path, copy).map(drop);
    };
    let folder = folder_of(&end);
    folders.push(folder.to_owned());
    let linked = tempfile::Builder::new().prefix(PART_PREFIX).make_in(folder, |aside| fs::hard_link(path, aside));
    match linked {
        Ok(aside) => aside.persist(&end).map(drop).map_err(|error| error.error),
        // A file system without hard links, or another one.
        Err(_) => {
            let mut part = PartFile::create(folder)?;
            io::copy(&mut File::open(path)?, &mut part)?;
            part.file.as_file().set_permissions(fs::metadata(path)?.permissions())?;
            part.file.as_file().sync_all()?;
            part.file.persist(&end).map(drop).map_err(|error| error.error)
        }
    }
}

/// Publishes files: first all of them are forced to disk, then all are renamed, so that a full disk changes nothing; last
/// come devices and pipes, whose readers find the files by then. Returns where they are.
///
/// # Errors
/// [`OutputError::Io`].
pub fn publish(files: Vec<StagedFile>) -> Result<Vec<PathBuf>, OutputError> {
    let mut finished = files.into_iter().map(StagedFile::finish).collect::<Result<Vec<_>, OutputError>>()?;
    finished.sort_by_key(|file| file.target.as_file().is_none());
    let (mut names, mut folders) = (Vec::new(), Vec::new());
    for file in finished {
        names.extend(file.publish(&mut folders)?);
    }
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        let synced = File::open(&folder).and_then(|f| f.sync_all());
        synced.map_err(|source| OutputError::io(&folder, "writing the folder to disk", source))?;
    }
    Ok(names)
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
        assert_eq!(names(folder.path()), [LOCK_NAME]);
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
        let copy = first.clone();
        drop(first);
        assert!(OutFolder::open(folder.path()).is_err(), "a copy holds the lock too");
        drop(copy);
        OutFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_folder_in_the_way_of_a_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("report.json")).unwrap();
        let error = OutFolder::open(folder.path()).unwrap().stage("report.json").unwrap_err().to_string();
        assert!(error.contains("report.json"), "{error}");
    }

    /// Names in a folder, in order.
    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_part_that_is_written_is_no_leftover() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join(format!("{PART_PREFIX}dead")), "half").unwrap();
        let mut file = StagedFile::create(&other.path().join("report.json")).unwrap();
        assert_eq!(names(other.path()).len(), 1, "that of the killed run is gone");
        // Another run that has this folder as its own.
        let folder = OutFolder::open(other.path()).unwrap();
        folder.stage("other").unwrap();
        file.write_with(|w| w.write_all(b"new")).unwrap();
        publish(vec![file]).unwrap();
        assert_eq!(fs::read_to_string(other.path().join("report.json")).unwrap(), "new");
        assert!(names(one.path()).is_empty());
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::open(folder.path()).unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o7777;
        let check = |given: &[(&str, u32)], expected: u32| {
            for (name, mode) in given {
                fs::write(folder.path().join(name), "old").unwrap();
                fs::set_permissions(folder.path().join(name), Permissions::from_mode(*mode)).unwrap();
            }
            let file = staged(&out, "a", "new").also_as(&folder.path().join("b")).unwrap();
            let while_written = file.path().metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(while_written & !0o600, expected & !0o600, "{given:?}");
            publish(vec![file]).unwrap();
            assert_eq!((mode("a"), mode("b")), (expected, expected), "{given:?}");
            for name in ["a", "b"] {
                fs::remove_file(folder.path().join(name)).unwrap();
            }
        };
        publish(vec![staged(&out, "fresh", "")]).unwrap();
        check(&[], mode("fresh"));
        check(&[("a", 0o600)], 0o600);
        check(&[("a", 0o440)], 0o440);
        check(&[("b", 0o600)], 0o600);
        check(&[("a", 0o664), ("b", 0o600)], 0o664);
    }

    #[test]
    fn other_names_lead_to_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutFolder::open(folder.path()).unwrap();
        let at = |name: &str| folder.path().join(name);
        for (text, month) in [("one", "march"), ("two", "april")] {
            publish(vec![staged(&out, "report", text).also_as(&at(month)).unwrap()]).unwrap();
        }
        assert_eq!(
            ["report", "march", "april"].map(|name| fs::read_to_string(at(name)).unwrap()),
            ["two", "one", "two"]
        );
        let inode = |name: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(at(name)).unwrap());
        assert_eq!(inode("report"), inode("april"));
        assert_eq!(names(folder.path()), [LOCK_NAME, "april", "march", "report"]);
    }

    #[test]
    fn links_are_followed_and_devices_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/file"), "old").unwrap();
        std::os::unix::fs::symlink("real/file", at("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read_to_string(pipe).unwrap()
        });
        let file = |name: &Path| {
            let mut file = StagedFile::create(name).unwrap();
            file.write_with(|w| w.write_all(b"new")).unwrap();
            file
        };
        let written = publish(vec![file(&at("pipe")), file(Path::new("/dev/null")), file(&at("link"))]).unwrap();
        assert_eq!(written, [at("link"), at("pipe"), "/dev/null".into()]);
        assert_eq!(reader.join().unwrap(), "new");
        assert_eq!(fs::read_to_string(at("real/file")).unwrap(), "new");
        assert!(at("link").is_symlink());
        assert_eq!(names(folder.path()), ["link", "pipe", "real"]);
        assert_eq!(names(&at("real")), ["file"]);
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        // A full device is noticed.
        let error = publish(vec![file(Path::new("/dev/full"))]).unwrap_err().to_string();
        assert!(error.starts_with("/dev/full: "), "{error}");
    }
}
