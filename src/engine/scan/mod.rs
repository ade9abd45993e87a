//! Bytes to records: no I/O, no path, no clock.
//!
//! NDJSON ([`json`]) and CSV ([`csv`]) go the fast way ([`mod@fast`]) where their lines have a
//! shape, and where they do not the exact way of their format ([`lines`], [`tape`], [`exact`];
//! [`csv`]). All of them judge a record by the same rules ([`record`]) and hand it to a [`sink`].

pub mod app;
pub mod chunk;
pub mod contract;
pub mod csv;
pub mod exact;
mod exclude;
pub mod fast;
pub mod integer;
pub mod json;
pub mod lines;
mod matcher;
pub mod record;
pub mod reject;
pub mod shape;
pub mod sink;
mod stencil;
pub mod tape;
pub mod unique;
mod vector;

#[cfg(test)]
mod tests;
