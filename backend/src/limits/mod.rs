//! How much: what a caller may use, what is left, and when to come back.
//!
//! Requests, pictures and engine tokens a minute per key (GCRA), engine tokens a day per key (a ledger on disk), and a
//! minute's count per address for callers without credentials or with wrong ones.
//! Memory is bounded: above `anonymous.max_tracked` keys or addresses, further ones share one count.
//! Refusing costs the caller nothing; what was set aside and not used is given back.

mod ledger;
mod quota;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use api::{Budget, Code, LimitUse};

use crate::auth::Caller;
use crate::config::{Config, Tier};
use crate::redis::Redis;
use crate::refusal::{Refusal, whole_seconds};
pub use crate::store::DayRow;
use crate::store::{self, Work};
use crate::telemetry::{Clock, Metrics, QuotaKind};
use ledger::Ledger;
use quota::{Level, Quota, Refused};
use shared::{Rate, Shared};

/// Why a request may not be served now, or ever.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A minute's quota is used up.
    #[error("this key's {} for the minute are used up", .quota.as_str())]
    RateLimited {
        /// Which.
        quota: QuotaKind,
        /// After this there is enough.
        wait: Duration,
    },
    /// More in one request than the quota ever has at once.
    #[error("one request of this key may have at most {most} {}; this one has {asked}", .quota.as_str())]
    TooMuchAtOnce {
        /// Which.
        quota: QuotaKind,
        /// What was asked for.
        asked: u64,
        /// The most.
        most: u64,
    },
    /// The day's tokens are used up.
    #[error("this key's tokens for today are used up")]
    BudgetUsedUp {
        /// Until the next day.
        wait: Duration,
    },
    /// Too many wrong credentials from this address.
    #[error("too many wrong credentials came from this address")]
    TooManyFailures {
        /// After this one more is looked at.
        wait: Duration,
    },
    /// The ledger does not answer.
    #[error("the ledger of tokens does not answer")]
    Ledger(#[from] store::Error),
    /// The configuration has no tier `default`; a bug.
    #[error("there is no tier `default`")]
    NoTier,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let wait_and =
            |wait, then: &str| format!("{error}; wait {} s, then {then}.", whole_seconds(wait));
        match &error {
            Error::RateLimited { wait, .. } => {
                Self::new(Code::RateLimited, wait_and(*wait, "send it again")).retry_after(*wait)
            }
            Error::BudgetUsedUp { wait } => {
                Self::new(Code::BudgetUsedUp, wait_and(*wait, "send it again")).retry_after(*wait)
            }
            Error::TooManyFailures { wait } => Self::new(
                Code::TooManyFailures,
                wait_and(*wait, "mend the key or token"),
            )
            .retry_after(*wait),
            Error::TooMuchAtOnce { quota, most, .. } => {
                let code = if *quota == QuotaKind::Images {
                    Code::TooManyImages
                } else {
                    Code::ContentTooLong
                };
                Self::new(code, format!("{error}; send less at a time.")).limit(*most)
            }
            Error::Ledger(_) | Error::NoTier => Self::new(
                Code::StoreUnavailable,
                "The ledger of tokens does not answer; try again shortly.",
            )
            .retry_after(Duration::from_secs(1)),
        }
    }
}

/// What the `RateLimit` headers say (draft-ietf-httpapi-ratelimit-headers-10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimitHeaders {
    /// `RateLimit-Policy`: every quota and its window.
    pub policy: String,
    /// `RateLimit`: what is left of each, and the seconds until there is more.
    pub limit: String,
}

/// The quotas of a tier, as its operator configured them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TierQuotas {
    /// By which a key names it.
    pub name: String,
    /// Requests a minute.
    pub requests_per_minute: u32,
    /// Pictures a minute.
    pub images_per_minute: u32,
    /// Engine tokens a minute.
    pub tokens_per_minute: u32,
    /// Engine tokens a day.
    pub tokens_per_day: Option<u64>,
}

/// Every limit of this server.
#[derive(Debug)]
pub struct Limits {
    inner: Arc<Inner>,
    sweeper: Sweeper,
}

#[derive(Debug)]
struct Inner {
    tiers: HashMap<String, Arc<TierLimits>>,
    fallback: Arc<TierLimits>,
    anonymous: Quota<Network>,
    failures: Quota<Network>,
    ledger: Ledger,
    shared: Option<Shared>,
    metrics: Arc<Metrics>,
}

/// The quotas of one tier, each counting every key of the tier apart.
#[derive(Debug)]
struct TierLimits {
    requests: TierQuota,
    images: TierQuota,
    tokens: TierQuota,
    tokens_per_day: Option<u64>,
}

/// One quota: what it is, and what this server counts by itself, which is a part of it where servers share it.
#[derive(Debug)]
struct TierQuota {
    kind: QuotaKind,
    rate: Rate,
    local: Quota<String>,
}

impl TierLimits {
    fn new(tier: &Tier, max_tracked: usize, part: u32, clock: &Arc<dyn Clock>) -> Self {
        let quota = |kind, per_minute, burst| {
            let rate = Rate { per_minute, burst };
            let own = rate.part(part);
            TierQuota {
                kind,
                rate,
                local: Quota::new(own.per_minute, own.burst, max_tracked, clock),
            }
        };
        let (images, tokens) = (tier.images_per_minute, tier.tokens_per_minute);
        Self {
            requests: quota(
                QuotaKind::Requests,
                tier.requests_per_minute,
                tier.request_burst,
            ),
            images: quota(QuotaKind::Images, images, images),
            tokens: quota(QuotaKind::Tokens, tokens, tokens),
            tokens_per_day: tier.tokens_per_day,
        }
    }

    fn quotas(&self) -> [&TierQuota; 3] {
        [&self.requests, &self.images, &self.tokens]
    }
}

/// An address as it is counted: whole for IPv4, its /64 for IPv6, which is what one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network(Ipv6Addr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped()),
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
        }
    }
}

impl Limits {
    /// Takes the ledger in `store` and starts the thread that sweeps. Quotas are shared through `redis` where there is one.
    ///
    /// # Errors
    /// [`Error::NoTier`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "every room takes its clock the same way"
    )]
    pub fn open(
        config: &Config,
        store: Arc<dyn Work>,
        redis: Option<Redis>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        let mut limits = Self::open_unswept(config, store, redis, &clock, metrics)?;
        limits.sweeper = Sweeper::start(limits.inner.clone());
        Ok(limits)
    }

    fn open_unswept(
        config: &Config,
        store: Arc<dyn Work>,
        redis: Option<Redis>,
        clock: &Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        let tracked = config.anonymous.max_tracked;
        let shared = redis.map(|redis| Shared::new(redis, tracked));
        let part = if shared.is_some() {
            config.store.redis_lost_percent
        } else {
            100
        };
        let limits_of = |tier: &Tier| Arc::new(TierLimits::new(tier, tracked, part, clock));
        let tiers: HashMap<_, _> = config
            .tiers
            .iter()
            .map(|(name, tier)| (name.clone(), limits_of(tier)))
            .collect();
        // A key whose tier was taken out of the configuration has the default's quotas.
        let fallback = tiers
            .get("default")
            .cloned()
            .or_else(|| config.tier("default").map(limits_of));
        let fallback = fallback.ok_or(Error::NoTier)?;
        let per_address = |per_minute| Quota::new(per_minute, per_minute, tracked, clock);
        let inner = Inner {
            tiers,
            fallback,
            anonymous: per_address(config.anonymous.requests_per_minute),
            failures: per_address(config.anonymous.failed_auth_per_minute),
            ledger: Ledger::new(store, clock.clone()),
            shared,
            metrics,
        };
        Ok(Self {
            inner: Arc::new(inner),
            sweeper: Sweeper::default(),
        })
    }

    /// Takes one request of the caller's minute.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn admit(&self, caller: &Caller) -> Result<Allowance, Error> {
        let tier = self.inner.tier(caller);
        self.inner.take_of(&tier.requests, &caller.key.id, 1)?;
        let (inner, key) = (self.inner.clone(), caller.key.id.clone());
        Ok(Allowance {
            inner,
            tier,
            key,
            reserved: Mutex::new(0),
        })
    }

    /// Whether a call may wait for a network: make it where blocking is allowed.
    pub fn is_far(&self) -> bool {
        self.inner.shared.is_some()
    }

    /// The allowance of a key that sends nothing at this moment: of an item of its batch. No request is taken.
    pub fn of_key(&self, key: &str, tier: &str) -> Allowance {
        let tier = self.inner.tiers.get(tier).unwrap_or(&self.inner.fallback);
        Allowance {
            inner: self.inner.clone(),
            tier: tier.clone(),
            key: key.to_owned(),
            reserved: Mutex::new(0),
        }
    }

    /// What the caller's headers say now, also when it was refused.
    pub fn headers(&self, caller: &Caller) -> RateLimitHeaders {
        self.inner.headers(&self.inner.tier(caller), &caller.key.id)
    }

    /// The caller's limits, and its budget when it has one.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn usage(&self, caller: &Caller) -> Result<(Vec<LimitUse>, Option<Budget>), Error> {
        let (tier, key) = (self.inner.tier(caller), &caller.key.id);
        let limits = tier.quotas().into_iter().map(|quota| {
            limit_use(
                quota.kind,
                self.inner.rate(quota).per_minute,
                self.inner.level(quota, key),
            )
        });
        let budget = tier.tokens_per_day.map(|tokens_per_day| {
            let today = self.inner.ledger.today(key)?;
            Ok::<_, Error>(Budget {
                tokens_per_day,
                used: today.used,
                resets_at: today.resets_at,
            })
        });
        Ok((limits.collect(), budget.transpose()?))
    }

    /// Engine tokens of every key and day from `from` on, as the ledger keeps them; rows after that key and day, in order
    /// of both. Blocks.
    ///
    /// # Errors
    /// [`Error::Ledger`].
    pub fn days(&self, from: u64, after: (&str, u64), most: u32) -> Result<Vec<DayRow>, Error> {
        self.inner.ledger.days(from, after, most)
    }

    /// The tiers that a key may have, by name.
    #[must_use]
    pub fn tiers(&self) -> Vec<TierQuotas> {
        let quotas = |(name, tier): (&String, &Arc<TierLimits>)| TierQuotas {
            name: name.clone(),
            requests_per_minute: tier.requests.rate.per_minute,
            images_per_minute: tier.images.rate.per_minute,
            tokens_per_minute: tier.tokens.rate.per_minute,
            tokens_per_day: tier.tokens_per_day,
        };
        let mut tiers: Vec<_> = self.inner.tiers.iter().map(quotas).collect();
        tiers.sort_by(|one, other| one.name.cmp(&other.name));
        tiers
    }

    /// Takes one request of an address without credentials.
    ///
    /// # Errors
    /// [`Error::RateLimited`].
    pub fn anonymous(&self, address: IpAddr) -> Result<(), Error> {
        self.inner.take(
            QuotaKind::Anonymous,
            &self.inner.anonymous,
            &address.into(),
            1,
        )
    }

    /// Whether credentials from this address are looked at at all. Asked before they are.
    ///
    /// # Errors
    /// [`Error::TooManyFailures`].
    pub fn may_authenticate(&self, address: IpAddr) -> Result<(), Error> {
        let level = self.inner.failures.level(&address.into());
        if level.remaining > 0 {
            return Ok(());
        }
        self.inner.metrics.limited(QuotaKind::Failures);
        Err(Error::TooManyFailures {
            wait: level.more_in,
        })
    }

    /// Counts wrong credentials from this address; see [`crate::auth::Error::is_failed_attempt`].
    pub fn failed_authentication(&self, address: IpAddr) {
        // When there is nothing left, `may_authenticate` says so.
        let _ = self.inner.failures.take(&address.into(), 1);
    }

    /// Writes the ledger; called once more before the process ends.
    pub fn flush(&self) {
        self.inner.ledger.write();
    }
}

impl Inner {
    fn tier(&self, caller: &Caller) -> Arc<TierLimits> {
        self.tiers
            .get(&caller.key.tier)
            .unwrap_or(&self.fallback)
            .clone()
    }

    /// Takes units of a key's quota: of the shared one, or when that does not answer of this server's part.
    fn take_of(&self, quota: &TierQuota, key: &String, units: u32) -> Result<(), Error> {
        let shared = self.shared.as_ref().filter(|_| units > 0);
        let taken = shared.and_then(|shared| shared.take(quota.kind, key, quota.rate, units));
        match taken {
            Some(taken) => self.told(quota.kind, units, taken),
            None => self.take(quota.kind, &quota.local, key, units),
        }
    }

    fn give_back(&self, quota: &TierQuota, key: &String, units: u32) {
        let shared = self.shared.as_ref();
        if !shared
            .is_some_and(|shared| shared.change(quota.kind, key, quota.rate, -i64::from(units)))
        {
            quota.local.give_back(key, units);
        }
    }

    fn take_afterwards(&self, quota: &TierQuota, key: &String, units: u32) {
        let shared = self.shared.as_ref();
        if !shared
            .is_some_and(|shared| shared.change(quota.kind, key, quota.rate, i64::from(units)))
        {
            quota.local.take_afterwards(key, units);
        }
    }

    /// The quota that holds at this moment.
    fn rate(&self, quota: &TierQuota) -> Rate {
        match &self.shared {
            Some(shared) if shared.is_answering() => quota.rate,
            _ => Rate {
                per_minute: quota.local.per_minute(),
                ..quota.rate
            },
        }
    }

    fn level(&self, quota: &TierQuota, key: &String) -> Level {
        match &self.shared {
            Some(shared) if shared.is_answering() => shared.level(quota.kind, key, quota.rate),
            _ => quota.local.level(key),
        }
    }

    fn take<K: std::hash::Hash + Eq + Clone>(
        &self,
        kind: QuotaKind,
        quota: &Quota<K>,
        key: &K,
        units: u32,
    ) -> Result<(), Error> {
        self.told(kind, units, quota.take(key, units))
    }

    fn told(&self, kind: QuotaKind, units: u32, taken: Result<(), Refused>) -> Result<(), Error> {
        taken.map_err(|refused| match refused {
            Refused::Wait(wait) => {
                self.metrics.limited(kind);
                Error::RateLimited { quota: kind, wait }
            }
            Refused::Never(most) => Error::TooMuchAtOnce {
                quota: kind,
                asked: u64::from(units),
                most: u64::from(most),
            },
        })
    }

    fn headers(&self, tier: &TierLimits, key: &String) -> RateLimitHeaders {
        let (mut policy, mut limit) = (Vec::with_capacity(4), Vec::with_capacity(4));
        for quota in tier.quotas() {
            let (kind, level) = (quota.kind, self.level(quota, key));
            let name = kind.as_str();
            policy.push(format!(
                "\"{name}\";q={};w=60{}",
                self.rate(quota).per_minute,
                unit(kind)
            ));
            limit.push(format!(
                "\"{name}\";r={}{}",
                level.remaining,
                seconds(level.more_in)
            ));
        }
        // A ledger that does not answer is told by whoever needs it; the headers go without.
        if let (Some(budget), Ok(today)) = (tier.tokens_per_day, self.ledger.today(key)) {
            policy.push(format!(
                "\"day\";q={budget};w=86400{}",
                unit(QuotaKind::Budget)
            ));
            limit.push(format!(
                "\"day\";r={}{}",
                budget.saturating_sub(today.used),
                seconds(today.resets_in)
            ));
        }
        RateLimitHeaders {
            policy: policy.join(", "),
            limit: limit.join(", "),
        }
    }

    fn sweep(&self) {
        let mut tracked = self.anonymous.tracked() + self.failures.tracked();
        self.anonymous.sweep();
        self.failures.sweep();
        for tier in self.tiers.values() {
            for quota in tier.quotas() {
                tracked += quota.local.tracked();
                quota.local.sweep();
            }
        }
        if let Some(shared) = &self.shared {
            shared.sweep();
        }
        self.metrics.set_tracked(tracked);
        self.ledger.sweep();
    }
}

/// The draft's `qu`: what is counted, where it is not requests.
const fn unit(kind: QuotaKind) -> &'static str {
    match kind {
        QuotaKind::Images => ";qu=\"images\"",
        QuotaKind::Tokens | QuotaKind::Budget => ";qu=\"tokens\"",
        QuotaKind::Requests | QuotaKind::Anonymous | QuotaKind::Failures => "",
    }
}

/// The draft's `t`, in whole seconds and never too early; left out when nothing is to come.
fn seconds(wait: Duration) -> String {
    if wait.is_zero() {
        String::new()
    } else {
        format!(";t={}", whole_seconds(wait))
    }
}

fn limit_use(kind: QuotaKind, quota: u32, level: Level) -> LimitUse {
    let reset_ms = u32::try_from(level.full_in.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
    LimitUse {
        name: kind.as_str().to_owned(),
        quota,
        window_seconds: 60,
        remaining: level.remaining,
        reset_ms,
    }
}

/// An admitted request: what it takes further is counted here. Dropped without settling, it gives back what it set aside.
#[derive(Debug)]
pub struct Allowance {
    inner: Arc<Inner>,
    tier: Arc<TierLimits>,
    key: String,
    reserved: Mutex<u32>,
}

impl Allowance {
    /// The key that pays.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Takes pictures of the minute.
    ///
    /// # Errors
    /// [`Error::RateLimited`], and [`Error::TooMuchAtOnce`] when waiting would not help.
    pub fn charge_images(&self, count: u32) -> Result<(), Error> {
        self.inner.take_of(&self.tier.images, &self.key, count)
    }

    /// Sets engine tokens aside, of the minute and of the day: as many as the request can use at most. May be called
    /// again; the reservations add up until [`Allowance::settle_tokens`].
    ///
    /// # Errors
    /// [`Error::RateLimited`], [`Error::BudgetUsedUp`], and [`Error::TooMuchAtOnce`] when waiting would not help.
    pub fn reserve_tokens(&self, count: u32) -> Result<(), Error> {
        let asked = u64::from(count);
        if let Some(most) = self.tier.tokens_per_day.filter(|most| asked > *most) {
            return Err(Error::TooMuchAtOnce {
                quota: QuotaKind::Tokens,
                asked,
                most,
            });
        }
        self.inner.take_of(&self.tier.tokens, &self.key, count)?;
        match self
            .inner
            .ledger
            .reserve(&self.key, asked, self.tier.tokens_per_day)
        {
            Ok(Ok(())) => {
                let mut reserved = self.lock();
                *reserved = reserved.saturating_add(count);
                Ok(())
            }
            Ok(Err(today)) => {
                self.inner.give_back(&self.tier.tokens, &self.key, count);
                self.inner.metrics.limited(QuotaKind::Budget);
                Err(Error::BudgetUsedUp {
                    wait: today.resets_in,
                })
            }
            Err(error) => {
                self.inner.give_back(&self.tier.tokens, &self.key, count);
                Err(error)
            }
        }
    }

    /// Whether tokens are set aside.
    pub fn has_reserved(&self) -> bool {
        *self.lock() > 0
    }

    /// Counts the tokens that were used and frees the rest of what was set aside. Use beyond it counts as well.
    ///
    /// The ledger has it when this returns: tell the caller afterwards.
    pub fn settle_tokens(&self, used: u32) {
        let reserved = self.settle_minute(used);
        if used > 0 || reserved > 0 {
            let (reserved, used) = (u64::from(reserved), u64::from(used));
            let budget = self.tier.tokens_per_day;
            self.inner.ledger.settle(&self.key, reserved, used, budget);
        }
    }

    /// [`Allowance::settle_tokens`] for tokens that the store counted together with the result they paid for.
    pub fn settle_saved(&self, used: u32) {
        let (reserved, used) = (u64::from(self.settle_minute(used)), u64::from(used));
        let budget = self.tier.tokens_per_day;
        self.inner
            .ledger
            .settle_saved(&self.key, reserved, used, budget);
    }

    fn settle_minute(&self, used: u32) -> u32 {
        let reserved = std::mem::take(&mut *self.lock());
        if used < reserved {
            let unused = reserved - used;
            self.inner.give_back(&self.tier.tokens, &self.key, unused);
        } else if used > reserved {
            let more = used - reserved;
            self.inner
                .take_afterwards(&self.tier.tokens, &self.key, more);
        }
        reserved
    }

    /// What the headers of the answer say.
    pub fn headers(&self) -> RateLimitHeaders {
        self.inner.headers(&self.tier, &self.key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, u32> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        // Unsettled: the request failed or its caller left before an engine used anything.
        let reserved = self.settle_minute(0);
        if reserved > 0 {
            // On whatever thread: it must not wait for a database.
            let budget = self.tier.tokens_per_day;
            self.inner
                .ledger
                .leave(&self.key, u64::from(reserved), budget);
        }
    }
}

/// The thread that tries again what the ledger could not write, every second, renews what is set aside, and sweeps every
/// half minute; ends when dropped.
#[derive(Debug, Default)]
struct Sweeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    fn start(inner: Arc<Inner>) -> Self {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            let mut seconds = 0_u32;
            while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                seconds = seconds.wrapping_add(1);
                if seconds.is_multiple_of(30) {
                    inner.sweep();
                } else {
                    inner.ledger.write();
                }
                if seconds.is_multiple_of(3) {
                    inner.ledger.renew();
                }
            }
            inner.ledger.write();
        };
        let thread = std::thread::Builder::new()
            .name("limits".to_owned())
            .spawn(run);
        if let Err(error) = &thread {
            tracing::error!(%error, "limits cannot be swept");
        }
        Self {
            stop: Some(stop),
            thread: thread.ok(),
        }
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing to add.
            let _ = thread.join();
        }
    }
}
