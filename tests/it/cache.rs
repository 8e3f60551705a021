//! Answers that are already known, and who may get them.

use serde_json::{Value, json};

use crate::check::fresh;
use crate::client::Form;
use crate::pictures;
use crate::server::{Server, Setup, eventually, merged, script};

fn server() -> Server {
    Server::start(script(Setup::default()))
}

/// Times that an engine has written.
fn runs(server: &Server) -> f64 {
    server.metric("smart_summary_cache_lookups_total", &["\"miss\""])
}

#[test]
fn the_same_request_is_answered_from_memory_under_a_new_name() {
    let server = server();
    let request = fresh("Rye bread needs time.");
    let (first, second) = (server.summary(&request), server.summary(&request));
    assert_eq!((first.cached, second.cached), (false, true));
    assert_ne!(first.id, second.id);
    assert_eq!(
        (first.title, first.keywords),
        (second.title, second.keywords)
    );
    assert_eq!(runs(&server), 1.0);
}

#[test]
fn another_tenant_makes_its_own() {
    let server = server();
    let request = fresh("Rye bread needs time.");
    server.summary(&request);
    let other = server.key_with(json!({}));
    let answer = server
        .post("/v1/summaries")
        .bearer(&other)
        .json(&request)
        .send()
        .summary();
    assert!(!answer.cached, "another key's answer was given");
    assert_eq!(runs(&server), 2.0);
}

#[test]
fn whatever_changes_the_answer_is_part_of_its_name() {
    let server = server();
    let base = fresh("Rye bread needs time.");
    server.summary(&base);
    let changes = [
        json!({ "fields": ["title"] }),
        json!({ "limits": { "title_chars": 20 } }),
        json!({ "guidelines": { "tone": "warm" } }),
        json!({ "candidates": 2 }),
        json!({ "seed": 9 }),
        json!({ "engine": "extractive" }),
        json!({ "article": { "content": "Rye bread needs time!", "format": "text" } }),
        json!({ "article": { "content": "Rye bread needs time!", "format": "markdown" } }),
        json!({ "article": { "content": "Rye bread needs time!", "format": "text", "language": "de" } }),
        json!({ "article": { "content": "Rye bread needs time!", "format": "text", "url": "https://blog.example/" } }),
    ];
    for change in changes {
        let request = merged(base.clone(), change.clone());
        assert!(!server.summary(&request).cached, "{change}");
        assert!(server.summary(&request).cached, "{change}");
    }
}

#[test]
fn who_waits_does_not_change_the_answer() {
    let server = server();
    let base = fresh("Rye bread needs time.");
    server.summary(&base);
    assert!(
        server
            .summary(&merged(base, json!({ "priority": "batch" })))
            .cached
    );
}

#[test]
fn the_pictures_bytes_count_and_their_way_does_not() {
    let server = server();
    let base = merged(fresh("Rye bread."), json!({ "images": [{ "id": "a" }] }));
    let by_form = |bytes: &[u8]| {
        let form = Form::request(&base).picture("a", bytes);
        server
            .post("/v1/summaries")
            .bearer(&server.key)
            .form(form)
            .send()
            .summary()
            .cached
    };
    let (one, two) = (pictures::png(16, 16), pictures::png(16, 17));
    assert!(!by_form(&one));
    assert!(!by_form(&two));
    assert!(by_form(&one));
    // Others hashed the beginning alone, and gave one user's picture to another.
    let large = |last| pictures::png_with_last_pixel(400, 400, last);
    assert!(!by_form(&large(7)));
    assert!(
        !by_form(&large(8)),
        "only the last of 160,000 pixels differs"
    );
    assert!(by_form(&large(7)));
    let mut by_uri = base.clone();
    by_uri["images"][0]["data"] = Value::String(pictures::data_uri(&one));
    assert!(
        server.summary(&by_uri).cached,
        "the same picture as a data: URI"
    );
}

#[test]
fn two_at_once_are_one_run() {
    let server = server();
    let request = fresh("Rye bread [slow].");
    let answers: Vec<api::Summary> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| server.summary(&request)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .collect()
    });
    assert_eq!(runs(&server), 1.0);
    assert_eq!(answers.iter().filter(|answer| !answer.cached).count(), 1);
    let mut ids: Vec<&str> = answers.iter().map(|answer| answer.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each call has its own name");
}

#[test]
fn the_run_goes_on_for_those_who_stay() {
    let server = server();
    let request = fresh("Rye bread [slow].");
    let leader = server.summarize(&request).connect();
    eventually("the engine runs", || {
        (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 1.0).then_some(())
    });
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| server.summarize(&request).send());
        eventually("both wait", || (server.in_flight() >= 2.0).then_some(()));
        leader.shutdown(std::net::Shutdown::Both).unwrap();
        let answer = follower.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
}

#[test]
fn a_failure_is_not_kept() {
    let server = server();
    let request = fresh("[failed]");
    for _ in 0..2 {
        assert_eq!(server.summarize(&request).send().status, 502);
    }
    assert_eq!(
        server.metric("smart_summary_cache_lookups_total", &["\"hit\""]),
        0.0
    );
    assert_eq!(
        server.metric("smart_summary_queue_wait_seconds_count", &[]),
        2.0,
        "the engine was asked twice"
    );
}

#[test]
fn a_server_without_a_cache_makes_each() {
    let server = Server::start(Setup::default().set("cache.max_bytes", 0));
    let request = fresh("Rye bread needs time.");
    assert!(!server.summary(&request).cached);
    assert!(!server.summary(&request).cached);
}
