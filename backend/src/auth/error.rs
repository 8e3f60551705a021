//! What can be wrong with who asks.

use std::path::PathBuf;

use api::{Code, Scope};

use crate::refusal::Refusal;

/// Why a caller is not known, or may not do this.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No header.
    #[error("send `Authorization: Bearer` with an API key or a token")]
    CredentialsMissing,
    /// A header that cannot be read.
    #[error("the `Authorization` header is not `Bearer` followed by one API key or token")]
    CredentialsMalformed,
    /// The checksum does not fit.
    #[error("a character of the API key is missing or mistyped; copy the whole key again")]
    KeyMistyped,
    /// No such key.
    #[error("this server has no such API key; ask its operator for one")]
    KeyUnknown,
    /// Its time, or its old secret's, is over.
    #[error("the API key has expired; ask the server's operator for a new one")]
    KeyExpired,
    /// It was withdrawn.
    #[error("the API key was revoked; ask the server's operator for a new one")]
    KeyRevoked,
    /// Not ours, or changed. The reason is for the log.
    #[error("the token is not valid; ask your own server for a new one")]
    TokenInvalid(&'static str),
    /// Its time is over.
    #[error("the token has expired; ask your own server for a new one")]
    TokenExpired,
    /// It has served its number of requests.
    #[error("the token has served all requests it was made for; ask your own server for a new one")]
    TokenUsedUp,
    /// Too many tokens with a number of requests are alive to count one more.
    #[error(
        "too many tokens are in use; try again in a minute, or make tokens without `max_requests`"
    )]
    TooManyTokens,
    /// The operator's page was left too long, or its key was withdrawn.
    #[error("the session of the operator's page is over; sign in again with an admin key")]
    SessionOver,
    /// May not do this.
    #[error("this needs the scope `{0}`, which the key or token does not have")]
    ScopeMissing(Scope),
    /// The page is not one of the key's.
    #[error("requests from this page's origin are not allowed; add the origin to the API key")]
    OriginRefused,
    /// A token where a key is needed.
    #[error("this takes an API key; a token will not do")]
    KeyRequired,
    /// A wrong value in a request about keys or tokens.
    #[error("{detail}")]
    InvalidField {
        /// A JSON pointer.
        field: &'static str,
        /// What is wrong and what is right.
        detail: String,
    },
    /// No key has this id.
    #[error("there is no key with this id")]
    NotFound,
    /// The store's newest pepper is one that this server does not have, so it cannot know the key.
    #[error("this server cannot check the key yet; try again shortly")]
    PepperUnknown,
    /// The key's state does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// The store does not answer.
    #[error("the key store does not answer; try again shortly")]
    Store(#[from] rusqlite::Error),
    /// The store that servers share does not answer.
    #[error("the key store does not answer; try again shortly")]
    SharedStore(#[from] crate::store::Error),
    /// The store was written by a newer version.
    #[error(
        "the key store has form {found}, which this version does not know (it knows {known}); use a newer version"
    )]
    StoreTooNew {
        /// What the file says.
        found: i64,
        /// What we know.
        known: i64,
    },
    /// A file beside the store is not as it must be.
    #[error("{}: {problem}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The machine gives no random numbers.
    #[error("the machine gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

impl Error {
    pub(super) fn field(field: &'static str, detail: impl Into<String>) -> Self {
        Self::InvalidField {
            field,
            detail: detail.into(),
        }
    }

    /// The contract's name for it.
    pub fn code(&self) -> Code {
        match self {
            Self::CredentialsMissing => Code::CredentialsMissing,
            Self::CredentialsMalformed => Code::CredentialsMalformed,
            Self::KeyMistyped => Code::KeyMistyped,
            Self::KeyUnknown => Code::KeyUnknown,
            Self::KeyExpired => Code::KeyExpired,
            Self::KeyRevoked => Code::KeyRevoked,
            Self::TokenInvalid(_) => Code::TokenInvalid,
            Self::TokenExpired => Code::TokenExpired,
            Self::TokenUsedUp => Code::TokenUsedUp,
            Self::SessionOver => Code::SessionOver,
            Self::ScopeMissing(_) => Code::ScopeMissing,
            Self::OriginRefused => Code::OriginRefused,
            Self::KeyRequired => Code::KeyRequired,
            Self::InvalidField { .. } => Code::InvalidField,
            Self::NotFound => Code::NotFound,
            Self::Conflict(_) => Code::Conflict,
            Self::Store(_)
            | Self::SharedStore(_)
            | Self::StoreTooNew { .. }
            | Self::PepperUnknown => Code::StoreUnavailable,
            Self::TooManyTokens => Code::Overloaded,
            Self::File { .. } | Self::Random(_) => Code::Internal,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = error.code();
        let detail = match &error {
            // Paths and the machine's troubles are for the log.
            Error::File { .. } | Error::Random(_) | Error::StoreTooNew { .. } => {
                code.explanation().trim().to_owned()
            }
            _ => sentence(&error.to_string()),
        };
        let refusal = Self::new(code, detail);
        match error {
            Error::InvalidField { field, .. } => refusal.field(field),
            Error::Store(_) | Error::SharedStore(_) | Error::PepperUnknown => {
                refusal.retry_after(std::time::Duration::from_secs(1))
            }
            Error::TooManyTokens => refusal.retry_after(std::time::Duration::from_secs(60)),
            _ => refusal,
        }
    }
}

/// An error's text as a sentence for a person.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}
