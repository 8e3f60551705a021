//! Every refusal becomes `application/problem+json` here (RFC 9457), or OpenAI's error object on its routes; no other error body
//! leaves the server.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use api::{ChatError, Code};

use super::headers;
use super::request_id::RequestId;
use crate::refusal::Refusal;
use crate::telemetry::Route;

/// A refusal on its way out through actix.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Refusal);

impl<E: Into<Refusal>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        status(self.0.code)
    }

    fn error_response(&self) -> HttpResponse {
        response(self.0.clone())
    }
}

/// An answer without a body yet: the door writes it, because only the door knows the request's id.
pub(super) fn response(refusal: Refusal) -> HttpResponse {
    let mut response = HttpResponse::new(status(refusal.code));
    response.extensions_mut().insert(refusal);
    response
}

/// How a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/problem+json`.
    Problem,
    /// An error object of OpenAI's API.
    OpenAi,
}

impl Form {
    /// What the callers of a route read.
    pub(super) const fn of(route: Route) -> Self {
        match route {
            Route::Chat => Self::OpenAi,
            _ => Self::Problem,
        }
    }
}

/// Writes the body of a refusal, ours or one of actix's own. Any other answer stays as it is.
pub(super) fn written(
    mut response: HttpResponse,
    id: &RequestId,
    form: Form,
) -> (HttpResponse, Option<Code>) {
    let refusal = response.extensions_mut().remove::<Refusal>();
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let refusal = match refusal {
        Some(refusal) => refusal,
        None if is_error && !is_own(&response) => foreign(response.status()),
        None => return (response, None),
    };
    let mut problem = refusal.problem(id.as_str());
    problem.detail = sentence(&problem.detail);
    let mut answer = HttpResponse::build(status(refusal.code));
    let mut answer = match form {
        Form::Problem => answer.json(&problem),
        Form::OpenAi => answer.json(ChatError::of(&problem)),
    };
    let to = answer.headers_mut();
    if form == Form::Problem {
        headers::set(to, "content-type", "application/problem+json");
    }
    if let Some(challenge) = refusal.www_authenticate() {
        headers::set(to, "www-authenticate", challenge);
    }
    if let Some(seconds) = refusal.retry_after_seconds() {
        headers::set(to, "retry-after", &seconds.to_string());
    }
    if let Some(allow) = &refusal.allow {
        headers::set(to, "allow", allow);
    }
    (answer, Some(refusal.code))
}

/// Our own answers with an error status: `/readyz` is not a refusal.
fn is_own(response: &HttpResponse) -> bool {
    response.extensions().get::<Own>().is_some()
}

/// Marks an answer whose error status is its meaning.
pub(super) struct Own;

/// What an answer of actix means that no route of ours gave.
fn foreign(status: StatusCode) -> Refusal {
    let code = match status.as_u16() {
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        406 => Code::NotAcceptable,
        408 => Code::RequestTimeout,
        413 => Code::BodyTooLarge,
        415 => Code::UnsupportedMediaType,
        400..500 => Code::MalformedRequest,
        _ => Code::Internal,
    };
    let refusal = Refusal::new(code, code.explanation().trim());
    // Only the demo's files refuse a method by themselves.
    if code == Code::MethodNotAllowed {
        refusal.allow("GET, HEAD")
    } else {
        refusal
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A detail as a sentence for a person.
pub(super) fn sentence(detail: &str) -> String {
    let mut rest = detail.chars();
    let first = rest
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    let end = if detail.ends_with(['.', '!', '?', '。']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", rest.as_str())
}
