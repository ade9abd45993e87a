//! Two months in a real warehouse, the page of them, and what SQL says about the customers themselves: the page's numbers
//! come from the mart, these do not.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, Row, params};
use serde_json::{Map, Value, json};

use crate::support::Workplace;
use crate::support::made::{Made, row};
use viewmart::console::Progress;
use viewmart::dashboard::html::{RenderOptions, render};
use viewmart::dashboard::model::DashboardModel;
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::ledger::Reason;
use viewmart::engine::month::MonthTable;
use viewmart::engine::rules::{Category, Rules};
use viewmart::mart;
use viewmart::warehouse::{RunClock, SqliteWarehouse, Warehouse as _};

/// Name in the page, name in the tables: in the page's order.
const CATEGORIES: [(&str, &str); 5] =
    [("TV", "Tv"), ("Movie", "Movie"), ("Child", "Child"), ("Relax", "Relax"), ("Sport", "Sport")];

const BANDS: [(i64, &str); 33] = [
    (i64::MIN, "nothing"),
    (1, "under 1 min"),
    (60, "1 min to 2 min"),
    (120, "2 min to 3 min"),
    (180, "3 min to 5 min"),
    (300, "5 min to 7 min"),
    (420, "7 min to 10 min"),
    (600, "10 min to 15 min"),
    (900, "15 min to 20 min"),
    (1200, "20 min to 30 min"),
    (1800, "30 min to 45 min"),
    (2700, "45 min to 1 h"),
    (3600, "1 h to 1.5 h"),
    (5400, "1.5 h to 2 h"),
    (7200, "2 h to 3 h"),
    (10_800, "3 h to 4 h"),
    (14_400, "4 h to 6 h"),
    (21_600, "6 h to 8 h"),
    (28_800, "8 h to 12 h"),
    (43_200, "12 h to 16 h"),
    (57_600, "16 h to 24 h"),
    (86_400, "24 h to 32 h"),
    (115_200, "32 h to 48 h"),
    (172_800, "48 h to 64 h"),
    (230_400, "64 h to 96 h"),
    (345_600, "96 h to 128 h"),
    (460_800, "128 h to 192 h"),
    (691_200, "192 h to 256 h"),
    (921_600, "256 h to 384 h"),
    (1_382_400, "384 h to 512 h"),
    (1_843_200, "512 h to 768 h"),
    (2_764_800, "768 h to 1,024 h"),
    (3_686_400, "1,024 h and more"),
];

/// Writes `numbers.html` and `numbers.json` into `folder`.
pub fn write_page(folder: &Path) {
    let place = tempfile::tempdir().expect("a folder for the warehouse");
    let file = place.path().join("warehouse.db");
    let mut warehouse = SqliteWarehouse::open(&file, None).expect("a warehouse");
    viewmart::mart::prepare(&mut warehouse, viewmart::warehouse::Missing::Create).expect("tables");
    let tables = [month_table("2022-03", 700, 1), month_table("2022-04", 1000, 2)];
    for table in &tables {
        let clock = RunClock { started: "2022-05-01T00:00:00Z".parse().expect("a time") };
        warehouse.load(table, clock, &Progress::hidden()).expect("a loaded month");
        mart::build(&mut warehouse, table.month).expect("a mart");
    }
    let model = DashboardModel::read(&mut warehouse, None).expect("a model");
    assert_eq!(model, DashboardModel::read(&mut warehouse, None).expect("the same model"));
    fs::write(folder.join("numbers.html"), render(&model, &RenderOptions::default())).expect("the page is written");
    drop(warehouse);
    write_expected(&file, &tables.each_ref().map(|table| table.month), &folder.join("numbers.json"));
}

/// Writes `run.html` and `run.json` into `folder`: what the program itself makes of the sample month.
pub fn write_run(folder: &Path) {
    let place = Workplace::new();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/data/sample");
    let finished = place.command(["run", sample, "--quiet"]).output().expect("the program starts");
    assert!(finished.status.success(), "{}", String::from_utf8_lossy(&finished.stderr));
    fs::copy(place.path("viewmart-out/dashboard.html"), folder.join("run.html")).expect("the page is there");
    let month = "2022-04".parse().expect("a month");
    write_expected(&place.path("viewmart-out/warehouse.db"), &[month], &folder.join("run.json"));
}

fn write_expected(warehouse: &Path, months: &[Month], file: &Path) {
    let connection = Connection::open(warehouse).expect("the warehouse opens");
    let expected: Map<String, Value> =
        months.iter().map(|month| (month.to_string(), expected(&connection, *month))).collect();
    fs::write(file, Value::from(expected).to_string()).expect("the numbers are written");
}

/// Customers with everything the page distinguishes: nothing watched, one category, all, ties, odd names. The last two days
/// of the month were lost.
fn month_table(name: &str, n_customers: u64, seed: u64) -> MonthTable {
    let rules = Rules::preset("default").expect("the default rules");
    let made = Made {
        rejected: &[(Reason::NegativeDuration, 17)],
        unmapped: &[("APP", 5, 0), ("<i>BIG</i>", 7, 0)],
        ..Made::of(name, &rules)
    };
    let n_days = made.month.n_days() - 2;
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut names: Vec<String> = (0..n_customers).map(|i| format!("HND{i:06}")).collect();
    names.extend(["0", "<b>&amp;", "Trẻ em", "'\"", "a_b"].map(str::to_owned));
    let customer = |name: &String| {
        let active = 1 + random(u64::from(n_days)) as u8;
        let seconds = [25, 3, 15, 6, 95].map(|wanted| {
            let amount = if random(100) < wanted { (random(2_000) * random(2_000) * random(3) / 3) as i64 } else { 0 };
            amount * if name == "0" { 1_000 } else { 1 }
        });
        (seconds, active)
    };
    let watched: Vec<([i64; 5], u8)> = names.iter().map(customer).collect();
    let customers = names.iter().zip(watched).map(|(name, (seconds, active))| row(&(name, seconds, active)));
    made.table(customers)
}

fn expected(connection: &Connection, month: Month) -> Value {
    let first = month.first_day().to_string();
    let number = |sql: &str| -> i64 {
        connection.query_row(sql, params![first], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
    };
    let of = |expression: &str| number(&format!("SELECT {expression} FROM customer_behavior WHERE Month = ?1"));
    let rows = |sql: &str, cells: &dyn Fn(&Row<'_>) -> rusqlite::Result<Value>| -> Vec<Value> {
        let mut statement = connection.prepare(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let found = statement.query_map(params![first], |row| cells(row)).expect("rows");
        found.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{sql}: {e}"))
    };
    let place = |rank: i64| {
        number(&format!(
            "SELECT TotalDuration FROM customer_behavior WHERE Month = ?1 ORDER BY TotalDuration LIMIT 1 OFFSET {}",
            rank - 1
        ))
    };
    let taste = |label: String| {
        if label == "No" { "Nothing".to_owned() } else { label.replace("Tv", "TV").replace('_', " + ") }
    };

    let users = of("COUNT(*)");
    let all = of("SUM(TotalDuration)");
    let n_days = i64::from(month.n_days());
    let tenth = (users + 9) / 10;
    let tenth_seconds = number(&format!(
        "SELECT SUM(TotalDuration) FROM (SELECT TotalDuration FROM customer_behavior WHERE Month = ?1 \
         ORDER BY TotalDuration DESC LIMIT {tenth})"
    ));
    let days_with_data = number("SELECT COUNT(*) FROM daily_activity WHERE Month = ?1");
    let daily = number("SELECT SUM(ActiveUsers) FROM daily_activity WHERE Month = ?1");

    let average_day = (daily + days_with_data / 2) / days_with_data;
    // The big number and the small one below it, of which some say something that is no number.
    let mut tiles = Map::new();
    tiles.insert("users".into(), json!([["count", users], ["any"]]));
    // The third is what changes are of, where it is not the first: a part a day with data.
    tiles.insert(
        "hours".into(),
        json!([["hours", all], ["tenths", all, 3600 * users], ["tenths", all, days_with_data]]),
    );
    for (_, name) in CATEGORIES {
        let seconds = of(&format!("SUM({name}Duration)"));
        tiles.insert(
            format!("hours-{name}"),
            json!([["hours", seconds], ["percent", seconds, all], ["tenths", seconds, days_with_data]]),
        );
    }
    tiles.insert("daily".into(), json!([["count", average_day], ["percent", average_day, users]]));
    let active_days = of("SUM(Activeness)");
    tiles.insert(
        "active".into(),
        json!([["tenths", active_days, users], ["count", n_days], ["tenths", active_days, users * days_with_data]]),
    );
    let median = place((users + 1) / 2);
    tiles.insert("median".into(), json!([["hours", median], ["any"], ["tenths", median, days_with_data]]));
    tiles.insert("tenth".into(), json!([["percent", tenth_seconds, all], ["count", tenth]]));

    let mut tables = Map::new();
    tables.insert(
        "categories".into(),
        CATEGORIES
            .iter()
            .map(|(shown, name)| {
                let viewers = of(&format!("SUM({name}Duration > 0)"));
                let seconds = of(&format!("SUM({name}Duration)"));
                json!([
                    ["text", shown],
                    ["count", viewers],
                    ["percent", viewers, users],
                    ["hours", seconds],
                    ["percent", seconds, all],
                    ["tenths", seconds, 3600 * viewers],
                    ["count", of(&format!("SUM(MostWatch = '{name}')"))],
                ])
            })
            .collect(),
    );
    let days: Vec<Value> = (1..=month.n_days())
        .filter_map(Day::new)
        .filter_map(|day| month.date(day))
        .map(|date| {
            let shown = date.strftime("%a %-d %b").to_string();
            let sql = "SELECT ActiveUsers, Records, TotalDuration, TvDuration, MovieDuration, ChildDuration, RelaxDuration, \
                       SportDuration FROM daily_activity WHERE Month = ?1 AND Day = '";
            let found = rows(&format!("{sql}{date}'"), &|row| {
                let cell = |i: usize, kind: &str| Ok::<_, rusqlite::Error>(json!([kind, row.get::<_, i64>(i)?]));
                let mut cells = vec![json!(["text", shown]), cell(0, "count")?, cell(1, "count")?];
                for i in 2..8 {
                    cells.push(cell(i, "hours")?);
                }
                Ok(cells.into())
            });
            found.into_iter().next().unwrap_or_else(|| json!([["text", shown], ["text", "no data"]]))
        })
        .collect();
    tables.insert("days".into(), days.into());

    let active = |from: i64, to: i64| of(&format!("SUM(Activeness BETWEEN {from} AND {to})"));
    let bins = (1..=n_days).map(|days| {
        let here = active(days, days);
        json!([
            ["text", days.to_string()],
            ["count", here],
            ["percent", here, users],
            ["percent", active(days, 31), users]
        ])
    });
    tables.insert("active".into(), bins.collect());
    let bands = [(1, 7), (8, 14), (15, 21), (22, n_days)].map(|(from, to)| {
        let label = format!("{from} to {to}");
        json!([["text", label], ["count", active(from, to)], ["percent", active(from, to), users]])
    });
    tables.insert("active-bands".into(), bands.to_vec().into());

    let marks = [("50 % (median)", 50), ("90 %", 90), ("99 %", 99)];
    tables.insert(
        "watch-time".into(),
        marks
            .iter()
            .map(|(name, percent)| json!([["text", name], ["hours", place((users * percent + 99) / 100)]]))
            .collect(),
    );
    let bands: Vec<(i64, Value)> = (0..BANDS.len())
        .map(|i| {
            let (from, label) = BANDS[i];
            let to = BANDS.get(i + 1).map_or(i64::MAX, |next| next.0);
            let inside = format!("TotalDuration >= {from} AND TotalDuration < {to}");
            let (here, seconds) = (
                of(&format!("COUNT(CASE WHEN {inside} THEN 1 END)")),
                of(&format!("COALESCE(SUM(CASE WHEN {inside} THEN TotalDuration END), 0)")),
            );
            (
                here,
                json!([
                    ["text", label],
                    ["count", here],
                    ["percent", here, users],
                    ["hours", seconds],
                    ["percent", seconds, all]
                ]),
            )
        })
        .collect();
    let first_band = bands.iter().position(|band| band.0 > 0).expect("a customer");
    let last_band = bands.iter().rposition(|band| band.0 > 0).expect("a customer");
    tables.insert("watch-bands".into(), bands[first_band..=last_band].iter().map(|band| band.1.clone()).collect());

    let sql = "SELECT Taste, COUNT(*) FROM customer_behavior WHERE Month = ?1 GROUP BY Taste ORDER BY 2 DESC, 1";
    let tastes = rows(sql, &|row| {
        let (label, here): (String, i64) = (row.get(0)?, row.get(1)?);
        let names: Vec<&str> = label.split('_').collect();
        let mut cells = vec![json!(["text", taste(label.clone())])];
        cells.extend(CATEGORIES.map(|(_, name)| json!(["text", if names.contains(&name) { "yes" } else { "" }])));
        cells.extend([json!(["count", here]), json!(["percent", here, users])]);
        Ok(cells.into())
    });
    tables.insert("taste".into(), tastes.into());

    let both = |a: &str, b: &str| of(&format!("SUM({a}Duration > 0 AND {b}Duration > 0)"));
    let matrix = |cell: &dyn Fn(&str, &str) -> Value| -> Value {
        CATEGORIES
            .iter()
            .map(|(shown, a)| {
                let mut cells = vec![json!(["text", shown])];
                cells.extend(CATEGORIES.map(|(_, b)| cell(a, b)));
                Value::from(cells)
            })
            .collect()
    };
    tables.insert("overlap".into(), matrix(&|a, b| json!(["count", both(a, b)])));
    tables.insert(
        "overlap-share".into(),
        matrix(&|a, b| if a == b { json!(["text", "–"]) } else { json!(["percent", both(a, b), both(a, a)]) }),
    );

    let sql = "SELECT ROW_NUMBER() OVER (ORDER BY TotalDuration DESC, Contract), Contract, TotalDuration, Taste, Activeness \
               FROM customer_behavior WHERE Month = ?1 ORDER BY 1 LIMIT 100";
    let top = rows(sql, &|row| {
        Ok(json!([
            ["text", row.get::<_, i64>(0)?.to_string()],
            ["text", row.get::<_, String>(1)?],
            ["hours", row.get::<_, i64>(2)?],
            ["text", taste(row.get(3)?)],
            ["count", row.get::<_, i64>(4)?],
        ]))
    });
    tables.insert("top".into(), top.into());

    let run = |column: &str| number(&format!("SELECT {column} FROM etl_run WHERE Month = ?1"));
    let read = run("RecordsRead");
    let line =
        |name: &str, records: i64| json!([["text", name], ["count", records], ["percent", records, read], ["any"]]);
    let mut quality = vec![line("kept", run("RecordsKept"))];
    quality.extend(Reason::ALL.map(|reason| line(reason.name(), run(&format!("Rejected_{reason}")))));
    quality.push(line("read", read));
    tables.insert("quality".into(), quality.into());
    let sql = "SELECT App, Records FROM etl_run_app JOIN etl_run ON etl_run.Id = Run WHERE Month = ?1 AND Category = '' ORDER BY 2 DESC";
    let apps = rows(sql, &|row| Ok(json!([["text", row.get::<_, String>(0)?], ["count", row.get::<_, i64>(1)?]])));
    tables.insert("apps".into(), apps.into());

    debug_assert_eq!(CATEGORIES.len(), Category::ALL.len());
    let line = json!([
        ["count", users],
        ["hours", all],
        ["count", days_with_data],
        ["count", number("SELECT RecordsKept FROM etl_run WHERE Month = ?1")],
        ["whole", all, 3600 * days_with_data],
    ]);
    json!({ "tiles": tiles, "tables": tables, "line": line })
}
