//! An expression over the bitmaps and columns of one or several months.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::civil::Weekday;
use roaring::RoaringBitmap;

use super::answer::{Answer, Universe, UnmatchedList};
use super::error::ExprError;
use super::expr::{Expr, Metric, Movement, OnDays, TextField, TextTest};
use super::index::Index;
use super::rows;
use crate::contract_list::ListError;
use crate::engine::calendar::{Day, Month};
use crate::engine::month::MonthTable;
use crate::error::Error;

/// Why an expression has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The expression asks for what the month does not have.
    #[error("{0}")]
    Expr(ExprError),
    /// A month that the expression needs was not given.
    #[error("the expression needs {wanted}, but the months given are {}", months(given))]
    MissingMonth {
        /// The month that is needed.
        wanted: Month,
        /// Those that are there.
        given: Vec<Month>,
    },
    /// Devices are asked of a month that does not count them.
    #[error("the devices of {month} were not counted")]
    NoDevices { month: Month },
    /// A day that the month does not have.
    #[error("{month} has no day {day}")]
    NoDay {
        month: Month,
        /// The first of the days asked for.
        day: u32,
    },
    /// A taste that no customer of the month can have.
    #[error("{month} has no taste '{taste}'{}", near.as_ref().map_or(String::new(), |near| format!("; did you mean '{near}'?")))]
    NoTaste {
        month: Month,
        /// The taste asked for.
        taste: String,
        /// One that it has, and that may be meant.
        near: Option<String>,
    },
    /// A list of contracts that could not be read.
    #[error("{}: the list of contracts cannot be read: {source}", path.display())]
    List {
        path: PathBuf,
        /// Why.
        source: ListError,
    },
    /// No month at all.
    #[error("there is no month to ask")]
    NoMonth,
}

impl EvaluateError {
    /// In one line: without the expression and the caret under it.
    pub fn brief(&self) -> String {
        match self {
            EvaluateError::Expr(error) => error.message.clone(),
            other => other.to_string(),
        }
    }
}

impl From<EvaluateError> for Error {
    fn from(error: EvaluateError) -> Error {
        let advice = match &error {
            EvaluateError::Expr(_) | EvaluateError::NoDay { .. } => "`viewmart audience --help` tells the language",
            EvaluateError::MissingMonth { .. } => "name its month file too, or a folder that holds it",
            EvaluateError::NoDevices { .. } => "make the month again with --devices, which counts them",
            EvaluateError::NoTaste { .. } => {
                "a taste has its categories in the order of the rules: `--by taste` shows which there are"
            }
            EvaluateError::List { .. } => "name a CSV file with the contracts in its first column",
            EvaluateError::NoMonth => "make month files with `viewmart transform`",
        };
        Error::Usage { what: error.to_string(), advice: Some(advice.to_owned()) }
    }
}

fn months(months: &[Month]) -> String {
    months.iter().map(Month::to_string).collect::<Vec<_>>().join(", ")
}

/// An expression and the text that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The text, which errors show.
    pub text: &'q str,
    pub expr: &'q Expr,
}

/// The customers for whom the expression holds; see [`evaluate_all`].
///
/// # Errors
/// [`EvaluateError`] where a month, a date or a list is not there.
pub fn evaluate<'a>(question: Question<'_>, indexes: &[Index<'a>]) -> Result<Answer<'a>, EvaluateError> {
    let mut answers = evaluate_all(&[question], indexes)?;
    answers.pop().ok_or(EvaluateError::NoMonth)
}

/// For each question the customers for whom it holds.
///
/// Without a month in the expression it is asked of the newest one. Within `2022-03: (…)` only customers of that month are
/// spoken of; elsewhere `not` is meant within the customers of all months that the expressions name.
///
/// # Errors
/// [`EvaluateError`] where a month, a date or a list is not there.
pub fn evaluate_all<'a>(questions: &[Question<'_>], indexes: &[Index<'a>]) -> Result<Vec<Answer<'a>>, EvaluateError> {
    let by_month: BTreeMap<Month, &Index<'a>> = indexes.iter().map(|index| (index.table.month, index)).collect();
    let (base_month, base) = by_month.last_key_value().ok_or(EvaluateError::NoMonth)?;
    let given: Vec<Month> = by_month.keys().copied().collect();
    let mut named = vec![*base_month];
    for question in questions {
        refuse_missing_month(question.expr, &given)?;
        named.extend(months_of(question.expr, *base_month));
    }
    named.sort_unstable();
    named.dedup();
    let named: Vec<&Index<'a>> = named.iter().filter_map(|month| by_month.get(month).copied()).collect();
    let (universe, parts) = place(&named);
    let universe = Arc::new(universe);
    let mut all = RoaringBitmap::new();
    all.insert_range(0..universe.len() as u32);
    questions
        .iter()
        .map(|question| {
            let asked = Asked { text: question.text, parts: &parts, all: &all, unmatched: RefCell::default() };
            let rows = asked.rows(question.expr, Scope { month: *base_month, among: Among::Everybody })?;
            let unmatched = asked.unmatched.into_inner();
            Ok(Answer { base: base.table, unmatched, universe: Arc::clone(&universe), rows })
        })
        .collect()
}

/// The newest month: the one that is asked where an expression names none.
///
/// # Errors
/// [`EvaluateError::NoMonth`].
pub fn newest<'a>(indexes: &[Index<'a>]) -> Result<&'a MonthTable, EvaluateError> {
    indexes.iter().map(|index| index.table).max_by_key(|table| table.month).ok_or(EvaluateError::NoMonth)
}

/// The months that `expr` speaks of when it is asked of `base`, which is not always among them.
pub fn months_of(expr: &Expr, base: Month) -> Vec<Month> {
    let mut named = Vec::new();
    name_months(expr, base, &mut named);
    named
}

/// Refuses an expression that needs a month which is not among those `given`, of which it is asked of the newest.
///
/// # Errors
/// [`EvaluateError::MissingMonth`], [`EvaluateError::NoMonth`].
pub fn refuse_missing_month(expr: &Expr, given: &[Month]) -> Result<(), EvaluateError> {
    let base = given.iter().max().ok_or(EvaluateError::NoMonth)?;
    match months_of(expr, *base).into_iter().find(|month| !given.contains(month)) {
        Some(wanted) => Err(EvaluateError::MissingMonth { wanted, given: given.to_vec() }),
        None => Ok(()),
    }
}

fn name_months(expr: &Expr, month: Month, named: &mut Vec<Month>) {
    match expr {
        Expr::And(a, b) | Expr::Or(a, b) => {
            name_months(a, month, named);
            name_months(b, month, named);
        }
        Expr::Not(inner) => name_months(inner, month, named),
        Expr::In(month, inner) => {
            named.push(*month);
            name_months(inner, *month, named);
        }
        Expr::Movement(_) => named.extend(month.previous()),
        Expr::Compare(..) | Expr::Text(..) | Expr::On(_) | Expr::Listed(_) => {}
    }
}

type Parts<'i, 'a> = BTreeMap<Month, AskedMonth<'i, 'a>>;

/// All customers of the months in `named`, oldest first, and where each month stands among them.
fn place<'i, 'a>(named: &[&'i Index<'a>]) -> (Universe<'a>, Parts<'i, 'a>) {
    if let [index] = named[..] {
        let parts = BTreeMap::from([(index.table.month, AskedMonth { index, places: None })]);
        return (Universe::One(index.table), parts);
    }
    let (universe, places) = Universe::of(named.iter().map(|index| index.table).collect());
    let part = |(index, places): (&&'i Index<'a>, _)| (index.table.month, AskedMonth { index, places: Some(places) });
    (universe, named.iter().zip(places).map(part).collect())
}

struct AskedMonth<'i, 'a> {
    index: &'i Index<'a>,
    /// The place of each row among all customers, ascending, or that they are the same.
    places: Option<Vec<u32>>,
}

impl AskedMonth<'_, '_> {
    /// Rows of the month as places among all customers.
    fn placed(&self, rows: RoaringBitmap) -> RoaringBitmap {
        match &self.places {
            None => rows,
            Some(places) => rows.iter().map(|row| places[row as usize]).collect(),
        }
    }
}

/// Of which month a test is asked, and among whom `not` is meant.
#[derive(Clone, Copy)]
struct Scope {
    month: Month,
    among: Among,
}

#[derive(Clone, Copy)]
enum Among {
    /// The customers of all months that are named.
    Everybody,
    /// Those of the month: within `2022-03: (…)`.
    Month,
}

struct Asked<'t, 'i, 'a> {
    text: &'t str,
    parts: &'t Parts<'i, 'a>,
    all: &'t RoaringBitmap,
    unmatched: RefCell<Vec<UnmatchedList>>,
}

impl Asked<'_, '_, '_> {
    fn part(&self, month: Month) -> Result<&AskedMonth<'_, '_>, EvaluateError> {
        self.parts
            .get(&month)
            .ok_or_else(|| EvaluateError::MissingMonth { wanted: month, given: self.parts.keys().copied().collect() })
    }

    /// A chain of `and` and `or` is as deep on its left as it is long: it is followed without recursion.
    fn rows(&self, expr: &Expr, scope: Scope) -> Result<RoaringBitmap, EvaluateError> {
        let (mut first, mut behind) = (expr, Vec::new());
        while let Expr::And(a, b) | Expr::Or(a, b) = first {
            behind.push((first, b));
            first = a;
        }
        let mut rows = self.rows_of_operand(first, scope)?;
        for (operator, operand) in behind.into_iter().rev() {
            let operand = self.rows(operand, scope)?;
            match operator {
                Expr::And(..) => rows &= operand,
                _ => rows |= operand,
            }
        }
        Ok(rows)
    }

    fn rows_of_operand(&self, expr: &Expr, scope: Scope) -> Result<RoaringBitmap, EvaluateError> {
        let month = scope.month;
        match expr {
            Expr::And(..) | Expr::Or(..) => self.rows(expr, scope),
            Expr::Not(inner) => {
                let rows = self.rows(inner, scope)?;
                Ok(match scope.among {
                    Among::Everybody => self.all - rows,
                    Among::Month => self.present(month)? - rows,
                })
            }
            Expr::In(month, inner) => self.rows(inner, Scope { month: *month, among: Among::Month }),
            Expr::Movement(movement) => self.moved(*movement, month),
            Expr::Compare(metric, comparison, threshold) => {
                let part = self.part(month)?;
                match metric {
                    Metric::Devices if part.index.table.devices.is_none() => {
                        return Err(EvaluateError::NoDevices { month });
                    }
                    Metric::Active(days) => refuse_missing_days(*days, month)?,
                    _ => {}
                }
                Ok(part.placed(rows::compared(part.index, *metric, *comparison, *threshold)))
            }
            Expr::Text(field, test) => {
                let part = self.part(month)?;
                if *field == TextField::Taste {
                    refuse_missing_taste(part.index.table, test)?;
                }
                Ok(part.placed(rows::tested(part.index, *field, test)))
            }
            Expr::On(days) => {
                let part = self.part(month)?;
                let mut mask = 0;
                for days in days {
                    mask |= self.mask(days, month)?;
                }
                Ok(part.placed(part.index.active_on(mask)))
            }
            Expr::Listed(path) => {
                let part = self.part(month)?;
                let (rows, n_contracts) = rows::listed(&part.index.table.contracts, path)
                    .map_err(|source| EvaluateError::List { path: path.clone(), source })?;
                if rows.is_empty() {
                    let unmatched = UnmatchedList { path: path.clone(), n_contracts, month };
                    self.unmatched.borrow_mut().push(unmatched);
                }
                Ok(part.placed(rows))
            }
        }
    }

    /// The customers of a month.
    fn present(&self, month: Month) -> Result<RoaringBitmap, EvaluateError> {
        self.part(month).map(|part| part.placed(part.index.all()))
    }

    fn moved(&self, movement: Movement, month: Month) -> Result<RoaringBitmap, EvaluateError> {
        let now = self.present(month)?;
        // Before the first month that can be written nobody was there.
        let before = month.previous().map_or_else(|| Ok(RoaringBitmap::new()), |month| self.present(month))?;
        Ok(match movement {
            Movement::New => now - before,
            Movement::Retained => now & before,
            Movement::Lapsed => before - now,
        })
    }

    fn mask(&self, days: &OnDays, month: Month) -> Result<u32, EvaluateError> {
        let on_weekdays = |wanted: fn(Weekday) -> bool| {
            let days = month.days().filter(|day| month.date(*day).is_some_and(|date| wanted(date.weekday())));
            days.fold(0, |mask, day| mask | day.mask())
        };
        match days {
            OnDays::Mask(mask) => refuse_missing_days(*mask, month).map(|()| *mask),
            OnDays::Weekend => Ok(on_weekdays(|day| matches!(day, Weekday::Saturday | Weekday::Sunday))),
            OnDays::Weekdays => Ok(on_weekdays(|day| !matches!(day, Weekday::Saturday | Weekday::Sunday))),
            OnDays::Date(date, _) if Month::of(*date) == month => Ok(Day::of(*date).mask()),
            OnDays::Date(date, place) => {
                let message = format!("{date} is not in {month}; another month is asked by {}: (…)", Month::of(*date));
                Err(EvaluateError::Expr(ExprError::new(self.text, place.clone(), message)))
            }
        }
    }
}

/// Refuses days that end after the month; a range may reach past its end, so that 25..31 means the last days of any.
fn refuse_missing_days(days: u32, month: Month) -> Result<(), EvaluateError> {
    let of_month = month.days().fold(0, |mask, day| mask | day.mask());
    match days == 0 || days & of_month != 0 {
        true => Ok(()),
        false => Err(EvaluateError::NoDay { month, day: days.trailing_zeros() + 1 }),
    }
}

/// Refuses to compare with a taste that the rules of the month never make: nobody would be found, and nothing said.
fn refuse_missing_taste(table: &MonthTable, test: &TextTest) -> Result<(), EvaluateError> {
    let (TextTest::Equal(taste) | TextTest::NotEqual(taste)) = test else { return Ok(()) };
    let known: Vec<&str> = table.taste_labels.iter().map(String::as_str).collect();
    if known.contains(&taste.as_str()) {
        return Ok(());
    }
    let categories = |label: &str| {
        let mut parts: Vec<String> = label.split('_').map(str::to_lowercase).collect();
        parts.sort_unstable();
        parts
    };
    let in_order = known.iter().copied().find(|label| categories(label) == categories(taste));
    let near = in_order.or_else(|| crate::suggest::nearest(taste, &known)).map(str::to_owned);
    Err(EvaluateError::NoTaste { month: table.month, taste: taste.clone(), near })
}
