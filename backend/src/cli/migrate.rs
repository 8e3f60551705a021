//! `smart-summary migrate`: brings the stores to this version's form, and moves one server's to PostgreSQL.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;

use super::{WrongUse, say};
use crate::auth::{Broken, Keys, Whole};
use crate::config::Config;
use crate::store::moving::{self, Moved, Target};
use crate::store::{self, Postgres, SqliteWork};
use crate::telemetry::SystemClock;

/// Without flags every store is brought up to date. The server does the same when it starts; this is for operators who
/// want to see it done before.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  smart-summary --data-dir /var/lib/smart-summary migrate\n  \
                  smart-summary --data-dir /var/lib/smart-summary migrate --from-sqlite --dry-run"
)]
pub struct MigrateArgs {
    /// Move keys, audit log, use and batches of the data directory to the database of `store.postgres`
    #[arg(long)]
    from_sqlite: bool,
    /// Say what would be moved, and whether the database would take it
    #[arg(long, requires = "from_sqlite")]
    dry_run: bool,
    /// Delete what the database has
    #[arg(long, requires = "from_sqlite")]
    replace: bool,
}

/// Opens each store, which does what is missing, whole or not at all; or moves them.
///
/// # Errors
/// When a store cannot be opened, or was written by a newer version; when it cannot be moved.
pub fn run(args: &MigrateArgs, config: &Config) -> anyhow::Result<ExitCode> {
    if args.from_sqlite {
        return from_sqlite(args, config);
    }
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

fn from_sqlite(args: &MigrateArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let Some(address) = &config.store.postgres else {
        let line = "--from-sqlite moves to the database of store.postgres, which is not set";
        return Err(WrongUse(line.to_owned()).into());
    };
    let directory = &config.data_dir;
    if !directory.join("keys.sqlite").exists() {
        bail!(
            "there is no keys.sqlite in {}; name the server's data directory with --data-dir",
            directory.display()
        );
    }
    let mut here = config.clone();
    here.store.postgres = None;
    // Both sides in this version's form.
    let noted = log(&here).context("the SQLite files, which nobody else may use meanwhile")?;
    if let Err(broken) = &noted {
        // It stays so for ever; who wants to move has to move it as it is.
        say(&format!("before the move: {broken}"));
    }
    drop(store::open(&here).context("usage.sqlite, which nobody else may use meanwhile")?);
    let target = if args.replace {
        Target::Replaced
    } else {
        Target::Empty
    };
    if args.dry_run {
        for moved in moving::look(directory, address.expose(), target)? {
            tell(&moved, "would be moved")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let moved = moving::to_postgres(directory, address.expose(), target, |done, all| {
        say(&format!("batches: {done} of {all}"));
    })?;
    for moved in &moved {
        tell(moved, "moved")?;
    }
    let there = log(config).context("the copy in PostgreSQL")?;
    if there != noted {
        bail!("the audit log in PostgreSQL is not the one in SQLite; do not use this database");
    }
    let mut out = std::io::stdout().lock();
    match there {
        Ok(Whole { number, digest }) => writeln!(
            out,
            "audit log: {number} entries are whole; the head is {number}:{digest}"
        )?,
        Err(_) => writeln!(out, "audit log: as it was before")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The head of the store's audit log, or where it is broken.
fn log(config: &Config) -> anyhow::Result<Result<Whole, Broken>> {
    let keys = Keys::open(config, Arc::new(SystemClock::default()), Arc::default())?;
    Ok(keys.verify_log(None)?)
}

fn tell(moved: &Moved, what: &str) -> anyhow::Result<()> {
    let Moved {
        table,
        rows,
        before,
    } = moved;
    let more = match before {
        0 => String::new(),
        before => format!(", {before} of them before"),
    };
    writeln!(std::io::stdout(), "{table}: {rows} rows {what}{more}")?;
    Ok(())
}
