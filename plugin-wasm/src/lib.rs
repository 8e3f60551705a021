//! The browser half of Smart Summary: what runs in the page's worker.
//!
//! A picture goes through `prepare`, a draft is made by `draft`, a request goes out by `upload` and its answer comes in
//! by `stream`. Nothing here knows the DOM. What crosses to JavaScript is JSON, bytes, and [`error::SmartSummaryError`]
//! as a plain object; the TypeScript in `js/` gives it its public form.
//!
//! Two modules are built from this crate, by its features: `core` and `draft`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "draft")]
pub mod draft;
pub mod error;
pub mod options;
#[cfg(feature = "core")]
pub mod prepare;
#[cfg(feature = "core")]
pub mod stream;
#[cfg(feature = "core")]
pub mod upload;

use wasm_bindgen::prelude::*;

/// A picture that is ready to be sent.
#[cfg(feature = "core")]
#[wasm_bindgen]
pub struct PreparedPicture {
    bytes: Vec<u8>,
    facts: String,
}

#[cfg(feature = "core")]
#[wasm_bindgen]
impl PreparedPicture {
    /// What the page is told about it, as JSON.
    #[wasm_bindgen(getter)]
    pub fn facts(&self) -> String {
        self.facts.clone()
    }

    /// The encoded picture. It can be taken once; a second time gives no bytes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// Makes a picture ready to be sent. `options`: JSON of [`options::PictureOptions`].
///
/// # Errors
/// The code that the server would give for this picture.
#[cfg(feature = "core")]
#[wasm_bindgen]
pub fn prepare(bytes: &[u8], options: &str) -> Result<PreparedPicture, JsValue> {
    let (bytes, facts) = prepare::prepare(bytes, &options::read(options)?)?;
    let facts =
        serde_json::to_string(&facts).map_err(|cause| error::SmartSummaryError::misread(&cause))?;
    Ok(PreparedPicture { bytes, facts })
}

/// Refuses a picture by the length of its file in bytes.
///
/// # Errors
/// `image_too_large`.
#[cfg(feature = "core")]
#[wasm_bindgen]
pub fn admit(bytes: f64) -> Result<(), JsValue> {
    Ok(prepare::admit(bytes)?)
}

/// Sends a request and gives the summary as JSON. `options`: JSON of [`options::UploadOptions`]; `request`: JSON of
/// `SummaryRequest`.
///
/// # Errors
/// The server's problem, or why there is no answer.
#[cfg(feature = "core")]
#[wasm_bindgen]
pub async fn summarize(
    options: String,
    request: String,
    host: upload::Host,
) -> Result<String, JsValue> {
    let summary =
        upload::summarize(&options::read(&options)?, &options::read(&request)?, &host).await?;
    Ok(serde_json::to_string(&summary)
        .map_err(|cause| error::SmartSummaryError::misread(&cause))?)
}

/// Drafts a summary and gives it as JSON. `request`: JSON of `SummaryRequest`.
///
/// # Errors
/// `malformed_request`.
#[cfg(feature = "draft")]
#[wasm_bindgen]
pub fn draft(request: &str) -> Result<String, JsValue> {
    let draft = draft::draft(&options::read(request)?);
    Ok(serde_json::to_string(&draft).map_err(|cause| error::SmartSummaryError::misread(&cause))?)
}

/// Looks up texts in an article. `texts`: a JSON object of texts; gives one with the same keys.
///
/// # Errors
/// `malformed_request`.
#[cfg(feature = "draft")]
#[wasm_bindgen]
pub fn ground(request: &str, texts: &str) -> Result<String, JsValue> {
    let evidence = draft::ground(&options::read(request)?, options::read(texts)?);
    Ok(serde_json::to_string(&evidence)
        .map_err(|cause| error::SmartSummaryError::misread(&cause))?)
}

/// Whether the dictionary of Chinese words is worth its download for this request.
///
/// # Errors
/// `malformed_request`.
#[cfg(feature = "draft")]
#[wasm_bindgen]
pub fn needs_dictionary(request: &str) -> Result<bool, JsValue> {
    Ok(draft::needs_dictionary(&options::read(request)?))
}

/// Installs the dictionary of Chinese words: lines of word, frequency and tag.
///
/// # Errors
/// When the bytes are no dictionary.
#[cfg(feature = "draft")]
#[wasm_bindgen]
pub fn install_dictionary(bytes: &[u8]) -> Result<(), JsValue> {
    Ok(draft::install_dictionary(bytes)?)
}
