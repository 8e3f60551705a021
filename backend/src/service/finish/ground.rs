//! What the article says, to hold the fields against.

use api::Article;
use extractive::text::Document;

use crate::engines::document;
use crate::intake::Picture;

/// Words named in one warning.
const MAX_NAMED: usize = 8;

/// The article as plain text, with all that the caller says beside it.
pub(super) struct Source {
    document: Document,
    text: String,
    lower: String,
    has_article: bool,
}

impl Source {
    pub(super) fn of(article: Option<&Article>, pictures: &[Picture]) -> Self {
        let document = article.map(document).unwrap_or_default();
        let mut text = document.plain();
        if let Some(article) = article {
            text.push('\n');
            text.push_str(article.title.as_deref().unwrap_or_default());
            text.push('\n');
            // Code, links and tables are not prose, but what stands in them is in the article.
            text.push_str(&article.content);
        }
        for caption in pictures
            .iter()
            .filter_map(|picture| picture.caption.as_deref())
        {
            text.push('\n');
            text.push_str(caption);
        }
        Self {
            document,
            lower: text.to_lowercase(),
            text,
            has_article: article.is_some(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn holds(&self, phrase: &str) -> bool {
        self.lower.contains(&phrase.trim().to_lowercase())
    }

    /// The words that the article does not support, the first few.
    pub(super) fn unsupported(&self, text: &str, _language: &str) -> Vec<String> {
        if !self.has_article {
            return Vec::new();
        }
        let words = extractive::unsupported_words(text, &self.document);
        words
            .into_iter()
            .filter(|word| !self.holds(word))
            .take(MAX_NAMED)
            .collect()
    }
}
