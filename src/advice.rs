//! What to do next: the last words of every error, and what an error of the operating system asks for.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

/// What to do about seconds that add up to more than 64 bits hold.
pub(crate) const BOUND_SECONDS: &str = "bound the seconds of a record with `max_seconds` in the rules";

/// An error that can say what to do next.
pub trait Advice: std::error::Error {
    /// One sentence for the user, without a final period, or `None` where there is nothing to add.
    fn advice(&self) -> Option<Cow<'_, str>>;
}

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read what is there.
    Read,
    /// To make or replace it.
    Write,
}

/// What an error of the operating system about a file or folder is, as far as the user has to do something else about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoKind {
    /// The disk or the quota is full.
    NoSpace,
    /// The file system, or a limit of the process, takes no file so large.
    TooLarge,
    /// This user may not.
    Denied,
    /// Nobody may write there.
    ReadOnly,
    /// Nothing is there.
    Gone,
    /// A folder where a file should be.
    IsFolder,
    /// A file where a folder should be.
    IsFile,
    /// A name or path is longer than the file system takes.
    NameTooLong,
    /// The process, or the machine, has as many files open as it may.
    TooManyOpen,
    /// Whoever reads the pipe has ended.
    ReaderGone,
    /// The disk or the server fails, or anything else.
    Other,
}

impl IoKind {
    /// The kind of `error`.
    pub fn of(error: &io::Error) -> IoKind {
        use rustix::io::Errno;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => IoKind::NoSpace,
            ErrorKind::FileTooLarge => IoKind::TooLarge,
            ErrorKind::PermissionDenied => IoKind::Denied,
            ErrorKind::ReadOnlyFilesystem => IoKind::ReadOnly,
            ErrorKind::NotFound => IoKind::Gone,
            ErrorKind::IsADirectory => IoKind::IsFolder,
            ErrorKind::NotADirectory | ErrorKind::AlreadyExists => IoKind::IsFile,
            ErrorKind::InvalidFilename => IoKind::NameTooLong,
            ErrorKind::BrokenPipe => IoKind::ReaderGone,
            // The standard library has no name for these.
            _ if matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE)) => IoKind::TooManyOpen,
            _ => IoKind::Other,
        }
    }

    /// What to do about it where a file was opened for `access`.
    pub fn advice(self, access: Access) -> &'static str {
        match (self, access) {
            (IoKind::NoSpace, _) => "free disk space there or name a place with more, then run again",
            (IoKind::TooLarge, _) => "take a disk that holds such files, and see `ulimit -f`",
            (IoKind::Denied, Access::Read) => "grant this user read permission, or run as a user who has it",
            (IoKind::Denied, Access::Write) => "grant this user write permission there, or name another place",
            (IoKind::ReadOnly, _) => "the file system is read-only; name another place",
            (IoKind::Gone, _) => "check the path, and that no other program removed it meanwhile",
            (IoKind::IsFolder, Access::Read) => "that is a folder: name a file",
            (IoKind::IsFolder, Access::Write) => {
                "a folder has the name of the file: move it away, or name another place"
            }
            (IoKind::IsFile, Access::Read) => "a file has the name of a folder: check the path",
            (IoKind::IsFile, Access::Write) => "a file has the name of a folder: move it away, or name another place",
            (IoKind::NameTooLong, _) => "name a place with a shorter path",
            (IoKind::TooManyOpen, _) => "let the process open more files (`ulimit -n`), then run again",
            (IoKind::ReaderGone, _) => "whoever reads it ended too early; run again when it reads to the end",
            (IoKind::Other, _) => "check the disk or server that holds it, then run again",
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn each_error_of_the_operating_system_has_its_advice() {
        let check = |errno: Errno, kind: IoKind, read: &str, write: &str| {
            let found = IoKind::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
            assert_eq!(found, kind, "{errno:?}");
            let advice = [Access::Read, Access::Write].map(|access| found.advice(access));
            assert!(advice[0].contains(read) && advice[1].contains(write), "{errno:?}: {advice:?}");
        };
        check(Errno::NOSPC, IoKind::NoSpace, "free disk space", "free disk space");
        check(Errno::DQUOT, IoKind::NoSpace, "free disk space", "free disk space");
        check(Errno::FBIG, IoKind::TooLarge, "ulimit -f", "ulimit -f");
        check(Errno::ACCESS, IoKind::Denied, "read permission", "write permission");
        check(Errno::PERM, IoKind::Denied, "read permission", "write permission");
        check(Errno::ROFS, IoKind::ReadOnly, "is read-only", "is read-only");
        check(Errno::NOENT, IoKind::Gone, "check the path", "check the path");
        check(Errno::ISDIR, IoKind::IsFolder, "name a file", "move it away");
        check(Errno::NOTDIR, IoKind::IsFile, "check the path", "move it away");
        check(Errno::EXIST, IoKind::IsFile, "check the path", "move it away");
        check(Errno::NAMETOOLONG, IoKind::NameTooLong, "a shorter path", "a shorter path");
        check(Errno::MFILE, IoKind::TooManyOpen, "ulimit -n", "ulimit -n");
        check(Errno::NFILE, IoKind::TooManyOpen, "ulimit -n", "ulimit -n");
        check(Errno::PIPE, IoKind::ReaderGone, "reads to the end", "reads to the end");
        check(Errno::IO, IoKind::Other, "check the disk", "check the disk");
    }
}
