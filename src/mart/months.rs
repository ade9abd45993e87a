//! The months of a warehouse: what stands of each, and how one goes.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::movement::WAS_MADE_OF_STANDING;
use crate::engine::calendar::Month;
use crate::warehouse::{Fault, RunStatus, Value, Wanted, Warehouse, WarehouseError, WarehouseStanding};

/// A month of which a run is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthLine {
    pub month: Month,
    /// The run that stands, where one does.
    pub standing: Option<StandingRun>,
    /// The run that was recorded last, whether it published or not.
    pub last_run: i64,
    /// How that one ended: a word of [`crate::warehouse::RunStatus`].
    pub last_status: String,
    /// Whether its tables are of one run.
    pub tables: TableState,
    /// What the mart shows of the month.
    pub mart: MartState,
    /// What it shows of its comparison with the months before.
    pub movement: MartState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRun {
    /// Its number in `etl_run`.
    pub id: i64,
    /// Name of its rules.
    pub rules: String,
    /// Rows of `customer_behavior`.
    pub customers: i64,
    /// What they watched.
    pub seconds: i64,
    /// Warnings of the run.
    pub warnings: i64,
    /// Hash of its rules.
    pub rules_sha256: String,
    /// What tells its inputs from others.
    pub inputs_sha256: String,
}

/// Whether the tables of a month are of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableState {
    /// They are.
    Whole,
    /// A run ended while it published, and nobody knows how far it came.
    Torn,
}

/// What the mart shows of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MartState {
    /// The run that stands.
    Current,
    /// Another run, or one that nobody knows.
    Stale,
    /// Nothing.
    Missing,
}

impl MartState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            MartState::Current => "current",
            MartState::Stale => "stale",
            MartState::Missing => "missing",
        }
    }
}

/// All months of which a run is recorded, ascending.
///
/// # Errors
/// What the warehouse says.
pub fn list(warehouse: &mut dyn Warehouse) -> Result<Vec<MonthLine>, WarehouseError> {
    let sql = include_str!("sql/months.sql").replace("{was_made_of_standing}", WAS_MADE_OF_STANDING.trim_end());
    let rows = warehouse.query(any_month(), &sql)?;
    rows.iter().map(|row| read_line(row).ok_or_else(|| no_line(warehouse, row))).collect()
}

/// The same of databases that are not yet as this version makes them, and are left as they are: what `etl_run` says. A
/// mart that is not as it should be is none.
///
/// # Errors
/// What the warehouse says.
pub fn list_as_found(warehouse: &mut dyn Warehouse) -> Result<Vec<MonthLine>, WarehouseError> {
    match warehouse.standing(&super::schema())? {
        WarehouseStanding::Absent => return Ok(Vec::new()),
        WarehouseStanding::Current => return list(warehouse),
        WarehouseStanding::Outdated => {}
    }
    let mut lines: BTreeMap<Month, MonthLine> = BTreeMap::new();
    for row in warehouse.recorded_runs()? {
        let run = read_recorded(&row).ok_or_else(|| no_line(warehouse, &row))?;
        let standing = run.standing.or_else(|| lines.remove(&run.month)?.standing);
        lines.insert(run.month, MonthLine { standing, ..run });
    }
    Ok(lines.into_values().collect())
}

fn no_line(warehouse: &dyn Warehouse, row: &[Value]) -> WarehouseError {
    let what = format!("a month is {row:?}");
    WarehouseError::step(warehouse.address(), "listing the months", Fault::Answer { what })
}

/// A run of [`Warehouse::recorded_runs`] as if it were the only one of its month. What is counted of months is not known.
fn read_recorded(row: &[Value]) -> Option<MonthLine> {
    use Value::{Integer, Text};
    let [Text(month), Integer(id), Text(status), Text(rules), Text(rules_sha256), Text(inputs_sha256)] = row else {
        return None;
    };
    let standing = (status == RunStatus::Published.name()).then(|| StandingRun {
        id: *id,
        rules: rules.clone(),
        customers: 0,
        seconds: 0,
        warnings: 0,
        rules_sha256: rules_sha256.clone(),
        inputs_sha256: inputs_sha256.clone(),
    });
    let (month, mart) = (month.get(..7)?.parse().ok()?, MartState::Missing);
    let (last_status, tables) = (status.clone(), TableState::Whole);
    Some(MonthLine { month, standing, last_run: *id, last_status, tables, mart, movement: mart })
}

/// The query is about no month; any will do.
pub(super) fn any_month() -> Month {
    Month::of(jiff::civil::date(2000, 1, 1))
}

fn read_line(row: &[Value]) -> Option<MonthLine> {
    use Value::{Integer, Text};
    let [
        Text(month),
        Integer(id),
        Text(rules),
        Integer(customers),
        Integer(seconds),
        Integer(warnings),
        Integer(last_run),
        Text(last_status),
        Integer(mart_run),
        Text(rules_sha256),
        Text(inputs_sha256),
        Integer(is_compared),
        Integer(n_torn),
    ] = row
    else {
        return None;
    };
    let standing = (*id != 0).then(|| StandingRun {
        id: *id,
        rules: rules.clone(),
        customers: *customers,
        seconds: *seconds,
        warnings: *warnings,
        rules_sha256: rules_sha256.clone(),
        inputs_sha256: inputs_sha256.clone(),
    });
    let mart = match *mart_run {
        -1 => MartState::Missing,
        run if run == *id => MartState::Current,
        _ => MartState::Stale,
    };
    let month = month.get(..7)?.parse().ok()?;
    let movement = match is_compared {
        1 => MartState::Current,
        0 => MartState::Stale,
        _ => MartState::Missing,
    };
    let tables = if *n_torn > 0 { TableState::Torn } else { TableState::Whole };
    Some(MonthLine { month, standing, last_run: *last_run, last_status: last_status.clone(), tables, mart, movement })
}

/// The column `Date` of a month that stands.
///
/// # Errors
/// What the warehouse says.
pub fn date_of(warehouse: &mut dyn Warehouse, month: Month) -> Result<Option<Date>, WarehouseError> {
    let sql = "SELECT Date FROM {warehouse}.customer_behavior WHERE Month = {month} ORDER BY Contract LIMIT 1";
    let rows = warehouse.query(month, sql)?;
    Ok(rows.iter().flatten().find_map(|value| if let Value::Text(date) = value { date.parse().ok() } else { None }))
}

/// Removes a month from warehouse and mart.
///
/// # Errors
/// Neither holds the month, or what the warehouse says.
pub fn drop(warehouse: &mut dyn Warehouse, month: Month) -> Result<(), WarehouseError> {
    let queries = [
        "SELECT COUNT(*) FROM {warehouse}.etl_run_published WHERE Month = {month}",
        "SELECT COUNT(*) FROM {mart}.mart_run WHERE Month = {month}",
    ];
    let found = warehouse.snapshot(month, &queries)?;
    if found.iter().flatten().flatten().all(|count| *count == Value::Integer(0)) {
        let fault = Fault::NoMonth { month, wanted: Wanted::Removal };
        return Err(WarehouseError::step(warehouse.address(), "removing the month", fault));
    }
    warehouse.drop_month(month, &super::schema())
}
