//! Bytes to records: no I/O, no path, no clock.
//!
//! NDJSON goes the fast way ([`json`]) where its lines have a shape and the exact way ([`lines`], [`simd`], [`exact`])
//! where they do not; CSV has a way of its own ([`csv`]). All of them judge a record by the same rules ([`record`]) and
//! hand it to a [`sink`].

pub mod app;
pub mod contract;
pub mod csv;
pub mod exact;
pub mod json;
pub mod lines;
mod matcher;
pub mod record;
pub mod reject;
pub mod shape;
pub mod simd;
pub mod sink;
mod stencil;
mod vector;

#[cfg(test)]
mod tests;
