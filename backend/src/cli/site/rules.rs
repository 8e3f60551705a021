//! What may be wrong with a page, and with pages beside each other.

use std::collections::HashMap;

use api::limits::{description_line, lengths, title_line};
use api::{FieldLimits, Target};
use serde::Serialize;

use super::images::Alt;
use super::page::{DESCRIPTION, Page, line_of};

/// Words that two descriptions may begin with before one is boilerplate: only so many pages share them by chance.
const BOILERPLATE_WORDS: usize = 6;
/// Pages that begin alike.
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
                "Several descriptions begin with the same words.",
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
    beginnings: HashMap<String, usize>,
    /// Where titles and descriptions are to be shown.
    target: Option<Target>,
}

impl<'a> Rules<'a> {
    pub(super) fn of(pages: &'a [Page], target: Option<Target>) -> Self {
        let mut rules = Self {
            titles: HashMap::new(),
            descriptions: HashMap::new(),
            beginnings: HashMap::new(),
            target,
        };
        for page in pages {
            if let Some(title) = page.title() {
                rules
                    .titles
                    .entry(folded(title))
                    .or_default()
                    .push(&page.name);
            }
            if let Some(description) = page.description() {
                rules
                    .descriptions
                    .entry(folded(description))
                    .or_default()
                    .push(&page.name);
                if let Some(beginning) = beginning(description) {
                    *rules.beginnings.entry(beginning).or_default() += 1;
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
        } else if let Some(pages) =
            beginning(description).and_then(|begin| self.beginnings.get(&begin))
            && *pages >= BOILERPLATE_PAGES
        {
            add(
                Rule::DescriptionBoilerplate,
                format!("{pages} descriptions begin with the same {BOILERPLATE_WORDS} words"),
            );
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
        .get(&folded(text))?
        .iter()
        .copied()
        .find(|name| *name != page.name)
}

fn alts(page: &Page, found: &mut Vec<Finding>) {
    for image in &page.images {
        let line = line_of(&page.text, image.span.start);
        let mut add =
            |rule, detail: String| found.push(Finding::new(rule, &page.name, line, detail));
        let name = image.src.rsplit('/').next().unwrap_or_default();
        match &image.alt {
            Alt::Missing if extractive::is_ornament(name) => {}
            Alt::Missing => add(Rule::AltMissing, image.src.clone()),
            Alt::Text(alt) if is_file_name(alt, name) => add(Rule::AltIsFileName, alt.clone()),
            Alt::Text(alt) if is_boilerplate(alt) => add(Rule::AltBoilerplate, alt.clone()),
            Alt::Text(_) | Alt::Decorative | Alt::Computed => {}
        }
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
        || lower == stem.to_lowercase() && stem.contains(['_', '-', '0'])
}

fn is_boilerplate(alt: &str) -> bool {
    let lower = alt.trim().to_lowercase();
    [
        "image of ",
        "picture of ",
        "photo of ",
        "an image of ",
        "a picture of ",
        "a photo of ",
    ]
    .iter()
    .any(|start| lower.starts_with(start))
        || [
            "image",
            "picture",
            "photo",
            "screenshot",
            "图片",
            "截图",
            "照片",
        ]
        .contains(&lower.as_str())
}

fn has_heading(body: &str) -> bool {
    body.lines()
        .take(60)
        .any(|line| line.starts_with("# ") || line.to_lowercase().contains("<h1"))
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

/// Without case, space and punctuation: what a reader takes for the same.
fn folded(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The first words; nothing when there are no more than those.
fn beginning(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let first = words.get(..BOILERPLATE_WORDS)?;
    (words.len() > BOILERPLATE_WORDS).then(|| folded(&first.concat()))
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

    #[test]
    fn an_alt_text_that_says_nothing_is_told() {
        let head =
            "---\ntitle: T\ndescription: A description of more than forty-eight characters.\n---\n";
        let check = |body: &str, expect: &[Rule]| check(&[&format!("{head}{body}")], expect);
        check("![IMG_1234.JPG](a.png)", &[Rule::AltIsFileName]);
        check("![my-pic-1](my-pic-1.png)", &[Rule::AltIsFileName]);
        check("![owl](owl.png)", &[]);
        check("![Image of an owl](owl.png)", &[Rule::AltBoilerplate]);
    }
}
