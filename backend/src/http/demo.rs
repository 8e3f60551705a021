//! `serve --demo DIR`: a static page at `/` and a token for it, on this machine only.
//!
//! The page holds no key. `POST /demo/token` mints a token of five minutes for the page's own origin, from a key that
//! lives in this process and whose secret is never shown. Each start takes the same key again, with a new secret.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::{HOST, ORIGIN};
use actix_web::{HttpRequest, HttpResponse, web};
use api::{Code, KeyChange, KeyDraft, Scope, TokenRequest};

use super::problem::Failure;
use super::{State, drain};
use crate::auth::{Actor, Auth, Caller, Error};
use crate::refusal::Refusal;

/// By which the demo's key is found again.
const KEY_NAME: &str = "demo page (this machine)";
const TOKEN_SECONDS: u32 = 300;

/// The demo page and the caller that mints its tokens.
pub struct Demo {
    directory: PathBuf,
    caller: Caller,
    origins: Vec<String>,
}

impl Demo {
    /// Makes, or takes again, the demo's key for pages that this server serves at `address`.
    ///
    /// # Errors
    /// When the key store does not answer.
    pub fn open(auth: &Auth, directory: PathBuf, address: SocketAddr) -> Result<Self, Error> {
        let port = address.port();
        let mut origins = vec![
            format!("http://{address}"),
            format!("http://localhost:{port}"),
        ];
        origins.dedup();
        let keys = auth.keys();
        let known = keys
            .list()?
            .into_iter()
            .find(|key| key.name == KEY_NAME && key.revoked_at.is_none());
        let created = match known {
            Some(key) => {
                let change = KeyChange {
                    origins: Some(origins.clone()),
                    ..KeyChange::default()
                };
                keys.change(&Actor::Server, &key.id, &change)?;
                keys.rotate(&Actor::Server, &key.id, Duration::ZERO)?
            }
            None => {
                let draft = KeyDraft {
                    name: KEY_NAME.to_owned(),
                    scopes: vec![Scope::SummariesWrite, Scope::TokensWrite],
                    origins: origins.clone(),
                    tier: None,
                    safety: api::Safety::default(),
                    expires_at: None,
                };
                keys.create(&Actor::Server, &draft)?
            }
        };
        let caller = auth.authenticate(Some(&format!("Bearer {}", created.key)), None)?;
        Ok(Self {
            directory,
            caller,
            origins,
        })
    }

    pub(super) fn files(&self) -> PathBuf {
        self.directory.clone()
    }
}

/// Routes of the demo; none when it is not served.
pub(super) fn routes(config: &mut web::ServiceConfig, files: Option<PathBuf>) {
    let Some(directory) = files else { return };
    config
        .service(
            web::resource("/demo/token")
                .route(web::post().to(token))
                .default_service(web::to(|| super::routes::method_not_allowed("POST"))),
        )
        .service(
            actix_files::Files::new("/", directory)
                .index_file("index.html")
                .use_etag(true)
                .use_last_modified(true)
                .default_handler(web::to(super::routes::not_found)),
        );
}

/// A token for the page that asks, when it is ours.
async fn token(request: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Failure> {
    if state.drain.is_draining() {
        return Err(Failure(drain::refusal()));
    }
    super::routes::anonymous(&request)?;
    let demo = state
        .demo
        .as_ref()
        .ok_or_else(|| Refusal::new(Code::NotFound, "No such address."))?;
    let origin = own_origin(&request, &demo.origins)?;
    let scopes = vec![Scope::SummariesWrite];
    let request = TokenRequest {
        subject: None,
        origin,
        scopes,
        ttl_seconds: TOKEN_SECONDS,
        max_requests: None,
    };
    let token = state.auth.mint(&demo.caller, &request)?;
    Ok(HttpResponse::Ok().json(token))
}

/// The origin of the page, which must be the server's own. Another site's page has another `Origin`; a name that was
/// made to point at this machine (DNS rebinding) has another `Host`.
fn own_origin(request: &HttpRequest, origins: &[String]) -> Result<String, Refusal> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let host = text(HOST).map(|host| format!("http://{host}"));
    let refused = || {
        Refusal::new(
            Code::OriginRefused,
            "The demo gives tokens to its own page only.",
        )
    };
    let host = host
        .filter(|host| origins.contains(host))
        .ok_or_else(refused)?;
    match text(ORIGIN) {
        Some(origin) if origin == host => Ok(host),
        _ => Err(refused()),
    }
}
