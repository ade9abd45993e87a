//! Rows as the server reads them: the columns that are sent, and their text for `LOAD DATA` and for `INSERT`.

use std::fmt::Write as _;

use crate::engine::columns::{COLUMNS, Cell, Column, ColumnType, Output, Values, held_by};
use crate::engine::month::MonthTable;

/// Most bytes of a row in either encoding: texts of characters of 4 bytes, each byte escaped, numbers of 20 digits, and
/// what stands between them.
pub(super) const MAX_ROW_BYTES: usize = {
    let (mut n_bytes, mut place) = (0, 0);
    while place < COLUMNS.len() {
        n_bytes += match COLUMNS[place].column_type {
            ColumnType::Text { max_chars } => max_chars as usize * 8 + 4,
            ColumnType::Date | ColumnType::BigInt | ColumnType::Int => 24,
        };
        place += 1;
    }
    n_bytes
};

/// The columns that are sent: all that are not the same in every row.
pub(super) fn sent(columns: &[Column]) -> impl Iterator<Item = &Column> + Clone {
    held_by(columns, Output::Warehouse).filter(|column| !column.is_constant())
}

/// Their names, separated by `, `.
pub(super) fn names_of_sent(columns: &[Column]) -> String {
    sent(columns).map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// The statement that makes what is the same in every row a default of the table `staging`: it is neither sent nor parsed.
pub(super) fn set_constants(staging: &str, table: &MonthTable, columns: &[Column]) -> String {
    let constants = held_by(columns, Output::Warehouse).filter_map(|column| match column.values(table) {
        Values::Date(date) => Some(format!("ALTER {} SET DEFAULT '{date}'", column.name)),
        _ => None,
    });
    format!("ALTER TABLE {staging} {}", constants.collect::<Vec<_>>().join(", "))
}

/// One row as `LOAD DATA` reads it: fields between tabs, a line feed at the end, escapes by backslash.
pub(super) fn push_tsv(buffer: &mut Vec<u8>, values: &[Values<'_>], row: usize) {
    for (place, values) in values.iter().enumerate() {
        if place > 0 {
            buffer.push(b'\t');
        }
        match values.cell(row) {
            Cell::Text(text) => push_escaped(buffer, text),
            Cell::Integer(number) => buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            Cell::Date(date) => push_escaped(buffer, &date.to_string()),
        }
    }
    buffer.push(b'\n');
}

/// A text with the bytes escaped that mean something to `LOAD DATA`. With the backslash escaped, the text `\N` is two
/// characters and not NULL.
fn push_escaped(buffer: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            b'\t' => buffer.extend_from_slice(b"\\t"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            b'\r' => buffer.extend_from_slice(b"\\r"),
            0 => buffer.extend_from_slice(b"\\0"),
            _ => buffer.push(byte),
        }
    }
}

/// One row as `INSERT` reads it.
pub(super) fn push_values(statement: &mut String, values: &[Values<'_>], row: usize) {
    for (place, values) in values.iter().enumerate() {
        statement.push(if place == 0 { '(' } else { ',' });
        match values.cell(row) {
            Cell::Text(text) => push_quoted(statement, text),
            // Writing to a String cannot fail.
            Cell::Integer(number) => drop(write!(statement, "{number}")),
            Cell::Date(date) => push_quoted(statement, &date.to_string()),
        }
    }
    statement.push(')');
}

fn push_quoted(statement: &mut String, text: &str) {
    statement.push('\'');
    for c in text.chars() {
        match c {
            '\\' => statement.push_str("\\\\"),
            '\'' => statement.push_str("\\'"),
            '\0' => statement.push_str("\\0"),
            _ => statement.push(c),
        }
    }
    statement.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::with_one_more;
    use crate::engine::rules::Rules;
    use crate::made::month_table;

    #[test]
    fn escapes() {
        let check = |text: &str, expected: &str| {
            let mut buffer = Vec::new();
            push_escaped(&mut buffer, text);
            assert_eq!(String::from_utf8(buffer).unwrap(), expected, "{text:?}");
        };
        check("HNH001", "HNH001");
        check("\\N", "\\\\N");
        check("a\tb\nc\r\0", "a\\tb\\nc\\r\\0");
        check("'\"%_😀é", "'\"%_😀é");
    }

    #[test]
    fn a_row_has_every_column_in_either_encoding() {
        let table = month_table("2022-04", &Rules::preset("default").unwrap(), &[("A\\'", [1, 0, 0, 0, -2], 3)]);
        let check = |columns: &[Column], names: &str, tsv: &str, sql: &str| {
            let values: Vec<Values<'_>> = sent(columns).map(|column| column.values(&table)).collect();
            let (mut buffer, mut statement) = (Vec::new(), String::new());
            push_tsv(&mut buffer, &values, 0);
            push_values(&mut statement, &values, 0);
            assert_eq!(names_of_sent(columns), names);
            assert_eq!((String::from_utf8(buffer).unwrap().as_str(), statement.as_str()), (tsv, sql));
        };
        let names = "Contract, MovieDuration, SportDuration, ChildDuration, RelaxDuration, TvDuration, TotalDuration, \
                     MostWatch, Taste, Activeness";
        let tsv = "A\\\\'\t1\t0\t0\t0\t-2\t-1\tMovie\tMovie\t3";
        let sql = "('A\\\\\\'',1,0,0,0,-2,-1,'Movie','Movie',3";
        check(COLUMNS, names, &format!("{tsv}\n"), &format!("{sql})"));
        let with_more = format!("{names}, SecondTotal");
        check(&with_one_more(), &with_more, &format!("{tsv}\t-1\n"), &format!("{sql},-1)"));
        assert_eq!(
            set_constants("s", &table, COLUMNS),
            "ALTER TABLE s ALTER Month SET DEFAULT '2022-04-01', ALTER Date SET DEFAULT '2022-05-01'"
        );
    }
}
