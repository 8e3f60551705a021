//! `POST /v1/chat/completions`, `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use api::{
    ChatAnswer, ChatChoice, ChatChunk, ChatChunkChoice, ChatCompletion, ChatDelta, ChatError,
    ChatModelInfo, ChatModelList, ChatPromptDetails, ChatUsage, Code, Safety, Scope,
};
use futures_util::future::join_all;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use super::super::State;
use super::super::allowance::{self, Admitted, AdmittedReader};
use super::super::body;
use super::super::chat_stream::{ChatStream, Frames, Work};
use super::super::conversation::{self, Conversation};
use super::super::problem::{Failure, sentence};
use super::super::request_id::RequestId;
use super::summaries::as_stream;
use crate::limits::Allowance;
use crate::refusal::Refusal;
use crate::service::{self, ChatJob, ChatModel, ChatReport, Finish, Service, TextSink};
use crate::telemetry::{Clock as _, SystemClock};

/// How long a stream waits for its first words before its head is sent: what fails at once fails with its status.
const FIRST_WORDS: Duration = Duration::from_secs(5);

/// Everything that is needed to answer.
pub(super) struct Accepted {
    pub(super) model: Arc<dyn ChatModel>,
    pub(super) job: ChatJob,
    pub(super) safety: Safety,
    pub(super) allowance: Allowance,
    pub(super) answers: u8,
}

/// Continues a conversation, as OpenAI's API does.
///
/// Pictures come as `data:` URIs. Errors are OpenAI's error objects; `code` is one of this server's codes.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    request_body = api::ChatRequest,
    responses(
        (status = 200, description = "The answer, or its chunks and `[DONE]`", content(
            (api::ChatCompletion = "application/json"),
            (api::ChatChunk = "text/event-stream"),
        )),
    ),
)]
pub(in crate::http) async fn create(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.caller.require(Scope::ChatWrite)?;
    let max = state.reader.max_body_bytes();
    let bytes = body::json_bytes(&request, payload, state.request_timeout, max).await?;
    let reader = state.reader.clone();
    // Megabytes of base64 are not for a thread that serves others.
    let conversation = body::blocking(move || {
        let request = conversation::parse(&bytes)?;
        Conversation::of(request, &reader)
    });
    let conversation = conversation.await??;
    let stream = conversation.stream;
    let mut accepted = accept(&state, admitted, conversation).await?;
    accepted.job.deadline = waits(request.headers()).map(|wait| Instant::now() + wait);
    match stream {
        None => Ok(HttpResponse::Ok().json(completion(&state, accepted).await?)),
        Some(usage) => streamed(&request, &state, accepted, usage).await,
    }
}

/// How long the caller says that it waits: `Prefer: wait=SECONDS` (RFC 7240).
fn waits(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok());
    let wait = preferences
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse().ok());
    // More than any deadline of this server's is no deadline.
    wait.filter(|seconds| *seconds <= u64::from(u32::MAX))
        .map(Duration::from_secs)
}

/// The models that continue conversations.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    responses((status = 200, description = "The models, the one that `auto` means first", body = api::ChatModelList)),
)]
pub(in crate::http) async fn models(
    admitted: AdmittedReader,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.0.caller.require(Scope::ChatWrite)?;
    let models = state.service.engines().models().iter();
    let data = models.map(|model| info(&state, model.as_ref()));
    Ok(HttpResponse::Ok().json(ChatModelList {
        object: "list".to_owned(),
        data: data.collect(),
    }))
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    tag = "Chat",
    security(("bearer" = ["chat:write"])),
    params(("id" = String, Path, description = "The model's id, `auto`, or the name of its engine")),
    responses((status = 200, description = "The model", body = api::ChatModelInfo)),
)]
pub(in crate::http) async fn model(
    admitted: AdmittedReader,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.0.caller.require(Scope::ChatWrite)?;
    let model = state.service.chat_model(Some(id.as_str()))?;
    Ok(HttpResponse::Ok().json(info(&state, model.as_ref())))
}

fn info(state: &State, model: &dyn ChatModel) -> ChatModelInfo {
    ChatModelInfo {
        id: model.model().to_owned(),
        object: "model".to_owned(),
        created: state.started,
        owned_by: model.name().as_str().to_owned(),
        sees_images: model.sees_images(),
        ready: model.ready(),
    }
}

/// Charges the pictures, decodes them, and sets tokens aside.
pub(super) async fn accept(
    state: &State,
    admitted: Admitted,
    conversation: Conversation,
) -> Result<Accepted, Failure> {
    let Admitted { caller, allowance } = admitted;
    let model = state.service.chat_model(conversation.model.as_deref())?;
    let pictures = conversation.pictures();
    if pictures > 0 && !model.sees_images() {
        let detail =
            "This model does not look at pictures; send the words alone, or name another model.";
        return Err(Failure(
            Refusal::new(Code::InvalidField, detail).field("/messages"),
        ));
    }
    let allowance = allowance::charge_images(state, allowance, pictures).await?;
    state.metrics.images(pictures);
    let answers = conversation.answers;
    let job = conversation.job(&caller.key.id, &state.reader).await?;
    let tokens = Service::estimated_chat_tokens(&job, usize::from(answers));
    let allowance = allowance::reserve_tokens(allowance, tokens).await?;
    Ok(Accepted {
        model,
        job,
        safety: caller.key.safety,
        allowance,
        answers,
    })
}

/// All answers, in order; `tell` hears which one says what.
async fn answered(
    service: &Service,
    accepted: &Accepted,
    tell: impl Fn(u8, &str) + Clone + Send + Sync + 'static,
) -> Result<Vec<ChatReport>, Refusal> {
    let answers = (0..accepted.answers).map(|index| {
        let mut job = accepted.job.clone();
        // Each answer is another one, and all of them are repeatable.
        job.choosing.seed = job
            .choosing
            .seed
            .map(|seed| seed.wrapping_add(index.into()));
        let tell = tell.clone();
        let sink: TextSink = Arc::new(move |piece: &str| tell(index, piece));
        service.chat(accepted.model.as_ref(), job, accepted.safety, sink)
    });
    let reports = join_all(answers).await;
    let reports = reports.into_iter().map(|report| {
        let report = report.inspect_err(service::Error::log_cause);
        report.map_err(Refusal::from)
    });
    reports.collect()
}

/// The tokens of all answers; the prompt is the same for each.
fn usage(reports: &[ChatReport]) -> ChatUsage {
    let read = |report: &ChatReport| report.usage.prompt_tokens + report.usage.image_tokens;
    let prompt_tokens = reports.iter().map(read).max().unwrap_or(0);
    let images = reports.iter().map(|report| report.usage.image_tokens);
    let image_tokens = images.max().unwrap_or(0);
    let written = reports.iter().map(|report| report.usage.completion_tokens);
    let completion_tokens = written.sum();
    ChatUsage {
        prompt_tokens,
        completion_tokens,
        total_tokens: prompt_tokens + completion_tokens,
        prompt_tokens_details: ChatPromptDetails { image_tokens },
    }
}

const fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

/// The texts of all answers, and what they cost, which is in the ledger when this returns.
pub(super) async fn texts(
    state: &State,
    accepted: Accepted,
) -> Result<(Vec<(String, Finish)>, ChatUsage), Refusal> {
    let texts: Arc<Vec<Mutex<String>>> =
        Arc::new((0..accepted.answers).map(|_| Mutex::default()).collect());
    let heard = Arc::clone(&texts);
    let tell = move |index: u8, piece: &str| {
        if let Some(text) = heard.get(usize::from(index)) {
            text.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(piece);
        }
    };
    let reports = answered(&state.service, &accepted, tell).await?;
    let usage = usage(&reports);
    settle(accepted.allowance, usage).await?;
    let texts = texts.iter().map(|text| {
        let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *text)
    });
    let finishes = reports.iter().map(|report| report.finish);
    Ok((texts.zip(finishes).collect(), usage))
}

async fn settle(allowance: Allowance, usage: ChatUsage) -> Result<(), Refusal> {
    body::blocking(move || allowance.settle_tokens(usage.total_tokens)).await
}

async fn completion(state: &State, accepted: Accepted) -> Result<ChatCompletion, Failure> {
    let model = accepted.model.model().to_owned();
    let (texts, usage) = texts(state, accepted).await?;
    let choices = texts
        .into_iter()
        .zip(0_u8..)
        .map(|((content, finish), index)| ChatChoice {
            index,
            message: ChatAnswer {
                role: "assistant".to_owned(),
                content,
            },
            finish_reason: reason(finish).to_owned(),
        });
    Ok(ChatCompletion {
        id: answer_id(),
        object: "chat.completion".to_owned(),
        created: now(),
        model,
        choices: choices.collect(),
        usage,
    })
}

fn answer_id() -> String {
    format!("chatcmpl-{}", service::new_id())
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemClock::default().now_ms() / 1000
}

/// What is the same in every chunk of an answer.
#[derive(Clone)]
struct Chunks {
    frames: Frames,
    id: String,
    created: u64,
    model: String,
}

impl Chunks {
    fn put(&self, choices: Vec<ChatChunkChoice>, usage: Option<ChatUsage>) {
        self.frames.put(&ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
        });
    }

    fn choice(&self, index: u8, delta: ChatDelta, finish: Option<Finish>) {
        let choice = ChatChunkChoice {
            index,
            delta,
            finish_reason: finish.map(|finish| reason(finish).to_owned()),
        };
        self.put(vec![choice], None);
    }
}

async fn streamed(
    request: &HttpRequest,
    state: &web::Data<State>,
    accepted: Accepted,
    with_usage: bool,
) -> Result<HttpResponse, Failure> {
    let (sender, mut frames) = unbounded_channel();
    let chunks = Chunks {
        frames: Frames(sender),
        id: answer_id(),
        created: now(),
        model: accepted.model.model().to_owned(),
    };
    let refused = Arc::new(Mutex::new(None));
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.unwrap_or_else(|| RequestId::of(request.headers()));
    let mut work = work(
        state.clone(),
        accepted,
        chunks,
        with_usage,
        Arc::clone(&refused),
        id,
    );
    // What fails before its first words fails with its status, like a plain answer.
    let first = tokio::select! {
        biased;
        first = frames.recv() => First::Words(first),
        () = &mut work => First::Ended,
        () = tokio::time::sleep(FIRST_WORDS) => First::Words(None),
    };
    let (first, work) = match first {
        First::Words(first) => (first, Some(work)),
        First::Ended => {
            let refusal = refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            match (refusal, frames.try_recv()) {
                // The one frame is the error itself.
                (Some((refusal, 0)), _) => return Err(Failure(refusal)),
                (_, first) => (first.ok(), None),
            }
        }
    };
    let body = ChatStream::new(first, frames, work, state.metrics.clone());
    Ok(as_stream(&mut HttpResponse::Ok()).streaming(body))
}

enum First {
    Words(Option<bytes::Bytes>),
    Ended,
}

/// A refusal, and how many chunks had been told before it.
type Refused = Arc<Mutex<Option<(Refusal, usize)>>>;

fn work(
    state: web::Data<State>,
    accepted: Accepted,
    chunks: Chunks,
    with_usage: bool,
    refused: Refused,
    id: RequestId,
) -> Work {
    Box::pin(async move {
        let begun: Arc<Mutex<Vec<u8>>> = Arc::default();
        let tell = {
            let (chunks, begun) = (chunks.clone(), Arc::clone(&begun));
            move |index: u8, piece: &str| {
                let mut begun = begun.lock().unwrap_or_else(PoisonError::into_inner);
                let role = (!begun.contains(&index)).then(|| "assistant".to_owned());
                if role.is_some() {
                    begun.push(index);
                }
                let delta = ChatDelta {
                    role,
                    content: Some(piece.to_owned()),
                };
                chunks.choice(index, delta, None);
            }
        };
        let outcome = answered(&state.service, &accepted, tell).await;
        let outcome = match outcome {
            Ok(reports) => settle(accepted.allowance, usage(&reports))
                .await
                .map(|()| reports),
            Err(refusal) => Err(refusal),
        };
        match outcome {
            Ok(reports) => {
                for (report, index) in reports.iter().zip(0_u8..) {
                    chunks.choice(index, ChatDelta::default(), Some(report.finish));
                }
                if with_usage {
                    chunks.put(Vec::new(), Some(usage(&reports)));
                }
                chunks.frames.done();
            }
            Err(refusal) => {
                state.metrics.refused(refusal.code);
                let told = begun.lock().unwrap_or_else(PoisonError::into_inner).len();
                let mut problem = refusal.problem(id.as_str());
                problem.detail = sentence(&problem.detail);
                if told > 0 {
                    tracing::info!(request.id = %id, code = refusal.code.as_str(), "stream ended in an error");
                }
                chunks.frames.put(&ChatError::of(&problem));
                chunks.frames.done();
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((refusal, told));
            }
        }
    })
}
