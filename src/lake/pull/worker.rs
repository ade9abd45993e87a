//! One thread of a pull: takes a file, gets it in as many attempts as it takes, sends it on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::retry::Attempts;
use super::{PullOptions, PullRequest};
use crate::console::Progress;
use crate::lake::arriving::FileFailure;
use crate::lake::cache::{Cache, PartialFile};
use crate::lake::source::{Entry, Source, SourceError, SourceFault};
use crate::lake::{Caching, DataFile, LakeError, LakeErrorKind, Verify};
use crate::units::counted;

/// How often a waiting thread looks whether the pull was stopped.
const STOP_POLL: Duration = Duration::from_millis(100);

/// What the threads of a pull share.
pub(super) struct Shared {
    requests: Mutex<VecDeque<PullRequest>>,
    options: PullOptions,
    pub progress: Progress,
    stop: AtomicBool,
    /// Only files before this one are still wanted.
    bound: Mutex<Option<String>>,
    pulled_files: AtomicU64,
    pulled_bytes: AtomicU64,
    started: Instant,
    last_ms: AtomicU64,
}

/// Bytes of one file that the bar counts: never more than were listed, and none twice, however often it is begun.
struct FileProgress<'a> {
    progress: &'a Progress,
    listed_bytes: u64,
    counted_bytes: u64,
}

impl FileProgress<'_> {
    /// Says that the first `n_bytes` of the file are here.
    fn reach(&mut self, n_bytes: u64) {
        let n_bytes = n_bytes.min(self.listed_bytes);
        self.progress.advance(n_bytes.saturating_sub(self.counted_bytes));
        self.counted_bytes = self.counted_bytes.max(n_bytes);
    }

    fn finish(mut self) {
        self.reach(u64::MAX);
    }
}

/// Why a file did not come.
enum PullFailure {
    Source(SourceError),
    Lake(LakeError),
    Stopped,
}

impl From<SourceError> for PullFailure {
    fn from(error: SourceError) -> PullFailure {
        PullFailure::Source(error)
    }
}

impl From<LakeError> for PullFailure {
    fn from(error: LakeError) -> PullFailure {
        PullFailure::Lake(error)
    }
}

impl Shared {
    pub fn new(requests: Vec<PullRequest>, options: PullOptions, progress: Progress) -> Shared {
        Shared {
            requests: Mutex::new(requests.into()),
            options,
            progress,
            stop: AtomicBool::new(false),
            bound: Mutex::default(),
            pulled_files: AtomicU64::new(0),
            pulled_bytes: AtomicU64::new(0),
            started: Instant::now(),
            last_ms: AtomicU64::new(0),
        }
    }

    /// Files and bytes that came over the network, and the seconds up to the last file.
    pub fn pulled(&self) -> (u64, u64, f64) {
        let wall_s = self.last_ms.load(Ordering::Relaxed) as f64 / 1000.0;
        (self.pulled_files.load(Ordering::Relaxed), self.pulled_bytes.load(Ordering::Relaxed), wall_s)
    }

    /// Ends the pull, as nobody wants its files any more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Says that only files before `uri` are still wanted.
    pub fn stop_at(&self, uri: &str) {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if bound.as_deref().is_none_or(|bound| uri < bound) {
            *bound = Some(uri.to_owned());
        }
    }

    /// Whether [`Shared::stop_at`] was called.
    pub fn is_bounded(&self) -> bool {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub fn work(&self, send: &Sender<Result<DataFile, FileFailure>>) {
        while !self.stop.load(Ordering::Relaxed) {
            let request = self.requests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(PullRequest { file, source }) = request else { return };
            let uri = file.uri.clone();
            if self.is_stopped(&uri) {
                continue;
            }
            let result = match self.obtain(file, source.as_ref()) {
                Ok(file) => Ok(file),
                Err(PullFailure::Source(error)) => Err(error.at(&uri)),
                Err(PullFailure::Lake(error)) => Err(error),
                Err(PullFailure::Stopped) => continue,
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

    fn obtain(&self, file: DataFile, source: Option<&(Arc<dyn Source>, String)>) -> Result<DataFile, PullFailure> {
        let cache =
            self.options.cache.as_ref().ok_or_else(|| {
                LakeError::new(LakeErrorKind::Internal, &file.uri, "there is no cache to pull it into")
            })?;
        if self.options.caching != Caching::Refresh
            && let Some(file) = cache.find(&file)
        {
            let is_sound = self.options.verify == Verify::No || cache.verify(&file)?;
            if is_sound {
                self.progress.advance(file.n_bytes);
                return Ok(file);
            }
            if source.is_none() {
                return Err(LakeError::new(
                    LakeErrorKind::Damaged,
                    &file.uri,
                    format!("its copy {} is damaged", file.path.display()),
                )
                .advise("run again without --offline to pull it again")
                .into());
            }
        }
        let Some((source, path)) = source else {
            return Err(LakeError::new(LakeErrorKind::NotCached, &file.uri, "is not in the cache").into());
        };
        let progress = FileProgress { progress: &self.progress, listed_bytes: file.n_bytes, counted_bytes: 0 };
        let transfer = Transfer { shared: self, cache, source: source.as_ref(), path, progress };
        let pulled = transfer.pull(file)?;
        self.pulled_files.fetch_add(1, Ordering::Relaxed);
        Ok(pulled)
    }

    fn wait(&self, backoff: Duration, uri: &str) -> Result<(), PullFailure> {
        let end = Instant::now() + backoff;
        loop {
            if self.is_stopped(uri) {
                return Err(PullFailure::Stopped);
            }
            match end.saturating_duration_since(Instant::now()) {
                Duration::ZERO => return Ok(()),
                left => std::thread::sleep(left.min(STOP_POLL)),
            }
        }
    }
}

/// One file on its way from the source into the cache.
struct Transfer<'a> {
    shared: &'a Shared,
    cache: &'a Cache,
    source: &'a dyn Source,
    /// Where the source has it.
    path: &'a str,
    progress: FileProgress<'a>,
}

impl Transfer<'_> {
    /// Pulls `file`. One that changes meanwhile is started over once.
    fn pull(mut self, mut file: DataFile) -> Result<DataFile, PullFailure> {
        match self.pull_version(&file) {
            Err(PullFailure::Source(error)) if error.kind == SourceFault::Changed => {
                PartialFile::discard(self.cache, &file);
                let now = self.source.stat(self.path)?;
                if (now.n_bytes, now.modified_ms) == (file.n_bytes, file.modified_ms) {
                    return Err(error.into());
                }
                (file.n_bytes, file.modified_ms) = (now.n_bytes, now.modified_ms);
                file.local_modified_ms = self.pull_version(&file)?;
            }
            result => file.local_modified_ms = result?,
        }
        self.progress.finish();
        Ok(file)
    }

    /// Pulls the version of the file that was listed, in as many attempts as it takes. Returns its time in the
    /// cache, in milliseconds since 1970.
    fn pull_version(&mut self, file: &DataFile) -> Result<i64, PullFailure> {
        let mut attempts = Attempts::new(self.shared.options.retry);
        loop {
            let mut reached = 0;
            let error = match self.attempt(file, &mut reached) {
                Err(PullFailure::Source(error)) if error.kind == SourceFault::Transient => error,
                result => return result,
            };
            let [jitter, ..] = crc32c::crc32c(file.uri.as_bytes()).to_le_bytes();
            match attempts.fail(reached, jitter) {
                Some(backoff) => self.shared.wait(backoff, &file.uri)?,
                None => {
                    let what = format!(
                        "{} (gave up after {}; {reached} of {} bytes are in the cache)",
                        error.what,
                        counted(u64::from(attempts.n_failed()), "attempt"),
                        file.n_bytes
                    );
                    return Err(SourceError { what, ..error }.into());
                }
            }
        }
    }

    /// Gets the rest of the file in one stream, and puts the file into its place when it is whole. `reached` is how far it
    /// came. Returns its time in the cache, in milliseconds since 1970.
    fn attempt(&mut self, file: &DataFile, reached: &mut u64) -> Result<i64, PullFailure> {
        let mut part = PartialFile::resume(self.cache, file)?;
        *reached = part.n_bytes();
        self.progress.reach(*reached);
        if part.n_bytes() < file.n_bytes {
            let read = self.read(&mut part, file);
            *reached = part.n_bytes();
            if read.is_err() || *reached < file.n_bytes {
                part.checkpoint()?;
            }
            read?;
        }
        let now = self.source.stat(self.path)?;
        if (now.n_bytes, now.modified_ms) != (file.n_bytes, file.modified_ms) {
            let what =
                format!("changed while it was pulled: it had {} bytes and has {} now", file.n_bytes, now.n_bytes);
            return Err(SourceError::new(SourceFault::Changed, what)
                .advise("run again when nothing writes to it any more")
                .into());
        }
        // An empty file was warned of when it was listed: it may be a day without records as well.
        if now.looks_open && now.n_bytes > 0 {
            let what =
                format!("is still being written: its {} bytes are whole blocks, and it was not closed", now.n_bytes);
            return Err(SourceError::new(SourceFault::Changed, what)
                .advise("run again when its writer has closed it; if nobody writes to it, `hdfs dfs -touch -m` says so")
                .into());
        }
        if part.n_bytes() < file.n_bytes {
            let what = format!("the stream ended at byte {}", part.n_bytes());
            return Err(SourceError::new(SourceFault::Transient, what).into());
        }
        Ok(part.finish()?)
    }

    /// Adds what the source has after the part.
    fn read(&mut self, part: &mut PartialFile<'_>, file: &DataFile) -> Result<(), PullFailure> {
        let mut chunks = self.source.open(&Entry::of_file(file, self.path), part.n_bytes())?;
        while let Some(batch) = chunks.next()? {
            let n_before = part.n_bytes();
            part.write(&batch)?;
            self.progress.reach(part.n_bytes());
            self.shared.pulled_bytes.fetch_add(part.n_bytes() - n_before, Ordering::Relaxed);
            if self.shared.is_stopped(&file.uri) {
                return Err(PullFailure::Stopped);
            }
        }
        match part.n_bytes() {
            n if n > file.n_bytes => {
                Err(SourceError::new(SourceFault::Changed, format!("has {n} bytes, more than were listed")).into())
            }
            _ => Ok(()),
        }
    }
}
