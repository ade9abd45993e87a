//! The rows of `customer_behavior` one by one, in key order, as one statement gives them.

use std::ops::ControlFlow;

use super::Value;
use crate::engine::columns::{Cell, Column, ColumnType, DEVICES, Output, Role, Unit, held_by};
use crate::engine::devices::Devices;

/// One row of `customer_behavior`, its month aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerRow<'a> {
    /// The customer.
    pub contract: &'a str,
    /// The values of all columns of [`columns_of_row`], the contract among them; then its devices, where they are read too.
    pub cells: &'a [Cell<'a>],
}

/// Takes rows as they come and may stop them.
pub type RowSink<'a> = dyn FnMut(CustomerRow<'_>) -> ControlFlow<()> + 'a;

/// Those of `columns` that a row has: what the warehouse holds but the month, which all rows of a month share.
pub fn columns_of_row(columns: &[Column]) -> impl Iterator<Item = &Column> + Clone {
    held_by(columns, Output::Warehouse).filter(|column| !(column.role == Role::Key && column.is_constant()))
}

impl<'a> CustomerRow<'a> {
    /// The row with these values of [`columns_of_row`].
    pub fn new(cells: &'a [Cell<'a>]) -> CustomerRow<'a> {
        let contract = cells.iter().find_map(|cell| if let Cell::Text(text) = cell { Some(*text) } else { None });
        // The first text is the contract.
        CustomerRow { contract: contract.unwrap_or_default(), cells }
    }
}

/// The columns that are read of a row: those of [`columns_of_row`], and the devices where they are wanted.
pub(crate) fn columns_read(columns: &[Column], devices: Devices) -> Vec<&Column> {
    let devices = (devices == Devices::Counted).then_some(&DEVICES);
    columns_of_row(columns).chain(devices).collect()
}

/// The statement that gives the rows of a month in key order, with the columns of [`columns_read`].
pub(super) fn month_sql(columns: &[Column], devices: Devices) -> String {
    let names: Vec<String> = columns_of_row(columns).map(|column| format!("customer.{}", column.name)).collect();
    // A customer without a row of devices is found by its NULL.
    let (more, join) = match devices {
        Devices::Ignored => ("", ""),
        Devices::Counted => (
            ", device.Devices",
            " LEFT JOIN {warehouse}.customer_devices AS device ON device.Month = customer.Month \
             AND device.Contract = customer.Contract",
        ),
    };
    format!(
        "SELECT {}{more} FROM {{warehouse}}.customer_behavior AS customer{join} WHERE customer.Month = {{month}} \
         ORDER BY customer.Contract",
        names.join(", ")
    )
}

/// The query that counts the rows of devices of a month.
pub(super) const COUNT_DEVICE_ROWS: &str = "SELECT COUNT(*) FROM {warehouse}.customer_devices WHERE Month = {month}";

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

/// Reads a row of [`month_sql`], whose `columns` are those of [`columns_read`].
///
/// # Errors
/// What is wrong with it.
pub(super) fn read<'a>(columns: &[&Column], row: &'a [Value]) -> Result<Vec<Cell<'a>>, String> {
    let stored = |place: usize| match row.get(place) {
        Some(Value::Integer(number)) => Some(Cell::Integer(*number)),
        Some(Value::Text(text)) => Some(Cell::Text(text)),
        _ => None,
    };
    columns.iter().enumerate().map(|(place, column)| typed(column, stored(place))).collect()
}

/// A value of a column as the database stores it, where dates are text and small numbers large.
///
/// # Errors
/// It is none of that column.
pub(super) fn typed<'a>(column: &Column, stored: Option<Cell<'a>>) -> Result<Cell<'a>, String> {
    let name = column.name;
    match (column.column_type, stored) {
        (ColumnType::Date, Some(Cell::Text(text))) => {
            text.parse().map(Cell::Date).map_err(|_| format!("{name} is `{}`", text.escape_debug()))
        }
        (ColumnType::Int, Some(Cell::Integer(number))) if !is_in_range(column, number) => {
            Err(format!("{name} is {number}"))
        }
        (ColumnType::Text { .. }, Some(cell @ Cell::Text(_)))
        | (ColumnType::BigInt | ColumnType::Int, Some(cell @ Cell::Integer(_))) => Ok(cell),
        _ => Err(format!("{name} is of another type than the table was made with")),
    }
}

fn is_in_range(column: &Column, number: i64) -> bool {
    match column.unit {
        Unit::Days => u8::try_from(number).is_ok(),
        _ => u32::try_from(number).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::COLUMNS;

    fn row() -> Vec<Value> {
        let mut row = vec![Value::Text("A1".into())];
        row.extend([1, 2, 3, 4, 5, 15].map(Value::Integer));
        row.extend([Value::Text("Tv".into()), Value::Text("No".into()), Value::Integer(3)]);
        row.push(Value::Text("2022-05-01".into()));
        row
    }

    fn columns() -> Vec<&'static Column> {
        columns_of_row(COLUMNS).collect()
    }

    #[test]
    fn a_row_is_read_by_place() {
        let mut expected = vec![Cell::Text("A1")];
        expected.extend([1, 2, 3, 4, 5, 15].map(Cell::Integer));
        expected.extend([Cell::Text("Tv"), Cell::Text("No"), Cell::Integer(3)]);
        expected.push(Cell::Date(jiff::civil::date(2022, 5, 1)));
        let row = row();
        let cells = read(&columns(), &row).unwrap();
        assert_eq!(cells, expected);
        assert_eq!(CustomerRow::new(&cells).contract, "A1");
    }

    #[test]
    fn rows_of_other_types_are_named() {
        let check = |change: fn(&mut Vec<Value>), expected: &str| {
            let mut wrong = row();
            change(&mut wrong);
            assert_eq!(read(&columns(), &wrong), Err(expected.to_owned()));
        };
        check(|row| row[0] = Value::Null, "Contract is of another type than the table was made with");
        check(|row| row[9] = Value::Integer(300), "Activeness is 300");
        check(|row| row[10] = Value::Text("2022-13-01".into()), "Date is `2022-13-01`");
        check(|row| row.truncate(4), "RelaxDuration is of another type than the table was made with");
    }
}
