//! The one door: every request comes in and every answer goes out here.
//!
//! In: id, span, draining, CORS preflight. Out: problems as `application/problem+json`, headers, log line, metrics.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use api::Code;
use bytes::Bytes;
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::caller::KeyId;
use super::request_id::RequestId;
use super::{State, allowance, client, cors, drain, headers, problem, routes};
use crate::refusal::Refusal;
use crate::telemetry::{LevelGuard, Metrics, Route};

/// Turns a panic into an error, which the door answers with 500 and the id.
pub(super) async fn contain_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // The request's own state is dropped with it; shared state is whole after every statement.
    match AssertUnwindSafe(next.call(request)).catch_unwind().await {
        Ok(response) => response.map(ServiceResponse::map_into_boxed_body),
        Err(_) => {
            tracing::error!("a handler panicked");
            Err(problem::Failure(Refusal::new(
                Code::Internal,
                "Something went wrong in the server.",
            ))
            .into())
        }
    }
}

/// Passes a request in and its answer out.
pub(super) async fn pass<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body);
    };
    let visit = Visit::of(&request, state);
    request.extensions_mut().insert(visit.line.id.clone());
    let span = tracing::info_span!("request", request.id = %visit.line.id);
    if let Some(early) = visit.early_answer() {
        let (request, _payload) = request.into_parts();
        let answer = visit.dress(early, None);
        return Ok(ServiceResponse::new(request, answer));
    }
    let answered = next.call(request).instrument(span).await;
    match answered {
        Ok(response) => {
            let (request, response) = response.into_parts();
            let response = response.map_into_boxed_body();
            let response = visit.dress(response, Some(&request));
            Ok(ServiceResponse::new(request, response))
        }
        // Only a panic, or an error of actix before any route: the request is gone, the answer is dressed all the same.
        Err(error) => {
            let response = visit.dress(error.error_response(), None);
            Err(InternalError::from_response("answered at the door", response).into())
        }
    }
}

/// What is known of a request while it is inside.
struct Visit {
    state: web::Data<State>,
    head: cors::Head,
    secure: bool,
    line: Line,
}

impl Visit {
    fn of(request: &ServiceRequest, state: web::Data<State>) -> Self {
        let route = routes::kind(request.path());
        let line = Line {
            id: RequestId::of(request.headers()),
            method: request.method().clone(),
            route,
            status: CALLER_LEFT,
            code: None,
            key: None,
            began: Instant::now(),
            sent: 0,
            complete: false,
            metrics: state.metrics.clone(),
            // Whoever reads the numbers is not one of them.
            _in_flight: (route != Route::Metrics).then(|| state.metrics.enter()),
            _work: state.drain.work(),
        };
        let secure = client::is_secure(request.request(), &state.trusted_proxies);
        Self {
            head: cors::Head::of(request.headers()),
            secure,
            line,
            state,
        }
    }

    /// A preflight needs no route; a stopping server takes no new work.
    fn early_answer(&self) -> Option<HttpResponse> {
        if self.line.method == Method::OPTIONS && self.head.is_preflight() {
            return Some(cors::preflight(&self.head, &self.state.auth));
        }
        let work = matches!(
            self.line.route,
            Route::Summaries
                | Route::Chat
                | Route::Infer
                | Route::Batches
                | Route::Tokens
                | Route::Keys
                | Route::Usage
        );
        let refused = work && self.state.drain.is_draining();
        refused.then(|| problem::response(drain::refusal()))
    }

    fn dress(self, response: HttpResponse, request: Option<&HttpRequest>) -> HttpResponse {
        let Self {
            state,
            head,
            secure,
            mut line,
        } = self;
        let form = problem::Form::of(line.route);
        let (mut response, code) = problem::written(response, &line.id, form);
        let to = response.headers_mut();
        headers::secure(to, line.route, code.is_some(), secure);
        headers::set(to, "x-request-id", line.id.as_str());
        cors::allow(to, &head, &state.auth);
        if let Some(request) = request {
            allowance::write(request, &state.limits, to);
            line.key = request.extensions().get::<KeyId>().cloned();
        }
        if let Some(code) = code {
            state.metrics.refused(code);
            state.refusals.note(code);
        }
        line.status = response.status().as_u16();
        line.code = code;
        response.map_body(|_, body| BoxBody::new(Logged { body, line }))
    }
}

/// A body that writes the request's log line when it ends, or when its caller leaves.
struct Logged {
    body: BoxBody,
    line: Line,
}

impl MessageBody for Logged {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        // A body of known length is not asked for its end.
        let whole = match self.body.size() {
            BodySize::None | BodySize::Sized(0) => Some(0),
            BodySize::Sized(length) => Some(length),
            BodySize::Stream => None,
        };
        let polled = Pin::new(&mut self.body).poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                self.line.sent += bytes.len() as u64;
                self.line.complete |= whole.is_some_and(|length| length <= bytes.len() as u64);
            }
            Poll::Ready(None) => self.line.complete = true,
            _ => {}
        }
        polled
    }
}

/// What is logged for a request whose caller left before there was an answer; no caller ever reads it.
const CALLER_LEFT: u16 = 499;

/// The line of one request. Written once, on drop: when the answer has been sent, or when nobody is there to take it.
struct Line {
    id: RequestId,
    method: Method,
    route: Route,
    status: u16,
    code: Option<Code>,
    key: Option<KeyId>,
    began: Instant,
    sent: u64,
    complete: bool,
    metrics: Arc<Metrics>,
    _in_flight: Option<LevelGuard>,
    _work: drain::Work,
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.metrics
            .request(self.route, self.status, self.code, took);
        let without_body = self.sent == 0 && self.status != CALLER_LEFT;
        tracing::info!(
            request.id = %self.id,
            method = %self.method,
            route = self.route.as_str(),
            status = self.status,
            code = self.code.map(Code::as_str),
            key.id = self.key.as_ref().map(|key| key.0.as_str()),
            bytes = self.sent,
            complete = self.complete || without_body,
            ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    }
}
