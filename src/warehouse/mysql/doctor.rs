//! What `viewmart doctor` asks of a MySQL warehouse before any work is done.
//!
//! Rights are not read but tried, under the lock of a run, on staging tables that are dropped again: what roles, patterns
//! and proxies add up to is the server's to say. Data of the warehouse is neither read nor changed. What is left behind
//! when this is cut off breaks no reader and no dump, and the next run or look removes it.

use std::path::Path;

use mysql::prelude::Queryable as _;

use super::connect::{Connector, MysqlOptions};
use super::fault::StepFailure;
use super::lock::{self, Turn};
use super::names::{STAGING_PREFIX, literal, quoted, random};
use super::partition;
use super::prepare;
use super::session::Session;
use super::settings::{LocalInfile, Server};
use super::staging::{self, drop_leftovers};
use super::url::MysqlUrl;
use crate::check::{Area, Check, Verdict};
use crate::warehouse::MartSchema;
use crate::warehouse::meaning::LOCAL_INFILE_ADVICE;
use crate::warehouse::schema::{self, Comments, Dialect};

/// Smallest `max_allowed_packet` that no month comes near: a day's rows and a hundred names of apps.
const GOOD_PACKET_BYTES: u64 = 1 << 20;

/// Least room on the server's disk: a month of two million customers, staged beside the old one, with its log.
const GOOD_FREE_BYTES: u64 = 2 << 30;

/// Looks at connection, version, rights, `local_infile`, packet size, character set, write access and disk space.
/// What cannot be looked at is left out. The last check of a server that does not answer says why.
pub fn examine(url: &MysqlUrl, mart_db: Option<&str>, options: &MysqlOptions, mart: &MartSchema) -> Vec<Check> {
    let connector = match Connector::new(url, mart_db, options) {
        Ok(connector) => connector,
        Err(error) => return vec![failed("address", error.into())],
    };
    let mut session = match Session::open(&connector) {
        Ok(session) => session,
        Err(failure) => return vec![failed("connection", failure)],
    };
    let mut checks = vec![
        good("connection", session.address()),
        good("version", session.server.name()),
        local_infile(&session.server),
        packet(&session.server),
    ];
    checks.push(character_set(&mut session));
    checks.extend(read_only(&mut session));
    checks.extend(files(&mut session));
    checks.extend(under_lock(&mut session, mart));
    checks.extend(disk(&mut session));
    checks
}

fn good(what: &str, found: impl Into<String>) -> Check {
    Check::good(Area::Warehouse, what, found)
}

fn warning(what: &str, found: impl Into<String>, advice: impl Into<String>) -> Check {
    Check { verdict: Verdict::Warning, advice: Some(advice.into()), ..good(what, found) }
}

fn failed(what: &str, failure: StepFailure) -> Check {
    Check::bad(Area::Warehouse, what, Verdict::Failed, &failure.error)
}

fn local_infile(server: &Server) -> Check {
    match server.local_infile {
        LocalInfile::Allowed => good("local_infile", "on"),
        LocalInfile::Refused => {
            warning("local_infile", "off: rows would go in by INSERT, several times slower", LOCAL_INFILE_ADVICE)
        }
    }
}

fn packet(server: &Server) -> Check {
    let found = format!("max_allowed_packet is {} bytes", server.max_packet_bytes);
    if server.max_packet_bytes >= GOOD_PACKET_BYTES {
        good("packet size", found)
    } else {
        warning("packet size", found, "raise it: SET GLOBAL max_allowed_packet = 67108864")
    }
}

fn character_set(session: &mut Session<'_>) -> Check {
    let what = "character set";
    // The session was opened with this collation, so the server has it; the connection has to speak it too.
    let sql = "SELECT @@character_set_connection, HEX(CONVERT('😀É ' USING utf8mb4))";
    match session.query_first::<(String, String)>("comparing text", sql) {
        Ok(answer) => {
            let (charset, hex) = answer.unwrap_or_default();
            if charset == "utf8mb4" && hex == "F09F9880C38920" {
                good(what, format!("{charset}, {}", session.server.collation))
            } else {
                warning(what, format!("{charset}, text came back as {hex}"), "set the server to utf8mb4")
            }
        }
        Err(failure) => failed(what, failure),
    }
}

fn read_only(session: &mut Session<'_>) -> Option<Check> {
    let read_only: bool = session.conn.query_first("SELECT @@read_only").ok()??;
    Some(if read_only {
        // Accounts with SUPER may write all the same.
        let advice = "load into the primary server, if this is a replica";
        warning("write access", "the server is read-only", advice)
    } else {
        good("write access", "the server takes writes")
    })
}

/// MySQL exchanges partitions with tables that have a file of their own only.
fn files(session: &mut Session<'_>) -> Option<Check> {
    let own_files: bool = session.conn.query_first("SELECT @@innodb_file_per_table").ok()??;
    let advice = "give tables files of their own: SET PERSIST innodb_file_per_table = 1";
    let check = warning("tablespaces", "innodb_file_per_table is off", advice);
    let needs_own_files = session.server.exchanges_without_validation();
    (needs_own_files && !own_files).then_some(Check { verdict: Verdict::Failed, ..check })
}

/// Tables and rights. A run that is at work shows both better than a look could.
fn under_lock(session: &mut Session<'_>, mart: &MartSchema) -> Vec<Check> {
    let what = "tables";
    match lock::try_locked(session, |session| Ok(look(session, mart))) {
        Ok(Turn::Ours(checks)) => checks,
        Ok(Turn::Of(other)) => vec![good(what, format!("another viewmart works on them: {other}"))],
        Err(failure) => vec![failed(what, failure)],
    }
}

fn look(session: &mut Session<'_>, mart: &MartSchema) -> Vec<Check> {
    let what = "tables";
    let look = match prepare::look(session, mart) {
        Ok(look) => look,
        Err(failure) => return vec![failed(what, failure)],
    };
    let connector = session.connector;
    let customers = look.has_customers().then(|| session.qualified(&schema::CUSTOMER_BEHAVIOR));
    let of_warehouse = rights(session, "rights", &connector.database, customers.as_deref());
    let mut of_mart = rights(session, "rights, mart", &connector.mart_db, None);
    // The statements for both databases are told once.
    if of_mart.advice.is_some() && of_mart.advice == of_warehouse.advice {
        of_mart.advice = Some("the same statements give these rights too".to_owned());
    }
    vec![good(what, format!("{}: {}", session.address(), look.word())), of_warehouse, of_mart]
}

fn rights(session: &mut Session<'_>, what: &str, database: &str, customers: Option<&str>) -> Check {
    match try_rights(session, database, customers) {
        Ok(Rights::Enough) => good(what, format!("the account may do all that is needed in {}", quoted(database))),
        Ok(Rights::Unseen { advice }) => {
            let found = format!("the database {} does not exist, or the account may not see it", quoted(database));
            warning(what, found, advice)
        }
        Err(failure) => failed(what, failure),
    }
}

/// What came of trying the rights on a database.
enum Rights {
    Enough,
    /// It is not there yet, or not for this account: no fault.
    Unseen {
        /// What to do where the account may not make it.
        advice: String,
    },
}

/// Does once what a load does, with no row; `customers` are those that are there.
fn try_rights(session: &mut Session<'_>, database: &str, customers: Option<&str>) -> Result<Rights, StepFailure> {
    let name = quoted(database);
    let sql = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(database));
    if session.query_first::<u8>(TRYING, &sql)?.is_none() {
        let advice = format!(
            "the first run creates it if the account may; else let an administrator run: CREATE DATABASE {name} \
             CHARACTER SET utf8mb4 COLLATE {}; {}",
            session.server.collation,
            session.connector.endpoint.grant_on(&name)
        );
        return Ok(Rights::Unseen { advice });
    }
    drop_leftovers(session)?;
    // Named as staging tables, so that a run would remove them if this were cut off.
    let scratch = format!("{name}.{STAGING_PREFIX}{}", random(session.address())?);
    // Such a name needs no quotes.
    let (table, other, view) = (&scratch, &format!("{scratch}_other"), &format!("{scratch}_view"));
    let tried = try_steps(session, [table, other, view], customers);
    let dropped = [format!("DROP VIEW IF EXISTS {view}"), format!("DROP TABLE IF EXISTS {other}, {table}")]
        .iter()
        .try_for_each(|sql| session.run_patiently(TRYING, sql));
    tried.and(dropped).map(|()| Rights::Enough)
}

const TRYING: &str = "trying the account's rights";

fn try_steps(
    session: &mut Session<'_>,
    [table, other, view]: [&str; 3],
    customers: Option<&str>,
) -> Result<(), StepFailure> {
    let dialect = Dialect::Mysql { collation: session.server.collation };
    let definition = schema::CUSTOMER_BEHAVIOR.definition(dialect, Comments::LeftOut);
    session.run_patiently(TRYING, &format!("CREATE TABLE {table} {definition}{}", partition::clause(&[])))?;
    staging::create(session, customers.unwrap_or(table), other)?;
    for sql in [
        format!("ALTER TABLE {table} ADD PARTITION (PARTITION p200001 VALUES IN ('2000-01-01'))"),
        format!("INSERT INTO {table} SELECT * FROM {table} WHERE FALSE"),
        format!("DELETE FROM {table} WHERE Month = '2000-01-01'"),
        // Of no table: a view whose table is gone stops every dump of the database.
        format!("CREATE VIEW {view} AS SELECT 1 AS One"),
    ] {
        session.run_patiently(TRYING, &sql)?;
    }
    Ok(())
}

/// Room on the disk of the server's data, where that is a disk of this machine.
fn disk(session: &mut Session<'_>) -> Option<Check> {
    let (folder, host): (String, String) = session.conn.query_first("SELECT @@datadir, @@hostname").ok()??;
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    if here.trim_end() != host || !Path::new(&folder).is_dir() {
        return None;
    }
    let disk = rustix::fs::statvfs(folder.as_str()).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let found = format!("{} free at {folder}", crate::units::size(free));
    Some(if free >= GOOD_FREE_BYTES {
        good("disk space", found)
    } else {
        let advice = "free disk space: a month is staged beside the old one, and written to the server's log";
        warning("disk space", found, advice)
    })
}
