//! Places in the queue: who runs, who waits, who is told to come back.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use api::{Code, Event};
use serde_json::json;

use crate::check::{fresh, refused};
use crate::client::Stream;
use crate::server::{Server, Setup, eventually, merged, script};

/// One place; the rest waits.
fn narrow(setup: Setup) -> Server {
    Server::start(script(setup).set("queue.max_running", 1))
}

/// A request that holds the one place until it is dropped.
fn occupy(server: &Server) -> Stream {
    let mut stream = server.summarize(&fresh("[stall]")).events().open();
    while !matches!(stream.event().expect("it starts"), Event::Started(_)) {}
    stream
}

fn waiting(server: &Server, count: u32) {
    eventually("they wait", || {
        (server.metric("smart_summary_queue_depth", &[]) >= f64::from(count)).then_some(())
    });
}

#[test]
fn a_full_queue_says_when_to_come_back() {
    let server = narrow(Setup::default().set("queue.max_waiting", 1));
    let running = occupy(&server);
    let mut second = server.summarize(&fresh("Bread.")).events().open();
    assert!(matches!(second.event(), Some(Event::Queued(_))));
    refused(&server.summarize(&fresh("Bread.")).send(), Code::Overloaded);
    running.leave();
    assert_eq!(second.events().last().map(Event::name), Some("completed"));
}

#[test]
fn a_full_queue_degrades_when_the_operator_allows_it() {
    let server = narrow(
        Setup::default()
            .set("queue.max_waiting", 1)
            .set("degrade", true),
    );
    let running = occupy(&server);
    let second = server.summarize(&fresh("Bread.")).events().open();
    waiting(&server, 1);
    let summary = server.summary(&fresh("Rye bread needs time more than skill."));
    assert_eq!(summary.engine, api::EngineName::Extractive);
    assert!(
        summary
            .warnings
            .iter()
            .any(|warning| warning.code == api::WarningCode::EngineDegraded)
    );
    second.leave();
    running.leave();
}

#[test]
fn a_deadline_that_passes_in_the_queue_is_told() {
    let server = narrow(Setup::default().set("queue.interactive_deadline_ms", 400));
    let batch = server
        .summarize(&merged(fresh("[stall]"), json!({ "priority": "batch" })))
        .events()
        .open();
    eventually("it runs", || {
        (server.metric("smart_summary_queue_wait_seconds_count", &[]) >= 1.0).then_some(())
    });
    let since = Instant::now();
    refused(
        &server.summarize(&fresh("Bread.")).send(),
        Code::DeadlineExceeded,
    );
    assert!(
        since.elapsed() >= Duration::from_millis(400),
        "{:?}",
        since.elapsed()
    );
    batch.leave();
}

#[test]
fn an_engine_that_is_not_done_in_time_is_stopped() {
    let server = narrow(Setup::default().set("queue.interactive_deadline_ms", 300));
    refused(
        &server.summarize(&fresh("[stall]")).send(),
        Code::DeadlineExceeded,
    );
    let mut stream = server.summarize(&fresh("[stall]")).events().open();
    let heard = stream.events();
    assert!(
        matches!(heard.last(), Some(Event::Error(problem)) if problem.code == Code::DeadlineExceeded),
        "{heard:?}"
    );
    assert_eq!(
        server.summary(&fresh("Bread.")).title.as_deref(),
        Some("A scripted title"),
        "the place is free"
    );
}

#[test]
fn those_who_wait_hear_their_position() {
    let server = narrow(Setup::default());
    let running = occupy(&server);
    let mut second = server.summarize(&fresh("Bread.")).events().open();
    assert!(matches!(second.event(), Some(Event::Queued(place)) if place.position == 1));
    let mut third = server.summarize(&fresh("Bread.")).events().open();
    assert!(matches!(third.event(), Some(Event::Queued(place)) if place.position == 2));
    second.leave();
    assert!(
        matches!(third.event(), Some(Event::Queued(place)) if place.position == 1),
        "it moves up"
    );
    running.leave();
    let heard = third.events();
    assert_eq!(heard.first().map(Event::name), Some("started"));
    assert_eq!(heard.last().map(Event::name), Some("completed"));
}

/// Sends the requests one after the other into a queue that does not move, then lets it move; gives the order in which
/// they were answered.
fn order(server: &Server, requests: Vec<(String, String, serde_json::Value)>) -> Vec<String> {
    let running = occupy(server);
    let answered = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (number, (name, key, request)) in requests.into_iter().enumerate() {
            let mut stream = server
                .post("/v1/summaries")
                .bearer(&key)
                .json(&request)
                .events()
                .open();
            waiting(server, u32::try_from(number).unwrap() + 1);
            let answered = &answered;
            scope.spawn(move || {
                while let Some(event) = stream.event() {
                    if matches!(event, Event::Started(_)) {
                        answered.lock().unwrap().push(name.clone());
                    }
                }
            });
        }
        running.leave();
    });
    answered.into_inner().unwrap()
}

#[test]
fn people_go_before_jobs() {
    let server = narrow(Setup::default());
    // Slow enough that the order of the starts can be heard.
    let ask = |name: &str, priority: &str| {
        (
            name.to_owned(),
            server.key.clone(),
            merged(fresh("[slow]"), json!({ "priority": priority })),
        )
    };
    let asked = vec![ask("job", "batch"), ask("person", "interactive")];
    assert_eq!(order(&server, asked), ["person", "job"]);
}

#[test]
fn keys_take_turns() {
    let server = narrow(Setup::default());
    let (busy, quiet) = (server.key_with(json!({})), server.key_with(json!({})));
    let ask = |name: &str, key: &str| (name.to_owned(), key.to_owned(), fresh("[slow]"));
    let asked = vec![
        ask("busy 1", &busy),
        ask("busy 2", &busy),
        ask("busy 3", &busy),
        ask("quiet", &quiet),
    ];
    let order = order(&server, asked);
    let place = order.iter().position(|name| name == "quiet").unwrap();
    assert!(
        place <= 1,
        "a key with one request waits for one of the other's at most: {order:?}"
    );
}

#[test]
fn a_slow_model_does_not_hold_up_the_embedded_engine() {
    let server = narrow(Setup::default());
    let running = occupy(&server);
    let summary = server.summary(&merged(
        fresh("Rye bread needs time."),
        json!({ "engine": "extractive" }),
    ));
    assert_eq!(summary.engine, api::EngineName::Extractive);
    running.leave();
}
