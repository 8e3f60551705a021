//! One run for all calls that want the same answer at the same time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Event, Summary};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::memory::Memory;
use super::{CacheKey, Made};

/// Why a run gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure<E> {
    /// Its own error.
    #[error("{0}")]
    Run(E),
    /// It panicked; the panic is in the log.
    #[error("the run panicked; this is a bug")]
    Panicked,
}

/// What a run is given: where to tell its events, and whether anybody still waits.
#[derive(Clone)]
pub struct Run {
    flight: Arc<Flight>,
    /// Cancelled when nobody waits for the answer any more.
    pub cancel: CancellationToken,
}

impl Run {
    /// Tells everybody who waits, and everybody who joins later.
    pub fn emit(&self, event: Event) {
        lock(&self.flight.events).push(event);
        self.flight
            .progress
            .send_modify(|progress| progress.events += 1);
    }
}

/// The runs in progress.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, Arc<Flight>>>);

struct Flight {
    /// From the first on; a run has few.
    events: Mutex<Vec<Event>>,
    progress: watch::Sender<Progress>,
    cancel: CancellationToken,
    /// Calls that wait; changed only under the lock of [`Flights`].
    seats: Mutex<usize>,
}

#[derive(Clone, Default)]
struct Progress {
    events: usize,
    end: Option<End>,
}

#[derive(Clone)]
enum End {
    Answered(Arc<Summary>, Made),
    Failed,
}

/// What a call finds when it comes.
pub(super) enum Place {
    Known(Arc<Summary>),
    Follow(Seat),
    Lead(Seat),
}

/// One call's part in a run. The run is cancelled when the last seat is dropped.
pub(super) struct Seat {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: CacheKey,
}

impl Flights {
    /// Looks into the store and at the runs in one step, so that no answer falls between them.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: CacheKey,
        stored: impl FnOnce() -> Option<Arc<Summary>>,
    ) -> Place {
        let mut flights = lock(&self.0);
        if let Some(summary) = stored() {
            return Place::Known(summary);
        }
        let seat = |flight: &Arc<Flight>| {
            *lock(&flight.seats) += 1;
            Seat {
                flights: Arc::clone(self),
                flight: Arc::clone(flight),
                key,
            }
        };
        if let Some(flight) = flights.get(&key) {
            return Place::Follow(seat(flight));
        }
        let flight = Arc::new(Flight {
            events: Mutex::default(),
            progress: watch::Sender::default(),
            cancel: CancellationToken::new(),
            seats: Mutex::new(0),
        });
        let seat = seat(&flight);
        flights.insert(key, flight);
        Place::Lead(seat)
    }

    fn remove(&self, key: CacheKey, flight: &Arc<Flight>) {
        let mut flights = lock(&self.0);
        if flights
            .get(&key)
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            flights.remove(&key);
        }
    }
}

impl Seat {
    /// Spawns the run, which says of its answer where it was made. Gives where its error will be, if it has one.
    pub(super) fn start<E, R>(
        &self,
        runtime: &tokio::runtime::Handle,
        memory: Memory,
        run: impl FnOnce(Run) -> R,
    ) -> oneshot::Receiver<E>
    where
        E: Send + 'static,
        R: Future<Output = Result<(Summary, Made), E>> + Send + 'static,
    {
        let landing = Landing {
            flights: Arc::clone(&self.flights),
            flight: Arc::clone(&self.flight),
            key: self.key,
        };
        let work = run(Run {
            flight: Arc::clone(&self.flight),
            cancel: self.flight.cancel.clone(),
        });
        let (tell_error, error) = oneshot::channel();
        let span = tracing::Span::current();
        runtime.spawn(tracing::Instrument::instrument(
            async move {
                match work.await {
                    Ok((summary, made)) => landing.answer(&memory, Arc::new(summary), made),
                    // The starter may have left; then nobody asks for the error.
                    Err(error) => drop(tell_error.send(error)),
                }
            },
            span,
        ));
        error
    }

    /// Passes on the events and gives the answer; `None` when the run failed.
    pub(super) async fn follow(
        &self,
        on_event: &mut impl FnMut(&Event),
    ) -> Option<(Arc<Summary>, Made)> {
        let mut progress = self.flight.progress.subscribe();
        let mut heard = 0;
        loop {
            let now = progress.borrow_and_update().clone();
            let new = lock(&self.flight.events)
                .get(heard..now.events)
                .map(<[Event]>::to_vec)
                .unwrap_or_default();
            new.iter().for_each(&mut *on_event);
            heard = now.events;
            match now.end {
                Some(End::Answered(summary, made)) => return Some((summary, made)),
                Some(End::Failed) => return None,
                // The sender lives in the flight that this seat holds.
                None => progress.changed().await.ok()?,
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut flights = lock(&self.flights.0);
        let mut seats = lock(&self.flight.seats);
        *seats -= 1;
        if *seats == 0 {
            self.flight.cancel.cancel();
            if flights
                .get(&self.key)
                .is_some_and(|current| Arc::ptr_eq(current, &self.flight))
            {
                flights.remove(&self.key);
            }
        }
    }
}

/// Ends a flight in every case: also when the run panics or the runtime drops it.
struct Landing {
    flights: Arc<Flights>,
    flight: Arc<Flight>,
    key: CacheKey,
}

impl Landing {
    fn answer(self, memory: &Memory, summary: Arc<Summary>, made: Made) {
        // Stored before the flight is removed: a call that comes now finds one or the other.
        memory.put(self.key, Arc::clone(&summary));
        self.flight
            .progress
            .send_modify(|progress| progress.end = Some(End::Answered(summary, made)));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        // Removed before followers are told of a failure: the first of them starts a new flight.
        self.flights.remove(self.key, &self.flight);
        self.flight.progress.send_if_modified(|progress| {
            let failed = progress.end.is_none();
            progress.end.get_or_insert(End::Failed);
            failed
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded here is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
