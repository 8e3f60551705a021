//! Nothing that a caller sends stays behind where it does not belong: logs, numbers, errors, crashes, files.
//!
//! Every place of a request carries a word of its own that occurs nowhere else. Whatever the server writes is then
//! searched for each of them, also as base64 and with the letters in lower case.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::batches::{batch_key, created};
use crate::client::{Answer, Form, Request};
use crate::pictures;
use crate::server::{Server, Setup, eventually, merged, script};

/// What each place of a request says.
const ARTICLE: &str = "Xylophagous canaries whistle";
const TITLE: &str = "Quokkas yodel in the attic";
const ALT: &str = "A narwhal knits a scarf";
const CAPTION: &str = "Axolotls at the opera";
const FILE: &str = "pangolin-passport.png";
const EXIF: &str = "Photographed by Thaddeus Wombat";
const BRAND: &str = "Okapi and Daughters";
const PHRASE: &str = "marmoset mortgage";
const CHAT: &str = "Aardvark acrobatics tonight";
const SYSTEM: &str = "You are the oracle of Capybara";
const SCHEMA: &str = "tamarin_tax_number";
const ITEM: &str = "Kinkajous keep a ledger";
const SAID: &str = "Bandicoots brew better beer";
const IDEMPOTENCY: &str = "binturong-idempotency-key-0001";
const PATH: &str = "solenodon-in-the-address";
const SUBJECT: &str = "editor-numbat-17";

/// All that came back with a status of 400 or more, and every header of every answer.
#[derive(Default)]
struct Told {
    text: String,
    refusals: usize,
}

impl Told {
    fn hear(&mut self, answer: &Answer) {
        writeln!(self.text, "{} {:?}", answer.status, answer.headers).unwrap();
        if answer.status >= 400 {
            self.refusals += 1;
            self.text.push_str(&answer.text());
        }
    }

    /// An event stream or a stream of chunks: what it says once something went wrong.
    fn hear_stream(&mut self, request: &Request) {
        let answer = request.send();
        let text = answer.text();
        let fault = text
            .split("\n\n")
            .filter(|event| event.contains("event: error") || event.contains("\"error\""));
        for event in fault {
            self.refusals += 1;
            self.text.push_str(event);
        }
        self.hear(&answer);
    }
}

/// A picture whose metadata speak.
fn picture() -> Vec<u8> {
    pictures::png_with_text(16, 16, EXIF)
}

/// An article that the script answers as `word` says.
fn article(word: &str) -> Value {
    let uri = pictures::data_uri(&picture());
    json!({
        "article": {
            "title": TITLE, "format": "html", "url": "https://blog.example/post",
            "content": format!("<p>{ARTICLE} {word}</p><img src=\"{FILE}\" alt=\"{ALT}\">"),
        },
        "images": [{ "id": "a", "filename": FILE, "caption": CAPTION, "data": uri }],
        "guidelines": { "brand": BRAND, "must_include": [PHRASE], "avoid": [PHRASE] },
    })
}

fn chat(word: &str) -> Value {
    json!({
        "messages": [
            { "role": "system", "content": SYSTEM },
            { "role": "user", "content": [
                { "type": "text", "text": format!("{CHAT} {word}") },
                { "type": "image_url", "image_url": { "url": pictures::data_uri(&picture()) } },
            ] },
        ],
        "response_format": { "type": "json_schema", "json_schema": {
            "name": SCHEMA,
            "schema": { "type": "object", "properties": { SCHEMA: { "type": "string" } } },
        } },
    })
}

/// Bodies that are wrong in one place and speak in all others.
fn wrong_bodies() -> Vec<Value> {
    vec![
        json!(ARTICLE),
        json!({ "article": ARTICLE }),
        json!({ "article": { "content": ARTICLE, "format": ARTICLE } }),
        merged(article(""), json!({ "candidates": ARTICLE })),
        merged(article(""), json!({ "candidates": 99 })),
        merged(article(""), json!({ "engine": ARTICLE })),
        merged(article(""), json!({ "fields": [ARTICLE] })),
        merged(article(""), json!({ "limits": { "title_chars": ARTICLE } })),
        merged(
            article(""),
            json!({ "guidelines": { "brand": BRAND.repeat(200) } }),
        ),
        merged(
            article(""),
            json!({ "images": [{ "id": "a", "caption": CAPTION, "data": format!("data:image/png;base64,{ARTICLE}") }] }),
        ),
        merged(
            article(""),
            json!({ "images": [{ "id": "a", "filename": FILE, "data": format!("https://a.example/{FILE}") }] }),
        ),
        merged(
            article(""),
            json!({ "images": [{ "id": "a", "data": pictures::data_uri(ARTICLE.as_bytes()) }] }),
        ),
        json!({ "article": { "content": ARTICLE, "url": format!("ftp://{PATH}/") , "format": "text" } }),
        json!({ "article": { "content": ARTICLE, "language": format!("{ARTICLE}!"), "format": "text" } }),
    ]
}

fn wrong_chats() -> Vec<Value> {
    vec![
        merged(chat(""), json!({ "temperature": CHAT })),
        merged(chat(""), json!({ "stop": [CHAT.repeat(9)] })),
        merged(chat(""), json!({ "tools": [CHAT] })),
        merged(chat(""), json!({ "task": CHAT })),
        merged(
            chat(""),
            json!({ "messages": [{ "role": CHAT, "content": CHAT }] }),
        ),
        merged(
            chat(""),
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "words": CHAT }] }] }),
        ),
        merged(
            chat(""),
            json!({ "response_format": { "type": "json_schema", "json_schema": SCHEMA } }),
        ),
        merged(chat(""), json!({ "model": CHAT })),
    ]
}

fn speaking() -> Setup {
    let said = |when: &str, end: &str| {
        json!({
            "when": when, "end": end, "title": SAID, "meta_description": SAID, "summary": SAID, "slug": "said",
            "keywords": [SAID], "alt_texts": { "a": SAID }, "chunk_chars": 4,
            "usage": { "prompt_tokens": 9, "image_tokens": 0, "completion_tokens": 9 },
        })
    };
    script(
        Setup::default()
            .set("log.level", "\"trace\"")
            .set("server.drain_seconds", 1)
            .reply(said("[said]", "done"))
            .reply(said("[failed]", "failed"))
            .reply(said("[panic]", "panic")),
    )
    .chat(json!({ "when": "[failed]", "end": "failed", "text": SAID }))
    .chat(json!({ "when": "[panic]", "end": "panic", "text": SAID }))
    .chat(json!({ "when": "[stall]", "end": "stall", "text": SAID }))
    .chat(json!({ "text": format!("{{\"{SCHEMA}\":\"{SAID}\"}}") }))
}

/// Everything that a site might send, well and badly, with each outcome that an engine can have.
fn talk(server: &Server, key: &str, token: &str) -> Told {
    let mut told = Told::default();
    let from_page = |request: Request| {
        request
            .bearer(token)
            .header("Origin", "https://blog.example")
    };
    let words = [
        "[said]",
        "[failed]",
        "[output]",
        "[unavailable]",
        "[panic]",
        "[pieces]",
    ];
    for word in words {
        let post = |path: &str, body: &Value| server.post(path).json(body);
        told.hear(
            &post("/v1/summaries", &article(word))
                .bearer(key)
                .header("Idempotency-Key", IDEMPOTENCY)
                .send(),
        );
        told.hear(&from_page(post("/v1/summaries", &article(word))).send());
        told.hear_stream(&post("/v1/summaries", &article(word)).bearer(key).events());
        told.hear(&post("/v1/chat/completions", &chat(word)).bearer(key).send());
        let streamed = merged(chat(word), json!({ "stream": true }));
        told.hear_stream(&post("/v1/chat/completions", &streamed).bearer(key));
        let simple =
            json!({ "image": STANDARD.encode(picture()), "text": format!("{CHAT} {word}") });
        told.hear(&post("/infer", &simple).bearer(key).send());
    }
    for body in wrong_bodies() {
        told.hear(&server.post("/v1/summaries").bearer(key).json(&body).send());
        told.hear(
            &server
                .post("/v1/batches")
                .bearer(key)
                .json(&json!({ "items": [{ "id": "a", "request": body }] }))
                .send(),
        );
    }
    for body in wrong_chats() {
        told.hear(
            &server
                .post("/v1/chat/completions")
                .bearer(key)
                .json(&body)
                .send(),
        );
    }
    let mut cut = article("").to_string();
    cut.truncate(cut.len() / 2);
    told.hear(
        &server
            .post("/v1/summaries")
            .bearer(key)
            .body("application/json", cut)
            .send(),
    );
    let form = Form::request(&json!({ "article": { "content": ARTICLE, "format": "text" } }))
        .picture("b", &picture());
    told.hear(&server.post("/v1/summaries").bearer(key).form(form).send());
    told.hear(&server.get(&format!("/{PATH}?key={key}&text={PATH}")).send());
    told.hear(
        &server
            .get(&format!("/v1/usage?key={key}"))
            .bearer(&format!("{key}x"))
            .send(),
    );
    told.hear(&server.get("/v1/usage").bearer(&format!("{token}x")).send());
    told
}

/// The words, each with its other spellings.
fn spellings(word: &str) -> Vec<String> {
    // Base64 of a text within another begins at one of three places; the middle of each is the same wherever it stands.
    let encoded = (0..3).map(|shift| {
        let text = STANDARD.encode([&vec![b' '; shift], word.as_bytes()].concat());
        text[4..text.len() - 4].to_owned()
    });
    [word.to_owned(), word.to_lowercase()]
        .into_iter()
        .chain(encoded)
        .collect()
}

#[track_caller]
fn holds_none(what: &str, text: &str, words: &[&str]) {
    assert!(!text.is_empty(), "{what} says nothing at all");
    for word in words {
        for spelt in spellings(word) {
            let at = text.find(&spelt);
            let around = at.map(|at| {
                text[..at]
                    .lines()
                    .next_back()
                    .unwrap_or_default()
                    .to_owned()
            });
            assert!(
                at.is_none(),
                "{what} holds {word:?} as {spelt:?} after {around:?}"
            );
        }
    }
}

/// The files of the data directory that the server wrote, as text of sorts.
fn files(data: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Those two are the test's own.
        if path.is_file() && !["smart-summary.toml", "script.json"].contains(&name.as_str()) {
            let bytes = std::fs::read(&path).unwrap();
            // A log that SQLite has emptied.
            if bytes.is_empty() {
                continue;
            }
            // Not lossily: a byte that is no UTF-8 must not swallow its neighbour.
            found.push((name, bytes.iter().map(|byte| char::from(*byte)).collect()));
        }
    }
    assert!(
        found
            .iter()
            .any(|(name, _)| name.contains(".db") || name.contains("sqlite")),
        "{found:?}"
    );
    found
}

const SENT: [&str; 14] = [
    ARTICLE,
    TITLE,
    ALT,
    CAPTION,
    FILE,
    EXIF,
    BRAND,
    PHRASE,
    CHAT,
    SYSTEM,
    SCHEMA,
    SAID,
    IDEMPOTENCY,
    PATH,
];

/// The secret part of a key.
fn secret(key: &str) -> &str {
    key.split('_').nth(3).unwrap()
}

#[test]
fn nothing_that_was_sent_is_in_a_log_a_number_an_error_or_a_file() {
    let server = Server::start(speaking());
    let key = server.key_with(json!({
        "scopes": ["summaries:write", "chat:write", "batches:write", "tokens:write"], "origins": ["https://blog.example"],
    }));
    let token = server.token(&key, json!({ "subject": SUBJECT }));
    let told = talk(&server, &key, &token);
    assert!(told.refusals > 50, "{} refusals", told.refusals);

    let signature = token.rsplit('.').next().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let secrets = [
        secret(&key),
        secret(&server.admin),
        secret(&server.key),
        signature,
        claims,
        SUBJECT,
    ];
    let hidden = [&SENT[..], &secrets].concat();
    holds_none("an error or a header", &told.text, &hidden);
    let numbers = Request::new(server.metrics_address(), "GET", "/metrics")
        .send()
        .text();
    assert!(numbers.contains("smart_summary_requests"));
    holds_none("/metrics", &numbers, &hidden);
    let trail = server.cli(&["audit", "list", "--json"]);
    holds_none(
        "the audit log",
        &String::from_utf8(trail.stdout).unwrap(),
        &hidden,
    );
    let keys = server.cli(&["keys", "list"]);
    holds_none(
        "the list of keys",
        &String::from_utf8(keys.stdout).unwrap(),
        &hidden,
    );

    server.terminate();
    server.wait();
    let log = server.log();
    assert!(log.matches("/v1/summaries").count() > 30 && log.contains("a panic; this is a bug"));
    holds_none("the log", &log, &hidden);
    for (name, text) in files(server.data_dir()) {
        holds_none(&name, &text, &hidden);
    }
}

#[test]
fn a_process_that_is_aborted_in_the_middle_of_its_work_says_nothing_of_it() {
    let server = Server::start(speaking());
    let key = server.key_with(json!({ "scopes": ["summaries:write", "chat:write"] }));
    let summary = server
        .post("/v1/summaries")
        .bearer(&key)
        .json(&article("[stall]"))
        .connect();
    let chat = server
        .post("/v1/chat/completions")
        .bearer(&key)
        .json(&chat("[stall]"))
        .connect();
    eventually("both are being answered", || {
        (server.in_flight() >= 2.0).then_some(())
    });
    let aborted = std::process::Command::new("kill")
        .args(["-ABRT", &server.pid().to_string()])
        .status()
        .unwrap();
    assert!(aborted.success());
    assert!(!server.wait().success());
    drop((summary, chat));
    let hidden = [&SENT[..], &[secret(&key)]].concat();
    holds_none("what the process said", &server.log(), &hidden);
    for (name, text) in files(server.data_dir()) {
        holds_none(&name, &text, &hidden);
    }
}

/// A batch's requests lie in the database while they wait, since a killed server takes them up again.
#[test]
fn of_a_batch_that_is_over_only_its_results_are_kept_and_of_one_that_was_removed_nothing() {
    let server = Server::start(speaking());
    let key = batch_key(&server, json!({}));
    let item = |id: &str, word: &str| {
        let content = format!("{ITEM} {word}");
        json!({ "id": id, "request": { "article": { "content": content, "title": TITLE, "format": "text" } } })
    };
    let body = json!({ "items": [item("a", "[said]"), item("b", "[output]")] });
    let path = format!("/v1/batches/{}", created(&server, &key, &body).id);
    let results = eventually("the batch is over", || {
        let answer = server.get(&format!("{path}/results")).bearer(&key).send();
        (answer.status == 200).then(|| answer.text())
    });
    assert!(results.contains(SAID), "{results}");
    holds_none("the log", &server.log(), &[ITEM, TITLE, SAID]);

    let data = stopped(server);
    assert!(
        written(data.path()).contains(SAID),
        "results are kept until they are fetched or too old"
    );
    holds_none(
        "a database of finished batches",
        &written(data.path()),
        &[ITEM, TITLE, secret(&key)],
    );

    let server = Server::start_in(data);
    let removed = server.request("DELETE", &path).bearer(&key).send();
    assert!(removed.status < 300, "{}", removed.text());
    let body = json!({ "items": [item("a", "[stall]")] });
    let created = server
        .post("/v1/batches")
        .bearer(&key)
        .header("Idempotency-Key", IDEMPOTENCY)
        .json(&body)
        .send();
    assert_eq!(created.status, 201, "{}", created.text());
    let data = stopped(server);
    assert!(
        written(data.path()).contains(ITEM),
        "what waits outlives the server"
    );
    holds_none(
        "a database after a removal, with a batch under an idempotency key",
        &written(data.path()),
        &[SAID, IDEMPOTENCY],
    );
}

/// Ends a server in order and gives its data directory.
fn stopped(server: Server) -> Arc<TempDir> {
    server.terminate();
    server.wait();
    server.stop()
}

fn written(data: &Path) -> String {
    files(data).into_iter().map(|(_, text)| text).collect()
}

/// What a credential looks like: how it begins, which characters follow, and at least how many.
type Look = (&'static str, fn(u8) -> bool, usize);

const CREDENTIALS: [Look; 10] = [
    // A key of ours, of any server: its name, its secret and its checksum.
    ("ss_live_", is_word, 12 + 1 + 43 + 1 + 6),
    ("whsec_", is_base64, 40),
    // A token begins with its header: `{"alg":` or `{"typ":`.
    ("eyJhbGciOi", is_token, 60),
    ("eyJ0eXAiOi", is_token, 60),
    ("sk-", is_word, 24),
    ("ghp_", is_word, 36),
    ("github_pat_", is_word, 40),
    ("hf_", is_word, 32),
    ("AKIA", is_word, 16),
    ("PRIVATE KEY-----\n", is_base64, 40),
];

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// The first thing that looks like a credential and is not one character over and over, as made-up ones are.
fn credential(bytes: &[u8]) -> Option<String> {
    CREDENTIALS.iter().find_map(|(begin, follows, least)| {
        let places = bytes.windows(begin.len()).enumerate();
        let mut places = places.filter(|(_, word)| *word == begin.as_bytes());
        places.find_map(|(at, _)| {
            let rest = &bytes[at + begin.len()..];
            let length = rest.iter().take_while(|byte| follows(**byte)).count();
            let rest = &rest[..length];
            let kinds: std::collections::BTreeSet<u8> = rest.iter().copied().collect();
            (length >= *least && kinds.len() > 6).then(|| format!("{begin}… at {at}"))
        })
    })
}

/// Keys of other people's models lie in the pages of others for everybody to use: nothing that we publish holds one.
#[test]
fn no_credential_lies_in_what_is_published() {
    let root = crate::project::root();
    let server = Server::start(Setup::default());
    let token = server.token(
        &server.key_with(json!({ "origins": ["https://blog.example"] })),
        json!({}),
    );
    for real in [&server.admin, &server.key, &token] {
        let page = format!("const key = '{real}';");
        assert!(credential(page.as_bytes()).is_some(), "it would be found");
    }
    assert_eq!(
        credential(b"ss_live_<12 id>_<43 secret>_<6 checksum>"),
        None
    );
    let mut open = vec![root.clone()];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            // What the fuzzers begin with is made up, and has to look real.
            let apart = ["target", "node_modules", "vendor", ".git", "corpus"];
            if apart.iter().any(|apart| name == *apart) {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = credential(&bytes);
                assert_eq!(found, None, "{}", entry.path().display());
                seen += 1;
            }
        }
    }
    assert!(seen > 500, "only {seen} files were read");
}
