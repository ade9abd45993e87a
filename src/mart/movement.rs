//! What became of the customers from one month to the next.
//!
//! A month is compared with the calendar month before it, where the warehouse has that; else its tables have no rows. A
//! customer who comes again is told from a new one by all months before, so whatever changes one month changes the
//! tables of every later one.

use std::collections::BTreeMap;

use super::tables::{ACTIVENESS_MOVEMENT, CUSTOMER_MOVEMENT, MOVEMENT_CELL, MOVEMENT_RUN, TASTE_MOVEMENT};
use super::{MartPart, published_runs};
use crate::engine::calendar::Month;
use crate::warehouse::{CustomerPass, Dialect, MartScript, Reads, Value, Warehouse, WarehouseError};

/// The tables of movement, which read nothing but [`MOVEMENT_CELL`].
pub(super) const PARTS: [MartPart; 3] = [
    MartPart::of(&CUSTOMER_MOVEMENT, Reads::Mart, include_str!("sql/customer_movement.sql")),
    MartPart::of(&TASTE_MOVEMENT, Reads::Mart, include_str!("sql/taste_movement.sql")),
    MartPart::of(&ACTIVENESS_MOVEMENT, Reads::Mart, include_str!("sql/activeness_movement.sql")),
];

/// What the movement of a month was made from; of a script that knows no other month, nothing.
pub(super) const MARK: MartPart = MartPart::of(
    &MOVEMENT_RUN,
    Reads::Warehouse,
    "SELECT Month, Id, 0 FROM {warehouse}.etl_run_published WHERE Month = {month}",
);

/// The months that stand, each with the run it stands by, ascending.
pub(super) type Runs = BTreeMap<Month, i64>;

/// What the movement of `month` depends on: the newest run of it and of the months before, and how many they are. A month
/// that is made again has a newer run, and one that is dropped is one less.
fn sources(runs: &Runs, month: Month) -> (i64, i64) {
    let before = || runs.range(..=month).map(|(_, run)| *run);
    (before().max().unwrap_or_default(), before().count() as i64)
}

/// Adds the pass over the customers to a script of `month`, and what it was made from. The `runs` were read before the
/// pass reads the customers: what is published in between makes the mark too old, never too new.
pub(super) fn complete(script: &mut MartScript, dialect: Dialect, month: Month, runs: &Runs) {
    script.passes.extend(pass(dialect, month, &runs.keys().copied().collect::<Vec<_>>()));
    let (newest, n_months) = sources(runs, month);
    for fill in script.fills.iter_mut().filter(|fill| *fill.table == MOVEMENT_RUN) {
        fill.select = format!("SELECT {{month}}, {newest}, {n_months}");
    }
}

/// The pass over the customers of `month` and of the month before, where that is among the `published` ones.
fn pass(dialect: Dialect, month: Month, published: &[Month]) -> Option<CustomerPass> {
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
    let [present, past] = [include_str!("sql/movement_present.sql"), include_str!("sql/movement_past.sql")]
        .map(|sql| sql.replace("{was_earlier}", &was_earlier).replace("{key}", &key("present")))
        .map(|sql| sql.replace("{key_before}", &key("past")))
        .map(|sql| sql.replace("{month_before}", &format!("'{}'", before.first_day())));
    let sql = match dialect {
        Dialect::Sqlite => include_str!("sql/movement_cell.sqlite.sql"),
        Dialect::Mysql { .. } => include_str!("sql/movement_cell.mysql.sql"),
    };
    let sql = sql.replace("{present}", &present).replace("{past}", &past);
    Some(CustomerPass { table: &MOVEMENT_CELL, sql })
}

/// Makes the movement of every month of the mart anew that was made from other runs than those that stand now: to be
/// called once at the end of what made or dropped months. What other commands publish meanwhile is seen too: the runs are
/// read again before each month, until nothing is left. A month whose mart is of another run is left to [`super::build`],
/// which makes all of it.
///
/// # Errors
/// What the warehouse says; months that were made are made.
pub fn remake_stale(warehouse: &mut dyn Warehouse) -> Result<(), WarehouseError> {
    /// So often one month; what somebody else goes on publishing is made again at the end of his command.
    const MAX_REMAKES: usize = 10;
    let mut n_made: BTreeMap<Month, usize> = BTreeMap::new();
    loop {
        let runs = published_runs(warehouse)?;
        let is_due = |month: &Month| runs.contains_key(month) && n_made.get(month).is_none_or(|n| *n < MAX_REMAKES);
        let Some(month) = stale_months(warehouse)?.into_iter().find(is_due) else { return Ok(()) };
        let script = script(warehouse.dialect(), month, &runs);
        warehouse.publish_mart(month, &script)?;
        *n_made.entry(month).or_default() += 1;
    }
}

/// Whether the movement was made from the runs that stand, of a row of `movement_run` that is called `made`.
pub(super) const WAS_MADE_OF_STANDING: &str = include_str!("sql/movement_run.current.sql");

/// A query of one number: 1 where the movement of the month was made from the runs that stand.
pub const IS_CURRENT: &str = concat!(
    "SELECT COUNT(*) FROM {mart}.movement_run AS made WHERE made.Month = {month} AND ",
    include_str!("sql/movement_run.current.sql")
);

/// The months whose mart is of the run that stands, but whose movement is not.
const STALE: &str = concat!(
    "SELECT mart.Month FROM {mart}.mart_run AS mart ",
    "JOIN {warehouse}.etl_run_published AS published ON published.Month = mart.Month ",
    // A mart of version 0.1 does not know its run.
    "WHERE mart.Run IN (published.Id, 0) AND NOT EXISTS ",
    "(SELECT 1 FROM {mart}.movement_run AS made WHERE made.Month = mart.Month AND ",
    include_str!("sql/movement_run.current.sql"),
    ") ORDER BY mart.Month"
);

fn stale_months(warehouse: &mut dyn Warehouse) -> Result<Vec<Month>, WarehouseError> {
    let rows = warehouse.query(super::months::any_month(), STALE)?;
    let months = rows.iter().filter_map(|row| match row.as_slice() {
        [Value::Text(day)] => day.get(..7)?.parse().ok(),
        _ => None,
    });
    Ok(months.collect())
}

/// What replaces the movement of a month and leaves the rest of its mart.
fn script(dialect: Dialect, month: Month, runs: &Runs) -> MartScript {
    let mut script = MartScript {
        work_tables: vec![&MOVEMENT_CELL],
        passes: Vec::new(),
        // The months were checked when their marts were built.
        check: "SELECT Id FROM {warehouse}.etl_run WHERE 1 = 0".to_owned(),
        fills: PARTS.iter().chain([&MARK]).map(MartPart::fill).collect(),
    };
    complete(&mut script, dialect, month, runs);
    script
}

#[cfg(test)]
mod tests;
