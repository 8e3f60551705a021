//! The way of one request: token, form, fetch, events; with retries that cost nobody twice.

mod delivered;
mod form;
mod http;
mod retry;

use crate::error::{ClientCode, SmartSummaryError};
use crate::options::UploadOptions;
use api::{EngineName, Event, Field, Summary, SummaryRequest};
use delivered::Delivered;
use http::Call;
use js_sys::Promise;
use retry::{Failure, Next, Place, Policy, Reason, TokenState};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, Blob};

#[wasm_bindgen]
extern "C" {
    /// What the worker lends to a call: the page's token, its ear, a clock, its wish to stop.
    pub type Host;

    /// Asks the page for a token.
    #[wasm_bindgen(method, catch)]
    async fn token(this: &Host, reason: &str) -> Result<JsValue, JsValue>;

    /// Tells the page something, as JSON.
    #[wasm_bindgen(method)]
    fn tell(this: &Host, json: &str);

    /// Resolves after so many milliseconds, or rejects when the caller aborts.
    #[wasm_bindgen(method, catch)]
    async fn sleep(this: &Host, ms: f64) -> Result<JsValue, JsValue>;

    /// `promise`, but rejected when it takes longer.
    #[wasm_bindgen(method)]
    fn within(this: &Host, promise: &Promise, ms: f64) -> Promise;

    /// Aborted when the caller does not want the answer any more.
    #[wasm_bindgen(method, getter)]
    fn signal(this: &Host) -> AbortSignal;

    /// Lets the last try's connection go and gives the signal of the next. The last of all goes when the call ends.
    #[wasm_bindgen(method, js_name = beginTry)]
    fn begin_try(this: &Host) -> AbortSignal;

    /// The picture of this id, as it was prepared.
    #[wasm_bindgen(method)]
    fn picture(this: &Host, id: &str) -> Option<Blob>;
}

/// What the page is told on the way; the names are those of `Progress` and of the callbacks in `types.ts`.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Told<'a> {
    Progress {
        progress: Stage<'a>,
    },
    Delta {
        field: Field,
        text: &'a str,
    },
    Field {
        name: Field,
        value: &'a serde_json::Value,
    },
}

#[derive(Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
enum Stage<'a> {
    Uploading,
    Queued {
        position: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        wait_ms: Option<u32>,
    },
    Started {
        engine: EngineName,
        model: &'a str,
    },
    Retrying {
        after_ms: u64,
        attempt: u32,
        error: &'a SmartSummaryError,
    },
}

/// Sends the request and reads the answer to its end, trying again where that may help.
///
/// # Errors
/// The server's problem, or why there is no answer.
pub async fn summarize(
    options: &UploadOptions,
    request: &SummaryRequest,
    host: &Host,
) -> Result<Summary, SmartSummaryError> {
    form::check(request)?;
    let call = call(options, request, host)?;
    let policy = Policy {
        attempts: options.attempts,
        max_wait_ms: options.max_wait_ms,
    };
    let mut delivered = Delivered::default();
    let mut token = ask_token(host, Reason::First).await?;
    let mut token_state = TokenState::Held;
    let mut attempt = 1;
    loop {
        let failure = match once(&call, &token, &mut delivered, host).await {
            Ok(summary) => return Ok(summary),
            Err(failure) => failure,
        };
        match policy.after(&failure, attempt, token_state, js_sys::Math::random()) {
            Next::Refresh(reason) => {
                token = ask_token(host, reason).await?;
                token_state = TokenState::Renewed;
            }
            Next::Wait(after_ms) => {
                attempt += 1;
                tell_stage(
                    host,
                    Stage::Retrying {
                        after_ms,
                        attempt,
                        error: &failure.error,
                    },
                );
                host.sleep(after_ms as f64)
                    .await
                    .map_err(|_| http::aborted().error)?;
            }
            Next::GiveUp => return Err(failure.error),
        }
    }
}

fn call(
    options: &UploadOptions,
    request: &SummaryRequest,
    host: &Host,
) -> Result<Call, SmartSummaryError> {
    let pictures = request.images.iter().map(|image| {
        let blob = host.picture(&image.id).ok_or_else(|| {
            let message = "the picture was announced without its bytes";
            SmartSummaryError::early(api::Code::ImageMismatch, message).about(&image.id)
        })?;
        Ok((
            image.id.clone(),
            form::file_name(&image.id, &blob.type_()),
            blob,
        ))
    });
    Ok(Call {
        url: options.url(),
        request: serde_json::to_string(request)
            .map_err(|cause| SmartSummaryError::misread(&cause))?,
        pictures: pictures.collect::<Result<_, SmartSummaryError>>()?,
        idempotency_key: options.idempotency_key.clone(),
    })
}

async fn ask_token(host: &Host, reason: Reason) -> Result<String, SmartSummaryError> {
    let answer = host.token(reason.as_str()).await;
    if host.signal().aborted() {
        return Err(http::aborted().error);
    }
    let failed = |why: &str| SmartSummaryError::client(ClientCode::TokenFailed, why);
    match answer {
        Ok(token) => token
            .as_string()
            .filter(|token| !token.is_empty())
            .ok_or_else(|| failed("there is no token")),
        // The site cannot be reached either: that is what the writer can do something about.
        Err(_) if http::is_offline() => Err(http::offline()),
        Err(cause) => Err(failed(&http::reason(&cause))),
    }
}

/// One try, from the upload to the last event.
async fn once(
    call: &Call,
    token: &str,
    delivered: &mut Delivered,
    host: &Host,
) -> Result<Summary, Failure> {
    delivered.rewind();
    tell_stage(host, Stage::Uploading);
    let mut answer = call.send(token, host).await?;
    loop {
        match answer.next(host).await? {
            Event::Queued(queued) => {
                tell_stage(
                    host,
                    Stage::Queued {
                        position: queued.position,
                        wait_ms: queued.wait_ms,
                    },
                );
            }
            Event::Started(started) => {
                tell_stage(
                    host,
                    Stage::Started {
                        engine: started.engine,
                        model: &started.model,
                    },
                );
            }
            Event::Delta(delta) => {
                if let Some(delta) = delivered.delta(&delta) {
                    tell(
                        host,
                        &Told::Delta {
                            field: delta.field,
                            text: &delta.text,
                        },
                    );
                }
            }
            Event::Field(field) => {
                if let Some(field) = delivered.field(field) {
                    tell(
                        host,
                        &Told::Field {
                            name: field.name,
                            value: &field.value,
                        },
                    );
                }
            }
            Event::Completed(summary) => return Ok(summary),
            Event::Error(problem) => {
                return Err(Failure {
                    error: problem.into(),
                    place: Place::Stream {
                        begun: delivered.begun(),
                    },
                });
            }
        }
    }
}

fn tell_stage(host: &Host, progress: Stage<'_>) {
    tell(host, &Told::Progress { progress });
}

fn tell(host: &Host, told: &Told<'_>) {
    // Strings, numbers and names: they always have a JSON form.
    if let Ok(json) = serde_json::to_string(told) {
        host.tell(&json);
    }
}
