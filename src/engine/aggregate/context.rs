//! What all threads share while they gather a month.

use ahash::RandomState;

use super::devices::DeviceInterner;
use super::intern::Interner;
use super::partition::N_PARTITIONS;
use crate::engine::rules::{Category, RecordRules};

/// One for all sinks of a month.
#[derive(Debug)]
pub struct Context {
    /// Where contracts get their numbers.
    pub(super) interner: Interner,
    /// Where devices get theirs.
    pub(super) devices: DeviceInterner,
    /// How contracts are spread.
    pub(super) key: HashKey,
    /// The category of each app, by [`crate::engine::rules::App::index`].
    pub(super) categories: Vec<Category>,
}

impl Context {
    pub(super) fn new(rules: &RecordRules) -> Context {
        Context {
            interner: Interner::default(),
            devices: DeviceInterner::default(),
            key: HashKey::random(),
            categories: rules.apps().map(|(_, app)| app.category).collect(),
        }
    }
}

/// What contracts are spread by, drawn anew for every month: whoever writes the records cannot know
/// which contracts come together. No output depends on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey {
    flip: u64,
    factor: u64,
}

impl HashKey {
    pub fn random() -> HashKey {
        let random = RandomState::new();
        HashKey { flip: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }

    /// Spreads the bits of a contract's number; the top eight choose the partition.
    #[inline(always)]
    pub fn hash(self, contract_id: u64) -> u64 {
        // Folded multiplication: both halves of the product depend on all bits of the number.
        let product = u128::from(contract_id ^ self.flip) * u128::from(self.factor);
        (product as u64) ^ ((product >> 64) as u64)
    }

    /// The partition of a contract's number.
    #[inline(always)]
    pub fn partition(self, contract_id: u64) -> u8 {
        const { assert!(N_PARTITIONS == 256) };
        (self.hash(contract_id) >> 56) as u8
    }

    /// The bucket where the search for a number begins, of `n_buckets`.
    #[inline(always)]
    pub fn home(self, contract_id: u64, n_buckets: usize) -> usize {
        // The 32 bits below those that chose the partition, scaled to the table.
        let bits = (self.hash(contract_id) >> 24) & 0xFFFF_FFFF;
        ((bits * n_buckets as u64) >> 32) as usize
    }
}
