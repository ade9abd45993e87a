//! The mart: several connections go through parts of the customers at once, then one transaction fills its tables.
//!
//! What is counted lies in tables whose names begin like those of staging tables, in the database of the warehouse: if
//! they are left behind, they are removed in the same way. No reader knows them.

use super::fault::StepFailure;
use super::names::literal;
use super::session::{Session, in_parallel};
use super::staging::{and_tidied, drop_leftovers};
use crate::engine::calendar::Month;
use crate::warehouse::rows::contract_ranges;
use crate::warehouse::schema::{Dialect, PartOfMonth};
use crate::warehouse::{MartScript, checks};

const DOING: &str = "filling the mart";

/// How the customers are parted for the passes over them.
pub(super) struct Parts {
    /// Contracts that part them evenly, where that is known.
    pub bounds: Option<Vec<String>>,
    /// Connections that go through them.
    pub n_connections: usize,
}

/// See [`crate::warehouse::Warehouse::publish_mart`]. The caller holds the lock.
pub(super) fn publish(
    session: &mut Session<'_>,
    month: Month,
    script: &MartScript,
    parts: &Parts,
) -> Result<(), StepFailure> {
    drop_leftovers(session)?;
    let dialect = Dialect::Mysql { collation: session.server.collation };
    for table in &script.work_tables {
        // Another viewmart cannot have one of the same name, this one may have left one behind.
        session.run_patiently(DOING, &session.fill(&table.create(dialect)))?;
    }
    let filled = count(session, month, script, parts)
        .and_then(|()| check(session, month, script))
        .and_then(|()| session.patiently(|session| fill(session, month, script)));
    let mut dropped = Ok(());
    for table in &script.work_tables {
        let sql = format!("DROP TABLE IF EXISTS {}", session.qualified(table));
        dropped = dropped.and(session.run(DOING, &sql));
    }
    and_tidied(filled, dropped)
}

/// Makes the passes, over as many parts of the customers at once as there are connections.
fn count(session: &mut Session<'_>, month: Month, script: &MartScript, parts: &Parts) -> Result<(), StepFailure> {
    let bounds = match &parts.bounds {
        Some(bounds) => bounds.clone(),
        None => even_bounds(session, month, parts.n_connections)?,
    };
    let bounds: Vec<String> = bounds.iter().map(|contract| literal(contract)).collect();
    let ranges = contract_ranges(&bounds);
    let mut others = session.others(ranges.len())?;
    let counted = in_parallel(&mut others, ranges.iter().enumerate(), |session, (number, range)| {
        let part = PartOfMonth { number, range };
        script.passes.iter().try_for_each(|pass| {
            let sql = pass.table.insert(&pass.sql);
            session.run_patiently(DOING, &session.connector.names().fill_part(&sql, month, part))
        })
    });
    counted.map(drop)
}

/// Refuses a month whose tables contradict each other.
fn check(session: &mut Session<'_>, month: Month, script: &MartScript) -> Result<(), StepFailure> {
    let facts = session.values(DOING, &session.fill_month(&script.check, month))?;
    Ok(checks::refuse_mixed_month(session.address(), month, &facts)?)
}

/// Contracts that part the customers of a month evenly.
fn even_bounds(session: &mut Session<'_>, month: Month, n_parts: usize) -> Result<Vec<String>, StepFailure> {
    let mut bounds = Vec::new();
    if n_parts < 2 {
        return Ok(bounds);
    }
    let customers = session.fill_month("FROM {warehouse}.customer_behavior WHERE Month = {month}", month);
    let n_customers: Option<usize> = session.query_first(DOING, &format!("SELECT COUNT(*) {customers}"))?;
    for part in 1..n_parts {
        let offset = n_customers.unwrap_or(0) * part / n_parts;
        let sql = format!("SELECT Contract {customers} ORDER BY Month, Contract LIMIT 1 OFFSET {offset}");
        bounds.extend(session.query_first::<String>(DOING, &sql)?);
    }
    bounds.dedup();
    Ok(bounds)
}

/// Runs the statements in one transaction.
fn fill(session: &mut Session<'_>, month: Month, script: &MartScript) -> Result<(), StepFailure> {
    session.transaction(DOING, |session| {
        script
            .deletes()
            .chain(script.inserts())
            .try_for_each(|sql| session.run(DOING, &session.fill_month(&sql, month)))
    })
}
