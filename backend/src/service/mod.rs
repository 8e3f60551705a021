//! What happens to an accepted request, one story per file. Knows neither actix nor any engine's insides.

mod chat;
mod chat_mask;
mod finish;
mod prompt;
mod summarize;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::{Code, EngineName, EnginePreference, Priority, Safety};
use bytes::Bytes;

use crate::cache::{self, Cache, CacheKey};
use crate::config::Config;
use crate::engines::{self, Registry};
use crate::intake::{Intake, without_priority};
use crate::moderation::{self, Moderation};
use crate::queue::{self, Queue};
use crate::refusal::Refusal;
use crate::telemetry::Metrics;

pub use self::summarize::retold;
pub use crate::cache::{Claim, Idempotency, IdempotencyError, Reservation, Salt, SharedAnswers};
pub use crate::engines::Error as EngineError;
pub use crate::engines::{
    AnswerFormat, ChatJob, ChatMessage, ChatModel, ChatPart, ChatReport, ChatRole, Choosing,
    Finish, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, Task, Template, TextSink, Tongue, schema_depth,
};

/// Why there is no summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No place, or not in time.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] engines::Error),
    /// The engine was not done in time.
    #[error("the engine was not done within {} ms; try again, or ask for less", .0.as_millis())]
    Deadline(Duration),
    /// A fault of ours.
    #[error("something went wrong in the server; the log has it under this request's id")]
    Panicked,
    /// The moderation.
    #[error(transparent)]
    Moderation(#[from] moderation::Error),
    /// The idempotency key.
    #[error(transparent)]
    Idempotency(#[from] cache::IdempotencyError),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Queue(error) => error.into(),
            Error::Engine(error) => error.into(),
            Error::Deadline(_) => Self::new(Code::DeadlineExceeded, error.to_string()),
            Error::Moderation(moderation::Error::Refused) => {
                Self::new(Code::ContentRefused, error.to_string())
            }
            Error::Moderation(moderation::Error::Unavailable) => {
                Self::new(Code::EngineUnavailable, error.to_string())
                    .retry_after(Duration::from_secs(5))
            }
            Error::Panicked => Self::new(Code::Internal, error.to_string()),
            Error::Idempotency(error) => error.into(),
        }
    }
}

impl Error {
    /// Logs what a caller is not told.
    pub fn log_cause(&self) {
        if let Self::Engine(
            engines::Error::Failed { engine, cause } | engines::Error::Output { engine, cause },
        ) = self
        {
            tracing::warn!(engine, cause, "the engine gave no answer");
        }
    }
}

/// A request that may be worked on: who asks, and what.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The key's id. Cached answers, turns in the queue and idempotency keys are its own.
    pub tenant: String,
    /// What is asked.
    pub intake: Intake,
    /// What is done for the safety of the answer.
    pub safety: Safety,
}

/// The service; a clone is the same service.
#[derive(Clone)]
pub struct Service {
    cache: Cache,
    salt: Salt,
    engines: Registry,
    /// One line per engine: a slow model does not hold up the embedded engine.
    queues: Arc<[(EngineName, Queue)]>,
    deadlines: Deadlines,
    degrade: bool,
    moderation: Arc<Moderation>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Clone, Copy)]
struct Deadlines {
    interactive: Duration,
    batch: Duration,
}

impl Service {
    /// A service of `engines`. Work is spawned on `runtime`.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(
        config: &Config,
        engines: Registry,
        metrics: Arc<Metrics>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, getrandom::Error> {
        let max_running = if config.queue.max_running == 0 {
            threads(config)
        } else {
            config.queue.max_running
        };
        // A model writes many answers at once, however many threads there are.
        let running = |name| match name {
            EngineName::Glm4v if config.queue.max_running == 0 && config.glm4v.model.is_some() => {
                config.glm4v.rows
            }
            EngineName::Upstream if config.queue.max_running == 0 => {
                config.upstream.concurrency * config.upstream.servers.len().max(1)
            }
            _ => max_running,
        };
        let queue = |name| {
            Queue::new(queue::Bounds {
                max_running: running(name),
                max_waiting: config.queue.max_waiting,
            })
        };
        let cache = cache::Bounds {
            max_bytes: config.cache.max_bytes,
            ttl: Duration::from_secs(config.cache.ttl_seconds),
        };
        Ok(Self {
            cache: Cache::new(cache, runtime),
            salt: Salt::random()?,
            queues: engines
                .iter()
                .map(|engine| (engine.name(), queue(engine.name())))
                .collect(),
            engines,
            deadlines: Deadlines {
                interactive: Duration::from_millis(config.queue.interactive_deadline_ms),
                batch: Duration::from_millis(config.queue.batch_deadline_ms),
            },
            degrade: config.degrade,
            moderation: Arc::default(),
            metrics,
        })
    }

    /// Lets `moderation` look at what is asked and told.
    #[must_use]
    pub fn moderated_by(mut self, moderation: Moderation) -> Self {
        self.moderation = Arc::new(moderation);
        self
    }

    /// Names requests as the other servers with this `salt` do, and shares stored answers with them if they are to be.
    #[must_use]
    pub fn sharing(mut self, salt: Salt, answers: Option<SharedAnswers>) -> Self {
        self.salt = salt;
        self.cache = self.cache.sharing(answers);
        self
    }

    /// The moderation that a job passes, if any.
    fn moderation(&self, safety: Safety) -> Option<&Moderation> {
        let moderation = self.moderation.as_ref();
        (safety.moderate && moderation.is_on()).then_some(moderation)
    }

    /// The engines, the one for `auto` first.
    #[must_use]
    pub fn engines(&self) -> &Registry {
        &self.engines
    }

    /// Engine tokens that the request will cost at most, about; 0 when the engine that would answer uses none.
    #[must_use]
    pub fn estimated_tokens(&self, intake: &Intake) -> u32 {
        let model = self
            .engines
            .pick(intake.request.engine)
            .is_ok_and(|engine| engine.sees_images());
        if !model {
            return 0;
        }
        let chars = intake
            .request
            .article
            .as_ref()
            .map_or(0, |article| article.content.chars().count());
        // A Latin token is about four characters and a Han token about one and a half. Prompt and answer together are under 1500, and each further
        // candidate is a title and a description.
        let candidates = usize::from(intake.request.candidates.unwrap_or(1).max(1)) - 1;
        let most =
            chars / 2 + intake.pictures.len() * engines::IMAGE_TOKENS + 1500 + candidates * 120;
        u32::try_from(most).unwrap_or(u32::MAX)
    }

    /// Tells the numbers that change without an event.
    pub fn measure(&self) {
        let (_, bytes) = self.cache.size();
        self.metrics.set_cache_bytes(bytes);
        let depths = self.queues.iter().map(|(_, queue)| queue.depth());
        let (interactive, batch) = depths.fold((0, 0), |sum, depth| {
            (sum.0 + depth.interactive, sum.1 + depth.batch)
        });
        self.metrics
            .set_queue_depth(Priority::Interactive, interactive);
        self.metrics.set_queue_depth(Priority::Batch, batch);
    }

    /// The content address of the answer that `engine` would give.
    fn address(&self, job: &Job, engine: &dyn engines::Engine) -> CacheKey {
        let request = without_priority(&job.intake.request);
        let request = api::SummaryRequest {
            engine: EnginePreference::Auto,
            ..request
        };
        // These types always serialise; were it not so, no two requests would share an empty text by this salt's use.
        let request = serde_json::to_vec(&request).unwrap_or_default();
        let key = self
            .salt
            .key("summary")
            // Another version may finish answers in another way.
            .part(env!("CARGO_PKG_VERSION").as_bytes())
            .part(job.tenant.as_bytes())
            .part(engine.name().as_str().as_bytes())
            .part(engine.model().as_bytes())
            .part(engine.prompt_version().as_bytes())
            // What a key was told unmasked or unmoderated, it is not told once it is neither.
            .part(&[
                u8::from(job.safety.mask_numbers),
                u8::from(job.safety.moderate),
            ])
            .part(&request);
        job.intake
            .pictures
            .iter()
            .fold(key, |key, picture| key.part(&picture.digest))
            .finish()
    }

    /// What an idempotency key is bound to: the request as a whole.
    #[must_use]
    pub fn fingerprint(&self, job: &Job) -> CacheKey {
        let request = serde_json::to_vec(&job.intake.request).unwrap_or_default();
        let key = self
            .salt
            .key("fingerprint")
            .part(job.tenant.as_bytes())
            .part(&request);
        job.intake
            .pictures
            .iter()
            .fold(key, |key, picture| key.part(&picture.digest))
            .finish()
    }

    fn deadline(&self, priority: Priority) -> Duration {
        match priority {
            Priority::Interactive => self.deadlines.interactive,
            Priority::Batch => self.deadlines.batch,
        }
    }
}

/// Threads for work that keeps a core busy.
#[must_use]
pub fn threads(config: &Config) -> usize {
    match config.engine.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// A new name for an answer or a request: 128 random bits in hexadecimal.
#[must_use]
pub fn new_id() -> String {
    let mut bytes = [0_u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // An id is a name, not a secret: the time will do.
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        bytes = now.as_nanos().to_le_bytes();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of all pictures, for the log.
#[must_use]
pub fn picture_bytes(intake: &Intake) -> usize {
    intake
        .pictures
        .iter()
        .map(|picture| Bytes::len(&picture.bytes))
        .sum()
}
