//! The month file: the table of a month as Parquet, between `transform` and `load`.
//!
//! The columns are those of `customer_behavior`, rows in key order, and any Parquet reader can use them. What else a
//! load needs (ledger, days, rules, provenance) stands in the key-value metadata, so that `load` makes the same tables
//! as `run`; other readers may ignore it, except that a file without it is refused here.
//!
//! Every column of every row group is encoded by itself, many at once, and the results are written in order. Row groups
//! have a fixed size, so the bytes depend on the table alone, not on the number of threads.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use jiff::civil::Date;
use parquet::basic::{Compression, Encoding};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::calendar::{Day, Month};
use crate::error::{DataError, Error};
use crate::ledger::{Ledger, Reason};
use crate::month::columns::Contracts;
use crate::month::memory::Slab;
use crate::month::{DayActivity, MonthTable, Provenance};
use crate::rules::{Category, NO_LABEL, Taste};

/// Rows of a row group: enough for readers that share out row groups among threads, few enough to encode in a cache.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// Rows that a column writer gets at once: few enough that texts, which take 32 bytes a row on the way, stay in a cache
/// and in memory that is used again. Fresh memory for whole row groups cost a third of the stage.
const BATCH_ROWS: usize = 1 << 13;

/// Row groups that are encoded at once. With their columns that is work for 48 threads, and a bound on memory.
const ROW_GROUPS_AT_ONCE: usize = 4;

/// What our keys in the metadata begin with.
const KEY_PREFIX: &str = "viewmart.";

/// The key of the checksum.
const CHECKSUM: &str = "crc32c";

/// The columns lie behind the four bytes with which every Parquet file begins.
const DATA_START: usize = 4;

/// Version of what stands in the metadata.
const FORMAT: &str = "1";

/// The columns in order: those of `customer_behavior`.
const SCHEMA: &str = "message month {
    required int32 Month (DATE);
    required binary Contract (STRING);
    required int64 MovieDuration;
    required int64 SportDuration;
    required int64 ChildDuration;
    required int64 RelaxDuration;
    required int64 TvDuration;
    required int64 TotalDuration;
    required binary MostWatch (STRING);
    required binary Taste (STRING);
    required int32 Activeness;
    required int32 Date (DATE);
}";

/// A column of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Month,
    Contract,
    Seconds(Category),
    Total,
    MostWatch,
    Taste,
    Activeness,
    Date,
}

impl Column {
    const ALL: [Column; 12] = [
        Column::Month,
        Column::Contract,
        Column::Seconds(Category::Movie),
        Column::Seconds(Category::Sport),
        Column::Seconds(Category::Child),
        Column::Seconds(Category::Relax),
        Column::Seconds(Category::Tv),
        Column::Total,
        Column::MostWatch,
        Column::Taste,
        Column::Activeness,
        Column::Date,
    ];

    /// Place of the column in the file.
    const fn place(self) -> usize {
        match self {
            Column::Month => 0,
            Column::Contract => 1,
            Column::Seconds(category) => 2 + category as usize,
            Column::Total => 7,
            Column::MostWatch => 8,
            Column::Taste => 9,
            Column::Activeness => 10,
            Column::Date => 11,
        }
    }
}

/// Writes the month file of `table`.
///
/// # Errors
/// Only those of `output`.
pub fn write(table: &MonthTable, output: &mut dyn Write) -> io::Result<()> {
    write_in_groups(table, output, ROW_GROUP_ROWS)
}

fn write_in_groups(table: &MonthTable, output: &mut dyn Write, group_rows: usize) -> io::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let descriptor = SchemaDescriptor::new(Arc::clone(&schema));
    let properties = Arc::new(properties(table));
    // The writer puts the bytes of a file into a buffer, which is emptied into `output` between the row groups.
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::clone(&properties))?;
    let metadata = Metadata::of(table)?;
    let mut data_crc = 0;
    let starts: Vec<usize> = (0..table.n_rows()).step_by(group_rows).collect();
    for wave in starts.chunks(ROW_GROUPS_AT_ONCE) {
        let chunks: Vec<(usize, Column)> =
            wave.iter().flat_map(|start| Column::ALL.map(|column| (*start, column))).collect();
        let mut encoded = chunks
            .into_par_iter()
            .map(|(start, column)| {
                let rows = start..table.n_rows().min(start + group_rows);
                encode(table, column, rows, &descriptor, &properties)
            })
            .collect::<ParquetResult<Vec<_>>>()?
            .into_iter();
        for _ in wave {
            let mut group = writer.next_row_group()?;
            for (bytes, close) in encoded.by_ref().take(Column::ALL.len()) {
                data_crc = crc32c::crc32c_append(data_crc, &bytes);
                group.append_column(&bytes, close)?;
            }
            group.close()?;
            output.write_all(writer.inner())?;
            writer.inner_mut().clear();
        }
    }
    let crc = checksum(data_crc, metadata.iter().map(|(key, value)| (*key, value.as_str())));
    for (key, value) in metadata.into_iter().chain([(CHECKSUM, crc)]) {
        writer.append_key_value_metadata(KeyValue::new(format!("{KEY_PREFIX}{key}"), value));
    }
    output.write_all(&writer.into_inner()?)
}

/// One column of one row group, as it will stand in the file.
fn encode(
    table: &MonthTable,
    column: Column,
    rows: Range<usize>,
    descriptor: &SchemaDescriptor,
    properties: &WriterPropertiesPtr,
) -> ParquetResult<(Bytes, ColumnCloseResult)> {
    let mut bytes = TrackedWrite::new(Vec::new());
    let pages = Box::new(SerializedPageWriter::new(&mut bytes));
    let mut writer = get_column_writer(descriptor.column(column.place()), Arc::clone(properties), pages);
    let n_rows = rows.len();
    match (&mut writer, column) {
        (ColumnWriter::Int32ColumnWriter(writer), column) => {
            let values: Vec<i32> = match column {
                Column::Activeness => table.activeness[rows].iter().map(|days| i32::from(*days)).collect(),
                Column::Date => vec![days_since_epoch(table.etl_date); n_rows],
                _ => vec![days_since_epoch(table.month.first_day()); n_rows],
            };
            writer.write_batch(&values, None, None)?;
        }
        (ColumnWriter::Int64ColumnWriter(writer), column) => {
            let values = match column {
                Column::Seconds(category) => &table.seconds[category as usize],
                _ => &table.total,
            };
            writer.write_batch(&values[rows], None, None)?;
        }
        (ColumnWriter::ByteArrayColumnWriter(writer), Column::Contract) => {
            for rows in batches(rows) {
                let values = contracts(&table.contracts, rows);
                // They are sorted: the first and the last are the least and the greatest, without looking at the others.
                let (least, greatest) = (values.first(), values.last());
                writer.write_batch_with_statistics(&values, None, None, least, greatest, None)?;
            }
        }
        (ColumnWriter::ByteArrayColumnWriter(writer), column) => {
            // Labels are few: each text once, every row shares it.
            let labels: Vec<ByteArray> = match column {
                Column::Taste => table.taste_labels.iter().map(|label| label.as_str().into()).collect(),
                _ => Category::ALL.iter().map(|category| category.name()).chain([NO_LABEL]).map(Into::into).collect(),
            };
            for rows in batches(rows) {
                let values: Vec<ByteArray> = match column {
                    Column::Taste => {
                        table.taste[rows].iter().map(|taste| labels[usize::from(taste.0 & 31)].clone()).collect()
                    }
                    _ => table.most_watch[rows].iter().map(|code| labels[usize::from(*code).min(5)].clone()).collect(),
                };
                writer.write_batch(&values, None, None)?;
            }
        }
        _ => return Err(ParquetError::General(format!("{column:?} has another type"))),
    }
    let close = writer.close()?;
    Ok((bytes.into_inner()?.into(), close))
}

fn batches(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = rows.end;
    rows.step_by(BATCH_ROWS).map(move |start| start..end.min(start + BATCH_ROWS))
}

/// The checksum of a file: CRC-32C over the column chunks as they lie in it, then over all other metadata of ours in
/// the order of the keys.
fn checksum<'a>(data_crc: u32, metadata: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let crc = metadata
        .flat_map(|(key, value)| [key, "\0", value, "\0"])
        .fold(data_crc, |crc, text| crc32c::crc32c_append(crc, text.as_bytes()));
    format!("{crc:08x}")
}

/// The contracts of some rows, all within one buffer.
fn contracts(contracts: &Contracts, rows: Range<usize>) -> Vec<ByteArray> {
    let n_bytes = rows.clone().map(|row| contracts.get(row).len()).sum();
    let mut text = Vec::with_capacity(n_bytes);
    let mut ends = Vec::with_capacity(rows.len());
    for row in rows {
        text.extend_from_slice(contracts.get(row).as_bytes());
        ends.push(text.len());
    }
    let text = Bytes::from(text);
    let mut start = 0;
    ends.into_iter().map(|end| text.slice(std::mem::replace(&mut start, end)..end).into()).collect()
}

/// How the columns are encoded.
///
/// Seconds are deltas in as many bits as a block of them needs: half the size of a dictionary and no hashing. Labels,
/// dates and active days are dictionaries. Contracts share the beginning of the one before.
fn properties(table: &MonthTable) -> WriterProperties {
    let path = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_created_by(table.provenance.engine.clone())
        .set_compression(Compression::UNCOMPRESSED)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(None)
        .set_data_page_row_count_limit(1 << 16)
        .set_write_batch_size(BATCH_ROWS)
        .set_sorting_columns(Some(vec![
            SortingColumn { column_idx: 0, descending: false, nulls_first: false },
            SortingColumn { column_idx: 1, descending: false, nulls_first: false },
        ]));
    for category in Category::ALL.map(|category| category.name()).into_iter().chain(["Total"]) {
        properties = properties
            .set_column_dictionary_enabled(path(&format!("{category}Duration")), false)
            .set_column_encoding(path(&format!("{category}Duration")), Encoding::DELTA_BINARY_PACKED);
    }
    properties = properties
        .set_column_dictionary_enabled(path("Contract"), false)
        .set_column_encoding(path("Contract"), Encoding::DELTA_BYTE_ARRAY);
    properties.build()
}

/// What stands in the metadata beside the columns.
struct Metadata;

#[derive(Serialize, Deserialize)]
struct LedgerText {
    read: u64,
    kept: u64,
    rejected: BTreeMap<String, u64>,
    unmapped_app: BTreeMap<String, u64>,
    /// As text: they may need more than 64 bits, which JSON readers do not expect.
    seconds: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct DayText {
    day: u8,
    active_users: u64,
    records: u64,
    seconds: BTreeMap<String, i64>,
}

#[derive(Serialize, Deserialize)]
struct InputText {
    files: u64,
    bytes: u64,
}

impl Metadata {
    /// Keys, without [`KEY_PREFIX`], and values.
    fn of(table: &MonthTable) -> io::Result<BTreeMap<&'static str, String>> {
        let (ledger, provenance) = (&table.ledger, &table.provenance);
        let named = |category: Category| category.name().to_owned();
        let ledger = LedgerText {
            read: ledger.read,
            kept: ledger.kept,
            rejected: Reason::ALL.map(|reason| (reason.name().to_owned(), ledger.n_rejected_for(reason))).into(),
            unmapped_app: ledger.unmapped_app.clone(),
            seconds: Category::ALL
                .map(|category| (named(category), ledger.seconds[category as usize].to_string()))
                .into(),
        };
        let days: Vec<DayText> = table
            .days
            .iter()
            .map(|activity| DayText {
                day: activity.day.number(),
                active_users: activity.active_users,
                records: activity.records,
                seconds: Category::ALL.map(|category| (named(category), activity.seconds[category as usize])).into(),
            })
            .collect();
        let input = InputText { files: provenance.input_files, bytes: provenance.input_bytes };
        Ok(BTreeMap::from([
            ("format", FORMAT.to_owned()),
            ("month", table.month.to_string()),
            ("etl_date", table.etl_date.to_string()),
            ("engine", provenance.engine.clone()),
            ("rules_name", provenance.rules_name.clone()),
            ("rules_sha256", provenance.rules_sha256.clone()),
            ("rows", table.n_rows().to_string()),
            ("input", serde_json::to_string(&input)?),
            ("ledger", serde_json::to_string(&ledger)?),
            ("days", serde_json::to_string(&days)?),
            ("taste_labels", serde_json::to_string(&table.taste_labels[..])?),
        ]))
    }
}

/// Reads a month file and checks its columns against its metadata.
///
/// # Errors
/// [`Error::Output`] where the file cannot be read, [`DataError::MonthFile`] where it is not a month file or its columns
/// contradict its metadata.
pub fn read(path: &Path) -> Result<MonthTable, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::Output {
        path: path.to_owned(),
        doing: "reading the month file",
        source,
    })?;
    parse(bytes.into()).map_err(|what| Error::Data(DataError::MonthFile { file: path.display().to_string(), what }))
}

fn parse(bytes: Bytes) -> Result<MonthTable, String> {
    // The checksum finds damage before a column is read. A file made to pass it could still make the Parquet library
    // panic, which reports most contradictions as errors, but not all. Nothing outlives a panic here.
    catch_unwind(AssertUnwindSafe(|| {
        let table = parse_columns(bytes)?;
        check(&table)?;
        Ok(table)
    }))
    .unwrap_or_else(|_| Err("it is damaged: its pages contradict each other".to_owned()))
}

fn parse_columns(bytes: Bytes) -> Result<MonthTable, String> {
    let reader = SerializedFileReader::new(bytes.clone()).map_err(|error| format!("it is not Parquet: {error}"))?;
    let metadata = reader.metadata();
    let expected = parse_message_type(SCHEMA).map_err(|error| error.to_string())?;
    let fields = |root: &parquet::schema::types::Type| -> Vec<String> {
        let field = |field: &parquet::schema::types::TypePtr| format!("{} {}", field.name(), field.get_physical_type());
        root.get_fields().iter().filter(|field| field.is_primitive()).map(field).collect()
    };
    let (found, expected) = (fields(metadata.file_metadata().schema()), fields(&expected));
    if found != expected {
        return Err(format!("it has the columns {}, expected {}", found.join(", "), expected.join(", ")));
    }
    let entries = Entries::of(metadata);
    let format = entries.text("format")?;
    if format != FORMAT {
        return Err(format!("its format is {format}, this program reads {FORMAT}"));
    }
    let n_data: i64 = metadata.row_groups().iter().map(|group| group.compressed_size()).fold(0, i64::saturating_add);
    let data = usize::try_from(n_data).ok().and_then(|n_data| bytes.get(DATA_START..)?.get(..n_data));
    let data_crc = crc32c::crc32c(data.ok_or("it is damaged: it is shorter than its columns")?);
    let others = entries.0.iter().filter(|(key, _)| **key != CHECKSUM).map(|(key, value)| (*key, *value));
    if entries.text(CHECKSUM)? != checksum(data_crc, others) {
        return Err("it is damaged: its checksum does not match".to_owned());
    }
    let n_rows: usize = entries.parsed("rows")?;
    let taste_labels: Vec<String> = entries.json("taste_labels")?;
    let taste_labels: [String; 32] = taste_labels.try_into().map_err(|_| "`viewmart.taste_labels` is not 32 texts")?;
    let month: Month = entries.parsed("month")?;
    let etl_date: Date = entries.parsed("etl_date")?;

    let mut columns: Vec<Values> = Column::ALL
        .into_par_iter()
        .map(|column| {
            let decoded = decode(&reader, column, &taste_labels, n_rows);
            decoded.map_err(|error| format!("column {column:?} cannot be read: {error}"))
        })
        .collect::<Result<_, String>>()?;
    for (column, values) in Column::ALL.iter().zip(&columns) {
        if values.len() != n_rows {
            return Err(format!("column {column:?} has {} rows, expected {n_rows}", values.len()));
        }
    }
    for (column, date) in [(Column::Month, month.first_day()), (Column::Date, etl_date)] {
        let days = days_since_epoch(date);
        if columns[column.place()].take_days()?.iter().any(|found| *found != days) {
            return Err(format!("column {column:?} is not {date} in every row"));
        }
    }
    let activeness = columns[Column::Activeness.place()].take_days()?;
    let activeness: Vec<u8> = activeness
        .into_iter()
        .map(|days| u8::try_from(days).ok().filter(|days| (1..=month.n_days()).contains(days)))
        .collect::<Option<_>>()
        .ok_or("column Activeness holds a number that is not one of days of the month")?;
    let seconds = Category::ALL.map(|category| columns[Column::Seconds(category).place()].take_seconds());
    let [movie, sport, child, relax, tv] = seconds;
    Ok(MonthTable {
        month,
        etl_date,
        contracts: columns[Column::Contract.place()].take_contracts()?,
        seconds: [movie?, sport?, child?, relax?, tv?],
        total: columns[Column::Total.place()].take_seconds()?,
        most_watch: columns[Column::MostWatch.place()].take_codes()?,
        taste: columns[Column::Taste.place()].take_codes()?.into_iter().map(Taste).collect(),
        activeness,
        taste_labels,
        days: entries.days(month)?,
        ledger: entries.ledger()?,
        provenance: entries.provenance()?,
    })
}

/// The values of a column.
enum Values {
    /// Days since 1970-01-01, or a number of days.
    Days(Vec<i32>),
    Seconds(Vec<i64>),
    Contracts(Contracts),
    /// Places of labels.
    Codes(Vec<u8>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Days(values) => values.len(),
            Values::Seconds(values) => values.len(),
            Values::Contracts(values) => values.len(),
            Values::Codes(values) => values.len(),
        }
    }

    fn take_days(&mut self) -> Result<Vec<i32>, String> {
        match self {
            Values::Days(values) => Ok(std::mem::take(values)),
            _ => Err(WRONG_TYPE.to_owned()),
        }
    }

    fn take_seconds(&mut self) -> Result<Slab<i64>, String> {
        match self {
            Values::Seconds(values) => Ok(std::mem::take(values).into()),
            _ => Err(WRONG_TYPE.to_owned()),
        }
    }

    fn take_contracts(&mut self) -> Result<Contracts, String> {
        match self {
            Values::Contracts(values) => Ok(std::mem::take(values)),
            _ => Err(WRONG_TYPE.to_owned()),
        }
    }

    fn take_codes(&mut self) -> Result<Vec<u8>, String> {
        match self {
            Values::Codes(values) => Ok(std::mem::take(values)),
            _ => Err(WRONG_TYPE.to_owned()),
        }
    }
}

const WRONG_TYPE: &str = "a column has another type than expected";

/// All values of a column. At most `n_rows` are made room for; a file with more of them is refused later.
fn decode(
    reader: &SerializedFileReader<Bytes>,
    column: Column,
    taste_labels: &[String; 32],
    n_rows: usize,
) -> Result<Values, String> {
    let mut values = match column {
        Column::Month | Column::Date | Column::Activeness => Values::Days(Vec::new()),
        Column::Seconds(_) | Column::Total => Values::Seconds(Vec::new()),
        Column::Contract => Values::Contracts(Contracts::default()),
        Column::MostWatch | Column::Taste => Values::Codes(Vec::new()),
    };
    let codes: BTreeMap<&[u8], u8> = match column {
        Column::Taste => taste_labels.iter().map(|label| label.as_bytes()).zip(0..).collect(),
        _ => Category::ALL
            .iter()
            .map(|category| (category.name().as_bytes(), *category as u8))
            .chain([(NO_LABEL.as_bytes(), MonthTable::NOTHING_WATCHED)])
            .collect(),
    };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|error| error.to_string())?;
        let n_group = usize::try_from(group.metadata().num_rows()).map_err(|error| error.to_string())?;
        if n_group > n_rows {
            return Err(format!("a row group has {n_group} rows, the whole file should have {n_rows}"));
        }
        let chunk = group.get_column_reader(column.place()).map_err(|error| error.to_string())?;
        match (chunk, &mut values) {
            (ColumnReader::Int32ColumnReader(chunk), Values::Days(values)) => read_chunk(chunk, n_group, values)?,
            (ColumnReader::Int64ColumnReader(chunk), Values::Seconds(values)) => read_chunk(chunk, n_group, values)?,
            (ColumnReader::ByteArrayColumnReader(chunk), Values::Contracts(contracts)) => {
                let mut texts = Vec::new();
                read_chunk(chunk, n_group, &mut texts)?;
                for text in &texts {
                    contracts.push(text.as_utf8().map_err(|_| "a contract is not UTF-8")?);
                }
            }
            (ColumnReader::ByteArrayColumnReader(chunk), Values::Codes(values)) => {
                let mut labels = Vec::new();
                read_chunk(chunk, n_group, &mut labels)?;
                for label in &labels {
                    let code = codes.get(label.data());
                    values.push(*code.ok_or_else(|| format!("{label:?} is not a label of this month"))?);
                }
            }
            _ => return Err(WRONG_TYPE.to_owned()),
        }
    }
    Ok(values)
}

fn read_chunk<T: DataType>(
    mut chunk: ColumnReaderImpl<T>,
    n_rows: usize,
    values: &mut Vec<T::T>,
) -> Result<(), String> {
    let expected = values.len() + n_rows;
    while values.len() < expected {
        let missing = expected - values.len();
        let (n_read, _, _) = chunk.read_records(missing, None, None, values).map_err(|error| error.to_string())?;
        if n_read == 0 {
            return Err(format!("{missing} values are missing"));
        }
    }
    Ok(())
}

/// The metadata of a file.
struct Entries<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Entries<'a> {
    fn of(metadata: &'a ParquetMetaData) -> Entries<'a> {
        let entries = metadata.file_metadata().key_value_metadata();
        let entry = |entry: &'a KeyValue| Some((entry.key.strip_prefix(KEY_PREFIX)?, entry.value.as_deref()?));
        Entries(entries.into_iter().flatten().filter_map(entry).collect())
    }

    fn text(&self, key: &str) -> Result<&'a str, String> {
        self.0.get(key).copied().ok_or_else(|| format!("its metadata lacks `viewmart.{key}`"))
    }

    fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T, String>
    where
        T::Err: std::fmt::Display,
    {
        self.text(key)?.parse().map_err(|error| format!("`viewmart.{key}` in its metadata: {error}"))
    }

    fn json<T: Deserialize<'a>>(&self, key: &str) -> Result<T, String> {
        serde_json::from_str(self.text(key)?).map_err(|error| format!("`viewmart.{key}` in its metadata: {error}"))
    }

    fn ledger(&self) -> Result<Ledger, String> {
        let text: LedgerText = self.json("ledger")?;
        let mut ledger =
            Ledger { read: text.read, kept: text.kept, unmapped_app: text.unmapped_app, ..Ledger::default() };
        for reason in Reason::ALL {
            let records = text.rejected.get(reason.name());
            ledger.rejected[reason as usize] =
                *records.ok_or_else(|| format!("its ledger lacks the reason {reason}"))?;
        }
        for category in Category::ALL {
            let seconds = text.seconds.get(category.name()).and_then(|seconds| seconds.parse().ok());
            let lacks = || format!("its ledger lacks the seconds of {}", category.name());
            ledger.seconds[category as usize] = seconds.ok_or_else(lacks)?;
        }
        Ok(ledger)
    }

    fn days(&self, month: Month) -> Result<Vec<DayActivity>, String> {
        let days: Vec<DayText> = self.json("days")?;
        days.into_iter()
            .map(|text| {
                let day = Day::new(text.day).filter(|day| month.date(*day).is_some());
                let day = day.ok_or_else(|| format!("`viewmart.days` has a day {}", text.day))?;
                let mut seconds = [0; 5];
                for category in Category::ALL {
                    let lacks = || format!("`viewmart.days` lacks the seconds of {}", category.name());
                    seconds[category as usize] = *text.seconds.get(category.name()).ok_or_else(lacks)?;
                }
                Ok(DayActivity { day, active_users: text.active_users, records: text.records, seconds })
            })
            .collect()
    }

    fn provenance(&self) -> Result<Provenance, String> {
        let input: InputText = self.json("input")?;
        Ok(Provenance {
            engine: self.text("engine")?.to_owned(),
            rules_name: self.text("rules_name")?.to_owned(),
            rules_sha256: self.text("rules_sha256")?.to_owned(),
            input_files: input.files,
            input_bytes: input.bytes,
        })
    }
}

/// Whether the columns agree with each other and with the ledger.
fn check(table: &MonthTable) -> Result<(), String> {
    if let Some(row) = (1..table.n_rows()).find(|row| table.contracts.get(row - 1) >= table.contracts.get(*row)) {
        return Err(format!("row {row} is not behind the one before: contracts must ascend byte by byte"));
    }
    for (row, total) in table.total.iter().enumerate() {
        let sum: i128 = table.seconds.iter().map(|seconds| i128::from(seconds[row])).sum();
        if sum != i128::from(*total) {
            return Err(format!("TotalDuration of row {row} is {total}, the sum of its categories {sum}"));
        }
    }
    for category in Category::ALL {
        let found: i128 = table.seconds[category as usize].iter().map(|seconds| i128::from(*seconds)).sum();
        let expected = table.ledger.seconds[category as usize];
        if found != expected {
            return Err(format!("the sum of {}Duration is {found}, its ledger says {expected}", category.name()));
        }
    }
    let of_days: u64 = table.days.iter().map(|day| day.records).fold(0, u64::saturating_add);
    if of_days != table.ledger.kept {
        return Err(format!("its days have {of_days} records, its ledger says {}", table.ledger.kept));
    }
    if !table.ledger.balances() {
        let Ledger { read, kept, .. } = table.ledger;
        return Err(format!("its ledger does not balance: {read} records read, {kept} kept"));
    }
    Ok(())
}

fn days_since_epoch(date: Date) -> i32 {
    // Dates of years 0 to 9999 fit many times over.
    (date - Date::constant(1970, 1, 1)).get_days()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{Customer, HOSTILE_CONTRACTS, month_table};
    use super::*;
    use crate::rules::Rules;

    fn written(table: &MonthTable, group_rows: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_in_groups(table, &mut bytes, group_rows).unwrap();
        bytes
    }

    fn rules() -> Rules {
        Rules::preset("seed").unwrap()
    }

    #[test]
    fn hostile_contracts_come_back() {
        let customers: Vec<Customer<'_>> =
            HOSTILE_CONTRACTS.iter().zip(0..).map(|(contract, n)| (*contract, [n, -n, 0, 7, n * n], 30)).collect();
        let table = month_table("2022-04", &rules(), &customers);
        for group_rows in [1, 7, ROW_GROUP_ROWS] {
            assert_eq!(parse(written(&table, group_rows).into()).unwrap(), table);
        }
    }

    #[test]
    fn a_month_without_customers_comes_back() {
        let table = month_table("2024-02", &rules(), &[]);
        assert_eq!(parse(written(&table, 1).into()).unwrap(), table);
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_number_of_threads() {
        let contracts: Vec<String> = (0..1_000).map(|n| format!("{n:04}")).collect();
        let customers: Vec<Customer<'_>> = contracts.iter().map(|contract| (contract.as_str(), [1; 5], 1)).collect();
        let table = month_table("2022-04", &rules(), &customers);
        let with_threads = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| written(&table, 64))
        };
        let one = with_threads(1);
        assert_eq!(with_threads(3), one);
        assert_eq!(parse(one.into()).unwrap(), table);
    }

    #[test]
    fn what_contradicts_the_metadata_is_refused() {
        let good = month_table("2022-04", &rules(), &[("A", [1, 2, 3, 4, 5], 6), ("B", [1, 0, 0, 0, 0], 1)]);
        let check = |change: fn(&mut MonthTable), message: &str| {
            let mut table = good.clone();
            change(&mut table);
            assert_eq!(parse(written(&table, 1).into()).unwrap_err(), message);
        };
        check(|table| table.seconds[1][0] = 3, "TotalDuration of row 0 is 15, the sum of its categories 16");
        check(
            |table| (table.seconds[1][0], table.total[0]) = (3, 16),
            "the sum of SportDuration is 3, its ledger says 2",
        );
        check(
            |table| {
                table.contracts = Contracts::default();
                table.contracts.push("B");
                table.contracts.push("A");
            },
            "row 1 is not behind the one before: contracts must ascend byte by byte",
        );
        check(
            |table| table.activeness[0] = 31,
            "column Activeness holds a number that is not one of days of the month",
        );
        check(|table| table.days[0].records = 1, "its days have 3 records, its ledger says 4");
        check(|table| table.ledger.read += 1, "its ledger does not balance: 8 records read, 4 kept");
    }

    #[test]
    fn what_is_no_month_file_is_refused() {
        let check = |bytes: &[u8], message: &str| {
            let error = parse(bytes.to_vec().into()).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        };
        let good = written(&month_table("2022-04", &rules(), &[("A", [1, 2, 3, 4, 5], 6)]), 1);
        check(b"", "it is not Parquet");
        check(b"Month,Contract\n2022-04-01,A\n", "it is not Parquet");
        check(&good[..good.len() - 1], "it is not Parquet");
        check(&good[4..], "");
        let path = Path::new("/nowhere/month.parquet");
        assert!(matches!(read(path), Err(Error::Output { path: found, .. }) if found == path));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_month_comes_back(
            customers in proptest::collection::btree_map(
                ".{0,12}",
                (proptest::array::uniform5(-1_000_000_000_000_i64..1_000_000_000_000), 1_u8..=30),
                0..60,
            ),
            group_rows in 1_usize..70,
        ) {
            let customers: Vec<Customer<'_>> =
                customers.iter().map(|(contract, (seconds, days))| (contract.as_str(), *seconds, *days)).collect();
            let table = month_table("2022-04", &rules(), &customers);
            prop_assert_eq!(parse(written(&table, group_rows).into()).unwrap(), table);
        }

        /// Damage is found or harmless, and never the end of the program.
        #[test]
        fn a_damaged_file_is_refused_or_read_as_it_was(place in 0.0..1.0_f64, bit in 0_u8..8) {
            let table = month_table("2022-04", &rules(), &[("A", [1, 2, 3, 4, 5], 6), ("B", [1, 0, 0, 0, 0], 1)]);
            let mut bytes = written(&table, 1);
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] ^= 1 << bit;
            if let Ok(read) = parse(bytes.into()) {
                prop_assert_eq!(read, table);
            }
        }
    }
}
