//! `scripts/spark/viewmart_spark.py` on a cluster of Spark. `tests/spark/check.py` has the cases.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use crate::hdfs::cluster::Cluster;
use crate::support::Workplace;

/// Runs the script of the cases; it brings what it needs of Python.
fn check(arguments: &[&OsStr]) {
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark/check.py"))
        .arg("--tools")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("spark-tools"))
        .args(arguments)
        .output()
        .expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
}

const BINARY: &str = env!("CARGO_BIN_EXE_viewmart");

#[test]
fn a_month_by_spark_is_that_of_one_machine_or_none() {
    let work = Workplace::new();
    check(&[BINARY.as_ref(), work.path("").as_ref()]);
}

#[test]
fn spark_reads_a_month_where_it_lies_in_hdfs() {
    // What it needs first: others wait for their turn to have a cluster of HDFS.
    check(&[]);
    let work = Workplace::new();
    work.run(["generate", "lake", "--contracts", "30000", "--days", "2"]).ok();
    let hdfs = Cluster::up("spark", 20000, &["--datanodes", "2"]);
    hdfs.script(&["put", work.path("lake").to_str().unwrap(), "/"]);
    let (folder, lake, conf) = (work.path("spark"), hdfs.uri("/lake"), hdfs.conf());
    let [port, number, at, with] = ["--port", "23750", "--hdfs", "--hadoop-conf"].map(OsStr::new);
    check(&[BINARY.as_ref(), folder.as_ref(), port, number, at, lake.as_ref(), with, conf.as_ref()]);
}
