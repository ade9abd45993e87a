//! The data mart: small tables for people and dashboards, made by SQL that runs inside the warehouse.
//!
//! First the customers are gone through twice, by several connections at once: [`PASSES`] counts them by what tells them
//! apart and by thin bins of watch time, a few thousand rows in all. Each table is one SELECT on these or on what was
//! made before it; only `boundary_customer` looks at customers again. The SELECTs in `sql/` give the columns of the table in
//! their order; the placeholders are those of [`Warehouse::publish_mart`]. To add a table: write it down in [`tables()`],
//! write its SELECT, and list both in [`PARTS`] after what the SELECT reads.

use crate::engine::calendar::Month;
use crate::warehouse::schema::{Database, MART_RUN, Table};
use crate::warehouse::{
    CustomerPass, Dialect, Fault, Fill, MartSchema, MartScript, Missing, Reads, Value, Wanted, Warehouse,
    WarehouseError,
};

#[cfg(test)]
mod categories;
pub mod months;
pub mod movement;
pub mod tables;

/// A table of the mart, or on the way to it, and the SELECT that gives its rows.
#[derive(Clone, Copy, Debug)]
struct MartPart {
    table: &'static Table,
    reads: Reads,
    rows: &'static str,
    /// Placeholders of a SELECT that serves several tables, and what they stand for.
    filled: &'static [(&'static str, &'static str)],
}

impl MartPart {
    const fn of(table: &'static Table, reads: Reads, rows: &'static str) -> MartPart {
        MartPart { table, reads, rows, filled: &[] }
    }

    fn fill(&self) -> Fill {
        let select = self.filled.iter().fold(self.rows.to_owned(), |sql, (name, text)| sql.replace(name, text));
        Fill { table: self.table, reads: self.reads, select }
    }
}

const TOP: &str = include_str!("sql/top_customers.sql");

/// Who is no shared account: plays at most 24 hours on an active day.
const UNSHARED: &str = "TotalDuration <= 86400 * Activeness";

/// The mart, in the order in which it is built: a SELECT reads the passes and the parts before its own.
const PARTS: [MartPart; 20] = [
    MartPart::of(&tables::CUSTOMER_SEGMENTS, Reads::Mart, include_str!("sql/customer_segments.sql")),
    MartPart::of(&tables::CATEGORY_AUDIENCE, Reads::Mart, include_str!("sql/category_audience.sql")),
    MartPart::of(&tables::SUMMARY_CUSTOMER, Reads::Mart, include_str!("sql/summary_customer.sql")),
    MartPart::of(&tables::ACTIVENESS_DISTRIBUTION, Reads::Mart, include_str!("sql/activeness_distribution.sql")),
    MartPart::of(&tables::TASTE_DISTRIBUTION, Reads::Mart, include_str!("sql/taste_distribution.sql")),
    MartPart::of(&tables::CATEGORY_OVERLAP, Reads::Mart, include_str!("sql/category_overlap.sql")),
    MartPart::of(&tables::WATCH_TIME_DISTRIBUTION, Reads::Mart, include_str!("sql/watch_time_distribution.sql")),
    MartPart::of(&tables::WATCH_TIME_RANK, Reads::Warehouse, include_str!("sql/watch_time_rank.sql")),
    MartPart::of(&tables::BOUNDARY_CUSTOMER, Reads::Warehouse, include_str!("sql/boundary_customer.sql")),
    MartPart::of(&tables::WATCH_TIME_SUMMARY, Reads::Mart, include_str!("sql/watch_time_summary.sql")),
    MartPart {
        filled: &[("{who}", "1 = 1"), ("{n}", "100")],
        ..MartPart::of(&tables::TOP_CUSTOMERS, Reads::Mart, TOP)
    },
    MartPart {
        filled: &[("{who}", UNSHARED), ("{n}", "10")],
        ..MartPart::of(&tables::TOP_CUSTOMERS_UNSHARED, Reads::Mart, TOP)
    },
    MartPart::of(&tables::DEVICE_DISTRIBUTION, Reads::Warehouse, include_str!("sql/device_distribution.sql")),
    MartPart::of(&tables::DAILY_AUDIENCE, Reads::Warehouse, include_str!("sql/daily_audience.sql")),
    MartPart::of(&tables::APP_AUDIENCE, Reads::Warehouse, include_str!("sql/app_audience.sql")),
    MartPart::of(&tables::DAILY_QUALITY, Reads::Warehouse, include_str!("sql/daily_quality.sql")),
    MartPart::of(&tables::DATA_QUALITY, Reads::Warehouse, include_str!("sql/data_quality.sql")),
    MartPart::of(&tables::AUDIENCE_SIZE, Reads::Warehouse, include_str!("sql/audience_size.sql")),
    MartPart::of(&tables::AUDIENCE_OVERLAP, Reads::Warehouse, include_str!("sql/audience_overlap.sql")),
    MartPart::of(&MART_RUN, Reads::Warehouse, include_str!("sql/mart_run.sql")),
];

/// A pass over the customers, and how each dialect counts fastest.
#[derive(Clone, Copy, Debug)]
struct Pass {
    table: &'static Table,
    /// A placeholder and the expression that it stands for, which gives the number that finds a customer's counter.
    key: (&'static str, &'static str),
    sqlite: &'static str,
    mysql: &'static str,
}

const PASSES: [Pass; 2] = [
    Pass {
        table: &tables::CUSTOMER_CELL,
        key: ("{cell}", include_str!("sql/customer_cell.key.sql")),
        sqlite: include_str!("sql/customer_cell.sqlite.sql"),
        mysql: include_str!("sql/customer_cell.mysql.sql"),
    },
    Pass {
        table: &tables::WATCH_TIME_BIN,
        key: ("{bin}", include_str!("sql/watch_time_bin.key.sql")),
        sqlite: include_str!("sql/watch_time_bin.sqlite.sql"),
        mysql: include_str!("sql/watch_time_bin.mysql.sql"),
    },
];

/// What the mart consists of.
pub fn schema() -> MartSchema {
    MartSchema {
        tables: tables().filter(|table| **table != MART_RUN).collect(),
        views: vec![&tables::SUMMARY_CUSTOMER_SEED],
        totals: &tables::SUMMARY_CUSTOMER,
    }
}

/// All parts, in the order in which they are built.
fn parts() -> impl Iterator<Item = &'static MartPart> {
    PARTS.iter().chain(&movement::PARTS).chain([&movement::MARK])
}

/// The tables that hold months.
fn tables() -> impl Iterator<Item = &'static Table> {
    parts().map(|part| part.table).filter(|table| table.database == Database::Mart)
}

/// What replaces one month in every table of the mart; its movement stays empty without the pass of [`movement`].
pub fn script(dialect: Dialect) -> MartScript {
    let pass = |pass: &Pass| {
        let sql = match dialect {
            Dialect::Sqlite => pass.sqlite,
            Dialect::Mysql { .. } => pass.mysql,
        };
        CustomerPass { table: pass.table, sql: sql.replace(pass.key.0, pass.key.1) }
    };
    let on_the_way = parts().map(|part| part.table).filter(|table| table.database == Database::Work);
    let of_passes = PASSES.iter().map(|pass| pass.table).chain([&tables::MOVEMENT_CELL]);
    MartScript {
        work_tables: of_passes.chain(on_the_way).collect(),
        passes: PASSES.iter().map(pass).collect(),
        check: include_str!("sql/month_check.sql").to_owned(),
        fills: parts().map(MartPart::fill).collect(),
    }
}

/// Makes warehouse and mart ready for work; see [`Warehouse::prepare`].
///
/// # Errors
/// What the warehouse says; nothing was touched where it is not ours or newer.
pub fn prepare(warehouse: &mut dyn Warehouse, missing: Missing) -> Result<(), WarehouseError> {
    warehouse.prepare(&schema(), missing)
}

/// The months that are published in the warehouse, ascending.
///
/// # Errors
/// What the warehouse says.
pub fn published_months(warehouse: &mut dyn Warehouse) -> Result<Vec<Month>, WarehouseError> {
    Ok(published_runs(warehouse)?.into_keys().collect())
}

/// The runs that stand, by their months.
fn published_runs(warehouse: &mut dyn Warehouse) -> Result<movement::Runs, WarehouseError> {
    let rows = warehouse.query(months::any_month(), "SELECT Month, Id FROM {warehouse}.etl_run_published")?;
    let runs = rows.iter().filter_map(|row| match row.as_slice() {
        [Value::Text(day), Value::Integer(run)] => Some((day.get(..7)?.parse().ok()?, *run)),
        _ => None,
    });
    Ok(runs.collect())
}

/// The run that the mart of a month was made from, as column `Run`; no row without a mart. Marts of version 0.1 do not know
/// theirs (0): it is the run that stands if that is one of 0.1 too, which has no text of its rules.
pub const RUN_OF_MART: &str = "SELECT CASE WHEN made.Run = 0 AND run.RulesText = '' THEN run.Id ELSE made.Run END AS Run \
                               FROM {mart}.mart_run AS made LEFT JOIN {warehouse}.etl_run_published AS run \
                               ON run.Month = made.Month WHERE made.Month = {month}";

/// The run that the mart of a month was built from; 0 where a mart of version 0.1 does not know it.
///
/// # Errors
/// [`WarehouseError::Stale`] when another run stands in the warehouse.
pub fn run_of(warehouse: &mut dyn Warehouse, month: Month) -> Result<i64, WarehouseError> {
    /// No mart of the month.
    const NONE: i64 = -1;
    let built = format!("SELECT COALESCE(MAX(Run), {NONE}) FROM ({RUN_OF_MART}) AS built");
    let queries =
        [built.as_str(), "SELECT COALESCE(MAX(Id), 0) FROM {warehouse}.etl_run_published WHERE Month = {month}"];
    let runs = warehouse.snapshot(month, &queries)?;
    let mut runs = runs.iter().map(|rows| match rows.as_slice() {
        [row] => row.first().and_then(|run| if let Value::Integer(run) = run { Some(*run) } else { None }).unwrap_or(0),
        _ => 0,
    });
    let (mart_run, run) = (runs.next().unwrap_or(0), runs.next().unwrap_or(0));
    if mart_run == NONE || mart_run == run {
        return Ok(mart_run.max(0));
    }
    Err(WarehouseError::Stale { at: warehouse.address(), month, mart_run, run })
}

/// Refuses what was read of a month when the mart is not that of `run`, as [`run_of`] gave it before.
///
/// # Errors
/// [`WarehouseError::Stale`] when another run was published meanwhile.
pub fn refuse_replaced(warehouse: &mut dyn Warehouse, month: Month, run: i64) -> Result<(), WarehouseError> {
    match run_of(warehouse, month)? {
        now if now == run => Ok(()),
        now => Err(WarehouseError::Stale { at: warehouse.address(), month, mart_run: run, run: now }),
    }
}

/// Builds the mart of a month that is in the warehouse. Readers of the mart see the month as it was until all of it is
/// done. The movement of later months is for [`movement::remake_stale`].
///
/// # Errors
/// The warehouse does not hold the month, its tables contradict each other, or a statement failed; the mart is as it was.
pub fn build(warehouse: &mut dyn Warehouse, month: Month) -> Result<(), WarehouseError> {
    let runs = published_runs(warehouse)?;
    if !runs.contains_key(&month) {
        let fault = Fault::NoMonth { month, wanted: Wanted::Mart };
        return Err(WarehouseError::step(warehouse.address(), "building the mart", fault));
    }
    let dialect = warehouse.dialect();
    let mut script = script(dialect);
    movement::complete(&mut script, dialect, month, &runs);
    warehouse.publish_mart(month, &script)
}

#[cfg(test)]
mod tests;
