//! `Idempotency-Key`: sent twice, done once.

use api::{Code, Event};
use serde_json::json;

use crate::check::{fresh, refused};
use crate::client::Request;
use crate::server::{merged, shared};

fn key() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!(
        "6f9619ff-8b86-4011-b42d-{:012x}",
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

fn request(key: &str, body: &serde_json::Value) -> Request {
    shared().summarize(body).header("Idempotency-Key", key)
}

#[test]
fn the_second_gets_the_first_answer() {
    let (key, body) = (key(), fresh("Bread."));
    let (first, second) = (request(&key, &body).send(), request(&key, &body).send());
    assert_eq!(first.header("Idempotency-Replayed"), None);
    assert_eq!(second.header("Idempotency-Replayed"), Some("true"));
    assert_eq!(first.summary().id, second.summary().id);
    assert_eq!(first.summary(), second.summary());
}

#[test]
fn a_stream_is_replayed_too() {
    let (key, body) = (key(), fresh("Bread."));
    let first = request(&key, &body).send().summary();
    let mut stream = request(&key, &body).events().open();
    assert_eq!(stream.header("Idempotency-Replayed"), Some("true"));
    match stream.events().pop() {
        Some(Event::Completed(summary)) => assert_eq!(summary.id, first.id),
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_request_under_the_same_key_is_refused() {
    let key = key();
    request(&key, &fresh("Bread.")).send().summary();
    refused(
        &request(&key, &fresh("Bread.")).send(),
        Code::IdempotencyMismatch,
    );
    let body = fresh("Bread.");
    let key = self::key();
    request(&key, &body).send().summary();
    refused(
        &request(&key, &merged(body, json!({ "candidates": 2 }))).send(),
        Code::IdempotencyMismatch,
    );
}

#[test]
fn the_second_is_told_to_wait_while_the_first_runs() {
    let (key, body) = (key(), fresh("[stall]"));
    let mut first = request(&key, &body).events().open();
    while !matches!(first.event(), Some(Event::Started(_))) {}
    let answer = request(&key, &body).send();
    refused(&answer, Code::IdempotencyInProgress);
    assert!(
        answer.header("Retry-After").is_some(),
        "the documentation promises it"
    );
    first.leave();
}

#[test]
fn a_failure_may_be_tried_again() {
    let (key, body) = (key(), fresh("[failed]"));
    for _ in 0..2 {
        let answer = request(&key, &body).send();
        refused(&answer, Code::EngineFailed);
        assert_eq!(answer.header("Idempotency-Replayed"), None);
    }
}

#[test]
fn callers_do_not_share_keys() {
    let (key, body) = (key(), fresh("Bread."));
    let first = request(&key, &body).send().summary();
    let other = shared().key_with(json!({}));
    let answer = shared()
        .post("/v1/summaries")
        .bearer(&other)
        .json(&body)
        .header("Idempotency-Key", &key)
        .send();
    assert_eq!(answer.header("Idempotency-Replayed"), None);
    assert_ne!(answer.summary().id, first.id);
}

#[test]
fn a_key_that_is_none_is_refused() {
    for wrong in ["", &"x".repeat(256), "tab\there", "ключ"] {
        println!("{wrong:?}");
        refused(
            &request(wrong, &fresh("Bread.")).send(),
            Code::IdempotencyKeyInvalid,
        );
    }
}
