//! The rows of a month as one statement gives them: one read transaction, so a month that another run publishes
//! meanwhile is seen before or after, never mixed.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::SqliteWarehouse;
use super::connect::{Files, READING};
use crate::engine::calendar::Month;
use crate::engine::columns::{COLUMNS, Cell, Column};
use crate::engine::devices::Devices;
use crate::warehouse::rows::{CustomerRow, RowSink, columns_read, month_sql, typed};
use crate::warehouse::{Fault, WarehouseError};

const DOING: &str = "reading customer_behavior";

/// See [`crate::warehouse::Warehouse::for_each_row_with`].
pub(super) fn for_each_row(
    warehouse: &mut SqliteWarehouse,
    month: Month,
    devices: Devices,
    each: &mut RowSink<'_>,
) -> Result<(), WarehouseError> {
    warehouse.with_reader(|files, connection| stream(files, connection, COLUMNS, month, devices, each))
}

pub(super) fn stream(
    files: &Files,
    connection: &Connection,
    columns: &[Column],
    month: Month,
    devices: Devices,
    each: &mut RowSink<'_>,
) -> Result<(), WarehouseError> {
    let failed = |error| files.failed(DOING, error);
    let mut statement = connection.prepare(&READING.fill_month(&month_sql(columns, devices), month)).map_err(failed)?;
    let columns = columns_read(columns, devices);
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let cell = |(place, column): (usize, &&Column)| {
            let stored = match row.get_ref(place).map_err(failed)? {
                ValueRef::Integer(number) => Some(Cell::Integer(number)),
                ValueRef::Text(text) => str::from_utf8(text).ok().map(Cell::Text),
                _ => None,
            };
            typed(column, stored).map_err(|what| files.refused(DOING, Fault::CustomerRow { what }))
        };
        let cells = columns.iter().enumerate().map(cell).collect::<Result<Vec<_>, WarehouseError>>()?;
        if each(CustomerRow::new(&cells)).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::console::Progress;
    use crate::dashboard::tableau::{RowSource, TableRows};
    use crate::engine::rules::Rules;
    use crate::made::month_table;
    use crate::warehouse::{Missing, RunClock, Warehouse};

    const CONTRACTS: [&str; 9] = ["\u{0}", "A1", "A1 ", "\\N", "a'b", "a1", "e\u{301}", "é", "\u{1f600}"];

    /// Rows as text, one a line.
    fn listed(read: impl FnOnce(&mut RowSink<'_>) -> Result<(), WarehouseError>) -> Vec<String> {
        let mut listed = Vec::new();
        read(&mut |row| {
            listed.push(format!("{row:?}"));
            ControlFlow::Continue(())
        })
        .unwrap();
        listed
    }

    #[test]
    fn a_month_streams_as_it_was_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let mut warehouse = SqliteWarehouse::open(&folder.path().join("warehouse.db"), None).unwrap();
        let rules = Rules::preset("default").unwrap();
        let customers: Vec<_> = CONTRACTS.iter().zip(1..).map(|(c, n)| (*c, [n, 0, 2 * n, 0, 1], 2)).collect();
        let (month, other): (Month, Month) = ("2022-04".parse().unwrap(), "2022-05".parse().unwrap());
        let clock = RunClock { started: jiff::Timestamp::UNIX_EPOCH };
        crate::mart::prepare(&mut warehouse, Missing::Create).unwrap();
        let table = month_table("2022-04", &rules, &customers);
        for table in [&table, &month_table("2022-05", &rules, &customers[..1])] {
            warehouse.load(table, clock, &Progress::hidden()).unwrap();
        }
        let streamed = listed(|each| warehouse.for_each_row(month, each));
        assert_eq!(streamed.len(), CONTRACTS.len());
        let start = "CustomerRow { contract: \"A1\", cells: [Text(\"A1\"), Integer(2), Integer(0), Integer(4), ";
        assert!(streamed[1].starts_with(start), "{}", streamed[1]);
        let table = TableRows(&table);
        assert_eq!(listed(|each| { table }.for_each_row(each)), streamed);
        assert_eq!(listed(|each| warehouse.for_each_row(other, each)).len(), 1);
        let mut n_rows = 0;
        let mut first = |_: CustomerRow<'_>| {
            n_rows += 1;
            ControlFlow::Break(())
        };
        warehouse.for_each_row(month, &mut first).unwrap();
        assert_eq!(n_rows, 1);
    }
}
