//! What was computed once and may be used again, within a bound; what was used longest ago goes first.

use std::collections::HashMap;

use crate::cache::CacheKey;

/// Values by their content's address, at most `room` in weight altogether.
#[derive(Debug)]
pub(super) struct Kept<T> {
    room: usize,
    used: usize,
    clock: u64,
    entries: HashMap<CacheKey, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    weight: usize,
    last_use: u64,
}

impl<T> Kept<T> {
    /// Nothing yet.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            used: 0,
            clock: 0,
            entries: HashMap::new(),
        }
    }

    /// The weight of all that is kept.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Whether it is there; counts as no use.
    pub(super) fn has(&self, key: &CacheKey) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether something of this weight can be kept at all.
    pub(super) fn takes(&self, weight: usize) -> bool {
        weight <= self.room
    }

    /// The value, which then counts as used now.
    pub(super) fn look(&mut self, key: &CacheKey) -> Option<&T> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.last_use = self.clock;
        Some(&entry.value)
    }

    /// As [`look`](Self::look), cloned.
    pub(super) fn get(&mut self, key: &CacheKey) -> Option<T>
    where
        T: Clone,
    {
        self.look(key).cloned()
    }

    /// Keeps a value, at the cost of those used longest ago; does nothing when it is heavier than all the room.
    pub(super) fn put(&mut self, key: CacheKey, value: T, weight: usize) {
        if !self.takes(weight) {
            return;
        }
        self.take(&key);
        while self.used + weight > self.room {
            // A few hundred entries at most: finding the oldest by looking at all is cheaper than any order kept up.
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(key, _)| *key);
            let Some(oldest) = oldest else { break };
            self.take(&oldest);
        }
        self.clock += 1;
        self.used += weight;
        let last_use = self.clock;
        self.entries.insert(
            key,
            Entry {
                value,
                weight,
                last_use,
            },
        );
    }

    /// Lets everything go.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.used = 0;
    }

    fn take(&mut self, key: &CacheKey) {
        if let Some(entry) = self.entries.remove(key) {
            self.used -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Salt;

    fn key(name: &str) -> CacheKey {
        Salt::from([1; 32])
            .key("test")
            .part(name.as_bytes())
            .finish()
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut kept = Kept::new(10);
        kept.put(key("a"), 1, 4);
        kept.put(key("b"), 2, 4);
        assert_eq!(kept.get(&key("a")), Some(1));
        kept.put(key("c"), 3, 6);
        assert_eq!(kept.get(&key("a")), Some(1));
        assert_eq!(kept.get(&key("b")), None);
        assert_eq!(kept.used(), 10);
    }

    #[test]
    fn nothing_is_kept_beyond_the_room() {
        let mut kept = Kept::new(10);
        kept.put(key("a"), 1, 11);
        assert_eq!((kept.used(), kept.has(&key("a"))), (0, false));
        kept.put(key("b"), 2, 9);
        kept.put(key("b"), 3, 2);
        assert_eq!((kept.used(), kept.get(&key("b"))), (2, Some(3)));
        kept.clear();
        assert_eq!((kept.used(), kept.has(&key("b"))), (0, false));
    }
}
