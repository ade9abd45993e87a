//! A number for each contract, by its bytes.
//!
//! A contract that packs into a word ([`PackedContract`]) is its own number. Any other is interned:
//! its shard, chosen by hash, keeps the text and gives it the next free number; equal hashes mean
//! nothing until the bytes are compared.

use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use ahash::{AHashMap, RandomState};

use crate::engine::scan::contract::PackedContract;

/// Number of shards: more than threads, so that two rarely want the same one.
const N_SHARDS: usize = 64;

/// Low four bits of the number of an interned contract; of a packed one they are its length,
/// 1..=10.
const INTERNED: u64 = 15;

/// The contracts that do not pack.
#[derive(Debug)]
pub struct Interner {
    hasher: RandomState,
    shards: Vec<Mutex<AHashMap<Box<str>, u64>>>,
}

impl Default for Interner {
    fn default() -> Self {
        Interner { hasher: RandomState::new(), shards: (0..N_SHARDS).map(|_| Mutex::default()).collect() }
    }
}

/// A contract as text, or packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interned<'a> {
    /// Packed.
    Packed(PackedContract),
    /// Any other.
    Text(&'a str),
}

impl Interned<'_> {
    /// Its length in bytes.
    pub fn n_bytes(self) -> usize {
        match self {
            Interned::Packed(packed) => packed.n_bytes(),
            Interned::Text(text) => text.len(),
        }
    }

    /// Writes its bytes to `place`, which is as long.
    ///
    /// # Panics
    /// When it is not.
    pub fn write(self, place: &mut [u8]) {
        match self {
            Interned::Packed(packed) => place.copy_from_slice(&packed.unpack().0[..packed.n_bytes()]),
            Interned::Text(text) => place.copy_from_slice(text.as_bytes()),
        }
    }
}

impl Interner {
    /// The number of `contract` (not empty): equal for equal bytes and for nothing else, and never
    /// 0.
    pub fn contract_id(&self, contract: &str) -> u64 {
        if let Some(packed) = PackedContract::new(contract.as_bytes()) {
            return packed.bits();
        }
        let shard = self.hasher.hash_one(contract) as usize % N_SHARDS;
        let mut numbers = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = numbers.get(contract) {
            return *id;
        }
        let id = ((numbers.len() * N_SHARDS + shard) as u64) << 4 | INTERNED;
        numbers.insert(contract.into(), id);
        id
    }

    /// All interned texts, so that [`Texts::get`] gives back the contract of a number.
    pub fn into_texts(self) -> Texts {
        let shards = self.shards.into_iter().map(|shard| {
            let numbers = shard.into_inner().unwrap_or_else(PoisonError::into_inner);
            let mut texts: Vec<(u64, Box<str>)> = numbers.into_iter().map(|(text, id)| (id, text)).collect();
            texts.sort_unstable_by_key(|(id, _)| *id);
            texts.into_iter().map(|(_, text)| text).collect()
        });
        Texts { shards: shards.collect() }
    }
}

/// The contracts of an [`Interner`] by their numbers.
#[derive(Debug, Default)]
pub struct Texts {
    shards: Vec<Vec<Box<str>>>,
}

impl Texts {
    /// Whether every contract packs.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(Vec::is_empty)
    }

    /// How the contracts with these numbers order.
    #[inline]
    pub fn order(&self, a: u64, b: u64) -> Ordering {
        match (self.get(a), self.get(b)) {
            (Interned::Packed(a), Interned::Packed(b)) => a.cmp(&b),
            (Interned::Text(a), Interned::Text(b)) => a.cmp(b),
            (Interned::Packed(a), Interned::Text(b)) => a.with_str(|a| a.cmp(b)),
            (Interned::Text(a), Interned::Packed(b)) => b.with_str(|b| a.cmp(b)),
        }
    }

    /// The contract whose number is `id`; empty for a number that was never given.
    pub fn get(&self, id: u64) -> Interned<'_> {
        if id & INTERNED != INTERNED {
            return Interned::Packed(PackedContract::from_bits(id));
        }
        let place = (id >> 4) as usize;
        let shard = self.shards.get(place % N_SHARDS).map_or(&[][..], Vec::as_slice);
        Interned::Text(shard.get(place / N_SHARDS).map_or("", |text| text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn numbers_stand_for_bytes() {
        let interner = Interner::default();
        let contracts: Vec<String> = (0..2000)
            .map(|i| match i % 4 {
                0 => format!("ABC{i:06}"),
                1 => format!("abc{i:06}"),
                2 => format!("LONGER-THAN-TEN-{i}"),
                _ => format!("\u{e9}{i}\0"),
            })
            .chain(["A1", "a1", "A1 ", "\u{c9}", "E\u{301}"].map(String::from))
            .collect();
        let mut ids: HashMap<u64, &str> = HashMap::new();
        for contract in &contracts {
            let id = interner.contract_id(contract);
            assert_ne!(id, 0);
            assert_eq!(id, interner.contract_id(contract), "{contract:?}");
            assert_eq!(ids.insert(id, contract), None, "{contract:?}");
        }
        let texts = interner.into_texts();
        for (id, contract) in ids {
            match texts.get(id) {
                Interned::Packed(packed) => packed.with_str(|text| assert_eq!(text, contract)),
                Interned::Text(text) => assert_eq!(text, contract),
            }
        }
    }
}
