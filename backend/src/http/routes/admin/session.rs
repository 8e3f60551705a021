//! `/admin/api/session`: coming, looking, leaving.

use actix_web::http::header::SET_COOKIE;
use actix_web::{HttpRequest, HttpResponse, web};
use api::Key;
use serde::{Deserialize, Serialize};

use super::super::super::State;
use super::super::super::body::{blocking, small_json};
use super::super::super::client;
use super::super::super::operator::{self, Operator, own_page, set_cookie};
use super::super::super::problem::Failure;
use crate::auth::{Error, KeyRecord, Session};
use crate::limits::TierQuotas;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    /// An API key with the scope `admin`.
    key: String,
}

/// What the page must know of its session and of the server.
#[derive(Debug, Serialize)]
struct Seen {
    /// The key that opened it.
    key: Key,
    /// For the header `X-CSRF-Token`.
    token: String,
    /// How long it may be left alone.
    idle_seconds: u64,
    /// When it is over in any case.
    ends_in_seconds: u64,
    version: &'static str,
    /// What a key may do.
    scopes: Vec<api::Scope>,
    /// Which quotas a key may have.
    tiers: Vec<TierQuotas>,
}

impl Seen {
    fn new(state: &State, session: Session, key: &KeyRecord) -> Self {
        Self {
            key: key.to_api(),
            token: session.token,
            idle_seconds: session.idle.as_secs(),
            ends_in_seconds: session.ends_in.as_secs(),
            version: env!("CARGO_PKG_VERSION"),
            scopes: api::Scope::ALL.to_vec(),
            tiers: state.limits.tiers(),
        }
    }
}

/// What a page asks first: 204 where nobody has signed in yet.
pub(super) async fn show(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let Some(operator) = operator::whoever(&request).await? else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let seen = Seen::new(&state, operator.session, &operator.key);
    Ok(HttpResponse::Ok().json(seen))
}

/// An admin key for a cookie. Wrong keys count against their address, as everywhere.
pub(super) async fn begin(
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    own_page(&request)?;
    let address = client::address(&request, &state.trusted_proxies);
    state.limits.may_authenticate(address)?;
    state.limits.anonymous(address)?;
    let shown: Shown = small_json(&request, payload, state.request_timeout).await?;
    let auth = state.auth.clone();
    let begun = blocking(move || {
        let new = auth.begin_session(shown.key.trim())?;
        let (_, key) = auth.session(&new.cookie, crate::auth::Presence::Operator)?;
        Ok::<_, Error>((new, key))
    })
    .await?;
    let (new, key) = begun.inspect_err(|error| {
        if error.is_failed_attempt() {
            state.limits.failed_authentication(address);
        }
    })?;
    let cookie = set_cookie(&request, &new.cookie, new.session.ends_in.as_secs());
    Ok(HttpResponse::Ok()
        .insert_header((SET_COOKIE, cookie))
        .json(Seen::new(&state, new.session, &key)))
}

pub(super) async fn end(
    operator: Operator,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let auth = state.auth.clone();
    let (cookie, key) = (operator.cookie, operator.key.id.clone());
    blocking(move || auth.end_session(&cookie, &key)).await??;
    Ok(HttpResponse::NoContent()
        .insert_header((SET_COOKIE, set_cookie(&request, "", 0)))
        .finish())
}
