//! Where keys are kept: in a file for one server, in a database for several.

mod postgres;
mod sqlite;

use std::fmt::Debug;

use api::Safety;

pub(super) use postgres::PostgresStore;
pub(super) use sqlite::{NEWEST, SqliteStore};

use super::Error;
use super::audit::{Entry, Note};
use super::key::{Digest, Hashed};
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
    /// The mark of the pepper that it was hashed with; unknown where a version without this field wrote it.
    pub(super) pepper: Option<Digest>,
    /// Unix time in milliseconds from which it no longer works.
    pub(super) expires_at: Option<u64>,
}

/// A pepper that the store has known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownPepper {
    pub(super) mark: Digest,
    /// Whether it is on record that no server has it any more.
    pub(super) dropped: bool,
}

/// A secret that was seen and is to be hashed with the newest pepper.
#[derive(Debug, Clone)]
pub(super) struct Rehash {
    pub(super) id: String,
    pub(super) old: Digest,
    pub(super) new: Hashed,
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
        hashed: &Hashed,
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
        hashed: &Hashed,
        others_until: u64,
        note: &Note,
    ) -> Result<(), Error>;
    /// Begins the audit log, unless it was begun.
    fn begin_log(&self, note: &Note) -> Result<(), Error>;
    /// Writes an entry about something that changes no key.
    fn append(&self, note: &Note) -> Result<(), Error>;
    /// Entries of the audit log, in order, after the one with this number.
    fn entries(&self, after: u64, most: u32) -> Result<Vec<Entry>, Error>;
    /// The sealed head of the audit log; empty when it is missing or not begun.
    fn head(&self) -> Result<Vec<u8>, Error>;
    /// Writes when each key was last used.
    fn touch(&self, uses: &[(String, u64)]) -> Result<(), Error>;
    /// A number that changes whenever someone changed the store.
    fn version(&self) -> Result<i64, Error>;
    /// Every pepper that was ever in use, oldest first: the last is the one that secrets are hashed with. A store without
    /// any takes this one.
    fn peppers(&self, first: &Digest) -> Result<Vec<KnownPepper>, Error>;
    /// Makes a pepper the newest, when `before` still is and the store never had it; false when not.
    fn bring_in(&self, mark: &Digest, before: &Digest, note: &Note) -> Result<bool, Error>;
    /// Puts on record that a pepper is no longer had; false when it was.
    fn drop_pepper(&self, mark: &Digest, note: &Note) -> Result<bool, Error>;
    /// Hashes of keys that work at `now` which are not of this pepper: the key's id, and the mark where it is known.
    fn hashed_otherwise(
        &self,
        mark: &Digest,
        now: u64,
    ) -> Result<Vec<(String, Option<Digest>)>, Error>;
    /// Replaces a digest, when its pepper is still the newest and nobody was quicker; false when not.
    fn rehash(&self, change: &Rehash, note: &Note) -> Result<bool, Error>;
}
