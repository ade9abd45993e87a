//! Making both databases and bringing them up to date.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, literal};
use super::failure::Failure;
use super::partition::{self, PARTITIONED};
use super::publish::{self, run, run_patiently};
use super::session::Server;
use super::wait::patiently;
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
pub(super) fn look<'a>(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    mart: &'a MartSchema,
) -> Result<Look<'a>, Failure> {
    refuse_same_database(connector, server)?;
    let schemas = [Schema::of_warehouse(), Schema::of_mart(mart)];
    let mut look = |schema: &Schema<'_>| {
        let found = read_found(connector, conn, schema.database)?;
        let standing = schema.standing(&found).map_err(|misfit| {
            let name = connector.names().fill(schema.database.placeholder());
            Failure::plain(&connector.place, LOOKING, Fault::Misfit { name, misfit })
        })?;
        Ok::<_, Failure>((found, standing))
    };
    let [(warehouse, standing), (mart_found, mart_standing)] = [look(&schemas[0])?, look(&schemas[1])?];
    for table in PARTITIONED.iter().filter(|table| warehouse.columns.contains_key(table.name)) {
        partition::refuse_others(connector, conn, LOOKING, table)?;
    }
    let id = read_id(connector, conn, &warehouse, Database::Warehouse)?;
    if let Some(other) = read_id(connector, conn, &mart_found, Database::Mart)? {
        refuse_other_mart(connector, id.as_deref(), &other)?;
    }
    Ok(Look { schemas, found: [warehouse, mart_found], standings: [standing, mart_standing], id })
}

/// See [`crate::warehouse::Warehouse::prepare`]. The caller holds the lock. Views and tables that are there are left
/// alone: to replace one would stop its readers.
pub(super) fn prepare(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    mart: &MartSchema,
    missing: Missing,
) -> Result<(), Failure> {
    let collation = server.collation;
    // Both are looked at before either is touched.
    let Look { schemas, found, standings, id } = look(connector, conn, server, mart)?;
    if standings[0] == Standing::Empty && missing == Missing::Refuse {
        return Err(Failure::plain(&connector.place, LOOKING, Fault::NoWarehouse { file: None }));
    }
    let id = match id {
        Some(id) => id,
        None => crate::warehouse::new_id(&connector.place.address)?,
    };
    for (database, name) in [(Database::Warehouse, &connector.database), (Database::Mart, &connector.mart_db)] {
        create_database(connector, conn, database, name, collation)?;
    }
    publish::drop_leftovers(connector, conn)?;
    for ((schema, found), standing) in schemas.iter().zip(&found).zip(&standings) {
        if *standing != Standing::Current {
            bring_up_to_date(connector, conn, schema, found, Dialect::Mysql { collation }, &id)?;
        }
    }
    // Another warehouse, under its own lock, may have made the same mart meanwhile.
    match select_id(connector, conn, Database::Mart)? {
        Some(other) => refuse_other_mart(connector, Some(&id), &other),
        None => Ok(()),
    }
}

/// A mart in the warehouse's own database, spelled otherwise.
fn refuse_same_database(connector: &Connector, server: &Server) -> Result<(), Failure> {
    let Connector { database, mart_db, .. } = connector;
    if !server.folds_names || database.to_lowercase() != mart_db.to_lowercase() {
        return Ok(());
    }
    let fault = Fault::SameDatabase { mart: mart_db.clone(), database: database.clone() };
    Err(Failure::plain(&connector.place, LOOKING, fault))
}

/// A mart that was made from the warehouse with the number `other`.
fn refuse_other_mart(connector: &Connector, id: Option<&str>, other: &str) -> Result<(), Failure> {
    if id == Some(other) {
        return Ok(());
    }
    let mart = connector.place.names.mart.clone();
    let removal = Some(format!("DROP DATABASE {mart}"));
    let fault = Fault::OtherMart { mart, other: other.to_owned(), this: id.unwrap_or("new").to_owned(), removal };
    Err(Failure::plain(&connector.place, LOOKING, fault))
}

/// Makes what is missing in one database. A crash leaves some of it, which the next run completes: the version is
/// written down last.
fn bring_up_to_date(
    connector: &Connector,
    conn: &mut Conn,
    schema: &Schema<'_>,
    found: &Found,
    dialect: Dialect,
    id: &str,
) -> Result<(), Failure> {
    let names = connector.names();
    let partitioned = PARTITIONED.map(|table| table.create(dialect));
    for statement in schema.upgrade(found, dialect) {
        let mut sql = names.fill(&statement);
        if partitioned.contains(&statement) {
            sql += &partition::clause(&[]);
        }
        run_patiently(connector, conn, MAKING, &sql)?;
    }
    let (version_table, id_table) =
        (schema.database.qualify(VERSION_TABLE), schema.database.qualify(schema::WAREHOUSE_ID.name));
    for sql in [
        format!(
            "CREATE TABLE IF NOT EXISTS {version_table} (Version INT NOT NULL, PRIMARY KEY (Version)) ENGINE = InnoDB"
        ),
        format!("INSERT INTO {id_table} (Id) SELECT '{id}' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {id_table})"),
    ] {
        run_patiently(connector, conn, MAKING, &names.fill(&sql))?;
    }
    let written = [
        "START TRANSACTION".to_owned(),
        format!("DELETE FROM {version_table}"),
        format!("INSERT INTO {version_table} (Version) VALUES ({SCHEMA_VERSION})"),
        "COMMIT".to_owned(),
    ];
    patiently(connector, || {
        let written = written.iter().try_for_each(|sql| run(connector, conn, MAKING, &names.fill(sql)));
        publish::rolled_back(conn, written)
    })
}

/// What a database holds; nothing where it does not exist.
pub(super) fn read_found(connector: &Connector, conn: &mut Conn, database: Database) -> Result<Found, Failure> {
    let failed = |e| Failure::new(&connector.place, LOOKING, &e);
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
         ORDER BY TABLE_NAME, ORDINAL_POSITION",
        literal(database_name(connector, database))
    );
    let rows: Vec<(String, String)> = conn.query(sql).map_err(failed)?;
    let mut found = Found::default();
    for (table, column) in rows {
        found.columns.entry(table).or_default().push(column);
    }
    if found.columns.contains_key(VERSION_TABLE) {
        let sql = format!("SELECT MAX(Version) FROM {}", database.qualify(VERSION_TABLE));
        let version: Option<Option<u32>> = conn.query_first(connector.names().fill(&sql)).map_err(failed)?;
        found.version = version.flatten().unwrap_or_default();
    }
    Ok(found)
}

/// The number of the warehouse that a database is, or is the mart of, where it has one.
fn read_id(
    connector: &Connector,
    conn: &mut Conn,
    found: &Found,
    database: Database,
) -> Result<Option<String>, Failure> {
    if !found.columns.contains_key(schema::WAREHOUSE_ID.name) {
        return Ok(None);
    }
    select_id(connector, conn, database)
}

fn select_id(connector: &Connector, conn: &mut Conn, database: Database) -> Result<Option<String>, Failure> {
    let sql = format!("SELECT Id FROM {}", database.qualify(schema::WAREHOUSE_ID.name));
    conn.query_first(connector.names().fill(&sql)).map_err(|e| Failure::new(&connector.place, LOOKING, &e))
}

fn database_name(connector: &Connector, home: Database) -> &str {
    match home {
        Database::Warehouse | Database::Work => &connector.database,
        Database::Mart => &connector.mart_db,
    }
}

fn create_database(
    connector: &Connector,
    conn: &mut Conn,
    home: Database,
    database: &str,
    collation: &str,
) -> Result<(), Failure> {
    let doing = "creating the databases";
    let place = &connector.place;
    let sql = format!("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}", literal(database));
    let found: Option<u8> = conn.query_first(sql).map_err(|e| Failure::new(place, doing, &e))?;
    if found.is_some() {
        return Ok(());
    }
    let quoted = connector.names().fill(home.placeholder());
    let sql = format!("CREATE DATABASE IF NOT EXISTS {quoted} CHARACTER SET utf8mb4 COLLATE {collation}");
    match conn.query_drop(&sql) {
        Err(mysql::Error::MySqlError(e)) if matches!(e.code, 1044 | 1227) => {
            let fault = Fault::NoDatabase {
                database: quoted,
                user: place.user.clone(),
                words: place.blot(&e.message),
                creation: sql,
                grants: place.grants(),
            };
            Err(Failure::plain(place, doing, fault))
        }
        result => result.map_err(|e| Failure::new(place, doing, &e)),
    }
}
