//! The OpenAPI document and the server hold each other's word: Schemathesis makes requests that fit the document, and
//! requests that do not, and judges the answers.

use std::process::Command;

use serde_json::json;

use crate::project;
use crate::server::{Server, Setup, script};

/// Every operation, every check; `cargo xtask test` installs it.
///
/// Statuses, media types, headers and bodies are those of the document; what does not fit it is refused; no answer is the
/// server's fault; no operation that wants a key does without; each refuses methods that it does not have.
#[test]
fn schemathesis_finds_nothing_to_complain_of() {
    let tool = project::root().join("target/python/bin/schemathesis");
    assert!(
        tool.exists(),
        "Schemathesis is not installed; run `cargo xtask test`"
    );
    let server = Server::start(script(Setup::default()));
    let draft = json!({ "name": "asks", "scopes": ["admin", "summaries:write", "chat:write", "batches:write", "tokens:write"] });
    let (own_id, own) = server.new_key(&draft);
    let (other_id, _) = server.new_key(&draft);
    let files = project::root().join("tests/python");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(tool)
        .arg("--config-file")
        .arg(files.join("schemathesis.toml"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", server.address()))
        .args(["--header", &format!("Authorization: Bearer {own}")])
        .args(["--phases", "coverage,fuzzing", "--checks", "all"])
        .args(["--max-examples", "25", "--continue-on-failure"])
        .args(["--seed", "8", "--generation-database", "none"])
        // How long it takes to think of a request says nothing of the server.
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .args(["--no-color", "--output-truncate", "false"])
        .current_dir(folder.path())
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", files)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OWN_KEY_ID", own_id)
        .env("OTHER_KEY_ID", other_id)
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let document = server.get("/openapi.json").send().json();
    let paths = document["paths"].as_object().unwrap().values();
    let operations: usize = paths.map(|path| path.as_object().unwrap().len()).sum();
    let tested = format!("Tested: {operations}");
    assert!(
        told.lines().any(|line| line.trim() == tested),
        "not every operation was tested:\n{told}"
    );
}
