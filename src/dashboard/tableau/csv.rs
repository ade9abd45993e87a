//! The rows as CSV, from wherever they are: RFC 4180, UTF-8, columns as in the table.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;

use jiff::civil::Date;

use super::field::csv_header;
use crate::dashboard::model::Summary;
use crate::engine::calendar::Month;
use crate::engine::columns::{COLUMNS, Cell, Output, Role, TOTAL, Values};
use crate::engine::month::MonthTable;
use crate::warehouse::rows::columns_of_row;
use crate::warehouse::{CustomerRow, Fault, RowSink, Warehouse, WarehouseError};

/// Where the rows of one month come from.
pub trait RowSource {
    /// The month of all rows.
    fn month(&self) -> Month;

    /// Gives all rows in contract order, until the sink breaks off.
    ///
    /// # Errors
    /// The warehouse could not be read to the end of the month.
    fn for_each_row(&mut self, each: &mut RowSink<'_>) -> Result<(), WarehouseError>;
}

/// The rows of a month that has just been made.
#[derive(Clone, Copy, Debug)]
pub struct TableRows<'a>(pub &'a MonthTable);

impl RowSource for TableRows<'_> {
    fn month(&self) -> Month {
        self.0.month
    }

    fn for_each_row(&mut self, each: &mut RowSink<'_>) -> Result<(), WarehouseError> {
        let table = self.0;
        let values: Vec<Values<'_>> = columns_of_row(COLUMNS).map(|column| column.values(table)).collect();
        let mut cells = Vec::with_capacity(values.len());
        for row in 0..table.n_rows() {
            cells.clear();
            cells.extend(values.iter().map(|values| values.cell(row)));
            if each(CustomerRow::new(&cells)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The rows of a month in a warehouse.
pub struct WarehouseRows<'a> {
    pub warehouse: &'a mut dyn Warehouse,
    pub month: Month,
    /// What its rows must come to.
    pub expected: Summary,
}

impl RowSource for WarehouseRows<'_> {
    fn month(&self) -> Month {
        self.month
    }

    /// Counts what comes: a server may cut a result short without a word, and a run beside this one may publish the
    /// month anew after the model was read.
    fn for_each_row(&mut self, each: &mut RowSink<'_>) -> Result<(), WarehouseError> {
        let (mut n_rows, mut seconds, mut flow) = (0_i64, 0_i128, ControlFlow::Continue(()));
        let total = columns_of_row(COLUMNS).position(|column| column.name == TOTAL);
        self.warehouse.for_each_row(self.month, &mut |row| {
            n_rows += 1;
            if let Some(Cell::Integer(total)) = total.and_then(|place| row.cells.get(place)) {
                seconds += i128::from(*total);
            }
            flow = each(row);
            flow
        })?;
        let Summary { users, total_seconds, .. } = self.expected;
        if flow.is_break() || (n_rows == users && seconds == i128::from(total_seconds)) {
            return Ok(());
        }
        let month = self.month;
        let fault = Fault::OtherRows { month, n_rows, seconds, users, total_seconds };
        Err(WarehouseError::step(self.warehouse.address(), "reading customer_behavior", fault))
    }
}

/// How contracts leave the house.
#[derive(Clone, Copy)]
pub enum Contracts<'a> {
    /// As they are.
    Plain,
    /// Under the pseudonyms that the function gives. The rows then come in the order of the pseudonyms: in the order
    /// of the contracts, whoever has a list of them could read the names off.
    Masked(&'a dyn Fn(&str) -> Cow<'_, str>),
}

/// Bytes handed on at once.
const BLOCK: usize = 1 << 20;

/// Writes the header and all rows in blocks to `sink`, until that breaks off, and returns the number of rows.
pub(super) fn write_csv(
    rows: &mut dyn RowSource,
    contracts: Contracts<'_>,
    sink: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
) -> Result<u64, WarehouseError> {
    let mut n_rows = 0;
    let mut lines = Lines::new(rows.month());
    let mut block = Vec::with_capacity(BLOCK + 4096);
    block.extend_from_slice(csv_header().as_bytes());
    match contracts {
        Contracts::Plain => rows.for_each_row(&mut |row| {
            n_rows += 1;
            lines.push(&mut block, row.contract, &row);
            if block.len() < BLOCK {
                return ControlFlow::Continue(());
            }
            sink(std::mem::replace(&mut block, Vec::with_capacity(BLOCK + 4096)))
        })?,
        Contracts::Masked(mask) => {
            let mut text = Vec::new();
            let mut ends = Vec::new();
            rows.for_each_row(&mut |row| {
                n_rows += 1;
                lines.push(&mut text, &mask(row.contract), &row);
                ends.push(text.len());
                ControlFlow::Continue(())
            })?;
            // Every line begins with the same month, then the pseudonym.
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let mut order: Vec<&[u8]> = starts.zip(&ends).filter_map(|(start, end)| text.get(start..*end)).collect();
            order.sort_unstable();
            for line in order {
                block.extend_from_slice(line);
                if block.len() >= BLOCK && sink(std::mem::take(&mut block)).is_break() {
                    return Ok(n_rows);
                }
            }
        }
    }
    let _ = sink(block);
    Ok(n_rows)
}

/// Formats rows; keeps the text of the dates, which hardly ever change.
struct Lines {
    month: String,
    /// Of each column of a row, whether the workbook holds it, and whether it is the contract.
    columns: Vec<(bool, bool)>,
    date: Option<(Date, String)>,
}

impl Lines {
    fn new(month: Month) -> Lines {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "{}", month.first_day());
        let columns =
            columns_of_row(COLUMNS).map(|column| (column.is_held_by(Output::Workbook), column.role == Role::Key));
        Lines { month: text, columns: columns.collect(), date: None }
    }

    fn push(&mut self, to: &mut Vec<u8>, contract: &str, row: &CustomerRow<'_>) {
        to.extend_from_slice(self.month.as_bytes());
        for (cell, (is_held, is_contract)) in row.cells.iter().zip(&self.columns) {
            if !is_held {
                continue;
            }
            to.push(b',');
            match cell {
                Cell::Text(_) if *is_contract => push_text(to, contract),
                Cell::Text(text) => push_text(to, text),
                // Writing to a Vec cannot fail.
                Cell::Integer(number) => drop(write!(to, "{number}")),
                Cell::Date(date) => {
                    let same = self.date.as_ref().filter(|(known, _)| known == date);
                    if same.is_none() {
                        self.date = Some((*date, date.to_string()));
                    }
                    to.extend_from_slice(self.date.as_ref().map_or("", |(_, text)| text).as_bytes());
                }
            }
        }
        to.extend_from_slice(b"\r\n");
    }
}

/// Quotes whatever is not plainly a word: separators, but also spaces, which readers may trim.
fn push_text(to: &mut Vec<u8>, text: &str) {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
        to.extend_from_slice(text.as_bytes());
        return;
    }
    to.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            to.push(b'"');
        }
        to.push(byte);
    }
    to.push(b'"');
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::rules::Rules;

    /// Rows with the given contracts and everything else alike.
    pub(in super::super) struct Few(pub(in super::super) Vec<&'static str>);

    impl RowSource for Few {
        fn month(&self) -> Month {
            "2022-04".parse().unwrap()
        }

        fn for_each_row(&mut self, each: &mut RowSink<'_>) -> Result<(), WarehouseError> {
            let rules = Rules::preset("default").unwrap();
            let seconds = [1, 0, i64::MAX, -4, 5];
            let taste = &rules.labels.taste_labels()[usize::from(rules.labels.taste(&seconds).0)];
            for contract in &self.0 {
                let mut cells = vec![Cell::Text(contract)];
                cells.extend(seconds.into_iter().chain([7]).map(Cell::Integer));
                cells.extend([Cell::Text("Child"), Cell::Text(taste), Cell::Integer(30)]);
                cells.push(Cell::Date("2022-05-01".parse().unwrap()));
                if each(CustomerRow::new(&cells)).is_break() {
                    break;
                }
            }
            Ok(())
        }
    }

    fn csv(contracts: &[&'static str], masked: Contracts<'_>) -> String {
        let mut bytes = Vec::new();
        let mut blocks = |block: Vec<u8>| {
            bytes.extend_from_slice(&block);
            ControlFlow::Continue(())
        };
        let n_rows = write_csv(&mut Few(contracts.to_vec()), masked, &mut blocks).unwrap();
        assert_eq!(n_rows, contracts.len() as u64);
        String::from_utf8(bytes).unwrap()
    }

    const HEADER: &str = "Month,Contract,MovieDuration,SportDuration,ChildDuration,RelaxDuration,TvDuration,\
                          TotalDuration,MostWatch,Taste,Activeness,Date\r\n";

    #[test]
    fn hostile_contracts_are_quoted() {
        let check = |contract: &'static str, field: &str| {
            let rest = "1,0,9223372036854775807,-4,5,7,Child,Movie_Child_Tv,30,2022-05-01";
            assert_eq!(csv(&[contract], Contracts::Plain), format!("{HEADER}2022-04-01,{field},{rest}\r\n"));
        };
        check("HNH_1-2.3", "HNH_1-2.3");
        check("A1 ", "\"A1 \"");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("a\r\nb", "\"a\r\nb\"");
        check("\\N", "\"\\N\"");
        check("\u{0}", "\"\u{0}\"");
        check("é\u{1f600}", "\"é\u{1f600}\"");
        check("=1+1", "\"=1+1\"");
    }

    #[test]
    fn no_rows_make_a_header() {
        assert_eq!(csv(&[], Contracts::Plain), HEADER);
    }

    #[test]
    fn masked_rows_come_in_the_order_of_their_pseudonyms() {
        let reversed = |contract: &str| contract.chars().rev().collect::<String>();
        let csv = csv(&["1c", "2b", "3a"], Contracts::Masked(&|contract| reversed(contract).into()));
        let contracts: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        assert_eq!(contracts, ["a3", "b2", "c1"]);
    }
}
