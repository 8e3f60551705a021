//! A site's tree: which generator reads it, which files are its pages, where its pictures lie.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::WrongUse;

/// Bytes of the longest page that is read.
const MAX_PAGE_BYTES: u64 = 2 * 1024 * 1024;
/// Folders within folders.
const MAX_DEPTH: usize = 32;

/// Who makes the site of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Generator {
    Hugo,
    Jekyll,
    Astro,
    Docusaurus,
    /// Markdown files and nothing that says who reads them
    Markdown,
}

/// Files that only this generator has.
const MARKS: [(Generator, &[&str]); 4] = [
    (
        Generator::Docusaurus,
        &[
            "docusaurus.config.js",
            "docusaurus.config.ts",
            "docusaurus.config.mjs",
            "docusaurus.config.cjs",
        ],
    ),
    (
        Generator::Astro,
        &[
            "astro.config.mjs",
            "astro.config.js",
            "astro.config.ts",
            "astro.config.cjs",
        ],
    ),
    (
        Generator::Hugo,
        &[
            "hugo.toml",
            "hugo.yaml",
            "hugo.yml",
            "hugo.json",
            "config/_default",
            "archetypes",
        ],
    ),
    (
        Generator::Jekyll,
        &["_config.yml", "_config.yaml", "_config.toml"],
    ),
];

/// What Hugo's configuration was called before 0.110; others have files of that name, so a `content` folder must be there.
const OLD_HUGO: [&str; 4] = ["config.toml", "config.yaml", "config.yml", "config.json"];

impl Generator {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hugo => "Hugo",
            Self::Jekyll => "Jekyll",
            Self::Astro => "Astro",
            Self::Docusaurus => "Docusaurus",
            Self::Markdown => "Markdown",
        }
    }

    fn of(root: &Path) -> Option<Self> {
        let has = |name: &&str| root.join(name).exists();
        let found = MARKS.iter().find(|(_, marks)| marks.iter().any(&has));
        if let Some((generator, _)) = found {
            return Some(*generator);
        }
        (OLD_HUGO.iter().any(has) && root.join("content").is_dir()).then_some(Self::Hugo)
    }

    /// Folders of pages; empty for "the whole tree".
    fn rooms(self) -> &'static [&'static str] {
        match self {
            Self::Hugo => &["content"],
            Self::Astro => &["src/content", "src/pages"],
            Self::Docusaurus => &["docs", "blog", "src/pages", "i18n", "versioned_docs"],
            Self::Jekyll | Self::Markdown => &[],
        }
    }

    /// Folders whose contents are served from `/`.
    fn public(self) -> &'static [&'static str] {
        match self {
            Self::Hugo => &["static", "assets"],
            Self::Astro => &["public"],
            Self::Docusaurus => &["static"],
            Self::Jekyll | Self::Markdown => &["", "static", "public"],
        }
    }

    /// Jekyll copies a file without front matter as it stands: giving it one would make a page of it.
    pub(super) fn needs_front_matter(self) -> bool {
        self == Self::Jekyll
    }
}

/// Folders that hold no page of the author's, where the generator has no folders for pages.
const NO_PAGES: [&str; 13] = [
    "node_modules",
    "vendor",
    "target",
    "public",
    "_site",
    "dist",
    "build",
    "resources",
    "themes",
    "layouts",
    "_layouts",
    "_includes",
    "_sass",
];
/// Files for people who read the tree, not the site.
const NO_PAGE: [&str; 7] = [
    "readme",
    "license",
    "changelog",
    "contributing",
    "code_of_conduct",
    "security",
    "pull_request_template",
];

/// A site's tree.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) root: PathBuf,
    pub(super) generator: Generator,
}

/// A file of the tree that should be a page.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// Its text, or why it has none.
    pub(super) text: Result<String, String>,
}

impl Tree {
    /// The one site that holds all these paths: the nearest folder upwards that a generator has marked; where there is
    /// none the one folder that was named, else the repository, else what the paths have in common.
    pub(super) fn one(paths: &[PathBuf], told: Option<Generator>) -> anyhow::Result<Self> {
        let mut places = Vec::with_capacity(paths.len());
        for path in paths {
            places.push(canonical(path)?);
        }
        let tree = match places.iter().find_map(|place| marked(place)) {
            Some((root, generator)) => Self {
                root,
                generator: told.unwrap_or(generator),
            },
            None => Self {
                root: unmarked(&places)?,
                generator: told.unwrap_or(Generator::Markdown),
            },
        };
        let mut all = paths.iter().zip(&places);
        if let Some((path, _)) = all.find(|(_, place)| !place.starts_with(&tree.root)) {
            let line = format!(
                "{} is not in the site {}; one site at a time",
                path.display(),
                tree.root.display()
            );
            bail!(WrongUse(line));
        }
        Ok(tree)
    }

    /// The folder with `.git` that holds the site, if there is one.
    pub(super) fn repository(&self) -> Option<&Path> {
        repository(&self.root)
    }

    /// All pages, in the order of their names.
    pub(super) fn pages(&self) -> anyhow::Result<Vec<Found>> {
        let mut files = Vec::new();
        let rooms = self.generator.rooms();
        if rooms.is_empty() {
            self.walk(&self.root, &NO_PAGES, 0, &mut files)?;
        }
        for room in rooms
            .iter()
            .map(|room| self.root.join(room))
            .filter(|room| room.is_dir())
        {
            // An author may well call a section `build` or `resources`.
            self.walk(&room, &["node_modules"], 0, &mut files)?;
        }
        files.sort();
        files.dedup();
        Ok(files.into_iter().map(|file| self.found(file)).collect())
    }

    fn walk(
        &self,
        folder: &Path,
        without: &[&str],
        depth: usize,
        files: &mut Vec<PathBuf>,
    ) -> anyhow::Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // What a link points to belongs to another tree, or comes twice.
            let kind = entry.file_type()?;
            if kind.is_dir() && !self.is_hidden(&name) && !without.contains(&name.as_ref()) {
                self.walk(&entry.path(), without, depth + 1, files)?;
            } else if kind.is_file() && self.is_page(&name) {
                files.push(entry.path());
            }
        }
        Ok(())
    }

    fn is_page(&self, name: &str) -> bool {
        let Some((stem, extension)) = name.rsplit_once('.') else {
            return false;
        };
        let extension = extension.to_ascii_lowercase();
        let markdown = matches!(
            extension.as_str(),
            "md" | "markdown" | "mdx" | "mdown" | "mkd"
        );
        // In a tree that a generator reads a `readme.md` is a page like any other.
        let for_people = !matches!(
            self.generator,
            Generator::Docusaurus | Generator::Hugo | Generator::Astro
        ) && NO_PAGE
            .contains(&stem.to_ascii_lowercase().replace('-', "_").as_str());
        // A folder of this kind is a collection to Jekyll, a file is none of its pages.
        let part = self.generator == Generator::Jekyll && name.starts_with('_');
        markdown && !self.is_hidden(name) && !part && !for_people
    }

    /// Whether the generator makes no page of a file or folder of this name: what others include begins with `_`.
    fn is_hidden(&self, name: &str) -> bool {
        let parts = matches!(self.generator, Generator::Docusaurus | Generator::Astro);
        name.starts_with('.') || parts && name.starts_with('_')
    }

    /// Whether the page lies where the generator looks for what is not published yet.
    pub(super) fn is_draft(&self, name: &str) -> bool {
        self.generator == Generator::Jekyll && name.split('/').any(|part| part == "_drafts")
    }

    fn found(&self, file: PathBuf) -> Found {
        let name = self.name(&file);
        let text = read(&file);
        Found { name, file, text }
    }

    /// A file's name from the root, with `/` on every system.
    pub(super) fn name(&self, file: &Path) -> String {
        slashed(file.strip_prefix(&self.root).unwrap_or(file))
    }

    /// The file of a picture that a page names; nothing when it is elsewhere, or outside the tree.
    pub(super) fn picture(&self, page: &Path, src: &str) -> Option<PathBuf> {
        let path = src.split(['?', '#']).next()?.trim();
        if path.is_empty() || path.contains(':') || path.starts_with("//") {
            return None;
        }
        let path = decoded(path);
        let mut places = Vec::new();
        let public = self.generator.public();
        if let Some(inside) = path
            .strip_prefix("@site/")
            .or_else(|| path.strip_prefix("~/"))
        {
            places.push(self.root.join(inside));
        } else if let Some(inside) = path.strip_prefix('/') {
            places.extend(
                public
                    .iter()
                    .map(|folder| self.root.join(folder).join(inside)),
            );
        } else {
            let folder = page.parent()?;
            places.push(folder.join(&path));
            places.push(page.with_extension("").join(&path));
            places.extend(
                public
                    .iter()
                    .map(|folder| self.root.join(folder).join(&path)),
            );
        }
        let found = places.into_iter().find(|place| place.is_file())?;
        let found = found.canonicalize().ok()?;
        found.starts_with(&self.root).then_some(found)
    }
}

/// A relative path with `/` on every system.
pub(super) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(OsStr::to_string_lossy).collect();
    parts.join("/")
}

fn canonical(path: &Path) -> anyhow::Result<PathBuf> {
    path.canonicalize()
        .with_context(|| format!("cannot read {}", path.display()))
}

fn folder(place: &Path) -> &Path {
    if place.is_dir() {
        place
    } else {
        place.parent().unwrap_or(place)
    }
}

fn repository(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|root| root.join(".git").exists())
}

/// The nearest folder upwards that a generator has marked, in the same repository.
fn marked(place: &Path) -> Option<(PathBuf, Generator)> {
    let folder = folder(place);
    let end = repository(folder);
    for root in folder.ancestors() {
        if let Some(generator) = Generator::of(root) {
            return Some((root.to_owned(), generator));
        }
        if Some(root) == end {
            break;
        }
    }
    None
}

/// The root of a tree that no generator has marked.
fn unmarked(places: &[PathBuf]) -> anyhow::Result<PathBuf> {
    let Some((first, others)) = places.split_first() else {
        bail!(WrongUse("no path".to_owned()));
    };
    if others.is_empty() && first.is_dir() {
        return Ok(first.clone());
    }
    let mut common = folder(first).ancestors();
    let common = common.find(|root| others.iter().all(|place| place.starts_with(root)));
    let root = common.and_then(|common| repository(common).or(Some(common)));
    // All of a machine is no site.
    match root.filter(|root| root.parent().is_some()) {
        Some(root) => Ok(root.to_owned()),
        None => bail!(WrongUse(
            "the paths have no folder in common; one site at a time".to_owned()
        )),
    }
}

fn read(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file)
        .map_err(|error| error.to_string())?
        .len();
    if size > MAX_PAGE_BYTES {
        return Err(format!(
            "it has {size} bytes; at most {MAX_PAGE_BYTES} are read"
        ));
    }
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

/// `a%20b` -> `a b`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() {
            after.get(2..).unwrap_or_default()
        } else {
            after
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}
