//! The bodies of a request: JSON and multipart of a summary, and a conversation in all its forms.

use std::convert::Infallible;
use std::sync::OnceLock;

use backend::config;
use backend::http::doors;
use backend::intake::{Error, Parts, Reader};
use backend::refusal::Refusal;
use tokio::runtime::{Builder, Runtime};

use crate::cut::{choice, pieces};

/// Small, so that an input meets them.
const BOUNDS: config::Intake = config::Intake {
    max_images: 2,
    max_image_bytes: 2048,
    max_pixels: 10_000,
    max_content_chars: 500,
    max_body_bytes: 8192,
};

fn reader() -> &'static (Runtime, Reader) {
    static READER: OnceLock<(Runtime, Reader)> = OnceLock::new();
    READER.get_or_init(|| {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        (runtime, Reader::new(&BOUNDS, 2))
    })
}

/// A body is refused with its code and a sentence, or keeps every bound; and its cuts do not matter.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = choice(bytes) else {
        return;
    };
    match first % 3 {
        0 => check_summary(rest, first >> 2, Body::Json),
        1 => check_summary(rest, first >> 2, Body::Multipart),
        _ => check_conversation(rest),
    }
}

#[derive(Clone, Copy)]
enum Body {
    Json,
    Multipart,
}

fn check_summary(bytes: &[u8], seed: u8, body: Body) {
    let whole = read(&[bytes], body);
    let cut = read(&pieces(bytes, seed), body);
    match (&whole, &cut) {
        (Ok(whole), Ok(cut)) => assert_eq!(whole, cut, "the pieces say what the whole says"),
        (Err(_), Err(_)) => {}
        _ => panic!("{whole:?} as a whole, {cut:?} in pieces"),
    }
    let (runtime, reader) = reader();
    let parts = match whole {
        Ok(parts) => parts,
        Err(error) => return is_told(&Refusal::from(error), bytes),
    };
    assert!(parts.pictures() <= BOUNDS.max_images);
    let checked = reader.check(&parts);
    match runtime.block_on(reader.admit(parts)) {
        Ok(intake) => {
            assert_eq!(checked, Ok(()));
            assert_eq!(intake.pictures.len(), intake.request.images.len());
            let article = intake.request.article.as_ref();
            assert!(
                article.is_none_or(
                    |article| article.content.chars().count() <= BOUNDS.max_content_chars
                )
            );
            assert!(intake.request.candidates.is_some() && intake.request.fields.is_some());
            for picture in &intake.pictures {
                let sent = imaging::inspect(&picture.bytes).expect("a picture of ours can be read");
                assert!(sent.metadata.is_empty() && sent.header.pixels() <= BOUNDS.max_pixels);
            }
        }
        Err(error) => {
            if let Err(first) = checked {
                assert_eq!(first, error, "fields are told before pictures");
            }
            is_told(&Refusal::from(error), bytes);
        }
    }
}

fn read(pieces: &[&[u8]], body: Body) -> Result<Parts, Error> {
    let (runtime, reader) = reader();
    let owned: Vec<Result<bytes::Bytes, Infallible>> = pieces
        .iter()
        .map(|piece| Ok(bytes::Bytes::copy_from_slice(piece)))
        .collect();
    let stream = futures_util::stream::iter(owned);
    runtime.block_on(async {
        match body {
            Body::Json => reader.json(stream).await,
            Body::Multipart => reader.multipart(stream, "x").await,
        }
    })
}

fn check_conversation(bytes: &[u8]) {
    let (_, reader) = reader();
    match doors::conversation(bytes, reader) {
        Ok(read) => {
            assert!(read.messages >= 1 && read.pictures <= BOUNDS.max_images);
            // A task brings a text of ours, which is not counted for the caller.
            let body: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
            assert!(read.chars <= BOUNDS.max_content_chars || body.get("task").is_some());
            assert!((1..=4).contains(&read.answers) && (1..=32_768).contains(&read.max_tokens));
            assert!(read.stops <= 4);
            if let Some(schema) = &read.schema {
                assert!(schema.is_object(), "{schema}");
                let (bytes, depth) = (
                    schema.to_string().len(),
                    backend::service::schema_depth(schema),
                );
                assert!(
                    bytes <= backend::service::MAX_SCHEMA_BYTES
                        && depth <= backend::service::MAX_SCHEMA_DEPTH
                );
            }
        }
        Err(refusal) => is_told(&refusal, bytes),
    }
}

/// A refusal is the caller's fault, says so in a bounded sentence, and does not repeat a long piece of the body.
fn is_told(refusal: &Refusal, body: &[u8]) {
    let status = refusal.code.status();
    assert!(
        (400..500).contains(&status),
        "{refusal:?} blames the server"
    );
    let detail = refusal.to_string();
    assert!(!detail.is_empty() && detail.len() < 2000, "{detail:?}");
    // What a writer has written does not come back; names of fields, ids of pictures and words from lists may.
    let mut places = (0..body.len()).filter(|at| {
        let rest = body.get(*at..).unwrap_or_default();
        rest.starts_with(CANARY.as_bytes())
    });
    if places.all(|at| is_written(body.get(..at).unwrap_or_default())) {
        assert!(!detail.contains(CANARY), "{detail:?}");
    }
}

/// Whether the string that is open at the end of `before` is the value of a field that a writer fills.
fn is_written(before: &[u8]) -> bool {
    let Some(start) = before.iter().rposition(|byte| *byte == b'"') else {
        return false;
    };
    let name = before.get(..start).unwrap_or_default().trim_ascii_end();
    let fields: [&[u8]; 4] = [
        b"\"content\":",
        b"\"text\":",
        b"\"title\":",
        b"\"caption\":",
    ];
    fields.iter().any(|field| name.ends_with(field))
}

/// Stands in articles of the corpus.
pub(crate) const CANARY: &str = "Kanarienvogelgesang im Morgengrauen";
