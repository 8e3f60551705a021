//! Stored answers, bounded by bytes and by time.

use std::sync::Arc;

use api::Summary;

use super::{Bounds, CacheKey};

/// A clone is the same store.
#[derive(Clone)]
pub(super) struct Memory(moka::sync::Cache<CacheKey, Arc<Summary>>);

impl Memory {
    pub(super) fn new(bounds: Bounds) -> Self {
        let cache = moka::sync::Cache::builder()
            .max_capacity(bounds.max_bytes)
            .weigher(|_, summary: &Arc<Summary>| weigh(summary))
            .time_to_live(bounds.ttl)
            .build();
        Self(cache)
    }

    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Summary>> {
        self.0.get(key)
    }

    pub(super) fn put(&self, key: CacheKey, summary: Arc<Summary>) {
        // moka evicts a moment later; a store of size zero must not answer in between.
        if self.0.policy().max_capacity() != Some(0) {
            self.0.insert(key, summary);
        }
    }

    pub(super) fn size(&self) -> (u64, u64) {
        (self.0.entry_count(), self.0.weighted_size())
    }

    #[cfg(test)]
    pub(super) fn clear(&self) {
        self.0.invalidate_all();
    }
}

/// Bytes of an answer, nearly: its JSON is at least as long as its strings.
fn weigh(summary: &Summary) -> u32 {
    let content = serde_json::to_vec(summary).map_or(0, |json| json.len());
    u32::try_from(content + size_of::<Summary>()).unwrap_or(u32::MAX)
}
