//! Gzip (RFC 1952): members in a row, with zeros after the last one where somebody has padded the file.

use std::io::{self, Read};

use crc32fast::Hasher;

use super::bits::Bits;
use super::inflate::{Inflate, damaged};

/// What [`GzipMembers`] says of bytes that are neither a member nor padding.
pub(super) const GARBAGE: &str = "bytes after the gzip stream";

/// The content of all members.
pub(super) struct GzipMembers<R> {
    bits: Bits<R>,
    inflate: Inflate,
    checksum: Hasher,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// Before the first member.
    Start,
    Member,
    End,
}

impl<R: Read> GzipMembers<R> {
    pub fn new(read: R) -> GzipMembers<R> {
        GzipMembers { bits: Bits::new(read), inflate: Inflate::new(), checksum: Hasher::new(), place: Place::Start }
    }

    /// As [`Inflate::decompress`], to the end of the last member.
    pub fn decompress(&mut self, window: &mut [u8], mut at: usize) -> io::Result<usize> {
        while at < window.len() {
            match self.place {
                Place::Start => {
                    let first = self.bits.next_byte()?;
                    self.begin_member(first)?;
                }
                Place::Member => {
                    let end = self.inflate.decompress(&mut self.bits, window, at)?;
                    self.checksum.update(&window[at..end]);
                    at = end;
                    if at < window.len() {
                        self.end_member()?;
                    }
                }
                Place::End => break,
            }
        }
        Ok(at)
    }

    fn begin_member(&mut self, first: u8) -> io::Result<()> {
        const HAS_CHECKSUM: u8 = 1 << 1;
        const HAS_EXTRA: u8 = 1 << 2;
        const HAS_NAME: u8 = 1 << 3;
        const HAS_COMMENT: u8 = 1 << 4;
        let mut header = Header { bits: &mut self.bits, checksum: Hasher::new() };
        header.checksum.update(&[first]);
        let start = [first, header.byte()?, header.byte()?];
        let flags = header.byte()?;
        if start != *b"\x1f\x8b\x08" || flags & 0xe0 != 0 {
            return Err(damaged("invalid gzip header"));
        }
        header.skip(6)?;
        if flags & HAS_EXTRA != 0 {
            let n_bytes = u16::from_le_bytes([header.byte()?, header.byte()?]);
            header.skip(n_bytes)?;
        }
        for flag in [HAS_NAME, HAS_COMMENT] {
            while flags & flag != 0 && header.byte()? != 0 {}
        }
        if flags & HAS_CHECKSUM != 0 {
            let expected = header.checksum.finalize() as u16;
            if u16::from_le_bytes([self.bits.next_byte()?, self.bits.next_byte()?]) != expected {
                return Err(damaged("the checksum of a gzip header differs"));
            }
        }
        self.inflate.restart();
        (self.checksum, self.place) = (Hasher::new(), Place::Member);
        Ok(())
    }

    /// Holds the content against what its member says of it, and looks what follows.
    fn end_member(&mut self) -> io::Result<()> {
        self.bits.align();
        let checksum = std::mem::take(&mut self.checksum).finalize();
        let n_bytes = self.inflate.n_bytes() as u32;
        for (expected, what) in [(checksum, "its checksum differs"), (n_bytes, "its length differs")] {
            let mut word = [0; 4];
            for byte in &mut word {
                *byte = self.bits.next_byte()?;
            }
            if u32::from_le_bytes(word) != expected {
                return Err(damaged(what));
            }
        }
        match self.bits.byte()? {
            Some(0x1f) => return self.begin_member(0x1f),
            Some(0) => {
                while let Some(byte) = self.bits.byte()? {
                    if byte != 0 {
                        return Err(damaged(GARBAGE));
                    }
                }
            }
            Some(_) => return Err(damaged(GARBAGE)),
            None => {}
        }
        self.place = Place::End;
        Ok(())
    }
}

/// The bytes of a header, and the checksum of those that were read.
struct Header<'a, R> {
    bits: &'a mut Bits<R>,
    checksum: Hasher,
}

impl<R: Read> Header<'_, R> {
    fn byte(&mut self) -> io::Result<u8> {
        let byte = self.bits.next_byte()?;
        self.checksum.update(&[byte]);
        Ok(byte)
    }

    fn skip(&mut self, n_bytes: u16) -> io::Result<()> {
        (0..n_bytes).try_for_each(|_| self.byte().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::lake::read::inflate::HISTORY_BYTES;

    fn decompress(stream: &[u8]) -> Result<Vec<u8>, String> {
        let (mut members, mut content) = (GzipMembers::new(stream), vec![0; HISTORY_BYTES]);
        let end = members.decompress(&mut content, 0).map_err(|error| error.to_string())?;
        content.truncate(end);
        Ok(content)
    }

    fn member(header: &[u8]) -> Vec<u8> {
        let mut compressor = flate2::write::DeflateEncoder::new(header.to_vec(), flate2::Compression::default());
        compressor.write_all(b"content").unwrap();
        let mut member = compressor.finish().unwrap();
        member.extend(crc32fast::hash(b"content").to_le_bytes());
        member.extend(7_u32.to_le_bytes());
        member
    }

    #[test]
    fn headers_are_passed_over() {
        let check = |header: &[u8], expected: Result<&[u8], &str>| {
            let found = decompress(&member(header));
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{}", header.escape_ascii());
        };
        let sound: Result<&[u8], &str> = Ok(b"content");
        check(b"\x1f\x8b\x08\0\0\0\0\0\0\x03", sound);
        check(b"\x1f\x8b\x08\x04\0\0\0\0\0\x03\x03\0abc", sound);
        check(b"\x1f\x8b\x08\x08\0\0\0\0\0\x03name\0", sound);
        check(b"\x1f\x8b\x08\x1d\0\0\0\0\0\x03\x01\0xname\0comment\0", sound);
        let header = b"\x1f\x8b\x08\x0a\0\0\0\0\0\x03name\0";
        let checksum = (crc32fast::hash(header) as u16).to_le_bytes();
        check(&[&header[..], &checksum].concat(), sound);
        check(&[&header[..], &[checksum[0] ^ 1, checksum[1]]].concat(), Err("the checksum of a gzip header differs"));
        check(b"\x1f\x8b\x07\0\0\0\0\0\0\x03", Err("invalid gzip header"));
        check(b"\x1f\x8b\x08\x20\0\0\0\0\0\x03", Err("invalid gzip header"));
        check(b"\x1e\x8b\x08\0\0\0\0\0\0\x03", Err("invalid gzip header"));
    }

    #[test]
    fn content_is_held_against_its_member() {
        let sound = member(b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
        let check = |from_end: usize, expected: &str| {
            let mut stream = sound.clone();
            let place = stream.len() - from_end;
            stream[place] ^= 1;
            assert_eq!(decompress(&stream).unwrap_err(), expected);
        };
        check(8, "its checksum differs");
        check(5, "its checksum differs");
        check(4, "its length differs");
        check(1, "its length differs");
    }
}
