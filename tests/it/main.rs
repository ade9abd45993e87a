//! The program as its user runs it, with nothing but Rust.
#![cfg(feature = "program")]

#[path = "../support/mod.rs"]
mod support;
