//! The rows of a part of a month and what it says of itself, as an Arrow IPC stream: for engines that add up rows by
//! themselves, such as Spark.
//!
//! After the rows comes one more, which has the metadata of a month file as JSON in `Counters`, where all others have
//! nothing. The end of such a stream need not be marked, so that a part of it may look like all: who has not seen that row
//! has not seen all.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use jiff::civil::Date;

use super::metadata::Metadata;
use super::{MergeWriteError, MonthFileError, check_apps};
use crate::engine::aggregate::days;
use crate::engine::calendar::Month;
use crate::engine::columns::name_of_seconds;
use crate::engine::ledger::LedgerDetail;
use crate::engine::partial::{Partial, activity};
use crate::engine::rules::{Category, Rules};

/// Rows of a batch: few enough that the longest contracts stay far below the 2 GiB that a column of text may have.
const BATCH_ROWS: usize = 1 << 16;

/// The column of the metadata.
const COUNTERS: &str = "Counters";

/// A stream while it is written.
pub struct RowWriter<W: Write> {
    arrow: StreamWriter<W>,
    schema: SchemaRef,
    n_rows: u64,
    active_users: [u64; 31],
}

/// What a stream says of itself, its rows and their ledger aside.
#[derive(Clone, Copy, Debug)]
pub struct StreamOf<'a> {
    /// The task whose rows they are.
    pub task: u64,
    pub month: Month,
    /// The column `Date` of the rows when they are labelled.
    pub etl_date: Date,
    /// What decided the records.
    pub rules: &'a Rules,
}

impl<W: Write> RowWriter<W> {
    /// Begins a stream.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(output: W) -> io::Result<RowWriter<W>> {
        let schema = Arc::new(schema());
        let arrow = StreamWriter::try_new(output, &schema).map_err(io_error)?;
        Ok(RowWriter { arrow, schema, n_rows: 0, active_users: [0; 31] })
    }

    /// Writes the rows; their ledger is left out.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, rows: &Partial) -> io::Result<()> {
        let n_rows = rows.n_rows();
        self.n_rows += n_rows as u64;
        self.active_users.iter_mut().zip(days::active_users(&rows.days)).for_each(|(sum, users)| *sum += users);
        let mut starts = (0..n_rows).step_by(BATCH_ROWS);
        starts.try_for_each(|start| self.write_batch(rows, start..n_rows.min(start + BATCH_ROWS)))
    }

    fn write_batch(&mut self, rows: &Partial, range: Range<usize>) -> io::Result<()> {
        let contracts = StringArray::from_iter_values(range.clone().map(|row| rows.contracts.get(row)));
        let days = Int32Array::from_iter_values(rows.days[range.clone()].iter().map(|days| days.cast_signed()));
        let seconds = |column: &[i64]| Arc::new(Int64Array::from_iter_values(column.iter().copied())) as ArrayRef;
        let columns = [Arc::new(contracts) as ArrayRef, Arc::new(days)]
            .into_iter()
            .chain(rows.seconds.iter().map(|column| seconds(&column[range.clone()])))
            .chain([new_null_array(&DataType::Utf8, range.len())]);
        self.write_columns(columns.collect())
    }

    fn write_columns(&mut self, columns: Vec<ArrayRef>) -> io::Result<()> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(io_error)?;
        self.arrow.write(&batch).map_err(io_error)
    }

    /// Ends the stream with what it says of itself; gives the number of rows before that.
    ///
    /// # Errors
    /// Sums of a day that do not fit, names of more apps than there may be, and those of the output.
    pub fn finish(mut self, of: StreamOf<'_>, ledger: &LedgerDetail) -> Result<u64, MergeWriteError> {
        check_apps(ledger)?;
        let days = activity(&self.active_users, ledger).map_err(MonthFileError::from)?;
        let StreamOf { task, month, etl_date, rules } = of;
        let (engine, n_rows) = (crate::ENGINE, self.n_rows);
        let counters =
            Metadata { month, etl_date, engine, rules, n_rows, ledger, days: &days, devices: None }.to_json(task)?;
        if i32::try_from(counters.len()).is_err() {
            let n_bytes = counters.len();
            return Err(io::Error::other(format!("the names of apps take {n_bytes} bytes, over 2 GiB")).into());
        }
        let nothing = |field: &Arc<Field>| new_null_array(field.data_type(), 1);
        let mut columns: Vec<ArrayRef> = self.schema.fields().iter().map(nothing).collect();
        columns.pop();
        columns.push(Arc::new(StringArray::from_iter_values([counters])));
        self.write_columns(columns)?;
        self.arrow.finish().map_err(io_error)?;
        self.arrow.get_mut().flush()?;
        Ok(n_rows)
    }
}

fn schema() -> Schema {
    let seconds = Category::ALL.map(|category| (name_of_seconds(category), DataType::Int64));
    let columns = [("Contract", DataType::Utf8), ("Days", DataType::Int32)].into_iter().chain(seconds);
    let field = |(name, kind): (&str, DataType)| Field::new(name, kind, true);
    Schema::new(columns.chain([(COUNTERS, DataType::Utf8)]).map(field).collect::<Vec<_>>())
}

fn io_error(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, source) => source,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array as _;
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{Int32Type, Int64Type};
    use arrow_ipc::reader::StreamReader;

    use super::*;
    use crate::month_file::tests::month_of;

    /// What takes so many bytes and then fails.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The rows of a month, twice, and what is said of them.
    fn write_twice(output: impl Write) -> Result<u64, MergeWriteError> {
        let table = month_of(&[("A", 0b1, [0, 0, 0, 0, 7]), ("\u{1f600} ", 0b110, [1, 2, i64::MAX / 9, -4, 5])]);
        let rules = Rules::parse(&table.provenance.rules.text).unwrap();
        let of = StreamOf { task: 3, month: table.month, etl_date: table.etl_date, rules: &rules };
        let rows = Partial {
            contracts: table.contracts.clone(),
            days: table.days.clone(),
            seconds: table.seconds.clone(),
            devices: None,
            ledger: LedgerDetail::default(),
        };
        let mut writer = RowWriter::new(output)?;
        writer.write(&rows)?;
        writer.write(&Partial::default())?;
        writer.write(&rows)?;
        writer.finish(of, &table.detail)
    }

    #[test]
    fn rows_come_back_and_the_last_one_tells_of_them() {
        let mut bytes = Vec::new();
        assert_eq!(write_twice(&mut bytes).unwrap(), 4);
        let mut batches: Vec<RecordBatch> =
            StreamReader::try_new(bytes.as_slice(), None).unwrap().collect::<Result<_, _>>().unwrap();
        let last = batches.pop().unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [2, 2]);
        for batch in &batches {
            let texts = batch["Contract"].as_string::<i32>();
            assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["A", "\u{1f600} "]);
            assert_eq!(batch["Days"].as_primitive::<Int32Type>().values(), &[1, 6]);
            let seconds = ["MovieDuration", "SportDuration", "ChildDuration", "RelaxDuration", "TvDuration"];
            let second_row = seconds.map(|name| batch[name].as_primitive::<Int64Type>().value(1));
            assert_eq!(second_row, [1, 2, i64::MAX / 9, -4, 5]);
            assert_eq!(batch[COUNTERS].null_count(), 2);
        }
        assert_eq!((last.num_rows(), last.num_columns()), (1, 8));
        assert!(last.columns()[..7].iter().all(|column| column.null_count() == 1));
        let counters: serde_json::Value = serde_json::from_str(last[COUNTERS].as_string::<i32>().value(0)).unwrap();
        let of = |key: &str| counters[key].clone();
        assert_eq!([of("task"), of("rows")], [3, 4]);
        assert_eq!([of("format"), of("month"), of("rules_name")], ["2", "2022-04", "seed"]);
        assert_eq!(counters["ledger"]["read"], 10);
        assert_eq!(counters["inputs"][0]["uri"], "file:///lake/20220401.json");
        let users: Vec<u64> =
            counters["days"].as_array().unwrap().iter().map(|day| day["active_users"].as_u64().unwrap()).collect();
        assert_eq!(users, [2, 2, 2]);
    }

    #[test]
    fn an_output_that_fails_is_told_wherever_it_does() {
        let mut whole = Vec::new();
        write_twice(&mut whole).unwrap();
        for n_bytes in (0..whole.len()).step_by(97) {
            match write_twice(Full(n_bytes)) {
                Err(MergeWriteError::Output(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
                other => panic!("{n_bytes} bytes: {other:?}"),
            }
        }
        write_twice(Full(whole.len())).unwrap();
    }
}
