//! Open Graph and JSON-LD, made of the finished fields. Only what is known is said.

use std::collections::BTreeMap;

use api::AltText;
use serde_json::{Map, Value, json};

use super::clean::clean;

/// What is known of the post.
pub(super) struct Facts<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) keywords: &'a [String],
    pub(super) language: &'a str,
    pub(super) url: Option<&'a str>,
    pub(super) brand: Option<&'a str>,
    pub(super) pictures: &'a [Shown<'a>],
}

/// One of the post's pictures, as far as it is known.
pub(super) struct Shown<'a> {
    /// Where it is published.
    pub(super) url: Option<&'a str>,
    /// Its text, when texts were asked for.
    pub(super) alt: Option<&'a AltText>,
}

impl<'a> Shown<'a> {
    fn is_decorative(&self) -> bool {
        self.alt.is_some_and(|alt| alt.decorative)
    }

    fn text(&self) -> Option<&'a str> {
        self.alt.map(|alt| alt.text.as_str())
    }
}

/// The territory that readers of a language's card are taken to be in, where the tag names none.
const TERRITORIES: [(&str, &str); 14] = [
    ("de", "DE"),
    ("en", "US"),
    ("es", "ES"),
    ("fr", "FR"),
    ("it", "IT"),
    ("ja", "JP"),
    ("ko", "KR"),
    ("nl", "NL"),
    ("pl", "PL"),
    ("pt", "BR"),
    ("ru", "RU"),
    ("tr", "TR"),
    ("uk", "UA"),
    ("zh", "CN"),
];

/// Property -> content (<https://ogp.me>), with the card that X reads.
pub(super) fn open_graph(facts: &Facts<'_>) -> BTreeMap<String, String> {
    let picture = facts.pictures.iter().find(|shown| !shown.is_decorative());
    let url = picture.and_then(|shown| shown.url).map(str::to_owned);
    let alt = picture.and_then(Shown::text).map(str::to_owned);
    let card = if url.is_some() {
        "summary_large_image"
    } else {
        "summary"
    };
    let brand = facts.brand.map(|brand| clean(brand, ""));
    let properties = [
        ("og:type", Some("article".to_owned())),
        ("og:title", Some(facts.title.to_owned())),
        ("og:description", Some(facts.description.to_owned())),
        ("og:url", facts.url.map(str::to_owned)),
        ("og:locale", locale(facts.language)),
        ("og:site_name", brand),
        ("og:image", url.clone()),
        ("og:image:alt", alt.clone()),
        ("twitter:card", Some(card.to_owned())),
        ("twitter:title", Some(facts.title.to_owned())),
        ("twitter:description", Some(facts.description.to_owned())),
        ("twitter:image", url),
        ("twitter:image:alt", alt),
    ];
    let known = properties
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.filter(|(_, value)| !value.is_empty()).collect()
}

/// A schema.org `BlogPosting`.
pub(super) fn json_ld(facts: &Facts<'_>) -> Map<String, Value> {
    let informative = facts.pictures.iter().filter(|shown| !shown.is_decorative());
    let pictures: Vec<Value> = informative.filter_map(image_object).collect();
    let publisher = facts
        .brand
        .map(|brand| json!({"@type": "Organization", "name": clean(brand, "")}));
    let properties = [
        ("@context", Some(json!("https://schema.org"))),
        ("@type", Some(json!("BlogPosting"))),
        ("headline", text(facts.title)),
        ("description", text(facts.description)),
        (
            "keywords",
            (!facts.keywords.is_empty()).then(|| json!(facts.keywords)),
        ),
        (
            "inLanguage",
            text(facts.language).filter(|tag| tag != "und"),
        ),
        ("url", facts.url.and_then(text)),
        (
            "mainEntityOfPage",
            facts.url.map(|url| json!({"@type": "WebPage", "@id": url})),
        ),
        (
            "image",
            (!pictures.is_empty()).then_some(Value::Array(pictures)),
        ),
        ("publisher", publisher),
    ];
    properties
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

fn text(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!(text))
}

/// An `ImageObject`; nothing when nobody knows where the picture is.
fn image_object(shown: &Shown<'_>) -> Option<Value> {
    let mut object = Map::new();
    object.insert("url".to_owned(), text(shown.url?)?);
    if let Some(caption) = shown.text().and_then(text) {
        object.insert("caption".to_owned(), caption);
    }
    object.insert("@type".to_owned(), json!("ImageObject"));
    Some(Value::Object(object))
}

/// `language_TERRITORY`, as Open Graph wants it.
fn locale(tag: &str) -> Option<String> {
    let mut subtags = tag.split('-');
    let language = subtags.next()?.to_ascii_lowercase();
    let rest: Vec<&str> = subtags.collect();
    let named = rest
        .iter()
        .find(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let territory = match named {
        Some(territory) => territory.to_ascii_uppercase(),
        None if language == "zh" && rest.iter().any(|part| part.eq_ignore_ascii_case("Hant")) => {
            "TW".to_owned()
        }
        None => TERRITORIES
            .iter()
            .find(|(known, _)| *known == language)?
            .1
            .to_owned(),
    };
    Some(format!("{language}_{territory}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts<'static> {
        Facts {
            title: "Rye",
            description: "",
            keywords: &[],
            language: "en",
            url: None,
            brand: None,
            pictures: &[],
        }
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let names: Vec<_> = open_graph(&facts()).into_keys().collect();
        assert_eq!(
            names,
            [
                "og:locale",
                "og:title",
                "og:type",
                "twitter:card",
                "twitter:title"
            ]
        );
        let names: Vec<_> = json_ld(&facts())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["@context", "@type", "headline", "inLanguage"]);
    }

    #[test]
    fn the_first_informative_picture_gives_the_cards_text() {
        let alt = |text: &str| AltText {
            id: text.into(),
            text: text.into(),
            decorative: text.is_empty(),
            needs_human: false,
        };
        let alt_texts = [alt(""), alt("A loaf"), alt("A knife")];
        let urls = [None, Some("https://a.example/loaf.jpg"), None];
        let pictures: Vec<_> = alt_texts
            .iter()
            .zip(urls)
            .map(|(alt, url)| Shown {
                url,
                alt: Some(alt),
            })
            .collect();
        let facts = Facts {
            pictures: &pictures,
            url: Some("https://a.example/rye"),
            ..facts()
        };
        let properties = open_graph(&facts);
        assert_eq!(properties["og:image"], "https://a.example/loaf.jpg");
        assert_eq!(properties["og:image:alt"], "A loaf");
        assert_eq!(properties["twitter:card"], "summary_large_image");
        let images = &json_ld(&facts)["image"];
        assert_eq!(images[0]["url"], "https://a.example/loaf.jpg");
        assert_eq!(images[0]["caption"], "A loaf");
        assert_eq!(images.as_array().unwrap().len(), 1, "{images}");
        assert_eq!(
            json_ld(&facts)["mainEntityOfPage"]["@id"],
            "https://a.example/rye"
        );
    }

    #[test]
    fn a_card_is_large_only_with_a_picture_to_show() {
        let alt = |decorative| AltText {
            id: "a".into(),
            text: if decorative { "" } else { "切开的面包" }.into(),
            decorative,
            needs_human: false,
        };
        let url = Some("https://a.example/面包.jpg");
        let card = |decorative, url| {
            let alt = alt(decorative);
            let pictures = [Shown {
                url,
                alt: Some(&alt),
            }];
            let facts = Facts {
                title: "黑麦面包",
                language: "zh",
                pictures: &pictures,
                ..facts()
            };
            assert_eq!(
                json_ld(&facts).contains_key("image"),
                url.is_some() && !decorative
            );
            let properties = open_graph(&facts);
            assert_eq!(properties["og:locale"], "zh_CN");
            properties["twitter:card"].clone()
        };
        assert_eq!(card(false, url), "summary_large_image");
        assert_eq!(card(true, url), "summary");
        assert_eq!(card(false, None), "summary");
    }

    #[test]
    fn a_locale_has_a_territory() {
        let locales = ["en", "de-CH", "zh-Hans", "zh-Hant", "zh-Hant-HK", "la"].map(locale);
        let expect = [
            Some("en_US"),
            Some("de_CH"),
            Some("zh_CN"),
            Some("zh_TW"),
            Some("zh_HK"),
            None,
        ];
        assert_eq!(locales, expect.map(|locale| locale.map(str::to_owned)));
    }
}
