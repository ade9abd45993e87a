//! The day of a data file, as its name says it, or else the folders between it and the input.
//!
//! A wrong day is worse than none: what might be a day and might not be one (a piece of a longer number, a stamp with an
//! impossible time) is none, and what says two days is an error that shows both.

use jiff::civil::Date;

use super::names::YEARS;
use super::pattern::DayPattern;
use crate::engine::calendar::Month;

/// Where a file lies, in parts separated by `/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// The folder that was given as input, from the root; the folder of a file that was given itself.
    pub input: &'a str,
    /// The way from there to the file, with its name.
    pub below: &'a str,
}

/// A name that says two days, or a name and a folder that disagree; in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict(pub String);

impl<'a> Place<'a> {
    /// Cuts a path after the `n_input` bytes of its input.
    pub fn of(path: &'a str, n_input: usize) -> Place<'a> {
        let (input, below) = path.split_at_checked(n_input).unwrap_or(("", path));
        Place { input, below: below.trim_start_matches('/') }
    }

    pub fn file_name(self) -> &'a str {
        self.below.rsplit('/').next().unwrap_or_default()
    }

    /// The day of the file, if anything says it. What `pattern` matches goes before all else.
    pub fn day(self, pattern: Option<&DayPattern>) -> Result<Option<Date>, Conflict> {
        if let Some(pattern) = pattern {
            match pattern.days_of(self.below).as_slice() {
                [] => {}
                [date] => return self.of_pattern(*date, pattern).map(Some),
                [one, other, ..] => {
                    let what = format!("by --day-pattern `{pattern}` its name says two days, {one} and {other}");
                    return Err(Conflict(what));
                }
            }
        }
        let of_name = match dates_in(self.file_name()).as_slice() {
            [] => None,
            [date] => Some(*date),
            [one, other, ..] => return Err(Conflict(format!("its name says two days, {one} and {other}"))),
        };
        match (of_name, self.folder_day()) {
            (_, Some(FolderDay::Apart([one, other], folders))) => {
                let [inner, outer] = folders;
                Err(Conflict(format!("its folders `{inner}` and `{outer}` say two days, {one} and {other}")))
            }
            (Some(date), Some(FolderDay::One(of_folder, folder))) if date != of_folder => {
                Err(Conflict(format!("its name says {date}, its folder `{folder}` says {of_folder}")))
            }
            // A folder may name the days from which to which it holds files.
            (Some(date), _) => Ok(Some(date)),
            (None, Some(FolderDay::One(date, _))) => Ok(Some(date)),
            (None, Some(FolderDay::Two([one, other], folder))) => {
                Err(Conflict(format!("its folder `{folder}` says two days, {one} and {other}")))
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether anything says a day, be it one or two that disagree, or will say that of the files in it where the place is a
    /// folder's.
    pub fn says_day(self, pattern: Option<&DayPattern>) -> bool {
        let folder = || self.below.rsplit_once('/').map_or("", |(folder, _)| folder);
        !matches!(self.day(pattern), Ok(None)) || pattern.is_some_and(|pattern| pattern.says_day_of(folder()))
    }

    /// The day that `pattern` found. What it took from the month that is asked for must not be said otherwise by a folder:
    /// the file would be one of another month.
    fn of_pattern(self, date: Date, pattern: &DayPattern) -> Result<Date, Conflict> {
        match self.folder_month().filter(|_| !pattern.is_whole()) {
            Some((month, folder)) if month != Month::of(date) => Err(Conflict(format!(
                "by --day-pattern `{pattern}` its day is {date}, its folder `{folder}` is of {month} (write year and month into the \
                 pattern, or name the folder of the month as LAKE)"
            ))),
            _ => Ok(date),
        }
    }

    /// The month of the nearest folder that says one, that of the input included.
    fn folder_month(self) -> Option<(Month, &'a str)> {
        let path = self.folders();
        let n_above = self.n_input_folders().saturating_sub(1);
        path.iter().enumerate().skip(n_above).rev().find_map(|(end, folder)| {
            let of_day = chain(&path[..=end]).or_else(|| only_date(folder)).map(Month::of);
            let month = of_day.or_else(|| month_chain(&path[..=end])).or_else(|| only_month(folder))?;
            Some((month, *folder))
        })
    }

    fn n_input_folders(self) -> usize {
        self.input.split('/').filter(|name| !name.is_empty()).count()
    }

    /// All folders that the file is in, from the root.
    fn folders(self) -> Vec<&'a str> {
        let mut below: Vec<&str> = self.below.split('/').filter(|name| !name.is_empty()).collect();
        below.pop();
        self.input.split('/').filter(|name| !name.is_empty()).chain(below).collect()
    }

    /// What the nearest folder says that says something. One above it that is there to say the day has to agree: which
    /// of them is the day of the data and which that of a run that wrote it, nobody knows.
    fn folder_day(self) -> Option<FolderDay<'a>> {
        let path = self.folders();
        let input = path.get(..self.n_input_folders())?;
        let mut nearest: Option<(Date, &str)> = None;
        for (end, folder) in path.iter().enumerate().skip(input.len()).rev() {
            let of_key = chain(&path[..=end]).or_else(|| key_date(folder));
            match (nearest, of_key) {
                (Some((date, inner)), Some(outer)) if outer != date => {
                    return Some(FolderDay::Apart([date, outer], [inner, folder]));
                }
                (Some(_), _) => {}
                (None, Some(date)) => nearest = Some((date, folder)),
                (None, None) => match dates_in(folder).as_slice() {
                    [] => {}
                    [date] => nearest = Some((*date, folder)),
                    [one, other, ..] => return Some(FolderDay::Two([*one, *other], folder)),
                },
            }
        }
        let of_input = || {
            let last = input.last()?;
            Some((only_date(last).or_else(|| chain(input))?, *last))
        };
        nearest.or_else(of_input).map(|(date, folder)| FolderDay::One(date, folder))
    }
}

enum FolderDay<'a> {
    One(Date, &'a str),
    Two([Date; 2], &'a str),
    /// Of two folders, the inner one first.
    Apart([Date; 2], [&'a str; 2]),
}

/// The day of a folder that is there to say it, `day=2022-04-01`.
fn key_date(name: &str) -> Option<Date> {
    const KEYS: [&str; 5] = ["day", "dt", "ds", "date", "event_date"];
    let (key, _) = name.split_once('=')?;
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key)).then(|| only_date(name))?
}

/// The day in a name that is nothing else, or `key=` in front of it.
fn only_date(name: &str) -> Option<Date> {
    let value = name.split_once('=').map_or(name, |(_, value)| value);
    let is_bare = value.bytes().all(|b| b.is_ascii_digit() || b"-._".contains(&b));
    dates_in(value).first().copied().filter(|_| is_bare && matches!(value.len(), 8 | 10))
}

/// The day that the last three folders of `path` are together: `year=2022/month=04/day=01`, `y=2022/m=4/d=1`, `2022/04/01`.
fn chain(path: &[&str]) -> Option<Date> {
    let [.., year, month, day] = path else { return None };
    let of_keys = || Some([keyed(year, ["year", "y"])?, keyed(month, ["month", "m"])?, keyed(day, ["day", "d"])?]);
    let of_digits = || Some([plain(year, 4)?, plain(month, 2)?, plain(day, 2)?]);
    let [year, month, day] = of_keys().or_else(of_digits)?;
    date(year, month, day)
}

/// The month that the last two folders of `path` are together, as in [`chain`].
fn month_chain(path: &[&str]) -> Option<Month> {
    let [.., year, month] = path else { return None };
    let of_keys = || Some([keyed(year, ["year", "y"])?, keyed(month, ["month", "m"])?]);
    let of_digits = || Some([plain(year, 4)?, plain(month, 2)?]);
    let [year, month] = of_keys().or_else(of_digits)?;
    date(year, month, 1).map(Month::of)
}

/// The month in a name that is nothing else, or `key=` in front of it: `2022-04`, `202204`.
fn only_month(name: &str) -> Option<Month> {
    let value = name.split_once('=').map_or(name, |(_, value)| value);
    let (year, month) = value.split_at_checked(4)?;
    let month = month.strip_prefix(['-', '.', '_']).unwrap_or(month);
    date(number(year)?, (month.len() == 2).then(|| number(month))??, 1).map(Month::of)
}

/// The number in a folder `key=number`.
fn keyed(name: &str, keys: [&str; 2]) -> Option<i16> {
    let (key, value) = name.split_once('=')?;
    let is_key = keys.iter().any(|known| known.eq_ignore_ascii_case(key));
    (is_key && matches!(value.len(), 1 | 2 | 4)).then(|| number(value))?
}

/// The number that a name of so many digits is.
fn plain(name: &str, n_digits: usize) -> Option<i16> {
    (name.len() == n_digits).then(|| number(name))?
}

fn number(digits: &str) -> Option<i16> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A real day in a year that a name can mean.
pub(super) fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    let date = Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    YEARS.contains(&year).then_some(date)
}

/// The different days in `name`, in their order: `YYYYMMDD`, with a time after it or not, and `YYYY-MM-DD`, with `.` or `_`
/// too. The random digits of a UUID, which Spark puts into its names, and those of a hash are none.
///
/// `01-04-2022` alone is no day: who knows what is the month. But beside another day it is one more, as that may be its
/// year with a time after it (`01-04-2022-12-30-00`).
pub(crate) fn dates_in(name: &str) -> Vec<Date> {
    let bytes = name.as_bytes();
    let mut dates = Vec::new();
    let mut doubtful: Vec<Date> = Vec::new();
    let mut at = 0;
    // What is a part of a day with the year first is none of one with the year last: `2022-04-01-2030`.
    let mut after_last = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let n_digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (found, n_bytes) = match n_digits {
            _ if is_uuid(rest) => (None, UUID.len()),
            _ if at.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_alphanumeric()) && n_hash(rest) > 0 => {
                (None, n_hash(rest))
            }
            0 => (None, 1),
            4 => {
                doubtful.extend(year_last(&bytes[after_last..at], rest));
                match separated(rest) {
                    Some(date) => {
                        after_last = at + "YYYY-MM-DD".len();
                        (Some(date), "YYYY-MM-DD".len())
                    }
                    None => (None, 4),
                }
            }
            n => (stamp(&rest[..n]), n),
        };
        if let Some(date) = found.filter(|date| !dates.contains(date)) {
            dates.push(date);
        }
        at += n_bytes;
    }
    // With day and month in either order it is in doubt; where one of them is said otherwise too it is not.
    if !dates.is_empty() && !doubtful.iter().any(|date| dates.contains(date)) {
        dates.extend(doubtful.first());
    }
    dates
}

/// The days that `DD-MM-` or `MM-DD-` at the end of `before` and a year after it may be.
fn year_last(before: &[u8], year: &[u8]) -> impl Iterator<Item = Date> {
    let part = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(number);
    let parts = || {
        let (rest, [a, b, first, c, d, last]) = before.split_last_chunk::<6>()?;
        let is_apart = first == last && b"-._".contains(first) && !rest.last().is_some_and(u8::is_ascii_digit);
        let [year, one, other] = [part(year.get(..4)?)?, part(&[*a, *b])?, part(&[*c, *d])?];
        is_apart.then_some([date(year, other, one), date(year, one, other)])
    };
    parts().into_iter().flatten().flatten()
}

/// The day at the start of `text`, `YYYY-MM-DD`; no digit is in front of it.
fn separated(text: &[u8]) -> Option<Date> {
    let separator = *text.get(4).filter(|b| b"-._".contains(b))?;
    let is_over = !text.get(10).is_some_and(u8::is_ascii_digit);
    if text.get(7) != Some(&separator) || !is_over {
        return None;
    }
    let part = |range| std::str::from_utf8(text.get(range)?).ok().and_then(number);
    date(part(0..4)?, part(5..7)?, part(8..10)?)
}

/// The day of a whole run of digits: `YYYYMMDD`, or `YYYYMMDDHH[MM[SS[mmm]]]` with a time that there is.
fn stamp(digits: &[u8]) -> Option<Date> {
    let part = |range| std::str::from_utf8(digits.get(range)?).ok().and_then(number);
    let time_fits = match digits.len() {
        8 => true,
        10 | 12 | 14 | 17 => {
            let below = |from: usize, limit: i16| part(from..from + 2).is_none_or(|value| value < limit);
            below(8, 24) && below(10, 60) && below(12, 60)
        }
        _ => false,
    };
    if time_fits { date(part(0..4)?, part(4..6)?, part(6..8)?) } else { None }
}

/// The length of the hash in hexadecimal digits that `bytes` begin with, or 0.
fn n_hash(bytes: &[u8]) -> usize {
    const MIN_DIGITS: usize = 16;
    let n_digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let has_letter = bytes[..n_digits].iter().any(u8::is_ascii_alphabetic);
    if n_digits >= MIN_DIGITS && has_letter { n_digits } else { 0 }
}

const UUID: &[u8; 36] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() >= UUID.len()
        && UUID
            .iter()
            .zip(bytes)
            .all(|(form, byte)| if *form == b'-' { *byte == b'-' } else { byte.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_days() {
        let check = |name: &str, expected: &[&str]| {
            let found: Vec<String> = dates_in(name).iter().map(Date::to_string).collect();
            assert_eq!(found, expected, "{name}");
        };
        for name in [
            "20220401.json",
            "log_2022-04-01_part3.csv.gz",
            "history-2022.04.01.json",
            "2022_04_01.json",
            "2022040113.json",
            "202204011359.json",
            "20220401235959.json",
            "20220401235959123.json",
            "20220401-deadbeef.json",
            "0123456789abcdef_20220401.json",
            "20220401T130000Z.json",
            "20220401-000000.json",
            "20220401-20220401.json",
            "day=2022-04-01",
            "ngày-20220401.json",
            "v2-20220401-1.json",
            "2022-04-01-2030.json",
            "2022.04.01.1900.json",
            "2022_04_01_2159.csv",
            "part-2022-04-01-2001.json",
            "2022-04-01-2022-04-01",
        ] {
            check(name, &["2022-04-01"]);
        }
        check("exported_20220402_log_content_20220401.json", &["2022-04-02", "2022-04-01"]);
        check("20220401-20220430.json", &["2022-04-01", "2022-04-30"]);
        // The day first, and a time after the year that reads as another day.
        check("01-04-2022-12-30-00.json", &["2022-12-30", "2022-04-01"]);
        check("log_15-04-2022-01-05.json", &["2022-01-05", "2022-04-15"]);
        check("04.15.2022.01.05.json", &["2022-01-05", "2022-04-15"]);
        check("01_04_2022_20220402.json", &["2022-04-02", "2022-04-01"]);
        check("20220401_01-04-2022.json", &["2022-04-01"]);
        check("05-01-2022-01-05.json", &["2022-01-05"]);
        check("node-12-2022-04-01.json", &["2022-04-01"]);
        check("part-00-01-2022-04-01.json", &["2022-04-01"]);
        check("17-13-2022-04-01.json", &["2022-04-01"]);
        check("101-04-2022-04-01.json", &["2022-04-01"]);
        check("2022-04-02_01-04-2022.json", &["2022-04-02", "2022-04-01"]);
        check("2022-04-02-01-04-2022.json", &["2022-04-02", "2022-04-01"]);
        check("01_04-2022-04-02.json", &["2022-04-02"]);
        check("01-04-2022.json", &[]);
        check("01-04-2022-13-30-00.json", &[]);
        check("20240229.json", &["2024-02-29"]);
        for name in [
            "20230229.json",
            "120220401.json",
            "202204011.json",
            // Seconds since 1970, of which the first eight digits read as a day of 1648.
            "part-1648123100.json",
            // An offset: there is no hour 99.
            "history+3+2022051299.json",
            "part-00000-tid-2019121234567890123-8d2f0c1a-77aa-4c3e-9b1d-0a1b2c3d4e5f-7-1-c000.json",
            "part-0-20110512-20aa-4bbb-8ccc-201105122011-c000.json",
            "2022-4-1.json",
            "2022-04-011.json",
            "2022-04_01.json",
            "2022040124.json",
            "202204011360.json",
            "20220401236059123.json",
            "2022040123595912.json",
            // Digits of a hash.
            "part-20220401aabbccdd.json",
            "d41d8cd98f00b20220401098ecf8427e.json",
            "9E107D9D20220401BB6826BD81D3542A.json",
            "12022-04-01",
            "part-00000.json",
            "2022",
            "",
        ] {
            check(name, &[]);
        }
    }

    #[test]
    fn folders_say_what_the_name_does_not() {
        let check = |input: &str, below: &str, expected: Result<Option<&str>, &str>| {
            let found = Place { input, below }.day(None);
            let found = found.map(|date| date.map(|date| date.to_string())).map_err(|Conflict(what)| what);
            let expected = expected.map(|date| date.map(str::to_owned)).map_err(str::to_owned);
            assert_eq!(found, expected, "{input} {below}");
        };
        let day = Ok(Some("2022-04-01"));
        check("/lake", "20220401.json", day);
        check("/lake", "day=2022-04-01/part-0.json", day);
        check("/lake", "2022-04-01/hour=13/part-0.json", day);
        check("/lake", "year=2022/month=04/day=01/part-0.json", day);
        check("/lake", "year=2022/month=4/day=1/hour=00/part-0.json", day);
        check("/lake", "y=2022/m=04/d=01/part-0.json", day);
        check("/lake", "2022/04/01/part-0.json", day);
        check("/lake", "2022/04/01/05/part-0.json", day);
        check("/lake", "2022-04-01-2000/part-0.json", day);
        check("/lake", "export_2024-01-15/log/year=2022/month=04/day=01/part-0.json", day);
        check("/lake", "2022-03-01/2022-04-01/part-0.json", day);
        check("/lake", "2022-04-01_2022-04-30/20220401.json", day);
        check("/lake", "export_2024-01-15/dt=2022-04-01/part-0.json", day);
        check("/lake", "ingest_date=2022-04-02/event_date=2022-04-01/part-0.json", day);
        check("/lake", "day=2022-04-01/run_20220401T0100/part-0.json", day);
        // A chain may begin in the input's own path.
        check("/lake/year=2022/month=04", "day=01/part-0.json", day);
        check("/lake/2022/04", "01/part-0.json", day);
        check("/lake/2022", "04/01/part-0.json", day);
        check("/lake/2022/04/01", "part-0.json", day);
        // The input's own name, where it is a day and nothing else.
        check("/lake/2022-04-01", "part-0.json", day);
        check("/lake/20220401", "part-0.json", day);
        check("/lake/day=2022-04-01", "hour=1/part-0.json", day);
        check("/lake/export_2022-04-01", "part-0.json", Ok(None));
        check("/lake/2022-04-01/export", "part-0.json", Ok(None));
        check("/backup-20240115/2022-04-01/x", "20220402.json", Ok(Some("2022-04-02")));
        check("/lake", "13/04/01/part-0.json", Ok(None));
        check("/lake", "2022/13/01/part-0.json", Ok(None));
        check("/lake", "part-0.json", Ok(None));
        check("", "", Ok(None));
        let two = "its name says two days, 2022-04-02 and 2022-04-01";
        check("/lake", "exported_20220402_log_20220401.json", Err(two));
        let both = "its name says 2022-04-02, its folder `day=2022-04-01` says 2022-04-01";
        check("/lake", "day=2022-04-01/20220402.json", Err(both));
        check("/lake/day=2022-04-01", "20220402.json", Err(both));
        let apart = |inner: &str, outer: &str| {
            format!("its folders `{inner}` and `{outer}` say two days, 2022-04-02 and 2022-04-01")
        };
        for (inner, outer) in [
            ("run_20220402T0100", "dt=2022-04-01"),
            ("ingest_date=2022-04-02", "event_date=2022-04-01"),
            ("2022-04-02", "DAY=2022-04-01"),
            ("date=20220402", "day=20220401"),
        ] {
            check("/lake", &format!("{outer}/{inner}/part-0.json"), Err(&apart(inner, outer)));
            check("/lake", &format!("x/{outer}/y/{inner}/20220401.json"), Err(&apart(inner, outer)));
        }
        check("/lake", "2022/04/01/run_20220402/part-0.json", Err(&apart("run_20220402", "01")));
        check("/lake", "year=2022/month=4/day=1/20220402/x.json", Err(&apart("20220402", "day=1")));
        let range = "its folder `2022-04-01_2022-04-30` says two days, 2022-04-01 and 2022-04-30";
        check("/lake", "2022-04-01_2022-04-30/part-0.json", Err(range));
    }

    #[test]
    fn a_pattern_without_a_month_takes_no_file_of_another_one() {
        let check = |pattern: &str, input: &str, below: &str, expected: Result<&str, &str>| {
            let pattern: DayPattern = pattern.parse().unwrap();
            let pattern = pattern.in_month("2022-04".parse().ok()).unwrap();
            let found = Place { input, below }.day(Some(&pattern)).map(|date| date.unwrap().to_string());
            match (found, expected) {
                (Ok(date), Ok(expected)) => assert_eq!(date, expected, "{input} {below}"),
                (Err(Conflict(what)), Err(words)) => assert!(what.contains(words), "{input} {below}: {what}"),
                (found, _) => panic!("{input} {below}: {found:?}"),
            }
        };
        let day = Ok("2022-04-05");
        check("{DD}.json", "/lake", "05.json", day);
        check("{DD}.json", "/lake", "2022/04/05.json", day);
        check("{DD}.json", "/lake", "year=2022/month=4/x/05.json", day);
        check("{DD}.json", "/lake/2022-04", "05.json", day);
        check("{DD}.json", "/2022-03/lake", "05.json", day);
        check("{DD}.json", "/lake", "run-2/05.json", day);
        let apart = "its day is 2022-04-05, its folder ";
        check("{DD}.json", "/lake", "2022/03/05.json", Err(&format!("{apart}`03` is of 2022-03")));
        check("{DD}.json", "/lake", "year=2021/month=04/x/05.json", Err(&format!("{apart}`month=04` is of 2021-04")));
        check("{DD}.json", "/lake", "202203/05.json", Err(&format!("{apart}`202203` is of 2022-03")));
        check("{DD}.json", "/lake", "month=2022-03/05.json", Err(apart));
        check("{DD}.json", "/lake/2022-03", "05.json", Err(apart));
        check("{DD}.json", "/lake", "2022-03-05/05.json", Err(apart));
        // It says itself which month it means.
        check("{YYYY}/{MM}/*/{DD}.json", "/lake", "2022/04/2022-03/05.json", day);
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_read_without_panic(name in ".{0,40}", path in "[0-9a-f/=_.-]{0,60}", n_input in 0_usize..70) {
            for name in [&name, &path] {
                let _ = Place::of(name, n_input).day(None);
            }
        }
    }
}
