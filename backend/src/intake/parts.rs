//! Bytes on a stream to a request and the bytes of its pictures, counted while they arrive.

use std::collections::BTreeMap;
use std::fmt::Display;

use api::{ImageRef, SummaryRequest};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use super::{Error, Reader, rules};

/// The name of the part that holds the request.
const REQUEST: &str = "request";

// Writers of data: URIs disagree on padding; the alphabet is the standard one.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A request and its pictures' bytes, before any field is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    pub(super) request: SummaryRequest,
    /// In the order of `request.images`, one for each.
    pub(super) pictures: Vec<Bytes>,
}

impl Parts {
    /// How many pictures there are.
    #[must_use]
    pub fn pictures(&self) -> usize {
        self.pictures.len()
    }
}

impl Reader {
    /// Reads `multipart/form-data`: the part `request` and a part for each picture, named by its id, in any order.
    ///
    /// # Errors
    /// [`Error`]; the stream is not read past the first bound that is passed.
    pub async fn multipart<S, E>(&self, body: S, boundary: &str) -> Result<Parts, Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let whole = multer::SizeLimit::new().whole_stream(self.bounds.max_body_bytes as u64);
        let constraints = multer::Constraints::new().size_limit(whole);
        let mut form = multer::Multipart::with_constraints(body, boundary, constraints);
        let mut request = None;
        let mut pictures = BTreeMap::new();
        while let Some(field) = form
            .next_field()
            .await
            .map_err(|error| self.multipart_error(&error))?
        {
            let name = field.name().unwrap_or_default().to_owned();
            if name == REQUEST {
                if request.is_some() {
                    return Err(Error::Malformed(
                        "the part `request` comes twice".to_owned(),
                    ));
                }
                request = Some(rules::parse(&self.request_part(field).await?)?);
                continue;
            }
            if !rules::is_id(&name) {
                return Err(Error::Malformed(
                    "a part has no name, or one that is neither `request` nor a picture's id"
                        .to_owned(),
                ));
            }
            if pictures.len() == self.bounds.max_images {
                return Err(Error::TooManyImages {
                    limit: self.bounds.max_images,
                });
            }
            if pictures.contains_key(&name) {
                let detail = format!("the part `{name}` comes twice; each picture has one part");
                return Err(Error::Mismatch { id: name, detail });
            }
            let bytes = self.picture_part(&name, field).await?;
            pictures.insert(name, bytes);
        }
        let request = request
            .ok_or_else(|| Error::Malformed("there is no part named `request`".to_owned()))?;
        self.named(request, pictures)
    }

    /// Reads `application/json`, with the pictures as `data:` URIs.
    ///
    /// # Errors
    /// [`Error`]; the stream is not read past the bound.
    pub async fn json<S, E>(&self, body: S) -> Result<Parts, Error>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Display,
    {
        let limit = self.bounds.max_body_bytes;
        let body = collect(body, limit, || Error::BodyTooLarge {
            what: "body",
            limit,
        })
        .await?;
        let reader = self.clone();
        // Fifty megabytes of base64 take a tenth of a second: not on a thread that serves others.
        self.on_thread(move || reader.json_parts(&body)).await
    }

    fn json_parts(&self, body: &[u8]) -> Result<Parts, Error> {
        let mut request: SummaryRequest = rules::parse(body)?;
        rules::check_images(&request.images, &self.bounds)?;
        let images = request.images.iter_mut().enumerate();
        let pictures = images
            .map(|(index, image)| self.data_uri(index, image))
            .collect::<Result<_, _>>()?;
        Ok(Parts { request, pictures })
    }

    async fn request_part(&self, field: multer::Field<'static>) -> Result<Bytes, Error> {
        // A character is at most six bytes of JSON (`\u1234`), or twelve for a pair that counts as one.
        let limit = self
            .bounds
            .max_content_chars
            .saturating_mul(12)
            .saturating_add(256 * 1024);
        let too_large = || Error::BodyTooLarge {
            what: "part `request`",
            limit,
        };
        collect_part(field, limit, too_large, |error| self.multipart_error(error)).await
    }

    async fn picture_part(
        &self,
        name: &str,
        field: multer::Field<'static>,
    ) -> Result<Bytes, Error> {
        let limit = self.bounds.max_image_bytes;
        let too_large = || self.too_many_bytes(name, limit + 1);
        collect_part(field, limit, too_large, |error| self.multipart_error(error)).await
    }

    fn too_many_bytes(&self, id: &str, bytes: usize) -> Error {
        let exceeded = imaging::Exceeded::Bytes {
            bytes,
            max: self.bounds.max_image_bytes,
        };
        Error::Picture {
            id: id.to_owned(),
            error: imaging::Error::TooLarge { exceeded },
        }
    }

    /// A request and the bytes of its pictures by id, as a multipart body would have brought them.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the two do not agree, and what is wrong with the list of pictures.
    pub fn named(
        &self,
        request: SummaryRequest,
        mut parts: BTreeMap<String, Bytes>,
    ) -> Result<Parts, Error> {
        rules::check_images(&request.images, &self.bounds)?;
        let mut pictures = Vec::with_capacity(request.images.len());
        for (index, image) in request.images.iter().enumerate() {
            if image.data.is_some() {
                let detail =
                    "must be left out: in a multipart request a picture's bytes are the part named by its id"
                        .to_owned();
                return Err(Error::Field {
                    pointer: format!("/images/{index}/data"),
                    detail,
                    limit: None,
                });
            }
            let bytes = parts.remove(&image.id).ok_or_else(|| Error::Mismatch {
                id: image.id.clone(),
                detail: format!("there is no part named `{}` for this picture", image.id),
            })?;
            pictures.push(bytes);
        }
        match parts.into_keys().next() {
            None => Ok(Parts { request, pictures }),
            Some(id) => {
                let detail = format!("the part `{id}` is not in the request's `images`");
                Err(Error::Mismatch { id, detail })
            }
        }
    }

    fn data_uri(&self, index: usize, image: &mut ImageRef) -> Result<Bytes, Error> {
        let Some(data) = image.data.take() else {
            let detail = format!("picture `{}` has no `data`", image.id);
            return Err(Error::Mismatch {
                id: image.id.clone(),
                detail,
            });
        };
        self.data_uri_at(&format!("/images/{index}/data"), &image.id, &data)
    }

    /// The bytes of the `data:` URI at `pointer`, the picture `id`.
    pub(super) fn data_uri_at(&self, pointer: &str, id: &str, data: &str) -> Result<Bytes, Error> {
        let fault = |detail: &str| Error::Field {
            pointer: pointer.to_owned(),
            detail: detail.to_owned(),
            limit: None,
        };
        let Some((head, encoded)) = data
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(','))
        else {
            return Err(fault(
                "must be the picture itself as a data: URI; addresses are not fetched",
            ));
        };
        if !head.to_ascii_lowercase().ends_with(";base64") {
            return Err(fault(
                "must be a base64 data: URI, for instance `data:image/png;base64,iVBOR…`",
            ));
        }
        let bytes = encoded.len() / 4 * 3;
        if bytes > self.bounds.max_image_bytes.saturating_add(3) {
            return Err(self.too_many_bytes(id, bytes));
        }
        BASE64
            .decode(encoded)
            .map(Bytes::from)
            .map_err(|_| fault("is a data: URI whose base64 is not valid"))
    }

    fn multipart_error(&self, error: &multer::Error) -> Error {
        let limit = self.bounds.max_body_bytes;
        match error {
            multer::Error::StreamSizeExceeded { .. } => Error::BodyTooLarge {
                what: "body",
                limit,
            },
            multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
                Error::Malformed("the multipart body ends before its last boundary".to_owned())
            }
            _ => Error::Malformed(
                "the body is not multipart/form-data as RFC 7578 defines it".to_owned(),
            ),
        }
    }
}

async fn collect_part(
    mut field: multer::Field<'static>,
    limit: usize,
    too_large: impl Fn() -> Error,
    broken: impl Fn(&multer::Error) -> Error,
) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        extend(&mut bytes, &chunk, limit, &too_large)?;
    }
    Ok(bytes.freeze())
}

async fn collect<S, E>(body: S, limit: usize, too_large: impl Fn() -> Error) -> Result<Bytes, Error>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Display,
{
    let mut body = std::pin::pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| {
            Error::Malformed("the body ends before its announced length".to_owned())
        })?;
        extend(&mut bytes, &chunk, limit, &too_large)?;
    }
    Ok(bytes.freeze())
}

fn extend(
    bytes: &mut BytesMut,
    chunk: &[u8],
    limit: usize,
    too_large: &impl Fn() -> Error,
) -> Result<(), Error> {
    if bytes.len() + chunk.len() > limit {
        return Err(too_large());
    }
    bytes.extend_from_slice(chunk);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{png, reader};
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    fn in_chunks(body: &[u8]) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + use<> {
        let chunks: Vec<_> = body
            .chunks(7)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        stream::iter(chunks)
    }

    fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            body.extend(
                format!("--xx\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").bytes(),
            );
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--xx--\r\n");
        body
    }

    async fn read(parts: &[(&str, &[u8])]) -> Result<usize, String> {
        let parts = reader().multipart(in_chunks(&form(parts)), "xx").await;
        parts
            .map(|parts| parts.pictures())
            .map_err(|error| error.to_string())
    }

    async fn json(body: &str) -> Result<usize, String> {
        let parts = reader().json(in_chunks(body.as_bytes())).await;
        parts
            .map(|parts| parts.pictures())
            .map_err(|error| error.to_string())
    }

    type Form = &'static [(&'static str, &'static [u8])];

    const ONE: &[u8] = br#"{"images":[{"id":"a"}]}"#;

    #[tokio::test]
    async fn parts_come_in_any_order() {
        assert_eq!(read(&[("a", &png()), ("request", ONE)]).await, Ok(1));
        assert_eq!(read(&[("request", ONE), ("a", &png())]).await, Ok(1));
    }

    #[tokio::test]
    async fn parts_and_list_must_agree() {
        let cases: [(Form, &str); 7] = [
            (&[("request", ONE)], "no part named `a`"),
            (
                &[("request", ONE), ("a", b"x"), ("b", b"x")],
                "`b` is not in",
            ),
            (
                &[("request", ONE), ("a", b"x"), ("a", b"x")],
                "`a` comes twice",
            ),
            (
                &[("request", ONE), ("request", ONE)],
                "`request` comes twice",
            ),
            (&[("a", b"x")], "no part named `request`"),
            (&[("request", ONE), ("a b", b"x")], "neither `request` nor"),
            (
                &[("a", b"x"), ("b", b"x"), ("c", b"x")],
                "at most 2 pictures",
            ),
        ];
        for (parts, expect) in cases {
            let error = read(parts).await.unwrap_err();
            assert!(error.contains(expect), "{error:?} should say {expect:?}");
        }
    }

    #[tokio::test]
    async fn a_part_that_is_too_long_is_not_read_to_its_end() {
        let long = vec![0; 5000];
        let endless = stream::iter(
            form(&[("a", &long)])
                .into_iter()
                .map(|byte| Ok::<_, Infallible>(Bytes::from(vec![byte]))),
        )
        .chain(stream::pending());
        let error = reader().multipart(endless, "xx").await.unwrap_err();
        assert!(
            matches!(error, Error::Picture { ref id, .. } if id == "a"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_is_malformed() {
        let mut body = form(&[("request", ONE)]);
        body.truncate(body.len() - 9);
        let error = reader()
            .multipart(in_chunks(&body), "xx")
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_picture_in_json_is_a_data_uri() {
        let uri = |uri: &str| format!(r#"{{"images":[{{"id":"a","data":"{uri}"}}]}}"#);
        assert_eq!(json(&uri("data:image/png;base64,AAAA")).await, Ok(1));
        assert_eq!(json(&uri("data:;base64,AA")).await, Ok(1));
        for wrong in [
            "https://example.org/a.png",
            "file:///etc/passwd",
            "data:image/png,abc",
            "data:;base64,*",
        ] {
            assert!(
                json(&uri(wrong)).await.unwrap_err().contains("data: URI"),
                "{wrong}"
            );
        }
        assert!(
            json(r#"{"images":[{"id":"a"}]}"#)
                .await
                .unwrap_err()
                .contains("no `data`")
        );
    }

    #[tokio::test]
    async fn a_body_over_the_bound_is_refused() {
        let body = format!(
            r#"{{"article":{{"format":"text","content":"{}"}}}}"#,
            "x".repeat(20_000)
        );
        assert!(
            json(&body)
                .await
                .unwrap_err()
                .contains("longer than 16384 bytes")
        );
    }
}
