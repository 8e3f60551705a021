//! The store in an SQLite file of the data directory.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::TokenUsage;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::{
    BatchRow, Budgets, Cancelled, Charge, Claimed, DAY_MS, DayRow, Done, Error, HookState, ItemRow,
    ItemState, Kept, NewBatch, Place, Work, tokens,
};

/// Each brings the form one further; `user_version` says how many were done. Never edit one that was released.
const MIGRATIONS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS usage (
        key_id TEXT NOT NULL, day INTEGER NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (key_id, day)
    ) STRICT, WITHOUT ROWID;",
    "CREATE TABLE batches (
        id TEXT PRIMARY KEY,
        key_id TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        finished_at INTEGER,
        cancelled INTEGER NOT NULL DEFAULT 0,
        total INTEGER NOT NULL,
        remaining INTEGER NOT NULL,
        completed INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        image_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        served_at INTEGER NOT NULL DEFAULT 0,
        idempotency_key TEXT,
        fingerprint BLOB,
        webhook TEXT,
        webhook_state INTEGER NOT NULL DEFAULT 0,
        webhook_attempts INTEGER NOT NULL DEFAULT 0,
        webhook_next INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX batches_of_key ON batches (key_id, id);
    CREATE INDEX batches_running ON batches (key_id, served_at) WHERE finished_at IS NULL;
    CREATE INDEX batches_over ON batches (finished_at) WHERE finished_at IS NOT NULL;
    CREATE UNIQUE INDEX batches_idempotency ON batches (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
    CREATE TABLE items (
        batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        state INTEGER NOT NULL DEFAULT 0,
        tries INTEGER NOT NULL DEFAULT 0,
        claims INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        lease_until INTEGER NOT NULL DEFAULT 0,
        not_before INTEGER NOT NULL DEFAULT 0,
        request BLOB,
        result TEXT,
        PRIMARY KEY (batch_id, place)
    ) STRICT;
    CREATE INDEX items_waiting ON items (batch_id, place, not_before) WHERE state = 0;
    CREATE INDEX items_running ON items (owner) WHERE state = 1;",
];

/// The form that this version writes.
const NEWEST: usize = MIGRATIONS.len();

const BATCH: &str = "id, key_id, created_at, finished_at, cancelled, total, remaining, completed, failed, \
                     prompt_tokens, image_tokens, completion_tokens, webhook, webhook_state, webhook_attempts";

/// How long a writer waits for another process that writes.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Three connections: one that reads, one that writes what must outlive a power cut, and the ledger's own, whose every
/// writing outlives the process without waiting for the disk.
#[derive(Debug)]
pub struct SqliteWork {
    readers: Mutex<Connection>,
    writers: Mutex<Connection>,
    ledger: Mutex<Connection>,
}

impl SqliteWork {
    /// The form of the store that this version writes.
    pub const FORM: usize = NEWEST;

    /// Opens the file, makes it when it is not there, and brings it to the newest form.
    ///
    /// # Errors
    /// When it cannot be opened, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        close_to_others(path);
        let mut writer = connect(path, "FULL")?;
        migrate(&mut writer)?;
        Ok(Self {
            readers: connect(path, "FULL")?.into(),
            writers: writer.into(),
            ledger: connect(path, "NORMAL")?.into(),
        })
    }
}

fn connect(path: &Path, synchronous: &str) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // The articles of a batch go when they are done with, not when their pages happen to be written over.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(NEWEST).unwrap_or(i64::MAX);
    let done = usize::try_from(found).ok().filter(|done| *done <= NEWEST);
    let pending = done
        .and_then(|done| MIGRATIONS.get(done..))
        .ok_or(Error::TooNew { found, known })?;
    for migration in pending {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// Makes the file for its owner alone; SQLite gives its side files the same mode. When that fails, opening it tells why.
fn close_to_others(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// A connection is sound after a panic elsewhere: an open transaction was rolled back when it was dropped.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u32> {
    Ok(u32::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}

fn batch_row(row: &Row<'_>) -> rusqlite::Result<BatchRow> {
    let finished: Option<i64> = row.get("finished_at")?;
    let webhook: Option<String> = row.get("webhook")?;
    let (state, attempts) = (row.get("webhook_state")?, count(row, "webhook_attempts")?);
    Ok(BatchRow {
        id: row.get("id")?,
        key: row.get("key_id")?,
        created_at: unsigned(row, "created_at")?,
        finished_at: finished.map(|at| u64::try_from(at).unwrap_or_default()),
        cancelled: row.get("cancelled")?,
        total: count(row, "total")?,
        left: count(row, "remaining")?,
        completed: count(row, "completed")?,
        failed: count(row, "failed")?,
        usage: TokenUsage {
            prompt_tokens: count(row, "prompt_tokens")?,
            image_tokens: count(row, "image_tokens")?,
            completion_tokens: count(row, "completion_tokens")?,
        },
        webhook: webhook.map(|url| (url, HookState::of(state), attempts)),
    })
}

fn add(store: &Connection, key: &str, day: u64, tokens: u64) -> Result<(), Error> {
    store
        .prepare_cached(
            "INSERT INTO usage (key_id, day, tokens) VALUES (?1, ?2, ?3)
             ON CONFLICT (key_id, day) DO UPDATE SET tokens = tokens + excluded.tokens",
        )?
        .execute(params![key, integer(day), integer(tokens)])?;
    Ok(())
}

impl Work for SqliteWork {
    fn used(&self, key: &str, day: u64) -> Result<u64, Error> {
        let used: Option<i64> = lock(&self.readers)
            .prepare_cached("SELECT tokens FROM usage WHERE key_id = ?1 AND day = ?2")?
            .query_row(params![key, integer(day)], |row| row.get(0))
            .optional()?;
        Ok(used
            .and_then(|used| u64::try_from(used).ok())
            .unwrap_or_default())
    }

    /// A file says at once whether it took it: what failed is told again and was not counted.
    fn add(&self, charge: &Charge<'_>) -> Result<(), Error> {
        add(&lock(&self.ledger), charge.key, charge.day, charge.tokens)
    }

    fn forget_days(&self, day: u64) -> Result<(), Error> {
        lock(&self.ledger).execute("DELETE FROM usage WHERE day < ?1", [integer(day)])?;
        Ok(())
    }

    fn days(&self, from: u64, after: (&str, u64), most: u32) -> Result<Vec<DayRow>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(
            "SELECT key_id, day, tokens FROM usage
             WHERE (key_id, day) > (?1, ?2) AND day >= ?3 ORDER BY key_id, day LIMIT ?4",
        )?;
        let (key, day) = after;
        let rows = statement.query_map(params![key, integer(day), integer(from), most], |row| {
            Ok(DayRow {
                key: row.get("key_id")?,
                day: unsigned(row, "day")?,
                tokens: unsigned(row, "tokens")?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn insert(&self, batch: &NewBatch, most: u64) -> Result<Kept, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some((name, fingerprint)) = &batch.idempotency {
            let known: Option<(String, [u8; 32])> = change
                .prepare_cached(
                    "SELECT id, fingerprint FROM batches WHERE key_id = ?1 AND idempotency_key = ?2",
                )?
                .query_row(params![batch.key, name], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            match known {
                Some((id, known)) if known == *fingerprint => return Ok(Kept::Known(id)),
                Some(_) => return Ok(Kept::Mismatch),
                None => {}
            }
        }
        let waiting: i64 = change.query_row(
            "SELECT coalesce(sum(remaining), 0) FROM batches WHERE key_id = ?1 AND finished_at IS NULL",
            [&batch.key],
            |row| row.get(0),
        )?;
        let total = batch.items.len() as u64;
        if u64::try_from(waiting).unwrap_or_default() + total > most {
            return Ok(Kept::Full);
        }
        let (name, fingerprint) = batch.idempotency.clone().unzip();
        change.execute(
            "INSERT INTO batches (id, key_id, created_at, total, remaining, idempotency_key, fingerprint, webhook)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
            params![
                batch.id,
                batch.key,
                integer(batch.created_at),
                integer(total),
                name,
                fingerprint,
                batch.webhook
            ],
        )?;
        {
            let mut insert = change.prepare_cached(
                "INSERT INTO items (batch_id, place, name, request) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for (place, (name, request)) in batch.items.iter().enumerate() {
                insert.execute(params![batch.id, integer(place as u64), name, request])?;
            }
        }
        change.commit()?;
        Ok(Kept::New)
    }

    fn batch(&self, id: &str) -> Result<Option<BatchRow>, Error> {
        Ok(lock(&self.readers)
            .prepare_cached(&format!("SELECT {BATCH} FROM batches WHERE id = ?1"))?
            .query_row([id], batch_row)
            .optional()?)
    }

    fn batches(&self, key: &str, before: Option<&str>, most: u32) -> Result<Vec<BatchRow>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {BATCH} FROM batches WHERE key_id = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![key, before, most], batch_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn unfinished(&self, most: u32) -> Result<Vec<BatchRow>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {BATCH} FROM batches WHERE finished_at IS NULL ORDER BY created_at, id LIMIT ?1"
        ))?;
        let rows = statement.query_map([most], batch_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn results(&self, batch: &str, from: u32, most: u32) -> Result<Vec<ItemRow>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(
            "SELECT place, name, state, result FROM items
             WHERE batch_id = ?1 AND place >= ?2 AND state >= 2 ORDER BY place LIMIT ?3",
        )?;
        let rows = statement.query_map(params![batch, from, most], |row| {
            Ok(ItemRow {
                index: count(row, "place")?,
                id: row.get("name")?,
                state: ItemState::of(row.get("state")?),
                result: row.get("result")?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn cancel(&self, batch: &str, now: u64) -> Result<Cancelled, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let finished: Option<Option<i64>> = change
            .query_row(
                "SELECT finished_at FROM batches WHERE id = ?1",
                [batch],
                |row| row.get(0),
            )
            .optional()?;
        match finished {
            None => return Ok(Cancelled::Unknown),
            Some(Some(_)) => return Ok(Cancelled::Before),
            Some(None) => {}
        }
        change.execute(
            "UPDATE items SET state = 4, owner = NULL, request = NULL WHERE batch_id = ?1 AND state < 2",
            [batch],
        )?;
        change.execute(
            "UPDATE batches SET finished_at = ?2, cancelled = 1, remaining = 0 WHERE id = ?1",
            params![batch, integer(now)],
        )?;
        change.commit()?;
        Ok(Cancelled::Now)
    }

    fn remove(&self, batch: &str) -> Result<(), Error> {
        lock(&self.writers).execute("DELETE FROM batches WHERE id = ?1", [batch])?;
        Ok(())
    }

    fn expire(&self, before: u64) -> Result<u64, Error> {
        let removed = lock(&self.writers).execute(
            "DELETE FROM batches WHERE finished_at < ?1",
            [integer(before)],
        )?;
        Ok(removed as u64)
    }

    fn time(&self, ours: u64) -> Result<u64, Error> {
        Ok(ours)
    }

    fn claim(&self, owner: &str, now: u64, lease_until: u64) -> Result<Option<Claimed>, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let next: Option<(String, i64)> = change
            .prepare_cached(
                "SELECT b.id, (SELECT min(place) FROM items WHERE batch_id = b.id AND state = 0 AND not_before <= ?1)
                 FROM batches b
                 WHERE b.finished_at IS NULL
                   AND EXISTS (SELECT 1 FROM items WHERE batch_id = b.id AND state = 0 AND not_before <= ?1)
                 ORDER BY (SELECT max(served_at) FROM batches WHERE key_id = b.key_id AND finished_at IS NULL),
                          b.served_at, b.id
                 LIMIT 1",
            )?
            .query_row([integer(now)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((batch, place)) = next else {
            return Ok(None);
        };
        // A turn, not a time: two items in one millisecond still take turns.
        change.execute(
            "UPDATE batches SET served_at = (SELECT max(served_at) + 1 FROM batches) WHERE id = ?1",
            [&batch],
        )?;
        let claimed = change
            .prepare_cached(
                "UPDATE items SET state = 1, owner = ?3, lease_until = ?4, claims = claims + 1
                 WHERE batch_id = ?1 AND place = ?2
                 RETURNING request, tries, claims, (SELECT key_id FROM batches WHERE id = ?1) AS key_id",
            )?
            .query_row(
                params![batch, place, owner, integer(lease_until)],
                |row| {
                    Ok(Claimed {
                        batch: batch.clone(),
                        index: u32::try_from(place).unwrap_or_default(),
                        key: row.get("key_id")?,
                        request: row.get::<_, Option<_>>("request")?.unwrap_or_default(),
                        tries: count(row, "tries")?,
                        claims: count(row, "claims")?,
                    })
                },
            )?;
        change.commit()?;
        Ok(Some(claimed))
    }

    fn renew(&self, owner: &str, running: &[Place], lease_until: u64) -> Result<Vec<Place>, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction()?;
        let mut kept = Vec::new();
        for (batch, place) in running {
            let renewed = change.execute(
                "UPDATE items SET lease_until = ?2 WHERE owner = ?1 AND state = 1 AND batch_id = ?3 AND place = ?4",
                params![owner, integer(lease_until), batch, place],
            )?;
            if renewed > 0 {
                kept.push((batch.clone(), *place));
            }
        }
        change.commit()?;
        Ok(kept)
    }

    fn reclaim(&self, now: u64, all: bool) -> Result<u64, Error> {
        let reclaimed = lock(&self.writers).execute(
            "UPDATE items SET state = 0, owner = NULL WHERE state = 1 AND (?2 OR lease_until < ?1)",
            params![integer(now), all],
        )?;
        Ok(reclaimed as u64)
    }

    fn release(
        &self,
        item: &Claimed,
        owner: &str,
        not_before: u64,
        tried: bool,
    ) -> Result<(), Error> {
        lock(&self.writers).execute(
            "UPDATE items SET state = 0, owner = NULL, not_before = ?4, tries = tries + ?5
             WHERE batch_id = ?1 AND place = ?2 AND owner = ?3 AND state = 1",
            params![item.batch, item.index, owner, integer(not_before), tried],
        )?;
        Ok(())
    }

    fn complete(&self, done: &Done, owner: &str) -> Result<bool, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change
            .prepare_cached(
                "UPDATE items SET state = ?4, result = ?5, owner = NULL, request = NULL
                 WHERE batch_id = ?1 AND place = ?2 AND owner = ?3 AND state = 1",
            )?
            .execute(params![
                done.batch,
                done.index,
                owner,
                done.state as i16,
                done.result
            ])?;
        if changed == 0 {
            return Ok(false);
        }
        let completed = done.state == ItemState::Completed;
        change
            .prepare_cached(
                "UPDATE batches SET remaining = remaining - 1, completed = completed + ?2, failed = failed + 1 - ?2,
                    prompt_tokens = prompt_tokens + ?3, image_tokens = image_tokens + ?4,
                    completion_tokens = completion_tokens + ?5,
                    finished_at = CASE WHEN remaining = 1 THEN ?6 END
                 WHERE id = ?1",
            )?
            .execute(params![
                done.batch,
                completed,
                done.usage.prompt_tokens,
                done.usage.image_tokens,
                done.usage.completion_tokens,
                integer(done.at)
            ])?;
        let cost = tokens(done.usage);
        if cost > 0 {
            add(&change, &done.key, done.at / DAY_MS, cost)?;
        }
        change.commit()?;
        Ok(true)
    }

    fn claim_hook(&self, now: u64, next: u64) -> Result<Option<BatchRow>, Error> {
        Ok(lock(&self.writers)
            .prepare_cached(&format!(
                "UPDATE batches SET webhook_next = ?2, webhook_attempts = webhook_attempts + 1
                 WHERE id = (SELECT id FROM batches WHERE finished_at IS NOT NULL AND webhook IS NOT NULL
                             AND webhook_state = 0 AND webhook_next <= ?1 ORDER BY webhook_next LIMIT 1)
                 RETURNING {BATCH}"
            ))?
            .query_row(params![integer(now), integer(next)], batch_row)
            .optional()?)
    }

    fn note_hook(&self, batch: &str, state: HookState, next: u64) -> Result<(), Error> {
        lock(&self.writers).execute(
            "UPDATE batches SET webhook_state = ?2, webhook_next = ?3 WHERE id = ?1",
            params![batch, state as i16, integer(next)],
        )?;
        Ok(())
    }

    fn budgets(&self) -> Option<&dyn Budgets> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, SqliteWork) {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteWork::open(&directory.path().join("usage.sqlite")).unwrap();
        (directory, store)
    }

    #[test]
    fn a_store_of_a_newer_version_is_left_alone() {
        let (directory, _) = open();
        let path = directory.path().join("usage.sqlite");
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            SqliteWork::open(&path),
            Err(Error::TooNew { found: 99, .. })
        ));
    }

    #[test]
    fn the_ledger_of_the_first_form_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("usage.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch("INSERT INTO usage VALUES ('a', 7, 42); PRAGMA user_version = 1")
            .unwrap();
        drop(old);
        let store = SqliteWork::open(&path).unwrap();
        assert_eq!(store.used("a", 7).unwrap(), 42);
        assert!(store.batches("a", None, 10).unwrap().is_empty());
    }

    #[test]
    #[cfg(unix)]
    fn the_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let (directory, _store) = open();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn the_store_keeps_the_rules_of_every_store() {
        let (_directory, store) = open();
        super::super::tests::check_rules(&store);
    }
}
