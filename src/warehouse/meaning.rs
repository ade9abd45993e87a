//! What a database's own words mean, which decides what the user is advised to do about them.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use crate::advice::{Access, BOUND_SECONDS, IoKind};

/// What words of a database, of its client or of the operating system mean.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// Nothing that is known here.
    Unknown,
    /// Wrong account, password or way to log in.
    Login {
        /// The account.
        user: String,
    },
    /// The account may not come from this host.
    ForeignHost {
        /// The account.
        user: String,
    },
    /// The password has expired.
    PasswordExpired {
        /// The account.
        user: String,
    },
    AccountLocked {
        /// The account.
        user: String,
    },
    /// There are as many connections as there may be.
    TooManyConnections,
    /// The account lacks rights.
    NoRights {
        /// The statements that give them.
        grants: String,
    },
    /// There is no such database.
    NoDatabase {
        /// Its name, quoted.
        name: String,
    },
    /// The server takes no writes.
    ReadOnlyServer,
    /// The server's disk or tablespace is full.
    ServerFull,
    /// A packet is larger than the server takes.
    PacketTooLarge,
    /// The server's log has no room for so large a transaction.
    LogTooSmall,
    /// The server takes connections with TLS only.
    TlsRequired,
    /// Another session works on the same tables, and this one was chosen to give way.
    Deadlock,
    /// Another session holds a lock.
    Locked,
    /// The server ended the connection or the statement.
    Ended,
    /// The server limits the time of a statement.
    StatementTime,
    /// The server refuses `LOAD DATA LOCAL`.
    NoLocalInfile,
    /// Nothing listens there.
    NotListening,
    /// There is no such socket.
    NoSocket,
    /// This user may not use the socket.
    SocketDenied,
    /// The server cannot be reached.
    Unreachable,
    /// The server did not answer a connection in time.
    NoConnection,
    /// The server did not answer a statement in time.
    NoAnswer,
    /// The server does not offer TLS.
    NoTls,
    TlsFailed,
    /// The files for TLS cannot be read.
    TlsFiles,
    /// The account logs in in a way that is not known here.
    UnknownLogin,
    /// What answers is no server of ours.
    NotMysql,
    /// The server asked for a file of this machine.
    ForeignFile,
    /// Another part of the same step failed first.
    BrokenOff,
    /// Somebody changed a table so that months cannot be exchanged with it.
    TableChanged {
        /// The table, quoted.
        table: String,
        /// The statements that put it right.
        repair: String,
    },
    /// Rows do not fit what somebody gave the table of customers: a condition, a unique key, a narrower type.
    RowsRefused,
    /// The server is to encrypt tables and has no key for it.
    NoKeyring,
    /// The file has none of our tables.
    NoTables,
    /// A sum leaves 64 bits.
    Overflow,
    /// Another process uses the file.
    FileBusy,
    /// The disk of the file is full.
    DiskFull,
    /// The file may not be written.
    FileDenied,
    /// What a killed run had begun in the file has to be undone first, and this user may not write.
    Unfinished {
        /// What the run left beside the file.
        journal: PathBuf,
        address: String,
    },
    /// The folder may not be written.
    FolderDenied,
    /// The folder, or a file in it, cannot be made for another reason.
    Folder(IoKind),
    /// The file is of something else.
    NotSqlite,
    /// The file is damaged.
    Damaged,
    /// The disk of the file fails.
    DiskFailed,
}

/// What to do where no month was loaded yet.
pub(super) const LOAD_FIRST: &str = "load a month first, with `viewmart run` or `viewmart load`";

/// What to do where the server refuses `LOAD DATA LOCAL`.
pub(super) const LOCAL_INFILE_ADVICE: &str =
    "let an administrator run `SET PERSIST local_infile = 1` (MariaDB: `SET GLOBAL local_infile = 1`)";

/// What to do where rows do not fit the table of customers.
pub(super) const ROWS_REFUSED: &str = "somebody gave customer_behavior a condition, a unique key or a type that these rows do not fit: look for it (SHOW \
     CREATE TABLE customer_behavior) and take it back (ALTER TABLE customer_behavior DROP CONSTRAINT …, or MODIFY …)";

impl Meaning {
    /// What it means that a folder or a file in it cannot be made.
    pub(super) fn of_folder(error: &io::Error) -> Meaning {
        match IoKind::of(error) {
            IoKind::NoSpace => Meaning::DiskFull,
            IoKind::Denied => Meaning::FolderDenied,
            kind => Meaning::Folder(kind),
        }
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<Cow<'static, str>> {
        let advice = match self {
            Meaning::Login { user } => format!(
                "check the password of `{user}` in VIEWMART_MYSQL_PASSWORD or the option file, that the account may \
                 come from this host, and whether it has to use TLS (`?ssl-mode=REQUIRED`)"
            ),
            Meaning::ForeignHost { user } => {
                format!("allow `{user}` to connect from this host, or run FLUSH HOSTS if too many attempts failed")
            }
            Meaning::PasswordExpired { user } => {
                format!("the password of `{user}` has expired: set a new one with ALTER USER")
            }
            Meaning::AccountLocked { user } => format!("unlock the account: ALTER USER '{user}' ACCOUNT UNLOCK"),
            Meaning::NoRights { grants } => format!("grant what is missing: {grants}"),
            Meaning::NoDatabase { name } => {
                format!("check its name in the address; where it is to be new, create it: CREATE DATABASE {name}")
            }
            Meaning::Unfinished { journal, address } => format!(
                "{} is what a run left that was killed, or is at work: let a user who may write the file and its folder \
                 run `viewmart months --warehouse {address}` once",
                journal.display()
            ),
            Meaning::TableChanged { table, repair } => format!(
                "somebody changed {table} in a way that months cannot be exchanged with; put it right ({repair}), or take \
                 the change back"
            ),
            other => {
                return other
                    .of_server()
                    .or_else(|| other.of_connection())
                    .or_else(|| other.of_file())
                    .map(Cow::Borrowed);
            }
        };
        Some(Cow::Owned(advice))
    }

    fn of_server(&self) -> Option<&'static str> {
        Some(match self {
            Meaning::TooManyConnections => "wait for other connections to end, or raise the limit on connections",
            Meaning::ReadOnlyServer => "load into the primary server: this one is read-only",
            Meaning::ServerFull => "free disk space on the server or raise the limit of its tablespace, then run again",
            Meaning::PacketTooLarge => "raise it: SET GLOBAL max_allowed_packet = 67108864",
            Meaning::LogTooSmall => {
                "the server cannot log so large a transaction: raise max_binlog_cache_size and \
                 max_binlog_stmt_cache_size (in a group group_replication_transaction_size_limit), then run again"
            }
            Meaning::Deadlock => "run again; another session works on the same tables",
            Meaning::Locked => {
                "find who holds the table (SHOW PROCESSLIST, an open transaction will do) and end it, then run again"
            }
            Meaning::Ended => "see the server's log for why it ended the connection, then run again",
            Meaning::StatementTime => "raise the server's limit on statement time for this account",
            Meaning::NoLocalInfile => LOCAL_INFILE_ADVICE,
            Meaning::RowsRefused => ROWS_REFUSED,
            Meaning::NoKeyring => {
                "let an administrator give the server a keyring, or have it make tables that are not encrypted (SET GLOBAL \
                 default_table_encryption = OFF, and ALTER DATABASE … ENCRYPTION = 'N')"
            }
            Meaning::BrokenOff => "run again",
            _ => return None,
        })
    }

    fn of_connection(&self) -> Option<&'static str> {
        Some(match self {
            Meaning::TlsRequired => {
                "the server takes TLS connections only: give `?ssl-mode=REQUIRED`, or one of VERIFY_CA and \
                 VERIFY_IDENTITY"
            }
            Meaning::NotListening => "start the server, or correct host and port in --warehouse",
            Meaning::NoSocket => "start the server, or correct the path of the socket",
            Meaning::SocketDenied => "grant this user access to the socket",
            Meaning::Unreachable => "correct host and port in --warehouse, and check the network and its firewalls",
            Meaning::NoConnection => "check that the server runs and that no firewall drops the connection",
            Meaning::NoAnswer => "check that the server runs and is not blocked (SHOW PROCESSLIST), then run again",
            Meaning::NoTls => "turn TLS on at the server, or give `?ssl-mode=PREFERRED` if plain text may be used",
            Meaning::TlsFailed => {
                "give `?ssl-mode=VERIFY_CA&ssl-ca=FILE` with the authority of the server's certificate, or \
                 `?ssl-mode=REQUIRED` to leave it unchecked"
            }
            Meaning::TlsFiles => "check the files named by ssl-ca, ssl-cert and ssl-key",
            Meaning::UnknownLogin => "give the account caching_sha2_password or mysql_native_password",
            Meaning::NotMysql => "check that a MySQL or MariaDB server listens at this address",
            Meaning::ForeignFile => {
                "do not use this server: it, or someone in between, tries to read files of this machine"
            }
            _ => return None,
        })
    }

    fn of_file(&self) -> Option<&'static str> {
        Some(match self {
            Meaning::NoTables => LOAD_FIRST,
            Meaning::Overflow => BOUND_SECONDS,
            Meaning::FileBusy => "another process is using the file; wait until it is done or close it, then run again",
            Meaning::DiskFull => "free disk space and run again; what was published before still stands",
            Meaning::FileDenied => {
                "give the file and its folder write permission, or name another one with --warehouse"
            }
            Meaning::FolderDenied => "give the folder write permission or name another one with --warehouse",
            Meaning::Folder(kind) => kind.advice(Access::Write),
            Meaning::NotSqlite => "this file is not a SQLite database; name another one with --warehouse",
            Meaning::Damaged => {
                "check the disk and run again; if it stays so the file is damaged: put back a copy, or move it away and \
                 load its months again"
            }
            Meaning::DiskFailed => "check the disk and run again; what was published before still stands",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_keeps_a_folder_from_being_made_is_told_apart() {
        let check = |errno: Errno, expected: Meaning, advice: &str| {
            let meaning = Meaning::of_folder(&io::Error::from_raw_os_error(errno.raw_os_error()));
            assert_eq!(meaning, expected, "{errno:?}");
            let given = meaning.advice().unwrap_or_default();
            assert!(given.contains(advice), "{errno:?}: {given}");
        };
        check(Errno::NOSPC, Meaning::DiskFull, "disk");
        check(Errno::ACCESS, Meaning::FolderDenied, "write permission");
        check(Errno::ROFS, Meaning::Folder(IoKind::ReadOnly), "read-only");
        check(Errno::NOENT, Meaning::Folder(IoKind::Gone), "check the path");
        check(Errno::NOTDIR, Meaning::Folder(IoKind::IsFile), "a file has the name of a folder");
        check(Errno::MFILE, Meaning::Folder(IoKind::TooManyOpen), "ulimit -n");
        check(Errno::IO, Meaning::Folder(IoKind::Other), "check the disk");
    }
}
