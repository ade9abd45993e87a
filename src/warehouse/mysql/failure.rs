//! What a failed statement or connection means, in one line, and what to do about it.

use std::io;

use mysql::{DriverError, Error};

use super::connect::Place;
use crate::warehouse::WarehouseError;

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
pub(super) struct Failure {
    pub error: WarehouseError,
    pub chance: Chance,
    /// The server's number for it.
    pub code: Option<u16>,
}

impl From<WarehouseError> for Failure {
    fn from(error: WarehouseError) -> Failure {
        Failure { error, chance: Chance::Lasting, code: None }
    }
}

/// The server asked for a file that nobody offered it.
#[derive(Debug, thiserror::Error)]
#[error("the server asked for the file `{0}`, which was not offered; it got nothing")]
pub(super) struct ForeignFile(pub String);

/// The rows of a load ended early because another part of it failed; that other failure is the one to report.
#[derive(Debug, thiserror::Error)]
#[error("the load was broken off")]
pub(super) struct BrokenOff;

impl Failure {
    /// Classifies an error of the client or the server that came up in step `doing`.
    pub(super) fn new(place: &Place, doing: &'static str, error: &Error) -> Failure {
        let Meaning { why, advice, chance } = match error {
            Error::MySqlError(e) => of_server(place, e.code, &e.message),
            Error::DriverError(e) => of_driver(place, e),
            Error::IoError(e) => of_io(place, e),
            Error::CodecError(e) => match std::error::Error::source(e).and_then(|cause| cause.downcast_ref()) {
                Some(cause) => of_io(place, cause),
                None => too_large_or_strange(&e.to_string()),
            },
            Error::TlsError(e) => Meaning::lasting(format!("TLS failed: {e}"), Some(TLS_ADVICE.to_owned())),
            other => Meaning::lasting(other.to_string(), None),
        };
        let why = place.blot(&one_line(&why));
        let code = if let Error::MySqlError(e) = error { Some(e.code) } else { None };
        Failure { error: WarehouseError::Database { at: place.address.clone(), doing, why, advice }, chance, code }
    }

    /// A failure in our own words.
    pub(super) fn plain(place: &Place, doing: &'static str, why: String, advice: Option<String>) -> Failure {
        let error = WarehouseError::Database { at: place.address.clone(), doing, why: place.blot(&why), advice };
        Failure::from(error)
    }

    pub(super) fn is_passing(&self) -> bool {
        self.chance == Chance::Passing
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.chance == Chance::Waiting
    }

    /// With other advice, where the server's number is one of `codes`.
    pub(super) fn with_advice_for(mut self, codes: &[u16], other: &str) -> Failure {
        if let (Some(code), WarehouseError::Database { advice, .. }) = (self.code, &mut self.error)
            && codes.contains(&code)
        {
            *advice = Some(other.to_owned());
        }
        self
    }
}

struct Meaning {
    why: String,
    advice: Option<String>,
    chance: Chance,
}

impl Meaning {
    fn lasting(why: String, advice: Option<String>) -> Meaning {
        Meaning { why, advice, chance: Chance::Lasting }
    }

    fn passing(why: String, advice: &str) -> Meaning {
        Meaning { why, advice: Some(advice.to_owned()), chance: Chance::Passing }
    }
}

const TLS_ADVICE: &str = "give `?ssl-mode=VERIFY_CA&ssl-ca=FILE` with the authority of the server's certificate, or \
                          `?ssl-mode=REQUIRED` to leave it unchecked";
const PACKET_ADVICE: &str = "raise it: SET GLOBAL max_allowed_packet = 67108864";

/// Error codes of MySQL and MariaDB; where a code means another thing in the other server, the text decides.
fn of_server(place: &Place, code: u16, message: &str) -> Meaning {
    let user = &place.user;
    let why = format!("{message} (error {code})");
    let advice = match code {
        // MariaDB answers so to a connection without TLS where it takes no other.
        1045 | 1698 | 1524 => format!(
            "check the password of `{user}` in VIEWMART_MYSQL_PASSWORD or the option file, that the account may come \
             from this host, and whether it has to use TLS (`?ssl-mode=REQUIRED`)"
        ),
        1130 | 1129 => {
            format!("allow `{user}` to connect from this host, or run FLUSH HOSTS if too many attempts failed")
        }
        1862 | 1820 => format!("the password of `{user}` has expired: set a new one with ALTER USER"),
        3118 | 4151 => format!("unlock the account: ALTER USER '{user}' ACCOUNT UNLOCK"),
        1040 | 1203 | 1226 => "wait for other connections to end, or raise the limit on connections".to_owned(),
        // Rights, on a database, a table, a column or the whole server.
        1044 | 1142 | 1143 | 1227 | 1370 => format!("grant what is missing: {}", place.grants()),
        1049 => format!("create it: CREATE DATABASE {}", place.names.warehouse),
        // Read-only server, schema, transaction or engine. 1290 names the option in its text.
        1290 | 1792 | 1836 | 3989 => "load into the primary server: this one is read-only".to_owned(),
        // 1030, 1180 and their like carry the operating system's number: 28 is a full disk.
        1021 | 1114 | 1135 => FULL_ADVICE.to_owned(),
        1030 | 1180 | 1026 | 3 | 1877 | 1004 | 1005 if message.contains("28") || message.contains("No space") => {
            FULL_ADVICE.to_owned()
        }
        1153 | 1301 => PACKET_ADVICE.to_owned(),
        1197 | 1705 | 3100 => LOG_ADVICE.to_owned(),
        3159 => {
            "the server takes TLS connections only: give `?ssl-mode=REQUIRED`, or one of VERIFY_CA and VERIFY_IDENTITY"
                .to_owned()
        }
        _ if message.contains("require_secure_transport") => {
            "the server takes TLS connections only: give `?ssl-mode=REQUIRED`, or one of VERIFY_CA and VERIFY_IDENTITY"
                .to_owned()
        }
        // Deadlock, and waits for locks that ended.
        1213 => return Meaning::passing(why, "run again; another session works on the same tables"),
        1205 => return Meaning { why, advice: Some(LOCK_ADVICE.to_owned()), chance: Chance::Waiting },
        // Shutdown, killed connection or statement, connection lost inside the server.
        1053 | 1077 | 1927 | 1317 | 2006 | 2013 | 3169 | 1152 | 1158..=1161 | 1184 => {
            return Meaning::passing(why, "see the server's log for why it ended the connection, then run again");
        }
        1969 | 3024 => "raise the server's limit on statement time for this account".to_owned(),
        3950 | 3948 | 4166 | 1148 => LOCAL_INFILE_ADVICE.to_owned(),
        _ => return Meaning::lasting(why, None),
    };
    Meaning::lasting(why, Some(advice))
}

const FULL_ADVICE: &str = "make room on the server's disk or raise the limit of its tablespace, then run again";
const LOG_ADVICE: &str = "the server cannot log so large a transaction: raise max_binlog_cache_size and \
                          max_binlog_stmt_cache_size (in a group group_replication_transaction_size_limit), then run again";
const LOCK_ADVICE: &str =
    "find who holds the table (SHOW PROCESSLIST, an open transaction will do) and end it, then run again";
/// What to do where the server refuses `LOAD DATA LOCAL`.
pub(super) const LOCAL_INFILE_ADVICE: &str =
    "let an administrator run `SET PERSIST local_infile = 1` (MariaDB: `SET GLOBAL local_infile = 1`)";

fn of_driver(place: &Place, error: &DriverError) -> Meaning {
    match error {
        DriverError::CouldNotConnect(Some((address, why, kind))) => {
            let advice = match kind {
                io::ErrorKind::ConnectionRefused => "start the server, or correct host and port in --warehouse",
                io::ErrorKind::NotFound => "start the server, or correct the path of the socket",
                io::ErrorKind::PermissionDenied => "give this user access to the socket",
                _ => "correct host and port in --warehouse, and check the network and its firewalls",
            };
            Meaning::passing(format!("{address}: {why}"), advice)
        }
        DriverError::ConnectTimeout | DriverError::Timeout => {
            Meaning::passing(format!("no answer within {} s", place.connect_timeout.as_secs()), TIMEOUT_ADVICE)
        }
        DriverError::TlsNotSupported => Meaning::lasting(
            "the server does not offer TLS, and ssl-mode asks for it".to_owned(),
            Some("turn TLS on at the server, or give `?ssl-mode=PREFERRED` if plain text may be used".to_owned()),
        ),
        DriverError::PacketTooLarge => {
            Meaning::lasting("a packet is larger than max_allowed_packet".to_owned(), Some(PACKET_ADVICE.to_owned()))
        }
        DriverError::UnknownAuthPlugin(plugin) => Meaning::lasting(
            format!("the account logs in with `{plugin}`, which this program does not know"),
            Some("give the account caching_sha2_password or mysql_native_password".to_owned()),
        ),
        other => Meaning::lasting(other.to_string(), Some(NOT_MYSQL_ADVICE.to_owned())),
    }
}

const TIMEOUT_ADVICE: &str = "check that the server runs and that no firewall drops the connection";
const NOT_MYSQL_ADVICE: &str = "check that a MySQL or MariaDB server listens at this address";

fn too_large_or_strange(text: &str) -> Meaning {
    let advice = if text.contains("max_allowed_packet") { PACKET_ADVICE } else { NOT_MYSQL_ADVICE };
    Meaning::lasting(text.to_owned(), Some(advice.to_owned()))
}

fn of_io(place: &Place, error: &io::Error) -> Meaning {
    if let Some(inner) = error.get_ref() {
        if let Some(foreign) = inner.downcast_ref::<ForeignFile>() {
            let advice = "do not use this server: it, or someone in between, tries to read files of this machine";
            return Meaning::lasting(foreign.to_string(), Some(advice.to_owned()));
        }
        // The stream of a load wraps the client's errors.
        match inner.downcast_ref::<Error>() {
            Some(Error::IoError(e)) => return of_io(place, e),
            Some(Error::CodecError(e)) => {
                if let Some(cause) = std::error::Error::source(e).and_then(|cause| cause.downcast_ref()) {
                    return of_io(place, cause);
                }
            }
            _ => {}
        }
        if inner.downcast_ref::<BrokenOff>().is_some() {
            return Meaning::passing(inner.to_string(), "run again");
        }
    }
    let text = error.to_string();
    if text.contains("certificate") || text.contains("received fatal alert") || text.contains("corrupt message") {
        return Meaning::lasting(format!("TLS failed: {text}"), Some(TLS_ADVICE.to_owned()));
    }
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Meaning::passing(
            format!("no answer within {} s", place.statement_timeout.as_secs()),
            "check that the server runs and is not blocked (SHOW PROCESSLIST), then run again",
        ),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            Meaning::lasting(text, Some("check the files named by ssl-ca, ssl-cert and ssl-key".to_owned()))
        }
        _ => Meaning::passing(
            format!("the server closed the connection ({text})"),
            "see the server's log for why it ended the connection, then run again",
        ),
    }
}

/// Server messages may hold line breaks, from names and values of other people.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Advice as _;

    #[test]
    fn causes_and_advice() {
        let place = Place::for_tests();
        let server = |code: u16, message: &str| {
            Error::MySqlError(mysql::MySqlError { state: "HY000".to_owned(), code, message: message.to_owned() })
        };
        let check = |error: Error, why: &str, advice: &str, chance: Chance| {
            let failure = Failure::new(&place, "staging rows", &error);
            let text = failure.error.to_string();
            assert!(text.starts_with("mysql://etl@h:1/tv: staging rows failed: "), "{text}");
            assert!(text.contains(why), "{text}");
            assert!(!text.contains("hunter2") && !text.contains('\n'), "{text}");
            assert!(
                failure.error.advice().unwrap_or_default().contains(advice),
                "{text}: {:?}",
                failure.error.advice()
            );
            assert_eq!(failure.chance, chance, "{text}");
        };
        use Chance::{Lasting, Passing, Waiting};
        check(server(1045, "Access denied\nhunter2"), "Access denied ***", "VIEWMART_MYSQL_PASSWORD", Lasting);
        check(server(1044, "Access denied"), "(error 1044)", "GRANT", Lasting);
        check(server(1049, "Unknown database"), "1049", "CREATE DATABASE `tv`", Lasting);
        check(server(1290, "running with --read-only"), "read-only", "primary", Lasting);
        check(server(1114, "The table is full"), "full", "make room", Lasting);
        check(server(1030, "Got error 28 from storage engine"), "28", "make room", Lasting);
        check(server(1030, "Got error 168 from storage engine"), "168", "", Lasting);
        check(server(1153, "Got a packet bigger"), "packet", "max_allowed_packet", Lasting);
        check(server(1197, "Multi-statement transaction required more"), "1197", "max_binlog_cache_size", Lasting);
        check(server(3159, "Connections using insecure transport are prohibited"), "insecure", "ssl-mode", Lasting);
        check(server(1213, "Deadlock found"), "Deadlock", "run again", Passing);
        check(server(1205, "Lock wait timeout exceeded"), "Lock wait", "SHOW PROCESSLIST", Waiting);
        check(server(1053, "Server shutdown in progress"), "shutdown", "log", Passing);
        let refused = ("h:1".to_owned(), "refused".to_owned(), io::ErrorKind::ConnectionRefused);
        check(DriverError::CouldNotConnect(Some(refused)).into(), "h:1: refused", "start the server", Passing);
        check(DriverError::ConnectTimeout.into(), "within 10 s", "firewall", Passing);
        check(DriverError::TlsNotSupported.into(), "does not offer TLS", "PREFERRED", Lasting);
        check(Error::server_disconnected(), "closed the connection", "log", Passing);
        let foreign = io::Error::other(ForeignFile("/etc/passwd".to_owned()));
        check(foreign.into(), "`/etc/passwd`, which was not offered", "do not use", Lasting);
        check(io::Error::other("invalid peer certificate: UnknownIssuer").into(), "TLS failed", "ssl-ca", Lasting);
    }
}
