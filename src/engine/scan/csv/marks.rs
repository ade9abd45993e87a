//! Which bytes of a block mean something in CSV, one bit a byte.

/// Bytes in a block.
pub(super) const BLOCK_BYTES: usize = 64;

/// A block of bytes.
pub(super) type Block = [u8; BLOCK_BYTES];

/// The bytes of a block that matter; bit `i` stands for byte `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Delimiters and line feeds, within quotes too.
    pub(super) separators: u64,
    /// Quotes.
    pub(super) quotes: u64,
}

impl Marks {
    /// The marks of `block`.
    #[inline(always)]
    pub(super) fn of(block: &Block, delimiter: u8) -> Marks {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: SSE2 is part of x86-64.
        return unsafe { sse2::marks(block, delimiter) };
        #[cfg(not(target_arch = "x86_64"))]
        Marks::by_byte(block, delimiter)
    }

    /// The same, one byte after the other.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn by_byte(block: &Block, delimiter: u8) -> Marks {
        let bits = |is_marked: fn(u8, u8) -> bool| {
            block.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(is_marked(*byte, delimiter)) << i)
        };
        Marks {
            separators: bits(|byte, delimiter| byte == delimiter || byte == b'\n'),
            quotes: bits(|byte, _| byte == b'"'),
        }
    }
}

/// For every bit, the parity of the bits up to and including it: of quotes, what is within them
/// with the opening quote and without the closing one.
#[inline(always)]
pub(super) fn parity(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod sse2 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

    use super::{Block, Marks};

    /// Four loads of 16 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn marks(block: &Block, delimiter: u8) -> Marks {
        let mut marks = Marks { separators: 0, quotes: 0 };
        let delimiter = _mm_set1_epi8(delimiter.cast_signed());
        let line_feed = _mm_set1_epi8(b'\n'.cast_signed());
        let quote = _mm_set1_epi8(b'"'.cast_signed());
        let bits = |bytes: __m128i| u64::from(_mm_movemask_epi8(bytes).cast_unsigned());
        let (parts, _) = block.as_chunks::<16>();
        for (i, part) in parts.iter().enumerate() {
            // SAFETY: `part` is 16 readable bytes, and the load needs no alignment.
            let bytes = unsafe { _mm_loadu_si128(part.as_ptr().cast::<__m128i>()) };
            let line_feeds = _mm_cmpeq_epi8(bytes, line_feed);
            let separators = _mm_or_si128(line_feeds, _mm_cmpeq_epi8(bytes, delimiter));
            marks.separators |= bits(separators) << (16 * i);
            marks.quotes |= bits(_mm_cmpeq_epi8(bytes, quote)) << (16 * i);
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_marked_for_what_it_is() {
        for delimiter in *b",;\t" {
            // An interpreter takes minutes for all bytes.
            for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 17 } else { 1 }) {
                for place in [0, 1, 15, 16, 31, 32, 47, 48, 63] {
                    let mut block = [b'x'; 64];
                    block[place] = byte;
                    block[63 - place] = b'\n';
                    assert_eq!(Marks::of(&block, delimiter), Marks::by_byte(&block, delimiter), "{byte} at {place}");
                }
            }
        }
        let mut block = [b'x'; 64];
        block[..8].copy_from_slice("a,\nb\"é,".as_bytes());
        let expected = Marks { separators: 0b1000_0110, quotes: 0b1_0000 };
        assert_eq!(Marks::of(&block, b','), expected);
    }

    #[test]
    fn parity_counts_the_bits_so_far() {
        for bits in [0, 1, 0b1001_0010, u64::MAX, 1 << 63, 0x0123_4567_89ab_cdef] {
            for place in 0..64 {
                let so_far = bits & (u64::MAX >> (63 - place));
                assert_eq!(parity(bits) >> place & 1, u64::from(so_far.count_ones() % 2), "{bits:x} at {place}");
            }
        }
    }
}
