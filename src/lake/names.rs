//! What a name says about a data file: whether it is one, its day and how it is written and packed.
//!
//! These rules know names only, so that a local folder and HDFS obey the same ones.

use jiff::civil::Date;

use super::{Compression, Format};
use crate::engine::calendar::Month;

/// Years that a name can mean. Outside of them a run of digits is taken for something else, such as seconds since 1970.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

/// Whether files and folders of this name are left out: hidden, or not finished by whoever writes them.
pub fn is_left_out(name: &str) -> bool {
    name.starts_with(['_', '.']) || [".crc", ".tmp", ".inprogress", "._COPYING_"].iter().any(|end| name.ends_with(end))
}

/// Whether this program writes a file of this name into its output folder.
pub fn is_output(name: &str) -> bool {
    let is_database = |stem: &str| name.strip_prefix(stem).is_some_and(|end| end.is_empty() || end.starts_with('-'));
    let is_month = || {
        let month = name.strip_prefix("month-").and_then(|rest| rest.split_once('.'));
        month.is_some_and(|(month, _)| month.parse::<Month>().is_ok())
    };
    ["rejects.ndjson", "rejects-refused.ndjson", "report.json", "report-refused.json", "dashboard.html"].contains(&name)
        || ["viewmart.twbx", "viewmart.twb", "viewmart.tds"].contains(&name)
        || is_database("warehouse.db")
        || is_database("mart.db")
        || is_month()
}

/// The day of the file at `path` (separated by `/`): the first one in its file name, else in its nearest parent folder
/// that names one.
pub fn day_of(path: &str) -> Option<Date> {
    path.rsplit('/').find_map(first_date)
}

/// The first `YYYYMMDD` or `YYYY-MM-DD` in `name` that is a real date. It starts a run of digits, but digits may follow
/// it (`2022040113.json` is an hour of a day); the random digits of a UUID, which Spark puts into its names, are none.
fn first_date(name: &str) -> Option<Date> {
    let bytes = name.as_bytes();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if is_uuid(rest) {
            at += UUID.len();
            continue;
        }
        let starts_digits = rest[0].is_ascii_digit() && !at.checked_sub(1).is_some_and(|b| bytes[b].is_ascii_digit());
        if starts_digits && let Some(date) = date_at(rest) {
            return Some(date);
        }
        at += 1;
    }
    None
}

/// The date that `bytes` begins with.
fn date_at(bytes: &[u8]) -> Option<Date> {
    let number = |from: usize, to: usize| {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0_i16, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i16::from(digit - b'0')))
    };
    let date = |year: i16, month: i16, day: i16| {
        let date = Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
        YEARS.contains(&year).then_some(date)
    };
    let year = number(0, 4)?;
    match (bytes.get(4), bytes.get(7)) {
        (Some(b'-'), Some(b'-')) => date(year, number(5, 7)?, number(8, 10)?),
        _ => date(year, number(4, 6)?, number(6, 8)?),
    }
}

const UUID: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() >= UUID.len()
        && UUID
            .iter()
            .zip(bytes)
            .all(|(form, byte)| if *form == b'-' { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// How a file of this name is packed, by its last ending.
pub fn compression_of(name: &str) -> Compression {
    split_compression(name).1
}

/// How the records of a file of this name are written, by its ending before `.gz` or `.zst`.
pub fn format_of(name: &str) -> Option<Format> {
    let name = split_compression(name).0;
    let ends = |endings: &[&str]| endings.iter().any(|ending| strip_ending(name, ending).is_some());
    if ends(&[".json", ".jsonl", ".ndjson"]) {
        Some(Format::Ndjson)
    } else if ends(&[".csv"]) {
        Some(Format::Csv)
    } else {
        None
    }
}

fn split_compression(name: &str) -> (&str, Compression) {
    if let Some(name) = strip_ending(name, ".gz") {
        (name, Compression::Gzip)
    } else if let Some(name) = strip_ending(name, ".zst") {
        (name, Compression::Zstd)
    } else {
        (name, Compression::None)
    }
}

/// `name` without `ending` (ASCII, any case).
fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, found) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    found.eq_ignore_ascii_case(ending).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_come_from_the_nearest_name_that_has_one() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(day_of(path).map(|date| date.to_string()).as_deref(), expected, "{path}");
        };
        check("20220401.json", Some("2022-04-01"));
        check("lake/log-2022-04-01.json.gz", Some("2022-04-01"));
        check("log_content_20220401.csv", Some("2022-04-01"));
        check("2022-04-01/20220402.json", Some("2022-04-02"));
        check("lake/day=2022-04-01/part-00000.json", Some("2022-04-01"));
        check("2022-03-01/day=2022-04-01/hour=13/part.json", Some("2022-04-01"));
        check("20220401_20220402.json", Some("2022-04-01"));
        check("20221301_20220402.json", Some("2022-04-02"));
        check("2022-02-30 2022-02-28.json", Some("2022-02-28"));
        check("2022040113.json", Some("2022-04-01"));
        check("2022-04-01T13.json", Some("2022-04-01"));
        check("20240229.json", Some("2024-02-29"));
        check("20230229.json", None);
        check("ngày-20220401.json", Some("2022-04-01"));
        // Seconds since 1970, of which the first eight digits read as a date of 1648.
        check("2022-03-24/part-1648123100.json", Some("2022-03-24"));
        // The UUID of a Spark part file happens to hold dates.
        check("d=2022-04-01/part-0-20110512-20aa-4bbb-8ccc-201105122011-c000.json", Some("2022-04-01"));
        check("120220401.json", None);
        check("2022-4-1.json", None);
        check("2022_04_01.json", None);
        check("part-00000.json", None);
        check("2022", None);
        check("", None);
    }

    #[test]
    fn endings_give_format_and_compression() {
        let check = |name: &str, format: Option<Format>, compression: Compression| {
            assert_eq!((format_of(name), compression_of(name)), (format, compression), "{name}");
        };
        check("a.json", Some(Format::Ndjson), Compression::None);
        check("a.jsonl", Some(Format::Ndjson), Compression::None);
        check("a.ndjson.gz", Some(Format::Ndjson), Compression::Gzip);
        check("a.JSON.ZST", Some(Format::Ndjson), Compression::Zstd);
        check("a.csv", Some(Format::Csv), Compression::None);
        check("a.csv.zst", Some(Format::Csv), Compression::Zstd);
        check("a.csv.gz", Some(Format::Csv), Compression::Gzip);
        check("a.gz", None, Compression::Gzip);
        check("a.parquet", None, Compression::None);
        check("json", None, Compression::None);
        check("a.json.bz2", None, Compression::None);
        check("é", None, Compression::None);
    }

    #[test]
    fn hidden_and_unfinished_names_are_left_out() {
        let check = |name: &str, left_out: bool| assert_eq!(is_left_out(name), left_out, "{name}");
        for name in ["_SUCCESS", "_temporary", ".hidden", ".a.json.crc", "a.json.crc", "a.tmp", "a.json.inprogress"] {
            check(name, true);
        }
        check("a.json._COPYING_", true);
        for name in ["a.json", "a_.json", "crc", "a.tmp.json", "day=2022-04-01"] {
            check(name, false);
        }
    }

    #[test]
    fn outputs_are_known_by_name() {
        let check = |name: &str, expected: bool| assert_eq!(is_output(name), expected, "{name}");
        for name in [
            "rejects.ndjson",
            "report.json",
            "warehouse.db",
            "mart.db-journal",
            "month-2022-04.parquet",
            "month-2022-04.report.json",
        ] {
            check(name, true);
        }
        for name in ["20220401.ndjson", "rejects-20220401.ndjson", "warehouse.db.json", "2022-04.parquet", ""] {
            check(name, false);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_read_without_panic(name in ".{0,40}", digits in "[0-9a-f/-]{0,60}") {
            for name in [&name, &digits] {
                day_of(name);
                format_of(name);
                compression_of(name);
            }
        }
    }
}
