//! Headers that make a browser careful.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::Route;

/// An answer that is data: nothing in it may ever run or be framed.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
/// Our own pages: one stylesheet, no script.
const PAGE: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                    frame-ancestors 'none'";
/// The operator's page: its own scripts, no text that becomes markup or script.
const ADMIN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                     trusted-types 'none'";
/// The demo: its own scripts and the module that they instantiate.
const DEMO: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; \
                    style-src 'self' 'unsafe-inline'; worker-src 'self'; connect-src 'self'; base-uri 'none'; \
                    object-src 'none'; form-action 'none'; frame-ancestors 'none'";

/// Sets what every answer of a kind of route carries.
pub(super) fn secure(headers: &mut HeaderMap, route: Route, is_problem: bool, https: bool) {
    let page = matches!(
        route,
        Route::Files | Route::Docs | Route::OpenApi | Route::Admin
    ) && !is_problem;
    let policy = match route {
        Route::Docs if page => PAGE,
        Route::Files if page => DEMO,
        Route::Admin if page => ADMIN,
        _ => DATA,
    };
    set(headers, "content-security-policy", policy);
    set(headers, "x-content-type-options", "nosniff");
    set(headers, "x-frame-options", "DENY");
    set(headers, "referrer-policy", "no-referrer");
    set(headers, "cross-origin-opener-policy", "same-origin");
    if https {
        set(headers, "strict-transport-security", "max-age=31536000");
    }
    if !page && !headers.contains_key("cache-control") {
        set(headers, "cache-control", "no-store");
    }
}

/// Sets one header; a value that is no header value is left out.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
