//! `/docs` and `/docs/errors`: pages made here of the OpenAPI document and the table of codes. No script, nothing from
//! elsewhere.

use std::fmt::Write as _;
use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse};
use api::Code;
use serde_json::Value;

use super::super::problem::Failure;
use super::anonymous;
use super::openapi::document;

const STYLE: &str = "
:root{color-scheme:light dark;--text:#1d1d1f;--quiet:#5a5a61;--line:#d8d8dd;--code:#f3f3f5;--accent:#0b5cad}
@media(prefers-color-scheme:dark){:root{--text:#e9e9ec;--quiet:#a5a5ad;--line:#3b3b42;--code:#232327;--accent:#7db8f5}}
body{font:16px/1.55 system-ui,sans-serif;color:var(--text);max-width:52rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin:2.2rem 0 .4rem;border-top:1px solid var(--line);padding-top:1.2rem}
h3{font-size:1rem;margin:1rem 0 .2rem}a{color:var(--accent)}p{margin:.4rem 0}
code,pre{font:14px/1.5 ui-monospace,monospace;background:var(--code);border-radius:4px}code{padding:.1em .3em}
pre{padding:.8rem;overflow-x:auto}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
.quiet{color:var(--quiet)}nav a{margin-right:1rem}
";

const EXAMPLE: &str = r#"curl -sS http://127.0.0.1:8080/v1/summaries \
  -H "Authorization: Bearer $KEY" \
  -F 'request={"article":{"content":"<p>…</p>","format":"html"},"images":[{"id":"hero"}]};type=application/json' \
  -F 'hero=@hero.jpg'"#;

/// `GET /docs`: every operation and every type.
pub(in crate::http) async fn reference(request: HttpRequest) -> Result<HttpResponse, Failure> {
    static PAGE: OnceLock<String> = OnceLock::new();
    anonymous(&request)?;
    Ok(html(PAGE.get_or_init(|| {
        reference_page(&serde_json::from_str(document()).unwrap_or_default())
    })))
}

/// `GET /docs/errors`: a paragraph per code.
pub(in crate::http) async fn errors(request: HttpRequest) -> Result<HttpResponse, Failure> {
    static PAGE: OnceLock<String> = OnceLock::new();
    anonymous(&request)?;
    Ok(html(PAGE.get_or_init(errors_page)))
}

/// `GET /docs/style.css`.
pub(in crate::http) async fn style() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .body(STYLE)
}

fn html(page: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><nav><a href=\"/docs\">Reference</a>\
         <a href=\"/docs/errors\">Errors</a><a href=\"/openapi.json\">OpenAPI</a></nav>{body}</body></html>\n"
    )
}

fn errors_page() -> String {
    let mut body = String::from(
        "<h1>Errors</h1><p>Every error is <code>application/problem+json</code> (RFC 9457). Act on <code>code</code>; \
         <code>detail</code> says what happened and what to do; <code>request_id</code> finds it in the server's log.</p>",
    );
    for code in Code::ALL {
        let _ = write!(
            body,
            "<section id=\"{code}\"><h2><code>{code}</code> <span class=\"quiet\">{}</span></h2><p><b>{}.</b> {}</p></section>",
            code.status(),
            escaped(code.title()),
            prose(code.explanation().trim()),
        );
    }
    page("Smart Summary: errors", &body)
}

fn reference_page(document: &Value) -> String {
    let mut body = format!(
        "<h1>Smart Summary</h1><p>{}</p><p>Send <code>Authorization: Bearer</code> with an API key, or from a browser with \
         a token of <code>POST /v1/tokens</code>.</p><pre>{}</pre>",
        prose(text(document, "/info/description")),
        escaped(EXAMPLE),
    );
    for (path, item) in entries(document.get("paths")) {
        for (method, operation) in entries(Some(item)) {
            operation_section(&mut body, method, path, operation);
        }
    }
    body.push_str("<h1>Types</h1>");
    for (name, schema) in entries(document.pointer("/components/schemas")) {
        let _ = write!(
            body,
            "<section id=\"{0}\"><h2>{0}</h2><p>{1}</p>",
            escaped(name),
            prose(text(schema, "/description"))
        );
        schema_table(&mut body, schema);
        body.push_str("</section>");
    }
    page("Smart Summary: reference", &body)
}

fn operation_section(body: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(
        body,
        "<section><h2><code>{} {}</code></h2><p><b>{}</b> {}</p>",
        method.to_uppercase(),
        escaped(path),
        escaped(text(operation, "/summary")),
        prose(text(operation, "/description")),
    );
    if let Some(scope) = operation
        .pointer("/security/0/bearer/0")
        .and_then(Value::as_str)
    {
        let _ = write!(body, "<p>Scope: <code>{}</code></p>", escaped(scope));
    }
    for parameter in operation
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let _ = write!(
            body,
            "<p><code>{}</code> ({}): {}</p>",
            escaped(text(parameter, "/name")),
            escaped(text(parameter, "/in")),
            prose(text(parameter, "/description")),
        );
    }
    bodies(body, "Request", operation.pointer("/requestBody/content"));
    for (status, response) in entries(operation.get("responses")) {
        let _ = write!(
            body,
            "<h3>{} <span class=\"quiet\">{}</span></h3>",
            escaped(status),
            prose(text(response, "/description"))
        );
        bodies(body, "", response.get("content"));
    }
    body.push_str("</section>");
}

fn bodies(body: &mut String, title: &str, content: Option<&Value>) {
    if content.is_some() && !title.is_empty() {
        let _ = write!(body, "<h3>{title}</h3>");
    }
    for (media_type, content) in entries(content) {
        let schema = content.get("schema").map(kind).unwrap_or_default();
        let _ = write!(
            body,
            "<p><code>{}</code>: {schema}</p>",
            escaped(media_type)
        );
    }
}

fn schema_table(body: &mut String, schema: &Value) {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties: Vec<_> = entries(schema.get("properties")).collect();
    if properties.is_empty() {
        let _ = write!(body, "<p>{}</p>", kind(schema));
        return;
    }
    body.push_str("<table><tbody>");
    for (name, property) in properties {
        let optional = if required.contains(&name) {
            ""
        } else {
            " <span class=\"quiet\">optional</span>"
        };
        let _ = write!(
            body,
            "<tr><td><code>{}</code>{optional}</td><td>{}</td><td>{}</td></tr>",
            escaped(name),
            kind(property),
            prose(text(property, "/description")),
        );
    }
    body.push_str("</tbody></table>");
}

/// What kind of value a schema describes, as HTML with links to the types.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|path| path.rsplit('/').next())
    {
        return format!("<a href=\"#{0}\">{0}</a>", escaped(name));
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<String> = values
            .iter()
            .map(|value| {
                format!(
                    "<code>{}</code>",
                    escaped(value.as_str().unwrap_or_default())
                )
            })
            .collect();
        return values.join(" ");
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema.get(choice).and_then(Value::as_array) {
            let kinds: Vec<String> = schemas
                .iter()
                .map(kind)
                .filter(|kind| kind != "null")
                .collect();
            return kinds.join(" or ");
        }
    }
    let name = match schema.get("type") {
        Some(Value::Array(types)) => types
            .iter()
            .filter_map(Value::as_str)
            .filter(|name| *name != "null")
            .collect::<Vec<_>>()
            .join(" or "),
        Some(Value::String(name)) => name.clone(),
        _ => String::new(),
    };
    match schema.get("items") {
        Some(items) => format!("list of {}", kind(items)),
        None => escaped(&name),
    }
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Escaped text whose `code` is marked.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in escaped(text).split('`').enumerate() {
        match index % 2 {
            0 => out.push_str(part),
            _ => {
                let _ = write!(out, "<code>{part}</code>");
            }
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_paragraph() {
        let page = errors_page();
        for code in Code::ALL {
            assert!(page.contains(&format!("<section id=\"{code}\">")), "{code}");
        }
    }

    #[test]
    fn the_reference_links_to_types_that_are_there() {
        let page = reference_page(&serde_json::from_str(document()).unwrap());
        for link in page.split("href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
        }
        assert!(page.contains("POST /v1/summaries"));
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(prose("a `<b>` & c"), "a <code>&lt;b&gt;</code> &amp; c");
    }
}
