//! The rows of `customer_behavior` one by one, in key order, in bounded memory.

use std::fmt::Write;
use std::ops::ControlFlow;

use jiff::civil::Date;

use super::{Dialect, Value, WarehouseError};

/// One row of `customer_behavior`, its month aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerRow<'a> {
    /// The customer.
    pub contract: &'a str,
    /// Seconds, indexed by [`crate::rules::Category`] as `usize`.
    pub seconds: [i64; 5],
    /// Sum of the five.
    pub total: i64,
    /// Category with the most seconds, or `No`.
    pub most_watch: &'a str,
    /// Categories watched, or `No`.
    pub taste: &'a str,
    /// Number of active days, 1..=31.
    pub activeness: u8,
    /// Day the run was made, the column `Date`.
    pub etl_date: Date,
}

/// Takes rows as they come and may stop them.
pub type RowSink<'a> = dyn FnMut(CustomerRow<'_>) -> ControlFlow<()> + 'a;

/// Rows fetched at once: about 10 MiB of values.
const PAGE: usize = 20_000;

/// Reads a month in pages through `query` (SQL in, rows out), each page beginning behind the last key of the one
/// before, so that the primary key finds it and no more than a page is held.
pub(super) fn by_pages(
    mut query: impl FnMut(&str) -> Result<Vec<Vec<Value>>, WarehouseError>,
    dialect: Dialect,
    address: &str,
    each: &mut RowSink<'_>,
) -> Result<(), WarehouseError> {
    let mut behind = String::new();
    loop {
        let rows = query(&page_sql(dialect, &behind))?;
        let Some(last) = rows.last() else { return Ok(()) };
        for row in &rows {
            let row = read(row).map_err(|why| WarehouseError::Database {
                at: address.to_owned(),
                doing: "reading customer_behavior",
                why,
                advice: Some("load the month again with `viewmart load`".into()),
            })?;
            if each(row).is_break() {
                return Ok(());
            }
        }
        if rows.len() < PAGE {
            return Ok(());
        }
        behind.clear();
        if let Some(Value::Text(contract)) = last.first() {
            behind.push_str(contract);
        }
    }
}

/// The page behind the key `behind`, from the start when that is empty (no contract is).
fn page_sql(dialect: Dialect, behind: &str) -> String {
    let mut start = String::new();
    if !behind.is_empty() {
        // As hex digits no contract can end the literal, whatever it holds and whatever the server's SQL mode.
        let mut hex = String::with_capacity(2 * behind.len());
        for byte in behind.bytes() {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02X}");
        }
        start = match dialect {
            Dialect::Sqlite => format!(" AND Contract > CAST(X'{hex}' AS TEXT)"),
            Dialect::Mysql => format!(" AND Contract > CONVERT(X'{hex}' USING utf8mb4)"),
        };
    }
    format!(
        "SELECT Contract, MovieDuration, SportDuration, ChildDuration, RelaxDuration, TvDuration, TotalDuration, \
         MostWatch, Taste, Activeness, Date FROM {{warehouse}}.customer_behavior \
         WHERE Month = {{month}}{start} ORDER BY Contract LIMIT {PAGE}"
    )
}

fn read(row: &[Value]) -> Result<CustomerRow<'_>, String> {
    use Value::{Integer, Text};
    let [
        Text(contract),
        Integer(movie),
        Integer(sport),
        Integer(child),
        Integer(relax),
        Integer(tv),
        Integer(total),
        Text(most_watch),
        Text(taste),
        Integer(activeness),
        Text(date),
    ] = row
    else {
        return Err(format!("a row has columns of other types than the table was made with: {row:?}"));
    };
    Ok(CustomerRow {
        contract,
        seconds: [*movie, *sport, *child, *relax, *tv],
        total: *total,
        most_watch,
        taste,
        activeness: u8::try_from(*activeness).map_err(|_| format!("Activeness is {activeness}"))?,
        etl_date: date.parse().map_err(|_| format!("Date is `{date}`"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contract: &str) -> Vec<Value> {
        let mut row = vec![Value::Text(contract.into())];
        row.extend([1, 2, 3, 4, 5, 15].map(Value::Integer));
        row.extend([Value::Text("Tv".into()), Value::Text("No".into()), Value::Integer(3)]);
        row.push(Value::Text("2022-05-01".into()));
        row
    }

    #[test]
    fn pages_follow_each_other_by_key() {
        let all: Vec<String> = (0..2 * PAGE + 1).map(|i| format!("{i:08}")).collect();
        let mut asked = Vec::new();
        let mut seen = Vec::new();
        let query = |sql: &str| {
            asked.push(sql.to_owned());
            let from = (asked.len() - 1) * PAGE;
            Ok(all.iter().skip(from).take(PAGE).map(|c| row(c)).collect())
        };
        by_pages(query, Dialect::Sqlite, "sqlite:x", &mut |row| {
            seen.push(row.contract.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(seen, all);
        assert_eq!(asked.len(), 3);
        assert!(!asked[0].contains("Contract >"));
        // 00019999 is the last of the first page.
        assert!(asked[1].contains("Contract > CAST(X'3030303139393939' AS TEXT)"), "{}", asked[1]);
    }

    #[test]
    fn a_sink_stops_the_rows() {
        let mut n = 0;
        by_pages(|_| Ok(vec![row("a"), row("b")]), Dialect::Mysql, "", &mut |_| {
            n += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(n, 1);
    }

    #[test]
    fn rows_of_other_types_are_named() {
        let check = |change: fn(&mut Vec<Value>), expected: &str| {
            let mut wrong = row("a");
            change(&mut wrong);
            let error =
                by_pages(
                    |_| Ok(vec![wrong.clone()]),
                    Dialect::Mysql,
                    "mysql://h/d",
                    &mut |_| ControlFlow::Continue(()),
                )
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected) && error.starts_with("mysql://h/d: reading customer_behavior"), "{error}");
        };
        check(|row| row[0] = Value::Null, "Null");
        check(|row| row[9] = Value::Integer(300), "Activeness is 300");
        check(|row| row[10] = Value::Text("2022-13-01".into()), "Date is `2022-13-01`");
        check(|row| row.truncate(4), "other types");
    }
}
