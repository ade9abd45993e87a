//! What differs between two months, each a month file or a month in a warehouse: customer by customer, in contract order.
//!
//! Both sides are read at once, a batch ahead of the comparison, and nothing is kept of a row but sums and the largest
//! changes: memory does not grow with the rows.
//!
//! ```text
//! month files -> merge -> rows -\
//!                                compare -> sums, moves, largest changes; a list of all that differs
//! warehouse   -> rows ----------/
//! ```

mod compare;
mod list;
mod outcome;
mod side;

#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::LazyLock;

use crate::engine::calendar::Month;
use crate::engine::columns::{COLUMNS_WITH_DEVICES, Column, Output, Role, held_by};
use crate::engine::devices::Devices;
use crate::engine::rules::Category;

pub use compare::compare;
pub use side::{DiffSide, WarehouseMonth};

/// The columns that are compared, the devices last.
pub static COMPARED: LazyLock<Vec<&'static Column>> = LazyLock::new(|| compared_of(COLUMNS_WITH_DEVICES));

/// Those of [`COMPARED`] that are compared.
fn compared(devices: DevicesCompared) -> &'static [&'static Column] {
    match (devices, COMPARED.split_last()) {
        (DevicesCompared::Compared, _) | (_, None) => &COMPARED,
        (_, Some((_, others))) => others,
    }
}

/// Those of `columns` that are compared, in the order of the table: all but the key and what is the same in every row, as
/// the day of the run.
fn compared_of(columns: &[Column]) -> Vec<&Column> {
    held_by(columns, Output::MonthFile).filter(|column| column.role == Role::Value && !column.is_constant()).collect()
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub a: SideSums,
    pub b: SideSums,
    /// Customers in A alone.
    pub only_in_a: u64,
    /// Customers in B alone.
    pub only_in_b: u64,
    /// Customers in both.
    pub in_both: u64,
    /// Of those, customers with a value that differs.
    pub changed: u64,
    pub devices: DevicesCompared,
    /// How often each of [`COMPARED`] differs, `Devices` only where both sides count them. A warehouse has no `Days`.
    pub changed_by_column: Vec<u64>,
    /// Customers in both whose most watched category differs, by A's and B's.
    pub most_watch_moves: BTreeMap<(String, String), u64>,
    /// Customers in both whose taste differs, by A's and B's.
    pub taste_moves: BTreeMap<(String, String), u64>,
    /// The largest changes, the largest first.
    pub largest: Vec<Change>,
}

/// Whether devices are compared: only where both sides count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevicesCompared {
    /// They are.
    Compared,
    /// No side counts them.
    NotCounted,
    /// A alone does.
    OnlyInA,
    /// B alone does.
    OnlyInB,
}

impl DevicesCompared {
    /// Of sides that count them, or not.
    fn of(sides: [Devices; 2]) -> DevicesCompared {
        match sides {
            [Devices::Counted, Devices::Counted] => DevicesCompared::Compared,
            [Devices::Ignored, Devices::Ignored] => DevicesCompared::NotCounted,
            [Devices::Counted, Devices::Ignored] => DevicesCompared::OnlyInA,
            [Devices::Ignored, Devices::Counted] => DevicesCompared::OnlyInB,
        }
    }

    /// What JSON says.
    pub fn name(self) -> &'static str {
        match self {
            DevicesCompared::Compared => "compared",
            DevicesCompared::NotCounted => "not_counted",
            DevicesCompared::OnlyInA => "only_in_a",
            DevicesCompared::OnlyInB => "only_in_b",
        }
    }

    /// What is to be told people, who may think that all was compared.
    fn warning(self) -> Option<&'static str> {
        match self {
            DevicesCompared::Compared | DevicesCompared::NotCounted => None,
            DevicesCompared::OnlyInA => Some("devices are not compared: A alone counts them"),
            DevicesCompared::OnlyInB => Some("devices are not compared: B alone counts them"),
        }
    }
}

/// One side as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideSums {
    /// Where it is.
    pub source: String,
    pub month: Month,
    pub customers: u64,
    /// Their seconds, indexed by [`Category`] as `usize`. Wide, so that no sum here can overflow.
    pub seconds: [i128; Category::ALL.len()],
}

/// A customer whose seconds differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Seconds that came or went, over all categories.
    pub moved: u128,
    /// The customer.
    pub contract: String,
    /// Seconds by category in A; none where A does not have the customer.
    pub a: Option<[i64; Category::ALL.len()]>,
    /// The same in B.
    pub b: Option<[i64; Category::ALL.len()]>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.a.month == self.b.month && self.only_in_a == 0 && self.only_in_b == 0 && self.changed == 0
    }
}

/// The larger change first; of two that are as large the first contract.
impl Ord for Change {
    fn cmp(&self, other: &Change) -> Ordering {
        (self.moved, Reverse(&self.contract)).cmp(&(other.moved, Reverse(&other.contract)))
    }
}

impl PartialOrd for Change {
    fn partial_cmp(&self, other: &Change) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The largest changes so far.
struct Largest {
    n_max: usize,
    /// The least of them on top.
    changes: BinaryHeap<Reverse<Change>>,
}

impl Largest {
    fn new(n_max: usize) -> Largest {
        Largest { n_max, changes: BinaryHeap::new() }
    }

    fn offer(&mut self, contract: &str, a: Option<[i64; 5]>, b: Option<[i64; 5]>) {
        let (before, after) = (a.unwrap_or_default(), b.unwrap_or_default());
        let moved = before.iter().zip(&after).map(|(a, b)| u128::from(a.abs_diff(*b))).sum();
        // Contracts come in order: of changes as large as the least one, that one was first.
        let is_full = self.changes.len() >= self.n_max;
        if moved == 0 || is_full && self.changes.peek().is_none_or(|Reverse(least)| least.moved >= moved) {
            return;
        }
        if is_full {
            self.changes.pop();
        }
        self.changes.push(Reverse(Change { moved, contract: contract.to_owned(), a, b }));
    }

    fn into_sorted(self) -> Vec<Change> {
        self.changes.into_sorted_vec().into_iter().map(|Reverse(change)| change).collect()
    }
}
