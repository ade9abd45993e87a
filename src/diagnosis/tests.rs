//! Each kind by several inputs.

use std::io::Read as _;

use super::cases::*;
use super::kinds::*;
use super::*;

#[test]
fn a_file_is_known_by_its_first_bytes() {
    for (head, expected) in HEADS {
        assert_eq!(of_head(head), *expected, "{}", head.escape_ascii());
    }
}

#[test]
fn a_record_is_known_by_its_text_and_reason() {
    for (reason, raw, expected) in RECORDS {
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
    for (raw, expected) in BYTES {
        assert_eq!(of_record(Reason::Malformed, raw), *expected, "{}", raw.escape_ascii());
    }
}

#[test]
fn a_csv_file_is_known_by_its_first_bytes() {
    for (head, expected) in CSV_HEADS {
        assert_eq!(of_csv_head(head), *expected, "{}", head.escape_ascii());
    }
}

#[test]
fn each_kind_has_several_inputs() {
    const LEAST: usize = 3;
    let of_heads = HEADS.iter().chain(CSV_HEADS).chain(BYTES).map(|(_, found)| found);
    let found: Vec<&str> =
        of_heads.chain(RECORDS.iter().map(|(_, _, found)| found)).flatten().map(|found| found.what).collect();
    let kinds = include_str!("kinds.rs").split("pub(super) const ").filter(|text| text.contains(": Diagnosis"));
    let mut n_kinds = 0;
    for kind in kinds {
        let name = kind.split(':').next().unwrap();
        // What it is stands in the first quotes.
        let what = kind.split('"').nth(1).unwrap().replace("\\\\", "\\");
        // Said of any row of which no more is known.
        let n_inputs = found.iter().filter(|found| **found == what).count();
        assert!(n_inputs >= LEAST || name == "OTHER_ROW", "{name} has {n_inputs}");
        n_kinds += 1;
    }
    assert!(n_kinds > 70, "{n_kinds}");
}

#[test]
fn nothing_is_said_of_good_data() {
    for record in GOOD_RECORDS {
        for reason in Reason::ALL {
            assert_eq!(of_record(reason, record.as_bytes()), None, "{reason} {record}");
        }
    }
    for (place, file) in GOOD_FILES.iter().enumerate() {
        assert_eq!(of_head(file.as_bytes()), None, "{file}");
        if place >= N_NDJSON {
            assert_eq!(of_csv_head(file.as_bytes()), None, "{file}");
        }
    }
    let sample = std::fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample/20220401.json.gz")).unwrap();
    let mut lines = String::new();
    flate2::read::GzDecoder::new(sample).read_to_string(&mut lines).unwrap();
    assert_eq!(of_head(lines.as_bytes()), None);
    for line in lines.lines().take(500) {
        for reason in Reason::ALL {
            let is_over_day = reason == Reason::OverDay && line.contains("TotalDuration\":1");
            assert!(is_over_day || of_record(reason, line.as_bytes()).is_none(), "{reason} {line}");
        }
    }
}

#[test]
fn a_command_fits_the_name_of_the_file() {
    use Compression::{Gzip, None, Zstd};
    let check = |file: &str, compression, expected: &str| assert_eq!(PRETTY_JSON.next_for(file, compression), expected);
    let write = |file: &str| format!("write one record a line: jq -c . {file} > {file}.new && mv {file}.new {file}");
    check("lake/20220401.json", None, &write("lake/20220401.json"));
    check("a b.json", None, &write("'a b.json'"));
    check("it's.json", None, &write("'it'\\''s.json'"));
    // How it is compressed decides, not the ending.
    let decompressed = |how: &str, file: &str| format!("decompress it ({how}), then {}", write(file));
    check("x.json.gz", Gzip, &decompressed("gzip -d x.json.gz", "x.json"));
    check("x.json.ZST", Zstd, &decompressed("zstd -d --rm x.json.ZST", "x.json"));
    check("x.json.gz", None, &write("x.json.gz"));
    check("x.json", Gzip, &decompressed("gzip -dc < x.json > x.json.new && mv x.json.new x.json", "x.json"));
    check("x.gz", Zstd, &decompressed("zstd -dc < x.gz > x.gz.new && mv x.gz.new x.gz", "x.gz"));
    // What lies in HDFS is worked on here.
    let get =
        |uri: &str, then: &str| format!("get it (hdfs dfs -get {uri}), then {then}; then put it back in its place");
    check("file:///l/1.json", None, &write("/l/1.json"));
    check("hdfs://nn/l/1.json", None, &get("hdfs://nn/l/1.json", &write("1.json")));
    check("hdfs://nn/l/a b.json", None, &get("'hdfs://nn/l/a b.json'", &write("'a b.json'")));
    check("viewfs://c/1.json.gz", Gzip, &get("viewfs://c/1.json.gz", &decompressed("gzip -d 1.json.gz", "1.json")));
    assert_eq!(
        PARQUET.next_for("l m/1.json", None),
        "write it as NDJSON, in Spark df.write.json(...), or: duckdb -c \"COPY (FROM read_parquet('/dev/stdin')) TO \
         '/dev/stdout' (FORMAT json)\" < 'l m/1.json' > 'l m/1.json'.new && mv 'l m/1.json'.new 'l m/1.json'"
    );
    // Where the fields stand at the top no advice speaks of `_source`.
    let at_top = |kind: Diagnosis, expected: &str| {
        let next = kind.next_with_fields("x", None, FieldPlace::Flat);
        assert!(next.contains(expected), "{next}");
        assert_eq!(kind.next_with_fields("x", None, FieldPlace::Source), kind.next_for("x", None));
    };
    at_top(FRACTION, "write it as an integer: jq -c '.TotalDuration |= floor' x >");
    at_top(OTHER_KEYS, "jq -c '. |= with_entries(.key |= ({contract: ");
    at_top(
        BULK,
        "drop the action lines: jq -c 'select(length > 1 or ([has(\"index\", \"create\", \"update\", \"delete\")] | any | not))' x",
    );
    // What is not about one file names none.
    for (compression, file) in [(None, "B09a/20220401.json"), (Gzip, "20220401.json.gz")] {
        assert_eq!(CSV_AS_NDJSON.next_for(file, compression), "rename it to .csv, or give --format csv");
        assert_eq!(
            FRACTION.read_leniently().next_for(file, compression),
            "read it as it is with a rules file that has extends = \"default\", [record] and types = \"lenient\" \
             (--rules RULES.toml)"
        );
    }
}

#[test]
fn no_command_has_the_file_within_quotes() {
    for line in include_str!("kinds.rs").lines() {
        for (at, word) in line.match_indices("FILE").filter(|(at, _)| !line[..*at].ends_with('_')) {
            let (before, behind) = (&line[..at], &line[at + word.len()..]);
            let behind = behind.strip_prefix(".new").or_else(|| behind.strip_prefix(".gz")).unwrap_or(behind);
            let is_outside = before.matches('\'').count() % 2 == 0 && before.ends_with(' ');
            assert!(is_outside && behind.starts_with([' ', ';', '"']), "{line}");
        }
    }
}
