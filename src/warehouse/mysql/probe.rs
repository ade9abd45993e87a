//! What `viewmart doctor` asks of a MySQL warehouse before any work is done.
//!
//! Rights are not read but tried, under the lock of a run, on staging tables that are dropped again: what roles, patterns
//! and proxies add up to is the server's to say. Data of the warehouse is neither read nor changed. What is left behind
//! when this is cut off breaks no reader and no dump, and the next run or look removes it.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, MysqlOptions, literal, quoted};
use super::failure::Failure;
use super::lock::{self, Turn};
use super::partition;
use super::prepare;
use super::publish;
use super::session::{LocalInfile, Server};
use super::staging::{self, STAGING_PREFIX};
use super::stream;
use super::url::MysqlUrl;
use crate::advice::Advice as _;
use crate::warehouse::MartSchema;
use crate::warehouse::meaning::LOCAL_INFILE_ADVICE;
use crate::warehouse::schema::{self, Comments, Dialect};

/// How a look at the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Good,
    /// It works, but not as well as it could.
    Warning,
    /// A run would fail.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, for example `local_infile`.
    pub what: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in one line.
    pub found: String,
    /// What the user can do about it.
    pub advice: Option<String>,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Finding {
        Finding { what, outcome: Outcome::Good, found: found.into(), advice: None }
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { what, outcome: Outcome::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn failed(what: &'static str, failure: &Failure) -> Finding {
        let advice = failure.error.advice().map(std::borrow::Cow::into_owned);
        Finding { what, outcome: Outcome::Failed, found: failure.error.to_string(), advice }
    }
}

/// Smallest `max_allowed_packet` that no month comes near: a day's rows and a hundred names of apps.
const GOOD_PACKET_BYTES: u64 = 1 << 20;

/// Least room on the server's disk: a month of two million customers, staged beside the old one, with its log.
const GOOD_FREE_BYTES: u64 = 2 << 30;

/// Looks at connection, version, rights, `local_infile`, packet size, character set, write access and disk space.
/// What cannot be looked at is left out. The last finding of a server that does not answer says why.
pub fn warehouse_checks(
    url: &MysqlUrl,
    mart_db: Option<&str>,
    options: &MysqlOptions,
    mart: &MartSchema,
) -> Vec<Finding> {
    let connector = match Connector::new(url, mart_db, options) {
        Ok(connector) => connector,
        Err(error) => return vec![Finding::failed("address", &error.into())],
    };
    let (mut conn, server) = match connector.connect() {
        Ok(connected) => connected,
        Err(failure) => return vec![Finding::failed("connection", &failure)],
    };
    let mut findings = vec![
        Finding::good("connection", connector.place.address.clone()),
        Finding::good("version", server.name()),
        local_infile(&server),
        packet(&server),
    ];
    findings.extend(character_set(&connector, &mut conn, &server));
    findings.extend(read_only(&mut conn));
    findings.extend(files(&mut conn, &server));
    findings.extend(under_lock(&connector, &mut conn, &server, mart));
    findings.extend(disk(&mut conn));
    findings
}

fn local_infile(server: &Server) -> Finding {
    match server.local_infile {
        LocalInfile::Allowed => Finding::good("local_infile", "on"),
        LocalInfile::Refused => {
            let found = "off: rows would go in by INSERT, several times slower";
            Finding::warning("local_infile", found, LOCAL_INFILE_ADVICE)
        }
    }
}

fn packet(server: &Server) -> Finding {
    let found = format!("max_allowed_packet is {} bytes", server.max_packet_bytes);
    if server.max_packet_bytes >= GOOD_PACKET_BYTES {
        Finding::good("packet size", found)
    } else {
        Finding::warning("packet size", found, "raise it: SET GLOBAL max_allowed_packet = 67108864")
    }
}

fn character_set(connector: &Connector, conn: &mut Conn, server: &Server) -> Option<Finding> {
    let what = "character set";
    // The session was opened with this collation, so the server has it; the connection has to speak it too.
    let answer: Result<Option<(String, String)>, _> =
        conn.query_first("SELECT @@character_set_connection, HEX(CONVERT('😀É ' USING utf8mb4))");
    match answer {
        Ok(answer) => {
            let (charset, hex) = answer.unwrap_or_default();
            Some(if charset == "utf8mb4" && hex == "F09F9880C38920" {
                Finding::good(what, format!("{charset}, {}", server.collation))
            } else {
                Finding::warning(what, format!("{charset}, text came back as {hex}"), "set the server to utf8mb4")
            })
        }
        Err(e) => Some(Finding::failed(what, &Failure::new(&connector.place, "comparing text", &e))),
    }
}

fn read_only(conn: &mut Conn) -> Option<Finding> {
    let read_only: bool = conn.query_first("SELECT @@read_only").ok()??;
    Some(if read_only {
        // Accounts with SUPER may write all the same.
        let advice = "load into the primary server, if this is a replica";
        Finding::warning("write access", "the server is read-only", advice)
    } else {
        Finding::good("write access", "the server takes writes")
    })
}

/// MySQL exchanges partitions with tables that have a file of their own only.
fn files(conn: &mut Conn, server: &Server) -> Option<Finding> {
    let own_files: bool = conn.query_first("SELECT @@innodb_file_per_table").ok()??;
    (server.exchanges_without_validation() && !own_files).then(|| Finding {
        what: "tablespaces",
        outcome: Outcome::Failed,
        found: "innodb_file_per_table is off".to_owned(),
        advice: Some("give tables files of their own: SET PERSIST innodb_file_per_table = 1".to_owned()),
    })
}

/// Tables and rights. A run that is at work shows both better than a look could.
fn under_lock(connector: &Connector, conn: &mut Conn, server: &Server, mart: &MartSchema) -> Vec<Finding> {
    let what = "tables";
    match lock::try_locked(connector, conn, server, |conn| Ok(look(connector, conn, server, mart))) {
        Ok(Turn::Ours(findings)) => findings,
        Ok(Turn::Of(other)) => vec![Finding::good(what, format!("another viewmart works on them: {other}"))],
        Err(failure) => vec![Finding::failed(what, &failure)],
    }
}

fn look(connector: &Connector, conn: &mut Conn, server: &Server, mart: &MartSchema) -> Vec<Finding> {
    let what = "tables";
    let look = match prepare::look(connector, conn, server, mart) {
        Ok(look) => look,
        Err(failure) => return vec![Finding::failed(what, &failure)],
    };
    let mut findings = vec![Finding::good(what, format!("{}: {}", connector.place.address, look.word()))];
    for database in [&connector.database, &connector.mart_db] {
        let what = if *database == connector.database { "rights" } else { "rights, mart" };
        let like = (*database == connector.database && look.has_customers())
            .then(|| staging::home(connector, &schema::CUSTOMER_BEHAVIOR));
        findings.push(match try_rights(connector, conn, server, database, like.as_deref()) {
            Ok(Some(finding)) => Finding { what, ..finding },
            Ok(None) => Finding::good(what, format!("the account may do all that is needed in {}", quoted(database))),
            Err(failure) => Finding::failed(what, &failure),
        });
    }
    // The statements for both databases are told once.
    if let [.., of_warehouse, of_mart] = findings.as_mut_slice()
        && of_mart.advice.is_some()
        && of_mart.advice == of_warehouse.advice
    {
        of_mart.advice = Some("the same statements give these rights too".to_owned());
    }
    findings
}

/// Does once what a load does, with no row; `customers` are those that are there. A database that is not there yet is no
/// fault.
fn try_rights(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    database: &str,
    customers: Option<&str>,
) -> Result<Option<Finding>, Failure> {
    let name = quoted(database);
    let sql = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(database));
    let found: Option<u8> = conn.query_first(sql).map_err(|e| Failure::new(&connector.place, TRYING, &e))?;
    if found.is_none() {
        let found = format!("the database {name} does not exist, or the account may not see it");
        let advice = format!(
            "the first run creates it if the account may; else let an administrator run: CREATE DATABASE {name} \
             CHARACTER SET utf8mb4 COLLATE {}; {}",
            server.collation,
            connector.place.grant_on(&name)
        );
        return Ok(Some(Finding::warning("", found, advice)));
    }
    publish::drop_leftovers(connector, conn)?;
    // Named as staging tables, so that a run would remove them if this were cut off.
    let scratch = format!("{name}.{STAGING_PREFIX}{:016x}", stream::random());
    // Such a name needs no quotes.
    let (table, other, view) = (&scratch, &format!("{scratch}_other"), &format!("{scratch}_view"));
    let tried = try_steps(connector, conn, server, [table, other, view], customers);
    let dropped = [format!("DROP VIEW IF EXISTS {view}"), format!("DROP TABLE IF EXISTS {other}, {table}")]
        .iter()
        .try_for_each(|sql| publish::run_patiently(connector, conn, TRYING, sql));
    tried.and(dropped).map(|()| None)
}

const TRYING: &str = "trying the account's rights";

fn try_steps(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    [table, other, view]: [&str; 3],
    customers: Option<&str>,
) -> Result<(), Failure> {
    let definition =
        schema::CUSTOMER_BEHAVIOR.definition(Dialect::Mysql { collation: server.collation }, Comments::LeftOut);
    let run = |conn: &mut Conn, sql: &str| publish::run_patiently(connector, conn, TRYING, sql);
    run(conn, &format!("CREATE TABLE {table} {definition}{}", partition::clause(&[])))?;
    staging::create(connector, conn, server, customers.unwrap_or(table), other)?;
    for sql in [
        format!("ALTER TABLE {table} ADD PARTITION (PARTITION p200001 VALUES IN ('2000-01-01'))"),
        format!("INSERT INTO {table} SELECT * FROM {table} WHERE FALSE"),
        format!("DELETE FROM {table} WHERE Month = '2000-01-01'"),
        // Of no table: a view whose table is gone stops every dump of the database.
        format!("CREATE VIEW {view} AS SELECT 1 AS One"),
    ] {
        run(conn, &sql)?;
    }
    Ok(())
}

/// Room on the disk of the server's data, where that is a disk of this machine.
fn disk(conn: &mut Conn) -> Option<Finding> {
    let (folder, host): (String, String) = conn.query_first("SELECT @@datadir, @@hostname").ok()??;
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    if here.trim_end() != host || !std::path::Path::new(&folder).is_dir() {
        return None;
    }
    let disk = rustix::fs::statvfs(folder.as_str()).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} free at {folder}", crate::units::size(free));
    Some(if free >= GOOD_FREE_BYTES {
        Finding::good("disk space", found)
    } else {
        let advice = "make room: a month is staged beside the old one, and written to the server's log";
        Finding::warning("disk space", found, advice)
    })
}
