//! Faults under load: what is accepted ends in an answer or in a problem of the table, and afterwards all is as before.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::{BatchStatus, Code, Event};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::check::fresh;
use crate::client::{Answer, Request};
use crate::databases::{Postgres, Redis};
use crate::server::{Server, Setup, eventually, merged, script};

/// Every deadline of these servers together, and as much again for a busy machine.
const HANGS: Duration = Duration::from_secs(40);
/// How long a fault lasts.
const FAULT: Duration = Duration::from_millis(1500);

/// A connection's way through the network, which may be cut.
struct Wire {
    address: SocketAddr,
    way: Arc<AtomicU8>,
    target: Arc<Mutex<SocketAddr>>,
}

const PASSES: u8 = 0;
/// Nothing arrives, and nobody is told.
const STALLS: u8 = 1;
/// Connections end, and new ones too.
const BREAKS: u8 = 2;

impl Wire {
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (way, target) = (
            Arc::new(AtomicU8::new(PASSES)),
            Arc::new(Mutex::new(target)),
        );
        let (its_way, its_target) = (Arc::clone(&way), Arc::clone(&target));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let target = *its_target.lock().unwrap();
                let far = TcpStream::connect(target);
                let Some(far) = far
                    .ok()
                    .filter(|_| its_way.load(Ordering::SeqCst) != BREAKS)
                else {
                    continue;
                };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let way = Arc::clone(&its_way);
                    std::thread::spawn(move || Self::carry(from, to, &way));
                }
            }
        });
        Self {
            address,
            way,
            target,
        }
    }

    fn carry(mut from: TcpStream, mut to: TcpStream, way: &AtomicU8) {
        let mut buffer = [0; 16 * 1024];
        from.set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        loop {
            let read = match way.load(Ordering::SeqCst) {
                BREAKS => break,
                STALLS => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                _ => from.read(&mut buffer),
            };
            match read {
                Ok(0) => break,
                Ok(read) if to.write_all(&buffer[..read]).is_ok() => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    fn set(&self, way: u8) {
        self.way.store(way, Ordering::SeqCst);
    }
}

/// The address and port in a TOML value such as `"redis://127.0.0.1:6379"`.
fn place(address: &str) -> SocketAddr {
    let rest = address.rsplit(['@']).next().unwrap();
    let rest = rest.trim_matches('"').trim_start_matches("redis://");
    rest.split('/').next().unwrap().parse().unwrap()
}

/// Callers that ask without a pause, each in its own way, until they are told to stop.
struct Load<'a> {
    server: &'a Server,
    key: String,
    over: AtomicBool,
    answered: AtomicUsize,
    refused: Mutex<Vec<Code>>,
    batches: Mutex<Vec<String>>,
}

impl<'a> Load<'a> {
    fn on(server: &'a Server) -> Self {
        let scopes = ["summaries:write", "chat:write", "batches:write"];
        let (_, key) = server.new_key(&json!({ "name": "load", "scopes": scopes }));
        Self {
            server,
            key,
            over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            refused: Mutex::default(),
            batches: Mutex::default(),
        }
    }

    /// Every way of asking there is.
    const WAYS: [fn(&Self); 6] = [
        Self::plain,
        Self::stream,
        Self::chat,
        Self::chat_stream,
        Self::batch,
        Self::usage,
    ];

    /// Asks in every way until `faults` is over.
    fn during(&self, faults: impl FnOnce()) {
        std::thread::scope(|scope| {
            for ask in Self::WAYS {
                scope.spawn(move || {
                    while !self.over.load(Ordering::SeqCst) {
                        self.in_time(|| ask(self));
                    }
                });
            }
            // A failed assertion must not leave the callers asking.
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(faults));
            self.over.store(true, Ordering::SeqCst);
            if let Err(failed) = failed {
                std::panic::resume_unwind(failed);
            }
        });
    }

    #[track_caller]
    fn in_time(&self, ask: impl FnOnce()) {
        let since = Instant::now();
        ask();
        assert!(
            since.elapsed() < HANGS,
            "a request hung for {:?}",
            since.elapsed()
        );
    }

    fn ask(&self, path: &str, body: &Value) -> Request {
        self.server.post(path).bearer(&self.key).json(body)
    }

    /// A problem of the table, or an answer with this status.
    #[track_caller]
    fn judge(&self, answer: &Answer, good: u16) -> bool {
        if answer.status == good {
            self.answered.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let body = answer.json();
        let code = body.get("code").or_else(|| body["error"].get("code"));
        let code: Code = serde_json::from_value(code.cloned().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{}: {error}: {}", answer.status, answer.text()));
        self.note(code);
        false
    }

    /// A fault of what is around is no fault of the caller, nor a bug.
    #[track_caller]
    fn note(&self, code: Code) {
        assert!(
            code.status() >= 500 && code != Code::Internal,
            "{code} under a fault that is not the caller's"
        );
        self.refused.lock().unwrap().push(code);
    }

    fn article() -> Value {
        merged(
            fresh("Rye bread needs time."),
            json!({ "engine": "extractive" }),
        )
    }

    fn plain(&self) {
        self.judge(&self.ask("/v1/summaries", &Self::article()).send(), 200);
    }

    fn stream(&self) {
        let asked = self.ask("/v1/summaries", &Self::article()).events();
        let answer = asked.send();
        if answer.status != 200 {
            self.judge(&answer, 200);
            return;
        }
        let text = answer.text();
        let (_, last) = text.rsplit_once("event: ").unwrap();
        let (name, rest) = last.split_once('\n').unwrap();
        let told = rest.trim().strip_prefix("data: ").unwrap();
        match Event::parse(name, told) {
            Ok(Some(Event::Completed(_))) => {
                self.answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(Some(Event::Error(problem))) => self.note(problem.code),
            other => panic!("a stream that ends with {other:?}"),
        }
    }

    fn question(more: Value) -> Value {
        let words = fresh("[pieces]")["article"]["content"].clone();
        let asked = json!({ "messages": [{ "role": "user", "content": words }] });
        merged(asked, more)
    }

    fn chat(&self) {
        let asked = self.ask("/v1/chat/completions", &Self::question(json!({})));
        self.judge(&asked.send(), 200);
    }

    fn chat_stream(&self) {
        let asked = Self::question(json!({ "stream": true }));
        let answer = self.ask("/v1/chat/completions", &asked).send();
        let text = answer.text();
        let told = text.lines().rev().find_map(|line| {
            let chunk: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
            serde_json::from_value::<Code>(chunk["error"]["code"].clone()).ok()
        });
        match told {
            Some(code) => self.note(code),
            None if self.judge(&answer, 200) => {
                assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
            }
            None => {}
        }
    }

    fn batch(&self) {
        let items: Vec<Value> = (0..3)
            .map(|place| json!({ "id": place.to_string(), "request": Self::article() }))
            .collect();
        let answer = self.ask("/v1/batches", &json!({ "items": items })).send();
        if self.judge(&answer, 201) {
            let id = answer.json()["id"].as_str().unwrap().to_owned();
            self.batches.lock().unwrap().push(id);
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    fn usage(&self) {
        let asked = self.server.get("/v1/usage").bearer(&self.key);
        self.judge(&asked.send(), 200);
        std::thread::sleep(Duration::from_millis(20));
    }

    /// Every way of asking is answered well again, without a restart.
    #[track_caller]
    fn recovers(&self, from: &str) {
        let body = json!({ "items": [{ "id": "a", "request": Self::article() }] });
        for (path, body, good) in [
            ("/v1/summaries", Self::article(), 200),
            ("/v1/chat/completions", Self::question(json!({})), 200),
            ("/v1/batches", body, 201),
        ] {
            eventually(&format!("{path} after {from}"), || {
                (self.ask(path, &body).send().status == good).then_some(())
            });
        }
    }

    /// Every batch that was accepted has an answer to each of its items.
    #[track_caller]
    fn batches_end(&self) {
        for id in self.batches.lock().unwrap().iter() {
            let path = format!("/v1/batches/{id}");
            let batch = eventually("an accepted batch ends", || {
                let batch = self.server.get(&path).bearer(&self.key).send().json();
                (batch["status"] != json!(BatchStatus::Running)).then_some(batch)
            });
            assert_eq!(batch["items"]["completed"], 3, "{batch}");
        }
    }
}

/// A server whose model answers to what the load asks.
fn with_model() -> Setup {
    Setup::default().chat(json!({
        "when": "[pieces]", "text": "An answer in pieces.", "chunk_chars": 5, "chunk_ms": 2
    }))
}

#[test]
fn what_is_accepted_is_answered_whatever_is_taken_away() {
    let model = Server::start(with_model());
    let draft = json!({ "name": "upstream", "scopes": ["chat:write"] });
    let (_, model_key) = model.new_key(&draft);
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let database = postgres.database("chaos");
    let wires = [model.address(), place(&database), place(&redis.address())].map(Wire::to);
    let [to_model, to_postgres, to_redis] = &wires;
    let mut setup = Setup::default().upstream(&[to_model.address], &model_key);
    for (key, value) in [
        (
            "store.postgres",
            format!("\"postgres://summaries@{}/chaos\"", to_postgres.address),
        ),
        ("store.redis", format!("\"redis://{}\"", to_redis.address)),
        ("queue.interactive_deadline_ms", "5000".to_owned()),
        ("upstream.first_word_seconds", "2".to_owned()),
        ("upstream.stall_seconds", "2".to_owned()),
        ("upstream.pause_seconds", "1".to_owned()),
    ] {
        setup = setup.set(key, value);
    }
    let server = Server::start(setup);
    eventually("the server is ready", || {
        (server.get("/readyz").send().status == 200).then_some(())
    });
    let load = Load::on(&server);
    // The one that is started last lives to the end.
    let models = Mutex::new(Vec::new());
    load.during(|| {
        for (wire, what) in wires.iter().zip(["the model", "PostgreSQL", "Redis"]) {
            for (way, how) in [(STALLS, "stood still"), (BREAKS, "was cut off")] {
                wire.set(way);
                std::thread::sleep(FAULT);
                wire.set(PASSES);
                load.recovers(&format!("{what} {how}"));
            }
        }
        redis.crash();
        std::thread::sleep(FAULT);
        redis.resume();
        load.recovers("Redis was killed");
        postgres.crash();
        std::thread::sleep(FAULT);
        postgres.resume();
        load.recovers("PostgreSQL was killed");
        let kept = model.stop();
        std::thread::sleep(FAULT);
        let model = Server::start_in(kept);
        *to_model.target.lock().unwrap() = model.address();
        load.recovers("the model was killed");
        models.lock().unwrap().push(model);
    });
    let (answered, refused) = (
        load.answered.load(Ordering::SeqCst),
        load.refused.lock().unwrap(),
    );
    assert!(answered > 100, "{answered} answers, and {refused:?}");
    for felt in [Code::EngineUnavailable, Code::StoreUnavailable] {
        assert!(
            refused.contains(&felt),
            "{felt} was never told: {refused:?}"
        );
    }
    load.batches_end();
}

#[test]
fn a_server_that_is_told_to_stop_loses_nothing_that_it_accepted() {
    let slow = json!({ "when": "rye", "delay_ms": 120, "title": "A title" });
    let server = Server::start(script(Setup::default()).reply(slow));
    let (seen, stopping) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let asked = || server.summarize(&fresh("A loaf of rye.")).send();
                // Once it stops, the door may be closed before anything is accepted.
                while let Ok(answer) = std::panic::catch_unwind(asked) {
                    match answer.status {
                        200 => seen.fetch_add(1, Ordering::SeqCst),
                        _ => {
                            crate::check::refused(&answer, Code::Draining);
                            break;
                        }
                    };
                }
                assert!(
                    stopping.load(Ordering::SeqCst),
                    "no answer before it was told to stop"
                );
            });
        }
        eventually("there is load", || {
            (seen.load(Ordering::SeqCst) > 20).then_some(())
        });
        stopping.store(true, Ordering::SeqCst);
        server.terminate();
    });
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    let log = server.log();
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line.to_string().contains("/v1/summaries"))
        .filter(|line: &Value| line.to_string().contains("\"answered\""))
        .collect();
    let with = |what: &str| {
        lines
            .iter()
            .filter(|line| line.to_string().contains(what))
            .count()
    };
    assert_eq!(
        with("\"status\":200"),
        seen.load(Ordering::SeqCst),
        "answers that nobody got"
    );
    assert_eq!(with("\"complete\":false"), 0, "{lines:?}");
    assert_eq!(with("\"status\":499"), 0, "{lines:?}");
}

/// A small disk of its own, which may be filled.
struct Disk(TempDir);

impl Disk {
    /// `None` when this process may not mount.
    fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder.path());
        let mounted = mount.output().is_ok_and(|mount| mount.status.success());
        mounted.then_some(Self(folder))
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.filler()).unwrap();
        for size in [4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.path().join("filler")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_accepted_is_lost() {
    let Some(disk) = Disk::new() else {
        eprintln!("skipped: this user may not mount a small disk");
        return;
    };
    let folder = Arc::new(TempDir::new_in(disk.path()).unwrap());
    with_model().write(folder.path());
    let server = Server::start_in(folder);
    let load = Load::on(&server);
    load.batch();
    disk.fill();
    load.during(|| {
        eventually("the full disk is told", || {
            let refused = load.refused.lock().unwrap();
            refused.contains(&Code::StoreUnavailable).then_some(())
        });
        std::fs::remove_file(disk.filler()).unwrap();
        load.recovers("the disk was full");
    });
    load.batches_end();
}
