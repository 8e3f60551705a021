//! [`Caller`] to [`Allowance`], still before the body is read; and the RateLimit headers on the way out.

use std::time::Instant;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::future::LocalBoxFuture;

use super::caller::{Access, fetch, identify, state};
use super::problem::Failure;
use super::{State, body, headers};
use crate::auth::Caller;
use crate::limits::{Allowance, Limits};

/// A caller within its limits. One request was charged.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) allowance: Allowance,
}

/// [`Admitted`] to a route that only reads: a token may come without `Origin`.
pub(super) struct AdmittedReader(pub(super) Admitted);

impl FromRequest for Admitted {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { admit(&request, Access::Write).await })
    }
}

impl FromRequest for AdmittedReader {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { admit(&request, Access::Read).await.map(Self) })
    }
}

async fn admit(request: &HttpRequest, access: Access) -> Result<Admitted, Failure> {
    fetch(request).await?;
    let state = state(request)?;
    let began = Instant::now();
    let caller = identify(request, access)?;
    // Kept first: a refused caller reads its limits in the answer's headers, too.
    request.extensions_mut().insert(caller.clone());
    let allowance = if state.limits.is_far() {
        let (limits, caller) = (state.limits.clone(), caller.clone());
        body::blocking(move || limits.admit(&caller)).await??
    } else {
        state.limits.admit(&caller)?
    };
    state.metrics.admitted(began.elapsed());
    Ok(Admitted { caller, allowance })
}

/// Charges a request's pictures; shared quotas take a network, and are not asked on a thread that serves connections.
pub(super) async fn charge_images(
    state: &State,
    allowance: Allowance,
    pictures: usize,
) -> Result<Allowance, Failure> {
    let count = u32::try_from(pictures).unwrap_or(u32::MAX);
    if count > 0 && state.limits.is_far() {
        return Ok(
            body::blocking(move || allowance.charge_images(count).map(|()| allowance)).await??,
        );
    }
    allowance.charge_images(count)?;
    Ok(allowance)
}

/// Sets tokens aside: the ledger may have to be read, and not on a thread that serves connections.
pub(super) async fn reserve_tokens(
    allowance: Allowance,
    tokens: u32,
) -> Result<Allowance, Failure> {
    if tokens == 0 {
        return Ok(allowance);
    }
    body::blocking(move || allowance.reserve_tokens(tokens).map(|()| allowance))
        .await?
        .map_err(Failure::from)
}

/// Writes what is left, as it is when the answer leaves.
pub(super) fn write(request: &HttpRequest, limits: &Limits, to: &mut HeaderMap) {
    if let Some(caller) = request.extensions().get::<Caller>() {
        let left = limits.headers(caller);
        headers::set(to, "ratelimit-policy", &left.policy);
        headers::set(to, "ratelimit", &left.limit);
    }
}
