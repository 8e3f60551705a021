//! The same request sent twice is answered once (`Idempotency-Key`), for 24 hours, per key.
//!
//! In memory and bounded: under pressure the oldest answers are forgotten first, and a restart forgets all.

use std::sync::Arc;
use std::time::Duration;

use api::limits::{IDEMPOTENCY_HOURS, MAX_IDEMPOTENCY_KEY_CHARS};
use api::{Code, Summary};

use super::CacheKey;
use crate::refusal::Refusal;

/// Bytes of remembered answers, all tenants together.
const MAX_BYTES: u64 = 32 << 20;

/// Why an idempotency key does not go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no key.
    #[error(
        "an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters; send a UUID"
    )]
    Invalid,
    /// Its request is being answered.
    #[error(
        "a request with this idempotency key is being answered; send the same again in a moment"
    )]
    InProgress,
    /// It belongs to another request.
    #[error("this idempotency key was used with another request; use a new key for a new request")]
    Mismatch,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Invalid => Self::new(Code::IdempotencyKeyInvalid, text).field("Idempotency-Key"),
            Error::InProgress => {
                Self::new(Code::IdempotencyInProgress, text).retry_after(Duration::from_secs(1))
            }
            Error::Mismatch => Self::new(Code::IdempotencyMismatch, text).field("Idempotency-Key"),
        }
    }
}

/// The remembered answers; a clone is the same.
#[derive(Clone)]
pub struct Idempotency {
    entries: moka::sync::Cache<(String, String), Entry>,
}

#[derive(Clone)]
struct Entry {
    fingerprint: CacheKey,
    answer: Option<Arc<Summary>>,
}

/// What a key gives.
pub enum Claim {
    /// It is new: answer, then [`Reservation::keep`].
    New(Reservation),
    /// It was answered: give the same again.
    Replay(Arc<Summary>),
}

/// The right to answer for a key. Dropping it without an answer frees the key: a failed request may be tried again.
pub struct Reservation {
    entries: moka::sync::Cache<(String, String), Entry>,
    key: (String, String),
    fingerprint: CacheKey,
    kept: bool,
}

impl Default for Idempotency {
    fn default() -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|key: &(String, String), entry: &Entry| weigh(key, entry))
            .time_to_live(Duration::from_secs(IDEMPOTENCY_HOURS * 3600))
            .build();
        Self { entries }
    }
}

impl Idempotency {
    /// Whether `key` may be used as one.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn check(key: &[u8]) -> Result<String, Error> {
        let fits = (1..=MAX_IDEMPOTENCY_KEY_CHARS).contains(&key.len())
            && key.iter().all(|byte| (32..127).contains(byte));
        let text = str::from_utf8(key).ok().filter(|_| fits);
        text.map(str::to_owned).ok_or(Error::Invalid)
    }

    /// Claims `key` of `tenant` for the request with `fingerprint`.
    ///
    /// # Errors
    /// [`Error::InProgress`] and [`Error::Mismatch`].
    pub fn claim(&self, tenant: &str, key: String, fingerprint: CacheKey) -> Result<Claim, Error> {
        let key = (tenant.to_owned(), key);
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            fingerprint,
            answer: None,
        });
        if entry.is_fresh() {
            let entries = self.entries.clone();
            return Ok(Claim::New(Reservation {
                entries,
                key,
                fingerprint,
                kept: false,
            }));
        }
        match entry.into_value() {
            entry if entry.fingerprint != fingerprint => Err(Error::Mismatch),
            Entry {
                answer: Some(answer),
                ..
            } => Ok(Claim::Replay(answer)),
            Entry { answer: None, .. } => Err(Error::InProgress),
        }
    }
}

impl Reservation {
    /// Remembers the answer.
    pub fn keep(mut self, answer: Arc<Summary>) {
        self.kept = true;
        self.entries.insert(
            self.key.clone(),
            Entry {
                fingerprint: self.fingerprint,
                answer: Some(answer),
            },
        );
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            self.entries.invalidate(&self.key);
        }
    }
}

fn weigh(key: &(String, String), entry: &Entry) -> u32 {
    let answer = entry
        .answer
        .as_deref()
        .and_then(|answer| serde_json::to_vec(answer).ok());
    let bytes = answer.map_or(0, |json| json.len() + size_of::<Summary>())
        + key.0.len()
        + key.1.len()
        + 128;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Salt;

    fn fingerprint(request: &str) -> CacheKey {
        Salt::from([1; 32])
            .key("test")
            .part(request.as_bytes())
            .finish()
    }

    fn claim(store: &Idempotency, tenant: &str, request: &str) -> Result<Claim, Error> {
        store.claim(tenant, "key".to_owned(), fingerprint(request))
    }

    fn answer() -> Arc<Summary> {
        let json = serde_json::json!({
            "id": "1", "language": "en", "warnings": [], "engine": "extractive", "model": "m", "prompt_version": "p",
            "cached": false, "usage": {"prompt_tokens": 0, "image_tokens": 0, "completion_tokens": 0},
            "timings": {"queue": 0, "prefill": 0, "decode": 0, "total": 0},
        });
        Arc::new(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn a_key_is_answered_once_and_then_replayed() {
        let store = Idempotency::default();
        let Ok(Claim::New(reservation)) = claim(&store, "t", "a") else {
            panic!("the key is new")
        };
        assert_eq!(claim(&store, "t", "a").err(), Some(Error::InProgress));
        reservation.keep(answer());
        assert!(matches!(claim(&store, "t", "a"), Ok(Claim::Replay(found)) if found.id == "1"));
        assert_eq!(claim(&store, "t", "b").err(), Some(Error::Mismatch));
        assert!(
            matches!(claim(&store, "other", "b"), Ok(Claim::New(_))),
            "keys of tenants are apart"
        );
    }

    #[test]
    fn a_failed_request_may_be_tried_again() {
        let store = Idempotency::default();
        drop(claim(&store, "t", "a"));
        assert!(matches!(claim(&store, "t", "b"), Ok(Claim::New(_))));
    }

    #[test]
    fn a_key_is_printable_and_not_long() {
        assert!(Idempotency::check(b"6f9619ff-8b86-d011-b42d-00c04fc964ff").is_ok());
        for wrong in [&b""[..], &[b'x'; 256], b"a\tb", b"\xff"] {
            assert_eq!(Idempotency::check(wrong), Err(Error::Invalid));
        }
    }
}
