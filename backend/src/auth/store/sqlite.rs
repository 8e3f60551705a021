//! Keys in an SQLite file of the data directory.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use super::{KnownPepper, Place, Rehash, Store, StoredKey, StoredSecret, safety, safety_off};
use crate::auth::audit::{Entry, Note};
use crate::auth::key::{Digest, Hashed};
use crate::auth::keys::KeyRecord;
use crate::auth::origin::Origin;
use crate::auth::scopes::ScopeSet;
use crate::auth::{Error, files};

/// Each brings the form one further; `user_version` says how many were done. Never edit one that was released.
const MIGRATIONS: [&str; 4] = [
    "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        origins TEXT NOT NULL,
        tier TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        last_used_at INTEGER,
        revoked_at INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE secrets (
        key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        digest BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        PRIMARY KEY (key_id, digest)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
",
    "ALTER TABLE keys ADD COLUMN safety_off TEXT NOT NULL DEFAULT ''",
    // An empty head is a log that was not begun; a missing one was removed.
    "
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        act TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        sealed_by TEXT NOT NULL,
        digest BLOB NOT NULL,
        seal BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is append-only'); END;
    INSERT INTO settings (name, value) VALUES ('audit_head', x'');
",
    // The newest pepper stays in `settings`, where older versions look.
    "
    CREATE TABLE peppers (
        number INTEGER PRIMARY KEY,
        mark BLOB NOT NULL UNIQUE,
        dropped INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO peppers (mark) SELECT value FROM settings WHERE name = 'pepper';
    ALTER TABLE secrets ADD COLUMN pepper BLOB;
    UPDATE secrets SET pepper = (SELECT value FROM settings WHERE name = 'pepper');
",
];

const COLUMNS: &str =
    "id, name, scopes, origins, tier, created_at, expires_at, last_used_at, revoked_at, safety_off";

const ADD_SECRET: &str =
    "INSERT INTO secrets (key_id, digest, created_at, pepper) VALUES (?1, ?2, ?3, ?4)";

/// How long a writer waits for another process that writes.
const BUSY: Duration = Duration::from_secs(2);

/// Three connections, so that a reader waits for no writer, and the look for changes for neither. The one that looks also
/// writes last uses.
#[derive(Debug)]
pub(in crate::auth) struct SqliteStore {
    readers: Mutex<Connection>,
    writers: Mutex<Connection>,
    watcher: Mutex<Connection>,
}

impl SqliteStore {
    /// Opens the file, makes it when it is not there, and brings it to the newest form.
    pub(in crate::auth) fn open(path: &Path) -> Result<Self, Error> {
        // Made here with its mode; SQLite gives its side files the same.
        files::make_file(path)?;
        let mut writer = connect(path).map_err(|error| spoilt(error, path))?;
        migrate(&mut writer).map_err(|error| spoilt(error, path))?;
        let (readers, watcher) = (connect(path)?.into(), connect(path)?.into());
        Ok(Self {
            readers,
            writers: writer.into(),
            watcher,
        })
    }
}

/// A file that is no database does not become one by trying again.
fn spoilt(error: Error, path: &Path) -> Error {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let code = match &error {
        Error::Store(cause) => cause.sqlite_error_code(),
        _ => None,
    };
    if !matches!(code, Some(NotADatabase | DatabaseCorrupt)) {
        return error;
    }
    Error::File {
        path: path.to_owned(),
        problem: "is not a key store, or is damaged; restore it from a backup, or move it away to begin with no keys"
            .to_owned(),
    }
}

/// The form that this version writes.
pub(in crate::auth) const NEWEST: usize = MIGRATIONS.len();

fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // A revocation that was answered must outlive a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(NEWEST).unwrap_or(i64::MAX);
    let done = usize::try_from(found).ok().filter(|done| *done <= NEWEST);
    let pending = done
        .and_then(|done| MIGRATIONS.get(done..))
        .ok_or(Error::StoreTooNew { found, known })?;
    for migration in pending {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// A connection is sound after a panic elsewhere: an open transaction was rolled back when it was dropped.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn record(row: &Row<'_>) -> rusqlite::Result<KeyRecord> {
    let (scopes, origins): (String, String) = (row.get("scopes")?, row.get("origins")?);
    Ok(KeyRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        // A scope or origin that this version does not know allows nothing.
        scopes: scopes
            .split(' ')
            .filter_map(ScopeSet::parse)
            .flat_map(ScopeSet::iter)
            .collect(),
        origins: origins.split(' ').filter_map(Origin::parse).collect(),
        tier: row.get("tier")?,
        safety: safety(&row.get::<_, String>("safety_off")?),
        created_at: time(row, "created_at")?.unwrap_or_default(),
        expires_at: time(row, "expires_at")?,
        last_used_at: time(row, "last_used_at")?,
        revoked_at: time(row, "revoked_at")?,
    })
}

/// SQLite's integers are signed; a negative time is long over, never absent.
fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    Ok(value.map(|value| u64::try_from(value).unwrap_or_default()))
}

fn integer(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

fn origins(record: &KeyRecord) -> String {
    record
        .origins
        .iter()
        .map(Origin::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

fn head(connection: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM settings WHERE name = 'audit_head'";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

/// Writes the note's entry; `change` holds the store's only writing lock, so none comes between.
fn append(change: &Connection, note: &Note) -> rusqlite::Result<()> {
    let sql = "SELECT coalesce(max(number), 0) FROM audit";
    let last: i64 = change.query_row(sql, [], |row| row.get(0))?;
    let (entry, next) = note.seal(
        head(change)?.as_deref(),
        u64::try_from(last).unwrap_or_default(),
    );
    change.execute(
        "INSERT INTO audit (number, at, actor, act, subject, detail, sealed_by, digest, seal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            integer(entry.number),
            integer(entry.at),
            entry.actor,
            entry.act,
            entry.subject,
            entry.detail,
            entry.sealed_by,
            entry.digest,
            entry.seal
        ],
    )?;
    change.execute(
        "INSERT INTO settings (name, value) VALUES ('audit_head', ?1)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [next],
    )?;
    Ok(())
}

/// What is no digest fits no entry.
fn bytes(row: &Row<'_>, column: &str) -> rusqlite::Result<Digest> {
    Ok(row
        .get::<_, Vec<u8>>(column)?
        .try_into()
        .unwrap_or_default())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        number: time(row, "number")?.unwrap_or_default(),
        at: time(row, "at")?.unwrap_or_default(),
        actor: row.get("actor")?,
        act: row.get("act")?,
        subject: row.get("subject")?,
        detail: row.get("detail")?,
        sealed_by: row.get("sealed_by")?,
        digest: bytes(row, "digest")?,
        seal: bytes(row, "seal")?,
    })
}

fn peppers(connection: &Connection) -> rusqlite::Result<Vec<KnownPepper>> {
    let mut statement =
        connection.prepare_cached("SELECT mark, dropped FROM peppers ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        Ok(KnownPepper {
            mark: row.get("mark")?,
            dropped: row.get("dropped")?,
        })
    })?;
    rows.collect()
}

impl Store for SqliteStore {
    fn find(&self, id: &str) -> Result<Option<StoredKey>, Error> {
        let mut connection = lock(&self.readers);
        // One moment for both tables.
        let moment = connection.transaction()?;
        let record = moment
            .prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE id = ?1"))?
            .query_row([id], record)
            .optional()?;
        let Some(record) = record else {
            return Ok(None);
        };
        let secrets = moment
            .prepare_cached("SELECT digest, pepper, expires_at FROM secrets WHERE key_id = ?1")?
            .query_map([id], |row| {
                Ok(StoredSecret {
                    digest: row.get("digest")?,
                    pepper: row.get("pepper")?,
                    expires_at: time(row, "expires_at")?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(Some(StoredKey { record, secrets }))
    }

    fn list(&self) -> Result<Vec<KeyRecord>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM keys ORDER BY created_at DESC, id"
        ))?;
        let records = statement.query_map([], record)?.collect::<Result<_, _>>()?;
        Ok(records)
    }

    fn insert(
        &self,
        record: &KeyRecord,
        hashed: &Hashed,
        place: Place,
        note: &Note,
    ) -> Result<bool, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let any: bool =
            change.query_row("SELECT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))?;
        if place == Place::First && any {
            return Ok(false);
        }
        change.execute(
            "INSERT INTO keys (id, name, scopes, origins, tier, created_at, expires_at, safety_off) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                record.id,
                record.name,
                record.scopes.to_string(),
                origins(record),
                record.tier,
                integer(record.created_at),
                record.expires_at.map(integer),
                safety_off(record.safety)
            ],
        )?;
        change.execute(
            ADD_SECRET,
            params![
                record.id,
                hashed.digest,
                integer(record.created_at),
                hashed.pepper
            ],
        )?;
        append(&change, note)?;
        change.commit()?;
        Ok(true)
    }

    fn update(&self, record: &KeyRecord, note: &Note) -> Result<bool, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change.execute(
            "UPDATE keys SET name = ?2, scopes = ?3, origins = ?4, tier = ?5, expires_at = ?6,
                    revoked_at = coalesce(revoked_at, ?7), safety_off = ?8 WHERE id = ?1",
            params![
                record.id,
                record.name,
                record.scopes.to_string(),
                origins(record),
                record.tier,
                record.expires_at.map(integer),
                record.revoked_at.map(integer),
                safety_off(record.safety)
            ],
        )?;
        if changed == 0 {
            return Ok(false);
        }
        append(&change, note)?;
        change.commit()?;
        Ok(true)
    }

    fn rotate(
        &self,
        id: &str,
        hashed: &Hashed,
        others_until: u64,
        note: &Note,
    ) -> Result<(), Error> {
        let now = note.at;
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute(
            "DELETE FROM secrets WHERE key_id = ?1 AND expires_at <= ?2",
            params![id, integer(now)],
        )?;
        change.execute(
            "UPDATE secrets SET expires_at = min(coalesce(expires_at, ?2), ?2) WHERE key_id = ?1",
            params![id, integer(others_until)],
        )?;
        change.execute(
            ADD_SECRET,
            params![id, hashed.digest, integer(now), hashed.pepper],
        )?;
        append(&change, note)?;
        Ok(change.commit()?)
    }

    fn begin_log(&self, note: &Note) -> Result<(), Error> {
        let begun = |head: Option<Vec<u8>>| head.is_none_or(|head| !head.is_empty());
        if begun(head(&lock(&self.readers))?) {
            return Ok(());
        }
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !begun(head(&change)?) {
            append(&change, note)?;
        }
        Ok(change.commit()?)
    }

    fn append(&self, note: &Note) -> Result<(), Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        append(&change, note)?;
        Ok(change.commit()?)
    }

    fn entries(&self, after: u64, most: u32) -> Result<Vec<Entry>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection
            .prepare_cached("SELECT * FROM audit WHERE number > ?1 ORDER BY number LIMIT ?2")?;
        let rows = statement.query_map(params![integer(after), most], entry)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn head(&self) -> Result<Vec<u8>, Error> {
        Ok(head(&lock(&self.readers))?.unwrap_or_default())
    }

    fn touch(&self, uses: &[(String, u64)]) -> Result<(), Error> {
        // The watcher does not count what it writes itself: a last use makes nobody forget the keys in memory.
        let mut connection = lock(&self.watcher);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, at) in uses {
            change
                .prepare_cached("UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1")?
                .execute(params![id, integer(*at)])?;
        }
        Ok(change.commit()?)
    }

    fn version(&self) -> Result<i64, Error> {
        // Changes when any other connection has changed the file; this one writes last uses only.
        Ok(lock(&self.watcher).pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    fn peppers(&self, first: &Digest) -> Result<Vec<KnownPepper>, Error> {
        let known = peppers(&lock(&self.readers))?;
        if !known.is_empty() {
            return Ok(known);
        }
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute(
            "INSERT OR IGNORE INTO settings (name, value) VALUES ('pepper', ?1)",
            [first],
        )?;
        change.execute(
            "INSERT OR IGNORE INTO peppers (mark) SELECT value FROM settings WHERE name = 'pepper'",
            [],
        )?;
        let known = peppers(&change)?;
        change.commit()?;
        Ok(known)
    }

    fn bring_in(&self, mark: &Digest, before: &Digest, note: &Note) -> Result<bool, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let replaced = change.execute(
            "UPDATE settings SET value = ?1 WHERE name = 'pepper' AND value = ?2
             AND NOT EXISTS (SELECT 1 FROM peppers WHERE mark = ?1)",
            [mark, before],
        )?;
        if replaced == 0 {
            return Ok(false);
        }
        change.execute("INSERT INTO peppers (mark) VALUES (?1)", [mark])?;
        append(&change, note)?;
        change.commit()?;
        Ok(true)
    }

    fn drop_pepper(&self, mark: &Digest, note: &Note) -> Result<bool, Error> {
        let mut connection = lock(&self.writers);
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "UPDATE peppers SET dropped = 1 WHERE mark = ?1 AND dropped = 0";
        if change.execute(sql, [mark])? == 0 {
            return Ok(false);
        }
        append(&change, note)?;
        change.commit()?;
        Ok(true)
    }

    fn hashed_otherwise(
        &self,
        mark: &Digest,
        now: u64,
    ) -> Result<Vec<(String, Option<Digest>)>, Error> {
        let connection = lock(&self.readers);
        let mut statement = connection.prepare_cached(
            "SELECT k.id, s.pepper FROM keys k JOIN secrets s ON s.key_id = k.id
             WHERE s.pepper IS NOT ?1 AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > ?2)
               AND (s.expires_at IS NULL OR s.expires_at > ?2)
             ORDER BY k.id",
        )?;
        let rows = statement.query_map(params![mark, integer(now)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn rehash(&self, change: &Rehash, note: &Note) -> Result<bool, Error> {
        let (Rehash { id, old, new }, mut connection) = (change, lock(&self.writers));
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let replaced = change.execute(
            "UPDATE secrets SET digest = ?3, pepper = ?4
             WHERE key_id = ?1 AND digest = ?2 AND pepper IS NOT ?4
               AND ?4 = (SELECT value FROM settings WHERE name = 'pepper')",
            params![id, old, new.digest, new.pepper],
        )?;
        if replaced == 0 {
            return Ok(false);
        }
        append(&change, note)?;
        change.commit()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_a_newer_version_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.sqlite");
        SqliteStore::open(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 99)
            .unwrap();
        assert!(matches!(
            SqliteStore::open(&path),
            Err(Error::StoreTooNew { found: 99, .. })
        ));
    }

    #[test]
    fn a_key_of_the_first_form_has_every_safety() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO keys (id, name, scopes, origins, tier, created_at) VALUES ('k', 'old', 'admin', '', 'default', 5);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        let mut found = SqliteStore::open(&path).unwrap().list().unwrap();
        let key = found.pop().unwrap();
        assert_eq!(
            (key.name.as_str(), key.safety),
            ("old", api::Safety::default())
        );
    }

    #[test]
    fn a_secret_of_an_older_form_is_of_the_pepper_that_there_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.sqlite");
        let old = Connection::open(&path).unwrap();
        for migration in &MIGRATIONS[..3] {
            old.execute_batch(migration).unwrap();
        }
        let (mark, digest) = ([7; 32], [8; 32]);
        old.execute(
            "INSERT INTO settings (name, value) VALUES ('pepper', ?1)",
            [mark],
        )
        .unwrap();
        old.execute_batch(
            "INSERT INTO keys (id, name, scopes, origins, tier, created_at) VALUES ('k', 'old', 'admin', '', 'default', 5);
             PRAGMA user_version = 3;",
        )
        .unwrap();
        old.execute(
            "INSERT INTO secrets (key_id, digest, created_at) VALUES ('k', ?1, 5)",
            [digest],
        )
        .unwrap();
        drop(old);
        let store = SqliteStore::open(&path).unwrap();
        let known = KnownPepper {
            mark,
            dropped: false,
        };
        assert_eq!(store.peppers(&[9; 32]).unwrap(), [known]);
        let secret = store.find("k").unwrap().unwrap().secrets[0];
        assert_eq!((secret.digest, secret.pepper), (digest, Some(mark)));
    }

    #[test]
    fn a_last_use_is_no_change_and_hides_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.sqlite");
        let (ours, another) = (
            SqliteStore::open(&path).unwrap(),
            SqliteStore::open(&path).unwrap(),
        );
        let sql = "INSERT INTO keys (id, name, scopes, origins, tier, created_at) VALUES ('k', 'site', '', '', 'default', 5)";
        lock(&another.writers).execute_batch(sql).unwrap();
        let before = ours.version().unwrap();
        ours.touch(&[("k".to_owned(), 60_000)]).unwrap();
        assert_eq!(
            ours.find("k").unwrap().unwrap().record.last_used_at,
            Some(60_000)
        );
        assert_eq!(ours.version().unwrap(), before);
        // Another process withdraws the key, and we write a use before we look.
        let sql = "UPDATE keys SET revoked_at = 70000";
        lock(&another.writers).execute_batch(sql).unwrap();
        ours.touch(&[("k".to_owned(), 120_000)]).unwrap();
        assert_ne!(ours.version().unwrap(), before);
        // Whoever changes something of a key here counts as another.
        let before = ours.version().unwrap();
        let sql = "UPDATE keys SET name = 'blog'";
        lock(&ours.writers).execute_batch(sql).unwrap();
        assert_ne!(ours.version().unwrap(), before);
    }

    #[test]
    #[cfg(unix)]
    fn the_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("keys.sqlite")).unwrap();
        assert!(store.list().unwrap().is_empty());
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(
                file.metadata().unwrap().permissions().mode() & 0o077,
                0,
                "{:?}",
                file.path()
            );
        }
    }
}
