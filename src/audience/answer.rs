//! Whom an expression holds for, and as of which month each of them is shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::engine::calendar::Month;
use crate::engine::month::MonthTable;
use crate::units::grouped;

/// A customer, as of the newest month named that has them: the month asked, where they are in it.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub contract: &'a str,
    pub table: &'a MonthTable,
    /// Their row in it.
    pub row: u32,
}

impl Member<'_> {
    /// Whether they are in `month`.
    pub fn is_in(&self, month: Month) -> bool {
        self.table.month == month
    }

    /// Their seconds of all categories.
    pub fn total(&self) -> i64 {
        self.table.total[self.row as usize]
    }
}

/// Customers for whom an expression holds.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The month asked: the newest one given.
    pub base: &'a MonthTable,
    /// Lists that name none of the customers they were held against.
    pub unmatched: Vec<UnmatchedList>,
    /// How the places of `rows` are to be read; the same for all answers of one call.
    pub(super) universe: Arc<Universe<'a>>,
    pub(super) rows: RoaringBitmap,
}

/// A list of contracts of which a month has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmatchedList {
    pub path: PathBuf,
    /// Contracts in it.
    pub n_contracts: usize,
    pub month: Month,
}

impl fmt::Display for UnmatchedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnmatchedList { path, n_contracts, month } = self;
        match n_contracts {
            0 => write!(f, "{} holds no contract", path.display()),
            1 => write!(f, "the one contract in {} is not in {month}", path.display()),
            n => write!(f, "none of the {} contracts in {} is in {month}", grouped(*n as u64), path.display()),
        }
    }
}

/// Whom an expression speaks of, in contract order: the customers of the months that it names.
#[derive(Debug)]
pub(super) enum Universe<'a> {
    /// The rows of one month.
    One(&'a MonthTable),
    /// The customers of several.
    Several {
        /// The months, oldest first.
        tables: Vec<&'a MonthTable>,
        /// The contract of each place.
        contracts: Vec<&'a str>,
        /// The newest month of each place, as a place in `tables`, and the row there.
        newest: Vec<(u32, u32)>,
    },
}

impl<'a> Universe<'a> {
    /// All customers of `tables`, oldest month first, and the place of each row of each month among them.
    pub(super) fn of(tables: Vec<&'a MonthTable>) -> (Universe<'a>, Vec<Vec<u32>>) {
        let (contracts, places) = union(&tables);
        let mut newest = vec![(0, 0); contracts.len()];
        for (number, places) in (0_u32..).zip(&places) {
            for (row, place) in (0_u32..).zip(places) {
                newest[*place as usize] = (number, row);
            }
        }
        (Universe::Several { tables, contracts, newest }, places)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Universe::One(table) => table.n_rows(),
            Universe::Several { contracts, .. } => contracts.len(),
        }
    }

    fn member(&self, place: u32) -> Member<'a> {
        match self {
            Universe::One(table) => Member { contract: table.contracts.get(place as usize), table, row: place },
            Universe::Several { tables, contracts, newest } => {
                let (number, row) = newest[place as usize];
                Member { contract: contracts[place as usize], table: tables[number as usize], row }
            }
        }
    }
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

    /// The customers in contract order.
    pub fn customers(&self) -> impl Iterator<Item = Member<'a>> + '_ {
        self.rows.iter().map(|place| self.universe.member(place))
    }

    /// The customers as rows of the month that each of them is shown as of.
    pub fn rows_by_month(&self) -> RowsByMonth {
        match &*self.universe {
            Universe::One(table) => RowsByMonth(BTreeMap::from([(table.month, self.rows.clone())])),
            Universe::Several { .. } => self.customers().collect(),
        }
    }

    /// The rows of the month asked among the customers.
    pub fn base_rows(&self) -> RoaringBitmap {
        self.rows_by_month().0.remove(&self.base.month).unwrap_or_default()
    }
}

/// Customers as rows of the month that each of them is shown as of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsByMonth(BTreeMap<Month, RoaringBitmap>);

impl RowsByMonth {
    /// Number of customers.
    pub fn n_users(&self) -> u64 {
        self.0.values().map(RoaringBitmap::len).sum()
    }

    /// Number of those who are in `month`.
    pub fn n_users_in(&self, month: Month) -> u64 {
        self.0.get(&month).map_or(0, RoaringBitmap::len)
    }

    /// Each month with its rows, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Month, &RoaringBitmap)> {
        self.0.iter().map(|(month, rows)| (*month, rows))
    }
}

impl<'a> FromIterator<Member<'a>> for RowsByMonth {
    fn from_iter<I: IntoIterator<Item = Member<'a>>>(members: I) -> RowsByMonth {
        let mut rows: BTreeMap<Month, Vec<u32>> = BTreeMap::new();
        for member in members {
            rows.entry(member.table.month).or_default().push(member.row);
        }
        let bitmap = |(month, mut rows): (Month, Vec<u32>)| {
            rows.sort_unstable();
            (month, rows.into_iter().collect())
        };
        RowsByMonth(rows.into_iter().map(bitmap).collect())
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
