//! Bytes to lines, and NDJSON by the exact path alone.

use std::ops::Range;

use super::record::{MAX_LINE_BYTES, RecordFilter};
use super::sink::{Sink, route};
use super::tape::ExactReader;
use crate::engine::ledger::Reason;

/// The UTF-8 byte order mark, skipped at the start of a file.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines whose first byte lies in a range.
///
/// A line ends at a line feed or where the window ends; a carriage return before the line feed
/// belongs to the ending.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    window: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Lines<'a> {
    /// The lines of `window` that begin in `owned`. Where `owned` starts at 0 a line begins;
    /// elsewhere the byte before it tells. The window reaches far enough after `owned` to hold
    /// its last line whole.
    pub fn new(window: &'a [u8], owned: Range<usize>) -> Lines<'a> {
        let end = owned.end.min(window.len());
        Lines { window, at: first_line_start(window, owned.start), end }
    }
}

impl<'a> Iterator for Lines<'a> {
    /// Place of the line in the window, and the line without its ending.
    type Item = (usize, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        let rest = &self.window[start..];
        let n_bytes = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = start + n_bytes + 1;
        Some((start, without_return(&rest[..n_bytes])))
    }
}

/// Where the first line begins that does so at or after `from`; the window's length or more when
/// none does.
pub fn first_line_start(window: &[u8], from: usize) -> usize {
    let Some(before) = from.checked_sub(1) else {
        return 0;
    };
    match window.get(before..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        Some(line_feed) => before + line_feed + 1,
        None => window.len(),
    }
}

/// `line` without the carriage return of its ending.
#[inline]
pub fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line of NDJSON is no record: nothing but JSON white space.
#[inline]
pub fn is_blank(line: &[u8]) -> bool {
    // Most lines say so with their first byte.
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Reads the NDJSON lines of `window` that begin in `owned` by the exact path; see [`Lines::new`]
/// for the two.
///
/// `base` is the offset of the window's first byte in its (decompressed) file; at offset 0 of the
/// file a byte order mark is skipped.
pub fn scan_lines_exact(
    window: &[u8],
    owned: Range<usize>,
    base: u64,
    filter: &RecordFilter,
    reader: &mut ExactReader,
    sink: &mut impl Sink,
) {
    for (at, line) in Lines::new(window, owned) {
        read_line(line, base + at as u64, filter, reader, sink);
    }
}

/// Reads one line of NDJSON, given without its ending, by the exact path. `offset` is that of its
/// first byte in the file.
pub fn read_line(line: &[u8], offset: u64, filter: &RecordFilter, reader: &mut ExactReader, sink: &mut impl Sink) {
    let (line, offset) = match line.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) if offset == 0 => (rest, BYTE_ORDER_MARK.len() as u64),
        _ => (line, offset),
    };
    if is_blank(line) {
        return;
    }
    if line.len() > MAX_LINE_BYTES {
        sink.rejected(offset, Reason::Malformed, line);
    } else {
        route(reader.read(line, filter.reading), filter, offset, line, sink);
    }
}
