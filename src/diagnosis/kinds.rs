//! All kinds that are recognised, in words: what it is, and what to do.

use super::Diagnosis;

pub(super) const JSON_ARRAY: Diagnosis = Diagnosis {
    what: "a JSON array; wanted is one object a line",
    next: "write one record a line: jq -c '.[]' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const SEARCH_RESPONSE: Diagnosis = Diagnosis {
    what: "a saved search response; its records are in hits.hits",
    next: "write one record a line: jq -c '.hits.hits[]' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const PRETTY_JSON: Diagnosis = Diagnosis {
    what: "JSON spread over several lines; wanted is one object a line",
    next: "write one record a line: jq -c . FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const BULK: Diagnosis = Diagnosis {
    what: "an Elasticsearch bulk file: action lines stand between the documents, which have no `_source`",
    next: "drop the action lines and wrap the documents: jq -c 'select(length > 1 or ([has(\"index\", \"create\", \"update\", \"delete\")] | any | not)) | {_source: .}' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const FLAT: Diagnosis = Diagnosis {
    what: "a record without `_source`: its fields stand at the top",
    next: "wrap the records: jq -c '{_source: .}' FILE > FILE.new && mv FILE.new FILE; or read them as they are with a rules file that has extends = \"default\", [record] and source = \"flat\"",
};
/// What to do where lenient types take a record as it is.
pub(super) const READ_LENIENTLY: &str = "read it as it is with a rules file that has extends = \"default\", [record] and types = \"lenient\" (--rules RULES.toml)";
pub(super) const LFS_POINTER: Diagnosis =
    Diagnosis { what: "a Git LFS pointer; the data itself was not fetched", next: "fetch the data: git lfs pull" };
pub(super) const WEB_PAGE: Diagnosis = Diagnosis {
    what: "a web page, such as a login or error page that a download saved",
    next: "fetch the file again and check that the download is signed in",
};
pub(super) const XML: Diagnosis = Diagnosis {
    what: "XML, such as the error answer of an object store",
    next: "fetch the file again and read what the XML says",
};
/// Lines that end as those of old Macs do.
pub const LONE_CR: Diagnosis = Diagnosis {
    what: "text whose lines end in lone CR, so that many lines are one",
    next: "convert the line ends: tr '\\r' '\\n' < FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const PYTHON_DICT: Diagnosis = Diagnosis {
    what: "Python's print of a dict, which is not JSON",
    next: "write JSON: python3 -c 'import ast, json, sys; [print(json.dumps(ast.literal_eval(l))) for l in sys.stdin]' < FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const BACKSLASH_QUOTES: Diagnosis = Diagnosis {
    what: "CSV with quotes escaped by a backslash; RFC 4180 doubles them",
    next: "write the files again with doubled quotes, in Spark .option(\"escape\", \"\\\"\")",
};
pub(super) const TWO_OBJECTS: Diagnosis = Diagnosis {
    what: "several objects on one line: the line ends between them are lost",
    next: "write one record a line: jq -c . FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const NOT_A_NUMBER: Diagnosis = Diagnosis {
    what: "a record with NaN or Infinity, which JSON does not have",
    next: "write null in their place, in Python json.dumps(…, allow_nan=False) shows where they come from",
};
pub(super) const CUT_OFF: Diagnosis = Diagnosis {
    what: "the start of a record that is cut off",
    next: "check that the file is complete and that no other program writes to it",
};
pub(super) const NUMBER_AS_TEXT: Diagnosis = Diagnosis {
    what: "a TotalDuration that is text; wanted is an integer",
    next: "write it as a number: jq -c '._source.TotalDuration |= tonumber' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const THOUSANDS: Diagnosis = Diagnosis {
    what: "a TotalDuration with thousands separators",
    next: "export the raw number, in Kibana by the field's format `Number` with pattern 0",
};
pub(super) const FRACTION: Diagnosis = Diagnosis {
    what: "a TotalDuration written with a fraction or an exponent; wanted is an integer",
    next: "write it as an integer: jq -c '._source.TotalDuration |= floor' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const NUMERIC_CONTRACT: Diagnosis = Diagnosis {
    what: "a Contract that is a number; wanted is text",
    next: "write it as text: jq -c '._source.Contract |= tostring' FILE > FILE.new && mv FILE.new FILE",
};
pub(super) const ZEROS: Diagnosis = Diagnosis {
    what: "NUL bytes, as a file has that was made in full length and never written",
    next: "fetch the file again",
};

pub(super) const NDJSON_AS_CSV: Diagnosis =
    Diagnosis { what: "NDJSON under a name of CSV", next: "rename it to .ndjson, or give --format ndjson" };

const fn kind(what: &'static str, next: &'static str) -> Diagnosis {
    Diagnosis { what, next }
}

// Files that are no text.

pub(super) const COMPRESSED: Diagnosis = kind(
    "gzip or Zstandard data that is compressed once more, or lies after other bytes",
    "decompress it by hand to see what it is: gzip -dc FILE | head, zstd -dc FILE | head",
);
pub(super) const BZIP2: Diagnosis = kind(
    "bzip2 data; compressed files are read as gzip and Zstandard",
    "recompress it: bzip2 -dc FILE | gzip > FILE.gz",
);
pub(super) const XZ: Diagnosis =
    kind("xz data; compressed files are read as gzip and Zstandard", "recompress it: xz -dc FILE | gzip > FILE.gz");
pub(super) const LZ4: Diagnosis =
    kind("lz4 data; compressed files are read as gzip and Zstandard", "recompress it: lz4 -dc FILE | gzip > FILE.gz");
pub(super) const LZO: Diagnosis =
    kind("lzo data; compressed files are read as gzip and Zstandard", "recompress it: lzop -dc FILE | gzip > FILE.gz");
pub(super) const SNAPPY: Diagnosis = kind(
    "snappy data; compressed files are read as gzip and Zstandard",
    "write the files with gzip or Zstandard, in Spark .option(\"compression\", \"zstd\")",
);
pub(super) const ZIP: Diagnosis = kind(
    "a zip archive (or an Excel workbook)",
    "extract it: unzip -p FILE > FILE.new && mv FILE.new FILE; save a workbook as CSV",
);
pub(super) const SEVEN_ZIP: Diagnosis = kind("a 7z archive", "extract it: 7z x FILE");
pub(super) const RAR: Diagnosis = kind("a rar archive", "extract it: unrar x FILE");
pub(super) const TAR: Diagnosis = kind("a tar archive", "extract it: tar -xf FILE");
pub(super) const PARQUET: Diagnosis = kind(
    "a Parquet file",
    "write it as NDJSON, in Spark df.write.json(...), or: duckdb -c \"COPY (FROM read_parquet('/dev/stdin')) TO '/dev/stdout' (FORMAT json)\" < FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const ORC: Diagnosis =
    kind("an ORC file", "write it as NDJSON, in Spark spark.read.orc(...).write.json(...)");
pub(super) const AVRO: Diagnosis =
    kind("an Avro file", "write it as NDJSON: avro-tools tojson FILE > FILE.new && mv FILE.new FILE");
pub(super) const SEQUENCE_FILE: Diagnosis =
    kind("a Hadoop sequence file", "write it as text: hadoop fs -text FILE > FILE.new && mv FILE.new FILE");
pub(super) const SQLITE: Diagnosis =
    kind("an SQLite database", "export its table as CSV: sqlite3 -csv -header FILE 'SELECT * FROM t'");
pub(super) const PDF: Diagnosis = kind("a PDF document", "fetch the data itself");
pub(super) const ENCRYPTED: Diagnosis = kind(
    "encrypted data",
    "decrypt it with the key of whoever wrote it, such as gpg -d FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const EXCEL: Diagnosis = kind("an old Excel workbook or another document of Office", "save it as CSV");
pub(super) const ARROW: Diagnosis = kind(
    "an Arrow file (Feather)",
    "write it as NDJSON, in Python pyarrow.feather.read_feather(...).to_json(..., orient='records', lines=True)",
);
pub(super) const PICKLE: Diagnosis = kind(
    "a pickle of Python",
    "write it as NDJSON, in Python pandas.read_pickle(...).to_json(..., orient='records', lines=True)",
);
pub(super) const COMPRESS: Diagnosis = kind(
    "compress data (.Z); compressed files are read as gzip and Zstandard",
    "recompress it: gzip -dc < FILE | gzip > FILE.gz",
);
pub(super) const BASE64: Diagnosis = kind("text in base64", "decode it: base64 -d FILE > FILE.new && mv FILE.new FILE");
pub(super) const UTF16: Diagnosis =
    kind("UTF-16 text; wanted is UTF-8", "convert it: iconv -f UTF-16 -t UTF-8 FILE > FILE.new && mv FILE.new FILE");
pub(super) const UTF16_LE: Diagnosis = kind(
    "UTF-16 text (little endian, without a mark); wanted is UTF-8",
    "convert it: iconv -f UTF-16LE -t UTF-8 FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const UTF16_BE: Diagnosis = kind(
    "UTF-16 text (big endian, without a mark); wanted is UTF-8",
    "convert it: iconv -f UTF-16BE -t UTF-8 FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const UTF32: Diagnosis =
    kind("UTF-32 text; wanted is UTF-8", "convert it: iconv -f UTF-32 -t UTF-8 FILE > FILE.new && mv FILE.new FILE");
pub(super) const NOT_UTF8: Diagnosis = kind(
    "text that is not UTF-8, but of an older encoding such as Windows-1258 or Latin-1",
    "convert it from the encoding it has: iconv -f WINDOWS-1258 -t UTF-8 FILE > FILE.new && mv FILE.new FILE",
);

/// Files of these kinds may hold lines that are records all the same: a tar archive has its files as they are.
pub(super) const NO_TEXT: [Diagnosis; 19] = [
    BZIP2,
    XZ,
    LZ4,
    LZO,
    SNAPPY,
    ZIP,
    SEVEN_ZIP,
    RAR,
    TAR,
    PARQUET,
    ORC,
    AVRO,
    SEQUENCE_FILE,
    SQLITE,
    PDF,
    EXCEL,
    ARROW,
    PICKLE,
    COMPRESS,
];

// Files that stand for others, or came in their place.

pub(super) const ANNEX_POINTER: Diagnosis =
    kind("a git-annex pointer; the data itself was not fetched", "fetch the data: git annex get FILE");
pub(super) const DVC_POINTER: Diagnosis =
    kind("a DVC pointer; the data itself was not fetched", "fetch the data: dvc pull");
pub(super) const JSON_ERROR: Diagnosis =
    kind("the error answer of a server", "read what it says, then fetch the file again");
pub(super) const TEXT_ERROR: Diagnosis = kind(
    "the error message of a server or a tool, saved in place of the data",
    "read what it says, then fetch the file again",
);
pub(super) const CONFLICT: Diagnosis =
    kind("the mark of a merge conflict", "take one of the two sides: git checkout --theirs FILE");

// JSON in other forms.

pub(super) const WRAPPED: Diagnosis = kind(
    "one JSON object with the records in an array",
    "write one record a line: jq -c '.[] | arrays | .[]' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const MANY_RESPONSES: Diagnosis = kind(
    "a saved answer of several searches; its records are in responses[].hits.hits",
    "write one record a line: jq -c '.responses[].hits.hits[]' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const RAW_RESPONSE: Diagnosis = kind(
    "a saved search of a dashboard; its records are in rawResponse.hits.hits",
    "write one record a line: jq -c '.rawResponse.hits.hits[]' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const TEXT_SEQUENCE: Diagnosis = kind(
    "a JSON text sequence, with a record separator before each record",
    "drop the separators: tr -d '\\036' < FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const JSON_TEXT: Diagnosis = kind(
    "JSON that is a text itself, with all quotes escaped",
    "parse the text: jq -c fromjson FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const COMMA_BEHIND: Diagnosis = kind(
    "a record with a comma after it, as the lines of a JSON array have",
    "drop the commas and brackets: sed 's/,[[:space:]]*$//; /^[][[:space:]]*$/d' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const LINE_SEPARATOR: Diagnosis = kind(
    "records between line separators of Unicode (U+2028), so that the whole file is one line",
    "write line feeds: sed 's/\\xe2\\x80\\xa8/\\n/g' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const TEXT_BEHIND: Diagnosis = kind(
    "a record with other text after it",
    "cut off what stands after the last brace of a line: sed 's/}[^}]*$/}/' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const TEXT_IN_FRONT: Diagnosis = kind(
    "a record with other text in front of it, as a log has",
    "drop what is in front: sed 's/^[^{]*//' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const INNER_MARK: Diagnosis = kind(
    "a record after a byte order mark within the file, as files have that were joined",
    "drop the marks: sed 's/^\\xef\\xbb\\xbf//' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const BARE_KEYS: Diagnosis =
    kind("an object of JavaScript, whose keys have no quotes", "write JSON, in Node by JSON.stringify");

// Records in other forms.

pub(super) const FIELDS: Diagnosis = kind(
    "a search hit with `fields` in place of `_source`",
    "wrap them: jq -c '{_source: (.fields | map_values(if type == \"array\" then first else . end))}' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const SOURCE_IS_TEXT: Diagnosis = kind(
    "a record whose `_source` is a text that holds the object",
    "parse the text: jq -c '._source |= fromjson' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const SOURCE_IS_ARRAY: Diagnosis = kind(
    "a record whose `_source` is an array that holds the object",
    "take it out: jq -c '._source |= first' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const TEXT_IN_OBJECT: Diagnosis = kind(
    "a record in a text of another object, as log shippers and containers write it",
    "parse it: jq -c 'first(.[] | strings | select(ltrimstr(\" \") | startswith(\"{\"))) | fromjson' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const ENVELOPE: Diagnosis = kind(
    "a record within another object, as message queues write it",
    "take it out: jq -c 'first(.[] | objects | select(has(\"_source\")))' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const NESTED: Diagnosis = kind(
    "a record whose fields lie in another object than `_source`",
    "wrap that object: jq -c '{_source: first(.[] | objects | select(has(\"Contract\")))}' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const OTHER_KEYS: Diagnosis = kind(
    "a record whose keys are spelled otherwise; wanted are Contract, TotalDuration and AppName",
    "rename them: jq -c '._source |= with_entries(.key |= ({contract: \"Contract\", totalduration: \"TotalDuration\", appname: \"AppName\"}[ascii_downcase | gsub(\"[^a-z]\"; \"\")] // .))' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const EXTENDED_NUMBER: Diagnosis = kind(
    "a number in the extended JSON of MongoDB",
    "export plain numbers: mongoexport --jsonFormat=relaxed; or jq -c 'walk(if type == \"object\" and has(\"$numberLong\") then .\"$numberLong\" | tonumber else . end)' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const MILLISECONDS: Diagnosis = kind(
    "a TotalDuration that looks like milliseconds; wanted are seconds",
    "divide it: jq -c '._source.TotalDuration |= (. / 1000 | floor)' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const POINT_IN_TIME: Diagnosis = kind(
    "a TotalDuration that looks like a point in time (since 1970); wanted is a length in seconds",
    "put the watched seconds into the field",
);
pub(super) const CLOCK: Diagnosis = kind(
    "a TotalDuration written as hours, minutes and seconds; wanted are seconds",
    "write the seconds as one integer",
);

// JSON that is nearly right.

pub(super) const TRAILING_COMMA: Diagnosis = kind(
    "JSON with a comma after the last value of an object or array",
    "drop these commas: sed -E 's/,[[:space:]]*([]}])/\\1/g' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const EXTRA_BRACE: Diagnosis = kind(
    "a record with a brace too many after it",
    "drop it: sed 's/}}}[[:space:]]*$/}}/' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const CONTROL_CHARACTER: Diagnosis = kind(
    "a text with a tab or another control character, which JSON wants escaped",
    "write blanks in their place: tr '\\000-\\011\\013-\\037' ' ' < FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const OTHER_ESCAPE: Diagnosis = kind(
    "a text with a backslash before what JSON has no escape for, such as a single quote",
    "write the records with a JSON library, which escapes what has to be",
);
pub(super) const LEADING_ZERO: Diagnosis = kind(
    "a number with leading zeros, which JSON does not have",
    "drop them: sed -E 's/(:[[:space:]]*-?)0+([0-9])/\\1\\2/g' FILE > FILE.new && mv FILE.new FILE",
);

// CSV in other forms.

pub(super) const FRACTION_IN_CSV: Diagnosis = kind(
    "a TotalDuration written with a fraction or an exponent, in CSV; wanted is an integer",
    "write it as an integer, in pandas df['TotalDuration'].astype('Int64') before to_csv",
);
pub(super) const MILLISECONDS_IN_CSV: Diagnosis = kind(
    "a TotalDuration in CSV that looks like milliseconds; wanted are seconds",
    "divide it by 1000 where the file is written, in pandas df['TotalDuration'] // 1000 before to_csv",
);
pub(super) const PYTHON_DICT_IN_CSV: Diagnosis = kind(
    "CSV with Python's print of a dict, which is not JSON",
    "write JSON into that column, in pandas df['_source'].map(json.dumps) before to_csv",
);

pub(super) const CSV_AS_NDJSON: Diagnosis =
    kind("CSV under a name of NDJSON", "rename it to .csv, or give --format csv");
pub(super) const HIVE_TEXT: Diagnosis = kind(
    "text of Hive, with fields between bytes \\001",
    "write a delimiter that is read: tr '\\001' '\\t' < FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const COMMENT_IN_FRONT: Diagnosis = kind(
    "CSV with a comment in front of its header",
    "drop the comments: sed '/^#/d' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const DRAWN_TABLE: Diagnosis = kind(
    "a table as psql, mysql or beeline draws it for people, with rules and blanks between the fields",
    "export it as CSV: psql --csv, mysql --batch (with tabs), beeline --outputformat=csv2",
);
pub(super) const OTHER_DELIMITER: Diagnosis = kind(
    "CSV whose delimiter is none of `,` `;` tab and `|`",
    "write one of these, such as: tr -s ' ' ',' < FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const SECOND_HEADER: Diagnosis = kind(
    "the header once more, as CSV files have that were joined",
    "drop the later headers: awk 'NR == 1 || $0 != h {print} NR == 1 {h = $0}' FILE > FILE.new && mv FILE.new FILE",
);
pub(super) const SQL: Diagnosis =
    kind("statements of SQL, as a dump has", "export the table as CSV instead, with a header");
pub(super) const SINGLE_QUOTES: Diagnosis = kind(
    "CSV with single quotes, which belong to the fields",
    "write double quotes or none, in SQL*Plus and Spark by the option `quote`",
);
pub(super) const OTHER_ROW: Diagnosis = kind(
    "a row that is not as the header: another number of fields, or a quote within one",
    "write header and rows with one delimiter, and fields that hold it or a quote in double quotes",
);
