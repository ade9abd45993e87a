//! One customer's month, and the month's columns.
pub mod columns;
pub use columns::{DayActivity, MonthTable, Provenance};
