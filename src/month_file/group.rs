//! The columns of a row group, and that those which follow from others do.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::chunk::Chunk;
use super::metadata::Header;
use super::read::{BATCH_ROWS, ReadFailure, damaged};
use super::{FileFlaw, days_since_epoch};
use crate::engine::columns::{Cell, Column, ColumnType, DEVICES, Output, held_by, name_of_seconds};
use crate::engine::devices::DeviceRows;
use crate::engine::ledger::LedgerDetail;
use crate::engine::month::{Contracts, MonthMeta, MonthTable, Provenance};
use crate::engine::partial::Partial;
use crate::engine::rules::Category;

/// The columns of a row group while they are read.
pub(super) struct GroupColumns {
    n_missing: usize,
    contracts: ColumnReaderImpl<ByteArrayType>,
    days: ColumnReaderImpl<Int32Type>,
    seconds: [ColumnReaderImpl<Int64Type>; Category::ALL.len()],
    /// Where devices were counted.
    devices: Option<ColumnReaderImpl<Int32Type>>,
    /// The columns that follow from those.
    others: Vec<OtherColumn>,
}

/// A column that is only compared.
struct OtherColumn {
    column: &'static Column,
    descriptor: ColumnDescPtr,
    /// Where it begins in the file, and its length.
    bytes: (u64, u64),
    values: OtherValues,
}

enum OtherValues {
    Ints(ColumnReaderImpl<Int32Type>),
    BigInts(ColumnReaderImpl<Int64Type>),
    Texts(ColumnReaderImpl<ByteArrayType>),
}

/// Rows with the labels that they must have.
pub(super) fn labelled(rows: Partial, header: &Header) -> Result<MonthTable, ReadFailure> {
    let (labels, provenance) = (&header.rules.labels, Provenance::default());
    let meta = MonthMeta { month: header.month, etl_date: header.etl_date, labels, provenance };
    rows.finish(meta).map_err(ReadFailure::Overflow)
}

impl GroupColumns {
    pub fn new<R: ChunkReader + 'static>(
        reader: &Arc<R>,
        group: &RowGroupMetaData,
        columns: &'static [Column],
    ) -> Result<GroupColumns, ReadFailure> {
        let columns = || held_by(columns, Output::MonthFile);
        let n_missing = usize::try_from(group.num_rows()).map_err(|_| damaged("a row group of fewer than no rows"))?;
        let pages = |name: &str| -> Result<_, ReadFailure> {
            let place = columns().position(|column| column.name == name);
            let place = place.filter(|place| *place < group.num_columns());
            let chunk = group.column(place.ok_or_else(|| damaged(format!("a row group without {name}")))?);
            // Other writers of our schema are refused before; none of ours compresses.
            if chunk.compression() != Compression::UNCOMPRESSED {
                return Err(damaged(format!("column {name} is compressed")));
            }
            let pages =
                SerializedPageReader::new(Arc::clone(reader), chunk, n_missing, None).map_err(ReadFailure::of)?;
            Ok((chunk, Box::new(pages) as Box<dyn PageReader>))
        };
        let seconds = |category: Category| {
            let (chunk, pages) = pages(name_of_seconds(category))?;
            Ok::<_, ReadFailure>(ColumnReaderImpl::new(chunk.column_descr_ptr(), pages))
        };
        let other = |column: &'static Column| {
            let (chunk, pages) = pages(column.name)?;
            let descriptor = chunk.column_descr_ptr();
            let values = match column.column_type {
                ColumnType::Date | ColumnType::Int => OtherValues::Ints(ColumnReaderImpl::new(descriptor, pages)),
                ColumnType::BigInt => OtherValues::BigInts(ColumnReaderImpl::new(descriptor, pages)),
                ColumnType::Text { .. } => OtherValues::Texts(ColumnReaderImpl::new(descriptor, pages)),
            };
            let descriptor = chunk.column_descr_ptr();
            Ok::<_, ReadFailure>(OtherColumn { column, descriptor, bytes: chunk.byte_range(), values })
        };
        let is_other = |column: &&Column| {
            !matches!(column.name, "Contract" | "Days") && column.name != DEVICES.name && column.category().is_none()
        };
        let counted = |_| {
            let (chunk, pages) = pages(DEVICES.name)?;
            Ok::<_, ReadFailure>(ColumnReaderImpl::new(chunk.column_descr_ptr(), pages))
        };
        let devices = columns().find(|column| column.name == DEVICES.name).map(counted).transpose()?;
        let [movie, sport, child, relax, tv] = Category::ALL.map(seconds);
        let (contract, contract_pages) = pages("Contract")?;
        let (days, days_pages) = pages("Days")?;
        Ok(GroupColumns {
            n_missing,
            contracts: ColumnReaderImpl::new(contract.column_descr_ptr(), contract_pages),
            days: ColumnReaderImpl::new(days.column_descr_ptr(), days_pages),
            seconds: [movie?, sport?, child?, relax?, tv?],
            devices,
            others: columns().filter(is_other).map(other).collect::<Result<_, _>>()?,
        })
    }

    /// The next rows with their labels, which are those of the file; none at the end. The first is the one at `n_before`
    /// in the file.
    pub fn next(&mut self, header: &Header, n_before: usize) -> Result<Option<MonthTable>, ReadFailure> {
        let n_rows = self.n_missing.min(BATCH_ROWS);
        if n_rows == 0 {
            return Ok(None);
        }
        self.n_missing -= n_rows;
        let batch = labelled(self.read(n_rows)?, header)?;
        self.others.iter_mut().try_for_each(|other| other.compare(&batch, n_before))?;
        Ok(Some(batch))
    }

    fn read(&mut self, n_rows: usize) -> Result<Partial, ReadFailure> {
        let mut contracts = Contracts::default();
        for text in read_values(&mut self.contracts, n_rows)? {
            contracts.push(text.as_utf8().map_err(|_| damaged("a contract is not UTF-8"))?);
        }
        let days = read_values(&mut self.days, n_rows)?.into_iter().map(i32::cast_unsigned).collect();
        let mut seconds = <[_; Category::ALL.len()]>::default();
        for (column, seconds) in self.seconds.iter_mut().zip(&mut seconds) {
            *seconds = read_values(column, n_rows)?.into();
        }
        let devices = match &mut self.devices {
            None => None,
            Some(column) => Some(read_values(column, n_rows)?),
        };
        let counts = |counts: Vec<i32>| {
            let counts =
                counts.into_iter().map(|count| u32::try_from(count).map_err(|_| damaged("fewer than no devices")));
            Ok::<_, ReadFailure>(DeviceRows { counts: counts.collect::<Result<_, _>>()?, ..DeviceRows::default() })
        };
        let devices = devices.map(counts).transpose()?;
        Ok(Partial { contracts, days, seconds, devices, ledger: LedgerDetail::default() })
    }

    /// All rows with their labels, which are those of the file. The first is the one at `n_before` in the file.
    pub fn read_whole<R: ChunkReader>(
        &mut self,
        reader: &R,
        header: &Header,
        n_before: usize,
    ) -> Result<MonthTable, ReadFailure> {
        let mut batches = Vec::new();
        while self.n_missing > 0 {
            let n_rows = self.n_missing.min(BATCH_ROWS);
            self.n_missing -= n_rows;
            batches.push(self.read(n_rows)?);
        }
        let rows = labelled(Partial::concat(batches), header)?;
        for other in &mut self.others {
            if !other.is_written_as(&rows, reader)? {
                other.compare(&rows, n_before)?;
            }
        }
        Ok(rows)
    }
}

impl OtherColumn {
    /// Whether its bytes are those that are written for `expected`. They are, but in a file that is wrong or that another
    /// version has cut into pages otherwise; and to write them costs a fraction of reading their values.
    fn is_written_as<R: ChunkReader>(&self, expected: &MonthTable, reader: &R) -> Result<bool, ReadFailure> {
        let (start, n_bytes) = self.bytes;
        let written = match expected.n_rows() {
            0 => return Ok(false),
            n_rows => Chunk::new(&self.column.values(expected), 0..n_rows, Arc::clone(&self.descriptor)),
        };
        let written = written.map_err(ReadFailure::of)?.bytes;
        if written.len() as u64 != n_bytes {
            return Ok(false);
        }
        reader.get_bytes(start, written.len()).map(|found| found == written).map_err(ReadFailure::of)
    }

    /// Reads its next values and holds them against `expected`, whose first row is the one at `n_before` in the file.
    fn compare(&mut self, expected: &MonthTable, n_before: usize) -> Result<(), ReadFailure> {
        let (name, values) = (self.column.name, self.column.values(expected));
        let flaw = |row: usize, found: String| {
            let expected = match values.cell(row) {
                Cell::Date(date) => date.to_string(),
                Cell::Text(text) => format!("`{text}`"),
                Cell::Integer(number) => number.to_string(),
            };
            ReadFailure::from(FileFlaw::Cell { row: n_before + row, column: name, found, expected })
        };
        match &mut self.values {
            OtherValues::Ints(reader) => {
                for (row, found) in read_values(reader, expected.n_rows())?.into_iter().enumerate() {
                    let is_right = match values.cell(row) {
                        Cell::Date(date) => found == days_since_epoch(date),
                        cell => cell == Cell::Integer(found.into()),
                    };
                    is_right.then_some(()).ok_or_else(|| flaw(row, found.to_string()))?;
                }
            }
            OtherValues::BigInts(reader) => {
                for (row, found) in read_values(reader, expected.n_rows())?.into_iter().enumerate() {
                    let is_right = values.cell(row) == Cell::Integer(found);
                    is_right.then_some(()).ok_or_else(|| flaw(row, found.to_string()))?;
                }
            }
            OtherValues::Texts(reader) => {
                for (row, found) in read_values(reader, expected.n_rows())?.into_iter().enumerate() {
                    let is_right = matches!(values.cell(row), Cell::Text(text) if text.as_bytes() == found.data());
                    is_right.then_some(()).ok_or_else(|| flaw(row, excerpt(found.data())))?;
                }
            }
        }
        Ok(())
    }
}

/// A text as a message shows it.
fn excerpt(text: &[u8]) -> String {
    const MAX_CHARS: usize = 60;
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect();
    format!("`{shown}{}`", if text.chars().nth(MAX_CHARS).is_some() { "…" } else { "" })
}

fn read_values<T: DataType>(column: &mut ColumnReaderImpl<T>, n_rows: usize) -> Result<Vec<T::T>, ReadFailure> {
    let mut values = Vec::new();
    while values.len() < n_rows {
        let n_missing = n_rows - values.len();
        let (n_read, _, _) = column.read_records(n_missing, None, None, &mut values).map_err(ReadFailure::of)?;
        if n_read == 0 {
            return Err(damaged(format!("{n_missing} values are missing")));
        }
    }
    Ok(values)
}
