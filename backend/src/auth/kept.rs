//! Keys that were read, kept in memory: so many at most, for a while, and only until somebody changes a key.
//!
//! Reading one is a look into a table, and nothing is put in order meanwhile. A cache that does its housekeeping in the
//! reads of its callers, as moka does in each 64th, makes one request in sixty-four wait for it: 26 us with 100,000 keys,
//! of 1.2 us for the others. So no order of use is kept either: where there is no room, any key makes room, and is read
//! again when it is next used.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::keys::KeyRecord;
use super::store::{StoredKey, StoredSecret};

/// Tables beside each other, so that who writes holds up few who read.
const TABLES: usize = 64;

/// A key as it is kept in memory: with its secrets, and as callers get it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) record: Arc<KeyRecord>,
    pub(super) secrets: Vec<StoredSecret>,
}

impl From<StoredKey> for Found {
    fn from(stored: StoredKey) -> Self {
        Self {
            record: Arc::new(stored.record),
            secrets: stored.secrets,
        }
    }
}

/// What was read, with the generation in which it was and when.
#[derive(Debug)]
struct Entry {
    generation: u64,
    read_at: Duration,
    found: Arc<Found>,
}

/// The keys in memory. Times are the clock's monotonic ones.
#[derive(Debug)]
pub(super) struct Kept {
    tables: Vec<RwLock<HashMap<String, Entry>>>,
    /// Keys of one table at most.
    most: usize,
    /// Tells which table is a key's.
    places: RandomState,
    /// How long what was read counts.
    lasts: Duration,
    /// Raised by every change, ours or another process's: an entry counts only in its own.
    generation: AtomicU64,
}

impl Kept {
    /// Room for `most` keys, or a few more where their number does not divide.
    pub(super) fn new(most: usize, lasts: Duration) -> Self {
        Self {
            tables: (0..TABLES).map(|_| RwLock::default()).collect(),
            most: most.div_ceil(TABLES),
            places: RandomState::new(),
            lasts,
            generation: AtomicU64::new(1),
        }
    }

    fn table(&self, id: &str) -> Option<&RwLock<HashMap<String, Entry>>> {
        let place = self.places.hash_one(id) % self.tables.len() as u64;
        usize::try_from(place)
            .ok()
            .and_then(|place| self.tables.get(place))
    }

    /// The present generation. Take it before reading the store: then a row that is older than a change is never used.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// From here on nothing that was read before counts.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The key, when it was read in this generation and not too long ago.
    pub(super) fn get(&self, id: &str, now: Duration) -> Option<Arc<Found>> {
        let table = self
            .table(id)?
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let entry = table.get(id)?;
        self.counts(entry, now).then(|| entry.found.clone())
    }

    fn counts(&self, entry: &Entry, now: Duration) -> bool {
        entry.generation == self.generation() && now.saturating_sub(entry.read_at) < self.lasts
    }

    /// Keeps what the store said after it was asked in `generation`.
    pub(super) fn put(&self, id: &str, generation: u64, now: Duration, found: Arc<Found>) {
        let Some(table) = self.table(id) else { return };
        let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= self.most && !table.contains_key(id) {
            table.retain(|_, entry| self.counts(entry, now));
            let any = table.keys().next().cloned();
            if let Some(any) = any.filter(|_| table.len() >= self.most) {
                table.remove(&any);
            }
        }
        let entry = Entry {
            generation,
            read_at: now,
            found,
        };
        table.insert(id.to_owned(), entry);
    }

    /// How many are kept, those that count no more among them.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let sizes = self.tables.iter().map(|table| table.read().unwrap().len());
        sizes.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn found(id: &str) -> Arc<Found> {
        let caller = super::super::Caller::for_tests(id, "default");
        Arc::new(Found {
            record: caller.key,
            secrets: Vec::new(),
        })
    }

    #[test]
    fn what_was_read_counts_for_its_time_and_no_longer_however_often_it_is_used() {
        let kept = Kept::new(10, SECOND * 30);
        kept.put("a", kept.generation(), SECOND * 5, found("a"));
        for second in 5..35 {
            let found = kept.get("a", SECOND * second).unwrap();
            assert_eq!(found.record.id, "a");
        }
        assert!(kept.get("a", SECOND * 35).is_none());
        kept.put("a", kept.generation(), SECOND * 35, found("a"));
        assert!(kept.get("a", SECOND * 64).is_some());
        assert!(kept.get("b", SECOND * 64).is_none());
    }

    #[test]
    fn a_row_that_is_older_than_a_change_is_never_used() {
        let kept = Kept::new(10, SECOND * 30);
        let before = kept.generation();
        kept.put("a", before, SECOND, found("a"));
        kept.forget();
        assert!(kept.get("a", SECOND).is_none());
        // Read before the change, and written down after it.
        kept.put("a", before, SECOND, found("a"));
        assert!(kept.get("a", SECOND).is_none());
        kept.put("a", kept.generation(), SECOND, found("a"));
        assert!(kept.get("a", SECOND).is_some());
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let kept = Kept::new(TABLES * 10, SECOND * 30);
        for number in 0..10_000 {
            let id = number.to_string();
            kept.put(&id, kept.generation(), SECOND, found(&id));
            assert!(kept.get(&id, SECOND).is_some(), "the newest is there");
        }
        assert_eq!(kept.len(), TABLES * 10);
        // What counts no more makes room before what does.
        kept.forget();
        let new = |number: usize| format!("new {number}");
        for number in 0..TABLES {
            kept.put(&new(number), kept.generation(), SECOND, found(&new(number)));
        }
        let counts = |number: &usize| kept.get(&new(*number), SECOND).is_some();
        assert_eq!((0..TABLES).filter(counts).count(), TABLES);
    }
}
