//! One quota for many keys: GCRA (governor) with a bounded number of cells that can be looked at and given back.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::RateLimiter;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;

use crate::telemetry::Clock;

/// A number of units a minute, of which `burst` may be taken at once.
pub(super) struct Quota<K: Hash + Eq + Clone> {
    per_minute: NonZeroU32,
    burst: NonZeroU32,
    limiter: RateLimiter<K, Cells<K>, Ticks, NoOpMiddleware<Duration>>,
    cells: Cells<K>,
    clock: Arc<dyn Clock>,
    /// When the limiter was made; its cells count from there.
    start: Duration,
}

impl<K: Hash + Eq + Clone> std::fmt::Debug for Quota<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Quota({} a minute, {} at once)",
            self.per_minute, self.burst
        )
    }
}

/// Why nothing was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There will be enough after this.
    Wait(Duration),
    /// There is never so much at once; this is the most.
    Never(u32),
}

/// What a key has at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// Units that could be taken at once.
    pub(super) remaining: u32,
    /// Until there is one more; zero when all are there.
    pub(super) more_in: Duration,
    /// Until all are there.
    pub(super) full_in: Duration,
}

impl<K: Hash + Eq + Clone> Quota<K> {
    /// `max_tracked`: keys that are counted apart; further ones share one cell.
    pub(super) fn new(
        per_minute: u32,
        burst: u32,
        max_tracked: usize,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let cells = Cells {
            max_tracked,
            inner: Arc::default(),
        };
        let start = clock.monotonic();
        let quota = governor::Quota::per_minute(per_minute).allow_burst(burst);
        let limiter = RateLimiter::new(
            quota,
            cells.clone(),
            Ticks {
                clock: clock.clone(),
                start,
            },
        );
        Self {
            per_minute,
            burst,
            limiter,
            cells,
            clock: clock.clone(),
            start,
        }
    }

    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute.get()
    }

    /// Takes `units`, or none of them.
    pub(super) fn take(&self, key: &K, units: u32) -> Result<(), Refused> {
        let Some(units) = NonZeroU32::new(units) else {
            return Ok(());
        };
        match self.limiter.check_key_n(key, units) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Refused::Wait(
                until.wait_time_from(self.clock.monotonic().saturating_sub(self.start)),
            )),
            Err(most) => Err(Refused::Never(most.0)),
        }
    }

    /// Gives units back that were taken and not used.
    pub(super) fn give_back(&self, key: &K, units: u32) {
        let back = self.unit().saturating_mul(u64::from(units));
        self.cells
            .change(key, |arrival| arrival.saturating_sub(back));
    }

    /// Takes units that were already used, even when they are not there: the key waits longer next time.
    pub(super) fn take_afterwards(&self, key: &K, units: u32) {
        let (more, now) = (self.unit().saturating_mul(u64::from(units)), self.now());
        self.cells
            .change(key, |arrival| arrival.max(now).saturating_add(more));
    }

    pub(super) fn level(&self, key: &K) -> Level {
        let (now, unit) = (self.now(), self.unit());
        // GCRA: `arrival` is when the key would be idle again if it had kept to the pace; a burst lets it run ahead.
        let arrival = self.cells.look(key).max(now);
        let ahead = arrival - now;
        let room = unit
            .saturating_mul(u64::from(self.burst.get()))
            .saturating_sub(ahead);
        let remaining = u32::try_from(room / unit)
            .unwrap_or(u32::MAX)
            .min(self.burst.get());
        let full = unit.saturating_mul(u64::from(self.burst.get()));
        // Where the key owes more than a whole burst, the first unit is further away than one unit's time.
        let more = if ahead == 0 {
            0
        } else {
            (ahead + unit.saturating_mul(u64::from(remaining) + 1)).saturating_sub(full)
        };
        Level {
            remaining,
            more_in: Duration::from_nanos(more),
            full_in: Duration::from_nanos(ahead),
        }
    }

    /// Forgets cells that are as good as new, and gives the memory back.
    pub(super) fn sweep(&self) {
        self.cells.retain_after(self.now());
    }

    pub(super) fn tracked(&self) -> usize {
        self.cells.len()
    }

    /// The time that one unit takes, as governor computes it.
    fn unit(&self) -> u64 {
        u64::try_from((Duration::from_secs(60) / self.per_minute.get()).as_nanos())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.monotonic().saturating_sub(self.start).as_nanos())
            .unwrap_or(u64::MAX)
    }
}

/// Our clock as governor's, counted from the limiter's start.
#[derive(Debug, Clone)]
struct Ticks {
    clock: Arc<dyn Clock>,
    start: Duration,
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.start)
    }
}

/// A number per key, and one for all keys above the bound; a clone is the same numbers.
#[derive(Clone)]
struct Cells<K> {
    max_tracked: usize,
    inner: Arc<Mutex<Inner<K>>>,
}

struct Inner<K> {
    apart: HashMap<K, u64>,
    shared: Option<u64>,
}

impl<K> Default for Inner<K> {
    fn default() -> Self {
        Self {
            apart: HashMap::new(),
            shared: None,
        }
    }
}

impl<K: Hash + Eq + Clone> Cells<K> {
    fn with<T>(&self, act: impl FnOnce(&mut Inner<K>) -> T) -> T {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look(&self, key: &K) -> u64 {
        self.with(|inner| inner.cell(key, self.max_tracked).unwrap_or_default())
    }

    fn change(&self, key: &K, new: impl FnOnce(u64) -> u64) {
        self.with(|inner| {
            let old = inner.cell(key, self.max_tracked).unwrap_or_default();
            inner.put(key, new(old), self.max_tracked);
        });
    }

    fn retain_after(&self, now: u64) {
        self.with(|inner| {
            inner.apart.retain(|_, arrival| *arrival > now);
            inner.apart.shrink_to_fit();
        });
    }

    fn len(&self) -> usize {
        self.with(|inner| inner.apart.len())
    }
}

impl<K: Hash + Eq + Clone> Inner<K> {
    fn cell(&self, key: &K, max_tracked: usize) -> Option<u64> {
        let full = self.apart.len() >= max_tracked;
        self.apart
            .get(key)
            .copied()
            .or(if full { self.shared } else { None })
    }

    fn put(&mut self, key: &K, value: u64, max_tracked: usize) {
        if let Some(cell) = self.apart.get_mut(key) {
            *cell = value;
        } else if self.apart.len() < max_tracked {
            self.apart.insert(key.clone(), value);
        } else {
            self.shared = Some(value);
        }
    }
}

/// What governor needs of a store: the whole step under one lock.
impl<K: Hash + Eq + Clone> StateStore for Cells<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, step: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.with(|inner| {
            let old = inner.cell(key, self.max_tracked).map(Nanos::from);
            let (outcome, new) = step(old)?;
            inner.put(key, new.as_u64(), self.max_tracked);
            Ok(outcome)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ManualClock;

    fn quota(per_minute: u32, burst: u32, max_tracked: usize) -> (Quota<u32>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(0));
        let shared: Arc<dyn Clock> = clock.clone();
        (Quota::new(per_minute, burst, max_tracked, &shared), clock)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_then_the_pace() {
        let (quota, clock) = quota(60, 3, 10);
        for left in [2, 1, 0] {
            assert_eq!(quota.take(&1, 1), Ok(()));
            assert_eq!(quota.level(&1).remaining, left);
        }
        assert_eq!(quota.take(&1, 1), Err(Refused::Wait(SECOND)));
        clock.advance(SECOND);
        assert_eq!(quota.take(&1, 1), Ok(()));
        assert_eq!(quota.take(&1, 1), Err(Refused::Wait(SECOND)));
        assert_eq!(quota.take(&2, 3), Ok(()), "another key has its own");
    }

    #[test]
    fn waiting_as_long_as_told_is_enough_and_less_is_not() {
        let (quota, clock) = quota(60, 10, 10);
        quota.take(&1, 10).unwrap();
        for units in [1, 4, 10, 3] {
            let Err(Refused::Wait(wait)) = quota.take(&1, units) else {
                panic!("{units} were there")
            };
            clock.advance(wait - Duration::from_millis(1));
            assert!(quota.take(&1, units).is_err(), "{units} came early");
            clock.advance(Duration::from_millis(1));
            assert_eq!(quota.take(&1, units), Ok(()));
        }
    }

    #[test]
    fn what_can_never_be_had_is_told_from_what_must_be_waited_for() {
        let (quota, _) = quota(60, 5, 10);
        assert_eq!(quota.take(&1, 6), Err(Refused::Never(5)));
        assert_eq!(quota.take(&1, 5), Ok(()), "the refusal cost nothing");
    }

    #[test]
    fn the_level_agrees_with_what_can_be_taken() {
        let (quota, clock) = quota(90, 7, 10);
        for step in 0..200 {
            clock.advance(Duration::from_millis(step * 37 % 900));
            let level = quota.level(&1);
            if level.remaining < 7 {
                assert!(
                    matches!(quota.take(&1, level.remaining + 1), Err(Refused::Wait(wait)) if wait == level.more_in),
                    "{level:?}"
                );
            }
            if step % 3 == 0 {
                assert_eq!(quota.take(&1, level.remaining), Ok(()));
            }
        }
    }

    #[test]
    fn a_level_fills_up_and_says_when() {
        let (quota, clock) = quota(60, 5, 10);
        assert_eq!(
            quota.level(&1),
            Level {
                remaining: 5,
                more_in: Duration::ZERO,
                full_in: Duration::ZERO
            }
        );
        quota.take(&1, 5).unwrap();
        assert_eq!(
            quota.level(&1),
            Level {
                remaining: 0,
                more_in: SECOND,
                full_in: 5 * SECOND
            }
        );
        clock.advance(2 * SECOND);
        assert_eq!(
            quota.level(&1),
            Level {
                remaining: 2,
                more_in: SECOND,
                full_in: 3 * SECOND
            }
        );
        clock.advance(3 * SECOND);
        assert_eq!(quota.level(&1).remaining, 5);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let (quota, _) = quota(60, 5, 10);
        quota.take(&1, 5).unwrap();
        quota.give_back(&1, 3);
        assert_eq!(quota.level(&1).remaining, 3);
        quota.give_back(&1, 100);
        assert_eq!(quota.level(&1).remaining, 5);
        assert_eq!(quota.take(&1, 6), Err(Refused::Never(5)));
    }

    #[test]
    fn what_was_used_without_asking_is_waited_for() {
        let (quota, clock) = quota(60, 5, 10);
        quota.take_afterwards(&1, 8);
        assert_eq!(
            quota.level(&1),
            Level {
                remaining: 0,
                more_in: 4 * SECOND,
                full_in: 8 * SECOND
            }
        );
        assert_eq!(quota.take(&1, 1), Err(Refused::Wait(4 * SECOND)));
        clock.advance(4 * SECOND);
        assert_eq!(quota.take(&1, 1), Ok(()));
    }

    #[test]
    fn no_minute_has_more_than_the_pace_and_one_burst_wherever_it_begins() {
        let (quota, clock) = quota(60, 10, 10);
        // Whenever there is one, in steps that fit no minute: a window that begins anew would let two bursts meet.
        let mut taken = Vec::new();
        for step in 0_u64..4000 {
            let now = clock.monotonic();
            while quota.take(&1, 1).is_ok() {
                taken.push(now);
            }
            // Sometimes nobody asks for a while, and the burst is there again.
            let pause = if step % 97 == 0 {
                13_000
            } else {
                step * 37 % 400
            };
            clock.advance(Duration::from_millis(pause));
        }
        assert!(taken.len() > 500, "{}", taken.len());
        let most = taken
            .iter()
            .map(|from| {
                let within = |at: &&Duration| *at >= from && **at < *from + 60 * SECOND;
                taken.iter().filter(within).count()
            })
            .max();
        assert!((60..=70).contains(&most.unwrap()), "{most:?}");
    }

    #[test]
    fn a_million_keys_take_no_more_room_than_the_bound() {
        let (quota, clock) = quota(60, 2, 16);
        for key in 0..10_000 {
            let _ = quota.take(&key, 1);
        }
        assert_eq!(quota.tracked(), 16);
        assert_eq!(
            quota.take(&3, 1),
            Ok(()),
            "a key that is tracked keeps its own cell"
        );
        assert!(quota.take(&777, 1).is_err(), "the others share one");
        clock.advance(Duration::from_secs(3));
        quota.sweep();
        assert_eq!(quota.tracked(), 0);
        assert_eq!(quota.take(&777, 2), Ok(()));
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let (quota, _) = quota(60, 100, 10);
        let taken = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if quota.take(&1, 1).is_ok() {
                            taken.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 100);
    }
}
