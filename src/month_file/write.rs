//! Writing a month file.
//!
//! The columns of a row group are encoded by themselves, many at once ([`super::chunk`]), while the row group before is
//! written. Row groups have a fixed size, so the bytes depend on the table alone, not on the number of threads.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;

use super::chunk::Chunk;
use super::devices::{Seal, write_devices};
use super::metadata::Metadata;
use super::{MAX_APPS, MonthFileError, schema};
use crate::engine::columns::{Column, Output, held_by, of_month_file};
use crate::engine::ledger::LedgerDetail;
use crate::engine::month::MonthTable;
use crate::engine::rules::Rules;

/// Rows of a row group: enough for readers that share out row groups among threads, few enough to encode in a cache.
pub(super) const ROW_GROUP_ROWS: usize = 1 << 18;

/// Whether a month file can hold the names of all apps.
///
/// # Errors
/// [`MonthFileError::TooManyApps`].
pub fn check_apps(ledger: &LedgerDetail) -> Result<(), MonthFileError> {
    let n_apps = ledger.apps.len();
    if n_apps > MAX_APPS { Err(MonthFileError::TooManyApps { n_apps }) } else { Ok(()) }
}

/// Writes the month file of `table`, whose rules stand in its provenance.
///
/// # Errors
/// Those of `output`; a provenance without rules.
pub fn write(table: &MonthTable, output: &mut (dyn Write + Send)) -> io::Result<()> {
    let seal = write_devices(table, &mut io::sink())?;
    write_sealed(table, seal.as_ref(), output)
}

/// As [`write()`], where the file of devices is written already and this is its seal.
///
/// # Errors
/// Those of [`write()`].
pub fn write_sealed(table: &MonthTable, seal: Option<&Seal>, output: &mut (dyn Write + Send)) -> io::Result<()> {
    write_in_groups(table, of_month_file(table.counts_devices()), seal, output, ROW_GROUP_ROWS)
}

/// As [`write_sealed`], with these columns and so many rows in a row group.
pub(super) fn write_in_groups(
    table: &MonthTable,
    columns: &[Column],
    devices: Option<&Seal>,
    output: &mut (dyn Write + Send),
    group_rows: usize,
) -> io::Result<()> {
    let rules = Rules::parse(&table.provenance.rules.text).map_err(io::Error::other)?;
    let engine = &table.provenance.engine;
    let encoder = Encoder::new(columns)?;
    let mut writer = Writer::new(engine, columns, output)?;
    let encode = |start: usize| encoder.encode(table, start..table.n_rows().min(start + group_rows));
    let mut starts = (0..table.n_rows()).step_by(group_rows);
    let mut ready = starts.next().map(encode).transpose()?;
    while let Some(group) = ready.take() {
        let (next, written) = rayon::join(|| starts.next().map(encode).transpose(), || writer.write(group));
        written?;
        ready = next?;
    }
    writer.finish(&Metadata {
        month: table.month,
        etl_date: table.etl_date,
        engine,
        rules: &rules,
        n_rows: table.n_rows() as u64,
        ledger: &table.detail,
        days: &table.activity,
        devices,
    })
}

/// Makes row groups of rows.
pub(super) struct Encoder<'a> {
    columns: Vec<&'a Column>,
    descriptor: SchemaDescriptor,
}

/// A row group as it will stand in the file.
pub(super) struct RowGroup(Vec<Chunk>);

impl<'a> Encoder<'a> {
    pub fn new(columns: &'a [Column]) -> ParquetResult<Encoder<'a>> {
        let descriptor = SchemaDescriptor::new(Arc::new(parse_message_type(&schema(columns))?));
        Ok(Encoder { columns: held_by(columns, Output::MonthFile).collect(), descriptor })
    }

    /// The rows `rows` (at least one) of `table`.
    pub fn encode(&self, table: &MonthTable, rows: Range<usize>) -> ParquetResult<RowGroup> {
        let chunk = |(place, column): (usize, &&Column)| {
            Chunk::new(&column.values(table), rows.clone(), self.descriptor.column(place))
        };
        self.columns.par_iter().enumerate().map(chunk).collect::<ParquetResult<_>>().map(RowGroup)
    }
}

/// A month file while it is written.
pub(super) struct Writer<'a> {
    /// Puts the bytes of a file into a buffer, which is emptied into `output` between the row groups.
    parquet: SerializedFileWriter<Vec<u8>>,
    output: &'a mut (dyn Write + Send),
    data_crc: u32,
}

impl<'a> Writer<'a> {
    /// Begins a file that says `engine` has written it.
    pub fn new(engine: &str, columns: &[Column], output: &'a mut (dyn Write + Send)) -> io::Result<Writer<'a>> {
        // How the columns are encoded is not asked for here but done in `chunk`.
        let properties = WriterProperties::builder()
            .set_created_by(engine.to_owned())
            .set_offset_index_disabled(true)
            .set_sorting_columns(Some(vec![
                SortingColumn { column_idx: 0, descending: false, nulls_first: false },
                SortingColumn { column_idx: 1, descending: false, nulls_first: false },
            ]))
            .build();
        let schema = Arc::new(parse_message_type(&schema(columns))?);
        let parquet = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        Ok(Writer { parquet, output, data_crc: 0 })
    }

    pub fn write(&mut self, RowGroup(chunks): RowGroup) -> io::Result<()> {
        let mut group = self.parquet.next_row_group()?;
        for Chunk { bytes, close } in chunks {
            self.data_crc = crc32c::crc32c_append(self.data_crc, &bytes);
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        self.output.write_all(self.parquet.inner())?;
        self.parquet.inner_mut().clear();
        Ok(())
    }

    pub fn finish(mut self, metadata: &Metadata<'_>) -> io::Result<()> {
        for entry in metadata.entries(self.data_crc)? {
            self.parquet.append_key_value_metadata(entry);
        }
        self.output.write_all(&self.parquet.into_inner()?)
    }
}
