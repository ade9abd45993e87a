//! Pulls files into the cache: several at once, each with retries that go on where the last attempt stopped.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::arriving::{Arrival, FileFailure, FileStream};
use super::cache::{Cache, Part};
use super::source::{Entry, EntryKind, Fault, Source, SourceError};
use super::{Caching, DataFile, LakeError, Verify};
use crate::console::Progress;

/// When to give up on a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Attempts without a new byte.
    pub n_attempts: u32,
    /// Time without a new byte after which no further attempt starts.
    pub silence: Duration,
    /// Pause before the second attempt; it doubles with each one.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            n_attempts: 5,
            silence: Duration::from_secs(30),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(15),
        }
    }
}

/// A file to get, and where from; `None` for one that may only come from the cache.
pub(crate) struct Order {
    pub file: DataFile,
    pub source: Option<(Arc<dyn Source>, String)>,
}

/// How to get the files.
pub(crate) struct Terms {
    pub cache: Option<Arc<Cache>>,
    pub caching: Caching,
    pub verify: Verify,
    pub n_jobs: usize,
    pub patience: Patience,
}

/// What a pull did. Seconds are wall-clock seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PullSummary {
    /// Files that are ready, pulled or not.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that came over the network.
    pub pulled_files: u64,
    /// Bytes that came over the network; a resumed file counts what it still lacked.
    pub pulled_bytes: u64,
    /// From the start to the last file.
    pub wall_s: f64,
}

struct Shared {
    orders: Mutex<VecDeque<Order>>,
    terms: Terms,
    progress: Progress,
    stop: AtomicBool,
    /// Only files before this one are still wanted.
    bound: Mutex<Option<String>>,
    pulled_files: AtomicU64,
    pulled_bytes: AtomicU64,
    started: Instant,
    last_ms: AtomicU64,
}

/// Files as they arrive, in no particular order; the first error ends it. Dropping it stops the pull.
pub struct Arrivals {
    ready: VecDeque<DataFile>,
    receive: Receiver<Result<DataFile, FileFailure>>,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    summary: PullSummary,
    n_expected: u64,
    n_failed: u64,
    is_over: bool,
}

impl Arrivals {
    /// Yields `ready` at once and gets `orders` meanwhile.
    pub(crate) fn start(ready: Vec<DataFile>, orders: Vec<Order>, terms: Terms, progress: Progress) -> Arrivals {
        let n_workers = terms.n_jobs.clamp(1, 16).min(orders.len());
        let n_expected = (ready.len() + orders.len()) as u64;
        let shared = Arc::new(Shared {
            orders: Mutex::new(orders.into()),
            terms,
            progress,
            stop: AtomicBool::new(false),
            bound: Mutex::default(),
            pulled_files: AtomicU64::new(0),
            pulled_bytes: AtomicU64::new(0),
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
        });
        let (send, receive) = channel();
        let work = |_| {
            let (shared, send) = (Arc::clone(&shared), send.clone());
            std::thread::spawn(move || shared.work(&send))
        };
        let workers = (0..n_workers).map(work).collect();
        for file in &ready {
            shared.progress.advance(file.n_bytes);
        }
        let summary = PullSummary::default();
        Arrivals { ready: ready.into(), receive, shared, workers, summary, n_expected, n_failed: 0, is_over: false }
    }

    /// What was done so far; whole when the last file has come.
    pub fn summary(&self) -> PullSummary {
        PullSummary {
            pulled_files: self.shared.pulled_files.load(Ordering::Relaxed),
            pulled_bytes: self.shared.pulled_bytes.load(Ordering::Relaxed),
            wall_s: self.shared.last_ms.load(Ordering::Relaxed) as f64 / 1000.0,
            ..self.summary
        }
    }
}

impl Arrivals {
    fn count(&mut self, file: &DataFile) {
        self.summary.files += 1;
        self.summary.bytes += file.n_bytes;
    }

    /// What is told when nothing more will come: a worker that panicked must not be missed silently.
    fn end(&mut self) -> Option<FileFailure> {
        let is_bounded = self.shared.bound.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let is_missing = !self.is_over && !is_bounded && self.summary.files + self.n_failed < self.n_expected;
        self.is_over = true;
        let what =
            format!("only {} of {} files came: the pull failed unexpectedly", self.summary.files, self.n_expected);
        let error = LakeError::at("lake", what).advise("run again, and report this if it comes again");
        is_missing.then(|| FileFailure { uri: String::new(), error })
    }

    fn note(&mut self, came: Result<DataFile, FileFailure>) -> Result<DataFile, FileFailure> {
        match &came {
            Ok(file) => self.count(file),
            Err(_) => self.n_failed += 1,
        }
        came
    }
}

impl FileStream for Arrivals {
    fn try_next(&mut self) -> Arrival {
        if let Some(file) = self.ready.pop_front() {
            self.count(&file);
            return Arrival::File(Ok(file));
        }
        match self.receive.try_recv() {
            Ok(came) => Arrival::File(self.note(came)),
            Err(TryRecvError::Empty) => Arrival::NotYet,
            Err(TryRecvError::Disconnected) => self.end().map_or(Arrival::End, |failure| Arrival::File(Err(failure))),
        }
    }

    fn wait_next(&mut self) -> Option<Result<DataFile, FileFailure>> {
        if let Some(file) = self.ready.pop_front() {
            self.count(&file);
            return Some(Ok(file));
        }
        match self.receive.recv() {
            Ok(came) => Some(self.note(came)),
            Err(_) => self.end().map(Err),
        }
    }

    fn stop_at(&mut self, uri: &str) {
        self.ready.retain(|file| file.uri.as_str() < uri);
        let mut bound = self.shared.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.as_deref().is_none_or(|bound| uri < bound) {
            *bound = Some(uri.to_owned());
        }
    }
}

impl Iterator for Arrivals {
    type Item = Result<DataFile, LakeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.wait_next().map(|came| came.map_err(|failure| failure.error));
        if !matches!(next, Some(Ok(_))) {
            self.is_over = true;
            self.shared.stop.store(true, Ordering::Relaxed);
        }
        next
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has sent nothing; there is nothing left to do for it here.
            let _ = worker.join();
        }
    }
}

/// Why a file did not come.
enum Failure {
    Source(SourceError),
    Lake(LakeError),
    Stopped,
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure::Source(error)
    }
}

impl From<LakeError> for Failure {
    fn from(error: LakeError) -> Failure {
        Failure::Lake(error)
    }
}

impl Shared {
    fn work(&self, send: &Sender<Result<DataFile, FileFailure>>) {
        while !self.stop.load(Ordering::Relaxed) {
            let order = self.orders.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Order { file, source }) = order else { return };
            let uri = file.uri.clone();
            if self.is_stopped(&uri) {
                continue;
            }
            let result = match self.obtain(file, source.as_ref()) {
                Ok(file) => Ok(file),
                Err(Failure::Source(error)) => Err(error.at(&uri)),
                Err(Failure::Lake(error)) => Err(error),
                Err(Failure::Stopped) => continue,
            };
            let elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last_ms.fetch_max(elapsed_ms, Ordering::Relaxed);
            let result = result.map_err(|error| FileFailure { uri, error });
            if send.send(result).is_err() {
                return;
            }
        }
    }

    /// Whether the pull was stopped, or this file comes after an error.
    fn is_stopped(&self, uri: &str) -> bool {
        let bound = || self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.load(Ordering::Relaxed) || bound().as_deref().is_some_and(|bound| uri >= bound)
    }

    fn obtain(&self, file: DataFile, source: Option<&(Arc<dyn Source>, String)>) -> Result<DataFile, Failure> {
        let cache =
            self.terms.cache.as_ref().ok_or_else(|| LakeError::at(&file.uri, "there is no cache to pull it into"))?;
        if self.terms.caching != Caching::Refresh
            && let Some(file) = cache.find(&file)
        {
            let is_sound = self.terms.verify == Verify::No || cache.verify(&file)?;
            if is_sound {
                self.progress.advance(file.n_bytes);
                return Ok(file);
            }
            if source.is_none() {
                return Err(LakeError::at(&file.uri, format!("its copy {} is damaged", file.path.display()))
                    .advise("run again without --offline to pull it again")
                    .into());
            }
        }
        let Some((source, path)) = source else {
            return Err(LakeError::at(&file.uri, "is not in the cache")
                .advise("run again without --offline to pull it")
                .into());
        };
        let pulled = self.pull(cache, file, source.as_ref(), path)?;
        self.pulled_files.fetch_add(1, Ordering::Relaxed);
        Ok(pulled)
    }

    /// Pulls `file` from `path`. A file that changes meanwhile is started over once.
    fn pull(&self, cache: &Cache, mut file: DataFile, source: &dyn Source, path: &str) -> Result<DataFile, Failure> {
        match self.pull_version(cache, &file, source, path) {
            Err(Failure::Source(error)) if error.kind == Fault::Changed => {
                Part::discard(cache, &file);
                let now = source.stat(path)?;
                if (now.n_bytes, now.modified_ms) == (file.n_bytes, file.modified_ms) {
                    return Err(error.into());
                }
                (file.n_bytes, file.modified_ms) = (now.n_bytes, now.modified_ms);
                file.local_modified_ms = self.pull_version(cache, &file, source, path)?;
            }
            result => file.local_modified_ms = result?,
        }
        Ok(file)
    }

    /// Pulls the version of the file that was listed, in as many attempts as it takes. Returns its time in the
    /// cache, in milliseconds since 1970.
    fn pull_version(&self, cache: &Cache, file: &DataFile, source: &dyn Source, path: &str) -> Result<i64, Failure> {
        let patience = self.terms.patience;
        let mut furthest = 0;
        let mut since = Instant::now();
        let mut n_attempts = 0;
        loop {
            let mut reached = 0;
            let error = match self.attempt(cache, file, source, path, &mut reached) {
                Err(Failure::Source(error)) if error.kind == Fault::Transient => error,
                result => return result,
            };
            if reached > furthest {
                furthest = reached;
                since = Instant::now();
                n_attempts = 0;
            }
            n_attempts += 1;
            if n_attempts >= patience.n_attempts || since.elapsed() >= patience.silence {
                let tries = if n_attempts == 1 { "1 attempt".to_owned() } else { format!("{n_attempts} attempts") };
                let what = format!(
                    "{} (gave up after {tries}; {reached} of {} bytes are in the cache)",
                    error.what, file.n_bytes
                );
                return Err(SourceError { what, ..error }.into());
            }
            let pause = patience.first_pause.saturating_mul(1 << (n_attempts - 1).min(16)).min(patience.longest_pause);
            // Files that failed together do not come back together.
            let spread = crc32c::crc32c(file.uri.as_bytes()) % 256;
            self.pause(pause.mul_f64(0.75 + f64::from(spread) / 512.0), &file.uri)?;
        }
    }

    /// Gets the rest of the file in one stream, and puts the file into its place when it is whole. `reached` is how far it
    /// came. Returns its time in the cache, in milliseconds since 1970.
    fn attempt(
        &self,
        cache: &Cache,
        file: &DataFile,
        source: &dyn Source,
        path: &str,
        reached: &mut u64,
    ) -> Result<i64, Failure> {
        let mut part = Part::resume(cache, file)?;
        *reached = part.n_bytes();
        let entry = Entry {
            path: path.to_owned(),
            kind: EntryKind::File,
            n_bytes: file.n_bytes,
            modified_ms: file.modified_ms,
            looks_open: false,
        };
        if part.n_bytes() < file.n_bytes {
            let read = self.read(&mut part, source, &entry, &file.uri);
            *reached = part.n_bytes();
            if read.is_err() || *reached < file.n_bytes {
                part.checkpoint()?;
            }
            read?;
        }
        let now = source.stat(path)?;
        if (now.n_bytes, now.modified_ms) != (file.n_bytes, file.modified_ms) {
            let what =
                format!("changed while it was pulled: it had {} bytes and has {} now", file.n_bytes, now.n_bytes);
            return Err(SourceError::new(Fault::Changed, what)
                .advise("run again when nothing writes to it any more")
                .into());
        }
        // An empty file was warned of when it was listed: it may be a day without records as well.
        if now.looks_open && now.n_bytes > 0 {
            let what =
                format!("is still being written: its {} bytes are whole blocks, and it was not closed", now.n_bytes);
            return Err(SourceError::new(Fault::Changed, what)
                .advise("run again when its writer has closed it; if nobody writes to it, `hdfs dfs -touch -m` says so")
                .into());
        }
        if part.n_bytes() < file.n_bytes {
            let what = format!("the stream ended at byte {}", part.n_bytes());
            return Err(SourceError::new(Fault::Transient, what).into());
        }
        Ok(part.finish()?)
    }

    fn read(&self, part: &mut Part<'_>, source: &dyn Source, entry: &Entry, uri: &str) -> Result<(), Failure> {
        let mut chunks = source.open(entry, part.n_bytes())?;
        while let Some(batch) = chunks.next()? {
            let n_before = part.n_bytes();
            part.write(&batch)?;
            self.progress.advance(part.n_bytes() - n_before);
            self.pulled_bytes.fetch_add(part.n_bytes() - n_before, Ordering::Relaxed);
            if self.is_stopped(uri) {
                return Err(Failure::Stopped);
            }
        }
        match part.n_bytes() {
            n if n > entry.n_bytes => {
                Err(SourceError::new(Fault::Changed, format!("has {n} bytes, more than were listed")).into())
            }
            _ => Ok(()),
        }
    }

    fn pause(&self, pause: Duration, uri: &str) -> Result<(), Failure> {
        let end = Instant::now() + pause;
        loop {
            if self.is_stopped(uri) {
                return Err(Failure::Stopped);
            }
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Ok(()),
                left => std::thread::sleep(left.min(Duration::from_millis(100))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use bytes::Bytes;

    use super::*;
    use crate::engine::calendar::Day;
    use crate::lake::input::HdfsUri;
    use crate::lake::source::Chunks;
    use crate::lake::{Compression, Format};

    /// What goes wrong in one call of `open`, in order of the calls.
    #[derive(Clone)]
    enum Mishap {
        /// The stream breaks after so many bytes.
        Break(usize),
        /// The stream ends after so many bytes, as if that were all.
        End(usize),
        /// The answer is this failure.
        Refuse(Fault),
        /// The source has a bug.
        Panic,
        /// The file is replaced by this content before it is read.
        Replace(Vec<u8>),
        /// The file is replaced by this content while it is read.
        ReplaceLate(Vec<u8>),
    }

    /// Files in memory, which fail on demand.
    #[derive(Default)]
    struct Faulty {
        files: Mutex<BTreeMap<String, (Vec<u8>, i64)>>,
        mishaps: Mutex<VecDeque<Mishap>>,
        /// Offsets at which files were opened.
        opened: Mutex<Vec<u64>>,
        /// Whether the files look as if their writers had not closed them.
        is_open: AtomicBool,
    }

    struct Served {
        left: VecDeque<Vec<u8>>,
        end: Result<(), SourceError>,
    }

    impl Chunks for Served {
        fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
            match self.left.pop_front() {
                Some(piece) => Ok(Some(vec![Bytes::from(piece)])),
                None => self.end.clone().map(|()| None),
            }
        }
    }

    impl Faulty {
        fn put(&self, path: &str, content: Vec<u8>) {
            let mut files = self.files.lock().unwrap();
            let modified_ms = 1_650_000_000_123 + files.get(path).map_or(0, |file| file.1 % 1000 + 1);
            files.insert(path.to_owned(), (content, modified_ms));
        }
    }

    impl Source for Faulty {
        fn stat(&self, path: &str) -> Result<Entry, SourceError> {
            let files = self.files.lock().unwrap();
            let (content, modified_ms) = files.get(path).ok_or_else(|| SourceError::new(Fault::Missing, "gone"))?;
            let n_bytes = content.len() as u64;
            Ok(Entry {
                path: path.to_owned(),
                kind: EntryKind::File,
                n_bytes,
                modified_ms: *modified_ms,
                looks_open: self.is_open.load(Ordering::Relaxed),
            })
        }

        fn list(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            unreachable!("the pull lists nothing")
        }

        fn glob(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            unreachable!("the pull lists nothing")
        }

        fn open(&self, entry: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError> {
            self.opened.lock().unwrap().push(offset);
            let mishap = self.mishaps.lock().unwrap().pop_front();
            if let Some(Mishap::Replace(content)) = &mishap {
                self.put(&entry.path, content.clone());
            }
            let content = self.files.lock().unwrap().get(&entry.path).map(|file| file.0.clone()).unwrap_or_default();
            let mut content = content.get(offset as usize..).unwrap_or_default().to_vec();
            let mut end = Ok(());
            match mishap {
                Some(Mishap::Break(n)) => {
                    content.truncate(n);
                    end = Err(SourceError::new(Fault::Transient, "broken"));
                }
                Some(Mishap::End(n)) => content.truncate(n),
                Some(Mishap::Panic) => panic!("a bug, on purpose"),
                Some(Mishap::Refuse(fault)) => return Err(SourceError::new(fault, "refused").advise("ask again")),
                Some(Mishap::ReplaceLate(content)) => self.put(&entry.path, content),
                Some(Mishap::Replace(_)) | None => {}
            }
            let left = content.chunks(1000).map(<[u8]>::to_vec).collect();
            Ok(Box::new(Served { left, end }))
        }
    }

    fn content(seed: u32, n_bytes: usize) -> Vec<u8> {
        (0..n_bytes as u32).map(|n| (n.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    /// A lake in memory with a cache.
    struct Setting {
        folder: tempfile::TempDir,
        source: Arc<Faulty>,
    }

    const PATHS: [&str; 3] = ["/lake/20220401.json", "/lake/odd #%?/20220402.json", "/lake/20220403.json"];

    impl Setting {
        fn new() -> Setting {
            let source = Arc::new(Faulty::default());
            for (seed, path) in PATHS.iter().enumerate() {
                source.put(path, content(seed as u32, 10_000 * seed + 5000));
            }
            Setting { folder: tempfile::tempdir().unwrap(), source }
        }

        fn cache(&self) -> Arc<Cache> {
            Arc::new(Cache::open(self.folder.path()).unwrap())
        }

        fn file(&self, cache: &Cache, path: &str) -> DataFile {
            let uri = HdfsUri { scheme: "hdfs".into(), authority: "memory".into(), path: path.into() };
            let entry = self.source.stat(path).unwrap();
            DataFile {
                uri: uri.to_string(),
                path: cache.path_of(&uri),
                day: Day::new(1).unwrap(),
                n_bytes: entry.n_bytes,
                modified_ms: entry.modified_ms,
                local_modified_ms: entry.modified_ms,
                format: Format::Ndjson,
                compression: Compression::None,
            }
        }

        /// Starts to pull `paths` one after the other.
        fn start(&self, paths: &[&str], caching: Caching, verify: Verify) -> Arrivals {
            let cache = self.cache();
            let order = |path: &&str| {
                let source: Option<(Arc<dyn Source>, String)> = match caching {
                    Caching::Offline => None,
                    _ => Some((Arc::clone(&self.source) as Arc<dyn Source>, (*path).to_owned())),
                };
                Order { file: self.file(&cache, path), source }
            };
            let terms = Terms {
                cache: Some(Arc::clone(&cache)),
                caching,
                verify,
                n_jobs: 1,
                patience: Patience {
                    n_attempts: 3,
                    silence: Duration::from_secs(20),
                    first_pause: Duration::from_millis(1),
                    longest_pause: Duration::from_millis(2),
                },
            };
            Arrivals::start(Vec::new(), paths.iter().map(order).collect(), terms, Progress::hidden())
        }

        /// Pulls `paths` one after the other and returns what came of it.
        fn pull(&self, paths: &[&str], caching: Caching, verify: Verify) -> (Result<u64, String>, PullSummary) {
            let mut arrivals = self.start(paths, caching, verify);
            let mut result = Ok(0);
            for file in arrivals.by_ref() {
                match file {
                    Ok(file) => {
                        let path = file.uri.strip_prefix("hdfs://memory").unwrap();
                        let (expected, modified_ms) = self.source.files.lock().unwrap()[path].clone();
                        assert!(std::fs::read(&file.path).unwrap() == expected, "{path} differs");
                        assert_eq!((file.n_bytes, file.modified_ms), (expected.len() as u64, modified_ms));
                        crate::lake::read::mapped::MappedFile::open(&file).unwrap();
                        result = result.map(|n| n + 1);
                    }
                    Err(error) => result = Err(error.to_string()),
                }
            }
            (result, arrivals.summary())
        }

        /// Pulls the first file after `mishaps`. `expected` is the offsets of its streams, or the error.
        fn check(&self, mishaps: &[Mishap], expected: Result<&[u64], &str>) {
            *self.source.mishaps.lock().unwrap() = mishaps.to_vec().into();
            self.source.opened.lock().unwrap().clear();
            let (result, _) = self.pull(&PATHS[..1], Caching::Use, Verify::No);
            match expected {
                Ok(offsets) => {
                    assert_eq!(result, Ok(1), "{} mishaps", mishaps.len());
                    assert_eq!(*self.source.opened.lock().unwrap(), offsets, "{} mishaps", mishaps.len());
                }
                Err(text) => {
                    let message = result.unwrap_err();
                    assert!(
                        message.contains(PATHS[0]) && message.contains(text),
                        "{} mishaps: {message}",
                        mishaps.len()
                    );
                }
            }
            self.source.mishaps.lock().unwrap().clear();
        }
    }

    #[test]
    fn a_second_run_pulls_only_what_changed() {
        let setting = Setting::new();
        let check = |caching: Caching, verify: Verify, n_pulled: u64, pulled_bytes: u64| {
            let (result, summary) = setting.pull(&PATHS, caching, verify);
            assert_eq!(result, Ok(3));
            let counted = (summary.files, summary.bytes, summary.pulled_files, summary.pulled_bytes);
            assert_eq!(counted, (3, 45_000, n_pulled, pulled_bytes), "{caching:?}");
        };
        check(Caching::Use, Verify::No, 3, 45_000);
        check(Caching::Use, Verify::No, 0, 0);
        setting.source.put(PATHS[1], content(9, 15_000));
        check(Caching::Use, Verify::No, 1, 15_000);
        check(Caching::Offline, Verify::Yes, 0, 0);
        check(Caching::Refresh, Verify::No, 3, 45_000);
        // A damaged copy of the right size and time is seen by --verify only.
        let cache = setting.cache();
        let file = setting.file(&cache, PATHS[2]);
        drop(cache);
        std::fs::remove_file(&file.path).unwrap();
        std::fs::write(&file.path, vec![0; 25_000]).unwrap();
        let at = std::time::UNIX_EPOCH + Duration::from_millis(file.modified_ms as u64);
        std::fs::File::options().write(true).open(&file.path).unwrap().set_modified(at).unwrap();
        let (result, _) = setting.pull(&PATHS, Caching::Offline, Verify::Yes);
        assert!(result.unwrap_err().ends_with("is damaged"));
        check(Caching::Use, Verify::Yes, 1, 25_000);
        // A shorter one is seen always.
        std::fs::remove_file(&file.path).unwrap();
        std::fs::write(&file.path, b"short").unwrap();
        check(Caching::Use, Verify::No, 1, 25_000);
        let is_readonly = |path: &Path| std::fs::metadata(path).unwrap().permissions().readonly();
        assert!(is_readonly(&file.path));
    }

    #[test]
    fn a_pull_of_which_only_the_first_files_are_wanted_leaves_the_others() {
        let setting = Setting::new();
        let mut arrivals = setting.start(&PATHS, Caching::Use, Verify::No);
        arrivals.stop_at(&format!("hdfs://memory{}", PATHS[1]));
        let mut came = Vec::new();
        while let Some(file) = arrivals.wait_next() {
            came.push(file.unwrap().uri);
        }
        assert!(came.contains(&format!("hdfs://memory{}", PATHS[0])), "{came:?}");
        // A file that was whole already when the pull was stopped may come.
        assert!(came.len() <= 3);
        drop(arrivals);
        let mut none = setting.start(&PATHS, Caching::Refresh, Verify::No);
        none.stop_at("hdfs://memory/");
        assert!(none.by_ref().all(|file| file.is_ok()), "stopping is no error");
    }

    #[test]
    fn broken_streams_are_taken_up_where_they_broke() {
        use Mishap::{Break, End, Refuse};
        let check = |mishaps: &[Mishap], expected: Result<&[u64], &str>| Setting::new().check(mishaps, expected);
        check(&[], Ok(&[0]));
        check(&[Break(2500)], Ok(&[0, 2500]));
        check(&[End(2500)], Ok(&[0, 2500]));
        check(&[Break(5000)], Ok(&[0]));
        check(&[Break(10), Break(10), Break(10), Break(10), Break(10), Break(10)], Ok(&[0, 10, 20, 30, 40, 50, 60]));
        check(&[Refuse(Fault::Transient), Break(1), Refuse(Fault::Transient)], Ok(&[0, 0, 1, 1]));
        check(
            &[Break(7), Break(0), Break(0), Break(0)],
            Err("broken (gave up after 3 attempts; 7 of 5000 bytes are in the cache)"),
        );
        check(&[Refuse(Fault::Permanent)], Err("refused"));
        check(&[Refuse(Fault::Missing)], Err("refused"));
    }

    #[test]
    fn a_bug_in_the_source_is_not_a_missing_file() {
        let setting = Setting::new();
        setting.source.mishaps.lock().unwrap().push_back(Mishap::Panic);
        let (result, _) = setting.pull(&PATHS, Caching::Use, Verify::No);
        assert!(result.unwrap_err().contains("only 0 of 3 files came"));
        assert_eq!(setting.pull(&PATHS, Caching::Use, Verify::No).0, Ok(3));
    }

    #[test]
    fn a_later_run_resumes() {
        use Mishap::Break;
        let setting = Setting::new();
        setting.check(&[Break(3000), Break(0), Break(0), Break(0)], Err("gave up after 3 attempts"));
        setting.check(&[], Ok(&[3000]));
        // Not if the bytes that were there are no longer sound, or belong to another version.
        let setting = Setting::new();
        setting.check(&[Break(3000), Break(0), Break(0), Break(0)], Err("gave up"));
        let partial = setting.folder.path().join("partial");
        let part = std::fs::read_dir(&partial)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.extension().unwrap() == "part");
        let part = part.unwrap();
        let mut bytes = std::fs::read(&part).unwrap();
        bytes[17] ^= 1;
        std::fs::write(&part, bytes).unwrap();
        setting.check(&[Break(1000), Break(0), Break(0), Break(0)], Err("1000 of 5000 bytes"));
        setting.source.put(PATHS[0], content(4, 6000));
        setting.check(&[], Ok(&[0]));
        assert_eq!(std::fs::read_dir(&partial).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_changes_is_started_over_once() {
        use Mishap::{Refuse, Replace, ReplaceLate};
        let check = |mishaps: &[Mishap], expected: Result<&[u64], &str>| Setting::new().check(mishaps, expected);
        check(&[Replace(content(7, 5000))], Ok(&[0, 0]));
        check(&[Replace(content(7, 9000))], Ok(&[0, 0]));
        check(&[Replace(content(7, 3000))], Ok(&[0, 0]));
        check(&[ReplaceLate(content(7, 5000))], Ok(&[0, 0]));
        check(&[ReplaceLate(content(7, 5000)), ReplaceLate(content(8, 6000))], Err("changed while it was pulled"));
        // Still open for writing: nothing new to see.
        check(&[Refuse(Fault::Changed)], Err("refused"));
    }

    #[test]
    fn a_file_that_is_still_being_written_is_not_taken_for_whole() {
        let setting = Setting::new();
        setting.source.is_open.store(true, Ordering::Relaxed);
        setting.check(&[], Err("is still being written: its 5000 bytes are whole blocks, and it was not closed"));
        setting.source.is_open.store(false, Ordering::Relaxed);
        setting.check(&[], Ok(&[0]));
    }

    #[test]
    fn pruning_leaves_what_is_wanted() {
        let setting = Setting::new();
        setting.pull(&PATHS[1..], Caching::Use, Verify::No).0.unwrap();
        setting.check(&[Mishap::Break(3000), Mishap::Break(0), Mishap::Break(0), Mishap::Break(0)], Err("gave up"));
        let cache = setting.cache();
        let kept = setting.file(&cache, PATHS[1]);
        let (n_files, n_bytes) = cache.prune(&[kept.uri.as_str()].into()).unwrap();
        assert_eq!(n_files, 3); // One file of 25 000 bytes, one partial and its note.
        assert!(n_bytes > 28_000, "{n_bytes}");
        assert!(cache.contains(&kept));
        assert_eq!(cache.lines().len(), 1);
        cache.prune(&[].into()).unwrap();
        assert!(!setting.folder.path().join("hdfs").exists());
    }
}
