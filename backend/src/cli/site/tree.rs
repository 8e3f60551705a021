//! A site's tree: which generator reads it, which files are its pages, where its pictures lie.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

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

/// Folders that hold no page of the author's.
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
    /// The site that holds `path`: the nearest folder upwards that a generator has marked, else `path` itself.
    pub(super) fn of(path: &Path, told: Option<Generator>) -> anyhow::Result<Self> {
        let path = path
            .canonicalize()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let folder = if path.is_dir() {
            path.as_path()
        } else {
            path.parent().unwrap_or(&path)
        };
        for root in folder.ancestors() {
            if let Some(generator) = Generator::of(root) {
                return Ok(Self {
                    root: root.to_owned(),
                    generator: told.unwrap_or(generator),
                });
            }
            if root.join(".git").exists() {
                break;
            }
        }
        Ok(Self {
            root: folder.to_owned(),
            generator: told.unwrap_or(Generator::Markdown),
        })
    }

    /// All pages, in the order of their names.
    pub(super) fn pages(&self) -> anyhow::Result<Vec<Found>> {
        let mut files = Vec::new();
        let rooms = self.generator.rooms();
        if rooms.is_empty() {
            self.walk(&self.root, 0, &mut files)?;
        }
        for room in rooms
            .iter()
            .map(|room| self.root.join(room))
            .filter(|room| room.is_dir())
        {
            self.walk(&room, 0, &mut files)?;
        }
        files.sort();
        files.dedup();
        Ok(files.into_iter().map(|file| self.found(file)).collect())
    }

    fn walk(&self, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
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
            if kind.is_dir() && !name.starts_with('.') && !NO_PAGES.contains(&name.as_ref()) {
                self.walk(&entry.path(), depth + 1, files)?;
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
        let hidden = name.starts_with('.')
            || self.generator == Generator::Docusaurus && name.starts_with('_');
        // In a tree that a generator reads a `readme.md` is a page like any other.
        let for_people = !matches!(
            self.generator,
            Generator::Docusaurus | Generator::Hugo | Generator::Astro
        ) && NO_PAGE
            .contains(&stem.to_ascii_lowercase().replace('-', "_").as_str());
        markdown && !hidden && !for_people
    }

    fn found(&self, file: PathBuf) -> Found {
        let name = self.name(&file);
        let text = read(&file);
        Found { name, file, text }
    }

    /// A file's name from the root, with `/` on every system.
    pub(super) fn name(&self, file: &Path) -> String {
        let inside = file.strip_prefix(&self.root).unwrap_or(file);
        let parts: Vec<_> = inside.iter().map(OsStr::to_string_lossy).collect();
        parts.join("/")
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

/// Checks that all paths belong to one site, and gives it.
pub(super) fn one(paths: &[PathBuf], told: Option<Generator>) -> anyhow::Result<Tree> {
    let Some(first) = paths.first() else {
        bail!(WrongUse("no path".to_owned()));
    };
    let tree = Tree::of(first, told)?;
    for path in paths {
        let whole = path
            .canonicalize()
            .with_context(|| format!("cannot read {}", path.display()))?;
        let inside = whole.starts_with(&tree.root)
            && !whole.components().any(|part| part == Component::ParentDir);
        if !inside {
            let line = format!(
                "{} is not in the site {}; one site at a time",
                path.display(),
                tree.root.display()
            );
            bail!(WrongUse(line));
        }
    }
    Ok(tree)
}
