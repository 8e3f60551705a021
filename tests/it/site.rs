//! A whole static site, checked, filled and brought back by the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::pictures;
use crate::project;
use crate::server::{Server, Setup, product};

const BREAD: &str =
    "Rye bread needs time more than skill. A sourdough raises it overnight in a cool kitchen.\n";
const BIKE: &str = "Who rides in winter lowers the pressure of the tyres by half a bar and oils the chain each week.\n";

/// A site of these files.
fn site(files: &[(&str, &str)]) -> TempDir {
    let root = TempDir::new().unwrap();
    for (name, text) in files {
        let file = root.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    root
}

fn run(verb: &str, root: &Path, more: &[&str]) -> Output {
    let mut command = product();
    command.args(["site", verb]).arg(root).args(more);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The findings as `page rule`.
fn findings(root: &Path) -> Vec<String> {
    let output = run("check", root, &["--format", "json", "--fail-on", "never"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|found| {
            format!(
                "{} {}",
                found["page"].as_str().unwrap(),
                found["rule"].as_str().unwrap()
            )
        })
        .collect()
}

/// Every file of the site but the journal.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with(".smart-summary") => {}
                true => folders.push(path),
                false => {
                    files.insert(
                        path.strip_prefix(root).unwrap().to_owned(),
                        std::fs::read(&path).unwrap(),
                    );
                }
            }
        }
    }
    files
}

fn generators() -> [(&'static str, Vec<(&'static str, String)>); 5] {
    let yaml = format!("---\r\ntitle: Bread   # as it is\r\n---\r\n\r\n{BREAD}");
    let toml = format!("+++\ntitle = 'Bread'\n[menu]\nname = \"x\"\n+++\n{BREAD}");
    [
        (
            "hugo",
            vec![
                ("hugo.toml", String::new()),
                ("content/bread.md", toml),
                ("layouts/x.md", "No page.".into()),
            ],
        ),
        (
            "jekyll",
            vec![
                ("_config.yml", String::new()),
                ("_posts/2024-01-01-bread.md", yaml.clone()),
                ("plain.md", BREAD.into()),
            ],
        ),
        (
            "astro",
            vec![
                ("astro.config.mjs", String::new()),
                ("src/content/blog/bread.mdx", yaml.clone()),
            ],
        ),
        (
            "docusaurus",
            vec![
                ("docusaurus.config.js", String::new()),
                ("docs/bread.md", yaml.clone()),
                ("docs/_part.md", BREAD.into()),
            ],
        ),
        (
            "markdown",
            vec![("bread.md", yaml), ("README.md", BREAD.into())],
        ),
    ]
}

#[test]
fn every_generators_pages_are_found_filled_and_brought_back() {
    for (generator, files) in generators() {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect();
        let root = site(&files);
        let before = snapshot(root.path());
        let check = run("check", root.path(), &[]);
        assert_eq!(
            check.status.code(),
            Some(1),
            "{generator}: {}",
            text(&check.stdout)
        );
        let line = text(&check.stdout).lines().last().unwrap().to_lowercase();
        assert!(
            line.starts_with(&format!("{generator} site, 1 pages")),
            "{line}"
        );
        let dry = run("fill", root.path(), &["--dry-run"]);
        assert_eq!(
            snapshot(root.path()),
            before,
            "{generator}: a dry run changes nothing"
        );
        let diff = text(&dry.stdout);
        assert_eq!(
            diff.lines().filter(|line| line.starts_with('+')).count(),
            2,
            "{generator}: {diff}"
        );
        let fill = run("fill", root.path(), &[]);
        assert!(fill.status.success(), "{generator}: {}", text(&fill.stderr));
        assert_eq!(findings(root.path()), Vec::<String>::new(), "{generator}");
        // Nothing but one line more.
        let changed: Vec<_> = snapshot(root.path())
            .into_iter()
            .filter(|(name, bytes)| before.get(name) != Some(bytes))
            .collect();
        let [(name, bytes)] = &changed[..] else {
            panic!("{generator}: {changed:?}");
        };
        let kept: String = text(bytes)
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("description"))
            .collect();
        assert_eq!(kept.as_bytes(), before[name], "{generator}");
        let undo = run("undo", root.path(), &[]);
        assert!(undo.status.success(), "{generator}: {}", text(&undo.stderr));
        assert_eq!(snapshot(root.path()), before, "{generator}");
    }
}

#[test]
fn pictures_get_texts_from_the_words_around_and_ornaments_none() {
    let page = format!(
        "---\ntitle: Bread\ndescription: A description that is long enough to say what the page is about.\n---\n\n{BREAD}\n\
         <figure><img src=\"/a1.png\"><figcaption>The cut loaf on a board</figcaption></figure>\n\n![](divider.svg)\n\n![](/IMG_0017.png)\n"
    );
    let root = site(&[("hugo.toml", ""), ("content/bread.md", &page)]);
    std::fs::create_dir(root.path().join("static")).unwrap();
    std::fs::write(root.path().join("static/a1.png"), pictures::png(32, 24)).unwrap();
    let fill = run("fill", root.path(), &[]);
    let filled = std::fs::read_to_string(root.path().join("content/bread.md")).unwrap();
    assert!(
        filled.contains("alt=\"The cut loaf on a board\""),
        "{filled}"
    );
    assert!(filled.contains("![](divider.svg)"), "{filled}");
    assert!(!filled.to_lowercase().contains("![img"), "{filled}");
    assert!(
        text(&fill.stdout).contains("1 alt text"),
        "{}",
        text(&fill.stdout)
    );
    // A sentence that only stands near says nothing of a picture whose name is a number.
    assert!(filled.contains("![](/IMG_0017.png)"), "{filled}");
}

#[test]
fn pages_are_held_beside_each_other() {
    let page = |title: &str| {
        format!(
            "---\ntitle: {title}\ndescription: The same description on every page, word for word.\n---\n{BIKE}"
        )
    };
    let root = site(&[("a.md", &page("One")), ("b.md", &page("Two"))]);
    assert_eq!(
        findings(root.path()),
        ["a.md description-duplicate", "b.md description-duplicate"]
    );
    // One page alone is still held beside the others.
    let output = run(
        "check",
        &root.path().join("a.md"),
        &["--format", "sarif", "--fail-on", "never"],
    );
    let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{results:?}");
    let rule = results[0]["ruleIndex"].as_u64().unwrap() as usize;
    assert_eq!(
        run["tool"]["driver"]["rules"][rule]["id"],
        results[0]["ruleId"]
    );
    assert_eq!(
        results[0]["locations"][0]["physicalLocation"]["region"]["startLine"],
        3
    );
}

#[test]
fn what_a_person_wrote_since_is_not_taken_back() {
    let page = format!("---\ntitle: Bread\n---\n{BREAD}");
    let root = site(&[("bread.md", &page)]);
    assert!(run("fill", root.path(), &[]).status.success());
    let file = root.path().join("bread.md");
    let later = format!("{}More.\n", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, &later).unwrap();
    assert_eq!(run("undo", root.path(), &[]).status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), later);
}

#[test]
fn a_server_may_write_instead() {
    let server = Server::start(Setup::default());
    let page = format!("---\ntitle: Bread\n---\n{BREAD}");
    let root = site(&[("bread.md", &page)]);
    let output = product()
        .args(["site", "fill"])
        .arg(root.path())
        .args(["--server", &format!("http://{}", server.address())])
        .env("SMART_SUMMARY_KEY", &server.key)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let filled = std::fs::read_to_string(root.path().join("bread.md")).unwrap();
    assert!(
        filled.contains("description: \"A scripted description of the article.\""),
        "{filled}"
    );
}

#[test]
fn what_is_for_ci_names_what_there_is() {
    let action =
        std::fs::read_to_string(project::root().join("deploy/github-action/action.yml")).unwrap();
    let hook = std::fs::read_to_string(project::root().join(".pre-commit-hooks.yaml")).unwrap();
    assert!(hook.contains("entry: smart-summary site check"));
    let help = text(
        &product()
            .args(["site", "check", "--help"])
            .output()
            .unwrap()
            .stdout,
    );
    for option in ["--format", "--output", "--fail-on"] {
        assert!(action.contains(option) && help.contains(option), "{option}");
    }
}
