//! Removing a month: as it is published, with empty tables in place of the staged rows.
//!
//! A transaction on a second connection removes everything else, all but its `COMMIT`; `EXCHANGE PARTITION` takes the
//! customers and their devices out, and the `COMMIT` follows at once. If the server refuses it, they are exchanged back.
//! A crash between the two leaves a month without customers, whose run still stands: the next drop or run ends that, and
//! until then no mart is made of it.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::Connector;
use super::failure::Failure;
use super::partition::{self, PARTITIONED};
use super::publish::{drop_leftovers, rolled_back, run, run_patiently, tidied};
use super::session::{self, Server};
use super::staging::{self, Staging};
use super::wait::patiently;
use crate::engine::calendar::Month;
use crate::warehouse::MartSchema;
use crate::warehouse::run::mark_dropped;
use crate::warehouse::schema::{self, MART_RUN};

const DOING: &str = "removing the month";

/// See [`crate::warehouse::Warehouse::drop_month`]. The caller holds the lock.
pub(super) fn drop_month(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    month: Month,
    mart: &MartSchema,
) -> Result<(), Failure> {
    drop_leftovers(connector, conn)?;
    let mut recorder = connector.connect()?.0;
    patiently(connector, || {
        let removed = remove_rows(connector, &mut recorder, month, mart);
        rolled_back(&mut recorder, removed)
    })?;
    let mut stagings = Vec::new();
    for table in PARTITIONED {
        if partition::exists(connector, conn, DOING, table, month)? {
            stagings.push(Staging::new(connector, table, month));
        }
    }
    let stagings: Vec<&Staging> = stagings.iter().collect();
    let removed = exchange_and_commit(connector, conn, server, &stagings, &mut recorder);
    let dropped = removed.and_then(|()| {
        stagings.iter().try_for_each(|staging| {
            let sql = format!("ALTER TABLE {} DROP PARTITION {}", staging.home, partition::name(Some(month)));
            run_patiently(connector, conn, DOING, &sql)
        })
    });
    let tidy: Vec<_> = stagings.iter().map(|staging| staging.drop(connector, conn)).collect();
    tidy.into_iter().fold(dropped, tidied)
}

/// Takes the rows of the month out, then commits what `recorder` has open.
fn exchange_and_commit(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    stagings: &[&Staging],
    recorder: &mut Conn,
) -> Result<(), Failure> {
    // Nothing of ours is in the way of a COMMIT, which cannot be tried twice.
    let exchanged = session::wait_in_server(&connector.place, recorder, DOING, connector.lock_timeout)
        .and_then(|()| stagings.iter().try_for_each(|staging| staging.create(connector, conn, server)))
        .and_then(|()| staging::exchange_all(connector, conn, server, stagings, DOING));
    rolled_back(recorder, exchanged)?;
    let committed = recorder.query_drop("COMMIT");
    // A connection that broke says neither yes nor no: the next drop or run makes the tables agree.
    if matches!(committed, Err(mysql::Error::MySqlError(_))) {
        staging::take_back(connector, conn, server, stagings)?;
    }
    committed.map_err(|e| Failure::new(&connector.place, DOING, &e))
}

/// Removes the month from the mart and the days, and marks its runs, in a transaction that is left open.
fn remove_rows(connector: &Connector, recorder: &mut Conn, month: Month, mart: &MartSchema) -> Result<(), Failure> {
    run(connector, recorder, DOING, "START TRANSACTION")?;
    let of_mart = mart.tables.iter().copied().chain([&MART_RUN]).map(schema::Table::delete_month);
    of_mart
        .chain([schema::DAILY_ACTIVITY.delete_month(), mark_dropped()])
        .try_for_each(|sql| run(connector, recorder, DOING, &connector.names().fill_month(&sql, month)))
}
