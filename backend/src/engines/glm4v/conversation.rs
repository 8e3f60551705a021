//! A conversation to tokens and pixels, off the thread that owns the device.

use std::sync::{Arc, Mutex, PoisonError};

use glm4v::ImageEmbeds;
use glm4v::processor::{Pixels, Rgb};
use glm4v::prompt::{ChatOptions, Content, Message, Part, Prompt, Role};

use super::kept::Kept;
use super::open::Loaded;
use crate::cache::{CacheKey, Salt};
use crate::engines::{ChatMessage, ChatPart, ChatRole, Error};

/// A prefix shorter than this is computed as fast as it is looked up.
const SHORTEST_PREFIX: usize = 32;

/// Pictures that were seen; shared by those who prepare prompts and the thread that sees.
pub(super) type Seen = Mutex<Kept<Arc<ImageEmbeds>>>;

/// A prompt that only lacks what the device has to compute.
pub(super) struct Prepared {
    /// With each picture expanded to its tokens.
    pub(super) ids: Vec<u32>,
    /// In the order of the prompt.
    pub(super) pictures: Vec<Picture>,
    /// Tokens of pictures.
    pub(super) image_tokens: usize,
    /// Where the prompt may continue a kept one, the longest first.
    pub(super) prefixes: Vec<Prefix>,
}

/// A picture of a prompt.
pub(super) enum Picture {
    /// The tower has seen it.
    Seen(Arc<ImageEmbeds>),
    /// It has yet to.
    Unseen(CacheKey, Pixels),
}

/// The beginning of a prompt, up to the end of one of its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Its tokens and pictures, and whose they are.
    pub(super) key: CacheKey,
    /// Its length.
    pub(super) tokens: usize,
}

/// A picture before the prompt is known.
struct Shown {
    key: CacheKey,
    grid: [usize; 3],
    picture: Picture,
}

impl Loaded {
    /// Prepares a prompt.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a picture or a conversation that the model cannot take.
    pub(super) fn prepare(
        &self,
        messages: &[ChatMessage],
        tenant: &str,
        salt: &Salt,
        seen: &Seen,
    ) -> Result<Prepared, Error> {
        let shown = messages
            .iter()
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                ChatPart::Image { bytes, .. } => Some(bytes),
                ChatPart::Text(_) => None,
            })
            .map(|bytes| self.show(bytes, tenant, salt, seen))
            .collect::<Result<Vec<_>, _>>()?;
        let messages: Vec<Message> = messages.iter().map(message).collect();
        self.assemble(&messages, shown, tenant, salt)
    }

    /// A prompt with a picture, for the first answer.
    pub(super) fn first_prompt(&self, salt: &Salt) -> Result<Prepared, String> {
        // As large as a picture in an article is, where that takes a moment only.
        let (width, height) = match self.model.device().is_cpu() {
            true => (336, 336),
            false => (1024, 768),
        };
        let shade = |at: usize| ((at * 7 + at / 31) % 251) as u8;
        let rgb = Rgb::new(width, height, (0..width * height * 3).map(shade).collect());
        let pixels = rgb.and_then(|rgb| self.processor.process(&rgb));
        let pixels = pixels.map_err(|error| error.to_string())?;
        let key = salt.key("first picture").finish();
        let shown = Shown {
            key,
            grid: pixels.grid_thw,
            picture: Picture::Unseen(key, pixels),
        };
        let parts = vec![Part::Image {}, Part::text("Describe the picture.")];
        let messages = [Message::parts(Role::User, parts)];
        let prompt = self.assemble(&messages, vec![shown], "", salt);
        prompt.map_err(|error| error.to_string())
    }

    fn assemble(
        &self,
        messages: &[Message],
        shown: Vec<Shown>,
        tenant: &str,
        salt: &Salt,
    ) -> Result<Prepared, Error> {
        let short = self.encode(messages, true)?;
        let prompt = self.expand(&short, &shown)?;
        let image = self.model.config().image_token_id;
        let image_tokens = prompt.token_ids.iter().filter(|id| **id == image).count();
        Ok(Prepared {
            image_tokens,
            prefixes: self.prefixes(messages, &short, &prompt.token_ids, &shown, tenant, salt)?,
            ids: prompt.token_ids,
            pictures: shown.into_iter().map(|shown| shown.picture).collect(),
        })
    }

    fn encode(&self, messages: &[Message], answer: bool) -> Result<Vec<u32>, Error> {
        let options = ChatOptions {
            enable_thinking: Some(false),
            add_generation_prompt: answer,
        };
        let ids = self.template.encode(&self.tokenizer, messages, options);
        ids.map_err(|error| Error::Unusable {
            detail: format!("the model's template does not take this conversation: {error}"),
        })
    }

    fn expand(&self, ids: &[u32], shown: &[Shown]) -> Result<Prompt, Error> {
        let config = self.model.config();
        let grids: Vec<_> = shown.iter().map(|shown| shown.grid).collect();
        let merge = config.vision_config.spatial_merge_size;
        let prompt = Prompt::expand(ids, config.image_token_id, &grids, merge);
        // The template shows pictures of some roles only.
        prompt.map_err(|_| Error::Unusable {
            detail: "the model looks at pictures of user messages only; put them there".to_owned(),
        })
    }

    /// Finds the picture among those seen, or makes its pixels ready to be seen.
    fn show(&self, bytes: &[u8], tenant: &str, salt: &Salt, seen: &Seen) -> Result<Shown, Error> {
        let key = salt
            .key("picture")
            .part(tenant.as_bytes())
            .part(bytes)
            .finish();
        let known = seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key);
        if let Some(embeds) = known {
            return Ok(Shown {
                key,
                grid: embeds.grid_thw(),
                picture: Picture::Seen(embeds),
            });
        }
        let unusable = |reason: String| Error::Unusable {
            detail: format!("a picture cannot be read: {reason}"),
        };
        let decoded = imaging::decode(bytes, &imaging::Options::default())
            .map_err(|error| unusable(error.to_string()))?;
        let rgb = rgb(decoded).map_err(|error| unusable(error.to_string()))?;
        let pixels = self.processor.process(&rgb);
        let pixels = pixels.map_err(|error| unusable(error.to_string()))?;
        Ok(Shown {
            key,
            grid: pixels.grid_thw,
            picture: Picture::Unseen(key, pixels),
        })
    }

    /// The beginnings that another prompt may have in common with this one: up to the end of each message but the last.
    fn prefixes(
        &self,
        messages: &[Message],
        short: &[u32],
        ids: &[u32],
        shown: &[Shown],
        tenant: &str,
        salt: &Salt,
    ) -> Result<Vec<Prefix>, Error> {
        let mut prefixes = Vec::new();
        for end in (1..messages.len()).rev() {
            let head = self.encode(messages.get(..end).unwrap_or_default(), false)?;
            // The last token of a message may become another one by what follows it.
            let common = head.iter().zip(short).take_while(|(a, b)| a == b).count();
            let image = self.model.config().image_token_id;
            let head = head.get(..common).unwrap_or_default();
            let pictures = head.iter().filter(|id| **id == image).count();
            let pictures = shown.get(..pictures).unwrap_or_default();
            let tokens = common
                + pictures
                    .iter()
                    .map(|shown| self.tokens(shown.grid) - 1)
                    .sum::<usize>();
            if tokens < SHORTEST_PREFIX || tokens >= ids.len() {
                continue;
            }
            let words: Vec<u8> = head.iter().flat_map(|id| id.to_le_bytes()).collect();
            let key = salt.key("prefix").part(tenant.as_bytes()).part(&words);
            let key = pictures
                .iter()
                .fold(key, |key, shown| key.part(shown.key.as_bytes()));
            prefixes.push(Prefix {
                key: key.finish(),
                tokens,
            });
        }
        Ok(prefixes)
    }

    /// Tokens of a picture: at least one.
    fn tokens(&self, grid: [usize; 3]) -> usize {
        let merge = self.model.config().vision_config.spatial_merge_size;
        (grid.iter().product::<usize>() / (merge * merge)).max(1)
    }
}

fn rgb(decoded: imaging::Decoded) -> glm4v::Result<Rgb> {
    let (width, height) = (decoded.width as usize, decoded.height as usize);
    match decoded.channels {
        imaging::Channels::Rgb => Rgb::new(width, height, decoded.pixels),
        imaging::Channels::Rgba => Rgb::from_rgba_on_white(width, height, &decoded.pixels),
        imaging::Channels::Rgbx | imaging::Channels::Inks => {
            let pixels = decoded.pixels.chunks_exact(4);
            let pixels = pixels.flat_map(|pixel| pixel.iter().take(3).copied());
            Rgb::new(width, height, pixels.collect())
        }
    }
}

fn message(message: &ChatMessage) -> Message {
    let role = match message.role {
        ChatRole::System => Role::System,
        ChatRole::User => Role::User,
        ChatRole::Assistant => Role::Assistant,
    };
    if let [ChatPart::Text(text)] = message.parts.as_slice() {
        return Message::text(role, text.clone());
    }
    let parts = message.parts.iter().map(|part| match part {
        ChatPart::Text(text) => Part::text(text.clone()),
        ChatPart::Image { .. } => Part::Image {},
    });
    Message {
        role,
        content: Content::Parts(parts.collect()),
        reasoning_content: None,
    }
}
