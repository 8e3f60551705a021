//! `serve --demo`: a page and a token for it, on this machine only.

use std::sync::OnceLock;

use api::Code;
use serde_json::json;

use crate::check::{fresh, refused};
use crate::client::{Answer, Request};
use crate::server::{Server, Setup, product, shared};

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        Server::start(Setup::default().page("<!doctype html><title>A demo</title>"))
    })
}

fn own_origin() -> String {
    format!("http://{}", server().address())
}

fn token(origin: Option<&str>) -> Answer {
    let request = server().post("/demo/token");
    match origin {
        Some(origin) => request.header("Origin", origin).send(),
        None => request.send(),
    }
}

#[test]
fn the_page_is_served_and_may_run_its_own_module_only() {
    let answer = server().get("/").send();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("A demo"));
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(
        policy.contains("script-src 'self' 'wasm-unsafe-eval'"),
        "{policy}"
    );
}

#[test]
fn the_page_gets_a_token_that_works_from_it() {
    let answer = token(Some(&own_origin()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let request = server()
        .post("/v1/summaries")
        .bearer(&token)
        .header("Origin", &own_origin());
    assert_eq!(request.json(&fresh("Bread.")).send().status, 200);
    let request = server()
        .post("/v1/tokens")
        .bearer(&token)
        .header("Origin", &own_origin());
    refused(&request.json(&json!({})).send(), Code::KeyRequired);
}

#[test]
fn another_page_gets_none() {
    for origin in [
        None,
        Some("https://evil.example"),
        Some("null"),
        Some("http://127.0.0.1"),
    ] {
        println!("{origin:?}");
        refused(&token(origin), Code::OriginRefused);
    }
}

#[test]
fn a_name_that_was_made_to_point_here_gets_none() {
    let request = Request::new(server().address(), "POST", "/demo/token").host("rebound.example");
    refused(
        &request.header("Origin", "http://rebound.example").send(),
        Code::OriginRefused,
    );
}

#[test]
fn nothing_outside_of_the_folder_is_served() {
    for path in [
        "/../smart-summary.toml",
        "/%2e%2e/smart-summary.toml",
        "/..%2fsmart-summary.toml",
        "/page/../../pepper",
        "//etc/passwd",
    ] {
        println!("{path}");
        let answer = server().get(path).send();
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(!answer.text().contains("tiers"), "{path}");
    }
    refused(&server().get("/nothing.js").send(), Code::NotFound);
}

#[test]
fn a_server_without_a_demo_gives_no_tokens() {
    let answer = shared()
        .post("/demo/token")
        .header("Origin", "https://blog.example")
        .send();
    refused(&answer, Code::NotFound);
}

#[test]
fn the_demo_is_for_this_machine_only() {
    let page = server().data_dir().join("page");
    let output = product()
        .args([
            "--data-dir",
            server().data_dir().to_str().unwrap(),
            "serve",
            "--bind",
            "0.0.0.0:0",
            "--demo",
        ])
        .arg(page)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("loopback"), "{told}");
}
