//! One answer on its way: from the line, through its pictures and its prompt, token by token to its end.

use std::sync::Arc;
use std::time::Instant;

use api::{Priority, TokenUsage};
use glm4v::sample::{Sampler, TokenMask};
use glm4v::{ImageEmbeds, Input, Row};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::constrain::Constraint;
use super::conversation::{Picture, Prepared};
use super::open::Loaded;
use super::{NAME, failed, millis};
use crate::engines::told::Heard;
use crate::engines::{ChatReport, Error, Finish};
use crate::telemetry::EngineEnd;

/// What is asked of the thread that owns the device.
pub(super) struct Order {
    pub(super) tenant: String,
    pub(super) priority: Priority,
    pub(super) prompt: Prepared,
    pub(super) sampler: Sampler,
    pub(super) constraint: Option<Constraint>,
    pub(super) max_tokens: usize,
    pub(super) answer: Answer,
    pub(super) cancel: CancellationToken,
    pub(super) reply: oneshot::Sender<Result<ChatReport, Error>>,
    pub(super) arrived: Instant,
    #[cfg(feature = "testing")]
    pub(super) fault: Option<super::Fault>,
}

impl Order {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.cancel.is_cancelled() || self.reply.is_closed()
    }

    /// Tokens that its row will hold at most.
    pub(super) fn tokens(&self) -> usize {
        self.prompt.ids.len() + self.max_tokens
    }
}

/// A sequence that is worked on.
pub(super) struct Running {
    pub(super) order: Order,
    pub(super) kv: Row,
    pub(super) stage: Stage,
    /// Bytes of the budget that are its own.
    pub(super) reserved: usize,
    /// Why it cannot choose its next token.
    pub(super) broken: Option<String>,
    pictures: Vec<Arc<ImageEmbeds>>,
    admitted: Instant,
    first_token: Option<Instant>,
    prompt_tokens: usize,
    written: usize,
}

/// Where a row is.
pub(super) enum Stage {
    /// Pictures have yet to be seen.
    Seeing,
    /// The prompt is being read.
    Reading(Input),
    /// The answer is being written; this token comes next into the model.
    Writing(u32),
}

/// What came of one token.
pub(super) enum Turn {
    /// The row goes on.
    Goes,
    /// The answer is done.
    Done(Finish),
    /// It cannot go on.
    Broken(Error),
}

impl Running {
    pub(super) fn new(order: Order, kv: Row, reserved: usize) -> Self {
        Self {
            prompt_tokens: order.prompt.ids.len(),
            order,
            kv,
            stage: Stage::Seeing,
            reserved,
            broken: None,
            pictures: Vec::new(),
            admitted: Instant::now(),
            first_token: None,
            written: 0,
        }
    }

    /// The next picture that nobody has seen yet.
    pub(super) fn next_picture(&mut self) -> Option<Picture> {
        while let Some(Picture::Seen(embeds)) = self.order.prompt.pictures.first() {
            self.pictures.push(Arc::clone(embeds));
            self.order.prompt.pictures.remove(0);
        }
        match self.order.prompt.pictures.is_empty() {
            true => None,
            false => Some(self.order.prompt.pictures.remove(0)),
        }
    }

    /// Takes note of what the tower made of [`next_picture`](Self::next_picture).
    pub(super) fn saw(&mut self, embeds: Arc<ImageEmbeds>) {
        self.pictures.push(embeds);
    }

    /// All pictures are seen: the prompt can be read.
    pub(super) fn begin_reading(&mut self, loaded: &Loaded) -> Result<(), Error> {
        #[cfg(feature = "testing")]
        super::Fault::Input.strike_where(self.order.fault);
        let ids = std::mem::take(&mut self.order.prompt.ids);
        let pictures = std::mem::take(&mut self.pictures);
        let input = loaded.model.input(ids, pictures);
        let input = input.map_err(|error| failed(&error.to_string()))?;
        self.order.sampler.see(input.ids());
        self.stage = Stage::Reading(input);
        Ok(())
    }

    /// Tokens of the prompt that have yet to be read.
    pub(super) fn unread(&self) -> usize {
        match &self.stage {
            Stage::Reading(input) => input.len().saturating_sub(self.kv.len()),
            Stage::Seeing | Stage::Writing(_) => 0,
        }
    }

    /// Chooses the next token from `logits` and tells what it adds to the answer.
    pub(super) fn choose(&mut self, loaded: &Loaded, logits: &[f32]) -> Turn {
        let order = &mut self.order;
        let mask = order
            .constraint
            .as_mut()
            .map(|mask| mask as &mut dyn TokenMask);
        let token = match sample(&mut order.sampler, logits, mask, &loaded.ends) {
            Ok(token) => token,
            Err(cause) => {
                let unusable = order.constraint.as_ref().and_then(Constraint::gave_up);
                let engine = NAME;
                return Turn::Broken(unusable.unwrap_or(Error::Output { engine, cause }));
            }
        };
        self.first_token.get_or_insert_with(Instant::now);
        self.written += 1;
        if loaded.ends.contains(&token) {
            order.answer.finish();
            return Turn::Done(Finish::Stop);
        }
        if order.answer.push(&loaded.tokenizer, token) == Heard::Stopped {
            return Turn::Done(Finish::Stop);
        }
        if order
            .constraint
            .as_ref()
            .is_some_and(Constraint::is_complete)
        {
            order.answer.finish();
            return Turn::Done(Finish::Stop);
        }
        if self.written >= order.max_tokens {
            order.answer.finish();
            return Turn::Done(Finish::Length);
        }
        self.stage = Stage::Writing(token);
        Turn::Goes
    }

    /// Tells whoever waits how it ended.
    pub(super) fn end(self, outcome: Result<Finish, Error>) -> EngineEnd {
        let now = Instant::now();
        let first = self.first_token.unwrap_or(now);
        let count = |tokens: usize| u32::try_from(tokens).unwrap_or(u32::MAX);
        let end = match &outcome {
            Ok(Finish::Stop) => EngineEnd::Stop,
            Ok(Finish::Length) => EngineEnd::Length,
            Err(Error::Cancelled) => EngineEnd::Cancelled,
            Err(_) => EngineEnd::Failed,
        };
        let report = outcome.map(|finish| ChatReport {
            finish,
            usage: TokenUsage {
                prompt_tokens: count(
                    self.prompt_tokens
                        .saturating_sub(self.order.prompt.image_tokens),
                ),
                image_tokens: count(self.order.prompt.image_tokens),
                completion_tokens: count(self.written),
            },
            queue_ms: millis(self.admitted - self.order.arrived),
            prefill_ms: millis(first - self.admitted),
            decode_ms: millis(now - first),
        });
        // Whoever waited may have left.
        let _ = self.order.reply.send(report);
        end
    }
}

/// A token from what the constraint allows. An end that a grammar allows is taken before the grammar is told of it.
fn sample(
    sampler: &mut Sampler,
    logits: &[f32],
    mask: Option<&mut dyn TokenMask>,
    ends: &[u32],
) -> Result<u32, String> {
    let ended = mask.map(|inner| UntilEnd { inner, ends });
    let token = match ended {
        Some(mut mask) => sampler.sample(logits, Some(&mut mask)),
        None => sampler.sample(logits, None),
    };
    token.map_err(|error| error.to_string())
}

/// A mask that is not told of the token that ends the answer.
struct UntilEnd<'a> {
    inner: &'a mut dyn TokenMask,
    ends: &'a [u32],
}

impl TokenMask for UntilEnd<'_> {
    fn allowed(&mut self) -> glm4v::Result<&[u32]> {
        self.inner.allowed()
    }

    fn accept(&mut self, token: u32) -> glm4v::Result<()> {
        if self.ends.contains(&token) {
            return Ok(());
        }
        self.inner.accept(token)
    }
}
