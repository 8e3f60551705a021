//! Clients for other people's servers: whom they trust, and what they show themselves with.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use serde_json::Value;

use crate::config::ForeignSecret;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// A client that trusts whom the operating system trusts, follows no redirect, and sends the key of the configuration's
/// `section` with every request, when there is one.
///
/// # Errors
/// A line for the operator: the key cannot be read or sent, or the system's certificates cannot be read.
pub fn client(
    section: &str,
    key: &Option<ForeignSecret>,
    key_file: Option<&Path>,
) -> Result<Client, String> {
    let key = ForeignSecret::given(key, key_file)
        .map_err(|fault| format!("{section}.api_key_file: {fault}"))?;
    with_key(key.as_deref()).map_err(|fault| format!("{section}: {fault}"))
}

/// A JSON document of at most so many bytes.
///
/// # Errors
/// What is wrong with it, or with the way.
pub async fn json(mut response: Response, most: usize) -> Result<Value, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreached(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > most {
            return Err("its answer does not end".to_owned());
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| "its answer is no JSON".to_owned())
}

fn with_key(key: Option<&str>) -> Result<Client, String> {
    // Another part of the process may have been faster; then the provider is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| "a key has letters, digits and signs only".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Client::builder()
        .default_headers(headers)
        .user_agent(concat!("smart-summary/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("no client can be made: {error}"))
}

/// What went wrong on the way, without the address, which may hold what is nobody's business.
pub fn unreached(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_timeout() {
        "no connection in time"
    } else {
        "the connection broke"
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source.and_then(std::error::Error::source) {
        source = Some(cause);
    }
    source.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}
