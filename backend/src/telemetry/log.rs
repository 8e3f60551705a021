//! Where log lines go and what they look like.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::config::{Log, LogFormat, LogLevel};

/// Sends log lines to standard error from now on; standard output belongs to a command's result.
///
/// JSON lines carry the fields of their spans (`request.id`, `key.id`), so that each reads alone.
/// No room logs an article's text, a picture's bytes or a secret at any level.
/// A second call in one process changes nothing.
pub fn set_up(config: &Log) {
    let text = match config.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if text {
        lines
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .boxed()
    } else {
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed()
    };
    let _ = Registry::default()
        .with(lines.with_filter(filter(config.level)))
        .try_init();
}

/// Ours at the level asked for; libraries speak of faults only, unless everything was asked for.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = if level == LogLevel::Trace {
        LevelFilter::DEBUG
    } else {
        ours.min(LevelFilter::WARN)
    };
    Targets::new()
        .with_default(others)
        .with_target("backend", ours)
        .with_target("smart_summary", ours)
}
