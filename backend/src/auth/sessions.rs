//! Sessions of the operator's page: an admin key is shown once, and a cookie that only this process knows stands for it.
//!
//! A session is over when nobody used it for a while, after some hours in any case, when its operator leaves, when the
//! secret that opened it no longer works, and with the process. Of a cookie only the SHA-256 is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::key::{Digest, random_digits};
use super::{ApiKey, Error};
use crate::config;

/// Sessions at most; one more ends the one that was used least recently.
const MOST: usize = 256;
/// Characters of a cookie and of the word against forged requests: 256 bits in base 62.
const DIGITS: usize = 43;

/// A session that was just begun.
#[derive(Debug)]
pub struct NewSession {
    /// What the cookie holds. It is nowhere else.
    pub cookie: String,
    /// The session.
    pub session: Session,
}

/// A session as its page sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The key that opened it.
    pub key: String,
    /// What the page sends along with every act: another site's page cannot read it.
    pub token: String,
    /// How long it may be left alone.
    pub idle: Duration,
    /// When it is over in any case.
    pub ends_in: Duration,
}

/// Whether asking for a session is a sign of its operator, or the page's own looking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Somebody is there.
    Operator,
    /// A page that may have been left open.
    Page,
}

/// Every session of this process.
#[derive(Debug)]
pub(super) struct Sessions {
    open: Mutex<HashMap<Digest, Open>>,
    idle: Duration,
    longest: Duration,
}

/// One session. Times are the clock's monotonic ones.
#[derive(Debug)]
struct Open {
    key: String,
    /// The digests of the secret that opened it.
    secrets: [Digest; 2],
    token: String,
    begun: Duration,
    used: Duration,
}

impl Sessions {
    pub(super) fn new(config: &config::Admin) -> Self {
        Self {
            open: Mutex::default(),
            idle: Duration::from_secs(config.session_idle_seconds),
            longest: Duration::from_secs(config.session_seconds),
        }
    }

    /// Begins a session for whoever showed `key`, whose secret has these digests.
    pub(super) fn begin(
        &self,
        key: &ApiKey,
        secrets: [Digest; 2],
        now: Duration,
    ) -> Result<NewSession, Error> {
        let cookie = random_digits(DIGITS)?;
        let open = Open {
            key: key.id.clone(),
            secrets,
            token: random_digits(DIGITS)?,
            begun: now,
            used: now,
        };
        let session = self.seen(&open, now);
        let mut sessions = self.lock();
        sessions.retain(|_, open| !self.is_over(open, now));
        if sessions.len() >= MOST {
            let oldest = sessions.iter().min_by_key(|(_, open)| open.used);
            let oldest = oldest.map(|(name, _)| *name);
            oldest.and_then(|name| sessions.remove(&name));
        }
        sessions.insert(name(&cookie), open);
        Ok(NewSession { cookie, session })
    }

    /// The session of this cookie, with the digests of the secret that opened it.
    pub(super) fn find(
        &self,
        cookie: &str,
        presence: Presence,
        now: Duration,
    ) -> Option<(Session, [Digest; 2])> {
        let name = name(cookie);
        let mut sessions = self.lock();
        let open = sessions.get_mut(&name)?;
        if self.is_over(open, now) {
            sessions.remove(&name);
            return None;
        }
        if presence == Presence::Operator {
            open.used = now;
        }
        Some((self.seen(open, now), open.secrets))
    }

    /// Ends a session; gives whether there was one.
    pub(super) fn end(&self, cookie: &str) -> bool {
        self.lock().remove(&name(cookie)).is_some()
    }

    fn is_over(&self, open: &Open, now: Duration) -> bool {
        now.saturating_sub(open.used) >= self.idle || now.saturating_sub(open.begun) >= self.longest
    }

    fn seen(&self, open: &Open, now: Duration) -> Session {
        Session {
            key: open.key.clone(),
            token: open.token.clone(),
            idle: self.idle,
            ends_in: (open.begun + self.longest).saturating_sub(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Whether this is the session's own word. How long that takes says nothing about it.
    #[must_use]
    pub fn knows(&self, token: &str) -> bool {
        name(token) == name(&self.token)
    }
}

fn name(secret: &str) -> Digest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> Sessions {
        Sessions::new(&config::Admin {
            page: true,
            session_idle_seconds: 30 * 60,
            session_seconds: 8 * 60 * 60,
        })
    }

    fn begin(sessions: &Sessions, now: Duration) -> NewSession {
        let key = ApiKey::generate(None).unwrap();
        sessions.begin(&key, [[1; 32]; 2], now).unwrap()
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it() {
        let sessions = sessions();
        let cookie = begin(&sessions, MINUTE).cookie;
        let find = |minutes| sessions.find(&cookie, Presence::Operator, MINUTE * minutes);
        assert!(find(30).is_some());
        assert!(find(59).is_some(), "it was used since");
        assert!(find(89).is_none());
        assert!(find(60).is_none(), "it does not come back");
    }

    #[test]
    fn a_page_that_was_left_open_keeps_no_session() {
        let sessions = sessions();
        let cookie = begin(&sessions, MINUTE).cookie;
        for minute in 2..31 {
            let found = sessions.find(&cookie, Presence::Page, MINUTE * minute);
            assert!(found.is_some(), "{minute}");
        }
        let found = sessions.find(&cookie, Presence::Page, MINUTE * 31);
        assert!(found.is_none());
    }

    #[test]
    fn a_session_ends_after_eight_hours_of_use() {
        let sessions = sessions();
        let cookie = begin(&sessions, MINUTE).cookie;
        for minute in 1..481 {
            let found = sessions.find(&cookie, Presence::Operator, MINUTE * minute);
            let (session, _) = found.unwrap();
            assert_eq!(session.ends_in, MINUTE * (481 - minute));
        }
        let found = sessions.find(&cookie, Presence::Operator, MINUTE * 481);
        assert!(found.is_none());
    }

    #[test]
    fn one_session_too_many_ends_the_least_recently_used() {
        let sessions = sessions();
        let first = begin(&sessions, MINUTE).cookie;
        let second = begin(&sessions, MINUTE).cookie;
        sessions.find(&first, Presence::Operator, MINUTE * 2);
        for _ in 2..=MOST {
            begin(&sessions, MINUTE * 3);
        }
        let find = |cookie| sessions.find(cookie, Presence::Page, MINUTE * 3);
        assert!(find(&first).is_some() && find(&second).is_none());
        assert_eq!(sessions.lock().len(), MOST);
    }

    #[test]
    fn cookies_and_words_are_each_session_s_own() {
        let sessions = sessions();
        let (one, other) = (begin(&sessions, MINUTE), begin(&sessions, MINUTE));
        assert_ne!(one.cookie, other.cookie);
        assert!(one.session.knows(&one.session.token));
        for foreign in [&other.session.token, &one.cookie, ""] {
            assert!(!one.session.knows(foreign));
        }
        assert!(sessions.end(&one.cookie) && !sessions.end(&one.cookie));
        assert!(sessions.find(&one.cookie, Presence::Page, MINUTE).is_none());
        assert!(sessions.find("", Presence::Page, MINUTE).is_none());
    }
}
