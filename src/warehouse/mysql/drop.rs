//! Removing a month: as it is published, with an empty table in place of the staged rows.
//!
//! A transaction on a second connection removes everything else, all but its `COMMIT`; `EXCHANGE PARTITION` takes the
//! customers out, and the `COMMIT` follows at once. If the server refuses it, the customers are exchanged back. A crash
//! between the two leaves a month without customers, whose run still stands: the next drop or run ends that, and until
//! then no mart is made of it.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::Connector;
use super::failure::Failure;
use super::partition;
use super::publish::{drop_leftovers, rolled_back, run, run_patiently, take_back, tidied};
use super::session::{self, Server};
use super::staging::{self, Exchange};
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
    // Nothing of ours is in the way of a COMMIT, which cannot be tried twice.
    session::wait_in_server(&connector.place, &mut recorder, DOING, connector.lock_timeout)?;
    let commit = |recorder: &mut Conn| recorder.query_drop("COMMIT");
    let failed = |e: mysql::Error| Failure::new(&connector.place, DOING, &e);
    if !partition::exists(connector, conn, DOING, month)? {
        return commit(&mut recorder).map_err(failed);
    }

    let staging = staging::new_name(connector);
    let customers = staging::customers(connector);
    let exchange = Exchange { table: &customers, held: Some(month), staging: &staging };
    let exchanged = staging::create(connector, conn, server, &customers, &staging)
        .and_then(|()| exchange.make(connector, conn, server, DOING));
    let dropped = exchanged.and_then(|()| {
        let committed = commit(&mut recorder);
        // A connection that broke says neither yes nor no: the next drop or run makes the tables agree.
        if matches!(committed, Err(mysql::Error::MySqlError(_))) {
            take_back(connector, conn, server, exchange)?;
        }
        committed.map_err(failed)?;
        let sql = format!("ALTER TABLE {customers} DROP PARTITION {}", partition::name(Some(month)));
        run_patiently(connector, conn, DOING, &sql)
    });
    let tidy = run(connector, conn, DOING, &format!("DROP TABLE IF EXISTS {staging}"));
    tidied(dropped, tidy)
}

/// Removes the month from the mart and the days, and marks its runs, in a transaction that is left open.
fn remove_rows(connector: &Connector, recorder: &mut Conn, month: Month, mart: &MartSchema) -> Result<(), Failure> {
    run(connector, recorder, DOING, "START TRANSACTION")?;
    let of_mart = mart.tables.iter().copied().chain([&MART_RUN]).map(schema::Table::delete_month);
    of_mart
        .chain([schema::CUSTOMER_DEVICES.delete_month(), schema::DAILY_ACTIVITY.delete_month(), mark_dropped()])
        .try_for_each(|sql| run(connector, recorder, DOING, &connector.names().fill_month(&sql, month)))
}
