//! A name in Redis that one server holds while something runs there.
//!
//! It is renewed while it is held and given back when it is dropped; when its server is killed it lapses. While Redis does
//! not answer a server holds by its own word, and claims the name when Redis is back and nobody else has it.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{MAX_BYTES, Redis, Script};

/// How long a killed server's names stay held.
const LEASE: Duration = Duration::from_secs(6);
/// Two may fail in a row.
const RENEW: Duration = Duration::from_secs(2);

/// Puts the second argument where the first is or nothing, for so many milliseconds; removes it when the second is empty.
/// Gives what somebody else has there.
static PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local found = redis.call('GETRANGE', KEYS[1], 0, ARGV[4])
if found ~= '' and found ~= ARGV[1] then return found end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return ''
",
    )
});

/// A name that is held. Dropped, it is given back.
#[must_use]
pub struct Lease(oneshot::Sender<End>);

/// What lies under the name from now on, and for how long; then who waits is told.
struct End {
    value: Vec<u8>,
    ttl: Duration,
    done: oneshot::Sender<()>,
}

struct Holder {
    redis: Redis,
    name: String,
    value: Vec<u8>,
}

impl Redis {
    /// Holds `name` by `value`, which must have [`Redis::unique`] in it.
    ///
    /// # Errors
    /// What another has put there.
    pub async fn hold(&self, name: String, value: Vec<u8>) -> Result<Lease, Vec<u8>> {
        let redis = self.clone();
        let holder = Holder { redis, name, value };
        let (tell, told) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        if let Some(runtime) = &self.runtime.0 {
            // Also when the caller leaves before it is told: then the name is given back at once.
            runtime.spawn(async move {
                let found = holder.put(&holder.value, LEASE).await;
                let found = found.filter(|found| !found.is_empty());
                let free = found.is_none();
                let _ = tell.send(found);
                if free {
                    holder.renew(ended).await;
                }
            });
        }
        match told.await {
            Ok(Some(found)) => Err(found),
            _ => Ok(Lease(end)),
        }
    }
}

impl Lease {
    /// Leaves `value` under the name for `ttl`, unless the lease had lapsed and another has the name.
    pub async fn leave(self, value: Vec<u8>, ttl: Duration) {
        let (done, ended) = oneshot::channel();
        // Whoever renews hears it, or is gone with its thread.
        drop(self.0.send(End { value, ttl, done }));
        drop(ended.await);
    }

    /// Gives the name back; it is free when this returns.
    pub async fn give_back(self) {
        self.leave(Vec::new(), Duration::ZERO).await;
    }
}

impl Holder {
    /// Renews and ends in one place, so that nothing overtakes the end.
    async fn renew(self, mut ended: oneshot::Receiver<End>) {
        let mut due = interval_at(Instant::now() + RENEW, RENEW);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = &mut ended => {
                    match end {
                        Ok(End { value, ttl, done }) => {
                            self.put(&value, ttl).await;
                            // Who waited may have left.
                            let _ = done.send(());
                        }
                        Err(_) => drop(self.put(&[], Duration::ZERO).await),
                    }
                    return;
                }
                _ = due.tick() => drop(self.put(&self.value, LEASE).await),
            }
        }
    }

    async fn put(&self, value: &[u8], ttl: Duration) -> Option<Vec<u8>> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let put = PUT
            .about(&self.name)
            .with(&self.value)
            .with(value)
            .with(millis)
            .with(MAX_BYTES);
        self.redis.ask(put).await
    }
}
