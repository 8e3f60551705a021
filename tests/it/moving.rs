//! `smart-summary migrate --from-sqlite`: everything of one server goes to PostgreSQL, and nothing is lost on the way.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use api::{Batch, BatchStatus, Code};
use serde_json::{Value, json};

use crate::batches::{batch_key, created, items};
use crate::check::{fresh, refused};
use crate::server::{Server, Setup, command, eventually, script};
use crate::several::postgres;

/// A server with keys, use, batches and a history, which was stopped.
struct House {
    data: Arc<tempfile::TempDir>,
    key: String,
    revoked: String,
    batches: String,
    finished: Batch,
    used: u64,
}

impl House {
    fn new(batches: usize) -> Self {
        let setup = script(Setup::default()).set("tiers.budget.tokens_per_day", 1_000_000);
        let server = Server::start(setup);
        let key = server.key_with(json!({ "tier": "budget", "origins": ["https://blog.example"] }));
        let draft = json!({ "name": "gone", "scopes": ["summaries:write"] });
        let (id, revoked) = server.new_key(&draft);
        assert!(server.cli(&["keys", "revoke", &id]).status.success());
        let asked = server.post("/v1/summaries").bearer(&key);
        asked.json(&fresh("Bread.")).send().summary();
        let used = used(&server, &key);
        assert!(used > 0);
        let batching = batch_key(&server, json!({}));
        let articles = ["Bread.", "Butter.", "[failed] Beans."];
        let made: Vec<Batch> = (0..batches)
            .map(|_| created(&server, &batching, &items(&articles)))
            .collect();
        let finished = eventually("the batches end", || {
            let shown = made.iter().map(|batch| show(&server, &batching, &batch.id));
            let shown: Vec<Batch> = shown.collect();
            let over = shown
                .iter()
                .all(|batch| batch.status == BatchStatus::Finished);
            over.then(|| shown.into_iter().next()).flatten()
        });
        server.terminate();
        server.wait();
        Self {
            data: server.stop(),
            key,
            revoked,
            batches: batching,
            finished,
            used,
        }
    }

    /// The configuration names the database from here on.
    fn point_at(&self, database: &str) {
        let file = self.data.path().join("smart-summary.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let kept = text.lines().filter(|line| !line.contains("store.postgres"));
        let kept: String = kept.map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, kept + "store.postgres = " + database + "\n").unwrap();
    }

    fn migrate(&self, args: &[&str]) -> (Option<i32>, String) {
        let done = moving(self.data.path(), args);
        let text = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8(text).unwrap())
    }

    /// A server over the database has all that the one before had.
    #[track_caller]
    fn check_moved(&self) {
        let server = Server::start_in(Arc::clone(&self.data));
        assert_eq!(used(&server, &self.key), self.used);
        let asked = server.post("/v1/summaries").bearer(&self.key);
        asked.json(&fresh("Bread.")).send().summary();
        let revoked = server.get("/v1/usage").bearer(&self.revoked).send();
        refused(&revoked, Code::KeyRevoked);
        let batch = show(&server, &self.batches, &self.finished.id);
        assert_eq!(batch, self.finished);
        let path = format!("/v1/batches/{}/results", batch.id);
        let results = server.get(&path).bearer(&self.batches).send();
        assert_eq!(results.text().lines().count(), 3, "{}", results.text());
        // New work goes on behind what was moved.
        let next = created(&server, &self.batches, &items(&["Beer."]));
        eventually("a new batch ends", || {
            let next = show(&server, &self.batches, &next.id);
            (next.status == BatchStatus::Finished).then_some(())
        });
        let verified = server.cli(&["audit", "verify"]);
        assert!(verified.status.success(), "{verified:?}");
        server.terminate();
        server.wait();
    }
}

fn moving(data: &Path, args: &[&str]) -> Output {
    let mut migrate = command(data);
    migrate.args(["migrate", "--from-sqlite"]).args(args);
    migrate.output().unwrap()
}

fn used(server: &Server, key: &str) -> u64 {
    let usage: Value = server.get("/v1/usage").bearer(key).send().json();
    usage["budget"]["used"].as_u64().unwrap()
}

fn show(server: &Server, key: &str, id: &str) -> Batch {
    let answer = server.get(&format!("/v1/batches/{id}")).bearer(key).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn one_servers_data_moves_to_postgresql_whole() {
    let house = House::new(2);
    let database = postgres().database("moved");
    let rows = |table: &str| postgres().rows("moved", &format!("SELECT count(*) FROM {table}"));
    let (code, text) = house.migrate(&[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("store.postgres, which is not set"), "{text}");

    house.point_at(&database);
    let (code, text) = house.migrate(&["--dry-run"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("batches: 2 rows would be moved"), "{text}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(postgres().rows("moved", tables), "0", "it makes nothing");

    let (code, text) = house.migrate(&[]);
    assert_eq!(code, Some(0), "{text}");
    for line in [
        "batches: 2 rows moved",
        "items: 6 rows moved",
        "entries are whole",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(rows("settings WHERE name = 'moving'"), "0");

    // Again: nothing is mixed or deleted unless it is asked for.
    let (keys, audit) = (rows("keys"), rows("audit"));
    for args in [&[][..], &["--dry-run"]] {
        let (code, text) = house.migrate(args);
        assert_eq!(code, Some(1), "{text}");
        assert!(
            text.contains(&format!("not empty (keys: {keys}, audit: {audit}")),
            "{text}"
        );
        assert!(text.contains("--replace"), "{text}");
    }
    assert_eq!((rows("keys"), rows("audit")), (keys.clone(), audit));
    house.check_moved();
    let (code, text) = house.migrate(&["--replace"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(rows("keys"), keys, "what was made since is gone");
    assert_eq!(rows("batches"), "2");
    let forbidden =
        "DO $$ BEGIN DELETE FROM audit; EXCEPTION WHEN raise_exception THEN NULL; END $$;";
    postgres().sql("moved", forbidden);
    assert_ne!(rows("audit"), "0", "the log is append-only again");
    house.check_moved();
}

/// Moves until no other move is in the way: a database notices a killed client only when it has something to tell it.
#[track_caller]
fn moved_alone(house: &House) -> (Option<i32>, String) {
    eventually("no other move is under way", || {
        let done = house.migrate(&[]);
        (!done.1.contains("is under way")).then_some(done)
    })
}

#[test]
fn a_move_that_was_killed_leaves_no_key_and_goes_on() {
    const BATCHES: usize = 30;
    let database = postgres().database("resumed");
    let rows = |table: &str| -> usize {
        let count = postgres().rows("resumed", &format!("SELECT count(*) FROM {table}"));
        count.parse().unwrap()
    };
    // Makes the tables, so that the last step of the next move can be held up.
    let other = House::new(1);
    other.point_at(&database);
    assert_eq!(other.migrate(&[]).0, Some(0));
    postgres().sql(
        "resumed",
        "ALTER TABLE audit DISABLE TRIGGER audit_is_append_only;
         TRUNCATE keys, secrets, peppers, settings, audit, usage, batches, items RESTART IDENTITY;
         ALTER TABLE audit ENABLE TRIGGER audit_is_append_only;
         INSERT INTO settings (name, value) VALUES ('audit_head', '');",
    );
    let held = postgres().hold("resumed", "LOCK TABLE usage IN EXCLUSIVE MODE");

    let house = House::new(BATCHES);
    house.point_at(&database);
    let mut migrate = command(house.data.path());
    migrate.args(["migrate", "--from-sqlite"]);
    let mut child = migrate
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let third = lines.nth(2).unwrap().unwrap();
    let (_, beside) = house.migrate(&[]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(third, format!("batches: 3 of {BATCHES}"));
    assert!(
        beside.contains("nobody else may use") || beside.contains("in use"),
        "two moves at once: {beside}"
    );
    let arrived = rows("batches");
    assert!((3..=BATCHES).contains(&arrived), "{arrived}");
    assert_eq!(rows("keys") + rows("audit") + rows("usage"), 0);
    drop(held);

    // The database does not take another server's data meanwhile.
    let (code, text) = moved_alone(&other);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("not empty (batches: "), "{text}");

    let (code, text) = moved_alone(&house);
    assert_eq!(code, Some(0), "{text}");
    let line = format!("batches: {BATCHES} rows moved, ");
    assert!(
        text.contains(&line) && text.contains("of them before"),
        "{text}"
    );
    house.check_moved();
}
