//! `GET /v1/usage`: what the caller may use, and has.

use crate::Key;

wire! {
    /// The caller's limits, use and budget.
    pub struct Usage {
        /// The key that asks, or that made the token which asks.
        pub key: Key,
        /// One entry per limit.
        pub limits: Vec<LimitUse>,
        /// Tokens of the day, when the tier has a budget.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub budget: Option<Budget>,
    }

    /// One limit, as in the `RateLimit-Policy` and `RateLimit` headers.
    pub struct LimitUse {
        /// `requests`, `images` or `tokens`.
        pub name: String,
        /// How many in a window.
        pub quota: u32,
        /// The window.
        pub window_seconds: u32,
        /// How many at this moment.
        pub remaining: u32,
        /// Milliseconds until all are there again.
        pub reset_ms: u32,
    }

    /// The daily budget of engine tokens.
    #[derive(Copy, Eq)]
    pub struct Budget {
        /// Tokens a day (UTC).
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub tokens_per_day: u64,
        /// Tokens used today.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub used: u64,
        /// Unix time in milliseconds of the next day.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub resets_at: u64,
    }
}
