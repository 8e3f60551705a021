//! Quotas that several servers share: GCRA in a script that runs inside Redis or Valkey, on that server's clock.
//!
//! A script runs alone, so no two servers take the same unit. While Redis does not answer each server gives out a part of
//! every quota by itself.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::quota::{Level, Refused};
use crate::redis::{Redis, Script};
use crate::telemetry::QuotaKind;

/// One step, whole: `now` and the arrival are microseconds of Redis's clock. Answers whether the units were taken, how far
/// the key has run ahead, and how long it would have to wait.
static STEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local unit = tonumber(ARGV[1])
local full = unit * tonumber(ARGV[2])
local arrival = tonumber(redis.call('GET', KEYS[1]) or '0') or 0
if arrival < now then arrival = now end
local new = arrival + unit * tonumber(ARGV[3])
if ARGV[4] == 'take' and new - now > full then
  return {0, math.ceil(arrival - now), math.ceil(new - now - full)}
end
if new <= now then
  redis.call('DEL', KEYS[1])
  return {1, 0, 0}
end
redis.call('SET', KEYS[1], string.format('%.2f', new), 'PX', math.ceil((new - now) / 1000) + 1000)
return {1, math.ceil(new - now), 0}
",
    )
});

/// Units a minute, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) per_minute: u32,
    pub(super) burst: u32,
}

impl Rate {
    /// What one of several servers gives out by itself.
    pub(super) fn part(self, percent: u32) -> Self {
        let part = |units: u32| {
            let part = u64::from(units) * u64::from(percent) / 100;
            u32::try_from(part).unwrap_or(u32::MAX).max(1)
        };
        Self {
            per_minute: part(self.per_minute),
            burst: part(self.burst),
        }
    }

    fn unit_us(self) -> f64 {
        60_000_000.0 / f64::from(self.per_minute.max(1))
    }

    /// The level of a key that has run `ahead`.
    fn level(self, ahead: Duration) -> Level {
        let (unit, ahead_us) = (self.unit_us(), ahead.as_secs_f64() * 1e6);
        let full = unit * f64::from(self.burst);
        let remaining = ((full - ahead_us) / unit)
            .floor()
            .clamp(0.0, f64::from(self.burst));
        let more = (ahead_us + unit * (remaining + 1.0) - full).max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=burst, which is a u32"
        )]
        let remaining = remaining as u32;
        Level {
            remaining,
            more_in: if ahead.is_zero() {
                Duration::ZERO
            } else {
                Duration::from_secs_f64(more / 1e6)
            },
            full_in: ahead,
        }
    }
}

/// How far each key had run ahead, and when that was.
type Seen = HashMap<(QuotaKind, String), (Duration, Instant)>;

/// The quotas in Redis. Calls block: make them where blocking is allowed.
#[derive(Debug)]
pub(super) struct Shared {
    redis: Redis,
    seen: Mutex<Seen>,
    max_seen: usize,
}

impl Shared {
    pub(super) fn new(redis: Redis, max_seen: usize) -> Self {
        Self {
            redis,
            seen: Mutex::default(),
            max_seen,
        }
    }

    /// Takes units; `None` when Redis does not answer.
    pub(super) fn take(
        &self,
        kind: QuotaKind,
        key: &str,
        rate: Rate,
        units: u32,
    ) -> Option<Result<(), Refused>> {
        if units > rate.burst {
            return Some(Err(Refused::Never(rate.burst)));
        }
        let (taken, ahead, wait) = self.step(kind, key, rate, i64::from(units), true)?;
        self.note(kind, key, ahead);
        Some(if taken {
            Ok(())
        } else {
            Err(Refused::Wait(wait))
        })
    }

    /// Gives units back, or takes those that were used already; false when Redis does not answer.
    pub(super) fn change(&self, kind: QuotaKind, key: &str, rate: Rate, units: i64) -> bool {
        let stepped = self.step(kind, key, rate, units, false);
        if let Some((_, ahead, _)) = stepped {
            self.note(kind, key, ahead);
        }
        stepped.is_some()
    }

    /// What the key had when it was last looked at, moved on to now.
    pub(super) fn level(&self, kind: QuotaKind, key: &str, rate: Rate) -> Level {
        let seen = self.seen();
        let ahead = seen
            .get(&(kind, key.to_owned()))
            .map_or(Duration::ZERO, |(ahead, at)| {
                ahead.saturating_sub(at.elapsed())
            });
        rate.level(ahead)
    }

    /// Whether Redis answered the last time.
    pub(super) fn is_answering(&self) -> bool {
        self.redis.is_answering()
    }

    /// Forgets keys that are as good as new.
    pub(super) fn sweep(&self) {
        self.seen().retain(|_, (ahead, at)| *ahead > at.elapsed());
    }

    fn step(
        &self,
        kind: QuotaKind,
        key: &str,
        rate: Rate,
        units: i64,
        take: bool,
    ) -> Option<(bool, Duration, Duration)> {
        let name = format!("smart-summary:{{{key}}}:{}", kind.as_str());
        let step = STEP
            .about(&name)
            .with(rate.unit_us())
            .with(rate.burst)
            .with(units)
            .with(if take { "take" } else { "change" });
        let (taken, ahead, wait): (i64, i64, i64) = self.redis.ask_blocking(step)?;
        let micros = |value| Duration::from_micros(u64::try_from(value).unwrap_or_default());
        Some((taken == 1, micros(ahead), micros(wait)))
    }

    fn note(&self, kind: QuotaKind, key: &str, ahead: Duration) {
        let mut seen = self.seen();
        if seen.len() >= self.max_seen {
            // Headers of forgotten keys say that all is there, once.
            seen.clear();
        }
        seen.insert((kind, key.to_owned()), (ahead, Instant::now()));
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_says_what_is_left_and_when_there_is_more() {
        let rate = Rate {
            per_minute: 60,
            burst: 5,
        };
        let level = |ms| rate.level(Duration::from_millis(ms));
        assert_eq!((level(0).remaining, level(0).more_in), (5, Duration::ZERO));
        assert_eq!(
            (level(2000).remaining, level(2000).more_in),
            (3, Duration::from_secs(1))
        );
        assert_eq!(
            (level(4500).remaining, level(4500).more_in),
            (0, Duration::from_millis(500))
        );
        assert_eq!(
            (level(8000).remaining, level(8000).more_in),
            (0, Duration::from_secs(4))
        );
    }

    #[test]
    fn a_part_is_never_nothing() {
        let rate = Rate {
            per_minute: 60,
            burst: 1,
        };
        assert_eq!(
            rate.part(50),
            Rate {
                per_minute: 30,
                burst: 1
            }
        );
        assert_eq!(
            rate.part(1),
            Rate {
                per_minute: 1,
                burst: 1
            }
        );
    }
}
