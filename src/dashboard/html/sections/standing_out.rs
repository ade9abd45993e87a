//! Days of which far more was rejected than of others, or that have far fewer or far more records.

use super::super::table::Column::{Numbers, Words};
use super::super::table::Table;
use super::super::text::escape;
use super::super::units;
use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Day;
use crate::engine::ledger::Reason;

/// Share of a day's records that is rejected and worth a line.
const REJECTED_SHARE: f64 = 0.05;

/// Records of the median day from which on days are held against it.
const MIN_MEDIAN_RECORDS: i64 = 100;

/// What became of the records of a day.
struct DayCounts {
    day: Day,
    read: i64,
    /// Rejected for a reason that says something about the data.
    bad: i64,
    reasons: String,
}

/// The days that stand out; nothing where none does.
pub fn table(month: &MonthModel) -> String {
    let days: Vec<DayCounts> = counts(month).collect();
    let mut reads: Vec<i64> = days.iter().map(|day| day.read).filter(|read| *read > 0).collect();
    reads.sort_unstable();
    let median = reads.get(reads.len() / 2).copied().unwrap_or(0);
    let what = |day: &DayCounts| {
        let is_odd = median >= MIN_MEDIAN_RECORDS && day.read > 0;
        match day.read {
            read if is_odd && read < median - median / 2 => Some("fewer than half of the median day"),
            read if is_odd && read > median.saturating_mul(2) => Some("more than twice the median day"),
            read if day.bad as f64 > read as f64 * REJECTED_SHARE => Some("many rejected"),
            _ => None,
        }
    };
    let mut odd = days.iter().filter_map(|day| Some((day, what(day)?))).peekable();
    if odd.peek().is_none() {
        return String::new();
    }
    let columns = [Words("Day"), Numbers("Records"), Numbers("Rejected"), Words("Reasons"), Words("What stands out")];
    let mut table = Table::new("odd-days", "Days that stand out", &columns);
    for (day, what) in odd {
        let row = table.row(&units::day(month.month, day.day)).number(&units::count(day.read));
        row.number(&units::percent(day.bad, day.read)).words(&escape(&day.reasons)).words(what);
    }
    format!("<h4>Days that stand out</h4>\n{}", table.finish())
}

fn counts(month: &MonthModel) -> impl Iterator<Item = DayCounts> + '_ {
    month.daily_quality.iter().map(|(day, records)| {
        let of = |reason: &Reason| records.get(reason.name()).copied().unwrap_or(0);
        let bad: Vec<(Reason, i64)> = Reason::ALL
            .into_iter()
            .filter(|reason| reason.counts_against_limit())
            .map(|reason| (reason, of(&reason)))
            .filter(|(_, records)| *records > 0)
            .collect();
        let reasons: Vec<String> =
            bad.iter().map(|(reason, records)| format!("{reason} {}", units::count(*records))).collect();
        DayCounts {
            day: *day,
            read: records.values().sum(),
            bad: bad.iter().map(|(_, records)| records).sum(),
            reasons: reasons.join(", "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_stand_out_are_shown() {
        // Kept and malformed records of days 1, 2, 3 and so on.
        let check = |days: &[(i64, i64)], expected: &[&str]| {
            let mut month = MonthModel::empty("2022-04".parse().unwrap());
            for (day, (kept, malformed)) in (1..).zip(days) {
                let counts = [("kept".to_owned(), *kept), ("malformed".to_owned(), *malformed)];
                month.daily_quality.insert(Day::new(day).unwrap(), counts.into());
            }
            let html = table(&month);
            assert_eq!(html.is_empty(), expected.is_empty(), "{html}");
            for words in expected {
                assert!(html.contains(words), "{words}: {html}");
            }
        };
        check(&[], &[]);
        check(&[(100, 0), (100, 5), (53, 0), (200, 0)], &[]);
        check(&[(100, 0), (100, 0), (49, 0)], &["Sun 3 Apr", "<td>49", "fewer than half"]);
        check(&[(100, 0), (100, 0), (201, 0)], &["Sun 3 Apr", "more than twice"]);
        check(&[(10, 0), (9, 1)], &["Sat 2 Apr", "malformed 1", "many rejected"]);
    }
}
