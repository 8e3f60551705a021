//! The operator's page to a session: its cookie, its word against forged requests, and the page's own origin.
//!
//! A browser sends a cookie along with requests that other pages make. So a request counts only when the browser says that
//! it comes from this server's own page (`Sec-Fetch-Site`, or `Origin` where that is not sent), when it carries the
//! cookie (`SameSite=Strict`), and, if it changes something, when it carries the session's word, which no other page can
//! read. The table of these is OWASP's "Cross-Site Request Forgery Prevention", defence in depth.

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use api::Code;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;

use super::caller::{KeyId, state};
use super::problem::Failure;
use super::{body, client};
use crate::auth::{Actor, Error, KeyRecord, Presence, Session};
use crate::refusal::Refusal;

/// The cookie's name.
const COOKIE_NAME: &str = "smart_summary_admin";
/// The header with the session's word.
const TOKEN: &str = "x-csrf-token";
/// What a page asks again and again by itself; it does not keep a session alive.
pub(super) const LIVE: &str = "/admin/api/now";

/// Whoever sits before the operator's page.
pub(super) struct Operator {
    pub(super) session: Session,
    pub(super) key: Arc<KeyRecord>,
    pub(super) cookie: String,
}

impl Operator {
    /// Whose acts these are, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        Actor::Key(self.key.id.clone())
    }
}

impl FromRequest for Operator {
    type Error = Failure;
    type Future = LocalBoxFuture<'static, Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request).await })
    }
}

async fn identify(request: &HttpRequest) -> Result<Operator, Failure> {
    own_page(request)?;
    let found = session(request).await;
    if found.is_err() {
        // Whoever has no session is a caller without credentials.
        super::routes::anonymous(request)?;
    }
    let operator = found?;
    if !is_read(request) && !token(request).is_some_and(|token| operator.session.knows(token)) {
        return Err(forged("Send the session's word in `X-CSRF-Token`."));
    }
    request
        .extensions_mut()
        .insert(KeyId(operator.key.id.clone()));
    Ok(operator)
}

/// Whoever sits before the page, or `None` for a browser that was never signed in here: that is no refusal.
pub(super) async fn whoever(request: &HttpRequest) -> Result<Option<Operator>, Failure> {
    own_page(request)?;
    if cookies(request.headers()).next().is_none() {
        super::routes::anonymous(request)?;
        return Ok(None);
    }
    identify(request).await.map(Some)
}

async fn session(request: &HttpRequest) -> Result<Operator, Failure> {
    let state = state(request)?;
    let cookie = cookie(request.headers()).ok_or(Error::SessionOver)?;
    let presence = if request.path() == LIVE {
        Presence::Page
    } else {
        Presence::Operator
    };
    let (auth, shown) = (state.auth.clone(), cookie.clone());
    let (session, key) = body::blocking(move || auth.session(&shown, presence)).await??;
    Ok(Operator {
        session,
        key,
        cookie,
    })
}

/// Refuses what a browser sends for another page.
///
/// # Errors
/// 403 `origin_refused`.
pub(super) fn own_page(request: &HttpRequest) -> Result<(), Failure> {
    let text = |name: HeaderName| one(request.headers(), &name);
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let origin = text(ORIGIN).map(|origin| {
        let host = text(HOST).unwrap_or_default();
        let served = ["http://", "https://"].map(|scheme| format!("{scheme}{host}"));
        !host.is_empty() && served.iter().any(|served| served == origin)
    });
    let own = match (site, origin) {
        (Some(site), origin) => site == "same-origin" && origin != Some(false),
        (None, Some(own)) => own,
        // Over HTTP to another machine a browser says nothing of a GET: it changes nothing, and no other page reads it.
        (None, None) => is_read(request),
    };
    if own {
        Ok(())
    } else {
        Err(forged(
            "The operator's page answers to itself only; open /admin in a browser.",
        ))
    }
}

fn is_read(request: &HttpRequest) -> bool {
    [Method::GET, Method::HEAD].contains(request.method())
}

fn forged(detail: &str) -> Failure {
    Failure(Refusal::new(Code::OriginRefused, detail))
}

fn token(request: &HttpRequest) -> Option<&str> {
    one(request.headers(), &HeaderName::from_static(TOKEN))
}

/// A header that comes once and is text.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The session's cookie. Two of them are none: one was set by somebody else, a page on a neighbouring name for instance.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let mut found = cookies(headers);
    let value = found.next()?;
    found.next().is_none().then(|| value.to_owned())
}

/// The values of every cookie with the session's name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers
        .get_all(COOKIE)
        .filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// `Set-Cookie` of a session that lasts `seconds` at most; 0 ends it. A script cannot read it, another site's page cannot
/// send it, and over TLS it is never sent without.
pub(super) fn set_cookie(request: &HttpRequest, value: &str, seconds: u64) -> String {
    let trusted = state(request).map(|state| client::is_secure(request, &state.trusted_proxies));
    let secure = if trusted.unwrap_or(false) {
        "; Secure"
    } else {
        ""
    };
    format!(
        "{COOKIE_NAME}={value}; Path=/admin; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[track_caller]
    fn check(headers: &[(&str, &str)], own: bool) {
        let mut request = TestRequest::post();
        for header in headers {
            request = request.append_header(*header);
        }
        let found = own_page(&request.to_http_request()).is_ok();
        assert_eq!(found, own, "{headers:?}");
    }

    #[test]
    fn only_the_page_itself_is_answered() {
        let host = ("host", "a.example");
        check(&[host, ("sec-fetch-site", "same-origin")], true);
        check(&[host, ("origin", "https://a.example")], true);
        for site in ["same-site", "cross-site", "none", ""] {
            check(&[host, ("sec-fetch-site", site)], false);
            check(
                &[
                    host,
                    ("sec-fetch-site", site),
                    ("origin", "https://a.example"),
                ],
                false,
            );
        }
        for origin in [
            "null",
            "https://b.example",
            "https://a.example:444",
            "a.example",
            "",
        ] {
            check(&[host, ("origin", origin)], false);
            check(
                &[host, ("sec-fetch-site", "same-origin"), ("origin", origin)],
                false,
            );
        }
        check(&[host], false);
        assert!(own_page(&TestRequest::get().to_http_request()).is_ok());
        check(&[("host", ""), ("origin", "https://")], false);
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let cookies = |texts: &[&str]| {
            let mut request = TestRequest::get();
            for text in texts {
                request = request.append_header(("cookie", *text));
            }
            cookie(request.to_http_request().headers())
        };
        assert_eq!(
            cookies(&["a=b; smart_summary_admin=x"]).as_deref(),
            Some("x")
        );
        assert_eq!(
            cookies(&["smart_summary_admin=x; smart_summary_admin=y"]),
            None
        );
        assert_eq!(
            cookies(&["smart_summary_admin=x", "smart_summary_admin=y"]),
            None
        );
        assert_eq!(cookies(&["smart_summary_admin2=x"]), None);
        assert_eq!(cookies(&[]), None);
    }
}
