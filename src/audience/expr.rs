//! An expression as a tree.

use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::engine::calendar::Month;
use crate::engine::rules::Category;

/// A boolean question about one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Both hold.
    And(Box<Expr>, Box<Expr>),
    /// One of them holds.
    Or(Box<Expr>, Box<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// It holds in that month: `2022-03: (tv > 1h)`.
    In(Month, Box<Expr>),
    /// A number compared: `tv > 10h`, `days >= 20`.
    Compare(Metric, Comparison, Threshold),
    /// A label or the contract compared: `most = 'Tv'`.
    Text(TextField, TextTest),
    /// Active on any of these days: `on 1..7`.
    On(Vec<OnDays>),
    /// Listed in a file: `in('list.csv')`.
    Listed(PathBuf),
    /// Against the month before: `new`, `retained`, `lapsed`.
    Movement(Movement),
}

/// How large an expression is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Tests in it.
    pub(super) n_tests: usize,
    /// The most `not`, months and right sides of `and` and `or` that one of them stands in: what evaluation recurses into.
    pub(super) depth: usize,
}

impl Expr {
    pub(super) fn size(&self) -> Size {
        match self {
            Expr::And(a, b) | Expr::Or(a, b) => {
                let (a, b) = (a.size(), b.size());
                Size { n_tests: a.n_tests + b.n_tests, depth: a.depth.max(b.depth + 1) }
            }
            Expr::Not(inner) | Expr::In(_, inner) => {
                let Size { n_tests, depth } = inner.size();
                Size { n_tests, depth: depth + 1 }
            }
            Expr::Compare(..) | Expr::Text(..) | Expr::On(_) | Expr::Listed(_) | Expr::Movement(_) => {
                Size { n_tests: 1, depth: 0 }
            }
        }
    }

    /// Adds the files that it reads to `found`.
    pub fn find_files<'a>(&'a self, found: &mut Vec<&'a Path>) {
        match self {
            Expr::And(a, b) | Expr::Or(a, b) => {
                a.find_files(found);
                b.find_files(found);
            }
            Expr::Not(inner) | Expr::In(_, inner) => inner.find_files(found),
            Expr::Listed(path) => found.push(path),
            Expr::Compare(..) | Expr::Text(..) | Expr::On(_) | Expr::Movement(_) => {}
        }
    }

    /// Moves what errors point at to `place`: that of a name in the text that used it.
    pub(super) fn move_to(&mut self, place: &Range<usize>) {
        match self {
            Expr::And(a, b) | Expr::Or(a, b) => {
                a.move_to(place);
                b.move_to(place);
            }
            Expr::Not(inner) | Expr::In(_, inner) => inner.move_to(place),
            Expr::On(days) => {
                for days in days {
                    if let OnDays::Date(_, at) = days {
                        *at = place.clone();
                    }
                }
            }
            Expr::Compare(..) | Expr::Text(..) | Expr::Listed(_) | Expr::Movement(_) => {}
        }
    }
}

/// A number of a customer's month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Seconds of one category.
    Category(Category),
    /// Seconds of all categories.
    Total,
    /// Total by active days.
    PerDay,
    /// Devices, where the month counts them.
    Devices,
    /// Active days.
    Days,
    /// First active day of the month.
    First,
    /// Last active day of the month.
    Last,
    /// Longest run of days without a record between the first and the last active day.
    Gap,
    /// Active days within the days of this mask.
    Active(u32),
    /// Active days of 16..end over those of 1..15, each by its length. With none in the first half nothing holds.
    Trend,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    /// Whether it holds between `a` and `b`.
    pub fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Comparison::Less => a < b,
            Comparison::LessOrEqual => a <= b,
            Comparison::Equal => a == b,
            Comparison::NotEqual => a != b,
            Comparison::GreaterOrEqual => a >= b,
            Comparison::Greater => a > b,
        }
    }
}

/// What a number is compared with: `numerator / denominator`, in seconds where the metric is a duration. Exact, so
/// that `trend < 0.1` and `tv > 1.5h` mean just that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// At most 2^62.
    pub numerator: i64,
    /// A power of ten, at most 10^6.
    pub denominator: i64,
}

/// A text of a customer's month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    MostWatch,
    Taste,
    Contract,
}

/// How a text is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// The same bytes.
    Equal(String),
    /// Other bytes.
    NotEqual(String),
    /// A pattern: `%` is any text, `_` one character.
    Like(String),
}

/// Days that `on` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDays {
    /// Days of the month by number, as a mask.
    Mask(u32),
    /// One date, and where it stands in the expression.
    Date(Date, Range<usize>),
    /// Saturdays and Sundays.
    Weekend,
    /// Mondays to Fridays.
    Weekdays,
}

/// Customers of a month against the month before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Not there in the month before.
    New,
    /// There in both.
    Retained,
    /// There in the month before only.
    Lapsed,
}
