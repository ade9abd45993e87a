//! Whole runs: exact values, the same bytes whatever the threads and names, nothing half done.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use viewmart::engine::month::MonthTable;
use viewmart::month_file;

use crate::support::{Workplace, record};
use crate::tiny;

/// Rows as text, to compare with constants.
fn texts<const N: usize>(rows: &[[&str; N]]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(|value| (*value).to_owned()).collect()).collect()
}

const CUSTOMERS_SQL: &str = "SELECT Contract, MovieDuration, SportDuration, ChildDuration, RelaxDuration, TvDuration, \
                             TotalDuration, MostWatch, Taste, Activeness FROM customer_behavior ORDER BY Month, Contract";

#[test]
fn every_value_of_three_tiny_days() {
    let work = Workplace::new();
    tiny::write_lake(&work);
    work.run(tiny::arguments("run")).ok();
    let warehouse = "viewmart-out/warehouse.db";
    let mart = "viewmart-out/mart.db";

    assert_eq!(work.rows(warehouse, CUSTOMERS_SQL), texts(&tiny::CUSTOMERS));
    assert_eq!(
        work.rows(warehouse, "SELECT DISTINCT Month, Date FROM customer_behavior"),
        texts(&[["2022-04-01", "2022-05-01"]])
    );
    let days = "SELECT Day, ActiveUsers, Records, MovieDuration, SportDuration, ChildDuration, RelaxDuration, TvDuration, \
                TotalDuration FROM daily_activity ORDER BY Day";
    assert_eq!(work.rows(warehouse, days), texts(&tiny::DAYS));
    assert_eq!(
        work.rows(
            warehouse,
            "SELECT Contract, ChilDuration, Tase, MostWatch FROM customer_behavior_seed WHERE Contract = 'B2'"
        ),
        texts(&[["B2", "100", "Relax_Child_Sport", "Relax"]])
    );

    let totals = "SELECT Month, TotalUser, Total_MovieDuration, Total_SportDuration, Total_ChildDuration, \
                  Total_RelaxDuration, Total_TvDuration, TotalDuration FROM summary_customer";
    assert_eq!(work.rows(mart, totals), texts(&[["2022-04-01", "7", "82", "120", "100", "250", "86501", "87053"]]));
    let categories = "SELECT Category, Users, Seconds, MostWatchUsers FROM category_audience ORDER BY Category";
    assert_eq!(
        work.rows(mart, categories),
        texts(&[
            ["Child", "1", "100", "0"],
            ["Movie", "3", "82", "2"],
            ["Relax", "2", "250", "1"],
            ["Sport", "2", "120", "1"],
            ["Tv", "2", "86501", "2"]
        ])
    );
    assert_eq!(
        work.rows(mart, "SELECT ActiveDays, Users FROM activeness_distribution ORDER BY ActiveDays"),
        texts(&[["1", "4"], ["2", "2"], ["3", "1"]])
    );
    assert_eq!(
        work.rows(mart, "SELECT Taste, Users FROM taste_distribution ORDER BY Taste"),
        texts(&[
            ["Movie", "2"],
            ["No", "1"],
            ["Relax_Child_Sport", "1"],
            ["Relax_Movie_Tv", "1"],
            ["Sport", "1"],
            ["Tv", "1"]
        ])
    );
    assert_eq!(
        work.rows(mart, "SELECT Place, Contract, TotalDuration, Taste, Activeness FROM top_customers ORDER BY Place"),
        texts(&[
            ["1", "A1", "86700", "Relax_Movie_Tv", "3"],
            ["2", "B2", "300", "Relax_Child_Sport", "2"],
            ["3", "A1 ", "30", "Movie", "1"],
            ["4", "a1", "20", "Sport", "1"],
            ["5", "E\u{301}", "2", "Movie", "1"],
            ["6", "É", "1", "Tv", "1"],
            ["7", "Z9", "0", "No", "2"]
        ])
    );
    assert_eq!(
        work.rows(mart, "SELECT Reason, Records FROM data_quality WHERE Records > 0 ORDER BY Reason"),
        texts(&[
            ["bad_duration", "1"],
            ["kept", "13"],
            ["long_contract", "1"],
            ["malformed", "2"],
            ["negative_duration", "1"],
            ["no_app", "1"],
            ["no_contract", "1"],
            ["over_day", "1"],
            ["unmapped_app", "1"]
        ])
    );
    assert_eq!(work.rows(mart, "SELECT App FROM data_quality WHERE Reason = 'unmapped_app'"), texts(&[["XYZ"]]));
    assert!(work.read_text("viewmart-out/dashboard.html").to_lowercase().starts_with("<!doctype html>"));
    check_report(&work.read_json("viewmart-out/report.json"));
    check_rejects(&work);
}

#[track_caller]
fn check_report(found: &serde_json::Value) {
    let mut found = found.clone();
    let object = found.as_object_mut().unwrap();
    for volatile in ["stages", "wall_s", "peak_rss_bytes", "threads", "backend", "rules"] {
        assert!(object.remove(volatile).is_some(), "{volatile}");
    }
    // Other tests are about these.
    for place in ["started", "finished", "run", "warehouse", "outputs"] {
        assert!(object.remove(place).is_some(), "{place}");
    }
    object.get_mut("input").unwrap().as_object_mut().unwrap().remove("bytes").unwrap();
    assert_eq!(found, tiny::report());
}

/// Every reject is in place, and its offset leads to its raw text.
#[track_caller]
fn check_rejects(work: &Workplace) {
    let text = work.read_text("viewmart-out/rejects.ndjson");
    let rejects: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found: Vec<(&str, &str)> =
        rejects.iter().map(|r| (r["file"].as_str().unwrap(), r["reason"].as_str().unwrap())).collect();
    assert_eq!(found, tiny::REJECTS);
    for reject in &rejects {
        let bytes = work.read(reject["file"].as_str().unwrap());
        let at = usize::try_from(reject["offset"].as_u64().unwrap()).unwrap();
        let raw = reject["raw"].as_str().unwrap();
        assert_eq!(std::str::from_utf8(&bytes[at..at + raw.len()]).unwrap(), raw);
        assert!(at == 0 || bytes[at - 1] == b'\n', "{reject}");
    }
}

#[test]
fn the_stages_one_by_one_give_what_run_gives() {
    let work = Workplace::new();
    tiny::write_lake(&work);
    work.run(tiny::arguments("run")).ok();
    let out = ["--out", "steps"];
    work.run(tiny::arguments("transform").iter().map(String::as_str).chain(out)).ok();
    check_report(&work.read_json("steps/report.json"));
    work.run(["load", "steps/month-2022-04.parquet", "--out", "steps", "--max-reject-ratio", "1"]).ok();
    work.run(["mart", "--month", "2022-04", "--out", "steps"]).ok();
    work.run(["dashboard", "--month", "2022-04", "--out", "steps"]).ok();
    assert_eq!(work.rows("steps/warehouse.db", CUSTOMERS_SQL), texts(&tiny::CUSTOMERS));
    for table in ["summary_customer", "category_audience", "top_customers", "data_quality", "daily_audience"] {
        let sql = format!("SELECT * FROM {table} ORDER BY 1, 2, 3");
        assert_eq!(work.rows("steps/mart.db", &sql), work.rows("viewmart-out/mart.db", &sql), "{table}");
    }
    for name in ["month-2022-04.parquet", "rejects.ndjson"] {
        assert!(work.read(&format!("steps/{name}")) == work.read(&format!("viewmart-out/{name}")), "{name}");
    }
}

#[test]
fn other_months_stay_and_a_month_is_replaced() {
    let work = Workplace::new();
    work.write("march/20220301.json", record("A", "VOD", 5));
    work.write("april/20220401.json", record("A", "VOD", 7));
    work.write("again/20220401.json", record("B", "VOD", 9));
    for lake in ["march", "april", "again"] {
        work.run(["run", lake]).ok();
    }
    let expected = texts(&[["2022-03-01", "A", "5"], ["2022-04-01", "B", "9"]]);
    let sql = "SELECT Month, Contract, TotalDuration FROM customer_behavior ORDER BY Month";
    assert_eq!(work.rows("viewmart-out/warehouse.db", sql), expected);
    let sql = "SELECT Month, Contract, TotalDuration FROM top_customers ORDER BY Month";
    assert_eq!(work.rows("viewmart-out/mart.db", sql), expected);
}

/// A month big enough to be split, with rejects in it.
fn write_month(work: &Workplace, lake: &str, names: impl Fn(u32) -> String, n_records: u32) {
    for day in 1..=3_u32 {
        let lines: String = (0..n_records)
            .map(|n| {
                let seconds = i64::from(n % 700) - 5;
                let app = ["CHANNEL", "VOD", "CHILD", "SPORT", "RELAX", "NOBODY"][(n % 6) as usize];
                record(&format!("C{:05}", n.wrapping_mul(2_654_435_761) % 997 + day), app, seconds)
            })
            .collect();
        work.write(&format!("{lake}/{}", names(day)), lines);
    }
}

/// The month without the places of its files, which the month file holds.
fn placeless(month_file: &Path) -> MonthTable {
    let mut table = month_file::read(month_file).unwrap();
    assert!(table.detail.files.iter().all(|ledger| ledger.file.uri.starts_with("file:///")));
    table.detail.files.clear();
    table
}

/// The month file and the rejects. The names of the files stand in the rejects, so they are compared without them.
fn made(work: &Workplace, lake: &str, more: &[&str]) -> (Vec<u8>, Vec<(u64, String)>) {
    let out = format!("out-{lake}-{}", more.join(""));
    let arguments = ["transform", lake, "--etl-date", "2022-05-01", "--max-reject-ratio", "1", "--out", &out];
    work.run(arguments.into_iter().chain(more.iter().copied())).ok();
    let rejects = work.read_text(&format!("{out}/rejects.ndjson"));
    let mut rejects: Vec<(u64, String)> = rejects
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|r| (r["offset"].as_u64().unwrap(), r["raw"].as_str().unwrap().to_owned()))
        .collect();
    rejects.sort();
    (work.read(&format!("{out}/month-2022-04.parquet")), rejects)
}

#[test]
fn threads_and_file_order_change_nothing() {
    let work = Workplace::new();
    let n_records = 3000;
    write_month(&work, "lake", |day| format!("2022040{day}.json"), n_records);
    write_month(&work, "shuffled", |day| format!("{}-2022-04-0{day}.json", 9 - day), n_records);
    let (month_file, rejects) = made(&work, "lake", &["--threads", "1"]);
    assert!(rejects.len() > 100);
    for threads in ["2", "3", "8"] {
        let (other_month_file, other_rejects) = made(&work, "lake", &["--threads", threads]);
        assert!(month_file == other_month_file, "{threads} threads");
        assert!(rejects == other_rejects, "{threads} threads");
        assert_eq!(
            work.read("out-lake---threads1/rejects.ndjson"),
            work.read(&format!("out-lake---threads{threads}/rejects.ndjson"))
        );
    }
    let (other_month_file, other_rejects) = made(&work, "shuffled", &["--threads", "2"]);
    assert!(month_file != other_month_file, "the files lie elsewhere");
    let [one, other] =
        ["out-lake---threads1", "out-shuffled---threads2"].map(|out| work.path(format!("{out}/month-2022-04.parquet")));
    assert!(placeless(&one) == placeless(&other), "shuffled names");
    assert!(rejects == other_rejects, "shuffled names");
}

#[test]
fn a_killed_run_leaves_the_last_good_month() {
    let work = Workplace::new();
    write_month(&work, "good", |day| format!("2022040{day}.json"), 500);
    write_month(&work, "next", |day| format!("2022040{day}.json"), 4000);
    let arguments = |lake| ["run", lake, "--etl-date", "2022-05-01", "--max-reject-ratio", "1", "--threads", "2"];
    work.run(arguments("good")).ok();
    let rows = |work: &Workplace| {
        (
            work.rows("viewmart-out/warehouse.db", "SELECT * FROM customer_behavior ORDER BY 1, 2"),
            work.rows("viewmart-out/warehouse.db", "SELECT * FROM daily_activity ORDER BY 1, 2"),
        )
    };
    let good = rows(&work);
    let started = std::time::Instant::now();
    work.run(["run", "next", "--etl-date", "2022-05-01", "--max-reject-ratio", "1", "--out", "undisturbed"]).ok();
    let whole_run = started.elapsed();
    let next = work.rows("undisturbed/warehouse.db", "SELECT * FROM customer_behavior ORDER BY 1, 2");
    assert!(good.0 != next);

    const N_KILLS: u32 = 12;
    for kill in 0..N_KILLS {
        let mut child = work.command(arguments("next")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole_run.mul_f64(f64::from(kill) / f64::from(N_KILLS)).min(Duration::from_secs(20)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = rows(&work);
        assert!(found.0 == good.0 && found.1 == good.1 || found.0 == next, "kill {kill} left a part");
        // The next run just works, and the one after the kill begins from the same place again.
        if kill % 4 == 3 {
            work.run(arguments("next")).ok();
            assert!(rows(&work).0 == next);
            assert!(no_parts(&work.path("viewmart-out")));
        }
        work.run(arguments("good")).ok();
        assert!(rows(&work) == good);
    }
}

/// Whether no half-written file lies in the folder.
fn no_parts(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("part"))
}
