//! What matching a line needs of 64 bytes at once, for each kind of processor.
//!
//! [`Portable`] works on any machine, eight bytes at a time in plain integers; [`Avx2`] uses the
//! vectors of x86-64 processors since 2013, [`Avx512`] those since 2019. All give the same masks
//! for the same bytes, which `tests` checks against the obvious loop.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
use super::app::FIRST_BYTES;
#[cfg(target_arch = "x86_64")]
use super::contract::MAX_PACKED_BYTES;
use super::contract::PackedContract;
use super::shape::BLOCK_BYTES;

/// Masks over 64 bytes; bit `i` stands for byte `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CompareMasks {
    /// The bytes that differ from those they were compared with.
    pub different: u64,
    /// The bytes that end plain text: a quote, a backslash, the processor's `STOP`, anything below
    /// 0x20 or from 0x80 up.
    pub ends: u64,
}

/// A kind of processor. `STOP` is one more ASCII character that ends plain text, a quote if there
/// is none.
pub(super) trait Vector {
    /// Compares the 64 bytes at `at` with `bytes`.
    ///
    /// # Safety
    /// 64 bytes from `at` on can be read, and the processor has what the implementation names.
    unsafe fn compare(at: *const u8, bytes: &[u8; BLOCK_BYTES]) -> CompareMasks;

    /// As [`PackedContract::from_padded`].
    ///
    /// # Safety
    /// The processor has what the implementation names.
    unsafe fn pack(bytes: [u8; 16], n_bytes: usize) -> Option<PackedContract> {
        PackedContract::from_padded(bytes, n_bytes)
    }

    /// Prefetches the cache line at `at`, which need not be readable.
    fn prefetch(_at: *const u8) {}
}

/// Eight bytes at a time in plain integers.
pub(super) struct Portable<const STOP: u8>;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

impl<const STOP: u8> Portable<STOP> {
    /// The highest bit of each byte of `word`, gathered into eight bits.
    #[inline(always)]
    fn gather(word: u64) -> u64 {
        (word & HIGHS).wrapping_mul(0x0002_0408_1020_4081) >> 56
    }

    /// The highest bit of each byte that is 0, exactly (no carry from byte to byte).
    #[inline(always)]
    fn zeros(word: u64) -> u64 {
        !(((word & !HIGHS) + !HIGHS) | word | !HIGHS)
    }
}

impl<const STOP: u8> Vector for Portable<STOP> {
    #[inline(always)]
    unsafe fn compare(at: *const u8, bytes: &[u8; BLOCK_BYTES]) -> CompareMasks {
        // SAFETY: the caller gives 64 readable bytes; an array of bytes has no alignment.
        let found = unsafe { &*at.cast::<[u8; BLOCK_BYTES]>() };
        let mut masks = CompareMasks { different: 0, ends: 0 };
        for (i, (found, wanted)) in found.as_chunks::<8>().0.iter().zip(bytes.as_chunks::<8>().0).enumerate() {
            let word = u64::from_le_bytes(*found);
            let same = Self::zeros(word ^ u64::from_le_bytes(*wanted));
            let quotes = Self::zeros(word ^ (ONES * u64::from(b'"')));
            let backslashes = Self::zeros(word ^ (ONES * u64::from(b'\\')));
            let stops = Self::zeros(word ^ (ONES * u64::from(STOP)));
            // Without its highest bit a byte from 0x20 up carries into that bit when 0x60 is added.
            let below_space = !((word & !HIGHS) + ONES * 0x60);
            masks.different |= Self::gather(!same) << (8 * i);
            masks.ends |= Self::gather(quotes | backslashes | stops | below_space | word) << (8 * i);
        }
        masks
    }
}

/// 32 bytes at a time. Needs the processor feature `avx2`.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx2<const STOP: u8>;

#[cfg(target_arch = "x86_64")]
impl<const STOP: u8> Avx2<STOP> {
    /// Masks over 32 bytes: those that are as in `wanted`, and those that end plain text.
    ///
    /// # Safety
    /// 32 bytes from each address on can be read, and the processor has AVX2.
    #[inline(always)]
    unsafe fn half(at: *const u8, wanted: *const u8) -> (u64, u64) {
        use std::arch::x86_64::*;
        // SAFETY: the caller's promise; the loads need no alignment.
        unsafe {
            let found = _mm256_loadu_si256(at.cast());
            let same = _mm256_cmpeq_epi8(found, _mm256_loadu_si256(wanted.cast()));
            let quotes = _mm256_cmpeq_epi8(found, _mm256_set1_epi8(b'"' as i8));
            let backslashes = _mm256_cmpeq_epi8(found, _mm256_set1_epi8(b'\\' as i8));
            // The comparison is signed: bytes from 0x80 up are negative and so below 0x20 too.
            let others = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), found);
            let stops = _mm256_cmpeq_epi8(found, _mm256_set1_epi8(STOP as i8));
            let ends = _mm256_or_si256(_mm256_or_si256(quotes, backslashes), _mm256_or_si256(stops, others));
            (
                u64::from(_mm256_movemask_epi8(same).cast_unsigned()),
                u64::from(_mm256_movemask_epi8(ends).cast_unsigned()),
            )
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl<const STOP: u8> Vector for Avx2<STOP> {
    #[inline(always)]
    unsafe fn compare(at: *const u8, bytes: &[u8; BLOCK_BYTES]) -> CompareMasks {
        // SAFETY: the caller gives 64 readable bytes and a processor with AVX2, and `bytes` has 64
        // too.
        let ((low_same, low_ends), (high_same, high_ends)) =
            unsafe { (Self::half(at, bytes.as_ptr()), Self::half(at.add(32), bytes.as_ptr().add(32))) };
        CompareMasks { different: !(low_same | high_same << 32), ends: low_ends | high_ends << 32 }
    }

    #[inline(always)]
    unsafe fn pack(bytes: [u8; 16], n_bytes: usize) -> Option<PackedContract> {
        use std::arch::x86_64::*;
        let counts = FIRST_BYTES[..=MAX_PACKED_BYTES].get(n_bytes)?;
        // SAFETY: the caller gives a processor with AVX2, which is little-endian; array and integer
        // have 16 bytes, and the loads need no alignment.
        unsafe {
            let values = _mm_sub_epi8(_mm_loadu_si128(bytes.as_ptr().cast()), _mm_set1_epi8(0x20));
            let values = _mm_and_si128(values, _mm_loadu_si128(std::ptr::from_ref(counts).cast()));
            if _mm_testz_si128(values, _mm_set1_epi8(0xC0_u8.cast_signed())) == 0 {
                return None;
            }
            // Neighbours are joined, the first of two higher: 12 bits each, then 24.
            let pairs = _mm_maddubs_epi16(values, _mm_set1_epi16(1 << 8 | 1 << 6));
            let fours = _mm_madd_epi16(pairs, _mm_set1_epi32(1 << 16 | 1 << 12));
            let first = _mm_cvtsi128_si64(fours).cast_unsigned();
            let last = u64::from(_mm_extract_epi32::<2>(fours).cast_unsigned());
            // The last four bytes of twelve are two at most.
            PackedContract::from_six_bits((first << 36) | (first >> 32 << 12) | last >> 12, n_bytes)
        }
    }

    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: a prefetch of any address is allowed, and every x86-64 processor has it.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast()) }
    }
}

/// 64 bytes at a time. Needs the processor features `avx512f`, `avx512bw` and `avx512vbmi`.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx512<const STOP: u8>;

#[cfg(target_arch = "x86_64")]
impl<const STOP: u8> Avx512<STOP> {
    /// For each byte below 0x80, in its highest bit, whether it ends plain text.
    const ENDS: [u8; 128] = {
        let mut ends = [0; 128];
        let mut byte = 0;
        while byte < 128 {
            if byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize || byte == STOP as usize {
                ends[byte] = 0x80;
            }
            byte += 1;
        }
        ends
    };
}

#[cfg(target_arch = "x86_64")]
impl<const STOP: u8> Vector for Avx512<STOP> {
    #[inline(always)]
    unsafe fn compare(at: *const u8, bytes: &[u8; BLOCK_BYTES]) -> CompareMasks {
        use std::arch::x86_64::*;
        // SAFETY: the caller gives 64 readable bytes and a processor with these features, `bytes`
        // has 64 too and `ENDS` twice as many; the loads need no alignment.
        unsafe {
            let found = _mm512_loadu_si512(at.cast());
            let wanted = _mm512_loadu_si512(bytes.as_ptr().cast());
            let (low, high) = (
                _mm512_loadu_si512(Self::ENDS.as_ptr().cast()),
                _mm512_loadu_si512(Self::ENDS.as_ptr().add(64).cast()),
            );
            // The table is looked up with the low seven bits; the highest bit of the byte itself
            // says the rest.
            let ends = _mm512_or_si512(_mm512_permutex2var_epi8(low, found, high), found);
            CompareMasks { different: _mm512_cmpneq_epi8_mask(found, wanted), ends: _mm512_movepi8_mask(ends) }
        }
    }

    #[inline(always)]
    unsafe fn pack(bytes: [u8; 16], n_bytes: usize) -> Option<PackedContract> {
        // SAFETY: the caller gives a processor with AVX2, as all with the features above have.
        unsafe { Avx2::<STOP>::pack(bytes, n_bytes) }
    }

    #[inline(always)]
    fn prefetch(at: *const u8) {
        Avx2::<STOP>::prefetch(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::scan::fast::Backend;
    use proptest::prelude::*;

    fn naive(bytes: &[u8; 64], holds: impl Fn(usize, u8) -> bool) -> u64 {
        (0..64).filter(|i| holds(*i, bytes[*i])).map(|i| 1 << i).sum()
    }

    fn check<V: Vector>(stop: u8, bytes: [u8; 64], wanted: [u8; 64]) {
        let expected = CompareMasks {
            different: naive(&bytes, |i, b| b != wanted[i]),
            ends: naive(&bytes, |_, b| matches!(b, b'"' | b'\\' | 0..=0x1F | 0x80..) || b == stop),
        };
        // SAFETY: both arrays have 64 bytes, and the callers check the processor.
        unsafe {
            assert_eq!(V::compare(bytes.as_ptr(), &wanted), expected, "{bytes:?} {wanted:?}");
            for n_bytes in 0..=16 {
                let contract = std::array::from_fn(|i| bytes[i]);
                assert_eq!(
                    V::pack(contract, n_bytes),
                    PackedContract::new(&contract[..n_bytes]),
                    "{contract:?} {n_bytes}"
                );
            }
        }
    }

    fn check_all(bytes: [u8; 64], wanted: [u8; 64]) {
        check_stop::<b'"'>(bytes, wanted);
        check_stop::<b','>(bytes, wanted);
        check_stop::<b';'>(bytes, wanted);
    }

    fn check_stop<const STOP: u8>(bytes: [u8; 64], wanted: [u8; 64]) {
        for backend in Backend::available() {
            match backend {
                Backend::Portable => check::<Portable<STOP>>(STOP, bytes, wanted),
                #[cfg(target_arch = "x86_64")]
                Backend::Avx2 => check::<Avx2<STOP>>(STOP, bytes, wanted),
                #[cfg(target_arch = "x86_64")]
                Backend::Avx512 => check::<Avx512<STOP>>(STOP, bytes, wanted),
                #[cfg(not(target_arch = "x86_64"))]
                Backend::Avx2 | Backend::Avx512 => {}
            }
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255_u8 {
            let mut bytes = [b'a'; 64];
            bytes[usize::from(byte) % 64] = byte;
            check_all(bytes, [b'a'; 64]);
            check_all([byte; 64], bytes);
        }
    }

    proptest! {
        #[test]
        fn masks_are_those_of_the_obvious_loop(bytes: [[u8; 32]; 2], wanted: [[u8; 32]; 2], keep: u64) {
            let (bytes, wanted) = (bytes.as_flattened(), wanted.as_flattened());
            let mixed = std::array::from_fn(|i| if keep & (1 << i) != 0 { bytes[i] } else { wanted[i] });
            check_all(mixed, std::array::from_fn(|i| wanted[i]));
        }
    }
}
