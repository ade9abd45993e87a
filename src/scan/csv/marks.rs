//! Which bytes of a block mean something in CSV, one bit a byte.

/// The bytes of a block of 64 that matter; bit `i` stands for byte `i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Delimiters and line feeds.
    pub(super) separators: u64,
    /// Line feeds.
    pub(super) line_feeds: u64,
    /// Quotes and bytes that are not ASCII: what plain reading does not handle.
    pub(super) special: u64,
}

impl Marks {
    /// The marks of `block`.
    #[inline]
    pub(super) fn of(block: &[u8; 64], delimiter: u8) -> Marks {
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        // SAFETY: SSE2 is part of x86-64.
        return unsafe { sse2::marks(block, delimiter) };
        #[cfg(not(target_arch = "x86_64"))]
        Marks::by_byte(block, delimiter)
    }

    /// The same, one byte after the other.
    #[cfg(any(test, not(target_arch = "x86_64")))]
    fn by_byte(block: &[u8; 64], delimiter: u8) -> Marks {
        let bits = |is_marked: &dyn Fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |bits, (i, byte)| bits | u64::from(is_marked(*byte)) << i)
        };
        Marks {
            separators: bits(&|byte| byte == delimiter || byte == b'\n'),
            line_feeds: bits(&|byte| byte == b'\n'),
            special: bits(&|byte| byte == b'"' || !byte.is_ascii()),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod sse2 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

    use super::Marks;

    /// Four loads of 16 bytes.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn marks(block: &[u8; 64], delimiter: u8) -> Marks {
        let mut marks = Marks { separators: 0, line_feeds: 0, special: 0 };
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
            // A byte's own highest bit says that it is not ASCII.
            let special = _mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, quote));
            marks.separators |= bits(separators) << (16 * i);
            marks.line_feeds |= bits(line_feeds) << (16 * i);
            marks.special |= bits(special) << (16 * i);
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
            for byte in 0..=u8::MAX {
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
        let expected = Marks { separators: 0b1000_0110, line_feeds: 0b100, special: 0b111_0000 };
        assert_eq!(Marks::of(&block, b','), expected);
    }
}
