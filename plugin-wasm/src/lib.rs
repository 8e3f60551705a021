//! The browser half of Smart Summary: what runs in the page's worker.
//!
//! A picture's header goes through `picture`, its pixels come from the browser into `shrink`; what the browser does not
//! decode goes through the crate `imaging` alone. A draft is made by `draft`, a request goes out by `upload` and its answer
//! comes in by `stream`. Nothing here knows the DOM. What crosses to JavaScript is JSON, bytes and plain objects, errors as
//! [`error::SmartSummaryError`]; the TypeScript in `js/` gives them their public form.
//!
//! Five modules are built from this crate, by its features: `core`, `decoders`, `net` and `draft`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[cfg(feature = "draft")]
pub mod draft;
pub mod error;
#[cfg(any(feature = "core", feature = "decoders"))]
mod facts;
#[cfg(feature = "core")]
pub mod filter;
#[cfg(any(feature = "net", feature = "draft"))]
pub mod options;
#[cfg(feature = "core")]
pub mod picture;
mod plain;
#[cfg(feature = "core")]
pub mod shrink;
#[cfg(feature = "net")]
pub mod stream;
#[cfg(feature = "core")]
pub mod turning;
#[cfg(feature = "net")]
pub mod upload;
#[cfg(feature = "core")]
pub mod ycc;

use wasm_bindgen::prelude::*;

/// A picture that is ready to be sent.
#[cfg(any(feature = "core", feature = "decoders"))]
#[wasm_bindgen]
pub struct PreparedPicture(imaging::Prepared);

#[cfg(any(feature = "core", feature = "decoders"))]
#[wasm_bindgen]
impl PreparedPicture {
    /// What the page is told about it: `Facts` of `messages.ts`.
    #[wasm_bindgen(getter)]
    pub fn facts(&self) -> JsValue {
        facts::facts(&self.0)
    }

    /// The encoded picture. It can be taken once; a second time gives no bytes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0.bytes)
    }
}

/// A picture whose header has been read; the browser writes its pixels.
#[cfg(feature = "core")]
#[wasm_bindgen]
pub struct Picture(picture::Picture);

#[cfg(feature = "core")]
#[wasm_bindgen]
impl Picture {
    /// Reads the header within the contract's bounds.
    ///
    /// # Errors
    /// The code that the server would give for this picture.
    #[wasm_bindgen(constructor)]
    pub fn new(
        file: Vec<u8>,
        longest_edge: u32,
        quality: u8,
        keep_alpha: bool,
    ) -> Result<Self, JsValue> {
        let options = facts::options(longest_edge, quality, keep_alpha);
        Ok(Self(picture::Picture::new(file, options)?))
    }

    /// The media type, by the file's first bytes.
    #[wasm_bindgen(getter)]
    pub fn mime(&self) -> String {
        self.0.inspected().header.format.mime().to_owned()
    }

    /// Whether decoders give it at a reduced size.
    #[wasm_bindgen(getter)]
    pub fn is_jpeg(&self) -> bool {
        self.0.inspected().header.format == imaging::Format::Jpeg
    }

    /// Declared width as stored, in pixels.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.0.inspected().header.width
    }

    /// Declared height as stored, in pixels.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.0.inspected().header.height
    }

    /// The longest edge of the result, in pixels.
    #[wasm_bindgen(getter)]
    pub fn longest_edge(&self) -> u32 {
        self.0.longest_edge()
    }

    /// [`picture::Picture::is_plain`].
    #[wasm_bindgen(getter)]
    pub fn plain(&self) -> bool {
        self.0.is_plain()
    }

    /// [`picture::Picture::is_convertible`].
    #[wasm_bindgen(getter)]
    pub fn convertible(&self) -> bool {
        self.0.is_convertible()
    }

    /// The places in the file that, set to 1, keep every decoder from turning the picture.
    pub fn orientation_bytes(&self) -> Vec<u32> {
        self.0.orientation_bytes()
    }

    /// Pixels will come. `false` when their layout is not known here.
    pub fn begin(
        &mut self,
        width: u32,
        height: u32,
        format: &str,
        matrix: &str,
        full_range: bool,
        converted: bool,
    ) -> bool {
        let layout = shrink::Layout::named(format, matrix, full_range);
        if let Some(layout) = layout {
            self.0.begin(width, height, layout, converted);
        }
        layout.is_some()
    }

    /// Where in the module's memory the next rows are written.
    pub fn place(&mut self) -> *mut u8 {
        self.0
            .shrink()
            .map_or(std::ptr::null_mut(), |shrink| shrink.place().as_mut_ptr())
    }

    /// How many bytes are written there.
    #[wasm_bindgen(getter)]
    pub fn place_length(&mut self) -> usize {
        self.0.shrink().map_or(0, |shrink| shrink.place().len())
    }

    /// The first of the next rows.
    #[wasm_bindgen(getter)]
    pub fn row(&mut self) -> u32 {
        self.0.shrink().map_or(0, |shrink| shrink.row())
    }

    /// How many rows come next; 0 when all have come.
    #[wasm_bindgen(getter)]
    pub fn band_rows(&mut self) -> u32 {
        self.0.shrink().map_or(0, |shrink| shrink.band_rows())
    }

    /// The rows have been written.
    ///
    /// # Errors
    /// When they cannot be filtered, which is a bug.
    pub fn take(&mut self) -> Result<(), JsValue> {
        match self.0.shrink() {
            Some(shrink) => Ok(shrink.take()?),
            None => Ok(()),
        }
    }

    /// What is sent, when all rows have come.
    ///
    /// # Errors
    /// When rows are missing, which is a bug.
    pub fn finish(&mut self) -> Result<PreparedPicture, JsValue> {
        Ok(PreparedPicture(self.0.finish()?))
    }
}

/// Makes a picture ready to be sent with our own decoders.
///
/// # Errors
/// The code that the server would give for this picture.
#[cfg(feature = "decoders")]
#[wasm_bindgen]
pub fn prepare(
    bytes: &[u8],
    longest_edge: u32,
    quality: u8,
    keep_alpha: bool,
) -> Result<PreparedPicture, JsValue> {
    let options = facts::options(longest_edge, quality, keep_alpha);
    let prepared = imaging::prepare(bytes, &options).map_err(error::SmartSummaryError::from)?;
    Ok(PreparedPicture(prepared))
}

/// Sends a request and gives the summary as JSON. `options`: JSON of [`options::UploadOptions`]; `request`: JSON of
/// `SummaryRequest`.
///
/// # Errors
/// The server's problem, or why there is no answer.
#[cfg(feature = "net")]
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

/// Drafts a summary and gives it as JSON. `request`: JSON of `SummaryRequest`; `looks`: JSON, image id -> `PictureLooks`.
///
/// # Errors
/// `malformed_request`.
#[cfg(feature = "draft")]
#[wasm_bindgen]
pub fn draft(request: &str, looks: &str) -> Result<String, JsValue> {
    let draft = draft::draft(&options::read(request)?, &options::read(looks)?);
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
