//! All customers that differ, as CSV: each column as it is in A and in B.

use std::io::{self, Write};

use super::compare::At;
use super::side::Compared;
use crate::engine::columns::Column;

/// The list while it is written.
pub(super) struct List<'a> {
    writer: csv::Writer<&'a mut (dyn Write + Send)>,
    n_columns: usize,
}

impl<'a> List<'a> {
    /// Begins with the header.
    pub fn begin(output: &'a mut (dyn Write + Send), columns: &[&Column]) -> io::Result<List<'a>> {
        let mut writer = csv::Writer::from_writer(output);
        let n_columns = columns.len();
        let columns = columns.iter().flat_map(|column| ["A", "B"].map(|side| format!("{}_{side}", column.name)));
        writer.write_record(["Contract".to_owned(), "Change".to_owned()].into_iter().chain(columns))?;
        Ok(List { writer, n_columns })
    }

    /// Adds a customer; a side that does not have it stays empty.
    pub fn write(&mut self, a: Option<At<'_>>, b: Option<At<'_>>) -> io::Result<()> {
        let Some(either) = a.or(b) else { return Ok(()) };
        let change = match (a, b) {
            (Some(_), None) => "only_in_a",
            (None, Some(_)) => "only_in_b",
            _ => "changed",
        };
        self.writer.write_field(either.contract())?;
        self.writer.write_field(change)?;
        let (a, b) = (self.cells(a), self.cells(b));
        for (a, b) in a.iter().zip(&b) {
            self.writer.write_field(a)?;
            self.writer.write_field(b)?;
        }
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// The values that are compared as text, empty where the side does not have the customer.
    fn cells(&self, at: Option<At<'_>>) -> Vec<String> {
        let Some(at) = at else { return vec![String::new(); self.n_columns] };
        let text = |value: Compared<'_>| match value {
            Compared::Nothing => String::new(),
            Compared::Number(number) => number.to_string(),
            Compared::Label(label) => label.to_owned(),
        };
        at.values().map(text).collect()
    }
}
