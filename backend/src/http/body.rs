//! Bodies: bounded, in time, never compressed.

use std::io;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, web};
use api::Code;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::problem::Failure;
use crate::intake;
use crate::refusal::Refusal;

/// Bytes of a small JSON body: a token request, a key.
const MAX_SMALL: usize = 64 * 1024;

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Multipart { boundary: String },
}

/// What the head says of the body.
///
/// # Errors
/// 415 for another type or a compressed body, 413 when it is announced too long: nothing has been read yet.
pub(super) fn kind(request: &HttpRequest, max_bytes: usize) -> Result<Kind, Refusal> {
    refuse_compressed(request)?;
    refuse_long(request, max_bytes)?;
    let unsupported = || {
        let detail = "Send `multipart/form-data` with a boundary, or `application/json`.";
        Refusal::new(Code::UnsupportedMediaType, detail).field("Content-Type")
    };
    let value = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(unsupported)?;
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(Kind::Json);
    }
    if media_type.eq_ignore_ascii_case("multipart/form-data")
        && let Ok(boundary) = multer::parse_boundary(value)
    {
        return Ok(Kind::Multipart { boundary });
    }
    Err(unsupported())
}

/// The body as a stream that may leave this thread. A body that is refused midway is not read on.
pub(super) fn stream(
    mut payload: web::Payload,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
    // Few chunks in flight: the bounds are counted at the other end.
    let (sender, receiver) = mpsc::channel(4);
    actix_web::rt::spawn(async move {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(io::Error::other);
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    });
    Box::pin(stream::unfold(receiver, |mut receiver| async {
        Some((receiver.recv().await?, receiver))
    }))
}

/// Does what blocks on a thread for it.
///
/// # Errors
/// 500 when it panics.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::new(Code::Internal, "Something went wrong in the server."))
}

/// Waits for `reading`, not longer than a whole body may take.
///
/// # Errors
/// 408, and those of `reading`.
pub(super) async fn in_time<T, E: Into<Refusal>>(
    patience: Duration,
    reading: impl Future<Output = Result<T, E>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, reading).await {
        Ok(read) => read.map_err(Failure::from),
        Err(_) => {
            let detail = format!(
                "The body did not arrive within {} s; send it again.",
                patience.as_secs()
            );
            Err(Failure(Refusal::new(Code::RequestTimeout, detail)))
        }
    }
}

/// Reads a small JSON body.
///
/// # Errors
/// 413, 415, 408, 400, and 422 with the field's pointer.
pub(super) async fn small_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
    patience: Duration,
) -> Result<T, Failure> {
    let bytes = json_bytes(request, payload, patience, MAX_SMALL).await?;
    Ok(intake::parse(&bytes)?)
}

/// Reads a JSON body of at most `max` bytes, without looking into it.
///
/// # Errors
/// 413, 415, 408 and 400.
pub(super) async fn json_bytes(
    request: &HttpRequest,
    payload: web::Payload,
    patience: Duration,
    max: usize,
) -> Result<Bytes, Failure> {
    if kind(request, max)? != Kind::Json {
        return Err(Failure(
            Refusal::new(Code::UnsupportedMediaType, "Send `application/json`.")
                .field("Content-Type"),
        ));
    }
    in_time(patience, collect(payload, max)).await
}

async fn collect(mut payload: web::Payload, max: usize) -> Result<Bytes, Refusal> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| {
            Refusal::new(
                Code::MalformedRequest,
                "The body ends before its announced length.",
            )
        })?;
        if bytes.len() + chunk.len() > max {
            return Err(too_long(max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

fn refuse_compressed(request: &HttpRequest) -> Result<(), Refusal> {
    let encoding = request.headers().get(CONTENT_ENCODING);
    match encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        // A small compressed body may hide a large one; pictures do not shrink anyway.
        false => Err(Refusal::new(
            Code::UnsupportedMediaType,
            "Send the body without `Content-Encoding`.",
        )
        .field("Content-Encoding")),
    }
}

fn refuse_long(request: &HttpRequest, max_bytes: usize) -> Result<(), Refusal> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length: Option<u64> = length.and_then(|length| length.parse().ok());
    if length.is_some_and(|length| length > max_bytes as u64) {
        Err(too_long(max_bytes))
    } else {
        Ok(())
    }
}

fn too_long(max_bytes: usize) -> Refusal {
    let detail = format!(
        "The body is longer than {max_bytes} bytes; send smaller pictures or a shorter article."
    );
    Refusal::new(Code::BodyTooLarge, detail).limit(max_bytes as u64)
}
