//! A part of a mapped file: the records that start in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::engine::scan::csv::{Chunk, ChunkEnd, CsvLayout, QuoteState, QuoteTransition, first_record_start};
use crate::engine::scan::lines::first_line_start;
use crate::error::Error;
use crate::lake::LakeError;
use crate::lake::read::mapped::{MappedFile, Window};

use super::input::{FileMeta, Input, InputChunk, MAX_WINDOW_TAIL_BYTES, SPLIT_BYTES, WINDOW_TAIL_BYTES};
use super::quotes::QuoteChain;

/// A mapped file whose splits are being scanned.
struct SplitFile {
    meta: FileMeta,
    layout: Option<CsvLayout>,
    /// CSV only: the states between its splits.
    quotes: QuoteChain,
    mapped: MappedFile,
    n_unfinished: AtomicUsize,
    /// CSV only: the last quote that the window of a split opens and does not close; 0 when there
    /// is none.
    open_quote: AtomicU64,
}

/// The records of a mapped file whose first byte lies in `start..end`.
pub(super) struct Split {
    file: Arc<SplitFile>,
    start: u64,
    end: u64,
    /// Its number in the file, from 0.
    number: usize,
    progress: Progress,
    window: Window,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    /// Nothing has been done; in CSV the splits after this one wait for it.
    Fresh,
    /// The splits after this one know what they need of it.
    Mapped,
    Scanned,
    Finished,
    /// As the last one of its file.
    FinishedLast,
}

/// The splits of a file whose records start at `records_start`, in order.
pub(super) fn of_file(
    meta: FileMeta,
    layout: Option<CsvLayout>,
    mapped: MappedFile,
    records_start: u64,
) -> impl Iterator<Item = Split> {
    let n_bytes = mapped.n_bytes();
    // All but the first start where a large page does.
    let others = (0..n_bytes).step_by(SPLIT_BYTES as usize).filter(|start| *start > records_start);
    let starts: Vec<u64> = (records_start < n_bytes).then_some(records_start).into_iter().chain(others).collect();
    let file = Arc::new(SplitFile {
        meta,
        layout,
        quotes: QuoteChain::new(if layout.is_some() { starts.len() } else { 0 }),
        mapped,
        n_unfinished: AtomicUsize::new(starts.len()),
        open_quote: AtomicU64::new(0),
    });
    let ends: Vec<u64> = starts.iter().skip(1).copied().chain([n_bytes]).collect();
    starts.into_iter().zip(ends).enumerate().map(move |(number, (start, end))| Split {
        file: Arc::clone(&file),
        start,
        end,
        number,
        progress: Progress::Fresh,
        window: Window::default(),
    })
}

impl Input for Split {
    fn file(&self) -> &FileMeta {
        &self.file.meta
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn n_bytes_read(&self) -> u64 {
        match self.progress {
            Progress::Fresh | Progress::Mapped => 0,
            Progress::Scanned | Progress::Finished | Progress::FinishedLast => self.end - self.start,
        }
    }

    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
        match self.progress {
            Progress::Fresh => {
                let Some(quotes) = self.map_window()? else {
                    // A split before this one could not be read, and has said why.
                    self.progress = Progress::Finished;
                    return Ok(None);
                };
                let base = self.base();
                let owned = (self.start - base) as usize..self.n_owned_bytes();
                let chunk = Chunk { window: &self.window, end: ChunkEnd::Final, owned, base, quotes };
                Ok(Some(InputChunk { file: &self.file.meta, layout: self.file.layout, chunk, seen: None }))
            }
            Progress::Scanned => {
                self.progress = Progress::Finished;
                // The last one of a file makes sure that it is still as it was listed.
                if self.file.n_unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.progress = Progress::FinishedLast;
                    self.file.mapped.check_unchanged()?;
                }
                Ok(None)
            }
            Progress::Mapped | Progress::Finished | Progress::FinishedLast => Ok(None),
        }
    }

    fn open_quote(&self) -> Option<u64> {
        let is_open = self.progress == Progress::FinishedLast
            && self.file.layout.is_some()
            && self.file.quotes.end_state() == Some(QuoteState::Quoted);
        // A window may end within quotes that a later split closes; the last that opens one is that
        // of the last record.
        is_open.then(|| self.file.open_quote.load(Ordering::Relaxed)).filter(|offset| *offset > 0)
    }

    fn consume(&mut self, _: usize, open_quote: Option<u64>) {
        self.file.open_quote.fetch_max(open_quote.unwrap_or(0), Ordering::Relaxed);
        self.window = Window::default();
        self.progress = Progress::Scanned;
    }
}

impl Split {
    /// Where the window starts in the file: one byte early, which says whether a line starts at
    /// `start`.
    fn base(&self) -> u64 {
        self.start.saturating_sub(1)
    }

    /// Bytes of the window up to the end of the split.
    fn n_owned_bytes(&self) -> usize {
        (self.end - self.base()) as usize
    }

    /// Maps the window from [`Split::base`] to at least the end of the last record that starts in
    /// the split, or past the limit of a record. Gives, in CSV, the state before `start`; none
    /// when a split before this one could not be read.
    fn map_window(&mut self) -> Result<Option<QuoteState>, LakeError> {
        self.window = self.map(WINDOW_TAIL_BYTES)?;
        let (before, after) = match self.file.layout {
            None => (QuoteState::FieldStart, QuoteState::FieldStart),
            Some(layout) => {
                let owned = (self.start - self.base()) as usize..self.n_owned_bytes();
                let owned = self.window.get(owned).unwrap_or_default();
                match self.file.quotes.states(self.number, QuoteTransition::of(owned, layout.delimiter)) {
                    Some(states) => states,
                    None => return Ok(None),
                }
            }
        };
        self.progress = Progress::Mapped;
        let mut n_tail_bytes = WINDOW_TAIL_BYTES;
        // Where no record starts nobody needs the end of one: so a file without line ends is looked
        // at once, not once for every split.
        if self.has_record(before) {
            while !self.has_last_end(after) && n_tail_bytes < MAX_WINDOW_TAIL_BYTES {
                n_tail_bytes = n_tail_bytes.saturating_mul(16).min(MAX_WINDOW_TAIL_BYTES);
                self.window = self.map(n_tail_bytes)?;
            }
        }
        Ok(Some(before))
    }

    fn map(&self, n_tail_bytes: usize) -> Result<Window, LakeError> {
        self.file.mapped.window(self.base(), self.n_owned_bytes().saturating_add(n_tail_bytes))
    }

    /// Whether a record starts in the split.
    fn has_record(&self, before: QuoteState) -> bool {
        let owned = self.window.get(..self.n_owned_bytes()).unwrap_or_default();
        let from = (self.start - self.base()) as usize;
        let first = match self.file.layout {
            None => first_line_start(owned, from),
            Some(layout) => first_record_start(owned, from, before, layout.delimiter),
        };
        first < owned.len()
    }

    /// Whether the last record ends in the window, or the file does.
    fn has_last_end(&self, after: QuoteState) -> bool {
        let n_owned = self.n_owned_bytes();
        if self.base() + self.window.len() as u64 >= self.file.mapped.n_bytes() {
            return true;
        }
        match self.file.layout {
            // The tail is longer than MAX_MATCH_BYTES, so a line may still be matched whose end was
            // not looked for.
            None => self.window.get(n_owned - 1..).is_some_and(|tail| memchr::memchr(b'\n', tail).is_some()),
            Some(layout) => first_record_start(&self.window, n_owned, after, layout.delimiter) < self.window.len(),
        }
    }
}

impl Drop for Split {
    /// A split that could not be read, that nobody took or whose thread panicked keeps nobody
    /// waiting.
    fn drop(&mut self) {
        if self.progress == Progress::Fresh {
            self.file.quotes.break_off(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::aggregate::collect::FileId;
    use crate::engine::scan::csv::MAX_HEADER_BYTES;
    use crate::lake::{ListOptions, list};

    const CSV_HEADER: &[u8] = b"Contract,AppName,TotalDuration\n";

    /// A file of `n_bytes`, zeros after `start`, and its splits.
    fn splits(name: &str, start: &[u8], n_bytes: u64) -> (tempfile::TempDir, Vec<Split>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, start).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(n_bytes).unwrap();
        let listed = list(&[path.display().to_string()], &ListOptions::default()).unwrap().files.remove(0);
        let mapped = MappedFile::open(&listed).unwrap();
        let (layout, records_start) = match name.ends_with("csv") {
            true => CsvLayout::from_header(&mapped.window(0, MAX_HEADER_BYTES).unwrap())
                .map(|(layout, n_bytes)| (Some(layout), n_bytes as u64))
                .unwrap(),
            false => (None, 0),
        };
        let meta = FileMeta { uri: listed.uri.into(), id: FileId(0), day: listed.day };
        let splits = of_file(meta, layout, mapped, records_start).collect();
        (folder, splits)
    }

    #[test]
    fn no_split_is_searched_past_the_limit_of_a_record() {
        let check = |name: &str, start: &[u8]| {
            let n_bytes = 40 * SPLIT_BYTES;
            let (_folder, splits) = splits(name, start, n_bytes);
            assert_eq!(splits.len(), 40);
            let mut n_shown = 0;
            for mut split in splits {
                n_shown += split.next_chunk().unwrap().unwrap().chunk.window.len() as u64;
                split.consume(0, None);
                assert!(split.next_chunk().unwrap().is_none());
            }
            let n_tails = 40 * (WINDOW_TAIL_BYTES as u64 + 1);
            assert!(n_shown <= n_bytes + n_tails + MAX_WINDOW_TAIL_BYTES as u64, "{name}: {n_shown} of {n_bytes}");
        };
        check("20220401.json", b"");
        check("20220401.json", b"{}\n{");
        check("20220401.csv", &[CSV_HEADER, b"A,VOD,5\n\"A"].concat());
        check("20220401.csv", &[CSV_HEADER, b"A,VOD,5\nA"].concat());
    }

    #[test]
    fn a_split_that_is_dropped_keeps_nobody_waiting() {
        let (_folder, mut splits) = splits("20220401.csv", CSV_HEADER, 3 * SPLIT_BYTES);
        let mut last = splits.pop().unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || last.next_chunk().unwrap().is_none());
            let panicked = scope.spawn(move || {
                let _first = splits.remove(0);
                panic!("as a worker might, which the test wants");
            });
            assert!(panicked.join().is_err());
            assert!(waiting.join().unwrap());
        });
    }
}
