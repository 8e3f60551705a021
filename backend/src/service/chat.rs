//! `POST /v1/chat/completions` and its relatives, from the accepted conversation to the answer: a place in the same queue
//! as summaries, the same deadlines, the same numbers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::{Code, Safety};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::chat_mask::Masked;
use super::finish::clean_answer;
use super::{Error, Service};
use crate::engines::{
    self, ChatJob, ChatMessage, ChatModel, ChatPart, ChatReport, Guarded, IMAGE_TOKENS, TextSink,
};
use crate::queue::Request;
use crate::refusal::Refusal;

/// An answer on its way to its caller.
struct Telling {
    /// Looks for the rules of a task in it.
    guarded: Option<Guarded>,
    masked: Option<Masked>,
    /// All of it, while it must not be told.
    whole: Option<String>,
    sink: TextSink,
}

impl Telling {
    fn push(&mut self, text: &str) {
        match &mut self.guarded {
            Some(guarded) => {
                let certain = guarded.push(text);
                self.pass(&certain);
            }
            None => self.pass(text),
        }
    }

    fn pass(&mut self, text: &str) {
        match (&mut self.whole, &mut self.masked) {
            _ if text.is_empty() => {}
            (Some(whole), _) => whole.push_str(text),
            (None, Some(masked)) => masked.push(text),
            (None, None) => (self.sink)(text),
        }
    }

    /// The answer is complete: what was held back passes, unless the answer holds rules of ours.
    fn complete(&mut self) -> Result<(), String> {
        let Some(mut guarded) = self.guarded.take() else {
            return Ok(());
        };
        if guarded.found() {
            return Err("it repeats the rules that it was given".to_owned());
        }
        self.pass(&guarded.finish());
        Ok(())
    }

    fn finish(&mut self) {
        if let Some(masked) = &mut self.masked {
            masked.finish();
        }
    }
}

/// What looks for the rules of a task; words that the caller wrote may come out.
fn guarded(job: &ChatJob) -> Option<Guarded> {
    if job.rules.is_empty() {
        return None;
    }
    Some(Guarded::new(&job.rules, &material(job)))
}

/// All words but our rules.
fn material(job: &ChatJob) -> String {
    let words = job.messages.iter().map(ChatMessage::words);
    let material: Vec<String> = words.filter(|words| *words != job.rules).collect();
    material.join("\n")
}

fn lock(told: &Mutex<Telling>) -> MutexGuard<'_, Telling> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// The model that `name` means: one of its names, its engine's, or `auto`.
    ///
    /// # Errors
    /// [`Code::ModelNotFound`] for another, and [`Code::EngineNotOffered`] when this server has none at all.
    pub fn chat_model(&self, name: Option<&str>) -> Result<Arc<dyn ChatModel>, Refusal> {
        let models = self.engines.models();
        let Some(first) = models.first() else {
            let detail = "This server has no model that continues conversations; its operator starts one with \
                          `--engine glm4v --model DIR` or `--engine upstream --upstream URL`.";
            return Err(Refusal::new(Code::EngineNotOffered, detail).field("/model"));
        };
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name.filter(|name| *name != "auto") else {
            return Ok(Arc::clone(first));
        };
        let found = models
            .iter()
            .find(|model| model.model() == name || model.name().as_str() == name);
        found.cloned().ok_or_else(|| {
            let known: Vec<String> = models
                .iter()
                .map(|model| format!("`{}`", model.model()))
                .collect();
            let detail = format!(
                "This server has no such model; it has {}, or leave `model` out.",
                known.join(", ")
            );
            Refusal::new(Code::ModelNotFound, detail).field("/model")
        })
    }

    /// Tokens that `answers` to a conversation will cost at most, about.
    #[must_use]
    pub fn estimated_chat_tokens(job: &ChatJob, answers: usize) -> u32 {
        let parts = job.messages.iter().flat_map(|message| &message.parts);
        let prompt: usize = parts
            .map(|part| match part {
                ChatPart::Text(text) => text.chars().count() / 2 + 8,
                ChatPart::Image { .. } => IMAGE_TOKENS,
            })
            .sum();
        let written = usize::try_from(job.max_tokens).unwrap_or(usize::MAX);
        u32::try_from(prompt.saturating_add(written.saturating_mul(answers))).unwrap_or(u32::MAX)
    }

    /// Continues a conversation by one answer. Dropping the future ends the work within a step of the model.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn chat(
        &self,
        model: &dyn ChatModel,
        mut job: ChatJob,
        safety: Safety,
        sink: TextSink,
    ) -> Result<ChatReport, Error> {
        let moderation = self.moderation(safety);
        if let Some(moderation) = moderation {
            moderation.check(&job.all_words()).await?;
        }
        let priority = job.priority;
        let now = Instant::now();
        let asked = job
            .deadline
            .map(|deadline| deadline.saturating_duration_since(now));
        let own = self.deadline(priority);
        let patience = asked.map_or(own, |asked| asked.min(own));
        let deadline = now + patience;
        job.deadline = Some(deadline);
        let queue = self.queue_named(model.name())?;
        let tenant = job.tenant.clone();
        let request = Request {
            key: &tenant,
            priority,
            deadline,
        };
        let ticket = queue.enter(request, |_| {}).await?;
        self.metrics.queue_wait(priority, ticket.waited);
        let cancel = CancellationToken::new();
        let _left = cancel.clone().drop_guard();
        let told = Arc::new(Mutex::new(Telling {
            guarded: guarded(&job),
            masked: safety
                .mask_numbers
                .then(|| Masked::new(&job, Arc::clone(&sink))),
            // What is moderated or cleaned is told once it is known to be fine.
            whole: (moderation.is_some() || job.cleaned).then(String::new),
            sink,
        }));
        let heard: TextSink = {
            let told = Arc::clone(&told);
            Arc::new(move |piece: &str| lock(&told).push(piece))
        };
        let source = job.cleaned.then(|| material(&job));
        let answer = tokio::time::timeout_at(deadline, model.chat(job, heard, cancel));
        let report = answer.await.map_err(|_| Error::Deadline(patience))??;
        let complete = lock(&told).complete();
        complete.map_err(|cause| engines::Error::Output {
            engine: model.name().as_str(),
            cause,
        })?;
        let whole = lock(&told).whole.take();
        if let Some(mut whole) = whole {
            if let Some(source) = source {
                whole = clean_answer(&whole, &source);
            }
            if let Some(moderation) = moderation {
                moderation.check(&whole).await?;
            }
            lock(&told).push(&whole);
        }
        lock(&told).finish();
        self.metrics.tokens(model.name(), report.usage);
        for (stage, millis) in [
            (crate::telemetry::Stage::Queue, report.queue_ms),
            (crate::telemetry::Stage::Prefill, report.prefill_ms),
            (crate::telemetry::Stage::Decode, report.decode_ms),
        ] {
            let took = std::time::Duration::from_millis(millis.into());
            self.metrics.stage(model.name(), stage, took);
        }
        Ok(report)
    }

    pub(super) fn queue_named(&self, name: api::EngineName) -> Result<&crate::queue::Queue, Error> {
        let queue = self.queues.iter().find(|(known, _)| *known == name);
        // Every engine of the registry was given a line when the service was made.
        let unavailable = || engines::Error::Unavailable {
            engine: name.as_str(),
        };
        Ok(&queue.ok_or_else(unavailable)?.1)
    }
}
