//! Keys in PostgreSQL, for several servers.

use std::sync::Arc;

use tokio_postgres::{Client, Row};

use super::{Store, StoredKey, StoredSecret, safety, safety_off};
use crate::auth::Error;
use crate::auth::key::Digest;
use crate::auth::keys::KeyRecord;
use crate::auth::origin::Origin;
use crate::auth::scopes::ScopeSet;
use crate::store::{Postgres, integer, unsigned};

const COLUMNS: &str =
    "id, name, scopes, origins, tier, created_at, expires_at, last_used_at, revoked_at, safety_off";

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

async fn insert(
    client: &mut Client,
    record: &KeyRecord,
    digest: &Digest,
    only_first: bool,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    if only_first {
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
            "INSERT INTO secrets (key_id, digest, created_at) VALUES ($1, $2, $3)",
            &[&record.id, &digest.to_vec(), &integer(record.created_at)],
        )
        .await?;
    change.execute(CHANGED, &[]).await?;
    change.commit().await?;
    Ok(true)
}

async fn rotate(
    client: &mut Client,
    id: &str,
    digest: &Digest,
    now: u64,
    others_until: u64,
) -> Result<(), tokio_postgres::Error> {
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
            "INSERT INTO secrets (key_id, digest, created_at) VALUES ($1, $2, $3)",
            &[&id, &digest.to_vec(), &integer(now)],
        )
        .await?;
    change.execute(CHANGED, &[]).await?;
    change.commit().await
}

impl Store for PostgresStore {
    fn find(&self, id: &str) -> Result<Option<StoredKey>, Error> {
        let id = id.to_owned();
        let found = self.pool.run(move |client| {
            Box::pin(async move {
                // One statement, so one moment for both tables.
                let sql = "SELECT k.id, k.name, k.scopes, k.origins, k.tier, k.created_at, k.last_used_at, k.revoked_at, k.safety_off,
                                  k.expires_at, s.digest, s.expires_at AS secret_expires_at
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

    fn insert(&self, record: &KeyRecord, digest: &Digest, only_first: bool) -> Result<bool, Error> {
        let (record, digest) = (record.clone(), *digest);
        Ok(self.pool.run(move |client| {
            Box::pin(async move { insert(client, &record, &digest, only_first).await })
        })?)
    }

    fn update(&self, record: &KeyRecord) -> Result<bool, Error> {
        let record = record.clone();
        let changed = self.pool.run(move |client| {
            Box::pin(async move {
                let change = client.transaction().await?;
                let changed = change
                    .execute(
                        "UPDATE keys SET name = $2, scopes = $3, origins = $4, tier = $5, expires_at = $6,
                                revoked_at = coalesce(revoked_at, $7), safety_off = $8 WHERE id = $1",
                        &[
                            &record.id,
                            &record.name,
                            &record.scopes.to_string(),
                            &origins(&record),
                            &record.tier,
                            &record.expires_at.map(integer),
                            &record.revoked_at.map(integer),
                            &safety_off(record.safety),
                        ],
                    )
                    .await?;
                change.execute(CHANGED, &[]).await?;
                change.commit().await?;
                Ok(changed)
            })
        })?;
        Ok(changed == 1)
    }

    fn rotate(&self, id: &str, digest: &Digest, now: u64, others_until: u64) -> Result<(), Error> {
        let (id, digest) = (id.to_owned(), *digest);
        Ok(self.pool.run(move |client| {
            Box::pin(async move { rotate(client, &id, &digest, now, others_until).await })
        })?)
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

    fn same_pepper(&self, mark: &Digest) -> Result<bool, Error> {
        let mark = mark.to_vec();
        let known = self.pool.run({
            let mark = mark.clone();
            move |client| {
                Box::pin(async move {
                    client
                        .execute(
                            "INSERT INTO settings (name, value) VALUES ('pepper', $1) ON CONFLICT DO NOTHING",
                            &[&mark],
                        )
                        .await?;
                    client
                        .query_one("SELECT value FROM settings WHERE name = 'pepper'", &[])
                        .await
                })
            }
        })?;
        Ok(known.get::<_, Vec<u8>>(0) == mark)
    }
}
