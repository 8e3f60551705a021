//! Every refusal: the body (RFC 9457) and the one table of codes.

wire! {
    /// The body of every error, `application/problem+json` (RFC 9457).
    pub struct Problem {
        /// A relative reference to the code's paragraph in the documentation.
        pub r#type: String,
        /// The code's title; the same for every occurrence.
        pub title: String,
        /// The HTTP status.
        pub status: u16,
        /// The stable name to act on.
        pub code: Code,
        /// What happened here, and what to do.
        pub detail: String,
        /// Names this request in the server's log.
        pub request_id: String,
        /// The request's field that is at fault, as a JSON pointer or a part's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub field: Option<String>,
        /// The picture that is at fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub image: Option<String>,
        /// The bound that was passed, in the unit that `detail` names.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub limit: Option<u64>,
        /// When to try again, in milliseconds; the `Retry-After` header rounded to no earlier second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
        pub retry_after_ms: Option<u64>,
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $wire:literal => $status:literal, $title:literal;)*) => {
        /// The stable names of what can go wrong. A code never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $wire)] $name,)*
        }

        // By hand: the derive does not see a name that comes through a macro.
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for Code {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($wire),*]))
                    .description(Some("The stable name of what went wrong; it never changes its meaning."))
                    .into()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for Code {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed("Code")
            }
        }

        impl Code {
            /// Every code, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire),* }
            }

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// The title, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// When it happens and what a caller does about it, for the documentation.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*)),* }
            }
        }
    };
}

codes! {
    /// The body is not JSON or multipart of the documented form. Mend what `detail` names; do not send the same again.
    MalformedRequest = "malformed_request" => 400, "The request is not well formed";
    /// The `Idempotency-Key` header is empty, longer than 255 characters or has control characters. Send a UUID.
    IdempotencyKeyInvalid = "idempotency_key_invalid" => 400, "The idempotency key is not valid";
    /// There is no `Authorization` header. Send `Authorization: Bearer` with an API key or a token.
    CredentialsMissing = "credentials_missing" => 401, "Credentials are missing";
    /// The `Authorization` header is not `Bearer` followed by one API key or token.
    CredentialsMalformed = "credentials_malformed" => 401, "The credentials cannot be read";
    /// The API key's checksum does not fit: a character is missing or mistyped. Copy the key again.
    KeyMistyped = "key_mistyped" => 401, "The API key is mistyped";
    /// No key of this server is this one. Ask the operator for a key.
    KeyUnknown = "key_unknown" => 401, "The API key is unknown";
    /// The key's time is over. Ask the operator for a new key.
    KeyExpired = "key_expired" => 401, "The API key has expired";
    /// The key was withdrawn. Ask the operator for a new key.
    KeyRevoked = "key_revoked" => 401, "The API key was revoked";
    /// The token is not one of this server's, or was changed. Ask your own server for a new one.
    TokenInvalid = "token_invalid" => 401, "The token is not valid";
    /// The token's time is over. Ask your own server for a new one; the browser package does so by itself.
    TokenExpired = "token_expired" => 401, "The token has expired";
    /// The token has served the number of requests it was made for. Ask your own server for a new one.
    TokenUsedUp = "token_used_up" => 401, "The token is used up";
    /// The session of the operator's page is over: it was left alone too long, ended, or its key no longer works. Sign in again.
    SessionOver = "session_over" => 401, "The session is over";
    /// The key or token may not do this. Use one that has the scope which `detail` names.
    ScopeMissing = "scope_missing" => 403, "A scope is missing";
    /// The page's origin is not among those of the key or token. Add the origin to the key.
    OriginRefused = "origin_refused" => 403, "The origin is not allowed";
    /// This route takes an API key, not a token.
    KeyRequired = "key_required" => 403, "An API key is required";
    /// No such address or resource.
    NotFound = "not_found" => 404, "Not found";
    /// This server has no such model. Use one that `GET /v1/models` lists, or leave `model` out.
    ModelNotFound = "model_not_found" => 404, "There is no such model";
    /// The address exists, but not with this method; `Allow` lists those it has.
    MethodNotAllowed = "method_not_allowed" => 405, "The method is not allowed";
    /// The answer exists as `application/json` and `text/event-stream` only.
    NotAcceptable = "not_acceptable" => 406, "The answer has no such form";
    /// The body did not arrive in time. Send it again.
    RequestTimeout = "request_timeout" => 408, "The request took too long to arrive";
    /// A request with this idempotency key is being answered. Wait for `Retry-After`, then send the same again.
    IdempotencyInProgress = "idempotency_in_progress" => 409, "The same request is in progress";
    /// The resource was changed or is in a state that does not allow this.
    Conflict = "conflict" => 409, "The resource does not allow this now";
    /// The batch is still running. Wait for `Retry-After`, or ask with `partial=true` for what is done.
    BatchNotFinished = "batch_not_finished" => 409, "The batch is not finished";
    /// The body is longer than the server reads. Send smaller pictures; the browser package makes them small.
    BodyTooLarge = "body_too_large" => 413, "The body is too large";
    /// The article is longer than the server reads. Shorten it, or send its main part.
    ContentTooLong = "content_too_long" => 413, "The article is too long";
    /// One picture has more bytes than the server reads. Make it smaller.
    ImageTooLarge = "image_too_large" => 413, "The picture has too many bytes";
    /// One picture declares more pixels than the server decodes. Make it smaller.
    TooManyPixels = "too_many_pixels" => 413, "The picture has too many pixels";
    /// The body is neither `multipart/form-data` nor `application/json`, or is compressed.
    UnsupportedMediaType = "unsupported_media_type" => 415, "The media type is not supported";
    /// The picture's bytes are no picture. Check what was sent.
    NotAnImage = "not_an_image" => 415, "This is not a picture";
    /// The picture has a format that is not read here. Send JPEG, PNG, WebP or GIF.
    UnsupportedImage = "unsupported_image" => 415, "The picture's format is not supported";
    /// The picture's data are damaged. Export it again.
    ImageBroken = "image_broken" => 422, "The picture is damaged";
    /// There are more pictures than one request takes. Send fewer.
    TooManyImages = "too_many_images" => 422, "There are too many pictures";
    /// A picture was announced without its bytes, or bytes came without announcement.
    ImageMismatch = "image_mismatch" => 422, "Pictures and their list do not agree";
    /// A field has a value that is not allowed; `field` and `detail` name it.
    InvalidField = "invalid_field" => 422, "A field is not valid";
    /// The batch has more items than the server takes. Send several batches.
    TooManyItems = "too_many_items" => 422, "There are too many items";
    /// Neither text nor a picture was sent. Write something or add a picture first.
    NothingToRead = "nothing_to_read" => 422, "There is nothing to summarise";
    /// The server's moderation refused the text or what was written of it. Change the text, or ask the operator.
    ContentRefused = "content_refused" => 422, "The content was refused";
    /// The engine that was asked for is not part of this server. Use `auto`, or one that `/readyz` lists.
    EngineNotOffered = "engine_not_offered" => 422, "The engine is not offered";
    /// The idempotency key was used with another request. Use a new key for a new request.
    IdempotencyMismatch = "idempotency_mismatch" => 422, "The idempotency key belongs to another request";
    /// The key's quota for this minute is used up. Wait for `Retry-After`.
    RateLimited = "rate_limited" => 429, "The quota is used up";
    /// The key's tokens for today are used up. Wait until `Retry-After`, or ask the operator for more.
    BudgetUsedUp = "budget_used_up" => 429, "The daily budget is used up";
    /// As many items of this key wait in batches as may. Wait for `Retry-After`, or until a batch is finished.
    TooManyBatches = "too_many_batches" => 429, "Too many items wait in batches";
    /// This address sent too many bad credentials. Wait for `Retry-After`, then mend them.
    TooManyFailures = "too_many_failures" => 429, "There were too many failed attempts";
    /// A fault of ours. It is in the log under the request's id.
    Internal = "internal" => 500, "Something went wrong in the server";
    /// The engine's answer could not be used. Try again.
    EngineOutput = "engine_output" => 502, "The engine's answer was not usable";
    /// The engine failed on this request. Try again.
    EngineFailed = "engine_failed" => 502, "The engine failed";
    /// No engine can serve this now. Wait for `Retry-After`.
    EngineUnavailable = "engine_unavailable" => 503, "No engine can serve this now";
    /// Too many requests are waiting. Wait for `Retry-After`.
    Overloaded = "overloaded" => 503, "The server is busy";
    /// The server is stopping. Send the request again; another server or the next start answers it.
    Draining = "draining" => 503, "The server is stopping";
    /// The server's store of keys, use and batches does not answer. Wait for `Retry-After`.
    StoreUnavailable = "store_unavailable" => 503, "The store is not available";
    /// The answer was not ready before the deadline. Try again, or ask for less.
    DeadlineExceeded = "deadline_exceeded" => 504, "The deadline has passed";
}

impl Problem {
    /// A problem of `code` with the table's status and title.
    pub fn new(code: Code, detail: impl Into<String>, request_id: impl Into<String>) -> Self {
        Self {
            r#type: format!("/docs/errors#{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            request_id: request_id.into(),
            field: None,
            image: None,
            limit: None,
            retry_after_ms: None,
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_code_has_its_own_name_and_an_error_status() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(
            Code::ALL
                .iter()
                .all(|code| (400..600).contains(&code.status()))
        );
    }

    #[test]
    fn the_wire_name_is_the_one_of_the_table() {
        for code in Code::ALL {
            assert_eq!(
                serde_json::to_string(code).unwrap(),
                format!("\"{}\"", code.as_str())
            );
        }
    }

    #[test]
    fn every_code_is_explained_in_a_sentence() {
        for code in Code::ALL {
            assert!(
                code.explanation().trim().ends_with('.'),
                "{code}: {:?}",
                code.explanation()
            );
        }
    }
}
