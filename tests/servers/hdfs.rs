//! Lakes on real NameNode and DataNode processes, started by `scripts/hdfs`: what the library makes of them. What the
//! program makes of them is in `hdfs/program.rs`, with Kerberos in `hdfs/kerberos.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use viewmart::advice::Advice;
use viewmart::console::Progress;
use viewmart::lake::{Caching, Lake, LakeError, LakeOptions, PullSummary, Verify};

use cluster::{Cluster, N_BLOCK, SLOW, content, folder, slow_lake};

pub mod cluster;
mod kerberos;
mod program;

/// Message and advice, on one line.
fn told(error: &LakeError) -> String {
    let advice = error.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    let text = format!("{error}{advice}");
    assert!(!text.contains(['\n', '\t']) && text.len() < 900, "not a readable line: {text}");
    text
}

type Files = BTreeMap<String, Vec<u8>>;

/// Pulls the lake and returns its files by name. `meanwhile` runs once, when the first file has come.
fn pull_with(
    input: &str,
    options: &LakeOptions,
    mut meanwhile: impl FnMut(),
) -> Result<(Files, PullSummary), LakeError> {
    let lake = Lake::open(&[input.to_owned()], options)?;
    let listing = lake.list()?;
    let mut arrivals = lake.arrivals(&listing, Progress::hidden())?;
    let mut files = Files::new();
    for file in arrivals.by_ref() {
        let file = file?;
        if files.is_empty() {
            meanwhile();
        }
        let name = file.uri.rsplit('/').next().unwrap().to_owned();
        files.insert(name, std::fs::read(&file.path).unwrap());
    }
    assert_eq!(files.len(), listing.files.len());
    Ok((files, arrivals.summary()))
}

fn pull(input: &str, options: &LakeOptions) -> Result<(Files, PullSummary), LakeError> {
    pull_with(input, options, || ())
}

fn assert_same(files: &Files, expected: &[(&str, Vec<u8>)]) {
    assert_eq!(files.len(), expected.len());
    for (path, content) in expected {
        let name = path.rsplit('/').next().unwrap();
        assert!(files.get(name) == Some(content), "{name} differs");
    }
}

#[test]
fn a_lake_on_hdfs_is_pulled_once() {
    let cluster = Cluster::up("plain", 19100, &[]);
    let sizes = [0, 1, N_BLOCK - 1, N_BLOCK, N_BLOCK + 1, 5 * N_BLOCK + 17];
    let names = [
        "20220401.json",
        "a b%20#?é.20220402.json",
        "day=2022-04-03/part-0.json",
        "20220404.json",
        "deep/er/20220405.csv",
        "20220406.json",
    ];
    let mut files: Vec<(&str, Vec<u8>)> =
        names.iter().zip(sizes).enumerate().map(|(seed, (name, n))| (*name, content(seed as u64, n))).collect();
    let local = folder(
        &[&files[..], &[("_SUCCESS", Vec::new()), (".hidden.json", vec![1]), ("_x/20220401.json", vec![2])]].concat(),
    );
    let local_path = local.path().to_str().unwrap();
    cluster.script(&["put", local_path, "/user"]);
    let remote = format!("/user/{}", local.path().file_name().unwrap().to_str().unwrap());
    let cache = tempfile::tempdir().unwrap();
    let options = cluster.options(cache.path());
    let input = cluster.uri(&remote);

    // The listing is that of the local folder.
    let lake = Lake::open(std::slice::from_ref(&input), &options).unwrap();
    let (here, there) = (Lake::open(&[local_path.to_owned()], &options).unwrap().list().unwrap(), lake.list().unwrap());
    let shape = |listing: &viewmart::lake::Listing, root: &str| -> Vec<_> {
        let file = |file: &viewmart::lake::DataFile| {
            (file.uri.strip_prefix(root).unwrap().to_owned(), file.day, file.n_bytes, file.format)
        };
        listing.files.iter().map(file).collect()
    };
    assert_eq!(shape(&here, local_path), shape(&there, &input));
    assert_eq!((here.month, here.skipped), (there.month, there.skipped));
    // All were written just now, which is told once.
    let warnings = lake.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].ends_with("were changed less than 10 minutes ago: they may still be written to"),
        "{warnings:?}"
    );
    drop(lake);

    let total: usize = sizes.iter().sum();
    let check = |options: &LakeOptions, expected: &[(&str, Vec<u8>)], n_pulled: u64, n_bytes: usize| {
        let (pulled, summary) = pull(&input, options).map_err(|error| told(&error)).unwrap();
        assert_same(&pulled, expected);
        assert_eq!((summary.pulled_files, summary.pulled_bytes), (n_pulled, n_bytes as u64));
        assert_eq!(summary.files, expected.len() as u64);
    };
    check(&options, &files, 6, total);
    check(&options, &files, 0, 0);
    check(&LakeOptions { verify: Verify::Yes, ..options.clone() }, &files, 0, 0);
    check(&LakeOptions { caching: Caching::Offline, ..options.clone() }, &files, 0, 0);
    // One file changes.
    files[3].1 = content(77, N_BLOCK + 5);
    std::fs::write(local.path().join(names[3]), &files[3].1).unwrap();
    cluster.script(&["fs", "-put", "-f", local.path().join(names[3]).to_str().unwrap(), &remote]);
    check(&options, &files, 1, N_BLOCK + 5);
    check(&LakeOptions { caching: Caching::Refresh, ..options.clone() }, &files, 6, total + 5);
    // Globs are expanded by the server; a file and its folder are one file.
    let glob = cluster.uri(&format!("{remote}/2022040{{1,4}}.json"));
    assert_eq!(pull(&glob, &options).unwrap().0.len(), 2);
    let inputs = [input.clone(), cluster.uri(&format!("{remote}/{}", names[1])), glob.clone()];
    assert_eq!(Lake::open(&inputs, &options).unwrap().list().unwrap().files.len(), 6);
    // The default file system of the configuration.
    assert_eq!(pull(&format!("hdfs://{remote}"), &options).unwrap().1.pulled_files, 0);

    // What is odd says so.
    let fails = |input: &str, options: &LakeOptions, expected: &str| {
        let text = told(&pull(input, options).unwrap_err());
        assert!(text.contains(expected), "{text}");
    };
    fails(&cluster.uri("/gone"), &options, &format!("{}: no such file or folder", cluster.uri("/gone")));
    fails(&cluster.uri("/gone*"), &options, "matches no file or folder");
    cluster.script(&["fs", "-mkdir", "/empty", "/private"]);
    cluster.script(&["fs", "-chmod", "700", "/private"]);
    fails(&cluster.uri("/empty"), &options, "holds no data file");
    let as_eve = |options: &LakeOptions| {
        let mut options = options.clone();
        options.hdfs.user = Some("eve".to_owned());
        options
    };
    fails(
        &cluster.uri("/private"),
        &as_eve(&options),
        "permission denied: user=eve, access=READ_EXECUTE, inode=\"/private\"",
    );
    cluster.script(&["fs", "-chmod", "600", &format!("{remote}/{}", names[3])]);
    let fresh = tempfile::tempdir().unwrap();
    fails(&input, &as_eve(&cluster.options(fresh.path())), "permission denied: user=eve, access=READ");
    cluster.script(&["fs", "-mkdir", &format!("{remote}/_temporary")]);
    cluster.script(&["fs", "-rm", "-skipTrash", &format!("{remote}/_SUCCESS")]);
    let lake = Lake::open(std::slice::from_ref(&input), &options).unwrap();
    lake.list().unwrap();
    assert!(
        lake.warnings()
            .contains(&format!("{input} has _temporary and no _SUCCESS: the job that writes it may still run"))
    );
    drop(lake);

    // A large file over many blocks.
    let large = [("20220401.json", content(99, 300_000_000))];
    let local_large = folder(&large);
    cluster.script(&["put", local_large.path().join(large[0].0).to_str().unwrap(), "/large"]);
    let (pulled, summary) = pull(&cluster.uri("/large"), &options).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &large);
    assert_eq!((summary.pulled_files, summary.pulled_bytes), (1, 300_000_000));
    // The checksum in the manifest is the one that HDFS has of it.
    let manifest = std::fs::read_to_string(cache.path().join("manifest.jsonl")).unwrap();
    let line = manifest.lines().find(|line| line.contains("/large/20220401.json")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let of_hdfs =
        cluster.script(&["fs", "-D", "dfs.checksum.combine.mode=COMPOSITE_CRC", "-checksum", "/large/20220401.json"]);
    let expected = format!("COMPOSITE-CRC32C\t{:08x}", line["crc32c"].as_u64().unwrap());
    assert!(of_hdfs.trim_end().ends_with(&expected), "{of_hdfs}, not {expected}");
    drop((pulled, large, local_large));

    // Within a time of our own: nobody there, and somebody who says nothing.
    let timed = |input: &str, most: u64, expected: &str| {
        let started = Instant::now();
        fails(input, &options, expected);
        assert!(started.elapsed() < Duration::from_secs(most), "{input} took {:?}", started.elapsed());
    };
    timed("hdfs://127.0.0.1:1/x", 30, "cannot be reached");
    timed("hdfs://no-such-host.invalid/x", 30, "cannot be reached");
    cluster.script(&["stop", "nn1"]);
    timed(&cluster.uri("/x"), 60, "gave no answer within 20 s");
    cluster.script(&["cont", "nn1"]);
    check(&options, &files, 0, 0);
}

#[test]
fn a_pull_survives_its_datanodes() {
    let cluster = Cluster::up("faults", 19200, &["--throttle", &SLOW.to_string()]);
    let (files, input) = slow_lake(&cluster);
    let fresh = || tempfile::tempdir().unwrap();

    // One is killed, then another one frozen, each in the middle of a pull.
    for (harm, node) in [("kill", "dn1"), ("stop", "dn2")] {
        let cache = fresh();
        let mut options = cluster.options(cache.path());
        options.n_jobs = 2;
        let (pulled, summary) = pull_with(&input, &options, || drop(cluster.script(&[harm, node])))
            .map_err(|error| told(&error))
            .unwrap_or_else(|error| panic!("{harm} {node}: {error}"));
        assert_same(&pulled, &files);
        assert!(summary.wall_s < 60.0, "{harm} {node}: {summary:?}");
        match harm {
            "kill" => cluster.script(&["start", node]),
            _ => cluster.script(&["cont", node]),
        };
        cluster.script(&["wait"]);
    }

    // All of them go: the message names file and block, and what has come stays for the next run.
    let cache = fresh();
    let mut options = cluster.options(cache.path());
    options.n_jobs = 2;
    let lost = pull_with(&input, &options, || {
        cluster.script(&["kill", "dn1", "dn2", "dn3"]);
    });
    let text = told(&lost.unwrap_err());
    assert!(
        text.contains("/log/2022040") && text.contains("the block at byte ") && text.contains("gave up after"),
        "{text}"
    );
    for node in ["dn1", "dn2", "dn3"] {
        cluster.script(&["start", node]);
    }
    cluster.script(&["wait"]);
    let (pulled, summary) = pull(&input, &options).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &files);
    assert!(summary.pulled_files < 5 && summary.pulled_bytes < 32 * N_BLOCK as u64, "{summary:?}");

    // A byte of one replica flips: the other one is used. Of both: nothing is delivered.
    cluster.corrupt(&["dn1"]);
    let cache = fresh();
    let (pulled, _) = pull(&input, &cluster.options(cache.path())).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &files);
    cluster.corrupt(&["dn2", "dn3"]);
    let cache = fresh();
    let text = told(&pull(&input, &cluster.options(cache.path())).unwrap_err());
    assert!(text.contains("/log/2022040") && text.contains("the block at byte"), "{text}");
}

#[test]
fn a_standby_takes_over() {
    let cluster = Cluster::up("ha", 19400, &["--ha", "--datanodes", "2", "--throttle", &SLOW.to_string()]);
    let (files, _) = slow_lake(&cluster);
    let cache = tempfile::tempdir().unwrap();
    let mut options = cluster.options(cache.path());
    options.n_jobs = 1;
    let (pulled, _) = pull_with("hdfs://ns/log", &options, || {
        cluster.script(&["kill", "nn1"]);
        cluster.script(&["activate", "nn2"]);
    })
    .map_err(|error| told(&error))
    .unwrap();
    assert_same(&pulled, &files);
    // Without the configuration the name means nothing, and the message says what is missing.
    let bare = LakeOptions { cache: cache.path().into(), ..LakeOptions::default() };
    let text = told(&pull("hdfs://ns/log", &bare).unwrap_err());
    assert!(text.contains("--hadoop-conf"), "{text}");
}

#[test]
fn a_file_that_is_replaced_comes_as_it_is_now() {
    let cluster = Cluster::up("replaced", 19300, &["--throttle", &(SLOW / 2).to_string()]);
    // The second file takes twenty seconds. It is replaced by a shorter one when the first one is there.
    let before = folder(&[("20220401.json", content(1, 10)), ("20220402.json", content(2, 40 * N_BLOCK))]);
    let now = [("20220401.json", content(1, 10)), ("20220402.json", content(3, 3 * N_BLOCK))];
    let after = folder(&now[1..]);
    let path = |folder: &tempfile::TempDir, name: &str| folder.path().join(name).display().to_string();
    cluster.script(&["put", &path(&before, now[0].0), &path(&before, now[1].0), "/log"]);
    let options = |cache: &tempfile::TempDir| cluster.options(cache.path());
    let cache = tempfile::tempdir().unwrap();
    let replace = || drop(cluster.script(&["fs", "-put", "-f", &path(&after, now[1].0), "/log"]));
    let (pulled, summary) =
        pull_with(&cluster.uri("/log"), &options(&cache), replace).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &now);
    assert!(summary.pulled_bytes > 3 * N_BLOCK as u64 + 10, "not in the middle: {summary:?}");
    assert_eq!(pull(&cluster.uri("/log"), &options(&cache)).unwrap().1.pulled_files, 0);
}
