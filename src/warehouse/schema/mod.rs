//! The tables and views of the warehouse and the mart, written down once for every kind of server.
//!
//! Text is compared byte for byte everywhere. Rows of a table lie in the order of its key.

use jiff::Timestamp;
use jiff::tz::TimeZone;

mod ddl;
mod tables;
mod template;
pub(super) mod version;

pub use ddl::{Comments, Dialect};
pub use tables::*;
pub use template::{Names, PartOfMonth};

/// A moment as text for a column of [`ColumnType::Timestamp`]: UTC, `YYYY-MM-DD HH:MM:SS.mmm`.
pub fn utc_text(moment: Timestamp) -> String {
    let utc = TimeZone::UTC.to_datetime(moment);
    format!("{} {:02}:{:02}:{:02}.{:03}", utc.date(), utc.hour(), utc.minute(), utc.second(), utc.millisecond())
}

/// A name of an app as the tables hold it: one of more than [`MAX_APP_CHARS`] characters ends in `…` there.
pub fn cut_app(app: &str) -> String {
    let max_chars = usize::from(MAX_APP_CHARS);
    match app.char_indices().nth(max_chars) {
        None => app.to_owned(),
        Some(_) => app.chars().take(max_chars - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        let moment: Timestamp = "2022-05-01T03:04:05.678901+07:00".parse().unwrap();
        assert_eq!(utc_text(moment), "2022-04-30 20:04:05.678");
    }

    #[test]
    fn long_app_names_are_cut() {
        let check = |n_chars: usize, end: &str, expected: &str| {
            assert_eq!(cut_app(&("é".repeat(n_chars) + end)), expected);
        };
        check(0, "zz", "zz");
        check(500, "", &"é".repeat(500));
        check(500, "x", &("é".repeat(499) + "…"));
    }
}
