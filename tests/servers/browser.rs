//! The dashboard in a real browser: headless Chromium opens the pages, `tests/browser/dashboard.test.mjs` looks at them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod numbers;

use viewmart::dashboard::html::{RenderOptions, render};
use viewmart::dashboard::mask::Masker;
use viewmart::dashboard::model::*;
use viewmart::engine::calendar::{Day, Month};
use viewmart::engine::ledger::Reason;
use viewmart::engine::rules::{Category, RulesStamp};

fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// A month of the size and shape of the real data set; `drift` moves its numbers.
fn full_month(name: &str, drift: i64) -> MonthModel {
    let mut model = MonthModel::empty(month(name));
    let per_mille = |number: i64| number * (1000 + drift) / 1000;
    let users = per_mille(1_920_546);
    // In column order: Movie, Sport, Child, Relax, Tv.
    let viewers = [370_000, 14_200, 232_500, 78_100, 1_912_900].map(per_mille);
    let seconds = [18_400_000_000, 52_300_000, 5_610_000_000, 640_000_000, 713_900_000_000].map(per_mille);
    let favourite = [42_766, 131, 10_938, 893, 0].map(per_mille);
    model.summary = Summary { users, seconds, total_seconds: seconds.iter().sum() };
    for (i, category) in model.categories.iter_mut().enumerate() {
        *category = CategoryAudience { users: viewers[i], seconds: seconds[i], most_watch_users: favourite[i] };
    }
    model.categories[Category::Tv as usize].most_watch_users = users - favourite.iter().sum::<i64>();

    let n_days = i64::from(model.month.n_days());
    let weights: Vec<i64> = (1..=n_days)
        .map(|d| if d == n_days { 21_680 } else { 5_060 - 4_400 * d.min(12) / 12 + (d - 12).max(0).pow(2) * 22 })
        .collect();
    let all: i64 = weights.iter().sum();
    let mut left = users;
    for (i, weight) in weights.iter().enumerate().rev() {
        let here = if i == 0 { left } else { users * weight / all };
        left -= here;
        model.activeness.insert(0, ActiveDays { days: i as i64 + 1, users: here });
    }

    let tastes = [
        ("Tv", 1_361_403),
        ("Movie_Tv", 246_520),
        ("Child_Tv", 123_536),
        ("Movie_Child_Tv", 76_282),
        ("Relax_Tv", 37_442),
        ("Relax_Movie_Tv", 31_910),
        ("Relax_Movie_Child_Tv", 23_738),
        ("Relax_Child_Tv", 8_120),
        ("Sport_Tv", 5_210),
        ("Movie_Sport_Tv", 2_804),
        ("Relax_Movie_Child_Sport_Tv", 1_320),
        ("Movie_Child_Sport_Tv", 980),
        ("Movie", 324),
        ("Child", 119),
        ("Movie_Child", 37),
        ("No", 12),
    ];
    model.tastes =
        tastes.map(|(taste, users)| TasteUsers { taste: taste.to_owned(), users: per_mille(users) }).to_vec();

    for day in model.month.days() {
        let number = i64::from(day.number());
        if name == "2022-04" && (number == 12 || number == 13) {
            continue;
        }
        let date = model.month.date(day).expect("a day of the month");
        let weekend = matches!(date.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        let wave = 1000 + if weekend { 28 } else { -6 } + (number * 37 % 17) - 8;
        let of = |number: i64| per_mille(number) / 30 * wave / 1000;
        let day_seconds = [
            of(seconds[0]) * (1080 - number * 5) / 1000,
            of(seconds[1]) * (700 + number * number * 7 % 600) / 1000,
            of(seconds[2]),
            of(seconds[3]),
            of(seconds[4]) * (985 + number) / 1000,
        ];
        model.days.push(DayAudience {
            day,
            active_users: per_mille(1_342_000) * wave / 1000,
            records: per_mille(1_615_250) * wave / 1000,
            seconds: day_seconds,
            total_seconds: day_seconds.iter().sum(),
        });
    }

    for place in 1..=100_i64 {
        let (contract, seconds) = match place {
            1 => ("0".to_owned(), 14_830_000_000),
            2 => ("PAYTV".to_owned(), 131_400_000),
            3 => ("HNFCN0001".to_owned(), 27_340_800),
            _ => (format!("HND{:06}", 431_007 * place % 999_983), 17_900_000 / (place + 1) + 2_592_000),
        };
        let taste = if place % 3 == 0 {
            "Movie_Child_Tv"
        } else if place == 1 {
            "Relax_Movie_Child_Sport_Tv"
        } else {
            "Tv"
        };
        model.top_customers.push(TopCustomer {
            place,
            contract,
            total_seconds: seconds,
            taste: taste.to_owned(),
            active_days: n_days.min(30),
        });
    }

    let bounds: Vec<i64> = [1, 60, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700]
        .into_iter()
        .chain(
            [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
                .map(|half_hours| half_hours * 1800),
        )
        .collect();
    let mut from = None;
    let weights = [
        1, 2, 2, 2, 3, 3, 4, 6, 7, 12, 16, 20, 33, 37, 71, 75, 140, 140, 250, 250, 420, 440, 800, 830, 1500, 1400,
        2100, 1900, 2300, 900, 20, 6, 3,
    ];
    for (i, weight) in weights.into_iter().enumerate() {
        let to = bounds.get(i).copied();
        let here = users * weight / 13_700;
        let middle = (from.unwrap_or(0) + to.unwrap_or(5_000_000)) / 2;
        model.watch_bands.push(WatchBand {
            from_seconds: from,
            to_seconds: to,
            users: here,
            seconds: if i == 0 { 0 } else { here * middle },
        });
        from = to;
    }
    model.watch_time = WatchTime {
        median_seconds: per_mille(263_400),
        p90_seconds: per_mille(921_000),
        p99_seconds: per_mille(2_311_000),
        top_tenth_users: (users + 9) / 10,
        top_tenth_seconds: model.summary.total_seconds / 1000 * 331,
    };
    for a in 0..5 {
        for b in 0..5 {
            let (less, more) = (viewers[a].min(viewers[b]), viewers[a].max(viewers[b]));
            model.overlap[a][b] = if a == b { less } else { less / 100 * (22 + 75 * more / users) };
        }
    }

    model.quality.push(QualityCount { reason: "kept".to_owned(), app: String::new(), records: per_mille(48_385_081) });
    for (reason, records) in
        [(Reason::NoContract, 6), (Reason::NegativeDuration, 72_405), (Reason::Malformed, 3), (Reason::OverDay, 0)]
    {
        model.quality.push(QualityCount { reason: reason.name().to_owned(), app: String::new(), records });
    }
    for (app, records) in [("APP", 5), ("BIG 4", 2)] {
        model.quality.push(QualityCount {
            reason: Reason::UnmappedApp.name().to_owned(),
            app: app.to_owned(),
            records,
        });
    }
    model.provenance = RunProvenance {
        run: 1,
        engine: "viewmart 0.1.0".to_owned(),
        rules: RulesStamp {
            name: "default".to_owned(),
            sha256: "6d1c2f5a".repeat(8),
            text: "name = \"default\"\n".to_owned(),
        },
        input_files: model.days.len() as i64,
        input_bytes: 8_457_301_222,
        records_read: model.quality.iter().map(|count| count.records).sum(),
        etl_date: Some("2022-05-01".to_owned()),
    };
    model
}

const HOSTILE: [&str; 9] = [
    "</script><img src=x onerror=\"document.title='run'\">",
    "<svg onload=alert(1)>",
    "'\"><b>bold</b>",
    "\u{202e}drawkcab\u{202c}",
    "👩‍👩‍👧 Trẻ em 🇻🇳",
    "{b|rich} {c} {@x} \\n",
    " A1 ",
    "a\0b\tc\nd",
    "&lt;&#60;]]>-->",
];

fn hostile_month(name: &str) -> MonthModel {
    let mut model = full_month(name, 0);
    let longest = "W".repeat(100);
    for (i, customer) in model.top_customers.iter_mut().enumerate() {
        let text = HOSTILE.get(i).copied().unwrap_or(&longest);
        customer.contract = text.to_owned();
        customer.total_seconds = 1_000_000_000_000 - i as i64;
    }
    for (taste, text) in model.tastes.iter_mut().zip(HOSTILE) {
        taste.taste = text.to_owned();
    }
    for text in HOSTILE {
        model.quality.push(QualityCount {
            reason: Reason::UnmappedApp.name().to_owned(),
            app: text.to_owned(),
            records: 7,
        });
        model.provenance.records_read += 7;
    }
    model.provenance.rules.name = HOSTILE[0].to_owned();
    model.provenance.engine = HOSTILE[1].to_owned();
    model.provenance.etl_date = Some(HOSTILE[2].to_owned());
    model.summary.total_seconds = 1_000_000_000_000_000;
    model.summary.seconds[4] = 1_000_000_000_000_000;
    model
}

fn one_customer(name: &str) -> MonthModel {
    let mut model = MonthModel::empty(month(name));
    let seconds = [0, 0, 0, 0, 1_000_000_000_000];
    model.summary = Summary { users: 1, seconds, total_seconds: seconds[4] };
    model.categories[4] = CategoryAudience { users: 1, seconds: seconds[4], most_watch_users: 1 };
    model.overlap[4][4] = 1;
    model.activeness.push(ActiveDays { days: 1, users: 1 });
    model.tastes.push(TasteUsers { taste: "Tv".to_owned(), users: 1 });
    let day = Day::new(7).expect("a day");
    model.days.push(DayAudience { day, active_users: 1, records: 1, seconds, total_seconds: seconds[4] });
    model.top_customers.push(TopCustomer {
        place: 1,
        contract: "A".to_owned(),
        total_seconds: seconds[4],
        taste: "Tv".to_owned(),
        active_days: 1,
    });
    model.watch_bands.push(WatchBand {
        from_seconds: Some(3_686_400),
        to_seconds: None,
        users: 1,
        seconds: seconds[4],
    });
    model.watch_time = WatchTime {
        median_seconds: seconds[4],
        p90_seconds: seconds[4],
        p99_seconds: seconds[4],
        top_tenth_users: 1,
        top_tenth_seconds: seconds[4],
    };
    model.quality.push(QualityCount { reason: "kept".to_owned(), app: String::new(), records: 1 });
    model.provenance =
        RunProvenance { records_read: 1, input_files: 1, input_bytes: 93, ..full_month(name, 0).provenance };
    model
}

fn no_customer(name: &str) -> MonthModel {
    let mut model = MonthModel::empty(month(name));
    model.quality.push(QualityCount { reason: Reason::Malformed.name().to_owned(), app: String::new(), records: 3 });
    model.provenance = RunProvenance { records_read: 3, etl_date: None, ..full_month(name, 0).provenance };
    model
}

fn write_pages(folder: &Path) {
    let plain = RenderOptions::default();
    let masked = RenderOptions { mask: Masker::new(b"a key for the tests"), ..RenderOptions::default() };
    let of = |months| DashboardModel { months, ..DashboardModel::default() };
    let year: Vec<MonthModel> = (1..=30_i64)
        .map(|i| full_month(&format!("{}-{:02}", 2020 + (i - 1) / 12, (i - 1) % 12 + 1), i * 7 % 31 + i))
        .collect();
    for (name, model, options) in [
        ("full", of(vec![full_month("2022-02", -31), full_month("2022-03", -12), full_month("2022-04", 0)]), &plain),
        ("masked", of(vec![full_month("2022-04", 0)]), &masked),
        ("hostile", of(vec![hostile_month("2022-03"), hostile_month("2022-04")]), &plain),
        ("one", of(vec![one_customer("2022-04")]), &plain),
        ("none", of(vec![no_customer("2022-04")]), &plain),
        ("empty", of(Vec::new()), &plain),
        ("many", of(year), &plain),
    ] {
        fs::write(folder.join(format!("{name}.html")), render(&model, options)).expect("the page is written");
    }
}

#[test]
fn the_dashboard_holds_in_a_browser() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
    fs::create_dir_all(&folder).expect("a folder for the pages");
    write_pages(&folder);
    numbers::write_page(&folder);
    numbers::write_run(&folder);
    let status = Command::new(root.join("tests/browser/run")).arg(&folder).status().expect("tests/browser/run starts");
    assert!(status.success(), "the pages in {} fail in the browser; the lines above say where", folder.display());
}
