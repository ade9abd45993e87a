//! Bytes to records.
pub mod csv;
pub mod exact;
pub mod lines;
pub mod record;
pub mod simd;
pub mod sink;

#[cfg(test)]
mod tests;
