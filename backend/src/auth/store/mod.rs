//! Where keys are kept: in a file for one server, in a database for several.

mod postgres;
mod sqlite;

use std::fmt::Debug;

use api::Safety;

pub(super) use postgres::PostgresStore;
pub(super) use sqlite::{NEWEST, SqliteStore};

use super::Error;
use super::audit::{Entry, Note};
use super::key::Digest;
use super::keys::KeyRecord;

/// A key with what is known of its secrets.
#[derive(Debug, Clone)]
pub(super) struct StoredKey {
    pub(super) record: KeyRecord,
    pub(super) secrets: Vec<StoredSecret>,
}

/// What is turned off of a key's [`Safety`], as the stores keep it: words, so that a later version may add some.
pub(super) fn safety_off(safety: Safety) -> String {
    let off = [
        (safety.mask_numbers, UNMASKED),
        (safety.moderate, UNMODERATED),
    ];
    let words = off.into_iter().filter(|(on, _)| !on).map(|(_, word)| word);
    words.collect::<Vec<_>>().join(" ")
}

/// [`safety_off`] back. A word that this version does not know turns nothing off.
pub(super) fn safety(off: &str) -> Safety {
    let is_off = |word: &str| off.split(' ').any(|known| known == word);
    Safety {
        mask_numbers: !is_off(UNMASKED),
        moderate: !is_off(UNMODERATED),
    }
}

const UNMASKED: &str = "unmasked";
const UNMODERATED: &str = "unmoderated";

/// One secret. A key has one, and for a while after a rotation two.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredSecret {
    pub(super) digest: Digest,
    /// Unix time in milliseconds from which it no longer works.
    pub(super) expires_at: Option<u64>,
}

/// Where a new key may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Anywhere,
}

/// A store of keys. Every change is whole or not at all, and on disk when the call returns; its note is in the audit log
/// exactly when the change was made.
pub(super) trait Store: Debug + Send + Sync {
    /// The key with this public id.
    fn find(&self, id: &str) -> Result<Option<StoredKey>, Error>;
    /// Every key, newest first.
    fn list(&self) -> Result<Vec<KeyRecord>, Error>;
    /// Adds a key. With [`Place::First`], only when there is none yet; false when there was one.
    fn insert(
        &self,
        record: &KeyRecord,
        digest: &Digest,
        place: Place,
        note: &Note,
    ) -> Result<bool, Error>;
    /// Writes the fields that an operator may change; false when there is no such key.
    fn update(&self, record: &KeyRecord, note: &Note) -> Result<bool, Error>;
    /// Adds a secret, and ends the others at `others_until` at the latest. Secrets that are over by the note's time are
    /// forgotten.
    fn rotate(
        &self,
        id: &str,
        digest: &Digest,
        others_until: u64,
        note: &Note,
    ) -> Result<(), Error>;
    /// Begins the audit log, unless it was begun.
    fn begin_log(&self, note: &Note) -> Result<(), Error>;
    /// Entries of the audit log, in order, after the one with this number.
    fn entries(&self, after: u64, most: u32) -> Result<Vec<Entry>, Error>;
    /// The sealed head of the audit log; empty when it is missing or not begun.
    fn head(&self) -> Result<Vec<u8>, Error>;
    /// Writes when each key was last used.
    fn touch(&self, uses: &[(String, u64)]) -> Result<(), Error>;
    /// A number that changes whenever someone changed the store.
    fn version(&self) -> Result<i64, Error>;
    /// Remembers a mark of the pepper on first use and tells whether this is the one that keys were hashed with.
    fn same_pepper(&self, mark: &Digest) -> Result<bool, Error>;
}
