//! Records whose `_id` was there before, against a plain reading of the files in their order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::engine::ledger::Reason;

/// File, offset and reason of every reject, and the contracts kept with their seconds.
type Found = (Vec<(String, u64, Reason)>, BTreeMap<String, i64>);

/// The plain way: files by day and name, line by line, a set of ids a day.
fn expected(files: &[DataFile], texts: &BTreeMap<String, String>) -> Found {
    let mut files: Vec<&DataFile> = files.iter().collect();
    files.sort_by(|a, b| (a.day, &a.uri).cmp(&(b.day, &b.uri)));
    let (mut rejects, mut kept) = (Vec::new(), BTreeMap::new());
    let mut seen = BTreeSet::new();
    for file in files {
        let text = &texts[file.uri.trim_end_matches(".gz")];
        let mut offset = 0;
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap_or_default();
            let id = match &value["_id"] {
                Value::Null => None,
                Value::String(id) => Some(id.clone()).filter(|id| !id.is_empty()),
                other => Some(other.to_string()),
            };
            let contract = value["_source"]["Contract"].as_str().unwrap_or_default();
            let reason = match () {
                () if !value["_source"].is_object() => Some(Reason::Malformed),
                () if id.is_some_and(|id| !seen.insert((file.day, id))) => Some(Reason::DuplicateId),
                () if contract.is_empty() => Some(Reason::NoContract),
                () => None,
            };
            match reason {
                Some(reason) => rejects.push((file.uri.clone(), offset, reason)),
                None => *kept.entry(contract.to_owned()).or_default() += 5,
            }
            offset += line.len() as u64 + 1;
        }
    }
    rejects.sort();
    (rejects, kept)
}

fn found(files: Vec<DataFile>, n_threads: usize) -> Found {
    let options = TransformOptions { ids: Ids::Unique, max_rejects_kept: usize::MAX, ..options(n_threads) };
    let made = transform(&mut ReadyFiles::new(files), &options, &Progress::hidden()).unwrap();
    assert!(made.table.ledger.balances());
    assert!(made.table.detail.files.iter().all(|file| file.file.ids == Ids::Unique));
    let mut rejects: Vec<_> =
        made.rejects.iter().map(|(file, reject)| (file.to_owned(), reject.offset, reject.reason)).collect();
    assert_eq!(rejects.len() as u64, made.table.ledger.n_rejected());
    rejects.sort();
    let rows = made.table.contracts.iter().zip(&made.table.total[..]);
    (rejects, rows.map(|(contract, total)| (contract.to_owned(), *total)).collect())
}

fn line(id: &str, contract: &str) -> String {
    format!("{{\"_id\":{id},\"_source\":{{\"Contract\":\"{contract}\",\"AppName\":\"VOD\",\"TotalDuration\":5}}}}\n")
}

/// Writes files of `(day, folder, is compressed, text)` and holds what is made of them in any order against the plain way.
fn check(files: &[(u32, usize, bool, String)], n_threads: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let mut texts = BTreeMap::new();
    for (place, (day, region, is_compressed, text)) in files.iter().enumerate() {
        let region = folder.path().join(["north", "south", "east"][*region]);
        std::fs::create_dir_all(&region).unwrap();
        let path = region.join(format!("202204{day:02}-{place}.json"));
        texts.insert(path.display().to_string(), text.clone());
        match is_compressed {
            true => std::fs::write(path.with_extension("json.gz"), gzip(text.as_bytes())).unwrap(),
            false => std::fs::write(path, text).unwrap(),
        }
    }
    let listed = write(folder.path(), &[]);
    assert_eq!(listed.len(), files.len());
    let expected = expected(&listed, &texts);
    for n_threads in n_threads {
        for turn in 0..2 {
            let mut arriving = listed.clone();
            arriving.rotate_left(turn * listed.len() / 2);
            assert_eq!(found(arriving, *n_threads), expected, "{n_threads} threads, turn {turn}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_first_of_an_id_counts_whatever_the_threads_do(
        files in proptest::collection::vec(
            (1..4_u32, 0..3_usize, any::<bool>(), proptest::collection::vec((0..8_u8, 0..30_u32), 0..25)),
            1..7,
        ),
    ) {
        let files: Vec<_> = files.into_iter().map(|(day, region, is_compressed, lines)| {
            let text = lines.into_iter().map(|(kind, n)| match kind {
                0 => line("null", "A"),
                1 => line("\"\"", "B"),
                2 => line(&n.to_string(), "C"),
                3 => line(&format!("\"i{n}\""), ""),
                4 => format!("{{\"_id\":\"i{n}\"}}\n"),
                5 => line(&format!("\"\\u0069{n}\""), "D"),
                6 => line("0", "E").replace("\"_id\":0,", ""),
                _ => line(&format!("\"i{n}\""), &format!("F{}", n % 3)),
            });
            (day, region, is_compressed, text.collect::<String>())
        }).collect();
        check(&files, &[1, 2, 8]);
    }
}

#[test]
fn ids_are_known_across_the_splits_of_a_large_file() {
    // Each id three times, far from each other, in a file of several splits and in the one after it.
    let text: String =
        (0..240_000).map(|i| line(&format!("\"AX_momhia1FFivsG-{:06}\"", i % 80_000), "HND000001")).collect();
    assert!(text.len() > 16 << 20, "{}", text.len());
    let small: String = (79_990..80_010).map(|i| line(&format!("\"AX_momhia1FFivsG-{i:06}\""), "B")).collect();
    check(&[(1, 0, false, text), (1, 1, false, small)], &[1, 3]);
}

#[test]
fn csv_has_ids_in_a_column() {
    let check = |header: &str, records: &str, kept: u64, duplicates: &[u64]| {
        for name in ["20220401.csv", "20220401.csv.gz"] {
            let folder = tempfile::tempdir().unwrap();
            let text = format!("{header}\n{records}").into_bytes();
            let content = if name.ends_with("gz") { gzip(&text) } else { text };
            let files = write(folder.path(), &[(name, content)]);
            let options = TransformOptions { ids: Ids::Unique, ..options(2) };
            let made = transform(&mut ReadyFiles::new(files), &options, &Progress::hidden()).unwrap();
            let of_ids = |reject: &Reject<'_>| reject.reason == Reason::DuplicateId;
            let offsets = made.rejects.iter().map(|(_, reject)| reject).filter(of_ids).map(|reject| reject.offset);
            assert_eq!(
                (made.table.ledger.kept, offsets.collect::<Vec<_>>()),
                (kept, duplicates.to_vec()),
                "{name}: {records}"
            );
        }
    };
    let named = "_id,Contract,TotalDuration,AppName";
    check(named, "1,A,5,VOD\n1,A,5,VOD\n\"1\",B,5,VOD\n2,A,5,VOD\n", 2, &[45, 55]);
    check(named, ",A,5,VOD\n,A,5,VOD\nNULL,A,5,VOD\nNULL,A,5,VOD\n\"\",A,5,VOD\n", 5, &[]);
    check("Contract,TotalDuration,AppName", "A,5,VOD\nA,5,VOD\n", 2, &[]);
    let object = r#""{""_id"":""x"",""Contract"":""A"",""TotalDuration"":5,""AppName"":""VOD""}""#;
    check("_source,_id", &format!("{object},1\n{object},2\n{object},1\n"), 2, &[12 + 2 * (object.len() as u64 + 3)]);
    // What is no record has no id.
    check(named, "1,A,5\n1,A,5,VOD\n1,A,5,VOD\n", 1, &[51]);
}

#[test]
fn a_broken_file_is_told_as_without_ids() {
    let folder = tempfile::tempdir().unwrap();
    let text = line("1", "A").repeat(100).into_bytes();
    let files = write(
        folder.path(),
        &[
            ("20220401.json", text.clone()),
            ("20220402-a.json.gz", gzip(&text)[..40].to_vec()),
            ("20220402-b.csv", b"x,y\n".to_vec()),
            ("20220403.csv", b"x,y\n".to_vec()),
        ],
    );
    for n_threads in [1, 2, 8] {
        let mut arriving = files.clone();
        arriving.reverse();
        let options = TransformOptions { ids: Ids::Unique, ..options(n_threads) };
        let message = transform(&mut ReadyFiles::new(arriving), &options, &Progress::hidden()).unwrap_err().to_string();
        assert!(message.contains("20220402-a.json.gz"), "{n_threads} threads: {message}");
    }
}
