//! Numbers, sizes, times and days as people read them: the same everywhere in reports and messages.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::engine::calendar::{self, Day, Month};

/// `YYYY-MM-DD` of each day.
pub fn dates(month: Month, days: &[Day]) -> Vec<String> {
    days.iter().map(|day| format!("{month}-{:02}", day.number())).collect()
}

/// The same for people, days that follow each other as one.
pub fn date_runs(month: Month, days: &[Day]) -> String {
    let runs = calendar::runs(days).map(|(first, last)| match first == last {
        true => format!("{month}-{:02}", first.number()),
        false => format!("{month}-{:02} to {month}-{:02}", first.number(), last.number()),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// A number of things, `1 file` or `30 files`.
pub fn counted(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    grouped_wide(i128::from(number))
}

/// The same for numbers that may be negative or wide.
pub fn grouped_wide(number: i128) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest decimal unit that leaves at least one digit before the point, for example `8.31 GB`.
pub fn size(n_bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match UNITS.into_iter().find(|(_, unit)| n_bytes >= *unit) {
        Some((name, unit)) => format!("{:.2} {name}", n_bytes as f64 / unit as f64),
        None => format!("{n_bytes} B"),
    }
}

/// Seconds as hours: `6.4 h`, `12,345,678 h`.
pub fn hours(seconds: i128) -> String {
    bare_hours(seconds) + " h"
}

/// The same where the unit is told elsewhere. One decimal below 1,000 hours; what is there but rounds to nothing is `<0.1`.
pub fn bare_hours(seconds: i128) -> String {
    let n_seconds = seconds.unsigned_abs();
    let sign = if seconds < 0 { "-" } else { "" };
    if n_seconds >= 3_600_000 {
        return format!("{sign}{}", grouped_wide(((n_seconds + 1800) / 3600).cast_signed()));
    }
    match (n_seconds + 180) / 360 {
        0 if seconds > 0 => "<0.1".to_owned(),
        0 => "0.0".to_owned(),
        tenths => format!("{sign}{}.{}", grouped_wide((tenths / 10).cast_signed()), tenths % 10),
    }
}

/// A part of a whole in percent, `42.0 %`; what is there but rounds to nothing is `<0.1 %`, what is missing but rounds to
/// nothing `>99.9 %`.
pub fn percent(part: i128, whole: i128) -> String {
    if whole == 0 {
        return "0.0 %".to_owned();
    }
    let percent = part as f64 / whole as f64 * 100.0;
    match (format!("{percent:.1} %").as_str(), part) {
        ("0.0 %", 1..) => "<0.1 %".to_owned(),
        ("100.0 %", part) if part < whole => ">99.9 %".to_owned(),
        (text, _) => text.to_owned(),
    }
}

/// The same with two places, for parts that are chosen finely: `12.34 %`.
pub fn fine_percent(part: u64, whole: u64) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    match (format!("{:.2} %", share * 100.0).as_str(), part) {
        ("0.00 %", 1..) => "<0.01 %".to_owned(),
        ("100.00 %", part) if part < whole => ">99.99 %".to_owned(),
        (text, _) => text.to_owned(),
    }
}

/// A text from outside within a line: its control characters, line ends and tabs among them, stand as escapes.
pub fn in_one_line(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// The most frequent apps and how many more there are; one that is in `similar` with the name that the rules know.
/// App names are outside data: quoted, their control characters escaped.
pub fn most_frequent(apps: &BTreeMap<String, u64>, similar: &BTreeMap<String, String>) -> String {
    const SHOWN: usize = 5;
    let mut by_count: Vec<(&String, &u64)> = apps.iter().collect();
    by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let mut text = String::new();
    for (place, (app, records)) in by_count.iter().take(SHOWN).enumerate() {
        let name: String = app.chars().take(40).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, "{}{name:?} {}", if place == 0 { "" } else { ", " }, grouped(**records));
        if let Some(known) = similar.get(*app) {
            let _ = write!(text, " (the rules have {known:?})");
        }
    }
    if by_count.len() > SHOWN {
        let _ = write!(text, " and {} more", by_count.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_sizes_have_units() {
        let check = |number: i128, expected: &str| assert_eq!(grouped_wide(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(-1_234_567, "-1,234,567");
        let check = |n_bytes: u64, expected: &str| assert_eq!(size(n_bytes), expected);
        check(0, "0 B");
        check(999, "999 B");
        check(1000, "1.00 kB");
        check(8_310_000_000, "8.31 GB");
    }

    #[test]
    fn seconds_are_hours_and_parts_percent() {
        let check = |seconds: i128, expected: &str| assert_eq!(hours(seconds), expected, "{seconds}");
        assert_eq!([-5400, 4_446_000_000].map(bare_hours), ["-1.5", "1,235,000"]);
        assert_eq!([fine_percent(0, 0), fine_percent(1, 3), fine_percent(5, 5)], ["0.00 %", "33.33 %", "100.00 %"]);
        assert_eq!([fine_percent(5, 200_000), fine_percent(199_995, 200_000)], ["<0.01 %", ">99.99 %"]);
        check(0, "0.0 h");
        check(1, "<0.1 h");
        check(179, "<0.1 h");
        check(-179, "0.0 h");
        check(180, "0.1 h");
        check(3600, "1.0 h");
        check(-23_040, "-6.4 h");
        check(3_599_999, "1,000.0 h");
        check(3_600_000, "1,000 h");
        check(-3_601_801, "-1,001 h");
        check(i128::MAX / 2, &format!("{} h", grouped_wide((i128::MAX / 2 + 1800) / 3600)));
        let check = |part: i128, whole: i128, expected: &str| assert_eq!(percent(part, whole), expected, "{part}");
        check(0, 0, "0.0 %");
        check(0, 7, "0.0 %");
        check(1, 3, "33.3 %");
        check(7, 7, "100.0 %");
        check(1, 1_000_000, "<0.1 %");
        check(999_999, 1_000_000, ">99.9 %");
    }
}
