//! Stored bytes, read bit by bit.

use std::io::{self, Read};

/// Bytes read from the file at once: few calls, and little of the second-level cache.
const INPUT_BYTES: usize = 256 << 10;

/// The bits of a stream, the lowest of each byte first.
pub(super) struct Bits<R> {
    read: R,
    input: Box<[u8]>,
    /// The part of `input` whose bytes are not in `held`.
    at: usize,
    end: usize,
    /// The bits that come next, the first one lowest; those above `n_held` are zeros.
    held: u64,
    n_held: u32,
}

impl<R: Read> Bits<R> {
    pub fn new(read: R) -> Bits<R> {
        Bits { read, input: vec![0; INPUT_BYTES].into(), at: 0, end: 0, held: 0, n_held: 0 }
    }

    /// The next `n` bits, 16 at most.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] where there are fewer.
    pub fn take(&mut self, n: u32) -> io::Result<u32> {
        while self.n_held < n {
            let byte = self.input_byte()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            self.hold(byte);
        }
        let bits = self.held & ((1 << n) - 1);
        self.drop(n);
        Ok(bits as u32)
    }

    /// The next bits, 56 at least or all that are left, and how many they are.
    pub fn peek(&mut self) -> io::Result<(u64, u32)> {
        while self.n_held < 56
            && let Some(byte) = self.input_byte()?
        {
            self.hold(byte);
        }
        Ok((self.held, self.n_held))
    }

    /// Drops the next `n` bits, which have been peeked at.
    pub fn drop(&mut self, n: u32) {
        self.held >>= n;
        self.n_held -= n;
    }

    /// Drops the bits up to the next whole byte.
    pub fn align(&mut self) {
        self.drop(self.n_held % 8);
    }

    /// The next byte of those that are whole; none at the end.
    pub fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.n_held >= 8 {
            let byte = self.held as u8;
            self.drop(8);
            return Ok(Some(byte));
        }
        self.input_byte()
    }

    /// As [`Bits::byte`], where one must follow.
    pub fn next_byte(&mut self) -> io::Result<u8> {
        self.byte()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Copies whole bytes, one at least and as many as are at hand, and says how many.
    pub fn copy(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some((first, rest)) = out.split_first_mut() else { return Ok(0) };
        *first = self.next_byte()?;
        if self.n_held > 0 {
            return Ok(1);
        }
        let n = rest.len().min(self.end - self.at);
        rest[..n].copy_from_slice(&self.input[self.at..self.at + n]);
        self.at += n;
        Ok(1 + n)
    }

    /// What is read already, for whoever takes bits by the dozen; [`Bits::put_back`] says what is left.
    pub fn lend(&self) -> (&[u8], u64, u32) {
        (&self.input[self.at..self.end], self.held, self.n_held)
    }

    /// The first `n_used` bytes of what was lent are used, and `n_held` bits are left of them.
    pub fn put_back(&mut self, n_used: usize, held: u64, n_held: u32) {
        self.at += n_used;
        self.held = held & ((1 << n_held) - 1);
        self.n_held = n_held;
    }

    fn hold(&mut self, byte: u8) {
        self.held |= u64::from(byte) << self.n_held;
        self.n_held += 8;
    }

    fn input_byte(&mut self) -> io::Result<Option<u8>> {
        while self.at == self.end {
            match self.read.read(&mut self.input) {
                Ok(0) => return Ok(None),
                Ok(n) => (self.at, self.end) = (0, n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += 1;
        Ok(Some(self.input[self.at - 1]))
    }
}
