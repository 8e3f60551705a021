//! The model in the server's process, on a checkpoint of random weights: what it says is nonsense, how it says it is not.

use std::path::PathBuf;
use std::sync::OnceLock;

use api::{Event, Summary};
use serde_json::{Value, json};

use crate::check::fresh;
use crate::client::{Answer, Form};
use crate::pictures;
use crate::project;
use crate::server::{Server, Setup, eventually, merged};

fn checkpoint() -> PathBuf {
    project::root().join("crates/glm4v/tests/fixtures/checkpoint-b")
}

/// A server that has written its first answer.
fn start(setup: Setup) -> Server {
    let server = Server::start(
        setup
            .model(&checkpoint())
            .set("queue.interactive_deadline_ms", 300_000),
    );
    ready(&server);
    server
}

fn converse(server: &Server, key: &str, request: &Value) -> Answer {
    server
        .post("/v1/chat/completions")
        .bearer(key)
        .json(request)
        .send()
}

fn ready(server: &Server) {
    eventually("the model is ready", || {
        (server.get("/readyz").send().status == 200).then_some(())
    });
}

fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start(Setup::default()))
}

fn asked(words: &str, more: Value) -> Value {
    merged(
        fresh(words),
        merged(json!({ "fields": ["title"], "seed": 5 }), more),
    )
}

fn answers(server: &Server, end: &str) -> f64 {
    server.metric(
        "smart_summary_engine_answers_total",
        &[&format!("end=\"{end}\"")],
    )
}

/// All that a text may be, whatever the weights.
fn check_bounded(summary: &Summary) {
    assert_eq!(summary.engine, api::EngineName::Glm4v);
    assert_eq!(summary.model, "checkpoint-b");
    let chars = |text: &Option<String>| text.as_deref().map_or(0, |text| text.chars().count());
    assert!(chars(&summary.title) <= 60, "{:?}", summary.title);
    assert!(chars(&summary.meta_description) <= 160);
    assert!(summary.keywords.iter().flatten().count() <= 8);
    let usage = summary.usage;
    assert!(
        usage.prompt_tokens > 0 && usage.completion_tokens > 0,
        "{usage:?}"
    );
}

#[test]
fn a_checkpoint_writes_every_field_within_its_bounds() {
    let pictures = json!([
        { "id": "one", "data": pictures::data_uri(&pictures::png(64, 48)) },
        { "id": "two", "data": pictures::data_uri(&pictures::png(32, 48)) },
    ]);
    let request = merged(
        fresh("Rye bread needs time."),
        json!({ "images": pictures, "seed": 3, "limits": { "keywords": 3 } }),
    );
    let summary = shared().summary(&request);
    check_bounded(&summary);
    assert!(summary.usage.image_tokens > 0);
    let ids: Vec<&str> = summary
        .alt_texts
        .iter()
        .flatten()
        .map(|alt| alt.id.as_str())
        .collect();
    assert_eq!(ids, ["one", "two"]);
    assert!(
        summary
            .slug
            .unwrap()
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-')
    );
}

/// Others are ready before their model has ever seen a picture, and the first caller waits for what is done only once.
#[test]
fn a_server_is_ready_when_its_model_has_seen_a_picture_and_written_a_line() {
    let server = start(Setup::default());
    assert_eq!(answers(&server, "stop"), 0.0, "nobody has asked yet");
    for stage in ["prefill", "decode"] {
        let name = "smart_summary_engine_tokens_total";
        let tokens = server.metric(name, &[&format!("\"{stage}\"")]);
        assert!(tokens > 0.0, "{stage}");
    }
    let seen = server.metric(
        "smart_summary_engine_reuse_total",
        &["\"picture\"", "\"miss\""],
    );
    assert!(seen > 0.0, "a picture was looked at");
}

#[test]
fn many_callers_are_answered_together() {
    let server = start(Setup::default());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| server.summary(&asked("Many ask.", json!({})))))
            .collect();
        for answer in all {
            check_bounded(&answer.join().unwrap());
        }
    });
    let steps = |most: &str| {
        server.metric(
            "smart_summary_engine_step_rows_bucket",
            &[&format!("le=\"{most}\"")],
        )
    };
    assert!(
        steps("+Inf") > steps("1.0"),
        "some steps were for several rows"
    );
    assert_eq!(server.metric("smart_summary_engine_rows", &[]), 0.0);
}

#[test]
fn a_stream_uses_what_a_plain_answer_uses_and_says_the_same() {
    let server = shared();
    let request = asked("The same in two forms.", json!({}));
    let plain = server.summary(&request);
    let other = server.key_with(json!({}));
    let mut stream = server
        .post("/v1/summaries")
        .bearer(&other)
        .json(&request)
        .events()
        .open();
    let events = stream.events();
    let Some(Event::Completed(streamed)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(
        (streamed.usage, &streamed.title),
        (plain.usage, &plain.title)
    );
    assert!(!streamed.cached && !plain.cached);
}

#[test]
fn who_leaves_is_worked_for_no_longer() {
    let server = start(Setup::default());
    let long = |words: &str| {
        asked(
            words,
            json!({ "fields": ["title", "meta_description", "summary"] }),
        )
    };
    let before = answers(&server, "cancelled");
    let begun = |words: &str| {
        let mut stream = server.summarize(&long(words)).events().open();
        while !matches!(stream.event().expect("it starts"), Event::Started(_)) {}
        eventually("a row works", || {
            (server.metric("smart_summary_engine_rows", &[]) > 0.0).then_some(())
        });
        stream
    };
    begun("Leaves in order.").leave();
    eventually("the first is let go", || {
        (answers(&server, "cancelled") == before + 1.0).then_some(())
    });
    begun("Crashes.").crash();
    eventually("the second is let go", || {
        (answers(&server, "cancelled") == before + 2.0).then_some(())
    });
    let plain = |words: &str| {
        let socket = server.summarize(&long(words)).connect();
        eventually("a row works", || {
            (server.metric("smart_summary_engine_rows", &[]) > 0.0).then_some(())
        });
        socket
    };
    let socket = plain("Leaves a plain answer in order.");
    socket.shutdown(std::net::Shutdown::Both).unwrap();
    eventually("the third is let go", || {
        (answers(&server, "cancelled") == before + 3.0).then_some(())
    });
    crate::client::reset(plain("Resets a plain answer."));
    eventually("the fourth is let go", || {
        (answers(&server, "cancelled") == before + 4.0).then_some(())
    });
    check_bounded(&server.summary(&asked("The next.", json!({}))));
}

/// Steps take a while here, so that those after the leaving can be counted.
#[test]
fn who_leaves_is_worked_for_one_step_at_most() {
    let server = start(Setup::default());
    let key =
        server.key_with(json!({ "name": "chat", "scopes": ["chat:write", "summaries:write"] }));
    let chat = |stream: bool| {
        let schema = json!({ "type": "string", "minLength": 600 });
        let request = json!({
            "model": "checkpoint-b", "max_tokens": 700, "stream": stream,
            "response_format": { "type": "json_schema", "schema": schema },
            "messages": [{ "role": "user", "content": "[step lingers]" }],
        });
        server
            .post("/v1/chat/completions")
            .bearer(&key)
            .json(&request)
    };
    let summary = || {
        let request = asked(
            "[step lingers]",
            json!({ "fields": ["title", "meta_description", "summary"] }),
        );
        server.post("/v1/summaries").bearer(&key).json(&request)
    };
    let steps = || server.metric("smart_summary_engine_step_seconds_count", &[]);
    let decoded = || server.metric("smart_summary_engine_tokens_total", &["\"decode\""]);
    for (name, request) in [
        ("a plain conversation", chat(false)),
        ("a streamed conversation", chat(true)),
        ("a plain summary", summary()),
        ("a streamed summary", summary().events()),
    ] {
        for leave in [Leaves::InOrder, Leaves::Crashing] {
            let before = decoded();
            let socket = request.connect();
            eventually("it writes", || (decoded() >= before + 3.0).then_some(()));
            let (steps_then, tokens_then) = (steps(), decoded());
            match leave {
                Leaves::InOrder => socket.shutdown(std::net::Shutdown::Both).unwrap(),
                Leaves::Crashing => crate::client::reset(socket),
            }
            eventually("nothing is worked on", || {
                (server.metric("smart_summary_engine_rows", &[]) == 0.0).then_some(())
            });
            // One step that was under way, and one that may have ended between the look and the leaving.
            let (steps_now, tokens_now) = (steps(), decoded());
            assert!(
                steps_now - steps_then <= 2.0,
                "{name} {leave:?}: {steps_then} then {steps_now}"
            );
            assert!(
                tokens_now - tokens_then <= 2.0,
                "{name} {leave:?}: {tokens_then} then {tokens_now}"
            );
            std::thread::sleep(std::time::Duration::from_millis(600));
            assert_eq!(
                (steps(), decoded()),
                (steps_now, tokens_now),
                "{name} {leave:?}: it stands still"
            );
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Leaves {
    InOrder,
    Crashing,
}

#[test]
fn a_fault_of_the_model_is_one_callers_and_the_server_goes_on() {
    let server = shared();
    for words in ["[step fails]", "[step panics]"] {
        let answer = server.summarize(&asked(words, json!({}))).send();
        assert_eq!(answer.problem().code, api::Code::EngineFailed);
    }
    check_bounded(&server.summary(&asked("The next.", json!({}))));
}

#[test]
fn a_model_that_stands_still_is_started_anew_and_answers() {
    let server = start(Setup::default().set("glm4v.stall_seconds", 1));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| server.summarize(&asked("[step stalls]", json!({}))).send()))
            .collect();
        for answer in all {
            let problem = answer.join().unwrap().problem();
            assert_eq!(problem.code, api::Code::EngineFailed);
        }
    });
    let restarts = || server.metric("smart_summary_engine_restarts_total", &[]);
    assert_eq!(restarts(), 1.0);
    assert_eq!(answers(&server, "timed_out"), 5.0);
    ready(&server);
    check_bounded(&server.summary(&asked("The next.", json!({}))));
    assert_eq!(restarts(), 1.0);
}

#[test]
fn time_in_the_models_own_line_is_time_in_a_queue() {
    let server = start(
        Setup::default()
            .set("glm4v.rows", 1)
            .set("queue.max_running", 2),
    );
    let ask = |words: &'static str| server.summary(&asked(words, json!({})));
    let mut both = std::thread::scope(|scope| {
        let both = ["One of two.", "Two of two."].map(|words| scope.spawn(move || ask(words)));
        both.map(|answer| answer.join().unwrap())
    });
    both.sort_by_key(|summary| summary.timings.queue);
    let [first, second] = both;
    assert!(
        // Each may have asked twice, in turns; a line of the server's own would have cost nothing.
        second.timings.queue * 4 >= first.timings.decode,
        "{:?} {:?}",
        first.timings,
        second.timings
    );
    let told = server.metric("smart_summary_engine_stage_seconds_sum", &["\"queue\""]);
    assert!(told >= f64::from(second.timings.queue) / 1000.0, "{told}");
}

#[test]
fn a_killed_server_starts_again_and_answers() {
    let server = start(Setup::default());
    let mut stream = server
        .summarize(&asked("Killed.", json!({})))
        .events()
        .open();
    stream.event();
    let data = server.stop();
    let again = Server::start_model_in(data, &checkpoint());
    ready(&again);
    check_bounded(&again.summary(&asked("After it.", json!({}))));
}

#[test]
fn a_configuration_that_cannot_serve_ends_at_once_with_one_line() {
    let output = crate::server::product()
        .args([
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--engine",
            "glm4v",
            "--model",
            "/nowhere",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let line = String::from_utf8_lossy(&output.stderr);
    assert!(
        line.contains("glm4v.model: /nowhere is no directory"),
        "{line}"
    );
    let tight = crate::server::product()
        .args([
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--engine",
            "glm4v",
            "--model",
        ])
        .arg(checkpoint())
        .env("SMART_SUMMARY__GLM4V__KV_BYTES", "64")
        .output()
        .unwrap();
    let line = String::from_utf8_lossy(&tight.stderr);
    assert!(line.contains("one request of glm4v.max_tokens"), "{line}");
}

#[test]
fn a_unique_array_of_a_conversation_repeats_nothing() {
    let server = shared();
    let key = server.key_with(json!({ "name": "unique", "scopes": ["chat:write"] }));
    let ask = |seed: u32, least: usize| {
        let schema = json!({ "type": "array", "items": { "enum": ["one", "two", "three", "tree"] }, "uniqueItems": true,
                             "minItems": least });
        let request = json!({
            "model": "checkpoint-b", "seed": seed, "temperature": 1.5, "max_tokens": 200,
            "response_format": { "type": "json_schema", "json_schema": { "schema": schema } },
            "messages": [{ "role": "user", "content": "Say each once." }],
        });
        converse(server, &key, &request)
    };
    for seed in 0..6 {
        let text = ask(seed, 4).content();
        let mut words: Vec<String> = serde_json::from_str(&text).unwrap();
        words.sort();
        assert_eq!(words, ["one", "three", "tree", "two"], "{text}");
    }
    let refused = ask(0, 5);
    assert_eq!(refused.status, 422, "{}", refused.text());
    let told = refused.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        told.contains("at least 5 items, all of them different, of 4 that there are"),
        "{told}"
    );
}

#[test]
fn a_conversation_with_the_model_keeps_to_its_schema() {
    let server = shared();
    let key = server.key_with(json!({ "name": "chat", "scopes": ["chat:write"] }));
    let schema = json!({
        "type": "object",
        "properties": { "words": { "type": "array", "items": { "type": "string", "maxLength": 6 }, "minItems": 1, "maxItems": 2 } },
        "required": ["words"], "additionalProperties": false,
    });
    let request = |format: Value| {
        json!({
            "model": "checkpoint-b", "seed": 3, "temperature": 1.5, "max_tokens": 200, "response_format": format,
            "messages": [{ "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": pictures::data_uri(&pictures::png(64, 48)) } },
                { "type": "text", "text": "Say two words." },
            ] }],
        })
    };
    let ask = |request: &Value| converse(server, &key, request);
    let answer = ask(&request(
        json!({ "type": "json_schema", "json_schema": { "schema": schema } }),
    ))
    .json();
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!((1..=2).contains(&value["words"].as_array().unwrap().len()));
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    let impossible =
        json!({ "type": "json_schema", "json_schema": { "schema": { "type": "nonsense" } } });
    let refused = ask(&request(impossible));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(refused.json()["error"]["code"], "invalid_field");
    let long = json!({ "messages": [{ "role": "user", "content": "word ".repeat(30_000) }] });
    let refused = ask(&long);
    assert_eq!(
        refused.json()["error"]["code"],
        "content_too_long",
        "{}",
        refused.text()
    );
}

#[test]
fn a_conversation_costs_the_same_streamed_and_plain() {
    let server = shared();
    let key = server.key_with(json!({ "name": "chat", "scopes": ["chat:write"] }));
    let request = json!({ "seed": 6, "max_tokens": 20, "messages": [{ "role": "user", "content": [
        { "type": "image_url", "image_url": { "url": pictures::data_uri(&pictures::png(64, 48)) } },
        { "type": "text", "text": "What is it?" },
    ] }] });
    let ask = |request: &Value| converse(server, &key, request);
    let plain = ask(&request).json();
    let usage = &plain["usage"];
    let number = |name: &str| usage[name].as_u64().unwrap();
    assert!(usage["prompt_tokens_details"]["image_tokens"].as_u64() > Some(0));
    assert!((1..=20).contains(&number("completion_tokens")));
    assert_eq!(
        number("prompt_tokens") + number("completion_tokens"),
        number("total_tokens")
    );
    let streamed = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let text = ask(&merged(request, streamed)).text();
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let pieces = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(
        Some(pieces.collect::<String>().as_str()),
        plain["choices"][0]["message"]["content"].as_str()
    );
    assert_eq!(&chunks.last().unwrap()["usage"], usage);
}

#[test]
fn the_doors_of_older_clients_answer_from_the_model() {
    let server = shared();
    let key = server.key_with(json!({ "name": "older", "scopes": ["chat:write"] }));
    let picture = pictures::png(64, 48);
    let asked = |task: &str| json!({ "image": pictures::data_uri(&picture), "text": "What is it?", "task": task, "max_new_tokens": 8 });
    let form = Form::default()
        .picture("image", &picture)
        .part("name=\"prompt\"", "text/plain", b"What is it?")
        .part("name=\"max_tokens\"", "text/plain", b"8");
    let answers = [
        (
            "response",
            server
                .post("/infer")
                .bearer(&key)
                .json(&asked("scene"))
                .send(),
        ),
        (
            "result",
            server
                .post("/api/v1/inference")
                .bearer(&key)
                .json(&asked("ocr"))
                .send(),
        ),
        (
            "text",
            server
                .post("/v1/multimodal/completion")
                .bearer(&key)
                .form(form)
                .send(),
        ),
    ];
    for (name, answer) in answers {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.json()[name].as_str().unwrap().to_owned();
        assert!(!text.contains("<|") && text.len() < 200, "{name}: {text}");
    }
}
