//! `/healthz` and `/readyz`.

use actix_web::{HttpResponse, web};
use api::{EngineStatus, Health, Readiness};

use super::super::State;
use super::super::problem::Own;

/// Tells that the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operations",
    responses((status = 200, description = "It does", body = api::Health)),
)]
pub(in crate::http) async fn live() -> HttpResponse {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    HttpResponse::Ok().json(Health {
        status: "ok".to_owned(),
        version,
    })
}

/// Tells whether a summary can be had now.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Operations",
    responses(
        (status = 200, description = "It can", body = api::Readiness),
        (status = 503, description = "It cannot: the engine that `auto` means or the model is not ready, the key store does not answer, or the server stops",
         body = api::Readiness),
    ),
)]
pub(in crate::http) async fn ready(state: web::Data<State>) -> HttpResponse {
    let engines = engines(&state);
    let ready = !state.drain.is_draining() && state.auth.ready() && state.service.engines().ready();
    let mut answer = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    let mut answer = answer.json(Readiness { ready, engines });
    answer.extensions_mut().insert(Own);
    answer
}

/// Every engine and how it is.
pub(super) fn engines(state: &State) -> Vec<EngineStatus> {
    let engines = state.service.engines().iter();
    let status = engines.map(|engine| EngineStatus {
        engine: engine.name(),
        model: engine.model().to_owned(),
        ready: engine.ready(),
        sees_images: engine.sees_images(),
    });
    status.collect()
}
