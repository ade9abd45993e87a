//! Bytes of a file on this machine: mapped, or decompressed as a stream.

use std::io::{self, Read};

pub mod ahead;
mod beside;
mod bits;
pub mod compressed;
mod gzip;
mod huffman;
mod inflate;
pub(crate) mod magic;
pub mod mapped;
mod remote;
#[allow(unsafe_code)]
mod sigbus;

/// Reads until the buffer is full or nothing is left. How many bytes it read.
pub(super) fn fill(read: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_filled = 0;
    while let Some(rest) = buffer.get_mut(n_filled..).filter(|rest| !rest.is_empty()) {
        match read.read(rest) {
            Ok(0) => break,
            Ok(n_bytes) => n_filled += n_bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_filled)
}
