//! The thread that owns the device: continuous batching.
//!
//! Each round takes what has come, lets go of what nobody waits for, admits rows while memory lasts, sees one picture,
//! and does one step of the model for all rows together: a token for each that writes, and a chunk of the prompts that are
//! read. So a row joins at the next step, a long prompt holds up nobody, and a caller that left costs at most one step.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use api::{EngineName, Priority};
use glm4v::{Row, Step, Work};
use rayon::prelude::*;

use super::constrain::Constraint;
use super::conversation::{Picture, Prefix, Seen};
use super::kept::Kept;
use super::line::Line;
use super::memory::Demand;
use super::open::Loaded;
use super::row::{Order, Running, Stage, Turn};
use super::watch::Pulse;
use super::{failed, gpu};
use crate::engines::{Error, Finish};
use crate::telemetry::{EngineEnd, EngineMemory, Metrics, Reuse, Stage as Timed};

/// How long an idle engine waits before it looks whether it is still wanted.
const IDLE: Duration = Duration::from_millis(200);
/// How often the GPU is asked for its numbers.
const GPU_EVERY: Duration = Duration::from_secs(1);

/// What the thread is given.
pub(super) struct Scheduler {
    pub(super) loaded: Arc<Loaded>,
    pub(super) seen: Arc<Seen>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) demand: Demand,
    /// Bytes for keys and values.
    pub(super) budget: usize,
    /// Bytes for prefixes.
    pub(super) prefix_bytes: usize,
    /// Tokens of prompts that are read in one step.
    pub(super) chunk: usize,
}

/// What it is in the middle of.
struct Rounds<'a> {
    scheduler: &'a Scheduler,
    line: Line<Order>,
    rows: Vec<Running>,
    prefixes: Kept<Row>,
    gpu_told: Option<Instant>,
}

/// A row's part of a step.
#[derive(Debug, Clone, Copy)]
struct Share {
    row: usize,
    tokens: usize,
}

impl Scheduler {
    /// Works until nobody can send orders any more, or until it has been replaced.
    ///
    /// What computes for one row is guarded where it stands. A panic elsewhere, which would be a bug of this file, ends the
    /// rows of its moment and what waits for one, and nothing else.
    pub(super) fn run(&self, orders: &Receiver<Order>) {
        loop {
            let round = || Rounds::new(self).run(orders);
            match catch_unwind(AssertUnwindSafe(round)) {
                Ok(()) => return,
                Err(_) => {
                    tracing::error!("the engine's thread panicked and goes on without its rows");
                    self.metrics.engine_restarted();
                }
            }
        }
    }

    /// Sees, reads and writes once, so that the first caller does not pay for what the device does once.
    pub(super) fn warm_up(&self, order: Order) {
        let mut rounds = Rounds::new(self);
        rounds.take(order);
        while !rounds.line.is_empty() || !rounds.rows.is_empty() {
            self.pulse.beat();
            rounds.round();
        }
    }
}

impl<'a> Rounds<'a> {
    fn new(scheduler: &'a Scheduler) -> Self {
        Self {
            line: Line::new(),
            rows: Vec::new(),
            prefixes: Kept::new(scheduler.prefix_bytes),
            gpu_told: None,
            scheduler,
        }
    }

    fn run(&mut self, orders: &Receiver<Order>) {
        loop {
            self.scheduler.pulse.beat();
            self.measure();
            if self.rows.is_empty() && self.line.is_empty() {
                match orders.recv_timeout(IDLE) {
                    Ok(order) => self.take(order),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            loop {
                match orders.try_recv() {
                    Ok(order) => self.take(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) if self.rows.is_empty() => return,
                    Err(TryRecvError::Disconnected) => break,
                }
            }
            if self.scheduler.pulse.is_replaced() {
                return;
            }
            self.round();
        }
    }

    fn take(&mut self, order: Order) {
        let (tenant, priority) = (order.tenant.clone(), order.priority);
        self.line.push(&tenant, priority, order);
    }

    fn round(&mut self) {
        self.let_go();
        self.admit();
        self.see();
        self.step();
    }

    /// Frees the memory of those that nobody waits for.
    fn let_go(&mut self) {
        for order in self.line.leave(Order::is_abandoned) {
            let _ = order.reply.send(Err(Error::Cancelled));
            self.scheduler.metrics.engine_ended(EngineEnd::Cancelled);
        }
        for index in (0..self.rows.len()).rev() {
            if self
                .rows
                .get(index)
                .is_some_and(|row| row.order.is_abandoned())
            {
                self.end(index, Err(Error::Cancelled));
            }
        }
    }

    /// Lets rows in while there is a place and memory for all that they may come to hold. A batch has to wait while a
    /// person does: it would take the memory that the person waits for.
    fn admit(&mut self) {
        for priority in [Priority::Interactive, Priority::Batch] {
            if priority == Priority::Batch && self.line.len(Priority::Interactive) > 0 {
                return;
            }
            while let Some(order) = self.line.next(priority) {
                let reserved = self.scheduler.demand.row(order.tokens());
                if !self.has_place(priority) || self.reserved() + reserved > self.scheduler.budget {
                    break;
                }
                let Some(order) = self.line.pop(priority) else {
                    break;
                };
                // When memory that was promised is not there, what is kept for later gives way.
                let row = guarded(|| self.row(&order)).or_else(|cause| {
                    tracing::warn!(cause, "a row found no memory; it tries once more");
                    self.forget();
                    guarded(|| self.row(&order))
                });
                match row {
                    Ok(kv) => self.rows.push(Running::new(order, kv, reserved)),
                    Err(cause) => {
                        let _ = order.reply.send(Err(failed(&cause)));
                        self.scheduler.metrics.engine_ended(EngineEnd::Failed);
                    }
                }
            }
        }
    }

    /// A quarter of the places, one at least, is kept for people: a batch never makes them wait for a whole answer. One
    /// place alone is everybody's.
    fn has_place(&self, priority: Priority) -> bool {
        let places = self.scheduler.demand.rows;
        let most = match priority {
            Priority::Interactive => places,
            Priority::Batch => places.saturating_sub((places / 4).max(1)).max(1),
        };
        self.rows.len() < most
    }

    fn reserved(&self) -> usize {
        self.rows.iter().map(|row| row.reserved).sum()
    }

    /// A row with room for all of its tokens, which has taken the longest kept beginning of its prompt.
    fn row(&mut self, order: &Order) -> Result<Row, String> {
        #[cfg(feature = "testing")]
        super::Fault::Row.strike_where(order.fault);
        let mut found = None;
        for prefix in &order.prompt.prefixes {
            if let Some(row) = self.prefixes.look(&prefix.key) {
                found = Some(row.fork(prefix.tokens).map_err(|error| error.to_string())?);
                break;
            }
        }
        if !order.prompt.prefixes.is_empty() {
            self.scheduler
                .metrics
                .engine_reuse(Reuse::Prefix, found.is_some());
        }
        let seen = |picture: &&Picture| matches!(picture, Picture::Seen(_));
        for _ in order.prompt.pictures.iter().filter(seen) {
            self.scheduler.metrics.engine_reuse(Reuse::Picture, true);
        }
        let mut row = match found {
            Some(row) => row,
            None => {
                let row = self.scheduler.loaded.model.row(None);
                row.map_err(|error| error.to_string())?
            }
        };
        let reserve = row.reserve(order.tokens());
        reserve.map_err(|error| error.to_string())?;
        Ok(row)
    }

    /// Lets the tower see one picture: each round is as long as a picture at most, however many there are.
    fn see(&mut self) {
        let waiting = |row: &Running| matches!(row.stage, Stage::Seeing);
        for index in 0..self.rows.len() {
            let Some(row) = self.rows.get_mut(index).filter(|row| waiting(row)) else {
                continue;
            };
            let picture = row.next_picture();
            let looked = picture.is_some();
            // As with a step: when memory is not there, what is kept for later gives way.
            let seen = picture.map(|picture| {
                self.look(index, &picture).or_else(|cause| {
                    tracing::warn!(cause, "a picture was not seen; it is tried once more");
                    self.forget();
                    self.look(index, &picture)
                })
            });
            let Some(row) = self.rows.get_mut(index) else {
                return;
            };
            let begun = match seen {
                Some(Ok(embeds)) => {
                    row.saw(embeds);
                    Ok(())
                }
                Some(Err(cause)) => Err(failed(&cause)),
                None => guarded(|| Ok(row.begin_reading(&self.scheduler.loaded)))
                    .unwrap_or_else(|cause| Err(failed(&cause))),
            };
            if let Err(error) = begun {
                self.end(index, Err(error));
                return;
            }
            if looked {
                return;
            }
        }
    }

    /// What the tower makes of a picture of the row at `index`.
    fn look(&mut self, index: usize, picture: &Picture) -> Result<Arc<glm4v::ImageEmbeds>, String> {
        #[cfg(feature = "testing")]
        let fault = self.rows.get_mut(index).map(|row| &mut row.order.fault);
        #[cfg(not(feature = "testing"))]
        let _ = index;
        guarded(|| {
            #[cfg(feature = "testing")]
            super::Fault::strike_picture(fault)?;
            self.scheduler.see(picture)
        })
    }

    /// One step of the model for all rows.
    fn step(&mut self) {
        let shares = self.shares();
        if shares.is_empty() {
            return;
        }
        let began = Instant::now();
        let outcome = self.compute(&shares);
        let turns = match outcome {
            Ok(turns) => turns,
            // One row of several may be at fault, and the step took nothing: each goes by itself.
            Err(cause) if shares.len() > 1 => {
                tracing::warn!(
                    cause,
                    rows = shares.len(),
                    "a step failed; its rows go one by one"
                );
                self.forget();
                shares
                    .iter()
                    .flat_map(|share| match self.compute(&[*share]) {
                        Ok(turns) => turns,
                        Err(cause) => vec![(share.row, Turn::Broken(failed(&cause)))],
                    })
                    .collect()
            }
            Err(cause) => {
                self.forget();
                let broken = |share: &Share| (share.row, Turn::Broken(failed(&cause)));
                shares.iter().map(broken).collect()
            }
        };
        self.scheduler
            .metrics
            .engine_step(shares.len(), began.elapsed());
        self.keep_prefixes();
        self.settle(turns);
    }

    /// Every row that writes, and of the prompts as much as a chunk has: people's first, then in the order of admission.
    fn shares(&self) -> Vec<Share> {
        let mut left = self.scheduler.chunk;
        let mut shares = Vec::new();
        let mut readers = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            match &row.stage {
                Stage::Writing(_) => shares.push(Share {
                    row: index,
                    tokens: 1,
                }),
                Stage::Reading(_) => {
                    readers.push((row.order.priority == Priority::Batch, index, row.unread()));
                }
                Stage::Seeing => {}
            }
        }
        readers.sort_unstable();
        for (_, row, unread) in readers {
            let tokens = unread.min(left);
            if tokens > 0 {
                shares.push(Share { row, tokens });
                left -= tokens;
            }
        }
        shares.sort_unstable_by_key(|share| share.row);
        shares
    }

    /// Computes the step, and beside it the masks of the rows that are about to choose; then chooses.
    fn compute(&mut self, shares: &[Share]) -> Result<Vec<(usize, Turn)>, String> {
        let loaded = &self.scheduler.loaded;
        let mut works = Vec::with_capacity(shares.len());
        let mut masks = Vec::new();
        let mut lens = Vec::with_capacity(shares.len());
        let mut wanted = shares.iter().peekable();
        for (index, row) in self.rows.iter_mut().enumerate() {
            let Some(share) = wanted.next_if(|share| share.row == index) else {
                continue;
            };
            lens.push((index, row.kv.len()));
            let chooses = row.unread() <= share.tokens;
            #[cfg(feature = "testing")]
            let fault = row.order.fault;
            works.push(Part {
                work: match &row.stage {
                    Stage::Reading(input) => Work::Prefill {
                        row: &mut row.kv,
                        input,
                        most: share.tokens,
                    },
                    Stage::Writing(token) => Work::Decode {
                        row: &mut row.kv,
                        token: *token,
                    },
                    Stage::Seeing => continue,
                },
                #[cfg(feature = "testing")]
                fault,
            });
            if let (true, Some(constraint)) = (chooses, &mut row.order.constraint) {
                masks.push(Mask {
                    constraint,
                    broken: &mut row.broken,
                    #[cfg(feature = "testing")]
                    fault,
                });
            }
        }
        let step = rayon::in_place_scope(|scope| {
            for mask in masks {
                scope.spawn(|_| mask.prepare());
            }
            guarded(|| forward(loaded, works))
        });
        let logits = step.and_then(|step| {
            let logits = step.logits.to_vec2::<f32>();
            Ok((step.finished, logits.map_err(|error| error.to_string())?))
        });
        let (finished, logits) = match logits {
            Ok(logits) => logits,
            Err(cause) => {
                self.check_unmoved(&lens);
                return Err(cause);
            }
        };
        self.count(shares);
        Ok(self.choose(shares, &finished, &logits))
    }

    /// A failed step took nothing, says the model. A row of which that is not true cannot be repeated.
    fn check_unmoved(&mut self, lens: &[(usize, usize)]) {
        for (index, len) in lens {
            if let Some(row) = self.rows.get_mut(*index)
                && row.kv.len() != *len
            {
                row.order.cancel.cancel();
            }
        }
    }

    /// The next token of every row that has logits, on all cores.
    fn choose(
        &mut self,
        shares: &[Share],
        finished: &[usize],
        logits: &[Vec<f32>],
    ) -> Vec<(usize, Turn)> {
        let loaded = &self.scheduler.loaded;
        let chosen: Vec<usize> = finished
            .iter()
            .filter_map(|work| Some(shares.get(*work)?.row))
            .collect();
        let mut logits = chosen.iter().zip(logits).peekable();
        let mut choosing = Vec::with_capacity(chosen.len());
        for (index, row) in self.rows.iter_mut().enumerate() {
            if let Some((_, logits)) = logits.next_if(|(row, _)| **row == index) {
                choosing.push((index, row, logits));
            }
        }
        let began = Instant::now();
        let choose = |(index, row, logits): (usize, &mut Running, &Vec<f32>)| {
            let turn = match row.broken.take() {
                Some(cause) => Err(cause),
                None => guarded(|| Ok(row.choose(loaded, logits))),
            };
            (
                index,
                turn.unwrap_or_else(|cause| Turn::Broken(failed(&cause))),
            )
        };
        let turns = match choosing.len() {
            0 | 1 => choosing.into_iter().map(choose).collect(),
            _ => choosing.into_par_iter().map(choose).collect(),
        };
        self.scheduler
            .metrics
            .stage(EngineName::Glm4v, Timed::Choose, began.elapsed());
        turns
    }

    fn count(&self, shares: &[Share]) {
        let writes = |share: &&Share| {
            let row = self.rows.get(share.row);
            row.is_some_and(|row| matches!(row.stage, Stage::Writing(_)))
        };
        let written = shares.iter().filter(writes).count();
        let all: usize = shares.iter().map(|share| share.tokens).sum();
        self.scheduler
            .metrics
            .engine_tokens(Timed::Prefill, all - written);
        self.scheduler.metrics.engine_tokens(Timed::Decode, written);
    }

    /// Keeps the beginnings of prompts that were read and are not kept yet.
    fn keep_prefixes(&mut self) {
        for row in &mut self.rows {
            let Some(Prefix { key, tokens }) = row.order.prompt.prefixes.first().copied() else {
                continue;
            };
            if row.kv.len() < tokens || matches!(row.stage, Stage::Seeing) {
                continue;
            }
            row.order.prompt.prefixes.clear();
            let bytes = self.scheduler.demand.row(tokens);
            if self.prefixes.has(&key) || !self.prefixes.takes(bytes) {
                continue;
            }
            // Without memory for it the next prompt is read whole, that is all.
            if let Ok(prefix) = row.kv.fork(tokens) {
                self.prefixes.put(key, prefix, bytes);
            }
        }
    }

    /// Ends the rows that are done.
    fn settle(&mut self, mut turns: Vec<(usize, Turn)>) {
        turns.sort_unstable_by_key(|(index, _)| std::cmp::Reverse(*index));
        for (index, turn) in turns {
            match turn {
                Turn::Goes => {}
                Turn::Done(finish) => self.end(index, Ok(finish)),
                Turn::Broken(error) => self.end(index, Err(error)),
            }
        }
    }

    fn end(&mut self, index: usize, outcome: Result<Finish, Error>) {
        if index >= self.rows.len() {
            return;
        }
        let end = self.rows.remove(index).end(outcome);
        self.scheduler.metrics.engine_ended(end);
    }

    /// Lets go of all that is only kept to be faster.
    fn forget(&mut self) {
        self.prefixes.clear();
        self.scheduler.seen().clear();
    }

    fn measure(&mut self) {
        if self.gpu_told.is_none_or(|told| told.elapsed() >= GPU_EVERY) {
            gpu::measure(&self.scheduler.metrics);
            self.gpu_told = Some(Instant::now());
        }
        let metrics = &self.scheduler.metrics;
        for priority in [Priority::Interactive, Priority::Batch] {
            metrics.set_engine_waiting(priority, self.line.len(priority));
        }
        metrics.set_engine_rows(self.rows.len());
        metrics.set_engine_memory(EngineMemory::Rows, self.reserved());
        metrics.set_engine_memory(EngineMemory::Prefixes, self.prefixes.used());
        metrics.set_engine_memory(EngineMemory::Pictures, self.scheduler.seen().used());
    }
}

impl Scheduler {
    fn seen(&self) -> std::sync::MutexGuard<'_, Kept<Arc<glm4v::ImageEmbeds>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn see(&self, picture: &Picture) -> Result<Arc<glm4v::ImageEmbeds>, String> {
        let (key, pixels) = match picture {
            Picture::Seen(embeds) => return Ok(Arc::clone(embeds)),
            Picture::Unseen(key, pixels) => (key, pixels),
        };
        // Another row may have shown the same picture while this one waited.
        let known = self.seen().get(key);
        self.metrics.engine_reuse(Reuse::Picture, known.is_some());
        if let Some(embeds) = known {
            return Ok(embeds);
        }
        let began = Instant::now();
        let seen = self.loaded.model.see(std::slice::from_ref(pixels), None);
        let embeds = seen.map_err(|error| error.to_string())?;
        let embeds = embeds
            .into_iter()
            .next()
            .ok_or("the tower saw nothing; this is a bug")?;
        let embeds = Arc::new(embeds);
        self.seen().put(*key, Arc::clone(&embeds), embeds.bytes());
        self.metrics
            .stage(EngineName::Glm4v, Timed::See, began.elapsed());
        Ok(embeds)
    }
}

/// A part of a step.
struct Part<'a> {
    work: Work<'a>,
    #[cfg(feature = "testing")]
    fault: Option<super::Fault>,
}

/// What a row may choose from, computed beside the step.
struct Mask<'a> {
    constraint: &'a mut Constraint,
    /// Why the row cannot go on, if this fails.
    broken: &'a mut Option<String>,
    #[cfg(feature = "testing")]
    fault: Option<super::Fault>,
}

impl Mask<'_> {
    fn prepare(self) {
        let prepared = guarded(|| {
            #[cfg(feature = "testing")]
            super::Fault::Mask.strike_where(self.fault);
            self.constraint.prepare();
            Ok(())
        });
        *self.broken = prepared.err();
    }
}

fn forward(loaded: &Loaded, parts: Vec<Part<'_>>) -> Result<Step, String> {
    #[cfg(feature = "testing")]
    for part in &parts {
        super::Fault::strike(part.fault)?;
    }
    let mut works: Vec<Work<'_>> = parts.into_iter().map(|part| part.work).collect();
    loaded
        .model
        .step(&mut works)
        .map_err(|error| error.to_string())
}

/// Turns a panic of what computes into a failure of the rows that it computed for.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    // A step changes nothing that outlives it but the rows' own memory, which only counts when the step succeeded.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("it panicked; the log says where".to_owned()))
}
