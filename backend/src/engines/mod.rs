//! Engines: what writes the fields. One trait; a request names one engine or leaves the choice to the server.
//!
//! An engine knows nothing of HTTP, tenants or queues. It is given an [`EngineJob`], tells what it writes to a [`Sink`]
//! while it writes, and stops soon after its token is cancelled.

mod author;
mod chat;
#[cfg(any(test, feature = "testing"))]
mod chat_script;
#[cfg(feature = "testing")]
pub mod doors;
mod extractive;
mod glm4v;
#[cfg(any(test, feature = "testing"))]
mod scripted;
mod told;
mod upstream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::{
    AltText, Article, Candidate, Code, EngineName, EnginePreference, Field, FieldLimits,
    Guidelines, ImageRole, Priority,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::author::Guarded;
pub use self::author::{Author, Task, Template, Tongue};
pub use self::chat::{
    AnswerFormat, ChatJob, ChatMessage, ChatModel, ChatPart, ChatReport, ChatRole, Choosing,
    Finish, IMAGE_TOKENS, MAX_SCHEMA_BYTES, MAX_SCHEMA_DEPTH, TextSink, schema_depth,
};
#[cfg(any(test, feature = "testing"))]
pub use self::chat_script::{ChatReply, ScriptedChat};
pub use self::extractive::{Extractive, document, line};
pub use self::glm4v::{Glm4v, Unfit};
#[cfg(any(test, feature = "testing"))]
pub use self::scripted::{Script, Scripted};
pub use self::upstream::{Misconfigured, Upstream};
use crate::refusal::Refusal;

/// Why an engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// This server has no such engine.
    #[error("this server does not offer `{asked}`; it offers {offered}, or use `auto`")]
    NotOffered {
        /// The engine asked for.
        asked: &'static str,
        /// Those there are.
        offered: String,
    },
    /// The engine cannot serve now.
    #[error("`{engine}` cannot serve now; try again later")]
    Unavailable {
        /// Which.
        engine: &'static str,
    },
    /// The engine failed on this job.
    #[error("`{engine}` failed on this request; try again")]
    Failed {
        /// Which.
        engine: &'static str,
        /// The cause, for the log only.
        cause: String,
    },
    /// The engine wrote something that is no answer.
    #[error("the answer of `{engine}` was not usable; try again")]
    Output {
        /// Which.
        engine: &'static str,
        /// The cause, for the log only.
        cause: String,
    },
    /// The model cannot hold the prompt and the answer that was asked for.
    #[error(
        "the prompt has {tokens} tokens and the answer may have {answer}; together at most {max} fit: shorten the text, \
         send fewer pictures or ask for less"
    )]
    TooLong {
        /// Tokens of the prompt, pictures among them.
        tokens: usize,
        /// Tokens asked for.
        answer: usize,
        /// Tokens that the model holds.
        max: usize,
    },
    /// The model of another machine cannot hold it.
    #[error(
        "the text, its pictures and the answer are more than the model can hold; shorten the text, send fewer pictures or \
         ask for less"
    )]
    Overlong,
    /// The job cannot be done as it stands, by this or any try.
    #[error("{detail}")]
    Unusable {
        /// What is wrong and what to do, without anybody's text.
        detail: String,
    },
    /// Nobody waits for the answer any more.
    #[error("the work was cancelled because nobody waits for it")]
    Cancelled,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::NotOffered { .. } => Code::EngineNotOffered,
            Error::Unavailable { .. } => Code::EngineUnavailable,
            Error::Failed { .. } | Error::Cancelled => Code::EngineFailed,
            Error::Output { .. } => Code::EngineOutput,
            Error::TooLong { .. } | Error::Overlong => Code::ContentTooLong,
            Error::Unusable { .. } => Code::InvalidField,
        };
        let refusal = Self::new(code, error.to_string());
        match error {
            Error::NotOffered { .. } => refusal.field("/engine"),
            Error::Unavailable { .. } => refusal.retry_after(std::time::Duration::from_secs(5)),
            _ => refusal,
        }
    }
}

/// All that an engine may use to write an answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EngineJob {
    /// Who asks: turns are fair between these, and nothing that was kept for one is used for another.
    pub tenant: String,
    /// Whether somebody waits.
    pub priority: Priority,
    /// The article, when there is one.
    pub article: Option<Article>,
    /// The pictures, small and upright.
    pub images: Vec<EngineImage>,
    /// The fields to write, in the order of [`Field::ALL`], without those that are derived from others.
    pub fields: Vec<Field>,
    /// The site's wishes.
    pub guidelines: Guidelines,
    /// Lengths to aim at.
    pub limits: FieldLimits,
    /// How many alternative titles and descriptions, at least 1.
    pub candidates: u8,
    /// Makes sampling repeatable.
    pub seed: Option<u64>,
    /// When nobody will wait any more.
    pub deadline: Option<Instant>,
}

/// A picture for an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineImage {
    /// Its id in the request.
    pub id: String,
    /// Its name in the article.
    pub filename: Option<String>,
    /// Its visible caption.
    pub caption: Option<String>,
    /// Where it leads, as the caller says; without it the article may say so.
    pub link: Option<String>,
    /// What the author says of it.
    pub role: ImageRole,
    /// The encoded picture, at most [`api::limits::MAX_EDGE`] on its longest edge.
    pub bytes: Bytes,
    /// The media type of `bytes`.
    pub media_type: &'static str,
    /// What was measured on its pixels, for engines that do not look.
    pub looks: Option<imaging::Looks>,
}

/// What an engine tells while it writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// The language of every text that follows; comes first.
    Language {
        /// A BCP 47 tag.
        tag: String,
        /// Whether it was given or could be told with confidence.
        certain: bool,
    },
    /// More of a text that is being written.
    Delta(Field, String),
    /// A field is complete.
    Field(Written),
}

/// A complete field, as the engine wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// [`Field::Title`].
    Title(String),
    /// [`Field::MetaDescription`].
    MetaDescription(String),
    /// [`Field::Keywords`].
    Keywords(Vec<String>),
    /// [`Field::Slug`].
    Slug(String),
    /// [`Field::Summary`].
    Summary(String),
    /// [`Field::AltTexts`], one per picture, in the job's order.
    AltTexts(Vec<AltText>),
}

/// Where an engine tells its output. Called from any thread; returns at once.
pub type Sink = Arc<dyn Fn(Output) + Send + Sync>;

/// What an engine gives when it is done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Alternatives, the best first; empty when one was asked for.
    pub candidates: Vec<Candidate>,
    /// What the caller should know.
    pub warnings: Vec<api::Warning>,
    /// Tokens read and written.
    pub usage: api::TokenUsage,
    /// Milliseconds in the engine's own line.
    pub queue_ms: u32,
    /// Milliseconds spent reading.
    pub prefill_ms: u32,
    /// Milliseconds spent writing.
    pub decode_ms: u32,
}

/// Whether a character is not seen, so that words are read as if it were not there.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

/// Something that writes summaries.
pub trait Engine: Send + Sync + 'static {
    /// Its name on the wire.
    fn name(&self) -> EngineName;
    /// Its model and the model's version.
    fn model(&self) -> &str;
    /// The version of its prompt or rules: another version, another answer.
    fn prompt_version(&self) -> &str;
    /// Whether it looks at pixels.
    fn sees_images(&self) -> bool;
    /// Whether it can serve now.
    fn ready(&self) -> bool;
    /// Writes the fields of `job`.
    ///
    /// Ends soon after `cancel` is cancelled, within one step of the model. The future may be dropped at any time.
    fn run(
        &self,
        job: EngineJob,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Report, Error>>;
}

/// The engines of this server.
#[derive(Clone)]
pub struct Registry {
    engines: Vec<Arc<dyn Engine>>,
    models: Vec<Arc<dyn ChatModel>>,
    /// Whether the first engine was ready at some time.
    begun: Arc<AtomicBool>,
}

impl Registry {
    /// `engines`, the one for `auto` first.
    #[must_use]
    pub fn new(engines: Vec<Arc<dyn Engine>>) -> Self {
        Self {
            engines,
            models: Vec::new(),
            begun: Arc::default(),
        }
    }

    /// The models that continue conversations, the one for `auto` first.
    #[must_use]
    pub fn with_models(mut self, models: Vec<Arc<dyn ChatModel>>) -> Self {
        self.models = models;
        self
    }

    /// The engine and the model that `preference` names come first, and are what `auto` means once they are ready.
    #[must_use]
    pub fn preferring(mut self, preference: EnginePreference) -> Self {
        let named = named(preference);
        self.engines
            .sort_by_key(|engine| Some(engine.name()) != named);
        self.models.sort_by_key(|model| Some(model.name()) != named);
        self
    }

    /// Every model that continues conversations, the one for `auto` first.
    #[must_use]
    pub fn models(&self) -> &[Arc<dyn ChatModel>] {
        &self.models
    }

    /// Whether summaries come from the engine that `auto` means, and the model in this process answers when there is one.
    ///
    /// Other machines are waited for once. What befalls them later is no reason to take this server out of service as well:
    /// it would only turn its own clear answers into a proxy's.
    #[must_use]
    pub fn ready(&self) -> bool {
        let own = |model: &&Arc<dyn ChatModel>| model.name() == EngineName::Glm4v;
        let first = self.engines.first();
        if first.is_some_and(|engine| engine.ready()) {
            self.begun.store(true, Ordering::Relaxed);
        }
        let waits = first.is_none_or(|engine| match engine.name() {
            EngineName::Upstream => !self.begun.load(Ordering::Relaxed),
            _ => !engine.ready(),
        });
        !waits && self.models.iter().filter(own).all(|model| model.ready())
    }

    /// The engine that a request is answered by: the one it names, or the first that is ready.
    ///
    /// # Errors
    /// [`Error::NotOffered`] for one that this server does not have, [`Error::Unavailable`] for one that is not ready.
    pub fn pick(&self, preference: EnginePreference) -> Result<Arc<dyn Engine>, Error> {
        let Some(name) = named(preference) else {
            let ready = self.engines.iter().find(|engine| engine.ready());
            return ready.cloned().ok_or(Error::Unavailable { engine: "auto" });
        };
        let engine = self.engines.iter().find(|engine| engine.name() == name);
        let engine = engine.ok_or_else(|| Error::NotOffered {
            asked: name.as_str(),
            offered: self.offered(),
        })?;
        if engine.ready() {
            Ok(Arc::clone(engine))
        } else {
            Err(Error::Unavailable {
                engine: name.as_str(),
            })
        }
    }

    /// Whether this server has what `preference` names, be it ready or not.
    ///
    /// # Errors
    /// [`Error::NotOffered`].
    pub fn offers(&self, preference: EnginePreference) -> Result<(), Error> {
        match self.pick(preference) {
            Err(error @ Error::NotOffered { .. }) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Every engine, the one for `auto` first.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Engine> {
        self.engines.iter().map(AsRef::as_ref)
    }

    fn offered(&self) -> String {
        let names: Vec<String> = self
            .iter()
            .map(|engine| format!("`{}`", engine.name().as_str()))
            .collect();
        names.join(", ")
    }
}

impl Written {
    /// Which field it is.
    #[must_use]
    pub const fn field(&self) -> Field {
        match self {
            Self::Title(_) => Field::Title,
            Self::MetaDescription(_) => Field::MetaDescription,
            Self::Keywords(_) => Field::Keywords,
            Self::Slug(_) => Field::Slug,
            Self::Summary(_) => Field::Summary,
            Self::AltTexts(_) => Field::AltTexts,
        }
    }
}

const fn named(preference: EnginePreference) -> Option<EngineName> {
    match preference {
        EnginePreference::Auto => None,
        EnginePreference::Glm4v => Some(EngineName::Glm4v),
        EnginePreference::Upstream => Some(EngineName::Upstream),
        EnginePreference::Extractive => Some(EngineName::Extractive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::new(vec![Arc::new(Extractive::new(1))])
    }

    #[test]
    fn auto_is_the_first_that_is_ready() {
        assert_eq!(
            registry()
                .pick(EnginePreference::Auto)
                .map(|engine| engine.name()),
            Ok(EngineName::Extractive)
        );
        assert!(matches!(
            Registry::new(vec![]).pick(EnginePreference::Auto),
            Err(Error::Unavailable { .. })
        ));
    }

    #[test]
    fn an_engine_that_is_not_there_is_refused_with_those_that_are() {
        let error = registry()
            .pick(EnginePreference::Glm4v)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "this server does not offer `glm4v`; it offers `extractive`, or use `auto`"
        );
    }
}
