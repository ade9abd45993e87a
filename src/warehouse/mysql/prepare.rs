//! Making both databases and bringing them up to date.

use mysql::prelude::Queryable as _;

use super::connect::Connector;
use super::fault::StepFailure;
use super::names::literal;
use super::partition::{self, PARTITIONED};
use super::session::Session;
use super::staging::drop_leftovers;
use crate::warehouse::schema::version::{Found, SCHEMA_VERSION, Schema, Standing};
use crate::warehouse::schema::{self, Database, Dialect};
use crate::warehouse::{Fault, MartSchema, Missing, WarehouseStanding};

const LOOKING: &str = "looking at the tables";
const MAKING: &str = "creating the tables";

/// The table of one row that holds the version of a database's schema.
const VERSION_TABLE: &str = "schema_version";

/// What both databases hold, and how far they are.
#[derive(Debug)]
pub(super) struct Look<'a> {
    schemas: [Schema<'a>; 2],
    found: [Found; 2],
    standings: [Standing; 2],
    /// The number of the warehouse, once it has one.
    id: Option<String>,
}

impl Look<'_> {
    /// See [`crate::warehouse::Warehouse::standing`].
    pub(super) fn standing(&self) -> WarehouseStanding {
        let [warehouse, mart] = &self.standings;
        WarehouseStanding::of(warehouse, mart)
    }

    /// What a run would do about it, in a few words.
    pub(super) fn word(&self) -> &'static str {
        match &self.standings {
            [Standing::Empty, _] => "a run makes it",
            [_, Standing::Empty] => "a run makes its mart",
            [Standing::Older, _] | [_, Standing::Older] => "a run brings it up to date",
            [Standing::Current, Standing::Current] => "ready",
        }
    }

    pub(super) fn has_customers(&self) -> bool {
        self.found[0].columns.contains_key(schema::CUSTOMER_BEHAVIOR.name)
    }
}

/// Looks at both databases and touches neither.
///
/// # Errors
/// What would stop a run: one of them is newer, or not ours, or belongs to another warehouse.
pub(super) fn look<'a>(session: &mut Session<'_>, mart: &'a MartSchema) -> Result<Look<'a>, StepFailure> {
    refuse_same_database(session)?;
    let schemas = [Schema::of_warehouse(), Schema::of_mart(mart)];
    let mut look = |schema: &Schema<'_>| {
        let found = read_found(session, schema.database)?;
        let standing = schema.standing(&found).map_err(|misfit| {
            let name = session.fill(schema.database.placeholder());
            let dialect = Dialect::Mysql { collation: session.server.collation };
            session.refused(LOOKING, Fault::Misfit { name, dialect, misfit })
        })?;
        Ok::<_, StepFailure>((found, standing))
    };
    let [(warehouse, standing), (mart_found, mart_standing)] = [look(&schemas[0])?, look(&schemas[1])?];
    for table in PARTITIONED.iter().filter(|table| warehouse.columns.contains_key(table.name)) {
        partition::refuse_others(session, LOOKING, table)?;
    }
    let id = read_id(session, &warehouse, Database::Warehouse)?;
    if let Some(other) = read_id(session, &mart_found, Database::Mart)? {
        refuse_other_mart(session, id.as_deref(), &other)?;
    }
    Ok(Look { schemas, found: [warehouse, mart_found], standings: [standing, mart_standing], id })
}

/// See [`crate::warehouse::Warehouse::prepare`]. The caller holds the lock. Views and tables that are there are left
/// alone: to replace one would stop its readers.
pub(super) fn prepare(session: &mut Session<'_>, mart: &MartSchema, missing: Missing) -> Result<(), StepFailure> {
    // Both are looked at before either is touched.
    let Look { schemas, found, standings, id } = look(session, mart)?;
    if standings[0] == Standing::Empty && missing == Missing::Refuse {
        return Err(session.refused(LOOKING, Fault::NoWarehouse { file: None }));
    }
    let id = match id {
        Some(id) => id,
        None => crate::warehouse::new_id(session.address())?,
    };
    for database in [Database::Warehouse, Database::Mart] {
        create_database(session, database)?;
    }
    drop_leftovers(session)?;
    for ((schema, found), standing) in schemas.iter().zip(&found).zip(&standings) {
        if *standing != Standing::Current {
            bring_up_to_date(session, schema, found, &id)?;
        }
    }
    // Another warehouse, under its own lock, may have made the same mart meanwhile.
    match select_id(session, Database::Mart)? {
        Some(other) => refuse_other_mart(session, Some(&id), &other),
        None => Ok(()),
    }
}

/// A mart in the warehouse's own database, spelled otherwise.
fn refuse_same_database(session: &Session<'_>) -> Result<(), StepFailure> {
    let Connector { database, mart_db, .. } = session.connector;
    if !session.server.folds_names || database.to_lowercase() != mart_db.to_lowercase() {
        return Ok(());
    }
    let fault = Fault::SameDatabase { mart: mart_db.clone(), database: database.clone() };
    Err(session.refused(LOOKING, fault))
}

/// A mart that was made from the warehouse with the number `other`.
fn refuse_other_mart(session: &Session<'_>, id: Option<&str>, other: &str) -> Result<(), StepFailure> {
    if id == Some(other) {
        return Ok(());
    }
    let mart = session.connector.endpoint.names.mart.clone();
    let removal = Some(format!("DROP DATABASE {mart}"));
    let fault = Fault::OtherMart { mart, other: other.to_owned(), this: id.unwrap_or("new").to_owned(), removal };
    Err(session.refused(LOOKING, fault))
}

/// Makes what is missing in one database. A crash leaves some of it, which the next run completes: the version is
/// written down last.
fn bring_up_to_date(
    session: &mut Session<'_>,
    schema: &Schema<'_>,
    found: &Found,
    id: &str,
) -> Result<(), StepFailure> {
    let dialect = Dialect::Mysql { collation: session.server.collation };
    let partitioned = PARTITIONED.map(|table| table.create(dialect));
    for statement in schema.upgrade(found, dialect) {
        let mut sql = session.fill(&statement);
        if partitioned.contains(&statement) {
            sql += &partition::clause(&[]);
        }
        session.run_patiently(MAKING, &sql)?;
    }
    let (version_table, id_table) =
        (schema.database.qualify(VERSION_TABLE), schema.database.qualify(schema::WAREHOUSE_ID.name));
    for sql in [
        format!(
            "CREATE TABLE IF NOT EXISTS {version_table} (Version INT NOT NULL, PRIMARY KEY (Version)) ENGINE = InnoDB"
        ),
        format!("INSERT INTO {id_table} (Id) SELECT '{id}' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {id_table})"),
    ] {
        session.run_patiently(MAKING, &session.fill(&sql))?;
    }
    let written = [
        format!("DELETE FROM {version_table}"),
        format!("INSERT INTO {version_table} (Version) VALUES ({SCHEMA_VERSION})"),
    ];
    session.patiently(|session| {
        session
            .transaction(MAKING, |session| written.iter().try_for_each(|sql| session.run(MAKING, &session.fill(sql))))
    })
}

/// What a database holds; nothing where it does not exist.
pub(super) fn read_found(session: &mut Session<'_>, database: Database) -> Result<Found, StepFailure> {
    let name = literal(database_name(session.connector, database));
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {name} \
         ORDER BY TABLE_NAME, ORDINAL_POSITION"
    );
    let rows: Vec<(String, String)> = session.query(LOOKING, &sql)?;
    let sql =
        format!("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {name} AND TABLE_TYPE = 'VIEW'");
    let views = session.query(LOOKING, &sql)?.into_iter().collect();
    let mut found = Found { views, ..Found::default() };
    for (table, column) in rows {
        found.columns.entry(table).or_default().push(column);
    }
    if found.columns.contains_key(VERSION_TABLE) {
        let sql = format!("SELECT MAX(Version) FROM {}", database.qualify(VERSION_TABLE));
        let version: Option<Option<u32>> = session.query_first(LOOKING, &session.fill(&sql))?;
        found.version = version.flatten().unwrap_or_default();
    }
    Ok(found)
}

/// The number of the warehouse that a database is, or is the mart of, where it has one.
fn read_id(session: &mut Session<'_>, found: &Found, database: Database) -> Result<Option<String>, StepFailure> {
    if !found.columns.contains_key(schema::WAREHOUSE_ID.name) {
        return Ok(None);
    }
    select_id(session, database)
}

fn select_id(session: &mut Session<'_>, database: Database) -> Result<Option<String>, StepFailure> {
    let sql = format!("SELECT Id FROM {}", database.qualify(schema::WAREHOUSE_ID.name));
    session.query_first(LOOKING, &session.fill(&sql))
}

fn database_name(connector: &Connector, database: Database) -> &str {
    match database {
        Database::Warehouse | Database::Work => &connector.database,
        Database::Mart => &connector.mart_db,
    }
}

fn create_database(session: &mut Session<'_>, database: Database) -> Result<(), StepFailure> {
    let doing = "creating the databases";
    let name = database_name(session.connector, database);
    let sql = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(name));
    if session.query_first::<u8>(doing, &sql)?.is_some() {
        return Ok(());
    }
    let (quoted, collation) = (session.fill(database.placeholder()), session.server.collation);
    let sql = format!("CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE {collation}");
    match session.conn.query_drop(&sql) {
        Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1044 | 1227) => {
            let endpoint = &session.connector.endpoint;
            let fault = Fault::NoDatabase {
                database: quoted,
                user: endpoint.user.clone(),
                words: endpoint.blot(&e.message),
                creation: sql,
                grants: endpoint.grants(),
            };
            Err(session.refused(doing, fault))
        }
        result => result.map_err(|error| session.failed(doing, &error)),
    }
}
