//! The stored bytes of a file in HDFS, in order, with the retries of a pull.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::lake::DataFile;
use crate::lake::pull::{Attempts, RetryPolicy};
use crate::lake::source::{Chunks, Entry, Source, SourceError, SourceFault};

/// What is left of a file from some byte on.
pub(super) struct RemoteStream {
    source: Arc<dyn Source>,
    entry: Entry,
    position: u64,
    attempts: Attempts,
    chunks: Option<Box<dyn Chunks>>,
    arrived: VecDeque<Bytes>,
}

impl RemoteStream {
    pub fn new(file: &DataFile, source: Arc<dyn Source>, path: &str, position: u64) -> RemoteStream {
        let entry = Entry::of_file(file, path);
        let attempts = Attempts::new(RetryPolicy::default());
        RemoteStream { source, entry, position, attempts, chunks: None, arrived: VecDeque::new() }
    }

    /// The next bytes; none at the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(bytes) = self.arrived.front_mut().filter(|bytes| !bytes.is_empty()) {
                let taken = bytes.split_to(bytes.len().min(buffer.len()));
                buffer[..taken.len()].copy_from_slice(&taken);
                self.position += taken.len() as u64;
                return Ok(taken.len());
            }
            if self.arrived.pop_front().is_some() {
                continue;
            }
            if self.position >= self.entry.n_bytes {
                return Ok(0);
            }
            match self.receive() {
                Ok(batch) => self.arrived.extend(batch),
                Err(error) => self.wait_after(error)?,
            }
        }
    }

    fn receive(&mut self) -> Result<Vec<Bytes>, SourceError> {
        let chunks = match &mut self.chunks {
            Some(chunks) => chunks,
            None => self.chunks.insert(self.source.open(&self.entry, self.position)?),
        };
        chunks.next()?.ok_or_else(|| {
            SourceError::new(SourceFault::Transient, format!("the stream ended at byte {}", self.position))
        })
    }

    /// Waits before the next attempt, or gives up.
    fn wait_after(&mut self, error: SourceError) -> io::Result<()> {
        self.chunks = None;
        let backoff = match error.kind {
            SourceFault::Transient => self.attempts.fail(self.position, self.entry.path.len() as u8),
            _ => None,
        };
        let Some(backoff) = backoff else { return Err(io::Error::other(error)) };
        std::thread::sleep(backoff);
        Ok(())
    }
}

/// What the file system says of `path`, asked again while only that fails.
pub(super) fn stat(source: &dyn Source, path: &str, policy: RetryPolicy) -> Result<Entry, SourceError> {
    let mut attempts = Attempts::new(policy);
    loop {
        let error = match source.stat(path) {
            Err(error) if error.kind == SourceFault::Transient => error,
            answered => return answered,
        };
        let backoff = attempts.fail(0, path.len() as u8).ok_or(error)?;
        std::thread::sleep(backoff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::source::EntryKind;

    /// A file of ten bytes whose streams break after three.
    struct Brittle;

    struct Three(VecDeque<u8>);

    impl Chunks for Three {
        fn next(&mut self) -> Result<Option<Vec<Bytes>>, SourceError> {
            let next: Vec<u8> = self.0.drain(..self.0.len().min(3)).collect();
            if next.is_empty() {
                Err(SourceError::new(SourceFault::Transient, "broken"))
            } else {
                Ok(Some(vec![next.into()]))
            }
        }
    }

    impl Source for Brittle {
        fn stat(&self, _: &str) -> Result<Entry, SourceError> {
            Err(SourceError::new(SourceFault::Missing, "gone"))
        }

        fn list(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            Ok(Vec::new())
        }

        fn glob(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            Ok(Vec::new())
        }

        fn open(&self, _: &Entry, offset: u64) -> Result<Box<dyn Chunks>, SourceError> {
            Ok(Box::new(Three((offset as u8..10).take(3).collect())))
        }
    }

    /// A file system whose first answers fail.
    struct Hiccup(std::sync::atomic::AtomicU32, SourceFault);

    impl Source for Hiccup {
        fn stat(&self, path: &str) -> Result<Entry, SourceError> {
            use std::sync::atomic::Ordering::Relaxed;
            match self.0.fetch_update(Relaxed, Relaxed, |n_left| n_left.checked_sub(1)) {
                Ok(_) => Err(SourceError::new(self.1, "busy")),
                Err(_) => Ok(Entry {
                    path: path.into(),
                    kind: EntryKind::File,
                    n_bytes: 1,
                    modified_ms: 2,
                    looks_open: false,
                }),
            }
        }

        fn list(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            Ok(Vec::new())
        }

        fn glob(&self, _: &str) -> Result<Vec<Entry>, SourceError> {
            Ok(Vec::new())
        }

        fn open(&self, _: &Entry, _: u64) -> Result<Box<dyn Chunks>, SourceError> {
            Err(SourceError::new(SourceFault::Missing, "gone"))
        }
    }

    #[test]
    fn a_file_is_asked_for_again_where_only_the_answer_failed() {
        let policy = RetryPolicy { initial_backoff: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let check = |n_failures: u32, fault: SourceFault, expected: Result<u64, &str>| {
            let found = stat(&Hiccup(n_failures.into(), fault), "/x", policy);
            let found = found.map(|entry| entry.n_bytes).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{n_failures} {fault:?}");
        };
        check(0, SourceFault::Transient, Ok(1));
        check(4, SourceFault::Transient, Ok(1));
        check(5, SourceFault::Transient, Err("busy"));
        check(1, SourceFault::Missing, Err("busy"));
    }

    #[test]
    fn a_stream_goes_on_where_it_broke() {
        let (source, entry): (Arc<dyn Source>, Entry) = (
            Arc::new(Brittle),
            Entry { path: "/x".into(), kind: EntryKind::File, n_bytes: 10, modified_ms: 0, looks_open: false },
        );
        let policy = RetryPolicy { initial_backoff: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let attempts = Attempts::new(policy);
        let mut stream = RemoteStream { source, entry, position: 1, attempts, chunks: None, arrived: VecDeque::new() };
        let mut bytes = Vec::new();
        let mut buffer = [0; 2];
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                n => bytes.extend_from_slice(&buffer[..n]),
            }
        }
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
