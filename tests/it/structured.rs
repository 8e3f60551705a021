//! Open Graph and JSON-LD as a crawler reads them.
//!
//! `tests/fixtures/structured` holds answers whole. Here the server must still give them; the npm package's tests hold the
//! same files to schema.org's vocabulary.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::check::fixture;
use crate::pictures;
use crate::server::shared;

fn request(file: &str, url: Option<&str>, pictures: &[&str]) -> Value {
    let format = if file.ends_with("md") {
        "markdown"
    } else {
        "html"
    };
    let images: Vec<Value> = pictures
        .iter()
        .map(|name| {
            let data = pictures::data_uri(&pictures::png(64, 48));
            json!({ "id": name.split('.').next(), "filename": name, "data": data })
        })
        .collect();
    json!({
        "article": { "content": fixture(&format!("articles/{file}")), "format": format, "url": url },
        "images": images,
        "guidelines": { "brand": "Warm Homes" },
        "fields": ["alt_texts", "open_graph", "json_ld"],
        "engine": "extractive",
    })
}

#[track_caller]
fn check(name: &str, request: &Value) {
    let summary = shared().summary(request);
    let open_graph = summary.open_graph.unwrap();
    check_open_graph(&open_graph);
    let json_ld = Value::Object(summary.json_ld.unwrap());
    check_addresses(&json_ld);
    let found = json!({ "open_graph": open_graph, "json_ld": json_ld });
    let expect: Value = serde_json::from_str(&fixture(&format!("structured/{name}.json"))).unwrap();
    assert_eq!(
        found,
        expect,
        "tests/fixtures/structured/{name}.json: if the change is meant, put this there:\n{}",
        serde_json::to_string_pretty(&found).unwrap()
    );
}

/// What <https://ogp.me> and X's cards ask for.
#[track_caller]
fn check_open_graph(properties: &BTreeMap<String, String>) {
    const KNOWN: [&str; 13] = [
        "og:type",
        "og:title",
        "og:description",
        "og:url",
        "og:locale",
        "og:site_name",
        "og:image",
        "og:image:alt",
        "twitter:card",
        "twitter:title",
        "twitter:description",
        "twitter:image",
        "twitter:image:alt",
    ];
    for (name, value) in properties {
        assert!(KNOWN.contains(&name.as_str()), "{name} is no property");
        assert!(!value.trim().is_empty(), "{name} is empty");
        assert!(!value.contains(['<', '\n']), "{name}: {value}");
    }
    assert_eq!(properties["og:type"], "article");
    assert!(properties["twitter:title"].chars().count() <= 70);
    assert!(properties["twitter:description"].chars().count() <= 200);
    let card = match properties.get("twitter:image") {
        Some(_) => "summary_large_image",
        None => "summary",
    };
    assert_eq!(properties["twitter:card"], card);
    let (language, territory) = properties["og:locale"].split_once('_').unwrap();
    assert!(language.len() == 2 && language.bytes().all(|b| b.is_ascii_lowercase()));
    assert!(territory.len() == 2 && territory.bytes().all(|b| b.is_ascii_uppercase()));
    for name in ["og:url", "og:image", "twitter:image"] {
        let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        assert!(
            properties.get(name).is_none_or(web),
            "{name}: {properties:?}"
        );
    }
    assert_eq!(properties.get("og:image"), properties.get("twitter:image"));
}

/// Addresses are whole, and every picture has one; the npm package's tests hold the names and types to the vocabulary.
#[track_caller]
fn check_addresses(value: &Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                if ["@id", "url"].contains(&name.as_str()) {
                    let url = value.as_str().unwrap();
                    let web = url.starts_with("https://") || url.starts_with("http://");
                    assert!(web, "{name}: {url}");
                }
                check_addresses(value);
            }
            let is_picture = object
                .get("@type")
                .is_some_and(|kind| kind == "ImageObject");
            assert!(!is_picture || object.contains_key("url"), "{object:?}");
        }
        Value::Array(values) => values.iter().for_each(check_addresses),
        _ => {}
    }
}

#[test]
fn an_english_article_with_pictures_is_described_whole() {
    let pictures = ["radiator-valve.png", "outdoor-unit.png"];
    check(
        "en",
        &request(
            "en.html",
            Some("https://blog.example/posts/heat-pump"),
            &pictures,
        ),
    );
}

#[test]
fn a_chinese_article_with_pictures_is_described_whole() {
    let pictures = ["radiator-valve.png", "outdoor-unit.png"];
    check(
        "zh",
        &request(
            "zh.md",
            Some("https://blog.example/posts/heat-pump"),
            &pictures,
        ),
    );
}

#[test]
fn what_is_not_known_is_not_said() {
    check(
        "bare",
        &request("en.html", None, &["not-in-the-article.png"]),
    );
}

#[test]
fn an_address_that_is_no_page_is_left_out() {
    let content = "<p>Rye bread needs time more than skill.</p><img src=\"javascript:alert(1)//a.png\">\
                   <img src=\"data:image/png;base64,AAAA\"><img src=\"//cdn.example/b.png\">";
    let data = pictures::data_uri(&pictures::png(64, 48));
    let summary = shared().summary(&json!({
        "article": { "content": content, "format": "html", "url": "https://blog.example/rye" },
        "images": [
            { "id": "a", "filename": "a.png", "role": "informative", "caption": "A loaf", "data": data },
            { "id": "b", "filename": "b.png", "role": "informative", "caption": "A knife", "data": data },
        ],
        "engine": "extractive",
    }));
    let open_graph = summary.open_graph.unwrap();
    assert_eq!(open_graph.get("og:image"), None);
    assert_eq!(open_graph["og:image:alt"], "A loaf");
    let images = &summary.json_ld.unwrap()["image"];
    assert_eq!(images.as_array().unwrap().len(), 1, "{images}");
    assert_eq!(images[0]["url"], "https://cdn.example/b.png");
}
