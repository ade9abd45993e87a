//! The dashboard: the mart as something to look at.
//!
//! [`model`] reads the mart once, [`html`] turns that into one offline page, [`tableau`] into a workbook. Whatever
//! shows or exports a contract asks [`mask`] first.

pub mod html;
pub mod mask;
pub mod model;
pub mod tableau;
