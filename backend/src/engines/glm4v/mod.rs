//! GLM-4.6V-Flash in this process: a [`ChatModel`] on the crate `glm4v`. The only room of the server that knows candle.
//!
//! A conversation becomes tokens and pixels on blocking threads, waits in a line, and is then a row of the batch that one
//! thread works on. The modules stand in the order in which a job meets them.

// A directory or a hub's name to a model in memory.
mod open;
// What memory there is, and what the rows get of it.
mod gpu;
mod memory;
// A conversation to tokens and pixels; a schema to a mask.
mod constrain;
mod conversation;
mod kept;
// Who is next, and the thread that works.
mod line;
mod row;
mod scheduler;
// Tokens to text.
mod answer;
// Whether it still works.
mod watch;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::{EngineName, Priority};
use futures_util::future::BoxFuture;
use glm4v::sample::{LoopGuard, Sampler, Sampling};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use self::answer::Answer;
use self::constrain::{Asked, Grammar, Grammars};
use self::conversation::Seen;
use self::kept::Kept;
use self::memory::Demand;
use self::open::{Fetch, Loaded, Plan, Room};
use self::row::Order;
use self::scheduler::{Scheduler, guarded};
use self::watch::Pulse;
use super::{AnswerFormat, ChatJob, ChatModel, ChatReport, Choosing, Error, TextSink};
use crate::cache::Salt;
use crate::config;
use crate::telemetry::{EngineMemory, Metrics, Stage};

const NAME: &str = EngineName::Glm4v.as_str();
/// Time-outs in a row after which the engine is started anew.
const MAX_STALLS: u32 = 5;
/// How long a schema may take to compile. Its parts are bounded besides, so that the thread comes to an end.
const COMPILE: Duration = Duration::from_secs(2);
/// Before the first answer is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Why a model cannot be served; one line for the person who starts it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl From<glm4v::Error> for Unfit {
    fn from(error: glm4v::Error) -> Self {
        Self(error.to_string())
    }
}

/// The model in this process; a clone is the same model.
#[derive(Clone)]
pub struct Glm4v {
    shared: Arc<Shared>,
}

struct Shared {
    loaded: Arc<Loaded>,
    grammars: Grammars,
    salt: Salt,
    metrics: Arc<Metrics>,
    demand: Demand,
    budget: usize,
    settings: Settings,
    /// Threads that decode pictures and read prompts.
    threads: Arc<Semaphore>,
    /// Jobs that are taken at once: those that run and those that wait.
    places: Arc<Semaphore>,
    /// Time-outs since the last answer.
    stalls: AtomicU32,
    core: Mutex<Core>,
    /// What happens to the first answer.
    #[cfg(feature = "testing")]
    first_fault: Mutex<Option<Fault>>,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    chunk: usize,
    prefix_bytes: usize,
    image_bytes: usize,
    stall: Duration,
    retry: Duration,
}

/// What is made anew when the engine is started anew.
#[derive(Clone)]
struct Core {
    orders: mpsc::Sender<Order>,
    pulse: Arc<Pulse>,
    seen: Arc<Seen>,
}

impl Glm4v {
    /// What `settings` would load and take, for a person who asks before starting.
    ///
    /// # Errors
    /// [`Unfit`] when it could not be served.
    pub fn describe(settings: &config::Glm4v) -> Result<String, Unfit> {
        let plan = Plan::of(settings, Fetch::Nothing)?;
        plan.check(settings)?;
        Ok(plan.describe())
    }

    /// Loads the model and starts its thread, which writes a first answer before [`ChatModel::ready`] is true.
    ///
    /// `threads`: how many read prompts and pictures.
    ///
    /// # Errors
    /// [`Unfit`], one line: the model is not there, broken, or does not fit.
    pub fn start(
        settings: &config::Glm4v,
        threads: usize,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Unfit> {
        Self::with(Self::load(settings, threads, metrics)?)
    }

    fn load(
        settings: &config::Glm4v,
        threads: usize,
        metrics: Arc<Metrics>,
    ) -> Result<Shared, Unfit> {
        let plan = Plan::of(settings, Fetch::Missing)?;
        plan.check(settings)?;
        let demand = plan.demand(settings);
        let room = plan.room();
        let stall = match (settings.stall_seconds, room) {
            (0, Room::Host) => 300,
            (0, Room::Gpu) => 20,
            (seconds, _) => seconds,
        };
        let loaded = Arc::new(plan.load()?);
        let budget = demand.budget(settings.kv_bytes, room.bytes())?;
        metrics.set_engine_memory(EngineMemory::Budget, budget);
        let grammars = Grammars::new(&loaded.tokenizer, &loaded.ends).map_err(Unfit)?;
        let salt = Salt::random().map_err(|error| Unfit(error.to_string()))?;
        let settings = Settings {
            chunk: settings.chunk,
            prefix_bytes: settings.prefix_cache_bytes,
            image_bytes: settings.image_cache_bytes,
            stall: Duration::from_secs(stall),
            retry: RETRY,
        };
        Ok(Shared {
            core: Mutex::new(Core::unmanned(settings.image_bytes)),
            loaded,
            grammars,
            salt,
            metrics,
            budget,
            settings,
            threads: Arc::new(Semaphore::new(threads.max(1))),
            places: Arc::new(Semaphore::new(demand.rows * 8 + 64)),
            demand,
            stalls: AtomicU32::new(0),
            #[cfg(feature = "testing")]
            first_fault: Mutex::new(None),
        })
    }

    fn with(shared: Shared) -> Result<Self, Unfit> {
        let engine = Self {
            shared: Arc::new(shared),
        };
        *engine.core() = engine.man().map_err(|error| Unfit(error.to_string()))?;
        Ok(engine)
    }

    /// Waits until the first answer was written.
    pub fn wait_until_ready(&self) {
        let pulse = Arc::clone(&self.core().pulse);
        pulse.wait();
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.shared
            .core
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A new thread, with nothing kept.
    fn man(&self) -> std::io::Result<Core> {
        let shared = &self.shared;
        let (orders, waiting) = mpsc::channel();
        let core = Core {
            orders,
            pulse: Arc::new(Pulse::new()),
            seen: Arc::new(Mutex::new(Kept::new(shared.settings.image_bytes))),
        };
        let scheduler = Scheduler {
            loaded: Arc::clone(&shared.loaded),
            seen: Arc::clone(&core.seen),
            metrics: Arc::clone(&shared.metrics),
            pulse: Arc::clone(&core.pulse),
            demand: shared.demand,
            budget: shared.budget,
            prefix_bytes: shared.settings.prefix_bytes,
            chunk: shared.settings.chunk,
        };
        // Not the engine itself: the thread ends when the last handle has gone.
        let weak = Arc::downgrade(&self.shared);
        let retry = shared.settings.retry;
        std::thread::Builder::new()
            .name(NAME.to_owned())
            .spawn(move || {
                while !scheduler.pulse.is_replaced() {
                    let Some(shared) = weak.upgrade() else { return };
                    let first = guarded(|| shared.first_answer(&scheduler));
                    drop(shared);
                    match first {
                        Ok(()) => {
                            scheduler.pulse.warmed();
                            scheduler.run(&waiting);
                            return;
                        }
                        Err(cause) => {
                            tracing::error!(
                                cause,
                                "the model's first answer failed; it is tried again"
                            );
                            std::thread::park_timeout(retry);
                        }
                    }
                }
            })?;
        Ok(core)
    }

    /// A request gave up because the thread does not go round any more. The fifth in a row starts another thread.
    fn stalled(&self, pulse: &Arc<Pulse>) {
        let stalls = self.shared.stalls.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared
            .metrics
            .engine_ended(crate::telemetry::EngineEnd::TimedOut);
        if stalls < MAX_STALLS {
            return;
        }
        let mut core = self.core();
        if !Arc::ptr_eq(&core.pulse, pulse) {
            return;
        }
        tracing::error!(
            stalls,
            "the engine does not answer any more; it is started anew"
        );
        match self.man() {
            Ok(new) => {
                let old = std::mem::replace(&mut *core, new);
                old.pulse.replaced.cancel();
                self.shared.stalls.store(0, Ordering::Relaxed);
                self.shared.metrics.engine_restarted();
            }
            Err(error) => tracing::error!(%error, "no thread could be started"),
        }
    }

    async fn answer(
        &self,
        job: ChatJob,
        sink: TextSink,
        cancel: CancellationToken,
    ) -> Result<ChatReport, Error> {
        let arrived = Instant::now();
        let core = self.core().clone();
        if !core.pulse.is_warm() {
            return Err(Error::Unavailable { engine: NAME });
        }
        let place = Arc::clone(&self.shared.places).try_acquire_owned();
        let Ok(_place) = place else {
            return Err(Error::Unavailable { engine: NAME });
        };
        let (reply, answered) = oneshot::channel();
        // Dropping this future is as good as cancelling.
        let cancel = cancel.child_token();
        let _left = cancel.clone().drop_guard();
        let order = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Error::Cancelled),
            order = self.order(job, sink, &core, arrived, cancel.clone(), reply) => order,
        }?;
        if core.orders.send(order).is_err() {
            return Err(Error::Unavailable { engine: NAME });
        }
        let mut vigil = Vigil {
            engine: self,
            pulse: &core.pulse,
            over: false,
        };
        let report = tokio::select! {
            biased;
            report = answered => report.unwrap_or_else(|_| Err(failed("the engine's thread ended"))),
            () = cancel.cancelled() => Err(Error::Cancelled),
            () = core.pulse.replaced.cancelled() => Err(failed("the engine was started anew")),
            () = vigil.watch() => Err(failed("the engine did not go on in time")),
        };
        vigil.over |= report.is_ok();
        if report.is_ok() {
            self.shared.stalls.store(0, Ordering::Relaxed);
        }
        report
    }

    /// Everything but the device's part, on a bounded number of threads.
    async fn order(
        &self,
        job: ChatJob,
        sink: TextSink,
        core: &Core,
        arrived: Instant,
        cancel: CancellationToken,
        reply: oneshot::Sender<Result<ChatReport, Error>>,
    ) -> Result<Order, Error> {
        let sampler = self.shared.sampler(&job.choosing)?;
        let grammar = self.grammar(&job).await?;
        let max_tokens = usize::try_from(job.max_tokens).unwrap_or(usize::MAX).max(1);
        let shrinks = job.shrinks;
        #[cfg(feature = "testing")]
        let fault = Fault::asked(&job);
        let (tenant, priority, stop) = (job.tenant.clone(), job.priority, job.stop.clone());
        let (shared, seen) = (Arc::clone(&self.shared), Arc::clone(&core.seen));
        let began = Instant::now();
        let thread = self.thread().await?;
        let prepared = on_thread(thread, move || {
            let loaded = &shared.loaded;
            let prompt = loaded.prepare(&job.messages, &job.tenant, &shared.salt, &seen)?;
            let constraint = grammar.map(|grammar| shared.grammars.follow(&grammar));
            Ok((prompt, constraint))
        });
        let (prompt, constraint) = prepared.await?;
        self.shared
            .metrics
            .stage(EngineName::Glm4v, Stage::Prepare, began.elapsed());
        let (tokens, max) = (prompt.ids.len(), self.shared.demand.row_tokens);
        let max_tokens = match shrinks {
            true => max_tokens.min(max.saturating_sub(tokens).max(1)),
            false => max_tokens,
        };
        if tokens.saturating_add(max_tokens) > max {
            return Err(Error::TooLong {
                tokens,
                answer: max_tokens,
                max,
            });
        }
        Ok(Order {
            tenant,
            priority,
            prompt,
            sampler,
            constraint,
            max_tokens,
            answer: Answer::new(stop, sink),
            cancel,
            reply,
            arrived,
            #[cfg(feature = "testing")]
            fault,
        })
    }

    /// The grammar of the answer: the one that is kept, else a new one.
    async fn grammar(&self, job: &ChatJob) -> Result<Option<Arc<Grammar>>, Error> {
        let shared = Arc::clone(&self.shared);
        let Some(asked) = Asked::of(&job.format, &shared.salt, &job.tenant)? else {
            return Ok(None);
        };
        if let Some(grammar) = shared.grammars.kept(&asked) {
            return Ok(Some(grammar));
        }
        // Waiting for a thread is not the schema's fault, so its time begins when there is one.
        let thread = self.thread().await?;
        let compile = on_thread(thread, move || shared.grammars.compile(asked));
        let compiled = tokio::time::timeout(COMPILE, compile).await;
        let compiled = compiled.unwrap_or_else(|_| {
            Err(Error::Unusable {
                detail: "the JSON Schema of the answer takes too long to compile; make it simpler"
                    .to_owned(),
            })
        });
        compiled.map(Some)
    }

    /// One of the threads that prepare, when it is free.
    async fn thread(&self) -> Result<OwnedSemaphorePermit, Error> {
        let threads = Arc::clone(&self.shared.threads);
        let thread = threads.acquire_owned().await;
        thread.map_err(|_| Error::Unavailable { engine: NAME })
    }
}

async fn on_thread<T: Send + 'static>(
    thread: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let work = move || {
        // The permit lives as long as the thread works, not as long as the caller waits.
        let _thread = thread;
        work()
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(failed("preparing the prompt panicked; the log says where")))
}

impl Shared {
    /// What the caller wants, and for the rest what the model's makers recommend.
    fn sampler(&self, choosing: &Choosing) -> Result<Sampler, Error> {
        let base = self.loaded.generation.sampling();
        let narrow = |value: Option<f64>, base: f32| value.map_or(base, |value| value as f32);
        let seed = match choosing.seed {
            Some(seed) => seed,
            None => random_seed(),
        };
        let sampler = Sampler::new(Sampling {
            temperature: narrow(choosing.temperature, base.temperature),
            top_p: narrow(choosing.top_p, base.top_p),
            top_k: choosing.top_k.map_or(base.top_k, |top_k| top_k as usize),
            repetition_penalty: narrow(choosing.repetition_penalty, base.repetition_penalty),
            seed,
            forbidden: self.loaded.forbidden.clone(),
            loop_guard: Some(LoopGuard::default()),
        });
        sampler.map_err(|error| Error::Unusable {
            detail: error.to_string(),
        })
    }

    /// Sees a picture, reads a prompt and writes a few tokens of JSON.
    fn first_answer(&self, scheduler: &Scheduler) -> Result<(), String> {
        #[cfg(feature = "testing")]
        Fault::strike(
            self.first_fault
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        )?;
        let schema = serde_json::json!({ "type": "object", "properties": {
            "title": { "type": "string", "maxLength": 8 } }, "required": ["title"], "additionalProperties": false });
        let (reply, mut answered) = oneshot::channel();
        let told = |error: Error| error.to_string();
        let format = AnswerFormat::JsonSchema(schema);
        let prompt = self.loaded.first_prompt(&self.salt)?;
        let tokens = scheduler.demand.row_tokens.saturating_sub(prompt.ids.len());
        scheduler.warm_up(Order {
            tenant: String::new(),
            priority: Priority::Interactive,
            prompt,
            sampler: self.sampler(&Choosing::default()).map_err(told)?,
            constraint: self
                .grammars
                .constraint(&format, &self.salt, "")
                .map_err(told)?,
            max_tokens: tokens.min(8),
            answer: Answer::new(Vec::new(), Arc::new(|_| {})),
            cancel: CancellationToken::new(),
            reply,
            arrived: Instant::now(),
            #[cfg(feature = "testing")]
            fault: None,
        });
        match answered.try_recv() {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(Error::Failed { cause, .. } | Error::Output { cause, .. })) => Err(cause),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("it was not answered; this is a bug".to_owned()),
        }
    }
}

impl Core {
    /// Before the first thread.
    fn unmanned(image_bytes: usize) -> Self {
        Self {
            orders: mpsc::channel().0,
            pulse: Arc::new(Pulse::new()),
            seen: Arc::new(Mutex::new(Kept::new(image_bytes))),
        }
    }
}

/// Somebody who waits for an answer, and notices when the engine's thread has stopped.
struct Vigil<'a> {
    engine: &'a Glm4v,
    pulse: &'a Arc<Pulse>,
    over: bool,
}

impl Vigil<'_> {
    /// Ends when the thread has not gone round for too long.
    async fn watch(&self) {
        let stall = self.engine.shared.settings.stall;
        loop {
            let left = stall.saturating_sub(self.pulse.age());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Drop for Vigil<'_> {
    /// However the waiting ended, also by a deadline further out: it counts if the thread stood still.
    fn drop(&mut self) {
        if !self.over && self.pulse.age() >= self.engine.shared.settings.stall {
            self.engine.stalled(self.pulse);
        }
    }
}

impl ChatModel for Glm4v {
    fn name(&self) -> EngineName {
        EngineName::Glm4v
    }

    fn model(&self) -> &str {
        &self.shared.loaded.name
    }

    fn sees_images(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        self.core().pulse.is_warm()
    }

    fn chat(
        &self,
        job: ChatJob,
        sink: TextSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ChatReport, Error>> {
        Box::pin(self.answer(job, sink, cancel))
    }
}

fn failed(cause: &str) -> Error {
    Error::Failed {
        engine: NAME,
        cause: cause.to_owned(),
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn random_seed() -> u64 {
    // Without random numbers of the system, an answer can be foreseen; it is a text, not a secret.
    getrandom::u64().unwrap_or(0)
}

/// A fault on request, by words of the conversation, for tests of what a fault may cost.
#[cfg(feature = "testing")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The step fails.
    Error,
    /// The step panics.
    Panic,
    /// The step takes two seconds.
    Stall,
    /// The step takes a fifth of a second.
    Linger,
    /// Making the row panics.
    Row,
    /// Seeing a picture panics.
    Picture,
    /// Seeing a picture fails, once.
    PictureOnce,
    /// Beginning with the prompt panics.
    Input,
    /// Computing what may come next panics.
    Mask,
}

#[cfg(feature = "testing")]
impl Fault {
    fn asked(job: &ChatJob) -> Option<Self> {
        let words = |words: &str| {
            let parts = job.messages.iter().flat_map(|message| &message.parts);
            parts
                .into_iter()
                .any(|part| matches!(part, super::ChatPart::Text(text) if text.contains(words)))
        };
        let all = [
            ("[step fails]", Self::Error),
            ("[step panics]", Self::Panic),
            ("[step stalls]", Self::Stall),
            ("[step lingers]", Self::Linger),
            ("[row panics]", Self::Row),
            ("[picture panics]", Self::Picture),
            ("[picture fails once]", Self::PictureOnce),
            ("[prompt panics]", Self::Input),
            ("[mask panics]", Self::Mask),
        ];
        all.into_iter()
            .find_map(|(word, fault)| words(word).then_some(fault))
    }

    /// The step's own.
    fn strike(fault: Option<Self>) -> Result<(), String> {
        match fault {
            Some(Self::Error) => return Err("a test asked for it".to_owned()),
            Some(Self::Stall) => std::thread::sleep(Duration::from_secs(2)),
            Some(Self::Linger) => std::thread::sleep(Duration::from_millis(200)),
            _ => Self::Panic.strike_where(fault),
        }
        Ok(())
    }

    #[expect(
        clippy::panic,
        reason = "a test asks for it, to see that a panic is contained"
    )]
    fn strike_where(self, asked: Option<Self>) {
        if asked == Some(self) {
            panic!("a test asked for it");
        }
    }

    /// The next picture's.
    fn strike_picture(asked: Option<&mut Option<Self>>) -> Result<(), String> {
        let Some(asked) = asked else { return Ok(()) };
        Self::Picture.strike_where(*asked);
        match asked.take_if(|fault| *fault == Self::PictureOnce) {
            Some(_) => Err("a test asked for it".to_owned()),
            None => Ok(()),
        }
    }
}
