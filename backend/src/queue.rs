//! Admission: who may run now, who waits, and who is told to come back.
//!
//! At most `max_running` hold a [`Ticket`] and at most `max_waiting` wait. Interactive requests go before batch ones;
//! within a class the keys take turns, so that a key with a hundred requests delays another by one, not by a hundred.
//! A quarter of the tickets is for people alone: a batch never makes them wait for a whole answer.
//! A waiter that is dropped frees its place at once, and so does a ticket.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::{Code, Priority, Queued};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::refusal::Refusal;

/// Why no ticket was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Every place is taken, or this waiter gave its place to a key that had fewer.
    #[error("all places in the queue are taken; come back in {} s", retry_after.as_secs())]
    Overloaded {
        /// When a place is likely to be free, from the service times measured so far.
        retry_after: Duration,
    },
    /// The deadline passed while waiting.
    #[error("the deadline passed after {} ms in the queue", waited.as_millis())]
    Deadline {
        /// The time spent waiting.
        waited: Duration,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Overloaded { retry_after } => {
                Self::new(Code::Overloaded, error.to_string()).retry_after(retry_after)
            }
            Error::Deadline { .. } => Self::new(Code::DeadlineExceeded, error.to_string()),
        }
    }
}

/// The bounds of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Tickets at a time, at least 1.
    pub max_running: usize,
    /// Waiters at a time, over all keys.
    pub max_waiting: usize,
}

impl Bounds {
    /// Tickets given out beyond which a class gets no more. A single ticket is everybody's.
    fn running(&self, priority: Priority) -> usize {
        match priority {
            Priority::Interactive => self.max_running,
            Priority::Batch => self
                .max_running
                .saturating_sub((self.max_running / 4).max(1))
                .max(1),
        }
    }
}

/// The queue; a clone is the same queue.
#[derive(Debug, Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    state: Mutex<State>,
}

/// What a request waits with.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Whose turn it is: the key's id.
    pub key: &'a str,
    /// Which class.
    pub priority: Priority,
    /// When waiting is over.
    pub deadline: Instant,
}

/// The right to run. Dropping it lets the next waiter run.
#[derive(Debug)]
pub struct Ticket {
    shared: Option<Arc<Shared>>,
    started: Instant,
    /// How long the request waited.
    pub waited: Duration,
}

/// How full the queue is, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Tickets given out.
    pub running: usize,
    /// People's requests that wait.
    pub interactive: usize,
    /// Jobs' requests that wait.
    pub batch: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Bounds {
            max_running: bounds.max_running.max(1),
            ..bounds
        };
        Self {
            shared: Arc::new(Shared {
                bounds,
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// Waits for a ticket. `on_position` is told the place in the line, first when the wait begins and then at each
    /// change; it is not called when nobody has to wait.
    ///
    /// # Errors
    /// [`Error::Overloaded`] at once when the line is full, [`Error::Deadline`] when `request.deadline` passes.
    pub async fn enter(
        &self,
        request: Request<'_>,
        on_position: impl Fn(Queued),
    ) -> Result<Ticket, Error> {
        let since = Instant::now();
        let mut place = match self.admit(request, since)? {
            Admission::Now(ticket) => return Ok(ticket),
            Admission::Later(place) => place,
        };
        let expired = tokio::time::sleep_until(request.deadline);
        tokio::pin!(expired);
        loop {
            let position = *place.position.borrow_and_update();
            if let Some(position) = position {
                on_position(position);
            }
            tokio::select! {
                biased;
                granted = &mut place.granted => {
                    // The sender lives in the state until it has sent; a closed channel would be a bug of this file.
                    return granted.unwrap_or(Err(Error::Overloaded { retry_after: Duration::from_secs(1) }));
                }
                () = &mut expired => return Err(Error::Deadline { waited: since.elapsed() }),
                Ok(()) = place.position.changed() => {}
            }
        }
    }

    /// How full it is now.
    #[must_use]
    pub fn depth(&self) -> Depth {
        let state = self.shared.lock();
        Depth {
            running: state.running,
            interactive: state.interactive.len,
            batch: state.batch.len,
        }
    }

    /// When a caller that is refused now should come back.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.shared.lock().retry_after(self.shared.bounds)
    }

    fn admit(&self, request: Request<'_>, since: Instant) -> Result<Admission, Error> {
        let shared = &self.shared;
        let mut state = shared.lock();
        if state.running < shared.bounds.running(request.priority)
            && state.before(request.priority) == 0
        {
            state.running += 1;
            return Ok(Admission::Now(Ticket::new(shared, since)));
        }
        if state.waiting() >= shared.bounds.max_waiting && !state.make_room(request, shared.bounds)
        {
            return Err(Error::Overloaded {
                retry_after: state.retry_after(shared.bounds),
            });
        }
        let (grant, granted) = oneshot::channel();
        let (tell, position) = watch::channel(None);
        let id = state.push(
            request,
            Waiter {
                id: 0,
                since,
                grant,
                tell,
            },
        );
        state.tell_positions(shared.bounds);
        let seat = Seat {
            shared: Arc::clone(shared),
            id,
            key: request.key.to_owned(),
            priority: request.priority,
        };
        Ok(Admission::Later(Place {
            granted,
            position,
            _seat: seat,
        }))
    }
}

enum Admission {
    Now(Ticket),
    Later(Place),
}

/// A waiter's side. Fields drop in this order: an unread ticket first frees its place, then the seat leaves the line.
struct Place {
    granted: oneshot::Receiver<Result<Ticket, Error>>,
    position: watch::Receiver<Option<Queued>>,
    _seat: Seat,
}

/// Leaves the line when dropped.
struct Seat {
    shared: Arc<Shared>,
    id: u64,
    key: String,
    priority: Priority,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if state.remove(&self.key, self.priority, self.id) {
            state.tell_positions(self.shared.bounds);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; were it so, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(self: &Arc<Self>, service_time: Duration) {
        let mut state = self.lock();
        state.running = state.running.saturating_sub(1);
        state.measure(service_time);
        self.grant(&mut state);
        state.tell_positions(self.bounds);
    }

    fn grant(self: &Arc<Self>, state: &mut State) {
        while let Some(waiter) = state.pop(self.bounds) {
            let ticket = Ticket::new(self, waiter.since);
            match waiter.grant.send(Ok(ticket)) {
                Ok(()) => state.running += 1,
                // It left at this moment. The ticket must not try to take the lock that we hold.
                Err(Ok(mut unused)) => unused.shared = None,
                Err(Err(_)) => {}
            }
        }
    }
}

impl Ticket {
    fn new(shared: &Arc<Shared>, since: Instant) -> Self {
        let started = Instant::now();
        Self {
            shared: Some(Arc::clone(shared)),
            started,
            waited: started - since,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.release(self.started.elapsed());
        }
    }
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    interactive: Line,
    batch: Line,
    next_id: u64,
    /// Exponential mean of the time a ticket is held; `None` until the first came back.
    mean: Option<Duration>,
}

/// One class: the keys that wait, in the order of their turns, and each key's own waiters.
#[derive(Debug, Default)]
struct Line {
    turns: VecDeque<String>,
    waiters: HashMap<String, VecDeque<Waiter>>,
    len: usize,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    since: Instant,
    grant: oneshot::Sender<Result<Ticket, Error>>,
    tell: watch::Sender<Option<Queued>>,
}

impl State {
    fn line(&mut self, priority: Priority) -> &mut Line {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Batch => &mut self.batch,
        }
    }

    fn waiting(&self) -> usize {
        self.interactive.len + self.batch.len
    }

    fn push(&mut self, request: Request<'_>, waiter: Waiter) -> u64 {
        self.next_id += 1;
        let id = self.next_id;
        self.line(request.priority)
            .push(request.key, Waiter { id, ..waiter });
        id
    }

    /// Waiters before a new one of this class.
    fn before(&self, priority: Priority) -> usize {
        match priority {
            Priority::Interactive => self.interactive.len,
            Priority::Batch => self.waiting(),
        }
    }

    fn pop(&mut self, bounds: Bounds) -> Option<Waiter> {
        let running = self.running;
        let may_run = |priority| running < bounds.running(priority);
        let person = may_run(Priority::Interactive).then(|| self.interactive.pop());
        person
            .flatten()
            .or_else(|| may_run(Priority::Batch).then(|| self.batch.pop()).flatten())
    }

    fn remove(&mut self, key: &str, priority: Priority, id: u64) -> bool {
        self.line(priority).remove(key, id)
    }

    /// Takes the last place of the key that holds the most, batch first, for a key that holds clearly fewer.
    /// Without this a single key could shut out all others by filling the line.
    fn make_room(&mut self, request: Request<'_>, bounds: Bounds) -> bool {
        let own = self.interactive.of(request.key) + self.batch.of(request.key);
        let retry_after = self.retry_after(bounds);
        let lines = match request.priority {
            Priority::Interactive => [Some(&mut self.batch), Some(&mut self.interactive)],
            Priority::Batch => [Some(&mut self.batch), None],
        };
        for line in lines.into_iter().flatten() {
            if let Some(waiter) = line.take_from_longest(own + 1) {
                // A waiter that left at this moment needs no answer.
                waiter
                    .grant
                    .send(Err(Error::Overloaded { retry_after }))
                    .ok();
                return true;
            }
        }
        false
    }

    fn measure(&mut self, service_time: Duration) {
        self.mean = Some(
            self.mean
                .map_or(service_time, |mean| (mean * 7 + service_time) / 8),
        );
    }

    /// Until the line as it stands now has been served, between 1 and 60 seconds.
    fn retry_after(&self, bounds: Bounds) -> Duration {
        self.wait(self.waiting(), bounds)
            .unwrap_or_default()
            .clamp(Duration::from_secs(1), Duration::from_secs(60))
    }

    fn wait(&self, position: usize, bounds: Bounds) -> Option<Duration> {
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let running = u32::try_from(bounds.max_running).unwrap_or(u32::MAX);
        self.mean
            .map(|mean| mean.saturating_mul(position) / running)
    }

    fn tell_positions(&self, bounds: Bounds) {
        let order = self
            .interactive
            .order()
            .into_iter()
            .chain(self.batch.order());
        for (index, waiter) in order.enumerate() {
            let wait = self.wait(index + 1, bounds);
            let queued = Queued {
                position: u32::try_from(index + 1).unwrap_or(u32::MAX),
                wait_ms: wait.map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
            };
            waiter.tell.send_if_modified(|told| {
                let moved = told.is_none_or(|told| told.position != queued.position);
                *told = Some(queued);
                moved
            });
        }
    }
}

impl Line {
    fn push(&mut self, key: &str, waiter: Waiter) {
        let own = self.waiters.entry(key.to_owned()).or_default();
        if own.is_empty() {
            self.turns.push_back(key.to_owned());
        }
        own.push_back(waiter);
        self.len += 1;
    }

    /// The next in turn; its key goes to the end of the turns.
    fn pop(&mut self) -> Option<Waiter> {
        let key = self.turns.pop_front()?;
        let own = self.waiters.get_mut(&key)?;
        let waiter = own.pop_front();
        if own.is_empty() {
            self.waiters.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        self.len -= usize::from(waiter.is_some());
        waiter
    }

    fn remove(&mut self, key: &str, id: u64) -> bool {
        let Some(own) = self.waiters.get_mut(key) else {
            return false;
        };
        let before = own.len();
        own.retain(|waiter| waiter.id != id);
        let removed = before - own.len();
        self.len -= removed;
        self.forget_if_empty(key);
        removed > 0
    }

    fn of(&self, key: &str) -> usize {
        self.waiters.get(key).map_or(0, VecDeque::len)
    }

    fn take_from_longest(&mut self, more_than: usize) -> Option<Waiter> {
        let (key, own) = self.waiters.iter_mut().max_by_key(|(_, own)| own.len())?;
        if own.len() <= more_than {
            return None;
        }
        let key = key.clone();
        let waiter = own.pop_back();
        self.len -= usize::from(waiter.is_some());
        self.forget_if_empty(&key);
        waiter
    }

    fn forget_if_empty(&mut self, key: &str) {
        if self.waiters.get(key).is_some_and(VecDeque::is_empty) {
            self.waiters.remove(key);
            self.turns.retain(|turn| turn != key);
        }
    }

    /// Everybody in the order in which [`Line::pop`] would give them.
    fn order(&self) -> Vec<&Waiter> {
        let mut order = Vec::with_capacity(self.len);
        let mut round = 0;
        while order.len() < self.len {
            let before = order.len();
            order.extend(
                self.turns
                    .iter()
                    .filter_map(|key| self.waiters.get(key)?.get(round)),
            );
            if order.len() == before {
                break;
            }
            round += 1;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::task::{JoinHandle, yield_now};

    const SECOND: Duration = Duration::from_secs(1);
    const IDLE: Depth = Depth {
        running: 0,
        interactive: 0,
        batch: 0,
    };

    fn queue(max_running: usize, max_waiting: usize) -> Queue {
        Queue::new(Bounds {
            max_running,
            max_waiting,
        })
    }

    fn request(key: &str, priority: Priority) -> Request<'_> {
        Request {
            key,
            priority,
            deadline: Instant::now() + 60 * SECOND,
        }
    }

    async fn enter(queue: &Queue, key: &str) -> Result<Ticket, Error> {
        queue
            .enter(request(key, Priority::Interactive), |_| {})
            .await
    }

    /// Puts a waiter into the line that says its name when it runs, and lets the next run.
    async fn line_up(
        queue: &Queue,
        key: &'static str,
        priority: Priority,
        ran: &mpsc::Sender<&'static str>,
    ) -> JoinHandle<()> {
        let (queue, ran) = (queue.clone(), ran.clone());
        let task = tokio::spawn(async move {
            if let Ok(ticket) = queue.enter(request(key, priority), |_| {}).await {
                ran.send(key).unwrap();
                drop(ticket);
            }
        });
        yield_now().await;
        task
    }

    #[track_caller]
    fn ran(receiver: &mpsc::Receiver<&'static str>) -> String {
        receiver.try_iter().collect::<Vec<_>>().join(" ")
    }

    /// Lines up `waiters` behind one that runs, lets all run, and gives their order.
    async fn order(waiters: &[(&'static str, Priority)]) -> String {
        let queue = queue(1, 100);
        let (tell, told) = mpsc::channel();
        let first = enter(&queue, "first").await.unwrap();
        let mut tasks = Vec::new();
        for (key, priority) in waiters {
            tasks.push(line_up(&queue, key, *priority, &tell).await);
        }
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(queue.depth(), IDLE);
        ran(&told)
    }

    use Priority::{Batch, Interactive};

    #[tokio::test(start_paused = true)]
    async fn keys_take_turns() {
        let waiters = [
            ("a", Interactive),
            ("a", Interactive),
            ("a", Interactive),
            ("b", Interactive),
        ];
        assert_eq!(order(&waiters).await, "a b a a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_goes_before_a_job() {
        assert_eq!(
            order(&[("job", Batch), ("job", Batch), ("person", Interactive)]).await,
            "person job job"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_leaves_a_quarter_to_people() {
        let queue = queue(4, 9);
        let (tell, told) = mpsc::channel();
        let batch = async || queue.enter(request("job", Batch), |_| {}).await.unwrap();
        let first = batch().await;
        let others = (batch().await, batch().await);
        let waiting = line_up(&queue, "job", Batch, &tell).await;
        assert_eq!((queue.depth().running, queue.depth().batch), (3, 1));
        let person = enter(&queue, "person").await.unwrap();
        drop(person);
        yield_now().await;
        assert_eq!(queue.depth().batch, 1, "the person's place stays theirs");
        drop(first);
        waiting.await.unwrap();
        assert_eq!(ran(&told), "job");
        drop(others);
        let alone = self::queue(1, 9);
        let job = alone.enter(request("job", Batch), |_| {}).await;
        assert!(job.is_ok(), "one ticket is everybody's");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_run_than_may() {
        let queue = queue(2, 1);
        let _one = enter(&queue, "a").await.unwrap();
        let _two = enter(&queue, "a").await.unwrap();
        let soon = Request {
            deadline: Instant::now() + SECOND,
            ..request("a", Interactive)
        };
        assert_eq!(
            queue.enter(soon, |_| {}).await.unwrap_err(),
            Error::Deadline { waited: SECOND }
        );
        assert_eq!(queue.depth(), Depth { running: 2, ..IDLE });
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_says_when_to_come_back() {
        let queue = queue(1, 2);
        let ticket = enter(&queue, "a").await.unwrap();
        tokio::time::advance(4 * SECOND).await;
        drop(ticket);
        let _running = enter(&queue, "a").await.unwrap();
        let (tell, _told) = mpsc::channel();
        let _waiting = (
            line_up(&queue, "a", Interactive, &tell).await,
            line_up(&queue, "a", Interactive, &tell).await,
        );
        // Two wait, one runs at a time, and the one measured took four seconds.
        assert_eq!(
            enter(&queue, "a").await.unwrap_err(),
            Error::Overloaded {
                retry_after: 8 * SECOND
            }
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_cannot_shut_out_another() {
        let queue = queue(1, 3);
        let running = enter(&queue, "greedy").await.unwrap();
        let (tell, told) = mpsc::channel();
        for _ in 0..3 {
            line_up(&queue, "greedy", Interactive, &tell).await;
        }
        let modest = line_up(&queue, "modest", Interactive, &tell).await;
        assert_eq!(queue.depth().interactive, 3, "the bound holds");
        drop(running);
        modest.await.unwrap();
        yield_now().await;
        assert_eq!(ran(&told), "greedy modest greedy");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_frees_its_place_at_once() {
        let queue = queue(1, 1);
        let running = enter(&queue, "a").await.unwrap();
        let (tell, told) = mpsc::channel();
        let left = line_up(&queue, "a", Interactive, &tell).await;
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        assert_eq!(queue.depth().interactive, 0);
        let next = line_up(&queue, "b", Interactive, &tell).await;
        drop(running);
        next.await.unwrap();
        assert_eq!(ran(&told), "b");
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_that_nobody_takes_is_not_lost() {
        let queue = queue(1, 1);
        let running = enter(&queue, "a").await.unwrap();
        let (tell, _told) = mpsc::channel();
        let waiting = line_up(&queue, "a", Interactive, &tell).await;
        // Granted, and aborted before it is polled again.
        drop(running);
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(queue.depth(), IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_is_told_its_place_and_each_change() {
        let queue = queue(1, 9);
        let running = enter(&queue, "a").await.unwrap();
        let (tell, _told) = mpsc::channel();
        let ahead = line_up(&queue, "a", Interactive, &tell).await;
        let (place, places) = mpsc::channel();
        let task = tokio::spawn({
            let queue = queue.clone();
            async move {
                queue
                    .enter(request("a", Interactive), |queued| {
                        place.send(queued.position).unwrap();
                    })
                    .await
                    .map(drop)
            }
        });
        yield_now().await;
        ahead.abort();
        ahead.await.unwrap_err();
        yield_now().await;
        drop(running);
        task.await.unwrap().unwrap();
        assert_eq!(places.try_iter().collect::<Vec<_>>(), [2, 1]);
    }
}
