//! What is to be done of several months.

use super::RunPlan;
use crate::engine::calendar::Month;
use crate::reprocess::Reprocess;

/// `viewmart run` of several months.
#[derive(Clone, Debug)]
pub struct SeriesPlan {
    /// How each of them is made; the files for schedulers, and the second one for the report, are those of all together.
    pub run: RunPlan,
    /// Which they are.
    pub months: MonthsAsked,
    /// Which of them are made.
    pub reprocess: Reprocess,
    /// In which order.
    pub order: MonthOrder,
    /// What follows a month that fails.
    pub failures: FailurePolicy,
    /// Whether any is made.
    pub mode: SeriesMode,
}

/// Months of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthsAsked {
    /// The only one there is.
    Only,
    One(Month),
    /// From the first to the second.
    Between(Month, Month),
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MonthOrder {
    /// The first month first.
    Forwards,
    /// The last month first.
    Backwards,
}

/// What follows a month that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// The other months.
    GoOn,
    /// The end.
    Stop,
}

/// Whether months are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesMode {
    /// They are.
    Make,
    /// Only what would be made is shown.
    Show,
}
