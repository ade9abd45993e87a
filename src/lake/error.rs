//! What can go wrong between the lake and the scan.

use std::borrow::Cow;

use crate::error::Advice;

/// A lake that could not be listed, or a file that could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// A path, file or server failed.
    #[error("{uri}: {what}")]
    At {
        /// Path or URI.
        uri: String,
        /// What failed and why.
        what: String,
        /// What the user can do about it.
        advice: Option<String>,
    },
}

impl Advice for LakeError {
    fn advice(&self) -> Option<Cow<'_, str>> {
        match self {
            LakeError::At { advice, .. } => advice.as_deref().map(Cow::Borrowed),
        }
    }
}
