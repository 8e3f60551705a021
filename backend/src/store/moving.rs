//! Moving everything of one server from its SQLite files to a PostgreSQL database.
//!
//! Batches go first, each with its items in one transaction; what is small, and what opens the door, goes last in a single
//! one, after which the counts of both sides are compared. So a move that was broken off leaves no key behind, and goes on
//! where it was: a finished batch that arrived is not sent again.

use std::path::Path;
use std::str::FromStr as _;

use rusqlite::{Connection, Row};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, GenericClient, NoTls, Transaction};

use super::{Error, Postgres};

/// Any number will do that no other program takes: one move at a time.
const MOVE_LOCK: i64 = 0x736d_6d6f_7665_3031;

/// Why nothing was moved, or not all.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the stores.
    #[error(transparent)]
    Store(#[from] Error),
    /// Somebody writes to the files.
    #[error("the SQLite files are in use; stop the server, then move again")]
    InUse,
    /// Another move runs.
    #[error("another move into this database is under way; wait for its end")]
    UnderWay,
    /// There is something that would be lost or mixed.
    #[error(
        "the database is not empty ({what}); name an empty one, or give --replace to delete what it has"
    )]
    NotEmpty {
        /// What there is.
        what: String,
    },
    /// The copy is not the original.
    #[error(
        "`{table}` has {there} rows in the database and {here} in SQLite; nothing was changed over"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Rows of the original.
        here: i64,
        /// Rows of the copy.
        there: i64,
    },
}

impl From<rusqlite::Error> for MoveError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::InUse
            }
            _ => Self::Store(error.into()),
        }
    }
}

impl From<tokio_postgres::Error> for MoveError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is to become of what the database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// There must be nothing.
    Empty,
    /// It is deleted.
    Replaced,
}

/// A table and its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: i64,
    /// Whether they arrived before, by a move that was broken off.
    pub before: i64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Integer,
    Small,
    Bool,
    Text,
    Bytes,
}
use Kind::{Bool, Bytes, Integer, Small, Text};

/// A table as both sides have it, in the order in which its rows go.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    order: &'static str,
}

const KEYS: [Table; 5] = [
    Table {
        name: "keys",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("scopes", Text),
            ("origins", Text),
            ("tier", Text),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("last_used_at", Integer),
            ("revoked_at", Integer),
            ("safety_off", Text),
        ],
        order: "id",
    },
    Table {
        name: "secrets",
        columns: &[
            ("key_id", Text),
            ("digest", Bytes),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("pepper", Bytes),
        ],
        order: "key_id, digest",
    },
    Table {
        name: "peppers",
        columns: &[("mark", Bytes), ("dropped", Bool)],
        order: "number",
    },
    Table {
        name: "settings",
        columns: &[("name", Text), ("value", Bytes)],
        order: "name",
    },
    Table {
        name: "audit",
        columns: &[
            ("number", Integer),
            ("at", Integer),
            ("actor", Text),
            ("act", Text),
            ("subject", Text),
            ("detail", Text),
            ("sealed_by", Text),
            ("digest", Bytes),
            ("seal", Bytes),
        ],
        order: "number",
    },
];

const USAGE: Table = Table {
    name: "usage",
    columns: &[("key_id", Text), ("day", Integer), ("tokens", Integer)],
    order: "key_id, day",
};

const BATCHES: Table = Table {
    name: "batches",
    columns: &[
        ("id", Text),
        ("key_id", Text),
        ("created_at", Integer),
        ("finished_at", Integer),
        ("cancelled", Bool),
        ("total", Integer),
        ("remaining", Integer),
        ("completed", Integer),
        ("failed", Integer),
        ("prompt_tokens", Integer),
        ("image_tokens", Integer),
        ("completion_tokens", Integer),
        ("served_at", Integer),
        ("idempotency_key", Text),
        ("fingerprint", Bytes),
        ("webhook", Text),
        ("webhook_state", Small),
        ("webhook_attempts", Integer),
        ("webhook_next", Integer),
    ],
    order: "id",
};

const ITEMS: Table = Table {
    name: "items",
    columns: &[
        ("batch_id", Text),
        ("place", Integer),
        ("name", Text),
        ("state", Small),
        ("tries", Integer),
        ("claims", Integer),
        ("owner", Text),
        ("lease_until", Integer),
        ("not_before", Integer),
        ("request", Bytes),
        ("result", Text),
    ],
    order: "place",
};

type Value = Box<dyn ToSql + Sync + Send>;

impl Table {
    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    fn select(&self, condition: &str) -> String {
        let Self { name, order, .. } = self;
        format!(
            "SELECT {} FROM {name} {condition} ORDER BY {order}",
            self.names()
        )
    }

    fn insert(&self) -> String {
        let places: Vec<String> = (1..=self.columns.len())
            .map(|place| format!("${place}"))
            .collect();
        let (name, names) = (self.name, self.names());
        format!(
            "INSERT INTO {name} ({names}) VALUES ({})",
            places.join(", ")
        )
    }

    fn values(&self, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
        let value = |(place, (_, kind)): (usize, &(&str, Kind))| -> rusqlite::Result<Value> {
            Ok(match kind {
                Integer => Box::new(row.get::<_, Option<i64>>(place)?),
                Small => Box::new(row.get::<_, Option<i16>>(place)?),
                Bool => Box::new(row.get::<_, Option<bool>>(place)?),
                Text => Box::new(row.get::<_, Option<String>>(place)?),
                Bytes => Box::new(row.get::<_, Option<Vec<u8>>>(place)?),
            })
        };
        self.columns.iter().enumerate().map(value).collect()
    }

    /// Sends the rows that fit the condition; one at a time is in memory.
    async fn send(
        &self,
        from: &Connection,
        into: &Transaction<'_>,
        condition: (&str, &[&str]),
    ) -> Result<(), MoveError> {
        let statement = into.prepare(&self.insert()).await?;
        let mut select = from.prepare(&self.select(condition.0))?;
        let mut rows = select.query(rusqlite::params_from_iter(condition.1))?;
        while let Some(row) = rows.next()? {
            let values = self.values(row)?;
            let values: Vec<&(dyn ToSql + Sync)> = values
                .iter()
                .map(|value| &**value as &(dyn ToSql + Sync))
                .collect();
            into.execute(&statement, &values).await?;
        }
        Ok(())
    }

    /// Compares the numbers of rows.
    async fn compare(&self, from: &Connection, into: &Transaction<'_>) -> Result<Moved, MoveError> {
        let (table, sql) = (self.name, format!("SELECT count(*) FROM {}", self.name));
        let here: i64 = from.query_row(&sql, [], |row| row.get(0))?;
        let there: i64 = into.query_one(&sql, &[]).await?.get(0);
        if here != there {
            return Err(MoveError::Differs { table, here, there });
        }
        Ok(Moved {
            table,
            rows: here,
            before: 0,
        })
    }
}

/// The files, held so that nobody writes to them meanwhile.
struct Source {
    keys: Connection,
    usage: Connection,
    /// Which server's files they are: the first of its peppers.
    name: Vec<u8>,
}

impl Source {
    fn open(directory: &Path) -> Result<Self, MoveError> {
        let held = |file: &str| -> Result<Connection, MoveError> {
            let connection = Connection::open(directory.join(file))?;
            connection.busy_timeout(super::sqlite::BUSY)?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            Ok(connection)
        };
        let (keys, usage) = (held("keys.sqlite")?, held("usage.sqlite")?);
        let sql = "SELECT mark FROM peppers ORDER BY number LIMIT 1";
        let name = keys.query_row(sql, [], |row| row.get(0))?;
        Ok(Self { keys, usage, name })
    }
}

/// Says how many rows would go, and whether the database would take them. Changes nothing there.
///
/// # Errors
/// As [`to_postgres`], but for what shows only while moving.
pub fn look(directory: &Path, address: &str, target: Target) -> Result<Vec<Moved>, MoveError> {
    let source = Source::open(directory)?;
    block_on(async {
        let client = connect(address).await?;
        let made = "SELECT to_regclass('settings') IS NOT NULL";
        if target == Target::Empty && client.query_one(made, &[]).await?.get::<_, bool>(0) {
            refuse_others(&client, &source.name).await?;
        }
        let count = |from: &Connection, table: &Table| -> Result<Moved, MoveError> {
            let sql = format!("SELECT count(*) FROM {}", table.name);
            Ok(Moved {
                table: table.name,
                rows: from.query_row(&sql, [], |row| row.get(0))?,
                before: 0,
            })
        };
        let keys = KEYS.iter().map(|table| count(&source.keys, table));
        let work = [&BATCHES, &ITEMS, &USAGE].map(|table| count(&source.usage, table));
        keys.chain(work).collect()
    })?
}

/// Moves keys, the audit log, use and batches of the data directory into the database at `address`, whose tables are made
/// when they are missing. `told` hears of every batch: how many have arrived, of how many.
///
/// # Errors
/// When a store does not answer, the files are in use, or the database has something else. Until the end the database has
/// no key: run it again.
pub fn to_postgres(
    directory: &Path,
    address: &str,
    target: Target,
    mut told: impl FnMut(i64, i64),
) -> Result<Vec<Moved>, MoveError> {
    let source = Source::open(directory)?;
    drop(Postgres::open(address)?);
    block_on(async {
        let mut client = connect(address).await?;
        let lock = "SELECT pg_try_advisory_lock($1)";
        if !client
            .query_one(lock, &[&MOVE_LOCK])
            .await?
            .get::<_, bool>(0)
        {
            return Err(MoveError::UnderWay);
        }
        match target {
            Target::Empty => refuse_others(&client, &source.name).await?,
            // Once begun, it goes on as any other.
            Target::Replaced if is_ours(&client, &source.name).await? => {}
            Target::Replaced => clear(&mut client).await?,
        }
        let sql = "INSERT INTO settings (name, value) VALUES ('moving', $1) ON CONFLICT DO NOTHING";
        client.execute(sql, &[&source.name]).await?;
        let before = move_batches(&source.usage, &mut client, &mut told).await?;
        let mut moved = finish(&source, &mut client).await?;
        for moved in &mut moved {
            if moved.table == BATCHES.name {
                moved.before = before;
            }
        }
        Ok(moved)
    })?
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, MoveError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Unreachable(error.to_string()))?;
    Ok(runtime.block_on(work))
}

/// A connection without the bounds of a server's: a large batch may take its time.
async fn connect(address: &str) -> Result<Client, MoveError> {
    let config = Config::from_str(address)?;
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        // Whoever uses the client is told; its statements fail.
        let _ = connection.await;
    });
    Ok(client)
}

/// Whether a move of these files was begun here and did not end.
async fn is_ours(client: &impl GenericClient, name: &[u8]) -> Result<bool, MoveError> {
    let sql = "SELECT 1 FROM settings WHERE name = 'moving' AND value = $1";
    Ok(client.query_opt(sql, &[&name]).await?.is_some())
}

/// Whether there is nothing but what a move of the same files left.
async fn refuse_others(client: &impl GenericClient, name: &[u8]) -> Result<(), MoveError> {
    let ours = is_ours(client, name).await?;
    let mut what = Vec::new();
    for table in ["keys", "audit", "usage", "batches"] {
        if ours && table == BATCHES.name {
            continue;
        }
        let sql = format!("SELECT count(*) FROM {table}");
        let rows: i64 = client.query_one(&sql, &[]).await?.get(0);
        if rows > 0 {
            what.push(format!("{table}: {rows}"));
        }
    }
    let what = what.join(", ");
    if what.is_empty() {
        Ok(())
    } else {
        Err(MoveError::NotEmpty { what })
    }
}

async fn clear(client: &mut Client) -> Result<(), MoveError> {
    let change = client.transaction().await?;
    change
        .batch_execute(
            "ALTER TABLE audit DISABLE TRIGGER audit_is_append_only;
             TRUNCATE keys, secrets, peppers, settings, audit, usage, batches, items RESTART IDENTITY;
             ALTER TABLE audit ENABLE TRIGGER audit_is_append_only;
             INSERT INTO settings (name, value) VALUES ('audit_head', '');
             UPDATE key_changes SET count = count + 1;",
        )
        .await?;
    Ok(change.commit().await?)
}

/// Sends every batch that is not there as it is; how many were.
async fn move_batches(
    from: &Connection,
    client: &mut Client,
    told: &mut impl FnMut(i64, i64),
) -> Result<i64, MoveError> {
    let ids: Vec<String> = from
        .prepare("SELECT id FROM batches ORDER BY id")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (all, mut before) = (i64::try_from(ids.len()).unwrap_or(i64::MAX), 0);
    for (place, id) in (1..).zip(&ids) {
        if arrived(from, client, id).await? {
            before += 1;
        } else {
            let change = client.transaction().await?;
            change
                .execute("DELETE FROM batches WHERE id = $1", &[id])
                .await?;
            let id = &[id.as_str()];
            let sent = BATCHES.send(from, &change, ("WHERE id = ?1", id));
            sent.await?;
            let sent = ITEMS.send(from, &change, ("WHERE batch_id = ?1", id));
            sent.await?;
            change.commit().await?;
        }
        told(place, all);
    }
    // Batches that were over and forgotten since a move that was broken off.
    client
        .execute("DELETE FROM batches WHERE NOT (id = ANY($1))", &[&ids])
        .await?;
    Ok(before)
}

/// Whether a batch is there and will not change any more.
async fn arrived(from: &Connection, client: &Client, id: &str) -> Result<bool, MoveError> {
    const STATE: &str = "SELECT finished_at, webhook_state, webhook_attempts, completed, failed,
                         (SELECT count(*) FROM items WHERE batch_id = b.id)
                         FROM batches b WHERE id = ";
    let here = from.query_row(&format!("{STATE}?1"), [id], |row| {
        let numbers = (2..6).map(|place| row.get::<_, i64>(place));
        let numbers: Vec<i64> = numbers.collect::<Result<_, _>>()?;
        Ok((
            row.get::<_, Option<i64>>(0)?,
            row.get::<_, i16>(1)?,
            numbers,
        ))
    })?;
    let there = client.query_opt(&format!("{STATE}$1"), &[&id]).await?;
    let there = there.map(|row| {
        let numbers = (2..6).map(|place| row.get::<_, i64>(place)).collect();
        (row.get::<_, Option<i64>>(0), row.get::<_, i16>(1), numbers)
    });
    Ok(here.0.is_some() && Some(here) == there)
}

/// Sends the rest, compares, and so opens the door.
async fn finish(source: &Source, client: &mut Client) -> Result<Vec<Moved>, MoveError> {
    let change = client.transaction().await?;
    change
        .batch_execute(
            "LOCK TABLE keys, settings, peppers, audit, usage, batches IN EXCLUSIVE MODE",
        )
        .await?;
    // A server that was started too early made a key, and perhaps gave it to somebody.
    refuse_others(&change, &source.name).await?;
    change
        .batch_execute("DELETE FROM settings; DELETE FROM peppers;")
        .await?;
    let mut moved = Vec::new();
    for table in &KEYS {
        table.send(&source.keys, &change, ("", &[])).await?;
        moved.push(table.compare(&source.keys, &change).await?);
    }
    USAGE.send(&source.usage, &change, ("", &[])).await?;
    for table in [&USAGE, &BATCHES, &ITEMS] {
        moved.push(table.compare(&source.usage, &change).await?);
    }
    change
        .batch_execute(
            "SELECT setval('turns', (SELECT coalesce(max(served_at), 0) + 1 FROM batches));
             UPDATE key_changes SET count = count + 1;",
        )
        .await?;
    change.commit().await?;
    Ok(moved)
}
