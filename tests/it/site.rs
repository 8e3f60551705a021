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

/// The same in a folder, with paths from it.
fn run_in(root: &Path, verb: &str, args: &[&str]) -> Output {
    let mut command = product();
    command.current_dir(root).args(["site", verb]).args(args);
    command.output().unwrap()
}

/// A page with all it needs but a description.
fn page(title: &str, text: &str) -> String {
    format!("---\ntitle: {title}\n---\n{text}")
}

/// How many pages a check reads, by its last line.
#[track_caller]
fn check_pages(root: &Path, args: &[&str], expect: usize) {
    let output = run_in(root, "check", args);
    let line = text(&output.stdout);
    let line = line.lines().last().unwrap_or_default();
    assert!(
        line.contains(&format!(" {expect} pages")),
        "{line}{}",
        text(&output.stderr)
    );
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

#[test]
fn files_of_several_folders_are_of_one_repository() {
    let (a, b) = (page("Bread", BREAD), page("Bike", BIKE));
    let files = [("docs/a.md", &*a), ("notes/b.md", &*b), ("c.md", &*a)];
    let root = site(&files);
    // Without a repository the site is what the paths have in common.
    check_pages(root.path(), &["docs/a.md", "notes/b.md"], 2);
    std::fs::create_dir(root.path().join(".git")).unwrap();
    check_pages(root.path(), &["docs/a.md", "notes/b.md"], 2);
    let output = run_in(root.path(), "check", &["docs/a.md", "notes/b.md"]);
    let table = text(&output.stdout);
    assert!(table.contains("also the title of c.md"), "{table}");
    // A folder that is named alone is the site.
    check_pages(root.path(), &["docs"], 1);
    let other = site(&[("hugo.toml", ""), ("content/a.md", &a)]);
    let inside = other.path().join("content/a.md");
    let output = run_in(root.path(), "check", &["c.md", inside.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
}

#[test]
fn parts_of_pages_and_drafts_are_none() {
    let text = page("Bread", BREAD);
    let text = text.as_str();
    let docusaurus = site(&[
        ("docusaurus.config.js", ""),
        ("docs/a.md", text),
        ("docs/_partials/p.mdx", text),
        ("docs/_p.md", text),
    ]);
    check_pages(docusaurus.path(), &["."], 1);
    let astro = site(&[
        ("astro.config.mjs", ""),
        ("src/content/blog/a.md", text),
        ("src/content/blog/_a.md", text),
        ("src/content/_old/a.md", text),
    ]);
    check_pages(astro.path(), &["."], 1);
    let hugo = site(&[("hugo.toml", ""), ("content/_index.md", text)]);
    check_pages(hugo.path(), &["."], 1);
    let jekyll = site(&[
        ("_config.yml", ""),
        ("_posts/2024-01-01-a.md", text),
        ("_recipes/a.md", text),
        ("_recipes/_a.md", text),
        ("_drafts/a.md", text),
    ]);
    check_pages(jekyll.path(), &["."], 2);
    check_pages(jekyll.path(), &[".", "--drafts"], 3);
}

#[test]
fn a_section_may_be_called_as_a_build_is() {
    let text = page("Bread", BREAD);
    let docusaurus = site(&[
        ("docusaurus.config.js", ""),
        ("docs/build/a.md", &text),
        ("build/a.md", &text),
    ]);
    check_pages(docusaurus.path(), &["."], 1);
    let hugo = site(&[("hugo.toml", ""), ("content/resources/a.md", &text)]);
    check_pages(hugo.path(), &["."], 1);
    let plain = site(&[("a.md", &text), ("build/a.md", &text)]);
    check_pages(plain.path(), &["."], 1);
}

#[test]
fn the_undo_that_a_fill_names_takes_it_back() {
    let root = site(&[("my docs/deep/a.md", &page("Bread", BREAD))]);
    let before = snapshot(root.path());
    let undo = |folder: &Path| {
        let fill = run_in(root.path(), "fill", &["my docs"]);
        let said = text(&fill.stderr);
        let command = said.split('`').nth(1).unwrap().to_owned();
        assert_ne!(snapshot(root.path()), before, "{said}");
        let place = command.strip_prefix("smart-summary site undo ").unwrap();
        let output = run_in(folder, "undo", &[place.trim_matches('\'')]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(snapshot(root.path()), before, "{command}");
    };
    undo(root.path());
    undo(Path::new("/"));
    // In a repository, from any folder of it.
    std::fs::create_dir(root.path().join(".git")).unwrap();
    assert!(run_in(root.path(), "fill", &["my docs"]).status.success());
    let output = run_in(root.path(), "undo", &["my docs/deep"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(snapshot(root.path()), before);
}

#[test]
fn addresses_of_findings_begin_at_the_repository() {
    let address = |repository: bool| {
        let root = site(&[
            ("web site/hugo.toml", ""),
            ("web site/content/a.md", &page("Bread", BREAD)),
        ]);
        if repository {
            std::fs::create_dir(root.path().join(".git")).unwrap();
        }
        let output = run_in(root.path(), "check", &["web site", "--format", "sarif"]);
        let sarif: Value = serde_json::from_slice(&output.stdout).unwrap();
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        place["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(address(true), "web%20site/content/a.md");
    assert_eq!(address(false), "content/a.md");
}

#[test]
fn a_page_of_front_matter_only_is_left_to_a_person() {
    let root = site(&[
        ("_config.yml", ""),
        ("index.md", "---\nlayout: home\n---\n"),
        ("a.md", &page("Bread", BREAD)),
    ]);
    let output = run("fill", root.path(), &[]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("changed 1 pages: 1 descriptions, 0 alt texts; 1 left to a person, 0 failed"),
        "{said}"
    );
}

#[test]
fn a_page_of_many_pictures_keeps_its_title() {
    let pictures: String = (0..20).map(|n| format!("![](loaf{n}.png)\n\n")).collect();
    let root = site(&[(
        "a.md",
        &format!("## Baking rye bread\n\n{BREAD}\n{pictures}"),
    )]);
    for n in 0..20 {
        let file = root.path().join(format!("loaf{n}.png"));
        std::fs::write(file, pictures::png(32, 24)).unwrap();
    }
    let output = run("fill", root.path(), &["--fields", "title,alt-texts"]);
    let filled = std::fs::read_to_string(root.path().join("a.md")).unwrap();
    assert!(
        filled.starts_with("---\ntitle: \"Baking rye bread\"\n---\n"),
        "{filled}{}",
        text(&output.stderr)
    );
}

/// The description that a page has after a fill.
fn described(root: &Path, name: &str) -> String {
    let filled = std::fs::read_to_string(root.join(name)).unwrap();
    let mut lines = filled.lines();
    let line = lines.find_map(|line| line.strip_prefix("description: "));
    line.unwrap_or_default().trim_matches('"').to_owned()
}

#[test]
fn only_what_is_named_is_written_anew() {
    let with = |title: &str, description: &str, body: &str| {
        format!("---\ntitle: {title}\ndescription: {description}\n---\n{body}")
    };
    let long = "word ".repeat(40) + "end.";
    let same = "The same description on two pages, word for word, and long enough.";
    let own = "A description that is as it should be, and so it stays as it is.";
    let files = [
        ("long.md", with("Long", &long, BREAD)),
        (
            "a.md",
            with(
                "A",
                same,
                "Backups that nobody has restored are hopes. Restore one each month on another machine.\n",
            ),
        ),
        ("b.md", with("B", same, BIKE)),
        (
            "own.md",
            with(
                "Own",
                own,
                "A clean lens shows more of the stars than a large one. Breath on it, and wipe it with a soft cloth.\n",
            ),
        ),
    ];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let changed = |more: &[&str]| {
        let root = site(&files);
        let before = snapshot(root.path());
        let output = run("fill", root.path(), more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let after = snapshot(root.path()).into_iter();
        let new = after.filter(|(name, bytes)| before.get(name) != Some(bytes));
        let names = new.map(|(name, _)| name.to_string_lossy().into_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(changed(&[]), Vec::<String>::new());
    assert_eq!(changed(&["--replace", "too-long"]), ["long.md"]);
    assert_eq!(changed(&["--replace", "duplicate"]), ["a.md", "b.md"]);
    assert_eq!(
        changed(&["--replace", "too-long,duplicate"]),
        ["a.md", "b.md", "long.md"]
    );
    assert_eq!(changed(&["--replace", "all"]).len(), 4);
    let root = site(&files);
    run(
        "fill",
        root.path(),
        &["--replace", "all", "--fields", "keywords"],
    );
    assert_eq!(described(root.path(), "own.md"), own);
    assert!(
        snapshot(root.path())
            .values()
            .any(|bytes| text(bytes).contains("\nkeywords: ["))
    );
}

#[test]
fn alt_texts_that_say_nothing_are_written_anew_when_they_are_named() {
    let head = page(
        "Bread\ndescription: A description that is long enough to say what the page is about.",
        BREAD,
    );
    let figure = "<figure><img src=\"/x1.png\" alt='IMG_2041.JPG'><figcaption>The cut loaf on a board</figcaption></figure>";
    let text = format!(
        "{head}\n{figure}\n\n![Image of the oven](oven.png)\n\n![烤箱的照片](oven2.png)\n\n![A knife](knife.png)\n\n![DSC_0007](DSC_0007.png)\n"
    );
    let root = site(&[("a.md", &text)]);
    assert!(run("fill", root.path(), &[]).status.success());
    let read = || std::fs::read_to_string(root.path().join("a.md")).unwrap();
    assert_eq!(read(), text, "nothing is missing");
    let output = run("fill", root.path(), &["--replace", "alt-texts"]);
    let expect = text
        .replace("alt='IMG_2041.JPG'", "alt=\"The cut loaf on a board\"")
        .replace("Image of the oven", "The oven")
        .replace("烤箱的照片", "烤箱");
    assert_eq!(read(), expect, "{}", self::text(&output.stderr));
    assert!(
        self::text(&output.stderr).contains("DSC_0007.png needs an alt text from a person"),
        "{}",
        self::text(&output.stderr)
    );
    assert!(run("undo", root.path(), &[]).status.success());
    assert_eq!(read(), text);
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_by_the_exit_code() {
    let root = site(&[("a.md", &page("Bread", BREAD))]);
    let before = snapshot(root.path());
    let code = |verb: &str, more: &[&str]| run(verb, root.path(), more).status.code();
    assert_eq!(code("fill", &["--fields", "slug"]), Some(2));
    assert_eq!(code("fill", &["--replace", "some"]), Some(2));
    assert_eq!(code("fill", &["--engine", "crystal-ball"]), Some(2));
    assert_eq!(code("fill", &["--server", "http://127.0.0.1:9"]), Some(2));
    assert_eq!(code("check", &["--format", "html"]), Some(2));
    assert_eq!(code("check", &["--generator", "gatsby"]), Some(2));
    // There is no model here, so its engine writes nothing.
    assert_eq!(code("fill", &["--engine", "glm4v"]), Some(1));
    assert_eq!(snapshot(root.path()), before);
    assert_eq!(code("fill", &["--engine", "extractive"]), Some(0));
    assert_ne!(snapshot(root.path()), before);
}
