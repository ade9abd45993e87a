//! An answer counted by a label: `--by taste`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::answer::RowsByMonth;
use super::index::Index;
use crate::engine::month::MonthTable;
use crate::engine::rules::Category;

/// What an answer is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// The column `Taste`.
    Taste,
    /// The column `MostWatch`.
    MostWatch,
    /// The number of active days.
    Days,
    /// Categories watched; a customer counts in each.
    Category,
}

/// One value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The value.
    pub label: String,
    /// Customers of the answer that have it.
    pub users: u64,
    /// Their seconds: of the category by [`Dimension::Category`], else in all.
    pub seconds: i128,
}

/// The groups of customers, each by the month that they are shown as of: those with a customer, in the order of the days or
/// by size, largest first, ties by label.
pub fn count(indexes: &[Index<'_>], rows: &RowsByMonth, dimension: Dimension) -> Vec<Group> {
    let mut sums: BTreeMap<String, (u64, i128)> = BTreeMap::new();
    for (month, rows) in rows.iter() {
        let Some(index) = indexes.iter().find(|index| index.table.month == month) else { continue };
        for Group { label, users, seconds } in count_month(index, rows, dimension) {
            let sum = sums.entry(label).or_default();
            *sum = (sum.0 + users, sum.1 + seconds);
        }
    }
    let group = |(label, (users, seconds))| Group { label, users, seconds };
    let mut groups: Vec<Group> = sums.into_iter().map(group).filter(|group| group.users > 0).collect();
    match dimension {
        Dimension::Days => groups.sort_by_key(|group| group.label.parse::<u32>().ok()),
        // Stable: groups of one size stay by label.
        Dimension::Taste | Dimension::MostWatch | Dimension::Category => {
            groups.sort_by_key(|group| Reverse(group.users))
        }
    }
    groups
}

fn count_month(index: &Index<'_>, rows: &RoaringBitmap, dimension: Dimension) -> Vec<Group> {
    let table = index.table;
    let sum = |rows: &RoaringBitmap, seconds: &[i64]| rows.iter().map(|row| i128::from(seconds[row as usize])).sum();
    let group = |label: &str, of_label: Option<&RoaringBitmap>| {
        let rows = of_label.map_or_else(RoaringBitmap::new, |of_label| of_label & rows);
        Group { label: label.to_owned(), users: rows.len(), seconds: sum(&rows, &table.total) }
    };
    match dimension {
        Dimension::Taste => {
            // Two codes may have one label, as all without seconds are `No`.
            let mut labels: Vec<&str> = table.taste_labels.iter().map(String::as_str).collect();
            labels.sort_unstable();
            labels.dedup();
            labels
                .into_iter()
                .map(|label| {
                    let codes = (0_u8..).zip(&table.taste_labels).filter(|(_, found)| *found == label);
                    let of_label = roaring::MultiOps::union(codes.filter_map(|(code, _)| index.taste(code)));
                    group(label, Some(&of_label))
                })
                .collect()
        }
        Dimension::MostWatch => (0_u8..)
            .zip(MonthTable::MOST_WATCH_LABELS)
            .map(|(code, label)| group(label, index.most_watched(code)))
            .collect(),
        Dimension::Category => Category::ALL
            .iter()
            .map(|category| {
                let rows = index.watched(*category) & rows;
                let seconds = sum(&rows, &table.seconds[*category as usize]);
                Group { label: category.name().to_owned(), users: rows.len(), seconds }
            })
            .collect(),
        Dimension::Days => {
            let mut by_days = vec![(0_u64, 0_i128); 32];
            for row in rows {
                let (users, seconds) = &mut by_days[table.days[row as usize].count_ones().min(31) as usize];
                *users += 1;
                *seconds += i128::from(table.total[row as usize]);
            }
            let groups = by_days.into_iter().enumerate();
            groups.map(|(days, (users, seconds))| Group { label: days.to_string(), users, seconds }).collect()
        }
    }
}
