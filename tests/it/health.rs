//! `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, `/docs`.

use api::{Code, EngineName, Health, Readiness};
use serde_json::{Map, Value};

use crate::check::refused;
use crate::client::Request;
use crate::server::{Server, Setup, eventually, shared};

const ROUTES: [(&str, &[&str]); 8] = [
    ("/v1/summaries", &["post"]),
    ("/v1/tokens", &["post"]),
    ("/v1/usage", &["get"]),
    ("/v1/admin/keys", &["get", "post"]),
    ("/v1/admin/keys/{id}", &["get", "patch", "delete"]),
    ("/v1/admin/keys/{id}/rotate", &["post"]),
    ("/healthz", &["get"]),
    ("/readyz", &["get"]),
];

#[test]
fn the_process_says_that_it_runs() {
    let answer = shared().get("/healthz").send();
    let health: Health = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, health.status.as_str()), (200, "ok"));
    assert!(!health.version.is_empty());
}

#[test]
fn the_server_lists_its_engines() {
    let answer = shared().get("/readyz").send();
    assert_eq!(answer.status, 200);
    let readiness: Readiness = serde_json::from_slice(&answer.body).unwrap();
    assert!(readiness.ready);
    assert!(
        readiness
            .engines
            .iter()
            .any(|engine| engine.engine == EngineName::Extractive
                && engine.ready
                && !engine.sees_images)
    );
}

#[test]
fn a_server_without_a_ready_store_is_not_ready() {
    let server = Server::start(Setup::default());
    assert_eq!(server.get("/readyz").send().status, 200);
    crate::problems::spoil_store(&server);
    let answer = eventually("the server notices", || {
        Some(server.get("/readyz").send()).filter(|answer| answer.status == 503)
    });
    let readiness: Readiness = serde_json::from_slice(&answer.body).unwrap();
    assert!(!readiness.ready);
    assert_eq!(
        server.get("/healthz").send().status,
        200,
        "the process runs all the same"
    );
}

#[test]
fn a_health_check_may_be_a_head() {
    let answer = shared().request("HEAD", "/healthz").send();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn metrics_are_on_their_own_address_only() {
    refused(&shared().get("/metrics").send(), Code::NotFound);
    let answer = Request::new(shared().metrics_address(), "GET", "/metrics").send();
    assert_eq!(answer.status, 200);
    let text = answer.text();
    for name in [
        "smart_summary_build_info",
        "smart_summary_requests_in_flight",
        "smart_summary_requests_total",
    ] {
        assert!(text.contains(name), "{name}");
    }
    let other = Request::new(shared().metrics_address(), "GET", "/v1/usage")
        .bearer(&shared().admin)
        .send();
    assert_eq!(other.status, 404);
}

#[test]
fn metrics_count_routes_and_codes_not_callers() {
    // A server of its own: other tests add series to the shared one.
    let server = Server::start(Setup::default());
    refused(&server.get("/v1/usage").send(), Code::CredentialsMissing);
    refused(&server.get("/nowhere").send(), Code::NotFound);
    let counted = |labels: &[&str]| server.metric("smart_summary_requests_total", labels);
    assert_eq!(
        counted(&["/v1/usage", "\"401\"", "credentials_missing"]),
        1.0
    );
    assert_eq!(
        server.metric("smart_summary_refusals_total", &["credentials_missing"]),
        1.0
    );
    let series = || {
        Request::new(server.metrics_address(), "GET", "/metrics")
            .send()
            .text()
            .lines()
            .count()
    };
    let before = series();
    for number in 0..20 {
        server.get(&format!("/nowhere/{number}")).send();
    }
    assert_eq!(
        series(),
        before,
        "the number of series grows with the addresses that are asked for"
    );
}

fn document() -> Value {
    let answer = shared().get("/openapi.json").send();
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn the_document_is_openapi_3_1_and_names_every_route() {
    let document = document();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        document["openapi"]
    );
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in ROUTES {
        for method in methods {
            assert!(
                paths
                    .get(path)
                    .is_some_and(|item| item.get(method).is_some()),
                "{method} {path} is not in {:?}",
                paths.keys()
            );
        }
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                operation["responses"]
                    .as_object()
                    .is_some_and(|all| !all.is_empty()),
                "{method} {path}"
            );
            assert!(
                operation["operationId"].is_string() || operation["summary"].is_string(),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn the_document_names_every_code() {
    let text = document().to_string();
    for code in Code::ALL {
        assert!(text.contains(&format!("\"{code}\"")), "{code}");
    }
}

#[test]
fn every_reference_of_the_document_resolves() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference
            .strip_prefix('#')
            .unwrap_or_else(|| panic!("{reference} leads outside"));
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(reference(fields));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

fn reference(fields: &Map<String, Value>) -> Option<String> {
    Some(fields.get("$ref")?.as_str()?.to_owned())
}

#[test]
fn the_committed_document_is_the_servers() {
    let file = crate::project::root().join("docs/openapi.json");
    let committed = std::fs::read_to_string(&file)
        .expect("docs/openapi.json is written by `cargo xtask types`");
    let committed: Value = serde_json::from_str(&committed).unwrap();
    assert!(
        committed == document(),
        "docs/openapi.json is stale: run `cargo xtask types`"
    );
}

#[test]
fn the_documentation_has_a_paragraph_for_every_code() {
    let answer = shared().get("/docs/errors").send();
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("Content-Type")
            .unwrap()
            .starts_with("text/html")
    );
    let page = answer.text();
    for code in Code::ALL {
        assert!(
            page.contains(&format!("id=\"{code}\"")),
            "{code} has no anchor"
        );
        assert!(page.contains(code.title()), "{code}: {}", code.title());
    }
}

#[test]
fn the_documentation_page_names_the_routes() {
    let page = shared().get("/docs").send();
    assert_eq!(page.status, 200);
    for (path, _) in ROUTES {
        assert!(
            page.text().contains(path.split("/{").next().unwrap()),
            "{path}"
        );
    }
    assert!(
        !page.text().contains("https://cdn"),
        "the page is whole without a network"
    );
}
