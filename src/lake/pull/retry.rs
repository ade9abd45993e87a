//! When the next attempt at a file starts, and when there is none.

use std::time::{Duration, Instant};

/// How often, how long and how fast a file is tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// Attempts in a row without a new byte.
    pub max_attempts: u32,
    /// Time without a new byte after which no further attempt starts.
    pub max_silence: Duration,
    /// Wait before the second attempt; it doubles with each one.
    pub initial_backoff: Duration,
    /// Longest wait.
    pub max_backoff: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            max_attempts: 5,
            max_silence: Duration::from_secs(30),
            initial_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(15),
        }
    }
}

/// The attempts at one file since its last new byte.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    furthest: u64,
    since: Instant,
    n_failed: u32,
}

impl Attempts {
    pub fn new(policy: RetryPolicy) -> Attempts {
        Attempts { policy, furthest: 0, since: Instant::now(), n_failed: 0 }
    }

    /// Notes an attempt that failed after `reached` bytes of the file. The wait before the next one, or none when it is
    /// time to give up. Files that failed together do not come back together: `jitter` is another one for each.
    pub fn fail(&mut self, reached: u64, jitter: u8) -> Option<Duration> {
        if reached > self.furthest {
            (self.furthest, self.since, self.n_failed) = (reached, Instant::now(), 0);
        }
        self.n_failed += 1;
        if self.n_failed >= self.policy.max_attempts || self.since.elapsed() >= self.policy.max_silence {
            return None;
        }
        let doubled = self.policy.initial_backoff.saturating_mul(1 << (self.n_failed - 1).min(16));
        Some(doubled.min(self.policy.max_backoff).mul_f64(0.75 + f64::from(jitter) / 512.0))
    }

    /// How many failed in a row.
    pub fn n_failed(&self) -> u32 {
        self.n_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_start_over_with_new_bytes() {
        let policy = RetryPolicy { max_attempts: 5, max_backoff: Duration::from_secs(1), ..RetryPolicy::default() };
        let mut attempts = Attempts::new(policy);
        let mut check = |reached: u64, expected_ms: Option<u64>| {
            assert_eq!(attempts.fail(reached, 128), expected_ms.map(Duration::from_millis), "{reached}");
        };
        check(0, Some(500));
        check(0, Some(1000));
        check(0, Some(1000));
        check(10, Some(500));
        check(10, Some(1000));
        check(9, Some(1000));
        check(10, Some(1000));
        check(10, None);
    }
}
