//! A stand-in for a model that continues conversations, in tests: answers from a table.
//!
//! ```json
//! { "chats": [
//!     { "when": "slow", "chunk_chars": 4, "chunk_ms": 20, "text": "A slow answer" },
//!     { "when": "broken", "end": "failed" },
//!     { "text": "What everything else gets" }
//! ] }
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::{EngineName, TokenUsage};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::scripted::End;
use super::{AnswerFormat, ChatJob, ChatMessage, ChatModel, ChatReport, Error, Finish, TextSink};

const NAME: &str = EngineName::Glm4v.as_str();

/// One answer.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChatReply {
    /// Occurs in the words of the last message; empty fits every one.
    pub when: String,
    /// Milliseconds before the first word.
    pub delay_ms: u64,
    /// Characters per piece; 0: one piece.
    pub chunk_chars: usize,
    /// Milliseconds between pieces.
    pub chunk_ms: u64,
    /// How it ends.
    pub end: End,
    /// The answer; when empty, the words of the last message, or `{}` for JSON.
    pub text: String,
    /// It ends because it may write no more.
    pub cut: bool,
    /// Tokens to report; when all are 0, the words that were read and written.
    pub usage: TokenUsage,
}

/// The model of a list of replies, of which the first that fits answers.
pub struct ScriptedChat {
    replies: Vec<ChatReply>,
    asked: AtomicUsize,
    jobs: Mutex<Vec<ChatJob>>,
}

impl ScriptedChat {
    /// A model that answers as `replies` say.
    #[must_use]
    pub fn new(replies: Vec<ChatReply>) -> Self {
        Self {
            replies,
            asked: AtomicUsize::new(0),
            jobs: Mutex::default(),
        }
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// What it was asked.
    #[must_use]
    pub fn jobs(&self) -> Vec<ChatJob> {
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.split_whitespace().count()).unwrap_or(u32::MAX)
}

impl ChatModel for ScriptedChat {
    fn name(&self) -> EngineName {
        EngineName::Glm4v
    }

    fn model(&self) -> &str {
        "scripted"
    }

    fn sees_images(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        true
    }

    fn chat(
        &self,
        job: ChatJob,
        sink: TextSink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ChatReport, Error>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(job.clone());
        let asked = job
            .messages
            .last()
            .map_or_else(String::new, ChatMessage::words);
        let reply = self
            .replies
            .iter()
            .find(|reply| asked.contains(&reply.when));
        let mut reply = reply.cloned().unwrap_or_default();
        if reply.text.is_empty() {
            reply.text = match job.format {
                AnswerFormat::Text => asked.clone(),
                AnswerFormat::JsonObject | AnswerFormat::JsonSchema(_) => "{}".to_owned(),
            };
        }
        Box::pin(async move {
            tokio::select! {
                () = cancel.cancelled() => Err(Error::Cancelled),
                report = play(reply, &asked, &job, sink) => report,
            }
        })
    }
}

async fn play(
    reply: ChatReply,
    asked: &str,
    job: &ChatJob,
    sink: TextSink,
) -> Result<ChatReport, Error> {
    tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    let stop = job
        .stop
        .iter()
        .filter_map(|stop| reply.text.find(stop))
        .min();
    let text = reply
        .text
        .get(..stop.unwrap_or(reply.text.len()))
        .unwrap_or_default();
    let chars: Vec<char> = text.chars().collect();
    let size = if reply.chunk_chars == 0 {
        chars.len().max(1)
    } else {
        reply.chunk_chars
    };
    for piece in chars.chunks(size) {
        tokio::time::sleep(Duration::from_millis(reply.chunk_ms)).await;
        sink(&piece.iter().collect::<String>());
    }
    let cause = "the script says so".to_owned();
    match reply.end {
        End::Done => {}
        End::Stall => std::future::pending().await,
        End::Failed => {
            return Err(Error::Failed {
                engine: NAME,
                cause,
            });
        }
        End::Output => {
            return Err(Error::Output {
                engine: NAME,
                cause,
            });
        }
        End::Unavailable => return Err(Error::Unavailable { engine: NAME }),
        #[expect(
            clippy::panic,
            reason = "a test asks for it, to see that a panic is contained"
        )]
        End::Panic => panic!("{cause}"),
    }
    let usage = match reply.usage {
        none if none == TokenUsage::default() => TokenUsage {
            prompt_tokens: count(asked),
            image_tokens: 0,
            completion_tokens: count(text),
        },
        usage => usage,
    };
    Ok(ChatReport {
        finish: if reply.cut {
            Finish::Length
        } else {
            Finish::Stop
        },
        usage,
        queue_ms: 0,
        prefill_ms: 0,
        decode_ms: 0,
    })
}
