//! Every problem code: provoked from outside where that can be, and compared with its fixture.
//!
//! `UPDATE_FIXTURES=1 cargo test -p tests problems` writes the fixtures; the reviewer reads the difference.

use std::collections::BTreeSet;
use std::path::PathBuf;

use api::{Code, Problem};
use serde_json::{Value, json};

use crate::auth::now_ms;
use crate::check::{fresh, text};
use crate::client::{Answer, Form};
use crate::pictures;
use crate::project;
use crate::server::{Server, Setup, eventually, merged, script, shared};

fn folder() -> PathBuf {
    project::root().join("tests/fixtures/problems")
}

/// What differs from call to call is masked.
fn masked(mut body: Value) -> Value {
    body["request_id"] = json!("(the request's id)");
    if let Some(wait) = body.get_mut("retry_after_ms") {
        assert!(wait.as_u64().is_some_and(|wait| wait > 0), "{wait}");
        *wait = json!(1000);
        // The same wait stands in the words.
        body["detail"] = json!(without_numbers(body["detail"].as_str().unwrap()));
    }
    body
}

/// Each whole number among the words as `N`.
fn without_numbers(text: &str) -> String {
    let is_number =
        |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let words: Vec<&str> = text
        .split(' ')
        .map(|word| Some(word).filter(is_number).map_or(word, |_| "N"))
        .collect();
    words.join(" ")
}

/// The answer is the refusal `code`, and its body is the fixture's.
#[track_caller]
fn check(code: Code, answer: &Answer) {
    let problem = crate::check::refused(answer, code);
    let body = masked(answer.json());
    let file = folder().join(format!("{code}.json"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(
            &file,
            format!("{}\n", serde_json::to_string_pretty(&body).unwrap()),
        )
        .unwrap();
    }
    let known: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap_or_default())
        .unwrap_or_default();
    assert_eq!(
        body,
        known,
        "{} differs; {}",
        file.display(),
        problem.detail
    );
}

/// The codes that the tests below do not provoke, and why.
const NOT_PROVOKED: [(Code, &str); 1] = [(
    Code::ModelNotFound,
    "answered in the form of OpenAI's API only; `chat` provokes it",
)];

#[test]
fn every_code_has_a_fixture_and_every_fixture_a_code() {
    let codes: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| format!("{code}.json"))
        .collect();
    let files: BTreeSet<String> = project::files(&folder(), "json")
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    assert_eq!(codes, files);
    for code in Code::ALL {
        let text = std::fs::read_to_string(folder().join(format!("{code}.json"))).unwrap();
        let problem: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (problem.code, problem.status, problem.title.as_str()),
            (*code, code.status(), code.title())
        );
    }
}

#[test]
fn every_code_is_provoked_here_or_it_is_said_why_not() {
    let source = std::fs::read_to_string(project::root().join("tests/it/problems.rs")).unwrap();
    let source: String = source
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    for code in Code::ALL {
        let provoked = source.contains(&format!("check(Code::{code:?},"));
        let excused = NOT_PROVOKED.iter().any(|(known, _)| known == code);
        assert!(
            provoked != excused,
            "{code} must be provoked by a test of this file, or be in NOT_PROVOKED"
        );
    }
}

fn summarize(more: Value) -> Answer {
    shared().summarize(&merged(fresh("Bread."), more)).send()
}

fn picture(bytes: &[u8]) -> Answer {
    let form = Form::request(&merged(
        fresh("Bread."),
        json!({ "images": [{ "id": "hero" }] }),
    ))
    .picture("hero", bytes);
    shared()
        .post("/v1/summaries")
        .bearer(&shared().key)
        .form(form)
        .send()
}

fn usage(credential: &str) -> Answer {
    shared().get("/v1/usage").bearer(credential).send()
}

#[test]
fn malformed_and_refused_bodies() {
    let server = shared();
    let post = || server.post("/v1/summaries").bearer(&server.key);
    check(
        Code::MalformedRequest,
        &post().body("application/json", "{\"article\":").send(),
    );
    check(
        Code::UnsupportedMediaType,
        &post().body("text/plain", "x").send(),
    );
    check(
        Code::BodyTooLarge,
        &post()
            .header("Content-Type", "application/json")
            .announce(60_000_000)
            .send(),
    );
    check(
        Code::ContentTooLong,
        &server.summarize(&text(&"x".repeat(200_001))).send(),
    );
    check(
        Code::NotAcceptable,
        &server
            .summarize(&fresh("x"))
            .header("Accept", "text/html")
            .send(),
    );
    check(
        Code::NotFound,
        &server.get("/v1/nothing").bearer(&server.key).send(),
    );
    check(
        Code::MethodNotAllowed,
        &server.get("/v1/summaries").bearer(&server.key).send(),
    );
    let slow = Server::start(Setup::default().set("server.request_timeout_seconds", 1));
    let request = slow
        .post("/v1/summaries")
        .bearer(&slow.key)
        .header("Content-Type", "application/json");
    check(Code::RequestTimeout, &request.announce(100).send());
}

#[test]
fn refused_fields() {
    check(Code::InvalidField, &summarize(json!({ "candidates": 9 })));
    check(Code::NothingToRead, &shared().summarize(&json!({})).send());
    check(
        Code::EngineNotOffered,
        &summarize(json!({ "engine": "upstream" })),
    );
}

#[test]
fn refused_pictures() {
    check(Code::ImageTooLarge, &picture(&pictures::heavy_png(5 << 20)));
    check(
        Code::TooManyPixels,
        &picture(&pictures::bomb(20_000, 20_000)),
    );
    check(
        Code::NotAnImage,
        &picture(b"just some text that goes on for a while"),
    );
    check(Code::UnsupportedImage, &picture(&pictures::heic()));
    let mut torn = pictures::png(64, 64);
    torn.truncate(50);
    check(Code::ImageBroken, &picture(&torn));
    check(
        Code::ImageMismatch,
        &summarize(json!({ "images": [{ "id": "hero" }] })),
    );
    let images: Vec<Value> = (0..9).map(|number| json!({ "id": format!("p{number}"), "data": pictures::data_uri(&pictures::gif()) })).collect();
    check(Code::TooManyImages, &summarize(json!({ "images": images })));
}

#[test]
fn refused_credentials() {
    let server = shared();
    check(Code::CredentialsMissing, &server.get("/v1/usage").send());
    check(
        Code::CredentialsMalformed,
        &server
            .get("/v1/usage")
            .header("Authorization", "Basic eDp5")
            .send(),
    );
    let mistyped = format!("{}0", &server.key[..server.key.len() - 1]);
    let mistyped = if mistyped == server.key {
        format!("{}1", &server.key[..server.key.len() - 1])
    } else {
        mistyped
    };
    check(Code::KeyMistyped, &usage(&mistyped));
    check(
        Code::KeyUnknown,
        &usage(&Server::start(Setup::default()).key),
    );
    let (_, brief) = server
        .new_key(&json!({ "name": "brief", "scopes": ["admin"], "expires_at": now_ms() + 1000 }));
    check(
        Code::KeyExpired,
        &eventually("it expires", || {
            Some(usage(&brief)).filter(|answer| answer.status == 401)
        }),
    );
    let (id, gone) = server.new_key(&json!({ "name": "gone", "scopes": ["summaries:write"] }));
    server
        .request("DELETE", &format!("/v1/admin/keys/{id}"))
        .bearer(&server.admin)
        .send();
    check(Code::KeyRevoked, &usage(&gone));
    check(
        Code::ScopeMissing,
        &server.get("/v1/admin/keys").bearer(&server.key).send(),
    );
    check(
        Code::OriginRefused,
        &server
            .get("/v1/usage")
            .bearer(&server.key)
            .header("Origin", "https://evil.example")
            .send(),
    );
}

#[test]
fn refused_tokens() {
    let server = shared();
    let key = server.key_with(json!({ "origins": ["https://blog.example"] }));
    let from_page = |token: &str, path: &str| {
        server
            .get(path)
            .bearer(token)
            .header("Origin", "https://blog.example")
            .send()
    };
    let token = server.token(&key, json!({}));
    let (claims, _) = token.rsplit_once('.').unwrap();
    check(
        Code::TokenInvalid,
        &from_page(&format!("{claims}.AAAA"), "/v1/usage"),
    );
    check(Code::KeyRequired, &from_page(&token, "/v1/admin/keys"));
    let brief = server.token(&key, json!({ "ttl_seconds": 1 }));
    let expired = eventually("it expires", || {
        Some(from_page(&brief, "/v1/usage")).filter(|answer| answer.status == 401)
    });
    check(Code::TokenExpired, &expired);
    let once = server.token(&key, json!({ "max_requests": 1 }));
    let ask = || {
        let request = server
            .post("/v1/summaries")
            .bearer(&once)
            .header("Origin", "https://blog.example");
        request.json(&fresh("Bread.")).send()
    };
    ask().summary();
    check(Code::TokenUsedUp, &ask());
}

#[test]
fn refused_at_the_operators_page() {
    let ask = shared().get("/admin/api/session");
    let ask = ask.header("Sec-Fetch-Site", "same-origin");
    let ask = ask.header("Cookie", "smart_summary_admin=of-yesterday");
    check(Code::SessionOver, &ask.send());
}

#[test]
fn refused_repetitions() {
    let ask = |key: &str, body: &Value| {
        shared()
            .summarize(body)
            .header("Idempotency-Key", key)
            .send()
    };
    check(
        Code::IdempotencyKeyInvalid,
        &ask(&"x".repeat(256), &fresh("x")),
    );
    ask("problems-1", &fresh("x")).summary();
    check(Code::IdempotencyMismatch, &ask("problems-1", &fresh("x")));
    let body = fresh("[stall]");
    let mut first = shared()
        .summarize(&body)
        .header("Idempotency-Key", "problems-2")
        .events()
        .open();
    first.event();
    check(Code::IdempotencyInProgress, &ask("problems-2", &body));
    first.leave();
    let (id, _) = shared().new_key(&json!({ "name": "gone", "scopes": ["summaries:write"] }));
    let path = format!("/v1/admin/keys/{id}");
    shared()
        .request("DELETE", &path)
        .bearer(&shared().admin)
        .send();
    check(
        Code::Conflict,
        &shared()
            .post(&format!("{path}/rotate"))
            .bearer(&shared().admin)
            .send(),
    );
}

#[test]
fn used_up_quotas() {
    let server = Server::start(
        Setup::default()
            .set("tiers.tiny.request_burst", 1)
            .set("tiers.tiny.requests_per_minute", 1)
            .set("tiers.budget.tokens_per_day", 2000)
            .set("anonymous.failed_auth_per_minute", 1),
    );
    let ask = |key: &str| {
        server
            .post("/v1/summaries")
            .bearer(key)
            .json(&fresh("Bread."))
            .send()
    };
    let until_refused = |key: &str| {
        (0..40)
            .map(|_| ask(key))
            .find(|answer| answer.status != 200)
            .unwrap()
    };
    check(
        Code::RateLimited,
        &until_refused(&server.key_with(json!({ "tier": "tiny" }))),
    );
    check(
        Code::BudgetUsedUp,
        &until_refused(&server.key_with(json!({ "tier": "budget" }))),
    );
    let wrong = || server.get("/v1/usage").bearer("ss_live_x").send();
    // One is allowed a minute.
    wrong();
    check(Code::TooManyFailures, &wrong());
}

#[test]
fn refused_batches() {
    let setup = script(Setup::default())
        .set("batches.max_items", 2)
        .set("batches.max_waiting_items", 3);
    let server = Server::start(setup);
    let key = server.key_with(json!({ "scopes": ["batches:write"] }));
    let send = |count: usize| {
        let items: Vec<Value> = (0..count)
            .map(|place| json!({ "id": place.to_string(), "request": fresh("[stall]") }))
            .collect();
        let request = server.post("/v1/batches").bearer(&key);
        request.json(&json!({ "items": items })).send()
    };
    check(Code::TooManyItems, &send(3));
    let batch = send(2).json()["id"].as_str().unwrap().to_owned();
    check(Code::TooManyBatches, &send(2));
    let results = server.get(&format!("/v1/batches/{batch}/results"));
    check(Code::BatchNotFinished, &results.bearer(&key).send());
}

#[test]
fn failing_engines() {
    let ask = |words: &str| shared().summarize(&fresh(words)).send();
    check(Code::EngineFailed, &ask("[failed]"));
    check(Code::EngineOutput, &ask("[output]"));
    check(Code::EngineUnavailable, &ask("[unavailable]"));
    check(Code::Internal, &ask("[panic]"));
}

#[test]
fn what_the_operator_does_not_want() {
    let words = project::root().join("tests/fixtures/unwanted.txt");
    let server = Server::start(Setup::default().set("moderation.words_file", format!("{words:?}")));
    check(
        Code::ContentRefused,
        &server.summarize(&fresh("The unwanted word.")).send(),
    );
}

#[test]
fn a_busy_server() {
    let setup = script(Setup::default())
        .set("queue.max_running", 1)
        .set("queue.max_waiting", 1);
    let server = Server::start(setup.set("queue.interactive_deadline_ms", 1000));
    let stall = || merged(fresh("[stall]"), json!({ "priority": "batch" }));
    let running = server.summarize(&stall()).events().open();
    eventually("it runs", || {
        (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 1.0).then_some(())
    });
    check(Code::DeadlineExceeded, &deadline());
    let waiting = server.summarize(&fresh("Bread.")).events().open();
    eventually("it waits", || {
        (server.metric("smart_summary_queue_depth", &[]) >= 1.0).then_some(())
    });
    check(Code::Overloaded, &server.summarize(&fresh("Bread.")).send());
    drop((running, waiting));
}

/// The engine's own deadline: the number in its words is the configured one.
fn deadline() -> Answer {
    let server = Server::start(script(Setup::default()).set("queue.interactive_deadline_ms", 200));
    server.summarize(&fresh("[stall]")).send()
}

#[test]
fn a_stopping_server() {
    let server = Server::start(script(Setup::default()));
    let mut running = server.summarize(&fresh("[slow]")).events().open();
    running.event();
    // A connection that is already open is still answered.
    let mut open = std::net::TcpStream::connect(server.address()).unwrap();
    server.terminate();
    eventually("the server drains", || {
        server.log().contains("stopping").then_some(())
    });
    check(
        Code::Draining,
        &server.summarize(&fresh("Bread.")).send_on(&mut open),
    );
    running.events();
}

#[test]
fn a_store_that_does_not_answer() {
    let server = Server::start(Setup::default());
    let (_, key) = server.new_key(&json!({ "name": "unseen", "scopes": ["summaries:write"] }));
    spoil_store(&server);
    check(
        Code::StoreUnavailable,
        &server.get("/v1/usage").bearer(&key).send(),
    );
}

/// Writes over the key store and its journal while the server runs.
pub(crate) fn spoil_store(server: &Server) {
    let nonsense = b"this is no database any more, and it goes on for a while ".repeat(500);
    for name in ["keys.sqlite", "keys.sqlite-wal", "keys.sqlite-shm"] {
        let file = server.data_dir().join(name);
        assert!(
            file.exists() || name != "keys.sqlite",
            "the key store is not at {}",
            file.display()
        );
        if file.exists() {
            std::fs::write(file, &nonsense).unwrap();
        }
    }
}
