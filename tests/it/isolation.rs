//! Tenants beside each other: 100,000 requests of several keys for the same few articles, in any order.
//!
//! What a tenant might learn by time is counted as work instead: how often an engine ran, and what it charged. A clock
//! on a shared machine would either fail by chance or be given a bound so wide that it holds nothing.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::server::{Server, Setup, eventually};

const TENANTS: usize = 5;
/// Half of them hold the tenant's own word, half are the same for all.
const ARTICLES: usize = 40;
const REQUESTS: usize = 100_000;
const THREADS: usize = 4;
/// What one answer of the scripted engine costs.
const TOKENS: u64 = 140;
const PAIRS: usize = TENANTS * ARTICLES;

/// Words that are no part of each other.
const CANARIES: [&str; TENANTS] = ["Albatross", "Bullfinch", "Cormorant", "Dunnock", "Egret"];

struct Tenant {
    id: String,
    key: String,
}

/// A request in the making; `pair` is tenant and article.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Idempotent,
    Streamed,
    Usage,
    /// With another tenant's key id and this one's secret.
    Forged,
}

/// What all threads know of what was asked and answered.
struct Record {
    /// Requests that were begun, by pair.
    begun: Vec<AtomicU64>,
    /// Answers that an engine made, by pair.
    made: Vec<AtomicU64>,
    /// Tokens that answers told, by tenant.
    tokens: Vec<AtomicU64>,
    /// The tenant that was given an answer, by the answer's id.
    owners: Mutex<HashMap<String, usize>>,
    left: AtomicUsize,
}

/// A connection that is kept.
struct Line {
    socket: TcpStream,
    reader: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl Line {
    fn open(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).unwrap();
        socket.set_nodelay(true).unwrap();
        let reader = BufReader::new(socket.try_clone().unwrap());
        Self {
            socket,
            reader,
            body: Vec::new(),
        }
    }

    /// Sends bytes and reads one whole answer: its status, its head in lower case, and its body.
    fn ask(&mut self, request: &[u8]) -> (u16, String, &str) {
        self.socket.write_all(request).unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                self.reader.read_line(&mut head).unwrap() > 0,
                "closed after {head:?}"
            );
        }
        head.make_ascii_lowercase();
        let status = head[9..12].parse().unwrap();
        self.body.clear();
        if head.contains("transfer-encoding: chunked") {
            while self.chunk() > 0 {}
        } else {
            let (_, length) = head.split_once("content-length: ").unwrap();
            let length = length.lines().next().unwrap().parse().unwrap();
            self.body.resize(length, 0);
            self.reader.read_exact(&mut self.body).unwrap();
        }
        (status, head, std::str::from_utf8(&self.body).unwrap())
    }

    fn chunk(&mut self) -> usize {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let at = self.body.len();
        self.body.resize(at + length + 2, 0);
        self.reader.read_exact(&mut self.body[at..]).unwrap();
        self.body.truncate(at + length);
        length
    }
}

fn article(tenant: usize, article: usize) -> String {
    let whose = match article % 2 {
        0 => "Everybody",
        _ => CANARIES[tenant],
    };
    let content = format!("{whose} writes about rye bread, part {article}. It needs time.");
    json!({ "article": { "content": content, "format": "text" }, "fields": ["title", "summary"] })
        .to_string()
}

fn message(tenants: &[Tenant], tenant: usize, place: usize, kind: Kind) -> Vec<u8> {
    let key = &tenants[tenant].key;
    let body = article(tenant, place);
    let more = match kind {
        Kind::Plain => String::new(),
        // The same name for all tenants, and another body for each.
        Kind::Idempotent => format!("Idempotency-Key: the-same-for-all-{place:04}\r\n"),
        Kind::Streamed => "Accept: text/event-stream\r\n".to_owned(),
        Kind::Usage => {
            return format!(
                "GET /v1/usage HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n"
            )
            .into_bytes();
        }
        Kind::Forged => {
            let other = &tenants[(tenant + 1) % TENANTS].id;
            let secret = key.split('_').nth(3).unwrap();
            let forged = crate::attacks::with_checksum(&format!("ss_live_{other}_{secret}"));
            return post(&forged, "", &body);
        }
    };
    post(key, &more, &body)
}

fn post(key: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /v1/summaries HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A repeatable order that no two threads share.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

fn kind(dice: &mut Dice) -> Kind {
    match dice.roll(100) {
        0..80 => Kind::Plain,
        80..94 => Kind::Idempotent,
        94..97 => Kind::Streamed,
        97..99 => Kind::Usage,
        _ => Kind::Forged,
    }
}

/// One thread: asks until all requests are spoken for, and checks each answer.
fn ask(server: &Server, tenants: &[Tenant], record: &Record, seed: u64) {
    let mut line = Line::open(server.address());
    let mut dice = Dice(seed);
    let mut reopen = false;
    let taken = || {
        let left = record
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        left.is_ok()
    };
    while taken() {
        let (tenant, place, kind) = (dice.roll(TENANTS), dice.roll(ARTICLES), kind(&mut dice));
        let request = message(tenants, tenant, place, kind);
        let pair = tenant * ARTICLES + place;
        if matches!(kind, Kind::Plain | Kind::Idempotent | Kind::Streamed) {
            record.begun[pair].fetch_add(1, Ordering::SeqCst);
        }
        if reopen {
            line = Line::open(server.address());
        }
        let (status, head, body) = line.ask(&request);
        // Whoever is refused before the body is read loses the connection.
        reopen = status == 401 || head.contains("connection: close");
        for (other, canary) in CANARIES
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != tenant)
        {
            assert!(
                !body.contains(canary) && !body.contains(&tenants[other].id),
                "{} is told of {canary}: {body}",
                CANARIES[tenant]
            );
        }
        match kind {
            Kind::Usage => {
                assert_eq!(status, 200, "{body}");
                assert!(body.contains(&tenants[tenant].id), "{body}");
            }
            Kind::Forged => assert_eq!(status, 401, "{body}"),
            _ => record.answered(tenant, place, status, &head, body),
        }
    }
}

impl Record {
    fn answered(&self, tenant: usize, place: usize, status: u16, head: &str, body: &str) {
        let pair = tenant * ARTICLES + place;
        // The same request at the same moment under the same key: the second is told to wait, which tells it of itself.
        if status == 409 && head.contains("problem+json") {
            return;
        }
        assert_eq!(status, 200, "{body}");
        let answer = match body.rsplit_once("event: completed\ndata: ") {
            Some((_, data)) => data.trim_end(),
            None => body,
        };
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(
            answer["title"].as_str().unwrap().contains(CANARIES[tenant]),
            place % 2 == 1,
            "{answer}"
        );
        let id = answer["id"].as_str().unwrap().to_owned();
        let owner = *self.owners.lock().unwrap().entry(id).or_insert(tenant);
        assert_eq!(owner, tenant, "an answer of another tenant: {answer}");
        if head.contains("idempotency-replayed") {
            return;
        }
        if answer["cached"] == json!(true) {
            // Whoever is the only one that has asked cannot find an answer.
            let begun = self.begun[pair].load(Ordering::SeqCst);
            assert!(begun > 1, "the first to ask finds an answer: {answer}");
            assert_eq!(answer["usage"]["completion_tokens"], 0, "{answer}");
            return;
        }
        self.made[pair].fetch_add(1, Ordering::SeqCst);
        let usage = &answer["usage"];
        let told = ["prompt_tokens", "image_tokens", "completion_tokens"]
            .map(|name| usage[name].as_u64().unwrap());
        self.tokens[tenant].fetch_add(told.iter().sum(), Ordering::SeqCst);
    }
}

fn scripted() -> Setup {
    let reply = |when: &str| {
        json!({
            "when": when, "title": format!("{when} writes about rye bread"), "summary": format!("{when} writes about rye bread."),
            "usage": { "prompt_tokens": 100, "image_tokens": 0, "completion_tokens": 40 },
        })
    };
    let setup = Setup::default()
        .set("log.level", "\"error\"")
        .set("tiers.default.tokens_per_day", 1_000_000_000);
    CANARIES
        .iter()
        .chain(&["Everybody"])
        .fold(setup, |setup, word| setup.reply(reply(word)))
}

#[test]
fn a_hundred_thousand_mixed_requests_tell_no_tenant_of_another() {
    let server = Server::start(scripted());
    let tenants: Vec<Tenant> = (0..TENANTS)
        .map(|_| {
            let (id, key) =
                server.new_key(&json!({ "name": "tenant", "scopes": ["summaries:write"] }));
            Tenant { id, key }
        })
        .collect();
    let counters = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
    let record = Record {
        begun: counters(PAIRS),
        made: counters(PAIRS),
        tokens: counters(TENANTS),
        owners: Mutex::default(),
        left: AtomicUsize::new(REQUESTS),
    };
    std::thread::scope(|scope| {
        for seed in 1..=THREADS {
            let (server, tenants, record) = (&server, &tenants, &record);
            scope.spawn(move || {
                ask(
                    server,
                    tenants,
                    record,
                    0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed as u64),
                );
            });
        }
    });

    // An article that another tenant has asked about costs the same work as one that nobody has: a run for each tenant,
    // and not one fewer for the articles that are the same for all.
    for (pair, made) in record.made.iter().enumerate() {
        assert_eq!(
            made.load(Ordering::SeqCst),
            1,
            "engine runs of tenant {} for article {}",
            pair / ARTICLES,
            pair % ARTICLES
        );
    }
    for (tenant, told) in tenants.iter().zip(&record.tokens) {
        let told = told.load(Ordering::SeqCst);
        assert_eq!(told, ARTICLES as u64 * TOKENS);
        eventually("the ledger has what was told", || {
            let answer = server.get("/v1/usage").bearer(&tenant.key).send().json();
            (answer["budget"]["used"] == json!(told)).then_some(())
        });
    }
    let run = server.metric("smart_summary_tokens_total", &[]);
    assert_eq!(
        run as u64,
        PAIRS as u64 * TOKENS,
        "what all engines have done"
    );
}
