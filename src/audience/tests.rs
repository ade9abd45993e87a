//! Answers, lists and counts of small months made by hand, and random months against a look at each row.

use proptest::prelude::*;

use super::answer::Member;
use super::breakdown::{self, Dimension, Group};
use super::evaluate::{EvaluateError, Question, evaluate, evaluate_all};
use super::expr::{Comparison, Expr, Metric, OnDays, Threshold};
use super::index::Index;
use super::list::{self, Fraction, Names, Order, Reason, Selection, Sheet};
use super::overlap::{Combination, combinations};
use super::parse;
use super::retention::{Cohort, cohorts};
use super::rows::Pattern;
use crate::engine::columns::COLUMNS_WITH_DEVICES;
use crate::engine::month::MonthTable;
use crate::engine::partial::Row;
use crate::engine::rules::{Category, Rules};
use crate::made::{Made, with_device_counts};

mod lists;
mod sqlite;

/// A customer: contract, seconds in column order, mask of active days. It has as many devices as the mask leaves by 5.
type Person = (String, [i64; 5], u32);

fn table(month: &str, people: &[Person]) -> MonthTable {
    let mut people = people.to_vec();
    people.sort();
    people.dedup_by(|a, b| a.0 == b.0);
    let rules = Rules::preset("default").expect("it is built in");
    let rows = people.iter().map(|(contract, seconds, days)| Row { contract, days: *days, seconds: *seconds });
    let counts = people.iter().map(|(_, _, mask)| mask % 5).collect();
    with_device_counts(Made::of(month, &rules).table(rows), counts)
}

fn people(n: usize) -> Vec<Person> {
    (0..n).map(|i| (format!("C{i:05}"), [0, 0, 0, 0, (i as i64 * 7919) % 1000], 1)).collect()
}

fn answer(text: &str, tables: &[MonthTable]) -> Result<Vec<String>, EvaluateError> {
    let indexes: Vec<Index<'_>> = tables.iter().map(Index::new).collect();
    let expr = parse(text).map_err(EvaluateError::Expr)?;
    let answer = evaluate(Question { text, expr: &expr }, &indexes)?;
    Ok(answer.customers().map(|member| member.contract.to_owned()).collect())
}

#[test]
fn each_test_finds_its_customers() {
    let hour = 3600;
    let april = table(
        "2022-04",
        &[
            // Friday the 1st; Saturday the 2nd; silent from the 20th on; every day; the last day only.
            ("A".into(), [hour, 0, 0, 0, 0], 1),
            ("B".into(), [0, 2 * hour, 0, 0, 0], 1 << 1),
            ("B_".into(), [0, 0, 0, 0, 10 * hour], (1 << 19) - 1),
            ("C".into(), [hour, 0, 0, 0, 31 * 24 * hour], (1 << 30) - 1),
            ("Ç".into(), [0, 0, 0, 0, 0], 1 << 29 | 1 << 2),
        ],
    );
    let cases: [(&str, &[&str]); 35] = [
        ("total >= 0", &["A", "B", "B_", "C", "Ç"]),
        ("movie", &["A", "C"]),
        ("movie and not tv", &["A"]),
        ("sport or tv > 10h", &["B", "C"]),
        ("tv = 10h", &["B_"]),
        ("tv != 0", &["B_", "C"]),
        ("total < 1.00001h", &["A", "Ç"]),
        ("total <= 0.99999h", &["Ç"]),
        ("per_day > 24h", &["C"]),
        ("per_day >= 2h", &["B", "C"]),
        ("days >= 19", &["B_", "C"]),
        ("days = 2", &["Ç"]),
        // The masks are 1, 2, 2^19-1, 2^30-1 and 2^29+4.
        ("devices >= 3", &["C"]),
        ("devices = 1", &["A", "Ç"]),
        ("devices != 2 and not devices = 1", &["C"]),
        ("first > 1", &["B", "Ç"]),
        ("last < 20", &["A", "B", "B_"]),
        ("gap >= 26", &["Ç"]),
        ("gap = 0", &["A", "B", "B_", "C"]),
        ("active(1..15) = 15", &["B_", "C"]),
        ("on weekend", &["B", "B_", "C", "Ç"]),
        ("on weekend and days = 1", &["B"]),
        ("on weekdays and days = 1", &["A"]),
        ("on 30", &["C", "Ç"]),
        ("on 2022-04-30", &["C", "Ç"]),
        ("on 1, 2022-04-02 and days = 1", &["A", "B"]),
        ("trend < 0.5", &["A", "B", "B_"]),
        ("trend = 1", &["C", "Ç"]),
        ("most = 'No'", &["Ç"]),
        ("most != 'Tv'", &["A", "B", "Ç"]),
        ("taste = 'Movie_Tv'", &["C"]),
        ("taste like '%Tv'", &["B_", "C"]),
        ("contract like 'B%'", &["B", "B_"]),
        ("contract like '_'", &["A", "B", "C", "Ç"]),
        ("contract = 'B_' or contract like '%Ç'", &["B_", "Ç"]),
    ];
    for (text, expected) in cases {
        assert_eq!(answer(text, std::slice::from_ref(&april)).expect(text), expected, "{text}");
    }
}

#[test]
fn months_are_asked_by_name_and_against_the_month_before() {
    let person = |contract: &str, tv: i64| (contract.to_owned(), [0, 0, 0, 0, tv], 1);
    let months = [
        table("2022-02", &[person("A", 1)]),
        table("2022-03", &[person("A", 1), person("B", 2), person("C", 3)]),
        table("2022-04", &[person("B", 20), person("C", 3), person("D", 4)]),
    ];
    let cases: [(&str, &[&str]); 16] = [
        ("2022-03: (not tv > 1)", &["A"]),
        ("2022-03: (not not tv > 1)", &["B", "C"]),
        ("2022-03: (not (tv > 1 or 2022-04: (tv > 3)))", &["A"]),
        ("2022-03: (lapsed or not tv < 3)", &["C"]),
        ("2022-03: (not new)", &["A"]),
        ("2022-03: (not lapsed)", &["A", "B", "C"]),
        ("tv", &["B", "C", "D"]),
        ("not tv > 3", &["C"]),
        ("new", &["D"]),
        ("retained", &["B", "C"]),
        ("lapsed", &["A"]),
        ("2022-03: (new)", &["B", "C"]),
        ("2022-03: (tv >= 2) and tv > 10", &["B"]),
        ("2022-03: tv and not tv", &["A"]),
        ("not 2022-03: tv", &["D"]),
        ("2022-02: (tv) or lapsed", &["A"]),
    ];
    for (text, expected) in cases {
        assert_eq!(answer(text, &months).expect(text), expected, "{text}");
    }
    let refused = [
        ("2021-01: tv", "the expression needs 2021-01, but the months given are 2022-02, 2022-03, 2022-04"),
        ("2022-02: new", "the expression needs 2022-01, but the months given are 2022-02, 2022-03, 2022-04"),
        (
            "on 2022-05-10",
            "2022-05-10 is not in 2022-04; another month is asked by 2022-05: (…)\n  on 2022-05-10\n     ^^^^^^^^^^",
        ),
    ];
    for (text, expected) in refused {
        assert_eq!(answer(text, &months).expect_err(text).to_string(), expected, "{text}");
    }
    let brief = answer("on 2022-05-10", &months).expect_err("another month").brief();
    assert_eq!(brief, "2022-05-10 is not in 2022-04; another month is asked by 2022-05: (…)");
    assert!(matches!(answer("tv", &[]), Err(EvaluateError::NoMonth)));
    let [_, march, mut april] = months;
    april.devices = None;
    let months = [march, april];
    for text in ["devices > 1", "tv and not (devices = 0)", "new or devices < 9"] {
        let error = answer(text, &months).expect_err(text).to_string();
        assert_eq!(error, "the devices of 2022-04 were not counted", "{text}");
    }
    assert_eq!(answer("2022-03: (devices = 1)", &months).expect("March counts them"), ["A", "B", "C"]);
}

#[test]
fn what_a_month_cannot_have_is_refused() {
    let months = [table("2022-03", &[("A".into(), [1; 5], 1)]), table("2022-04", &[("A".into(), [1; 5], 1 << 29)])];
    let check = |text: &str, expected: Option<&str>| {
        assert_eq!(answer(text, &months).err().map(|error| error.to_string()).as_deref(), expected, "{text}");
    };
    check("on 31", Some("2022-04 has no day 31"));
    check("on 30, 31", Some("2022-04 has no day 31"));
    check("active(31) = 1", Some("2022-04 has no day 31"));
    check("on 25..31", None);
    check("active(16..31) > 1", None);
    check("2022-03: on 31", None);
    check("taste = 'Tv_Movie'", Some("2022-04 has no taste 'Tv_Movie'; did you mean 'Movie_Tv'?"));
    check("taste != 'movie_tv'", Some("2022-04 has no taste 'movie_tv'; did you mean 'Movie_Tv'?"));
    check("taste = 'Movi'", Some("2022-04 has no taste 'Movi'; did you mean 'Movie'?"));
    check("taste = 'Radio'", Some("2022-04 has no taste 'Radio'"));
    check("taste = 'Sport_Tv' or taste = 'No'", None);
    check("taste like 'Tv_Movie%'", None);
}

#[test]
fn a_list_is_the_first_column_of_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("list.csv");
    let person = |contract: &str| (contract.to_owned(), [1; 5], 1);
    let april = [table("2022-04", &[person("A"), person("B, C"), person("D")])];
    let cases: [(&str, &[&str]); 5] = [
        ("", &[]),
        ("Contract\nA\nX\n", &["A"]),
        ("\u{feff}contract,total\r\n\"B, C\",3\r\nD\r\n", &["B, C", "D"]),
        ("D\nA\nA\n", &["A", "D"]),
        ("A\nContract\n", &["A"]),
    ];
    for (content, expected) in cases {
        std::fs::write(&path, content).expect("a file");
        let text = format!("in('{}')", path.display());
        assert_eq!(answer(&text, &april).expect(content), expected, "{content:?}");
    }
    let unmatched = |content: &str, text: &str| -> Vec<String> {
        std::fs::write(&path, content).expect("a file");
        let text = text.replace("LIST", &format!("in('{}')", path.display()));
        let expr = parse(&text).expect("it is sound");
        let answer =
            evaluate(Question { text: &text, expr: &expr }, &[Index::new(&april[0])]).expect("nothing is missing");
        let list = path.display().to_string();
        answer.unmatched.iter().map(|unmatched| unmatched.to_string().replace(&list, "LIST")).collect()
    };
    assert_eq!(unmatched("A\nX\n", "LIST"), [""; 0]);
    assert_eq!(unmatched("", "LIST"), ["LIST holds no contract"]);
    assert_eq!(unmatched("X", "tv and not LIST"), ["the one contract in LIST is not in 2022-04"]);
    assert_eq!(unmatched(&"X\n".repeat(1000), "LIST"), ["none of the 1,000 contracts in LIST is in 2022-04"]);
    let missing = format!("in('{}')", folder.path().join("missing.csv").display());
    assert!(matches!(answer(&missing, &april), Err(EvaluateError::List { .. })));
}

#[test]
fn patterns_match_like_sql() {
    let cases = [
        ("", "", true),
        ("", "%", true),
        ("a", "", false),
        ("abc", "a%c", true),
        ("abcbc", "a%bc", true),
        ("abcb", "a%bc", false),
        ("aXbXc", "%X%X%", true),
        ("é", "_", true),
        ("ab", "_", false),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "%a%a%a%a%a%a%a%a%a%ac", false),
    ];
    for (text, pattern, expected) in cases {
        assert_eq!(Pattern::new(pattern).matches(text), expected, "{text} like {pattern}");
        let doubled = pattern.replace('%', "%%%");
        assert_eq!(Pattern::new(&doubled).matches(text), expected, "{text} like {doubled}");
    }
}

/// The same, row by row and without a bitmap.
fn holds(expr: &Expr, table: &MonthTable, row: usize) -> bool {
    let mask = table.days[row];
    let active: Vec<i64> = (1..=31).filter(|day| mask >> (day - 1) & 1 == 1).collect();
    match expr {
        Expr::And(a, b) => holds(a, table, row) && holds(b, table, row),
        Expr::Or(a, b) => holds(a, table, row) || holds(b, table, row),
        Expr::Not(inner) => !holds(inner, table, row),
        Expr::On(days) => days.iter().any(|days| matches!(days, OnDays::Mask(days) if days & mask != 0)),
        Expr::Compare(metric, comparison, threshold) => {
            let gaps = active.windows(2).map(|pair| pair[1] - pair[0] - 1);
            let value = match metric {
                Metric::Category(category) => table.seconds[*category as usize][row],
                Metric::Total => table.total[row],
                Metric::Devices => i64::from(mask % 5),
                Metric::Days => active.len() as i64,
                Metric::First => active[0],
                Metric::Last => *active.last().expect("there is one"),
                Metric::Gap => gaps.max().unwrap_or(0),
                Metric::Active(among) => i64::from((mask & among).count_ones()),
                Metric::PerDay | Metric::Trend => unreachable!("not generated"),
            };
            comparison.holds(value * threshold.denominator, threshold.numerator)
        }
        _ => unreachable!("not generated"),
    }
}

fn expr() -> impl Strategy<Value = Expr> {
    let metric = prop_oneof![
        Just(Metric::Category(Category::Tv)),
        Just(Metric::Total),
        Just(Metric::Days),
        Just(Metric::First),
        Just(Metric::Last),
        Just(Metric::Gap),
        any::<u32>().prop_map(|mask| Metric::Active(mask & 0x3fff_ffff)),
    ];
    let comparison = prop_oneof![
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::GreaterOrEqual),
        Just(Comparison::Greater),
    ];
    let leaf = prop_oneof![
        4 => (metric, comparison, 0_i64..32)
            .prop_map(|(m, c, n)| Expr::Compare(m, c, Threshold { numerator: n, denominator: 1 })),
        1 => any::<u32>().prop_map(|mask| Expr::On(vec![OnDays::Mask(mask & 0x3fff_ffff)])),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::Or(a.into(), b.into())),
            inner.prop_map(|inner| Expr::Not(inner.into())),
        ]
    })
}

proptest! {
    #[test]
    fn bitmaps_answer_what_each_row_answers(
        people in proptest::collection::vec(("[A-Z]{1,3}", proptest::array::uniform5(0_i64..12), 1_u32..1 << 30), 1..60),
        expr in expr(),
    ) {
        let table = table("2022-04", &people);
        let question = Question { text: "", expr: &expr };
        let answer = evaluate(question, &[Index::new(&table)]).expect("nothing is missing");
        let expected: Vec<u32> = (0..table.n_rows()).filter(|row| holds(&expr, &table, *row)).map(|r| r as u32).collect();
        prop_assert_eq!(answer.base_rows().iter().collect::<Vec<_>>(), expected);
    }
}

/// Words of expressions in any order.
fn word_soup() -> impl Strategy<Value = String> {
    let words = [
        "(",
        ")",
        "and",
        "or",
        "not",
        "tv",
        "movie",
        "total",
        "per_day",
        "days",
        "gap",
        "trend",
        "active",
        "first",
        "last",
        "<",
        ">=",
        "=",
        "!=",
        "..",
        ",",
        ":",
        "1",
        "31",
        "0.5",
        "10h",
        "1h30m",
        "on",
        "weekend",
        "2022-04",
        "2022-04-10",
        "2022-04:",
        "most",
        "taste",
        "contract",
        "like",
        "'Tv'",
        "'%_%'",
        "new",
        "heavy",
        "kids",
        "é",
        "'",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_mistake_can_be_shown(text in word_soup(), nots in 0_usize..300) {
        let april = [table("2022-04", &[("A".into(), [1, 0, 0, 0, 5], 0b101), ("B".into(), [0; 5], 1)])];
        let names = super::named::builtin().expect("they are sound");
        let indexes: Vec<Index<'_>> = april.iter().map(Index::new).collect();
        for text in [text.clone(), format!("{}({text})", "not ".repeat(nots)), format!("tv or ({text}) and heavy")] {
            match super::parse_with(&text, &names) {
                Err(error) => prop_assert!(error.to_string().contains('^'), "{}", text),
                Ok(expr) => match evaluate(Question { text: &text, expr: &expr }, &indexes) {
                    Ok(answer) => prop_assert_eq!(answer.customers().count() as u64, answer.len()),
                    Err(error) => prop_assert!(!error.to_string().is_empty()),
                },
            }
        }
    }
}

#[test]
fn the_longest_expression_is_answered() {
    let april = [table("2022-04", &people(3))];
    let text = vec!["tv"; 1000].join(" and ");
    assert_eq!(answer(&text, &april).expect("it is not too long"), ["C00001", "C00002"]);
}
