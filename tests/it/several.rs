//! Several servers that behave as one, through a real PostgreSQL and a real Redis; and what they do without.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use api::{Batch, BatchResult, BatchStatus, Code, Event, ItemStatus};
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::Stream;
use crate::databases::{Cutter, Postgres, Redis};
use crate::server::{Server, Setup, eventually, script};

/// One cluster for the tests that leave it alone; each has a database of its own.
pub(crate) fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(Postgres::start)
}

/// A server of those that share `database`.
pub(crate) fn setup(database: &str) -> Setup {
    script(Setup::default())
        .set("store.postgres", database)
        .set(
            "auth.pepper",
            "\"a pepper that all servers of this test share\"",
        )
        .reply(
            json!({ "when": "[brief]", "delay_ms": 150, "title": "A brief title",
            "usage": { "prompt_tokens": 100, "image_tokens": 0, "completion_tokens": 40 } }),
        )
        .set("tiers.budget.tokens_per_day", 1_000_000)
}

fn usage(server: &Server, key: &str) -> crate::client::Answer {
    server.get("/v1/usage").bearer(key).send()
}

fn used(server: &Server, key: &str) -> u64 {
    usage(server, key).json()["budget"]["used"]
        .as_u64()
        .unwrap()
}

#[track_caller]
fn create(server: &Server, key: &str, count: usize, words: &str) -> Batch {
    let items: Vec<Value> = (0..count)
        .map(|place| json!({ "id": place.to_string(), "request": fresh(words) }))
        .collect();
    let request = server.post("/v1/batches").bearer(key);
    let answer = request.json(&json!({ "items": items })).send();
    assert_eq!(answer.status, 201, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn show(server: &Server, key: &str, id: &str) -> Batch {
    let answer = server.get(&format!("/v1/batches/{id}")).bearer(key).send();
    serde_json::from_slice(&answer.body).unwrap()
}

fn results(server: &Server, key: &str, id: &str) -> Vec<BatchResult> {
    let path = format!("/v1/batches/{id}/results?partial=true");
    let answer = server.get(&path).bearer(key).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn keys_and_tokens_of_one_server_are_known_to_the_other_until_they_are_revoked() {
    let database = postgres().database("keys");
    let (one, other) = (
        Server::start(setup(&database)),
        Server::start(setup(&database)),
    );
    let draft = json!({ "name": "site", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] });
    let (id, key) = one.new_key(&draft);
    let token = one.token(&key, json!({}));
    assert_eq!(usage(&other, &key).status, 200);
    let from_page = |server: &Server| {
        let request = server.get("/v1/usage").bearer(&token);
        request.header("Origin", "https://blog.example").send()
    };
    assert_eq!(from_page(&other).status, 200);
    let path = format!("/v1/admin/keys/{id}");
    assert_eq!(
        other
            .request("DELETE", &path)
            .bearer(&other.admin)
            .send()
            .status,
        200
    );
    refused(&usage(&other, &key), Code::KeyRevoked);
    eventually("the other server knows it too", || {
        (usage(&one, &key).status == 401).then_some(())
    });
    refused(&usage(&one, &key), Code::KeyRevoked);
    assert_eq!(from_page(&one).status, 401);
    let unknown = one.key_with(json!({}));
    assert_eq!(
        usage(&other, &unknown).status,
        200,
        "a key that was made since is found"
    );
}

#[test]
fn a_server_with_another_pepper_does_not_start() {
    let database = postgres().database("pepper");
    let server = Server::start(setup(&database));
    let migrated = server.cli(&["migrate"]);
    let told = String::from_utf8_lossy(&migrated.stdout).into_owned();
    assert!(told.starts_with("PostgreSQL: form "), "{told}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("smart-summary.toml"),
        format!(
            "store.postgres = {database}\nauth.pepper = \"another pepper, as long as it must be\"\n"
        ),
    )
    .unwrap();
    let refused = crate::server::command(folder.path())
        .args(["keys", "list"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("not the pepper") && !told.contains("summaries@"),
        "{told}"
    );
}

/// Two servers work on one batch; one is killed in the middle.
#[test]
fn servers_share_a_batch_and_one_that_is_killed_is_stood_in_for() {
    const ITEMS: usize = 40;
    let database = postgres().database("batches");
    let start = || Server::start(setup(&database).set("batches.max_running", 2));
    let (one, other) = (start(), start());
    let draft = json!({ "name": "site", "scopes": ["batches:write"], "tier": "budget" });
    let (_, key) = one.new_key(&draft);
    let batch = create(&one, &key, ITEMS, "[brief]");
    eventually("both have done some", || {
        let done =
            |server: &Server| server.metric("smart_summary_batch_items_total", &["completed"]);
        (done(&one) >= 4.0 && done(&other) >= 4.0).then_some(())
    });
    let given: BTreeMap<u32, BatchResult> = results(&other, &key, &batch.id)
        .into_iter()
        .map(|result| (result.index, result))
        .collect();
    assert!(
        show(&other, &key, &batch.id).status == BatchStatus::Running,
        "it ended too early"
    );
    drop(one);
    // What the killed server had is taken up when its leases are over.
    let since = Instant::now();
    while show(&other, &key, &batch.id).status == BatchStatus::Running {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{:?}",
            show(&other, &key, &batch.id)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let last = results(&other, &key, &batch.id);
    let places: Vec<usize> = last.iter().map(|result| result.index as usize).collect();
    assert_eq!(places, (0..ITEMS).collect::<Vec<_>>());
    assert!(
        last.iter()
            .all(|result| result.status == ItemStatus::Completed)
    );
    for result in &last {
        assert!(given.get(&result.index).is_none_or(|known| known == result));
    }
    assert_eq!(used(&other, &key), 140 * ITEMS as u64, "each was paid once");
}

#[test]
fn a_budget_is_one_for_all_servers() {
    let database = postgres().database("budget");
    let start = || Server::start(setup(&database).set("tiers.small.tokens_per_day", 2000));
    let (one, other) = (start(), start());
    let key = one.key_with(json!({ "tier": "small" }));
    let ask = |server: &Server| {
        server
            .post("/v1/summaries")
            .bearer(&key)
            .json(&fresh("Bread."))
            .send()
    };
    for server in [&one, &other, &one, &other] {
        ask(server).summary();
    }
    // 560 are used and more than 1500 would be set aside.
    refused(&ask(&one), Code::BudgetUsedUp);
    refused(&ask(&other), Code::BudgetUsedUp);
    assert_eq!(used(&one, &key), 560);
}

/// Two servers whose tier `small` has 4000 tokens a day; a request sets more than 1500 aside.
fn small(postgres: &Postgres, database: &str) -> (Server, Server) {
    let address = postgres.database(database);
    let start = || {
        let setup = setup(&address).set("tiers.small.tokens_per_day", 4000);
        Server::start(setup.set("queue.max_running", 8))
    };
    (start(), start())
}

/// Asks for a summary that is never done; an answer that is no stream is a refusal.
fn stall(server: &Server, key: &str) -> Option<Stream> {
    let request = server.post("/v1/summaries").bearer(key);
    let mut stream = request.json(&fresh("[stall]")).events().open();
    (stream.status == 200).then(|| {
        while !matches!(stream.event(), Some(Event::Started(_))) {}
        stream
    })
}

#[test]
fn what_one_server_has_set_aside_is_missing_from_the_budget_of_the_other() {
    let (one, other) = small(postgres(), "aside");
    let key = one.key_with(json!({ "tier": "small" }));
    let ask = |server: &Server| {
        let request = server.post("/v1/summaries").bearer(&key);
        request.json(&fresh("Bread.")).send()
    };
    let first = stall(&one, &key).unwrap();
    let _second = stall(&other, &key).unwrap();
    for server in [&one, &other] {
        let problem = refused(&ask(server), Code::BudgetUsedUp);
        assert!(problem.retry_after_ms.unwrap() <= 2000, "{problem:?}");
    }
    // What is set aside is a lease of seconds, and is made longer while the requests run.
    let leases = || postgres().rows("aside", "SELECT min(lease_until) FROM asides");
    let before = leases();
    eventually("the leases are renewed", || {
        (leases() > before).then_some(())
    });
    first.leave();
    eventually("what was not used is free everywhere", || {
        (ask(&other).status == 200).then_some(())
    });
    ask(&one).summary();
    assert_eq!(
        postgres().rows("aside", "SELECT sum(tokens) FROM usage"),
        "280"
    );
}

#[test]
fn servers_that_are_asked_at_once_do_not_pass_a_budget_together() {
    let (one, other) = small(postgres(), "rush");
    let key = one.key_with(json!({ "tier": "small" }));
    let running: Vec<Option<Stream>> = std::thread::scope(|scope| {
        let ask = |server| {
            let key = &key;
            scope.spawn(move || stall(server, key))
        };
        let asked: Vec<_> = (0..6).flat_map(|_| [ask(&one), ask(&other)]).collect();
        asked
            .into_iter()
            .map(|asked| asked.join().unwrap())
            .collect()
    });
    assert_eq!(running.iter().flatten().count(), 2);
}

#[test]
fn what_a_killed_server_had_set_aside_is_free_when_its_lease_is_over() {
    let (one, other) = small(postgres(), "killed_aside");
    let key = one.key_with(json!({ "tier": "small" }));
    let _running = [stall(&one, &key).unwrap(), stall(&one, &key).unwrap()];
    assert!(stall(&other, &key).is_none());
    drop(one);
    assert!(stall(&other, &key).is_none());
    eventually("the lease is over", || stall(&other, &key));
}

#[test]
fn what_is_set_aside_when_the_database_is_lost_is_settled_when_it_is_back() {
    let postgres = Postgres::start();
    let (one, _) = small(&postgres, "lost_aside");
    let key = one.key_with(json!({ "tier": "small" }));
    let request = one.post("/v1/summaries").bearer(&key);
    let mut stream = request.json(&fresh("[slow]")).events().open();
    while !matches!(stream.event(), Some(Event::Started(_))) {}
    postgres.crash();
    let last = stream.events().pop();
    assert!(matches!(last, Some(Event::Completed(_))), "{last:?}");
    postgres.resume();
    let rows = |sql: &str| postgres.rows("lost_aside", sql);
    eventually("the use is written", || {
        (rows("SELECT sum(tokens) FROM usage") == "140").then_some(())
    });
    eventually("nothing is set aside", || {
        (rows("SELECT count(*) FROM asides") == "0").then_some(())
    });
}

/// A database that counts a charge, and whose answer is lost on its way.
#[test]
fn use_whose_answer_is_lost_is_counted_once() {
    let database = postgres().database("lost_answer");
    // Between a server and the database: cuts the line where a charge was committed and the word of it is on its way.
    let line = Cutter::to(postgres().address());
    let server =
        Server::start(setup(&line.through(&database)).set("tiers.free.requests_per_minute", 1_000));
    for tier in ["budget", "free"] {
        let (id, key) =
            server.new_key(&json!({ "name": tier, "scopes": ["summaries:write"], "tier": tier }));
        let of_key = |sql: &str| postgres().rows("lost_answer", &sql.replace("KEY", &id));
        let cut = line.cuts();
        line.arm();
        let request = server.post("/v1/summaries").bearer(&key);
        request.json(&fresh("Bread.")).send().summary();
        eventually("an answer was lost", || (line.cuts() > cut).then_some(()));
        eventually("it was counted", || {
            (of_key("SELECT sum(tokens) FROM usage WHERE key_id = 'KEY'") == "140").then_some(())
        });
        eventually("nothing is set aside", || {
            (of_key("SELECT count(*) FROM asides WHERE key_id = 'KEY'") == "0").then_some(())
        });
        // It was told again, and another request is counted beside it.
        let request = server.post("/v1/summaries").bearer(&key);
        request.json(&fresh("Bread.")).send().summary();
        let told = || of_key("SELECT sum(tokens) FROM usage WHERE key_id = 'KEY'");
        eventually("both are counted", || (told() == "280").then_some(()));
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(2500) {
            assert_eq!(told(), "280", "{tier}: nothing is counted again");
        }
        let log = server.log();
        assert!(log.contains("used tokens could not be written"), "{log}");
    }
}

/// A database whose clock is an hour ahead of every server's: the name is looked up in it first.
fn ahead(name: &str) -> String {
    let database = postgres().database(name);
    let sql = "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
         AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$;";
    let first = format!("ALTER DATABASE {name} SET search_path = public, pg_catalog");
    postgres().sql(name, &format!("{sql} {first}"));
    database
}

/// Clocks of servers differ: leases are told by the one clock that all of them ask.
#[test]
fn leases_of_items_are_told_by_the_clock_of_the_database() {
    let database = ahead("ahead_items");
    let start = || Server::start(setup(&database).set("batches.max_running", 1));
    let (one, other) = (start(), start());
    let draft = json!({ "name": "site", "scopes": ["batches:write"], "tier": "budget" });
    let (_, key) = one.new_key(&draft);
    let batch = create(&one, &key, 2, "[stall]");
    let ahead = "SELECT count(*), min(lease_until) > (extract(epoch FROM pg_catalog.clock_timestamp()) + 3000) * 1000
                 FROM items WHERE state = 1";
    let leases = || postgres().rows("ahead_items", ahead);
    eventually("each has one", || (leases() == "2|t").then_some(()));
    let ends = || postgres().rows("ahead_items", "SELECT min(lease_until) FROM items");
    let before = ends();
    eventually("the leases are renewed", || (ends() > before).then_some(()));
    assert_eq!(leases(), "2|t", "nobody took the other's");
    drop(one);
    eventually("what the killed server had waits again", || {
        let states = "SELECT sum(1 - state) FROM items WHERE state < 2";
        (postgres().rows("ahead_items", states) == "1").then_some(())
    });
    assert_eq!(show(&other, &key, &batch.id).status, BatchStatus::Running);
}

#[test]
fn leases_of_budgets_are_told_by_the_clock_of_the_database() {
    let database = ahead("ahead");
    let start = || {
        let setup = setup(&database).set("tiers.small.tokens_per_day", 4000);
        Server::start(setup)
    };
    let (one, other) = (start(), start());
    let key = one.key_with(json!({ "tier": "small" }));
    let running = [stall(&one, &key).unwrap(), stall(&other, &key).unwrap()];
    for server in [&one, &other] {
        assert!(stall(server, &key).is_none(), "the budget is set aside");
    }
    let ahead = "SELECT min(lease_until) > (extract(epoch FROM pg_catalog.clock_timestamp()) + 3000) * 1000 FROM asides";
    let leases = || postgres().rows("ahead", "SELECT min(lease_until) FROM asides");
    let before = leases();
    assert_eq!(postgres().rows("ahead", ahead), "t");
    eventually("the leases are renewed", || {
        (leases() > before).then_some(())
    });
    assert_eq!(postgres().rows("ahead", ahead), "t");
    assert!(stall(&other, &key).is_none());
    drop(running);
    drop(one);
    eventually("what was set aside is free", || stall(&other, &key));
}

#[test]
fn without_its_database_a_server_knows_whom_it_knew_and_nobody_else() {
    let postgres = Postgres::start();
    let server = Server::start(setup(&postgres.database("lost")));
    let (known, unseen) = (server.key_with(json!({})), server.key_with(json!({})));
    let ask = |key: &str| {
        server
            .post("/v1/summaries")
            .bearer(key)
            .json(&fresh("Bread."))
            .send()
    };
    ask(&known).summary();
    postgres.crash();
    eventually("the server notices", || {
        server
            .log()
            .contains("the key store does not answer")
            .then_some(())
    });
    ask(&known).summary();
    refused(&ask(&unseen), Code::StoreUnavailable);
    let draft = json!({ "name": "late", "scopes": ["summaries:write"] });
    let late = server
        .post("/v1/admin/keys")
        .bearer(&server.admin)
        .json(&draft)
        .send();
    refused(&late, Code::StoreUnavailable);
    postgres.resume();
    eventually("the server recovers", || {
        (ask(&unseen).status == 200).then_some(())
    });
}

/// Servers that share a Redis, with a burst of ten requests that come back over hours.
fn limited(redis: &Redis) -> Server {
    Server::start(
        script(Setup::default())
            .set("store.redis", redis.address())
            .set("store.redis_lost_percent", 50)
            .set("tiers.ten.request_burst", 10)
            .set("tiers.ten.requests_per_minute", 1),
    )
}

#[test]
fn a_quota_is_one_for_all_servers() {
    let (redis, postgres) = (Redis::start(), postgres().database("quota"));
    let start = || {
        Server::start(
            setup(&postgres)
                .set("store.redis", redis.address())
                .set("tiers.ten.request_burst", 10)
                .set("tiers.ten.requests_per_minute", 1),
        )
    };
    let (one, other) = (start(), start());
    let key = one.key_with(json!({ "tier": "ten" }));
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let ask = |server| {
            let key = &key;
            scope.spawn(move || usage(server, key).status)
        };
        let asked: Vec<_> = (0..15).flat_map(|_| [ask(&one), ask(&other)]).collect();
        asked
            .into_iter()
            .map(|answer| answer.join().unwrap())
            .collect()
    });
    let admitted = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(admitted, 10, "{answers:?}");
    let answer = usage(&one, &key);
    let problem = refused(&answer, Code::RateLimited);
    assert!(problem.retry_after_ms.unwrap() > 50_000, "{problem:?}");
    assert!(
        answer
            .header("RateLimit")
            .unwrap()
            .contains("\"requests\";r=0;t=")
    );
}

#[test]
fn pictures_and_tokens_are_shared_too_and_what_is_not_used_comes_back() {
    let redis = Redis::start();
    let server = Server::start(
        script(Setup::default())
            .set("store.redis", redis.address())
            .set("tiers.few.tokens_per_minute", 2000)
            .set("tiers.few.images_per_minute", 1),
    );
    let key = server.key_with(json!({ "tier": "few" }));
    let picture = crate::pictures::data_uri(&crate::pictures::png(8, 8));
    let ask = |images: Value| {
        let body = crate::server::merged(fresh("Bread."), json!({ "images": images }));
        server.post("/v1/summaries").bearer(&key).json(&body).send()
    };
    ask(json!([])).summary();
    // More than 1500 were set aside and 140 used.
    let left = |name: &str| {
        let limits = usage(&server, &key).json()["limits"].clone();
        let limit = limits
            .as_array()
            .unwrap()
            .iter()
            .find(|limit| limit["name"] == name);
        limit.unwrap()["remaining"].as_u64().unwrap()
    };
    assert!((1860..2000).contains(&left("tokens")), "{}", left("tokens"));
    let unused = server.key_with(json!({ "tier": "few" }));
    assert_eq!(
        usage(&server, &unused).json()["limits"][2]["remaining"],
        2000
    );
    assert_eq!(left("images"), 1);
    let refusal = ask(json!([{ "id": "a", "data": picture }, { "id": "b", "data": picture }]));
    refused(&refusal, Code::TooManyImages);
    assert_eq!(left("images"), 1, "a refusal costs nothing");
}

#[test]
fn without_redis_a_server_gives_out_its_part_and_recovers_by_itself() {
    let redis = Redis::start();
    let server = limited(&redis);
    let answering = || server.metric("smart_summary_redis_answering", &[]);
    let admitted = || {
        let key = server.key_with(json!({ "tier": "ten" }));
        (0..20)
            .filter(|_| usage(&server, &key).status == 200)
            .count()
    };
    assert_eq!(admitted(), 10);
    redis.crash();
    usage(&server, &server.key);
    assert_eq!(answering(), 0.0);
    assert_eq!(admitted(), 5, "half of the quota, and no open door");
    assert!(
        server.log().contains("Redis does not answer"),
        "{}",
        server.log()
    );
    redis.resume();
    eventually("Redis is used again", || {
        usage(&server, &server.key);
        (answering() == 1.0).then_some(())
    });
    assert_eq!(admitted(), 10);
    assert!(server.log().contains("Redis answers again"));
}

/// Redis is there and takes no writes: a server must not count by Redis at one moment and by itself at the next.
#[test]
fn a_redis_that_takes_no_writes_is_lost_until_it_does() {
    let redis = Redis::start();
    let server = limited(&redis);
    let answering = || server.metric("smart_summary_redis_answering", &[]);
    let admitted = || {
        let key = server.key_with(json!({ "tier": "ten" }));
        (0..20)
            .filter(|_| usage(&server, &key).status == 200)
            .count()
    };
    let nobody = "1";
    let cases: [(&str, &[&str], &[&str]); 3] = [
        (
            "OOM",
            &["CONFIG", "SET", "maxmemory", "1"],
            &["CONFIG", "SET", "maxmemory", "0"],
        ),
        (
            "READONLY",
            &["REPLICAOF", "127.0.0.1", nobody],
            &["REPLICAOF", "NO", "ONE"],
        ),
        (
            "NOAUTH",
            &["CONFIG", "SET", "requirepass", "word"],
            &["-a", "word", "CONFIG", "SET", "requirepass", ""],
        ),
    ];
    for (word, trouble, end) in cases {
        assert_eq!(admitted(), 10, "before {word}");
        redis.run(trouble);
        if word == "NOAUTH" {
            // Who is in stays in.
            redis.run(&["-a", "word", "CLIENT", "KILL", "TYPE", "normal"]);
        }
        eventually("it is noticed", || {
            usage(&server, &server.key);
            (answering() == 0.0).then_some(())
        });
        // Longer than it takes to ask again: a look that only reads would find it well.
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(2500) {
            assert_eq!(admitted(), 5, "{word}: half of the quota, all the time");
            assert_eq!(answering(), 0.0, "{word}");
        }
        redis.run(end);
        eventually("Redis is used again", || (answering() == 1.0).then_some(()));
    }
    assert_eq!(admitted(), 10);
    let log = server.log();
    for word in ["OOM", "READONLY"] {
        assert!(
            log.contains(&format!("\"error\":\"{word}\"")),
            "{word}: {log}"
        );
    }
    assert_eq!(log.matches("Redis does not answer").count(), 3, "{log}");
}

/// A script without an end, of somebody else: Redis is back when it is killed.
#[test]
fn a_redis_that_is_busy_is_lost_until_it_is_not() {
    let redis = Redis::start();
    redis.run(&["CONFIG", "SET", "lua-time-limit", "20"]);
    let server = limited(&redis);
    let answering = || server.metric("smart_summary_redis_answering", &[]);
    usage(&server, &server.key);
    assert_eq!(answering(), 1.0);
    std::thread::scope(|scope| {
        scope.spawn(|| redis.run(&["EVAL", "while true do end", "0"]));
        eventually("it is noticed", || {
            usage(&server, &server.key);
            (answering() == 0.0).then_some(())
        });
        let key = server.key_with(json!({ "tier": "ten" }));
        let admitted = (0..20).filter(|_| usage(&server, &key).status == 200);
        assert_eq!(admitted.count(), 5);
        redis.run(&["SCRIPT", "KILL"]);
    });
    eventually("Redis is used again", || (answering() == 1.0).then_some(()));
}

/// What somebody puts under one key's name ends nothing for the others, and scripts that Redis forgot are sent again.
#[test]
fn an_error_about_one_name_and_a_forgotten_script_lose_no_redis() {
    let redis = Redis::start();
    let (one, other) = (limited(&redis), limited(&redis));
    let draft = json!({ "name": "ten", "scopes": ["summaries:write"], "tier": "ten" });
    let admitted = |key: &str| {
        let asked = (0..20).filter(|_| usage(&one, key).status == 200);
        asked.count()
    };
    let (id, troubled) = one.new_key(&draft);
    let (garbled_id, garbled) = one.new_key(&draft);
    let name = |id: &str| format!("smart-summary:{{{id}}}:requests");
    redis.run(&["LPUSH", &name(&id), "not ours"]);
    redis.run(&["SET", &name(&garbled_id), "not a number"]);
    assert_eq!(admitted(&troubled), 5, "its part, and no open door");
    assert_eq!(admitted(&garbled), 10, "what is no number is written over");
    assert_eq!(
        admitted(&one.new_key(&draft).1),
        10,
        "of another key the whole"
    );
    redis.run(&["SCRIPT", "FLUSH"]);
    assert_eq!(admitted(&one.new_key(&draft).1), 10);
    usage(&other, &other.key);
    for server in [&one, &other] {
        assert_eq!(server.metric("smart_summary_redis_answering", &[]), 1.0);
        assert!(!server.log().contains("Redis does not answer"));
    }
    assert!(
        one.log().contains("\"error\":\"WRONGTYPE\""),
        "{}",
        one.log()
    );
}

#[test]
fn a_server_starts_without_redis() {
    let redis = Redis::start();
    redis.crash();
    let server = limited(&redis);
    server.summary(&fresh("Bread."));
    assert_eq!(server.metric("smart_summary_redis_answering", &[]), 0.0);
}

/// Two servers that share stored answers.
fn answering(database: &str, redis: &Redis) -> (Server, Server) {
    let start = || {
        let shared = setup(database).set("store.redis", redis.address());
        Server::start(shared.set("cache.shared", true))
    };
    (start(), start())
}

fn ask(server: &Server, key: &str, words: &str) -> api::Summary {
    let request = json!({ "article": { "content": words, "format": "text" } });
    let asked = server.post("/v1/summaries").bearer(key);
    asked.json(&request).send().summary()
}

#[test]
fn stored_answers_are_shared_by_servers_and_not_by_tenants() {
    let redis = Redis::start();
    let (one, other) = answering(&postgres().database("answers"), &redis);
    let key = one.key_with(json!({ "tier": "budget" }));
    let words = "Rye bread needs time, and a warm place.";
    let made = ask(&one, &key, words);
    let stored = ask(&other, &key, words);
    assert_eq!((made.cached, stored.cached), (false, true));
    assert_eq!(
        (&made.title, &made.summary),
        (&stored.title, &stored.summary)
    );
    assert_ne!(made.id, stored.id);
    assert_eq!(used(&other, &key), 140, "what was stored costs nothing");
    let stranger = one.key_with(json!({}));
    assert!(!ask(&other, &stranger, words).cached, "another's answer");
    assert!(!ask(&other, &key, "Rye bread needs time.").cached);
    let shown = redis.run(&["KEYS", "smart-summary:answer:*"]);
    assert_eq!(shown.lines().count(), 3);
    let id = key.split('_').nth(2).unwrap();
    assert!(!shown.contains(id), "a name says nothing: {shown}");
    for name in shown.lines() {
        let left: i64 = redis.run(&["PTTL", name]).parse().unwrap();
        assert!((1..=3_600_000).contains(&left), "{left}");
    }
}

#[test]
fn what_redis_says_is_believed_with_our_seal_alone() {
    let redis = Redis::start();
    let (one, other) = answering(&postgres().database("sealed"), &redis);
    let key = one.key_with(json!({}));
    let (first, second) = ("Rye bread needs time.", "White bread needs none.");
    ask(&one, &key, first);
    let name = redis.run(&["KEYS", "smart-summary:answer:*"]);
    ask(&one, &key, second);
    let names = redis.run(&["KEYS", "smart-summary:answer:*"]);
    let moved = names.lines().find(|other| *other != name).unwrap();
    // The answer to one article under the name of another, and a damaged one under its own.
    redis.run(&["COPY", moved, &name, "REPLACE"]);
    redis.run(&["SETRANGE", moved, "60", "forged"]);
    for words in [first, second] {
        let answer = ask(&other, &key, words);
        assert!(!answer.cached, "{answer:?}");
    }
    assert!(other.log().contains("a value without our seal"));
}

#[test]
fn without_redis_answers_are_each_servers_own_until_it_is_back() {
    let redis = Redis::start();
    let (one, other) = answering(&postgres().database("unshared"), &redis);
    let key = one.key_with(json!({}));
    let shared = |server: &Server| server.metric("smart_summary_redis_answering", &[]);
    assert_eq!(shared(&one), 1.0);
    redis.crash();
    assert!(!ask(&one, &key, "Bread.").cached);
    assert!(ask(&one, &key, "Bread.").cached, "from memory");
    assert!(!ask(&other, &key, "Bread.").cached);
    assert_eq!(shared(&one), 0.0);
    assert!(one.log().contains("Redis does not answer"));
    redis.resume();
    let mut times = 0;
    eventually("answers are shared again", || {
        times += 1;
        let words = format!("Bread {times}.");
        ask(&one, &key, &words);
        ask(&other, &key, &words).cached.then_some(())
    });
    assert_eq!(shared(&one), 1.0);
    assert!(one.log().contains("Redis answers again"));
}
