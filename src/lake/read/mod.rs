//! Bytes of a file on this machine: mapped, or unpacked as a stream.

pub mod ahead;
mod bits;
pub mod compressed;
mod gzip;
mod huffman;
mod inflate;
pub mod mapped;
pub(crate) mod packing;
mod remote;
#[allow(unsafe_code)]
mod sigbus;
