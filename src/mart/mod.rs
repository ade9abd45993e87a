//! The data mart.
