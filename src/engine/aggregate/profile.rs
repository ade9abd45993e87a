//! One customer's month while it is gathered, and a table of them for each partition.
//!
//! Naive: open addressing, one slot after the other. How many slots a search visits is
//! unpredictable, and a misprediction costs more than all the comparing. Here a search looks at a
//! whole bucket of eight numbers, which are one cache line, branch-free, and nearly always that is
//! all; sums lie apart from the numbers.
//!
//! Invariants: number 0 marks a free place, with used ones before it; a customer is in the table of
//! the partition that the hash of its number names and nowhere else, in the first bucket from its
//! home on that was not full; a table is never more than three quarters full, so a search ends
//! soon. Sums are kept in 32 bits; what overflows is carried, exactly, into a map beside the table,
//! which stays tiny (4 billion seconds are 130 years).

use ahash::AHashMap;

use super::context::HashKey;
use super::partition::KeptRecord;

/// One customer's month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Profile {
    /// A bit for each day with a kept record.
    pub days: u32,
    /// Seconds by `Category as usize`, minus what was carried.
    pub seconds: [u32; 5],
}

/// Customers that are looked for together: their numbers fill a cache line.
const BUCKET_PROFILES: usize = 8;

/// The numbers of a bucket's customers; 0 after the last one.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([u64; BUCKET_PROFILES]);

impl Bucket {
    /// The place of a number, or `BUCKET_PROFILES` if it is not there. Looks at all places: where a
    /// number stands cannot be predicted, and a misprediction costs more than that.
    #[inline(always)]
    fn place(&self, contract_id: u64) -> usize {
        let mut found = BUCKET_PROFILES;
        for (place, id) in self.0.iter().enumerate().rev() {
            found = if *id == contract_id { place } else { found };
        }
        found
    }
}

/// The customers of one partition.
#[derive(Debug)]
pub struct ProfileTable {
    key: HashKey,
    buckets: Vec<Bucket>,
    profiles: Vec<[Profile; BUCKET_PROFILES]>,
    n_profiles: usize,
    carried: AHashMap<u64, [u32; 5]>,
}

impl ProfileTable {
    /// A table without customers; `key` is that by which its partition was chosen.
    pub(super) fn new(key: HashKey) -> ProfileTable {
        ProfileTable { key, buckets: Vec::new(), profiles: Vec::new(), n_profiles: 0, carried: AHashMap::new() }
    }

    /// Adds the records of one chunk.
    pub fn add(&mut self, records: &[KeptRecord]) {
        self.reserve(records.len());
        // A copy: what is written to the table cannot change it, which the compiler does not know
        // of `self`.
        let key = self.key;
        for record in records {
            let contract_id = record.contract_id();
            let (bucket, place) = self.find(key, contract_id);
            let Some(profile) = self.profiles.get_mut(bucket).and_then(|bucket| bucket.get_mut(place)) else {
                continue;
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

    /// Bucket and place of a customer, who is added if new. There is room.
    #[inline(always)]
    fn find(&mut self, key: HashKey, contract_id: u64) -> (usize, usize) {
        let mut number = key.home(contract_id, self.buckets.len());
        loop {
            let Some(bucket) = self.buckets.get_mut(number) else {
                number = 0;
                continue;
            };
            let place = bucket.place(contract_id);
            if place < BUCKET_PROFILES {
                return (number, place);
            }
            let free = bucket.place(0);
            if let Some(id) = bucket.0.get_mut(free) {
                *id = contract_id;
                self.n_profiles += 1;
                return (number, free);
            }
            number += 1;
        }
    }

    /// Brings the table into the cache before records find their places in it by chance: in order,
    /// which is the one way in which memory is fast.
    pub fn prefetch(&self) {
        let read = self.buckets.iter().fold(0, |read, bucket| read ^ bucket.0[0]);
        // A bucket's profiles are three cache lines.
        let read = self
            .profiles
            .iter()
            .fold(read, |read, profiles| read ^ u64::from(profiles[0].days ^ profiles[3].days ^ profiles[6].days));
        std::hint::black_box(read);
    }

    /// Number of customers.
    pub fn n_profiles(&self) -> usize {
        self.n_profiles
    }

    /// Place and contract number of all customers, in no order that means anything.
    pub fn places(&self) -> impl Iterator<Item = (usize, u64)> {
        let places = self.buckets.iter().flat_map(|bucket| bucket.0).enumerate();
        places.filter(|(_, contract_id)| *contract_id != 0)
    }

    /// The customer at a place that [`ProfileTable::places`] gave.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn at(&self, place: usize) -> &Profile {
        &self.profiles[place / BUCKET_PROFILES][place % BUCKET_PROFILES]
    }

    /// The seconds of a customer of this table, whole.
    pub fn seconds(&self, contract_id: u64, profile: &Profile) -> [u64; 5] {
        let mut seconds = profile.seconds.map(u64::from);
        if !self.carried.is_empty()
            && let Some(carried) = self.carried.get(&contract_id)
        {
            for (sum, carried) in seconds.iter_mut().zip(carried) {
                *sum += u64::from(*carried) << 32;
            }
        }
        seconds
    }

    #[cold]
    fn carry(&mut self, record: &KeptRecord) {
        let carried = self.carried.entry(record.contract_id()).or_default();
        if let Some(carried) = carried.get_mut(usize::from(record.category())) {
            *carried += 1;
        }
    }

    /// Makes room for `n_more` customers.
    fn reserve(&mut self, n_more: usize) {
        let n_needed = ((self.n_profiles + n_more) * 4 / 3 + 1).div_ceil(BUCKET_PROFILES);
        if n_needed <= self.buckets.len() {
            return;
        }
        let n_buckets = n_needed.max(self.buckets.len() * 3 / 2).max(128);
        let old_buckets = std::mem::replace(&mut self.buckets, vec![Bucket::default(); n_buckets]);
        let old_profiles = std::mem::replace(&mut self.profiles, vec![Default::default(); n_buckets]);
        self.n_profiles = 0;
        for (ids, profiles) in old_buckets.iter().zip(&old_profiles) {
            for (contract_id, profile) in ids.0.iter().zip(profiles).filter(|(contract_id, _)| **contract_id != 0) {
                let (bucket, place) = self.find(self.key, *contract_id);
                self.profiles[bucket][place] = *profile;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn check(records: &[KeptRecord]) {
        let mut table = ProfileTable::new(HashKey::random());
        records.chunks(7).for_each(|chunk| table.add(chunk));
        let mut expected: BTreeMap<u64, (u32, [u64; 5])> = BTreeMap::new();
        for record in records {
            let (days, seconds) = expected.entry(record.contract_id()).or_default();
            *days |= 1 << record.day_index();
            seconds[usize::from(record.category())] += u64::from(record.seconds());
        }
        let found: BTreeMap<u64, (u32, [u64; 5])> = table
            .places()
            .map(|(place, id)| (id, (table.at(place).days, table.seconds(id, table.at(place)))))
            .collect();
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
