//! Locks between processes, on files that say nothing else. They end with the process, however that ends.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// What came of [`try_lock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryLock {
    /// The file is locked until it is closed.
    Locked,
    /// Another process has locked it.
    Busy,
    /// The file system knows no locks, or its lock server is gone: better unlocked than not at all.
    Unknown,
}

impl TryLock {
    /// What a user should know who works in `folder` with this outcome.
    pub fn warning(self, folder: &Path) -> Option<String> {
        let what = "is on a file system without locks: make sure that no other viewmart uses it at the same time";
        (self == TryLock::Unknown).then(|| format!("{} {what}", folder.display()))
    }
}

/// Locks `file`, without waiting.
///
/// # Errors
/// Those of the operating system, save that the file system has no locks.
pub fn try_lock(file: &File) -> io::Result<TryLock> {
    outcome(file.try_lock())
}

fn outcome(result: Result<(), TryLockError>) -> io::Result<TryLock> {
    match result {
        Ok(()) => Ok(TryLock::Locked),
        Err(TryLockError::WouldBlock) => Ok(TryLock::Busy),
        Err(TryLockError::Error(error)) if is_without_locks(&error) => Ok(TryLock::Unknown),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What file systems without locks answer, and NFS without its lock server (ENOLCK).
fn is_without_locks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_no_failure() {
        use rustix::io::Errno;
        let check = |errno: Errno, expected: Option<TryLock>| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            assert_eq!(outcome(Err(TryLockError::Error(error))).ok(), expected, "{errno:?}");
        };
        check(Errno::NOLCK, Some(TryLock::Unknown));
        check(Errno::OPNOTSUPP, Some(TryLock::Unknown));
        check(Errno::NOSYS, Some(TryLock::Unknown));
        check(Errno::IO, None);
        check(Errno::ACCESS, None);
        let warned =
            |outcome: TryLock| outcome.warning(Path::new("/x")).is_some_and(|text| text.starts_with("/x is on"));
        assert!(warned(TryLock::Unknown) && !warned(TryLock::Locked));
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(try_lock(file.as_file()).unwrap(), TryLock::Locked);
        assert_eq!(try_lock(&file.reopen().unwrap()).unwrap(), TryLock::Busy);
    }
}
