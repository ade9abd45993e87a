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
use crate::engine::ledger::{Ids, InputFile};
use crate::engine::month::{MonthMeta, MonthTable, Provenance};
use crate::engine::rules::Rules;
use crate::engine::scan::fast::{Backend, Scanner};
use crate::engine::scan::record::RecordFilter;
use crate::engine::scan::reject::{RejectLimit, Rejects};
use crate::error::{DataError, Error};
use crate::lake::ends::Ends;
use crate::lake::{FileStream, RangeFile, ReadyFiles};
use crate::timing::{StageClock, StageTiming};

use queue::{Queue, lock};
use worker::{Shared, Worker};

/// What a transform needs besides the files.
#[derive(Clone, Debug)]
pub struct TransformOptions {
    /// The month of all files.
    pub month: Month,
    /// Day the run is made, for the column `Date`.
    pub etl_date: Date,
    /// The rules.
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
        Ids::Any => transform_files(files, options, progress, input::ALONE_BYTES),
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
    scan_queue(queue, options, progress, None)
}

/// As [`transform`]; of CSV files up to `alone_bytes` each is read by one thread.
fn transform_files(
    files: &mut dyn FileStream,
    options: &TransformOptions,
    progress: &Progress,
    alone_bytes: u64,
) -> Result<Transformed, Error> {
    scan_queue(Queue::new(files, alone_bytes), options, progress, None)
}

/// Scans `ranges` of files of one day each, in order and without a map: memory is bounded by the customers, of which
/// there may be `max_contracts`. The result is a part of the month.
///
/// # Errors
/// As [`transform`]; also more customers than that.
pub fn scan_ranges(
    ranges: Vec<RangeFile>,
    options: &TransformOptions,
    max_contracts: Option<u64>,
) -> Result<Transformed, Error> {
    let files = ranges.iter().map(range::input_file).collect();
    let inputs = range::inputs(ranges);
    let mut nothing = ReadyFiles::new([]);
    scan_queue(Queue::of_inputs(inputs, files, &mut nothing), options, &Progress::hidden(), max_contracts)
}

/// Scans the ends of files: counts and rejects are those of the records in them.
///
/// # Errors
/// As [`transform`].
pub fn scan_ends(ends: &[Ends], options: &TransformOptions) -> Result<Transformed, Error> {
    let files = ends.iter().map(sample::input_file).collect();
    let inputs = ends.iter().zip(0..).flat_map(|(ends, id)| sample::inputs(ends, FileId(id)));
    let mut nothing = ReadyFiles::new([]);
    scan_queue(Queue::of_inputs(inputs, files, &mut nothing), options, &Progress::hidden(), None)
}

fn scan_queue(
    queue: Queue<'_>,
    options: &TransformOptions,
    progress: &Progress,
    max_contracts: Option<u64>,
) -> Result<Transformed, Error> {
    let pool = pool(options.n_threads)?;
    let backend = Backend::detect();
    let reject_limit = RejectLimit::new(options.max_rejects_kept);
    let filter = RecordFilter::new(&options.rules.record).with_ids(options.ids).with_devices(options.devices);
    let shared = Shared {
        scanner: Scanner::new(filter, backend),
        devices: options.devices,
        queue,
        n_waiting: AtomicUsize::new(0),
        reject_limit,
        rejects: Mutex::new(Rejects::new(reject_limit)),
        progress: progress.clone(),
        n_busy: AtomicUsize::new(0),
        has_panicked: AtomicBool::new(false),
    };
    let mut run = Run {
        workers: (0..pool.current_num_threads()).map(|_| Mutex::new(Worker::default())).collect(),
        builder: MonthBuilder::new(&options.rules.record).with_devices(options.devices),
        scan: StageSum::new("scan"),
        aggregate: StageSum::new("aggregate"),
        pool,
        max_contracts,
    };
    run.scan_all(&shared)?;
    let inputs = shared.queue.finish()?;
    let rejects = shared.rejects.into_inner().unwrap_or_else(PoisonError::into_inner);
    run.finish(options, inputs, rejects, backend)
}

/// Threads of our own.
///
/// # Errors
/// They cannot be started.
pub fn pool(n_threads: usize) -> Result<rayon::ThreadPool, Error> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(n_threads.max(1));
    builder.thread_name(|i| format!("scan-{i}")).build().map_err(|error| Error::Usage {
        what: format!("cannot start {n_threads} threads: {error}"),
        advice: Some("give a smaller number with --threads".to_owned()),
    })
}

struct Run {
    pool: rayon::ThreadPool,
    workers: Vec<Mutex<Worker>>,
    builder: MonthBuilder,
    scan: StageSum,
    aggregate: StageSum,
    max_contracts: Option<u64>,
}

impl Run {
    /// Scans and aggregates until no file is left, or none before an error. Only this thread waits
    /// for files.
    fn scan_all(&mut self, shared: &Shared<'_>) -> Result<(), DataError> {
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
                self.end_epoch(&shared.n_waiting)?;
            } else if !shared.queue.wait() {
                break;
            }
        }
        self.end_epoch(&shared.n_waiting)
    }

    fn end_epoch(&mut self, n_waiting: &AtomicUsize) -> Result<(), DataError> {
        let clock = StageClock::start("aggregate");
        let mut workers: Vec<MutexGuard<'_, Worker>> = self.workers.iter().map(lock).collect();
        let mut collectors: Vec<&mut Collector> = workers.iter_mut().map(|worker| &mut worker.collector).collect();
        self.pool.install(|| self.builder.aggregate(&mut collectors));
        self.aggregate.records += n_waiting.swap(0, Ordering::Relaxed) as u64;
        self.aggregate.add(clock);
        match self.max_contracts {
            Some(limit) if self.builder.n_contracts() > limit => Err(DataError::TooManyContracts { limit }),
            _ => Ok(()),
        }
    }

    fn finish(
        mut self,
        options: &TransformOptions,
        inputs: Vec<InputFile>,
        rejects: Rejects,
        backend: Backend,
    ) -> Result<Transformed, Error> {
        let clock = StageClock::start("columns");
        let meta = MonthMeta {
            month: options.month,
            etl_date: options.etl_date,
            labels: &options.rules.labels,
            provenance: Provenance {
                engine: crate::ENGINE.to_owned(),
                rules_name: options.rules.name.clone(),
                rules_sha256: options.rules.sha256.clone(),
                rules_text: options.rules.to_toml(),
                input_files: inputs.len() as u64,
                input_bytes: inputs.iter().map(|file| file.n_bytes).sum(),
            },
        };
        let collectors: Vec<Collector> = self
            .workers
            .into_iter()
            .map(|worker| worker.into_inner().unwrap_or_else(PoisonError::into_inner).collector)
            .collect();
        self.scan.bytes = inputs.iter().map(InputFile::n_bytes_read).sum();
        let table = self
            .pool
            .install(|| self.builder.into_partial(collectors, inputs)?.finish(meta))
            .map_err(|overflow| DataError::Overflow { what: overflow.of.to_string() })?;
        let n_rows = table.n_rows() as u64;
        self.scan.records = table.ledger.read;
        Ok(Transformed {
            stages: vec![self.scan.timing(), self.aggregate.timing(), clock.stop(0, n_rows)],
            table,
            rejects,
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
