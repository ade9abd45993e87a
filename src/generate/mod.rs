//! A synthetic month of viewing logs that resembles a real one, dirt included: for trials, tests and measurements.
//!
//! Every record is a function of the seed, the day and the contract ([`draw`]), so the files are the same bytes on any
//! machine and for any number of threads, and the first days of a month are the same whether or not the others are
//! made. What it resembles is in [`calibration`].

mod calibration;
mod day;
mod draw;
mod line;
mod population;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;
use tempfile::NamedTempFile;

use crate::console::Progress;
use crate::engine::calendar::{Day, Month};
use crate::error::Error;
use crate::fs::error::OutputError;
use crate::fs::part::{NEW_FILE_MODE, new_part, remove_dead_parts};
use crate::fs::target;
use crate::lake::read::mapped::LARGE_PAGE_BYTES;
use crate::lake::{Compression, Format, YEARS};
use crate::threads;
use day::{DayPlan, key_orders};
use line::{KeyOrder, LineWriter, MAX_LINE_BYTES};
use population::Population;

/// Most contracts of a month: beyond it the codes of nine characters run out.
pub const MAX_CONTRACTS: u64 = 100_000_000;

/// Files are written in pieces of this size.
const WRITE_BYTES: usize = LARGE_PAGE_BYTES;

/// Whether the month has the faults of a real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dirt {
    /// None: every record counts under the default rules.
    Clean,
    /// Negative and hugely negative seconds, records without contract, an unknown application, odd device addresses.
    Real,
}

/// What to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Folder of the files, created where it is missing. It may hold no data files but those that are made anew.
    pub out: PathBuf,
    pub month: Month,
    /// Contracts in the whole month, 1..=[`MAX_CONTRACTS`]; a few never watch in its first days. Collective accounts
    /// come on top.
    pub n_contracts: u64,
    /// Days from the first of the month, all of it when `None`.
    pub n_days: Option<u8>,
    /// Same seed, same bytes.
    pub seed: u64,
    /// Format of the records.
    pub format: Format,
    /// Compression of the files.
    pub compression: Compression,
    /// Faults.
    pub dirt: Dirt,
    /// Days that are made at once.
    pub n_threads: usize,
}

impl GenerateOptions {
    /// The full-size month of April 2022 as plain NDJSON with the faults of a real one, on all cores.
    pub fn new(out: impl Into<PathBuf>) -> Option<GenerateOptions> {
        Some(GenerateOptions {
            out: out.into(),
            month: Month::new(2022, 4)?,
            n_contracts: calibration::N_CONTRACTS,
            n_days: None,
            seed: 1,
            format: Format::Ndjson,
            compression: Compression::None,
            dirt: Dirt::Real,
            n_threads: std::thread::available_parallelism().map_or(1, usize::from),
        })
    }

    /// About how many bytes of NDJSON this makes before compression: the length of a progress bar.
    pub fn expected_bytes(&self) -> u64 {
        let n_days = u64::from(self.n_days.unwrap_or(self.month.n_days()));
        let records = self.n_contracts * n_days * calibration::MILLIRECORDS_PER_CONTRACT_DAY / 1_000;
        let line = match self.format {
            Format::Ndjson => calibration::LINE_DECIBYTES,
            Format::Csv => calibration::CSV_LINE_DECIBYTES,
        };
        records * line / 10
    }

    fn file_name(&self, day: Day) -> String {
        let format = match self.format {
            Format::Ndjson => "json",
            Format::Csv => "csv",
        };
        let compression = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        };
        let month = self.month.first_day();
        format!("{:04}{:02}{:02}.{format}{compression}", month.year(), month.month(), day.number())
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateSummary {
    /// The files, by day.
    pub files: Vec<PathBuf>,
    /// Records in all of them.
    pub n_records: u64,
    /// Their bytes before compression.
    pub n_bytes: u64,
    /// Their bytes on the disk.
    pub n_stored_bytes: u64,
    /// How long it took.
    pub elapsed_s: f64,
}

/// Writes the month, a file a day. `progress` advances by bytes before compression, up to about
/// [`GenerateOptions::expected_bytes`].
///
/// Each file appears under its name once it is whole.
///
/// # Errors
/// [`Error::Usage`] for numbers out of range or a folder with other data files, [`Error::Output`] when a file cannot
/// be written.
pub fn generate(options: &GenerateOptions, progress: &Progress) -> Result<GenerateSummary, Error> {
    let begun = Instant::now();
    let n_days = check(options)?;
    let days: Vec<Day> = options.month.days().take(usize::from(n_days)).collect();
    fs::create_dir_all(&options.out).map_err(|source| output(&options.out, "creating the folder", source))?;
    refuse_other_files(options, &days)?;
    // Leftovers do no harm where they cannot be removed.
    let _ = remove_dead_parts(&options.out);
    let threads = threads::start(options.n_threads, "generate")?;
    let failed = AtomicBool::new(false);
    let made: Vec<Option<Result<MadeFile, Error>>> = threads.install(|| {
        let population = Population::new(options.seed, options.n_contracts, options.month.n_days());
        let orders = key_orders(options.seed, usize::from(options.month.n_days()));
        let make = |(day, order): (Day, KeyOrder)| {
            if failed.load(Ordering::Relaxed) {
                return None;
            }
            let made = make_day(options, &population, day, order, progress);
            failed.fetch_or(made.is_err(), Ordering::Relaxed);
            Some(made)
        };
        days.into_par_iter().zip(orders).with_max_len(1).map(make).collect()
    });
    let mut summary =
        GenerateSummary { files: Vec::new(), n_records: 0, n_bytes: 0, n_stored_bytes: 0, elapsed_s: 0.0 };
    for file in made.into_iter().flatten() {
        let file = file?;
        summary.files.push(file.path);
        summary.n_records += file.n_records;
        summary.n_bytes += file.n_bytes;
        summary.n_stored_bytes += file.n_stored_bytes;
    }
    summary.elapsed_s = begun.elapsed().as_secs_f64();
    Ok(summary)
}

struct MadeFile {
    path: PathBuf,
    n_records: u64,
    n_bytes: u64,
    n_stored_bytes: u64,
}

/// The number of days to make.
fn check(options: &GenerateOptions) -> Result<u8, Error> {
    let usage = |what: String, advice: &str| Error::Usage { what, advice: Some(advice.to_owned()) };
    if !(1..=MAX_CONTRACTS).contains(&options.n_contracts) {
        return Err(usage(
            format!("{} contracts: a month has 1 to {MAX_CONTRACTS}", options.n_contracts),
            "choose another number with --contracts",
        ));
    }
    if !YEARS.contains(&options.month.first_day().year()) {
        let (first, last) = (YEARS.start(), YEARS.end());
        return Err(usage(
            format!("no lake has a month {}: the years are {first} to {last}", options.month),
            "choose another month with --month",
        ));
    }
    let n_days = options.n_days.unwrap_or(options.month.n_days());
    if !(1..=options.month.n_days()).contains(&n_days) {
        return Err(usage(
            format!("{n_days} days: {} has 1 to {}", options.month, options.month.n_days()),
            "choose another number with --days",
        ));
    }
    Ok(n_days)
}

/// A lake reads all data files of its folder: files of another format or size would count twice.
fn refuse_other_files(options: &GenerateOptions, days: &[Day]) -> Result<(), Error> {
    const ENDINGS: [&str; 4] = [".json", ".jsonl", ".ndjson", ".csv"];
    let reading = |source| output(&options.out, "reading the folder", source);
    for entry in fs::read_dir(&options.out).map_err(reading)? {
        let name = entry.map_err(reading)?.file_name().to_string_lossy().into_owned();
        let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        let is_data = ENDINGS.iter().any(|ending| bare.ends_with(ending)) && !name.starts_with(['.', '_']);
        if is_data && !days.iter().any(|day| options.file_name(*day) == name) {
            return Err(Error::Usage {
                what: format!(
                    "{} already holds the data file {name}, which this month would not replace",
                    options.out.display()
                ),
                advice: Some("choose an empty folder, or delete the data files in this one".to_owned()),
            });
        }
    }
    Ok(())
}

fn make_day(
    options: &GenerateOptions,
    population: &Population,
    day: Day,
    order: KeyOrder,
    progress: &Progress,
) -> Result<MadeFile, Error> {
    let path = options.out.join(options.file_name(day));
    let writing = |source| output(&path, "writing the day", source);
    let plan = DayPlan::new(options, population, day);
    let mut lines = LineWriter::new(options.format, order, day.index() as u64, plan.id_salt());
    let mut file = DayFile::create(&options.out, options.compression).map_err(writing)?;
    let mut n_records = 0;
    lines.header(&mut file.buffer);
    plan.for_each(|record| {
        lines.write(record, &mut file.buffer);
        n_records += 1;
        if file.buffer.len() >= WRITE_BYTES { file.write_piece(progress) } else { Ok(()) }
    })
    .and_then(|()| file.finish(&path, progress))
    .map(|(n_bytes, n_stored_bytes)| MadeFile { path: path.clone(), n_records, n_bytes, n_stored_bytes })
    .map_err(writing)
}

fn output(path: &Path, doing: &'static str, source: io::Error) -> Error {
    OutputError::io(path, doing, source).into()
}

/// A file on its way: under a name that no lake reads until it is whole.
struct DayFile {
    buffer: Vec<u8>,
    n_bytes: u64,
    compressor: Compressor,
}

enum Compressor {
    None(NamedTempFile),
    Gzip(Box<flate2::write::GzEncoder<Pieces>>),
    Zstd(zstd::Encoder<'static, Pieces>),
}

/// Gathers small writes of a compressor.
type Pieces = io::BufWriter<NamedTempFile>;

impl DayFile {
    fn create(folder: &Path, compression: Compression) -> io::Result<DayFile> {
        let file = new_part(folder, NEW_FILE_MODE)?;
        let pieces = |file| io::BufWriter::with_capacity(WRITE_BYTES, file);
        let compressor = match compression {
            Compression::None => Compressor::None(file),
            Compression::Gzip => {
                Compressor::Gzip(Box::new(flate2::write::GzEncoder::new(pieces(file), flate2::Compression::new(6))))
            }
            Compression::Zstd => Compressor::Zstd(zstd::Encoder::new(pieces(file), 3)?),
        };
        Ok(DayFile { buffer: Vec::with_capacity(WRITE_BYTES + MAX_LINE_BYTES), n_bytes: 0, compressor })
    }

    /// Writes the first [`WRITE_BYTES`] of the buffer and keeps the rest: every write begins at a multiple of it.
    fn write_piece(&mut self, progress: &Progress) -> io::Result<()> {
        let n = self.buffer.len().min(WRITE_BYTES);
        match &mut self.compressor {
            Compressor::None(file) => file.write_all(&self.buffer[..n])?,
            Compressor::Gzip(compressor) => compressor.write_all(&self.buffer[..n])?,
            Compressor::Zstd(compressor) => compressor.write_all(&self.buffer[..n])?,
        }
        self.buffer.copy_within(n.., 0);
        self.buffer.truncate(self.buffer.len() - n);
        self.n_bytes += n as u64;
        progress.advance(n as u64);
        Ok(())
    }

    /// Gives the file its name. Bytes before compression and on the disk.
    fn finish(mut self, path: &Path, progress: &Progress) -> io::Result<(u64, u64)> {
        while !self.buffer.is_empty() {
            self.write_piece(progress)?;
        }
        let whole = |pieces: Pieces| pieces.into_inner().map_err(io::IntoInnerError::into_error);
        let file = match self.compressor {
            Compressor::None(file) => file,
            Compressor::Gzip(compressor) => whole(compressor.finish()?)?,
            Compressor::Zstd(compressor) => whole(compressor.finish()?)?,
        };
        let n_stored_bytes = file.as_file().metadata()?.len();
        if let Some(permissions) = target::permissions(path) {
            file.as_file().set_permissions(permissions)?;
        }
        file.persist(path).map_err(|error| error.error)?;
        Ok((self.n_bytes, n_stored_bytes))
    }
}

#[cfg(test)]
mod tests;
