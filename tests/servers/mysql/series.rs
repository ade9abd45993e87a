//! Many months in one run on MySQL and MariaDB.

use std::process::Stdio;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable as _;

use super::fixture::shared;
use crate::support::{Workplace, record};

const RULES: &str = "extends = \"default\"\nname = \"other\"\n[category]\nMovie = [\"VOD\", \"X\"]\n";

fn write_lake(work: &Workplace, months: &[&str]) {
    for (place, month) in months.iter().enumerate() {
        for day in 1..=2 {
            let customers = (0..300).filter(|n| n % (place + 2) != 0);
            let records = customers.map(|n| record(&format!("{n:05}"), ["VOD", "CHANNEL", "X"][(n + day) % 3], 60));
            work.write(&format!("lake/{}{day:02}.json", month.replace('-', "")), records.collect::<String>());
        }
    }
}

/// On two servers: each of the months is made as any other.
#[test]
fn months_are_made_again_killed_and_resumed() {
    let months = ["2022-01", "2022-02", "2022-03", "2022-05"];
    for server in shared() {
        let work = Workplace::new();
        write_lake(&work, &months);
        work.write("other.toml", RULES);
        let mut root = server.root();
        for database in ["series", "series_mart"] {
            root.query_drop(format!("DROP DATABASE IF EXISTS {database}")).unwrap();
        }
        let url = format!("mysql://root@127.0.0.1:{}/series", server.url("series").port.unwrap());
        let words = |more: &[&str]| -> Vec<String> {
            let words = ["run", "lake", "--month", "all", "--warehouse", &url, "--etl-date", "2023-01-01"];
            words.iter().chain(more).map(|word| (*word).to_owned()).collect()
        };
        work.run(words(&["--dry-run"])).ok();
        let begun = Instant::now();
        work.run(words(&[])).ok();
        let whole_run = begun.elapsed();
        for kill in 0..6_u32 {
            let mut command = work.command(words(&["--rules", "other.toml"]));
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(whole_run.mul_f64(f64::from(kill * 5 % 6) / 12.0).min(Duration::from_secs(20)));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        work.run(words(&["--rules", "other.toml"])).ok();
        let last = work.run(words(&["--rules", "other.toml", "--json"])).ok();
        let report: serde_json::Value = serde_json::from_str(&last.stdout).unwrap();
        assert!(report["months"].as_array().unwrap().iter().all(|month| month["why"] == "up_to_date"), "{server:?}");
        let sql = "SELECT DATE_FORMAT(Month, '%Y-%m'), COUNT(*) FROM series.etl_run \
                   WHERE Status = 'published' AND RulesName = 'other' GROUP BY Month ORDER BY Month";
        let made: Vec<(String, u64)> = root.query(sql).unwrap();
        assert_eq!(made, months.map(|month| (month.to_owned(), 1)), "{server:?}");
        // The same as in a file.
        work.run(["run", "lake", "--month", "all", "--rules", "other.toml", "--out", "alone"]).ok();
        let sql = "SELECT Kind, Users, Seconds, SecondsBefore FROM customer_movement ORDER BY Month, Kind";
        let found: Vec<(String, i64, i64, i64)> = root.query(sql.replace("FROM ", "FROM series_mart.")).unwrap();
        let found = found.into_iter().map(|(kind, a, b, c)| vec![kind, a.to_string(), b.to_string(), c.to_string()]);
        assert_eq!(found.collect::<Vec<_>>(), work.rows("alone/mart.db", sql), "{server:?}");
    }
}
