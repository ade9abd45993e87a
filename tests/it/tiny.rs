//! Three tiny days with every kind of file and every reject reason, and what must come out, computed by hand.

use crate::support::{Workplace, gzip, record, zstd};

/// A contract of 101 characters.
pub const TOO_LONG: &str =
    "LLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLLL";

/// Writes the lake into the folder `lake`: 4 data files of 2022-04, three names to leave out.
pub fn write_lake(work: &Workplace) {
    let first_day = [
        record("A1", "CHANNEL", 100),
        record("A1", "VOD", 50),
        record("B2", "CHILD", 100),
        record("B2", "RELAX", 100),
        record("Z9", "CHANNEL", 0),
        record("A1", "CHANNEL", -5),
        record("", "VOD", 10),
        "{\n".to_owned(),
        "\n".to_owned(),
        record("A1", "XYZ", 7),
    ];
    work.write("lake/20220401.json", first_day.concat());
    let second_day = [
        "Mac;_source.Contract;_source.AppName;_source.TotalDuration",
        "m;A1;KPLUS;86400",
        "m;A1;KPLUS;86401",
        "m;\"a1\";SPORT;20",
        "m;A1 ;VOD;1e3",
        "m;A1 ;FIMS;30",
        "m;B2;;5",
        "m;x",
        &format!("m;{TOO_LONG};VOD;5"),
    ];
    work.write("lake/log-2022-04-02.csv", second_day.join("\r\n"));
    let members = [
        gzip(format!("\u{feff}{}", record("A1", "RELAX", 150)).as_bytes()),
        gzip(record("B2", "SPORT", 100).trim_end().as_bytes()),
    ];
    work.write("lake/day=2022-04-03/part-0.ndjson.gz", members.concat());
    let third_day = [record("É", "DSHD", 1), record("E\u{301}", "BHD", 2), record("Z9", "VOD", 0)];
    work.write("lake/day=2022-04-03/part-1.json.zst", zstd(third_day.concat().as_bytes()));
    work.write("lake/_SUCCESS", "");
    work.write("lake/.20220401.json.crc", "crc");
    work.write("lake/20220331.json", record("OLD", "VOD", 1));
}

/// The arguments that process it.
pub fn arguments(command: &str) -> Vec<String> {
    [command, "lake", "--month", "2022-04", "--etl-date", "2022-05-01", "--max-reject-ratio", "1"]
        .map(str::to_owned)
        .to_vec()
}

/// `customer_behavior` without Month and Date, in key order.
pub const CUSTOMERS: [[&str; 10]; 7] = [
    // Contract, Movie, Sport, Child, Relax, Tv, Total, MostWatch, Taste, Activeness
    ["A1", "50", "0", "0", "150", "86500", "86700", "Tv", "Relax_Movie_Tv", "3"],
    ["A1 ", "30", "0", "0", "0", "0", "30", "Movie", "Movie", "1"],
    ["B2", "0", "100", "100", "100", "0", "300", "Relax", "Relax_Child_Sport", "2"],
    ["E\u{301}", "2", "0", "0", "0", "0", "2", "Movie", "Movie", "1"],
    ["Z9", "0", "0", "0", "0", "0", "0", "No", "No", "2"],
    ["a1", "0", "20", "0", "0", "0", "20", "Sport", "Sport", "1"],
    ["É", "0", "0", "0", "0", "1", "1", "Tv", "Tv", "1"],
];

/// `daily_activity`: Day, ActiveUsers, Records, Movie, Sport, Child, Relax, Tv, Total.
pub const DAYS: [[&str; 9]; 3] = [
    ["2022-04-01", "3", "5", "50", "0", "100", "100", "100", "350"],
    ["2022-04-02", "3", "3", "30", "20", "0", "0", "86400", "86450"],
    ["2022-04-03", "5", "5", "2", "100", "0", "150", "1", "253"],
];

/// `report.json` without clock times, memory, threads and backend.
pub fn report() -> serde_json::Value {
    let missing_days: Vec<String> = (4..=30).map(|day| format!("2022-04-{day:02}")).collect();
    serde_json::json!({
        "engine": concat!("viewmart ", env!("CARGO_PKG_VERSION")),
        "month": "2022-04",
        "etl_date": "2022-05-01",
        "input": {"files": 4, "days": 3, "missing_days": missing_days, "skipped_files": 3,
            "skipped": {"other_months": 1, "hidden": 2, "no_data": 0}},
        "records": {
            "read": 22, "kept": 13,
            "rejected": {
                "duplicate_id": 0, "malformed": 2, "no_contract": 1, "long_contract": 1, "no_app": 1, "bad_duration": 1,
                "negative_duration": 1, "over_day": 1, "unmapped_app": 1, "excluded": 0
            },
            "unmapped_app": {"XYZ": 1}
        },
        "apps": {
            "BHD": {"category": "Movie", "records": 1, "seconds": 2},
            "CHANNEL": {"category": "Tv", "records": 2, "seconds": 100},
            "CHILD": {"category": "Child", "records": 1, "seconds": 100},
            "DSHD": {"category": "Tv", "records": 1, "seconds": 1},
            "FIMS": {"category": "Movie", "records": 1, "seconds": 30},
            "KPLUS": {"category": "Tv", "records": 1, "seconds": 86400},
            "RELAX": {"category": "Relax", "records": 2, "seconds": 250},
            "SPORT": {"category": "Sport", "records": 2, "seconds": 120},
            "VOD": {"category": "Movie", "records": 2, "seconds": 50},
            "XYZ": {"category": null, "records": 1, "seconds": 7}
        },
        "seconds": {"kept": 87053, "by_category": {"Movie": 82, "Sport": 120, "Child": 100, "Relax": 250, "Tv": 86501}},
        "contracts": 7,
        "days": [
            {
                "day": "2022-04-01", "files": 1, "read": 9, "kept": 5, "seconds": 350,
                "rejected": {"malformed": 1, "no_contract": 1, "negative_duration": 1, "unmapped_app": 1}
            },
            {
                "day": "2022-04-02", "files": 1, "read": 8, "kept": 3, "seconds": 86450,
                "rejected": {"malformed": 1, "long_contract": 1, "no_app": 1, "bad_duration": 1, "over_day": 1}
            },
            {"day": "2022-04-03", "files": 2, "read": 5, "kept": 5, "rejected": {}, "seconds": 253}
        ],
        "files": [],
        "warnings": ["the app of 1 record (4.55 %) is in no category: \"XYZ\" 1"]
    })
}

/// `rejects.ndjson`: file and reason in order.
pub const REJECTS: [(&str, &str); 9] = [
    ("lake/20220401.json", "negative_duration"),
    ("lake/20220401.json", "no_contract"),
    ("lake/20220401.json", "malformed"),
    ("lake/20220401.json", "unmapped_app"),
    ("lake/log-2022-04-02.csv", "over_day"),
    ("lake/log-2022-04-02.csv", "bad_duration"),
    ("lake/log-2022-04-02.csv", "no_app"),
    ("lake/log-2022-04-02.csv", "malformed"),
    ("lake/log-2022-04-02.csv", "long_contract"),
];
