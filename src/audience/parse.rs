//! Tokens to an expression.
//!
//! ```text
//! or      = and { "or" and }
//! and     = not { "and" not }
//! not     = "not" not | primary
//! primary = "(" or ")" | MONTH ":" primary | "on" days | "in" "(" TEXT ")" | "new" | "retained" | "lapsed"
//!         | "most" | "taste" | "contract" ( "=" | "!=" | "like" ) TEXT
//!         | NAME | number [ comparison threshold ]
//! ```

use std::path::Path;

use jiff::civil::Date;

use self::number::{decimal, duration, whole};
use super::error::ExprError;
use super::expr::{Comparison, Expr, Metric, Movement, OnDays, TextField, TextTest, Threshold};
use super::lexer::{Kind, Token, tokens};
use super::named::NamedAudience;
use crate::engine::calendar::Month;
use crate::engine::rules::Category;
use crate::suggest::nearest;

mod number;

/// Parentheses, `not` and months within each other: deeper than anybody writes, shallow enough for any stack.
const MAX_DEPTH: usize = 100;
/// Longest expression, in bytes.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Longest pattern of `like`, in bytes: no contract or taste is as long.
const MAX_PATTERN_BYTES: usize = 1000;
/// Tests in one expression: a chain of `or` is as deep as it is long when it is evaluated.
const MAX_TESTS: usize = 1000;

/// The words of the language, none of which can be a name.
pub(super) const WORDS: [&str; 27] = [
    "and", "or", "not", "movie", "sport", "child", "relax", "tv", "total", "per_day", "devices", "days", "first",
    "last", "gap", "active", "trend", "most", "taste", "contract", "on", "in", "new", "retained", "lapsed", "weekend",
    "weekdays",
];

/// The expression that `text` says.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse(text: &str) -> Result<Expr, ExprError> {
    parse_with(text, &[])
}

/// The expression that `text` says, in which a name stands for the audience of that name.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse_with(text: &str, names: &[NamedAudience]) -> Result<Expr, ExprError> {
    parse_in(text, names, Path::new(""))
}

/// The same; lists of contracts that it names by a relative path are looked for in `folder`.
///
/// # Errors
/// The first mistake, with its place.
pub fn parse_in(text: &str, names: &[NamedAudience], folder: &Path) -> Result<Expr, ExprError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(ExprError::new("", 0..0, format!("the expression has more than {MAX_TEXT_BYTES} bytes")));
    }
    let mut parser = Parser { text, names, folder, tokens: tokens(text)?, next: 0, depth: 0, n_tests: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        Kind::End => Ok(expr),
        Kind::Word(word) if !WORDS.contains(&word.as_str()) => {
            let hint =
                nearest(word, &["and", "or"]).map_or(String::new(), |known| format!(", did you mean `{known}`?"));
            Err(parser.wrong(format!("`and` or `or` is missing before this{hint}")))
        }
        _ => Err(parser.wrong("`and` or `or` is missing before this")),
    }
}

/// What is said where days are expected and something else stands.
struct Expected {
    /// It is a number.
    number: &'static str,
    /// It is none.
    any: &'static str,
}

const ON_DAYS: Expected = Expected {
    number: "a day of the month is 1 to 31, or a date such as 2022-04-10",
    any: "a day is expected here: 10, 1..7, 2022-04-10, weekend or weekdays",
};

const ACTIVE_DAYS: Expected = Expected {
    number: "a day of the month is 1 to 31",
    any: "days of the month are expected here: active(1..15) >= 5",
};

struct Parser<'a> {
    text: &'a str,
    names: &'a [NamedAudience],
    folder: &'a Path,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    n_tests: usize,
}

impl<'a> Parser<'a> {
    fn token(&self) -> &Token {
        // The last token is the end, which is never passed.
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn peek(&self) -> &Kind {
        &self.token().kind
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Kind::Word(found) if found == word)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Kind::Sign(found) if *found == sign)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        self.next += usize::from(found);
        found
    }

    fn wrong(&self, message: impl Into<String>) -> ExprError {
        ExprError::new(self.text, self.token().place.clone(), message)
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), ExprError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.wrong(format!("`{sign}` is expected here"))) }
    }

    fn or(&mut self) -> Result<Expr, ExprError> {
        let mut expr = self.and()?;
        while self.take_word("or") {
            expr = Expr::Or(Box::new(expr), Box::new(self.and()?));
        }
        Ok(expr)
    }

    fn and(&mut self) -> Result<Expr, ExprError> {
        let mut expr = self.not()?;
        while self.take_word("and") {
            expr = Expr::And(Box::new(expr), Box::new(self.not()?));
        }
        Ok(expr)
    }

    fn not(&mut self) -> Result<Expr, ExprError> {
        if self.is_word("not") {
            return self.deeper(|parser| {
                parser.next += 1;
                Ok(Expr::Not(Box::new(parser.not()?)))
            });
        }
        self.primary()
    }

    fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<Expr, ExprError>) -> Result<Expr, ExprError> {
        if self.depth == MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.depth += 1;
        let expr = inner(self)?;
        self.depth -= 1;
        Ok(expr)
    }

    fn too_deep(&self) -> ExprError {
        self.wrong(format!("this is nested more than {MAX_DEPTH} deep"))
    }

    fn too_long(&self) -> ExprError {
        self.wrong(format!("the expression has more than {MAX_TESTS} tests: use in('list.csv') for lists"))
    }

    fn primary(&mut self) -> Result<Expr, ExprError> {
        if self.n_tests == MAX_TESTS {
            return Err(self.too_long());
        }
        self.n_tests += 1;
        if self.is_sign("(") {
            return self.deeper(|parser| {
                parser.next += 1;
                let expr = parser.or()?;
                parser.expect_sign(")")?;
                Ok(expr)
            });
        }
        if let Kind::Number(number) = self.peek() {
            return match number.parse::<Month>() {
                Ok(month) => self.deeper(|parser| {
                    parser.next += 1;
                    parser.expect_sign(":")?;
                    Ok(Expr::In(month, Box::new(parser.primary()?)))
                }),
                Err(_) => Err(self.wrong("a test is expected here, such as `tv > 10h`, or a month such as `2022-03:`")),
            };
        }
        let Kind::Word(word) = self.peek() else {
            return Err(self.wrong("a test is expected here, such as `tv > 10h`, `days >= 20` or `on weekend`"));
        };
        match word.as_str() {
            "on" => self.on(),
            "in" => self.listed(),
            "new" => Ok(self.movement(Movement::New)),
            "retained" => Ok(self.movement(Movement::Retained)),
            "lapsed" => Ok(self.movement(Movement::Lapsed)),
            "most" => self.text_test(TextField::MostWatch),
            "taste" => self.text_test(TextField::Taste),
            "contract" => self.text_test(TextField::Contract),
            word => {
                let names: &'a [NamedAudience] = self.names;
                match names.iter().find(|named| named.name == word) {
                    Some(named) => self.named(named),
                    None => self.number_test(),
                }
            }
        }
    }

    /// A name counts as what it stands for: names of names make no expression longer or deeper than the limits.
    fn named(&mut self, named: &NamedAudience) -> Result<Expr, ExprError> {
        let size = named.expr.size();
        if self.depth + size.depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        if self.n_tests + size.n_tests > MAX_TESTS {
            return Err(self.too_long());
        }
        self.n_tests += size.n_tests;
        let mut expr = named.expr.clone();
        expr.move_to(&self.token().place);
        self.next += 1;
        Ok(expr)
    }

    fn movement(&mut self, movement: Movement) -> Expr {
        self.next += 1;
        Expr::Movement(movement)
    }

    fn on(&mut self) -> Result<Expr, ExprError> {
        self.next += 1;
        let mut days = vec![self.on_days()?];
        while self.take_sign(",") {
            days.push(self.on_days()?);
        }
        Ok(Expr::On(days))
    }

    fn on_days(&mut self) -> Result<OnDays, ExprError> {
        if self.take_word("weekend") {
            return Ok(OnDays::Weekend);
        }
        if self.take_word("weekdays") {
            return Ok(OnDays::Weekdays);
        }
        if let Kind::Number(number) = self.peek()
            && let Ok(date) = number.parse::<Date>()
        {
            let place = self.token().place.clone();
            self.next += 1;
            return Ok(OnDays::Date(date, place));
        }
        Ok(OnDays::Mask(self.days(&ON_DAYS)?))
    }

    /// `7` or `1..7` as a mask.
    fn days(&mut self, expected: &Expected) -> Result<u32, ExprError> {
        let first = self.day(expected)?;
        if !self.is_sign("..") {
            return Ok(mask(first, first));
        }
        self.next += 1;
        let last = self.day(expected)?;
        if last < first {
            self.next -= 1;
            return Err(self.wrong(format!("the last day is before the first: write {last}..{first}")));
        }
        Ok(mask(first, last))
    }

    fn day(&mut self, expected: &Expected) -> Result<u8, ExprError> {
        match self.peek() {
            Kind::Number(number) => match number.parse::<u8>() {
                Ok(day @ 1..=31) => {
                    self.next += 1;
                    Ok(day)
                }
                _ => Err(self.wrong(expected.number)),
            },
            _ => Err(self.wrong(expected.any)),
        }
    }

    fn listed(&mut self) -> Result<Expr, ExprError> {
        self.next += 1;
        let expected = "a file name in single quotes is expected here: in('list.csv')";
        if !self.take_sign("(") {
            return Err(self.wrong(expected));
        }
        let path = self.text_value(expected)?;
        self.expect_sign(")")?;
        Ok(Expr::Listed(self.folder.join(path)))
    }

    fn text_value(&mut self, expected: &str) -> Result<String, ExprError> {
        match self.peek() {
            Kind::Text(text) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => Err(self.wrong(expected)),
        }
    }

    fn text_test(&mut self, field: TextField) -> Result<Expr, ExprError> {
        self.next += 1;
        let test: fn(String) -> TextTest = if self.take_sign("=") {
            TextTest::Equal
        } else if self.take_sign("!=") {
            TextTest::NotEqual
        } else if self.take_word("like") {
            TextTest::Like
        } else {
            return Err(self.wrong("`=`, `!=` or `like` is expected here"));
        };
        let value = self.text_value("text in single quotes is expected here: 'Tv'")?;
        if matches!(test(String::new()), TextTest::Like(_)) && value.len() > MAX_PATTERN_BYTES {
            self.next -= 1;
            return Err(self.wrong(format!("this pattern has more than {MAX_PATTERN_BYTES} bytes")));
        }
        if field == TextField::MostWatch
            && let TextTest::Equal(label) | TextTest::NotEqual(label) = test(value.clone())
            && !Category::ALL.iter().map(|c| c.name()).chain(["No"]).any(|known| known == label)
        {
            self.next -= 1;
            return Err(self.wrong("the values of `most` are 'Movie', 'Sport', 'Child', 'Relax', 'Tv' and 'No'"));
        }
        Ok(Expr::Text(field, test(value)))
    }

    fn number_test(&mut self) -> Result<Expr, ExprError> {
        let metric = self.metric()?;
        let Some(comparison) = self.comparison() else {
            if let Metric::Category(_) = metric {
                // A category alone: some of it was watched.
                return Ok(Expr::Compare(metric, Comparison::Greater, Threshold { numerator: 0, denominator: 1 }));
            }
            return Err(self.wrong("a comparison is expected here: <, <=, =, !=, >= or >"));
        };
        Ok(Expr::Compare(metric, comparison, self.threshold(metric)?))
    }

    fn metric(&mut self) -> Result<Metric, ExprError> {
        let Kind::Word(word) = self.peek() else { return Err(self.wrong("a test is expected here")) };
        let category = Category::ALL.into_iter().find(|category| category.name().eq_ignore_ascii_case(word));
        let metric = match (category, word.as_str()) {
            (Some(category), _) => Metric::Category(category),
            (_, "total") => Metric::Total,
            (_, "per_day") => Metric::PerDay,
            (_, "devices") => Metric::Devices,
            (_, "days") => Metric::Days,
            (_, "first") => Metric::First,
            (_, "last") => Metric::Last,
            (_, "gap") => Metric::Gap,
            (_, "trend") => Metric::Trend,
            (_, "active") => {
                self.next += 1;
                if !self.take_sign("(") {
                    return Err(self.wrong(ACTIVE_DAYS.any));
                }
                let days = self.days(&ACTIVE_DAYS)?;
                self.expect_sign(")")?;
                return Ok(Metric::Active(days));
            }
            (_, word) => {
                if let Some(hint) = hint_for_misplaced(word) {
                    return Err(self.wrong(hint));
                }
                let names = self.names.iter().map(|named| named.name.as_str());
                let known: Vec<&str> = WORDS.into_iter().chain(names).collect();
                let hint = nearest(word, &known).map_or(String::new(), |known| format!("; did you mean `{known}`?"));
                return Err(self.wrong(format!("`{word}` is not known{hint}")));
            }
        };
        self.next += 1;
        Ok(metric)
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Kind::Sign(sign) = self.peek() else { return None };
        let comparison = match *sign {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            "=" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            ">=" => Comparison::GreaterOrEqual,
            ">" => Comparison::Greater,
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    fn threshold(&mut self, metric: Metric) -> Result<Threshold, ExprError> {
        let (what, threshold): (_, fn(&str) -> Option<Threshold>) = match metric {
            Metric::Category(_) | Metric::Total | Metric::PerDay => {
                ("a duration is expected here: 10h, 90m, 1h30m, 2d or seconds without a unit", duration)
            }
            Metric::Trend => ("a number is expected here, such as 0.5", decimal),
            Metric::Devices => ("a whole number of devices is expected here", whole),
            _ => ("a whole number of days is expected here", whole),
        };
        match self.peek() {
            Kind::Number(number) => match threshold(number) {
                Some(threshold) => {
                    self.next += 1;
                    Ok(threshold)
                }
                None => Err(self.wrong(what)),
            },
            _ => Err(self.wrong(what)),
        }
    }
}

/// What is missing where a word of the language stands and a test is expected.
fn hint_for_misplaced(word: &str) -> Option<&'static str> {
    match word {
        "and" | "or" => Some("a test is missing before this, such as `tv > 10h`"),
        "not" => Some("parentheses are missing around this: 2022-03: (not tv)"),
        "weekend" => Some("`on` is missing before this: on weekend"),
        "weekdays" => Some("`on` is missing before this: on weekdays"),
        "like" => Some("what is compared is missing before this: contract like 'HN%'"),
        _ => None,
    }
}

/// The days `first..=last`, each 1..=31, as a mask.
fn mask(first: u8, last: u8) -> u32 {
    (first..=last).fold(0, |mask, day| mask | 1 << (day - 1))
}

#[cfg(test)]
mod tests;
