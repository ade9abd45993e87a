//! A packed file, unpacked piece by piece: what is left of a piece behind its last whole record goes in front of the next.

use std::sync::Arc;

use crate::engine::aggregate::collect::FileId;
use crate::engine::calendar::Day;
use crate::engine::scan::csv::{Behind, CsvLayout, MAX_HEADER_BYTES, QuoteState, first_record_start};
use crate::engine::scan::lines::first_line_start;
use crate::engine::scan::record::MAX_LINE_BYTES;
use crate::error::Error;
use crate::lake::read::compressed::{self, PackedFile};
use crate::lake::{DataFile, Format};

use super::jobs::{InOrder, in_file};
use super::worker::Piece;

/// Bytes that are unpacked before they are scanned. More than a CSV header at most.
const PIECE_BYTES: usize = 4 << 20;

const _: () = assert!(PIECE_BYTES > MAX_HEADER_BYTES);

/// A packed file that is being scanned.
pub(super) struct Stream {
    file: PackedFile,
    uri: Arc<str>,
    id: FileId,
    day: Day,
    format: Format,
    layout: Option<CsvLayout>,
    // Unpacked bytes from offset `base` on, the first `n_filled` of them valid; a record begins at the first.
    buffer: Vec<u8>,
    n_filled: usize,
    base: u64,
    // The buffer begins with the last byte of a piece of a record that was too long and has been rejected: the state
    // behind that byte. What is left of the record is passed over.
    inside: Option<QuoteState>,
    ended: bool,
}

impl InOrder for Stream {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn is_done(&self) -> bool {
        self.ended
    }

    fn n_read(&self) -> u64 {
        self.file.n_packed_read()
    }

    /// Unpacks one piece. After an error the stream is done.
    fn step(&mut self, scan: &mut dyn FnMut(&Piece<'_>) -> usize) -> Result<(), Error> {
        let result = self.try_step(scan);
        if result.is_err() {
            self.ended = true;
        }
        if self.ended {
            self.buffer = Vec::new();
        }
        result
    }
}

impl Stream {
    pub fn open(file: DataFile, id: FileId) -> Result<Stream, Error> {
        Ok(Stream {
            file: compressed::open(&file)?,
            uri: file.uri.into(),
            id,
            day: file.day,
            format: file.format,
            layout: None,
            buffer: Vec::new(),
            n_filled: 0,
            base: 0,
            inside: None,
            ended: false,
        })
    }

    fn try_step(&mut self, scan: &mut dyn FnMut(&Piece<'_>) -> usize) -> Result<(), Error> {
        self.buffer.resize(self.n_filled + PIECE_BYTES, 0);
        let n_new = self.file.fill(self.buffer.get_mut(self.n_filled..).unwrap_or_default())?;
        self.n_filled += n_new;
        self.ended = n_new < PIECE_BYTES;
        let filled = self.buffer.get(..self.n_filled).unwrap_or_default();
        let mut start = 0;
        if self.base == 0 && self.format == Format::Csv && self.layout.is_none() && !filled.is_empty() {
            let (layout, n_bytes) = CsvLayout::from_header(filled).map_err(|error| in_file(&self.uri, &error))?;
            self.layout = Some(layout);
            start = n_bytes;
        }
        let mut scan = |owned, behind| {
            scan(&Piece {
                uri: &self.uri,
                file: self.id,
                day: self.day,
                layout: self.layout,
                window: filled,
                behind,
                owned,
                base: self.base,
                quotes: QuoteState::FieldStart,
            })
        };
        if let Some(state) = self.inside {
            start = match self.layout {
                None => first_line_start(filled, 1),
                Some(layout) => first_record_start(filled, 1, state, layout.delimiter),
            };
            if start < filled.len() {
                self.inside = None;
            } else {
                start = filled.len().saturating_sub(1);
                self.inside = Some(self.state_behind(state, filled.get(1..).unwrap_or_default()));
            }
        }
        if self.inside.is_none() {
            let next = match self.layout {
                _ if self.ended => scan(start..filled.len(), Behind::Nothing),
                Some(_) => scan(start..filled.len(), Behind::More),
                None => scan(start..last_line_end(filled, start), Behind::Nothing),
            };
            if next > start {
                start = next;
            } else if filled.len() - start > MAX_LINE_BYTES + "\r\n".len() {
                // One record, and too long already: the scan rejects it by what there is of it.
                let _ = scan(start..start + 1, Behind::Nothing);
                self.inside = Some(self.state_behind(QuoteState::FieldStart, filled.get(start..).unwrap_or_default()));
                start = filled.len() - 1;
            }
        }
        self.buffer.copy_within(start..self.n_filled, 0);
        self.n_filled -= start;
        self.base += start as u64;
        Ok(())
    }

    fn state_behind(&self, before: QuoteState, bytes: &[u8]) -> QuoteState {
        self.layout.map_or(before, |layout| before.after(bytes, layout.delimiter))
    }
}

/// Where the last line of `filled` ends that begins at `start` or behind it and ends with a line feed; `start` when none
/// does.
fn last_line_end(filled: &[u8], start: usize) -> usize {
    filled.get(start..).and_then(|lines| memchr::memrchr(b'\n', lines)).map_or(start, |feed| start + feed + 1)
}
