//! One customer's month, and the month's columns.
//!
//! ```text
//! scan -> collect -> partition -> profile -> build -> columns
//!         (a thread)  (an epoch)   (a table)  (sorted rows)
//! ```
//!
//! No I/O and no clock here: what comes in are records, what goes out is a [`Partial`](super::partial::Partial).

pub mod build;
pub mod collect;
pub mod context;
pub mod days;
pub mod devices;
pub mod huge_pages;
pub mod intern;
pub mod nontemporal;
pub mod partition;
pub mod profile;
