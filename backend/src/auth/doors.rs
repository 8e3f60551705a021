//! Doors to readers that only this room calls, for the fuzz targets in `tests/fuzz`.

use serde_json::json;
use zeroize::Zeroizing;

use super::Error;
use super::key::{self, ApiKey};
use super::token::Tokens;
use crate::config::Config;

/// A fixed time, in milliseconds since 1970.
const NOW_MS: u64 = 1_795_219_200_000;

/// The key that `text` spells, spelt anew; nothing when it spells none.
#[must_use]
pub fn respelt_key(text: &str) -> Option<String> {
    ApiKey::parse(text).ok().map(|key| key.text())
}

/// Whether `text` means to be a key.
#[must_use]
pub fn looks_like_key(text: &str) -> bool {
    ApiKey::looks_like(text)
}

/// `text` and the checksum that fits it.
#[must_use]
pub fn with_checksum(text: &str) -> String {
    format!("{text}_{}", key::checksum(text))
}

/// The scopes that `text` names, spelt anew; nothing when a name is not known.
#[must_use]
pub fn respelt_scopes(text: &str) -> Option<String> {
    super::ScopeSet::parse(text).map(|scopes| scopes.to_string())
}

/// A signer of tokens whose key and time are fixed.
#[derive(Debug)]
pub struct Signer(Tokens);

impl Signer {
    /// The one signer.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`] when a built-in value is wrong.
    pub fn new() -> Result<Self, Error> {
        let config = Config::for_tests(std::path::Path::new("unused"))
            .map_err(|_| Error::TokenInvalid("a bug: a built-in value is wrong"))?;
        Tokens::open(&config, &[Zeroizing::new([7; 32])]).map(Self)
    }

    /// A token that is accepted.
    ///
    /// # Errors
    /// [`Error::TokenInvalid`] when it cannot be signed.
    pub fn token(&self) -> Result<String, Error> {
        let now = NOW_MS / 1000;
        let claims = json!({
            "iss": "smart-summary", "aud": "smart-summary", "iat": now, "nbf": now, "exp": now + 300, "jti": "j",
            "key": "k", "origin": "https://blog.example", "scope": "summaries:write"
        });
        let claims = serde_json::from_value(claims)
            .map_err(|_| Error::TokenInvalid("a bug: the claims have another form"))?;
        self.0.sign(&claims)
    }

    /// Whether this is a token of the signer whose time is now.
    #[must_use]
    pub fn accepts(&self, token: &str) -> bool {
        self.0.verify(token, NOW_MS).is_ok()
    }
}
