//! The tables that a month is loaded into before readers see it, and their exchange for the month that they see.
//!
//! Each is made like the table that it is for as that table is, with the indexes, conditions and options that somebody
//! added to it: the servers exchange tables of the same definition only. Whether they would is tried with an empty
//! partition before any row is loaded.

use super::fault::{Chance, StepFailure};
use super::names::{STAGING_PREFIX, literal, quoted, random};
use super::partition;
use super::session::Session;
use crate::engine::calendar::Month;
use crate::warehouse::Meaning;
use crate::warehouse::schema::Table;

const CREATING: &str = "creating the staging table";

/// Makes the empty table `staging` (quoted, with its database) like `table`, and tries the exchange.
pub(super) fn create(session: &mut Session<'_>, table: &str, staging: &str) -> Result<(), StepFailure> {
    session.run_patiently(CREATING, &format!("CREATE TABLE {staging} LIKE {table}"))?;
    session.run_patiently(CREATING, &format!("ALTER TABLE {staging} REMOVE PARTITIONING"))?;
    let exchange = Exchange { table, held: None, staging };
    // A reader may have it for long: whether it is in the way in the end, the end will tell.
    match exchange.tried(session, TRYING) {
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
    /// For a month of `table`, under a name that no other staging table has.
    pub fn new(session: &Session<'_>, table: &'static Table, month: Month) -> Result<Staging, StepFailure> {
        let name = format!("{STAGING_PREFIX}{}", random(session.address())?);
        let name = format!("{}.{}", session.connector.endpoint.names.warehouse, quoted(&name));
        Ok(Staging { table, home: session.qualified(table), month, name })
    }

    /// Makes it, empty.
    pub fn create(&self, session: &mut Session<'_>) -> Result<(), StepFailure> {
        create(session, &self.home, &self.name)
    }

    /// Drops it, where it is there.
    pub fn drop(&self, session: &mut Session<'_>) -> Result<(), StepFailure> {
        session.run("dropping the staging table", &format!("DROP TABLE IF EXISTS {}", self.name))
    }

    fn exchange(&self) -> Exchange<'_> {
        Exchange { table: &self.home, held: Some(self.month), staging: &self.name }
    }
}

/// Drops the staging tables, and the views that tried the account's rights, of runs that did not come to their end. The
/// caller holds the lock.
pub(super) fn drop_leftovers(session: &mut Session<'_>) -> Result<(), StepFailure> {
    let doing = "removing what a broken-off run left";
    let connector = session.connector;
    let names = &connector.endpoint.names;
    for (database, quoted_database) in [(&connector.database, &names.warehouse), (&connector.mart_db, &names.mart)] {
        let sql = format!(
            "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} \
             AND LEFT(TABLE_NAME, {}) = '{STAGING_PREFIX}'",
            literal(database),
            STAGING_PREFIX.len(),
        );
        let found: Vec<(String, String)> = session.query(doing, &sql)?;
        for (name, table_type) in found {
            let kind = if table_type == "VIEW" { "VIEW" } else { "TABLE" };
            session.run_patiently(doing, &format!("DROP {kind} IF EXISTS {quoted_database}.{}", quoted(&name)))?;
        }
    }
    Ok(())
}

/// The result of a step after whose end its tables were dropped, with the result of that. Whatever a broken connection or a
/// reader leaves of them is dropped by the next run; the result of this one does not depend on it.
pub(super) fn and_tidied(result: Result<(), StepFailure>, dropped: Result<(), StepFailure>) -> Result<(), StepFailure> {
    result.and(match dropped {
        Err(failure) if failure.chance == Chance::Lasting => Err(failure),
        _ => Ok(()),
    })
}

/// Exchanges all of them, in order; those before one that fails are exchanged back.
pub(super) fn exchange_all(
    session: &mut Session<'_>,
    stagings: &[&Staging],
    doing: &'static str,
) -> Result<(), StepFailure> {
    let mut made = Vec::new();
    for staging in stagings {
        if let Err(failure) = staging.exchange().make(session, doing) {
            revert_exchange(session, &made)?;
            return Err(failure);
        }
        made.push(*staging);
    }
    Ok(())
}

/// Gives readers the old month again, the last exchange first, on a new connection if need be.
pub(super) fn revert_exchange(session: &mut Session<'_>, exchanged: &[&Staging]) -> Result<(), StepFailure> {
    let doing = "taking the month back";
    exchanged.iter().rev().try_for_each(|staging| match staging.exchange().make(session, doing) {
        Err(failure) if failure.is_passing() => staging.exchange().make(&mut session.another()?, doing),
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
    fn make(&self, session: &mut Session<'_>, doing: &'static str) -> Result<(), StepFailure> {
        session.patiently(|session| self.tried(session, doing)).map_err(|failure| self.explained(failure))
    }

    /// What to do where the server says that the two differ: by what it says they differ in.
    fn explained(&self, failure: StepFailure) -> StepFailure {
        let table = self.table.to_owned();
        let repair = repair(&table, self.held, &failure.error.to_string());
        failure.with_meaning_for(DIFFERS, Meaning::TableChanged { table, repair })
    }

    /// Tries it. A partition keeps the row format that was the server's when it was made, which no view shows to an
    /// ordinary account: where it is another one, the staging table gets it.
    fn tried(&self, session: &mut Session<'_>, doing: &'static str) -> Result<(), StepFailure> {
        let Exchange { table, held, staging } = self;
        let unchecked = if session.server.exchanges_without_validation() { " WITHOUT VALIDATION" } else { "" };
        let exchange = format!(
            "ALTER TABLE {table} EXCHANGE PARTITION {} WITH TABLE {staging}{unchecked}",
            partition::name(*held)
        );
        let mut result = session.run(doing, &exchange);
        for format in ROW_FORMATS {
            match &result {
                Err(failure) if failure.code == Some(1731) && failure.error.to_string().contains("ROW_FORMAT") => {}
                _ => break,
            }
            session.run(doing, &format!("ALTER TABLE {staging} ROW_FORMAT = {format}"))?;
            result = session.run(doing, &exchange);
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
