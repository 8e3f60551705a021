//! The answer as a stream of events.

use std::time::{Duration, Instant};

use api::{Code, Event, Field, Summary};
use serde_json::{Value, json};

use crate::check::{fixture, fresh, refused};
use crate::client::Heard;
use crate::server::{Server, Setup, eventually, merged, script, shared};

fn events(request: &Value) -> Vec<Event> {
    let mut stream = shared().summarize(request).events().open();
    assert_eq!(stream.status, 200);
    assert!(
        stream
            .header("Content-Type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(stream.header("Cache-Control").unwrap().contains("no-store"));
    stream.events()
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::name).collect()
}

fn completed(events: &[Event]) -> Summary {
    match events.last() {
        Some(Event::Completed(summary)) => summary.clone(),
        other => panic!("the stream ends with {other:?}"),
    }
}

fn article(more: Value) -> Value {
    merged(
        json!({ "article": { "content": fixture("articles/en.html"), "format": "html" }, "engine": "extractive" }),
        more,
    )
}

/// What an answer says, without what differs from call to call.
fn said(summary: &Summary) -> Summary {
    Summary {
        id: String::new(),
        cached: false,
        timings: api::Timings::default(),
        ..summary.clone()
    }
}

#[test]
fn a_stream_starts_gives_each_field_once_and_completes() {
    let heard = events(&article(json!({ "seed": 11 })));
    let names = names(&heard);
    let begun: Vec<&str> = names
        .iter()
        .copied()
        .skip_while(|name| *name == "queued")
        .collect();
    assert_eq!(begun.first(), Some(&"started"), "{names:?}");
    assert_eq!(begun.last(), Some(&"completed"), "{names:?}");
    assert!(
        begun[1..begun.len() - 1]
            .iter()
            .all(|name| ["field", "delta"].contains(name)),
        "{names:?}"
    );
    let fields: Vec<Field> = heard
        .iter()
        .filter_map(|event| match event {
            Event::Field(field) => Some(field.name),
            _ => None,
        })
        .collect();
    let mut sorted = fields.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), fields.len(), "each once: {fields:?}");
    assert_eq!(sorted.len(), Field::ALL.len(), "{fields:?}");
}

#[test]
fn the_fields_are_those_of_the_final_answer() {
    for request in [article(json!({ "seed": 12 })), fresh("Bread [pieces].")] {
        let heard = events(&request);
        let whole = serde_json::to_value(completed(&heard)).unwrap();
        for event in &heard {
            if let Event::Field(field) = event {
                let name = serde_json::to_value(field.name).unwrap();
                assert_eq!(field.value, whole[name.as_str().unwrap()], "{name}");
            }
        }
    }
}

#[test]
fn the_pieces_of_a_field_make_the_field() {
    let heard = events(&fresh("Bread [pieces]."));
    let title: String = heard
        .iter()
        .filter_map(|event| match event {
            Event::Delta(delta) if delta.field == Field::Title => Some(delta.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(title, "A title in pieces");
    assert!(
        names(&heard)
            .iter()
            .filter(|name| **name == "delta")
            .count()
            > 5,
        "{:?}",
        names(&heard)
    );
    let first_field = heard
        .iter()
        .position(|event| matches!(event, Event::Field(field) if field.name == Field::Title));
    let last_delta = heard
        .iter()
        .rposition(|event| matches!(event, Event::Delta(delta) if delta.field == Field::Title));
    assert!(last_delta < first_field, "{:?}", names(&heard));
}

#[test]
fn a_stream_says_what_the_plain_answer_says() {
    let request = article(json!({ "seed": 13 }));
    let streamed = completed(&events(&request));
    let plain = shared().summary(&request);
    assert_eq!(said(&streamed), said(&plain));
}

#[test]
fn a_known_answer_streams_in_the_same_form() {
    let request = article(json!({ "seed": 14 }));
    let made = events(&request);
    let known = events(&request);
    assert!(completed(&known).cached);
    let fields = |events: &[Event]| {
        events
            .iter()
            .filter(|event| matches!(event, Event::Field(_)))
            .count()
    };
    assert_eq!(
        fields(&made),
        fields(&known),
        "a page that waits for fields gets them: {:?}",
        names(&known)
    );
    assert!(names(&known).contains(&"started"), "{:?}", names(&known));
}

#[test]
fn a_failure_on_the_way_is_the_last_event() {
    for (words, code) in [
        ("[failed]", Code::EngineFailed),
        ("[panic]", Code::Internal),
        ("[output]", Code::EngineOutput),
    ] {
        let mut stream = shared().summarize(&fresh(words)).events().open();
        let id = stream.header("X-Request-Id").unwrap().to_owned();
        let heard = stream.events();
        let Some(Event::Error(problem)) = heard.last() else {
            panic!("{:?}", names(&heard))
        };
        assert_eq!(
            (problem.code, problem.status, &problem.request_id),
            (code, code.status(), &id)
        );
    }
}

#[test]
fn a_refusal_before_the_work_is_a_plain_problem() {
    let request = merged(fresh("Bread."), json!({ "candidates": 9 }));
    refused(
        &shared().summarize(&request).events().send(),
        Code::InvalidField,
    );
    let answer = shared()
        .post("/v1/summaries")
        .json(&fresh("Bread."))
        .events()
        .send();
    refused(&answer, Code::CredentialsMissing);
}

#[test]
fn a_proxy_is_told_not_to_hold_the_stream_back() {
    let stream = shared().summarize(&fresh("Bread.")).events().open();
    assert_eq!(stream.header("X-Accel-Buffering"), Some("no"));
}

#[test]
fn a_silent_stream_has_a_heartbeat_within_ten_seconds() {
    let mut stream = shared().summarize(&fresh("[stall]")).events().open();
    let since = Instant::now();
    loop {
        match stream.next().expect("the stream goes on") {
            Heard::Comment(_) => break,
            Heard::Event(name, _) => assert!(
                ["queued", "started", "field", "delta"].contains(&name.as_str()),
                "{name}"
            ),
        }
    }
    assert!(
        since.elapsed() < Duration::from_millis(10_500),
        "after {:?}",
        since.elapsed()
    );
    stream.leave();
}

/// How a caller leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    InOrder,
    ByReset,
}

/// A server with one place: while a stalled request runs nobody else is served.
fn narrow() -> Server {
    Server::start(
        script(Setup::default())
            .set("queue.max_running", 1)
            .set("queue.interactive_deadline_ms", DEADLINE.as_millis()),
    )
}

/// What would free the place if leaving did not.
const DEADLINE: Duration = Duration::from_secs(120);

/// The place is free again: the engine has stopped.
#[track_caller]
fn check_stopped(server: &Server, how: &str) {
    let since = Instant::now();
    assert_eq!(
        server.summarize(&fresh("Bread.")).send().status,
        200,
        "{how}"
    );
    assert!(
        since.elapsed() < DEADLINE / 2,
        "{how}: only its deadline freed the place, after {:?}",
        since.elapsed()
    );
    eventually("the departure is counted", || {
        (server.metric("smart_summary_cancellations_total", &["/v1/summaries"]) >= 1.0)
            .then_some(())
    });
    eventually("nothing is in flight", || {
        (server.in_flight() == 0.0).then_some(())
    });
    assert_eq!(
        server.metric("smart_summary_streams_open", &[]),
        0.0,
        "{how}"
    );
}

#[test]
fn the_engine_stops_when_a_streams_reader_leaves() {
    for leaving in [Leaving::InOrder, Leaving::ByReset] {
        let server = narrow();
        let mut stream = server.summarize(&fresh("[stall]")).events().open();
        while !matches!(stream.event(), Some(Event::Started(_))) {}
        match leaving {
            Leaving::InOrder => stream.leave(),
            Leaving::ByReset => stream.crash(),
        }
        check_stopped(&server, &format!("{leaving:?}"));
    }
}

#[test]
fn the_engine_stops_when_a_plain_caller_leaves() {
    for leaving in [Leaving::InOrder, Leaving::ByReset] {
        let server = narrow();
        let socket = server.summarize(&fresh("[stall]")).connect();
        eventually("the engine runs", || {
            (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 1.0).then_some(())
        });
        match leaving {
            Leaving::InOrder => socket.shutdown(std::net::Shutdown::Both).unwrap(),
            Leaving::ByReset => crate::client::reset(socket),
        }
        check_stopped(&server, &format!("{leaving:?}"));
    }
}

#[test]
fn a_caller_that_leaves_while_it_waits_frees_its_place() {
    let server = narrow();
    let mut first = server.summarize(&fresh("[stall]")).events().open();
    while !matches!(first.event(), Some(Event::Started(_))) {}
    let mut waiting = server.summarize(&fresh("[stall]")).events().open();
    assert!(matches!(waiting.event(), Some(Event::Queued(_))));
    waiting.leave();
    eventually("nobody waits", || {
        (server.metric("smart_summary_queue_depth", &[]) == 0.0).then_some(())
    });
    first.leave();
    check_stopped(&server, "after both have left");
}
