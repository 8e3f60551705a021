//! The table of routes, and what is answered where there is none.

pub(super) mod admin;
pub(super) mod batches;
pub(super) mod chat;
pub(super) mod docs;
pub(super) mod health;
pub(super) mod infer;
pub(super) mod keys;
pub(super) mod openapi;
pub(super) mod summaries;
pub(super) mod tokens;
pub(super) mod usage;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use api::Code;

use super::caller::state;
use super::client;
use super::problem::{self, Failure};
use crate::refusal::Refusal;
use crate::telemetry::Route;

/// What callers use.
pub(super) fn v1(config: &mut ServiceConfig) {
    config
        .service(only("/v1/summaries", "POST").route(web::post().to(summaries::create)))
        .service(
            only("/v1/batches", "GET, HEAD, POST")
                .route(reads().to(batches::list))
                .route(web::post().to(batches::create)),
        )
        .service(
            only("/v1/batches/{id}", "GET, HEAD, DELETE")
                .route(reads().to(batches::show))
                .route(web::delete().to(batches::cancel)),
        )
        .service(only("/v1/batches/{id}/results", "GET, HEAD").route(reads().to(batches::results)))
        .service(only("/v1/chat/completions", "POST").route(web::post().to(chat::create)))
        .service(only("/v1/models", "GET, HEAD").route(reads().to(chat::models)))
        // The name of a model on the hub has a slash.
        .service(only("/v1/models/{id:.+}", "GET, HEAD").route(reads().to(chat::model)))
        .service(only("/v1/multimodal/completion", "POST").route(web::post().to(infer::multimodal)))
        .service(only("/infer", "POST").route(web::post().to(infer::infer)))
        .service(only("/api/v1/inference", "POST").route(web::post().to(infer::inference)))
        .service(only("/v1/tokens", "POST").route(web::post().to(tokens::create)))
        .service(only("/v1/usage", "GET, HEAD").route(reads().to(usage::show)))
        .service(
            only("/v1/admin/keys", "GET, HEAD, POST")
                .route(reads().to(keys::list))
                .route(web::post().to(keys::create)),
        )
        .service(
            only("/v1/admin/keys/{id}", "GET, HEAD, PATCH, DELETE")
                .route(reads().to(keys::show))
                .route(web::patch().to(keys::change))
                .route(web::delete().to(keys::revoke)),
        )
        .service(only("/v1/admin/keys/{id}/rotate", "POST").route(web::post().to(keys::rotate)));
}

/// What orchestrators use.
pub(super) fn operations(config: &mut ServiceConfig) {
    config
        .service(only("/healthz", "GET, HEAD").route(reads().to(health::live)))
        .service(only("/readyz", "GET, HEAD").route(reads().to(health::ready)));
}

/// What people read.
pub(super) fn documentation(config: &mut ServiceConfig) {
    config
        .service(only("/openapi.json", "GET, HEAD").route(reads().to(openapi::show)))
        .service(only("/docs", "GET, HEAD").route(reads().to(docs::reference)))
        .service(only("/docs/errors", "GET, HEAD").route(reads().to(docs::errors)))
        .service(only("/docs/style.css", "GET, HEAD").route(reads().to(docs::style)));
}

/// An address with its methods; any other method is refused and told them.
fn only(path: &str, methods: &'static str) -> Resource {
    web::resource(path.to_owned()).default_service(web::to(move || method_not_allowed(methods)))
}

fn reads() -> actix_web::Route {
    let get_or_head = actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head());
    web::route().guard(get_or_head)
}

/// 405, with the methods that the address has.
pub(super) async fn method_not_allowed(methods: &'static str) -> HttpResponse {
    let detail = format!("This address has {methods}.");
    problem::response(Refusal::new(Code::MethodNotAllowed, detail).allow(methods))
}

/// 404.
pub(super) async fn not_found(request: HttpRequest) -> Result<HttpResponse, Failure> {
    anonymous(&request)?;
    let methods_of_files = [Method::GET, Method::HEAD];
    let detail = if methods_of_files.contains(request.method()) {
        "There is nothing at this address; the addresses are in /docs."
    } else {
        "There is nothing at this address for this method; the addresses are in /docs."
    };
    Err(Failure(Refusal::new(Code::NotFound, detail)))
}

/// Counts a request without credentials against its address.
pub(super) fn anonymous(request: &HttpRequest) -> Result<(), Failure> {
    let state = state(request)?;
    Ok(state
        .limits
        .anonymous(client::address(request, &state.trusted_proxies))?)
}

/// Which row of the table an address belongs to, for the log and the numbers.
pub(super) fn kind(path: &str) -> Route {
    match path {
        "/v1/summaries" => Route::Summaries,
        "/v1/chat/completions" | "/v1/models" => Route::Chat,
        // Not here; but who asks reads OpenAI's errors.
        "/v1/completions" | "/v1/embeddings" | "/v1/responses" | "/v1/moderations" => Route::Chat,
        _ if path.starts_with("/v1/models/") => Route::Chat,
        "/v1/multimodal/completion" | "/infer" | "/api/v1/inference" => Route::Infer,
        "/v1/tokens" => Route::Tokens,
        "/v1/usage" => Route::Usage,
        "/healthz" => Route::Health,
        "/readyz" => Route::Ready,
        "/metrics" => Route::Metrics,
        "/openapi.json" => Route::OpenApi,
        "/docs" | "/docs/errors" | "/docs/style.css" => Route::Docs,
        "/admin" | "/admin/page.css" | "/admin/page.js" | "/admin/words.js"
        | "/admin/charts.js" => Route::Admin,
        _ if path.starts_with("/admin/") => Route::AdminApi,
        _ if path == "/v1/batches" || path.starts_with("/v1/batches/") => Route::Batches,
        _ if path == "/v1/admin/keys" || path.starts_with("/v1/admin/keys/") => Route::Keys,
        _ if path.starts_with("/v1/") || path.starts_with("/demo/") => Route::Other,
        _ => Route::Files,
    }
}
