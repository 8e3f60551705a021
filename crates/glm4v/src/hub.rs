//! A model from a hub: the files that this crate reads, and no others, into the cache that all tools of the hub share.
//!
//! A fetch that was cut off goes on where it stopped, also after a restart.
//! Everything is taken from one commit, also when the branch moves meanwhile.
//! A file whose SHA-256 the hub tells, as it does of weights, is compared with it before it is used.
//! With the feature `hub`, which is on by default.
//!
//! ```no_run
//! use glm4v::hub::{Hub, ProgressBars};
//! use glm4v::{LoadOptions, Model};
//!
//! # fn fetched() -> glm4v::Result<Model> {
//! // `HF_HOME`, `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and the others are read as the hub's own tools read them.
//! let dir = Hub::from_env().fetch("zai-org/GLM-4.6V-Flash", Some("main"), &mut ProgressBars::from_env())?;
//! let model = Model::load(&dir, &LoadOptions::default())?;
//! # Ok(model)
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{Error, Result, json};

const DEFAULT_REVISION: &str = "main";
const INDEX: &str = "model.safetensors.index.json";
const SINGLE: &str = "model.safetensors";

/// Files beside the weights. Not every repository has all of them.
const SMALL_FILES: [&str; 7] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "chat_template.json",
];

/// Where the hub is, who asks, and where the files go.
#[derive(Clone)]
pub struct Hub {
    /// Address without a slash at its end.
    pub endpoint: String,
    /// The directory that holds `models--OWNER--NAME`.
    pub cache: PathBuf,
    /// For repositories that are not public.
    pub token: Option<String>,
    /// Look only into the cache.
    pub offline: bool,
    /// How often a file is asked for before the failure is told.
    pub attempts: u32,
    /// Waited before the second attempt, and twice as long before each further one.
    pub retry_delay: Duration,
}

/// The token is not shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            endpoint,
            cache,
            token,
            offline,
            attempts,
            retry_delay,
        } = self;
        f.debug_struct("Hub")
            .field("endpoint", endpoint)
            .field("cache", cache)
            .field("token", &token.as_ref().map(|_| "…"))
            .field("offline", offline)
            .field("attempts", attempts)
            .field("retry_delay", retry_delay)
            .finish()
    }
}

/// Hears how a fetch goes on. All methods do nothing unless they are written.
pub trait Progress {
    /// A file of `bytes` bytes begins, of which `present` are there from an earlier fetch.
    fn begin(&mut self, file: &str, bytes: u64, present: u64) {
        let _ = (file, bytes, present);
    }

    /// So many bytes more.
    fn advance(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// The file is complete.
    fn end(&mut self) {}
}

/// Tells nobody.
impl Progress for () {}

/// A bar in the terminal for each file.
pub struct ProgressBars {
    bar: Option<ProgressBar>,
    target: Box<dyn FnMut() -> ProgressDrawTarget + Send>,
}

impl Default for ProgressBars {
    /// On the standard error stream.
    fn default() -> Self {
        Self::drawn_on(ProgressDrawTarget::stderr)
    }
}

impl fmt::Debug for ProgressBars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressBars")
            .field("bar", &self.bar)
            .finish_non_exhaustive()
    }
}

impl ProgressBars {
    /// None when `HF_HUB_DISABLE_PROGRESS_BARS` says so.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var("HF_HUB_DISABLE_PROGRESS_BARS").is_ok_and(|value| yes(&value)) {
            true => Self::drawn_on(ProgressDrawTarget::hidden),
            false => Self::default(),
        }
    }

    /// On whatever `target` gives for each file.
    #[must_use]
    pub fn drawn_on(target: impl FnMut() -> ProgressDrawTarget + Send + 'static) -> Self {
        Self {
            bar: None,
            target: Box::new(target),
        }
    }
}

impl Progress for ProgressBars {
    fn begin(&mut self, file: &str, bytes: u64, present: u64) {
        let bar = ProgressBar::with_draw_target(Some(bytes), (self.target)());
        let style =
            "{msg:32} {wide_bar} {percent:>3} % {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        let bar = bar.with_message(file.to_owned()).with_position(present);
        bar.reset_eta();
        bar.tick();
        self.bar = Some(bar);
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

/// Whether a variable of the environment says yes, in the words that the hub's tools take for it.
fn yes(value: &str) -> bool {
    matches!(value.to_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE")
}

impl Hub {
    /// As the environment says, by the variables that all tools of the hub read: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, and the older names `HUGGINGFACE_HUB_CACHE` and
    /// `HUGGING_FACE_HUB_TOKEN`; without a token, the file that `hf auth login` writes.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// As [`Hub::from_env`], from any source of variables. Empty ones count as unset.
    #[must_use]
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| var(name).map(PathBuf::from);
        let user_cache = || {
            let home = path("HOME")
                .or_else(|| path("USERPROFILE"))
                .unwrap_or_default();
            path("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache"))
        };
        let home = path("HF_HOME").unwrap_or_else(|| user_cache().join("huggingface"));
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
        let token = var("HF_TOKEN").or_else(|| var("HUGGING_FACE_HUB_TOKEN"));
        let token = token.or_else(|| std::fs::read_to_string(token_file).ok());
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .unwrap_or_else(|| home.join("hub")),
            token: token
                .map(|token| token.trim().to_owned())
                .filter(|token| !token.is_empty()),
            offline: var("HF_HUB_OFFLINE").is_some_and(|value| yes(&value)),
            attempts: 5,
            retry_delay: Duration::from_secs(1),
        }
    }

    /// Fetches what is missing of a model and gives the directory that holds it.
    ///
    /// `repo` is `OWNER/NAME`; `revision` a branch, tag or commit, by default `main`.
    /// A commit that is complete in the cache is not asked for again. Every file that is fetched has the size and, where the
    /// hub tells one, the SHA-256 that the hub said.
    ///
    /// # Errors
    /// [`Error::Hub`], one line, when the repository or the revision does not exist or may not be read, when it holds no
    /// safetensors weights, when the connection broke more than `attempts` times, when a file is not what the hub said, or
    /// when it is offline and not complete.
    pub fn fetch(
        &self,
        repo: &str,
        revision: Option<&str>,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf> {
        let revision = revision.unwrap_or(DEFAULT_REVISION);
        let fail = |reason: String| Error::Hub {
            repo: repo.to_owned(),
            reason,
        };
        if !is_repo(repo) {
            return Err(fail("is no OWNER/NAME".to_owned()));
        }
        if !is_revision(revision) {
            return Err(fail(format!("`{revision}` is no branch, tag or commit")));
        }
        let named = Repo::with_revision(repo.to_owned(), RepoType::Model, revision.to_owned());
        let cached = Cache::new(self.cache.clone()).repo(named.clone());
        if let Some(dir) = self.in_cache(&named, revision)
            && (self.offline || is_commit(revision))
        {
            return Ok(dir);
        }
        if self.offline {
            let place = self.cache.display();
            return Err(fail(format!(
                "is not complete in {place} at `{revision}`, and HF_HUB_OFFLINE forbids to fetch it"
            )));
        }

        let api = self.api().map_err(|error| fail(self.told(&error)))?;
        let info = api
            .repo(named)
            .info()
            .map_err(|error| fail(self.not_found(&api, repo, revision, &error)))?;
        if !is_commit(&info.sha) {
            return Err(fail(format!("{} names no commit", self.endpoint)));
        }
        // From here on the commit, so that a push in between cannot mix two versions.
        let pinned = Repo::with_revision(repo.to_owned(), RepoType::Model, info.sha.clone());
        let dir = cached.pointer_path(&info.sha);
        let present: BTreeSet<&str> = info
            .siblings
            .iter()
            .map(|file| file.rfilename.as_str())
            .collect();
        let mut fetch = |name: &str| -> Result<()> {
            if dir.join(name).exists() {
                return Ok(());
            }
            self.file(&api, &pinned, name, progress)
                .map_err(|reason| fail(format!("{name}: {reason}")))
        };
        for name in SMALL_FILES.iter().filter(|name| present.contains(*name)) {
            fetch(name)?;
        }
        if present.contains(INDEX) {
            fetch(INDEX)?;
            for shard in shards(&dir.join(INDEX))? {
                if !present.contains(shard.as_str()) || shard.contains(['/', '\\']) {
                    return Err(fail(format!("{INDEX} names `{shard}`, which is not there")));
                }
                fetch(&shard)?;
            }
        } else if present.contains(SINGLE) {
            fetch(SINGLE)?;
        } else {
            return Err(fail(format!("has neither {SINGLE} nor {INDEX}")));
        }
        // So that the branch is found offline.
        cached
            .create_ref(&info.sha)
            .map_err(|source| Error::io(&self.cache, source))?;
        Ok(dir)
    }

    /// The directory of a revision, when it lacks nothing.
    fn in_cache(&self, repo: &Repo, revision: &str) -> Option<PathBuf> {
        let model = self.cache.join(repo.folder_name());
        let named = std::fs::read_to_string(model.join("refs").join(revision)).ok();
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            named?.trim().to_owned()
        };
        let dir = model.join("snapshots").join(commit);
        let has = |name: &str| dir.join(name).exists();
        let weights = if has(INDEX) {
            shards(&dir.join(INDEX)).ok()?.iter().all(|name| has(name))
        } else {
            has(SINGLE)
        };
        (weights && has("config.json") && has("tokenizer.json")).then_some(dir)
    }

    fn api(&self) -> Result<Api, ApiError> {
        ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone())
            .with_progress(false)
            .with_user_agent(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .build()
    }

    /// One file, or why not.
    fn file(
        &self,
        api: &Api,
        repo: &Repo,
        name: &str,
        progress: &mut dyn Progress,
    ) -> Result<(), String> {
        let mut delay = self.retry_delay;
        let mut attempt = 1;
        loop {
            let mut size = None;
            let watch = Watch {
                progress: &mut *progress,
                size: &mut size,
                beginning: None,
            };
            let result = api.repo(repo.clone()).download_with_progress(name, watch);
            let error = match result {
                Ok(path) => {
                    return check(&path, size).inspect_err(|_| discard(&path));
                }
                Err(error) => error,
            };
            // A refusal stays one; a broken connection may be whole again.
            if attempt >= self.attempts || status(&error).is_some_and(|status| status < 500) {
                return Err(self.told(&error));
            }
            attempt += 1;
            std::thread::sleep(delay);
            delay *= 2;
        }
    }

    /// Why there is no such thing as was asked for.
    fn not_found(&self, api: &Api, repo: &str, revision: &str, error: &ApiError) -> String {
        match status(error) {
            Some(404)
                if revision != DEFAULT_REVISION && api.model(repo.to_owned()).info().is_ok() =>
            {
                format!("has no branch, tag or commit `{revision}`")
            }
            // The hub says 401 for what does not exist, too, so that nobody learns what does.
            Some(401 | 404) => match self.token {
                None => format!(
                    "does not exist at {}, or needs a token: set HF_TOKEN",
                    self.endpoint
                ),
                Some(_) => format!(
                    "does not exist at {}, or the token does not open it",
                    self.endpoint
                ),
            },
            _ => self.told(error),
        }
    }

    /// An error of the hub's client in one line, without addresses, which may be signed.
    fn told(&self, error: &ApiError) -> String {
        match (status(error), error) {
            (Some(401 | 403), _) => {
                "may not be read: accept its terms at the hub, and set HF_TOKEN".to_owned()
            }
            (Some(status), _) => format!("{} answered {status}", self.endpoint),
            (None, ApiError::RequestError(error)) => {
                format!("{} cannot be reached: {error}", self.endpoint)
            }
            (None, ApiError::IoError(error)) => format!("the transfer broke off: {error}"),
            (None, ApiError::InvalidResume) => {
                "the part that was fetched is longer than the file".to_owned()
            }
            (None, other) => other.to_string(),
        }
        .replace('\n', " ")
    }
}

/// The HTTP status that the hub refused with.
fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status) => Some(status),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a file that was fetched has the size and the content that the hub told; if not, what is wrong.
fn check(path: &Path, size: Option<u64>) -> Result<(), String> {
    let broken = |error: io::Error| format!("cannot be read again: {error}");
    let found = std::fs::metadata(path).map_err(broken)?.len();
    if let Some(size) = size.filter(|size| *size != found) {
        return Err(format!(
            "has {found} bytes instead of {size}; it was removed, fetch it again"
        ));
    }
    let Some(expected) = told_sha256(path) else {
        return Ok(());
    };
    let found = sha256(path).map_err(broken)?;
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "has the SHA-256 {found} instead of {expected}; it was removed, fetch it again"
    ))
}

/// The SHA-256 of a file of the cache, if the hub told it.
///
/// The cache stores a file under its entity tag: the SHA-256 of its content for what lies in large-file storage, as weights
/// do, and git's own hash of 40 digits for the small files of the repository.
fn told_sha256(path: &Path) -> Option<String> {
    let content = path.canonicalize().ok()?;
    let tag = content.file_name()?.to_str()?;
    let is_digest = tag.len() == 64 && tag.chars().all(|c| c.is_ascii_hexdigit());
    is_digest.then(|| tag.to_ascii_lowercase())
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(path)?;
    io::copy(&mut file, &mut Digesting(&mut digest))?;
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Takes what is written to it into a digest.
struct Digesting<'a>(&'a mut Sha256);

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of the cache is a link to its content.
fn discard(path: &Path) {
    if let Ok(content) = path.canonicalize() {
        let _ = std::fs::remove_file(content);
    }
    let _ = std::fs::remove_file(path);
}

/// The files that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    Ok(json::read::<Index>(index)?
        .weight_map
        .into_values()
        .collect())
}

fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.chars().all(known) && !name.contains("..") && !name.starts_with('.')
}

fn is_repo(repo: &str) -> bool {
    repo.split('/').count() <= 2 && repo.split('/').all(is_name)
}

fn is_revision(revision: &str) -> bool {
    revision.split('/').all(is_name)
}

fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.chars().all(|c| c.is_ascii_hexdigit())
}

/// Our [`Progress`] as the client's, which first says the size, then what is present, then what comes.
struct Watch<'a> {
    progress: &'a mut dyn Progress,
    size: &'a mut Option<u64>,
    /// A file whose beginning is still to be told.
    beginning: Option<String>,
}

impl hf_hub::api::Progress for Watch<'_> {
    fn init(&mut self, size: usize, file: &str) {
        *self.size = Some(size as u64);
        self.beginning = Some(file.to_owned());
    }

    fn update(&mut self, bytes: usize) {
        match self.beginning.take() {
            Some(file) => self
                .progress
                .begin(&file, self.size.unwrap_or(0), bytes as u64),
            None => self.progress.advance(bytes as u64),
        }
    }

    fn finish(&mut self) {
        self.progress.end();
    }
}
