//! The tables that a month is loaded into before readers see it, and their exchange for the month that they see.
//!
//! Each is made like the table that it is for as that table is, with the indexes, conditions and options that somebody
//! added to it: the servers exchange tables of the same definition only. Whether they would is tried with an empty
//! partition before any row is loaded.

use mysql::Conn;

use super::connect::{Connector, quoted};
use super::failure::Failure;
use super::partition;
use super::publish::{run, run_patiently};
use super::session::Server;
use super::stream;
use super::wait::patiently;
use crate::engine::calendar::Month;
use crate::warehouse::Meaning;
use crate::warehouse::schema::Table;

/// What every staging table's name begins with.
pub(super) const STAGING_PREFIX: &str = "viewmart_staging_";

/// A name that no staging table has, quoted and with its database.
fn new_name(connector: &Connector) -> String {
    let name = format!("{STAGING_PREFIX}{:016x}", stream::random());
    format!("{}.{}", connector.place.names.warehouse, quoted(&name))
}

const CREATING: &str = "creating the staging table";

/// Makes the empty table `staging` (quoted, with its database) like `table`, and tries the exchange.
pub(super) fn create(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    table: &str,
    staging: &str,
) -> Result<(), Failure> {
    run_patiently(connector, conn, CREATING, &format!("CREATE TABLE {staging} LIKE {table}"))?;
    run_patiently(connector, conn, CREATING, &format!("ALTER TABLE {staging} REMOVE PARTITIONING"))?;
    let exchange = Exchange { table, held: None, staging };
    // A reader may have it for long: whether it is in the way in the end, the end will tell.
    match exchange.tried(connector, conn, server, TRYING) {
        Err(failure) if failure.is_waiting() => Ok(()),
        result => result.map_err(|failure| exchange.explained(failure)),
    }
}

/// What takes the place of a month in one of the tables that have partitions.
#[derive(Debug)]
pub(super) struct Staging {
    pub table: &'static Table,
    /// The table, quoted and with its database.
    pub home: String,
    month: Month,
    /// The staging table, quoted and with its database.
    pub name: String,
}

impl Staging {
    pub(super) fn new(connector: &Connector, table: &'static Table, month: Month) -> Staging {
        Staging { table, home: home(connector, table), month, name: new_name(connector) }
    }

    /// Makes it, empty.
    pub(super) fn create(&self, connector: &Connector, conn: &mut Conn, server: &Server) -> Result<(), Failure> {
        create(connector, conn, server, &self.home, &self.name)
    }

    /// Drops it, where it is there.
    pub(super) fn drop(&self, connector: &Connector, conn: &mut Conn) -> Result<(), Failure> {
        run(connector, conn, "dropping the staging table", &format!("DROP TABLE IF EXISTS {}", self.name))
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange { table: &self.home, held: Some(self.month), staging: &self.name }
    }
}

/// Exchanges all of them, in order; those before one that fails are taken back.
pub(super) fn exchange_all(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    stagings: &[&Staging],
    doing: &'static str,
) -> Result<(), Failure> {
    let mut made = Vec::new();
    for staging in stagings {
        if let Err(failure) = staging.exchange().make(connector, conn, server, doing) {
            take_back(connector, conn, server, &made)?;
            return Err(failure);
        }
        made.push(*staging);
    }
    Ok(())
}

/// Gives readers the old month again, the last exchange first, on a new connection if need be.
pub(super) fn take_back(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    exchanged: &[&Staging],
) -> Result<(), Failure> {
    let doing = "taking the month back";
    exchanged.iter().rev().try_for_each(|staging| match staging.exchange().make(connector, conn, server, doing) {
        Err(failure) if failure.is_passing() => {
            staging.exchange().make(connector, &mut connector.connect()?.0, server, doing)
        }
        result => result,
    })
}

const TRYING: &str = "trying to exchange an empty partition";

/// Tables have different definitions, and attributes that do not match.
const DIFFERS: &[u16] = &[1736, 1731];

/// The swap of a partition for the staging table.
#[derive(Clone, Copy, Debug)]
struct Exchange<'a> {
    /// The partitioned table, quoted and with its database.
    table: &'a str,
    /// What the partition holds.
    held: partition::Held,
    /// The other table, quoted and with its database.
    staging: &'a str,
}

/// Row formats that a partition may have without the table's definition saying so, as in tables of version 0.1.
const ROW_FORMATS: [&str; 3] = ["DYNAMIC", "COMPACT", "REDUNDANT"];

impl Exchange<'_> {
    /// Makes it as soon as no reader is in its way.
    fn make(
        &self,
        connector: &Connector,
        conn: &mut Conn,
        server: &Server,
        doing: &'static str,
    ) -> Result<(), Failure> {
        patiently(connector, || self.tried(connector, conn, server, doing)).map_err(|failure| self.explained(failure))
    }

    /// What to do where the server says that the two differ: by what it says they differ in.
    fn explained(&self, failure: Failure) -> Failure {
        let table = self.table.to_owned();
        let repair = repair(&table, self.held, &failure.error.to_string());
        failure.with_meaning_for(DIFFERS, Meaning::TableChanged { table, repair })
    }

    /// Tries it. A partition keeps the row format that was the server's when it was made, which no view shows to an
    /// ordinary account: where it is another one, the staging table gets it.
    fn tried(
        &self,
        connector: &Connector,
        conn: &mut Conn,
        server: &Server,
        doing: &'static str,
    ) -> Result<(), Failure> {
        let Exchange { table, held, staging } = self;
        let unchecked = if server.exchanges_without_validation() { " WITHOUT VALIDATION" } else { "" };
        let exchange = format!(
            "ALTER TABLE {table} EXCHANGE PARTITION {} WITH TABLE {staging}{unchecked}",
            partition::name(*held)
        );
        let mut result = run(connector, conn, doing, &exchange);
        for format in ROW_FORMATS {
            match &result {
                Err(failure) if failure.code == Some(1731) && failure.error.to_string().contains("ROW_FORMAT") => {}
                _ => break,
            }
            run(connector, conn, doing, &format!("ALTER TABLE {staging} ROW_FORMAT = {format}"))?;
            result = run(connector, conn, doing, &exchange);
        }
        result
    }
}

/// The statements that make a partition of `table` and its staging table alike again; `words` are the server's, which name what
/// the two differ in. What stands in the definition of a partition goes when that is made anew; what no definition shows, as
/// columns that came and went, when all rows are written anew.
fn repair(table: &str, held: partition::Held, words: &str) -> String {
    let (name, definition) = (partition::name(held), partition::definition(held));
    let reorganize = format!("ALTER TABLE {table} REORGANIZE PARTITION {name} INTO ({definition})");
    let is_about = |attributes: &[&str]| attributes.iter().any(|attribute| words.contains(&format!("'{attribute}'")));
    if is_about(&["MAX_ROWS", "MIN_ROWS"]) {
        format!("ALTER TABLE {table} MAX_ROWS = 0 MIN_ROWS = 0; {reorganize}")
    } else if is_about(&["DATA DIRECTORY", "INDEX DIRECTORY", "TABLESPACE", "INNODB TABLESPACE"]) {
        reorganize
    } else {
        format!("ALTER TABLE {table} FORCE")
    }
}

/// A table of the warehouse, quoted and with its database.
pub(super) fn home(connector: &Connector, table: &Table) -> String {
    connector.names().fill(&table.qualified())
}
