//! The embedded engine: takes every word from the article. No model, no GPU.
//!
//! Where Tesseract is installed, a picture of which the article tells nothing is described by what is written on it.

mod tesseract;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{
    AltText, Article, Candidate, ContentFormat, EngineName, Field, ImageRole, Warning, WarningCode,
};
use extractive::text::Document;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::tesseract::Tesseract;
use super::{Engine, EngineImage, EngineJob, Error, Output, Report, Sink, Written};

const NAME: &str = EngineName::Extractive.as_str();
const MODEL: &str = concat!("extractive-", env!("CARGO_PKG_VERSION"));
/// Changes whenever the same article may get another answer.
const RULES: &str = "extractive-8";
/// The same with Tesseract, by which pictures may get other texts.
const READING_RULES: &str = "extractive-8-tesseract";
/// How long the pictures of one article are read, all together.
const READING_TIME: Duration = Duration::from_secs(10);
/// From this share of a picture that looks like lines of text, it is worth reading.
const LOOKS_WRITTEN: f32 = 0.01;

/// The embedded engine on a bounded number of blocking threads.
pub struct Extractive {
    threads: Arc<Semaphore>,
    tesseract: Option<Arc<Tesseract>>,
}

impl Extractive {
    /// At most `threads` articles are read at a time, at least 1.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads.max(1))),
            tesseract: None,
        }
    }

    /// Reads what is written on pictures by the program `tesseract`, a name or a path, if it is there.
    #[must_use]
    pub fn reading_with(mut self, tesseract: Option<&str>) -> Self {
        self.tesseract = tesseract.and_then(Tesseract::find).map(Arc::new);
        self
    }
}

impl Engine for Extractive {
    fn name(&self) -> EngineName {
        EngineName::Extractive
    }

    fn model(&self) -> &str {
        MODEL
    }

    fn prompt_version(&self) -> &str {
        if self.tesseract.is_some() {
            READING_RULES
        } else {
            RULES
        }
    }

    fn sees_images(&self) -> bool {
        false
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
            let thread = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(Error::Cancelled),
                thread = Arc::clone(&self.threads).acquire_owned() => thread.map_err(failed)?,
            };
            let tesseract = self.tesseract.clone();
            let work = move || {
                // The permit lives as long as the thread works, not as long as somebody waits for it.
                let _thread = thread;
                if cancel.is_cancelled() {
                    Err(Error::Cancelled)
                } else {
                    Ok(write(&job, &sink, tesseract.as_deref(), &cancel))
                }
            };
            tokio::task::spawn_blocking(work).await.map_err(failed)?
        })
    }
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::Failed {
        engine: NAME,
        cause: cause.to_string(),
    }
}

/// Reads the article and tells the fields in their order.
fn write(
    job: &EngineJob,
    sink: &Sink,
    tesseract: Option<&Tesseract>,
    cancel: &CancellationToken,
) -> Report {
    let began = Instant::now();
    let article = article(job.article.as_ref());
    let mut images: Vec<_> = job.images.iter().map(image).collect();
    let limits = limits(job);
    let guidance = extractive::Guidance {
        must_include: &job.guidelines.must_include,
        avoid: &job.guidelines.avoid,
        brand: job.guidelines.brand.as_deref(),
    };
    let mut summary = extractive::summarize(&article, &images, &limits, &guidance);
    let tesseract = tesseract.filter(|_| job.fields.contains(&Field::AltTexts));
    let words = tesseract.map(|tesseract| read(tesseract, job, &summary, began, cancel));
    if let Some(words) = &words
        && words.iter().any(|words| !words.is_empty())
    {
        for (image, words) in images.iter_mut().zip(words) {
            image.words = Some(words);
        }
        summary = extractive::summarize(&article, &images, &limits, &guidance);
    }
    let candidates = match job.candidates {
        0 | 1 => Vec::new(),
        count => extractive::candidates(&article, &limits, &guidance, usize::from(count)),
    };
    let warnings = warnings(job, tesseract.is_some());
    tell(summary, &job.fields, sink);
    Report {
        candidates: candidates.into_iter().map(candidate).collect(),
        warnings,
        decode_ms: u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX),
        ..Report::default()
    }
}

/// What is written on each picture of which the article tells too little; empty for the others.
///
/// A picture that is a link is described by where it leads, whatever is written on it.
fn read(
    tesseract: &Tesseract,
    job: &EngineJob,
    summary: &extractive::Summary,
    began: Instant,
    cancel: &CancellationToken,
) -> Vec<String> {
    let until = began + READING_TIME;
    let pairs = job.images.iter().zip(&summary.alt_texts);
    let words = pairs.map(|(image, alt)| {
        let looks_written = image.looks.is_some_and(|looks| looks.text >= LOOKS_WRITTEN);
        let wanted = alt.needs_human && alt.source != extractive::AltSource::Link && looks_written;
        if wanted && Instant::now() < until && !cancel.is_cancelled() {
            tesseract.read(&image.bytes, &summary.language, until, cancel)
        } else {
            String::new()
        }
    });
    words.collect()
}

fn tell(summary: extractive::Summary, fields: &[Field], sink: &Sink) {
    sink(Output::Language {
        certain: summary.language != "und",
        tag: summary.language,
    });
    let alt_texts = summary.alt_texts.into_iter();
    let alt_texts = alt_texts.map(|alt| AltText {
        id: alt.id,
        text: alt.text,
        decorative: alt.decorative,
        needs_human: alt.needs_human,
    });
    let written = [
        Written::Title(summary.title),
        Written::MetaDescription(summary.meta_description),
        Written::Keywords(summary.keywords),
        Written::Slug(summary.slug),
        Written::Summary(summary.summary),
        Written::AltTexts(alt_texts.collect()),
    ];
    for field in written
        .into_iter()
        .filter(|written| fields.contains(&written.field()))
    {
        sink(Output::Field(field));
    }
}

fn article(article: Option<&Article>) -> extractive::Article<'_> {
    let Some(article) = article else {
        return extractive::Article::default();
    };
    extractive::Article {
        title: article.title.as_deref(),
        content: &article.content,
        format: format(article),
        language: article.language.as_deref(),
    }
}

/// An article's words without its markup.
#[must_use]
pub fn document(article: &Article) -> Document {
    extractive::text::blocks(&article.content, format(article))
}

fn format(article: &Article) -> extractive::ContentFormat {
    match article.format {
        ContentFormat::Html => extractive::ContentFormat::Html,
        ContentFormat::Markdown => extractive::ContentFormat::Markdown,
        ContentFormat::Text => extractive::ContentFormat::Text,
    }
}

fn image(image: &EngineImage) -> extractive::ImageContext<'_> {
    extractive::ImageContext {
        id: &image.id,
        filename: image.filename.as_deref(),
        caption: image.caption.as_deref(),
        role: match image.role {
            ImageRole::Auto => extractive::ImageRole::Auto,
            ImageRole::Informative => extractive::ImageRole::Informative,
            ImageRole::Decorative => extractive::ImageRole::Decorative,
        },
        src: None,
        link: image.link.as_deref(),
        looks: image.looks.map(looks),
        words: None,
    }
}

fn looks(looks: imaging::Looks) -> extractive::Looks {
    extractive::Looks {
        class: match looks.class {
            imaging::Class::Drawn => extractive::Class::Drawn,
            _ => extractive::Class::Photo,
        },
        text: looks.text,
    }
}

fn limits(job: &EngineJob) -> extractive::Limits {
    extractive::Limits {
        title_chars: job.limits.title_chars.map(usize::from),
        description_chars: job.limits.description_chars.map(usize::from),
        keywords: job.limits.keywords.map(usize::from),
        alt_chars: job.limits.alt_chars.map(usize::from),
        title_line: api::limits::title_line(&job.limits).map(line),
        description_line: api::limits::description_line(&job.limits).map(line),
    }
}

/// What a place shows of a text.
#[must_use]
pub fn line(line: api::limits::Line) -> extractive::Line {
    extractive::Line {
        font: line.font,
        pixels: line.pixels,
        narrow_chars: line.narrow_chars,
        wide_chars: line.wide_chars,
    }
}

fn candidate(alternative: extractive::Alternative) -> Candidate {
    Candidate {
        title: alternative.title,
        meta_description: alternative.meta_description,
    }
}

/// Says once that nobody looked at the pictures, or at no more than what is written on them.
fn warnings(job: &EngineJob, read: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if !job.images.is_empty() && job.fields.contains(&Field::AltTexts) {
        warnings.push(Warning {
            code: WarningCode::ImageNotSeen,
            field: Some(Field::AltTexts),
            image: None,
            detail: if read {
                "The pictures were not looked at; their texts come from the words around them and on them. Check each one."
            } else {
                "The pictures were not looked at; their texts come from the words around them. Check each one."
            }
            .to_owned(),
        });
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    async fn run(job: EngineJob) -> (Vec<Output>, Report) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink: Sink = Arc::new({
            let heard = Arc::clone(&heard);
            move |output| heard.lock().unwrap().push(output)
        });
        let report = Extractive::new(1)
            .run(job, sink, CancellationToken::new())
            .await
            .unwrap();
        let heard = heard.lock().unwrap().clone();
        (heard, report)
    }

    fn job() -> EngineJob {
        let content =
            "Rye bread needs time more than skill. A sourdough raises it overnight.".to_owned();
        EngineJob {
            article: Some(Article {
                content,
                format: ContentFormat::Text,
                ..Article::default()
            }),
            fields: Field::ALL.to_vec(),
            candidates: 1,
            ..EngineJob::default()
        }
    }

    #[tokio::test]
    async fn fields_come_in_their_order_after_the_language() {
        let (heard, report) = run(job()).await;
        assert_eq!(
            heard[0],
            Output::Language {
                tag: "en".into(),
                certain: true
            }
        );
        let fields: Vec<Field> = heard
            .iter()
            .filter_map(|output| match output {
                Output::Field(written) => Some(written.field()),
                _ => None,
            })
            .collect();
        assert_eq!(fields, Field::ALL[..6]);
        assert_eq!(report.warnings, []);
    }

    #[tokio::test]
    async fn only_the_fields_that_were_asked_for_come() {
        let (heard, _) = run(EngineJob {
            fields: vec![Field::Slug],
            ..job()
        })
        .await;
        assert_eq!(heard.len(), 2, "{heard:?}");
    }

    #[tokio::test]
    async fn pictures_that_were_not_seen_are_said_so_once() {
        let picture = |id: &str| EngineImage {
            id: id.into(),
            filename: None,
            caption: Some("A loaf of rye bread on a board".into()),
            link: None,
            role: ImageRole::Auto,
            bytes: bytes::Bytes::new(),
            media_type: "image/png",
            looks: None,
        };
        let (_, report) = run(EngineJob {
            images: vec![picture("a"), picture("b")],
            ..job()
        })
        .await;
        let codes: Vec<_> = report.warnings.iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [WarningCode::ImageNotSeen]);
    }

    #[tokio::test]
    async fn a_job_that_nobody_waits_for_is_not_begun() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let sink: Sink = Arc::new(|_| panic!("nothing may be written"));
        assert_eq!(
            Extractive::new(1).run(job(), sink, cancel).await,
            Err(Error::Cancelled)
        );
    }
}
