//! Answers that several servers share, in Redis or Valkey.
//!
//! What lies there is believed only when it carries our seal: SHA-256 over a secret of the servers, the answer's key and its
//! bytes, each with its length. So a damaged value, another key's, another version's or somebody else's is no answer. The key
//! itself covers the tenant and all that the answer depends on. While Redis does not answer each server goes on with what
//! it has in memory.

use std::sync::LazyLock;
use std::time::Duration;

use api::Summary;

use super::{CacheKey, Salt};
use crate::config::Config;
use crate::redis::{Redis, Script};

/// The form of a value; another one is no answer.
const FORM: &[u8; 8] = b"ssansw 1";
const SEAL_BYTES: usize = 32;
/// The most bytes of a value, form and seal included.
const MAX_BYTES: usize = 1 << 20;

static GET: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('GETRANGE', KEYS[1], 0, ARGV[1])"));
static PUT: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"));

/// Answers in Redis; a clone is the same.
#[derive(Clone)]
pub struct SharedAnswers {
    redis: Redis,
    salt: Salt,
    ttl: Duration,
}

impl SharedAnswers {
    /// Answers in `redis`, sealed with `salt` and kept as long as in memory; none unless `cache.shared` wants it.
    #[must_use]
    pub fn new(config: &Config, redis: Redis, salt: Salt) -> Option<Self> {
        let ttl = Duration::from_secs(config.cache.ttl_seconds);
        config.cache.shared.then_some(Self { redis, salt, ttl })
    }

    /// The answer of this key, when there is one that can be believed.
    pub(super) async fn get(&self, key: &CacheKey) -> Option<Summary> {
        let value: Vec<u8> = self
            .redis
            .ask(GET.about(&name(key)).with(MAX_BYTES))
            .await?;
        if value.is_empty() {
            return None;
        }
        let read = read(&self.salt, key, &value);
        if read.is_none() {
            tracing::warn!("Redis has an answer without our seal; it is not used");
        }
        read
    }

    /// Keeps an answer, when it is not too long.
    pub(super) async fn put(&self, key: &CacheKey, summary: &Summary) {
        let Some(value) = written(&self.salt, key, summary) else {
            return;
        };
        let millis = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let put = PUT.about(&name(key)).with(value).with(millis);
        let _: Option<()> = self.redis.ask(put).await;
    }
}

fn name(key: &CacheKey) -> String {
    let digits: String = key
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("smart-summary:answer:{digits}")
}

fn seal(salt: &Salt, key: &CacheKey, body: &[u8]) -> CacheKey {
    let seal = salt.key("seal of a shared answer").part(FORM);
    seal.part(key.as_bytes()).part(body).finish()
}

fn written(salt: &Salt, key: &CacheKey, summary: &Summary) -> Option<Vec<u8>> {
    let body = serde_json::to_vec(summary).ok()?;
    let seal = seal(salt, key, &body);
    let value = [FORM.as_slice(), seal.as_bytes(), &body].concat();
    (value.len() <= MAX_BYTES).then_some(value)
}

fn read(salt: &Salt, key: &CacheKey, value: &[u8]) -> Option<Summary> {
    let (sealed, body) = value.strip_prefix(FORM)?.split_at_checked(SEAL_BYTES)?;
    let fits = seal(salt, key, body).as_bytes() == sealed;
    serde_json::from_slice(body).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::summary;

    #[test]
    fn a_value_is_believed_whole_under_its_own_key_and_salt_alone() {
        let (salt, other) = (Salt::from([1; 32]), Salt::from([2; 32]));
        let key = |name: &[u8]| salt.key("test").part(name).finish();
        let value = written(&salt, &key(b"a"), &summary("Bread")).unwrap();
        assert_eq!(read(&salt, &key(b"a"), &value), Some(summary("Bread")));
        assert_eq!(read(&salt, &key(b"b"), &value), None, "another's answer");
        assert_eq!(read(&other, &key(b"a"), &value), None);
        for place in 0..value.len() {
            let mut changed = value.clone();
            changed[place] ^= 1;
            assert_eq!(read(&salt, &key(b"a"), &changed), None, "{place}");
            assert_eq!(read(&salt, &key(b"a"), &value[..place]), None, "{place}");
        }
        let longer = [value.as_slice(), b" "].concat();
        assert_eq!(read(&salt, &key(b"a"), &longer), None);
    }

    #[test]
    fn an_answer_that_is_too_long_is_not_kept() {
        let salt = Salt::from([1; 32]);
        let long = Summary {
            summary: Some("x".repeat(MAX_BYTES)),
            ..summary("Bread")
        };
        assert_eq!(written(&salt, &salt.key("test").finish(), &long), None);
    }
}
