//! The dashboard.
pub mod tableau;
