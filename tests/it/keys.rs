//! `/v1/admin/keys`.

use api::{Code, Key, KeyCreated, KeyList, Scope};
use serde_json::{Value, json};

use crate::auth::now_ms;
use crate::check::{refused, refused_at};
use crate::client::Answer;
use crate::server::{Server, Setup, eventually, shared};

fn call(method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = shared()
        .request(method, &format!("/v1/admin/keys{path}"))
        .bearer(&shared().admin);
    match body {
        Some(body) => request.json(&body).send(),
        None => request.send(),
    }
}

fn create(draft: Value) -> KeyCreated {
    let answer = call("POST", "", Some(draft));
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    serde_json::from_slice(&answer.body).unwrap()
}

#[track_caller]
fn read(id: &str) -> Key {
    let answer = call("GET", &format!("/{id}"), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn draft() -> Value {
    json!({ "name": "blog", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] })
}

#[test]
fn a_new_key_has_the_documented_form_and_works() {
    let made = create(draft());
    assert!(
        made.key.starts_with(&format!("ss_live_{}_", made.id)),
        "{}",
        made.id
    );
    assert_eq!(made.key.split('_').count(), 5);
    assert!(
        made.key.split('_').nth(3).unwrap().len() >= 43,
        "256 bits in base62"
    );
    assert_eq!(
        shared().get("/v1/usage").bearer(&made.key).send().status,
        200
    );
    let key = read(&made.id);
    assert_eq!((key.name.as_str(), key.tier.as_str()), ("blog", "default"));
    assert_eq!(key.scopes, [Scope::SummariesWrite, Scope::TokensWrite]);
    assert_eq!(key.origins, ["https://blog.example"]);
    assert!(key.created_at.abs_diff(now_ms()) < 60_000);
    assert_eq!((key.expires_at, key.revoked_at), (None, None));
}

#[test]
fn the_list_is_newest_first_and_holds_no_secret() {
    let (one, two) = (create(draft()), create(draft()));
    let answer = call("GET", "", None);
    for secret in [&one.key, &two.key] {
        let secret = secret.split('_').nth(3).unwrap();
        assert!(!answer.text().contains(secret));
    }
    let list: KeyList = serde_json::from_slice(&answer.body).unwrap();
    let place = |id: &str| list.keys.iter().position(|key| key.id == id).unwrap();
    assert!(place(&two.id) < place(&one.id));
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let made = create(draft());
    let answer = call(
        "PATCH",
        &format!("/{}", made.id),
        Some(json!({ "name": "renamed", "origins": [] })),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let key = read(&made.id);
    assert_eq!(
        (key.name.as_str(), key.origins.len(), key.scopes.len()),
        ("renamed", 0, 2)
    );
}

#[test]
fn a_scope_that_is_taken_away_is_gone_within_a_second() {
    let made = create(draft());
    let mint = || shared().token_answer(&made.key, json!({}));
    let before = mint();
    assert!((200..300).contains(&before.status), "{}", before.text());
    call(
        "PATCH",
        &format!("/{}", made.id),
        Some(json!({ "scopes": ["summaries:write"] })),
    );
    let answer = eventually("the scope is gone", || {
        Some(mint()).filter(|answer| answer.status == 403)
    });
    refused(&answer, Code::ScopeMissing);
}

#[test]
fn a_rotated_key_has_a_new_secret_and_the_old_one_works_for_an_overlap() {
    let made = create(draft());
    let answer = call("POST", &format!("/{}/rotate", made.id), None);
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let rotated: KeyCreated = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(rotated.id, made.id);
    assert_ne!(rotated.key, made.key);
    for key in [&made.key, &rotated.key] {
        assert_eq!(shared().get("/v1/usage").bearer(key).send().status, 200);
    }
}

#[test]
fn a_revoked_key_stays_in_the_list_and_cannot_be_changed_back() {
    let made = create(draft());
    let answer = call("DELETE", &format!("/{}", made.id), None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(read(&made.id).revoked_at.is_some());
    refused(
        &call(
            "PATCH",
            &format!("/{}", made.id),
            Some(json!({ "name": "alive" })),
        ),
        Code::Conflict,
    );
    refused(
        &call("POST", &format!("/{}/rotate", made.id), None),
        Code::Conflict,
    );
}

#[test]
fn revoking_twice_is_no_error() {
    let made = create(draft());
    for _ in 0..2 {
        assert_eq!(call("DELETE", &format!("/{}", made.id), None).status, 200);
    }
}

#[test]
fn a_key_that_is_not_there_is_not_found() {
    for (method, path, body) in [
        ("GET", "/nobody", None),
        ("PATCH", "/nobody", Some(json!({ "name": "x" }))),
        ("POST", "/nobody/rotate", None),
        ("DELETE", "/nobody", None),
    ] {
        println!("{method} {path}");
        refused(&call(method, path, body), Code::NotFound);
    }
}

#[test]
fn a_wrong_value_is_named() {
    let past = now_ms() - 60_000;
    let cases = [
        (json!({ "name": "" }), "/name"),
        (json!({ "name": "x".repeat(65) }), "/name"),
        (json!({ "scopes": [] }), "/scopes"),
        (json!({ "scopes": ["everything"] }), "/scopes"),
        (json!({ "origins": ["blog.example"] }), "/origins"),
        (
            json!({ "origins": ["https://blog.example/path"] }),
            "/origins",
        ),
        (json!({ "origins": ["*"] }), "/origins"),
        (json!({ "tier": "no-such-tier" }), "/tier"),
        (json!({ "expires_at": past }), "/expires_at"),
        (json!({ "secret": "mine" }), "/secret"),
    ];
    let made = create(draft());
    for (change, field) in cases {
        println!("{change}");
        let whole = crate::server::merged(draft(), change.clone());
        for answer in [
            call("POST", "", Some(whole)),
            call("PATCH", &format!("/{}", made.id), Some(change)),
        ] {
            let problem = refused(&answer, Code::InvalidField);
            let found = problem.field.unwrap_or_default();
            assert!(found.starts_with(field), "{field}: {found}");
        }
    }
    refused_at(
        &call("POST", "", Some(json!({ "name": "x" }))),
        Code::InvalidField,
        "",
    );
}

#[test]
fn a_keys_use_is_remembered_to_the_minute() {
    let server = Server::start(Setup::default());
    let (id, key) = server.new_key(&draft());
    let used = |server: &Server| {
        let answer = server
            .get(&format!("/v1/admin/keys/{id}"))
            .bearer(&server.admin)
            .send();
        serde_json::from_slice::<Key>(&answer.body)
            .unwrap()
            .last_used_at
    };
    assert_eq!(used(&server), None);
    server.get("/v1/usage").bearer(&key).send();
    // It is written now and then, and when the server stops.
    server.terminate();
    server.wait();
    let at = used(&Server::start_in(server.stop())).expect("the use was written");
    assert!(at.abs_diff(now_ms()) < 120_000 && at % 60_000 == 0, "{at}");
}

#[test]
fn keys_survive_a_restart() {
    let server = Server::start(Setup::default());
    let (_, key) = server.new_key(&draft());
    let data = server.stop();
    let server = Server::start_in(data);
    assert_eq!(server.get("/v1/usage").bearer(&key).send().status, 200);
}
