//! The month and its days.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;

/// A calendar month, written `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    first: Date,
}

impl Month {
    /// The month `number` (1..=12) of `year` (0..=9999), or `None` outside those ranges.
    pub fn new(year: i16, number: i8) -> Option<Month> {
        if !(0..=9999).contains(&year) {
            return None;
        }
        Date::new(year, number, 1).ok().map(|first| Month { first })
    }

    /// The month that `date` lies in.
    pub fn of(date: Date) -> Month {
        Month { first: date.first_of_month() }
    }

    /// First day of the month, as it stands in the column `Month` of every table.
    pub fn first_day(self) -> Date {
        self.first
    }

    /// The month before this one, or `None` for January of year 0.
    pub fn previous(self) -> Option<Month> {
        match self.first.month() {
            1 => Month::new(self.first.year() - 1, 12),
            number => Month::new(self.first.year(), number - 1),
        }
    }

    /// The month after this one, or `None` for December of year 9999.
    pub fn next(self) -> Option<Month> {
        match self.first.month() {
            12 => Month::new(self.first.year().checked_add(1)?, 1),
            number => Month::new(self.first.year(), number + 1),
        }
    }

    /// Number of days, 28..=31.
    pub fn n_days(self) -> u8 {
        self.first.days_in_month().unsigned_abs()
    }

    /// All days of the month in order.
    pub fn days(self) -> impl Iterator<Item = Day> {
        (1..=self.n_days()).map(Day)
    }

    /// The days of the month that are not after `last`, in order.
    pub fn days_until(self, last: Date) -> impl Iterator<Item = Day> {
        self.days().filter(move |day| self.date(*day).is_some_and(|date| date <= last))
    }

    /// The date of `day`, or `None` where the month is shorter than that.
    pub fn date(self, day: Day) -> Option<Date> {
        Date::new(self.first.year(), self.first.month(), day.0.cast_signed()).ok()
    }
}

/// The first and the last of days that follow each other; `days` ascend.
pub fn runs(days: &[Day]) -> impl Iterator<Item = (Day, Day)> {
    days.chunk_by(|a, b| a.0 + 1 == b.0).filter_map(|run| Some((*run.first()?, *run.last()?)))
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// A text that is not a month.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a month: write it as YYYY-MM, for example 2022-04")]
pub struct ParseMonthError(String);

impl FromStr for Month {
    type Err = ParseMonthError;

    fn from_str(text: &str) -> Result<Month, ParseMonthError> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        text.split_once('-')
            .filter(|(year, number)| year.len() == 4 && number.len() == 2 && digits(year) && digits(number))
            .and_then(|(year, number)| Month::new(year.parse().ok()?, number.parse().ok()?))
            .ok_or_else(|| ParseMonthError(text.to_owned()))
    }
}

/// Day of the month, 1..=31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u8);

impl Day {
    /// The day `number`, or `None` outside 1..=31.
    pub fn new(number: u8) -> Option<Day> {
        (1..=31).contains(&number).then_some(Day(number))
    }

    /// The day of the month of `date`.
    pub fn of(date: Date) -> Day {
        Day(date.day().unsigned_abs())
    }

    /// 1..=31.
    pub fn number(self) -> u8 {
        self.0
    }

    /// 0..=30, the bit of this day in a mask of active days.
    pub fn index(self) -> usize {
        usize::from(self.0) - 1
    }

    /// The mask of active days that holds this day alone.
    pub fn mask(self) -> u32 {
        1 << self.index()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_written_one_way() {
        let check = |text: &str, days: Option<u8>| {
            let month: Result<Month, _> = text.parse();
            assert_eq!(month.as_ref().ok().map(|m| m.n_days()), days, "{text}");
            if let Ok(month) = month {
                assert_eq!(month.to_string(), text);
            }
        };
        check("2022-04", Some(30));
        check("2024-02", Some(29));
        check("2023-02", Some(28));
        check("0001-12", Some(31));
        for wrong in ["", "2022", "2022-4", "2022-13", "2022-00", "22-04", "2022-04-01", "+022-04", "2022/04"] {
            check(wrong, None);
        }
    }

    #[test]
    fn previous_month_crosses_the_year() {
        let month: Month = "2022-01".parse().unwrap();
        assert_eq!(month.previous().unwrap().to_string(), "2021-12");
        assert_eq!(Month::new(0, 1).unwrap().previous(), None);
    }
}
