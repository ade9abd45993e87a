//! The files of a day one after the other, by one thread: what is known of the records before counts for those after.

use std::collections::VecDeque;
use std::sync::Mutex;

use crate::engine::aggregate::collect::FileId;
use crate::engine::ledger::{Ids, InputFile};
use crate::engine::scan::unique::SeenIds;
use crate::error::Error;
use crate::lake::DataFile;
use crate::lake::read::magic;

use super::compressed::Decompressor;
use super::input::{FileMeta, Input, InputChunk};
use super::{open, queue};

/// One input of a day; those after it come when it is done.
struct DayInput {
    meta: FileMeta,
    state: State,
    /// Those of the same file that come next.
    others: VecDeque<Box<dyn Input>>,
    /// The files that come then.
    files: VecDeque<(FileMeta, DataFile)>,
    seen: Mutex<SeenIds>,
}

enum State {
    /// The file is opened by the thread that starts on it.
    Closed(Box<DataFile>),
    Open(Box<dyn Input>),
    /// There is nothing in it.
    Empty,
}

/// One input for each day, whose files are read in the order of their names; and what the ledger says of the files, by
/// [`FileId`].
pub(super) fn inputs(mut files: Vec<DataFile>) -> (Vec<Box<dyn Input>>, Vec<InputFile>) {
    files.sort_by(|a, b| (a.day, &a.uri).cmp(&(b.day, &b.uri)));
    let mut days: Vec<VecDeque<(FileMeta, DataFile)>> = Vec::new();
    let mut of_ledger = Vec::new();
    for (file, id) in files.into_iter().zip(0..) {
        let (file, fact) = magic::as_stored(file);
        of_ledger.push(InputFile { ids: Ids::Unique, ..queue::input_file(&file, fact) });
        let meta = FileMeta { uri: file.uri.as_str().into(), id: FileId(id), day: file.day };
        match days.last_mut().filter(|day| day.front().is_some_and(|(first, _)| first.day == file.day)) {
            Some(day) => day.push_back((meta, file)),
            None => days.push(VecDeque::from([(meta, file)])),
        }
    }
    let of_day = |files| DayInput::of_files(files, Mutex::default());
    (days.into_iter().filter_map(of_day).collect(), of_ledger)
}

impl DayInput {
    /// The first of `files`, and the others after it.
    fn of_files(mut files: VecDeque<(FileMeta, DataFile)>, seen: Mutex<SeenIds>) -> Option<Box<dyn Input>> {
        let (meta, file) = files.pop_front()?;
        let state = State::Closed(Box::new(file));
        Some(Box::new(DayInput { meta, state, others: VecDeque::new(), files, seen }))
    }

    /// Opens the file, all of whose inputs are read here.
    fn open(&mut self) -> Result<(), Error> {
        if let State::Closed(file) = &self.state {
            // One thread reads the file: there is nothing to cut a CSV file for.
            let mut inputs: VecDeque<_> = open::open(file, self.meta.id, u64::MAX, Decompressor::Scanner)?.into();
            self.state = inputs.pop_front().map_or(State::Empty, State::Open);
            self.others = inputs;
        }
        Ok(())
    }
}

impl Input for DayInput {
    fn file(&self) -> &FileMeta {
        &self.meta
    }

    fn start(&self) -> u64 {
        match &self.state {
            State::Open(input) => input.start(),
            State::Closed(_) | State::Empty => 0,
        }
    }

    fn n_bytes_read(&self) -> u64 {
        match &self.state {
            State::Open(input) => input.n_bytes_read(),
            State::Closed(_) | State::Empty => 0,
        }
    }

    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error> {
        self.open()?;
        match &mut self.state {
            State::Open(input) => Ok(input.next_chunk()?.map(|chunk| InputChunk { seen: Some(&self.seen), ..chunk })),
            State::Closed(_) | State::Empty => Ok(None),
        }
    }

    fn consume(&mut self, next: usize, open_quote: Option<u64>) {
        if let State::Open(input) = &mut self.state {
            input.consume(next, open_quote);
        }
    }

    fn open_quote(&self) -> Option<u64> {
        match &self.state {
            State::Open(input) => input.open_quote(),
            State::Closed(_) | State::Empty => None,
        }
    }

    fn n_content_bytes(&self) -> Option<u64> {
        match &self.state {
            State::Open(input) => input.n_content_bytes(),
            State::Closed(_) | State::Empty => None,
        }
    }

    fn then(self: Box<Self>) -> Option<Box<dyn Input>> {
        let DayInput { meta, state: _, mut others, files, seen } = *self;
        match others.pop_front() {
            Some(next) => Some(Box::new(DayInput { meta, state: State::Open(next), others, files, seen })),
            None => DayInput::of_files(files, seen),
        }
    }
}
