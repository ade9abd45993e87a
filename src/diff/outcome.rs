//! A difference as JSON and as a table for people.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use super::{COMPARED, Change, Difference, SideSums};
use crate::engine::rules::Category;
use crate::units::{counted, grouped, grouped_wide};

/// Moves that the table shows; JSON has all of them.
const N_SHOWN_MOVES: usize = 10;

/// A number that JSON readers expect to have 64 bits.
fn number(wide: i128) -> Value {
    i64::try_from(wide).map_or_else(|_| Value::from(wide.to_string()), Value::from)
}

fn by_category(seconds: [i128; 5]) -> Value {
    let total = number(seconds.iter().sum());
    let categories = Category::ALL.map(|category| (category.name().to_owned(), number(seconds[category as usize])));
    Value::Object(categories.into_iter().chain([("Total".to_owned(), total)]).collect::<Map<_, _>>())
}

impl SideSums {
    fn to_value(&self) -> Value {
        json!({
            "source": self.source, "month": self.month.to_string(), "customers": self.customers,
            "seconds": by_category(self.seconds),
        })
    }
}

impl Change {
    fn to_value(&self) -> Value {
        let side = |seconds: Option<[i64; 5]>| seconds.map(|seconds| by_category(seconds.map(i128::from)));
        json!({
            "contract": self.contract, "moved": number(i128::try_from(self.moved).unwrap_or(i128::MAX)),
            "a": side(self.a), "b": side(self.b),
        })
    }
}

/// Moves, the most frequent first.
fn ordered(moves: &BTreeMap<(String, String), u64>) -> Vec<(&str, &str, u64)> {
    let mut ordered: Vec<_> = moves.iter().map(|((a, b), users)| (a.as_str(), b.as_str(), *users)).collect();
    ordered.sort_by_key(|(_, _, users)| std::cmp::Reverse(*users));
    ordered
}

impl Difference {
    pub fn to_json(&self) -> Value {
        let moves = |moves: &BTreeMap<(String, String), u64>| -> Vec<Value> {
            ordered(moves).into_iter().map(|(a, b, users)| json!({"a": a, "b": b, "customers": users})).collect()
        };
        let columns: Map<String, Value> = COMPARED
            .iter()
            .zip(&self.changed_by_column)
            .map(|(column, n)| (column.name.to_owned(), (*n).into()))
            .collect();
        json!({
            "equal": self.is_equal(), "a": self.a.to_value(), "b": self.b.to_value(),
            "only_in_a": self.only_in_a, "only_in_b": self.only_in_b, "in_both": self.in_both,
            "changed": self.changed, "devices": self.devices.name(), "changed_by_column": columns,
            "most_watch_moves": moves(&self.most_watch_moves), "taste_moves": moves(&self.taste_moves),
            "largest": self.largest.iter().map(Change::to_value).collect::<Vec<_>>(),
        })
    }

    fn fmt_sums(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10}{:>22}{:>22}{:>22}", "seconds", "A", "B", "B - A")?;
        let total = |side: &SideSums| side.seconds.iter().sum();
        let categories = Category::ALL.map(|category| {
            let of = |side: &SideSums| side.seconds[category as usize];
            (category.name(), of(&self.a), of(&self.b))
        });
        for (name, a, b) in categories.into_iter().chain([("Total", total(&self.a), total(&self.b))]) {
            let texts = [a, b, b - a].map(grouped_wide);
            writeln!(f, "{name:<10}{:>22}{:>22}{:>22}", texts[0], texts[1], texts[2])?;
        }
        Ok(())
    }
}

fn fmt_moves(f: &mut fmt::Formatter<'_>, title: &str, moves: &BTreeMap<(String, String), u64>) -> fmt::Result {
    if moves.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    for (a, b, users) in ordered(moves).into_iter().take(N_SHOWN_MOVES) {
        writeln!(f, "{:>14} {} -> {}", grouped(users), a.escape_debug(), b.escape_debug())?;
    }
    match moves.len().saturating_sub(N_SHOWN_MOVES) {
        0 => Ok(()),
        n_more => writeln!(f, "{:>14} and {n_more} more ways", ""),
    }
}

/// The table for people.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in [("A", &self.a), ("B", &self.b)] {
            let customers = counted(side.customers, "customer");
            writeln!(f, "{name}  month {}, {customers}, {}", side.month, side.source)?;
        }
        if let Some(warning) = self.devices.warning() {
            writeln!(f, "{warning}")?;
        }
        if self.is_equal() {
            return writeln!(f, "they are equal");
        }
        writeln!(f, "\n{:>14} only in A", grouped(self.only_in_a))?;
        writeln!(f, "{:>14} only in B", grouped(self.only_in_b))?;
        writeln!(f, "{:>14} changed of {} in both", grouped(self.changed), grouped(self.in_both))?;
        for (column, n_changed) in COMPARED.iter().zip(&self.changed_by_column).filter(|(_, n)| **n > 0) {
            writeln!(f, "{:>14} in {}", grouped(*n_changed), column.name)?;
        }
        writeln!(f)?;
        self.fmt_sums(f)?;
        fmt_moves(f, "customers whose most watched category moved", &self.most_watch_moves)?;
        fmt_moves(f, "customers whose taste moved", &self.taste_moves)?;
        if !self.largest.is_empty() {
            writeln!(f, "\nlargest changes (seconds that came or went, total in A and in B)")?;
        }
        for Change { moved, contract, a, b } in &self.largest {
            let total = |seconds: &Option<[i64; 5]>| match seconds {
                Some(seconds) => grouped_wide(seconds.iter().map(|seconds| i128::from(*seconds)).sum()),
                None => "-".to_owned(),
            };
            let moved = grouped_wide(i128::try_from(*moved).unwrap_or(i128::MAX));
            writeln!(f, "{moved:>14}{:>16}{:>16}  {}", total(a), total(b), contract.escape_debug())?;
        }
        Ok(())
    }
}
