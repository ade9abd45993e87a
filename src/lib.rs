//! viewmart turns a month of TV viewing logs into one reconciled row per customer, loads it into a warehouse,
//! derives a data mart and draws a dashboard.
//!
//! Data goes one way, and the modules are listed in that order:
//!
//! ```text
//! lake (local | hdfs) -> bytes -> scan -> partial -> merge -> month -> warehouse | month file -> mart -> dashboard
//!    list, pull, verify    |        |        ^                  ^         (sqlite | mysql)      (SQL)    (html, tableau)
//!                       mapped   records   one split,        labels are
//!                       window             file, day         made here
//! ```
//!
//! [`pipeline`] alone knows the order of the stages. [`engine`] does no I/O and knows no path, database or clock, and is
//! all that is left without the feature `program`.

#![deny(unsafe_code)]
#![warn(missing_docs, unsafe_op_in_unsafe_fn)]

pub mod engine;

#[cfg(feature = "program")]
pub mod lake;

#[cfg(feature = "program")]
pub mod month_file;

#[cfg(feature = "program")]
pub mod transform;

#[cfg(feature = "program")]
pub mod warehouse;

#[cfg(feature = "program")]
pub mod mart;

#[cfg(feature = "program")]
pub mod audience;

#[cfg(feature = "program")]
pub mod diff;

#[cfg(feature = "program")]
pub mod dashboard;

#[cfg(feature = "program")]
pub mod generate;

#[cfg(feature = "program")]
pub mod advice;

#[cfg(feature = "program")]
pub mod error;

#[cfg(feature = "program")]
pub mod cli;

#[cfg(feature = "program")]
mod contract_list;

#[cfg(feature = "program")]
mod suggest;

#[cfg(feature = "program")]
pub mod fs;

#[cfg(feature = "program")]
pub mod rejects;

#[cfg(feature = "program")]
pub mod bench;

#[cfg(feature = "program")]
pub mod check;

#[cfg(feature = "program")]
pub mod doctor;

#[cfg(feature = "program")]
pub mod diagnosis;

#[cfg(feature = "program")]
pub mod outcome;

#[cfg(feature = "program")]
pub mod gate;

#[cfg(feature = "program")]
pub mod artifacts;

#[cfg(feature = "program")]
pub mod reprocess;

#[cfg(feature = "program")]
pub mod signals;

#[cfg(feature = "program")]
pub mod pipeline;

#[cfg(feature = "program")]
pub mod console;

#[cfg(feature = "program")]
pub mod interrupt;

#[cfg(feature = "program")]
pub mod redact;

#[cfg(feature = "program")]
pub mod timing;

#[cfg(feature = "program")]
pub mod units;

#[cfg(feature = "program")]
pub mod report;

/// Name and version of the engine as it goes into every output, for example `viewmart 0.1.0`.
pub const ENGINE: &str = concat!("viewmart ", env!("CARGO_PKG_VERSION"));
