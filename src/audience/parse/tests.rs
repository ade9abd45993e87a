//! Expressions, what they mean, and what is said of mistakes in them.

use proptest::prelude::*;

use super::*;

fn compare(metric: Metric, comparison: Comparison, numerator: i64, denominator: i64) -> Expr {
    Expr::Compare(metric, comparison, Threshold { numerator, denominator })
}

fn parsed(text: &str) -> Expr {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn tests_mean_what_they_say() {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let tv = Metric::Category(Category::Tv);
    let cases: [(&str, Expr); 33] = [
        ("tv", compare(tv, Greater, 0, 1)),
        ("TV", compare(tv, Greater, 0, 1)),
        ("((tv))", compare(tv, Greater, 0, 1)),
        ("tv > 10h", compare(tv, Greater, 36_000, 1)),
        ("tv>=90m", compare(tv, GreaterOrEqual, 5400, 1)),
        ("tv < 1h30m", compare(tv, Less, 5400, 1)),
        ("tv <= 1.5h", compare(tv, LessOrEqual, 5400, 1)),
        ("tv = 0", compare(tv, Equal, 0, 1)),
        ("tv == 0", compare(tv, Equal, 0, 1)),
        ("tv <> 2d", compare(tv, NotEqual, 172_800, 1)),
        ("tv != 45s", compare(tv, NotEqual, 45, 1)),
        ("tv > 0.5s", compare(tv, Greater, 5, 10)),
        ("total > 600", compare(Metric::Total, Greater, 600, 1)),
        ("per_day > 24h", compare(Metric::PerDay, Greater, 86_400, 1)),
        ("days >= 20", compare(Metric::Days, GreaterOrEqual, 20, 1)),
        ("first > 10", compare(Metric::First, Greater, 10, 1)),
        ("last < 20", compare(Metric::Last, Less, 20, 1)),
        ("gap >= 7", compare(Metric::Gap, GreaterOrEqual, 7, 1)),
        ("active(1..15) >= 5", compare(Metric::Active(0x7fff), GreaterOrEqual, 5, 1)),
        ("active( 31 ) = 1", compare(Metric::Active(1 << 30), Equal, 1, 1)),
        ("trend < 0.50", compare(Metric::Trend, Less, 5, 10)),
        ("trend > 1.25", compare(Metric::Trend, Greater, 125, 100)),
        ("most = 'Tv'", Expr::Text(TextField::MostWatch, TextTest::Equal("Tv".into()))),
        ("taste != 'Movie_Tv'", Expr::Text(TextField::Taste, TextTest::NotEqual("Movie_Tv".into()))),
        ("contract like 'HN%'", Expr::Text(TextField::Contract, TextTest::Like("HN%".into()))),
        ("contract = 'it''s'", Expr::Text(TextField::Contract, TextTest::Equal("it's".into()))),
        ("on 1..7", Expr::On(vec![OnDays::Mask(0x7f)])),
        ("on 2022-04-10", Expr::On(vec![OnDays::Date(jiff::civil::date(2022, 4, 10), 3..13)])),
        ("on weekend, 3", Expr::On(vec![OnDays::Weekend, OnDays::Mask(4)])),
        ("on weekdays", Expr::On(vec![OnDays::Weekdays])),
        ("in('a b.csv')", Expr::Listed("a b.csv".into())),
        ("lapsed", Expr::Movement(Movement::Lapsed)),
        ("2022-03: (new)", Expr::In("2022-03".parse().unwrap(), Box::new(Expr::Movement(Movement::New)))),
    ];
    for (text, expected) in cases {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn not_binds_before_and_before_or() {
    let cases = [
        ("tv or movie and not sport", "tv or (movie and (not sport))"),
        ("not tv and movie", "(not tv) and movie"),
        ("tv and movie or sport and child", "(tv and movie) or (sport and child)"),
        ("tv or movie or sport", "(tv or movie) or sport"),
        ("2022-03: tv and movie", "(2022-03: (tv)) and movie"),
        ("not not tv", "not (not (tv))"),
    ];
    for (text, same) in cases {
        assert_eq!(parsed(text), parsed(same), "{text}");
    }
}

#[test]
fn a_mistake_is_shown_with_its_place() {
    let cases = [
        ("", 0..0, "a test is expected here, such as `tv > 10h`, `days >= 20` or `on weekend`"),
        ("tvv > 1h", 0..3, "`tvv` is not known; did you mean `tv`?"),
        ("xylophone", 0..9, "`xylophone` is not known"),
        ("tv > 10x", 5..8, "a duration is expected here: 10h, 90m, 1h30m, 2d or seconds without a unit"),
        ("tv > 30m1h", 5..10, "a duration is expected here: 10h, 90m, 1h30m, 2d or seconds without a unit"),
        ("tv >", 4..4, "a duration is expected here: 10h, 90m, 1h30m, 2d or seconds without a unit"),
        ("days > 2.5", 7..10, "a whole number of days is expected here"),
        ("days", 4..4, "a comparison is expected here: <, <=, =, !=, >= or >"),
        ("tv movie", 3..8, "`and` or `or` is missing before this"),
        ("tv adn movie", 3..6, "`and` or `or` is missing before this, did you mean `and`?"),
        ("(tv", 3..3, "`)` is expected here"),
        ("tv)", 2..3, "`and` or `or` is missing before this"),
        ("on 32", 3..5, "a day of the month is 1 to 31, or a date such as 2022-04-10"),
        ("on 7..1", 6..7, "the last day is before the first: write 1..7"),
        ("on", 2..2, "a day is expected here: 10, 1..7, 2022-04-10, weekend or weekdays"),
        ("most = 'tv'", 7..11, "the values of `most` are 'Movie', 'Sport', 'Child', 'Relax', 'Tv' and 'No'"),
        ("most > 'Tv'", 5..6, "`=`, `!=` or `like` is expected here"),
        ("most = Tv", 7..9, "text in single quotes is expected here: 'Tv'"),
        ("contract = 'A", 11..12, "this quote is not closed"),
        ("contract = \"A\"", 11..12, "text stands in single quotes: 'Movie_Tv'"),
        ("contract like tv", 14..16, "text in single quotes is expected here: 'Tv'"),
        ("active(weekend) > 1", 7..14, "days of the month are expected here: active(1..15) >= 5"),
        ("active(2022-04-10) = 1", 7..17, "a day of the month is 1 to 31"),
        ("active > 5", 7..8, "days of the month are expected here: active(1..15) >= 5"),
        ("tv on weekend", 3..5, "`and` or `or` is missing before this"),
        ("contract in ('A')", 9..11, "`=`, `!=` or `like` is expected here"),
        ("in 'list.csv'", 3..13, "a file name in single quotes is expected here: in('list.csv')"),
        ("in(list)", 3..7, "a file name in single quotes is expected here: in('list.csv')"),
        ("2022-13: tv", 0..7, "a test is expected here, such as `tv > 10h`, or a month such as `2022-03:`"),
        ("tv & movie", 3..4, "`&` has no meaning here"),
        ("trend < 0.1234567", 8..17, "a number is expected here, such as 0.5"),
    ];
    for (text, place, message) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!((error.place, error.message.as_str()), (place, message), "{text}");
    }
    let shown = parse("tv and\tmovei > 1h").expect_err("a mistake").to_string();
    assert_eq!(shown, "`movei` is not known; did you mean `movie`?\n  tv and movei > 1h\n         ^^^^^");
}

#[test]
fn a_word_in_the_wrong_place_is_not_unknown() {
    const COMPARISON: &str = "a comparison is expected here: <, <=, =, !=, >= or >";
    const TEXT: &str = "`=`, `!=` or `like` is expected here";
    let alone = [
        ("and", "a test is missing before this, such as `tv > 10h`"),
        ("or", "a test is missing before this, such as `tv > 10h`"),
        ("not", "a test is expected here, such as `tv > 10h`, `days >= 20` or `on weekend`"),
        ("movie", ""),
        ("sport", ""),
        ("child", ""),
        ("relax", ""),
        ("tv", ""),
        ("total", COMPARISON),
        ("per_day", COMPARISON),
        ("devices", COMPARISON),
        ("days", COMPARISON),
        ("first", COMPARISON),
        ("last", COMPARISON),
        ("gap", COMPARISON),
        ("active", "days of the month are expected here: active(1..15) >= 5"),
        ("trend", COMPARISON),
        ("most", TEXT),
        ("taste", TEXT),
        ("contract", TEXT),
        ("on", "a day is expected here: 10, 1..7, 2022-04-10, weekend or weekdays"),
        ("in", "a file name in single quotes is expected here: in('list.csv')"),
        ("new", ""),
        ("retained", ""),
        ("lapsed", ""),
        ("weekend", "`on` is missing before this: on weekend"),
        ("weekdays", "`on` is missing before this: on weekdays"),
    ];
    assert_eq!(alone.map(|(word, _)| word), WORDS);
    let message = |text: &str| parse(text).err().map_or(String::new(), |error| error.message);
    for (word, expected) in alone {
        assert_eq!(message(word), expected, "{word}");
        let places = ["tv {}", "tv > {}", "tv and {}", "on {}", "most = {}", "2022-03: {}", "active({}) > 1", "in({})"];
        for place in places.map(|place| place.replace("{}", word)) {
            let message = message(&place);
            assert!(!message.contains("not known") && !message.contains("did you mean"), "{place}: {message}");
        }
    }
    assert_eq!(message("2022-03: not tv"), "parentheses are missing around this: 2022-03: (not tv)");
    assert_eq!(message("like 'A%'"), "what is compared is missing before this: contract like 'HN%'");
}

#[test]
fn depth_and_length_have_limits() {
    let nested = |n: usize| format!("{}tv{}", "(".repeat(n), ")".repeat(n));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
    assert!(parse(&nested(1_000_000 / 2)).is_err());
    assert!(parse(&"not ".repeat(MAX_DEPTH + 1)).is_err());
    assert!(parse(&"2022-03:".repeat(100_000)).is_err());
    let chain = |n: usize| vec!["tv"; n].join(" or ");
    assert!(parse(&chain(MAX_TESTS)).is_ok());
    assert!(parse(&chain(MAX_TESTS + 1)).is_err());
    assert!(parse(&"x".repeat(MAX_TEXT_BYTES + 1)).is_err());
    let pattern = |n: usize| format!("contract like '{}'", "%".repeat(n));
    assert!(parse(&pattern(MAX_PATTERN_BYTES)).is_ok());
    assert!(parse(&pattern(MAX_PATTERN_BYTES + 1)).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[-a-z0-9 .:()<>=!,'_é]{0,40}", any in ".{0,40}") {
        for text in [text, any] {
            if let Err(error) = parse(&text) {
                let _ = error.to_string();
            }
        }
    }
}
