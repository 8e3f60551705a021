//! `smart-summary site`: a whole static site checked, filled, and brought back.
//!
//! `tree` finds the pages, `page` reads one (`front`, `images`), `rules` say what is wrong, `report` prints it; `fill`
//! asks a `writer` for what is missing and changes files by `edit`s that the `journal` can undo.

#[cfg(feature = "testing")]
pub(super) mod doors;
mod edit;
mod fill;
mod front;
mod images;
mod journal;
mod mask;
mod page;
mod report;
mod rules;
mod tree;
mod writer;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use api::Target;
use clap::{Args, Subcommand};

use self::page::Page;
use self::report::{Format, Report};
use self::rules::{Finding, Level, Rule, Rules};
use self::tree::{Generator, Tree};
use super::{WrongUse, print, say, summarize};
use crate::config::Config;

/// What to do with a site.
#[derive(Debug, Args)]
pub(super) struct SiteArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what is missing, too long or said twice
    Check(CheckArgs),
    /// Write what is missing into the pages
    Fill(fill::FillArgs),
    /// Take the last fill back
    Undo(UndoArgs),
}

/// Which site, and how to tell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  smart-summary site check . --format sarif --output site.sarif --fail-on warning"
)]
struct CheckArgs {
    #[command(flatten)]
    site: Site,
    /// How findings are printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Write the findings here instead of to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The least fault that makes the exit code 1
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Note,
    Never,
}

/// Which site.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  smart-summary site undo .")]
struct UndoArgs {
    /// The site's folder, or any path in it
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
}

/// Which pages of which site.
#[derive(Debug, Args)]
struct Site {
    /// The site's folder, or folders and files of one site; others of its pages are read to find what is said twice
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Who makes the site; found out when left away
    #[arg(long, value_name = "NAME")]
    generator: Option<Generator>,
    /// Take pages that are not published too
    #[arg(long)]
    drafts: bool,
    /// Where titles and descriptions are to be shown: google, google_mobile, bing, baidu, wechat or x
    #[arg(long, value_name = "PLACE", value_parser = summarize::parse_target)]
    target: Option<Target>,
}

/// Runs one of the commands.
pub(super) fn run(args: SiteArgs, config: &Config) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check(args) => check(&args),
        Command::Fill(args) => fill::run(&args, config),
        Command::Undo(args) => journal::run(&args.path),
    }
}

/// A site that was read.
struct Read {
    tree: Tree,
    pages: Vec<Page>,
    /// Which of the pages were asked for.
    chosen: Vec<bool>,
    /// Files that are no text.
    unreadable: Vec<Finding>,
}

impl Site {
    fn read(&self) -> anyhow::Result<Read> {
        let tree = Tree::one(&self.paths, self.generator)?;
        let mut chosen_roots = Vec::with_capacity(self.paths.len());
        for path in &self.paths {
            chosen_roots.push(path.canonicalize()?);
        }
        let mut read = Read {
            tree,
            pages: Vec::new(),
            chosen: Vec::new(),
            unreadable: Vec::new(),
        };
        for found in read.tree.pages()? {
            let chosen = chosen_roots.iter().any(|root| found.file.starts_with(root));
            let text = match found.text {
                Ok(text) => text,
                Err(why) if chosen => {
                    read.unreadable
                        .push(Finding::new(Rule::Unreadable, &found.name, 1, why));
                    continue;
                }
                Err(_) => continue,
            };
            let page = Page::new(found.name, found.file, text);
            let none = read.tree.generator.needs_front_matter() && !page.has_front_matter();
            let draft = page.is_draft() || read.tree.is_draft(&page.name);
            if none || draft && !self.drafts {
                continue;
            }
            read.pages.push(page);
            read.chosen.push(chosen);
        }
        Ok(read)
    }
}

impl Read {
    fn chosen(&self) -> impl Iterator<Item = (usize, &Page)> {
        let chosen = self.chosen.iter().copied();
        self.pages
            .iter()
            .enumerate()
            .zip(chosen)
            .filter_map(|(page, chosen)| chosen.then_some(page))
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let read = args.site.read()?;
    let rules = Rules::of(&read.pages, args.site.target);
    let mut findings = read.unreadable.clone();
    findings.extend(read.chosen().flat_map(|(_, page)| rules.check(page)));
    findings.sort_by(|a, b| (&a.page, a.line, a.rule).cmp(&(&b.page, b.line, b.rule)));
    let worst = findings.iter().map(|finding| finding.level).max();
    let report = Report {
        tree: &read.tree,
        pages: read.chosen().count(),
        images: read.chosen().map(|(_, page)| page.images.len()).sum(),
        findings,
    };
    let text = report.print(args.format);
    match &args.output {
        Some(file) => std::fs::write(file, text)
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", file.display()))?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    let fails = match args.fail_on {
        FailOn::Error => worst >= Some(Level::Error),
        FailOn::Warning => worst >= Some(Level::Warning),
        FailOn::Note => worst.is_some(),
        FailOn::Never => false,
    };
    Ok(ExitCode::from(u8::from(fails)))
}
