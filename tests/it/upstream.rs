//! The engine `upstream`: another server of ours behind a server of ours, and servers that behave as servers do on bad days.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use api::Code;
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::{Answer, Received, Request};
use crate::project;
use crate::server::{Server, Setup, eventually, merged};

const TEXT: &str = "An answer that comes in pieces.";

fn key(server: &Server) -> String {
    let draft = json!({ "name": "chat", "scopes": ["chat:write", "summaries:write"] });
    server.new_key(&draft).1
}

fn user(text: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": text }], "seed": 4 })
}

fn chat(server: &Server, request: &Value) -> Request {
    server
        .post("/v1/chat/completions")
        .bearer(&key(server))
        .json(request)
}

/// A server that asks the others, once it has seen that one of them is well.
fn before(setup: Setup) -> Server {
    let server = Server::start(setup);
    eventually("an upstream server is well", || {
        (server.get("/readyz").send().status == 200).then_some(())
    });
    server
}

/// The one that asks, and behind it one with a model that does as it is told.
fn two() -> (Server, Server) {
    let tokens = json!({ "prompt_tokens": 30, "image_tokens": 12, "completion_tokens": 7 });
    let behind = Server::start(
        Setup::default()
            .chat(json!({ "when": "[pieces]", "text": TEXT, "chunk_chars": 5, "usage": tokens }))
            .chat(json!({ "when": "[cut]", "text": "An answer", "cut": true }))
            .chat(json!({ "when": "[stall]", "end": "stall", "text": "begins" })),
    );
    let server = before(Setup::default().upstream(&[behind.address()], &key(&behind)));
    (server, behind)
}

#[test]
fn an_answer_of_another_server_is_passed_on_as_it_is() {
    let (server, _behind) = two();
    let models = server.get("/v1/models").bearer(&key(&server)).send().json();
    let model = &models["data"][0];
    assert_eq!(
        (&model["id"], &model["owned_by"]),
        (&json!("scripted"), &json!("upstream"))
    );
    let plain = chat(&server, &user("[pieces] Hello?")).send();
    assert_eq!(plain.content(), TEXT);
    let usage = &plain.json()["usage"];
    assert_eq!(
        usage,
        &json!({ "prompt_tokens": 42, "completion_tokens": 7, "total_tokens": 49,
                 "prompt_tokens_details": { "image_tokens": 12 } })
    );
    let streamed = merged(
        user("[pieces] Hello?"),
        json!({ "stream": true, "stream_options": { "include_usage": true } }),
    );
    let text = chat(&server, &streamed).send().text();
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let pieces: Vec<&str> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert!(pieces.len() > 2, "it comes as it is written: {pieces:?}");
    assert_eq!(pieces.concat(), TEXT);
    assert_eq!(&chunks.last().unwrap()["usage"], usage);
    let cut = chat(&server, &user("[cut] Hello?")).send().json();
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
}

#[test]
fn who_leaves_is_worked_for_no_longer_on_the_other_server_either() {
    let (server, behind) = two();
    let left = || {
        behind.metric(
            "smart_summary_cancellations_total",
            &["/v1/chat/completions"],
        )
    };
    let begun = |count: f64| {
        eventually("the other server works", || {
            (behind.metric("smart_summary_streams_open", &[]) == count).then_some(())
        });
    };
    let streamed = merged(user("[stall]"), json!({ "stream": true }));
    let stream = chat(&server, &streamed).open();
    begun(1.0);
    stream.leave();
    eventually("the other server was let go", || {
        (left() == 1.0).then_some(())
    });
    let socket = chat(&server, &user("[stall]")).connect();
    begun(1.0);
    crate::client::reset(socket);
    eventually("the other server was let go again", || {
        (left() == 2.0).then_some(())
    });
}

#[test]
fn a_model_on_another_server_writes_a_summary() {
    let checkpoint = project::root().join("crates/glm4v/tests/fixtures/checkpoint-b");
    let slow = Setup::default().set("queue.interactive_deadline_ms", 300_000);
    let behind = Server::start(slow.clone().model(&checkpoint));
    let server = before(slow.upstream(&[behind.address()], &key(&behind)));
    let request = merged(
        fresh("Another server."),
        json!({ "fields": ["title", "keywords"], "seed": 5 }),
    );
    let summary = server.summary(&request);
    assert_eq!(
        (summary.engine, summary.model.as_str()),
        (api::EngineName::Upstream, "checkpoint-b")
    );
    assert!(summary.title.unwrap().chars().count() <= 60);
    assert!(summary.keywords.unwrap().len() <= 8);
    assert!(summary.usage.prompt_tokens > 0 && summary.usage.completion_tokens > 0);
}

/// What a [`Peer`] does with a request.
#[derive(Clone, Copy)]
enum Deed {
    /// Says the text in two chunks, with its usage.
    Says(&'static str),
    /// Says the text as a server does that counts nothing and only closes the connection at the end.
    SaysAndCloses(&'static str),
    /// An error without a code in the stream, before any text.
    IsBaffled,
    /// Says the text in one piece, as a server does that does not stream.
    SaysAtOnce(&'static str),
    /// Answers with this status line, further headers and body.
    Refuses(&'static str, &'static str),
    /// Says the text and closes the connection.
    BreaksOff(&'static str),
    /// Says the text and nothing more.
    StandsStill(&'static str),
    /// An error in the stream, before any text.
    Errs,
    /// Something that is no event.
    Babbles,
}

/// What a peer was asked: the headers and the body.
type Asked = (BTreeMap<String, String>, Value);

/// A server whose every answer is told by a function of how often it was asked, and of what.
struct Peer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// It does not say which models it has.
    unwell: Arc<AtomicBool>,
}

impl Peer {
    fn new(deed: impl Fn(usize, &Value) -> Deed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let unwell: Arc<AtomicBool> = Arc::default();
        let (kept, deed) = (Arc::clone(&asked), Arc::new(deed));
        let ill = Arc::clone(&unwell);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (kept, deed, ill) = (Arc::clone(&kept), Arc::clone(&deed), Arc::clone(&ill));
                std::thread::spawn(move || {
                    // Whoever asks may leave at any time.
                    let _ = Self::serve(socket.unwrap(), &kept, &ill, deed.as_ref());
                });
            }
        });
        Self {
            address,
            asked,
            unwell,
        }
    }

    fn serve(
        mut socket: TcpStream,
        kept: &Mutex<Vec<Asked>>,
        unwell: &AtomicBool,
        deed: &dyn Fn(usize, &Value) -> Deed,
    ) -> std::io::Result<()> {
        let received = Received::from(&socket)?;
        if received.first.starts_with("GET ") && unwell.load(Ordering::Relaxed) {
            return Self::act(
                &mut socket,
                Deed::Refuses("500 Internal Server Error", "{}"),
            );
        }
        if received.first.starts_with("GET ") {
            let list = json!({ "object": "list", "data": [{ "id": "peer" }] }).to_string();
            return write!(
                socket,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{list}",
                list.len()
            );
        }
        let body = received.json();
        let count = {
            let mut kept = kept.lock().unwrap();
            kept.push((received.headers, body.clone()));
            kept.len()
        };
        Self::act(&mut socket, deed(count, &body))?;
        // Until the other side has read it, or has had enough.
        socket.read(&mut [0]).map(|_| ())
    }

    fn act(socket: &mut TcpStream, deed: Deed) -> std::io::Result<()> {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let event = |text: &str| {
            format!(
                "data: {}\n\n",
                json!({ "choices": [{ "index": 0, "delta": { "content": text } }] })
            )
        };
        let close = |socket: &mut TcpStream| socket.shutdown(std::net::Shutdown::Both);
        match deed {
            Deed::Says(text) => {
                let (first, second) = text.split_at(text.len() / 2);
                let end =
                    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
                let usage = json!({ "choices": [], "usage": { "prompt_tokens": 11, "completion_tokens": 3 } });
                let text = [event(first), event(second)].concat();
                write!(
                    socket,
                    "{head}{text}data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n"
                )?;
                close(socket)
            }
            Deed::SaysAndCloses(text) => {
                let end =
                    json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
                write!(socket, "{head}{}data: {end}\n\n", event(text))?;
                close(socket)
            }
            Deed::IsBaffled => {
                write!(
                    socket,
                    "{head}data: {{\"error\": \"no such attribute\"}}\n\n"
                )?;
                close(socket)
            }
            Deed::SaysAtOnce(text) => {
                let answer = json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] });
                write!(
                    socket,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{answer}"
                )?;
                close(socket)
            }
            Deed::Refuses(head, body) => {
                write!(
                    socket,
                    "HTTP/1.1 {head}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )?;
                close(socket)
            }
            Deed::BreaksOff("") => close(socket),
            Deed::BreaksOff(text) => {
                write!(socket, "{head}{}", event(text))?;
                close(socket)
            }
            Deed::StandsStill("") => Ok(()),
            Deed::StandsStill(text) => write!(socket, "{head}{}", event(text)),
            Deed::Errs => {
                write!(
                    socket,
                    "{head}data: {{\"error\":{{\"message\":\"x\",\"code\":\"gone\"}}}}\n\n"
                )?;
                close(socket)
            }
            Deed::Babbles => {
                write!(socket, "{head}data: <html>no</html>\n\n")?;
                close(socket)
            }
        }
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

fn quick(peers: &[&Peer]) -> Setup {
    let servers: Vec<SocketAddr> = peers.iter().map(|peer| peer.address).collect();
    Setup::default()
        .upstream(&servers, "peers-key")
        .set("upstream.first_word_seconds", 1)
        .set("upstream.stall_seconds", 1)
        .set("upstream.pause_seconds", 3600)
}

/// How requests ended, by the metric's words.
fn ended(server: &Server, peer: &Peer, end: &str) -> f64 {
    let (server_label, end) = (format!("\"{}\"", peer.address), format!("end=\"{end}\""));
    server.metric(
        "smart_summary_upstream_requests_total",
        &[&server_label, &end],
    )
}

#[test]
fn what_fails_before_its_first_word_is_asked_of_another() {
    let bad_days = [
        (Deed::BreaksOff(""), "failed"),
        (Deed::Refuses("500 Internal Server Error", "{}"), "failed"),
        (
            Deed::Refuses("503 Service Unavailable\r\nRetry-After: 3600", "{}"),
            "busy",
        ),
        (
            Deed::Refuses("429 Too Many Requests\r\nRetry-After: 3600", "{}"),
            "busy",
        ),
        (Deed::Refuses("401 Unauthorized", "{}"), "refused"),
        (Deed::Errs, "failed"),
        (Deed::Babbles, "failed"),
        (Deed::StandsStill(""), "timed_out"),
    ];
    for (deed, end) in bad_days {
        let first = Peer::new(move |_, _| deed);
        let second = Peer::new(|_, _| Deed::Says("From the second."));
        let server = before(quick(&[&first, &second]));
        eventually("both are well", || {
            (server.metric("smart_summary_upstream_well", &[]) == 2.0).then_some(())
        });
        assert_eq!(
            chat(&server, &user("Hello?")).send().content(),
            "From the second."
        );
        assert_eq!((first.count(), second.count()), (1, 1), "{end}");
        assert_eq!(ended(&server, &first, end), 1.0, "{end}");
        assert_eq!(ended(&server, &second, "answered"), 1.0, "{end}");
    }
}

#[test]
fn what_fails_behind_its_first_word_fails() {
    for (deed, end) in [
        (Deed::BreaksOff("Half"), "failed"),
        (Deed::StandsStill("Half"), "timed_out"),
    ] {
        let first = Peer::new(move |_, _| deed);
        let second = Peer::new(|_, _| Deed::Says("From the second."));
        let server = before(quick(&[&first, &second]));
        eventually("the first is well", || {
            let label = format!("\"{}\"", first.address);
            (server.metric("smart_summary_upstream_well", &[&label]) == 1.0).then_some(())
        });
        let answer = chat(&server, &user("Hello?")).send();
        assert_eq!(answer.json()["error"]["code"], Code::EngineFailed.as_str());
        assert_eq!((first.count(), second.count()), (1, 0));
        assert_eq!(ended(&server, &first, end), 1.0);
    }
}

/// What the metrics say of a peer.
fn level(server: &Server, what: &str, peer: &Peer) -> f64 {
    let label = format!("\"{}\"", peer.address);
    server.metric(&format!("smart_summary_upstream_{what}"), &[&label])
}

#[test]
fn who_has_an_answer_to_write_is_not_asked_while_another_is_free() {
    let peers = [(); 2].map(|()| {
        Peer::new(|_, body| match body.to_string().contains("[stall]") {
            true => Deed::StandsStill("It begins"),
            false => Deed::Says("From who is free."),
        })
    });
    // Nobody looks while the test goes on: what the metrics say is told by the requests themselves.
    let server = before(
        quick(&[&peers[0], &peers[1]])
            .set("upstream.stall_seconds", 600)
            .set("upstream.health_seconds", 600),
    );
    eventually("both are well", || {
        (server.metric("smart_summary_upstream_well", &[]) == 2.0).then_some(())
    });
    let streamed = merged(user("[stall]"), json!({ "stream": true }));
    let stream = chat(&server, &streamed).open();
    let busy = eventually("one writes", || {
        (0..2).find(|index| level(&server, "outstanding", &peers[*index]) == 1.0)
    });
    for _ in 0..3 {
        assert_eq!(
            chat(&server, &user("Hello?")).send().content(),
            "From who is free."
        );
    }
    assert_eq!((peers[busy].count(), peers[1 - busy].count()), (1, 3));
    stream.leave();
    eventually("it is free again", || {
        (level(&server, "outstanding", &peers[busy]) == 0.0).then_some(())
    });
    assert_eq!(ended(&server, &peers[busy], "left"), 1.0);
}

#[test]
fn a_server_that_says_twice_that_it_is_not_well_is_not_asked_until_it_is() {
    let peer = Peer::new(|_, _| Deed::Says("Well again."));
    let server = before(quick(&[&peer]).set("upstream.health_seconds", 1));
    let well = |expected: f64| {
        eventually("its health is known", || {
            (level(&server, "well", &peer) == expected).then_some(())
        });
    };
    peer.unwell.store(true, Ordering::Relaxed);
    well(0.0);
    let answer = chat(&server, &user("Hello?")).send();
    assert_eq!(
        answer.json()["error"]["code"],
        Code::EngineUnavailable.as_str()
    );
    assert_eq!(peer.count(), 0);
    peer.unwell.store(false, Ordering::Relaxed);
    well(1.0);
    assert_eq!(
        chat(&server, &user("Hello?")).send().content(),
        "Well again."
    );
}

#[test]
fn a_server_that_failed_is_back_after_its_pause() {
    let peer = Peer::new(|count, _| match count {
        1 => Deed::BreaksOff(""),
        _ => Deed::Says("Back again."),
    });
    let server = before(
        quick(&[&peer])
            .set("upstream.failures", 1)
            .set("upstream.pause_seconds", 1)
            .set("upstream.health_seconds", 600),
    );
    assert_eq!(chat(&server, &user("Hello?")).send().status, 502);
    assert_eq!(level(&server, "well", &peer), 0.0, "told at once");
    let answer = eventually("its pause is over", || {
        let answer = chat(&server, &user("Hello?")).send();
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(answer.content(), "Back again.");
    assert_eq!(level(&server, "well", &peer), 1.0);
}

#[test]
fn an_answer_in_another_language_is_asked_for_once_more_and_then_told_with_a_warning() {
    const GERMAN: &str = r#"{"title": "Roggenbrot braucht viel Zeit und wenig Können",
        "summary": "Der Teig geht über Nacht in einer kühlen Küche, und das Brot schmeckt am Tag nach dem Backen am besten."}"#;
    const ENGLISH: &str = r#"{"title": "Rye bread needs time",
        "summary": "The dough rises overnight in a cool kitchen, and the bread is best a day after baking."}"#;
    let request = || {
        let article = "Rye bread needs time more than skill. The dough rises overnight in a cool kitchen, and the bread is best a day after baking.";
        merged(fresh(article), json!({ "fields": ["title", "summary"] }))
    };
    let warned = |summary: &api::Summary| {
        let mut codes = summary.warnings.iter().map(|warning| warning.code);
        codes.any(|code| code == api::WarningCode::OtherLanguage)
    };
    let once = Peer::new(|count, _| Deed::Says(if count == 1 { GERMAN } else { ENGLISH }));
    let server = before(quick(&[&once]));
    let summary = server.summary(&request());
    assert_eq!(summary.title.as_deref(), Some("Rye bread needs time"));
    assert!(!warned(&summary), "{:?}", summary.warnings);
    assert_eq!(once.count(), 2);
    let asked = once.last().1.to_string();
    assert!(asked.contains("must be in English"), "{asked}");
    let always = Peer::new(|_, _| Deed::Says(GERMAN));
    let server = before(quick(&[&always]));
    let summary = server.summary(&request());
    assert!(warned(&summary), "{:?}", summary.warnings);
    assert!(summary.title.unwrap().starts_with("Roggenbrot"));
    assert_eq!(always.count(), 2, "once more, and no more");
}

#[test]
fn a_server_that_fails_again_and_again_is_left_alone() {
    let peer = Peer::new(|_, _| Deed::BreaksOff(""));
    let server = before(quick(&[&peer]).set("upstream.failures", 2));
    let answers: Vec<Answer> = (0..3)
        .map(|_| chat(&server, &user("Hello?")).send())
        .collect();
    assert_eq!(peer.count(), 2, "the second failure was its last");
    let last = answers.last().unwrap();
    assert_eq!(
        last.json()["error"]["code"],
        Code::EngineUnavailable.as_str()
    );
    assert!(last.header("Retry-After").is_some());
    assert_eq!(
        server.get("/readyz").send().status,
        200,
        "the server itself is well"
    );
    // Nobody is without a summary: what `auto` means is whoever can write.
    let summary = server.summary(&fresh("Without the others."));
    assert_eq!(summary.engine, api::EngineName::Extractive);
}

#[test]
fn a_server_that_knows_less_of_the_api_is_asked_for_less() {
    let peer = Peer::new(|_, body| {
        let unknown = ["response_format", "stream_options", "stop"]
            .iter()
            .any(|field| body.get(*field).is_some());
        if unknown {
            Deed::Refuses(
                "422 Unprocessable Entity",
                r#"{"detail":"Unsupported fields in the request"}"#,
            )
        } else {
            Deed::Says(
                "<think>An object, then.</think>\n```json\n{\"words\": [\"bread\", \"}\"]}\n```",
            )
        }
    });
    let server = before(quick(&[&peer]));
    let schema = json!({ "type": "object", "properties": { "words": { "type": "array" } } });
    let request = merged(
        user("Two words?"),
        json!({ "stop": ["END"], "response_format": { "type": "json_schema", "json_schema": { "schema": schema } } }),
    );
    let answer = chat(&server, &request).send();
    assert_eq!(answer.content(), "{\"words\": [\"bread\", \"}\"]}");
    assert_eq!(answer.json()["usage"]["prompt_tokens"], 11);
    let tries = peer.count();
    assert!(tries > 2);
    let (headers, body) = peer.last();
    assert_eq!(headers["authorization"], "Bearer peers-key");
    let rules = body["messages"][0]["content"].as_str().unwrap();
    assert!(
        rules.contains("\"words\""),
        "the schema is among the words: {rules}"
    );
    // What was learnt is not asked again, and a stop sequence holds nevertheless.
    let stopped = merged(user("Two words?"), json!({ "stop": ["bread"] }));
    assert_eq!(
        chat(&server, &stopped).send().content(),
        "```json\n{\"words\": [\""
    );
    assert_eq!(peer.count(), tries + 1);
}

#[test]
fn a_server_that_is_baffled_by_a_part_of_the_request_is_asked_without_it() {
    let peer = Peer::new(|_, body| match body.get("stop") {
        Some(_) => Deed::IsBaffled,
        None => Deed::SaysAndCloses("One END two."),
    });
    let server = before(quick(&[&peer]));
    let answer = chat(&server, &merged(user("Count."), json!({ "stop": ["END"] }))).send();
    assert_eq!(answer.content(), "One ");
    assert_eq!(peer.count(), 2);
    // Nobody counted, so the server says about what it was.
    let usage = &answer.json()["usage"];
    assert!(
        usage["prompt_tokens"].as_u64().unwrap() > 0
            && usage["completion_tokens"].as_u64().unwrap() > 0
    );
    let answer = chat(&server, &user("Count.")).send();
    assert_eq!(answer.content(), "One END two.");
}

#[test]
fn a_refusal_of_the_request_itself_is_its_callers() {
    let long = r#"{"error":{"code":"context_length_exceeded","message":"about bread"}}"#;
    let peer = Peer::new(move |_, body| match body["max_tokens"].as_u64() {
        Some(7) => Deed::Refuses("400 Bad Request", long),
        Some(8) => Deed::Refuses(
            "400 Bad Request",
            r#"{"error":{"code":"no_such_thing","message":"about bread"}}"#,
        ),
        _ => Deed::SaysAtOnce("In one piece."),
    });
    let server = before(quick(&[&peer]));
    let ask = |tokens: u32| {
        chat(
            &server,
            &merged(user("Bread?"), json!({ "max_tokens": tokens })),
        )
        .send()
    };
    let answer = ask(7);
    assert_eq!(
        answer.json()["error"]["code"],
        Code::ContentTooLong.as_str()
    );
    assert_eq!(peer.count(), 1, "no other form is shorter");
    let answer = ask(8);
    assert_eq!(answer.json()["error"]["code"], Code::InvalidField.as_str());
    let text = answer.text();
    assert!(
        text.contains("no_such_thing") && !text.contains("about bread"),
        "{text}"
    );
    assert_eq!(ask(9).content(), "In one piece.");
    assert!(
        !server.log().contains("about bread"),
        "nobody's text is in the log"
    );
    assert!(!server.log().contains("peers-key"));
}

#[test]
fn the_other_server_knows_how_long_anyone_waits() {
    let peer = Peer::new(|count, _| match count {
        1 => Deed::Says("In time."),
        _ => Deed::StandsStill("Not"),
    });
    let setup = quick(&[&peer])
        .set("upstream.stall_seconds", 600)
        .set("queue.interactive_deadline_ms", 90_000);
    let server = before(setup);
    assert_eq!(chat(&server, &user("Hello?")).send().content(), "In time.");
    let told = peer.last().0["prefer"].clone();
    let seconds: u64 = told.strip_prefix("wait=").unwrap().parse().unwrap();
    assert!((1..=90).contains(&seconds), "{told}");
    // A caller that waits less is told so as soon as it does.
    let answer = chat(&server, &user("Hello?"))
        .header("Prefer", "wait=1, respond-async")
        .send();
    assert_eq!(
        answer.json()["error"]["code"],
        Code::DeadlineExceeded.as_str()
    );
}

#[test]
fn a_server_without_any_other_says_so_everywhere() {
    // Bound and never accepted: the address is nobody else's.
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = Server::start(Setup::default().upstream(&[nobody], "peers-key"));
    assert_eq!(server.get("/readyz").send().status, 503);
    let asked = server
        .summarize(&merged(fresh("Hello."), json!({ "engine": "upstream" })))
        .send();
    refused(&asked, Code::EngineUnavailable);
    let doctor = server.cli(&["doctor"]);
    let text = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert_eq!(doctor.status.code(), Some(1), "{text}");
    assert!(text.contains(&nobody.to_string()), "{text}");
    let config = server.cli(&["--print-config"]);
    let text = String::from_utf8_lossy(&config.stdout).into_owned();
    assert!(
        text.contains("[upstream]") && !text.contains("peers-key"),
        "{text}"
    );
    let without = crate::server::product()
        .args(["serve", "--engine", "upstream"])
        .output()
        .unwrap();
    assert_eq!(without.status.code(), Some(2));
    let line = String::from_utf8_lossy(&without.stderr);
    assert!(line.contains("upstream.servers: "), "{line}");
}
