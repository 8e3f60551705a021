//! The typed options of the exports, as the worker hands them over in JSON.

use crate::error::SmartSummaryError;
use serde::Deserialize;

/// Where a request goes, and how patiently.
#[cfg(feature = "net")]
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadOptions {
    /// The backend's address; a path is kept.
    pub endpoint: String,
    /// Names the request, so that it is answered and paid once however often it is sent.
    pub idempotency_key: String,
    /// Tries in all, at least 1.
    pub attempts: u32,
    /// The longest wait between two tries, in milliseconds.
    pub max_wait_ms: u64,
}

#[cfg(feature = "net")]
impl UploadOptions {
    /// The address of `POST /v1/summaries`.
    pub fn url(&self) -> String {
        format!("{}/v1/summaries", self.endpoint.trim_end_matches('/'))
    }
}

/// Reads options or a request that came from the page.
///
/// # Errors
/// `malformed_request`, with the place that cannot be read.
pub fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, SmartSummaryError> {
    serde_json::from_str(json).map_err(|cause| SmartSummaryError::misread(&cause))
}

#[cfg(all(test, feature = "net"))]
mod tests {
    use super::*;

    #[track_caller]
    fn check_url(endpoint: &str, url: &str) {
        let options = UploadOptions {
            endpoint: endpoint.to_owned(),
            idempotency_key: "k".to_owned(),
            attempts: 1,
            max_wait_ms: 0,
        };
        assert_eq!(options.url(), url);
    }

    #[test]
    fn the_route_follows_the_endpoint() {
        check_url("https://a.example", "https://a.example/v1/summaries");
    }

    #[test]
    fn a_path_and_a_slash_are_kept_and_joined() {
        check_url(
            "https://a.example/smart/",
            "https://a.example/smart/v1/summaries",
        );
    }

    #[test]
    fn a_misspelt_option_is_named() {
        let error = read::<UploadOptions>(r#"{"endpiont":"x"}"#).unwrap_err();
        assert!(error.message.contains("endpiont"), "{}", error.message);
    }
}
