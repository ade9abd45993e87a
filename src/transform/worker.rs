//! One thread's work: takes jobs and scans them until the epoch ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::aggregate::collect::{Collector, FileId};
use crate::engine::aggregate::context::Context;
use crate::engine::calendar::Day;
use crate::engine::scan::csv::{Behind, CsvLayout, CsvReader, CsvSplit, QuoteState, scan_csv};
use crate::engine::scan::json::{LineReader, scan_lines};
use crate::engine::scan::reject::RejectBatch;
use crate::error::Error;

use super::jobs::{Job, Split};
use super::{Failure, Shared, lock};

/// What a thread keeps from job to job and from epoch to epoch.
#[derive(Default)]
pub(super) struct Worker {
    /// What it has gathered.
    pub collector: Collector,
    lines: LineReader,
    csv: Option<CsvReader>,
    /// A file that the end of an epoch interrupted.
    interrupted: Option<Job>,
}

/// Bytes of a file in memory, and which part of them to scan.
pub(super) struct Piece<'a> {
    pub uri: &'a Arc<str>,
    pub file: FileId,
    pub day: Day,
    pub layout: Option<CsvLayout>,
    pub window: &'a [u8],
    /// What is behind the window.
    pub behind: Behind,
    /// The lines whose first byte lies here.
    pub owned: std::ops::Range<usize>,
    /// Offset of the window in the (unpacked) file.
    pub base: u64,
    /// CSV only: the state in front of `owned`.
    pub quotes: QuoteState,
}

impl Worker {
    /// Takes jobs until none is left or the epoch ends.
    pub fn run(&mut self, shared: &Shared, context: &Context) {
        while shared.goes_on() {
            let Some(job) = self.interrupted.take().or_else(|| lock(&shared.queue).pop_front()) else { break };
            match job {
                Job::Split(split) => {
                    if let Err(error) = self.split(&split, shared, context) {
                        shared.fail(Failure { uri: split.file.uri.to_string(), offset: split.start, error });
                    }
                }
                Job::InOrder(mut file) => {
                    while shared.goes_on() && !file.is_done() {
                        let n_read_before = file.n_read();
                        if let Err(error) = file.step(&mut |piece| self.piece(piece, shared, context)) {
                            shared.fail(Failure { uri: file.uri().to_owned(), offset: n_read_before, error });
                        }
                        shared.progress.advance(file.n_read() - n_read_before);
                    }
                    if !file.is_done() {
                        self.interrupted = Some(Job::InOrder(file));
                    }
                }
            }
        }
    }

    fn split(&mut self, split: &Split, shared: &Shared, context: &Context) -> Result<(), Error> {
        let Some((window, quotes)) = split.window()? else { return Ok(()) };
        let owned = (split.start - split.base()) as usize..(split.end - split.base()) as usize;
        self.piece(
            &Piece {
                uri: &split.file.uri,
                file: split.file.id,
                day: split.file.day,
                layout: split.file.layout,
                window: &window,
                behind: Behind::Nothing,
                owned,
                base: split.base(),
                quotes,
            },
            shared,
            context,
        );
        drop(window);
        shared.progress.advance(split.end - split.start);
        Ok(split.finish()?)
    }

    /// Scans a piece; gives the place in the window where the first record begins that was not read.
    fn piece(&mut self, piece: &Piece<'_>, shared: &Shared, context: &Context) -> usize {
        let n_before = self.collector.n_waiting();
        let mut rejects = RejectBatch::new(shared.reject_limit);
        let mut sink = self.collector.split(piece.file, piece.day, context, &mut rejects);
        let next = match piece.layout {
            None => {
                let (window, owned) = (piece.window, piece.owned.clone());
                scan_lines(window, owned, piece.base, &shared.scanner, &mut self.lines, &mut sink);
                piece.owned.end
            }
            Some(layout) => {
                let reader = match &mut self.csv {
                    Some(reader) if reader.layout() == layout => reader,
                    other => other.insert(CsvReader::new(layout)),
                };
                let split = CsvSplit {
                    window: piece.window,
                    behind: piece.behind,
                    owned: piece.owned.clone(),
                    base: piece.base,
                    start: piece.quotes,
                };
                scan_csv(&split, &shared.scanner, reader, &mut sink)
            }
        };
        drop(sink);
        shared.n_waiting.fetch_add(self.collector.n_waiting() - n_before, Ordering::Relaxed);
        if !rejects.is_empty() {
            lock(&shared.rejects).add(piece.uri, piece.file.0, rejects);
        }
        next
    }
}
