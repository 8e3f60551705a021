//! What every refusal and every answer of this server has.

use api::{Code, Problem};
use serde_json::{Value, json};

use crate::client::Answer;

/// The answer is the refusal `code` in the contract's form.
#[track_caller]
pub(crate) fn refused(answer: &Answer, code: Code) -> Problem {
    let problem = answer.problem();
    assert_eq!(
        (problem.code, answer.status),
        (code, code.status()),
        "{}",
        answer.text()
    );
    assert_eq!(problem.status, code.status());
    assert_eq!(problem.title, code.title());
    assert_eq!(problem.r#type, format!("/docs/errors#{code}"));
    assert!(!problem.detail.is_empty());
    assert_eq!(
        answer.header("X-Request-Id"),
        Some(problem.request_id.as_str())
    );
    let challenge = answer.header("WWW-Authenticate");
    let challenged = code.status() == 401 || code == Code::ScopeMissing;
    assert_eq!(
        challenge.is_some(),
        challenged,
        "{code}: WWW-Authenticate: {challenge:?}"
    );
    assert!(
        challenge.is_none_or(|challenge| challenge.starts_with("Bearer ")),
        "{challenge:?}"
    );
    if matches!(code.status(), 429 | 503) {
        let seconds: u64 = answer
            .header("Retry-After")
            .expect("Retry-After")
            .parse()
            .unwrap();
        let millis = problem.retry_after_ms.expect("retry_after_ms");
        assert!(
            seconds * 1000 >= millis,
            "Retry-After: {seconds} is earlier than {millis} ms"
        );
        assert!(seconds >= 1);
    }
    secured(answer);
    problem
}

/// As [`refused`], and `field` is the one at fault.
#[track_caller]
pub(crate) fn refused_at(answer: &Answer, code: Code, field: &str) -> Problem {
    let problem = refused(answer, code);
    assert_eq!(problem.field.as_deref(), Some(field), "{}", answer.text());
    problem
}

/// As [`refused`], and `image` is the picture at fault.
#[track_caller]
pub(crate) fn refused_image(answer: &Answer, code: Code, image: &str) -> Problem {
    let problem = refused(answer, code);
    assert_eq!(problem.image.as_deref(), Some(image), "{}", answer.text());
    problem
}

/// The headers that every answer of the server has.
#[track_caller]
pub(crate) fn secured(answer: &Answer) {
    assert_eq!(
        answer.header("X-Content-Type-Options"),
        Some("nosniff"),
        "{} {:?}",
        answer.status,
        answer.headers
    );
    assert!(
        answer.header("Content-Security-Policy").is_some(),
        "Content-Security-Policy: {:?}",
        answer.headers
    );
    assert_eq!(
        answer.header("Referrer-Policy"),
        Some("no-referrer"),
        "{:?}",
        answer.headers
    );
    let id = answer.header("X-Request-Id").unwrap_or_default();
    assert!(!id.is_empty(), "X-Request-Id: {:?}", answer.headers);
}

/// A request for a plain-text article; answered by the server's first engine.
pub(crate) fn text(content: &str) -> Value {
    json!({ "article": { "content": content, "format": "text" } })
}

/// An article that no other test sends, so that no cache knows it.
pub(crate) fn fresh(words: &str) -> Value {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    text(&format!(
        "{words} Article number {}.",
        COUNT.fetch_add(1, Ordering::Relaxed)
    ))
}

/// A text of `tests/fixtures`.
#[track_caller]
pub(crate) fn fixture(path: &str) -> String {
    let file = crate::project::root().join("tests/fixtures").join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
