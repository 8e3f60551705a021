//! How much of a job is shown to a model that cannot hold all of it.

use bytes::Bytes;

use super::ask::Expected;
use super::language;
use crate::engines::{EngineImage, EngineJob};

/// Characters of an article that a model is given: a long one in full, a book in parts.
const MOST_CHARS: usize = 24_000;
/// The same in scripts of which a token holds about one character.
const MOST_WIDE_CHARS: usize = 12_000;
/// Below this an article is not worth a summary of it.
const LEAST_CHARS: usize = 200;
/// Below this longest edge, in pixels, what a picture shows is a guess.
const LEAST_EDGE: u32 = 256;
/// Pixels along the edge of what becomes one token.
const TOKEN_EDGE: u32 = 28;
/// Characters of a token, about.
const CHARS_PER_TOKEN: usize = 3;

/// What is shown of a job.
pub(super) struct Share {
    /// Whether an answer of rare characters, which are several tokens each, has room.
    pub(super) generous: bool,
    /// Characters of the article.
    pub(super) chars: usize,
    /// The pictures, if the model sees any.
    pub(super) images: Vec<EngineImage>,
    /// The longest edge of these in pixels.
    edge: u32,
    prose_chars: usize,
}

/// What there is less of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Answer,
    Article,
    Pictures,
}

impl Share {
    /// All that is worth showing.
    pub(super) fn whole(job: &EngineJob, expected: &Expected, prose: &str, sees: bool) -> Self {
        let most = if language::is_latin(&expected.tag) {
            MOST_CHARS
        } else {
            MOST_WIDE_CHARS
        };
        Self {
            generous: true,
            chars: most,
            images: if sees { job.images.clone() } else { Vec::new() },
            edge: api::limits::MAX_EDGE,
            prose_chars: prose.trim().chars().count(),
        }
    }

    /// Shows less: first room for fewer tokens of the answer, then half of the article or pictures of half the edge, whichever
    /// takes more of the model. `false` when what is left would be too little.
    pub(super) async fn reduce(&mut self) -> bool {
        match self.largest() {
            Some(Part::Answer) => self.generous = false,
            Some(Part::Article) => self.chars = self.shown_chars() / 2,
            Some(Part::Pictures) => {
                self.edge /= 2;
                self.shrink().await;
            }
            None => return false,
        }
        true
    }

    fn largest(&self) -> Option<Part> {
        if self.generous {
            return Some(Part::Answer);
        }
        let across = (self.edge / TOKEN_EDGE) as usize;
        let pictures = across * across * self.images.len();
        let may_shrink = !self.images.is_empty() && self.edge > LEAST_EDGE;
        let may_shorten = self.shown_chars() > LEAST_CHARS;
        let shrink = pictures > self.shown_chars() / CHARS_PER_TOKEN;
        match (may_shrink, may_shorten) {
            (true, false) => Some(Part::Pictures),
            (true, true) if shrink => Some(Part::Pictures),
            (_, true) => Some(Part::Article),
            (false, false) => None,
        }
    }

    fn shown_chars(&self) -> usize {
        self.chars.min(self.prose_chars)
    }

    async fn shrink(&mut self) {
        let (images, edge) = (std::mem::take(&mut self.images), self.edge);
        let kept = images.clone();
        let smaller = tokio::task::spawn_blocking(move || {
            let smaller = images.into_iter().map(|image| smaller(image, edge));
            smaller.collect()
        });
        self.images = smaller.await.unwrap_or(kept);
    }
}

/// A picture that cannot be made smaller stays.
fn smaller(image: EngineImage, longest_edge: u32) -> EngineImage {
    let options = imaging::Options {
        longest_edge,
        ..imaging::Options::default()
    };
    match imaging::prepare(&image.bytes, &options) {
        Ok(prepared) => EngineImage {
            bytes: Bytes::from(prepared.bytes),
            media_type: prepared.format.mime(),
            ..image
        },
        Err(_) => image,
    }
}
