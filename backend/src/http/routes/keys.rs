//! `/v1/admin/keys`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use api::{KeyChange, KeyDraft, KeyList, Scope};

use super::super::State;
use super::super::allowance::Admitted;
use super::super::body::{blocking, small_json};
use super::super::problem::Failure;
use crate::auth::{Actor, DEFAULT_OVERLAP, Error, Keys};

/// Lists every key.
#[utoipa::path(
    get,
    path = "/v1/admin/keys",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Every key, newest first", body = api::KeyList)),
)]
pub(in crate::http) async fn list(
    admitted: Admitted,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let keys = as_admin(&admitted, &state, Keys::list).await?;
    Ok(HttpResponse::Ok().json(KeyList { keys }))
}

/// Makes a key. Its text is shown here and never again.
#[utoipa::path(
    post,
    path = "/v1/admin/keys",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    request_body = api::KeyDraft,
    responses((status = 201, description = "The key", body = api::KeyCreated)),
)]
pub(in crate::http) async fn create(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    require_admin(&admitted)?;
    let draft: KeyDraft = small_json(&request, payload, state.request_timeout).await?;
    let actor = actor(&admitted);
    let created = as_admin(&admitted, &state, move |keys| keys.create(&actor, &draft)).await?;
    Ok(HttpResponse::Created().json(created))
}

/// Shows one key.
#[utoipa::path(
    get,
    path = "/v1/admin/keys/{id}",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The key's public part")),
    responses((status = 200, description = "The key, without its secret", body = api::Key)),
)]
pub(in crate::http) async fn show(
    admitted: Admitted,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(as_admin(&admitted, &state, move |keys| keys.get(&id)).await?))
}

/// Changes a key; what is absent stays.
#[utoipa::path(
    patch,
    path = "/v1/admin/keys/{id}",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The key's public part")),
    request_body = api::KeyChange,
    responses((status = 200, description = "The key as it is now", body = api::Key)),
)]
pub(in crate::http) async fn change(
    admitted: Admitted,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    require_admin(&admitted)?;
    let change: KeyChange = small_json(&request, payload, state.request_timeout).await?;
    let actor = actor(&admitted);
    let changed = as_admin(&admitted, &state, move |keys| {
        keys.change(&actor, &id, &change)
    })
    .await?;
    Ok(HttpResponse::Ok().json(changed))
}

/// Withdraws a key, and with it its tokens.
#[utoipa::path(
    delete,
    path = "/v1/admin/keys/{id}",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The key's public part")),
    responses((status = 200, description = "The key, revoked", body = api::Key)),
)]
pub(in crate::http) async fn revoke(
    admitted: Admitted,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let actor = actor(&admitted);
    let revoked = as_admin(&admitted, &state, move |keys| keys.revoke(&actor, &id)).await?;
    Ok(HttpResponse::Ok().json(revoked))
}

/// Gives a key another secret; the present one works for a day longer.
#[utoipa::path(
    post,
    path = "/v1/admin/keys/{id}/rotate",
    tag = "Keys",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "The key's public part")),
    responses((status = 201, description = "The key with its new secret", body = api::KeyCreated)),
)]
pub(in crate::http) async fn rotate(
    admitted: Admitted,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let actor = actor(&admitted);
    let created = as_admin(&admitted, &state, move |keys| {
        keys.rotate(&actor, &id, DEFAULT_OVERLAP)
    })
    .await?;
    Ok(HttpResponse::Created().json(created))
}

/// Whose act it is, for the audit log.
fn actor(admitted: &Admitted) -> Actor {
    Actor::Key(admitted.caller.key.id.clone())
}

fn require_admin(admitted: &Admitted) -> Result<(), Error> {
    admitted.caller.require_key()?;
    admitted.caller.require(Scope::Admin)
}

async fn as_admin<T: Send + 'static>(
    admitted: &Admitted,
    state: &State,
    work: impl FnOnce(&Keys) -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    require_admin(admitted)?;
    stored(state, work).await
}

/// The store writes and syncs: never on a thread that serves connections.
pub(super) async fn stored<T: Send + 'static>(
    state: &State,
    work: impl FnOnce(&Keys) -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let keys = Arc::clone(state.auth.keys());
    Ok(blocking(move || work(&keys)).await??)
}
