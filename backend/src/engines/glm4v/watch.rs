//! Whether the engine's thread still goes round.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// The signs of life of one thread.
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds after `began` of the last round.
    last: AtomicU64,
    warm: AtomicBool,
    /// For those who wait until it is warm, without a runtime.
    waiting: (Mutex<()>, Condvar),
    /// Cancelled when another thread has taken its place.
    pub(super) replaced: CancellationToken,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            warm: AtomicBool::new(false),
            waiting: Default::default(),
            replaced: CancellationToken::new(),
        }
    }

    /// A round begins.
    pub(super) fn beat(&self) {
        let now = self.began.elapsed().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Time since the last round began.
    pub(super) fn age(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(last)
    }

    /// Whether the first answer was written.
    pub(super) fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Acquire)
    }

    /// The first answer was written.
    pub(super) fn warmed(&self) {
        let _held = self
            .waiting
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.warm.store(true, Ordering::Release);
        self.waiting.1.notify_all();
    }

    /// Waits until the first answer was written.
    pub(super) fn wait(&self) {
        let mut held = self
            .waiting
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !self.is_warm() && !self.is_replaced() {
            held = self
                .waiting
                .1
                .wait(held)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn is_replaced(&self) -> bool {
        self.replaced.is_cancelled()
    }
}
