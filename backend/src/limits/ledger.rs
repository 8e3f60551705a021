//! Engine tokens per key and day (UTC), so that a restart forgives nothing.
//!
//! Use is written to the store before the answer that it paid for leaves: whatever a caller was told that it used is in
//! the ledger, also when the process is killed in the next moment. What is set aside lives in memory, and ends with the
//! process as the work does. Where several servers share a store it is set aside there as well, under a lease, so that they
//! cannot pass a budget together; what a killed server had is free when its lease is over.
//!
//! A store that fails may have written all the same, and only its answer was lost. So what it was told is told again under
//! the same name until it answers, and is counted once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Error;
use crate::store::{Budgets, Charge, DAY_MS, DayRow, Error as StoreError, Settled, Wanted, Work};
use crate::telemetry::Clock;

/// Days that are kept, for an operator's questions.
const KEEP_DAYS: u64 = 400;

/// When to ask again while running requests have set aside what is left.
const RUNNING: Duration = Duration::from_secs(2);

/// How long what a killed server had set aside is missing from a budget.
const LEASE_MS: u64 = 10_000;

/// Charges of a key that the store was told without an answer, at most; further ones wait to be told as one.
const MAX_UNHEARD: usize = 64;

/// Tokens of the day, by key.
#[derive(Debug)]
pub(super) struct Ledger {
    days: Mutex<HashMap<String, Day>>,
    /// This process among the servers that share the store.
    owner: String,
    /// Charges that were named so far.
    named: AtomicU64,
    /// Held by whoever tells the store again: a file counts what it is told twice at once.
    telling: Mutex<()>,
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
    /// Of `used`, what the store was not told yet.
    unsaved: u64,
    /// What is no longer set aside, and the store was not told yet.
    unfreed: u64,
    /// What the store was told and did not answer.
    unheard: Vec<End>,
}

impl Day {
    /// Of the day's tokens, what the store may not have.
    fn open(&self) -> u64 {
        self.unsaved + self.unheard_of(self.day)
    }

    fn unheard_of(&self, day: u64) -> u64 {
        let ends = self.unheard.iter().filter(|end| end.day == day);
        ends.map(|end| end.used).sum()
    }

    /// Whether there is something that the store is to be told.
    fn is_told(&self) -> bool {
        self.unsaved + self.unfreed == 0 && self.unheard.is_empty()
    }
}

/// A reservation's end as the store is told it.
#[derive(Debug, Clone)]
struct End {
    /// Its own name.
    id: String,
    day: u64,
    used: u64,
    /// What of the reservation the other servers see.
    aside: u64,
}

/// What of a reservation's end the store does not know yet.
#[derive(Debug)]
enum Left {
    Nothing,
    /// It did not answer.
    Unheard(End),
    /// It was not told.
    Untold {
        used: u64,
        aside: u64,
    },
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
            named: AtomicU64::new(0),
            telling: Mutex::default(),
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
        let today = self.clock.now_ms() / DAY_MS;
        let unsaved = self.with(key, |day| day.open())?;
        let (fits, stored) = budgets.set_aside(&Wanted {
            key,
            day: today,
            owner: &self.owner,
            tokens,
            // The others may not know of it.
            budget: budget.saturating_sub(unsaved),
            lease_ms: LEASE_MS,
        })?;
        let used = stored.saturating_add(unsaved);
        let taken = self.with(key, |day| {
            if day.day == today {
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
        let left = self.end(key, used, self.aside(reserved, budget));
        self.count(key, reserved, used, left);
    }

    /// Ends a reservation whose use the store has already, with the result that it paid for.
    pub(super) fn settle_saved(&self, key: &str, reserved: u64, used: u64, budget: Option<u64>) {
        let left = self.end(key, 0, self.aside(reserved, budget));
        self.count(key, reserved, used, left);
    }

    /// Ends a reservation of which nothing was used, without waiting for the store: the next [`Ledger::write`] tells it.
    pub(super) fn leave(&self, key: &str, reserved: u64, budget: Option<u64>) {
        let aside = self.aside(reserved, budget);
        self.count(key, reserved, 0, Left::Untold { used: 0, aside });
    }

    /// What of a reservation under `budget` the other servers see.
    fn aside(&self, reserved: u64, budget: Option<u64>) -> u64 {
        match (budget, self.store.budgets()) {
            (Some(_), Some(_)) => reserved,
            _ => 0,
        }
    }

    /// Tells the store, unless it has not answered so often that nobody waits for it any more.
    fn end(&self, key: &str, used: u64, aside: u64) -> Left {
        if used == 0 && aside == 0 {
            return Left::Nothing;
        }
        let days = self.lock_days();
        let many = days
            .get(key)
            .is_some_and(|day| day.unheard.len() >= MAX_UNHEARD);
        drop(days);
        if many {
            return Left::Untold { used, aside };
        }
        let end = self.named(self.clock.now_ms() / DAY_MS, used, aside);
        match self.tell(key, &end) {
            Ok(()) => Left::Nothing,
            Err(error) => {
                tracing::error!(%error, key.id = %key, tokens = used, "used tokens could not be written; they are kept and tried again");
                Left::Unheard(end)
            }
        }
    }

    fn named(&self, day: u64, used: u64, aside: u64) -> End {
        let number = self.named.fetch_add(1, Ordering::Relaxed);
        End {
            id: format!("{}-{number:x}", self.owner),
            day,
            used,
            aside,
        }
    }

    fn tell(&self, key: &str, end: &End) -> Result<(), StoreError> {
        let charge = Charge {
            id: &end.id,
            key,
            day: end.day,
            tokens: end.used,
        };
        match self.store.budgets().filter(|_| end.aside > 0) {
            Some(budgets) => budgets.settle(&Settled {
                charge,
                owner: &self.owner,
                aside: end.aside,
            }),
            None if end.used > 0 => self.store.add(&charge),
            None => Ok(()),
        }
    }

    fn count(&self, key: &str, reserved: u64, used: u64, left: Left) {
        let today = self.clock.now_ms() / DAY_MS;
        let mut days = self.lock_days();
        if let Some(day) = days.get_mut(key) {
            day.reserved = day.reserved.saturating_sub(reserved);
            if day.day == today {
                day.used = day.used.saturating_add(used);
            }
        } else if matches!(left, Left::Nothing | Left::Untold { used: 0, aside: 0 }) {
            // Nobody has asked for this day yet: the store's word will be the first.
            return;
        }
        let day = days.entry(key.to_owned()).or_insert_with(|| Day {
            day: today,
            used,
            ..Day::default()
        });
        match left {
            Left::Nothing => {}
            Left::Unheard(end) => day.unheard.push(end),
            Left::Untold { used, aside } if day.day == today => {
                day.unsaved = day.unsaved.saturating_add(used);
                day.unfreed = day.unfreed.saturating_add(aside);
            }
            // The day before has not ended here yet.
            Left::Untold { used, aside } => day.unheard.push(self.named(today, used, aside)),
        }
    }

    /// Makes the leases of what is set aside longer.
    pub(super) fn renew(&self) {
        let Some(budgets) = self.store.budgets() else {
            return;
        };
        let days = self.lock_days();
        let running = days
            .iter()
            .filter(|(_, day)| day.reserved > 0 || !day.is_told());
        let keys: Vec<String> = running.map(|(key, _)| key.clone()).collect();
        drop(days);
        if !keys.is_empty()
            && let Err(error) = budgets.renew(&self.owner, keys, LEASE_MS)
        {
            tracing::warn!(%error, "what is set aside of budgets could not be renewed");
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
        self.name_what_is_untold(day);
        day.used = self.store.used(key, today)? + day.unheard_of(today);
        day.day = today;
        Ok(act(day))
    }

    /// Tells the store what it was not told, or did not answer. What it does not answer now is told again the next time.
    pub(super) fn write(&self) {
        let _alone = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let untold: Vec<(String, Vec<End>)> = self
            .lock_days()
            .iter_mut()
            .filter(|(_, day)| !day.is_told())
            .map(|(key, day)| {
                self.name_what_is_untold(day);
                (key.clone(), day.unheard.clone())
            })
            .collect();
        for (key, ends) in untold {
            for end in ends {
                if self.tell(&key, &end).is_err() {
                    break;
                }
                if let Some(day) = self.lock_days().get_mut(&key) {
                    day.unheard.retain(|unheard| unheard.id != end.id);
                }
            }
        }
    }

    fn name_what_is_untold(&self, day: &mut Day) {
        if day.unsaved + day.unfreed > 0 {
            let (unsaved, unfreed) = (&mut day.unsaved, &mut day.unfreed);
            let (used, aside) = (std::mem::take(unsaved), std::mem::take(unfreed));
            day.unheard.push(self.named(day.day, used, aside));
        }
    }

    /// Forgets days that are over.
    pub(super) fn sweep(&self) {
        self.write();
        let today = self.clock.now_ms() / DAY_MS;
        self.lock_days()
            .retain(|_, day| day.day == today || day.reserved > 0 || !day.is_told());
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
        let charge = Charge {
            id: "with its result",
            key: "a",
            day: NOON / DAY_MS,
            tokens: 5,
        };
        house.store().add(&charge).unwrap();
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
