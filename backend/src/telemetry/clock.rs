//! Time as a parameter, so that no test sleeps.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// Unix time in milliseconds; may jump when an operator sets the machine's clock.
    fn now_ms(&self) -> u64;
    /// Time since some fixed moment; never goes back. For intervals and rates.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands until it is moved; for tests.
#[derive(Debug)]
pub struct ManualClock {
    start_ms: u64,
    passed_ms: AtomicU64,
}

impl ManualClock {
    /// Stands at `start_ms` of Unix time.
    pub fn at(start_ms: u64) -> Self {
        Self {
            start_ms,
            passed_ms: AtomicU64::new(0),
        }
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.passed_ms.fetch_add(
            u64::try_from(by.as_millis()).unwrap_or(u64::MAX),
            Ordering::SeqCst,
        );
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.start_ms
            .saturating_add(self.passed_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }
}
