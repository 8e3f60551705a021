//! The store in PostgreSQL, for several servers: the pool, the form of the tables, and use and batches.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr as _;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::TokenUsage;
use futures_util::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, Config, NoTls, Row, Transaction};

use super::{
    BatchRow, Budgets, Cancelled, Charge, Claimed, DAY_MS, DayRow, Done, Error, HookState, ItemRow,
    ItemState, Kept, NewBatch, Place, Settled, Wanted, Work, tokens,
};

/// Each brings the form one further. Never edit one that was released.
const MIGRATIONS: [&str; 6] = [
    "
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        origins TEXT NOT NULL,
        tier TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        last_used_at BIGINT,
        revoked_at BIGINT
    );
    CREATE TABLE secrets (
        key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
        digest BYTEA NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        PRIMARY KEY (key_id, digest)
    );
    CREATE TABLE settings (name TEXT PRIMARY KEY, value BYTEA NOT NULL);
    CREATE TABLE key_changes (count BIGINT NOT NULL);
    INSERT INTO key_changes (count) VALUES (0);
    CREATE TABLE usage (
        key_id TEXT NOT NULL, day BIGINT NOT NULL, tokens BIGINT NOT NULL, PRIMARY KEY (key_id, day)
    );
    CREATE TABLE batches (
        id TEXT COLLATE \"C\" PRIMARY KEY,
        key_id TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        finished_at BIGINT,
        cancelled BOOLEAN NOT NULL DEFAULT FALSE,
        total BIGINT NOT NULL,
        remaining BIGINT NOT NULL,
        completed BIGINT NOT NULL DEFAULT 0,
        failed BIGINT NOT NULL DEFAULT 0,
        prompt_tokens BIGINT NOT NULL DEFAULT 0,
        image_tokens BIGINT NOT NULL DEFAULT 0,
        completion_tokens BIGINT NOT NULL DEFAULT 0,
        served_at BIGINT NOT NULL DEFAULT 0,
        idempotency_key TEXT,
        fingerprint BYTEA,
        webhook TEXT,
        webhook_state SMALLINT NOT NULL DEFAULT 0,
        webhook_attempts BIGINT NOT NULL DEFAULT 0,
        webhook_next BIGINT NOT NULL DEFAULT 0
    );
    CREATE SEQUENCE turns;
    CREATE INDEX batches_of_key ON batches (key_id, id);
    CREATE INDEX batches_running ON batches (key_id, served_at) WHERE finished_at IS NULL;
    CREATE INDEX batches_over ON batches (finished_at) WHERE finished_at IS NOT NULL;
    CREATE UNIQUE INDEX batches_idempotency ON batches (key_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
    CREATE TABLE items (
        batch_id TEXT COLLATE \"C\" NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
        place BIGINT NOT NULL,
        name TEXT NOT NULL,
        state SMALLINT NOT NULL DEFAULT 0,
        tries BIGINT NOT NULL DEFAULT 0,
        claims BIGINT NOT NULL DEFAULT 0,
        owner TEXT,
        lease_until BIGINT NOT NULL DEFAULT 0,
        not_before BIGINT NOT NULL DEFAULT 0,
        request BYTEA,
        result TEXT,
        PRIMARY KEY (batch_id, place)
    );
    CREATE INDEX items_waiting ON items (batch_id, place) WHERE state = 0;
    CREATE INDEX items_running ON items (owner) WHERE state = 1;
",
    "ALTER TABLE keys ADD COLUMN safety_off TEXT NOT NULL DEFAULT ''",
    // An empty head is a log that was not begun; a missing one was removed.
    "
    CREATE TABLE audit (
        number BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        actor TEXT NOT NULL,
        act TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL,
        sealed_by TEXT NOT NULL,
        digest BYTEA NOT NULL,
        seal BYTEA NOT NULL
    );
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
    INSERT INTO settings (name, value) VALUES ('audit_head', '');
",
    // The newest pepper stays in `settings`, where older versions look.
    "
    CREATE TABLE peppers (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        mark BYTEA NOT NULL UNIQUE,
        dropped BOOLEAN NOT NULL DEFAULT FALSE
    );
    INSERT INTO peppers (mark) SELECT value FROM settings WHERE name = 'pepper';
    ALTER TABLE secrets ADD COLUMN pepper BYTEA;
    UPDATE secrets SET pepper = (SELECT value FROM settings WHERE name = 'pepper');
",
    "
    CREATE TABLE asides (
        key_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        tokens BIGINT NOT NULL,
        lease_until BIGINT NOT NULL,
        PRIMARY KEY (key_id, owner)
    );
    CREATE INDEX asides_of_owner ON asides (owner);
",
    "
    CREATE TABLE charges (id TEXT PRIMARY KEY, at BIGINT NOT NULL);
    CREATE INDEX charges_by_time ON charges (at);
",
];

/// The form that this version writes.
const NEWEST: usize = MIGRATIONS.len();

/// The database's clock in Unix milliseconds.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::BIGINT";
/// How long it is known that a charge was counted. A server tells it again every second until it hears that it was.
const CHARGES_MS: i64 = 6 * 3_600_000;

/// Any number will do that no other program takes: servers that start at once migrate one after the other.
const MIGRATION_LOCK: i64 = 0x736d_6172_7473_756d;

const BATCH: &str = "id, key_id, created_at, finished_at, cancelled, total, remaining, completed, failed, \
                     prompt_tokens, image_tokens, completion_tokens, webhook, webhook_state, webhook_attempts";

/// Connections at a time.
const CONNECTIONS: usize = 8;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one piece of work may take, the wait for a connection included.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to a PostgreSQL database, with a thread of their own: a call blocks its caller and nobody else, and may
/// come from anywhere.
pub struct Postgres {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    config: Config,
    idle: Mutex<VecDeque<Client>>,
    places: Semaphore,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address holds a password.
        formatter.write_str("Postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Waiting for its thread would block whoever drops it, perhaps inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Postgres {
    /// The form of the tables that this version writes.
    pub const FORM: usize = NEWEST;

    /// Connects to `postgres://user:password@host:port/database` and brings the tables to the newest form.
    ///
    /// # Errors
    /// When the database cannot be reached, or was written by a newer version.
    pub fn open(address: &str) -> Result<Self, Error> {
        let mut config = Config::from_str(address)?;
        config
            .connect_timeout(CONNECT)
            .application_name("smart-summary");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|error| Error::Unreachable(error.to_string()))?;
        let shared = Shared {
            config,
            idle: Mutex::default(),
            places: Semaphore::new(CONNECTIONS),
        };
        let postgres = Self {
            shared: Arc::new(shared),
            runtime: Some(runtime),
        };
        postgres.run(|client| Box::pin(migrate(client)))??;
        Ok(postgres)
    }

    /// Does `work` on a connection, and waits for it.
    ///
    /// # Errors
    /// The database's, and [`Error::Unreachable`] when there is no answer in time.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Client) -> BoxFuture<'c, Result<T, tokio_postgres::Error>>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let Some(runtime) = &self.runtime else {
            return Err(Error::Unreachable("the pool is closed".to_owned()));
        };
        let (sender, receiver) = sync_channel(1);
        let shared = self.shared.clone();
        runtime.spawn(async move {
            let done = tokio::time::timeout(PATIENCE, shared.work(work)).await;
            // Nobody waits when the caller's thread is gone.
            let _ = sender.send(done);
        });
        match receiver.recv() {
            Ok(Ok(done)) => Ok(done?),
            _ => Err(Error::Unreachable("no answer in time".to_owned())),
        }
    }
}

impl Shared {
    async fn work<T>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Client) -> BoxFuture<'c, Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let _place = self.places.acquire().await;
        let mut client = match self.take() {
            Some(client) => client,
            None => self.connect().await?,
        };
        // Dropped midway the connection is closed, and its transaction rolled back.
        let done = work(&mut client).await;
        if done.is_ok() || !client.is_closed() {
            self.idle().push_back(client);
        }
        done
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Client> {
        let mut idle = self.idle();
        idle.retain(|client| !client.is_closed());
        idle.pop_back()
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        tokio::spawn(async move {
            // Whoever uses the client is told; its statements fail.
            let _ = connection.await;
        });
        client
            .batch_execute("SET statement_timeout = 4000; SET lock_timeout = 3000")
            .await?;
        Ok(client)
    }
}

async fn migrate(client: &mut Client) -> Result<Result<(), Error>, tokio_postgres::Error> {
    let change = client.transaction().await?;
    change
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await?;
    change
        .batch_execute("CREATE TABLE IF NOT EXISTS smart_summary_form (form BIGINT NOT NULL)")
        .await?;
    let found: i64 = change
        .query_one("SELECT coalesce(max(form), 0) FROM smart_summary_form", &[])
        .await?
        .get(0);
    let done = usize::try_from(found).ok().filter(|done| *done <= NEWEST);
    let Some(pending) = done.and_then(|done| MIGRATIONS.get(done..)) else {
        let known = integer(NEWEST as u64);
        return Ok(Err(Error::TooNew { found, known }));
    };
    for migration in pending {
        change.batch_execute(migration).await?;
    }
    if !pending.is_empty() {
        change
            .execute(
                "INSERT INTO smart_summary_form (form) VALUES ($1)",
                &[&integer(NEWEST as u64)],
            )
            .await?;
    }
    change.commit().await?;
    Ok(Ok(()))
}

pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row, column: &str) -> u64 {
    u64::try_from(row.get::<_, i64>(column)).unwrap_or_default()
}

fn count(row: &Row, column: &str) -> u32 {
    u32::try_from(row.get::<_, i64>(column)).unwrap_or_default()
}

fn batch_row(row: &Row) -> BatchRow {
    let finished: Option<i64> = row.get("finished_at");
    let webhook: Option<String> = row.get("webhook");
    let (state, attempts) = (row.get("webhook_state"), count(row, "webhook_attempts"));
    BatchRow {
        id: row.get("id"),
        key: row.get("key_id"),
        created_at: unsigned(row, "created_at"),
        finished_at: finished.map(|at| u64::try_from(at).unwrap_or_default()),
        cancelled: row.get("cancelled"),
        total: count(row, "total"),
        left: count(row, "remaining"),
        completed: count(row, "completed"),
        failed: count(row, "failed"),
        usage: TokenUsage {
            prompt_tokens: count(row, "prompt_tokens"),
            image_tokens: count(row, "image_tokens"),
            completion_tokens: count(row, "completion_tokens"),
        },
        webhook: webhook.map(|url| (url, HookState::of(state), attempts)),
    }
}

const ADD: &str = "INSERT INTO usage (key_id, day, tokens) VALUES ($1, $2, $3)
                   ON CONFLICT (key_id, day) DO UPDATE SET tokens = usage.tokens + excluded.tokens";

async fn insert(
    client: &mut Client,
    batch: &NewBatch,
    most: u64,
) -> Result<Kept, tokio_postgres::Error> {
    let change = client.transaction().await?;
    // One batch of a key at a time: what is counted here stays true until the end.
    change
        .execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
            &[&batch.key],
        )
        .await?;
    let (name, fingerprint) = batch.idempotency.clone().unzip();
    let fingerprint = fingerprint.map(|bytes| bytes.to_vec());
    if name.is_some() {
        let known = change
            .query_opt(
                "SELECT id, fingerprint FROM batches WHERE key_id = $1 AND idempotency_key = $2",
                &[&batch.key, &name],
            )
            .await?;
        if let Some(known) = known {
            let same = known.get::<_, Option<Vec<u8>>>(1) == fingerprint;
            return Ok(if same {
                Kept::Known(known.get(0))
            } else {
                Kept::Mismatch
            });
        }
    }
    let waiting: i64 = change
        .query_one(
            "SELECT coalesce(sum(remaining), 0)::BIGINT FROM batches WHERE key_id = $1 AND finished_at IS NULL",
            &[&batch.key],
        )
        .await?
        .get(0);
    let total = batch.items.len() as u64;
    if u64::try_from(waiting).unwrap_or_default() + total > most {
        return Ok(Kept::Full);
    }
    change
        .execute(
            "INSERT INTO batches (id, key_id, created_at, total, remaining, idempotency_key, fingerprint, webhook)
             VALUES ($1, $2, $3, $4, $4, $5, $6, $7)",
            &[
                &batch.id,
                &batch.key,
                &integer(batch.created_at),
                &integer(total),
                &name,
                &fingerprint,
                &batch.webhook,
            ],
        )
        .await?;
    let statement = change
        .prepare("INSERT INTO items (batch_id, place, name, request) VALUES ($1, $2, $3, $4)")
        .await?;
    for (place, (name, request)) in batch.items.iter().enumerate() {
        change
            .execute(
                &statement,
                &[&batch.id, &integer(place as u64), name, request],
            )
            .await?;
    }
    change.commit().await?;
    Ok(Kept::New)
}

async fn cancel(
    client: &mut Client,
    batch: &str,
    now: u64,
) -> Result<Cancelled, tokio_postgres::Error> {
    let change = client.transaction().await?;
    // Items are locked before their batch, and in their order, everywhere: no two servers wait for each other.
    change
        .execute(
            "WITH locked AS (SELECT batch_id, place FROM items WHERE batch_id = $1 AND state < 2 ORDER BY place FOR UPDATE)
             UPDATE items i SET state = 4, owner = NULL, request = NULL FROM locked l
             WHERE i.batch_id = l.batch_id AND i.place = l.place",
            &[&batch],
        )
        .await?;
    let changed = change
        .execute(
            "UPDATE batches SET finished_at = $2, cancelled = TRUE, remaining = 0 WHERE id = $1 AND finished_at IS NULL",
            &[&batch, &integer(now)],
        )
        .await?;
    if changed == 1 {
        change.commit().await?;
        return Ok(Cancelled::Now);
    }
    let known = change
        .query_opt("SELECT 1 FROM batches WHERE id = $1", &[&batch])
        .await?;
    Ok(if known.is_some() {
        Cancelled::Before
    } else {
        Cancelled::Unknown
    })
}

async fn claim(
    client: &mut Client,
    owner: &str,
    now: i64,
    lease_until: i64,
) -> Result<Option<Claimed>, tokio_postgres::Error> {
    let change = client.transaction().await?;
    let candidates = change
        .query(
            "SELECT b.id, b.key_id FROM batches b
             WHERE b.finished_at IS NULL
               AND EXISTS (SELECT 1 FROM items WHERE batch_id = b.id AND state = 0 AND not_before <= $1)
             ORDER BY (SELECT max(served_at) FROM batches o WHERE o.key_id = b.key_id AND o.finished_at IS NULL),
                      b.served_at, b.id
             LIMIT 16",
            &[&now],
        )
        .await?;
    for candidate in candidates {
        let batch: String = candidate.get("id");
        // Another server that takes an item at this moment has it locked: ours is the next one.
        let taken = change
            .query_opt(
                "UPDATE items SET state = 1, owner = $2, lease_until = $3, claims = claims + 1
                 WHERE batch_id = $1 AND place = (
                     SELECT place FROM items WHERE batch_id = $1 AND state = 0 AND not_before <= $4
                     ORDER BY place LIMIT 1 FOR UPDATE SKIP LOCKED)
                 RETURNING place, request, tries, claims",
                &[&batch, &owner, &lease_until, &now],
            )
            .await?;
        let Some(taken) = taken else { continue };
        change
            .execute(
                "UPDATE batches SET served_at = nextval('turns') WHERE id = $1",
                &[&batch],
            )
            .await?;
        change.commit().await?;
        return Ok(Some(Claimed {
            batch,
            index: count(&taken, "place"),
            key: candidate.get("key_id"),
            request: taken
                .get::<_, Option<Vec<u8>>>("request")
                .unwrap_or_default(),
            tries: count(&taken, "tries"),
            claims: count(&taken, "claims"),
        }));
    }
    Ok(None)
}

async fn complete(
    client: &mut Client,
    done: &Done,
    owner: &str,
) -> Result<bool, tokio_postgres::Error> {
    let change = client.transaction().await?;
    let changed = change
        .execute(
            "UPDATE items SET state = $4, result = $5, owner = NULL, request = NULL
             WHERE batch_id = $1 AND place = $2 AND owner = $3 AND state = 1",
            &[
                &done.batch,
                &i64::from(done.index),
                &owner,
                &(done.state as i16),
                &done.result,
            ],
        )
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    let completed = i64::from(done.state == ItemState::Completed);
    change
        .execute(
            "UPDATE batches SET remaining = remaining - 1, completed = completed + $2, failed = failed + 1 - $2,
                prompt_tokens = prompt_tokens + $3, image_tokens = image_tokens + $4,
                completion_tokens = completion_tokens + $5,
                finished_at = CASE WHEN remaining = 1 THEN $6::BIGINT END
             WHERE id = $1",
            &[
                &done.batch,
                &completed,
                &i64::from(done.usage.prompt_tokens),
                &i64::from(done.usage.image_tokens),
                &i64::from(done.usage.completion_tokens),
                &integer(done.at),
            ],
        )
        .await?;
    let cost = tokens(done.usage);
    if cost > 0 {
        change
            .execute(
                ADD,
                &[&done.key, &integer(done.at / DAY_MS), &integer(cost)],
            )
            .await?;
    }
    change.commit().await?;
    Ok(true)
}

impl Work for Postgres {
    fn used(&self, key: &str, day: u64) -> Result<u64, Error> {
        let (key, day) = (key.to_owned(), integer(day));
        let row = self.run(move |client| {
            Box::pin(async move {
                client
                    .query_opt(
                        "SELECT tokens FROM usage WHERE key_id = $1 AND day = $2",
                        &[&key, &day],
                    )
                    .await
            })
        })?;
        Ok(row.map_or(0, |row| unsigned(&row, "tokens")))
    }

    fn add(&self, charge: &Charge<'_>) -> Result<(), Error> {
        let (id, key) = (charge.id.to_owned(), charge.key.to_owned());
        let numbers = [charge.day, charge.tokens].map(integer);
        self.run(move |client| {
            Box::pin(async move {
                let change = client.transaction().await?;
                if is_new(&change, &id).await? {
                    let [day, tokens] = numbers;
                    change.execute(ADD, &[&key, &day, &tokens]).await?;
                }
                change.commit().await
            })
        })
    }

    fn forget_days(&self, day: u64) -> Result<(), Error> {
        let day = integer(day);
        self.run(move |client| {
            Box::pin(async move {
                let old = format!("DELETE FROM charges WHERE at < {NOW} - {CHARGES_MS}");
                client.execute(&old, &[]).await?;
                client
                    .execute("DELETE FROM usage WHERE day < $1", &[&day])
                    .await
                    .map(drop)
            })
        })
    }

    fn days(&self, from: u64, after: (&str, u64), most: u32) -> Result<Vec<DayRow>, Error> {
        let (key, day, from) = (after.0.to_owned(), integer(after.1), integer(from));
        let rows = self.run(move |client| {
            Box::pin(async move {
                let sql = "SELECT key_id, day, tokens FROM usage
                           WHERE (key_id, day) > ($1, $2) AND day >= $3 ORDER BY key_id, day LIMIT $4";
                client
                    .query(sql, &[&key, &day, &from, &i64::from(most)])
                    .await
            })
        })?;
        let row = |row: &Row| DayRow {
            key: row.get("key_id"),
            day: unsigned(row, "day"),
            tokens: unsigned(row, "tokens"),
        };
        Ok(rows.iter().map(row).collect())
    }

    fn insert(&self, batch: &NewBatch, most: u64) -> Result<Kept, Error> {
        let batch = batch.clone();
        self.run(move |client| Box::pin(async move { insert(client, &batch, most).await }))
    }

    fn batch(&self, id: &str) -> Result<Option<BatchRow>, Error> {
        let id = id.to_owned();
        let row = self.run(move |client| {
            Box::pin(async move {
                client
                    .query_opt(
                        &format!("SELECT {BATCH} FROM batches WHERE id = $1"),
                        &[&id],
                    )
                    .await
            })
        })?;
        Ok(row.as_ref().map(batch_row))
    }

    fn batches(&self, key: &str, before: Option<&str>, most: u32) -> Result<Vec<BatchRow>, Error> {
        let (key, before) = (key.to_owned(), before.map(str::to_owned));
        let rows = self.run(move |client| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT {BATCH} FROM batches WHERE key_id = $1 AND ($2::TEXT IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"
                );
                client.query(&sql, &[&key, &before, &i64::from(most)]).await
            })
        })?;
        Ok(rows.iter().map(batch_row).collect())
    }

    fn unfinished(&self, most: u32) -> Result<Vec<BatchRow>, Error> {
        let rows = self.run(move |client| {
            Box::pin(async move {
                let sql = format!(
                    "SELECT {BATCH} FROM batches WHERE finished_at IS NULL ORDER BY created_at, id LIMIT $1"
                );
                client.query(&sql, &[&i64::from(most)]).await
            })
        })?;
        Ok(rows.iter().map(batch_row).collect())
    }

    fn results(&self, batch: &str, from: u32, most: u32) -> Result<Vec<ItemRow>, Error> {
        let batch = batch.to_owned();
        let rows = self.run(move |client| {
            Box::pin(async move {
                client
                    .query(
                        "SELECT place, name, state, result FROM items
                         WHERE batch_id = $1 AND place >= $2 AND state >= 2 ORDER BY place LIMIT $3",
                        &[&batch, &i64::from(from), &i64::from(most)],
                    )
                    .await
            })
        })?;
        let item = |row: &Row| ItemRow {
            index: count(row, "place"),
            id: row.get("name"),
            state: ItemState::of(row.get("state")),
            result: row.get("result"),
        };
        Ok(rows.iter().map(item).collect())
    }

    fn cancel(&self, batch: &str, now: u64) -> Result<Cancelled, Error> {
        let batch = batch.to_owned();
        self.run(move |client| Box::pin(async move { cancel(client, &batch, now).await }))
    }

    fn remove(&self, batch: &str) -> Result<(), Error> {
        let batch = batch.to_owned();
        self.run(move |client| {
            Box::pin(async move {
                client
                    .execute("DELETE FROM batches WHERE id = $1", &[&batch])
                    .await
                    .map(drop)
            })
        })
    }

    fn expire(&self, before: u64) -> Result<u64, Error> {
        let before = integer(before);
        self.run(move |client| {
            Box::pin(async move {
                client
                    .execute("DELETE FROM batches WHERE finished_at < $1", &[&before])
                    .await
            })
        })
    }

    fn time(&self, _: u64) -> Result<u64, Error> {
        let row = self.run(|client| {
            let sql = format!("SELECT {NOW} AS now");
            Box::pin(async move { client.query_one(&sql, &[]).await })
        })?;
        Ok(u64::try_from(row.get::<_, i64>("now")).unwrap_or_default())
    }

    fn claim(&self, owner: &str, now: u64, lease_until: u64) -> Result<Option<Claimed>, Error> {
        let (owner, now, until) = (owner.to_owned(), integer(now), integer(lease_until));
        self.run(move |client| Box::pin(async move { claim(client, &owner, now, until).await }))
    }

    fn renew(&self, owner: &str, running: &[Place], lease_until: u64) -> Result<Vec<Place>, Error> {
        let (owner, until) = (owner.to_owned(), integer(lease_until));
        let (batches, places): (Vec<String>, Vec<i64>) = running
            .iter()
            .map(|(batch, place)| (batch.clone(), i64::from(*place)))
            .unzip();
        let rows = self.run(move |client| {
            Box::pin(async move {
                client
                    .query(
                        "WITH locked AS (SELECT batch_id, place FROM items WHERE owner = $1 AND state = 1
                                           AND (batch_id, place) IN (SELECT * FROM unnest($3::text[], $4::bigint[]))
                                         ORDER BY batch_id, place FOR UPDATE)
                         UPDATE items i SET lease_until = $2 FROM locked l
                         WHERE i.batch_id = l.batch_id AND i.place = l.place RETURNING i.batch_id, i.place",
                        &[&owner, &until, &batches, &places],
                    )
                    .await
            })
        })?;
        Ok(rows
            .iter()
            .map(|row| (row.get("batch_id"), count(row, "place")))
            .collect())
    }

    fn reclaim(&self, now: u64, all: bool) -> Result<u64, Error> {
        let now = integer(now);
        self.run(move |client| {
            Box::pin(async move {
                client
                    .execute(
                        "WITH locked AS (SELECT batch_id, place FROM items
                                         WHERE state = 1 AND ($2 OR lease_until < $1)
                                         ORDER BY batch_id, place FOR UPDATE SKIP LOCKED)
                         UPDATE items i SET state = 0, owner = NULL FROM locked l
                         WHERE i.batch_id = l.batch_id AND i.place = l.place",
                        &[&now, &all],
                    )
                    .await
            })
        })
    }

    fn release(
        &self,
        item: &Claimed,
        owner: &str,
        not_before: u64,
        tried: bool,
    ) -> Result<(), Error> {
        let (batch, place, owner) = (item.batch.clone(), i64::from(item.index), owner.to_owned());
        let (not_before, tried) = (integer(not_before), i64::from(tried));
        self.run(move |client| {
            Box::pin(async move {
                client
                    .execute(
                        "UPDATE items SET state = 0, owner = NULL, not_before = $4, tries = tries + $5
                         WHERE batch_id = $1 AND place = $2 AND owner = $3 AND state = 1",
                        &[&batch, &place, &owner, &not_before, &tried],
                    )
                    .await
                    .map(drop)
            })
        })
    }

    fn complete(&self, done: &Done, owner: &str) -> Result<bool, Error> {
        let (done, owner) = (done.clone(), owner.to_owned());
        self.run(move |client| Box::pin(async move { complete(client, &done, &owner).await }))
    }

    fn claim_hook(&self, now: u64, next: u64) -> Result<Option<BatchRow>, Error> {
        let (now, next) = (integer(now), integer(next));
        let row = self.run(move |client| {
            Box::pin(async move {
                let sql = format!(
                    "UPDATE batches SET webhook_next = $2, webhook_attempts = webhook_attempts + 1
                     WHERE id = (SELECT id FROM batches WHERE finished_at IS NOT NULL AND webhook IS NOT NULL
                                 AND webhook_state = 0 AND webhook_next <= $1 ORDER BY webhook_next LIMIT 1
                                 FOR UPDATE SKIP LOCKED)
                     RETURNING {BATCH}"
                );
                client.query_opt(&sql, &[&now, &next]).await
            })
        })?;
        Ok(row.as_ref().map(batch_row))
    }

    fn note_hook(&self, batch: &str, state: HookState, next: u64) -> Result<(), Error> {
        let (batch, state, next) = (batch.to_owned(), state as i16, integer(next));
        self.run(move |client| {
            Box::pin(async move {
                client
                    .execute(
                        "UPDATE batches SET webhook_state = $2, webhook_next = $3 WHERE id = $1",
                        &[&batch, &state, &next],
                    )
                    .await
                    .map(drop)
            })
        })
    }

    fn budgets(&self) -> Option<&dyn Budgets> {
        Some(self)
    }
}

/// Whether a charge was not counted before; from here on it is known.
async fn is_new(change: &Transaction<'_>, id: &str) -> Result<bool, tokio_postgres::Error> {
    let sql = format!("INSERT INTO charges (id, at) VALUES ($1, {NOW}) ON CONFLICT DO NOTHING");
    Ok(change.execute(&sql, &[&id]).await? > 0)
}

async fn set_aside(
    client: &mut Client,
    (key, owner): (&str, &str),
    [day, tokens, budget, lease_ms]: [i64; 4],
) -> Result<(bool, u64), tokio_postgres::Error> {
    let change = client.transaction().await?;
    // One of a key at a time: what is counted here stays true until the end.
    change
        .execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))",
            &[&key],
        )
        .await?;
    let sql = format!(
        "SELECT coalesce((SELECT tokens FROM usage WHERE key_id = $1 AND day = $2), 0) AS used,
                coalesce((SELECT sum(tokens) FROM asides
                          WHERE key_id = $1 AND lease_until >= {NOW}), 0)::BIGINT AS aside"
    );
    let taken = change.query_one(&sql, &[&key, &day]).await?;
    let (used, aside): (i64, i64) = (taken.get("used"), taken.get("aside"));
    let fits = used.saturating_add(aside).saturating_add(tokens) <= budget;
    if fits {
        let sql = format!(
            "INSERT INTO asides (key_id, owner, tokens, lease_until) VALUES ($1, $2, $3, {NOW} + $4)
             ON CONFLICT (key_id, owner) DO UPDATE
             SET tokens = excluded.tokens + CASE WHEN asides.lease_until >= {NOW} THEN asides.tokens ELSE 0 END,
                 lease_until = excluded.lease_until"
        );
        change
            .execute(&sql, &[&key, &owner, &tokens, &lease_ms])
            .await?;
        change.commit().await?;
    }
    Ok((fits, unsigned(&taken, "used")))
}

async fn settle(
    client: &mut Client,
    (id, key, owner): (&str, &str, &str),
    [day, aside, used]: [i64; 3],
) -> Result<(), tokio_postgres::Error> {
    let change = client.transaction().await?;
    if !is_new(&change, id).await? {
        return Ok(());
    }
    let freed = "UPDATE asides SET tokens = tokens - $3 WHERE key_id = $1 AND owner = $2";
    change.execute(freed, &[&key, &owner, &aside]).await?;
    let gone = "DELETE FROM asides WHERE key_id = $1 AND owner = $2 AND tokens <= 0";
    change.execute(gone, &[&key, &owner]).await?;
    if used > 0 {
        change.execute(ADD, &[&key, &day, &used]).await?;
    }
    change.commit().await
}

impl Budgets for Postgres {
    fn set_aside(&self, wanted: &Wanted<'_>) -> Result<(bool, u64), Error> {
        let (key, owner) = (wanted.key.to_owned(), wanted.owner.to_owned());
        let numbers = [wanted.day, wanted.tokens, wanted.budget, wanted.lease_ms].map(integer);
        self.run(move |client| {
            Box::pin(async move { set_aside(client, (&key, &owner), numbers).await })
        })
    }

    fn settle(&self, settled: &Settled<'_>) -> Result<(), Error> {
        let charge = settled.charge;
        let names = [charge.id, charge.key, settled.owner].map(str::to_owned);
        let numbers = [charge.day, settled.aside, charge.tokens].map(integer);
        self.run(move |client| {
            Box::pin(async move {
                let [id, key, owner] = &names;
                settle(client, (id, key, owner), numbers).await
            })
        })
    }

    fn renew(&self, owner: &str, keys: Vec<String>, lease_ms: u64) -> Result<(), Error> {
        let (owner, lease_ms) = (owner.to_owned(), integer(lease_ms));
        self.run(move |client| {
            Box::pin(async move {
                let longer = format!(
                    "UPDATE asides SET lease_until = {NOW} + $2 WHERE owner = $1 AND key_id = ANY($3)"
                );
                client.execute(&longer, &[&owner, &lease_ms, &keys]).await?;
                // A server that could not renew for an hour has nothing that runs.
                let old = format!("DELETE FROM asides WHERE lease_until < {NOW} - 3600000");
                client.execute(&old, &[]).await.map(drop)
            })
        })
    }
}
