//! What is made on the device without a server: a draft, and whether the article supports a text.

use crate::error::SmartSummaryError;
use api::{Article, Code, ContentFormat, FieldLimits, ImageRef, ImageRole, SummaryRequest};
use extractive::text::{self, Document};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// How much of a text's words a sentence must hold to be called its support.
const MIN_SHARE: f32 = 0.34;

/// A summary made on the device. Any field may be empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Draft {
    language: String,
    title: String,
    meta_description: String,
    keywords: Vec<String>,
    slug: String,
    summary: String,
    alt_texts: Vec<api::AltText>,
}

/// Whether the article supports a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Words of the text that the article does not hold.
    unsupported: Vec<String>,
    /// The sentence or heading that holds most of the text's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<String>,
}

/// Drafts all fields for a request.
pub fn draft(request: &SummaryRequest) -> Draft {
    let nothing = Article::default();
    let images: Vec<_> = request.images.iter().map(image_context).collect();
    let guidance = extractive::Guidance {
        must_include: &request.guidelines.must_include,
        avoid: &request.guidelines.avoid,
        brand: request.guidelines.brand.as_deref(),
    };
    let article = request.article.as_ref().unwrap_or(&nothing);
    extractive::summarize(
        &extractive_article(article),
        &images,
        &limits(&request.limits),
        &guidance,
    )
    .into()
}

/// Looks up each text in the article; the keys are the caller's.
pub fn ground(
    request: &SummaryRequest,
    texts: BTreeMap<String, String>,
) -> BTreeMap<String, Evidence> {
    let document = document(request);
    let sentences: Vec<Sentence<'_>> = document
        .blocks
        .iter()
        .flat_map(|block| sentences(&block.text))
        .collect();
    let evidence = |text: &str| Evidence {
        unsupported: extractive::unsupported_words(text, &document),
        support: support(text, &sentences).map(str::to_owned),
    };
    texts
        .into_iter()
        .map(|(key, text)| (key, evidence(&text)))
        .collect()
}

/// Whether the text is Chinese, so that the dictionary of Chinese words is worth its download.
pub fn needs_dictionary(request: &SummaryRequest) -> bool {
    let language = request
        .article
        .as_ref()
        .and_then(|article| article.language.as_deref());
    match language.filter(|tag| !tag.is_empty() && *tag != "auto") {
        Some(tag) => is_chinese(tag),
        None => is_chinese(&extractive::detect_language(&document(request).plain())),
    }
}

/// Installs the dictionary of Chinese words; without it Chinese is cut into pairs of characters.
///
/// # Errors
/// `malformed_request` when the bytes are no dictionary. One that is installed already stays, which is no error.
pub fn install_dictionary(bytes: &[u8]) -> Result<(), SmartSummaryError> {
    match extractive::install_dictionary(bytes) {
        Ok(()) | Err(extractive::InstallError::AlreadyInstalled) => Ok(()),
        Err(cause) => Err(SmartSummaryError::early(
            Code::MalformedRequest,
            cause.to_string(),
        )),
    }
}

fn is_chinese(tag: &str) -> bool {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    ["zh", "yue", "wuu"]
        .iter()
        .any(|chinese| primary.eq_ignore_ascii_case(chinese))
}

/// The article's prose; its title, which supports a text as well as any sentence, stands with it.
fn document(request: &SummaryRequest) -> Document {
    let Some(article) = &request.article else {
        return Document::default();
    };
    let mut document = text::blocks(&article.content, content_format(article.format));
    if let Some(title) = &article.title {
        document.title = Some(title.clone());
        document.blocks.push(text::Block {
            kind: text::BlockKind::Heading(1),
            text: title.clone(),
            heading: None,
        });
    }
    document
}

/// A sentence and what it is compared by.
struct Sentence<'a> {
    text: &'a str,
    grams: HashSet<String>,
}

fn sentences(block: &str) -> impl Iterator<Item = Sentence<'_>> {
    let whole = block
        .split_inclusive(['。', '！', '？', '\n'])
        .flat_map(|part| part.split_inclusive(". "));
    let whole = whole
        .flat_map(|part| part.split_inclusive("? "))
        .flat_map(|part| part.split_inclusive("! "));
    whole
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| Sentence {
            text,
            grams: grams(text),
        })
}

/// The sentence with the largest share of the text's words; of equal ones the first.
fn support<'a>(text: &str, sentences: &[Sentence<'a>]) -> Option<&'a str> {
    let wanted = grams(text);
    let mut best = None;
    let mut best_share = MIN_SHARE;
    for sentence in sentences {
        let share =
            wanted.intersection(&sentence.grams).count() as f32 / wanted.len().max(1) as f32;
        if share > best_share {
            best = Some(sentence.text);
            best_share = share;
        }
    }
    best
}

/// What texts are compared by: the beginnings of words, so that endings do not matter, and pairs of other letters.
fn grams(text: &str) -> HashSet<String> {
    let mut grams = HashSet::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        if word.is_ascii() {
            grams.extend(
                (word.len() > 2).then(|| word.to_ascii_lowercase().chars().take(6).collect()),
            );
        } else {
            let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
            grams.extend(letters.windows(2).map(|pair| pair.iter().collect()));
        }
    }
    grams
}

fn extractive_article(article: &Article) -> extractive::Article<'_> {
    extractive::Article {
        title: article.title.as_deref(),
        content: &article.content,
        format: content_format(article.format),
        language: article.language.as_deref(),
    }
}

fn image_context(image: &ImageRef) -> extractive::ImageContext<'_> {
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
    }
}

fn content_format(format: ContentFormat) -> extractive::ContentFormat {
    match format {
        ContentFormat::Html => extractive::ContentFormat::Html,
        ContentFormat::Markdown => extractive::ContentFormat::Markdown,
        ContentFormat::Text => extractive::ContentFormat::Text,
    }
}

fn limits(limits: &FieldLimits) -> extractive::Limits {
    extractive::Limits {
        title_chars: limits.title_chars.map(usize::from),
        description_chars: limits.description_chars.map(usize::from),
        keywords: limits.keywords.map(usize::from),
        alt_chars: limits.alt_chars.map(usize::from),
    }
}

impl From<extractive::Summary> for Draft {
    fn from(summary: extractive::Summary) -> Self {
        let alt_text = |alt: extractive::AltText| api::AltText {
            id: alt.id,
            text: alt.text,
            decorative: alt.decorative,
        };
        Self {
            language: summary.language,
            title: summary.title,
            meta_description: summary.meta_description,
            keywords: summary.keywords,
            slug: summary.slug,
            summary: summary.summary,
            alt_texts: summary.alt_texts.into_iter().map(alt_text).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RYE: &str = "<h2>Flour</h2><p>Rye bread needs time more than skill. A sourdough raises it overnight.</p>\
                       <figure><img src=\"/a/loaf.jpg\"><figcaption>A dark loaf on a board</figcaption></figure>";

    fn request(title: Option<&str>, content: &str) -> SummaryRequest {
        let article = Article {
            title: title.map(str::to_owned),
            content: content.to_owned(),
            ..Article::default()
        };
        let image = ImageRef {
            id: "loaf".into(),
            filename: Some("loaf.jpg".into()),
            ..ImageRef::default()
        };
        SummaryRequest {
            article: Some(article),
            images: vec![image],
            ..SummaryRequest::default()
        }
    }

    #[track_caller]
    fn check_ground(text: &str, unsupported: &[&str], support: Option<&str>) {
        let texts = BTreeMap::from([("key".to_owned(), text.to_owned())]);
        let found = ground(&request(Some("Bake rye bread"), RYE), texts);
        assert_eq!(found["key"].unsupported, unsupported);
        assert_eq!(found["key"].support.as_deref(), support);
    }

    #[test]
    fn a_draft_has_a_text_for_each_picture() {
        let draft = draft(&request(Some("Bake rye bread"), RYE));
        assert_eq!(draft.slug, "bake-rye-bread");
        assert_eq!(draft.alt_texts.len(), 1);
        assert_eq!(draft.alt_texts[0].text, "A dark loaf on a board");
    }

    #[test]
    fn a_request_without_an_article_has_an_empty_draft() {
        assert_eq!(draft(&SummaryRequest::default()).title, "");
    }

    #[test]
    fn a_supported_text_has_its_sentence() {
        check_ground(
            "Sourdough raises bread overnight",
            &[],
            Some("A sourdough raises it overnight."),
        );
    }

    #[test]
    fn the_title_supports_too() {
        check_ground("Bake rye bread", &[], Some("Bake rye bread"));
    }

    #[test]
    fn an_invented_word_is_named() {
        check_ground(
            "Rye bread needs saffron",
            &["saffron"],
            Some("Rye bread needs time more than skill."),
        );
    }

    #[test]
    fn what_has_no_support_has_none() {
        check_ground("Kubernetes", &["Kubernetes"], None);
        check_ground("", &[], None);
    }

    #[test]
    fn chinese_is_told_by_its_tag_or_its_text() {
        assert!(!needs_dictionary(&request(None, RYE)));
        assert!(needs_dictionary(&request(
            None,
            "<p>黑麦面包需要时间，而不是技巧。酸面团要发酵一整夜。</p>"
        )));
        let mut tagged = request(None, RYE);
        tagged.article.as_mut().unwrap().language = Some("zh-Hant".into());
        assert!(needs_dictionary(&tagged));
    }

    #[test]
    fn chinese_is_supported_by_pairs() {
        let request = request(None, "<p>黑麦面包需要时间。酸面团要发酵一整夜。</p>");
        let found = ground(
            &request,
            BTreeMap::from([("key".to_owned(), "酸面团发酵一夜".to_owned())]),
        );
        assert_eq!(
            found["key"].support.as_deref(),
            Some("酸面团要发酵一整夜。")
        );
    }
}
