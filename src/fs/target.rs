//! Where the bytes of an output end up: links are followed, devices and pipes are written through, a file keeps its mode.

use std::fs::{self, File, Permissions};
use std::io;
use std::path::{Path, PathBuf};

/// Most links that one name leads through, as in Linux.
const MAX_LINKS: usize = 40;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, or none yet; replaced whole, by a rename.
    File(PathBuf),
    /// A device, a pipe, or a file that a process has open: written through, as a rename would put a file in its place.
    Stream(PathBuf),
    /// This process's own stdout, which has a place in its file that must not be lost.
    Stdout,
}

impl Target {
    /// What `path` leads to.
    ///
    /// # Errors
    /// A folder, links in a circle, and what the operating system says.
    pub fn of(path: &Path) -> io::Result<Target> {
        let end = follow_links(path)?;
        if is_open_file(&end) {
            let is_stdout = ["/proc/self/fd/1", "/dev/fd/1"].iter().any(|name| end == Path::new(name));
            return Ok(if is_stdout { Target::Stdout } else { Target::Stream(end) });
        }
        match fs::metadata(&end) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => Ok(Target::Stream(end)),
            Ok(_) => Ok(Target::File(end)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Target::File(end)),
            Err(error) => Err(error),
        }
    }

    /// The file that is replaced, where one is.
    pub fn as_file(&self) -> Option<&Path> {
        match self {
            Target::File(path) => Some(path),
            Target::Stream(_) | Target::Stdout => None,
        }
    }
}

/// Whether what is written to `path` takes the place of a file, or makes one.
pub fn is_file(path: &Path) -> bool {
    matches!(Target::of(path), Ok(Target::File(_)))
}

/// The name at the end of the links that begin at `path`.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        // Links there lead to what a process has open, by names that may be gone.
        if is_open_file(&at) {
            return Ok(at);
        }
        match fs::read_link(&at) {
            Ok(link) => at = at.parent().unwrap_or(Path::new("")).join(link),
            // No link (EINVAL), or nothing there.
            Err(_) => return Ok(at),
        }
    }
    Err(io::Error::other("its links go in a circle"))
}

fn is_open_file(path: &Path) -> bool {
    path.starts_with("/proc") || path.starts_with("/dev/fd")
}

/// The folder of a file.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The permissions of the file at `path`, where there is one.
pub fn permissions(path: &Path) -> Option<Permissions> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.permissions())
}

/// The place of the file that `path` leads to, no link in it; none where not even its folder is there. Two hard links are
/// two places: a rename onto one of them leaves the other as it is.
pub fn place(path: &Path) -> Option<PathBuf> {
    let end = follow_links(path).ok()?;
    Some(fs::canonicalize(folder_of(&end)).ok()?.join(end.file_name()?))
}

/// Opens a stream to write to. A pipe waits for its reader.
pub(super) fn open_stream(path: &Path) -> io::Result<File> {
    File::options().write(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_what_is_no_file_is_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (link, to) in [
            ("link", "file"),
            ("link-to-link", "link"),
            ("dangling", "folder/new"),
            ("circle", "circle"),
            ("null", "/dev/null"),
            ("stdout", "/dev/stdout"),
            ("up", "../"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        let check = |path: PathBuf, expected: Option<Target>| {
            assert_eq!(Target::of(&path).ok(), expected, "{}", path.display());
        };
        check(at("file"), Some(Target::File(at("file"))));
        check(at("none"), Some(Target::File(at("none"))));
        check(at("link"), Some(Target::File(at("file"))));
        check(at("link-to-link"), Some(Target::File(at("file"))));
        check(at("dangling"), Some(Target::File(at("folder/new"))));
        check(at("circle"), None);
        check(at("folder"), None);
        check(at("up"), None);
        check(at("null"), Some(Target::Stream("/dev/null".into())));
        check(at("stdout"), Some(Target::Stdout));
        check("/dev/fd/9".into(), Some(Target::Stream("/dev/fd/9".into())));
    }

    #[test]
    fn two_names_of_one_place_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "").unwrap();
        fs::write(at("b"), "").unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        symlink("a", at("soft")).unwrap();
        symlink("new", at("dangling")).unwrap();
        symlink(folder.path(), at("again")).unwrap();
        let check = |one: &str, other: &str, expected: bool| {
            let [one_place, other_place] = [one, other].map(|name| place(&at(name)));
            assert_eq!(one_place.is_some() && one_place == other_place, expected, "{one} {other}");
        };
        check("a", "a", true);
        check("a", "hard", false);
        check("a", "soft", true);
        check("a", "again/a", true);
        check("a", "b", false);
        check("new", "dangling", true);
        check("new", "again/new", true);
        check("new", "other", false);
        check("new", "nowhere/new", false);
    }
}
