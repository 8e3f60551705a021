//! One pepper takes another's place: no key, token or webhook fails meanwhile, and the record says so.

use std::sync::Arc;

use api::Code;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::admin;
use crate::batches::{batch_key, created, items, receiver};
use crate::check::refused;
use crate::server::{Server, Setup, eventually, merged, script};
use crate::several;

const OLD: &str = "\"the pepper that this test begins with\"";
const NEW: &str = "\"the pepper that takes the place of it\"";

fn usage(server: &Server, key: &str) -> crate::client::Answer {
    server.get("/v1/usage").bearer(key).send()
}

/// Ends the server and starts it again with other lines about peppers.
#[track_caller]
fn restarted(server: Server, peppers: &[(&str, &str)]) -> Server {
    let data = server.stop();
    configure(&data, peppers);
    Server::start_in(data)
}

fn configure(data: &Arc<tempfile::TempDir>, peppers: &[(&str, &str)]) {
    let file = data.path().join("smart-summary.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = text.lines().filter(|line| !line.contains("pepper"));
    let mut lines: Vec<String> = kept.map(str::to_owned).collect();
    lines.extend(
        peppers
            .iter()
            .map(|(key, value)| format!("auth.{key} = {value}")),
    );
    std::fs::write(&file, lines.join("\n")).unwrap();
}

fn printed(server: &Server, args: &[&str]) -> String {
    let done = server.cli(args);
    String::from_utf8([done.stdout, done.stderr].concat()).unwrap()
}

/// Ids of keys that hang on an earlier pepper.
fn earlier(server: &Server) -> Vec<String> {
    let list: Value = serde_json::from_str(&printed(server, &["keys", "list", "--json"])).unwrap();
    serde_json::from_value(list["earlier_pepper"].clone()).unwrap()
}

/// What the audit log says of an act: subject and detail.
fn entries(server: &Server, act: &str) -> Vec<(String, Value)> {
    let list: Value = serde_json::from_str(&printed(server, &["audit", "list", "--json"])).unwrap();
    let entries = list["entries"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["act"] == act)
        .map(|entry| {
            let subject = entry["subject"].as_str().unwrap().to_owned();
            (subject, entry["detail"].clone())
        })
        .collect()
}

#[track_caller]
fn whole(server: &Server) {
    let done = server.cli(&["audit", "verify"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
}

#[test]
fn one_server_changes_its_pepper_and_then_drops_the_old_one() {
    let draft = json!({ "name": "site", "scopes": ["summaries:write"] });
    let server = Server::start(script(Setup::default()).set("auth.pepper", OLD));
    let ((used, key), (unused, forgotten)) = (server.new_key(&draft), server.new_key(&draft));
    assert_eq!(earlier(&server), Vec::<String>::new());

    let server = restarted(server, &[("pepper", NEW), ("other_pepper", OLD)]);
    assert!(earlier(&server).contains(&used));
    let brought = entries(&server, "pepper_brought_in");
    assert_eq!(brought.len(), 1);
    assert!(brought[0].1["keys"].as_u64().unwrap() >= 2, "{brought:?}");
    assert_eq!(usage(&server, &key).status, 200);
    eventually("the key is hashed with the new pepper", || {
        (!earlier(&server).contains(&used)).then_some(())
    });
    assert!(earlier(&server).contains(&unused));
    let told = printed(&server, &["keys", "list"]);
    assert!(
        told.contains("hang on an earlier pepper") && told.contains(&unused),
        "{told}"
    );
    let told = printed(&server, &["doctor"]);
    assert!(told.contains("hang on an earlier one"), "{told}");
    let rehashed = entries(&server, "key_rehashed");
    assert!(
        rehashed.iter().any(|(subject, _)| *subject == used),
        "{rehashed:?}"
    );
    eventually("the count is told", || {
        let left = server.metric("smart_summary_earlier_pepper_keys", &[]);
        (left == earlier(&server).len() as f64).then_some(())
    });
    let (late, _) = server.new_key(&draft);
    assert!(
        !earlier(&server).contains(&late),
        "a new key has the new pepper"
    );
    whole(&server);

    let server = restarted(server, &[("pepper", NEW)]);
    assert_eq!(usage(&server, &key).status, 200);
    refused(&usage(&server, &forgotten), Code::KeyUnknown);
    let dropped = entries(&server, "pepper_dropped");
    assert_eq!(dropped.len(), 1);
    assert!(dropped[0].1["keys"].as_u64().unwrap() >= 1, "{dropped:?}");
    assert!(
        server.log().contains("they are unknown from now on"),
        "{}",
        server.log()
    );
    whole(&server);
    let told = printed(&server, &["doctor"]);
    assert!(told.contains("that is gone"), "{told}");
    let shown = printed(&server, &["audit", "list"]) + &server.log();
    for pepper in [OLD, NEW] {
        assert!(
            !shown.contains(pepper.trim_matches('"')),
            "a pepper is shown"
        );
    }

    // The old one alone opens nothing any more.
    let data = server.stop();
    configure(&data, &[("pepper", OLD)]);
    let refused = crate::server::command(data.path())
        .arg("serve")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("not the pepper"), "{told}");
}

/// Whether one of the signatures is made with this secret.
fn signed(headers: &std::collections::BTreeMap<String, String>, body: &str, secret: &str) -> bool {
    let secret = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    let (id, time) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    headers["webhook-signature"]
        .split(' ')
        .any(|one| one == signature)
}

/// An operator signs in while the keys are being hashed anew: no sign-in fails, and no session ends that should go on.
#[test]
fn operators_sign_in_while_their_keys_are_hashed_anew() {
    let draft = json!({ "name": "operator", "scopes": ["admin"] });
    let server = Server::start(script(Setup::default()).set("auth.pepper", OLD));
    let keys: Vec<(String, String)> = (0..8).map(|_| server.new_key(&draft)).collect();
    let server = restarted(server, &[("pepper", NEW), ("other_pepper", OLD)]);
    let look = |cookie: &str| {
        let request = admin::own(&server, "GET", "session").header("Cookie", cookie);
        request.send()
    };
    let waiting: Vec<String> = keys.iter().map(|(id, _)| id.clone()).collect();
    assert!(waiting.iter().all(|id| earlier(&server).contains(id)));
    let done = std::sync::atomic::AtomicBool::new(false);
    let sessions: Vec<Vec<String>> = std::thread::scope(|scope| {
        let operators: Vec<_> = keys
            .iter()
            .map(|(_, key)| {
                scope.spawn(|| {
                    let mut cookies = Vec::new();
                    // At least once before, and once after it was written.
                    loop {
                        let last = done.load(std::sync::atomic::Ordering::SeqCst);
                        let answer = admin::sign_in(&server, key);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        cookies.push(admin::cookie(&answer));
                        if last || cookies.len() == 24 {
                            return cookies;
                        }
                        for cookie in &cookies {
                            assert_eq!(look(cookie).status, 200);
                        }
                    }
                })
            })
            .collect();
        eventually("every key is hashed with the new pepper", || {
            let left = earlier(&server);
            (!waiting.iter().any(|id| left.contains(id))).then_some(())
        });
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        operators
            .into_iter()
            .map(|operator| operator.join().unwrap())
            .collect()
    });
    for cookie in sessions.iter().flatten() {
        let answer = look(cookie);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // The sessions hang on the secret as ever: they end with it.
    let (id, _) = &keys[0];
    let rotated = server.cli(&["keys", "rotate", id, "--overlap", "0s"]);
    assert!(rotated.status.success(), "{rotated:?}");
    eventually("the sessions of the rotated key are over", || {
        (look(&sessions[0][0]).status == 401).then_some(())
    });
    for cookie in &sessions[0] {
        refused(&look(cookie), Code::SessionOver);
    }
    assert_eq!(look(&sessions[1][0]).status, 200);
    whole(&server);
}

/// Servers get the next pepper one after the other, then change to it one after the other, and none fails.
#[test]
fn several_servers_change_their_pepper_one_after_the_other() {
    let database = several::postgres().database("pepper_change");
    let start = |pepper: &str, other: Option<&str>| {
        let setup = several::setup(&database).set("auth.pepper", pepper);
        let setup = setup.set("batches.webhook_networks", "[\"127.0.0.0/8\"]");
        Server::start(match other {
            Some(other) => setup.set("auth.other_pepper", other),
            None => setup,
        })
    };
    let draft = json!({ "name": "site", "scopes": ["summaries:write", "tokens:write"], "origins": ["https://blog.example"] });
    let from_page = |server: &Server, token: &str| {
        let request = server.get("/v1/usage").bearer(token);
        request
            .header("Origin", "https://blog.example")
            .send()
            .status
    };
    let first = start(OLD, None);
    let (id, key) = first.new_key(&draft);
    let batching = batch_key(&first, json!({}));
    let (address, heard) = receiver(&["204 No Content", "204 No Content"]);
    let order = || {
        let webhook = json!({ "webhook": { "url": format!("http://{address}/") } });
        merged(items(&["Bread."]), webhook)
    };
    let hook = created(&first, &batching, &order()).webhook.unwrap();
    let old_secret = hook.secret.unwrap();
    let patience = std::time::Duration::from_secs(120);
    let (headers, body) = heard.recv_timeout(patience).unwrap();
    assert!(signed(&headers, &body, &old_secret));
    drop(first);

    // One has changed, the other is about to.
    let (late, ahead) = (start(OLD, Some(NEW)), start(NEW, Some(OLD)));
    assert_eq!(usage(&ahead, &key).status, 200);
    eventually("the key is hashed with the new pepper", || {
        (!earlier(&ahead).contains(&id)).then_some(())
    });
    eventually("the one that is late knows it", || {
        (usage(&late, &key).status == 200).then_some(())
    });
    for (one, other) in [(&late, &ahead), (&ahead, &late)] {
        let (_, made) = one.new_key(&draft);
        assert_eq!(usage(other, &made).status, 200);
        assert_eq!(from_page(other, &one.token(&made, json!({}))), 200);
    }
    assert_eq!(entries(&late, "pepper_brought_in").len(), 1);
    drop(late);
    let hook = created(&ahead, &batching, &order()).webhook.unwrap();
    let new_secret = hook.secret.unwrap();
    assert_ne!(new_secret, old_secret);
    let (headers, body) = heard.recv_timeout(patience).unwrap();
    for secret in [&old_secret, &new_secret] {
        assert!(signed(&headers, &body, secret), "{headers:?}");
    }
    whole(&ahead);
    let (_, token_key) = ahead.new_key(&draft);
    let token = ahead.token(&token_key, json!({}));
    drop(ahead);

    let last = start(NEW, None);
    assert_eq!(usage(&last, &key).status, 200);
    assert_eq!(from_page(&last, &token), 200);
    assert_eq!(entries(&last, "pepper_dropped").len(), 1);
    whole(&last);
}

/// The next pepper was forgotten on one server: what it cannot check it does not call unknown.
#[test]
fn a_server_without_the_newest_pepper_says_that_it_cannot_check() {
    let database = several::postgres().database("pepper_missing");
    let without = Server::start(several::setup(&database).set("auth.pepper", OLD));
    let key = without.key_with(json!({}));
    let ahead = Server::start(
        several::setup(&database)
            .set("auth.pepper", NEW)
            .set("auth.other_pepper", OLD),
    );
    assert_eq!(usage(&ahead, &key).status, 200);
    eventually("the other cannot check the key", || {
        (usage(&without, &key).status != 200).then_some(())
    });
    refused(&usage(&without, &key), Code::StoreUnavailable);
    assert!(
        without
            .log()
            .contains("a pepper that this one does not have"),
        "{}",
        without.log()
    );
}
