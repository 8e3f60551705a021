//! What several servers that share a Redis do once for all of them: what an idempotency key names, and equal requests.

use api::{Code, Event, Field, Summary};
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::{Answer, Heard, Request, Stream};
use crate::databases::Redis;
use crate::server::{Server, Setup, eventually};
use crate::several::{postgres, setup};

/// A server of those that share a database and a Redis.
fn sharing(database: &str, redis: &Redis) -> Setup {
    let setup = setup(database).set("store.redis", redis.address());
    setup.set("queue.max_running", 8)
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

/// Two servers that share stored answers, and so what is being made.
fn answering(database: &str, redis: &Redis) -> (Server, Server) {
    let database = postgres().database(database);
    let start = || {
        let setup = sharing(&database, redis).set("cache.shared", true);
        let slow = json!({ "when": "[silence]", "delay_ms": 11_000, "title": "A title after a while",
            "summary": "A summary after a while.", "keywords": ["silence"] });
        Server::start(setup.reply(slow))
    };
    (start(), start())
}

/// Requests that an engine of this server worked on.
fn worked(server: &Server) -> f64 {
    server.metric("smart_summary_queue_wait_seconds_count", &[])
}

/// Waits until a server has the lease of an answer.
fn led(redis: &Redis) -> String {
    eventually("the lease is there", || names(redis, "flight").pop())
}

fn ask(server: &Server, key: &str, body: &Value) -> Request {
    server.post("/v1/summaries").bearer(key).json(body)
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

#[test]
fn servers_that_are_asked_the_same_at_once_run_the_engine_once() {
    let redis = Redis::start();
    let (one, other) = answering("flight", &redis);
    let key = one.key_with(json!({ "tier": "budget" }));
    let body = fresh("[slow]");
    let summaries: Vec<Summary> = std::thread::scope(|scope| {
        let ask = |server| {
            let request = ask(server, &key, &body);
            scope.spawn(move || request.send().summary())
        };
        let asked: Vec<_> = (0..4).flat_map(|_| [ask(&one), ask(&other)]).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    assert_eq!(worked(&one) + worked(&other), 1.0);
    let made = summaries.iter().filter(|summary| !summary.cached).count();
    assert_eq!(made, 1, "{summaries:?}");
    for summary in &summaries {
        assert_eq!(summary.title, summaries[0].title);
    }
    let used = postgres().rows("flight", "SELECT sum(tokens) FROM usage");
    assert_eq!(used, "140", "it was paid once");
    eventually("the lease is given back", || {
        names(&redis, "flight").is_empty().then_some(())
    });
}

#[test]
fn a_stream_that_waits_for_another_server_is_kept_alive_and_has_every_field() {
    let redis = Redis::start();
    let (one, other) = answering("silence", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[silence]"));
    let leader = begun(ask(&one, &key, &body));
    let mut follower = ask(&other, &key, &body).events().open();
    assert_eq!(
        follower.next(),
        Some(Heard::Comment(String::new())),
        "the heartbeat"
    );
    // Who joins on the same server has what it has.
    let mut joined = ask(&other, &key, &body).events().open();
    for stream in [&mut follower, &mut joined] {
        let events = stream.events();
        let Some(Event::Completed(summary)) = events.last() else {
            panic!("{events:?}")
        };
        assert!(summary.cached && summary.title.as_deref() == Some("A title after a while"));
        let fields: Vec<Field> = events
            .iter()
            .filter_map(|event| match event {
                Event::Field(field) => Some(field.name),
                _ => None,
            })
            .collect();
        for field in [Field::Title, Field::Summary, Field::Keywords] {
            assert!(fields.contains(&field), "{field:?}: {fields:?}");
        }
        assert!(matches!(events.first(), Some(Event::Started(_))));
    }
    assert!(!completed(leader).cached);
    assert_eq!((worked(&one), worked(&other)), (1.0, 0.0));
}

#[test]
fn who_waits_for_a_server_that_gives_no_answer_makes_its_own() {
    let redis = Redis::start();
    let (one, other) = answering("no_answer", &redis);
    let key = one.key_with(json!({}));
    // Its caller leaves.
    let body = fresh("[stall]");
    let leader = begun(ask(&one, &key, &body));
    let mut waiting = ask(&other, &key, &body).events().open();
    assert_eq!(worked(&other), 0.0);
    leader.leave();
    assert!(matches!(waiting.event(), Some(Event::Started(_))));
    // It is killed.
    drop(other);
    let mut waiting = ask(&one, &key, &body).events().open();
    assert!(matches!(waiting.event(), Some(Event::Started(_))));
    assert_eq!(worked(&one), 2.0);
}

#[test]
fn a_failure_of_one_server_is_not_the_answer_of_another() {
    let redis = Redis::start();
    let (one, other) = answering("failures", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[failed]"));
    std::thread::scope(|scope| {
        for server in [&one, &other] {
            let request = ask(server, &key, &body);
            scope.spawn(move || refused(&request.send(), Code::EngineFailed));
        }
    });
    assert_eq!((worked(&one), worked(&other)), (1.0, 1.0));
}

#[test]
fn who_waits_when_redis_is_lost_makes_its_own_answer() {
    let redis = Redis::start();
    let (one, other) = answering("lost_flight", &redis);
    let (key, body) = (one.key_with(json!({})), fresh("[stall]"));
    let _leader = begun(ask(&one, &key, &body));
    led(&redis);
    let mut waiting = ask(&other, &key, &body).events().open();
    redis.crash();
    assert!(matches!(waiting.event(), Some(Event::Started(_))));
    redis.resume();
    // The leases of what runs come back with it, and the next request waits again.
    led(&redis);
    let answers_again = |server: &Server| server.metric("smart_summary_redis_answering", &[]);
    eventually("Redis answers both", || {
        (answers_again(&one) + answers_again(&other) == 2.0).then_some(())
    });
    let body = fresh("[slow]");
    let leader = begun(ask(&one, &key, &body));
    assert!(ask(&other, &key, &body).send().summary().cached);
    assert!(!completed(leader).cached);
}

#[test]
fn who_waits_for_another_server_waits_no_longer_than_its_deadline() {
    let redis = Redis::start();
    let database = postgres().database("deadline");
    let sharing = || sharing(&database, &redis).set("cache.shared", true);
    let one = Server::start(sharing());
    let other = Server::start(sharing().set("queue.interactive_deadline_ms", 1000));
    let (key, body) = (one.key_with(json!({})), fresh("[stall]"));
    let _leader = begun(ask(&one, &key, &body));
    refused(&ask(&other, &key, &body).send(), Code::DeadlineExceeded);
}
