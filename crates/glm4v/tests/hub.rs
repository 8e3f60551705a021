//! Fetching a model over HTTP, from a server of this test that speaks the hub's protocol.
#![cfg(feature = "hub")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on may panic, in its helpers too"
)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use glm4v::hub::{Hub, Progress, ProgressBars};
use indicatif::{HumanBytes, ProgressDrawTarget, TermLike};
use sha2::{Digest, Sha256};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REPO: &str = "someone/glm4v-small";

/// A hub with one repository, on a port of its own.
struct Server {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// Path and beginning of the range of every request.
    requests: Vec<(String, Option<u64>)>,
    /// Answers to this file's content stop after so many bytes, so many times.
    cut: Option<(String, usize, usize)>,
    /// Only with this token.
    token: Option<String>,
    /// What is told of a file's content, where that is not the truth.
    sha256: BTreeMap<String, String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Server {
    fn new(checkpoint: &str) -> Self {
        let dir = common::fixtures().join(checkpoint);
        let mut state = State::default();
        for entry in std::fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            state
                .files
                .insert(name, std::fs::read(entry.path()).unwrap());
        }
        // What real repositories hold besides, and nobody needs.
        for other in [
            "README.md",
            ".gitattributes",
            "pytorch_model.bin",
            "original/model.safetensors",
        ] {
            state
                .files
                .insert(other.to_owned(), b"not asked for".to_vec());
        }
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (shared, own) = (Arc::clone(&state), address.clone());
        // Ends with the test's process; each connection has its thread.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, address) = (Arc::clone(&shared), own.clone());
                std::thread::spawn(move || serve(stream, &address, &state));
            }
        });
        Self { address, state }
    }

    fn hub(&self, cache: &Path) -> Hub {
        Hub {
            endpoint: self.address.clone(),
            cache: cache.to_owned(),
            token: None,
            offline: false,
            attempts: 1,
            retry_delay: Duration::ZERO,
        }
    }

    fn cut(&self, file: &str, after: usize, times: usize) {
        self.state.lock().unwrap().cut = Some((file.to_owned(), after, times));
    }

    fn take_requests(&self) -> Vec<(String, Option<u64>)> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, address: &str, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut out = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        if !answer(
            &mut out,
            address,
            &path,
            &headers,
            &mut state.lock().unwrap(),
        ) {
            return;
        }
    }
}

/// Whether the connection stays open.
fn answer(
    out: &mut TcpStream,
    address: &str,
    path: &str,
    headers: &BTreeMap<String, String>,
    state: &mut State,
) -> bool {
    let mut head = |status: &str, more: &str, length: usize| {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}\r\n");
        out.write_all(head.as_bytes()).is_ok()
    };
    let range = headers.get("range").map(|range| {
        let (start, end) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        (start.parse::<usize>().unwrap(), end.parse::<usize>().ok())
    });
    state
        .requests
        .push((path.to_owned(), range.map(|(start, _)| start as u64)));
    if let Some(token) = &state.token
        && headers.get("authorization") != Some(&format!("Bearer {token}"))
    {
        return head("401 Unauthorized", "X-Error-Code: GatedRepo\r\n", 0);
    }
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{REPO}/revision/")) {
        if ![COMMIT, "main", "v1"].contains(&revision) {
            return head("404 Not Found", "X-Error-Code: RevisionNotFound\r\n", 0);
        }
        let siblings: Vec<_> = state
            .files
            .keys()
            .map(|name| serde_json::json!({ "rfilename": name }))
            .collect();
        let body =
            serde_json::json!({ "id": REPO, "sha": COMMIT, "siblings": siblings }).to_string();
        return head("200 OK", "Content-Type: application/json\r\n", body.len())
            && out.write_all(body.as_bytes()).is_ok();
    }
    // Weights lie elsewhere, as on the hub.
    let (name, elsewhere) = match path.strip_prefix("/elsewhere/") {
        Some(name) => (name, true),
        None => (
            path.strip_prefix(&format!("/{REPO}/resolve/{COMMIT}/"))
                .unwrap_or_default(),
            false,
        ),
    };
    let Some(content) = state.files.get(name) else {
        return head("404 Not Found", "X-Error-Code: EntryNotFound\r\n", 0);
    };
    // As on the hub: the SHA-256 of what lies in large-file storage, git's hash of everything else.
    let tag = if name.ends_with(".safetensors") {
        state
            .sha256
            .get(name)
            .cloned()
            .unwrap_or_else(|| hex(&Sha256::digest(content)))
    } else {
        format!("{:040x}", content.len())
    };
    if name.ends_with(".safetensors") && !elsewhere {
        let more = format!(
            "X-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{tag}\"\r\nX-Linked-Size: {}\r\nLocation: {address}/elsewhere/{name}\r\n",
            content.len()
        );
        return head("302 Found", &more, 0);
    }
    let (start, end) = range.map_or((0, None), |range| range);
    let end = end.map_or(content.len(), |end| (end + 1).min(content.len()));
    let body = content[start.min(end)..end].to_vec();
    let status = if range.is_some() {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let more = format!(
        "X-Repo-Commit: {COMMIT}\r\nETag: \"{tag}\"\r\nAccept-Ranges: bytes\r\nContent-Range: bytes {start}-{}/{}\r\n",
        end.saturating_sub(1),
        content.len()
    );
    if !head(status, &more, body.len()) {
        return false;
    }
    if let Some((file, after, times)) = &mut state.cut
        && file == name
        && *times > 0
        && body.len() > 1
    {
        *times -= 1;
        let _ = out.write_all(&body[..*after]);
        return false;
    }
    out.write_all(&body).is_ok()
}

/// Adds up what it hears.
#[derive(Default)]
struct Heard(Vec<(String, u64, u64)>, u64, usize);

impl Progress for Heard {
    fn begin(&mut self, file: &str, bytes: u64, present: u64) {
        self.0.push((file.to_owned(), bytes, present));
    }
    fn advance(&mut self, bytes: u64) {
        self.1 += bytes;
    }
    fn end(&mut self) {
        self.2 += 1;
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn refused(hub: &Hub, repo: &str, revision: Option<&str>, expect: &str) {
    let line = hub.fetch(repo, revision, &mut ()).unwrap_err().to_string();
    assert!(
        line.starts_with(repo) && line.contains(expect) && !line.contains('\n'),
        "{line}"
    );
}

#[test]
fn the_files_that_are_read_are_fetched_once_and_found_offline() {
    let (server, cache) = (Server::new("checkpoint-a"), tempfile::tempdir().unwrap());
    let mut hub = server.hub(cache.path());
    let mut heard = Heard::default();
    let dir = hub.fetch(REPO, None, &mut heard).unwrap();
    let expected = [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    assert_eq!(names(&dir), expected);
    for name in expected {
        let origin = common::fixtures().join("checkpoint-a").join(name);
        assert_eq!(
            std::fs::read(dir.join(name)).unwrap(),
            std::fs::read(origin).unwrap(),
            "{name}"
        );
    }
    assert_eq!((heard.0.len(), heard.2), (7, 7), "{:?}", heard.0);
    assert_eq!(
        heard.1,
        heard.0.iter().map(|(_, bytes, _)| bytes).sum::<u64>()
    );
    assert!(
        dir.ends_with(
            Path::new("models--someone--glm4v-small")
                .join("snapshots")
                .join(COMMIT)
        )
    );

    server.take_requests();
    assert_eq!(hub.fetch(REPO, None, &mut ()).unwrap(), dir);
    let asked: Vec<String> = server
        .take_requests()
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(
        asked,
        [format!("/api/models/{REPO}/revision/main")],
        "only whether the branch has moved"
    );
    assert_eq!(hub.fetch(REPO, Some(COMMIT), &mut ()).unwrap(), dir);
    assert_eq!(server.take_requests(), [], "a commit never moves");

    hub.offline = true;
    assert_eq!(hub.fetch(REPO, None, &mut ()).unwrap(), dir);
    refused(&hub, REPO, Some("v1"), "is not complete");
    std::fs::remove_file(dir.join("model.safetensors")).unwrap();
    refused(&hub, REPO, None, "HF_HUB_OFFLINE");
    assert_eq!(server.take_requests(), []);
}

#[test]
fn a_sharded_model_has_all_shards_of_its_index() {
    let (server, cache) = (Server::new("checkpoint-b"), tempfile::tempdir().unwrap());
    let dir = server
        .hub(cache.path())
        .fetch(REPO, Some("v1"), &mut ())
        .unwrap();
    assert_eq!(
        names(&dir)
            .iter()
            .filter(|name| name.ends_with(".safetensors"))
            .count(),
        10
    );

    server
        .state
        .lock()
        .unwrap()
        .files
        .remove("model-00007-of-00010.safetensors");
    let cache = tempfile::tempdir().unwrap();
    refused(
        &server.hub(cache.path()),
        REPO,
        None,
        "names `model-00007-of-00010.safetensors`, which is not there",
    );
}

#[test]
fn a_fetch_that_broke_off_goes_on_where_it_stopped() {
    let (server, cache) = (Server::new("checkpoint-a"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    server.cut("model.safetensors", 1_000_000, 1);
    refused(&hub, REPO, None, "model.safetensors: ");
    server.take_requests();
    let mut heard = Heard::default();
    let dir = hub.fetch(REPO, None, &mut heard).unwrap();
    let size = std::fs::metadata(dir.join("model.safetensors"))
        .unwrap()
        .len();
    let [(_, total, present)] = heard.0[..] else {
        panic!("{:?}", heard.0)
    };
    assert!(
        total == size && present > 0 && present <= 1_000_000,
        "{present} of {total}"
    );
    assert_eq!(present + heard.1, total);
    assert!(
        server
            .take_requests()
            .contains(&("/elsewhere/model.safetensors".to_owned(), Some(present)))
    );
    let origin = common::fixtures().join("checkpoint-a/model.safetensors");
    assert!(
        std::fs::read(dir.join("model.safetensors")).unwrap() == std::fs::read(origin).unwrap()
    );
}

/// A terminal that keeps every line that was ever drawn on it.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<Vec<String>>>);

impl Screen {
    /// What was drawn of a file.
    fn of(&self, file: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let own = lines.iter().filter(|line| line.starts_with(file));
        own.cloned().collect()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        120
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, line: &str) -> std::io::Result<()> {
        self.write_str(line)
    }
    fn write_str(&self, line: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().push(line.to_owned());
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_bar_tells_name_size_and_share_and_counts_what_was_there() {
    let (server, cache) = (Server::new("checkpoint-a"), tempfile::tempdir().unwrap());
    let (hub, screen) = (server.hub(cache.path()), Screen::default());
    let bars = || {
        let screen = screen.clone();
        ProgressBars::drawn_on(move || ProgressDrawTarget::term_like(Box::new(screen.clone())))
    };
    #[track_caller]
    fn told(line: &str, part: u64, size: u64) {
        let share = format!("{:>3} %", 100 * part / size);
        let bytes = format!("{}/{}", HumanBytes(part), HumanBytes(size));
        assert!(
            line.contains(&share) && line.contains(&bytes),
            "{line} without {share} {bytes}"
        );
        assert!(line.chars().count() <= 120, "{line}");
    }
    let (weights, size) = (
        "model.safetensors",
        server.state.lock().unwrap().files["model.safetensors"].len() as u64,
    );
    server.cut(weights, 1_000_000, 1);
    hub.fetch(REPO, None, &mut bars()).unwrap_err();
    let small = server.state.lock().unwrap().files["config.json"].len() as u64;
    told(screen.of("config.json").last().unwrap(), small, small);
    told(&screen.of(weights)[0], 0, size);
    assert!(
        !screen.of(weights).iter().any(|line| line.contains("100 %")),
        "it broke off"
    );

    screen.0.lock().unwrap().clear();
    server.take_requests();
    hub.fetch(REPO, None, &mut bars()).unwrap();
    let resumed = server
        .take_requests()
        .into_iter()
        .find_map(|(path, start)| {
            path.ends_with(weights)
                .then_some(start?)
                .filter(|start| *start > 0)
        });
    let lines = screen.of(weights);
    told(&lines[0], resumed.unwrap(), size);
    told(lines.last().unwrap(), size, size);
    assert!(screen.of("config.json").is_empty(), "it was there");
}

#[test]
fn weights_that_are_not_what_the_hub_tells_are_removed() {
    let (server, cache) = (Server::new("checkpoint-b"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let shard = "model-00007-of-00010.safetensors";
    let told = "00".repeat(32);
    server
        .state
        .lock()
        .unwrap()
        .sha256
        .insert(shard.to_owned(), told.clone());
    let line = format!("{shard}: has the SHA-256 ");
    refused(&hub, REPO, None, &line);
    refused(
        &hub,
        REPO,
        None,
        &format!("instead of {told}; it was removed"),
    );

    // Of the same length, and one bit apart.
    let mut state = server.state.lock().unwrap();
    let content = state.files.get_mut(shard).unwrap();
    let honest = hex(&Sha256::digest(&content));
    *content.last_mut().unwrap() ^= 1;
    let broken = hex(&Sha256::digest(&content));
    state.sha256.insert(shard.to_owned(), honest.clone());
    drop(state);
    let line = format!("{shard}: has the SHA-256 {broken} instead of {honest}");
    refused(&hub, REPO, None, &line);

    let mut state = server.state.lock().unwrap();
    *state.files.get_mut(shard).unwrap().last_mut().unwrap() ^= 1;
    drop(state);
    let dir = hub.fetch(REPO, None, &mut ()).unwrap();
    let origin = common::fixtures().join("checkpoint-b").join(shard);
    assert!(std::fs::read(dir.join(shard)).unwrap() == std::fs::read(origin).unwrap());
}

#[test]
fn a_connection_that_breaks_is_made_again() {
    let (server, cache) = (Server::new("checkpoint-a"), tempfile::tempdir().unwrap());
    let hub = Hub {
        attempts: 4,
        ..server.hub(cache.path())
    };
    server.cut("model.safetensors", 1_000_000, 3);
    let dir = hub.fetch(REPO, None, &mut ()).unwrap();
    let origin = common::fixtures().join("checkpoint-a/model.safetensors");
    assert!(
        std::fs::read(dir.join("model.safetensors")).unwrap() == std::fs::read(origin).unwrap()
    );
}

#[test]
fn what_does_not_exist_is_told_in_one_line() {
    let (server, cache) = (Server::new("checkpoint-a"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    refused(
        &hub,
        "someone/else",
        None,
        "does not exist at http://127.0.0.1",
    );
    refused(&hub, REPO, Some("v2"), "has no branch, tag or commit `v2`");
    server
        .state
        .lock()
        .unwrap()
        .files
        .remove("model.safetensors");
    refused(&hub, REPO, None, "has neither model.safetensors nor");
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let hub = Hub {
        endpoint: format!("http://{nobody}"),
        ..hub
    };
    refused(&hub, REPO, None, "cannot be reached");
}

#[test]
fn a_token_opens_what_is_not_public_and_is_not_shown() {
    let (server, cache) = (Server::new("checkpoint-b"), tempfile::tempdir().unwrap());
    let token: String = format!("hf_{:x}", std::process::id());
    server.state.lock().unwrap().token = Some(token.clone());
    let hub = server.hub(cache.path());
    refused(&hub, REPO, None, "set HF_TOKEN");
    let hub = Hub {
        token: Some(format!("{token}x")),
        ..hub
    };
    refused(&hub, REPO, None, "the token does not open it");
    let hub = Hub {
        token: Some(token.clone()),
        ..hub
    };
    assert!(hub.fetch(REPO, None, &mut ()).is_ok());
    assert!(!format!("{hub:?}").contains(&token));
}

#[test]
fn names_cannot_leave_the_cache() {
    let (server, cache) = (Server::new("checkpoint-b"), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    for repo in ["", "..", "a/../b", "a/b/c", "/a", "a\\b", "a b", "../x"] {
        refused(&hub, repo, None, "is no OWNER/NAME");
    }
    for revision in ["", "..", "../main", "/main", "a b", "refs/../../x"] {
        refused(&hub, REPO, Some(revision), "is no branch, tag or commit");
    }
    assert_eq!(server.take_requests(), []);
}

#[test]
fn the_environment_is_read_as_the_hubs_other_tools_read_it() {
    let hub = |vars: &[(&str, &str)]| {
        let vars: BTreeMap<String, String> = vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Hub::from_vars(|name| vars.get(name).cloned())
    };
    let plain = hub(&[("HOME", "/nobody")]);
    assert_eq!(plain.cache, PathBuf::from("/nobody/.cache/huggingface/hub"));
    assert_eq!(
        (plain.endpoint.as_str(), plain.offline, plain.token),
        ("https://huggingface.co", false, None)
    );
    assert_eq!(
        hub(&[("HF_HOME", "/h"), ("HOME", "/nobody")]).cache,
        PathBuf::from("/h/hub")
    );
    assert_eq!(
        hub(&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/h")]).cache,
        PathBuf::from("/c")
    );
    let older = ("HUGGINGFACE_HUB_CACHE", "/o");
    assert_eq!(hub(&[older]).cache, PathBuf::from("/o"));
    assert_eq!(
        hub(&[("HF_HUB_CACHE", "/c"), older]).cache,
        PathBuf::from("/c")
    );
    assert_eq!(
        hub(&[("XDG_CACHE_HOME", "/x")]).cache,
        PathBuf::from("/x/huggingface/hub")
    );
    assert_eq!(
        hub(&[("HF_ENDPOINT", "http://mirror/")]).endpoint,
        "http://mirror"
    );
    assert!(hub(&[("HF_HUB_OFFLINE", "1")]).offline && hub(&[("HF_HUB_OFFLINE", "true")]).offline);
    assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline && !hub(&[("HF_HUB_OFFLINE", "")]).offline);

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "from-the-file\n").unwrap();
    let path = home.path().to_str().unwrap();
    assert_eq!(
        hub(&[("HF_HOME", path)]).token.as_deref(),
        Some("from-the-file")
    );
    assert_eq!(
        hub(&[("HF_HOME", path), ("HF_TOKEN", "t")])
            .token
            .as_deref(),
        Some("t")
    );
    let older = ("HUGGING_FACE_HUB_TOKEN", "o");
    let token = |vars: &[(&str, &str)]| hub(vars).token;
    assert_eq!(token(&[("HF_HOME", path), older]).as_deref(), Some("o"));
    assert_eq!(token(&[("HF_TOKEN", "t"), older]).as_deref(), Some("t"));
    let elsewhere = home.path().join("token");
    let elsewhere = ("HF_TOKEN_PATH", elsewhere.to_str().unwrap());
    assert_eq!(
        token(&[("HF_HOME", "/h"), elsewhere]).as_deref(),
        Some("from-the-file")
    );
}
