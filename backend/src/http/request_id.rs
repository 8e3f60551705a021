//! The name of a request in answers and in the log.

use actix_web::http::header::HeaderMap;

use crate::service::new_id;

/// 8 to 64 of `A-Z a-z 0-9 . _ -`: the caller's own when it is so, else a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(String);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers
            .get("x-request-id")
            .and_then(|value| value.to_str().ok());
        Self(
            given
                .filter(|id| is_sane(id))
                .map_or_else(new_id, str::to_owned),
        )
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Nothing that could break a log line or be mistaken for content.
fn is_sane(id: &str) -> bool {
    (8..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_another_replaced() {
        assert!(is_sane("6f9619ff-8b86-d011"));
        for wrong in [
            "",
            "short",
            "with space and more",
            "line\nbreak-x",
            &"x".repeat(65),
        ] {
            assert!(!is_sane(wrong), "{wrong:?}");
        }
    }
}
