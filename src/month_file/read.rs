//! Reading a month file, which may be anything: its rows one after the other, in memory that does not grow with them.

use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::ChunkReader;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;
use rayon::prelude::*;

use super::devices::{DeviceReader, named};
use super::find::is_marked_as_list;
use super::group::{GroupColumns, labelled};
use super::metadata::{Entries, Header};
use super::part_file::{Between, PartFile};
use super::{FileFlaw, MonthFileError, schema};
use crate::engine::columns::{COLUMNS, Column, DEVICES, of_month_file};
use crate::engine::devices::{DeviceRows, RowDevices};
use crate::engine::ledger::LedgerDetail;
use crate::engine::month::{Contracts, MonthTable};
use crate::engine::partial::{Overflow, Partial, Row, RowCheck, RowStream, activity};

/// The columns lie after the four bytes with which every Parquet file begins.
const DATA_START: u64 = 4;

/// Bytes of the column chunks that are read at once for the checksum.
const CHECKSUM_BYTES: usize = 1 << 18;

/// Rows that are decoded at once.
pub(super) const BATCH_ROWS: usize = 1 << 12;

/// Whether the bytes of a file are held against its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    Verify,
    /// Tests and fuzz targets look at what lies after it.
    #[cfg(any(test, fuzzing))]
    Skip,
}

/// An open month file: what it says of itself, and its rows, which are held against that when the last one was read.
pub(super) struct FileRows<R> {
    path: PathBuf,
    reader: Arc<R>,
    metadata: ParquetMetaData,
    pub header: Header,
    /// Row groups that were begun.
    n_groups: usize,
    group: Option<GroupColumns>,
    /// Rows with their labels, which the file gives too.
    batch: MonthTable,
    /// Rows of the batch that were reached: the cursor stands at the last of them.
    n_reached: usize,
    check: RowCheck,
    /// Pairs of contract and device so far, by the column.
    n_pairs: u64,
    /// The file beside, where the names of devices are wanted.
    names: Option<DeviceReader>,
    /// The devices of the row at hand.
    devices: Contracts,
}

impl FileRows<PartFile> {
    /// The file at `path`, which stays open or not `between` two reads.
    pub fn open(path: &Path, between: Between) -> Result<FileRows<PartFile>, MonthFileError> {
        let file =
            PartFile::open(path, between).map_err(|source| MonthFileError::Read { file: path.to_owned(), source })?;
        #[cfg(not(fuzzing))]
        let checksum = Checksum::Verify;
        #[cfg(fuzzing)]
        let checksum = Checksum::Skip;
        FileRows::new(path.to_owned(), file, checksum)
    }
}

impl<R: ChunkReader + 'static> FileRows<R> {
    /// The file whose bytes `reader` gives; `path` is for messages.
    pub fn new(path: PathBuf, reader: R, checksum: Checksum) -> Result<FileRows<R>, MonthFileError> {
        let opened = guarded(|| {
            let metadata = ParquetMetaDataReader::new().parse_and_finish(&reader).map_err(|error| match error {
                ParquetError::External(_) => ReadFailure::of(error),
                error => ReadFailure::Flaw(FileFlaw::NotParquet(error.to_string())),
            })?;
            let header = header(&metadata, &reader, checksum)?;
            Ok((metadata, header))
        });
        let (metadata, header) = opened.map_err(|failure| failure.at(&path))?;
        let check = RowCheck::new(header.month);
        let (n_groups, n_reached) = (0, 0);
        let devices = header.devices.is_some().then(DeviceRows::default);
        let batch =
            labelled(Partial { devices, ..Partial::default() }, &header).map_err(|failure| failure.at(&path))?;
        Ok(FileRows {
            path,
            reader: Arc::new(reader),
            metadata,
            header,
            n_groups,
            group: None,
            batch,
            n_reached,
            check,
            n_pairs: 0,
            names: None,
            devices: Contracts::default(),
        })
    }

    /// Reads the names of the devices too, from the file beside this one. Called before the first row is reached.
    pub fn read_names(&mut self, between: Between) -> Result<(), MonthFileError> {
        self.names = Some(DeviceReader::open(&self.path, self.header.month, between)?);
        Ok(())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Decodes the next rows; false when there are none, and then all rows agree with what the file says of itself.
    fn fill(&mut self) -> Result<bool, ReadFailure> {
        loop {
            if let Some(group) = &mut self.group
                && let Some(batch) = group.next(&self.header, self.check.n_rows())?
            {
                self.n_reached = 0;
                self.n_pairs += pairs_in(batch.devices.as_ref());
                self.batch = batch;
                return Ok(true);
            }
            let Some(group) = self.metadata.row_groups().get(self.n_groups) else { break };
            let columns = of_month_file(self.batch.counts_devices());
            self.group = Some(GroupColumns::new(&self.reader, group, columns)?);
            self.n_groups += 1;
        }
        self.check_end().map(|()| false)
    }

    /// Holds all rows, which were checked, against what the file says of itself.
    fn check_end(&self) -> Result<(), ReadFailure> {
        let Header { n_rows, ledger, days, devices, .. } = &self.header;
        let found = self.check.n_rows() as u64;
        if found != *n_rows {
            let why = format!("says {n_rows}, but there are {found}");
            return Err(FileFlaw::Metadata { key: "rows", why }.into());
        }
        self.check.finish(ledger).map_err(FileFlaw::from)?;
        if activity(&self.check.active_users(), ledger).as_ref() != Ok(days) {
            let why = "is not what rows and files say".to_owned();
            return Err(FileFlaw::Metadata { key: "days", why }.into());
        }
        if devices.as_ref().is_some_and(|seal| seal.pairs != self.n_pairs) {
            let why = format!("is of other devices than the {} in the column {}", self.n_pairs, DEVICES.name);
            return Err(FileFlaw::Metadata { key: "devices", why }.into());
        }
        Ok(())
    }
}

impl<R: ChunkReader + 'static> FileRows<R> {
    /// All rows at once, in memory, of a file of which no row was reached: its row groups are read side by side. The
    /// ledger stays behind, as do the names of devices.
    pub fn into_partial(mut self) -> Result<Partial, MonthFileError> {
        let path = std::mem::take(&mut self.path);
        self.read_groups().map_err(|failure| failure.at(&path))
    }

    fn read_groups(&mut self) -> Result<Partial, ReadFailure> {
        let n_rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or_default();
        let before = |n_before: &mut usize, group| {
            *n_before = n_before.saturating_add(n_rows(group));
            Some((group, *n_before - n_rows(group)))
        };
        let groups: Vec<_> = self.metadata.row_groups().iter().scan(0, before).collect();
        let (reader, header, columns) = (&self.reader, &self.header, of_month_file(self.batch.counts_devices()));
        let read = |group, n_before| {
            let rows = GroupColumns::new(reader, group, columns)?.read_whole(&**reader, header, n_before)?;
            let mut check = RowCheck::after(header.month, n_before);
            (0..rows.n_rows()).try_for_each(|row| check.check(row_of(&rows, row))).map_err(FileFlaw::from)?;
            let MonthTable { contracts, days, seconds, devices, .. } = rows;
            Ok((Partial { contracts, days, seconds, devices, ledger: LedgerDetail::default() }, check))
        };
        let groups: Vec<_> =
            groups.into_par_iter().map(|(group, n_before)| guarded(|| read(group, n_before))).collect();
        let devices = self.header.devices.is_some().then(DeviceRows::default);
        let mut parts = vec![Partial { devices, ..Partial::default() }];
        // In their order, so that the flaw that is told is the first.
        for group in groups {
            let (part, check) = group?;
            let first = part.contracts.iter().next();
            first.map_or(Ok(()), |first| self.check.append(first, check)).map_err(FileFlaw::from)?;
            self.n_pairs += pairs_in(part.devices.as_ref());
            parts.push(part);
        }
        self.check_end()?;
        Ok(Partial::concat(parts))
    }
}

impl<R: ChunkReader + 'static> RowStream for FileRows<R> {
    type Error = MonthFileError;

    fn advance(&mut self) -> Result<bool, MonthFileError> {
        if self.n_reached == self.batch.n_rows() {
            let filled = guarded(|| self.fill());
            if !filled.map_err(|failure| failure.at(&self.path))? {
                return match (&mut self.names, &self.header.devices) {
                    (Some(names), Some(seal)) => names.finish(seal).map(|()| false),
                    _ => Ok(false),
                };
            }
        }
        self.n_reached += 1;
        let row = row_of(&self.batch, self.n_reached - 1);
        self.check.check(row).map_err(|flaw| ReadFailure::from(FileFlaw::from(flaw)).at(&self.path))?;
        if let Some(names) = &mut self.names {
            names.take(row.contract, &mut self.devices)?;
            let counted = count_in(&self.batch, self.n_reached - 1);
            if self.devices.len() as u64 != u64::from(counted) {
                return Err(names.contradicts());
            }
        }
        Ok(true)
    }

    fn row(&self) -> Row<'_> {
        row_of(&self.batch, self.n_reached.saturating_sub(1))
    }

    fn devices(&self) -> RowDevices<'_> {
        match self.names {
            Some(_) => named(&self.devices),
            None => RowDevices::counted(count_in(&self.batch, self.n_reached.saturating_sub(1))),
        }
    }
}

/// The devices of a row by the column; 0 where they were not counted.
fn count_in(table: &MonthTable, row: usize) -> u32 {
    table.devices.as_ref().and_then(|devices| devices.counts.get(row)).copied().unwrap_or_default()
}

fn pairs_in(devices: Option<&DeviceRows>) -> u64 {
    devices.iter().flat_map(|devices| &devices.counts).map(|count| u64::from(*count)).sum()
}

fn row_of(table: &MonthTable, row: usize) -> Row<'_> {
    Row {
        contract: table.contracts.get(row),
        days: table.days[row],
        seconds: std::array::from_fn(|category| table.seconds[category][row]),
    }
}

/// What the file says of itself, if this program wrote it.
fn header<R: ChunkReader>(metadata: &ParquetMetaData, reader: &R, checksum: Checksum) -> Result<Header, ReadFailure> {
    if is_marked_as_list(metadata.file_metadata().key_value_metadata()) {
        return Err(FileFlaw::List.into());
    }
    let entries = Entries::of(metadata.file_metadata());
    // An older format may have had other columns.
    entries.check_format().or_else(|flaw| match flaw {
        FileFlaw::Format { .. } => Err(flaw),
        _ if is_of_spark(metadata) => Err(FileFlaw::Unaccepted),
        flaw => check_columns(metadata.file_metadata().schema(), COLUMNS).and(Err(flaw)),
    })?;
    check_columns(metadata.file_metadata().schema(), of_month_file(entries.devices()))?;
    if checksum == Checksum::Verify {
        entries.check_bytes(data_crc(metadata, reader)?)?;
    }
    Ok(entries.header()?)
}

fn is_of_spark(metadata: &ParquetMetaData) -> bool {
    let entries = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    entries.map(|entry| entry.key.as_str()).any(|key| key.starts_with("org.apache.spark."))
}

fn check_columns(found: &Type, expected: &[Column]) -> Result<(), FileFlaw> {
    let expected = parse_message_type(&schema(expected)).map_err(|error| FileFlaw::NotParquet(error.to_string()))?;
    let fields = |root: &Type| -> String {
        let field = |field: &parquet::schema::types::TypePtr| {
            let info = field.get_basic_info();
            let repetition = if info.has_repetition() { info.repetition().to_string() } else { String::new() };
            match field.is_primitive() {
                true => format!("{} {} {repetition}", field.name(), field.get_physical_type()),
                false => format!("{} of several", field.name()),
            }
        };
        root.get_fields().iter().map(field).collect::<Vec<_>>().join(", ")
    };
    let (found, expected) = (fields(found), fields(&expected));
    if found == expected { Ok(()) } else { Err(FileFlaw::Columns { found, expected }) }
}

/// The checksum of the column chunks as they lie in the file.
fn data_crc<R: ChunkReader>(metadata: &ParquetMetaData, reader: &R) -> Result<u32, ReadFailure> {
    let n_bytes = metadata.row_groups().iter().map(RowGroupMetaData::compressed_size).fold(0, i64::saturating_add);
    let mut missing = u64::try_from(n_bytes).map_err(|_| damaged("columns of fewer than no bytes"))?;
    let mut input = reader.get_read(DATA_START).map_err(ReadFailure::of)?;
    let mut buffer = vec![0; CHECKSUM_BYTES];
    let mut crc = 0;
    while missing > 0 {
        let n_wanted = buffer.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
        match input.read(&mut buffer[..n_wanted]) {
            Ok(0) => return Err(damaged("it is shorter than its columns")),
            Ok(n_read) => {
                crc = crc32c::crc32c_append(crc, &buffer[..n_read]);
                missing -= n_read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadFailure::Io(error)),
        }
    }
    Ok(crc)
}

/// Why a file cannot be read, without its name.
pub(super) enum ReadFailure {
    Io(io::Error),
    Flaw(FileFlaw),
    Overflow(Overflow),
}

impl ReadFailure {
    pub fn of(error: ParquetError) -> ReadFailure {
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(error) => ReadFailure::Io(*error),
                Err(other) => ReadFailure::Flaw(FileFlaw::Damaged(other.to_string())),
            },
            error => ReadFailure::Flaw(FileFlaw::Damaged(error.to_string())),
        }
    }

    pub fn at(self, path: &Path) -> MonthFileError {
        let file = path.to_owned();
        match self {
            ReadFailure::Io(source) => MonthFileError::Read { file, source },
            ReadFailure::Flaw(flaw) => MonthFileError::Unusable { file, flaw },
            ReadFailure::Overflow(overflow) => MonthFileError::Overflow(overflow),
        }
    }
}

impl From<FileFlaw> for ReadFailure {
    fn from(flaw: FileFlaw) -> ReadFailure {
        ReadFailure::Flaw(flaw)
    }
}

pub(super) fn damaged(why: impl Into<String>) -> ReadFailure {
    ReadFailure::Flaw(FileFlaw::Damaged(why.into()))
}

/// The checksum finds damage before a column is read. A file made to pass it could still make the Parquet library panic,
/// which reports most contradictions as errors, but not all. Nothing is read of the file after a panic.
pub(super) fn guarded<T>(read: impl FnOnce() -> Result<T, ReadFailure>) -> Result<T, ReadFailure> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("its pages contradict each other")))
}
