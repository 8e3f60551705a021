//! The keys of this server: verified for callers, administered for operators.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use api::{Key, KeyChange, KeyCreated, KeyDraft, Safety, Scope};
use zeroize::Zeroizing;

use super::audit::{Act, Actor, Broken, Checker, Entry, Note, Sealer, Whole, head_number, hex};
use super::kept::{Found, Kept};
use super::key::{ApiKey, Digest, FirstKey, Pepper};
use super::origin::Origin;
use super::peppers::{self, Peppers};
use super::scopes::ScopeSet;
use super::store::{
    KnownPepper, NEWEST, Place, PostgresStore, Rehash, SqliteStore, Store, StoredSecret,
};
use super::{Error, files};
use crate::config::Config;
use crate::telemetry::{Clock, Metrics};

/// Keys kept in memory at most, about a kilobyte each: one that is not is read from the store while its caller's
/// connection, and all of the same thread, wait.
const MAX_KEPT: usize = 131_072;
/// Origins of one key at most.
const MAX_ORIGINS: usize = 50;
const MINUTE_MS: u64 = 60_000;
/// Secrets that wait to be hashed anew, at most; further ones do when they are seen again.
const MAX_REHASH: usize = 10_000;
/// Secrets that are hashed anew at a time: the look for revocations must not wait long for them.
const REHASH_AT_A_TIME: usize = 20;
/// Entries of the audit log that are read at a time.
const PAGE: u32 = 1000;

/// What is known of a key, without its secrets. Times are Unix times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The public part.
    pub id: String,
    /// The operator's name for it.
    pub name: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Pages that may use it or its tokens.
    pub origins: Vec<Origin>,
    /// The name of its quota.
    pub tier: String,
    /// What is done for the safety of its answers.
    pub safety: Safety,
    /// When it was made.
    pub created_at: u64,
    /// From when on it no longer works.
    pub expires_at: Option<u64>,
    /// To the minute.
    pub last_used_at: Option<u64>,
    /// When it was withdrawn.
    pub revoked_at: Option<u64>,
}

impl KeyRecord {
    /// As the operator sees it.
    pub fn to_api(&self) -> Key {
        Key {
            id: self.id.clone(),
            name: self.name.clone(),
            scopes: self.scopes.iter().collect(),
            origins: self.origins.iter().map(ToString::to_string).collect(),
            tier: self.tier.clone(),
            safety: self.safety,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            revoked_at: self.revoked_at,
        }
    }

    /// Whether it works at `now`.
    fn check_live(&self, now: u64) -> Result<(), Error> {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => Err(Error::KeyRevoked),
            (None, Some(end)) if end <= now => Err(Error::KeyExpired),
            _ => Ok(()),
        }
    }
}

/// The keys of a data directory.
#[derive(Debug)]
pub struct Keys {
    store: Box<dyn Store>,
    /// Whether reading a key may take as long as a network does.
    shared: bool,
    peppers: Peppers,
    /// The mark of the store's newest pepper when it was last looked at.
    newest: Mutex<Digest>,
    /// Secrets that were seen and are not hashed with the newest pepper, by what is stored of them.
    rehash: Mutex<HashMap<Digest, Rehash>>,
    /// What the audit log may be sealed with; the first seals.
    sealers: Vec<Sealer>,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tiers: BTreeSet<String>,
    kept: Kept,
    /// The store's version when it was last looked at.
    seen: AtomicI64,
    answering: AtomicBool,
    /// Origins of live keys, in the generation that is named.
    origins: RwLock<(u64, HashSet<Origin>)>,
    /// Last uses that are not in the store yet; at most one entry per key.
    used: Mutex<HashMap<String, u64>>,
}

impl Keys {
    /// The form of the store that this version writes.
    pub const FORM: usize = NEWEST;

    /// Opens the data directory's keys, making what is missing.
    ///
    /// # Errors
    /// When files cannot be read or written, or the pepper is not the one that was used before.
    pub fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        files::make_directory(&config.data_dir)?;
        let store: Box<dyn Store> = match &config.store.postgres {
            Some(address) => {
                let pool = crate::store::Postgres::open(address.expose())?;
                Box::new(PostgresStore::new(Arc::new(pool)))
            }
            None => Box::new(SqliteStore::open(&config.data_dir.join("keys.sqlite"))?),
        };
        let mut peppers = Peppers::read(config)?;
        peppers.follow(&store.peppers(peppers.configured())?)?;
        let sealers = sealers(&peppers)?;
        let kept = Kept::new(MAX_KEPT, Duration::from_secs(config.auth.cache_seconds));
        let keys = Self {
            seen: AtomicI64::new(store.version()?),
            store,
            shared: config.store.postgres.is_some(),
            newest: Mutex::new(*peppers.current().mark()),
            peppers,
            rehash: Mutex::default(),
            sealer: sealers.0,
            sealers: sealers.1,
            clock,
            metrics,
            tiers: config.tiers.keys().cloned().collect(),
            kept,
            answering: AtomicBool::new(true),
            origins: RwLock::default(),
            used: Mutex::default(),
        };
        let found = keys.store.list()?.len();
        let detail = serde_json::json!({ "keys": found });
        keys.store
            .begin_log(&keys.note(&Actor::Server, Act::LogBegun, "", detail))?;
        Ok(keys)
    }

    fn note(&self, actor: &Actor, act: Act, subject: &str, detail: serde_json::Value) -> Note {
        Note {
            at: self.clock.now_ms(),
            actor: actor.clone(),
            act,
            subject: subject.to_owned(),
            detail,
            sealer: self.sealer.clone(),
        }
    }

    /// Entries of the audit log, in order, after the one with the number `after`; at most a thousand.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn entries(&self, after: u64) -> Result<Vec<Entry>, Error> {
        self.store.entries(after, PAGE)
    }

    /// The newest entries of the audit log before the one with the number `before`, newest first. What they say is worth
    /// what [`Keys::verify_log`] says of them.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn newest_entries(&self, before: Option<u64>, most: u32) -> Result<Vec<Entry>, Error> {
        let end = match before {
            Some(before) => before.saturating_sub(1),
            None => head_number(&self.store.head()?),
        };
        let mut entries = self
            .store
            .entries(end.saturating_sub(u64::from(most)), most)?;
        entries.retain(|entry| entry.number <= end);
        entries.reverse();
        Ok(entries)
    }

    /// Reads the whole audit log and says where it is no longer what was written. `noted` is a number and a digest that an
    /// earlier call gave: only so an older copy of the whole store is told from the newest.
    ///
    /// # Errors
    /// When the store does not answer. A log that is broken is an answer.
    pub fn verify_log(&self, noted: Option<&Whole>) -> Result<Result<Whole, Broken>, Error> {
        let before = self.store.head()?;
        let mut checker = Checker::new(&self.sealers);
        loop {
            let page = self.store.entries(checker.number(), PAGE)?;
            if page.is_empty() {
                break;
            }
            for entry in &page {
                if let Err(broken) = checker.read(entry) {
                    return Ok(Err(broken));
                }
                let other = |noted: &&Whole| {
                    noted.number == entry.number && noted.digest != hex(&entry.digest)
                };
                if let Some(noted) = noted.filter(other) {
                    return Ok(Err(Broken {
                        number: noted.number,
                        why: "it is not the one that was noted",
                    }));
                }
            }
        }
        let whole = checker.finish(&before, &self.store.head()?);
        Ok(whole.and_then(|whole| match noted {
            Some(noted) if noted.number > whole.number => Err(Broken {
                number: whole.number + 1,
                why: "it was noted, and is missing",
            }),
            _ => Ok(whole),
        }))
    }

    /// The key whose secret this is.
    pub(super) fn verify(&self, key: &ApiKey) -> Result<Arc<KeyRecord>, Error> {
        self.verify_secret(key).map(|(record, _)| record)
    }

    /// [`Keys::verify`], with the digest of the secret that fits.
    fn verify_secret(&self, key: &ApiKey) -> Result<(Arc<KeyRecord>, Digest), Error> {
        let now = self.clock.now_ms();
        let Some(found) = self.find(&key.id)? else {
            // As much work as for a known id.
            let _ = key.fits(&[0; 32], self.peppers.current());
            return Err(Error::KeyUnknown);
        };
        let fitting = found
            .secrets
            .iter()
            .filter(|secret| self.peppers.fits(key, secret))
            .last();
        let secret = fitting.ok_or_else(|| self.stranger())?;
        // Only who holds the secret learns what became of the key.
        found.record.check_live(now)?;
        if secret.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::KeyExpired);
        }
        if secret.pepper != Some(*self.peppers.current().mark()) {
            self.note_rehash(key, secret);
        }
        Ok((found.record.clone(), secret.digest))
    }

    /// The key of a session that is to begin, with the digests of its secret: as it is kept now, and as it will be when it
    /// was hashed with the newest pepper.
    pub(super) fn verify_for_session(
        &self,
        key: &ApiKey,
    ) -> Result<(Arc<KeyRecord>, [Digest; 2]), Error> {
        let (record, secret) = self.verify_secret(key)?;
        Ok((record, [secret, self.peppers.hash(key).digest]))
    }

    /// The key, while a secret with one of these digests still opens it.
    pub(super) fn still(
        &self,
        id: &str,
        secrets: &[Digest],
    ) -> Result<Option<Arc<KeyRecord>>, Error> {
        let now = self.clock.now_ms();
        let Some(found) = self.find(id)? else {
            return Ok(None);
        };
        let works = found.secrets.iter().any(|known| {
            secrets.contains(&known.digest) && known.expires_at.is_none_or(|end| end > now)
        });
        Ok((works && found.record.check_live(now).is_ok()).then(|| found.record.clone()))
    }

    /// Writes into the audit log that somebody with this key came to the operator's page, or left it.
    pub(super) fn note_session(&self, key: &str, act: Act) -> Result<(), Error> {
        let actor = Actor::Key(key.to_owned());
        self.store
            .append(&self.note(&actor, act, key, serde_json::json!({})))
    }

    /// Why no secret of a key fits. Where the newest pepper is not had, nobody may say that the key is unknown.
    fn stranger(&self) -> Error {
        if self.peppers.has(&self.newest()) {
            Error::KeyUnknown
        } else {
            Error::PepperUnknown
        }
    }

    fn newest(&self) -> Digest {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that this secret is to be hashed with the newest pepper; done by [`Keys::write_rehashed`].
    fn note_rehash(&self, key: &ApiKey, secret: &StoredSecret) {
        // A server that is yet to start with the newest one leaves it to those that have.
        if self.newest() != *self.peppers.current().mark() {
            return;
        }
        let mut waiting = self.rehash.lock().unwrap_or_else(PoisonError::into_inner);
        // It is seen at every request until it is written.
        if waiting.len() < MAX_REHASH && !waiting.contains_key(&secret.digest) {
            let (id, old, new) = (key.id.clone(), secret.digest, self.peppers.hash(key));
            waiting.insert(old, Rehash { id, old, new });
        }
    }

    /// Writes some of the secrets that were seen under the newest pepper. What the store does not take is noted again
    /// when it is next seen.
    pub(super) fn write_rehashed(&self) {
        let some: Vec<Rehash> = {
            let mut waiting = self.rehash.lock().unwrap_or_else(PoisonError::into_inner);
            let some: Vec<Digest> = waiting.keys().take(REHASH_AT_A_TIME).copied().collect();
            some.iter().filter_map(|old| waiting.remove(old)).collect()
        };
        for change in &some {
            let detail = serde_json::json!({ "pepper": peppers::name(&change.new.pepper) });
            let note = self.note(&Actor::Server, Act::KeyRehashed, &change.id, detail);
            match self.store.rehash(change, &note) {
                Ok(true) => {
                    tracing::debug!(key.id = %change.id, "a key was hashed with the newest pepper");
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, "a key could not be hashed with the newest pepper");
                    return;
                }
            }
        }
        if !some.is_empty() {
            self.forget();
        }
    }

    /// Brings in the configured pepper, when the store never had it, and puts on record which ones are no longer had.
    /// For the server: a command that somebody calls with another configuration changes no pepper.
    ///
    /// # Errors
    /// When the store does not answer, or another server brought in one that this one does not have.
    pub(super) fn change_peppers(&mut self) -> Result<(), Error> {
        let (configured, before) = (*self.peppers.configured(), self.newest());
        let mut known = self.store.peppers(&configured)?;
        if !known.iter().any(|known| known.mark == configured) {
            let itself = KnownPepper {
                mark: configured,
                dropped: false,
            };
            self.follow(&[itself])?;
            let detail = serde_json::json!({
                "pepper": peppers::name(&configured),
                "before": peppers::name(&before),
                "keys": self.earlier()?.len(),
            });
            let note = self.note(&Actor::Server, Act::PepperBroughtIn, "", detail);
            if self.store.bring_in(&configured, &before, &note)? {
                tracing::info!(
                    "a pepper was brought in; keys are hashed with it when they are next used"
                );
            }
            known = self.store.peppers(&configured)?;
        }
        self.follow(&known)?;
        if self.peppers.current().mark() != &configured {
            tracing::warn!(
                "the pepper of this server's configuration was replaced by a newer one, which is used"
            );
        }
        for gone in known
            .iter()
            .filter(|known| !known.dropped && !self.peppers.has(&known.mark))
        {
            self.drop_pepper(&gone.mark)?;
        }
        Ok(())
    }

    fn drop_pepper(&self, mark: &Digest) -> Result<(), Error> {
        let left = self.hashed_otherwise(|pepper| pepper == Some(mark))?;
        let keys = left.len();
        let detail = serde_json::json!({ "pepper": peppers::name(mark), "keys": keys });
        let note = self.note(&Actor::Server, Act::PepperDropped, "", detail);
        if self.store.drop_pepper(mark, &note)? && keys > 0 {
            tracing::warn!(
                keys,
                "a pepper was dropped on which keys hung; they are unknown from now on"
            );
        }
        Ok(())
    }

    fn follow(&mut self, known: &[KnownPepper]) -> Result<(), Error> {
        self.peppers.follow(known)?;
        (self.sealer, self.sealers) = sealers(&self.peppers)?;
        self.newest = Mutex::new(*self.peppers.current().mark());
        Ok(())
    }

    /// The ids of keys that work and have a secret that is not hashed with the newest pepper.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn earlier(&self) -> Result<Vec<String>, Error> {
        self.hashed_otherwise(|_| true)
    }

    /// The ids of keys that work and have a secret with a pepper that is not the newest one and is `wanted`.
    fn hashed_otherwise(
        &self,
        wanted: impl Fn(Option<&Digest>) -> bool,
    ) -> Result<Vec<String>, Error> {
        let found = self
            .store
            .hashed_otherwise(self.peppers.current().mark(), self.clock.now_ms())?;
        let found = found.into_iter();
        let mut ids: Vec<String> = found
            .filter(|(_, pepper)| wanted(pepper.as_ref()))
            .map(|(id, _)| id)
            .collect();
        ids.dedup();
        Ok(ids)
    }

    /// Whether there are others beside the pepper that secrets are hashed with.
    pub fn has_other_peppers(&self) -> bool {
        self.peppers.all().nth(1).is_some()
    }

    /// Tells how many keys are not hashed with the newest pepper, while there are several.
    pub(super) fn count_earlier(&self) {
        // While the store does not answer, the last count stands.
        if self.has_other_peppers()
            && let Ok(earlier) = self.earlier()
        {
            self.metrics.set_earlier_pepper_keys(earlier.len());
        }
    }

    /// The key with this id, when it works now; for a token that names it.
    pub(super) fn live(&self, id: &str) -> Result<Arc<KeyRecord>, Error> {
        let found = self.find(id)?.ok_or(Error::KeyRevoked)?;
        found.record.check_live(self.clock.now_ms())?;
        Ok(found.record.clone())
    }

    fn find(&self, id: &str) -> Result<Option<Arc<Found>>, Error> {
        let now = self.clock.monotonic();
        let kept = self.kept.get(id, now);
        self.metrics.key_lookup(kept.is_some());
        if kept.is_some() {
            return Ok(kept);
        }
        let generation = self.kept.generation();
        // Unknown ids are not kept: there is no end of them.
        let Some(stored) = self.store.find(id)? else {
            return Ok(None);
        };
        let found = Arc::new(Found::from(stored));
        self.kept.put(id, generation, now, found.clone());
        Ok(Some(found))
    }

    /// How many keys are in memory.
    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.kept.len()
    }

    /// Whether finding this key would wait for a network.
    pub(super) fn is_far(&self, id: &str) -> bool {
        self.shared && self.kept.get(id, self.clock.monotonic()).is_none()
    }

    /// Brings a key near; false when there is none.
    pub(super) fn fetch(&self, id: &str) -> Result<bool, Error> {
        Ok(self.find(id)?.is_some())
    }

    /// What tokens are signed with where servers share the store: the same for all that share the pepper. The first signs,
    /// all verify; none where there is one server.
    pub(super) fn token_seeds(&self) -> Vec<Zeroizing<[u8; 32]>> {
        let seeds = self.peppers.all().map(Pepper::token_seed);
        seeds.filter(|_| self.shared).collect()
    }

    /// Looks whether another process changed a key; a second process's change counts from here on.
    pub(super) fn refresh(&self) {
        let version = self.store.version();
        // While the store does not answer, what was read counts until its time in memory is over.
        let changed = version
            .as_ref()
            .is_ok_and(|version| self.seen.swap(*version, Ordering::SeqCst) != *version);
        if changed {
            self.forget();
            self.look_at_newest();
        }
        if let Err(error) = &version
            && self.answering.swap(false, Ordering::SeqCst)
        {
            tracing::error!(%error, "the key store does not answer");
        }
        if version.is_ok() && !self.answering.swap(true, Ordering::SeqCst) {
            tracing::info!("the key store answers again");
        }
    }

    fn look_at_newest(&self) {
        let known = self.store.peppers(self.peppers.configured());
        let Some(newest) = known.ok().and_then(|known| known.last().copied()) else {
            return;
        };
        let before = {
            let mut seen = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *seen, newest.mark)
        };
        if before != newest.mark && !self.peppers.has(&newest.mark) {
            tracing::error!(
                "another server brought in a pepper that this one does not have; give it to this one and restart it"
            );
        }
    }

    fn forget(&self) {
        self.kept.forget();
    }

    pub(super) fn ready(&self) -> bool {
        self.answering.load(Ordering::SeqCst)
    }

    /// Notes that a key was used now; written to the store by [`Keys::write_uses`].
    pub(super) fn note_use(&self, id: &str) {
        let minute = self.clock.now_ms() / MINUTE_MS * MINUTE_MS;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        match used.get_mut(id) {
            Some(at) => *at = minute,
            None => {
                used.insert(id.to_owned(), minute);
            }
        }
    }

    /// Writes the last uses. They are lost when the store does not take them: they are no more than a hint.
    pub(super) fn write_uses(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.touch(&used.into_iter().collect::<Vec<_>>()) {
            tracing::warn!(%error, "the last use of keys could not be written");
        }
    }

    pub(super) fn allows_somewhere(&self, origin: &Origin) -> bool {
        let generation = self.kept.generation();
        {
            let known = self.origins.read().unwrap_or_else(PoisonError::into_inner);
            if known.0 == generation {
                return known.1.contains(origin);
            }
        }
        let now = self.clock.now_ms();
        let Ok(records) = self.store.list() else {
            return false;
        };
        let live = records
            .into_iter()
            .filter(|record| record.check_live(now).is_ok());
        let origins: HashSet<_> = live.flat_map(|record| record.origins).collect();
        let allowed = origins.contains(origin);
        *self.origins.write().unwrap_or_else(PoisonError::into_inner) = (generation, origins);
        allowed
    }

    /// Makes a key with every scope when there is none at all.
    pub(super) fn make_first(&self) -> Result<Option<FirstKey>, Error> {
        if !self.store.list()?.is_empty() {
            return Ok(None);
        }
        let draft = KeyDraft {
            name: "first".to_owned(),
            scopes: Scope::ALL.to_vec(),
            origins: Vec::new(),
            tier: None,
            safety: Safety::default(),
            expires_at: None,
        };
        let (key, record) = self.draft(&draft)?;
        // Another process may have been quicker.
        let note = self.note(&Actor::Server, Act::KeyCreated, &key.id, settings(&record));
        let hashed = self.peppers.hash(&key);
        let made = self.store.insert(&record, &hashed, Place::First, &note)?;
        self.forget();
        Ok(made.then(|| FirstKey::new(key.id.clone(), key.text())))
    }

    /// Makes a key. Its text is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::InvalidField`], or when the store does not answer.
    pub fn create(&self, actor: &Actor, draft: &KeyDraft) -> Result<KeyCreated, Error> {
        let (key, record) = self.draft(draft)?;
        let note = self.note(actor, Act::KeyCreated, &key.id, settings(&record));
        let hashed = self.peppers.hash(&key);
        self.store
            .insert(&record, &hashed, Place::Anywhere, &note)?;
        self.forget();
        tracing::info!(key.id = %record.id, scopes = %record.scopes, "a key was made");
        Ok(KeyCreated {
            key: key.text(),
            id: key.id,
        })
    }

    fn draft(&self, draft: &KeyDraft) -> Result<(ApiKey, KeyRecord), Error> {
        let key = ApiKey::generate(None)?;
        let now = self.clock.now_ms();
        let record = KeyRecord {
            id: key.id.clone(),
            name: check_name(&draft.name)?,
            scopes: check_scopes(&draft.scopes)?,
            origins: check_origins(&draft.origins)?,
            tier: self.check_tier(draft.tier.as_deref().unwrap_or("default"))?,
            safety: draft.safety,
            created_at: now,
            expires_at: draft
                .expires_at
                .map(|end| check_expiry(end, now))
                .transpose()?,
            last_used_at: None,
            revoked_at: None,
        };
        Ok((key, record))
    }

    pub(super) fn answers_salt(&self) -> [u8; 32] {
        self.peppers.current().answers_salt()
    }

    pub(super) fn webhook_secret(&self, key_id: &str) -> String {
        self.peppers.current().webhook_secret(key_id)
    }

    pub(super) fn sign_webhook(&self, key_id: &str, id: &str, seconds: u64, body: &str) -> String {
        let signatures = self
            .peppers
            .all()
            .map(|pepper| pepper.sign_webhook(key_id, id, seconds, body));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// Every key, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn list(&self) -> Result<Vec<Key>, Error> {
        Ok(self.store.list()?.iter().map(KeyRecord::to_api).collect())
    }

    /// One key.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the store does not answer.
    pub fn get(&self, id: &str) -> Result<Key, Error> {
        Ok(self.record(id)?.to_api())
    }

    fn record(&self, id: &str) -> Result<KeyRecord, Error> {
        Ok(self.store.find(id)?.ok_or(Error::NotFound)?.record)
    }

    /// A key that may still be changed.
    fn unrevoked(&self, id: &str) -> Result<KeyRecord, Error> {
        let record = self.record(id)?;
        if record.revoked_at.is_some() {
            return Err(Error::Conflict(
                "the key was revoked and cannot be changed; make a new one",
            ));
        }
        Ok(record)
    }

    /// Changes what is present in `change`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for a revoked key, [`Error::InvalidField`], or when the store does not
    /// answer.
    pub fn change(&self, actor: &Actor, id: &str, change: &KeyChange) -> Result<Key, Error> {
        let before = self.unrevoked(id)?;
        let mut record = before.clone();
        if let Some(name) = &change.name {
            record.name = check_name(name)?;
        }
        if let Some(scopes) = &change.scopes {
            record.scopes = check_scopes(scopes)?;
        }
        if let Some(origins) = &change.origins {
            record.origins = check_origins(origins)?;
        }
        if let Some(tier) = &change.tier {
            record.tier = self.check_tier(tier)?;
        }
        record.safety = change.safety.unwrap_or(record.safety);
        if let Some(end) = change.expires_at {
            record.expires_at = Some(check_expiry(end, self.clock.now_ms())?);
        }
        let detail = differences(&settings(&before), settings(&record));
        self.write(&record, &self.note(actor, Act::KeyChanged, id, detail))?;
        Ok(record.to_api())
    }

    fn write(&self, record: &KeyRecord, note: &Note) -> Result<(), Error> {
        let found = self.store.update(record, note);
        self.forget();
        if found? { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Gives a key another secret; the present one works for `overlap` longer.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] for a revoked key, or when the store does not answer.
    pub fn rotate(&self, actor: &Actor, id: &str, overlap: Duration) -> Result<KeyCreated, Error> {
        self.unrevoked(id)?;
        let key = ApiKey::generate(Some(id))?;
        let overlap = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
        let mut note = self.note(actor, Act::KeyRotated, id, serde_json::Value::Null);
        let until = note.at.saturating_add(overlap);
        note.detail = serde_json::json!({ "old_secret_until": until });
        self.store
            .rotate(id, &self.peppers.hash(&key), until, &note)?;
        self.forget();
        tracing::info!(key.id = %id, "a key was rotated");
        Ok(KeyCreated {
            key: key.text(),
            id: key.id,
        })
    }

    /// Withdraws a key and with it its tokens, at once and for good. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the store does not answer.
    pub fn revoke(&self, actor: &Actor, id: &str) -> Result<Key, Error> {
        let mut record = self.record(id)?;
        if record.revoked_at.is_none() {
            let note = self.note(actor, Act::KeyRevoked, id, serde_json::json!({}));
            record.revoked_at = Some(note.at);
            self.write(&record, &note)?;
            tracing::info!(key.id = %id, "a key was revoked");
        }
        Ok(record.to_api())
    }

    fn check_tier(&self, tier: &str) -> Result<String, Error> {
        if self.tiers.contains(tier) {
            return Ok(tier.to_owned());
        }
        let known = self
            .tiers
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        Err(Error::field(
            "/tier",
            format!("there is no such tier; there are {known}"),
        ))
    }
}

/// What seals entries of the audit log, and with what they may be sealed.
fn sealers(peppers: &Peppers) -> Result<(Sealer, Vec<Sealer>), Error> {
    let all: Vec<Sealer> = peppers.all().map(Sealer::new).collect::<Result<_, _>>()?;
    Ok((Sealer::new(peppers.current())?, all))
}

/// What an operator set of a key, for the audit log.
fn settings(record: &KeyRecord) -> serde_json::Value {
    let key = record.to_api();
    serde_json::json!({
        "name": key.name,
        "scopes": key.scopes,
        "origins": key.origins,
        "tier": key.tier,
        "safety": key.safety,
        "expires_at": key.expires_at,
    })
}

/// Those of `after` that are others than in `before`.
fn differences(before: &serde_json::Value, mut after: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = after.as_object_mut() {
        fields.retain(|name, value| before.get(name) != Some(value));
    }
    after
}

fn check_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let fits = (1..=64).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        Err(Error::field("/name", "a name has 1 to 64 characters"))
    }
}

fn check_scopes(scopes: &[Scope]) -> Result<ScopeSet, Error> {
    let scopes: ScopeSet = scopes.iter().copied().collect();
    if scopes.is_empty() {
        Err(Error::field("/scopes", "a key has at least one scope"))
    } else {
        Ok(scopes)
    }
}

fn check_origins(origins: &[String]) -> Result<Vec<Origin>, Error> {
    if origins.len() > MAX_ORIGINS {
        return Err(Error::field(
            "/origins",
            format!("a key has at most {MAX_ORIGINS} origins"),
        ));
    }
    let wrong = || {
        Error::field(
            "/origins",
            "an origin is a scheme and a host, for instance https://blog.example; no path, no *",
        )
    };
    let mut parsed = Vec::with_capacity(origins.len());
    for text in origins {
        let origin = Origin::parse(text).ok_or_else(wrong)?;
        if !parsed.contains(&origin) {
            parsed.push(origin);
        }
    }
    Ok(parsed)
}

fn check_expiry(end: u64, now: u64) -> Result<u64, Error> {
    // Within what the store's signed integers and a person's plans hold.
    let fits = end > now && end <= 253_402_300_799_000;
    if fits {
        Ok(end)
    } else {
        Err(Error::field(
            "/expires_at",
            "a key expires in the future, before the year 10000; Unix time in milliseconds",
        ))
    }
}
