//! What there is to do for a file: splits of what can be mapped, a stream of what is packed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::engine::aggregate::collect::FileId;
use crate::engine::calendar::Day;
use crate::engine::scan::csv::{CsvLayout, HeaderError, MAX_HEADER_BYTES, QuoteMap, QuoteState, first_record_start};
use crate::engine::scan::shape::REACH;
use crate::error::{DataError, Error};
use crate::lake::read::mapped::{LARGE_PAGE_BYTES, MappedFile, Window};
use crate::lake::{Compression, DataFile, Format, LakeError};

use super::csv_file::CsvFile;
use super::quotes::QuoteChain;
use super::stream::Stream;
use super::worker::Piece;

/// Size of a split: large enough that its begin costs nothing, small enough that threads end together and a window
/// shows little in the memory of the process.
pub(super) const SPLIT_BYTES: u64 = 4 * LARGE_PAGE_BYTES as u64;

/// What a window shows behind its split, for the end of the last line.
pub(super) const WINDOW_TAIL_BYTES: usize = 64 << 10;

/// Largest CSV file that one thread reads alone, from its begin to its end. Splits of larger ones have to be looked through
/// for quotes first, which takes as long as reading their records; and a file of this size is nothing to wait for.
pub(super) const ALONE_BYTES: u64 = 256 << 20;

const _: () = assert!(WINDOW_TAIL_BYTES > 2 * REACH);

/// A piece of work for one thread.
pub(super) enum Job {
    /// A part of a mapped file.
    Split(Split),
    /// A whole file.
    InOrder(Box<dyn InOrder>),
}

/// A file that one thread reads from its begin to its end, a piece at a time.
pub(super) trait InOrder: Send {
    /// Address of the file.
    fn uri(&self) -> &str;

    /// Whether the whole file has been scanned.
    fn is_done(&self) -> bool;

    /// Bytes of the file, as stored, that have been read.
    fn n_read(&self) -> u64;

    /// Hands the next piece to `scan`, which gives the place in its window where the first record begins that was not read.
    fn step(&mut self, scan: &mut dyn FnMut(&Piece<'_>) -> usize) -> Result<(), Error>;
}

/// A mapped file whose splits are being scanned.
pub(super) struct OpenFile {
    pub uri: Arc<str>,
    pub id: FileId,
    pub day: Day,
    pub layout: Option<CsvLayout>,
    /// CSV only: the states between its splits.
    quotes: QuoteChain,
    mapped: MappedFile,
    n_unfinished: AtomicUsize,
}

/// The lines of a mapped file whose first byte lies in `start..end`.
pub(super) struct Split {
    pub file: Arc<OpenFile>,
    pub start: u64,
    pub end: u64,
    /// Its number in the file, from 0.
    number: usize,
}

/// The jobs of `file`, in the order of its bytes. A CSV file of up to `alone_bytes` is one job.
pub(super) fn of_file(file: DataFile, id: FileId, alone_bytes: u64) -> Result<Vec<Job>, Error> {
    if file.compression != Compression::None {
        return Ok(vec![Job::InOrder(Box::new(Stream::open(file, id)?))]);
    }
    let mapped = MappedFile::open(&file)?;
    let n_bytes = mapped.n_bytes();
    if n_bytes == 0 {
        return Ok(Vec::new());
    }
    let (layout, records_start) = match file.format {
        Format::Ndjson => (None, 0),
        Format::Csv => {
            let header = mapped.window(0, MAX_HEADER_BYTES)?;
            let (layout, n_bytes) = CsvLayout::from_header(&header).map_err(|error| in_file(&file.uri, &error))?;
            (Some(layout), n_bytes as u64)
        }
    };
    if let Some(layout) = layout
        && n_bytes <= alone_bytes
    {
        let file = CsvFile::new(file.uri.into(), id, file.day, layout, mapped, records_start);
        return Ok(vec![Job::InOrder(Box::new(file))]);
    }
    // All but the first begin where a large page does.
    let others = (0..n_bytes).step_by(SPLIT_BYTES as usize).filter(|start| *start > records_start);
    let starts: Vec<u64> = (records_start < n_bytes).then_some(records_start).into_iter().chain(others).collect();
    let open = Arc::new(OpenFile {
        uri: file.uri.into(),
        id,
        day: file.day,
        layout,
        quotes: QuoteChain::new(if layout.is_some() { starts.len() } else { 0 }),
        mapped,
        n_unfinished: AtomicUsize::new(starts.len()),
    });
    let ends = starts.iter().skip(1).copied().chain([n_bytes]);
    let splits = starts.iter().zip(ends).enumerate();
    Ok(splits
        .map(|(number, (start, end))| Job::Split(Split { file: Arc::clone(&open), start: *start, end, number }))
        .collect())
}

/// A header error as the run reports it.
pub(super) fn in_file(uri: &str, error: &HeaderError) -> DataError {
    let list = |names: &[String]| match names {
        [] => "no column".to_owned(),
        names => names.join(", "),
    };
    DataError::Header { file: uri.to_owned(), missing: list(&error.missing), found: list(&error.found) }
}

impl Split {
    /// Where the window of this split begins in the file: one byte early, which tells whether a line begins at `start`.
    pub fn base(&self) -> u64 {
        self.start.saturating_sub(1)
    }

    /// The window from [`Split::base`] to at least the end of the last line, and in CSV the state in front of `start`.
    /// None when a split before this one could not be read.
    pub fn window(&self) -> Result<Option<(Window, QuoteState)>, LakeError> {
        let window = self.try_window();
        if window.is_err() {
            self.file.quotes.break_off();
        }
        window
    }

    fn try_window(&self) -> Result<Option<(Window, QuoteState)>, LakeError> {
        let n_owned = (self.end - self.base()) as usize;
        let mut window = self.map(n_owned, WINDOW_TAIL_BYTES)?;
        let quotes = match self.file.layout {
            None => (QuoteState::FieldStart, QuoteState::FieldStart),
            Some(layout) => {
                let owned = window.get((self.start - self.base()) as usize..n_owned).unwrap_or_default();
                match self.file.quotes.states(self.number, QuoteMap::of(owned, layout.delimiter)) {
                    Some(states) => states,
                    None => return Ok(None),
                }
            }
        };
        let mut n_tail = WINDOW_TAIL_BYTES;
        while !self.holds_last_line(&window, n_owned, quotes.1) {
            n_tail = n_tail.saturating_mul(16);
            window = self.map(n_owned, n_tail)?;
        }
        Ok(Some((window, quotes.0)))
    }

    fn map(&self, n_owned: usize, n_tail: usize) -> Result<Window, LakeError> {
        self.file.mapped.window(self.base(), n_owned.saturating_add(n_tail))
    }

    /// Whether the last line ends in the window, or the file does.
    fn holds_last_line(&self, window: &[u8], n_owned: usize, behind: QuoteState) -> bool {
        if self.base() + window.len() as u64 >= self.file.mapped.n_bytes() {
            return true;
        }
        match self.file.layout {
            // The tail is longer than REACH, so a line may still be matched whose end was not looked for.
            None => window.get(n_owned - 1..).is_some_and(|tail| memchr::memchr(b'\n', tail).is_some()),
            Some(layout) => first_record_start(window, n_owned, behind, layout.delimiter) < window.len(),
        }
    }

    /// Says that this split is done; the last one of a file makes sure that the file is still as it was listed.
    pub fn finish(&self) -> Result<(), LakeError> {
        match self.file.n_unfinished.fetch_sub(1, Ordering::AcqRel) {
            1 => self.file.mapped.check_unchanged(),
            _ => Ok(()),
        }
    }
}
