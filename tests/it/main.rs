//! The program as its user runs it, with nothing but Rust.

#[path = "../support/mod.rs"]
mod support;

mod audience;
mod cli;
mod dashboard;
mod denied;
mod devices;
mod diff;
mod doctor;
mod faults;
mod lake;
mod losses;
mod merge;
mod months;
mod outputs;
mod package;
mod parts;
mod plain;
mod readme;
mod real_months;
mod records;
mod run;
mod series;
mod tidy;
mod tiny;
mod told;
mod transform;
mod warehouse;
