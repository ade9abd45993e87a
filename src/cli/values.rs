//! Values of settings. Each checks itself in its `FromStr`, which flags, variables and the settings file share.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::ValueEnum;
use jiff::civil::Date;

use super::plan::{Parent, ParentDeath};
use crate::engine::calendar::Month;
use crate::lake::{Compression, Format};
use crate::reprocess::Reprocess;

/// A number of threads, 1..=1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// More would only cost memory.
    const MAX: usize = 1024;

    /// One for each processor that this process may use.
    pub fn all() -> Threads {
        let n_processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Threads(NonZeroUsize::new(n_processors.min(Threads::MAX)).unwrap_or(NonZeroUsize::MIN))
    }

    /// One alone.
    pub(super) fn one() -> Threads {
        Threads(NonZeroUsize::MIN)
    }

    /// As a count, at least 1.
    pub fn get(self) -> usize {
        self.0.get()
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Threads, String> {
        let number: Option<NonZeroUsize> = text.parse().ok();
        number
            .filter(|n| n.get() <= Threads::MAX)
            .map(Threads)
            .ok_or_else(|| format!("not a number from 1 to {}", Threads::MAX))
    }
}

/// Files pulled at once, 1..=16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs(u8);

impl Jobs {
    /// As a count, at least 1.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl FromStr for Jobs {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Jobs, &'static str> {
        text.parse().ok().filter(|n| (1..=16).contains(n)).map(Jobs).ok_or("not a number from 1 to 16")
    }
}

/// A fraction, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// The fraction itself.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Ratio, &'static str> {
        text.parse().ok().filter(|n| (0.0..=1.0).contains(n)).map(Ratio).ok_or("not a fraction from 0 to 1")
    }
}

/// A number of bytes, at least one: `1024`, `64K`, `256MiB`, `2GB`. Units are powers of 1000, with an `i` of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(u64);

impl ByteSize {
    /// In bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ByteSize, &'static str> {
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits_end);
        let unit = unit.trim_start().to_ascii_uppercase();
        // Decimal, as sizes are printed; binary with an i.
        let unit = unit.strip_suffix('B').unwrap_or(&unit);
        let (base, letter) = unit.strip_suffix('I').map_or((1000_u64, unit), |letter| (1024, letter));
        let power = match (letter, base) {
            ("", 1000) => Some(0),
            ("K", _) => Some(1),
            ("M", _) => Some(2),
            ("G", _) => Some(3),
            ("T", _) => Some(4),
            _ => None,
        };
        let n_bytes = power.and_then(|power| number.parse::<u64>().ok()?.checked_mul(base.pow(power)));
        n_bytes.filter(|n| *n > 0).map(ByteSize).ok_or("not a size such as 65536, 256MB, 256MiB or 2GB")
    }
}

/// `--month`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MonthChoice {
    /// This one.
    Named(Month),
    /// The calendar month before that of the ETL date.
    Last,
    /// The calendar month of the ETL date.
    This,
    /// From the first to the second.
    Between(Month, Month),
    /// All that the lake has.
    All,
}

impl MonthChoice {
    /// The one month that is meant by a run of `etl_date`; none before year 0, nor where several are meant.
    pub(super) fn resolve(self, etl_date: Date) -> Option<Month> {
        match self {
            MonthChoice::Named(month) => Some(month),
            MonthChoice::Last => Month::of(etl_date).previous(),
            MonthChoice::This => Some(Month::of(etl_date)),
            MonthChoice::Between(..) | MonthChoice::All => None,
        }
    }
}

impl FromStr for MonthChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<MonthChoice, String> {
        match text {
            "last" => return Ok(MonthChoice::Last),
            "this" => return Ok(MonthChoice::This),
            "all" => return Ok(MonthChoice::All),
            _ => {}
        }
        if let Some((first, last)) = text.split_once("..") {
            return match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) if first <= last => Ok(MonthChoice::Between(first, last)),
                (Ok(_), Ok(_)) => Err("the last month is before the first".to_owned()),
                _ => Err("not months: write YYYY-MM..YYYY-MM".to_owned()),
            };
        }
        // TOML has dates but no months: the first day stands for its month.
        let month = text.strip_suffix("-01").filter(|month| month.len() == "YYYY-MM".len()).unwrap_or(text);
        match month.parse() {
            Ok(month) => Ok(MonthChoice::Named(month)),
            Err(_) => {
                Err("not a month: write YYYY-MM, `last` or `this`; `run` also takes YYYY-MM..YYYY-MM and `all`"
                    .to_owned())
            }
        }
    }
}

/// The value of a switch.
pub(crate) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err("not one of true, false, yes, no, 1, 0"),
    }
}

/// `--die-with-parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ParentChoice(pub(super) ParentDeath);

impl FromStr for ParentChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<ParentChoice, &'static str> {
        // No parent has the number 1 or 0 as people write it who mean yes or no.
        Ok(ParentChoice(match (switch(text), text.parse()) {
            (Ok(true), _) => ParentDeath::Follow(Parent::Current),
            (Ok(false), _) => ParentDeath::Ignore,
            (Err(_), Ok(process)) => ParentDeath::Follow(Parent::Process(process)),
            _ => return Err("neither yes nor no nor the number of a process"),
        }))
    }
}

/// A setting of the Hadoop configuration.
pub(crate) fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("not KEY=VALUE"),
    }
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatName {
    // One JSON object a line.
    Ndjson,
    // RFC 4180 with a header row.
    Csv,
}

impl FormatName {
    /// What it names.
    pub(crate) fn format(self) -> Format {
        match self {
            FormatName::Ndjson => Format::Ndjson,
            FormatName::Csv => Format::Csv,
        }
    }
}

/// `--reprocess`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReprocessName {
    // Months that are new, or whose files, rules or format changed.
    Changed,
    // Months that the warehouse does not have.
    Missing,
    // Months whose last run did not publish.
    Failed,
    // Every month.
    All,
}

impl ReprocessName {
    /// What it names.
    pub(crate) fn reprocess(self) -> Reprocess {
        match self {
            ReprocessName::Changed => Reprocess::Changed,
            ReprocessName::Missing => Reprocess::Missing,
            ReprocessName::Failed => Reprocess::Failed,
            ReprocessName::All => Reprocess::All,
        }
    }
}

/// `--compression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionName {
    None,
    Gz,
    Zst,
}

impl CompressionName {
    /// What it names.
    pub(crate) fn compression(self) -> Compression {
        match self {
            CompressionName::None => Compression::None,
            CompressionName::Gz => Compression::Gzip,
            CompressionName::Zst => Compression::Zstd,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn months_by_name_and_by_the_calendar() {
        let check = |text: &str, expected: Option<&str>| {
            let month = text.parse::<MonthChoice>().ok().and_then(|choice| choice.resolve(date(2022, 1, 31)));
            assert_eq!(month.map(|month| month.to_string()).as_deref(), expected, "{text}");
        };
        check("2022-04", Some("2022-04"));
        check("2022-04-01", Some("2022-04"));
        check("last", Some("2021-12"));
        check("this", Some("2022-01"));
        check("2022-04-02", None);
        check("2022-13", None);
        check("2022-01-01-01", None);
        check("-01", None);
        check("Last", None);
        check("", None);
    }

    #[test]
    fn several_months_are_a_range_or_all() {
        let month = |text: &str| text.parse::<Month>().unwrap();
        let range = |first: &str, last: &str| Ok(MonthChoice::Between(month(first), month(last)));
        let check = |text: &str, expected: Result<MonthChoice, &str>| {
            assert_eq!(text.parse::<MonthChoice>(), expected.map_err(str::to_owned), "{text}");
        };
        check("all", Ok(MonthChoice::All));
        check("2022-01..2022-12", range("2022-01", "2022-12"));
        check("2022-01..2022-01", range("2022-01", "2022-01"));
        check("2022-02..2022-01", Err("the last month is before the first"));
        check("2022-02..", Err("not months: write YYYY-MM..YYYY-MM"));
        check("..", Err("not months: write YYYY-MM..YYYY-MM"));
    }

    #[test]
    fn sizes_are_decimal_as_they_are_printed_or_say_that_they_are_binary() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(text.parse::<ByteSize>().ok().map(ByteSize::get), expected, "{text}");
        };
        check("65536", Some(65_536));
        check("64K", Some(64_000));
        check("64kB", Some(64_000));
        check("64 KiB", Some(65_536));
        check("256MB", Some(256_000_000));
        check("256MiB", Some(268_435_456));
        check("2g", Some(2_000_000_000));
        check("2Gi", Some(2_147_483_648));
        check("1T", Some(1_000_000_000_000));
        for wrong in ["", "0", "0MB", "MB", "1i", "1iB", "1X", "1MBB", "-1", "20000000T"] {
            check(wrong, None);
        }
    }

    #[test]
    fn switches_are_read_as_people_write_them() {
        for (text, expected) in [
            ("true", Ok(true)),
            ("TRUE", Ok(true)),
            ("Yes", Ok(true)),
            ("1", Ok(true)),
            ("false", Ok(false)),
            ("no", Ok(false)),
            ("0", Ok(false)),
        ] {
            assert_eq!(switch(text), expected, "{text}");
        }
        for text in ["", "on", "2", "01", " yes", "y"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parent_may_have_a_number() {
        let check = |text: &str, expected: Option<ParentDeath>| {
            assert_eq!(text.parse::<ParentChoice>().ok().map(|choice| choice.0), expected, "{text}");
        };
        check("yes", Some(ParentDeath::Follow(Parent::Current)));
        check("1", Some(ParentDeath::Follow(Parent::Current)));
        check("4711", Some(ParentDeath::Follow(Parent::Process(4711))));
        check("0", Some(ParentDeath::Ignore));
        check("-2", None);
        check("", None);
    }

    #[test]
    fn numbers_outside_their_bounds_are_refused() {
        let threads = |text: &str| text.parse::<Threads>().ok().map(Threads::get);
        let jobs = |text: &str| text.parse::<Jobs>().ok().map(Jobs::get);
        let ratio = |text: &str| text.parse::<Ratio>().ok().map(Ratio::get);
        assert_eq!(
            ["0", "1", "1024", "1025", "2.5", "-1", ""].map(threads),
            [None, Some(1), Some(1024), None, None, None, None]
        );
        assert_eq!(["0", "1", "16", "17", "256"].map(jobs), [None, Some(1), Some(16), None, None]);
        assert_eq!(
            ["0", "0.05", "1", "1.5", "-0.1", "nan", "inf"].map(ratio),
            [Some(0.0), Some(0.05), Some(1.0), None, None, None, None]
        );
    }
}
