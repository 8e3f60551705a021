//! `GET /v1/usage`.

use api::Usage;
use serde_json::json;

use crate::check::fresh;
use crate::server::{Server, Setup, shared};

fn usage(server: &Server, credential: &str) -> Usage {
    let answer = server.get("/v1/usage").bearer(credential).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn a_caller_sees_its_key_and_its_limits() {
    let server = Server::start(
        Setup::default()
            .set("tiers.blog.requests_per_minute", 60)
            .set("tiers.blog.request_burst", 10),
    );
    let (id, key) =
        server.new_key(&json!({ "name": "mine", "scopes": ["summaries:write"], "tier": "blog" }));
    let seen = usage(&server, &key);
    assert_eq!(
        (seen.key.id, seen.key.name.as_str(), seen.key.tier.as_str()),
        (id, "mine", "blog")
    );
    let names: Vec<&str> = seen
        .limits
        .iter()
        .map(|limit| limit.name.as_str())
        .collect();
    assert_eq!(names, ["requests", "images", "tokens"]);
    assert!(
        seen.limits
            .iter()
            .all(|limit| limit.remaining <= limit.quota),
        "{:?}",
        seen.limits
    );
    assert_eq!(seen.budget, None);
}

#[test]
fn what_was_used_is_taken_off() {
    let server = Server::start(
        Setup::default()
            .set("tiers.blog.images_per_minute", 10)
            .set("tiers.blog.tokens_per_day", 1_000_000),
    );
    let (_, key) =
        server.new_key(&json!({ "name": "mine", "scopes": ["summaries:write"], "tier": "blog" }));
    let picture = crate::pictures::data_uri(&crate::pictures::png(8, 8));
    let request = crate::server::merged(
        fresh("Bread."),
        json!({ "images": [{ "id": "a", "data": picture }] }),
    );
    assert_eq!(
        server
            .post("/v1/summaries")
            .bearer(&key)
            .json(&request)
            .send()
            .status,
        200
    );
    let seen = usage(&server, &key);
    let images = seen
        .limits
        .iter()
        .find(|limit| limit.name == "images")
        .unwrap();
    assert_eq!((images.quota, images.remaining), (10, 9));
    assert!(images.reset_ms > 0);
    let budget = seen.budget.unwrap();
    assert_eq!(
        (budget.tokens_per_day, budget.used),
        (1_000_000, 140),
        "the scripted engine reports 100 + 40"
    );
    assert!(budget.resets_at > crate::auth::now_ms());
    assert!(budget.resets_at - crate::auth::now_ms() <= 86_400_000);
}

#[test]
fn a_token_sees_the_key_that_made_it() {
    let server = shared();
    let (id, key) = server.new_key(
        &json!({ "name": "page", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] }),
    );
    let token = server.token(&key, json!({}));
    let answer = server
        .get("/v1/usage")
        .bearer(&token)
        .header("Origin", "https://blog.example")
        .send();
    let seen: Usage = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(seen.key.id, id);
}
