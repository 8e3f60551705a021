//! Who writes what a page lacks: an engine here, or a server.

use api::{
    AltText, Article, ContentFormat, EnginePreference, Field, FieldLimits, ImageRef, Priority,
    Summary, SummaryRequest, Target,
};
use base64::Engine as _;
use bytes::Bytes;
use url::Url;

use super::edit::{self, Edit};
use super::images::{Alt, Image};
use super::page::Page;
use super::rules;
use super::tree::Tree;
use crate::cli::local::Local;
use crate::cli::remote::Remote;
use crate::config::Config;

/// Characters of a page that are sent; the contract's bound.
const MAX_CHARS: usize = 200_000;
/// Pictures of one request, and bytes of one picture; the contract's bounds.
const MAX_IMAGES: usize = 8;
const MAX_IMAGE_BYTES: u64 = 5 * 1024 * 1024;
/// Descriptions to choose from, so that no two pages need say the same.
const CANDIDATES: u8 = 3;

/// Who is to write, and for which place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) engine: EnginePreference,
    pub(super) target: Option<Target>,
}

/// An engine of this process, or somebody's server.
pub(super) enum Writer {
    Here(Box<Local>),
    There(Remote),
}

/// What is wanted of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) description: bool,
    pub(super) title: bool,
    pub(super) keywords: bool,
    pub(super) alt_texts: bool,
    /// Alt texts that say nothing are written anew too.
    pub(super) new_alt_texts: bool,
}

impl Wanted {
    /// Whether the picture is to get a text.
    pub(super) fn includes(self, image: &Image) -> bool {
        let says_nothing = |alt: &str| rules::fault(alt, image.name()).is_some();
        match &image.alt {
            Alt::Missing => self.alt_texts,
            Alt::Text(alt) => self.new_alt_texts && says_nothing(alt),
            Alt::Decorative | Alt::Computed => false,
        }
    }
}

/// What was written for a page.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The best first.
    pub(super) descriptions: Vec<String>,
    pub(super) title: String,
    pub(super) keywords: Vec<String>,
    /// For each picture that is to get a text, by its index.
    pub(super) alts: Vec<(usize, AltText)>,
    /// What a person should look at.
    pub(super) notes: Vec<String>,
}

impl Writer {
    pub(super) fn new(
        server: Option<&Url>,
        key: Option<&str>,
        config: &Config,
    ) -> anyhow::Result<Self> {
        match (server, key) {
            (None, _) => Ok(Self::Here(Box::new(Local::start(config)?))),
            (Some(server), Some(key)) => Ok(Self::There(Remote::new(server, key)?)),
            (Some(_), None) => {
                Err(super::WrongUse("--server needs a key in SMART_SUMMARY_KEY".to_owned()).into())
            }
        }
    }

    fn summarize(
        &self,
        mut request: SummaryRequest,
        pictures: &[Bytes],
    ) -> anyhow::Result<Summary> {
        match self {
            Self::Here(local) => Ok(local.summarize(&request, pictures)?),
            Self::There(remote) => {
                for (image, bytes) in request.images.iter_mut().zip(pictures) {
                    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
                    // The server tells the kind by the bytes.
                    image.data = Some(format!("data:application/octet-stream;base64,{encoded}"));
                }
                let body = serde_json::to_string(&request)?;
                remote.json(|remote| remote.post("/v1/summaries", &body))
            }
        }
    }

    /// Writes what is wanted of one page.
    pub(super) fn write(
        &self,
        tree: &Tree,
        page: &Page,
        wanted: Wanted,
        asked: Asked,
    ) -> anyhow::Result<Written> {
        let article = article(page);
        let mut seen = Vec::new();
        let mut unseen = Vec::new();
        let mut written = Written::default();
        let images = page.images.iter().enumerate();
        for (index, image) in images.filter(|(_, image)| wanted.includes(image)) {
            if let Some(text) = bared(image) {
                written.alts.push((index, text));
                continue;
            }
            match picture(tree, page, image) {
                Some(bytes) => seen.push((index, image, bytes)),
                None => unseen.push((index, image)),
            }
        }
        // Of a page of front matter only, as themes of Jekyll have them, nobody can say anything.
        let has_text = article.content.chars().any(char::is_alphanumeric);
        let texts = if has_text || !seen.is_empty() {
            fields(wanted)
        } else {
            Vec::new()
        };
        let mut rounds: Vec<&[(usize, &Image, Bytes)]> = seen.chunks(MAX_IMAGES).collect();
        if rounds.is_empty() && !texts.is_empty() {
            rounds.push(&[]);
        }
        for (round, pictures) in rounds.into_iter().enumerate() {
            let mut fields = if round == 0 {
                texts.clone()
            } else {
                Vec::new()
            };
            if !pictures.is_empty() {
                fields.push(Field::AltTexts);
            }
            let request = request(&article, fields, pictures, asked);
            let bytes: Vec<Bytes> = pictures.iter().map(|(.., bytes)| bytes.clone()).collect();
            match self.summarize(request, &bytes) {
                Ok(summary) => written.take(summary, pictures),
                // One picture that cannot be read must not cost the page its description.
                Err(error) if !pictures.is_empty() => {
                    written
                        .notes
                        .push(format!("the pictures were not looked at: {error:#}"));
                    unseen.extend(pictures.iter().map(|(index, image, _)| (*index, *image)));
                    if round == 0 && has_text && !texts.is_empty() {
                        let request = self::request(&article, texts.clone(), &[], asked);
                        written.take(self.summarize(request, &[])?, &[]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        written.alts.extend(by_words(&article, &unseen));
        written.alts.sort_by_key(|(index, _)| *index);
        Ok(written)
    }
}

impl Written {
    fn take(&mut self, summary: Summary, pictures: &[(usize, &Image, Bytes)]) {
        let candidates = summary
            .candidates
            .into_iter()
            .flatten()
            .map(|one| one.meta_description);
        self.descriptions.extend(summary.meta_description);
        for candidate in candidates {
            if !self.descriptions.contains(&candidate) {
                self.descriptions.push(candidate);
            }
        }
        // Only the first round of a page's pictures asks for its title.
        if let Some(title) = summary.title {
            self.title = title;
        }
        self.keywords.extend(summary.keywords.into_iter().flatten());
        let alts = summary.alt_texts.into_iter().flatten();
        self.alts
            .extend(pictures.iter().map(|(index, ..)| *index).zip(alts));
        let told = |warning: &&api::Warning| {
            use api::WarningCode::{
                AvoidPresent, ClaimUnsupported, EngineDegraded, NotInArticle, PrivateNumberMasked,
            };
            matches!(
                warning.code,
                NotInArticle
                    | ClaimUnsupported
                    | PrivateNumberMasked
                    | EngineDegraded
                    | AvoidPresent
            )
        };
        self.notes.extend(
            summary
                .warnings
                .iter()
                .filter(told)
                .map(|warning| warning.detail.clone()),
        );
    }
}

fn fields(wanted: Wanted) -> Vec<Field> {
    [
        (wanted.title, Field::Title),
        (wanted.description, Field::MetaDescription),
        (wanted.keywords, Field::Keywords),
    ]
    .into_iter()
    .filter_map(|(wanted, field)| wanted.then_some(field))
    .collect()
}

fn request(
    article: &Article,
    fields: Vec<Field>,
    pictures: &[(usize, &Image, Bytes)],
    asked: Asked,
) -> SummaryRequest {
    let images = pictures.iter().map(|(index, image, _)| ImageRef {
        id: format!("p{index}"),
        filename: Some(image.src.chars().take(200).collect()),
        caption: image.caption.clone(),
        ..ImageRef::default()
    });
    SummaryRequest {
        article: Some(article.clone()),
        images: images.collect(),
        candidates: fields
            .contains(&Field::MetaDescription)
            .then_some(CANDIDATES),
        fields: Some(fields),
        engine: asked.engine,
        limits: FieldLimits {
            target: asked.target,
            ..FieldLimits::default()
        },
        priority: Priority::Batch,
        ..SummaryRequest::default()
    }
}

/// The page as an engine reads it: every picture a plain mark with its address, whatever the generator calls it.
fn article(page: &Page) -> Article {
    let mut edits = Vec::new();
    let mut from = page.body;
    for image in page.images.iter().filter(|image| !image.src.is_empty()) {
        if image.span.start < from || !(image.is_shortcode() || image.has_template(&page.text)) {
            continue;
        }
        let caption = image.caption.as_deref().unwrap_or_default();
        let figure = format!(
            "\n\n<figure><img src=\"{}\"><figcaption>{caption}</figcaption></figure>\n\n",
            image.src
        );
        edits.extend(Edit::replace(&page.text, image.span.clone(), figure));
        from = image.span.end;
    }
    let text = edit::apply(&page.text, &edits).unwrap_or_else(|| page.text.clone());
    // Edits are all in the body, so the head is where it was.
    let body: String = text
        .get(page.body..)
        .unwrap_or_default()
        .chars()
        .take(MAX_CHARS)
        .collect();
    Article {
        title: page.title().map(str::to_owned),
        content: body,
        format: ContentFormat::Markdown,
        language: page.language(),
        ..Article::default()
    }
}

/// The author's own text without the words that only say that there is a picture.
fn bared(image: &Image) -> Option<AltText> {
    let Alt::Text(alt) = &image.alt else {
        return None;
    };
    let text = extractive::bare(alt);
    (text != alt.trim() && rules::fault(&text, image.name()).is_none()).then(|| AltText {
        id: String::new(),
        text,
        decorative: false,
        needs_human: false,
    })
}

/// The picture's bytes, when they are in the tree, of a kind that is read, and not too many.
fn picture(tree: &Tree, page: &Page, image: &Image) -> Option<Bytes> {
    let file = tree.picture(&page.file, &image.src)?;
    let extension = file.extension()?.to_str()?.to_ascii_lowercase();
    let kinds = ["png", "jpg", "jpeg", "gif", "webp"];
    let small = std::fs::metadata(&file).is_ok_and(|meta| meta.len() <= MAX_IMAGE_BYTES);
    (kinds.contains(&extension.as_str()) && small)
        .then(|| std::fs::read(file).ok().map(Bytes::from))?
}

/// Texts for pictures whose bytes nobody has, from the words around them.
fn by_words(article: &Article, images: &[(usize, &Image)]) -> Vec<(usize, AltText)> {
    if images.is_empty() {
        return Vec::new();
    }
    let contexts: Vec<extractive::ImageContext<'_>> = images
        .iter()
        .map(|(_, image)| extractive::ImageContext {
            src: Some(&image.src),
            caption: image.caption.as_deref(),
            ..extractive::ImageContext::default()
        })
        .collect();
    let article = extractive::Article {
        title: article.title.as_deref(),
        content: &article.content,
        format: extractive::ContentFormat::Markdown,
        language: article.language.as_deref(),
    };
    let summary = extractive::summarize(
        &article,
        &contexts,
        &extractive::Limits::default(),
        &extractive::Guidance::default(),
    );
    let alts = summary.alt_texts.into_iter().map(|alt| AltText {
        id: alt.id,
        text: alt.text,
        decorative: alt.decorative,
        needs_human: alt.needs_human,
    });
    images.iter().map(|(index, _)| *index).zip(alts).collect()
}
