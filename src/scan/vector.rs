//! The two operations on 32 bytes that matching a line needs, for each kind of processor.
//!
//! [`Portable`] works on any machine, eight bytes at a time in plain integers; [`Avx2`] uses the vectors of x86-64
//! processors since 2013. Both give the same masks for the same bytes, which `tests` checks against the obvious loop.

#![allow(unsafe_code)]

use super::contract;
use super::shape::LITERAL_BYTES;

/// Masks over the 32 bytes at an address; bit `i` stands for byte `i`.
pub(super) trait Vector {
    /// The bytes that end plain text: a quote, a backslash, anything below 0x20 or from 0x80 up.
    ///
    /// # Safety
    /// 32 bytes from `at` on can be read, and the processor has what the implementation names.
    unsafe fn text_ends(at: *const u8) -> u32;

    /// The bytes that equal those of `literal`.
    ///
    /// # Safety
    /// As for [`Vector::text_ends`].
    unsafe fn equal(at: *const u8, literal: &[u8; LITERAL_BYTES]) -> u32;

    /// The low six bits of each byte, brought together: eight bytes to 48 bits, order kept.
    ///
    /// # Safety
    /// The processor has what the implementation names.
    unsafe fn squeeze(bytes: u64) -> u64;
}

/// Eight bytes at a time in plain integers.
pub(super) struct Portable;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl Portable {
    /// The highest bit of each byte of `word`, gathered into eight bits.
    #[inline(always)]
    fn gather(word: u64) -> u32 {
        ((word & HIGHS).wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32
    }

    /// The highest bit of each byte that is 0, exactly (no carry from byte to byte).
    #[inline(always)]
    fn zeros(word: u64) -> u64 {
        !(((word & !HIGHS) + !HIGHS) | word | !HIGHS)
    }
}

impl Vector for Portable {
    #[inline(always)]
    unsafe fn text_ends(at: *const u8) -> u32 {
        // SAFETY: the caller gives 32 readable bytes; an array of bytes has no alignment.
        let bytes = unsafe { &*at.cast::<[[u8; 8]; 4]>() };
        let mut mask = 0;
        for (i, bytes) in bytes.iter().enumerate() {
            let word = u64::from_le_bytes(*bytes);
            let quotes = Portable::zeros(word ^ (ONES * u64::from(b'"')));
            let backslashes = Portable::zeros(word ^ (ONES * u64::from(b'\\')));
            // Without its highest bit a byte from 0x20 up carries into that bit when 0x60 is added.
            let below_space = !((word & !HIGHS) + ONES * 0x60);
            mask |= Portable::gather(quotes | backslashes | below_space | word) << (8 * i);
        }
        mask
    }

    #[inline(always)]
    unsafe fn equal(at: *const u8, literal: &[u8; LITERAL_BYTES]) -> u32 {
        // SAFETY: as above.
        let bytes = unsafe { &*at.cast::<[[u8; 8]; 4]>() };
        let mut mask = 0;
        for (i, bytes) in bytes.iter().enumerate() {
            let mut wanted = [0; 8];
            wanted.copy_from_slice(&literal[8 * i..8 * i + 8]);
            let differences = u64::from_le_bytes(*bytes) ^ u64::from_le_bytes(wanted);
            mask |= Portable::gather(Portable::zeros(differences)) << (8 * i);
        }
        mask
    }

    #[inline(always)]
    unsafe fn squeeze(bytes: u64) -> u64 {
        contract::squeeze(bytes)
    }
}

/// 32 bytes at a time. Needs the processor features `avx2` and `bmi2`.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Vector for Avx2 {
    #[inline(always)]
    unsafe fn text_ends(at: *const u8) -> u32 {
        use std::arch::x86_64::*;
        // SAFETY: the caller gives 32 readable bytes and a processor with AVX2; the load needs no alignment.
        unsafe {
            let bytes = _mm256_loadu_si256(at.cast());
            let quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"' as i8));
            let backslashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\' as i8));
            // The comparison is signed: bytes from 0x80 up are negative and so below 0x20 too.
            let others = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
            let ends = _mm256_or_si256(_mm256_or_si256(quotes, backslashes), others);
            _mm256_movemask_epi8(ends).cast_unsigned()
        }
    }

    #[inline(always)]
    unsafe fn equal(at: *const u8, literal: &[u8; LITERAL_BYTES]) -> u32 {
        use std::arch::x86_64::*;
        // SAFETY: the caller gives 32 readable bytes and a processor with AVX2, and a literal has 32 bytes.
        unsafe {
            let bytes = _mm256_loadu_si256(at.cast());
            let wanted = _mm256_loadu_si256(literal.as_ptr().cast());
            _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, wanted)).cast_unsigned()
        }
    }

    #[inline(always)]
    unsafe fn squeeze(bytes: u64) -> u64 {
        // SAFETY: the caller gives a processor with BMI2.
        unsafe { std::arch::x86_64::_pext_u64(bytes, 0x3F3F_3F3F_3F3F_3F3F) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8; 32], holds: impl Fn(usize, u8) -> bool) -> u32 {
        (0..32).filter(|i| holds(*i, bytes[*i])).map(|i| 1 << i).sum()
    }

    fn check<V: Vector>(bytes: [u8; 32], literal: [u8; 32]) {
        let ends = naive(&bytes, |_, b| matches!(b, b'"' | b'\\' | 0..=0x1F | 0x80..));
        let equal = naive(&bytes, |i, b| b == literal[i]);
        // SAFETY: both arrays have 32 bytes, and the callers check the processor.
        unsafe {
            assert_eq!(V::text_ends(bytes.as_ptr()), ends, "{bytes:?}");
            assert_eq!(V::equal(bytes.as_ptr(), &literal), equal, "{bytes:?} {literal:?}");
            let word = u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| bytes[i]));
            let squeezed = (0..8).fold(0, |sum, i| sum << 6 | u64::from(bytes[i] & 63));
            assert_eq!(V::squeeze(word), squeezed, "{word:x}");
        }
    }

    fn check_all(bytes: [u8; 32], literal: [u8; 32]) {
        check::<Portable>(bytes, literal);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("bmi2") {
            check::<Avx2>(bytes, literal);
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255_u8 {
            let mut bytes = [b'a'; 32];
            bytes[usize::from(byte) % 32] = byte;
            check_all(bytes, [b'a'; 32]);
            check_all([byte; 32], bytes);
        }
    }

    proptest! {
        #[test]
        fn masks_are_those_of_the_obvious_loop(bytes: [u8; 32], literal: [u8; 32], keep: u32) {
            let mixed = std::array::from_fn(|i| if keep & (1 << i) != 0 { bytes[i] } else { literal[i] });
            check_all(bytes, mixed);
        }
    }
}
