//! Removing a month: as it is published, with an empty table in place of the staged rows.
//!
//! A transaction on a second connection removes everything else, all but its `COMMIT`; `EXCHANGE PARTITION` takes the
//! customers out, and the `COMMIT` follows at once. If the server refuses it, the customers are exchanged back. A crash
//! between the two leaves a month without customers, whose run still stands: the next drop or run ends that, and until
//! then no mart is made of it.

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::{Connector, Server, quoted};
use super::failure::Failure;
use super::publish::{STAGING_PREFIX, drop_leftovers, has_partition, partition, run, take_back, tidied};
use super::stream;
use crate::engine::calendar::Month;
use crate::warehouse::MartSchema;
use crate::warehouse::run::mark_dropped;
use crate::warehouse::schema::{self, Comments, Dialect, MART_RUN};

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
    run(connector, &mut recorder, DOING, "START TRANSACTION")?;
    let of_mart = mart.tables.iter().copied().chain([&MART_RUN]).map(schema::Table::delete_month);
    for sql in of_mart.chain([schema::DAILY_ACTIVITY.delete_month(), mark_dropped()]) {
        run(connector, &mut recorder, DOING, &connector.names().fill_month(&sql, month))?;
    }
    let commit = |recorder: &mut Conn| recorder.query_drop("COMMIT");
    let failed = |e: mysql::Error| Failure::new(&connector.place, DOING, &e);
    if !has_partition(connector, conn, DOING, month)? {
        return commit(&mut recorder).map_err(failed);
    }

    let warehouse = &connector.place.names.warehouse;
    let staging = format!("{warehouse}.{}", quoted(&format!("{STAGING_PREFIX}{:016x}", stream::random())));
    let (customers, partition) = (format!("{warehouse}.{}", schema::CUSTOMER_BEHAVIOR.name), partition(month));
    let definition =
        schema::CUSTOMER_BEHAVIOR.definition(Dialect::Mysql { collation: server.collation }, Comments::LeftOut);
    run(connector, conn, DOING, &format!("CREATE TABLE {staging} {definition}"))?;
    let exchange = format!("ALTER TABLE {customers} EXCHANGE PARTITION {partition} WITH TABLE {staging}");
    let dropped = run(connector, conn, DOING, &exchange).and_then(|()| {
        let committed = commit(&mut recorder);
        // A connection that broke says neither yes nor no: the next drop or run makes the tables agree.
        if matches!(committed, Err(mysql::Error::MySqlError(_))) {
            take_back(connector, conn, &exchange)?;
        }
        committed.map_err(failed)?;
        run(connector, conn, DOING, &format!("ALTER TABLE {customers} DROP PARTITION {partition}"))
    });
    let tidy = run(connector, conn, DOING, &format!("DROP TABLE IF EXISTS {staging}"));
    tidied(dropped, tidy)
}
