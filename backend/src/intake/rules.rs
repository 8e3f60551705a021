//! What each field of a request may hold.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use api::limits::{MAX_CANDIDATES, MAX_PHRASES, MAX_SHORT_CHARS, MAX_URL_CHARS};
use api::{
    Article, ContentFormat, Field, FieldLimits, Guidelines, ImageRef, Priority, SummaryRequest,
};
use serde::de::DeserializeOwned;
use url::Url;

use super::Error;
use super::objects::Objects;
use crate::config;

/// Reads JSON; a value that does not fit is named by its pointer.
///
/// # Errors
/// [`Error::Malformed`] for what is not JSON, [`Error::Field`] for a value that does not fit.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(Objects(&mut json))
        .map_err(|error| not_of_its_form(&error))?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_of_its_form(error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let inner = error.inner();
    if !inner.is_data() {
        return not_json(inner);
    }
    let message = inner.to_string();
    let pointer = pointer_of(error.path());
    if pointer.is_empty() && message.starts_with("invalid type") {
        return Error::Malformed("the JSON must be an object, `{…}`".to_owned());
    }
    Error::Field {
        pointer,
        detail: without_values(&message),
        limit: None,
    }
}

fn not_json(error: &serde_json::Error) -> Error {
    let what = if error.is_eof() {
        "ends too early"
    } else {
        "is not valid JSON"
    };
    Error::Malformed(format!(
        "the JSON {what} (line {}, column {})",
        error.line(),
        error.column()
    ))
}

/// The JSON pointer (RFC 6901) of a path.
#[must_use]
pub fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let escape = |key: &str| {
        key.chars()
            .take(64)
            .collect::<String>()
            .replace('~', "~0")
            .replace('/', "~1")
    };
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// serde quotes the value it met, which may be an article: only what was expected is told.
fn without_values(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or_default();
    if let Some((_, expected)) = message
        .split_once(", expected ")
        .filter(|_| message.starts_with("invalid "))
    {
        return format!("must be {}", plain(expected));
    }
    if let Some((_, expected)) = message
        .split_once("`, expected ")
        .filter(|_| message.starts_with("unknown variant"))
    {
        return format!("must be {expected}");
    }
    if let Some(missing) = message.strip_prefix("missing field ") {
        return format!("has no {missing}");
    }
    if let Some((_, expected)) = message
        .split_once("`, expected ")
        .filter(|_| message.starts_with("unknown field"))
    {
        return format!("is not known here; there is {expected}");
    }
    let said: String = message.chars().take(400).collect();
    format!("cannot be read: {said}")
}

/// serde's words for what it expected, as JSON's.
fn plain(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" => "a whole number that is not negative or too large",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

/// Whether it may name a picture.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id != "request"
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Checks number and names of the pictures.
pub(super) fn check_images(images: &[ImageRef], bounds: &config::Intake) -> Result<(), Error> {
    if images.len() > bounds.max_images {
        return Err(Error::TooManyImages {
            limit: bounds.max_images,
        });
    }
    let mut seen = HashSet::new();
    for (index, image) in images.iter().enumerate() {
        let at = |name: &str| format!("/images/{index}/{name}");
        if !is_id(&image.id) {
            return Err(fault(
                &at("id"),
                "must be 1 to 64 of `A-Z a-z 0-9 . _ -`, and not `request`",
            ));
        }
        if !seen.insert(&image.id) {
            return Err(fault(&at("id"), "comes twice; each picture has its own id"));
        }
        short(&at("filename"), image.filename.as_deref())?;
        short(&at("caption"), image.caption.as_deref())?;
        if image
            .link
            .as_ref()
            .is_some_and(|link| link.len() > MAX_URL_CHARS)
        {
            return Err(Error::Field {
                pointer: at("link"),
                detail: format!("may have at most {MAX_URL_CHARS} characters"),
                limit: Some(MAX_URL_CHARS as u64),
            });
        }
    }
    Ok(())
}

/// Checks and normalises the whole request.
pub(super) fn checked(
    mut request: SummaryRequest,
    bounds: &config::Intake,
) -> Result<SummaryRequest, Error> {
    if let Some(article) = &mut request.article {
        check_article(article, bounds)?;
    }
    if !request.article.as_ref().is_some_and(has_text) && request.images.is_empty() {
        return Err(Error::NothingToRead);
    }
    request.fields = Some(wanted(request.fields.as_deref())?);
    check_guidelines(&request.guidelines)?;
    check_limits(&request.limits)?;
    let candidates = request.candidates.unwrap_or(1);
    in_range(
        "/candidates",
        Some(u16::from(candidates)),
        1..=u16::from(MAX_CANDIDATES),
    )?;
    request.candidates = Some(candidates);
    Ok(request)
}

/// The part of a request that an answer depends on: who waits for it does not change it.
pub(crate) fn without_priority(request: &SummaryRequest) -> SummaryRequest {
    SummaryRequest {
        priority: Priority::default(),
        ..request.clone()
    }
}

fn check_article(article: &mut Article, bounds: &config::Intake) -> Result<(), Error> {
    let limit = bounds.max_content_chars;
    // Every character has at least one byte: most articles are not counted at all.
    if article.content.len() > limit && article.content.chars().nth(limit).is_some() {
        return Err(Error::ContentTooLong { limit });
    }
    short("/article/title", article.title.as_deref())?;
    if let Some(url) = &mut article.url {
        *url = web_address(url)?;
    }
    if let Some(language) = &article.language
        && language != "auto"
        && !is_language_tag(language)
    {
        return Err(fault(
            "/article/language",
            "must be `auto`, or a BCP 47 tag such as `en`, `zh-Hans`, `de-CH`",
        ));
    }
    Ok(())
}

/// Whether there is a letter or digit outside of tags. An editor's empty page is `<p></p>`.
fn has_text(article: &Article) -> bool {
    let mut in_tag = false;
    let in_content = article.content.chars().any(|c| {
        match c {
            '<' if article.format != ContentFormat::Text => in_tag = true,
            '>' => in_tag = false,
            _ => {}
        }
        !in_tag && c.is_alphanumeric()
    });
    in_content
        || article
            .title
            .as_deref()
            .is_some_and(|title| title.chars().any(char::is_alphanumeric))
}

fn web_address(text: &str) -> Result<String, Error> {
    let wrong = || {
        fault(
            "/article/url",
            "must be an absolute http or https URL without a user name",
        )
    };
    if text.len() > MAX_URL_CHARS {
        return Err(Error::Field {
            pointer: "/article/url".to_owned(),
            detail: format!("may have at most {MAX_URL_CHARS} characters"),
            limit: Some(MAX_URL_CHARS as u64),
        });
    }
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none();
    if plain && url.has_host() {
        Ok(url.into())
    } else {
        Err(wrong())
    }
}

/// The shape of RFC 5646: subtags of one to eight letters or digits, the first of two to eight letters.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let primary = subtags.next().unwrap_or_default();
    (2..=8).contains(&primary.len())
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && tag.len() <= 35
        && subtags.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// The fields in their order, each once; all when the request names none.
fn wanted(fields: Option<&[Field]>) -> Result<Vec<Field>, Error> {
    match fields {
        None => Ok(Field::ALL.to_vec()),
        Some([]) => Err(fault(
            "/fields",
            "is empty; name at least one field, or leave `fields` out for all",
        )),
        Some(fields) => Ok(Field::ALL
            .into_iter()
            .filter(|field| fields.contains(field))
            .collect()),
    }
}

fn check_guidelines(guidelines: &Guidelines) -> Result<(), Error> {
    short("/guidelines/tone", guidelines.tone.as_deref())?;
    short("/guidelines/audience", guidelines.audience.as_deref())?;
    short("/guidelines/brand", guidelines.brand.as_deref())?;
    for (name, phrases) in [
        ("must_include", &guidelines.must_include),
        ("avoid", &guidelines.avoid),
    ] {
        let pointer = format!("/guidelines/{name}");
        if phrases.len() > MAX_PHRASES {
            let detail = format!("may have at most {MAX_PHRASES} phrases");
            return Err(Error::Field {
                pointer,
                detail,
                limit: Some(MAX_PHRASES as u64),
            });
        }
        for (index, phrase) in phrases.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            short(&pointer, Some(phrase))?;
            if phrase.trim().is_empty() {
                return Err(fault(
                    &pointer,
                    "is empty; a phrase has at least one character",
                ));
            }
        }
    }
    Ok(())
}

fn check_limits(limits: &FieldLimits) -> Result<(), Error> {
    in_range("/limits/title_chars", limits.title_chars, 10..=200)?;
    in_range(
        "/limits/description_chars",
        limits.description_chars,
        20..=500,
    )?;
    in_range("/limits/keywords", limits.keywords, 1..=20)?;
    in_range("/limits/alt_chars", limits.alt_chars, 20..=500)
}

fn short(pointer: &str, text: Option<&str>) -> Result<(), Error> {
    match text.and_then(|text| text.chars().nth(MAX_SHORT_CHARS)) {
        None => Ok(()),
        Some(_) => Err(Error::Field {
            pointer: pointer.to_owned(),
            detail: format!("may have at most {MAX_SHORT_CHARS} characters"),
            limit: Some(MAX_SHORT_CHARS as u64),
        }),
    }
}

fn in_range(pointer: &str, value: Option<u16>, range: RangeInclusive<u16>) -> Result<(), Error> {
    match value {
        Some(value) if !range.contains(&value) => Err(Error::Field {
            pointer: pointer.to_owned(),
            detail: format!("must be {} to {}", range.start(), range.end()),
            limit: Some(u64::from(if value < *range.start() {
                *range.start()
            } else {
                *range.end()
            })),
        }),
        _ => Ok(()),
    }
}

fn fault(pointer: &str, detail: &str) -> Error {
    Error::Field {
        pointer: pointer.to_owned(),
        detail: detail.to_owned(),
        limit: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bounds;
    use super::*;

    /// The pointer of the refused field, or the error's words.
    fn refused(json: &str) -> String {
        let request = parse::<SummaryRequest>(json.as_bytes())
            .and_then(|request| check_images(&request.images, &bounds()).map(|()| request))
            .and_then(|request| checked(request, &bounds()));
        match request {
            Ok(_) => "accepted".to_owned(),
            Err(Error::Field { pointer, .. }) => pointer,
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(rest: &str, expect: &str) {
        let json = format!(r#"{{"article":{{"content":"Hello","format":"text"}},{rest}}}"#);
        assert_eq!(refused(&json), expect, "{rest}");
    }

    #[track_caller]
    fn check_article_with(rest: &str, expect: &str) {
        assert_eq!(
            refused(&format!(
                r#"{{"article":{{"content":"Hello","format":"text",{rest}}}}}"#
            )),
            expect,
            "{rest}"
        );
    }

    #[test]
    fn a_plain_request_is_accepted() {
        check(r#""seed":7"#, "accepted");
        check(r#""images":[{"id":"a.b_c-1"}]"#, "accepted");
    }

    #[test]
    fn a_wrong_value_is_named_by_its_pointer() {
        let long = "x".repeat(501);
        check(r#""candidates":0"#, "/candidates");
        check(r#""candidates":6"#, "/candidates");
        check(r#""candidates":"two""#, "/candidates");
        check(r#""fields":[]"#, "/fields");
        check(r#""fields":["title","titel"]"#, "/fields/1");
        check(r#""limits":{"title_chars":9}"#, "/limits/title_chars");
        check(r#""limits":{"alt_chars":501}"#, "/limits/alt_chars");
        check(
            &format!(r#""guidelines":{{"tone":"{long}"}}"#),
            "/guidelines/tone",
        );
        check(r#""guidelines":{"avoid":["a"," "]}"#, "/guidelines/avoid/1");
        check(
            &format!(
                r#""guidelines":{{"avoid":[{}]}}"#,
                vec!["\"a\""; 21].join(",")
            ),
            "/guidelines/avoid",
        );
        check(r#""images":[{"id":"a"},{"id":"a"}]"#, "/images/1/id");
        check(r#""images":[{"id":"request"}]"#, "/images/0/id");
        check(r#""images":[{"id":"a/b"}]"#, "/images/0/id");
        check(
            r#""images":[{"id":"a","filename":7}]"#,
            "/images/0/filename",
        );
    }

    #[test]
    fn an_articles_address_is_a_web_address() {
        check_article_with(r#""url":"https://blog.example/a b""#, "accepted");
        for wrong in [
            "javascript:alert(1)",
            "/post",
            "ftp://a.example/",
            "https://me:pw@a.example/",
            "https://",
        ] {
            check_article_with(&format!(r#""url":"{wrong}""#), "/article/url");
        }
    }

    #[test]
    fn a_language_is_a_tag() {
        for right in ["auto", "en", "zh-Hans", "de-CH-1996"] {
            check_article_with(&format!(r#""language":"{right}""#), "accepted");
        }
        for wrong in ["", "e", "english please", "en_US", "en-", "12"] {
            check_article_with(&format!(r#""language":"{wrong}""#), "/article/language");
        }
    }

    #[test]
    fn an_empty_page_is_nothing_to_read() {
        for empty in [
            "",
            " \\n",
            "<p></p>",
            "<p class=x>&nbsp; …</p>".replace("&nbsp;", "").as_str(),
        ] {
            let json = format!(r#"{{"article":{{"content":"{empty}","format":"html"}}}}"#);
            assert!(
                refused(&json).contains("neither text nor"),
                "{empty:?}: {}",
                refused(&json)
            );
        }
        assert_eq!(
            refused(r#"{"article":{"content":"","format":"html"},"images":[{"id":"a"}]}"#),
            "accepted"
        );
    }

    #[test]
    fn the_article_is_bounded_in_characters_not_bytes() {
        let json = |count| {
            format!(
                r#"{{"article":{{"content":"{}","format":"text"}}}}"#,
                "字".repeat(count)
            )
        };
        assert_eq!(refused(&json(1000)), "accepted");
        assert!(refused(&json(1001)).contains("more than 1000 characters"));
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_sent() {
        for json in [
            r#"{"candidates":"a private sentence"}"#,
            r#"{"engine":"a private sentence"}"#,
            r#"{"article":"a private sentence"}"#,
        ] {
            let error = parse::<SummaryRequest>(json.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("private"), "{error}");
            assert!(error.to_string().contains(" must be "), "{error}");
        }
    }

    #[test]
    fn an_array_is_no_object() {
        for (json, pointer) in [
            (r#"{"article":["a","b","text"]}"#, "/article"),
            (r#"{"limits":[60]}"#, "/limits"),
            (r#"{"images":[["a"]]}"#, "/images/0"),
        ] {
            assert_eq!(refused(json), pointer);
        }
        let said = parse::<SummaryRequest>(b"[1,2").unwrap_err().to_string();
        assert_eq!(said, "the JSON must be an object, `{…}`");
    }

    #[test]
    fn a_refusal_is_a_sentence_about_the_field() {
        for (json, said) in [
            (r#"{"candidates":6}"#, "`/candidates` must be 1 to 5"),
            (r#"{"article":[]}"#, "`/article` must be an object"),
            (
                r#"{"article":{"format":"text"}}"#,
                "`/article` has no `content`",
            ),
            (
                r#"{"seed":"x"}"#,
                "`/seed` must be a whole number that is not negative or too large",
            ),
            (r#"{"fields":"title"}"#, "`/fields` must be a list"),
        ] {
            let article = r#""article":{"content":"Hello","format":"text"}"#;
            let whole = match json.contains("article") {
                true => json.to_owned(),
                false => json.replacen('{', &format!("{{{article},"), 1),
            };
            let error = parse::<SummaryRequest>(whole.as_bytes())
                .and_then(|request| checked(request, &bounds()))
                .unwrap_err();
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn broken_json_says_where() {
        assert_eq!(
            refused("{\"seed\": }"),
            "the JSON is not valid JSON (line 1, column 10)"
        );
        assert_eq!(refused("{"), "the JSON ends too early (line 1, column 1)");
    }

    #[test]
    fn fields_are_in_order_and_once() {
        let json =
            r#"{"article":{"content":"Hello","format":"text"},"fields":["slug","title","slug"]}"#;
        let request = checked(parse(json.as_bytes()).unwrap(), &bounds()).unwrap();
        assert_eq!(request.fields.unwrap(), [Field::Title, Field::Slug]);
    }
}
