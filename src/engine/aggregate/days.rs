//! Which customers were active on which day, as bitmaps for questions across customers.

use rayon::prelude::*;
use roaring::RoaringBitmap;

/// For each day of the month the rows that were active on it.
///
/// While scanning, a customer's days are a mask of 32 bits in its profile, which is smaller than
/// any bitmap of 31 bits and never shared. Turned round, day by day, bitmaps over the rows answer
/// what is asked of many customers at once.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveDays {
    days: Vec<RoaringBitmap>,
}

/// Number of customers active on each day, by the day of the month less 1, from the masks of active
/// days.
///
/// Counts the masks turned round, 32 at a time, and builds no bitmap.
pub fn active_users(masks: &[u32]) -> [u64; 31] {
    let of_block = |masks: &[u32]| {
        let mut counts = [0_u64; 31];
        for masks in masks.chunks(32) {
            let mut square = [0; 32];
            square[..masks.len()].copy_from_slice(masks);
            transpose_bits(&mut square);
            for (count, rows) in counts.iter_mut().zip(square) {
                *count += u64::from(rows.count_ones());
            }
        }
        counts
    };
    let add = |a: [u64; 31], b: [u64; 31]| std::array::from_fn(|day| a[day] + b[day]);
    masks.par_chunks(BLOCK_ROWS).map(of_block).reduce(|| [0; 31], add)
}

/// Rows of one container of a roaring bitmap.
const BLOCK_ROWS: usize = 1 << 16;

impl ActiveDays {
    /// From the masks of active days in row order: bit `i` stands for day `i + 1`. At most 2^32
    /// rows count.
    pub fn new(masks: &[u32]) -> ActiveDays {
        let blocks: Vec<[RoaringBitmap; 32]> =
            masks.par_chunks(BLOCK_ROWS).enumerate().map(|(i, block)| transpose(i, block)).collect();
        let mut days = vec![RoaringBitmap::new(); 31];
        for block in blocks {
            for (day, part) in days.iter_mut().zip(block) {
                *day |= part;
            }
        }
        ActiveDays { days }
    }

    /// The rows active on the day with this index (0..=30).
    pub fn rows(&self, day_index: usize) -> Option<&RoaringBitmap> {
        self.days.get(day_index)
    }

    /// Number of customers active on the day with this index (0..=30).
    pub fn n_active(&self, day_index: usize) -> u64 {
        self.days.get(day_index).map_or(0, RoaringBitmap::len)
    }
}

/// The rows of one block, day by day.
fn transpose(block_index: usize, masks: &[u32]) -> [RoaringBitmap; 32] {
    let mut bytes: Vec<[u8; BLOCK_ROWS / 8]> = vec![[0; BLOCK_ROWS / 8]; 32];
    for (word, masks) in masks.chunks(32).enumerate() {
        let mut square = [0; 32];
        square[..masks.len()].copy_from_slice(masks);
        transpose_bits(&mut square);
        for (day, rows) in square.iter().enumerate() {
            bytes[day][4 * word..4 * word + 4].copy_from_slice(&rows.to_le_bytes());
        }
    }
    let first_row = u32::try_from(block_index * BLOCK_ROWS).unwrap_or(u32::MAX / 8 * 8);
    std::array::from_fn(|day| RoaringBitmap::from_lsb0_bytes(first_row, &bytes[day]))
}

/// Bit `j` of word `i` becomes bit `i` of word `j`: blocks of 16, 8, 4, 2 and 1 bits change places.
fn transpose_bits(square: &mut [u32; 32]) {
    let mut width = 16;
    let mut mask = 0x0000_FFFF_u32;
    while width != 0 {
        let mut row = 0;
        while row < 32 {
            let moved = ((square[row] >> width) ^ square[row + width]) & mask;
            square[row] ^= moved << width;
            square[row + width] ^= moved;
            row = (row + width + 1) & !width;
        }
        width >>= 1;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(masks: &[u32]) {
        let (days, users) = (ActiveDays::new(masks), active_users(masks));
        for (day, n_users) in users.into_iter().enumerate() {
            let rows: Vec<u32> = (0..masks.len() as u32).filter(|row| masks[*row as usize] & (1 << day) != 0).collect();
            assert_eq!(days.days[day].iter().collect::<Vec<_>>(), rows, "day index {day}");
            assert_eq!(days.n_active(day), rows.len() as u64);
            assert_eq!(n_users, rows.len() as u64);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 64 }))]
        #[test]
        fn bitmaps_are_the_masks_turned_round(masks in proptest::collection::vec(0_u32..1 << 31, 0..200)) {
            check(&masks);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too slow there, and no unsafe code in it")]
    fn blocks_meet_without_a_gap() {
        let masks: Vec<u32> = (0..2 * BLOCK_ROWS as u32 + 77).map(|i| i.wrapping_mul(0x9E37_79B9) >> 1).collect();
        check(&masks);
    }
}
