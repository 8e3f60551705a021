//! `/v1/batches`.

use actix_web::{HttpRequest, HttpResponse, web};
use api::limits::MAX_LISTED_BATCHES;
use api::{Code, Scope};
use serde::Deserialize;

use super::super::State;
use super::super::allowance::{Admitted, AdmittedReader};
use super::super::body::json_bytes;
use super::super::problem::Failure;
use super::summaries::idempotency_key;
use crate::auth::Caller;
use crate::refusal::Refusal;

/// Takes many requests at once and answers them in their own time.
///
/// A batch is accepted whole or not at all, and survives a restart of the server. Items are answered behind all people's
/// requests. With `Idempotency-Key` the same body gives the same batch as long as the batch is kept.
#[utoipa::path(
    post,
    path = "/v1/batches",
    tag = "Batches",
    security(("bearer" = ["batches:write"])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*$",
         description = "1 to 255 printable characters; the same body with \
         the same key is accepted once")),
    request_body = api::BatchRequest,
    responses(
        (status = 201, description = "The batch; the header `Location` has its address", body = api::Batch),
        (status = 200, description = "The batch that this idempotency key has made before", body = api::Batch),
    ),
)]
pub(in crate::http) async fn create(
    admitted: Admitted,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.caller.require(Scope::BatchesWrite)?;
    let idempotency_key = idempotency_key(&request)?;
    let batches = &state.batches;
    // Bodies are large: few at a time are in memory.
    let turn = tokio::time::timeout(state.request_timeout, batches.turn()).await;
    let _turn = turn.map_err(|_| {
        Refusal::new(
            Code::Overloaded,
            "Other batches are being read; send it again shortly.",
        )
        .retry_after(std::time::Duration::from_secs(5))
    })?;
    let body = json_bytes(
        &request,
        payload,
        state.request_timeout,
        batches.max_body_bytes(),
    )
    .await?;
    let accepted = batches
        .accept(&admitted.caller, &body, idempotency_key)
        .await?;
    let mut response = if accepted.replayed {
        let mut response = HttpResponse::Ok();
        response.insert_header(("idempotency-replayed", "true"));
        response
    } else {
        HttpResponse::Created()
    };
    response.insert_header(("location", format!("/v1/batches/{}", accepted.batch.id)));
    Ok(response.json(accepted.batch))
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<String>,
    limit: Option<u32>,
}

/// Lists the key's batches.
#[utoipa::path(
    get,
    path = "/v1/batches",
    tag = "Batches",
    security(("bearer" = ["batches:write"])),
    params(
        ("before" = Option<String>, Query, description = "Only batches that are older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "How many, 1 to 100; 20 when absent"),
    ),
    responses((status = 200, description = "The key's batches, newest first", body = api::BatchList)),
)]
pub(in crate::http) async fn list(
    admitted: AdmittedReader,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let caller = reader(&admitted)?;
    let page: Page = query(&request)?;
    let limit = page.limit.unwrap_or(20);
    if !(1..=MAX_LISTED_BATCHES).contains(&limit) {
        let detail = format!("`limit` must be 1 to {MAX_LISTED_BATCHES}");
        return Err(Refusal::new(Code::InvalidField, detail)
            .field("limit")
            .limit(MAX_LISTED_BATCHES.into())
            .into());
    }
    Ok(HttpResponse::Ok().json(state.batches.list(caller, page.before, limit).await?))
}

/// Shows where a batch stands.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}",
    tag = "Batches",
    security(("bearer" = ["batches:write"])),
    params(("id" = String, Path, description = "The batch's id")),
    responses((status = 200, description = "The batch", body = api::Batch)),
)]
pub(in crate::http) async fn show(
    admitted: AdmittedReader,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(state.batches.show(reader(&admitted)?, &id).await?))
}

/// Cancels a running batch, or removes one that is over with its results.
///
/// Items that were done keep their results; what they cost stays counted, and nothing else does.
#[utoipa::path(
    delete,
    path = "/v1/batches/{id}",
    tag = "Batches",
    security(("bearer" = ["batches:write"])),
    params(("id" = String, Path, description = "The batch's id")),
    responses((status = 200, description = "The batch as it is now, or was", body = api::Batch)),
)]
pub(in crate::http) async fn cancel(
    admitted: Admitted,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    admitted.caller.require(Scope::BatchesWrite)?;
    Ok(HttpResponse::Ok().json(state.batches.cancel(&admitted.caller, &id).await?))
}

/// Whether a part will do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    partial: bool,
}

/// Gives the results: one line of JSON per item, in the order of the items.
#[utoipa::path(
    get,
    path = "/v1/batches/{id}/results",
    tag = "Batches",
    security(("bearer" = ["batches:write"])),
    params(
        ("id" = String, Path, description = "The batch's id"),
        ("partial" = Option<bool>, Query, description = "Give what is done of a batch that still runs"),
    ),
    responses((status = 200, description = "A line for each item", content((api::BatchResult = "application/jsonl")))),
)]
pub(in crate::http) async fn results(
    admitted: AdmittedReader,
    id: web::Path<String>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let which: Which = query(&request)?;
    let pages = state
        .batches
        .results(reader(&admitted)?, &id, which.partial)
        .await?;
    Ok(HttpResponse::Ok()
        .content_type("application/jsonl")
        .streaming(pages))
}

fn reader(admitted: &AdmittedReader) -> Result<&Caller, Failure> {
    let caller = &admitted.0.caller;
    caller.require(Scope::BatchesWrite)?;
    Ok(caller)
}

fn query<T: serde::de::DeserializeOwned>(request: &HttpRequest) -> Result<T, Failure> {
    let read = web::Query::<T>::from_query(request.query_string());
    read.map(web::Query::into_inner).map_err(|_| {
        let detail =
            "A parameter of the address is unknown or has a wrong value; /docs lists them.";
        Refusal::new(Code::InvalidField, detail)
            .field("query")
            .into()
    })
}
