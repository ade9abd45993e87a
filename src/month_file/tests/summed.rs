//! Folders of rows that another engine added up.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use super::*;
use crate::month_file::metadata::Metadata;

const CUSTOMERS: [Customer<'static>; 3] =
    [("A", 0b1, [0, 0, 0, 0, 7]), ("B", 0b11, [1, 2, 3, 4, 5]), ("C\u{e9}", 0b10, [0, -9, 0, 0, 0])];

/// A row of a customer, or that of counters.
type Line = Option<Customer<'static>>;

/// The bytes of a file as Spark writes it: all values may be missing, and there are more columns.
fn file(lines: &[Line], compression: Compression) -> Vec<u8> {
    let seconds = ["Tv", "Movie", "Sport", "Child", "Relax"].map(|name| format!("optional int64 {name}Duration;"));
    let schema = format!(
        "message spark {{ optional binary Contract (STRING); optional int64 N; optional int32 Days; {} }}",
        seconds.join(" ")
    );
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_key_value_metadata(Some(vec![KeyValue::new("org.apache.spark.version".to_owned(), "4.3.0".to_owned())]))
        .build();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let levels: Vec<i16> = lines.iter().map(|line| i16::from(line.is_some())).collect();
    let customers: Vec<Customer<'_>> = lines.iter().flatten().copied().collect();
    let texts: Vec<ByteArray> = customers.iter().map(|(contract, ..)| ByteArray::from(*contract)).collect();
    write_column::<ByteArrayType>(&mut group, &texts, &levels);
    write_column::<Int64Type>(&mut group, &vec![1; lines.len()], &vec![1; lines.len()]);
    let days: Vec<i32> = customers.iter().map(|(_, days, _)| days.cast_signed()).collect();
    write_column::<Int32Type>(&mut group, &days, &levels);
    for category in [Category::Tv, Category::Movie, Category::Sport, Category::Child, Category::Relax] {
        let seconds: Vec<i64> = customers.iter().map(|(_, _, seconds)| seconds[category as usize]).collect();
        write_column::<Int64Type>(&mut group, &seconds, &levels);
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn write_column<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[T::T], levels: &[i16]) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, Some(levels), None).unwrap();
    column.close().unwrap();
}

/// What such a folder says of itself: the two files of the month, a task each.
fn manifest() -> Value {
    let table = month_of(&CUSTOMERS);
    let task = |id: usize| {
        let InputFile { uri, day, n_bytes, tag, .. } = &table.detail.files[id].file;
        let day = table.month.date(*day).unwrap().to_string();
        json!({"id": id, "ranges": [{"uri": uri, "start": 0, "length": n_bytes, "file_bytes": n_bytes, "tag": tag, "day": day}]})
    };
    let counters = |id: usize| {
        // Of which task the apps are nobody asks.
        let apps = if id == 0 { table.detail.apps.clone() } else { BTreeMap::new() };
        let ledger = LedgerDetail { files: vec![table.detail.files[id].clone()], apps };
        let (rules, days) = (&rules(), &[]);
        let said = Metadata {
            month: table.month,
            etl_date: table.etl_date,
            engine: "viewmart test",
            rules,
            n_rows: 2,
            ledger: &ledger,
            days,
            devices: None,
        };
        let mut counters: Value = serde_json::from_str(&said.to_json(id as u64).unwrap()).unwrap();
        counters.as_object_mut().unwrap().remove("rules");
        counters
    };
    json!({
        "rules": rules().to_toml(), "rows": 3, "tasks": [task(0), task(1)], "counters": [counters(0), counters(1)],
    })
}

/// The folder of these files and this manifest, read.
fn read_folder(files: &[Vec<u8>], manifest: Option<&Value>) -> Result<MonthTable, String> {
    let manifest = manifest.map(Value::to_string);
    let names: Vec<String> = (0..files.len()).map(|place| format!("part-{place}.snappy.parquet")).collect();
    let mut all: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(files.iter().map(Vec::as_slice)).collect();
    all.push(("_SUCCESS", b""));
    all.extend(manifest.as_ref().map(|text| ("_viewmart.json", text.as_bytes())));
    let folder = folder(&all);
    let path = folder.path().display().to_string();
    read(folder.path()).map_err(|error| error.to_string().replace(&path, "DIR"))
}

fn good_files() -> Vec<Vec<u8>> {
    let [a, b, c] = CUSTOMERS.map(Some);
    vec![
        file(&[None, a, c], Compression::SNAPPY),
        file(&[], Compression::SNAPPY),
        file(&[None, b], Compression::UNCOMPRESSED),
    ]
}

#[test]
fn a_folder_of_rows_that_were_added_up_is_the_month() {
    let found = read_folder(&good_files(), Some(&manifest())).unwrap();
    assert_eq!(written(&found, ROW_GROUP_ROWS), written(&month_of(&CUSTOMERS), ROW_GROUP_ROWS));
}

#[test]
fn rows_that_are_not_what_was_counted_are_refused() {
    let [a, b, c] = CUSTOMERS.map(Some);
    let other = Some(("B", 0b11, [1, 2, 3, 4, 6]));
    let refused = |lines: &[&[Line]], expected: &str| {
        let files: Vec<Vec<u8>> = lines.iter().map(|lines| file(lines, Compression::SNAPPY)).collect();
        let error = read_folder(&files, Some(&manifest())).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    refused(&[&[None, None, a, b, c], &[b]], "DIR: it is damaged: 1 contracts stand in several rows");
    refused(&[&[None, None, a, a, b, c]], "1 contracts stand in several rows");
    refused(&[&[None, None, b, a], &[c]], "row 1 is not after the one before");
    refused(&[&[None, a, b, c]], "the counters of 1 tasks and the rows of 2");
    refused(&[&[None, None, None, a, b, c]], "the counters of 3 tasks and the rows of 2");
    refused(&[&[None, None, a, c]], "`viewmart.rows` in its metadata says 3, but there are 2");
    refused(&[&[None, None, a, other, c]], "the seconds of Tv are 13 in its rows, 12 by file");
    refused(&[], "the counters of 0 tasks");
    let error = read_folder(&[b"PAR1".to_vec()], Some(&manifest())).unwrap_err();
    assert!(error.starts_with("DIR/part-0.snappy.parquet: it is not Parquet"), "{error}");
    let error = read_folder(&good_files(), None).unwrap_err();
    assert!(error.contains("Spark wrote it, and beside it is no _viewmart.json"), "{error}");
}

#[test]
fn counters_that_are_not_those_of_the_tasks_are_refused() {
    let refused = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut manifest = manifest();
        change(&mut manifest);
        let error = read_folder(&good_files(), Some(&manifest)).unwrap_err();
        assert!(error.starts_with("DIR/_viewmart.json: ") && error.contains(expected), "{error}");
    };
    let list = |value: &mut Value, key: &str| std::mem::take(value[key].as_array_mut().unwrap());
    refused(&|all| all["counters"] = list(all, "counters")[..1].into(), "task 1 is not counted");
    refused(&|all| all["tasks"] = list(all, "tasks")[..1].into(), "tasks are counted that it has not");
    refused(&|all| all["counters"][1]["task"] = 0.into(), "task 0 is counted twice");
    refused(&|all| all["counters"][1]["inputs"] = all["counters"][0]["inputs"].clone(), "is not the sum of the files");
    refused(&|all| all["counters"][0]["month"] = "2022-05".into(), "its tasks are of 2022-05 and of 2022-04");
    refused(&|all| all["counters"][0]["format"] = "1".into(), "format 1");
    refused(&|all| all["rules"] = Rules::preset("default").unwrap().to_toml().into(), "should be ");
    refused(&|all| all["tasks"][1]["ranges"][0]["length"] = 99.into(), "not all bytes 0 to 100 of ");
    refused(&|all| all["tasks"][1]["ranges"][0]["tag"] = "8".into(), "tagged `8` in the plan");
    refused(&|all| all["tasks"][1]["ranges"][0]["day"] = "2022-04-30".into(), " is of 2022-04-30 in the plan, of ");
    refused(&|all| all["tasks"][1]["ranges"][0]["day"] = "2021-04-02".into(), " is of 2021-04-02 in the plan, of ");
    refused(&|all| all["tasks"][1]["ranges"][0]["day"] = "noon".into(), "task 1: `noon` is no day");
    refused(&|all| *all = json!({}), "missing field");
    refused(&|all| *all = json!({"rules": "", "rows": 0, "tasks": [], "counters": []}), "it has no task");
}
