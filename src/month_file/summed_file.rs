//! A Parquet file with the columns of a stream ([`super::stream`]), written by another program: any order of columns and
//! more of them, any value missing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Type as PhysicalType};
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::part_file::{Between, PartFile};
use super::read::{BATCH_ROWS, ReadFailure, damaged, guarded};
use super::{FileFlaw, MonthFileError};
use crate::engine::columns::name_of_seconds;
use crate::engine::ledger::LedgerDetail;
use crate::engine::month::Contracts;
use crate::engine::partial::{Partial, Row, RowStream};
use crate::engine::rules::Category;

/// The rows of a file, but for those without a contract, which are counted: they have what a task counted.
pub(super) struct SummedFile {
    path: PathBuf,
    reader: Arc<PartFile>,
    metadata: ParquetMetaData,
    /// Row groups that were begun.
    n_groups: usize,
    group: Option<GroupColumns>,
    batch: Partial,
    /// Rows of the batch that were reached: the cursor stands at the last of them.
    n_reached: usize,
    n_rows: usize,
    n_counters: usize,
}

/// The columns of a row group while they are read.
struct GroupColumns {
    n_missing: usize,
    contracts: ColumnReaderImpl<ByteArrayType>,
    days: ColumnReaderImpl<Int32Type>,
    seconds: [ColumnReaderImpl<Int64Type>; Category::ALL.len()],
}

impl SummedFile {
    /// The file at `path`, which stays open or not `between` two reads.
    pub fn open(path: &Path, between: Between) -> Result<SummedFile, MonthFileError> {
        let reader =
            PartFile::open(path, between).map_err(|source| MonthFileError::Read { file: path.to_owned(), source })?;
        let metadata = guarded(|| {
            ParquetMetaDataReader::new().parse_and_finish(&reader).map_err(|error| match error {
                ParquetError::External(_) => ReadFailure::of(error),
                error => ReadFailure::from(FileFlaw::NotParquet(error.to_string())),
            })
        });
        Ok(SummedFile {
            path: path.to_owned(),
            reader: Arc::new(reader),
            metadata: metadata.map_err(|failure| failure.at(path))?,
            n_groups: 0,
            group: None,
            batch: Partial::default(),
            n_reached: 0,
            n_rows: 0,
            n_counters: 0,
        })
    }

    /// Rows of customers that were read.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Rows of counters that were read.
    pub fn n_counters(&self) -> usize {
        self.n_counters
    }

    /// Decodes the next rows, which may all be of counters; false when there are none.
    fn fill(&mut self) -> Result<bool, ReadFailure> {
        loop {
            if let Some(group) = self.group.as_mut().filter(|group| group.n_missing > 0) {
                let n_rows = group.n_missing.min(BATCH_ROWS);
                group.n_missing -= n_rows;
                self.batch = group.read(n_rows)?;
                self.n_reached = 0;
                self.n_rows += self.batch.n_rows();
                self.n_counters += n_rows - self.batch.n_rows();
                return Ok(true);
            }
            let Some(group) = self.metadata.row_groups().get(self.n_groups) else { return Ok(false) };
            self.group = Some(GroupColumns::new(&self.reader, group)?);
            self.n_groups += 1;
        }
    }
}

impl RowStream for SummedFile {
    type Error = MonthFileError;

    fn advance(&mut self) -> Result<bool, MonthFileError> {
        while self.n_reached == self.batch.n_rows() {
            if !guarded(|| self.fill()).map_err(|failure| failure.at(&self.path))? {
                return Ok(false);
            }
        }
        self.n_reached += 1;
        Ok(true)
    }

    fn row(&self) -> Row<'_> {
        self.batch.row(self.n_reached.saturating_sub(1))
    }
}

impl GroupColumns {
    fn new(reader: &Arc<PartFile>, group: &RowGroupMetaData) -> Result<GroupColumns, ReadFailure> {
        let n_missing = usize::try_from(group.num_rows()).map_err(|_| damaged("a row group of fewer than no rows"))?;
        let columns = Columns { reader, group, n_rows: n_missing };
        let seconds = |category: Category| columns.open(name_of_seconds(category));
        let [movie, sport, child, relax, tv] = Category::ALL.map(seconds);
        Ok(GroupColumns {
            n_missing,
            contracts: columns.open("Contract")?,
            days: columns.open("Days")?,
            seconds: [movie?, sport?, child?, relax?, tv?],
        })
    }

    /// The next rows, those without a contract left out.
    fn read(&mut self, n_rows: usize) -> Result<Partial, ReadFailure> {
        let (is_there, texts) = read_values(&mut self.contracts, n_rows)?;
        let mut contracts = Contracts::default();
        for text in texts {
            contracts.push(text.as_utf8().map_err(|_| damaged("a contract is not UTF-8"))?);
        }
        let torn = || damaged("a row has a contract and lacks days or seconds, or the other way round");
        let (has_days, days) = read_values(&mut self.days, n_rows)?;
        let mut is_whole = has_days == is_there;
        let mut seconds = <[_; Category::ALL.len()]>::default();
        for (column, seconds) in self.seconds.iter_mut().zip(&mut seconds) {
            let (has_seconds, values) = read_values(column, n_rows)?;
            is_whole &= has_seconds == is_there;
            *seconds = values.into();
        }
        is_whole.then_some(()).ok_or_else(torn)?;
        let days = days.into_iter().map(i32::cast_unsigned).collect();
        Ok(Partial { contracts, days, seconds, devices: None, ledger: LedgerDetail::default() })
    }
}

/// Where columns are opened.
struct Columns<'a> {
    reader: &'a Arc<PartFile>,
    group: &'a RowGroupMetaData,
    n_rows: usize,
}

impl Columns<'_> {
    fn open<T: DataType>(&self, name: &str) -> Result<ColumnReaderImpl<T>, ReadFailure> {
        let mut columns = self.group.columns().iter();
        let chunk = columns.find(|chunk| chunk.column_path().parts() == [name]);
        let chunk = chunk.ok_or_else(|| damaged(format!("it has no column {name}")))?;
        let descriptor: ColumnDescPtr = chunk.column_descr_ptr();
        let (found, expected): (PhysicalType, PhysicalType) = (descriptor.physical_type(), T::get_physical_type());
        if found != expected || descriptor.max_rep_level() > 0 || descriptor.max_def_level() > 1 {
            return Err(damaged(format!("its column {name} is {found}, not one {expected} a row")));
        }
        if !matches!(chunk.compression(), Compression::UNCOMPRESSED | Compression::SNAPPY) {
            return Err(damaged(format!("column {name} is compressed otherwise than with snappy")));
        }
        let pages =
            SerializedPageReader::new(Arc::clone(self.reader), chunk, self.n_rows, None).map_err(ReadFailure::of)?;
        Ok(ColumnReaderImpl::new(descriptor, Box::new(pages) as Box<dyn PageReader>))
    }
}

/// Of each row whether it has a value, and the values.
fn read_values<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    n_rows: usize,
) -> Result<(Vec<bool>, Vec<T::T>), ReadFailure> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut n_read = 0;
    while n_read < n_rows {
        let n_missing = n_rows - n_read;
        let (n_new, ..) =
            column.read_records(n_missing, Some(&mut levels), None, &mut values).map_err(ReadFailure::of)?;
        if n_new == 0 {
            return Err(damaged(format!("{n_missing} values are missing")));
        }
        n_read += n_new;
    }
    // A column in which no value may be missing has no levels.
    let is_there = if levels.is_empty() { vec![true; n_rows] } else { levels.iter().map(|level| *level > 0).collect() };
    Ok((is_there, values))
}
