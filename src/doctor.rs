//! `viewmart doctor`: can this machine reach the lake and the warehouse, may it load, and is the month as it should be, as
//! far as the ends of its files show? Changes nothing.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::plan::DoctorPlan;
use crate::fs::error::OutputError;

mod lake;

pub use crate::check::{Area, Check, Verdict};

/// What the doctor found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// In the order of a run.
    pub checks: Vec<Check>,
}

/// Looks at everything that a run with this plan would need.
pub fn examine(plan: &DoctorPlan) -> Diagnosis {
    let mut checks = Vec::new();
    if let Some(of_lake) = &plan.lake {
        checks.extend(lake::examine(plan, of_lake));
    }
    checks.push(output_check(&plan.out));
    checks.extend(crate::warehouse::examine(&plan.warehouse.url, &plan.warehouse.options, &crate::mart::schema()));
    Diagnosis { checks }
}

/// Whether files can be made in the output folder, or in the folder it would be made in.
fn output_check(out: &Path) -> Check {
    let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    let existing = absolute.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match tempfile::tempfile_in(existing) {
        Ok(_) => Check::good(Area::Output, "output", format!("{} can be written", out.display())),
        Err(source) => {
            let error = OutputError::io(existing, "making a file here", source);
            Check::bad(Area::Output, "output", Verdict::Failed, &error)
        }
    }
}

impl Diagnosis {
    /// The exit code: that of the first part that failed, 0 when none did.
    pub fn exit_code(&self) -> u8 {
        let failed = self.checks.iter().find(|check| check.verdict == Verdict::Failed);
        failed.map_or(0, |check| match check.area {
            Area::Lake => 3,
            Area::Data => 4,
            Area::Warehouse => 5,
            Area::Output => 6,
        })
    }

    /// For machines.
    pub fn to_json(&self) -> Value {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|c| json!({"what": c.what, "verdict": c.verdict.name(), "found": c.found, "advice": c.advice}))
            .collect();
        json!({"healthy": self.exit_code() == 0, "checks": checks})
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{:<8} {:<14} {}", check.verdict.name(), check.what, check.found)?;
            if let Some(advice) = &check.advice {
                writeln!(f, "         next: {advice}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_decides_the_exit_code() {
        let check = |verdicts: &[(Area, Verdict)], expected: u8| {
            let checks =
                verdicts.iter().map(|(area, verdict)| Check { verdict: *verdict, ..Check::good(*area, "x", "y") });
            assert_eq!(Diagnosis { checks: checks.collect() }.exit_code(), expected, "{verdicts:?}");
        };
        check(&[], 0);
        check(&[(Area::Lake, Verdict::Warning), (Area::Warehouse, Verdict::Good)], 0);
        check(&[(Area::Lake, Verdict::Good), (Area::Warehouse, Verdict::Failed)], 5);
        check(&[(Area::Output, Verdict::Failed), (Area::Warehouse, Verdict::Failed)], 6);
        check(&[(Area::Lake, Verdict::Failed)], 3);
        check(&[(Area::Lake, Verdict::Warning), (Area::Data, Verdict::Failed)], 4);
    }
}
