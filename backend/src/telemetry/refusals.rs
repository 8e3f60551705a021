//! What was refused in the last hours, by code: for an operator who has no Prometheus beside the server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::Code;

use super::Clock;

/// Hours that are kept, the present one included.
const HOURS: u64 = 24;
const HOUR_MS: u64 = 3_600_000;

/// Refusals of the last hours. One row of counts an hour, so of one size whatever callers send.
#[derive(Debug)]
pub struct Refusals {
    clock: Arc<dyn Clock>,
    hours: Mutex<Vec<Hour>>,
}

/// Refusals of one code in the last hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// The counts of [`Refusals::recent`]'s hours, oldest first.
    pub counts: Vec<u64>,
}

#[derive(Debug)]
struct Hour {
    /// Hours since 1970.
    hour: u64,
    /// In the order of [`Code::ALL`].
    counts: Vec<u64>,
}

impl Refusals {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            hours: Mutex::default(),
        }
    }

    /// Counts one.
    pub fn note(&self, code: Code) {
        let now = self.clock.now_ms() / HOUR_MS;
        let mut hours = self.lock();
        let place = match hours.iter().position(|hour| hour.hour == now) {
            Some(place) => place,
            None => {
                // A clock that was set back leaves hours of the future: they go as well.
                hours.retain(|hour| hour.hour < now && hour.hour + HOURS > now);
                hours.push(Hour {
                    hour: now,
                    counts: vec![0; Code::ALL.len()],
                });
                hours.len() - 1
            }
        };
        let counted = Code::ALL.iter().position(|known| *known == code);
        if let Some(count) = counted.and_then(|code| hours.get_mut(place)?.counts.get_mut(code)) {
            *count += 1;
        }
    }

    /// The first of the last `HOURS` hours in Unix milliseconds, and every code that was refused since, most often first.
    #[must_use]
    pub fn recent(&self) -> (u64, Vec<Refused>) {
        let now = self.clock.now_ms() / HOUR_MS;
        let first = (now + 1).saturating_sub(HOURS);
        let hours = self.lock();
        let count = |hour, code: usize| {
            let row = hours.iter().find(|row| row.hour == hour);
            row.and_then(|row| row.counts.get(code))
                .copied()
                .unwrap_or_default()
        };
        let row = |(place, code): (usize, &Code)| Refused {
            code: *code,
            counts: (first..=now).map(|hour| count(hour, place)).collect(),
        };
        let sum = |refused: &Refused| refused.counts.iter().sum::<u64>();
        let mut rows: Vec<_> = Code::ALL.iter().enumerate().map(row).collect();
        rows.retain(|refused| sum(refused) > 0);
        rows.sort_by_key(|refused| std::cmp::Reverse(sum(refused)));
        (first * HOUR_MS, rows)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Hour>> {
        self.hours.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::ManualClock;

    #[test]
    fn the_last_day_is_counted_by_hour_and_older_hours_are_forgotten() {
        let clock = Arc::new(ManualClock::at(100 * HOUR_MS + 5));
        let refusals = Refusals::new(clock.clone());
        for _ in 0..3 {
            refusals.note(Code::RateLimited);
        }
        clock.advance(Duration::from_millis(2 * HOUR_MS));
        refusals.note(Code::KeyUnknown);
        let (first, rows) = refusals.recent();
        assert_eq!(first, 79 * HOUR_MS);
        let counted = |place: usize, code, hour: usize, count| {
            assert_eq!((rows[place].code, rows[place].counts[hour]), (code, count));
            assert_eq!(rows[place].counts.iter().sum::<u64>(), count);
            assert_eq!(rows[place].counts.len(), 24);
        };
        counted(0, Code::RateLimited, 21, 3);
        counted(1, Code::KeyUnknown, 23, 1);
        for _ in 0..100 {
            clock.advance(Duration::from_millis(HOUR_MS));
            refusals.note(Code::Overloaded);
        }
        assert_eq!(refusals.lock().len(), 24);
        let (_, rows) = refusals.recent();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].counts, [1; 24]);
    }
}
