//! `--day-pattern`: where the day stands in a file's name, for names that say it in a way of their own.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use super::day::date;
use super::names::YEARS;
use crate::engine::calendar::Month;

/// A pattern such as `{DD}-{MM}-{YYYY}.json` or `export_*_log_{YYYYMMDD}.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayPattern {
    text: String,
    parts: Vec<Piece>,
    /// For what the pattern does not say.
    month: Option<Month>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// `*`: anything within a name.
    Any,
    /// A part of the day in so many digits, at least and at most.
    Number(DatePart, usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DatePart {
    Year,
    Month,
    Day,
}

/// A placeholder, and what it stands for: parts of a day in so many digits, at least and at most.
type Placeholder = (&'static str, &'static [(DatePart, usize, usize)]);

const PLACEHOLDERS: [Placeholder; 6] = [
    ("YYYYMMDD", &[(DatePart::Year, 4, 4), (DatePart::Month, 2, 2), (DatePart::Day, 2, 2)]),
    ("YYYY", &[(DatePart::Year, 4, 4)]),
    ("MM", &[(DatePart::Month, 2, 2)]),
    ("DD", &[(DatePart::Day, 2, 2)]),
    ("M", &[(DatePart::Month, 1, 2)]),
    ("D", &[(DatePart::Day, 1, 2)]),
];

impl FromStr for DayPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<DayPattern, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if next == '{' {
                let (name, behind) = rest[1..].split_once('}').ok_or("a `{` is not closed")?;
                let (_, numbers) = PLACEHOLDERS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                    format!("`{{{name}}}` is not one of {{YYYY}}, {{MM}}, {{DD}}, {{M}}, {{D}}, {{YYYYMMDD}}")
                })?;
                parts.extend(numbers.iter().map(|(field, min, max)| Piece::Number(*field, *min, *max)));
                rest = behind;
            } else if next == '*' {
                parts.push(Piece::Any);
                rest = &rest[1..];
            } else {
                let n_bytes = rest.find(['{', '*']).unwrap_or(rest.len());
                parts.push(Piece::Text(rest[..n_bytes].to_owned()));
                rest = &rest[n_bytes..];
            }
        }
        let has = |field| parts.iter().any(|part| matches!(part, Piece::Number(of, ..) if *of == field));
        if !has(DatePart::Day) {
            return Err("it has no day: write {DD}, {D} or {YYYYMMDD} where it stands".to_owned());
        }
        Ok(DayPattern { text: text.to_owned(), parts, month: None })
    }
}

impl fmt::Display for DayPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl DayPattern {
    /// The same pattern, which takes from `month` what it does not say; none when there is no month to take it from.
    pub fn in_month(self, month: Option<Month>) -> Option<DayPattern> {
        (self.is_whole() || month.is_some()).then_some(DayPattern { month, ..self })
    }

    /// Whether it says year and month by itself.
    pub(super) fn is_whole(&self) -> bool {
        let has = |field| self.parts.iter().any(|part| matches!(part, Piece::Number(of, ..) if *of == field));
        has(DatePart::Year) && has(DatePart::Month)
    }

    /// Whether its folders alone say a day of the folder at `path`, whatever the names of its files are.
    pub(super) fn says_day_of(&self, path: &str) -> bool {
        let of_folders =
            self.text.match_indices('/').filter_map(|(end, _)| self.text[..end].parse::<DayPattern>().ok());
        let mut patterns = of_folders.map(|pattern| DayPattern { month: self.month, ..pattern });
        patterns.any(|pattern| !pattern.days_of(path).is_empty())
    }

    /// The days in the end of `path`, as many names as the pattern has: none, one, or the first two that differ.
    pub(super) fn days_of(&self, path: &str) -> Vec<Date> {
        let n_names = self.text.matches('/').count() + 1;
        let start = path.rmatch_indices('/').nth(n_names - 1).map_or(0, |(at, _)| at + 1);
        let text = path.as_bytes().get(start..).unwrap_or_default();
        let mut days: Vec<Date> = Vec::new();
        // Where a match has been, it need not go again: else the time grows with a power of the number of `*`.
        let mut seen: BTreeSet<Step> = BTreeSet::new();
        let mut open = vec![Step::default()];
        while let Some(step) = open.pop() {
            if !seen.insert(step) {
                continue;
            }
            let Some(part) = self.parts.get(step.part) else {
                let day = self.date(step.said).filter(|day| step.at == text.len() && !days.contains(day));
                days.extend(day);
                if days.len() > 1 {
                    break;
                }
                continue;
            };
            let ahead = Step { part: step.part + 1, ..step };
            match part {
                Piece::Text(wanted) if text[step.at..].starts_with(wanted.as_bytes()) => {
                    open.push(Step { at: step.at + wanted.len(), ..ahead });
                }
                Piece::Text(_) => {}
                Piece::Any => {
                    if text.get(step.at).is_some_and(|byte| *byte != b'/') {
                        open.push(Step { at: step.at + 1, ..step });
                    }
                    if !self.is_cut(ahead, text) {
                        open.push(ahead);
                    }
                }
                Piece::Number(field, min, max) => {
                    let numbers = (*min..=*max).filter_map(|n| ahead.with_number(*field, n, text));
                    open.extend(numbers.filter(|next| !self.is_cut(*next, text)));
                }
            }
        }
        days
    }

    /// Whether a number would be cut out of a longer one here, between a number and a `*`.
    fn is_cut(&self, step: Step, text: &[u8]) -> bool {
        let around = |at: usize| Some([at.checked_sub(1)?, at]);
        let is_border = around(step.part).and_then(|[before, behind]| {
            let is_number = |part: &Piece| matches!(part, Piece::Number(..));
            let (before, behind) = (self.parts.get(before)?, self.parts.get(behind)?);
            Some((*before == Piece::Any && is_number(behind)) || (is_number(before) && *behind == Piece::Any))
        });
        let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
        is_border == Some(true) && around(step.at).is_some_and(|places| places.into_iter().all(is_digit))
    }

    /// The day that was said, with what the month says of it.
    fn date(&self, [year, month, day]: Said) -> Option<Date> {
        let of_month = self.month.map(Month::first_day);
        let (year, month) = (year.or(of_month.map(|day| day.year())), month.or(of_month.map(|day| day.month().into())));
        date(year?, month?, day?)
    }
}

/// Year, month and day as far as a name has said them.
type Said = [Option<i16>; 3];

/// How far a match has come: the parts and the bytes that are after it, and what they said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    part: usize,
    at: usize,
    said: Said,
}

impl Step {
    /// The step after `n` digits that say `field`. What is said twice must agree, and be of a day that there can be.
    fn with_number(self, field: DatePart, n: usize, text: &[u8]) -> Option<Step> {
        let digits = text.get(self.at..self.at + n).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let number: i16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let can_be = match field {
            DatePart::Year => YEARS.contains(&number),
            DatePart::Month => (1..=12).contains(&number),
            DatePart::Day => (1..=31).contains(&number),
        };
        let mut said = self.said;
        let before = said[field as usize].replace(number);
        (can_be && before.is_none_or(|before| before == number)).then_some(Step { at: self.at + n, said, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(pattern: &str, path: &str) -> Vec<String> {
        let pattern: DayPattern = pattern.parse().unwrap();
        let pattern = pattern.in_month("2022-04".parse().ok()).unwrap();
        pattern.days_of(path).iter().map(Date::to_string).collect()
    }

    #[test]
    fn patterns_find_the_day() {
        let check = |pattern: &str, path: &str, expected: Option<&str>| {
            let found = days(pattern, path);
            assert_eq!(
                found.iter().map(String::as_str).collect::<Vec<_>>(),
                Vec::from_iter(expected),
                "{pattern} {path}"
            );
        };
        check("{DD}-{MM}-{YYYY}.json", "01-05-2021.json", Some("2021-05-01"));
        check("{DD}-{MM}-{YYYY}.json", "x/y/01-05-2021.json", Some("2021-05-01"));
        check("{DD}-{MM}-{YYYY}.json", "01-05-2021.json.gz", None);
        check("{DD}-{MM}-{YYYY}.json", "32-05-2021.json", None);
        check("{DD}-{MM}-{YYYY}.json", "a01-05-2021.json", None);
        check("export_*_log_{YYYYMMDD}.json", "export_20220402_log_20220401.json", Some("2022-04-01"));
        check("export_*_log_{YYYYMMDD}.json", "export_a_log_b_log_20220401.json", Some("2022-04-01"));
        check("{D}.{M}.{YYYY}*", "1.4.2022.csv.gz", Some("2022-04-01"));
        check("{D}.{M}.{YYYY}*", "21.12.2022.csv", Some("2022-12-21"));
        check("day{D}.csv", "day7.csv", Some("2022-04-07"));
        check("day{DD}.csv", "day7.csv", None);
        check("*{DD}.csv", "ngày-07.csv", Some("2022-04-07"));
        check("{MM}/{DD}.json", "x/05/07.json", Some("2022-05-07"));
        check("{DD}/*", "07/part-0.json", Some("2022-04-07"));
        check("{DD}/*", "07/x/part-0.json", None);
        check("{DD}*", "31", None);
        // What is said twice is said alike, of one reading or another.
        check("{YYYYMMDD}/{DD}.json", "20220401/01.json", Some("2022-04-01"));
        check("{YYYYMMDD}/{DD}.json", "20220401/02.json", None);
        check("{D}*_{D}.json", "1x_1.json", Some("2022-04-01"));
        check("{MM}-{DD}.json", "05-01.json", Some("2022-05-01"));
    }

    #[test]
    fn no_number_is_cut_out_of_a_longer_one() {
        let check = |pattern: &str, path: &str, expected: &[&str]| {
            assert_eq!(days(pattern, path), expected, "{pattern} {path}")
        };
        check("*{D}.json", "node115.json", &[]);
        check("*{D}.json", "node11-5.json", &["2022-04-05"]);
        check("*{DD}.json", "node5.json", &[]);
        check("*{YYYYMMDD}*.json", "tid-2019121234567890123.json", &[]);
        check("*{YYYYMMDD}*.json", "tid-20191212-34567890123.json", &["2019-12-12"]);
        check("{YYYYMMDD}*", "2022040113.json", &[]);
        check("{D}*_{D}.json", "12_1.json", &[]);
        check("**{DD}**.json", "a123.json", &[]);
        // What stands beside other text may go on, as the pattern says.
        check("v1{DD}.json", "v107.json", &["2022-04-07"]);
        check("{YYYY}{MM}{DD}*", "20220407.json", &["2022-04-07"]);
    }

    #[test]
    fn names_that_fit_two_days_say_both() {
        let check = |pattern: &str, path: &str, expected: &[&str]| {
            assert_eq!(days(pattern, path), expected, "{pattern} {path}")
        };
        check("*{YYYYMMDD}*", "20220401-20220430.json", &["2022-04-01", "2022-04-30"]);
        check("*{YYYYMMDD}*", "20220401-20220401.json", &["2022-04-01"]);
        check("*_{DD}_*", "a_01_02_03_b", &["2022-04-01", "2022-04-02"]);
        check("{D}{M}.json", "111.json", &["2022-01-11", "2022-11-01"]);
        // What can be no day does not fit.
        check("*{YYYYMMDD}*", "20221301-20220430.json", &["2022-04-30"]);
        check("*{DD}*", "part-00032-07.json", &["2022-04-07"]);
    }

    #[test]
    fn many_stars_end_in_time() {
        let check = |pattern: &str, path: &str| assert!(days(pattern, path).is_empty(), "{pattern}");
        check(&format!("{}{{DD}}", "*a".repeat(40)), &"a".repeat(255));
        check(&format!("{}x", "*{D}*{M}".repeat(20)), &"1-2-".repeat(60));
        check("*{YYYY}*{MM}*{DD}*x", &"2001-02-03-2004-05-06-2007-08-09-10-11-12-".repeat(6));
    }

    #[test]
    fn patterns_that_cannot_be_are_told() {
        let check = |pattern: &str, word: &str| {
            let error = pattern.parse::<DayPattern>().unwrap_err();
            assert!(error.contains(word), "{pattern}: {error}");
        };
        check("{YYYY}-{MM}.json", "no day");
        check("", "no day");
        check("{dd}.json", "`{dd}` is not one of");
        check("{DD.json", "not closed");
        let without_month: DayPattern = "{DD}.json".parse().unwrap();
        assert_eq!(without_month.in_month(None), None);
        let whole: DayPattern = "{YYYYMMDD}.json".parse().unwrap();
        assert!(whole.in_month(None).is_some());
    }
}
