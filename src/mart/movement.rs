//! What became of the customers from one month to the next.
//!
//! A month is compared with the calendar month before it, where the warehouse has that; else its tables have no rows. A
//! customer who comes again is told from a new one by all months before, so whatever changes one month changes the
//! tables of every later one.

use super::tables::{ACTIVENESS_MOVEMENT, CUSTOMER_MOVEMENT, MOVEMENT_CELL, TASTE_MOVEMENT};
use super::{Part, published_months};
use crate::engine::calendar::Month;
use crate::warehouse::{CustomerPass, Dialect, Fill, MartScript, Reads, Warehouse, WarehouseError};

/// The tables of movement, which read nothing but [`MOVEMENT_CELL`].
pub(super) const PARTS: [Part; 3] = [
    Part { table: &CUSTOMER_MOVEMENT, reads: Reads::Mart, rows: include_str!("sql/customer_movement.sql") },
    Part { table: &TASTE_MOVEMENT, reads: Reads::Mart, rows: include_str!("sql/taste_movement.sql") },
    Part { table: &ACTIVENESS_MOVEMENT, reads: Reads::Mart, rows: include_str!("sql/activeness_movement.sql") },
];

/// The pass over the customers of `month` and of the month before, where that is among the `published` ones.
pub(super) fn pass(dialect: Dialect, month: Month, published: &[Month]) -> Option<CustomerPass> {
    let before = month.previous().filter(|before| published.contains(before))?;
    let was_in = |earlier: &Month| {
        format!(
            "EXISTS (SELECT 1 FROM {{warehouse}}.customer_behavior AS earlier \
             WHERE earlier.Month = '{}' AND earlier.Contract = present.Contract)",
            earlier.first_day()
        )
    };
    // One by one, from the newest back: each is a look-up by the whole key.
    let was_earlier: Vec<String> = published.iter().rev().filter(|earlier| **earlier < before).map(was_in).collect();
    let was_earlier = if was_earlier.is_empty() { "1 = 0".to_owned() } else { was_earlier.join(" OR ") };
    let key = |row: &str| include_str!("sql/movement_row.key.sql").replace("{row}", row);
    let [present, lapsed] = [include_str!("sql/movement_present.sql"), include_str!("sql/movement_lapsed.sql")]
        .map(|sql| sql.replace("{was_earlier}", &was_earlier).replace("{key}", &key("present")))
        .map(|sql| sql.replace("{key_before}", &key("past")))
        .map(|sql| sql.replace("{month_before}", &format!("'{}'", before.first_day())));
    let sql = match dialect {
        Dialect::Sqlite => include_str!("sql/movement_cell.sqlite.sql"),
        Dialect::Mysql { .. } => include_str!("sql/movement_cell.mysql.sql"),
    };
    let sql = sql.replace("{present}", &present).replace("{lapsed}", &lapsed);
    Some(CustomerPass { table: &MOVEMENT_CELL, sql })
}

/// Makes the movement of every month of the mart behind `changed` anew: to be called once at the end of what made or
/// dropped months, with the earliest of them.
///
/// # Errors
/// What the warehouse says; months that were made are made.
pub fn remake_after(warehouse: &mut dyn Warehouse, changed: Month) -> Result<(), WarehouseError> {
    let published = published_months(warehouse)?;
    let later = warehouse.months()?.into_iter().filter(|month| *month > changed && published.contains(month));
    for month in later {
        let script = script(warehouse.dialect(), month, &published);
        warehouse.publish_mart(month, &script)?;
    }
    Ok(())
}

/// What replaces the movement of a month and leaves the rest of its mart.
fn script(dialect: Dialect, month: Month, published: &[Month]) -> MartScript {
    let fill = |Part { table, reads, rows }: &Part| Fill { table, reads: *reads, select: (*rows).to_owned() };
    MartScript {
        work_tables: vec![&MOVEMENT_CELL],
        passes: pass(dialect, month, published).into_iter().collect(),
        // The months were checked when their marts were built.
        check: "SELECT Id FROM {warehouse}.etl_run WHERE 1 = 0".to_owned(),
        fills: PARTS.iter().map(fill).collect(),
    }
}

#[cfg(test)]
mod tests;
