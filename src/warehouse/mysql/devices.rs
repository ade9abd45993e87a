//! The devices of a month: staged as its customers are, then copied by the transaction that replaces its days.
//!
//! `customer_devices` has no partitions: two tables cannot be exchanged at once, and what the transaction holds is seen
//! with its `COMMIT`, as the days are.

use mysql::Conn;

use super::connect::Connector;
use super::failure::Failure;
use super::publish::{self, RECORDING, Staged, run, run_patiently};
use super::session::Server;
use super::staging::CREATING;
use super::stream::Counted;
use crate::console::Progress;
use crate::engine::columns::DEVICE_COLUMNS;
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;
use crate::warehouse::{checks, schema};

fn home(connector: &Connector) -> String {
    connector.names().fill(&schema::CUSTOMER_DEVICES.qualified())
}

/// Loads the devices of a month, where they were counted, into the new table `staging` (quoted, with its database) and
/// adds them up there.
pub(super) fn stage(
    connector: &Connector,
    conn: &mut Conn,
    server: &Server,
    staging: &str,
    table: &MonthTable,
    n_connections: usize,
) -> Result<(), Failure> {
    if table.counts_devices() == Devices::Ignored {
        return Ok(());
    }
    run_patiently(connector, conn, CREATING, &format!("CREATE TABLE {staging} LIKE {}", home(connector)))?;
    let staged = Staged { staging, columns: DEVICE_COLUMNS, sums: checks::device_sums(table) };
    let progress = Progress::hidden();
    publish::stage(connector, conn, server, &staged, table, &Counted::new(&progress), n_connections)
}

/// Replaces the devices of the month by those in `staging`, or by none, in the transaction that is open.
pub(super) fn replace(
    connector: &Connector,
    conn: &mut Conn,
    staging: &str,
    table: &MonthTable,
) -> Result<(), Failure> {
    let (home, month) = (home(connector), table.month.first_day());
    run(connector, conn, RECORDING, &format!("DELETE FROM {home} WHERE Month = '{month}'"))?;
    if table.counts_devices() == Devices::Ignored {
        return Ok(());
    }
    let columns = schema::CUSTOMER_DEVICES.column_list();
    let copy = format!("INSERT INTO {home} ({columns}) SELECT {columns} FROM {staging}");
    run(connector, conn, RECORDING, &copy)
}
