//! What every room's error becomes before it leaves: a code of the contract and what is known about this case.
//!
//! `http` turns it into `application/problem+json`. Nothing here holds a secret, an article's text, a path or another
//! key's facts: `detail` is read by the caller.

use std::time::Duration;

use api::{Code, Problem};

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the contract's cases.
    pub code: Code,
    /// What happened here, and what to do.
    pub detail: String,
    /// The request's field at fault, as a JSON pointer or a part's name.
    pub field: Option<Box<str>>,
    /// The picture at fault.
    pub image: Option<Box<str>>,
    /// The bound that was passed.
    pub limit: Option<u64>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
    /// The methods that the address has, for `Allow`.
    pub allow: Option<Box<str>>,
}

impl Refusal {
    /// A refusal of which nothing more is known than the code and the words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            image: None,
            limit: None,
            retry_after: None,
            allow: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into().into_boxed_str());
        self
    }

    /// Names the picture at fault.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into().into_boxed_str());
        self
    }

    /// Tells the bound.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Tells when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Tells the methods that are allowed, for instance `GET, HEAD`.
    #[must_use]
    pub fn allow(mut self, methods: impl Into<String>) -> Self {
        self.allow = Some(methods.into().into_boxed_str());
        self
    }

    /// The seconds of the `Retry-After` header: never earlier than the wait, and at least one.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(whole_seconds)
    }

    /// The `WWW-Authenticate` header (RFC 6750, section 3) of a refusal for want of credentials or scope.
    pub fn www_authenticate(&self) -> Option<&'static str> {
        match (self.code, self.code.status()) {
            (Code::CredentialsMissing, _) => Some("Bearer realm=\"smart-summary\""),
            (Code::CredentialsMalformed, _) => {
                Some("Bearer realm=\"smart-summary\", error=\"invalid_request\"")
            }
            (_, 401) => Some("Bearer realm=\"smart-summary\", error=\"invalid_token\""),
            (Code::ScopeMissing, _) => {
                Some("Bearer realm=\"smart-summary\", error=\"insufficient_scope\"")
            }
            _ => None,
        }
    }

    /// The body.
    pub fn problem(&self, request_id: &str) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.clone(), request_id);
        problem.field = self.field.as_deref().map(str::to_owned);
        problem.image = self.image.as_deref().map(str::to_owned);
        problem.limit = self.limit;
        problem.retry_after_ms = self
            .retry_after
            .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        problem
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}

/// A wait in whole seconds, rounded up and at least one: a caller that waits so long is not early.
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_rounded_to_an_earlier_second() {
        for (millis, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60)] {
            assert_eq!(
                whole_seconds(Duration::from_millis(millis)),
                seconds,
                "{millis} ms"
            );
        }
    }

    #[test]
    fn the_body_carries_what_is_known() {
        let refusal = Refusal::new(Code::TooManyImages, "Nine; eight are read.")
            .field("/images")
            .image("a")
            .limit(8)
            .retry_after(Duration::from_millis(1500));
        let problem = refusal.problem("r1");
        assert_eq!(
            (problem.status, problem.limit, problem.retry_after_ms),
            (422, Some(8), Some(1500))
        );
        assert_eq!(
            (problem.field.as_deref(), problem.image.as_deref()),
            (Some("/images"), Some("a"))
        );
        assert_eq!(refusal.retry_after_seconds(), Some(2));
    }

    #[test]
    fn every_401_challenges_and_no_404_does() {
        for code in Code::ALL {
            let challenge = Refusal::new(*code, "x").www_authenticate();
            assert_eq!(
                challenge.is_some(),
                code.status() == 401 || *code == Code::ScopeMissing,
                "{code}"
            );
        }
    }
}
