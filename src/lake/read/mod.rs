//! Bytes of a file on this machine: mapped, or decompressed as a stream.

pub mod ahead;
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
