//! What several servers that share a Redis do once for all of them: what an idempotency key names, and equal requests.

use api::{Code, Event, Summary};
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::{Answer, Request, Stream};
use crate::databases::Redis;
use crate::server::{Server, Setup, eventually};
use crate::several::{postgres, setup};

/// A server of those that share a database and a Redis.
fn sharing(database: &str, redis: &Redis) -> Setup {
    setup(database).set("store.redis", redis.address())
}

fn two(database: &str, redis: &Redis) -> (Server, Server) {
    let database = postgres().database(database);
    let start = || Server::start(sharing(&database, redis));
    (start(), start())
}

/// A request under the idempotency key `once`.
fn once(server: &Server, key: &str, body: &Value) -> Request {
    let request = server.post("/v1/summaries").bearer(key).json(body);
    request.header("Idempotency-Key", "once")
}

fn is_replayed(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("Idempotency-Replayed") == Some("true")
}

/// Sends a request and waits until an engine works on it.
#[track_caller]
fn begun(request: Request) -> Stream {
    let mut stream = request.events().open();
    while !matches!(stream.event(), Some(Event::Started(_))) {}
    stream
}

#[track_caller]
fn completed(mut stream: Stream) -> Summary {
    match stream.events().pop() {
        Some(Event::Completed(summary)) => summary,
        other => panic!("{other:?}"),
    }
}

/// The names in Redis of what is shared in this way.
fn names(redis: &Redis, kind: &str) -> Vec<String> {
    let names = redis.run(&["KEYS", &format!("smart-summary:{kind}:*")]);
    names.lines().map(str::to_owned).collect()
}

#[test]
fn an_idempotency_key_of_one_server_is_replayed_by_the_other() {
    let redis = Redis::start();
    let (one, other) = two("once", &redis);
    let (key, body) = (one.key_with(json!({ "tier": "budget" })), fresh("Bread."));
    let first = once(&one, &key, &body).send();
    let second = once(&other, &key, &body).send();
    assert_eq!((is_replayed(&first), is_replayed(&second)), (false, true));
    assert_eq!(first.summary(), second.summary());
    let mut stream = once(&other, &key, &body).events().open();
    assert_eq!(stream.header("Idempotency-Replayed"), Some("true"));
    assert!(
        matches!(stream.events().pop(), Some(Event::Completed(summary)) if summary == first.summary())
    );
    let used = other.get("/v1/usage").bearer(&key).send().json();
    assert_eq!(used["budget"]["used"], 140, "it was paid once");
    let mismatch = once(&other, &key, &fresh("Bread.")).send();
    refused(&mismatch, Code::IdempotencyMismatch);
    let stranger = one.key_with(json!({}));
    let theirs = once(&other, &stranger, &body).send();
    assert!(!is_replayed(&theirs), "another's key");
    for name in names(&redis, "idempotency") {
        assert!(!name.contains("once"), "a name says nothing: {name}");
        let left: i64 = redis.run(&["PTTL", &name]).parse().unwrap();
        assert!((80_000_000..=86_400_000).contains(&left), "{left}");
    }
}

#[test]
fn an_idempotency_key_is_in_progress_everywhere_until_its_request_ends() {
    let redis = Redis::start();
    let (one, other) = two("progress", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[stall]"));
    let running = begun(once(&one, &key, &body));
    let answer = once(&other, &key, &body).send();
    refused(&answer, Code::IdempotencyInProgress);
    assert!(answer.header("Retry-After").is_some());
    let another = fresh("Bread.");
    refused(
        &once(&other, &key, &another).send(),
        Code::IdempotencyMismatch,
    );
    // The claim is a lease of seconds, and is made longer while the request runs.
    let names = names(&redis, "idempotency");
    let left = || redis.run(&["PTTL", &names[0]]).parse::<i64>().unwrap();
    let mut last = left();
    eventually("the claim is renewed", || {
        let now = left();
        assert!(now <= 10_000, "{now}");
        (std::mem::replace(&mut last, now) < now).then_some(())
    });
    running.leave();
    eventually("the key of a request that was left is free", || {
        let answer = once(&other, &key, &another).send();
        (answer.status == 200).then(|| assert!(!is_replayed(&answer)))
    });
}

#[test]
fn an_idempotency_key_whose_request_failed_may_be_tried_again_anywhere() {
    let redis = Redis::start();
    let (one, other) = two("failed", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[failed]"));
    for server in [&one, &other, &one, &other] {
        refused(&once(server, &key, &body).send(), Code::EngineFailed);
    }
    assert_eq!(names(&redis, "idempotency"), [""; 0]);
}

#[test]
fn an_idempotency_key_of_a_killed_server_is_free_when_its_lease_is_over() {
    let redis = Redis::start();
    let (one, other) = two("killed", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("Bread."));
    let _running = begun(once(&one, &key, &fresh("[stall]")));
    refused(&once(&other, &key, &body).send(), Code::IdempotencyMismatch);
    drop(one);
    refused(&once(&other, &key, &body).send(), Code::IdempotencyMismatch);
    eventually("the lease is over", || {
        (once(&other, &key, &body).send().status == 200).then_some(())
    });
    assert!(is_replayed(&once(&other, &key, &body).send()));
}

#[test]
fn without_redis_a_servers_own_memory_decides_about_idempotency_keys() {
    let redis = Redis::start();
    let (one, other) = two("alone", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[slow]"));
    let running = begun(once(&one, &key, &body));
    redis.crash();
    let answer = completed(running);
    let again = once(&one, &key, &body).send();
    assert!(is_replayed(&again), "its server remembers it");
    assert_eq!(again.summary(), answer);
    let elsewhere = once(&other, &key, &body).send();
    assert!(!is_replayed(&elsewhere), "the other cannot know");
    assert!(is_replayed(&once(&other, &key, &body).send()));

    redis.resume();
    eventually("keys are shared again", || {
        let (key, body) = (one.key_with(json!({})), fresh("Bread."));
        once(&one, &key, &body).send().summary();
        is_replayed(&once(&other, &key, &body).send()).then_some(())
    });
}

#[test]
fn a_claim_that_an_emptied_redis_forgot_is_made_again_while_its_request_runs() {
    let redis = Redis::start();
    let (one, other) = two("forgot", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[stall]"));
    let _running = begun(once(&one, &key, &body));
    redis.crash();
    redis.resume();
    eventually("the claim is there again", || {
        names(&redis, "idempotency").pop()
    });
    eventually("the other server sees it", || {
        let answer = once(&other, &key, &fresh("[failed]")).send();
        (answer.status == Code::IdempotencyMismatch.status()).then_some(())
    });
}

#[test]
fn an_answer_under_an_idempotency_key_is_believed_with_our_seal_alone() {
    let redis = Redis::start();
    let (one, other) = two("forged", &redis);
    let key = one.key_with(json!({}));
    let named = |server: &Server, name: &str, body: &Value| {
        let request = server.post("/v1/summaries").bearer(&key).json(body);
        request.header("Idempotency-Key", name).send()
    };
    let (first, second) = (fresh("Bread."), fresh("Bread."));
    named(&one, "first", &first).summary();
    let of_first = names(&redis, "idempotency").pop().unwrap();
    named(&one, "second", &second).summary();
    let both = names(&redis, "idempotency");
    let of_second = both.iter().find(|name| **name != of_first).unwrap();
    // The answer of one key under the name of the other, and a damaged one under its own.
    redis.run(&["COPY", of_second, &of_first, "REPLACE"]);
    redis.run(&["SETRANGE", of_second, "90", "forged"]);
    assert!(!is_replayed(&named(&other, "first", &first)));
    assert!(!is_replayed(&named(&other, "second", &second)));
    assert!(other.log().contains("a value without our seal"));
}
