//! The stage from data files to the month's columns: opens the files, hands out splits, ends epochs.
//!
//! ```text
//! files -> jobs (splits, streams) -> workers, one a thread: scan -> collect
//!                                    when enough records wait: aggregate, all threads, a partition at a time
//!                                    in the end: columns
//! ```
//!
//! Memory grows with the customers, not with the records: a worker has one window of a file mapped, kept records wait
//! in partitions until an epoch ends, and a file larger than memory is many windows.

mod csv_file;
mod jobs;
mod quotes;
mod stream;
mod worker;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use jiff::civil::Date;

use crate::console::Progress;
use crate::engine::aggregate::build::MonthBuilder;
use crate::engine::aggregate::collect::{Collector, FileId};
use crate::engine::calendar::Month;
use crate::engine::ledger::InputFile;
use crate::engine::month::{MonthMeta, MonthTable, Provenance};
use crate::engine::rules::Rules;
use crate::engine::scan::fast::{Backend, Scanner};
use crate::engine::scan::record::Judge;
use crate::engine::scan::reject::{RejectLimit, Rejects};
use crate::error::{DataError, Error};
use crate::lake::{DataFile, LakeError};
use crate::report::{StageClock, StageTiming};

use jobs::Job;
use worker::Worker;

/// Kept records that wait before they are aggregated: 128 MiB of them, so that each customer's line of its table is
/// fetched once for several records.
const EPOCH_RECORDS: usize = 8 << 20;

/// Files that may have arrived and not been scanned.
const N_ARRIVED_FILES: usize = 64;

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
    /// Rejects kept for `rejects.ndjson`; the counts are always whole.
    pub n_rejects_max: usize,
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

/// Scans `files` as they come and builds the month's columns. The result depends on the files and options only: not on
/// their order, the number of threads or where splits fall.
///
/// # Errors
/// A file that cannot be read to its end, a CSV header without the columns, a sum that does not fit in 64 bits. Of
/// several files that are broken the first one taken is named.
pub fn transform(
    files: impl Iterator<Item = Result<DataFile, LakeError>> + Send,
    options: &TransformOptions,
    progress: &Progress,
) -> Result<Transformed, Error> {
    transform_files(files, options, progress, jobs::ALONE_BYTES)
}

/// As [`transform`]; of CSV files up to `alone_bytes` each is read by one thread.
fn transform_files(
    files: impl Iterator<Item = Result<DataFile, LakeError>> + Send,
    options: &TransformOptions,
    progress: &Progress,
    alone_bytes: u64,
) -> Result<Transformed, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.n_threads.max(1))
        .thread_name(|i| format!("scan-{i}"))
        .build()
        .map_err(|error| Error::Usage {
            what: format!("cannot start {} threads: {error}", options.n_threads),
            advice: Some("give a smaller number with --threads".to_owned()),
        })?;
    let backend = Backend::detect();
    let reject_limit = RejectLimit::new(options.n_rejects_max);
    let shared = Shared {
        scanner: Scanner::new(Judge::new(&options.rules.record), backend),
        queue: Mutex::default(),
        n_waiting: AtomicUsize::new(0),
        failed: AtomicBool::new(false),
        failures: Mutex::default(),
        reject_limit,
        rejects: Mutex::new(Rejects::new(reject_limit)),
        progress: progress.clone(),
    };
    let mut run = Run {
        workers: (0..pool.current_num_threads()).map(|_| Mutex::new(Worker::default())).collect(),
        builder: MonthBuilder::new(&options.rules.record),
        scan: StageSum::new("scan"),
        aggregate: StageSum::new("aggregate"),
        shared,
        pool,
        alone_bytes,
    };
    let inputs = run.scan_all(files)?;
    run.finish(options, inputs, backend)
}

/// What all workers share.
struct Shared {
    scanner: Scanner,
    queue: Mutex<VecDeque<Job>>,
    n_waiting: AtomicUsize,
    failed: AtomicBool,
    failures: Mutex<Vec<Failure>>,
    reject_limit: RejectLimit,
    rejects: Mutex<Rejects>,
    progress: Progress,
}

/// An error of a worker, ordered by where it happened.
struct Failure {
    uri: String,
    offset: u64,
    error: Error,
}

impl Shared {
    fn fail(&self, failure: Failure) {
        lock(&self.failures).push(failure);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Whether the epoch goes on.
    fn goes_on(&self) -> bool {
        self.n_waiting.load(Ordering::Relaxed) < EPOCH_RECORDS && !self.failed.load(Ordering::Relaxed)
    }

    fn take_failure(&self) -> Result<(), Error> {
        let failures = std::mem::take(&mut *lock(&self.failures));
        let first = failures.into_iter().min_by(|a, b| (&a.uri, a.offset).cmp(&(&b.uri, b.offset)));
        first.map_or(Ok(()), |failure| Err(failure.error))
    }
}

/// A worker that panicked has poisoned its lock; the panic itself is passed on by the thread pool.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Run {
    pool: rayon::ThreadPool,
    workers: Vec<Mutex<Worker>>,
    builder: MonthBuilder,
    shared: Shared,
    scan: StageSum,
    aggregate: StageSum,
    alone_bytes: u64,
}

impl Run {
    fn scan_all(
        &mut self,
        files: impl Iterator<Item = Result<DataFile, LakeError>> + Send,
    ) -> Result<Vec<InputFile>, Error> {
        let (sender, arrived) = mpsc::sync_channel(N_ARRIVED_FILES);
        // `move`: an error or a panic drops the receiver before the scope waits for the thread that sends.
        std::thread::scope(move |scope| {
            scope.spawn(move || {
                for file in files {
                    // The receiver is gone after an error: nobody wants more files.
                    if sender.send(file).is_err() {
                        break;
                    }
                }
            });
            let mut inputs = Vec::new();
            while let Ok(file) = arrived.recv() {
                self.take(file?, &mut inputs)?;
                while let Ok(file) = arrived.try_recv() {
                    self.take(file?, &mut inputs)?;
                }
                self.scan_queue()?;
            }
            Ok(inputs)
        })
    }

    /// Queues the jobs of a file that has arrived.
    fn take(&mut self, file: DataFile, inputs: &mut Vec<InputFile>) -> Result<(), Error> {
        let id = FileId(u32::try_from(inputs.len()).unwrap_or(u32::MAX));
        inputs.push(InputFile::whole(file.uri.clone(), file.day, file.n_bytes, file.modified_ms.to_string()));
        self.scan.bytes += file.n_bytes;
        let jobs = jobs::of_file(file, id, self.alone_bytes)?;
        lock(&self.shared.queue).extend(jobs);
        Ok(())
    }

    /// Scans until no job is left.
    fn scan_queue(&mut self) -> Result<(), Error> {
        loop {
            let clock = StageClock::start("scan");
            let context = self.builder.context();
            self.pool.broadcast(|thread| {
                // The pool has as many threads as there are workers.
                if let Some(worker) = self.workers.get(thread.index()) {
                    lock(worker).run(&self.shared, context);
                }
            });
            self.scan.add(clock);
            self.shared.take_failure()?;
            let goes_on = self.shared.goes_on();
            if goes_on {
                return Ok(());
            }
            self.end_epoch();
        }
    }

    fn end_epoch(&mut self) {
        let clock = StageClock::start("aggregate");
        let mut workers: Vec<MutexGuard<'_, Worker>> = self.workers.iter().map(lock).collect();
        let mut collectors: Vec<&mut Collector> = workers.iter_mut().map(|worker| &mut worker.collector).collect();
        self.pool.install(|| self.builder.aggregate(&mut collectors));
        self.aggregate.records += self.shared.n_waiting.swap(0, Ordering::Relaxed) as u64;
        self.aggregate.add(clock);
    }

    fn finish(
        mut self,
        options: &TransformOptions,
        inputs: Vec<InputFile>,
        backend: Backend,
    ) -> Result<Transformed, Error> {
        self.end_epoch();
        let clock = StageClock::start("columns");
        let meta = MonthMeta {
            month: options.month,
            etl_date: options.etl_date,
            labels: &options.rules.labels,
            provenance: Provenance {
                engine: crate::ENGINE.to_owned(),
                rules_name: options.rules.name.clone(),
                rules_sha256: options.rules.sha256.clone(),
                input_files: inputs.len() as u64,
                input_bytes: inputs.iter().map(|file| file.n_bytes).sum(),
            },
        };
        let collectors: Vec<Collector> = self
            .workers
            .into_iter()
            .map(|worker| worker.into_inner().unwrap_or_else(PoisonError::into_inner).collector)
            .collect();
        let table = self
            .pool
            .install(|| self.builder.into_partial(collectors, inputs)?.finish(meta))
            .map_err(|overflow| DataError::Overflow { what: overflow.of.to_string() })?;
        let n_rows = table.n_rows() as u64;
        self.scan.records = table.ledger.read;
        Ok(Transformed {
            stages: vec![self.scan.timing(), self.aggregate.timing(), clock.stop(0, n_rows)],
            table,
            rejects: self.shared.rejects.into_inner().unwrap_or_else(PoisonError::into_inner),
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
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::engine::scan::reject::Reject;
    use crate::lake::{ListOptions, list};

    /// 20 MB of records, one in three with line feeds within quotes: some split begins in one.
    fn csv() -> String {
        let mut text = "Title,Contract,TotalDuration,AppName\n".to_owned();
        for i in 0..200_000 {
            let title = match i % 3 {
                0 => format!("\"{}\n{i},\"\"HND{i:06}\"\",1,VOD\n\"", "\n".repeat(i % 97)),
                _ => format!("title {i} {}", "x".repeat(i % 89)),
            };
            let _ = writeln!(text, "{title},HND{:06},{},CHANNEL", i % 5_000, i % 90_000);
        }
        text
    }

    #[test]
    fn a_csv_file_says_the_same_to_one_thread_and_in_splits() {
        let lake = tempfile::tempdir().unwrap();
        let text = csv();
        assert!(text.len() > 16 << 20, "{}", text.len());
        std::fs::write(lake.path().join("20220401.csv"), text).unwrap();
        let listing = list(&[lake.path().display().to_string()], &ListOptions::default()).unwrap();
        let options = TransformOptions {
            month: listing.month,
            etl_date: listing.month.first_day(),
            rules: Rules::preset("default").unwrap(),
            n_threads: 3,
            n_rejects_max: 100_000,
        };
        let made = |alone_bytes| {
            let files = listing.files.iter().cloned().map(Ok);
            let made = transform_files(files, &options, &Progress::hidden(), alone_bytes).unwrap();
            let shown = |(file, reject): (&str, Reject<'_>)| (file.to_owned(), reject.offset, reject.raw.to_vec());
            let rejects: Vec<_> = made.rejects.iter().map(shown).collect();
            (made.table, rejects)
        };
        let (alone, split) = (made(u64::MAX), made(0));
        assert_eq!(alone.0.ledger.read, 200_000);
        assert_eq!(alone.0.ledger, split.0.ledger);
        assert_eq!(alone.0.total, split.0.total);
        assert!(alone.0.contracts.iter().eq(split.0.contracts.iter()));
        assert_eq!(alone.1, split.1);
    }
}
