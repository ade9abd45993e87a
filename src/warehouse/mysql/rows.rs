//! The rows of a month as they come over the connection, none kept.

use std::ops::ControlFlow;

use mysql::Conn;
use mysql::prelude::Queryable as _;

use super::connect::Connector;
use super::failure::Failure;
use super::{MysqlWarehouse, values_of};
use crate::engine::calendar::Month;
use crate::engine::columns::COLUMNS;
use crate::engine::devices::Devices;
use crate::warehouse::rows::{CustomerRow, RowSink, columns_read, month_sql, read};
use crate::warehouse::{Fault, WarehouseError};

const DOING: &str = "reading customer_behavior";

/// See [`crate::warehouse::Warehouse::for_each_row_with`].
pub(super) fn for_each_row(
    warehouse: &mut MysqlWarehouse,
    month: Month,
    devices: Devices,
    each: &mut RowSink<'_>,
) -> Result<(), WarehouseError> {
    let mut n_rows = 0_u64;
    warehouse.again_and_again(|connector, conn, _| {
        let streamed = stream(connector, conn, month, devices, &mut |row| {
            n_rows += 1;
            each(row)
        });
        // A second try would give the rows of the first once more.
        streamed.map_err(|failure| if n_rows == 0 { failure } else { Failure::from(failure.error) })
    })
}

fn stream(
    connector: &Connector,
    conn: &mut Conn,
    month: Month,
    devices: Devices,
    each: &mut RowSink<'_>,
) -> Result<(), Failure> {
    let failed = |error| Failure::new(&connector.place, DOING, &error);
    let sql = connector.names().fill_month(&month_sql(COLUMNS, devices), month);
    let columns = columns_read(COLUMNS, devices);
    for row in conn.query_iter(sql).map_err(failed)? {
        let values = values_of(row.map_err(failed)?);
        let cells = read(&columns, &values).map_err(|what| {
            let what = connector.place.blot(&what);
            Failure::plain(&connector.place, DOING, Fault::CustomerRow { what })
        })?;
        if each(CustomerRow::new(&cells)) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}
