//! A file read as a stream, decompressed chunk by chunk: what is left of one after its last whole record goes before
//! the next. Of a plain file it may be a range.

use std::ops::Range;

use crate::engine::aggregate::collect::FileId;
use crate::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, QuoteState, first_record_start, is_blank_file};
use crate::engine::scan::lines::{BYTE_ORDER_MARK, first_line_start};
use crate::engine::scan::record::MAX_LINE_BYTES;
use crate::error::Error;
use crate::lake::read::compressed::{self, CompressedFile, HISTORY_BYTES};
use crate::lake::{Compression, DataFile, Format};

use super::input::{CONTENT_BYTES, FileMeta, Input, InputChunk, header_error};

/// Who decompresses a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decompressor {
    /// The thread that scans it: what it scans is in its cache.
    Scanner,
    /// A thread of its own: there is nothing else for it to do.
    Beside,
}

/// A compressed file that is being scanned.
pub(super) struct CompressedInput {
    source: CompressedFile,
    file: FileMeta,
    format: Format,
    /// How its bytes are compressed in the lake, wherever they are decompressed.
    compression: Compression,
    /// Bytes in which the records begin.
    range: Range<u64>,
    layout: Option<CsvLayout>,
    // Decompressed bytes from offset `base` on, which are the `n_filled` bytes of the buffer after `start`.
    buffer: Vec<u8>,
    start: usize,
    n_filled: usize,
    base: u64,
    /// Where the next record starts in the buffer.
    at: usize,
    record: Record,
    ended: bool,
    open_quote: Option<u64>,
}

/// What is known of the record that starts at `at`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Record {
    /// It is as any other.
    Usual,
    /// It is too long already: it is rejected by what there is of it.
    TooLong,
    /// It was rejected; the rest of it is passed over. The state is that after the first byte of
    /// the buffer.
    Rejected(QuoteState),
}

impl Input for CompressedInput {
    fn file(&self) -> &FileMeta {
        &self.file
    }

    fn start(&self) -> u64 {
        self.range.start
    }

    fn n_bytes_read(&self) -> u64 {
        self.source.n_bytes_read()
    }

    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
        Ok(if self.advance_to_chunk()? { Some(self.chunk()) } else { None })
    }

    fn open_quote(&self) -> Option<u64> {
        match self.record {
            Record::Rejected(state) => self.open_quote.filter(|_| state == QuoteState::Quoted),
            Record::Usual | Record::TooLong => self.open_quote,
        }
    }

    fn n_content_bytes(&self) -> Option<u64> {
        (self.compression != Compression::None).then_some(self.base + self.n_filled as u64)
    }

    fn consume(&mut self, next: usize, open_quote: Option<u64>) {
        self.open_quote = open_quote;
        if self.record == Record::TooLong {
            let state = self.state_after(QuoteState::FieldStart, self.at);
            self.record = Record::Rejected(state);
            self.at = self.n_filled.saturating_sub(1);
            return;
        }
        let n_left = self.n_filled - self.at;
        if next > self.at {
            self.at = next.min(self.n_filled);
        } else if !self.ended && n_left > MAX_LINE_BYTES + BYTE_ORDER_MARK.len() + "\r\n".len() {
            self.record = Record::TooLong;
        }
    }
}

impl CompressedInput {
    pub fn open(file: &DataFile, id: FileId, decompressor: Decompressor) -> Result<CompressedInput, Error> {
        let meta = FileMeta { uri: file.uri.as_str().into(), id, day: file.day };
        let source = match decompressor {
            Decompressor::Scanner => compressed::open(file)?,
            Decompressor::Beside => compressed::open_beside(file)?,
        };
        Ok(CompressedInput::new(source, meta, file, 0..u64::MAX))
    }

    /// The records that begin in `range` of a file. `source` begins one byte earlier, unless the file begins there: that
    /// byte says whether a record does.
    pub fn new(source: CompressedFile, meta: FileMeta, file: &DataFile, range: Range<u64>) -> CompressedInput {
        CompressedInput {
            source,
            file: meta,
            format: file.format,
            compression: file.compression,
            layout: None,
            buffer: Vec::new(),
            start: 0,
            n_filled: 0,
            base: range.start.saturating_sub(1),
            at: 0,
            // What began before the range is not ours.
            record: if range.start > 0 { Record::Rejected(QuoteState::FieldStart) } else { Record::Usual },
            ended: false,
            open_quote: None,
            range,
        }
    }

    /// A CSV file whose header is not in the range.
    pub fn with_layout(self, layout: Option<CsvLayout>) -> CompressedInput {
        CompressedInput { layout, ..self }
    }

    /// Whether no more records begin in the range.
    fn is_past_range(&self) -> bool {
        self.base + self.at as u64 >= self.range.end
    }

    /// Decompresses until there is a chunk to scan; false at the end, and from an error on.
    pub fn advance_to_chunk(&mut self) -> Result<bool, Error> {
        let result = self.advance();
        self.ended |= result.is_err();
        result
    }

    /// Decompresses until there is something to scan; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        if self.record == Record::TooLong {
            return Ok(true);
        }
        while !self.ended && !self.is_past_range() {
            self.fill()?;
            if let Record::Rejected(state) = self.record {
                self.pass_over(state);
            }
            if self.record == Record::Usual && !self.is_past_range() {
                return Ok(true);
            }
        }
        // Whoever reads a file to its end sees there whether it is still as it was listed.
        if !self.ended {
            self.ended = true;
            self.source.check_unchanged()?;
        }
        Ok(false)
    }

    /// Drops what has been scanned and decompresses more. The first bytes of a CSV file are its header.
    fn fill(&mut self) -> Result<(), Error> {
        let n_left = self.n_filled - self.at;
        let end = self.start + self.n_filled;
        let n_kept = n_left.max(HISTORY_BYTES).min(end);
        self.buffer.copy_within(end - n_kept..end, 0);
        self.base += self.at as u64;
        (self.start, self.n_filled, self.at) = (n_kept - n_left, n_left, 0);
        let is_header = self.base == 0 && self.format == Format::Csv && self.layout.is_none();
        // A record that goes on is not looked at again for each of many small parts.
        let n_buffer = n_kept + CONTENT_BYTES.max(n_left);
        self.buffer.resize(n_buffer.max(self.buffer.len()), 0);
        let end = self.source.decompress(self.buffer.get_mut(..n_buffer).unwrap_or_default(), n_kept)?;
        self.n_filled = end - self.start;
        self.ended = end < n_buffer;
        if is_header && self.ended && is_blank_file(self.filled()) {
            self.at = self.n_filled;
        } else if is_header && self.n_filled > 0 {
            let (layout, n_bytes) = CsvLayout::from_header(self.filled())
                .map_err(|error| header_error(&self.file.uri, self.compression, &error, self.filled()))?;
            self.layout = Some(layout);
            self.at = n_bytes;
        }
        Ok(())
    }

    /// Passes over what is left of a record that was rejected, as far as it is in the buffer.
    fn pass_over(&mut self, state: QuoteState) {
        let filled = self.filled();
        let next = match self.layout {
            None => first_line_start(filled, 1),
            Some(layout) => first_record_start(filled, 1, state, layout.delimiter),
        };
        if next < self.n_filled {
            (self.at, self.record) = (next, Record::Usual);
        } else {
            self.record = Record::Rejected(self.state_after(state, 1));
            self.at = self.n_filled.saturating_sub(1);
        }
    }

    /// The chunk that was advanced to.
    pub fn chunk(&self) -> InputChunk<'_> {
        let (filled, at) = (self.filled(), self.at);
        let (owned, end) = match (self.record, self.layout) {
            // A byte order mark is no part of the line, so the first byte of that is owned too.
            (Record::TooLong, None) if self.base == 0 && at == 0 => (0..1 + BYTE_ORDER_MARK.len(), ChunkEnd::Final),
            (Record::TooLong, _) => (at..at + 1, ChunkEnd::Final),
            _ if self.ended => (at..filled.len(), ChunkEnd::Final),
            (_, Some(_)) => (at..filled.len(), ChunkEnd::Truncated),
            (_, None) => (at..last_line_end(filled, at), ChunkEnd::Final),
        };
        let range_end = usize::try_from(self.range.end - self.base).unwrap_or(usize::MAX);
        let owned = owned.start..owned.end.min(range_end);
        let chunk = Chunk { window: filled, end, owned, base: self.base, quotes: QuoteState::FieldStart };
        InputChunk { file: &self.file, layout: self.layout, chunk, seen: None }
    }

    fn filled(&self) -> &[u8] {
        self.buffer.get(self.start..self.start + self.n_filled).unwrap_or_default()
    }

    /// The state at the end of the buffer when that at `from` is `before`.
    fn state_after(&self, before: QuoteState, from: usize) -> QuoteState {
        let bytes = self.filled().get(from..).unwrap_or_default();
        self.layout.map_or(before, |layout| before.after(bytes, layout.delimiter))
    }
}

/// Where the last line of `filled` ends that starts at `start` or after it and ends with a line
/// feed; `start` when none does.
pub(super) fn last_line_end(filled: &[u8], start: usize) -> usize {
    filled.get(start..).and_then(|lines| memchr::memrchr(b'\n', lines)).map_or(start, |feed| start + feed + 1)
}
