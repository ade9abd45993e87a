//! The mart: several connections go through parts of the customers at once, then one transaction fills its tables.
//!
//! What is counted lies in tables whose names begin like those of staging tables, in the database of the warehouse: if
//! they are left behind, they are removed in the same way. No reader knows them.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, literal};
use super::failure::Failure;
use super::publish::{at_once, connections, drop_leftovers, rolled_back, run, run_patiently, tidied};
use super::session::Server;
use super::wait::patiently;
use crate::engine::calendar::Month;
use crate::warehouse::rows::contract_ranges;
use crate::warehouse::schema::{Dialect, PartOfMonth};
use crate::warehouse::{MartScript, checks};

const DOING: &str = "filling the mart";

/// See [`crate::warehouse::Warehouse::publish_mart`]. The caller holds the lock. `bounds` are contracts that part the
/// customers evenly, where that is known.
pub(super) fn publish(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    month: Month,
    script: &MartScript,
    bounds: Option<&[String]>,
    n_connections: usize,
) -> Result<(), Failure> {
    drop_leftovers(connector, conn)?;
    let names = connector.names();
    for table in &script.work_tables {
        // Another viewmart cannot have one of the same name, this one may have left one behind.
        let sql = names.fill(&table.create(Dialect::Mysql { collation: server.collation }));
        run_patiently(connector, conn, DOING, &sql)?;
    }
    let filled = count(connector, conn, month, script, bounds, n_connections)
        .and_then(|()| check(connector, conn, month, script))
        .and_then(|()| patiently(connector, || fill(connector, conn, month, script)));
    let mut dropped = Ok(());
    for table in &script.work_tables {
        let sql = format!("DROP TABLE IF EXISTS {}", names.fill(&table.qualified()));
        dropped = dropped.and(run(connector, conn, DOING, &sql));
    }
    tidied(filled, dropped)
}

/// Makes the passes, over as many parts of the customers at once as there are connections.
fn count(
    connector: &Connector,
    conn: &mut Conn,
    month: Month,
    script: &MartScript,
    bounds: Option<&[String]>,
    n_connections: usize,
) -> Result<(), Failure> {
    let bounds = match bounds {
        Some(bounds) => bounds.to_vec(),
        None => even_bounds(connector, conn, month, n_connections)?,
    };
    let bounds: Vec<String> = bounds.iter().map(|contract| literal(contract)).collect();
    let ranges = contract_ranges(&bounds);
    let mut conns = connections(connector, ranges.len())?;
    let counted = at_once(&mut conns, ranges.iter().enumerate(), |conn, (number, range)| {
        let part = PartOfMonth { number, range };
        script.passes.iter().try_for_each(|pass| {
            let sql = pass.table.insert(&pass.sql);
            run_patiently(connector, conn, DOING, &connector.names().fill_part(&sql, month, part))
        })
    });
    counted.map(drop)
}

/// Refuses a month whose tables contradict each other.
fn check(connector: &Connector, conn: &mut Conn, month: Month, script: &MartScript) -> Result<(), Failure> {
    let facts = super::query(conn, &connector.names().fill_month(&script.check, month))
        .map_err(|e| Failure::new(&connector.place, DOING, &e))?;
    Ok(checks::refuse_mixed_month(&connector.place.address, month, &facts)?)
}

/// Contracts that part the customers of a month evenly.
fn even_bounds(connector: &Connector, conn: &mut Conn, month: Month, n_parts: usize) -> Result<Vec<String>, Failure> {
    let failed = |e| Failure::new(&connector.place, DOING, &e);
    let mut bounds = Vec::new();
    if n_parts < 2 {
        return Ok(bounds);
    }
    let customers = connector.names().fill_month("FROM {warehouse}.customer_behavior WHERE Month = {month}", month);
    let n_customers: Option<usize> = conn.query_first(format!("SELECT COUNT(*) {customers}")).map_err(failed)?;
    for part in 1..n_parts {
        let offset = n_customers.unwrap_or(0) * part / n_parts;
        let sql = format!("SELECT Contract {customers} ORDER BY Month, Contract LIMIT 1 OFFSET {offset}");
        bounds.extend(conn.query_first::<String, _>(sql).map_err(failed)?);
    }
    bounds.dedup();
    Ok(bounds)
}

/// Runs the statements in one transaction.
fn fill(connector: &Connector, conn: &mut Conn, month: Month, script: &MartScript) -> Result<(), Failure> {
    let names = connector.names();
    run(connector, conn, DOING, "START TRANSACTION")?;
    let filled = script
        .deletes()
        .chain(script.inserts())
        .try_for_each(|sql| run(connector, conn, DOING, &names.fill_month(&sql, month)))
        .and_then(|()| run(connector, conn, DOING, "COMMIT"));
    rolled_back(conn, filled)
}
