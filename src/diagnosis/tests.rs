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
