//! HTML, Markdown and plain text: prose out of anything, and fields without markup out of the prose.

use extractive::text::{self, BlockKind};
use extractive::{Article, ContentFormat, Guidance, ImageContext, Limits, Summary};

use crate::cut::choice;

/// Blocks of one article.
const MAX_BLOCKS: usize = 5_000;

/// Blocks are prose in one line each and point at headings before them; fields keep their bounds and hold no markup.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = choice(bytes) else {
        return;
    };
    let content = String::from_utf8_lossy(rest);
    let format = match first % 3 {
        0 => ContentFormat::Html,
        1 => ContentFormat::Markdown,
        _ => ContentFormat::Text,
    };
    check_blocks(&content, format);
    let title = (first & 4 != 0).then(|| content.lines().next().unwrap_or_default());
    let article = Article {
        title,
        content: &content,
        format,
        language: [None, Some("en"), Some("zh"), Some("de")][usize::from(first >> 3) % 4],
    };
    let image = ImageContext {
        id: "a",
        filename: Some("owl-in-the-snow.jpg"),
        ..ImageContext::default()
    };
    let summary =
        extractive::summarize(&article, &[image], &Limits::default(), &Guidance::default());
    check_fields(&summary, &content);
    let again = extractive::summarize(&article, &[image], &Limits::default(), &Guidance::default());
    assert_eq!(summary, again, "the same article has the same summary");
}

fn check_blocks(content: &str, format: ContentFormat) {
    let document = text::blocks(content, format);
    assert!(document.blocks.len() <= MAX_BLOCKS);
    for (index, block) in document.blocks.iter().enumerate() {
        let text = block.text.as_str();
        assert!(!text.is_empty() && text.trim() == text, "{text:?}");
        assert!(
            !text.contains(['\n', '\r', '\t', '\0']),
            "{text:?} is one line"
        );
        assert!(!text.contains("  "), "{text:?}: white space is folded");
        if let BlockKind::Heading(level) = block.kind {
            assert!((1..=6).contains(&level));
        }
        if let Some(heading) = block.heading {
            assert!(heading < index, "the heading stands above its block");
            assert!(document.heading_text(Some(heading)).is_some());
        }
    }
    for image in &document.images {
        assert!(image.block <= document.blocks.len());
        assert!(
            image
                .heading
                .is_none_or(|heading| heading < document.blocks.len())
        );
        assert!(document.image(&image.src).is_some());
    }
}

fn check_fields(summary: &Summary, content: &str) {
    let wide = matches!(summary.language.as_str(), "zh" | "ja" | "ko");
    let length = |text: &str| match wide {
        true => extractive::width(text),
        false => text.chars().count() as f32,
    };
    let most = |narrow, full| if wide { full } else { narrow };
    assert!(
        length(&summary.title) <= most(60.0, 30.0),
        "{:?}",
        summary.title
    );
    assert!(
        length(&summary.meta_description) <= most(160.0, 80.0),
        "{:?}",
        summary.meta_description
    );
    assert!(summary.keywords.len() <= 6);
    let slug = summary.slug.as_str();
    assert!(
        slug.len() <= 80
            && slug
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    );
    assert!(
        !slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"),
        "{slug:?}"
    );
    let alts = summary.alt_texts.iter().map(|alt| &alt.text);
    for alt in alts.clone() {
        assert!(length(alt) <= most(125.0, 60.0), "{alt:?}");
    }
    for text in [&summary.title, &summary.meta_description, &summary.summary]
        .into_iter()
        .chain(&summary.keywords)
        .chain(alts)
    {
        is_plain(text);
    }
    for evidence in &summary.evidence {
        if let Some(offset) = evidence.offset {
            assert!(
                content.is_char_boundary(offset),
                "evidence begins at a character"
            );
            assert!(
                content[offset..].starts_with(&evidence.text),
                "evidence stands where it is said to"
            );
        }
    }
}

/// One line, no tag, no address.
pub(crate) fn is_plain(text: &str) {
    assert!(!text.contains("://"), "{text:?} holds an address");
    assert!(
        !text.contains(['\n', '\r', '\0', '\u{202e}', '\u{200b}']),
        "{text:?}"
    );
    let opens = |(at, _): (usize, &str)| {
        text[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c))
    };
    assert!(!text.match_indices('<').any(opens), "{text:?} holds a tag");
}
