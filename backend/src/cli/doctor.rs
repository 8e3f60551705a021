//! `smart-summary doctor`: what works on this machine, and what to do about what does not.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::keys::some;
use crate::auth::Keys;
use crate::config::Config;
use crate::engines::{Glm4v, Upstream};
use crate::telemetry::{Clock, SystemClock};

/// How the findings are shown.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  smart-summary doctor --json")]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pub(super) model: super::ModelArgs,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// Works, but could be better.
    Note,
    /// The server cannot work so.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    subject: &'static str,
    state: State,
    found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Ok,
            found: found.into(),
            advice: None,
        }
    }

    fn note(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Note,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    fn failed(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            subject,
            state: State::Failed,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Looks at everything and prints it. Exit code 1 when something that the server needs does not work.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn run(args: &DoctorArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let findings = examine(config);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Ok => "ok  ",
                State::Note => "note",
                State::Failed => "FAIL",
            };
            writeln!(out, "{mark}  {:<16} {}", finding.subject, finding.found)?;
            if let Some(advice) = &finding.advice {
                writeln!(out, "{:23}-> {advice}", "")?;
            }
        }
    }
    let failed = findings
        .iter()
        .any(|finding| finding.state == State::Failed);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![data_dir(&config.data_dir)];
    findings.extend(secrets(config));
    findings.extend(store(config));
    findings.push(clock(SystemClock::default().now_ms()));
    findings.push(address("address", config.server.bind));
    findings.extend(
        config
            .server
            .metrics_bind
            .map(|metrics| address("metrics address", metrics)),
    );
    findings.push(engine());
    findings.extend(model(config));
    findings.extend(upstream(config));
    findings.push(processor());
    findings.extend(memory());
    findings.push(gpu(Path::new("/")));
    findings
}

/// Whether files can be made where the stores lie, or will lie.
fn data_dir(directory: &Path) -> Finding {
    let subject = "data directory";
    let advice = "choose another with --data-dir, or make it writable for this user";
    let existing = directory
        .ancestors()
        .find(|part| part.as_os_str().is_empty() || part.exists());
    let existing = existing
        .filter(|part| !part.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let probe = existing.join(format!(".smart-summary-probe-{}", std::process::id()));
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe);
    if let Err(error) = made.and_then(|_| std::fs::remove_file(&probe)) {
        return Finding::failed(
            subject,
            format!("{} cannot be made or written: {error}", directory.display()),
            advice,
        );
    }
    if existing != directory {
        return Finding::ok(
            subject,
            format!("{} will be made at the first start", directory.display()),
        );
    }
    match open_to_others(directory) {
        Some(mode) => Finding::note(
            subject,
            format!(
                "{} can be read by others (mode {mode:o})",
                directory.display()
            ),
            format!("chmod 700 {}", directory.display()),
        ),
        None => Finding::ok(subject, directory.display().to_string()),
    }
}

/// The mode of a file or folder that others may enter or read.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// Files that nobody else may read.
fn secrets(config: &Config) -> Vec<Finding> {
    let ours =
        ["pepper", "token-signing.key", "keys.sqlite"].map(|name| config.data_dir.join(name));
    let named = config.auth.pepper_file.iter();
    let others = named.chain(&config.auth.other_pepper_files).cloned();
    ours.into_iter()
        .chain(others)
        .filter_map(|path| {
            let mode = open_to_others(&path)?;
            let found = format!("{} can be read by others (mode {mode:o})", path.display());
            Some(Finding::failed(
                "secrets",
                found,
                format!("chmod 600 {}", path.display()),
            ))
        })
        .collect()
}

/// Opens the store when there is one; looking makes none.
fn store(config: &Config) -> Vec<Finding> {
    let subject = "key store";
    if config.store.postgres.is_none() && !config.data_dir.join("keys.sqlite").exists() {
        return vec![Finding::ok(subject, "will be made at the first start")];
    }
    let opened = Keys::open(config, Arc::new(SystemClock::default()), Arc::default());
    let looked = opened.and_then(|keys| {
        let found = Finding::ok(subject, format!("opens, {} keys", keys.list()?.len()));
        Ok(vec![
            found,
            pepper(&keys.earlier()?, keys.has_other_peppers()),
        ])
    });
    looked.unwrap_or_else(|error| {
        let advice = if config.store.postgres.is_some() {
            "start the database, or mend store.postgres"
        } else {
            "restore it from a backup, or choose another --data-dir"
        };
        vec![Finding::failed(subject, error.to_string(), advice)]
    })
}

/// Whether an earlier pepper may be dropped.
fn pepper(earlier: &[String], others: bool) -> Finding {
    let subject = "pepper";
    match (earlier.is_empty(), others) {
        (true, false) => Finding::ok(subject, "one, and every key that works is hashed with it"),
        (true, true) => Finding::note(
            subject,
            "several, and every key that works is hashed with the newest",
            "once every server has the newest as auth.pepper, drop the others: auth.other_pepper, auth.other_pepper_files",
        ),
        (false, true) => Finding::note(
            subject,
            format!("{} keys hang on an earlier one", earlier.len()),
            format!(
                "keep that one until they are used, or rotate or revoke them: {}",
                some(earlier)
            ),
        ),
        (false, false) => Finding::note(
            subject,
            format!("{} keys hang on an earlier one that is gone", earlier.len()),
            format!(
                "give it again (auth.other_pepper), or rotate or revoke them: {}",
                some(earlier)
            ),
        ),
    }
}

/// Tokens are of no use on a machine that does not know the year.
fn clock(now_ms: u64) -> Finding {
    let year = 1970 + now_ms / 31_556_952_000;
    if (2026..2100).contains(&year) {
        return Finding::ok("clock", format!("shows the year {year}"));
    }
    Finding::failed(
        "clock",
        format!("shows the year {year}"),
        "set the clock, best by NTP: tokens are checked against it",
    )
}

fn address(subject: &'static str, address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(subject, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_ours(address) => Finding::ok(
            subject,
            format!("{address} is used by a running Smart Summary"),
        ),
        Err(error) => {
            let key = if subject == "address" {
                "server.bind"
            } else {
                "server.metrics_bind"
            };
            Finding::failed(
                subject,
                format!("{address}: {error}"),
                format!("free it, or set another as {key}"),
            )
        }
    }
}

/// Whether a server of ours answers there: by its health, or by its metrics.
fn is_ours(address: SocketAddr) -> bool {
    let ask = |path: &str| {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )?;
        let mut answer = Vec::new();
        // What came before a time-out is enough to tell.
        let _ = stream.take(4096).read_to_end(&mut answer);
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    ask("/healthz").is_ok_and(|answer| answer.contains("\"status\":\"ok\""))
        || ask("/metrics").is_ok_and(|answer| answer.contains("smart_summary_"))
}

/// Writes a description with the embedded engine.
fn engine() -> Finding {
    let article = extractive::Article {
        title: Some("Watering tomatoes"),
        content: "Tomatoes want water at their roots in the morning. Wet leaves invite blight, so water the soil alone.",
        format: extractive::ContentFormat::Text,
        language: None,
    };
    let summary = extractive::summarize(
        &article,
        &[],
        &extractive::Limits::default(),
        &extractive::Guidance::default(),
    );
    if summary.meta_description.to_lowercase().contains("tomatoes") && summary.language == "en" {
        return Finding::ok("embedded engine", "writes");
    }
    Finding::failed(
        "embedded engine",
        "wrote no description of a test article",
        "report this with the version: it is a bug",
    )
}

/// What the model in this process would do; nothing is fetched or loaded.
fn model(config: &Config) -> Option<Finding> {
    config.glm4v.model.as_ref()?;
    Some(match Glm4v::describe(&config.glm4v) {
        Ok(found) => Finding::ok("model", found),
        Err(unfit) => Finding::failed(
            "model",
            unfit.to_string(),
            "mend glm4v in the configuration, or name another --model",
        ),
    })
}

/// Whether each server of the engine `upstream` answers.
fn upstream(config: &Config) -> Vec<Finding> {
    let subject = "upstream";
    if config.upstream.servers.is_empty() {
        return Vec::new();
    }
    let advice = "start it, or mend upstream in the configuration";
    let runtime = match super::local::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return vec![Finding::failed(subject, error.to_string(), advice)],
    };
    match Upstream::start(&config.upstream, Arc::default(), runtime.handle()) {
        Ok(servers) => runtime
            .block_on(servers.look())
            .into_iter()
            .map(|(server, seen)| match seen {
                Ok(()) => Finding::ok(subject, format!("{server} answers")),
                Err(cause) => Finding::failed(subject, format!("{server}: {cause}"), advice),
            })
            .collect(),
        Err(fault) => vec![Finding::failed(subject, fault.to_string(), advice)],
    }
}

fn processor() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Finding::ok(
        "processor",
        format!("{cores} cores, {}", features().join(" ")),
    )
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let known = [
        ("sse4.1", std::arch::is_x86_feature_detected!("sse4.1")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    known
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<&'static str> {
    vec![if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "no x86"
    }]
}

/// What Linux says is free; nothing elsewhere.
fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let megabytes = line.split_whitespace().next()?.parse::<u64>().ok()? / 1024;
    Some(if megabytes >= 512 {
        Finding::ok("memory", format!("{megabytes} MB are free"))
    } else {
        Finding::note(
            "memory",
            format!("{megabytes} MB are free"),
            "512 MB are comfortable; lower cache.max_bytes and queue.max_waiting",
        )
    })
}

/// By the driver's files; nothing of it is loaded, so nothing can crash.
fn gpu(root: &Path) -> Finding {
    let driver = std::fs::read_to_string(root.join("proc/driver/nvidia/version")).ok();
    let devices = (0..16)
        .filter(|number| root.join(format!("dev/nvidia{number}")).exists())
        .count();
    match (devices, driver) {
        (0, None) => Finding::ok("GPU", "none; the embedded engine needs none"),
        (0, Some(_)) => Finding::note(
            "GPU",
            "the NVIDIA driver is loaded, but there is no device",
            "in a container, start it with --gpus all",
        ),
        (count, driver) => {
            let version = driver.as_deref().and_then(|text| {
                text.split_whitespace()
                    .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            });
            Finding::ok(
                "GPU",
                format!("{count} NVIDIA, driver {}", version.unwrap_or("unknown")),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_machine_has_nothing_that_fails() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::for_tests(&directory.path().join("new")).unwrap();
        let findings = examine(&config);
        assert!(
            findings
                .iter()
                .all(|finding| finding.state != State::Failed),
            "{findings:#?}"
        );
        assert!(!config.data_dir.exists(), "looking makes nothing");
    }

    #[test]
    fn what_fails_comes_with_advice() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "x").unwrap();
        for finding in [
            address("address", taken.local_addr().unwrap()),
            data_dir(&file.join("below")),
            clock(0),
        ] {
            assert_eq!(finding.state, State::Failed, "{finding:?}");
            assert!(finding.advice.is_some());
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_secret_that_others_can_read_fails() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let pepper = directory.path().join("pepper");
        std::fs::write(&pepper, "x").unwrap();
        std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o644)).unwrap();
        let mut config = Config::for_tests(directory.path()).unwrap();
        let findings = secrets(&config);
        assert_eq!((findings.len(), findings[0].state), (1, State::Failed));
        config.auth.other_pepper_files.push(pepper.clone());
        assert_eq!(
            secrets(&config).len(),
            2,
            "an earlier pepper is a secret too"
        );
        assert!(
            findings[0]
                .advice
                .as_ref()
                .unwrap()
                .starts_with("chmod 600")
        );
    }

    #[test]
    fn a_graphics_card_is_told_by_its_files() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(gpu(root.path()).state, State::Ok);
        std::fs::create_dir_all(root.path().join("proc/driver/nvidia")).unwrap();
        std::fs::write(
            root.path().join("proc/driver/nvidia/version"),
            "NVRM version: NVIDIA UNIX 570.1.2 Release",
        )
        .unwrap();
        assert_eq!(gpu(root.path()).state, State::Note);
        std::fs::create_dir_all(root.path().join("dev")).unwrap();
        std::fs::write(root.path().join("dev/nvidia0"), "").unwrap();
        assert!(gpu(root.path()).found.contains("1 NVIDIA, driver 570.1.2"));
    }
}
