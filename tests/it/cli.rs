//! The command line: what people type.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Request;
use crate::pictures;
use crate::project;
use crate::server::{Server, Setup, product};

/// What a command did: its exit code and its two outputs.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

fn done(output: &Output) -> Done {
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// Runs the product over an own data directory.
fn run_in(data: &TempDir, args: &[&str]) -> Done {
    let mut command: Command = product();
    done(
        &command
            .arg("--data-dir")
            .arg(data.path())
            .args(args)
            .output()
            .unwrap(),
    )
}

fn run(args: &[&str]) -> Done {
    run_in(&TempDir::new().unwrap(), args)
}

#[track_caller]
fn check_code(args: &[&str], code: i32) -> Done {
    let done = run(args);
    assert_eq!(done.code, Some(code), "{args:?}: {}{}", done.out, done.err);
    done
}

/// The command ends with 2 and says why in words that hold `expect`.
#[track_caller]
fn check_wrong_use(args: &[&str], expect: &str) {
    let done = check_code(args, 2);
    assert!(
        done.err.contains(expect),
        "{args:?}: {expect:?} is not in {}",
        done.err
    );
    assert!(done.out.is_empty(), "{}", done.out);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in [
        &["serve"][..],
        &["keys"],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "revoke"],
        &["audit"],
        &["audit", "verify"],
        &["audit", "list"],
        &["summarize"],
        &["evaluate"],
        &["doctor"],
        &["migrate"],
    ] {
        let args = [command, &["--help"]].concat();
        let done = check_code(&args, 0);
        let example = format!("smart-summary {}", command.join(" "));
        assert!(
            done.out.contains("xample"),
            "{args:?} has no example:\n{}",
            done.out
        );
        assert!(
            done.out.contains(&example),
            "{args:?} does not show `{example}`:\n{}",
            done.out
        );
    }
    let whole = check_code(&["--help"], 0);
    for name in [
        "serve",
        "keys",
        "audit",
        "summarize",
        "evaluate",
        "doctor",
        "migrate",
    ] {
        assert!(whole.out.contains(name), "{name}");
    }
}

#[test]
fn the_version_is_told() {
    let done = check_code(&["--version"], 0);
    assert!(done.out.starts_with("smart-summary 0."), "{}", done.out);
}

#[test]
fn wrong_use_ends_with_two() {
    check_wrong_use(&["serve", "--prot", "80"], "--prot");
    check_wrong_use(&["sevre"], "serve");
    check_wrong_use(
        &["keys", "create", "--name", "x", "--scopes", "everything"],
        "summaries:write",
    );
    check_wrong_use(&["keys", "create", "--scopes", "admin"], "--name");
    check_wrong_use(&["keys", "revoke"], "ID");
    check_wrong_use(&["summarize"], "FILE");
    check_wrong_use(&["evaluate", "--input", "x.jsonl"], "--output");
    check_wrong_use(&["serve", "--engine", "magic"], "extractive");
}

#[test]
fn failure_ends_with_one_and_one_line() {
    for args in [
        &["summarize", "/nowhere/article.html"][..],
        &[
            "evaluate",
            "--input",
            "/nowhere/corpus.jsonl",
            "--output",
            "/tmp/never-written",
        ],
        &["keys", "revoke", "nobody"],
        &["keys", "rotate", "nobody"],
    ] {
        let done = check_code(args, 1);
        assert!(
            !done.err.trim().is_empty() && !done.err.contains("panicked"),
            "{args:?}: {}",
            done.err
        );
        assert!(
            done.err.trim().lines().count() <= 3,
            "{args:?}: {}",
            done.err
        );
    }
}

#[test]
fn an_address_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = check_code(&["serve", "--bind", &address], 1);
    assert!(done.err.contains(&address), "{}", done.err);
}

#[test]
fn the_configuration_is_shown_whole_and_reads_back() {
    let data = TempDir::new().unwrap();
    let done = run_in(&data, &["--print-config"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let table: toml::Table = done.out.parse().unwrap();
    for section in [
        "server",
        "auth",
        "tiers",
        "intake",
        "cache",
        "queue",
        "engine",
        "anonymous",
        "log",
    ] {
        assert!(table.contains_key(section), "{section}");
    }
    let file = data.path().join("printed.toml");
    std::fs::write(&file, &done.out).unwrap();
    let again = run_in(
        &data,
        &[
            "--config",
            file.to_str().unwrap(),
            "serve",
            "--print-config",
        ],
    );
    assert_eq!(
        (again.code, again.out),
        (Some(0), done.out),
        "{}",
        again.err
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let data = TempDir::new().unwrap();
    let file = data.path().join("smart-summary.toml");
    std::fs::write(&file, "[queue]\nmax_waiting = 11\n[server]\nbind = \"127.0.0.1:1111\"\n[cache]\nttl_seconds = 11\n").unwrap();
    let mut command = product();
    let output = command
        .env("SMART_SUMMARY__SERVER__BIND", "127.0.0.1:2222")
        .env("SMART_SUMMARY__CACHE__TTL_SECONDS", "22")
        .arg("--data-dir")
        .arg(data.path())
        .args(["serve", "--bind", "127.0.0.1:3333", "--print-config"])
        .output()
        .unwrap();
    let table: toml::Table = done(&output).out.parse().unwrap();
    assert_eq!(table["server"]["bind"].as_str(), Some("127.0.0.1:3333"));
    assert_eq!(table["cache"]["ttl_seconds"].as_integer(), Some(22));
    assert_eq!(table["queue"]["max_waiting"].as_integer(), Some(11));
}

#[test]
fn a_wrong_setting_is_named_with_a_right_value() {
    let data = TempDir::new().unwrap();
    let cases = [
        ("[queue]\nmax_waiting = 0\n", "queue.max_waiting"),
        ("[server]\nbind = \"everywhere\"\n", "server.bind"),
        ("[sever]\nbind = \"127.0.0.1:1\"\n", "sever.bind"),
        ("[cache]\nttl_secs = 5\n", "cache.ttl_secs"),
        ("not toml at all", "line 1"),
    ];
    for (text, key) in cases {
        let file = data.path().join("wrong.toml");
        std::fs::write(&file, text).unwrap();
        let done = run_in(&data, &["--config", file.to_str().unwrap(), "serve"]);
        assert_eq!(done.code, Some(2), "{text:?}: {}", done.err);
        assert!(done.err.contains(key), "{key} is not in {}", done.err);
    }
}

#[test]
fn a_pepper_is_never_printed() {
    let mut command = product();
    let output = command
        .env(
            "SMART_SUMMARY__AUTH__PEPPER",
            "a pepper that nobody may ever see, really",
        )
        .args(["--print-config"])
        .output()
        .unwrap();
    let done = done(&output);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(!done.out.contains("nobody may ever"), "{}", done.out);
}

#[test]
fn the_first_start_prints_one_admin_key_and_the_second_none() {
    let data = TempDir::new().unwrap();
    assert_eq!(first_words(&data).matches("ss_live_").count(), 1);
    assert_eq!(
        first_words(&data).matches("ss_live_").count(),
        0,
        "it is shown once"
    );
}

/// What the product prints until it answers.
fn first_words(data: &TempDir) -> String {
    let mut child = product()
        .arg("--data-dir")
        .arg(data.path())
        .args(["serve", "--bind", "127.0.0.1:0", "--metrics-bind", "off"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut words = String::new();
    out.read_line(&mut words).unwrap();
    let address = words
        .trim()
        .strip_prefix("listening http://")
        .unwrap_or_else(|| panic!("{words}"));
    let answer = Request::new(address.parse().unwrap(), "GET", "/healthz").send();
    assert_eq!(answer.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
    out.read_to_string(&mut words).unwrap();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    words
}

#[test]
fn keys_are_made_listed_rotated_and_revoked() {
    let data = TempDir::new().unwrap();
    let made = run_in(
        &data,
        &[
            "keys",
            "create",
            "--name",
            "blog",
            "--scopes",
            "summaries:write,tokens:write",
            "--origin",
            "https://blog.example",
            "--origin",
            "https://other.example",
            "--tier",
            "high",
            "--expires",
            "2099-01-01",
            "--json",
        ],
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert_eq!(made.as_object().unwrap().len(), 2, "{made}");
    assert!(key.starts_with(&format!("ss_live_{id}_")));
    let list = run_in(&data, &["keys", "list"]);
    for word in [
        id,
        "blog",
        "summaries:write",
        "https://other.example",
        "high",
    ] {
        assert!(list.out.contains(word), "{word} is not in {}", list.out);
    }
    assert!(!list.out.contains(key.split('_').nth(3).unwrap()));
    let rotated = run_in(&data, &["keys", "rotate", id, "--json"]);
    let rotated: Value = serde_json::from_str(&rotated.out)
        .unwrap_or_else(|_| panic!("{}{}", rotated.out, rotated.err));
    assert_eq!(rotated["id"], id);
    assert_ne!(rotated["key"], key);
    let revoked = run_in(&data, &["keys", "revoke", id]);
    assert_eq!(revoked.code, Some(0), "{}", revoked.err);
    assert!(run_in(&data, &["keys", "list"]).out.contains("revoked"));
    let past = [
        "--name",
        "x",
        "--scopes",
        "admin",
        "--expires",
        "2020-01-01",
    ];
    let past = run_in(&data, &[&["keys", "create"], &past[..]].concat());
    assert_eq!(past.code, Some(2));
    assert!(
        past.err.contains("--expires is past; today is 20"),
        "{}",
        past.err
    );
}

#[test]
fn a_key_is_shown_in_words_too() {
    let data = TempDir::new().unwrap();
    let made = run_in(
        &data,
        &["keys", "create", "--name", "blog", "--scopes", "admin"],
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert_eq!(made.out.matches("ss_live_").count(), 1, "{}", made.out);
}

#[test]
fn a_key_of_the_command_line_opens_the_running_server() {
    let server = Server::start(Setup::default());
    let made = server.cli(&[
        "keys",
        "create",
        "--name",
        "late",
        "--scopes",
        "summaries:write",
        "--json",
    ]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let answer = server
        .get("/v1/usage")
        .bearer(made["key"].as_str().unwrap())
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn articles() -> std::path::PathBuf {
    project::root().join("tests/fixtures/articles")
}

#[test]
fn a_file_is_summarised_in_both_languages() {
    let data = TempDir::new().unwrap();
    let picture = data.path().join("radiator-valve.png");
    std::fs::write(&picture, pictures::png(64, 48)).unwrap();
    for (name, word) in [
        ("en.html", "heat pump"),
        ("en.md", "heat pump"),
        ("en.txt", "heat pump"),
        ("zh.html", "热泵"),
        ("zh.md", "热泵"),
        ("zh.txt", "热泵"),
    ] {
        let file = articles().join(name);
        let args = [
            "summarize",
            file.to_str().unwrap(),
            "--image",
            picture.to_str().unwrap(),
        ];
        let text = run_in(&data, &args);
        assert_eq!(text.code, Some(0), "{name}: {}", text.err);
        assert!(
            text.out.to_lowercase().contains(word),
            "{name}: {}",
            text.out
        );
        assert!(
            serde_json::from_str::<Value>(&text.out).is_err(),
            "{name}: words for people"
        );
        let json = run_in(&data, &[&args[..], &["--json"]].concat());
        assert_eq!(json.code, Some(0), "{name}: {}", json.err);
        let summary: api::Summary =
            serde_json::from_str(&json.out).unwrap_or_else(|error| panic!("{error}: {}", json.out));
        assert!(!summary.title.unwrap().is_empty() && !summary.slug.unwrap().is_empty());
        let alt_texts = summary.alt_texts.unwrap();
        assert_eq!(alt_texts.len(), 1);
    }
}

#[test]
fn several_files_are_summarised_in_their_order() {
    let (one, two) = (articles().join("en.txt"), articles().join("zh.txt"));
    let done = check_code(
        &[
            "summarize",
            one.to_str().unwrap(),
            two.to_str().unwrap(),
            "--json",
        ],
        0,
    );
    let summaries: Vec<Value> = serde_json::Deserializer::from_str(&done.out)
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let languages: Vec<&str> = match &summaries[..] {
        [Value::Array(list)] => list
            .iter()
            .map(|one| one["language"].as_str().unwrap())
            .collect(),
        lines => lines
            .iter()
            .map(|one| one["language"].as_str().unwrap())
            .collect(),
    };
    assert_eq!(languages.len(), 2);
    assert!(
        languages[0].starts_with("en") && languages[1].starts_with("zh"),
        "{languages:?}"
    );
}

#[test]
fn a_broken_picture_is_one_clear_line() {
    let data = TempDir::new().unwrap();
    let picture = data.path().join("note.png");
    std::fs::write(&picture, "not a picture, really not").unwrap();
    let file = articles().join("en.txt");
    let done = run_in(
        &data,
        &[
            "summarize",
            file.to_str().unwrap(),
            "--image",
            picture.to_str().unwrap(),
        ],
    );
    assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
    assert!(done.err.contains("note.png"), "{}", done.err);
}

#[test]
fn a_corpus_is_evaluated_to_one_prediction_per_article() {
    let data = TempDir::new().unwrap();
    let input = project::root().join("tests/fixtures/corpus/corpus.jsonl");
    let output = data.path().join("predictions.jsonl");
    let done = run_in(
        &data,
        &[
            "evaluate",
            "--input",
            input.to_str().unwrap(),
            "--output",
            output.to_str().unwrap(),
        ],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let lines: Vec<Value> = std::fs::read_to_string(&output)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<&str> = lines
        .iter()
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["test-en-1", "test-en-2", "test-zh-1"]);
    for line in &lines {
        for name in ["title", "description", "slug"] {
            assert!(!line[name].as_str().unwrap().is_empty(), "{name}: {line}");
        }
        assert!(!line["keywords"].as_array().unwrap().is_empty(), "{line}");
        assert!(line["latency_ms"].is_number(), "{line}");
    }
    let pictures = |index: usize| {
        lines[index]["alt_texts"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(pictures(0), ["outdoor-unit.png", "radiator-valve.png"]);
    assert_eq!(pictures(1), Vec::<String>::new());
    assert!(
        lines[0]["alt_texts"]["radiator-valve.png"]
            .as_str()
            .unwrap()
            .contains("Radiator valve"),
        "{}",
        lines[0]
    );
}

#[test]
fn a_compressed_corpus_is_read() {
    let data = TempDir::new().unwrap();
    let input = data.path().join("corpus.jsonl.gz");
    let plain = project::root().join("tests/fixtures/corpus/corpus.jsonl");
    let packed = Command::new("gzip").arg("-c").arg(plain).output().unwrap();
    std::fs::write(&input, packed.stdout).unwrap();
    let output = data.path().join("predictions.jsonl");
    let done = run_in(
        &data,
        &[
            "evaluate",
            "--input",
            input.to_str().unwrap(),
            "--output",
            output.to_str().unwrap(),
        ],
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(std::fs::read_to_string(&output).unwrap().lines().count(), 3);
}

#[test]
fn the_doctor_says_what_works_here() {
    let done = run(&["doctor"]);
    assert!(matches!(done.code, Some(0 | 1)), "{}", done.err);
    let text = done.out.to_lowercase();
    assert!(text.contains("embedded engine"), "{}", done.out);
    assert!(done.out.lines().count() >= 3, "{}", done.out);
}

#[test]
fn the_doctor_names_a_data_directory_that_cannot_be_written() {
    let done = done(
        &product()
            .args(["--data-dir", "/proc/nowhere", "doctor"])
            .output()
            .unwrap(),
    );
    assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
    assert!(format!("{}{}", done.out, done.err).contains("/proc/nowhere"));
}

#[test]
fn a_migration_of_a_new_store_is_done_at_once() {
    let data = TempDir::new().unwrap();
    for _ in 0..2 {
        let done = run_in(&data, &["migrate"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
}

#[cfg(unix)]
#[test]
fn what_is_secret_on_the_disk_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = TempDir::new().unwrap();
    run_in(
        &data,
        &["keys", "create", "--name", "x", "--scopes", "admin"],
    );
    let mut open = vec![data.path().to_path_buf()];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                open.push(entry.path());
                continue;
            }
            files += 1;
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(
                mode & 0o077,
                0,
                "{} has mode {mode:o}",
                entry.path().display()
            );
        }
    }
    assert!(files > 0);
}
