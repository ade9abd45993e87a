//! The engine: bytes to records to one row per customer. No I/O, no clock, no path; it builds
//! without the feature `program`, which is how miri and the fuzz targets see it.

#![warn(missing_docs)]

pub mod aggregate;
pub mod byte_counts;
pub mod calendar;
pub mod columns;
pub mod devices;
pub mod hex;
pub mod ledger;
pub mod month;
pub mod odd;
pub mod partial;
pub mod rules;
pub mod scan;
