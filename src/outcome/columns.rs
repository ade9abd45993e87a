//! A table of texts, its columns as wide as what stands in them.

use std::fmt;

/// Writes rows of cells; the columns `right` hold numbers, which end where their neighbours do.
pub(super) fn write<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]], right: &[usize]) -> fmt::Result {
    let widths: [usize; N] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    for row in rows {
        let mut text = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            text += &match right.contains(&column) {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}
