//! Pulls files into the cache: several at once, each with retries that go on where the last attempt stopped.

mod retry;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;

use super::arriving::{Arrival, FileFailure, FileStream};
use super::cache::Cache;
use super::source::Source;
use super::{Caching, DataFile, LakeError, LakeErrorKind, Verify};
use crate::console::Progress;

pub(crate) use retry::{Attempts, RetryPolicy};
use worker::Shared;

/// A file to get, and where from; `None` for one that may only come from the cache.
pub(crate) struct PullRequest {
    pub file: DataFile,
    pub source: Option<(Arc<dyn Source>, String)>,
}

/// How to get the files.
pub(crate) struct PullOptions {
    pub cache: Option<Arc<Cache>>,
    pub caching: Caching,
    pub verify: Verify,
    pub n_jobs: usize,
    pub retry: RetryPolicy,
}

/// What a pull did. Seconds are wall-clock seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PullSummary {
    /// Files that are ready, pulled or not.
    pub files: u64,
    pub bytes: u64,
    /// Files that came over the network.
    pub pulled_files: u64,
    /// Bytes that came over the network; a resumed file counts what it still lacked.
    pub pulled_bytes: u64,
    /// From the start to the last file.
    pub wall_s: f64,
}

/// Files as they arrive, in no particular request; the first error ends it. Dropping it stops the pull.
pub struct Arrivals {
    ready: VecDeque<DataFile>,
    receive: Receiver<Result<DataFile, FileFailure>>,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    summary: PullSummary,
    /// The files that have come.
    came: Vec<DataFile>,
    n_expected: u64,
    n_failed: u64,
    is_over: bool,
}

impl Arrivals {
    /// Yields `ready` at once and gets `requests` meanwhile.
    pub(crate) fn start(
        ready: Vec<DataFile>,
        requests: Vec<PullRequest>,
        options: PullOptions,
        progress: Progress,
    ) -> Arrivals {
        let n_workers = options.n_jobs.clamp(1, 16).min(requests.len());
        let n_expected = (ready.len() + requests.len()) as u64;
        let shared = Arc::new(Shared::new(requests, options, progress));
        let (send, receive) = channel();
        let work = |_| {
            let (shared, send) = (Arc::clone(&shared), send.clone());
            std::thread::spawn(move || shared.work(&send))
        };
        let workers = (0..n_workers).map(work).collect();
        shared.progress.advance(ready.iter().map(|file| file.n_bytes).sum());
        Arrivals {
            ready: ready.into(),
            receive,
            shared,
            workers,
            summary: PullSummary::default(),
            came: Vec::new(),
            n_expected,
            n_failed: 0,
            is_over: false,
        }
    }

    /// What was done so far; whole when the last file has come.
    pub fn summary(&self) -> PullSummary {
        let (pulled_files, pulled_bytes, wall_s) = self.shared.pulled();
        PullSummary { pulled_files, pulled_bytes, wall_s, ..self.summary }
    }

    /// The files that have come, ordered by URI: as they are on this machine, which may not be as they were listed.
    pub fn into_files(mut self) -> Vec<DataFile> {
        let mut files = std::mem::take(&mut self.came);
        files.sort_by(|a, b| a.uri.cmp(&b.uri));
        files
    }
}

impl Arrivals {
    fn count(&mut self, file: &DataFile) {
        self.summary.files += 1;
        self.summary.bytes += file.n_bytes;
        self.came.push(file.clone());
    }

    /// What is told when nothing more will come: a worker that panicked must not be missed silently.
    fn end(&mut self) -> Option<FileFailure> {
        let is_bounded = self.shared.is_bounded();
        let is_missing = !self.is_over && !is_bounded && self.summary.files + self.n_failed < self.n_expected;
        self.is_over = true;
        let what =
            format!("only {} of {} files came: the pull failed unexpectedly", self.summary.files, self.n_expected);
        let error = LakeError::new(LakeErrorKind::Internal, "lake", what);
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
        self.shared.stop_at(uri);
    }

    fn ready(&self) -> Vec<DataFile> {
        self.ready.iter().cloned().collect()
    }

    fn n_left(&self) -> Option<usize> {
        usize::try_from(self.n_expected.saturating_sub(self.summary.files + self.n_failed)).ok()
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
            self.shared.stop();
        }
        next
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.shared.stop();
        for worker in self.workers.drain(..) {
            // A worker that panicked has sent nothing; there is nothing left to do for it here.
            let _ = worker.join();
        }
    }
}
