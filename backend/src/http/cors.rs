//! Cross-origin requests, from the origins that the keys name and from no other. Never with cookies.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use api::Code;

use super::{headers, problem};
use crate::auth::Auth;
use crate::refusal::Refusal;

const EXPOSED: &str =
    "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Idempotency-Replayed";
const METHODS: &str = "GET, POST, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, Accept, Idempotency-Key, X-Request-Id";

/// What the request's head says of its origin.
pub(super) struct Head {
    origin: Option<String>,
    asks_method: bool,
}

impl Head {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
                .map(str::to_owned)
        };
        Self {
            origin: text("origin"),
            asks_method: headers.contains_key("access-control-request-method"),
        }
    }

    pub(super) fn is_preflight(&self) -> bool {
        self.origin.is_some() && self.asks_method
    }

    fn known(&self, auth: &Auth) -> Option<&str> {
        self.origin
            .as_deref()
            .filter(|origin| auth.is_known_origin(origin))
    }
}

/// The answer to a preflight. It has no credentials, so any key's origin will do; the request itself is checked.
pub(super) fn preflight(head: &Head, auth: &Auth) -> HttpResponse {
    if head.known(auth).is_none() {
        let detail =
            "No key of this server allows pages of this origin; add the origin to the key.";
        return problem::response(Refusal::new(Code::OriginRefused, detail));
    }
    let mut response = HttpResponse::NoContent().finish();
    let to = response.headers_mut();
    headers::set(to, "access-control-allow-methods", METHODS);
    headers::set(to, "access-control-allow-headers", HEADERS);
    headers::set(to, "access-control-max-age", "600");
    response
}

/// Lets a page of a known origin read the answer.
pub(super) fn allow(to: &mut HeaderMap, head: &Head, auth: &Auth) {
    to.append(
        HeaderName::from_static("vary"),
        HeaderValue::from_static("Origin"),
    );
    if let Some(origin) = head.known(auth) {
        headers::set(to, "access-control-allow-origin", origin);
        headers::set(to, "access-control-expose-headers", EXPOSED);
    }
}
