//! Making both databases and bringing them up to date.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, Server, literal};
use super::failure::Failure;
use super::publish::{self, run};
use crate::warehouse::schema::version::{Found, SCHEMA_VERSION, Schema, Standing};
use crate::warehouse::schema::{self, Database, Dialect};
use crate::warehouse::{MartSchema, Missing};

const LOOKING: &str = "looking at the tables";
const MAKING: &str = "creating the tables";

/// The table of one row that holds the version of a database's schema.
const VERSION_TABLE: &str = "schema_version";

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
    let schemas = [Schema::of_warehouse(), Schema::of_mart(mart)];
    // Both are looked at before either is touched.
    let mut found = Vec::new();
    for schema in &schemas {
        let columns = read_found(connector, conn, schema.database)?;
        let standing = schema.standing(&columns).map_err(|misfit| {
            let name = connector.names().fill(schema.database.placeholder());
            Failure::plain(&connector.place, LOOKING, misfit.why(&name), Some(misfit.advice()))
        })?;
        found.push((columns, standing));
    }
    refuse_unpartitioned(connector, conn, &found[0].0)?;
    if found[0].1 == Standing::Empty && missing == Missing::Refuse {
        let why = "there is no warehouse in this database".to_owned();
        let advice = "load a month first, with `viewmart run` or `viewmart load`".to_owned();
        return Err(Failure::plain(&connector.place, LOOKING, why, Some(advice)));
    }
    let id = match read_id(connector, conn, &found[0].0, Database::Warehouse)? {
        Some(id) => id,
        None => crate::warehouse::new_id(&connector.place.address)?,
    };
    if let Some(other) = read_id(connector, conn, &found[1].0, Database::Mart)?.filter(|other| *other != id) {
        let mart = &connector.place.names.mart;
        let why = format!("{mart} is the mart of another warehouse ({other}, this one is {id})");
        let advice =
            format!("name another one with --mart-db, or drop it (DROP DATABASE {mart}) if that warehouse is gone");
        return Err(Failure::plain(&connector.place, LOOKING, why, Some(advice)));
    }
    for (database, name) in [(Database::Warehouse, &connector.database), (Database::Mart, &connector.mart_db)] {
        create_database(connector, conn, database, name, collation)?;
    }
    publish::drop_leftovers(connector, conn)?;
    for (schema, (found, standing)) in schemas.iter().zip(&found) {
        if *standing != Standing::Current {
            bring_up_to_date(connector, conn, schema, found, Dialect::Mysql { collation }, &id)?;
        }
    }
    Ok(())
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
    let customers = schema::CUSTOMER_BEHAVIOR.create(dialect);
    for statement in schema.upgrade(found, dialect) {
        let mut sql = names.fill(&statement);
        if statement == customers {
            sql += publish::NO_MONTH_YET;
        }
        run(connector, conn, MAKING, &sql)?;
    }
    let (version_table, id_table) =
        (schema.database.qualify(VERSION_TABLE), schema.database.qualify(schema::WAREHOUSE_ID.name));
    for sql in [
        format!(
            "CREATE TABLE IF NOT EXISTS {version_table} (Version INT NOT NULL, PRIMARY KEY (Version)) ENGINE = InnoDB"
        ),
        format!("INSERT INTO {id_table} (Id) SELECT '{id}' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM {id_table})"),
        "START TRANSACTION".to_owned(),
        format!("DELETE FROM {version_table}"),
        format!("INSERT INTO {version_table} (Version) VALUES ({SCHEMA_VERSION})"),
        "COMMIT".to_owned(),
    ] {
        run(connector, conn, MAKING, &names.fill(&sql))?;
    }
    Ok(())
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
            let why =
                format!("the database {quoted} does not exist, and `{}` may not create it: {}", place.user, e.message);
            let advice = format!("let an administrator run: {sql}; {}", place.grants());
            Err(Failure::plain(place, doing, why, Some(advice)))
        }
        result => result.map_err(|e| Failure::new(place, doing, &e)),
    }
}

/// A table of our name and columns without partitions belongs to somebody else.
fn refuse_unpartitioned(connector: &Connector, conn: &mut Conn, found: &Found) -> Result<(), Failure> {
    let name = schema::CUSTOMER_BEHAVIOR.name;
    if !found.columns.contains_key(name) {
        return Ok(());
    }
    let sql = format!(
        "SELECT 1 FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = '{name}' \
         AND PARTITION_NAME = 'p_none'",
        literal(&connector.database)
    );
    let partition: Option<u8> = conn.query_first(sql).map_err(|e| Failure::new(&connector.place, LOOKING, &e))?;
    if partition.is_some() {
        return Ok(());
    }
    let table = connector.names().fill(&schema::CUSTOMER_BEHAVIOR.qualified());
    let why = format!("the table {table} is not partitioned by month: this program did not make it");
    Err(Failure::plain(&connector.place, LOOKING, why, Some("rename that table, or give another database".to_owned())))
}
