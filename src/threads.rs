//! Threads that compute.

use std::borrow::Cow;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::advice::Advice;

/// What to do where the machine gives no more threads.
pub(crate) const FEWER_THREADS: &str = "lower --threads, or raise the limit of this user (`ulimit -u`)";

/// Threads that the machine did not give.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {n_threads} threads: {source}")]
pub struct ThreadsError {
    /// How many were asked for.
    pub n_threads: usize,
    /// What the operating system says.
    pub source: rayon::ThreadPoolBuildError,
}

impl Advice for ThreadsError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        Some(FEWER_THREADS.into())
    }
}

/// Starts threads whose names begin with `name`; at least one.
///
/// # Errors
/// They cannot be started.
pub fn start(n_threads: usize, name: &'static str) -> Result<ThreadPool, ThreadsError> {
    let builder = ThreadPoolBuilder::new().num_threads(n_threads.max(1));
    builder.thread_name(move |i| format!("{name}-{i}")).build().map_err(|source| ThreadsError { n_threads, source })
}
