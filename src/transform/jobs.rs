//! What there is to do for a file: splits of what can be mapped, a stream of what is packed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::calendar::Day;
use crate::error::{DataError, Error};
use crate::lake::mapped::{MappedFile, Window};
use crate::lake::{Compression, DataFile, Format, LakeError};
use crate::scan::csv::{CsvLayout, HeaderError, MAX_HEADER_BYTES, QuoteMap, QuoteState};
use crate::scan::shape::REACH;

use super::stream::Stream;

/// Size of a split: large enough that its begin costs nothing, small enough that threads end together and a window
/// shows little in the memory of the process.
const SPLIT_BYTES: u64 = 8 << 20;

/// What a window shows behind its split, for the end of the last line.
const WINDOW_TAIL_BYTES: usize = 64 << 10;

const _: () = assert!(WINDOW_TAIL_BYTES > 2 * REACH);

/// A piece of work for one thread.
pub(super) enum Job {
    /// A part of a mapped file.
    Split(Split),
    /// A whole packed file.
    Stream(Box<Stream>),
}

/// A mapped file whose splits are being scanned.
pub(super) struct OpenFile {
    pub uri: Arc<str>,
    pub day: Day,
    pub layout: Option<CsvLayout>,
    mapped: MappedFile,
    n_unfinished: AtomicUsize,
}

/// The lines of a mapped file whose first byte lies in `start..end`.
pub(super) struct Split {
    pub file: Arc<OpenFile>,
    pub start: u64,
    pub end: u64,
    /// CSV only: the state in front of `start` and in front of `end`.
    pub quotes: (QuoteState, QuoteState),
}

/// The jobs of `file`, in the order of its bytes. Runs in the thread pool.
pub(super) fn of_file(file: DataFile) -> Result<Vec<Job>, Error> {
    if file.compression != Compression::None {
        return Ok(vec![Job::Stream(Box::new(Stream::open(file)?))]);
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
    let starts: Vec<u64> = (records_start..n_bytes).step_by(SPLIT_BYTES as usize).collect();
    let states = match layout {
        None => vec![QuoteState::FieldStart; starts.len() + 1],
        Some(layout) => quote_states(&mapped, &starts, layout.delimiter)?,
    };
    let open = Arc::new(OpenFile {
        uri: file.uri.into(),
        day: file.day,
        layout,
        mapped,
        n_unfinished: AtomicUsize::new(starts.len()),
    });
    let ends = starts.iter().skip(1).copied().chain([n_bytes]);
    let jobs = starts.iter().zip(ends).zip(states.windows(2)).map(|((start, end), states)| {
        let quotes = match states {
            [before, behind] => (*before, *behind),
            _ => Default::default(),
        };
        Job::Split(Split { file: Arc::clone(&open), start: *start, end, quotes })
    });
    Ok(jobs.collect())
}

/// A header error as the run reports it.
pub(super) fn in_file(uri: &str, error: &HeaderError) -> DataError {
    let list = |names: &[String]| match names {
        [] => "no column".to_owned(),
        names => names.join(", "),
    };
    DataError::Header { file: uri.to_owned(), missing: list(&error.missing), found: list(&error.found) }
}

/// The state in front of each split and behind the last one.
fn quote_states(mapped: &MappedFile, starts: &[u64], delimiter: u8) -> Result<Vec<QuoteState>, LakeError> {
    let maps: Vec<QuoteMap> = starts
        .par_iter()
        .map(|start| Ok(QuoteMap::of(&mapped.window(*start, SPLIT_BYTES as usize)?, delimiter)))
        .collect::<Result<_, LakeError>>()?;
    let mut state = QuoteState::FieldStart;
    let behind = maps.into_iter().map(|map| {
        state = map.apply(state);
        state
    });
    Ok([QuoteState::FieldStart].into_iter().chain(behind).collect())
}

impl Split {
    /// Where the window of this split begins in the file: one byte early, which tells whether a line begins at `start`.
    pub fn base(&self) -> u64 {
        self.start.saturating_sub(1)
    }

    /// The window from [`Split::base`] to at least the end of the last line.
    pub fn window(&self) -> Result<Window, LakeError> {
        let n_owned = (self.end - self.base()) as usize;
        let mut n_tail = WINDOW_TAIL_BYTES;
        loop {
            let window = self.file.mapped.window(self.base(), n_owned + n_tail)?;
            let reaches_end = self.base() + window.len() as u64 >= self.file.mapped.n_bytes();
            if reaches_end || self.holds_last_line(&window, n_owned) {
                return Ok(window);
            }
            n_tail = n_tail.saturating_mul(16);
        }
    }

    fn holds_last_line(&self, window: &[u8], n_owned: usize) -> bool {
        match self.file.layout {
            // The tail is longer than REACH, so a line may still be matched whose end was not looked for.
            None => window.get(n_owned - 1..).is_some_and(|tail| memchr::memchr(b'\n', tail).is_some()),
            Some(layout) => {
                crate::scan::csv::first_record_start(window, n_owned, self.quotes.1, layout.delimiter) < window.len()
            }
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
