//! The rows of `customer_behavior` one by one, in key order, as one statement gives them.

use std::ops::ControlFlow;

use jiff::civil::Date;

use super::Value;

/// One row of `customer_behavior`, its month aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerRow<'a> {
    /// The customer.
    pub contract: &'a str,
    /// Seconds, indexed by [`crate::engine::rules::Category`] as `usize`.
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

/// The columns of a row in the order of [`CustomerRow`], for the rows of a month in key order.
pub(super) const MONTH_SQL: &str = "SELECT Contract, MovieDuration, SportDuration, ChildDuration, RelaxDuration, \
    TvDuration, TotalDuration, MostWatch, Taste, Activeness, Date FROM {warehouse}.customer_behavior \
    WHERE Month = {month} ORDER BY Contract";

/// Conditions that put every contract into exactly one range: from each of the ascending `bounds`, SQL literals, to below
/// the next.
pub(super) fn contract_ranges(bounds: &[String]) -> Vec<String> {
    (0..=bounds.len())
        .map(|place| {
            let from = place.checked_sub(1).and_then(|before| bounds.get(before));
            match (from, bounds.get(place)) {
                (None, None) => "TRUE".to_owned(),
                (Some(from), None) => format!("Contract >= {from}"),
                (None, Some(to)) => format!("Contract < {to}"),
                (Some(from), Some(to)) => format!("Contract >= {from} AND Contract < {to}"),
            }
        })
        .collect()
}

/// Reads a row of [`MONTH_SQL`].
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(row: &[Value]) -> Result<CustomerRow<'_>, String> {
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

    fn row() -> Vec<Value> {
        let mut row = vec![Value::Text("A1".into())];
        row.extend([1, 2, 3, 4, 5, 15].map(Value::Integer));
        row.extend([Value::Text("Tv".into()), Value::Text("No".into()), Value::Integer(3)]);
        row.push(Value::Text("2022-05-01".into()));
        row
    }

    #[test]
    fn a_row_is_read_by_place() {
        let expected = CustomerRow {
            contract: "A1",
            seconds: [1, 2, 3, 4, 5],
            total: 15,
            most_watch: "Tv",
            taste: "No",
            activeness: 3,
            etl_date: jiff::civil::date(2022, 5, 1),
        };
        assert_eq!(read(&row()), Ok(expected));
    }

    #[test]
    fn rows_of_other_types_are_named() {
        let check = |change: fn(&mut Vec<Value>), expected: &str| {
            let mut wrong = row();
            change(&mut wrong);
            let why = read(&wrong).unwrap_err();
            assert!(why.contains(expected), "{why}");
        };
        check(|row| row[0] = Value::Null, "Null");
        check(|row| row[9] = Value::Integer(300), "Activeness is 300");
        check(|row| row[10] = Value::Text("2022-13-01".into()), "Date is `2022-13-01`");
        check(|row| row.truncate(4), "other types");
    }
}
