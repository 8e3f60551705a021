//! `smart-summary audit`: what was done to keys, and whether the record of it is whole.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::keys::{clock_time, print, print_json, table};
use crate::auth::{Entry, Keys, Whole, hex};
use crate::config::Config;
use crate::telemetry::SystemClock;

/// What to do with the audit log.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  smart-summary audit verify\n  smart-summary audit list --json"
)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that nothing was altered, removed, put in another order or cut off; exit code 1 when something was
    #[command(
        after_help = "Example:\n  smart-summary audit verify --head 42:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    Verify {
        /// NUMBER:DIGEST as an earlier call printed it: only so an older copy of the whole store is noticed
        #[arg(long, value_parser = parse_head)]
        head: Option<Whole>,
    },
    /// Show every entry, oldest first
    #[command(after_help = "Example:\n  smart-summary audit list --json")]
    List {
        /// Print JSON: {"entries": [{"number": …, "at": …, "actor": …, "act": …, "subject": …, "detail": {…}}]}
        #[arg(long)]
        json: bool,
    },
}

/// An entry as JSON; times are Unix times in milliseconds.
#[derive(Debug, Serialize)]
struct Line<'a> {
    number: u64,
    at: u64,
    actor: &'a str,
    act: &'a str,
    subject: &'a str,
    detail: serde_json::Value,
    digest: String,
}

/// Runs the command against the store of this configuration.
///
/// # Errors
/// When the store cannot be opened or read. A log that is broken is told in one line, with exit code 1.
pub(super) fn run(args: AuditArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let clock = Arc::new(SystemClock::default());
    let keys = Keys::open(config, clock, Arc::default())?;
    match args.command {
        Command::Verify { head } => verify(&keys, head.as_ref()),
        Command::List { json } => list(&keys, json),
    }
}

fn verify(keys: &Keys, head: Option<&Whole>) -> anyhow::Result<ExitCode> {
    match keys.verify_log(head)? {
        Ok(whole) => {
            let (number, digest) = (whole.number, whole.digest);
            print(&format!(
                "{number} entries are whole; the head is {number}:{digest}"
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            writeln!(std::io::stderr(), "smart-summary: {broken}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn list(keys: &Keys, json: bool) -> anyhow::Result<ExitCode> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = keys.entries(entries.last().map_or(0, |entry| entry.number))?;
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    if json {
        let lines: Vec<Line<'_>> = entries.iter().map(line).collect();
        print_json(&serde_json::json!({ "entries": lines }))?;
    } else {
        let head = ["NUMBER", "TIME (UTC)", "ACTOR", "ACT", "KEY", "DETAIL"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head)
            .chain(entries.iter().map(row))
            .collect();
        print(table(&rows).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &Entry) -> Line<'_> {
    Line {
        number: entry.number,
        at: entry.at,
        actor: &entry.actor,
        act: &entry.act,
        subject: &entry.subject,
        detail: entry.read_detail(),
        digest: hex(&entry.digest),
    }
}

fn row(entry: &Entry) -> [String; 6] {
    let subject = if entry.subject.is_empty() {
        "-"
    } else {
        &entry.subject
    };
    [
        entry.number.to_string(),
        clock_time(entry.at),
        entry.actor.clone(),
        entry.act.clone(),
        subject.to_owned(),
        entry.detail.clone(),
    ]
}

fn parse_head(text: &str) -> anyhow::Result<Whole> {
    let wrong = || anyhow!("a head is NUMBER:DIGEST, as `smart-summary audit verify` prints it");
    let (number, digest) = text.split_once(':').ok_or_else(wrong)?;
    let fits = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(Whole {
        number: number.parse().ok().filter(|_| fits).ok_or_else(wrong)?,
        digest: digest.to_ascii_lowercase(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_printed() {
        let digest = "AB".repeat(32);
        let head = parse_head(&format!("42:{digest}")).unwrap();
        assert_eq!((head.number, head.digest), (42, "ab".repeat(32)));
        for text in ["", "42", "42:", "x:00", &format!("-1:{digest}"), &digest] {
            assert!(parse_head(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_row_shows_when_who_and_what() {
        let entry = Entry {
            number: 7,
            at: 1_795_219_200_000 + 3_661_000,
            actor: "user ada".into(),
            act: "log_begun".into(),
            subject: String::new(),
            detail: "{}".into(),
            sealed_by: String::new(),
            digest: [0; 32],
            seal: [0; 32],
        };
        let expected = [
            "7",
            "2026-11-21 01:01:01",
            "user ada",
            "log_begun",
            "-",
            "{}",
        ];
        assert_eq!(row(&entry), expected);
    }
}
