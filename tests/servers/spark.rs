//! `scripts/spark/viewmart_spark.py` under Spark. `tests/spark/check.py` has the cases.

use std::path::Path;
use std::process::Command;

use crate::support::Workplace;

#[test]
fn a_month_by_spark_is_that_of_one_machine_or_none() {
    let work = Workplace::new();
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark/check.py"))
        .arg("--tools")
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("spark-tools"))
        .arg(env!("CARGO_BIN_EXE_viewmart"))
        .arg(work.path(""))
        .output()
        .expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
}
