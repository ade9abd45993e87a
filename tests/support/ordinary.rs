//! Tests as an ordinary user. Root may open, write and remove everything, so a test about rights that runs as root
//! proves nothing: here the program, or the test itself, runs as somebody else.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// User and group that root becomes: Debian's `nobody`, who owns nothing.
const NOBODY: u32 = 65534;

/// Whether whoever runs the tests may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Lets `command` run as an ordinary user, without further groups. Without effect unless root runs the tests.
pub fn as_ordinary_user(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Gives `path` and all below it to the ordinary user; links are not followed.
pub fn give(path: &Path) {
    if !is_root() {
        return;
    }
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}

/// `program`, or a copy of it that everybody may run: a clone within a home folder is often closed to others.
pub fn runnable(program: &Path) -> PathBuf {
    static COPIES: OnceLock<tempfile::TempDir> = OnceLock::new();
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0);
    if !is_root() || program.ancestors().all(is_open) {
        return program.to_owned();
    }
    let folder = COPIES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        folder
    });
    let copy = folder.path().join(program.file_name().unwrap());
    if !copy.exists() {
        // Renamed into place: tests run at once, and a file that is still written cannot be run.
        let part = tempfile::NamedTempFile::new_in(folder.path()).unwrap().into_temp_path();
        fs::copy(program, &part).unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o755)).unwrap();
        part.persist(&copy).unwrap();
    }
    copy
}

/// For a test of the library: runs the test called `name` (with its modules) again in a process of an ordinary user when root
/// runs it, and returns false; otherwise the caller is that user, and goes on.
///
/// ```ignore
/// if !ordinary::is_me("lake::cache::tests::what_it_guards") { return }
/// ```
#[track_caller]
pub fn is_me(name: &str) -> bool {
    if !is_root() {
        return true;
    }
    let tests = runnable(&std::env::current_exe().unwrap());
    let mut command = Command::new(tests);
    let output = as_ordinary_user(command.args([name, "--exact", "--nocapture"]).current_dir("/")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "as an ordinary user:\n{stdout}\n{stderr}");
    false
}
