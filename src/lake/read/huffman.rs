//! The tables of a DEFLATE block: the bits that come next choose an entry, which says what they stand for.
//!
//! An entry stands for a literal, a length, or a distance; codes that are longer than the bits that choose it lead to a
//! table of their own.

/// Bits that choose an entry of the first table of literals and lengths: 4 KiB of the first-level cache, quickly filled.
pub(super) const LITERAL_BITS: u32 = 10;

/// The same of distances.
pub(super) const DISTANCE_BITS: u32 = 8;

/// The same of the lengths of codes, none of which is longer.
pub(super) const LENGTH_BITS: u32 = 7;

/// The longest code, in bits.
pub(super) const MAX_CODE_BITS: u32 = 15;

/// Room for the first table and those of longer codes after it, which are 1334 and 402 entries at most.
pub(super) const LITERAL_ENTRIES: usize = 2048;
pub(super) const DISTANCE_ENTRIES: usize = 512;

/// What bits stand for. From the lowest bit on: all of its bits (8), those of the code without extra bits (4), the kind
/// (4), and a value (16): the literal; the length; the distance; where the table of longer codes begins.
pub(super) type Entry = u32;

/// A literal.
pub(super) const IS_LITERAL: Entry = 1 << 12;
/// No literal, length or distance. No code at all, unless it is one of the two that follow.
pub(super) const IS_OTHER: Entry = 1 << 13;
/// The end of the block.
pub(super) const IS_END: Entry = 1 << 14;
/// Longer codes, which the bits after the code choose from.
pub(super) const IS_TABLE: Entry = 1 << 15;

/// All bits of what the entry stands for.
#[inline(always)]
pub(super) fn n_bits(entry: Entry) -> u32 {
    entry & 0xff
}

/// The bits of the code.
#[inline(always)]
pub(super) fn code_bits(entry: Entry) -> u32 {
    entry >> 8 & 15
}

/// The value.
#[inline(always)]
pub(super) fn value(entry: Entry) -> u32 {
    entry >> 16
}

/// What the symbols of literals and lengths stand for, without the bits of their codes.
const OF_LITERALS: [Entry; 288] = {
    let mut entries = [IS_OTHER; 288];
    entries[256] |= IS_END;
    let mut symbol = 0;
    while symbol < 286 {
        match symbol as u32 {
            literal @ 0..=255 => entries[symbol] = IS_LITERAL | literal << 16,
            256 => {}
            other @ 257..=264 => entries[symbol] = extended(other - 254, 0),
            other @ 265..=284 => {
                let n_extra = (other - 261) / 4;
                entries[symbol] = extended(3 + ((4 + ((other - 265) & 3)) << n_extra), n_extra);
            }
            _ => entries[symbol] = extended(258, 0),
        }
        symbol += 1;
    }
    entries
};

/// The same of distances.
const OF_DISTANCES: [Entry; 32] = {
    let mut entries = [IS_OTHER; 32];
    let mut symbol = 0;
    while symbol < 30 {
        let of = symbol as u32;
        let n_extra = if of < 4 { 0 } else { of / 2 - 1 };
        let base = if of < 4 { of } else { (2 + (of & 1)) << n_extra };
        entries[symbol] = extended(1 + base, n_extra);
        symbol += 1;
    }
    entries
};

/// The same of the lengths of codes: themselves.
const OF_LENGTHS: [Entry; 19] = {
    let mut entries = [0; 19];
    let mut symbol = 0;
    while symbol < 19 {
        entries[symbol] = extended(symbol as u32, 0);
        symbol += 1;
    }
    entries
};

/// A value with extra bits.
const fn extended(value: u32, n_extra: u32) -> Entry {
    value << 16 | n_extra
}

/// The table of literals and lengths whose codes have these lengths, in bits; false where there are no such codes.
pub(super) fn fill_literals(table: &mut [Entry; LITERAL_ENTRIES], lengths: &[u8]) -> bool {
    fill(table, LITERAL_BITS, lengths, &OF_LITERALS)
}

/// The same of distances.
pub(super) fn fill_distances(table: &mut [Entry; DISTANCE_ENTRIES], lengths: &[u8]) -> bool {
    fill(table, DISTANCE_BITS, lengths, &OF_DISTANCES)
}

/// The same of the lengths of codes, of which none may be missing.
pub(super) fn fill_lengths(table: &mut [Entry; 1 << LENGTH_BITS], lengths: &[u8]) -> bool {
    fill(table, LENGTH_BITS, lengths, &OF_LENGTHS) && table.iter().all(|entry| entry & IS_OTHER == 0)
}

/// Fills a table, of which `root_bits` choose an entry, for the symbols whose codes have these lengths. False where there
/// are too many codes for their lengths, or too few, unless there is one alone, or none.
fn fill(table: &mut [Entry], root_bits: u32, lengths: &[u8], of_symbols: &[Entry]) -> bool {
    let mut counts = [0_u16; 1 + MAX_CODE_BITS as usize];
    for length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    if !are_codes(&counts) {
        return false;
    }
    // Symbols by the length of their codes, which is the order of the codes.
    let mut places = [0_u16; 2 + MAX_CODE_BITS as usize];
    for length in 1..=MAX_CODE_BITS as usize {
        places[length + 1] = places[length] + counts[length];
    }
    let mut sorted = [0_u16; 288];
    for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
        let place = &mut places[usize::from(length & 15)];
        sorted[usize::from(*place)] = symbol;
        *place += 1;
    }
    let mut symbols = sorted.iter();
    let mut code = 0;
    table[0] = IS_OTHER;
    for length in 1..=root_bits {
        // What is known of one bit less holds whatever the next bit is.
        let n_half = 1 << (length - 1);
        table.copy_within(..n_half, n_half);
        code <<= 1;
        for symbol in symbols.by_ref().take(usize::from(counts[length as usize])) {
            table[reversed(code, length)] = coded(of_symbols[usize::from(*symbol)], length);
            code += 1;
        }
    }
    fill_longer(table, root_bits, code, &counts, symbols.as_slice(), of_symbols)
}

/// Fills the tables of codes that are longer than `root_bits`, the first of which follows `code`.
fn fill_longer(
    table: &mut [Entry],
    root_bits: u32,
    code: u32,
    counts: &[u16; 1 + MAX_CODE_BITS as usize],
    symbols: &[u16],
    of_symbols: &[Entry],
) -> bool {
    let mask = (1 << root_bits) - 1;
    let each = |add: &mut dyn FnMut(usize, u32, u16) -> bool| {
        let (mut code, mut symbols) = (code, symbols.iter());
        (root_bits + 1..=MAX_CODE_BITS).all(|length| {
            code <<= 1;
            symbols.by_ref().take(usize::from(counts[length as usize])).all(|symbol| {
                code += 1;
                add(reversed(code - 1, length), length, *symbol)
            })
        })
    };
    each(&mut |code, length, _| {
        // The last one is the longest.
        table[code & mask] = IS_OTHER | IS_TABLE | root_bits << 8 | length;
        true
    });
    let mut n_entries = mask + 1;
    each(&mut |code, length, symbol| {
        let n_longer = 1 << (n_bits(table[code & mask]) - root_bits);
        if value(table[code & mask]) == 0 {
            table[code & mask] |= (n_entries as Entry) << 16;
            n_entries += n_longer;
        }
        let start = value(table[code & mask]) as usize;
        let entry = coded(of_symbols[usize::from(symbol)], length);
        let Some(longer) = table.get_mut(start..start + n_longer) else { return false };
        for place in longer.iter_mut().skip(code >> root_bits).step_by(1 << (length - root_bits)) {
            *place = entry;
        }
        true
    })
}

/// Whether there are so many codes of each length: not more, and not fewer, unless there is one alone, or none.
fn are_codes(counts: &[u16; 1 + MAX_CODE_BITS as usize]) -> bool {
    let mut n_free: i32 = 1;
    for count in &counts[1..] {
        n_free = n_free * 2 - i32::from(*count);
        if n_free < 0 {
            return false;
        }
    }
    n_free == 0 || (counts[1] <= 1 && counts[2..].iter().all(|count| *count == 0))
}

/// A code as it stands in the stream, its first bit lowest.
fn reversed(code: u32, length: u32) -> usize {
    (code.reverse_bits() >> (32 - length)) as usize
}

/// Adds the bits of its code to an entry.
fn coded(entry: Entry, length: u32) -> Entry {
    entry + (length << 8 | length)
}
