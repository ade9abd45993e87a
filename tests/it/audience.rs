//! `viewmart audience` as its user runs it: what it counts, lists and refuses.

use std::collections::BTreeSet;

use crate::support::{Finished, Workplace};

/// Month files of a March and an April made by hand.
///
/// | April | Movie | Sport | Child | Tv | days |
/// |---|---|---|---|---|---|
/// | HN01 | | | | 120 000 | 1, 2, 9 |
/// | HN02 | 3600 | | | | 2 |
/// | HN03 | | | 20 000 | 160 000 | 5 |
/// | SG01 | | 200 | | | 16, 17 |
/// | SG02 | | | | 0 | 30 |
///
/// In March there are HN01 and OLD1.
fn months() -> Workplace {
    let work = Workplace::new();
    let write = |date: &str, records: &[(&str, &str, i64)]| {
        let lines = records.iter().map(|(contract, app, seconds)| format!("{contract},{app},{seconds}\n"));
        let text = format!("Contract,AppName,TotalDuration\n{}", lines.collect::<String>());
        work.write(&format!("lake/{date}.csv"), text);
    };
    write("20220301", &[("HN01", "CHANNEL", 1000)]);
    write("20220331", &[("OLD1", "CHANNEL", 7200)]);
    write("20220401", &[("HN01", "CHANNEL", 40_000)]);
    write("20220402", &[("HN01", "CHANNEL", 40_000), ("HN02", "VOD", 3600)]);
    write("20220405", &[("HN03", "CHILD", 20_000), ("HN03", "CHANNEL", 80_000), ("HN03", "CHANNEL", 80_000)]);
    write("20220409", &[("HN01", "CHANNEL", 40_000)]);
    write("20220416", &[("SG01", "SPORT", 100)]);
    write("20220417", &[("SG01", "SPORT", 100)]);
    write("20220430", &[("SG02", "CHANNEL", 0)]);
    for (month, etl_date) in [("2022-03", "2022-04-01"), ("2022-04", "2022-05-01")] {
        work.run(["transform", "lake", "--month", month, "--etl-date", etl_date, "--out", month, "-q"]).ok();
        std::fs::create_dir_all(work.path("months")).unwrap();
        let name = format!("month-{month}.parquet");
        std::fs::copy(work.path(month).join(&name), work.path("months").join(&name)).unwrap();
    }
    work
}

const APRIL: &str = "months/month-2022-04.parquet";

fn ask(work: &Workplace, arguments: &[&str]) -> Finished {
    work.run(["audience"].iter().chain(arguments))
}

/// Runs and gives stdout.
#[track_caller]
fn answer(work: &Workplace, arguments: &[&str]) -> String {
    ask(work, arguments).ok().stdout
}

#[test]
fn an_expression_is_counted() {
    let work = months();
    work.write("list.csv", "Contract\nHN02\nSG01\nnobody\n");
    let cases = [
        ("tv", "2 of 5 customers (40.00 %), 83.3 hours"),
        ("on weekend", "4 of 5 customers (80.00 %), 34.4 hours"),
        ("on weekend and not tv", "3 of 5 customers (60.00 %), 1.1 hours"),
        ("last < 10 and days = 1", "2 of 5 customers (40.00 %), 51.0 hours"),
        ("active(1..7) >= 2", "1 of 5 customers (20.00 %), 33.3 hours"),
        ("gap = 6", "1 of 5 customers (20.00 %), 33.3 hours"),
        ("most = 'No' or taste = 'Child_Tv'", "2 of 5 customers (40.00 %), 50.0 hours"),
        ("contract like 'HN%'", "3 of 5 customers (60.00 %), 84.3 hours"),
        ("in('list.csv')", "2 of 5 customers (40.00 %), 1.1 hours"),
        ("shared", "1 of 5 customers (20.00 %), 50.0 hours"),
        ("shared or movie", "2 of 5 customers (40.00 %), 51.0 hours"),
        ("total > 100h", "0 of 5 customers (0.00 %), 0.0 hours"),
    ];
    for (expression, expected) in cases {
        assert_eq!(answer(&work, &[APRIL, expression]), format!("month 2022-04: {expected}\n"), "{expression}");
    }
    assert_eq!(answer(&work, &[APRIL, "tv", "--count"]), "2\n");
    let value: serde_json::Value =
        serde_json::from_str(&answer(&work, &[APRIL, "tv", "--json", "--by", "most"])).unwrap();
    let expected = serde_json::json!({
        "month": "2022-04", "expression": "tv", "month_users": 5, "users": 2, "users_elsewhere": 0, "seconds": 300_000,
        "user_share": 0.4, "by": "most", "groups": [{"label": "Tv", "users": 2, "seconds": 300_000}],
    });
    assert_eq!(value, expected);
}

#[test]
fn months_are_asked_against_each_other() {
    let work = months();
    let cases = [
        ("retained", "1 of 5 customers (20.00 %), 33.3 hours"),
        ("new and on weekend", "3 of 5 customers (60.00 %), 1.1 hours"),
        ("lapsed", "1 customer, not in 2022-04, 2.0 hours"),
        ("2022-03: (tv > 500) and tv > 1h", "1 of 5 customers (20.00 %), 33.3 hours"),
        ("2022-03: (not tv > 1h) and tv", "1 of 5 customers (20.00 %), 33.3 hours"),
        ("lapsed or tv >= 0", "6 customers, 1 of them not in 2022-04, 86.4 hours"),
        ("2022-03: (tv > 1h and not 2022-04: (tv))", "1 customer, not in 2022-04, 2.0 hours"),
    ];
    for (expression, expected) in cases {
        let found = answer(&work, &["months", expression]);
        assert_eq!(found, format!("month 2022-04: {expected}\n"), "{expression}");
    }
    let listed = answer(&work, &["months", "lapsed or sport", "--columns", "Month,TotalDuration", "--order", "total"]);
    let expected = "\
Contract  Month       TotalDuration
OLD1      2022-03-01           7200
SG01      2022-04-01            200
";
    assert_eq!(listed, expected);
    let counted = answer(&work, &["months", "lapsed or sport", "--by", "most"]);
    let expected = "\
month 2022-04: 2 customers, 1 of them not in 2022-04, 2.1 hours

most   customers    share  hours
Sport          1  50.00 %    0.1
Tv             1  50.00 %    2.0
";
    assert_eq!(counted, expected);
    let value: serde_json::Value =
        serde_json::from_str(&answer(&work, &["months", "lapsed or tv >= 0", "--json"])).unwrap();
    assert_eq!((&value["users"], &value["users_elsewhere"], &value["user_share"]), (&6.into(), &1.into(), &1.0.into()));
    let triangle = "first month  2022-03  2022-04\n2022-03            2        1\n2022-04                     4\n";
    assert_eq!(answer(&work, &["--retention", "months"]), triangle);
    let value: serde_json::Value = serde_json::from_str(&answer(&work, &["--retention", "months", "--json"])).unwrap();
    let cohorts = [("2022-03", vec![2, 1]), ("2022-04", vec![4])]
        .map(|(month, users)| serde_json::json!({"month": month, "users": users}));
    assert_eq!(value, serde_json::json!({"months": ["2022-03", "2022-04"], "cohorts": cohorts}));
}

#[test]
fn customers_are_counted_by_a_label() {
    let work = months();
    let by_taste = "\
month 2022-04: 5 of 5 customers (100.00 %), 84.4 hours

taste     customers    share  hours
Child_Tv          1  20.00 %   50.0
Movie             1  20.00 %    1.0
No                1  20.00 %    0.0
Sport             1  20.00 %    0.1
Tv                1  20.00 %   33.3
";
    assert_eq!(answer(&work, &[APRIL, "total >= 0", "--by", "taste"]), by_taste);
    let by_days = "\
month 2022-04: 4 of 5 customers (80.00 %), 51.1 hours

days  customers    share  hours
1             3  75.00 %   51.0
2             1  25.00 %    0.1
";
    assert_eq!(answer(&work, &[APRIL, "days < 3", "--by", "days"]), by_days);
}

#[test]
fn overlaps_are_a_table_of_combinations() {
    let work = months();
    let expected = "   customers  audience
A          2  tv
B          1  child
C          3  one_day

A  B  C  customers    share
.  .  x          2  50.00 %
x  .  .          1  25.00 %
x  x  x          1  25.00 %
";
    assert_eq!(answer(&work, &[APRIL, "--overlap", "tv", "child", "one_day"]), expected);
    let found = answer(&work, &[APRIL, "--json", "--overlap", "tv", "movie or child"]);
    let value: serde_json::Value = serde_json::from_str(&found).unwrap();
    let expected = serde_json::json!({
        "month": "2022-04", "users": 3,
        "audiences": [{"expression": "tv", "users": 2}, {"expression": "movie or child", "users": 2}],
        "combinations": [
            {"members": ["tv"], "users": 1}, {"members": ["movie or child"], "users": 1},
            {"members": ["tv", "movie or child"], "users": 1},
        ],
    });
    assert_eq!(value, expected);
}

#[test]
fn named_audiences_are_measured_without_an_expression() {
    let work = months();
    let text =
        "[silent]\nexpression = 'last < 10 and not shared'\n[gone]\nexpression = 'lapsed'\ndescription = 'Left'\n";
    work.write("mine.toml", text);
    let expected = "\
month 2022-04: 5 customers

audience      customers    share  hours
at_risk               0   0.00 %    0.0  Active on five days or more of the first half, and less than half as often after it
heavy                 0   0.00 %    0.0  120 hours or more in the month, four a day
light                 2  40.00 %    1.1  Less than five hours in the month
kids                  1  20.00 %   50.0  Five hours or more of Child
movie_upsell          2  40.00 %   83.3  Twenty hours or more of Tv and no Movie
shared                1  20.00 %   50.0  More than 24 hours on an active day: more than one device can play
one_day               3  60.00 %   51.0  Active on one day of the month
silent                2  40.00 %   34.3  last < 10 and not shared
gone                  -        -      -  the expression needs 2022-03, but the months given are 2022-04
";
    assert_eq!(answer(&work, &[APRIL, "--audiences", "mine.toml"]), expected);
    assert!(
        answer(&work, &["months", "--audiences", "mine.toml"])
            .ends_with("gone                  1   0.00 %    2.0  Left\n")
    );
    work.write("viewmart.toml", "audiences = 'mine.toml'\n");
    assert_eq!(answer(&work, &[APRIL, "silent", "--count"]), "2\n");
    // In a list, the reasons of all that a customer is in; those without a reason say nothing.
    let expected = "\
Contract  TotalDuration  Reason
HN01             120000  Watches a lot, and no film yet
HN02               3600  Pays for a service that is hardly used; Tried it once
";
    assert_eq!(answer(&work, &[APRIL, "silent", "--columns", "TotalDuration,reason"]), expected);
}

#[test]
fn lists_are_shown_and_written_in_every_form() {
    let work = months();
    let shown = "Contract  TotalDuration  Taste\nHN03             180000  Child_Tv\nHN01             120000  Tv\n";
    let largest = [APRIL, "total > 0", "--order", "total", "--limit", "2"];
    let columns = ["--columns", "TotalDuration,Taste"];
    assert_eq!(answer(&work, &[&largest[..], &columns[..]].concat()), shown);
    let value: serde_json::Value =
        serde_json::from_str(&answer(&work, &[&largest[..], &columns[..], &["--json"]].concat())).unwrap();
    let rows = serde_json::json!([
        {"Contract": "HN03", "TotalDuration": 180_000, "Taste": "Child_Tv"},
        {"Contract": "HN01", "TotalDuration": 120_000, "Taste": "Tv"},
    ]);
    assert_eq!(value["list"], rows);

    let written = answer(&work, &[APRIL, "tv", "--out", "lists/tv.csv", "--columns", "totalduration,Days"]);
    assert_eq!(written, "month 2022-04: 2 of 5 customers (40.00 %), 83.3 hours\nlists/tv.csv: 2 customers\n");
    assert_eq!(work.read_text("lists/tv.csv"), "Contract,TotalDuration,Days\nHN01,120000,259\nHN03,180000,16\n");
    ask(&work, &[&largest[..], &["--out", "top.csv"]].concat()).ok();
    assert_eq!(work.read_text("top.csv"), "Contract\nHN03\nHN01\n");

    ask(&work, &["months", "tv or lapsed", "--out", "tv.roaring"]).ok();
    let rows = roaring::RoaringBitmap::deserialize_from(&work.read("tv.roaring")[..]).unwrap();
    assert_eq!(rows.iter().collect::<Vec<_>>(), [0, 2]);

    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    ask(&work, &[APRIL, "tv", "--out", "tv.parquet", "--columns", "all"]).ok();
    let reader = SerializedFileReader::new(std::fs::File::open(work.path("tv.parquet")).unwrap()).unwrap();
    let first = reader.get_row_iter(None).unwrap().next().unwrap().unwrap().to_string();
    assert_eq!(
        first,
        "{Contract: \"HN01\", Month: 2022-04-01, MovieDuration: 0, SportDuration: 0, ChildDuration: 0, \
         RelaxDuration: 0, TvDuration: 120000, TotalDuration: 120000, MostWatch: \"Tv\", Taste: \"Tv\", \
         Activeness: 3, Date: 2022-05-01, Days: 259}"
    );
}

#[test]
fn samples_and_groups_are_the_same_in_every_run() {
    let work = Workplace::new();
    let lines: String = (0..1000).map(|n| format!("C{n:04},CHANNEL,{n}\n")).collect();
    work.write("lake/20220401.csv", format!("Contract,AppName,TotalDuration\n{lines}"));
    work.run(["transform", "lake", "-q"]).ok();
    let month = "viewmart-out/month-2022-04.parquet";
    let contracts =
        |file: &str| -> BTreeSet<String> { work.read_text(file).lines().skip(1).map(str::to_owned).collect() };

    let sampled = answer(&work, &[month, "days = 1", "--sample", "10%", "--count"]);
    assert!((70..130).contains(&sampled.trim().parse::<u32>().unwrap()), "{sampled}");
    assert_eq!(answer(&work, &[month, "days = 1", "--sample", "10%", "--count"]), sampled);
    assert_eq!(answer(&work, &[month, "days = 1", "--sample", "100%", "--count"]), "1000\n");
    ask(&work, &[month, "days = 1", "--sample", "10%", "--out", "a.csv"]).ok();
    ask(&work, &[month, "days = 1", "--sample", "10%", "--seed", "2", "--out", "b.csv"]).ok();
    assert_ne!(contracts("a.csv"), contracts("b.csv"));

    let told = answer(&work, &[month, "tv < 500", "--split", "90:10", "--out", "group.csv"]);
    let (call, control) = (contracts("group-1.csv"), contracts("group-2.csv"));
    assert!(call.is_disjoint(&control) && call.len() + control.len() == 500, "{told}");
    assert!((25..80).contains(&control.len()), "{told}");
    let last = format!("group-1.csv: {} customers\ngroup-2.csv: {} customers\n", call.len(), control.len());
    assert!(told.ends_with(&last), "{told}");
    ask(&work, &[month, "tv >= 0", "--split", "90:10", "--out", "all.csv"]).ok();
    assert!(control.is_subset(&contracts("all-2.csv")), "a customer is in the same group of any audience");
}

#[test]
fn masked_lists_hold_no_contract_and_not_their_order() {
    let work = months();
    let mut command = work.command(["audience", APRIL, "total >= 0", "--mask-contracts", "--out", "masked.csv"]);
    command.env("VIEWMART_MASK_KEY", "0123456789abcdef");
    Finished::of(command.output().unwrap()).ok();
    let text = work.read_text("masked.csv");
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(lines.len() == 5 && lines.iter().all(|line| line.starts_with("m-")), "{text}");
    assert!(lines.is_sorted(), "{text}");
    let arguments = ["audience", APRIL, "tv", "--mask-contracts", "--out", "rows.roaring"];
    let mut command = work.command(arguments);
    command.env("VIEWMART_MASK_KEY", "0123456789abcdef");
    Finished::of(command.output().unwrap()).failed(2, &["a bitmap of rows has no pseudonyms", "next:"]);
    assert!(!work.path("rows.roaring").exists());
}

#[test]
fn masked_pages_do_not_show_expressions_that_name_contracts() {
    let work = months();
    work.write("mine.toml", "[vip]\nexpression = \"contract = 'HN03'\"\n[long]\nexpression = 'days >= 2'\n");
    let arguments = ["run", "lake", "--month", "2022-04", "--audiences", "mine.toml", "--mask-contracts"];
    let mut command = work.command(arguments);
    command.env("VIEWMART_MASK_KEY", "0123456789abcdef");
    Finished::of(command.output().unwrap()).ok();
    let page = work.read_text("viewmart-out/dashboard.html");
    assert!(page.contains("some contracts") && page.contains("days &gt;= 2"), "what the audiences are");
    assert!(!page.contains("HN03"), "a contract");
}

#[test]
fn lists_that_name_nobody_are_told_by_every_question() {
    let work = months();
    work.write("list.csv", "nobody\n");
    work.write("mine.toml", "[vip]\nexpression = \"in('list.csv')\"\n");
    let asked: [&[&str]; 4] = [
        &[APRIL, "in('list.csv')"],
        &[APRIL, "in('list.csv')", "--by", "taste"],
        &[APRIL, "--overlap", "in('list.csv')", "tv"],
        &[APRIL, "--audiences", "mine.toml"],
    ];
    for arguments in asked {
        let told = ask(&work, arguments).ok().stderr;
        assert!(told.contains("warning: the one contract in list.csv is not in 2022-04"), "{arguments:?}: {told}");
    }
}

#[test]
fn only_the_months_that_are_asked_are_read() {
    let work = months();
    // A damaged month, whose footer still says which one it is.
    let path = work.path("months/month-2022-03.parquet");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(answer(&work, &["months", "tv", "--count"]), "2\n");
    ask(&work, &["months", "retained"]).failed(4, &["month-2022-03.parquet"]);
    ask(&work, &["months", "2022-02: tv"])
        .failed(2, &["the expression needs 2022-02, but the months given are 2022-03, 2022-04"]);
}

#[test]
fn a_list_in_a_folder_of_month_files_is_none_of_them() {
    let work = months();
    let list = ["months", "tv", "--out", "months/tv.parquet"];
    ask(&work, &list).ok();
    ask(&work, &list).ok();
    assert_eq!(answer(&work, &["months", "tv", "--count"]), "2\n");
    work.run(["merge", "months", "--month", "2022-04", "--out", "merged", "-q"]).ok();
    ask(&work, &["months/tv.parquet", "tv"]).failed(4, &["tv.parquet: it is a list of customers", "next:"]);
    work.write("only/tv.parquet", work.read("months/tv.parquet"));
    ask(&work, &["only", "tv"]).failed(2, &["only: holds no month file"]);
}

#[test]
fn a_bitmap_is_of_the_rows_of_one_file() {
    let work = months();
    work.run(["transform", "lake/20220401.csv", "lake/20220402.csv", "--out", "a", "-q"]).ok();
    work.run(["transform", "lake/20220405.csv", "--out", "b", "-q"]).ok();
    let parts = ["a", "b", "tv", "--out", "tv.roaring"];
    ask(&work, &parts).failed(2, &["2022-04 is in 2 month files", "`viewmart merge`"]);
    assert_eq!(answer(&work, &["a", "b", "tv", "--count"]), "2\n");
}

#[test]
fn lists_are_looked_for_beside_the_file_that_names_them_and_are_not_overwritten() {
    let work = months();
    work.write("conf/list.csv", "HN02\nSG01\n");
    work.write("conf/mine.toml", "[listed]\nexpression = \"in('list.csv')\"\nreason = 'On the list'\n");
    let mine = ["--audiences", "conf/mine.toml"];
    assert_eq!(answer(&work, &[&[APRIL, "listed", "--count"], &mine[..]].concat()), "2\n");
    let over = ["--columns", "Reason", "--out", "conf/list.csv"];
    ask(&work, &[&[APRIL, "tv"], &over[..], &mine[..]].concat()).failed(6, &["list.csv", "a list that is read"]);
    work.write("none.csv", "X\nY\n");
    let finished = ask(&work, &[APRIL, "in('none.csv')"]).ok();
    assert!(
        finished.stderr.contains("warning: none of the 2 contracts in none.csv is in 2022-04"),
        "{}",
        finished.stderr
    );
}

#[test]
fn what_cannot_be_asked_exits_2_and_says_what_to_write() {
    let work = months();
    work.write("wrong.toml", "[silent]\nexpression = 'last << 20'\n");
    let check = |arguments: &[&str], words: &[&str]| ask(&work, arguments).failed(2, words);
    check(&[], &["no month file is named", "next:"]);
    check(&["tv > 10h"], &["no month file is named"]);
    check(&["--overlap", "tv", "movie"], &["no month file is named"]);
    check(&["missing.parquet", "tv"], &["missing.parquet: no such file or folder"]);
    check(&[APRIL, "tvv > 1h"], &["`tvv` is not known; did you mean `tv`?\n  tvv > 1h\n  ^^^\n", "next:"]);
    check(&[APRIL, "tv > 1h and (movie"], &["`)` is expected here\n  tv > 1h and (movie\n                    ^\n"]);
    check(&[APRIL, "heavi"], &["did you mean `heavy`?"]);
    check(&[APRIL, "on 2022-05-01"], &["2022-05-01 is not in 2022-04", "     ^^^^^^^^^^"]);
    check(&[APRIL, "lapsed"], &["the expression needs 2022-03", "next: name its month file too"]);
    check(&[APRIL, "in('none.csv')"], &["none.csv"]);
    check(&[APRIL, "on 31"], &["2022-04 has no day 31", "next:"]);
    check(&[APRIL, "taste = 'Tv_Movie'"], &["2022-04 has no taste 'Tv_Movie'; did you mean 'Movie_Tv'?", "next:"]);
    check(&["mnths"], &["`mnths` is not known", "and no file or folder has that name"]);
    check(&[APRIL, "tv", "--by", "taste", "--limit", "3"], &["--limit asks for a list on stdout, where --by prints"]);
    check(&[APRIL, "tv", "--split", "9:1", "--columns", "Taste"], &["--columns asks for a list", "--split", "--out"]);
    check(&[APRIL, "tv", "--count", "--order", "total"], &["--order asks for a list", "--count"]);
    check(&[APRIL, "tv", "--count", "--by", "days"], &["cannot be used with"]);
    check(&[APRIL, "tv", "--out", "x.roaring", "--order", "total"], &["a bitmap has no order"]);
    check(&[APRIL, "--by", "taste"], &["the expression is missing after months/month-2022-04.parquet"]);
    check(&[APRIL, "tv", "--by", "colour"], &["colour", "taste"]);
    check(&[APRIL, "tv", "--out", "list.txt"], &["list.txt", ".csv, .parquet or .roaring"]);
    check(&[APRIL, "tv", "--out", APRIL], &["is a month file", "--out"]);
    check(&[APRIL, "tv", "--out", "x.roaring", "--columns", "Taste"], &["a bitmap has no columns"]);
    check(&[APRIL, "tv", "--columns", "Tase"], &["`Tase` is no column", "did you mean Taste?"]);
    check(&[APRIL, "tv", "--sample", "5"], &["not a percentage"]);
    check(&[APRIL, "tv", "--sample", "100.1%"], &["not a percentage"]);
    check(&[APRIL, "tv", "--sample", "%"], &["not a percentage"]);
    check(&[APRIL, "tv", "--sample", ".%"], &["not a percentage"]);
    work.write("open.csv", "HN01\n\"HN02\nHN03\n");
    check(&[APRIL, "in('open.csv')"], &["open.csv", "line 2: a quote is opened that is not closed on its line"]);
    check(&[APRIL, "tv", "--split", "90"], &["not shares such as 90:10"]);
    check(&[APRIL, "--overlap", "tv", "--by", "taste"], &["cannot be used with"]);
    check(&[APRIL, "tv", "--audiences", "none.toml"], &["none.toml"]);
    check(&[APRIL, "tv", "--audiences", "wrong.toml"], &["wrong.toml: [silent]", "last << 20\n        ^"]);
    work.write("damaged.parquet", "PAR1");
    ask(&work, &["damaged.parquet", "tv"]).failed(4, &["damaged.parquet"]);
}

#[test]
fn a_run_fills_the_mart_and_the_dashboard_with_named_audiences() {
    let work = months();
    work.write(
        "mine.toml",
        "[early]\nexpression = 'last < 10'\ndescription = 'Silent <since> the 10th'\n[gone]\nexpression = 'lapsed'\n",
    );
    let run = |month: &str| {
        let arguments = ["run", "lake", "--month", month, "--etl-date", "2022-05-01", "--audiences", "mine.toml"];
        work.run(arguments).ok()
    };
    run("2022-03");
    let finished = run("2022-04");
    let warning = "audience gone is left out: the expression needs 2022-03, but the months given are 2022-04";
    assert!(finished.stderr.contains(&format!("warning: {warning}\n")), "{}", finished.stderr);
    let report: serde_json::Value = serde_json::from_str(&work.read_text("viewmart-out/report.json")).unwrap();
    assert_eq!(report["warnings"], serde_json::json!([warning]));
    let told = "SELECT Text FROM etl_run_warning WHERE Kind = 'audience' AND Run = (SELECT MAX(Id) FROM etl_run)";
    assert_eq!(work.rows("viewmart-out/warehouse.db", told), [[warning]]);
    let denied = ["run", "lake", "--month", "2022-04", "--audiences", "mine.toml", "--deny-warnings"];
    work.run(denied).failed(4, &[warning]);

    let sizes = "SELECT Audience, Users, Seconds, UserShare FROM audience_size WHERE Month = '2022-04-01' ORDER BY 1";
    let expected = [
        ["at_risk", "0", "0", "0"],
        ["early", "3", "303600", "0.6"],
        ["heavy", "0", "0", "0"],
        ["kids", "1", "180000", "0.2"],
        ["light", "2", "3800", "0.4"],
        ["movie_upsell", "2", "300000", "0.4"],
        ["one_day", "3", "183600", "0.6"],
        ["shared", "1", "180000", "0.2"],
    ];
    assert_eq!(work.rows("viewmart-out/mart.db", sizes), expected);
    let pairs =
        "SELECT Other, Users FROM audience_overlap WHERE Month = '2022-04-01' AND Audience = 'early' ORDER BY 1";
    let expected = [
        ["at_risk", "0"],
        ["early", "3"],
        ["heavy", "0"],
        ["kids", "1"],
        ["light", "1"],
        ["movie_upsell", "2"],
        ["one_day", "2"],
        ["shared", "1"],
    ];
    assert_eq!(work.rows("viewmart-out/mart.db", pairs), expected);
    work.run(["mart", "--month", "2022-04"]).ok();
    assert_eq!(work.rows("viewmart-out/mart.db", sizes).len(), 8, "a mart that is built again has them too");

    work.run(["dashboard", "--month", "2022-04"]).ok();
    let page = work.read_text("viewmart-out/dashboard.html");
    let april = &page[page.find("data-month=2022-04").unwrap()..];
    let row =
        "<tr><th scope=row>early<td>3<td>60.0\u{a0}%<td>84.3<td>+200.0\u{a0}%<td class=w>Silent &lt;since&gt; the 10th";
    assert!(april.contains(row), "{}", &april[april.find("data-table=audiences").unwrap()..][..2000]);
    // (120 000 + 3600 + 200 + 0) s of 4 customers, of whom two have at most 200 s.
    let shared = "<tr><th scope=row>Without shared accounts<td>4<td>34.4<td>8.6\u{a0}h<td>3.3\u{a0}min";
    assert!(april.contains(shared), "{}", &april[april.find("data-table=shared").unwrap()..][..1500]);
    let top = &april[april.find("data-table=top-others").unwrap()..];
    assert!(!top[..top.find("</table>").unwrap()].contains("HN03"), "a shared account is left out");

    // One of the same name and description that asks for something else is not the one that the page speaks of.
    let text = "[shared]\nexpression = 'tv'\ndescription = 'More than 24 hours on an active day: more than one device can play'\n";
    work.write("mine.toml", text);
    run("2022-04");
    let page = work.read_text("viewmart-out/dashboard.html");
    assert!(!page[page.find("data-month=2022-04").unwrap()..].contains("data-table=shared"));
}
