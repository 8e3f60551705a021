//! Answers that several servers share, in Redis or Valkey.
//!
//! The key of an answer covers the tenant and all that the answer depends on, and what lies under it is believed only with
//! our seal. While an answer is made its server holds a lease of that name, and the others wait for the one or for the end of
//! the other. While Redis does not answer each server goes on with what it has in memory.

use std::sync::LazyLock;
use std::time::Duration;

use api::Summary;
use tokio::time::Instant;

use super::seal::Seal;
use super::{CacheKey, Salt};
use crate::config::Config;
use crate::redis::{Lease, MAX_BYTES, Redis, Script};

/// How often it is looked whether another server has made an answer.
const LOOK: Duration = Duration::from_millis(100);

static GET: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('GETRANGE', KEYS[1], 0, ARGV[1])"));
static PUT: LazyLock<Script> =
    LazyLock::new(|| Script::new("return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])"));

/// What a server that wants an answer finds at the others.
pub(super) enum Elsewhere {
    Answered(Box<Summary>),
    /// Nobody makes it, and this server does as long as it has the lease.
    Lead(Lease),
    /// It is not known.
    Nothing,
}

/// Answers in Redis; a clone is the same.
#[derive(Clone)]
pub struct SharedAnswers {
    redis: Redis,
    seal: Seal,
    ttl: Duration,
}

impl SharedAnswers {
    /// Answers in `redis`, sealed with `salt` and kept as long as in memory; none unless `cache.shared` wants it.
    #[must_use]
    pub fn new(config: &Config, redis: Redis, salt: Salt) -> Option<Self> {
        config.cache.shared.then_some(Self {
            redis,
            seal: Seal::new(salt, b"ssansw 2"),
            ttl: Duration::from_secs(config.cache.ttl_seconds),
        })
    }

    /// Waits, at most until `deadline`, while another server makes the answer of this key.
    pub(super) async fn enter(&self, key: &CacheKey, deadline: Instant) -> Elsewhere {
        while Instant::now() < deadline {
            if let Some(summary) = self.get(key).await {
                return Elsewhere::Answered(Box::new(summary));
            }
            let name = format!("smart-summary:flight:{}", key.digits());
            if let Ok(lease) = self.redis.hold(name, self.redis.unique().to_vec()).await {
                // It may have been made between the two.
                return match self.get(key).await {
                    Some(summary) => Elsewhere::Answered(Box::new(summary)),
                    None => Elsewhere::Lead(lease),
                };
            }
            tokio::time::sleep(LOOK).await;
        }
        Elsewhere::Nothing
    }

    /// The answer of this key, when there is one that can be believed.
    async fn get(&self, key: &CacheKey) -> Option<Summary> {
        let value: Vec<u8> = self
            .redis
            .ask(GET.about(&name(key)).with(MAX_BYTES))
            .await?;
        if value.is_empty() {
            return None;
        }
        serde_json::from_slice(self.seal.opened(key, &value)?).ok()
    }

    /// Keeps an answer, when it is not too long.
    pub(super) async fn put(&self, key: &CacheKey, summary: &Summary) {
        let body = serde_json::to_vec(summary).ok();
        let Some(value) = body.and_then(|body| self.seal.sealed(key, &body)) else {
            return;
        };
        let millis = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let put = PUT.about(&name(key)).with(value).with(millis);
        let _: Option<()> = self.redis.ask(put).await;
    }
}

fn name(key: &CacheKey) -> String {
    format!("smart-summary:answer:{}", key.digits())
}
