//! `--day-pattern`: where the day stands in a file's name, for names that say it in a way of their own.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

use super::day::date;
use crate::engine::calendar::Month;

/// A pattern such as `{DD}-{MM}-{YYYY}.json` or `export_*_log_{YYYYMMDD}.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayPattern {
    text: String,
    parts: Vec<Part>,
    /// For what the pattern does not say.
    month: Option<Month>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `*`: anything within a name.
    Any,
    /// A part of the day in so many digits, at least and at most.
    Number(Field, usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
}

/// A placeholder, and what it stands for: parts of a day in so many digits, at least and at most.
type Placeholder = (&'static str, &'static [(Field, usize, usize)]);

const PLACEHOLDERS: [Placeholder; 6] = [
    ("YYYYMMDD", &[(Field::Year, 4, 4), (Field::Month, 2, 2), (Field::Day, 2, 2)]),
    ("YYYY", &[(Field::Year, 4, 4)]),
    ("MM", &[(Field::Month, 2, 2)]),
    ("DD", &[(Field::Day, 2, 2)]),
    ("M", &[(Field::Month, 1, 2)]),
    ("D", &[(Field::Day, 1, 2)]),
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
                parts.extend(numbers.iter().map(|(field, min, max)| Part::Number(*field, *min, *max)));
                rest = behind;
            } else if next == '*' {
                parts.push(Part::Any);
                rest = &rest[1..];
            } else {
                let n_bytes = rest.find(['{', '*']).unwrap_or(rest.len());
                parts.push(Part::Text(rest[..n_bytes].to_owned()));
                rest = &rest[n_bytes..];
            }
        }
        let has = |field| parts.iter().any(|part| matches!(part, Part::Number(of, ..) if *of == field));
        if !has(Field::Day) {
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
        let has = |field| self.parts.iter().any(|part| matches!(part, Part::Number(of, ..) if *of == field));
        let is_whole = has(Field::Year) && has(Field::Month);
        (is_whole || month.is_some()).then_some(DayPattern { month, ..self })
    }

    /// The day in the end of `path`: as many names as the pattern has.
    pub(super) fn day_of(&self, path: &str) -> Option<Date> {
        let n_names = self.text.matches('/').count() + 1;
        let start = path.rmatch_indices('/').nth(n_names - 1).map_or(0, |(at, _)| at + 1);
        let of_month = self.month.map(Month::first_day);
        let found = Matching::default().find(&self.parts, path.get(start..)?, [None; 3])?;
        let [year, month, day] = found;
        let (year, month) = (year.or(of_month.map(|day| day.year())), month.or(of_month.map(|day| day.month().into())));
        date(year?, month?, day?)
    }
}

/// Year, month and day as far as a name has said them.
type Said = [Option<i16>; 3];

/// What has been tried on one name and leads to nothing: without it the time grows with a power of the number of `*`.
#[derive(Default)]
struct Matching {
    /// Parts and bytes that are left, and what was said before them.
    tried: BTreeSet<(usize, usize, Said)>,
}

impl Matching {
    /// What `text` says if it is as `parts` say. Parts that say one thing twice must agree.
    fn find(&mut self, parts: &[Part], text: &str, said: Said) -> Option<Said> {
        let Some((part, rest)) = parts.split_first() else { return text.is_empty().then_some(said) };
        match part {
            Part::Text(wanted) => self.find(rest, text.strip_prefix(wanted.as_str())?, said),
            Part::Any => {
                if !self.tried.insert((parts.len(), text.len(), said)) {
                    return None;
                }
                let end = text.find('/').unwrap_or(text.len());
                let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]).take_while(|at| *at <= end);
                starts.find_map(|at| self.find(rest, &text[at..], said))
            }
            Part::Number(field, min, max) => {
                let n_digits = text.bytes().take_while(u8::is_ascii_digit).count().min(*max);
                (*min..=n_digits).rev().find_map(|n| {
                    let (number, before) = (text[..n].parse().ok()?, said[*field as usize]);
                    let mut with = said;
                    with[*field as usize] = Some(number);
                    (before.is_none() || before == Some(number)).then(|| self.find(rest, &text[n..], with))?
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_the_day() {
        let check = |pattern: &str, path: &str, expected: Option<&str>| {
            let pattern: DayPattern = pattern.parse().unwrap();
            let pattern = pattern.in_month("2022-04".parse().ok()).unwrap();
            let found = pattern.day_of(path).map(|date| date.to_string());
            assert_eq!(found.as_deref(), expected, "{pattern} {path}");
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
        check("{D}*_{D}.json", "12_1.json", Some("2022-04-01"));
        check("{MM}-{DD}.json", "05-01.json", Some("2022-05-01"));
    }

    #[test]
    fn many_stars_end_in_time() {
        let pattern: DayPattern = format!("{}{{DD}}", "*a".repeat(40)).parse().unwrap();
        let pattern = pattern.in_month("2022-04".parse().ok()).unwrap();
        assert_eq!(pattern.day_of(&"a".repeat(255)), None);
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
