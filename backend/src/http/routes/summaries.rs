//! `POST /v1/summaries`.

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use api::{Code, Event, Scope, Summary};
use bytes::Bytes;
use futures_util::FutureExt as _;

use super::super::State;
use super::super::allowance::{self, Admitted};
use super::super::body::{self, Kind};
use super::super::problem::Failure;
use super::super::request_id::RequestId;
use super::super::sse::{EventStream, Outbox, Work, frame};
use crate::auth::KeyRecord;
use crate::limits::Allowance;
use crate::refusal::Refusal;
use crate::service::{self, Claim, Idempotency, Job};
use crate::telemetry::Route;

/// How the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
}

/// Summarises an article and its pictures.
///
/// Send the request as `application/json` with pictures as `data:` URIs, or as `multipart/form-data` with a part
/// `request` and one part per picture, named by its id. With `Accept: text/event-stream` the answer comes as events.
#[utoipa::path(
    post,
    path = "/v1/summaries",
    tag = "Summaries",
    security(("bearer" = ["summaries:write"])),
    params(
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*$",
         description = "1 to 255 printable characters; the same request with \
         the same key is answered once within 24 hours"),
        ("X-Request-Id" = Option<String>, Header, description = "8 to 64 of `A-Z a-z 0-9 . _ -`; comes back in the answer"),
    ),
    request_body(content(
        (api::SummaryRequest = "application/json"),
        (super::openapi::SummaryForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "The summary, or its events", content(
            (api::Summary = "application/json"),
            (api::Event = "text/event-stream"),
        )),
    ),
)]
pub(in crate::http) async fn create(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let Admitted { caller, allowance } = admitted;
    caller.require(Scope::SummariesWrite)?;
    let form = form(&request)?;
    let idempotency_key = idempotency_key(&request)?;
    let (job, allowance) = read(&request, payload, &state, allowance, &caller.key).await?;
    let reservation = match idempotency_key {
        Some(key) => match claim(&state, &job, key).await? {
            Claim::Replay(summary) => return Ok(replayed(&summary, form)),
            Claim::New(reservation) => Some(reservation),
        },
        None => None,
    };
    let allowance =
        allowance::reserve_tokens(allowance, state.service.estimated_tokens(&job.intake)).await?;
    let outbox = Outbox::default();
    let work = work(state.clone(), job, allowance, reservation, outbox.clone());
    match form {
        Form::Json => answer(&state, work).await,
        Form::Events => events(&request, &state, work, outbox),
    }
}

/// Reads and checks the body; the pictures are charged between the two.
async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    state: &State,
    allowance: Allowance,
    key: &KeyRecord,
) -> Result<(Job, Allowance), Failure> {
    let began = Instant::now();
    let kind = body::kind(request, state.reader.max_body_bytes())?;
    let stream = body::stream(payload);
    let parts = match &kind {
        Kind::Json => body::in_time(state.request_timeout, state.reader.json(stream)).await?,
        Kind::Multipart { boundary } => {
            body::in_time(
                state.request_timeout,
                state.reader.multipart(stream, boundary),
            )
            .await?
        }
    };
    let allowance = allowance::charge_images(state, allowance, parts.pictures()).await?;
    state.metrics.images(parts.pictures());
    let intake = state.reader.admit(parts).await?;
    tracing::debug!(
        pictures = intake.pictures.len(),
        picture_bytes = service::picture_bytes(&intake),
        intake_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request read"
    );
    let job = Job {
        tenant: key.id.clone(),
        intake,
        safety: key.safety,
    };
    Ok((job, allowance))
}

async fn claim(state: &State, job: &Job, key: String) -> Result<Claim, Failure> {
    let fingerprint = state.service.fingerprint(job);
    let claim = state.idempotency.claim(&job.tenant, key, fingerprint);
    Ok(claim.await.map_err(service::Error::from)?)
}

/// The whole work: the answer, what it cost, and its place among the remembered ones.
fn work(
    state: web::Data<State>,
    job: Job,
    allowance: Allowance,
    reservation: Option<service::Reservation>,
    outbox: Outbox,
) -> Work {
    Box::pin(async move {
        let answered = state
            .service
            .summarize(job, |event| outbox.put(event.clone()))
            .await;
        let summary = match answered.inspect_err(service::Error::log_cause) {
            Ok(summary) => summary,
            Err(error) => {
                // Before the refusal leaves: the same may be sent again at once, to whichever server.
                if let Some(reservation) = reservation {
                    reservation.free().await;
                }
                return Err(error.into());
            }
        };
        let usage = summary.usage;
        let used = usage.prompt_tokens + usage.image_tokens + usage.completion_tokens;
        // Before the answer leaves: what a caller is told that it used is in the ledger.
        if used > 0 || allowance.has_reserved() {
            body::blocking(move || allowance.settle_tokens(used)).await?;
        }
        if let Some(reservation) = reservation {
            reservation.keep(Arc::new(summary.clone())).await;
        }
        Ok(summary)
    })
}

/// Waits for the answer; dropped with the connection, and the work with it.
async fn answer(state: &State, work: Work) -> Result<HttpResponse, Failure> {
    let mut leaving = Leaving {
        metrics: Some(state.metrics.clone()),
    };
    let summary = work.await;
    leaving.metrics = None;
    Ok(HttpResponse::Ok().json(summary?))
}

/// Streams the events. A refusal that is known at once is answered with its status instead.
fn events(
    request: &HttpRequest,
    state: &State,
    mut work: Work,
    outbox: Outbox,
) -> Result<HttpResponse, Failure> {
    let work = match work.as_mut().now_or_never() {
        Some(Err(refusal)) if outbox.is_empty() => return Err(Failure(refusal)),
        Some(done) => Box::pin(std::future::ready(done)),
        None => work,
    };
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.unwrap_or_else(|| RequestId::of(request.headers()));
    Ok(stream_of(EventStream::new(
        outbox,
        work,
        id,
        state.metrics.clone(),
    )))
}

fn stream_of(events: EventStream) -> HttpResponse {
    as_stream(&mut HttpResponse::Ok()).streaming(events)
}

/// The head of a stream of events.
pub(super) fn as_stream(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-store, no-transform"))
        // nginx keeps a stream back until it has a buffer full, unless told so.
        .insert_header(("x-accel-buffering", "no"))
}

fn replayed(summary: &Summary, form: Form) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(("idempotency-replayed", "true"));
    match form {
        Form::Json => response.json(summary),
        Form::Events => {
            let end = Event::Completed(summary.clone());
            let events = service::retold(summary).into_iter().chain([end]);
            let frames: Vec<Bytes> = events.map(|event| frame(&event)).collect();
            as_stream(&mut response).body(frames.concat())
        }
    }
}

/// Events only for who names them; JSON for who takes anything.
fn form(request: &HttpRequest) -> Result<Form, Refusal> {
    let values = request
        .headers()
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = values
        .flat_map(|value| value.split(','))
        .map(range)
        .collect();
    let quality = |names: &[&str]| {
        let named = ranges
            .iter()
            .filter(|(range, _)| names.contains(&range.as_str()));
        named.map(|(_, quality)| *quality).fold(0.0, f32::max)
    };
    let events = quality(&["text/event-stream"]);
    let json = quality(&["application/json", "application/*", "*/*"]);
    if ranges.is_empty() || (json > 0.0 && json >= events && quality(&["application/json"]) > 0.0) {
        return Ok(Form::Json);
    }
    match (events > 0.0, json > 0.0) {
        (true, _) => Ok(Form::Events),
        (false, true) => Ok(Form::Json),
        _ if quality(&["text/*"]) > 0.0 => Ok(Form::Events),
        _ => {
            let detail = "The answer exists as `application/json` and `text/event-stream`.";
            Err(Refusal::new(Code::NotAcceptable, detail).field("Accept"))
        }
    }
}

/// A media range and its quality (RFC 9110, section 12.5.1).
fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let quality =
        parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (
        name,
        quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0)),
    )
}

pub(super) fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let key = request.headers().get("idempotency-key");
    let key = key
        .map(|key| Idempotency::check(key.as_bytes()))
        .transpose();
    Ok(key.map_err(service::Error::from)?)
}

/// Counts a caller that leaves before its answer.
struct Leaving {
    metrics: Option<Arc<crate::telemetry::Metrics>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(metrics) = &self.metrics {
            metrics.cancelled(Route::Summaries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[track_caller]
    fn check(accept: &str, expect: Option<Form>) {
        let request = TestRequest::default()
            .insert_header((ACCEPT, accept))
            .to_http_request();
        assert_eq!(form(&request).ok(), expect, "{accept:?}");
    }

    #[test]
    fn the_form_is_the_one_that_is_accepted() {
        assert_eq!(
            form(&TestRequest::default().to_http_request()),
            Ok(Form::Json)
        );
        check("*/*", Some(Form::Json));
        check("application/json", Some(Form::Json));
        check("application/*;q=0.5", Some(Form::Json));
        check("text/event-stream", Some(Form::Events));
        check("Text/Event-Stream, */*;q=0.1", Some(Form::Events));
        check("text/event-stream, */*", Some(Form::Events));
        check("application/json, text/event-stream", Some(Form::Json));
        check(
            "application/json;q=0.5, text/event-stream",
            Some(Form::Events),
        );
        check("text/html", None);
        check("application/json;q=0", None);
    }
}
