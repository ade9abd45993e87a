//! The stage from data files to the month's columns: opens the files, hands out splits, ends
//! epochs.
//!
//! ```text
//! files -> queue -> inputs (splits, CSV files, compressed files) -> workers, one a thread: chunk -> scan -> collect
//!          when enough records wait: aggregate, all threads, a partition at a time
//!          in the end: columns
//! ```
//!
//! Memory grows with the customers, not with the records: a worker has one window of a file mapped,
//! kept records wait in partitions until an epoch ends, and a file larger than memory is many
//! windows.

mod compressed;
mod csv_file;
mod day;
mod input;
mod open;
mod queue;
mod quotes;
mod range;
mod sample;
mod split;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;

use crate::console::Progress;
use crate::engine::aggregate::build::MonthBuilder;
use crate::engine::aggregate::collect::{Collector, FileId};
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::ledger::{Ids, InputFile, LedgerDetail};
use crate::engine::month::{MonthMeta, MonthTable, Provenance};
use crate::engine::partial::{Overflow, Partial};
use crate::engine::rules::Rules;
use crate::engine::scan::fast::{Backend, Scanner};
use crate::engine::scan::record::RecordFilter;
use crate::engine::scan::reject::{RejectLimit, Rejects};
use crate::error::{DataError, Error};
use crate::lake::ends::Ends;
use crate::lake::read::ahead::{self, ScanPosition};
use crate::lake::{DataFile, FileStream, RangeFile, ReadyFiles};
use crate::threads;
use crate::timing::{StageClock, StageTiming};

use queue::{Queue, lock};
use worker::{EPOCH_RECORDS, Shared, Worker};

/// Kept records that wait at least, however few customers there is room for: as many as a few chunks have.
const MIN_EPOCH_RECORDS: usize = 1 << 12;

/// What a transform needs besides the files.
#[derive(Clone, Debug)]
pub struct TransformOptions {
    /// The month of all files.
    pub month: Month,
    /// Day the run is made, for the column `Date`.
    pub etl_date: Date,
    pub rules: Rules,
    /// Threads that scan, 1 or more.
    pub n_threads: usize,
    /// What becomes of records of one day that have the same `_id`.
    pub ids: Ids,
    /// Whether the devices of each customer are counted.
    pub devices: Devices,
    /// Rejects kept for `rejects.ndjson`; the counts are always complete.
    pub max_rejects_kept: usize,
}

/// What a transform makes.
#[derive(Debug)]
pub struct Transformed {
    /// The month's columns and ledger.
    pub table: MonthTable,
    /// The first rejects.
    pub rejects: Rejects,
    /// The files that were read, as they were then and ordered by URI, where whoever got them says so.
    pub files: Vec<DataFile>,
    /// Timings of `scan`, `aggregate` and `columns`.
    pub stages: Vec<StageTiming>,
    /// The vector code that scanned.
    pub backend: &'static str,
}

/// Scans `files` as they come and builds the month's columns. The result depends on the files and
/// options only: not on their order, the number of threads or where splits fall.
///
/// # Errors
/// A file that cannot be read to its end, a CSV header without the columns, a sum that does not fit
/// in 64 bits. Of several files that are broken the first in order of their URIs is named, and of
/// that the first place.
pub fn transform(
    files: &mut dyn FileStream,
    options: &TransformOptions,
    progress: &Progress,
) -> Result<Transformed, Error> {
    match options.ids {
        Ids::Any => {
            let alone_bytes = input::alone_bytes(&files.ready(), options.n_threads);
            transform_files(files, options, progress, alone_bytes)
        }
        Ids::Unique => transform_days(files, options, progress),
    }
}

/// As [`transform`], each day by one thread in the order of its files, so that the first of the records with the same
/// `_id` is known. Nothing is scanned before all files have come.
fn transform_days(
    files: &mut dyn FileStream,
    options: &TransformOptions,
    progress: &Progress,
) -> Result<Transformed, Error> {
    let (mut come, mut failures) = (Vec::new(), Vec::new());
    while let Some(file) = files.wait_next() {
        match file {
            Ok(file) => come.push(file),
            Err(failure) => {
                files.stop_at(&failure.uri);
                failures.push(failure);
            }
        }
    }
    let (inputs, files) = day::inputs(come);
    let mut nothing = ReadyFiles::new([]);
    let queue = Queue::of_inputs(inputs, files, &mut nothing);
    failures.into_iter().for_each(|failure| queue.fail(&failure.uri, 0, failure.error.into()));
    scan_queue(queue, options, progress, Room::Unbounded)
}

/// As [`transform`]; of CSV files up to `alone_bytes` each is read by one thread.
fn transform_files(
    files: &mut dyn FileStream,
    options: &TransformOptions,
    progress: &Progress,
    alone_bytes: u64,
) -> Result<Transformed, Error> {
    scan_queue(Queue::new(files, alone_bytes, options.n_threads), options, progress, Room::Unbounded)
}

/// How many customers a scan holds in memory, and what becomes of them when there are more.
pub enum Room<'a> {
    /// Any number.
    Unbounded,
    /// So many; more are an error.
    Refuse(u64),
    /// So many; when there are more, the rows of all of them are handed on, and the scan begins anew.
    HandOn(u64, RowTaker<'a>),
}

/// Takes rows in contract order, without a ledger. A customer may be among the rows of several calls.
pub type RowTaker<'a> = &'a mut dyn FnMut(Partial) -> Result<(), Error>;

impl Room<'_> {
    /// Kept records that wait before they are aggregated: each could be of a customer of its own.
    fn epoch_records(&self) -> usize {
        match self {
            Room::Unbounded => EPOCH_RECORDS,
            Room::Refuse(limit) | Room::HandOn(limit, _) => {
                usize::try_from(*limit).unwrap_or(EPOCH_RECORDS).clamp(MIN_EPOCH_RECORDS, EPOCH_RECORDS)
            }
        }
    }
}

/// Scans `ranges` of files of one day each, in order and without a map: memory is bounded by the customers. The result is
/// a part of the month.
///
/// # Errors
/// As [`transform`]; also more customers than there is room for.
pub fn scan_ranges(ranges: Vec<RangeFile>, options: &TransformOptions, room: Room<'_>) -> Result<Transformed, Error> {
    let mut nothing = ReadyFiles::new([]);
    scan_queue(range_queue(ranges, &mut nothing), options, &Progress::hidden(), room)
}

/// As [`scan_ranges`], for whoever adds up the rows and labels them: hands all of them to `take`, in bounded memory where
/// the customers are. Gives the ledger.
///
/// # Errors
/// As [`transform`], and those of `take`.
pub fn stream_ranges(
    ranges: Vec<RangeFile>,
    options: &TransformOptions,
    max_contracts: Option<u64>,
    take: RowTaker<'_>,
) -> Result<LedgerDetail, Error> {
    let mut nothing = ReadyFiles::new([]);
    let room = match max_contracts {
        None => Room::Unbounded,
        Some(limit) => Room::HandOn(limit, &mut *take),
    };
    let gathered = gather(range_queue(ranges, &mut nothing), options, &Progress::hidden(), room)?;
    let mut rest = gathered.run.end(gathered.inputs, Ok)?;
    let ledger = std::mem::take(&mut rest.ledger);
    take(rest)?;
    Ok(ledger)
}

fn range_queue(ranges: Vec<RangeFile>, nothing: &mut ReadyFiles) -> Queue<'_> {
    let files = ranges.iter().map(RangeFile::input_file).collect();
    Queue::of_inputs(range::inputs(ranges), files, nothing)
}

/// Scans the ends of files: counts and rejects are those of the records in them.
///
/// # Errors
/// As [`transform`].
pub fn scan_ends(ends: &[Ends], options: &TransformOptions) -> Result<Transformed, Error> {
    let files = ends.iter().map(sample::input_file).collect();
    let inputs = ends.iter().zip(0..).flat_map(|(ends, id)| sample::inputs(ends, FileId(id)));
    let mut nothing = ReadyFiles::new([]);
    scan_queue(Queue::of_inputs(inputs, files, &mut nothing), options, &Progress::hidden(), Room::Unbounded)
}

fn scan_queue(
    queue: Queue<'_>,
    options: &TransformOptions,
    progress: &Progress,
    room: Room<'_>,
) -> Result<Transformed, Error> {
    gather(queue, options, progress, room)?.finish(options)
}

/// Scans all that the queue has or gets.
fn gather(
    queue: Queue<'_>,
    options: &TransformOptions,
    progress: &Progress,
    room: Room<'_>,
) -> Result<Gathered, Error> {
    let pool = threads::start(options.n_threads, "scan")?;
    let backend = Backend::detect();
    let reject_limit = RejectLimit::new(options.max_rejects_kept);
    let filter = RecordFilter::new(&options.rules.record).with_ids(options.ids).with_devices(options.devices);
    let shared = Shared {
        scanner: Scanner::new(filter, backend),
        devices: options.devices,
        queue,
        n_waiting: AtomicUsize::new(0),
        epoch_records: room.epoch_records(),
        reject_limit,
        rejects: Mutex::new(Rejects::new(reject_limit)),
        progress: progress.clone(),
        position: ScanPosition::default(),
        n_busy: AtomicUsize::new(0),
        has_panicked: AtomicBool::new(false),
    };
    let mut run = Run {
        workers: (0..pool.current_num_threads()).map(|_| Mutex::new(Worker::default())).collect(),
        builder: MonthBuilder::new(&options.rules.record).with_devices(options.devices),
        scan: StageSum::new("scan"),
        aggregate: StageSum::new("aggregate"),
        pool,
    };
    ahead::beside(shared.queue.ready(), &shared.position, || run.scan_all(&shared, room))?;
    let inputs = shared.queue.finish()?;
    let rejects = shared.rejects.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Gathered { run, inputs, rejects, backend })
}

/// What was scanned.
struct Gathered {
    run: Run,
    inputs: Vec<InputFile>,
    rejects: Rejects,
    backend: Backend,
}

struct Run {
    pool: rayon::ThreadPool,
    workers: Vec<Mutex<Worker>>,
    builder: MonthBuilder,
    scan: StageSum,
    aggregate: StageSum,
}

impl Run {
    /// Scans and aggregates until no file is left, or none before an error. Only this thread waits
    /// for files.
    fn scan_all(&mut self, shared: &Shared<'_>, mut room: Room<'_>) -> Result<(), Error> {
        loop {
            let clock = StageClock::start("scan");
            let context = self.builder.context();
            self.pool.broadcast(|thread| {
                // The pool has as many threads as there are workers.
                if let Some(worker) = self.workers.get(thread.index()) {
                    lock(worker).run(shared, context);
                }
            });
            self.scan.add(clock);
            if shared.is_epoch_full() {
                self.end_epoch(&shared.n_waiting, &mut room)?;
            } else if !shared.queue.wait() {
                break;
            }
        }
        self.end_epoch(&shared.n_waiting, &mut room)
    }

    fn end_epoch(&mut self, n_waiting: &AtomicUsize, room: &mut Room<'_>) -> Result<(), Error> {
        let clock = StageClock::start("aggregate");
        let mut workers: Vec<MutexGuard<'_, Worker>> = self.workers.iter().map(lock).collect();
        let mut collectors: Vec<&mut Collector> = workers.iter_mut().map(|worker| &mut worker.collector).collect();
        self.pool.install(|| self.builder.aggregate(&mut collectors));
        self.aggregate.records += n_waiting.swap(0, Ordering::Relaxed) as u64;
        self.aggregate.add(clock);
        match room {
            Room::Refuse(limit) if self.builder.n_contracts() > *limit => {
                Err(DataError::TooManyContracts { limit: *limit }.into())
            }
            Room::HandOn(limit, take) if self.builder.n_contracts() > *limit => {
                take(self.pool.install(|| self.builder.take_rows(&mut collectors)).map_err(overflow)?)
            }
            _ => Ok(()),
        }
    }

    /// What `make` makes of the rows that were not handed on and the ledger of all.
    fn end<T: Send>(
        self,
        inputs: Vec<InputFile>,
        make: impl FnOnce(Partial) -> Result<T, Overflow> + Send,
    ) -> Result<T, DataError> {
        let Run { pool, workers, builder, .. } = self;
        let collector = |worker: Mutex<Worker>| worker.into_inner().unwrap_or_else(PoisonError::into_inner).collector;
        let collectors: Vec<Collector> = workers.into_iter().map(collector).collect();
        pool.install(|| make(builder.into_partial(collectors, inputs)?)).map_err(overflow)
    }
}

fn overflow(Overflow { of }: Overflow) -> DataError {
    DataError::Overflow { what: of.to_string() }
}

impl Gathered {
    fn finish(self, options: &TransformOptions) -> Result<Transformed, Error> {
        let Gathered { mut run, inputs, rejects, backend } = self;
        let clock = StageClock::start("columns");
        let meta = MonthMeta {
            month: options.month,
            etl_date: options.etl_date,
            labels: &options.rules.labels,
            provenance: Provenance {
                input_files: inputs.len() as u64,
                input_bytes: inputs.iter().map(|file| file.n_bytes).sum(),
                ..Provenance::of(&options.rules)
            },
        };
        run.scan.bytes = inputs.iter().map(InputFile::n_bytes_read).sum();
        let (mut scan, aggregate) = (run.scan.timing(), run.aggregate.timing());
        let table = run.end(inputs, |partial| partial.finish(meta))?;
        scan.records = table.ledger.read;
        let columns = clock.stop(0, table.n_rows() as u64);
        Ok(Transformed {
            stages: vec![scan, aggregate, columns],
            table,
            rejects,
            files: Vec::new(),
            backend: backend.name(),
        })
    }
}

/// The timings of a stage that comes in many pieces.
struct StageSum {
    name: &'static str,
    wall_s: f64,
    cpu_s: f64,
    bytes: u64,
    records: u64,
}

impl StageSum {
    fn new(name: &'static str) -> StageSum {
        StageSum { name, wall_s: 0.0, cpu_s: 0.0, bytes: 0, records: 0 }
    }

    fn add(&mut self, clock: StageClock) {
        let piece = clock.stop(0, 0);
        self.wall_s += piece.wall_s;
        self.cpu_s += piece.cpu_s;
    }

    fn timing(&self) -> StageTiming {
        let StageSum { name, wall_s, cpu_s, bytes, records } = *self;
        StageTiming { name, wall_s, cpu_s, bytes, records }
    }
}

#[cfg(test)]
mod tests;
