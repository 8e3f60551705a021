//! `GET /v1/usage`.

use actix_web::{HttpResponse, web};
use api::Usage;

use super::super::State;
use super::super::allowance::AdmittedReader;
use super::super::problem::Failure;

/// Shows the caller's limits, use and budget.
#[utoipa::path(
    get,
    path = "/v1/usage",
    tag = "Usage",
    security(("bearer" = [])),
    responses((status = 200, description = "What may be used, and what is left", body = api::Usage)),
)]
pub(in crate::http) async fn show(
    admitted: AdmittedReader,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let caller = admitted.0.caller;
    let (limits, budget) = state.limits.usage(&caller)?;
    Ok(HttpResponse::Ok().json(Usage {
        key: caller.key.to_api(),
        limits,
        budget,
    }))
}
