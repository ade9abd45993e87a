//! The rows of a month as they come over the connection, none kept.

use std::ops::ControlFlow;

use mysql::prelude::Queryable as _;

use super::fault::StepFailure;
use super::session::Session;
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
    warehouse.with_retry(|session| {
        let streamed = stream(session, month, devices, &mut |row| {
            n_rows += 1;
            each(row)
        });
        // A second try would give the rows of the first once more.
        streamed.map_err(|failure| if n_rows == 0 { failure } else { StepFailure::from(failure.error) })
    })
}

fn stream(
    session: &mut Session<'_>,
    month: Month,
    devices: Devices,
    each: &mut RowSink<'_>,
) -> Result<(), StepFailure> {
    let endpoint = &session.connector.endpoint;
    let failed = |error| StepFailure::new(endpoint, DOING, &error);
    let sql = session.fill_month(&month_sql(COLUMNS, devices), month);
    let columns = columns_read(COLUMNS, devices);
    for row in session.conn.query_iter(sql).map_err(failed)? {
        let values = values_of(row.map_err(failed)?);
        let cells = read(&columns, &values)
            .map_err(|what| StepFailure::plain(endpoint, DOING, Fault::CustomerRow { what: endpoint.blot(&what) }))?;
        if each(CustomerRow::new(&cells)) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}
