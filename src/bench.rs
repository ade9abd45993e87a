//! `viewmart bench`: the engine against this machine's own limit, by thread count.
//!
//! The limit is what it takes to look at every byte once: counting line ends over the mapped files, and for compressed
//! files decompressing them and counting. Counts are checked before and after any clock is read.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::cli::plan::BenchPlan;
use crate::console::Progress;
use crate::engine::calendar::Month;
use crate::engine::devices::Devices;
use crate::engine::ledger::Ids;
use crate::error::Error;
use crate::gate::Imbalance;
use crate::lake::read::compressed::{self, HISTORY_BYTES};
use crate::lake::read::mapped::MappedFile;
use crate::lake::{Compression, DataFile, LakeError, ReadyFiles, sort_for_scan};
use crate::threads;
use crate::transform::{self, TransformOptions};
use crate::units::{grouped, size};

/// Bytes that a thread counts at a time.
const WINDOW_BYTES: usize = 16 << 20;

/// The same of decompressed bytes, as the engine does.
const CONTENT_BYTES: usize = 256 << 10;

/// Medians of one thread count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThreadTimes {
    pub threads: usize,
    /// Median time to count line ends.
    pub floor_s: f64,
    /// Median time to make the month's table.
    pub engine_s: f64,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub month: Month,
    /// Its data files.
    pub files: u64,
    /// Their size as stored.
    pub bytes: u64,
    /// Line ends counted.
    pub line_ends: u64,
    /// Records that the engine read.
    pub records: u64,
    /// Timed runs of each measurement.
    pub n_runs: u32,
    /// The vector instructions that scanned.
    pub backend: &'static str,
    /// One for each thread count, ascending.
    pub rows: Vec<ThreadTimes>,
}

/// Measures 1, 2, 4, … threads up to the planned number. The first, untimed run of each fills the page cache.
///
/// # Errors
/// What the engine says, or [`Imbalance`] when two thread counts disagree.
pub fn measure(plan: &BenchPlan, month: Month, files: &[DataFile]) -> Result<Measured, Error> {
    let mut measured = Measured {
        month,
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.n_bytes).sum(),
        line_ends: 0,
        records: 0,
        n_runs: plan.n_runs,
        backend: "",
        rows: Vec::new(),
    };
    for n_threads in thread_counts(plan.threads.get()) {
        let pool = threads::start(n_threads, "bench")?;
        let count = || pool.install(|| line_ends(files)).map_err(Error::from);
        let options = TransformOptions {
            month,
            etl_date: month.first_day(),
            rules: plan.rules.clone(),
            n_threads,
            ids: Ids::Any,
            devices: Devices::Ignored,
            max_rejects_kept: 0,
        };
        let engine = || {
            let mut files = files.to_vec();
            sort_for_scan(&mut files);
            let mut files = ReadyFiles::new(files);
            transform::transform(&mut files, &options, &Progress::hidden())
                .map(|made| (made.table.ledger.read, made.backend))
        };

        let (n_line_ends, (n_records, backend)) = (count()?, engine()?);
        if measured.rows.is_empty() {
            (measured.line_ends, measured.records, measured.backend) = (n_line_ends, n_records, backend);
        }
        let floor_s = median_s(plan.n_runs, &count, &measured.line_ends, n_threads)?;
        let engine_s = median_s(plan.n_runs, &engine, &(measured.records, measured.backend), n_threads)?;
        measured.rows.push(ThreadTimes { threads: n_threads, floor_s, engine_s });
    }
    Ok(measured)
}

/// Powers of two up to `max`, and `max` itself.
fn thread_counts(max: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |n: &usize| n.checked_mul(2)).take_while(|n| *n < max).collect();
    counts.push(max);
    counts
}

/// The median time of `n_runs` runs of `work`, each of which must give `expected`.
fn median_s<T: PartialEq + fmt::Debug>(
    n_runs: u32,
    work: &impl Fn() -> Result<T, Error>,
    expected: &T,
    threads: usize,
) -> Result<f64, Error> {
    let mut samples = Vec::new();
    for _ in 0..n_runs.max(1) {
        let start = Instant::now();
        let found = work()?;
        samples.push(start.elapsed().as_secs_f64());
        if found != *expected {
            let what = format!("{found:?} were counted with {threads} threads, {expected:?} with one");
            return Err(Imbalance { what }.into());
        }
    }
    samples.sort_unstable_by(f64::total_cmp);
    Ok(samples.get(samples.len() / 2).copied().unwrap_or(0.0))
}

/// Line ends in all files, over the threads of the current pool.
fn line_ends(files: &[DataFile]) -> Result<u64, LakeError> {
    files
        .par_iter()
        .map(|file| match file.compression {
            Compression::None => line_ends_mapped(file),
            Compression::Gzip | Compression::Zstd => line_ends_compressed(file),
        })
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

fn line_ends_mapped(file: &DataFile) -> Result<u64, LakeError> {
    let mapped = MappedFile::open(file)?;
    let n_windows = mapped.n_bytes().div_ceil(WINDOW_BYTES as u64);
    (0..n_windows)
        .into_par_iter()
        .map(|window| {
            let window = mapped.window(window * WINDOW_BYTES as u64, WINDOW_BYTES)?;
            Ok(memchr::memchr_iter(b'\n', &window).count() as u64)
        })
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

fn line_ends_compressed(file: &DataFile) -> Result<u64, LakeError> {
    let mut decompressed = compressed::open(file)?;
    let (mut window, mut at) = (vec![0; HISTORY_BYTES + CONTENT_BYTES], 0);
    let mut n_line_ends = 0;
    loop {
        let end = decompressed.decompress(&mut window, at)?;
        n_line_ends += memchr::memchr_iter(b'\n', window.get(at..end).unwrap_or_default()).count() as u64;
        if end < window.len() {
            return Ok(n_line_ends);
        }
        window.copy_within(end - HISTORY_BYTES..end, 0);
        at = HISTORY_BYTES;
    }
}

impl Measured {
    /// Bytes as stored per second.
    fn bytes_per_s(&self, seconds: f64) -> u64 {
        if seconds > 0.0 { (self.bytes as f64 / seconds).round() as u64 } else { 0 }
    }

    /// Bytes per second that each number of threads looks at.
    pub fn floors(&self) -> BTreeMap<usize, u64> {
        self.rows.iter().map(|row| (row.threads, self.bytes_per_s(row.floor_s))).collect()
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "threads": row.threads,
                    "floor_s": row.floor_s,
                    "engine_s": row.engine_s,
                    "floor_bytes_per_s": self.bytes_per_s(row.floor_s),
                    "engine_bytes_per_s": self.bytes_per_s(row.engine_s),
                    "ratio": row.floor_s / row.engine_s,
                })
            })
            .collect();
        json!({
            "engine": crate::ENGINE, "month": self.month.to_string(), "files": self.files, "bytes": self.bytes,
            "line_ends": self.line_ends, "records": self.records, "runs": self.n_runs, "backend": self.backend,
            "threads": rows,
        })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  month {}: {} files, {}, {} records; {}; median of {}",
            crate::ENGINE,
            self.month,
            self.files,
            size(self.bytes),
            grouped(self.records),
            self.backend,
            self.n_runs
        )?;
        writeln!(f, "floor: counting {} line ends; engine: files to columns", grouped(self.line_ends))?;
        writeln!(f)?;
        writeln!(
            f,
            "{:>7}{:>10}{:>14}{:>10}{:>14}{:>16}{:>8}{:>9}",
            "threads", "floor s", "floor", "engine s", "engine", "records/s", "ratio", "speed-up"
        )?;
        let one_thread_s = self.rows.first().map_or(0.0, |row| row.engine_s);
        for row in &self.rows {
            writeln!(
                f,
                "{:>7}{:>10.4}{:>14}{:>10.4}{:>14}{:>16}{:>8.3}{:>9.2}",
                row.threads,
                row.floor_s,
                format!("{}/s", size(self.bytes_per_s(row.floor_s))),
                row.engine_s,
                format!("{}/s", size(self.bytes_per_s(row.engine_s))),
                grouped((self.records as f64 / row.engine_s) as u64),
                row.floor_s / row.engine_s,
                one_thread_s / row.engine_s,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_counts_end_with_the_machine() {
        let check = |max: usize, expected: &[usize]| assert_eq!(thread_counts(max), expected);
        check(1, &[1]);
        check(2, &[1, 2]);
        check(3, &[1, 2, 3]);
        check(8, &[1, 2, 4, 8]);
        check(12, &[1, 2, 4, 8, 12]);
    }

    #[test]
    fn a_count_that_differs_is_an_error() {
        assert!(median_s(3, &|| Ok(7), &7, 2).is_ok());
        let error = median_s(3, &|| Ok(8), &7, 2).unwrap_err().to_string();
        assert!(error.contains("8 were counted with 2 threads"), "{error}");
    }
}
