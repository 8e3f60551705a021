//! Keys in PostgreSQL, for several servers.

use std::sync::Arc;

use tokio_postgres::{Client, Row, Transaction};

use super::{KnownPepper, Place, Rehash, Store, StoredKey, StoredSecret, safety, safety_off};
use crate::auth::Error;
use crate::auth::audit::{Entry, Note};
use crate::auth::key::{Digest, Hashed};
use crate::auth::keys::KeyRecord;
use crate::auth::origin::Origin;
use crate::auth::scopes::ScopeSet;
use crate::store::{Postgres, integer, unsigned};

const COLUMNS: &str =
    "id, name, scopes, origins, tier, created_at, expires_at, last_used_at, revoked_at, safety_off";

const ADD_SECRET: &str =
    "INSERT INTO secrets (key_id, digest, created_at, pepper) VALUES ($1, $2, $3, $4)";

/// Told to every server that looks. A row and not a sequence: it must not be seen before the change itself.
const CHANGED: &str = "UPDATE key_changes SET count = count + 1";

/// The tables were made when the pool was opened.
#[derive(Debug)]
pub(in crate::auth) struct PostgresStore {
    pool: Arc<Postgres>,
}

impl PostgresStore {
    pub(in crate::auth) fn new(pool: Arc<Postgres>) -> Self {
        Self { pool }
    }
}

fn time(row: &Row, column: &str) -> Option<u64> {
    row.get::<_, Option<i64>>(column)
        .map(|value| u64::try_from(value).unwrap_or_default())
}

fn mark(row: &Row) -> Option<Digest> {
    row.get::<_, Option<Vec<u8>>>("pepper")?.try_into().ok()
}

fn record(row: &Row) -> KeyRecord {
    let (scopes, origins): (String, String) = (row.get("scopes"), row.get("origins"));
    KeyRecord {
        id: row.get("id"),
        name: row.get("name"),
        // A scope or origin that this version does not know allows nothing.
        scopes: scopes
            .split(' ')
            .filter_map(ScopeSet::parse)
            .flat_map(ScopeSet::iter)
            .collect(),
        origins: origins.split(' ').filter_map(Origin::parse).collect(),
        tier: row.get("tier"),
        safety: safety(row.get("safety_off")),
        created_at: unsigned(row, "created_at"),
        expires_at: time(row, "expires_at"),
        last_used_at: time(row, "last_used_at"),
        revoked_at: time(row, "revoked_at"),
    }
}

fn origins(record: &KeyRecord) -> String {
    record
        .origins
        .iter()
        .map(Origin::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

const HEAD: &str = "SELECT value FROM settings WHERE name = 'audit_head'";

/// Tells the other servers and writes the note's entry. The last step of every act: the row of [`CHANGED`] stays locked
/// until the commit, so what the next statements read is the log's end for as long.
async fn append(change: &Transaction<'_>, note: &Note) -> Result<(), tokio_postgres::Error> {
    change.execute(CHANGED, &[]).await?;
    let head: Option<Vec<u8>> = change.query_opt(HEAD, &[]).await?.map(|row| row.get(0));
    let last: i64 = change
        .query_one("SELECT coalesce(max(number), 0) FROM audit", &[])
        .await?
        .get(0);
    let (entry, next) = note.seal(head.as_deref(), u64::try_from(last).unwrap_or_default());
    change
        .execute(
            "INSERT INTO audit (number, at, actor, act, subject, detail, sealed_by, digest, seal)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            &[
                &integer(entry.number),
                &integer(entry.at),
                &entry.actor,
                &entry.act,
                &entry.subject,
                &entry.detail,
                &entry.sealed_by,
                &entry.digest.to_vec(),
                &entry.seal.to_vec(),
            ],
        )
        .await?;
    change
        .execute(
            "INSERT INTO settings (name, value) VALUES ('audit_head', $1)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            &[&next],
        )
        .await
        .map(drop)
}

fn entry(row: &Row) -> Entry {
    // What is no digest fits no entry.
    let bytes = |column: &str| row.get::<_, Vec<u8>>(column).try_into().unwrap_or_default();
    Entry {
        number: unsigned(row, "number"),
        at: unsigned(row, "at"),
        actor: row.get("actor"),
        act: row.get("act"),
        subject: row.get("subject"),
        detail: row.get("detail"),
        sealed_by: row.get("sealed_by"),
        digest: bytes("digest"),
        seal: bytes("seal"),
    }
}

async fn insert(
    client: &mut Client,
    record: &KeyRecord,
    hashed: &Hashed,
    place: Place,
    note: &Note,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    if place == Place::First {
        // Two servers that start at once make one key.
        change
            .execute("LOCK TABLE keys IN SHARE ROW EXCLUSIVE MODE", &[])
            .await?;
        if change
            .query_opt("SELECT 1 FROM keys LIMIT 1", &[])
            .await?
            .is_some()
        {
            return Ok(false);
        }
    }
    change
        .execute(
            "INSERT INTO keys (id, name, scopes, origins, tier, created_at, expires_at, safety_off) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &record.id,
                &record.name,
                &record.scopes.to_string(),
                &origins(record),
                &record.tier,
                &integer(record.created_at),
                &record.expires_at.map(integer),
                &safety_off(record.safety),
            ],
        )
        .await?;
    change
        .execute(
            ADD_SECRET,
            &[
                &record.id,
                &hashed.digest.to_vec(),
                &integer(record.created_at),
                &hashed.pepper.to_vec(),
            ],
        )
        .await?;
    append(&change, note).await?;
    change.commit().await?;
    Ok(true)
}

async fn update(
    client: &mut Client,
    record: &KeyRecord,
    note: &Note,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    let changed = change
        .execute(
            "UPDATE keys SET name = $2, scopes = $3, origins = $4, tier = $5, expires_at = $6,
                    revoked_at = coalesce(revoked_at, $7), safety_off = $8 WHERE id = $1",
            &[
                &record.id,
                &record.name,
                &record.scopes.to_string(),
                &origins(record),
                &record.tier,
                &record.expires_at.map(integer),
                &record.revoked_at.map(integer),
                &safety_off(record.safety),
            ],
        )
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    append(&change, note).await?;
    change.commit().await?;
    Ok(true)
}

async fn rotate(
    client: &mut Client,
    id: &str,
    hashed: &Hashed,
    others_until: u64,
    note: &Note,
) -> Result<(), tokio_postgres::Error> {
    let now = note.at;
    let change = client.transaction().await?;
    change
        .execute(
            "DELETE FROM secrets WHERE key_id = $1 AND expires_at <= $2",
            &[&id, &integer(now)],
        )
        .await?;
    change
        .execute(
            "UPDATE secrets SET expires_at = least(coalesce(expires_at, $2), $2) WHERE key_id = $1",
            &[&id, &integer(others_until)],
        )
        .await?;
    change
        .execute(
            ADD_SECRET,
            &[
                &id,
                &hashed.digest.to_vec(),
                &integer(now),
                &hashed.pepper.to_vec(),
            ],
        )
        .await?;
    append(&change, note).await?;
    change.commit().await
}

async fn begin_log(client: &mut Client, note: &Note) -> Result<(), tokio_postgres::Error> {
    let change = client.transaction().await?;
    // Servers that start at once begin one log: the second waits here and finds it begun.
    let head = change.query_opt(&format!("{HEAD} FOR UPDATE"), &[]).await?;
    if head.is_some_and(|head| head.get::<_, Vec<u8>>(0).is_empty()) {
        append(&change, note).await?;
    }
    change.commit().await
}

async fn peppers(
    client: &mut Client,
    first: &Digest,
) -> Result<Vec<KnownPepper>, tokio_postgres::Error> {
    let read = "SELECT mark AS pepper, dropped FROM peppers ORDER BY number";
    let mut rows = client.query(read, &[]).await?;
    if rows.is_empty() {
        let change = client.transaction().await?;
        // Servers that start at once: the second waits here and finds the first one's.
        change
            .execute(
                "INSERT INTO settings (name, value) VALUES ('pepper', $1) ON CONFLICT DO NOTHING",
                &[&first.to_vec()],
            )
            .await?;
        change
            .execute(
                "INSERT INTO peppers (mark) SELECT value FROM settings WHERE name = 'pepper'
                 ON CONFLICT DO NOTHING",
                &[],
            )
            .await?;
        rows = change.query(read, &[]).await?;
        change.commit().await?;
    }
    let known = rows.iter().filter_map(|row| {
        Some(KnownPepper {
            mark: mark(row)?,
            dropped: row.get("dropped"),
        })
    });
    Ok(known.collect())
}

async fn bring_in(
    client: &mut Client,
    mark: &Digest,
    before: &Digest,
    note: &Note,
) -> Result<bool, tokio_postgres::Error> {
    let (mark, before) = (mark.to_vec(), before.to_vec());
    let change = client.transaction().await?;
    let replaced = change
        .execute(
            "UPDATE settings SET value = $1 WHERE name = 'pepper' AND value = $2
             AND NOT EXISTS (SELECT 1 FROM peppers WHERE mark = $1)",
            &[&mark, &before],
        )
        .await?;
    if replaced == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO peppers (mark) VALUES ($1)";
    change.execute(sql, &[&mark]).await?;
    append(&change, note).await?;
    change.commit().await?;
    Ok(true)
}

async fn drop_pepper(
    client: &mut Client,
    mark: &Digest,
    note: &Note,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    let sql = "UPDATE peppers SET dropped = TRUE WHERE mark = $1 AND NOT dropped";
    if change.execute(sql, &[&mark.to_vec()]).await? == 0 {
        return Ok(false);
    }
    append(&change, note).await?;
    change.commit().await?;
    Ok(true)
}

async fn rehash(
    client: &mut Client,
    Rehash { id, old, new }: &Rehash,
    note: &Note,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    let replaced = change
        .execute(
            "UPDATE secrets SET digest = $3, pepper = $4
             WHERE key_id = $1 AND digest = $2 AND pepper IS DISTINCT FROM $4
               AND $4 = (SELECT value FROM settings WHERE name = 'pepper')",
            &[
                id,
                &old.to_vec(),
                &new.digest.to_vec(),
                &new.pepper.to_vec(),
            ],
        )
        .await?;
    if replaced == 0 {
        return Ok(false);
    }
    append(&change, note).await?;
    change.commit().await?;
    Ok(true)
}

impl Store for PostgresStore {
    fn find(&self, id: &str) -> Result<Option<StoredKey>, Error> {
        let id = id.to_owned();
        let found = self.pool.run(move |client| {
            Box::pin(async move {
                // One statement, so one moment for both tables.
                let sql = "SELECT k.id, k.name, k.scopes, k.origins, k.tier, k.created_at, k.last_used_at, k.revoked_at, k.safety_off,
                                  k.expires_at, s.digest, s.pepper, s.expires_at AS secret_expires_at
                           FROM keys k LEFT JOIN secrets s ON s.key_id = k.id WHERE k.id = $1";
                client.query(sql, &[&id]).await
            })
        })?;
        let Some(first) = found.first() else {
            return Ok(None);
        };
        let secrets = found.iter().filter_map(|row| {
            let digest: Vec<u8> = row.get::<_, Option<_>>("digest")?;
            Some(StoredSecret {
                // A secret whose digest is damaged fits nothing.
                digest: digest.try_into().ok()?,
                pepper: mark(row),
                expires_at: time(row, "secret_expires_at"),
            })
        });
        Ok(Some(StoredKey {
            record: record(first),
            secrets: secrets.collect(),
        }))
    }

    fn list(&self) -> Result<Vec<KeyRecord>, Error> {
        let rows = self.pool.run(|client| {
            Box::pin(async move {
                let sql = format!("SELECT {COLUMNS} FROM keys ORDER BY created_at DESC, id");
                client.query(&sql, &[]).await
            })
        })?;
        Ok(rows.iter().map(record).collect())
    }

    fn insert(
        &self,
        record: &KeyRecord,
        hashed: &Hashed,
        place: Place,
        note: &Note,
    ) -> Result<bool, Error> {
        let (record, hashed, note) = (record.clone(), *hashed, note.clone());
        Ok(self.pool.run(move |client| {
            Box::pin(async move { insert(client, &record, &hashed, place, &note).await })
        })?)
    }

    fn update(&self, record: &KeyRecord, note: &Note) -> Result<bool, Error> {
        let (record, note) = (record.clone(), note.clone());
        Ok(self
            .pool
            .run(move |client| Box::pin(async move { update(client, &record, &note).await }))?)
    }

    fn rotate(
        &self,
        id: &str,
        hashed: &Hashed,
        others_until: u64,
        note: &Note,
    ) -> Result<(), Error> {
        let (id, hashed, note) = (id.to_owned(), *hashed, note.clone());
        Ok(self.pool.run(move |client| {
            Box::pin(async move { rotate(client, &id, &hashed, others_until, &note).await })
        })?)
    }

    fn begin_log(&self, note: &Note) -> Result<(), Error> {
        if !self.head()?.is_empty() {
            return Ok(());
        }
        let note = note.clone();
        Ok(self
            .pool
            .run(move |client| Box::pin(async move { begin_log(client, &note).await }))?)
    }

    fn append(&self, note: &Note) -> Result<(), Error> {
        let note = note.clone();
        Ok(self.pool.run(move |client| {
            Box::pin(async move {
                let change = client.transaction().await?;
                append(&change, &note).await?;
                change.commit().await
            })
        })?)
    }

    fn entries(&self, after: u64, most: u32) -> Result<Vec<Entry>, Error> {
        let (after, most) = (integer(after), i64::from(most));
        let rows = self.pool.run(move |client| {
            Box::pin(async move {
                let sql = "SELECT * FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
                client.query(sql, &[&after, &most]).await
            })
        })?;
        Ok(rows.iter().map(entry).collect())
    }

    fn head(&self) -> Result<Vec<u8>, Error> {
        let row = self
            .pool
            .run(|client| Box::pin(async move { client.query_opt(HEAD, &[]).await }))?;
        Ok(row.map(|row| row.get(0)).unwrap_or_default())
    }

    fn touch(&self, uses: &[(String, u64)]) -> Result<(), Error> {
        let ids: Vec<String> = uses.iter().map(|(id, _)| id.clone()).collect();
        let times: Vec<i64> = uses.iter().map(|(_, at)| integer(*at)).collect();
        Ok(self.pool.run(move |client| {
            Box::pin(async move {
                client
                    .execute(
                        "UPDATE keys k SET last_used_at = greatest(coalesce(k.last_used_at, 0), u.at)
                         FROM unnest($1::TEXT[], $2::BIGINT[]) AS u (id, at) WHERE k.id = u.id",
                        &[&ids, &times],
                    )
                    .await
                    .map(drop)
            })
        })?)
    }

    fn version(&self) -> Result<i64, Error> {
        let row = self.pool.run(|client| {
            Box::pin(async move { client.query_one("SELECT count FROM key_changes", &[]).await })
        })?;
        Ok(row.get(0))
    }

    fn peppers(&self, first: &Digest) -> Result<Vec<KnownPepper>, Error> {
        let first = *first;
        Ok(self
            .pool
            .run(move |client| Box::pin(async move { peppers(client, &first).await }))?)
    }

    fn bring_in(&self, mark: &Digest, before: &Digest, note: &Note) -> Result<bool, Error> {
        let (mark, before, note) = (*mark, *before, note.clone());
        Ok(self.pool.run(move |client| {
            Box::pin(async move { bring_in(client, &mark, &before, &note).await })
        })?)
    }

    fn drop_pepper(&self, mark: &Digest, note: &Note) -> Result<bool, Error> {
        let (mark, note) = (*mark, note.clone());
        Ok(self
            .pool
            .run(move |client| Box::pin(async move { drop_pepper(client, &mark, &note).await }))?)
    }

    fn hashed_otherwise(
        &self,
        mark: &Digest,
        now: u64,
    ) -> Result<Vec<(String, Option<Digest>)>, Error> {
        let (of, now) = (mark.to_vec(), integer(now));
        let rows = self.pool.run(move |client| {
            Box::pin(async move {
                let sql = "SELECT k.id, s.pepper FROM keys k JOIN secrets s ON s.key_id = k.id
                           WHERE s.pepper IS DISTINCT FROM $1 AND k.revoked_at IS NULL
                             AND (k.expires_at IS NULL OR k.expires_at > $2)
                             AND (s.expires_at IS NULL OR s.expires_at > $2)
                           ORDER BY k.id";
                client.query(sql, &[&of, &now]).await
            })
        })?;
        let found = rows
            .iter()
            .map(|row| (row.get("id"), self::mark(row)))
            .collect();
        Ok(found)
    }

    fn rehash(&self, change: &Rehash, note: &Note) -> Result<bool, Error> {
        let (change, note) = (change.clone(), note.clone());
        Ok(self
            .pool
            .run(move |client| Box::pin(async move { rehash(client, &change, &note).await }))?)
    }
}
