//! The bitmaps of a month: which rows were active on a day, watched a category, have a label.

use std::sync::OnceLock;

use rayon::prelude::*;
use roaring::RoaringBitmap;

use crate::engine::aggregate::days::ActiveDays;
use crate::engine::month::MonthTable;
use crate::engine::rules::Category;

/// A month and its bitmaps of rows, each made when it is first asked for.
#[derive(Debug)]
pub struct Index<'a> {
    pub table: &'a MonthTable,
    active: OnceLock<ActiveDays>,
    categories: [OnceLock<RoaringBitmap>; Category::ALL.len()],
    most_watched: [OnceLock<RoaringBitmap>; MonthTable::MOST_WATCH_LABELS.len()],
    tastes: [OnceLock<RoaringBitmap>; 32],
}

impl<'a> Index<'a> {
    /// Over the rows of `table`, of which there are at most 2^32.
    pub fn new(table: &'a MonthTable) -> Index<'a> {
        Index {
            table,
            active: OnceLock::new(),
            categories: Default::default(),
            most_watched: Default::default(),
            tastes: Default::default(),
        }
    }

    /// All rows.
    pub fn all(&self) -> RoaringBitmap {
        let mut rows = RoaringBitmap::new();
        rows.insert_range(0..self.table.n_rows() as u32);
        rows
    }

    /// Rows active on any day of `mask`.
    pub fn active_on(&self, mask: u32) -> RoaringBitmap {
        let active = self.active.get_or_init(|| ActiveDays::new(&self.table.days));
        let days = (0..31).filter(|index| mask & (1 << index) != 0);
        roaring::MultiOps::union(days.filter_map(|index| active.rows(index)))
    }

    /// Rows with more than 0 seconds of a category.
    pub fn watched(&self, category: Category) -> &RoaringBitmap {
        let seconds = &self.table.seconds[category as usize];
        self.categories[category as usize].get_or_init(|| rows_where(seconds.len(), |row| seconds[row] > 0))
    }

    /// Rows whose `MostWatch` has this code.
    pub fn most_watched(&self, code: u8) -> Option<&RoaringBitmap> {
        let codes = &self.table.most_watch;
        let rows = self.most_watched.get(usize::from(code))?;
        Some(rows.get_or_init(|| rows_where(codes.len(), |row| codes[row] == code)))
    }

    /// Rows whose `Taste` has this code, 0..=31.
    pub fn taste(&self, code: u8) -> Option<&RoaringBitmap> {
        let codes = &self.table.taste;
        let rows = self.tastes.get(usize::from(code))?;
        Some(rows.get_or_init(|| rows_where(codes.len(), |row| codes[row].0 & 31 == code)))
    }
}

/// Rows of one container of a roaring bitmap, and of one task.
const BLOCK_ROWS: usize = 1 << 16;

/// The rows of `0..n_rows` for which `holds`, by one pass of all threads.
pub fn rows_where(n_rows: usize, holds: impl Fn(usize) -> bool + Sync) -> RoaringBitmap {
    let starts: Vec<usize> = (0..n_rows).step_by(BLOCK_ROWS).collect();
    let blocks: Vec<RoaringBitmap> = starts
        .into_par_iter()
        .map(|start| {
            let mut bytes = vec![0_u8; BLOCK_ROWS / 8];
            let end = n_rows.min(start + BLOCK_ROWS);
            for (byte, first) in bytes.iter_mut().zip((start..end).step_by(8)) {
                for bit in 0..8.min(end - first) {
                    *byte |= u8::from(holds(first + bit)) << bit;
                }
            }
            RoaringBitmap::from_lsb0_bytes(start as u32, &bytes)
        })
        .collect();
    let mut rows = RoaringBitmap::new();
    for block in blocks {
        rows |= block;
    }
    rows
}
