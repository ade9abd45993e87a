//! All customers that differ, as CSV: each column as it is in A and in B.

use std::io::{self, Write};

use super::COMPARED;
use super::compare::At;
use super::side::Compared;

/// The list while it is written.
pub(super) struct List<'a>(csv::Writer<&'a mut (dyn Write + Send)>);

impl<'a> List<'a> {
    /// Begins with the header.
    pub fn begin(output: &'a mut (dyn Write + Send)) -> io::Result<List<'a>> {
        let mut writer = csv::Writer::from_writer(output);
        let columns = COMPARED.iter().flat_map(|column| ["A", "B"].map(|side| format!("{}_{side}", column.name)));
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

/// The values of [`COMPARED`] as text, empty where the side does not have the customer.
fn cells(at: Option<At<'_>>) -> Vec<String> {
    let Some(at) = at else { return vec![String::new(); COMPARED.len()] };
    let text = |value: Compared<'_>| match value {
        Compared::Nothing => String::new(),
        Compared::Number(number) => number.to_string(),
        Compared::Label(label) => label.to_owned(),
    };
    at.values().map(text).collect()
}
