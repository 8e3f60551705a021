//! What is made on the device without a server: a draft, and whether the article supports a text.

use crate::error::SmartSummaryError;
use api::{Article, Code, ContentFormat, FieldLimits, ImageRef, ImageRole, SummaryRequest};
use extractive::Grounds;
use extractive::text::{self, Document};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// What was measured on the pixels of a picture: of `PictureLooks` in `types.ts` what a draft is made of.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Looks {
    class: Class,
    text: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Class {
    Photo,
    Drawn,
}

/// Whether the article supports a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// Words of the text that the article does not hold.
    unsupported: Vec<String>,
    /// The text's sentences.
    claims: Vec<Claim>,
}

/// A sentence of a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    text: String,
    /// The article's sentence or heading that supports it best.
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<String>,
}

impl From<extractive::Claim> for Claim {
    fn from(extractive::Claim { text, support }: extractive::Claim) -> Self {
        Self { text, support }
    }
}

/// Drafts all fields for a request. `looks`: image id -> what was measured, of the pictures that are prepared already.
pub fn draft(request: &SummaryRequest, looks: &BTreeMap<String, Looks>) -> Draft {
    let nothing = Article::default();
    let images = request.images.iter();
    let images: Vec<_> = images
        .map(|image| image_context(image, looks.get(&image.id)))
        .collect();
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
    let captions = request.images.iter();
    let captions = captions.filter_map(|image| image.caption.as_deref());
    let beside: Vec<&str> = title(request).into_iter().chain(captions).collect();
    let grounds = Grounds::of(&document(request), &beside);
    let evidence = |text: &str| Evidence {
        unsupported: grounds.unsupported_words(text),
        claims: grounds.claims(text).into_iter().map(Claim::from).collect(),
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
        None => {
            let title = title(request).unwrap_or_default();
            let sample = format!("{title}\n{}", document(request).plain());
            is_chinese(&extractive::detect_language(&sample))
        }
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
    ["zh", "cmn", "yue", "wuu"]
        .iter()
        .any(|chinese| primary.eq_ignore_ascii_case(chinese))
}

fn title(request: &SummaryRequest) -> Option<&str> {
    request.article.as_ref()?.title.as_deref()
}

/// The article's prose.
fn document(request: &SummaryRequest) -> Document {
    let article = request.article.as_ref();
    article.map_or_else(Document::default, |article| {
        text::blocks(&article.content, content_format(article.format))
    })
}

fn extractive_article(article: &Article) -> extractive::Article<'_> {
    extractive::Article {
        title: article.title.as_deref(),
        content: &article.content,
        format: content_format(article.format),
        language: article.language.as_deref(),
    }
}

fn image_context<'a>(image: &'a ImageRef, looks: Option<&Looks>) -> extractive::ImageContext<'a> {
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
        looks: looks.map(|looks| extractive::Looks {
            class: match looks.class {
                Class::Photo => extractive::Class::Photo,
                Class::Drawn => extractive::Class::Drawn,
            },
            text: looks.text,
        }),
        words: None,
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
        title_line: api::limits::title_line(limits).map(line),
        description_line: api::limits::description_line(limits).map(line),
    }
}

fn line(line: api::limits::Line) -> extractive::Line {
    extractive::Line {
        font: line.font,
        pixels: line.pixels,
        narrow_chars: line.narrow_chars,
        wide_chars: line.wide_chars,
    }
}

impl From<extractive::Summary> for Draft {
    fn from(summary: extractive::Summary) -> Self {
        let alt_text = |alt: extractive::AltText| api::AltText {
            id: alt.id,
            text: alt.text,
            decorative: alt.decorative,
            needs_human: alt.needs_human,
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
    fn check_ground(text: &str, unsupported: &[&str], expect: &[Option<&str>]) {
        let texts = BTreeMap::from([("key".to_owned(), text.to_owned())]);
        let found = ground(&request(Some("Bake rye bread"), RYE), texts);
        assert_eq!(found["key"].unsupported, unsupported);
        let supports: Vec<_> = found["key"]
            .claims
            .iter()
            .map(|claim| claim.support.as_deref())
            .collect();
        assert_eq!(supports, expect);
    }

    #[test]
    fn a_draft_has_a_text_for_each_picture() {
        let draft = draft(&request(Some("Bake rye bread"), RYE), &BTreeMap::new());
        assert_eq!(draft.slug, "bake-rye-bread");
        assert_eq!(draft.alt_texts.len(), 1);
        assert_eq!(draft.alt_texts[0].text, "A dark loaf on a board");
    }

    #[test]
    fn what_was_measured_on_a_picture_counts() {
        let loaf = "<h2>Bread</h2><p>The following chart shows the prices of bread.</p><img src=\"/a/loaf.jpg\">";
        let drafted = |looks: &str| {
            let looks = serde_json::from_str(looks).unwrap();
            let mut draft = draft(&request(Some("Prices"), loaf), &looks);
            draft.alt_texts.remove(0).text
        };
        assert_eq!(drafted("{}"), "The prices of bread");
        let measured = |class: &str| {
            format!(
                r#"{{"loaf":{{"class":"{class}","exposure":"good","text":0.01,"flatness":0.2}}}}"#
            )
        };
        assert_eq!(drafted(&measured("drawn")), "The prices of bread");
        assert_ne!(drafted(&measured("photo")), "The prices of bread");
    }

    #[test]
    fn a_request_without_an_article_has_an_empty_draft() {
        assert_eq!(
            draft(&SummaryRequest::default(), &BTreeMap::new()).title,
            ""
        );
    }

    #[test]
    fn a_supported_text_has_its_sentence() {
        check_ground(
            "Sourdough raises bread overnight",
            &[],
            &[Some("A sourdough raises it overnight.")],
        );
    }

    #[test]
    fn the_title_supports_too() {
        check_ground("Bake rye bread", &[], &[Some("Bake rye bread")]);
    }

    #[test]
    fn an_invented_word_is_named() {
        check_ground(
            "Rye bread needs saffron",
            &["saffron"],
            &[Some("Rye bread needs time more than skill.")],
        );
    }

    #[test]
    fn what_has_no_support_has_none() {
        check_ground("Kubernetes", &["Kubernetes"], &[None]);
        check_ground("", &[], &[]);
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
            found["key"].claims[0].support.as_deref(),
            Some("酸面团要发酵一整夜。")
        );
    }
}
