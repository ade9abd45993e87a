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
#![warn(unsafe_op_in_unsafe_fn, clippy::too_many_lines)]
// A table of cases is as long as it has cases.
#![cfg_attr(test, allow(clippy::too_many_lines))]

// What tests outside of the package share with those inside names it.
#[cfg(test)]
extern crate self as viewmart;

pub mod engine;

#[cfg(test)]
#[path = "../tests/support/made.rs"]
mod made;

cfg_if::cfg_if! {
    if #[cfg(feature = "program")] {
        pub mod lake;
        pub mod month_file;
        pub mod transform;
        pub mod warehouse;
        pub mod mart;
        pub mod audience;
        pub mod diff;
        pub mod dashboard;
        pub mod diagnosis;
        pub mod gate;
        pub mod artifacts;
        pub mod report;
        pub mod signals;
        pub mod reprocess;
        pub mod generate;
        pub mod bench;
        pub mod doctor;
        pub mod outcome;
        pub mod cli;
        pub mod pipeline;

        pub mod advice;
        pub mod check;
        pub mod console;
        mod contract_list;
        pub mod error;
        pub mod floor;
        pub mod fs;
        pub mod interrupt;
        pub mod redact;
        pub mod rejects;
        mod suggest;
        pub mod threads;
        pub mod timing;
        pub mod units;
    }
}

/// Name and version of the engine as it goes into every output, for example `viewmart 0.1.0`.
pub const ENGINE: &str = concat!("viewmart ", env!("CARGO_PKG_VERSION"));
