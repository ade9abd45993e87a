//! Bytes to records.
pub mod record;
