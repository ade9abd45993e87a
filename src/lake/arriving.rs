//! Files as whoever scans them takes them: when they are there, or as they come.

use std::collections::VecDeque;

use super::{DataFile, LakeError};

/// A file that did not come.
#[derive(Debug)]
pub struct FileFailure {
    /// Its place in the lake; empty when it is unknown which file it is.
    pub uri: String,
    /// Why.
    pub error: LakeError,
}

/// What [`FileStream::try_next`] finds.
#[derive(Debug)]
pub enum Arrival {
    /// A file, or why it does not come.
    File(Result<DataFile, FileFailure>),
    /// Nothing has come yet.
    NotYet,
    /// Nothing will come any more.
    End,
}

/// Files as they come, in any order.
pub trait FileStream: Send {
    /// What is there now.
    fn try_next(&mut self) -> Arrival;

    /// Waits for the next file; `None` when no more will come.
    fn wait_next(&mut self) -> Option<Result<DataFile, FileFailure>>;

    /// Says that only files before `uri` are still wanted. Others may come or not.
    fn stop_at(&mut self, uri: &str);
}

/// Files that are all there.
#[derive(Clone, Debug)]
pub struct ReadyFiles(VecDeque<DataFile>);

impl ReadyFiles {
    /// These files, in this order.
    pub fn new(files: impl IntoIterator<Item = DataFile>) -> ReadyFiles {
        ReadyFiles(files.into_iter().collect())
    }
}

impl FileStream for ReadyFiles {
    fn try_next(&mut self) -> Arrival {
        self.0.pop_front().map_or(Arrival::End, |file| Arrival::File(Ok(file)))
    }

    fn wait_next(&mut self) -> Option<Result<DataFile, FileFailure>> {
        self.0.pop_front().map(Ok)
    }

    fn stop_at(&mut self, uri: &str) {
        self.0.retain(|file| file.uri.as_str() < uri);
    }
}
