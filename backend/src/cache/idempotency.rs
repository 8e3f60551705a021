//! The same request sent twice is answered once (`Idempotency-Key`), for 24 hours, per key.
//!
//! In memory and bounded: under pressure the oldest answers are forgotten first, and a restart forgets all. Servers that
//! share a Redis claim a key there as well, under a lease while the request runs and with its answer afterwards. Where Redis
//! does not answer this server's memory decides alone: the answer to a key that was claimed before Redis was lost is this
//! server's to replay, and another server that is sent the same key makes its own.

use std::sync::Arc;
use std::time::Duration;

use api::limits::{IDEMPOTENCY_HOURS, MAX_IDEMPOTENCY_KEY_CHARS};
use api::{Code, Summary};

use super::seal::Seal;
use super::{CacheKey, Salt};
use crate::redis::{Lease, Redis};
use crate::refusal::Refusal;

/// Bytes of remembered answers, all tenants together.
const MAX_BYTES: u64 = 32 << 20;
/// How long an answer is remembered.
const TTL: Duration = Duration::from_secs(IDEMPOTENCY_HOURS * 3600);

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
    shared: Option<SharedKeys>,
}

/// Keys that servers share.
#[derive(Clone)]
struct SharedKeys {
    redis: Redis,
    salt: Salt,
    seal: Seal,
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
    shared: Option<Box<Held>>,
}

/// A key's name among the servers, which this one holds.
struct Held {
    seal: Seal,
    address: CacheKey,
    lease: Lease,
}

/// What lies in Redis under a key: a mark, the fingerprint of its request, and the answer or what makes the claim unique.
const RUNNING: &[u8] = b"r";
const ANSWERED: &[u8] = b"a";

impl Default for Idempotency {
    fn default() -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|key: &(String, String), entry: &Entry| weigh(key, entry))
            .time_to_live(TTL)
            .build();
        Self {
            entries,
            shared: None,
        }
    }
}

impl Idempotency {
    /// Shares keys with the servers that have the same `redis` and `salt`.
    #[must_use]
    pub fn sharing(self, redis: Redis, salt: Salt) -> Self {
        let seal = Seal::new(salt, b"ssidem 1");
        let shared = Some(SharedKeys { redis, salt, seal });
        Self { shared, ..self }
    }

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
    pub async fn claim(
        &self,
        tenant: &str,
        key: String,
        fingerprint: CacheKey,
    ) -> Result<Claim, Error> {
        let mut reservation = match self.claim_here((tenant.to_owned(), key), fingerprint)? {
            Claim::New(reservation) => reservation,
            replay @ Claim::Replay(_) => return Ok(replay),
        };
        if let Some(shared) = &self.shared {
            match shared.claim(&reservation.key, fingerprint).await? {
                Theirs::Free(held) => reservation.shared = held,
                Theirs::Answered(answer) => return Ok(Claim::Replay(answer)),
            }
        }
        Ok(Claim::New(reservation))
    }

    fn claim_here(&self, key: (String, String), fingerprint: CacheKey) -> Result<Claim, Error> {
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
                shared: None,
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

/// What the other servers have of a key.
enum Theirs {
    /// Nothing; it is held from now on, unless what is there cannot be believed.
    Free(Option<Box<Held>>),
    Answered(Arc<Summary>),
}

impl SharedKeys {
    async fn claim(
        &self,
        (tenant, key): &(String, String),
        fingerprint: CacheKey,
    ) -> Result<Theirs, Error> {
        let address = self.salt.key("idempotency").part(tenant.as_bytes());
        let address = address.part(key.as_bytes()).finish();
        let claim = [RUNNING, fingerprint.as_bytes(), &self.redis.unique()].concat();
        let Some(claim) = self.seal.sealed(&address, &claim) else {
            return Ok(Theirs::Free(None));
        };
        let name = format!("smart-summary:idempotency:{}", address.digits());
        let found = match self.redis.hold(name, claim).await {
            Err(found) => found,
            Ok(lease) => {
                let seal = self.seal;
                let held = Held {
                    seal,
                    address,
                    lease,
                };
                return Ok(Theirs::Free(Some(Box::new(held))));
            }
        };
        let Some(body) = self.seal.opened(&address, &found) else {
            return Ok(Theirs::Free(None));
        };
        let of = |mark: &[u8]| {
            let (found, rest) = body.strip_prefix(mark)?.split_at_checked(32)?;
            Some((found == fingerprint.as_bytes(), rest))
        };
        match (of(RUNNING), of(ANSWERED)) {
            (Some((false, _)), _) | (_, Some((false, _))) => Err(Error::Mismatch),
            (Some(_), _) => Err(Error::InProgress),
            (_, Some((_, answer))) => {
                let answer = serde_json::from_slice(answer).map(Arc::new);
                Ok(answer.map_or(Theirs::Free(None), Theirs::Answered))
            }
            (None, None) => Ok(Theirs::Free(None)),
        }
    }
}

impl Held {
    async fn keep(self, fingerprint: CacheKey, answer: &Summary) {
        let json = serde_json::to_vec(answer).unwrap_or_default();
        let body = [ANSWERED, fingerprint.as_bytes(), &json].concat();
        match self.seal.sealed(&self.address, &body) {
            Some(value) => self.lease.leave(value, TTL).await,
            // Too long to be shared: it is remembered here.
            None => self.lease.give_back().await,
        }
    }
}

impl Reservation {
    /// Remembers the answer, here and where it is shared.
    pub async fn keep(mut self, answer: Arc<Summary>) {
        if let Some(held) = self.shared.take() {
            held.keep(self.fingerprint, &answer).await;
        }
        self.kept = true;
        self.entries.insert(
            self.key.clone(),
            Entry {
                fingerprint: self.fingerprint,
                answer: Some(answer),
            },
        );
    }

    /// Frees the key; it is free on every server when this returns.
    pub async fn free(mut self) {
        if let Some(held) = self.shared.take() {
            held.lease.give_back().await;
        }
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
        store.claim_here((tenant.to_owned(), "key".to_owned()), fingerprint(request))
    }

    fn answer() -> Arc<Summary> {
        let json = serde_json::json!({
            "id": "1", "language": "en", "warnings": [], "engine": "extractive", "model": "m", "prompt_version": "p",
            "cached": false, "usage": {"prompt_tokens": 0, "image_tokens": 0, "completion_tokens": 0},
            "timings": {"queue": 0, "prefill": 0, "decode": 0, "total": 0},
        });
        Arc::new(serde_json::from_value(json).unwrap())
    }

    #[tokio::test]
    async fn a_key_is_answered_once_and_then_replayed() {
        let store = Idempotency::default();
        let Ok(Claim::New(reservation)) = claim(&store, "t", "a") else {
            panic!("the key is new")
        };
        assert_eq!(claim(&store, "t", "a").err(), Some(Error::InProgress));
        reservation.keep(answer()).await;
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
