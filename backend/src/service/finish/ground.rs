//! What the article says, to hold the fields against.

use api::Article;
use api::limits::MAX_URL_CHARS;
use extractive::Grounds;
use extractive::text::Document;
use url::Url;

use super::mask_pii::Shown;
use crate::engines::document;
use crate::intake::Picture;

/// Words named in one warning.
const MAX_NAMED: usize = 8;

/// The article as plain text, with all that the caller says beside it.
pub(super) struct Source {
    grounds: Grounds,
    text: String,
    /// What of its numbers a reader sees.
    shown: Shown,
    lower: String,
    document: Document,
    /// Where the article is published.
    url: Option<Url>,
    has_article: bool,
}

impl Source {
    pub(super) fn of(article: Option<&Article>, pictures: &[Picture]) -> Self {
        let document = article.map(document).unwrap_or_default();
        let title = article.and_then(|article| article.title.as_deref());
        let captions = pictures
            .iter()
            .filter_map(|picture| picture.caption.as_deref());
        let beside: Vec<&str> = title.into_iter().chain(captions).collect();
        let grounds = Grounds::of(&document, &beside);
        let mut text = document.plain();
        if let Some(article) = article {
            text.push('\n');
            // Code, links and tables are not prose, but what stands in them is in the article.
            text.push_str(&article.content);
        }
        for beside in beside {
            text.push('\n');
            text.push_str(beside);
        }
        // Where a picture leads may be said in words; an address that only stands there is none to give out.
        let links = pictures
            .iter()
            .filter_map(|picture| picture.link.as_deref());
        let links: Vec<&str> = links.collect();
        Self {
            grounds,
            lower: format!("{text}\n{}", links.join("\n")).to_lowercase(),
            shown: Shown::of(&visible(&text)),
            text,
            document,
            url: article.and_then(|article| Url::parse(article.url.as_deref()?).ok()),
            has_article: article.is_some(),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The address, `http` or `https`, under which the article shows the picture of this name.
    pub(super) fn address(&self, filename: &str) -> Option<String> {
        let place = self.document.image(filename)?;
        let url = match Url::parse(&place.src) {
            Ok(url) => url,
            Err(_) => self.url.as_ref()?.join(&place.src).ok()?,
        };
        let is_web = matches!(url.scheme(), "http" | "https");
        (is_web && url.as_str().len() <= MAX_URL_CHARS).then(|| url.to_string())
    }

    /// The numbers outside of tags, comments, scripts and styles.
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    pub(super) fn holds(&self, phrase: &str) -> bool {
        self.lower.contains(&phrase.trim().to_lowercase())
    }

    /// The words that the article does not support, the first few.
    pub(super) fn unsupported(&self, text: &str) -> Vec<String> {
        if !self.has_article {
            return Vec::new();
        }
        let words = self.grounds.unsupported_words(text);
        words
            .into_iter()
            .filter(|word| !self.holds(word))
            .take(MAX_NAMED)
            .collect()
    }

    /// The sentences of a text that no sentence of the article supports.
    pub(super) fn unsupported_claims(&self, text: &str) -> Vec<String> {
        if !self.has_article {
            return Vec::new();
        }
        let claims = self.grounds.claims(text).into_iter();
        claims
            .filter(|claim| claim.support.is_none())
            .map(|claim| claim.text)
            .collect()
    }
}

/// What never shows: how it begins and how it ends.
const HIDDEN: [(&str, &str); 4] = [
    ("<!--", "-->"),
    ("<script", "</script"),
    ("<style", "</style"),
    ("<template", "</template"),
];

/// The text between tags; of Markdown, also of the HTML within it. What never ends hides the rest.
fn visible(text: &str) -> String {
    let mut seen = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        seen.push_str(before);
        let hidden = HIDDEN.iter().find(|(begin, _)| begins(from, begin));
        let is_tag = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '!';
        let end = match (hidden, from.chars().nth(1)) {
            (Some((_, end)), _) => {
                let mut windows = from.as_bytes().windows(end.len());
                let end_at = windows.position(|window| window.eq_ignore_ascii_case(end.as_bytes()));
                end_at.map(|at| at + end.len())
            }
            (None, Some(c)) if is_tag(c) => from.find('>').map(|at| at + 1),
            _ => {
                seen.push('<');
                Some(1)
            }
        };
        rest = end.and_then(|end| from.get(end..)).unwrap_or_default();
    }
    seen.push_str(rest);
    seen
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_reader_sees_is_visible() {
        let text = "a <!-- 1 < 2 > 3 --> b<SCRIPT>4</SCRIPT >c <b title=\"5\">6</b> 7 < 8";
        assert_eq!(visible(text), "a  b >c 6 7 < 8");
        assert_eq!(visible("水 <!-- never closed"), "水 ");
        assert_eq!(visible("a <"), "a <");
    }
}
