//! `smart-summary audit`: every administrative act is on record, and tampering with the record is found.

use serde_json::{Value, json};

use crate::server::{Server, Setup};
use crate::several;

/// Runs `audit` with `args`; its exit code and what it printed on both streams.
fn audit(server: &Server, args: &[&str]) -> (Option<i32>, String) {
    let done = server.cli(&[&["audit"], args].concat());
    let text = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(text).unwrap())
}

fn entries(server: &Server) -> Vec<Value> {
    let (code, text) = audit(server, &["list", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let list: Value = serde_json::from_str(&text).unwrap();
    list["entries"].as_array().unwrap().clone()
}

#[track_caller]
fn call(server: &Server, method: &str, path: &str, body: Option<Value>) {
    let request = server.request(method, &format!("/v1/admin/keys{path}"));
    let request = request.bearer(&server.admin);
    let answer = match body {
        Some(body) => request.json(&body).send(),
        None => request.send(),
    };
    assert!(answer.status < 300, "{}", answer.text());
}

/// Every act, over HTTP and by the command line, leaves one entry that names who did it.
#[track_caller]
fn check_acts(server: &Server) {
    let admin = server.admin.split('_').nth(2).unwrap().to_owned();
    let before = entries(server).len();
    let (id, key) = server.new_key(&json!({ "name": "site", "scopes": ["summaries:write"] }));
    let path = format!("/{id}");
    call(server, "PATCH", &path, Some(json!({ "name": "blog" })));
    call(server, "POST", &format!("{path}/rotate"), None);
    assert!(server.cli(&["keys", "rotate", &id]).status.success());
    call(server, "DELETE", &path, None);
    let refused = server.cli(&["keys", "rotate", &id]);
    assert!(!refused.status.success(), "a revoked key is not rotated");
    let entries = entries(server).split_off(before);
    let acts: Vec<_> = entries
        .iter()
        .map(|entry| entry["act"].as_str().unwrap())
        .collect();
    assert_eq!(
        acts,
        [
            "key_created",
            "key_changed",
            "key_rotated",
            "key_rotated",
            "key_revoked"
        ]
    );
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry["subject"], id.as_str());
        assert_eq!(entry["number"], before as u64 + 1 + place as u64);
        let actor = entry["actor"].as_str().unwrap();
        if place == 3 {
            assert!(actor.starts_with("user "), "{actor}");
        } else {
            assert_eq!(actor, format!("key {admin}"));
        }
    }
    assert_eq!(entries[1]["detail"], json!({ "name": "blog" }));
    let secret = key.split('_').nth(3).unwrap();
    let (_, table) = audit(server, &["list"]);
    assert!(table.contains("key_revoked") && !table.contains(secret));
    let (code, text) = audit(server, &["verify"]);
    assert_eq!(code, Some(0), "{text}");
    let head = text.trim().rsplit(' ').next().unwrap();
    let (code, again) = audit(server, &["verify", "--head", head]);
    assert_eq!((code, again), (Some(0), text));
}

#[test]
fn every_act_is_on_record_in_sqlite() {
    check_acts(&Server::start(Setup::default()));
}

#[test]
fn every_act_is_on_record_in_postgresql() {
    let database = several::postgres().database("acts");
    check_acts(&Server::start(several::setup(&database)));
}

#[test]
fn servers_that_act_at_once_keep_one_chain() {
    let database = several::postgres().database("chain");
    let start = || Server::start(several::setup(&database));
    let (one, other) = (start(), start());
    let before = entries(&one).len();
    std::thread::scope(|scope| {
        for server in [&one, &other, &one, &other] {
            scope.spawn(move || {
                for _ in 0..5 {
                    server.key_with(json!({}));
                }
            });
        }
    });
    let (code, text) = audit(&other, &["verify"]);
    assert_eq!(code, Some(0), "{text}");
    let expected = format!("{} entries are whole", before + 20);
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn tampering_with_the_database_is_found_at_its_entry() {
    let postgres = several::postgres();
    let database = postgres.database("tampered");
    let server = Server::start(several::setup(&database));
    for _ in 0..3 {
        server.key_with(json!({}));
    }
    let steps = [
        ("UPDATE audit SET actor = 'key x' WHERE number = 3", 3),
        ("UPDATE audit SET subject = '' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("DELETE FROM audit", 1),
    ];
    assert_eq!(audit(&server, &["verify"]).0, Some(0));
    // Its last entry alone: the head misses it.
    let last = entries(&server).len();
    let open = "ALTER TABLE audit DISABLE TRIGGER ALL";
    postgres.sql(
        "tampered",
        &format!("CREATE TABLE copy AS SELECT * FROM audit; {open}"),
    );
    let cut = format!("DELETE FROM audit WHERE number = {last}");
    for (sql, number) in [(cut.as_str(), last)].into_iter().chain(steps) {
        postgres.sql("tampered", sql);
        let (code, text) = audit(&server, &["verify"]);
        assert_eq!(code, Some(1), "{sql}: {text}");
        let expected = format!("smart-summary: entry {number} of the audit log is broken: ");
        assert!(text.starts_with(&expected), "{sql}: {text}");
        assert_eq!(text.lines().count(), 1);
        let restore = "DELETE FROM audit; INSERT INTO audit SELECT * FROM copy";
        postgres.sql("tampered", restore);
        assert_eq!(audit(&server, &["verify"]).0, Some(0));
    }
    postgres.sql("tampered", "UPDATE settings SET value = '' WHERE name = 'audit_head'; DELETE FROM audit WHERE number = 2");
    assert_eq!(audit(&server, &["verify"]).0, Some(1));
}

#[test]
fn the_database_itself_removes_no_entry() {
    let postgres = several::postgres();
    let database = postgres.database("append_only");
    let server = Server::start(several::setup(&database));
    let before = entries(&server);
    let attempts = "DO $$ BEGIN TRUNCATE audit; EXCEPTION WHEN raise_exception THEN NULL; END $$;
                    DO $$ BEGIN DELETE FROM audit; EXCEPTION WHEN raise_exception THEN NULL; END $$;
                    DO $$ BEGIN UPDATE audit SET act = ''; EXCEPTION WHEN raise_exception THEN NULL; END $$;";
    postgres.sql("append_only", attempts);
    assert_eq!(entries(&server), before);
}
