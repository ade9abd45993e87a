use std::io::{Cursor, Read};

use super::csv::tests::Few;
use super::lint::{Node, lint, lint_datasource};
use super::*;
use crate::warehouse::{RowSink, ServerAddress, WarehouseError};

fn subject() -> Subject {
    Subject {
        month: "2022-04".parse().unwrap(),
        provenance: "rules <default> & \"co\"".into(),
        mark: "2022-04; é".into(),
    }
}

fn mysql(database: &str) -> Connection {
    Connection::Mysql(ServerAddress {
        host: "db.example".into(),
        port: 3307,
        database: database.into(),
        user: "analyst".into(),
    })
}

fn connections() -> [Connection; 3] {
    [mysql("lake"), Connection::Csv, Connection::Hyper]
}

#[test]
fn every_name_in_a_workbook_is_declared() {
    for connection in connections() {
        assert_eq!(lint(&workbook(&subject(), &connection)), [""; 0], "{connection:?}");
        let mut problems = Vec::new();
        let source = datasource(&connection);
        lint_datasource(&Node::parse(&source), &mut problems);
        assert_eq!(problems, [""; 0], "{connection:?}");
    }
}

#[test]
fn the_lint_sees_what_is_wrong() {
    let check = |from: &str, to: &str, expected: &str| {
        let book = workbook(&subject(), &mysql("lake"));
        assert!(book.contains(from), "{from}");
        let problems = lint(&book.replacen(from, to, 1)).join("\n");
        assert!(problems.contains(expected), "{problems}");
    };
    check("<?xml", " <?xml", "declaration");
    check("[attr:Taste:nk]", "[attr:Tasty:nk]", "the pill [attr:Tasty:nk]");
    check("<column-instance column=\"[Contract]\"", "<column-instance column=\"[Contact]\"", "[Contact] is used");
    check("<remote-name>Month", "<remote-name>Moth", "Month has no column");
    check("<local-type>date", "<local-type>string", "Month has two types");
    check("<object-id>[customer", "<object-id>[consumer", "Month belongs to another object");
    check("<parent-name>[", "<parent-name>[x", "Month belongs to another table");
    check("COUNT([Contract])", "COUNT([Contracts])", "uses [Contracts]");
    check("caption=\"Child\"", "caption=\"Movie\"", "same caption");
    check("name=\"KPI\" param", "name=\"KPJ\" param", "the dashboard shows");
    check("<viewpoint name=\"KPI\"", "<viewpoint name=\"KPJ\"", "viewpoints");
    check("<zone h=\"9000\" id=\"2\"", "<zone h=\"99001\" id=\"2\"", "leaves the dashboard");
    check("<zone h=\"9000\" id=\"2\"", "<zone h=\"9000\" id=\"3\"", "same id");
    check("<slices>", "<slices><column>x</column>", "slices");
    check("<preferences>", "<explain-data /><preferences>", "the parts are");
}

#[test]
fn the_dashboard_shows_what_the_original_showed() {
    let book = Node::parse(&workbook(&subject(), &Connection::Csv));
    let captions: Vec<String> = book.all("datasources")[0]
        .all("column")
        .iter()
        .filter(|column| column.attr("name").starts_with("[Calculation"))
        .map(|column| format!("{} = {}", column.attr("caption"), column.one("calculation").attr("formula")))
        .collect();
    assert_eq!(
        captions,
        [
            "Total User = COUNT([Contract])",
            "Total Duration (hours) = SUM([TotalDuration]) / 3600",
            "Child (hours) = SUM([ChildDuration]) / 3600",
            "Movie (hours) = SUM([MovieDuration]) / 3600",
            "Relax (hours) = SUM([RelaxDuration]) / 3600",
            "Sport (hours) = SUM([SportDuration]) / 3600",
            "Tv (hours) = SUM([TvDuration]) / 3600",
            "Child = SUM(IF [ChildDuration] > 0 THEN 1 ELSE 0 END)",
            "Movie = SUM(IF [MovieDuration] > 0 THEN 1 ELSE 0 END)",
            "Relax = SUM(IF [RelaxDuration] > 0 THEN 1 ELSE 0 END)",
            "Sport = SUM(IF [SportDuration] > 0 THEN 1 ELSE 0 END)",
            "Tv = SUM(IF [TvDuration] > 0 THEN 1 ELSE 0 END)",
        ]
    );
    let sheets: Vec<(&str, usize)> =
        book.all("worksheet").iter().map(|sheet| (sheet.attr("name"), sheet.all("bucket").len())).collect();
    assert_eq!(sheets, [("KPI", 7), ("Users per category", 5), ("Users by active days", 0), ("Top customers", 0)]);
}

#[test]
fn only_a_live_workbook_keeps_to_a_month() {
    let days = |connection: &Connection| {
        let book = workbook(&subject(), connection);
        book.matches("member=\"#2022-04-01#\"").count()
    };
    assert_eq!(connections().map(|connection| days(&connection)), [4, 0, 0]);
}

#[test]
fn a_live_workbook_names_the_server_and_no_password() {
    let book = workbook(&subject(), &mysql("a'b\"]<\u{1}"));
    let parsed = Node::parse(&book);
    let connection = parsed.one("named-connection").one("connection");
    let attributes = ["class", "server", "port", "dbname", "username"].map(|name| connection.attr(name).to_owned());
    assert_eq!(attributes, ["mysql", "db.example", "3307", "a'b\"]<\u{fffd}", "analyst"]);
    assert!(!book.contains("password"));
}

fn packaged(contracts: &[&'static str], format: &RowFormat) -> (Packaged, Vec<u8>) {
    let mut bytes = Cursor::new(Vec::new());
    let mut rows = Few(contracts.to_vec());
    let packaged = package(&mut bytes, &subject(), &mut rows, Contracts::Plain, format).unwrap();
    (packaged, bytes.into_inner())
}

fn member(archive: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_archive_holds_the_workbook_and_the_rows_it_names() {
    let (about, archive) = packaged(&["a", "b\n"], &RowFormat::Csv);
    assert_eq!(about, Packaged { n_rows: 2, rows_member: CSV_MEMBER, note: None });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &archive).unwrap();
    assert_eq!(read_mark(file.path()).as_deref(), Some("2022-04; é"));
    std::fs::write(file.path(), "no archive").unwrap();
    assert_eq!(read_mark(file.path()), None);
    let zip = zip::ZipArchive::new(Cursor::new(&archive)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, [WORKBOOK_MEMBER, CSV_MEMBER]);
    assert_eq!(member(&archive, WORKBOOK_MEMBER), workbook(&subject(), &Connection::Csv));
    assert_eq!(member(&archive, CSV_MEMBER).matches("\r\n").count(), 3);
    let book = Node::parse(&member(&archive, WORKBOOK_MEMBER));
    let connection = book.one("named-connection").one("connection");
    assert_eq!((connection.attr("directory"), connection.attr("filename")), (".", CSV_MEMBER));
    assert_eq!(packaged(&["a", "b\n"], &RowFormat::Csv).1, archive, "the same rows, other bytes");
}

#[test]
fn without_an_extract_the_rows_are_csv_and_a_note_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let killed = folder.path().join(".viewmart-tableau-abc123");
    std::fs::create_dir(&killed).unwrap();
    std::fs::write(killed.join("rows.csv"), "left by a killed run").unwrap();
    let format = RowFormat::Hyper { hyperd: "/nonexistent/hyperd".into(), scratch: folder.path().into() };
    let (about, archive) = packaged(&["a"], &format);
    assert_eq!((about.n_rows, about.rows_member), (1, CSV_MEMBER));
    let note = about.note.unwrap();
    assert!(note.contains("/nonexistent/hyperd: No such file") && note.contains("pip install"), "{note}");
    assert_eq!(archive, packaged(&["a"], &RowFormat::Csv).1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left in the scratch folder");
}

/// Breaks off in the middle.
struct Broken;

impl RowSource for Broken {
    fn month(&self) -> crate::engine::calendar::Month {
        "2022-04".parse().unwrap()
    }

    fn for_each_row(&mut self, each: &mut RowSink<'_>) -> Result<(), WarehouseError> {
        Few(vec!["a"]).for_each_row(each)?;
        Err(WarehouseError::Address { url: "x".into(), why: "gone".into() })
    }
}

#[test]
fn a_source_that_breaks_off_is_an_error() {
    let error = package(Cursor::new(Vec::new()), &subject(), &mut Broken, Contracts::Plain, &RowFormat::Csv);
    assert!(matches!(error, Err(PackageError::Rows(_))));
}

/// A full disk.
struct Full;

impl std::io::Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Full {
    fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let error = package(Full, &subject(), &mut Few(vec!["a"]), Contracts::Plain, &RowFormat::Csv).unwrap_err();
    let error = error.at(std::path::Path::new("out/viewmart.twbx")).to_string();
    assert!(error.starts_with("out/viewmart.twbx: writing the Tableau workbook failed: "), "{error}");
}
