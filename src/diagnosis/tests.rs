//! Each kind by several inputs.

use super::kinds::*;
use super::*;

#[test]
fn a_file_is_known_by_its_first_bytes() {
    let cases: &[(&[u8], Option<Diagnosis>)] = &[
        (b"", None),
        (b"{\"_source\":{\"Contract\":\"A\"}}\n", None),
        (b"Contract,TotalDuration,AppName\nA,1,VOD\n", None),
        (b"[{\"_source\":{}}]\n", Some(JSON_ARRAY)),
        (b"[\n{\"_source\":{}},\n", Some(JSON_ARRAY)),
        (b"\xef\xbb\xbf [ {}", Some(JSON_ARRAY)),
        (b"[]", Some(JSON_ARRAY)),
        (b"{\"took\":3,\"timed_out\":false,\"hits\":{\"total\":1,\"hits\":[", Some(SEARCH_RESPONSE)),
        (b"{\n  \"took\" : 3,\n  \"hits\" : {\n", Some(SEARCH_RESPONSE)),
        (b"{\"_scroll_id\":\"x\",\"took\":1,\"hits\":{}}", Some(SEARCH_RESPONSE)),
        (b"{\"hits\":{\"hits\":[]}}", Some(SEARCH_RESPONSE)),
        (b"{\n  \"_source\": {\n", Some(PRETTY_JSON)),
        (b"{\r\n\t\"_id\": 1", Some(PRETTY_JSON)),
        (b"{\"index\":{\"_id\":\"1\"}}\n{\"Contract\":\"A\"}\n", Some(BULK)),
        (b"{\"create\":{}}\n{}\n", Some(BULK)),
        (b"{ \"delete\" : { \"_id\" : 1 } }\r\n", Some(BULK)),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Some(LFS_POINTER)),
        (b"version https://git-lfs.github.com/spec/v1\r\n", Some(LFS_POINTER)),
        (b"<!DOCTYPE html><html>", Some(WEB_PAGE)),
        (b"\n  <HTML lang=en>", Some(WEB_PAGE)),
        (b"<!doctype HTML PUBLIC", Some(WEB_PAGE)),
        (b"<?xml version=\"1.0\"?><Error>", Some(XML)),
        (b"\xff\xfe{\0\"\0", Some(UTF16)),
        (b"\xfe\xff\0{\0\"", Some(UTF16)),
        (b"{\0\"\0_\0s\0o\0", Some(UTF16_LE)),
        (b"\0{\0\"\0_\0s\0o", Some(UTF16_BE)),
        (b"a,b\r1,2\r3,4\r", Some(LONE_CR)),
        (b"{\"_source\":{}}\r{\"_source\":{}}\r", Some(LONE_CR)),
        (b"{'_index': 'history', '_source': {'Contract'", Some(PYTHON_DICT)),
        (b"{\"_source\": {'Contract': 'A'}}", Some(PYTHON_DICT)),
        (b"\0\0\0\0\0\0\0\0\0\0", Some(ZEROS)),
        (b"\0", Some(ZEROS)),
        (b"\x1f\x8b\x08", Some(COMPRESSED)),
        (b"PAR1\x15", Some(PARQUET)),
        (b"PK\x03\x04", Some(ZIP)),
        (b"BZh91AY", Some(BZIP2)),
        (b"BZh11AY&SY", Some(BZIP2)),
        (b"\xfd7zXZ\0\0\x04", Some(XZ)),
        (b"\x04\x22\x4d\x18\x64", Some(LZ4)),
        (b"\x89LZO\0\r\n\x1a\n", Some(LZO)),
        (b"\xff\x06\0\0sNaPpY", Some(SNAPPY)),
        (b"PK\x05\x06\0\0", Some(ZIP)),
        (b"PK\x03\x04[Content_Types].xml", Some(ZIP)),
        (b"7z\xbc\xaf\x27\x1c\0", Some(SEVEN_ZIP)),
        (b"Rar!\x1a\x07\x01\0", Some(RAR)),
        (b"ORC\x08", Some(ORC)),
        (b"Obj\x01\x04\x14avro.codec", Some(AVRO)),
        (b"SEQ\x06\x19org.apache.hadoop.io.Text", Some(SEQUENCE_FILE)),
        (b"SEQUENCE,Contract,TotalDuration", None),
        (b"SQLite format 3\0\x10", Some(SQLITE)),
        (b"%PDF-1.7\n", Some(PDF)),
        (b"-----BEGIN PGP MESSAGE-----\n", Some(ENCRYPTED)),
        (b"Salted__12345678", Some(ENCRYPTED)),
        (b"age-encryption.org/v1\n", Some(ENCRYPTED)),
        (b"\xff\xfe\0\0{\0\0\0", Some(UTF32)),
        (b"\0\0\xfe\xff\0\0\0{", Some(UTF32)),
        (b"\xff\xfeC\0o\0n\0t\0", Some(UTF16)),
        (b"C\0o\0n\0t\0r\0a\0", Some(UTF16_LE)),
        (b"\0C\0o\0n\0t\0r\0a", Some(UTF16_BE)),
        (b"/annex/objects/SHA256E-s282--00.json\n", Some(ANNEX_POINTER)),
        (b"../.git/annex/objects/xx/yy/SHA256E-s1.json", Some(ANNEX_POINTER)),
        (b"outs:\n- md5: a304afb96060aad90176268345e10355\n", Some(DVC_POINTER)),
        (b"<<<<<<< HEAD\n{}\n", Some(CONFLICT)),
        (b"<!-- saved from url --><html>", Some(WEB_PAGE)),
        (b"<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC", Some(WEB_PAGE)),
        (b"<head><title>502 Bad Gateway</title>", Some(WEB_PAGE)),
        (b"<Error><Code>AccessDenied</Code></Error>", Some(XML)),
        (b"<ListBucketResult xmlns=\"x\">", Some(XML)),
        (b"\xef\xbb\xbf<?xml version='1.0'?><rows/>", Some(XML)),
        (b"\x1e{\"_source\":{}}\n", Some(TEXT_SEQUENCE)),
        (b"a;b\r1;2\r", Some(LONE_CR)),
        (b"{\"update\":{\"_id\":\"1\",\"_index\":\"history\"}}\n", Some(BULK)),
        (b"{\"error\":{\"root_cause\":[],\"type\":\"x\"},\"status\":404}", Some(JSON_ERROR)),
        (b"{\"RemoteException\":{\"exception\":\"FileNotFoundException\"}}", Some(JSON_ERROR)),
        (b"{\"message\":\"Forbidden\"}\n", Some(JSON_ERROR)),
        (b"{\n  \"code\": 429,\n  \"message\": \"slow down\"\n}\n", Some(JSON_ERROR)),
        (b"{\"responses\":[{\"took\":1,\"hits\":{\"hits\":[", Some(MANY_RESPONSES)),
        (b"{\"rawResponse\":{\"took\":1,\"hits\":{\"hits\":[", Some(RAW_RESPONSE)),
        (b"{\"id\":\"x\",\"rawResponse\":{\"took\":1,\"hits\":{", Some(RAW_RESPONSE)),
        (b"{\"timed_out\":false,\"hits\":{\"hits\":[", Some(SEARCH_RESPONSE)),
        (b"{\"data\":[{\"_source\":{}}]}", Some(WRAPPED)),
        (b"{\n \"count\": 3,\n \"records\": [\n {\n", Some(WRAPPED)),
        (b"{\"value\":[{\"Contract\":\"A\"}]}", Some(WRAPPED)),
        (b"{\"_source\":{\"x\":[{\"a\":1}]}}\n", None),
        (b"{\"_source\": {\n  \"Contract\": \"A\",\n", Some(PRETTY_JSON)),
        (b"{\"_index\": \"history\",\n \"_id\": 1,\n", Some(PRETTY_JSON)),
        (b"\"{\\\"_source\\\":{}}\"\n", Some(JSON_TEXT)),
        (b"Access Denied\n", Some(TEXT_ERROR)),
        (b"404: Not Found", Some(TEXT_ERROR)),
        (b"curl: (22) The requested URL returned error: 403\n", Some(TEXT_ERROR)),
        (b"ERROR 1045 (28000): Access denied for user\n", Some(TEXT_ERROR)),
        (b"INSERT INTO `log` VALUES (1);\n", Some(SQL)),
        (b"-- MySQL dump 10.13\n", Some(SQL)),
        (b"eyJfc291cmNlIjp7IkNvbnRyYWN0IjoiQSJ9fQ==\n", Some(BASE64)),
    ];
    for (head, expected) in cases {
        assert_eq!(of_head(head), *expected, "{}", head.escape_ascii());
    }
}

#[test]
fn a_record_is_known_by_its_text_and_reason() {
    let cases: &[(Reason, &str, Option<Diagnosis>)] = &[
        (Reason::Malformed, r#"{"Contract":"A","TotalDuration":1,"AppName":"VOD"}"#, Some(FLAT)),
        (Reason::Malformed, r#"{"_id":1,"AppName":"VOD"}"#, Some(FLAT)),
        (Reason::Malformed, r#"{"x":1}"#, None),
        (Reason::Malformed, r#"{"_source":{"a":1}}{"_source":{"a":1}}"#, Some(TWO_OBJECTS)),
        (Reason::Malformed, r#"{"_source":{}} {"_source":{}}"#, Some(TWO_OBJECTS)),
        (Reason::Malformed, r#"{"_score":NaN,"_source":{}}"#, Some(NOT_A_NUMBER.read_leniently())),
        (Reason::Malformed, r#"{"_score": -Infinity,"_source":{}}"#, Some(NOT_A_NUMBER.read_leniently())),
        (Reason::Malformed, r#"{"a":[1,NaN],"_source":{}}"#, Some(NOT_A_NUMBER.read_leniently())),
        (Reason::Malformed, r#"{"_source":{"Contract":"NaN"}"#, None),
        (Reason::Malformed, r#"{'_source': {'Contract': 'A'}}"#, Some(PYTHON_DICT)),
        (Reason::Malformed, r#"0,history,"{'Contract': 'A'}""#, Some(PYTHON_DICT)),
        (Reason::Malformed, r#"history,1,"{\"Contract\":\"A\"}""#, Some(BACKSLASH_QUOTES)),
        (Reason::Malformed, r#"{"_source":{"Contract":"A","#, Some(CUT_OFF)),
        (Reason::Malformed, r#"[{"_source":{}}]"#, Some(JSON_ARRAY)),
        (Reason::Malformed, "garbage", None),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"12"}}"#, Some(NUMBER_AS_TEXT.read_leniently())),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":" 12 "}}"#, Some(NUMBER_AS_TEXT)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"1,234"}}"#, Some(THOUSANDS)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"1.234.567"}}"#, Some(THOUSANDS)),
        (Reason::BadDuration, r#"a,"3,810",VOD"#, Some(THOUSANDS)),
        (Reason::BadDuration, r#"a,"38,10",VOD"#, None),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":254.0}}"#, Some(FRACTION.read_leniently())),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":2.54e2}}"#, Some(FRACTION.read_leniently())),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":null}}"#, None),
        (Reason::NoContract, r#"{"_source":{"Contract":1000000001}}"#, Some(NUMERIC_CONTRACT.read_leniently())),
        (Reason::NoContract, r#"{"_source":{"Contract":""}}"#, None),
        (Reason::Malformed, "\u{feff}{\"_source\":{}}", Some(INNER_MARK)),
        (Reason::Malformed, r#"{"_source":{}},"#, Some(COMMA_BEHIND)),
        (Reason::Malformed, r#"{"_source":{"Contract":"A"}}, "#, Some(COMMA_BEHIND)),
        (Reason::Malformed, r#"{"_source":{}},{"_source":{}}"#, Some(TWO_OBJECTS)),
        (Reason::Malformed, "{\"_source\":{}}\u{2028}{\"_source\":{}}", Some(LINE_SEPARATOR)),
        (Reason::Malformed, r#"{"_source":{}} # the first"#, Some(TEXT_BEHIND)),
        (Reason::Malformed, r#"{"_source":{}}}"#, Some(TEXT_BEHIND)),
        (Reason::BadDuration, "'A','12','VOD'", Some(SINGLE_QUOTES)),
        (Reason::Malformed, r#"{"_source":"{\"Contract\":\"A\"}"}"#, Some(SOURCE_IS_TEXT)),
        (Reason::Malformed, r#"{"fields":{"Contract":["A"],"AppName":["VOD"]}}"#, Some(FIELDS)),
        (Reason::Malformed, r#"{"doc":{"Contract":"A"}}"#, Some(NESTED)),
        (Reason::Malformed, r#"{"source":{"TotalDuration":1}}"#, Some(NESTED)),
        (Reason::Malformed, r#"{"message":"{\"_source\":{}}","host":"a"}"#, Some(MESSAGE_IS_RECORD)),
        (Reason::Malformed, r#"2022-04-01T00:00:00 INFO {"_source":{}}"#, Some(TEXT_IN_FRONT)),
        (Reason::Malformed, r#"data: {"_source":{}}"#, Some(TEXT_IN_FRONT)),
        (Reason::Malformed, r#"{_source:{Contract:"A"}}"#, Some(BARE_KEYS)),
        (Reason::Malformed, r#"{ _id: 1 }"#, Some(BARE_KEYS)),
        (Reason::Malformed, "Contract,TotalDuration,AppName", Some(CSV_AS_NDJSON)),
        (Reason::Malformed, "t.Contract\tt.AppName\tt.TotalDuration", Some(CSV_AS_NDJSON)),
        (Reason::Malformed, "A\u{1}12\u{1}VOD", Some(HIVE_TEXT)),
        (Reason::Malformed, ">>>>>>> origin/main", Some(CONFLICT)),
        (Reason::Malformed, "=======", Some(CONFLICT)),
        (Reason::NoContract, r#"{"_source":{"contract":"A","TotalDuration":1,"AppName":"VOD"}}"#, Some(OTHER_KEYS)),
        (Reason::NoContract, r#"{"_source":{"account":"A","seconds":1,"app":"VOD"}}"#, Some(OTHER_KEYS)),
        (Reason::NoContract, r#"{"_source":{"Contract":null,"contract":"A"}}"#, None),
        (Reason::NoContract, r#"{"_source":{"TotalDuration":1,"AppName":"VOD"}}"#, None),
        (Reason::NoApp, r#"{"_source":{"Contract":"A","app_name":"VOD"}}"#, Some(OTHER_KEYS)),
        (Reason::BadDuration, r#"{"_source":{"Contract":"A","total_duration":1}}"#, Some(OTHER_KEYS)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":{"$numberLong":"12"}}}"#, Some(EXTENDED_NUMBER)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"00:04:14"}}"#, Some(CLOCK)),
        (Reason::BadDuration, "A,00:04:14,VOD", Some(CLOCK)),
        (Reason::BadDuration, "A;254.0;VOD", Some(FRACTION.read_leniently())),
        (Reason::BadDuration, "A;254.5;VOD", Some(FRACTION)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":254.5}}"#, Some(FRACTION)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"254.0"}}"#, Some(NUMBER_AS_TEXT)),
        (Reason::BadDuration, r#"{"_source":{"TotalDuration":"1.000"}}"#, Some(THOUSANDS)),
        (Reason::BadDuration, r#"{"TotalDuration":254.0}"#, Some(FRACTION.read_leniently())),
        (Reason::Malformed, r#"{"_source":{"TotalDuration":NaN}}"#, Some(NOT_A_NUMBER)),
        (Reason::BadDuration, "A\t3.810\tVOD", Some(THOUSANDS)),
        (Reason::BadDuration, "Contract,TotalDuration,AppName", Some(SECOND_HEADER)),
        (Reason::OverDay, r#"{"_source":{"TotalDuration":254000}}"#, Some(MILLISECONDS)),
        (Reason::OverDay, r#"{"_source":{"TotalDuration":1648771200}}"#, Some(POINT_IN_TIME)),
        (Reason::OverDay, r#"{"_source":{"TotalDuration":1648771200000}}"#, Some(POINT_IN_TIME)),
        (Reason::OverDay, "A,1648771200000,VOD", Some(POINT_IN_TIME)),
        (Reason::OverDay, r#"{"_source":{"TotalDuration":90001}}"#, None),
        (Reason::NoApp, r#"{"_source":{"Contract":"A","AppName":""}}"#, None),
    ];
    for (reason, raw, expected) in cases {
        assert_eq!(of_record(*reason, raw.as_bytes()), *expected, "{reason} {raw}");
    }
}

#[test]
fn no_bytes_make_it_panic() {
    proptest::proptest!(|(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80))| {
        let _ = of_head(&bytes);
        for reason in Reason::ALL {
            let _ = of_record(reason, &bytes);
        }
    });
}

#[test]
fn a_text_that_is_not_utf8_is_told() {
    let check = |raw: &[u8], expected: Option<Diagnosis>| {
        assert_eq!(of_record(Reason::Malformed, raw), expected, "{}", raw.escape_ascii());
    };
    check(b"{\"_source\":{\"Contract\":\"H\xe0\"}}", Some(NOT_UTF8));
    check(b"M\xe3 s\xf4,1,VOD", Some(NOT_UTF8));
    check(b"{\"a\":\"\x80", Some(NOT_UTF8));
    // Cut within a character.
    check("{\"_source\":{\"é".as_bytes().split_last().unwrap().1, Some(CUT_OFF));
}

#[test]
fn a_command_fits_the_name_of_the_file() {
    let check = |file: &str, expected: &str| assert_eq!(CSV_AS_NDJSON.next_for(file) + &FLAT.next_for(file), expected);
    let rename = "rename it to .csv, or give --format csv";
    let or_read =
        "; or read them as they are with a rules file that has extends = \"default\", [record] and source = \"flat\"";
    let wrap = |prefix: &str, file: &str| {
        format!(
            "{rename}{prefix}wrap the records: jq -c '{{_source: .}}' {file} > {file}.new && mv {file}.new {file}{or_read}"
        )
    };
    check("lake/20220401.json", &wrap("", "lake/20220401.json"));
    check("a b.json", &wrap("", "'a b.json'"));
    check("x.json.gz", &wrap("unpack it (gzip -d x.json.gz), then ", "x.json"));
    check("x.json.ZST", &wrap("unpack it (zstd -d --rm x.json.ZST), then ", "x.json"));
}
