//! The bytes of a Parquet page.
//!
//! Naive: hand every value to the column writers of the Parquet library. They take any type, with or without nulls, learn
//! dictionaries by hashing and hold each text as a counted reference: a fifth of a transform's time went there. What
//! differs here: every column is required and its encoding is known, so a page is made from the column in one pass.
//! The container around it (page headers, chunks, statistics, footer) remains the library's, and so does reading.
//!
//! Invariant: what is written here is what <https://parquet.apache.org/docs/file-format/data-pages/encodings/> says,
//! which tests hold by letting the library read it back.

/// Values of a block of [`delta_binary_packed`].
const BLOCK_VALUES: usize = 128;

/// Values of a miniblock: those of a block that share a bit width.
const MINIBLOCK_VALUES: usize = 32;

/// Groups of eight values in one run of [`packed_codes`], which so has a header of one byte; more than that the readers
/// of other programs have not met.
const RUN_GROUPS: usize = 63;

/// `values` in PLAIN: four bytes each.
pub(super) fn plain(values: &[u32], page: &mut Vec<u8>) {
    let start = page.len();
    page.resize(start + size_of_val(values), 0);
    // Into bytes that are there already: one copy, where appending value by value asks for room each time.
    for (bytes, value) in page[start..].as_chunks_mut().0.iter_mut().zip(values) {
        *bytes = value.to_le_bytes();
    }
}

/// `values` in DELTA_BINARY_PACKED: differences in as many bits as a miniblock of them needs.
pub(super) fn delta_binary_packed(values: &[i64], page: &mut Vec<u8>) {
    push_varint(BLOCK_VALUES as u64, page);
    push_varint((BLOCK_VALUES / MINIBLOCK_VALUES) as u64, page);
    push_varint(values.len() as u64, page);
    let Some((first, rest)) = values.split_first() else {
        push_varint(0, page);
        return;
    };
    push_varint(zigzag(*first), page);
    let mut before = *first;
    let mut deltas = [0_i64; BLOCK_VALUES];
    for block in rest.chunks(BLOCK_VALUES) {
        // Differences of any two values wrap, as readers add them up again.
        for (delta, value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(std::mem::replace(&mut before, *value));
        }
        let deltas = &mut deltas[..block.len()];
        let least = deltas.iter().copied().min().unwrap_or_default();
        push_varint(zigzag(least), page);
        let widths_at = page.len();
        page.extend([0; BLOCK_VALUES / MINIBLOCK_VALUES]);
        for (i, deltas) in deltas.chunks(MINIBLOCK_VALUES).enumerate() {
            let mut above = [0_u64; MINIBLOCK_VALUES];
            for (above, delta) in above.iter_mut().zip(deltas) {
                *above = delta.wrapping_sub(least).cast_unsigned();
            }
            let width = 64 - above.iter().fold(0, |all, above| all | above).leading_zeros();
            page[widths_at + i] = width as u8;
            push_bits(&above, width, page);
        }
    }
}

/// `texts` in DELTA_BYTE_ARRAY: how much each shares with the one before, and the rest.
pub(super) fn delta_byte_array(texts: &[&[u8]], page: &mut Vec<u8>) {
    let befores = std::iter::once(&[][..]).chain(texts.iter().copied());
    let n_shared: Vec<i64> = befores.zip(texts).map(|(before, text)| shared_bytes(before, text) as i64).collect();
    let n_others: Vec<i64> = texts.iter().zip(&n_shared).map(|(text, n_shared)| text.len() as i64 - n_shared).collect();
    delta_binary_packed(&n_shared, page);
    delta_binary_packed(&n_others, page);
    for (text, n_shared) in texts.iter().zip(&n_shared) {
        page.extend_from_slice(&text[*n_shared as usize..]);
    }
}

/// `codes`, all below 2^`width`, in RLE_DICTIONARY: runs of bit-packed places in the dictionary.
pub(super) fn packed_codes(codes: &[u8], width: u32, page: &mut Vec<u8>) {
    page.push(width as u8);
    for run in codes.chunks(8 * RUN_GROUPS) {
        page.push((run.len().div_ceil(8) << 1 | 1) as u8);
        for group in run.chunks(8) {
            let packed = group.iter().rev().fold(0_u64, |packed, code| packed << width | u64::from(*code));
            page.extend_from_slice(&packed.to_le_bytes()[..width as usize]);
        }
    }
}

/// `n_values` times the first value of the dictionary, in RLE_DICTIONARY.
pub(super) fn repeated_code(n_values: usize, page: &mut Vec<u8>) {
    // One bit, though none would do: there are readers that have not met that.
    page.push(1);
    push_varint((n_values as u64) << 1, page);
    page.push(0);
}

/// How many bytes two texts share at their begin.
fn shared_bytes(a: &[u8], b: &[u8]) -> usize {
    if let (Some(first_a), Some(first_b)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        let different = u64::from_le_bytes(*first_a) ^ u64::from_le_bytes(*first_b);
        if different != 0 {
            return (different.trailing_zeros() / 8) as usize;
        }
        return 8 + a[8..].iter().zip(&b[8..]).take_while(|(a, b)| a == b).count();
    }
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// The low `width` bits of each value, one after the other, the lowest first.
fn push_bits(values: &[u64; MINIBLOCK_VALUES], width: u32, page: &mut Vec<u8>) {
    // 32 values are a whole number of words of 32 bits: nothing is left over.
    let mut bits = 0_u128;
    let mut n_bits = 0;
    for value in values {
        bits |= u128::from(*value) << n_bits;
        n_bits += width;
        if n_bits >= 64 {
            page.extend_from_slice(&(bits as u64).to_le_bytes());
            bits >>= 64;
            n_bits -= 64;
        }
    }
    page.extend_from_slice(&bits.to_le_bytes()[..n_bits as usize / 8]);
}

fn push_varint(mut value: u64, page: &mut Vec<u8>) {
    while value >= 0x80 {
        page.push(value as u8 | 0x80);
        value >>= 7;
    }
    page.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format() {
        let mut page = vec![7];
        plain(&[1, 0x7FFF_FFFF, 0x0102_0304], &mut page);
        assert_eq!(page, [7, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 4, 3, 2, 1]);
        let check = |values: &[i64], expected: &[u8]| {
            let mut page = Vec::new();
            delta_binary_packed(values, &mut page);
            assert_eq!(page, expected, "{values:?}");
        };
        // Header: block of 128, 4 miniblocks, count, first value; then least difference, widths, differences.
        check(&[], &[0x80, 1, 4, 0, 0]);
        check(&[7], &[0x80, 1, 4, 1, 14]);
        check(&[1, 2, 3, 4, 5], &[0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0]);
        check(&[7, 5, 3, 1, 2, 3, 4, 5], &[0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xC0, 0x3F, 0, 0, 0, 0, 0, 0]);

        let mut page = Vec::new();
        packed_codes(&[0, 1, 2, 3, 4, 5, 6, 7], 3, &mut page);
        assert_eq!(page, [3, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
        page.clear();
        packed_codes(&[1, 0, 3], 2, &mut page);
        assert_eq!(page, [2, 3, 0b0011_0001, 0]);
        page.clear();
        repeated_code(100, &mut page);
        assert_eq!(page, [1, 200, 1, 0]);

        page.clear();
        let texts: [&[u8]; 4] = [b"axis", b"axle", b"babble", b"babyhood"];
        delta_byte_array(&texts, &mut page);
        let (lengths, text) = page.split_at(page.len() - 17);
        assert_eq!(text, b"axislebabbleyhood");
        assert_eq!(&lengths[..5], [0x80, 1, 4, 4, 0]);
    }

    #[test]
    fn what_texts_share() {
        let check = |a: &str, b: &str, expected: usize| {
            assert_eq!(shared_bytes(a.as_bytes(), b.as_bytes()), expected, "{a:?} {b:?}");
            assert_eq!(shared_bytes(b.as_bytes(), a.as_bytes()), expected, "{b:?} {a:?}");
        };
        check("", "", 0);
        check("", "A", 0);
        check("A", "AB", 1);
        check("ABCDEFG", "ABCDEFGH", 7);
        check("ABCDEFGH", "ABCDEFGH", 8);
        check("ABCDEFGHI", "ABCDEFGH", 8);
        check("ABCDEFGHI", "ABCDEFGHJ", 8);
        check("ABCDEFGHIJ", "ABCDEFGHIJK", 10);
        check("ABCDEFGH", "ABXDEFGH", 2);
    }
}
