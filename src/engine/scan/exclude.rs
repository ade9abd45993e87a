//! The contracts that the rules exclude.
//!
//! Naive: look every contract up in a set of texts. Nearly none is in it, and the set may hold tens
//! of thousands: what differs here is a bitmap in front of the set, far larger than the set, in
//! which a contract that packs has one bit. Where that bit is clear, which takes one read to see,
//! the contract is not excluded.

use ahash::AHashSet;

use super::contract::PackedContract;

/// Bits of the bitmap for each contract that packs: at most one in this many others needs a look at
/// the set.
const BITS_PER_CONTRACT: usize = 32;

/// Words of the bitmap at least: 512 bytes, that few contracts are as good as never taken for
/// others.
const MIN_WORDS: usize = 64;

/// A set of contracts.
#[derive(Clone, Debug)]
pub(super) struct Exclusions {
    contracts: AHashSet<String>,
    /// A power of two of words; none where no contract packs.
    bitmap: Vec<u64>,
}

impl Exclusions {
    pub fn new(contracts: &[String]) -> Exclusions {
        let packed: Vec<_> = contracts.iter().filter_map(|text| PackedContract::new(text.as_bytes())).collect();
        let n_words = (packed.len() * BITS_PER_CONTRACT).div_ceil(64).next_power_of_two().max(MIN_WORDS);
        let mut bitmap = vec![0_u64; if packed.is_empty() { 0 } else { n_words }];
        for contract in packed {
            let (word, bit) = place(contract, bitmap.len());
            bitmap[word] |= 1 << bit;
        }
        Exclusions { contracts: contracts.iter().cloned().collect(), bitmap }
    }

    /// Whether a contract is one of them.
    #[inline]
    pub fn contains(&self, contract: &str) -> bool {
        !self.contracts.is_empty() && self.contracts.contains(contract)
    }

    /// [`Exclusions::contains`] of a contract that packs.
    #[inline(always)]
    pub fn contains_packed(&self, contract: PackedContract) -> bool {
        if self.bitmap.is_empty() {
            return false;
        }
        let (word, bit) = place(contract, self.bitmap.len());
        self.bitmap.get(word).is_some_and(|word| word >> bit & 1 == 1) && self.look_up(contract)
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self, contract: PackedContract) -> bool {
        contract.with_str(|contract| self.contracts.contains(contract))
    }
}

/// Word and bit of a contract in a bitmap of `n_words`, a power of two.
#[inline(always)]
fn place(contract: PackedContract, n_words: usize) -> (usize, u32) {
    let hash = contract.bits().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((hash >> 32) as usize & (n_words - 1), (hash >> 58) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_and_no_others_are_excluded() {
        let check = |contracts: &[String], others: &[String]| {
            let excluded = Exclusions::new(contracts);
            for (texts, expected) in [(contracts, true), (others, false)] {
                for text in texts {
                    assert_eq!(excluded.contains(text), expected, "{text:?}");
                    if let Some(packed) = PackedContract::new(text.as_bytes()) {
                        assert_eq!(excluded.contains_packed(packed), expected, "{text:?}");
                    }
                }
            }
        };
        let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
        check(&[], &texts(&["0", "A1", "\u{e9}"]));
        check(&texts(&["0"]), &texts(&["00", " 0", "0 ", "1", "LONGER THAN TEN"]));
        check(&texts(&["LONGER THAN TEN", "a1"]), &texts(&["A1", "LONGER THAN TE"]));
        let numbered = |from: u32| -> Vec<String> { (from..from + 30_000).map(|i| format!("HNH{i:06}")).collect() };
        check(&numbered(0), &numbered(30_000));
    }
}
