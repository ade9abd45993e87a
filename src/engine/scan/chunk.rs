//! Bytes of a file in memory, and which part of them to scan.

use std::ops::Range;

use super::csv::QuoteState;

/// A part of a file: its records are those whose first byte lies in `owned`.
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    /// Bytes of the file. They start one byte before `owned` at the latest, unless a record starts
    /// where they do.
    pub window: &'a [u8],
    /// What comes after the window.
    pub end: ChunkEnd,
    /// The part of the window whose records are scanned; the header of a CSV file is in no chunk.
    pub owned: Range<usize>,
    /// Offset of the window's first byte in the (decompressed) file.
    pub base: u64,
    /// CSV only: the state before `owned`. After the header it is [`QuoteState::FieldStart`].
    pub quotes: QuoteState,
}

/// What comes after the window of a [`Chunk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkEnd {
    /// The end of the file, or nothing that belongs to a record of this chunk.
    Final,
    /// More of the file, perhaps of a record of this chunk: what reaches the window's end is not
    /// read.
    Truncated,
}
