//! Days of which the run warned that much was rejected, that keep nothing, or have far fewer or far more records than
//! others.

use super::super::table::Column::{Numbers, Words};
use super::super::table::Table;
use super::super::text::escape;
use super::super::units;
use crate::dashboard::model::MonthModel;
use crate::engine::calendar::Day;
use crate::engine::ledger::Reason;
use crate::engine::odd::{MIN_MEDIAN_RECORDS, MedianDay, Odd, REJECTING_DAY};
use crate::units::dates;

/// What became of the records of a day.
struct DayCounts {
    day: Day,
    read: i64,
    kept: i64,
    /// Rejected for a reason that says something about the data, or for any where nothing is kept.
    rejected: i64,
    reasons: String,
}

/// The days that stand out; nothing where none does.
pub fn table(month: &MonthModel) -> String {
    let days: Vec<DayCounts> = counts(month).collect();
    let median = MedianDay::of(days.iter().map(|day| day.read.unsigned_abs()), MIN_MEDIAN_RECORDS);
    let what = |day: &DayCounts| match median.odd(day.read.unsigned_abs()) {
        _ if day.read > 0 && day.kept == 0 => Some("nothing kept"),
        Some(Odd::Less) => Some("fewer than half of the median day"),
        Some(Odd::More) => Some("more than twice the median day"),
        None if is_warned_of(month, day.day) => Some("many rejected"),
        None => None,
    };
    let mut odd = days.iter().filter_map(|day| Some((day, what(day)?))).peekable();
    if odd.peek().is_none() {
        return String::new();
    }
    let columns = [Words("Day"), Numbers("Records"), Numbers("Rejected"), Words("Reasons"), Words("What stands out")];
    let mut table = Table::new("odd-days", "Days that stand out", &columns);
    for (day, what) in odd {
        let row = table.row(&units::day(month.month, day.day)).number(&units::count(day.read));
        row.number(&units::percent(day.rejected, day.read)).words(&escape(&day.reasons)).words(what);
    }
    format!("<h4>Days that stand out</h4>\n{}", table.finish())
}

/// Whether the run that stands warned of what was rejected of a day. It alone knows the limit.
fn is_warned_of(month: &MonthModel, day: Day) -> bool {
    let date = dates(month.month, &[day]).concat();
    month.warnings.iter().any(|warning| warning.kind == REJECTING_DAY && warning.text.starts_with(&date))
}

fn counts(month: &MonthModel) -> impl Iterator<Item = DayCounts> + '_ {
    month.daily_quality.iter().map(|(day, records)| {
        let of = |reason: &Reason| records.get(reason.name()).copied().unwrap_or(0);
        let kept = records.get("kept").copied().unwrap_or(0);
        // Where nothing is kept, every reason says why.
        let rejected: Vec<(Reason, i64)> = Reason::ALL
            .into_iter()
            .filter(|reason| kept == 0 || reason.counts_against_limit())
            .map(|reason| (reason, of(&reason)))
            .filter(|(_, records)| *records > 0)
            .collect();
        let reasons: Vec<String> =
            rejected.iter().map(|(reason, records)| format!("{reason} {}", units::count(*records))).collect();
        DayCounts {
            day: *day,
            read: records.values().sum(),
            kept,
            rejected: rejected.iter().map(|(_, records)| records).sum(),
            reasons: reasons.join(", "),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::RunWarning;

    #[test]
    fn days_that_stand_out_are_shown() {
        // Kept and malformed records of days 1, 2, 3 and so on, and what the run warned of.
        let check_warned = |days: &[(i64, i64)], warning: [&str; 2], expected: &[&str]| {
            let mut month = MonthModel::empty("2022-04".parse().unwrap());
            let [kind, text] = warning.map(str::to_owned);
            month.warnings.push(RunWarning { kind, text });
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
        let check = |days: &[(i64, i64)], expected: &[&str]| check_warned(days, ["file", "2022-04-02"], expected);
        check(&[], &[]);
        check(&[(100, 0), (100, 5), (53, 0), (200, 0)], &[]);
        check(&[(100, 0), (100, 0), (49, 0)], &["Sun 3 Apr", "<td>49", "fewer than half"]);
        check(&[(100, 0), (100, 0), (201, 0)], &["Sun 3 Apr", "more than twice"]);
        // The limit is that of the run.
        check(&[(10, 0), (1, 9)], &[]);
        let of_second = ["rejected", "2022-04-02 has 1 of 10 records: malformed 1"];
        check_warned(&[(10, 0), (9, 1)], of_second, &["Sat 2 Apr", "malformed 1", "10.0", "many rejected"]);
        check_warned(&[(10, 0), (10, 0), (99, 1)], ["rejected", "2022-04-20 has"], &[]);
        check(&[(10, 0), (0, 1), (0, 0)], &["Sat 2 Apr", "malformed 1", "nothing kept"]);
    }
}
