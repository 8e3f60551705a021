//! Conversations to token ids, with a place for every picture.
//!
//! The chat template of the checkpoint writes the conversation with its control tokens as text; then each `<|image|>` is
//! repeated for the tokens of its picture.
//!
//! What people write can never become a control token, neither by itself nor together with what stands beside it:
//! wherever it could, [`ChatTemplate::encode`] breaks it with a mark that the tokenizer never sees.
//! For all other text the ids are those of the reference, to the last merge.

use std::fs;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error as TemplateError, ErrorKind, context};
use serde::{Deserialize, Serialize};

use crate::tokenizer::{Piece, Tokenizer};
use crate::{Error, Result, json};

const NAME: &str = "chat";

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What holds for the whole conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool returned.
    Tool,
}

/// A turn of a conversation, in the shape that chat templates read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said and shown.
    pub content: Content,
    /// What the model thought before it said it, without the markers around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
}

impl Message {
    /// A turn of one text.
    #[must_use]
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Content::Text(text.into()),
            reasoning_content: None,
        }
    }

    /// A turn of texts and pictures.
    #[must_use]
    pub const fn parts(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            content: Content::Parts(parts),
            reasoning_content: None,
        }
    }
}

/// What a turn holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(String),
    /// Texts and pictures, in order.
    Parts(Vec<Part>),
}

/// A text or a picture in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Part {
    /// A text.
    Text {
        /// Its words.
        text: String,
    },
    /// The next of the pictures that go with the conversation.
    Image {},
}

impl Part {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

/// What the template is told beside the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatOptions {
    /// Whether the model thinks aloud before it answers; `None` leaves it to the template, and GLM-4.6V thinks.
    pub enable_thinking: Option<bool>,
    /// Whether the prompt ends where the model's answer begins.
    pub add_generation_prompt: bool,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            enable_thinking: None,
            add_generation_prompt: true,
        }
    }
}

/// Token ids of a prompt, with a token for every merged patch of every picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// `[tokens]`.
    pub token_ids: Vec<u32>,
    /// `[tokens]`: 1 for the token of a picture, else 0.
    pub mm_token_type_ids: Vec<u8>,
    /// Patches in time, down and across of each picture, in the order of the prompt.
    pub grids: Vec<[usize; 3]>,
}

impl Prompt {
    /// Repeats each `image_token_id` for its picture: a grid of `t x h x w` patches has `t * h * w / merge_size^2` tokens.
    ///
    /// ```
    /// use glm4v::prompt::Prompt;
    ///
    /// let prompt = Prompt::expand(&[7, 99, 8], 99, &[[1, 4, 2]], 2)?;
    /// assert_eq!(prompt.token_ids, [7, 99, 99, 8]);
    /// assert_eq!(prompt.mm_token_type_ids, [0, 1, 1, 0]);
    /// # Ok::<(), glm4v::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Input`] when there are more or fewer pictures than places.
    pub fn expand(
        ids: &[u32],
        image_token_id: u32,
        grids: &[[usize; 3]],
        merge_size: usize,
    ) -> Result<Self> {
        let places = ids.iter().filter(|id| **id == image_token_id).count();
        if places != grids.len() {
            let reason = format!("{} pictures for {places} places in the prompt", grids.len());
            return Err(Error::input("grids", reason));
        }
        if merge_size == 0 {
            return Err(Error::input("merge_size", "must not be 0"));
        }
        let mut prompt = Self {
            token_ids: Vec::new(),
            mm_token_type_ids: Vec::new(),
            grids: grids.to_vec(),
        };
        let mut counts = grids
            .iter()
            .map(|grid| grid.iter().product::<usize>() / (merge_size * merge_size));
        for id in ids {
            let (count, kind) = if *id == image_token_id {
                (counts.next().unwrap_or(0), 1)
            } else {
                (1, 0)
            };
            prompt.token_ids.extend(std::iter::repeat_n(*id, count));
            prompt
                .mm_token_type_ids
                .extend(std::iter::repeat_n(kind, count));
        }
        Ok(prompt)
    }
}

/// The chat template of a checkpoint.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Reads `chat_template.jinja`, or the key `chat_template` of `chat_template.json` or `tokenizer_config.json`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] when they cannot be read, [`Error::Template`] when there is none or it has a
    /// fault.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        let path = dir.join("chat_template.jinja");
        if path.exists() {
            return Self::new(
                fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?,
            );
        }
        #[derive(Deserialize)]
        struct File {
            chat_template: Option<String>,
        }
        for name in ["chat_template.json", "tokenizer_config.json"] {
            let path = dir.join(name);
            if path.exists()
                && let Some(template) = json::read::<File>(&path)?.chat_template
            {
                return Self::new(template);
            }
        }
        Err(Error::Template(format!(
            "{} has no chat_template.jinja",
            dir.display()
        )))
    }

    /// Parses a template as transformers does: blocks trimmed on both sides, methods of Python's strings and dictionaries.
    ///
    /// # Errors
    /// [`Error::Template`] with the line of the fault.
    pub fn new(template: String) -> Result<Self> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| template_error(&error))?);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |reason: String| -> Result<String, TemplateError> {
                Err(TemplateError::new(ErrorKind::InvalidOperation, reason))
            },
        );
        environment
            .add_template_owned(NAME, template)
            .map_err(|error| template_error(&error))?;
        Ok(Self { environment })
    }

    /// The conversation as the reference renders it, with control tokens as text.
    ///
    /// This is for people to read and for trusted text only: encode strangers' words by [`ChatTemplate::encode`].
    ///
    /// # Errors
    /// [`Error::Template`] when the template refuses the conversation.
    pub fn render(&self, messages: &[Message], options: ChatOptions) -> Result<String> {
        let template = self
            .environment
            .get_template(NAME)
            .map_err(|error| template_error(&error))?;
        let ChatOptions {
            enable_thinking,
            add_generation_prompt,
        } = options;
        let messages = Serde(messages);
        let rendered = match enable_thinking {
            Some(enable_thinking) => {
                template.render(context! { messages, add_generation_prompt, enable_thinking })
            }
            None => template.render(context! { messages, add_generation_prompt }),
        };
        rendered.map_err(|error| template_error(&error))
    }

    /// Token ids of a conversation, with one `<|image|>` for each picture.
    ///
    /// No text of any message becomes a control token. `<think>` and `</think>` around the thoughts of an earlier answer
    /// are understood as the template would understand them.
    ///
    /// # Errors
    /// [`Error::Template`] when the template refuses the conversation, [`Error::Tokenizer`] when the tokenizer fails.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        messages: &[Message],
        options: ChatOptions,
    ) -> Result<Vec<u32>> {
        let messages: Vec<Message> = messages.iter().cloned().map(part_from_thought).collect();
        let mark = unused_mark(&messages);
        let shielded: Vec<Message> = messages
            .into_iter()
            .map(|message| message.map(|text| tokenizer.shield(&text, &mark)))
            .collect();
        let rendered = self.render(&shielded, options)?;
        let mut ids = Vec::new();
        for piece in tokenizer.pieces(&rendered) {
            match piece {
                Piece::Text(text) => ids.extend(tokenizer.encode_text(&text.replace(&mark, ""))?),
                Piece::Control(id) => ids.push(id),
            }
        }
        Ok(ids)
    }
}

impl Message {
    /// Changes every text that somebody wrote.
    fn map(self, change: impl Fn(String) -> String) -> Self {
        let content = match self.content {
            Content::Text(text) => Content::Text(change(text)),
            Content::Parts(parts) => Content::Parts(
                parts
                    .into_iter()
                    .map(|part| match part {
                        Part::Text { text } => Part::Text { text: change(text) },
                        Part::Image {} => Part::Image {},
                    })
                    .collect(),
            ),
        };
        Self {
            role: self.role,
            content,
            reasoning_content: self.reasoning_content.map(change),
        }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let (one, parts) = match &self.content {
            Content::Text(text) => (Some(text.as_str()), [].as_slice()),
            Content::Parts(parts) => (None, parts.as_slice()),
        };
        let parts = parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image {} => None,
        });
        one.into_iter()
            .chain(parts)
            .chain(self.reasoning_content.as_deref())
    }
}

/// Takes the thought out of an answer that still has its markers, as the template does, before the markers are broken.
fn part_from_thought(message: Message) -> Message {
    if message.role != Role::Assistant || message.reasoning_content.is_some() {
        return message;
    }
    let texts: String = message.texts().collect();
    let (Some((thought, _)), Some((_, answer))) =
        (texts.split_once("</think>"), texts.rsplit_once("</think>"))
    else {
        return message;
    };
    let thought = thought
        .rsplit_once("<think>")
        .map_or(thought, |(_, thought)| thought);
    Message {
        reasoning_content: Some(thought.to_owned()),
        ..Message::text(Role::Assistant, answer)
    }
}

/// A string that occurs in no message, nor across two that touch: a run of one noncharacter, ended by another.
///
/// So every occurrence in the rendered prompt is ours, and removing it leaves what people wrote, noncharacters too.
fn unused_mark(messages: &[Message]) -> String {
    let written: String = messages.iter().flat_map(Message::texts).collect();
    let mut mark = String::from("\u{fdd0}\u{fdd1}");
    while written.contains(&mark) {
        mark.insert(0, '\u{fdd0}');
    }
    mark
}

fn template_error(error: &TemplateError) -> Error {
    let line = error
        .line()
        .map_or_else(String::new, |line| format!(", line {line}"));
    let detail = error
        .detail()
        .map_or_else(String::new, |detail| format!(": {detail}"));
    Error::Template(format!("{}{detail}{line}", error.kind()))
}
