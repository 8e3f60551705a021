//! Article to search-engine summary without a model: title, meta description, keywords, slug, summary, alt texts.
//!
//! Everything is taken from the article; the only words that are not are documented frames: `Learn how to <title>.`,
//! `了解如何<title>。` and `Learn how to <what it says that it shows>.` as a description, `How to <title>` and `如何<title>` as an
//! alternative title. No field holds markup or an
//! address. The same code runs natively and as `wasm32-unknown-unknown`.
//!
//! ```
//! use extractive::{Article, ContentFormat, Guidance, Limits, summarize};
//! let article = Article {
//!     title: Some("Bake rye bread"),
//!     content: "<p>Rye bread needs time more than skill. A sourdough raises it overnight.</p>",
//!     format: ContentFormat::Html,
//!     language: None,
//! };
//! let summary = summarize(&article, &[], &Limits::default(), &Guidance::default());
//! assert_eq!(summary.slug, "bake-rye-bread");
//! assert_eq!(summary.language, "en");
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test may fail by panicking"
    )
)]

mod fields;
mod fit;
mod ground;
mod language;
mod rank;
mod segment;
pub mod text;
pub mod training;

pub use fields::{bare, is_file_name, is_ornament, slugify};
pub use fit::{Line, Room, ems, fit, fit_in, width};
pub use ground::{Claim, Grounds};
pub use language::detect_language;
pub use segment::{InstallError, install_dictionary, is_han, is_unspaced_script};

use rank::{Analysis, Candidate};
use text::{BlockKind, Document};

/// How an article's content is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentFormat {
    /// HTML, whole page or fragment.
    #[default]
    Html,
    /// CommonMark, with tables, footnotes, front matter and raw HTML.
    Markdown,
    /// Plain text; empty lines separate paragraphs.
    Text,
}

/// What is to be summarised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Article<'a> {
    /// The title, when the writer has given one; may hold HTML entities and markup.
    pub title: Option<&'a str>,
    /// The body.
    pub content: &'a str,
    /// How the body is written.
    pub format: ContentFormat,
    /// BCP 47; `None`, `"auto"` or an empty text: found out from the text.
    pub language: Option<&'a str>,
}

/// What is known of an image beside its pixels.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageContext<'a> {
    /// The caller's name for it; comes back in [`AltText::id`].
    pub id: &'a str,
    /// The name of the file as the writer has it.
    pub filename: Option<&'a str>,
    /// A visible caption.
    pub caption: Option<&'a str>,
    /// Whether it informs or only adorns.
    pub role: ImageRole,
    /// Its address in the content; its place is found by the whole address, else by the file name at its end. Without
    /// it, `filename` is looked for in the same way.
    pub src: Option<&'a str>,
    /// Where it leads when it is a link, an address; `None`: as the content has it.
    pub link: Option<&'a str>,
    /// What was measured on its pixels; `None` when nobody has them.
    pub looks: Option<Looks>,
    /// What is written on it, a line for each line, when somebody has read it.
    pub words: Option<&'a str>,
}

/// What was measured on an image's pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    /// Where it comes from.
    pub class: Class,
    /// How much of it looks like lines of text, 0 to 1.
    pub text: f32,
}

/// Where an image comes from, as far as pixels tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A lens, or something as rich.
    Photo,
    /// A program: a diagram, a chart, a screenshot.
    Drawn,
}

/// What an image is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImageRole {
    /// Told by its name.
    #[default]
    Auto,
    /// It shows something: never decorative when anything can be said.
    Informative,
    /// It adorns: its alternative is empty.
    Decorative,
}

/// The longest fields. Lengths are characters; for `zh`, `ja` and `ko` full-width characters (a Latin letter is a half).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Default 60, or 30 full-width.
    pub title_chars: Option<usize>,
    /// Default 160, or 80 full-width.
    pub description_chars: Option<usize>,
    /// Default 6: people tag an article with about four.
    pub keywords: Option<usize>,
    /// Default 125, or 60 full-width.
    pub alt_chars: Option<usize>,
    /// Where the title is shown: it is no wider, and no longer where no number is given. Default: any width.
    pub title_line: Option<Line>,
    /// Where the description is shown, likewise.
    pub description_line: Option<Line>,
}

/// The site owner's wishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guidance<'a> {
    /// Put first among the keywords, when they occur in the article.
    pub must_include: &'a [String],
    /// A sentence or keyword that holds one of these is not used.
    pub avoid: &'a [String],
    /// Put behind the title, when it fits.
    pub brand: Option<&'a str>,
}

/// What is given back. Every field may be empty, none is invented.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// BCP 47 primary tag: `"en"`, `"zh"`, …; `"und"` when there is nothing to tell by.
    pub language: String,
    /// For the search result's first line.
    pub title: String,
    /// For the search result's text.
    pub meta_description: String,
    /// As they are written in the article, the best first.
    pub keywords: Vec<String>,
    /// For the address.
    pub slug: String,
    /// Two or three sentences in the article's order.
    pub summary: String,
    /// One for each image, in the given order.
    pub alt_texts: Vec<AltText>,
    /// Where the words come from.
    pub evidence: Vec<Evidence>,
    /// What the writer should look at.
    pub warnings: Vec<Warning>,
}

/// The text alternative of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AltText {
    /// The image's id.
    pub id: String,
    /// Empty when `decorative`, and when nothing can honestly be said.
    pub text: String,
    /// It only adorns the page: said by the author, or told by its name.
    pub decorative: bool,
    /// A person has to look: nothing told what the image shows, or hardly more than a name did. Never with `decorative`.
    pub needs_human: bool,
    /// Where the words come from.
    pub source: AltSource,
}

/// Where a text alternative comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AltSource {
    /// The caption.
    Caption,
    /// The heading above the image.
    Heading,
    /// A sentence before the image.
    Before,
    /// The sentence after the image.
    After,
    /// The address that it leads to, of an image that is a link.
    Link,
    /// What is written on it.
    Words,
    /// The name of the file.
    FileName,
    /// The article's title.
    Title,
    /// Nothing: the image is decorative, or a person has to write its text.
    None,
}

/// A sentence of the article that a field is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The field's name: `"title"`, `"meta_description"`, `"summary"`.
    pub field: &'static str,
    /// The sentence or heading, as plain text.
    pub text: String,
    /// Where it begins in `Article::content`, in bytes; `None` when markup runs through it, or it is the given title.
    pub offset: Option<usize>,
}

/// Something that the writer should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable, for programs.
    pub code: WarningCode,
    /// The field that it is about.
    pub field: Option<&'static str>,
    /// The image that it is about.
    pub image: Option<String>,
    /// For people.
    pub detail: String,
}

/// The kinds of [`Warning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningCode {
    /// The content holds no prose.
    NoText,
    /// The description is shorter than search engines like to show.
    ShortDescription,
    /// A title was made from the content, because none was given.
    TitleFromContent,
    /// The text alternative comes from a file name alone, or from the title.
    WeakAltText,
    /// A wished keyword does not occur in the article.
    KeywordNotInArticle,
    /// Chinese was read without a dictionary; keywords are coarse.
    NoDictionary,
}

impl WarningCode {
    /// The code in `snake_case`, as it goes over the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoText => "no_text",
            Self::ShortDescription => "short_description",
            Self::TitleFromContent => "title_from_content",
            Self::WeakAltText => "weak_alt_text",
            Self::KeywordNotInArticle => "keyword_not_in_article",
            Self::NoDictionary => "no_dictionary",
        }
    }
}

/// Summarises an article. Never fails; what cannot be said stays empty. Time is bounded for content of any kind.
#[must_use]
pub fn summarize(
    article: &Article<'_>,
    images: &[ImageContext<'_>],
    limits: &Limits,
    guidance: &Guidance<'_>,
) -> Summary {
    let document = text::blocks(article.content, article.format);
    let analysis = analyze(article, &document);
    let ranked = ranked(&analysis, limits, guidance);
    build(article, &analysis, &ranked, images, limits, guidance)
}

/// One to five alternative titles and descriptions, the best first; they differ from each other.
#[must_use]
pub fn candidates(
    article: &Article<'_>,
    limits: &Limits,
    guidance: &Guidance<'_>,
    count: usize,
) -> Vec<Alternative> {
    let document = text::blocks(article.content, article.format);
    let analysis = analyze(article, &document);
    let names = |heading: &str| !fields::is_generic(heading);
    let titles = all_titles(&analysis, limits, guidance, names).into_iter();
    let ranked = ranked(&analysis, limits, guidance);
    let descriptions = distinct(&ranked, count.clamp(1, 5)).into_iter();
    let titles = titles.map(Some).chain(std::iter::repeat(None));
    descriptions
        .zip(titles)
        .map(|(meta_description, title)| Alternative {
            title: title.unwrap_or_default(),
            meta_description,
        })
        .collect()
}

/// One way to say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// A title that fits; empty when the article offers no other than those before it.
    pub title: String,
    /// A description that fits.
    pub meta_description: String,
}

/// The best descriptions of which none holds nearly the same words as a better one.
fn distinct(ranked: &[Candidate], count: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for candidate in ranked.iter().take(200) {
        if out.len() >= count {
            break;
        }
        if !out.iter().any(|other| alike(other, &candidate.text)) {
            out.push(candidate.text.clone());
        }
    }
    out
}

fn alike(a: &str, b: &str) -> bool {
    let (a, b) = (
        a.trim_end_matches(['.', '。', '…']),
        b.trim_end_matches(['.', '。', '…']),
    );
    a.contains(b) || b.contains(a)
}

fn analyze<'a>(article: &Article<'_>, document: &'a Document) -> Analysis<'a> {
    let title = own_title(article, document);
    let language = language_of(article, document, &title);
    Analysis::new(document, title, language)
}

fn ranked(analysis: &Analysis<'_>, limits: &Limits, guidance: &Guidance<'_>) -> Vec<Candidate> {
    let room = room(
        limits.description_chars,
        limits.description_line,
        (160, 80),
        &analysis.language,
    );
    rank::candidates(analysis, room, guidance.avoid)
}

/// The number that was given, else the line's, else the usual one, narrow or wide; never wider than the line.
fn room(
    chars: Option<usize>,
    line: Option<Line>,
    usual: (usize, usize),
    language: &str,
) -> Room<'_> {
    let usual = || {
        if language::is_full_width(language) {
            usual.1
        } else {
            usual.0
        }
    };
    let chars = chars
        .or_else(|| line.map(|line| line.chars(language)))
        .unwrap_or_else(usual);
    Room::of(chars, language).on(line)
}

/// The given title, else what the content calls itself, else its first heading, else nothing.
fn own_title(article: &Article<'_>, document: &Document) -> String {
    let given = article
        .title
        .map(plain_line)
        .filter(|title| !title.is_empty());
    let heading = || {
        let headings = document.blocks.iter().filter_map(|block| match block.kind {
            BlockKind::Heading(level) => Some((level, &block.text)),
            _ => None,
        });
        headings
            .min_by_key(|(level, _)| *level)
            .map(|(_, text)| clean(text))
    };
    given
        .or_else(|| document.title.as_deref().map(clean))
        .filter(|title| !title.is_empty())
        .or_else(heading)
        .unwrap_or_default()
}

/// A title may hold markup and entities; as content it is read by the HTML reader.
fn plain_line(title: &str) -> String {
    let short: String = title.chars().take(1_000).collect();
    if !short.contains(['<', '&']) {
        return clean(&short);
    }
    let read = text::blocks(&short, ContentFormat::Html);
    clean(
        &read
            .blocks
            .iter()
            .map(|block| block.text.as_str())
            .collect::<Vec<_>>()
            .join(" "),
    )
}

fn language_of(article: &Article<'_>, document: &Document, title: &str) -> String {
    let told = article
        .language
        .map(language::primary)
        .filter(|tag| !tag.is_empty() && tag != "auto" && tag != "und");
    told.unwrap_or_else(|| {
        let mut sample = format!("{title}\n");
        for block in &document.blocks {
            sample.push_str(&block.text);
            sample.push('\n');
            if sample.len() > 20_000 {
                break;
            }
        }
        detect_language(&sample)
    })
}

fn build(
    article: &Article<'_>,
    analysis: &Analysis<'_>,
    ranked: &[Candidate],
    images: &[ImageContext<'_>],
    limits: &Limits,
    guidance: &Guidance<'_>,
) -> Summary {
    let full_width = language::is_full_width(&analysis.language);
    let title = all_titles(analysis, limits, guidance, |_| true)
        .into_iter()
        .next()
        .unwrap_or_default();
    let (summary, sentences) = fields::summary(analysis, ranked);
    let keywords = fields::keywords(
        analysis,
        guidance.must_include,
        guidance.avoid,
        limits.keywords.unwrap_or(6),
    );
    let alt_texts = fields::alt_texts(
        analysis,
        images,
        limits
            .alt_chars
            .unwrap_or(if full_width { 60 } else { 125 }),
    );
    let mut out = Summary {
        language: analysis.language.clone(),
        meta_description: ranked
            .first()
            .map(|best| best.text.clone())
            .unwrap_or_default(),
        slug: slugify(
            if analysis.title.is_empty() {
                &title
            } else {
                &analysis.title
            },
            &analysis.language,
        ),
        evidence: evidence(article, analysis, ranked.first(), &sentences),
        title,
        keywords,
        summary,
        alt_texts,
        warnings: Vec::new(),
    };
    out.warnings = warnings(article, analysis, &out, guidance);
    out
}

/// The article's title and what else could stand for it, of its headings those that are `fit`.
fn all_titles(
    analysis: &Analysis<'_>,
    limits: &Limits,
    guidance: &Guidance<'_>,
    fit: impl Fn(&str) -> bool,
) -> Vec<String> {
    let headings = analysis
        .document
        .blocks
        .iter()
        .filter(|block| matches!(block.kind, BlockKind::Heading(1..=2)));
    let headings = headings.map(|block| clean(&block.text));
    let headings = headings.filter(|heading| fit(heading)).take(4);
    let mut others: Vec<String> = headings.collect();
    others.extend(
        analysis
            .sentences
            .first()
            .map(|sentence| sentence.text.clone()),
    );
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let avoided = |title: &String| {
        guidance.avoid.iter().any(|phrase| {
            !phrase.is_empty() && title.to_lowercase().contains(&phrase.to_lowercase())
        })
    };
    let mut titles = fields::titles(
        &analysis.title,
        &others,
        guidance.brand,
        room(
            limits.title_chars,
            limits.title_line,
            (60, 30),
            &analysis.language,
        ),
    );
    if titles.iter().any(|title| !avoided(title)) {
        titles.retain(|title| !avoided(title));
    }
    titles
}

fn evidence(
    article: &Article<'_>,
    analysis: &Analysis<'_>,
    best: Option<&Candidate>,
    summary: &[usize],
) -> Vec<Evidence> {
    let piece = |field: &'static str, text: &str| Evidence {
        field,
        text: text.to_owned(),
        offset: article.content.find(text),
    };
    let mut out = Vec::new();
    if !analysis.title.is_empty() {
        out.push(piece("title", &analysis.title));
    }
    let described = best.map(|best| best.parts.as_slice()).unwrap_or_default();
    if best.is_some_and(|best| best.frame.says_title()) {
        out.push(piece("meta_description", &analysis.title));
    }
    for (field, parts) in [("meta_description", described), ("summary", summary)] {
        for sentence in parts
            .iter()
            .filter_map(|part| analysis.sentences.get(*part))
        {
            out.push(piece(field, &sentence.text));
        }
    }
    out
}

fn warnings(
    article: &Article<'_>,
    analysis: &Analysis<'_>,
    summary: &Summary,
    guidance: &Guidance<'_>,
) -> Vec<Warning> {
    let mut out = Vec::new();
    let mut warn = |code, field, image: Option<&str>, detail: String| {
        out.push(Warning {
            code,
            field,
            image: image.map(str::to_owned),
            detail,
        });
    };
    if analysis.document.blocks.is_empty() {
        warn(
            WarningCode::NoText,
            None,
            None,
            "The content holds no prose to summarise.".to_owned(),
        );
    }
    if article.title.is_none_or(|title| title.trim().is_empty()) && !summary.title.is_empty() {
        warn(
            WarningCode::TitleFromContent,
            Some("title"),
            None,
            "No title was given; this one comes from the content.".to_owned(),
        );
    }
    let (least, _) = language::measure_limits(&summary.language);
    if fit::measure(&summary.meta_description, &summary.language) < least {
        warn(
            WarningCode::ShortDescription,
            Some("meta_description"),
            None,
            format!("The description is shorter than {least:.0} characters."),
        );
    }
    for alt in summary.alt_texts.iter().filter(|alt| {
        matches!(
            alt.source,
            AltSource::Link | AltSource::Words | AltSource::FileName | AltSource::Title
        )
    }) {
        warn(
            WarningCode::WeakAltText,
            Some("alt_texts"),
            Some(&alt.id),
            "Nothing beside the image tells what it shows; please check the text.".to_owned(),
        );
    }
    for wish in guidance
        .must_include
        .iter()
        .filter(|wish| !summary.keywords.contains(&clean(wish)))
    {
        warn(
            WarningCode::KeywordNotInArticle,
            Some("keywords"),
            None,
            format!("`{}` does not occur in the article.", clean(wish)),
        );
    }
    if summary.language == "zh" && !segment::is_installed() {
        warn(
            WarningCode::NoDictionary,
            Some("keywords"),
            None,
            "Chinese was read without a dictionary; keywords are coarse.".to_owned(),
        );
    }
    out
}

/// Plain text for a field: one line, no markup, no address.
pub(crate) fn clean(text: &str) -> String {
    let text = text::tidy(text);
    if !text.contains(['<', '`', '*', '_', '[', ']'])
        && !text.contains("://")
        && !text.contains("www.")
    {
        return text;
    }
    // Marks go first: what stood apart by a mark may become a tag.
    let text = text
        .replace('`', "")
        .replace("**", "")
        .replace("__", "")
        .replace("](", " (");
    let text = without_any_tag(text);
    let words = text.split(' ').filter(|word| !is_address(word));
    text::tidy(&words.collect::<Vec<_>>().join(" "))
}

fn is_address(word: &str) -> bool {
    word.contains("://")
        || word
            .trim_start_matches(['(', '[', '"', '“', '（'])
            .starts_with("www.")
}

/// Removes tags until there is none: what a tag has kept apart may be one itself. Nobody writes more than a few deep by
/// chance, so after that all angle brackets go.
fn without_any_tag(mut text: String) -> String {
    for _ in 0..4 {
        let stripped = without_tags(&text);
        if stripped == text {
            return text;
        }
        text = stripped;
    }
    text.replace('<', "")
}

/// Removes what looks like a tag, so that text about HTML cannot become HTML.
fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let tag = after
            .starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!' || c == '?');
        if !tag {
            out.push('<');
            rest = after;
            continue;
        }
        let end = after
            .char_indices()
            .take(300)
            .find(|(_, c)| *c == '>')
            .map(|(at, _)| at);
        rest = end.map_or(after, |at| after.get(at + 1..).unwrap_or_default());
    }
    out.push_str(rest);
    out
}
