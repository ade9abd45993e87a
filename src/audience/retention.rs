//! Cohorts: customers by the first month they are in, and how many of them each later month still has.

use super::answer::union;
use crate::engine::calendar::Month;
use crate::engine::month::MonthTable;

/// Customers whose first month it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cohort {
    /// The first of the months given that has them.
    pub month: Month,
    /// How many of them each month has, from their own on: the first number is the size of the cohort.
    pub users: Vec<u64>,
}

/// The cohorts of months in any order, oldest first. A month that is missing between two is not made up: the numbers
/// are by the months given.
pub fn cohorts(tables: &[&MonthTable]) -> Vec<Cohort> {
    let mut tables = tables.to_vec();
    tables.sort_by_key(|table| table.month);
    tables.dedup_by_key(|table| table.month);
    let (contracts, places) = union(&tables);
    let mut first = vec![usize::MAX; contracts.len()];
    let mut cohorts: Vec<Cohort> = tables
        .iter()
        .enumerate()
        .map(|(place, table)| Cohort { month: table.month, users: vec![0; tables.len() - place] })
        .collect();
    for (month, places) in places.iter().enumerate() {
        for place in places {
            let first = &mut first[*place as usize];
            *first = (*first).min(month);
            cohorts[*first].users[month - *first] += 1;
        }
    }
    cohorts
}
