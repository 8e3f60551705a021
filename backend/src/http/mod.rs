//! Bytes on a socket to typed requests, and answers back. The only room that knows actix.
//!
//! [`app`] has the order in which a request passes and the table of routes.

mod allowance;
mod body;
mod caller;
mod chat_stream;
mod client;
mod conversation;
mod cors;
pub mod demo;
mod door;
#[cfg(feature = "testing")]
pub mod doors;
mod drain;
mod headers;
mod operator;
mod problem;
mod request_id;
mod routes;
mod server;
mod sse;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use ipnet::IpNet;

pub use self::drain::Drain;
pub use self::routes::chat::now;
pub use self::routes::openapi::document;
pub use self::server::{Addresses, Stop, serve};
use crate::auth::Auth;
use crate::batches::Batches;
use crate::intake::Reader;
use crate::limits::Limits;
use crate::service::{Idempotency, Service};
use crate::telemetry::{Metrics, Refusals};

/// What every route may use.
pub struct State {
    /// Who asks.
    pub auth: Arc<Auth>,
    /// How much.
    pub limits: Arc<Limits>,
    /// Bodies to requests.
    pub reader: Reader,
    /// Requests to summaries.
    pub service: Service,
    /// Many requests at once.
    pub batches: Batches,
    /// Requests that were answered before.
    pub idempotency: Idempotency,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// What was refused in the last hours.
    pub refusals: Refusals,
    /// Whether the server is stopping.
    pub drain: Drain,
    /// How long a body may take to arrive.
    pub request_timeout: Duration,
    /// When the server started, in seconds since 1970.
    pub started: u64,
    /// Proxies whose word on the caller's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the operator's page is served.
    pub admin_page: bool,
    /// The demo page, when it is served.
    pub demo: Option<demo::Demo>,
}

/// The application: what a request passes, in order, and where it goes.
pub fn app(
    state: web::Data<State>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let files = state.demo.as_ref().map(demo::Demo::files);
    let admin = state.admin_page;
    let app = App::new()
        .app_data(state)
        .configure(routes::v1)
        .configure(routes::operations)
        .configure(routes::documentation)
        .configure(|config| routes::admin::routes(config, admin))
        .configure(|config| demo::routes(config, files))
        .default_service(web::to(routes::not_found));
    // The last one is met first: id, log, headers and problems are the door's; a panic behind it is contained.
    app.wrap(from_fn(door::contain_panics))
        .wrap(from_fn(door::pass))
}
