//! API keys: `/v1/admin/keys`.

wire! {
    /// What a key or token may do.
    #[derive(Copy, Eq, Hash, PartialOrd, Ord)]
    pub enum Scope {
        /// `POST /v1/summaries`.
        #[serde(rename = "summaries:write")]
        SummariesWrite,
        /// Chat completions and the compatible shapes.
        #[serde(rename = "chat:write")]
        ChatWrite,
        /// Batches.
        #[serde(rename = "batches:write")]
        BatchesWrite,
        /// Minting tokens; keys only.
        #[serde(rename = "tokens:write")]
        TokensWrite,
        /// Keys and everything else; keys only.
        #[serde(rename = "admin")]
        Admin,
    }

    /// What is done for the safety of a key's answers; each is on unless it is turned off.
    #[serde(default, deny_unknown_fields)]
    #[derive(Copy, Eq)]
    pub struct Safety {
        /// Card, identity and telephone numbers that the visible text of the request does not hold are masked.
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        pub mask_numbers: bool,
        /// Requests and answers pass the server's moderation, where it has one.
        #[cfg_attr(feature = "typescript", ts(as = "Option<bool>", optional))]
        pub moderate: bool,
    }

    /// A key as the operator sees it; never its secret.
    pub struct Key {
        /// The public part of the key.
        pub id: String,
        /// The operator's name for it.
        pub name: String,
        /// What it may do.
        pub scopes: Vec<Scope>,
        /// Origins that a browser's request or token may have; empty: none from a browser.
        pub origins: Vec<String>,
        /// The name of its quota.
        pub tier: String,
        /// What is done for the safety of its answers.
        #[serde(default)]
        pub safety: Safety,
        /// Unix time in milliseconds.
        #[cfg_attr(feature = "typescript", ts(type = "number"))]
        pub created_at: u64,
        /// Unix time in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub expires_at: Option<u64>,
        /// Unix time in milliseconds, to the minute.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub last_used_at: Option<u64>,
        /// Unix time in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub revoked_at: Option<u64>,
    }

    /// A key to be made.
    #[serde(deny_unknown_fields)]
    pub struct KeyDraft {
        /// 1 to 64 characters.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
        pub name: String,
        /// At least one.
        #[cfg_attr(feature = "openapi", schema(min_items = 1))]
        pub scopes: Vec<Scope>,
        /// At most 50, for instance `https://blog.example`.
        #[cfg_attr(feature = "openapi", schema(max_items = 50))]
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Vec<String>>", optional))]
        pub origins: Vec<String>,
        /// `default` when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub tier: Option<String>,
        /// What is done for the safety of its answers; everything when absent.
        #[serde(default)]
        #[cfg_attr(feature = "typescript", ts(as = "Option<Safety>", optional))]
        pub safety: Safety,
        /// Unix time in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub expires_at: Option<u64>,
    }

    /// A change to a key; what is absent stays.
    #[serde(deny_unknown_fields)]
    #[derive(Default)]
    pub struct KeyChange {
        /// 1 to 64 characters.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub name: Option<String>,
        /// At least one.
        #[cfg_attr(feature = "openapi", schema(min_items = 1))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub scopes: Option<Vec<Scope>>,
        /// The whole new list.
        #[cfg_attr(feature = "openapi", schema(max_items = 50))]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub origins: Option<Vec<String>>,
        /// The name of a quota.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub tier: Option<String>,
        /// The whole new choice; what is absent of it is on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub safety: Option<Safety>,
        /// Unix time in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub expires_at: Option<u64>,
    }

    /// A new or rotated key. The only place where a secret is shown, once.
    pub struct KeyCreated {
        /// The public part.
        pub id: String,
        /// The whole key, to be kept by the caller.
        pub key: String,
    }

    /// Every key of the server.
    pub struct KeyList {
        /// Newest first.
        pub keys: Vec<Key>,
    }
}

impl Default for Safety {
    fn default() -> Self {
        Self {
            mask_numbers: true,
            moderate: true,
        }
    }
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::SummariesWrite,
        Self::ChatWrite,
        Self::BatchesWrite,
        Self::TokensWrite,
        Self::Admin,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SummariesWrite => "summaries:write",
            Self::ChatWrite => "chat:write",
            Self::BatchesWrite => "batches:write",
            Self::TokensWrite => "tokens:write",
            Self::Admin => "admin",
        }
    }

    /// Whether a browser's token may carry it.
    pub const fn for_tokens(self) -> bool {
        matches!(
            self,
            Self::SummariesWrite | Self::ChatWrite | Self::BatchesWrite
        )
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| {
                format!(
                    "`{text}` is not a scope; there are {}",
                    Self::ALL.map(Self::as_str).join(", ")
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_reads_back_as_it_is_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(
                serde_json::to_string(&scope).unwrap(),
                format!("\"{scope}\"")
            );
        }
    }

    #[test]
    fn a_wrong_scope_is_told_the_right_ones() {
        assert!(
            "summary"
                .parse::<Scope>()
                .unwrap_err()
                .contains("summaries:write")
        );
    }
}
