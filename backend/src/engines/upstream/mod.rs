//! Other machines that continue conversations behind OpenAI's API, as one [`ChatModel`].
//!
//! The least busy of those that are well is asked. What fails before its first word is asked of another; what fails later
//! fails. Whatever a server cannot do of the API is left out of later requests to it. The modules stand in the order in which
//! a job meets them.

// Which server.
mod pool;
// A conversation to a body.
mod ask;
// Bytes to what they say; what they say to an answer.
mod clean;
#[cfg(feature = "testing")]
pub(super) mod doors;
mod growing;
mod hear;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use api::EngineName;
use futures_util::future::{BoxFuture, join_all};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::ask::{Form, Learnt};
use self::growing::Growing;
use self::hear::{Document, Events};
use self::pool::{Bounds, End, Pick, Pool, Turn};
use super::{ChatJob, ChatModel, ChatReport, Error, TextSink};
use crate::config;
use crate::outbound::{self, unreached};
use crate::telemetry::{Metrics, UpstreamEnd};

const NAME: &str = EngineName::Upstream.as_str();
/// Servers that one request is tried on.
const MOST_TRIES: usize = 3;
/// How long a look at a server may take.
const LOOK: Duration = Duration::from_secs(5);
/// How long a server that is busy is left alone when it does not say, and at most.
const BUSY: Duration = Duration::from_secs(1);
const MOST_BUSY: Duration = Duration::from_secs(60);
/// Bytes of a list of models, and of an error.
const MAX_SMALL_BYTES: usize = 1024 * 1024;

/// Why there is no engine; one line for the person who starts it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(String);

/// The servers.
pub struct Upstream {
    shared: Arc<Shared>,
    looking: AbortHandle,
}

struct Shared {
    peers: Vec<Peer>,
    pool: Pool,
    client: Client,
    settings: config::Upstream,
    /// The model that all are asked for; known once a server has told it, if it was not configured.
    model: OnceLock<String>,
    metrics: Arc<Metrics>,
}

struct Peer {
    /// The address up to and without the slash before `models`.
    base: String,
    /// Host and port: its name in metrics and log.
    label: &'static str,
    learnt: Mutex<Learnt>,
}

/// Why a server gave no answer.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    TimedOut(&'static str),
    #[error("it is busy")]
    Busy(Duration),
    #[error("it refused the request with {status} ({code})")]
    Refused { status: u16, code: String },
    #[error("it did not know what to do with the request")]
    Baffled,
    #[error("{0}")]
    Output(String),
}

impl Upstream {
    /// Looks at the servers from now on, on `runtime`.
    ///
    /// # Errors
    /// [`Misconfigured`] when the file of the key cannot be read, or the system's certificates cannot.
    pub fn start(
        settings: &config::Upstream,
        metrics: Arc<Metrics>,
        runtime: &Handle,
    ) -> Result<Self, Misconfigured> {
        let peers: Vec<Peer> = settings.servers.iter().map(Peer::new).collect();
        let bounds = Bounds {
            concurrency: settings.concurrency,
            failures: settings.failures,
            pause: Duration::from_secs(settings.pause_seconds),
        };
        let model = OnceLock::new();
        if let Some(name) = &settings.model {
            let _ = model.set(name.clone());
        }
        let shared = Arc::new(Shared {
            pool: Pool::new(peers.len(), bounds),
            peers,
            client: outbound::client(
                "upstream",
                &settings.api_key,
                settings.api_key_file.as_deref(),
            )
            .map_err(Misconfigured)?,
            settings: settings.clone(),
            model,
            metrics,
        });
        let every = Duration::from_secs(settings.health_seconds);
        let looking = runtime.spawn(keep_looking(Arc::downgrade(&shared), every));
        Ok(Self {
            shared,
            looking: looking.abort_handle(),
        })
    }

    /// Looks at every server once; afterwards [`ChatModel::ready`] is about now. Gives each server's name, and what is
    /// wrong with it.
    pub async fn look(&self) -> Vec<(&'static str, Result<(), String>)> {
        self.shared.look_at_all().await
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

async fn keep_looking(shared: Weak<Shared>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.look_at_all().await;
    }
}

impl Peer {
    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new(address: &config::HttpAddress) -> Self {
        // As many as the configuration names, for as long as the process lives.
        let label: &'static str = Box::leak(address.host_and_port().into_boxed_str());
        Self {
            base: address.as_str().trim_end_matches('/').to_owned(),
            label,
            learnt: Mutex::default(),
        }
    }
}

impl Shared {
    async fn look_at_all(&self) -> Vec<(&'static str, Result<(), String>)> {
        let looks = self
            .peers
            .iter()
            .enumerate()
            .map(|(server, peer)| self.look(server, peer));
        if self.model.get().is_some() {
            return join_all(looks).await;
        }
        // The model's name comes from the first server in the configuration's order that tells it.
        let mut found = Vec::new();
        for look in looks {
            found.push(look.await);
        }
        found
    }

    async fn look(&self, server: usize, peer: &Peer) -> (&'static str, Result<(), String>) {
        let seen = tokio::time::timeout(LOOK, self.models_of(peer)).await;
        let seen = seen.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK.as_secs())));
        let changed = self.pool.looked(server, seen.is_ok());
        self.tell_level(server, peer.label);
        match &seen {
            Ok(()) if changed => tracing::info!(server = peer.label, "an upstream server is well"),
            Err(cause) if changed => {
                tracing::warn!(server = peer.label, cause, "an upstream server is not well");
            }
            Err(cause) => {
                tracing::debug!(server = peer.label, cause, "an upstream server is not well");
            }
            Ok(()) => {}
        }
        (peer.label, seen)
    }

    fn tell_level(&self, server: usize, label: &'static str) {
        let (well, outstanding) = self.pool.level(server);
        self.metrics.set_upstream(label, well, outstanding);
    }

    /// Asks a server what it has. One that does not tell is well if the operator has named a model.
    async fn models_of(&self, peer: &Peer) -> Result<(), String> {
        let response = self
            .client
            .get(format!("{}/models", peer.base))
            .send()
            .await;
        let response = response.map_err(|error| unreached(&error))?;
        let status = response.status();
        if matches!(status.as_u16(), 404 | 405 | 501) && self.settings.model.is_some() {
            return Ok(());
        }
        if !status.is_success() {
            return Err(format!("{} to GET /models", status.as_u16()));
        }
        let list = outbound::json(response, MAX_SMALL_BYTES).await;
        let list = list.unwrap_or_default();
        let listed = list
            .get("data")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let named =
            |model: &Value, name: &str| model.get("id").and_then(Value::as_str) == Some(name);
        let model = match (self.model.get(), listed.first()) {
            (Some(model), _) => model,
            (None, Some(first)) => {
                let name = first.get("id").and_then(Value::as_str).unwrap_or_default();
                self.model.get_or_init(|| name.to_owned())
            }
            (None, None) => {
                return Err("it lists no model; name one by upstream.model".to_owned());
            }
        };
        match listed.iter().find(|listed| named(listed, model)) {
            // Servers of this kind tell of a model that is still being loaded.
            Some(found) if found.get("ready") == Some(&Value::Bool(false)) => {
                Err("its model is not ready".to_owned())
            }
            Some(_) => Ok(()),
            None if self.settings.model.is_some() => Ok(()),
            None => Err(
                "it does not have the model that the others have; name one by upstream.model"
                    .to_owned(),
            ),
        }
    }

    /// Tries servers until one begins to answer.
    async fn answer(&self, job: &ChatJob, sink: TextSink) -> Result<ChatReport, Error> {
        let told = Arc::new(AtomicBool::new(false));
        let sink: TextSink = {
            let told = Arc::clone(&told);
            Arc::new(move |piece: &str| {
                told.store(true, Ordering::Relaxed);
                sink(piece);
            })
        };
        let mut tried = Vec::new();
        let mut last = None;
        while tried.len() < MOST_TRIES {
            let Some(turn) = self.turn(&tried).await else {
                break;
            };
            let server = turn.server;
            let trouble = match self.ask(turn, job, &sink).await {
                Ok(report) => return Ok(report),
                Err(trouble) => trouble,
            };
            if told.load(Ordering::Relaxed) || !trouble.is_the_servers() {
                return Err(trouble.into());
            }
            tried.push(server);
            last = Some(trouble);
        }
        Err(last.map_or(Error::Unavailable { engine: NAME }, Error::from))
    }

    /// A place at a server, as soon as there is one; `None` when no server is well.
    async fn turn(&self, tried: &[usize]) -> Option<Turn<'_>> {
        loop {
            let freed = self.pool.freed();
            tokio::pin!(freed);
            freed.as_mut().enable();
            match self.pool.pick(tried) {
                Pick::Turn(turn) => return Some(turn),
                Pick::None => return None,
                Pick::Full => freed.await,
            }
        }
    }

    /// One request to one server, in the simplest form that it turns out to need.
    async fn ask(
        &self,
        turn: Turn<'_>,
        job: &ChatJob,
        sink: &TextSink,
    ) -> Result<ChatReport, Trouble> {
        let Some((peer, model)) = self.peers.get(turn.server).zip(self.model.get()) else {
            return Err(Trouble::Failed("its model is not known yet".to_owned()));
        };
        let counted = Counted::new(self, turn, peer.label);
        let mut form = peer.learnt().form();
        let mut first = None;
        let outcome = loop {
            let trouble = match self.once(peer, model, job, form, Arc::clone(sink)).await {
                Ok(report) => {
                    if peer.learnt().answered(form, &job.format) {
                        let form = format!("{form:?}").to_lowercase();
                        tracing::info!(
                            server = peer.label,
                            form,
                            "an upstream server takes requests in a simpler form only"
                        );
                    }
                    break Ok(report);
                }
                Err(trouble) => trouble,
            };
            match form
                .next(&job.format)
                .filter(|_| trouble.is_about_the_form())
            {
                Some(next) => {
                    first.get_or_insert(trouble);
                    form = next;
                }
                // What no form could mend was not about the form: the first refusal says most.
                None if trouble.is_about_the_form() => break Err(first.unwrap_or(trouble)),
                None => break Err(trouble),
            }
        };
        if let Err(trouble) = &outcome {
            tracing::warn!(server = peer.label, cause = %trouble, "an upstream server gave no answer");
        }
        counted.end(outcome.as_ref().err());
        outcome
    }

    async fn once(
        &self,
        peer: &Peer,
        model: &str,
        job: &ChatJob,
        form: Form,
        sink: TextSink,
    ) -> Result<ChatReport, Trouble> {
        let began = Instant::now();
        let first_word = began + Duration::from_secs(self.settings.first_word_seconds);
        let stall = Duration::from_secs(self.settings.stall_seconds);
        let late = |_| Trouble::TimedOut("it did not begin within upstream.first_word_seconds");
        let mut response = timeout_at(first_word, self.send(peer, model, job, form))
            .await
            .map_err(late)??;
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let streams = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let (mut events, mut document) = (Events::default(), Document::default());
        let mut answer = Growing::new(job, sink);
        loop {
            let (limit, late) = match answer.began() {
                None => (
                    first_word,
                    "it did not begin within upstream.first_word_seconds",
                ),
                Some(_) => (
                    Instant::now() + stall,
                    "it stood still for upstream.stall_seconds",
                ),
            };
            let chunk = timeout_at(limit, response.chunk()).await;
            let chunk = chunk.map_err(|_| Trouble::TimedOut(late))?;
            let chunk = chunk.map_err(|error| Trouble::Failed(unreached(&error)))?;
            let ended = chunk.is_none();
            let said = match chunk {
                Some(bytes) if streams => events.push(&bytes),
                Some(bytes) => document.push(&bytes).map(|()| Vec::new()),
                None if streams => Ok(Vec::new()),
                None => document.end(),
            };
            for said in said.map_err(|fault| Trouble::Failed(fault.to_string()))? {
                if answer.hear(said)? {
                    return answer.report(began);
                }
            }
            if ended {
                answer.end()?;
                return answer.report(began);
            }
        }
    }

    /// The answer's head, once it is one that has an answer.
    async fn send(
        &self,
        peer: &Peer,
        model: &str,
        job: &ChatJob,
        form: Form,
    ) -> Result<Response, Trouble> {
        let empty = serde_json::Map::new();
        let extra = self
            .settings
            .extra
            .as_ref()
            .map_or(&empty, config::JsonObject::entries);
        let body = ask::body(job, model, form, extra);
        let mut request = self
            .client
            .post(format!("{}/chat/completions", peer.base))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .body(body.to_string());
        if let Some(deadline) = job.deadline {
            let left = deadline
                .saturating_duration_since(Instant::now())
                .as_secs()
                .max(1);
            request = request.header(HeaderName::from_static("prefer"), format!("wait={left}"));
        }
        let response = request
            .send()
            .await
            .map_err(|error| Trouble::Failed(unreached(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            let seconds = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(Trouble::Busy(
                seconds.map_or(BUSY, Duration::from_secs).min(MOST_BUSY),
            ));
        }
        if !status.is_client_error() {
            return Err(Trouble::Failed(format!(
                "it answered with {}",
                status.as_u16()
            )));
        }
        let told = outbound::json(response, MAX_SMALL_BYTES).await.ok();
        // FastAPI's servers put it one level deeper, or write no object at all.
        let code = told.and_then(|told| hear::error_code(told.get("error").unwrap_or(&told)));
        Err(Trouble::Refused {
            status: status.as_u16(),
            code: code.unwrap_or_else(|| "no code".to_owned()),
        })
    }
}

impl Trouble {
    /// Whether another server may do better.
    const fn is_the_servers(&self) -> bool {
        match self {
            Self::Failed(_) | Self::TimedOut(_) | Self::Busy(_) | Self::Baffled => true,
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 404 | 408),
            Self::Output(_) => false,
        }
    }

    /// Whether the server may take the request in a simpler form.
    fn is_about_the_form(&self) -> bool {
        match self {
            Self::Refused {
                status: 400 | 422,
                code,
            } => !is_about_length(code),
            Self::Baffled => true,
            _ => false,
        }
    }

    fn end(&self) -> End {
        match self {
            Self::Failed(_) | Self::TimedOut(_) | Self::Baffled => End::Failed,
            Self::Busy(pause) => End::Busy(*pause),
            Self::Refused { .. } if self.is_the_servers() => End::Failed,
            Self::Refused { .. } | Self::Output(_) => End::Answered,
        }
    }

    fn outcome(&self) -> UpstreamEnd {
        match self {
            Self::Failed(_) | Self::Baffled => UpstreamEnd::Failed,
            Self::TimedOut(_) => UpstreamEnd::TimedOut,
            Self::Busy(_) => UpstreamEnd::Busy,
            Self::Refused { .. } => UpstreamEnd::Refused,
            Self::Output(_) => UpstreamEnd::Unusable,
        }
    }
}

fn is_about_length(code: &str) -> bool {
    [
        "context_length_exceeded",
        "content_too_long",
        "string_above_max_length",
    ]
    .contains(&code)
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let cause = trouble.to_string();
        match trouble {
            Trouble::Busy(_) => Self::Unavailable { engine: NAME },
            Trouble::Refused { status: 413, .. } => Self::Overlong,
            Trouble::Refused { code, .. } if is_about_length(&code) => Self::Overlong,
            Trouble::Refused {
                status: 400 | 422,
                code,
            } => Self::Unusable {
                detail: format!(
                    "The server behind `upstream` refused the request ({code}); ask for less, or without what it may not know."
                ),
            },
            Trouble::Output(_) => Self::Output {
                engine: NAME,
                cause,
            },
            Trouble::Failed(_)
            | Trouble::TimedOut(_)
            | Trouble::Baffled
            | Trouble::Refused { .. } => Self::Failed {
                engine: NAME,
                cause,
            },
        }
    }
}

/// Gives the place back and counts how the request ended, also when it is dropped.
struct Counted<'a> {
    shared: &'a Shared,
    turn: Option<Turn<'a>>,
    server: usize,
    label: &'static str,
    end: UpstreamEnd,
}

impl<'a> Counted<'a> {
    fn new(shared: &'a Shared, turn: Turn<'a>, label: &'static str) -> Self {
        shared.tell_level(turn.server, label);
        Self {
            shared,
            server: turn.server,
            turn: Some(turn),
            label,
            end: UpstreamEnd::Left,
        }
    }

    fn end(mut self, trouble: Option<&Trouble>) {
        self.end = trouble.map_or(UpstreamEnd::Answered, Trouble::outcome);
        if let Some(turn) = self.turn.take() {
            turn.end(trouble.map_or(End::Answered, Trouble::end));
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        drop(self.turn.take());
        self.shared.metrics.upstream(self.label, self.end);
        self.shared.tell_level(self.server, self.label);
    }
}

impl ChatModel for Upstream {
    fn name(&self) -> EngineName {
        EngineName::Upstream
    }

    fn model(&self) -> &str {
        self.shared.model.get().map_or(NAME, String::as_str)
    }

    fn sees_images(&self) -> bool {
        self.shared.settings.sees_images
    }

    fn ready(&self) -> bool {
        self.shared.pool.any_well()
    }

    fn chat(
        &self,
        job: ChatJob,
        sink: TextSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ChatReport, Error>> {
        Box::pin(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(Error::Cancelled),
                answer = self.shared.answer(&job, sink) => answer,
            }
        })
    }
}
