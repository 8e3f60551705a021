//! Items, one after the other and some at a time: taken, run, written.

use std::sync::Arc;
use std::time::Duration;

use api::{Code, Problem, TokenUsage};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Batches, House, webhook};
use crate::refusal::Refusal;
use crate::service::{Error, Job};
use crate::store::{Claimed, Done, ItemState, Place, tokens};
use crate::telemetry::BatchOutcome;

/// How long an item is a server's own without a word from it.
const LEASE: Duration = Duration::from_secs(10);
/// How often leases are renewed and what is due is looked for.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two renewals.
const RENEW_AFTER: u32 = 3;
/// Ticks between two looks for what may be forgotten.
const EXPIRE_AFTER: u32 = 600;
/// How often an engine may fail on an item.
const MAX_TRIES: u32 = 3;
/// How often a server may die over an item before the item is to blame.
const MAX_CLAIMS: u32 = 20;

/// How an item went.
enum Outcome {
    /// It has a summary.
    Summary(Box<api::Summary>),
    /// It will never have one.
    Refused(Refusal),
    /// Not now.
    Later { wait: Duration, tried: bool },
    /// Nobody wants it any more.
    Dropped,
}

impl Batches {
    /// Works on what is there from now on, until [`Batches::stop`].
    pub fn start(&self, runtime: &tokio::runtime::Handle) {
        let house = self.house.clone();
        runtime.spawn(house.tasks.track_future(run(house.clone())));
    }

    /// Takes no new items, waits for those that run, at most `patience`, and puts back what is left.
    pub async fn stop(&self, patience: Duration) {
        self.house.stopping.cancel();
        self.house.tasks.close();
        if tokio::time::timeout(patience, self.house.tasks.wait())
            .await
            .is_err()
        {
            self.house.ending.cancel();
            // Putting back is a write each.
            let _ = tokio::time::timeout(Duration::from_secs(5), self.house.tasks.wait()).await;
        }
    }
}

async fn run(house: Arc<House>) {
    let shared = house.rooms.store.is_shared();
    // Nobody else works on a store of our own: what ran when the last process ended waits again.
    let taken_up = house.timed(move |store, now| store.reclaim(now, !shared));
    match taken_up.await {
        Ok(0) => {}
        Ok(items) => tracing::info!(items, "items of an ended server are taken up again"),
        Err(refusal) => tracing::error!(%refusal, "unfinished items could not be taken up"),
    }
    house.tasks.spawn(keep(house.clone()));
    let places = Arc::new(Semaphore::new(house.max_running));
    while !house.stopping.is_cancelled() {
        let place = tokio::select! {
            () = house.stopping.cancelled() => return,
            place = places.clone().acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        match next(&house).await {
            Some(item) => {
                let work = work(house.clone(), item);
                house.tasks.spawn(async move {
                    work.await;
                    drop(place);
                });
            }
            None => {
                drop(place);
                tokio::select! {
                    () = house.stopping.cancelled() => return,
                    () = house.wake.notified() => {}
                    () = tokio::time::sleep(TICK) => {}
                }
            }
        }
    }
}

async fn next(house: &House) -> Option<Claimed> {
    let owner = house.owner.clone();
    let claimed = house
        .timed(move |store, now| store.claim(&owner, now, now + millis(LEASE)))
        .await;
    claimed.unwrap_or_else(|refusal| {
        tracing::error!(%refusal, "no item could be taken");
        None
    })
}

/// Renews leases, tells webhooks, forgets what is over.
async fn keep(house: Arc<House>) {
    let mut ticks = 0_u32;
    loop {
        tokio::select! {
            // As long as items run their leases are renewed, also while the server stops.
            () = house.stopping.cancelled(), if house.running().is_empty() => return,
            () = house.ending.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(RENEW_AFTER) {
            renew(&house).await;
        }
        if ticks.is_multiple_of(EXPIRE_AFTER) {
            expire(&house).await;
        }
        if !house.stopping.is_cancelled() {
            webhook::tell_all(&house).await;
        }
    }
}

async fn renew(house: &House) {
    let owner = house.owner.clone();
    // Only what runs here: an item whose claim was written while its word to us was lost is nobody's work, and its lease
    // has to end.
    let running: Vec<_> = house.running().keys().cloned().collect();
    let asked = running.clone();
    let kept = house
        .timed(move |store, now| {
            store.reclaim(now, false)?;
            store.renew(&owner, &asked, now + millis(LEASE))
        })
        .await;
    // Cancelled elsewhere, or taken by another after we were silent too long. When the store does not answer we go on:
    // it decides in the end whose result counts.
    if let Ok(kept) = kept {
        house.drop_running(|batch, index| {
            let is_it = |(known, place): &&Place| known == batch && *place == index;
            running.iter().any(|place| is_it(&place)) && !kept.iter().any(|place| is_it(&place))
        });
    }
}

async fn expire(house: &House) {
    let kept = house.bounds.retention_hours * 3_600_000;
    let before = house.rooms.clock.now_ms().saturating_sub(kept);
    match house.stored(move |store| store.expire(before)).await {
        Ok(0) | Err(_) => {}
        Ok(batches) => tracing::info!(batches, "finished batches were removed"),
    }
}

/// One item, from its claim to its end.
async fn work(house: Arc<House>, item: Claimed) {
    let cancel = CancellationToken::new();
    let place = (item.batch.clone(), item.index);
    house.running().insert(place.clone(), cancel.clone());
    let span = tracing::info_span!("item", request.id = %request_id(&item), key.id = %item.key);
    let done = async {
        // A panic anywhere on the way is this item's failure, not the server's.
        let attempt = tokio::spawn(attempt(house.clone(), item.clone(), cancel).in_current_span());
        let outcome = attempt.await.unwrap_or_else(|_| {
            tracing::error!("a panic over an item of a batch; this is a bug");
            retried(&item, Error::Panicked.into()).into()
        });
        write(&house, &item, outcome).await;
    };
    done.instrument(span).await;
    house.running().remove(&place);
    house.wake.notify_one();
}

/// What the allowance of an item is told when all is written.
struct Attempted {
    outcome: Outcome,
    allowance: Option<crate::limits::Allowance>,
}

impl From<Outcome> for Attempted {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            allowance: None,
        }
    }
}

async fn attempt(house: Arc<House>, item: Claimed, cancel: CancellationToken) -> Attempted {
    if item.claims > MAX_CLAIMS {
        let detail = "The server ended each time it worked on this item; it is not tried again.";
        return Outcome::Refused(Refusal::new(Code::EngineFailed, detail)).into();
    }
    let ending = house.ending.clone();
    tokio::select! {
        biased;
        () = cancel.cancelled() => Outcome::Dropped.into(),
        () = ending.cancelled() => Outcome::Later { wait: Duration::ZERO, tried: false }.into(),
        attempted = answer(&house, &item) => attempted,
    }
}

async fn answer(house: &House, item: &Claimed) -> Attempted {
    let rooms = &house.rooms;
    let prepared = async {
        let (auth, key) = (rooms.auth.clone(), item.key.clone());
        let owner = tokio::task::spawn_blocking(move || auth.owner(&key))
            .await
            .map_err(|_| Refusal::from(Error::Panicked))??;
        let parts = house.read(item.request.clone()).await?;
        let allowance = rooms.limits.of_key(&owner.id, &owner.tier);
        let count = u32::try_from(parts.pictures()).unwrap_or(u32::MAX);
        let allowance =
            tokio::task::spawn_blocking(move || allowance.charge_images(count).map(|()| allowance))
                .await
                .map_err(|_| Refusal::from(Error::Panicked))??;
        let intake = rooms.reader.admit(parts).await?;
        let tokens = rooms.service.estimated_tokens(&intake);
        let allowance = tokio::task::spawn_blocking(move || {
            allowance.reserve_tokens(tokens).map(|()| allowance)
        })
        .await
        .map_err(|_| Refusal::from(Error::Panicked))??;
        let job = Job {
            tenant: item.key.clone(),
            intake,
            safety: owner.safety,
        };
        Ok((allowance, job))
    };
    let (allowance, job) = match prepared.await {
        Ok(prepared) => prepared,
        Err(refusal) => return judged(item, refusal).into(),
    };
    match rooms.service.summarize(job, |_| {}).await {
        Ok(summary) => Attempted {
            outcome: Outcome::Summary(Box::new(summary)),
            allowance: Some(allowance),
        },
        Err(error) => {
            error.log_cause();
            judged(item, error.into()).into()
        }
    }
}

/// Whether a refusal is for ever.
fn judged(item: &Claimed, refusal: Refusal) -> Outcome {
    match refusal.code {
        // Others are at fault, and it passes.
        Code::RateLimited
        | Code::BudgetUsedUp
        | Code::Overloaded
        | Code::EngineUnavailable
        | Code::StoreUnavailable
        | Code::Draining => {
            let wait = refusal.retry_after.unwrap_or(Duration::from_secs(5));
            Outcome::Later { wait, tried: false }
        }
        Code::EngineFailed | Code::EngineOutput | Code::DeadlineExceeded | Code::Internal => {
            retried(item, refusal)
        }
        _ => Outcome::Refused(refusal),
    }
}

fn retried(item: &Claimed, refusal: Refusal) -> Outcome {
    if item.tries + 1 >= MAX_TRIES {
        return Outcome::Refused(refusal);
    }
    let wait = Duration::from_millis(500 << (2 * item.tries).min(10));
    Outcome::Later { wait, tried: true }
}

/// Writes an item's end; only then its tokens are settled. What the store does not take is tried until the lease is over.
async fn write(house: &House, item: &Claimed, attempted: Attempted) {
    let Attempted { outcome, allowance } = attempted;
    let metrics = &house.rooms.metrics;
    let (state, result, usage) = match outcome {
        Outcome::Summary(summary) => {
            let json = serde_json::to_string(&*summary).unwrap_or_default();
            (ItemState::Completed, json, summary.usage)
        }
        Outcome::Refused(refusal) => {
            let problem: Problem = refusal.problem(&request_id(item));
            let json = serde_json::to_string(&problem).unwrap_or_default();
            (ItemState::Failed, json, TokenUsage::default())
        }
        Outcome::Later { wait, tried } => {
            metrics.batch_item(BatchOutcome::Later);
            let (item, owner) = (item.clone(), house.owner.clone());
            let released = house
                .timed(move |store, now| store.release(&item, &owner, now + millis(wait), tried))
                .await;
            if let Err(refusal) = released {
                // Its lease ends by itself.
                tracing::error!(%refusal, "an item could not be put back");
            }
            return;
        }
        Outcome::Dropped => {
            metrics.batch_item(BatchOutcome::Cancelled);
            return;
        }
    };
    let done = Done {
        batch: item.batch.clone(),
        index: item.index,
        state,
        result,
        usage,
        at: house.rooms.clock.now_ms(),
        key: item.key.clone(),
    };
    let mut patience = 10;
    let written = loop {
        let (done, owner) = (done.clone(), house.owner.clone());
        match house
            .stored(move |store| store.complete(&done, &owner))
            .await
        {
            Ok(written) => break written,
            Err(_) if patience > 0 => {
                patience -= 1;
                tokio::time::sleep(TICK).await;
            }
            Err(_) => break false,
        }
    };
    if written {
        if let Some(allowance) = allowance {
            let used = u32::try_from(tokens(usage)).unwrap_or(u32::MAX);
            let settled = tokio::task::spawn_blocking(move || allowance.settle_saved(used));
            // A panic there has been logged.
            let _ = settled.await;
        }
        metrics.batch_item(match state {
            ItemState::Completed => BatchOutcome::Completed,
            _ => BatchOutcome::Failed,
        });
        tracing::debug!(completed = state == ItemState::Completed, "an item is done");
    }
}

/// Names an item in the log and in its problem.
fn request_id(item: &Claimed) -> String {
    format!("{}.{}", item.batch, item.index)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(tries: u32) -> Claimed {
        Claimed {
            batch: "b".to_owned(),
            index: 0,
            key: "k".to_owned(),
            request: Vec::new(),
            tries,
            claims: 1,
        }
    }

    #[test]
    fn what_passes_is_waited_for_and_counts_no_try() {
        let busy = Refusal::new(Code::Overloaded, "x").retry_after(Duration::from_secs(7));
        assert!(matches!(
            judged(&item(9), busy),
            Outcome::Later { wait, tried: false } if wait == Duration::from_secs(7)
        ));
    }

    #[test]
    fn an_engine_may_fail_twice() {
        for (tries, again) in [(0, true), (1, true), (2, false)] {
            let failed = Refusal::new(Code::EngineFailed, "x");
            let outcome = judged(&item(tries), failed);
            assert_eq!(
                matches!(outcome, Outcome::Later { tried: true, .. }),
                again,
                "{tries}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_the_item_is_final() {
        for code in [Code::ImageBroken, Code::TooManyImages, Code::KeyRevoked] {
            let outcome = judged(&item(0), Refusal::new(code, "x"));
            assert!(matches!(outcome, Outcome::Refused(_)), "{code}");
        }
    }
}
