//! What was used and what is to be done: the ledger of tokens and the batches, in one database, so that a result and its
//! cost are written together or not at all.
//!
//! Calls block: make them where blocking is allowed. Times are Unix times in milliseconds, days are counted from 1970.

pub mod moving;
mod postgres;
mod sqlite;

use std::fmt::Debug;
use std::sync::Arc;

use api::{Code, TokenUsage};

pub use self::postgres::Postgres;
pub(crate) use self::postgres::{integer, unsigned};
pub use self::sqlite::SqliteWork;
use crate::config::Config;
use crate::refusal::Refusal;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite's word.
    #[error("the store does not answer")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL's word.
    #[error("the database does not answer")]
    Postgres(#[from] tokio_postgres::Error),
    /// Nobody answered.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The store was written by a newer version.
    #[error(
        "the store has form {found}, which this version does not know (it knows {known}); use a newer version"
    )]
    TooNew {
        /// What the store says.
        found: i64,
        /// What we know.
        known: i64,
    },
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        tracing::error!(cause = ?error, "the store of use and batches does not answer");
        Self::new(
            Code::StoreUnavailable,
            "The store of use and batches does not answer; try again shortly.",
        )
        .retry_after(std::time::Duration::from_secs(1))
    }
}

/// The store of this configuration: PostgreSQL when it names one, else a file of the data directory.
///
/// # Errors
/// When it cannot be opened.
pub fn open(config: &Config) -> Result<Arc<dyn Work>, Error> {
    Ok(match &config.store.postgres {
        Some(address) => Arc::new(Postgres::open(address.expose())?),
        None => Arc::new(SqliteWork::open(&config.data_dir.join("usage.sqlite"))?),
    })
}

/// Where an item stands. The numbers are those of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum ItemState {
    /// Nobody has taken it.
    Waiting = 0,
    /// A server works on it, and renews its lease.
    Running = 1,
    /// It has a summary.
    Completed = 2,
    /// It has a problem.
    Failed = 3,
    /// It was given up.
    Cancelled = 4,
}

impl ItemState {
    fn of(number: i16) -> Self {
        match number {
            0 => Self::Waiting,
            1 => Self::Running,
            2 => Self::Completed,
            3 => Self::Failed,
            _ => Self::Cancelled,
        }
    }
}

/// Where a webhook stands. The numbers are those of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum HookState {
    /// To be told.
    Pending = 0,
    /// Told.
    Delivered = 1,
    /// Given up.
    Failed = 2,
}

impl HookState {
    fn of(number: i16) -> Self {
        match number {
            0 => Self::Pending,
            1 => Self::Delivered,
            _ => Self::Failed,
        }
    }
}

/// A batch to be kept.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its name; later ones sort after earlier ones.
    pub id: String,
    /// Whose it is.
    pub key: String,
    /// When it came.
    pub created_at: u64,
    /// The hash of the caller's idempotency key, and the fingerprint of its request.
    pub idempotency: Option<(String, [u8; 32])>,
    /// Whom to tell.
    pub webhook: Option<String>,
    /// The caller's names and the requests as JSON, in order.
    pub items: Vec<(String, Vec<u8>)>,
}

/// What became of a new batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It is in the store.
    New,
    /// The idempotency key has this batch already.
    Known(String),
    /// The idempotency key belongs to another request.
    Mismatch,
    /// So many items of the key wait that these are too many.
    Full,
}

/// A batch as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRow {
    /// Its name.
    pub id: String,
    /// Whose it is.
    pub key: String,
    /// When it came.
    pub created_at: u64,
    /// When its last item was done.
    pub finished_at: Option<u64>,
    /// Whether its caller gave it up.
    pub cancelled: bool,
    /// Items.
    pub total: u32,
    /// Items that are not done.
    pub left: u32,
    /// Items with a summary.
    pub completed: u32,
    /// Items with a problem.
    pub failed: u32,
    /// Tokens of items that are done.
    pub usage: TokenUsage,
    /// Whom to tell, whether that was done, and how often it was tried.
    pub webhook: Option<(String, HookState, u32)>,
}

/// An item's batch and its place there.
pub type Place = (String, u32);

/// An item that this server may work on, until its lease is over.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its batch.
    pub batch: String,
    /// Its place.
    pub index: u32,
    /// Who pays.
    pub key: String,
    /// The request as JSON.
    pub request: Vec<u8>,
    /// How often an engine has tried it.
    pub tries: u32,
    /// How often a server has taken it, this time included.
    pub claims: u32,
}

/// What a key used in a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// Whose it is.
    pub key: String,
    /// Days since 1970.
    pub day: u64,
    /// Engine tokens.
    pub tokens: u64,
}

/// How an item ended.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its batch.
    pub batch: String,
    /// Its place.
    pub index: u32,
    /// [`ItemState::Completed`] or [`ItemState::Failed`].
    pub state: ItemState,
    /// The summary or the problem as JSON.
    pub result: String,
    /// What it cost.
    pub usage: TokenUsage,
    /// When.
    pub at: u64,
    /// Who pays.
    pub key: String,
}

/// An item's end as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRow {
    /// Its place.
    pub index: u32,
    /// The caller's name for it.
    pub id: String,
    /// How it ended.
    pub state: ItemState,
    /// The summary or the problem as JSON; none when it was given up.
    pub result: Option<String>,
}

/// What cancelling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It ran, and now it does not.
    Now,
    /// It was over before.
    Before,
    /// There is no such batch.
    Unknown,
}

/// A store of use and batches. Every change is whole or not at all, and survives the process when the call returns.
pub trait Work: Debug + Send + Sync {
    /// Tokens that a key has used in a day.
    fn used(&self, key: &str, day: u64) -> Result<u64, Error>;
    /// Adds tokens to a key's day, once however often it is told.
    fn add(&self, charge: &Charge<'_>) -> Result<(), Error>;
    /// Forgets the days before `day`.
    fn forget_days(&self, day: u64) -> Result<(), Error>;

    /// What was used from the day `from` on: rows after that key and day, in order of both.
    fn days(&self, from: u64, after: (&str, u64), most: u32) -> Result<Vec<DayRow>, Error>;

    /// Keeps a batch, unless more than `most` items of its key would wait.
    fn insert(&self, batch: &NewBatch, most: u64) -> Result<Kept, Error>;
    /// A batch.
    fn batch(&self, id: &str) -> Result<Option<BatchRow>, Error>;
    /// A key's batches, newest first, older than `before`.
    fn batches(&self, key: &str, before: Option<&str>, most: u32) -> Result<Vec<BatchRow>, Error>;
    /// Batches that are not finished, of every key, oldest first.
    fn unfinished(&self, most: u32) -> Result<Vec<BatchRow>, Error>;
    /// Items that are done, in order, from `from` on.
    fn results(&self, batch: &str, from: u32, most: u32) -> Result<Vec<ItemRow>, Error>;
    /// Gives up what is not done.
    fn cancel(&self, batch: &str, now: u64) -> Result<Cancelled, Error>;
    /// Removes a batch and its results.
    fn remove(&self, batch: &str) -> Result<(), Error>;
    /// Removes what ended before `before`; gives how many batches.
    fn expire(&self, before: u64) -> Result<u64, Error>;

    /// The time by which leases and waits are told, a Unix time in milliseconds: the database's where servers share it, since
    /// their clocks differ; `ours` where a store is one server's.
    fn time(&self, ours: u64) -> Result<u64, Error>;
    /// Takes the next item for `owner`: the keys take turns, and within a batch items go in order.
    fn claim(&self, owner: &str, now: u64, lease_until: u64) -> Result<Option<Claimed>, Error>;
    /// Makes the leases of `owner` on `running` longer; gives those that are still its own. What it took without hearing of
    /// it is not among them, and goes to whoever is next when its lease is over.
    fn renew(&self, owner: &str, running: &[Place], lease_until: u64) -> Result<Vec<Place>, Error>;
    /// Makes items whose lease is over wait again. `all`: whatever their lease says, when no other server shares this store.
    fn reclaim(&self, now: u64, all: bool) -> Result<u64, Error>;
    /// Puts an item back, not to be taken before `not_before`.
    fn release(
        &self,
        item: &Claimed,
        owner: &str,
        not_before: u64,
        tried: bool,
    ) -> Result<(), Error>;
    /// Keeps an item's end and its cost; false when the item is no longer the owner's, and then nothing is kept.
    fn complete(&self, done: &Done, owner: &str) -> Result<bool, Error>;

    /// Takes a webhook that is due; the next try is not before `next`.
    fn claim_hook(&self, now: u64, next: u64) -> Result<Option<BatchRow>, Error>;
    /// Notes how a try ended, and when the next is due.
    fn note_hook(&self, batch: &str, state: HookState, next: u64) -> Result<(), Error>;

    /// What servers set aside of budgets; none where a store is one server's.
    fn budgets(&self) -> Option<&dyn Budgets>;

    /// Whether several servers may work on this store at once.
    fn is_shared(&self) -> bool {
        self.budgets().is_some()
    }
}

/// Tokens that a key used in a day.
#[derive(Debug, Clone, Copy)]
pub struct Charge<'a> {
    /// Its own name. The database may have counted it and the answer may be lost: told again under the same name it is not
    /// counted again.
    pub id: &'a str,
    /// Who pays.
    pub key: &'a str,
    /// Of which day.
    pub day: u64,
    /// How many; none for what was set aside and not used.
    pub tokens: u64,
}

/// What servers that share a store set aside of a key's budget for requests that run. Leases are for servers that are
/// killed, and are told by the database's clock: those of servers differ.
pub trait Budgets: Debug + Send + Sync {
    /// Sets tokens aside if the budget has them; whether it had, and the tokens that were used before.
    fn set_aside(&self, wanted: &Wanted<'_>) -> Result<(bool, u64), Error>;
    /// Frees tokens that were set aside and adds those that were used, in one step, and once however often it is told.
    fn settle(&self, settled: &Settled<'_>) -> Result<(), Error>;
    /// Makes the leases of `owner` on these keys last `lease_ms` from now.
    fn renew(&self, owner: &str, keys: Vec<String>, lease_ms: u64) -> Result<(), Error>;
}

/// Tokens that are to be set aside.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose budget.
    pub key: &'a str,
    /// Of which day.
    pub day: u64,
    /// Which server.
    pub owner: &'a str,
    /// How many.
    pub tokens: u64,
    /// The most that may be used and set aside together.
    pub budget: u64,
    /// For how long, unless renewed. What is under a lease that is over does not count.
    pub lease_ms: u64,
}

/// Tokens that are no longer set aside.
#[derive(Debug, Clone, Copy)]
pub struct Settled<'a> {
    /// Whose budget, and what was used of it.
    pub charge: Charge<'a>,
    /// Which server.
    pub owner: &'a str,
    /// How many were set aside.
    pub aside: u64,
}

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// All tokens of a use.
#[must_use]
pub fn tokens(usage: TokenUsage) -> u64 {
    u64::from(usage.prompt_tokens)
        + u64::from(usage.image_tokens)
        + u64::from(usage.completion_tokens)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn batch(id: &str, key: &str, items: usize) -> NewBatch {
        NewBatch {
            id: id.to_owned(),
            key: key.to_owned(),
            created_at: 1,
            idempotency: None,
            webhook: None,
            items: (0..items)
                .map(|place| (format!("item {place}"), b"{}".to_vec()))
                .collect(),
        }
    }

    fn done(item: &Claimed, state: ItemState) -> Done {
        Done {
            batch: item.batch.clone(),
            index: item.index,
            state,
            result: "{}".to_owned(),
            usage: TokenUsage {
                prompt_tokens: 10,
                image_tokens: 0,
                completion_tokens: 1,
            },
            at: 5 * DAY_MS,
            key: item.key.clone(),
        }
    }

    /// What every store must do, on an empty one.
    pub(crate) fn check_rules(store: &dyn Work) {
        ledger(store);
        turns_and_ends(store);
        leases(store);
        cancelling(store);
        idempotency(store);
        webhooks(store);
    }

    fn ledger(store: &dyn Work) {
        let add = |id: &str, key: &str, day, tokens| {
            let charge = Charge {
                id,
                key,
                day,
                tokens,
            };
            store.add(&charge).unwrap();
        };
        add("1", "ledger", 3, 5);
        add("2", "ledger", 3, 6);
        add("3", "ledger", 4, 1);
        assert_eq!(store.used("ledger", 3).unwrap(), 11);
        let row = |key: &str, day, tokens| DayRow {
            key: key.to_owned(),
            day,
            tokens,
        };
        add("4", "aside", 4, 2);
        let (all, late) = (store.days(3, ("", 0), 9), store.days(4, ("", 0), 9));
        let rows = [
            row("aside", 4, 2),
            row("ledger", 3, 11),
            row("ledger", 4, 1),
        ];
        assert_eq!(all.unwrap(), rows);
        assert_eq!(late.unwrap(), [row("aside", 4, 2), row("ledger", 4, 1)]);
        assert_eq!(store.days(3, ("aside", 4), 1).unwrap(), [rows[1].clone()]);
        assert_eq!(store.days(3, ("ledger", 3), 9).unwrap(), [rows[2].clone()]);
        store.forget_days(4).unwrap();
        assert_eq!(
            (
                store.used("ledger", 3).unwrap(),
                store.used("ledger", 4).unwrap()
            ),
            (0, 1)
        );
    }

    fn turns_and_ends(store: &dyn Work) {
        assert_eq!(store.insert(&batch("b1", "one", 3), 4).unwrap(), Kept::New);
        assert_eq!(store.insert(&batch("b2", "one", 2), 4).unwrap(), Kept::Full);
        assert_eq!(store.insert(&batch("b2", "two", 2), 4).unwrap(), Kept::New);
        let mut claimed = Vec::new();
        while let Some(item) = store.claim("me", 10, 100).unwrap() {
            claimed.push(item);
        }
        let open = store.unfinished(1).unwrap();
        assert_eq!(
            (open.len(), open[0].id.as_str(), open[0].left),
            (1, "b1", 3)
        );
        assert_eq!(store.unfinished(9).unwrap().len(), 2);
        let order: Vec<_> = claimed
            .iter()
            .map(|item| (item.key.as_str(), item.index))
            .collect();
        assert_eq!(
            order,
            [("one", 0), ("two", 0), ("one", 1), ("two", 1), ("one", 2)]
        );
        for item in &claimed {
            assert!(
                store
                    .complete(&done(item, ItemState::Completed), "me")
                    .unwrap()
            );
            assert!(
                !store
                    .complete(&done(item, ItemState::Failed), "me")
                    .unwrap(),
                "once only"
            );
        }
        assert!(store.unfinished(9).unwrap().is_empty());
        let row = store.batch("b1").unwrap().unwrap();
        assert_eq!(
            (row.left, row.completed, row.finished_at),
            (0, 3, Some(5 * DAY_MS))
        );
        assert_eq!(tokens(row.usage), 33);
        assert_eq!(
            store.used("one", 5).unwrap(),
            33,
            "the ledger is written with the result"
        );
        let places: Vec<_> = store
            .results("b1", 1, 10)
            .unwrap()
            .iter()
            .map(|item| item.index)
            .collect();
        assert_eq!(places, [1, 2]);
        assert_eq!(store.expire(5 * DAY_MS + 1).unwrap(), 2);
        assert!(
            store.batch("b1").unwrap().is_none() && store.results("b1", 0, 10).unwrap().is_empty()
        );
    }

    fn leases(store: &dyn Work) {
        let shared = store.time(7).unwrap() > 1_700_000_000_000;
        assert_eq!(shared, store.is_shared());
        assert!(shared || store.time(7).unwrap() == 7);
        store.insert(&batch("b3", "one", 1), 10).unwrap();
        let item = store.claim("dead", 10, 100).unwrap().unwrap();
        assert!(store.claim("me", 10, 100).unwrap().is_none(), "one has it");
        let running = [("b3".to_owned(), 0)];
        assert_eq!(store.renew("dead", &running, 200).unwrap(), running);
        assert!(store.renew("dead", &[], 200).unwrap().is_empty());
        assert_eq!(
            store.reclaim(150, false).unwrap(),
            0,
            "its lease was renewed"
        );
        assert_eq!(store.reclaim(201, false).unwrap(), 1);
        let again = store.claim("me", 201, 300).unwrap().unwrap();
        assert_eq!((again.claims, again.tries), (2, 0));
        assert!(
            !store
                .complete(&done(&item, ItemState::Completed), "dead")
                .unwrap()
        );
        assert!(store.renew("dead", &running, 400).unwrap().is_empty());
        store.release(&again, "me", 500, true).unwrap();
        assert!(
            store.claim("me", 499, 600).unwrap().is_none(),
            "not before its time"
        );
        let again = store.claim("me", 500, 600).unwrap().unwrap();
        assert_eq!(again.tries, 1);
        assert!(
            store
                .complete(&done(&again, ItemState::Failed), "me")
                .unwrap()
        );
        assert_eq!(store.batch("b3").unwrap().unwrap().failed, 1);
        store.remove("b3").unwrap();
    }

    fn cancelling(store: &dyn Work) {
        store.insert(&batch("b4", "one", 3), 10).unwrap();
        let first = store.claim("me", 10, 100).unwrap().unwrap();
        store
            .complete(&done(&first, ItemState::Completed), "me")
            .unwrap();
        let running = store.claim("me", 10, 100).unwrap().unwrap();
        assert_eq!(store.cancel("b4", 50).unwrap(), Cancelled::Now);
        assert!(
            !store
                .complete(&done(&running, ItemState::Completed), "me")
                .unwrap()
        );
        assert!(store.claim("me", 60, 100).unwrap().is_none());
        let row = store.batch("b4").unwrap().unwrap();
        assert_eq!(
            (row.cancelled, row.completed, row.left, row.finished_at),
            (true, 1, 0, Some(50))
        );
        let states: Vec<_> = store
            .results("b4", 0, 10)
            .unwrap()
            .iter()
            .map(|item| item.state)
            .collect();
        assert_eq!(
            states,
            [
                ItemState::Completed,
                ItemState::Cancelled,
                ItemState::Cancelled
            ]
        );
        assert_eq!(store.cancel("b4", 60).unwrap(), Cancelled::Before);
        assert_eq!(store.cancel("nobody", 60).unwrap(), Cancelled::Unknown);
        store.remove("b4").unwrap();
    }

    fn idempotency(store: &dyn Work) {
        let named = |id: &str, key: &str, print: u8| NewBatch {
            idempotency: Some(("again".to_owned(), [print; 32])),
            ..batch(id, key, 1)
        };
        assert_eq!(store.insert(&named("b5", "one", 1), 10).unwrap(), Kept::New);
        assert_eq!(
            store.insert(&named("b6", "one", 1), 10).unwrap(),
            Kept::Known("b5".to_owned())
        );
        assert_eq!(
            store.insert(&named("b6", "one", 2), 10).unwrap(),
            Kept::Mismatch
        );
        assert_eq!(store.insert(&named("b6", "two", 2), 10).unwrap(), Kept::New);
        let listed = |before| -> Vec<String> {
            store
                .batches("one", before, 10)
                .unwrap()
                .into_iter()
                .map(|row| row.id)
                .collect()
        };
        assert_eq!(listed(None), ["b5"]);
        assert!(listed(Some("b5")).is_empty());
        store.remove("b5").unwrap();
        store.remove("b6").unwrap();
    }

    fn webhooks(store: &dyn Work) {
        let told = NewBatch {
            webhook: Some("https://blog.example/told".to_owned()),
            ..batch("b7", "one", 1)
        };
        store.insert(&told, 10).unwrap();
        assert!(
            store.claim_hook(10, 20).unwrap().is_none(),
            "it is not finished"
        );
        store.cancel("b7", 10).unwrap();
        let row = store.claim_hook(10, 20).unwrap().unwrap();
        assert_eq!(
            row.webhook,
            Some((told.webhook.unwrap(), HookState::Pending, 1))
        );
        assert!(
            store.claim_hook(19, 30).unwrap().is_none(),
            "another has it"
        );
        assert_eq!(
            store
                .claim_hook(20, 30)
                .unwrap()
                .unwrap()
                .webhook
                .unwrap()
                .2,
            2
        );
        store.note_hook("b7", HookState::Delivered, 0).unwrap();
        assert!(store.claim_hook(1000, 2000).unwrap().is_none());
        store.remove("b7").unwrap();
    }
}
