//! `POST /v1/tokens`.

use actix_web::{HttpRequest, HttpResponse, web};
use api::{Scope, TokenRequest};

use super::super::State;
use super::super::allowance::Admitted;
use super::super::body::small_json;
use super::super::problem::Failure;

/// Makes a short-lived token for one page of the site.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    tag = "Tokens",
    security(("bearer" = ["tokens:write"])),
    request_body = api::TokenRequest,
    responses((status = 201, description = "The token", body = api::TokenCreated)),
)]
pub(in crate::http) async fn create(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.caller.require_key()?;
    admitted.caller.require(Scope::TokensWrite)?;
    let asked: TokenRequest = small_json(&request, payload, state.request_timeout).await?;
    Ok(HttpResponse::Created().json(state.auth.mint(&admitted.caller, &asked)?))
}
