//! Numbers as people read them. Integer arithmetic, so that the same number is the same text everywhere.

use crate::engine::calendar::{Day, Month};
use crate::units::{bare_hours, grouped_wide};

/// `1,920,546`.
pub fn count(number: i64) -> String {
    grouped(i128::from(number))
}

/// A number of things: `1 customer`, `1,920,546 customers`.
pub fn counted(number: i64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

fn grouped(number: i128) -> String {
    // A minus as wide as a digit.
    grouped_wide(number).replacen('-', "\u{2212}", 1)
}

/// `numerator / denominator` with so many decimals, half away from zero; a denominator of 0 gives 0.
pub fn quotient(numerator: i128, denominator: i128, n_decimals: u32) -> String {
    let scale = 10_i128.pow(n_decimals);
    if denominator == 0 {
        return quotient(0, 1, n_decimals);
    }
    let doubled =
        (2 * scale).checked_mul(numerator).unwrap_or(if numerator < 0 { i128::MIN / 2 } else { i128::MAX / 2 });
    let away = if (numerator < 0) == (denominator < 0) { denominator } else { -denominator };
    let rounded = (doubled + away) / (2 * denominator);
    let whole = grouped(rounded.abs() / scale);
    let sign = if rounded < 0 { "\u{2212}" } else { "" };
    match n_decimals {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{:0width$}", rounded.abs() % scale, width = n_decimals as usize),
    }
}

/// Seconds as hours: `205,170,123`, and one decimal below 1,000 hours; what is there but rounds to 0 as `< 0.1`.
pub fn hours(seconds: i64) -> String {
    bare_hours(seconds.into()).replacen('-', "\u{2212}", 1).replacen('<', "<\u{a0}", 1)
}

/// A fraction as `97.1 %`; one that is not 0 but rounds to it as `< 0.1 %`, one that is not all as `> 99.9 %`.
pub fn percent(part: i64, whole: i64) -> String {
    let (part, whole) = (i128::from(part), i128::from(whole));
    match quotient(part * 100, whole, 1) {
        text if text == "0.0" && part > 0 && whole > 0 => "<\u{a0}0.1\u{a0}%".to_owned(),
        text if text == "100.0" && part < whole => ">\u{a0}99.9\u{a0}%".to_owned(),
        text => format!("{text}\u{a0}%"),
    }
}

/// A change as `+3.2 %`, or `None` where there was nothing before.
pub fn change(now: i64, before: i64) -> Option<String> {
    change_of_mean((now.into(), 1), (before.into(), 1))
}

/// A change of sum over number as `+3.2 %`, or `None` where there was nothing before.
pub fn change_of_mean(now: (i128, i128), before: (i128, i128)) -> Option<String> {
    let (now, before) = (now.0.checked_mul(before.1)?, before.0.checked_mul(now.1)?);
    let hundredfold = now.checked_sub(before)?.checked_mul(100)?;
    (before > 0).then(|| signed(&quotient(hundredfold, before, 1), "%"))
}

/// A change of part of whole as `+0.6 points` of percent, or `None` where there was nothing.
pub fn change_of_share(now: (i64, i64), before: (i64, i64)) -> Option<String> {
    let [now, before] = [now, before].map(|(part, whole)| (i128::from(part), i128::from(whole)));
    let (of_now, of_before) = (now.0.checked_mul(before.1)?, before.0.checked_mul(now.1)?);
    let whole = now.1.checked_mul(before.1)?;
    let hundredfold = of_now.checked_sub(of_before)?.checked_mul(100)?;
    (whole > 0).then(|| signed(&quotient(hundredfold, whole, 1), "points"))
}

fn signed(number: &str, unit: &str) -> String {
    let sign = match number {
        "0.0" => "\u{b1}",
        _ if number.starts_with('\u{2212}') => "",
        _ => "+",
    };
    format!("{sign}{number}\u{a0}{unit}")
}

/// A length of time: `45 s`, `20 min`, `31.3 h`, `1,024 h`.
pub fn duration(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        0..60 => format!("{seconds}\u{a0}s"),
        60..3600 => {
            format!("{}\u{a0}min", quotient(seconds.into(), 60, u32::from(seconds % 60 != 0 && seconds.abs() < 600)))
        }
        3600..360_000 => match quotient(seconds.into(), 3600, 1) {
            text if text.ends_with(".0") => format!("{}\u{a0}h", &text[..text.len() - 2]),
            text => format!("{text}\u{a0}h"),
        },
        _ => format!("{}\u{a0}h", quotient(seconds.into(), 3600, 0)),
    }
}

/// Bytes as `8.31 GB` (powers of ten).
pub fn bytes(number: i64) -> String {
    let (unit, name) = match number.unsigned_abs() {
        0..1_000 => return format!("{number}\u{a0}bytes"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, "GB"),
        _ => (1_000_000_000_000, "TB"),
    };
    format!("{}\u{a0}{name}", quotient(number.into(), unit, 2))
}

/// `April 2022`.
pub fn month(month: Month) -> String {
    format!("{} {}", month_name(month), month.first_day().year())
}

fn month_name(month: Month) -> &'static str {
    match month.first_day().month() {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    }
}

/// `Fri 1 Apr`.
pub fn day(month: Month, day: Day) -> String {
    let name = month_name(month).get(..3).unwrap_or_default();
    format!("{} {} {name}", weekday(month, day), day.number())
}

fn weekday(month: Month, day: Day) -> &'static str {
    use jiff::civil::Weekday;
    match month.date(day).map(|date| date.weekday()) {
        Some(Weekday::Monday) => "Mon",
        Some(Weekday::Tuesday) => "Tue",
        Some(Weekday::Wednesday) => "Wed",
        Some(Weekday::Thursday) => "Thu",
        Some(Weekday::Friday) => "Fri",
        Some(Weekday::Saturday) => "Sat",
        Some(Weekday::Sunday) => "Sun",
        None => "",
    }
}

/// Whether the day is a Saturday or a Sunday.
pub fn is_weekend(month: Month, day: Day) -> bool {
    weekday(month, day).starts_with('S')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded() {
        let check = |found: String, expected: &str| assert_eq!(found.replace('\u{a0}', " "), expected);
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_920_546), "1,920,546");
        check(count(i64::MIN), "−9,223,372,036,854,775,808");
        check(counted(1, "day"), "1 day");
        check(counted(1_000, "day"), "1,000 days");
        check(hours(0), "0.0");
        check(hours(1), "< 0.1");
        check(hours(179), "< 0.1");
        check(hours(180), "0.1");
        check(hours(3_599_999), "1,000.0");
        check(hours(3_600_000), "1,000");
        check(hours(1_000_000_000_000), "277,777,778");
        check(hours(-5400), "−1.5");
        check(percent(1, 3), "33.3 %");
        check(percent(1, 1_000_000), "< 0.1 %");
        check(percent(0, 5), "0.0 %");
        check(percent(5, 5), "100.0 %");
        check(percent(99_999, 100_000), "> 99.9 %");
        check(percent(5, 0), "0.0 %");
        check(percent(i64::MAX, 1), "922,337,203,685,477,580,700.0 %");
        check(quotient(5, 2, 0), "3");
        check(quotient(-5, 2, 0), "−3");
        check(bytes(999), "999 bytes");
        check(bytes(8_314_000_000), "8.31 GB");
    }

    #[test]
    fn changes_have_a_sign() {
        let check = |now, before, expected: Option<&str>| {
            assert_eq!(change(now, before).map(|text| text.replace('\u{a0}', " ")).as_deref(), expected);
        };
        check(110, 100, Some("+10.0 %"));
        check(90, 100, Some("−10.0 %"));
        check(100, 100, Some("±0.0 %"));
        check(99_999, 100_000, Some("±0.0 %"));
        check(5, 0, None);
        check(i64::MAX, 1, Some("+922,337,203,685,477,580,600.0 %"));
    }

    #[test]
    fn durations_pick_their_unit() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds).replace('\u{a0}', " "), expected);
        check(0, "0 s");
        check(59, "59 s");
        check(60, "1 min");
        check(90, "1.5 min");
        check(2700, "45 min");
        check(3600, "1 h");
        check(5400, "1.5 h");
        check(112_680, "31.3 h");
        check(3_686_400, "1,024 h");
    }

    #[test]
    fn days_have_names() {
        let april: Month = "2022-04".parse().unwrap();
        assert_eq!(month(april), "April 2022");
        assert_eq!(day(april, Day::new(1).unwrap()), "Fri 1 Apr");
        let weekend: Vec<u8> = april.days().filter(|d| is_weekend(april, *d)).map(Day::number).take(3).collect();
        assert_eq!(weekend, [2, 3, 9]);
    }
}
