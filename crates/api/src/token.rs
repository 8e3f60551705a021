//! `POST /v1/tokens`: the short-lived token that a browser holds instead of a key.

use crate::Scope;

wire! {
    /// What the token may do. Sent by a site's own server with its API key.
    #[serde(deny_unknown_fields)]
    pub struct TokenRequest {
        /// Who uses it, for the site's own log; at most 128 characters.
        #[cfg_attr(feature = "openapi", schema(max_length = 128))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub subject: Option<String>,
        /// The page's origin, for instance `https://blog.example`; one of the key's.
        pub origin: String,
        /// At least one, and never more than the key has.
        #[cfg_attr(feature = "openapi", schema(min_items = 1))]
        pub scopes: Vec<Scope>,
        /// 1 to 900.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 900))]
        pub ttl_seconds: u32,
        /// The token is used up after this many requests, at least one.
        #[cfg_attr(feature = "openapi", schema(minimum = 1))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub max_requests: Option<u32>,
    }

    /// A new token.
    pub struct TokenCreated {
        /// A JWT, to be sent as `Authorization: Bearer`.
        pub token: String,
        /// Unix time in milliseconds.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub expires_at: u64,
    }
}
