//! Month files of parts of a month become that of all parts together, or its table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::agree::{devices, ledger, rules};
use super::devices::DeviceWriter;
use super::find::{Origin, find};
use super::metadata::Metadata;
use super::part_file::Between;
use super::part_rows::PartRows;
use super::write::{Encoder, ROW_GROUP_ROWS, Writer};
use super::{FileFlaw, GapPolicy, MonthFileError, TaskList};
use crate::engine::aggregate::days;
use crate::engine::calendar::Month;
use crate::engine::columns::of_month_file;
use crate::engine::devices::{DeviceRows, Devices};
use crate::engine::ledger::{InputFile, LedgerDetail};
use crate::engine::month::{MonthMeta, MonthTable, Provenance};
use crate::engine::partial::{MergedRows, Overflow, Partial, RowStream, SumOf, activity};
use crate::engine::rules::{Category, Rules};

/// What the parts do not say.
#[derive(Clone, Debug, Default)]
pub struct MergeOptions {
    /// The month, where folders hold files of several.
    pub month: Option<Month>,
    /// Rules that label the customers; none: those of the parts.
    pub rules: Option<Rules>,
    /// The column `Date`; none: the latest of the parts.
    pub etl_date: Option<Date>,
    /// What becomes of devices.
    pub devices: PartDevices,
}

/// What becomes of the devices of parts, where they were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartDevices {
    /// Each customer has as many as all parts together.
    #[default]
    Counted,
    /// So too, and they keep their names; parts that did not count them are refused.
    Named,
    /// They are left out.
    LeftOut,
}

/// Parts that belong together. Memory grows with their number and with the files and apps that they name, not with their
/// rows.
pub struct Merge {
    month: Month,
    etl_date: Date,
    rules: Rules,
    /// Who wrote the parts, if all say the same.
    engine: String,
    ledger: LedgerDetail,
    parts: Vec<PartRows>,
    /// Whether the customers have devices, and what is known of them before the first row.
    devices: Option<DeviceRows>,
    /// Whether devices that the parts count are left out.
    leaves_devices_out: bool,
}

/// Why a merged file was not written.
#[derive(Debug, thiserror::Error)]
pub enum MergeWriteError {
    /// The parts are at fault.
    #[error(transparent)]
    Parts(#[from] MonthFileError),
    /// The new file is.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Merge {
    /// Opens month files and folders of them. A file that several of `inputs` name counts once; in folders all
    /// `*.parquet` count, save hidden names and those that begin with `_`, however deep they lie. A folder with a
    /// `_viewmart.json` is one part, whose rows another engine added up.
    ///
    /// # Errors
    /// A file that cannot be read or is no month file, files that do not belong together, several months and none asked
    /// for.
    pub fn open(inputs: &[PathBuf], options: &MergeOptions) -> Result<Merge, MonthFileError> {
        let parts = open_parts(inputs, options.month)?;
        let months: BTreeMap<Month, &Path> =
            parts.iter().rev().map(|part| (part.header().month, part.path())).collect();
        let month = match (months.keys().next(), options.month) {
            (Some(month), _) if months.len() == 1 => *month,
            (None, _) => {
                return Err(MonthFileError::Empty { folder: inputs.first().cloned().unwrap_or_default() });
            }
            _ => {
                let of = |(month, file): (&Month, &&Path)| format!("{month} ({})", file.display());
                return Err(MonthFileError::Months { months: months.iter().map(of).collect() });
            }
        };
        Merge::of(month, parts, options)
    }

    /// Opens month files of any months and folders of them: a merge for each month, oldest first.
    ///
    /// # Errors
    /// As [`Merge::open`], several months aside.
    pub fn open_months(inputs: &[PathBuf]) -> Result<Vec<Merge>, MonthFileError> {
        let mut by_month: BTreeMap<Month, Vec<PartRows>> = BTreeMap::new();
        for part in open_parts(inputs, None)? {
            by_month.entry(part.header().month).or_default().push(part);
        }
        let options = MergeOptions::default();
        by_month.into_iter().map(|(month, parts)| Merge::of(month, parts, &options)).collect()
    }

    /// Parts of one month.
    fn of(month: Month, mut parts: Vec<PartRows>, options: &MergeOptions) -> Result<Merge, MonthFileError> {
        let counted = devices(&mut parts, options.devices)?;
        let rules = rules(&parts, options)?;
        let engines: BTreeSet<&str> = parts.iter().map(|part| part.header().engine.as_str()).collect();
        let engine = if engines.len() == 1 { engines.into_iter().collect() } else { crate::ENGINE.to_owned() };
        let latest = parts.iter().map(|part| part.header().etl_date).max();
        let etl_date = options.etl_date.or(latest).unwrap_or(month.first_day());
        let ledger = ledger(&parts)?;
        let leaves_devices_out = counted.is_some() && options.devices == PartDevices::LeftOut;
        let devices = counted.filter(|_| !leaves_devices_out);
        Ok(Merge { month, etl_date, rules, engine, ledger, parts, devices, leaves_devices_out })
    }

    pub fn month(&self) -> Month {
        self.month
    }

    /// Whether devices that the parts count are left out.
    pub fn leaves_devices_out(&self) -> bool {
        self.leaves_devices_out
    }

    /// Whether the customers have devices.
    pub fn counts_devices(&self) -> Devices {
        if self.devices.is_some() { Devices::Counted } else { Devices::Ignored }
    }

    /// Number of parts.
    pub fn n_parts(&self) -> usize {
        self.parts.len()
    }

    /// See [`crate::engine::rules::RecordRules::similar_apps`].
    pub fn similar_apps(&self) -> BTreeMap<String, String> {
        let unmapped = self.ledger.apps.iter().filter(|(_, sums)| sums.category.is_none());
        self.rules.record.similar_apps(unmapped.map(|(app, _)| app))
    }

    /// What became of every record.
    pub fn ledger(&self) -> &LedgerDetail {
        &self.ledger
    }

    /// What the parts know to have been odd about their lake when it was cut into tasks, by kind.
    pub fn warnings(&self) -> impl Iterator<Item = &BTreeMap<String, Vec<String>>> {
        self.parts.iter().filter_map(PartRows::warnings)
    }

    /// Files of which not all bytes are there, each with those that are missing.
    pub fn incomplete(&self) -> Vec<String> {
        let gaps = |file: &InputFile| {
            let starts = [0].into_iter().chain(file.ranges.iter().map(|range| range.end));
            let ends = file.ranges.iter().map(|range| range.start).chain([file.n_bytes]);
            let gaps: Vec<String> = starts
                .zip(ends)
                .filter(|(start, end)| start < end)
                .map(|(start, end)| format!("bytes {start} to {end}"))
                .collect();
            format!("{} lacks {}", file.uri, gaps.join(", "))
        };
        self.ledger.files.iter().map(|ledger| &ledger.file).filter(|file| !file.is_whole()).map(gaps).collect()
    }

    /// Whether the parts make up the files they name, and are the tasks of a list where there is one. With
    /// [`GapPolicy::Accept`] some may be missing, but none may be too much.
    ///
    /// # Errors
    /// [`MonthFileError::Incomplete`], [`MonthFileError::NotAsPlanned`].
    pub fn check_whole(&self, tasks: Option<&TaskList>, gaps: GapPolicy) -> Result<(), MonthFileError> {
        tasks.map_or(Ok(()), |tasks| tasks.check(self.month, &self.ledger, gaps))?;
        let missing = self.incomplete();
        match missing.len() {
            0 => Ok(()),
            _ if gaps == GapPolicy::Accept => Ok(()),
            n_files => Err(MonthFileError::Incomplete { n_files, missing }),
        }
    }

    /// Where the month comes from.
    pub fn provenance(&self) -> Provenance {
        let files = &self.ledger.files;
        Provenance {
            engine: self.engine.clone(),
            input_files: files.len() as u64,
            input_bytes: files.iter().map(|ledger| ledger.file.n_bytes_read()).fold(0, u64::saturating_add),
            ..Provenance::of(&self.rules)
        }
    }

    /// The table of all parts, in memory.
    ///
    /// # Errors
    /// A part that cannot be read or contradicts itself, a sum that does not fit.
    pub fn into_table(self) -> Result<MonthTable, MonthFileError> {
        let provenance = self.provenance();
        let Merge { month, etl_date, rules, ledger, parts, devices, .. } = self;
        let partial = match <[PartRows; 1]>::try_from(parts) {
            Ok([PartRows::File(file)]) => {
                let whole = file.into_partial()?;
                let counts = whole.devices.map(|devices| devices.counts).unwrap_or_default();
                Partial { devices: devices.map(|devices| DeviceRows { counts, ..devices }), ..whole }
            }
            Ok(folder) => take_rows(&mut MergedRows::new(folder.into()), usize::MAX, devices, Names::LeftOut)?,
            Err(parts) => take_rows(&mut MergedRows::new(parts), usize::MAX, devices, Names::LeftOut)?,
        };
        let meta = MonthMeta { month, etl_date, labels: &rules.labels, provenance };
        Ok(Partial { ledger, ..partial }.finish(meta)?)
    }

    /// Gives all rows with their labels to `each`, at most `n_rows` at a time, until it breaks off.
    ///
    /// # Errors
    /// As [`Merge::into_table`].
    pub fn for_each_batch(
        self,
        n_rows: usize,
        each: &mut dyn FnMut(&MonthTable) -> ControlFlow<()>,
    ) -> Result<(), MonthFileError> {
        let Merge { month, etl_date, rules, parts, devices, .. } = self;
        let mut groups = Groups {
            month,
            etl_date,
            rules: &rules,
            rows: MergedRows::new(parts),
            group_rows: n_rows,
            devices,
            names: Names::LeftOut,
        };
        while let Some(batch) = groups.next()? {
            if each(&batch).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Writes the month file of all parts: the bytes that `transform` would write of all they were made from. Gives the
    /// number of rows.
    ///
    /// # Errors
    /// As [`Merge::into_table`], and those of `output`.
    pub fn write(self, output: &mut (dyn Write + Send)) -> Result<u64, MergeWriteError> {
        self.write_with_devices(output, &mut io::sink(), &mut |_| ())
    }

    /// As [`Merge::write`], and where devices keep their names those into `devices`: what `transform` would write beside.
    /// `each` sees the rows as they are written, some at a time.
    ///
    /// # Errors
    /// As [`Merge::write`], and those of `devices`.
    pub fn write_with_devices(
        self,
        output: &mut (dyn Write + Send),
        devices: &mut dyn Write,
        each: &mut dyn FnMut(&MonthTable),
    ) -> Result<u64, MergeWriteError> {
        self.write_in_groups(output, devices, ROW_GROUP_ROWS, each)
    }

    pub(super) fn write_in_groups(
        self,
        output: &mut (dyn Write + Send),
        device_output: &mut dyn Write,
        group_rows: usize,
        each: &mut dyn FnMut(&MonthTable),
    ) -> Result<u64, MergeWriteError> {
        let columns = of_month_file(self.counts_devices());
        let Merge { month, etl_date, rules, ledger, parts, devices, .. } = self;
        let n_device_records = devices.as_ref().map_or(0, |devices| devices.n_records);
        let mut device_writer = devices.as_ref().map(|_| DeviceWriter::new(month, device_output)).transpose()?;
        let mut groups = Groups {
            month,
            etl_date,
            rules: &rules,
            rows: MergedRows::new(parts),
            group_rows,
            devices,
            names: Names::Kept,
        };
        let mut sums = Sums::default();
        let encoder = Encoder::new(columns).map_err(io::Error::from)?;
        let mut writer = Writer::new(crate::ENGINE, columns, output)?;
        let mut ready = groups.next()?;
        while let Some(group) = ready.take() {
            each(&group);
            if let Some(writer) = &mut device_writer {
                writer.add(&group)?;
            }
            let write = || -> io::Result<()> {
                sums.add(&group);
                writer.write(encoder.encode(&group, 0..group.n_rows())?)
            };
            let (next, written) = rayon::join(|| groups.next(), write);
            ready = next?;
            written?;
        }
        let days = activity(&sums.active_users, &ledger).map_err(MonthFileError::from)?;
        sums.check_fit().map_err(MonthFileError::from)?;
        let n_rows = sums.n_rows;
        let seal = device_writer.map(|writer| writer.finish(n_device_records)).transpose()?;
        writer.finish(&Metadata {
            month,
            etl_date,
            engine: crate::ENGINE,
            rules: &rules,
            n_rows,
            ledger: &ledger,
            days: &days,
            devices: seal.as_ref(),
        })?;
        Ok(n_rows)
    }
}

/// The month files at `inputs`: where a month is asked for, those of it.
fn open_parts(inputs: &[PathBuf], asked: Option<Month>) -> Result<Vec<PartRows>, MonthFileError> {
    let mut parts = Vec::new();
    let found = find(inputs)?;
    let n_files = found.iter().map(|(path, _)| PartRows::n_files(path)).sum();
    let between = Between::of(n_files);
    for (path, origin) in found {
        let part = match PartRows::open(&path, between) {
            Err(MonthFileError::Unusable { flaw: FileFlaw::List, .. }) if origin == Origin::InFolder => continue,
            opened => opened?,
        };
        match (asked, origin) {
            (Some(asked), Origin::Named) if asked != part.header().month => {
                return Err(MonthFileError::OtherMonth { file: path, found: part.header().month, asked });
            }
            (Some(asked), Origin::InFolder) if asked != part.header().month => {}
            _ => parts.push(part),
        }
    }
    Ok(parts)
}

/// The merged rows, a row group at a time.
struct Groups<'a> {
    month: Month,
    etl_date: Date,
    rules: &'a Rules,
    rows: MergedRows<PartRows>,
    group_rows: usize,
    /// Whether there are any, and what is known of them before the first row.
    devices: Option<DeviceRows>,
    names: Names,
}

/// Whether the names of devices are kept in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Kept,
    LeftOut,
}

impl Groups<'_> {
    /// The next rows with their labels and without a ledger.
    fn next(&mut self) -> Result<Option<MonthTable>, MonthFileError> {
        let partial = take_rows(&mut self.rows, self.group_rows, self.devices.clone(), self.names)?;
        if partial.n_rows() == 0 {
            return Ok(None);
        }
        let provenance = Provenance::default();
        let meta = MonthMeta { month: self.month, etl_date: self.etl_date, labels: &self.rules.labels, provenance };
        Ok(Some(partial.finish(meta)?))
    }
}

/// At most `n_max` rows, with `devices` where there are any.
fn take_rows(
    rows: &mut MergedRows<PartRows>,
    n_max: usize,
    devices: Option<DeviceRows>,
    names: Names,
) -> Result<Partial, MonthFileError> {
    let mut partial = Partial { devices, ..Partial::default() };
    let (mut days, mut seconds) = (Vec::new(), <[Vec<i64>; Category::ALL.len()]>::default());
    while days.len() < n_max && rows.advance()? {
        let row = rows.row();
        partial.contracts.push(row.contract);
        days.push(row.days);
        seconds.iter_mut().zip(row.seconds).for_each(|(column, seconds)| column.push(seconds));
        match &mut partial.devices {
            None => {}
            Some(devices) if names == Names::Kept => devices.push(&rows.devices()),
            Some(devices) => devices.counts.push(rows.devices().count),
        }
    }
    partial.days = days.into();
    partial.seconds = seconds.map(Into::into);
    Ok(partial)
}

/// Sums over the rows of all row groups: what [`Partial::finish`] checks where it has them all.
#[derive(Default)]
struct Sums {
    n_rows: u64,
    active_users: [u64; 31],
    /// Of the seconds above 0 and below, by category, then of the totals.
    above: [i128; Category::ALL.len() + 1],
    below: [i128; Category::ALL.len() + 1],
}

impl Sums {
    fn add(&mut self, group: &MonthTable) {
        self.n_rows += group.n_rows() as u64;
        self.active_users.iter_mut().zip(days::active_users(&group.days)).for_each(|(sum, users)| *sum += users);
        let columns = group.seconds.iter().chain([&group.total]);
        for ((above, below), column) in self.above.iter_mut().zip(&mut self.below).zip(columns) {
            for seconds in &column[..] {
                *above += i128::from(*seconds.max(&0));
                *below += i128::from(*seconds.min(&0));
            }
        }
    }

    /// Whether any sum over some of the customers fits.
    fn check_fit(&self) -> Result<(), Overflow> {
        let names = Category::ALL.map(SumOf::Category).into_iter().chain([SumOf::Month]);
        for ((above, below), of) in self.above.iter().zip(&self.below).zip(names) {
            if i64::try_from(*above).is_err() || i64::try_from(*below).is_err() {
                return Err(Overflow { of });
            }
        }
        Ok(())
    }
}
