//! Metrics of a command for the textfile collector of Prometheus.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;

use crate::engine::calendar::Month;
use crate::report::Report;

/// A command that ended.
#[derive(Clone, Debug)]
pub struct CommandMetrics<'a> {
    /// Its exit code.
    pub exit: u8,
    /// When it ended.
    pub finished: Timestamp,
    /// How long it took.
    pub elapsed_s: f64,
    pub months: Vec<MonthMetrics<'a>>,
}

#[derive(Clone, Debug)]
pub struct MonthMetrics<'a> {
    pub month: Month,
    /// A word for what became of it.
    pub status: &'static str,
    /// How long it took.
    pub elapsed_s: f64,
    /// What was made, where it was.
    pub report: Option<&'a Report>,
}

/// The text of the file: one family of metrics after the other.
pub fn text(command: &CommandMetrics<'_>) -> String {
    let mut text = String::new();
    let mut of_command = |name: &str, help: &str, value: &dyn Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP viewmart_{name} {help}\n# TYPE viewmart_{name} gauge\nviewmart_{name} {value}");
    };
    of_command("exit_code", "Exit code of the last command.", &command.exit);
    let finished_s = command.finished.as_millisecond() as f64 / 1e3;
    of_command("finished_timestamp_seconds", "When it ended, seconds since 1970.", &finished_s);
    of_command("duration_seconds", "How long it took.", &command.elapsed_s);
    for (name, help, samples) in FAMILIES {
        let _ = writeln!(text, "# HELP viewmart_month_{name} {help}\n# TYPE viewmart_month_{name} gauge");
        for month in &command.months {
            for (label, value) in samples(month) {
                let _ = writeln!(text, "viewmart_month_{name}{{month=\"{}\"{label}}} {value}", month.month);
            }
        }
    }
    text
}

/// Labels besides the month, and values; words of this program alone, which need no escape.
type Samples = Vec<(String, f64)>;

/// Name, help, and what gives the samples of a month.
type Family = (&'static str, &'static str, fn(&MonthMetrics<'_>) -> Samples);

/// Each with its help and its samples of a month.
const FAMILIES: [Family; 8] = [
    ("status", "1 for what became of the month.", |month| vec![(format!(",status=\"{}\"", month.status), 1.0)]),
    ("duration_seconds", "How long the month took.", |month| vec![(String::new(), month.elapsed_s)]),
    ("records", "Records of the month by what became of them.", |month| {
        let of = |report: &Report| {
            let (kept, rejected) = (report.ledger.kept, report.ledger.read.saturating_sub(report.ledger.kept));
            [("kept", kept), ("rejected", rejected)].map(|(name, n)| (format!(",outcome=\"{name}\""), n as f64))
        };
        month.report.map(of).into_iter().flatten().collect()
    }),
    ("customers", "Customers of the month.", |month| single(month, |report| report.contracts as f64)),
    ("watched_seconds", "What they watched.", |month| single(month, |report| report.ledger.n_seconds() as f64)),
    ("input_files", "Data files of the month.", |month| single(month, |report| report.input.files as f64)),
    ("input_bytes", "Their size as stored.", |month| single(month, |report| report.input.bytes as f64)),
    ("warnings", "Warnings about the month.", |month| single(month, |report| report.warnings.len() as f64)),
];

fn single(month: &MonthMetrics<'_>, value: fn(&Report) -> f64) -> Samples {
    month.report.map(|report| (String::new(), value(report))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::sample;

    #[test]
    fn a_command_is_a_text_of_gauges() {
        let report = sample();
        let month = |month: &str, status, report| MonthMetrics {
            month: month.parse().unwrap(),
            status,
            elapsed_s: 1.5,
            report,
        };
        let command = CommandMetrics {
            exit: 4,
            finished: "2022-05-01T00:00:00.5Z".parse().unwrap(),
            elapsed_s: 3.0,
            months: vec![month("2022-04", "published", Some(&report)), month("2022-05", "refused", None)],
        };
        let text = text(&command);
        let values: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            values,
            [
                "viewmart_exit_code 4",
                "viewmart_finished_timestamp_seconds 1651363200.5",
                "viewmart_duration_seconds 3",
                "viewmart_month_status{month=\"2022-04\",status=\"published\"} 1",
                "viewmart_month_status{month=\"2022-05\",status=\"refused\"} 1",
                "viewmart_month_duration_seconds{month=\"2022-04\"} 1.5",
                "viewmart_month_duration_seconds{month=\"2022-05\"} 1.5",
                "viewmart_month_records{month=\"2022-04\",outcome=\"kept\"} 6",
                "viewmart_month_records{month=\"2022-04\",outcome=\"rejected\"} 4",
                "viewmart_month_customers{month=\"2022-04\"} 1234567",
                "viewmart_month_watched_seconds{month=\"2022-04\"} 12345678901234567000",
                "viewmart_month_input_files{month=\"2022-04\"} 2",
                "viewmart_month_input_bytes{month=\"2022-04\"} 1500",
                "viewmart_month_warnings{month=\"2022-04\"} 1",
            ]
        );
        let of_each = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!((of_each("# HELP viewmart_"), of_each("# TYPE viewmart_")), (11, 11));
    }
}
