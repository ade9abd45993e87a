//! One thread's work: takes inputs and scans them until the epoch ends.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::console::Progress;
use crate::diagnosis;
use crate::engine::aggregate::collect::Collector;
use crate::engine::aggregate::context::Context;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Fact, InputFile, Reason};
use crate::engine::rules::FieldPlace;
use crate::engine::scan::csv::{CsvLayout, CsvReader, Found, is_blank_file, scan_csv, scan_csv_exact};
use crate::engine::scan::fast::Scanner;
use crate::engine::scan::json::{LineReader, scan_lines};
use crate::engine::scan::lines::scan_lines_exact;
use crate::engine::scan::reject::{RejectBatch, RejectLimit, Rejects};
use crate::engine::scan::sink::Sink;
use crate::engine::scan::unique::UniqueSink;
use crate::error::Error;
use crate::lake::read::ahead::ScanPosition;

use super::input::{Input, InputChunk};
use super::queue::{Queue, Taken, lock};

/// Kept records that wait before they are aggregated: 128 MiB of them, so that each customer's
/// cache line of its table is fetched once for several records.
pub(super) const EPOCH_RECORDS: usize = 8 << 20;

/// How long a thread without work waits before it looks again, while others are busy and files are
/// to come.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Bytes in front of the first record that are looked at.
const MAX_BLANK_BYTES: usize = 64;

/// CSV layouts of which a thread remembers the shapes of their records.
const MAX_CSV_READERS: usize = 8;

/// What all workers share.
pub(super) struct Shared<'a> {
    pub scanner: Scanner,
    pub devices: Devices,
    pub queue: Queue<'a>,
    /// Kept records that wait to be aggregated.
    pub n_waiting: AtomicUsize,
    /// How many of them are an epoch's worth.
    pub epoch_records: usize,
    pub reject_limit: RejectLimit,
    pub rejects: Mutex<Rejects>,
    pub progress: Progress,
    /// How far the scan has come, for those who read ahead of it.
    pub position: ScanPosition,
    /// Workers with an input at hand.
    pub n_busy: AtomicUsize,
    /// A worker panicked: nobody needs what the others do.
    pub has_panicked: AtomicBool,
}

impl Shared<'_> {
    /// Whether an epoch's worth of records waits.
    pub fn is_epoch_full(&self) -> bool {
        self.n_waiting.load(Ordering::Relaxed) >= self.epoch_records
    }

    fn goes_on(&self) -> bool {
        !self.is_epoch_full() && !self.has_panicked.load(Ordering::Relaxed)
    }
}

/// Says that a worker is busy for as long as it lives; a panic stops the others.
struct Busy<'s, 'q>(&'s Shared<'q>);

impl<'s, 'q> Busy<'s, 'q> {
    fn new(shared: &'s Shared<'q>) -> Busy<'s, 'q> {
        shared.n_busy.fetch_add(1, Ordering::Relaxed);
        Busy(shared)
    }
}

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        self.0.n_busy.fetch_sub(1, Ordering::Relaxed);
        if std::thread::panicking() {
            self.0.has_panicked.store(true, Ordering::Relaxed);
        }
    }
}

/// What a thread keeps from input to input and from epoch to epoch.
#[derive(Default)]
pub(super) struct Worker {
    /// What it has gathered.
    pub collector: Collector,
    lines: LineReader,
    csv: VecDeque<CsvReader>,
    /// What the end of an epoch interrupted, or what only this thread may scan next.
    next: Option<Box<dyn Input>>,
}

impl Worker {
    /// Scans until no file is there or the epoch ends.
    pub fn run(&mut self, shared: &Shared<'_>, context: &Context) {
        while shared.goes_on() {
            let busy = Busy::new(shared);
            let taken = self.next.take().map_or_else(|| shared.queue.take(), Taken::Input);
            match taken {
                Taken::Input(mut input) => match self.scan_input(input.as_mut(), shared, context) {
                    Ok(true) => self.next = input.then(),
                    Ok(false) => self.next = Some(input),
                    Err(error) => shared.queue.fail(&input.file().uri, input.start(), error),
                },
                Taken::End => break,
                Taken::NotYet => {
                    drop(busy);
                    if shared.n_busy.load(Ordering::Relaxed) == 0 {
                        break;
                    }
                    std::thread::sleep(POLL_INTERVAL);
                }
            }
        }
    }

    /// Scans `input` to its end, or until an error before it makes it useless; false when the epoch
    /// ended earlier.
    ///
    /// At least one chunk is scanned however full the epoch is: others wait for what the first of a
    /// CSV split says about its quotes, and until they have it the epoch cannot end.
    fn scan_input(&mut self, input: &mut dyn Input, shared: &Shared<'_>, context: &Context) -> Result<bool, Error> {
        while shared.queue.matters(&input.file().uri, input.start()) {
            let n_read_before = input.n_bytes_read();
            let Some(chunk) = input.next_chunk()? else {
                if let Some(offset) = input.open_quote() {
                    shared.queue.note(input.file().id, |file| file.note_first(Fact::OpenQuote, offset));
                }
                if let Some(n_bytes) = input.n_content_bytes() {
                    self.collector.add_content(input.file().id, n_bytes);
                }
                break;
            };
            let Scanned { next, open_quote, found } = self.scan_chunk(&chunk, shared, context);
            if found != Found::default() {
                shared.queue.note(chunk.file.id, |file| note(file, found));
            }
            input.consume(next, open_quote);
            let n_read = input.n_bytes_read() - n_read_before;
            shared.progress.advance(n_read);
            shared.position.advance(n_read);
            if !shared.goes_on() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn scan_chunk(&mut self, input: &InputChunk<'_>, shared: &Shared<'_>, context: &Context) -> Scanned {
        let n_before = self.collector.n_waiting();
        let mut rejects = RejectBatch::new(shared.reject_limit);
        let Worker { collector, lines, csv, .. } = self;
        let file = input.file;
        let mut sink = collector.split_with_devices(file.id, file.day, context, &mut rejects);
        // Whoever counts no devices runs code that knows of none.
        let scanned = match shared.devices {
            Devices::Ignored => scan_into(input, &shared.scanner, lines, csv, sink.without_devices()),
            Devices::Counted => scan_into(input, &shared.scanner, lines, csv, &mut sink),
        };
        drop(sink);
        shared.n_waiting.fetch_add(self.collector.n_waiting() - n_before, Ordering::Relaxed);
        if !rejects.is_empty() {
            if input.chunk.base == 0 {
                let source = shared.scanner.filter().source();
                shared.queue.note(file.id, |noted| note_start(noted, input.chunk.window, &rejects, source));
            }
            lock(&shared.rejects).add(&file.uri, file.id.0, rejects);
        }
        scanned
    }
}

/// What came of a chunk besides its records.
struct Scanned {
    /// The place in the window where the first record starts that was not scanned.
    next: usize,
    /// The quote that the window opens and does not close.
    open_quote: Option<u64>,
    /// What is not as it should be.
    found: Found,
}

impl Scanned {
    fn lines(next: usize) -> Scanned {
        Scanned { next, open_quote: None, found: Found::default() }
    }

    fn csv(next: usize, reader: &mut CsvReader) -> Scanned {
        Scanned { next, open_quote: reader.take_open_quote(), found: reader.take_found() }
    }
}

/// Notes what was found in a file.
fn note(file: &mut InputFile, found: Found) {
    let Found { swallowed_rows, same_header, other_header } = found;
    for (fact, place) in
        [(Fact::SwallowedRows, swallowed_rows), (Fact::SameHeader, same_header), (Fact::OtherHeader, other_header)]
    {
        place.into_iter().for_each(|offset| file.note_first(fact, offset));
    }
}

/// Notes what a file is that begins with `start`, where its first record is none: whoever judges the month may have no
/// more than the ledger.
#[cold]
fn note_start(file: &mut InputFile, start: &[u8], rejects: &RejectBatch, source: FieldPlace) {
    // Where the fields stand at the top any object is a record.
    let reasons = match source {
        FieldPlace::Source => &[Reason::Malformed][..],
        FieldPlace::Flat => &[Reason::Malformed, Reason::NoContract],
    };
    let before = |offset: u64| start.get(..usize::try_from(offset).ok()?);
    let is_blank = |before: &[u8]| is_blank_file(before.get(..MAX_BLANK_BYTES).unwrap_or(before));
    if !rejects.first_for(reasons).and_then(before).is_some_and(is_blank) {
        return;
    }
    let Some(found) = diagnosis::of_head(start) else { return };
    if found.is_no_text() {
        file.note_no_text(found.what);
    }
    if source == FieldPlace::Flat {
        file.note_start(found.what);
    }
}

/// As [`Worker::scan_chunk`], into `sink`.
fn scan_into<S: Sink>(
    input: &InputChunk<'_>,
    scanner: &Scanner,
    lines: &mut LineReader,
    csv: &mut VecDeque<CsvReader>,
    sink: &mut S,
) -> Scanned {
    let InputChunk { layout, chunk, seen, .. } = input;
    let (window, owned, base) = (chunk.window, chunk.owned.clone(), chunk.base);
    match (*layout, seen) {
        (None, None) => {
            scan_lines(window, owned, base, scanner, lines, sink);
            Scanned::lines(chunk.owned.end)
        }
        (Some(layout), None) => {
            let reader = reader_of(csv, layout);
            Scanned::csv(scan_csv(chunk, scanner, reader, sink), reader)
        }
        // Only the exact way reads ids.
        (None, Some(seen)) => {
            let (mut seen, filter) = (lock(seen), scanner.filter());
            let mut unique = UniqueSink::new(sink, &mut seen);
            scan_lines_exact(window, owned, base, filter, lines.exact(), &mut unique);
            Scanned::lines(chunk.owned.end)
        }
        (Some(layout), Some(seen)) => {
            let mut seen = lock(seen);
            let mut unique = UniqueSink::new(sink, &mut seen);
            let reader = reader_of(csv, layout);
            Scanned::csv(scan_csv_exact(chunk, scanner.filter(), reader, &mut unique), reader)
        }
    }
}

/// The reader of a layout; the one that was made first makes room for one too many.
fn reader_of(readers: &mut VecDeque<CsvReader>, layout: CsvLayout) -> &mut CsvReader {
    let place = readers.iter().position(|reader| reader.layout() == layout).unwrap_or_else(|| {
        if readers.len() >= MAX_CSV_READERS {
            readers.pop_front();
        }
        readers.push_back(CsvReader::new(layout));
        readers.len() - 1
    });
    &mut readers[place]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::aggregate::build::MonthBuilder;
    use crate::engine::aggregate::collect::FileId;
    use crate::engine::calendar::Day;
    use crate::engine::rules::Rules;
    use crate::engine::scan::csv::{Chunk, ChunkEnd, QuoteState};
    use crate::engine::scan::fast::Backend;
    use crate::engine::scan::record::RecordFilter;
    use crate::lake::ReadyFiles;
    use crate::transform::input::FileMeta;

    /// Empty chunks without end.
    struct Endless {
        meta: FileMeta,
        n_chunks: usize,
    }

    impl Input for Endless {
        fn file(&self) -> &FileMeta {
            &self.meta
        }

        fn start(&self) -> u64 {
            0
        }

        fn n_bytes_read(&self) -> u64 {
            0
        }

        fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
            let chunk =
                Chunk { window: b"", end: ChunkEnd::Final, owned: 0..0, base: 0, quotes: QuoteState::FieldStart };
            Ok(Some(InputChunk { file: &self.meta, layout: None, chunk, seen: None }))
        }

        fn consume(&mut self, _: usize, _: Option<u64>) {
            self.n_chunks += 1;
        }

        fn open_quote(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn whoever_took_a_split_looks_through_it_even_when_the_epoch_is_full() {
        for (n_waiting, has_panicked) in [(EPOCH_RECORDS, false), (0, true), (EPOCH_RECORDS, true)] {
            let rules = Rules::preset("default").unwrap();
            let (mut no_files, limit) = (ReadyFiles::new([]), RejectLimit::new(0));
            let shared = Shared {
                scanner: Scanner::new(RecordFilter::new(&rules.record), Backend::detect()),
                devices: Devices::Ignored,
                queue: Queue::new(&mut no_files, 0, 1),
                n_waiting: AtomicUsize::new(n_waiting),
                epoch_records: EPOCH_RECORDS,
                reject_limit: limit,
                rejects: Mutex::new(Rejects::new(limit)),
                progress: Progress::hidden(),
                position: ScanPosition::default(),
                n_busy: AtomicUsize::new(0),
                has_panicked: AtomicBool::new(has_panicked),
            };
            let meta = FileMeta { uri: Arc::from("file:///a"), id: FileId(0), day: Day::new(1).unwrap() };
            let mut input = Endless { meta, n_chunks: 0 };
            let builder = MonthBuilder::new(&rules.record);
            let ended = Worker::default().scan_input(&mut input, &shared, builder.context()).unwrap();
            assert_eq!((ended, input.n_chunks), (false, 1), "{n_waiting} records wait, panic: {has_panicked}");
        }
    }
}
