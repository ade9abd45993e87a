//! Files as a stream of bytes, decompressed: gzip with any number of members, Zstandard with any number of frames, or plain.
//! A plain file may be read from any byte on, and one in HDFS where it lies.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::beside::{PIECE_BYTES, Pieces};
use super::gzip::{GARBAGE, GzipMembers};
use super::inflate;
use super::mapped::check_as_listed;
use super::remote::{self, RemoteStream};
use super::{fill, magic};
use crate::lake::pull::RetryPolicy;
use crate::lake::source::{Source, SourceError};
use crate::lake::{Compression, DataFile, LakeError, LakeErrorKind};

/// Bytes read from the disk at once.
const READ_BUFFER_BYTES: usize = 256 << 10;

/// Bytes decompressed at once for readers with a buffer of their own.
const CONTENT_BYTES: usize = 64 << 10;

/// What of the content must lie in front of what [`CompressedFile::decompress`] adds to it.
pub const HISTORY_BYTES: usize = inflate::HISTORY_BYTES;

/// The decompressed content of a data file. A stream that is cut short, followed by anything else or damaged is an error,
/// never an early end.
pub struct CompressedFile {
    stream: Stream,
    check: Check,
    listed: DataFile,
    n_read: Arc<AtomicU64>,
    /// Its first bytes, as stored.
    start: Arc<OnceLock<Vec<u8>>>,
    is_begun: bool,
    /// For readers with a buffer of their own: decompressed, and read up to `at`.
    content: Vec<u8>,
    at: usize,
}

/// The stored bytes of a file.
type Stored = Box<dyn Read + Send>;

enum Stream {
    Plain(Stored),
    Gzip(Box<GzipMembers<Stored>>),
    Zstd(ZstdFrames<BufReader<Stored>>),
}

/// Fails when a file is no longer as it was listed.
type Check = Box<dyn Fn(&DataFile) -> Result<(), LakeError> + Send>;

/// Opens `file`, which must still be as it was listed.
pub fn open(file: &DataFile) -> Result<CompressedFile, LakeError> {
    open_at(file, 0)
}

/// The same, decompressed by a thread of its own ahead of whoever reads it, where there is one to be had.
pub fn open_beside(file: &DataFile) -> Result<CompressedFile, LakeError> {
    match open(file)?.beside() {
        Ok(beside) => Ok(beside),
        Err(_) => open(file),
    }
}

/// The same from byte `offset` on, which is not 0 in plain files alone.
pub fn open_at(file: &DataFile, offset: u64) -> Result<CompressedFile, LakeError> {
    let io = |error| LakeError::io(&file.uri, "opening it", &error);
    let opened = Arc::new(File::open(&file.path).map_err(io)?);
    check_as_listed(&opened, file)?;
    if offset > 0 {
        (&*opened).seek(SeekFrom::Start(offset)).map_err(io)?;
    }
    let bytes = Arc::clone(&opened);
    let read = move |buffer: &mut [u8]| (&*bytes).read(buffer);
    decompress(file, read, Box::new(move |file| check_as_listed(&opened, file)))
}

/// The same of a file at `path` of `source`, without pulling it.
pub(crate) fn open_remote(
    file: &DataFile,
    source: &Arc<dyn Source>,
    path: &str,
    offset: u64,
) -> Result<CompressedFile, LakeError> {
    let (statted, path_of_check) = (Arc::clone(source), path.to_owned());
    let check = move |file: &DataFile| {
        let now = remote::stat(&*statted, &path_of_check, RetryPolicy::default());
        let now = now.map_err(|error| error.at(&file.uri))?;
        let change = match (now.n_bytes, now.modified_ms) {
            as_listed if as_listed == (file.n_bytes, file.modified_ms) => return Ok(()),
            (n_bytes, _) if n_bytes != file.n_bytes => {
                format!("it had {} bytes and has {n_bytes} now", file.n_bytes)
            }
            (_, modified_ms) => format!(
                "its time is {} ms after the one it had when it was listed",
                modified_ms.saturating_sub(file.modified_ms)
            ),
        };
        let what = format!("changed while it was read: {change}");
        Err(LakeError::new(LakeErrorKind::Changed, &file.uri, what))
    };
    check(file)?;
    let mut stream = RemoteStream::new(file, Arc::clone(source), path, offset);
    decompress(file, move |buffer: &mut [u8]| stream.read(buffer), Box::new(check))
}

/// The content of `file`, whose stored bytes `read` gives.
fn decompress(
    file: &DataFile,
    read: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static,
    check: Check,
) -> Result<CompressedFile, LakeError> {
    let io = |error| LakeError::io(&file.uri, "opening it", &error);
    let n_read = Arc::new(AtomicU64::new(0));
    let start = Arc::new(OnceLock::new());
    let stored = Box::new(Counted { read, n_read: Arc::clone(&n_read), start: Arc::clone(&start) });
    let stream = match file.compression {
        Compression::None => Stream::Plain(stored),
        Compression::Gzip => Stream::Gzip(Box::new(GzipMembers::new(stored))),
        Compression::Zstd => {
            Stream::Zstd(ZstdFrames::new(BufReader::with_capacity(READ_BUFFER_BYTES, stored as Stored)).map_err(io)?)
        }
    };
    let listed = file.clone();
    Ok(CompressedFile { stream, check, listed, n_read, start, is_begun: false, content: Vec::new(), at: 0 })
}

impl Stream {
    /// Decompresses into `window` from `at` on until it is full or the content ends, and gives the place it came to.
    fn decompress(&mut self, window: &mut [u8], at: usize) -> io::Result<usize> {
        let read: &mut dyn Read = match self {
            Stream::Gzip(members) => return members.decompress(window, at),
            Stream::Plain(stored) => stored,
            Stream::Zstd(frames) => frames,
        };
        Ok(at + fill(read, window.get_mut(at..).unwrap_or_default())?)
    }
}

impl CompressedFile {
    /// What is at hand of `file`, decompressed already.
    pub(crate) fn of_content(file: &DataFile, content: Vec<u8>) -> CompressedFile {
        let listed = DataFile { compression: Compression::None, ..file.clone() };
        CompressedFile {
            stream: Stream::Plain(Box::new(io::Cursor::new(content))),
            check: Box::new(|_| Ok(())),
            listed,
            n_read: Arc::default(),
            start: Arc::default(),
            is_begun: true,
            content: Vec::new(),
            at: 0,
        }
    }

    /// As it is, with a thread that decompresses it.
    fn beside(self) -> io::Result<CompressedFile> {
        let CompressedFile { mut stream, .. } = self;
        let (mut window, mut n_kept, mut has_ended) = (vec![0; HISTORY_BYTES + PIECE_BYTES], 0, false);
        let next = move |mut piece: Vec<u8>| {
            if has_ended {
                return Ok(piece);
            }
            let end = stream.decompress(&mut window[..n_kept + PIECE_BYTES], n_kept)?;
            piece.extend_from_slice(&window[n_kept..end]);
            has_ended = end < n_kept + PIECE_BYTES;
            window.copy_within(end.saturating_sub(HISTORY_BYTES)..end, 0);
            n_kept = end.min(HISTORY_BYTES);
            Ok(piece)
        };
        Ok(CompressedFile { stream: Stream::Plain(Box::new(Pieces::start(next)?)), ..self })
    }

    /// Decompresses into `window` from `at` on until it is full or the content ends, and gives the place it came to. In front of
    /// `at` lies what was decompressed before, or the last [`HISTORY_BYTES`] of it. A place before the end of the window means
    /// the end of the content, which is reached only if the whole file was sound and is still as it was listed.
    pub fn decompress(&mut self, window: &mut [u8], at: usize) -> Result<usize, LakeError> {
        let end = self.stream.decompress(window, at).map_err(|error| self.explain(&error))?;
        if end < window.len() {
            self.check_unchanged()?;
        }
        let is_compressed = self.listed.compression != Compression::None;
        if !std::mem::replace(&mut self.is_begun, true) && is_compressed {
            self.refuse_packed_twice(window.get(at..end).unwrap_or_default())?;
        }
        Ok(end)
    }

    /// Fills `buffer` with what comes next of the content, and returns the number of bytes: fewer than its length at the
    /// end.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, LakeError> {
        let mut n_filled = 0;
        while let Some(rest) = buffer.get_mut(n_filled..).filter(|rest| !rest.is_empty()) {
            match self.read_content(rest)? {
                0 => break,
                n_bytes => n_filled += n_bytes,
            }
        }
        Ok(n_filled)
    }

    /// Copies bytes of the content, one at least unless it has ended.
    fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, LakeError> {
        if self.at == self.content.len() {
            let mut content = std::mem::take(&mut self.content);
            content.drain(..content.len().saturating_sub(HISTORY_BYTES));
            self.at = content.len();
            content.resize(self.at + CONTENT_BYTES, 0);
            let end = self.decompress(&mut content, self.at)?;
            content.truncate(end);
            self.content = content;
        }
        let rest = self.content.get(self.at..).unwrap_or_default();
        let n_bytes = rest.len().min(buffer.len());
        buffer[..n_bytes].copy_from_slice(&rest[..n_bytes]);
        self.at += n_bytes;
        Ok(n_bytes)
    }

    /// Fails when the file is no longer as it was listed.
    pub fn check_unchanged(&self) -> Result<(), LakeError> {
        (self.check)(&self.listed)
    }

    /// Bytes read from the compressed file so far: what progress is measured in.
    pub fn n_bytes_read(&self) -> u64 {
        self.n_read.load(Ordering::Relaxed)
    }

    /// Refuses a file whose content, which begins with `start`, is compressed again.
    fn refuse_packed_twice(&self, start: &[u8]) -> Result<(), LakeError> {
        match magic::of_start(start) {
            None => Ok(()),
            Some(_) => Err(LakeError::new(
                LakeErrorKind::Unsupported,
                &self.listed.uri,
                "it is compressed twice: what it decompresses to is gzip or Zstandard again",
            )
            .advise("decompress it once and put the result in its place")),
        }
    }

    fn explain(&self, error: &io::Error) -> LakeError {
        if let Err(changed) = self.check_unchanged() {
            return changed;
        }
        if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<SourceError>()) {
            return error.clone().at(&self.listed.uri);
        }
        let kind = match self.listed.compression {
            Compression::None => return LakeError::io(&self.listed.uri, "reading it", error),
            Compression::Gzip => "gzip",
            Compression::Zstd => "Zstandard",
        };
        if error.raw_os_error().is_some() {
            return LakeError::io(&self.listed.uri, "reading it", error);
        }
        if !self.is_begun
            && let Some(what) = self.start.get().and_then(|start| magic::other_kind(start))
        {
            return LakeError::new(LakeErrorKind::Unsupported, &self.listed.uri, format!("it is {what}, not {kind}"))
                .advise("extract or convert it to NDJSON or CSV, plain or compressed with gzip or Zstandard");
        }
        if error.to_string() == GARBAGE {
            let at = self.n_bytes_read();
            let what = format!("other bytes follow its gzip stream (before byte {at} of {})", self.listed.n_bytes);
            return LakeError::new(LakeErrorKind::Damaged, &self.listed.uri, what)
                .advise("cut them off with `gzip -dc FILE`, which shows the sound part, or get this file again");
        }
        // What the library calls it when a window is larger than 2^27 bytes.
        if kind == "Zstandard" && error.to_string().contains("too much memory") {
            let what = "its Zstandard window is over 128 MiB (`--long=28` or more, or `--ultra` with a large window)";
            return LakeError::new(LakeErrorKind::Unsupported, &self.listed.uri, what)
                .advise("compress this file again with `zstd --long=27` or less");
        }
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof if self.listed.n_bytes == 0 => {
                format!("the {kind} stream ends too early: the file is empty (0 bytes)")
            }
            io::ErrorKind::UnexpectedEof => format!("the {kind} stream ends too early: the file was cut short"),
            _ => format!("the {kind} stream is damaged: {error}"),
        };
        LakeError::new(
            LakeErrorKind::Damaged,
            &self.listed.uri,
            format!("{what} (at or before byte {} of {})", self.n_bytes_read(), self.listed.n_bytes),
        )
        .advise("get this file again from where it was made; nothing was published")
    }
}

/// For readers that want a plain [`Read`]. Its errors hold a [`LakeError`] that says which file.
impl Read for CompressedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.read_content(buffer).map_err(io::Error::other)
    }
}

/// Counts the bytes that were read, and remembers the first ones.
struct Counted<R> {
    read: R,
    n_read: Arc<AtomicU64>,
    start: Arc<OnceLock<Vec<u8>>>,
}

impl<R: FnMut(&mut [u8]) -> io::Result<usize>> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (self.read)(buffer)?;
        self.start.get_or_init(|| buffer.get(..n.min(magic::START_BYTES)).unwrap_or_default().to_vec());
        self.n_read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Zstandard frames in a row. An empty file is no frame, and taken as cut short.
struct ZstdFrames<R: BufRead> {
    decoder: zstd::stream::read::Decoder<'static, R>,
    is_empty: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    fn new(mut reader: R) -> io::Result<ZstdFrames<R>> {
        let is_empty = reader.fill_buf()?.is_empty();
        Ok(ZstdFrames { decoder: zstd::stream::read::Decoder::with_buffer(reader)?, is_empty })
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_empty {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.decoder.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::lake::{ListOptions, list};

    fn decompress(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let listing = list(&[path.display().to_string()], &ListOptions::default()).unwrap();
        let whole = |mut file: CompressedFile| {
            let mut buffer = [0; 777];
            let mut decompressed = Vec::new();
            loop {
                let n = file.fill(&mut buffer).map_err(|error| error.to_string())?;
                decompressed.extend_from_slice(&buffer[..n]);
                if n < buffer.len() {
                    assert_eq!(file.n_bytes_read(), content.len() as u64);
                    return Ok(decompressed);
                }
            }
        };
        let found = whole(open(&listing.files[0]).unwrap());
        assert_eq!(whole(open_beside(&listing.files[0]).unwrap()), found, "by a thread of its own");
        found
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn lines(from: u32) -> Vec<u8> {
        (from..from + 300).flat_map(|n| format!("{{\"n\":{}}}\n", n.wrapping_mul(2_654_435_761)).into_bytes()).collect()
    }

    #[test]
    fn members_and_frames_are_joined() {
        let (one, two) = (lines(0), lines(300));
        let both = [one.clone(), two.clone()].concat();
        let check = |name: &str, parts: &[&[u8]], expected: &[u8]| {
            assert_eq!(decompress(name, &parts.concat()).as_deref(), Ok(expected), "{name}");
        };
        check("20220401.json", &[&one, &two], &both);
        check("20220401.json", &[], b"");
        check("20220401.json.gz", &[&gzip(&one)], &one);
        check("20220401.json.gz", &[&gzip(&one), &gzip(b""), &gzip(&two)], &both);
        check("20220401.json.gz", &[&gzip(b"")], b"");
        check("20220401.json.zst", &[&zstd(&one)], &one);
        check("20220401.json.zst", &[&zstd(&one), &zstd(b""), &zstd(&two)], &both);
        check("20220401.json.zst", &[&zstd(b"")], b"");
    }

    #[test]
    fn a_stream_cut_anywhere_is_an_error() {
        type Compress = fn(&[u8]) -> Vec<u8>;
        for (name, compress) in [("20220401.json.gz", gzip as Compress), ("20220401.json.zst", zstd as Compress)] {
            let (one, two) = (compress(&lines(0)), compress(&lines(300)));
            let whole = [one.clone(), two].concat();
            for n_kept in (0..whole.len()).filter(|n| *n != one.len()) {
                if n_kept % 7 != 0 && (40..one.len() - 40).contains(&n_kept) {
                    continue; // Inside of a stream every seventh byte will do.
                }
                let message = decompress(name, &whole[..n_kept]).unwrap_err();
                assert!(message.contains("stream ends too early"), "{name} cut at {n_kept}: {message}");
            }
        }
    }

    #[test]
    fn a_window_that_is_too_large_is_told_as_that() {
        let check = |log: u32, expected: Result<(), &str>| {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.long_distance_matching(true).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&lines(0)).unwrap();
            match (decompress("20220401.json.zst", &encoder.finish().unwrap()), expected) {
                (Ok(decompressed), Ok(())) => assert_eq!(decompressed, lines(0)),
                (Err(message), Err(text)) => assert!(message.contains(text), "{log}: {message}"),
                (found, _) => panic!("{log}: {found:?}"),
            }
        };
        check(27, Ok(()));
        check(28, Err("Zstandard window is over 128 MiB"));
        check(30, Err("Zstandard window is over 128 MiB"));
    }

    #[test]
    fn damage_and_garbage_are_errors() {
        type Compress = fn(&[u8]) -> Vec<u8>;
        for (name, compress) in [("20220401.json.gz", gzip as Compress), ("20220401.json.zst", zstd as Compress)] {
            let sound = compress(&lines(0));
            for at in [sound.len() / 2, sound.len() - 3, sound.len() - 1] {
                let mut damaged = sound.clone();
                damaged[at] ^= 0x10;
                decompress(name, &damaged).unwrap_err();
            }
            for garbage in [b"{\"n\":1}\n".as_slice(), b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x", b"\n"] {
                let message = decompress(name, &[&sound, garbage].concat()).unwrap_err();
                assert!(message.contains("20220401.json"), "{message}");
            }
            decompress(name, &lines(0)).unwrap_err();
            let message = decompress(name, &compress(&compress(&lines(0)))).unwrap_err();
            assert!(message.contains("compressed twice"), "{message}");
            let message = decompress(name, b"").unwrap_err();
            assert!(message.contains("the file is empty"), "{message}");
        }
        let padded = [&gzip(&lines(0))[..], &[0; 512]].concat();
        assert_eq!(decompress("20220401.json.gz", &padded), Ok(lines(0)));
        let garbage = [&gzip(&lines(0))[..], b"{}"].concat();
        let message = decompress("20220401.json.gz", &garbage).unwrap_err();
        assert!(message.contains("other bytes follow its gzip stream"), "{message}");
        {}
    }
}
