//! Contracts that fit into one machine word.
//!
//! Nearly all contracts are short and upper case, for example three letters and six digits. Up to
//! ten bytes in 0x20..=0x5F pack exactly into 64 bits, so they can be compared, hashed and sorted
//! as integers.
//!
//! Invariants: two packed contracts are equal exactly if their bytes are, and they order as their
//! bytes do. Bits 4..64 hold six bits a byte (the byte less 0x20), the first byte highest, unused
//! places zero; bits 0..4 hold the length, 1..=10. A shorter contract and the same one with
//! trailing spaces differ in the length alone, which sorts them right.

use std::fmt;

/// A contract of 1 to 10 bytes in 0x20..=0x5F, not all of them spaces, as one integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackedContract(u64);

/// Longest contract that packs, in bytes.
pub const MAX_PACKED_BYTES: usize = 10;

/// By length: which bits of the first eight bytes and of the last two belong to the contract, first
/// byte highest.
const MASKS: [(u64, u64); MAX_PACKED_BYTES + 1] = {
    let mut masks = [(u64::MAX, 0); MAX_PACKED_BYTES + 1];
    let mut n_bytes = 0;
    while n_bytes < 8 {
        masks[n_bytes].0 = !(u64::MAX >> (8 * n_bytes));
        n_bytes += 1;
    }
    masks[9].1 = 0xFF00;
    masks[10].1 = 0xFFFF;
    masks
};

impl PackedContract {
    /// Packs `contract`, or `None` if it is empty, too long, all spaces or holds another byte.
    #[inline]
    pub fn new(contract: &[u8]) -> Option<PackedContract> {
        if contract.len() > MAX_PACKED_BYTES {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..contract.len()].copy_from_slice(contract);
        PackedContract::from_padded(bytes, contract.len())
    }

    /// Packs the first `n_bytes` of `bytes`; what follows them may be anything.
    #[inline(always)]
    pub fn from_padded(bytes: [u8; 16], n_bytes: usize) -> Option<PackedContract> {
        let (first_mask, last_mask) = MASKS.get(n_bytes)?;
        let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, ..] = bytes;
        // Bytes past the end become zero.
        let first = u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) & first_mask;
        let last = u64::from(u16::from_be_bytes([b8, b9])) & last_mask;
        let six_bits = (squeeze(first) << 12) | squeeze(last);
        let all_pack = packs(first) == PACKS & first_mask && packs(last) == PACKS & last_mask;
        if all_pack { PackedContract::from_six_bits(six_bits, n_bytes) } else { None }
    }

    /// The contract of `n_bytes`, 1..=10, whose bytes less 0x20 are `six_bits`, ten times six of
    /// them.
    #[inline(always)]
    pub(super) fn from_six_bits(six_bits: u64, n_bytes: usize) -> Option<PackedContract> {
        (six_bits != 0).then_some(PackedContract(six_bits << 4 | n_bytes as u64))
    }

    /// The integer, never 0; its low four bits are the length, 1..=10.
    #[inline(always)]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The contract whose [`PackedContract::bits`] these are.
    pub(crate) fn from_bits(bits: u64) -> PackedContract {
        debug_assert!((1..=MAX_PACKED_BYTES as u64).contains(&(bits & 15)));
        PackedContract(bits)
    }

    /// The contract as text: a buffer and how many of its bytes count.
    pub fn unpack(self) -> ([u8; MAX_PACKED_BYTES], usize) {
        let bytes = std::array::from_fn(|i| ((self.0 >> (58 - 6 * i)) & 63) as u8 + 0x20);
        (bytes, self.n_bytes())
    }

    /// How long it is.
    pub fn n_bytes(self) -> usize {
        ((self.0 & 15) as usize).min(MAX_PACKED_BYTES)
    }

    /// Calls `f` with the contract as text.
    pub fn with_str<T>(self, f: impl FnOnce(&str) -> T) -> T {
        let (bytes, n_bytes) = self.unpack();
        // All bytes are ASCII by construction.
        f(std::str::from_utf8(&bytes[..n_bytes]).unwrap_or_default())
    }
}

impl fmt::Debug for PackedContract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_str(|text| write!(f, "{text:?}"))
    }
}

const PACKS: u64 = 0x4040_4040_4040_4040;

/// [`PACKS`] in each byte of 0x20..=0x5F, and in no other: bit 7 is clear, and of bits 5 and 6 one
/// is set.
#[inline(always)]
fn packs(bytes: u64) -> u64 {
    (bytes ^ bytes << 1) & PACKS | bytes & PACKS << 1
}

/// Of each byte in 0x20..=0x5F what it is less 0x20, brought together: eight bytes to 48 bits,
/// order kept.
#[inline(always)]
fn squeeze(bytes: u64) -> u64 {
    // Bit 6 beside the low five, as bit 5 is its opposite; then neighbours in pairs, then pairs in
    // pairs, then both halves.
    let bytes = (bytes & 0x1F1F_1F1F_1F1F_1F1F) | (bytes & PACKS) >> 1;
    let pairs = (bytes & 0x003F_003F_003F_003F) | (bytes & 0x3F00_3F00_3F00_3F00) >> 2;
    let fours = (pairs & 0x0000_0FFF_0000_0FFF) | (pairs & 0x0FFF_0000_0FFF_0000) >> 4;
    (fours & 0xFF_FFFF) | (fours & 0x00FF_FFFF_0000_0000) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_packs_and_what_does_not() {
        let check = |contract: &[u8], packs: bool| {
            let packed = PackedContract::new(contract);
            assert_eq!(packed.is_some(), packs, "{contract:?}");
            if let Some(packed) = packed {
                let (bytes, n_bytes) = packed.unpack();
                assert_eq!(&bytes[..n_bytes], contract);
            }
        };
        for yes in ["0", "A", "ABC123456", "ABCDE12345", " A", "A ", "A_B", "#!?", "1.2.3.4"] {
            check(yes.as_bytes(), true);
        }
        for no in ["", " ", "          ", "ABCDEF123456", "abc", "A\u{e9}", "A`", "A\n", "A\0", "{", "\u{7f}"] {
            check(no.as_bytes(), false);
        }
        check(&[0xFF; 4], false);
        check(&[b'A', 0x80], false);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 256 }))]
        #[test]
        fn packing_is_exact_and_keeps_the_order(
            a in proptest::collection::vec(0x20_u8..0x60, 1..=10),
            b in proptest::collection::vec(0x20_u8..0x60, 1..=10),
        ) {
            let (Some(x), Some(y)) = (PackedContract::new(&a), PackedContract::new(&b)) else {
                prop_assert!(a.iter().all(|c| *c == b' ') || b.iter().all(|c| *c == b' '));
                return Ok(());
            };
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            let (bytes, n_bytes) = x.unpack();
            prop_assert_eq!(&bytes[..n_bytes], &a[..]);
        }

        #[test]
        fn padding_is_ignored(bytes: [u8; 16], n_bytes in 0_usize..=16) {
            let padded = PackedContract::from_padded(bytes, n_bytes);
            prop_assert_eq!(padded, PackedContract::new(&bytes[..n_bytes]));
        }
    }
}
