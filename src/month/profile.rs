//! One customer's month while it is gathered: 32 bytes, and a table of them for each partition.
//!
//! Invariants: `contract_id` 0 marks a free slot; a customer is in the table of the partition that the hash of its
//! number names and nowhere else; a table is never more than three quarters full, so a probe ends soon. Sums are kept
//! in 32 bits; what overflows is carried, exactly, into a map beside the table, which stays tiny (4 billion seconds
//! are 130 years).

use ahash::AHashMap;

use super::partition::{KeptRecord, N_PARTITIONS};

/// One customer's month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Profile {
    /// Number of the contract, 0 in a free slot.
    pub contract_id: u64,
    /// A bit for each day with a kept record.
    pub days: u32,
    /// Seconds by `Category as usize`, less what was carried.
    pub seconds: [u32; 5],
}

const _: () = assert!(size_of::<Profile>() == 32);

/// Spreads the bits of a contract's number; the top eight choose the partition.
#[inline(always)]
pub fn hash(contract_id: u64) -> u64 {
    // Folded multiplication: both halves of the product depend on all bits of the number.
    let product = u128::from(contract_id ^ 0x243F_6A88_85A3_08D3) * u128::from(0x9E37_79B9_7F4A_7C15_u64);
    (product as u64) ^ ((product >> 64) as u64)
}

/// The partition of a hash.
#[inline(always)]
pub fn partition(hash: u64) -> u8 {
    const { assert!(N_PARTITIONS == 256) };
    (hash >> 56) as u8
}

/// The customers of one partition.
#[derive(Debug, Default)]
pub struct ProfileTable {
    slots: Vec<Profile>,
    n_profiles: usize,
    carried: AHashMap<u64, [u32; 5]>,
}

impl ProfileTable {
    /// Adds the records of one chunk.
    pub fn add(&mut self, records: &[KeptRecord]) {
        self.reserve(records.len());
        let n_slots = self.slots.len();
        for record in records {
            let mut place = home(record.contract_id(), n_slots);
            let profile = loop {
                let Some(slot) = self.slots.get_mut(place) else {
                    place = 0;
                    continue;
                };
                if slot.contract_id == record.contract_id() {
                    break slot;
                }
                if slot.contract_id == 0 {
                    slot.contract_id = record.contract_id();
                    self.n_profiles += 1;
                    break slot;
                }
                place += 1;
            };
            profile.days |= 1 << record.day_index();
            // The category is 0..5: writers take it from `Category`.
            if let Some(sum) = profile.seconds.get_mut(usize::from(record.category())) {
                let (new, overflows) = sum.overflowing_add(record.seconds());
                *sum = new;
                if overflows {
                    self.carry(record);
                }
            }
        }
    }

    /// Brings the table into the cache before records find their places in it by chance: in order, which is the one way
    /// in which memory is fast.
    pub fn fetch(&self) {
        // Two slots are a line of memory.
        let read = self.slots.iter().step_by(2).fold(0, |read, slot| read ^ slot.contract_id);
        std::hint::black_box(read);
    }

    /// Number of customers.
    pub fn n_profiles(&self) -> usize {
        self.n_profiles
    }

    /// Place and contract number of all customers, in no order that means anything.
    pub fn places(&self) -> impl Iterator<Item = (usize, u64)> {
        let places = self.slots.iter().map(|slot| slot.contract_id).enumerate();
        places.filter(|(_, contract_id)| *contract_id != 0)
    }

    /// The customer at a place that [`ProfileTable::places`] gave.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn at(&self, place: usize) -> &Profile {
        &self.slots[place]
    }

    /// The seconds of a customer of this table, whole.
    pub fn seconds(&self, profile: &Profile) -> [u64; 5] {
        let mut seconds = profile.seconds.map(u64::from);
        if !self.carried.is_empty()
            && let Some(carried) = self.carried.get(&profile.contract_id)
        {
            for (sum, carried) in seconds.iter_mut().zip(carried) {
                *sum += u64::from(*carried) << 32;
            }
        }
        seconds
    }

    #[cold]
    fn carry(&mut self, record: &KeptRecord) {
        if let Some(carried) = self.carried.entry(record.contract_id()).or_default().get_mut(usize::from(record.category()))
        {
            *carried += 1;
        }
    }

    /// Makes room for `n_more` customers.
    fn reserve(&mut self, n_more: usize) {
        let n_needed = (self.n_profiles + n_more) * 4 / 3 + 1;
        if n_needed <= self.slots.len() {
            return;
        }
        let n_slots = n_needed.max(self.slots.len() * 3 / 2).max(1024);
        let old = std::mem::replace(&mut self.slots, vec![Profile::default(); n_slots]);
        for profile in old.into_iter().filter(|slot| slot.contract_id != 0) {
            let mut place = home(profile.contract_id, n_slots);
            while self.slots[place].contract_id != 0 {
                place = if place + 1 == n_slots { 0 } else { place + 1 };
            }
            self.slots[place] = profile;
        }
    }
}

/// Where the search for a number begins in a table of `n_slots`.
#[inline(always)]
fn home(contract_id: u64, n_slots: usize) -> usize {
    // The 32 bits below those that chose the partition, scaled to the table.
    let bits = (hash(contract_id) >> 24) & 0xFFFF_FFFF;
    ((bits * n_slots as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(records: &[KeptRecord]) {
        let mut table = ProfileTable::default();
        records.chunks(7).for_each(|chunk| table.add(chunk));
        let mut expected: BTreeMap<u64, (u32, [u64; 5])> = BTreeMap::new();
        for record in records {
            let (days, seconds) = expected.entry(record.contract_id()).or_default();
            *days |= 1 << record.day_index();
            seconds[usize::from(record.category())] += u64::from(record.seconds());
        }
        let found: BTreeMap<u64, (u32, [u64; 5])> =
            table.places().map(|(place, id)| (id, (table.at(place).days, table.seconds(table.at(place))))).collect();
        assert_eq!(found, expected);
        assert_eq!(table.n_profiles(), expected.len());
    }

    fn record() -> impl Strategy<Value = KeptRecord> {
        (1_u64..60, prop_oneof![0..100_u32, (u32::MAX - 9)..=u32::MAX], 0_u8..5, 0_u8..31).prop_map(
            |(contract_id, seconds, category, day_index)| KeptRecord::new(contract_id, category, day_index, seconds),
        )
    }

    proptest! {
        #[test]
        fn sums_and_days_are_exact(records in proptest::collection::vec(record(), 0..400)) {
            check(&records);
        }
    }

    #[test]
    fn a_table_grows() {
        let records: Vec<KeptRecord> = (0..if cfg!(miri) { 1_500 } else { 50_000 })
            .map(|i| KeptRecord::new(i * 16 + 9, (i % 5) as u8, (i % 31) as u8, 3))
            .collect();
        check(&records);
    }
}
