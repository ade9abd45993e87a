//! From what a walk found to the files of one month. The same for every kind of lake.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::day::{Conflict, Place, dates_in};
use super::pattern::DayPattern;
use super::{Compression, DataFile, Format, LakeError, LakeErrorKind, Listing, Skipped, names, same};
use crate::engine::calendar::{Day, Month};
use crate::units::counted;

/// What to take from a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The month. `None`: the only month found.
    pub month: Option<Month>,
    /// How the records of all files are written. `None`: as the ending of each file says.
    pub format: Option<Format>,
    /// Where names say the day, where they say it in a way of their own.
    pub day_pattern: Option<DayPattern>,
    /// What files are that look like the same data twice.
    pub duplicates: Duplicates,
}

/// What becomes of files that look like the same data twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// They are an error.
    #[default]
    Refuse,
    /// Both count.
    Allow,
}

/// A file that a walk found, not yet judged by its name.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As in [`DataFile::uri`].
    pub uri: String,
    /// As in [`DataFile::path`].
    pub path: PathBuf,
    /// The path, separated by `/`, whose names tell the day.
    pub named_by: String,
    /// The bytes of `named_by` that are the input: folders in it tell no day, but for the last.
    pub n_input: usize,
    /// As in [`DataFile::n_bytes`].
    pub n_bytes: u64,
    /// As in [`DataFile::modified_ms`].
    pub modified_ms: i64,
}

/// A file that was left out though it may be data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suspect {
    /// Where it is.
    pub uri: String,
    /// The day that it says.
    pub date: Date,
    /// Why it was left out.
    pub why: &'static str,
}

impl Suspect {
    /// A file that is left out by its name, if there is data in it by all that the name says otherwise: not finished, or
    /// the checksum of a file that is not there.
    pub fn of(
        uri: &str,
        place: Place<'_>,
        pattern: Option<&DayPattern>,
        has_file: impl Fn(&str) -> bool,
    ) -> Option<Suspect> {
        let name = Some(place.file_name()).filter(|name| !name.starts_with(['_', '.']))?;
        let (stem, kind) = names::left_out_ending(name)?;
        names::format_of(stem)?;
        let n_ending = name.len() - stem.len();
        let file = Place { below: place.below.get(..place.below.len() - n_ending)?, ..place };
        let date = match file.day(pattern) {
            Ok(date) => date?,
            // It is of one of them.
            Err(Conflict(_)) => *dates_in(stem).first()?,
        };
        let why = match kind {
            names::LeftOut::Checksum | names::LeftOut::Mark if has_file(stem) => None,
            names::LeftOut::Checksum => Some("a checksum without its file"),
            names::LeftOut::Mark => Some("the mark of a file that is not there"),
            names::LeftOut::Unfinished => Some("by its name a copy or not finished"),
        };
        why.map(|why| Suspect { uri: uri.to_owned(), date, why })
    }
}

/// What a name says of a file.
enum Judged {
    Data(Date, Format),
    /// A day, but an ending that nothing here reads.
    Unread(Date),
    /// In a folder of this day, but neither a day nor a known ending in its name.
    Stray(Date),
    Other,
    NoDay,
}

fn judge(file: &Found, options: &ListOptions) -> Result<Judged, LakeError> {
    let place = Place::of(&file.named_by, file.n_input);
    let format = names::format_of(place.file_name());
    let says_day = !dates_in(place.file_name()).is_empty()
        || options.day_pattern.as_ref().is_some_and(|pattern| !pattern.days_of(place.below).is_empty());
    let day = place.day(options.day_pattern.as_ref());
    let day = match (day, format, says_day) {
        // What is no data has no day to disagree about.
        (Err(_), None, false) => return Ok(Judged::Other),
        (day, ..) => day.map_err(|Conflict(what)| {
            LakeError::new(LakeErrorKind::Name, &file.uri, what).advise(
                "rename it, or say where the day stands with --day-pattern, for example 'export_*_log_{YYYYMMDD}.json'",
            )
        })?,
    };
    Ok(match (day, options.format.or(format)) {
        (Some(date), Some(format)) => Judged::Data(date, format),
        (Some(date), None) if says_day => Judged::Unread(date),
        (Some(date), None) => Judged::Stray(date),
        (None, _) if format.is_some() => Judged::NoDay,
        (None, _) => Judged::Other,
    })
}

/// The files of the month among `found`. `n_left_out` names were left out before, some of them `suspects`; `inputs` is for
/// messages.
pub(crate) fn select(
    inputs: &str,
    found: Vec<Found>,
    n_left_out: u64,
    suspects: Vec<Suspect>,
    options: &ListOptions,
) -> Result<Listing, LakeError> {
    sort(inputs, found, n_left_out, suspects, options)?.into_month(options)
}

/// What walks found, by month.
#[derive(Clone, Debug)]
pub(crate) struct Sorted {
    /// As the user wrote them, for messages.
    inputs: String,
    by_month: BTreeMap<Month, Vec<DataFile>>,
    /// Files with a day and an ending that nothing here reads.
    unread: Vec<(Date, String)>,
    suspects: Vec<Suspect>,
    /// What is of no month.
    skipped: Skipped,
}

/// Sorts what walks found; the arguments are those of [`select`], of which no month is read.
pub(crate) fn sort(
    inputs: &str,
    mut found: Vec<Found>,
    n_left_out: u64,
    mut suspects: Vec<Suspect>,
    options: &ListOptions,
) -> Result<Sorted, LakeError> {
    found.sort_by(|a, b| a.uri.cmp(&b.uri).then_with(|| a.path.cmp(&b.path)));
    if let Some(pattern) = &options.day_pattern
        && found.iter().all(|file| pattern.days_of(Place::of(&file.named_by, file.n_input).below).is_empty())
    {
        let what = format!("no name of a file fits --day-pattern `{pattern}`");
        return Err(LakeError::new(LakeErrorKind::Name, inputs, what).advise(
            "write the whole name, with * for what differs and the endings, for example '*_{YYYYMMDD}.json.gz'",
        ));
    }
    let mut by_month: BTreeMap<Month, Vec<DataFile>> = BTreeMap::new();
    let mut without_day: Vec<String> = Vec::new();
    let mut unread: Vec<(Date, String)> = Vec::new();
    let mut n_others = 0;
    for file in found {
        match judge(&file, options)? {
            Judged::Data(date, format) => {
                by_month.entry(Month::of(date)).or_default().push(data_file(file, date, format));
            }
            Judged::Unread(date) => unread.push((date, file.uri)),
            Judged::Stray(date) => {
                n_others += 1;
                suspects.push(Suspect { uri: file.uri, date, why: "without an ending of a data file" });
            }
            Judged::Other => n_others += 1,
            Judged::NoDay => without_day.push(file.uri),
        }
    }
    refuse_without_day(without_day)?;
    if by_month.is_empty() && unread.is_empty() {
        suspects.sort();
        return Err(no_data(inputs, n_left_out + n_others, &suspects));
    }
    let skipped = Skipped { other_months: 0, hidden: n_left_out, no_data: n_others };
    Ok(Sorted { inputs: inputs.to_owned(), by_month, unread, suspects, skipped })
}

impl Sorted {
    /// The months that have a data file, ascending.
    pub fn months(&self) -> Vec<Month> {
        self.by_month.keys().copied().collect()
    }

    /// The files of the month that is asked for, or of the only one there is.
    pub fn into_month(mut self, options: &ListOptions) -> Result<Listing, LakeError> {
        let month = month_of(&self.inputs, &self.by_month, &self.unread, options)?;
        if let Some((_, uri)) = self.unread.iter().find(|(date, _)| Month::of(*date) == month) {
            let what =
                "its ending is not one of a data file (.json, .jsonl, .ndjson, .csv, each also with .gz or .zst)";
            return Err(LakeError::new(LakeErrorKind::Name, uri, what)
                .advise("extract or convert it, begin its name with `_` to leave it out, or give --format"));
        }
        let files = self.by_month.remove(&month).unwrap_or_default();
        if options.duplicates == Duplicates::Refuse {
            same::refuse_by_name(&files)?;
        }
        let n_other_months = self.by_month.values().map(Vec::len).sum::<usize>() + self.unread.len();
        self.suspects.retain(|suspect| Month::of(suspect.date) == month);
        self.suspects.sort();
        Ok(Listing {
            month,
            files,
            skipped: Skipped { other_months: n_other_months as u64, ..self.skipped },
            warnings: left_out(&self.suspects),
        })
    }
}

/// A line for each file that was left out though it may be data; one for all where many were for the same reason.
fn left_out(suspects: &[Suspect]) -> Vec<String> {
    const ALONE: usize = 3;
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    suspects.iter().for_each(|Suspect { uri, why, .. }| by_reason.entry(why).or_default().push(uri));
    let lines = |(why, uris): (&str, Vec<&str>)| match uris.as_slice() {
        [first, .., last] if uris.len() > ALONE => {
            vec![format!("{} were left out, {first} to {last}: each is {why}", counted(uris.len() as u64, "file"))]
        }
        uris => uris.iter().map(|uri| format!("{uri} was left out: it is {why}")).collect(),
    };
    by_reason.into_iter().flat_map(lines).collect()
}

fn data_file(file: Found, date: Date, format: Format) -> DataFile {
    let compression: Compression = names::compression_of(&file.named_by);
    let Found { uri, path, n_bytes, modified_ms, .. } = file;
    let (day, local_modified_ms) = (Day::of(date), modified_ms);
    DataFile { uri, path, day, n_bytes, modified_ms, local_modified_ms, format, compression }
}

fn no_data(inputs: &str, n_left_out: u64, suspects: &[Suspect]) -> LakeError {
    let left_out = match n_left_out {
        0 => String::new(),
        1 => ", only 1 file whose name is not that of a data file".to_owned(),
        n => format!(", only {} whose names are not those of data files", counted(n, "file")),
    };
    // Which they are, where they may be data all the same.
    let suspects =
        if suspects.is_empty() { String::new() } else { format!("; {}", self::left_out(suspects).join("; ")) };
    LakeError::new(LakeErrorKind::NotFound, inputs, format!("holds no data file{left_out}{suspects}"))
        .advise("data files end in .json, .jsonl, .ndjson or .csv, with or without .gz or .zst after it; or say with --format what they are")
}

/// All of them at once, so that one pattern can be found that fits.
fn refuse_without_day(files: Vec<String>) -> Result<(), LakeError> {
    const SHOWN: usize = 10;
    let Some(first) = files.first() else { return Ok(()) };
    let others = match files.len() {
        1 => String::new(),
        n => {
            let shown = files.iter().skip(1).take(SHOWN - 1).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = n.saturating_sub(SHOWN);
            format!("; nor have {shown}{}", if more == 0 { String::new() } else { format!(" and {more} more") })
        }
    };
    let what =
        format!("neither its name nor a folder below the input has a day (such as 20220401 or 2022-04-01){others}");
    let error = LakeError::new(LakeErrorKind::Name, first, what);
    if let Some((digits, date)) = point_in_time(first.rsplit('/').next().unwrap_or_default()) {
        return Err(error.advise(format!(
            "{digits} looks like a point in time since 1970, on {date} in UTC: put the files into a folder a day such as \
             day={date}, or rename them"
        )));
    }
    Err(error.advise(
        "say where the day stands with --day-pattern, for example '{DD}-{MM}-{YYYY}.json' or '*_{YYYYMMDD}_*', put the file \
         into a folder such as day=2022-04-01, or begin its name with `_` to leave it out",
    ))
}

/// A number in a name that counts seconds or milliseconds since 1970, and its day.
fn point_in_time(name: &str) -> Option<(&str, Date)> {
    let numbers = name.split(|c: char| !c.is_ascii_digit());
    numbers.filter(|digits| matches!(digits.len(), 10 | 13)).find_map(|digits| {
        let number: i64 = digits.parse().ok()?;
        let seconds = if digits.len() == 13 { number / 1000 } else { number };
        let date = TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).ok()?).date();
        (2000..2100).contains(&date.year()).then_some((digits, date))
    })
}

/// The month that is asked for, or the only one there is.
fn month_of(
    inputs: &str,
    by_month: &BTreeMap<Month, Vec<DataFile>>,
    unread: &[(Date, String)],
    options: &ListOptions,
) -> Result<Month, LakeError> {
    let mut counts: BTreeMap<Month, u64> = by_month.iter().map(|(month, files)| (*month, files.len() as u64)).collect();
    if counts.is_empty() || options.month.is_some() {
        unread.iter().for_each(|(date, _)| *counts.entry(Month::of(*date)).or_default() += 1);
    }
    let months = || {
        let month = |(month, n): (&Month, &u64)| format!("{month} ({})", counted(*n, "file"));
        counts.iter().map(month).collect::<Vec<_>>().join(", ")
    };
    match (options.month, counts.keys().next()) {
        (Some(month), _) if counts.contains_key(&month) => Ok(month),
        (Some(month), _) => {
            let what = format!("has no file of {month}; it has {}", months());
            Err(LakeError::new(LakeErrorKind::Month, inputs, what).advise("choose one of these with --month"))
        }
        (None, Some(month)) if counts.len() == 1 => Ok(*month),
        (None, _) => {
            let what = format!("holds several months: {}", months());
            Err(LakeError::new(LakeErrorKind::Month, inputs, what))
        }
    }
}
