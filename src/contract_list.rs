//! Lists of contracts in a file, one a line: what `in('list.csv')` and `exclude_file` read.

use std::io;
use std::path::Path;

/// What may be between the columns.
const DELIMITERS: &[u8] = b",;\t|";

/// The name of the first column, where it has one.
const HEADER: &str = "Contract";

/// A last line of our own.
const END: &str = "\0";

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is no CSV in UTF-8.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// A quote without its partner: what follows it would be one contract.
    #[error("line {line}: a quote is opened that is not closed on its line; close it, or remove it")]
    OpenQuote {
        /// The line, from 1.
        line: u64,
    },
}

/// The contracts in the first column of a CSV file; a header `Contract` and a byte order mark are passed over. Columns are
/// apart by `,`, or by `;`, tab or `|` where a header or `sep=` in the first line says so.
///
/// # Errors
/// When the file cannot be read, is not UTF-8, or has a quote that is open at the end of its line.
pub fn read(path: &Path) -> Result<Vec<String>, ListError> {
    let text = std::fs::read(path)?;
    parse(text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text))
}

fn parse(text: &[u8]) -> Result<Vec<String>, ListError> {
    let first = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let said = first.strip_prefix(b"sep=").and_then(|rest| rest.first().copied());
    let delimiter = said.or_else(|| delimiter_of(first)).unwrap_or(b',');
    // The end of its line stays, which counts.
    let text = if said.is_some() { &text[first.len()..] } else { text };
    // A quote that is open at the end would make the last line a good one.
    let text = [text, b"\n", END.as_bytes()].concat();
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(&text[..]);
    let mut contracts: Vec<String> = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        if record.iter().any(|field| field.contains(['\n', '\r'])) {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(ListError::OpenQuote { line });
        }
        contracts.push(record.get(0).unwrap_or_default().to_owned());
    }
    contracts.pop_if(|last| last == END);
    let has_header = contracts.first().is_some_and(|first| first.eq_ignore_ascii_case(HEADER));
    contracts.drain(..usize::from(has_header));
    Ok(contracts)
}

/// What is between the columns of a header; none where the line is none, as a contract may hold anything.
fn delimiter_of(line: &[u8]) -> Option<u8> {
    let rest = line.get(HEADER.len()..).filter(|_| line[..HEADER.len()].eq_ignore_ascii_case(HEADER.as_bytes()))?;
    rest.first().copied().filter(|byte| DELIMITERS.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_is_the_list_and_an_open_quote_is_no_part_of_it() {
        let check = |text: &str, expected: Result<&[&str], &str>| {
            let found = parse(text.as_bytes()).map_err(|error| error.to_string());
            let expected = expected.map(|contracts| contracts.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
            assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
        };
        check("", Ok(&[]));
        check("A\nB\n", Ok(&["A", "B"]));
        check("A,5\" set\nB;C\n\n", Ok(&["A", "B;C"]));
        check("Contract,Name\r\nA,x\r\nB,y", Ok(&["A", "B"]));
        check("Contract;Name\nA;x\nB;y, z\n", Ok(&["A", "B"]));
        check("contract\tName\nA\tx\n", Ok(&["A"]));
        check("sep=;\r\nContract;Name\r\nA;x\r\n", Ok(&["A"]));
        check("\"A\",\"x\"\n\"B\"\"C\",y\n", Ok(&["A", "B\"C"]));
        let open =
            |line| format!("line {line}: a quote is opened that is not closed on its line; close it, or remove it");
        check("A\n\"B\nC\nD\n", Err(&open(2)));
        check("A\n\"B\nC\"\nD\n", Err(&open(2)));
        check("A\nB\n\"C", Err(&open(3)));
        check("A,\"x\nB,y\n", Err(&open(1)));
        check("sep=;\nA\n\"C\n", Err(&open(3)));
    }
}
