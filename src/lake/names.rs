//! What a name says about a data file: whether it is one, its day and how it is written and compressed.
//!
//! These rules know names only, so that a local folder and HDFS obey the same ones.

use super::{Compression, Format};
use crate::engine::calendar::Month;

/// Years that a name can mean. Outside of them a run of digits is taken for something else, such as seconds since 1970.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 1900..=2199;

/// The last name of a path or URI.
pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether files and folders of this name are left out: hidden, not finished by whoever writes them, put aside, or a
/// checksum.
pub fn is_left_out(name: &str) -> bool {
    name.starts_with(['_', '.']) || left_out_ending(name).is_some()
}

/// Whether this program writes a file of this name into its output folder.
pub fn is_output(name: &str) -> bool {
    let is_database = |stem: &str| name.strip_prefix(stem).is_some_and(|end| end.is_empty() || end.starts_with('-'));
    let is_month = || {
        let month = name.strip_prefix("month-").and_then(|rest| rest.split_once('.'));
        month.is_some_and(|(month, _)| month.parse::<Month>().is_ok())
    };
    ["rejects.ndjson", "rejects-refused.ndjson", "report.json", "report-refused.json", "dashboard.html"].contains(&name)
        || ["viewmart.twbx", "viewmart.twb", "viewmart.tds"].contains(&name)
        || is_database("warehouse.db")
        || is_database("mart.db")
        || is_month()
}

/// Why a file is left out by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Somebody still writes it, or it is a copy that was put aside.
    Unfinished,
    /// It is the checksum or the signature of another file.
    Checksum,
    /// It says that another file is complete, or what is where in it.
    Mark,
}

const LEFT_OUT_ENDINGS: [(&str, LeftOut); 26] = [
    (".tmp", LeftOut::Unfinished),
    (".temp", LeftOut::Unfinished),
    (".inprogress", LeftOut::Unfinished),
    ("._COPYING_", LeftOut::Unfinished),
    ("~", LeftOut::Unfinished),
    (".bak", LeftOut::Unfinished),
    (".old", LeftOut::Unfinished),
    (".orig", LeftOut::Unfinished),
    (".part", LeftOut::Unfinished),
    (".partial", LeftOut::Unfinished),
    (".filepart", LeftOut::Unfinished),
    (".crdownload", LeftOut::Unfinished),
    (".crc", LeftOut::Checksum),
    (".md5", LeftOut::Checksum),
    (".sha1", LeftOut::Checksum),
    (".sha256", LeftOut::Checksum),
    (".sha384", LeftOut::Checksum),
    (".sha512", LeftOut::Checksum),
    (".md5sum", LeftOut::Checksum),
    (".sha1sum", LeftOut::Checksum),
    (".sha256sum", LeftOut::Checksum),
    (".asc", LeftOut::Checksum),
    (".sig", LeftOut::Checksum),
    (".done", LeftOut::Mark),
    (".ok", LeftOut::Mark),
    (".index", LeftOut::Mark),
];

/// The name before an ending for which it is left out, and why it is.
pub fn left_out_ending(name: &str) -> Option<(&str, LeftOut)> {
    LEFT_OUT_ENDINGS.iter().find_map(|(ending, kind)| Some((strip_ending(name, ending)?, *kind)))
}

/// The name without the endings that say how it is compressed and written.
pub fn without_endings(name: &str) -> &str {
    let name = split_compression(name).0;
    ENDINGS.iter().find_map(|(ending, _)| strip_ending(name, ending)).unwrap_or(name)
}

/// A stem without the mark that copying a file in a browser or a file manager leaves: `20220405 (1)`, `20220405 - Copy`.
pub fn without_copy_mark(stem: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit());
    let stem = stem.strip_prefix("Copy of ").unwrap_or(stem);
    if let Some((before, number)) = stem.strip_suffix(')').and_then(|stem| stem.rsplit_once('('))
        && is_number(number)
    {
        return without_copy_mark(before.trim_end());
    }
    let without_number = stem.rsplit_once(' ').filter(|(_, last)| is_number(last)).map_or(stem, |(before, _)| before);
    [" - Copy", " copy", "_copy", "-copy"]
        .iter()
        .find_map(|mark| strip_ending(without_number, mark))
        .map_or(stem, without_copy_mark)
}

/// How a file of this name is compressed, by its last ending.
pub fn compression_of(name: &str) -> Compression {
    split_compression(name).1
}

/// How the records of a file of this name are written, by its ending before `.gz` or `.zst`.
pub fn format_of(name: &str) -> Option<Format> {
    let name = split_compression(name).0;
    ENDINGS.iter().find(|(ending, _)| strip_ending(name, ending).is_some()).map(|(_, format)| *format)
}

const ENDINGS: [(&str, Format); 4] =
    [(".json", Format::Ndjson), (".jsonl", Format::Ndjson), (".ndjson", Format::Ndjson), (".csv", Format::Csv)];

fn split_compression(name: &str) -> (&str, Compression) {
    if let Some(name) = strip_ending(name, ".gz") {
        (name, Compression::Gzip)
    } else if let Some(name) = strip_ending(name, ".zst") {
        (name, Compression::Zstd)
    } else {
        (name, Compression::None)
    }
}

/// `name` without `ending` (ASCII, any case).
fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let (stem, found) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
    found.eq_ignore_ascii_case(ending).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_give_format_and_compression() {
        let check = |name: &str, format: Option<Format>, compression: Compression| {
            assert_eq!((format_of(name), compression_of(name)), (format, compression), "{name}");
        };
        check("a.json", Some(Format::Ndjson), Compression::None);
        check("a.jsonl", Some(Format::Ndjson), Compression::None);
        check("a.ndjson.gz", Some(Format::Ndjson), Compression::Gzip);
        check("a.JSON.ZST", Some(Format::Ndjson), Compression::Zstd);
        check("a.csv", Some(Format::Csv), Compression::None);
        check("a.csv.zst", Some(Format::Csv), Compression::Zstd);
        check("a.csv.gz", Some(Format::Csv), Compression::Gzip);
        check("a.gz", None, Compression::Gzip);
        check("a.parquet", None, Compression::None);
        check("json", None, Compression::None);
        check("a.json.bz2", None, Compression::None);
        check("é", None, Compression::None);
    }

    #[test]
    fn hidden_and_unfinished_names_are_left_out() {
        let check = |name: &str, left_out: bool| assert_eq!(is_left_out(name), left_out, "{name}");
        for name in ["_SUCCESS", "_temporary", ".hidden", ".a.json.crc", "a.json.crc", "a.tmp", "a.json.inprogress"] {
            check(name, true);
        }
        for name in
            ["a.json._COPYING_", "a.json~", "a.csv.bak", "a.json.part", "a.json.md5", "a.json.gz.sha256", "a.TMP"]
        {
            check(name, true);
        }
        for name in
            ["a.json.md5sum", "a.sha256sum", "a.json.sha384", "a.csv.asc", "a.sig", "a.done", "a.json.ok", "a.index"]
        {
            check(name, true);
        }
        for name in ["a.json", "a_.json", "ok", "done.json", "crc", "a.tmp.json", "day=2022-04-01"] {
            check(name, false);
        }
    }

    #[test]
    fn copies_of_a_file_have_its_stem() {
        let check = |name: &str, expected: &str| {
            assert_eq!(without_copy_mark(without_endings(name)), expected, "{name}");
        };
        for name in [
            "20220405.json",
            "20220405.json.gz",
            "20220405.csv.zst",
            "20220405 (1).json",
            "20220405(12).json.gz",
            "20220405 - Copy.json",
            "20220405 - Copy (2).json",
            "20220405 copy.json",
            "20220405 copy 3.json",
            "20220405_copy.csv",
            "Copy of 20220405.json",
        ] {
            check(name, "20220405");
        }
        check("20220405-1.json", "20220405-1");
        check("20220405 1.json", "20220405 1");
        check("part-00001.csv", "part-00001");
        check("20220405 (north).json", "20220405 (north)");
        check("20220405 (2022).json", "20220405 (2022)");
        check("photocopy.json", "photocopy");
    }

    #[test]
    fn outputs_are_known_by_name() {
        let check = |name: &str, expected: bool| assert_eq!(is_output(name), expected, "{name}");
        for name in [
            "rejects.ndjson",
            "report.json",
            "warehouse.db",
            "mart.db-journal",
            "month-2022-04.parquet",
            "month-2022-04.report.json",
        ] {
            check(name, true);
        }
        for name in ["20220401.ndjson", "rejects-20220401.ndjson", "warehouse.db.json", "2022-04.parquet", ""] {
            check(name, false);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_read_without_panic(name in ".{0,40}", digits in "[0-9a-f/-]{0,60}") {
            for name in [&name, &digits] {
                let _ = (without_copy_mark(without_endings(name)), left_out_ending(name));
                format_of(name);
                compression_of(name);
            }
        }
    }
}
