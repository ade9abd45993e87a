//! Lakes on real NameNode and DataNode processes, started by `scripts/hdfs`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use viewmart::error::Advice;
use viewmart::lake::{Caching, HdfsOptions, Lake, LakeError, LakeOptions, PullSummary, Verify};
use viewmart::progress::Progress;

/// Bytes of a block: small, so that a file of a few megabytes has many.
const N_BLOCK: usize = 1 << 20;
/// Bytes a second that a DataNode sends to one reader where a test needs time to do harm in the middle of a pull.
const SLOW: usize = 4 << 20;

/// One cluster at a time: a machine with two processors has enough to do with four JVMs.
static ONE_CLUSTER: Mutex<()> = Mutex::new(());

/// A running cluster, taken down when dropped.
struct Cluster {
    name: &'static str,
    port: u16,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    fn up(name: &'static str, port: u16, arguments: &[&str]) -> Cluster {
        let turn = ONE_CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster { name, port, _turn: turn };
        let block = N_BLOCK.to_string();
        cluster.script(&[&["up", "--block-size", &block], arguments].concat());
        cluster
    }

    fn script(&self, arguments: &[&str]) -> String {
        let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hdfs"))
            .args(arguments)
            .env("HDFS_CLUSTER", self.name)
            .env("HDFS_PORT", self.port.to_string())
            .stdin(Stdio::null())
            .output()
            .expect("scripts/hdfs starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "scripts/hdfs {arguments:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn folder(&self) -> PathBuf {
        let home = std::env::var_os("HDFS_HOME").map(PathBuf::from);
        home.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hdfs")).join(self.name)
    }

    fn uri(&self, path: &str) -> String {
        format!("hdfs://127.0.0.1:{}{path}", self.port)
    }

    fn options(&self, cache: &Path) -> LakeOptions {
        let hdfs = HdfsOptions { conf_dir: Some(self.folder().join("conf")), ..HdfsOptions::default() };
        LakeOptions { cache: cache.to_owned(), hdfs, ..LakeOptions::default() }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.script(&["down"]);
    }
}

/// `n_bytes` that look like nothing, the same for the same `seed`.
fn content(seed: u64, n_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(n_bytes + 8);
    while bytes.len() < n_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(n_bytes);
    bytes
}

/// A local folder with these files.
fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

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
    assert_eq!((here.month, here.n_skipped, &here.missing_days), (there.month, there.n_skipped, &there.missing_days));
    assert!(
        lake.warnings().iter().all(|warning| warning.ends_with("it may still be written to")),
        "{:?}",
        lake.warnings()
    );
    assert_eq!(lake.warnings().len(), names.len());
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
    println!("300 MB in {:.2} s", summary.wall_s);
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

/// Five files of 8 MiB over three throttled DataNodes.
fn slow_lake(cluster: &Cluster) -> (Vec<(&'static str, Vec<u8>)>, String) {
    let names = ["20220401.json", "20220402.json", "20220403.json", "20220404.json", "20220405.json"];
    let files: Vec<_> =
        names.iter().enumerate().map(|(seed, name)| (*name, content(seed as u64, 8 * N_BLOCK))).collect();
    let local = folder(&files);
    let mut arguments = vec!["put".to_owned()];
    arguments.extend(names.iter().map(|name| local.path().join(name).display().to_string()));
    arguments.push("/log".to_owned());
    cluster.script(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    (files, cluster.uri("/log"))
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
        for node in ["dn1", "dn2", "dn3"] {
            cluster.script(&["kill", node]);
        }
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
    let flip = |nodes: &[&str]| {
        let mut n_flipped = 0;
        for node in nodes {
            let finalized = cluster.folder().join("data").join(node);
            let find =
                Command::new("find").arg(&finalized).args(["-name", "blk_*", "!", "-name", "*.meta"]).output().unwrap();
            for path in String::from_utf8(find.stdout).unwrap().lines() {
                let mut bytes = std::fs::read(path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(path, bytes).unwrap();
                n_flipped += 1;
            }
        }
        n_flipped
    };
    assert!(flip(&["dn1"]) > 0);
    let cache = fresh();
    let (pulled, _) = pull(&input, &cluster.options(cache.path())).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &files);
    assert!(flip(&["dn2", "dn3"]) > 0);
    let cache = fresh();
    let text = told(&pull(&input, &cluster.options(cache.path())).unwrap_err());
    assert!(text.contains("/log/2022040") && text.contains("the block at byte"), "{text}");
}

#[test]
fn a_killed_pull_is_resumed() {
    const CHILD: &str = "VIEWMART_TEST_PULL";
    if let Ok(child) = std::env::var(CHILD) {
        // The child of this test: it is killed before it comes to an end.
        let (input, cache) = child.split_once('|').unwrap();
        let options = LakeOptions { cache: cache.into(), n_jobs: 2, ..LakeOptions::default() };
        pull(input, &options).unwrap();
        return;
    }
    let cluster = Cluster::up("killed", 19300, &["--throttle", &SLOW.to_string()]);
    let (files, input) = slow_lake(&cluster);
    let cache = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hdfs::a_killed_pull_is_resumed"])
        .env(CHILD, format!("{input}|{}", cache.path().display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let manifest = cache.path().join("manifest.jsonl");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&manifest).is_ok_and(|text| text.contains('\n')) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no file came");
        std::thread::sleep(Duration::from_millis(10));
    }
    // While it runs, nobody else may use the cache.
    let error = told(&pull(&input, &cluster.options(cache.path())).unwrap_err());
    assert!(error.contains(&format!("in use by process {}", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    let n_complete = std::fs::read_to_string(&manifest).unwrap().lines().count() as u64;
    assert!((1..5).contains(&n_complete), "{n_complete}");
    let (pulled, summary) = pull(&input, &cluster.options(cache.path())).map_err(|error| told(&error)).unwrap();
    assert_same(&pulled, &files);
    assert_eq!(summary.pulled_files, 5 - n_complete);
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
fn kerberos_with_a_ticket_and_without() {
    if let Some(cache) = std::env::var_os("VIEWMART_TEST_KERBEROS") {
        // A child of this test, see below.
        let keytab = std::env::var_os("VIEWMART_TEST_KEYTAB").filter(|path| !path.is_empty()).map(PathBuf::from);
        let principal = keytab.as_ref().map(|_| "alice@VIEWMART.TEST".to_owned());
        let hdfs = HdfsOptions { keytab, principal, ..HdfsOptions::default() };
        let options = LakeOptions { cache: cache.into(), hdfs, ..LakeOptions::default() };
        pull("hdfs:///log", &options).map_err(|error| told(&error)).unwrap();
        return;
    }
    for (protection, port) in [("privacy", 19500), ("authentication", 19600)] {
        let cluster = Cluster::up("kerberos", port, &["--kerberos", protection, "--datanodes", "2"]);
        let files = [("20220401.json", content(1, 3 * N_BLOCK + 1)), ("20220402.json", content(2, 100))];
        let local = folder(&files);
        cluster.script(&[
            "put",
            local.path().join(files[0].0).to_str().unwrap(),
            local.path().join(files[1].0).to_str().unwrap(),
            "/log",
        ]);
        let keytab = cluster.folder().join("alice.keytab");
        // The Kerberos library takes its settings from the environment, so each case is a process of its own.
        let pull_as = |ticket: &Path, keytab: Option<&Path>, expected: Result<(), &str>| {
            let cache = tempfile::tempdir().unwrap();
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "hdfs::kerberos_with_a_ticket_and_without", "--nocapture"])
                .env("KRB5_CONFIG", cluster.folder().join("krb5.conf"))
                .env("KRB5CCNAME", format!("FILE:{}", ticket.display()))
                .env("HADOOP_CONF_DIR", cluster.folder().join("conf"))
                .env("VIEWMART_TEST_KEYTAB", keytab.unwrap_or(Path::new("")))
                .env("VIEWMART_TEST_KERBEROS", cache.path())
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            match expected {
                Ok(()) => {
                    assert!(output.status.success(), "{protection}: {text}");
                    let at = format!("hdfs/localhost:{port}/log");
                    for (name, content) in &files {
                        assert!(
                            std::fs::read(cache.path().join(&at).join(name)).unwrap() == *content,
                            "{protection}: {name}"
                        );
                    }
                }
                Err(expected) => assert!(text.contains(expected), "{protection}: {text}"),
            }
        };
        let ticket = cluster.folder().join("alice-ticket");
        pull_as(&ticket, None, Err("/log: Kerberos: "));
        pull_as(&ticket, Some(&keytab), Ok(()));
        let kinit = Command::new("kinit")
            .args(["-k", "-t", keytab.to_str().unwrap(), "-c", ticket.to_str().unwrap(), "alice"])
            .env("KRB5_CONFIG", cluster.folder().join("krb5.conf"))
            .status()
            .unwrap();
        assert!(kinit.success());
        pull_as(&ticket, None, Ok(()));
    }
}
