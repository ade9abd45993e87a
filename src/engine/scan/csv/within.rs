//! What is within a file and should not be: rows in a field, and headers among the rows.
//!
//! Rows get into a field where a stray quote opens it: where another quote closes it later, all between the two is one record,
//! of the right number of fields perhaps.
//!
//! A field may hold line breaks, so that alone says nothing. But a line that has as many fields as the header, and an
//! integer in the place of the duration, is hardly a part of a text: two such lines within a field are no chance. Where
//! there are fewer, the first and the last line have to be such rows too: of a record that is meant they have its fields
//! between them, not each.

use super::layout::{Columns, CsvLayout};
use super::record::read_record;
use crate::engine::rules::FieldTypes;
use crate::engine::scan::integer::integer;
use crate::engine::scan::lines::without_return;

/// Bytes of a record in which rows are looked for: a stray quote takes whole rows from the next line on.
const MAX_SEEN_BYTES: usize = 64 << 10;

/// Longest record that is looked at as a header.
const MAX_HEADER_BYTES: usize = 4096;

/// Lines that look like rows from which on they are rows.
const MIN_ROWS: usize = 2;

/// Where in the record `raw` the quote stands that opens a field with rows in it; none where there is no such field.
pub(super) fn find_rows(raw: &[u8], layout: &CsvLayout) -> Option<usize> {
    // Outside of quotes a line break ends the record.
    memchr::memchr(b'\n', raw)?;
    find_rows_in_lines(raw, layout)
}

#[cold]
fn find_rows_in_lines(raw: &[u8], layout: &CsvLayout) -> Option<usize> {
    // A row that holds JSON text is full of quotes, which close a stray one within its line.
    let Columns::Named { seconds, .. } = layout.columns else { return None };
    let is_row = |line: &[u8]| {
        let mut fields = without_return(line).split(|byte| *byte == layout.delimiter);
        let duration = fields.by_ref().nth(seconds).map(without_quotes);
        let n_fields = seconds + 1 + fields.count();
        n_fields == layout.n_fields && duration.is_some_and(|text| integer(text, FieldTypes::Lenient).is_some())
    };
    let seen = raw.get(..MAX_SEEN_BYTES).unwrap_or(raw);
    let first_end = memchr::memchr(b'\n', seen)?;
    let last_start = memchr::memrchr(b'\n', seen)? + 1;
    let within = seen.get(first_end + 1..last_start).unwrap_or_default();
    let lines = || within.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line));
    let is_row_within = |line: &&[u8]| !line.contains(&b'"') && is_row(line);
    let n_rows = lines().filter(is_row_within).take(MIN_ROWS).count();
    let is_row_each = || {
        seen.len() == raw.len()
            && lines().all(|line| is_row_within(&line))
            && [&raw[..first_end], &raw[last_start..]].into_iter().all(is_row)
    };
    let holds_rows = n_rows == MIN_ROWS || is_row_each();
    if !holds_rows {
        return None;
    }
    let mut quote = None;
    read_record(raw, 0, layout.delimiter, |_, field| {
        if quote.is_none() {
            quote = field.opening_quote(raw);
        }
    });
    quote
}

/// The layout that a record says as a header does; none where it is none.
pub(super) fn layout_of(raw: &[u8]) -> Option<CsvLayout> {
    /// A name that every header has, unless it is that of a JSON text.
    const NAMES: [&[u8]; 2] = [b"totalduration", b"_source"];
    let seen = raw.get(..MAX_HEADER_BYTES).is_none().then_some(raw)?;
    let has = |name: &[u8]| seen.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name));
    let may_be = NAMES.into_iter().any(has);
    may_be.then(|| CsvLayout::from_header(raw).ok().map(|(layout, _)| layout))?
}

/// A field without the quotes around it, one of which may be the stray one.
fn without_quotes(field: &[u8]) -> &[u8] {
    let field = field.strip_prefix(b"\"").unwrap_or(field);
    field.strip_suffix(b"\"").unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_among_rows_is_found() {
        let check = |record: &str, expected: &str| {
            let expected = CsvLayout::from_header(expected.as_bytes()).ok().map(|(layout, _)| layout);
            assert_eq!(layout_of(record.as_bytes()), expected, "{record:?}");
        };
        check("Contract,Mac,TotalDuration,AppName", "Contract,Mac,TotalDuration,AppName");
        check("mac;contract;appname;totalduration", "mac;contract;appname;totalduration");
        check("_id,_source", "_id,_source");
        check("C1,M1,TotalDuration,VOD", "");
        check("C1,M1,none,VOD", "");
        check("", "");
        check(&format!("Contract,TotalDuration,AppName{}", ",x".repeat(4096)), "");
    }

    #[test]
    fn rows_within_a_field_are_found() {
        let check = |header: &str, record: &str, expected: Option<usize>| {
            let (layout, _) = CsvLayout::from_header(header.as_bytes()).unwrap();
            assert_eq!(find_rows(record.as_bytes(), &layout), expected, "{record:?}");
        };
        let usual = "Contract,Mac,TotalDuration,AppName\n";
        check(usual, "C2,\"M2,102,VOD\nC3,M3,103,VOD\nC4,M4,104,VOD\nC9,M9\",109,VOD", Some(3));
        check(usual, "C2,\"M2,102,VOD\r\nC3,M3,103,VOD\r\nC4,M4,104,VOD\r\nC9,M9,109\",VOD", Some(3));
        check(usual, "\"C2,M2,102,VOD\nC9\",M9,109,VOD", Some(0));
        check(usual, "C2,M2,\"102,VOD\nC3,M3,103,\"VOD", Some(6));
        check(usual, "C2,M2,\"102,VOD\nC3,M3,103\",VOD", Some(6));
        check(usual, &format!("C2,\"M2,102,VOD\n{}x", "C3,M3,103,VOD\n".repeat(9000)), Some(3));
        check(usual, "C2,\"M2,102,VOD\nC3,M3,103,VOD\nC9,M9\",109,VOD", Some(3));
        check(usual, "C2,\"M2,102,VOD\nx\nC3,M3,103,VOD\n\nC4,M4,-4,NEW\nC9,M9\",109,VOD", Some(3));
        // One row is no proof; nor are lines of any other text.
        check(usual, "C2,M2,102,VOD", None);
        check(usual, "C2,\"a\n1,\"\"b\"\",1,VOD\n2,\"\"b\"\",2,VOD\n\",102,VOD", None);
        check("Contract,TotalDuration,AppName,Title\n", "C2,102,VOD,\"Love\nand\npeace\"", None);
        check("Title,Contract,TotalDuration,AppName\n", "\"Love\nand\npeace\",C2,102,VOD", None);
        check(usual, "C2,\"a\nb\",102,VOD", None);
        check(usual, "C2,\"a,102,VOD\nx\nC9,M9\",109,VOD", None);
        check(usual, "C2,\"a,b,102,c\nb\",102,VOD", None);
        check(usual, "C2,\"one, two, three, four\nfive, six, seven, eight\nnine, 10, 11, 12\",102,VOD", None);
        check("Title,Contract,TotalDuration,AppName\n", "\"Love, hate, 3, war\nand peace\",C2,102,VOD", None);
        let titles = "\"Love, hate,\nwar, peace,\nwine, 3\",C2,102,VOD";
        check("Title,Contract,TotalDuration,AppName\n", titles, None);
        // A stray quote before text in JSON ends on its line.
        check("_id,_source\n", "\"a,\"{\"\"Contract\"\":\"\"A\"\"}\"\nb,2\nc,3\"", None);
        check("_id,Contract,AppName,TotalDuration,x\n", "\"1,C,V,5,\n2,D,V,6,\n3,E,V,7,x", Some(0));
    }
}
