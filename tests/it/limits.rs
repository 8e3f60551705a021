//! Quotas, budgets, and the headers that tell of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use api::Code;
use serde_json::{Value, json};
use sfv::{BareItem, List, ListEntry, Parser};

use crate::check::{fresh, refused};
use crate::client::{Answer, Form, Request};
use crate::pictures;
use crate::server::{Server, Setup, merged, script, shared};

/// A server with small tiers; each test takes a key of its own.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(
            Setup::default()
                .set("tiers.requests.requests_per_minute", 30)
                .set("tiers.requests.request_burst", 3)
                .set("tiers.images.images_per_minute", 4)
                .set("tiers.tokens.tokens_per_minute", 4000)
                .set("tiers.budget.tokens_per_day", 2000),
        )
    })
}

fn key(tier: &str) -> String {
    server().key_with(json!({ "tier": tier, "origins": ["https://blog.example"] }))
}

fn summarize(key: &str) -> Answer {
    server()
        .post("/v1/summaries")
        .bearer(key)
        .json(&fresh("Rye bread needs time."))
        .send()
}

/// Member name -> its parameters.
type Members = BTreeMap<String, BTreeMap<String, i64>>;

/// The members of a `RateLimit` or `RateLimit-Policy` field (RFC 9651): a list of strings with parameters.
#[track_caller]
fn members(answer: &Answer, field: &str) -> Members {
    let text = answer
        .header(field)
        .unwrap_or_else(|| panic!("{field} is missing: {} {:?}", answer.status, answer.headers));
    let list: List = Parser::new(text)
        .parse()
        .unwrap_or_else(|error| panic!("{field}: {text}: {error}"));
    list.iter()
        .map(|entry| {
            let ListEntry::Item(item) = entry else {
                panic!("{field}: an inner list: {text}")
            };
            let BareItem::String(name) = &item.bare_item else {
                panic!("{field}: a name is a string: {text}")
            };
            let whole = item.params.iter().filter_map(|(name, value)| match value {
                BareItem::Integer(number) => Some((name.as_str().to_owned(), i64::from(*number))),
                _ => None,
            });
            (name.as_str().to_owned(), whole.collect())
        })
        .collect()
}

#[test]
fn the_headers_tell_policy_and_what_is_left() {
    let key = key("requests");
    let answer = summarize(&key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let policy = members(&answer, "RateLimit-Policy");
    let left = members(&answer, "RateLimit");
    for name in ["requests", "images", "tokens"] {
        let policy = policy
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in {policy:?}"));
        assert!(policy["q"] > 0 && policy["w"] > 0, "{name}: {policy:?}");
    }
    assert!(
        left["requests"]["r"] <= 3 && left["requests"]["r"] >= 1,
        "{left:?}"
    );
    assert!(left["requests"]["t"] >= 0, "{left:?}");
}

#[test]
fn a_caller_over_its_requests_is_told_when_to_come_back() {
    let key = key("requests");
    for number in 0..3 {
        assert_eq!(summarize(&key).status, 200, "request {number}");
    }
    let answer = summarize(&key);
    refused(&answer, Code::RateLimited);
    let left = members(&answer, "RateLimit");
    assert_eq!(left["requests"]["r"], 0, "{left:?}");
    let retry_after: i64 = answer.header("Retry-After").unwrap().parse().unwrap();
    // 30 a minute: the next is there after two seconds.
    assert!((1..=3).contains(&retry_after), "{retry_after}");
}

/// Others lose a key's limits once the key, or its answer, comes from memory.
#[test]
fn a_known_key_and_a_known_answer_count_as_any_other() {
    let key = key("requests");
    let article = fresh("Rye bread needs time.");
    let ask = || {
        let request = server().post("/v1/summaries").bearer(&key);
        request.json(&article).send()
    };
    let cached: Vec<bool> = (0..3).map(|_| ask().summary().cached).collect();
    assert_eq!(cached, [false, true, true]);
    refused(&ask(), Code::RateLimited);
}

#[test]
fn a_key_that_is_in_memory_has_its_new_tier_from_the_next_request_on() {
    let server = server();
    let (id, key) = server.new_key(&json!({ "name": "moved", "scopes": ["summaries:write"] }));
    for _ in 0..6 {
        assert_eq!(summarize(&key).status, 200);
    }
    let change = server.request("PATCH", &format!("/v1/admin/keys/{id}"));
    let change = change.bearer(&server.admin);
    assert_eq!(
        change.json(&json!({ "tier": "requests" })).send().status,
        200
    );
    let codes: Vec<u16> = (0..4).map(|_| summarize(&key).status).collect();
    assert_eq!(codes, [200, 200, 200, 429]);
}

#[test]
fn retry_after_is_not_earlier_than_the_header_says() {
    let key = key("requests");
    let refusal = (0..5)
        .map(|_| summarize(&key))
        .find(|answer| answer.status == 429)
        .unwrap();
    let retry_after: i64 = refusal.header("Retry-After").unwrap().parse().unwrap();
    let t = members(&refusal, "RateLimit")["requests"]["t"];
    assert!(
        retry_after >= t,
        "Retry-After: {retry_after} is earlier than t={t}"
    );
}

#[test]
fn a_caller_that_waits_as_long_as_it_is_told_is_served() {
    let key = key("requests");
    let refusal = (0..5)
        .map(|_| summarize(&key))
        .find(|answer| answer.status == 429)
        .unwrap();
    let wait: u64 = refusal.header("Retry-After").unwrap().parse().unwrap();
    // The one wait that is the subject of a test: the promise is about time.
    std::thread::sleep(std::time::Duration::from_secs(wait));
    assert_eq!(summarize(&key).status, 200);
}

#[test]
fn keys_do_not_share_a_quota() {
    let (one, two) = (key("requests"), key("requests"));
    while summarize(&one).status == 200 {}
    assert_eq!(summarize(&two).status, 200);
}

#[test]
fn tokens_share_their_keys_quota() {
    let key = key("requests");
    let token = server().token(&key, json!({}));
    let by_token = || {
        let request = server()
            .post("/v1/summaries")
            .bearer(&token)
            .header("Origin", "https://blog.example");
        request.json(&fresh("Bread.")).send()
    };
    let answers: Vec<u16> = (0..4).map(|_| by_token().status).collect();
    assert!(answers.contains(&429), "{answers:?}");
    refused(&summarize(&key), Code::RateLimited);
}

#[test]
fn a_refused_caller_does_not_send_its_body() {
    let key = key("requests");
    while summarize(&key).status == 200 {}
    // Forty megabytes are announced and none is sent: the answer comes all the same.
    let request = server()
        .post("/v1/summaries")
        .bearer(&key)
        .header("Content-Type", "application/json")
        .announce(40_000_000);
    refused(&request.send(), Code::RateLimited);
}

fn with_pictures(key: &str, count: usize) -> Request {
    let picture = pictures::png(8, 8);
    let ids: Vec<String> = (0..count).map(|number| format!("p{number}")).collect();
    let images: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let request = merged(fresh("Bread."), json!({ "images": images }));
    let form = ids.iter().fold(Form::request(&request), |form, id| {
        form.picture(id, &picture)
    });
    server().post("/v1/summaries").bearer(key).form(form)
}

#[test]
fn pictures_have_their_own_quota() {
    let key = key("images");
    assert_eq!(with_pictures(&key, 3).send().status, 200);
    let answer = with_pictures(&key, 2).send();
    refused(&answer, Code::RateLimited);
    assert!(members(&answer, "RateLimit").contains_key("images"));
    assert_eq!(summarize(&key).status, 200, "text alone is served");
}

#[test]
fn more_pictures_than_the_quota_ever_gives_are_refused_for_good() {
    let key = key("images");
    let answer = with_pictures(&key, 5).send();
    assert!(
        answer.status == 429 || answer.status == 422,
        "{}",
        answer.text()
    );
}

#[test]
fn engine_tokens_have_their_own_quota() {
    let key = key("tokens");
    let answers: Vec<Answer> = (0..40).map(|_| summarize(&key)).collect();
    let refusal = answers
        .iter()
        .find(|answer| answer.status != 200)
        .expect("the quota of 4000 tokens is used up");
    refused(refusal, Code::RateLimited);
    assert!(members(refusal, "RateLimit").contains_key("tokens"));
}

#[test]
fn the_embedded_engine_uses_no_tokens() {
    let key = key("tokens");
    for _ in 0..10 {
        let request = merged(
            fresh("Rye bread needs time."),
            json!({ "engine": "extractive" }),
        );
        let answer = server()
            .post("/v1/summaries")
            .bearer(&key)
            .json(&request)
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn a_budget_that_is_used_up_is_refused_until_tomorrow() {
    let key = key("budget");
    let refusal = (0..40)
        .map(|_| summarize(&key))
        .find(|answer| answer.status != 200)
        .expect("2000 tokens are used up");
    let problem = refused(&refusal, Code::BudgetUsedUp);
    assert!(problem.retry_after_ms.unwrap() <= 86_400_000, "{problem:?}");
}

#[test]
fn a_budget_survives_a_restart() {
    let server = Server::start(Setup::default().set("tiers.budget.tokens_per_day", 2000));
    let key = server.key_with(json!({ "tier": "budget" }));
    let ask = |server: &Server| {
        server
            .post("/v1/summaries")
            .bearer(&key)
            .json(&fresh("Bread."))
            .send()
    };
    assert_eq!(ask(&server).status, 200);
    let used = |server: &Server| {
        server.get("/v1/usage").bearer(&key).send().json()["budget"]["used"].clone()
    };
    let before = used(&server);
    assert_eq!(before, json!(140));
    // As a service manager stops it: the ledger is written.
    server.terminate();
    server.wait();
    let server = Server::start_in(server.stop());
    assert_eq!(used(&server), before);
}

/// The last of so many answers.
fn last_of(count: usize, send: impl FnMut(usize) -> Answer) -> Answer {
    let answers: Vec<Answer> = (0..count).map(send).collect();
    answers.into_iter().next_back().unwrap()
}

#[test]
fn wrong_credentials_are_counted_by_address() {
    let server = Server::start(Setup::default().set("anonymous.failed_auth_per_minute", 3));
    let wrong = || server.get("/v1/usage").bearer("ss_live_nobody").send();
    let answers: Vec<Answer> = (0..6).map(|_| wrong()).collect();
    assert_eq!(answers[0].status, 401);
    refused(answers.last().unwrap(), Code::TooManyFailures);
}

#[test]
fn routes_without_authentication_are_counted_by_address() {
    let server = Server::start(Setup::default().set("anonymous.requests_per_minute", 5));
    let answers: Vec<Answer> = (0..12)
        .map(|_| server.get("/openapi.json").send())
        .collect();
    assert_eq!(answers[0].status, 200);
    refused(answers.last().unwrap(), Code::RateLimited);
    assert_eq!(
        server.get("/healthz").send().status,
        200,
        "a health check is always answered"
    );
}

#[test]
fn a_forwarded_address_is_not_believed_from_a_stranger() {
    let server = Server::start(Setup::default().set("anonymous.failed_auth_per_minute", 3));
    let wrong = |number: usize| {
        let from = format!("198.51.100.{number}");
        server
            .get("/v1/usage")
            .bearer("ss_live_nobody")
            .header("X-Forwarded-For", &from)
            .send()
    };
    let last = last_of(6, wrong);
    refused(&last, Code::TooManyFailures);
}

#[test]
fn a_trusted_proxys_forwarded_address_is_counted() {
    let server = Server::start(
        Setup::default()
            .set("anonymous.failed_auth_per_minute", 3)
            .set("server.trusted_proxies", "[\"127.0.0.0/8\"]"),
    );
    let wrong = |from: &str| {
        server
            .get("/v1/usage")
            .bearer("ss_live_nobody")
            .header("X-Forwarded-For", from)
            .send()
    };
    let last = last_of(6, |_| wrong("198.51.100.1"));
    refused(&last, Code::TooManyFailures);
    assert_eq!(
        wrong("198.51.100.2").status,
        401,
        "another address has its own count"
    );
    // What a client writes itself stands to the left of what the proxy adds.
    refused(&wrong("203.0.113.9, 198.51.100.1"), Code::TooManyFailures);
}

#[test]
fn the_wide_limits_of_these_tests_are_told_too() {
    let answer = shared().get("/v1/usage").bearer(&shared().key).send();
    assert!(members(&answer, "RateLimit-Policy").contains_key("requests"));
}

/// Image tokens, text and the longest answer are set aside before an engine begins; who leaves gets all of it back.
#[test]
fn what_a_request_may_cost_is_set_aside_and_comes_back_when_its_caller_leaves() {
    let server = Server::start(script(Setup::default()).set("tiers.day.tokens_per_day", 1_000_000));
    let key = server.key_with(json!({ "tier": "day" }));
    let used = || {
        let usage = server.get("/v1/usage").bearer(&key).send().json();
        usage["budget"]["used"].as_u64().unwrap()
    };
    let picture = crate::pictures::data_uri(&crate::pictures::png(8, 8));
    let images = json!([{ "id": "a", "data": picture }, { "id": "b", "data": picture }]);
    let body = crate::server::merged(fresh("[stall]"), json!({ "images": images }));
    let mut running = server
        .post("/v1/summaries")
        .bearer(&key)
        .json(&body)
        .events()
        .open();
    while !matches!(running.event(), Some(api::Event::Started(_))) {}
    assert!(
        used() >= 2 * 1369 + 1500,
        "two pictures and an answer: {}",
        used()
    );
    running.leave();
    crate::server::eventually("all of it comes back", || (used() == 0).then_some(()));
}
