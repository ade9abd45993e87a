//! What is left to do: the inputs of files that are open, then the files that have come. A file is
//! opened by the thread that starts on it, so no more are open than there are threads, and one
//! whose splits are being scanned.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::aggregate::collect::FileId;
use crate::engine::ledger::InputFile;
use crate::error::Error;
use crate::lake::read::magic;
use crate::lake::{Arrival, DataFile, FileFailure, FileStream, ReadyFiles};

use super::compressed::Decompressor;
use super::input::Input;
use super::open;

/// The inputs of all files.
pub(super) struct Queue<'a> {
    opened: Mutex<VecDeque<Box<dyn Input>>>,
    // Whoever holds this lock and finds `opened` empty takes a file; its splits are in `opened`
    // before it is let go.
    arriving: Mutex<Arriving<'a>>,
    // The first in order of file and offset. Whoever holds this lock takes no other.
    failure: Mutex<Option<FirstFailure>>,
    has_failed: AtomicBool,
    alone_bytes: u64,
    n_threads: usize,
}

struct Arriving<'a> {
    stream: &'a mut dyn FileStream,
    /// Came while nobody scanned.
    waited_for: Option<Result<DataFile, FileFailure>>,
    /// All files that have come, by [`FileId`].
    inputs: Vec<InputFile>,
}

struct FirstFailure {
    uri: String,
    offset: u64,
    error: Error,
}

/// What [`Queue::take`] finds.
pub(super) enum Taken {
    Input(Box<dyn Input>),
    /// Nothing now.
    NotYet,
    /// Nothing any more, but what others still scan.
    End,
}

impl<'a> Queue<'a> {
    /// The files of `stream`, for so many threads; of CSV files up to `alone_bytes` each is one input.
    pub fn new(stream: &'a mut dyn FileStream, alone_bytes: u64, n_threads: usize) -> Queue<'a> {
        Queue {
            opened: Mutex::default(),
            arriving: Mutex::new(Arriving { stream, waited_for: None, inputs: Vec::new() }),
            failure: Mutex::default(),
            has_failed: AtomicBool::new(false),
            alone_bytes,
            n_threads,
        }
    }

    /// These inputs, by the files they read, and nothing that is still to come.
    pub fn of_inputs(
        inputs: impl IntoIterator<Item = Box<dyn Input>>,
        files: Vec<InputFile>,
        nothing: &'a mut ReadyFiles,
    ) -> Queue<'a> {
        let queue = Queue::new(nothing, 0, 1);
        lock(&queue.opened).extend(inputs);
        lock(&queue.arriving).inputs = files;
        queue
    }

    /// The files that will be opened first, in this order, as far as they are there already.
    pub fn ready(&self) -> Vec<DataFile> {
        lock(&self.arriving).stream.ready()
    }

    /// The next input that matters.
    pub fn take(&self) -> Taken {
        loop {
            if let Some(input) = self.pop_opened() {
                return Taken::Input(input);
            }
            let mut arriving = lock(&self.arriving);
            // Whoever had the lock may have opened a file.
            if let Some(input) = self.pop_opened() {
                return Taken::Input(input);
            }
            let file = match arriving.next(self.first_failure()) {
                Arrival::NotYet => return Taken::NotYet,
                Arrival::End => return Taken::End,
                Arrival::File(Err(FileFailure { uri, error })) => {
                    self.fail(&uri, 0, error.into());
                    continue;
                }
                Arrival::File(Ok(file)) => file,
            };
            if !self.matters(&file.uri, 0) {
                continue;
            }
            let (file, fact) = magic::as_stored(file);
            let id = arriving.number(&file, fact);
            let decompressor = match arriving.stream.n_left() {
                // One of the threads will find nothing more to scan.
                Some(n_left) if n_left + 1 < self.n_threads => Decompressor::Beside,
                _ => Decompressor::Scanner,
            };
            // The others wait for the splits, but not for a file of which there is nothing for
            // them.
            let arriving = open::is_split(&file, self.alone_bytes).then_some(arriving);
            match open::open(&file, id, self.alone_bytes, decompressor) {
                Ok(inputs) => {
                    let mut inputs = inputs.into_iter();
                    let first = inputs.next();
                    lock(&self.opened).extend(inputs);
                    drop(arriving);
                    if let Some(first) = first {
                        return Taken::Input(first);
                    }
                }
                Err(error) => self.fail(&file.uri, 0, error),
            }
        }
    }

    fn pop_opened(&self) -> Option<Box<dyn Input>> {
        let mut opened = lock(&self.opened);
        while let Some(input) = opened.pop_front() {
            if self.matters(&input.file().uri, input.start()) {
                return Some(input);
            }
        }
        None
    }

    /// Waits until a file has come; false when no more will.
    pub fn wait(&self) -> bool {
        let mut arriving = lock(&self.arriving);
        if let Some(uri) = self.first_failure() {
            arriving.stream.stop_at(&uri);
        }
        arriving.waited_for = arriving.stream.wait_next();
        arriving.waited_for.is_some()
    }

    /// Notes an error. What comes after it in order of file and offset no longer matters; what
    /// comes before is still scanned, so that the first error is reported, whatever the threads
    /// do.
    pub fn fail(&self, uri: &str, offset: u64, error: Error) {
        let mut first = lock(&self.failure);
        if first.as_ref().is_none_or(|first| (uri, offset) < (first.uri.as_str(), first.offset)) {
            *first = Some(FirstFailure { uri: uri.to_owned(), offset, error });
        }
        self.has_failed.store(true, Ordering::Release);
    }

    /// Whether what starts at `offset` of file `uri` is before all errors so far.
    pub fn matters(&self, uri: &str, offset: u64) -> bool {
        !self.has_failed.load(Ordering::Acquire)
            || lock(&self.failure).as_ref().is_none_or(|first| (uri, offset) < (first.uri.as_str(), first.offset))
    }

    /// Notes what was seen of a file while it was read.
    pub fn note(&self, id: FileId, note: impl FnOnce(&mut InputFile)) {
        if let Some(file) = lock(&self.arriving).inputs.get_mut(id.0 as usize) {
            note(file);
        }
    }

    fn first_failure(&self) -> Option<String> {
        self.has_failed.load(Ordering::Acquire).then(|| lock(&self.failure).as_ref().map(|first| first.uri.clone()))?
    }

    /// All files that came, by [`FileId`], or the first error.
    pub fn finish(self) -> Result<Vec<InputFile>, Error> {
        match self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(failure) => Err(failure.error),
            None => Ok(self.arriving.into_inner().unwrap_or_else(PoisonError::into_inner).inputs),
        }
    }
}

impl Arriving<'_> {
    /// The next file, if it has come. After an error only files before that are wanted.
    fn next(&mut self, first_failure: Option<String>) -> Arrival {
        if let Some(file) = self.waited_for.take() {
            return Arrival::File(file);
        }
        if let Some(uri) = first_failure {
            self.stream.stop_at(&uri);
        }
        self.stream.try_next()
    }

    fn number(&mut self, file: &DataFile, fact: Option<&str>) -> FileId {
        let id = FileId(u32::try_from(self.inputs.len()).unwrap_or(u32::MAX));
        self.inputs.push(input_file(file, fact));
        id
    }
}

/// What the ledger says of a file that is read whole, of which `fact` is odd.
pub(super) fn input_file(file: &DataFile, fact: Option<&str>) -> InputFile {
    let mut input = file.input_file(file.canonical_uri());
    input.facts.extend(fact.map(str::to_owned));
    input
}

/// A thread that panicked has poisoned its lock; the panic itself is passed on by the thread pool.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
