//! The author of summaries: any [`ChatModel`] as an [`Engine`].
//!
//! A job becomes a conversation with a bounded schema; the growing answer becomes fields as they are complete. An answer in
//! another language, or one that is none, is asked for once more. The modules stand in the order in which a job meets them.

mod ask;
mod prompts;
mod share;
// What comes back.
#[cfg(feature = "testing")]
mod doors;
mod hear;
mod language;
mod leak;
mod partial;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use api::{EngineName, Field, Warning, WarningCode};
use extractive::text::{Document, leads_to};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use self::ask::Expected;
#[cfg(feature = "testing")]
pub use self::doors::{Growing, growing};
use self::hear::{Heard, Hearing};
use self::leak::Guard;
pub(crate) use self::leak::Guarded;
pub use self::prompts::{Task, Template, Tongue};
use self::share::Share;
use super::{
    AnswerFormat, ChatJob, ChatModel, ChatReport, Choosing, Engine, EngineImage, EngineJob, Error,
    Output, Report, Sink, TextSink, Written, document,
};

/// A summary is to say what is there, not to surprise.
const TEMPERATURE: f64 = 0.2;

/// Writes summaries with a model that continues conversations.
pub struct Author {
    model: Arc<dyn ChatModel>,
}

/// What is the same for every try of one job.
struct Work<'a> {
    job: &'a EngineJob,
    expected: &'a Expected,
    /// The article's words.
    prose: &'a str,
    /// Knows the rules that must not come out.
    guard: &'a Arc<Guard>,
    sink: &'a Sink,
    cancel: &'a CancellationToken,
}

/// One try.
struct Try<'a> {
    fields: &'a [Field],
    /// What was wrong with the try before.
    again: Option<&'a str>,
    last: bool,
}

impl Author {
    /// The author that asks `model`.
    #[must_use]
    pub fn new(model: Arc<dyn ChatModel>) -> Self {
        Self { model }
    }

    async fn write(
        &self,
        mut job: EngineJob,
        sink: Sink,
        cancel: CancellationToken,
    ) -> Result<Report, Error> {
        let document = job.article.as_ref().map(document).unwrap_or_default();
        for image in &mut job.images {
            image.link = leads(image, &document);
        }
        let prose = document.plain();
        let expected = Expected::of(&job, &prose);
        let rules = Template::of(Task::Summary, expected.tongue()).system;
        let guard = Arc::new(Guard::new(&rules, &material(&job, &prose)));
        sink(Output::Language {
            tag: expected.tag.clone(),
            certain: expected.certain,
        });
        let work = Work {
            job: &job,
            expected: &expected,
            prose: &prose,
            guard: &guard,
            sink: &sink,
            cancel: &cancel,
        };
        let mut report = Report::default();
        let mut share = Share::whole(&job, &expected, &prose, self.model.sees_images());
        let first = Try {
            fields: &job.fields,
            again: None,
            last: false,
        };
        let mut heard = self.attempt(&work, first, &mut share, &mut report).await?;
        let wrong_language = heard.other_language && heard.untold;
        if wrong_language || heard.trouble.is_some() {
            let fields = if heard.untold {
                job.fields.clone()
            } else {
                heard.missing
            };
            let again = wrong_language.then(|| ask::other_language(&expected));
            let second = Try {
                fields: &fields,
                again: again.as_deref(),
                last: true,
            };
            heard = self.attempt(&work, second, &mut share, &mut report).await?;
        }
        self.conclude(&work, heard, report)
    }

    /// Asks once, and of less each time that the model cannot hold it.
    async fn attempt(
        &self,
        work: &Work<'_>,
        attempt: Try<'_>,
        share: &mut Share,
        report: &mut Report,
    ) -> Result<Heard, Error> {
        share.generous = true;
        loop {
            let (hearing, told) = self.hearing(work, &attempt);
            let asked = self.asked(work, &attempt, share);
            let done = self.model.chat(asked, told, work.cancel.clone()).await;
            match done {
                Err(error @ (Error::TooLong { .. } | Error::Overlong)) => {
                    if !share.reduce().await {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
                Ok(done) => {
                    add(report, done);
                    let hearing = hearing
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take();
                    let hearing = hearing
                        .ok_or_else(|| self.unusable("it was heard twice; this is a bug"))?;
                    return Ok(hearing.end());
                }
            }
        }
    }

    fn hearing(
        &self,
        work: &Work<'_>,
        attempt: &Try<'_>,
    ) -> (Arc<Mutex<Option<Hearing>>>, TextSink) {
        let (job, expected) = (work.job, work.expected);
        let hearing = Hearing::new(
            job,
            attempt.fields,
            &expected.tag,
            Arc::clone(work.guard),
            Arc::clone(work.sink),
            !attempt.last,
        );
        let hearing = Arc::new(Mutex::new(Some(hearing)));
        let told: TextSink = {
            let hearing = Arc::clone(&hearing);
            Arc::new(move |piece: &str| {
                let mut hearing = hearing.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(hearing) = hearing.as_mut() {
                    hearing.push(piece);
                }
            })
        };
        (hearing, told)
    }

    fn asked(&self, work: &Work<'_>, attempt: &Try<'_>, share: &Share) -> ChatJob {
        let (job, expected) = (work.job, work.expected);
        let tokens = ask::answer_tokens(job, attempt.fields, &expected.tag);
        ChatJob {
            tenant: job.tenant.clone(),
            priority: job.priority,
            messages: ask::messages(
                job,
                attempt.fields,
                expected,
                work.prose,
                share,
                attempt.again,
            ),
            format: AnswerFormat::JsonSchema(ask::schema(job, attempt.fields, &expected.tag)),
            max_tokens: tokens.saturating_mul(if share.generous { 2 } else { 1 }),
            choosing: Choosing {
                temperature: Some(TEMPERATURE),
                seed: job.seed,
                ..Choosing::default()
            },
            stop: Vec::new(),
            // The author looks for them itself, field by field.
            rules: String::new(),
            cleaned: false,
            shrinks: false,
            deadline: job.deadline,
        }
    }

    /// What came of all tries. A field that never came is told as empty, so that its caller is warned and has the others.
    fn conclude(&self, work: &Work<'_>, heard: Heard, mut report: Report) -> Result<Report, Error> {
        let nothing = heard.missing.len() == work.job.fields.len();
        if let Some(trouble) = heard
            .trouble
            .filter(|_| nothing || work.job.fields.is_empty())
        {
            return Err(self.unusable(&trouble));
        }
        for field in heard.missing {
            if let Some(empty) = empty(field) {
                (work.sink)(Output::Field(empty));
            }
        }
        report.candidates = heard.candidates;
        if heard.other_language {
            report.warnings.push(Warning {
                code: WarningCode::OtherLanguage,
                field: None,
                image: None,
                detail: "The model wrote in another language than the article's, twice. Check each text.".to_owned(),
            });
        }
        if !self.model.sees_images()
            && work.job.fields.contains(&Field::AltTexts)
            && !work.job.images.is_empty()
        {
            report.warnings.push(Warning {
                code: WarningCode::ImageNotSeen,
                field: Some(Field::AltTexts),
                image: None,
                detail: "The model does not look at pictures; their texts come from their captions and the article. Check each one."
                    .to_owned(),
            });
        }
        Ok(report)
    }

    fn unusable(&self, cause: &str) -> Error {
        Error::Output {
            engine: self.model.name().as_str(),
            cause: cause.to_owned(),
        }
    }
}

/// Where a picture leads: as the caller says, else as the article has it.
fn leads(image: &EngineImage, document: &Document) -> Option<String> {
    match &image.link {
        Some(link) => leads_to(link),
        None => document.image(image.filename.as_deref()?)?.link.clone(),
    }
}

/// What the answer may repeat word for word.
fn material(job: &EngineJob, prose: &str) -> String {
    let mut text = String::new();
    if let Some(article) = &job.article {
        text.push_str(article.title.as_deref().unwrap_or_default());
        text.push('\n');
        text.push_str(prose);
    }
    for caption in job
        .images
        .iter()
        .filter_map(|image| image.caption.as_deref())
    {
        text.push('\n');
        text.push_str(caption);
    }
    text
}

/// Every try costs; what is told at the end is the sum.
fn add(report: &mut Report, done: ChatReport) {
    let usage = &mut report.usage;
    usage.prompt_tokens = usage.prompt_tokens.saturating_add(done.usage.prompt_tokens);
    usage.image_tokens = usage.image_tokens.saturating_add(done.usage.image_tokens);
    usage.completion_tokens = usage
        .completion_tokens
        .saturating_add(done.usage.completion_tokens);
    report.queue_ms = report.queue_ms.saturating_add(done.queue_ms);
    report.prefill_ms = report.prefill_ms.saturating_add(done.prefill_ms);
    report.decode_ms = report.decode_ms.saturating_add(done.decode_ms);
}

fn empty(field: Field) -> Option<Written> {
    Some(match field {
        Field::Title => Written::Title(String::new()),
        Field::MetaDescription => Written::MetaDescription(String::new()),
        Field::Keywords => Written::Keywords(Vec::new()),
        Field::Slug => Written::Slug(String::new()),
        Field::Summary => Written::Summary(String::new()),
        Field::AltTexts => Written::AltTexts(Vec::new()),
        Field::OpenGraph | Field::JsonLd => return None,
    })
}

impl Engine for Author {
    fn name(&self) -> EngineName {
        self.model.name()
    }

    fn model(&self) -> &str {
        self.model.model()
    }

    fn prompt_version(&self) -> &str {
        prompts::summary_version()
    }

    fn sees_images(&self) -> bool {
        self.model.sees_images()
    }

    fn ready(&self) -> bool {
        self.model.ready()
    }

    fn run(
        &self,
        job: EngineJob,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Report, Error>> {
        Box::pin(self.write(job, sink, cancel))
    }
}
