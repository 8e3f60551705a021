//! Engine tokens per key and day (UTC), so that a restart forgives nothing.
//!
//! Use is written to the store before the answer that it paid for leaves: whatever a caller was told that it used is in
//! the ledger, also when the process is killed in the next moment. What is set aside lives in memory, and ends with the
//! process as the work does. Where several servers share a store it is set aside there as well, under a lease, so that they
//! cannot pass a budget together; what a killed server had is free when its lease is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Error;
use crate::store::{Budgets, DAY_MS, DayRow, Error as StoreError, Settled, Wanted, Work};
use crate::telemetry::Clock;

/// Days that are kept, for an operator's questions.
const KEEP_DAYS: u64 = 400;

/// When to ask again while running requests have set aside what is left.
const RUNNING: Duration = Duration::from_secs(2);

/// How long what a killed server had set aside is missing from a budget.
const LEASE_MS: u64 = 10_000;

/// Tokens of the day, by key.
#[derive(Debug)]
pub(super) struct Ledger {
    days: Mutex<HashMap<String, Day>>,
    /// This process among the servers that share the store.
    owner: String,
    store: Arc<dyn Work>,
    clock: Arc<dyn Clock>,
}

/// One key's present day.
#[derive(Debug, Default)]
struct Day {
    /// Days since 1970.
    day: u64,
    used: u64,
    reserved: u64,
    /// Of `used`, what the store did not take yet.
    unsaved: u64,
    /// What is no longer set aside, and the store did not free yet.
    unfreed: u64,
}

/// A reservation's end, and what of it the store does not know yet.
#[derive(Debug, Clone, Copy)]
struct Ended {
    reserved: u64,
    used: u64,
    unsaved: u64,
    unfreed: u64,
}

/// A key's day as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Today {
    /// Tokens used, and those of requests that run.
    pub(super) used: u64,
    /// Unix time in milliseconds of the next day.
    pub(super) resets_at: u64,
    /// Until then.
    pub(super) resets_in: Duration,
}

impl Ledger {
    pub(super) fn new(store: Arc<dyn Work>, clock: Arc<dyn Clock>) -> Self {
        // An id is a name, not a secret: the time will do.
        let owner = getrandom::u64().unwrap_or_else(|_| clock.now_ms());
        Self {
            days: Mutex::default(),
            owner: format!("{owner:016x}"),
            store,
            clock,
        }
    }

    /// What the key has used today.
    pub(super) fn today(&self, key: &str) -> Result<Today, Error> {
        self.with(key, |day| day.used + day.reserved)
            .map(|used| self.as_today(used))
    }

    /// What the store has of days, see [`Work::days`].
    pub(super) fn days(
        &self,
        from: u64,
        after: (&str, u64),
        most: u32,
    ) -> Result<Vec<DayRow>, Error> {
        Ok(self.store.days(from, after, most)?)
    }

    /// Sets tokens aside when the day's budget has them.
    pub(super) fn reserve(
        &self,
        key: &str,
        tokens: u64,
        budget: Option<u64>,
    ) -> Result<Result<(), Today>, Error> {
        if let (Some(budget), Some(budgets)) = (budget, self.store.budgets()) {
            return self.reserve_among_all(key, tokens, budget, budgets);
        }
        let outcome = self.with(key, |day| {
            let taken = day.used.saturating_add(day.reserved);
            let beyond =
                |taken: u64| budget.is_some_and(|budget| taken.saturating_add(tokens) > budget);
            if beyond(taken) {
                return Err((taken, beyond(day.used)));
            }
            day.reserved += tokens;
            Ok(())
        })?;
        Ok(outcome.map_err(|(taken, used_up)| self.refused(taken, used_up)))
    }

    /// Sets tokens aside where the other servers see it.
    fn reserve_among_all(
        &self,
        key: &str,
        tokens: u64,
        budget: u64,
        budgets: &dyn Budgets,
    ) -> Result<Result<(), Today>, Error> {
        let now = self.clock.now_ms();
        let unsaved = self.with(key, |day| day.unsaved)?;
        let (fits, stored) = budgets.set_aside(&Wanted {
            key,
            day: now / DAY_MS,
            owner: &self.owner,
            tokens,
            // The others do not know of it.
            budget: budget.saturating_sub(unsaved),
            now,
            lease_until: now + LEASE_MS,
        })?;
        let used = stored.saturating_add(unsaved);
        let taken = self.with(key, |day| {
            if day.day == now / DAY_MS {
                day.used = used;
            }
            if fits {
                day.reserved += tokens;
            }
            day.used.saturating_add(day.reserved)
        })?;
        let used_up = used.saturating_add(tokens) > budget;
        Ok(if fits {
            Ok(())
        } else {
            Err(self.refused(taken, used_up))
        })
    }

    fn refused(&self, taken: u64, used_up: bool) -> Today {
        let today = self.as_today(taken);
        let resets_in = if used_up {
            today.resets_in
        } else {
            // Only requests that run stand in the way: most of what they set aside comes back.
            today.resets_in.min(RUNNING)
        };
        Today { resets_in, ..today }
    }

    /// Ends a reservation under `budget`: what was used counts and is in the store when this returns; the rest is free again.
    pub(super) fn settle(&self, key: &str, reserved: u64, used: u64, budget: Option<u64>) {
        let today = self.clock.now_ms() / DAY_MS;
        let aside = self.aside(reserved, budget);
        let saved = self
            .tell(key, today, aside, used)
            .inspect_err(|error| {
                tracing::error!(%error, key.id = %key, tokens = used, "used tokens could not be written; they are kept and tried again");
            })
            .is_ok();
        let (unsaved, unfreed) = if saved { (0, 0) } else { (used, aside) };
        let ended = Ended {
            reserved,
            used,
            unsaved,
            unfreed,
        };
        self.count(key, today, ended);
    }

    /// Ends a reservation whose use the store has already, with the result that it paid for.
    pub(super) fn settle_saved(&self, key: &str, reserved: u64, used: u64, budget: Option<u64>) {
        let today = self.clock.now_ms() / DAY_MS;
        let aside = self.aside(reserved, budget);
        let freed = self.tell(key, today, aside, 0).is_ok();
        let ended = Ended {
            reserved,
            used,
            unsaved: 0,
            unfreed: if freed { 0 } else { aside },
        };
        self.count(key, today, ended);
    }

    /// Ends a reservation of which nothing was used, without waiting for the store: the next [`Ledger::write`] tells it.
    pub(super) fn leave(&self, key: &str, reserved: u64, budget: Option<u64>) {
        let ended = Ended {
            reserved,
            used: 0,
            unsaved: 0,
            unfreed: self.aside(reserved, budget),
        };
        self.count(key, self.clock.now_ms() / DAY_MS, ended);
    }

    /// What of a reservation under `budget` the other servers see.
    fn aside(&self, reserved: u64, budget: Option<u64>) -> u64 {
        match (budget, self.store.budgets()) {
            (Some(_), Some(_)) => reserved,
            _ => 0,
        }
    }

    fn tell(&self, key: &str, day: u64, aside: u64, used: u64) -> Result<(), StoreError> {
        match self.store.budgets().filter(|_| aside > 0) {
            Some(budgets) => budgets.settle(&Settled {
                key,
                day,
                owner: &self.owner,
                aside,
                used,
            }),
            None if used > 0 => self.store.add(key, day, used),
            None => Ok(()),
        }
    }

    fn count(&self, key: &str, today: u64, ended: Ended) {
        let Ended {
            reserved,
            used,
            unsaved,
            unfreed,
        } = ended;
        let mut days = self.lock_days();
        let Some(day) = days.get_mut(key) else {
            // Nobody has asked for this day yet: the store's word will be the first.
            if unsaved > 0 || unfreed > 0 {
                let day = Day {
                    day: today,
                    used,
                    reserved: 0,
                    unsaved,
                    unfreed,
                };
                days.insert(key.to_owned(), day);
            }
            return;
        };
        day.reserved = day.reserved.saturating_sub(reserved);
        if day.day == today || unsaved > 0 {
            day.used = day.used.saturating_add(used);
        }
        day.unsaved = day.unsaved.saturating_add(unsaved);
        day.unfreed = day.unfreed.saturating_add(unfreed);
    }

    /// Makes the leases of what is set aside longer.
    pub(super) fn renew(&self) {
        let Some(budgets) = self.store.budgets() else {
            return;
        };
        let days = self.lock_days();
        let running = days
            .iter()
            .filter(|(_, day)| day.reserved > 0 || day.unfreed > 0);
        let keys: Vec<String> = running.map(|(key, _)| key.clone()).collect();
        drop(days);
        if !keys.is_empty() {
            let until = self.clock.now_ms() + LEASE_MS;
            if let Err(error) = budgets.renew(&self.owner, keys, until) {
                tracing::warn!(%error, "what is set aside of budgets could not be renewed");
            }
        }
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Day) -> T) -> Result<T, Error> {
        let today = self.clock.now_ms() / DAY_MS;
        let mut days = self.lock_days();
        if let Some(day) = days.get_mut(key)
            && day.day == today
        {
            return Ok(act(day));
        }
        // The first of its day: once per key and day, so under the lock. Requests that run over midnight keep what they set
        // aside, and what the store does not take stays to be told.
        let day = days.entry(key.to_owned()).or_default();
        if day.unsaved > 0 {
            self.store.add(key, day.day, day.unsaved)?;
            day.unsaved = 0;
        }
        day.used = self.store.used(key, today)?;
        day.day = today;
        Ok(act(day))
    }

    /// Writes what the store did not take before. What cannot be written is tried again the next time.
    pub(super) fn write(&self) {
        let unsaved: Vec<(String, u64, u64, u64)> = self
            .lock_days()
            .iter_mut()
            .filter(|(_, day)| day.unsaved > 0 || day.unfreed > 0)
            .map(|(key, day)| {
                let (unsaved, unfreed) = (&mut day.unsaved, &mut day.unfreed);
                let taken = (std::mem::take(unsaved), std::mem::take(unfreed));
                (key.clone(), day.day, taken.0, taken.1)
            })
            .collect();
        for (key, day, used, aside) in unsaved {
            if self.tell(&key, day, aside, used).is_err() {
                let mut days = self.lock_days();
                let entry = days.entry(key).or_insert_with(|| Day {
                    day,
                    ..Day::default()
                });
                entry.unsaved = entry.unsaved.saturating_add(used);
                entry.unfreed = entry.unfreed.saturating_add(aside);
            }
        }
    }

    /// Forgets days that are over.
    pub(super) fn sweep(&self) {
        self.write();
        let today = self.clock.now_ms() / DAY_MS;
        self.lock_days()
            .retain(|_, day| day.day == today || day.unsaved + day.unfreed + day.reserved > 0);
        if let Err(error) = self.store.forget_days(today.saturating_sub(KEEP_DAYS)) {
            tracing::warn!(%error, "old days could not be removed from the ledger");
        }
    }

    fn as_today(&self, used: u64) -> Today {
        let now = self.clock.now_ms();
        let resets_at = (now / DAY_MS + 1) * DAY_MS;
        Today {
            used,
            resets_at,
            resets_in: Duration::from_millis(resets_at - now),
        }
    }

    fn lock_days(&self) -> MutexGuard<'_, HashMap<String, Day>> {
        self.days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteWork;
    use crate::telemetry::ManualClock;

    const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

    struct House {
        directory: tempfile::TempDir,
        clock: Arc<ManualClock>,
    }

    fn house() -> House {
        House {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(NOON)),
        }
    }

    impl House {
        fn store(&self) -> Arc<SqliteWork> {
            Arc::new(SqliteWork::open(&self.directory.path().join("usage.sqlite")).unwrap())
        }

        fn open(&self) -> Ledger {
            Ledger::new(self.store(), self.clock.clone())
        }
    }

    #[test]
    fn a_killed_process_forgives_nothing() {
        let house = house();
        let ledger = house.open();
        assert!(ledger.reserve("a", 100, Some(150)).unwrap().is_ok());
        ledger.settle("a", 100, 60, None);
        // Nothing is called at the end: a killed process cannot.
        let again = house.open();
        assert_eq!(again.today("a").unwrap().used, 60);
        assert!(again.reserve("a", 91, Some(150)).unwrap().is_err());
        assert!(again.reserve("a", 90, Some(150)).unwrap().is_ok());
    }

    #[test]
    fn what_was_set_aside_and_not_used_is_free_again() {
        let house = house();
        let ledger = house.open();
        assert!(ledger.reserve("a", 100, Some(100)).unwrap().is_ok());
        assert!(ledger.reserve("a", 1, Some(100)).unwrap().is_err());
        ledger.settle("a", 100, 0, None);
        assert_eq!(ledger.today("a").unwrap().used, 0);
        assert!(ledger.reserve("a", 100, Some(100)).unwrap().is_ok());
    }

    #[test]
    fn a_new_day_begins_with_nothing_used() {
        let house = house();
        let ledger = house.open();
        ledger.settle("a", 0, 10, None);
        let refused = ledger.reserve("a", 1, Some(10)).unwrap().unwrap_err();
        assert_eq!(refused.resets_in, Duration::from_millis(DAY_MS / 2));
        house.clock.advance(refused.resets_in);
        assert!(ledger.reserve("a", 10, Some(10)).unwrap().is_ok());
        assert_eq!(house.store().used("a", NOON / DAY_MS).unwrap(), 10);
    }

    #[test]
    fn two_processes_add_up() {
        let house = house();
        let (one, other) = (house.open(), house.open());
        one.settle("a", 0, 3, None);
        other.settle("a", 0, 4, None);
        assert_eq!(house.open().today("a").unwrap().used, 7);
    }

    #[test]
    fn what_the_store_has_already_is_not_written_again() {
        let house = house();
        let ledger = house.open();
        assert!(ledger.reserve("a", 9, None).unwrap().is_ok());
        house.store().add("a", NOON / DAY_MS, 5).unwrap();
        ledger.settle_saved("a", 9, 5, None);
        assert_eq!(ledger.today("a").unwrap().used, 5);
        assert_eq!(house.open().today("a").unwrap().used, 5);
    }

    #[test]
    fn days_that_are_over_are_forgotten() {
        let house = house();
        let ledger = house.open();
        ledger.today("a").unwrap();
        house.clock.advance(Duration::from_millis(2 * DAY_MS));
        ledger.sweep();
        assert!(ledger.lock_days().is_empty());
    }
}
