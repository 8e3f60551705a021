//! `/admin`: the operator's page, its files, and what it asks.
//!
//! The page is made for this server and changes with it, so its addresses are not part of the contract: programs use
//! `/v1/admin/keys`.

mod session;
mod used;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use api::{EngineStatus, KeyChange, KeyDraft, KeyList};
use serde::{Deserialize, Serialize};

use super::super::body::small_json;
use super::super::operator::{LIVE, Operator};
use super::super::problem::Failure;
use super::super::{State, now};
use super::keys::stored;
use super::{anonymous, only, reads};
use crate::auth::{DEFAULT_OVERLAP, Entry, Keys, Whole};
use crate::telemetry::Levels;

/// Entries of the audit log on one page.
const ENTRIES: u32 = 50;
/// Batches that are listed at most.
const BATCHES: u32 = 50;

/// A file of the page, as it lies beside this one.
struct File {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

/// Every file that a browser loads. The tests hold their sum.
const FILES: [File; 5] = [
    File {
        path: "/admin",
        media_type: "text/html; charset=utf-8",
        text: include_str!("page/page.html"),
    },
    File {
        path: "/admin/page.css",
        media_type: "text/css; charset=utf-8",
        text: include_str!("page/page.css"),
    },
    File {
        path: "/admin/page.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/page.js"),
    },
    File {
        path: "/admin/words.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/words.js"),
    },
    File {
        path: "/admin/charts.js",
        media_type: "text/javascript; charset=utf-8",
        text: include_str!("page/charts.js"),
    },
];

/// The page and its addresses; none when it is not served.
pub(in crate::http) fn routes(config: &mut ServiceConfig, served: bool) {
    if !served {
        return;
    }
    for file in &FILES {
        let show = move |request: HttpRequest| async move { show(&request, file) };
        config.service(only(file.path, "GET, HEAD").route(reads().to(show)));
    }
    config
        .service(
            only("/admin/api/session", "GET, HEAD, POST, DELETE")
                .route(reads().to(session::show))
                .route(web::post().to(session::begin))
                .route(web::delete().to(session::end)),
        )
        .service(
            only("/admin/api/keys", "GET, HEAD, POST")
                .route(reads().to(list))
                .route(web::post().to(create)),
        )
        .service(
            only("/admin/api/keys/{id}", "PATCH, DELETE")
                .route(web::patch().to(change))
                .route(web::delete().to(revoke)),
        )
        .service(only("/admin/api/keys/{id}/rotate", "POST").route(web::post().to(rotate)))
        .service(only("/admin/api/audit", "GET, HEAD").route(reads().to(entries)))
        .service(only("/admin/api/audit/verify", "POST").route(web::post().to(verify)))
        .service(only("/admin/api/use", "GET, HEAD").route(reads().to(used::show)))
        .service(only(LIVE, "GET, HEAD").route(reads().to(live)));
}

fn show(request: &HttpRequest, file: &'static File) -> Result<HttpResponse, Failure> {
    anonymous(request)?;
    // Another version of the server has another page.
    Ok(HttpResponse::Ok()
        .content_type(file.media_type)
        .insert_header(("cache-control", "no-cache"))
        .body(file.text))
}

async fn list(_: Operator, state: web::Data<State>) -> Result<HttpResponse, Failure> {
    let keys = stored(&state, Keys::list).await?;
    Ok(HttpResponse::Ok().json(KeyList { keys }))
}

async fn create(
    operator: Operator,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let draft: KeyDraft = small_json(&request, payload, state.request_timeout).await?;
    let actor = operator.actor();
    let created = stored(&state, move |keys| keys.create(&actor, &draft)).await?;
    Ok(HttpResponse::Created().json(created))
}

async fn change(
    operator: Operator,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let change: KeyChange = small_json(&request, payload, state.request_timeout).await?;
    let actor = operator.actor();
    let changed = stored(&state, move |keys| keys.change(&actor, &id, &change)).await?;
    Ok(HttpResponse::Ok().json(changed))
}

async fn revoke(
    operator: Operator,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let actor = operator.actor();
    let revoked = stored(&state, move |keys| keys.revoke(&actor, &id)).await?;
    Ok(HttpResponse::Ok().json(revoked))
}

async fn rotate(
    operator: Operator,
    id: web::Path<String>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let actor = operator.actor();
    let rotated = stored(&state, move |keys| {
        keys.rotate(&actor, &id, DEFAULT_OVERLAP)
    })
    .await?;
    Ok(HttpResponse::Created().json(rotated))
}

/// Which part of the audit log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    /// Older than the entry with this number.
    before: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Entries {
    /// Newest first.
    entries: Vec<Line>,
    /// Whether there are older ones.
    more: bool,
}

/// An entry of the audit log as the page shows it.
#[derive(Debug, Serialize)]
struct Line {
    number: u64,
    at: u64,
    actor: String,
    act: String,
    subject: String,
    detail: serde_json::Value,
}

impl From<Entry> for Line {
    fn from(entry: Entry) -> Self {
        Self {
            detail: entry.read_detail(),
            number: entry.number,
            at: entry.at,
            actor: entry.actor,
            act: entry.act,
            subject: entry.subject,
        }
    }
}

async fn entries(
    _: Operator,
    query: web::Query<Before>,
    state: web::Data<State>,
) -> Result<HttpResponse, Failure> {
    let before = query.before;
    let found = stored(&state, move |keys| keys.newest_entries(before, ENTRIES)).await?;
    let more = found.last().is_some_and(|entry| entry.number > 1);
    let entries = found.into_iter().map(Line::from).collect();
    Ok(HttpResponse::Ok().json(Entries { entries, more }))
}

/// What `verify` found.
#[derive(Debug, Serialize)]
struct Verified {
    /// Entries that are whole, from the first on.
    number: u64,
    /// The newest one's digest, when all are.
    head: Option<String>,
    /// What is wrong with the next one.
    broken: Option<&'static str>,
}

async fn verify(_: Operator, state: web::Data<State>) -> Result<HttpResponse, Failure> {
    let found = stored(&state, |keys| keys.verify_log(None)).await?;
    Ok(HttpResponse::Ok().json(match found {
        Ok(Whole { number, digest }) => Verified {
            number,
            head: Some(digest),
            broken: None,
        },
        Err(broken) => {
            tracing::error!(%broken, "the audit log does not verify");
            Verified {
                number: broken.number.saturating_sub(1),
                head: None,
                broken: Some(broken.why),
            }
        }
    }))
}

/// What goes on in this server now.
#[derive(Debug, Serialize)]
struct Live {
    version: &'static str,
    up_seconds: u64,
    draining: bool,
    levels: Levels,
    engines: Vec<EngineStatus>,
    batches: Vec<RunningBatch>,
    refusals: Refusals,
}

#[derive(Debug, Serialize)]
struct RunningBatch {
    key: String,
    #[serde(flatten)]
    batch: api::Batch,
}

#[derive(Debug, Serialize)]
struct Refusals {
    /// The beginning of the first hour, Unix time in milliseconds.
    first_hour: u64,
    codes: Vec<RefusedCode>,
}

#[derive(Debug, Serialize)]
struct RefusedCode {
    code: api::Code,
    status: u16,
    title: &'static str,
    /// One count an hour, oldest first.
    counts: Vec<u64>,
}

async fn live(_: Operator, state: web::Data<State>) -> Result<HttpResponse, Failure> {
    let batches = state.batches.unfinished(BATCHES).await?;
    state.service.measure();
    let (first_hour, codes) = state.refusals.recent();
    let codes = codes.into_iter().map(|refused| RefusedCode {
        code: refused.code,
        status: refused.code.status(),
        title: refused.code.title(),
        counts: refused.counts,
    });
    let batches = batches
        .into_iter()
        .map(|(key, batch)| RunningBatch { key, batch });
    Ok(HttpResponse::Ok().json(Live {
        version: env!("CARGO_PKG_VERSION"),
        up_seconds: now().saturating_sub(state.started),
        draining: state.drain.is_draining(),
        levels: state.metrics.levels(),
        engines: super::health::engines(&state),
        batches: batches.collect(),
        refusals: Refusals {
            first_hour,
            codes: codes.collect(),
        },
    }))
}
