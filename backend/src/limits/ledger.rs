//! Engine tokens per key and day (UTC), kept in an SQLite file so that a restart forgives nothing.
//!
//! Use is counted in memory at once and written every second; a killed process loses at most that second.
//! Several processes may share the file: each adds what it counted.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Error;
use crate::telemetry::Clock;

const DAY_MS: u64 = 86_400_000;
/// Days that are kept, for an operator's questions.
const KEEP_DAYS: u64 = 400;

/// The form that this version writes, as `user_version` says it.
const FORM: i64 = 1;

/// Tokens of the day, by key.
#[derive(Debug)]
pub(super) struct Ledger {
    days: Mutex<HashMap<String, Day>>,
    store: Mutex<Connection>,
    clock: Arc<dyn Clock>,
}

/// One key's present day.
#[derive(Debug, Default)]
struct Day {
    /// Days since 1970.
    day: u64,
    used: u64,
    reserved: u64,
    /// Of `used`, what is not in the file yet.
    unsaved: u64,
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
    pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        close_to_others(path);
        let store = Connection::open(path)?;
        store.busy_timeout(Duration::from_secs(2))?;
        store.pragma_update(None, "journal_mode", "WAL")?;
        // Each writing is a second's counts: losing the last one with the power is within what the head promises.
        store.pragma_update(None, "synchronous", "NORMAL")?;
        let found: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > FORM {
            return Err(Error::LedgerTooNew { found, known: FORM });
        }
        store.execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TABLE IF NOT EXISTS usage (
                 key_id TEXT NOT NULL, day INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (key_id, day)
             ) STRICT, WITHOUT ROWID;
             PRAGMA user_version = 1;
             COMMIT",
        )?;
        Ok(Self {
            days: Mutex::default(),
            store: store.into(),
            clock,
        })
    }

    /// What the key has used today.
    pub(super) fn today(&self, key: &str) -> Result<Today, Error> {
        self.with(key, |day| day.used + day.reserved)
            .map(|used| self.as_today(used))
    }

    /// Sets tokens aside when the day's budget has them.
    pub(super) fn reserve(
        &self,
        key: &str,
        tokens: u64,
        budget: Option<u64>,
    ) -> Result<Result<(), Today>, Error> {
        let outcome = self.with(key, |day| {
            let taken = day.used.saturating_add(day.reserved);
            if budget.is_some_and(|budget| taken.saturating_add(tokens) > budget) {
                return Err(taken);
            }
            day.reserved += tokens;
            Ok(())
        })?;
        Ok(outcome.map_err(|taken| self.as_today(taken)))
    }

    /// Ends a reservation: what was used counts, the rest is free again.
    pub(super) fn settle(&self, key: &str, reserved: u64, used: u64) {
        let counted = self.with(key, |day| {
            day.reserved = day.reserved.saturating_sub(reserved);
            day.used = day.used.saturating_add(used);
            day.unsaved = day.unsaved.saturating_add(used);
        });
        if let Err(error) = counted {
            tracing::error!(%error, key.id = %key, tokens = used, "tokens could not be counted");
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
        // The first of its day: once per key and day, so under the lock.
        let old = days.remove(key).unwrap_or_default();
        let store = self.lock_store();
        if old.unsaved > 0 {
            add(&store, key, old.day, old.unsaved)?;
        }
        let used: Option<i64> = store
            .prepare_cached("SELECT tokens FROM usage WHERE key_id = ?1 AND day = ?2")?
            .query_row(params![key, integer(today)], |row| row.get(0))
            .optional()?;
        let used = used
            .and_then(|used| u64::try_from(used).ok())
            .unwrap_or_default();
        let day = days.entry(key.to_owned()).or_default();
        // Requests that run over midnight keep what they set aside.
        *day = Day {
            day: today,
            used,
            reserved: old.reserved,
            unsaved: 0,
        };
        Ok(act(day))
    }

    /// Writes what was counted since the last time. What cannot be written is tried again the next time.
    pub(super) fn write(&self) {
        let unsaved: Vec<(String, u64, u64)> = self
            .lock_days()
            .iter_mut()
            .filter(|(_, day)| day.unsaved > 0)
            .map(|(key, day)| (key.clone(), day.day, std::mem::take(&mut day.unsaved)))
            .collect();
        if unsaved.is_empty() {
            return;
        }
        if let Err(error) = self.add_all(&unsaved) {
            tracing::error!(%error, "used tokens could not be written; they are kept and tried again");
            let mut days = self.lock_days();
            for (key, day, tokens) in unsaved {
                let entry = days.entry(key).or_insert_with(|| Day {
                    day,
                    ..Day::default()
                });
                entry.unsaved = entry.unsaved.saturating_add(tokens);
            }
        }
    }

    fn add_all(&self, unsaved: &[(String, u64, u64)]) -> Result<(), Error> {
        let mut store = self.lock_store();
        let change = store.transaction()?;
        for (key, day, tokens) in unsaved {
            add(&change, key, *day, *tokens)?;
        }
        Ok(change.commit()?)
    }

    /// Forgets days that are over.
    pub(super) fn sweep(&self) {
        self.write();
        let today = self.clock.now_ms() / DAY_MS;
        self.lock_days()
            .retain(|_, day| day.day == today || day.unsaved > 0 || day.reserved > 0);
        let oldest = integer(today.saturating_sub(KEEP_DAYS));
        if let Err(error) = self
            .lock_store()
            .execute("DELETE FROM usage WHERE day < ?1", [oldest])
        {
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

    fn lock_store(&self) -> MutexGuard<'_, Connection> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the file for its owner alone; SQLite gives its side files the same mode. When that fails, opening it tells why.
fn close_to_others(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

fn add(store: &Connection, key: &str, day: u64, tokens: u64) -> Result<(), Error> {
    store
        .prepare_cached(
            "INSERT INTO usage (key_id, day, tokens) VALUES (?1, ?2, ?3)
             ON CONFLICT (key_id, day) DO UPDATE SET tokens = tokens + excluded.tokens",
        )?
        .execute(params![key, integer(day), integer(tokens)])?;
    Ok(())
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::ManualClock;

    const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

    fn open(path: &Path, clock: &Arc<ManualClock>) -> Ledger {
        Ledger::open(path, clock.clone()).unwrap()
    }

    #[test]
    fn a_restart_forgives_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (path, clock) = (
            directory.path().join("usage.sqlite"),
            Arc::new(ManualClock::at(NOON)),
        );
        let ledger = open(&path, &clock);
        assert!(ledger.reserve("a", 100, Some(150)).unwrap().is_ok());
        ledger.settle("a", 100, 60);
        ledger.write();
        let again = open(&path, &clock);
        assert_eq!(again.today("a").unwrap().used, 60);
        assert!(again.reserve("a", 91, Some(150)).unwrap().is_err());
        assert!(again.reserve("a", 90, Some(150)).unwrap().is_ok());
    }

    #[test]
    fn a_new_day_begins_with_nothing_used() {
        let directory = tempfile::tempdir().unwrap();
        let (path, clock) = (
            directory.path().join("usage.sqlite"),
            Arc::new(ManualClock::at(NOON)),
        );
        let ledger = open(&path, &clock);
        ledger.settle("a", 0, 10);
        let refused = ledger.reserve("a", 1, Some(10)).unwrap().unwrap_err();
        assert_eq!(refused.resets_in, Duration::from_millis(DAY_MS / 2));
        clock.advance(refused.resets_in);
        assert!(ledger.reserve("a", 10, Some(10)).unwrap().is_ok());
        // Yesterday's tokens were written although nobody called `write`.
        let kept: i64 = open(&path, &clock)
            .lock_store()
            .query_row("SELECT tokens FROM usage WHERE key_id = 'a'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(kept, 10);
    }

    #[test]
    fn two_processes_add_up() {
        let directory = tempfile::tempdir().unwrap();
        let (path, clock) = (
            directory.path().join("usage.sqlite"),
            Arc::new(ManualClock::at(NOON)),
        );
        let (one, other) = (open(&path, &clock), open(&path, &clock));
        one.settle("a", 0, 3);
        other.settle("a", 0, 4);
        one.write();
        other.write();
        assert_eq!(open(&path, &clock).today("a").unwrap().used, 7);
    }

    #[test]
    fn a_ledger_of_a_newer_version_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, clock) = (
            directory.path().join("usage.sqlite"),
            Arc::new(ManualClock::at(NOON)),
        );
        open(&path, &clock)
            .lock_store()
            .pragma_update(None, "user_version", 9)
            .unwrap();
        assert!(matches!(
            Ledger::open(&path, clock),
            Err(Error::LedgerTooNew { found: 9, known: 1 })
        ));
    }

    #[test]
    #[cfg(unix)]
    fn the_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.sqlite");
        let _ledger = open(&path, &Arc::new(ManualClock::at(NOON)));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o077,
            0
        );
    }

    #[test]
    fn days_that_are_over_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let ledger = open(&directory.path().join("usage.sqlite"), &clock);
        ledger.settle("a", 0, 3);
        clock.advance(Duration::from_millis(2 * DAY_MS));
        ledger.sweep();
        assert!(ledger.lock_days().is_empty());
    }
}
