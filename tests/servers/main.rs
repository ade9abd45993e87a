//! The program against real servers. Each test starts the server it needs, or fails.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod hdfs;
mod mysql;
mod spark;
mod tableau;
