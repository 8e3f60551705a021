//! Many requests without somebody who waits.
//!
//! A batch is accepted whole or not at all, and is on disk when it is. Each item is taken by one server under a lease,
//! goes the same way as a person's request but behind all of them, and its result and its cost are written together. A
//! server that dies loses its leases: its items are taken again. A result that was written is never written again.

mod webhook;
mod worker;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::limits::MAX_ITEM_ID_CHARS;
use api::{
    Batch, BatchCounts, BatchRequest, BatchResult, BatchStatus, Code, ItemStatus, Priority,
    Webhook, WebhookState,
};
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Caller, hex};
use crate::config;
use crate::intake::{self, Reader};
use crate::limits::Limits;
use crate::refusal::Refusal;
use crate::service::{Service, new_id};
use crate::store::{BatchRow, Cancelled, HookState, ItemRow, ItemState, Kept, NewBatch, Work};
use crate::telemetry::{Clock, Metrics};

/// Lines of results that are read from the store at a time.
const PAGE: u32 = 100;

/// When an unfinished batch may be asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The batches of this server; a clone is the same.
#[derive(Clone)]
pub struct Batches {
    house: Arc<House>,
}

/// What batches are made with.
pub struct Rooms {
    /// Where they are kept.
    pub store: Arc<dyn Work>,
    /// Whose they are.
    pub auth: Arc<Auth>,
    /// What they may cost.
    pub limits: Arc<Limits>,
    /// What their items are read with.
    pub reader: Reader,
    /// What answers them.
    pub service: Service,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The numbers.
    pub metrics: Arc<Metrics>,
}

struct House {
    rooms: Rooms,
    bounds: config::Batches,
    max_running: usize,
    /// This process, among those that share the store.
    owner: String,
    /// There may be something to do.
    wake: Notify,
    /// Items that this server works on.
    running: Mutex<HashMap<(String, u32), CancellationToken>>,
    /// No new items are taken.
    stopping: CancellationToken,
    /// What is left must end now.
    ending: CancellationToken,
    tasks: TaskTracker,
    /// Bodies that are read at a time: each may be large.
    bodies: Arc<tokio::sync::Semaphore>,
}

/// A batch that was asked for by the same request again, or a new one.
#[derive(Debug)]
pub struct Accepted {
    /// The batch.
    pub batch: Batch,
    /// Whether it was there before.
    pub replayed: bool,
}

impl Batches {
    /// Batches in `rooms.store`. Nothing runs until [`Batches::start`].
    #[must_use]
    pub fn new(rooms: Rooms, config: &config::Config) -> Self {
        let bounds = config.batches.clone();
        let max_running = match (bounds.max_running, config.queue.max_running) {
            (0, 0) => crate::service::threads(config),
            (0, running) => running,
            (running, _) => running,
        };
        let house = House {
            rooms,
            bounds,
            max_running,
            owner: new_id(),
            wake: Notify::new(),
            running: Mutex::default(),
            stopping: CancellationToken::new(),
            ending: CancellationToken::new(),
            tasks: TaskTracker::new(),
            bodies: Arc::new(tokio::sync::Semaphore::new(2)),
        };
        Self {
            house: Arc::new(house),
        }
    }

    /// Bytes that a body may have.
    #[must_use]
    pub fn max_body_bytes(&self) -> usize {
        self.house.bounds.max_bytes
    }

    /// The right to read a body; held while it is read and kept.
    pub async fn turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.house.bodies.clone().acquire_owned().await.ok()
    }

    /// Checks a batch and keeps it.
    ///
    /// # Errors
    /// 422 with the field at fault, 429 when too many items wait, 503 when the store does not answer.
    pub async fn accept(
        &self,
        caller: &Caller,
        body: &[u8],
        idempotency_key: Option<String>,
    ) -> Result<Accepted, Refusal> {
        let house = &self.house;
        let fingerprint: [u8; 32] = Sha256::digest(body).into();
        let request: BatchRequest = intake::parse(body)?;
        let webhook = request.webhook.map(|webhook| webhook.url);
        if let Some(url) = &webhook {
            webhook::check(url, &house.bounds.webhook_networks)?;
        }
        let items = house.checked(request.items).await?;
        let now = house.rooms.clock.now_ms();
        let batch = NewBatch {
            id: name(now),
            key: caller.key.id.clone(),
            created_at: now,
            // People write meaning into keys: the store holds what stands for one.
            idempotency: idempotency_key.map(|key| (hex(&Sha256::digest(key)), fingerprint)),
            webhook,
            items,
        };
        let most = house.bounds.max_waiting_items;
        let (id, key) = (batch.id.clone(), batch.key.clone());
        let kept = house
            .stored(move |store| store.insert(&batch, most))
            .await?;
        let (id, replayed) = match kept {
            Kept::New => (id, false),
            Kept::Known(id) => (id, true),
            Kept::Mismatch => return Err(crate::service::IdempotencyError::Mismatch.into()),
            Kept::Full => {
                let detail = format!(
                    "This key may have {most} items waiting in batches; send these when some are done."
                );
                return Err(Refusal::new(Code::TooManyBatches, detail)
                    .limit(most)
                    .retry_after(Duration::from_secs(10)));
            }
        };
        house.wake.notify_one();
        let mut batch = self.show(caller, &id).await?;
        if let Some(webhook) = &mut batch.webhook {
            webhook.secret = Some(house.rooms.auth.webhook_secret(&key));
        }
        tracing::info!(batch = %id, items = batch.items.total, replayed, "a batch was accepted");
        Ok(Accepted { batch, replayed })
    }

    /// One of the caller's batches.
    ///
    /// # Errors
    /// 404, also for another key's; 503 when the store does not answer.
    pub async fn show(&self, caller: &Caller, id: &str) -> Result<Batch, Refusal> {
        Ok(self.house.to_api(&self.row(caller, id).await?))
    }

    async fn row(&self, caller: &Caller, id: &str) -> Result<BatchRow, Refusal> {
        let wanted = id.to_owned();
        let row = self.house.stored(move |store| store.batch(&wanted)).await?;
        row.filter(|row| row.key == caller.key.id).ok_or_else(|| {
            Refusal::new(
                Code::NotFound,
                "This key has no batch with this id; finished batches are removed after a while.",
            )
        })
    }

    /// The caller's batches, newest first, and where to go on.
    ///
    /// # Errors
    /// 503 when the store does not answer.
    pub async fn list(
        &self,
        caller: &Caller,
        before: Option<String>,
        most: u32,
    ) -> Result<api::BatchList, Refusal> {
        let key = caller.key.id.clone();
        let mut rows = self
            .house
            .stored(move |store| store.batches(&key, before.as_deref(), most + 1))
            .await?;
        let more = rows.len() > most as usize;
        rows.truncate(most as usize);
        let next = rows.last().filter(|_| more).map(|row| row.id.clone());
        let batches = rows.iter().map(|row| self.house.to_api(row)).collect();
        Ok(api::BatchList { batches, next })
    }

    /// Batches that are not finished, of every key, oldest first: for the operator. Whose each is stands beside it.
    ///
    /// # Errors
    /// 503 when the store does not answer.
    pub async fn unfinished(&self, most: u32) -> Result<Vec<(String, Batch)>, Refusal> {
        let rows = self
            .house
            .stored(move |store| store.unfinished(most))
            .await?;
        let batches = rows.into_iter().map(|row| {
            let batch = self.house.to_api(&row);
            (row.key, batch)
        });
        Ok(batches.collect())
    }

    /// Gives up what is not done of a running batch; removes one that is over.
    ///
    /// # Errors
    /// 404, and 503 when the store does not answer.
    pub async fn cancel(&self, caller: &Caller, id: &str) -> Result<Batch, Refusal> {
        let mut row = self.row(caller, id).await?;
        let (wanted, now) = (id.to_owned(), self.house.rooms.clock.now_ms());
        let outcome = self
            .house
            .stored(move |store| store.cancel(&wanted, now))
            .await?;
        match outcome {
            Cancelled::Now => {
                self.house.drop_running(|batch, _| batch == id);
                self.house.wake.notify_one();
                row = self.row(caller, id).await?;
                tracing::info!(batch = %id, "a batch was cancelled");
            }
            Cancelled::Before => {
                let wanted = id.to_owned();
                self.house
                    .stored(move |store| store.remove(&wanted))
                    .await?;
            }
            Cancelled::Unknown => {}
        }
        Ok(self.house.to_api(&row))
    }

    /// The results as pages of JSON lines, in the order of the items.
    ///
    /// # Errors
    /// 404, 409 for a batch that is not finished unless a part will do, and 503 when the store does not answer. Each
    /// page may fail too: then the answer ends before its end.
    pub async fn results(
        &self,
        caller: &Caller,
        id: &str,
        partial: bool,
    ) -> Result<impl futures_util::Stream<Item = Result<Bytes, Refusal>> + use<>, Refusal> {
        let row = self.row(caller, id).await?;
        if row.finished_at.is_none() && !partial {
            let detail = format!("{} of {} items are not done.", row.left, row.total);
            return Err(Refusal::new(Code::BatchNotFinished, detail).retry_after(ASK_AGAIN));
        }
        let house = self.house.clone();
        let pages = stream::try_unfold((house, row.id, Some(0)), |(house, id, from)| async move {
            let Some(from) = from else { return Ok(None) };
            let wanted = id.clone();
            let rows = house
                .stored(move |store| store.results(&wanted, from, PAGE))
                .await?;
            let next = rows
                .last()
                .filter(|_| rows.len() == PAGE as usize)
                .map(|row| row.index + 1);
            let lines: Vec<u8> = rows.into_iter().flat_map(|row| line(row, &id)).collect();
            Ok(Some((Bytes::from(lines), (house, id, next))))
        });
        Ok(pages)
    }
}

impl House {
    /// Reads every item as a request of its own would be read, pictures not decoded.
    async fn checked(&self, items: Vec<api::BatchItem>) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let most = self.bounds.max_items;
        let fault = |pointer: String, detail: &str| {
            Refusal::new(Code::InvalidField, format!("`{pointer}` {detail}")).field(pointer)
        };
        if items.len() > most {
            let detail = format!("A batch has at most {most} items; send several batches.");
            return Err(Refusal::new(Code::TooManyItems, detail)
                .field("/items")
                .limit(most as u64));
        }
        if items.is_empty() {
            return Err(fault("/items".to_owned(), "must have at least one item"));
        }
        let mut seen = std::collections::HashSet::with_capacity(items.len());
        let mut checked = Vec::with_capacity(items.len());
        for (place, item) in items.into_iter().enumerate() {
            let at = |rest: &str| format!("/items/{place}{rest}");
            let fits = (1..=MAX_ITEM_ID_CHARS).contains(&item.id.chars().count())
                && !item.id.chars().any(char::is_control);
            if !fits {
                let detail = format!("must have 1 to {MAX_ITEM_ID_CHARS} characters");
                return Err(fault(at("/id"), &detail));
            }
            if !seen.insert(item.id.clone()) {
                return Err(fault(at("/id"), "comes twice; each item has its own id"));
            }
            let request = api::SummaryRequest {
                priority: Priority::Batch,
                ..item.request
            };
            self.rooms
                .service
                .engines()
                .pick(request.engine)
                .map(drop)
                .or_else(|error| match error {
                    // Not now, but perhaps when its turn comes.
                    crate::service::EngineError::Unavailable { .. } => Ok(()),
                    error => Err(below(error.into(), place)),
                })?;
            let json = serde_json::to_vec(&request)
                .map_err(|_| fault(at("/request"), "cannot be kept"))?;
            let parts = self.read(json.clone()).await;
            let known = parts.and_then(|parts| Ok(self.rooms.reader.check(&parts)?));
            known.map_err(|refusal| below(refusal, place))?;
            checked.push((item.id, json));
        }
        Ok(checked)
    }

    async fn read(&self, json: Vec<u8>) -> Result<intake::Parts, Refusal> {
        let body = stream::iter([Ok::<_, Infallible>(Bytes::from(json))]);
        Ok(self.rooms.reader.json(body).await?)
    }

    /// The store blocks: never on a thread that serves connections.
    async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Work) -> Result<T, crate::store::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = self.rooms.store.clone();
        match tokio::task::spawn_blocking(move || work(store.as_ref())).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Refusal::new(
                Code::Internal,
                "Something went wrong in the server.",
            )),
        }
    }

    /// [`House::stored`] for work that needs the time by which the store tells leases and waits.
    async fn timed<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Work, u64) -> Result<T, crate::store::Error> + Send + 'static,
    ) -> Result<T, Refusal> {
        let ours = self.rooms.clock.now_ms();
        self.stored(move |store| work(store, store.time(ours)?))
            .await
    }

    fn to_api(&self, row: &BatchRow) -> Batch {
        let status = match (row.finished_at, row.cancelled) {
            (None, _) => BatchStatus::Running,
            (Some(_), false) => BatchStatus::Finished,
            (Some(_), true) => BatchStatus::Cancelled,
        };
        let cancelled = if row.cancelled {
            row.total - row.completed - row.failed
        } else {
            0
        };
        let kept = self.bounds.retention_hours * 3_600_000;
        Batch {
            id: row.id.clone(),
            status,
            items: BatchCounts {
                total: row.total,
                completed: row.completed,
                failed: row.failed,
                cancelled,
            },
            usage: row.usage,
            created_at: row.created_at,
            finished_at: row.finished_at,
            expires_at: row.finished_at.map(|at| at + kept),
            webhook: row.webhook.as_ref().map(|(url, state, attempts)| Webhook {
                url: url.clone(),
                state: match state {
                    HookState::Pending => WebhookState::Pending,
                    HookState::Delivered => WebhookState::Delivered,
                    HookState::Failed => WebhookState::Failed,
                },
                attempts: *attempts,
                secret: None,
            }),
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<(String, u32), CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the work on items that are no longer wanted.
    fn drop_running(&self, unwanted: impl Fn(&str, u32) -> bool) {
        for ((batch, index), cancel) in self.running().iter() {
            if unwanted(batch, *index) {
                cancel.cancel();
            }
        }
    }
}

/// A batch's name: later ones sort after earlier ones, and nobody guesses one.
fn name(now: u64) -> String {
    format!("batch_{now:012x}{}", new_id())
}

/// A refusal of an item, as the batch's caller sees it.
fn below(mut refusal: Refusal, place: usize) -> Refusal {
    let prefix = format!("/items/{place}/request");
    let field = refusal.field.take().unwrap_or_default();
    // A pointer is quoted in the words as well.
    if !field.is_empty() {
        refusal.detail = refusal
            .detail
            .replace(&format!("`{field}`"), &format!("`{prefix}{field}`"));
    }
    refusal.field(format!("{prefix}{field}"))
}

/// One line of the results.
fn line(row: ItemRow, batch: &str) -> Vec<u8> {
    let status = match row.state {
        ItemState::Completed => ItemStatus::Completed,
        ItemState::Failed => ItemStatus::Failed,
        _ => ItemStatus::Cancelled,
    };
    let text = row.result.as_deref();
    let read = |wanted| text.filter(|_| status == wanted);
    let result = BatchResult {
        index: row.index,
        id: row.id,
        status,
        summary: read(ItemStatus::Completed).and_then(|text| serde_json::from_str(text).ok()),
        problem: read(ItemStatus::Failed).and_then(|text| serde_json::from_str(text).ok()),
    };
    if status != ItemStatus::Cancelled && result.summary.is_none() && result.problem.is_none() {
        tracing::error!(batch, index = result.index, "a result cannot be read");
    }
    // These types always serialise.
    let mut line = serde_json::to_vec(&result).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_their_time() {
        let names = [name(1), name(2), name(0x10), name(1_790_000_000_000)];
        assert!(names.is_sorted(), "{names:?}");
    }

    #[test]
    fn an_items_fault_is_told_with_its_place() {
        let refusal =
            Refusal::new(Code::InvalidField, "`/candidates` must be less").field("/candidates");
        let told = below(refusal, 3);
        assert_eq!(told.field.as_deref(), Some("/items/3/request/candidates"));
        assert_eq!(told.detail, "`/items/3/request/candidates` must be less");
        let told = below(Refusal::new(Code::NothingToRead, "nothing"), 0);
        assert_eq!(told.field.as_deref(), Some("/items/0/request"));
    }
}
