//! The rows of a month, from its columns into the tables of the warehouse.

use jiff::Timestamp;
use rusqlite::{Statement, Transaction};

use super::connect::READING;
use crate::console::Progress;
use crate::engine::columns::{COLUMNS, Cell, Column, DEVICE_COLUMNS, Output, Values, held_by};
use crate::engine::devices::Devices;
use crate::engine::month::{DayActivity, MonthTable};
use crate::warehouse::schema::{self, Table};
use crate::warehouse::{RunRecord, Value};

/// Rows of one INSERT: more save the cost of starting a statement, a quarter of the load with 32 and no more with 64.
pub(super) const ROWS_PER_INSERT: usize = 32;

/// Rows between two reports of progress.
const ROWS_PER_REPORT: usize = 16_384;

/// The columns of a table of customers, and which parameters of an INSERT they are: first those that are the same in
/// every row, then, row by row, the others.
struct RowParameters<'a> {
    names: Vec<&'static str>,
    values: Vec<(Values<'a>, Parameter)>,
    n_constant: usize,
    n_varying: usize,
}

/// The place of a column among the parameters.
#[derive(Clone, Copy)]
enum Parameter {
    /// Among those that are the same in every row.
    Constant(usize),
    /// Among those of a row.
    Varying(usize),
}

impl<'a> RowParameters<'a> {
    fn new(table: &'a MonthTable, columns: &[Column]) -> RowParameters<'a> {
        let mut parameters = RowParameters { names: Vec::new(), values: Vec::new(), n_constant: 0, n_varying: 0 };
        for column in held_by(columns, Output::Warehouse) {
            parameters.names.push(column.name);
            let values = column.values(table);
            let (counter, parameter): (_, fn(usize) -> Parameter) = match values {
                Values::Date(_) => (&mut parameters.n_constant, Parameter::Constant),
                _ => (&mut parameters.n_varying, Parameter::Varying),
            };
            parameters.values.push((values, parameter(*counter)));
            *counter += 1;
        }
        parameters
    }

    /// An INSERT of `n_rows` customers, what is the same in every row bound already.
    fn prepare<'c>(
        &self,
        transaction: &'c Transaction<'_>,
        home: &Table,
        n_rows: usize,
    ) -> rusqlite::Result<Statement<'c>> {
        let row = |place: usize| {
            let parameters: Vec<String> =
                self.values.iter().map(|(_, parameter)| format!("?{}", self.number(*parameter, place))).collect();
            format!("({})", parameters.join(", "))
        };
        let rows: Vec<String> = (0..n_rows).map(row).collect();
        let (name, columns) = (READING.fill(&home.qualified()), self.names.join(", "));
        let mut insert = transaction.prepare(&format!("INSERT INTO {name} ({columns}) VALUES {}", rows.join(", ")))?;
        for (values, parameter) in &self.values {
            if let (Values::Date(date), Parameter::Constant(_)) = (values, parameter) {
                // What is bound stays bound.
                insert.raw_bind_parameter(self.number(*parameter, 0), date.to_string())?;
            }
        }
        Ok(insert)
    }

    /// Binds row `row` of the month as row `place` of the INSERT.
    fn bind(&self, insert: &mut Statement<'_>, place: usize, row: usize) -> rusqlite::Result<()> {
        for (values, parameter) in &self.values {
            let number = self.number(*parameter, place);
            match (parameter, values.cell(row)) {
                (Parameter::Constant(_), _) => {}
                (_, Cell::Integer(integer)) => insert.raw_bind_parameter(number, integer)?,
                (_, Cell::Text(text)) => insert.raw_bind_parameter(number, text)?,
                (_, Cell::Date(date)) => insert.raw_bind_parameter(number, date.to_string())?,
            }
        }
        Ok(())
    }

    /// Parameters are counted from 1.
    fn number(&self, parameter: Parameter, place: usize) -> usize {
        match parameter {
            Parameter::Constant(column) => 1 + column,
            Parameter::Varying(column) => 1 + self.n_constant + place * self.n_varying + column,
        }
    }
}

/// Inserts the customers, in key order, so that every row goes to the end of the table.
pub(super) fn insert_customers(
    transaction: &Transaction<'_>,
    table: &MonthTable,
    progress: &Progress,
) -> rusqlite::Result<()> {
    insert_columns(transaction, &schema::CUSTOMER_BEHAVIOR, table, COLUMNS, progress)
}

/// Inserts the devices of the customers, in the same order, where they were counted.
pub(super) fn insert_devices(transaction: &Transaction<'_>, table: &MonthTable) -> rusqlite::Result<()> {
    match table.counts_devices() {
        Devices::Ignored => Ok(()),
        Devices::Counted => {
            let home = &schema::CUSTOMER_DEVICES;
            insert_columns(transaction, home, table, DEVICE_COLUMNS, &Progress::hidden())
        }
    }
}

pub(super) fn insert_columns(
    transaction: &Transaction<'_>,
    home: &Table,
    table: &MonthTable,
    columns: &[Column],
    progress: &Progress,
) -> rusqlite::Result<()> {
    let parameters = RowParameters::new(table, columns);
    let n_whole = table.n_rows() / ROWS_PER_INSERT * ROWS_PER_INSERT;
    // Whole groups first, what is left one by one.
    for (rows, n_rows) in [(0..n_whole, ROWS_PER_INSERT), (n_whole..table.n_rows(), 1)] {
        let mut insert = parameters.prepare(transaction, home, n_rows)?;
        let mut unreported = 0;
        for first in rows.step_by(n_rows) {
            for place in 0..n_rows {
                parameters.bind(&mut insert, place, first + place)?;
            }
            insert.raw_execute()?;
            unreported += n_rows;
            if unreported >= ROWS_PER_REPORT {
                progress.advance(unreported as u64);
                unreported = 0;
            }
        }
        progress.advance(unreported as u64);
    }
    Ok(())
}

fn prepare_insert<'c>(transaction: &'c Transaction<'_>, table: &Table) -> rusqlite::Result<Statement<'c>> {
    let placeholders = vec!["?"; table.columns.len()].join(", ");
    let (name, columns) = (READING.fill(&table.qualified()), table.column_list());
    transaction.prepare(&format!("INSERT INTO {name} ({columns}) VALUES ({placeholders})"))
}

pub(super) fn insert_days(transaction: &Transaction<'_>, table: &MonthTable) -> rusqlite::Result<()> {
    let mut insert = prepare_insert(transaction, &schema::DAILY_ACTIVITY)?;
    for activity in &table.activity {
        let [movie, sport, child, relax, tv] = activity.seconds;
        insert.execute((
            table.month.first_day().to_string(),
            table.month.date(activity.day).map(|date| date.to_string()),
            count(activity.active_users),
            count(activity.records),
            movie,
            sport,
            child,
            relax,
            tv,
            // Never NULL: sums that do not fit are refused before.
            day_total(activity),
        ))?;
    }
    Ok(())
}

/// Seconds of a day in all categories, or `None` where they do not fit.
fn day_total(activity: &DayActivity) -> Option<i64> {
    let total: i128 = activity.seconds.iter().map(|seconds| i128::from(*seconds)).sum();
    i64::try_from(total).ok()
}

/// Adds a run and what belongs to it.
pub(super) fn insert_run(transaction: &Transaction<'_>, run: &RunRecord, finished: Timestamp) -> rusqlite::Result<()> {
    let mut insert = prepare_insert(transaction, &schema::ETL_RUN)?;
    // `Id`, which the database gives, stays unbound.
    bind(&mut insert, 2, &run.row(finished))?;
    insert.raw_execute()?;
    let id = transaction.last_insert_rowid();
    for (table, rows) in run.details() {
        let mut insert = prepare_insert(transaction, table)?;
        for row in rows {
            insert.raw_bind_parameter(1, id)?;
            bind(&mut insert, 2, &row)?;
            insert.raw_execute()?;
        }
    }
    Ok(())
}

fn bind(insert: &mut Statement<'_>, first: usize, values: &[Value]) -> rusqlite::Result<()> {
    for (number, value) in (first..).zip(values) {
        match value {
            Value::Null => insert.raw_bind_parameter(number, rusqlite::types::Null)?,
            Value::Integer(integer) => insert.raw_bind_parameter(number, integer)?,
            Value::Real(real) => insert.raw_bind_parameter(number, real)?,
            Value::Text(text) => insert.raw_bind_parameter(number, text)?,
        }
    }
    Ok(())
}

/// No count of records or bytes on this earth reaches 2^63.
fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
