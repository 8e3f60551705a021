//! One try: a form goes out, events come back. `fetch` and the reader are the worker's own.

use super::Host;
use super::retry::{Failure, Place, retry_after_ms};
use crate::error::{ClientCode, SmartSummaryError};
use crate::stream::Parser;
use api::{Code, Event, Problem};
use js_sys::{Array, Date, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, FormData, Headers, ReadableStreamDefaultReader, Request, RequestCache,
    RequestCredentials, RequestInit, RequestMode, RequestRedirect, Response, WorkerGlobalScope,
};

/// How long the first byte may take: the upload of eight pictures on a slow line, and a place in the queue.
const HEAD_TIMEOUT_MS: f64 = 120_000.0;
/// How long a stream may be silent: three heartbeats and a half.
const IDLE_TIMEOUT_MS: f64 = 3_500.0 * api::limits::HEARTBEAT_SECONDS as f64;
/// A refusal is read up to this many characters.
const MAX_PROBLEM_CHARS: usize = 64 * 1024;

/// What is sent, the same in every try.
pub(super) struct Call {
    /// The route.
    pub(super) url: String,
    /// The part `request`, as JSON.
    pub(super) request: String,
    /// Picture id, file name and bytes.
    pub(super) pictures: Vec<(String, String, Blob)>,
    /// Names the request.
    pub(super) idempotency_key: String,
}

/// An answer that has begun: its events, one after the other.
pub(super) struct Answer {
    reader: ReadableStreamDefaultReader,
    parser: Parser,
    ready: std::collections::VecDeque<Event>,
}

impl Call {
    /// Sends the request and reads the head of the answer.
    ///
    /// # Errors
    /// What kept the answer from beginning, and where.
    pub(super) async fn send(&self, token: &str, host: &Host) -> Result<Answer, Failure> {
        let request = self
            .request(token, host)
            .map_err(|cause| here("the request cannot be built", &cause))?;
        let scope = scope();
        let fetching = host.within(&scope.fetch_with_request(&request), HEAD_TIMEOUT_MS);
        let response = JsFuture::from(fetching)
            .await
            .map_err(|cause| unreachable(host, &cause))?;
        Answer::begin(response.unchecked_into(), host).await
    }

    fn request(&self, token: &str, host: &Host) -> Result<Request, JsValue> {
        let headers = Headers::new()?;
        headers.set("Accept", "text/event-stream")?;
        headers.set("Authorization", &format!("Bearer {token}"))?;
        headers.set("Idempotency-Key", &self.idempotency_key)?;
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_headers(&headers);
        init.set_body(&self.form()?.into());
        init.set_signal(Some(&host.begin_try()));
        init.set_mode(RequestMode::Cors);
        init.set_cache(RequestCache::NoStore);
        // The token is the only credential, and it goes nowhere but to the endpoint.
        init.set_credentials(RequestCredentials::Omit);
        init.set_redirect(RequestRedirect::Error);
        Request::new_with_str_and_init(&self.url, &init)
    }

    fn form(&self) -> Result<FormData, JsValue> {
        let json = BlobPropertyBag::new();
        json.set_type("application/json");
        let request = Blob::new_with_str_sequence_and_options(
            &Array::of1(&JsValue::from_str(&self.request)),
            &json,
        )?;
        let form = FormData::new()?;
        form.append_with_blob(super::form::REQUEST, &request)?;
        for (id, file_name, blob) in &self.pictures {
            form.append_with_blob_and_filename(id, blob, file_name)?;
        }
        Ok(form)
    }
}

impl Answer {
    async fn begin(response: Response, host: &Host) -> Result<Self, Failure> {
        let media_type = response
            .headers()
            .get("Content-Type")
            .ok()
            .flatten()
            .unwrap_or_default();
        if !response.ok() || !media_type.starts_with("text/event-stream") {
            return Err(refusal(&response, host).await);
        }
        let body = response
            .body()
            .ok_or_else(|| broken("the answer has no body"))?;
        Ok(Self {
            reader: body.get_reader().unchecked_into(),
            parser: Parser::default(),
            ready: std::collections::VecDeque::new(),
        })
    }

    /// The next event.
    ///
    /// # Errors
    /// When the stream breaks, ends, falls silent or is not of the contract.
    pub(super) async fn next(&mut self, host: &Host) -> Result<Event, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let piece = self.read(host).await?;
            let events = self.parser.push(&piece).map_err(|error| Failure {
                error,
                place: Place::Host,
            })?;
            self.ready.extend(events);
        }
    }

    async fn read(&self, host: &Host) -> Result<Vec<u8>, Failure> {
        let reading = host.within(
            &self.reader.read().unchecked_into::<Promise>(),
            IDLE_TIMEOUT_MS,
        );
        let result =
            JsFuture::from(reading)
                .await
                .map_err(|cause| match host.signal().aborted() {
                    true => aborted(),
                    false => broken(&format!("the answer broke off ({})", reason(&cause))),
                })?;
        let value = js_sys::Reflect::get(&result, &JsValue::from_str("value")).unwrap_or_default();
        match value.dyn_into::<Uint8Array>() {
            Ok(piece) => Ok(piece.to_vec()),
            Err(_) => Err(broken("the answer ended before it was complete")),
        }
    }
}

/// Reads an answer that is not a stream: a problem, or something that is not ours.
async fn refusal(response: &Response, host: &Host) -> Failure {
    let text = match response.text() {
        Ok(text) => JsFuture::from(host.within(&text, IDLE_TIMEOUT_MS))
            .await
            .ok()
            .and_then(|text| text.as_string()),
        Err(_) => None,
    };
    if host.signal().aborted() {
        return aborted();
    }
    let text = text
        .filter(|text| text.len() <= MAX_PROBLEM_CHARS)
        .unwrap_or_default();
    let mut error = match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => problem.into(),
        Err(_) => foreign(response.status()),
    };
    if error.retry_after_ms.is_none() {
        error.retry_after_ms = waits(response);
    }
    Failure {
        error,
        place: Place::Answer,
    }
}

fn waits(response: &Response) -> Option<u64> {
    let header = response.headers().get("Retry-After").ok().flatten()?;
    retry_after_ms(&header, Date::now(), Date::parse)
}

/// An answer that is not of the contract: a proxy's page, or another server's.
fn foreign(status: u16) -> SmartSummaryError {
    let mut error = match status {
        413 => SmartSummaryError::early(
            Code::BodyTooLarge,
            "something before the server refuses a body of this size",
        ),
        _ => {
            let message = format!(
                "the endpoint answered with status {status} and no summary; check its address"
            );
            SmartSummaryError::client(ClientCode::Protocol, message)
        }
    };
    error.status = Some(status);
    error
}

/// Whether the browser knows that there is no connection.
pub(super) fn is_offline() -> bool {
    !scope().navigator().on_line()
}

/// The worker that this runs in.
fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// There is no connection at all.
pub(super) fn offline() -> SmartSummaryError {
    SmartSummaryError::client(ClientCode::Offline, "there is no connection")
}

/// `fetch` does not say why it failed: no network, no such host, or an answer that CORS hides.
fn unreachable(host: &Host, cause: &JsValue) -> Failure {
    if host.signal().aborted() {
        return aborted();
    }
    if is_offline() {
        return Failure {
            error: offline(),
            place: Place::Host,
        };
    }
    broken(&format!("the server cannot be reached ({})", reason(cause)))
}

fn broken(message: &str) -> Failure {
    Failure {
        error: SmartSummaryError::client(ClientCode::Offline, message),
        place: Place::Network,
    }
}

fn here(message: &str, cause: &JsValue) -> Failure {
    let message = format!("{message} ({})", reason(cause));
    Failure {
        error: SmartSummaryError::client(ClientCode::Protocol, message),
        place: Place::Host,
    }
}

/// The caller does not want the answer any more.
pub(super) fn aborted() -> Failure {
    Failure {
        error: SmartSummaryError::client(ClientCode::Aborted, "the call was stopped"),
        place: Place::Host,
    }
}

/// The words of a JavaScript error.
pub(super) fn reason(cause: &JsValue) -> String {
    match cause.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => cause
            .as_string()
            .unwrap_or_else(|| "no reason given".to_owned()),
    }
}
