//! Who asks: `Authorization` and `Origin` in, a [`Caller`] out.
//!
//! A site's own server sends an API key; a browser sends a short-lived token that the site's server minted with its key.
//! Origins, decided here for all routes:
//! - A key without `Origin` (server to server) passes; with `Origin` the key must name that origin.
//! - A token needs the `Origin` it was made for, which the key must still name. Reading routes may lack `Origin`, since a
//!   browser omits it on a GET to its own site.
//! - Origins are compared exactly: scheme, host, port. There are no wildcards.
//!
//! A key that was read is kept in memory, so [`Auth::authenticate`] usually touches no file. Otherwise it reads one row
//! (WAL: a reader never waits for a writer), which is short enough for an async worker. The administration in [`Keys`]
//! writes and syncs: call it where blocking is allowed.
//! A revocation counts at once in this process and within a second of one by another process.

mod audit;
#[cfg(feature = "testing")]
pub mod doors;
mod error;
mod files;
mod kept;
mod key;
mod keys;
mod origin;
mod peppers;
mod scopes;
mod sessions;
mod store;
#[cfg(test)]
mod tests;
mod token;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use api::{Code, Scope, TokenCreated, TokenRequest};

pub use audit::{Actor, Broken, Entry, Whole, hex};
pub use error::Error;
pub use key::FirstKey;
pub use keys::{KeyRecord, Keys};
pub use origin::Origin;
pub use scopes::ScopeSet;
pub use sessions::{NewSession, Presence, Session};

use crate::config::Config;
use crate::telemetry::{Clock, Metrics};
use key::ApiKey;
use sessions::Sessions;
use token::Tokens;
use watch::Watch;

/// The longest `Authorization` header that is looked at, in bytes. Our longest token has about 3 KB.
const MAX_HEADER_BYTES: usize = 4096;

/// Whoever a request comes from. Made only here, so whoever holds one was authenticated.
#[derive(Debug, Clone)]
#[expect(
    clippy::manual_non_exhaustive,
    reason = "other rooms of this crate must not make one either"
)]
pub struct Caller {
    /// The key, or the key that minted the token.
    pub key: Arc<KeyRecord>,
    /// What the caller may do now.
    pub scopes: ScopeSet,
    /// The page it comes from, when a browser sent it.
    pub origin: Option<String>,
    /// With what it showed itself.
    pub via: Via,
    /// Keeps others from making one.
    _made_here: (),
}

/// What a caller showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// An API key.
    Key,
    /// A token.
    Token {
        /// The token's own name.
        jti: String,
        /// Whom the site says it gave the token to.
        subject: Option<String>,
    },
}

impl Caller {
    /// Whether the caller may do `scope`.
    ///
    /// # Errors
    /// [`Error::ScopeMissing`].
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(scope) {
            Ok(())
        } else {
            Err(Error::ScopeMissing(scope))
        }
    }

    /// Whether the caller showed a key.
    ///
    /// # Errors
    /// [`Error::KeyRequired`] for a token.
    pub fn require_key(&self) -> Result<(), Error> {
        if self.via == Via::Key {
            Ok(())
        } else {
            Err(Error::KeyRequired)
        }
    }

    /// A caller with every scope; for the tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_tests(id: &str, tier: &str) -> Self {
        let scopes: ScopeSet = Scope::ALL.into_iter().collect();
        let key = KeyRecord {
            id: id.to_owned(),
            name: id.to_owned(),
            scopes,
            origins: Vec::new(),
            tier: tier.to_owned(),
            safety: api::Safety::default(),
            created_at: 0,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        Self {
            key: Arc::new(key),
            scopes,
            origin: None,
            via: Via::Key,
            _made_here: (),
        }
    }
}

/// Keys and tokens of this server.
#[derive(Debug)]
pub struct Auth {
    keys: Arc<Keys>,
    tokens: Tokens,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    // Dropped with the rest: ends its thread and writes what was last used.
    _watch: Option<Watch>,
}

/// How strictly a token's origin is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

impl Auth {
    /// Opens the stores in the data directory, making them on the first start. A server without any key makes one with
    /// every scope; its text is given back once, to be shown to the operator.
    ///
    /// # Errors
    /// When files cannot be read or written, or the pepper is not the one that was used before.
    pub fn open(
        config: &Config,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Option<FirstKey>), Error> {
        let (mut auth, first) = Self::open_unwatched(config, clock, metrics)?;
        auth._watch = Some(Watch::start(auth.keys.clone()));
        Ok((auth, first))
    }

    /// Without the thread that looks for changes by other processes; tests call [`Keys::refresh`] themselves.
    fn open_unwatched(
        config: &Config,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Option<FirstKey>), Error> {
        let mut keys = Keys::open(config, clock.clone(), metrics)?;
        keys.change_peppers()?;
        let first = keys.make_first()?;
        let tokens = Tokens::open(config, &keys.token_seeds())?;
        Ok((
            Self {
                keys: Arc::new(keys),
                tokens,
                sessions: Sessions::new(&config.admin),
                clock,
                _watch: None,
            },
            first,
        ))
    }

    /// Writes what is not in the store yet: when keys were last used.
    pub fn flush(&self) {
        self.keys.write_uses();
    }

    /// Who sent this. `authorization` and `origin` are the headers' values.
    ///
    /// Counts one use of a token that has only so many.
    ///
    /// # Errors
    /// 401 for what is wrong with the credentials, 403 for the origin, 503 when the store does not answer.
    pub fn authenticate(
        &self,
        authorization: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Caller, Error> {
        self.identify(authorization, origin, Access::Write)
    }

    /// [`Auth::authenticate`] for routes that only read: a token may come without `Origin`, and no use is counted.
    ///
    /// # Errors
    /// As [`Auth::authenticate`].
    pub fn authenticate_read(
        &self,
        authorization: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Caller, Error> {
        self.identify(authorization, origin, Access::Read)
    }

    /// The id of the key behind these credentials, when reading it would wait for a network: [`Auth::fetch`] it first,
    /// where blocking is allowed. `None` also for credentials that are refused in any case.
    #[must_use]
    pub fn far_key(&self, authorization: Option<&str>) -> Option<String> {
        let credentials = bearer(authorization?).ok()?;
        let id = if ApiKey::looks_like(credentials) {
            ApiKey::parse(credentials).ok()?.id
        } else if credentials.split('.').count() == 3 {
            self.tokens
                .verify(credentials, self.clock.now_ms())
                .ok()?
                .key
        } else {
            return None;
        };
        self.keys.is_far(&id).then_some(id)
    }

    /// Reads a key from the store, so that [`Auth::authenticate`] finds it near.
    ///
    /// # Errors
    /// [`Error::KeyUnknown`], or when the store does not answer.
    pub fn fetch(&self, id: &str) -> Result<(), Error> {
        if self.keys.fetch(id)? {
            Ok(())
        } else {
            Err(Error::KeyUnknown)
        }
    }

    fn identify(
        &self,
        authorization: Option<&str>,
        origin: Option<&str>,
        access: Access,
    ) -> Result<Caller, Error> {
        let credentials = bearer(authorization.ok_or(Error::CredentialsMissing)?)?;
        let origin = origin
            .map(|text| Origin::parse(text).ok_or(Error::OriginRefused))
            .transpose();
        // What is wrong with the credentials is told before what is wrong with the origin.
        let caller = if ApiKey::looks_like(credentials) {
            self.by_key(credentials)?
        } else if credentials.split('.').count() == 3 {
            self.by_token(credentials)?
        } else {
            return Err(Error::CredentialsMalformed);
        };
        let caller = check_origin(caller, origin?, access)?;
        if access == Access::Write {
            self.tokens
                .count_use(caller.1.as_ref(), self.clock.now_ms())?;
        }
        self.keys.note_use(&caller.0.key.id);
        Ok(caller.0)
    }

    fn by_key(&self, text: &str) -> Result<(Caller, Option<token::Claims>), Error> {
        let key = self.keys.verify(&ApiKey::parse(text)?)?;
        let caller = Caller {
            scopes: key.scopes,
            key,
            origin: None,
            via: Via::Key,
            _made_here: (),
        };
        Ok((caller, None))
    }

    fn by_token(&self, text: &str) -> Result<(Caller, Option<token::Claims>), Error> {
        let claims = self.tokens.verify(text, self.clock.now_ms())?;
        let key = self.keys.live(&claims.key)?;
        let scopes = claims.scopes()?.intersection(key.scopes);
        let via = Via::Token {
            jti: claims.jti.clone(),
            subject: claims.sub.clone(),
        };
        let caller = Caller {
            key,
            scopes,
            origin: Some(claims.origin.clone()),
            via,
            _made_here: (),
        };
        Ok((caller, Some(claims)))
    }

    /// Makes a token for a browser.
    ///
    /// # Errors
    /// [`Error::KeyRequired`], [`Error::ScopeMissing`], [`Error::OriginRefused`] and [`Error::InvalidField`].
    pub fn mint(&self, caller: &Caller, request: &TokenRequest) -> Result<TokenCreated, Error> {
        caller.require_key()?;
        caller.require(Scope::TokensWrite)?;
        self.tokens.mint(&caller.key, request, self.clock.now_ms())
    }

    /// The key with this id, when it works now: whoever sent a batch may have lost its key since.
    ///
    /// # Errors
    /// [`Error::KeyRevoked`], [`Error::KeyExpired`], or when the store does not answer.
    pub fn owner(&self, id: &str) -> Result<Arc<KeyRecord>, Error> {
        self.keys.live(id)
    }

    /// A secret of all servers with the same pepper, to name and seal answers that they share.
    #[must_use]
    pub fn answers_salt(&self) -> [u8; 32] {
        self.keys.answers_salt()
    }

    /// What the webhooks of a key are signed with, as its owner is told it. Made from the newest pepper, kept nowhere.
    #[must_use]
    pub fn webhook_secret(&self, key_id: &str) -> String {
        self.keys.webhook_secret(key_id)
    }

    /// The signatures of a webhook, separated by spaces, one for each pepper: `v1,` and the base64 of HMAC-SHA-256 over
    /// `id.seconds.body` (standardwebhooks.com, specification 1.0: a receiver takes any that fits).
    #[must_use]
    pub fn sign_webhook(&self, key_id: &str, id: &str, seconds: u64, body: &str) -> String {
        self.keys.sign_webhook(key_id, id, seconds, body)
    }

    /// Begins a session of the operator's page for whoever shows an admin key; the audit log has it. Blocks.
    ///
    /// # Errors
    /// 401 for what is wrong with the key, 403 when it is no admin's, 503 when the store does not answer.
    pub fn begin_session(&self, key: &str) -> Result<NewSession, Error> {
        let key = ApiKey::parse(key)?;
        let (record, secrets) = self.keys.verify_for_session(&key)?;
        if !record.scopes.contains(Scope::Admin) {
            return Err(Error::ScopeMissing(Scope::Admin));
        }
        let begun = self.sessions.begin(&key, secrets, self.clock.monotonic())?;
        self.keys.note_session(&key.id, audit::Act::SessionBegun)?;
        self.keys.note_use(&key.id);
        Ok(begun)
    }

    /// The session of this cookie, and the key that opened it. May block.
    ///
    /// # Errors
    /// [`Error::SessionOver`], or when the store does not answer.
    pub fn session(
        &self,
        cookie: &str,
        presence: Presence,
    ) -> Result<(Session, Arc<KeyRecord>), Error> {
        let found = self.sessions.find(cookie, presence, self.clock.monotonic());
        let (session, secrets) = found.ok_or(Error::SessionOver)?;
        match self.keys.still(&session.key, &secrets)? {
            Some(record) if record.scopes.contains(Scope::Admin) => Ok((session, record)),
            _ => {
                self.sessions.end(cookie);
                Err(Error::SessionOver)
            }
        }
    }

    /// Ends the session of this cookie, which `key` opened. Blocks.
    ///
    /// # Errors
    /// When the audit log cannot be written; the session is over all the same.
    pub fn end_session(&self, cookie: &str, key: &str) -> Result<(), Error> {
        if self.sessions.end(cookie) {
            self.keys.note_session(key, audit::Act::SessionEnded)?;
        }
        Ok(())
    }

    /// The administration of keys.
    pub fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Whether any live key allows pages of this origin; for the answer to a CORS preflight, which has no credentials.
    pub fn is_known_origin(&self, origin: &str) -> bool {
        Origin::parse(origin).is_some_and(|origin| self.keys.allows_somewhere(&origin))
    }

    /// Whether the store answers.
    pub fn ready(&self) -> bool {
        self.keys.ready()
    }
}

/// What follows `Bearer` (RFC 6750, section 2.1; the scheme's case does not matter, RFC 9110, section 11.1).
fn bearer(header: &str) -> Result<&str, Error> {
    let (scheme, credentials) = header.split_once(' ').ok_or(Error::CredentialsMalformed)?;
    let credentials = credentials.trim_matches(' ');
    let fits = header.len() <= MAX_HEADER_BYTES
        && scheme.eq_ignore_ascii_case("bearer")
        && !credentials.is_empty()
        && credentials.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(credentials)
    } else {
        Err(Error::CredentialsMalformed)
    }
}

/// The rules of the module's head.
fn check_origin(
    (mut caller, claims): (Caller, Option<token::Claims>),
    origin: Option<Origin>,
    access: Access,
) -> Result<(Caller, Option<token::Claims>), Error> {
    let named_by_key = |origin: &str| {
        caller
            .key
            .origins
            .iter()
            .any(|known| known.as_str() == origin)
    };
    let allowed = match (&claims, &origin) {
        (None, None) => true,
        (None, Some(origin)) => named_by_key(origin.as_str()),
        (Some(claims), None) => access == Access::Read && named_by_key(&claims.origin),
        (Some(claims), Some(origin)) => {
            origin.as_str() == claims.origin && named_by_key(&claims.origin)
        }
    };
    if !allowed {
        return Err(Error::OriginRefused);
    }
    caller.origin = caller.origin.or(origin.map(Origin::into_string));
    Ok((caller, claims))
}

/// How long the old secret works after a rotation, unless said otherwise.
pub const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

impl Error {
    /// Whether the address that sent this should be slowed down: it may be guessing.
    pub fn is_failed_attempt(&self) -> bool {
        let code = self.code();
        code.status() == 401
            && !matches!(
                code,
                Code::CredentialsMissing
                    | Code::TokenExpired
                    | Code::TokenUsedUp
                    | Code::SessionOver
            )
    }
}
