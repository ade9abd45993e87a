//! The rows of one month for which a test holds.

use std::path::Path;
use std::str::Chars;

use roaring::RoaringBitmap;

use super::expr::{Comparison, Metric, TextField, TextTest, Threshold};
use super::index::{Index, rows_where};
use crate::contract_list::{self, ListError};
use crate::engine::month::{Contracts, MonthTable};

/// The rows whose number compares so.
pub(super) fn compared(
    index: &Index<'_>,
    metric: Metric,
    comparison: Comparison,
    threshold: Threshold,
) -> RoaringBitmap {
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

/// The rows whose text is as the test wants it.
pub(super) fn tested(index: &Index<'_>, field: TextField, test: &TextTest) -> RoaringBitmap {
    let table = index.table;
    let pattern = match test {
        TextTest::Like(pattern) => Pattern::new(pattern),
        TextTest::Equal(_) | TextTest::NotEqual(_) => Pattern::default(),
    };
    let holds = |value: &str| match test {
        TextTest::Equal(text) => value == text,
        TextTest::NotEqual(text) => value != text,
        TextTest::Like(_) => pattern.matches(value),
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
            let first = table.contracts.first_row(|contract| contract < prefix);
            let end = table.contracts.first_row(|contract| contract < prefix || contract.starts_with(prefix));
            let mut rows = rows_where(end - first, |row| holds(table.contracts.get(first + row)));
            if first > 0 {
                rows = rows.iter().map(|row| row + first as u32).collect();
            }
            rows
        }
    }
}

/// A pattern of `like`, in which `%` is any text and `_` one character.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    /// One `%` in place of several that follow each other, which mean no more.
    text: String,
    /// What a text has at least.
    n_min_chars: usize,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Pattern {
        let mut text = String::with_capacity(pattern.len());
        for c in pattern.chars() {
            if c != '%' || !text.ends_with('%') {
                text.push(c);
            }
        }
        let n_min_chars = text.chars().filter(|c| *c != '%').count();
        Pattern { text, n_min_chars }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        // No text has more characters than bytes: a long pattern costs nothing where it can never hold.
        text.len() >= self.n_min_chars && is_like(text, &self.text)
    }
}

/// Whether `text` matches a pattern.
///
/// On a mismatch only the last `%` takes one character more: no pattern takes longer than text times pattern.
fn is_like(text: &str, pattern: &str) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // What the last `%` has not taken yet, and the pattern after it.
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

/// Rows of the contracts in a list, and how many it holds.
///
/// # Errors
/// Those of [`contract_list::read`].
pub(super) fn listed(contracts: &Contracts, path: &Path) -> Result<(RoaringBitmap, usize), ListError> {
    let wanted = contract_list::read(path)?;
    let mut rows: Vec<u32> = wanted.iter().filter_map(|contract| Some(contracts.find(contract)? as u32)).collect();
    rows.sort_unstable();
    Ok((rows.into_iter().collect(), wanted.len()))
}
