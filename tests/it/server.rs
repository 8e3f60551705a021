//! A running server: the real binary, on free ports, with its own data directory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Request};
use crate::project;

/// How long a condition may take to become true.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a server is started with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    config: BTreeMap<String, String>,
    replies: Vec<Value>,
    chats: Vec<Value>,
    page: Option<&'static str>,
    model: Option<PathBuf>,
    upstream: bool,
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Mutex<Child>,
    guard: Guard,
    data: Arc<TempDir>,
    address: SocketAddr,
    metrics: SocketAddr,
    log: Arc<Mutex<String>>,
    /// A key with the scope `admin`.
    pub(crate) admin: String,
    /// A key that may summarise and mint tokens, from no browser.
    pub(crate) key: String,
}

impl Default for Setup {
    /// Limits so wide that no test meets one by chance, and nothing that one machine has and another has not.
    fn default() -> Self {
        let setup = Self {
            config: BTreeMap::new(),
            replies: Vec::new(),
            chats: Vec::new(),
            page: None,
            model: None,
            upstream: false,
        };
        setup
            .set("tiers.default.requests_per_minute", 1_000_000)
            .set("tiers.default.request_burst", 100_000)
            .set("tiers.default.images_per_minute", 1_000_000)
            .set("tiers.default.tokens_per_minute", 1_000_000_000)
            .set("anonymous.requests_per_minute", 1_000_000)
            .set("anonymous.failed_auth_per_minute", 100_000)
            .set("auth.token_leeway_seconds", 0)
            .set("engine.tesseract", "\"off\"")
            .set("log.format", "\"json\"")
            .set("log.level", "\"debug\"")
    }
}

impl Setup {
    /// Sets a key of the configuration file to a TOML value.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.config.insert(key.to_owned(), value.to_string());
        self
    }

    /// Adds a reply to the scripted engine; the first whose `when` occurs in the article answers.
    pub(crate) fn reply(mut self, reply: Value) -> Self {
        self.replies.push(reply);
        self
    }

    /// Adds a reply to the scripted model; the first whose `when` occurs in the last message answers.
    pub(crate) fn chat(mut self, reply: Value) -> Self {
        self.chats.push(reply);
        self
    }

    /// Serves the model of this checkpoint instead of a script.
    pub(crate) fn model(mut self, checkpoint: &Path) -> Self {
        self.model = Some(checkpoint.to_owned());
        self
    }

    /// Serves the models of these servers instead of a script; they want `key`.
    pub(crate) fn upstream(mut self, servers: &[SocketAddr], key: &str) -> Self {
        self.upstream = true;
        let servers: Vec<String> = servers
            .iter()
            .map(|server| format!("\"http://{server}/v1\""))
            .collect();
        self.set("upstream.servers", format!("[{}]", servers.join(", ")))
            .set("upstream.api_key", format!("{key:?}"))
            .set("upstream.health_seconds", 1)
    }

    /// Serves a demo page of this text.
    pub(crate) fn page(mut self, html: &'static str) -> Self {
        self.page = Some(html);
        self
    }

    /// Writes configuration and script into a data directory.
    pub(crate) fn write(&self, data: &Path) {
        std::fs::write(data.join("smart-summary.toml"), self.config_text()).unwrap();
        std::fs::write(data.join("script.json"), self.script_text()).unwrap();
    }

    fn config_text(&self) -> String {
        self.config
            .iter()
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect()
    }

    fn script_text(&self) -> String {
        let fallback = json!({
            "title": "A scripted title", "meta_description": "A scripted description of the article.",
            "keywords": ["scripted", "article"], "slug": "a-scripted-title",
            "summary": "A scripted summary. It has two sentences.",
            "usage": { "prompt_tokens": 100, "image_tokens": 0, "completion_tokens": 40 },
        });
        let replies: Vec<&Value> = self.replies.iter().chain([&fallback]).collect();
        json!({ "replies": replies, "chats": self.chats }).to_string()
    }
}

/// The server for tests that need nothing special and leave nothing behind that another test could notice.
pub(crate) fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(script(Setup::default())))
}

/// The words of an article by which the scripted engine is told what to do.
pub(crate) fn script(setup: Setup) -> Setup {
    let words = |end: Value| {
        json!({
            "title": "A title in pieces", "meta_description": "A description that comes in pieces.",
            "summary": "A summary in pieces.", "keywords": ["pieces"], "slug": "pieces",
            "usage": { "prompt_tokens": 100, "image_tokens": 0, "completion_tokens": 40 },
        })
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .chain(end.as_object().unwrap().clone())
        .collect::<Value>()
    };
    setup
        .reply(words(json!({ "when": "[failed]", "end": "failed" })))
        .reply(words(json!({ "when": "[output]", "end": "output" })))
        .reply(words(
            json!({ "when": "[unavailable]", "end": "unavailable" }),
        ))
        .reply(words(json!({ "when": "[panic]", "end": "panic" })))
        .reply(words(json!({ "when": "[stall]", "end": "stall" })))
        .reply(words(
            json!({ "when": "[pieces]", "chunk_chars": 4, "chunk_ms": 1 }),
        ))
        .reply(words(json!({ "when": "[slow]", "delay_ms": 700 })))
}

impl Server {
    #[track_caller]
    pub(crate) fn start(setup: Setup) -> Self {
        let data = TempDir::new().unwrap();
        setup.write(data.path());
        if let Some(model) = &setup.model {
            return Self::start_model_in(Arc::new(data), model);
        }
        if setup.upstream {
            return Self::start_with(Arc::new(data), &["--engine", "upstream"]);
        }
        let Some(page) = setup.page else {
            return Self::start_in(Arc::new(data));
        };
        let folder = data.path().join("page");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("index.html"), page).unwrap();
        Self::start_with(Arc::new(data), &["--demo", folder.to_str().unwrap()])
    }

    /// Starts over a data directory that has its configuration and script.
    #[track_caller]
    pub(crate) fn start_in(data: Arc<TempDir>) -> Self {
        Self::start_with(data, &[])
    }

    /// As [`start_in`](Self::start_in), with the model of a checkpoint.
    #[track_caller]
    pub(crate) fn start_model_in(data: Arc<TempDir>, checkpoint: &Path) -> Self {
        let model = checkpoint.to_str().unwrap();
        Self::start_with(data, &["--engine", "glm4v", "--model", model])
    }

    #[track_caller]
    fn start_with(data: Arc<TempDir>, args: &[&str]) -> Self {
        let script = data.path().join("script.json");
        let scripted = ["--engine", "scripted", "--script", script.to_str().unwrap()];
        let args: Vec<&str> = match args.contains(&"--engine") {
            true => args.to_vec(),
            false => [&scripted, args].concat(),
        };
        let admin = make_key(data.path(), "admin");
        let key = make_key(data.path(), "summaries:write,tokens:write");
        let mut child = command(data.path())
            .args([
                "serve",
                "--bind",
                "127.0.0.1:0",
                "--metrics-bind",
                "127.0.0.1:0",
            ])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let guard = Guard::of(&child, data.path());
        let log = follow(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |start: &str| {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            line.strip_prefix(start)
                .and_then(|rest| rest.split('/').next())
                .and_then(|rest| rest.parse().ok())
                .unwrap_or_else(|| {
                    panic!(
                        "instead of `{start}ADDRESS`: {line:?}; the log:\n{}",
                        end_of(&mut child, &log)
                    )
                })
        };
        let address_of_api = address("listening http://");
        let metrics = address("metrics http://");
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child: Mutex::new(child),
            guard,
            data,
            address: address_of_api,
            metrics,
            log,
            admin,
            key,
        }
    }

    /// Ends the process at once and gives its data directory.
    pub(crate) fn stop(self) -> Arc<TempDir> {
        Arc::clone(&self.data)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        Request::new(self.address, "GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        Request::new(self.address, "POST", path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// `POST /v1/summaries` with the server's own key.
    pub(crate) fn summarize(&self, request: &Value) -> Request {
        self.post("/v1/summaries").bearer(&self.key).json(request)
    }

    /// Asks the embedded engine, or whichever the request names.
    #[track_caller]
    pub(crate) fn summary(&self, request: &Value) -> api::Summary {
        self.summarize(request).send().summary()
    }

    /// Makes a key over HTTP: `(id, key)`.
    #[track_caller]
    pub(crate) fn new_key(&self, draft: &Value) -> (String, String) {
        let answer = self
            .post("/v1/admin/keys")
            .bearer(&self.admin)
            .json(draft)
            .send();
        assert!(
            (200..300).contains(&answer.status),
            "{draft}: {}",
            answer.text()
        );
        let made: api::KeyCreated = serde_json::from_slice(&answer.body).unwrap();
        (made.id, made.key)
    }

    /// A key that may summarise and mint tokens, with further fields.
    #[track_caller]
    pub(crate) fn key_with(&self, more: Value) -> String {
        self.new_key(&merged(
            json!({ "name": "test", "scopes": ["summaries:write", "tokens:write"] }),
            more,
        ))
        .1
    }

    #[track_caller]
    pub(crate) fn token_answer(&self, key: &str, more: Value) -> Answer {
        let request = merged(
            json!({ "origin": "https://blog.example", "scopes": ["summaries:write"], "ttl_seconds": 300 }),
            more,
        );
        self.post("/v1/tokens").bearer(key).json(&request).send()
    }

    /// A token for pages of `https://blog.example`, with further fields.
    #[track_caller]
    pub(crate) fn token(&self, key: &str, more: Value) -> String {
        let answer = self.token_answer(key, more);
        assert!((200..300).contains(&answer.status), "{}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The sum of all series of a metric whose line holds every one of `labels`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = Request::new(self.metrics, "GET", "/metrics").send().text();
        let lines = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Requests that are being answered; the one that asks for the numbers is not counted.
    #[track_caller]
    pub(crate) fn in_flight(&self) -> f64 {
        self.metric("smart_summary_requests_in_flight", &[])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Asks the process to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// The exit status, once the process has ended.
    #[track_caller]
    pub(crate) fn wait(&self) -> ExitStatus {
        eventually("the process ends", || {
            self.child.lock().unwrap().try_wait().unwrap()
        })
    }

    /// Runs a command of the binary over the same data directory.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        command(self.data.path()).args(args).output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.guard.dismiss();
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!(
                "the end of the server's log:\n{}",
                tail.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
    }
}

/// Ends a server and removes its data when this process ends: a server that all tests share is never dropped.
///
/// A shell waits at a pipe that closes with this process, however that ends.
pub(crate) struct Guard {
    shell: Mutex<Child>,
}

impl Guard {
    pub(crate) fn of(server: &Child, data: &Path) -> Self {
        let shell = Command::new("sh")
            .args([
                "-c",
                "read _; kill -KILL \"$0\"; rm -rf \"$1\"",
                &server.id().to_string(),
            ])
            .arg(data)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            shell: Mutex::new(shell),
        }
    }

    pub(crate) fn dismiss(&self) {
        let mut shell = self.shell.lock().unwrap();
        let _ = shell.kill();
        let _ = shell.wait();
    }
}

/// Waits until `condition` gives something; fails the test when it does not.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(
            since.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `left` with the fields of `right`.
pub(crate) fn merged(mut left: Value, right: Value) -> Value {
    if let Value::Object(more) = right {
        left.as_object_mut().unwrap().extend(more);
    }
    left
}

/// The binary with the scripted engine, over a data directory and nothing of this process's settings.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = Command::new(binaries().join("smart-summary-scripted"));
    clean(&mut command);
    command.arg("--data-dir").arg(data);
    let config = data.join("smart-summary.toml");
    if config.exists() {
        command.arg("--config").arg(config);
    }
    command
}

/// The binary that people run, without arguments.
pub(crate) fn product() -> Command {
    let mut command = Command::new(binaries().join("smart-summary"));
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    command.current_dir(project::root()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMART_SUMMARY") {
            command.env_remove(name);
        }
    }
}

/// Where the binaries lie; they are built when nobody has said that they are there (`SMART_SUMMARY_BIN_DIR`).
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| match std::env::var_os("SMART_SUMMARY_BIN_DIR") {
        Some(dir) => dir.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--package",
            "backend",
            "--features",
            "testing",
            "--bins",
        ])
        .current_dir(project::root())
        .status()
        .unwrap();
    assert!(status.success(), "the server does not build");
    // This test lies in <target>/<profile>/deps.
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    target.join("debug")
}

/// Makes a key by the command line; the first start prints its own only when there is none.
#[track_caller]
fn make_key(data: &Path, scopes: &str) -> String {
    let made = command(data)
        .args([
            "keys", "create", "--name", "test", "--scopes", scopes, "--json",
        ])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "keys create: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

/// Ends a server that did not start, and gives its log.
fn end_of(child: &mut Child, log: &Mutex<String>) -> String {
    let _ = child.kill();
    let _ = child.wait();
    log.lock().unwrap().clone()
}

fn follow(stderr: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut log = written.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}
