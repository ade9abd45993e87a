//! Random expressions on random months: the text, parsed and answered from bitmaps, finds the customers that the same
//! condition finds in SQLite.

use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::super::evaluate::{Question, evaluate};
use super::super::expr::{Comparison, Expr, Metric, Movement, OnDays, TextField, TextTest, Threshold};
use super::super::index::Index;
use super::super::parse;
use super::{Person, table};
use crate::engine::calendar::{Day, Month};
use crate::engine::month::MonthTable;
use crate::engine::rules::Category;

const MARCH: &str = "2022-03";
const APRIL: &str = "2022-04";

fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Equal => "=",
        Comparison::NotEqual => "!=",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Greater => ">",
    }
}

fn days_of(mask: u32) -> Vec<u32> {
    (1..=31).filter(|day| mask >> (day - 1) & 1 == 1).collect()
}

fn list(days: &[u32]) -> String {
    days.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The expression as somebody would write it.
fn text(expr: &Expr) -> String {
    let number = |threshold: &Threshold| match threshold.denominator {
        1 => threshold.numerator.to_string(),
        10 => format!("{}.{}", threshold.numerator / 10, threshold.numerator % 10),
        other => panic!("not generated: {other}"),
    };
    match expr {
        Expr::And(a, b) => format!("({} and {})", text(a), text(b)),
        Expr::Or(a, b) => format!("({} or {})", text(a), text(b)),
        Expr::Not(inner) => format!("not {}", text(inner)),
        Expr::In(month, inner) => format!("{month}: ({})", text(inner)),
        Expr::Compare(metric, comparison, threshold) => {
            let metric = match metric {
                Metric::Category(category) => category.name().to_lowercase(),
                Metric::Total => "total".to_owned(),
                Metric::PerDay => "per_day".to_owned(),
                Metric::Devices => "devices".to_owned(),
                Metric::Days => "days".to_owned(),
                Metric::First => "first".to_owned(),
                Metric::Last => "last".to_owned(),
                Metric::Gap => "gap".to_owned(),
                Metric::Trend => "trend".to_owned(),
                Metric::Active(mask) => {
                    let days = days_of(*mask);
                    format!("active({}..{})", days[0], days[days.len() - 1])
                }
            };
            format!("{metric} {} {}", sign(*comparison), number(threshold))
        }
        Expr::Text(field, test) => {
            let field = match field {
                TextField::MostWatch => "most",
                TextField::Taste => "taste",
                TextField::Contract => "contract",
            };
            let (sign, value) = operator_and_text(test);
            format!("{field} {sign} '{value}'")
        }
        Expr::On(days) => {
            let words = days.iter().map(|days| match days {
                OnDays::Weekend => "weekend".to_owned(),
                OnDays::Weekdays => "weekdays".to_owned(),
                OnDays::Mask(mask) => list(&days_of(*mask)),
                OnDays::Date(date, _) => date.to_string(),
            });
            format!("on {}", words.collect::<Vec<_>>().join(", "))
        }
        Expr::Movement(Movement::New) => "new".to_owned(),
        Expr::Movement(Movement::Retained) => "retained".to_owned(),
        Expr::Movement(Movement::Lapsed) => "lapsed".to_owned(),
        Expr::Listed(path) => format!("in('{}')", path.display()),
    }
}

fn operator_and_text(test: &TextTest) -> (&'static str, &str) {
    match test {
        TextTest::Equal(text) => ("=", text),
        TextTest::NotEqual(text) => ("!=", text),
        TextTest::Like(text) => ("like", text),
    }
}

/// The condition in SQL on a contract `u.Contract`. Within a `scope` it speaks of the customers of that month alone: that is
/// what asking a month means.
fn sql(expr: &Expr, month: Month, scope: Option<Month>) -> String {
    let there = |month: Month, condition: &str| {
        format!(
            "EXISTS (SELECT 1 FROM customer c WHERE c.Month = '{month}' AND c.Contract = u.Contract AND {condition})"
        )
    };
    match expr {
        Expr::And(a, b) => format!("({} AND {})", sql(a, month, scope), sql(b, month, scope)),
        Expr::Or(a, b) => format!("({} OR {})", sql(a, month, scope), sql(b, month, scope)),
        Expr::Not(inner) => {
            let not = format!("NOT {}", sql(inner, month, scope));
            scope.map_or(not.clone(), |month| format!("({} AND {not})", there(month, "TRUE")))
        }
        Expr::In(month, inner) => sql(inner, *month, Some(*month)),
        Expr::Compare(metric, comparison, threshold) => {
            there(month, &comparison_sql(*metric, *comparison, *threshold, month))
        }
        Expr::Text(field, test) => {
            let column = match field {
                TextField::MostWatch => "MostWatch",
                TextField::Taste => "Taste",
                TextField::Contract => "Contract",
            };
            let (sign, value) = operator_and_text(test);
            there(month, &format!("c.{column} {sign} '{value}'"))
        }
        Expr::On(days) => {
            let weekday = "strftime('%w', c.Month || '-' || substr('0' || d.Day, -2))";
            let conditions = days.iter().map(|days| match days {
                OnDays::Weekend => format!("{weekday} IN ('0', '6')"),
                OnDays::Weekdays => format!("{weekday} NOT IN ('0', '6')"),
                OnDays::Mask(mask) => format!("d.Day IN ({})", list(&days_of(*mask))),
                OnDays::Date(date, _) => format!("d.Day = {}", date.day()),
            });
            let any = conditions.collect::<Vec<_>>().join(" OR ");
            there(month, &format!("EXISTS (SELECT 1 FROM {DAYS} AND ({any}))"))
        }
        Expr::Movement(movement) => {
            let now = there(month, "TRUE");
            let before = there(month.previous().unwrap(), "TRUE");
            match movement {
                Movement::New => format!("({now} AND NOT {before})"),
                Movement::Retained => format!("({now} AND {before})"),
                Movement::Lapsed => format!("(NOT {now} AND {before})"),
            }
        }
        Expr::Listed(_) => there(month, &format!("c.Contract IN ('{}')", LISTED.join("', '"))),
    }
}

/// The contracts of the file that `in` names.
const LISTED: [&str; 6] = ["A", "a", "AB", "é", "b%", "nobody"];

fn list_file() -> PathBuf {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("list.csv"), LISTED.join("\n")).unwrap();
        folder
    });
    FOLDER.path().join("list.csv")
}

/// The active days of a customer `c`.
const DAYS: &str = "active_day d WHERE d.Month = c.Month AND d.Contract = c.Contract";

fn comparison_sql(metric: Metric, comparison: Comparison, threshold: Threshold, month: Month) -> String {
    let (sign, n, d) = (sign(comparison), threshold.numerator, threshold.denominator);
    let of_days = |what: &str| format!("(SELECT {what} FROM {DAYS}) * {d} {sign} {n}");
    match metric {
        Metric::Category(category) => format!("c.{} * {d} {sign} {n}", category.name()),
        Metric::Total => format!("c.Total * {d} {sign} {n}"),
        Metric::PerDay => format!("c.Total * {d} {sign} {n} * (SELECT COUNT(*) FROM {DAYS})"),
        Metric::Devices => format!("c.Devices * {d} {sign} {n}"),
        Metric::Days => of_days("COUNT(*)"),
        Metric::First => of_days("MIN(d.Day)"),
        Metric::Last => of_days("MAX(d.Day)"),
        Metric::Gap => format!(
            "(SELECT COALESCE(MAX(Gap), 0) FROM (SELECT d.Day - LAG(d.Day) OVER (ORDER BY d.Day) - 1 AS Gap FROM {DAYS})) \
             * {d} {sign} {n}"
        ),
        Metric::Active(mask) => {
            format!("(SELECT COUNT(*) FROM {DAYS} AND d.Day IN ({})) * {d} {sign} {n}", list(&days_of(mask)))
        }
        Metric::Trend => {
            let half = |condition: &str| format!("(SELECT COUNT(*) FROM {DAYS} AND d.Day {condition})");
            let (first, second) = (half("<= 15"), half("> 15"));
            let n_second = month.n_days() - 15;
            format!("({first} > 0 AND {second} * 15 * {d} {sign} {n} * {first} * {n_second})")
        }
    }
}

fn database(tables: &[MonthTable]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let make = "PRAGMA case_sensitive_like = ON;
        CREATE TABLE customer (Month, Contract, Movie, Sport, Child, Relax, Tv, Total, MostWatch, Taste, Devices);
        CREATE TABLE active_day (Month, Contract, Day);";
    connection.execute_batch(make).unwrap();
    for table in tables {
        let month = table.month.to_string();
        for row in 0..table.n_rows() {
            let contract = table.contracts.get(row);
            let [movie, sport, child, relax, tv] = Category::ALL.map(|category| table.seconds[category as usize][row]);
            let values = (&month, contract, movie, sport, child, relax, tv, table.total[row]);
            let (month, contract, movie, sport, child, relax, tv, total) = values;
            let insert = "INSERT INTO customer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let labels = (table.most_watch(row), table.taste(row));
            let devices = table.devices.as_ref().map(|devices| devices.counts[row]);
            let values = (month, contract, movie, sport, child, relax, tv, total, labels.0, labels.1, devices);
            connection.execute(insert, values).unwrap();
            for day in days_of(table.days[row]) {
                connection.execute("INSERT INTO active_day VALUES (?, ?, ?)", (month, contract, day)).unwrap();
            }
        }
    }
    connection
}

fn found_by_sqlite(expr: &Expr, tables: &[MonthTable]) -> Vec<String> {
    let april: Month = APRIL.parse().unwrap();
    let mut named = vec![april];
    name_months(expr, april, &mut named);
    let named: Vec<String> = named.iter().map(|month| format!("'{month}'")).collect();
    let query = format!(
        "SELECT u.Contract FROM (SELECT DISTINCT Contract FROM customer WHERE Month IN ({})) u WHERE {} ORDER BY 1",
        named.join(", "),
        sql(expr, april, None)
    );
    let connection = database(tables);
    let mut statement = connection.prepare(&query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn name_months(expr: &Expr, month: Month, named: &mut Vec<Month>) {
    match expr {
        Expr::And(a, b) | Expr::Or(a, b) => [a, b].into_iter().for_each(|inner| name_months(inner, month, named)),
        Expr::Not(inner) => name_months(inner, month, named),
        Expr::In(month, inner) => {
            named.push(*month);
            name_months(inner, *month, named);
        }
        Expr::Movement(_) => named.push(month.previous().unwrap()),
        _ => {}
    }
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    prop::sample::select(vec![Less, LessOrEqual, Equal, NotEqual, GreaterOrEqual, Greater])
}

/// A whole number, or one with a place after the point as the parser gives it.
fn thresholds() -> impl Strategy<Value = Threshold> {
    (0_i64..40, 0_i64..10).prop_map(|(whole, tenths)| match tenths {
        0 => Threshold { numerator: whole, denominator: 1 },
        tenths => Threshold { numerator: whole * 10 + tenths, denominator: 10 },
    })
}

/// Tests that are asked of `month`.
fn tests(month: Month) -> impl Strategy<Value = Expr> {
    let seconds = prop_oneof![
        prop::sample::select(Category::ALL.to_vec()).prop_map(Metric::Category),
        Just(Metric::Total),
        Just(Metric::PerDay),
        Just(Metric::Trend),
    ];
    let days = prop_oneof![
        Just(Metric::Devices),
        Just(Metric::Days),
        Just(Metric::First),
        Just(Metric::Last),
        Just(Metric::Gap),
        (1..=u32::from(month.n_days()), 1_u32..=31)
            .prop_map(|(a, b)| Metric::Active((a.min(b)..=a.max(b)).fold(0, |m, d| m | 1 << (d - 1)))),
    ];
    let whole = (0_i64..32).prop_map(|numerator| Threshold { numerator, denominator: 1 });
    let words = "[ABab%_é]{0,3}";
    let date =
        (1..=month.n_days()).prop_map(move |day| OnDays::Date(month.date(Day::new(day).unwrap()).unwrap(), 0..0));
    let on = prop_oneof![
        Just(OnDays::Weekend),
        Just(OnDays::Weekdays),
        (0_u32..month.n_days() as u32).prop_map(|day| OnDays::Mask(1 << day)),
        date,
    ];
    let label_tests = || prop::sample::select(vec![TextTest::Equal, TextTest::NotEqual, TextTest::Like]);
    let equal = || prop::sample::select(vec![TextTest::Equal, TextTest::NotEqual]);
    let labels = ["Movie", "Sport", "Child", "Relax", "Tv", "No"].map(str::to_owned).to_vec();
    let tastes = ["Movie_Tv", "Relax_Movie_Tv", "Tv", "No"].map(str::to_owned).to_vec();
    let patterns = ["Movie_Tv", "%Tv", "M%", "%_%", "_o", "%%o%%"].map(str::to_owned).to_vec();
    prop_oneof![
        4 => (seconds, comparisons(), thresholds()).prop_map(|(m, c, t)| Expr::Compare(m, c, t)),
        4 => (days, comparisons(), whole).prop_map(|(m, c, t)| Expr::Compare(m, c, t)),
        1 => (label_tests(), prop::sample::select(labels)).prop_map(|(of, t)| Expr::Text(TextField::MostWatch, of(t))),
        1 => (equal(), prop::sample::select(tastes)).prop_map(|(of, t)| Expr::Text(TextField::Taste, of(t))),
        1 => prop::sample::select(patterns).prop_map(|t| Expr::Text(TextField::Taste, TextTest::Like(t))),
        2 => (label_tests(), words).prop_map(|(of, t)| Expr::Text(TextField::Contract, of(t))),
        1 => Just(Expr::Listed(list_file())),
        2 => prop::collection::vec(on, 1..3).prop_map(Expr::On),
    ]
}

fn exprs() -> impl Strategy<Value = Expr> {
    let movement = prop::sample::select(vec![Movement::New, Movement::Retained, Movement::Lapsed]);
    let [march, april] = [MARCH, APRIL].map(|month| month.parse::<Month>().unwrap());
    let leaf = prop_oneof![10 => tests(april), 1 => movement.prop_map(Expr::Movement)];
    let back_to_april = tests(april).prop_map(move |inner| Expr::In(april, Box::new(inner)));
    let of_march = combined(prop_oneof![6 => tests(march), 1 => back_to_april].boxed(), 2);
    let of_march = of_march.prop_map(move |inner| Expr::In(march, Box::new(inner)));
    combined(prop_oneof![8 => leaf, 2 => of_march].boxed(), 4)
}

/// Tests combined by `and`, `or` and `not`.
fn combined(leaf: BoxedStrategy<Expr>, depth: u32) -> BoxedStrategy<Expr> {
    let combined = leaf.prop_recursive(depth, 1 << depth, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::And(a.into(), b.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Expr::Or(a.into(), b.into())),
            inner.prop_map(|inner| Expr::Not(inner.into())),
        ]
    });
    combined.boxed()
}

fn people(n_days: u32) -> impl Strategy<Value = Vec<Person>> {
    let person = ("[ABab%_é]{1,2}", prop::array::uniform5(0_i64..12), 1_u32..1 << n_days);
    prop::collection::vec(person, 1..25)
}

proptest! {
    #[test]
    fn sqlite_finds_the_same_customers(march in people(31), april in people(30), expr in exprs()) {
        let tables = [table(MARCH, &march), table(APRIL, &april)];
        let text = text(&expr);
        let mut parsed = parse(&text).unwrap_or_else(|error| panic!("{error}"));
        parsed.move_to(&(0..0));
        prop_assert_eq!(&parsed, &expr, "{}", text);
        let indexes: Vec<Index<'_>> = tables.iter().map(Index::new).collect();
        let answer = evaluate(Question { text: &text, expr: &parsed }, &indexes).expect("nothing is missing");
        let found: Vec<String> = answer.customers().map(|member| member.contract.to_owned()).collect();
        prop_assert_eq!(found, found_by_sqlite(&expr, &tables), "{}", text);
    }
}
