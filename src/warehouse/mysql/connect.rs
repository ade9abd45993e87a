//! Connections: where to, how protected, and what the server at the other end can do.

use std::num::NonZeroU8;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use mysql::{ClientIdentity, Conn, DriverError, Error, LocalInfileHandler, OptsBuilder, SslOpts};

use super::endpoint::Endpoint;
use super::fault::{StepFailure, refuse_file};
use super::names::{QuotedNames, STAGING_PREFIX, quoted, random};
use super::settings::Server;
use super::url::{MysqlUrl, OptionFile, Secret, Target, TlsMode, check_database};
use crate::console::{self, Waiting};
use crate::warehouse::schema::Names;
use crate::warehouse::{ServerAddress, WarehouseError};

/// How to reach a MySQL warehouse and how to load it; the address itself is a [`MysqlUrl`].
#[derive(Clone, Debug)]
pub struct MysqlOptions {
    /// Connections that load at once, each its own range of contracts.
    pub load_connections: NonZeroU8,
    /// The password, which beats that of the option file.
    pub password: Option<Secret>,
    /// Where account, password and TLS are taken from when the address does not give them.
    pub option_file: OptionFile,
    /// Longest wait for a connection, login included.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one statement.
    pub statement_timeout: Duration,
    /// Longest wait for a lock of another session.
    pub lock_timeout: Duration,
    /// Longest wait for another viewmart on the same warehouse.
    pub turn_timeout: Duration,
    /// Longest time in which a broken connection is tried again, counted from its first failure.
    pub retry_for: Duration,
}

impl Default for MysqlOptions {
    fn default() -> MysqlOptions {
        MysqlOptions {
            load_connections: NonZeroU8::MIN.saturating_add(1),
            password: None,
            option_file: OptionFile::Home,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(1800),
            lock_timeout: Duration::from_secs(60),
            turn_timeout: Duration::from_secs(3600),
            retry_for: Duration::from_secs(30),
        }
    }
}

impl MysqlOptions {
    /// The variable that holds the password.
    pub const PASSWORD_VARIABLE: &str = "VIEWMART_MYSQL_PASSWORD";
}

/// The `max_allowed_packet` of MariaDB; that of MySQL is larger.
const USUAL_PACKET_BYTES: usize = 16 << 20;

/// Opens connections to one server.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub endpoint: Endpoint,
    pub database: String,
    pub mart_db: String,
    pub lock_timeout: Duration,
    pub turn_timeout: Duration,
    /// Numbers of the connections that were opened.
    own: Arc<Mutex<Vec<u32>>>,
    /// See [`Names::work`].
    work: String,
    target: Target,
}

impl Connector {
    /// Puts address, options and option file together; connects to nothing.
    pub(super) fn new(
        url: &MysqlUrl,
        mart_db: Option<&str>,
        options: &MysqlOptions,
    ) -> Result<Connector, WarehouseError> {
        let target = Target::new(url, options.password.as_ref(), options.option_file.read()?);
        let database = url.database.clone();
        let mart_db = mart_db.map_or_else(|| format!("{database}_mart"), str::to_owned);
        let address = target.address(&database);
        let refuse = |why: String| Err(WarehouseError::Address { url: address.clone(), why });
        if let Err(why) = check_database(&mart_db) {
            return refuse(format!("the mart cannot be `{mart_db}`: {why}"));
        }
        if mart_db == database {
            return refuse("the mart needs a database of its own, give another name with --mart-db".to_owned());
        }
        let endpoint = Endpoint {
            address,
            user: target.user.clone(),
            names: QuotedNames { warehouse: quoted(&database), mart: quoted(&mart_db) },
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            password: target.password.clone(),
            grants_literally: Arc::default(),
        };
        let work = format!("{}.{STAGING_PREFIX}{}_", endpoint.names.warehouse, random(&endpoint.address)?);
        let MysqlOptions { lock_timeout, turn_timeout, .. } = *options;
        Ok(Connector { endpoint, database, mart_db, lock_timeout, turn_timeout, own: Arc::default(), work, target })
    }

    /// Where the server is, for other programs.
    pub(super) fn server_address(&self) -> ServerAddress {
        let Target { host, port, user, .. } = &self.target;
        ServerAddress { host: host.clone(), port: *port, database: self.database.clone(), user: user.clone() }
    }

    /// What the placeholders of statements stand for.
    pub(super) fn names(&self) -> Names<'_> {
        Names { warehouse: &self.endpoint.names.warehouse, mart: &self.endpoint.names.mart, work: &self.work }
    }

    /// A connection, logged in, with the settings that the server gave it.
    pub(super) fn connect(&self) -> Result<Conn, StepFailure> {
        let mode = self.target.settings.tls.unwrap_or(match self.target.ca_file() {
            Some(_) => TlsMode::VerifyCa,
            None => TlsMode::Preferred,
        });
        let tried = match (mode, self.log_in(self.tls(mode))) {
            // Preferred: plain text where the server has no TLS.
            (TlsMode::Preferred, Err(Error::DriverError(DriverError::TlsNotSupported))) => self.log_in(None),
            (_, tried) => tried,
        };
        let conn = tried.map_err(|e| StepFailure::new(&self.endpoint, "connecting", &e))?;
        self.own.lock().unwrap_or_else(PoisonError::into_inner).push(conn.connection_id());
        Ok(conn)
    }

    /// Keeps what messages have to know of the server that answers.
    pub(super) fn found(&self, server: &Server) {
        self.endpoint.grants_literally.store(server.grants_literally, Ordering::Relaxed);
    }

    /// Whether it is the number of a connection that was opened here.
    pub(super) fn is_own(&self, id: u64) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.iter().any(|number| u64::from(*number) == id)
    }

    fn tls(&self, mode: TlsMode) -> Option<SslOpts> {
        let (accept_any, skip_name) = match mode {
            TlsMode::Disabled => return None,
            TlsMode::Preferred | TlsMode::Required => (true, true),
            TlsMode::VerifyCa => (false, true),
            TlsMode::VerifyIdentity => (false, false),
        };
        let settings = &self.target.settings;
        let identity = match (&settings.cert_file, &settings.key_file) {
            (Some(cert), Some(key)) => Some(ClientIdentity::new(cert.clone(), key.clone())),
            _ => None,
        };
        Some(
            SslOpts::default()
                .with_root_cert_path(settings.ca_file.clone().filter(|_| !accept_any))
                .with_client_identity(identity)
                .with_danger_accept_invalid_certs(accept_any)
                .with_danger_skip_domain_validation(skip_name),
        )
    }

    /// Connects and logs in. The client asks for the size of packets before anything can be set: where the server's
    /// `sql_select_limit` is 0 it gets no answer, and has to be told.
    fn log_in(&self, tls: Option<SslOpts>) -> Result<Conn, Error> {
        match self.try_log_in(tls.clone(), None) {
            Err(Error::DriverError(DriverError::SetupError)) => self.try_log_in(tls, Some(USUAL_PACKET_BYTES)),
            tried => tried,
        }
    }

    /// The same in a thread of its own, as the client has no limit of time for the login.
    fn try_log_in(&self, tls: Option<SslOpts>, packet_bytes: Option<usize>) -> Result<Conn, Error> {
        let target = &self.target;
        let opts = OptsBuilder::new()
            .ip_or_hostname(Some(target.host.clone()))
            .tcp_port(target.port)
            .socket(target.settings.socket.as_ref().map(|path: &PathBuf| path.to_string_lossy().into_owned()))
            .user(Some(target.user.clone()))
            .pass(target.password.as_ref().map(|password| password.reveal().to_owned()))
            .ssl_opts(tls)
            .prefer_socket(false)
            .tcp_connect_timeout(Some(self.endpoint.connect_timeout))
            .tcp_keepalive_time_ms(Some(60_000))
            .read_timeout(Some(self.endpoint.statement_timeout))
            .write_timeout(Some(self.endpoint.statement_timeout))
            .max_allowed_packet(packet_bytes)
            // A server may answer any statement with the wish for a file: nobody gets one.
            .local_infile_handler(Some(LocalInfileHandler::new(|name, _| Err(refuse_file(name)))));
        let (sender, receiver) = mpsc::channel();
        let logging_in = thread::Builder::new().name("mysql-login".to_owned());
        logging_in.spawn(move || sender.send(Conn::new(opts))).map_err(Error::IoError)?;
        // A little more than the limit of the connection itself, so that its own error comes first.
        let longest = self.endpoint.connect_timeout + Duration::from_millis(500);
        let answer = match receiver.recv_timeout(Waiting::TELL_AFTER.min(longest)) {
            Err(mpsc::RecvTimeoutError::Timeout) if longest > Waiting::TELL_AFTER => {
                let (address, longest_s) = (&self.endpoint.address, self.endpoint.connect_timeout.as_secs());
                console::say(format_args!("waiting: {address}: no answer yet from the server ({longest_s} s at most)"));
                receiver.recv_timeout(longest - Waiting::TELL_AFTER)
            }
            answer => answer,
        };
        match answer {
            Ok(result) => result,
            Err(mpsc::RecvTimeoutError::Timeout) => Err(DriverError::ConnectTimeout.into()),
            // The client gave up on an answer it could not read.
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(DriverError::UnexpectedPacket.into()),
        }
    }
}
