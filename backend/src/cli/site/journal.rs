//! What a fill changed, written down before each change, so that it can be taken back as long as nobody wrote since.
//!
//! A journal is a file of `.smart-summary` in the site's folder, a line per page.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::edit::{self, Edit};
use super::tree::{Generator, Tree};
use super::{print, say};
use crate::auth::hex;

const FOLDER: &str = ".smart-summary";

/// One page's changes.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    page: String,
    /// SHA-256 of the file after the change.
    after: String,
    edits: Vec<Edit>,
}

/// The journal of one fill.
pub(super) struct Journal {
    root: PathBuf,
    /// Made with the first change.
    file: Option<File>,
}

impl Journal {
    pub(super) fn of(tree: &Tree) -> Self {
        Self {
            root: tree.root.clone(),
            file: None,
        }
    }

    /// Writes the change down, then makes it.
    ///
    /// # Errors
    /// When the file is no longer what it was, or one of the two cannot be written; then the page is as it was.
    pub(super) fn change(
        &mut self,
        page: &str,
        file: &Path,
        text: &str,
        edits: &[Edit],
    ) -> anyhow::Result<()> {
        let after =
            edit::apply(text, edits).context("a bug of ours: the edits do not meet the text")?;
        if fs::read(file)? != text.as_bytes() {
            bail!("it was changed meanwhile");
        }
        let entry = Entry {
            page: page.to_owned(),
            after: digest(&after),
            edits: edits.to_vec(),
        };
        let mut line = serde_json::to_string(&entry)?;
        line.push('\n');
        let journal = self.open().context("cannot write the journal")?;
        journal.write_all(line.as_bytes())?;
        journal.sync_data()?;
        replace(file, &after)
    }

    fn open(&mut self) -> anyhow::Result<&mut File> {
        if self.file.is_none() {
            let folder = self.root.join(FOLDER);
            fs::create_dir_all(&folder)?;
            // The journal is this machine's, not the repository's.
            let ignore = folder.join(".gitignore");
            if !ignore.exists() {
                fs::write(ignore, "*\n")?;
            }
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis();
            let file = OpenOptions::new()
                .create_new(true)
                .append(true)
                .open(folder.join(format!("{now:015}.jsonl")))?;
            self.file = Some(file);
        }
        self.file
            .as_mut()
            .context("a bug of ours: there is no journal")
    }
}

/// The whole new text or the whole old one, also after a crash; the file's permissions stay.
fn replace(file: &Path, text: &str) -> anyhow::Result<()> {
    let name = file
        .file_name()
        .context("a page has a name")?
        .to_string_lossy();
    let new = file.with_file_name(format!(".{name}.smart-summary"));
    let written = write_new(&new, file, text);
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", file.display()))
}

fn write_new(new: &Path, file: &Path, text: &str) -> anyhow::Result<()> {
    let mut out = File::create(new)?;
    out.write_all(text.as_bytes())?;
    out.set_permissions(fs::metadata(file)?.permissions())?;
    out.sync_all()?;
    Ok(fs::rename(new, file)?)
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Takes the last fill of a site back. Exit code 1 when a page was written since and is left.
pub(super) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let root = filled(path)?;
    let Some(last) = last(&root)? else {
        bail!("there is no fill of {} to take back", root.display());
    };
    let lines =
        fs::read_to_string(&last).with_context(|| format!("cannot read {}", last.display()))?;
    let (mut back, mut left) = (0, 0);
    for line in lines.lines().rev() {
        // The last line of a journal that was cut off belongs to a change that was never made.
        let Ok(entry) = serde_json::from_str::<Entry>(line) else {
            continue;
        };
        match take_back(&root, &entry) {
            Ok(true) => back += 1,
            Ok(false) => {}
            Err(error) => {
                left += 1;
                say(&format!("{}: {error:#}; left as it is", entry.page));
            }
        }
    }
    if left == 0 {
        fs::remove_file(&last).with_context(|| format!("cannot remove {}", last.display()))?;
    }
    print(&format!(
        "{back} pages are as they were before the last fill"
    ))?;
    Ok(ExitCode::from(u8::from(left > 0)))
}

/// The site's folder; where no generator has marked it, the nearest one upwards in the repository that was filled.
fn filled(path: &Path) -> anyhow::Result<PathBuf> {
    let tree = Tree::one(&[path.to_owned()], None)?;
    if let (Generator::Markdown, Some(end)) = (tree.generator, tree.repository()) {
        let place = path.canonicalize()?;
        let above = place.ancestors();
        for folder in above.take_while(|folder| folder.starts_with(end)) {
            if last(folder)?.is_some() {
                return Ok(folder.to_owned());
            }
        }
    }
    Ok(tree.root)
}

/// The journal of a folder's last fill.
fn last(root: &Path) -> anyhow::Result<Option<PathBuf>> {
    let folder = root.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", folder.display()));
        }
    };
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_journal = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| extension == "jsonl")
    };
    Ok(files.filter(is_journal).max())
}

/// Whether the page had to be changed.
fn take_back(root: &Path, entry: &Entry) -> anyhow::Result<bool> {
    let page = Path::new(&entry.page);
    if !page
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        bail!("it is not in the site");
    }
    let file = root.join(page);
    let text = fs::read_to_string(&file)?;
    if digest(&text) != entry.after {
        // A crash between the journal and the change leaves the old text; so does an undo that was cut off.
        if edit::apply(&text, &entry.edits).is_some_and(|after| digest(&after) == entry.after) {
            return Ok(false);
        }
        bail!("it was written since");
    }
    let before = edit::undo(&text, &entry.edits).context("its journal is damaged")?;
    replace(&file, &before)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_names_no_file_outside_its_site() {
        let root = tempfile::TempDir::new().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(outside.path(), "new").unwrap();
        let absolute = outside.path().to_string_lossy().into_owned();
        for page in [
            absolute.as_str(),
            "../x.md",
            "a/../../x.md",
            "/x.md",
            "./x.md",
        ] {
            let entry = Entry {
                page: page.to_owned(),
                after: digest("new"),
                edits: vec![],
            };
            let refused = take_back(root.path(), &entry).unwrap_err();
            assert_eq!(refused.to_string(), "it is not in the site", "{page}");
        }
        assert_eq!(fs::read_to_string(outside.path()).unwrap(), "new");
    }
}
