//! How the bytes of a file are compressed, as they say themselves: that beats its name.

use std::fs::File;
use std::io::Read as _;

use crate::lake::{Compression, DataFile};

/// What a gzip member begins with.
const GZIP: &[u8] = b"\x1f\x8b";
/// What a Zstandard frame begins with.
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";

/// Bytes at the start of a file that say it.
pub(crate) const START_BYTES: usize = 8;

/// How bytes are compressed that begin so; `None` for those of no known compression.
pub(super) fn of_start(start: &[u8]) -> Option<Compression> {
    // A frame that is to be skipped may come first.
    let is_skipped = start.len() >= 4 && start[0] & 0xf0 == 0x50 && start[1..4] == *b"\x2a\x4d\x18";
    match () {
        () if start.starts_with(GZIP) => Some(Compression::Gzip),
        () if start.starts_with(ZSTD) || is_skipped => Some(Compression::Zstd),
        () => None,
    }
}

/// What a file is that is neither compressed as we decompress it nor text, by its first bytes.
pub(super) fn other_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"PK\x05\x06", "a zip archive"),
        (b"\xfd7zXZ\0", "xz"),
        (b"BZh", "bzip2"),
        (b"\x1f\x9d", "compress data (.Z)"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"Rar!\x1a\x07", "a rar archive"),
        (b"PAR1", "a Parquet file"),
        (b"ORC", "an ORC file"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    KINDS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, what)| *what)
}

/// Whether bytes begin as a text that may be data does.
fn is_text(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    start.iter().all(|b| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..))
}

/// The file as its first bytes say it is compressed, and the fact that its name says otherwise. A file that cannot be read is
/// left to whoever opens it.
pub(crate) fn as_stored(file: DataFile) -> (DataFile, Option<&'static str>) {
    let mut start = Vec::new();
    match File::open(&file.path).and_then(|opened| opened.take(START_BYTES as u64).read_to_end(&mut start)) {
        Ok(_) => as_start_says(file, &start),
        Err(_) => (file, None),
    }
}

/// The same of a file that begins with `start`.
pub(crate) fn as_start_says(mut file: DataFile, start: &[u8]) -> (DataFile, Option<&'static str>) {
    let start = start.get(..START_BYTES).unwrap_or(start);
    if start.is_empty() {
        return (file, None);
    }
    let actual = match of_start(start) {
        Some(compression) => compression,
        None if is_text(start) && other_kind(start).is_none() => Compression::None,
        // Neither one nor the other: it is damaged, or something else.
        None => return (file, None),
    };
    let fact = fact(actual, file.compression);
    file.compression = actual;
    (file, fact)
}

/// What is odd about a file that is compressed otherwise than its name says.
pub(crate) fn fact(actual: Compression, named: Compression) -> Option<&'static str> {
    Some(match (actual, named) {
        (actual, named) if actual == named => return None,
        (Compression::Gzip, _) => "it is gzip, which its name does not say",
        (Compression::Zstd, _) => "it is Zstandard, which its name does not say",
        (Compression::None, Compression::Gzip) => "it is not compressed, though its name says gzip",
        (Compression::None, _) => "it is not compressed, though its name says Zstandard",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_say_the_packing() {
        let check = |start: &[u8], expected: Option<Compression>, text: bool| {
            assert_eq!((of_start(start), is_text(start)), (expected, text), "{}", start.escape_ascii());
        };
        check(b"\x1f\x8b\x08\0", Some(Compression::Gzip), false);
        check(b"\x28\xb5\x2f\xfd\0", Some(Compression::Zstd), false);
        check(b"\x50\x2a\x4d\x18\x04", Some(Compression::Zstd), false);
        check(b"{\"a\":1}", None, true);
        check("Mã,số".as_bytes(), None, true);
        check(b"\x1f", None, false);
        check(b"\0\0\0", None, false);
    }
}
