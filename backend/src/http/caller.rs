//! `Authorization` and `Origin` to a [`Caller`], before the body is read.

use actix_web::http::header::{AUTHORIZATION, HeaderName, ORIGIN};
use actix_web::{HttpMessage as _, HttpRequest, web};

use super::problem::Failure;
use super::{State, client};
use crate::auth::{Caller, Error};

/// The id of the key that a request came with, for the log.
#[derive(Clone)]
pub(super) struct KeyId(pub(super) String);

/// Whether a route changes or costs something, or only reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

/// Reads the caller's key where that takes a network, off the threads that serve connections.
pub(super) async fn fetch(request: &HttpRequest) -> Result<(), Failure> {
    let state = state(request)?;
    let Some(id) = state.auth.far_key(header(request, &AUTHORIZATION)?) else {
        return Ok(());
    };
    let address = client::address(request, &state.trusted_proxies);
    state.limits.may_authenticate(address)?;
    let auth = state.auth.clone();
    let fetched = web::block(move || auth.fetch(&id)).await;
    let lost = |_| {
        crate::refusal::Refusal::new(api::Code::Internal, "Something went wrong in the server.")
    };
    let fetched = fetched.map_err(lost)?;
    Ok(fetched.inspect_err(|error| {
        if error.is_failed_attempt() {
            state.limits.failed_authentication(address);
        }
    })?)
}

/// Who sent this request.
pub(super) fn identify(request: &HttpRequest, access: Access) -> Result<Caller, Failure> {
    let state = state(request)?;
    let address = client::address(request, &state.trusted_proxies);
    state.limits.may_authenticate(address)?;
    let authorization = header(request, &AUTHORIZATION)?;
    let origin = header(request, &ORIGIN)?;
    let caller = match access {
        Access::Write => state.auth.authenticate(authorization, origin),
        Access::Read => state.auth.authenticate_read(authorization, origin),
    };
    let caller = caller.inspect_err(|error| {
        if error.is_failed_attempt() {
            state.limits.failed_authentication(address);
        }
    })?;
    request
        .extensions_mut()
        .insert(KeyId(caller.key.id.clone()));
    Ok(caller)
}

/// The state that the application was made with.
pub(super) fn state(request: &HttpRequest) -> Result<&web::Data<State>, Failure> {
    let missing = || {
        crate::refusal::Refusal::new(
            api::Code::Internal,
            "The application has no state; this is a bug.",
        )
    };
    request
        .app_data::<web::Data<State>>()
        .ok_or_else(|| Failure(missing()))
}

/// A header that comes once and is text. Two of them may be read differently by a proxy and by us.
fn header<'a>(request: &'a HttpRequest, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let mut values = request.headers().get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::CredentialsMalformed);
    }
    value
        .to_str()
        .map(Some)
        .map_err(|_| Error::CredentialsMalformed)
}
