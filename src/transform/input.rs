//! What a thread scans: the chunks of a file, or of a part of one.

use std::sync::{Arc, Mutex};

use crate::diagnosis;
use crate::engine::aggregate::collect::FileId;
use crate::engine::calendar::Day;
use crate::engine::scan::csv::{Chunk, CsvLayout, HeaderError, MAX_HEADER_BYTES};
use crate::engine::scan::lines::BYTE_ORDER_MARK;
use crate::engine::scan::record::MAX_LINE_BYTES;
use crate::engine::scan::shape::MAX_MATCH_BYTES;
use crate::engine::scan::unique::SeenIds;
use crate::error::{DataError, Error};
use crate::lake::read::mapped::LARGE_PAGE_BYTES;
use crate::lake::{Compression, DataFile, Format};
use crate::units::in_one_line;

/// Size of a split. Bounds what a thread has mapped, and how long the others wait for the last one:
/// a few milliseconds. Opening a window costs a few microseconds, which must be little beside that.
pub(super) const SPLIT_BYTES: u64 = 4 * LARGE_PAGE_BYTES as u64;

/// What a window shows after its split at first, for the end of the last record: longer than nearly
/// all records are.
pub(super) const WINDOW_TAIL_BYTES: usize = 64 << 10;

/// What a window shows after its split at most. A record that goes on for longer is over the limit,
/// however long it is.
pub(super) const MAX_WINDOW_TAIL_BYTES: usize = MAX_LINE_BYTES + 64;

/// Largest CSV file that one thread reads alone, from its start to its end, whatever others there
/// are. Splits of larger ones have to be looked through for quotes first, which takes as long as
/// reading their records; and a file of this size is nothing to wait for.
pub(super) const ALONE_BYTES: u64 = 256 << 20;

/// The same where there are so many others that nobody has to wait. A record that never ends is
/// mapped whole, and so may the file be.
const MAX_ALONE_BYTES: u64 = 1 << 30;

/// Largest CSV file that one of `n_threads` reads alone beside `files`: a quarter of what is to do
/// for each.
pub(super) fn alone_bytes(files: &[DataFile], n_threads: usize) -> u64 {
    let is_csv = |file: &&DataFile| file.format == Format::Csv && file.compression == Compression::None;
    let n_bytes: u64 = files.iter().filter(is_csv).map(|file| file.n_bytes).sum();
    (n_bytes / (4 * n_threads.max(1) as u64)).clamp(ALONE_BYTES, MAX_ALONE_BYTES)
}

/// Bytes of a compressed file that are decompressed before they are scanned: they stay in the cache of
/// the processor's cores, what is moved between two of them is little, and a CSV header fits.
pub(super) const CONTENT_BYTES: usize = 2 << 20;

const _: () = assert!(WINDOW_TAIL_BYTES > 2 * MAX_MATCH_BYTES);
const _: () = assert!(MAX_WINDOW_TAIL_BYTES > MAX_LINE_BYTES + BYTE_ORDER_MARK.len() + "\r\n".len());
const _: () = assert!(CONTENT_BYTES > MAX_HEADER_BYTES);

/// The file that chunks come from.
#[derive(Clone, Debug)]
pub(super) struct FileMeta {
    pub uri: Arc<str>,
    pub id: FileId,
    pub day: Day,
}

/// A chunk, and what it takes to scan it.
pub(super) struct InputChunk<'a> {
    pub file: &'a FileMeta,
    /// CSV only.
    pub layout: Option<CsvLayout>,
    pub chunk: Chunk<'a>,
    /// The ids of the records before, where each counts once.
    pub seen: Option<&'a Mutex<SeenIds>>,
}

/// A file, or a part of one, which one thread scans from its start to its end.
pub(super) trait Input: Send {
    fn file(&self) -> &FileMeta;

    /// Where it starts in the file, in bytes: what orders the inputs of a file.
    fn start(&self) -> u64;

    /// Bytes, as stored, that have been read.
    fn n_bytes_read(&self) -> u64;

    /// The next chunk, or none when all has been scanned and the file is still as it was listed.
    /// After an error there is nothing more to come.
    fn next_chunk(&mut self) -> Result<Option<InputChunk<'_>>, Error>;

    /// Says where in the window of the last chunk the first record starts that was not scanned, and
    /// in CSV which quote, by its byte in the file, the window opens and does not close.
    fn consume(&mut self, next: usize, open_quote: Option<u64>);

    /// When there are no more chunks: the quote that is still open at the end of the file. Of the
    /// inputs of a file one says so.
    fn open_quote(&self) -> Option<u64>;

    /// When there are no more chunks: the bytes of a compressed file once decompressed.
    fn n_content_bytes(&self) -> Option<u64> {
        None
    }

    /// When there are no more chunks: what the same thread scans next.
    fn then(self: Box<Self>) -> Option<Box<dyn Input>> {
        None
    }
}

/// A header error as the run reports it.
///
/// `start` are the first bytes of the file, decompressed.
pub(super) fn header_error(uri: &str, compression: Compression, error: &HeaderError, start: &[u8]) -> DataError {
    let file = uri.to_owned();
    match error {
        HeaderError::Lacks { missing, found } => {
            let diagnosis = diagnosis::of_csv_head(start);
            let this = diagnosis.map_or_else(String::new, |diagnosis| format!("; this is {}", diagnosis.what));
            let what = format!("has no column {}; it has {}{this}", names(missing), names(found));
            DataError::Header {
                file,
                what,
                next: diagnosis.map(|diagnosis| diagnosis.next_for(uri, compression).into()),
            }
        }
        HeaderError::LoneReturn => DataError::Header {
            file,
            what: format!("holds a carriage return with no line feed after it; this is {}", diagnosis::LONE_CR.what),
            next: Some(diagnosis::LONE_CR.next_for(uri, compression).into()),
        },
        HeaderError::Repeats { columns } => DataError::Header {
            file,
            what: format!("has more than one column of one field: {}", names(columns)),
            next: Some("leave one of these columns, and remove or rename the others".into()),
        },
    }
}

/// The first names, of each what can be read at a glance.
fn names(names: &[String]) -> String {
    const SHOWN: usize = 10;
    const CHARS: usize = 40;
    let name = |name: &String| {
        let shown = in_one_line(&name.chars().take(CHARS).collect::<String>());
        if name.chars().nth(CHARS).is_some() { shown + "…" } else { shown }
    };
    let shown = names.iter().take(SHOWN).map(name).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "no column".to_owned(),
        n if n > SHOWN => format!("{shown} and {} more", n - SHOWN),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::{ListOptions, list};

    #[test]
    fn a_large_csv_file_is_read_alone_where_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("20220401.csv"), "").unwrap();
        let file = list(&[folder.path().display().to_string()], &ListOptions::default()).unwrap().files.remove(0);
        let check = |n_files: usize, n_bytes: u64, format: Format, n_threads: usize, expected: u64| {
            let files = vec![DataFile { n_bytes, format, ..file.clone() }; n_files];
            assert_eq!(alone_bytes(&files, n_threads), expected, "{n_files} of {n_bytes} bytes, {n_threads} threads");
        };
        check(0, 0, Format::Csv, 2, ALONE_BYTES);
        check(1, 30 << 30, Format::Csv, 32, ALONE_BYTES);
        check(30, 400 << 20, Format::Csv, 4, 750 << 20);
        check(30, 400 << 20, Format::Ndjson, 4, ALONE_BYTES);
        check(30, 400 << 20, Format::Csv, 0, MAX_ALONE_BYTES);
    }
}
