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
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt as _;

    use super::calibration::App;
    use super::line::{Contract, Record};
    use super::*;
    use crate::advice::Advice;

    fn options(out: &Path, n_contracts: u64) -> GenerateOptions {
        GenerateOptions { n_contracts, n_threads: 2, ..GenerateOptions::new(out).unwrap() }
    }

    fn make(options: &GenerateOptions) -> GenerateSummary {
        generate(options, &Progress::hidden()).unwrap()
    }

    /// Decompressed content of every file by name without compression.
    fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let compressed = fs::read(&path).unwrap();
            let mut bytes = Vec::new();
            let name = if let Some(name) = name.strip_suffix(".gz") {
                flate2::read::MultiGzDecoder::new(compressed.as_slice()).read_to_end(&mut bytes).unwrap();
                name.to_owned()
            } else if let Some(name) = name.strip_suffix(".zst") {
                bytes = zstd::decode_all(compressed.as_slice()).unwrap();
                name.to_owned()
            } else {
                bytes = compressed;
                name
            };
            contents.insert(name, bytes);
        }
        contents
    }

    /// All records of a month by day, without files.
    fn records(options: &GenerateOptions) -> Vec<Vec<Record>> {
        let population = Population::new(options.seed, options.n_contracts, options.month.n_days());
        let mut month = Vec::new();
        for day in options.month.days() {
            let mut records = Vec::new();
            let plan = DayPlan::new(options, &population, day);
            plan.for_each(|record| {
                records.push(*record);
                Ok::<(), ()>(())
            })
            .unwrap();
            month.push(records);
        }
        month
    }

    fn code(record: &Record) -> Option<String> {
        match record.contract {
            Contract::Code(code) => Some(String::from_utf8(code.as_bytes().to_vec()).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn the_sample_is_what_this_code_makes() {
        let folder = tempfile::tempdir().unwrap();
        let summary = make(&GenerateOptions { compression: Compression::Gzip, ..options(folder.path(), 3_000) });
        let committed = contents(&Path::new(env!("CARGO_MANIFEST_DIR")).join("data/sample"));
        assert!(contents(folder.path()) == committed, "data/sample differs: make it again as data/README.md says");
        assert_eq!((summary.files.len(), summary.n_records), (30, 75_357));
        assert_eq!(committed.values().map(|bytes| bytes.len() as u64).sum::<u64>(), summary.n_bytes);
        assert!(summary.n_stored_bytes < 3_000_000);
    }

    #[test]
    fn bytes_depend_on_the_seed_alone() {
        let reference = tempfile::tempdir().unwrap();
        make(&GenerateOptions { n_threads: 1, ..options(reference.path(), 500) });
        let reference = contents(reference.path());
        let check = |change: &dyn Fn(&mut GenerateOptions), same: bool| {
            let folder = tempfile::tempdir().unwrap();
            let mut options = options(folder.path(), 500);
            change(&mut options);
            make(&options);
            for (name, bytes) in contents(folder.path()) {
                assert_eq!(reference[&name] == bytes, same, "{name} {options:?}");
            }
        };
        check(&|o| o.n_threads = 8, true);
        check(&|o| o.n_days = Some(3), true);
        check(&|o| o.compression = Compression::Gzip, true);
        check(&|o| o.compression = Compression::Zstd, true);
        check(&|o| o.seed = 2, false);
        check(&|o| o.n_contracts = 501, false);
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let (json, csv) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(&options(json.path(), 200));
        make(&GenerateOptions { format: Format::Csv, ..options(csv.path(), 200) });
        let csv = contents(csv.path());
        for (name, bytes) in contents(json.path()) {
            let table = String::from_utf8(csv[&name.replace(".json", ".csv")].clone()).unwrap();
            let mut lines = table.lines();
            let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
            assert_eq!(columns.len(), 8);
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.lines().count() + 1, table.lines().count(), "{name}");
            for (object, line) in text.lines().zip(lines) {
                let object: serde_json::Value = serde_json::from_str(object).unwrap();
                let fields: HashMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
                for (column, field) in &fields {
                    let value = match column.strip_prefix("_source.") {
                        Some(key) => &object["_source"][key],
                        None => &object[*column],
                    };
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    assert_eq!(*field, value.replace("null", ""), "{name} {line}");
                }
                assert_eq!(fields["_type"], fields["_source.AppName"].to_lowercase());
            }
        }
    }

    #[test]
    fn ids_never_repeat_and_both_key_orders_occur() {
        let folder = tempfile::tempdir().unwrap();
        let summary = make(&options(folder.path(), 300));
        let (mut ids, mut orders) = (HashSet::new(), Vec::new());
        for (_, bytes) in contents(folder.path()) {
            let text = String::from_utf8(bytes).unwrap();
            let mut of_day = BTreeSet::new();
            for line in text.lines() {
                let id = line.split(r#""_id":""#).nth(1).unwrap().split('"').next().unwrap();
                assert_eq!(id.len(), 20);
                ids.insert(id.to_owned());
                of_day.insert(line.find("TotalDuration") < line.find("AppName"));
            }
            assert_eq!(of_day.len(), 1, "an order is constant within a day");
            orders.extend(of_day);
        }
        assert_eq!(ids.len() as u64, summary.n_records);
        assert_eq!(orders.iter().filter(|duration_first| **duration_first).count(), 16);
    }

    #[test]
    fn faults_are_those_of_a_real_month() {
        let folder = Path::new("unused");
        let month = records(&options(folder, 3_000));
        let all = || month.iter().flatten();
        assert_eq!(all().count(), 75_357);
        let count = |what: &dyn Fn(&Record) -> bool| all().filter(|record| what(record)).count();
        assert_eq!(count(&|r| code(r).is_none()), 6);
        assert_eq!(count(&|r| r.contract == Contract::Empty), 2);
        assert_eq!(count(&|r| r.contract == Contract::Null), 2);
        assert_eq!(count(&|r| r.app == App::Unknown && code(r).is_some()), 3);
        assert_eq!(count(&|r| r.app == App::Unknown), 4);
        assert_eq!(count(&|r| r.app == App::Bhd), 1);
        assert_eq!(all().map(|r| r.seconds).min(), Some(-889_575_165));
        assert_eq!(count(&|r| r.seconds < -3_600), 4);
        assert_eq!(count(&|r| r.seconds > 86_400), 0);
        assert!(count(&|r| r.seconds < 0) > 4);

        let clean = records(&GenerateOptions { dirt: Dirt::Clean, ..options(folder, 3_000) });
        let faulty = |r: &Record| {
            code(r).is_none() || r.app == App::Unknown || !(0..=86_400).contains(&r.seconds) || !r.mac.suffix.is_empty()
        };
        assert_eq!(clean.iter().flatten().filter(|record| faulty(record)).count(), 0);
    }

    #[test]
    fn shares_are_those_of_a_real_month() {
        let month = records(&options(Path::new("unused"), 20_000));
        let n_records = month.iter().map(Vec::len).sum::<usize>() as f64;
        let all = || month.iter().flatten();
        let near = |what: &str, drawn: f64, real: f64, tolerance: f64| {
            assert!((drawn - real).abs() <= tolerance, "{what}: {drawn}, should be {real} within {tolerance}");
        };
        let share = |what: &dyn Fn(&Record) -> bool| all().filter(|record| what(record)).count() as f64 / n_records;
        near("records per contract and day", n_records / 20_000.0 / 30.0, 0.841, 0.01);
        for (app, real) in [
            (App::Channel, 0.9028),
            (App::Vod, 0.0517),
            (App::Child, 0.0208),
            (App::Kplus, 0.0176),
            (App::Relax, 0.0044),
            (App::Sport, 0.0020),
            (App::Fims, 0.0007),
        ] {
            near(app.name(), share(&|r| r.app == app), real, real * 0.05 + 0.0008);
        }
        near("a whole day", share(&|r| r.seconds == 86_400), 0.025, 0.003);
        near("zero or less", share(&|r| r.seconds <= 0), 0.0015, 0.0003);

        let quantile = |app: Option<App>, at: f64| {
            let mut seconds: Vec<i64> =
                all().filter(|r| app.is_none_or(|app| r.app == app)).map(|r| r.seconds).collect();
            let place = (seconds.len() as f64 * at) as usize;
            *seconds.select_nth_unstable(place).1 as f64
        };
        for (app, at, real) in [
            (None, 0.25, 1_028.0),
            (None, 0.50, 6_702.0),
            (None, 0.75, 18_322.0),
            (None, 0.95, 76_609.0),
            (Some(App::Channel), 0.50, 7_233.0),
            (Some(App::Channel), 0.95, 74_075.0),
            (Some(App::Vod), 0.50, 4_263.0),
            (Some(App::Vod), 0.95, 23_766.0),
        ] {
            near(&format!("{app:?} quantile {at}"), quantile(app, at), real, real * 0.12);
        }

        let mut contracts: HashMap<String, u32> = HashMap::new();
        let mut device_days = HashSet::new();
        let (mut unassigned, mut unassigned_macs, mut sum) = (0, HashSet::new(), 0);
        for (day, records) in month.iter().enumerate() {
            for record in records {
                let Some(code) = code(record) else { continue };
                if code == "0" {
                    unassigned_macs.insert(record.mac.as_bytes().to_vec());
                    unassigned += record.seconds;
                }
                sum += record.seconds.max(0);
                device_days.insert((code.clone(), record.mac.as_bytes().to_vec(), day));
                *contracts.entry(code).or_default() |= 1 << day;
            }
        }
        for (days, real) in [(1..=6, 0.1618), (7..=13, 0.1071), (14..=20, 0.1126), (21..=30, 0.6185)] {
            let n = contracts.values().filter(|active| days.contains(&active.count_ones())).count();
            near(&format!("{days:?} active days"), n as f64 / contracts.len() as f64, real, 0.01);
        }
        near("records per device and day", n_records / device_days.len() as f64, 1.11, 0.01);
        near("seconds under contract 0", unassigned as f64 / sum as f64, 0.02, 0.002);
        near("devices under contract 0", unassigned_macs.len() as f64 / 20_000.0, 0.186, 0.03);
    }

    #[test]
    fn files_begin_with_a_run_of_one_app() {
        for day in records(&options(Path::new("unused"), 3_000)) {
            let head = &day[..60];
            assert!(head.iter().all(|record| record.app == App::Channel));
            assert!(head.is_sorted_by_key(|record| record.seconds));
        }
    }

    #[test]
    fn wrong_numbers_and_folders_are_refused() {
        let check = |change: &dyn Fn(&mut GenerateOptions), what: &str| {
            let folder = tempfile::tempdir().unwrap();
            let mut options = options(folder.path(), 10);
            change(&mut options);
            let error = generate(&options, &Progress::hidden()).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.advice().is_some(), "{error}");
            assert!(fs::read_dir(folder.path()).unwrap().flatten().all(|e| e.path().is_file()), "{error}");
        };
        check(&|o| o.n_contracts = 0, "0 contracts: a month has 1 to 100000000");
        check(&|o| o.n_contracts = MAX_CONTRACTS + 1, "100000001 contracts");
        check(&|o| o.month = Month::new(1899, 12).unwrap(), "no lake has a month 1899-12: the years are 1900 to 2199");
        check(&|o| o.month = Month::new(2200, 1).unwrap(), "2200-01");
        check(&|o| o.n_days = Some(0), "0 days: 2022-04 has 1 to 30");
        check(&|o| o.n_days = Some(31), "31 days: 2022-04 has 1 to 30");
        check(&|o| fs::write(o.out.join("20220401.csv"), "").unwrap(), "already holds the data file 20220401.csv");
        check(&|o| fs::write(o.out.join("20220501.json.gz"), "").unwrap(), "already holds the data file");
        check(
            &|o| {
                fs::write(o.out.join("file"), "").unwrap();
                o.out.push("file");
            },
            "creating the folder failed",
        );
    }

    #[test]
    fn a_folder_is_made_anew_in_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("20220401.json"), "old").unwrap();
        fs::set_permissions(folder.path().join("20220401.json"), fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(folder.path().join("notes.txt"), "kept").unwrap();
        fs::write(folder.path().join(".viewmart-part-dead"), "half a day of a run that was killed").unwrap();
        make(&GenerateOptions { n_days: Some(2), ..options(folder.path(), 10) });
        let made = contents(folder.path());
        assert_eq!(
            made.keys().map(String::as_str).collect::<Vec<_>>(),
            ["20220401.json", "20220402.json", "notes.txt"]
        );
        assert!(made["20220401.json"].starts_with(b"{\"_index\""));
        let mode = fs::metadata(folder.path().join("20220401.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        make(&GenerateOptions { n_contracts: 1, n_days: Some(2), ..options(folder.path(), 1) });
    }
}
