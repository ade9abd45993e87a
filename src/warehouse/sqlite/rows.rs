//! The rows of a month as one statement gives them: one read transaction, so a month that another run publishes
//! meanwhile is seen before or after, never mixed.

use rusqlite::Connection;
use rusqlite::types::FromSqlError;

use super::SqliteWarehouse;
use super::connect::READING;
use crate::engine::calendar::Month;
use crate::warehouse::WarehouseError;
use crate::warehouse::rows::{CustomerRow, MONTH_SQL, RowSink};

/// See [`crate::warehouse::Warehouse::for_each_row`].
pub(super) fn for_each_row(
    warehouse: &mut SqliteWarehouse,
    month: Month,
    each: &mut RowSink<'_>,
) -> Result<(), WarehouseError> {
    let sql = READING.fill_month(MONTH_SQL, month);
    warehouse.with_reader(|files, connection| {
        stream(connection, &sql, each).map_err(|error| files.failed("reading customer_behavior", error))
    })
}

fn stream(connection: &Connection, sql: &str, each: &mut RowSink<'_>) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let integer = |place: usize| row.get::<_, i64>(place);
        let date = row.get_ref(10)?.as_str()?;
        let row = CustomerRow {
            contract: row.get_ref(0)?.as_str()?,
            seconds: [integer(1)?, integer(2)?, integer(3)?, integer(4)?, integer(5)?],
            total: integer(6)?,
            most_watch: row.get_ref(7)?.as_str()?,
            taste: row.get_ref(8)?.as_str()?,
            activeness: row.get(9)?,
            etl_date: date.parse().map_err(FromSqlError::other)?,
        };
        if each(row).is_break() {
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
    use crate::warehouse::fixture::month_table;
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
        assert!(streamed[1].starts_with("CustomerRow { contract: \"A1\", seconds: [2, 0, 4, 0, 1], total: 7,"));
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
