//! `smart-summary keys`: make, show, rotate and revoke API keys, also while the server runs.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use api::{Key, KeyDraft, KeyList, Safety, Scope};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::auth::{Actor, DEFAULT_OVERLAP, Error, Keys};
use crate::config::{self, Config};
use crate::telemetry::{Clock, SystemClock};

/// What is to be done with keys.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  smart-summary keys create --name blog --scopes summaries:write,tokens:write\n  smart-summary keys list"
)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key and print it, once
    #[command(
        after_help = "Example:\n  smart-summary keys create --name blog --scopes summaries:write,tokens:write \\\n      --origin https://blog.example --expires 365d"
    )]
    Create(CreateArgs),
    /// Show every key, newest first; never a secret
    #[command(after_help = "Example:\n  smart-summary keys list --json")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a key another secret and print it, once; the old one works for a while longer
    #[command(after_help = "Example:\n  smart-summary keys rotate 3kTMd9QyZ0Xa --overlap 2h")]
    Rotate {
        /// The key's public part
        id: String,
        /// How long the old secret still works: 90s, 30m, 24h or 7d
        #[arg(long, value_parser = parse_duration)]
        overlap: Option<Duration>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key and its tokens, at once and for good
    #[command(after_help = "Example:\n  smart-summary keys revoke 3kTMd9QyZ0Xa")]
    Revoke {
        /// The key's public part
        id: String,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What you call it, 1 to 64 characters
    #[arg(long)]
    name: String,
    /// What it may do, separated by commas: summaries:write, chat:write, batches:write, tokens:write, admin
    #[arg(long, value_delimiter = ',', required = true, value_parser = |text: &str| text.parse::<Scope>())]
    scopes: Vec<Scope>,
    /// A page that may use it or its tokens, for instance https://blog.example; may be given again
    #[arg(long = "origin")]
    origins: Vec<String>,
    /// The name of its quota
    #[arg(long)]
    tier: Option<String>,
    /// Leave private numbers in its answers that its texts do not hold
    #[arg(long)]
    no_masking: bool,
    /// Do not show its texts and answers to the server's moderation
    #[arg(long)]
    no_moderation: bool,
    /// When it ends: after 30m, 24h or 90d, or at the beginning of a day (UTC), for instance 2027-12-31
    #[arg(long, value_parser = parse_end)]
    expires: Option<End>,
    /// Print JSON: {"id": …, "key": …}
    #[arg(long)]
    json: bool,
}

/// When a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    After(Duration),
    /// Unix time in milliseconds.
    At(u64),
}

/// Runs the command against the keys of the data directory.
///
/// # Errors
/// When the store cannot be opened or written, or there is no such key. A wrong value is told on standard error and
/// answered with exit code 2.
pub fn run(args: KeysArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let clock = Arc::new(SystemClock::default());
    let keys = Keys::open(config, clock.clone(), Arc::default())?;
    let actor = Actor::CommandLine(config::user());
    let outcome = match args.command {
        Command::Create(args) => create(&keys, &actor, args, clock.now_ms()),
        Command::List { json } => list(&keys, json, clock.now_ms()),
        Command::Rotate { id, overlap, json } => {
            rotate(&keys, &actor, &id, overlap.unwrap_or(DEFAULT_OVERLAP), json)
        }
        Command::Revoke { id } => revoke(&keys, &actor, &id),
    };
    match outcome {
        Err(error) if matches!(error.downcast_ref(), Some(Error::InvalidField { .. })) => {
            writeln!(std::io::stderr(), "error: {error}")?;
            Ok(ExitCode::from(2))
        }
        other => other.map(|()| ExitCode::SUCCESS),
    }
}

fn create(keys: &Keys, actor: &Actor, args: CreateArgs, now: u64) -> anyhow::Result<()> {
    if matches!(args.expires, Some(End::At(time)) if time <= now) {
        // The store would say so too, but in the milliseconds of the HTTP interface.
        return Err(Error::InvalidField {
            field: "/expires_at",
            detail: format!("--expires is past; today is {}", day(now)),
        }
        .into());
    }
    let expires_at = args.expires.map(|end| match end {
        End::After(duration) => {
            now.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
        }
        End::At(time) => time,
    });
    let draft = KeyDraft {
        name: args.name,
        scopes: args.scopes,
        origins: args.origins,
        tier: args.tier,
        safety: Safety {
            mask_numbers: !args.no_masking,
            moderate: !args.no_moderation,
        },
        expires_at,
    };
    let made = keys.create(actor, &draft)?;
    if args.json {
        return print_json(&made);
    }
    print(&made.key)?;
    writeln!(
        std::io::stderr(),
        "This is the only time that key {} is shown. Keep it where secrets are kept.",
        made.id
    )?;
    Ok(())
}

fn rotate(
    keys: &Keys,
    actor: &Actor,
    id: &str,
    overlap: Duration,
    json: bool,
) -> anyhow::Result<()> {
    let made = keys
        .rotate(actor, id, overlap)
        .with_context(|| format!("key {id}"))?;
    if json {
        return print_json(&made);
    }
    print(&made.key)?;
    let minutes = overlap.as_secs() / 60;
    writeln!(
        std::io::stderr(),
        "The old secret works for {minutes} more minutes. The new one is shown only now."
    )?;
    Ok(())
}

fn revoke(keys: &Keys, actor: &Actor, id: &str) -> anyhow::Result<()> {
    keys.revoke(actor, id)
        .with_context(|| format!("key {id}"))?;
    writeln!(
        std::io::stderr(),
        "Key {id} is revoked. A running server refuses it and its tokens within a second."
    )?;
    Ok(())
}

fn list(keys: &Keys, json: bool, now: u64) -> anyhow::Result<()> {
    let (earlier, keys) = (keys.earlier()?, keys.list()?);
    if json {
        return print_json(&Listed {
            list: KeyList { keys },
            earlier_pepper: earlier,
        });
    }
    let mut rows = vec![
        [
            "ID",
            "NAME",
            "TIER",
            "STATE",
            "LAST USED",
            "SCOPES",
            "ORIGINS",
        ]
        .map(str::to_owned),
    ];
    rows.extend(keys.iter().map(|key| row(key, now)));
    print(table(&rows).trim_end())?;
    if !earlier.is_empty() {
        let (count, ids) = (earlier.len(), some(&earlier));
        writeln!(
            std::io::stderr(),
            "{count} of these hang on an earlier pepper until they are used or rotated: {ids}"
        )?;
    }
    Ok(())
}

/// What `keys list --json` prints.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    list: KeyList,
    /// Ids of keys that work and are not hashed with the newest pepper.
    earlier_pepper: Vec<String>,
}

/// A few ids, and that there are more.
pub(super) fn some(ids: &[String]) -> String {
    let few = ids.iter().take(10).map(String::as_str);
    let more = if ids.len() > 10 { ", …" } else { "" };
    few.collect::<Vec<_>>().join(", ") + more
}

fn row(key: &Key, now: u64) -> [String; 7] {
    let state = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => format!("revoked {}", day(at)),
        (None, Some(at)) if at <= now => format!("expired {}", day(at)),
        (None, Some(at)) => format!("until {}", day(at)),
        (None, None) => "live".to_owned(),
    };
    let scopes = key
        .scopes
        .iter()
        .map(|scope| scope.as_str())
        .collect::<Vec<_>>()
        .join(",");
    let used = key.last_used_at.map_or_else(|| "-".to_owned(), day);
    let origins = if key.origins.is_empty() {
        "-".to_owned()
    } else {
        key.origins.join(",")
    };
    [
        key.id.clone(),
        key.name.clone(),
        key.tier.clone(),
        state,
        used,
        scopes,
        origins,
    ]
}

/// Columns as wide as their widest cell.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect::<Vec<_>>();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

pub(super) fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}

/// `90s`, `30m`, `24h`, `7d`, or `0`.
fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    let wrong = || anyhow!("a duration is a number with s, m, h or d, for instance 24h");
    let split = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "" if number == "0" => 0,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // A hundred years are enough, and keep sums of times within their integers.
    let total = number
        .checked_mul(seconds)
        .filter(|total| *total <= 100 * 366 * 86_400)
        .ok_or_else(wrong)?;
    Ok(Duration::from_secs(total))
}

fn parse_end(text: &str) -> anyhow::Result<End> {
    match parse_duration(text) {
        Ok(duration) => Ok(End::After(duration)),
        Err(_) => parse_day(text).map(End::At).ok_or_else(|| {
            anyhow!("say when it ends as a duration or a day, for instance 90d or 2027-12-31")
        }),
    }
}

/// `YYYY-MM-DD` as Unix time in milliseconds of its beginning (UTC).
fn parse_day(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, date) = (parts.next()??, parts.next()??, parts.next()??);
    if text.len() != 10 || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let days = days_before(year, month) + date - 1;
    let next = if month == 12 {
        days_before(year + 1, 1)
    } else {
        days_before(year, month + 1)
    };
    (date >= 1 && days < next).then_some(days * 86_400_000)
}

/// Days from 1970-01-01 to the first of a month, with the Gregorian calendar's leap years.
fn days_before(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400 - 719_162;
    let lengths = [
        31,
        if leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let months: u64 = lengths
        .into_iter()
        .take(usize::try_from(month - 1).unwrap_or_default())
        .sum();
    years + months
}

/// The day (UTC) of a Unix time in milliseconds.
fn day(time: u64) -> String {
    let days = time / 86_400_000;
    let mut year = 1970 + days / 366;
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_before(year, *month) <= days)
        .unwrap_or(1);
    format!(
        "{year:04}-{month:02}-{:02}",
        days - days_before(year, month) + 1
    )
}

/// The second (UTC) of a Unix time in milliseconds.
pub(super) fn clock_time(time: u64) -> String {
    let seconds = time / 1000 % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{} {hours:02}:{minutes:02}:{:02}", day(time), seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [
            ("0", 0),
            ("90s", 90),
            ("30m", 1800),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(
                parse_duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for text in [
            "",
            "h",
            "5",
            "-1h",
            "1w",
            "1.5h",
            "99999999999999999999s",
            "999999d",
            "ü",
            "1ü",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn days_are_read_and_written() {
        for (text, millis) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2000-03-01", 951_868_800_000),
            ("2026-11-21", 1_795_219_200_000),
            ("2100-03-01", 4_107_542_400_000),
        ] {
            assert_eq!(parse_day(text), Some(millis), "{text}");
            assert_eq!(day(millis), text);
            assert_eq!(day(millis + 86_399_999), text);
        }
        for text in [
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-01-00",
            "2026-1-1",
            "x",
            "2026-11-31",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
        assert_eq!(
            parse_end("90d").unwrap(),
            End::After(Duration::from_secs(90 * 86_400))
        );
        assert!(parse_end("soon").unwrap_err().to_string().contains("90d"));
    }

    #[test]
    fn every_day_of_four_centuries_is_written_as_it_is_read() {
        for days in 0..146_097_u64 {
            assert_eq!(parse_day(&day(days * 86_400_000)), Some(days * 86_400_000));
        }
    }
}
