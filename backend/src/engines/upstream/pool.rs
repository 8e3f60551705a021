//! Which server is asked: of those that are well, the one with the fewest answers to write.
//!
//! A server is well when the last look at it found it so. One that fails several times in a row is paused, and then gets one
//! request: its outcome decides whether it is back. One that says that it is busy is paused as long as it asks for.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// Looks in a row that a server may miss: a busy one may be slow to say that it is well.
const MISSES: u32 = 2;

/// When a server is asked no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Answers at once, for each server.
    pub(super) concurrency: usize,
    /// Failures in a row after which a server is paused.
    pub(super) failures: u32,
    /// How long.
    pub(super) pause: Duration,
}

/// How a request to a server ended, as far as the server's health is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It answered, or refused for a reason of the request's own.
    Answered,
    /// It has too much to do.
    Busy(Duration),
    /// It did not answer, or not to the end.
    Failed,
    /// Nobody waited any more.
    Left,
}

/// What the pool has to offer.
pub(super) enum Pick<'a> {
    /// Ask this one.
    Turn(Turn<'a>),
    /// All that are well write as many answers as they may.
    Full,
    /// None is well.
    None,
}

#[derive(Debug, Clone, Default)]
struct State {
    well: bool,
    misses: u32,
    outstanding: usize,
    failures: u32,
    paused_until: Option<Instant>,
    /// The one request after a pause is on its way.
    trial: bool,
}

impl State {
    fn may_be_asked(&self, now: Instant) -> bool {
        self.well
            && self
                .paused_until
                .is_none_or(|until| now >= until && !self.trial)
    }
}

/// The servers, by their place in the configuration.
pub(super) struct Pool {
    states: Mutex<Vec<State>>,
    bounds: Bounds,
    freed: Notify,
}

/// A place at a server; dropping it gives the place back.
pub(super) struct Turn<'a> {
    pool: &'a Pool,
    /// Which server.
    pub(super) server: usize,
    /// It is the one request after a pause.
    trial: bool,
    ended: bool,
}

impl Pool {
    /// So many servers, none of which is known to be well.
    pub(super) fn new(servers: usize, bounds: Bounds) -> Self {
        Self {
            states: Mutex::new(vec![State::default(); servers]),
            bounds,
            freed: Notify::new(),
        }
    }

    /// Takes a place at the best server; one that is not in `tried` if there is one.
    pub(super) fn pick(&self, tried: &[usize]) -> Pick<'_> {
        let now = Instant::now();
        let mut states = self.states();
        let well: Vec<usize> = (0..states.len())
            .filter(|server| {
                states
                    .get(*server)
                    .is_some_and(|state| state.may_be_asked(now))
            })
            .collect();
        if well.is_empty() {
            return Pick::None;
        }
        let outstanding = |server: &usize| states.get(*server).map_or(0, |state| state.outstanding);
        let best = well
            .into_iter()
            .filter(|server| outstanding(server) < self.bounds.concurrency)
            .min_by_key(|server| (tried.contains(server), outstanding(server)));
        let Some((server, state)) = best.and_then(|best| Some((best, states.get_mut(best)?)))
        else {
            return Pick::Full;
        };
        state.outstanding += 1;
        let trial = state.paused_until.is_some();
        state.trial |= trial;
        Pick::Turn(Turn {
            pool: self,
            server,
            trial,
            ended: false,
        })
    }

    /// Waits until a place may be free. Made before the pool is asked, it misses none.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    /// A look at a server found it well, or not. Gives whether that changed.
    pub(super) fn looked(&self, server: usize, well: bool) -> bool {
        let mut states = self.states();
        let Some(state) = states.get_mut(server) else {
            return false;
        };
        state.misses = if well {
            0
        } else {
            state.misses.saturating_add(1)
        };
        let now = well || (state.well && state.misses < MISSES);
        let changed = now != state.well;
        state.well = now;
        drop(states);
        self.freed.notify_waiters();
        changed
    }

    /// Whether anyone may be asked.
    pub(super) fn any_well(&self) -> bool {
        let now = Instant::now();
        self.states().iter().any(|state| state.may_be_asked(now))
    }

    /// Whether a server may be asked, and its answers at this moment.
    pub(super) fn level(&self, server: usize) -> (bool, usize) {
        let now = Instant::now();
        let states = self.states();
        let state = states.get(server);
        state.map_or((false, 0), |state| {
            (state.may_be_asked(now), state.outstanding)
        })
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Gives the place back and says how it went.
    pub(super) fn end(mut self, end: End) {
        self.give_back(end);
    }

    fn give_back(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = Instant::now();
        let mut states = self.pool.states();
        if let Some(state) = states.get_mut(self.server) {
            state.outstanding = state.outstanding.saturating_sub(1);
            state.trial &= !self.trial;
            let pause = |state: &mut State, pause| {
                state.paused_until = state.paused_until.max(Some(now + pause));
            };
            match end {
                End::Answered => {
                    state.failures = 0;
                    // What was asked before a pause says nothing about the time after it.
                    if self.trial {
                        state.paused_until = None;
                    }
                }
                End::Busy(time) => pause(state, time),
                End::Failed => {
                    state.failures = state.failures.saturating_add(1);
                    if self.trial || state.failures >= self.pool.bounds.failures {
                        pause(state, self.pool.bounds.pause);
                    }
                }
                End::Left => {}
            }
        }
        drop(states);
        self.pool.freed.notify_waiters();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.give_back(End::Left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    fn pool(servers: usize) -> Pool {
        let pool = Pool::new(
            servers,
            Bounds {
                concurrency: 2,
                failures: 2,
                pause: PAUSE,
            },
        );
        for server in 0..servers {
            pool.looked(server, true);
        }
        pool
    }

    #[track_caller]
    fn turn<'a>(pool: &'a Pool, tried: &[usize]) -> Turn<'a> {
        match pool.pick(tried) {
            Pick::Turn(turn) => turn,
            Pick::Full => panic!("all are full"),
            Pick::None => panic!("none is well"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_with_the_fewest_answers_is_asked() {
        let pool = pool(2);
        let first = turn(&pool, &[]);
        let second = turn(&pool, &[]);
        assert_ne!(first.server, second.server);
        let (third, fourth) = (turn(&pool, &[]), turn(&pool, &[]));
        assert!(matches!(pool.pick(&[]), Pick::Full));
        let freed = first.server;
        first.end(End::Answered);
        assert_eq!(turn(&pool, &[]).server, freed);
        drop((second, third, fourth));
        assert_eq!(pool.level(0), (true, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn another_try_goes_to_another_server_if_there_is_one() {
        let two = pool(2);
        let held = turn(&two, &[0]);
        assert_eq!(held.server, 1);
        assert_eq!(turn(&two, &[0]).server, 1, "although it has more to do");
        assert_eq!(turn(&pool(1), &[0]).server, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_is_paused_and_comes_back_by_one_request() {
        let pool = pool(1);
        for _ in 0..2 {
            turn(&pool, &[]).end(End::Failed);
        }
        assert!(matches!(pool.pick(&[]), Pick::None));
        tokio::time::advance(PAUSE).await;
        let trial = turn(&pool, &[]);
        assert!(matches!(pool.pick(&[]), Pick::None), "one at first");
        trial.end(End::Failed);
        assert!(!pool.any_well(), "once more is enough");
        tokio::time::advance(PAUSE).await;
        turn(&pool, &[]).end(End::Left);
        turn(&pool, &[]).end(End::Answered);
        turn(&pool, &[]).end(End::Failed);
        assert!(pool.any_well(), "the count began anew");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_before_a_pause_does_not_end_it() {
        let pool = pool(1);
        let (old, older) = (turn(&pool, &[]), turn(&pool, &[]));
        old.end(End::Failed);
        turn(&pool, &[]).end(End::Failed);
        older.end(End::Answered);
        assert!(!pool.any_well(), "its pause has only begun");
        tokio::time::advance(PAUSE).await;
        let old = turn(&pool, &[]);
        old.end(End::Answered);
        let old = turn(&pool, &[]);
        turn(&pool, &[]).end(End::Busy(PAUSE));
        tokio::time::advance(PAUSE).await;
        let trial = turn(&pool, &[]);
        old.end(End::Left);
        assert!(matches!(pool.pick(&[]), Pick::None), "one at first");
        trial.end(End::Answered);
        assert!(pool.any_well());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_busy_is_left_alone_as_long_as_it_asks_for() {
        let pool = pool(1);
        turn(&pool, &[]).end(End::Busy(Duration::from_secs(3)));
        assert!(!pool.any_well());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(pool.any_well());
    }

    #[tokio::test(start_paused = true)]
    async fn one_missed_look_is_no_fault_and_two_are() {
        let pool = pool(1);
        assert!(!pool.looked(0, false));
        assert!(pool.any_well());
        assert!(pool.looked(0, false));
        assert!(!pool.any_well());
        assert!(pool.looked(0, true));
        let fresh = Pool::new(1, pool.bounds);
        assert!(!fresh.any_well(), "nobody has looked yet");
    }
}
