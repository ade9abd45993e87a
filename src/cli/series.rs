//! `viewmart run`: one month, or many.

use super::flags::{SeriesFlags, SignalFlags};
use super::plan::{FailurePolicy, MonthOrder, MonthsAsked, RunPlan, SeriesMode, SeriesPlan, SignalPlan, Task};
use super::resolve::Resolver;
use super::values::{MonthChoice, ReprocessName};
use crate::engine::calendar::Month;
use crate::error::Error;
use crate::reprocess::Reprocess;

impl Resolver<'_> {
    pub(super) fn run(&self) -> Result<Task, Error> {
        let SeriesFlags { reprocess, dry_run, backwards, stop_on_failure } = self.settings.series;
        // One month is always made, unless it is asked whether it has to be.
        let is_judged = reprocess.is_some() || dry_run == Some(true);
        let months = match self.settings.month.month {
            Some(MonthChoice::All) => MonthsAsked::All,
            Some(MonthChoice::Between(first, last)) => MonthsAsked::Between(first, last),
            choice => {
                let month = choice.map(|choice| self.chosen(choice)).transpose()?;
                if !is_judged {
                    return Ok(Task::Run(Box::new(self.run_plan(month)?)));
                }
                month.map_or(MonthsAsked::Only, MonthsAsked::One)
            }
        };
        let month = if let MonthsAsked::One(month) = months { Some(month) } else { None };
        Ok(Task::Series(Box::new(SeriesPlan {
            run: self.run_plan(month)?,
            months,
            reprocess: reprocess.map_or(Reprocess::Changed, ReprocessName::reprocess),
            order: if backwards == Some(true) { MonthOrder::Backwards } else { MonthOrder::Forwards },
            failures: if stop_on_failure == Some(true) { FailurePolicy::Stop } else { FailurePolicy::GoOn },
            mode: if dry_run == Some(true) { SeriesMode::Show } else { SeriesMode::Make },
        })))
    }

    fn run_plan(&self, month: Option<Month>) -> Result<RunPlan, Error> {
        let SignalFlags { metrics, lineage } = self.settings.signals.clone();
        Ok(RunPlan {
            lake: self.lake_of(month)?,
            engine: self.engine()?,
            warehouse: self.warehouse()?,
            audiences: self.named_audiences()?,
            render: self.render()?,
            out: self.out()?,
            report: self.settings.report.report.clone(),
            signals: SignalPlan { metrics, lineage },
        })
    }
}
