//! An expression over the bitmaps and columns of one or several months.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::Chars;
use std::sync::Arc;

use jiff::civil::Weekday;
use roaring::RoaringBitmap;

use super::error::ExprError;
use super::expr::{Comparison, Expr, Metric, Movement, OnDays, TextField, TextTest, Threshold};
use super::index::{Index, rows_where};
use crate::contract_list;
use crate::engine::calendar::{Day, Month};
use crate::engine::month::{Contracts, MonthTable};
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
    NoDevices {
        /// The month.
        month: Month,
    },
    /// A list of contracts that could not be read.
    #[error("{}: the list of contracts cannot be read: {source}", path.display())]
    List {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// No month at all.
    #[error("there is no month to ask")]
    NoMonth,
}

impl From<EvaluateError> for Error {
    fn from(error: EvaluateError) -> Error {
        let advice = match &error {
            EvaluateError::Expr(_) => "`viewmart audience --help` tells the language",
            EvaluateError::MissingMonth { .. } => "name its month file too, or a folder that holds it",
            EvaluateError::NoDevices { .. } => "make the month again with --devices, which counts them",
            EvaluateError::List { .. } => "name a CSV file with the contracts in its first column",
            EvaluateError::NoMonth => "make month files with `viewmart transform`",
        };
        Error::Usage { what: error.to_string(), advice: Some(advice.to_owned()) }
    }
}

fn months(months: &[Month]) -> String {
    months.iter().map(Month::to_string).collect::<Vec<_>>().join(", ")
}

/// Customers for whom an expression holds.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The month asked: the newest one given.
    pub base: &'a MonthTable,
    /// How the places of `rows` are to be read; the same for all answers of one call.
    universe: Arc<Universe<'a>>,
    rows: RoaringBitmap,
}

/// Whom an expression speaks of, in contract order: the customers of the months that it names.
#[derive(Debug)]
enum Universe<'a> {
    /// The rows of one month.
    One(&'a Contracts),
    /// The customers of several: the contract of each place, and its row in the base month.
    Several { contracts: Vec<&'a str>, base_rows: Vec<Option<u32>> },
}

impl<'a> Answer<'a> {
    /// Number of customers.
    pub fn len(&self) -> u64 {
        self.rows.len()
    }

    /// Whether it holds for nobody.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The customers as places among all whom the call speaks of, to be compared with its other answers.
    pub fn places(&self) -> &RoaringBitmap {
        &self.rows
    }

    /// The customers in contract order, each with its row in the base month where it has one.
    pub fn customers(&self) -> impl Iterator<Item = (&'a str, Option<u32>)> + '_ {
        self.rows.iter().map(|place| match &*self.universe {
            Universe::One(contracts) => (contracts.get(place as usize), Some(place)),
            Universe::Several { contracts, base_rows } => (contracts[place as usize], base_rows[place as usize]),
        })
    }

    /// The rows of the base month among the customers.
    pub fn base_rows(&self) -> RoaringBitmap {
        match &*self.universe {
            Universe::One(_) => self.rows.clone(),
            Universe::Several { base_rows, .. } => {
                self.rows.iter().filter_map(|place| base_rows[place as usize]).collect()
            }
        }
    }
}

/// An expression and the text that it was parsed from.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// The text, which errors show.
    pub text: &'q str,
    /// The expression.
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
/// Without a month in the expression it is asked of the newest one. `not` is meant within the customers of the months
/// that the expressions name.
///
/// # Errors
/// [`EvaluateError`] where a month, a date or a list is not there.
pub fn evaluate_all<'a>(questions: &[Question<'_>], indexes: &[Index<'a>]) -> Result<Vec<Answer<'a>>, EvaluateError> {
    let by_month: BTreeMap<Month, &Index<'a>> = indexes.iter().map(|index| (index.table.month, index)).collect();
    let (base_month, base) = by_month.last_key_value().ok_or(EvaluateError::NoMonth)?;
    let mut named = vec![*base_month];
    for question in questions {
        name_months(question.expr, *base_month, &mut named);
    }
    named.sort_unstable();
    named.dedup();
    let given = || by_month.keys().copied().collect();
    let named: Result<Vec<&Index<'a>>, EvaluateError> = named
        .into_iter()
        .map(|month| {
            by_month.get(&month).copied().ok_or_else(|| EvaluateError::MissingMonth { wanted: month, given: given() })
        })
        .collect();
    let (universe, parts, all) = universe(&named?, base);
    let universe = Arc::new(universe);
    questions
        .iter()
        .map(|question| {
            let asked = Asked { text: question.text, parts: &parts, all: &all };
            let rows = asked.rows(question.expr, *base_month)?;
            Ok(Answer { base: base.table, universe: Arc::clone(&universe), rows })
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

type Parts<'i, 'a> = BTreeMap<Month, Part<'i, 'a>>;

/// All customers of the months in `named`, where each month stands among them, and all places.
fn universe<'i, 'a>(named: &[&'i Index<'a>], base: &Index<'a>) -> (Universe<'a>, Parts<'i, 'a>, RoaringBitmap) {
    if let [index] = named[..] {
        let parts = BTreeMap::from([(index.table.month, Part { index, places: None })]);
        return (Universe::One(&index.table.contracts), parts, index.all());
    }
    let tables: Vec<&'a MonthTable> = named.iter().map(|index| index.table).collect();
    let (contracts, places) = union(&tables);
    let mut all = RoaringBitmap::new();
    all.insert_range(0..contracts.len() as u32);
    let mut base_rows = vec![None; contracts.len()];
    let mut parts = BTreeMap::new();
    for (index, places) in named.iter().zip(places) {
        if index.table.month == base.table.month {
            for (row, place) in places.iter().enumerate() {
                base_rows[*place as usize] = Some(row as u32);
            }
        }
        parts.insert(index.table.month, Part { index, places: Some(places) });
    }
    (Universe::Several { contracts, base_rows }, parts, all)
}

/// The months that `expr` speaks of when it is asked of `month`.
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

/// The contracts of all months in order, and for each month the place of each of its rows among them.
pub(super) fn union<'a>(tables: &[&'a MonthTable]) -> (Vec<&'a str>, Vec<Vec<u32>>) {
    let mut next = vec![0; tables.len()];
    let mut contracts = Vec::new();
    let mut places: Vec<Vec<u32>> = tables.iter().map(|table| Vec::with_capacity(table.n_rows())).collect();
    loop {
        let heads = tables.iter().zip(&next).filter(|(table, row)| **row < table.n_rows());
        let Some(least) = heads.map(|(table, row)| table.contracts.get(*row)).min() else {
            return (contracts, places);
        };
        for ((table, row), places) in tables.iter().zip(&mut next).zip(&mut places) {
            if *row < table.n_rows() && table.contracts.get(*row) == least {
                places.push(contracts.len() as u32);
                *row += 1;
            }
        }
        contracts.push(least);
    }
}

/// A month that is asked.
struct Part<'i, 'a> {
    index: &'i Index<'a>,
    /// The place of each row among all customers, ascending, or that they are the same.
    places: Option<Vec<u32>>,
}

impl Part<'_, '_> {
    /// Rows of the month as places among all customers.
    fn placed(&self, rows: RoaringBitmap) -> RoaringBitmap {
        match &self.places {
            None => rows,
            Some(places) => rows.iter().map(|row| places[row as usize]).collect(),
        }
    }
}

struct Asked<'t, 'i, 'a> {
    text: &'t str,
    parts: &'t Parts<'i, 'a>,
    all: &'t RoaringBitmap,
}

impl Asked<'_, '_, '_> {
    fn part(&self, month: Month) -> Result<&Part<'_, '_>, EvaluateError> {
        self.parts
            .get(&month)
            .ok_or_else(|| EvaluateError::MissingMonth { wanted: month, given: self.parts.keys().copied().collect() })
    }

    /// A chain of `and` and `or` is as deep on its left as it is long: it is followed without recursion.
    fn rows(&self, expr: &Expr, month: Month) -> Result<RoaringBitmap, EvaluateError> {
        let (mut first, mut behind) = (expr, Vec::new());
        while let Expr::And(a, b) | Expr::Or(a, b) = first {
            behind.push((first, b));
            first = a;
        }
        let mut rows = self.rows_of_operand(first, month)?;
        for (operator, operand) in behind.into_iter().rev() {
            let operand = self.rows(operand, month)?;
            match operator {
                Expr::And(..) => rows &= operand,
                _ => rows |= operand,
            }
        }
        Ok(rows)
    }

    fn rows_of_operand(&self, expr: &Expr, month: Month) -> Result<RoaringBitmap, EvaluateError> {
        match expr {
            Expr::And(..) | Expr::Or(..) => self.rows(expr, month),
            Expr::Not(inner) => Ok(self.all - self.rows(inner, month)?),
            Expr::In(month, inner) => self.rows(inner, *month),
            Expr::Movement(movement) => self.moved(*movement, month),
            Expr::Compare(metric, comparison, threshold) => {
                let part = self.part(month)?;
                if *metric == Metric::Devices && part.index.table.devices.is_none() {
                    return Err(EvaluateError::NoDevices { month });
                }
                Ok(part.placed(compared(part.index, *metric, *comparison, *threshold)))
            }
            Expr::Text(field, test) => {
                let part = self.part(month)?;
                Ok(part.placed(tested(part.index, *field, test)))
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
                Ok(part.placed(listed(&part.index.table.contracts, path)?))
            }
        }
    }

    fn moved(&self, movement: Movement, month: Month) -> Result<RoaringBitmap, EvaluateError> {
        let there = |month| self.part(month).map(|part| part.placed(part.index.all()));
        let now = there(month)?;
        // Before the first month that can be written nobody was there.
        let before = month.previous().map_or_else(|| Ok(RoaringBitmap::new()), there)?;
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
            OnDays::Mask(mask) => Ok(*mask),
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

fn compared(index: &Index<'_>, metric: Metric, comparison: Comparison, threshold: Threshold) -> RoaringBitmap {
    let table = index.table;
    let n_rows = table.n_rows();
    let (numerator, denominator) = (i128::from(threshold.numerator), i128::from(threshold.denominator));
    let whole = |value: i64| comparison.holds(i128::from(value) * denominator, numerator);
    let days = |of_mask: fn(u32) -> u32| {
        // A mask has at most 31 days: each number of days is compared once.
        let holds: [bool; 32] = std::array::from_fn(|n_days| whole(n_days as i64));
        rows_where(n_rows, |row| holds[of_mask(table.days[row]).min(31) as usize])
    };
    match metric {
        Metric::Category(category) if comparison == Comparison::Greater && numerator == 0 => {
            index.watched(category).clone()
        }
        Metric::Category(category) => {
            let seconds = &table.seconds[category as usize];
            rows_where(n_rows, |row| whole(seconds[row]))
        }
        Metric::Total => rows_where(n_rows, |row| whole(table.total[row])),
        Metric::PerDay => rows_where(n_rows, |row| {
            let days = i128::from(table.days[row].count_ones());
            comparison.holds(i128::from(table.total[row]) * denominator, numerator * days)
        }),
        Metric::Devices => {
            let counts = table.devices.as_ref().map_or(&[][..], |devices| &devices.counts);
            rows_where(counts.len(), |row| whole(counts[row].into()))
        }
        Metric::Days => days(u32::count_ones),
        Metric::First => days(|mask| mask.trailing_zeros() + 1),
        Metric::Last => days(|mask| 32 - mask.leading_zeros()),
        Metric::Gap => days(longest_gap),
        Metric::Active(among) => rows_where(n_rows, |row| whole(i64::from((table.days[row] & among).count_ones()))),
        Metric::Trend => {
            const FIRST_HALF: u32 = (1 << 15) - 1;
            let second_half_days = i128::from(table.month.n_days()) - 15;
            rows_where(n_rows, |row| {
                let first = i128::from((table.days[row] & FIRST_HALF).count_ones());
                let second = i128::from((table.days[row] & !FIRST_HALF).count_ones());
                first > 0 && comparison.holds(second * 15 * denominator, numerator * first * second_half_days)
            })
        }
    }
}

/// Longest run of days without a record between the first and the last active day.
fn longest_gap(mask: u32) -> u32 {
    if mask == 0 {
        return 0;
    }
    let active = mask >> mask.trailing_zeros();
    let mut missing = !active & (u32::MAX >> active.leading_zeros());
    let mut longest = 0;
    while missing != 0 {
        // Each step takes one day off each run.
        missing &= missing >> 1;
        longest += 1;
    }
    longest
}

fn tested(index: &Index<'_>, field: TextField, test: &TextTest) -> RoaringBitmap {
    let table = index.table;
    let holds = |value: &str| match test {
        TextTest::Equal(text) => value == text,
        TextTest::NotEqual(text) => value != text,
        TextTest::Like(pattern) => is_like(value, pattern),
    };
    match field {
        TextField::MostWatch => {
            let codes = (0_u8..).zip(MonthTable::MOST_WATCH_LABELS).filter(|(_, label)| holds(label));
            roaring::MultiOps::union(codes.filter_map(|(code, _)| index.most_watched(code)))
        }
        TextField::Taste => {
            let codes = (0_u8..).zip(&table.taste_labels).filter(|(_, label)| holds(label));
            roaring::MultiOps::union(codes.filter_map(|(code, _)| index.taste(code)))
        }
        TextField::Contract => {
            let prefix = match test {
                TextTest::Equal(text) => text.as_str(),
                TextTest::NotEqual(_) => "",
                TextTest::Like(pattern) => pattern.split(['%', '_']).next().unwrap_or_default(),
            };
            // Contracts are in order: those with the prefix stand together.
            let first = first_row(&table.contracts, |contract| contract < prefix);
            let end = first_row(&table.contracts, |contract| contract < prefix || contract.starts_with(prefix));
            let mut rows = rows_where(end - first, |row| holds(table.contracts.get(first + row)));
            if first > 0 {
                rows = rows.iter().map(|row| row + first as u32).collect();
            }
            rows
        }
    }
}

/// The first row for which `is_before` does not hold; those for which it does stand in front.
fn first_row(contracts: &Contracts, is_before: impl Fn(&str) -> bool) -> usize {
    let (mut first, mut end) = (0, contracts.len());
    while first < end {
        let middle = first + (end - first) / 2;
        if is_before(contracts.get(middle)) {
            first = middle + 1;
        } else {
            end = middle;
        }
    }
    first
}

/// Whether `text` matches a pattern in which `%` is any text and `_` one character.
///
/// On a mismatch only the last `%` takes one character more: no pattern takes longer than text times pattern.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // What the last `%` has not taken yet, and the pattern behind it.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let (mut text_after, mut pattern_after) = (text.clone(), pattern.clone());
        match (pattern_after.next(), text_after.next()) {
            (None, None) => return true,
            (Some('%'), _) => {
                pattern = pattern_after;
                retry = Some((text.clone(), pattern.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '_' || wanted == found => {
                (text, pattern) = (text_after, pattern_after);
            }
            _ => {
                let Some((mut from, behind)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                (text, pattern) = (from.clone(), behind.clone());
                retry = Some((from, behind));
            }
        }
    }
}

/// Rows of the contracts in a list.
fn listed(contracts: &Contracts, path: &Path) -> Result<RoaringBitmap, EvaluateError> {
    let wanted = contract_list::read(path).map_err(|source| EvaluateError::List { path: path.to_owned(), source })?;
    let row_of = |wanted: &String| {
        let row = first_row(contracts, |contract| contract < wanted.as_str());
        (row < contracts.len() && contracts.get(row) == wanted).then_some(row as u32)
    };
    let mut rows: Vec<u32> = wanted.iter().filter_map(row_of).collect();
    rows.sort_unstable();
    Ok(rows.into_iter().collect())
}
