//! The program itself on HDFS: what it publishes, what it says and how it exits.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use viewmart::engine::month::MonthTable;
use viewmart::month_file;

use super::cluster::{Cluster, N_BLOCK, SLOW};
use crate::support::{Finished, Workplace, record};

const ETL_DATE: [&str; 2] = ["--etl-date", "2022-05-01"];

/// The binary on `lake`, with a cache in its folder and the configuration of the cluster.
fn command(work: &Workplace, cluster: &Cluster, words: &[&str]) -> Command {
    let mut command = work.command(words.iter().chain(&["--cache", "cache"]));
    command.env("HADOOP_CONF_DIR", cluster.conf());
    command
}

fn run(work: &Workplace, cluster: &Cluster, words: &[&str]) -> Finished {
    Finished::of(command(work, cluster, words).output().unwrap())
}

/// What `extract` says that it pulled: files and bytes.
fn extracted(work: &Workplace, cluster: &Cluster, lake: &str) -> (u64, u64) {
    let finished = run(work, cluster, &["extract", lake, "--json"]).ok();
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    (value["pulled_files"].as_u64().unwrap(), value["pulled_bytes"].as_u64().unwrap())
}

/// All rows of all tables of a run, except those that tell when and from where it was, what it warned of, and which warehouse it is.
fn tables(work: &Workplace, out: &str) -> Vec<(String, Vec<Vec<String>>)> {
    let mut tables = Vec::new();
    for database in ["warehouse.db", "mart.db"] {
        let database = format!("{out}/{database}");
        let names = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') \
                     AND name NOT IN ('etl_run', 'etl_run_published', 'etl_run_warning', 'warehouse_id') ORDER BY name";
        for name in work.rows(&database, names).concat() {
            let rows = work.rows(&database, &format!("SELECT * FROM \"{name}\""));
            tables.push((name, rows));
        }
    }
    tables
}

/// A page without the warnings of its run: files that were put there just now are warned of.
fn without_warnings(page: Vec<u8>) -> Vec<u8> {
    let Ok(text) = String::from_utf8(page.clone()) else { return page };
    let Some((before, rest)) = text.split_once("<h4>Warnings of the run</h4>") else { return page };
    let (_, after) = rest.split_once("</ul>\n").unwrap();
    format!("{before}{after}").into_bytes()
}

/// The month without the places of its files, which the month file holds.
fn placeless(month_file: &Path) -> MonthTable {
    let mut table = month_file::read(month_file).unwrap();
    table.detail.files.clear();
    table
}

/// The run in `there` made of `remote` is that in `here` made of `local`, byte for byte.
fn assert_same_month(work: &Workplace, (here, local): (&str, &str), (there, remote): (&str, &str)) {
    let month = |out: &str| work.path(format!("{out}/month-2022-04.parquet"));
    assert!(placeless(&month(here)) == placeless(&month(there)), "the month files differ");
    for name in ["dashboard.html", "viewmart.twbx"] {
        let read = |out: &str| without_warnings(work.read(&format!("{out}/{name}")));
        let (here, there) = (read(here), read(there));
        if let Some(at) = here.iter().zip(&there).position(|(a, b)| a != b).or((here != there).then_some(0)) {
            let around = |file: &[u8]| {
                let part = file.get(at.saturating_sub(100)..).unwrap_or_default();
                String::from_utf8_lossy(part).chars().take(300).collect::<String>()
            };
            panic!("{name} differs at {at}:\n{}\n{}", around(&here), around(&there));
        }
    }
    let rejects = |out: &str| work.read_text(&format!("{out}/rejects.ndjson"));
    assert!(!rejects(here).is_empty());
    assert!(rejects(here) == rejects(there).replace(remote, local), "rejects.ndjson differs");
    let (of_here, of_there) = (tables(work, here), tables(work, there));
    assert!(of_here.len() > 10 && of_here.iter().map(|(_, rows)| rows.len()).sum::<usize>() > 100);
    for (here, there) in of_here.iter().zip(&of_there) {
        assert!(here == there, "{} differs", here.0);
    }
    assert_eq!(of_here.len(), of_there.len());
}

#[test]
fn a_month_comes_out_as_from_this_machine() {
    let cluster = Cluster::up("month", 19700, &["--datanodes", "2"]);
    let work = Workplace::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample");
    let mut n_bytes = 0;
    for entry in fs::read_dir(sample).unwrap() {
        let entry = entry.unwrap();
        let content = fs::read(entry.path()).unwrap();
        n_bytes += content.len() as u64;
        work.write(&format!("log_content/{}", entry.file_name().to_str().unwrap()), content);
    }
    cluster.script(&["put", work.path("log_content").to_str().unwrap(), "/user"]);
    let (lake, remote) = ("hdfs:///user/log_content", cluster.uri("/user/log_content"));

    let check = |n_pulled: u64, n_bytes: u64| {
        for command in ["transform", "run"] {
            work.run([&[command, "log_content", "--out", "here"], &ETL_DATE[..]].concat()).ok();
            run(&work, &cluster, &[&[command, lake, "--out", "there"], &ETL_DATE[..]].concat()).ok();
            let report = work.read_json("there/report.json");
            let pull = report["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "pull").unwrap();
            // What `transform` has pulled is there for `run`.
            let expected = if command == "transform" { n_bytes } else { 0 };
            assert_eq!(pull["bytes"], expected, "{n_pulled} files, {command}");
            let stages: Vec<&str> =
                report["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap()).collect();
            let rest =
                if command == "run" { &["load", "mart", "write", "workbook", "dashboard"][..] } else { &["write"] };
            assert_eq!(stages, [&["pull", "overlap", "scan", "aggregate", "columns"], rest].concat());
        }
        assert_same_month(&work, ("here", "log_content"), ("there", &remote));
        assert_eq!(extracted(&work, &cluster, lake), (0, 0));
    };
    check(30, n_bytes);
    check(0, 0);
    // One day is delivered again.
    let (changed, other) = ("log_content/20220403.json.gz", work.read("log_content/20220404.json.gz"));
    work.write(changed, &other);
    cluster.script(&["fs", "-put", "-f", work.path(changed).to_str().unwrap(), "/user/log_content"]);
    assert_eq!(extracted(&work, &cluster, lake), (1, other.len() as u64));
    check(0, 0);

    // The same by a name of viewfs, which stands for the same files.
    work.write(
        "viewfs/core-site.xml",
        format!(
            "<configuration><property><name>fs.defaultFS</name><value>viewfs://big</value></property>\
             <property><name>fs.viewfs.mounttable.big.link./logs</name><value>{}</value></property></configuration>",
            cluster.uri("/user")
        ),
    );
    for lake in
        ["viewfs://big/logs/log_content", "viewfs:///logs/log_content", "viewfs://big/logs/log_c*/2022*.json.gz"]
    {
        let finished = run(&work, &cluster, &["extract", lake, "--json", "--hadoop-conf", "viewfs"]).ok();
        let value: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!((&value["files"], &value["pulled_files"]), (&30.into(), &0.into()), "{lake}");
    }
    let elsewhere = run(&work, &cluster, &["run", "viewfs://big/user/log_content", "--hadoop-conf", "viewfs"]);
    elsewhere.failed(3, &["viewfs://big/user/log_content: lies in no mount of `big`, which has /logs"]);

    // The file system from the command line alone; then what is not of this lake goes.
    let default = format!("fs.defaultFS={}", cluster.uri(""));
    let one_day = "hdfs:///user/log_content/20220403.json.gz";
    let words = ["extract", one_day, "--hdfs-opt", &default, "--prune", "--json"];
    let finished = Finished::of(command(&work, &cluster, &words).env_remove("HADOOP_CONF_DIR").output().unwrap()).ok();
    let value: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&value["files"], &value["pulled_files"], &value["pruned_files"]), (&1.into(), &0.into(), &29.into()));
    assert_eq!(extracted(&work, &cluster, lake).0, 29);
}

/// Records of one day, at least `n_bytes` of them.
fn day(seed: usize, n_bytes: usize) -> String {
    let mut text = String::new();
    for n in 0.. {
        text +=
            &record(&format!("C{:04}", (n * 7 + seed) % 5000), ["CHANNEL", "VOD", "CHILD"][n % 3], (n % 900) as i64);
        if text.len() >= n_bytes {
            break;
        }
    }
    text
}

#[test]
fn what_is_odd_exits_3_and_is_told() {
    let cluster = Cluster::up("odd", 19800, &["--datanodes", "2"]);
    let work = Workplace::new();
    for n in 1..=2 {
        work.write(&format!("log/2022040{n}.json"), day(n, N_BLOCK + 1000));
    }
    cluster.script(&["put", work.path("log").to_str().unwrap(), "/"]);
    cluster.script(&["fs", "-mkdir", "/empty", "/private", "/log/_temporary"]);
    cluster.script(&["fs", "-chmod", "700", "/private"]);
    let refused = |lake: &str, more: &[&str], most_s: u64, words: &[&str]| {
        let started = Instant::now();
        run(&work, &cluster, &[&["run", lake, "--out", "refused"], more].concat()).failed(3, words);
        assert!(started.elapsed() < Duration::from_secs(most_s), "{lake} took {:?}", started.elapsed());
        assert!(!work.path("refused/report.json").exists() && !work.path("refused/dashboard.html").exists());
    };
    refused(
        "hdfs:///gone",
        &[],
        30,
        &[&format!("{}: no such file or folder", cluster.uri("/gone")), "next: check the path"],
    );
    refused("hdfs:///gone*", &[], 30, &["matches no file or folder"]);
    refused("hdfs:///empty", &[], 30, &["/empty", "holds no data file"]);
    refused("hdfs:///private", &["--hdfs-user", "eve"], 30, &["permission denied: user=eve", "inode=\"/private\""]);
    refused("hdfs://127.0.0.1:1/log", &[], 30, &["hdfs://127.0.0.1:1", "cannot be reached", "host and port"]);
    refused("hdfs://no-such-host.invalid/log", &[], 30, &["no-such-host.invalid", "cannot be reached", "host name"]);
    // The port of the NameNode's web pages: somebody is there, but speaks another language.
    refused(&format!("hdfs://127.0.0.1:{}/log", cluster.port + 1), &[], 30, &["hdfs://127.0.0.1:", "next:"]);

    // The disk takes half a file and no more. When it does again, all of it comes.
    let full = command(&work, &cluster, &["run", "hdfs:///log", "--out", "refused"]);
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(full.get_program())
        .args(full.get_args())
        .envs(full.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(work.path(""))
        .output()
        .unwrap();
    Finished::of(limited).failed(3, &["cache/", "2022040", "File too large", "next: "]);
    assert!(!work.path("refused/report.json").exists());
    let n_bytes: u64 = (1..=2).map(|n| work.path(format!("log/2022040{n}.json")).metadata().unwrap().len()).sum();
    assert_eq!(extracted(&work, &cluster, "hdfs:///log"), (2, n_bytes));

    // A job that has not said that it is done.
    let warned = run(&work, &cluster, &["run", "hdfs:///log", "--out", "warned"]).ok();
    let warning = format!("warning: {} has _temporary and no _SUCCESS", cluster.uri("/log"));
    assert!(warned.stderr.contains(&warning), "{}", warned.stderr);

    // A file whose writer has not closed it. Its first blocks are there, the one that is being written is not.
    let text = day(3, 3 * N_BLOCK + N_BLOCK / 2);
    let mut writer = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/hdfs"))
        .args(["fs", "-put", "-d", "-", "/log/20220403.json"])
        .envs(cluster.environment())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = writer.stdin.take().unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while cluster
        .try_script(&["fs", "-stat", "%b", "/log/20220403.json"])
        .is_none_or(|n| n.trim() != (3 * N_BLOCK).to_string())
    {
        assert!(Instant::now() < deadline, "the blocks did not come");
    }
    refused("hdfs:///log", &[], 30, &["/log/20220403.json: is still being written", "3145728 bytes", "closed it"]);
    drop(pipe);
    assert!(writer.wait().unwrap().success());
    assert_eq!(extracted(&work, &cluster, "hdfs:///log"), (1, text.len() as u64));

    // Nobody answers.
    cluster.script(&["stop", "nn1"]);
    refused("hdfs:///log", &[], 60, &["gave no answer within 20 s", "check that it runs"]);
    // Nobody is asked.
    run(&work, &cluster, &["run", "hdfs:///log", "--offline", "--verify", "--out", "offline"]).ok();
    cluster.script(&["cont", "nn1"]);
    // A NameNode that has just started knows no DataNode: it is in safe mode, and no block has a place.
    cluster.script(&["kill", "dn1", "dn2", "nn1"]);
    cluster.script(&["start", "nn1"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while cluster.try_script(&["fs", "-ls", "/log"]).is_none() {
        assert!(Instant::now() < deadline, "the NameNode did not come up");
    }
    refused("hdfs:///log", &["--refresh"], 60, &["/log/2022040", "is in safe mode", "-safemode wait"]);
    for node in ["dn1", "dn2"] {
        cluster.script(&["start", node]);
    }
    cluster.script(&["wait"]);
    run(&work, &cluster, &["run", "hdfs:///log", "--refresh"]).ok();
    // All replicas are damaged.
    cluster.corrupt(&["dn1", "dn2"]);
    refused("hdfs:///log", &["--refresh"], 60, &["/log/2022040", "the block at byte ", "gave up after", "fsck"]);
}

#[test]
fn a_run_that_is_cut_off_is_taken_up_where_it_was() {
    const N_DAYS: usize = 5;
    // Ten seconds for all files: a busy machine takes two to kill a DataNode.
    let cluster = Cluster::up("cut", 19200, &["--throttle", &(SLOW / 3).to_string()]);
    let work = Workplace::new();
    for n in 1..=N_DAYS {
        work.write(&format!("log/2022040{n}.json"), day(n, 8 * N_BLOCK));
    }
    work.run([&["transform", "log", "--out", "here"], &ETL_DATE[..]].concat()).ok();
    work.run([&["run", "log", "--out", "here"], &ETL_DATE[..]].concat()).ok();
    cluster.script(&["put", work.path("log").to_str().unwrap(), "/"]);
    let words = |command| [&[command, "hdfs:///log", "--out", "there", "--jobs", "2"], &ETL_DATE[..]].concat();
    let pulled_before = |child: &mut std::process::Child| {
        let manifest = work.path("cache/manifest.jsonl");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let n_files = fs::read_to_string(&manifest).map_or(0, |text| text.lines().count());
            if n_files > 0 {
                break;
            }
            assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no file came");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let goes_on = |how: &str| {
        let n_complete = fs::read_to_string(work.path("cache/manifest.jsonl")).unwrap().lines().count();
        assert!((1..N_DAYS).contains(&n_complete), "{how}: {n_complete} files were there already");
        assert!(!work.path("there/report.json").exists() && !work.path("there/dashboard.html").exists());
        run(&work, &cluster, &words("transform")).ok();
        let report = work.read_json("there/report.json");
        let pull = report["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "pull").unwrap();
        let total: u64 =
            (1..=N_DAYS).map(|n| work.path(format!("log/2022040{n}.json")).metadata().unwrap().len()).sum();
        let n_pulled = pull["bytes"].as_u64().unwrap();
        assert!(n_pulled > 0 && n_pulled <= total - (n_complete * 8 * N_BLOCK) as u64, "{how}: {n_pulled} of {total}");
        run(&work, &cluster, &words("run")).ok();
        let rows = |out: &str| work.rows(&format!("{out}/warehouse.db"), "SELECT * FROM customer_behavior");
        assert!(rows("here") == rows("there") && rows("here").len() == 5000, "{how}");
        let [here, there] = ["here", "there"].map(|out| work.path(format!("{out}/month-2022-04.parquet")));
        assert!(placeless(&here) == placeless(&there), "{how}");
        for folder in ["cache", "there"] {
            fs::remove_dir_all(work.path(folder)).unwrap();
        }
    };

    // Killed. While it ran, nobody else could use its cache.
    let mut child =
        command(&work, &cluster, &words("run")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    pulled_before(&mut child);
    run(&work, &cluster, &words("extract")[..2]).failed(3, &[&format!("in use by process {}", child.id()), "--cache"]);
    child.kill().unwrap();
    child.wait().unwrap();
    goes_on("killed");

    // All DataNodes go.
    let mut child =
        command(&work, &cluster, &words("run")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    pulled_before(&mut child);
    cluster.script(&["kill", "dn1", "dn2", "dn3"]);
    let finished = Finished::of(child.wait_with_output().unwrap());
    finished.failed(3, &["/log/2022040", "the block at byte ", "gave up after", "fsck"]);
    for node in ["dn1", "dn2", "dn3"] {
        cluster.script(&["start", node]);
    }
    cluster.script(&["wait"]);
    goes_on("without DataNodes");
}

#[test]
fn the_tasks_of_a_lake_are_scanned_where_it_lies() {
    let cluster = Cluster::up("tasks", 19900, &["--datanodes", "2", "--block-size", "1048576"]);
    let work = Workplace::new();
    work.write("log/20220401.json", day(1, 3 * N_BLOCK + 1234));
    work.write("log/20220402.json.gz", crate::support::gzip(day(2, N_BLOCK).as_bytes()));
    work.write("log/20220403.json", "");
    // Its name belies how it is compressed.
    work.write("log/20220404.json", crate::support::gzip(day(4, 1000).as_bytes()));
    cluster.script(&["put", work.path("log").to_str().unwrap(), "/"]);
    run(&work, &cluster, &[&["transform", "hdfs:///log"], &ETL_DATE[..]].concat()).ok();
    let whole = work.read("viewmart-out/month-2022-04.parquet");
    for (name, split) in [("few", "2MiB"), ("many", "100KiB")] {
        let uncached = |words: &[&str]| {
            Finished::of(work.command(words).env("HADOOP_CONF_DIR", cluster.conf()).output().unwrap()).ok()
        };
        let plan = uncached(&["plan", "hdfs:///log", "--split", split]).stdout;
        let tasks = viewmart::lake::task::read_plan(&plan).unwrap();
        assert!(tasks.len() >= 2 && tasks.iter().all(|task| task.ranges[0].uri.starts_with(&cluster.uri("/log/"))));
        let parts: Vec<std::path::PathBuf> = plan
            .lines()
            .enumerate()
            .map(|(n, task)| {
                let out = format!("{name}/{n}.parquet");
                uncached(&["scan", "--task", task, "--out", &out, ETL_DATE[0], ETL_DATE[1]]);
                work.path(out)
            })
            .collect();
        let mut merged = Vec::new();
        month_file::Merge::open(&parts, &month_file::MergeOptions::default()).unwrap().write(&mut merged).unwrap();
        assert!(merged == whole, "{split}");
        let task = plan.lines().next().unwrap().to_owned();
        let gone = task.replace("\"tag\":\"", "\"tag\":\"1");
        let words = ["scan", "--task", &gone, "--out", "gone.parquet"];
        Finished::of(work.command(words).env("HADOOP_CONF_DIR", cluster.conf()).output().unwrap())
            .failed(3, &["/log/20220401.json", "its time is", "make the plan again"]);
    }
}
