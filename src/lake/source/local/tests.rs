//! Folders, links and globs of this machine.

use std::os::unix::fs::symlink;

use super::*;
use crate::advice::Advice;
use crate::lake::{ListOptions, Listing, list};

/// A folder with these files, each of which holds its own name.
fn lake(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    folder
}

/// Lists `inputs`, which start at `folder`, and takes its path out of what comes back.
fn list_in(folder: &Path, inputs: &[&str], month: Option<&str>) -> Result<(Vec<String>, Listing), String> {
    let folder = folder.to_str().unwrap();
    let full = |input: &&str| match input.strip_prefix("file://") {
        Some(rest) => format!("file://{folder}/{rest}"),
        None => format!("{folder}/{input}"),
    };
    let inputs: Vec<String> = inputs.iter().map(full).collect();
    let options = ListOptions { month: month.map(|month| month.parse().unwrap()), ..ListOptions::default() };
    let here = |text: String| text.replace(&format!("{folder}/"), "").replace(folder, "");
    match list(&inputs, &options) {
        Ok(listing) => Ok((listing.files.iter().map(|file| here(file.uri.clone())).collect(), listing)),
        Err(error) => Err(here(format!("{error}; {}", error.advice().unwrap_or_default()))),
    }
}

#[test]
fn inputs_name_files() {
    let folder = lake(&[
        "20220402.json",
        "20220401.json",
        "20220403.csv.gz",
        "deep/day=2022-04-05/hour=1/part-0.json.zst",
        "deep/2022-04-06/part-0.jsonl",
        "deep/2022-04-06/part-1.ndjson",
        "_SUCCESS",
        "_temporary/20220407.json",
        ".hidden/20220407.json",
        "deep/.20220401.json.crc",
        "20220408.json.tmp",
        "[odd] name/20220409.json",
    ]);
    let all = &[
        "20220401.json",
        "20220402.json",
        "20220403.csv.gz",
        "[odd] name/20220409.json",
        "deep/2022-04-06/part-0.jsonl",
        "deep/2022-04-06/part-1.ndjson",
        "deep/day=2022-04-05/hour=1/part-0.json.zst",
    ];
    let check = |inputs: &[&str], expected: &[&str], n_skipped: u64| {
        let (uris, listing) = list_in(folder.path(), inputs, None).unwrap();
        assert_eq!(uris, expected, "{inputs:?}");
        assert_eq!(listing.skipped.total(), n_skipped, "{inputs:?}");
        for file in &listing.files {
            let metadata = fs::metadata(&file.path).unwrap();
            assert_eq!((file.n_bytes, file.modified_ms), (metadata.len(), modified_ms(&metadata)));
        }
    };
    check(&[""], all, 5);
    check(&["file://"], all, 5);
    check(&["", "."], all, 5);
    check(&["deep", "2022*.json", ""], all, 5);
    check(&["20220401.json"], &all[..1], 0);
    check(&["20220401.json", "./20220401.json", "deep/../20220401.json"], &all[..1], 0);
    check(&["2022040?.json"], &all[..2], 0);
    check(&["2022040[13].*"], &[all[0], all[2]], 0);
    check(&["[odd] name"], &all[3..4], 0);
    check(&["**/part-1*"], &all[5..6], 0);
    check(&["2022*"], &all[..3], 1);
    // What the user names is taken, whatever it is called.
    check(&["_temporary"], &["_temporary/20220407.json"], 0);
    check(&[".hidden/20220407.json"], &[".hidden/20220407.json"], 0);
    check(&["deep/day=2022-04-05"], &all[6..], 0);
}

#[test]
fn months_are_told_apart() {
    let folder = lake(&["20220401.json", "20220430.json", "20220501.json", "x/20220401b.json", "_x"]);
    let (uris, listing) = list_in(folder.path(), &[""], Some("2022-04")).unwrap();
    assert_eq!(uris, ["20220401.json", "20220430.json", "x/20220401b.json"]);
    assert_eq!(
        (listing.month.to_string().as_str(), listing.skipped.to_string()),
        ("2022-04", "2 files: 1 of other months, 1 hidden or temporary".to_owned())
    );
    let missing = |today: &str| -> Vec<u8> {
        listing.missing_days(today.parse().unwrap()).iter().map(|day| day.number()).collect()
    };
    assert_eq!(missing("2022-06-01"), (2..30).collect::<Vec<_>>());
    // What is not over cannot be missing.
    assert_eq!(missing("2022-04-04"), [2, 3, 4]);
    assert!(missing("2022-03-31").is_empty());
    let (uris, listing) = list_in(folder.path(), &["20220501.json"], None).unwrap();
    assert_eq!((uris.len(), listing.missing_days("2022-06-01".parse().unwrap()).len()), (1, 30));
}

#[test]
fn links_are_followed_but_not_in_circles() {
    let folder = lake(&["real/20220401.json", "real/sub/20220402.json", "elsewhere/20220403.json"]);
    let at = |name: &str| folder.path().join(name);
    symlink("..", at("real/sub/up")).unwrap();
    symlink(".", at("real/self")).unwrap();
    symlink(at("elsewhere"), at("real/far")).unwrap();
    symlink("20220401.json", at("real/20220404.json")).unwrap();
    let (uris, _) = list_in(folder.path(), &["real"], None).unwrap();
    assert_eq!(uris, ["real/20220401.json", "real/far/20220403.json", "real/sub/20220402.json"]);
    symlink("gone.json", at("real/20220405.json")).unwrap();
    let error = list_in(folder.path(), &["real"], None).unwrap_err();
    assert_eq!(error, "real/20220405.json: is a link to a file that does not exist; repair or remove the link");
}

#[test]
fn outputs_and_caches_in_the_lake_are_no_data() {
    let folder = lake(&[
        "a/20220401.json",
        "a/out/.viewmart-lock",
        "a/out/rejects.ndjson",
        "a/out/report.json",
        "a/cache/manifest.jsonl",
        "a/cache/lock",
        "a/cache/partial/x.json",
        "a/cache/hdfs/nn/20220402.json",
    ]);
    let (uris, listing) = list_in(folder.path(), &["a"], None).unwrap();
    assert_eq!((uris, listing.skipped.total()), (vec!["a/20220401.json".to_owned()], 2));
    let (uris, _) = list_in(folder.path(), &["a/*"], None).unwrap();
    assert_eq!(uris, ["a/20220401.json"]);
    // A lake that is written into has its own files left out, and no others.
    fs::write(folder.path().join("a/.viewmart-lock"), "").unwrap();
    for name in ["rejects.ndjson", "report.json", "month-2022-04.parquet", "warehouse.db", "mart.db-wal"] {
        fs::write(folder.path().join("a").join(name), "").unwrap();
    }
    for input in ["a", "a/*"] {
        let (uris, listing) = list_in(folder.path(), &[input], None).unwrap();
        assert_eq!(uris, ["a/20220401.json"], "{input}");
        assert!(listing.skipped.total() >= 7, "{input}: {}", listing.skipped);
    }
    // Whoever names them wants them.
    let (uris, _) = list_in(folder.path(), &["a/cache/hdfs"], None).unwrap();
    assert_eq!(uris, ["a/cache/hdfs/nn/20220402.json"]);
}

#[test]
fn data_in_an_output_folder_is_not_left_out_silently() {
    let folder = lake(&["20220401.json", "out/.viewmart-lock", "out/report.json", "more/.viewmart-lock"]);
    fs::write(folder.path().join("more/20220402.json"), "").unwrap();
    let mut walk = Walk::default();
    walk.add(&folder.path().display().to_string()).unwrap();
    let warnings = walk.take_warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("/more is an output folder"), "{warnings:?}");
}

#[test]
fn a_link_takes_no_day_from_the_file_it_leads_to() {
    let folder = lake(&["day=2022-04-01/part.json", "20220402.json", "blobs/ab12.json", "x/20220404.json"]);
    let at = |name: &str| folder.path().join(name);
    symlink("day=2022-04-01", at("a_latest")).unwrap();
    symlink("20220402.json", at("20220401.json")).unwrap();
    symlink("blobs/ab12.json", at("20220403.json")).unwrap();
    symlink("x", at("newest")).unwrap();
    let (uris, listing) = list_in(folder.path(), &[""], None).unwrap();
    assert_eq!(uris, ["20220402.json", "20220403.json", "day=2022-04-01/part.json", "x/20220404.json"]);
    let days: Vec<u8> = listing.files.iter().map(|file| file.day.number()).collect();
    assert_eq!(days, [2, 3, 1, 4]);
}

#[test]
fn a_folder_that_the_path_leaves_again_lends_no_day() {
    let folder = lake(&["2022-05-03/x", "part.json", "day=2022-04-02/part.json"]);
    symlink(folder.path().join("day=2022-04-02"), folder.path().join("2022-05-04")).unwrap();
    let day = |input: &str| list_in(folder.path(), &[input], None).map(|(_, listing)| listing.files[0].day.number());
    assert_eq!(day("2022-05-03/../day=2022-04-02"), Ok(2));
    assert_eq!(day("2022-05-03/../2022-05-04"), Ok(4));
    assert!(
        day("2022-05-03/../part.json").unwrap_err().contains("neither its name nor a folder below the input has a day")
    );
}

#[test]
fn what_cannot_be_listed_says_why() {
    let folder = lake(&[
        "months/20220401.json",
        "months/20220501.json",
        "months/20220502.json",
        "bad/20220401.parquet",
        "no_day/part.json",
        "hidden/_20220401.json",
        "epoch/log-1648771200000.json",
        "[x",
    ]);
    fs::create_dir(folder.path().join("empty")).unwrap();
    let check = |inputs: &[&str], month: Option<&str>, expected: &str| {
        let error = list_in(folder.path(), inputs, month).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    };
    check(&["gone"], None, "gone: no such file or folder; check the path");
    check(&["gone*"], None, "gone*: matches no file or folder; check the pattern, and quote it");
    check(&["gone["], None, "gone[: is not a glob: ");
    check(&["empty"], None, "empty: holds no data file; data files end in .json");
    check(
        &["hidden", "empty"],
        None,
        "hidden, empty: holds no data file, only 1 file whose name is not that of a data file",
    );
    check(
        &["months"],
        None,
        "months: holds several months: 2022-04 (1 file), 2022-05 (2 files); choose one with --month",
    );
    check(&["months"], Some("2022-06"), "months: has no file of 2022-06; it has 2022-04 (1 file), 2022-05 (2 files); ");
    check(&["bad"], None, "bad/20220401.parquet: its ending is not one of a data file (.json, .jsonl, .ndjson, .csv");
    check(
        &["no_day"],
        None,
        "no_day/part.json: neither its name nor a folder below the input has a day (such as 20220401 or 2022-04-01)",
    );
    check(&["months/20220401.json/x"], None, "months/20220401.json/x: ");
    check(&["epoch"], None, "epoch/log-1648771200000.json: neither its name");
    let error = list_in(folder.path(), &["epoch"], None).unwrap_err();
    assert!(error.contains("1648771200000 looks like a point in time since 1970, on 2022-04-01"), "{error}");
}

#[test]
fn the_format_can_be_given() {
    let folder = lake(&["20220401.log", "20220402.txt.gz"]);
    let input = folder.path().display().to_string();
    let options = ListOptions { format: Some(crate::lake::Format::Csv), ..ListOptions::default() };
    let listing = list(&[input], &options).unwrap();
    let compressed: Vec<_> = listing.files.iter().map(|file| (file.format, file.compression)).collect();
    use crate::lake::{Compression, Format};
    assert_eq!(compressed, [(Format::Csv, Compression::None), (Format::Csv, Compression::Gzip)]);
}
