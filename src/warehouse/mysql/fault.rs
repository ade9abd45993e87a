//! What a failed statement or connection means, in one line, and what to do about it.

use std::io;

use mysql::{DriverError, Error};

use super::endpoint::Endpoint;
use crate::warehouse::{Fault, Meaning, WarehouseError};

/// Whether trying again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chance {
    /// The connection broke, or the server resolved a deadlock at our cost: the same may work now.
    Passing,
    /// Another session held a lock that is needed, for as long as the server waits at once.
    Waiting,
    /// It will fail again.
    Lasting,
}

/// A failed step, with the chance that a repetition succeeds.
#[derive(Debug)]
pub(super) struct StepFailure {
    pub error: WarehouseError,
    pub chance: Chance,
    /// The server's number for it.
    pub code: Option<u16>,
}

impl From<WarehouseError> for StepFailure {
    fn from(error: WarehouseError) -> StepFailure {
        StepFailure { error, chance: Chance::Lasting, code: None }
    }
}

/// The server asked for a file that nobody offered it.
#[derive(Debug, thiserror::Error)]
#[error("the server asked for the file `{0}`, which was not offered; it got nothing")]
pub(super) struct ForeignFile(pub String);

/// The answer to a request for a file that was not offered.
pub(super) fn refuse_file(name: &[u8]) -> io::Error {
    io::Error::other(ForeignFile(String::from_utf8_lossy(name).chars().take(200).collect()))
}

/// The rows of a load ended early because another part of it failed; that other failure is the one to report.
#[derive(Debug, thiserror::Error)]
#[error("the load was broken off")]
pub(super) struct BrokenOff;

impl StepFailure {
    /// Classifies an error of the client or the server that came up in step `doing`.
    pub(super) fn new(endpoint: &Endpoint, doing: &'static str, error: &Error) -> StepFailure {
        let (words, meaning) = match error {
            Error::MySqlError(e) => {
                (format!("{} (error {})", e.message, e.code), of_server(endpoint, e.code, &e.message))
            }
            Error::DriverError(e) => of_driver(endpoint, e),
            Error::IoError(e) => of_io(endpoint, e),
            Error::CodecError(e) => match std::error::Error::source(e).and_then(|cause| cause.downcast_ref()) {
                Some(cause) => of_io(endpoint, cause),
                None => too_large_or_strange(e.to_string()),
            },
            Error::TlsError(e) => (format!("TLS failed: {e}"), Meaning::TlsFailed),
            other => (other.to_string(), Meaning::Unknown),
        };
        let (chance, words) = (Chance::of(&meaning), endpoint.blot(&one_line(&words)));
        let code = if let Error::MySqlError(e) = error { Some(e.code) } else { None };
        let error = WarehouseError::step(endpoint.address.as_str(), doing, Fault::Said { words, meaning });
        StepFailure { error, chance, code }
    }

    /// What was found in the database, or not.
    pub(super) fn plain(endpoint: &Endpoint, doing: &'static str, fault: Fault) -> StepFailure {
        StepFailure::from(WarehouseError::step(endpoint.address.as_str(), doing, fault))
    }

    pub(super) fn is_passing(&self) -> bool {
        self.chance == Chance::Passing
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.chance == Chance::Waiting
    }

    /// With another meaning, where the server's number is one of `codes`.
    pub(super) fn with_meaning_for(mut self, codes: &[u16], other: Meaning) -> StepFailure {
        if let (Some(code), WarehouseError::Database { fault, .. }) = (self.code, &mut self.error)
            && codes.contains(&code)
            && let Fault::Said { meaning, .. } = &mut **fault
        {
            *meaning = other;
        }
        self
    }
}

impl Chance {
    fn of(meaning: &Meaning) -> Chance {
        match meaning {
            Meaning::Locked => Chance::Waiting,
            Meaning::Deadlock
            | Meaning::Ended
            | Meaning::BrokenOff
            | Meaning::NotListening
            | Meaning::NoSocket
            | Meaning::SocketDenied
            | Meaning::Unreachable
            | Meaning::NoConnection
            | Meaning::NoAnswer => Chance::Passing,
            _ => Chance::Lasting,
        }
    }
}

/// Error codes of MySQL and MariaDB; where a code means another thing in the other server, the text decides.
fn of_server(endpoint: &Endpoint, code: u16, message: &str) -> Meaning {
    let user = || endpoint.user.clone();
    match code {
        // MariaDB answers so to a connection without TLS where it takes no other.
        1045 | 1698 | 1524 => Meaning::Login { user: user() },
        1130 | 1129 => Meaning::ForeignHost { user: user() },
        1862 | 1820 => Meaning::PasswordExpired { user: user() },
        3118 | 4151 => Meaning::AccountLocked { user: user() },
        1040 | 1203 | 1226 => Meaning::TooManyConnections,
        // Rights, on a database, a table, a column or the whole server.
        1044 | 1142 | 1143 | 1227 | 1370 => Meaning::NoRights { grants: endpoint.grants() },
        1049 => Meaning::NoDatabase { name: endpoint.names.warehouse.clone() },
        // Read-only server, schema, transaction or engine. 1290 names the option in its text.
        1290 | 1792 | 1836 | 3989 => Meaning::ReadOnlyServer,
        // 1030, 1180 and their like carry the operating system's number: 28 is a full disk.
        1021 | 1114 | 1135 => Meaning::ServerFull,
        1030 | 1180 | 1026 | 3 | 1877 | 1004 | 1005 if message.contains("28") || message.contains("No space") => {
            Meaning::ServerFull
        }
        1153 | 1301 => Meaning::PacketTooLarge,
        1197 | 1705 | 3100 => Meaning::LogTooSmall,
        3159 => Meaning::TlsRequired,
        _ if message.contains("require_secure_transport") => Meaning::TlsRequired,
        1213 => Meaning::Deadlock,
        1205 => Meaning::Locked,
        // Shutdown, killed connection or statement, connection lost inside the server.
        1053 | 1077 | 1927 | 1317 | 2006 | 2013 | 3169 | 1152 | 1158..=1161 | 1184 => Meaning::Ended,
        1969 | 3024 => Meaning::StatementTime,
        3950 | 3948 | 4166 | 1148 => Meaning::NoLocalInfile,
        3185 => Meaning::NoKeyring,
        // A condition, in MySQL and MariaDB; a unique key; a number and a text that a column does not hold.
        3819 | 4025 | 1062 | 1264 | 1406 => Meaning::RowsRefused,
        _ => Meaning::Unknown,
    }
}

fn of_driver(endpoint: &Endpoint, error: &DriverError) -> (String, Meaning) {
    match error {
        DriverError::CouldNotConnect(Some((address, why, kind))) => {
            let meaning = match kind {
                io::ErrorKind::ConnectionRefused => Meaning::NotListening,
                io::ErrorKind::NotFound => Meaning::NoSocket,
                io::ErrorKind::PermissionDenied => Meaning::SocketDenied,
                _ => Meaning::Unreachable,
            };
            (format!("{address}: {why}"), meaning)
        }
        DriverError::ConnectTimeout | DriverError::Timeout => {
            (format!("no answer within {} s", endpoint.connect_timeout.as_secs()), Meaning::NoConnection)
        }
        DriverError::TlsNotSupported => {
            ("the server does not offer TLS, and ssl-mode asks for it".to_owned(), Meaning::NoTls)
        }
        DriverError::PacketTooLarge => {
            ("a packet is larger than max_allowed_packet".to_owned(), Meaning::PacketTooLarge)
        }
        DriverError::UnknownAuthPlugin(plugin) => {
            (format!("the account logs in with `{plugin}`, which this program does not know"), Meaning::UnknownLogin)
        }
        other => (other.to_string(), Meaning::NotMysql),
    }
}

fn too_large_or_strange(text: String) -> (String, Meaning) {
    let meaning = if text.contains("max_allowed_packet") { Meaning::PacketTooLarge } else { Meaning::NotMysql };
    (text, meaning)
}

fn of_io(endpoint: &Endpoint, error: &io::Error) -> (String, Meaning) {
    if let Some(inner) = error.get_ref() {
        if let Some(foreign) = inner.downcast_ref::<ForeignFile>() {
            return (foreign.to_string(), Meaning::ForeignFile);
        }
        // The stream of a load wraps the client's errors.
        match inner.downcast_ref::<Error>() {
            Some(Error::IoError(e)) => return of_io(endpoint, e),
            Some(Error::CodecError(e)) => {
                if let Some(cause) = std::error::Error::source(e).and_then(|cause| cause.downcast_ref()) {
                    return of_io(endpoint, cause);
                }
            }
            _ => {}
        }
        if inner.downcast_ref::<BrokenOff>().is_some() {
            return (inner.to_string(), Meaning::BrokenOff);
        }
    }
    let text = error.to_string();
    if text.contains("certificate") || text.contains("received fatal alert") || text.contains("corrupt message") {
        return (format!("TLS failed: {text}"), Meaning::TlsFailed);
    }
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            (format!("no answer within {} s", endpoint.statement_timeout.as_secs()), Meaning::NoAnswer)
        }
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => (text, Meaning::TlsFiles),
        _ => (format!("the server closed the connection ({text})"), Meaning::Ended),
    }
}

/// Server messages may hold line breaks, from names and values of other people.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_a_meaning_and_a_chance() {
        let endpoint = Endpoint::for_tests();
        let server = |code: u16, message: &str| {
            Error::MySqlError(mysql::MySqlError { state: "HY000".to_owned(), code, message: message.to_owned() })
        };
        let check = |error: Error, words: &str, expected: Meaning, chance: Chance| {
            let failure = StepFailure::new(&endpoint, "staging rows", &error);
            let Some(Fault::Said { words: found, meaning }) = failure.error.fault() else { panic!("{failure:?}") };
            assert!(found.contains(words), "{found}");
            assert!(!found.contains("hunter2") && !found.contains('\n'), "{found}");
            assert_eq!((meaning, failure.chance), (&expected, chance), "{found}");
        };
        use Chance::{Lasting, Passing, Waiting};
        let login = Meaning::Login { user: "etl".to_owned() };
        check(server(1045, "Access denied\nhunter2"), "Access denied *** (error 1045)", login, Lasting);
        check(server(1044, "Access denied"), "1044", Meaning::NoRights { grants: endpoint.grants() }, Lasting);
        check(server(1049, "Unknown database"), "1049", Meaning::NoDatabase { name: "`tv`".to_owned() }, Lasting);
        check(server(1290, "running with --read-only"), "read-only", Meaning::ReadOnlyServer, Lasting);
        check(server(1114, "The table is full"), "full", Meaning::ServerFull, Lasting);
        check(server(1030, "Got error 28 from storage engine"), "28", Meaning::ServerFull, Lasting);
        check(server(1030, "Got error 168 from storage engine"), "168", Meaning::Unknown, Lasting);
        check(server(1153, "Got a packet bigger"), "packet", Meaning::PacketTooLarge, Lasting);
        check(server(1197, "Multi-statement transaction required more"), "1197", Meaning::LogTooSmall, Lasting);
        check(server(3159, "Insecure transport is prohibited"), "Insecure", Meaning::TlsRequired, Lasting);
        check(server(1290, "Set by --require_secure_transport"), "Set", Meaning::ReadOnlyServer, Lasting);
        check(server(3185, "Can't find master key"), "3185", Meaning::NoKeyring, Lasting);
        check(server(3819, "Check constraint 'c' is violated"), "3819", Meaning::RowsRefused, Lasting);
        check(server(4025, "CONSTRAINT `c` failed"), "4025", Meaning::RowsRefused, Lasting);
        check(server(1062, "Duplicate entry"), "1062", Meaning::RowsRefused, Lasting);
        check(server(1264, "Out of range value"), "1264", Meaning::RowsRefused, Lasting);
        check(server(1213, "Deadlock found"), "Deadlock", Meaning::Deadlock, Passing);
        check(server(1205, "Lock wait timeout exceeded"), "Lock wait", Meaning::Locked, Waiting);
        check(server(1053, "Server shutdown in progress"), "shutdown", Meaning::Ended, Passing);
        let refused = ("h:1".to_owned(), "refused".to_owned(), io::ErrorKind::ConnectionRefused);
        check(DriverError::CouldNotConnect(Some(refused)).into(), "h:1: refused", Meaning::NotListening, Passing);
        check(DriverError::ConnectTimeout.into(), "within 10 s", Meaning::NoConnection, Passing);
        check(DriverError::TlsNotSupported.into(), "does not offer TLS", Meaning::NoTls, Lasting);
        check(Error::server_disconnected(), "closed the connection", Meaning::Ended, Passing);
        let foreign = io::Error::other(ForeignFile("/etc/passwd".to_owned()));
        check(foreign.into(), "`/etc/passwd`, which was not offered", Meaning::ForeignFile, Lasting);
        let unknown = io::Error::other("invalid peer certificate: UnknownIssuer");
        check(unknown.into(), "TLS failed", Meaning::TlsFailed, Lasting);
    }
}
