//! All customers that differ, as CSV: each column as it is in A and in B.

use std::io::{self, Write};

use super::COMPARED;
use super::compare::At;

/// The list while it is written.
pub(super) struct List<'a>(csv::Writer<&'a mut (dyn Write + Send)>);

impl<'a> List<'a> {
    /// Begins with the header.
    pub fn begin(output: &'a mut (dyn Write + Send)) -> io::Result<List<'a>> {
        let mut writer = csv::Writer::from_writer(output);
        let columns = COMPARED.iter().flat_map(|name| [format!("{name}_A"), format!("{name}_B")]);
        writer.write_record(["Contract".to_owned(), "Change".to_owned()].into_iter().chain(columns))?;
        Ok(List(writer))
    }

    /// Adds a customer; a side that does not have it stays empty.
    pub fn write(&mut self, a: Option<At<'_>>, b: Option<At<'_>>) -> io::Result<()> {
        let Some(either) = a.or(b) else { return Ok(()) };
        let change = match (a, b) {
            (Some(_), None) => "only_in_a",
            (None, Some(_)) => "only_in_b",
            _ => "changed",
        };
        self.0.write_field(either.contract())?;
        self.0.write_field(change)?;
        let (a, b) = (cells(a), cells(b));
        for (a, b) in a.iter().zip(&b) {
            self.0.write_field(a)?;
            self.0.write_field(b)?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The values of [`COMPARED`] as text.
fn cells(at: Option<At<'_>>) -> [String; COMPARED.len()] {
    let mut cells = [const { String::new() }; COMPARED.len()];
    let Some(At { batch, row }) = at else { return cells };
    let values = &batch.rows[row];
    for (cell, seconds) in cells.iter_mut().zip(values.seconds) {
        *cell = seconds.to_string();
    }
    let others = [
        values.total.to_string(),
        batch.most_watch(row).to_owned(),
        batch.taste(row).to_owned(),
        values.activeness.to_string(),
        values.days.map_or_else(String::new, |days| days.to_string()),
    ];
    for (cell, text) in cells[values.seconds.len()..].iter_mut().zip(others) {
        *cell = text;
    }
    cells
}
