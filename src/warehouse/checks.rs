//! What must hold of a month before it is published, whichever database holds it: sums fit, and the rows in the database
//! add up to the ledger.

use rayon::prelude::*;

use super::{Fault, Value, WarehouseError, schema};
use crate::engine::calendar::Month;
use crate::engine::columns::{COLUMNS, Column, ColumnType, DEVICE_COLUMNS, Output, Role, TOTAL, Values, held_by};
use crate::engine::devices::Devices;
use crate::engine::month::MonthTable;

/// A count or a sum over the rows of a month, and what the ledger says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// What is counted, for messages.
    pub what: String,
    /// The SQL that counts it, never NULL.
    pub sql: String,
    /// What it must be.
    pub expected: i128,
}

/// What the rows of the month in `customer_behavior` must add up to.
pub(super) fn customer_sums(table: &MonthTable) -> Vec<Sum> {
    sums_of_columns(table, schema::CUSTOMER_BEHAVIOR.name, COLUMNS)
}

/// What the rows of the month in `customer_devices` must add up to: where devices were not counted there are none.
pub(super) fn device_sums(table: &MonthTable) -> Vec<Sum> {
    let name = schema::CUSTOMER_DEVICES.name;
    match table.counts_devices() {
        Devices::Counted => sums_of_columns(table, name, DEVICE_COLUMNS),
        Devices::Ignored => vec![number_of_rows(name, 0)],
    }
}

fn number_of_rows(home: &str, expected: i128) -> Sum {
    Sum { what: format!("the number of rows of {home}"), sql: "COUNT(*)".into(), expected }
}

fn sums_of_columns(table: &MonthTable, home: &str, columns: &[Column]) -> Vec<Sum> {
    let n_rows = table.n_rows() as i128;
    let mut sums = vec![number_of_rows(home, n_rows)];
    for column in held_by(columns, Output::Warehouse).filter(|column| column.role == Role::Value) {
        let name = column.name;
        let (what, sql) = (format!("the sum of {name} of {home}"), format!("COALESCE(SUM({name}), 0)"));
        match column.values(table) {
            Values::Date(date) => sums.push(Sum {
                what: format!("the number of rows of {home} with the right {name}"),
                sql: format!("COUNT(CASE WHEN {name} = '{date}' THEN 1 END)"),
                expected: n_rows,
            }),
            Values::BigInts(_) => {
                sums.push(Sum { what, sql, expected: ledger_seconds(table, column).unwrap_or_default() });
            }
            Values::Bytes(numbers) => {
                sums.push(Sum { what, sql, expected: numbers.iter().map(|n| i128::from(*n)).sum() });
            }
            Values::Counts(numbers) => {
                sums.push(Sum { what, sql, expected: numbers.iter().map(|n| i128::from(*n)).sum() });
            }
            Values::Masks(_) | Values::Texts(_) | Values::Labels { .. } => {}
        }
    }
    sums
}

/// The seconds that the ledger has for a column: those of its category, or all; of other columns their own sum.
fn ledger_seconds(table: &MonthTable, column: &Column) -> Option<i128> {
    match column.category() {
        Some(category) => Some(table.ledger.seconds[category as usize]),
        None if column.name == TOTAL => Some(table.ledger.n_seconds()),
        None => column.sum(table),
    }
}

/// What the rows of the month in `daily_activity` must add up to.
pub(super) fn day_sums(table: &MonthTable) -> Vec<Sum> {
    let records = Sum {
        what: "the number of records of daily_activity".into(),
        sql: "COALESCE(SUM(Records), 0)".into(),
        expected: table.ledger.kept.into(),
    };
    let seconds = held_by(COLUMNS, Output::Days).map(|column| Sum {
        what: format!("the sum of {} of daily_activity", column.name),
        sql: format!("COALESCE(SUM({}), 0)", column.name),
        expected: ledger_seconds(table, column).unwrap_or_default(),
    });
    std::iter::once(records).chain(seconds).collect()
}

/// The SELECT that gives `sums` in order, its FROM left to the caller.
pub(super) fn select(sums: &[Sum]) -> String {
    let terms: Vec<&str> = sums.iter().map(|sum| sum.sql.as_str()).collect();
    format!("SELECT {}", terms.join(", "))
}

/// Compares what the database at `at` found for `sums`, in their order.
///
/// # Errors
/// [`WarehouseError::Check`] for the first that differs.
pub(super) fn compare(at: &str, sums: &[Sum], found: &[i128]) -> Result<(), WarehouseError> {
    let differing = sums.iter().zip(found).find(|(sum, found)| sum.expected != **found);
    differing.map_or(Ok(()), |(sum, found)| {
        Err(WarehouseError::Check { at: at.to_owned(), what: sum.what.clone(), expected: sum.expected, found: *found })
    })
}

/// Refuses a month whose tables do not come from one run: a run was ended while it published. `facts` are the rows of
/// [`super::MartScript::check`].
///
/// # Errors
/// [`WarehouseError::Mixed`] for the first that differs.
pub(super) fn refuse_mixed_month(at: &str, month: Month, facts: &[Vec<Value>]) -> Result<(), WarehouseError> {
    for fact in facts {
        let [Value::Text(what), Value::Text(table), value, Value::Text(other), other_value] = &fact[..] else {
            let what = format!("a row of the check is {fact:?}");
            return Err(WarehouseError::step(at, "checking the month", Fault::Answer { what }));
        };
        if value != other_value {
            let (value, other_value) = (value.to_string(), other_value.to_string());
            return Err(WarehouseError::Mixed {
                at: at.to_owned(),
                month,
                what: format!("{what} are {value} in {table}, but {other_value} in {other}"),
            });
        }
    }
    Ok(())
}

/// Refuses a month whose sums do not fit into 64 bits. The sums are taken without their signs: then those of any part of
/// the customers fit too, which the mart adds up.
///
/// # Errors
/// [`Fault::Overflow`] that names the sum.
pub(super) fn refuse_overflow(at: &str, table: &MonthTable) -> Result<(), WarehouseError> {
    let columns = held_by(COLUMNS, Output::Warehouse).filter(|column| column.column_type == ColumnType::BigInt);
    let of_columns = columns.filter_map(|column| {
        let seconds = column.seconds(table)?;
        let sum: u128 = seconds.par_chunks(1 << 16).map(magnitude).sum();
        Some((column.name.to_owned(), sum.max(ledger_seconds(table, column)?.unsigned_abs())))
    });
    let of_days = table.activity.iter().filter_map(|day| {
        let date = table.month.date(day.day)?;
        Some((date.to_string(), magnitude(&day.seconds)))
    });
    let mapped = table.detail.apps.iter().filter(|(_, sums)| sums.category.is_some());
    let of_apps = mapped.map(|(app, sums)| {
        let app: String = app.chars().take(100).collect();
        (format!("app `{}`", app.escape_debug()), sums.seconds.unsigned_abs())
    });
    for (what, seconds) in of_columns.chain(of_days).chain(of_apps) {
        if i64::try_from(seconds).is_err() {
            return Err(WarehouseError::step(at, "adding up", Fault::Overflow { what, seconds }));
        }
    }
    Ok(())
}

fn magnitude(seconds: &[i64]) -> u128 {
    seconds.iter().map(|seconds| u128::from(seconds.unsigned_abs())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::with_one_more;
    use crate::engine::rules::Rules;
    use crate::made::{Customer, month_table};

    fn table(customers: &[Customer<'_>]) -> MonthTable {
        month_table("2022-04", &Rules::preset("seed").unwrap(), customers)
    }

    #[test]
    fn every_number_of_a_row_is_added_up() {
        let table = table(&[("A", [1, 2, 3, 4, 5], 2), ("B", [10, 0, 0, 0, 0], 3)]);
        let found: Vec<(String, i128)> = sums_of_columns(&table, "customer_behavior", &with_one_more())
            .into_iter()
            .map(|sum| (sum.sql, sum.expected))
            .collect();
        let sum = |name: &str, expected: i128| (format!("COALESCE(SUM({name}), 0)"), expected);
        let expected = [
            ("COUNT(*)".to_owned(), 2),
            sum("MovieDuration", 11),
            sum("SportDuration", 2),
            sum("ChildDuration", 3),
            sum("RelaxDuration", 4),
            sum("TvDuration", 5),
            sum("TotalDuration", 25),
            sum("Activeness", 5),
            ("COUNT(CASE WHEN Date = '2022-05-01' THEN 1 END)".to_owned(), 2),
            sum("SecondTotal", 25),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sum_that_differs_is_named() {
        let sums = day_sums(&table(&[("A", [1, 0, 0, 0, 0], 2)]));
        assert!(compare("sqlite:w", &sums, &[2, 1, 0, 0, 0, 0, 1]).is_ok());
        let error = compare("sqlite:w", &sums, &[2, 1, 0, 0, 0, 3, 1]).unwrap_err().to_string();
        assert!(error.contains("the sum of TvDuration of daily_activity is 3 in the database, but 0"), "{error}");
    }

    #[test]
    fn sums_of_every_part_of_a_month_must_fit() {
        let check = |customers: &[Customer<'_>], expected: Option<&str>| {
            // Such a month is not made.
            let mut table = table(&[]);
            table.seconds =
                std::array::from_fn(|category| customers.iter().map(|(_, seconds, _)| seconds[category]).collect());
            let found = refuse_overflow("sqlite:w", &table).map_err(|error| error.to_string());
            match (found, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) => assert!(error.contains(part), "{error}"),
                (found, _) => panic!("{customers:?}: {found:?}"),
            }
        };
        check(&[("A", [i64::MAX, 0, 0, 0, 0], 1)], None);
        check(&[("A", [i64::MAX, 0, 0, 0, 0], 1), ("B", [1, 0, 0, 0, 0], 1)], Some("MovieDuration"));
        // They cancel out, but not in every part.
        check(&[("A", [0, i64::MAX, 0, 0, 0], 1), ("B", [0, -1, 0, 0, 0], 1)], Some("SportDuration"));
        check(&[("A", [0, 0, 0, 0, i64::MIN], 1)], Some("9223372036854775808"));
    }
}
