//! Answers that are already known, and answers that are being made.
//!
//! [`Cache::get_or_run`] gives a stored answer, joins a run for the same key, or starts one. Keys are per tenant and
//! cover all that the answer depends on ([`CacheKey`]), so that nobody sees, or times, what another has asked.

mod idempotency;
mod key;
mod memory;
mod seal;
mod shared;
mod single_flight;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use api::{Event, Summary};
use futures_util::future::BoxFuture;
use tokio::time::Instant;

pub use self::idempotency::{Claim, Error as IdempotencyError, Idempotency, Reservation};
pub use self::key::{CacheKey, KeyBuilder, Salt};
use self::memory::Memory;
use self::shared::Elsewhere;
pub use self::shared::SharedAnswers;
pub use self::single_flight::{Failure, Run};
use self::single_flight::{Flights, Place};

/// The bounds of the stored answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all answers together; 0 stores none.
    pub max_bytes: u64,
    /// How long an answer is kept.
    pub ttl: Duration,
}

/// The cache; a clone is the same cache.
#[derive(Clone)]
pub struct Cache {
    memory: Memory,
    shared: Option<SharedAnswers>,
    flights: Arc<Flights>,
    runtime: tokio::runtime::Handle,
}

/// An answer and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The answer as it was made, with the id and timings of that time.
    pub summary: Arc<Summary>,
    /// Who made it.
    pub origin: Origin,
}

/// Which server made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Here,
    Elsewhere,
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This call made it.
    Made,
    /// Another call was making it.
    Joined,
    /// It was stored, or another server was making it: no events were heard.
    Stored,
}

impl Cache {
    /// An empty cache. Runs are spawned on `runtime`, because they may outlive the call that started them.
    #[must_use]
    pub fn new(bounds: Bounds, runtime: tokio::runtime::Handle) -> Self {
        Self {
            memory: Memory::new(bounds),
            shared: None,
            flights: Arc::default(),
            runtime,
        }
    }

    /// Knows the answers of other servers, too, if they are shared.
    #[must_use]
    pub fn sharing(self, shared: Option<SharedAnswers>) -> Self {
        Self { shared, ..self }
    }

    /// Gives the stored answer of `key`, or that of a run in progress, or that of a new run.
    ///
    /// `on_event` hears every event of the run, from its beginning, also when the run is another call's. The run is
    /// cancelled when every call that waits for it has been dropped. When it fails, the call that started it gets the
    /// error and the next one starts its own: one caller's failure is never another's answer. Errors are not stored.
    ///
    /// Where answers are shared, a run of another server is waited for until `deadline`; then the run of this call begins,
    /// to say itself that it is late.
    ///
    /// # Errors
    /// [`Failure`] of this call's own run.
    pub async fn get_or_run<E, F, R>(
        &self,
        key: CacheKey,
        deadline: Instant,
        mut on_event: impl FnMut(&Event),
        run: F,
    ) -> Result<Found, Failure<E>>
    where
        E: Send + 'static,
        F: FnOnce(Run) -> R,
        R: Future<Output = Result<Summary, E>> + Send + 'static,
    {
        let mut run = Some(run);
        loop {
            let place = self.flights.enter(key, || self.memory.get(&key));
            let (seat, origin, error) = match place {
                Place::Known(summary) => {
                    return Ok(Found {
                        summary,
                        origin: Origin::Stored,
                    });
                }
                Place::Follow(seat) => (seat, Origin::Joined, None),
                Place::Lead(seat) => {
                    // A call leads at most once: what it led has ended in its answer or in its error.
                    let Some(run) = run.take() else {
                        return Err(Failure::Panicked);
                    };
                    let run = |flight| self.once(key, deadline, flight, run);
                    let error = seat.start(&self.runtime, self.memory.clone(), run);
                    (seat, Origin::Made, Some(error))
                }
            };
            match (seat.follow(&mut on_event).await, error) {
                (Some((summary, made)), _) => {
                    let origin = match made {
                        Made::Here => origin,
                        Made::Elsewhere => Origin::Stored,
                    };
                    return Ok(Found { summary, origin });
                }
                (None, Some(error)) => {
                    return Err(error.await.map_or(Failure::Panicked, Failure::Run));
                }
                (None, None) => {}
            }
        }
    }

    /// `run`, unless another server has its answer or gives it.
    fn once<E, F, R>(
        &self,
        key: CacheKey,
        deadline: Instant,
        flight: Run,
        run: F,
    ) -> BoxFuture<'static, Result<(Summary, Made), E>>
    where
        E: Send + 'static,
        F: FnOnce(Run) -> R,
        R: Future<Output = Result<Summary, E>> + Send + 'static,
    {
        let cancel = flight.cancel.clone();
        let work = run(flight);
        let Some(shared) = self.shared.clone() else {
            return Box::pin(async move { Ok((work.await?, Made::Here)) });
        };
        Box::pin(async move {
            let place = tokio::select! {
                place = shared.enter(&key, deadline) => place,
                // The run says itself that nobody waits any more.
                () = cancel.cancelled() => Elsewhere::Nothing,
            };
            let lease = match place {
                Elsewhere::Answered(summary) => return Ok((*summary, Made::Elsewhere)),
                Elsewhere::Nothing => None,
                Elsewhere::Lead(lease) => Some(lease),
            };
            let summary = work.await?;
            shared.put(&key, &summary).await;
            // Given back after the answer lies there: who waits finds one or the other.
            drop(lease);
            Ok((summary, Made::Here))
        })
    }

    /// Stored answers and their bytes, for metrics. Both lag behind by a moment.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.memory.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{EngineName, FieldValue, Queued, TokenUsage};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    fn cache() -> Cache {
        let bounds = Bounds {
            max_bytes: 1 << 20,
            ttl: Duration::from_secs(60),
        };
        Cache::new(bounds, tokio::runtime::Handle::current())
    }

    fn key(name: &str) -> CacheKey {
        Salt::from([7; 32])
            .key("test")
            .part(name.as_bytes())
            .finish()
    }

    pub(super) fn summary(title: &str) -> Summary {
        Summary {
            id: "1".into(),
            language: "en".into(),
            title: Some(title.into()),
            meta_description: None,
            keywords: None,
            slug: None,
            summary: None,
            alt_texts: None,
            open_graph: None,
            json_ld: None,
            candidates: None,
            warnings: vec![],
            engine: EngineName::Extractive,
            model: "m".into(),
            prompt_version: "p".into(),
            cached: false,
            usage: TokenUsage::default(),
            timings: api::Timings::default(),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    fn title(found: &Found) -> &str {
        found.summary.title.as_deref().unwrap()
    }

    async fn get(
        cache: &Cache,
        name: &str,
        answer: Result<&str, &'static str>,
    ) -> Result<Found, Failure<&'static str>> {
        let answer = answer.map(summary);
        cache
            .get_or_run(key(name), soon(), |_| {}, |_| async move { answer })
            .await
    }

    #[tokio::test]
    async fn the_second_call_is_answered_from_memory() {
        let cache = cache();
        assert_eq!(
            get(&cache, "a", Ok("one")).await.unwrap().origin,
            Origin::Made
        );
        let again = get(&cache, "a", Ok("two")).await.unwrap();
        assert_eq!((title(&again), again.origin), ("one", Origin::Stored));
        assert_eq!(title(&get(&cache, "b", Ok("two")).await.unwrap()), "two");
    }

    #[tokio::test]
    async fn an_error_is_not_stored() {
        let cache = cache();
        assert_eq!(
            get(&cache, "a", Err("broken")).await,
            Err(Failure::Run("broken"))
        );
        assert_eq!(title(&get(&cache, "a", Ok("one")).await.unwrap()), "one");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_a_hang() {
        let cache = cache();
        let run = |_| async {
            if true {
                panic!("as the test wants")
            } else {
                Err("unreachable")
            }
        };
        assert_eq!(
            cache.get_or_run(key("a"), soon(), |_| {}, run).await,
            Err(Failure::Panicked)
        );
        assert_eq!(title(&get(&cache, "a", Ok("one")).await.unwrap()), "one");
    }

    #[tokio::test]
    async fn no_room_stores_nothing() {
        let bounds = Bounds {
            max_bytes: 0,
            ttl: Duration::from_secs(60),
        };
        let cache = Cache::new(bounds, tokio::runtime::Handle::current());
        get(&cache, "a", Ok("one")).await.unwrap();
        assert_eq!(
            get(&cache, "a", Ok("two")).await.unwrap().origin,
            Origin::Made
        );
    }

    #[tokio::test]
    async fn two_calls_at_once_are_one_run_and_hear_the_same_events() {
        let cache = cache();
        let runs = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let call = |who: &'static str| {
            let (cache, runs, go, heard) = (cache.clone(), runs.clone(), go.clone(), heard.clone());
            tokio::spawn(async move {
                let on_event = |event: &Event| heard.lock().unwrap().push((who, event.name()));
                let run = |run: Run| async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    run.emit(Event::Queued(Queued {
                        position: 1,
                        wait_ms: None,
                    }));
                    go.notified().await;
                    run.emit(Event::Field(FieldValue {
                        name: api::Field::Title,
                        value: "one".into(),
                    }));
                    Ok::<_, &str>(summary("one"))
                };
                cache
                    .get_or_run(key("a"), soon(), on_event, run)
                    .await
                    .unwrap()
                    .origin
            })
        };
        let first = call("first");
        yield_now().await;
        let second = call("second");
        yield_now().await;
        go.notify_one();
        assert_eq!(
            (first.await.unwrap(), second.await.unwrap()),
            (Origin::Made, Origin::Joined)
        );
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        let mut heard = heard.lock().unwrap().clone();
        heard.sort_unstable();
        assert_eq!(
            heard,
            [
                ("first", "field"),
                ("first", "queued"),
                ("second", "field"),
                ("second", "queued")
            ]
        );
    }

    #[tokio::test]
    async fn a_run_outlives_its_starter_while_another_waits_and_not_longer() {
        let cache = cache();
        let cancelled = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(Notify::new());
        let call = || {
            let (cache, cancelled, go) = (cache.clone(), cancelled.clone(), go.clone());
            tokio::spawn(async move {
                let run = |run: Run| async move {
                    tokio::select! {
                        () = run.cancel.cancelled() => { cancelled.fetch_add(1, Ordering::Relaxed); Err("cancelled") }
                        () = go.notified() => Ok(summary("one")),
                    }
                };
                cache.get_or_run(key("a"), soon(), |_| {}, run).await
            })
        };
        let first = call();
        yield_now().await;
        let second = call();
        yield_now().await;
        first.abort();
        first.await.unwrap_err();
        yield_now().await;
        assert_eq!(
            cancelled.load(Ordering::Relaxed),
            0,
            "the second still waits"
        );
        go.notify_one();
        assert_eq!(second.await.unwrap().unwrap().origin, Origin::Joined);

        cache.memory.clear();
        let alone = call();
        yield_now().await;
        alone.abort();
        alone.await.unwrap_err();
        yield_now().await;
        assert_eq!(
            cancelled.load(Ordering::Relaxed),
            1,
            "nobody waits any more"
        );
    }

    #[tokio::test]
    async fn a_failure_is_the_starters_and_the_next_takes_over() {
        let cache = cache();
        let go = Arc::new(Notify::new());
        let call = |answer: Result<&'static str, &'static str>| {
            let (cache, go) = (cache.clone(), go.clone());
            tokio::spawn(async move {
                let run = |_| async move {
                    go.notified().await;
                    answer.map(summary)
                };
                cache.get_or_run(key("a"), soon(), |_| {}, run).await
            })
        };
        let first = call(Err("broken"));
        yield_now().await;
        let second = call(Ok("mended"));
        yield_now().await;
        go.notify_one();
        assert_eq!(first.await.unwrap(), Err(Failure::Run("broken")));
        go.notify_one();
        let second = second.await.unwrap().unwrap();
        assert_eq!((title(&second), second.origin), ("mended", Origin::Made));
    }
}
