//! The address of a MySQL or MariaDB warehouse, and what the option files of its clients add to it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::WarehouseError;
use crate::redact::redact;

/// The port of MySQL and MariaDB.
pub const DEFAULT_PORT: u16 = 3306;

/// Longest name of a database, in characters.
const MAX_DATABASE_CHARS: usize = 64;

/// A password. It is shown nowhere: not by `Debug`, not in messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a password into custody.
    pub fn new(password: impl Into<String>) -> Secret {
        Secret(password.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the password. Shorter ones than four characters are left: they are in any text by chance.
    pub(super) fn blot(&self, text: &str) -> String {
        if self.0.chars().count() < 4 { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How the connection is protected, named as `ssl-mode` of the MySQL clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain text.
    Disabled,
    /// TLS where the server offers it. The certificate is not checked. The default, as in the MySQL clients.
    Preferred,
    /// TLS or nothing. The certificate is not checked.
    Required,
    /// As `Required`, and the certificate comes from `ssl-ca` or a public authority.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is that of the host.
    VerifyIdentity,
}

impl TlsMode {
    /// The mode as written in `ssl-mode`.
    pub fn name(self) -> &'static str {
        match self {
            TlsMode::Disabled => "DISABLED",
            TlsMode::Preferred => "PREFERRED",
            TlsMode::Required => "REQUIRED",
            TlsMode::VerifyCa => "VERIFY_CA",
            TlsMode::VerifyIdentity => "VERIFY_IDENTITY",
        }
    }

    fn named(name: &str) -> Option<TlsMode> {
        use TlsMode::{Disabled, Preferred, Required, VerifyCa, VerifyIdentity};
        let name = name.to_ascii_uppercase().replace('-', "_");
        [Disabled, Preferred, Required, VerifyCa, VerifyIdentity].into_iter().find(|mode| mode.name() == name)
    }
}

/// Settings that stand in the address as `?name=value` or in an option file. `None`: not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlSettings {
    /// `ssl-mode`.
    pub tls: Option<TlsMode>,
    /// `ssl-ca`: a PEM file with the authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// `ssl-cert`: a PEM file with the client's certificate.
    pub cert_file: Option<PathBuf>,
    /// `ssl-key`: a PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// `socket`: connect through this Unix socket and not through TCP.
    pub socket: Option<PathBuf>,
}

impl UrlSettings {
    /// Takes `name = value`; `Ok(false)` when the name is none of ours.
    fn set(&mut self, name: &str, value: &str) -> Result<bool, String> {
        match name {
            "ssl-mode" => {
                let Some(mode) = TlsMode::named(value) else {
                    return Err(format!(
                        "`{value}` is no ssl-mode; there are DISABLED, PREFERRED, REQUIRED, VERIFY_CA and VERIFY_IDENTITY"
                    ));
                };
                self.tls = Some(mode);
            }
            "ssl-ca" => self.ca_file = Some(value.into()),
            "ssl-cert" => self.cert_file = Some(value.into()),
            "ssl-key" => self.key_file = Some(value.into()),
            "socket" => self.socket = Some(value.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// These settings, and where one is not given, that of `other`.
    fn or(self, other: UrlSettings) -> UrlSettings {
        UrlSettings {
            tls: self.tls.or(other.tls),
            ca_file: self.ca_file.or(other.ca_file),
            cert_file: self.cert_file.or(other.cert_file),
            key_file: self.key_file.or(other.key_file),
            socket: self.socket.or(other.socket),
        }
    }
}

/// `mysql://[user@]host[:port]/database[?ssl-mode=…&ssl-ca=…&ssl-cert=…&ssl-key=…&socket=…]`, without a password.
///
/// User, database and values may hold `%XX`. `mysql:///database` leaves the host to the option file, else `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MysqlUrl {
    /// The account's name, if the address gives one.
    pub user: Option<String>,
    /// Name or IP of the host, if the address gives one.
    pub host: Option<String>,
    /// Port, if the address gives one.
    pub port: Option<u16>,
    /// The database of the warehouse.
    pub database: String,
    /// TLS and socket.
    pub settings: UrlSettings,
}

impl MysqlUrl {
    /// Reads an address. It is split by hand: what is no address is read too, for the password that no message may repeat.
    ///
    /// # Errors
    /// [`WarehouseError::Address`] for anything else, and for an address with a password, which everyone on the
    /// machine could read in the process list. The error does not repeat the password.
    pub fn parse(text: &str) -> Result<MysqlUrl, WarehouseError> {
        MysqlUrl::read(text).map_err(|why| WarehouseError::Address { url: redact(text), why })
    }

    fn read(text: &str) -> Result<MysqlUrl, String> {
        let rest = text.strip_prefix("mysql://").ok_or("it does not begin with `mysql://`")?;
        if password_span(text).is_some() {
            return Err("a password does not belong here, where the process list shows it; \
                        set VIEWMART_MYSQL_PASSWORD or write it into ~/.my.cnf"
                .to_owned());
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host_port)) => (Some(percent_decoded(user)?), host_port),
            None => (None, authority),
        };
        let (host, port) = match host_port.strip_prefix('[') {
            Some(ipv6) => {
                let (host, rest) = ipv6.split_once(']').ok_or("the `[` of the IPv6 address has no `]`")?;
                (host, rest.strip_prefix(':'))
            }
            None => match host_port.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host_port, None),
            },
        };
        let port = match port {
            None => None,
            Some(port) => Some(port.parse().map_err(|_| format!("`{port}` is not a port"))?),
        };
        let database = percent_decoded(database)?;
        check_database(&database)?;
        let mut settings = UrlSettings::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !settings.set(&name.replace('_', "-"), &percent_decoded(value)?)? {
                return Err(format!(
                    "`{name}` is no setting here; there are ssl-mode, ssl-ca, ssl-cert, ssl-key and socket"
                ));
            }
        }
        let host = Some(host.to_owned()).filter(|host| !host.is_empty());
        Ok(MysqlUrl { user: user.filter(|user| !user.is_empty()), host, port, database, settings })
    }
}

/// Whether a database may have this name.
pub(super) fn check_database(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it names no database".to_owned());
    }
    if name.chars().count() > MAX_DATABASE_CHARS {
        return Err(format!("the database name `{name}` has more than {MAX_DATABASE_CHARS} characters"));
    }
    // What the servers refuse in an identifier; `/` is allowed there, and a mistake here.
    if name.ends_with(' ') || name.contains(|c: char| c.is_control() || c == '/' || c > '\u{FFFF}') {
        return Err(format!("`{name}` is no name for a database"));
    }
    Ok(())
}

/// Where the password stands in `scheme://user:password@…`, colon not counted. A password may hold `@` and `/`, so
/// everything up to the last `@` counts as user and password.
fn password_span(text: &str) -> Option<std::ops::Range<usize>> {
    let start = text.find("://")? + 3;
    let end = start + text.get(start..)?.rfind('@')?;
    let colon = start + text.get(start..end)?.find(':')?;
    Some(colon + 1..end)
}

fn percent_decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(code.ok_or_else(|| format!("`{text}` has a `%` without two hex digits"))?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8"))
}

/// Which option file of the MySQL clients is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OptionFile {
    /// `~/.my.cnf`, where there is one.
    #[default]
    Home,
    /// This one (`--defaults-file`).
    At(PathBuf),
    /// None.
    Ignored,
}

/// What an option file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileOptions {
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub host: Option<String>,
    pub port: Option<u16>,
    /// TLS and socket.
    pub settings: UrlSettings,
}

impl OptionFile {
    /// Reads the sections `[client]` and `[viewmart]`; the last setting counts. Settings of other programs are skipped.
    ///
    /// # Errors
    /// [`WarehouseError::OptionFile`] with the file, the line and what is wrong with it.
    pub fn read(&self) -> Result<FileOptions, WarehouseError> {
        let path = match self {
            OptionFile::Ignored => return Ok(FileOptions::default()),
            OptionFile::At(path) => path.clone(),
            OptionFile::Home => match std::env::home_dir() {
                Some(home) => home.join(".my.cnf"),
                None => return Ok(FileOptions::default()),
            },
        };
        let refuse = |why: String| Err(WarehouseError::OptionFile { path: path.clone(), why });
        match std::fs::read(&path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => FileOptions::parse(&text).or_else(refuse),
                Err(_) => refuse("it is not UTF-8".to_owned()),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && *self == OptionFile::Home => {
                Ok(FileOptions::default())
            }
            Err(e) => refuse(format!("it cannot be read: {e}")),
        }
    }
}

impl FileOptions {
    fn parse(text: &str) -> Result<FileOptions, String> {
        let mut options = FileOptions::default();
        let mut ours = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            // `!include` lines are for servers; clients rarely have them.
            if line.is_empty() || line.starts_with(['#', ';', '!']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                ours = matches!(section.split(']').next(), Some("client" | "viewmart"));
                continue;
            }
            if !ours {
                continue;
            }
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let name = name.trim().to_ascii_lowercase().replace('_', "-");
            let value = option_value(value.trim());
            match name.as_str() {
                "user" => options.user = Some(value),
                "password" => options.password = Some(Secret::new(value)),
                "host" => options.host = Some(value),
                // The value is not repeated: it may be a password on the wrong line.
                "port" => options.port = Some(value.parse().map_err(|_| format!("line {number}: not a port"))?),
                name => {
                    options.settings.set(name, &value).map_err(|why| format!("line {number}: {why}"))?;
                }
            }
        }
        Ok(options)
    }
}

/// A value of an option file: quotes around it and backslash escapes are taken off, ` #` begins a comment.
fn option_value(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let text = match quote.and_then(|q| Some(&text[1..1 + text[1..].rfind(q)?])) {
        Some(quoted) => quoted,
        None => text.split(" #").next().unwrap_or(text).trim_end(),
    };
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(escaped)) => {
                let plain = match escaped {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'r' => '\r',
                    's' => ' ',
                    '\\' | '"' | '\'' => escaped,
                    // An unknown escape keeps its backslash, as in the clients.
                    _ => {
                        value.push('\\');
                        continue;
                    }
                };
                value.push(plain);
                chars.next();
            }
            _ => value.push(c),
        }
    }
    value
}

/// Everything that is needed to connect: the address, completed by environment and option file.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub user: String,
    pub password: Option<Secret>,
    pub host: String,
    pub port: u16,
    pub settings: UrlSettings,
}

impl Target {
    /// The address beats the option file; the password of the environment beats that of the file.
    pub(super) fn new(url: &MysqlUrl, password: Option<&Secret>, file: FileOptions) -> Target {
        // An address that names a host means this host, not a socket that a file gives for another one.
        let file_settings = match url.host {
            Some(_) => UrlSettings { socket: None, ..file.settings },
            None => file.settings,
        };
        let user = url.user.clone().or(file.user).or_else(|| std::env::var("USER").ok());
        Target {
            user: user.unwrap_or_else(|| "root".to_owned()),
            password: password.cloned().or(file.password),
            host: url.host.clone().or(file.host).unwrap_or_else(|| "localhost".to_owned()),
            port: url.port.or(file.port).unwrap_or(DEFAULT_PORT),
            settings: url.settings.clone().or(file_settings),
        }
    }

    /// `mysql://user@host:port/database` or with the socket, for messages.
    pub(super) fn address(&self, database: &str) -> String {
        let Target { user, host, port, .. } = self;
        match &self.settings.socket {
            Some(socket) => format!("mysql://{user}@{host}/{database}?socket={}", socket.display()),
            None if host.contains(':') => format!("mysql://{user}@[{host}]:{port}/{database}"),
            None => format!("mysql://{user}@{host}:{port}/{database}"),
        }
    }

    pub(super) fn ca_file(&self) -> Option<&Path> {
        self.settings.ca_file.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let check = |text: &str, user: Option<&str>, host: Option<&str>, port: Option<u16>, database: &str| {
            let url = MysqlUrl::parse(text).unwrap();
            let found = (url.user.as_deref(), url.host.as_deref(), url.port, url.database.as_str());
            assert_eq!(found, (user, host, port, database), "{text}");
        };
        check("mysql://etl@db.example:3307/tv", Some("etl"), Some("db.example"), Some(3307), "tv");
        check("mysql://db/tv", None, Some("db"), None, "tv");
        check("mysql://etl@[::1]:3307/tv", Some("etl"), Some("::1"), Some(3307), "tv");
        check("mysql://a%40b@h/t%2Dv", Some("a@b"), Some("h"), None, "t-v");
        check("mysql:///tv", None, None, None, "tv");
        let url = MysqlUrl::parse("mysql://h/tv?ssl-mode=verify_ca&ssl_ca=/etc/a%20b.pem&socket=/run/s").unwrap();
        assert_eq!(url.settings.tls, Some(TlsMode::VerifyCa));
        assert_eq!(url.settings.ca_file.as_deref(), Some(Path::new("/etc/a b.pem")));
        assert_eq!(url.settings.socket.as_deref(), Some(Path::new("/run/s")));
    }

    #[test]
    fn wrong_addresses_say_why() {
        let check = |text: &str, why: &str| {
            let error = MysqlUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("cret"), "{text}: {error}");
        };
        check("mysql://u@h", "names no database");
        check("mysql://u@h/", "names no database");
        check("mysql://u@h:x/db", "`x` is not a port");
        check("mysql://u@h:70000/db", "`70000` is not a port");
        check("mysql://u@[::1/db", "no `]`");
        check("mysql://u@h/d%4", "two hex digits");
        check("mysql://u@h/d%FF", "not UTF-8");
        check("mysql://u@h/a/b", "no name for a database");
        check("mysql://u@h/db?ssl-mode=maybe", "no ssl-mode");
        check("mysql://u@h/db?sslmode=REQUIRED", "no setting here");
        check("mysql://u:secret@h/db", "VIEWMART_MYSQL_PASSWORD");
        check("mysql://u:se@c/ret@h/db", "VIEWMART_MYSQL_PASSWORD");
        check("mysql://:secret@h/db", "VIEWMART_MYSQL_PASSWORD");
        check(&format!("mysql://u@h/{}", "d".repeat(65)), "more than 64");
    }

    #[test]
    fn option_files() {
        let text = "[mysqld]\nport=1\n# c\n[client]\nuser = etl\npassword=\"p#w \\\"x\\\\\" # why\nport=3307\n\
                    ssl_mode=REQUIRED\nloose-x=1\nssl-ca = /a # c\n[mysql]\nuser=other\n[viewmart]\nhost=h\n";
        let options = FileOptions::parse(text).unwrap();
        assert_eq!(options.user.as_deref(), Some("etl"));
        assert_eq!(options.password.as_ref().map(Secret::reveal), Some("p#w \"x\\"));
        assert_eq!((options.port, options.host.as_deref()), (Some(3307), Some("h")));
        assert_eq!(options.settings.tls, Some(TlsMode::Required));
        assert_eq!(options.settings.ca_file.as_deref(), Some(Path::new("/a")));
        assert!(!format!("{options:?}").contains("p#w"));
        assert_eq!(FileOptions::parse("[client]\n\nport=secret\n").unwrap_err(), "line 3: not a port");
    }

    #[test]
    fn the_address_beats_the_file() {
        let file = FileOptions::parse("[client]\nuser=f\npassword=fff\nhost=fh\nport=1\nsocket=/s\n").unwrap();
        let url = MysqlUrl::parse("mysql://u@h/db").unwrap();
        let target = Target::new(&url, None, file.clone());
        assert_eq!(target.address("db"), "mysql://u@h:1/db");
        assert_eq!(target.password.as_ref().map(Secret::reveal), Some("fff"));
        let url = MysqlUrl::parse("mysql:///db").unwrap();
        let target = Target::new(&url, Some(&Secret::new("env")), file);
        assert_eq!(target.address("db"), "mysql://f@fh/db?socket=/s");
        assert_eq!(target.password.as_ref().map(Secret::reveal), Some("env"));
    }
}
