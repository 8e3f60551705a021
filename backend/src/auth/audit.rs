//! The audit log: what was done to keys, when and by whom, so that nobody can change what it says unnoticed.
//!
//! Each entry has a digest, SHA-256 over its fields and the digest of the entry before, and a seal, HMAC-SHA-256 of that
//! digest under a key made from the pepper. So the newest seal vouches for all that stands before it, whatever pepper
//! the older entries were sealed with. The head, sealed too, names the newest entry: without it the end of the log could
//! be cut off. Who restores an older head together with the older log is found by a head that was noted elsewhere.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::Error;
use super::key::{Digest, Pepper};

/// Bytes of a head: number, digest, seal.
const HEAD_BYTES: usize = 8 + 32 + 32;
/// A name of the command line's user is cut here, in characters.
const MAX_USER: usize = 64;

/// Who does something to keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody at the command line, by the name that the machine gave.
    CommandLine(String),
    /// Whoever holds this API key, over HTTP.
    Key(String),
    /// The server by itself.
    Server,
}

impl Actor {
    fn text(&self) -> String {
        match self {
            Self::CommandLine(user) => {
                let user = user.chars().filter(|character| !character.is_control());
                format!("user {}", user.take(MAX_USER).collect::<String>())
            }
            Self::Key(id) => format!("key {id}"),
            Self::Server => "server".to_owned(),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    LogBegun,
    KeyCreated,
    KeyChanged,
    KeyRotated,
    KeyRevoked,
    KeyRehashed,
    PepperBroughtIn,
    PepperDropped,
    SessionBegun,
    SessionEnded,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::LogBegun => "log_begun",
            Self::KeyCreated => "key_created",
            Self::KeyChanged => "key_changed",
            Self::KeyRotated => "key_rotated",
            Self::KeyRevoked => "key_revoked",
            Self::KeyRehashed => "key_rehashed",
            Self::PepperBroughtIn => "pepper_brought_in",
            Self::PepperDropped => "pepper_dropped",
            Self::SessionBegun => "session_begun",
            Self::SessionEnded => "session_ended",
        }
    }
}

/// One entry. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// From 1 on, without a gap.
    pub number: u64,
    /// Unix time in milliseconds.
    pub at: u64,
    /// `user NAME`, `key ID` or `server`.
    pub actor: String,
    /// `log_begun`, `key_created`, `key_changed`, `key_rotated`, `key_revoked`, `key_rehashed`, `pepper_brought_in`,
    /// `pepper_dropped`, `session_begun` or `session_ended`.
    pub act: String,
    /// The key's public part; empty where it is about no key.
    pub subject: String,
    /// What was set, as a JSON object.
    pub detail: String,
    /// Which pepper the seal was made with.
    pub sealed_by: String,
    /// SHA-256 over the fields above and the digest of the entry before.
    pub digest: [u8; 32],
    /// HMAC-SHA-256 of the digest.
    pub seal: [u8; 32],
}

impl Entry {
    /// What was set. What somebody broke need not be JSON any more, and is a text then.
    #[must_use]
    pub fn read_detail(&self) -> serde_json::Value {
        serde_json::from_str(&self.detail)
            .unwrap_or_else(|_| serde_json::Value::String(self.detail.clone()))
    }

    fn digest_after(&self, before: &Digest) -> Digest {
        let mut hash = Sha256::new();
        hash.update(b"smart-summary audit 1\n");
        hash.update(before);
        hash.update(self.number.to_be_bytes());
        hash.update(self.at.to_be_bytes());
        for text in [
            &self.actor,
            &self.act,
            &self.subject,
            &self.detail,
            &self.sealed_by,
        ] {
            // Lengths, so that no letter can move from one field to the next.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }
}

/// What seals entries: made from a pepper, which cannot be computed from it.
#[derive(Clone)]
pub(super) struct Sealer {
    key: Hmac<Sha256>,
    name: String,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealer({})", self.name)
    }
}

impl Sealer {
    pub(super) fn new(pepper: &Pepper) -> Result<Self, Error> {
        let key = Hmac::<Sha256>::new_from_slice(pepper.audit_key().as_slice())
            .map_err(|_| Error::Conflict("the key of the audit log has no valid length"))?;
        let name = key.clone().chain_update(b"name").finalize().into_bytes();
        Ok(Self {
            key,
            name: hex(name.get(..8).unwrap_or_default()),
        })
    }

    fn seal(&self, digest: &Digest) -> Hmac<Sha256> {
        self.key.clone().chain_update(b"entry").chain_update(digest)
    }

    fn seal_head(&self, number: u64, digest: &Digest) -> Hmac<Sha256> {
        let mac = self.key.clone().chain_update(b"head");
        mac.chain_update(number.to_be_bytes()).chain_update(digest)
    }
}

/// An act on its way to the store, which seals it in the transaction that does it.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) at: u64,
    pub(super) actor: Actor,
    pub(super) act: Act,
    pub(super) subject: String,
    pub(super) detail: serde_json::Value,
    pub(super) sealer: Sealer,
}

impl Note {
    /// The entry after `head`, and the head that it becomes. `last` is the greatest number in the table: a log that was
    /// tampered with goes on, so that no key outlives its revocation, and does not verify.
    pub(super) fn seal(&self, head: Option<&[u8]>, last: u64) -> (Entry, Vec<u8>) {
        let (number, before, _) = head.and_then(read_head).unwrap_or_default();
        let mut entry = Entry {
            number: number.max(last).saturating_add(1),
            at: self.at,
            actor: self.actor.text(),
            act: self.act.as_str().to_owned(),
            subject: self.subject.clone(),
            detail: self.detail.to_string(),
            sealed_by: self.sealer.name.clone(),
            digest: [0; 32],
            seal: [0; 32],
        };
        entry.digest = entry.digest_after(&before);
        entry.seal = self
            .sealer
            .seal(&entry.digest)
            .finalize()
            .into_bytes()
            .into();
        let sealed = self.sealer.seal_head(entry.number, &entry.digest);
        let mut head = entry.number.to_be_bytes().to_vec();
        head.extend(entry.digest);
        head.extend(sealed.finalize().into_bytes());
        (entry, head)
    }
}

fn read_head(head: &[u8]) -> Option<(u64, Digest, Digest)> {
    if head.len() != HEAD_BYTES {
        return None;
    }
    let number = u64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    Some((
        number,
        head.get(8..40)?.try_into().ok()?,
        head.get(40..)?.try_into().ok()?,
    ))
}

/// The number of the newest entry, as a head tells it; 0 when it is none.
pub(super) fn head_number(head: &[u8]) -> u64 {
    read_head(head).map_or(0, |(number, ..)| number)
}

/// Where the log is no longer what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} of the audit log is broken: {why}")]
pub struct Broken {
    /// The first broken entry.
    pub number: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A log that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its newest entry's number; 0 for none.
    pub number: u64,
    /// Its newest entry's digest, in hexadecimal.
    pub digest: String,
}

/// Reads entries in order and says where the chain breaks.
pub(super) struct Checker<'a> {
    sealers: &'a [Sealer],
    number: u64,
    digest: Digest,
    /// The first entry with a seal of an unknown pepper that no later seal vouches for yet.
    unvouched: Option<u64>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(sealers: &'a [Sealer]) -> Self {
        Self {
            sealers,
            number: 0,
            digest: [0; 32],
            unvouched: None,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn read(&mut self, entry: &Entry) -> Result<(), Broken> {
        let number = self.number + 1;
        let broken = |why| Err(Broken { number, why });
        if entry.number != number {
            return broken("it is missing");
        }
        if number == 1 && entry.act != Act::LogBegun.as_str() {
            return broken("it does not begin the log");
        }
        if entry.digest_after(&self.digest) != entry.digest {
            return broken("it was altered, or one before it was replaced");
        }
        let sealer = self
            .sealers
            .iter()
            .find(|sealer| sealer.name == entry.sealed_by);
        match sealer {
            Some(sealer) if sealer.seal(&entry.digest).verify_slice(&entry.seal).is_ok() => {
                self.unvouched = None;
            }
            Some(_) => {
                return Err(Broken {
                    number: self.unvouched.unwrap_or(number),
                    why: "its seal was not made by a server with this pepper",
                });
            }
            None => {
                self.unvouched.get_or_insert(number);
            }
        }
        (self.number, self.digest) = (number, entry.digest);
        Ok(())
    }

    /// Compares with the head as it was before the entries were read, and as it was after.
    pub(super) fn finish(self, before: &[u8], after: &[u8]) -> Result<Whole, Broken> {
        if let Some(number) = self.unvouched {
            let why = "its seal is of a pepper that this server does not have";
            return Err(Broken { number, why });
        }
        let next = self.number + 1;
        let broken = |number, why| Err(Broken { number, why });
        let (Some(before), Some(after)) = (read_head(before), read_head(after)) else {
            return broken(next, "the head of the log was removed or altered");
        };
        for (number, digest, seal) in [&before, &after] {
            let sealed = |sealer: &Sealer| sealer.seal_head(*number, digest).verify_slice(seal);
            if !self.sealers.iter().any(|sealer| sealed(sealer).is_ok()) {
                return broken(next, "the head of the log was removed or altered");
            }
        }
        if before.0 > self.number {
            return broken(next, "it and what follows was cut off");
        }
        if after.0 < self.number || (after.0 == self.number && after.1 != self.digest) {
            return broken(self.number, "the head of the log is another one's");
        }
        Ok(Whole {
            number: self.number,
            digest: hex(&self.digest),
        })
    }
}

/// Bytes as two digits each, as people compare them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(salt: u8) -> Sealer {
        Sealer::new(&Pepper::new(&[salt; 32]).unwrap()).unwrap()
    }

    fn note(act: Act, subject: &str, sealer: Sealer) -> Note {
        Note {
            at: 7,
            actor: Actor::CommandLine("ada".into()),
            act,
            subject: subject.into(),
            detail: serde_json::json!({ "name": subject }),
            sealer,
        }
    }

    /// A log of six, the first three sealed with one pepper and the rest with another.
    fn log() -> (Vec<Entry>, Vec<u8>) {
        let (mut entries, mut head) = (Vec::new(), Vec::new());
        for number in 1..=6_u8 {
            let act = if number == 1 {
                Act::LogBegun
            } else {
                Act::KeyCreated
            };
            let note = note(
                act,
                &format!("k{number}"),
                sealer(if number < 4 { 1 } else { 2 }),
            );
            let (entry, next) = note.seal(Some(&head), u64::from(number) - 1);
            entries.push(entry);
            head = next;
        }
        (entries, head)
    }

    fn check(entries: &[Entry], head: &[u8], sealers: &[Sealer]) -> Result<Whole, Broken> {
        let mut checker = Checker::new(sealers);
        for entry in entries {
            checker.read(entry)?;
        }
        checker.finish(head, head)
    }

    /// Makes the digests fit from `place` on, as somebody without the pepper can.
    fn rechain(entries: &mut [Entry], place: usize) {
        for place in place..entries.len() {
            let before = if place == 0 {
                [0; 32]
            } else {
                entries[place - 1].digest
            };
            entries[place].number = place as u64 + 1;
            entries[place].digest = entries[place].digest_after(&before);
        }
    }

    #[test]
    fn a_log_is_whole_with_both_peppers_and_with_the_newer_alone() {
        let (entries, head) = log();
        for sealers in [vec![sealer(2), sealer(1)], vec![sealer(2)]] {
            assert_eq!(check(&entries, &head, &sealers).unwrap().number, 6);
        }
        let broken = check(&entries, &head, &[sealer(1)]).unwrap_err();
        assert_eq!(
            broken.number, 4,
            "nothing vouches for what the newer pepper sealed"
        );
    }

    #[test]
    fn every_altered_field_is_found_at_its_entry() {
        let changes: [fn(&mut Entry); 9] = [
            |entry| entry.at += 1,
            |entry| entry.actor.push('x'),
            |entry| entry.act = "key_revoked".into(),
            |entry| entry.subject.clear(),
            |entry| entry.detail = "{}".into(),
            |entry| entry.sealed_by.push('0'),
            |entry| entry.digest[0] ^= 1,
            |entry| entry.seal[31] ^= 1,
            |entry| entry.number += 1,
        ];
        let sealers = [sealer(1), sealer(2)];
        for change in changes {
            for place in 0..6 {
                let (mut entries, head) = log();
                change(&mut entries[place]);
                let broken = check(&entries, &head, &sealers).unwrap_err();
                assert_eq!(broken.number, place as u64 + 1, "{broken}");
            }
        }
    }

    #[test]
    fn digests_that_were_made_to_fit_do_not_help() {
        for sealers in [vec![sealer(1), sealer(2)], vec![sealer(2)]] {
            for place in 0..6 {
                let (mut entries, head) = log();
                entries[place].subject = "another".into();
                rechain(&mut entries, place);
                assert!(check(&entries, &head, &sealers).is_err(), "{place}");
                let (mut entries, head) = log();
                entries.remove(place);
                rechain(&mut entries, place);
                assert!(check(&entries, &head, &sealers).is_err(), "{place}");
            }
        }
    }

    #[test]
    fn a_removed_a_swapped_and_a_doubled_entry_are_found() {
        let sealers = [sealer(1), sealer(2)];
        for place in 0..6 {
            let (mut entries, head) = log();
            entries.remove(place);
            let broken = check(&entries, &head, &sealers).unwrap_err();
            assert_eq!(broken.number, place as u64 + 1);
            let (mut entries, head) = log();
            entries.insert(place, entries[place].clone());
            let broken = check(&entries, &head, &sealers).unwrap_err();
            assert_eq!(broken.number, place as u64 + 2);
        }
        for place in 0..5 {
            let (mut entries, head) = log();
            entries.swap(place, place + 1);
            let broken = check(&entries, &head, &sealers).unwrap_err();
            assert_eq!(broken.number, place as u64 + 1);
        }
    }

    #[test]
    fn what_was_cut_off_is_missed_by_the_head() {
        let sealers = [sealer(1), sealer(2)];
        for left in 0..6_usize {
            let (entries, head) = log();
            let broken = check(&entries[..left], &head, &sealers).unwrap_err();
            assert_eq!(broken.number, left as u64 + 1);
            let mut forged = (left as u64).to_be_bytes().to_vec();
            forged.extend(
                left.checked_sub(1)
                    .map_or([0; 32], |last| entries[last].digest),
            );
            forged.extend([7; 32]);
            for head in [&forged[..], &[], &[0; HEAD_BYTES]] {
                assert!(check(&entries[..left], head, &sealers).is_err());
            }
        }
    }

    #[test]
    fn a_log_that_goes_on_after_tampering_stays_broken() {
        let sealers = [sealer(1), sealer(2)];
        let (mut entries, head) = log();
        entries.truncate(4);
        for head in [Some(&head[..]), Some(&[]), None] {
            let mut entries = entries.clone();
            let (entry, head) = note(Act::KeyRevoked, "k2", sealer(2)).seal(head, 4);
            entries.push(entry);
            let broken = check(&entries, &head, &sealers).unwrap_err();
            assert_eq!(broken.number, 5);
        }
        let (entry, head) = note(Act::KeyRevoked, "k2", sealer(2)).seal(None, 0);
        assert_eq!(check(&[entry], &head, &sealers).unwrap_err().number, 1);
    }

    #[test]
    fn a_users_name_does_not_break_the_line() {
        assert_eq!(Actor::CommandLine("a\nb\u{7}".into()).text(), "user ab");
        assert_eq!(Actor::CommandLine("x".repeat(100)).text().len(), 69);
    }
}
