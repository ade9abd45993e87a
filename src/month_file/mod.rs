//! The month file: the table of a month as Parquet, between `transform` and `load`.
//!
//! The columns are those of `customer_behavior`, rows in key order, and any Parquet reader can use them. What else a
//! load needs (ledger, days, rules, provenance) stands in the key-value metadata, so that `load` makes the same tables
//! as `run`; other readers may ignore it, except that a file without it is refused here.
//!
//! The columns of a row group are encoded by themselves, many at once ([`chunk`]), while the row group before is written.
//! Row groups have a fixed size, so the bytes depend on the table alone, not on the number of threads.

mod chunk;
mod encode;
mod read;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use jiff::civil::Date;
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::engine::aggregate::MonthTable;
use crate::engine::ledger::Reason;
use crate::engine::rules::Category;
use chunk::Chunk;
pub use read::read;

/// Rows of a row group: enough for readers that share out row groups among threads, few enough to encode in a cache.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// What our keys in the metadata begin with.
const KEY_PREFIX: &str = "viewmart.";

/// The key of the checksum.
const CHECKSUM: &str = "crc32c";

/// Version of what stands in the metadata.
const FORMAT: &str = "1";

/// The columns in order: those of `customer_behavior` and the masks of active days.
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
    required int32 Days;
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
    Days,
}

impl Column {
    const ALL: [Column; 13] = [
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
        Column::Days,
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
            Column::Days => 12,
        }
    }
}

/// Writes the month file of `table`.
///
/// # Errors
/// Only those of `output`.
pub fn write(table: &MonthTable, output: &mut (dyn Write + Send)) -> io::Result<()> {
    write_in_groups(table, output, ROW_GROUP_ROWS)
}

fn write_in_groups(table: &MonthTable, output: &mut (dyn Write + Send), group_rows: usize) -> io::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let descriptor = SchemaDescriptor::new(Arc::clone(&schema));
    // The writer puts the bytes of a file into a buffer, which is emptied into `output` between the row groups.
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties(table)))?;
    let metadata = Metadata::of(table)?;
    let mut data_crc = 0;
    let encode = |start: usize| {
        let rows = start..table.n_rows().min(start + group_rows);
        let chunk = |column: Column| Chunk::new(table, column, rows.clone(), descriptor.column(column.place()));
        Column::ALL.into_par_iter().map(chunk).collect::<ParquetResult<Vec<_>>>()
    };
    let mut write = |chunks: Vec<Chunk>| -> io::Result<()> {
        let mut group = writer.next_row_group()?;
        for Chunk { bytes, close } in chunks {
            data_crc = crc32c::crc32c_append(data_crc, &bytes);
            group.append_column(&bytes, close)?;
        }
        group.close()?;
        output.write_all(writer.inner())?;
        writer.inner_mut().clear();
        Ok(())
    };
    let mut starts = (0..table.n_rows()).step_by(group_rows);
    let mut ready = starts.next().map(encode).transpose()?;
    while let Some(chunks) = ready.take() {
        let (next, written) = rayon::join(|| starts.next().map(encode).transpose(), || write(chunks));
        written?;
        ready = next?;
    }
    let crc = checksum(data_crc, metadata.iter().map(|(key, value)| (*key, value.as_str())));
    for (key, value) in metadata.into_iter().chain([(CHECKSUM, crc)]) {
        writer.append_key_value_metadata(KeyValue::new(format!("{KEY_PREFIX}{key}"), value));
    }
    output.write_all(&writer.into_inner()?)
}

/// The checksum of a file: CRC-32C over the column chunks as they lie in it, then over all other metadata of ours in
/// the order of the keys.
fn checksum<'a>(data_crc: u32, metadata: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let crc = metadata
        .flat_map(|(key, value)| [key, "\0", value, "\0"])
        .fold(data_crc, |crc, text| crc32c::crc32c_append(crc, text.as_bytes()));
    format!("{crc:08x}")
}

/// What the file says of itself. How the columns are encoded is not asked for here but done in [`chunk`].
fn properties(table: &MonthTable) -> WriterProperties {
    WriterProperties::builder()
        .set_created_by(table.provenance.engine.clone())
        .set_offset_index_disabled(true)
        .set_sorting_columns(Some(vec![
            SortingColumn { column_idx: 0, descending: false, nulls_first: false },
            SortingColumn { column_idx: 1, descending: false, nulls_first: false },
        ]))
        .build()
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
            .activity
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

/// Days from 1970-01-01 to `date`, as Parquet counts them.
pub(crate) fn days_since_epoch(date: Date) -> i32 {
    // Dates of years 0 to 9999 fit many times over.
    (date - Date::constant(1970, 1, 1)).get_days()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::path::Path;

    use super::read::{parse, parse_columns};
    use super::*;
    use crate::engine::aggregate::columns::Contracts;
    use crate::engine::rules::Rules;
    use crate::error::Error;
    use crate::warehouse::fixture::{Customer, HOSTILE_CONTRACTS, month_table};

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
    fn pages_and_row_groups_are_read_as_one() {
        let mut names: Vec<String> = (0..40_000).map(|i| format!("{:0width$}", i, width = 5 + i % 3 * 4)).collect();
        names.sort_unstable();
        let customers: Vec<Customer<'_>> =
            names.iter().zip(0..).map(|(name, i)| (name.as_str(), [i, 0, 0, -i, 1], (i % 30) as u8 + 1)).collect();
        let mut table = month_table("2022-04", &rules(), &customers);
        // Of every width up to 64 bits, with differences that wrap: no month, but columns.
        for (i, total) in table.total.iter_mut().enumerate() {
            *total = match i % 130 {
                128 => i64::MAX,
                129 => i64::MIN,
                n => (1 << (n % 63)) - n as i64,
            };
        }
        for group_rows in [1_000, 16_384, 16_385, ROW_GROUP_ROWS] {
            assert!(parse_columns(written(&table, group_rows).into()).unwrap() == table, "{group_rows}");
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
        check(|table| table.days[0] ^= 1 << 9, "column Days has not as many bits as Activeness says");
        check(
            |table| table.activeness[0] = 31,
            "column Activeness holds a number that is not one of days of the month",
        );
        check(|table| table.activity[0].records = 1, "its days have 3 records, its ledger says 4");
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
