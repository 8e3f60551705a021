//! `smart-summary migrate`: brings the stores of the data directory to this version's form.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::auth::Keys;
use crate::config::Config;
use crate::store::{self, Postgres, SqliteWork};
use crate::telemetry::SystemClock;

/// Nothing to choose: every store is brought up to date. The server does the same when it starts; this is for operators
/// who want to see it done before.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  smart-summary --data-dir /var/lib/smart-summary migrate")]
pub struct MigrateArgs {}

/// Opens each store, which does what is missing, whole or not at all.
///
/// # Errors
/// When a store cannot be opened, or was written by a newer version.
pub fn run(_: MigrateArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let clock = Arc::new(SystemClock::default());
    let keys = Keys::open(config, clock, Arc::default())?;
    drop(store::open(config)?);
    let count = keys.list()?.len();
    let mut out = std::io::stdout().lock();
    if config.store.postgres.is_some() {
        writeln!(out, "PostgreSQL: form {}, {count} keys", Postgres::FORM)?;
    } else {
        writeln!(out, "keys.sqlite: form {}, {count} keys", Keys::FORM)?;
        writeln!(out, "usage.sqlite: form {}", SqliteWork::FORM)?;
    }
    Ok(ExitCode::SUCCESS)
}
