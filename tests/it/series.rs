//! Many months in one run: which are made and why, what stands when one fails or all are killed, what others are told.

use std::process::{Child, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Finished, Workplace, record};
use crate::told::kinds;

pub(crate) const WAREHOUSE: &str = "sqlite:shared/warehouse.db";
/// Other labels than those of the default rules.
const OTHER_RULES: &str = "extends = \"default\"\nname = \"other\"\n[labels]\ntaste = \"nonzero\"\n[category]\n\
    Movie = [\"VOD\", \"X\"]\n";

/// Writes months of two days; which customers a month has depends on its place.
pub(crate) fn write_months(work: &Workplace, months: &[&str], n_customers: usize) {
    for (place, month) in months.iter().enumerate() {
        for day in 1..=2 {
            let customers = (0..n_customers).filter(|n| n % (place + 2) != 0);
            let records = customers.map(|n| {
                let app = ["VOD", "CHANNEL", "X"][(n + place + day) % 3];
                record(&format!("{n:05}"), app, 60 * (1 + (n * (place + 1)) % 50) as i64)
            });
            let name = format!("lake/{}{day:02}.json", month.replace('-', ""));
            work.write(&name, records.collect::<String>());
        }
    }
}

/// The words of a run over several months.
pub(crate) fn words<'a>(months: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["run", "lake", "--month", months, "--warehouse", WAREHOUSE, "--etl-date", "2023-01-01"];
    words.into_iter().chain(["--max-unmapped-ratio", "1"]).chain(more.iter().copied()).collect()
}

pub(crate) fn run(work: &Workplace, months: &str, more: &[&str]) -> Finished {
    work.run(words(months, more))
}

/// Month, why and fate of each month of a report.
pub(crate) fn fates(report: &Value) -> Vec<String> {
    let text = |month: &Value, key: &str| month[key].as_str().unwrap().to_owned();
    let fate = |month: &Value| ["month", "why", "status"].map(|key| text(month, key)).join(" ");
    report["months"].as_array().unwrap().iter().map(fate).collect()
}

pub(crate) fn fates_of(work: &Workplace, months: &str, more: &[&str]) -> Vec<String> {
    let more: Vec<&str> = more.iter().copied().chain(["--json"]).collect();
    fates(&serde_json::from_str(&run(work, months, &more).stdout).unwrap())
}

pub(crate) fn sql(work: &Workplace, file: &str, sql: &str) {
    Connection::open(work.path("shared").join(file)).unwrap().execute_batch(sql).unwrap();
}

/// What readers see of customers and movement, runs aside.
fn visible(work: &Workplace, folder: &str) -> Vec<Vec<Vec<String>>> {
    let of = |file: &str, table: &str, columns: &str| {
        work.rows(&format!("{folder}/{file}"), &format!("SELECT {columns} FROM {table} ORDER BY {columns}"))
    };
    vec![
        of("warehouse.db", "customer_behavior", "Month, Contract, TotalDuration, MostWatch, Taste, Activeness"),
        of("mart.db", "summary_customer", "Month, TotalUser, TotalDuration"),
        of("mart.db", "customer_movement", "Month, Kind, Users, Seconds, SecondsBefore"),
        of("mart.db", "taste_movement", "Month, TasteBefore, Taste, Users"),
        of("mart.db", "activeness_movement", "Month, BandBefore, Band, Users"),
    ]
}

#[test]
fn months_are_made_where_they_changed() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02", "2022-04"], 30);
    work.write("other.toml", OTHER_RULES);
    let check = |months: &str, more: &[&str], expected: &[&str]| {
        assert_eq!(fates_of(&work, months, more), expected, "{months} {more:?}");
    };
    let all_new = ["2022-01 new planned", "2022-02 new planned", "2022-04 new planned"];
    check("all", &["--dry-run"], &all_new);
    assert!(!work.path("shared").exists() && !work.path("viewmart-out").exists(), "a dry run leaves nothing");
    check("2022-02..2022-03", &[], &["2022-02 new published", "2022-03 no_files left"]);
    check("all", &[], &["2022-01 new published", "2022-02 up_to_date left", "2022-04 new published"]);
    let left = ["2022-01 up_to_date left", "2022-02 up_to_date left", "2022-04 up_to_date left"];
    check("all", &[], &left);
    check("all", &["--max-rejects-kept", "5", "--threads", "1"], &left);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run"), [["3"]]);

    // Files: later ones, and another format.
    write_months(&work, &["2022-01"], 31);
    check("2022-01..2022-02", &[], &["2022-01 files_changed published", "2022-02 up_to_date left"]);
    check("2022-02", &["--format", "csv", "--dry-run"], &["2022-02 format_changed planned"]);
    // What is missing is made alone.
    sql(&work, "mart.db", "DELETE FROM mart_run WHERE Month = '2022-02-01'");
    let file = work.read("viewmart-out/month-2022-04.parquet");
    std::fs::remove_file(work.path("viewmart-out/month-2022-04.parquet")).unwrap();
    let mended =
        ["2022-01 up_to_date left", "2022-02 mart_missing mart_built", "2022-04 outputs_missing files_written"];
    check("all", &[], &mended);
    assert!(work.read("viewmart-out/month-2022-04.parquet") == file);
    check("all", &[], &left);
    assert_eq!(work.rows("shared/warehouse.db", "SELECT COUNT(*) FROM etl_run"), [["4"]]);

    // Devices are a part of the rules.
    let counted = ["2022-01 rules_changed planned", "2022-02 rules_changed planned", "2022-04 rules_changed planned"];
    check("all", &["--devices", "--dry-run"], &counted);

    // Rules: all months, from the last one.
    let other = ["--rules", "other.toml"];
    check(
        "all",
        &[&other[..], &["--reprocess", "missing"]].concat(),
        &["2022-01 rules_changed left", "2022-02 rules_changed left", "2022-04 rules_changed left"],
    );
    check(
        "all",
        &[&other[..], &["--backwards"]].concat(),
        &["2022-04 rules_changed published", "2022-02 rules_changed published", "2022-01 rules_changed published"],
    );
    let page = work.read_text("viewmart-out/dashboard.html");
    assert!(page.contains("2022-01") && page.contains("2022-04"));
    let undisturbed = [&other[..], &["--warehouse", "sqlite:alone/warehouse.db", "--out", "alone-out"]].concat();
    let words = ["run", "lake", "--etl-date", "2023-01-01", "--month", "all"];
    work.run(words.iter().chain(&undisturbed)).ok();
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    check(
        "all",
        &["--reprocess", "all", "--rules", "other.toml", "--dry-run"],
        &["2022-01 up_to_date planned", "2022-02 up_to_date planned", "2022-04 up_to_date planned"],
    );
}

#[test]
fn the_plan_comes_first_and_a_table_last() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    let done = run(&work, "2022-01..2022-03", &["--report", "all.json"]).ok();
    let lines: Vec<&str> = done.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
    assert_eq!(lines[0], "month    files     size  why                   plan");
    assert!(
        lines[1].starts_with("2022-01      2  ") && lines[1].ends_with("  new                   make"),
        "{}",
        lines[1]
    );
    assert_eq!(lines[3], "2022-03      0      0 B  no files in the lake  -");
    assert!(lines[4].starts_with("2 of 3 months to make, "), "{}", lines[4]);
    assert!(lines[5].starts_with("2022-01  published       ") && lines[5].contains("(1 of 3, about "), "{}", lines[5]);
    assert!(lines[7].starts_with("2022-03  left as it was  ") && lines[7].ends_with("(3 of 3)"), "{}", lines[7]);
    assert!(done.stdout.starts_with("month    why                   what became of it  records"), "{}", done.stdout);
    let last: Vec<&str> = done.stdout.lines().skip(4).collect();
    assert!(last[0].starts_with("3 months in ") && last[1].ends_with("shared/warehouse.db"), "{}", done.stdout);
    assert!(last[2].starts_with("mart       ") && last[2].ends_with("shared/mart.db"), "{}", done.stdout);
    assert_eq!(last[3..], ["open       viewmart-out/dashboard.html"]);
    let report = work.read_json("viewmart-out/report.json");
    assert_eq!(report, work.read_json("all.json"));
    assert_eq!(fates(&report), ["2022-01 new published", "2022-02 new published", "2022-03 no_files left"]);
    assert_eq!(report["months"][0]["run"], "1");
    assert_eq!(report["months"][1]["records"], work.read_json("viewmart-out/month-2022-02.report.json")["records"]);
    // Nothing is made: nothing is warned of.
    let quiet = run(&work, "all", &["--quiet"]).ok();
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
}

#[test]
fn a_month_that_fails_leaves_the_others() {
    let months = ["2022-01", "2022-02", "2022-03"];
    let check = |more: &[&str], expected: &[&str]| {
        let work = Workplace::new();
        write_months(&work, &months, 30);
        work.write("lake/20220201.json", "no record\n".repeat(2000));
        let found = run(&work, "all", more);
        assert_eq!(found.code, Some(4), "{}", found.stderr);
        assert!(found.stderr.contains("viewmart: 2022-02: "), "{}", found.stderr);
        assert_eq!(fates(&work.read_json("viewmart-out/report.json")), expected);
        work
    };
    let work = check(&[], &["2022-01 new published", "2022-02 new refused", "2022-03 new published"]);
    let failure = &work.read_json("viewmart-out/report.json")["months"][1];
    assert_eq!(
        (&failure["exit"], &failure["stage"], &failure["input"]["files"]),
        (&4.into(), &"data".into(), &2.into())
    );
    write_months(&work, &months[..2], 30);
    sql(&work, "warehouse.db", "DELETE FROM etl_run WHERE Month = '2022-02-01' AND Status = 'published'");
    assert_eq!(
        fates_of(&work, "all", &["--reprocess", "failed"])[1..],
        ["2022-02 new published", "2022-03 up_to_date left"]
    );
    check(&["--stop-on-failure"], &["2022-01 new published", "2022-02 new refused", "2022-03 new not_reached"]);
    check(
        &["--stop-on-failure", "--backwards"],
        &["2022-03 new published", "2022-02 new refused", "2022-01 new not_reached"],
    );
}

/// The names of a month's stages in the order in which they ended.
fn stages(work: &Workplace, month: &str) -> Vec<String> {
    let report = work.read_json(&format!("viewmart-out/month-{month}.report.json"));
    report["stages"].as_array().unwrap().iter().map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_month_is_read_while_the_one_before_it_is_loaded() {
    let months = ["2022-01", "2022-02", "2022-04"];
    let work = Workplace::new();
    write_months(&work, &months, 30);
    run(&work, "all", &["--lineage", "events.ndjson"]).ok();
    let behind = ["load", "mart", "write", "workbook", "dashboard"];
    assert_eq!(stages(&work, months[0]), [&["scan", "aggregate", "columns"][..], &behind].concat());
    for pair in months.windows(2) {
        assert_eq!(stages(&work, pair[1]), [&["scan", "aggregate", "columns", "wait"][..], &behind].concat());
        let moment = |month: &str, key: &str| {
            let report = work.read_json(&format!("viewmart-out/month-{month}.report.json"));
            report[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
        };
        assert!(moment(pair[1], "started") < moment(pair[0], "finished"));
    }
    // What others see of it is in order all the same.
    assert_eq!(kinds(&work), ["START", "COMPLETE", "START", "COMPLETE", "START", "COMPLETE"]);
    let runs = "SELECT Id, Month FROM etl_run ORDER BY Id";
    assert_eq!(work.rows("shared/warehouse.db", runs), [["1", "2022-01-01"], ["2", "2022-02-01"], ["3", "2022-04-01"]]);
}

#[test]
fn what_fails_ahead_fails_in_its_turn() {
    let check = |more: &[&str], expected: &[&str], runs: &[[&str; 2]]| {
        let work = Workplace::new();
        write_months(&work, &["2022-01", "2022-02", "2022-03"], 30);
        // Not read to its end: the month fails while it is read, not when it is judged.
        work.write("lake/20220203.json.gz", [0x1f, 0x8b, 8, 0, 0]);
        let more = [more, &["--lineage", "events.ndjson"]].concat();
        assert_eq!(run(&work, "all", &more).code, Some(3));
        assert_eq!(fates(&work.read_json("viewmart-out/report.json")), expected, "{more:?}");
        assert_eq!(work.rows("shared/warehouse.db", "SELECT Month, Status FROM etl_run ORDER BY Id"), runs, "{more:?}");
        assert_eq!(work.read_json("viewmart-out/report-refused.json")["month"], "2022-02");
        assert!(!work.path("viewmart-out/month-2022-02.parquet").exists());
        kinds(&work)
    };
    let (good, bad, last) = (["2022-01-01", "published"], ["2022-02-01", "failed"], ["2022-03-01", "published"]);
    let told =
        check(&[], &["2022-01 new published", "2022-02 new failed", "2022-03 new published"], &[good, bad, last]);
    assert_eq!(told, ["START", "COMPLETE", "START", "FAIL", "START", "COMPLETE"]);
    let told = check(
        &["--stop-on-failure"],
        &["2022-01 new published", "2022-02 new failed", "2022-03 new not_reached"],
        &[good, bad],
    );
    assert_eq!(told, ["START", "COMPLETE", "START", "FAIL"]);
}

#[test]
fn several_months_belong_to_run_alone() {
    let work = Workplace::new();
    write_months(&work, &["2022-01"], 3);
    let check = |words: &[&str], code: i32, said: &[&str]| work.run(words).failed(code, said);
    check(&["transform", "lake", "--month", "all"], 2, &["several months", "only `viewmart run` takes several"]);
    check(&["drop", "--month", "2022-01..2022-02"], 2, &["several months"]);
    check(&["run", "lake", "--month", "2022-02..2022-01"], 2, &["the last month is before the first"]);
    check(&["run", "lake", "--month", "2023-01..2023-02"], 3, &["has no file of 2023-01; it has 2022-01 (2 files)"]);
    write_months(&work, &["2022-01", "2022-02"], 3);
    check(&["run", "lake", "--dry-run"], 3, &["holds several months"]);
}

pub(crate) fn spawn(work: &Workplace, words: &[&str]) -> Child {
    work.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn killed_at_random_and_resumed_no_month_is_lost_or_made_twice() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03", "2022-05"];
    write_months(&work, &months, 400);
    work.write("other.toml", OTHER_RULES);
    run(&work, "all", &[]).ok();
    let started = Instant::now();
    let alone = ["--rules", "other.toml", "--warehouse", "sqlite:alone/warehouse.db", "--out", "alone-out"];
    run(&work, "all", &["--dry-run"]).ok();
    work.run(["run", "lake", "--etl-date", "2023-01-01", "--month", "all"].iter().chain(&alone)).ok();
    let whole_run = started.elapsed();
    let before = work
        .rows("shared/warehouse.db", "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1");
    let after =
        work.rows("alone/warehouse.db", "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1");
    const N_KILLS: u32 = 20;
    let words = words("all", &["--rules", "other.toml"]);
    for kill in 0..N_KILLS {
        let mut child = spawn(&work, &words);
        // Points that are spread over a run and follow no order.
        std::thread::sleep(whole_run.mul_f64(f64::from(kill * 7 % N_KILLS) / f64::from(2 * N_KILLS)));
        child.kill().unwrap();
        child.wait().unwrap();
        let found = work.rows(
            "shared/warehouse.db",
            "SELECT Month, COUNT(*), SUM(TotalDuration) FROM customer_behavior GROUP BY 1",
        );
        for (place, month) in found.iter().enumerate() {
            assert!(*month == before[place] || *month == after[place], "kill {kill} left a part of {month:?}");
        }
        assert_eq!(found.len(), months.len());
    }
    run(&work, "all", &["--rules", "other.toml"]).ok();
    let made = "SELECT Month, COUNT(*) FROM etl_run WHERE Status = 'published' AND RulesName = 'other' GROUP BY 1";
    let once = months.map(|month| [format!("{month}-01"), "1".to_owned()]);
    assert_eq!(work.rows("shared/warehouse.db", made), once);
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    for month in months {
        let files = ["parquet", "report.json"].map(|ending| format!("month-{month}.{ending}"));
        assert!(work.read(&format!("viewmart-out/{}", files[0])) == work.read(&format!("alone-out/{}", files[0])));
        assert_eq!(work.read_json(&format!("viewmart-out/{}", files[1]))["rules"]["name"], "other");
    }
}

#[test]
fn two_runs_at_once_are_safe() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03", "2022-04"];
    write_months(&work, &months, 100);
    let children = [["--out", "one"], ["--out", "two"]].map(|out| {
        let order = if out[1] == "two" { &["--backwards"][..] } else { &[] };
        spawn(&work, &words("all", &[&out[..], order].concat()))
    });
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    work.run(["run", "lake", "--etl-date", "2023-01-01", "--month", "all", "--out", "alone"]).ok();
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    // Whichever came first: the other one has not made it again, and says so.
    let told = ["one", "two"].map(|out| fates(&work.read_json(&format!("{out}/report.json")))).concat();
    let n = |end: &str| told.iter().filter(|line| line.ends_with(end)).count();
    assert_eq!((n("published"), n("made_meanwhile") + n("files_written")), (4, 4), "{told:?}");
    let made = "SELECT Month, COUNT(*) FROM etl_run GROUP BY 1";
    assert_eq!(work.rows("shared/warehouse.db", made), months.map(|month| [format!("{month}-01"), "1".to_owned()]));
    for month in months {
        let file = format!("month-{month}.parquet");
        assert!(work.read(&format!("one/{file}")) == work.read(&format!("two/{file}")));
    }
}

#[test]
fn one_month_and_forty_are_drawn() {
    let work = Workplace::new();
    let months: Vec<String> = (0..40).map(|n| format!("{}-{:02}", 2020 + n / 12, n % 12 + 1)).collect();
    let months: Vec<&str> = months.iter().map(String::as_str).collect();
    write_months(&work, &months, 5);
    run(&work, "2020-01..2020-01", &[]).ok();
    let page = |work: &Workplace| work.read_text("viewmart-out/dashboard.html");
    assert!(page(&work).contains("2020-01") && !page(&work).contains("2020-02"));
    let made = fates_of(&work, "all", &[]);
    assert_eq!((made.len(), made[0].as_str()), (40, "2020-01 up_to_date left"));
    assert!(made[1..].iter().all(|line| line.ends_with("new published")), "{made:?}");
    let page = page(&work);
    assert!(page.len() <= 1_000_000, "{}", page.len());
    // The newest 36 are on it, as many of them open as fit.
    let names = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October"];
    let names: Vec<String> = (4..40)
        .filter_map(|n| Some(format!("{} {}", names.get(n % 12)?, 2020 + n / 12)))
        .filter(|name| !page.contains(name))
        .collect();
    assert_eq!(names, [""; 0]);
    assert!(page.contains("2023-04"));
    assert_eq!(work.rows("shared/mart.db", "SELECT COUNT(DISTINCT Month) FROM customer_movement"), [["39"]]);
}

#[test]
fn one_series_at_a_time_writes_to_a_folder() {
    let work = Workplace::new();
    let months = ["2022-01", "2022-02", "2022-03", "2022-04", "2022-05", "2022-06"];
    write_months(&work, &months, 3000);
    let mut child = spawn(&work, &words("all", &[]));
    let begun = Instant::now();
    while !work.path("viewmart-out/month-2022-01.report.json").exists() && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let mut n_refused = 0;
    while child.try_wait().unwrap().is_none() {
        let own =
            ["run", "lake", "--month", "all", "--warehouse", "sqlite:own/warehouse.db", "--report", "second.json"];
        let second = work.run(own);
        if child.try_wait().unwrap().is_none() {
            second.failed(6, &["another viewmart is writing to this folder"]);
            assert_eq!(work.read_json("second.json")["failure"]["kind"], "busy");
            n_refused += 1;
        }
    }
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success() && n_refused > 0, "{n_refused} {}", String::from_utf8_lossy(&done.stderr));
    let made = fates(&work.read_json("viewmart-out/report.json"));
    assert!(made.iter().all(|line| line.ends_with("new published")), "{made:?}");
}

#[test]
fn a_dry_run_takes_the_warehouse_as_it_is() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02"], 30);
    run(&work, "all", &[]).ok();
    std::fs::remove_file(work.path("shared/mart.db")).unwrap();
    let planned = ["2022-01 mart_missing planned", "2022-02 mart_missing planned"];
    assert_eq!(fates_of(&work, "all", &["--dry-run"]), planned);
    assert!(!work.path("shared/mart.db").exists());
    let other = fates_of(&work, "all", &["--dry-run", "--format", "csv"]);
    assert_eq!(other, ["2022-01 format_changed planned", "2022-02 format_changed planned"]);
    assert_eq!(fates_of(&work, "all", &[])[0], "2022-01 mart_missing mart_built");
    // One of the first release says nothing of what its months were made of.
    for (name, compressed) in [
        ("warehouse.db", &include_bytes!("../data/first-release/warehouse.db.gz")[..]),
        ("mart.db", &include_bytes!("../data/first-release/mart.db.gz")[..]),
    ] {
        let mut file = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(compressed), &mut file).unwrap();
        work.write(&format!("old/{name}"), &file);
    }
    write_months(&work, &["2022-04"], 30);
    let old = |more: &[&str]| {
        let words = ["run", "lake", "--month", "2022-04", "--reprocess", "changed", "--out", "old-out", "--json"];
        let done = work.run(words.iter().chain(&["--warehouse", "sqlite:old/warehouse.db"]).chain(more));
        fates(&serde_json::from_str(&done.stdout).unwrap())
    };
    let before = work.read("old/warehouse.db");
    assert_eq!(old(&["--dry-run"]), ["2022-04 inputs_unknown planned"]);
    assert!(work.read("old/warehouse.db") == before, "a dry run changes nothing");
    assert_eq!(old(&[]), ["2022-04 inputs_unknown published"]);
}

#[test]
fn the_movement_of_later_months_follows_a_load() {
    let work = Workplace::new();
    write_months(&work, &["2022-01", "2022-02", "2022-03"], 30);
    work.write("other.toml", OTHER_RULES);
    run(&work, "all", &[]).ok();
    let transform = ["transform", "lake", "--month", "2022-02", "--rules", "other.toml", "--out", "again"];
    work.run(transform.iter().chain(&["--etl-date", "2023-01-01"])).ok();
    work.run(["load", "again/month-2022-02.parquet", "--warehouse", WAREHOUSE]).ok();
    let listed = || -> Vec<String> {
        let listed = work.run(["months", "--warehouse", WAREHOUSE]).ok().stdout;
        listed.lines().skip(1).map(|line| line.split("published").last().unwrap().trim().to_owned()).collect()
    };
    assert_eq!(listed(), ["current", "stale", "current"]);
    work.run(["mart", "--month", "2022-02", "--warehouse", WAREHOUSE]).ok();
    let alone = ["run", "lake", "--etl-date", "2023-01-01", "--out", "alone"];
    work.run(alone.iter().chain(&["--month", "all"])).ok();
    work.run(alone.iter().chain(&["--month", "2022-02", "--rules", "other.toml"])).ok();
    assert_eq!(visible(&work, "shared"), visible(&work, "alone"));
    // What nobody made again is told, and not shown.
    sql(&work, "mart.db", "UPDATE movement_run SET Runs = 9 WHERE Month = '2022-03-01'");
    assert_eq!(listed(), ["current", "current", "movement stale"]);
    let drawn = work.run(["dashboard", "--month", "2022-03", "--warehouse", WAREHOUSE]).ok();
    assert!(drawn.stderr.contains("warning: months were made again since 2022-03 was compared"), "{}", drawn.stderr);
    assert!(work.read_text("viewmart-out/dashboard.html").contains("Months were made again since March 2022"));
}
