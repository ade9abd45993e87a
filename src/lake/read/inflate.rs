//! DEFLATE (RFC 1951), straight into the window where it is scanned.
//!
//! Libraries decompress into a window of their own and copy from there, or want the whole content in memory. Here what was
//! decompressed before lies in front of what comes next, and all of it in the second-level cache.

use std::io::{self, Read};

use super::bits::Bits;
use super::huffman::{
    DISTANCE_BITS, DISTANCE_ENTRIES, Entry, IS_END, IS_LITERAL, IS_OTHER, IS_TABLE, LENGTH_BITS, LITERAL_BITS,
    LITERAL_ENTRIES, MAX_CODE_BITS, code_bits, fill_distances, fill_lengths, fill_literals, n_bits, value,
};

/// How far back a match reaches at most: what of the content must lie in front of what is decompressed next.
pub(super) const HISTORY_BYTES: usize = 32 << 10;

/// Room for the largest step of [`Inflate::decode_fast`]: two literals and a match, copied by chunks.
const STEP_BYTES: usize = 3 + 258 + CHUNK_BYTES;

/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 64;

/// A stream that is being decompressed.
pub(super) struct Inflate {
    literals: Box<[Entry; LITERAL_ENTRIES]>,
    distances: Box<[Entry; DISTANCE_ENTRIES]>,
    /// Whether they are those of the block before that had none of its own.
    is_fixed: bool,
    block: Block,
    is_last: bool,
    /// What was decoded and had no room.
    rest: Rest,
    /// Bytes of the content so far.
    n_bytes: u64,
}

/// Where in a block the stream is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Block {
    /// Before one, or after the last.
    None,
    Coded,
    /// In one that is stored as it is, with so many bytes left.
    Stored(usize),
}

/// A literal or a match.
#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    literal: Option<u8>,
    length: usize,
    distance: usize,
}

pub(super) fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Inflate {
    pub fn new() -> Inflate {
        Inflate {
            literals: Box::new([0; LITERAL_ENTRIES]),
            distances: Box::new([0; DISTANCE_ENTRIES]),
            is_fixed: false,
            block: Block::None,
            is_last: false,
            rest: Rest::default(),
            n_bytes: 0,
        }
    }

    /// Begins another stream.
    pub fn restart(&mut self) {
        (self.block, self.is_last, self.rest, self.n_bytes) = (Block::None, false, Rest::default(), 0);
    }

    /// Bytes of the content so far.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Decompresses into `window` from `at` on, and gives the place it came to: the end of the window, or a lower one where the
    /// stream ends. In front of `at` lies what was decompressed before, or the last [`HISTORY_BYTES`] of it.
    pub fn decompress<R: Read>(&mut self, bits: &mut Bits<R>, window: &mut [u8], from: usize) -> io::Result<usize> {
        let mut at = from;
        while at < window.len() {
            let start = at;
            match self.block {
                Block::None if self.is_last => break,
                Block::None => self.begin_block(bits)?,
                Block::Stored(0) => self.block = Block::None,
                Block::Stored(n_left) => {
                    let n_wanted = n_left.min(window.len() - at);
                    at += bits.copy(&mut window[at..at + n_wanted])?;
                    self.block = Block::Stored(n_left - (at - start));
                }
                Block::Coded => at = self.decode(bits, window, at)?,
            }
            self.n_bytes += (at - start) as u64;
        }
        Ok(at)
    }

    fn begin_block<R: Read>(&mut self, bits: &mut Bits<R>) -> io::Result<()> {
        self.is_last = bits.take(1)? == 1;
        self.block = match bits.take(2)? {
            0 => {
                bits.align();
                let (n_bytes, check) = (bits.take(16)?, bits.take(16)?);
                if n_bytes != check ^ 0xffff {
                    return Err(damaged("invalid stored block lengths"));
                }
                Block::Stored(n_bytes as usize)
            }
            1 => {
                if !self.is_fixed {
                    let mut lengths = [8; 288];
                    lengths[144..256].fill(9);
                    lengths[256..280].fill(7);
                    self.fill_tables(&lengths, &[5; 32])?;
                    self.is_fixed = true;
                }
                Block::Coded
            }
            2 => {
                self.is_fixed = false;
                self.read_codes(bits)?;
                Block::Coded
            }
            _ => return Err(damaged("invalid block type")),
        };
        Ok(())
    }

    /// Reads the codes that a block has of its own.
    fn read_codes<R: Read>(&mut self, bits: &mut Bits<R>) -> io::Result<()> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let n_literals = bits.take(5)? as usize + 257;
        let n_distances = bits.take(5)? as usize + 1;
        let n_lengths = bits.take(4)? as usize + 4;
        if n_literals > 286 || n_distances > 30 {
            return Err(damaged("too many length or distance symbols"));
        }
        let mut of_lengths = [0; 19];
        for place in ORDER.iter().take(n_lengths) {
            of_lengths[*place] = bits.take(3)? as u8;
        }
        let mut table = [0; 1 << LENGTH_BITS];
        if !fill_lengths(&mut table, &of_lengths) {
            return Err(damaged("invalid code lengths set"));
        }
        let mut lengths = [0; 286 + 30];
        let n_all = n_literals + n_distances;
        let mut n_known = 0;
        while n_known < n_all {
            let (held, n_held) = bits.peek()?;
            let entry = table[(held & ((1 << LENGTH_BITS) - 1)) as usize];
            if n_bits(entry) > n_held {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bits.drop(n_bits(entry));
            let last = n_known.checked_sub(1).map(|last| lengths[last]);
            let (length, n_times) = match value(entry) {
                16 => (last.ok_or_else(|| damaged("invalid bit length repeat"))?, 3 + bits.take(2)? as usize),
                17 => (0, 3 + bits.take(3)? as usize),
                18 => (0, 11 + bits.take(7)? as usize),
                length => (length as u8, 1),
            };
            if n_times > n_all - n_known {
                return Err(damaged("invalid bit length repeat"));
            }
            lengths[n_known..n_known + n_times].fill(length);
            n_known += n_times;
        }
        if lengths[256] == 0 {
            return Err(damaged("invalid code -- missing end-of-block"));
        }
        let (literals, distances) = lengths[..n_all].split_at(n_literals);
        self.fill_tables(literals, distances)
    }

    fn fill_tables(&mut self, literals: &[u8], distances: &[u8]) -> io::Result<()> {
        if !fill_literals(&mut self.literals, literals) {
            return Err(damaged("invalid literal/lengths set"));
        }
        match fill_distances(&mut self.distances, distances) {
            true => Ok(()),
            false => Err(damaged("invalid distances set")),
        }
    }

    /// Decodes until the window is full or the block ends.
    fn decode<R: Read>(&mut self, bits: &mut Bits<R>, window: &mut [u8], from: usize) -> io::Result<usize> {
        let floor = from - usize::try_from(self.n_bytes).unwrap_or(usize::MAX).min(from);
        let mut at = self.write_rest(window, from);
        while at < window.len() {
            at = self.decode_fast(bits, window, at, floor)?;
            if !self.decode_step(bits)? {
                self.block = Block::None;
                break;
            }
            if self.rest.distance > at - floor {
                return Err(too_far());
            }
            at = self.write_rest(window, at);
        }
        Ok(at)
    }

    /// Decodes a step, whatever it is; false at the end of the block.
    fn decode_step<R: Read>(&mut self, bits: &mut Bits<R>) -> io::Result<bool> {
        let (held, n_held) = bits.peek()?;
        let entry = self.literal(held);
        let mut n_used = n_bits(entry);
        if entry & IS_OTHER != 0 {
            if n_used > n_held || (entry & IS_END == 0 && n_held < MAX_CODE_BITS) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bits.drop(n_used);
            return if entry & IS_END != 0 { Ok(false) } else { Err(damaged("invalid literal/length code")) };
        }
        if entry & IS_LITERAL != 0 {
            self.rest = Rest { literal: Some(value(entry) as u8), length: 0, distance: 0 };
        } else {
            let rest = held >> n_used;
            let of_distance = self.distance(rest);
            if of_distance & IS_OTHER != 0 {
                let is_cut = n_held < n_used + MAX_CODE_BITS;
                return Err(if is_cut { io::ErrorKind::UnexpectedEof.into() } else { no_distance() });
            }
            n_used += n_bits(of_distance);
            let (length, distance) = (extended_value(entry, held), extended_value(of_distance, rest));
            self.rest = Rest { literal: None, length, distance };
        }
        if n_used > n_held {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bits.drop(n_used);
        Ok(true)
    }

    /// Writes what was decoded, as far as there is room.
    fn write_rest(&mut self, window: &mut [u8], mut at: usize) -> usize {
        let Rest { literal, length, distance } = &mut self.rest;
        if at < window.len()
            && let Some(literal) = literal.take()
        {
            window[at] = literal;
            at += 1;
        }
        while *length > 0 && at < window.len() {
            window[at] = window[at - *distance];
            *length -= 1;
            at += 1;
        }
        at
    }

    /// Decodes while there is room for a whole step and its bits are at hand, up to something that is rare.
    ///
    /// What follows a step is looked up before its match is copied: from look to look is what takes the time.
    #[inline(never)]
    fn decode_fast<R: Read>(
        &mut self,
        bits: &mut Bits<R>,
        window: &mut [u8],
        mut at: usize,
        floor: usize,
    ) -> io::Result<usize> {
        let (input, held, n_held) = bits.lend();
        let Some(next) = input.first_chunk() else { return Ok(at) };
        let mut held = Held { bits: held, n_bits: n_held };
        let mut n_used = held.refill(next, 0);
        let literals = &*self.literals;
        let mut entry = literals[held.literal_place()];
        while let (before, out) = window.split_at_mut(at)
            && let Some(out) = out.first_chunk_mut::<STEP_BYTES>()
            && let Some(next) = input.get(n_used..).and_then(|input| input.first_chunk())
        {
            let mut n_literals = 0;
            while n_literals < 2 && entry & IS_LITERAL != 0 {
                out[n_literals] = value(entry) as u8;
                n_literals += 1;
                held.take(entry);
                entry = literals[held.literal_place()];
            }
            if entry & IS_TABLE != 0 {
                entry = literals[longer(entry, held.bits) % LITERAL_ENTRIES];
            }
            if entry & IS_LITERAL != 0 {
                out[n_literals] = value(entry) as u8;
                at += n_literals + 1;
                held.take(entry);
                n_used += held.refill(next, 0);
                entry = literals[held.literal_place()];
                continue;
            }
            at += n_literals;
            if entry & IS_OTHER != 0 {
                break;
            }
            let length = extended_value(entry, held.bits);
            held.take(entry);
            let n_taken = held.refill(next, 0);
            let of_distance = self.distance(held.bits);
            if of_distance & IS_OTHER != 0 {
                return Err(no_distance());
            }
            let distance = extended_value(of_distance, held.bits);
            if distance > at - floor {
                return Err(too_far());
            }
            held.take(of_distance);
            n_used += n_taken + held.refill(next, n_taken);
            entry = literals[held.literal_place()];
            if distance < CHUNK_BYTES + n_literals {
                copy_match(window, at, length, distance);
            } else {
                let from = at - distance;
                out[n_literals..n_literals + CHUNK_BYTES].copy_from_slice(&before[from..from + CHUNK_BYTES]);
                if length > CHUNK_BYTES {
                    copy_match(window, at + CHUNK_BYTES, length - CHUNK_BYTES, distance);
                }
            }
            at += length;
        }
        bits.put_back(n_used, held.bits, held.n_bits & 63);
        Ok(at)
    }

    /// The entry of the literal or the length that comes next.
    fn literal(&self, held: u64) -> Entry {
        match self.literals[low_bits(held, LITERAL_BITS)] {
            table if table & IS_TABLE != 0 => self.literals[longer(table, held) % LITERAL_ENTRIES],
            entry => entry,
        }
    }

    /// The entry of the distance that comes next.
    #[inline(always)]
    fn distance(&self, held: u64) -> Entry {
        match self.distances[low_bits(held, DISTANCE_BITS)] {
            table if table & IS_TABLE != 0 => self.distances[longer(table, held) % DISTANCE_ENTRIES],
            entry => entry,
        }
    }
}

/// The bits that come next. Those above `n_bits` are the ones that follow, so that it does no harm to put them there
/// again; of `n_bits` the lowest eight bits count.
#[derive(Clone, Copy)]
struct Held {
    bits: u64,
    n_bits: u32,
}

impl Held {
    /// Holds 56 bits at least, with the bytes of `next` from `at` on, which is 7 at most; gives how many.
    #[inline(always)]
    fn refill(&mut self, next: &[u8; 16], at: usize) -> usize {
        let at = at & 7;
        let next = u64::from_le_bytes(next[at..at + 8].try_into().unwrap_or_default());
        self.bits |= next << (self.n_bits & 63);
        let n_taken = 7 - (self.n_bits >> 3 & 7);
        self.n_bits |= 56;
        n_taken as usize
    }

    /// The place of the entry of what comes next.
    #[inline(always)]
    fn literal_place(&self) -> usize {
        low_bits(self.bits, LITERAL_BITS)
    }

    /// Drops the bits of an entry.
    #[inline(always)]
    fn take(&mut self, entry: Entry) {
        self.bits >>= entry & 63;
        self.n_bits = self.n_bits.wrapping_sub(entry);
    }
}

/// The place of a longer code, which `held` begins with.
#[inline(always)]
fn longer(table: Entry, held: u64) -> usize {
    value(table) as usize + (low_bits(held, n_bits(table)) >> code_bits(table))
}

/// The value with the extra bits that follow the code `held` begins with.
#[inline(always)]
fn extended_value(entry: Entry, held: u64) -> usize {
    value(entry) as usize + (low_bits(held, n_bits(entry)) >> code_bits(entry))
}

#[inline(always)]
fn low_bits(held: u64, n_bits: u32) -> usize {
    (held & !(u64::MAX << (n_bits & 63))) as usize
}

fn no_distance() -> io::Error {
    damaged("invalid distance code")
}

fn too_far() -> io::Error {
    damaged("invalid distance too far back")
}

/// Copies a match, and less than a chunk of anything after it.
fn copy_match(window: &mut [u8], at: usize, length: usize, distance: usize) {
    let from = at - distance;
    if distance < CHUNK_BYTES {
        for place in 0..length {
            window[at + place] = window[from + place];
        }
        return;
    }
    let (before, out) = window.split_at_mut(at);
    let mut chunk = [0; CHUNK_BYTES];
    let mut place = 0;
    while place < length {
        let source = from + place;
        if source + CHUNK_BYTES <= at {
            chunk.copy_from_slice(&before[source..source + CHUNK_BYTES]);
        } else {
            for (i, byte) in chunk.iter_mut().enumerate() {
                *byte = if source + i < at { before[source + i] } else { out[source + i - at] };
            }
        }
        out[place..place + CHUNK_BYTES].copy_from_slice(&chunk);
        place += CHUNK_BYTES;
    }
}

#[cfg(test)]
mod tests;
