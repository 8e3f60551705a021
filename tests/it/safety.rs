//! What is done for the safety of answers: numbers masked, texts moderated, and both as a key wants it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use api::{Code, Event};
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::{Answer, Received};
use crate::project;
use crate::server::{Server, Setup, merged};

const SCOPES: [&str; 2] = ["chat:write", "summaries:write"];

fn setup() -> Setup {
    Setup::default()
        .reply(json!({
            "when": "[number]", "title": "Call 13812345678", "chunk_chars": 3,
            "meta_description": "Pay with 4111 1111 1111 1111 or call 020 7946 0018.",
        }))
        .reply(json!({ "when": "[writes it]", "title": "An unwanted title", "chunk_chars": 3 }))
        .chat(json!({ "when": "[number]", "text": "Call 13812345678 or 020 7946 0018.", "chunk_chars": 3 }))
        .chat(json!({ "when": "[writes it]", "text": "An unwanted answer.", "chunk_chars": 3 }))
}

fn key(server: &Server, safety: Value) -> String {
    let draft = json!({ "name": "safety", "scopes": SCOPES, "safety": safety });
    server.new_key(&draft).1
}

fn chat(server: &Server, key: &str, text: &str, more: Value) -> Answer {
    let request = json!({ "messages": [{ "role": "user", "content": text }] });
    let request = merged(request, more);
    server
        .post("/v1/chat/completions")
        .bearer(key)
        .json(&request)
        .send()
}

#[test]
fn numbers_that_a_request_does_not_show_are_masked_unless_its_key_wants_them() {
    let server = Server::start(setup());
    let careful = key(&server, json!({}));
    let careless = key(&server, json!({ "mask_numbers": false }));
    // What only a comment holds is shown to nobody.
    let content_ = "[number] Call 020 7946 0018. <!-- 13812345678 --> It is about bread.";
    let asked = fresh(content_);
    let summary = |key: &str| {
        server
            .post("/v1/summaries")
            .bearer(key)
            .json(&asked)
            .send()
            .summary()
    };
    let masked = summary(&careful);
    assert_eq!(masked.title.as_deref(), Some("Call ***********"));
    let description = masked.meta_description.unwrap();
    assert!(
        description.contains("**** **** **** ****") && description.contains("020 7946 0018"),
        "{description}"
    );
    assert_eq!(
        summary(&careless).title.as_deref(),
        Some("Call 13812345678")
    );
    let plain = |key: &str| chat(&server, key, "[number] 020 7946 0018", json!({})).content();
    assert_eq!(plain(&careful), "Call *********** or 020 7946 0018.");
    assert_eq!(plain(&careless), "Call 13812345678 or 020 7946 0018.");
    let streamed = chat(
        &server,
        &careful,
        "[number] 020 7946 0018",
        json!({ "stream": true }),
    )
    .text();
    let pieces: Vec<String> = streamed
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert_eq!(pieces.concat(), "Call *********** or 020 7946 0018.");
    assert!(pieces.len() > 1);
}

fn with_words() -> Server {
    let words = project::root().join("tests/fixtures/unwanted.txt");
    Server::start(setup().set("moderation.words_file", format!("{words:?}")))
}

#[test]
fn what_the_operator_does_not_want_is_neither_read_nor_told() {
    let server = with_words();
    let (careful, careless) = (
        key(&server, json!({})),
        key(&server, json!({ "moderate": false })),
    );
    let summarize =
        |key: &str, words: &str| server.post("/v1/summaries").bearer(key).json(&fresh(words));
    for words in ["The Unwanted word.", "这是不要的词。", "[writes it] Bread."] {
        refused(&summarize(&careful, words).send(), Code::ContentRefused);
        assert_eq!(summarize(&careless, words).send().status, 200);
    }
    assert_eq!(
        summarize(&careful, "All unwantedness is fine.")
            .send()
            .status,
        200
    );
    // All that a model reads is looked at, not the article alone.
    for more in [
        json!({ "guidelines": { "tone": "unwanted" } }),
        json!({ "guidelines": { "must_include": ["an unwanted word"] } }),
        json!({ "guidelines": { "brand": "Unwanted" } }),
    ] {
        let asked = merged(fresh("Bread and its wishes."), more);
        let answer = |key: &str| server.post("/v1/summaries").bearer(key).json(&asked).send();
        refused(&answer(&careful), Code::ContentRefused);
        assert_eq!(answer(&careless).status, 200);
    }
    for more in [
        json!({ "stop": "unwanted" }),
        json!({ "response_format": { "type": "json_schema", "json_schema": {
            "schema": { "type": "object", "properties": { "unwanted": {} } } } } }),
    ] {
        let answer = chat(&server, &careful, "Bread?", more);
        assert_eq!(answer.json()["error"]["code"], "content_refused");
    }
    // Of an answer that is refused nothing is told; a fine one is told field by field once it is known to be fine.
    let events = summarize(&careful, "[writes it] Streamed.")
        .events()
        .open()
        .events();
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Delta(_) | Event::Field(_))),
        "{events:?}"
    );
    let Some(Event::Error(problem)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(problem.code, Code::ContentRefused);
    let events = summarize(&careful, "Streamed bread.")
        .events()
        .open()
        .events();
    assert!(events.iter().any(|event| matches!(event, Event::Field(_))));
    assert!(
        matches!(events.last(), Some(Event::Completed(_))),
        "{events:?}"
    );
    // The same at the other door.
    for (words, more) in [
        ("An unwanted question", json!({})),
        ("[writes it]", json!({})),
        ("[writes it]", json!({ "stream": true })),
    ] {
        let answer = chat(&server, &careful, words, more.clone());
        assert_eq!(answer.status, 422, "{}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "content_refused", "{words}");
        let text = chat(&server, &careless, words, more).text();
        assert!(text.contains("ant"), "{text}");
    }
    assert!(server.metric("smart_summary_moderated_total", &["refused"]) >= 6.0);
}

/// What the service was shown: the credential and the body.
type Shown = Arc<Mutex<Vec<(String, Value)>>>;

/// A moderation service that flags what says so; when told to, it is broken. Gives what it was asked and by whom.
fn service(broken: bool) -> (SocketAddr, Shown) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked: Shown = Arc::default();
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let received = Received::from(&socket).unwrap();
            let credential = received.headers.get("authorization").cloned();
            let body = received.json();
            let results: Vec<Value> = body["input"]
                .as_array()
                .unwrap()
                .iter()
                .map(|part| json!({ "flagged": part.as_str().unwrap().contains("flag me"), "categories": {} }))
                .collect();
            kept.lock()
                .unwrap()
                .push((credential.unwrap_or_default(), body));
            let (status, answer) = match broken {
                true => ("500 Internal Server Error", "{}".to_owned()),
                false => ("200 OK", json!({ "results": results }).to_string()),
            };
            write!(
                socket,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                answer.len()
            )
            .unwrap();
        }
    });
    (address, asked)
}

fn with_service(address: SocketAddr) -> Setup {
    setup()
        .set(
            "moderation.address",
            format!("\"http://{address}/v1/moderations\""),
        )
        .set("moderation.api_key", "\"moderators-key\"")
        .set("moderation.model", "\"watcher\"")
}

#[test]
fn a_service_says_what_is_not_wanted() {
    let (address, asked) = service(false);
    let server = Server::start(with_service(address));
    let careful = key(&server, json!({}));
    assert_eq!(
        chat(&server, &careful, "Hello?", json!({})).content(),
        "Hello?"
    );
    let answer = chat(&server, &careful, "Please flag me.", json!({}));
    assert_eq!(answer.json()["error"]["code"], "content_refused");
    refused(
        &server.summarize(&fresh("Please flag me.")).send(),
        Code::ContentRefused,
    );
    // A flag at the far end of a long article counts as well.
    let long = format!("{} flag me", "Bread needs time. ".repeat(1500));
    refused(
        &server.summarize(&fresh(&long)).send(),
        Code::ContentRefused,
    );
    let asked = asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|(credential, body)| credential == "Bearer moderators-key"
                && body["model"] == "watcher")
    );
    assert_eq!(asked[0].1["input"], json!(["Hello?"]), "the question");
    assert_eq!(asked[1].1["input"], json!(["Hello?"]), "the answer");
    assert!(!server.log().contains("moderators-key"));
}

#[test]
fn a_service_that_does_not_answer_closes_the_door_unless_the_operator_leaves_it_open() {
    let (address, _) = service(true);
    let server = Server::start(with_service(address));
    let answer = server.summarize(&fresh("Hello.")).send();
    refused(&answer, Code::EngineUnavailable);
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(
        server.metric("smart_summary_moderated_total", &["unknown"]),
        1.0
    );
    let server = Server::start(with_service(address).set("moderation.required", false));
    assert_eq!(server.summarize(&fresh("Hello.")).send().status, 200);
}

#[test]
fn a_key_shows_its_safety_and_can_be_changed() {
    let server = Server::start(setup());
    let draft = json!({ "name": "safety", "scopes": SCOPES, "safety": { "moderate": false } });
    let (id, secret) = server.new_key(&draft);
    let path = format!("/v1/admin/keys/{id}");
    let shown = || server.get(&path).bearer(&server.admin).send().json()["safety"].clone();
    assert_eq!(shown(), json!({ "mask_numbers": true, "moderate": false }));
    let ask = || chat(&server, &secret, "[number]", json!({})).content();
    assert!(ask().contains("****"));
    let change = json!({ "safety": { "mask_numbers": false } });
    let changed = server
        .request("PATCH", &path)
        .bearer(&server.admin)
        .json(&change)
        .send();
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(shown(), json!({ "mask_numbers": false, "moderate": true }));
    assert!(ask().contains("13812345678"));
    let made = server.cli(&[
        "keys",
        "create",
        "--name",
        "x",
        "--scopes",
        "chat:write",
        "--no-masking",
        "--no-moderation",
        "--json",
    ]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let path = format!("/v1/admin/keys/{}", made["id"].as_str().unwrap());
    let key = server.get(&path).bearer(&server.admin).send().json();
    assert_eq!(
        key["safety"],
        json!({ "mask_numbers": false, "moderate": false })
    );
}

#[test]
fn a_list_that_cannot_be_read_ends_the_start_with_one_line() {
    let output = crate::server::product()
        .args(["serve", "--bind", "127.0.0.1:0"])
        .env(
            "SMART_SUMMARY__MODERATION__WORDS_FILE",
            "/nowhere/words.txt",
        )
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(
        line.contains("moderation.words_file: /nowhere/words.txt"),
        "{line}"
    );
}
