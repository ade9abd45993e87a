//! Files as whoever scans them takes them: when they are there, or as they come.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::{Compression, DataFile, Format, LakeError};

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

    /// The files that will come first, in this order, as far as they are there already.
    fn ready(&self) -> Vec<DataFile> {
        Vec::new()
    }

    /// How many files will come, where that is known.
    fn n_left(&self) -> Option<usize> {
        None
    }
}

/// Puts files in the order in which threads are all busy to the end: those that one thread may read alone first, the
/// largest of them before the others. The rest, which threads share, are in the order they were.
pub fn sort_for_scan(files: &mut [DataFile]) {
    files.sort_by_key(|file| match (file.compression, file.format) {
        (Compression::None, Format::Ndjson) => Reverse(0),
        (Compression::None, Format::Csv) | (Compression::Gzip | Compression::Zstd, _) => Reverse(file.n_bytes),
    });
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

    fn ready(&self) -> Vec<DataFile> {
        self.0.iter().cloned().collect()
    }

    fn n_left(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{ListOptions, list};

    #[test]
    fn files_of_one_thread_come_first_and_the_largest_before_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let check = |files: &[(&str, usize)], expected: &[&str]| {
            for (name, n_bytes) in files {
                std::fs::write(folder.path().join(name), vec![b'x'; *n_bytes]).unwrap();
            }
            let mut listed = list(&[folder.path().display().to_string()], &ListOptions::default()).unwrap().files;
            sort_for_scan(&mut listed);
            let names: Vec<_> = listed.iter().map(|file| file.path.file_name().unwrap().to_str().unwrap()).collect();
            assert_eq!(names, expected);
        };
        check(&[("20220403.json", 9), ("20220404.json", 1)], &["20220403.json", "20220404.json"]);
        check(
            &[("20220401.json.gz", 5), ("20220402.json.zst", 7), ("20220405.json.gz", 5)],
            &["20220402.json.zst", "20220401.json.gz", "20220405.json.gz", "20220403.json", "20220404.json"],
        );
        check(
            &[("20220406.csv", 6), ("20220402.json.zst", 7)],
            &[
                "20220402.json.zst",
                "20220406.csv",
                "20220401.json.gz",
                "20220405.json.gz",
                "20220403.json",
                "20220404.json",
            ],
        );
    }
}
