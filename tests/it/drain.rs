//! A server that is asked to stop.

use std::net::TcpStream;

use api::{Code, Event};

use crate::check::{fresh, refused};
use crate::server::{Server, Setup, eventually, script};

#[test]
fn running_requests_end_new_ones_are_refused_and_the_exit_is_clean() {
    let server = Server::start(
        script(Setup::default())
            .reply(serde_json::json!({ "when": "[long]", "delay_ms": 1500, "title": "Done" })),
    );
    let mut running = server.summarize(&fresh("[long]")).events().open();
    while !matches!(running.event(), Some(Event::Started(_))) {}
    std::thread::scope(|scope| {
        let plain = scope.spawn(|| server.summarize(&fresh("[long]")).send());
        eventually("both run", || (server.in_flight() >= 2.0).then_some(()));
        server.terminate();
        check_new_ones_are_refused(&server);
        assert_eq!(running.events().last().map(Event::name), Some("completed"));
        assert_eq!(plain.join().unwrap().status, 200);
    });
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
}

/// The port is closed, or the answer is `draining`.
#[track_caller]
fn check_new_ones_are_refused(server: &Server) {
    eventually("new requests are refused", || {
        let Ok(socket) = TcpStream::connect(server.address()) else {
            return Some(());
        };
        drop(socket);
        let answer = std::panic::catch_unwind(|| server.summarize(&fresh("Bread.")).send());
        match answer {
            // The port was closed in between.
            Err(_) => Some(()),
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => {
                refused(&answer, Code::Draining);
                Some(())
            }
        }
    });
}

#[test]
fn a_request_that_does_not_end_is_cut_off_in_time() {
    let server = Server::start(script(Setup::default()).set("server.drain_seconds", 1));
    let mut running = server.summarize(&fresh("[stall]")).events().open();
    while !matches!(running.event(), Some(Event::Started(_))) {}
    let since = std::time::Instant::now();
    server.terminate();
    let status = server.wait();
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[test]
fn a_server_without_work_stops_at_once() {
    let server = Server::start(Setup::default());
    let since = std::time::Instant::now();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(since.elapsed().as_secs() < 3, "{:?}", since.elapsed());
}
