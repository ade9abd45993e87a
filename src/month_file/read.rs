//! Reading a month file, which may be anything.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;
use jiff::civil::Date;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::parser::parse_message_type;
use rayon::prelude::*;
use serde::Deserialize;

use super::{CHECKSUM, Column, DayText, FORMAT, InputText, KEY_PREFIX, LedgerText, SCHEMA, checksum, days_since_epoch};
use crate::engine::aggregate::columns::{Contracts, sum};
use crate::engine::aggregate::memory::Slab;
use crate::engine::aggregate::{DayActivity, MonthTable, Provenance};
use crate::engine::calendar::{Day, Month};
use crate::engine::ledger::{Ledger, LedgerDetail, Reason};
use crate::engine::rules::{Category, NO_LABEL, Taste};
use crate::error::{DataError, Error};

/// The columns lie behind the four bytes with which every Parquet file begins.
const DATA_START: usize = 4;

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

pub(super) fn parse(bytes: Bytes) -> Result<MonthTable, String> {
    // The checksum finds damage before a column is read. A file made to pass it could still make the Parquet library
    // panic, which reports most contradictions as errors, but not all. Nothing outlives a panic here.
    catch_unwind(AssertUnwindSafe(|| {
        let table = parse_columns(bytes)?;
        check(&table)?;
        Ok(table)
    }))
    .unwrap_or_else(|_| Err("it is damaged: its pages contradict each other".to_owned()))
}

/// The table as its columns and metadata say, whether they agree or not.
pub(super) fn parse_columns(bytes: Bytes) -> Result<MonthTable, String> {
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
    let days = columns[Column::Days.place()].take_days()?;
    let days: Vec<u32> = days
        .into_iter()
        .zip(&activeness)
        .map(|(mask, n_days)| u32::try_from(mask).ok().filter(|mask| mask.count_ones() == u32::from(*n_days)))
        .collect::<Option<_>>()
        .ok_or("column Days has not as many bits as Activeness says")?;
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
        days: days.into(),
        activeness,
        taste_labels,
        activity: entries.days(month)?,
        ledger: entries.ledger()?,
        detail: LedgerDetail::default(),
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
        Column::Month | Column::Date | Column::Activeness | Column::Days => Values::Days(Vec::new()),
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
        let found = sum(&table.seconds[category as usize]);
        let expected = table.ledger.seconds[category as usize];
        if found != expected {
            return Err(format!("the sum of {}Duration is {found}, its ledger says {expected}", category.name()));
        }
    }
    let of_days: u64 = table.activity.iter().map(|day| day.records).fold(0, u64::saturating_add);
    if of_days != table.ledger.kept {
        return Err(format!("its days have {of_days} records, its ledger says {}", table.ledger.kept));
    }
    if !table.ledger.balances() {
        let Ledger { read, kept, .. } = table.ledger;
        return Err(format!("its ledger does not balance: {read} records read, {kept} kept"));
    }
    Ok(())
}
