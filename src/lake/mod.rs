//! The lake: which data files a month has and how their bytes reach this machine.
//!
//! A [`Lake`] lists [`DataFile`]s and yields them as they arrive: local ones at once, remote ones when they are complete
//! in the cache. Everything after this module reads local files only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use etcetera::BaseStrategy as _;
use jiff::civil::Date;

use crate::console::Progress;
use crate::engine::calendar::{Day, Month};
use crate::units::{counted, grouped};

pub mod arriving;
mod cache;
mod day;
pub mod ends;
pub mod error;
mod file;
pub mod input;
mod names;
mod open;
mod pattern;
pub mod pull;
pub mod read;
mod remote;
mod same;
mod select;
pub mod source;
pub mod task;

pub use arriving::{Arrival, FileFailure, FileStream, ReadyFiles, sort_for_scan};
pub use error::{LakeError, LakeErrorKind};
pub use file::{Compression, DataFile, Format};
pub use input::Input;
pub(crate) use names::YEARS;
pub(crate) use open::of_old_plan;
pub use open::{Opener, RangeFile};
pub use pattern::DayPattern;
pub use pull::{Arrivals, PullSummary};
pub(crate) use same::{EQUAL_BYTES, EQUAL_ENDS, equal_files, twice};
pub use select::{Duplicates, ListOptions};
pub use source::hdfs::HdfsOptions;

use cache::Cache;
use input::HdfsUri;
use pull::{PullOptions, PullRequest, RetryPolicy};
use source::hdfs::conf::HadoopConf;
use source::hdfs::viewfs;
use source::{Source, hdfs, local};

/// A remote file changed less than this long ago may still be written to, in milliseconds.
const FRESH_MS: i64 = 10 * 60 * 1000;

/// The data files of one month and what was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub month: Month,
    /// Its files, ordered by `uri`.
    pub files: Vec<DataFile>,
    /// What was left out.
    pub skipped: Skipped,
    /// What was left out though it looks like data, one line each.
    pub warnings: Vec<String>,
}

/// How much of a lake is not of the month, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Files of other months.
    pub other_months: u64,
    /// Names that are hidden or temporary, folders that are outputs of this program or may not be listed, links that lead
    /// nowhere.
    pub hidden: u64,
    /// Files that are no data by their names.
    pub no_data: u64,
}

impl Skipped {
    /// All together.
    pub fn total(&self) -> u64 {
        self.other_months + self.hidden + self.no_data
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts =
            [(self.other_months, "of other months"), (self.hidden, "hidden or temporary"), (self.no_data, "no data")];
        let parts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{} {why}", grouped(*n)));
        write!(f, "{}", counted(self.total(), "file"))?;
        match parts.collect::<Vec<_>>().join(", ") {
            parts if parts.is_empty() => Ok(()),
            parts => write!(f, ": {parts}"),
        }
    }
}

impl Listing {
    /// Days of the month, up to `today`, without a file, ascending.
    pub fn missing_days(&self, today: Date) -> Vec<Day> {
        let with_file: BTreeSet<Day> = self.files.iter().map(|file| file.day).collect();
        self.month.days_until(today).filter(|day| !with_file.contains(day)).collect()
    }
}

/// A month of a lake, and its files or what is wrong with them.
pub type ListedMonth = (Month, Result<Listing, LakeError>);

/// Lists the month of a lake on this machine: folders (with all below them), files and globs. A file that several of
/// `inputs` name counts once.
pub fn list(inputs: &[String], options: &ListOptions) -> Result<Listing, LakeError> {
    let mut walk = local::Walk::by(options.day_pattern.as_ref());
    for input in inputs {
        match Input::parse(input)? {
            Input::Local(path) => walk.add(&path)?,
            Input::Hdfs(uri) => {
                return Err(LakeError::new(LakeErrorKind::Unsupported, uri.to_string(), "is not on this machine"));
            }
        }
    }
    let (found, n_left_out, suspects) = walk.finish();
    select::select(&inputs.join(", "), found, n_left_out, suspects, options)
}

/// What to do with files that the cache holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// Pull what is missing or changed in the lake.
    #[default]
    Use,
    /// Pull everything again.
    Refresh,
    /// Pull nothing and ask no server: the lake is what the cache holds of it.
    Offline,
}

/// Whether the bytes of cached files are compared with their checksum before use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// No: size and time are enough.
    #[default]
    No,
    /// Yes; a damaged file is pulled again.
    Yes,
}

/// How to open a lake.
#[derive(Clone, Debug)]
pub struct LakeOptions {
    /// What to take from it.
    pub list: ListOptions,
    /// Folder of the cache; made when a remote lake needs it. See [`default_cache`].
    pub cache: PathBuf,
    /// What to do with files that the cache holds already.
    pub caching: Caching,
    /// Whether cached files are verified.
    pub verify: Verify,
    /// Files pulled at once, 1..=16.
    pub n_jobs: usize,
    /// How to reach HDFS.
    pub hdfs: HdfsOptions,
}

/// Files pulled at once unless the user says otherwise.
pub const DEFAULT_JOBS: usize = 4;

impl Default for LakeOptions {
    fn default() -> LakeOptions {
        LakeOptions {
            list: ListOptions::default(),
            cache: default_cache(),
            caching: Caching::default(),
            verify: Verify::default(),
            n_jobs: DEFAULT_JOBS,
            hdfs: HdfsOptions::default(),
        }
    }
}

/// The folder of the cache unless the user names one: `$XDG_CACHE_HOME/viewmart`, else `~/.cache/viewmart`, else
/// `viewmart-cache` in the current folder.
pub fn default_cache() -> PathBuf {
    match etcetera::base_strategy::Xdg::new() {
        Ok(folders) => folders.cache_dir().join("viewmart"),
        Err(_) => PathBuf::from("viewmart-cache"),
    }
}

/// The inputs by the one name that each file system has.
fn resolve(mut inputs: Vec<Input>, conf: &HadoopConf) -> Result<Vec<Input>, LakeError> {
    let mut remote: Vec<&mut HdfsUri> = inputs.iter_mut().filter_map(Input::uri_mut).collect();
    for uri in &mut remote {
        let named = viewfs::resolve(hdfs::with_authority(uri, conf)?, conf)?;
        **uri = hdfs::canonical::canonical(named, conf);
    }
    hdfs::canonical::unite_aliases(&mut remote, conf);
    Ok(inputs)
}

/// What [`Lake::prune`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneSummary {
    /// Files removed.
    pub files: u64,
    pub bytes: u64,
}

/// One or several inputs, local or remote, as one lake.
pub struct Lake {
    /// As the user wrote them, for messages.
    name: String,
    inputs: Vec<Input>,
    options: LakeOptions,
    /// Open if any input is remote.
    cache: Option<Arc<Cache>>,
    /// By root, such as `hdfs://nn:9000`; empty when offline.
    sources: BTreeMap<String, Arc<dyn Source>>,
    warnings: Mutex<BTreeSet<String>>,
}

impl Lake {
    /// Opens the lake of `inputs`, each a folder, file, glob or URI. Remote ones take the lock of the cache; no server
    /// is asked yet.
    pub fn open(inputs: &[String], options: &LakeOptions) -> Result<Lake, LakeError> {
        Lake::with_cache(inputs, options, Cache::open)
    }

    /// As [`Lake::open`], to be listed and no more: changes nothing on this machine, and takes no lock. Fails where this
    /// user could not put files into the cache.
    pub fn inspect(inputs: &[String], options: &LakeOptions) -> Result<Lake, LakeError> {
        Lake::with_cache(inputs, options, |folder| {
            Cache::check_access(folder)?;
            Cache::open_read_only(folder)
        })
    }

    /// As [`Lake::open`], to be listed and no more, by whoever pulls nothing: changes nothing on this machine.
    pub fn browse(inputs: &[String], options: &LakeOptions) -> Result<Lake, LakeError> {
        Lake::with_cache(inputs, options, Cache::open_read_only)
    }

    fn with_cache(
        inputs: &[String],
        options: &LakeOptions,
        open_cache: impl Fn(&Path) -> Result<Cache, LakeError>,
    ) -> Result<Lake, LakeError> {
        let mut lake = Lake {
            name: inputs.join(", "),
            inputs: Vec::new(),
            options: options.clone(),
            cache: None,
            sources: BTreeMap::new(),
            warnings: Mutex::default(),
        };
        lake.inputs = inputs.iter().map(|input| Input::parse(input)).collect::<Result<_, _>>()?;
        if lake.inputs.iter().any(|input| input.uri().is_some()) {
            let conf = options.hdfs.load_conf()?;
            lake.inputs = resolve(std::mem::take(&mut lake.inputs), &conf)?;
            let cache = open_cache(&options.cache)?;
            lake.warnings.get_mut().unwrap_or_else(PoisonError::into_inner).extend(cache.warning());
            lake.cache = Some(Arc::new(cache));
            if options.caching != Caching::Offline {
                lake.connect(&conf)?;
            }
        }
        Ok(lake)
    }

    /// A connection for each file system, not made before it is asked something.
    fn connect(&mut self, conf: &HadoopConf) -> Result<(), LakeError> {
        for uri in self.inputs.iter().filter_map(Input::uri) {
            if !self.sources.contains_key(&uri.root()) {
                self.sources.insert(uri.root(), hdfs::connect(uri, conf, &self.options.hdfs)?);
            }
        }
        Ok(())
    }

    /// Whether files have to be pulled before they can be read.
    pub fn is_remote(&self) -> bool {
        self.cache.is_some()
    }

    /// Lists the month. Remote files have the path that they will have in the cache.
    pub fn list(&self) -> Result<Listing, LakeError> {
        let listing = self.walk()?.into_month(&self.options.list)?;
        let is_offline = self.options.caching == Caching::Offline;
        let fresh = if is_offline { None } else { self.warn_of_fresh_files(&listing) };
        let warnings = listing.warnings.iter().cloned().chain(fresh);
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
        Ok(listing)
    }

    /// Lists all months that have a file, ascending, or what is wrong with one of them.
    pub fn list_months(&self) -> Result<Vec<ListedMonth>, LakeError> {
        let sorted = self.walk()?;
        let of_month = |month| {
            let options = ListOptions { month: Some(month), ..self.options.list.clone() };
            (month, sorted.clone().into_month(&options))
        };
        Ok(sorted.months().into_iter().map(of_month).collect())
    }

    /// What all inputs hold, sorted by month.
    fn walk(&self) -> Result<select::Sorted, LakeError> {
        let pattern = self.options.list.day_pattern.as_ref();
        let mut local = local::Walk::by(pattern);
        let mut remote = remote::Walk::by(pattern);
        for input in &self.inputs {
            match (input, &self.cache) {
                (Input::Local(path), _) => local.add(path)?,
                (Input::Hdfs(uri), Some(cache)) => match self.sources.get(&uri.root()) {
                    Some(source) => remote.add(uri, source.as_ref(), cache)?,
                    None => remote.found.extend(remote::cached(uri, cache)?),
                },
                (Input::Hdfs(uri), None) => {
                    return Err(LakeError::new(LakeErrorKind::Internal, uri.to_string(), "has no cache"));
                }
            }
        }
        remote.found.sort_by(|a, b| a.uri.cmp(&b.uri));
        remote.found.dedup_by(|a, b| a.uri == b.uri);
        let warnings = local.take_warnings().into_iter().chain(remote.warnings);
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(warnings);
        let (mut found, n_left_out, mut suspects) = local.finish();
        found.extend(remote.found);
        suspects.extend(remote.suspects);
        let is_offline = self.is_remote() && self.options.caching == Caching::Offline;
        if found.is_empty() && is_offline {
            return Err(LakeError::new(LakeErrorKind::NotCached, &self.name, "the cache holds nothing of it"));
        }
        let n_left_out = n_left_out + remote.n_left_out;
        select::sort(&self.name, found, n_left_out, suspects, &self.options.list)
    }

    /// A word about remote files that were changed a moment ago. A file system of this machine says by itself when a
    /// file changes while it is read.
    fn warn_of_fresh_files(&self, listing: &Listing) -> Option<String> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let is_fresh = |file: &&DataFile| now_ms.saturating_sub(file.modified_ms) < FRESH_MS;
        let fresh: Vec<&DataFile> =
            listing.files.iter().filter(is_fresh).filter(|file| self.remote_uri(&file.uri).is_some()).collect();
        let first = &fresh.first()?.uri;
        Some(match fresh.len() {
            1 => format!("{first} was changed less than 10 minutes ago: it may still be written to"),
            n => format!(
                "{}, such as {first}, were changed less than 10 minutes ago: they may still be written to",
                counted(n as u64, "file")
            ),
        })
    }

    /// What looked odd while the lake was listed, one line each, in order.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Yields the files of `listing`: those on this machine at once and as [`sort_for_scan`] puts them, the others as they
    /// arrive. `progress` advances by the bytes of the listing.
    pub fn arrivals(&self, listing: &Listing, progress: Progress) -> Result<Arrivals, LakeError> {
        let mut ready = Vec::new();
        let mut requests = Vec::new();
        for file in &listing.files {
            let Some(uri) = self.remote_uri(&file.uri) else {
                ready.push(file.clone());
                continue;
            };
            if self.options.caching != Caching::Refresh
                && self.options.verify == Verify::No
                && let Some(file) = self.cache.as_ref().and_then(|cache| cache.find(file))
            {
                ready.push(file);
                continue;
            }
            let source = self.sources.get(&uri.root()).map(|source| (Arc::clone(source), uri.path));
            requests.push(PullRequest { file: file.clone(), source });
        }
        sort_for_scan(&mut ready);
        if let Some(cache) = &self.cache {
            let is_missing = |file: &&DataFile| self.options.caching == Caching::Refresh || !cache.contains(file);
            let missing: Vec<DataFile> =
                requests.iter().map(|request| &request.file).filter(is_missing).cloned().collect();
            cache.check_space(&missing)?;
        }
        let options = PullOptions {
            cache: self.cache.clone(),
            caching: self.options.caching,
            verify: self.options.verify,
            n_jobs: self.options.n_jobs,
            retry: RetryPolicy::default(),
        };
        Ok(Arrivals::start(ready, requests, options, progress))
    }

    /// Removes from the cache what is not in `listing`, unfinished pulls included.
    pub fn prune(&self, listing: &Listing) -> Result<PruneSummary, LakeError> {
        let Some(cache) = &self.cache else { return Ok(PruneSummary::default()) };
        let keep = listing.files.iter().map(|file| file.uri.as_str()).collect();
        let (files, bytes) = cache.prune(&keep)?;
        Ok(PruneSummary { files, bytes })
    }

    /// Pairs of files of a day in `listing` that hold the same data, and why that seems so. Nothing is pulled: where files
    /// lie elsewhere their ends are compared.
    pub fn equal_files<'a>(&self, listing: &'a Listing) -> Result<(Vec<[&'a DataFile; 2]>, &'static str), LakeError> {
        match self.is_remote() {
            true => Ok((same::equal_ends(self, &listing.files)?, EQUAL_ENDS)),
            false => Ok((equal_files(&listing.files)?, EQUAL_BYTES)),
        }
    }

    /// `uri` in parts if it is one of a remote input.
    fn remote_uri(&self, uri: &str) -> Option<HdfsUri> {
        self.inputs.iter().find_map(|input| match input {
            Input::Local(_) => None,
            Input::Hdfs(input) => {
                let path = uri.strip_prefix(&input.root()).filter(|path| path.starts_with('/'))?;
                Some(HdfsUri { path: path.to_owned(), ..input.clone() })
            }
        })
    }
}

#[cfg(test)]
mod tests;
