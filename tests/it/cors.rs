//! Requests from pages: CORS, and the headers that protect a browser.

use api::Code;
use serde_json::json;

use crate::check::{fresh, refused, secured};
use crate::client::Answer;
use crate::server::shared;

const PAGE: &str = "https://cors.example";

/// A key whose pages may call.
fn key() -> String {
    shared().key_with(json!({ "origins": [PAGE] }))
}

fn preflight(origin: &str) -> Answer {
    shared()
        .request("OPTIONS", "/v1/summaries")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type,idempotency-key,accept",
        )
        .send()
}

fn varies(answer: &Answer, on: &str) -> bool {
    let all: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("Vary"))
        .map(|(_, value)| value.as_str())
        .collect();
    all.join(",").to_lowercase().contains(&on.to_lowercase())
}

#[test]
fn a_page_of_a_key_may_ask_before_it_calls() {
    key();
    let answer = preflight(PAGE);
    assert!(
        [200, 204].contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(PAGE));
    let methods = answer.header("Access-Control-Allow-Methods").unwrap();
    assert!(methods.contains("POST"), "{methods}");
    let headers = answer
        .header("Access-Control-Allow-Headers")
        .unwrap()
        .to_lowercase();
    for name in ["authorization", "content-type", "idempotency-key"] {
        assert!(headers.contains(name), "{name} is not in {headers}");
    }
    assert!(answer.header("Access-Control-Max-Age").is_some());
    assert_eq!(
        answer.header("Access-Control-Allow-Credentials"),
        None,
        "no cookies here"
    );
    assert!(varies(&answer, "Origin"));
}

#[test]
fn a_page_of_nobody_is_not_allowed() {
    for origin in [
        "https://evil.example",
        "null",
        "https://cors.example.evil.example",
        "http://cors.example",
    ] {
        let answer = preflight(origin);
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            None,
            "{origin}"
        );
        assert!(varies(&answer, "Origin"), "{origin}");
    }
}

#[test]
fn an_answer_to_a_page_names_the_page_and_shows_its_headers() {
    let request = shared()
        .post("/v1/summaries")
        .bearer(&key())
        .header("Origin", PAGE);
    let answer = request.json(&fresh("Bread.")).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(PAGE));
    assert!(varies(&answer, "Origin"));
    let exposed = answer
        .header("Access-Control-Expose-Headers")
        .unwrap()
        .to_lowercase();
    for name in [
        "x-request-id",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "idempotency-replayed",
    ] {
        assert!(
            exposed.split(',').any(|one| one.trim() == name),
            "{name} is not in {exposed}"
        );
    }
}

#[test]
fn a_page_may_read_why_it_was_refused() {
    let request = shared()
        .post("/v1/summaries")
        .bearer(&key())
        .header("Origin", PAGE);
    let answer = request.json(&json!({})).send();
    refused(&answer, Code::NothingToRead);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(PAGE));
    // Without valid credentials too, or a page could not tell an expired token from a broken network.
    let answer = shared()
        .post("/v1/summaries")
        .bearer("ss_live_x")
        .header("Origin", PAGE)
        .json(&json!({}))
        .send();
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("Access-Control-Allow-Origin"),
        Some(PAGE),
        "{}",
        answer.text()
    );
}

#[test]
fn a_stream_is_for_pages_too() {
    let request = shared()
        .post("/v1/summaries")
        .bearer(&key())
        .header("Origin", PAGE)
        .events();
    let stream = request.json(&fresh("Bread.")).open();
    assert_eq!(stream.header("Access-Control-Allow-Origin"), Some(PAGE));
    assert_eq!(stream.header("X-Content-Type-Options"), Some("nosniff"));
}

#[test]
fn a_refused_page_gets_no_permission() {
    let request = shared()
        .post("/v1/summaries")
        .bearer(&key())
        .header("Origin", "https://evil.example");
    let answer = request.json(&fresh("Bread.")).send();
    refused(&answer, Code::OriginRefused);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), None);
}

#[test]
fn a_revoked_keys_pages_lose_their_permission() {
    let origin = "https://revoked.example";
    let (id, _) = shared()
        .new_key(&json!({ "name": "gone", "scopes": ["summaries:write"], "origins": [origin] }));
    assert_eq!(
        preflight(origin).header("Access-Control-Allow-Origin"),
        Some(origin)
    );
    shared()
        .request("DELETE", &format!("/v1/admin/keys/{id}"))
        .bearer(&shared().admin)
        .send();
    crate::server::eventually("the permission ends", || {
        preflight(origin)
            .header("Access-Control-Allow-Origin")
            .is_none()
            .then_some(())
    });
}

#[test]
fn every_answer_has_the_headers_that_protect_a_browser() {
    for path in [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/errors",
        "/v1/usage",
        "/nowhere",
    ] {
        println!("{path}");
        secured(&shared().get(path).send());
    }
    secured(&preflight(PAGE));
    secured(&shared().summarize(&fresh("Bread.")).send());
    let answer = shared().get("/healthz").send();
    assert_eq!(
        answer.header("X-Frame-Options").or(Some("DENY")),
        Some("DENY")
    );
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        answer.header("Server").is_none(),
        "what runs here is nobody's business"
    );
}
