//! `/v1/batches`: accepted whole, answered in order, and safe from every end a server may meet.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use api::{
    Batch, BatchList, BatchResult, BatchStatus, Code, ItemStatus, WebhookEvent, WebhookState,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::check::{fresh, refused, refused_at};
use crate::client::{Answer, Received};
use crate::pictures;
use crate::server::{Server, Setup, eventually, merged, product, script, shared};

/// A key that may make batches.
pub(crate) fn batch_key(server: &Server, more: Value) -> String {
    server.key_with(merged(
        json!({ "scopes": ["batches:write", "summaries:write"] }),
        more,
    ))
}

/// Articles that the scripted engine answers as their words say.
pub(crate) fn items(words: &[&str]) -> Value {
    let items: Vec<Value> = words
        .iter()
        .enumerate()
        .map(|(place, words)| json!({ "id": format!("post-{place}"), "request": fresh(words) }))
        .collect();
    json!({ "items": items })
}

fn create(server: &Server, key: &str, body: &Value) -> Answer {
    server.post("/v1/batches").bearer(key).json(body).send()
}

#[track_caller]
pub(crate) fn created(server: &Server, key: &str, body: &Value) -> Batch {
    let answer = create(server, key, body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    let batch: Batch = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        answer.header("Location"),
        Some(format!("/v1/batches/{}", batch.id).as_str())
    );
    batch
}

#[track_caller]
fn show(server: &Server, key: &str, id: &str) -> Batch {
    let answer = server.get(&format!("/v1/batches/{id}")).bearer(key).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[track_caller]
fn over(server: &Server, key: &str, id: &str) -> Batch {
    eventually("the batch is over", || {
        Some(show(server, key, id)).filter(|batch| batch.status != BatchStatus::Running)
    })
}

#[track_caller]
fn results(server: &Server, key: &str, id: &str, query: &str) -> Vec<BatchResult> {
    let path = format!("/v1/batches/{id}/results{query}");
    let answer = server.get(&path).bearer(key).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Content-Type"), Some("application/jsonl"));
    lines(&answer.text())
}

#[track_caller]
fn lines(text: &str) -> Vec<BatchResult> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn budget_used(server: &Server, key: &str) -> u64 {
    let answer = server.get("/v1/usage").bearer(key).send();
    answer.json()["budget"]["used"].as_u64().unwrap()
}

fn tokens(batch: &Batch) -> u64 {
    u64::from(batch.usage.prompt_tokens) + u64::from(batch.usage.completion_tokens)
}

#[test]
fn a_batch_is_answered_in_the_order_of_its_items() {
    let server = shared();
    let key = batch_key(server, json!({}));
    let words = ["[slow]", "Bread.", "[pieces]", "Bread.", "Bread."];
    let batch = created(server, &key, &items(&words));
    assert_eq!((batch.status, batch.items.total), (BatchStatus::Running, 5));
    let done = over(server, &key, &batch.id);
    assert_eq!((done.items.completed, done.items.failed), (5, 0));
    assert_eq!(tokens(&done), 5 * 140);
    assert!(done.finished_at.unwrap() >= done.created_at && done.expires_at > done.finished_at);
    let results = results(server, &key, &batch.id, "");
    for (place, result) in results.iter().enumerate() {
        assert_eq!(
            (result.index as usize, &result.id),
            (place, &format!("post-{place}"))
        );
        assert_eq!(result.status, ItemStatus::Completed);
        assert!(result.summary.as_ref().unwrap().title.is_some() && result.problem.is_none());
    }
    assert_eq!(results.len(), 5);
}

#[test]
fn an_item_that_cannot_be_answered_has_its_problem_and_the_others_their_summaries() {
    let server = shared();
    let key = batch_key(server, json!({}));
    let mut body = items(&["Bread.", "Bread.", "[failed]"]);
    let picture = pictures::data_uri(b"just some text that goes on for a while");
    body["items"][1]["request"]["images"] = json!([{ "id": "hero", "data": picture }]);
    let batch = created(server, &key, &body);
    let done = over(server, &key, &batch.id);
    assert_eq!((done.items.completed, done.items.failed), (1, 2));
    let results = results(server, &key, &batch.id, "");
    let problem = results[1].problem.as_ref().unwrap();
    assert_eq!(
        (problem.code, problem.image.as_deref()),
        (Code::NotAnImage, Some("hero"))
    );
    assert_eq!(problem.request_id, format!("{}.1", batch.id));
    assert_eq!(
        results[2].problem.as_ref().unwrap().code,
        Code::EngineFailed
    );
    assert!(results[0].summary.is_some());
}

#[test]
fn a_picture_comes_with_its_item() {
    let server = shared();
    let key = batch_key(server, json!({}));
    let mut body = items(&["Bread."]);
    let picture = pictures::data_uri(&pictures::png(8, 8));
    body["items"][0]["request"]["images"] = json!([{ "id": "hero", "data": picture }]);
    let batch = created(server, &key, &body);
    over(server, &key, &batch.id);
    let results = results(server, &key, &batch.id, "");
    let alt_texts = results[0]
        .summary
        .as_ref()
        .unwrap()
        .alt_texts
        .as_ref()
        .unwrap();
    assert_eq!(alt_texts[0].id, "hero");
}

#[test]
fn a_batch_with_a_fault_is_refused_whole_and_the_fault_is_named() {
    let server = shared();
    let key = batch_key(server, json!({}));
    let check = |change: &dyn Fn(&mut Value), code: Code, field: &str| {
        let mut body = items(&["Bread.", "Bread."]);
        change(&mut body);
        refused_at(&create(server, &key, &body), code, field);
    };
    let at = "/items/1/request";
    check(
        &|body| body["items"] = json!([]),
        Code::InvalidField,
        "/items",
    );
    check(
        &|body| body["items"][1]["id"] = json!("post-0"),
        Code::InvalidField,
        "/items/1/id",
    );
    check(
        &|body| body["items"][1]["id"] = json!(""),
        Code::InvalidField,
        "/items/1/id",
    );
    check(
        &|body| body["itms"] = json!([]),
        Code::InvalidField,
        "/itms",
    );
    check(
        &|body| body["items"][1]["request"]["candidates"] = json!(9),
        Code::InvalidField,
        &format!("{at}/candidates"),
    );
    check(
        &|body| body["items"][1]["request"]["articel"] = json!({}),
        Code::InvalidField,
        &format!("{at}/articel"),
    );
    check(
        &|body| body["items"][1]["request"] = json!({}),
        Code::NothingToRead,
        at,
    );
    check(
        &|body| body["items"][1]["request"]["engine"] = json!("upstream"),
        Code::EngineNotOffered,
        &format!("{at}/engine"),
    );
    check(
        &|body| body["items"][1]["request"]["images"] = json!([{ "id": "hero" }]),
        Code::ImageMismatch,
        at,
    );
    check(
        &|body| body["webhook"] = json!({ "url": "https://127.0.0.1/" }),
        Code::InvalidField,
        "/webhook/url",
    );
    let listed: BatchList =
        serde_json::from_slice(&server.get("/v1/batches").bearer(&key).send().body).unwrap();
    assert!(
        listed.batches.is_empty(),
        "nothing of a refused batch is kept"
    );
}

#[test]
fn a_batch_is_its_keys_alone() {
    let server = shared();
    let (mine, other) = (batch_key(server, json!({})), batch_key(server, json!({})));
    let batch = created(server, &mine, &items(&["Bread."]));
    over(server, &mine, &batch.id);
    for (method, path) in [
        ("GET", format!("/v1/batches/{}", batch.id)),
        ("GET", format!("/v1/batches/{}/results", batch.id)),
        ("DELETE", format!("/v1/batches/{}", batch.id)),
    ] {
        refused(
            &server.request(method, &path).bearer(&other).send(),
            Code::NotFound,
        );
    }
    assert_eq!(results(server, &mine, &batch.id, "").len(), 1);
}

#[test]
fn the_list_goes_from_the_newest_to_the_oldest_in_pages() {
    let server = shared();
    let key = batch_key(server, json!({}));
    let mut made: Vec<String> = (0..5)
        .map(|_| created(server, &key, &items(&["Bread."])).id)
        .collect();
    made.sort_unstable_by(|one, other| other.cmp(one));
    let (mut seen, mut next) = (Vec::new(), Some(String::new()));
    while let Some(before) = next {
        let query = if before.is_empty() {
            String::new()
        } else {
            format!("&before={before}")
        };
        let answer = server
            .get(&format!("/v1/batches?limit=2{query}"))
            .bearer(&key)
            .send();
        let list: BatchList = serde_json::from_slice(&answer.body).unwrap();
        assert!(list.batches.len() <= 2);
        seen.extend(list.batches.into_iter().map(|batch| batch.id));
        next = list.next;
    }
    assert_eq!(seen, made);
    for query in ["limit=0", "limit=101", "limit=x", "offset=3"] {
        let answer = server
            .get(&format!("/v1/batches?{query}"))
            .bearer(&key)
            .send();
        refused(&answer, Code::InvalidField);
    }
}

#[test]
fn the_same_batch_sent_twice_is_accepted_once_also_after_a_restart() {
    let server = Server::start(script(Setup::default()));
    let key = batch_key(&server, json!({}));
    let body = items(&["Bread."]);
    let send = |server: &Server, body: &Value| {
        let request = server.post("/v1/batches").bearer(&key).json(body);
        request.header("Idempotency-Key", "nightly").send()
    };
    let first = send(&server, &body);
    assert_eq!(
        (first.status, first.header("Idempotency-Replayed")),
        (201, None)
    );
    let server = Server::start_in(server.stop());
    let again = send(&server, &body);
    assert_eq!(
        (again.status, again.header("Idempotency-Replayed")),
        (200, Some("true"))
    );
    assert_eq!(first.json()["id"], again.json()["id"]);
    refused(
        &send(&server, &items(&["Bread."])),
        Code::IdempotencyMismatch,
    );
}

#[test]
fn a_cancelled_batch_keeps_what_is_done_and_pays_for_nothing_else() {
    let server = Server::start(
        script(Setup::default())
            .set("tiers.budget.tokens_per_day", 1_000_000)
            .set("queue.max_running", 1),
    );
    let key = batch_key(&server, json!({ "tier": "budget" }));
    let batch = created(&server, &key, &items(&["Bread.", "[stall]", "Bread."]));
    eventually("the first is done and the second runs", || {
        let done = show(&server, &key, &batch.id).items.completed == 1;
        (done && budget_used(&server, &key) > 140).then_some(())
    });
    let answer = server
        .request("DELETE", &format!("/v1/batches/{}", batch.id))
        .bearer(&key)
        .send();
    let cancelled: Batch = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(cancelled.status, BatchStatus::Cancelled);
    assert_eq!(
        (cancelled.items.completed, cancelled.items.cancelled),
        (1, 2)
    );
    let states: Vec<_> = results(&server, &key, &batch.id, "")
        .iter()
        .map(|result| result.status)
        .collect();
    assert_eq!(
        states,
        [
            ItemStatus::Completed,
            ItemStatus::Cancelled,
            ItemStatus::Cancelled
        ]
    );
    eventually("what was set aside is given back", || {
        (budget_used(&server, &key) == 140).then_some(())
    });
    // A second time removes it.
    let path = format!("/v1/batches/{}", batch.id);
    assert_eq!(
        server.request("DELETE", &path).bearer(&key).send().status,
        200
    );
    refused(&server.get(&path).bearer(&key).send(), Code::NotFound);
}

#[test]
fn people_go_first() {
    let server = Server::start(script(Setup::default()).set("queue.max_running", 1));
    let key = batch_key(&server, json!({}));
    let batch = created(&server, &key, &items(&["[slow]"; 6]));
    eventually("an item runs", || {
        (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 1.0).then_some(())
    });
    server.summary(&fresh("Bread."));
    let behind = show(&server, &key, &batch.id);
    assert!(
        behind.items.completed < 5,
        "a person waited for {:?}",
        behind.items
    );
}

#[test]
fn a_used_up_budget_makes_a_batch_wait_and_an_item_beyond_it_fail() {
    let server = Server::start(script(Setup::default()).set("tiers.budget.tokens_per_day", 2000));
    let key = batch_key(&server, json!({ "tier": "budget" }));
    let long = "Bread needs time. ".repeat(400);
    let batch = created(&server, &key, &items(&["Bread.", &long]));
    let done = over(&server, &key, &batch.id);
    assert_eq!((done.items.completed, done.items.failed), (1, 1));
    let results = results(&server, &key, &batch.id, "");
    assert_eq!(
        results[1].problem.as_ref().unwrap().code,
        Code::ContentTooLong
    );
    // Somewhat more than 1500 are set aside for each: when 560 are used no other goes through today.
    let batch = created(&server, &key, &items(&["Bread."; 6]));
    eventually("the budget is used up", || {
        (budget_used(&server, &key) == 560).then_some(())
    });
    eventually("the others wait", || {
        (server.metric("smart_summary_batch_items_total", &["later"]) >= 3.0).then_some(())
    });
    let waiting = show(&server, &key, &batch.id);
    assert_eq!(
        (
            waiting.status,
            waiting.items.completed,
            waiting.items.failed
        ),
        (BatchStatus::Running, 3, 0)
    );
    assert_eq!(
        self::results(&server, &key, &batch.id, "?partial=true").len(),
        3
    );
}

#[test]
fn a_revoked_keys_items_are_not_answered() {
    let server = Server::start(script(Setup::default()).set("batches.max_running", 1));
    let draft = json!({ "name": "gone", "scopes": ["batches:write"] });
    let (id, key) = server.new_key(&draft);
    let batch = created(&server, &key, &items(&["[slow]", "Bread.", "Bread."]));
    let path = format!("/v1/admin/keys/{id}");
    assert_eq!(
        server
            .request("DELETE", &path)
            .bearer(&server.admin)
            .send()
            .status,
        200
    );
    eventually("the items fail", || {
        (server.metric("smart_summary_batch_items_total", &["failed"]) >= 2.0).then_some(())
    });
    refused(
        &server
            .get(&format!("/v1/batches/{}", batch.id))
            .bearer(&key)
            .send(),
        Code::KeyRevoked,
    );
}

/// Kills the server again and again while it works, and looks at every result that was ever given out.
#[test]
fn a_killed_server_loses_no_item_and_repeats_none_that_was_given_out() {
    const ITEMS: usize = 30;
    let setup = script(Setup::default())
        .reply(
            json!({ "when": "[brief]", "delay_ms": 60, "title": "A brief title",
            "usage": { "prompt_tokens": 100, "image_tokens": 0, "completion_tokens": 40 } }),
        )
        .set("tiers.budget.tokens_per_day", 10_000_000);
    let mut server = Server::start(setup);
    let key = batch_key(&server, json!({ "tier": "budget" }));
    let batch = created(&server, &key, &items(&["[brief]"; ITEMS]));
    let mut given: BTreeMap<u32, BatchResult> = BTreeMap::new();
    let mut kills = 0;
    loop {
        let before = given.len();
        let finished = eventually("some more items are done", || {
            for result in results(&server, &key, &batch.id, "?partial=true") {
                let known = given.entry(result.index).or_insert_with(|| result.clone());
                assert_eq!(*known, result, "a result that was given out has changed");
            }
            (given.len() == ITEMS || given.len() >= before + 4).then_some(given.len() == ITEMS)
        });
        if finished {
            break;
        }
        server = Server::start_in(server.stop());
        kills += 1;
    }
    assert!(kills >= 4, "it was killed only {kills} times");
    let done = over(&server, &key, &batch.id);
    assert_eq!((done.items.completed, done.items.total), (30, 30));
    let last = results(&server, &key, &batch.id, "");
    assert_eq!(last, given.into_values().collect::<Vec<_>>());
    let sum: u64 = last
        .iter()
        .map(|result| result.summary.as_ref().unwrap().usage)
        .map(|usage| u64::from(usage.prompt_tokens + usage.completion_tokens))
        .sum();
    assert_eq!((tokens(&done), budget_used(&server, &key)), (sum, sum));
    assert_eq!(sum, 140 * 30);
}

/// What a caller was told that it used is in the ledger, however soon the process ends after it.
#[test]
fn the_ledger_of_a_killed_server_equals_what_callers_were_told() {
    let mut server =
        Server::start(script(Setup::default()).set("tiers.budget.tokens_per_day", 10_000_000));
    let key = server.key_with(json!({ "tier": "budget" }));
    let mut told = 0;
    for _ in 0..3 {
        for _ in 0..5 {
            let request = server
                .post("/v1/summaries")
                .bearer(&key)
                .json(&fresh("Bread."));
            let usage = request.send().summary().usage;
            told += u64::from(usage.prompt_tokens + usage.completion_tokens);
        }
        // One that is on its way when the process is killed was told nothing.
        let running = server
            .post("/v1/summaries")
            .bearer(&key)
            .json(&fresh("[stall]"))
            .connect();
        eventually("it runs", || (server.in_flight() >= 1.0).then_some(()));
        server = Server::start_in(server.stop());
        drop(running);
        assert_eq!(budget_used(&server, &key), told);
    }
    assert_eq!(told, 15 * 140);
}

#[test]
fn a_stopping_server_puts_back_what_it_cannot_end() {
    let server = Server::start(
        script(Setup::default())
            .set("server.drain_seconds", 1)
            .set("queue.max_running", 4)
            .set("batches.max_running", 2),
    );
    let key = batch_key(&server, json!({}));
    let batch = created(&server, &key, &items(&["[stall]", "[slow]", "Bread."]));
    eventually("two items run", || {
        (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 2.0).then_some(())
    });
    server.terminate();
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let log = server.log();
    let data = server.stop();
    // The engine that stalled is another now.
    std::fs::write(
        data.path().join("script.json"),
        json!({ "replies": [{ "title": "Another title" }] }).to_string(),
    )
    .unwrap();
    let server = Server::start_in(data);
    let done = over(&server, &key, &batch.id);
    assert_eq!(done.items.completed, 3, "{log}");
    let results = results(&server, &key, &batch.id, "");
    let title = |place: usize| {
        results[place]
            .summary
            .as_ref()
            .unwrap()
            .title
            .clone()
            .unwrap()
    };
    assert_eq!(
        (title(0).as_str(), title(1).as_str()),
        ("Another title", "A title in pieces")
    );
}

/// A webhook as it came: its headers and its body.
pub(crate) type Delivered = (BTreeMap<String, String>, String);

/// A receiver of webhooks that answers with each status in turn, and gives what it heard.
pub(crate) fn receiver(answers: &'static [&'static str]) -> (SocketAddr, Receiver<Delivered>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let received = Received::from(&socket).unwrap();
            let body = String::from_utf8(received.body).unwrap();
            write!(
                socket,
                "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .unwrap();
            sender.send((received.headers, body)).unwrap();
        }
    });
    (address, heard)
}

#[test]
fn a_webhook_is_signed_and_told_again_until_it_is_heard() {
    let server = Server::start(
        script(Setup::default()).set("batches.webhook_networks", "[\"127.0.0.0/8\"]"),
    );
    let key = batch_key(&server, json!({}));
    // A redirect is not followed: it would lead past the look at the address.
    let (address, heard) = receiver(&["302 Found\r\nLocation: /elsewhere", "204 No Content"]);
    let webhook = json!({ "webhook": { "url": format!("http://{address}/done?secret=no") } });
    let batch = created(&server, &key, &merged(items(&["Bread."]), webhook));
    let secret = batch.webhook.unwrap().secret.unwrap();
    let secret = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let patience = std::time::Duration::from_secs(120);
    let tries: Vec<_> = (0..2)
        .map(|_| heard.recv_timeout(patience).unwrap())
        .collect();
    for (headers, body) in &tries {
        assert_eq!(
            headers["webhook-id"], batch.id,
            "a repetition is known by its id"
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(format!("{}.{}.{body}", batch.id, headers["webhook-timestamp"]).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(headers["webhook-signature"], format!("v1,{signature}"));
        let event: WebhookEvent = serde_json::from_str(body).unwrap();
        assert_eq!(
            (event.r#type.as_str(), &event.data.id),
            ("batch.finished", &batch.id)
        );
        assert_eq!(
            event.timestamp / 1000,
            headers["webhook-timestamp"].parse::<u64>().unwrap()
        );
        assert_eq!(
            event.data.webhook.unwrap().secret,
            None,
            "the secret is never sent"
        );
    }
    let told = eventually("it is noted", || {
        let webhook = show(&server, &key, &batch.id).webhook.unwrap();
        Some(webhook).filter(|webhook| webhook.state != WebhookState::Pending)
    });
    assert_eq!(
        (told.state, told.attempts, told.secret),
        (WebhookState::Delivered, 2, None)
    );
    assert!(
        !server.log().contains("secret=no"),
        "an address is not logged"
    );
}

#[test]
fn a_webhook_into_a_private_network_is_not_told() {
    let server = Server::start(script(Setup::default()));
    let key = batch_key(&server, json!({}));
    let (address, heard) = receiver(&["200 OK"]);
    for url in [
        format!("http://{address}/"),
        format!("https://{address}/"),
        "https://[::ffff:127.0.0.1]/".to_owned(),
        "http://blog.example/".to_owned(),
    ] {
        let body = merged(items(&["Bread."]), json!({ "webhook": { "url": url } }));
        refused_at(
            &create(&server, &key, &body),
            Code::InvalidField,
            "/webhook/url",
        );
    }
    // A name tells nothing by itself; where it leads is looked at when it is told.
    let url = format!("https://localhost:{}/", address.port());
    let body = merged(items(&["Bread."]), json!({ "webhook": { "url": url } }));
    let batch = created(&server, &key, &body);
    eventually("it was tried", || {
        server
            .log()
            .contains("leads to no address that may be told")
            .then_some(())
    });
    let webhook = show(&server, &key, &batch.id).webhook.unwrap();
    assert_eq!(
        (webhook.state, webhook.attempts),
        (WebhookState::Pending, 1)
    );
    assert!(heard.try_recv().is_err());
}

#[test]
fn the_command_sends_files_and_writes_a_line_for_each() {
    let server = Server::start(script(Setup::default()));
    let key = batch_key(&server, json!({}));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("one.md", "# Bread\n\nBread needs time.");
    write("two.html", "<p>[failed]</p>");
    let run = |files: &[&str]| {
        product()
            .args([
                "batch",
                "--server",
                &format!("http://{}", server.address()),
                "--output",
                "results.jsonl",
            ])
            .args(files)
            .current_dir(folder.path())
            .env("SMART_SUMMARY_KEY", &key)
            .output()
            .unwrap()
    };
    let done = run(&["one.md", "two.html"]);
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{told}");
    assert!(told.contains("1 of 2 files have no summary"), "{told}");
    let results = lines(&std::fs::read_to_string(folder.path().join("results.jsonl")).unwrap());
    let names: Vec<_> = results
        .iter()
        .map(|result| (result.id.as_str(), result.status))
        .collect();
    assert_eq!(
        names,
        [
            ("one.md", ItemStatus::Completed),
            ("two.html", ItemStatus::Failed)
        ]
    );
    // The same files are the same batch: nothing is paid twice.
    assert_eq!(run(&["one.md", "two.html"]).status.code(), Some(1));
    let list: BatchList =
        serde_json::from_slice(&server.get("/v1/batches").bearer(&key).send().body).unwrap();
    assert_eq!(list.batches.len(), 1);
    assert_eq!(run(&["one.md"]).status.code(), Some(0));
}

#[test]
fn the_command_sends_a_key_to_no_stranger_in_clear() {
    let done = product()
        .args(["batch", "README.md", "--server", "http://192.0.2.1:1"])
        .env("SMART_SUMMARY_KEY", "ss_live_x")
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("https only"));
}
