//! The READMEs keep what they promise: their commands are run, their code is the demo's code.

use std::process::Command;

use crate::project;
use crate::server::{Server, Setup};

/// A fenced block: its language and its text.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

/// The blocks that follow the comment `<!-- MARK -->`.
fn marked(file: &str, mark: &str) -> Vec<Block> {
    let path = project::root().join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{file} cannot be read: {error}"));
    let comment = format!("<!-- {mark} -->");
    text.split(&comment)
        .skip(1)
        .map(|rest| block(file, &comment, rest))
        .collect()
}

fn block(file: &str, comment: &str, rest: &str) -> Block {
    let rest = rest.trim_start();
    let inside = rest
        .strip_prefix("```")
        .unwrap_or_else(|| panic!("{file}: {comment} is not followed by a code block"));
    let (language, inside) = inside.split_once('\n').unwrap();
    let (text, _) = inside
        .split_once("\n```")
        .unwrap_or_else(|| panic!("{file}: the block after {comment} does not end"));
    Block {
        language: language.trim().to_owned(),
        text: format!("{text}\n"),
    }
}

/// Runs every marked block of a README against a server.
#[track_caller]
fn check_blocks(file: &str) {
    let blocks = marked(file, "test");
    for language in ["sh", "python"] {
        assert!(
            blocks.iter().any(|block| block.language == language),
            "{file} has no ```{language} block after <!-- test -->"
        );
    }
    let server = Server::start(Setup::default());
    for block in blocks {
        check_block(file, &server, &block);
    }
}

#[track_caller]
fn check_block(file: &str, server: &Server, block: &Block) {
    let url = format!("http://{}", server.address());
    let text = block.text.replace("http://127.0.0.1:8080", &url);
    let (program, flag) = match block.language.as_str() {
        "sh" => ("sh", "-ec"),
        "python" => ("python3", "-c"),
        other => panic!("{file}: a ```{other} block cannot be run"),
    };
    let output = Command::new(program)
        .args([flag, &text])
        .current_dir(project::root())
        .env("SMART_SUMMARY_URL", &url)
        .env("SMART_SUMMARY_KEY", &server.key)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{file}: this block failed:\n{text}\n{out}{err}"
    );
    assert!(
        !out.trim().is_empty(),
        "{file}: this block printed nothing:\n{text}\n{err}"
    );
    // The scripted engine's title, or the embedded one's in the JSON.
    assert!(
        out.contains("A scripted title") || out.contains("title"),
        "{file}: no title in what this block printed:\n{text}\n{out}"
    );
}

/// The lines between `// <embed>` and `// </embed>` of the demo, without their common indent.
fn demo() -> String {
    let file = "web-demo/src/embed.ts";
    let text = std::fs::read_to_string(project::root().join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
    let inside = text
        .split_once("// <embed>")
        .and_then(|(_, rest)| rest.split_once("// </embed>"));
    let (inside, _) = inside
        .unwrap_or_else(|| panic!("{file} has no lines between `// <embed>` and `// </embed>`"));
    dedented(inside)
}

fn dedented(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .skip_while(|line| line.is_empty())
        .collect();
    let indent = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min();
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.get(indent.unwrap_or(0)..).unwrap_or(""))
        .collect();
    lines.join("\n").trim_end().to_owned()
}

#[track_caller]
fn check_embed(file: &str) {
    let blocks = marked(file, "embed");
    let [block] = &blocks[..] else {
        panic!(
            "{file} has {} blocks after <!-- embed -->, not one",
            blocks.len()
        )
    };
    let (shown, real) = (dedented(&block.text), demo());
    assert!(
        shown == real,
        "{file}: the block after <!-- embed --> is not web-demo/src/embed.ts.\n\nIt shows:\n{shown}\n\nIt should show:\n{real}\n"
    );
}

#[test]
fn what_the_readme_shows_works() {
    check_blocks("README.md");
}

#[test]
fn what_the_chinese_readme_shows_works() {
    check_blocks("README.zh-CN.md");
}

#[test]
fn the_embed_of_the_readme_is_the_demos() {
    check_embed("README.md");
}

#[test]
fn the_embed_of_the_chinese_readme_is_the_demos() {
    check_embed("README.zh-CN.md");
}
