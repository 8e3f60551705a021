//! Raw parts to [`Intake`]: counted, checked and sniffed within bounds, every picture decoded and made small.
//!
//! Two steps, so that the pictures can be charged to the caller's allowance in between: [`Reader::multipart`] or
//! [`Reader::json`] gives [`Parts`], and [`Reader::admit`] makes the [`Intake`] that all later rooms trust.

mod loose;
mod objects;
mod parts;
mod pictures;
mod rules;

use std::sync::Arc;

use api::limits::{JPEG_QUALITY, MAX_EDGE};
use api::{Code, ImageRole, SummaryRequest, Warning};
use bytes::Bytes;
use tokio::sync::Semaphore;

pub use self::parts::Parts;
pub(crate) use self::rules::without_priority;
pub use self::rules::{parse, pointer_of};
use crate::config;
use crate::refusal::Refusal;

/// A request that was checked whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    /// The request, normalised: fields in order and once, `candidates` given, no picture data.
    pub request: SummaryRequest,
    /// The pictures, in the request's order.
    pub pictures: Vec<Picture>,
}

/// A picture that was decoded and is ready for an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Its id in the request.
    pub id: String,
    /// Its name in the article.
    pub filename: Option<String>,
    /// Its visible caption.
    pub caption: Option<String>,
    /// Where it leads, as the caller says.
    pub link: Option<String>,
    /// What the author says of it.
    pub role: ImageRole,
    /// At most [`MAX_EDGE`] pixels on its longest edge, upright, without metadata.
    pub bytes: Bytes,
    /// The media type of `bytes`.
    pub media_type: &'static str,
    /// SHA-256 of the bytes that came in.
    pub digest: [u8; 32],
    /// What was measured on its pixels.
    pub looks: Option<imaging::Looks>,
    /// What a person should know about it.
    pub warnings: Vec<Warning>,
}

/// Why a request was not accepted. Nothing here is the server's fault but [`Error::Lost`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is not JSON or multipart of the documented form.
    #[error("{0}")]
    Malformed(String),
    /// The body, or the part `request`, has too many bytes.
    #[error("the {what} is longer than {limit} bytes; send smaller pictures or a shorter article")]
    BodyTooLarge {
        /// The body or a part.
        what: &'static str,
        /// The bound in bytes.
        limit: usize,
    },
    /// The article has too many characters.
    #[error("the article has more than {limit} characters; shorten it, or send its main part")]
    ContentTooLong {
        /// The bound in characters.
        limit: usize,
    },
    /// There are too many pictures.
    #[error("at most {limit} pictures are read; send fewer")]
    TooManyImages {
        /// The bound.
        limit: usize,
    },
    /// The pictures and their list do not agree.
    #[error("{detail}")]
    Mismatch {
        /// The picture's id or the part's name.
        id: String,
        /// What is missing or too much.
        detail: String,
    },
    /// A field has a value that is not allowed.
    #[error("{} {detail}", subject(pointer))]
    Field {
        /// A JSON pointer.
        pointer: String,
        /// What is allowed, as the rest of a sentence that begins with the field.
        detail: String,
        /// The bound that was passed.
        limit: Option<u64>,
    },
    /// A picture was not accepted.
    #[error("picture `{id}`: {error}")]
    Picture {
        /// Its id.
        id: String,
        /// Why.
        error: imaging::Error,
    },
    /// Neither text nor a picture.
    #[error("there is neither text nor a picture; write something or add a picture first")]
    NothingToRead,
    /// The pool that decodes pictures is gone; a bug, or the server is stopping.
    #[error("the pictures could not be read; send the request again")]
    Lost,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let refusal = |code| Self::new(code, error.to_string());
        match &error {
            Error::Malformed(_) => refusal(Code::MalformedRequest),
            Error::BodyTooLarge { limit, .. } => refusal(Code::BodyTooLarge).limit(*limit as u64),
            Error::ContentTooLong { limit } => refusal(Code::ContentTooLong)
                .field("/article/content")
                .limit(*limit as u64),
            Error::TooManyImages { limit } => refusal(Code::TooManyImages)
                .field("/images")
                .limit(*limit as u64),
            Error::Mismatch { id, .. } => refusal(Code::ImageMismatch).image(id),
            Error::Field { pointer, limit, .. } => {
                let refusal = refusal(Code::InvalidField).field(pointer);
                limit.map_or(refusal.clone(), |limit| refusal.limit(limit))
            }
            Error::Picture { id, error } => picture(refusal, error).image(id),
            Error::NothingToRead => refusal(Code::NothingToRead),
            Error::Lost => refusal(Code::Internal),
        }
    }
}

/// What a sentence about a pointer begins with.
fn subject(pointer: &str) -> String {
    match pointer {
        "" => "the request".to_owned(),
        pointer => format!("`{pointer}`"),
    }
}

fn picture(refusal: impl Fn(Code) -> Refusal, error: &imaging::Error) -> Refusal {
    match error {
        imaging::Error::NotAnImage => refusal(Code::NotAnImage),
        imaging::Error::Unsupported { .. } => refusal(Code::UnsupportedImage),
        imaging::Error::TooLarge {
            exceeded: imaging::Exceeded::Bytes { max, .. },
        } => refusal(Code::ImageTooLarge).limit(*max as u64),
        imaging::Error::TooLarge {
            exceeded: imaging::Exceeded::Pixels { max, .. },
        } => refusal(Code::TooManyPixels).limit(*max),
        _ => refusal(Code::ImageBroken),
    }
}

/// Reads requests within the bounds of the configuration. A clone shares its threads.
#[derive(Debug, Clone)]
pub struct Reader {
    bounds: config::Intake,
    options: imaging::Options,
    threads: Arc<Semaphore>,
}

impl Reader {
    /// At most `threads` pictures are decoded at a time, over all requests.
    #[must_use]
    pub fn new(bounds: &config::Intake, threads: usize) -> Self {
        let options = imaging::Options {
            longest_edge: MAX_EDGE,
            max_pixels: bounds.max_pixels,
            max_bytes: bounds.max_image_bytes,
            quality: JPEG_QUALITY,
            keep_alpha: false,
        };
        Self {
            bounds: bounds.clone(),
            options,
            threads: Arc::new(Semaphore::new(threads.max(1))),
        }
    }

    /// Bytes that a body may have.
    #[must_use]
    pub fn max_body_bytes(&self) -> usize {
        self.bounds.max_body_bytes
    }

    /// Checks every field, and decodes nothing.
    ///
    /// # Errors
    /// [`Error`], the first that is met.
    pub fn check(&self, parts: &Parts) -> Result<(), Error> {
        rules::checked(parts.request.clone(), &self.bounds).map(drop)
    }

    /// Checks every field, then decodes every picture.
    ///
    /// # Errors
    /// [`Error`], the first that is met: fields before pictures.
    pub async fn admit(&self, parts: Parts) -> Result<Intake, Error> {
        let request = rules::checked(parts.request, &self.bounds)?;
        let refs = request.images.iter().zip(parts.pictures);
        let pictures = refs.map(|(image, bytes)| self.decode(image.clone(), bytes));
        // In the request's order: the error is the first picture's, whichever thread is quicker.
        let pictures = futures_util::future::try_join_all(pictures).await?;
        Ok(Intake { request, pictures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn bounds() -> config::Intake {
        config::Intake {
            max_images: 2,
            max_image_bytes: 4096,
            max_pixels: 10_000,
            max_content_chars: 1000,
            max_body_bytes: 16_384,
        }
    }

    pub(super) fn reader() -> Reader {
        Reader::new(&bounds(), 1)
    }

    /// A picture of one pixel.
    pub(super) fn png() -> Vec<u8> {
        use base64::Engine as _;
        let one_pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        base64::engine::general_purpose::STANDARD
            .decode(one_pixel)
            .unwrap()
    }

    async fn admit(bytes: Vec<u8>) -> Result<Intake, Refusal> {
        let image = api::ImageRef {
            id: "a".into(),
            ..api::ImageRef::default()
        };
        let request = SummaryRequest {
            images: vec![image],
            ..SummaryRequest::default()
        };
        reader()
            .admit(Parts {
                request,
                pictures: vec![bytes.into()],
            })
            .await
            .map_err(Refusal::from)
    }

    #[tokio::test]
    async fn a_picture_is_ready_for_an_engine() {
        let intake = admit(png()).await.unwrap();
        assert_eq!(intake.pictures[0].media_type, "image/png");
        assert!(!intake.pictures[0].bytes.is_empty());
    }

    #[tokio::test]
    async fn a_picture_that_cannot_be_read_is_named_with_its_reason() {
        let mut broken = png();
        broken.truncate(40);
        let cases = [
            (b"not a picture at all".to_vec(), Code::NotAnImage),
            (b"%PDF-1.7 ...".to_vec(), Code::UnsupportedImage),
            (vec![0; 5000], Code::ImageTooLarge),
            (broken, Code::ImageBroken),
        ];
        for (bytes, code) in cases {
            let refusal = admit(bytes).await.unwrap_err();
            assert_eq!(
                (refusal.code, refusal.image.as_deref()),
                (code, Some("a")),
                "{refusal}"
            );
        }
    }

    #[tokio::test]
    async fn a_header_that_declares_too_much_is_refused_before_decoding() {
        let mut bomb = png();
        bomb.splice(16..24, [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        let refusal = admit(bomb).await.unwrap_err();
        assert!(
            matches!(refusal.code, Code::TooManyPixels | Code::ImageBroken),
            "{refusal}"
        );
    }
}
