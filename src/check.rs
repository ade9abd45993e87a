//! One thing that the doctor looks at, and how that ended. Whoever is looked at says so himself.

use crate::advice::Advice;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but not as well as it could.
    Warning,
    /// A run would fail.
    Failed,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Warning => "warning",
            Verdict::Failed => "failed",
        }
    }
}

/// Which part of a run a check is about; its failure decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The lake: exit code 3.
    Lake,
    /// What is in its files: exit code 4.
    Data,
    /// Warehouse and mart: exit code 5.
    Warehouse,
    /// The output folder: exit code 6.
    Output,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part of a run.
    pub area: Area,
    /// What was looked at, for example `reading`.
    pub what: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What the user can do about it.
    pub advice: Option<String>,
}

impl Check {
    /// It is as it should be.
    pub fn good(area: Area, what: impl Into<String>, found: impl Into<String>) -> Check {
        Check { area, what: what.into(), verdict: Verdict::Good, found: found.into(), advice: None }
    }

    /// It would stop a run, or slow it down.
    pub fn bad(area: Area, what: impl Into<String>, verdict: Verdict, error: &impl Advice) -> Check {
        let advice = error.advice().map(std::borrow::Cow::into_owned);
        Check { area, what: what.into(), verdict, found: error.to_string(), advice }
    }
}
