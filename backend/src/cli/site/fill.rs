//! `site fill`: what is missing, written into the pages; everything else byte for byte as it was.

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use api::EnginePreference;
use clap::Args;
use url::Url;

use super::edit::{self, Edit};
use super::images::Alt;
use super::journal::Journal;
use super::page::Page;
use super::rules::{self, Rule, Rules};
use super::writer::{Asked, Wanted, Writer, Written};
use super::{Read, Site, front, say};
use crate::cli::{evaluate, summarize};
use crate::config::Config;

/// A description with less to say than this (characters, of which full-width ones count two) is none.
const LEAST: f32 = 25.0;

/// Which site, what to write, and who writes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  smart-summary site fill . --dry-run\n  \
                  smart-summary site fill content/posts --replace too-long\n  \
                  SMART_SUMMARY_KEY=ss_live_… smart-summary site fill . --server https://summary.example")]
pub(super) struct FillArgs {
    #[command(flatten)]
    site: Site,
    /// What to write where it is missing
    #[arg(long, value_name = "FIELD,…", value_delimiter = ',', default_values = ["description", "alt-texts"])]
    fields: Vec<FillField>,
    /// Descriptions and alt texts to write anew although they are there
    #[arg(long, value_name = "WHICH,…", value_delimiter = ',')]
    replace: Vec<Replace>,
    /// Print the changes as a diff and change nothing
    #[arg(long)]
    dry_run: bool,
    /// auto, extractive, glm4v or upstream
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = summarize::parse_engine)]
    engine: EnginePreference,
    /// Ask this server instead of an engine here; pages and pictures are sent to it
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// An API key with the scope `summaries:write`
    #[arg(
        long,
        value_name = "KEY",
        env = "SMART_SUMMARY_KEY",
        hide_env_values = true
    )]
    key: Option<String>,
    /// Pages at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FillField {
    Description,
    AltTexts,
    Keywords,
    Title,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Replace {
    /// Those that search results cut
    TooLong,
    /// Those of several pages
    Duplicate,
    /// Every description
    All,
    /// Alt texts that are a file's name, or say that there is a picture
    AltTexts,
}

/// Fills a site. Exit code 1 when a page could not be done.
pub(super) fn run(args: &FillArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let read = args.site.read()?;
    let rules = Rules::of(&read.pages, args.site.target);
    let tasks: Vec<(&Page, Wanted)> = read
        .chosen()
        .map(|(_, page)| (page, args.wanted(page, &rules)))
        .filter(|(page, wanted)| page.front.is_ok() && wanted.anything_of(page))
        .collect();
    let mut filling = Filling {
        args,
        read: &read,
        rules: &rules,
        journal: Journal::of(&read.tree),
        said: HashSet::new(),
        count: Count::default(),
    };
    for finding in &read.unreadable {
        filling.fail(&finding.page, &finding.detail);
    }
    for (_, page) in read.chosen() {
        if let Err(broken) = &page.front {
            filling.fail(&page.name, &broken.to_string());
        }
    }
    if !tasks.is_empty() {
        let writer = Writer::new(args.server.as_ref(), args.key.as_deref(), config)?;
        filling.all(&writer, &tasks)?;
    }
    filling.count.tell(args, &read.tree.root);
    Ok(ExitCode::from(u8::from(filling.count.failed > 0)))
}

impl Wanted {
    fn anything_of(self, page: &Page) -> bool {
        let text = self.description || self.title || self.keywords;
        text || page.images.iter().any(|image| self.includes(image))
    }
}

impl FillArgs {
    fn wanted(&self, page: &Page, rules: &Rules<'_>) -> Wanted {
        let asked = |field| self.fields.contains(&field);
        Wanted {
            description: asked(FillField::Description)
                && (page.description().is_none() || self.replaces(page, rules)),
            title: asked(FillField::Title) && page.title().is_none(),
            keywords: asked(FillField::Keywords) && !page.has_keywords(),
            alt_texts: asked(FillField::AltTexts),
            new_alt_texts: asked(FillField::AltTexts) && self.replace.contains(&Replace::AltTexts),
        }
    }

    fn replaces(&self, page: &Page, rules: &Rules<'_>) -> bool {
        if self.replace.is_empty() {
            return false;
        }
        let faults = rules.check(page);
        let has = |rule| faults.iter().any(|finding| finding.rule == rule);
        self.replace.iter().any(|which| match which {
            Replace::TooLong => has(Rule::DescriptionTooLong),
            Replace::Duplicate => has(Rule::DescriptionDuplicate),
            Replace::All => true,
            Replace::AltTexts => false,
        })
    }
}

#[derive(Debug, Default)]
struct Count {
    pages: usize,
    descriptions: usize,
    alt_texts: usize,
    left: usize,
    failed: usize,
}

impl Count {
    fn tell(&self, args: &FillArgs, root: &Path) {
        let did = if args.dry_run {
            "would change"
        } else {
            "changed"
        };
        say(&format!(
            "{did} {} pages: {} descriptions, {} alt texts; {} left to a person, {} failed",
            self.pages, self.descriptions, self.alt_texts, self.left, self.failed
        ));
        if self.pages > 0 && !args.dry_run {
            // The journal is found from here, whichever folder this was called in.
            let root = quoted(&root.to_string_lossy());
            say(&format!("`smart-summary site undo {root}` takes it back"));
        }
    }
}

/// A word of a command line.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:\\".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

struct Filling<'a> {
    args: &'a FillArgs,
    read: &'a Read,
    rules: &'a Rules<'a>,
    journal: Journal,
    /// Descriptions written in this run, by what they are known by.
    said: HashSet<String>,
    count: Count,
}

/// Whether a text says no more than the words of the file's name.
fn only_names(text: &str, name: &str) -> bool {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    !text.is_empty() && letters(text) == letters(stem)
}

impl Filling<'_> {
    /// Several pages are written at a time, but changed in their order, so that the same tree gives the same site.
    fn all(&mut self, writer: &Writer, tasks: &[(&Page, Wanted)]) -> anyhow::Result<()> {
        let progress = evaluate::progress(tasks.len());
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::sync_channel(usize::from(self.args.jobs));
        let tree = &self.read.tree;
        let asked = Asked {
            engine: self.args.engine,
            target: self.args.site.target,
        };
        std::thread::scope(|scope| {
            for _ in 0..self.args.jobs {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some((page, wanted)) = tasks.get(index) else {
                            break;
                        };
                        // Nobody receives when the output is closed.
                        if sender
                            .send((index, writer.write(tree, page, *wanted, asked)))
                            .is_err()
                        {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut early = BTreeMap::new();
            let mut due = 0;
            for (index, written) in receiver {
                early.insert(index, written);
                while let Some(written) = early.remove(&due) {
                    if let Some((page, wanted)) = tasks.get(due) {
                        progress.suspend(|| self.one(page, *wanted, written))?;
                    }
                    progress.inc(1);
                    due += 1;
                }
            }
            progress.finish_and_clear();
            Ok(())
        })
    }

    fn fail(&mut self, page: &str, why: &str) {
        self.count.failed += 1;
        say(&format!("{page}: {why}"));
    }

    fn one(
        &mut self,
        page: &Page,
        wanted: Wanted,
        written: anyhow::Result<Written>,
    ) -> anyhow::Result<()> {
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                self.fail(&page.name, &format!("{error:#}"));
                return Ok(());
            }
        };
        let mut changes = Changes {
            edits: Vec::new(),
            done: Vec::new(),
            notes: written.notes.clone(),
        };
        self.head(page, wanted, &written, &mut changes);
        self.alts(page, &written, &mut changes);
        changes.edits.sort_by_key(|edit| edit.at);
        if !changes.edits.is_empty() {
            if self.args.dry_run {
                std::io::stdout()
                    .lock()
                    .write_all(edit::diff(&page.name, &page.text, &changes.edits).as_bytes())?;
            } else if let Err(error) =
                self.journal
                    .change(&page.name, &page.file, &page.text, &changes.edits)
            {
                self.fail(&page.name, &format!("{error:#}"));
                return Ok(());
            }
            self.count.pages += 1;
        }
        if !self.args.dry_run && !changes.done.is_empty() {
            writeln!(
                std::io::stdout().lock(),
                "{}: {}",
                page.name,
                changes.done.join(", ")
            )?;
        }
        for note in changes.notes {
            say(&format!("{}: {note}", page.name));
        }
        Ok(())
    }

    /// The keys of the front matter, one after the other: each is placed in the text that the one before it left.
    fn head(&mut self, page: &Page, wanted: Wanted, written: &Written, changes: &mut Changes) {
        let mut keys: Vec<(&str, serde_json::Value)> = Vec::new();
        if wanted.title && !written.title.is_empty() {
            keys.push(("title", written.title.as_str().into()));
        }
        if wanted.description {
            match self.description(page, written) {
                Some(description) => {
                    self.said.insert(rules::key(&description, page));
                    keys.push((described_by(page), description.into()));
                }
                None => {
                    self.count.left += 1;
                    changes
                        .notes
                        .push("there is too little text for a description of its own".to_owned());
                }
            }
        }
        if wanted.keywords && !written.keywords.is_empty() {
            keys.push(("keywords", written.keywords.clone().into()));
        }
        let mut text = page.text.clone();
        let before = changes.edits.len();
        for (key, value) in keys {
            let Some(edit) = front::set(&text, key, &value.to_string()) else {
                self.count.failed += 1;
                changes.notes.push(format!(
                    "`{key}` cannot be written into this front matter; write it yourself: {value}"
                ));
                continue;
            };
            let Some(after) = edit::apply(&text, std::slice::from_ref(&edit)) else {
                continue;
            };
            self.count.descriptions += usize::from(key != "title" && key != "keywords");
            changes.done.push(key.to_owned());
            changes.edits.truncate(before);
            // One edit from the page's own text to this one, whatever the order of the keys.
            changes.edits.extend(whole(&page.text, &after));
            text = after;
        }
    }

    /// The first that no other page says.
    fn description(&self, page: &Page, written: &Written) -> Option<String> {
        let fits = |text: &&String| {
            extractive::width(text) * 2.0 >= LEAST
                && !self.rules.is_taken(text, page)
                && !self.said.contains(&rules::key(text, page))
        };
        written.descriptions.iter().find(fits).cloned()
    }

    fn alts(&mut self, page: &Page, written: &Written, changes: &mut Changes) {
        let mut texts = 0;
        for (index, alt) in &written.alts {
            let Some(image) = page.images.get(*index) else {
                continue;
            };
            let name = image.name();
            match image.with_alt(&page.text, &alt.text) {
                // A file's name is no description; an engine that knows no more leaves it to a person.
                Some(_) if alt.needs_human || only_names(&alt.text, name) => {
                    self.count.left += 1;
                    changes
                        .notes
                        .push(format!("{} needs an alt text from a person", image.src));
                }
                Some(edit) if reads_back(page, *index, &edit, &alt.text) => {
                    texts += usize::from(!alt.text.is_empty());
                    changes.edits.push(edit);
                }
                _ if alt.decorative && extractive::is_ornament(name) => {}
                _ => {
                    self.count.left += 1;
                    changes
                        .notes
                        .push(format!("{} needs an alt text from a person", image.src));
                }
            }
        }
        self.count.alt_texts += texts;
        match texts {
            0 => {}
            1 => changes.done.push("1 alt text".to_owned()),
            _ => changes.done.push(format!("{texts} alt texts")),
        }
    }
}

/// What happens to one page.
struct Changes {
    edits: Vec<Edit>,
    done: Vec<String>,
    notes: Vec<String>,
}

/// The key that holds the description, or is to.
fn described_by(page: &Page) -> &'static str {
    let front = page.front.as_ref().ok().and_then(Option::as_ref);
    let there = super::page::DESCRIPTION
        .into_iter()
        .find(|key| front.is_some_and(|front| front.text(&[*key]).is_some()));
    there.unwrap_or("description")
}

/// Whether the page, read again, has this text at this picture and is otherwise the same.
fn reads_back(page: &Page, index: usize, edit: &Edit, alt: &str) -> bool {
    let Some(after) = edit::apply(&page.text, std::slice::from_ref(edit)) else {
        return false;
    };
    let after = Page::new(page.name.clone(), page.file.clone(), after);
    let wanted = if alt.is_empty() {
        Alt::Decorative
    } else {
        Alt::Text(alt.to_owned())
    };
    let same = page
        .images
        .iter()
        .zip(&after.images)
        .enumerate()
        .all(|(at, (old, new))| {
            old.src == new.src
                && if at == index {
                    new.alt == wanted
                } else {
                    new.alt == old.alt
                }
        });
    same && page.images.len() == after.images.len() && page.front == after.front
}

/// One edit that makes `after` of `before`: what both begin and end with stays.
fn whole(before: &str, after: &str) -> Option<Edit> {
    let same = |(a, b): &(char, char)| a == b;
    let start: usize = before
        .chars()
        .zip(after.chars())
        .take_while(same)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let (old, new) = (before.get(start..)?, after.get(start..)?);
    let end: usize = old
        .chars()
        .rev()
        .zip(new.chars().rev())
        .take_while(same)
        .map(|(c, _)| c.len_utf8())
        .sum();
    let inserted = new.get(..new.len() - end)?.to_owned();
    Edit::replace(before, start..before.len() - end, inserted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_word_of_the_command() {
        assert_eq!(quoted("/srv/blog-2/博客"), "/srv/blog-2/博客");
        assert_eq!(quoted("/srv/Ann's blog"), r"'/srv/Ann'\''s blog'");
    }

    #[test]
    fn what_is_common_stays() {
        let edit = whole("title: ab\n---\n", "title: ab\nx: 1\n---\n").unwrap();
        assert_eq!(
            (edit.at, edit.removed.as_str(), edit.inserted.as_str()),
            (10, "", "x: 1\n")
        );
        assert_eq!(whole("aa", "aaa").unwrap().inserted, "a");
        assert_eq!(whole("中a", "中b").unwrap().at, 3);
    }
}
