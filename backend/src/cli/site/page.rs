//! One page: what its file says.

use std::path::PathBuf;

use super::front::{self, Broken, Front, Value};
use super::images::{self, Image};

/// Keys under which a description stands, the first that a search result would use first.
pub(super) const DESCRIPTION: [&str; 4] = ["description", "excerpt", "summary", "desc"];
/// Keys under which keywords stand.
const KEYWORDS: [&str; 2] = ["keywords", "tags"];

/// A file that becomes a page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// From the site's root, with `/`.
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) front: Result<Option<Front>, Broken>,
    /// Where the body begins.
    pub(super) body: usize,
    pub(super) images: Vec<Image>,
}

impl Page {
    pub(super) fn new(name: String, file: PathBuf, text: String) -> Self {
        let (front, body) = match front::read(&text) {
            Ok((front, body)) => (Ok(front), body),
            Err(broken) => (Err(broken), 0),
        };
        let images = if front.is_ok() {
            images::find(&text, body)
        } else {
            Vec::new()
        };
        Self {
            name,
            file,
            text,
            front,
            body,
            images,
        }
    }

    fn head(&self) -> Option<&Front> {
        self.front.as_ref().ok()?.as_ref()
    }

    pub(super) fn has_front_matter(&self) -> bool {
        !matches!(self.front, Ok(None))
    }

    pub(super) fn title(&self) -> Option<&str> {
        self.head()?.text(&["title"])
    }

    pub(super) fn description(&self) -> Option<&str> {
        self.head()?.text(&DESCRIPTION)
    }

    pub(super) fn has_keywords(&self) -> bool {
        let holds = |key: &&str| {
            let value = self.head().and_then(|head| head.get(key));
            value.is_some_and(|value| *value != Value::Empty)
        };
        KEYWORDS.iter().any(holds)
    }

    pub(super) fn is_draft(&self) -> bool {
        let flag =
            |key, value| self.head().and_then(|head| head.get(key)) == Some(&Value::Flag(value));
        flag("draft", true) || flag("published", false)
    }

    /// The language, where the page or its place tells it: `lang: zh`, `post.zh.md`, `zh/post.md`.
    pub(super) fn language(&self) -> Option<String> {
        let told = self
            .head()
            .and_then(|head| head.text(&["lang", "language", "locale"]));
        if let Some(told) = told.filter(|told| is_tag(told)) {
            return Some(told.to_owned());
        }
        let stem = self
            .name
            .rsplit_once('.')
            .map_or(self.name.as_str(), |(stem, _)| stem);
        let suffix = stem.rsplit_once('.').map(|(_, suffix)| suffix);
        let mut places = suffix.into_iter().chain(self.name.split('/'));
        places
            .find(|place| LANGUAGES.contains(&primary(place)) && is_tag(place))
            .map(str::to_owned)
    }

    /// The version of a Docusaurus documentation that it belongs to, empty for the present one. Versions repeat each
    /// other, so pages are held beside those of their own.
    pub(super) fn edition(&self) -> &str {
        let mut folders = self.name.split('/');
        match folders.next() {
            Some("versioned_docs" | "i18n") => folders
                .find(|folder| folder.starts_with("version-"))
                .unwrap_or_default(),
            _ => "",
        }
    }

    pub(super) fn body(&self) -> &str {
        self.text.get(self.body..).unwrap_or_default()
    }

    /// The line of a key, or the first one.
    pub(super) fn line_of_key(&self, keys: &[&str]) -> usize {
        self.head().map_or(1, |head| head.line(&self.text, keys))
    }
}

/// Folders and suffixes that are taken for a language; others (`go`, `js`, `io`) are more often something else.
const LANGUAGES: [&str; 16] = [
    "en", "zh", "ja", "ko", "de", "fr", "es", "pt", "ru", "nl", "pl", "tr", "uk", "vi", "ar", "cs",
];

/// The language of a tag without script and region.
pub(super) fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

fn is_tag(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let first = parts
        .next()
        .is_some_and(|part| (2..=3).contains(&part.len()));
    let fine = |part: &str| {
        (2..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric())
    };
    first
        && parts.all(fine)
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The line of a byte, counted from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, text: &str) -> Page {
        Page::new(name.to_owned(), PathBuf::from(name), text.to_owned())
    }

    #[test]
    fn a_language_is_told_by_the_page_then_by_its_place() {
        let language = |name, text| page(name, text).language();
        assert_eq!(
            language("a.md", "---\nlang: de-CH\n---\n").as_deref(),
            Some("de-CH")
        );
        assert_eq!(language("post/a.zh.md", "").as_deref(), Some("zh"));
        assert_eq!(
            language("i18n/zh-CN/docs/a.md", "").as_deref(),
            Some("zh-CN")
        );
        assert_eq!(language("go/a.js.md", ""), None);
    }

    #[test]
    fn an_edition_is_told_by_the_folder() {
        let edition = |name| page(name, "").edition().to_owned();
        assert_eq!(edition("versioned_docs/version-1.0/a/b.md"), "version-1.0");
        let translated = "i18n/zh/docusaurus-plugin-content-docs/version-2/b.md";
        assert_eq!(edition(translated), "version-2");
        assert_eq!(edition("docs/version-control.md"), "");
    }

    #[test]
    fn a_page_that_is_not_published_is_a_draft() {
        assert!(page("a.md", "+++\ndraft = true\n+++\n").is_draft());
        assert!(page("a.md", "---\npublished: false\n---\n").is_draft());
        assert!(!page("a.md", "---\ndraft: false\n---\n").is_draft());
    }
}
