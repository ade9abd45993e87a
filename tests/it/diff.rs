//! `viewmart diff`: month files and months in a warehouse, side by side.

use crate::support::{Finished, Workplace, record};

const APRIL: &str = "april/month-2022-04.parquet";
const AGAIN: &str = "again/month-2022-04.parquet";

/// Two versions of a month, as files and each in a warehouse of its own.
fn two_months(work: &Workplace) {
    let first = [record("A", "VOD", 5), record("B", "CHANNEL", 7), record("C", "SPORT", 1)].concat();
    work.write("lake/20220401.json", &first);
    work.run(["run", "lake", "--out", "april", "--etl-date", "2022-05-01"]).ok();
    work.write(
        "lake/20220401.json",
        [record("A", "VOD", 5), record("B", "KPLUS", 8), record("D", "VOD", 100)].concat(),
    );
    work.write("lake/20220402.json", record("B", "VOD", 10));
    work.run(["run", "lake", "--out", "again", "--etl-date", "2022-05-02"]).ok();
}

fn diff(work: &Workplace, arguments: &[&str]) -> Finished {
    work.run(["diff"].iter().chain(arguments))
}

#[test]
fn months_that_are_equal_exit_0_and_others_7() {
    let work = Workplace::new();
    two_months(&work);
    let warehouse = |out: &str| format!("sqlite:{out}/warehouse.db#2022-04");
    let (april, again) = (warehouse("april"), warehouse("again"));
    for other in [APRIL, "april", &april] {
        // Of a folder the month files count.
        let equal = diff(&work, &[APRIL, other]).ok();
        assert!(equal.stdout.ends_with("they are equal\n"), "{}", equal.stdout);
    }
    for (a, b) in [(APRIL, AGAIN), (&april, AGAIN), (APRIL, &again), (&april, &again)] {
        let differs = diff(&work, &[a, b]);
        assert_eq!(differs.code, Some(7), "{}", differs.stderr);
        for part in ["1 only in A", "1 only in B", "1 changed of 2 in both", "1 Tv -> Movie", "1 Tv -> Movie_Tv"] {
            assert!(differs.stdout.contains(part), "{part} is missing in:\n{}", differs.stdout);
        }
        assert_eq!(diff(&work, &[a, b, "--quiet"]).stdout, "");
    }
    let of_setting = ["#2022-04", AGAIN, "--warehouse", "sqlite:april/warehouse.db", "--json"];
    let found: serde_json::Value = serde_json::from_str(&diff(&work, &of_setting).stdout).unwrap();
    assert_eq!(found["a"]["source"], "sqlite:april/warehouse.db#2022-04");
    assert_eq!(found["changed_by_column"]["Days"], 0, "a warehouse has none");
}

#[test]
fn json_and_the_list_have_everything() {
    let work = Workplace::new();
    two_months(&work);
    let finished = diff(&work, &[APRIL, AGAIN, "--json", "--top", "2", "--out", "lists/changes.csv"]);
    assert_eq!(finished.code, Some(7));
    let found: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    let seconds = |movie: i64, tv: i64| serde_json::json!({"Movie": movie, "Sport": 0, "Child": 0, "Relax": 0, "Tv": tv, "Total": movie + tv});
    assert_eq!(found["equal"], false);
    assert_eq!((&found["only_in_a"], &found["only_in_b"], &found["in_both"]), (&1.into(), &1.into(), &2.into()));
    assert_eq!((&found["b"]["customers"], &found["b"]["seconds"]), (&3.into(), &seconds(115, 8)));
    assert_eq!(found["most_watch_moves"], serde_json::json!([{"a": "Tv", "b": "Movie", "customers": 1}]));
    assert_eq!(
        found["largest"],
        serde_json::json!([
            {"contract": "D", "moved": 100, "a": null, "b": seconds(100, 0)},
            {"contract": "B", "moved": 11, "a": seconds(0, 7), "b": seconds(10, 8)},
        ])
    );
    let list = work.read_text("lists/changes.csv");
    let lines: Vec<&str> = list.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(lines, ["Contract", "B", "C", "D"]);
    assert!(finished.stderr.contains("wrote lists/changes.csv"), "{}", finished.stderr);
}

#[test]
fn what_cannot_be_compared_says_why() {
    let work = Workplace::new();
    two_months(&work);
    work.write("text.parquet", "no month");
    diff(&work, &[APRIL]).failed(2, &["<B>"]);
    diff(&work, &[APRIL, "missing.parquet"]).failed(2, &["missing.parquet", "no such file"]);
    diff(&work, &[APRIL, "text.parquet", "--out", "list.csv"]).failed(4, &["text.parquet"]);
    assert!(!work.path("list.csv").exists());
    let warehouse = "sqlite:april/warehouse.db";
    diff(&work, &[APRIL, warehouse]).failed(2, &[warehouse, "URL#YYYY-MM"]);
    diff(&work, &[APRIL, &format!("{warehouse}#2022-05")]).failed(2, &["no month 2022-05", "it has 2022-04"]);
    diff(&work, &[APRIL, "mysql://u:secret@h/db#2022-04"]).failed(2, &["mysql://u:***@h/db"]);
}
