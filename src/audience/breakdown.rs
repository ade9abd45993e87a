//! An answer counted by a label: `--by taste`.

use roaring::RoaringBitmap;

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

/// The groups of `rows`, which are rows of the month of `index`: those with a customer, in the order of the days or by
/// size, largest first, ties by label.
pub fn count(index: &Index<'_>, rows: &RoaringBitmap, dimension: Dimension) -> Vec<Group> {
    let table = index.table;
    let sum = |rows: &RoaringBitmap, seconds: &[i64]| rows.iter().map(|row| i128::from(seconds[row as usize])).sum();
    let group = |label: &str, of_label: Option<&RoaringBitmap>| {
        let rows = of_label.map_or_else(RoaringBitmap::new, |of_label| of_label & rows);
        Group { label: label.to_owned(), users: rows.len(), seconds: sum(&rows, &table.total) }
    };
    let mut groups: Vec<Group> = match dimension {
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
    };
    groups.retain(|group| group.users > 0);
    if dimension != Dimension::Days {
        groups.sort_by(|a, b| b.users.cmp(&a.users).then_with(|| a.label.cmp(&b.label)));
    }
    groups
}
