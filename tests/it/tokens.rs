//! `POST /v1/tokens`.

use api::{Code, TokenCreated};
use base64::Engine as _;
use serde_json::{Value, json};

use crate::auth::now_ms;
use crate::check::{fresh, refused, refused_at};
use crate::client::Answer;
use crate::server::shared;

fn key() -> String {
    shared().key_with(json!({ "origins": ["https://blog.example", "https://other.example"] }))
}

fn mint(more: Value) -> Answer {
    shared().token_answer(&key(), more)
}

#[test]
fn a_token_lives_as_long_as_was_asked() {
    let before = now_ms();
    let answer = mint(json!({ "ttl_seconds": 300, "subject": "author-17" }));
    let made: TokenCreated = serde_json::from_slice(&answer.body).unwrap();
    let after = now_ms();
    // Whole seconds in the token.
    assert!(
        (before + 299_000..=after + 301_000).contains(&made.expires_at),
        "{} at {before}",
        made.expires_at
    );
    assert_eq!(
        answer.header("Cache-Control"),
        Some("no-store"),
        "a secret is not kept by a cache"
    );
}

#[test]
fn a_token_carries_what_the_design_names_and_no_more() {
    let answer = mint(json!({ "subject": "author-17" }));
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let part = |index: usize| -> Value {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(part)
                .unwrap(),
        )
        .unwrap()
    };
    let (head, claims) = (part(0), part(1));
    assert_eq!(head["alg"], "EdDSA");
    assert!(head["kid"].is_string(), "{head}");
    for name in ["iss", "aud", "exp", "nbf", "jti", "key", "origin", "scope"] {
        assert!(!claims[name].is_null(), "{name} is missing in {claims}");
    }
    assert_eq!(
        (&claims["iss"], &claims["origin"]),
        (&json!("smart-summary"), &json!("https://blog.example"))
    );
}

#[test]
fn two_tokens_differ() {
    let key = key();
    assert_ne!(
        shared().token(&key, json!({})),
        shared().token(&key, json!({}))
    );
}

#[test]
fn a_wrong_value_is_named() {
    let cases = [
        (json!({ "ttl_seconds": 0 }), "/ttl_seconds"),
        (json!({ "ttl_seconds": 901 }), "/ttl_seconds"),
        (json!({ "ttl_seconds": "soon" }), "/ttl_seconds"),
        (json!({ "scopes": [] }), "/scopes"),
        (json!({ "scopes": ["summaries:read"] }), "/scopes/0"),
        (json!({ "scopes": ["tokens:write"] }), "/scopes"),
        (json!({ "scopes": ["admin"] }), "/scopes"),
        (json!({ "max_requests": 0 }), "/max_requests"),
        (json!({ "subject": "x".repeat(129) }), "/subject"),
        (json!({ "origin": "not an origin" }), "/origin"),
        (json!({ "origin": "https://blog.example/path" }), "/origin"),
        (json!({ "origin": "null" }), "/origin"),
    ];
    for (more, field) in cases {
        println!("{more}");
        let answer = mint(more);
        let problem = refused(&answer, Code::InvalidField);
        let found = problem.field.unwrap_or_default();
        assert!(found.starts_with(field), "{field}: {found}");
    }
}

#[test]
fn an_unknown_field_is_named() {
    refused_at(&mint(json!({ "ttl": 5 })), Code::InvalidField, "/ttl");
}

#[test]
fn a_missing_field_is_refused() {
    let answer = shared()
        .post("/v1/tokens")
        .bearer(&key())
        .json(&json!({ "scopes": ["summaries:write"] }))
        .send();
    refused(&answer, Code::InvalidField);
}

#[test]
fn broken_json_is_malformed() {
    let answer = shared()
        .post("/v1/tokens")
        .bearer(&key())
        .body("application/json", "{\"origin\":")
        .send();
    refused(&answer, Code::MalformedRequest);
}

#[test]
fn another_media_type_is_refused() {
    let answer = shared()
        .post("/v1/tokens")
        .bearer(&key())
        .body("text/plain", "{}")
        .send();
    refused(&answer, Code::UnsupportedMediaType);
}

#[test]
fn a_body_far_too_long_is_refused() {
    let answer = mint(json!({ "subject": "x".repeat(300_000) }));
    refused(&answer, Code::BodyTooLarge);
}

#[test]
fn an_origin_that_the_key_does_not_name_is_refused() {
    refused(
        &mint(json!({ "origin": "https://evil.example" })),
        Code::OriginRefused,
    );
}

#[test]
fn a_scope_that_the_key_lacks_is_refused() {
    refused(
        &mint(json!({ "scopes": ["summaries:write", "chat:write"] })),
        Code::ScopeMissing,
    );
}

#[test]
fn a_token_outlives_its_key_never() {
    let soon = now_ms() + 60_000;
    let key = shared().key_with(json!({ "origins": ["https://blog.example"], "expires_at": soon }));
    let made: TokenCreated = serde_json::from_slice(
        &shared()
            .token_answer(&key, json!({ "ttl_seconds": 900 }))
            .body,
    )
    .unwrap();
    assert!(made.expires_at <= soon, "{} after {soon}", made.expires_at);
}

#[test]
fn a_token_without_its_pages_origin_may_read_and_not_write() {
    let token = shared().token(&key(), json!({}));
    let answer = shared()
        .post("/v1/summaries")
        .bearer(&token)
        .json(&fresh("Bread."))
        .send();
    refused(&answer, Code::OriginRefused);
    assert_eq!(shared().get("/v1/usage").bearer(&token).send().status, 200);
}
