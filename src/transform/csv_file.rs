//! A CSV file that one thread reads from its start to its end: the record after the last one starts
//! where that ended, whatever quotes there are.

use crate::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, QuoteState};
use crate::error::Error;
use crate::lake::read::mapped::{MappedFile, Window};

use super::input::{FileMeta, Input, InputChunk, SPLIT_BYTES, WINDOW_TAIL_BYTES};

/// A mapped CSV file that is being scanned.
pub(super) struct CsvFile {
    file: FileMeta,
    layout: CsvLayout,
    mapped: MappedFile,
    window: Window,
    /// Where the next record starts.
    at: u64,
    /// What the next window shows after the part that is scanned. A record is looked at again in
    /// windows that grow sixteenfold, in a file of [`super::input::alone_bytes`] at most.
    n_tail_bytes: usize,
    open_quote: Option<u64>,
}

impl CsvFile {
    /// A file whose records start at `records_start`.
    pub fn new(file: FileMeta, layout: CsvLayout, mapped: MappedFile, records_start: u64) -> CsvFile {
        let n_tail_bytes = WINDOW_TAIL_BYTES;
        CsvFile { file, layout, mapped, window: Window::default(), at: records_start, n_tail_bytes, open_quote: None }
    }

    /// Where the window starts: one byte early, which says whether a record starts at `at`.
    fn base(&self) -> u64 {
        self.at.saturating_sub(1)
    }
}

impl Input for CsvFile {
    fn file(&self) -> &FileMeta {
        &self.file
    }

    fn start(&self) -> u64 {
        0
    }

    fn n_bytes_read(&self) -> u64 {
        self.at
    }

    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
        if self.at >= self.mapped.n_bytes() {
            self.window = Window::default();
            self.mapped.check_unchanged()?;
            return Ok(None);
        }
        let base = self.base();
        // The next part starts where a large page does, or a few bytes later.
        let end = (self.at / SPLIT_BYTES + 1) * SPLIT_BYTES;
        let n_owned = usize::try_from(end - base).unwrap_or(usize::MAX);
        self.window = self.mapped.window(base, n_owned.saturating_add(self.n_tail_bytes))?;
        let is_last = base + self.window.len() as u64 >= self.mapped.n_bytes();
        let chunk = Chunk {
            window: &self.window,
            end: if is_last { ChunkEnd::Final } else { ChunkEnd::Truncated },
            owned: (self.at - base) as usize..n_owned.min(self.window.len()),
            base,
            quotes: QuoteState::FieldStart,
        };
        Ok(Some(InputChunk { file: &self.file, layout: Some(self.layout), chunk, seen: None }))
    }

    fn consume(&mut self, next: usize, open_quote: Option<u64>) {
        self.open_quote = open_quote;
        let next = self.base() + next as u64;
        // None means that a record is longer than the window.
        self.n_tail_bytes = if next > self.at { WINDOW_TAIL_BYTES } else { self.n_tail_bytes.saturating_mul(16) };
        self.at = next.max(self.at);
    }

    fn open_quote(&self) -> Option<u64> {
        // The last window goes to the end of the file.
        self.open_quote
    }
}
