//! What the server at the other end is, and a session in which nothing is as an administrator or `init_connect` left it.

use std::collections::BTreeMap;
use std::time::Duration;

use mysql::prelude::Queryable as _;
use mysql::{Conn, DriverError, Error};

use super::endpoint::Endpoint;
use super::fault::StepFailure;
use super::names::literal;
use crate::warehouse::Fault;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Mysql,
    Mariadb,
}

/// What the server is and allows, asked once per connection.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub product: Product,
    /// Major, minor and patch.
    pub release: [u16; 3],
    /// Binary without padding.
    pub collation: &'static str,
    /// Whether `LOAD DATA LOCAL` is allowed.
    pub local_infile: LocalInfile,
    /// `max_allowed_packet`, in bytes.
    pub max_packet_bytes: u64,
    /// What a transaction may write to the server's log for replicas, in bytes.
    pub max_transaction_bytes: u64,
    /// Names of databases are the same in capitals and in small letters.
    pub folds_names: bool,
    /// `_` in a GRANT means itself, also without a backslash.
    pub grants_literally: bool,
}

/// `local_infile` of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LocalInfile {
    Allowed,
    Refused,
}

impl Server {
    #[cfg(test)]
    pub(super) fn for_tests() -> Server {
        Server {
            product: Product::Mysql,
            release: [9, 7, 0],
            collation: "utf8mb4_0900_bin",
            local_infile: LocalInfile::Allowed,
            max_packet_bytes: 64 << 20,
            max_transaction_bytes: u64::MAX,
            folds_names: false,
            grants_literally: false,
        }
    }

    pub(super) fn is_mysql(&self) -> bool {
        self.product == Product::Mysql
    }

    /// Whether an exchanged partition may go unchecked; the rows are checked before.
    pub(super) fn exchanges_without_validation(&self) -> bool {
        match self.product {
            Product::Mysql => true,
            Product::Mariadb => self.release >= [11, 4, 0],
        }
    }

    /// `MySQL 9.7.4` or `MariaDB 10.11.19`.
    pub(super) fn name(&self) -> String {
        let [major, minor, patch] = self.release;
        match self.product {
            Product::Mysql => format!("MySQL {major}.{minor}.{patch}"),
            Product::Mariadb => format!("MariaDB {major}.{minor}.{patch}"),
        }
    }

    /// What is wrong with the server's age, if anything.
    pub(super) fn too_old(&self) -> Option<Fault> {
        let (release, oldest) = match self.product {
            // The first with `utf8mb4_0900_bin`.
            Product::Mysql => ([8, 0, 17], "MySQL 8.0.17"),
            Product::Mariadb => ([10, 6, 0], "MariaDB 10.6"),
        };
        (self.release < release).then(|| Fault::OldServer { found: self.name(), oldest })
    }
}

/// Reads `VERSION()` and `version_comment`. A number tells no product: both have had a version 10, or will.
fn product(version: &str, comment: &str) -> (Product, [u16; 3]) {
    let is_mariadb = [version, comment].iter().any(|text| text.to_ascii_lowercase().contains("mariadb"));
    let product = if is_mariadb { Product::Mariadb } else { Product::Mysql };
    // Some MariaDB servers put a version of MySQL before their own, for old replicas.
    let version = if is_mariadb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (product, std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

/// Settings that change what a statement does or gives, and what they have to be, as the server shows them. Those that a
/// server does not have are left out.
const SETTINGS: &[(&str, &str)] = &[
    // A statement by itself is a transaction, and a transaction ends when it is told to.
    ("autocommit", "ON"),
    ("completion_type", "NO_CHAIN"),
    ("transaction_read_only", "OFF"),
    ("tx_read_only", "OFF"),
    // Strict, with backslash escapes, and without the padding of CHAR that other modes add.
    ("sql_mode", "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
    ("time_zone", "+00:00"),
    // Nothing is cut off or refused for its size or time.
    ("sql_select_limit", "18446744073709551615"),
    ("max_join_size", "18446744073709551615"),
    ("sql_big_selects", "ON"),
    ("sql_safe_updates", "OFF"),
    ("max_execution_time", "0"),
    ("max_statement_time", "0.000000"),
    // A transaction of ours may wait for the statement of another connection.
    ("idle_transaction_timeout", "0"),
    ("idle_readonly_transaction_timeout", "0"),
    ("idle_write_transaction_timeout", "0"),
    ("wait_timeout", "86400"),
    ("net_read_timeout", "600"),
    ("net_write_timeout", "600"),
    // Keys and conditions hold, and what was changed on the way is told.
    ("unique_checks", "ON"),
    ("foreign_key_checks", "ON"),
    ("check_constraint_checks", "ON"),
    ("sql_notes", "ON"),
    // The same numbers and the same order everywhere: the longest name of an app has 2000 bytes.
    ("div_precision_increment", "4"),
    ("windowing_use_high_precision", "ON"),
    ("max_sort_length", "8192"),
    ("sql_auto_is_null", "OFF"),
    // Statements mean what they say.
    ("sql_if_exists", "OFF"),
    ("alter_algorithm", "DEFAULT"),
];

/// What is read of the server's settings besides.
const FACTS: &[&str] = &[
    "version",
    "version_comment",
    "log_bin",
    "binlog_format",
    "local_infile",
    "max_allowed_packet",
    "lower_case_table_names",
    "partial_revokes",
    "max_binlog_cache_size",
];

/// Longest wait for a lock inside the server, in seconds: the smallest that it takes.
pub(super) const SERVER_WAIT_S: u64 = 1;

/// What the server waits for a lock, in seconds.
const LOCK_WAITS: [&str; 2] = ["lock_wait_timeout", "innodb_lock_wait_timeout"];

/// The statement that lets the server wait for locks as long as we do: a COMMIT cannot be tried twice.
pub(super) fn wait_in_server(longest: Duration) -> String {
    let terms = LOCK_WAITS.map(|name| format!("{name} = {}", longest.as_secs().max(1)));
    format!("SET SESSION {}", terms.join(", "))
}

/// Names of the level of isolation, new and old.
const ISOLATION: [&str; 2] = ["transaction_isolation", "tx_isolation"];

/// Gives a new connection the settings of a session of ours and looks whether it has them.
pub(super) fn begin(endpoint: &Endpoint, conn: &mut Conn) -> Result<Server, StepFailure> {
    let failed = |e: Error| StepFailure::new(endpoint, CONNECTING, &e);
    // First of all, so that the answers here are whole and no transaction is begun.
    conn.query_drop(FIRST).map_err(failed)?;
    // One that `init_connect` began goes on when nobody ends it. As `completion_type` may be, a mere
    // ROLLBACK begins the next one or closes the connection.
    conn.query_drop("ROLLBACK AND NO CHAIN NO RELEASE").map_err(failed)?;
    let wait_s = SERVER_WAIT_S.to_string();
    let mut wanted: Vec<(&str, &str)> = SETTINGS.to_vec();
    wanted.extend(LOCK_WAITS.map(|name| (name, wait_s.as_str())));
    let names: Vec<&str> = wanted.iter().map(|(name, _)| *name).chain(FACTS.iter().copied()).chain(ISOLATION).collect();

    let found = variables(conn, &names).map_err(failed)?;
    let server = server(&found).ok_or_else(|| failed(DriverError::UnexpectedPacket.into()))?;
    if let Some(fault) = server.too_old() {
        return Err(StepFailure::plain(endpoint, CONNECTING, fault));
    }
    // Reads of a month for its mart need no locks on its rows. Statement-based binary logs need them.
    let has = |name: &str, value: &str| found.get(name).is_some_and(|found| found == value);
    let by_statement = has("log_bin", "ON") && has("binlog_format", "STATEMENT");
    let isolation = if by_statement { "REPEATABLE-READ" } else { "READ-COMMITTED" };
    wanted.extend(ISOLATION.map(|name| (name, isolation)));
    wanted.retain(|(name, _)| found.contains_key(*name));

    conn.query_drop(format!("SET NAMES utf8mb4 COLLATE {}", server.collation)).map_err(failed)?;
    // Some of them may only be set by administrators; mostly they are as they should be.
    let unset = wanted.iter().filter(|(name, value)| !has(name, value));
    let terms: Vec<String> = unset.map(|(name, value)| format!("{name} = {}", as_sql(value))).collect();
    if !terms.is_empty() {
        conn.query_drop(format!("SET SESSION {}", terms.join(", "))).map_err(failed)?;
    }
    refuse_unset(endpoint, &wanted, &variables(conn, &names).map_err(failed)?)?;
    Ok(server)
}

const CONNECTING: &str = "connecting";

/// Each product reads its own comment and passes over the other's.
const FIRST: &str = "SET SESSION autocommit = 1, sql_select_limit = 18446744073709551615, \
                     max_join_size = 18446744073709551615, sql_big_selects = 1 \
                     /*!80000 , max_execution_time = 0 */ /*M!100101 , max_statement_time = 0 */";

/// The session's settings of these names, as the server shows them.
fn variables(conn: &mut Conn, names: &[&str]) -> Result<BTreeMap<String, String>, Error> {
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    let sql = format!("SHOW SESSION VARIABLES WHERE Variable_name IN ({})", names.join(", "));
    let rows: Vec<(String, String)> = conn.query(sql)?;
    Ok(rows.into_iter().collect())
}

/// Numbers as they stand; the servers take no text for them.
fn as_sql(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(_) => value.to_owned(),
        Err(_) => literal(value),
    }
}

/// A proxy in between may answer for the server.
fn refuse_unset(
    endpoint: &Endpoint,
    wanted: &[(&str, &str)],
    found: &BTreeMap<String, String>,
) -> Result<(), StepFailure> {
    let unset = wanted.iter().find(|(name, value)| found.get(*name).is_none_or(|found| found != value));
    let Some((name, value)) = unset else { return Ok(()) };
    let found = found.get(*name).map_or("unknown", String::as_str).to_owned();
    let fault = Fault::Unset { name: (*name).to_owned(), found, wanted: (*value).to_owned() };
    Err(StepFailure::plain(endpoint, CONNECTING, fault))
}

/// None when it is not even known which version it is.
fn server(found: &BTreeMap<String, String>) -> Option<Server> {
    let text = |name: &str| found.get(name).map_or("", String::as_str);
    let number = |name: &str| text(name).parse::<u64>().ok();
    let (product, release) = product(found.get("version")?, text("version_comment"));
    let max_transaction_bytes = match text("log_bin") {
        "ON" => number("max_binlog_cache_size").unwrap_or(u64::MAX),
        _ => u64::MAX,
    };
    Some(Server {
        product,
        release,
        collation: match product {
            Product::Mysql => "utf8mb4_0900_bin",
            Product::Mariadb => "utf8mb4_nopad_bin",
        },
        local_infile: if text("local_infile") == "ON" { LocalInfile::Allowed } else { LocalInfile::Refused },
        max_packet_bytes: number("max_allowed_packet").unwrap_or(1 << 20),
        max_transaction_bytes,
        folds_names: number("lower_case_table_names").is_some_and(|setting| setting != 0),
        grants_literally: text("partial_revokes") == "ON",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_known_by_name_and_not_by_number() {
        let check = |version: &str, comment: &str, product_found: Product, release: [u16; 3]| {
            assert_eq!(product(version, comment), (product_found, release), "{version} {comment}");
        };
        check("8.0.36", "MySQL Community Server - GPL", Product::Mysql, [8, 0, 36]);
        check("9.7.4-debug", "", Product::Mysql, [9, 7, 4]);
        check("8.0.36-28.1", "Percona XtraDB Cluster", Product::Mysql, [8, 0, 36]);
        check("10.1.0", "MySQL Community Server - GPL", Product::Mysql, [10, 1, 0]);
        check("26.1.0", "MySQL Enterprise", Product::Mysql, [26, 1, 0]);
        check("10.11.6-MariaDB-0+deb12u1-log", "Debian 12", Product::Mariadb, [10, 11, 6]);
        check("5.5.5-10.6.18-MariaDB", "", Product::Mariadb, [10, 6, 18]);
        check("8.0.99", "MariaDB Server", Product::Mariadb, [8, 0, 99]);
        check("12", "", Product::Mysql, [12, 0, 0]);
    }

    #[test]
    fn servers_that_lack_a_collation_are_refused() {
        let check = |version: &str, expected: Option<&str>| {
            let found = BTreeMap::from([("version".to_owned(), version.to_owned())]);
            let fault = server(&found).unwrap().too_old().map(|fault| fault.to_string());
            assert_eq!(fault.is_some(), expected.is_some(), "{fault:?}");
            assert!(fault.unwrap_or_default().contains(expected.unwrap_or_default()), "{version}");
        };
        check("8.0.16", Some("the server is MySQL 8.0.16; the oldest that serves is MySQL 8.0.17"));
        check("5.7.44-log", Some("MySQL 5.7.44"));
        check("8.0.17", None);
        check("26.0.0", None);
        check("10.5.29-MariaDB", Some("the server is MariaDB 10.5.29; the oldest that serves is MariaDB 10.6"));
        check("10.6.0-MariaDB", None);
    }

    #[test]
    fn a_setting_that_did_not_take_is_named() {
        let found = |value: &str| BTreeMap::from([("autocommit".to_owned(), value.to_owned())]);
        let refused = |value: &str| refuse_unset(&Endpoint::for_tests(), &[("autocommit", "ON")], &found(value));
        assert!(refused("ON").is_ok());
        let error = refused("OFF").unwrap_err().error.to_string();
        assert!(error.contains("the session's autocommit is OFF, although it was set to ON"), "{error}");
    }
}
