//! A stand-in for a model in tests: answers from a table, and can stall, fail, stream slowly and panic.
//!
//! ```json
//! { "replies": [
//!     { "when": "slow article", "chunk_chars": 4, "chunk_ms": 20, "title": "A slow title" },
//!     { "when": "broken", "end": "failed" },
//!     { "title": "What everything else gets" }
//! ] }
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use api::{AltText, Candidate, EngineName, Field, TokenUsage};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineJob, Error, Output, Report, Sink, Written};

const NAME: &str = EngineName::Glm4v.as_str();

/// What to answer to what. The first reply whose `when` occurs in the article answers.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// In the order in which they are tried.
    pub replies: Vec<Reply>,
    /// The same for conversations; see [`ScriptedChat`](super::ScriptedChat).
    pub chats: Vec<super::ChatReply>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reply {
    /// Occurs in the article's content; empty fits every article.
    pub when: String,
    /// Milliseconds before the first word.
    pub delay_ms: u64,
    /// Characters per delta; 0: no deltas.
    pub chunk_chars: usize,
    /// Milliseconds between deltas.
    pub chunk_ms: u64,
    /// How it ends, after the fields.
    pub end: End,
    /// A BCP 47 tag; `en` when empty.
    pub language: String,
    /// [`Field::Title`].
    pub title: String,
    /// [`Field::MetaDescription`].
    pub meta_description: String,
    /// [`Field::Keywords`].
    pub keywords: Vec<String>,
    /// [`Field::Slug`].
    pub slug: String,
    /// [`Field::Summary`].
    pub summary: String,
    /// Picture id -> text; empty or absent is decorative.
    pub alt_texts: BTreeMap<String, String>,
    /// Tokens to report.
    pub usage: TokenUsage,
}

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With an answer.
    #[default]
    Done,
    /// Never, until it is cancelled.
    Stall,
    /// With [`Error::Failed`].
    Failed,
    /// With [`Error::Output`].
    Output,
    /// With [`Error::Unavailable`].
    Unavailable,
    /// With a panic.
    Panic,
}

/// The engine of a [`Script`]; on the wire it is the model in the server's process, whose place it takes.
pub struct Scripted {
    script: Script,
}

impl Scripted {
    /// An engine that answers as `script` says.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { script }
    }

    fn reply(&self, job: &EngineJob) -> Reply {
        let content = job.article.as_ref().map_or("", |article| &article.content);
        let reply = self
            .script
            .replies
            .iter()
            .find(|reply| content.contains(&reply.when));
        reply.cloned().unwrap_or_default()
    }
}

impl Default for Script {
    /// One reply for everything.
    fn default() -> Self {
        let reply = Reply {
            title: "A scripted title".to_owned(),
            meta_description: "A scripted description of the article.".to_owned(),
            keywords: vec!["scripted".to_owned(), "article".to_owned()],
            slug: "a-scripted-title".to_owned(),
            summary: "A scripted summary. It has two sentences.".to_owned(),
            usage: TokenUsage {
                prompt_tokens: 100,
                image_tokens: 0,
                completion_tokens: 40,
            },
            ..Reply::default()
        };
        Self {
            replies: vec![reply],
            chats: Vec::new(),
        }
    }
}

impl Engine for Scripted {
    fn name(&self) -> EngineName {
        EngineName::Glm4v
    }

    fn model(&self) -> &str {
        "scripted"
    }

    fn prompt_version(&self) -> &str {
        "scripted-1"
    }

    fn sees_images(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        true
    }

    fn run(
        &self,
        job: EngineJob,
        sink: Sink,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Report, Error>> {
        Box::pin(async move {
            let reply = self.reply(&job);
            tokio::select! {
                () = cancel.cancelled() => Err(Error::Cancelled),
                report = play(reply, &job, &sink) => report,
            }
        })
    }
}

async fn play(reply: Reply, job: &EngineJob, sink: &Sink) -> Result<Report, Error> {
    tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    let tag = if reply.language.is_empty() {
        "en".to_owned()
    } else {
        reply.language.clone()
    };
    sink(Output::Language { tag, certain: true });
    for field in &job.fields {
        stream(&reply, *field, sink).await;
        if let Some(written) = written(&reply, *field, job) {
            sink(Output::Field(written));
        }
    }
    end(&reply, job).await
}

async fn stream(reply: &Reply, field: Field, sink: &Sink) {
    let text = match field {
        Field::Title => &reply.title,
        Field::MetaDescription => &reply.meta_description,
        Field::Summary => &reply.summary,
        _ => return,
    };
    if reply.chunk_chars == 0 {
        return;
    }
    let chars: Vec<char> = text.chars().collect();
    for chunk in chars.chunks(reply.chunk_chars) {
        tokio::time::sleep(Duration::from_millis(reply.chunk_ms)).await;
        sink(Output::Delta(field, chunk.iter().collect()));
    }
}

fn written(reply: &Reply, field: Field, job: &EngineJob) -> Option<Written> {
    Some(match field {
        Field::Title => Written::Title(reply.title.clone()),
        Field::MetaDescription => Written::MetaDescription(reply.meta_description.clone()),
        Field::Keywords => Written::Keywords(reply.keywords.clone()),
        Field::Slug => Written::Slug(reply.slug.clone()),
        Field::Summary => Written::Summary(reply.summary.clone()),
        Field::AltTexts => Written::AltTexts(
            job.images
                .iter()
                .map(|image| alt_text(reply, &image.id))
                .collect(),
        ),
        Field::OpenGraph | Field::JsonLd => return None,
    })
}

fn alt_text(reply: &Reply, id: &str) -> AltText {
    let text = reply.alt_texts.get(id).cloned().unwrap_or_default();
    AltText {
        id: id.to_owned(),
        decorative: text.is_empty(),
        needs_human: false,
        text,
    }
}

async fn end(reply: &Reply, job: &EngineJob) -> Result<Report, Error> {
    let cause = "the script says so".to_owned();
    match reply.end {
        End::Done => {
            let one = || Candidate {
                title: reply.title.clone(),
                meta_description: reply.meta_description.clone(),
            };
            let candidates = if job.candidates > 1 {
                vec![one(); usize::from(job.candidates)]
            } else {
                vec![]
            };
            Ok(Report {
                candidates,
                usage: reply.usage,
                ..Report::default()
            })
        }
        End::Stall => std::future::pending().await,
        End::Failed => Err(Error::Failed {
            engine: NAME,
            cause,
        }),
        End::Output => Err(Error::Output {
            engine: NAME,
            cause,
        }),
        End::Unavailable => Err(Error::Unavailable { engine: NAME }),
        #[expect(
            clippy::panic,
            reason = "a test asks for it, to see that a panic is contained"
        )]
        End::Panic => panic!("{cause}"),
    }
}
