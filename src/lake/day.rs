//! The day of a data file, as its name says it, or else the folders between it and the input.
//!
//! A wrong day is worse than none: what might be a day and might not be one (a piece of a longer number, a stamp with an
//! impossible time) is none, and what says two days is an error that shows both.

use jiff::civil::Date;

use super::names::YEARS;
use super::pattern::DayPattern;

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
    /// Cuts a path behind the `n_input` bytes of its input.
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
                [date] => return Ok(Some(*date)),
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

    /// What the nearest folder says that says something.
    fn folder_day(self) -> Option<FolderDay<'a>> {
        let input: Vec<&str> = self.input.split('/').filter(|name| !name.is_empty()).collect();
        let mut folders: Vec<&str> = self.below.split('/').filter(|name| !name.is_empty()).collect();
        folders.pop();
        let path: Vec<&str> = input.iter().chain(&folders).copied().collect();
        for (end, folder) in path.iter().enumerate().skip(input.len()).rev() {
            if let Some(date) = chain(&path[..=end]) {
                return Some(FolderDay::One(date, folder));
            }
            match dates_in(folder).as_slice() {
                [] => {}
                [date] => return Some(FolderDay::One(*date, folder)),
                [one, other, ..] => return Some(FolderDay::Two([*one, *other], folder)),
            }
        }
        let last = input.last()?;
        let date = only_date(last).or_else(|| chain(&input))?;
        Some(FolderDay::One(date, last))
    }
}

enum FolderDay<'a> {
    One(Date, &'a str),
    Two([Date; 2], &'a str),
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
    let keyed = |name: &str, keys: [&str; 2]| {
        let (key, value) = name.split_once('=')?;
        let is_key = keys.iter().any(|known| known.eq_ignore_ascii_case(key));
        (is_key && matches!(value.len(), 1 | 2 | 4)).then(|| number(value))?
    };
    let plain = |name: &str, n_digits: usize| (name.len() == n_digits).then(|| number(name))?;
    let of_keys = || Some([keyed(year, ["year", "y"])?, keyed(month, ["month", "m"])?, keyed(day, ["day", "d"])?]);
    let of_digits = || Some([plain(year, 4)?, plain(month, 2)?, plain(day, 2)?]);
    let [year, month, day] = of_keys().or_else(of_digits)?;
    date(year, month, day)
}

fn number(digits: &str) -> Option<i16> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A real day in a year that a name can mean.
pub(super) fn date(year: i16, month: i16, day: i16) -> Option<Date> {
    let date = Date::new(year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    YEARS.contains(&year).then_some(date)
}

/// The different days in `name`, in their order: `YYYYMMDD`, with a time behind it or not, and `YYYY-MM-DD`, with `.` or `_`
/// too. The random digits of a UUID, which Spark puts into its names, are none.
pub(crate) fn dates_in(name: &str) -> Vec<Date> {
    let bytes = name.as_bytes();
    let mut dates = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let n_digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (found, n_bytes) = match n_digits {
            _ if is_uuid(rest) => (None, UUID.len()),
            0 => (None, 1),
            4 => match separated(rest) {
                Some(date) => (Some(date), "YYYY-MM-DD".len()),
                None => (None, 4),
            },
            n => (stamp(&rest[..n]), n),
        };
        if let Some(date) = found.filter(|date| !dates.contains(date)) {
            dates.push(date);
        }
        at += n_bytes;
    }
    dates
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

/// The day of a whole run of digits: `YYYYMMDD`, or `YYYYMMDDHH[MM[SS]]` with a time that there is.
fn stamp(digits: &[u8]) -> Option<Date> {
    let part = |range| std::str::from_utf8(digits.get(range)?).ok().and_then(number);
    let time_fits = match digits.len() {
        8 => true,
        10 | 12 | 14 => {
            let below = |from: usize, limit: i16| part(from..from + 2).is_none_or(|value| value < limit);
            below(8, 24) && below(10, 60) && below(12, 60)
        }
        _ => false,
    };
    if time_fits { date(part(0..4)?, part(4..6)?, part(6..8)?) } else { None }
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
            "20220401T130000Z.json",
            "20220401-000000.json",
            "20220401-20220401.json",
            "day=2022-04-01",
            "ngày-20220401.json",
            "v2-20220401-1.json",
        ] {
            check(name, &["2022-04-01"]);
        }
        check("exported_20220402_log_content_20220401.json", &["2022-04-02", "2022-04-01"]);
        check("20220401-20220430.json", &["2022-04-01", "2022-04-30"]);
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
        check("/lake", "export_2024-01-15/log/year=2022/month=04/day=01/part-0.json", day);
        check("/lake", "2022-03-01/2022-04-01/part-0.json", day);
        check("/lake", "2022-04-01_2022-04-30/20220401.json", day);
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
        let range = "its folder `2022-04-01_2022-04-30` says two days, 2022-04-01 and 2022-04-30";
        check("/lake", "2022-04-01_2022-04-30/part-0.json", Err(range));
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
