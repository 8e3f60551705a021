//! What a server says, to the answer that a caller hears.

use api::TokenUsage;
use tokio::time::Instant;

use super::Trouble;
use super::clean::{Clean, OneValue};
use super::hear::Said;
use crate::engines::told::{Heard, Told};
use crate::engines::{ChatJob, ChatPart, ChatReport, Finish, IMAGE_TOKENS, TextSink};

/// Characters of a token, about; for servers that do not count.
const CHARS_PER_TOKEN: usize = 3;

/// One answer as it grows.
pub(super) struct Growing {
    clean: Clean,
    value: Option<OneValue>,
    told: Told,
    finish: Option<Finish>,
    usage: Option<TokenUsage>,
    /// What the prompt costs if nobody counts, and the pieces that came.
    prompt: TokenUsage,
    pieces: u32,
    began: Option<Instant>,
}

impl Growing {
    pub(super) fn new(job: &ChatJob, sink: TextSink) -> Self {
        Self {
            clean: Clean::default(),
            value: OneValue::of(&job.format),
            told: Told::new(job.stop.clone(), sink),
            finish: None,
            usage: None,
            prompt: estimated(job),
            pieces: 0,
            began: None,
        }
    }

    /// When the first words came.
    pub(super) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Takes what was said, and says whether the answer is complete.
    pub(super) fn hear(&mut self, said: Said) -> Result<bool, Trouble> {
        match said {
            Said::Text(text) => {
                self.began.get_or_insert_with(Instant::now);
                self.pieces = self.pieces.saturating_add(1);
                let text = self.clean.push(&text);
                // A server that knew of the stop sequences would have ended itself.
                if self.tell(&text) == Heard::Stopped {
                    self.finish = Some(Finish::Stop);
                    return Ok(true);
                }
                Ok(false)
            }
            Said::Finish(finish) => {
                self.finish = Some(finish);
                Ok(false)
            }
            Said::Withheld(reason) => Err(Trouble::Output(format!(
                "the answer was withheld: {reason}"
            ))),
            Said::Usage(usage) => {
                self.usage = Some(usage);
                Ok(false)
            }
            Said::Error(Some(code)) => Err(Trouble::Failed(format!(
                "it broke off with an error ({code})"
            ))),
            // Some servers learn only while they answer that they cannot do what was asked.
            Said::Error(None) if self.began.is_none() => Err(Trouble::Baffled),
            Said::Error(None) => Err(Trouble::Failed("it broke off with an error".to_owned())),
            Said::Done => {
                let rest = self.clean.finish();
                let _ = self.tell(&rest);
                self.told.finish();
                Ok(true)
            }
        }
    }

    fn tell(&mut self, text: &str) -> Heard {
        match &mut self.value {
            Some(value) => self.told.push(&value.push(text)),
            None => self.told.push(text),
        }
    }

    /// The connection has ended: that is the end of an answer which said that it is done, as some servers leave it.
    pub(super) fn end(&mut self) -> Result<(), Trouble> {
        if self.finish.is_none() {
            return Err(Trouble::Failed("the answer was cut off".to_owned()));
        }
        self.hear(Said::Done).map(|_| ())
    }

    /// What is known of the answer in the end.
    pub(super) fn report(self, began: Instant) -> Result<ChatReport, Trouble> {
        let finish = self.finish.unwrap_or(Finish::Stop);
        let whole = self.value.as_ref().is_none_or(OneValue::is_done);
        if finish == Finish::Stop && !whole {
            return Err(Trouble::Output("the answer is no complete JSON".to_owned()));
        }
        let first = self.began.unwrap_or_else(Instant::now);
        let millis = |from: Instant, to: Instant| {
            u32::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u32::MAX)
        };
        Ok(ChatReport {
            finish,
            usage: self.usage.unwrap_or(TokenUsage {
                completion_tokens: self.pieces,
                ..self.prompt
            }),
            queue_ms: 0,
            prefill_ms: millis(began, first),
            decode_ms: millis(first, Instant::now()),
        })
    }
}

fn estimated(job: &ChatJob) -> TokenUsage {
    let parts = || job.messages.iter().flat_map(|message| &message.parts);
    let chars: usize = parts()
        .filter_map(ChatPart::text)
        .map(|text| text.chars().count())
        .sum();
    let images = parts().filter(|part| part.text().is_none()).count();
    let tokens = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    TokenUsage {
        prompt_tokens: tokens(chars / CHARS_PER_TOKEN),
        image_tokens: tokens(images.saturating_mul(IMAGE_TOKENS)),
        completion_tokens: 0,
    }
}
