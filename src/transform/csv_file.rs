//! A CSV file that one thread reads from its begin to its end: the record behind the last one begins where that ended,
//! whatever quotes there are.

use std::sync::Arc;

use crate::engine::aggregate::collect::FileId;
use crate::engine::calendar::Day;
use crate::engine::scan::csv::{Behind, CsvLayout, QuoteState};
use crate::error::Error;
use crate::lake::read::mapped::MappedFile;

use super::jobs::{InOrder, SPLIT_BYTES, WINDOW_TAIL_BYTES};
use super::worker::Piece;

/// A mapped CSV file that is being scanned.
pub(super) struct CsvFile {
    uri: Arc<str>,
    id: FileId,
    day: Day,
    layout: CsvLayout,
    mapped: MappedFile,
    /// Where the next record begins.
    at: u64,
    /// What the next window shows behind the part that is scanned.
    n_tail: usize,
}

impl CsvFile {
    /// A file whose records begin at `records_start`.
    pub fn new(
        uri: Arc<str>,
        id: FileId,
        day: Day,
        layout: CsvLayout,
        mapped: MappedFile,
        records_start: u64,
    ) -> CsvFile {
        CsvFile { uri, id, day, layout, mapped, at: records_start, n_tail: WINDOW_TAIL_BYTES }
    }
}

impl InOrder for CsvFile {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn is_done(&self) -> bool {
        self.at >= self.mapped.n_bytes()
    }

    fn n_read(&self) -> u64 {
        self.at
    }

    fn step(&mut self, scan: &mut dyn FnMut(&Piece<'_>) -> usize) -> Result<(), Error> {
        // One byte early, which tells that a record begins at `at`.
        let base = self.at.saturating_sub(1);
        // The next part begins where a large page does, or a few bytes later.
        let end = (self.at / SPLIT_BYTES + 1) * SPLIT_BYTES;
        let n_owned = usize::try_from(end - base).unwrap_or(usize::MAX);
        let window = self.mapped.window(base, n_owned.saturating_add(self.n_tail))?;
        let is_last = base + window.len() as u64 >= self.mapped.n_bytes();
        let next = base
            + scan(&Piece {
                uri: &self.uri,
                file: self.id,
                day: self.day,
                layout: Some(self.layout),
                window: &window,
                behind: if is_last { Behind::Nothing } else { Behind::More },
                owned: (self.at - base) as usize..n_owned.min(window.len()),
                base,
                quotes: QuoteState::FieldStart,
            }) as u64;
        // None means that a record is longer than the window.
        self.n_tail = if next > self.at { WINDOW_TAIL_BYTES } else { self.n_tail.saturating_mul(16) };
        self.at = next;
        if self.is_done() {
            self.mapped.check_unchanged()?;
        }
        Ok(())
    }
}
