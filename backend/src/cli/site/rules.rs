//! What may be wrong with a page, and with pages beside each other.

use std::collections::HashMap;

use api::limits::{description_line, lengths, title_line};
use api::{FieldLimits, Target};
use serde::Serialize;

use super::images::Alt;
use super::page::{DESCRIPTION, Page, line_of, primary};

/// Words that two descriptions may begin or end with before one is boilerplate: only so many pages share them by chance.
const BOILERPLATE_WORDS: usize = 6;
/// The same in characters of a script that is written without spaces.
const BOILERPLATE_CHARS: usize = 10;
/// Marks before a site's name.
const SEPARATORS: [&str; 6] = [" | ", "｜", " - ", " – ", " — ", " · "];
/// Pages that begin or end alike.
const BOILERPLATE_PAGES: usize = 3;
/// A description under this share of its limit tells too little.
const SHORT_SHARE: f32 = 0.3;

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Note,
    Warning,
    Error,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rule {
    Unreadable,
    TitleMissing,
    TitleTooLong,
    TitleDuplicate,
    DescriptionMissing,
    DescriptionTooLong,
    DescriptionTooShort,
    DescriptionDuplicate,
    DescriptionIsTitle,
    DescriptionBoilerplate,
    AltMissing,
    AltIsFileName,
    AltBoilerplate,
}

impl Rule {
    pub(super) const ALL: [Self; 13] = [
        Self::Unreadable,
        Self::TitleMissing,
        Self::TitleTooLong,
        Self::TitleDuplicate,
        Self::DescriptionMissing,
        Self::DescriptionTooLong,
        Self::DescriptionTooShort,
        Self::DescriptionDuplicate,
        Self::DescriptionIsTitle,
        Self::DescriptionBoilerplate,
        Self::AltMissing,
        Self::AltIsFileName,
        Self::AltBoilerplate,
    ];

    /// Name, level, and what it means for the page's owner.
    pub(super) fn facts(self) -> (&'static str, Level, &'static str) {
        use Level::{Error, Note, Warning};
        match self {
            Self::Unreadable => (
                "unreadable",
                Warning,
                "The page cannot be read, so nothing is checked or filled.",
            ),
            Self::TitleMissing => ("title-missing", Warning, "The front matter has no title."),
            Self::TitleTooLong => ("title-too-long", Note, "Search results cut the title."),
            Self::TitleDuplicate => (
                "title-duplicate",
                Warning,
                "Another page has the same title.",
            ),
            Self::DescriptionMissing => (
                "description-missing",
                Error,
                "Search engines pick a text of the page's themselves.",
            ),
            Self::DescriptionTooLong => (
                "description-too-long",
                Error,
                "Search results cut the description.",
            ),
            Self::DescriptionTooShort => (
                "description-too-short",
                Note,
                "The description leaves most of its room empty.",
            ),
            Self::DescriptionDuplicate => (
                "description-duplicate",
                Error,
                "Another page has the same description.",
            ),
            Self::DescriptionIsTitle => (
                "description-is-title",
                Warning,
                "The description only repeats the title.",
            ),
            Self::DescriptionBoilerplate => (
                "description-boilerplate",
                Warning,
                "Several descriptions begin or end with the same words.",
            ),
            Self::AltMissing => (
                "alt-missing",
                Error,
                "Who cannot see the picture gets nothing.",
            ),
            Self::AltIsFileName => (
                "alt-is-file-name",
                Warning,
                "A file's name does not say what the picture shows.",
            ),
            Self::AltBoilerplate => (
                "alt-boilerplate",
                Note,
                "A screen reader says that it is a picture; the text need not.",
            ),
        }
    }
}

/// One fault at its place.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) level: Level,
    /// From the site's root.
    pub(super) page: String,
    pub(super) line: usize,
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn new(rule: Rule, page: &str, line: usize, detail: String) -> Self {
        let (_, level, _) = rule.facts();
        Self {
            rule,
            level,
            page: page.to_owned(),
            line,
            detail,
        }
    }
}

/// The faults of each page, all pages known.
pub(super) struct Rules<'a> {
    titles: HashMap<String, Vec<&'a str>>,
    descriptions: HashMap<String, Vec<&'a str>>,
    /// How many descriptions begin, and how many end, with these words.
    beginnings: HashMap<String, usize>,
    endings: HashMap<String, usize>,
    /// Where titles and descriptions are to be shown.
    target: Option<Target>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(pages: &'a [Page], target: Option<Target>) -> Self {
        let mut rules = Self {
            titles: HashMap::new(),
            descriptions: HashMap::new(),
            beginnings: HashMap::new(),
            endings: HashMap::new(),
            target,
        };
        for page in pages {
            if let Some(title) = page.title() {
                rules
                    .titles
                    .entry(key(title, page))
                    .or_default()
                    .push(&page.name);
            }
            if let Some(description) = page.description() {
                rules
                    .descriptions
                    .entry(key(description, page))
                    .or_default()
                    .push(&page.name);
                if let Some(beginning) = beginning(description) {
                    *rules.beginnings.entry(key(beginning, page)).or_default() += 1;
                }
                if let Some(ending) = ending(description) {
                    *rules.endings.entry(key(ending, page)).or_default() += 1;
                }
            }
        }
        rules
    }

    pub(super) fn check(&self, page: &Page) -> Vec<Finding> {
        if let Err(broken) = &page.front {
            return vec![Finding::new(
                Rule::Unreadable,
                &page.name,
                1,
                broken.to_string(),
            )];
        }
        let mut found = Vec::new();
        self.title(page, &mut found);
        self.description(page, &mut found);
        alts(page, &mut found);
        found
    }

    fn title(&self, page: &Page, found: &mut Vec<Finding>) {
        let line = page.line_of_key(&["title"]);
        let mut add = |rule, detail| found.push(Finding::new(rule, &page.name, line, detail));
        let Some(title) = page.title() else {
            if !has_heading(page.body()) {
                add(
                    Rule::TitleMissing,
                    "no `title`, and no heading that could stand for it".to_owned(),
                );
            }
            return;
        };
        if let Some(cut) = self.measure(title, page, Kind::Title).cut() {
            add(Rule::TitleTooLong, cut);
        }
        if let Some(other) = other(&self.titles, title, page) {
            add(Rule::TitleDuplicate, format!("also the title of {other}"));
        }
    }

    fn description(&self, page: &Page, found: &mut Vec<Finding>) {
        let line = page.line_of_key(&DESCRIPTION);
        let mut add = |rule, detail| found.push(Finding::new(rule, &page.name, line, detail));
        let Some(description) = page.description() else {
            return add(Rule::DescriptionMissing, "no `description`".to_owned());
        };
        let measured = self.measure(description, page, Kind::Description);
        if let Some(cut) = measured.cut() {
            add(Rule::DescriptionTooLong, cut);
        }
        let Measured { length, max, .. } = measured;
        #[expect(clippy::cast_precision_loss, reason = "lengths are small numbers")]
        if (length as f32) < max as f32 * SHORT_SHARE {
            add(
                Rule::DescriptionTooShort,
                format!("{length} characters; there is room for {max}"),
            );
        }
        if let Some(other) = other(&self.descriptions, description, page) {
            add(
                Rule::DescriptionDuplicate,
                format!("also the description of {other}"),
            );
        } else if let Some(alike) = self.boilerplate(description, page) {
            add(Rule::DescriptionBoilerplate, alike);
        }
        if page
            .title()
            .is_some_and(|title| folded(title) == folded(description))
        {
            add(
                Rule::DescriptionIsTitle,
                "it says what the title says".to_owned(),
            );
        }
    }

    /// What a description has in common with those of other pages, when it is more than chance.
    fn boilerplate(&self, description: &str, page: &Page) -> Option<String> {
        let alike = [
            ("begin", beginning(description), &self.beginnings),
            ("end", ending(description), &self.endings),
        ];
        alike.into_iter().find_map(|(verb, words, known)| {
            let words = words?;
            let pages = known.get(&key(words, page))?;
            (*pages >= BOILERPLATE_PAGES)
                .then(|| format!("{pages} descriptions {verb} with “{}”", words.trim()))
        })
    }

    fn measure(&self, text: &str, page: &Page, kind: Kind) -> Measured {
        let language = page
            .language()
            .unwrap_or_else(|| extractive::detect_language(text));
        let asked = FieldLimits {
            target: self.target,
            ..FieldLimits::default()
        };
        let own = lengths(&language);
        let limits = own.with(&asked);
        let (max, line) = match kind {
            Kind::Title => (limits.title_chars, title_line(&asked)),
            Kind::Description => (limits.description_chars, description_line(&asked)),
        };
        let length = if own == api::limits::WIDE {
            whole(extractive::width(text))
        } else {
            text.chars().count()
        };
        let width = line.map(|line| {
            let pixels = extractive::ems(text) * f32::from(line.font);
            (whole(pixels), usize::from(line.pixels))
        });
        Measured {
            length,
            max: usize::from(max),
            width,
        }
    }

    /// Whether another page says the same.
    pub(super) fn is_taken(&self, description: &str, page: &Page) -> bool {
        other(&self.descriptions, description, page).is_some()
    }
}

fn other<'a>(known: &HashMap<String, Vec<&'a str>>, text: &str, page: &Page) -> Option<&'a str> {
    known
        .get(&key(text, page))?
        .iter()
        .copied()
        .find(|name| *name != page.name)
}

fn alts(page: &Page, found: &mut Vec<Finding>) {
    for image in &page.images {
        let line = line_of(&page.text, image.span.start);
        let mut add =
            |rule, detail: String| found.push(Finding::new(rule, &page.name, line, detail));
        let name = image.name();
        match &image.alt {
            Alt::Missing if extractive::is_ornament(name) => {}
            Alt::Missing => add(Rule::AltMissing, image.src.clone()),
            Alt::Text(alt) => {
                if let Some(rule) = fault(alt, name) {
                    add(rule, alt.clone());
                }
            }
            Alt::Decorative | Alt::Computed => {}
        }
    }
}

/// What is wrong with the alt text of the picture in the file of this name.
pub(super) fn fault(alt: &str, name: &str) -> Option<Rule> {
    if is_file_name(alt, name) {
        Some(Rule::AltIsFileName)
    } else if is_boilerplate(alt) {
        Some(Rule::AltBoilerplate)
    } else {
        None
    }
}

fn is_file_name(alt: &str, name: &str) -> bool {
    let lower = alt.trim().to_lowercase();
    let picture = [".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif"]
        .iter()
        .any(|end| lower.ends_with(end));
    // A name that is one plain word may well say what is shown.
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    picture && !lower.contains(' ')
        || lower == stem.to_lowercase()
            && stem.contains(|c: char| c == '_' || c == '-' || c.is_ascii_digit())
}

fn is_boilerplate(alt: &str) -> bool {
    let alt = alt.trim();
    extractive::bare(alt) != alt
        || [
            "image",
            "picture",
            "photo",
            "screenshot",
            "图片",
            "图像",
            "截图",
            "照片",
        ]
        .contains(&alt.to_lowercase().as_str())
}

fn has_heading(body: &str) -> bool {
    let document = extractive::text::blocks(body, extractive::ContentFormat::Markdown);
    let mut blocks = document.blocks.iter();
    blocks.any(|block| block.kind == extractive::text::BlockKind::Heading(1))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a width is a small positive number"
)]
fn whole(width: f32) -> usize {
    width.ceil() as usize
}

#[derive(Clone, Copy)]
enum Kind {
    Title,
    Description,
}

/// A text's length as its language counts it, and its width.
struct Measured {
    length: usize,
    max: usize,
    /// Pixels, and how many are shown.
    width: Option<(usize, usize)>,
}

impl Measured {
    /// What is cut, when something is.
    fn cut(&self) -> Option<String> {
        if self.length > self.max {
            return Some(format!(
                "{} characters; {} are shown",
                self.length, self.max
            ));
        }
        let (width, max) = self.width.filter(|(width, max)| width > max)?;
        Some(format!("{width} pixels wide; {max} are shown"))
    }
}

/// What a text is known by among those of the pages beside it.
pub(super) fn key(text: &str, page: &Page) -> String {
    let language = page.language().map(|tag| primary(&tag).to_lowercase());
    let (edition, language) = (page.edition(), language.unwrap_or_default());
    format!("{edition}\n{language}\n{}", folded(text))
}

/// Without case, space and punctuation: what a reader takes for the same.
fn folded(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The first words; nothing when there are no more than those.
fn beginning(text: &str) -> Option<&str> {
    if is_unspaced(text) {
        let (at, _) = text.char_indices().nth(BOILERPLATE_CHARS)?;
        return text.get(..at);
    }
    let mut starts = words(text);
    let (end, _) = starts.nth(BOILERPLATE_WORDS)?;
    text.get(..end)
}

/// What stands behind the last separator, else the last words; nothing when there are no more than those.
fn ending(text: &str) -> Option<&str> {
    let separated = SEPARATORS
        .iter()
        .filter_map(|separator| text.rfind(separator))
        .max();
    if let Some(at) = separated.filter(|at| *at > 0) {
        return text.get(at..);
    }
    if is_unspaced(text) {
        let (at, _) = text.char_indices().rev().nth(BOILERPLATE_CHARS - 1)?;
        return (at > 0).then(|| text.get(at..))?;
    }
    let all = words(text).count();
    let (at, _) = words(text).nth(all.checked_sub(BOILERPLATE_WORDS)?)?;
    (at > 0).then(|| text.get(at..))?
}

/// Words between spaces, with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let pieces = text.split_inclusive(char::is_whitespace);
    let placed = pieces.scan(0, |at, piece| {
        let start = *at;
        *at += piece.len();
        Some((start, piece))
    });
    placed.filter(|(_, piece)| !piece.trim().is_empty())
}

/// Whether most of a text is written without spaces between its words, as Chinese and Japanese are.
fn is_unspaced(text: &str) -> bool {
    let unspaced = |c: &char| extractive::is_unspaced_script(*c);
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    text.chars().filter(unspaced).count() * 2 > letters.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, text: &str) -> Page {
        Page::new(name.to_owned(), name.into(), text.to_owned())
    }

    #[track_caller]
    fn check(texts: &[&str], expect: &[Rule]) {
        let pages: Vec<Page> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| page(&format!("{index}.md"), text))
            .collect();
        let rules = Rules::of(&pages, None);
        let found: Vec<Rule> = rules
            .check(&pages[0])
            .into_iter()
            .map(|finding| finding.rule)
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_page_with_all_it_needs_has_no_fault() {
        check(
            &[
                "---\ntitle: Rye\ndescription: Rye bread needs time more than skill, and a sourdough overnight.\n---\n![A loaf](a.png)",
            ],
            &[],
        );
        check(
            &[
                "---\ntitle: 黑麦\ndescription: 黑麦面包需要的是时间而不是技巧，酵头要放一夜，第二天再烤。\n---\n",
            ],
            &[],
        );
    }

    #[test]
    fn what_is_missing_is_named_with_its_line() {
        let page = page(
            "a.md",
            "---\ntags: []\n---\n\n![](a.png)\n\n![](spacer.gif)\n",
        );
        let pages = [page];
        let found = Rules::of(&pages, None).check(&pages[0]);
        let places: Vec<_> = found
            .iter()
            .map(|finding| (finding.rule, finding.line))
            .collect();
        assert_eq!(
            places,
            [
                (Rule::TitleMissing, 2),
                (Rule::DescriptionMissing, 2),
                (Rule::AltMissing, 5)
            ]
        );
    }

    #[test]
    fn lengths_are_the_languages_own() {
        let long = "word ".repeat(33);
        check(
            &[&format!("---\ntitle: T\ndescription: {long}end\n---\n")],
            &[Rule::DescriptionTooLong],
        );
        let wide = "字".repeat(81);
        check(
            &[&format!("---\ntitle: 题\ndescription: {wide}\n---\n")],
            &[Rule::DescriptionTooLong],
        );
        let fits = "字".repeat(80);
        check(
            &[&format!("---\ntitle: 题\ndescription: {fits}\n---\n")],
            &[],
        );
    }

    #[test]
    fn widths_are_those_of_the_place() {
        let found = |target| {
            let narrow = "A guide to the little things in life: still a title";
            let wide = "COMMON MISTAKES: HOW WE MANAGE THE WAREHOUSES";
            let long = "Rye bread needs more time than skill, and every loaf of it wants a day of rest \
                        before anybody may cut it; how to wait, and what to do in the meanwhile.";
            let pages = [
                page(
                    "a.md",
                    &format!("---\ntitle: '{narrow}'\ndescription: '{long}'\n---\n"),
                ),
                page(
                    "b.md",
                    &format!("---\ntitle: '{wide}'\ndescription: '{long} Ok.'\n---\n"),
                ),
            ];
            let rules = Rules::of(&pages, target);
            let found = pages.iter().flat_map(|page| rules.check(page));
            found.map(|finding| finding.detail).collect::<Vec<_>>()
        };
        assert_eq!(found(None), ["586 pixels wide; 580 are shown"]);
        assert_eq!(found(Some(Target::X)), Vec::<String>::new());
        assert_eq!(
            found(Some(Target::GoogleMobile)).len(),
            2,
            "both descriptions are wider than a telephone shows"
        );
    }

    #[test]
    fn pages_are_held_beside_each_other() {
        let text =
            "---\ntitle: T\ndescription: A description of more than forty-eight characters.\n---\n";
        check(
            &[text, text],
            &[Rule::TitleDuplicate, Rule::DescriptionDuplicate],
        );
        let with = |end: &str| {
            format!(
                "---\ntitle: {end}\ndescription: Welcome to the blog of Jane where the story of {end} is told.\n---\n"
            )
        };
        let texts = [with("one"), with("two"), with("three")];
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        check(&texts, &[Rule::DescriptionBoilerplate]);
    }

    #[track_caller]
    fn check_alike(descriptions: [&str; 3], expect: Option<&str>) {
        let pages: Vec<Page> = descriptions
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let name = format!("{index}.md");
                page(
                    &name,
                    &format!("---\ntitle: T{index}\ndescription: '{text}'\n---\n"),
                )
            })
            .collect();
        let rules = Rules::of(&pages, None);
        let found = rules.boilerplate(descriptions[0], &pages[0]);
        assert_eq!(found.as_deref(), expect);
    }

    #[test]
    fn descriptions_that_begin_alike_are_told_in_both_scripts() {
        let alike = [
            "欢迎来到小明的技术博客，这里讲黑麦面包的故事。",
            "欢迎来到小明的技术博客，这里讲冬天骑车的事。",
            "欢迎来到小明的技术博客，今天说说备份。",
        ];
        check_alike(
            alike,
            Some("3 descriptions begin with “欢迎来到小明的技术博”"),
        );
        check_alike(
            [
                "黑麦面包需要的是时间而不是技巧。",
                "黑麦面包要放一夜，第二天再烤。",
                "黑麦酵头每天都要喂一次，放在厨房里。",
            ],
            None,
        );
        check_alike(
            [
                "Rye bread needs time more than skill.",
                "Rye bread needs salt more than sugar.",
                "Rye bread.",
            ],
            None,
        );
    }

    #[test]
    fn descriptions_that_end_alike_are_told_in_both_scripts() {
        check_alike(
            [
                "Rye needs time. | Acme Docs",
                "Bikes need oil in winter. | Acme Docs",
                "How backups are made. | Acme Docs",
            ],
            Some("3 descriptions end with “| Acme Docs”"),
        );
        check_alike(
            [
                "Rye needs time. Read more about it on the blog.",
                "Bikes need oil. Read more about it on the blog.",
                "Backups. Read more about it on the blog.",
            ],
            Some("3 descriptions end with “more about it on the blog.”"),
        );
        check_alike(
            [
                "黑麦面包需要时间。更多内容请看小明的技术博客。",
                "冬天骑车要上油。更多内容请看小明的技术博客。",
                "备份要常做。更多内容请看小明的技术博客。",
            ],
            Some("3 descriptions end with “请看小明的技术博客。”"),
        );
        check_alike(["黑麦｜文档", "骑车｜文档", "备份"], None);
    }

    #[test]
    fn a_heading_in_code_stands_for_no_title() {
        let check = |body: &str, expect: bool| assert_eq!(has_heading(body), expect, "{body}");
        check("```sh\n# apt install bread\n```\n", false);
        check("    # apt install bread\n", false);
        check("## Rye\n", false);
        check("Rye bread\n=========\n\nIt needs time.", true);
        check("text\n\n# Rye\n", true);
        check("<h1 class=\"x\">黑麦</h1>", true);
    }

    /// How many texts of the first page the second one repeats, when both have the same title and description.
    fn repeated(names: [&str; 2]) -> usize {
        let text =
            "---\ntitle: T\ndescription: A description of more than forty-eight characters.\n---\n";
        let pages = names.map(|name| page(name, text));
        let findings = Rules::of(&pages, None).check(&pages[0]);
        let twice = [Rule::TitleDuplicate, Rule::DescriptionDuplicate];
        findings
            .iter()
            .filter(|finding| twice.contains(&finding.rule))
            .count()
    }

    #[test]
    fn versions_of_a_documentation_may_repeat_each_other() {
        let [first, second] = [
            "versioned_docs/version-1/a.md",
            "versioned_docs/version-2/a.md",
        ];
        assert_eq!(repeated(["docs/a.md", first]), 0);
        assert_eq!(repeated([second, first]), 0);
        assert_eq!(repeated([first, "versioned_docs/version-1/b.md"]), 2);
    }

    #[test]
    fn a_translation_may_repeat_what_it_has_not_translated() {
        let translated = "i18n/zh/docusaurus-plugin-content-docs/current/a.md";
        assert_eq!(repeated(["docs/a.md", translated]), 0);
        assert_eq!(repeated(["content/a.md", "content/a.zh-CN.md"]), 0);
        assert_eq!(repeated(["content/zh/a.md", "content/b.zh-CN.md"]), 2);
    }

    #[test]
    fn an_alt_text_that_says_nothing_is_told() {
        let head =
            "---\ntitle: T\ndescription: A description of more than forty-eight characters.\n---\n";
        let check = |body: &str, expect: &[Rule]| check(&[&format!("{head}{body}")], expect);
        check("![IMG_1234.JPG](a.png)", &[Rule::AltIsFileName]);
        check("![my-pic-1](my-pic-1.png)", &[Rule::AltIsFileName]);
        check("![owl](owl.png)", &[]);
        check("![Image of an owl](owl.png)", &[Rule::AltBoilerplate]);
        check("![DSC1234](DSC1234.jpg)", &[Rule::AltIsFileName]);
        check(
            "![Photograph showing an owl](owl.png)",
            &[Rule::AltBoilerplate],
        );
        check("![港口的图片](owl.png)", &[Rule::AltBoilerplate]);
        check("![这张照片显示了港口](owl.png)", &[Rule::AltBoilerplate]);
        check("![港口的屏幕截图](owl.png)", &[]);
    }
}
