//! The clock: the day it is, what stages of a run take, and what this process used.

use std::time::{Duration, Instant};

use jiff::ZonedDateTime;
use jiff::civil::Date;

/// The day it is here. Days after it cannot be missing yet.
pub fn today() -> Date {
    ZonedDateTime::now().date()
}

/// What one stage took and what went through it.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTiming {
    /// The stage, for example `scan`.
    pub name: &'static str,
    /// Elapsed time.
    pub wall_s: f64,
    /// Processor time of all threads of this process, so up to `threads` times the elapsed time; 0 for a stage that runs
    /// beside others (pull, workbook, a month that is read while another is loaded), as it is in theirs.
    pub cpu_s: f64,
    /// Bytes that went in (as stored, for files) or, for a stage that only writes, came out.
    pub bytes: u64,
    /// Records, or rows after the scan, that went in.
    pub records: u64,
}

impl StageTiming {
    /// Bytes per second of elapsed time, 0 when no time has passed.
    pub fn bytes_per_s(&self) -> u64 {
        rate(self.bytes, self.wall_s)
    }

    /// Records per second of elapsed time, 0 when no time has passed.
    pub fn records_per_s(&self) -> u64 {
        rate(self.records, self.wall_s)
    }
}

fn rate(amount: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (amount as f64 / seconds).round() as u64 } else { 0 }
}

/// Takes the time of one stage.
#[derive(Debug)]
pub struct StageClock {
    name: &'static str,
    wall: Instant,
    cpu: Duration,
}

impl StageClock {
    /// The stage begins now.
    pub fn start(name: &'static str) -> StageClock {
        StageClock { name, wall: Instant::now(), cpu: process_cpu_time() }
    }

    /// The stage ends now, after `bytes` and `records` went through it.
    pub fn stop(self, bytes: u64, records: u64) -> StageTiming {
        StageTiming {
            name: self.name,
            wall_s: self.wall.elapsed().as_secs_f64(),
            cpu_s: process_cpu_time().saturating_sub(self.cpu).as_secs_f64(),
            bytes,
            records,
        }
    }
}

/// Processor time, user and system, that all threads of this process have used since it began.
pub fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The most memory this process ever had resident, mapped files included, in bytes (`VmHWM` of proc(5)).
/// `None` where the system does not tell.
pub fn peak_rss_bytes() -> Option<u64> {
    peak_rss_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn peak_rss_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let n_kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    n_kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_memory_is_read_from_the_status_file() {
        let check = |status: &str, expected: Option<u64>| assert_eq!(peak_rss_in(status), expected, "{status:?}");
        check("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n", Some(12 * 1024));
        check("VmHWM:\t99999999999999999999 kB\n", None);
        check("VmHWM:\tmany kB\n", None);
        check("", None);
        assert!(peak_rss_bytes().is_some_and(|n| n > 0));
    }

    #[test]
    fn a_stage_without_time_has_no_rate() {
        let stage = StageTiming { name: "scan", wall_s: 0.0, cpu_s: 0.0, bytes: 5, records: 5 };
        assert_eq!((stage.bytes_per_s(), stage.records_per_s()), (0, 0));
    }
}
