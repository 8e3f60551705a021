//! Answers that several servers share, in Redis or Valkey.
//!
//! What lies there is believed only when it carries our seal: SHA-256 over a secret of the servers, the answer's key and its
//! bytes, each with its length. So a damaged value, another key's, another version's or somebody else's is no answer. The key
//! itself covers the tenant and all that the answer depends on. While Redis does not answer each server goes on with what
//! it has in memory, and asks again every second.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api::Summary;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};

use super::{CacheKey, Salt};
use crate::config::Config;
use crate::telemetry::Metrics;

/// How long Redis may take.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a lost Redis is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// The form of a value; another one is no answer.
const FORM: &[u8; 8] = b"ssansw 1";
const SEAL_BYTES: usize = 32;
/// The most bytes of a value, form and seal included.
const MAX_BYTES: usize = 1 << 20;

/// Answers in Redis; a clone is the same.
#[derive(Clone)]
pub struct SharedAnswers(Arc<House>);

struct House {
    client: Client,
    connection: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    salt: Salt,
    ttl: Duration,
    answering: AtomicBool,
    /// When a lost Redis may be asked again.
    again: Mutex<Option<Instant>>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for SharedAnswers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address holds a password.
        formatter.write_str("SharedAnswers")
    }
}

impl SharedAnswers {
    /// Answers at `store.redis`, sealed with `salt` and kept as long as in memory; none unless `cache.shared` wants it.
    /// Nothing is asked yet: a server starts also without Redis.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn open(
        config: &Config,
        salt: Salt,
        metrics: Arc<Metrics>,
    ) -> Result<Option<Self>, String> {
        let Some(address) = config.store.redis.as_ref().filter(|_| config.cache.shared) else {
            return Ok(None);
        };
        let client =
            Client::open(address.expose()).map_err(|error| format!("store.redis: {error}"))?;
        metrics.set_shared_answers(true);
        Ok(Some(Self(Arc::new(House {
            client,
            connection: tokio::sync::Mutex::new(None),
            salt,
            ttl: Duration::from_secs(config.cache.ttl_seconds),
            answering: AtomicBool::new(true),
            again: Mutex::default(),
            metrics,
        }))))
    }

    /// The answer of this key, when there is one that can be believed.
    pub(super) async fn get(&self, key: &CacheKey) -> Option<Summary> {
        let mut ask = redis::cmd("GETRANGE");
        ask.arg(name(key)).arg(0).arg(MAX_BYTES);
        let value: Vec<u8> = self.0.ask(&ask).await?;
        if value.is_empty() {
            return None;
        }
        let read = read(&self.0.salt, key, &value);
        if read.is_none() {
            tracing::warn!("Redis has an answer without our seal; it is not used");
        }
        read
    }

    /// Keeps an answer, when it is not too long.
    pub(super) async fn put(&self, key: &CacheKey, summary: &Summary) {
        let Some(value) = written(&self.0.salt, key, summary) else {
            return;
        };
        let mut keep = redis::cmd("SET");
        let millis = u64::try_from(self.0.ttl.as_millis()).unwrap_or(u64::MAX);
        keep.arg(name(key)).arg(value).arg("PX").arg(millis);
        let _: Option<()> = self.0.ask(&keep).await;
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

impl House {
    /// `None` when Redis does not answer, or is left alone.
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> Option<T> {
        let paused = self.again().is_some_and(|again| Instant::now() < again);
        if paused {
            return None;
        }
        let asked = async {
            let mut connection = self.connected().await?;
            command.query_async(&mut connection).await
        };
        let answer = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.category().to_owned()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        if answer.is_err() {
            // The next one connects anew.
            *self.connection.lock().await = None;
        }
        self.noted(answer)
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref() {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = &self.client;
        let made = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(kept.insert(made).clone())
    }

    fn noted<T>(&self, answer: Result<T, String>) -> Option<T> {
        let answering = answer.is_ok();
        *self.again() = (!answering).then(|| Instant::now() + PAUSE);
        if self.answering.swap(answering, Ordering::SeqCst) != answering {
            self.metrics.set_shared_answers(answering);
            match &answer {
                Ok(_) => tracing::info!("Redis answers again: stored answers are shared"),
                Err(error) => {
                    tracing::error!(
                        error,
                        "Redis does not answer: this server knows its own stored answers only"
                    );
                }
            }
        }
        answer.ok()
    }

    fn again(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
