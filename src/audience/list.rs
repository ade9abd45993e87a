//! The customers of an answer as a list: chosen, ordered, cut into groups, written.
//!
//! Samples and groups are decided by a keyed hash of the contract alone: the same customer falls the same way in every
//! month and in every run with that seed, however many others there are.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use roaring::RoaringBitmap;
use sha2::Sha256;

use super::answer::{Answer, Member};
use crate::engine::calendar::Month;
use crate::engine::columns::{Cell, Column, ColumnType, Values};
use crate::month_file::{LIST_KEY, days_since_epoch};

/// Which customers of an answer, and in what order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The order of the list.
    pub order: Order,
    /// At most this many, the first of the order.
    pub limit: Option<u64>,
    /// Only a part of them, taken before the limit.
    pub sample: Option<Fraction>,
    /// The key of samples and groups.
    pub seed: u64,
}

impl Selection {
    /// Whether every customer of an answer is in it.
    pub fn takes_all(&self) -> bool {
        self.limit.is_none() && self.sample.is_none()
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Contract,
    /// By total seconds, largest first; ties by contract.
    Total,
}

/// The form of a list in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListFormat {
    /// CSV with a header.
    Csv,
    Parquet,
    /// The rows of the month file as a roaring bitmap in the portable format.
    Roaring,
}

impl ListFormat {
    /// The format that the ending of a name says.
    pub fn of(path: &Path) -> Option<ListFormat> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(ListFormat::Csv),
            "parquet" => Some(ListFormat::Parquet),
            "roaring" => Some(ListFormat::Roaring),
            _ => None,
        }
    }
}

/// A part of all customers, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction(pub u32);

/// Millionths of a whole.
const WHOLE: u64 = 1_000_000;

/// How a list names its customers.
#[derive(Clone, Copy)]
pub enum Names<'s> {
    Contracts,
    /// By what this makes of them. Where the order is by name, it is by that name: in the order of the contracts the place
    /// of a pseudonym would tell whose it is.
    Pseudonyms(&'s dyn Fn(&str) -> String),
}

impl Names<'_> {
    /// The name of `contract`.
    pub fn of<'c>(&self, contract: &'c str) -> Cow<'c, str> {
        match self {
            Names::Contracts => contract.into(),
            Names::Pseudonyms(name) => name(contract).into(),
        }
    }
}

/// The members of `answer` that `selection` asks for.
pub fn select<'a>(answer: &Answer<'a>, selection: &Selection, names: Names<'_>) -> Vec<Member<'a>> {
    let draw = Draw::new("sample", selection.seed);
    let is_drawn = |contract: &str| match selection.sample {
        Some(Fraction(millionths)) => draw.scaled(contract, WHOLE) < u64::from(millionths),
        None => true,
    };
    let mut members: Vec<Member<'a>> = answer.customers().filter(|member| is_drawn(member.contract)).collect();
    match (selection.order, names) {
        (Order::Contract, Names::Contracts) => {}
        // Stable: equal totals stay in contract order.
        (Order::Total, Names::Contracts) => members.sort_by_key(|member| Reverse(member.total())),
        (Order::Contract, names) => members.sort_by_cached_key(|member| names.of(member.contract).into_owned()),
        (Order::Total, names) => {
            members.sort_by_cached_key(|member| (Reverse(member.total()), names.of(member.contract).into_owned()));
        }
    }
    if let Some(limit) = selection.limit {
        members.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    members
}

/// Members cut into one group for each share, in the proportions of the shares; order stays within a group.
pub fn split<'a>(members: &[Member<'a>], shares: &[u32], seed: u64) -> Vec<Vec<Member<'a>>> {
    let whole: u64 = shares.iter().map(|share| u64::from(*share)).sum();
    let draw = Draw::new("split", seed);
    let mut groups = vec![Vec::new(); shares.len()];
    for member in members {
        let mut rest = draw.scaled(member.contract, whole);
        let group = shares.iter().position(|share| {
            let is_here = rest < u64::from(*share);
            rest = rest.saturating_sub(u64::from(*share));
            is_here
        });
        if let Some(group) = group {
            groups[group].push(*member);
        }
    }
    groups
}

/// Numbers that a key and a contract decide.
struct Draw(Hmac<Sha256>);

impl Draw {
    /// `purpose` keeps apart what one seed decides: being in a sample says nothing of the group.
    fn new(purpose: &str, seed: u64) -> Draw {
        let mut key = [0_u8; 64];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..8 + purpose.len()].copy_from_slice(purpose.as_bytes());
        Draw(Hmac::new(&key.into()))
    }

    fn number(&self, contract: &str) -> u64 {
        let mut hmac = self.0.clone();
        hmac.update(contract.as_bytes());
        let digest: [u8; 32] = hmac.finalize().into_bytes().into();
        digest[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The number brought to 0..`whole`.
    fn scaled(&self, contract: &str, whole: u64) -> u64 {
        ((u128::from(self.number(contract)) * u128::from(whole)) >> 64) as u64
    }
}

/// The name of the column of reasons.
pub const REASON: &str = "Reason";

/// A reason, and whom it holds for.
#[derive(Clone, Debug)]
pub struct Reason<'a> {
    /// As people say it.
    pub text: String,
    /// Rows of the base month.
    pub rows: RoaringBitmap,
    /// Those who are in other months only.
    pub elsewhere: HashSet<&'a str>,
}

impl<'a> Reason<'a> {
    /// A reason that holds for the customers of `answer`.
    pub fn of(text: &str, answer: &Answer<'a>) -> Reason<'a> {
        let elsewhere = answer.customers().filter(|member| !member.is_in(answer.base.month));
        let elsewhere = elsewhere.map(|member| member.contract).collect();
        Reason { text: text.to_owned(), rows: answer.base_rows(), elsewhere }
    }

    fn holds_for(&self, member: &Member<'_>, base: Month) -> bool {
        match member.is_in(base) {
            true => self.rows.contains(member.row),
            false => self.elsewhere.contains(member.contract),
        }
    }
}

impl Sheet<'_> {
    /// The names of the columns, that of the contract first.
    pub fn header(&self) -> impl Iterator<Item = &'static str> {
        let columns = self.columns.iter().map(|column| column.name);
        std::iter::once("Contract").chain(columns).chain((!self.reasons.is_empty()).then_some(REASON))
    }

    /// All reasons of a member; none where the list has no such column.
    pub fn reason(&self, member: &Member<'_>) -> Option<String> {
        let holds = |reason: &&Reason<'_>| reason.holds_for(member, self.base);
        let texts = || self.reasons.iter().filter(holds).map(|reason| reason.text.as_str());
        (!self.reasons.is_empty()).then(|| texts().collect::<Vec<_>>().join("; "))
    }
}

/// What stands in a list besides the contract, and how contracts are shown.
#[derive(Clone, Copy)]
pub struct Sheet<'a> {
    /// The month asked.
    pub base: Month,
    /// The columns after the contract, each with the value of the month that the customer is shown as of.
    pub columns: &'a [&'a Column],
    /// After them, where there are any, the reasons for which a customer is of interest.
    pub reasons: &'a [Reason<'a>],
    /// The names that are shown for contracts.
    pub names: Names<'a>,
}

/// The values of some columns in the months that members are shown as of.
pub struct Cells<'a> {
    columns: &'a [&'a Column],
    of_months: Vec<(Month, Vec<Values<'a>>)>,
}

impl<'a> Cells<'a> {
    /// Those of `columns`.
    pub fn new(members: &[Member<'a>], columns: &'a [&'a Column]) -> Cells<'a> {
        let mut of_months: Vec<(Month, Vec<Values<'a>>)> = Vec::new();
        for Member { table, .. } in members {
            if of_months.iter().all(|(month, _)| *month != table.month) {
                of_months.push((table.month, columns.iter().map(|column| column.values(table)).collect()));
            }
        }
        Cells { columns, of_months }
    }

    /// The values of a member; none of devices where that month does not count them.
    pub fn row(&self, member: &Member<'a>) -> impl Iterator<Item = Option<Cell<'_>>> {
        (0..self.columns.len()).map(|place| self.cell(member, place))
    }

    fn cell(&self, member: &Member<'a>, place: usize) -> Option<Cell<'_>> {
        let (_, values) = self.of_months.iter().find(|(month, _)| *month == member.table.month)?;
        match &values[place] {
            Values::Counts([]) => None,
            values => Some(values.cell(member.row as usize)),
        }
    }
}

/// Writes members as CSV with a header.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_csv(members: &[Member<'_>], sheet: &Sheet<'_>, out: impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(sheet.header())?;
    let cells = Cells::new(members, sheet.columns);
    for member in members {
        writer.write_field(&*sheet.names.of(member.contract))?;
        for cell in cells.row(member) {
            match cell {
                None => writer.write_field("")?,
                Some(Cell::Date(date)) => writer.write_field(date.to_string())?,
                Some(Cell::Text(text)) => writer.write_field(text)?,
                Some(Cell::Integer(number)) => writer.write_field(itoa::Buffer::new().format(number))?,
            }
        }
        if let Some(reason) = sheet.reason(member) {
            writer.write_field(reason)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}

/// Writes members as Parquet, marked as a list: in a folder of month files it is none of them.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_parquet(members: &[Member<'_>], sheet: &Sheet<'_>, out: impl Write + Send) -> io::Result<()> {
    write_groups(members, sheet, out).map_err(|error| match error {
        // What the system says, such as that the disk is full.
        ParquetError::External(source) => source.downcast().map_or_else(io::Error::other, |error| *error),
        error => io::Error::other(error),
    })
}

fn write_groups(members: &[Member<'_>], sheet: &Sheet<'_>, out: impl Write + Send) -> Result<(), ParquetError> {
    const ROWS_PER_GROUP: usize = 1 << 17;
    let text = |name: &str| {
        let text = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY);
        text.with_logical_type(Some(LogicalType::String)).with_repetition(Repetition::REQUIRED).build()
    };
    let mut fields = vec![Arc::new(text("Contract")?)];
    for column in sheet.columns {
        fields.push(Arc::new(parquet_type(column)?));
    }
    if !sheet.reasons.is_empty() {
        fields.push(Arc::new(text(REASON)?));
    }
    let schema = Arc::new(Type::group_type_builder("audience").with_fields(fields).build()?);
    let mark = KeyValue::new(LIST_KEY.to_owned(), sheet.base.to_string());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![mark]))
        .build();
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
    for members in members.chunks(ROWS_PER_GROUP) {
        let mut group = file.next_row_group()?;
        let contracts = members.iter().map(|member| Some(ByteArray::from(&*sheet.names.of(member.contract))));
        write_column::<ByteArrayType, _>(&mut group, contracts, Nulls::None)?;
        let cells = Cells::new(members, sheet.columns);
        for (place, column) in sheet.columns.iter().enumerate() {
            let cells = members.iter().map(|member| cells.cell(member, place));
            write_cells(&mut group, cells, column.column_type)?;
        }
        if !sheet.reasons.is_empty() {
            let reasons = members.iter().map(|member| sheet.reason(member).map(|text| ByteArray::from(text.as_str())));
            write_column::<ByteArrayType, _>(&mut group, reasons, Nulls::None)?;
        }
        group.close()?;
    }
    file.close()?;
    Ok(())
}

fn parquet_type(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.column_type {
        ColumnType::Date => (PhysicalType::INT32, Some(LogicalType::Date)),
        ColumnType::Text { .. } => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::BigInt => (PhysicalType::INT64, None),
        ColumnType::Int => (PhysicalType::INT32, None),
    };
    let builder = Type::primitive_type_builder(column.name, physical).with_logical_type(logical);
    builder.with_repetition(Repetition::OPTIONAL).build()
}

fn write_cells<'c, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<Cell<'c>>>,
    column_type: ColumnType,
) -> Result<(), ParquetError> {
    let integer = |cell| match cell {
        Cell::Integer(number) => number,
        Cell::Date(date) => i64::from(days_since_epoch(date)),
        Cell::Text(_) => 0,
    };
    match column_type {
        ColumnType::Text { .. } => {
            let text = |cell| match cell {
                Cell::Text(text) => ByteArray::from(text),
                Cell::Integer(_) | Cell::Date(_) => ByteArray::from(""),
            };
            write_column::<ByteArrayType, _>(group, cells.map(|cell| cell.map(text)), Nulls::Some)
        }
        ColumnType::BigInt => write_column::<Int64Type, _>(group, cells.map(|cell| cell.map(integer)), Nulls::Some),
        ColumnType::Date | ColumnType::Int => {
            let small = |cell| i32::try_from(integer(cell)).unwrap_or_default();
            write_column::<Int32Type, _>(group, cells.map(|cell| cell.map(small)), Nulls::Some)
        }
    }
}

/// Whether a column may have nulls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    None,
    Some,
}

fn write_column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: impl Iterator<Item = Option<T::T>>,
    nulls: Nulls,
) -> Result<(), ParquetError> {
    let mut levels = Vec::new();
    let mut values = Vec::new();
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has fewer columns than the list".into()));
    };
    column.typed::<T>().write_batch(&values, (nulls == Nulls::Some).then_some(&levels[..]), None)?;
    column.close()
}

/// Writes the rows of the month `base` as a roaring bitmap in the portable format, and returns how many they are.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_roaring(members: &[Member<'_>], base: Month, out: impl Write) -> io::Result<u64> {
    let mut rows: Vec<u32> = members.iter().filter(|member| member.is_in(base)).map(|member| member.row).collect();
    rows.sort_unstable();
    let rows: RoaringBitmap = rows.into_iter().collect();
    rows.serialize_into(out)?;
    Ok(rows.len())
}
