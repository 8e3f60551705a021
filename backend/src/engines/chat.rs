//! Models that continue a conversation: what the chat doors ask of one, and what the author of summaries is built on.
//!
//! A [`ChatModel`] knows no fields and no HTTP. It is given a [`ChatJob`], tells the text of its answer to a [`TextSink`]
//! while it writes, and stops soon after its token is cancelled.

use std::sync::Arc;

use api::{EngineName, Priority, TokenUsage};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Error;

/// A conversation to continue by one answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChatJob {
    /// Who asks: turns are fair between these, and nothing that was kept for one is used for another.
    pub tenant: String,
    /// Whether somebody waits.
    pub priority: Priority,
    /// What was said so far, the oldest first.
    pub messages: Vec<ChatMessage>,
    /// What the answer must look like.
    pub format: AnswerFormat,
    /// Tokens of the answer, at most.
    pub max_tokens: u32,
    /// Fewer will do when the model cannot hold as many beside the conversation.
    pub shrinks: bool,
    /// How tokens are chosen; what is not said is the model's own.
    pub choosing: Choosing,
    /// The answer ends before the first of these that it would hold.
    pub stop: Vec<String>,
    /// Rules of ours among the messages, which must not come out; empty: there are none.
    pub rules: String,
    /// The answer is told without markup, and without addresses that the conversation does not hold.
    pub cleaned: bool,
    /// When nobody will wait any more, for a model that has to tell others.
    pub deadline: Option<Instant>,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatRole {
    /// The one who sets the rules.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

/// What one side said in one turn.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// Who.
    pub role: ChatRole,
    /// What, in order.
    pub parts: Vec<ChatPart>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatPart {
    /// Words. Never a control token, whatever they say.
    Text(String),
    /// A picture, small and upright, as `intake` leaves it.
    Image {
        /// The encoded picture.
        bytes: Bytes,
        /// Its media type.
        media_type: &'static str,
    },
}

/// What an answer must look like.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AnswerFormat {
    /// Any text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that this JSON Schema allows.
    JsonSchema(serde_json::Value),
}

/// Bytes of a caller's schema, written compactly.
pub const MAX_SCHEMA_BYTES: usize = 65_536;
/// Levels of a caller's schema.
pub const MAX_SCHEMA_DEPTH: usize = 32;

/// Levels of a schema: objects and lists within each other.
#[must_use]
pub fn schema_depth(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Array(items) => 1 + items.iter().map(schema_depth).max().unwrap_or(0),
        Value::Object(entries) => 1 + entries.values().map(schema_depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Choosing {
    /// 0 takes the likeliest.
    pub temperature: Option<f64>,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: Option<f64>,
    /// Only this many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Above 1: tokens that occurred are less likely.
    pub repetition_penalty: Option<f64>,
    /// Makes the choice repeatable.
    pub seed: Option<u64>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model was done, or came to a stop sequence.
    Stop,
    /// [`ChatJob::max_tokens`] were written, or the model can hold no more.
    Length,
}

/// What a model gives when its answer is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChatReport {
    /// Why it ended.
    pub finish: Finish,
    /// Tokens read and written, counted by the model.
    pub usage: TokenUsage,
    /// Milliseconds in the model's own queue.
    pub queue_ms: u32,
    /// Milliseconds spent reading.
    pub prefill_ms: u32,
    /// Milliseconds spent writing.
    pub decode_ms: u32,
}

/// Where a model tells its answer, piece by piece; the pieces together are the answer. Called from any thread; returns at once.
pub type TextSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Something that continues conversations.
pub trait ChatModel: Send + Sync + 'static {
    /// The engine that it belongs to.
    fn name(&self) -> EngineName;
    /// The model and its version.
    fn model(&self) -> &str;
    /// Whether it looks at pixels.
    fn sees_images(&self) -> bool;
    /// Whether it can serve now.
    fn ready(&self) -> bool;
    /// Continues the conversation by one answer.
    ///
    /// Ends soon after `cancel` is cancelled, within one step of the model. The future may be dropped at any time, and
    /// then the work ends as well.
    ///
    /// # Errors
    /// [`Error`]; text that was told before it is no answer.
    fn chat(
        &self,
        job: ChatJob,
        sink: TextSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ChatReport, Error>>;
}

/// Tokens of a picture of 1024 x 1024, the largest that a model is given.
pub const IMAGE_TOKENS: usize = 1369;

impl ChatJob {
    /// All words that a caller chose: those of the conversation, of the answer's schema and of what ends it.
    #[must_use]
    pub fn all_words(&self) -> String {
        let mut words = vec![self.words()];
        if let AnswerFormat::JsonSchema(schema) = &self.format {
            words.push(schema.to_string());
        }
        words.extend(self.stop.iter().cloned());
        words.join("\n")
    }

    /// All words of the conversation.
    #[must_use]
    pub fn words(&self) -> String {
        let parts = self.messages.iter().flat_map(|message| &message.parts);
        joined(parts)
    }
}

impl ChatMessage {
    /// Its words.
    #[must_use]
    pub fn words(&self) -> String {
        joined(&self.parts)
    }

    /// A message of words alone.
    #[must_use]
    pub fn text(role: ChatRole, text: impl Into<String>) -> Self {
        Self {
            role,
            parts: vec![ChatPart::Text(text.into())],
        }
    }
}

fn joined<'a>(parts: impl IntoIterator<Item = &'a ChatPart>) -> String {
    let words: Vec<&str> = parts.into_iter().filter_map(ChatPart::text).collect();
    words.join("\n")
}

impl ChatPart {
    /// Its words, unless it is a picture.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Image { .. } => None,
        }
    }
}
