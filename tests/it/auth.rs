//! Who may call: every route with every kind of credential.

use std::collections::BTreeSet;

use api::Code;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::check::{fresh, refused};
use crate::client::Request;
use crate::server::{Server, Setup, eventually, shared};

/// A route that asks for credentials.
struct Route {
    method: &'static str,
    path: &'static str,
    /// The scope it needs; `None`: any key or token.
    scope: Option<&'static str>,
    takes_tokens: bool,
}

const ROUTES: [Route; 14] = [
    Route {
        method: "GET",
        path: "/v1/batches",
        scope: Some("batches:write"),
        takes_tokens: true,
    },
    Route {
        method: "POST",
        path: "/v1/batches",
        scope: Some("batches:write"),
        takes_tokens: true,
    },
    Route {
        method: "GET",
        path: "/v1/batches/nobody",
        scope: Some("batches:write"),
        takes_tokens: true,
    },
    Route {
        method: "GET",
        path: "/v1/batches/nobody/results",
        scope: Some("batches:write"),
        takes_tokens: true,
    },
    Route {
        method: "DELETE",
        path: "/v1/batches/nobody",
        scope: Some("batches:write"),
        takes_tokens: true,
    },
    Route {
        method: "POST",
        path: "/v1/summaries",
        scope: Some("summaries:write"),
        takes_tokens: true,
    },
    Route {
        method: "POST",
        path: "/v1/tokens",
        scope: Some("tokens:write"),
        takes_tokens: false,
    },
    Route {
        method: "GET",
        path: "/v1/usage",
        scope: None,
        takes_tokens: true,
    },
    Route {
        method: "GET",
        path: "/v1/admin/keys",
        scope: Some("admin"),
        takes_tokens: false,
    },
    Route {
        method: "POST",
        path: "/v1/admin/keys",
        scope: Some("admin"),
        takes_tokens: false,
    },
    Route {
        method: "GET",
        path: "/v1/admin/keys/nobody",
        scope: Some("admin"),
        takes_tokens: false,
    },
    Route {
        method: "PATCH",
        path: "/v1/admin/keys/nobody",
        scope: Some("admin"),
        takes_tokens: false,
    },
    Route {
        method: "POST",
        path: "/v1/admin/keys/nobody/rotate",
        scope: Some("admin"),
        takes_tokens: false,
    },
    Route {
        method: "DELETE",
        path: "/v1/admin/keys/nobody",
        scope: Some("admin"),
        takes_tokens: false,
    },
];

impl Route {
    fn request(&self, server: &Server) -> Request {
        let request = server.request(self.method, self.path);
        match self.method {
            "POST" | "PATCH" => request.json(&json!({})),
            _ => request,
        }
    }
}

/// Every route answers the same to these credentials.
#[track_caller]
fn check_everywhere(server: &Server, code: Code, credentials: impl Fn(Request) -> Request) {
    for route in ROUTES {
        println!("{} {}", route.method, route.path);
        refused(&credentials(route.request(server)).send(), code);
    }
}

#[track_caller]
fn check_header(code: Code, header: &str) {
    check_everywhere(shared(), code, |request| {
        request.header("Authorization", header)
    });
}

#[test]
fn a_caller_without_credentials_is_told_to_send_some() {
    check_everywhere(shared(), Code::CredentialsMissing, |request| request);
}

#[test]
fn a_header_that_is_not_bearer_and_one_credential_is_malformed() {
    for header in [
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token abc",
        "ss_live_abc",
        "Bearer one two",
        "Bearer not-a-key",
    ] {
        println!("{header:?}");
        check_header(Code::CredentialsMalformed, header);
    }
    // Longer than any token of ours: it is not even looked at, though it begins as one.
    for longer in [
        "x".repeat(5000),
        format!("ss_live_{}", "x".repeat(5000)),
        "e.".repeat(3000),
    ] {
        check_header(Code::CredentialsMalformed, &format!("Bearer {longer}"));
    }
}

/// The table above is what the document promises: a new route cannot be forgotten here.
#[test]
fn every_route_that_asks_for_credentials_is_in_the_table() {
    let document = shared().get("/openapi.json").send().json();
    // They answer with OpenAI's errors: `chat::the_doors_are_behind_the_same_locks`.
    let chats = [
        "post /api/v1/inference",
        "post /infer",
        "post /v1/chat/completions",
        "get /v1/models",
        "get /v1/models/{id}",
        "post /v1/multimodal/completion",
    ];
    let (mut closed, mut open) = (BTreeSet::new(), BTreeSet::new());
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let all = if operation["security"].is_array() {
                &mut closed
            } else {
                &mut open
            };
            all.insert(format!("{method} {path}"));
        }
    }
    let table = ROUTES.iter().map(|route| {
        let path = route.path.replace("nobody", "{id}");
        format!("{} {path}", route.method.to_ascii_lowercase())
    });
    let known: BTreeSet<_> = table.chain(chats.map(str::to_owned)).collect();
    assert_eq!(closed, known);
    assert_eq!(
        open,
        BTreeSet::from(["get /healthz", "get /readyz"].map(str::to_owned))
    );
}

/// Other servers leave doors open by a prefix, a spelling or a header that a proxy would have set.
#[test]
fn no_spelling_of_an_address_and_no_header_goes_around_the_door() {
    let server = shared();
    for path in [
        "/v1/usage/",
        "//v1/usage",
        "/v1//usage",
        "/V1/usage",
        "/v1/./usage",
        "/v1/usage/.",
        "/healthz/../v1/usage",
        "/healthz/v1/usage",
        "/healthz%2f..%2fv1/usage",
        "/docs/../v1/admin/keys",
        "/docs/v1/admin/keys",
        "/v1/%75sage",
        "/v1/usage%2f",
        "/v1/usage%00",
        "/v1/usage;a=b",
        "/v1/usage?healthz",
        "/v1/admin/keys?path=/healthz",
    ] {
        for method in [
            "GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
        ] {
            let status = server.request(method, path).send().status;
            assert!((400..500).contains(&status), "{method} {path}: {status}");
        }
    }
    for (name, value) in [
        ("X-API-Key", server.admin.as_str()),
        ("Api-Key", &server.admin),
        ("Proxy-Authorization", &format!("Bearer {}", server.admin)),
        ("Cookie", &format!("authorization={}", server.admin)),
        ("X-Original-URL", "/healthz"),
        ("X-Rewrite-URL", "/healthz"),
        ("X-Forwarded-Prefix", "/healthz"),
        ("X-Forwarded-User", "admin"),
        ("X-HTTP-Method-Override", "OPTIONS"),
        ("Upgrade", "h2c"),
    ] {
        println!("{name}");
        check_everywhere(server, Code::CredentialsMissing, |request| {
            request.header(name, value)
        });
    }
}

#[test]
fn two_authorization_headers_are_malformed() {
    let key = &shared().key;
    check_everywhere(shared(), Code::CredentialsMalformed, |request| {
        request.bearer(key).bearer(key)
    });
}

#[test]
fn the_scheme_is_read_without_regard_to_case() {
    let header = format!("bearer {}", shared().key);
    assert_eq!(
        shared()
            .get("/v1/usage")
            .header("Authorization", &header)
            .send()
            .status,
        200
    );
}

#[test]
fn a_credential_in_the_address_is_not_read() {
    let path = format!("/v1/usage?access_token={}", shared().key);
    refused(&shared().get(&path).send(), Code::CredentialsMissing);
}

#[test]
fn a_mistyped_key_is_told_by_its_checksum() {
    let key = &shared().key;
    let changed = if key.ends_with('x') { "y" } else { "x" };
    for wrong in [
        format!("{}{changed}", &key[..key.len() - 1]),
        key[..key.len() - 1].to_owned(),
        swapped(key, 24),
    ] {
        check_header(Code::KeyMistyped, &format!("Bearer {wrong}"));
    }
}

/// The key with another character at `at`.
fn swapped(key: &str, at: usize) -> String {
    let mut key = key.to_owned().into_bytes();
    key[at] = if key[at] == b'a' { b'b' } else { b'a' };
    String::from_utf8(key).unwrap()
}

#[test]
fn a_key_of_another_server_is_unknown() {
    let elsewhere = tempfile::TempDir::new().unwrap();
    let made = crate::server::command(elsewhere.path())
        .args([
            "keys",
            "create",
            "--name",
            "other",
            "--scopes",
            "admin,summaries:write,tokens:write",
            "--json",
        ])
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    check_header(
        Code::KeyUnknown,
        &format!("Bearer {}", made["key"].as_str().unwrap()),
    );
}

#[test]
fn an_expired_key_is_refused_and_so_are_its_tokens() {
    let server = shared();
    let soon = now_ms() + 1500;
    let draft = json!({ "name": "brief", "scopes": ["summaries:write", "tokens:write"],
        "origins": ["https://blog.example"], "expires_at": soon });
    let (_, key) = server.new_key(&draft);
    let token = server.token(&key, json!({}));
    eventually("the key expires", || {
        (server.get("/v1/usage").bearer(&key).send().status != 200).then_some(())
    });
    check_everywhere(server, Code::KeyExpired, |request| request.bearer(&key));
    let answer = server
        .get("/v1/usage")
        .bearer(&token)
        .header("Origin", "https://blog.example")
        .send();
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[test]
fn a_revoked_key_is_refused_everywhere() {
    let server = shared();
    let (id, key) = server.new_key(
        &json!({ "name": "gone", "scopes": ["admin", "summaries:write", "tokens:write"] }),
    );
    revoke(server, &id);
    check_everywhere(server, Code::KeyRevoked, |request| request.bearer(&key));
}

#[track_caller]
fn revoke(server: &Server, id: &str) {
    let answer = server
        .request("DELETE", &format!("/v1/admin/keys/{id}"))
        .bearer(&server.admin)
        .send();
    assert!((200..300).contains(&answer.status), "{}", answer.text());
}

#[test]
fn a_key_without_the_scope_is_told_which_it_lacks() {
    let server = shared();
    for route in ROUTES {
        let Some(scope) = route.scope else { continue };
        let others: Vec<&str> = ["summaries:write", "tokens:write", "admin", "chat:write"]
            .into_iter()
            .filter(|other| *other != scope)
            .collect();
        // `admin` is for keys and everything else.
        let others: Vec<&str> = others
            .into_iter()
            .filter(|other| *other != "admin")
            .collect();
        let (_, key) = server.new_key(&json!({ "name": "narrow", "scopes": others }));
        let answer = route.request(server).bearer(&key).send();
        let problem = refused(&answer, Code::ScopeMissing);
        assert!(
            problem.detail.contains(scope),
            "{} {}: {}",
            route.method,
            route.path,
            problem.detail
        );
        assert!(
            answer
                .header("WWW-Authenticate")
                .unwrap()
                .contains("insufficient_scope")
        );
    }
}

#[test]
fn a_page_of_another_origin_is_refused() {
    let server = shared();
    let scopes = ["admin", "summaries:write", "tokens:write"];
    let (_, key) = server
        .new_key(&json!({ "name": "page", "scopes": scopes, "origins": ["https://blog.example"] }));
    for origin in [
        "https://evil.example",
        "http://blog.example",
        "https://blog.example:8443",
        "null",
        "https://blog.example.evil.example",
    ] {
        println!("{origin}");
        check_everywhere(server, Code::OriginRefused, |request| {
            request.bearer(&key).header("Origin", origin)
        });
    }
}

#[test]
fn a_key_without_origins_is_for_no_page() {
    let key = &shared().key;
    let answer = shared()
        .get("/v1/usage")
        .bearer(key)
        .header("Origin", "https://blog.example")
        .send();
    refused(&answer, Code::OriginRefused);
}

/// A token of a fresh key, and a request that carries one from its page.
fn token(more: Value) -> String {
    let key = shared().key_with(json!({ "origins": ["https://blog.example"] }));
    shared().token(&key, more)
}

fn from_page(request: Request, token: &str) -> Request {
    request
        .bearer(token)
        .header("Origin", "https://blog.example")
}

/// Every route that takes tokens answers this to one.
#[track_caller]
fn check_token(code: Code, token: &str) {
    for route in ROUTES.iter().filter(|route| route.takes_tokens) {
        println!("{} {}", route.method, route.path);
        refused(&from_page(route.request(shared()), token).send(), code);
    }
}

#[test]
fn a_token_opens_what_it_was_made_for() {
    let token = token(json!({}));
    let answer = from_page(shared().post("/v1/summaries"), &token)
        .json(&fresh("Bread needs time."))
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn a_token_is_refused_where_a_key_is_required() {
    let token = token(json!({}));
    for route in ROUTES.iter().filter(|route| !route.takes_tokens) {
        println!("{} {}", route.method, route.path);
        refused(
            &from_page(route.request(shared()), &token).send(),
            Code::KeyRequired,
        );
    }
}

#[test]
fn an_expired_token_is_told_so() {
    let token = token(json!({ "ttl_seconds": 1 }));
    eventually("the token expires", || {
        (from_page(shared().get("/v1/usage"), &token).send().status != 200).then_some(())
    });
    check_token(Code::TokenExpired, &token);
}

#[test]
fn a_token_is_bound_to_its_origin() {
    let token = token(json!({}));
    for route in ROUTES.iter().filter(|route| route.takes_tokens) {
        let answer = route
            .request(shared())
            .bearer(&token)
            .header("Origin", "https://evil.example")
            .send();
        refused(&answer, Code::OriginRefused);
    }
}

#[test]
fn a_token_that_was_changed_is_invalid() {
    let token = token(json!({}));
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        panic!("a JWT has three parts")
    };
    let mut longer: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    longer["exp"] = json!(4_000_000_000_u64);
    let longer = URL_SAFE_NO_PAD.encode(longer.to_string());
    check_token(Code::TokenInvalid, &format!("{head}.{longer}.{signature}"));
    check_token(
        Code::TokenInvalid,
        &format!("{head}.{claims}.{}", swapped(signature, 8)),
    );
    check_token(Code::TokenInvalid, &format!("{head}.{claims}.AAAA"));
    for algorithm in ["none", "None", "HS256", "RS256", "ES256"] {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": algorithm, "typ": "JWT" }).to_string());
        check_token(Code::TokenInvalid, &format!("{head}.{claims}.{signature}"));
        check_token(Code::TokenInvalid, &format!("{head}.{claims}.AAAA"));
    }
}

#[test]
fn an_unsigned_token_is_refused() {
    let token = token(json!({}));
    let claims = token.split('.').nth(1).unwrap();
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let answer = from_page(shared().get("/v1/usage"), &format!("{head}.{claims}.")).send();
    assert_eq!(answer.status, 401, "{}", answer.text());
}

#[test]
fn a_token_of_another_server_is_invalid() {
    let other = Server::start(Setup::default());
    let key = other.key_with(json!({ "origins": ["https://blog.example"] }));
    check_token(Code::TokenInvalid, &other.token(&key, json!({})));
}

#[test]
fn a_token_is_used_up_after_its_number_of_requests() {
    let token = token(json!({ "max_requests": 2 }));
    for _ in 0..2 {
        let answer = from_page(shared().post("/v1/summaries"), &token)
            .json(&fresh("Bread needs time."))
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let answer = from_page(shared().post("/v1/summaries"), &token)
        .json(&fresh("Bread needs time."))
        .send();
    refused(&answer, Code::TokenUsedUp);
}

#[test]
fn a_revoked_keys_tokens_die_within_a_second() {
    let server = shared();
    let draft = json!({ "name": "gone", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] });
    let (id, key) = server.new_key(&draft);
    let token = server.token(&key, json!({}));
    assert_eq!(
        from_page(server.get("/v1/usage"), &token).send().status,
        200,
        "and is kept in memory from now on"
    );
    revoke(server, &id);
    check_dies_within_a_second(server, &key, &token);
}

#[test]
fn a_key_that_another_process_revokes_dies_within_a_second() {
    let server = shared();
    let draft = json!({ "name": "gone", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] });
    let (id, key) = server.new_key(&draft);
    let token = server.token(&key, json!({}));
    assert_eq!(
        server.get("/v1/usage").bearer(&key).send().status,
        200,
        "and is kept in memory from now on"
    );
    assert_eq!(
        from_page(server.get("/v1/usage"), &token).send().status,
        200
    );
    let revoked = server.cli(&["keys", "revoke", &id]);
    assert!(
        revoked.status.success(),
        "{}",
        String::from_utf8_lossy(&revoked.stderr)
    );
    check_dies_within_a_second(server, &key, &token);
}

#[track_caller]
fn check_dies_within_a_second(server: &Server, key: &str, token: &str) {
    let since = std::time::Instant::now();
    eventually("the key and its token are refused", || {
        let by_key = server.get("/v1/usage").bearer(key).send();
        let by_token = from_page(server.get("/v1/usage"), token).send();
        (by_key.status == 401 && by_token.status == 401).then_some(())
    });
    // Half a second for a slow machine; the promise is one.
    assert!(
        since.elapsed().as_millis() < 1500,
        "after {:?}",
        since.elapsed()
    );
    refused(
        &server.get("/v1/usage").bearer(key).send(),
        Code::KeyRevoked,
    );
    assert_eq!(from_page(server.get("/v1/usage"), token).send().status, 401);
}

#[test]
fn a_caller_over_its_limit_is_refused_on_every_route() {
    let server = Server::start(
        Setup::default()
            .set("tiers.tiny.request_burst", 1)
            .set("tiers.tiny.requests_per_minute", 1),
    );
    for route in ROUTES {
        let scopes = ["admin", "summaries:write", "tokens:write"];
        let (_, key) = server.new_key(&json!({ "name": "tiny", "scopes": scopes, "tier": "tiny" }));
        let first = route.request(&server).bearer(&key).send();
        assert_ne!(
            first.status,
            429,
            "{} {}: {}",
            route.method,
            route.path,
            first.text()
        );
        println!("{} {}", route.method, route.path);
        refused(
            &route.request(&server).bearer(&key).send(),
            Code::RateLimited,
        );
    }
}

#[test]
fn no_secret_and_no_article_is_in_the_log_or_in_an_error() {
    let server = Server::start(Setup::default().set("log.level", "\"trace\""));
    let (id, key) =
        server.new_key(&json!({ "name": "logged", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] }));
    let token = server.token(&key, json!({}));
    let canary = "Xylophagous canaries whistle";
    let long = "an invented idempotency key that nobody should see";
    let bodies = [
        json!({ "article": { "content": canary, "format": "text", "title": canary } }),
        json!({ "article": { "content": canary, "format": canary } }),
        json!({ "article": canary }),
        json!({ "article": { "content": canary, "format": "text" }, "candidates": canary }),
        json!({ "article": { "content": canary, "format": "text" }, "images": [{ "id": "a", "caption": canary, "data": format!("data:image/png;base64,{canary}") }] }),
    ];
    let mut answers = String::new();
    for body in &bodies {
        let answer = server
            .post("/v1/summaries")
            .bearer(&key)
            .json(body)
            .header("Idempotency-Key", long)
            .send();
        if answer.status != 200 {
            answers.push_str(&answer.text());
        }
        answers.push_str(&format!("{:?}", answer.headers));
    }
    for wrong in [swapped(&key, 30), format!("{token}x")] {
        answers.push_str(&server.get("/v1/usage").bearer(&wrong).send().text());
    }
    answers.push_str(
        &server
            .get("/v1/admin/keys")
            .bearer(&server.admin)
            .send()
            .text(),
    );
    let list = server.cli(&["keys", "list"]);
    answers.push_str(&String::from_utf8_lossy(&list.stdout));
    assert!(answers.contains(&id), "the list names the key");
    let secret = key.split('_').nth(3).unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let log = eventually("the log has the requests", || {
        Some(server.log()).filter(|log| log.matches("/v1/summaries").count() >= 5)
    });
    for hidden in [
        secret,
        signature,
        canary,
        "Xylophagous",
        &server.admin,
        long,
    ] {
        assert!(!log.contains(hidden), "the log holds {hidden:?}");
        assert!(!answers.contains(hidden), "an answer holds {hidden:?}");
    }
}

pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
